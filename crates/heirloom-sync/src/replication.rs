//! Who holds which entries, and what must travel.

use crate::bundle;
use crate::disowned::Word;
use crate::entry::Entry;
use crate::ledger::{Contradiction, Ledger};
use crate::message::{Hello, Hole, Message, Reachable, VERSIONS};
use crate::session::{Conversation, Session};
use crate::vector::{Tip, VersionVector};
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{
    AccountId, ChunkId, DeviceId, EntryId, Incarnation, LogId, Now, OpId, SpaceId, limits,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use words::{Finding, Words};

mod ahead;
mod arriving;
mod crowd;
mod disown;
mod doubles;
pub(crate) mod floods;
mod forks;
mod holding;
mod lives;
mod pause;
mod receipts;
pub(crate) mod relay;
pub(crate) mod talk;
mod trace;
mod way;
pub(crate) mod words;

/// How far one log is held here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Whose log it is.
    pub device: DeviceId,
    /// Last entry handed out for storing; equals `durable` at rest.
    pub staged: u64,
    /// Its id.
    pub staged_id: EntryId,
    /// Last durable entry.
    pub durable: u64,
    /// Its id.
    pub durable_id: EntryId,
    /// Durable entries that refer to chunks that are not here yet.
    pub incomplete: BTreeMap<u64, BTreeSet<ChunkId>>,
}

impl LogState {
    /// Returns the state of a log that is not held at all.
    #[must_use]
    pub fn empty(device: DeviceId) -> Self {
        Self::at(device, 0, EntryId([0; 32]))
    }

    /// Returns the state of a log that is durably held up to `seq`.
    #[must_use]
    pub fn at(device: DeviceId, seq: u64, id: EntryId) -> Self {
        Self {
            device,
            staged: seq,
            staged_id: id,
            durable: seq,
            durable_id: id,
            incomplete: BTreeMap::new(),
        }
    }

    /// Returns the last entry before the first one that lacks a chunk.
    fn complete(&self) -> u64 {
        self.incomplete.first_key_value().map_or(self.durable, |(seq, _)| seq - 1)
    }
}

/// What the replication wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a peer.
    Send(DeviceId, Message),
    /// Store a verified entry; [`Replication::durable`] follows.
    Store {
        /// The entry.
        entry: Box<Entry>,
        /// Who showed it.
        from: DeviceId,
    },
    /// A peer holds entries of this device's own log that are not here: the
    /// folder was rolled back, so the log must not be continued.
    RolledBack(LogId),
    /// Two entries of a log share one sequence number.
    Forked(LogId, u64),
    /// An entry of the other end of a log of this device, signed by it: see
    /// [`Replication::trace`].
    OtherEnd(Box<Entry>),
    /// A peer showed the last entry that it holds of a log of which more is here:
    /// [`Replication::compare_end`] follows with the one that stands in its place.
    Compare(Box<Entry>),
    /// A peer broke the rules.
    Offence(DeviceId, &'static str),
    /// A peer does not answer any more: the conversation must begin anew.
    Stalled(DeviceId),
    /// So much was asked for again that the next request would be an offence:
    /// the conversation must begin anew, and its hello asks for everything.
    AskedOut(DeviceId),
    /// A receipt of a device is news: keep it.
    Receipt(DeviceId, Vec<u8>),
    /// A device has signed what cannot be true: keep the proof.
    Contradiction(DeviceId, Contradiction),
    /// The lives of its store that a device has shown itself, the earliest first: keep
    /// them.
    Lives(DeviceId, Vec<Incarnation>),
    /// A device's own words say so, without a proof to show others.
    Found(DeviceId, Finding),
    /// A peer's hello is of versions that are not spoken here: older ones, or newer.
    OtherVersion(DeviceId, bool),
}

