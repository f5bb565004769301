//! What the disk has lost and nobody else holds is written again.
//!
//! The index outlives the frames that it was made from, so a record is still
//! shown with what was lost. But nobody can send it: not the entry that is gone,
//! nor what stands behind it in its log, nor what builds on either. So these
//! entries are given up, on this device and for good: the records that they
//! touched are made again from what others can have, and what was shown and is
//! missing then is written under the log that is written now.
//!
//! What the receipts say that others hold is not given up: it comes back.

use super::settle::Shelves;
use super::{Node, PendingFrame, Refusal, Then};
use crate::collection::Applied;
use crate::collection::verdicts::{Court, touched};
use crate::command::Event;
use crate::input::Effect;
use crate::local::LocalState;
use crate::node::records::Manner;
use crate::node::writing::Writing;
use crate::rows::{self, LogRow, table};
use crate::storage::{Storage, StorageError};
use crate::view::View;
use crate::{births, past};
use heirloom_base::{DeviceId, Incarnation, LogId, Now, RecordId, hash};
use heirloom_doc::Document;
use heirloom_schema::{Content, Value, key};
use heirloom_sync::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What is given up of each log.
pub(super) type GivenUp = BTreeMap<LogId, Tail>;

/// The end of a log that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// Its first entry.
    pub(super) from: u64,
    /// How many of its entries nothing is known of.
    pub(super) gone: u64,
}

/// Why entries are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The disk has lost them, and nobody else holds them.
    Lost,
    /// They stand in an end of a log of this device beside which others hold another.
    OtherEnd,
}

/// A place in the index that says that an entry touched a record.
pub(super) struct Touch {
    pub(super) key: Vec<u8>,
    pub(super) record: RecordId,
    pub(super) log: LogId,
    pub(super) seq: u64,
}

/// What of a record is to be written again.
pub(super) struct Shelf {
    pub(super) record: RecordId,
    /// The touches that are given up.
    pub(super) without: Vec<Vec<u8>>,
    /// Those of which what they changed is written again, one version after the other.
    pub(super) again: Vec<Vec<u8>>,
    /// Those that stand for what is given up, so that nothing is read beside them.
    pub(super) hidden: Vec<Vec<u8>>,
    /// Whether texts are this device's to write again.
    pub(super) has_texts: bool,
    /// Whether what others wrote meanwhile stays beside it.
    pub(super) keeps_rest: bool,
}

/// Versions of a record that are written again at most: the last ones.
const VERSIONS_MAX: usize = 32;

impl Node {
    /// Writes again what only the index has: to be called at the start, when it
    /// shows all that it can.
    pub(super) fn write_again(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        if self.is_writing_again || !self.can_write() {
            return Ok(());
        }
        let mut given_up = self.lost_for_good(storage)?;
        if given_up.is_empty() {
            return Ok(());
        }
        let touches = touches(storage)?;
        let is_shown = |log: &LogId, tail: &Tail| {
            touches.iter().any(|touch| touch.log == *log && touch.seq >= tail.from)
        };
        // What is here and not shown is of use when the others fill the hole.
        given_up.retain(|log, tail| !self.holed.contains(log) || is_shown(log, tail));
        if given_up.is_empty() {
            return Ok(());
        }
        self.write_again_without(now, storage, given_up, Cause::Lost)
    }

