//! The network: streams between devices, what travels on them, and how they break.

use super::{Happening, World};
use crate::hostile::{Malice, Ruse};
use heirloom_base::{ChunkId, DeviceId};
use heirloom_core::Node;
use heirloom_core::input::{EffectId, HelloId, Input};
use heirloom_core::storage::Storage as _;

impl World {
    /// Cuts or heals the way from one device to another; a stream needs both ways.
    pub fn cut(&mut self, from: usize, to: usize, is_cut: bool) {
        if is_cut {
            self.cut.insert((from, to));
            self.break_link(from, to);
        } else {
            self.cut.remove(&(from, to));
            self.connect_later(from, to);
        }
    }

    /// Heals every partition.
    pub fn heal(&mut self) {
        self.cut.clear();
        for one in 0..self.devices.len() {
            for other in 0..one {
                self.connect_later(one, other);
            }
        }
    }

    pub(super) fn send(&mut self, from: usize, to: DeviceId, bytes: Vec<u8>) {
        let Some(to) = self.number(to) else { return };
        let Some(life) = self.links.get(&pair(from, to)).copied() else { return };
        self.check_claims(from, &bytes);
        if self.rng.chance(self.faults.loss_percent) {
            // A stream does not lose a message: it breaks.
            return self.later(1, Happening::Break { one: from, other: to });
        }
        let Some(bytes) = self.twist(from, to, bytes) else { return };
        let copies = 1 + u64::from(self.rng.chance(self.faults.duplicate_percent));
        for _ in 0..copies {
            let delay = self.delay(from, to);
            let bytes = bytes.clone();
            self.later(delay, Happening::Deliver { from, to, life, bytes });
        }
    }

    /// Messages keep their order, except for the few that do not.
    fn delay(&mut self, from: usize, to: usize) -> u64 {
        let delay = 1 + self.rng.below(self.faults.latency_ms_max + 1);
        if self.rng.chance(self.faults.reorder_percent) {
            return delay;
        }
        let on_way = |happening: &Happening| matches!(happening, Happening::Deliver { from: other, to: end, .. } if (*other, *end) == (from, to));
        let last = self
            .queue
            .iter()
            .filter(|(_, happening)| on_way(happening))
            .map(|((time, _), _)| *time);
        delay.max(last.max().map_or(0, |last| last.saturating_sub(self.now_ms)))
    }

    pub(super) fn fetched(
        &mut self,
        device: usize,
        boot: u64,
        id: EffectId,
        from: DeviceId,
        chunks: &[ChunkId],
    ) {
        let Some(source) = self.number(from) else { return };
        if self.devices.get(device).is_none_or(|machine| machine.boot != boot) {
            return;
        }
        let reachable = self.links.contains_key(&pair(device, source));
        let found: Vec<_> = chunks
            .iter()
            .filter_map(|chunk| {
                let machine = self.devices.get(source).filter(|_| reachable)?;
                machine.disk.chunk(*chunk).ok().map(|bytes| (*chunk, bytes))
            })
            .collect();
        let arrived: Vec<ChunkId> = found.iter().map(|(chunk, _)| *chunk).collect();
        let malice = self.devices.get(source).and_then(|machine| machine.malice);
        if malice == Some(Malice::Plays(Ruse::Swaps)) {
            let (chunks, lacked) = (Vec::new(), Vec::new());
            return self.input(device, Input::Fetched { id, chunks, lacked, wrong: arrived });
        }
        for (chunk, bytes) in found {
            if !self.has_power(device) {
                return;
            }
            if let Some(machine) = self.devices.get_mut(device) {
                machine.disk.write_chunk(chunk, bytes);
            }
        }
        if !self.has_power(device) {
            return;
        }
        let mut lacked = if reachable { chunks.to_vec() } else { Vec::new() };
        lacked.retain(|chunk| !arrived.contains(chunk));
        self.input(device, Input::Fetched { id, chunks: arrived, lacked, wrong: Vec::new() });
    }

    pub(super) fn connect_later(&mut self, from: usize, to: usize) {
        if from != to {
            let delay = 1 + self.rng.below(self.faults.latency_ms_max + 1);
            self.later(delay, Happening::Connect { from, to });
        }
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) {
        let reachable = !self.cut.contains(&(from, to)) && !self.cut.contains(&(to, from));
        let both_on = self.is_on(from) && self.is_on(to);
        if !reachable || !both_on || self.links.contains_key(&pair(from, to)) {
            return;
        }
        let (Some(one), Some(other)) = (self.devices.get(from), self.devices.get(to)) else {
            return;
        };
        let (first, second) = (one.keys.id(), other.keys.id());
        if !one.members.contains(&second) {
            // Each of two devices dials the other, if it knows it.
            if other.members.contains(&first) {
                self.connect(to, from);
            }
            return;
        }
        if !other.members.contains(&first) {
            // The dialler shows the other side that it belongs here.
            let shown = one.node.as_ref().map(Node::presentation).unwrap_or_default();
            self.ticket += 1;
            let id = HelloId(self.ticket);
            self.input(to, Input::Hello { id, device: first, bytes: shown });
            let answer = self.devices.get_mut(to).and_then(|one| one.hello_replies.remove(&id));
            if let Some(bytes) = answer {
                self.input(from, Input::HelloAnswer { device: second, bytes });
            }
        }
        let accepted = self.devices.get(to).is_some_and(|other| other.members.contains(&first));
        if !accepted {
            return;
        }
        let boots = (self.boot_of(from.min(to)), self.boot_of(from.max(to)));
        self.links.insert(pair(from, to), boots);
        self.input(from, Input::PeerUp { device: second });
        self.input(to, Input::PeerUp { device: first });
    }

    fn boot_of(&self, device: usize) -> u64 {
        self.devices.get(device).map_or(0, |device| device.boot)
    }

    pub(super) fn break_link(&mut self, one: usize, other: usize) {
        if self.links.remove(&pair(one, other)).is_none() {
            return;
        }
        // Nothing that was on its way arrives: not even after a new stream began.
        let lost = |happening: &Happening| matches!(happening, Happening::Deliver { from, to, .. } if pair(*from, *to) == pair(one, other));
        self.queue.retain(|_, happening| !lost(happening));
        for (own, peer) in [(one, other), (other, one)] {
            let device = self.devices.get(peer).map(|device| device.keys.id());
            if let Some(device) = device.filter(|_| self.is_on(own)) {
                self.input(own, Input::PeerDown { device });
            }
        }
        self.connect_later(one, other);
    }

    pub(super) fn hang_up(&mut self, device: usize) {
        let links: Vec<(usize, usize)> = self
            .links
            .keys()
            .copied()
            .filter(|(one, other)| *one == device || *other == device)
            .collect();
        for (one, other) in links {
            self.break_link(one, other);
        }
    }
}

pub(super) fn pair(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}
