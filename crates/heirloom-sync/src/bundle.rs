//! Many small entries of one message, packed.
//!
//! Between two small entries of one log most is the same, and the id of the one
//! before follows from it: together they take two thirds of what they are.

use crate::entry::Entry;
use heirloom_base::{DecodeError, EntryId, Reader, Writer, limits};

const ZSTD_LEVEL: i32 = 3;
/// Entries of more bytes than this, in the mean, hold little but what is sealed.
const SMALL_BYTES: usize = 4 * 1024;
/// It stands as it is.
const WHOLE: u8 = 0;
/// Of the one before in the message, it is the next of the log: the id is left out.
const NEXT: u8 = 1;

/// Returns whether entries are worth packing.
#[must_use]
pub(crate) fn is_worth(entries: &[Vec<u8>]) -> bool {
    let bytes: usize = entries.iter().map(Vec::len).sum();
    entries.len() > 1 && bytes <= entries.len() * SMALL_BYTES
}

/// Packs entries: the length of what follows unpacked, and that with zstd.
pub(crate) fn pack(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u32(u32::try_from(entries.len()).expect("a message is limited"));
    let mut before: Option<Entry> = None;
    for bytes in entries {
        let entry = Entry::parse(bytes.clone()).ok();
        let chained = before.zip(entry.as_ref()).and_then(|(before, entry)| {
            let is_next = entry.header().previous == before.id();
            is_next.then(|| Entry::without_previous(bytes)).flatten()
        });
        match chained {
            Some(short) => {
                writer.u8(NEXT);
                writer.bytes(&short);
            }
            None => {
                writer.u8(WHOLE);
                writer.bytes(bytes);
            }
        }
        before = entry;
    }
    let plain = writer.into_bytes();
    let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL).unwrap_or_default();
    let length = u32::try_from(plain.len()).expect("a message is limited");
    [length.to_le_bytes().as_slice(), &packed].concat()
}

/// Unpacks entries, none of which is believed.
///
/// # Errors
/// When they do not unpack within the limits of a message.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    let strange = || DecodeError::NotCanonical("packed entries do not unpack");
    let (length, packed) = bytes.split_first_chunk::<4>().ok_or_else(strange)?;
    let length = u32::from_le_bytes(*length) as usize;
    let limit = limits::CREDIT_ENTRIES * SMALL_BYTES;
    if length > limit {
        return Err(DecodeError::TooLong { length, limit });
    }
    let plain = zstd::bulk::decompress(packed, length).map_err(|_| strange())?;
    let mut reader = Reader::new(&plain);
    let count = reader.u32()? as usize;
    if count > limits::CREDIT_ENTRIES {
        return Err(DecodeError::TooLong { length: count, limit: limits::CREDIT_ENTRIES });
    }
    let (mut entries, mut before) = (Vec::new(), None::<EntryId>);
    for _ in 0..count {
        let form = reader.u8()?;
        let bytes = reader.bytes(limits::ENTRY_BYTES_MAX)?;
        let entry = match form {
            WHOLE => bytes.to_vec(),
            NEXT => before.and_then(|id| Entry::with_previous(bytes, id)).ok_or_else(strange)?,
            value => return Err(DecodeError::Unknown { what: "form", value: value.into() }),
        };
        before = Entry::id_in(&entry);
        entries.push(entry);
    }
    reader.finish()?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, EntryPlan, Header, Origin, Part, kind};
    use heirloom_base::{AccountId, EpochId, Hlc, Incarnation, OpId, RecordId, SpaceId};
    use heirloom_identity::DeviceKeys;
    use proptest::prelude::*;

    fn log(number: u8, count: u64) -> Vec<Vec<u8>> {
        let keys = DeviceKeys::from_seed([number; 32]);
        let (device, space) = (keys.id(), SpaceId([1; 16]));
        let origin = Origin { device, incarnation: Incarnation([number; 16]) };
        let mut previous = EntryId([0; 32]);
        let write = |seq| {
            let header = Header {
                kind: kind::CHANGES,
                space,
                log: origin.log(space),
                seq,
                previous,
                origin: (seq == 1).then_some(origin),
                roster_heads: vec![OpId([5; 32])],
                hlc: Hlc(seq << 16),
                epoch: EpochId([6; 32]),
                seen: Vec::new(),
                chunks: Vec::new(),
            };
            let change = heirloom_base::hash::plain(&seq.to_le_bytes()).repeat(4);
            let body = Body { parts: vec![Part { record: RecordId([1; 16]), change }] };
            let plan = EntryPlan { header, body };
            let entry = Entry::author(AccountId([3; 32]), &keys, &[8; 32], &plan);
            previous = entry.id();
            entry.into_bytes()
        };
        (1..=count).map(write).collect()
    }

    #[test]
    fn small_entries_of_a_log_take_two_thirds() {
        let entries = log(1, 100);
        let packed = pack(&entries);
        let bytes: usize = entries.iter().map(Vec::len).sum();
        assert!(packed.len() * 3 < bytes * 2, "{} of {bytes}", packed.len());
        assert_eq!(unpack(&packed), Ok(entries));
    }

    #[test]
    fn single_and_large_ones_are_not_worth_it() {
        let entries = log(1, 2);
        assert!(is_worth(&entries) && !is_worth(&entries[..1]));
        assert!(!is_worth(&[vec![0; 9_000], vec![0; 100]]));
    }

    #[test]
    fn one_whose_predecessor_is_not_there_does_not_unpack() {
        let entries = log(1, 2);
        let short = Entry::without_previous(&entries[1]).unwrap();
        let mut writer = Writer::new();
        writer.u32(1);
        writer.u8(NEXT);
        writer.bytes(&short);
        let plain = writer.into_bytes();
        let packed = zstd::bulk::compress(&plain, 1).unwrap();
        let length = u32::try_from(plain.len()).unwrap();
        assert!(unpack(&[length.to_le_bytes().as_slice(), &packed].concat()).is_err());
        assert!(unpack(&[u32::MAX.to_le_bytes().as_slice(), &packed].concat()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn entries_of_any_logs_in_any_order_survive(
            order in proptest::collection::vec((0..3_usize, 0..12_usize), 0..40),
            noise in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let logs = [log(1, 12), log(2, 12), log(3, 12)];
            let mut entries: Vec<Vec<u8>> =
                order.iter().map(|(log, place)| logs[*log][*place].clone()).collect();
            entries.push(noise);
            entries.extend(logs[0].clone());
            prop_assert_eq!(unpack(&pack(&entries)), Ok(entries));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(unpack(&bytes));
        }
    }
}
