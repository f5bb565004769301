//! The index in memory: the model of the conformance suite.

use super::{Backend, IndexError, IndexState};
use heirloom_core::storage::{Batch, MemoryStorage, Rows, Storage, StorageError};

#[derive(Debug, Default)]
struct MemoryIndex(MemoryStorage);

pub(super) fn open() -> (Box<dyn Backend>, IndexState) {
    (Box::<MemoryIndex>::default(), IndexState::New)
}

fn failed(error: StorageError) -> IndexError {
    IndexError(error.to_string())
}

impl Backend for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.0.get(key).map_err(failed)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Rows, IndexError> {
        self.0.scan(prefix, after, limit).map_err(failed)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), IndexError> {
        self.0.commit(batch).map_err(failed)
    }

    fn sync(&self) -> Result<(), IndexError> {
        Ok(())
    }
}
