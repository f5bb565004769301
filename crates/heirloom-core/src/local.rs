//! The device's own state in the log: what no other device needs to know.

use crate::storage::Frame;
use heirloom_base::{
    AccountId, Decode, DecodeError, DeviceId, Encode, Incarnation, LogId, Reader, Writer,
};

/// Kind of the frames that carry own state.
pub(crate) const FRAME_LOCAL: u8 = 3;

const ADDRESS_BYTES_MAX: usize = 256;
const ADDRESSES_MAX: u32 = 32;

/// Where a folder lies, as the file system tells it apart from every copy: a
/// folder that was copied or put back lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub [u8; 16]);

/// A file of the log as the file system tells it apart from every other: of a
/// log that was put back it is another one, also where the rest of the folder is
/// what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// The number of the file among those of the log.
    pub segment: u32,
    /// What tells it from every other file of that number.
    pub mark: u64,
}

/// Stands for everything that is damaged in a log; other damage has another mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamageMark(pub [u8; 16]);

/// One piece of own state; the newest of its kind counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LocalState {
    /// The account that this folder belongs to.
    Account(AccountId),
    /// The life of this store, which names its receipts.
    Generation(Incarnation),
    /// The life of this device's log.
    Incarnation(Incarnation),
    /// How often the node was started, which orders its receipts.
    Starts(u64),
    /// Where a device was reached.
    Route {
        /// The device.
        device: DeviceId,
        /// Multiaddresses, best first.
        addresses: Vec<String>,
    },
    /// Where the folder lay when its log's life began or went on.
    Place(Place),
    /// The damage of this log after which its life began.
    Damage(DamageMark),
    /// How far a log was held before its frames were lost.
    Lost {
        /// The log.
        log: LogId,
        /// Its last entry that was held.
        seq: u64,
    },
    /// The entries of a log of this device from this one on were lost or cannot be
    /// sent, and what they held was written again.
    GivenUp {
        /// The log.
        log: LogId,
        /// The first of them.
        from: u64,
        /// How many nothing is known of.
        gone: u64,
    },
    /// Which file the log ended in when its life began or went on.
    Ground(Ground),
}

impl LocalState {
    /// Returns the name under which the newest is kept.
    pub(crate) fn name(&self) -> Vec<u8> {
        match self {
            Self::Account(_) => b"account".to_vec(),
            Self::Generation(_) => b"generation".to_vec(),
            Self::Incarnation(_) => b"incarnation".to_vec(),
            Self::Starts(_) => b"starts".to_vec(),
            Self::Route { device, .. } => [b"route/".as_slice(), &device.0].concat(),
            Self::Place(_) => b"place".to_vec(),
            Self::Damage(_) => b"damage".to_vec(),
            Self::Lost { log, .. } => [b"lost/".as_slice(), &log.0].concat(),
            Self::Ground(_) => b"ground".to_vec(),
            Self::GivenUp { log, .. } => [b"given-up/".as_slice(), &log.0].concat(),
        }
    }

    pub(crate) fn to_frame(&self) -> Frame {
        Frame { kind: FRAME_LOCAL, payload: self.to_bytes() }
    }
}

impl Encode for LocalState {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Account(account) => {
                writer.u8(1);
                account.encode(writer);
            }
            Self::Generation(generation) => {
                writer.u8(2);
                generation.encode(writer);
            }
            Self::Incarnation(incarnation) => {
                writer.u8(3);
                incarnation.encode(writer);
            }
            Self::Starts(starts) => {
                writer.u8(4);
                writer.u64(*starts);
            }
            Self::Route { device, addresses } => {
                writer.u8(5);
                device.encode(writer);
                writer.u32(u32::try_from(addresses.len()).expect("addresses are limited"));
                for address in addresses {
                    writer.text(address);
                }
            }
            Self::Place(place) => {
                writer.u8(6);
                writer.array(&place.0);
            }
            Self::Damage(mark) => {
                writer.u8(7);
                writer.array(&mark.0);
            }
            Self::Lost { log, seq } => {
                writer.u8(8);
                log.encode(writer);
                writer.u64(*seq);
            }
            Self::Ground(Ground { segment, mark }) => {
                writer.u8(9);
                writer.u32(*segment);
                writer.u64(*mark);
            }
            Self::GivenUp { log, from, gone } => {
                writer.u8(10);
                log.encode(writer);
                writer.u64(*from);
                writer.u64(*gone);
            }
        }
    }
}

