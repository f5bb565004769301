//! Changes that are applied later, while many arrive at once.
//!
//! Each change that comes into a record costs as much as the record's whole
//! history: it is loaded, tried, saved and shown. Where a device is far behind,
//! the small entries about records that are here already are only noted, and
//! all changes of one record are taken in together. An entry that is noted
//! counts as held like any other; what is to be done about it is in the index,
//! and is done at the next start at the latest.
//!
//! What comes of it is the same, because the gate judges each log in its own
//! order and in no other; so of one log and one record, nothing may be applied
//! while an earlier change is noted.

use super::queue::Place;
use super::verdicts::{Court, is_wanting, log_row};
use super::work::{Offer, Work};
use super::{Applied, weighed};
use crate::rows::{self, table};
use crate::storage::{Storage, StorageError};
use crate::view::View;
use heirloom_base::{LogId, RecordId, limits};
use heirloom_doc::RawChange;
use std::collections::{BTreeMap, BTreeSet};

/// Whether changes of records that are here may be applied later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// They are applied now.
    Now,
    /// They are noted.
    Later,
}

/// Notes that an entry holds something of a record that is still to be applied.
pub(super) fn put_off(view: &mut View<'_>, record: RecordId, log: LogId, seq: u64) {
    view.put_bytes(rows::key(table::LATER, &[&record.0, &log.0, &seq.to_be_bytes()]), Vec::new());
}

/// Returns the first records of which something is noted: at least one where
/// there is any, and not many more than `limit` notes stand for.
pub(crate) fn noted(
    storage: &dyn Storage,
    limit: usize,
) -> Result<BTreeSet<RecordId>, StorageError> {
    let rows = storage.scan(&[table::LATER], None, limit)?;
    Ok(rows.iter().filter_map(|(key, _)| rows::record_in(key)).collect())
}

/// Forgets what is noted of a record.
pub(super) fn forget(view: &mut View<'_>, record: RecordId) -> Result<(), StorageError> {
    for (key, _) in view.scan(&rows::key(table::LATER, &[&record.0]), None, usize::MAX)? {
        view.remove(key);
    }
    Ok(())
}

impl Court<'_> {
    /// Applies what is noted of a record.
    pub(crate) fn catch_up(
        &self,
        view: &mut View<'_>,
        record: RecordId,
        applied: &mut Applied,
    ) -> Result<(), StorageError> {
        let mut by_log: BTreeMap<LogId, Vec<u64>> = BTreeMap::new();
        let prefix = rows::key(table::LATER, &[&record.0]);
        for (key, _) in view.scan(&prefix, None, usize::MAX)? {
            let place = key.get(RecordId::SIZE..).and_then(rows::entry_of_key);
            let lost = || StorageError::Index("a place in a log is damaged".to_owned());
            let (log, seq) = place.ok_or_else(lost)?;
            by_log.entry(log).or_default().push(seq);
            view.remove(key);
        }
        for (log, seqs) in by_log {
            // Behind what was lost of a log nothing counts: it comes again, in its order.
            let held = log_row(view, log)?.map_or(0, |row| row.seq);
            let (mut offers, mut bytes) = (Vec::new(), 0);
            for seq in seqs.into_iter().filter(|seq| *seq <= held) {
                let opened = self.library.open(view, log, seq)?;
                for (number, (part, refused)) in (0..).zip(weighed(opened.parts)) {
                    // What was refused of an entry was so when it came.
                    if part.record != record || refused.is_some() {
                        continue;
                    }
                    bytes += part.change.len();
                    let (place, wall_ms) = (Place { log, seq, part: number }, opened.wall_ms);
                    let change = RawChange(part.change);
                    offers.push(Offer { place, wall_ms, change, waited: None });
                }
                if bytes > limits::WAKE_BYTES_MAX {
                    bytes = 0;
                    let offers = std::mem::take(&mut offers);
                    Work::begin(view, self.library, record, applied)?.run(offers)?;
                }
            }
            Work::begin(view, self.library, record, applied)?.run(offers)?;
        }
        if is_wanting(view, record)? {
            self.rebuild(view, record, applied)?;
        }
        Ok(())
    }
}
