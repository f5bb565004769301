//! What the node asks of its storage.
//!
//! The log is the truth and is written by effects, because a write takes time
//! and may fail; the index is rebuildable and is read and written while an
//! input is handled, so that a decision never waits for a read.

use heirloom_base::ChunkId;
use std::collections::BTreeMap;

/// The position of a frame in the log: positions only grow, and survive a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

/// One durable item of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the payload is; the log itself does not care.
    pub kind: u8,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// Writes to the index that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// New values by key; `None` removes the key.
    pub writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Returns rows behind a key.
pub type Below<'a, E> = &'a dyn Fn(Option<&[u8]>) -> Result<Rows, E>;

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Returns rows under a prefix as they are once these writes are applied,
    /// beginning after the key `after` where one is given, at most `limit`.
    /// `below` returns such rows of what they are to be applied to.
    ///
    /// # Errors
    /// What `below` returns.
    pub fn scan_over<E>(
        &self,
        below: Below<'_, E>,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, E> {
        if self.writes.is_empty() {
            return below(after);
        }
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut last = after.map(<[u8]>::to_vec);
        loop {
            let page = below(last.as_deref())?;
            let is_last = page.len() < limit;
            last = page.last().map(|(key, _)| key.clone());
            rows.extend(page.into_iter().filter(|(key, _)| !self.writes.contains_key(key)));
            if is_last || rows.len() >= limit {
                break;
            }
        }
        let written = self.writes.range(prefix.to_vec()..);
        let written = written
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
        let put = written.filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        rows.extend(put.take(limit));
        Ok(rows.into_iter().take(limit).collect())
    }
}

/// The storage could not answer; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The rebuildable index is damaged or cannot be read: rebuild it.
    #[error("the index cannot be used: {0}")]
    Index(String),
    /// A frame of the log is missing or damaged.
    #[error("the log has no sound frame at position {0:?}")]
    Frame(Lsn),
    /// A chunk is missing or damaged.
    #[error("no sound chunk {0:?} here")]
    Chunk(ChunkId),
}

/// Keys and values in key order, as [`Storage::scan`] returns them.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// What the node reads and indexes while it handles an input.
pub trait Storage {
    /// Returns the value of an index key.
    ///
    /// # Errors
    /// [`StorageError::Index`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Returns at most `limit` rows whose key begins with `prefix`, in key
    /// order, beginning after the key `after` where one is given.
    ///
    /// # Errors
    /// [`StorageError::Index`].
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize)
    -> Result<Rows, StorageError>;

    /// Applies all writes of a batch or none. Not durable by itself: the log is.
    ///
    /// # Errors
    /// [`StorageError::Index`].
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError>;

    /// Reads a frame of the log that was reported durable.
    ///
    /// # Errors
    /// [`StorageError::Frame`].
    fn frame(&self, lsn: Lsn) -> Result<Frame, StorageError>;

    /// Returns whether the chunk is here, durable and whole.
    fn has_chunk(&self, id: ChunkId) -> bool;

    /// Reads a chunk's sealed bytes.
    ///
    /// # Errors
    /// [`StorageError::Chunk`].
    fn chunk(&self, id: ChunkId) -> Result<Vec<u8>, StorageError>;
}

/// A storage in memory: the model of the conformance suite, and the simulator's.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    /// The index.
    pub index: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The log.
    pub frames: BTreeMap<Lsn, Frame>,
    /// The chunks.
    pub chunks: BTreeMap<ChunkId, Vec<u8>>,
}

impl Storage for MemoryStorage {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.index.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, StorageError> {
        let start = after.map_or(std::ops::Bound::Included(prefix), std::ops::Bound::Excluded);
        Ok(self
            .index
            .range::<[u8], _>((start, std::ops::Bound::Unbounded))
            .skip_while(|(key, _)| key.as_slice() < prefix)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        for (key, value) in batch.writes {
            match value {
                Some(value) => self.index.insert(key, value),
                None => self.index.remove(&key),
            };
        }
        Ok(())
    }

    fn frame(&self, lsn: Lsn) -> Result<Frame, StorageError> {
        self.frames.get(&lsn).cloned().ok_or(StorageError::Frame(lsn))
    }

    fn has_chunk(&self, id: ChunkId) -> bool {
        self.chunks.contains_key(&id)
    }

    fn chunk(&self, id: ChunkId) -> Result<Vec<u8>, StorageError> {
        self.chunks.get(&id).cloned().ok_or(StorageError::Chunk(id))
    }
}
