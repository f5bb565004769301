//! Roster operations and their one binary form.
//!
//! `HROP`, version, suite, kind, author (0, or 1 and the device), generation,
//! parents in ascending order, length-prefixed body; the signature follows.
//! An operation's id is the BLAKE3 of all that without the signature.

use crate::Capabilities;
use crate::map::{decode_map, encode_map};
use heirloom_base::{
    AccountId, Decode, DecodeError, DeviceId, Encode, EpochId, LogId, OpId, Reader, Writer, limits,
};
use std::collections::BTreeMap;

const MAGIC: [u8; 4] = *b"HROP";
const VERSION: u8 = 1;
const SUITE: u8 = 1;

/// Logs that one operation may cut or accept.
pub const CUTS_MAX: usize = 1_024;
/// Epochs whose keys one operation may hand on.
pub const PREDECESSORS_MAX: usize = 64;
/// Size of one wrapped key: room for a later suite with a larger public key.
pub const WRAP_BYTES_MAX: usize = 2_048;
/// Size of one sealed key or name.
pub const SEALED_BYTES_MAX: usize = 512;
/// Size of a policy or of a receipt for an erasure.
pub const OPAQUE_BYTES_MAX: usize = 16 * 1024;

/// Who signed an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Author {
    /// The account's root key.
    Root,
    /// A device.
    Device(DeviceId),
}

/// One operation of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// Who signed it.
    pub author: Author,
    /// Grows with every reset by the root key.
    pub generation: u32,
    /// What its author knew, in ascending order.
    pub parents: Vec<OpId>,
    /// What it does.
    pub body: OpBody,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpBody {
    /// Begins the account.
    Genesis(Genesis),
    /// Lets a device in.
    AddDevice(AddDevice),
    /// Changes what a device may do.
    SetCapabilities {
        /// The device.
        device: DeviceId,
        /// What it may do from now on.
        capabilities: Capabilities,
    },
    /// Takes a device out.
    Revoke(Revoke),
    /// Makes a new content key.
    Epoch(EpochKeys),
    /// Accepts entries of a revoked device beyond its cuts.
    Accept {
        /// The device.
        device: DeviceId,
        /// Per log the last accepted sequence number.
        cuts: BTreeMap<LogId, u64>,
    },
    /// Orders a device to erase or lock itself.
    Erase {
        /// The device.
        device: DeviceId,
        /// Makes the order unique.
        nonce: [u8; 16],
        /// What is ordered.
        mode: EraseMode,
    },
    /// Reports that an order was carried out.
    EraseReceipt {
        /// The order.
        order: OpId,
        /// What was done.
        report: Vec<u8>,
    },
    /// States a household policy.
    Policy(Vec<u8>),
    /// States the whole roster anew; signed by the root key.
    RootReset(RootReset),
    /// Names a device.
    Name {
        /// The device.
        device: DeviceId,
        /// The name, sealed for those who may read.
        sealed: Vec<u8>,
    },
    /// An operation of a later version: kept and relayed, not applied.
    Unknown {
        /// Its kind.
        kind: u8,
        /// Its body.
        body: Vec<u8>,
    },
}

/// The beginning of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Genesis {
    /// The root's public signing key.
    pub root_public: [u8; 32],
    /// The public key to which every epoch is wrapped for recovery.
    pub recovery_public: [u8; 32],
    /// Commits to the account key, so that nobody can slip in another.
    pub account_key_commitment: [u8; 32],
}

impl Genesis {
    /// Returns the account that begins here.
    #[must_use]
    pub fn account_id(&self) -> AccountId {
        crate::phrase::account_id(&self.root_public, &self.recovery_public)
    }
}

/// A device on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddDevice {
    /// The device.
    pub device: DeviceId,
    /// Its public encryption key.
    pub encryption_public: [u8; 32],
    /// Its signature over that key.
    pub binding: [u8; 64],
    /// What it may do.
    pub capabilities: Capabilities,
    /// Its name, sealed for those who may read.
    pub sealed_name: Vec<u8>,
    /// Epoch and account keys, wrapped to it; none for a device that may not read.
    pub wraps: BTreeMap<EpochId, Vec<u8>>,
}

/// A device on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// The device.
    pub device: DeviceId,
    /// Per log of the device the last accepted sequence number; 0 for others.
    pub cuts: BTreeMap<LogId, u64>,
    /// The next content key, which the device does not get.
    pub epoch: Option<EpochKeys>,
}

/// A content key, given to those who may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochKeys {
    /// Commits to the key, so that everybody gets the same.
    pub commitment: [u8; 32],
    /// Epoch and account key, wrapped to every device that may read.
    pub wraps: BTreeMap<DeviceId, Vec<u8>>,
    /// The same, wrapped to the recovery key.
    pub recovery_wrap: Vec<u8>,
    /// Earlier content keys, sealed under this one.
    pub predecessors: BTreeMap<EpochId, Vec<u8>>,
}

/// What an erasure order asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EraseMode {
    /// Destroy the keys, then the data.
    Wipe,
    /// Lock until the phrase is typed.
    Lock,
}

