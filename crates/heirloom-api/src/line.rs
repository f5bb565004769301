//! Lines of limited length.

use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Why no line could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLineError {
    /// The line is longer than allowed; what follows on the connection is lost.
    #[error("line of more than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The connection broke.
    #[error("connection broken")]
    Connection(#[from] io::Error),
}

/// Reads one line without its line feed; `None` at the end of the stream.
///
/// # Errors
/// When the line is longer than `max` bytes or the connection broke, also in
/// the middle of a line.
pub async fn read(
    reader: &mut (impl AsyncBufRead + Unpin),
    max: usize,
) -> Result<Option<Vec<u8>>, ReadLineError> {
    let mut line = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => {
            line.pop();
            Ok(Some(line))
        }
        Some(_) if line.len() > max => Err(ReadLineError::TooLong { max }),
        Some(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn first(mut bytes: &[u8], max: usize) -> Result<Option<Vec<u8>>, ReadLineError> {
        read(&mut bytes, max).await
    }

    #[tokio::test]
    async fn a_line_ends_at_its_line_feed_and_within_its_limit() {
        assert_eq!(first(b"abc\ndef\n", 3).await.unwrap().unwrap(), b"abc");
        assert_eq!(first(b"\n", 0).await.unwrap().unwrap(), b"");
        assert!(first(b"", 3).await.unwrap().is_none());
        assert!(matches!(
            first(b"abcd\n", 3).await.unwrap_err(),
            ReadLineError::TooLong { max: 3 }
        ));
        assert!(matches!(first(b"abc", 3).await.unwrap_err(), ReadLineError::Connection(_)));
    }
}
