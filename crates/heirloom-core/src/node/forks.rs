//! The two ends of a log of this device become one.
//!
//! A file system that was rolled back as a whole continues a log that others
//! hold further already, and nothing here tells. When the first of them shows
//! it, the author looks for the entry from which on the two ends differ, gives
//! its own end up, writes what that held again under another log, and takes the
//! end in that the others have.

use super::Node;
use super::settle::entry_at;
use crate::storage::Storage;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{DeviceId, EntryId, LogId, Now};
use heirloom_sync::{Entry, Tip, VersionVector};
use std::collections::BTreeSet;

impl Node {
    /// Compares the logs of this device with how a peer holds them.
    pub(super) fn compare_own_logs(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        peer: DeviceId,
        vector: &VersionVector,
    ) {
        for (log, tip) in &vector.tips {
            let is_own = self.device_of(*log) == Some(self.device());
            if is_own && self.differs(storage, *log, *tip) {
                self.trace(now, storage, peer, *log);
            }
        }
    }

    /// Compares the logs of this device that had two ends with how a peer holds them
    /// by now: it may have let go of the one that it had.
    pub(super) fn compare_again(&mut self, now: Now, storage: &dyn Storage, peer: DeviceId) {
        let own = self.device();
        let replication = &self.replication;
        let ends = replication.words().map(|word| word.end.log);
        let logs: BTreeSet<LogId> = ends
            .chain(replication.logs_forked())
            .filter(|log| self.device_of(*log) == Some(own))
            .collect();
        for log in logs {
            let Some(tip) = self.replication.tip_shown_by(peer, log) else { continue };
            let held = self.replication.log(log).map_or(0, |state| state.durable);
            match self.differs(storage, log, tip) {
                true if self.replication.traced_with(log).is_none() => {
                    self.trace(now, storage, peer, log);
                }
                false if tip.seq <= held && self.replication.traced_with(log) == Some(peer) => {
                    self.replication.trace_ends(log);
                }
                true | false => {}
            }
        }
    }

    fn differs(&self, storage: &dyn Storage, log: LogId, told: Tip) -> bool {
        self.tip_at(storage, log, told.seq).is_some_and(|ours| is_other(ours, told))
    }

    /// Looks for where the two ends of a log of this device part, with somebody who
    /// holds the other one; returns whether it is one of this device.
    pub(super) fn find_other_end(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        (log, seq): (LogId, u64),
    ) -> bool {
        if self.device_of(log) != Some(self.device()) {
            return false;
        }
        let peers: Vec<DeviceId> = self.replication.peers_ready().collect();
        let holds = |peer: &&DeviceId| {
            let tip = self.replication.tip_shown_by(**peer, log);
            tip.is_some_and(|tip| tip.seq >= seq) && !self.replication.shows_disowned(**peer, log)
        };
        let found = peers.iter().find(holds).copied();
        if let Some(peer) = found {
            self.trace(now, storage, peer, log);
        }
        true
    }

    fn trace(&mut self, now: Now, storage: &dyn Storage, peer: DeviceId, log: LogId) {
        let is_known = self.replication.shows_disowned(peer, log);
        if is_planted(Bug::ActorReused) || is_known || self.leaving.contains_key(&log) {
            return;
        }
        // What somebody acknowledged of this end was common to both.
        let agreed = self
            .replication
            .tips_of(log)
            .filter(|tip| self.tip_at(storage, log, tip.seq) == Some(*tip))
            .map(|tip| tip.seq)
            .filter(|seq| self.replication.log(log).is_some_and(|state| *seq < state.durable));
        // And the peer sends nothing behind its last entry.
        let shown = self.replication.tip_shown_by(peer, log).map_or(0, |tip| tip.seq);
        let after = agreed.max().unwrap_or(0).min(shown.saturating_sub(1));
        tracing::warn!(log = %log.short(), after, "a log has another end");
        self.replication.trace(now, peer, log, after);
    }

    /// Compares an entry of the other end of a log with what stands here.
    pub(super) fn receive_other_end(&mut self, now: Now, storage: &dyn Storage, entry: &Entry) {
        let (log, seq) = (entry.header().log, entry.header().seq);
        let is_traced = self.replication.traced_with(log).is_some();
        if !is_traced || self.leaving.contains_key(&log) || self.is_writing_again || seq == 0 {
            return;
        }
        let id_at = |seq: u64| match seq {
            0 => Some(EntryId([0; 32])),
            _ => entry_at(storage, log, seq).map(|entry| entry.id()),
        };
        let held = self.replication.log(log).map_or(0, |state| state.durable);
        let follows = id_at(seq - 1) == Some(entry.header().previous);
        match id_at(seq) {
            Some(ours) if ours == entry.id() => {}
            Some(_) if follows && seq <= held => self.leave(log, seq, None),
            None if follows && seq == held + 1 => {
                // It only goes on: the two are one.
                self.replication.rewind(now, log, (held, entry.header().previous));
            }
            Some(_) | None if !follows => self.replication.trace_back(now, log, seq),
            Some(_) | None => {}
        }
    }

    /// Holds a log only up to an entry from now on; returns the id of that.
    pub(super) fn rewind(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        (log, seq): (LogId, u64),
    ) -> EntryId {
        let last = entry_at(storage, log, seq).map_or(EntryId([0; 32]), |entry| entry.id());
        self.replication.rewind(now, log, (seq, last));
        last
    }

    fn tip_at(&self, storage: &dyn Storage, log: LogId, seq: u64) -> Option<Tip> {
        let state = self.replication.log(log)?;
        if seq == state.durable {
            return Some(Tip::new(seq, state.durable_id));
        }
        let entry =
            (1..state.durable).contains(&seq).then(|| entry_at(storage, log, seq)).flatten()?;
        Some(Tip::new(seq, entry.id()))
    }
}

/// Returns whether a tip tells which entry it is, and it is not this one.
fn is_other(ours: Tip, told: Tip) -> bool {
    told.id != Tip::new(0, EntryId([0; 32])).id && told.id != ours.id
}
