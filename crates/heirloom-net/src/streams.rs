//! How many streams the other side of a connection may open in a time.
//!
//! A stream costs a negotiation before anything is known of it, and one that is
//! reset at once never counts among those that are open.

use crate::limits::{STREAM_MS, STREAMS_AT_ONCE_MAX};
use crate::pace::Pace;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// The other side opened more streams than anybody needs.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the other side opened more streams than anybody needs")]
pub(crate) struct StreamFlood;

/// Returns whether a connection ended because of a [`StreamFlood`].
pub(crate) fn is_flood(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<StreamFlood>() || inner.is_some_and(|inner| is_flood(inner))
}

/// The streams of one connection.
pub(crate) struct Paced<M> {
    inner: M,
    inbound: Pace,
}

impl<M> Paced<M> {
    pub(crate) fn new(inner: M) -> Self {
        Self { inner, inbound: Pace::new(STREAMS_AT_ONCE_MAX, Duration::from_millis(STREAM_MS)) }
    }
}

impl<M> StreamMuxer for Paced<M>
where
    M: StreamMuxer + Unpin,
    M::Error: Send + Sync + 'static,
{
    type Substream = M::Substream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<M::Substream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(context));
        let stream = stream.map_err(io::Error::other)?;
        match self.inbound.take(Instant::now()) {
            true => Poll::Ready(Ok(stream)),
            false => Poll::Ready(Err(io::Error::other(StreamFlood))),
        }
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<M::Substream>> {
        Pin::new(&mut self.inner).poll_outbound(context).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context).map_err(io::Error::other)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(context).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_however_deep_its_error_lies() {
        let flood = io::Error::other(StreamFlood);
        assert!(is_flood(&flood));
        assert!(is_flood(&io::Error::other(io::Error::other(flood))));
        assert!(!is_flood(&io::Error::other("something else")));
        assert!(!is_flood(&io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
}
