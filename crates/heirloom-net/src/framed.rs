//! Length-prefixed frames on a stream, with every length checked before
//! anything is allocated.

use crate::counters::Tally;
use crate::error::StreamError;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io;

/// Size of a frame's length on the wire.
pub(crate) const LENGTH_SIZE: usize = 4;

/// Reads a frame of at most `limit` bytes; `None` when the stream ended before it.
///
/// # Errors
/// When the length passes the limit or the stream breaks within the frame.
pub(crate) async fn read_frame<R: AsyncRead + Unpin>(
    reader: &mut R,
    limit: usize,
    tally: &Tally,
) -> Result<Option<Vec<u8>>, StreamError> {
    let Some(length) = read_length(reader).await? else {
        return Ok(None);
    };
    if length > limit {
        return Err(StreamError::TooLong { length, limit });
    }
    let mut frame = vec![0; length];
    reader.read_exact(&mut frame).await?;
    tally.received(LENGTH_SIZE + length);
    Ok(Some(frame))
}

/// Reads a length; `None` when the stream ended before it.
///
/// # Errors
/// When the stream breaks within it.
pub(crate) async fn read_length<R: AsyncRead + Unpin>(
    reader: &mut R,
) -> Result<Option<usize>, StreamError> {
    let mut prefix = [0; LENGTH_SIZE];
    let mut filled = 0;
    while let Some(rest) = prefix.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest).await? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(StreamError::Broken(io::ErrorKind::UnexpectedEof.into())),
            read => filled += read,
        }
    }
    Ok(Some(u32::from_le_bytes(prefix) as usize))
}

/// Writes a frame without flushing.
///
/// # Errors
/// When the stream breaks.
pub(crate) async fn write_frame<W: AsyncWrite + Unpin>(
    writer: &mut W,
    frame: &[u8],
    tally: &Tally,
) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    writer.write_all(&length.to_le_bytes()).await?;
    writer.write_all(frame).await?;
    tally.sent(LENGTH_SIZE + frame.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;
    use proptest::prelude::*;

    fn read_all(bytes: &[u8], limit: usize) -> Vec<Result<Option<Vec<u8>>, StreamError>> {
        let mut reader = Cursor::new(bytes.to_vec());
        let mut frames = Vec::new();
        block_on(async {
            loop {
                let frame = read_frame(&mut reader, limit, &Tally::default()).await;
                let last = !matches!(frame, Ok(Some(_)));
                frames.push(frame);
                if last {
                    return frames;
                }
            }
        })
    }

    #[test]
    fn the_wire_form_is_frozen() {
        let mut wire = Vec::new();
        block_on(write_frame(&mut wire, b"abc", &Tally::default())).unwrap();
        assert_eq!(wire, [3, 0, 0, 0, b'a', b'b', b'c']);
    }

    #[test]
    fn a_claimed_length_past_the_limit_is_refused_before_its_bytes() {
        let frames = read_all(&u32::MAX.to_le_bytes(), 10);
        assert!(matches!(
            frames.as_slice(),
            [Err(StreamError::TooLong { length: 0xffff_ffff, limit: 10 })]
        ));
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_is_broken_and_not_ended() {
        for torn in [&[3, 0][..], &[3, 0, 0, 0, 1]] {
            assert!(matches!(read_all(torn, 10).as_slice(), [Err(StreamError::Broken(_))]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn frames_come_back_in_order(frames: Vec<Vec<u8>>) {
            let mut wire = Vec::new();
            for frame in &frames {
                block_on(write_frame(&mut wire, frame, &Tally::default())).unwrap();
            }
            let read: Vec<_> = read_all(&wire, 1_000).into_iter().map(Result::unwrap).collect();
            let expected: Vec<_> = frames.into_iter().map(Some).chain([None]).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
