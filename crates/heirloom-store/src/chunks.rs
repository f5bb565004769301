//! Sealed chunks, one file each, named by the BLAKE3 of their bytes.

use crate::disk::{self, Disk};
use crate::lock::HomeLock;
use crate::log::{AppendError, is_full};
use crate::regular;
use crate::reserve::{Reserve, Urgency};
use heirloom_base::{ChunkId, hash};
use heirloom_core::storage::StorageError;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The chunks of a store; readers and writers share it between threads.
#[derive(Debug)]
pub struct Chunks {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    scratch: PathBuf,
    quarantine: PathBuf,
    reserve: Arc<Reserve>,
    /// Nobody else may write while this can.
    _lock: Arc<HomeLock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Length of each chunk that is durable here.
    held: BTreeMap<ChunkId, u64>,
    /// First bytes of ids whose folder is durable.
    folders: BTreeSet<u8>,
    /// Chunks that were here and could not be read.
    lost: BTreeSet<ChunkId>,
    /// Those of them that nobody was told of.
    untold: BTreeSet<ChunkId>,
}

/// A chunk whose bytes are durable and whose name is not yet.
#[derive(Debug)]
pub(crate) struct Staged {
    id: ChunkId,
    bytes: u64,
}

impl Chunks {
    /// Lists the chunks of a folder and makes their names durable.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        lock: Arc<HomeLock>,
        reserve: Arc<Reserve>,
        folder: PathBuf,
        scratch: PathBuf,
        quarantine: PathBuf,
    ) -> io::Result<Self> {
        let mut state = State::default();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let first = entry.file_name().to_str().and_then(first_byte);
            if let Some(first) = first.filter(|_| entry.path().is_dir()) {
                list(&entry.path(), first, &mut state.held)?;
                // A program that was killed may have named a chunk and not synced the name.
                disk.sync_folder(&entry.path())?;
                state.folders.insert(first);
            }
        }
        disk.sync_folder(&folder)?;
        let state = Mutex::new(state);
        Ok(Self { disk, folder, scratch, quarantine, reserve, _lock: lock, state })
    }

    /// Returns whether a chunk is here and durable.
    #[must_use]
    pub fn has(&self, id: ChunkId) -> bool {
        self.state().held.contains_key(&id)
    }

    /// Returns the chunks that are here, in order.
    #[must_use]
    pub fn list(&self) -> Vec<ChunkId> {
        self.state().held.keys().copied().collect()
    }

    /// Returns the bytes of all chunks together.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        self.state().held.values().sum()
    }

    /// Returns the chunks that were here and have been lost since the store was opened.
    #[must_use]
    pub fn lost(&self) -> Vec<ChunkId> {
        self.state().lost.iter().copied().collect()
    }

    /// Returns, once, the chunks that were lost since this was last asked.
    #[must_use]
    pub fn take_lost(&self) -> BTreeSet<ChunkId> {
        std::mem::take(&mut self.state().untold)
    }

    /// Speaks no more of lost chunks that nobody needs.
    pub fn forget_lost(&self, chunks: &BTreeSet<ChunkId>) {
        self.state().lost.retain(|chunk| !chunks.contains(chunk));
    }

    /// Reads a chunk and checks it against its name.
    ///
    /// # Errors
    /// [`StorageError::Chunk`] when it is not here. A damaged one is moved to
    /// the quarantine and is not here any more.
    pub fn read(&self, id: ChunkId) -> Result<Vec<u8>, StorageError> {
        if !self.has(id) {
            return Err(StorageError::Chunk(id));
        }
        let path = self.path(id);
        match regular::read(&path) {
            Ok(bytes) if hash::plain(&bytes) == id.0 => Ok(bytes),
            Ok(_) => Err(self.put_aside(id)),
            Err(error) if regular::is_irregular(&error) => Err(self.put_aside(id)),
            Err(error) => {
                tracing::warn!(%error, chunk = %id.short(), "a chunk cannot be read");
                if is_lasting(&error) {
                    self.lose(id);
                }
                Err(StorageError::Chunk(id))
            }
        }
    }

    /// Moves what stands in place of a chunk to the quarantine.
    fn put_aside(&self, id: ChunkId) -> StorageError {
        self.lose(id);
        let kept = self.quarantine.join(format!("{id}.damaged"));
        if let Err(error) = self.disk.rename(&self.path(id), &kept) {
            tracing::warn!(%error, chunk = %id.short(), "a damaged chunk stays in place");
        }
        StorageError::Chunk(id)
    }

    /// Writes a chunk; it is durable on return.
    ///
    /// # Errors
    /// [`AppendError`]; the log is not concerned.
    pub fn write(&self, id: ChunkId, bytes: &[u8]) -> Result<(), AppendError> {
        self.reserve.admit(Urgency::Ordinary(bytes.len() as u64))?;
        let staged = self.stage(id, bytes)?;
        self.publish(staged.into_iter().collect())
    }

    /// Writes a chunk's bytes; `None` when it is here already.
    pub(crate) fn stage(&self, id: ChunkId, bytes: &[u8]) -> Result<Option<Staged>, AppendError> {
        if self.has(id) {
            return Ok(None);
        }
        if hash::plain(bytes) != id.0 {
            return Err(AppendError::WrongChunk { id });
        }
        self.prepare_folder(id)
            .and_then(|()| disk::place(self.disk.as_ref(), &self.scratch, &self.path(id), bytes))
            .map_err(|error| refusal(&error))?;
        Ok(Some(Staged { id, bytes: bytes.len() as u64 }))
    }

    /// Makes the names of staged chunks durable: from then on they are here.
    pub(crate) fn publish(&self, staged: Vec<Staged>) -> Result<(), AppendError> {
        let folders: BTreeSet<PathBuf> =
            staged.iter().map(|staged| self.folder_of(staged.id)).collect();
        for folder in folders {
            self.disk.sync_folder(&folder).map_err(|error| refusal(&error))?;
        }
        let mut state = self.state();
        for Staged { id, bytes } in staged {
            state.held.insert(id, bytes);
            state.lost.remove(&id);
            state.untold.remove(&id);
        }
        Ok(())
    }

    fn prepare_folder(&self, id: ChunkId) -> io::Result<()> {
        if self.state().folders.contains(&id.0[0]) && self.folder_of(id).is_dir() {
            return Ok(());
        }
        self.disk.create_folder(&self.folder_of(id))?;
        self.disk.sync_folder(&self.folder)?;
        self.state().folders.insert(id.0[0]);
        Ok(())
    }

    fn lose(&self, id: ChunkId) {
        tracing::warn!(chunk = %id.short(), "a chunk is damaged or missing");
        let mut state = self.state();
        state.held.remove(&id);
        state.lost.insert(id);
        state.untold.insert(id);
    }

    fn folder_of(&self, id: ChunkId) -> PathBuf {
        self.folder.join(format!("{:02x}", id.0[0]))
    }

    fn path(&self, id: ChunkId) -> PathBuf {
        self.folder_of(id).join(id.to_string())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(error: &io::Error) -> AppendError {
    if is_full(error) {
        AppendError::Full
    } else {
        AppendError::Chunk { reason: error.to_string() }
    }
}

/// Whether a chunk that could not be read will not be read later either: it is
/// gone, the disk has lost it, or it belongs to somebody else.
fn is_lasting(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

fn first_byte(name: &str) -> Option<u8> {
    let [byte] = heirloom_base::id::from_hex(name)?.try_into().ok()?;
    Some(byte)
}

fn list(folder: &Path, first: u8, held: &mut BTreeMap<ChunkId, u64>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<ChunkId>().ok());
        let Some(id) = id.filter(|id| id.0[0] == first) else { continue };
        let metadata = entry.metadata()?;
        // An empty file is what a file system leaves of one after a crash.
        if metadata.is_file() && metadata.len() > 0 {
            held.insert(id, metadata.len());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
