//! Opening a node over what its storage holds.

use super::damage::entries_with_chunks;
use super::settle::entry_at;
use super::{Node, NodeConfig, PendingFrame, Then};
use crate::collection::Collection;
use crate::command::Event;
use crate::dialer::{Dialer, Source};
use crate::fetches::Fetches;
use crate::journal::Journal;
use crate::local::LocalState;
use crate::membership::Membership;
use crate::random::Random;
use crate::rows::{self, LogRow, table};
use crate::storage::{Rows, Storage, StorageError};
use crate::view::{View, decode_row};
use crate::waits::Waits;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{AccountId, ChunkId, Decode, DeviceId, Incarnation, LogId, Now, SpaceId, hash};
use heirloom_identity::Roster;
use heirloom_sync::{LogState, Origin, Replication};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Receipts of one start, at most: the start's number stands above them.
const RECEIPTS_PER_START: u32 = 32;

/// Why a node cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenNodeError {
    /// The folder belongs to no account.
    #[error("the folder belongs to no account")]
    NoAccount,
    /// The index failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Returns the one space of an account.
#[must_use]
pub(crate) fn space_of(account: AccountId) -> SpaceId {
    SpaceId(hash::truncate(hash::content("space", &[&account.0])))
}

impl Node {
    /// Opens a node over the index of its storage. Where the index lags
    /// behind the log, [`Node::replay`] follows, and then [`Node::start`].
    ///
    /// # Errors
    /// When the index fails or knows no account: replay needs at least the
    /// first frames, which [`Node::account_in`] finds.
    pub fn open(
        now: Now,
        config: NodeConfig,
        storage: &mut dyn Storage,
    ) -> Result<Self, OpenNodeError> {
        let Some(LocalState::Account(account)) = local(storage, b"account")? else {
            return Err(OpenNodeError::NoAccount);
        };
        let mut node = Self::empty(config, account);
        node.load_local(now, storage)?;
        node.load_roster(storage)?;
        node.load_logs(storage)?;
        node.load_holes(storage)?;
        node.heed_words(storage)?;
        node.arrears.found();
        node.membership_changed(now);
        Ok(node)
    }

    /// Opens a node over an empty index: everything is replayed.
    #[must_use]
    pub fn open_empty(config: NodeConfig, account: AccountId) -> Self {
        Self::empty(config, account)
    }

    /// Returns the account that a frame of the log names, if it does.
    #[must_use]
    pub fn account_in(frame: &crate::storage::Frame) -> Option<AccountId> {
        if frame.kind != crate::local::FRAME_LOCAL {
            return None;
        }
        match LocalState::from_bytes(&frame.payload) {
            Ok(LocalState::Account(account)) => Some(account),
            _ => None,
        }
    }

    /// Returns the account that a frame of the log begins: what is left where the
    /// one that names it is lost.
    #[must_use]
    pub fn account_begun_in(frame: &crate::storage::Frame) -> Option<AccountId> {
        match frame.kind {
            super::settle::FRAME_ROSTER => Roster::begun_by(&frame.payload),
            _ => None,
        }
    }

