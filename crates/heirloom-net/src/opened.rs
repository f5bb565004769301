//! A stream whose other side has taken it.

use crate::command::Command;
use crate::counters::Tally;
use crate::error::OpenError;
use crate::meter::Pulse;
use crate::protocol::Protocol;
use futures::future::Shared;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt};
use heirloom_base::DeviceId;
use libp2p::Stream;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

/// The byte by which the acceptor says that it took the stream.
const TAKEN: u8 = 1;

/// How often a stream is opened before it counts as lost.
const TRIES: usize = 2;

/// Resolves when the connection is closed on this side.
pub(crate) type Closed = Shared<oneshot::Receiver<Infallible>>;

/// Returns the signal of one connection; it is given when the sender is dropped.
pub(crate) fn closed_signal() -> (oneshot::Sender<Infallible>, Closed) {
    let (sender, receiver) = oneshot::channel();
    (sender, receiver.shared())
}

/// A stream that breaks when its connection is closed on this side. Without
/// this a reader would wait for ever: yamux wakes the readers of a connection
/// that broke, but not those of one that was closed in good order.
#[derive(Debug)]
pub(crate) struct LiveStream {
    stream: Stream,
    closed: Closed,
}

impl AsyncRead for LiveStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.closed.poll_unpin(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        read
    }
}

impl AsyncWrite for LiveStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

/// A stream on which the conversation can begin.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: LiveStream,
    pub(crate) tally: Arc<Tally>,
    pub(crate) pulse: Pulse,
    /// The slot that the stream occupies, if its conversation has a limited number of them.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// Opens streams on behalf of calls and tasks.
#[derive(Debug, Clone)]
pub(crate) struct Opener {
    pub(crate) commands: mpsc::WeakSender<Command>,
    pub(crate) wait: Duration,
}

impl Opener {
    /// Opens a stream and waits until the other side took it; tries twice.
    pub(crate) async fn open(
        &self,
        device: DeviceId,
        protocol: Protocol,
    ) -> Result<Opened, OpenError> {
        let mut last = OpenError::Lost;
        for _ in 0..TRIES {
            let tried = timeout(self.wait, self.open_once(device, protocol)).await;
            match tried.unwrap_or(Err(OpenError::Timeout)) {
                Ok(opened) => return Ok(opened),
                Err(error @ (OpenError::Lost | OpenError::Timeout)) => last = error,
                Err(
                    error @ (OpenError::NotConnected
                    | OpenError::Refused
                    | OpenError::Busy
                    | OpenError::Stopped),
                ) => return Err(error),
            }
        }
        Err(last)
    }

    async fn open_once(&self, device: DeviceId, protocol: Protocol) -> Result<Opened, OpenError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.upgrade().ok_or(OpenError::Stopped)?;
        let command = Command::Open { device, protocol, reply };
        commands.send(command).await.map_err(|_| OpenError::Stopped)?;
        drop(commands);
        let mut opened = answer.await.map_err(|_| OpenError::Lost)??;
        let mut first = [0];
        match opened.stream.read_exact(&mut first).await {
            Ok(()) if first == [TAKEN] => Ok(opened),
            Ok(()) => Err(OpenError::Refused),
            Err(error) => {
                tracing::debug!(protocol = protocol.name(), %error, "a stream was lost");
                Err(OpenError::Lost)
            }
        }
    }
}

impl Opened {
    pub(crate) fn new(stream: Stream, closed: Closed, pulse: Pulse, tally: Arc<Tally>) -> Self {
        Self { stream: LiveStream { stream, closed }, tally, pulse, slot: None }
    }

    /// Tells the opener that its stream was taken.
    pub(crate) async fn take(&mut self) -> io::Result<()> {
        self.stream.write_all(&[TAKEN]).await?;
        self.stream.flush().await
    }
}
