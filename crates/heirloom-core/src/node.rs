//! The node: it only routes between its parts.

use crate::collection::Collection;
use crate::command::{Answer, Command, Event, Failure, Level, Wait};
use crate::dialer::{Dialer, Source};
use crate::failure;
use crate::fetches::Fetches;
use crate::input::{AppendError, CommandId, Effect, EffectId, Input, PairingId};
use crate::journal::Journal;
use crate::local::{Ground, LocalState, Place};
use crate::membership::Membership;
use crate::random::Random;
use crate::rows;
use crate::storage::{Frame, Lsn, Storage, StorageError};
use crate::waits::Waits;
use arrears::Arrears;
use checkpoints::Checkpoints;
use conduct::Conduct;
use heirloom_base::{AccountId, ChunkId, DeviceId, LogId, Now, SpaceId};
use heirloom_identity::{DeviceKeys, Role};
use heirloom_sync::{Entry, Replication};
use preview::Preview;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod again;
mod agenda;
mod arrears;
mod belonging;
mod breaches;
mod checkpoints;
mod clocks;
mod conduct;
mod damage;
mod deferred;
mod disowned;
mod entries;
mod exchange;
mod forks;
mod importing;
mod landed;
mod listing;
mod members;
mod open;
mod pairing;
mod preview;
mod quarantine;
mod records;
mod report;
mod settle;
mod stalls;
mod stranded;
mod together;
mod versions;
mod writing;

pub use belonging::{Belonging, Provenance, Trace};
pub use damage::Fit;
pub use open::OpenNodeError;
pub(crate) use settle::FRAME_ROSTER;

/// What a node is given when it starts.
#[derive(Debug)]
pub struct NodeConfig {
    /// This device's keys.
    pub device: DeviceKeys,
    /// Fresh random bytes.
    pub seed: [u8; 32],
    /// Whether there is a network: without one, nothing that needs a peer waits for it.
    pub networked: bool,
    /// Whether the end of the log was damaged: this device's log is not
    /// continued then, because what it had sent may be forgotten.
    pub fresh_incarnation: bool,
    /// Where the folder lies, if that can be told. In another place than
    /// before it is a copy, and the log is not continued either.
    pub place: Option<Place>,
    /// The files of the log, in order. Where the one that it ended in is another
    /// than before, the log was put back, and is not continued either.
    pub grounds: Vec<Ground>,
    /// Entries of one log that arrive together from which on the changes of
    /// records that are here are applied later: [`ARREARS_FROM`](heirloom_base::limits::ARREARS_FROM).
    pub arrears_from: usize,
    /// Entries since the last checkpoint from which on another one is made:
    /// [`CHECKPOINT_FROM`](heirloom_base::limits::CHECKPOINT_FROM).
    pub checkpoint_from: u64,
    /// Milliseconds without a new change before one is made or signed:
    /// [`CHECKPOINT_QUIET_MS`](heirloom_base::limits::CHECKPOINT_QUIET_MS).
    pub checkpoint_quiet_ms: u64,
}

/// A frame on its way to the disk, with what it means.
#[derive(Debug)]
pub(crate) enum PendingFrame {
    /// An entry, ours or not.
    Entry(Box<Entry>),
    /// A roster operation that the roster already holds.
    RosterOp(Vec<u8>),
    /// Own state.
    Local(LocalState),
}

impl PendingFrame {
    /// Returns the bytes of an entry; the others are small.
    fn size(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.bytes().len(),
            Self::RosterOp(_) | Self::Local(_) => 0,
        }
    }

    fn to_frame(&self) -> Frame {
        match self {
            Self::Entry(entry) => {
                Frame { kind: settle::FRAME_ENTRY, payload: entry.bytes().to_vec() }
            }
            Self::RosterOp(bytes) => Frame { kind: settle::FRAME_ROSTER, payload: bytes.clone() },
            Self::Local(state) => state.to_frame(),
        }
    }
}

/// The answer to a write that is on its way to the disk.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) id: CommandId,
    pub(crate) answer: Box<Answer>,
    pub(crate) wait: Wait,
}

/// What to do when an append ended.
#[derive(Debug)]
pub(crate) enum Then {
    /// Nothing.
    Rest,
    /// Answer writes.
    Answer(Vec<Owed>),
    /// Send the grant of a pairing.
    Grant(PairingId),
    /// Acknowledge a recovery.
    Acknowledge(PairingId),
    /// The start is recorded: conversations may begin.
    Started,
    /// So many records that the disk had lost stand again.
    WrittenAgain(usize),
}

