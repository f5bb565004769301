//! The store: everything below one home, behind the node's storage trait.

use crate::behind::Behind;
use crate::chunks::{ChunkFolders, Chunks};
use crate::disk::{self, Disk, FileSystem};
use crate::format::{Format, FormatError};
use crate::index::{CLOSE_WAIT, Index, IndexKind, IndexState, Settings, set_aside, sync_within};
use crate::lock::{HomeLock, LockError};
use crate::log::{AppendError, Folders, Frames, Log, LogReader, Recovery};
use crate::queue::{AppendQueue, AppendRequest};
use crate::reserve::Reserve;
use heirloom_base::{ChunkId, limits};
use heirloom_core::storage::{Batch, Frame, Lsn, Rows, Storage, StorageError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use appender::Appender;
pub use condition::{Problem, Sizes};

mod appender;
mod condition;

/// Longest time for making the index durable while the program goes on.
const SYNC_WAIT: Duration = Duration::from_secs(60);

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The home is in use, or cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A newer program wrote the home.
    #[error("the home was written by the newer version {found}")]
    Newer {
        /// The version of its layout.
        found: u32,
    },
    /// A file or folder of the home cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// What could not be used.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The engine of the index.
    pub index: IndexKind,
    /// Memory for the index: 8 MiB by default, 64 MiB fit a keeper.
    pub index_cache_bytes: u64,
    /// Pause between two flushes of the index: 10 s by default, 1 s fits a keeper.
    pub index_flush_ms: u64,
    /// Bytes of a new segment of the log.
    pub segment_bytes: usize,
    /// Bytes of a full pack of chunks.
    pub pack_bytes: usize,
    /// Bytes kept for small writes on a full disk.
    pub reserve_bytes: usize,
    /// How long to wait for somebody who uses the home.
    pub lock_wait: Duration,
    /// What carries out the writing.
    pub disk: Arc<dyn Disk>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            index: IndexKind::Sled,
            index_cache_bytes: 8 * 1024 * 1024,
            index_flush_ms: 10_000,
            segment_bytes: limits::SEGMENT_BYTES,
            pack_bytes: limits::PACK_FILE_BYTES,
            reserve_bytes: limits::DISK_RESERVE_BYTES,
            lock_wait: Duration::ZERO,
            disk: Arc::new(FileSystem),
        }
    }
}

/// An opened home.
///
/// The lock is released when the store, its [`AppendQueue`]s and its
/// [`Chunks`] are all dropped.
#[derive(Debug)]
pub struct Store {
    home: PathBuf,
    format: Format,
    index: Index,
    /// What the index does not have yet.
    behind: Behind,
    reader: LogReader,
    chunks: Arc<Chunks>,
    reserve: Arc<Reserve>,
    appender: Arc<Mutex<Appender>>,
    recovery: Recovery,
    format_rewritten: bool,
}

/// The folders of a home.
#[derive(Debug)]
struct Layout {
    log: PathBuf,
    packs: PathBuf,
    scratch: PathBuf,
    quarantine: PathBuf,
}

impl Store {
    /// Returns whether a folder holds a store, without touching it.
    #[must_use]
    pub fn exists(home: &Path) -> bool {
        home.join(crate::format::NAME).exists() || home.join("log").is_dir()
    }

    /// Takes the home's lock and opens its store, making what is missing.
    ///
    /// # Errors
    /// [`OpenError`]; damage that can be repaired or worked around is none,
    /// but is told by [`Store::problems`].
    pub fn open(home: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        let lock = HomeLock::acquire(home, options.lock_wait)?;
        Self::open_locked(home, lock, options)
    }

