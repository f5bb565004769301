//! A stream whose other side has taken it.

use crate::command::Command;
use crate::counters::Tally;
use crate::error::OpenError;
use crate::protocol::Protocol;
use futures::{AsyncReadExt, AsyncWriteExt};
use heirloom_base::DeviceId;
use libp2p::Stream;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

/// The byte by which the acceptor says that it took the stream.
const TAKEN: u8 = 1;

/// How often a stream is opened before it counts as lost.
const TRIES: usize = 2;

/// A stream on which the conversation can begin.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) tally: Arc<Tally>,
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
    /// Tells the opener that its stream was taken.
    pub(crate) async fn take(&mut self) -> io::Result<()> {
        self.stream.write_all(&[TAKEN]).await?;
        self.stream.flush().await
    }
}
