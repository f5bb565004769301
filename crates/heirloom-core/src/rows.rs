//! The index: its keys and the rows behind them.
//!
//! Everything here can be rebuilt from the log.

use crate::storage::{Lsn, StorageError};
use heirloom_base::{
    ActorId, ChangeHash, Decode, DecodeError, DeviceId, Encode, EntryId, LogId, Reader, RecordId,
    Writer, limits,
};
use heirloom_formats::{Span, Times};
use std::collections::BTreeMap;

/// Position of the last frame whose effects are in the index.
pub(crate) const APPLIED: &[u8] = b"applied";
/// The device whose index this is: one of another device of the account tells of
/// the same records. Indexes of before 2026-12 do not say it.
pub(crate) const OWNER: &[u8] = b"Owner";
/// The version of the rows below. It stands beside the position, so that an
/// index of another version is rebuilt from the log. Version 1 had none.
const LAYOUT: u8 = 14;

/// Returns the value of [`APPLIED`].
#[must_use]
pub(crate) fn applied_value(lsn: Lsn) -> Vec<u8> {
    [lsn.0.to_be_bytes().as_slice(), &[LAYOUT]].concat()
}

/// Reads the value of [`APPLIED`].
pub(crate) fn applied_from(value: &[u8]) -> Result<Lsn, StorageError> {
    match value.split_first_chunk::<8>() {
        Some((lsn, [LAYOUT])) => Ok(Lsn(u64::from_be_bytes(*lsn))),
        Some(_) | None => Err(StorageError::Index("its rows have another layout".to_owned())),
    }
}

/// First bytes of the keys, one per table.
pub(crate) mod table {
    /// Log and sequence number to log position and entry id.
    pub(crate) const ENTRY: u8 = b'e';
    /// Log to its state.
    pub(crate) const LOG: u8 = b'l';
    /// Log position to roster operation.
    pub(crate) const ROSTER: u8 = b'o';
    /// Name to the device's own state.
    pub(crate) const LOCAL: u8 = b's';
    /// Category and record to its row.
    pub(crate) const RECORD: u8 = b'r';
    /// Record to the key of its row, where what it claims to be is not proven.
    pub(crate) const UNPROVEN: u8 = b'p';
    /// Record and log of which a change broke the merge.
    pub(crate) const CLOSED: u8 = b'c';
    /// Record to its saved document.
    pub(crate) const DOCUMENT: u8 = b'd';
    /// Record, class, log, sequence number and part of a change that waits.
    pub(crate) const WAITING: u8 = b'w';
    /// Record, what is awaited, and the log whose changes wait for it.
    pub(crate) const AWAITED: u8 = b'x';
    /// Device, or device and record, to the number of its changes that wait.
    pub(crate) const WAITING_COUNT: u8 = b'n';
    /// Log and sequence number of an entry whose key is not here yet.
    pub(crate) const SEALED: u8 = b'u';
    /// Log, sequence number and record of what was kept aside.
    pub(crate) const QUARANTINE: u8 = b'q';
    /// Log to the number of its rows of the table above.
    pub(crate) const QUARANTINE_COUNT: u8 = b'm';
    /// Record, log and sequence number of every entry that was opened.
    pub(crate) const TOUCHED: u8 = b'a';
    /// Record, log and sequence number of an entry that is applied later.
    pub(crate) const LATER: u8 = b'j';
    /// Record and change of an entry that does not count.
    pub(crate) const BARRED: u8 = b'b';
    /// Log to the number up to which its entries were last found to count.
    pub(crate) const COUNTING: u8 = b'v';
    /// Record that is still to be made again.
    pub(crate) const STALE: u8 = b'z';
    /// Log and sequence number to the chunks that an entry refers to.
    pub(crate) const CHUNKS: u8 = b'i';
    /// Device to the time of the last contact.
    pub(crate) const SEEN: u8 = b't';
    /// Device to its newest receipt.
    pub(crate) const RECEIPT: u8 = b'k';
    /// Device to two of its receipts that cannot both have been true.
    pub(crate) const CONTRADICTION: u8 = b'y';
    /// Device to the lives of its store that it has shown, the earliest first.
    pub(crate) const LIVES: u8 = b'L';
    /// Log that was found to have two ends, to the number at which they part.
    pub(crate) const FORKED: u8 = b'h';
    /// Log, sequence number and id of the first entry of an end that its author gave
    /// up, and the log and number of the entry that says so.
    pub(crate) const DISOWNED: u8 = b'1';
    /// Log and sequence number of an entry that is a checkpoint or signs one.
    pub(crate) const CHECKPOINT: u8 = b'g';
    /// The records of a checkpoint, under the keys that they have above, until
    /// their entries are here; and the entries that it is shown by.
    pub(crate) const PREVIEW: u8 = b'f';
}