    /// As [`Store::open`], with the home's lock taken before.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_locked(
        home: &Path,
        lock: HomeLock,
        options: &StoreOptions,
    ) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        let disk = &options.disk;
        let found = read_format(home)?;
        let layout = Layout::prepare(home, disk.as_ref()).map_err(failed(home))?;
        let format_rewritten = found.is_none() && is_used(&layout);
        let format = settle_format(home, found, &layout, options).map_err(failed(home))?;

        let reserve =
            Reserve::open(Arc::clone(disk), home, &layout.scratch, options.reserve_bytes as u64);
        let reserve = Arc::new(reserve.map_err(failed(&home.join("reserve")))?);
        let Layout { log, packs, scratch, quarantine } = layout;
        let lock = Arc::new(lock);
        let chunks = Chunks::open(
            Arc::clone(disk),
            Arc::clone(&lock),
            Arc::clone(&reserve),
            ChunkFolders {
                packs: packs.clone(),
                scratch: scratch.clone(),
                quarantine: quarantine.clone(),
            },
            options.pack_bytes,
        );
        let chunks = Arc::new(chunks.map_err(failed(&packs))?);
        let folders = Folders { log, scratch, quarantine };
        let (log, recovery) = Log::open(Arc::clone(disk), folders.clone(), options.segment_bytes)
            .map_err(failed(&folders.log))?;
        let settings = Settings {
            kind: options.index,
            cache_bytes: options.index_cache_bytes,
            flush_every_ms: options.index_flush_ms,
        };
        let index = Index::open(home, settings);
        let reader = log.reader().clone();
        let appender = Appender::new(log, Arc::clone(&chunks), Arc::clone(&reserve), lock);
        let appender = Arc::new(Mutex::new(appender));
        let home = home.to_owned();
        Ok(Self {
            home,
            format,
            index,
            behind: Behind::default(),
            reader,
            chunks,
            reserve,
            appender,
            recovery,
            format_rewritten,
        })
    }

    /// Returns the folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the random mark of this home; a home that was made anew has another.
    #[must_use]
    pub fn generation(&self) -> [u8; 16] {
        self.format.generation
    }

    /// Returns what was found in the log when it was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Returns what was found in place of the index.
    #[must_use]
    pub fn index_state(&self) -> IndexState {
        self.index.state()
    }

    /// Writes chunks, then frames; all are durable on return.
    ///
    /// # Errors
    /// [`AppendError`]; after [`AppendError::Closed`] see [`Store::reopen_log`].
    pub fn append(&self, request: AppendRequest) -> Result<Vec<Lsn>, AppendError> {
        let mut answers = self.appender().append(vec![request]);
        answers.pop().expect("every request is answered")
    }

    /// Starts a thread that writes many requests with one sync.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn queue(&self) -> io::Result<AppendQueue> {
        AppendQueue::start(Arc::clone(&self.appender))
    }

    /// Writes a chunk that arrived by itself; it is durable on return.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn write_chunk(&self, id: ChunkId, bytes: &[u8]) -> Result<(), AppendError> {
        self.chunks.write(id, bytes)
    }

    /// Returns the chunks, for other threads to read and write.
    #[must_use]
    pub fn chunks(&self) -> Arc<Chunks> {
        Arc::clone(&self.chunks)
    }

    /// Returns the number of the segment in which a frame lies.
    #[must_use]
    pub fn segment_of(lsn: Lsn) -> u32 {
        crate::frame::parts(lsn).0
    }

    /// Returns the files of the log by their numbers, each with what tells it from
    /// every other file of that number.
    ///
    /// # Errors
    /// What the system reports.
    pub fn segments(&self) -> io::Result<Vec<(u32, u64)>> {
        crate::segment::marks(&self.home.join("log"))
    }

    /// Returns a reader of the log, for other threads.
    #[must_use]
    pub fn log_reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Returns the frames behind a position, or all, in order.
    ///
    /// The iterator does not borrow the store: its rows can be written meanwhile.
    #[must_use]
    pub fn frames(&self, after: Option<Lsn>) -> Frames {
        self.reader.frames(after)
    }

    /// Shows the frames behind a position, or all, in order.
    ///
    /// # Errors
    /// [`StorageError::Frame`] when a frame was damaged after the store was opened.
    pub fn replay(
        &self,
        after: Option<Lsn>,
        each: &mut dyn FnMut(Lsn, Frame),
    ) -> Result<(), StorageError> {
        for item in self.frames(after) {
            let (lsn, frame) = item?;
            each(lsn, frame);
        }
        Ok(())
    }

    /// Returns the position behind the last frame, or zero in an empty log.
    ///
    /// An index that has applied a frame at or behind it knows more than the
    /// log, which has lost its tail: see [`Store::discard_index`].
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.reader.end()
    }

    /// Puts the index aside and begins an empty one, to be filled by a replay of all frames.
    ///
    /// # Errors
    /// [`StorageError::Index`] when not even an empty one can be made.
    pub fn discard_index(&mut self) -> Result<(), StorageError> {
        self.behind.forget();
        Ok(self.index.discard()?)
    }

    /// Begins an empty index in memory, for this run: for a disk that takes none.
    pub fn keep_index_in_memory(&mut self) {
        self.behind.forget();
        self.index.keep_in_memory();
    }

    /// Hands on to the index what it has not had for a while, and waits for nothing.
    ///
    /// # Errors
    /// [`StorageError::Index`], also of what was handed on before.
    pub fn tend_index(&mut self) -> Result<(), StorageError> {
        let is_due = self.behind.due().is_some_and(|due| due <= Instant::now());
        if is_due && !self.index.backend().is_in_place() {
            return Err(StorageError::Index("its files were removed".to_owned()));
        }
        Ok(self.behind.tend(self.index.backend())?)
    }

    /// Notes that the index was gone and was made from the log.
    pub fn index_was_lost(&mut self) {
        self.index.was_lost();
    }

    /// Returns when [`Store::tend_index`] has something to do, if ever.
    #[must_use]
    pub fn index_due(&self) -> Option<Instant> {
        self.behind.due()
    }

    /// Hands on to the index what it does not have yet, and waits until it has it.
    ///
    /// # Errors
    /// [`StorageError::Index`].
    pub fn settle_index(&mut self) -> Result<(), StorageError> {
        Ok(self.behind.settle(self.index.backend())?)
    }

    /// Makes the index durable, so that the next start replays less.
    ///
    /// # Errors
    /// [`StorageError::Index`].
    pub fn sync_index(&mut self) -> Result<(), StorageError> {
        self.settle_index()?;
        Ok(sync_within(self.index.backend(), SYNC_WAIT)?)
    }

    /// As [`Store::sync_index`], at the end of the program, which waits no longer
    /// than for the index to close.
    ///
    /// # Errors
    /// [`StorageError::Index`].
    pub fn sync_index_at_last(&mut self) -> Result<(), StorageError> {
        self.behind.settle_for(self.index.backend(), CLOSE_WAIT);
        Ok(sync_within(self.index.backend(), CLOSE_WAIT)?)
    }

    /// Takes what was cut off the end of the log for an append that was never
    /// acknowledged: nothing tells of it any more.
    pub fn excuse_cut_end(&self) {
        let Some(copy) = &self.recovery.cut else { return };
        if let Err(error) = std::fs::rename(copy, copy.with_extension("unfinished")) {
            tracing::debug!(%error, "what was cut off the log stays as it is");
        }
    }

    /// Opens the log again after a write failed and closed it.
    ///
    /// Everything acknowledged is read from the disk again, and what is
    /// missing is reported; the failed append is cut off.
    ///
    /// # Errors
    /// What the disk reports: the log stays closed.
    pub fn reopen_log(&self) -> io::Result<Recovery> {
        self.appender().reopen()
    }

    fn appender(&self) -> MutexGuard<'_, Appender> {
        self.appender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.behind.settle_for(self.index.backend(), CLOSE_WAIT);
    }
}

