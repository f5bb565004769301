//! The index in memory: the model of the conformance suite.

use super::{Backend, IndexError, IndexState};
use heirloom_core::storage::{Batch, MemoryStorage, Rows, Storage, StorageError};
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug, Default)]
struct MemoryIndex(RwLock<MemoryStorage>);

pub(super) fn open() -> (Arc<dyn Backend>, IndexState) {
    (Arc::<MemoryIndex>::default(), IndexState::New)
}

fn failed(error: StorageError) -> IndexError {
    IndexError(error.to_string())
}

impl Backend for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).map_err(failed)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Rows, IndexError> {
        let storage = self.0.read().unwrap_or_else(PoisonError::into_inner);
        storage.scan(prefix, after, limit).map_err(failed)
    }

    fn commit(&self, batch: Batch) -> Result<(), IndexError> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).commit(batch).map_err(failed)
    }

    fn sync(&self) -> Result<(), IndexError> {
        Ok(())
    }
}
