//! What is done when the log or a chunk has lost something.
//!
//! The index outlives the frames that it was made from. Where frames are gone,
//! the records stay as they are shown, but the log counts as held only up to
//! the first gap, so that the others send what is missing. What is said of the
//! own life of a log stands in frames that the caller appends before it opens
//! the node: see [`crate::founding::reborn`].

use super::open::{all_rows, local};
use super::settle::{FRAME_ENTRY, FRAME_ROSTER};
use super::{Node, PendingFrame};
use crate::collection::queue;
use crate::input::Effect;
use crate::local::{DamageMark, FRAME_LOCAL, LocalState};
use crate::rows::{self, LogRow, table};
use crate::storage::{Frame, Lsn, Storage, StorageError};
use crate::view::{View, decode_row};
use heirloom_base::{AccountId, ChunkId, Decode, EntryId, LogId, Now, Reader, limits};
use heirloom_sync::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Whether an index was made from the log beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Its logs end where the log's do.
    Same,
    /// As far as it can be compared: some frames cannot be read.
    Gaps,
    /// It is of another log, or of another past of this one.
    Other,
}

impl Node {
    /// Returns the account that an index is of, if it knows.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn indexed_account(storage: &dyn Storage) -> Result<Option<AccountId>, StorageError> {
        Ok(match local(storage, b"account")? {
            Some(LocalState::Account(account)) => Some(account),
            _ => None,
        })
    }

    /// Compares the ends of all logs, as the index knows them, with the frames
    /// behind them.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn fit(storage: &dyn Storage) -> Result<Fit, StorageError> {
        let mut fit = Fit::Same;
        for (key, bytes) in all_rows(storage, &[table::LOG])? {
            let row: LogRow = decode_row(&bytes)?;
            let Some(log) = log_of_key(&key).filter(|_| row.seq > 0) else { continue };
            match read(storage, log, row.seq)? {
                Found::Entry(entry) if entry.id() == row.id => {}
                Found::Nothing => fit = Fit::Gaps,
                Found::Entry(_) | Found::Other => return Ok(Fit::Other),
            }
        }
        Ok(fit)
    }

    /// Returns the damage that a frame says is known, if it does.
    #[must_use]
    pub fn damage_in(frame: &Frame) -> Option<DamageMark> {
        if frame.kind != FRAME_LOCAL {
            return None;
        }
        match LocalState::from_bytes(&frame.payload) {
            Ok(LocalState::Damage(mark)) => Some(mark),
            _ => None,
        }
    }

    /// Returns the frames of what the index knows of the account: where the
    /// log has lost its own, they are written again.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn account_frames(storage: &dyn Storage) -> Result<Vec<Frame>, StorageError> {
        let Some(account) = Self::indexed_account(storage)? else { return Ok(Vec::new()) };
        let mut frames = vec![LocalState::Account(account).to_frame()];
        let mut known = BTreeSet::new();
        for (_, payload) in all_rows(storage, &[table::ROSTER])? {
            if known.insert(payload.clone()) {
                frames.push(Frame { kind: FRAME_ROSTER, payload });
            }
        }
        Ok(frames)
    }

    /// Lets the index hold each log only up to the first entry whose frame is
    /// gone. The records stay, and so does what it knows of sound entries behind. Returns the frames that say how far the logs
    /// were held, for status to count what does not come back.
    /// `last` is the log's last frame: what is appended behind it is new.
    ///
    /// To be called before [`Node::open`].
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn forget_lost(storage: &mut dyn Storage, last: Lsn) -> Result<Vec<Frame>, StorageError> {
        let mut lost = Vec::new();
        if Self::applied(storage)?.is_some_and(|applied| applied > last) {
            View::new(storage).commit(Some(last))?;
        }
        for (key, bytes) in all_rows(storage, &[table::LOG])? {
            let row: LogRow = decode_row(&bytes)?;
            let Some(log) = log_of_key(&key) else { continue };
            let held = sound_end(storage, log, row.seq)?;
            if held.map_or(0, |(seq, _)| seq) == row.seq {
                continue;
            }
            let first_lost = held.map_or(1, |(seq, _)| seq + 1);
            let mut view = View::new(storage);
            queue::forget_behind(&mut view, log, first_lost - 1)?;
            let (seq, id) = held.unwrap_or((0, EntryId([0; 32])));
            view.put(key, &LogRow { seq, id, ..row });
            for seq in first_lost..=row.seq {
                if matches!(read(view.storage(), log, seq)?, Found::Entry(_)) {
                    continue; // Sound, behind a hole: see `stranded`.
                }
                view.remove(rows::entry_key(table::ENTRY, log, seq));
                view.remove(rows::entry_key(table::CHUNKS, log, seq));
                view.remove(rows::entry_key(table::SEALED, log, seq));
                view.remove(rows::entry_key(table::CHECKPOINT, log, seq));
            }
            view.commit(None)?;
            lost.push(LocalState::Lost { log, seq: row.seq }.to_frame());
        }
        Ok(lost)
    }

    /// Returns how far logs were held before their frames were lost.
    pub(super) fn lost_ends(storage: &dyn Storage) -> Result<BTreeMap<LogId, u64>, StorageError> {
        let mut ends = BTreeMap::new();
        for (_, bytes) in all_rows(storage, &rows::key(table::LOCAL, &[b"lost/"]))? {
            if let LocalState::Lost { log, seq } = decode_row(&bytes)? {
                ends.insert(log, seq);
            }
        }
        Ok(ends)
    }

    /// Counts the entries that were held once, were lost, and are not back.
    pub(super) fn entries_lost(&self, storage: &dyn Storage) -> Result<u64, StorageError> {
        let mut ends: BTreeMap<LogId, u64> =
            self.replication.logs().map(|(log, state)| (log, state.durable)).collect();
        for (log, seq) in Self::lost_ends(storage)? {
            let end = ends.entry(log).or_default();
            *end = seq.max(*end);
        }
        let mut missing = 0;
        for (log, end) in ends {
            let held = self.replication.log(log).map_or(0, |state| state.durable);
            missing += Self::entries_missing(storage, log, held, end)?;
        }
        for (_, bytes) in all_rows(storage, &rows::key(table::LOCAL, &[b"given-up/"]))? {
            if let LocalState::GivenUp { gone, .. } = decode_row(&bytes)? {
                missing += gone;
            }
        }
        Ok(missing)
    }

    /// Has chunks fetched again that were here and are not any more.
    pub(super) fn chunks_lost(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        lost: &BTreeSet<ChunkId>,
    ) -> Result<(), StorageError> {
        let mut missed = BTreeSet::new();
        for (log, seq, chunks) in entries_with_chunks(storage)? {
            let missing: BTreeSet<ChunkId> = chunks.intersection(lost).copied().collect();
            if !missing.is_empty() {
                missed.extend(missing.iter().copied());
                self.replication.chunks_lost(now, log, seq, missing);
            }
        }
        self.preview_lost(lost);
        self.packs_lost(storage, now, lost)?;
        // Packs show something sooner, and are missed by nobody.
        let chunks: BTreeSet<ChunkId> = lost.difference(&missed).copied().collect();
        if !chunks.is_empty() {
            self.effect(Effect::ForgetLost { chunks });
        }
        Ok(())
    }

    /// Forgets that another life was to begin: one that is in the log already follows.
    pub(super) fn forget_unborn(&mut self) {
        self.prelude
            .retain(|frame| !matches!(frame, PendingFrame::Local(LocalState::Incarnation(_))));
    }
}

