//! Entries that are durable take effect, those of one log together.

use super::clocks::DAY_MS;
use super::settle::Shelves;
use super::{Node, PendingFrame};
use crate::collection::later::Haste;
use crate::collection::verdicts::Court;
use crate::collection::{Applied, Carrier};
use crate::quarantine::{self, Aside};
use crate::rows::{self, LogRow, table};
use crate::storage::{Lsn, Storage, StorageError};
use crate::view::View;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{ChunkId, Now, Writer, limits};
use heirloom_identity::Keyring;
use heirloom_sync::entry::kind;
use heirloom_sync::{Entry, Part};
use std::collections::BTreeSet;

/// Entries of one log, each behind the one before, and where each lies; none
/// where the index knows that already.
pub(super) type Run = [(Option<Lsn>, Box<Entry>)];

/// Bytes of entries that take effect together: what many records bring would be
/// too much for one batch of the index.
const RUN_BYTES_MAX: usize = 96 * 1024;

impl Node {
    /// Takes in entries of one log, each behind the one before, and what they
    /// make whole; returns whether they count.
    pub(super) fn settle_run(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        run: &Run,
        haste: Haste,
    ) -> Result<bool, StorageError> {
        let [(_, first), ..] = run else { return Ok(true) };
        let counts = self.settle_entries(now, storage, self.behind_held(run), haste)?;
        if counts {
            self.rejoin(now, storage, first.header().log)?;
        }
        Ok(counts)
    }

    /// Returns the part of a run that lies behind what is held: what filled a hole
    /// may have let some of it count already.
    fn behind_held<'r>(&self, run: &'r Run) -> &'r Run {
        let held = |log| self.replication.log(log).map_or(0, |state| state.durable);
        let is_held = |(_, entry): &&(Option<Lsn>, Box<Entry>)| {
            entry.header().seq <= held(entry.header().log)
        };
        match run.split_at(run.iter().take_while(is_held).count()) {
            (_, []) => run,
            (_, rest) => rest,
        }
    }

    /// Takes in entries of one log, each behind the one before, that lie at
    /// these places, or where the index knows already.
    pub(super) fn settle_entries(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        run: &Run,
        haste: Haste,
    ) -> Result<bool, StorageError> {
        match haste {
            Haste::Now => self.catch_up(storage)?,
            Haste::Later => self.arrears.note(now, run.len()),
        }
        let ([(_, first), ..], [.., (lsn, last)]) = (run, run) else { return Ok(true) };
        let log = first.header().log;
        let mut view = View::new(storage);
        if !self.follows(first) {
            // The frames between were lost with a damaged part of the log.
            if self.journal.log() == Some(log) {
                self.begin_incarnation();
            }
            for (lsn, entry) in run {
                if let Some(lsn) = lsn {
                    self.strand(&mut view, *lsn, entry);
                }
            }
            return view.commit(*lsn).map(|()| false);
        }
        let mut missing = Vec::new();
        for (lsn, entry) in run {
            let chunks = entry.header().chunks.iter().copied();
            let lacks = |chunk: &ChunkId| !view.storage().has_chunk(*chunk);
            // Nobody's records depend on the packs of a checkpoint.
            let chunks = chunks.filter(|_| entry.header().kind != kind::CHECKPOINT);
            missing.push(chunks.filter(lacks).collect::<BTreeSet<ChunkId>>());
            self.index_entry(&mut view, *lsn, entry);
            Self::note_words(&mut view, entry);
        }
        let is_timely = |entry: &&Entry| {
            let future = entry.header().hlc.wall_ms() > now.wall_ms + DAY_MS;
            !(future && is_planted(Bug::ClockTrusted))
        };
        let entries = run.iter().map(|(_, entry)| &**entry).filter(is_timely);
        let applied = self.apply_entries(&mut view, entries, haste)?;
        view.commit(*lsn)?;
        for ((_, entry), missing) in run.iter().zip(missing) {
            if self.device_of(log) == Some(self.device()) {
                self.journal.observe(entry.header().hlc);
            }
            self.replication.durable(now, entry, missing);
            self.owes_look_for_lost |= self.journal.log() != Some(log);
            self.heed_words_about(entry);
        }
        if first.header().seq == 1 {
            self.heed_words_kept(storage, log)?;
        }
        for (_, entry) in run.iter().filter(|(_, entry)| entry.header().kind == kind::DISOWNED) {
            self.heed_word(storage, entry)?;
        }
        self.mind_checkpoints(now, storage, run.iter().map(|(_, entry)| &**entry))?;
        if self.preview.is_some() && self.device_of(log) == Some(self.device()) {
            self.uncover(storage, &applied.changed)?;
        }
        self.heed(&applied);
        self.announce(storage, applied, last)?;
        Ok(true)
    }

    /// Returns whether an entry continues what is durable of its log.
    pub(super) fn follows(&self, entry: &Entry) -> bool {
        let header = entry.header();
        match self.replication.log(header.log) {
            Some(state) if state.durable > 0 => {
                let unchained = is_planted(Bug::ChainUnchecked);
                header.seq == state.durable + 1
                    && (unchained || header.previous == state.durable_id)
            }
            _ => header.seq == 1,
        }
    }

    fn index_entry(&self, view: &mut View<'_>, lsn: Option<Lsn>, entry: &Entry) {
        let header = entry.header();
        if let Some(lsn) = lsn {
            self.place_entry(view, lsn, entry);
        }
        let device = header.origin.map(|origin| origin.device);
        if let Some(device) = self.device_of(header.log).or(device) {
            let row = LogRow { device, seq: header.seq, id: entry.id() };
            view.put(rows::key(table::LOG, &[&header.log.0]), &row);
        }
    }

    /// Notes where an entry lies, and which chunks it names.
    pub(super) fn place_entry(&self, view: &mut View<'_>, lsn: Lsn, entry: &Entry) {
        let header = entry.header();
        view.put_bytes(
            rows::entry_key(table::ENTRY, header.log, header.seq),
            lsn.0.to_be_bytes().to_vec(),
        );
        if matches!(header.kind, kind::CHECKPOINT | kind::COSIGNATURE) {
            let key = rows::entry_key(table::CHECKPOINT, header.log, header.seq);
            view.put_bytes(key, Vec::new());
        }
        if !header.chunks.is_empty() && header.kind != kind::CHECKPOINT {
            let mut writer = Writer::new();
            writer.list(&header.chunks);
            let key = rows::entry_key(table::CHUNKS, header.log, header.seq);
            view.put_bytes(key, writer.into_bytes());
        }
    }

    /// Opens entries of one log, in their order, and applies their changes,
    /// where this device may and can.
    pub(super) fn apply_entries<'e>(
        &self,
        view: &mut View<'_>,
        entries: impl Iterator<Item = &'e Entry>,
        haste: Haste,
    ) -> Result<Applied, StorageError> {
        let entries = entries.filter(|entry| entry.header().kind == kind::CHANGES);
        let Some(keyring) = &self.membership.keyring else {
            // What tells the key was lost and stands behind them in the log, or comes
            // from others.
            let reads = !self.knows_itself() || self.membership.may_read(self.device());
            for entry in entries.filter(|_| reads) {
                seal(view, entry);
            }
            return Ok(Applied::default());
        };
        let library = Shelves { keyring, collection: &self.collection };
        let court = Court { library: &library, verdicts: &self.membership.roster };
        let (mut opened, mut aside) = (Vec::new(), Vec::new());
        for entry in entries {
            match self.open_entry(view, (keyring, &court), entry)? {
                Opening::Opened(carrier, parts) => opened.push((carrier, parts)),
                Opening::Aside(one) => aside.push(one),
                Opening::Sealed => {}
            }
        }
        let mut applied = court.take_in(view, opened, haste)?;
        applied.aside.extend(aside);
        Ok(applied)
    }

    /// Opens an entry, or notes why it cannot be opened.
    fn open_entry(
        &self,
        view: &mut View<'_>,
        (keyring, court): (&Keyring, &Court<'_>),
        entry: &Entry,
    ) -> Result<Opening, StorageError> {
        let header = entry.header();
        let barred = if header.seq > court.counting(view, header.log)? {
            let device = self.device_of(header.log).or(header.origin.map(|origin| origin.device));
            let state = self.membership.roster.state();
            let is_out = device.is_some_and(|device| state.devices.contains_key(&device));
            Some(if is_out { quarantine::BARRED } else { quarantine::NO_MEMBER })
        } else {
            None
        };
        let key = keyring.epoch_key(&header.epoch).filter(|_| !behind_sealed(view, entry));
        let Some(epoch_key) = key else {
            seal(view, entry);
            return match barred {
                Some(reason) => keep_aside(view, entry, reason.to_owned()),
                None => Ok(Opening::Sealed),
            };
        };
        match entry.open(epoch_key) {
            Ok(body) => {
                quarantine::release(view, (header.log, header.seq), None)?;
                let carrier =
                    Carrier { log: header.log, seq: header.seq, wall_ms: header.hlc.wall_ms() };
                Ok(Opening::Opened(carrier, body.parts))
            }
            Err(error) => keep_aside(view, entry, quarantine::reason(&error)),
        }
    }
}