/// Builds a key from a table and its parts.
#[must_use]
pub(crate) fn key(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![table];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// Returns the key of an entry-shaped table: log, then sequence number in order.
#[must_use]
pub(crate) fn entry_key(table: u8, log: LogId, seq: u64) -> Vec<u8> {
    key(table, &[&log.0, &seq.to_be_bytes()])
}

/// Reads the log and sequence number back from such a key.
#[must_use]
pub(crate) fn entry_of_key(key: &[u8]) -> Option<(LogId, u64)> {
    let (log, rest) = key.get(1..)?.split_first_chunk::<16>()?;
    Some((LogId(*log), u64::from_be_bytes(*rest.first_chunk::<8>()?)))
}

/// Reads the record back that may stand behind the log and sequence number.
#[must_use]
pub(crate) fn record_after_entry(key: &[u8]) -> Option<RecordId> {
    Some(RecordId(*key.get(1 + LogId::SIZE + 8..)?.first_chunk::<16>()?))
}

/// Reads a count; none is zero.
pub(crate) fn count_from(value: Option<Vec<u8>>) -> Result<u64, StorageError> {
    let Some(value) = value else { return Ok(0) };
    let bytes = value.try_into().map_err(|_| StorageError::Index("a count is damaged".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Returns the key of a record's row.
#[must_use]
pub(crate) fn record_key(category: i64, record: RecordId) -> Vec<u8> {
    key(table::RECORD, &[&[category_byte(category)], &record.0])
}

/// Returns the prefix of a category's rows.
#[must_use]
pub(crate) fn category_prefix(category: i64) -> Vec<u8> {
    key(table::RECORD, &[&[category_byte(category)]])
}

/// Reads the record back from the key of its row.
#[must_use]
pub(crate) fn record_of_key(key: &[u8]) -> Option<RecordId> {
    Some(RecordId(*key.get(2..)?.first_chunk::<16>()?))
}

/// Returns the record that a key is about, of the tables that only the entries
/// which touch a record write to.
#[must_use]
pub(crate) fn record_in(key: &[u8]) -> Option<RecordId> {
    let table = *key.first().filter(|table| is_of_records(**table))?;
    let from = if table == table::RECORD { 2 } else { 1 };
    Some(RecordId(*key.get(from..)?.first_chunk::<16>()?))
}

/// Returns whether only the entries that touch a record write to a table.
#[must_use]
pub(crate) fn is_of_records(table: u8) -> bool {
    matches!(
        table,
        table::RECORD
            | table::UNPROVEN
            | table::CLOSED
            | table::DOCUMENT
            | table::WAITING
            | table::AWAITED
            | table::TOUCHED
            | table::LATER
            | table::BARRED
    )
}

fn category_byte(category: i64) -> u8 {
    u8::try_from(category).unwrap_or(u8::MAX)
}

/// How far a log is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogRow {
    /// Whose it is.
    pub(crate) device: DeviceId,
    /// Last durable entry.
    pub(crate) seq: u64,
    /// Its id.
    pub(crate) id: EntryId,
}

impl Encode for LogRow {
    fn encode(&self, writer: &mut Writer) {
        self.device.encode(writer);
        writer.u64(self.seq);
        self.id.encode(writer);
    }
}

impl Decode for LogRow {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: DeviceId::decode(reader)?,
            seq: reader.u64()?,
            id: EntryId::decode(reader)?,
        })
    }
}

