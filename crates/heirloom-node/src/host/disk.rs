//! Appends on their way to the disk, in the order of their ids.

use crate::failure;
use heirloom_core::input::{AppendError, EffectId};
use heirloom_core::storage::Lsn;
use heirloom_store::{AppendQueue, AppendRequest, GROUP_REQUESTS_MAX};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Appends that the writer has at one time: handing one over never waits then.
const IN_FLIGHT_MAX: usize = GROUP_REQUESTS_MAX;

/// An append that ended.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) id: EffectId,
    pub(super) result: Result<Vec<Lsn>, AppendError>,
}

/// The appends that wait and those that the writer has.
#[derive(Debug)]
pub(super) struct Disk {
    queue: AppendQueue,
    waiting: VecDeque<(EffectId, AppendRequest)>,
    in_flight: usize,
    written: mpsc::Sender<Written>,
}

impl Disk {
    /// Returns the queue, and where its results come out.
    pub(super) fn new(queue: AppendQueue) -> (Self, mpsc::Receiver<Written>) {
        let (written, results) = mpsc::channel(IN_FLIGHT_MAX);
        (Self { queue, waiting: VecDeque::new(), in_flight: 0, written }, results)
    }

    /// Takes an append; its result comes out as [`Written`].
    pub(super) fn append(&mut self, id: EffectId, request: AppendRequest) {
        self.waiting.push_back((id, request));
        self.hand_over();
    }

    /// Notes that a result was taken.
    pub(super) fn taken(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.hand_over();
    }

    /// Returns whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.waiting.is_empty()
    }

    /// Forgets what the writer does not have yet.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    fn hand_over(&mut self) {
        while self.in_flight < IN_FLIGHT_MAX {
            let Some((id, request)) = self.waiting.pop_front() else { return };
            self.in_flight += 1;
            let written = self.written.clone();
            self.queue.submit_then(request, move |appended| {
                let result = appended.map_err(|error| failure::plain(&error));
                if written.try_send(Written { id, result }).is_err() {
                    tracing::debug!("the node stopped before a write ended");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_core::storage::Frame;
    use heirloom_store::{Store, StoreOptions};

    #[tokio::test]
    async fn many_appends_end_in_their_order() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path(), &StoreOptions::default()).unwrap();
        let (mut disk, mut written) = Disk::new(store.queue().unwrap());
        for number in 0..500 {
            let frames = vec![Frame { kind: 1, payload: vec![7; 10] }];
            disk.append(EffectId(number), AppendRequest { chunks: Vec::new(), frames });
        }
        let mut last = None;
        for number in 0..500 {
            let Written { id, result } = written.recv().await.unwrap();
            disk.taken();
            assert_eq!(id, EffectId(number));
            let position = result.unwrap()[0];
            assert!(last < Some(position));
            last = Some(position);
        }
        assert!(disk.is_idle());
    }

    #[tokio::test]
    async fn what_the_writer_does_not_have_yet_can_be_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path(), &StoreOptions::default()).unwrap();
        let (mut disk, mut written) = Disk::new(store.queue().unwrap());
        for number in 0..200 {
            disk.append(EffectId(number), AppendRequest::default());
        }
        disk.forget_waiting();
        let mut ended = 0;
        while !disk.is_idle() {
            written.recv().await.unwrap();
            disk.taken();
            ended += 1;
        }
        assert_eq!(ended, IN_FLIGHT_MAX);
    }
}
