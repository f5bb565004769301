//! Which checkpoints are shown to others, whose packs are fetched, and what is
//! shown behind them.

use crate::node::Node;
use crate::node::settle::{entry_at, read_entry};
use crate::rows::{self, table};
use crate::storage::{Storage, StorageError};
use heirloom_base::{ChunkId, DeviceId, LogId, Now, limits};
use heirloom_sync::entry::kind;
use heirloom_sync::{Entry, Hello, Message, VersionVector};
use std::collections::BTreeSet;

impl Node {
    /// Notes which packs of the newest checkpoints are not here. Those of others
    /// are of no use any more.
    pub(super) fn look_for_packs(&mut self, storage: &dyn Storage, entries: &[Entry]) {
        let newest = self.newest_counting(entries, |_| true);
        let chunks = newest.into_iter().flat_map(|entry| entry.header().chunks.iter().copied());
        self.checkpoints.lacks = chunks.filter(|chunk| !storage.has_chunk(*chunk)).collect();
    }

    /// Notes chunks that were here and are not any more, as far as they are of
    /// the newest checkpoints.
    pub(in crate::node) fn packs_lost(
        &mut self,
        storage: &dyn Storage,
        now: Now,
        lost: &BTreeSet<ChunkId>,
    ) -> Result<(), StorageError> {
        let entries = checkpoint_entries(storage)?;
        let newest = self.newest_counting(&entries, |_| true);
        let chunks = newest.into_iter().flat_map(|entry| entry.header().chunks.iter().copied());
        let again: Vec<ChunkId> = chunks.filter(|chunk| lost.contains(chunk)).collect();
        if !again.is_empty() {
            self.checkpoints.lacks.extend(again);
            // Where nobody has them, they are made again.
            self.checkpoints.disturbed(now, self.config.checkpoint_quiet_ms);
        }
        Ok(())
    }

    /// Returns the newest checkpoints, as far as their clocks tell, that a
    /// member made that reads, and that count.
    fn newest_counting<'e>(
        &self,
        entries: &'e [Entry],
        is_meant: impl Fn(&&'e Entry) -> bool,
    ) -> Vec<&'e Entry> {
        let counts = |entry: &&Entry| {
            let header = entry.header();
            let author = self.device_of(header.log);
            author.is_some_and(|author| {
                let until = self.membership.roster.state().counts_until(author, header.log);
                self.membership.may_read(author) && header.seq <= until
            })
        };
        let some = entries.iter().filter(counts).filter(is_meant);
        newest(some, kind::CHECKPOINT, limits::CHECKPOINTS_OFFERED_MAX)
    }

    /// Shows the newest checkpoints to a device that lacks at least half of all.
    pub(in crate::node) fn offer_checkpoints(
        &mut self,
        storage: &dyn Storage,
        device: DeviceId,
        hello: &Hello,
    ) -> Result<(), StorageError> {
        let ours = self.replication.vector();
        let lacks = ours.entries_beyond(&hello.vector);
        let total = ours.entries_beyond(&VersionVector::default());
        if lacks.saturating_mul(2) < total.max(1) || !self.membership.may_read(device) {
            return Ok(());
        }
        let entries = checkpoint_entries(storage)?;
        let has_packs =
            |entry: &&Entry| entry.header().chunks.iter().all(|chunk| storage.has_chunk(*chunk));
        let mut shown = self.newest_counting(&entries, has_packs);
        if shown.is_empty() {
            return Ok(());
        }
        shown.extend(newest(entries.iter(), kind::COSIGNATURE, limits::COSIGNATURES_OFFERED_MAX));
        let blocks = shown.into_iter().map(|entry| entry.bytes().to_vec()).collect();
        self.replication.send(device, Message::Checkpoints(blocks));
        self.replication.shown_checkpoints(device);
        Ok(())
    }

    /// Shows entries behind a checkpoint, as far as they are few.
    pub(in crate::node) fn send_tail(
        &mut self,
        storage: &dyn Storage,
        device: DeviceId,
        vector: &VersionVector,
    ) {
        if vector.is_absurd() || !self.replication.may_ask_tail(device) {
            return;
        }
        let (mut messages, mut bytes) = (vec![(0, Vec::new())], 0);
        let logs: Vec<(LogId, u64)> =
            self.replication.logs().map(|(log, state)| (log, state.durable)).collect();
        'logs: for (log, end) in logs {
            for seq in vector.seq(log).saturating_add(1)..=end {
                let Some(entry) = read_entry(storage, log, seq) else { break };
                bytes += entry.len();
                if bytes > limits::TAIL_BYTES_MAX {
                    break 'logs;
                }
                if messages.last().is_some_and(|(size, some): &(usize, Vec<Vec<u8>>)| {
                    size + entry.len() > limits::ENTRY_BYTES_MAX
                        || some.len() >= limits::CREDIT_ENTRIES
                }) {
                    messages.push((0, Vec::new()));
                }
                if let Some((size, some)) = messages.last_mut() {
                    *size += entry.len();
                    some.push(entry);
                }
            }
        }
        let count = messages.len();
        for (number, (_, entries)) in (1..).zip(messages) {
            self.replication.send(device, Message::Tail { last: number == count, entries });
        }
    }
}

/// Returns the newest entries of a kind, as far as their clocks tell.
fn newest<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    wanted: u8,
    count: usize,
) -> Vec<&'e Entry> {
    let mut some: Vec<&Entry> = entries.filter(|entry| entry.header().kind == wanted).collect();
    some.sort_by_key(|entry| std::cmp::Reverse((entry.header().hlc, entry.id())));
    some.truncate(count);
    some
}

/// Returns the entries here that are checkpoints or sign one.
pub(super) fn checkpoint_entries(storage: &dyn Storage) -> Result<Vec<Entry>, StorageError> {
    let rows = storage.scan(&[table::CHECKPOINT], None, usize::MAX)?;
    let places = rows.iter().filter_map(|(key, _)| rows::entry_of_key(key));
    let entries = places.filter_map(|(log, seq)| entry_at(storage, log, seq));
    Ok(entries.collect())
}
