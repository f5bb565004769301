//! The messages of `/heirloom/sync/1`.

use crate::bundle;
use crate::vector::VersionVector;
use heirloom_base::{
    Decode, DecodeError, DeviceId, Encode, EntryId, LogId, OpId, Reader, SpaceId, Writer, limits,
};

/// The versions of the protocol that this code speaks.
pub const VERSIONS: (u16, u16) = (1, 2);
/// The version from which on small entries may travel packed.
pub(crate) const PACKS_FROM: u16 = 2;

/// The tag of a hello.
const HELLO: u8 = 1;
const ADDRESS_BYTES_MAX: usize = 256;
const ADDRESSES_MAX: usize = 32;
const ENTRIES_PER_MESSAGE_MAX: usize = limits::CREDIT_ENTRIES;
const RECEIPT_BYTES_MAX: usize = 256 * 1024;

/// Where a device can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachable {
    /// The device.
    pub device: DeviceId,
    /// Multiaddresses.
    pub addresses: Vec<String>,
}

/// A range of entries that somebody lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The log.
    pub log: LogId,
    /// First missing sequence number.
    pub first: u64,
    /// Last missing sequence number.
    pub last: u64,
}

/// The first message in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Lowest and highest version spoken.
    pub versions: (u16, u16),
    /// The space.
    pub space: SpaceId,
    /// Heads of the roster held.
    pub roster_heads: Vec<OpId>,
    /// Entries held.
    pub vector: VersionVector,
    /// Entries lost from the middle.
    pub holes: Vec<Hole>,
    /// Checkpoints held.
    pub checkpoints: Vec<EntryId>,
    /// Where the sender and the devices it knows can be reached.
    pub reachable: Vec<Reachable>,
}

/// One frame of the sync stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Opens the conversation.
    Hello(Hello),
    /// Roster operations that the other lacks.
    Roster(Vec<Vec<u8>>),
    /// Entries that the other lacks.
    Entries {
        /// Whether somebody waits for the receipt.
        urgent: bool,
        /// The entries, each log in order.
        entries: Vec<Vec<u8>>,
    },
    /// Entries taken off the stream: so much may travel again.
    Credit {
        /// Number of entries.
        entries: u32,
        /// Their bytes.
        bytes: u64,
    },
    /// Send this log again from after a sequence number.
    Want {
        /// The log.
        log: LogId,
        /// The last entry held.
        after: u64,
    },
    /// Signed receipts, the sender's own or relayed.
    Receipts(Vec<Vec<u8>>),
    /// Send your receipt as soon as you can.
    AskReceipt,
    /// Where devices can be reached.
    Reachable(Vec<Reachable>),
    /// Checkpoints and their co-signatures, as entries, for one that lacks much.
    Checkpoints(Vec<Vec<u8>>),
    /// Show the entries behind a checkpoint before their turn.
    AskTail(VersionVector),
    /// Some of these entries.
    Tail {
        /// Whether no more follow.
        last: bool,
        /// The entries, each log in order; none counts as sent.
        entries: Vec<Vec<u8>>,
    },
    /// The receiver hears these logs from their authors: pass on of them what
    /// its receipts do not show after a while.
    Fed(Vec<LogId>),
    /// [`Message::Entries`], packed; it is read as that.
    Packed {
        /// Whether somebody waits for the receipt.
        urgent: bool,
        /// The entries, each log in order.
        entries: Vec<Vec<u8>>,
    },
    /// What its sender knows of the roster, by some of its operations: the answer
    /// to one that shows itself and is not known yet.
    Knows(Vec<OpId>),
    /// The sender takes in nothing of these logs: their devices begin too many.
    Declined(Vec<LogId>),
    /// A message of a newer version: passed over.
    Unknown(u8),
}

impl Encode for Reachable {
    fn encode(&self, writer: &mut Writer) {
        self.device.encode(writer);
        let kept = self.addresses.iter().take(ADDRESSES_MAX);
        let kept: Vec<&String> = kept.filter(|text| text.len() <= ADDRESS_BYTES_MAX).collect();
        writer.u8(u8::try_from(kept.len()).expect("addresses are limited"));
        for address in kept {
            writer.text(address);
        }
    }
}

impl Decode for Reachable {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let device = DeviceId::decode(reader)?;
        let count = usize::from(reader.u8()?);
        if count > ADDRESSES_MAX {
            return Err(DecodeError::TooLong { length: count, limit: ADDRESSES_MAX });
        }
        let addresses = (0..count)
            .map(|_| Ok(reader.text(ADDRESS_BYTES_MAX)?.to_owned()))
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self { device, addresses })
    }
}

impl Encode for Hole {
    fn encode(&self, writer: &mut Writer) {
        self.log.encode(writer);
        writer.u64(self.first);
        writer.u64(self.last);
    }
}

