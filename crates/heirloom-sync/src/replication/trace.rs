//! The other end of a log, which others hold.

use super::{LogState, Output, Replication};
use crate::entry::Entry;
use crate::vector::{Tip, VersionVector};
use heirloom_base::{DeviceId, EntryId, LogId, Now};

impl Replication {
    /// Has a peer send its end of a log, from behind an entry that both hold: it
    /// is not taken in, but handed out as [`Output::OtherEnd`], until
    /// [`Replication::rewind`]. The log is not continued.
    pub fn trace(&mut self, now: Now, from: DeviceId, log: LogId, after: u64) {
        self.forked.insert(log);
        self.continue_no_more(log);
        if self.sessions.contains_key(&from) && !self.traced.contains_key(&log) {
            self.traced.insert(log, (from, after));
            self.want(now, from, log, after);
        }
    }

    /// Hands an entry out in which the other end of a log is looked for.
    pub(super) fn receive_traced(
        &mut self,
        now: Now,
        (from, author): (DeviceId, DeviceId),
        entry: Entry,
    ) {
        if entry.verify(self.account, author).is_err() {
            return self.offence(from, "an entry with a wrong signature");
        }
        if let Some(session) = self.sessions.get_mut(&from) {
            session.progressed(now);
        }
        self.outputs.push_back(Output::OtherEnd(Box::new(entry)));
    }

    /// Looks further back for where the two ends of a log part, because the entry
    /// that was asked for does not follow what is held.
    pub fn trace_back(&mut self, now: Now, log: LogId, seq: u64) {
        let Some((from, after)) = self.traced.get_mut(&log) else { return };
        if seq == *after + 1 && *after > 0 {
            *after /= 2;
            let (from, after) = (*from, *after);
            self.want(now, from, log, after);
        }
    }

    /// Looks no more for the other end of a log: there is none that counts.
    pub fn trace_ends(&mut self, log: LogId) {
        if let Some((from, _)) = self.traced.remove(&log) {
            self.forked.remove(&log);
            if let Some(session) = self.sessions.get_mut(&from) {
                session.wanted.remove(&log);
            }
        }
    }

    /// Returns with whom the other end of a log is looked for.
    #[must_use]
    pub fn traced_with(&self, log: LogId) -> Option<DeviceId> {
        self.traced.get(&log).map(|(from, _)| *from)
    }

    /// Forgets the ends that were being looked for with a peer that is gone.
    pub(super) fn trace_no_more(&mut self, from: DeviceId) {
        self.traced.retain(|_, (peer, _)| *peer != from);
    }

    /// Holds a log only up to an entry, and asks for what the others have of it
    /// behind that.
    pub fn rewind(&mut self, now: Now, log: LogId, (seq, id): (u64, EntryId)) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        *state = LogState {
            incomplete: state
                .incomplete
                .range(..=seq)
                .map(|(seq, of)| (*seq, of.clone()))
                .collect(),
            ..LogState::at(state.device, seq, id)
        };
        self.forked.remove(&log);
        self.traced.remove(&log);
        self.halted.remove(&log);
        let peers = self.sessions.iter_mut().map(|(device, session)| {
            session.wanted.remove(&log);
            session.given_up.remove(&log);
            // What comes now is news for those to whom the rest was sent.
            let next = session.next.entry(log).or_default();
            *next = seq.min(*next);
            (*device, session.ready, session.theirs.seq(log) > seq)
        });
        for (device, is_ready, is_longer) in peers.collect::<Vec<(DeviceId, bool, bool)>>() {
            match (is_ready, is_longer) {
                (true, true) => self.want(now, device, log, seq),
                // It may have sent what was of no use here.
                (true, false) => self.ask_again(device, vec![(log, seq)]),
                (false, _) => {}
            }
        }
        self.receipt_later(now);
    }

    /// Returns up to where a peer in conversation has said to hold a log.
    #[must_use]
    pub fn tip_shown_by(&self, device: DeviceId, log: LogId) -> Option<Tip> {
        let session = self.sessions.get(&device).filter(|session| session.ready)?;
        session.theirs.tips.get(&log).copied()
    }

    /// Takes in that the author of a log holds the end that is held here.
    pub(super) fn agree(&mut self, author: DeviceId, vector: &VersionVector) {
        let is_ours = |log: &LogId| {
            let tip = vector.tips.get(log);
            self.logs.get(log).is_some_and(|state| {
                let ours = Tip::new(state.durable, state.durable_id);
                state.device == author && tip == Some(&ours)
            })
        };
        self.forked = self.forked.iter().filter(|log| !is_ours(log)).copied().collect();
    }
}
