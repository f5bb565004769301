//! Why a blob does not open.

use heirloom_base::ChunkId;

/// Why a blob does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// A chunk is not held here.
    #[error("chunk {0:?} is missing")]
    Missing(ChunkId),
    /// The bytes given for a chunk are not the ones it is named after.
    #[error("chunk {0:?} is damaged")]
    Damaged(ChunkId),
    /// A chunk is sealed in a way that this version does not know.
    #[error("chunk {id:?} is sealed with the unknown suite {suite}")]
    Suite {
        /// The chunk.
        id: ChunkId,
        /// Its first byte.
        suite: u8,
    },
    /// A chunk does not open under the account's key.
    #[error("chunk {0:?} does not open under this account's key")]
    Sealed(ChunkId),
    /// A chunk's content is not as long as the reference says.
    #[error("chunk {0:?} does not have the length that was announced")]
    ChunkLength(ChunkId),
    /// The reference names more chunks or longer chunks than are allowed, or
    /// its lengths do not add up.
    #[error("the reference's lengths do not add up to {size} bytes within the limits")]
    Reference {
        /// The announced size in bytes.
        size: u64,
    },
    /// The whole does not have the hash that was announced.
    #[error("the content does not have the hash that was announced")]
    Hash,
}
