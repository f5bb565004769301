//! What commands change, on its way into the log.

use super::{Node, Owed, PendingFrame, Refusal, Then};
use crate::command::{Answer, Level, Wait};
use crate::failure;
use crate::input::CommandId;
use crate::journal::{Draft, JournalError};
use crate::storage::Storage;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{ChunkId, Hlc, LogId, Now, RecordId};
use heirloom_doc::{Document, RawChange};
use heirloom_sync::Part;
use std::collections::BTreeSet;

/// Changes that one command makes, gathered before they are written.
#[derive(Debug, Default)]
pub(super) struct Writing {
    drafts: Vec<Draft>,
    pub(super) chunks: Vec<(ChunkId, Vec<u8>)>,
    edited: Vec<(RecordId, Document)>,
}

/// How much was gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes of changes, as they stand in an entry.
    pub(super) bytes: usize,
    /// Operations, as an entry counts them.
    pub(super) operations: usize,
    /// Chunks that are named, or that are to be stored.
    pub(super) chunks: usize,
}

impl Extent {
    /// Returns both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            operations: self.operations + other.operations,
            chunks: self.chunks + other.chunks,
        }
    }
}

impl Node {
    /// Writes what was gathered, and answers when it is durable.
    pub(super) fn write(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        mut writing: Writing,
        id: CommandId,
        answer: Answer,
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        writing.chunks.retain(|(id, _)| !storage.has_chunk(*id));
        if writing.is_empty() || writing.drafts.is_empty() && wait.level != Level::Local {
            if !writing.is_empty() {
                self.append(writing.chunks, Vec::new(), Then::Rest);
            }
            return self.answer_unchanged(now, id, answer, wait);
        }
        if is_planted(Bug::AnsweredEarly) {
            self.write_down(now, writing, Then::Rest)?;
            return Ok(Some(answer));
        }
        let owed = Owed { id, answer: Box::new(answer), wait };
        self.write_down(now, writing, Then::Answer(vec![owed]))?;
        Ok(None)
    }

    /// Seals what was gathered and gives it to the disk.
    pub(super) fn write_down(
        &mut self,
        now: Now,
        writing: Writing,
        then: Then,
    ) -> Result<(), Refusal> {
        let mut frames = Vec::new();
        if !writing.drafts.is_empty() {
            let hlc = self.journal.tick(now.wall_ms);
            let entries = self.seal_entries(writing.drafts, hlc)?;
            if let Some(last) = entries.last() {
                let end = (last.header().log, last.header().seq);
                self.show_edited(writing.edited, end);
            }
            frames.extend(entries.into_iter().map(|entry| PendingFrame::Entry(Box::new(entry))));
        }
        self.append(writing.chunks, frames, then);
        Ok(())
    }

    /// Shows documents as they were edited before that takes effect with an own entry.
    pub(super) fn show_edited(&mut self, edited: Vec<(RecordId, Document)>, end: (LogId, u64)) {
        for (record, document) in edited {
            self.collection.edited(record, end.0, end.1, &document);
        }
    }

    /// Returns where this device's next entry will stand.
    pub(super) fn next_own(&self) -> Option<(LogId, u64)> {
        let log = self.journal.log()?;
        Some((log, self.replication.log(log).map_or(0, |state| state.staged) + 1))
    }

    /// Finds out whether there is a key to write under.
    pub(super) fn may_seal(&self) -> Result<(), Refusal> {
        let desk = self.membership.desk(self.space, &self.config.device);
        let desk = desk.ok_or_else(|| self.keyless())?;
        desk.epoch().map(|_| ()).map_err(unsealed)
    }

    pub(super) fn seal_entries(
        &mut self,
        drafts: Vec<Draft>,
        hlc: Hlc,
    ) -> Result<Vec<heirloom_sync::Entry>, Refusal> {
        let desk = self.membership.desk(self.space, &self.config.device);
        let desk = desk.ok_or_else(|| self.keyless())?;
        self.journal.write(&desk, &mut self.replication, drafts, hlc).map_err(unsealed)
    }

    /// Answers a write that changed nothing: what was written before may
    /// still be on its way to the level asked for.
    fn answer_unchanged(
        &mut self,
        now: Now,
        id: CommandId,
        answer: Answer,
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let end = self
            .journal
            .log()
            .and_then(|log| self.replication.log(log).map(|state| (log, state.durable)));
        match end {
            Some(end) if wait.level != Level::Local => {
                self.answer_later(now, id, end, answer, wait);
                Ok(None)
            }
            _ => Ok(Some(crate::waits::with_reached(answer, true))),
        }
    }
}

impl Writing {
    /// Returns whether nothing was gathered.
    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty() && self.chunks.is_empty()
    }

    /// Returns how much was gathered.
    pub(super) fn extent(&self) -> Extent {
        let mut extent = Extent { chunks: self.chunks.len(), ..Extent::default() };
        for draft in &self.drafts {
            extent.bytes += draft.part.size();
            extent.operations += heirloom_doc::operations(&draft.part.change);
            extent.chunks += draft.chunks.len();
        }
        extent
    }

    /// Adds what another command changes; returns the documents that it edited.
    pub(super) fn extend(&mut self, other: Self) -> Vec<(RecordId, Document)> {
        self.drafts.extend(other.drafts);
        self.chunks.extend(other.chunks);
        other.edited
    }

    /// Returns the number of records of which something was gathered.
    pub(super) fn count(&self) -> usize {
        let records: BTreeSet<RecordId> = self.edited.iter().map(|(record, _)| *record).collect();
        records.len()
    }

    /// Returns the changes that were gathered.
    pub(super) fn into_drafts(self) -> Vec<Draft> {
        self.drafts
    }

    /// Returns a record's document with what was gathered for it.
    pub(super) fn document(&self, record: RecordId) -> Option<&Document> {
        let mut edited = self.edited.iter().rev();
        edited.find(|(own, _)| *own == record).map(|(_, document)| document)
    }

    pub(super) fn take(
        &mut self,
        record: RecordId,
        document: &Document,
        changes: Vec<RawChange>,
        chunks: Vec<ChunkId>,
    ) {
        let mut chunks = Some(chunks);
        for change in changes {
            let part = Part { record, change: change.0 };
            self.drafts.push(Draft { part, chunks: chunks.take().unwrap_or_default() });
        }
        self.edited.push((record, document.clone()));
    }
}

fn unsealed(error: JournalError) -> Refusal {
    let text = format!("Nothing was saved: {error}.");
    failure::forbidden(&text, "Connect to another member device, or recover with the phrase.")
        .into()
}
