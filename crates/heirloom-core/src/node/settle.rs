//! What is durable takes effect: the same path for a fresh write, a received
//! entry and a replayed log.

use super::arrears::haste_of;
use super::entries::goes_on;
use super::open::all_rows;
use super::{Node, Owed, PendingAppend, PendingFrame, Then};
use crate::collection::later::Haste;
use crate::collection::verdicts::Court;
use crate::collection::{self, Applied, Collection, Library, Opened};
use crate::command::{Event, Level, Wait};
use crate::failure;
use crate::input::{AppendError, CommandId, Effect};
use crate::local::{FRAME_LOCAL, LocalState};
use crate::rows::{self, table};
use crate::storage::{Frame, Lsn, Storage, StorageError};
use crate::view::View;
use crate::waits::{CopyWait, with_reached};
use heirloom_base::{ChunkId, Decode, DeviceId, LogId, Now, RecordId, time};
use heirloom_doc::{Document, Saved};
use heirloom_identity::Keyring;
use heirloom_schema::category;
use heirloom_sync::Entry;
use std::collections::BTreeSet;

/// Kind of the frames that carry entries.
pub(crate) const FRAME_ENTRY: u8 = 1;
/// Pause before a start is recorded again that the disk refused.
const START_PAUSE_MS: u64 = 5_000;
/// Kind of the frames that carry roster operations.
pub(crate) const FRAME_ROSTER: u8 = 2;

impl Node {
    /// Takes in a frame of the log that the index does not know yet.
    ///
    /// A frame that cannot be read any more is passed over: what it held is
    /// asked of the other devices again.
    ///
    /// # Errors
    /// When the index failed.
    pub fn replay(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        lsn: Lsn,
        frame: Frame,
    ) -> Result<(), StorageError> {
        let frame = match frame.kind {
            FRAME_ENTRY => Entry::parse(frame.payload)
                .ok()
                .filter(|entry| entry.header().space == self.space)
                .map(|entry| PendingFrame::Entry(Box::new(entry))),
            FRAME_ROSTER => {
                let known = self.membership.roster.restore(&frame.payload).is_ok();
                self.membership_changed(now);
                known.then_some(PendingFrame::RosterOp(frame.payload))
            }
            FRAME_LOCAL => {
                let state = LocalState::from_bytes(&frame.payload).ok();
                if matches!(state, Some(LocalState::Incarnation(_))) {
                    self.forget_unborn();
                }
                let foreign = |state: &LocalState| matches!(state, LocalState::Account(account) if *account != self.account);
                state.filter(|state| !foreign(state)).map(PendingFrame::Local)
            }
            _ => None,
        };
        match frame {
            Some(PendingFrame::Entry(entry)) => {
                let run = [(Some(lsn), entry)];
                let haste = haste_of(&run);
                self.settle_run(now, storage, &run, haste).map(|_| ())
            }
            Some(frame) => self.settle_frame(now, storage, lsn, frame).map(|_| ()),
            None => View::new(storage).commit(Some(lsn)),
        }
    }

    pub(super) fn settle(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        append: PendingAppend,
        lsns: &[Lsn],
    ) -> Result<(), StorageError> {
        assert_eq!(append.frames.len(), lsns.len(), "every frame has its position");
        let mut last_own = None;
        let mut whole = true;
        let mut frames = append.frames.into_iter().zip(lsns.iter().copied()).peekable();
        while let Some((frame, lsn)) = frames.next() {
            let PendingFrame::Entry(entry) = frame else {
                whole &= self.settle_frame(now, storage, lsn, frame)?;
                continue;
            };
            let mut run = vec![(Some(lsn), entry)];
            while let Some((PendingFrame::Entry(entry), lsn)) =
                frames.next_if(|(frame, _)| goes_on(&run, frame))
            {
                run.push((Some(lsn), entry));
            }
            let haste = self.haste(now, &run);
            whole &= self.settle_run(now, storage, &run, haste)?;
            last_own = run.last().and_then(|(_, entry)| self.own_entry(entry)).or(last_own);
        }
        if let Some((log, seq)) = last_own {
            self.collection.arrived(log, seq);
        }
        self.then(now, append.then, last_own, whole);
        Ok(())
    }

    fn own_entry(&self, entry: &Entry) -> Option<(LogId, u64)> {
        let header = entry.header();
        (self.device_of(header.log) == Some(self.device())).then_some((header.log, header.seq))
    }

