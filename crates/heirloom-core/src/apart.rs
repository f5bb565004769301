//! Rows of records that stand apart from those that the log tells.
//!
//! What a checkpoint shows is written under keys of its own, and read in front
//! of the rows that entries have made, until these are complete.

use crate::rows::{self, table};
use crate::storage::{Batch, Frame, Lsn, Rows, Storage, StorageError};
use heirloom_base::ChunkId;
use std::collections::BTreeMap;

/// Returns the key under which a row stands apart.
pub(crate) fn key(own: &[u8]) -> Vec<u8> {
    [&[table::PREVIEW], own].concat()
}

/// Returns whether a key or prefix is of a table that records fill.
fn is_of_records(key: &[u8]) -> bool {
    key.first().is_some_and(|table| rows::is_of_records(*table))
}

fn own(mut rows: Rows) -> Rows {
    for (key, _) in &mut rows {
        key.remove(0);
    }
    rows
}

/// A storage whose rows of records are those apart.
pub(crate) struct Apart<'a>(pub(crate) &'a mut dyn Storage);

impl Storage for Apart<'_> {
    fn get(&self, wanted: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match is_of_records(wanted) {
            true => self.0.get(&key(wanted)),
            false => self.0.get(wanted),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, StorageError> {
        match is_of_records(prefix) {
            true => self.0.scan(&key(prefix), after.map(key).as_deref(), limit).map(own),
            false => self.0.scan(prefix, after, limit),
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        let writes = batch.writes.into_iter();
        let apart = writes.map(|(own, value)| match is_of_records(&own) {
            true => (key(&own), value),
            false => (own, value),
        });
        self.0.commit(Batch { writes: apart.collect() })
    }

    fn frame(&self, lsn: Lsn) -> Result<Frame, StorageError> {
        self.0.frame(lsn)
    }

    fn has_chunk(&self, id: ChunkId) -> bool {
        self.0.has_chunk(id)
    }

    fn chunk(&self, id: ChunkId) -> Result<Vec<u8>, StorageError> {
        self.0.chunk(id)
    }
}

/// A storage whose rows of records are those apart where there are some, and
/// else its own. It is only read.
pub(crate) struct InFront<'a> {
    pub(crate) storage: &'a dyn Storage,
    /// Whether there are rows apart at all.
    pub(crate) is_open: bool,
}

impl Storage for InFront<'_> {
    fn get(&self, wanted: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let apart = match self.is_open && is_of_records(wanted) {
            true => self.storage.get(&key(wanted))?,
            false => None,
        };
        match apart {
            Some(value) => Ok(Some(value)),
            None => self.storage.get(wanted),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, StorageError> {
        let below = self.storage.scan(prefix, after, limit)?;
        if !(self.is_open && is_of_records(prefix)) {
            return Ok(below);
        }
        // Each page has the first rows of its own, so together the first of all.
        let apart = self.storage.scan(&key(prefix), after.map(key).as_deref(), limit)?;
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = below.into_iter().collect();
        rows.extend(own(apart));
        Ok(rows.into_iter().take(limit).collect())
    }

    fn commit(&mut self, _batch: Batch) -> Result<(), StorageError> {
        Err(StorageError::Index("what is shown in front is only read".to_owned()))
    }

    fn frame(&self, lsn: Lsn) -> Result<Frame, StorageError> {
        self.storage.frame(lsn)
    }

    fn has_chunk(&self, id: ChunkId) -> bool {
        self.storage.has_chunk(id)
    }

    fn chunk(&self, id: ChunkId) -> Result<Vec<u8>, StorageError> {
        self.storage.chunk(id)
    }
}