    /// Gives entries up, and writes again what is shown because of them.
    pub(super) fn write_again_without(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        given_up: GivenUp,
        cause: Cause,
    ) -> Result<(), StorageError> {
        if self.is_writing_again || !self.can_write() {
            return Ok(());
        }
        self.catch_up(storage)?;
        let touches = touches(storage)?;
        self.begin_log_anew();
        let mut writing = Writing::default();
        let gone = touches.iter().filter(|touch| touch.is_in(&given_up));
        let records: BTreeSet<RecordId> = gone.map(|touch| touch.record).collect();
        for record in &records {
            let of_record = touches.iter().filter(|touch| touch.record == *record);
            let gone = of_record.clone().filter(|touch| touch.is_in(&given_up));
            let without: Vec<Vec<u8>> = gone.map(|touch| touch.key.clone()).collect();
            let again = match cause {
                // Of what is lost the index has the last version alone.
                Cause::Lost => Vec::new(),
                Cause::OtherEnd => {
                    let is_gone = |log, seq| is_given_up(&given_up, log, seq);
                    let built_on = self.built_on(storage, *record, &is_gone)?;
                    let keys = built_on.iter().map(|(log, seq)| touched(*record, *log, *seq));
                    keys.collect()
                }
            };
            let record = *record;
            let (hidden, has_texts, keeps_rest) = (Vec::new(), true, false);
            let shelf = Shelf { record, without, again, hidden, has_texts, keeps_rest };
            match self.write_versions_again(now, storage, &mut writing, &shelf) {
                Ok(()) => {}
                Err(Refusal::Storage(error)) => return Err(error),
                Err(Refusal::Failure(failure)) => {
                    // Nothing is given up of which anything would be lost.
                    tracing::warn!(record = %record.short(), ?failure, "cannot be written again");
                    return Ok(());
                }
            }
        }
        let hlc = self.journal.tick(now.wall_ms);
        let mut entries = match self.seal_entries(writing.into_drafts(), hlc) {
            Ok(entries) => entries,
            Err(refusal) => {
                tracing::warn!(?refusal, "nothing can be written again");
                return Ok(());
            }
        };
        if cause == Cause::OtherEnd {
            entries.extend(self.word_of(now, storage, &given_up));
        }
        tracing::warn!(records = records.len(), logs = given_up.len(), "written again");
        self.append_given_up(entries, given_up, records.len());
        Ok(())
    }

    /// Writes down what is given up, behind the entries that stand for it.
    pub(super) fn append_given_up(
        &mut self,
        entries: Vec<Entry>,
        given_up: GivenUp,
        records: usize,
    ) {
        let entries = entries.into_iter().map(|entry| PendingFrame::Entry(Box::new(entry)));
        // In this order: what was given up is forgotten when all of it stands again.
        let held = |log: &LogId| self.replication.log(*log).map_or(0, |state| state.durable);
        // Who held something and does not any more begins anew with its receipts.
        let takes_back = given_up.iter().any(|(log, tail)| tail.from <= held(log));
        let generation = Incarnation(hash::truncate(self.random.bytes()));
        let generation = takes_back.then_some(LocalState::Generation(generation));
        let mark = |(log, Tail { from, gone })| LocalState::GivenUp { log, from, gone };
        let marks = given_up.into_iter().map(mark);
        let marks = generation.into_iter().chain(marks).map(PendingFrame::Local);
        let frames = entries.chain(marks).collect();
        self.is_writing_again = true;
        self.append(Vec::new(), frames, Then::WrittenAgain(records));
    }

    /// Begins another log, unless nothing was written in the one that is written:
    /// changes that wait in it may have taken its numbers.
    pub(super) fn begin_log_anew(&mut self) {
        let is_written = |log| self.replication.log(log).is_some_and(|state| state.staged > 0);
        if self.journal.log().is_none_or(is_written) {
            self.begin_incarnation();
        }
    }

    pub(super) fn can_write(&self) -> bool {
        self.membership.keyring.is_some()
            && self.membership.may_write(self.device())
            && self.membership.roster.state().writing_epoch().is_some()
    }

    /// As [`Node::write_again`], when somebody has said anew what it holds, or what
    /// the others hold has come back.
    pub(super) fn write_again_in_time(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        // Nearly always nothing is missing, and the index need not be asked.
        let may_lack = self.has_lost || !self.holed.is_empty();
        match std::mem::take(&mut self.owes_look_for_lost) && may_lack {
            true => self.write_again(now, storage),
            false => Ok(()),
        }
    }

    /// Returns what nobody can send, from the first that is gone of each log: as far
    /// as all have said what they hold, the author among them.
    fn lost_for_good(&self, storage: &dyn Storage) -> Result<GivenUp, StorageError> {
        let ends = Self::lost_ends(storage)?;
        let others = |device| device != self.device() && self.membership.is_peer(device);
        let has_spoken = |log: &LogId| {
            let author = self.device_of(*log);
            author.is_some_and(|author| !others(author) || self.replication.has_spoken(author))
        };
        let mut given_up = GivenUp::new();
        let logs: BTreeSet<LogId> = self.holed.iter().chain(ends.keys()).copied().collect();
        for log in logs.into_iter().filter(|log| self.journal.log() != Some(*log)) {
            let held = self.replication.log(log).map_or(0, |state| state.durable);
            let end = ends.get(&log).copied().unwrap_or(0);
            let missing = Self::entries_missing(storage, log, held, end)?;
            if missing > 0 && has_spoken(&log) && self.replication.held_by(log, &others) <= held {
                // An index that was made again does not know what is gone.
                let gone = if ends.contains_key(&log) { 0 } else { missing };
                given_up.insert(log, Tail { from: held + 1, gone });
            }
        }
        Ok(given_up)
    }