impl Decode for LocalState {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            1 => Self::Account(AccountId::decode(reader)?),
            2 => Self::Generation(Incarnation::decode(reader)?),
            3 => Self::Incarnation(Incarnation::decode(reader)?),
            4 => Self::Starts(reader.u64()?),
            5 => Self::Route {
                device: DeviceId::decode(reader)?,
                addresses: decode_addresses(reader)?,
            },
            6 => Self::Place(Place(reader.array()?)),
            7 => Self::Damage(DamageMark(reader.array()?)),
            8 => Self::Lost { log: LogId::decode(reader)?, seq: reader.u64()? },
            9 => Self::Ground(Ground { segment: reader.u32()?, mark: reader.u64()? }),
            10 => Self::GivenUp {
                log: LogId::decode(reader)?,
                from: reader.u64()?,
                gone: reader.u64()?,
            },
            value => return Err(DecodeError::Unknown { what: "own state", value: value.into() }),
        })
    }
}

fn decode_addresses(reader: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let count = reader.u32()?;
    if count > ADDRESSES_MAX {
        let (length, limit) = (count as usize, ADDRESSES_MAX as usize);
        return Err(DecodeError::TooLong { length, limit });
    }
    (0..count).map(|_| Ok(reader.text(ADDRESS_BYTES_MAX)?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_state_survives_its_binary_form() {
        let route =
            LocalState::Route { device: DeviceId([4; 32]), addresses: vec!["/ip4/1.2.3.4".into()] };
        for state in [
            LocalState::Account(AccountId([1; 32])),
            LocalState::Generation(Incarnation([2; 16])),
            LocalState::Incarnation(Incarnation([3; 16])),
            LocalState::Starts(9),
            LocalState::Place(Place([7; 16])),
            LocalState::Damage(DamageMark([8; 16])),
            LocalState::Lost { log: LogId([9; 16]), seq: 10 },
            LocalState::Ground(Ground { segment: 3, mark: 77 }),
            LocalState::GivenUp { log: LogId([9; 16]), from: 11, gone: 1 },
            route,
        ] {
            assert_eq!(LocalState::from_bytes(&state.to_bytes()), Ok(state));
        }
        assert!(LocalState::from_bytes(&[99]).is_err());
    }

    #[test]
    fn every_piece_of_own_state_has_its_own_name() {
        let route = |byte| LocalState::Route { device: DeviceId([byte; 32]), addresses: vec![] };
        let states = [
            LocalState::Account(AccountId([1; 32])),
            LocalState::Generation(Incarnation([1; 16])),
            LocalState::Incarnation(Incarnation([1; 16])),
            LocalState::Starts(1),
            LocalState::Place(Place([1; 16])),
            LocalState::Damage(DamageMark([1; 16])),
            LocalState::Lost { log: LogId([1; 16]), seq: 1 },
            LocalState::Lost { log: LogId([2; 16]), seq: 1 },
            LocalState::GivenUp { log: LogId([1; 16]), from: 1, gone: 0 },
            route(1),
            route(2),
        ];
        let names: std::collections::BTreeSet<Vec<u8>> =
            states.iter().map(LocalState::name).collect();
        assert_eq!(names.len(), states.len());
        assert_eq!(LocalState::Starts(1).name(), LocalState::Starts(2).name());
        assert_eq!(LocalState::Starts(1).to_frame().kind, FRAME_LOCAL);
    }

    #[test]
    fn too_many_or_too_long_addresses_are_refused() {
        let route = |addresses: Vec<String>| {
            let route = LocalState::Route { device: DeviceId([1; 32]), addresses };
            LocalState::from_bytes(&route.to_bytes())
        };
        assert!(route(vec![String::new(); 32]).is_ok());
        assert!(route(vec![String::new(); 33]).is_err());
        assert!(route(vec!["a".repeat(256)]).is_ok());
        assert!(route(vec!["a".repeat(257)]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
            kind in 0..11u8,
        ) {
            let bytes = [vec![kind], bytes].concat();
            if let Ok(state) = LocalState::from_bytes(&bytes) {
                proptest::prop_assert_eq!(state.to_bytes(), bytes);
            }
        }
    }
}
