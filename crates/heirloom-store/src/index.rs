//! The index: keys and values that can be rebuilt from the log.
//!
//! An index that cannot be opened is repaired or replaced by an empty one.
//! One that fails later is of no more use in this run: every further call
//! fails, until [`Index::discard`] replaces it and the node fills it again.

use crate::regular;
use heirloom_core::storage::{Batch, Rows, StorageError};
use std::fmt::Debug;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

mod memory;
mod sled;

pub use sled::quiet_panics;

/// The folder of an index on disk, below the home.
const FOLDER: &str = "index";
/// How long the end of the program waits for the index to close.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Which engine keeps the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// sled, in the folder `index`.
    Sled,
    /// Memory: it is empty at every start and filled from the log.
    Memory,
}

impl IndexKind {
    /// Returns the name that stands in the `FORMAT` file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Memory => "memory",
        }
    }
}

/// What was found when the index was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// There was none: it is empty.
    New,
    /// It is as it was left.
    Opened,
    /// It opened as it was left after its snapshots, which are only a shortcut, were removed.
    Repaired,
    /// It could not be used: it is empty now.
    Rebuilt,
    /// Not even an empty one can be written: it is in memory, for this run.
    InMemory,
}

/// How the engine is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) kind: IndexKind,
    pub(crate) cache_bytes: u64,
    pub(crate) flush_every_ms: u64,
}

/// The engine could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct IndexError(pub(crate) String);

impl From<IndexError> for StorageError {
    fn from(error: IndexError) -> Self {
        Self::Index(error.0)
    }
}

/// An engine; all pass one conformance suite.
pub(crate) trait Backend: Debug + Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// As [`heirloom_core::storage::Storage::scan`].
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Rows, IndexError>;

    /// Applies all writes or none, also across a crash. What others read
    /// meanwhile of the keys that it does not write is as it was; of those that
    /// it does write, somebody who reads them may see either, or parts of both
    /// in one scan. One commit runs at one time.
    fn commit(&self, batch: Batch) -> Result<(), IndexError>;

    /// Makes what was committed durable.
    fn sync(&self) -> Result<(), IndexError>;

    /// Notes that a call does not come back: this engine, and another one of the
    /// same folder, are of no more use in this run.
    fn give_up(&self) {}

    /// Returns whether its files are where they were opened: whoever removes them
    /// leaves an engine that writes to nowhere.
    fn is_in_place(&self) -> bool {
        true
    }
}

/// Returns what is said of an engine that does not come back from a call.
pub(crate) fn silent(backend: &Arc<dyn Backend>) -> IndexError {
    backend.give_up();
    IndexError("the disk does not answer".to_owned())
}

/// Makes what was committed durable, or gives the engine up after a while: sled
/// 0.34 waits for ever for a write that its disk refused.
pub(crate) fn sync_within(backend: &Arc<dyn Backend>, wait: Duration) -> Result<(), IndexError> {
    let (tell, told) = mpsc::channel();
    let own = Arc::clone(backend);
    let sync = move || {
        if tell.send(own.sync()).is_err() {
            tracing::debug!("nobody waited for the index any more");
        }
    };
    match std::thread::Builder::new().name("index-sync".to_owned()).spawn(sync) {
        Ok(_) => told.recv_timeout(wait).unwrap_or_else(|_| Err(silent(backend))),
        Err(_) => backend.sync(),
    }
}

/// The index of a home.
#[derive(Debug)]
pub(crate) struct Index {
    home: PathBuf,
    settings: Settings,
    backend: Arc<dyn Backend>,
    state: IndexState,
}

impl Index {
    /// Opens the index, repairing or replacing it where that is needed.
    pub(crate) fn open(home: &Path, settings: Settings) -> Self {
        let (backend, state) = match settings.kind {
            IndexKind::Memory => memory::open(),
            IndexKind::Sled => open_or_rebuild(home, settings).unwrap_or_else(in_memory),
        };
        Self { home: home.to_owned(), settings, backend, state }
    }

    pub(crate) fn state(&self) -> IndexState {
        self.state
    }

