//! Packs: the documents of many records, change by change, for a device that
//! has none of their entries yet.
//!
//! A pack is read as foreign: what it holds passes the gate like every change.

use crate::change::RawChange;
use heirloom_base::{
    ActorId, ChangeHash, Decode, DecodeError, Encode, LogId, Reader, RecordId, Writer, limits,
};
use std::collections::BTreeMap;

const ZSTD_LEVEL: i32 = 3;
/// Records of one pack: as many as the largest home puts into one.
const RECORDS_MAX: usize = 1 << 20;
/// Bytes in front of what is packed: the length of it.
const LENGTH_BYTES: usize = 4;

/// One record of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The record.
    pub record: RecordId,
    /// Its heads.
    pub heads: Vec<ChangeHash>,
    /// The last entry of each log that carries a change of it.
    pub entries: BTreeMap<LogId, u64>,
    /// When each birth came about, in milliseconds since 1970, and in which log.
    pub births: BTreeMap<ActorId, (u64, LogId)>,
    /// Its changes, each behind those that it builds on, and the log that
    /// carries them; none where they are too large.
    pub changes: Vec<(LogId, RawChange)>,
}

/// Why a pack cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// It does not unpack within its limits.
    #[error("the pack does not unpack")]
    Unpack,
    /// What it holds is not well formed.
    #[error("the pack is not well formed")]
    Content(#[from] DecodeError),
}

/// The logs that a pack names, by their place.
#[derive(Default)]
struct Logs {
    places: BTreeMap<LogId, u32>,
    order: Vec<LogId>,
}

impl Logs {
    fn place(&mut self, log: LogId) -> u32 {
        *self.places.entry(log).or_insert_with(|| {
            self.order.push(log);
            u32::try_from(self.order.len() - 1).expect("logs are limited")
        })
    }
}

/// Returns the bytes of a pack.
#[must_use]
pub fn pack(records: &[Packed]) -> Vec<u8> {
    let mut logs = Logs::default();
    let mut body = Writer::new();
    body.u32(u32::try_from(records.len()).expect("records of a pack are limited"));
    for one in records {
        one.encode(&mut logs, &mut body);
    }
    let mut plain = Writer::new();
    plain.list(&logs.order);
    plain.array(&body.into_bytes());
    let plain = plain.into_bytes();
    let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL).unwrap_or_default();
    let length = u32::try_from(plain.len()).expect("a pack is limited");
    [length.to_le_bytes().as_slice(), &packed].concat()
}

/// Reads a pack.
///
/// # Errors
/// When it is damaged, or passes its limits.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Packed>, PackError> {
    let (length, packed) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or(PackError::Unpack)?;
    let length = u32::from_le_bytes(*length) as usize;
    // Beside the changes stand ids and heads, of which a pack has many.
    if length > 2 * limits::PACK_BYTES_MAX {
        return Err(PackError::Unpack);
    }
    let plain = zstd::bulk::decompress(packed, length).map_err(|_| PackError::Unpack)?;
    let mut reader = Reader::new(&plain);
    let logs: Vec<LogId> = reader.list(limits::LOGS_MAX)?;
    let count = reader.u32()? as usize;
    if count > RECORDS_MAX {
        return Err(DecodeError::TooLong { length: count, limit: RECORDS_MAX }.into());
    }
    let records: Result<Vec<Packed>, DecodeError> =
        (0..count).map(|_| Packed::decode(&logs, &mut reader)).collect();
    let records = records?;
    reader.finish()?;
    Ok(records)
}

impl Packed {
    fn encode(&self, logs: &mut Logs, writer: &mut Writer) {
        self.record.encode(writer);
        writer.list(&self.heads);
        let count = |count: usize| u32::try_from(count).expect("what a record has is limited");
        writer.u32(count(self.entries.len()));
        for (log, seq) in &self.entries {
            writer.u32(logs.place(*log));
            writer.u64(*seq);
        }
        writer.u32(count(self.births.len()));
        for (actor, (wall_ms, log)) in &self.births {
            actor.encode(writer);
            writer.u64(*wall_ms);
            writer.u32(logs.place(*log));
        }
        writer.u32(count(self.changes.len()));
        for (log, change) in &self.changes {
            writer.u32(logs.place(*log));
            writer.bytes(&change.0);
        }
    }

    fn decode(logs: &[LogId], reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let record = RecordId::decode(reader)?;
        let heads = reader.list(limits::PACK_BYTES_MAX / ChangeHash::SIZE)?;
        let entries = (0..reader.u32()?)
            .map(|_| Ok((log(logs, reader)?, reader.u64()?)))
            .collect::<Result<_, DecodeError>>()?;
        let births = (0..reader.u32()?)
            .map(|_| Ok((ActorId::decode(reader)?, (reader.u64()?, log(logs, reader)?))))
            .collect::<Result<_, DecodeError>>()?;
        let changes = (0..reader.u32()?)
            .map(|_| {
                let log = log(logs, reader)?;
                Ok((log, RawChange(reader.bytes(limits::CHANGE_BYTES_MAX)?.to_vec())))
            })
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self { record, heads, entries, births, changes })
    }
}

fn log(logs: &[LogId], reader: &mut Reader<'_>) -> Result<LogId, DecodeError> {
    let place = reader.u32()?;
    let found = usize::try_from(place).ok().and_then(|place| logs.get(place));
    found.copied().ok_or(DecodeError::Unknown { what: "log of a pack", value: place.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Vec<Packed> {
        let (one, other) = (LogId([7; 16]), LogId([1; 16]));
        let large = Packed {
            record: RecordId([2; 16]),
            heads: vec![ChangeHash([4; 32])],
            entries: BTreeMap::new(),
            births: BTreeMap::new(),
            changes: Vec::new(),
        };
        let small = Packed {
            record: RecordId([1; 16]),
            heads: vec![ChangeHash([3; 32])],
            entries: [(one, 4), (other, 1)].into(),
            births: [(ActorId([5; 16]), (99, one))].into(),
            changes: vec![(one, RawChange(vec![1, 2])), (other, RawChange(Vec::new()))],
        };
        vec![small, large]
    }

    #[test]
    fn a_pack_survives_its_binary_form() {
        assert_eq!(unpack(&pack(&example())), Ok(example()));
        assert_eq!(unpack(&pack(&[])), Ok(Vec::new()));
    }

    #[test]
    fn a_pack_that_is_cut_or_claims_much_is_refused() {
        let bytes = pack(&example());
        for end in 0..bytes.len() {
            assert!(unpack(&bytes[..end]).is_err(), "cut at {end}");
        }
        let zeros = zstd::bulk::compress(&vec![0; 1 << 20], 19).unwrap();
        let bomb = zeros.repeat(4_096);
        for claimed in [u32::MAX, 1 << 24, 1 << 10] {
            let bytes = [claimed.to_le_bytes().as_slice(), &bomb].concat();
            assert_eq!(unpack(&bytes), Err(PackError::Unpack), "{claimed}");
        }
        let strange = [1u32.to_le_bytes().as_slice(), &[0; 4][..], &[1, 0, 0, 0]].concat();
        drop(unpack(&strange));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(unpack(&bytes));
            let plain = zstd::bulk::compress(&bytes, 1).unwrap();
            let length = u32::try_from(bytes.len()).unwrap();
            drop(unpack(&[length.to_le_bytes().as_slice(), &plain].concat()));
        }
    }
}
