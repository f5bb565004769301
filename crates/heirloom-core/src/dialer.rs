//! When to dial whom.

use crate::random::Random;
use heirloom_base::{DeviceId, Now, limits};
use std::collections::{BTreeMap, BTreeSet};

const DELAY_MS_MIN: u64 = 1_000;
/// First and longest pause between two tries to reach directly a device that a
/// keeper relays: these go to addresses where nobody answered before.
const RELAYED_DELAY_MS_MIN: u64 = 10_000;
const RELAYED_DELAY_MS_MAX: u64 = 5 * 60 * 1_000;
/// First and longest time for which a circuit stands before it is made anew: each new
/// one is another attempt to make the way direct, and breaks off a conversation.
const CIRCUIT_MS_MIN: u64 = 20_000;
const CIRCUIT_MS_MAX: u64 = 30 * 60 * 1_000;
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
    /// When it was connected last, and how often since it was direct its circuit was
    /// made anew.
    connected_ms: u64,
    renewals: u32,
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

    /// Returns the longest pause before the attempt that follows so many.
    fn ceiling_ms(&self) -> u64 {
        let (first, last) = match self.connected {
            false => (DELAY_MS_MIN, limits::BACKOFF_MS_MAX as u64),
            true => (RELAYED_DELAY_MS_MIN, RELAYED_DELAY_MS_MAX),
        };
        (first << self.attempts.min(16)).min(last)
    }

    /// Returns whether the circuit has stood for so long that another attempt to make
    /// the way direct is worth a break.
    fn is_circuit_old(&self, now: Now) -> bool {
        let life = (CIRCUIT_MS_MIN << self.renewals.min(16)).min(CIRCUIT_MS_MAX);
        self.connected && now.mono_ms >= self.connected_ms.saturating_add(life)
    }
}

/// A device to dial: at these addresses, and if nobody answers there soon,
/// through these keepers; also anew where it is connected through one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dial {
    pub(crate) device: DeviceId,
    /// Best first.
    pub(crate) addresses: Vec<String>,
    /// None when the device is connected through one that is to stay.
    pub(crate) keepers: Vec<DeviceId>,
}

/// Dials members that are not connected, or not directly, with growing pauses.
#[derive(Debug, Default)]
pub(crate) struct Dialer {
    routes: BTreeMap<DeviceId, Route>,
    /// The members that relay for others.
    keepers: BTreeSet<DeviceId>,
    /// Who is connected through a keeper, also before it is known as a member.
    relayed: BTreeSet<DeviceId>,
    /// Whether nobody is dialled: this device was taken out.
    rests: bool,
}

impl Dialer {
    /// Notes the members, and which of them are keepers; others are forgotten.
    pub(crate) fn set_members(
        &mut self,
        members: &BTreeSet<DeviceId>,
        keepers: BTreeSet<DeviceId>,
    ) {
        self.keepers = keepers;
        self.routes.retain(|device, _| members.contains(device));
        for device in members {
            self.routes.entry(*device).or_default();
        }
    }