/// Notes that an entry is to be opened when its key is here.
fn seal(view: &mut View<'_>, entry: &Entry) {
    let header = entry.header();
    view.put_bytes(rows::entry_key(table::SEALED, header.log, header.seq), Vec::new());
}

/// Keeps a whole entry aside.
fn keep_aside(view: &mut View<'_>, entry: &Entry, reason: String) -> Result<Opening, StorageError> {
    let header = entry.header();
    let (log, seq, wall_ms) = (header.log, header.seq, header.hlc.wall_ms());
    let aside = Aside { log, seq, wall_ms, record: None, reason };
    quarantine::refuse(view, &aside)?;
    Ok(Opening::Aside(aside))
}

/// Returns whether a frame is the next entry of the log of which these are.
pub(super) fn goes_on(run: &Run, frame: &PendingFrame) -> bool {
    let (Some((_, last)), PendingFrame::Entry(entry)) = (run.last(), frame) else { return false };
    let (header, before) = (entry.header(), last.header());
    let bytes: usize = run.iter().map(|(_, entry)| entry.bytes().len()).sum();
    run.len() < limits::WAKE_CHANGES_MAX
        && bytes + entry.bytes().len() <= RUN_BYTES_MAX
        && (header.log, header.seq) == (before.log, before.seq + 1)
        && header.previous == last.id()
}

/// What comes of an entry that is to be opened.
enum Opening {
    /// Its changes.
    Opened(Carrier, Vec<Part>),
    /// It was kept aside as a whole.
    Aside(Aside),
    /// Its key is not here.
    Sealed,
}

/// Returns whether an earlier entry of the log cannot be opened yet: then the
/// later ones are closed as well, because a log is read in order.
fn behind_sealed(view: &View<'_>, entry: &Entry) -> bool {
    let header = entry.header();
    let first = view.scan(&rows::key(table::SEALED, &[&header.log.0]), None, 1);
    let first = first.ok().and_then(|rows| rows::entry_of_key(&rows.first()?.0));
    first.is_some_and(|(_, seq)| seq < header.seq)
}
