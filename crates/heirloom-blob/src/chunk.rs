//! One sealed chunk: a suite byte and the sealed, padded piece.
//!
//! Values of records are sealed with ChaCha20-Poly1305, and originals, of which there
//! are gigabytes, with AES-256-GCM, which processors have instructions for. Either
//! is opened wherever it stands.

use crate::error::BlobError;
use crate::padding::padded;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use heirloom_base::{ChunkId, ChunkRef, hash, limits};
use ring::aead::{self, AES_256_GCM, Aad, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

/// ChaCha20-Poly1305 (RFC 8439).
const SUITE_CHACHA: u8 = 1;
/// AES-256-GCM (NIST SP 800-38D).
const SUITE_AES: u8 = 2;
/// Bytes of the tag of either.
const TAG_BYTES: usize = 16;
/// Bytes that a sealed chunk has beside its padded piece.
pub(crate) const OVERHEAD_BYTES: usize = 1 + TAG_BYTES;

/// Returns whether `bytes` are the sealed chunk that `id` names.
#[must_use]
pub fn verify_chunk(id: ChunkId, bytes: &[u8]) -> bool {
    hash::plain(bytes) == id.0
}

/// Seals a piece of at most [`limits::CHUNK_BYTES_MAX`] bytes.
pub(crate) fn seal_piece(account_key: &[u8; 32], piece: &[u8]) -> (ChunkRef, Vec<u8>) {
    let plain = hash::keyed(account_key, "chunk/plain", &[piece]);
    let mut padded_piece = Zeroizing::new(Vec::with_capacity(padded(piece.len())));
    padded_piece.extend_from_slice(piece);
    padded_piece.resize(padded(piece.len()), 0);
    let payload = Payload { msg: &padded_piece, aad: &[SUITE_CHACHA] };
    let sealed = cipher(account_key, &plain)
        .encrypt(&fixed_nonce(), payload)
        .expect("a piece is far below the cipher's limit of 256 GiB");
    let mut bytes = Vec::with_capacity(1 + sealed.len());
    bytes.push(SUITE_CHACHA);
    bytes.extend_from_slice(&sealed);
    let length = u32::try_from(piece.len()).expect("a piece is at most 1 MiB");
    (ChunkRef { id: ChunkId(hash::plain(&bytes)), plain, length }, bytes)
}

/// Seals a piece of an original, of at most [`limits::CHUNK_BYTES_MAX`] bytes, where it
/// stands: behind one byte of `buffer`, which is the chunk afterwards. The same key and
/// piece give the same chunk, of another suite than [`crate::seal()`] makes.
///
/// # Panics
/// When the buffer is empty or the piece is longer.
pub fn seal_piece_of_original(account_key: &[u8; 32], buffer: &mut Vec<u8>) -> ChunkRef {
    let length = buffer.len().checked_sub(1).expect("the piece stands behind one byte");
    assert!(length <= limits::CHUNK_BYTES_MAX, "a piece of {length} bytes");
    buffer.resize(1 + padded(length), 0);
    let (suite, padded_piece) = buffer.split_at_mut(1);
    suite.fill(SUITE_AES);
    let piece = padded_piece.get(..length).unwrap_or_default();
    let plain = hash::keyed(account_key, "chunk/plain", &[piece]);
    let tag = aes(account_key, &plain)
        .seal_in_place_separate_tag(zero_nonce(), Aad::from([SUITE_AES]), padded_piece)
        .expect("a piece is far below the cipher's limit of 64 GiB");
    buffer.extend_from_slice(tag.as_ref());
    let length = u32::try_from(length).expect("a piece is at most 1 MiB");
    ChunkRef { id: ChunkId(hash::plain(buffer)), plain, length }
}

/// Opens a chunk and checks everything that its reference says.
///
/// # Errors
/// When the bytes are not the chunk that the reference names, or do not open to the
/// piece that it tells of.
pub fn open_piece(
    account_key: &[u8; 32],
    chunk: &ChunkRef,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BlobError> {
    if !verify_chunk(chunk.id, bytes) {
        return Err(BlobError::Damaged(chunk.id));
    }
    let (suite, sealed) = bytes.split_first().ok_or(BlobError::Sealed(chunk.id))?;
    let mut piece = match *suite {
        SUITE_CHACHA => cipher(account_key, &chunk.plain)
            .decrypt(&fixed_nonce(), Payload { msg: sealed, aad: &[SUITE_CHACHA] })
            .map(Zeroizing::new)
            .map_err(|_| BlobError::Sealed(chunk.id))?,
        SUITE_AES => {
            let mut piece = Zeroizing::new(sealed.to_vec());
            let opened = aes(account_key, &chunk.plain)
                .open_in_place(zero_nonce(), Aad::from([SUITE_AES]), &mut piece)
                .map(|opened| opened.len())
                .map_err(|_| BlobError::Sealed(chunk.id))?;
            piece.truncate(opened);
            piece
        }
        suite => return Err(BlobError::Suite { id: chunk.id, suite }),
    };
    let length = chunk.length as usize;
    if length > limits::CHUNK_BYTES_MAX || padded(length) != piece.len() {
        return Err(BlobError::ChunkLength(chunk.id));
    }
    piece.truncate(length);
    if hash::keyed(account_key, "chunk/plain", &[&piece]) != chunk.plain {
        return Err(BlobError::ChunkLength(chunk.id));
    }
    Ok(piece)
}

fn cipher(account_key: &[u8; 32], plain: &[u8; 32]) -> ChaCha20Poly1305 {
    let key = Zeroizing::new(hash::keyed(account_key, "chunk/key", &[plain]));
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn aes(account_key: &[u8; 32], plain: &[u8; 32]) -> LessSafeKey {
    let key = Zeroizing::new(hash::keyed(account_key, "chunk/key/2", &[plain]));
    let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("the key has 32 bytes");
    LessSafeKey::new(key)
}

fn zero_nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; 12])
}

/// Every key seals exactly one piece, because it derives from the piece.
fn fixed_nonce() -> Nonce {
    Nonce::from([0; 12])
}
