//! From sealed chunks back to bytes.

use crate::chunk::open_piece;
use crate::error::BlobError;
use heirloom_base::{BlobRef, ChunkId, hash, limits};

/// Opens a blob; `chunk` gives the sealed bytes of a chunk where it is held.
///
/// # Errors
/// When a chunk is missing, damaged or sealed otherwise, or the result is not
/// what `blob` announces.
pub fn open(
    account_key: &[u8; 32],
    blob: &BlobRef,
    mut chunk: impl FnMut(ChunkId) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, BlobError> {
    let size = checked_size(blob)?;
    let mut bytes = Vec::with_capacity(size);
    for reference in &blob.chunks {
        let sealed = chunk(reference.id).ok_or(BlobError::Missing(reference.id))?;
        bytes.extend_from_slice(&open_piece(account_key, reference, &sealed)?);
    }
    if hash::plain(&bytes) != blob.hash {
        return Err(BlobError::Hash);
    }
    Ok(bytes)
}

/// Returns the size, which is allocated only after it was found to be true.
fn checked_size(blob: &BlobRef) -> Result<usize, BlobError> {
    let refused = BlobError::Reference { size: blob.size };
    let lengths = || blob.chunks.iter().map(|chunk| chunk.length as usize);
    let within = blob.chunks.len() <= limits::ENTRY_CHUNKS_MAX
        && lengths().all(|length| length <= limits::CHUNK_BYTES_MAX);
    let sum: usize = if within { lengths().sum() } else { return Err(refused) };
    if sum as u64 == blob.size { Ok(sum) } else { Err(refused) }
}

#[cfg(test)]
mod tests;
