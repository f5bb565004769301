//! What is asked for again: gaps, what could not be stored, and answers that
//! do not come.

use super::{Output, Replication};
use crate::message::Message;
use heirloom_base::{DeviceId, LogId, Now, limits};

impl Replication {
    pub(super) fn want(&mut self, now: Now, from: DeviceId, log: LogId, after: u64) {
        let Some(session) = self.sessions.get_mut(&from) else { return };
        session.awaited_since_ms.get_or_insert(now.mono_ms);
        if session.wanted.insert(log, after) != Some(after) {
            self.send(from, Message::Want { log, after });
        }
    }

    /// Notes that storing failed: what was only staged is asked for again some
    /// time later, of those who hold it.
    pub fn unstage(&mut self, now: Now) {
        let again_ms = now.mono_ms + limits::STALL_MS_MAX as u64;
        let mut dropped = Vec::new();
        for (log, state) in &mut self.logs {
            if state.staged > state.durable {
                dropped.push((*log, state.durable));
            }
            state.staged = state.durable;
            state.staged_id = state.durable_id;
        }
        self.logs.retain(|_, state| state.durable > 0);
        for session in self.sessions.values_mut() {
            session.wanted.clear();
            for (log, durable) in &dropped {
                if session.next(*log) > *durable {
                    session.dropped.insert(*log);
                    session.again_ms.get_or_insert(again_ms);
                }
            }
        }
    }

    /// Asks again for what was dropped, and gives up the conversations in
    /// which an answer is overdue.
    pub fn find_stalls(&mut self, now: Now) {
        let mut again = Vec::new();
        for (device, session) in &mut self.sessions {
            if session.again_ms.is_some_and(|due| due <= now.mono_ms) {
                session.again_ms = None;
                let logs = std::mem::take(&mut session.dropped);
                again.extend(logs.into_iter().map(|log| (*device, log)));
            }
        }
        for (device, log) in again {
            let (durable, staged) =
                self.logs.get(&log).map_or((0, 0), |state| (state.durable, state.staged));
            if staged == durable {
                self.want(now, device, log, durable);
            }
        }
        for (device, session) in &mut self.sessions {
            if session.stalled_ms().is_some_and(|due| due <= now.mono_ms) {
                session.awaited_since_ms = None;
                self.outputs.push_back(Output::Stalled(*device));
            }
        }
    }
}
