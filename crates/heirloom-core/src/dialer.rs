//! When to dial whom.

use crate::random::Random;
use heirloom_base::{DeviceId, Now, limits};
use std::collections::{BTreeMap, BTreeSet};

const DELAY_MS_MIN: u64 = 1_000;
/// Addresses of one device from one kind of source.
const ADDRESSES_MAX: usize = 8;

/// Who says where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// It was reached there, or says so itself, with its key.
    Itself,
    /// Somebody says so: discovery, which anybody can answer, or a member.
    Others,
}

/// What is known about reaching one device. What others say never drives out
/// where it was reached.
#[derive(Debug, Default)]
struct Route {
    own: Vec<String>,
    said: Vec<String>,
    connected: bool,
    attempts: u32,
    due_ms: u64,
    /// When it was dialled last.
    dialled_ms: Option<u64>,
}

impl Route {
    /// Returns all addresses, from both sources in turns.
    fn addresses(&self) -> Vec<String> {
        let said = self.said.iter().filter(|address| !self.own.contains(address));
        let (mut own, mut said) = (self.own.iter(), said);
        let mut all = Vec::new();
        loop {
            let turn = [own.next(), said.next()];
            if turn == [None, None] {
                return all;
            }
            all.extend(turn.into_iter().flatten().cloned());
        }
    }

    fn is_empty(&self) -> bool {
        self.own.is_empty() && self.said.is_empty()
    }
}

/// Dials members that are not connected, with growing pauses.
#[derive(Debug, Default)]
pub(crate) struct Dialer {
    routes: BTreeMap<DeviceId, Route>,
}

impl Dialer {
    /// Notes the members; others are forgotten.
    pub(crate) fn set_members(&mut self, members: &BTreeSet<DeviceId>) {
        self.routes.retain(|device, _| members.contains(device));
        for device in members {
            self.routes.entry(*device).or_default();
        }
    }

    /// Adds addresses at which a device may be reached, best first; returns
    /// whether one of them was new. A new one is tried at once, but not within
    /// a second of the last dial: anybody can say any number of addresses.
    pub(crate) fn learn(
        &mut self,
        now: Now,
        device: DeviceId,
        addresses: &[String],
        source: Source,
    ) -> bool {
        let Some(route) = self.routes.get_mut(&device) else { return false };
        let known = match source {
            Source::Itself => &mut route.own,
            Source::Others => &mut route.said,
        };
        let before = std::mem::take(known);
        known.extend(addresses.iter().take(ADDRESSES_MAX).cloned());
        known.extend(before.iter().filter(|address| !addresses.contains(address)).cloned());
        known.truncate(ADDRESSES_MAX);
        let news = known.iter().any(|address| !before.contains(address));
        if news {
            route.attempts = 0;
            let soonest = route.dialled_ms.map_or(0, |dialled| dialled + DELAY_MS_MIN);
            route.due_ms = soonest.max(now.mono_ms);
        }
        news
    }

    /// Returns where a device was reached, or says itself that it is.
    pub(crate) fn own_addresses(&self, device: DeviceId) -> &[String] {
        self.routes.get(&device).map_or(&[], |route| route.own.as_slice())
    }

    /// Returns every device with known addresses.
    pub(crate) fn known(&self) -> impl Iterator<Item = (DeviceId, Vec<String>)> {
        self.routes
            .iter()
            .filter(|(_, route)| !route.is_empty())
            .map(|(device, route)| (*device, route.addresses()))
    }

    /// Notes that a device is connected.
    pub(crate) fn connected(&mut self, device: DeviceId) {
        if let Some(route) = self.routes.get_mut(&device) {
            route.connected = true;
            route.attempts = 0;
        }
    }

    /// Notes that a device is gone: it is dialled again after the shortest pause.
    pub(crate) fn disconnected(&mut self, now: Now, device: DeviceId) {
        if let Some(route) = self.routes.get_mut(&device) {
            route.connected = false;
            route.attempts = 0;
            route.due_ms = now.mono_ms + DELAY_MS_MIN;
        }
    }

    /// Dials again at once: the network changed or somebody waits.
    pub(crate) fn hurry(&mut self, now: Now) {
        for route in self.routes.values_mut() {
            route.attempts = 0;
            route.due_ms = route.due_ms.min(now.mono_ms);
        }
    }

