//! Checkpoints: what all records are at one moment, made when nothing changes,
//! signed by other readers that hold the same, and shown to a device that lacks
//! much. Its entries stay what counts; see [`super::preview`].

mod making;

use super::settle::read_entry;
use super::{Node, PendingFrame, Then};
use crate::rows::{self, RecordIndex, table};
use crate::storage::{Rows, Storage, StorageError};
use crate::view::decode_row;
use heirloom_base::{ChunkId, Decode, DeviceId, EntryId, LogId, Now, limits};
use heirloom_sync::entry::kind;
use heirloom_sync::{Body, Checkpoint, Cosignature, Entry, Hello, Message, Tip, VersionVector};
pub(super) use making::root_of;
use making::{Making, Step};
use std::collections::BTreeSet;

/// Pause before another look, where something is still on its way.
const PAUSE_MS: u64 = 1_000;
/// Entries behind a checkpoint that are looked at for changes before it is signed.
const LATER_MAX: u64 = 64;

/// What this device has to do with checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    /// Entries that the newest one covers.
    covered: u64,
    /// One of another device that is to be compared and signed.
    unsigned: Option<(LogId, u64)>,
    making: Option<Making>,
    /// Chunks of packs that are not here. No entry waits for them.
    lacks: BTreeSet<ChunkId>,
    quiet_since_ms: u64,
    due_ms: Option<u64>,
}

impl Checkpoints {
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.due_ms
    }

    /// Returns the chunks of packs that are not here.
    pub(super) fn lacks(&self) -> &BTreeSet<ChunkId> {
        &self.lacks
    }

    /// Notes chunks that have arrived.
    pub(super) fn fetched(&mut self, chunks: &[ChunkId]) {
        self.lacks.retain(|chunk| !chunks.contains(chunk));
    }

    /// Notes which chunks of a checkpoint are not here.
    fn look_for_chunks(&mut self, storage: &dyn Storage, entry: &Entry) {
        let chunks = entry.header().chunks.iter().copied();
        self.lacks.extend(chunks.filter(|chunk| !storage.has_chunk(*chunk)));
    }

    /// Notes that something changed: what was begun is of no use.
    pub(super) fn disturbed(&mut self, now: Now, quiet_ms: u64) {
        self.making = None;
        self.quiet_since_ms = now.mono_ms;
        self.due_ms = Some(now.mono_ms + quiet_ms);
    }
}

impl Node {
    /// Finds the checkpoints that are here, at start.
    pub(super) fn load_checkpoints(
        &mut self,
        now: Now,
        storage: &dyn Storage,
    ) -> Result<(), StorageError> {
        let mut signed = BTreeSet::new();
        let entries = checkpoint_entries(storage)?;
        for entry in entries.iter().filter(|entry| entry.header().kind == kind::COSIGNATURE) {
            if self.device_of(entry.header().log) == Some(self.device()) {
                signed.extend(self.opened_item::<Cosignature>(entry).map(|one| one.checkpoint));
            }
        }
        for entry in &entries {
            self.found_checkpoint(entry, &signed);
        }
        for entry in newest(&entries, kind::CHECKPOINT, limits::CHECKPOINTS_OFFERED_MAX) {
            self.checkpoints.look_for_chunks(storage, entry);
        }
        self.checkpoints.disturbed(now, self.config.checkpoint_quiet_ms);
        Ok(())
    }

    /// Reads what an entry holds that is no entry of changes.
    pub(super) fn opened_item<T: Decode>(&self, entry: &Entry) -> Option<T> {
        let keyring = self.membership.keyring.as_ref()?;
        let body = entry.open(keyring.epoch_key(&entry.header().epoch)?).ok()?;
        body.item().ok()
    }

