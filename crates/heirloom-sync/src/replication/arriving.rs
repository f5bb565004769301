//! Entries that arrive: what continues a log is staged, what is missing before it
//! is asked for, and what breaks the rules is counted.

use super::{LogState, Output, Replication};
use crate::entry::Entry;
use crate::message::Message;
use crate::session::COMING_MS;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{DeviceId, LogId, Now, limits};

impl Replication {
    /// Takes in entries; `known` says whether a device is in the roster.
    ///
    /// What is out of order, doubled or badly signed is dropped and counted;
    /// what is missing before it is asked for.
    pub fn receive_entries(
        &mut self,
        now: Now,
        from: DeviceId,
        urgent: bool,
        entries: Vec<Vec<u8>>,
        known: &dyn Fn(DeviceId) -> bool,
    ) {
        if self.is_beyond_credit(from) {
            return self.offence(from, "entries beyond what it was given credit for");
        }
        if self.drops(from, &entries) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&from) else { return };
        session.receipt_asked |= urgent;
        let (credit, count, news) = (Message::credit_for(&entries), entries.len(), session.news);
        for bytes in entries {
            match Entry::parse(bytes) {
                Ok(entry) => self.receive_entry(now, from, entry, known),
                Err(_) => self.offence(from, "an entry that is not well formed"),
            }
        }
        self.give_credit(now, from, (count, news), credit);
        if urgent {
            self.urgent = true;
        }
    }

    fn receive_entry(
        &mut self,
        now: Now,
        from: DeviceId,
        entry: Entry,
        known: &dyn Fn(DeviceId) -> bool,
    ) {
        let header = entry.header();
        let (log, seq) = (header.log, header.seq);
        if header.space != self.space {
            return self.offence(from, "an entry of another space");
        }
        if seq > limits::LOG_ENTRIES_MAX as u64 {
            return self.offence(from, "an entry that no log can have");
        }
        if self.is_declined(from, log) {
            return;
        }
        let origin = header.origin.map(|origin| origin.device);
        let Some(device) = self.logs.get(&log).map(|state| state.device).or(origin) else {
            return self.want(now, from, log, 0);
        };
        if !known(device) {
            return self.offence(from, "an entry of a device that is not in the roster");
        }
        if self.passes_over(now, (from, device), &entry) {
            return;
        }
        if self.traced.contains_key(&log) {
            return self.receive_traced(now, (from, device), entry);
        }
        let state = self.logs.get(&log).cloned().unwrap_or_else(|| LogState::empty(device));
        if seq > state.staged + 1 {
            return self.want(now, from, log, state.staged);
        }
        if seq <= state.staged && !is_planted(Bug::DuplicateTaken) {
            self.receive_again(now, from, &entry, &state);
            return;
        }
        let skipped = is_planted(Bug::SignatureSkipped);
        if !skipped && entry.verify(self.account, device).is_err() {
            return self.offence(from, "an entry with a wrong signature");
        }
        let unchained = is_planted(Bug::ChainUnchecked) || is_planted(Bug::DuplicateTaken);
        if header.previous != state.staged_id && !unchained {
            // Its author signed it, so the peer is not to blame.
            return self.found_fork(Some(from), log, seq);
        }
        if self.is_crowded(device, log) {
            return self.decline(from, device, log);
        }
        self.stage(now, from, entry, state);
    }

    fn stage(&mut self, now: Now, from: DeviceId, entry: Entry, mut state: LogState) {
        let (log, seq) = (entry.header().log, entry.header().seq);
        self.note_sight(&entry);
        if self.own_log == Some(log) {
            self.own_log = None;
            self.outputs.push_back(Output::RolledBack(log));
        }
        state.staged = seq;
        state.staged_id = entry.id();
        self.logs.insert(log, state);
        if let Some(session) = self.sessions.get_mut(&from) {
            session.shown(log, seq);
            session.wanted.remove(&log);
            session.progressed(now);
            session.delivered(now);
            session.coming_until_ms = now.mono_ms.saturating_add(COMING_MS);
            session.news += 1;
            session.news_ms = now.mono_ms;
        }
        self.outputs.push_back(Output::Store { entry: Box::new(entry), from });
    }

    pub(super) fn want(&mut self, now: Now, from: DeviceId, log: LogId, after: u64) {
        let Some(session) = self.sessions.get_mut(&from) else { return };
        session.awaited_since_ms.get_or_insert(now.mono_ms);
        if session.wanted.insert(log, after) != Some(after) {
            self.ask_again(from, vec![(log, after)]);
        }
    }

    /// Asks a peer for parts of logs again. Before that breaks the rules, the
    /// conversation ends instead: the next one begins with a hello, which says
    /// all of it at once, and what was kept back of credit falls away.
    pub(super) fn ask_again(&mut self, peer: DeviceId, logs: Vec<(LogId, u64)>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.is_asked_out {
            return;
        }
        if session.asked + logs.len() > limits::WANTS_SENT_MAX {
            session.is_asked_out = true;
            self.outputs.push_back(Output::AskedOut(peer));
            return;
        }
        session.asked += logs.len();
        for (log, after) in logs {
            self.send(peer, Message::Want { log, after });
        }
    }
}
