//! Addresses that a user gave, dialled until somebody was met there. Who it
//! is shows only then, and from then on the node itself dials that device.

use heirloom_base::{Now, limits};

const PAUSE_MS_MIN: u64 = 1_000;
/// Addresses that are tried: enough for a household.
const ADDRESSES_MAX: usize = 64;

/// The addresses that nobody was met at yet.
#[derive(Debug)]
pub(super) struct Strays {
    waiting: Vec<String>,
    pause_ms: u64,
    due_ms: u64,
}

impl Strays {
    pub(super) fn new(mut addresses: Vec<String>) -> Self {
        addresses.truncate(ADDRESSES_MAX);
        Self { waiting: addresses, pause_ms: PAUSE_MS_MIN, due_ms: 0 }
    }

    /// Returns when [`Strays::due`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.due_ms)
    }

    /// Returns the addresses to dial now, and plans the next attempt after a longer pause.
    pub(super) fn due(&mut self, now: Now) -> Vec<String> {
        if self.waiting.is_empty() || now.mono_ms < self.due_ms {
            return Vec::new();
        }
        self.due_ms = now.mono_ms + self.pause_ms;
        self.pause_ms = (self.pause_ms * 2).min(limits::BACKOFF_MS_MAX as u64);
        self.waiting.clone()
    }

    /// Dials again at once, and with short pauses: the network has changed.
    pub(super) fn hurry(&mut self, now: Now) {
        self.pause_ms = PAUSE_MS_MIN;
        self.due_ms = self.due_ms.min(now.mono_ms);
    }

    /// Notes that somebody was met at an address; returns whether it was waited for.
    pub(super) fn met(&mut self, address: &str) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| place(waiting) != place(address));
        self.waiting.len() < before
    }
}

/// Returns the part of a multiaddress that says where, without who.
pub(crate) fn place(address: &str) -> &str {
    address.split("/p2p/").next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 0, mono_ms }
    }

    #[test]
    fn an_address_is_dialled_with_growing_pauses_until_somebody_is_met_there() {
        let mut strays =
            Strays::new(vec!["/ip4/10.0.0.1/tcp/1".into(), "/ip4/10.0.0.2/tcp/1".into()]);
        assert_eq!(strays.due(at(5)).len(), 2);
        assert!(strays.due(at(6)).is_empty());
        let second = strays.poll_timeout().unwrap();
        assert_eq!(strays.due(at(second)).len(), 2);
        assert!(strays.poll_timeout().unwrap() - second > second - 5);
        assert!(strays.met("/ip4/10.0.0.1/tcp/1/p2p/someone"));
        assert!(!strays.met("/ip4/10.0.0.9/tcp/1"));
        assert_eq!(strays.due(at(u64::MAX / 2)), ["/ip4/10.0.0.2/tcp/1"]);
        assert!(strays.met("/ip4/10.0.0.2/tcp/1"));
        assert_eq!(strays.poll_timeout(), None);
    }

    #[test]
    fn a_changed_network_shortens_the_pause() {
        let mut strays = Strays::new(vec!["/ip4/10.0.0.1/tcp/1".into()]);
        for now in [0, 10_000, 20_000, 40_000] {
            strays.due(at(now));
        }
        strays.hurry(at(40_001));
        assert_eq!(strays.due(at(40_001)).len(), 1);
        assert_eq!(strays.poll_timeout(), Some(40_001 + PAUSE_MS_MIN));
    }

    #[test]
    fn pauses_have_a_longest() {
        let mut strays = Strays::new(vec!["/ip4/10.0.0.1/tcp/1".into()]);
        let mut now = 0;
        for _ in 0..20 {
            assert_eq!(strays.due(at(now)).len(), 1);
            let next = strays.poll_timeout().unwrap();
            assert!(next - now <= limits::BACKOFF_MS_MAX as u64);
            now = next;
        }
    }
}
