//! Receipts: taking in those of others, and giving our own.

use super::{LogState, Output, Replication};
use crate::ledger::Contradiction;
use crate::message::Message;
use crate::receipt::Receipt;
use crate::session::{Session, Shortfall};
use crate::vector::VersionVector;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{ChunkId, DeviceId, LogId, Now, limits};
use heirloom_identity::DeviceKeys;
use std::collections::BTreeSet;

impl Replication {
    /// Reads receipts; `member` says whether a device counts.
    pub(super) fn read_receipts(
        &mut self,
        now: Now,
        from: DeviceId,
        receipts: Vec<Vec<u8>>,
        member: &dyn Fn(DeviceId) -> bool,
    ) {
        for bytes in receipts {
            match Receipt::verify(self.account, &bytes) {
                Ok(receipt) => self.receive_receipt(now, from, receipt, bytes, member),
                Err(_) => self.offence(from, "a receipt that is not signed as it says"),
            }
        }
    }

    fn receive_receipt(
        &mut self,
        now: Now,
        from: DeviceId,
        receipt: Receipt,
        bytes: Vec<u8>,
        member: &dyn Fn(DeviceId) -> bool,
    ) {
        let holder = receipt.device;
        if receipt.space != self.space || holder == self.device || !member(holder) {
            return;
        }
        if receipt.vector.is_absurd() {
            return self.offence(holder, "a receipt for entries that no log can have");
        }
        if let Some(found) = self.ledger.compare(&receipt, &bytes) {
            self.outputs.push_back(Output::Contradiction(holder, found));
        }
        self.agree(holder, &receipt.vector);
        let begins_again = self.weigh_words(now, from, &receipt);
        if self.is_outlived(&receipt, from) {
            return;
        }
        if begins_again {
            // What it says now replaces what it said.
            self.ledger.forget(holder);
        }
        let known = self.ledger.receipt(holder);
        let is_newest = known.is_none_or(|known| !receipt.is_older_than(known));
        let generation = receipt.generation;
        if holder == from {
            let owes = self.owes(from);
            if let Some(session) = self.sessions.get_mut(&from) {
                session.hear(&receipt, is_newest);
            }
            self.claimed(now, from, owes);
            self.ends_told(from);
        }
        if self.ledger.record(receipt, bytes.clone(), from) {
            if holder != from
                && let Some(session) = self.sessions.get_mut(&holder)
            {
                session.heard_of_more(now, generation);
            }
            self.outputs.push_back(Output::Receipt(holder, bytes.clone()));
            let others = self
                .sessions
                .iter()
                .filter(|(peer, session)| session.ready && **peer != from && **peer != holder);
            let others: Vec<DeviceId> = others.map(|(peer, _)| *peer).collect();
            for peer in others {
                self.send(peer, Message::Receipts(vec![bytes.clone()]));
            }
        }
    }

    /// Returns in what a peer falls short of its own word, if it does.
    #[must_use]
    pub fn shortfall(&self, device: DeviceId) -> Option<Shortfall> {
        let session = self.sessions.get(&device).filter(|session| session.ready)?;
        let withdrawn = session.promised.entries_beyond(&session.theirs);
        // What is not taken in is not withheld.
        let undelivered = if self.is_paused() { 0 } else { self.unsent(session) };
        let Session { told_others_since_ms, delivered_ms, .. } = *session;
        let falls_short = withdrawn > 0 || undelivered > 0 || told_others_since_ms.is_some();
        let withdrawn_since = session.withdrawn_talk_ms;
        let shortfall = Shortfall {
            withdrawn,
            withdrawn_for_ms: withdrawn_since.map_or(0, |mark| session.talk.since(mark)),
            told_others_since_ms,
            told_others_for_ms: session.talk.since(session.told_others_talk_ms),
            undelivered,
            delivered_ms,
            undelivered_for_ms: session.talk.since(session.delivered_talk_ms),
        };
        falls_short.then_some(shortfall)
    }

    /// Returns the chunks missing here of entries that a device acknowledged: it
    /// acknowledges an entry only together with its chunks.
    #[must_use]
    pub fn chunks_acknowledged(&self, device: DeviceId) -> BTreeSet<ChunkId> {
        let Some(receipt) = self.ledger.receipt(device) else { return BTreeSet::new() };
        let of_log = |(log, state): (&LogId, &LogState)| {
            let held = receipt.vector.seq(*log);
            let entries = state.incomplete.range(..=held);
            entries.flat_map(|(_, chunks)| chunks.iter().copied()).collect::<Vec<_>>()
        };
        self.logs.iter().flat_map(of_log).collect()
    }

    /// Counts the entries that a peer claims to hold and that have not come. What
    /// the disk here takes long to write, nobody withholds.
    pub(super) fn unsent(&self, session: &Session) -> u64 {
        let but = self.passed_over(session);
        self.beyond(&session.theirs, &but, |state| state.staged)
    }