/// When something was written, in milliseconds since 1970 by the author's
/// clock, and in which log. Of two, the smaller is the earlier one on every
/// device.
pub(crate) type Stamp = (u64, LogId);

/// A record as lists need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RecordIndex {
    /// Its category's number.
    pub(crate) category: i64,
    /// Its uid.
    pub(crate) uid: String,
    /// Whether it is in the trash.
    pub(crate) deleted: bool,
    /// Whether a field has concurrent values that differ.
    pub(crate) conflicted: bool,
    /// The document's heads.
    pub(crate) heads: Vec<ChangeHash>,
    /// Last entry per log that carries a change of it.
    pub(crate) entries: BTreeMap<LogId, u64>,
    /// The first entry that carried each birth, by the birth's actor: a birth
    /// is the same whoever brings it, and the first who did is its author.
    pub(crate) births: BTreeMap<ActorId, Stamp>,
    /// Clock reading of the newest change that none builds on, in milliseconds
    /// since 1970.
    pub(crate) updated_ms: u64,
    /// Log of that change.
    pub(crate) updated_by: Option<LogId>,
    /// What a person would call it.
    pub(crate) title: String,
    /// Fields as JSON text.
    pub(crate) fields: String,
    /// Text to search in, as the formats fold it.
    pub(crate) search: String,
    /// Between which times it takes place.
    pub(crate) span: Option<Span>,
    /// When it takes place, where that is not too long to be kept twice.
    pub(crate) times: Option<Times>,
}

/// What decides whether a list of a time needs a row at all; it stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) deleted: bool,
    pub(crate) span: Option<Span>,
}

/// The front of a row: all that tells who holds which state of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Front {
    pub(crate) deleted: bool,
    pub(crate) heads: Vec<ChangeHash>,
    pub(crate) entries: BTreeMap<LogId, u64>,
    pub(crate) updated_ms: u64,
}

/// What stands for no times: a span that ends before it begins.
const NO_SPAN: Span = Span { from_s: i64::MAX, to_s: i64::MIN };

const TEXT_BYTES_MAX: usize = limits::CARD_TEXT_BYTES_MAX * 8;

/// Heads that are read back: births of one record have no limit, and a row of
/// this device's own must never be refused.
const HEADS_MAX: usize = 1 << 24;

impl Encode for RecordIndex {
    fn encode(&self, writer: &mut Writer) {
        Reach { deleted: self.deleted, span: self.span }.encode(writer);
        writer.u64(self.category.cast_unsigned());
        writer.text(&self.uid);
        writer.u8(u8::from(self.conflicted));
        writer.list(&self.heads);
        writer.u32(u32::try_from(self.entries.len()).expect("logs are limited"));
        for (log, seq) in &self.entries {
            log.encode(writer);
            writer.u64(*seq);
        }
        writer.u32(u32::try_from(self.births.len()).expect("births are limited like logs"));
        for (actor, (wall_ms, log)) in &self.births {
            actor.encode(writer);
            writer.u64(*wall_ms);
            log.encode(writer);
        }
        writer.u64(self.updated_ms);
        writer.option(self.updated_by.as_ref());
        writer.text(&self.title);
        writer.text(&self.fields);
        writer.text(&self.search);
        writer.option(self.times.as_ref());
    }
}

impl Encode for Reach {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::from(self.deleted));
        let span = self.span.unwrap_or(NO_SPAN);
        writer.u64(span.from_s.cast_unsigned());
        writer.u64(span.to_s.cast_unsigned());
    }
}

impl Decode for Reach {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let deleted = reader.u8()? != 0;
        let (from_s, to_s) = (reader.u64()?.cast_signed(), reader.u64()?.cast_signed());
        let span = Some(Span { from_s, to_s }).filter(|span| *span != NO_SPAN);
        Ok(Self { deleted, span })
    }
}

