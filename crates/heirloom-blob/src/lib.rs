//! Byte strings too large for a record, as sealed chunks of bounded size.
//!
//! It is not a store and not a transfer: it only turns bytes into chunks that
//! anybody may hold and nobody outside the account can read, and back.
//!
//! A walk: [`seal()`] cuts the bytes into pieces of 1 MiB, names each piece by a
//! keyed hash, derives that piece's key from the account's key and the name,
//! pads and seals it, and names the sealed bytes by their BLAKE3. What the
//! record keeps is a [`BlobRef`](heirloom_base::BlobRef). [`open()`] asks for the
//! chunks by id and gives the bytes back only when every chunk, every length
//! and the whole hash agree. A device without the account's key still checks
//! what it holds with [`verify_chunk`].
//!
//! What is kept byte for byte and may be long, an original, goes piece by piece:
//! [`cuts`] says where, [`seal_piece_of_original`] seals one, and [`Assembly`] makes
//! the [`Manifest`] of all, which is a blob again.
//!
//! Equal pieces of one account give equal chunks, so that a photo is stored
//! once; another account's key gives other chunks, so that nobody outside can
//! confirm a guess. No epoch takes part: the name from which a key derives
//! stands only in the record, which is sealed under an epoch.

mod chunk;
mod error;
mod open;
mod original;
mod padding;
mod seal;

pub use chunk::{open_piece, seal_piece_of_original, verify_chunk};
pub use error::BlobError;
pub use open::open;
pub use original::{Assembly, Manifest, PIECES_MAX, cuts};
pub use seal::{BLOB_BYTES_MAX, Sealed, seal};

/// Bytes that a sealed chunk has at most: a padded piece, its suite byte and its tag.
pub const SEALED_BYTES_MAX: usize = heirloom_base::limits::CHUNK_BYTES_MAX + chunk::OVERHEAD_BYTES;