    /// Gathers what a record shows and would not without the touches that are given
    /// up, one version after the other.
    pub(super) fn write_versions_again(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        writing: &mut Writing,
        shelf: &Shelf,
    ) -> Result<(), Refusal> {
        let record = shelf.record;
        let Some(shown) = self.collection.document(storage, record)? else { return Ok(()) };
        let shown = births::content(&shown);
        let mut rest = self.made_without(storage, record, &shelf.without)?;
        // What was shown of the version before, where other things stay beside it.
        let mut before = match shelf.keeps_rest {
            true => self.shown_without(storage, shelf, &shelf.again)?,
            false => None,
        };
        let first = shelf.again.len().saturating_sub(VERSIONS_MAX).max(1);
        let parts = (first..shelf.again.len()).filter_map(|end| shelf.again.get(end..));
        let last = shelf.hidden.is_empty();
        for left_out in parts.map(Some).chain([None]) {
            let next = match left_out {
                None if last => Some(shown.clone()),
                Some(_) | None => {
                    self.shown_without(storage, shelf, left_out.unwrap_or_default())?
                }
            };
            let Some(next) = next else { continue };
            let mut document = match rest.take() {
                Some(rest) => rest,
                None => self.born_again(writing, record, &next)?,
            };
            let edits = match &before {
                Some(before) => {
                    past::carried(before, &next, &births::content(&document), shelf.has_texts)
                }
                None => past::towards(&document, &next),
            };
            self.change(now, writing, record, &mut document, edits, Manner::Merge)?;
            rest = Some(document);
            before = shelf.keeps_rest.then_some(next);
        }
        Ok(())
    }

    /// Returns what a record shows without some of its touches, and without those
    /// that are hidden.
    fn shown_without(
        &self,
        storage: &mut dyn Storage,
        shelf: &Shelf,
        left_out: &[Vec<u8>],
    ) -> Result<Option<Content>, StorageError> {
        let touches = [left_out, &shelf.hidden].concat();
        let made = self.made_without(storage, shelf.record, &touches)?;
        Ok(made.map(|made| births::content(&made)))
    }

    /// Begins a record again with a content.
    fn born_again(
        &self,
        writing: &mut Writing,
        record: RecordId,
        content: &Content,
    ) -> Result<Document, Refusal> {
        let mut born = content.clone();
        born.remove(key::DELETED);
        let changes = heirloom_doc::birth(record, &born).map_err(cannot)?;
        let document = Document::from_birth(&changes).map_err(cannot)?;
        writing.take(record, &document, changes, chunks_of(&born));
        Ok(document)
    }

