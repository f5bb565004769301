//! The right of way of a checkpoint's packs before entries.
//!
//! Both travel over one connection, and where it is slow, the packs show
//! everything sooner. So who was shown checkpoints is sent little before it
//! gives credit for the first time, and it gives none while packs come, but for
//! a while at most and once: a checkpoint may be a lie.

use super::Replication;
use heirloom_base::{DeviceId, Now, limits};

impl Replication {
    /// Notes that a peer was shown checkpoints before any entries.
    pub fn shown_checkpoints(&mut self, device: DeviceId) {
        if let Some(session) = self.sessions.get_mut(&device) {
            session.is_shown_checkpoints = true;
        }
    }

    /// Lets packs go first: no credit is given back until they are here, or for
    /// [`PACKS_FIRST_MS`](limits::PACKS_FIRST_MS). It is done once.
    pub fn give_way(&mut self, now: Now) {
        let until = now.mono_ms.saturating_add(limits::PACKS_FIRST_MS as u64);
        self.way_until_ms.get_or_insert(until);
    }

    /// Ends that.
    pub fn end_way(&mut self, now: Now) {
        if self.way_until_ms.is_some_and(|until| until > 0) {
            self.way_until_ms = Some(0);
            for session in self.sessions.values_mut().filter(|session| !session.held.is_empty()) {
                session.held_until_ms = Some(0);
                // What could not be sent is not withheld.
                session.delivered(now);
            }
        }
    }

    /// Ends it when its time is over.
    pub(super) fn end_way_in_time(&mut self, now: Now) {
        if self.way_until_ms.is_some_and(|until| until <= now.mono_ms) {
            self.end_way(now);
        }
    }

    /// Returns until when credit is kept back, if it is.
    pub(super) fn way_until_ms(&self, now: Now) -> Option<u64> {
        self.way_until_ms.filter(|until| now.mono_ms < *until)
    }
}