impl Decode for Hole {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { log: LogId::decode(reader)?, first: reader.u64()?, last: reader.u64()? })
    }
}

impl Encode for Hello {
    fn encode(&self, writer: &mut Writer) {
        writer.u16(self.versions.0);
        writer.u16(self.versions.1);
        self.space.encode(writer);
        writer.list(&self.roster_heads);
        self.vector.encode(writer);
        writer.list(&self.holes);
        writer.list(&self.checkpoints);
        writer.list(&self.reachable);
    }
}

impl Decode for Hello {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            versions: (reader.u16()?, reader.u16()?),
            space: SpaceId::decode(reader)?,
            roster_heads: reader.list(limits::ROSTER_OPS_MAX)?,
            vector: VersionVector::decode(reader)?,
            holes: reader.list(limits::HOLES_MAX)?,
            checkpoints: reader.list(limits::ENTRY_CHUNKS_MAX)?,
            reachable: reader.list(limits::DEVICES_MAX)?,
        })
    }
}

fn encode_blocks(writer: &mut Writer, blocks: &[Vec<u8>]) {
    writer.u32(u32::try_from(blocks.len()).expect("a message is limited"));
    for block in blocks {
        writer.bytes(block);
    }
}

fn decode_blocks(
    reader: &mut Reader<'_>,
    count_max: usize,
    bytes_max: usize,
) -> Result<Vec<Vec<u8>>, DecodeError> {
    let count = reader.u32()? as usize;
    if count > count_max {
        return Err(DecodeError::TooLong { length: count, limit: count_max });
    }
    (0..count).map(|_| Ok(reader.bytes(bytes_max)?.to_vec())).collect()
}

fn decode_flag(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        value => Err(DecodeError::Unknown { what, value: value.into() }),
    }
}

impl Message {
    /// Returns the versions that a hello names, also one that cannot be read
    /// further.
    #[must_use]
    pub fn hello_versions(bytes: &[u8]) -> Option<(u16, u16)> {
        let [HELLO, a, b, c, d, ..] = bytes else { return None };
        Some((u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d])))
    }
}

impl Encode for Message {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.tag());
        match self {
            Self::Hello(hello) => hello.encode(writer),
            Self::Roster(blocks) | Self::Receipts(blocks) | Self::Checkpoints(blocks) => {
                encode_blocks(writer, blocks);
            }
            Self::Entries { urgent, entries } => {
                writer.u8(u8::from(*urgent));
                encode_blocks(writer, entries);
            }
            Self::Credit { entries, bytes } => {
                writer.u32(*entries);
                writer.u64(*bytes);
            }
            Self::Want { log, after } => {
                log.encode(writer);
                writer.u64(*after);
            }
            Self::Reachable(reachable) => writer.list(reachable),
            Self::AskTail(vector) => vector.encode(writer),
            Self::Tail { last, entries } => {
                writer.u8(u8::from(*last));
                encode_blocks(writer, entries);
            }
            Self::Fed(logs) | Self::Declined(logs) => writer.list(logs),
            Self::Knows(ops) => writer.list(ops),
            Self::Packed { urgent, entries } => {
                writer.u8(u8::from(*urgent));
                writer.bytes(&bundle::pack(entries));
            }
            Self::AskReceipt | Self::Unknown(_) => {}
        }
    }
}

impl Message {
    /// Returns the credit for the entries of one message.
    pub(crate) fn credit_for(entries: &[Vec<u8>]) -> Self {
        let bytes = entries.iter().map(|entry| entry.len() as u64).sum();
        Self::Credit { entries: u32::try_from(entries.len()).unwrap_or(u32::MAX), bytes }
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Hello(_) => HELLO,
            Self::Roster(_) => 2,
            Self::Entries { .. } => 3,
            Self::Credit { .. } => 4,
            Self::Want { .. } => 5,
            Self::Receipts(_) => 6,
            Self::AskReceipt => 7,
            Self::Reachable(_) => 8,
            Self::Checkpoints(_) => 9,
            Self::AskTail(_) => 10,
            Self::Tail { .. } => 11,
            Self::Fed(_) => 12,
            Self::Packed { .. } => 13,
            Self::Knows(_) => 14,
            Self::Declined(_) => 15,
            Self::Unknown(tag) => *tag,
        }
    }
}

