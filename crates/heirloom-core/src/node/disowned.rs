//! Ends of logs that their authors gave up: whoever has one lets go of it.
//!
//! Where a device was rolled back and wrote on, others may have got the end that
//! it gives up later. It says so in an entry of its own, behind everything that
//! it wrote again. From then on nobody takes that end in, and who holds it forgets
//! it and takes the other one. What was written on top of it, and its author did
//! not have, is written again first, by those who wrote it and by those who have
//! what nobody else may have.
//!
//! Such a word is never taken back, so no two devices change ends in turns.

use super::again::{Cause, GivenUp, Shelf, Tail, Touch, is_given_up, touches};
use super::settle::entry_at;
use super::writing::Writing;
use super::{Node, Refusal};
use crate::collection::verdicts::touched;
use crate::rows::{self, table};
use crate::storage::{Storage, StorageError};
use crate::view::View;
use heirloom_base::{DeviceId, EntryId, LogId, Now, RecordId, limits};
use heirloom_sync::{Disowned, DisownedEnd, Entry, Word};
use std::collections::{BTreeMap, BTreeSet};

/// An end of a log that is to be given up as soon as nothing of it, and nothing of
/// this device's own, is on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// Its first entry.
    from: u64,
    /// The entries in which its author says so; none where this device is the author
    /// and has yet to say it.
    said: BTreeSet<(LogId, u64)>,
}

impl Node {
    /// Notes which ends of logs an entry says are given up.
    pub(super) fn note_words(view: &mut View<'_>, entry: &Entry) {
        let header = entry.header();
        for end in Disowned::of(entry).into_iter().flat_map(|said| said.ends) {
            let (seq, at) = (end.seq.to_be_bytes(), header.seq.to_be_bytes());
            let parts: [&[u8]; 5] = [&end.log.0, &seq, &end.id.0, &header.log.0, &at];
            view.put_bytes(rows::key(table::DISOWNED, &parts), Vec::new());
        }
    }

    /// Heeds what authors say of their own logs, as far as it counts by the roster.
    pub(super) fn heed_words(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let rows = storage.scan(&[table::DISOWNED], None, usize::MAX)?;
        let words = rows.iter().filter_map(|(key, _)| read(key));
        words.into_iter().try_for_each(|(end, at)| self.heed_end(storage, end, at))
    }

    /// Heeds what was said of a log before anything of it was here.
    pub(super) fn heed_words_kept(
        &mut self,
        storage: &mut dyn Storage,
        log: LogId,
    ) -> Result<(), StorageError> {
        let rows = storage.scan(&rows::key(table::DISOWNED, &[&log.0]), None, usize::MAX)?;
        let words = rows.iter().filter_map(|(key, _)| read(key));
        words.into_iter().try_for_each(|(end, at)| self.heed_end(storage, end, at))
    }

    /// Heeds what an entry says that became durable here.
    pub(super) fn heed_word(
        &mut self,
        storage: &mut dyn Storage,
        entry: &Entry,
    ) -> Result<(), StorageError> {
        let at = (entry.header().log, entry.header().seq);
        let ends = Disowned::of(entry).map(|said| said.ends).unwrap_or_default();
        let author = self.device_of(at.0);
        let is_foreign =
            |end: &DisownedEnd| self.device_of(end.log).is_some_and(|other| Some(other) != author);
        if let Some(author) = author.filter(|_| self.started && ends.iter().any(is_foreign)) {
            self.offence(author, "an end of another device's log given up");
        }
        ends.into_iter().try_for_each(|end| self.heed_end(storage, end, at))
    }

    /// Heeds one word, if it is of the log's author and counts.
    fn heed_end(
        &mut self,
        storage: &mut dyn Storage,
        end: DisownedEnd,
        at: (LogId, u64),
    ) -> Result<(), StorageError> {
        let Some(by) = self.device_of(at.0) else { return Ok(()) };
        let counts = self.membership.roster.state().counts_until(by, at.0) >= at.1;
        if !counts || self.device_of(end.log) != Some(by) {
            return Ok(());
        }
        let is_news = self.replication.disown(Word { end, by, at });
        if is_news && self.started {
            self.no_fork(storage, by, end.log)?;
        }
        let held = entry_at(storage, end.log, end.seq);
        if held.is_some_and(|held| held.id() == end.id) {
            self.leave(end.log, end.seq, Some(at));
        }
        Ok(())
    }

    /// As [`Node::heed_words`], for an entry that was on its way when its author's word
    /// came.
    pub(super) fn heed_words_about(&mut self, entry: &Entry) {
        let (log, seq) = (entry.header().log, entry.header().seq);
        let Some(author) = self.device_of(log) else { return };
        if !self.replication.is_disowned(author, (log, seq), entry.id()) {
            return;
        }
        let words = self.replication.words();
        let about = words.filter(|word| (word.end.log, word.end.seq) == (log, seq));
        let said = about.filter(|word| word.end.id == entry.id() && word.by == author);
        for at in said.map(|word| word.at).collect::<Vec<_>>() {
            self.leave(log, seq, Some(at));
        }
    }

