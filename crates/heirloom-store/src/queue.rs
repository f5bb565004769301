//! Group commit: many small appends, one sync.
//!
//! A request that finds the writer idle is written at once. Those that come
//! while a sync runs are gathered and written together with the next one.

use crate::log::AppendError;
use crate::store::Appender;
use heirloom_base::ChunkId;
use heirloom_core::storage::{Frame, Lsn};
use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Requests that are written with one sync, and that may wait for it.
pub const GROUP_REQUESTS_MAX: usize = 64;

/// Bytes that are written with one sync, unless a single request has more.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Chunks and frames that become durable together, the chunks first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendRequest {
    /// Chunks that the frames refer to.
    pub chunks: Vec<(ChunkId, Vec<u8>)>,
    /// The frames, in order.
    pub frames: Vec<Frame>,
}

impl AppendRequest {
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.payload.len()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.frame_bytes() + self.chunks.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }
}

/// What a request was answered with: the positions of its frames.
pub type Appended = Result<Vec<Lsn>, AppendError>;

type Answer = Box<dyn FnOnce(Appended) + Send>;

struct Waiting {
    request: AppendRequest,
    answer: Answer,
}

/// The writer thread's queue. Dropping it writes and answers what waits.
pub struct AppendQueue {
    sender: Option<SyncSender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for AppendQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AppendQueue").finish_non_exhaustive()
    }
}

impl AppendQueue {
    pub(crate) fn start(appender: Arc<Mutex<Appender>>) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(GROUP_REQUESTS_MAX);
        let thread = std::thread::Builder::new()
            .name("heirloom-append".to_owned())
            .spawn(move || run(&receiver, &appender))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Hands over a request; its answer comes out of the receiver.
    ///
    /// Requests are written in the order in which they were handed over. One
    /// that is refused takes all with it that wait at that moment, because
    /// they may build on it. Blocks while the queue is full.
    pub fn submit(&self, request: AppendRequest) -> Receiver<Appended> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit_then(request, move |appended| {
            // Somebody who stopped waiting needs no answer.
            sender.send(appended).ok();
        });
        receiver
    }

    /// As [`AppendQueue::submit`], answering on the writer thread.
    ///
    /// `answer` is called exactly once and must not block.
    pub fn submit_then(
        &self,
        request: AppendRequest,
        answer: impl FnOnce(Appended) + Send + 'static,
    ) {
        let waiting = Waiting { request, answer: Box::new(answer) };
        let refused = match &self.sender {
            Some(sender) => sender.send(waiting).err().map(|error| error.0),
            None => Some(waiting),
        };
        if let Some(waiting) = refused {
            let reason = "the writer has stopped".to_owned();
            (waiting.answer)(Err(AppendError::Closed { reason }));
        }
    }
}

impl Drop for AppendQueue {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread ended by a panic");
        }
    }
}

fn run(receiver: &Receiver<Waiting>, appender: &Mutex<Appender>) {
    while let Ok(first) = receiver.recv() {
        let (requests, answers) = gather(first, receiver);
        let results = appender.lock().unwrap_or_else(PoisonError::into_inner).append(requests);
        let refused = results.iter().find_map(|result| result.clone().err());
        // Taken before anybody hears of the refusal, these were built without knowing of it.
        let behind: Vec<Waiting> = refused.iter().flat_map(|_| receiver.try_iter()).collect();
        for (answer, result) in answers.into_iter().zip(results) {
            answer(result);
        }
        for (waiting, error) in behind.into_iter().zip(refused.iter().cycle()) {
            (waiting.answer)(Err(error.clone()));
        }
    }
}

fn gather(first: Waiting, receiver: &Receiver<Waiting>) -> (Vec<AppendRequest>, Vec<Answer>) {
    let mut bytes = first.request.bytes();
    let mut requests = vec![first.request];
    let mut answers = vec![first.answer];
    while requests.len() < GROUP_REQUESTS_MAX && bytes < GROUP_BYTES_MAX {
        let Ok(next) = receiver.try_recv() else { break };
        bytes += next.request.bytes();
        requests.push(next.request);
        answers.push(next.answer);
    }
    (requests, answers)
}
