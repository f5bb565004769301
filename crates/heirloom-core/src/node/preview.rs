//! What a checkpoint shows until its entries are here.
//!
//! A device that lacks much reads the newest checkpoint that it can believe: the
//! roster says that a reader made it and, where the account has more readers,
//! that another one signed it. Its packs pass the gate, and what they hold
//! stands apart from all other rows, in front of which it is read. The entries
//! come at the same time in their order and make the records as always. When
//! all that the checkpoint covers is here, the rows apart go. So a wrong
//! checkpoint can show something wrong for a while, and change nothing.

mod coming;
mod fetched;
mod rows;
mod tail;

use self::rows::{ROWS_PER_BATCH, clear, show_changes, show_packed};
use super::Node;
use crate::apart::{self, Apart, InFront};
use crate::command::Event;
use crate::rows::{self as index, RecordIndex, record_key, table};
use crate::storage::{Batch, Storage, StorageError};
use crate::view::{View, decode_row};
use heirloom_base::{ChunkId, DeviceId, EntryId, LogId, Now, RecordId, limits};
use heirloom_doc::{Packed, RawChange};
use heirloom_schema::{Value, category, key};
use heirloom_sync::entry::kind;
use heirloom_sync::{Checkpoint, Cosignature, Entry, Message, PackRef};
use std::collections::{BTreeMap, BTreeSet};

/// Where the entries stand by which a preview goes on after a restart.
const ENTRIES: u8 = 0;

/// A checkpoint that is shown.
#[derive(Debug)]
pub(crate) struct Preview {
    checkpoint: Checkpoint,
    /// When it was made, in milliseconds since 1970, by its author's clock.
    made_ms: u64,
    /// Packs that are still to be shown.
    open: BTreeSet<usize>,
    /// Chunks that they lack.
    lacks: BTreeSet<ChunkId>,
    /// Whose the logs are of which something is shown.
    devices: BTreeMap<LogId, DeviceId>,
    /// Entries behind it that came before their turn.
    tail: BTreeMap<(LogId, u64), Entry>,
    /// Who was asked for them.
    asked: BTreeSet<DeviceId>,
    /// Whether they have all come.
    has_tail: bool,
    /// Whether something of them is shown.
    shows_tail: bool,
    /// How often a pack that had come could not be read.
    unread: usize,
    /// How far entries must have come for it to go.
    goal: BTreeMap<LogId, u64>,
    due_ms: Option<u64>,
    /// How many of its entries were here when that was last looked at, and since
    /// when nobody who is connected has more of them.
    rest: (u64, u64),
}

/// A checkpoint that can be believed.
struct Believed {
    entry: Entry,
    checkpoint: Checkpoint,
}

impl Preview {
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        let rest_ms = self.rest.1 + limits::PREVIEW_REST_MS as u64;
        Some(self.due_ms.map_or(rest_ms, |due| due.min(rest_ms)))
    }

    /// Returns the chunks that it lacks.
    pub(super) fn lacks(&self) -> &BTreeSet<ChunkId> {
        &self.lacks
    }

    /// Returns the logs of which something is shown.
    pub(super) fn logs(&self) -> impl Iterator<Item = LogId> {
        self.devices.keys().copied()
    }

    /// Returns whose a log is.
    pub(super) fn device_of(&self, log: LogId) -> Option<DeviceId> {
        self.devices.get(&log).copied()
    }
}

impl Node {
    /// Returns whether a checkpoint is shown whose entries are not here yet.
    #[must_use]
    pub fn shows_preview(&self) -> bool {
        self.preview.is_some()
    }

    /// Returns whether more of a checkpoint is about to be shown: what entries
    /// have changed of records comes behind that.
    pub(super) fn is_showing(&self) -> bool {
        self.preview.as_ref().is_some_and(|preview| preview.due_ms.is_some())
    }

