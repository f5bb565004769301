//! What is held: here, with the chunks that it names, and by the others' word.

use super::{LogState, Replication};
use crate::entry::Entry;
use crate::vector::{Tip, VersionVector};
use heirloom_base::{ChunkId, DeviceId, EntryId, LogId, Now};
use std::collections::BTreeSet;

impl Replication {
    /// Returns the devices that hold `log` up to `seq` as it is held here.
    #[must_use]
    pub fn holders(&self, log: LogId, seq: u64) -> Vec<DeviceId> {
        let holds = |device: &DeviceId| {
            let receipt = self.ledger.receipt(*device);
            receipt.is_some_and(|receipt| self.is_ours(log, &receipt.vector))
        };
        self.ledger.holders(log, seq).filter(holds).collect()
    }

    /// Returns up to which entry anybody among these devices said to hold a log.
    #[must_use]
    pub fn held_by(&self, log: LogId, devices: &dyn Fn(DeviceId) -> bool) -> u64 {
        let held = self.ledger.vectors().filter(|(device, _)| devices(*device));
        held.map(|(_, vector)| vector.seq(log)).max().unwrap_or(0)
    }

    /// Returns whether a device has ever said what it holds.
    #[must_use]
    pub fn has_spoken(&self, device: DeviceId) -> bool {
        self.ledger.receipt(device).is_some()
    }

    /// Returns the ends of a log that the receipts here tell of.
    pub fn tips_of(&self, log: LogId) -> impl Iterator<Item = Tip> {
        self.ledger.vectors().filter_map(move |(_, vector)| vector.tips.get(&log).copied())
    }

    /// Returns whether somebody's end of a log can be the one held here. A
    /// longer one of this device's own log was written before the folder was
    /// put back, so nothing that stands here since is in it.
    pub(super) fn is_ours(&self, log: LogId, vector: &VersionVector) -> bool {
        let (Some(state), Some(tip)) = (self.logs.get(&log), vector.tips.get(&log)) else {
            return true;
        };
        let ours = Tip::new(state.durable, state.durable_id);
        let is_known = tip.id != Tip::new(0, EntryId([0; 32])).id;
        let differs = is_known && tip.seq == ours.seq && tip.id != ours.id;
        let is_beyond = state.device == self.device && tip.seq > state.durable;
        !(self.forked.contains(&log) || differs || is_beyond || self.is_at_odds(log, *tip))
    }

    /// Notes an own entry that was handed out for storing.
    pub fn stage_own(&mut self, log: LogId, seq: u64, id: EntryId) {
        let device = self.device;
        let state = self.logs.entry(log).or_insert_with(|| LogState::empty(device));
        assert_eq!(state.staged + 1, seq, "an own log is written without gaps");
        state.staged = seq;
        state.staged_id = id;
    }

    /// Notes that an entry became durable here, with the chunks it still lacks.
    pub fn durable(&mut self, now: Now, entry: &Entry, missing: BTreeSet<ChunkId>) {
        let header = entry.header();
        let Some(device) = self
            .logs
            .get(&header.log)
            .map(|state| state.device)
            .or(header.origin.map(|origin| origin.device))
        else {
            return;
        };
        let state = self.logs.entry(header.log).or_insert_with(|| LogState::empty(device));
        assert_eq!(state.durable + 1, header.seq, "entries become durable in their log's order");
        state.durable = header.seq;
        state.durable_id = entry.id();
        if state.staged < state.durable {
            state.staged = state.durable;
            state.staged_id = state.durable_id;
        }
        if !missing.is_empty() {
            state.incomplete.insert(header.seq, missing);
        }
        self.receipt_later(now);
    }

    /// Notes that a chunk is durable here.
    pub fn chunk_arrived(&mut self, now: Now, chunk: ChunkId) {
        for state in self.logs.values_mut() {
            for missing in state.incomplete.values_mut() {
                missing.remove(&chunk);
            }
            state.incomplete.retain(|_, missing| !missing.is_empty());
        }
        self.receipt_later(now);
    }

    /// Notes that chunks of a held entry are not here any more.
    pub fn chunks_lost(&mut self, now: Now, log: LogId, seq: u64, lost: BTreeSet<ChunkId>) {
        if let Some(state) = self.logs.get_mut(&log).filter(|state| seq <= state.durable) {
            state.incomplete.entry(seq).or_default().extend(lost);
            self.receipt_later(now);
        }
    }

    /// Returns the chunks that held entries refer to and that are not here.
    #[must_use]
    pub fn chunks_missing(&self) -> BTreeSet<ChunkId> {
        self.logs.values().flat_map(|state| state.incomplete.values().flatten()).copied().collect()
    }
}