    fn empty(config: NodeConfig, account: AccountId) -> Self {
        let space = space_of(account);
        let device = config.device.id();
        let random = Random::new(config.seed);
        Self {
            config,
            account,
            space,
            random,
            membership: Membership::new(account),
            replication: Replication::new(account, space, device),
            journal: Journal::default(),
            collection: Collection::default(),
            waits: Waits::default(),
            dialer: Dialer::default(),
            fetches: Fetches::default(),
            appends: BTreeMap::new(),
            giving_back: BTreeMap::new(),
            landed: None,
            together: super::together::Together::default(),
            is_writing_again: false,
            refused: None,
            owes_giving_up: false,
            leaving: BTreeMap::new(),
            owes_look_for_lost: false,
            has_lost: false,
            prelude: Vec::new(),
            arrived: Vec::new(),
            owes_turn: false,
            deferred: Vec::new(),
            started: false,
            start_again_ms: None,
            last_seen: BTreeMap::new(),
            conduct: super::Conduct::default(),
            sources: BTreeSet::new(),
            told_out: None,
            own_logs: BTreeSet::new(),
            holed: BTreeSet::new(),
            arrears: super::Arrears::default(),
            checkpoints: super::Checkpoints::default(),
            preview: None,
            listening: Vec::new(),
            progress_ms: 0,
            next_effect: 0,
            effects: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    fn load_local(&mut self, now: Now, storage: &dyn Storage) -> Result<(), StorageError> {
        for (_, bytes) in all_rows(storage, &[table::LOCAL])? {
            self.take_local(now, decode_row(&bytes)?);
        }
        Ok(())
    }

    /// Takes in a piece of own state, from the index or the log.
    pub(super) fn take_local(&mut self, now: Now, state: LocalState) {
        match state {
            LocalState::Incarnation(incarnation) => {
                let origin = Origin { device: self.device(), incarnation };
                let log = origin.log(self.space);
                self.journal.resume(incarnation, log);
                self.replication.set_own_log(log);
                self.own_logs.insert(log);
            }
            LocalState::Route { device, addresses } => {
                self.membership.note_route(device, addresses.clone());
                self.dialer.learn(now, device, &addresses, Source::Itself);
            }
            LocalState::Account(_)
            | LocalState::Generation(_)
            | LocalState::Starts(_)
            | LocalState::Place(_)
            | LocalState::Ground(_)
            | LocalState::Damage(_)
            | LocalState::GivenUp { .. } => {}
            LocalState::Lost { .. } => self.has_lost = true,
        }
    }

    fn load_roster(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        for (_, bytes) in all_rows(storage, &[table::ROSTER])? {
            self.membership
                .insert(&bytes)
                .map_err(|error| StorageError::Index(format!("a roster operation: {error}")))?;
        }
        Ok(())
    }

    fn load_logs(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        let mut logs: BTreeMap<LogId, LogState> = BTreeMap::new();
        for (key, bytes) in all_rows(storage, &[table::LOG])? {
            let row: LogRow = decode_row(&bytes)?;
            let Some(log) = key.get(1..).and_then(<[u8]>::first_chunk::<16>) else { continue };
            logs.insert(LogId(*log), LogState::at(row.device, row.seq, row.id));
        }
        for (log, seq, chunks) in entries_with_chunks(storage)? {
            let missing: BTreeSet<ChunkId> =
                chunks.into_iter().filter(|chunk| !storage.has_chunk(*chunk)).collect();
            if let Some(state) = logs.get_mut(&log).filter(|state| seq <= state.durable)
                && !missing.is_empty()
            {
                state.incomplete.insert(seq, missing);
            }
        }
        for (log, state) in logs {
            self.replication.load_log(log, state);
        }
        for (_, bytes) in all_rows(storage, &[table::RECEIPT])? {
            self.replication.load_receipt(bytes);
        }
        for (key, _) in all_rows(storage, &[table::FORKED])? {
            let log = key.get(1..).and_then(<[u8]>::first_chunk::<16>);
            if let Some(log) = log.copied().map(LogId) {
                self.replication.load_forked(log);
                self.conduct.load_forked(log);
            }
        }
        for (key, bytes) in all_rows(storage, &[table::LIVES])? {
            self.load_lives(&key, &bytes);
        }
        for (_, bytes) in all_rows(storage, &[table::CONTRADICTION])? {
            self.replication.load_contradiction(super::conduct::proof_from(&bytes)?);
        }
        Ok(())
    }

    /// Begins to work: to be called once, after the replay.
    ///
    /// The start is recorded first: the receipts of two starts must never
    /// share a number.
    ///
    /// # Errors
    /// When the index failed.
    pub fn start(&mut self, now: Now, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.own_index(storage)?;
        let (is_here, is_whole) = (self.settle_place(storage)?, self.settle_ground(storage)?);
        let continues = is_here && is_whole && !self.config.fresh_incarnation;
        let continues = continues || is_planted(Bug::ActorReused);
        self.observe_own_ends(storage);
        if !continues {
            self.begin_incarnation();
        }
        let generation = match local(storage, b"generation")? {
            Some(LocalState::Generation(generation)) if continues => generation,
            _ => {
                let generation = Incarnation(hash::truncate(self.random.bytes()));
                self.prelude.push(PendingFrame::Local(LocalState::Generation(generation)));
                generation
            }
        };
        let starts = starts(storage)? + 1;
        self.replication.set_receipts(generation, starts << RECEIPTS_PER_START);
        self.catch_up(storage)?;
        self.follow_roster(storage)?;
        self.retry_sealed(now, storage)?;
        self.show_stranded(storage)?;
        self.heed_words(storage)?;
        self.load_checkpoints(now, storage)?;
        self.load_preview(now, storage)?;
        // What the index had to be told again is no news.
        self.events.retain(|event| !matches!(event, Event::RecordsChanged { .. }));
        self.told_out = Some(false);
        self.membership_changed(now);
        if self.config.networked {
            let frames = vec![PendingFrame::Local(LocalState::Starts(starts))];
            self.append(Vec::new(), frames, Then::Started);
        } else {
            self.started = true;
        }
        self.write_again(now, storage)
    }

    /// Has the index say whose it is, where it does not.
    fn own_index(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        if storage.get(rows::OWNER)?.is_some() {
            return Ok(());
        }
        let mut view = View::new(storage);
        view.put_bytes(rows::OWNER.to_vec(), self.device().0.to_vec());
        view.commit(None)
    }

    /// Gives receipts of the generation that the log names now.
    pub(super) fn renew_receipts(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        if let Some(LocalState::Generation(generation)) = local(storage, b"generation")? {
            self.replication.set_receipts(generation, starts(storage)? << RECEIPTS_PER_START);
        }
        Ok(())
    }

    /// Goes on with the clock of this device's own logs, whatever the time is now.
    fn observe_own_ends(&mut self, storage: &dyn Storage) {
        for log in self.own_logs.clone() {
            let end = self.replication.log(log).map_or(0, |state| state.durable);
            if let Some(entry) = entry_at(storage, log, end) {
                self.journal.observe(entry.header().hlc);
            }
        }
    }

    /// Returns whether the folder lies where it lay; notes where it lies now.
    ///
    /// The note precedes the next append, as a new incarnation does: until
    /// both are durable, every start finds the copy again.
    fn settle_place(&mut self, storage: &dyn Storage) -> Result<bool, StorageError> {
        let Some(place) = self.config.place else { return Ok(true) };
        let known = match local(storage, b"place")? {
            Some(LocalState::Place(known)) => Some(known),
            _ => None,
        };
        if known == Some(place) {
            return Ok(true);
        }
        if known.is_some() {
            self.warn(
                "copied",
                "This folder was copied or put back: what it writes goes into a new log.",
            );
        }
        self.prelude.push(PendingFrame::Local(LocalState::Place(place)));
        Ok(known.is_none())
    }

    /// Returns whether the log ends in the file that it ended in, or in one behind
    /// it; notes which it is now.
    fn settle_ground(&mut self, storage: &dyn Storage) -> Result<bool, StorageError> {
        let known = match local(storage, b"ground")? {
            Some(LocalState::Ground(known)) => Some(known),
            _ => None,
        };
        let last = self.config.grounds.last().copied();
        if last != known {
            let note = last.map(|ground| PendingFrame::Local(LocalState::Ground(ground)));
            self.prelude.extend(note);
        }
        let Some(known) = known else { return Ok(true) };
        let now = self.config.grounds.iter().find(|ground| ground.segment == known.segment);
        // One that is missing is damage, which is told elsewhere.
        let is_replaced = now.is_some_and(|now| now.mark != known.mark);
        if is_replaced && !self.config.fresh_incarnation {
            self.warn(
                "copied",
                "The log of this folder was put back: what it writes goes into a new log.",
            );
        }
        Ok(!is_replaced)
    }

    /// Begins another log of this device, before anything else is written.
    pub(super) fn begin_incarnation(&mut self) {
        let incarnation = Incarnation(hash::truncate(self.random.bytes()));
        let log = Origin { device: self.device(), incarnation }.log(self.space);
        self.journal.resume(incarnation, log);
        self.replication.set_own_log(log);
        self.prelude.push(PendingFrame::Local(LocalState::Incarnation(incarnation)));
    }

    /// Returns the log that `device`'s records are attributed to, by log.
    pub(crate) fn device_of(&self, log: LogId) -> Option<DeviceId> {
        self.replication.log(log).map(|state| state.device)
    }

    /// As [`Self::device_of`], to be told: also of a log of which nothing is here
    /// but what a checkpoint shows.
    pub(crate) fn author_of(&self, log: LogId) -> Option<DeviceId> {
        self.device_of(log).or_else(|| self.preview.as_ref()?.device_of(log))
    }
}

impl Node {
    /// Returns whether the log beside an index tells of an earlier start.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn was_started_before(storage: &dyn Storage) -> Result<bool, StorageError> {
        Ok(starts(storage)? > 0)
    }
}

/// Returns how often the node was started before.
fn starts(storage: &dyn Storage) -> Result<u64, StorageError> {
    Ok(match local(storage, b"starts")? {
        Some(LocalState::Starts(starts)) => starts,
        _ => 0,
    })
}

/// Reads a piece of own state.
pub(super) fn local(
    storage: &dyn Storage,
    name: &[u8],
) -> Result<Option<LocalState>, StorageError> {
    let key = rows::key(table::LOCAL, &[name]);
    storage.get(&key)?.map(|bytes| decode_row(&bytes)).transpose()
}

/// Returns all rows of a table that fits into memory.
pub(super) fn all_rows(storage: &dyn Storage, prefix: &[u8]) -> Result<Rows, StorageError> {
    storage.scan(prefix, None, usize::MAX)
}
