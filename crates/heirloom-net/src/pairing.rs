//! One conversation of `pair/1`: frames in both directions.

use crate::error::StreamError;
use crate::framed;
use crate::limits;
use crate::opened::Opened;
use futures::AsyncWriteExt;
use std::fmt;
use std::future::Future;
use tokio::time::{Instant, timeout_at};

/// One conversation with a device that joins or that lets join.
///
/// It carries frames and knows nothing of what they mean. It ends by itself
/// when an invite would have ended.
pub struct PairingStream {
    opened: Opened,
    deadline: Instant,
}

impl PairingStream {
    pub(crate) fn new(opened: Opened, deadline: Instant) -> Self {
        Self { opened, deadline }
    }

    /// Sends a frame; it is on its way when this returns.
    ///
    /// # Errors
    /// When the frame is longer than a grant may be, the connection broke or
    /// the time is over.
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), StreamError> {
        let limit = limits::PAIRING_GRANT_BYTES_MAX;
        if frame.len() > limit {
            return Err(StreamError::TooLong { length: frame.len(), limit });
        }
        let Opened { stream, tally, .. } = &mut self.opened;
        until(self.deadline, async {
            framed::write_frame(stream, frame, tally).await?;
            Ok(stream.flush().await?)
        })
        .await
    }

    /// Waits for a frame of at most [`limits::PAIRING_FRAME_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// When the other side ended the conversation or sent a longer frame, the
    /// connection broke or the time is over.
    pub async fn receive(&mut self) -> Result<Vec<u8>, StreamError> {
        self.receive_within(limits::PAIRING_FRAME_BYTES_MAX).await
    }

    /// Waits for a frame of at most [`limits::PAIRING_GRANT_BYTES_MAX`] bytes,
    /// once the other side has proven that it may grant.
    ///
    /// # Errors
    /// As [`PairingStream::receive`].
    pub async fn receive_grant(&mut self) -> Result<Vec<u8>, StreamError> {
        self.receive_within(limits::PAIRING_GRANT_BYTES_MAX).await
    }

    /// Says that nothing more will be sent, and waits until the other side
    /// ended the conversation too, so that the last frame has arrived.
    ///
    /// # Errors
    /// When the connection broke, the time is over or the other side talks on.
    pub async fn finish(mut self) -> Result<(), StreamError> {
        let deadline = self.deadline;
        until(deadline, async { Ok(self.opened.stream.close().await?) }).await?;
        match self.receive().await {
            Err(StreamError::Ended) => Ok(()),
            Err(error) => Err(error),
            Ok(frame) => Err(StreamError::TooLong { length: frame.len(), limit: 0 }),
        }
    }

    async fn receive_within(&mut self, limit: usize) -> Result<Vec<u8>, StreamError> {
        let Opened { stream, tally, .. } = &mut self.opened;
        until(self.deadline, framed::read_frame(stream, limit, tally))
            .await?
            .ok_or(StreamError::Ended)
    }
}

impl fmt::Debug for PairingStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PairingStream").field("deadline", &self.deadline).finish()
    }
}

async fn until<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, StreamError>>,
) -> Result<T, StreamError> {
    timeout_at(deadline, work).await.unwrap_or(Err(StreamError::Timeout))
}
