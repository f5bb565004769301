//! Checkpoints: what all records are at one moment, made when nothing changes,
//! signed by other readers that hold the same, and shown to a device that lacks
//! much. Its entries stay what counts; see [`super::preview`].

mod making;
mod offering;

use super::settle::entry_at;
use super::{Node, PendingFrame, Then};
use crate::rows::table;
use crate::storage::{Storage, StorageError};
use heirloom_base::{ChunkId, Decode, DeviceId, EntryId, LogId, Now, limits};
use heirloom_sync::entry::kind;
use heirloom_sync::{Body, Checkpoint, Cosignature, Entry, Tip, VersionVector};
use making::{Making, Step};
use offering::checkpoint_entries;
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
    /// The chunks of its packs.
    packs: BTreeSet<ChunkId>,
    /// One of another device that is to be compared and signed.
    unsigned: Option<Unsigned>,
    /// Whether the roster has changed since it was looked which one is the newest.
    is_stale: bool,
    making: Option<Making>,
    /// Chunks of packs that are not here. No entry waits for them.
    lacks: BTreeSet<ChunkId>,
    quiet_since_ms: u64,
    due_ms: Option<u64>,
}

/// A checkpoint that this device has not compared.
#[derive(Debug, Clone, Copy)]
struct Unsigned {
    /// Where its entry stands.
    place: (LogId, u64),
    /// How many entries it covers.
    entries: u64,
    /// Whether they were all here when it was found: anybody can claim more.
    was_covered: bool,
}

impl Unsigned {
    /// Returns whether this one is to be compared rather than another.
    fn is_before(&self, other: &Self) -> bool {
        match (self.was_covered, other.was_covered) {
            (true, true) => self.entries > other.entries,
            (true, false) | (false, false) => true,
            (false, true) => false,
        }
    }
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

    /// Notes the newest checkpoint that this device made or compared.
    fn cover(&mut self, checkpoint: &Checkpoint) {
        if checkpoint.entries() < self.covered {
            return;
        }
        let chunks = checkpoint.packs.iter().flat_map(|pack| &pack.blob.chunks);
        self.packs = chunks.map(|chunk| chunk.id).collect();
        self.covered = checkpoint.entries();
    }

    /// Returns whether packs of the newest one are not here, and so perhaps nowhere.
    fn lacks_newest(&self) -> bool {
        !self.packs.is_disjoint(&self.lacks)
    }

    /// Notes that the roster has changed: which one is the newest may be another.
    pub(super) fn reconsider(&mut self, now: Now, quiet_ms: u64) {
        self.is_stale = true;
        self.disturbed(now, quiet_ms);
    }

    /// Notes that there is something to compare, for when it is quiet.
    fn hurry(&mut self, now: Now) {
        if self.due_ms.is_none_or(|due| due > now.mono_ms + PAUSE_MS) && self.making.is_none() {
            self.due_ms = Some(now.mono_ms + PAUSE_MS);
        }
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
        self.find_checkpoints(storage)?;
        self.checkpoints.disturbed(now, self.config.checkpoint_quiet_ms);
        Ok(())
    }

    /// Finds the newest checkpoint that counts by the roster, and its packs.
    fn find_checkpoints(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        let mut signed = BTreeSet::new();
        let entries = checkpoint_entries(storage)?;
        for entry in entries.iter().filter(|entry| entry.header().kind == kind::COSIGNATURE) {
            if self.device_of(entry.header().log) == Some(self.device()) {
                signed.extend(self.opened_item::<Cosignature>(entry).map(|one| one.checkpoint));
            }
        }
        (self.checkpoints.covered, self.checkpoints.unsigned) = (0, None);
        self.checkpoints.packs.clear();
        for entry in &entries {
            self.found_checkpoint(entry, &signed);
        }
        self.checkpoints.is_stale = false;
        self.look_for_packs(storage, &entries);
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
        let is_own = author == self.device();
        let (entries, covered) = (checkpoint.entries(), self.checkpoints.covered);
        let is_news = entries > covered || is_own && entries == covered;
        if !is_news || checkpoint.vector.is_absurd() || !self.is_within_cuts(&checkpoint) {
            return;
        }
        // What another one says counts once this device has compared it.
        if is_own || signed.contains(&entry.id()) {
            return self.checkpoints.cover(&checkpoint);
        }
        let was_covered = self.replication.vector().covers(&checkpoint.vector);
        let found = Unsigned { place: (header.log, header.seq), entries, was_covered };
        if self.checkpoints.unsigned.is_none_or(|other| found.is_before(&other)) {
            self.checkpoints.unsigned = Some(found);
        }
    }