impl Decode for Front {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let Reach { deleted, .. } = Reach::decode(reader)?;
        reader.u64()?;
        reader.text(TEXT_BYTES_MAX)?;
        reader.u8()?;
        let heads = reader.list(HEADS_MAX)?;
        let count = reader.u32()?;
        let entries = (0..count)
            .map(|_| Ok((LogId::decode(reader)?, reader.u64()?)))
            .collect::<Result<_, DecodeError>>()?;
        for _ in 0..reader.u32()? {
            reader.take(ActorId::SIZE + 8 + LogId::SIZE)?;
        }
        Ok(Self { deleted, heads, entries, updated_ms: reader.u64()? })
    }
}

impl Decode for RecordIndex {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let Reach { deleted, span } = Reach::decode(reader)?;
        let category = reader.u64()?.cast_signed();
        let uid = reader.text(TEXT_BYTES_MAX)?.to_owned();
        let conflicted = reader.u8()? != 0;
        let heads = reader.list(HEADS_MAX)?;
        let count = reader.u32()?;
        let entries = (0..count)
            .map(|_| Ok((LogId::decode(reader)?, reader.u64()?)))
            .collect::<Result<_, DecodeError>>()?;
        let count = reader.u32()?;
        let births = (0..count)
            .map(|_| Ok((ActorId::decode(reader)?, (reader.u64()?, LogId::decode(reader)?))))
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self {
            category,
            uid,
            deleted,
            conflicted,
            heads,
            entries,
            births,
            updated_ms: reader.u64()?,
            updated_by: reader.option()?,
            title: reader.text(TEXT_BYTES_MAX)?.to_owned(),
            fields: reader.text(TEXT_BYTES_MAX)?.to_owned(),
            search: reader.text(TEXT_BYTES_MAX)?.to_owned(),
            span,
            times: reader.option()?,
        })
    }
}

/// A change that waits; its bytes are read again from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingRow {
    /// Whether more changes of its author wait than go unmentioned, so that it
    /// counts as kept aside.
    pub(crate) beyond: bool,
    /// The change, where it is a part of a birth.
    pub(crate) part: Option<ChangeHash>,
}

impl Encode for WaitingRow {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::from(self.beyond));
        writer.option(self.part.as_ref());
    }
}

impl Decode for WaitingRow {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { beyond: reader.u8()? != 0, part: reader.option()? })
    }
}

/// What was kept aside of an entry, for one record or altogether.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct QuarantineRow {
    /// Clock reading of the entry, in milliseconds since 1970.
    pub(crate) wall_ms: u64,
    /// Changes that wait beyond what goes unmentioned.
    pub(crate) waiting: u64,
    /// Why something was refused for good; empty where nothing was.
    pub(crate) reason: String,
}

/// Bytes of a reason at most.
const REASON_BYTES_MAX: usize = 4 * 1024;

impl Encode for QuarantineRow {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.wall_ms);
        writer.u64(self.waiting);
        let end = self.reason.floor_char_boundary(REASON_BYTES_MAX);
        writer.text(self.reason.get(..end).unwrap_or_default());
    }
}

