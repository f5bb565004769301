//! The footer of a sealed pack: where its frames stand, so that opening it reads no frame.

use super::{HEADER_BYTES, Spot, Tombstone};
use heirloom_base::{ChunkId, hash};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a footer for each frame.
pub(crate) const ROW_BYTES: usize = 40;

/// Bytes behind the rows: two counts, a hash, the magic.
pub(crate) const TRAILER_BYTES: usize = 48;

/// The last byte is the version of the format.
const MAGIC: [u8; 8] = *b"HEIRPCK1";

/// A chunk of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) id: ChunkId,
    /// Where its frame begins.
    pub(crate) offset: u32,
    /// Its sealed bytes.
    pub(crate) length: u32,
}

/// What stands in a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) chunks: Vec<Row>,
    pub(crate) tombstones: Vec<Tombstone>,
}

impl Footer {
    /// Returns the bytes that it takes with `more` frames.
    pub(crate) fn length(&self, more: usize) -> usize {
        (self.chunks.len() + self.tombstones.len() + more) * ROW_BYTES + TRAILER_BYTES
    }

    /// Returns its bytes, with its rows in order.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (mut chunks, mut tombstones) = (self.chunks.clone(), self.tombstones.clone());
        chunks.sort_unstable();
        tombstones.sort_unstable();
        let mut bytes = Vec::with_capacity(self.length(0));
        for Row { id, offset, length } in &chunks {
            put_row(&mut bytes, *id, *offset, *length);
        }
        for Tombstone { id, spot } in &tombstones {
            put_row(&mut bytes, *id, spot.pack, spot.offset);
        }
        for count in [chunks.len(), tombstones.len()] {
            let count = u32::try_from(count).expect("a pack is shorter than 4 GiB");
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        let sum = hash::plain(&bytes);
        bytes.extend_from_slice(&sum);
        bytes.extend_from_slice(&MAGIC);
        bytes
    }

    /// Reads the footer at the end of a file, and where it begins.
    ///
    /// # Errors
    /// What the system reports; `Ok(None)` where no sound footer stands.
    pub(crate) fn read(file: &File) -> io::Result<Option<(Self, u32)>> {
        let length = file.metadata()?.len();
        let Some(trailer_at) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let mut trailer = [0; TRAILER_BYTES];
        file.read_exact_at(&mut trailer, trailer_at)?;
        let Some((chunks, tombstones)) = counts(&trailer) else { return Ok(None) };
        let rows = (u64::from(chunks) + u64::from(tombstones)) * ROW_BYTES as u64;
        let start = trailer_at.checked_sub(rows).and_then(|start| u32::try_from(start).ok());
        let Some(start) = start else { return Ok(None) };
        let length = usize::try_from(rows).map_err(io::Error::other)? + TRAILER_BYTES;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, u64::from(start))?;
        Ok(Self::decode(&bytes, chunks as usize, start).map(|footer| (footer, start)))
    }

    fn decode(bytes: &[u8], chunks: usize, start: u32) -> Option<Self> {
        let (covered, rest) = bytes.split_at_checked(bytes.len().checked_sub(40)?)?;
        if rest[..32] != hash::plain(covered) {
            return None;
        }
        let (rows, _) = covered.split_at_checked(covered.len().checked_sub(8)?)?;
        let mut rows = rows.chunks_exact(ROW_BYTES).map_while(take_row);
        let chunks: Vec<Row> = rows
            .by_ref()
            .take(chunks)
            .map(|(id, offset, length)| Row { id, offset, length })
            .collect();
        let tombstone = |(id, pack, offset)| Tombstone { id, spot: Spot { pack, offset } };
        let tombstones = rows.map(tombstone).collect();
        let fits = |row: &Row| {
            u64::from(row.offset) + HEADER_BYTES as u64 + u64::from(row.length) <= u64::from(start)
        };
        chunks.iter().all(fits).then_some(Self { chunks, tombstones })
    }
}

fn counts(trailer: &[u8; TRAILER_BYTES]) -> Option<(u32, u32)> {
    let word = |at: usize| trailer[at..].first_chunk().copied().map(u32::from_le_bytes);
    (trailer[40..] == MAGIC).then_some((word(0)?, word(4)?))
}

fn put_row(bytes: &mut Vec<u8>, id: ChunkId, first: u32, second: u32) {
    bytes.extend_from_slice(&id.0);
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&second.to_le_bytes());
}

fn take_row(bytes: &[u8]) -> Option<(ChunkId, u32, u32)> {
    let word = |at: usize| bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    Some((ChunkId(bytes.first_chunk().copied()?), word(32)?, word(36)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::to_hex;
    use std::io::Write;

    fn footer() -> Footer {
        let row = |mark, offset| Row { id: ChunkId([mark; 32]), offset, length: 9 };
        let spot = Spot { pack: 2, offset: 3 };
        let tombstones = vec![Tombstone { id: ChunkId([5; 32]), spot }];
        Footer { chunks: vec![row(4, 0), row(1, 61)], tombstones }
    }

    fn read(bytes: &[u8]) -> Option<(Footer, u32)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Footer::read(&file).unwrap()
    }

    #[test]
    fn the_bytes_are_frozen() {
        assert_eq!(to_hex(&footer().encode()), FROZEN);
    }

    const FROZEN: &str = "01010101010101010101010101010101010101010101010101010101010101013d00000009000000040404040404040404040404040404040404040404040404040404040404040400000000090000000505050505050505050505050505050505050505050505050505050505050505020000000300000002000000010000006f1f8fb244fc41e12ce1eb4b56c2ee97e383df8dc4312fc219378d780c66c2d74845495250434b31";

    #[test]
    fn a_footer_is_read_from_the_end_of_a_file_and_no_flipped_bit_passes() {
        let mut bytes = vec![8; 122];
        bytes.extend_from_slice(&footer().encode());
        let (found, start) = read(&bytes).unwrap();
        assert_eq!(start, 122);
        assert_eq!((found.chunks[0].offset, found.chunks[1].offset), (61, 0));
        assert_eq!(found.tombstones, footer().tombstones);
        for bit in 8 * 122..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None);
        }
    }

    #[test]
    fn a_row_that_leads_out_of_the_frames_is_not_believed() {
        let bytes = footer().encode();
        assert_eq!(read(&bytes), None);
    }
}