/// Returns every held entry that refers to chunks, with these.
pub(super) fn entries_with_chunks(
    storage: &dyn Storage,
) -> Result<Vec<(LogId, u64, BTreeSet<ChunkId>)>, StorageError> {
    let mut found = Vec::new();
    for (key, bytes) in all_rows(storage, &[table::CHUNKS])? {
        let Some((log, seq)) = rows::entry_of_key(&key) else { continue };
        let chunks: Vec<ChunkId> = Reader::new(&bytes)
            .list(limits::ENTRY_CHUNKS_MAX)
            .map_err(|error| StorageError::Index(error.to_string()))?;
        found.push((log, seq, chunks.into_iter().collect()));
    }
    Ok(found)
}

fn log_of_key(key: &[u8]) -> Option<LogId> {
    key.get(1..)?.first_chunk::<16>().map(|log| LogId(*log))
}

/// Returns the last entry of a log before the first whose frame is gone.
fn sound_end(
    storage: &dyn Storage,
    log: LogId,
    end: u64,
) -> Result<Option<(u64, EntryId)>, StorageError> {
    let mut held = None;
    for seq in 1..=end {
        match read(storage, log, seq)? {
            Found::Entry(entry) => held = Some((seq, entry.id())),
            Found::Nothing | Found::Other => break,
        }
    }
    Ok(held)
}

/// What lies in the log where the index says that an entry lies.
enum Found {
    /// The entry with this place in its log.
    Entry(Box<Entry>),
    /// Something else, or the index does not say where.
    Other,
    /// Nothing that can be read.
    Nothing,
}

fn read(storage: &dyn Storage, log: LogId, seq: u64) -> Result<Found, StorageError> {
    let damaged = || StorageError::Index("the position of an entry is damaged".to_owned());
    let Some(bytes) = storage.get(&rows::entry_key(table::ENTRY, log, seq))? else {
        return Ok(Found::Other);
    };
    let lsn = Lsn(u64::from_be_bytes(bytes.try_into().map_err(|_| damaged())?));
    let Ok(frame) = storage.frame(lsn) else { return Ok(Found::Nothing) };
    let entry = Entry::parse(frame.payload).ok().filter(|_| frame.kind == FRAME_ENTRY);
    let entry = entry.filter(|entry| (entry.header().log, entry.header().seq) == (log, seq));
    Ok(entry.map_or(Found::Other, |entry| Found::Entry(Box::new(entry))))
}