    /// Gives an end of a log up, as soon as that can be.
    pub(super) fn leave(&mut self, log: LogId, from: u64, said: Option<(LogId, u64)>) {
        self.replication.halt(log);
        let leaving = self.leaving.entry(log).or_insert(Leaving { from, said: BTreeSet::new() });
        leaving.from = leaving.from.min(from);
        leaving.said.extend(said);
    }

    /// Forgets that a log has two ends: its author has said which one counts.
    fn no_fork(
        &mut self,
        storage: &mut dyn Storage,
        author: DeviceId,
        log: LogId,
    ) -> Result<(), StorageError> {
        self.replication.no_fork(log);
        if !self.conduct.no_fork(author, log) {
            return Ok(());
        }
        let mut view = View::new(storage);
        view.remove(rows::key(table::FORKED, &[&log.0]));
        view.commit(None)
    }

    /// Returns whether commands have to wait until something was given up.
    pub(super) fn is_giving_up(&self) -> bool {
        self.is_writing_again || !self.leaving.is_empty()
    }

    /// Gives up what is to be given up, when nothing of it is on its way.
    pub(super) fn give_up_in_time(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        if self.owes_giving_up && !self.replication.is_paused() {
            self.owes_giving_up = false;
            self.heed_words(storage)?;
        }
        if self.leaving.is_empty() || self.is_writing_again || !self.started {
            return Ok(());
        }
        let own = self.device();
        let is_at_rest = self.replication.logs().all(|(log, state)| {
            let matters = state.device == own || self.leaving.contains_key(&log);
            !matters || state.staged == state.durable
        });
        // Without a key to write under nothing could be written again; one is made soon.
        let may_write = !self.is_blind() && self.membership.may_write(own);
        if !is_at_rest || may_write && !self.can_write() {
            return Ok(());
        }
        let leaving = std::mem::take(&mut self.leaving);
        let logs: Vec<LogId> = leaving.keys().copied().collect();
        let mut said = BTreeSet::new();
        let (mut of_others, mut found) = (GivenUp::new(), GivenUp::new());
        for (log, Leaving { from, said: at }) in leaving {
            let ends = if at.is_empty() { &mut found } else { &mut of_others };
            ends.insert(log, Tail { from, gone: 0 });
            said.extend(at);
        }
        if of_others.is_empty() {
            self.write_again_without(now, storage, found, Cause::OtherEnd)?;
        } else {
            // What is found beside it is found again.
            found.into_keys().for_each(|log| self.replication.go_on(log));
            self.let_go(now, storage, of_others, &said)?;
        }
        if !self.is_writing_again {
            logs.into_iter().for_each(|log| self.replication.go_on(log));
        }
        Ok(())
    }

    /// Goes on with what was to be given up, because the disk refused it; it is tried
    /// again when the disk is.
    pub(super) fn giving_up_failed(&mut self) {
        self.is_writing_again = false;
        self.owes_giving_up = true;
        for log in self.replication.logs_halted() {
            self.replication.go_on(log);
        }
    }

    /// Lets go of ends that their authors gave up.
    fn let_go(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        given_up: GivenUp,
        said: &BTreeSet<(LogId, u64)>,
    ) -> Result<(), StorageError> {
        let words = said.iter().filter_map(|(log, seq)| entry_at(storage, *log, *seq));
        let words: Vec<Disowned> = words.filter_map(|entry| Disowned::of(&entry)).collect();
        let (mut entries, mut records) = (Vec::new(), 0);
        if self.can_write() {
            let writing = self.gather_stranded(now, storage, &given_up, (&words, said))?;
            records = writing.count();
            let hlc = self.journal.tick(now.wall_ms);
            let drafts = writing.into_drafts();
            if !drafts.is_empty() {
                match self.seal_entries(drafts, hlc) {
                    Ok(sealed) => entries = sealed,
                    Err(refusal) => tracing::warn!(?refusal, "nothing can be written again"),
                }
            }
        }
        tracing::warn!(logs = given_up.len(), records, "an end is given up as its author did");
        self.append_given_up(entries, given_up, records);
        Ok(())
    }

