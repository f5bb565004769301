//! Passing on what others write, to those who do not hear it from them.
//!
//! Where the author talks to all of them itself, they would send each other
//! everything again. So who gets what it has from its author already says so;
//! from then on it is sent of that log only what its receipts do not show after
//! a while.

use super::Replication;
use crate::message::Message;
use crate::session::Session;
use heirloom_base::{DeviceId, LogId, Now, limits};
use std::collections::BTreeSet;

/// What is kept back of one log for one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The last entry that it stands for.
    pub(crate) mark: u64,
    /// When it is passed on; nothing where that is so.
    pub(crate) due_ms: Option<u64>,
}

impl Replication {
    /// Tells a peer that sent what was here already that the author sends it too,
    /// if that is so.
    pub(super) fn tell_fed(&mut self, now: Now, from: DeviceId, log: LogId, author: DeviceId) {
        let pause = limits::RELAY_PAUSE_MS as u64;
        let is_late = |at: u64| now.mono_ms >= at.saturating_add(pause);
        let feeds = |session: &Session| session.news > 0 && !is_late(session.news_ms);
        let is_fed = author != from && self.sessions.get(&author).is_some_and(feeds);
        let Some(session) = self.sessions.get_mut(&from).filter(|_| is_fed) else { return };
        if session.told_fed.get(&log).is_none_or(|told| is_late(*told)) {
            session.told_fed.insert(log, now.mono_ms);
            self.send(from, Message::Fed(vec![log]));
        }
    }

    /// Takes in which logs a peer hears from their authors.
    pub fn receive_fed(&mut self, from: DeviceId, logs: &[LogId]) {
        let known: BTreeSet<LogId> =
            logs.iter().filter(|log| self.logs.contains_key(log)).copied().collect();
        if let Some(session) = self.sessions.get_mut(&from) {
            session.fed.extend(known);
        }
    }

    /// Returns the logs whose authors are here: they talk to others themselves.
    pub(super) fn logs_of_present(&self) -> BTreeSet<LogId> {
        let is_here =
            |author: &DeviceId| self.sessions.get(author).is_some_and(|session| session.ready);
        self.logs.iter().filter(|(_, state)| is_here(&state.device)).map(|(log, _)| *log).collect()
    }
}

impl Session {
    /// Returns up to which entry of a log, held up to `durable`, may be passed on
    /// now; `is_present` says whether its author is here.
    pub(crate) fn may_relay(
        &mut self,
        now: Now,
        log: LogId,
        durable: u64,
        is_present: bool,
    ) -> u64 {
        let is_fed = is_present && self.fed.contains(&log);
        if !is_fed || self.next(log) >= durable {
            self.kept.remove(&log);
            return durable;
        }
        let due_ms = Some(now.mono_ms + limits::RELAY_PAUSE_MS as u64);
        let next = self.next(log);
        let kept = self.kept.entry(log).or_insert(Kept { mark: durable, due_ms });
        if next >= kept.mark {
            *kept = Kept { mark: durable, due_ms };
        }
        if kept.due_ms.is_some_and(|due| due > now.mono_ms) {
            return next;
        }
        kept.due_ms = None;
        let mark = kept.mark;
        if self.theirs.seq(log) >= mark {
            // It has them. The last one shows whether its log has the same end.
            return mark;
        }
        self.fed.remove(&log);
        durable
    }
}
