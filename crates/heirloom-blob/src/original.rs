//! Originals: photos, videos and whatever else is kept byte for byte.
//!
//! An original is cut into pieces, each of which is a chunk; its manifest says which.
//! The manifest of a long film is longer than a record may be, so it is a blob
//! itself: the record keeps the reference of that.

use crate::seal::{BLOB_BYTES_MAX, Sealed, seal};
use heirloom_base::{ChunkRef, Decode, DecodeError, Encode, Reader, Writer, limits};
use std::ops::Range;

/// Bytes of a manifest before its pieces: version, size, hash and their number.
const HEAD_BYTES: usize = 1 + 8 + 32 + 4;
/// Bytes of one piece in it.
const PIECE_BYTES: usize = 32 + 32 + 4;
/// Pieces that one original may have: what a manifest has room for, some 900 GiB.
pub const PIECES_MAX: usize = (BLOB_BYTES_MAX - HEAD_BYTES) / PIECE_BYTES;

const VERSION: u8 = 1;

/// What an original is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its length in bytes.
    pub size: u64,
    /// Plain BLAKE3 of all of it.
    pub hash: [u8; 32],
    /// Its pieces in order; their lengths add up to the size.
    pub pieces: Vec<ChunkRef>,
}

impl Manifest {
    /// Seals the manifest: what the record keeps, and its chunks.
    ///
    /// # Panics
    /// When it has more than [`PIECES_MAX`] pieces.
    #[must_use]
    pub fn seal(&self, account_key: &[u8; 32]) -> Sealed {
        seal(account_key, &self.to_bytes())
    }
}

impl Encode for Manifest {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(VERSION);
        writer.u64(self.size);
        writer.array(&self.hash);
        writer.list(&self.pieces);
    }
}

impl Decode for Manifest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            VERSION => {}
            value => return Err(DecodeError::Unknown { what: "manifest", value: value.into() }),
        }
        let (size, hash) = (reader.u64()?, reader.array()?);
        let pieces: Vec<ChunkRef> = reader.list(PIECES_MAX)?;
        let is_piece =
            |piece: &ChunkRef| piece.length > 0 && piece.length as usize <= limits::CHUNK_BYTES_MAX;
        let sum: u64 = pieces.iter().map(|piece| u64::from(piece.length)).sum();
        if !pieces.iter().all(is_piece) || sum != size {
            return Err(DecodeError::Unknown { what: "length of a piece", value: sum });
        }
        Ok(Self { size, hash, pieces })
    }
}

/// Makes the manifest of an original from its pieces, in their order; also of one
/// that was put together again, to compare. Sealing may take place elsewhere, later:
/// what was read and what it was sealed as are told apart.
#[derive(Debug, Clone, Default)]
pub struct Assembly {
    hasher: blake3::Hasher,
    pieces: Vec<ChunkRef>,
    size: u64,
}

impl Assembly {
    /// Takes in the next bytes of the original.
    pub fn read(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Takes in the chunk that the next piece was sealed as.
    pub fn sealed(&mut self, chunk: ChunkRef) {
        self.pieces.push(chunk);
    }

    /// Returns the manifest of all pieces.
    #[must_use]
    pub fn finish(self) -> Manifest {
        Manifest { size: self.size, hash: *self.hasher.finalize().as_bytes(), pieces: self.pieces }
    }
}

/// Returns where an original of so many bytes is cut: first at `start`, where its
/// pixels or its film begin, so that edited tags leave all later pieces as they
/// are, and then at every [`limits::CHUNK_BYTES_MAX`] bytes.
pub fn cuts(size: u64, start: Option<u64>) -> impl Iterator<Item = Range<u64>> {
    let start = start.filter(|start| *start < size).unwrap_or(0);
    let mut at = 0;
    std::iter::from_fn(move || {
        let next = (at + limits::CHUNK_BYTES_MAX as u64).min(if at < start { start } else { size });
        let piece = at..next;
        at = next;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests;