impl Storage for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.behind.get(key) {
            Some(written) => Ok(written),
            None => Ok(self.index.backend().get(key)?),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, StorageError> {
        Ok(self.behind.scan(self.index.backend().as_ref(), prefix, after, limit)?)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        Ok(self.behind.commit(self.index.backend(), batch)?)
    }

    fn frame(&self, lsn: Lsn) -> Result<Frame, StorageError> {
        self.reader.frame(lsn)
    }

    fn has_chunk(&self, id: ChunkId) -> bool {
        self.chunks.has(id)
    }

    fn chunk(&self, id: ChunkId) -> Result<Vec<u8>, StorageError> {
        self.chunks.read(id)
    }
}

impl Layout {
    /// Makes the folders of a home and empties the one for unfinished files.
    fn prepare(home: &Path, disk: &dyn Disk) -> io::Result<Self> {
        let layout = Self {
            log: home.join("log"),
            packs: home.join("packs"),
            scratch: home.join("tmp"),
            quarantine: home.join("quarantine"),
        };
        for folder in [&layout.log, &layout.packs, &layout.scratch, &layout.quarantine] {
            if !folder.is_dir() {
                disk.create_folder(folder)?;
            }
        }
        disk.sync_folder(home)?;
        // The folder above may not be ours to open.
        if let Some(parent) = home.parent().filter(|parent| parent.is_dir())
            && let Err(error) = disk.sync_folder(parent)
        {
            tracing::debug!(%error, "the folder above the home cannot be synced");
        }
        for entry in std::fs::read_dir(&layout.scratch)? {
            disk::discard(disk, &entry?.path());
        }
        Ok(layout)
    }
}

/// Reads the `FORMAT` file; `None` where there is none that can be understood.
fn read_format(home: &Path) -> Result<Option<Format>, OpenError> {
    match Format::read(home) {
        Ok(format) => Ok(Some(format)),
        Err(FormatError::Missing | FormatError::Damaged) => Ok(None),
        Err(FormatError::Newer { found }) => Err(OpenError::Newer { found }),
        Err(FormatError::Io(source)) => {
            Err(OpenError::Io { path: home.join(crate::format::NAME), source })
        }
    }
}

fn is_used(layout: &Layout) -> bool {
    let filled =
        |folder: &Path| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    filled(&layout.log) || filled(&layout.packs)
}

/// Writes the `FORMAT` file where it is missing or names another index.
fn settle_format(
    home: &Path,
    found: Option<Format>,
    layout: &Layout,
    options: &StoreOptions,
) -> io::Result<Format> {
    let name = options.index.name();
    let file = home.join(crate::format::NAME);
    let format = match found {
        Some(format) if format.index == name => return Ok(format),
        Some(format) => {
            set_aside(home)?;
            Format { index: name.to_owned(), ..format }
        }
        None => {
            if file.exists() {
                options.disk.rename(&file, &layout.quarantine.join("FORMAT.damaged"))?;
            }
            let mut generation = [0; 16];
            getrandom::fill(&mut generation).map_err(io::Error::other)?;
            Format::new(name, generation)
        }
    };
    format.write(options.disk.as_ref(), home, &layout.scratch)?;
    Ok(format)
}

#[cfg(test)]
mod tests;
