//! The index as it will be once the writes of this step are committed.

use crate::rows::{self, table};
use crate::storage::{Batch, Lsn, Rows, Storage, StorageError};
use heirloom_base::{Decode, DecodeError, Encode, Reader, RecordId};
use std::collections::BTreeSet;

/// Reads through the writes of one step; nothing is visible to others before
/// [`View::commit`].
pub(crate) struct View<'a> {
    storage: &'a mut dyn Storage,
    batch: Batch,
    /// Records of which the storage has no rows, so that it need not be asked.
    new: BTreeSet<RecordId>,
}

impl<'a> View<'a> {
    pub(crate) fn new(storage: &'a mut dyn Storage) -> Self {
        Self { storage, batch: Batch::default(), new: BTreeSet::new() }
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        self.storage
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.batch.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None if self.is_of_new(key) => Ok(None),
            None => self.storage.get(key),
        }
    }

    /// Looks whether any entry has touched a record before; what is asked of
    /// one that is new is answered from this step's writes alone.
    pub(crate) fn look_up(&mut self, record: RecordId) -> Result<(), StorageError> {
        let prefix = rows::key(table::TOUCHED, &[&record.0]);
        if self.storage.scan(&prefix, None, 1)?.is_empty() {
            self.new.insert(record);
        }
        Ok(())
    }

    /// Returns whether a key is of a record that is new.
    fn is_of_new(&self, key: &[u8]) -> bool {
        !self.new.is_empty()
            && rows::record_in(key).is_some_and(|record| self.new.contains(&record))
    }

    /// Reads a row; one that cannot be read back means a damaged index.
    pub(crate) fn row<T: Decode>(&self, key: &[u8]) -> Result<Option<T>, StorageError> {
        self.get(key)?.map(|bytes| decode_row(&bytes)).transpose()
    }

    pub(crate) fn document(&self, record: RecordId) -> Result<Option<Vec<u8>>, StorageError> {
        self.get(&rows::key(rows::table::DOCUMENT, &[&record.0]))
    }

    /// Returns rows under a prefix, with this step's writes applied, beginning
    /// after the key `after` where one is given.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, StorageError> {
        let below = |after: Option<&[u8]>| match self.is_of_new(prefix) {
            true => Ok(Rows::new()),
            false => self.storage.scan(prefix, after, limit),
        };
        self.batch.scan_over(&below, prefix, after, limit)
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, row: &impl Encode) {
        self.batch.put(key, row.to_bytes());
    }

    pub(crate) fn put_bytes(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.batch.put(key, bytes);
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.batch.remove(key);
    }

    /// Adds to a count; one that is zero has no row. Returns what it is now.
    pub(crate) fn count(&mut self, key: Vec<u8>, step: i64) -> Result<u64, StorageError> {
        let count = rows::count_from(self.get(&key)?)?.saturating_add_signed(step);
        if count == 0 {
            self.remove(key);
        } else {
            self.put_bytes(key, count.to_be_bytes().to_vec());
        }
        Ok(count)
    }

    /// Commits, together with the position of the frame that caused the step.
    pub(crate) fn commit(mut self, applied: Option<Lsn>) -> Result<(), StorageError> {
        if let Some(lsn) = applied {
            self.batch.put(rows::APPLIED.to_vec(), rows::applied_value(lsn));
        }
        if self.batch.writes.is_empty() {
            return Ok(());
        }
        self.storage.commit(self.batch)
    }
}

/// Reads a row's bytes.
pub(crate) fn decode_row<T: Decode>(bytes: &[u8]) -> Result<T, StorageError> {
    T::from_bytes(bytes).map_err(damaged)
}

/// Reads what a row begins with.
pub(crate) fn decode_head<T: Decode>(bytes: &[u8]) -> Result<T, StorageError> {
    T::decode(&mut Reader::new(bytes)).map_err(damaged)
}