/// The replication of one space on one device.
#[derive(Debug)]
pub struct Replication {
    account: AccountId,
    space: SpaceId,
    device: DeviceId,
    generation: Incarnation,
    counter: u64,
    logs: BTreeMap<LogId, LogState>,
    own_log: Option<LogId>,
    /// Logs of which another end than ours is about.
    forked: BTreeSet<LogId>,
    /// Logs of this device whose other end is being looked for, with whom, and behind
    /// which entry.
    traced: BTreeMap<LogId, (DeviceId, u64)>,
    /// Ends of logs that their authors gave up.
    disowned: BTreeMap<LogId, Vec<Word>>,
    /// Logs of which an end is about to be given up.
    halted: BTreeSet<LogId>,
    /// Logs that are taken in however many their devices have.
    named: BTreeSet<LogId>,
    /// Logs that are here and that nobody is told of.
    untold: BTreeSet<LogId>,
    sessions: BTreeMap<DeviceId, Session>,
    ledger: Ledger,
    /// What each device said of itself, beside its newest receipt.
    words: BTreeMap<DeviceId, Words>,
    /// What others had seen of this device's log.
    sights: lives::Sights,
    /// Counts conversations and receipts, to tell what was before what.
    moment: u64,
    outputs: VecDeque<Output>,
    urgent: bool,
    unreceipted: usize,
    receipt_due_ms: Option<u64>,
    /// Until when nothing is taken in, because the disk refused it.
    paused_until_ms: Option<u64>,
    /// When the last receipt went to everybody who was there.
    receipt_sent_ms: Option<u64>,
    /// Until when packs go before entries; 0 when that is over.
    way_until_ms: Option<u64>,
}

impl Replication {
    /// Returns the replication of `space` on `device`.
    ///
    /// [`Replication::set_receipts`] follows before the first conversation.
    #[must_use]
    pub fn new(account: AccountId, space: SpaceId, device: DeviceId) -> Self {
        Self {
            account,
            space,
            device,
            generation: Incarnation([0; 16]),
            counter: 0,
            logs: BTreeMap::new(),
            own_log: None,
            forked: BTreeSet::new(),
            traced: BTreeMap::new(),
            disowned: BTreeMap::new(),
            halted: BTreeSet::new(),
            named: BTreeSet::new(),
            untold: BTreeSet::new(),
            sessions: BTreeMap::new(),
            ledger: Ledger::default(),
            words: BTreeMap::new(),
            sights: lives::Sights::default(),
            moment: 0,
            outputs: VecDeque::new(),
            urgent: false,
            unreceipted: 0,
            receipt_due_ms: None,
            paused_until_ms: None,
            receipt_sent_ms: None,
            way_until_ms: None,
        }
    }

    /// Continues the receipts of a store's life: `counter` must not be below
    /// any that was used in this generation.
    pub fn set_receipts(&mut self, generation: Incarnation, counter: u64) {
        self.generation = generation;
        self.counter = counter;
    }

    /// Sets how far a log is held, at start.
    pub fn load_log(&mut self, log: LogId, state: LogState) {
        self.logs.insert(log, state);
    }

    /// Names the log that this device writes; another one ends its being written.
    pub fn set_own_log(&mut self, log: LogId) {
        self.own_log = Some(log);
    }

    /// Returns the copies ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns how far a log is held.
    #[must_use]
    pub fn log(&self, log: LogId) -> Option<&LogState> {
        self.logs.get(&log)
    }

    /// Returns whether another end of a log than the one held here is about.
    #[must_use]
    pub fn is_forked(&self, log: LogId) -> bool {
        self.forked.contains(&log)
    }

    /// Returns all logs.
    pub fn logs(&self) -> impl Iterator<Item = (LogId, &LogState)> {
        self.logs.iter().map(|(log, state)| (*log, state))
    }

    /// Returns what is durable here.
    #[must_use]
    pub fn vector(&self) -> VersionVector {
        if is_planted(Bug::VectorEarly) {
            return self.vector_of(|state| state.staged);
        }
        self.vector_of(|state| state.durable)
    }