impl Then {
    /// Returns whether somebody waits until others hold what is written.
    fn is_waited_for_elsewhere(&self) -> bool {
        matches!(self, Self::Answer(owed) if owed.iter().any(|owed| owed.wait.level != Level::Local))
    }
}

#[derive(Debug)]
pub(crate) struct PendingAppend {
    pub(crate) frames: Vec<PendingFrame>,
    pub(crate) then: Then,
}

/// One device's node.
#[derive(Debug)]
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) account: AccountId,
    pub(crate) space: SpaceId,
    pub(crate) random: Random,
    pub(crate) membership: Membership,
    pub(crate) replication: Replication,
    pub(crate) journal: Journal,
    pub(crate) collection: Collection,
    pub(crate) waits: Waits,
    pub(crate) dialer: Dialer,
    pub(crate) fetches: Fetches,
    pub(crate) appends: BTreeMap<EffectId, PendingAppend>,
    /// The chunks on their way to the disk: some may be missed.
    giving_back: BTreeMap<EffectId, BTreeSet<ChunkId>>,
    landed: Option<landed::Landed>,
    /// Whether what the disk has lost is being written again; commands wait for it.
    is_writing_again: bool,
    /// Why the disk refused the last write, where it did.
    refused: Option<String>,
    /// Whether the disk refused to have something given up.
    owes_giving_up: bool,
    /// The ends of logs that are to be given up; commands wait for that too.
    leaving: BTreeMap<LogId, disowned::Leaving>,
    /// Whether it may show now what is lost for good: see [`Node::write_again`].
    owes_look_for_lost: bool,
    /// Whether the log says that frames of it were lost once.
    has_lost: bool,
    together: together::Together,
    /// Frames that must precede the next append.
    pub(crate) prelude: Vec<PendingFrame>,
    /// Entries that arrived and are to be stored together.
    pub(crate) arrived: Vec<PendingFrame>,
    /// Whether something was taken in and what follows from it is still to be done.
    pub(crate) owes_turn: bool,
    /// Inputs that came before the start was recorded.
    pub(crate) deferred: Vec<Input>,
    pub(crate) started: bool,
    /// When the start is to be recorded again, where the disk refused it.
    pub(crate) start_again_ms: Option<u64>,
    pub(crate) last_seen: BTreeMap<DeviceId, u64>,
    pub(crate) conduct: Conduct,
    pub(crate) sources: BTreeSet<DeviceId>,
    /// Whether it was told that this device is out; absent before the start.
    pub(crate) told_out: Option<bool>,
    /// The logs of this device that its log named since the start.
    pub(crate) own_logs: BTreeSet<LogId>,
    /// The logs of which entries behind a hole are here.
    pub(crate) holed: BTreeSet<LogId>,
    pub(crate) arrears: Arrears,
    pub(crate) checkpoints: Checkpoints,
    /// The checkpoint that is shown until its entries are here.
    pub(crate) preview: Option<Preview>,
    pub(crate) listening: Vec<String>,
    /// When progress was last told.
    pub(crate) progress_ms: u64,
    next_effect: u64,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

impl Node {
    /// Returns the position up to which the index knows the log.
    ///
    /// # Errors
    /// When the index cannot be read, or is of another layout.
    pub fn applied(storage: &dyn Storage) -> Result<Option<Lsn>, StorageError> {
        storage.get(rows::APPLIED)?.map(|value| rows::applied_from(&value)).transpose()
    }

