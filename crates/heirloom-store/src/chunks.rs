//! Sealed chunks, named by the BLAKE3 of their bytes: in packs, or one file each.
//!
//! What comes in bulk goes into packs ([`Chunks::write_batch`]); what comes
//! singly is a file of its own. Only one thread at a time writes to packs, and
//! it holds the state for moments only: whoever reads never waits for a disk
//! that syncs. The lock of the writer is taken before that of the state.

use crate::disk::{self, Disk};
use crate::lock::HomeLock;
use crate::log::{AppendError, is_full};
use crate::pack::{self, PackWriter};
use crate::regular;
use crate::reserve::{Reserve, Urgency};
use heirloom_base::{ChunkId, hash};
use heirloom_core::storage::StorageError;
use places::{Place, State};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod batches;
mod opening;
mod places;

/// The chunks of a store; readers and writers share it between threads.
#[derive(Debug)]
pub struct Chunks {
    disk: Arc<dyn Disk>,
    folders: ChunkFolders,
    reserve: Arc<Reserve>,
    /// Nobody else may write while this can.
    _lock: Arc<HomeLock>,
    state: Mutex<State>,
    /// Taken before the state, never behind it.
    writer: Mutex<PackWriter>,
}

/// The folders that chunks use.
#[derive(Debug, Clone)]
pub(crate) struct ChunkFolders {
    pub(crate) packs: PathBuf,
    pub(crate) scratch: PathBuf,
    pub(crate) quarantine: PathBuf,
}

/// A chunk whose bytes are durable and whose name is not yet.
#[derive(Debug)]
pub(crate) struct Staged {
    id: ChunkId,
    bytes: u64,
}

impl Chunks {
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
        self.state().held.values().map(|place| u64::from(place.length)).sum()
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
    /// [`StorageError::Chunk`] when it is not here. A damaged one is not here
    /// any more; its file is moved to the quarantine, and a pack stays.
    pub fn read(&self, id: ChunkId) -> Result<Vec<u8>, StorageError> {
        loop {
            let place = self.state().held.get(&id).copied();
            let place = place.ok_or(StorageError::Chunk(id))?;
            let error = match self.read_at(id, place) {
                Ok(bytes) if hash::plain(&bytes) == id.0 => return Ok(bytes),
                Ok(_) => None,
                Err(error) => Some(error),
            };
            if self.state().held.get(&id) != Some(&place) {
                // Its pack was rewritten meanwhile.
                continue;
            }
            match error {
                Some(error) if !regular::is_irregular(&error) => {
                    tracing::warn!(%error, chunk = %id.short(), "a chunk cannot be read");
                    if !is_lasting(&error) {
                        return Err(StorageError::Chunk(id));
                    }
                }
                Some(_) | None if place.pack.is_none() => self.put_aside(id),
                Some(_) | None => {}
            }
            // Another copy may be sound.
            self.state().lose(id, place);
        }
    }

    fn read_at(&self, id: ChunkId, place: Place) -> io::Result<Vec<u8>> {
        let Some(number) = place.pack else { return regular::read(&self.path(id)) };
        let mut bytes = vec![0; place.length as usize];
        let at = u64::from(place.offset) + pack::HEADER_BYTES as u64;
        self.pack_file(number.get())?.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    fn pack_file(&self, number: u32) -> io::Result<Arc<File>> {
        let (known, sealed) = self.state().pack_file(number);
        if let Some(file) = known {
            return Ok(file);
        }
        let open = |sealed| regular::open(&self.folders.packs.join(pack::name(number, sealed)));
        let file = match open(sealed) {
            // It may be sealed at this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !sealed => open(true)?,
            opened => opened?,
        };
        let file = Arc::new(file);
        self.state().keep_file(number, &file);
        Ok(file)
    }

    /// Moves what stands in place of a chunk's file to the quarantine.
    fn put_aside(&self, id: ChunkId) {
        let kept = self.folders.quarantine.join(format!("{id}.damaged"));
        if let Err(error) = self.disk.rename(&self.path(id), &kept) {
            tracing::warn!(%error, chunk = %id.short(), "a damaged chunk stays in place");
        }
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
            .and_then(|()| {
                disk::place(self.disk.as_ref(), &self.folders.scratch, &self.path(id), bytes)
            })
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
            state.hold(id, Place::file(bytes));
        }
        Ok(())
    }

    fn prepare_folder(&self, id: ChunkId) -> io::Result<()> {
        if self.state().folders.contains(&id.0[0]) && self.folder_of(id).is_dir() {
            return Ok(());
        }
        self.disk.create_folder(&self.folder_of(id))?;
        self.disk.sync_folder(&self.folders.packs)?;
        self.state().folders.insert(id.0[0]);
        Ok(())
    }

    fn folder_of(&self, id: ChunkId) -> PathBuf {
        self.folders.packs.join(format!("{:02x}", id.0[0]))
    }

    fn path(&self, id: ChunkId) -> PathBuf {
        self.folder_of(id).join(id.to_string())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, PackWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
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
    use io::ErrorKind::{NotFound, PermissionDenied, UnexpectedEof};
    matches!(error.kind(), NotFound | PermissionDenied | UnexpectedEof)
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests;
