//! Bounds on what a device that breaks the rules costs: a line of the log now and
//! then, and after some breaches a pause in which nobody listens to it.

use super::Node;
use heirloom_base::{DeviceId, Now, limits};
use std::collections::BTreeMap;

/// Time without a breach after which earlier ones are not counted any more.
const FORGOTTEN_MS: u64 = 60_000;
/// How often devices broke the rules lately, and what was said of it.
#[derive(Debug, Default)]
pub(crate) struct Breaches {
    of: BTreeMap<DeviceId, Breach>,
    complaints: BTreeMap<DeviceId, Complaints>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Breach {
    count: usize,
    last_ms: u64,
    pauses: u32,
    /// Until when it is not listened to.
    until_ms: Option<u64>,
}

/// Lines of the log about one device.
#[derive(Debug, Clone, Copy)]
struct Complaints {
    left: u64,
    counted_ms: u64,
    left_out: u64,
}

impl Complaints {
    const EACH_MS: u64 = 1_000;

    /// Returns how many lines were left out before this one, or nothing where it is
    /// left out itself.
    fn next(&mut self, now: Now) -> Option<u64> {
        let more = now.mono_ms.saturating_sub(self.counted_ms) / Self::EACH_MS;
        self.counted_ms += more * Self::EACH_MS;
        self.left = (self.left + more).min(limits::COMPLAINTS_AT_ONCE_MAX as u64);
        if self.left == 0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Breaches {
    /// Returns how many lines were left out before one about a device, or nothing
    /// where that one is left out.
    pub(super) fn complain(&mut self, now: Now, device: DeviceId) -> Option<u64> {
        let most = limits::COMPLAINTS_AT_ONCE_MAX as u64;
        let fresh = Complaints { left: most, counted_ms: now.mono_ms, left_out: 0 };
        self.complaints.entry(device).or_insert(fresh).next(now)
    }

    /// Counts a breach; returns whether a pause begins.
    fn count(&mut self, now: Now, device: DeviceId) -> bool {
        let breach = self.of.entry(device).or_default();
        if now.mono_ms >= breach.last_ms.saturating_add(FORGOTTEN_MS) {
            breach.count = 0;
        }
        (breach.last_ms, breach.count) = (now.mono_ms, breach.count + 1);
        if breach.count < limits::BREACHES_MAX || breach.until_ms.is_some() {
            return false;
        }
        let longest = limits::BREACH_PAUSE_MS_MAX as u64;
        let pause = ((limits::BREACH_PAUSE_MS as u64) << breach.pauses.min(16)).min(longest);
        let pauses = breach.pauses.saturating_add(1);
        let until_ms = Some(now.mono_ms + pause);
        *breach = Breach { count: 0, pauses, until_ms, ..*breach };
        true
    }

    pub(super) fn is_paused(&self, device: DeviceId) -> bool {
        self.of.get(&device).is_some_and(|breach| breach.until_ms.is_some())
    }

    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.of.values().filter_map(|breach| breach.until_ms).min()
    }

    /// Ends the pauses that are over; returns whether there were any.
    fn end(&mut self, now: Now) -> bool {
        let is_over = |until: u64| until <= now.mono_ms;
        let over = self.of.values_mut().filter(|breach| breach.until_ms.is_some_and(is_over));
        over.map(|breach| breach.until_ms = None).count() > 0
    }
}

impl Node {
    /// Counts that a peer broke the rules of a conversation. Who does so again and
    /// again is not listened to for a while, and each time for longer: it may be
    /// an honest device of another version, so it is never for good.
    pub(super) fn breach(&mut self, device: DeviceId, what: &str) {
        self.offence(device, what);
        let now = self.conduct.now;
        if self.conduct.breaches.count(now, device) {
            tracing::warn!(device = %device.short(), "a peer is not listened to for a while");
            self.effect(crate::input::Effect::Disconnect { device });
            self.say_members();
        }
    }

    /// Listens again to whom the pause is over for.
    pub(super) fn end_pauses(&mut self, now: Now) {
        if self.conduct.breaches.end(now) {
            self.say_members();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([1; 32]);

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 0, mono_ms }
    }

    #[test]
    fn of_many_complaints_few_are_said_and_the_others_are_counted() {
        let mut breaches = Breaches::default();
        let said = (0..1_000).filter(|_| breaches.complain(at(5), DEVICE).is_some()).count();
        assert_eq!(said, limits::COMPLAINTS_AT_ONCE_MAX);
        assert_eq!(breaches.complain(at(1_005), DEVICE), Some(990));
        assert_eq!(breaches.complain(at(1_006), DEVICE), None);
        assert_eq!(breaches.complain(at(3_005), DEVICE), Some(1));
    }

    #[test]
    fn pauses_grow_up_to_their_limit_and_end() {
        let (mut breaches, mut now, mut pauses) = (Breaches::default(), 0, Vec::new());
        for _ in 0..9 {
            let begins = (0..limits::BREACHES_MAX).map(|_| breaches.count(at(now), DEVICE));
            assert_eq!(begins.filter(|begins| *begins).count(), 1);
            let until = breaches.poll_timeout().unwrap();
            pauses.push(until - now);
            assert!(breaches.is_paused(DEVICE) && !breaches.end(at(until - 1)));
            assert!(breaches.end(at(until)) && !breaches.is_paused(DEVICE));
            now = until;
        }
        let (first, last) = (pauses[0], *pauses.last().unwrap());
        assert_eq!((first, last), (5_000, limits::BREACH_PAUSE_MS_MAX as u64));
    }

    #[test]
    fn breaches_far_apart_begin_no_pause() {
        let mut breaches = Breaches::default();
        for number in 0..100 {
            assert!(!breaches.count(at(number * FORGOTTEN_MS), DEVICE));
        }
    }
}
