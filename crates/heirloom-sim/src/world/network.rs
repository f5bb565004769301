//! The network: streams between devices, what travels on them, and how they break.

use super::{Happening, World};
use crate::faults::Fault;
use crate::hostile::{Malice, Ruse};
use heirloom_base::{ChunkId, DeviceId, limits};
use heirloom_core::input::{EffectId, HelloId, Input};
use heirloom_core::storage::Storage as _;

/// A transfer of chunks is as long as so many messages.
const TRANSFER_LOSSES: u64 = 5;
/// A message that takes so long is late.
const LATE_MS: u64 = 200;

/// Presentations of one connection.
const INTRODUCTIONS_MAX: usize = 256;

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

    /// Holds up everything between two devices for a time, as where a network
    /// goes on without a word and comes back before anybody gives up.
    pub fn freeze_link(&mut self, one: usize, other: usize, milliseconds: u64) {
        if !self.links.contains_key(&pair(one, other)) {
            return;
        }
        self.tally.note(Fault::LinkFrozen);
        let thaw = self.thaws.entry(pair(one, other)).or_default();
        *thaw = (*thaw).max(self.now_ms + milliseconds);
        let is_held = |happening: &Happening| matches!(happening, Happening::Deliver { from, to, .. } if pair(*from, *to) == pair(one, other));
        let queue = std::mem::take(&mut self.queue);
        self.queue = queue
            .into_iter()
            .map(|((time, ticket), happening)| {
                let held_ms = if is_held(&happening) { milliseconds } else { 0 };
                ((time + held_ms, ticket), happening)
            })
            .collect();
    }

    /// Returns how long what is sent between two devices is held up.
    fn held_ms(&self, one: usize, other: usize) -> u64 {
        self.thaws.get(&pair(one, other)).map_or(0, |thaw| thaw.saturating_sub(self.now_ms))
    }

    pub(super) fn send(&mut self, from: usize, to: DeviceId, bytes: Vec<u8>) {
        let Some(to) = self.number(to) else { return };
        let Some(life) = self.links.get(&pair(from, to)).copied() else { return };
        self.check_claims(from, &bytes);
        if self.rng.chance(self.faults.loss_percent) {
            // A stream does not lose a message: it breaks.
            self.tally.note(Fault::Lost);
            return self.later(1, Happening::Break { one: from, other: to });
        }
        let Some(bytes) = self.twist(from, to, bytes) else { return };
        let is_doubled = self.rng.chance(self.faults.duplicate_percent);
        if is_doubled {
            self.tally.note(Fault::Doubled);
        }
        for _ in 0..1 + u64::from(is_doubled) {
            let delay = self.delay(from, to);
            let bytes = bytes.clone();
            self.later(delay, Happening::Deliver { from, to, life, bytes });
            if self.rng.below(1_000) < self.faults.sever_permille {
                self.tally.note(Fault::Severed);
                self.later(delay, Happening::Break { one: from, other: to });
            }
        }
    }

    /// Messages keep their order, except for the few that do not.
    fn delay(&mut self, from: usize, to: usize) -> u64 {
        let mut delay = 1 + self.rng.below(self.faults.latency_ms_max + 1);
        if delay >= LATE_MS {
            self.tally.note(Fault::Late);
        }
        delay += self.held_ms(from, to);
        let may_overtake = self.rng.chance(self.faults.reorder_percent);
        if self.rng.below(1_000) < self.faults.stall_permille {
            self.tally.note(Fault::Stalled);
            delay += limits::STALL_MS_MAX as u64 + self.rng.below(60_000);
        }
        let on_way = |happening: &Happening| matches!(happening, Happening::Deliver { from: other, to: end, .. } if (*other, *end) == (from, to));
        let last = self
            .queue
            .iter()
            .filter(|(_, happening)| on_way(happening))
            .map(|((time, _), _)| *time);
        let last = last.max().map_or(0, |last| last.saturating_sub(self.now_ms));
        if may_overtake {
            if delay < last {
                self.tally.note(Fault::Overtaken);
            }
            // Nothing overtakes what holds up its stream.
            let held_up = last.saturating_sub(self.faults.latency_ms_max + LATE_MS);
            return delay.max(held_up);
        }
        delay.max(last)
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
        let mut chunks = chunks;
        if reachable && self.rng.chance(TRANSFER_LOSSES * self.faults.loss_percent) {
            self.tally.note(Fault::TransferBroken);
            chunks = chunks.get(..self.rng.index(chunks.len().max(1))).unwrap_or_default();
        }
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

    /// Connects two devices if the dial leads anywhere.
    pub(super) fn dialled(&mut self, from: usize, to: usize) {
        if self.rng.chance(self.faults.refuse_percent) {
            return self.tally.note(Fault::Unreachable);
        }
        let thaw_ms = [from, to].into_iter().filter_map(|device| self.frozen(device));
        match thaw_ms.map(|(_, thaw_ms)| thaw_ms).max() {
            Some(thaw_ms) => self.later(thaw_ms - self.now_ms, Happening::Connect { from, to }),
            None => self.connect(from, to),
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
        // The dialler shows the other side that it belongs here.
        for _ in 0..INTRODUCTIONS_MAX {
            if self.devices.get(to).is_none_or(|other| other.members.contains(&first)) {
                break;
            }
            self.introduce(from, to);
            let machine = self.devices.get_mut(from);
            if !machine.is_some_and(|machine| machine.introductions.remove(&second)) {
                break;
            }
        }
        let accepted = self.devices.get(to).is_some_and(|other| other.members.contains(&first));
        if !accepted {
            return;
        }
        let boots = (self.boot_of(from.min(to)), self.boot_of(from.max(to)));
        self.thaws.remove(&pair(from, to));
        self.links.insert(pair(from, to), boots);
        self.input(from, Input::PeerUp { device: second });
        self.input(to, Input::PeerUp { device: first });
    }

    fn introduce(&mut self, from: usize, to: usize) {
        let (Some(one), Some(other)) = (self.devices.get(from), self.devices.get(to)) else {
            return;
        };
        let (first, second) = (one.keys.id(), other.keys.id());
        let shown = one.node.as_ref().map(|node| node.presentation(second)).unwrap_or_default();
        self.ticket += 1;
        let id = HelloId(self.ticket);
        self.input(to, Input::Hello { id, device: first, bytes: shown });
        let answer = self.devices.get_mut(to).and_then(|one| one.hello_replies.remove(&id));
        if let Some(bytes) = answer {
            self.input(from, Input::HelloAnswer { device: second, bytes });
        }
    }

    pub(super) fn boot_of(&self, device: usize) -> u64 {
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
