//! The two ends of a log of this device become one.
//!
//! A file system that was rolled back as a whole continues a log that others
//! hold further already, and nothing here tells. When the first of them shows
//! it, the author looks for the entry from which on the two ends differ, gives
//! its own end up, writes what that held again under another log, and takes the
//! end in that the others have.

use super::Node;
use super::again::{GivenUp, Tail};
use super::settle::entry_at;
use crate::storage::{Storage, StorageError};
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{DeviceId, EntryId, LogId, Now};
use heirloom_sync::{Entry, Tip, VersionVector};

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
            tip.is_some_and(|tip| tip.seq >= seq)
        };
        let found = peers.iter().find(holds).copied();
        if let Some(peer) = found {
            self.trace(now, storage, peer, log);
        }
        true
    }

    fn trace(&mut self, now: Now, storage: &dyn Storage, peer: DeviceId, log: LogId) {
        if is_planted(Bug::ActorReused) {
            return;
        }
        // What somebody acknowledged of this end was common to both.
        let agreed = self
            .replication
            .tips_of(log)
            .filter(|tip| self.tip_at(storage, log, tip.seq) == Some(*tip))
            .map(|tip| tip.seq)
            .filter(|seq| self.replication.log(log).is_some_and(|state| *seq < state.durable));
        let after = agreed.max().unwrap_or(0);
        tracing::warn!(log = %log.short(), after, "a log has another end");
        self.replication.trace(now, peer, log, after);
    }

    /// Compares an entry of the other end of a log with what stands here.
    pub(super) fn receive_other_end(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        entry: &Entry,
    ) -> Result<(), StorageError> {
        let (log, seq) = (entry.header().log, entry.header().seq);
        if !self.replication.is_traced(log) || self.is_writing_again || seq == 0 {
            return Ok(());
        }
        let id_at = |seq: u64| match seq {
            0 => Some(EntryId([0; 32])),
            _ => entry_at(storage, log, seq).map(|entry| entry.id()),
        };
        let held = self.replication.log(log).map_or(0, |state| state.durable);
        let follows = id_at(seq - 1) == Some(entry.header().previous);
        match id_at(seq) {
            Some(ours) if ours == entry.id() => Ok(()),
            Some(_) if follows && seq <= held => {
                let given_up = GivenUp::from([(log, Tail { from: seq, gone: 0 })]);
                self.write_again_without(now, storage, given_up)
            }
            None if follows && seq == held + 1 => {
                // It only goes on: the two are one.
                self.replication.rewind(now, log, (held, entry.header().previous));
                Ok(())
            }
            Some(_) | None => Ok(()),
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
