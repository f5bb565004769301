//! What many entries brought at once is applied.

use super::Node;
use super::entries::Run;
use super::settle::Shelves;
use crate::collection::Applied;
use crate::collection::later::{self, Haste};
use crate::collection::verdicts::Court;
use crate::command::Command;
use crate::storage::{Storage, StorageError};
use crate::view::View;
use heirloom_base::{Now, limits};

/// Notes that one turn works off.
const NOTES_PER_TURN: usize = 512;
/// Notes that one batch of the index works off.
const NOTES_PER_BATCH: usize = 64;

/// What is noted and not applied yet.
#[derive(Debug, Default)]
pub(crate) struct Arrears {
    /// The notes, or more: one record may have several for one entry.
    notes: usize,
    /// When they are worked off, if nothing comes before.
    due_ms: u64,
    /// When the first of them was noted.
    since_ms: u64,
    pace: Pace,
}

/// How many edits of others came of late.
#[derive(Debug, Default)]
struct Pace {
    /// When this moment began.
    since_ms: u64,
    edits: usize,
    /// Edits of the moment before.
    before: usize,
}

impl Pace {
    /// Counts edits; returns how many there were in this moment or the one
    /// before, whichever had more.
    fn count(&mut self, now: Now, edits: usize) -> usize {
        const MOMENT_MS: u64 = limits::ARREARS_MOMENT_MS as u64;
        let passed = now.mono_ms.saturating_sub(self.since_ms);
        if passed >= MOMENT_MS {
            let before = if passed < 2 * MOMENT_MS { self.edits } else { 0 };
            *self = Self { since_ms: now.mono_ms, edits: 0, before };
        }
        self.edits += edits;
        self.edits.max(self.before)
    }
}

impl Arrears {
    /// Returns when the notes are worked off.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        (self.notes > 0).then_some(self.due_ms)
    }

    pub(super) fn note(&mut self, now: Now, entries: usize) {
        if self.notes == 0 {
            self.since_ms = now.mono_ms;
        }
        self.notes += entries;
        // Where they never end, somebody wants to see something all the same.
        let last = self.since_ms + limits::ARREARS_AGE_MS_MAX as u64;
        self.due_ms = last.min(now.mono_ms + limits::ARREARS_MS_MAX as u64);
    }

    /// Takes notes of an earlier run into account.
    pub(super) fn found(&mut self) {
        self.notes = self.notes.max(1);
    }
}

impl Node {
    /// Returns whether the changes of entries that came together are applied now:
    /// those of a few are what somebody waits for.
    pub(super) fn haste(&mut self, now: Now, run: &Run) -> Haste {
        let author = run.first().and_then(|(_, entry)| self.device_of(entry.header().log));
        if author == Some(self.device()) {
            return Haste::Now;
        }
        let edits = run.iter().map(|(_, entry)| edits_in(entry.bytes())).sum();
        match self.arrears.pace.count(now, edits) < self.config.arrears_from {
            true => Haste::Now,
            false => haste_of(run),
        }
    }

    /// Applies everything that is noted.
    pub(super) fn catch_up(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        while self.arrears.notes > 0 {
            self.catch_up_some(storage, usize::MAX)?;
        }
        Ok(())
    }

    /// Applies some of what is noted, when it is time.
    pub(super) fn catch_up_in_time(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let is_full = self.arrears.notes > limits::ARREARS_MAX;
        if is_full || self.arrears.poll_timeout().is_some_and(|due| due <= now.mono_ms) {
            self.catch_up_some(storage, NOTES_PER_TURN)?;
            self.arrears.due_ms = now.mono_ms + 1;
        }
        Ok(())
    }

    /// Applies what is noted before a command that reads or writes records.
    pub(super) fn catch_up_for(
        &mut self,
        storage: &mut dyn Storage,
        command: &Command,
    ) -> Result<(), StorageError> {
        match command {
            Command::Status
            | Command::Devices
            | Command::Rename { .. }
            | Command::Invite { .. }
            | Command::Sync { .. } => Ok(()),
            // What is shown in front does not wait for what is behind.
            Command::List { .. }
            | Command::Occurrences(_)
            | Command::Show { .. }
            | Command::Export { .. }
                if self.shows_preview() =>
            {
                Ok(())
            }
            Command::Digest
            | Command::Revoke { .. }
            | Command::Accept { .. }
            | Command::Reset { .. }
            | Command::List { .. }
            | Command::Occurrences(_)
            | Command::Show { .. }
            | Command::History { .. }
            | Command::Conflicts { .. }
            | Command::Export { .. }
            | Command::Quarantine { .. }
            | Command::Add { .. }
            | Command::Set { .. }
            | Command::Delete { .. }
            | Command::Restore { .. }
            | Command::Resolve { .. }
            | Command::Import { .. } => self.catch_up(storage),
        }
    }

    fn catch_up_some(
        &mut self,
        storage: &mut dyn Storage,
        notes: usize,
    ) -> Result<(), StorageError> {
        let Some(keyring) = &self.membership.keyring else {
            self.arrears = Arrears::default();
            return Ok(());
        };
        let library = Shelves { keyring, collection: &self.collection };
        let court = Court { library: &library, verdicts: &self.membership.roster };
        let mut applied = Applied::default();
        let (mut done, mut is_over) = (0, false);
        while done < notes && !is_over {
            let records = later::noted(storage, NOTES_PER_BATCH)?;
            is_over = records.is_empty();
            let mut view = View::new(storage);
            for record in records {
                court.catch_up(&mut view, record, &mut applied)?;
            }
            view.commit(None)?;
            done += NOTES_PER_BATCH;
        }
        self.arrears.notes =
            if is_over { 0 } else { self.arrears.notes.saturating_sub(done).max(1) };
        self.heed(&applied);
        self.tell(storage, applied)
    }
}

/// Returns how many edits an entry may hold, by its size: one alone is seldom
/// larger than 400 bytes, and each more is some 150.
fn edits_in(entry: &[u8]) -> usize {
    const FIRST_BYTES: usize = 400;
    const EDIT_BYTES: usize = 150;
    1 + entry.len().saturating_sub(FIRST_BYTES) / EDIT_BYTES
}

/// Returns whether entries are small enough to be noted.
pub(super) fn haste_of(run: &Run) -> Haste {
    let is_small = |bytes: &[u8]| bytes.len() <= limits::ARREARS_ENTRY_BYTES_MAX;
    match run.iter().all(|(_, entry)| is_small(entry.bytes())) {
        true => Haste::Later,
        false => Haste::Now,
    }
}
