//! When to dial whom.

use crate::random::Random;
use heirloom_base::{DeviceId, Now, limits};
use std::collections::{BTreeMap, BTreeSet};

const DELAY_MS_MIN: u64 = 1_000;
const ADDRESSES_MAX: usize = 16;

/// What is known about reaching one device.
#[derive(Debug, Default)]
struct Route {
    addresses: Vec<String>,
    connected: bool,
    attempts: u32,
    due_ms: u64,
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
    /// whether one of them was new.
    pub(crate) fn learn(&mut self, now: Now, device: DeviceId, addresses: &[String]) -> bool {
        let Some(route) = self.routes.get_mut(&device) else { return false };
        let before = route.addresses.clone();
        let mut merged: Vec<String> = addresses.to_vec();
        merged.extend(before.iter().filter(|address| !addresses.contains(address)).cloned());
        merged.truncate(ADDRESSES_MAX);
        let news = merged.iter().any(|address| !before.contains(address));
        route.addresses = merged;
        if news {
            route.attempts = 0;
            route.due_ms = now.mono_ms;
        }
        news
    }

    /// Returns what is known about reaching a device.
    pub(crate) fn addresses(&self, device: DeviceId) -> &[String] {
        self.routes.get(&device).map_or(&[], |route| route.addresses.as_slice())
    }

    /// Returns every device with known addresses.
    pub(crate) fn known(&self) -> impl Iterator<Item = (DeviceId, &[String])> {
        self.routes
            .iter()
            .filter(|(_, route)| !route.addresses.is_empty())
            .map(|(device, route)| (*device, route.addresses.as_slice()))
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
            dials.push((device, route.addresses.clone()));
        }
        dials
    }

    fn waiting(&self) -> impl Iterator<Item = (&DeviceId, &Route)> {
        self.routes.iter().filter(|(_, route)| !route.connected && !route.addresses.is_empty())
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
        dialer.learn(at(0), DEVICE, &["/ip4/127.0.0.1/tcp/1".into()]);
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
        assert!(dialer.learn(at(10), DEVICE, &["/ip4/127.0.0.1/tcp/2".into()]));
        assert!(!dialer.learn(at(11), DEVICE, &["/ip4/127.0.0.1/tcp/2".into()]));
        let dials = dialer.due(at(10), &mut random);
        assert_eq!(dials[0].1[0], "/ip4/127.0.0.1/tcp/2");
        assert_eq!(dials[0].1.len(), 2);
        dialer.set_members(&BTreeSet::new());
        assert_eq!(dialer.known().count(), 0);
    }
}