    /// Returns the records as they are shown.
    pub(super) fn shown<'a>(&self, storage: &'a dyn Storage) -> InFront<'a> {
        InFront { storage, is_open: self.preview.is_some() }
    }

    /// Goes on with a preview after a restart.
    pub(super) fn load_preview(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let kept = storage.scan(&[table::PREVIEW, ENTRIES], None, usize::MAX)?;
        clear(storage)?;
        let blocks: Vec<Vec<u8>> = kept.into_iter().map(|(_, bytes)| bytes).collect();
        if !blocks.is_empty() {
            self.receive_checkpoints(now, storage, None, blocks)?;
        }
        Ok(())
    }

    /// Takes in checkpoints that a peer shows.
    pub(super) fn receive_checkpoints(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        from: Option<DeviceId>,
        blocks: Vec<Vec<u8>>,
    ) -> Result<(), StorageError> {
        if self.preview.is_none() && !self.is_blind() {
            let entries: Vec<Entry> =
                blocks.iter().filter_map(|bytes| Entry::parse(bytes.clone()).ok()).collect();
            // What was shown before a restart is shown until all of it is here.
            let is_wanted = |checkpoint: &Checkpoint| match from {
                Some(_) => self.is_worth_showing(checkpoint),
                None => !self.has_all_of(checkpoint),
            };
            if let Some(believed) = self.believed(&entries, &is_wanted) {
                let mut batch = Batch::default();
                for (number, bytes) in (0_u8..).zip(blocks) {
                    batch.put(vec![table::PREVIEW, ENTRIES, number], bytes);
                }
                storage.commit(batch)?;
                self.begin_preview(now, storage, believed);
            }
        }
        if let Some(from) = from {
            self.ask_tail(from);
        }
        Ok(())
    }

    /// Asks a peer once for what came behind the checkpoint that is shown.
    pub(super) fn ask_tail(&mut self, from: DeviceId) {
        if let Some(preview) = &mut self.preview
            && !preview.has_tail
            && preview.asked.insert(from)
        {
            let vector = preview.checkpoint.vector.clone();
            self.replication.send(from, Message::AskTail(vector));
        }
    }

    fn has_all_of(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.vector.entries_beyond(&self.replication.vector()) == 0
    }

    fn begin_preview(&mut self, now: Now, storage: &dyn Storage, believed: Believed) {
        let Believed { entry, checkpoint } = believed;
        let chunks = checkpoint.packs.iter().flat_map(|pack| &pack.blob.chunks);
        let lacks: BTreeSet<ChunkId> =
            chunks.map(|chunk| chunk.id).filter(|id| !storage.has_chunk(*id)).collect();
        if !lacks.is_empty() {
            self.replication.give_way(now);
        }
        tracing::info!(entries = checkpoint.entries(), "a checkpoint is shown until all is here");
        let logs = checkpoint.vector.tips.keys().copied();
        self.preview = Some(Preview {
            made_ms: entry.header().hlc.wall_ms(),
            open: (0..checkpoint.packs.len()).collect(),
            lacks,
            devices: logs.zip(checkpoint.devices.iter().copied()).collect(),
            tail: BTreeMap::new(),
            asked: BTreeSet::new(),
            has_tail: false,
            shows_tail: false,
            unread: 0,
            goal: checkpoint.vector.tips.iter().map(|(log, tip)| (*log, tip.seq)).collect(),
            checkpoint,
            due_ms: Some(now.mono_ms),
            rest: (0, now.mono_ms),
        });
    }

    /// Returns the checkpoint with the most entries that can be believed and is
    /// worth showing.
    fn believed(
        &self,
        entries: &[Entry],
        is_wanted: &dyn Fn(&Checkpoint) -> bool,
    ) -> Option<Believed> {
        let mut signers: BTreeMap<(EntryId, [u8; 32]), BTreeSet<DeviceId>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.header().kind == kind::COSIGNATURE) {
            let (Some(author), Some(signed)) =
                (self.reader_of(entry), self.opened_item::<Cosignature>(entry))
            else {
                continue;
            };
            signers.entry((signed.checkpoint, signed.root)).or_default().insert(author);
        }
        let mut best: Option<Believed> = None;
        for entry in entries.iter().filter(|entry| entry.header().kind == kind::CHECKPOINT) {
            let (Some(author), Some(checkpoint)) =
                (self.reader_of(entry), self.opened_item::<Checkpoint>(entry))
            else {
                continue;
            };
            let signed = signers.get(&(entry.id(), checkpoint.root));
            let is_signed = signed.is_some_and(|signed| signed.iter().any(|one| *one != author));
            let is_better =
                best.as_ref().is_none_or(|best| checkpoint.entries() > best.checkpoint.entries());
            if (is_signed || self.has_no_other_reader(author))
                && is_better
                && !checkpoint.vector.is_absurd()
                && self.is_within_cuts(&checkpoint)
                && is_wanted(&checkpoint)
            {
                best = Some(Believed { entry: entry.clone(), checkpoint });
            }
        }
        best
    }

    /// Returns the reader that signed an entry, whatever its log.
    fn reader_of(&self, entry: &Entry) -> Option<DeviceId> {
        let devices = self.membership.roster.state().devices.keys().copied();
        let mut readers = devices.filter(|device| self.membership.may_read(*device));
        readers.find(|device| entry.verify(self.account, *device).is_ok())
    }

    /// Returns whether nobody could have signed what a reader made.
    fn has_no_other_reader(&self, author: DeviceId) -> bool {
        let mut others = self.membership.peers(self.device()).into_iter();
        !others.any(|other| other != author && self.membership.may_read(other))
    }

    /// Returns whether a checkpoint shows much that is not here, and nothing of
    /// this device's own is missing in it.
    fn is_worth_showing(&self, checkpoint: &Checkpoint) -> bool {
        let lacks = checkpoint.vector.entries_beyond(&self.replication.vector());
        let covers = |log: &LogId| {
            let written = self.replication.log(*log).map_or(0, |state| state.durable);
            written <= checkpoint.vector.seq(*log)
        };
        lacks > 0
            && lacks.saturating_mul(2) >= checkpoint.entries()
            && self.own_logs.iter().all(covers)
    }

    /// Takes in entries that a peer shows before their turn.
    pub(super) fn receive_tail(
        &mut self,
        now: Now,
        from: DeviceId,
        last: bool,
        blocks: Vec<Vec<u8>>,
    ) {
        let (account, state) = (self.account, self.membership.roster.state());
        let Some(preview) = &mut self.preview else { return };
        if preview.has_tail || !preview.asked.contains(&from) {
            return;
        }
        let mut taken: usize = preview.tail.values().map(|entry| entry.bytes().len()).sum();
        for bytes in blocks {
            taken += bytes.len();
            if taken > limits::TAIL_BYTES_MAX {
                break;
            }
            let Ok(entry) = Entry::parse(bytes) else { continue };
            let header = entry.header();
            let known = header.origin.map(|origin| origin.device).or(preview.device_of(header.log));
            let counts = |device: &DeviceId| {
                header.seq <= state.counts_until(*device, header.log)
                    && entry.verify(account, *device).is_ok()
            };
            let Some(device) = known.filter(counts) else { continue };
            preview.devices.insert(header.log, device);
            let is_new = header.seq > preview.checkpoint.vector.seq(header.log);
            if is_new && header.kind == kind::CHANGES {
                preview.tail.insert((header.log, header.seq), entry);
            }
        }
        preview.has_tail = last;
        preview.due_ms = Some(now.mono_ms);
    }

    /// Notes that a peer is gone: should it come back, it is asked again.
    pub(super) fn preview_without(&mut self, device: DeviceId) {
        if let Some(preview) = &mut self.preview {
            preview.asked.remove(&device);
        }
    }

    /// Shows more of a checkpoint, or ends it, when it is time.
    pub(super) fn preview_in_time(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let is_left = self.is_left(now);
        let Some(preview) = &mut self.preview else { return Ok(()) };
        let has_come = |(log, seq): (&LogId, &u64)| {
            let state = self.replication.log(*log);
            // Of a log with two ends it may be that no more comes.
            state.is_some_and(|state| state.durable >= *seq || self.replication.is_divided(*log))
        };
        let is_over = preview.goal.iter().all(has_come) && self.arrears.poll_timeout().is_none();
        let is_over = is_over || is_left;
        let is_due = preview.due_ms.is_some_and(|due| due <= now.mono_ms);
        if !is_over && !is_due {
            return Ok(());
        }
        preview.due_ms = None;
        let checkpoint = preview.checkpoint.clone();
        if is_over || !self.is_within_cuts(&checkpoint) {
            return self.end_preview(now, storage);
        }
        let Some(preview) = &mut self.preview else { return Ok(()) };
        let is_here = |pack: &PackRef| {
            pack.blob.chunks.iter().all(|chunk| !preview.lacks.contains(&chunk.id))
        };
        let next = preview.open.iter().copied();
        let next = next.filter_map(|number| Some((number, checkpoint.packs.get(number)?)));
        let next = next.into_iter().find(|(_, pack)| is_here(pack));
        if let Some((number, pack)) = next {
            preview.open.remove(&number);
            preview.due_ms = Some(now.mono_ms + 1);
            return self.show_next(now, storage, number, pack);
        }
        if preview.open.is_empty() && preview.has_tail && !preview.tail.is_empty() {
            let tail = std::mem::take(&mut preview.tail);
            preview.shows_tail = true;
            for (log, seq) in tail.keys() {
                preview.goal.insert(*log, *seq);
            }
            self.show_entries(storage, tail.values())?;
        }
        Ok(())
    }

    /// Shows a pack, or has it fetched again where the disk has lost it.
    fn show_next(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        number: usize,
        pack: &PackRef,
    ) -> Result<(), StorageError> {
        let chunks = pack.blob.chunks.iter().map(|chunk| chunk.id);
        let lost: Vec<ChunkId> = chunks.filter(|id| storage.chunk(*id).is_err()).collect();
        let Some(preview) = &mut self.preview else { return Ok(()) };
        if !lost.is_empty() && preview.unread < limits::PACKS_UNREAD_MAX {
            preview.unread += 1;
            preview.open.insert(number);
            preview.lacks.extend(lost);
            return Ok(());
        }
        if self.show_pack(storage, pack)? {
            return Ok(());
        }
        tracing::warn!("a checkpoint holds something else than it says");
        self.end_preview(now, storage)
    }

    fn end_preview(&mut self, now: Now, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.preview = None;
        self.replication.end_way(now);
        clear(storage)
    }

    /// Shows a pack; returns whether it holds what it says.
    fn show_pack(
        &mut self,
        storage: &mut dyn Storage,
        pack: &PackRef,
    ) -> Result<bool, StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(true) };
        let account_key = *keyring.account_key();
        let bytes = heirloom_blob::open(&account_key, &pack.blob, |id| storage.chunk(id).ok());
        let unpacked = bytes.ok().and_then(|bytes| heirloom_doc::unpack(&bytes).ok());
        let Some((root, records)) = unpacked else { return Ok(false) };
        if records.len() != pack.records as usize || root != pack.root {
            return Ok(false);
        }
        let mut changed: BTreeMap<i64, Vec<RecordId>> = BTreeMap::new();
        for some in records.chunks(ROWS_PER_BATCH) {
            let mut shown = Vec::with_capacity(some.len());
            for one in some {
                if !self.is_changed_here(storage, one)? {
                    shown.push(one);
                }
            }
            let mut apart = Apart(storage);
            let mut view = View::new(&mut apart);
            for one in shown {
                if let Some(category) = show_packed(&mut view, &account_key, one)? {
                    changed.entry(category).or_default().push(one.record);
                }
            }
            view.commit(None)?;
        }
        self.tell_shown(changed);
        Ok(true)
    }

    /// Shows what entries change of records that a checkpoint shows, or begin.
    fn show_entries<'e>(
        &mut self,
        storage: &mut dyn Storage,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Result<(), StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(()) };
        let account_key = *keyring.account_key();
        let mut by_record: BTreeMap<RecordId, Vec<(LogId, u64, RawChange)>> = BTreeMap::new();
        for entry in entries {
            let (log, wall_ms) = (entry.header().log, entry.header().hlc.wall_ms());
            let key = keyring.epoch_key(&entry.header().epoch);
            let Some(body) = key.and_then(|key| entry.open(key).ok()) else { continue };
            for part in body.parts {
                let change = (log, wall_ms, RawChange(part.change));
                by_record.entry(part.record).or_default().push(change);
            }
        }
        let mut changed: BTreeMap<i64, Vec<RecordId>> = BTreeMap::new();
        let mut apart = Apart(storage);
        let mut view = View::new(&mut apart);
        for (record, changes) in by_record {
            if let Some(category) = show_changes(&mut view, &account_key, record, &changes)? {
                changed.entry(category).or_default().push(record);
            }
        }
        view.commit(None)?;
        self.tell_shown(changed);
        Ok(())
    }

    /// Returns whether this device itself has changed a record.
    fn is_changed_here(&self, storage: &dyn Storage, one: &Packed) -> Result<bool, StorageError> {
        let number = one.content.as_ref().and_then(|content| content.get(key::CATEGORY));
        let Some(Value::Int(number)) = number else { return Ok(false) };
        let row = storage.get(&record_key(*number, one.record))?;
        let row = row.map(|bytes| decode_row::<RecordIndex>(&bytes)).transpose()?;
        Ok(row.is_some_and(|row| row.entries.keys().any(|log| self.own_logs.contains(log))))
    }

    /// Lets records that this device itself has changed be shown as they are.
    pub(super) fn uncover(
        &self,
        storage: &mut dyn Storage,
        records: &BTreeMap<i64, Vec<RecordId>>,
    ) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        for (category, record) in records
            .iter()
            .flat_map(|(category, records)| records.iter().map(|record| (*category, *record)))
        {
            batch.remove(apart::key(&record_key(category, record)));
            batch.remove(apart::key(&index::key(table::DOCUMENT, &[&record.0])));
        }
        storage.commit(batch)
    }

    fn tell_shown(&mut self, changed: BTreeMap<i64, Vec<RecordId>>) {
        for (number, records) in changed {
            let Some(spec) = category::by_number(number) else { continue };
            self.event(Event::RecordsChanged {
                category: spec.id.to_owned(),
                ids: records.iter().map(ToString::to_string).collect(),
                by: None,
                by_name: String::new(),
                at: None,
            });
        }
    }
}