    /// Notes that an index had been there, where one was begun because it was gone.
    pub(crate) fn was_lost(&mut self) {
        if self.state == IndexState::New {
            self.state = IndexState::Rebuilt;
        }
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Puts the index aside and begins an empty one.
    pub(crate) fn discard(&mut self) -> Result<(), IndexError> {
        // Its folder is left to it: the new one lies elsewhere.
        drop(self.close());
        set_aside(&self.home).map_err(|error| IndexError(error.to_string()))?;
        let (backend, state) = match self.settings.kind {
            IndexKind::Memory => memory::open(),
            IndexKind::Sled => self.begin().unwrap_or_else(in_memory),
        };
        self.backend = backend;
        self.state = match state {
            IndexState::InMemory => state,
            IndexState::New | IndexState::Opened | IndexState::Repaired | IndexState::Rebuilt => {
                IndexState::Rebuilt
            }
        };
        Ok(())
    }

    /// Goes on with an empty index in memory.
    pub(crate) fn keep_in_memory(&mut self) {
        drop(self.close());
        self.state = IndexState::InMemory;
    }

    /// Begins an empty index, at last in the room of the one that was put aside.
    fn begin(&self) -> Result<Opened, IndexError> {
        let folder = self.home.join(FOLDER);
        sled::open(&folder, self.settings).or_else(|error| {
            tracing::warn!(%error, "the index that was put aside is removed");
            remove_aside(&self.home).map_err(|error| IndexError(error.to_string()))?;
            sled::open(&folder, self.settings)
        })
    }

    /// Lets go of the engine, on a thread of its own: one that is damaged may
    /// panic, and one whose disk refused a write waits for ever (sled 0.34
    /// flushes when it is dropped). What is returned ends when it is closed.
    fn close(&mut self) -> mpsc::Receiver<()> {
        let backend = std::mem::replace(&mut self.backend, memory::open().0);
        let (closed, wait) = mpsc::channel::<()>();
        let close = move || {
            sled::expect_panics();
            if catch_unwind(AssertUnwindSafe(|| drop(backend))).is_err() {
                tracing::warn!("the index panicked while it was closed");
            }
            drop(closed);
        };
        // Where no thread begins, the closure was dropped, and with it the engine.
        drop(std::thread::Builder::new().name("index-close".to_owned()).spawn(close));
        wait
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if let Err(mpsc::RecvTimeoutError::Timeout) = self.close().recv_timeout(CLOSE_WAIT) {
            tracing::warn!("the index does not close and is left as it is");
        }
    }
}

type Opened = (Arc<dyn Backend>, IndexState);

/// Returns what is used where the disk takes no index, because it is full or
/// refuses: what is stored can be read all the same.
fn in_memory(error: IndexError) -> Opened {
    tracing::warn!(%error, "the index cannot be written and is made in memory");
    (memory::open().0, IndexState::InMemory)
}

fn open_or_rebuild(home: &Path, settings: Settings) -> Result<Opened, IndexError> {
    let folder = home.join(FOLDER);
    // A snapshot that a killed program left half written is taken for the newest one.
    let unfinished = |name: &str| name.starts_with("snap.") && name.ends_with(".generating");
    remove_files(&folder, unfinished).map_err(|error| IndexError(error.to_string()))?;
    let refused = match sled::open(&folder, settings) {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    tracing::warn!(error = %refused, "the index does not open: it is put aside");
    let aside = set_aside(home).map_err(|error| IndexError(error.to_string()))?;
    if let Some(aside) = aside
        && copied_without_snapshots(&aside, &folder)
    {
        if let Ok((backend, IndexState::Opened)) = sled::open(&folder, settings) {
            return Ok((backend, IndexState::Repaired));
        }
        // Without its snapshots sled may take a damaged file for an empty one.
        remove_all(&folder).map_err(|error| IndexError(error.to_string()))?;
    }
    Ok((sled::open(&folder, settings)?.0, IndexState::Rebuilt))
}

/// Copies an index that was put aside, but for its snapshots: it may be whole
/// without them. Returns whether there were some, and there is such a copy now.
fn copied_without_snapshots(aside: &Path, folder: &Path) -> bool {
    match copy_without_snapshots(aside, folder) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%error, "the index that was put aside is not tried again");
            drop(remove_all(folder));
            false
        }
    }
}

/// Returns how many snapshots were left out.
fn copy_without_snapshots(from: &Path, to: &Path) -> io::Result<usize> {
    std::fs::create_dir(to)?;
    let mut left_out = 0;
    for path in entries(from)? {
        let name = path.file_name().unwrap_or_default();
        if name.to_str().is_some_and(|name| name.starts_with("snap.")) {
            left_out += 1;
        } else if path.is_dir() {
            left_out += copy_without_snapshots(&path, &to.join(name))?;
        } else {
            regular::copy(&path, &to.join(name))?;
        }
    }
    Ok(left_out)
}

fn remove_files(folder: &Path, which: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut removed = 0;
    for path in entries(folder)? {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(&which) {
            std::fs::remove_file(path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes what was put aside before; returns its highest number.
fn remove_aside(home: &Path) -> io::Result<u64> {
    let mut newest = 0_u64;
    for path in entries(home)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = number_aside(name) {
            newest = newest.max(number);
            remove_all(&path)?;
        }
    }
    Ok(newest)
}

/// Returns the number under which an index was put aside. Versions of 2026 named
/// it `index.bad-N`.
fn number_aside(name: &str) -> Option<u64> {
    let now = name.strip_prefix("index-").and_then(|name| name.strip_suffix(".damaged"));
    let number = now.or_else(|| name.strip_prefix("index.bad-"))?;
    Some(number.parse().unwrap_or(0))
}

/// Renames the index to `index-N.damaged` and removes the one that was put aside before;
/// returns where it is now, if there was one.
pub(crate) fn set_aside(home: &Path) -> io::Result<Option<PathBuf>> {
    let newest = remove_aside(home)?;
    let folder = home.join(FOLDER);
    if folder.symlink_metadata().is_err() {
        return Ok(None);
    }
    let aside = home.join(format!("index-{}.damaged", newest + 1));
    std::fs::rename(&folder, &aside)?;
    Ok(Some(aside))
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        // Something else may lie where the folder should be: opening it fails and it is put aside.
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

#[cfg(test)]
mod tests;