impl Decode for QuarantineRow {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (wall_ms, waiting) = (reader.u64()?, reader.u64()?);
        Ok(Self { wall_ms, waiting, reason: reader.text(REASON_BYTES_MAX)?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_their_binary_form() {
        let row = RecordIndex {
            category: 3,
            uid: "u".into(),
            deleted: true,
            conflicted: false,
            heads: vec![ChangeHash([1; 32])],
            entries: [(LogId([2; 16]), 7)].into(),
            births: [(ActorId([3; 16]), (4, LogId([2; 16])))].into(),
            updated_ms: 9,
            updated_by: Some(LogId([2; 16])),
            title: "t".into(),
            fields: "{}".into(),
            search: "s".into(),
            span: Some(Span { from_s: -5, to_s: i64::MAX }),
            times: None,
        };
        let reach = Reach { deleted: true, span: row.span };
        assert_eq!(Reach::decode(&mut Reader::new(&row.to_bytes())), Ok(reach));
        assert_eq!(RecordIndex::from_bytes(&row.to_bytes()).as_ref(), Ok(&row));
        let (heads, entries) = (row.heads.clone(), row.entries.clone());
        let front = Front { deleted: true, heads, entries, updated_ms: 9 };
        assert_eq!(Front::decode(&mut Reader::new(&row.to_bytes())), Ok(front));
        let row = RecordIndex { span: None, ..row };
        assert_eq!(RecordIndex::from_bytes(&row.to_bytes()), Ok(row));
        let row = LogRow { device: DeviceId([1; 32]), seq: 4, id: EntryId([5; 32]) };
        assert_eq!(LogRow::from_bytes(&row.to_bytes()), Ok(row));
        for part in [None, Some(ChangeHash([3; 32]))] {
            let row = WaitingRow { beyond: part.is_some(), part };
            assert_eq!(WaitingRow::from_bytes(&row.to_bytes()), Ok(row));
        }
        let row = QuarantineRow { wall_ms: 5, waiting: 6, reason: "r".into() };
        assert_eq!(QuarantineRow::from_bytes(&row.to_bytes()).as_ref(), Ok(&row));
        let long = QuarantineRow { reason: "\u{e9}".repeat(5_000), ..row };
        let kept = QuarantineRow::from_bytes(&long.to_bytes()).unwrap();
        assert_eq!(kept.reason.len(), REASON_BYTES_MAX);
    }

    #[test]
    fn a_position_of_another_layout_is_not_read() {
        assert_eq!(applied_from(&applied_value(Lsn(7))), Ok(Lsn(7)));
        let old = 7u64.to_be_bytes().to_vec();
        let later = [old.as_slice(), &[LAYOUT + 1]].concat();
        for value in [old, later, Vec::new()] {
            assert!(matches!(applied_from(&value), Err(StorageError::Index(_))), "{value:?}");
        }
    }

    #[test]
    fn keys_keep_the_order_of_sequence_numbers() {
        let log = LogId([1; 16]);
        let keys: Vec<_> =
            [1, 2, 255, 256, 70_000].map(|seq| entry_key(table::ENTRY, log, seq)).into();
        assert!(keys.is_sorted());
        assert_eq!(entry_of_key(&keys[3]), Some((log, 256)));
        let record = RecordId([9; 16]);
        assert_eq!(record_of_key(&record_key(2, record)), Some(record));
    }

    #[test]
    fn keys_that_are_too_short_name_nothing() {
        assert_eq!(entry_of_key(&[]), None);
        assert_eq!(entry_of_key(&entry_key(table::ENTRY, LogId([1; 16]), 7)[..24]), None);
        assert_eq!(record_of_key(&[table::RECORD]), None);
        assert_eq!(record_of_key(&record_key(1, RecordId([1; 16]))[..17]), None);
    }

    #[test]
    fn unknown_categories_share_a_place_of_their_own() {
        let record = RecordId([1; 16]);
        assert_eq!(record_key(-1, record), record_key(70_000, record));
        assert!(record_key(-1, record).starts_with(&category_prefix(900)));
        assert!(!record_key(-1, record).starts_with(&category_prefix(1)));
    }

    proptest::proptest! {
        #[test]
        fn entry_keys_come_back_and_keep_their_order(
            log in proptest::array::uniform16(0..255u8),
            (one, other) in (proptest::prelude::any::<u64>(), proptest::prelude::any::<u64>()),
        ) {
            let key = |seq| entry_key(table::SEALED, LogId(log), seq);
            proptest::prop_assert_eq!(entry_of_key(&key(one)), Some((LogId(log), one)));
            proptest::prop_assert_eq!(one.cmp(&other), key(one).cmp(&key(other)));
        }

        #[test]
        fn cut_rows_are_refused(end in 0..30usize) {
            let row = QuarantineRow { wall_ms: 2, waiting: 3, reason: "0123456789".into() };
            let bytes = row.to_bytes();
            proptest::prop_assert_eq!(bytes.len(), 30);
            proptest::prop_assert!(QuarantineRow::from_bytes(&bytes[..end]).is_err());
        }
    }
}
