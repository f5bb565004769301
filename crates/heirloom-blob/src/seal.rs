//! From bytes to sealed chunks.

use crate::chunk::seal_piece;
use heirloom_base::{BlobRef, ChunkId, hash, limits};
use std::collections::BTreeSet;

/// The largest content of one blob, in bytes: as many chunks as an entry may name.
pub const BLOB_BYTES_MAX: usize = limits::ENTRY_CHUNKS_MAX * limits::CHUNK_BYTES_MAX;

/// A sealed byte string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What the record keeps.
    pub blob: BlobRef,
    /// The sealed bytes of every chunk, each once, in the order of first use.
    pub chunks: Vec<(ChunkId, Vec<u8>)>,
}

/// Seals `bytes` under the account's key. The same key and bytes give the
/// same chunks.
///
/// # Panics
/// When there are more than [`BLOB_BYTES_MAX`] bytes: callers refuse such
/// content before they come here.
#[must_use]
pub fn seal(account_key: &[u8; 32], bytes: &[u8]) -> Sealed {
    assert!(bytes.len() <= BLOB_BYTES_MAX, "a blob of {} bytes passes its limit", bytes.len());
    let mut blob =
        BlobRef { size: bytes.len() as u64, hash: hash::plain(bytes), chunks: Vec::new() };
    let mut chunks = Vec::new();
    let mut seen = BTreeSet::new();
    for piece in bytes.chunks(limits::CHUNK_BYTES_MAX) {
        let (chunk, sealed) = seal_piece(account_key, piece);
        if seen.insert(chunk.id) {
            chunks.push((chunk.id, sealed));
        }
        blob.chunks.push(chunk);
    }
    Sealed { blob, chunks }
}
