//! The frames of a pairing in their one binary form, and what both sides prove.

use super::{FRAME_BYTES_MAX, GRANT_BYTES_MAX};
use crate::Role;
use crate::invite::{ADDRESS_BYTES_MAX, CodeKind};
use crate::keyring::NAME_BYTES_MAX;
use heirloom_base::{
    AccountId, Decode, DecodeError, DeviceId, Encode, Reader, Writer, hash, limits,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The versions that this program speaks, first and last.
pub(crate) const VERSIONS: (u8, u8) = (1, 2);
/// The version from which on a roster may come in several frames.
pub(crate) const PARTS_FROM: u8 = 2;
/// Bytes of operations in one of these frames.
const PART_BYTES: usize = GRANT_BYTES_MAX - limits::ROSTER_OP_BYTES_MAX - 1_024;
/// Bytes of operations that a newcomer takes in all.
const ROSTER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Devices whose addresses a grant carries, and addresses of each.
const ROUTES_MAX: usize = limits::DEVICES_MAX;
const ROUTE_ADDRESSES_MAX: usize = 64;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    JoinHello(JoinHello),
    JoinChallenge(JoinChallenge),
    JoinProof { mac: [u8; 32], binding: [u8; 64] },
    InviterProof { mac: [u8; 32] },
    Grant(GrantMessage),
    Refused(Refusal),
    RootHello { versions: (u8, u8), account: AccountId, nonce: [u8; 32] },
    RootChallenge { version: u8, nonce: [u8; 32] },
    RootProof { signature: [u8; 64] },
    RootRoster { ops: Vec<Vec<u8>> },
    RootSubmit { op: Vec<u8> },
    RosterPart { ops: Vec<Vec<u8>> },
}

/// The newcomer's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinHello {
    pub(crate) versions: (u8, u8),
    pub(crate) code: CodeKind,
    pub(crate) nonce: [u8; 32],
    pub(crate) encryption_public: [u8; 32],
    pub(crate) name: String,
}

/// The inviter's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinChallenge {
    pub(crate) versions: (u8, u8),
    pub(crate) version: u8,
    pub(crate) account: AccountId,
    pub(crate) nonce: [u8; 32],
}

/// The last frame of both kinds of pairing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantMessage {
    pub(crate) ops: Vec<Vec<u8>>,
    pub(crate) addresses: Vec<(DeviceId, Vec<String>)>,
}

/// Why the responder refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Expired,
    UsedUp,
    Burned,
    NoInvite,
    WrongCode { tries_left: u8 },
    NotThisAccount,
    Version,
    Unable,
}

/// Returns the highest version in both ranges.
pub(crate) fn common_version(one: (u8, u8), other: (u8, u8)) -> Option<u8> {
    let version = one.1.min(other.1);
    (version >= one.0 && version >= other.0).then_some(version)
}

/// Whose proof a proof is: neither side can send back the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prover {
    Joiner,
    Inviter,
}

/// Everything both sides of a pairing by invite saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transcript<'a> {
    pub(crate) joiner: DeviceId,
    pub(crate) inviter: DeviceId,
    pub(crate) hello: &'a [u8],
    pub(crate) challenge: &'a [u8],
    pub(crate) binding: &'a [u8; 64],
}

impl Transcript<'_> {
    /// Returns a side's proof that it knows the secret.
    pub(crate) fn mac(&self, key: &[u8; 32], prover: Prover) -> [u8; 32] {
        self.hmac(key, prover).finalize().into_bytes().into()
    }

    /// Checks a side's proof, in constant time.
    pub(crate) fn proves(&self, key: &[u8; 32], prover: Prover, mac: &[u8; 32]) -> bool {
        self.hmac(key, prover).verify_slice(mac).is_ok()
    }

    fn hmac(&self, key: &[u8; 32], prover: Prover) -> Hmac<Sha256> {
        let label = match prover {
            Prover::Joiner => "pair-joiner",
            Prover::Inviter => "pair-inviter",
        };
        let parts: [&[u8]; 5] =
            [&self.joiner.0, &self.inviter.0, self.hello, self.challenge, self.binding];
        let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        hmac.update(&hash::content(label, &parts));
        hmac
    }
}

/// Returns what the root key signs to prove itself to one device, once.
pub(crate) fn root_statement(
    recoverer: DeviceId,
    responder: DeviceId,
    hello: &[u8],
    challenge: &[u8],
) -> [u8; 32] {
    hash::content("pair-root", &[&recoverer.0, &responder.0, hello, challenge])
}

