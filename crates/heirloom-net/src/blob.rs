//! Chunks on request over `blob/1`.
//!
//! A request is the 32 bytes of a chunk id; the answer is a `u32` length and
//! the sealed bytes, length 0 when the chunk is not here. Requests follow one
//! another on one stream.

use crate::error::StreamError;
use crate::event::{Delivery, NetworkEvent};
use crate::framed::{self, LENGTH_SIZE};
use crate::limits;
use crate::opened::Opened;
use futures::{AsyncReadExt, AsyncWriteExt};
use heirloom_base::{ChunkId, DeviceId};
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Bytes read in one go: a transfer that makes progress never times out.
const PIECE_BYTES: usize = 64 * 1024;

/// A stream over which chunks are fetched, one after the other.
pub struct BlobStream {
    opened: Opened,
}

impl BlobStream {
    pub(crate) fn new(opened: Opened) -> Self {
        Self { opened }
    }

    /// Fetches a sealed chunk; `None` when the other side does not hold it.
    ///
    /// The bytes are as the other side sent them: the caller compares their
    /// hash. After an error the stream is of no more use.
    ///
    /// # Errors
    /// When the connection broke, the answer is longer than a sealed chunk, or
    /// nothing arrives for a while.
    pub async fn fetch(&mut self, id: ChunkId) -> Result<Option<Vec<u8>>, StreamError> {
        let Opened { stream, tally, .. } = &mut self.opened;
        within(limits::CHUNK_MS_MAX, async {
            stream.write_all(id.as_bytes()).await?;
            Ok(stream.flush().await?)
        })
        .await?;
        tally.sent(ChunkId::SIZE);
        let length = within(limits::CHUNK_MS_MAX * 2, framed::read_length(stream)).await?;
        let length = length.ok_or(StreamError::Ended)?;
        let limit = limits::SEALED_CHUNK_BYTES_MAX;
        if length > limit {
            return Err(StreamError::TooLong { length, limit });
        }
        let mut bytes = vec![0; length];
        for piece in bytes.chunks_mut(PIECE_BYTES) {
            within(limits::CHUNK_MS_MAX, async { Ok(stream.read_exact(piece).await?) }).await?;
        }
        tally.received(LENGTH_SIZE + length);
        Ok((length > 0).then_some(bytes))
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BlobStream").finish_non_exhaustive()
    }
}

/// Answers the requests on a stream until the other side ends it or idles.
pub(crate) async fn serve(
    mut opened: Opened,
    device: DeviceId,
    deliveries: mpsc::Sender<Delivery>,
) -> Result<(), StreamError> {
    loop {
        let mut id = [0; ChunkId::SIZE];
        let asked = async { Ok(opened.stream.read_exact(&mut id).await?) };
        within(limits::CHUNK_IDLE_MS_MAX, asked).await?;
        opened.tally.received(ChunkId::SIZE);
        let bytes = ask(device, ChunkId(id), &deliveries).await?;
        let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
        let Opened { stream, tally, .. } = &mut opened;
        within(limits::CHUNK_MS_MAX, async { Ok(stream.write_all(&length.to_le_bytes()).await?) })
            .await?;
        for piece in bytes.chunks(PIECE_BYTES) {
            within(limits::CHUNK_MS_MAX, async { Ok(stream.write_all(piece).await?) }).await?;
        }
        within(limits::CHUNK_MS_MAX, async { Ok(stream.flush().await?) }).await?;
        tally.sent(LENGTH_SIZE + bytes.len());
    }
}

/// Asks the host for a chunk; empty when it does not hold it.
async fn ask(
    device: DeviceId,
    id: ChunkId,
    deliveries: &mpsc::Sender<Delivery>,
) -> Result<Vec<u8>, StreamError> {
    let (reply, answer) = oneshot::channel();
    let request = Delivery::Event(NetworkEvent::ChunkRequest { device, id, reply });
    deliveries.send(request).await.map_err(|_| StreamError::Ended)?;
    let answer = timeout(Duration::from_millis(limits::CHUNK_MS_MAX), answer).await;
    let bytes = answer.map_err(|_| StreamError::Timeout)?.ok().flatten().unwrap_or_default();
    let limit = limits::SEALED_CHUNK_BYTES_MAX;
    if bytes.len() > limit {
        tracing::error!(%id, length = bytes.len(), "a chunk passes the limit and is not served");
        return Ok(Vec::new());
    }
    Ok(bytes)
}

async fn within<T>(
    milliseconds: u64,
    work: impl Future<Output = Result<T, StreamError>>,
) -> Result<T, StreamError> {
    let limit = Duration::from_millis(milliseconds);
    timeout(limit, work).await.unwrap_or(Err(StreamError::Timeout))
}