    /// Returns a record as it is without these touches.
    pub(super) fn made_without(
        &self,
        storage: &mut dyn Storage,
        record: RecordId,
        touches: &[Vec<u8>],
    ) -> Result<Option<Document>, StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(None) };
        let library = Shelves { keyring, collection: &self.collection };
        let court = Court { library: &library, verdicts: &self.membership.roster };
        // Nothing of this is committed.
        let mut view = View::new(storage);
        touches.iter().for_each(|key| view.remove(key.clone()));
        court.rebuild(&mut view, record, &mut Applied::default())?;
        let saved = view.document(record)?;
        saved.map(|saved| self.collection.documents().load(record, &saved)).transpose()
    }

    /// Returns the entries of which a change of a record builds on certain entries,
    /// and these, each behind what it builds on.
    pub(super) fn built_on(
        &self,
        storage: &mut dyn Storage,
        record: RecordId,
        is_root: &dyn Fn(LogId, u64) -> bool,
    ) -> Result<Vec<(LogId, u64)>, StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(Vec::new()) };
        let library = Shelves { keyring, collection: &self.collection };
        let court = Court { library: &library, verdicts: &self.membership.roster };
        court.built_on(&View::new(storage), record, is_root)
    }

    /// Forgets the entries of a log from one on, and makes what they touched anew
    /// without them.
    pub(super) fn give_up(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        (log, from): (LogId, u64),
    ) -> Result<(), StorageError> {
        self.catch_up(storage)?;
        let given_up = GivenUp::from([(log, Tail { from, gone: 0 })]);
        let touches = touches(storage)?;
        let touches: Vec<Touch> =
            touches.into_iter().filter(|touch| touch.is_in(&given_up)).collect();
        let mut applied = Applied::default();
        let mut view = View::new(storage);
        for table in [table::ENTRY, table::CHUNKS, table::SEALED, table::CHECKPOINT] {
            let (prefix, after) =
                (rows::key(table, &[&log.0]), rows::entry_key(table, log, from - 1));
            for (key, _) in view.scan(&prefix, Some(&after), usize::MAX)? {
                view.remove(key);
            }
        }
        let held = self.replication.log(log).map_or(0, |state| state.durable);
        if from <= held {
            let id = self.rewind(now, view.storage(), (log, from - 1));
            let device = self.device_of(log).unwrap_or(self.device());
            view.put(rows::key(table::LOG, &[&log.0]), &LogRow { device, seq: from - 1, id });
            self.renew_receipts(view.storage())?;
            // Within one conversation no receipt takes back what another one says.
            for device in self.replication.peers().collect::<Vec<DeviceId>>() {
                self.effect(Effect::Disconnect { device });
                self.replication.peer_down(device);
            }
        }
        let lost = LocalState::Lost { log, seq: from - 1 };
        view.put(rows::key(table::LOCAL, &[&lost.name()]), &lost);
        view.remove(rows::key(table::FORKED, &[&log.0]));
        for touch in &touches {
            view.remove(touch.key.clone());
            view.put_bytes(rows::key(table::STALE, &[&touch.record.0]), Vec::new());
        }
        view.commit(None)?;
        if let Some(keyring) = &self.membership.keyring {
            let library = Shelves { keyring, collection: &self.collection };
            let court = Court { library: &library, verdicts: &self.membership.roster };
            let records: BTreeSet<RecordId> = touches.iter().map(|touch| touch.record).collect();
            for record in records {
                let mut view = View::new(storage);
                court.rebuild(&mut view, record, &mut applied)?;
                view.commit(None)?;
            }
        }
        self.holed.remove(&log);
        self.leaving.remove(&log);
        self.replication.go_on(log);
        if let Some(own) = self.journal.log() {
            // It was written before it was given up, so all of it is durable.
            let end = self.replication.log(own).map_or(0, |state| state.durable);
            self.waits.stand_again((log, from), (own, end));
        }
        self.conduct.forget_fork(log);
        self.checkpoints.reconsider(now, self.config.checkpoint_quiet_ms);
        self.heed(&applied);
        self.tell(storage, applied)
    }

    /// Notes that everything was written again.
    pub(super) fn written_again(&mut self, records: usize) {
        self.is_writing_again = false;
        let text = match records {
            0 => return,
            1 => {
                "1 record was written again: what it stood in is lost or counts no more.".to_owned()
            }
            _ => format!(
                "{records} records were written again: what they stood in is lost or counts no more."
            ),
        };
        let (code, aside) = ("written-again".to_owned(), None);
        self.event(Event::Warning { code, text, aside });
    }
}

impl Touch {
    pub(super) fn is_in(&self, given_up: &GivenUp) -> bool {
        is_given_up(given_up, self.log, self.seq)
    }
}

/// Returns whether an entry is given up.
pub(super) fn is_given_up(given_up: &GivenUp, log: LogId, seq: u64) -> bool {
    given_up.get(&log).is_some_and(|tail| seq >= tail.from)
}

/// Reads which entries touched which records.
pub(super) fn touches(storage: &dyn Storage) -> Result<Vec<Touch>, StorageError> {
    let read = |key: Vec<u8>| {
        let record = RecordId(*key.get(1..)?.first_chunk::<16>()?);
        let (log, seq) = rows::entry_of_key(key.get(RecordId::SIZE..)?)?;
        Some(Touch { key, record, log, seq })
    };
    let rows = storage.scan(&[table::TOUCHED], None, usize::MAX)?;
    Ok(rows.into_iter().filter_map(|(key, _)| read(key)).collect())
}

/// Returns the chunks that a content refers to.
fn chunks_of(content: &Content) -> Vec<heirloom_base::ChunkId> {
    let blobs = content.values().filter_map(|value| match value {
        Value::Blob(blob) => Some(blob),
        Value::Text(_) | Value::Str(_) | Value::Int(_) | Value::Bytes(_) => None,
    });
    blobs.flat_map(|blob| blob.chunks.iter().map(|chunk| chunk.id)).collect()
}

fn cannot(error: heirloom_doc::DocError) -> Refusal {
    crate::failure::usage(error.to_string(), "Nothing was changed.").into()
}