/// The whole roster, stated by the root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootReset {
    /// Every member.
    pub members: BTreeMap<DeviceId, ResetMember>,
    /// Every other device that was known, with its cuts.
    pub revoked: BTreeMap<DeviceId, BTreeMap<LogId, u64>>,
    /// The next content key.
    pub epoch: EpochKeys,
}

/// A member as a reset states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetMember {
    /// Its public encryption key.
    pub encryption_public: [u8; 32],
    /// What it may do.
    pub capabilities: Capabilities,
    /// Its name, sealed for those who may read.
    pub sealed_name: Vec<u8>,
}

impl OpBody {
    /// Returns the kind's number.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Genesis(_) => 1,
            Self::AddDevice(_) => 2,
            Self::SetCapabilities { .. } => 3,
            Self::Revoke(_) => 4,
            Self::Epoch(_) => 5,
            Self::Accept { .. } => 6,
            Self::Erase { .. } => 7,
            Self::EraseReceipt { .. } => 8,
            Self::Policy(_) => 9,
            Self::RootReset(_) => 10,
            Self::Name { .. } => 11,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Returns the content key that the operation makes.
    #[must_use]
    pub fn epoch(&self) -> Option<&EpochKeys> {
        match self {
            Self::Epoch(epoch) => Some(epoch),
            Self::Revoke(revoke) => revoke.epoch.as_ref(),
            Self::RootReset(reset) => Some(&reset.epoch),
            Self::Genesis(_)
            | Self::AddDevice(_)
            | Self::SetCapabilities { .. }
            | Self::Accept { .. }
            | Self::Erase { .. }
            | Self::EraseReceipt { .. }
            | Self::Policy(_)
            | Self::Name { .. }
            | Self::Unknown { .. } => None,
        }
    }

    fn encode_body(&self, writer: &mut Writer) {
        match self {
            Self::Genesis(genesis) => genesis.encode(writer),
            Self::AddDevice(add) => add.encode(writer),
            Self::SetCapabilities { device, capabilities } => {
                device.encode(writer);
                capabilities.encode(writer);
            }
            Self::Revoke(revoke) => revoke.encode(writer),
            Self::Epoch(epoch) => epoch.encode(writer),
            Self::Accept { device, cuts } => {
                device.encode(writer);
                encode_cuts(writer, cuts);
            }
            Self::Erase { device, nonce, mode } => {
                device.encode(writer);
                writer.array(nonce);
                writer.u8(match mode {
                    EraseMode::Wipe => 1,
                    EraseMode::Lock => 2,
                });
            }
            Self::EraseReceipt { order, report } => {
                order.encode(writer);
                writer.bytes(report);
            }
            Self::Policy(policy) => writer.bytes(policy),
            Self::RootReset(reset) => reset.encode(writer),
            Self::Name { device, sealed } => {
                device.encode(writer);
                writer.bytes(sealed);
            }
            Self::Unknown { body, .. } => writer.array(body),
        }
    }

    fn decode_body(kind: u8, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            1 => Self::Genesis(Genesis::decode(reader)?),
            2 => Self::AddDevice(AddDevice::decode(reader)?),
            3 => Self::SetCapabilities {
                device: DeviceId::decode(reader)?,
                capabilities: Capabilities::decode(reader)?,
            },
            4 => Self::Revoke(Revoke::decode(reader)?),
            5 => Self::Epoch(EpochKeys::decode(reader)?),
            6 => Self::Accept { device: DeviceId::decode(reader)?, cuts: decode_cuts(reader)? },
            7 => Self::Erase {
                device: DeviceId::decode(reader)?,
                nonce: reader.array()?,
                mode: decode_mode(reader)?,
            },
            8 => Self::EraseReceipt {
                order: OpId::decode(reader)?,
                report: reader.bytes(OPAQUE_BYTES_MAX)?.to_vec(),
            },
            9 => Self::Policy(reader.bytes(OPAQUE_BYTES_MAX)?.to_vec()),
            10 => Self::RootReset(RootReset::decode(reader)?),
            11 => Self::Name { device: DeviceId::decode(reader)?, sealed: decode_sealed(reader)? },
            kind => Self::Unknown { kind, body: reader.take(reader.remaining())?.to_vec() },
        })
    }
}

impl Encode for Op {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&MAGIC);
        writer.array(&[VERSION, SUITE, self.body.kind()]);
        match self.author {
            Author::Root => writer.u8(0),
            Author::Device(device) => {
                writer.u8(1);
                device.encode(writer);
            }
        }
        writer.u32(self.generation);
        writer.list(&self.parents);
        let mut body = Writer::new();
        self.body.encode_body(&mut body);
        writer.bytes(&body.into_bytes());
    }
}