impl Message {
    /// Reads a frame, refusing one that is longer than its kind may be.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let limit = match bytes.first() {
            Some(5 | 10 | 12) => GRANT_BYTES_MAX,
            Some(11) => limits::ROSTER_OP_BYTES_MAX + 16,
            Some(_) | None => FRAME_BYTES_MAX,
        };
        if bytes.len() > limit {
            return Err(DecodeError::TooLong { length: bytes.len(), limit });
        }
        Self::from_bytes(bytes)
    }
}

impl Encode for Message {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::JoinHello(hello) => {
                writer.u8(1);
                encode_versions(writer, hello.versions);
                writer.u8(match hello.code {
                    CodeKind::Link => 1,
                    CodeKind::Words => 2,
                });
                writer.array(&hello.nonce);
                writer.array(&hello.encryption_public);
                writer.text(&hello.name);
            }
            Self::JoinChallenge(challenge) => {
                writer.u8(2);
                encode_versions(writer, challenge.versions);
                writer.u8(challenge.version);
                challenge.account.encode(writer);
                writer.array(&challenge.nonce);
            }
            Self::JoinProof { mac, binding } => {
                writer.u8(3);
                writer.array(mac);
                writer.array(binding);
            }
            Self::InviterProof { mac } => {
                writer.u8(4);
                writer.array(mac);
            }
            Self::Grant(grant) => {
                writer.u8(5);
                grant.encode(writer);
            }
            Self::Refused(refusal) => {
                writer.u8(6);
                refusal.encode(writer);
            }
            Self::RootHello { versions, account, nonce } => {
                writer.u8(7);
                encode_versions(writer, *versions);
                account.encode(writer);
                writer.array(nonce);
            }
            Self::RootChallenge { version, nonce } => {
                writer.u8(8);
                writer.u8(*version);
                writer.array(nonce);
            }
            Self::RootProof { signature } => {
                writer.u8(9);
                writer.array(signature);
            }
            Self::RootRoster { ops } | Self::RosterPart { ops } => {
                writer.u8(if matches!(self, Self::RosterPart { .. }) { 12 } else { 10 });
                encode_ops(writer, ops);
            }
            Self::RootSubmit { op } => {
                writer.u8(11);
                writer.bytes(op);
            }
        }
    }
}

impl Decode for Message {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            1 => Self::JoinHello(JoinHello {
                versions: decode_versions(reader)?,
                code: match reader.u8()? {
                    1 => CodeKind::Link,
                    2 => CodeKind::Words,
                    value => {
                        return Err(DecodeError::Unknown { what: "code", value: value.into() });
                    }
                },
                nonce: reader.array()?,
                encryption_public: reader.array()?,
                name: reader.text(NAME_BYTES_MAX)?.to_owned(),
            }),
            2 => Self::JoinChallenge(JoinChallenge {
                versions: decode_versions(reader)?,
                version: reader.u8()?,
                account: AccountId::decode(reader)?,
                nonce: reader.array()?,
            }),
            3 => Self::JoinProof { mac: reader.array()?, binding: reader.array()? },
            4 => Self::InviterProof { mac: reader.array()? },
            5 => Self::Grant(GrantMessage::decode(reader)?),
            6 => Self::Refused(Refusal::decode(reader)?),
            7 => Self::RootHello {
                versions: decode_versions(reader)?,
                account: AccountId::decode(reader)?,
                nonce: reader.array()?,
            },
            8 => Self::RootChallenge { version: reader.u8()?, nonce: reader.array()? },
            9 => Self::RootProof { signature: reader.array()? },
            10 => Self::RootRoster { ops: decode_ops(reader)? },
            11 => Self::RootSubmit { op: reader.bytes(limits::ROSTER_OP_BYTES_MAX)?.to_vec() },
            12 => Self::RosterPart { ops: decode_ops(reader)? },
            value => return Err(DecodeError::Unknown { what: "message", value: value.into() }),
        })
    }
}

/// Returns the frames of a message that carries a roster: one, or its parts and
/// then the message with what is left. Nothing if that version cannot say it.
pub(crate) fn frames(
    version: u8,
    ops: Vec<Vec<u8>>,
    message: impl Fn(Vec<Vec<u8>>) -> Message,
) -> Option<Vec<Vec<u8>>> {
    let whole = message(ops.clone()).to_bytes();
    if whole.len() <= GRANT_BYTES_MAX {
        return Some(vec![whole]);
    }
    if version < PARTS_FROM {
        return None;
    }
    let (mut frames, mut part, mut size) = (Vec::new(), Vec::new(), 0);
    for op in ops {
        if size + op.len() + 4 > PART_BYTES {
            frames.push(Message::RosterPart { ops: std::mem::take(&mut part) }.to_bytes());
            size = 0;
        }
        size += op.len() + 4;
        part.push(op);
    }
    frames.push(Message::RosterPart { ops: part }.to_bytes());
    let last = message(Vec::new()).to_bytes();
    frames.push(last);
    frames.last().is_some_and(|last| last.len() <= GRANT_BYTES_MAX).then_some(frames)
}