    /// Gathers what would not be shown any more without these ends, and what their
    /// author did not have when it wrote again what they held.
    fn gather_stranded(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        given_up: &GivenUp,
        (words, said): (&[Disowned], &BTreeSet<(LogId, u64)>),
    ) -> Result<Writing, StorageError> {
        self.catch_up(storage)?;
        let all = touches(storage)?;
        let mut of_records: BTreeMap<RecordId, Vec<Touch>> = BTreeMap::new();
        let records: BTreeSet<RecordId> =
            all.iter().filter(|touch| touch.is_in(given_up)).map(|touch| touch.record).collect();
        for touch in all.into_iter().filter(|touch| records.contains(&touch.record)) {
            of_records.entry(touch.record).or_default().push(touch);
        }
        let mut shelves = Vec::new();
        for (record, touches) in of_records {
            shelves.extend(self.stranded_of(storage, given_up, words, said, (record, touches))?);
        }
        let mut writing = Writing::default();
        if shelves.is_empty() {
            return Ok(writing);
        }
        self.begin_log_anew();
        for shelf in &shelves {
            match self.write_versions_again(now, storage, &mut writing, shelf) {
                Ok(()) => {}
                Err(Refusal::Storage(error)) => return Err(error),
                Err(Refusal::Failure(failure)) => {
                    let record = shelf.record.short();
                    tracing::warn!(record, ?failure, "cannot be written again");
                }
            }
        }
        Ok(writing)
    }

    /// Returns what of a record is to be written again, if there is anything.
    fn stranded_of(
        &self,
        storage: &mut dyn Storage,
        given_up: &GivenUp,
        words: &[Disowned],
        said: &BTreeSet<(LogId, u64)>,
        (record, touches): (RecordId, Vec<Touch>),
    ) -> Result<Option<Shelf>, StorageError> {
        let gives_up = |log: LogId, seq: u64| is_given_up(given_up, log, seq);
        let stranded = self.built_on(storage, record, &gives_up)?;
        // What the author wrote in the log of its word, it wrote for it.
        let stands = |log: LogId, seq: u64| {
            words.iter().any(|word| word.covers(log, seq)) || said.iter().any(|at| at.0 == log)
        };
        let open = stranded.into_iter().filter(|(log, seq)| !stands(*log, *seq));
        let open: Vec<(LogId, u64)> = open.collect();
        let is_ours = |(log, seq): &(LogId, u64)| gives_up(*log, *seq) || self.is_left_to_us(*log);
        let has_texts = open.iter().any(is_ours);
        let again: Vec<Vec<u8>> =
            open.iter().map(|(log, seq)| touched(record, *log, *seq)).collect();
        // What the author wrote again would stand in the way of what was written on top
        // of it, unless that builds on both.
        let is_word = |log: LogId, seq: u64| said.iter().any(|at| at.0 == log && seq <= at.1);
        let on_words = self.built_on(storage, record, &is_word)?;
        let is_on_both = open.iter().any(|place| on_words.contains(place));
        let stands_again = touches.iter().filter(|touch| is_word(touch.log, touch.seq));
        let hidden: Vec<Vec<u8>> =
            stands_again.filter(|_| !is_on_both).map(|touch| touch.key.clone()).collect();
        let gone = touches.into_iter().filter(|touch| touch.is_in(given_up));
        let without: Vec<Vec<u8>> = gone.map(|touch| touch.key).collect();
        let mut is_gone =
            || self.made_without(storage, record, &without).map(|rest| rest.is_none());
        match again.is_empty() && !is_gone()? {
            true => Ok(None),
            false => {
                Ok(Some(Shelf { record, without, again, hidden, has_texts, keeps_rest: true }))
            }
        }
    }

    /// Returns whether what was written in a log is this device's to write again: it
    /// wrote it, or who did is out. Of a text two would write it twice.
    fn is_left_to_us(&self, log: LogId) -> bool {
        let author = self.device_of(log);
        author.is_none_or(|author| author == self.device() || !self.membership.is_peer(author))
    }

    /// Returns the entry in which this device says that it gives ends of its logs up.
    pub(super) fn word_of(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        given_up: &GivenUp,
    ) -> Option<Entry> {
        let ends = given_up.iter().filter_map(|(log, tail)| {
            let entry = entry_at(storage, *log, tail.from)?;
            Some(DisownedEnd { log: *log, seq: tail.from, id: entry.id() })
        });
        let ends: Vec<DisownedEnd> = ends.take(limits::DISOWNED_MAX).collect();
        let held = self.replication.logs().map(|(log, state)| (log, state.durable));
        let held = held.filter(|(_, seq)| *seq > 0).take(limits::LOGS_MAX).collect();
        let hlc = self.journal.tick(now.wall_ms);
        let desk = self.membership.desk(self.space, &self.config.device)?;
        let said = Disowned { ends, held };
        self.journal.write_word(&desk, &mut self.replication, &said, hlc).ok()
    }
}

/// Reads an end and the place of the word about it from the key of a row.
fn read(key: &[u8]) -> Option<(DisownedEnd, (LogId, u64))> {
    let (log, seq) = rows::entry_of_key(key)?;
    let (id, rest) = key.get(1 + LogId::SIZE + 8..)?.split_first_chunk::<32>()?;
    let (word, rest) = rest.split_first_chunk::<16>()?;
    let at = (LogId(*word), u64::from_be_bytes(*rest.first_chunk::<8>()?));
    Some((DisownedEnd { log, seq, id: EntryId(*id) }, at))
}
