//! The sending side of the sync streams, as the host sees it.

use crate::error::SendError;
use crate::limits;
use heirloom_base::{DeviceId, limits::FRAME_BYTES_MAX};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A frame that waits in a queue, with its share of the queue's bytes.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

/// The entrance of a queue that is bounded by frames and by bytes.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    frames: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
}

/// Returns a queue for so many frames and bytes.
pub(crate) fn queue(frames_max: usize, bytes_max: usize) -> (Link, mpsc::Receiver<Queued>) {
    let (frames, receiver) = mpsc::channel(frames_max);
    (Link { frames, room: Arc::new(Semaphore::new(bytes_max)) }, receiver)
}

impl Link {
    /// Returns the queue of frames to be sent to one peer.
    pub(crate) fn outgoing() -> (Self, mpsc::Receiver<Queued>) {
        queue(limits::SEND_FRAMES_MAX, limits::SEND_BYTES_MAX)
    }

    /// Returns the queue of frames that one peer sent.
    pub(crate) fn incoming() -> (Self, mpsc::Receiver<Queued>) {
        queue(limits::INBOX_FRAMES_MAX, limits::INBOX_BYTES_MAX)
    }

    /// Queues a frame, or gives it back when there is no room.
    pub(crate) fn try_push(&self, bytes: Vec<u8>) -> Result<(), SendError> {
        let share = share_of(&bytes)?;
        let Ok(permit) = self.room.clone().try_acquire_many_owned(share) else {
            return Err(if self.frames.is_closed() {
                SendError::Gone
            } else {
                SendError::Full(bytes)
            });
        };
        match self.frames.try_send(Queued { bytes, _share: permit }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(queued)) => Err(SendError::Full(queued.bytes)),
            Err(TrySendError::Closed(_)) => Err(SendError::Gone),
        }
    }

    /// Queues a frame as soon as there is room.
    pub(crate) async fn push(&self, bytes: Vec<u8>) -> Result<(), SendError> {
        let share = share_of(&bytes)?;
        let room = self.room.clone();
        let permit = tokio::select! {
            permit = room.acquire_many_owned(share) => permit.map_err(|_| SendError::Gone)?,
            () = self.frames.closed() => return Err(SendError::Gone),
        };
        self.frames.send(Queued { bytes, _share: permit }).await.map_err(|_| SendError::Gone)
    }

    /// Queues a frame of any length, as only a hostile device would.
    #[cfg(test)]
    pub(crate) async fn push_unchecked(&self, bytes: Vec<u8>) {
        let share = self.room.clone().acquire_owned().await.unwrap();
        self.frames.send(Queued { bytes, _share: share }).await.unwrap();
    }
}

fn share_of(bytes: &[u8]) -> Result<u32, SendError> {
    let length = bytes.len();
    if length == 0 || length > FRAME_BYTES_MAX {
        return Err(SendError::BadLength { length });
    }
    u32::try_from(length).map_err(|_| SendError::BadLength { length })
}

/// The links of the sync streams that the host knows to be up.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: Mutex<BTreeMap<DeviceId, Link>>,
}

impl Links {
    pub(crate) fn put(&self, device: DeviceId, link: Link) {
        self.lock().insert(device, link);
    }

    pub(crate) fn remove(&self, device: DeviceId) {
        self.lock().remove(&device);
    }

    pub(crate) fn get(&self, device: DeviceId) -> Option<Link> {
        self.lock().get(&device).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_full_by_frames_or_by_bytes_and_gives_the_frame_back() {
        let (few, _frames) = queue(2, 1_000);
        assert_eq!(few.try_push(vec![1; 10]), Ok(()));
        assert_eq!(few.try_push(vec![2; 10]), Ok(()));
        assert_eq!(few.try_push(vec![3; 10]), Err(SendError::Full(vec![3; 10])));
        let (small, mut frames) = queue(100, 15);
        assert_eq!(small.try_push(vec![1; 10]), Ok(()));
        assert_eq!(small.try_push(vec![2; 10]), Err(SendError::Full(vec![2; 10])));
        drop(frames.try_recv());
        assert_eq!(small.try_push(vec![2; 10]), Ok(()));
    }

    #[test]
    fn a_frame_of_a_wrong_length_is_refused() {
        let (link, _frames) = Link::outgoing();
        for length in [0, FRAME_BYTES_MAX + 1] {
            assert_eq!(link.try_push(vec![0; length]), Err(SendError::BadLength { length }));
        }
        assert_eq!(link.try_push(vec![0; FRAME_BYTES_MAX]), Ok(()));
    }

    #[tokio::test]
    async fn a_waiting_frame_ends_its_wait_when_the_stream_goes() {
        let (link, frames) = queue(1, 10);
        link.push(vec![1; 10]).await.unwrap();
        let waiting = link.push(vec![2; 10]);
        let (result, ()) = tokio::join!(waiting, async { drop(frames) });
        assert_eq!(result, Err(SendError::Gone));
        assert_eq!(link.try_push(vec![1]), Err(SendError::Gone));
    }
}