    /// Takes a checkpoint into account that became durable here.
    fn found_checkpoint(&mut self, entry: &Entry, signed: &BTreeSet<EntryId>) {
        let header = entry.header();
        let Some(author) = self.device_of(header.log) else { return };
        if header.kind != kind::CHECKPOINT || !self.membership.may_read(author) {
            return;
        }
        let Some(checkpoint) = self.opened_item::<Checkpoint>(entry) else { return };
        let is_news = checkpoint.entries() > self.checkpoints.covered;
        if !is_news || checkpoint.vector.is_absurd() || !self.is_within_cuts(&checkpoint) {
            return;
        }
        // What another one says counts once this device has compared it.
        if author == self.device() || signed.contains(&entry.id()) {
            self.checkpoints.covered = checkpoint.entries();
        } else {
            self.checkpoints.unsigned = Some((header.log, header.seq));
        }
    }

    /// Follows what entries mean for checkpoints.
    pub(super) fn mind_checkpoints<'e>(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        entries: impl Iterator<Item = &'e Entry>,
    ) {
        let mut is_disturbed = false;
        for entry in entries {
            is_disturbed |= entry.header().kind == kind::CHANGES;
            if entry.header().kind == kind::CHECKPOINT {
                self.checkpoints.look_for_chunks(storage, entry);
                self.found_checkpoint(entry, &BTreeSet::new());
                is_disturbed = true;
            }
        }
        if is_disturbed && self.config.networked {
            self.checkpoints.disturbed(now, self.config.checkpoint_quiet_ms);
        }
    }

    /// Returns whether all that a checkpoint covers counts.
    pub(super) fn is_within_cuts(&self, checkpoint: &Checkpoint) -> bool {
        let state = self.membership.roster.state();
        let mut logs = checkpoint.vector.tips.iter().zip(&checkpoint.devices);
        logs.all(|((log, tip), device)| tip.seq <= state.counts_until(*device, *log))
    }

    /// Makes or signs a checkpoint, when it is time.
    pub(super) fn checkpoint_in_time(
        &mut self,
        now: Now,
        storage: &dyn Storage,
    ) -> Result<(), StorageError> {
        if self.checkpoints.due_ms.is_none_or(|due| due > now.mono_ms) {
            return Ok(());
        }
        self.checkpoints.due_ms = None;
        let device = self.device();
        let may = self.membership.may_write(device) && self.membership.may_read(device);
        if !may || self.is_blind() || self.membership.is_alone(device) {
            return Ok(());
        }
        if !self.is_settled(storage)? {
            self.checkpoints.making = None;
            self.checkpoints.due_ms = Some(now.mono_ms + PAUSE_MS);
            return Ok(());
        }
        if let Some(making) = self.checkpoints.making.take() {
            return self.go_on_making(now, storage, making);
        }
        if let Some(place) = self.checkpoints.unsigned.take() {
            self.sign_checkpoint(now, storage, place)?;
        }
        self.begin_checkpoint(now, storage)
    }

    /// Returns whether the records are what all entries that are here make them.
    fn is_settled(&self, storage: &dyn Storage) -> Result<bool, StorageError> {
        let logs = || self.replication.logs();
        Ok(self.started
            && self.preview.is_none()
            && self.appends.is_empty()
            && self.holed.is_empty()
            && self.arrears.poll_timeout().is_none()
            && logs().all(|(_, state)| state.staged == state.durable)
            && storage.scan(&[table::SEALED], None, 1)?.is_empty())
    }

    /// Returns how far each log is held and counts, and whose it is.
    fn counting_vector(&self) -> (VersionVector, Vec<DeviceId>) {
        let (mut vector, mut devices) = (VersionVector::default(), Vec::new());
        for (log, state) in self.replication.logs() {
            let counts = self.membership.roster.state().counts_until(state.device, log);
            let seq = state.durable.min(counts);
            let id = if seq == state.durable { state.durable_id } else { EntryId([0; 32]) };
            if seq > 0 {
                vector.tips.insert(log, Tip::new(seq, id));
                devices.push(state.device);
            }
        }
        (vector, devices)
    }

    fn begin_checkpoint(&mut self, now: Now, storage: &dyn Storage) -> Result<(), StorageError> {
        let (vector, devices) = self.counting_vector();
        let total = vector.entries_beyond(&VersionVector::default());
        let from = self.config.checkpoint_from.max(total / 4);
        if total.saturating_sub(self.checkpoints.covered) < from {
            return Ok(());
        }
        let turn_ms = self.checkpoints.quiet_since_ms
            + self.config.checkpoint_quiet_ms * limits::CHECKPOINT_TURNS as u64;
        if !self.is_first_to_make() && now.mono_ms < turn_ms {
            self.checkpoints.due_ms = Some(turn_ms);
            return Ok(());
        }
        let mut records = 0;
        each_page(storage, None, usize::MAX, &mut |rows| {
            records += rows.len();
            Ok(())
        })?;
        self.checkpoints.making = Some(Making::begin(vector, devices, records));
        self.checkpoints.due_ms = Some(now.mono_ms + 1);
        Ok(())
    }

    /// Returns whether it is this device that makes the next checkpoint: of all
    /// readers that are connected it has the lowest id.
    fn is_first_to_make(&self) -> bool {
        let own = self.device();
        let makes = |device: &DeviceId| {
            self.membership.may_write(*device) && self.membership.may_read(*device)
        };
        self.replication.peers_ready().filter(makes).all(|other| own < other)
    }

    fn go_on_making(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        mut making: Making,
    ) -> Result<(), StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(()) };
        match making.step(storage, keyring.account_key())? {
            Step::On => {
                self.checkpoints.making = Some(making);
                self.checkpoints.due_ms = Some(now.mono_ms + 1);
            }
            Step::TooLarge => {
                tracing::warn!("the records are too many for a checkpoint");
                self.checkpoints.covered = making.vector.entries_beyond(&VersionVector::default());
            }
            Step::Made(checkpoint, chunks) => {
                let ids = chunks.iter().map(|(id, _)| *id).collect();
                let body = Body::of(&checkpoint);
                self.write_item(now, storage, (kind::CHECKPOINT, body, ids), chunks);
            }
        }
        Ok(())
    }

    /// Writes an entry that is none of changes.
    fn write_item(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        item: (u8, Body, Vec<ChunkId>),
        chunks: Vec<(ChunkId, Vec<u8>)>,
    ) {
        self.begin_log();
        let hlc = self.journal.tick(now.wall_ms);
        let Some(desk) = self.membership.desk(self.space, &self.config.device) else { return };
        match self.journal.write_items(&desk, &mut self.replication, vec![item], hlc) {
            Ok(entries) => {
                let chunks = chunks.into_iter().filter(|(id, _)| !storage.has_chunk(*id));
                let entries = entries.into_iter();
                let frames = entries.map(|entry| PendingFrame::Entry(Box::new(entry)));
                self.append(chunks.collect(), frames.collect(), Then::Rest);
            }
            Err(error) => tracing::debug!(%error, "no checkpoint is written"),
        }
    }

    /// Signs a checkpoint of another device, if the records here are the same.
    fn sign_checkpoint(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        place: (LogId, u64),
    ) -> Result<(), StorageError> {
        let (log, seq) = place;
        let entry = read_entry(storage, log, seq).and_then(|bytes| Entry::parse(bytes).ok());
        let Some(entry) = entry else { return Ok(()) };
        let Some(checkpoint) = self.opened_item::<Checkpoint>(&entry) else { return Ok(()) };
        match self.stands_at(storage, &checkpoint) {
            Standing::Before => {
                self.checkpoints.unsigned = Some(place);
                return Ok(());
            }
            Standing::Elsewhere => {
                self.checkpoints.covered = checkpoint.entries();
                return Ok(());
            }
            Standing::There => {}
        }
        if !has_roots(storage, &checkpoint)? {
            tracing::warn!(log = %log.short(), seq, "a checkpoint holds something else than this device");
            return Ok(());
        }
        self.checkpoints.covered = checkpoint.entries();
        let signed = Cosignature { checkpoint: entry.id(), root: checkpoint.root };
        let body = Body::of(&signed);
        self.write_item(now, storage, (kind::COSIGNATURE, body, Vec::new()), Vec::new());
        Ok(())
    }

    /// Returns where the changes that are here are as a checkpoint covers them.
    fn stands_at(&self, storage: &dyn Storage, checkpoint: &Checkpoint) -> Standing {
        let (ours, _) = self.counting_vector();
        if !ours.covers(&checkpoint.vector) {
            return Standing::Before;
        }
        for (log, tip) in &ours.tips {
            let from = checkpoint.vector.seq(*log);
            let are_changes = |seq: u64| {
                let entry = read_entry(storage, *log, seq);
                let entry = entry.and_then(|bytes| Entry::parse(bytes).ok());
                entry.is_none_or(|entry| entry.header().kind == kind::CHANGES)
            };
            if tip.seq - from > LATER_MAX || (from + 1..=tip.seq).any(are_changes) {
                return Standing::Elsewhere;
            }
        }
        Standing::There
    }

    /// Shows the newest checkpoints to a device that lacks at least half of all.
    pub(super) fn offer_checkpoints(
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
        let mut shown = newest(&entries, kind::CHECKPOINT, limits::CHECKPOINTS_OFFERED_MAX);
        if shown.is_empty() {
            return Ok(());
        }
        shown.extend(newest(&entries, kind::COSIGNATURE, limits::COSIGNATURES_OFFERED_MAX));
        let blocks = shown.into_iter().map(|entry| entry.bytes().to_vec()).collect();
        self.replication.send(device, Message::Checkpoints(blocks));
        Ok(())
    }

    /// Shows entries behind a checkpoint, as far as they are few.
    pub(super) fn send_tail(
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

/// Where this device stands beside a checkpoint.
enum Standing {
    /// It lacks entries that the checkpoint covers.
    Before,
    /// It holds the same changes.
    There,
    /// It holds more.
    Elsewhere,
}

/// Returns whether the records here have the roots that a checkpoint names.
fn has_roots(storage: &dyn Storage, checkpoint: &Checkpoint) -> Result<bool, StorageError> {
    let mut after = None;
    for pack in &checkpoint.packs {
        let mut records = Vec::new();
        let count = pack.records as usize;
        after = each_page(storage, after, count, &mut |rows| {
            for (key, bytes) in rows {
                let Some(record) = rows::record_of_key(key) else { continue };
                records.push((record, decode_row::<RecordIndex>(bytes)?.heads));
            }
            Ok(())
        })?;
        let told = records.iter().map(|(record, heads)| (*record, heads.as_slice()));
        if records.len() != count || root_of(told) != pack.root {
            return Ok(false);
        }
    }
    Ok(storage.scan(&[table::RECORD], after.as_deref(), 1)?.is_empty())
}

/// What is done with some rows.
type Page<'a> = &'a mut dyn FnMut(&Rows) -> Result<(), StorageError>;

/// Reads the rows of records in pages, at most so many; returns the last key.
fn each_page(
    storage: &dyn Storage,
    mut after: Option<Vec<u8>>,
    mut limit: usize,
    each: Page<'_>,
) -> Result<Option<Vec<u8>>, StorageError> {
    const ROWS: usize = 512;
    while limit > 0 {
        let rows = storage.scan(&[table::RECORD], after.as_deref(), ROWS.min(limit))?;
        let Some((last, _)) = rows.last() else { break };
        limit -= rows.len();
        each(&rows)?;
        after = Some(last.clone());
    }
    Ok(after)
}

/// Returns the newest entries of a kind, as far as their clocks tell.
fn newest(entries: &[Entry], wanted: u8, count: usize) -> Vec<&Entry> {
    let mut some: Vec<&Entry> =
        entries.iter().filter(|entry| entry.header().kind == wanted).collect();
    some.sort_by_key(|entry| std::cmp::Reverse((entry.header().hlc, entry.id())));
    some.truncate(count);
    some
}

/// Returns the entries here that are checkpoints or sign one.
fn checkpoint_entries(storage: &dyn Storage) -> Result<Vec<Entry>, StorageError> {
    let rows = storage.scan(&[table::CHECKPOINT], None, usize::MAX)?;
    let places = rows.iter().filter_map(|(key, _)| rows::entry_of_key(key));
    let entries = places.filter_map(|(log, seq)| Entry::parse(read_entry(storage, log, seq)?).ok());
    Ok(entries.collect())
}