impl Decode for Op {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.array()? != MAGIC {
            return Err(DecodeError::NotCanonical("not a roster operation"));
        }
        for (what, known) in [("operation version", VERSION), ("operation suite", SUITE)] {
            let value = reader.u8()?;
            if value != known {
                return Err(DecodeError::Unknown { what, value: value.into() });
            }
        }
        let kind = reader.u8()?;
        let author = match reader.u8()? {
            0 => Author::Root,
            1 => Author::Device(DeviceId::decode(reader)?),
            value => return Err(DecodeError::Unknown { what: "author", value: value.into() }),
        };
        let generation = reader.u32()?;
        let parents: Vec<OpId> = reader.list(limits::ROSTER_PARENTS_MAX)?;
        if !parents.is_sorted_by(|one, next| one < next) {
            return Err(DecodeError::NotCanonical("parents ascend"));
        }
        let mut body = Reader::new(reader.bytes(limits::ROSTER_OP_BYTES_MAX)?);
        let op = Self { author, generation, parents, body: OpBody::decode_body(kind, &mut body)? };
        body.finish()?;
        Ok(op)
    }
}

impl Encode for Genesis {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.root_public);
        writer.array(&self.recovery_public);
        writer.array(&self.account_key_commitment);
    }
}

impl Decode for Genesis {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            root_public: reader.array()?,
            recovery_public: reader.array()?,
            account_key_commitment: reader.array()?,
        })
    }
}

impl Encode for AddDevice {
    fn encode(&self, writer: &mut Writer) {
        self.device.encode(writer);
        writer.array(&self.encryption_public);
        writer.array(&self.binding);
        self.capabilities.encode(writer);
        writer.bytes(&self.sealed_name);
        encode_map(writer, &self.wraps, |writer, wrap| writer.bytes(wrap));
    }
}

impl Decode for AddDevice {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: DeviceId::decode(reader)?,
            encryption_public: reader.array()?,
            binding: reader.array()?,
            capabilities: Capabilities::decode(reader)?,
            sealed_name: decode_sealed(reader)?,
            wraps: decode_map(reader, PREDECESSORS_MAX, decode_wrap)?,
        })
    }
}

impl Encode for Revoke {
    fn encode(&self, writer: &mut Writer) {
        self.device.encode(writer);
        encode_cuts(writer, &self.cuts);
        writer.option(self.epoch.as_ref());
    }
}

impl Decode for Revoke {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: DeviceId::decode(reader)?,
            cuts: decode_cuts(reader)?,
            epoch: reader.option()?,
        })
    }
}

impl Encode for EpochKeys {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.commitment);
        encode_map(writer, &self.wraps, |writer, wrap| writer.bytes(wrap));
        writer.bytes(&self.recovery_wrap);
        encode_map(writer, &self.predecessors, |writer, sealed| writer.bytes(sealed));
    }
}

impl Decode for EpochKeys {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            commitment: reader.array()?,
            wraps: decode_map(reader, limits::DEVICES_MAX, decode_wrap)?,
            recovery_wrap: decode_wrap(reader)?,
            predecessors: decode_map(reader, PREDECESSORS_MAX, decode_sealed)?,
        })
    }
}

impl Encode for RootReset {
    fn encode(&self, writer: &mut Writer) {
        encode_map(writer, &self.members, |writer, member| {
            writer.array(&member.encryption_public);
            member.capabilities.encode(writer);
            writer.bytes(&member.sealed_name);
        });
        encode_map(writer, &self.revoked, encode_cuts);
        self.epoch.encode(writer);
    }
}

impl Decode for RootReset {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let members: BTreeMap<DeviceId, ResetMember> =
            decode_map(reader, limits::DEVICES_MAX, |reader| {
                Ok(ResetMember {
                    encryption_public: reader.array()?,
                    capabilities: Capabilities::decode(reader)?,
                    sealed_name: decode_sealed(reader)?,
                })
            })?;
        let revoked: BTreeMap<DeviceId, BTreeMap<LogId, u64>> =
            decode_map(reader, limits::ROSTER_OPS_MAX, decode_cuts)?;
        if revoked.keys().any(|device| members.contains_key(device)) {
            return Err(DecodeError::NotCanonical("a reset keeps or revokes a device, not both"));
        }
        Ok(Self { members, revoked, epoch: EpochKeys::decode(reader)? })
    }
}

fn decode_mode(reader: &mut Reader<'_>) -> Result<EraseMode, DecodeError> {
    match reader.u8()? {
        1 => Ok(EraseMode::Wipe),
        2 => Ok(EraseMode::Lock),
        value => Err(DecodeError::Unknown { what: "erase mode", value: value.into() }),
    }
}

fn encode_cuts(writer: &mut Writer, cuts: &BTreeMap<LogId, u64>) {
    encode_map(writer, cuts, |writer, seq| writer.u64(*seq));
}

fn decode_cuts(reader: &mut Reader<'_>) -> Result<BTreeMap<LogId, u64>, DecodeError> {
    decode_map(reader, CUTS_MAX, |reader| reader.u64())
}

fn decode_wrap(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    Ok(reader.bytes(WRAP_BYTES_MAX)?.to_vec())
}

fn decode_sealed(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    Ok(reader.bytes(SEALED_BYTES_MAX)?.to_vec())
}

#[cfg(test)]
mod tests;