    /// Takes in one frame; returns whether it counts.
    fn settle_frame(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        lsn: Lsn,
        frame: PendingFrame,
    ) -> Result<bool, StorageError> {
        match frame {
            PendingFrame::Entry(entry) => {
                self.settle_run(now, storage, &[(Some(lsn), entry)], Haste::Now)
            }
            PendingFrame::RosterOp(bytes) => {
                let mut view = View::new(storage);
                view.put_bytes(rows::key(table::ROSTER, &[&lsn.0.to_be_bytes()]), bytes);
                view.commit(Some(lsn))?;
                self.follow_roster(storage)?;
                self.retry_sealed(now, storage)?;
                Ok(true)
            }
            PendingFrame::Local(state) => {
                // What was not finished when the power went is done again.
                if let LocalState::GivenUp { log, from, .. } = state {
                    self.give_up(now, storage, (log, from))?;
                }
                let mut view = View::new(storage);
                view.put(rows::key(table::LOCAL, &[&state.name()]), &state);
                view.commit(Some(lsn))?;
                self.take_local(now, state);
                Ok(true)
            }
        }
    }

    /// Follows the roster in what it says about the entries that are here, and
    /// makes the records again that this changes. What was not finished when
    /// the device stopped is finished at the next start.
    pub(super) fn follow_roster(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.catch_up(storage)?;
        let Some(keyring) = &self.membership.keyring else { return self.heed_words(storage) };
        let library = Shelves { keyring, collection: &self.collection };
        let court = Court { library: &library, verdicts: &self.membership.roster };
        for (log, _) in self.replication.logs() {
            let mut more = true;
            while more {
                let mut view = View::new(storage);
                more = court.follow(&mut view, log)?;
                view.commit(None)?;
            }
        }
        let mut changed = Applied::default();
        for (key, _) in all_rows(storage, &[table::STALE])? {
            let Some(record) = key.get(1..).and_then(<[u8]>::first_chunk::<16>) else { continue };
            let mut view = View::new(storage);
            court.rebuild(&mut view, RecordId(*record), &mut changed)?;
            view.commit(None)?;
        }
        self.membership.followed = self.membership.roster.heads();
        self.heed_words(storage)?;
        self.heed(&changed);
        self.announce_changed(&changed, None);
        Ok(())
    }

    /// Tries again the entries whose key was not here.
    pub(super) fn retry_sealed(
        &mut self,
        _now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        self.catch_up(storage)?;
        let mut closed: BTreeSet<LogId> = BTreeSet::new();
        for (key, _) in all_rows(storage, &[table::SEALED])? {
            let Some((log, seq)) = rows::entry_of_key(&key) else { continue };
            let Some(keyring) = self.membership.keyring.as_ref() else { return Ok(()) };
            if closed.contains(&log) {
                continue;
            }
            let entry = entry_at(storage, log, seq);
            let opens = |entry: &Entry| keyring.epoch_key(&entry.header().epoch).is_some();
            let Some(entry) = entry.filter(opens) else {
                closed.insert(log);
                continue;
            };
            let mut view = View::new(storage);
            view.remove(key);
            let applied = self.apply_entries(&mut view, std::iter::once(&entry), Haste::Now)?;
            view.commit(None)?;
            self.heed(&applied);
            self.announce(storage, applied, &entry)?;
        }
        Ok(())
    }

    /// Begins another log where a change of this device's own waits for one that
    /// was lost: what is written next would not build on it, and two changes of
    /// one author may not have one number.
    pub(super) fn heed(&mut self, applied: &Applied) {
        if self.journal.log().is_some_and(|log| applied.stuck.contains(&log)) {
            self.begin_incarnation();
        }
    }

    /// Tells what an entry changed.
    pub(super) fn announce(
        &mut self,
        storage: &dyn Storage,
        applied: Applied,
        entry: &Entry,
    ) -> Result<(), StorageError> {
        let header = entry.header();
        let at = time::rfc3339(header.hlc.wall_ms());
        self.announce_changed(&applied, Some((self.device_of(header.log), at)));
        self.announce_aside(storage, applied.aside)
    }

    /// Tells what was applied of several entries.
    pub(super) fn tell(
        &mut self,
        storage: &dyn Storage,
        applied: Applied,
    ) -> Result<(), StorageError> {
        self.announce_changed(&applied, None);
        self.announce_aside(storage, applied.aside)
    }

