//! Writes of the index that are behind the log.
//!
//! What an entry brings is durable with the log; the index can be made again
//! from it. So the engine need not have a write before somebody is answered:
//! small ones are gathered, and handed on together when there is nothing else
//! to do, or when there are many. They are read as if they were there already.
//! A crash loses some of the last, all of a commit or nothing, and the next
//! start reads these frames of the log again.

use heirloom_core::storage::Batch;

/// Bytes that are gathered at most; a commit that has as many goes on at once.
const BYTES_MAX: usize = 128 * 1024;

/// Writes that were committed and that the engine does not have yet.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    batch: Batch,
    bytes: usize,
}

impl Behind {
    /// Adds a commit.
    pub(crate) fn add(&mut self, mut batch: Batch) {
        let size = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| {
            key.len() + value.as_ref().map_or(0, Vec::len)
        };
        self.bytes += batch.writes.iter().map(size).sum::<usize>();
        self.batch.writes.append(&mut batch.writes);
    }

    /// Returns whether they are to be handed on now.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    /// Returns what is to be written.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Takes all of it.
    pub(crate) fn take(&mut self) -> Batch {
        std::mem::take(self).batch
    }
}
