//! Taking nothing in for a while, because the disk refused it.
//!
//! What arrives meanwhile is dropped and its credit kept back, so that a peer
//! sends no more than its window. Afterwards it is asked for again; a disk that
//! stays full for long makes a conversation begin anew now and then, since
//! nobody may ask without end.

use super::Replication;
use crate::entry::Entry;
use crate::message::Message;
use crate::session::Session;
use heirloom_base::{DeviceId, LogId, Now, limits};

impl Replication {
    /// Notes that storing failed: what was only staged is asked for again, but
    /// not at once, since the disk would refuse it again.
    pub fn refused(&mut self, now: Now) {
        for (log, state) in &mut self.logs {
            if state.staged > state.durable {
                let showed = |session: &&mut Session| session.next(*log) > state.durable;
                for session in self.sessions.values_mut().filter(showed) {
                    session.dropped.insert(*log);
                }
            }
            state.staged = state.durable;
            state.staged_id = state.durable_id;
        }
        self.logs.retain(|_, state| state.durable > 0);
        for session in self.sessions.values_mut() {
            session.wanted.clear();
        }
        self.paused_until_ms = Some(now.mono_ms + limits::REFUSED_PAUSE_MS as u64);
    }

    /// Returns whether nothing is taken in.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused_until_ms.is_some()
    }

    /// Drops entries that come in during a pause; returns whether there is one.
    pub(super) fn drops(&mut self, from: DeviceId, entries: &[Vec<u8>]) -> bool {
        let Some(session) = self.sessions.get_mut(&from) else { return true };
        if self.paused_until_ms.is_none() {
            return false;
        }
        // Whoever keeps to its window sends no more messages than that.
        if session.owed.len() < limits::CREDIT_ENTRIES {
            session.owed.push(Message::credit_for(entries));
        }
        for entry in entries.iter().filter_map(|entry| Entry::parse(entry.clone()).ok()) {
            if session.dropped.len() < limits::LOGS_MAX {
                session.dropped.insert(entry.header().log);
            }
        }
        true
    }

    /// Ends a pause that is over, and asks everybody for what was dropped.
    pub fn resume(&mut self, now: Now) {
        self.release_credit(now);
        if self.paused_until_ms.is_none_or(|until| now.mono_ms < until) {
            return;
        }
        self.paused_until_ms = None;
        let held = |log: LogId| self.logs.get(&log).map_or(0, |state| state.staged);
        let mut asking = Vec::new();
        for (device, session) in &mut self.sessions {
            session.delivered(now);
            session.talk.is_doubted = true;
            let known = session.theirs.tips.iter();
            let ahead = known.filter(|(log, tip)| tip.seq > held(**log)).map(|(log, _)| *log);
            let mut logs = std::mem::take(&mut session.dropped);
            logs.extend(ahead);
            let wants: Vec<(LogId, u64)> = logs.into_iter().map(|log| (log, held(log))).collect();
            asking.push((*device, std::mem::take(&mut session.owed), wants));
        }
        for (device, owed, wants) in asking {
            owed.into_iter().for_each(|credit| self.send(device, credit));
            self.ask_again(device, wants);
        }
    }
}
