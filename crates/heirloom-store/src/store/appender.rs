//! Writing the requests of a group: their chunks, then all their frames.

use crate::chunks::Chunks;
use crate::lock::HomeLock;
use crate::log::{AppendError, Log, Recovery};
use crate::queue::{AppendRequest, Appended};
use crate::reserve::{Reserve, SMALL_APPEND_BYTES_MAX, Urgency};
use heirloom_core::storage::Frame;
use std::io;
use std::sync::Arc;

/// What writes; one thread at a time uses it.
#[derive(Debug)]
pub(crate) struct Appender {
    log: Log,
    chunks: Arc<Chunks>,
    reserve: Arc<Reserve>,
    /// Nobody else may write while this can.
    _lock: Arc<HomeLock>,
}

impl Appender {
    pub(crate) fn new(
        log: Log,
        chunks: Arc<Chunks>,
        reserve: Arc<Reserve>,
        lock: Arc<HomeLock>,
    ) -> Self {
        Self { log, chunks, reserve, _lock: lock }
    }

    /// Returns why the log is closed, if it is.
    pub(crate) fn closed(&self) -> Option<&str> {
        self.log.closed()
    }

    pub(crate) fn reopen(&mut self) -> io::Result<Recovery> {
        self.log.reopen()
    }

    /// Writes requests in order and answers each; one that is refused takes
    /// those behind it with it.
    pub(crate) fn append(&mut self, mut requests: Vec<AppendRequest>) -> Vec<Appended> {
        let total = requests.len();
        let (ready, refused) = self.prepare(&requests);
        requests.truncate(ready);
        let mut answers = self.write(requests);
        let last = answers.last().and_then(|answer| answer.clone().err()).or(refused);
        if let Some(error) = last {
            answers.resize(total, Err(error));
        }
        answers
    }

    /// Makes the chunks of the first requests durable; returns how many
    /// requests those are, and why not more.
    fn prepare(&self, requests: &[AppendRequest]) -> (usize, Option<AppendError>) {
        let mut staged = Vec::new();
        let mut refused = None;
        let mut ready = 0;
        for request in requests {
            match self.stage(request) {
                Ok(more) => staged.extend(more),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
            ready += 1;
        }
        match self.chunks.publish(staged) {
            Ok(()) => (ready, refused),
            Err(error) => (0, Some(error)),
        }
    }

    fn stage(&self, request: &AppendRequest) -> Result<Vec<crate::chunks::Staged>, AppendError> {
        self.log.check(&request.frames)?;
        self.reserve.admit(urgency(request))?;
        let mut staged = Vec::new();
        for (id, bytes) in &request.chunks {
            staged.extend(self.chunks.stage(*id, bytes)?);
        }
        Ok(staged)
    }

    /// Writes the frames of all requests with one sync; the answers may be
    /// fewer than the requests, and then the last one is a refusal.
    fn write(&mut self, requests: Vec<AppendRequest>) -> Vec<Appended> {
        let small = |request: &AppendRequest| urgency(request) == Urgency::Small;
        let counts: Vec<(usize, bool)> =
            requests.iter().map(|request| (request.frames.len(), small(request))).collect();
        let frames: Vec<Frame> = requests.into_iter().flat_map(|request| request.frames).collect();
        match self.write_frames(&frames, counts.iter().all(|(_, small)| *small)) {
            Ok(positions) => {
                let mut positions = positions.into_iter();
                let split = |(count, _)| Ok(positions.by_ref().take(count).collect());
                counts.into_iter().map(split).collect()
            }
            Err(AppendError::Full) if counts.len() > 1 => self.write_singly(&frames, &counts),
            Err(error) => vec![Err(error)],
        }
    }

    /// On a full disk some of the requests may still find room.
    fn write_singly(&mut self, frames: &[Frame], counts: &[(usize, bool)]) -> Vec<Appended> {
        let mut answers = Vec::new();
        let mut from = 0;
        for (count, small) in counts {
            let answer = self.write_frames(&frames[from..from + count], *small);
            let refused = answer.is_err();
            answers.push(answer);
            if refused {
                break;
            }
            from += count;
        }
        answers
    }

    fn write_frames(&mut self, frames: &[Frame], small: bool) -> Appended {
        let reserve = Arc::clone(&self.reserve);
        self.log.append(frames, &mut || small && reserve.release())
    }
}

fn urgency(request: &AppendRequest) -> Urgency {
    let small = request.chunks.is_empty() && request.frame_bytes() <= SMALL_APPEND_BYTES_MAX;
    if small { Urgency::Small } else { Urgency::Ordinary(request.bytes() as u64) }
}
