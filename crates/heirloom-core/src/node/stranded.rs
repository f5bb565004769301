//! Sound entries behind a hole in their log.
//!
//! Where a part of the log was lost, the entries behind it are still on the
//! disk, and the index knows where. They do not count as held, and nobody is
//! told that they are: a log is held in order. Others are told of the hole, so
//! that they send what is missing and no more; when it is filled, the entries
//! behind it count again as they are.
//!
//! Where this device is the only one of its account, nobody will: what its own
//! logs hold behind a hole is then shown all the same. With others it is not,
//! because changes of one log are judged in their order.

use super::settle::entry_at;
use super::{Node, Storage};
use crate::collection::later::Haste;
use crate::rows::{self, LogRow, table};
use crate::storage::{Lsn, StorageError};
use crate::view::View;
use heirloom_base::{EntryId, LogId, Now, limits};
use heirloom_sync::message::Hole;
use heirloom_sync::{Entry, LogState};

impl Node {
    /// Returns the holes behind which entries are, as others are told of them.
    pub(super) fn holes(&self, storage: &dyn Storage) -> Result<Vec<Hole>, StorageError> {
        let mut holes = Vec::new();
        for log in self.holed.iter().copied().take(limits::HOLES_MAX) {
            let held = self.replication.log(log).map_or(0, |state| state.durable);
            let next = stranded(storage, log, held, 1)?.first().copied();
            if let Some(next) = next.filter(|next| *next > held + 1) {
                holes.push(Hole { log, first: held + 1, last: next - 1 });
            }
        }
        Ok(holes)
    }

    /// Keeps in mind where an entry lies that does not follow what is held.
    pub(super) fn strand(&mut self, view: &mut View<'_>, lsn: Lsn, entry: &Entry) {
        let header = entry.header();
        let held = self.replication.log(header.log).map_or(0, |state| state.durable);
        if header.seq > held + 1 {
            self.place_entry(view, lsn, entry);
            self.holed.insert(header.log);
        }
    }

    /// Finds the logs that have holes, at start.
    pub(super) fn load_holes(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        let mut after = None;
        loop {
            let row = storage.scan(&[table::ENTRY], after.as_deref(), 1)?;
            let Some((log, _)) = row.first().and_then(|(key, _)| rows::entry_of_key(key)) else {
                return Ok(());
            };
            let held = self.replication.log(log).map_or(0, |state| state.durable);
            if !stranded(storage, log, held, 1)?.is_empty() {
                self.holed.insert(log);
            }
            after = Some(rows::entry_key(table::ENTRY, log, u64::MAX));
        }
    }

    /// Lets entries count again that follow what is held of a log now.
    pub(super) fn rejoin(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        log: LogId,
    ) -> Result<(), StorageError> {
        if !self.holed.contains(&log) {
            return Ok(());
        }
        let mut has_rejoined = false;
        while let Some(entry) = self.next_stranded(storage, log)? {
            has_rejoined = true;
            self.settle_entries(now, storage, &[(None, Box::new(entry))], Haste::Now)?;
        }
        let held = self.replication.log(log).map_or(0, |state| state.durable);
        let next = stranded(storage, log, held, 1)?.first().copied();
        if next.is_none() {
            tracing::info!(log = %log.short(), held, "nothing is missing of a log any more");
            self.holed.remove(&log);
        }
        // One that comes next and does not follow is sent again like any other.
        if has_rejoined || next.is_none_or(|next| next == held + 1) {
            self.replication.filled(log);
        }
        Ok(())
    }

    /// Returns the next entry of a log, if it is here already.
    fn next_stranded(
        &self,
        storage: &dyn Storage,
        log: LogId,
    ) -> Result<Option<Entry>, StorageError> {
        let held = self.replication.log(log).map_or(0, |state| state.durable);
        if stranded(storage, log, held, 1)?.first() != Some(&(held + 1)) {
            return Ok(None);
        }
        let entry = entry_at(storage, log, held + 1);
        Ok(entry.filter(|entry| self.follows(entry)))
    }

    /// Shows what the own logs of a lone device hold behind a hole, after all of
    /// the log was replayed.
    pub(super) fn show_stranded(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let device = self.device();
        if !self.membership.is_alone(device) {
            return Ok(());
        }
        for log in self.own_logs.intersection(&self.holed).copied().collect::<Vec<LogId>>() {
            let held = self.replication.log(log).map_or(0, |state| state.durable);
            let seqs = stranded(storage, log, held, usize::MAX)?;
            if self.replication.log(log).is_none() {
                let mut view = View::new(storage);
                let row = LogRow { device, seq: 0, id: EntryId([0; 32]) };
                view.put(rows::key(table::LOG, &[&log.0]), &row);
                view.commit(None)?;
                self.replication.load_log(log, LogState::empty(device));
            }
            for seq in seqs {
                let Some(entry) = entry_at(storage, log, seq) else { continue };
                self.journal.observe(entry.header().hlc);
                let mut view = View::new(storage);
                self.apply_entries(&mut view, std::iter::once(&entry), Haste::Now)?;
                view.commit(None)?;
            }
        }
        Ok(())
    }

    /// Counts the entries that are known to have been here and cannot be read.
    pub(super) fn entries_missing(
        storage: &dyn Storage,
        log: LogId,
        held: u64,
        end: u64,
    ) -> Result<u64, StorageError> {
        let seqs = stranded(storage, log, held, usize::MAX)?;
        let end = seqs.last().map_or(end, |last| end.max(*last));
        Ok(end.saturating_sub(held).saturating_sub(seqs.len() as u64))
    }
}

/// Returns at most so many numbers of entries of a log that lie behind what is
/// held of it.
fn stranded(
    storage: &dyn Storage,
    log: LogId,
    held: u64,
    limit: usize,
) -> Result<Vec<u64>, StorageError> {
    let after = rows::entry_key(table::ENTRY, log, held);
    let rows = storage.scan(&rows::key(table::ENTRY, &[&log.0]), Some(&after), limit)?;
    let numbers = rows.iter().filter_map(|(key, _)| rows::entry_of_key(key));
    Ok(numbers.map(|(_, seq)| seq).collect())
}