    /// Counts the entries that somebody claims to hold beyond those here. Of a log
    /// with two ends the other one is not asked for.
    fn beyond(
        &self,
        theirs: &VersionVector,
        but: &BTreeSet<LogId>,
        end: impl Fn(&LogState) -> u64,
    ) -> u64 {
        let held = |log: LogId| self.logs.get(&log).map_or(0, &end);
        let beyond = theirs
            .tips
            .iter()
            .filter(|(log, _)| !self.forked.contains(log) && !but.contains(log))
            .map(|(log, tip)| tip.seq.saturating_sub(held(*log)));
        beyond.fold(0, u64::saturating_add)
    }

    /// Counts the entries that this device lacks and of which those that are in
    /// conversation say that they hold them. Who says so and has sent nothing
    /// since then is not believed, unless nothing is taken in.
    #[must_use]
    pub fn lacking(&self, since_ms: u64) -> u64 {
        let mut all = VersionVector::default();
        let is_believed = |session: &&Session| {
            session.ready && (self.is_paused() || session.delivered_ms >= since_ms)
        };
        for session in self.sessions.values().filter(is_believed) {
            let (told, but) = (session.theirs.tips.iter(), self.passed_over(session));
            for (log, tip) in told.filter(|(log, _)| !but.contains(log)) {
                let end = all.tips.entry(*log).or_insert(*tip);
                *end = (*end).max(*tip);
            }
        }
        self.beyond(&all, &BTreeSet::new(), |state| state.durable)
    }

    /// Puts a kept contradiction back into the ledger, at start, if it is one.
    pub fn load_contradiction(&mut self, found: Contradiction) {
        let read = |bytes: &[u8]| Receipt::verify(self.account, bytes);
        if let (Ok(known), Ok(heard)) = (read(&found.known), read(&found.heard))
            && known.contradicts(&heard)
        {
            self.ledger.load_contradiction(known.device, found);
        }
    }

    /// Puts a kept receipt back into the ledger, at start.
    pub fn load_receipt(&mut self, bytes: Vec<u8>) {
        if let Ok(receipt) = Receipt::verify(self.account, &bytes) {
            let device = receipt.device;
            self.load_words(&receipt);
            self.ledger.record(receipt, bytes, device);
        }
    }

    /// Drops the receipt of a device that was taken out.
    pub fn forget_receipts(&mut self, device: DeviceId) {
        self.ledger.forget(device);
        self.words.remove(&device);
    }

    /// Takes in a peer's request for a receipt. One that would say nothing new
    /// waits: asking costs nothing, and every receipt goes to everybody. So does one
    /// while entries are on their way to the disk: it is for these that a peer asks.
    pub fn receive_ask(&mut self, now: Now, from: DeviceId) {
        let is_writing = self.logs.values().any(|state| state.staged > state.durable);
        if let Some(session) = self.sessions.get_mut(&from) {
            session.receipt_asked = true;
            let pause = limits::RECEIPT_DELAY_MS_MAX as u64;
            let again = self.receipt_sent_ms.filter(|_| self.unreceipted == 0);
            let due = match (is_writing, again) {
                (true, _) => now.mono_ms.saturating_add(pause),
                (false, Some(sent)) => sent.saturating_add(pause),
                (false, None) => 0,
            };
            self.receipt_due_ms = Some(self.receipt_due_ms.map_or(due, |set| set.min(due)));
        }
    }

    /// Asks every peer for its receipt, as soon as it can.
    pub fn ask_receipts(&mut self) {
        let peers: Vec<DeviceId> = self.peers_ready().collect();
        for peer in peers {
            self.send(peer, Message::AskReceipt);
        }
    }

    pub(super) fn receipt_later(&mut self, now: Now) {
        self.unreceipted += 1;
        let waited_for = self.sessions.values().any(|session| session.receipt_asked);
        let due = if waited_for || self.unreceipted >= limits::RECEIPT_ENTRIES_MAX {
            now.mono_ms
        } else {
            now.mono_ms + limits::RECEIPT_DELAY_MS_MAX as u64
        };
        self.receipt_due_ms = Some(self.receipt_due_ms.map_or(due, |earlier| earlier.min(due)));
    }

    /// Sends our receipt to every peer, if one is due.
    pub fn send_receipt(&mut self, now: Now, keys: &DeviceKeys) {
        let is_due = self.receipt_due_ms.is_some_and(|due| due <= now.mono_ms);
        if !is_due || !self.halted.is_empty() {
            return;
        }
        let peers: Vec<DeviceId> = self.peers_ready().collect();
        if peers.is_empty() {
            return;
        }
        self.counter += 1;
        let receipt = Receipt {
            device: self.device,
            space: self.space,
            generation: self.generation,
            counter: self.counter,
            vector: self.vector_of(match is_planted(Bug::ReceiptEarly) {
                true => |state: &LogState| state.staged,
                false => LogState::complete,
            }),
            chunks: Vec::new(),
        };
        let bytes = receipt.sign(self.account, keys);
        for peer in peers {
            self.send(peer, Message::Receipts(vec![bytes.clone()]));
        }
        for session in self.sessions.values_mut() {
            session.receipt_asked = false;
        }
        self.unreceipted = 0;
        self.receipt_due_ms = None;
        self.receipt_sent_ms = Some(now.mono_ms);
    }
}