    fn vector_of(&self, seq: impl Fn(&LogState) -> u64) -> VersionVector {
        let held = self.logs.iter().map(|(log, state)| (log, state, seq(state)));
        let told = held.filter(|(log, _, seq)| *seq > 0 && !self.untold.contains(log));
        let tips = told.map(|(log, state, seq)| {
            // A tip before the durable end is named by its number alone: its
            // id is not at hand and no decision needs it.
            let known = seq == state.durable;
            let id = if known { state.durable_id } else { EntryId([0; 32]) };
            (*log, Tip::new(seq, id))
        });
        VersionVector { tips: tips.collect() }
    }

    /// Begins a conversation: queues our hello. `holes` are those behind which
    /// this device has entries that do not count yet.
    pub fn peer_up(
        &mut self,
        now: Now,
        device: DeviceId,
        roster_heads: Vec<OpId>,
        reachable: Vec<Reachable>,
        holes: Vec<Hole>,
    ) {
        self.settle_told();
        let mut session = Session::begun(now).promised(self.ledger.receipt(device));
        session.known = self.ledger.receipt(device).cloned();
        (session.sure, session.moment) = self.begin_words(now, device);
        session.told_holes = holes.iter().map(|hole| hole.log).collect();
        self.sessions.insert(device, session);
        let hello = Hello {
            versions: VERSIONS,
            space: self.space,
            roster_heads,
            vector: self.vector(),
            holes,
            checkpoints: Vec::new(),
            reachable,
        };
        self.send(device, Message::Hello(hello));
    }

    /// Notes that a long message of a peer is on its way.
    pub fn coming(&mut self, now: Now, device: DeviceId) {
        self.heard(now, device);
        if let Some(session) = self.sessions.get_mut(&device) {
            session.coming(now);
        }
    }

    /// Ends a conversation.
    pub fn peer_down(&mut self, device: DeviceId) {
        self.sessions.remove(&device);
        self.trace_no_more(device);
        // Nobody waits for who is gone.
        for session in self.sessions.values_mut().filter(|session| !session.held.is_empty()) {
            session.held_until_ms = Some(0);
        }
    }

    /// Returns the peers in conversation.
    pub fn peers(&self) -> impl Iterator<Item = DeviceId> {
        self.sessions.keys().copied()
    }

    /// Returns what the conversation with a peer waits for, if there is one.
    #[must_use]
    pub fn conversation(&self, device: DeviceId) -> Option<Conversation> {
        self.sessions.get(&device).map(|session| Conversation {
            awaited_since_ms: session
                .awaited_since_ms
                .into_iter()
                .chain(session.talk.asked_ms)
                .min(),
            sent_ms: session.sent_ms,
            refuses_since_ms: session.refuses_since_ms(),
        })
    }

    /// Returns the peers that said hello.
    pub fn peers_ready(&self) -> impl Iterator<Item = DeviceId> {
        self.sessions.iter().filter(|(_, session)| session.ready).map(|(device, _)| *device)
    }

    /// Takes in a peer's hello; the roster in it is the caller's.
    pub fn receive_hello(&mut self, now: Now, device: DeviceId, hello: &Hello) {
        if hello.space != self.space {
            return self.offence(device, "a hello of another space");
        }
        if let Some(is_newer) = other_version(hello.versions) {
            return self.outputs.push_back(Output::OtherVersion(device, is_newer));
        }
        if hello.vector.is_absurd() {
            return self.offence(device, "a hello with entries that no log can have");
        }
        self.agree(device, &hello.vector);
        let owes = self.owes(device);
        let Some(session) = self.sessions.get_mut(&device) else { return };
        session.greet(now, hello);
        self.claimed(now, device, owes);
        self.show_ends(device, &hello.vector);
        self.greet_words(device, &hello.vector);
        let receipts: Vec<Vec<u8>> = self
            .ledger
            .signed()
            .filter(|(holder, _)| *holder != device)
            .map(|(_, bytes)| bytes.to_vec())
            .collect();
        if !receipts.is_empty() {
            self.send(device, Message::Receipts(receipts));
        }
        self.receipt_due_ms = Some(0);
    }

