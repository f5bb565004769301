//! Logs with two ends: whoever has seen both names their author, and the log
//! keeps nobody from being level.

use super::{Output, Replication};
use crate::entry::Entry;
use crate::vector::{Tip, VersionVector};
use heirloom_base::{DeviceId, EntryId, LogId, Now};

impl Replication {
    /// Marks a log that was found to have two ends, at start.
    pub fn load_forked(&mut self, log: LogId) {
        self.forked.insert(log);
    }

    /// Notes that a log has another end than the one held here: what others
    /// hold of it does not count for ours, and an own one is not continued.
    ///
    /// Who has not heard yet that an end is given up shows what everybody knows.
    pub(super) fn found_fork(&mut self, from: Option<DeviceId>, log: LogId, seq: u64) {
        let is_own = self.logs.get(&log).is_some_and(|state| state.device == self.device);
        if !is_own && from.is_some_and(|from| self.is_unheard(from, log)) {
            return;
        }
        if self.forked.insert(log) {
            self.outputs.push_back(Output::Forked(log, seq));
            // Those who hold the other end see ours by its last entry.
            let last = self.logs.get(&log).map_or(0, |state| state.staged);
            for session in self.sessions.values_mut().filter(|_| last > 0) {
                session.next.insert(log, last - 1);
                session.asked_again.insert(log);
            }
        } else if is_own {
            // The conversation in which its other end was looked for broke off.
            self.outputs.push_back(Output::Forked(log, seq));
        }
        self.continue_no_more(log);
    }

    /// Does not continue a log of this device, if it is the one that is written.
    pub(super) fn continue_no_more(&mut self, log: LogId) {
        if self.own_log == Some(log) {
            self.own_log = None;
            self.outputs.push_back(Output::RolledBack(log));
        }
    }

    /// Sends the last entry of every log of which a peer's hello names another
    /// end than ours, so that it sees both; it does the same.
    pub(super) fn show_ends(&mut self, device: DeviceId, theirs: &VersionVector) {
        let untold = Tip::new(0, EntryId([0; 32])).id;
        let differs = |log: &LogId, tip: &Tip| {
            let ours = self.logs.get(log).map(|state| Tip::new(state.durable, state.durable_id));
            tip.id != untold && ours.is_some_and(|ours| ours.seq == tip.seq && ours.id != tip.id)
        };
        let differing = theirs.tips.iter().filter(|(log, tip)| differs(log, tip));
        let differing: Vec<(LogId, u64)> = differing.map(|(log, tip)| (*log, tip.seq)).collect();
        let Some(session) = self.sessions.get_mut(&device) else { return };
        session.next.extend(differing.into_iter().map(|(log, seq)| (log, seq.saturating_sub(1))));
    }

    /// Takes in an entry in whose place one is held already.
    pub(super) fn receive_again(
        &mut self,
        now: Now,
        from: DeviceId,
        entry: &Entry,
        state: &super::LogState,
    ) {
        let (log, seq) = (entry.header().log, entry.header().seq);
        let mut is_their_end = false;
        if let Some(session) = self.sessions.get_mut(&from) {
            is_their_end = session.theirs.seq(log) == seq && session.compared.insert(log);
            session.sent_again(now, log, seq);
            // The other end of a log is not ours, of which it is to see the last entry.
            if !self.forked.contains(&log) {
                session.shown(log, seq);
            }
        }
        self.tell_fed(now, from, log, state.device);
        if state.device != self.device && self.is_unheard(from, log) {
            return;
        }
        if seq == state.staged {
            self.compare(entry, state.staged_id);
        } else if is_their_end && seq <= state.durable && !self.forked.contains(&log) {
            self.outputs.push_back(Output::Compare(Box::new(entry.clone())));
        }
    }

    /// Compares an entry with the one of the same number that is stored here.
    pub fn compare_end(&mut self, entry: &Entry, stored: EntryId) {
        self.compare(entry, stored);
    }

    fn compare(&mut self, entry: &Entry, held: EntryId) {
        let header = entry.header();
        let author = self.logs.get(&header.log).map(|state| state.device);
        let is_signed = |author| entry.verify(self.account, author).is_ok();
        if entry.id() != held && author.is_some_and(is_signed) {
            self.found_fork(None, header.log, header.seq);
        }
    }
}