    fn announce_changed(&mut self, applied: &Applied, source: Option<(Option<DeviceId>, String)>) {
        let (by, at) = source.unzip();
        let by_name = by.flatten().map(|device| self.name_of(device)).unwrap_or_default();
        let by = by.flatten().map(|device| device.to_string());
        for (number, records) in &applied.changed {
            let Some(spec) = category::by_number(*number) else { continue };
            let (category, ids) = (spec.id.to_owned(), records.iter().map(ToString::to_string));
            let (ids, by, at) = (ids.collect(), by.clone(), at.clone());
            let by_name = by_name.clone();
            self.event(Event::RecordsChanged { category, ids, by, by_name, at });
        }
    }

    fn then(&mut self, now: Now, then: Then, last_own: Option<(LogId, u64)>, whole: bool) {
        match then {
            Then::Rest => {}
            Then::Answer(all) => {
                for Owed { id, answer, wait } in all {
                    match last_own {
                        _ if !whole => self.reply(id, Err(failure::interrupted())),
                        Some(end) if wait.level != Level::Local => {
                            self.answer_later(now, id, end, *answer, wait);
                        }
                        _ => self.reply(id, Ok(with_reached(*answer, true))),
                    }
                }
            }
            Then::Grant(id) => self.send_grant(id),
            Then::Acknowledge(id) => self.acknowledge(id),
            Then::WrittenAgain(records) => self.written_again(records),
            Then::Started => {
                self.started = true;
                // What came before is handled by the turn that follows.
            }
        }
    }

    /// Answers a write when enough devices hold it, or when its time is over.
    pub(super) fn answer_later(
        &mut self,
        now: Now,
        id: CommandId,
        (log, seq): (LogId, u64),
        answer: crate::command::Answer,
        wait: Wait,
    ) {
        if !self.config.networked {
            return self.reply(id, Ok(with_reached(answer, false)));
        }
        let deadline_ms = now.mono_ms + wait.timeout_ms;
        let level = wait.level;
        self.waits.wait_for_copies(id, CopyWait { log, seq, level, deadline_ms, answer });
        self.replication.hurry();
        self.replication.ask_receipts();
        self.dialer.hurry(now);
    }

    pub(super) fn append_failed(&mut self, now: Now, append: PendingAppend, error: &AppendError) {
        tracing::error!(%error, "the log refused a write");
        if let AppendError::Failed(reason) = error {
            self.refused = Some(reason.clone());
        }
        self.replication.refused(now);
        self.collection.abandon();
        self.prelude.extend(append.frames.into_iter().filter(|frame| match frame {
            PendingFrame::Local(LocalState::GivenUp { .. }) | PendingFrame::Entry(_) => false,
            PendingFrame::Local(_) | PendingFrame::RosterOp(_) => true,
        }));
        match append.then {
            Then::Answer(all) => {
                self.reply_all(all.into_iter().map(|owed| owed.id), &failure::append(error));
            }
            Then::Grant(id) | Then::Acknowledge(id) => self.membership.close(id),
            Then::Started => self.start_again_ms = Some(now.mono_ms + START_PAUSE_MS),
            Then::WrittenAgain(_) => self.giving_up_failed(),
            Then::Rest => {}
        }
        self.event(crate::command::Event::Warning {
            code: "disk".into(),
            text: format!("The log refused a write: {error}."),
            aside: None,
        });
    }

    pub(super) fn fetched(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: crate::input::EffectId,
        chunks: &[ChunkId],
    ) -> Result<(), StorageError> {
        self.fetches.ended(id);
        if chunks.is_empty() {
            return Ok(());
        }
        self.preview_fetched(now, chunks);
        self.checkpoints.fetched(chunks);
        let before = self.incomplete();
        for chunk in chunks {
            self.replication.chunk_arrived(now, *chunk);
        }
        let after = self.incomplete();
        let mut view = View::new(storage);
        for (log, seq) in before.difference(&after) {
            self.show_again(&mut view, *log, *seq)?;
        }
        view.commit(None)
    }

    /// Returns the entries that lack a chunk.
    fn incomplete(&self) -> BTreeSet<(LogId, u64)> {
        let of_log = |(log, state): (LogId, &heirloom_sync::LogState)| {
            state.incomplete.keys().map(|seq| (log, *seq)).collect::<Vec<_>>()
        };
        self.replication.logs().flat_map(of_log).collect()
    }