    /// Returns when [`Dialer::due`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.waiting().map(|(_, route)| route.due_ms).min()
    }

    /// Returns the devices to dial now, and plans their next attempt with a
    /// pause of up to 1 s times 2^n, so that two devices do not keep step.
    pub(crate) fn due(&mut self, now: Now, random: &mut Random) -> Vec<(DeviceId, Vec<String>)> {
        let due: Vec<DeviceId> = self
            .waiting()
            .filter(|(_, route)| route.due_ms <= now.mono_ms)
            .map(|(device, _)| *device)
            .collect();
        let mut dials = Vec::new();
        for device in due {
            let Some(route) = self.routes.get_mut(&device) else { continue };
            let ceiling =
                (DELAY_MS_MIN << route.attempts.min(16)).min(limits::BACKOFF_MS_MAX as u64);
            route.attempts += 1;
            route.due_ms = now.mono_ms + ceiling / 2 + random.below(ceiling / 2 + 1);
            route.dialled_ms = Some(now.mono_ms);
            dials.push((device, route.addresses()));
        }
        dials
    }

    fn waiting(&self) -> impl Iterator<Item = (&DeviceId, &Route)> {
        self.routes.iter().filter(|(_, route)| !route.connected && !route.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([1; 32]);

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 0, mono_ms }
    }

    fn dialer() -> Dialer {
        let mut dialer = Dialer::default();
        dialer.set_members(&[DEVICE].into());
        dialer.learn(at(0), DEVICE, &["/ip4/127.0.0.1/tcp/1".into()], Source::Itself);
        dialer
    }

    #[test]
    fn pauses_grow_up_to_their_limit() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        let mut pauses = Vec::new();
        let mut now = 0;
        for _ in 0..12 {
            assert_eq!(dialer.due(at(now), &mut random).len(), 1);
            assert!(dialer.due(at(now), &mut random).is_empty());
            let next = dialer.poll_timeout().unwrap();
            pauses.push(next - now);
            now = next;
        }
        assert!(pauses[0] <= 1_000 && pauses[11] >= 30_000);
        assert!(pauses.iter().all(|pause| *pause <= limits::BACKOFF_MS_MAX as u64));
    }

    #[test]
    fn a_connected_device_is_not_dialled_and_a_lost_one_is() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        dialer.connected(DEVICE);
        assert_eq!(dialer.poll_timeout(), None);
        dialer.disconnected(at(50), DEVICE);
        assert_eq!(dialer.poll_timeout(), Some(1_050));
        dialer.hurry(at(60));
        assert_eq!(dialer.due(at(60), &mut random).len(), 1);
    }

    #[test]
    fn a_new_address_goes_first_and_is_tried_at_once() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        dialer.due(at(0), &mut random);
        let new = ["/ip4/127.0.0.1/tcp/2".to_owned()];
        assert!(dialer.learn(at(5_000), DEVICE, &new, Source::Itself));
        assert!(!dialer.learn(at(5_001), DEVICE, &new, Source::Itself));
        let dials = dialer.due(at(5_000), &mut random);
        assert_eq!(dials[0].1[0], "/ip4/127.0.0.1/tcp/2");
        assert_eq!(dials[0].1.len(), 2);
        dialer.set_members(&BTreeSet::new());
        assert_eq!(dialer.known().count(), 0);
    }

    #[test]
    fn what_anybody_says_drives_out_no_address_where_a_device_was_reached() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        for number in 0..100 {
            let said = [format!("/ip4/10.0.0.1/tcp/{number}")];
            assert!(dialer.learn(at(number), DEVICE, &said, Source::Others));
        }
        assert_eq!(dialer.own_addresses(DEVICE), ["/ip4/127.0.0.1/tcp/1"]);
        let dials = dialer.due(at(100), &mut random);
        assert_eq!(dials[0].1.len(), 1 + ADDRESSES_MAX);
        assert_eq!(dials[0].1[..2], ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/99"]);
    }

    #[test]
    fn whoever_says_new_addresses_all_the_time_causes_one_dial_a_second() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        let mut dials = 0;
        for ms in 0..10_000 {
            let said = [format!("/ip4/10.0.0.1/tcp/{ms}")];
            dialer.learn(at(ms), DEVICE, &said, Source::Others);
            dials += dialer.due(at(ms), &mut random).len();
        }
        assert!((5..=11).contains(&dials), "{dials}");
    }

    #[test]
    fn an_address_of_both_sources_is_dialled_once() {
        let mut dialer = dialer();
        dialer.learn(at(0), DEVICE, &["/ip4/127.0.0.1/tcp/1".into()], Source::Others);
        assert_eq!(dialer.known().collect::<Vec<_>>()[0].1, ["/ip4/127.0.0.1/tcp/1"]);
    }
}