pub(crate) fn damaged(error: DecodeError) -> StorageError {
    StorageError::Index(format!("a row is damaged: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    #[test]
    fn a_view_reads_its_own_writes_and_commits_them_together() {
        let mut storage = MemoryStorage::default();
        storage.index.insert(b"xa".to_vec(), vec![1]);
        storage.index.insert(b"xb".to_vec(), vec![2]);
        let mut view = View::new(&mut storage);
        view.put_bytes(b"xc".to_vec(), vec![3]);
        view.remove(b"xa".to_vec());
        assert_eq!(view.get(b"xa").unwrap(), None);
        assert_eq!(view.get(b"xc").unwrap(), Some(vec![3]));
        let keys: Vec<_> =
            view.scan(b"x", None, 10).unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"xb".to_vec(), b"xc".to_vec()]);
        view.commit(Some(Lsn(4))).unwrap();
        assert_eq!(storage.index.get(rows::APPLIED), Some(&rows::applied_value(Lsn(4))));
        assert!(!storage.index.contains_key(b"xa".as_slice()));
    }

    #[test]
    fn of_a_record_that_is_new_the_storage_is_not_asked() {
        let (old, new) = (RecordId([1; 16]), RecordId([2; 16]));
        let mut storage = MemoryStorage::default();
        for table in [table::DOCUMENT, table::WAITING] {
            storage.index.insert(rows::key(table, &[&old.0]), vec![1]);
            storage.index.insert(rows::key(table, &[&new.0]), vec![2]);
        }
        storage.index.insert(rows::key(table::TOUCHED, &[&old.0, &[3]]), Vec::new());
        let mut view = View::new(&mut storage);
        view.look_up(old).unwrap();
        view.look_up(new).unwrap();
        let waiting = |view: &View<'_>, record: RecordId| {
            view.scan(&rows::key(table::WAITING, &[&record.0]), None, 9).unwrap().len()
        };
        assert_eq!(view.document(old), Ok(Some(vec![1])));
        assert_eq!(waiting(&view, old), 1);
        assert_eq!(view.document(new), Ok(None), "no entry touched it, so it has no rows");
        assert_eq!(waiting(&view, new), 0);
        view.put_bytes(rows::key(table::WAITING, &[&new.0]), vec![3]);
        assert_eq!(waiting(&view, new), 1, "what this step wrote is there");
    }

    #[test]
    fn a_view_that_is_dropped_changes_nothing() {
        let mut storage = MemoryStorage::default();
        let mut view = View::new(&mut storage);
        view.put(b"xa".to_vec(), &RecordId([1; 16]));
        assert_eq!(view.row::<RecordId>(b"xa"), Ok(Some(RecordId([1; 16]))));
        drop(view);
        assert!(storage.index.is_empty());
        View::new(&mut storage).commit(None).unwrap();
        assert!(storage.index.is_empty());
    }

    #[test]
    fn a_row_that_cannot_be_read_means_a_damaged_index() {
        let mut storage = MemoryStorage::default();
        storage.index.insert(b"xa".to_vec(), vec![1; 3]);
        let view = View::new(&mut storage);
        assert!(matches!(view.row::<RecordId>(b"xa"), Err(StorageError::Index(_))));
        assert_eq!(view.row::<RecordId>(b"xb"), Ok(None));
        assert_eq!(view.document(RecordId([1; 16])), Ok(None));
    }

    #[test]
    fn a_scan_keeps_its_limit_and_its_prefix() {
        let mut storage = MemoryStorage::default();
        storage.index.insert(b"xb".to_vec(), vec![]);
        let mut view = View::new(&mut storage);
        for key in [b"xa", b"xc", b"ya"] {
            view.put_bytes(key.to_vec(), vec![1]);
        }
        let keys = |limit| -> Vec<Vec<u8>> {
            view.scan(b"x", None, limit).unwrap().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(2), [b"xa".to_vec(), b"xb".to_vec()]);
        assert_eq!(keys(9).len(), 3);
    }

    #[test]
    fn a_scan_goes_on_past_what_this_step_removed() {
        let mut storage = MemoryStorage::default();
        for key in [b"xa", b"xb", b"xc", b"xd"] {
            storage.index.insert(key.to_vec(), vec![]);
        }
        let mut view = View::new(&mut storage);
        view.remove(b"xa".to_vec());
        view.remove(b"xb".to_vec());
        let found = |after: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
            view.scan(b"x", after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(found(None, 1), [b"xc".to_vec()]);
        assert_eq!(found(Some(b"xc"), 5), [b"xd".to_vec()]);
        assert!(found(Some(b"xd"), 5).is_empty());
    }
}
