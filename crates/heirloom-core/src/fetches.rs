//! Which missing chunk to fetch from whom.

use crate::input::EffectId;
use heirloom_base::{ChunkId, DeviceId, Now};
use std::collections::{BTreeMap, BTreeSet};

/// Chunks that one fetch asks for.
const CHUNKS_PER_FETCH: usize = 16;
/// Pause after every connected device was asked in vain: it doubles for as long
/// as that stays so.
const PAUSE_MS: u64 = 1_000;
const PAUSE_MS_MAX: u64 = 16_000;

/// The fetches under way, one per device at a time.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    running: BTreeMap<EffectId, (DeviceId, Vec<ChunkId>)>,
    asked: BTreeMap<ChunkId, BTreeSet<DeviceId>>,
    resume_ms: Option<u64>,
    /// What everybody was asked for in vain, and the pause that was made then.
    in_vain: (BTreeSet<ChunkId>, u64),
}

impl Fetches {
    /// Returns the fetches to begin, given what is missing and who is connected.
    pub(crate) fn plan(
        &mut self,
        now: Now,
        missing: &BTreeSet<ChunkId>,
        peers: &[DeviceId],
    ) -> Vec<(DeviceId, Vec<ChunkId>)> {
        if missing.is_empty() || peers.is_empty() {
            self.asked.clear();
            self.resume_ms = None;
            return Vec::new();
        }
        if self.resume_ms.is_some_and(|resume| now.mono_ms >= resume) {
            self.asked.clear();
            self.resume_ms = None;
        }
        let mut open: Vec<ChunkId> =
            missing.iter().copied().filter(|chunk| !self.is_running(*chunk)).collect();
        let mut plans = Vec::new();
        for peer in peers {
            if self.running.values().any(|(busy, _)| busy == peer) {
                continue;
            }
            let wanted =
                |chunk: &ChunkId| !self.asked.get(chunk).is_some_and(|asked| asked.contains(peer));
            let chunks: Vec<ChunkId> =
                open.iter().copied().filter(wanted).take(CHUNKS_PER_FETCH).collect();
            if !chunks.is_empty() {
                open.retain(|chunk| !chunks.contains(chunk));
                plans.push((*peer, chunks));
            }
        }
        if plans.is_empty() && self.running.is_empty() && self.resume_ms.is_none() {
            let (before, pause_ms) = &self.in_vain;
            let is_again = before == missing;
            let pause_ms = if is_again { (2 * pause_ms).min(PAUSE_MS_MAX) } else { PAUSE_MS };
            self.resume_ms = Some(now.mono_ms + pause_ms);
            self.in_vain = (missing.clone(), pause_ms);
        }
        plans
    }

    /// Notes that a fetch began.
    pub(crate) fn begun(&mut self, id: EffectId, device: DeviceId, chunks: Vec<ChunkId>) {
        for chunk in &chunks {
            self.asked.entry(*chunk).or_default().insert(device);
        }
        self.running.insert(id, (device, chunks));
    }

    /// Returns whom a fetch under way asks.
    pub(crate) fn asked(&self, id: EffectId) -> Option<DeviceId> {
        self.running.get(&id).map(|(device, _)| *device)
    }

    /// Notes that a fetch ended.
    pub(crate) fn ended(&mut self, id: EffectId) {
        self.running.remove(&id);
    }

    /// A device came back: it may have what it lacked.
    pub(crate) fn peer_up(&mut self, device: DeviceId) {
        for asked in self.asked.values_mut() {
            asked.remove(&device);
        }
        self.in_vain = Default::default();
    }

    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.resume_ms
    }

    fn is_running(&self, chunk: ChunkId) -> bool {
        self.running.values().any(|(_, chunks)| chunks.contains(&chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: DeviceId = DeviceId([1; 32]);
    const TWO: DeviceId = DeviceId([2; 32]);

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 0, mono_ms }
    }

    #[test]
    fn a_chunk_is_asked_of_one_device_at_a_time_and_of_all_in_turn() {
        let mut fetches = Fetches::default();
        let missing: BTreeSet<ChunkId> = [ChunkId([9; 32])].into();
        let peers = [ONE, TWO];
        let plan = fetches.plan(at(0), &missing, &peers);
        assert_eq!(plan, [(ONE, vec![ChunkId([9; 32])])]);
        fetches.begun(EffectId(1), ONE, plan[0].1.clone());
        assert!(fetches.plan(at(0), &missing, &peers).is_empty());
        fetches.ended(EffectId(1));
        let plan = fetches.plan(at(0), &missing, &peers);
        assert_eq!(plan[0].0, TWO);
        fetches.begun(EffectId(2), TWO, plan[0].1.clone());
        fetches.ended(EffectId(2));
        assert!(fetches.plan(at(0), &missing, &peers).is_empty());
        assert_eq!(fetches.poll_timeout(), Some(PAUSE_MS));
        assert_eq!(fetches.plan(at(PAUSE_MS), &missing, &peers).len(), 1);
    }

    /// Asks both for as long as something is planned; returns the pause after that.
    fn ask_all(fetches: &mut Fetches, now_ms: u64, missing: &BTreeSet<ChunkId>) -> u64 {
        loop {
            let plans = fetches.plan(at(now_ms), missing, &[ONE, TWO]);
            if plans.is_empty() {
                return fetches.poll_timeout().unwrap() - now_ms;
            }
            for (number, (device, chunks)) in (0..).zip(plans) {
                fetches.begun(EffectId(number), device, chunks);
            }
            fetches.ended(EffectId(0));
            fetches.ended(EffectId(1));
        }
    }

    #[test]
    fn what_nobody_has_is_asked_for_less_and_less_until_something_changes() {
        let mut fetches = Fetches::default();
        let missing: BTreeSet<ChunkId> = [ChunkId([9; 32]), ChunkId([8; 32])].into();
        let (mut now_ms, mut pauses) = (0, Vec::new());
        for _ in 0..7 {
            let pause_ms = ask_all(&mut fetches, now_ms, &missing);
            pauses.push(pause_ms / PAUSE_MS);
            now_ms += pause_ms;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 16, 16]);
        let fewer: BTreeSet<ChunkId> = [ChunkId([9; 32])].into();
        assert_eq!(ask_all(&mut fetches, now_ms, &fewer), PAUSE_MS, "one has come");
        now_ms += PAUSE_MS;
        assert_eq!(ask_all(&mut fetches, now_ms, &fewer), 2 * PAUSE_MS);
        fetches.peer_up(TWO);
        assert_eq!(fetches.plan(at(now_ms), &fewer, &[ONE, TWO]).len(), 1, "it is asked at once");
        now_ms += 2 * PAUSE_MS;
        assert_eq!(ask_all(&mut fetches, now_ms, &fewer), PAUSE_MS);
    }

    #[test]
    fn several_devices_share_the_work() {
        let mut fetches = Fetches::default();
        let missing: BTreeSet<ChunkId> = (0..20).map(|number| ChunkId([number; 32])).collect();
        let plan = fetches.plan(at(0), &missing, &[ONE, TWO]);
        assert_eq!(plan.iter().map(|(_, chunks)| chunks.len()).collect::<Vec<_>>(), [16, 4]);
    }
}
