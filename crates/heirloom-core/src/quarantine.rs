//! What was kept aside: it stays in the log, is listed with its author, and
//! harms no record.

use crate::rows::{self, QuarantineRow, table};
use crate::storage::StorageError;
use crate::view::View;
use heirloom_base::{LogId, RecordId};
use std::error::Error;

/// Why changes wait that are listed.
pub(crate) const WAITING: &str =
    "it builds on changes that are not here, as more of its author's changes do than is usual";

/// Why entries do not count that were written when their device was out.
pub(crate) const BARRED: &str =
    "its device was taken out of the account; only what a member had built on by then counts";
/// Why entries do not count whose device never was let in to write.
pub(crate) const NO_MEMBER: &str = "its author may not write";

/// Something that was kept aside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Aside {
    /// The log whose entry carried it.
    pub(crate) log: LogId,
    /// The entry.
    pub(crate) seq: u64,
    /// Clock reading of the entry, in milliseconds since 1970.
    pub(crate) wall_ms: u64,
    /// The record; `None` where the whole entry was kept aside.
    pub(crate) record: Option<RecordId>,
    /// Why.
    pub(crate) reason: String,
}

impl Aside {
    fn key(&self) -> Vec<u8> {
        key(self.log, self.seq, self.record)
    }
}

fn key(log: LogId, seq: u64, record: Option<RecordId>) -> Vec<u8> {
    let record = record.map(|record| record.0.to_vec()).unwrap_or_default();
    [rows::entry_key(table::QUARANTINE, log, seq), record].concat()
}

/// Returns an error with what caused it, in one line.
pub(crate) fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Keeps aside for good.
pub(crate) fn refuse(view: &mut View<'_>, aside: &Aside) -> Result<(), StorageError> {
    change(view, aside.log, &aside.key(), |row| {
        row.wall_ms = aside.wall_ms;
        row.reason.clone_from(&aside.reason);
    })
}

/// Keeps one change aside that waits.
pub(crate) fn begin_wait(
    view: &mut View<'_>,
    (log, seq): (LogId, u64),
    record: RecordId,
    wall_ms: u64,
) -> Result<(), StorageError> {
    change(view, log, &key(log, seq, Some(record)), |row| {
        row.wall_ms = wall_ms;
        row.waiting += 1;
    })
}

/// Takes one change out again that waited.
pub(crate) fn end_wait(
    view: &mut View<'_>,
    (log, seq): (LogId, u64),
    record: RecordId,
) -> Result<(), StorageError> {
    change(view, log, &key(log, seq, Some(record)), |row| {
        row.waiting = row.waiting.saturating_sub(1);
    })
}

/// Takes out again what was kept aside for good.
pub(crate) fn release(
    view: &mut View<'_>,
    (log, seq): (LogId, u64),
    record: Option<RecordId>,
) -> Result<(), StorageError> {
    change(view, log, &key(log, seq, record), |row| row.reason.clear())
}

fn change(
    view: &mut View<'_>,
    log: LogId,
    key: &[u8],
    change: impl FnOnce(&mut QuarantineRow),
) -> Result<(), StorageError> {
    let before: Option<QuarantineRow> = view.row(key)?;
    let was_there = before.is_some();
    let mut row = before.unwrap_or_default();
    change(&mut row);
    let is_there = row.waiting > 0 || !row.reason.is_empty();
    if is_there {
        view.put(key.to_vec(), &row);
    } else {
        view.remove(key.to_vec());
    }
    match (was_there, is_there) {
        (false, true) => view.count(count_key(log), 1).map(|_| ()),
        (true, false) => view.count(count_key(log), -1).map(|_| ()),
        (true, true) | (false, false) => Ok(()),
    }
}

fn count_key(log: LogId) -> Vec<u8> {
    rows::key(table::QUARANTINE_COUNT, &[&log.0])
}
