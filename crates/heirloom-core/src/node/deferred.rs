//! What is heard before its time: conversations before the start is recorded, and
//! commands while something is being given up.

use super::Node;
use crate::input::{Effect, Input};
use crate::storage::{Storage, StorageError};
use heirloom_base::{DeviceId, Now, limits};

impl Node {
    /// Keeps what a conversation brings until the start is recorded.
    pub(super) fn defer(&mut self, input: Input) {
        if let Input::PeerDown { device } = input {
            return self.deferred.retain(|earlier| speaker(earlier) != Some(device));
        }
        match speaker(&input) {
            Some(device) if self.deferred.len() >= limits::DEFERRED_MAX => {
                self.effect(Effect::Disconnect { device });
            }
            Some(_) | None => self.deferred.push(input),
        }
    }

    /// Takes in what was deferred and is due. It comes before what is heard now: a
    /// conversation makes no sense without its beginning.
    pub(super) fn take_deferred(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        if !self.started || self.deferred.is_empty() {
            return Ok(());
        }
        let is_giving_up = self.is_giving_up();
        let is_due = |input: &Input| !is_giving_up || speaker(input).is_some();
        let deferred = std::mem::take(&mut self.deferred).into_iter();
        let (due, later) = deferred.partition(is_due);
        self.deferred = later;
        let due: Vec<Input> = due;
        due.into_iter().try_for_each(|input| self.route(now, storage, input))
    }
}

/// Returns whose conversation an input is of.
fn speaker(input: &Input) -> Option<DeviceId> {
    match input {
        Input::PeerUp { device } | Input::PeerDown { device } | Input::Frame { device, .. } => {
            Some(*device)
        }
        Input::Command { .. }
        | Input::ChunksLost { .. }
        | Input::Hello { .. }
        | Input::HelloAnswer { .. }
        | Input::Pairing { .. }
        | Input::PairingClosed { .. }
        | Input::Appended { .. }
        | Input::Fetched { .. }
        | Input::Listening { .. }
        | Input::NetworkChanged { .. }
        | Input::Seen { .. }
        | Input::Reached { .. }
        | Input::Coming { .. }
        | Input::Broke { .. }
        | Input::Way { .. } => None,
    }
}