    /// Shows the records of an entry whose chunks have all arrived.
    fn show_again(&self, view: &mut View<'_>, log: LogId, seq: u64) -> Result<(), StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(()) };
        for record in touched_records(view.storage(), keyring, log, seq) {
            collection::refresh(view, keyring.account_key(), record)?;
        }
        Ok(())
    }

    /// Keeps a receipt over a restart.
    pub(super) fn keep_receipt(
        storage: &mut dyn Storage,
        device: heirloom_base::DeviceId,
        bytes: Vec<u8>,
    ) -> Result<(), StorageError> {
        let mut view = View::new(storage);
        view.put_bytes(rows::key(table::RECEIPT, &[&device.0]), bytes);
        view.commit(None)
    }

    /// Answers every write that has its copies, or whose time is over.
    pub(super) fn answer_waits(&mut self, now: Now) {
        let replication = &self.replication;
        let state = self.membership.roster.state();
        let holders = |log, seq| {
            replication
                .holders(log, seq)
                .into_iter()
                .filter(|device| state.is_member(*device))
                .collect()
        };
        let is_keeper = |device| self.membership.is_keeper(device);
        let done = self.waits.copies_done(now, &holders, &is_keeper);
        for (id, answer) in done {
            self.effect(Effect::Reply { id, result: Box::new(Ok(answer)) });
        }
    }
}

/// The entries that this device can open and the documents that it has loaded.
pub(super) struct Shelves<'a> {
    pub(super) keyring: &'a Keyring,
    pub(super) collection: &'a Collection,
}

impl Library for Shelves<'_> {
    fn account_key(&self) -> &[u8; 32] {
        self.keyring.account_key()
    }

    fn load(&self, record: RecordId, saved: &[u8]) -> Result<Document, StorageError> {
        self.collection.documents().load(record, saved)
    }

    fn keep(&self, record: RecordId, saved: &[u8], document: &Document) {
        self.collection.documents().keep(record, saved, document);
    }

    fn written(&self, record: RecordId) -> Option<Saved> {
        self.collection.written(record)
    }

    fn is_lost(&self, view: &View<'_>, log: LogId, seq: u64) -> Result<bool, StorageError> {
        Ok(view.get(&rows::entry_key(table::ENTRY, log, seq))?.is_none())
    }

    fn open(&self, view: &View<'_>, log: LogId, seq: u64) -> Result<Opened, StorageError> {
        let lost = || StorageError::Index("an entry that waits is not in the log".to_owned());
        let lsn = view.get(&rows::entry_key(table::ENTRY, log, seq))?.ok_or_else(lost)?;
        let lsn = Lsn(u64::from_be_bytes(lsn.try_into().map_err(|_| lost())?));
        let frame = view.storage().frame(lsn).map_err(|_| lost())?;
        let entry = Entry::parse(frame.payload).map_err(|_| lost())?;
        let key = self.keyring.epoch_key(&entry.header().epoch).ok_or_else(lost)?;
        let body = entry.open(key).map_err(|_| lost())?;
        let heads = entry.header().roster_heads.clone();
        Ok(Opened { wall_ms: entry.header().hlc.wall_ms(), heads, parts: body.parts })
    }
}

/// Returns the records of which an entry holds something, as far as it opens.
fn touched_records(
    storage: &dyn Storage,
    keyring: &Keyring,
    log: LogId,
    seq: u64,
) -> BTreeSet<RecordId> {
    let entry = entry_at(storage, log, seq);
    let body = entry.and_then(|entry| {
        let key = keyring.epoch_key(&entry.header().epoch)?;
        entry.open(key).ok()
    });
    body.unwrap_or_default().parts.into_iter().map(|part| part.record).collect()
}

/// Reads a durable entry.
pub(super) fn entry_at(storage: &dyn Storage, log: LogId, seq: u64) -> Option<Entry> {
    read_entry(storage, log, seq).and_then(|bytes| Entry::parse(bytes).ok())
}

/// Reads a durable entry's bytes.
pub(super) fn read_entry(storage: &dyn Storage, log: LogId, seq: u64) -> Option<Vec<u8>> {
    let bytes = storage.get(&rows::entry_key(table::ENTRY, log, seq)).ok()??;
    let lsn = Lsn(u64::from_be_bytes(bytes.try_into().ok()?));
    let frame = storage.frame(lsn).ok()?;
    (frame.kind == FRAME_ENTRY).then_some(frame.payload)
}