    /// Follows what entries mean for checkpoints.
    pub(super) fn mind_checkpoints<'e>(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Result<(), StorageError> {
        let (mut is_disturbed, mut has_come) = (false, false);
        for entry in entries {
            is_disturbed |= entry.header().kind == kind::CHANGES;
            if entry.header().kind == kind::CHECKPOINT {
                has_come = true;
                self.found_checkpoint(entry, &BTreeSet::new());
                self.checkpoints.hurry(now);
            }
        }
        if has_come {
            self.look_for_packs(storage, &checkpoint_entries(storage)?);
        }
        if is_disturbed && self.config.networked {
            self.checkpoints.disturbed(now, self.config.checkpoint_quiet_ms);
        }
        Ok(())
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
        if self.checkpoints.is_stale {
            self.find_checkpoints(storage)?;
        }
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
        if let Some(found) = self.checkpoints.unsigned.take()
            && found.entries > self.checkpoints.covered
            && self.begin_comparing(now, storage, found)
        {
            return Ok(());
        }
        self.begin_checkpoint(now, storage)
    }

    /// Returns whether the records are what all entries that are here make them.
    fn is_settled(&self, storage: &dyn Storage) -> Result<bool, StorageError> {
        let logs = || self.replication.logs();
        Ok(self.started
            && !self.is_giving_up()
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
        let is_enough = |covered: u64| total.saturating_sub(covered) >= from;
        let has_more = is_enough(self.checkpoints.covered);
        // Packs that nobody gives for long show nobody anything.
        let is_nowhere = self.checkpoints.lacks_newest() && is_enough(0);
        if !(has_more || is_nowhere) {
            return Ok(());
        }
        let turns = match (has_more, self.is_first_to_make()) {
            (true, true) => 1,
            (true, false) | (false, true) => limits::CHECKPOINT_TURNS as u64,
            (false, false) => 2 * limits::CHECKPOINT_TURNS as u64,
        };
        let turn_ms = self.checkpoints.quiet_since_ms + self.config.checkpoint_quiet_ms * turns;
        if now.mono_ms < turn_ms {
            self.checkpoints.due_ms = Some(turn_ms);
            return Ok(());
        }
        let checkpoint = Checkpoint { vector, devices, root: [0; 32], packs: Vec::new() };
        let making = Making::make(checkpoint, count_records(storage)?);
        self.checkpoints.making = Some(making);
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
        making: Making,
    ) -> Result<(), StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(()) };
        self.checkpoints.due_ms = Some(now.mono_ms + 1);
        match making.step(storage, keyring.account_key())? {
            Step::On(making) => self.checkpoints.making = Some(making),
            Step::TooLarge(checkpoint) => {
                tracing::warn!("the records are too many for a checkpoint");
                self.checkpoints.cover(&checkpoint);
            }
            Step::Made(checkpoint, chunks) => {
                let ids = chunks.iter().map(|(id, _)| *id).collect();
                let body = Body::of(&checkpoint);
                self.write_item(now, storage, (kind::CHECKPOINT, body, ids), chunks);
            }
            Step::Compared(checkpoint, (log, seq), true) => {
                self.checkpoints.cover(&checkpoint);
                if let Some(entry) = entry_at(storage, log, seq) {
                    let signed = Cosignature { checkpoint: entry.id(), root: checkpoint.root };
                    let body = Body::of(&signed);
                    self.write_item(
                        now,
                        storage,
                        (kind::COSIGNATURE, body, Vec::new()),
                        Vec::new(),
                    );
                }
            }
            Step::Compared(_, (log, seq), false) => {
                tracing::warn!(log = %log.short(), seq, "a checkpoint holds something else than this device");
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

    /// Begins to compare a checkpoint of another device with the records here;
    /// returns whether there is something to compare.
    fn begin_comparing(&mut self, now: Now, storage: &dyn Storage, found: Unsigned) -> bool {
        let place = found.place;
        let entry = entry_at(storage, place.0, place.1);
        let checkpoint = entry.and_then(|entry| self.opened_item::<Checkpoint>(&entry));
        let Some(checkpoint) = checkpoint else { return false };
        match self.stands_at(storage, &checkpoint) {
            Standing::Before => {
                self.checkpoints.unsigned = Some(found);
                return false;
            }
            Standing::Elsewhere => {
                self.checkpoints.cover(&checkpoint);
                return false;
            }
            Standing::There => {}
        }
        self.checkpoints.making = Some(Making::compare(checkpoint, place));
        self.checkpoints.due_ms = Some(now.mono_ms + 1);
        true
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
                entry_at(storage, *log, seq)
                    .is_none_or(|entry| entry.header().kind == kind::CHANGES)
            };
            if tip.seq - from > LATER_MAX || (from + 1..=tip.seq).any(are_changes) {
                return Standing::Elsewhere;
            }
        }
        Standing::There
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

/// Returns the number of records, those in the trash among them.
fn count_records(storage: &dyn Storage) -> Result<usize, StorageError> {
    const ROWS: usize = 512;
    let (mut count, mut after) = (0, None::<Vec<u8>>);
    loop {
        let rows = storage.scan(&[table::RECORD], after.as_deref(), ROWS)?;
        count += rows.len();
        let Some((last, _)) = rows.last() else { return Ok(count) };
        after = Some(last.clone());
    }
}
