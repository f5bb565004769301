//! The other end of a log, which others hold.

use super::{LogState, Output, Replication};
use crate::vector::{Tip, VersionVector};
use heirloom_base::{DeviceId, EntryId, LogId, Now};

impl Replication {
    /// Has a peer send its end of a log, from behind an entry that both hold: it
    /// is not taken in, but handed out as [`Output::OtherEnd`], until
    /// [`Replication::rewind`]. The log is not continued.
    pub fn trace(&mut self, now: Now, from: DeviceId, log: LogId, after: u64) {
        self.forked.insert(log);
        if self.own_log == Some(log) {
            self.own_log = None;
            self.outputs.push_back(Output::RolledBack(log));
        }
        if self.sessions.contains_key(&from) && self.traced.insert(log) {
            self.want(now, from, log, after);
        }
    }

    /// Returns whether the other end of a log is being looked for.
    #[must_use]
    pub fn is_traced(&self, log: LogId) -> bool {
        self.traced.contains(&log)
    }

    /// Forgets whose ends were being looked for with a peer that is gone.
    pub(super) fn trace_no_more(&mut self) {
        self.traced.clear();
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
        let longer = self.sessions.iter_mut().filter_map(|(device, session)| {
            session.wanted.remove(&log);
            (session.ready && session.theirs.seq(log) > seq).then_some(*device)
        });
        for device in longer.collect::<Vec<DeviceId>>() {
            self.want(now, device, log, seq);
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
