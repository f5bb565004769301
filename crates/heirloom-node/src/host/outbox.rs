//! Frames for peers whose queue in the network is full at the moment.

use heirloom_base::DeviceId;
use heirloom_net::SendError;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Frames that wait for one peer. Credit bounds what the node sends, so more
/// than this means a peer that reads nothing and must be let go.
const FRAMES_MAX: usize = 8_192;

/// Pause before a full queue is tried again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    /// It is on its way, or waits, or its peer is gone.
    Taken,
    /// Too much waits for this peer.
    Overflow,
}

/// The frames that wait, in order, by peer.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: BTreeMap<DeviceId, VecDeque<Vec<u8>>>,
}

impl Outbox {
    /// Sends a frame behind those that wait already.
    pub(super) fn post(
        &mut self,
        device: DeviceId,
        frame: Vec<u8>,
        send: &mut dyn FnMut(DeviceId, Vec<u8>) -> Result<(), SendError>,
    ) -> Posted {
        if let Some(queue) = self.waiting.get_mut(&device) {
            if queue.len() >= FRAMES_MAX {
                self.waiting.remove(&device);
                return Posted::Overflow;
            }
            queue.push_back(frame);
            return Posted::Taken;
        }
        match send(device, frame) {
            Err(SendError::Full(frame)) => {
                self.waiting.insert(device, VecDeque::from([frame]));
            }
            Err(error @ SendError::BadLength { .. }) => {
                tracing::error!(%error, "the node made a frame that cannot travel");
            }
            Ok(()) | Err(SendError::Gone) => {}
        }
        Posted::Taken
    }

    /// Sends what waits, as far as there is room again.
    pub(super) fn retry(
        &mut self,
        send: &mut dyn FnMut(DeviceId, Vec<u8>) -> Result<(), SendError>,
    ) {
        self.waiting.retain(|device, queue| {
            while let Some(frame) = queue.pop_front() {
                match send(*device, frame) {
                    Ok(()) | Err(SendError::BadLength { .. }) => {}
                    Err(SendError::Full(frame)) => {
                        queue.push_front(frame);
                        return true;
                    }
                    Err(SendError::Gone) => return false,
                }
            }
            false
        });
    }

    /// Drops what waits for a peer that is gone.
    pub(super) fn forget(&mut self, device: DeviceId) {
        self.waiting.remove(&device);
    }

    /// Returns whether something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([1; 32]);

    #[test]
    fn frames_keep_their_order_over_a_full_queue() {
        let (mut outbox, mut sent) = (Outbox::default(), Vec::new());
        outbox.post(DEVICE, vec![1], &mut |_, frame| Err(SendError::Full(frame)));
        outbox.post(DEVICE, vec![2], &mut |_, _| panic!("an earlier frame waits"));
        let mut room = 1;
        outbox.retry(&mut |_, frame| {
            if room == 0 {
                return Err(SendError::Full(frame));
            }
            room -= 1;
            sent.push(frame);
            Ok(())
        });
        assert!(outbox.is_waiting());
        outbox.retry(&mut |_, frame| {
            sent.push(frame);
            Ok(())
        });
        assert_eq!(sent, [vec![1], vec![2]]);
        assert!(!outbox.is_waiting());
    }

    #[test]
    fn a_peer_that_reads_nothing_is_let_go() {
        let mut outbox = Outbox::default();
        let mut full = |_, frame| Err(SendError::Full(frame));
        for _ in 0..FRAMES_MAX {
            assert_eq!(outbox.post(DEVICE, vec![0], &mut full), Posted::Taken);
        }
        assert_eq!(outbox.post(DEVICE, vec![0], &mut full), Posted::Overflow);
        assert!(!outbox.is_waiting());
    }

    #[test]
    fn what_waits_for_a_peer_that_is_gone_is_dropped() {
        let mut outbox = Outbox::default();
        outbox.post(DEVICE, vec![1], &mut |_, frame| Err(SendError::Full(frame)));
        outbox.retry(&mut |_, _| Err(SendError::Gone));
        assert!(!outbox.is_waiting());
        outbox.post(DEVICE, vec![1], &mut |_, frame| Err(SendError::Full(frame)));
        outbox.forget(DEVICE);
        assert!(!outbox.is_waiting());
    }
}
