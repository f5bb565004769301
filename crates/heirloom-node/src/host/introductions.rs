//! Members that this device is connected with but that do not talk to it:
//! they may not know yet that it belongs here, so it shows them the roster.

use heirloom_base::{DeviceId, Now};
use std::collections::BTreeMap;

/// Time that a member has to begin by itself.
const PATIENCE_MS: u64 = 1_000;
/// Pause before the roster is shown again.
const AGAIN_MS: u64 = 15_000;

/// The members that are waited for, and until when.
#[derive(Debug, Default)]
pub(super) struct Introductions {
    due: BTreeMap<DeviceId, u64>,
}

impl Introductions {
    /// Notes that a connection with a member is up.
    pub(super) fn connected(&mut self, now: Now, device: DeviceId) {
        self.due.insert(device, now.mono_ms + PATIENCE_MS);
    }

    /// Notes that the member talks, or is gone.
    pub(super) fn over(&mut self, device: DeviceId) {
        self.due.remove(&device);
    }

    /// Returns when [`Introductions::due`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.due.values().min().copied()
    }

    /// Returns the members to show the roster to now.
    pub(super) fn due(&mut self, now: Now) -> Vec<DeviceId> {
        let mut devices = Vec::new();
        for (device, due) in &mut self.due {
            if *due <= now.mono_ms {
                *due = now.mono_ms + AGAIN_MS;
                devices.push(*device);
            }
        }
        devices
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
    fn only_a_member_that_keeps_silent_is_shown_the_roster() {
        let mut introductions = Introductions::default();
        introductions.connected(at(0), DEVICE);
        introductions.connected(at(0), DeviceId([2; 32]));
        introductions.over(DeviceId([2; 32]));
        assert!(introductions.due(at(PATIENCE_MS - 1)).is_empty());
        assert_eq!(introductions.due(at(PATIENCE_MS)), [DEVICE]);
        assert!(introductions.due(at(PATIENCE_MS + 1)).is_empty());
        assert_eq!(introductions.poll_timeout(), Some(PATIENCE_MS + AGAIN_MS));
        introductions.over(DEVICE);
        assert_eq!(introductions.poll_timeout(), None);
    }
}