    /// Dials nobody while this device is out of the account, and at once when it is
    /// in again: where the others are is not forgotten meanwhile.
    pub(crate) fn rest(&mut self, now: Now, rests: bool) {
        let was_resting = std::mem::replace(&mut self.rests, rests);
        if was_resting && !rests {
            self.hurry(now);
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
    pub(crate) fn connected(&mut self, now: Now, device: DeviceId) {
        if let Some(route) = self.routes.get_mut(&device) {
            route.connected = true;
            route.connected_ms = now.mono_ms;
            route.attempts = 0;
            route.due_ms = now.mono_ms + RELAYED_DELAY_MS_MIN;
        }
        if self.relays(device) {
            self.hurry(now);
        }
    }

    /// Notes by which way a device is connected, or is about to be.
    pub(crate) fn rerouted(&mut self, now: Now, device: DeviceId, relayed: bool) {
        let changed = match relayed {
            true => self.relayed.insert(device),
            false => self.relayed.remove(&device),
        };
        if !changed {
            return;
        }
        if let Some(route) = self.routes.get_mut(&device) {
            if !relayed {
                route.renewals = 0;
            }
            if route.connected {
                route.connected_ms = now.mono_ms;
                route.attempts = 0;
                route.due_ms = now.mono_ms + RELAYED_DELAY_MS_MIN;
            }
        }
        if self.relays(device) {
            self.hurry(now);
        }
    }

    /// Returns whether a device is connected through a keeper.
    pub(crate) fn is_relayed(&self, device: DeviceId) -> bool {
        self.relayed.contains(&device)
            && self.routes.get(&device).is_some_and(|route| route.connected)
    }

    /// Returns whether a device relays for this one: a keeper does where it is
    /// connected directly.
    fn relays(&self, device: DeviceId) -> bool {
        self.keepers.contains(&device)
            && !self.relayed.contains(&device)
            && self.routes.get(&device).is_some_and(|route| route.connected)
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
    /// pause of up to 1 s times 2^n, so that two devices do not keep step. Of two
    /// that a keeper relays, the lower makes the circuit anew: `own` is this device.
    pub(crate) fn due(&mut self, now: Now, random: &mut Random, own: DeviceId) -> Vec<Dial> {
        let relays: Vec<DeviceId> =
            self.keepers.iter().filter(|keeper| self.relays(**keeper)).copied().collect();
        let due: Vec<DeviceId> = self
            .waiting()
            .filter(|(_, route)| route.due_ms <= now.mono_ms)
            .map(|(device, _)| *device)
            .collect();
        let mut dials = Vec::new();
        for device in due {
            let Some(route) = self.routes.get_mut(&device) else { continue };
            let ceiling = route.ceiling_ms();
            route.attempts += 1;
            route.due_ms = now.mono_ms + ceiling / 2 + random.below(ceiling / 2 + 1);
            route.dialled_ms = Some(now.mono_ms);
            let renews = own < device && !relays.is_empty() && route.is_circuit_old(now);
            route.renewals += u32::from(renews);
            let keepers = if route.connected && !renews { Vec::new() } else { relays.clone() };
            if !keepers.is_empty() || !route.is_empty() {
                dials.push(Dial { device, addresses: route.addresses(), keepers });
            }
        }
        dials
    }

    fn waiting(&self) -> impl Iterator<Item = (&DeviceId, &Route)> {
        let keeper = self.keepers.iter().any(|keeper| self.relays(*keeper));
        let routes = self.routes.iter().filter(|_| !self.rests);
        routes.filter(move |(device, route)| match route.connected {
            false => keeper || !route.is_empty(),
            true => self.relayed.contains(device) && (keeper || !route.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([1; 32]);
    const OWN: DeviceId = DeviceId([2; 32]);

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 0, mono_ms }
    }

    fn dialer() -> Dialer {
        let mut dialer = Dialer::default();
        dialer.set_members(&[DEVICE].into(), BTreeSet::new());
        dialer.learn(at(0), DEVICE, &["/ip4/127.0.0.1/tcp/1".into()], Source::Itself);
        dialer
    }

    #[test]
    fn pauses_grow_up_to_their_limit() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        let mut pauses = Vec::new();
        let mut now = 0;
        for _ in 0..12 {
            assert_eq!(dialer.due(at(now), &mut random, OWN).len(), 1);
            assert!(dialer.due(at(now), &mut random, OWN).is_empty());
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
        dialer.connected(at(0), DEVICE);
        assert_eq!(dialer.poll_timeout(), None);
        dialer.disconnected(at(50), DEVICE);
        assert_eq!(dialer.poll_timeout(), Some(1_050));
        dialer.hurry(at(60));
        assert_eq!(dialer.due(at(60), &mut random, OWN).len(), 1);
    }

    #[test]
    fn a_new_address_goes_first_and_is_tried_at_once() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        dialer.due(at(0), &mut random, OWN);
        let new = ["/ip4/127.0.0.1/tcp/2".to_owned()];
        assert!(dialer.learn(at(5_000), DEVICE, &new, Source::Itself));
        assert!(!dialer.learn(at(5_001), DEVICE, &new, Source::Itself));
        let dials = dialer.due(at(5_000), &mut random, OWN);
        assert_eq!(dials[0].addresses[0], "/ip4/127.0.0.1/tcp/2");
        assert_eq!(dials[0].addresses.len(), 2);
        dialer.set_members(&BTreeSet::new(), BTreeSet::new());
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
        let dials = dialer.due(at(100), &mut random, OWN);
        assert_eq!(dials[0].addresses.len(), 1 + ADDRESSES_MAX);
        assert_eq!(dials[0].addresses[..2], ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/99"]);
    }

    #[test]
    fn whoever_says_new_addresses_all_the_time_causes_one_dial_a_second() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        let mut dials = 0;
        for ms in 0..10_000 {
            let said = [format!("/ip4/10.0.0.1/tcp/{ms}")];
            dialer.learn(at(ms), DEVICE, &said, Source::Others);
            dials += dialer.due(at(ms), &mut random, OWN).len();
        }
        assert!((5..=11).contains(&dials), "{dials}");
    }

    const KEEPER: DeviceId = DeviceId([9; 32]);

    /// One device that is not connected, and a keeper.
    fn with_keeper() -> (Dialer, Random) {
        let mut dialer = dialer();
        dialer.set_members(&[DEVICE, KEEPER].into(), [KEEPER].into());
        (dialer, Random::new([1; 32]))
    }

    #[test]
    fn a_keeper_that_is_connected_directly_is_the_last_way_and_opens_at_once() {
        let (mut dialer, mut random) = with_keeper();
        let dials = dialer.due(at(0), &mut random, OWN);
        assert_eq!((dials.len(), &dials[0].keepers), (1, &vec![]), "no way to the keeper is known");
        dialer.rerouted(at(5), KEEPER, true);
        dialer.connected(at(10), KEEPER);
        assert_ne!(dialer.poll_timeout(), Some(10), "a keeper that is relayed relays for nobody");
        dialer.rerouted(at(20), KEEPER, false);
        assert_eq!(dialer.poll_timeout(), Some(20));
        let dials = dialer.due(at(20), &mut random, OWN);
        let addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
        assert_eq!(dials, [Dial { device: DEVICE, addresses, keepers: vec![KEEPER] }]);
        dialer.disconnected(at(30), KEEPER);
        assert_eq!(dialer.due(at(70_000), &mut random, OWN)[0].keepers, []);
    }

    #[test]
    fn a_device_without_an_address_is_dialled_through_a_keeper_alone() {
        let mut dialer = Dialer::default();
        dialer.set_members(&[DEVICE, KEEPER].into(), [KEEPER].into());
        assert_eq!(dialer.poll_timeout(), None);
        dialer.connected(at(0), KEEPER);
        let dials = dialer.due(at(0), &mut Random::new([1; 32]), OWN);
        assert_eq!(dials, [Dial { device: DEVICE, addresses: vec![], keepers: vec![KEEPER] }]);
    }

    #[test]
    fn a_relayed_device_is_dialled_directly_and_more_and_more_rarely() {
        let (mut dialer, mut random) = with_keeper();
        dialer.connected(at(0), KEEPER);
        dialer.rerouted(at(0), DEVICE, true);
        dialer.connected(at(0), DEVICE);
        assert!(dialer.is_relayed(DEVICE));
        let (mut now, mut pauses) = (0, Vec::new());
        for _ in 0..10 {
            let next = dialer.poll_timeout().unwrap();
            pauses.push(next - now);
            now = next;
            let dials = dialer.due(at(now), &mut random, OWN);
            assert_eq!((dials[0].device, &dials[0].keepers), (DEVICE, &vec![]));
        }
        assert_eq!(pauses[0], RELAYED_DELAY_MS_MIN);
        assert!(pauses[9] > RELAYED_DELAY_MS_MAX / 3);
        assert!(pauses.iter().all(|pause| *pause <= RELAYED_DELAY_MS_MAX));
        // Somebody sees it nearby.
        let seen = ["/ip4/10.0.0.1/tcp/5".to_owned()];
        assert!(dialer.learn(at(now + 2_000), DEVICE, &seen, Source::Others));
        assert_eq!(dialer.due(at(now + 2_000), &mut random, OWN).len(), 1);
        dialer.rerouted(at(now), DEVICE, false);
        assert_eq!((dialer.is_relayed(DEVICE), dialer.poll_timeout()), (false, None));
    }

    #[test]
    fn the_lower_of_two_makes_a_circuit_anew_and_more_and_more_rarely() {
        let (mut dialer, mut random) = with_keeper();
        dialer.connected(at(0), KEEPER);
        dialer.rerouted(at(0), DEVICE, true);
        dialer.connected(at(0), DEVICE);
        let own = DeviceId([0; 32]);
        let (mut last, mut lives) = (0, Vec::new());
        while lives.len() < 10 {
            let now = dialer.poll_timeout().unwrap();
            let dials = dialer.due(at(now), &mut random, own);
            if dials[0].keepers == [KEEPER] {
                lives.push(now - last);
                last = now;
                // The new one is there.
                dialer.disconnected(at(now), DEVICE);
                dialer.connected(at(now), DEVICE);
            }
        }
        assert!((CIRCUIT_MS_MIN..3 * CIRCUIT_MS_MIN).contains(&lives[0]), "{lives:?}");
        assert!(lives[9] >= CIRCUIT_MS_MAX, "{lives:?}");
        dialer.rerouted(at(last), DEVICE, false);
        dialer.rerouted(at(last + 1), DEVICE, true);
        let renewed = (1..).find_map(|_| {
            let now = dialer.poll_timeout()?;
            let dials = dialer.due(at(now), &mut random, own);
            (dials[0].keepers == [KEEPER]).then_some(now - last)
        });
        assert!(renewed.unwrap() < 3 * CIRCUIT_MS_MIN, "it was direct meanwhile");
    }

    #[test]
    fn who_is_out_dials_nobody_and_forgets_nobody() {
        let (mut dialer, mut random) = (dialer(), Random::new([1; 32]));
        dialer.rest(at(0), true);
        assert_eq!(dialer.poll_timeout(), None);
        assert!(dialer.due(at(5), &mut random, OWN).is_empty());
        let new = ["/ip4/127.0.0.1/tcp/2".to_owned()];
        assert!(dialer.learn(at(6), DEVICE, &new, Source::Itself));
        dialer.rest(at(90_000), false);
        let dials = dialer.due(at(90_000), &mut random, OWN);
        assert_eq!(dials[0].addresses[0], "/ip4/127.0.0.1/tcp/2");
    }

    #[test]
    fn an_address_of_both_sources_is_dialled_once() {
        let mut dialer = dialer();
        dialer.learn(at(0), DEVICE, &["/ip4/127.0.0.1/tcp/1".into()], Source::Others);
        assert_eq!(dialer.known().collect::<Vec<_>>()[0].1, ["/ip4/127.0.0.1/tcp/1"]);
    }
}