    /// Returns the account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Returns this device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.config.device.id()
    }

    /// Returns whether the roster names this device at all: it always does,
    /// unless a part of the log is lost.
    #[must_use]
    pub fn knows_itself(&self) -> bool {
        self.membership.roster.state().devices.contains_key(&self.device())
    }

    /// Returns this device's role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.membership.role(self.device())
    }

    /// Returns whether this device holds no content key.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.membership.keyring.is_none()
    }

    /// Returns how far each log is durably held here.
    #[must_use]
    pub fn held(&self) -> heirloom_sync::VersionVector {
        self.replication.vector()
    }

    /// Returns whether this device was taken out of the account.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.membership.is_out(self.device())
    }

    /// Returns whether this device may let others in.
    #[must_use]
    pub fn may_invite(&self) -> bool {
        self.membership.is_admin(self.device())
    }

    /// Takes in something that happened, and does what follows from it.
    ///
    /// # Errors
    /// When the index failed: open the node again over a rebuilt one.
    pub fn handle_input(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        input: Input,
    ) -> Result<(), StorageError> {
        self.take_in(now, storage, input)?;
        self.turn(now, storage)
    }

    /// Takes in something that happened. What follows from it, and from more that
    /// happens at the same time, is done once, by [`Node::handle_timeout`], which
    /// is due at once.
    ///
    /// # Errors
    /// As [`Node::handle_input`].
    pub fn take_in(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        input: Input,
    ) -> Result<(), StorageError> {
        self.conduct.now = now;
        self.settle_landed(now, storage)?;
        self.take_deferred(now, storage)?;
        self.owes_turn = true;
        let is_conversation =
            matches!(input, Input::PeerUp { .. } | Input::PeerDown { .. } | Input::Frame { .. });
        let is_command = matches!(input, Input::Command { .. });
        if is_conversation && !self.started || is_command && self.is_giving_up() {
            self.defer(input);
            return Ok(());
        }
        if matches!(input, Input::Appended { result: Err(_), .. }) {
            // What arrived before is on its way like what was refused.
            self.store_arrived();
        }
        self.route(now, storage, input)?;
        self.drain(now, storage)
    }

    fn route(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        input: Input,
    ) -> Result<(), StorageError> {
        match input {
            Input::Command { id, command } => self.asked(now, storage, id, command),
            Input::PeerUp { device } => self.peer_up(now, storage, device),
            Input::PeerDown { device } => self.peer_down(now, storage, device),
            Input::Frame { device, bytes } => self.receive(now, storage, device, &bytes),
            Input::Hello { id, device, bytes } => {
                self.receive_presentation(now, id, device, &bytes);
                Ok(())
            }
            Input::HelloAnswer { device, bytes } => {
                self.receive_answer(now, device, &bytes);
                Ok(())
            }
            Input::Pairing { id, device, bytes } => {
                self.receive_pairing(now, id, device, &bytes);
                Ok(())
            }
            Input::PairingClosed { id } => {
                self.membership.close(id);
                Ok(())
            }
            Input::Appended { id, result } => self.appended(now, storage, id, result),
            Input::Fetched { id, chunks, lacked, wrong } => {
                self.judge_fetch(id, &chunks, &lacked, &wrong);
                self.fetched(now, storage, id, &chunks)
            }
            Input::ChunksLost { chunks } => self.chunks_lost(now, storage, &chunks),
            Input::NetworkChanged { addresses } => {
                self.listen(now, addresses);
                self.dialer.hurry(now);
                Ok(())
            }
            Input::Listening { addresses } => {
                self.listen(now, addresses);
                Ok(())
            }
            Input::Seen { device, addresses } => {
                self.learn(now, device, &addresses, Source::Others);
                Ok(())
            }
            Input::Reached { device, addresses } => {
                self.learn(now, device, &addresses, Source::Itself);
                Ok(())
            }
            Input::Coming { device } => {
                self.replication.coming(now, device);
                Ok(())
            }
            Input::Broke { device, what } => {
                if self.membership.is_peer(device) {
                    self.breach(device, what);
                }
                Ok(())
            }
            Input::Way { device, relayed, addresses } => {
                self.learn(now, device, &addresses, Source::Itself);
                self.dialer.rerouted(now, device, relayed);
                Ok(())
            }
        }
    }

    /// Does what time asks for.
    ///
    /// # Errors
    /// As [`Node::handle_input`].
    pub fn handle_timeout(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        self.turn(now, storage)
    }

    /// Returns the monotonic milliseconds at which [`Node::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let parts = [
            self.owes_turn.then_some(0),
            self.replication.poll_timeout(),
            self.waits.poll_timeout(),
            self.membership.poll_timeout(),
            self.fetches.poll_timeout(),
            self.start_again_ms,
            self.conduct.poll_timeout(),
            if self.is_showing() { None } else { self.arrears.poll_timeout() },
            self.checkpoints.poll_timeout(),
            self.preview.as_ref().and_then(Preview::poll_timeout),
            if self.config.networked { self.dialer.poll_timeout() } else { None },
        ];
        parts.into_iter().flatten().min()
    }

    /// Returns the next effect to carry out.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns the next event for whoever watches.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns whether writes are on their way to the disk.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        !self.appends.is_empty() || self.landed.is_some() || !self.arrived.is_empty()
    }

    /// Returns the devices whose entries were taken in since the start.
    #[must_use]
    pub fn sources(&self) -> Vec<DeviceId> {
        self.sources.iter().copied().collect()
    }

    fn handle_command(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        command: Command,
    ) -> Result<(), StorageError> {
        self.catch_up_for(storage, &command)?;
        if let Err(Refusal::Failure(failure)) = self.needs_all(storage, &command) {
            self.reply(id, Err(*failure));
            return Ok(());
        }
        let outcome = match command {
            Command::Status => self.status(now, storage).map(Some),
            Command::Digest => self.digest(storage).map(Some),
            Command::Devices => self.devices(storage).map(Some),
            Command::Rename { device, name } => self.rename(now, id, &device, &name),
            Command::Revoke { device } => self.revoke(now, id, &device),
            Command::Accept { device } => self.accept(now, id, &device),
            Command::Reset { phrase, keep } => self.reset(now, id, &phrase, &keep),
            Command::Invite { role, ttl_ms } => self.invite(now, &role, ttl_ms).map(Some),
            Command::Sync { timeout_ms } => self.sync(now, id, timeout_ms),
            Command::List { category, search, deleted, after, limit } => {
                let (shown, wanted) = (self.shown(storage), (search.as_deref(), deleted));
                self.list(&shown, &category, wanted, after.as_deref(), limit).map(Some)
            }
            Command::Occurrences(wanted) => {
                self.occurrences(now, &self.shown(storage), &wanted).map(Some)
            }
            Command::Show { category, id } => self.show(storage, &category, &id).map(Some),
            Command::History { category, id } => self.history(storage, &category, &id).map(Some),
            Command::Conflicts { category, id } => {
                self.conflicts(storage, &category, id.as_deref()).map(Some)
            }
            Command::Export { category, after, limit } => {
                self.export(&self.shown(storage), &category, after.as_deref(), limit).map(Some)
            }
            Command::Quarantine { after, limit } => {
                self.quarantined(storage, after.as_deref(), limit).map(Some)
            }
            Command::Add { .. }
            | Command::Set { .. }
            | Command::Delete { .. }
            | Command::Restore { .. }
            | Command::Resolve { .. }
            | Command::Import { .. } => self.write_command(now, storage, id, command),
        };
        match outcome {
            Ok(Some(answer)) => self.reply(id, Ok(answer)),
            Ok(None) => {}
            Err(Refusal::Failure(failure)) => self.reply(id, Err(*failure)),
            Err(Refusal::Storage(error)) => {
                self.reply(id, Err(failure::storage(&error)));
                return Err(error);
            }
        }
        Ok(())
    }

    pub(crate) fn reply(&mut self, id: CommandId, result: Result<Answer, Failure>) {
        self.effect(Effect::Reply { id, result: Box::new(result) });
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Queues frames for the disk; the node goes on when they are durable.
    pub(crate) fn append(
        &mut self,
        chunks: Vec<(ChunkId, Vec<u8>)>,
        frames: Vec<PendingFrame>,
        then: Then,
    ) {
        let mut all = std::mem::take(&mut self.prelude);
        all.extend(frames);
        let id = self.effect_id();
        let bytes = all.iter().map(PendingFrame::to_frame).collect();
        self.appends.insert(id, PendingAppend { frames: all, then });
        if !chunks.is_empty() {
            let ids = chunks.iter().map(|(chunk, _)| *chunk).collect();
            self.giving_back.insert(id, ids);
        }
        self.effect(Effect::Append { id, chunks, frames: bytes });
    }

    pub(crate) fn effect_id(&mut self) -> EffectId {
        self.next_effect += 1;
        EffectId(self.next_effect)
    }

    fn appended(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: EffectId,
        result: Result<Vec<Lsn>, AppendError>,
    ) -> Result<(), StorageError> {
        let is_durable = result.is_ok();
        match (self.appends.remove(&id), result) {
            (Some(append), Ok(lsns)) => {
                self.refused = None;
                self.land(now, append, lsns);
            }
            (Some(append), Err(error)) => self.append_failed(now, append, &error),
            (None, _) => {}
        }
        match self.giving_back.remove(&id) {
            Some(chunks) if is_durable => self.given_back(now, storage, id, &chunks),
            Some(_) | None => Ok(()),
        }
    }
}

impl Node {
    /// Notes that chunks are durable which may have been missed: a photo that is
    /// imported again comes back where the disk had lost it.
    fn given_back(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: EffectId,
        chunks: &BTreeSet<ChunkId>,
    ) -> Result<(), StorageError> {
        let missing = self.replication.chunks_missing();
        let found: Vec<ChunkId> = missing.intersection(chunks).copied().collect();
        if found.is_empty() {
            return Ok(());
        }
        self.settle_landed(now, storage)?;
        self.fetched(now, storage, id, &found)
    }
}

/// Why a command has no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The user is told.
    Failure(Box<Failure>),
    /// The index must be rebuilt.
    Storage(StorageError),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

#[cfg(test)]
mod tests;