impl Decode for Message {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            HELLO => Self::Hello(Hello::decode(reader)?),
            2 => Self::Roster(decode_blocks(
                reader,
                limits::ROSTER_OPS_MAX,
                limits::ROSTER_OP_BYTES_MAX,
            )?),
            3 => Self::Entries {
                urgent: decode_flag(reader, "urgency")?,
                entries: decode_blocks(reader, ENTRIES_PER_MESSAGE_MAX, limits::ENTRY_BYTES_MAX)?,
            },
            4 => Self::Credit { entries: reader.u32()?, bytes: reader.u64()? },
            5 => Self::Want { log: LogId::decode(reader)?, after: reader.u64()? },
            6 => Self::Receipts(decode_blocks(reader, limits::DEVICES_MAX, RECEIPT_BYTES_MAX)?),
            7 => Self::AskReceipt,
            8 => Self::Reachable(reader.list(limits::DEVICES_MAX)?),
            9 => Self::Checkpoints(decode_blocks(
                reader,
                limits::CHECKPOINTS_OFFERED_MAX + limits::COSIGNATURES_OFFERED_MAX,
                limits::ENTRY_BYTES_MAX,
            )?),
            10 => Self::AskTail(VersionVector::decode(reader)?),
            11 => Self::Tail {
                last: decode_flag(reader, "end")?,
                entries: decode_blocks(reader, ENTRIES_PER_MESSAGE_MAX, limits::ENTRY_BYTES_MAX)?,
            },
            12 => Self::Fed(reader.list(limits::LOGS_MAX)?),
            13 => Self::Entries {
                urgent: decode_flag(reader, "urgency")?,
                entries: bundle::unpack(reader.bytes(limits::FRAME_BYTES_MAX)?)?,
            },
            14 => Self::Knows(reader.list(limits::ROSTER_HEADS_SAID_MAX)?),
            15 => Self::Declined(reader.list(limits::LOGS_MAX)?),
            tag => {
                reader.take(reader.remaining())?;
                Self::Unknown(tag)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::to_hex;
    use proptest::prelude::*;

    fn examples() -> Vec<Message> {
        let reachable =
            vec![Reachable { device: DeviceId([1; 32]), addresses: vec!["/ip4/1.2.3.4".into()] }];
        vec![
            Message::Hello(Hello {
                versions: VERSIONS,
                space: SpaceId([1; 16]),
                roster_heads: vec![OpId([2; 32])],
                vector: VersionVector::default(),
                holes: vec![Hole { log: LogId([3; 16]), first: 2, last: 4 }],
                checkpoints: Vec::new(),
                reachable: reachable.clone(),
            }),
            Message::Roster(vec![vec![1, 2], Vec::new()]),
            Message::Entries { urgent: true, entries: vec![vec![9; 3]] },
            Message::Credit { entries: 3, bytes: 700 },
            Message::Want { log: LogId([4; 16]), after: 9 },
            Message::Receipts(vec![vec![5]]),
            Message::AskReceipt,
            Message::Reachable(reachable),
            Message::Checkpoints(vec![vec![7; 2]]),
            Message::AskTail(VersionVector::default()),
            Message::Tail { last: true, entries: vec![vec![8]] },
            Message::Fed(vec![LogId([4; 16])]),
            Message::Knows(vec![OpId([5; 32])]),
            Message::Declined(vec![LogId([6; 16])]),
        ]
    }

    #[test]
    fn every_message_survives_its_binary_form() {
        for message in examples() {
            assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
        }
    }

    #[test]
    fn the_binary_forms_are_frozen() {
        let hex: Vec<String> =
            examples().iter().map(|message| to_hex(&message.to_bytes())).collect();
        assert_eq!(hex[3], "0403000000bc02000000000000");
        assert_eq!(hex[4], format!("05{}0900000000000000", "04".repeat(16)));
        assert_eq!(hex[1], "0202000000020000000102 00000000".replace(' ', ""));
        assert_eq!(hex[6], "07");
        assert_eq!(hex[8], "0901000000020000000707");
        assert_eq!(hex[9], "0a00000000");
        assert_eq!(hex[10], "0b01010000000100000008");
        assert_eq!(hex[11], format!("0c01000000{}", "04".repeat(16)));
    }

    #[test]
    fn packed_entries_are_read_as_entries() {
        let entries = vec![vec![9; 300], vec![9; 300]];
        let packed = Message::Packed { urgent: true, entries: entries.clone() }.to_bytes();
        assert!(packed.len() < 200 && packed[0] == 13);
        assert_eq!(Message::from_bytes(&packed), Ok(Message::Entries { urgent: true, entries }));
    }

    #[test]
    fn an_urgency_that_is_neither_yes_nor_no_is_refused() {
        let mut bytes = Message::Entries { urgent: true, entries: Vec::new() }.to_bytes();
        bytes[1] = 2;
        let refused = DecodeError::Unknown { what: "urgency", value: 2 };
        assert_eq!(Message::from_bytes(&bytes), Err(refused));
    }

    #[test]
    fn a_message_of_a_newer_version_is_passed_over() {
        assert_eq!(Message::from_bytes(&[200, 1, 2, 3]), Ok(Message::Unknown(200)));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Message::from_bytes(&bytes));
        }
    }
}