    /// Takes in credit.
    pub fn receive_credit(&mut self, now: Now, from: DeviceId, entries: u32, bytes: u64) {
        let is_absurd =
            entries as usize > limits::CREDIT_ENTRIES || bytes > limits::FRAME_BYTES_MAX as u64;
        if is_absurd {
            return self.offence(from, "credit for more than one message can carry");
        }
        if let Some(session) = self.sessions.get_mut(&from) {
            session.credit(now, entries, bytes);
        }
    }

    /// Takes in a request to send a log again.
    pub fn receive_want(&mut self, now: Now, from: DeviceId, log: LogId, after: u64) {
        let Some(session) = self.sessions.get_mut(&from) else { return };
        session.wants = session.wants.saturating_add(1);
        if session.wants > limits::WANTS_MAX {
            return self.offence(from, "the same logs asked for again and again");
        }
        session.wants_again(now, log, after);
        session.next.insert(log, after);
        session.asked_again.insert(log);
        session.stops.remove(&log);
        session.declines.remove(&log);
    }

    /// Notes that a peer asks for entries before their turn; returns whether it
    /// may, which is once in a conversation.
    pub fn may_ask_tail(&mut self, from: DeviceId) -> bool {
        let Some(session) = self.sessions.get_mut(&from) else { return false };
        session.tails = session.tails.saturating_add(1);
        let may = session.tails == 1;
        if session.tails > limits::TAILS_MAX {
            self.offence(from, "entries asked for before their turn again and again");
        }
        may
    }

    /// Tells those who send no more than a hole of a log that it is filled, and
    /// how far the log is held now.
    pub fn filled(&mut self, log: LogId) {
        let Some(after) = self.logs.get(&log).map(|state| state.durable) else { return };
        let told: Vec<DeviceId> = self
            .sessions
            .iter_mut()
            .filter_map(|(device, session)| session.told_holes.remove(&log).then_some(*device))
            .collect();
        for device in told {
            self.ask_again(device, vec![(log, after)]);
        }
    }