/// The parts of a roster that came before the frame that ends it.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    ops: Vec<Vec<u8>>,
    bytes: usize,
}

impl Parts {
    /// Takes in one part.
    pub(crate) fn add(&mut self, ops: Vec<Vec<u8>>) -> Result<(), DecodeError> {
        self.bytes += ops.iter().map(Vec::len).sum::<usize>();
        self.ops.extend(ops);
        let (length, limit) = (self.ops.len(), limits::ROSTER_ALL_OPS_MAX);
        if length > limit {
            return Err(DecodeError::TooLong { length, limit });
        }
        let (length, limit) = (self.bytes, ROSTER_BYTES_MAX);
        if length > limit { Err(DecodeError::TooLong { length, limit }) } else { Ok(()) }
    }

    /// Returns the whole roster, with what came in the last frame.
    pub(crate) fn end(&mut self, last: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut ops = std::mem::take(self).ops;
        ops.extend(last);
        ops
    }
}

impl Encode for GrantMessage {
    fn encode(&self, writer: &mut Writer) {
        encode_ops(writer, &self.ops);
        writer.u32(u32::try_from(self.addresses.len()).expect("a household is small"));
        for (device, addresses) in &self.addresses {
            device.encode(writer);
            writer.u32(u32::try_from(addresses.len()).expect("a device has few addresses"));
            for address in addresses {
                writer.text(address);
            }
        }
    }
}

impl Decode for GrantMessage {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ops = decode_ops(reader)?;
        let mut addresses = Vec::new();
        for _ in 0..decode_count(reader, ROUTES_MAX)? {
            let device = DeviceId::decode(reader)?;
            let mut known = Vec::new();
            for _ in 0..decode_count(reader, ROUTE_ADDRESSES_MAX)? {
                known.push(reader.text(ADDRESS_BYTES_MAX)?.to_owned());
            }
            addresses.push((device, known));
        }
        Ok(Self { ops, addresses })
    }
}

impl GrantMessage {
    /// Returns the message with no more addresses than may be sent.
    pub(crate) fn bounded(ops: Vec<Vec<u8>>, mut addresses: Vec<(DeviceId, Vec<String>)>) -> Self {
        addresses.truncate(ROUTES_MAX);
        for (_, known) in &mut addresses {
            known.retain(|address| address.len() <= ADDRESS_BYTES_MAX);
            known.truncate(ROUTE_ADDRESSES_MAX);
        }
        Self { ops, addresses }
    }
}

impl Encode for Refusal {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Expired => writer.u8(1),
            Self::UsedUp => writer.u8(2),
            Self::Burned => writer.u8(3),
            Self::NoInvite => writer.u8(4),
            Self::WrongCode { tries_left } => writer.array(&[5, *tries_left]),
            Self::NotThisAccount => writer.u8(6),
            Self::Version => writer.u8(7),
            Self::Unable => writer.u8(8),
        }
    }
}

impl Decode for Refusal {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            1 => Self::Expired,
            2 => Self::UsedUp,
            3 => Self::Burned,
            4 => Self::NoInvite,
            5 => Self::WrongCode { tries_left: reader.u8()? },
            6 => Self::NotThisAccount,
            7 => Self::Version,
            8 => Self::Unable,
            value => return Err(DecodeError::Unknown { what: "refusal", value: value.into() }),
        })
    }
}

/// Returns what a device is after the roster let it in.
pub(crate) fn role_in(state: &crate::RosterState, device: DeviceId) -> Option<Role> {
    state.is_member(device).then(|| Role::of(state.capabilities(device)))
}

fn encode_versions(writer: &mut Writer, versions: (u8, u8)) {
    writer.array(&[versions.0, versions.1]);
}

fn decode_versions(reader: &mut Reader<'_>) -> Result<(u8, u8), DecodeError> {
    Ok((reader.u8()?, reader.u8()?))
}

fn encode_ops(writer: &mut Writer, ops: &[Vec<u8>]) {
    writer.u32(u32::try_from(ops.len()).expect("a roster is limited"));
    for op in ops {
        writer.bytes(op);
    }
}

fn decode_ops(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut ops = Vec::new();
    for _ in 0..decode_count(reader, 2 * limits::ROSTER_OPS_MAX)? {
        ops.push(reader.bytes(limits::ROSTER_OP_BYTES_MAX)?.to_vec());
    }
    Ok(ops)
}

fn decode_count(reader: &mut Reader<'_>, limit: usize) -> Result<usize, DecodeError> {
    let length = reader.u32()? as usize;
    if length > limit { Err(DecodeError::TooLong { length, limit }) } else { Ok(length) }
}