    /// Makes what is sent next urgent: somebody here waits for receipts.
    pub fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Returns when [`Replication::send_receipt`], [`Replication::resume`],
    /// [`Replication::ask_silent`] or [`Replication::find_stalls`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let ready = self.sessions.values().any(|session| session.ready);
        let may_say = ready && self.halted.is_empty();
        let receipt = if may_say { self.receipt_due_ms } else { None };
        self.sessions
            .values()
            .filter_map(Session::stalled_ms)
            .chain(receipt)
            .chain(self.paused_until_ms)
            .chain(self.sessions.values().filter_map(|session| session.held_until_ms))
            .chain(self.sessions.values().flat_map(Session::relays_ms))
            .chain(self.sessions.values().filter_map(Session::receipts_ms))
            .chain(self.ask_silent_ms())
            .min()
    }

    /// Gives up the conversations in which an answer is overdue.
    pub fn find_stalls(&mut self, now: Now) {
        for (device, session) in &mut self.sessions {
            if session.stalled_ms().is_some_and(|due| due <= now.mono_ms) {
                session.awaited_since_ms = None;
                session.talk.asked_ms = None;
                self.outputs.push_back(Output::Stalled(*device));
            }
        }
    }

    /// Sends every peer what it lacks, as far as its credit goes.
    ///
    /// `read` returns the bytes of a durable entry; a log whose entry cannot
    /// be read is passed over.
    pub fn pump(&mut self, now: Now, read: &mut dyn FnMut(LogId, u64) -> Option<Vec<u8>>) {
        let peers: Vec<DeviceId> = self.peers_ready().collect();
        let present = self.logs_of_present();
        for peer in peers {
            while let Some(entries) = self.next_entries(now, peer, &present, read) {
                let unpacks = self.sessions.get(&peer).is_some_and(|session| session.unpacks);
                self.send(peer, entries_message(unpacks, self.urgent, entries));
            }
        }
        self.urgent = false;
    }

    fn next_entries(
        &mut self,
        now: Now,
        peer: DeviceId,
        present: &BTreeSet<LogId>,
        read: &mut dyn FnMut(LogId, u64) -> Option<Vec<u8>>,
    ) -> Option<Vec<Vec<u8>>> {
        let session = self.sessions.get_mut(&peer)?;
        let mut entries = Vec::new();
        let mut size = 0;
        for (log, state) in &self.logs {
            let is_silent = self.untold.contains(log) || session.declines.contains(log);
            if is_silent || self.traced.contains_key(log) || self.halted.contains(log) {
                continue;
            }
            let is_present = present.contains(log) && state.device != peer;
            let last = session.may_relay(now, *log, state.durable, is_present);
            while session.next(*log) < last.min(session.stop(*log)) {
                let seq = session.next(*log) + 1;
                let Some(bytes) = read(*log, seq) else { break };
                let length = bytes.len() as u64;
                let full = size > 0 && size + bytes.len() > session.message_bytes;
                if full || !session.has_credit(length) {
                    return (!entries.is_empty()).then_some(entries);
                }
                session.spend(now, *log, seq, length);
                size += bytes.len();
                entries.push(bytes);
            }
        }
        (!entries.is_empty()).then_some(entries)
    }

    /// Returns how many entries a peer has not acknowledged, and how many it
    /// claims to hold that are not durable here.
    #[must_use]
    pub fn distance(&self, peer: DeviceId) -> (u64, u64) {
        // Of a log with two ends nobody gets the other one.
        let one_end = |mut vector: VersionVector| {
            vector.tips.retain(|log, _| !self.forked.contains(log));
            vector
        };
        let ours = one_end(self.vector());
        let receipted = self.ledger.receipt(peer).map(|receipt| one_end(receipt.vector.clone()));
        let receipted = receipted.unwrap_or_default();
        let diverged: u64 = receipted
            .tips
            .keys()
            .filter(|log| !self.is_ours(**log, &receipted))
            .map(|log| ours.seq(*log).min(receipted.seq(*log)))
            .sum();
        let session = self.sessions.get(&peer);
        let declines = session.map(|session| session.declines.clone()).unwrap_or_default();
        let behind = ours.entries_beyond_but(&receipted, &declines) + diverged;
        let ahead = session.map_or(0, |session| {
            let theirs = one_end(session.theirs.clone());
            theirs.entries_beyond_but(&ours, &self.passed_over(session))
        });
        (behind, ahead)
    }

    /// Tells every peer something.
    pub fn broadcast(&mut self, message: &Message) {
        let peers: Vec<DeviceId> = self.peers_ready().collect();
        for peer in peers {
            self.send(peer, message.clone());
        }
    }

    /// Sends one peer something.
    pub fn send(&mut self, device: DeviceId, message: Message) {
        self.outputs.push_back(Output::Send(device, message));
    }

    fn offence(&mut self, device: DeviceId, what: &'static str) {
        self.outputs.push_back(Output::Offence(device, what));
    }

    /// Returns the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// Returns whether the versions that a peer speaks are all newer than ours, or
/// older; nothing where they meet.
#[must_use]
pub fn other_version((lowest, highest): (u16, u16)) -> Option<bool> {
    let is_newer = lowest > VERSIONS.1;
    (is_newer || highest < VERSIONS.0).then_some(is_newer)
}

/// Returns the message that brings entries to a peer.
fn entries_message(unpacks: bool, urgent: bool, entries: Vec<Vec<u8>>) -> Message {
    match unpacks && bundle::is_worth(&entries) {
        true => Message::Packed { urgent, entries },
        false => Message::Entries { urgent, entries },
    }
}

#[cfg(test)]
mod tests;
