//! The index in sled: one tree, its keys told apart by their first byte.
//!
//! `r KEY` is a row: `0 VALUE`, or `1 PARTS LENGTH` when the value is too long
//! for sled, which puts long values into files that it never syncs; its parts
//! are at `p KEY-LENGTH KEY NUMBER`. A batch that is too large for sled's
//! memory is first written to a journal, `j NUMBER`; `m` marks the journal as
//! complete, and only then it is carried out. Opening the index carries out a
//! complete journal and drops an incomplete one, so that such a batch happens
//! as a whole or not at all. `f` holds the version of this layout.
//!
//! sled panics on some kinds of damage. Every call is guarded, and after the
//! first failure the index answers nothing any more.

use super::{Backend, IndexError, IndexState, Settings};
use heirloom_base::limits::{INDEX_BATCH_MAX, INDEX_VALUE_BYTES_MAX};
use heirloom_core::storage::{Batch, Rows};
use rows::{Row, Write};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tables::Tables;

mod patience;
mod rows;
mod tables;

const VERSION: &[u8] = &[2];

/// Wait for the threads of an instance that was dropped, and the pause between two looks.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// Bytes of one sled batch; more make its memory grow.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug)]
struct SledIndex {
    db: sled::Db,
    /// sled's flush does not reach the disk on Linux; syncing this does.
    file: File,
    /// The parts of each value that is kept in parts.
    parts: Mutex<BTreeMap<Vec<u8>, u32>>,
    tables: Tables,
    failure: OnceLock<String>,
    folder: PathBuf,
}

/// The folders whose disk refused something in this run.
///
/// An instance whose write failed does not always end: its threads wait for a
/// flush that never comes, with a lock that all instances of a process share.
/// Another one would wait for them.
static REFUSED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// What may go wrong inside a guarded call.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{}", told(.0))]
    Sled(#[from] sled::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Layout(&'static str),
}

/// Returns an error of the engine in words: what it says of damage is for its
/// makers.
fn told(error: &sled::Error) -> String {
    let sled::Error::Corruption { at, .. } = error else { return error.to_string() };
    let at: String = format!("{at:?}").chars().filter(char::is_ascii_digit).collect();
    match at.is_empty() {
        true => "the file of the index is damaged".to_owned(),
        false => format!("the file of the index is damaged at byte {at}"),
    }
}

/// Returns the text of a panic of the engine without the error that it shows in
/// the form for its makers.
fn in_short(panic: &str) -> &str {
    match panic.contains("Corruption {") {
        true => "the file of the index is damaged",
        false => panic,
    }
}

/// Opens or makes the index in a folder.
pub(super) fn open(
    folder: &Path,
    settings: Settings,
) -> Result<(Arc<dyn Backend>, IndexState), IndexError> {
    if REFUSED.lock().unwrap_or_else(PoisonError::into_inner).contains(folder) {
        return Err(IndexError("the disk refused a write before".to_owned()));
    }
    let opened = guard(folder, is_full, || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        refuse_irregular(folder)?;
        let db = open_db(folder, settings)?;
        close_to_others(folder)?;
        let state = check_version(&db)?;
        let file = File::open(folder.join("db"))?;
        let (parts, failure, folder) = (Mutex::default(), OnceLock::new(), folder.to_owned());
        let index = SledIndex { db, file, parts, tables: Tables::default(), failure, folder };
        index.finish_journal()?;
        let parts = Mutex::new(index.find_parts()?);
        Ok((SledIndex { parts, ..index }, state))
    });
    opened.map(|(index, state)| (Arc::new(index) as Arc<dyn Backend>, state)).map_err(IndexError)
}

/// Refuses a folder with something that is neither a file nor a folder: sled
/// would wait for it.
fn refuse_irregular(folder: &Path) -> Result<(), Trouble> {
    for entry in std::fs::read_dir(folder)? {
        let kind = entry?.file_type()?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(Trouble::Layout("something in the folder is no file"));
        }
    }
    Ok(())
}

/// Takes the rights of others away from a folder that sled filled, and from
/// what is in it. What it makes there later nobody else can reach.
fn close_to_others(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            close_to_others(&entry.path())?;
        } else {
            std::fs::set_permissions(entry.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Opens sled itself, waiting for the threads of an instance that was dropped just now.
///
/// They keep sled's own lock for a moment. The home's lock is ours, so that
/// nobody else can hold it, and a lock that is held is no damage.
fn open_db(folder: &Path, settings: Settings) -> Result<sled::Db, sled::Error> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(settings.cache_bytes)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(Some(settings.flush_every_ms));
    let start = Instant::now();
    loop {
        match patience::lent(|| open_with_threads(&config)) {
            Err(sled::Error::Io(error))
                if error.to_string().starts_with("could not acquire lock")
                    && start.elapsed() < LOCK_WAIT =>
            {
                std::thread::sleep(LOCK_RETRY);
            }
            opened => return opened,
        }
    }
}

/// Opens sled with all the threads that it begins: those of its pool begin with
/// the first work that they are given.
fn open_with_threads(config: &sled::Config) -> Result<sled::Db, sled::Error> {
    let db = config.open()?;
    drop(db.flush_async());
    Ok(db)
}

fn check_version(db: &sled::Db) -> Result<IndexState, Trouble> {
    match db.get(rows::FORMAT)? {
        Some(version) if version == VERSION => Ok(IndexState::Opened),
        Some(_) => Err(Trouble::Layout("the index has another layout")),
        None if db.is_empty() => {
            db.insert(rows::FORMAT, VERSION)?;
            Ok(IndexState::New)
        }
        None => Err(Trouble::Layout("the index has no layout version")),
    }
}

impl SledIndex {
    /// Runs a call of the engine; after the first that fails, none is run.
    fn guarded<T>(&self, call: impl FnOnce() -> Result<T, Trouble>) -> Result<T, IndexError> {
        self.guarded_as(is_full, call)
    }

    /// As [`Self::guarded`], of a call that writes.
    fn guarded_as<T>(
        &self,
        refuses: fn(&Trouble) -> bool,
        call: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, IndexError> {
        if let Some(failure) = self.failure.get() {
            return Err(IndexError(failure.clone()));
        }
        guard(&self.folder, refuses, call)
            .map_err(|failure| IndexError(self.failure.get_or_init(|| failure).clone()))
    }

    /// Returns whether nothing begins with the first byte of a key.
    fn is_table_empty(&self, key: &[u8]) -> Result<bool, Trouble> {
        self.tables.is_empty(key, |table| {
            let first = self.db.scan_prefix(rows::row_key(&[table])).next();
            first.transpose().map(|row| row.is_none()).map_err(Trouble::from)
        })
    }

    /// Returns the value of a row that was read; nothing where it is gone by now.
    fn value(&self, key: &[u8], row: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        match Row::parse(row).ok_or(Trouble::Layout("a row is damaged"))? {
            Row::Whole(value) => Ok(Some(value.to_vec())),
            Row::InParts { .. } => self.value_in_parts(key),
        }
    }

    /// Reads a value and its parts together, while nobody writes.
    fn value_in_parts(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let _writes_wait = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(row) = self.db.get(rows::row_key(key))? else { return Ok(None) };
        let (parts, length) = match Row::parse(&row).ok_or(Trouble::Layout("a row is damaged"))? {
            Row::Whole(value) => return Ok(Some(value.to_vec())),
            Row::InParts { parts, length } => (parts, length),
        };
        let mut value = Vec::new();
        for number in 0..parts {
            let part = self.db.get(rows::part_key(key, number))?;
            value.extend_from_slice(&part.ok_or(Trouble::Layout("a part is missing"))?);
        }
        if value.len() != length as usize {
            return Err(Trouble::Layout("a part has the wrong length"));
        }
        Ok(Some(value))
    }

    fn find_parts(&self) -> Result<BTreeMap<Vec<u8>, u32>, Trouble> {
        let mut found: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        for key in self.db.scan_prefix([rows::PART]).keys() {
            let (key, number) =
                rows::parse_part_key(&key?).ok_or(Trouble::Layout("a part has no name"))?;
            let parts = found.entry(key).or_default();
            *parts = (*parts).max(number + 1);
        }
        Ok(found)
    }

    /// Carries out a journal that is complete, and drops one that is not.
    fn finish_journal(&self) -> Result<(), Trouble> {
        let complete = self.db.contains_key(rows::MARK)?;
        let mut group = Group::default();
        for item in self.db.scan_prefix([rows::JOURNAL]) {
            let (key, value) = item?;
            if complete {
                let write =
                    rows::parse_journal(&value).ok_or(Trouble::Layout("a journal is damaged"))?;
                group.add(&self.db, write)?;
            }
            group.add(&self.db, (key.to_vec(), None))?;
        }
        group.apply(&self.db)?;
        self.db.remove(rows::MARK)?;
        Ok(())
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), Trouble> {
        let bytes: usize = writes.iter().map(rows::write_bytes).sum();
        let mut group = Group::default();
        if writes.len() <= INDEX_BATCH_MAX && bytes <= BATCH_BYTES_MAX {
            for write in writes {
                group.add(&self.db, write)?;
            }
            return group.apply(&self.db);
        }
        for (number, write) in (0_u32..).zip(&writes) {
            group.add(&self.db, rows::journal(number, write))?;
        }
        group.apply(&self.db)?;
        self.db.insert(rows::MARK, &[])?;
        self.finish_journal()
    }
}

/// Writes that are gathered into batches of a bounded size.
#[derive(Debug, Default)]
struct Group {
    batch: sled::Batch,
    writes: usize,
    bytes: usize,
}

impl Group {
    /// Adds a write, applying those before it when the batch is full.
    ///
    /// A journal's row is removed in the same batch as what it says or in a
    /// later one, never in an earlier one: carrying it out twice does no harm.
    fn add(&mut self, db: &sled::Db, write: Write) -> Result<(), Trouble> {
        let bytes = rows::write_bytes(&write);
        if self.writes >= INDEX_BATCH_MAX || self.bytes + bytes > BATCH_BYTES_MAX {
            std::mem::take(self).apply(db)?;
        }
        self.writes += 1;
        self.bytes += bytes;
        match write {
            (key, Some(value)) => self.batch.insert(key, value),
            (key, None) => self.batch.remove(key),
        }
        Ok(())
    }

    fn apply(self, db: &sled::Db) -> Result<(), Trouble> {
        if self.writes > 0 {
            db.apply_batch(self.batch)?;
        }
        Ok(())
    }
}

impl Backend for SledIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.guarded(|| {
            if self.is_table_empty(key)? {
                return Ok(None);
            }
            let row = self.db.get(rows::row_key(key))?;
            row.map_or(Ok(None), |row| self.value(key, &row))
        })
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Rows, IndexError> {
        self.guarded(|| {
            if self.is_table_empty(prefix)? {
                return Ok(Vec::new());
            }
            let first = rows::row_key(prefix);
            let start = match after.map(rows::row_key) {
                Some(after) if after >= first => Bound::Excluded(after),
                Some(_) | None => Bound::Included(first.clone()),
            };
            let mut found = Vec::new();
            for item in self.db.range((start, Bound::Unbounded)) {
                let (key, row) = item?;
                if found.len() >= limit || !key.starts_with(&first) {
                    break;
                }
                let key = key[1..].to_vec();
                found.extend(self.value(&key, &row)?.map(|value| (key, value)));
            }
            Ok(found)
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), IndexError> {
        let mut writes = Vec::new();
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch.writes {
            self.tables.written(&key);
            rows::lay_out(key, value, INDEX_VALUE_BYTES_MAX, &mut parts, &mut writes);
        }
        self.guarded_as(is_refusal, || self.apply(writes))
    }

    fn sync(&self) -> Result<(), IndexError> {
        self.guarded_as(is_refusal, || {
            self.db.flush()?;
            Ok(self.file.sync_data()?)
        })
    }

    fn is_in_place(&self) -> bool {
        let inode = |metadata: std::fs::Metadata| metadata.ino();
        let opened = self.file.metadata().map(inode).ok();
        opened.is_some() && opened == std::fs::metadata(self.folder.join("db")).map(inode).ok()
    }

    fn give_up(&self) {
        refuse(&self.folder);
        self.failure.get_or_init(|| "the disk does not answer".to_owned());
    }
}

fn guard<T>(
    folder: &Path,
    refuses: fn(&Trouble) -> bool,
    call: impl FnOnce() -> Result<T, Trouble>,
) -> Result<T, String> {
    let _expected = Expected::here();
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|trouble| {
            if refuses(&trouble) {
                refuse(folder);
            }
            trouble.to_string()
        }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("the engine panicked: {}", in_short(text.unwrap_or("without a word"))))
        }
    }
}

thread_local! {
    /// Whether a panic of this thread is one of the engine, and is caught.
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Tells [`quiet_panics`] that this thread calls the engine, until it is dropped.
struct Expected {
    before: bool,
}

impl Expected {
    fn here() -> Self {
        Self { before: IS_EXPECTED.replace(true) }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        IS_EXPECTED.set(self.before);
    }
}

/// Tells [`quiet_panics`] that this thread only ends the engine.
pub(super) fn expect_panics() {
    IS_EXPECTED.set(true);
}

/// Makes one line in the log of a panic of the index, in place of a backtrace:
/// it is caught, and the index is made again. To be called once, by a program.
pub fn quiet_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        let is_engines = name.starts_with("sled") || name == "log flusher";
        if IS_EXPECTED.get() || is_engines {
            let place = panic.location().map(ToString::to_string);
            tracing::warn!(thread = name, place, "the engine of the index panicked");
        } else {
            usual(panic);
        }
    }));
}

/// Lets no other instance be made of a folder in this run.
fn refuse(folder: &Path) {
    let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    refused.insert(folder.to_owned());
}

/// Returns whether the disk took nothing, because it is full or for good.
fn is_full(trouble: &Trouble) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let kinds = [QuotaExceeded, ReadOnlyFilesystem, StorageFull];
    // sled passes some errors on as texts.
    io_error(trouble).is_some_and(|error| {
        kinds.contains(&error.kind()) || error.to_string().contains("StorageFull")
    })
}

/// Returns whether the disk took no write, whatever the reason: the folder may
/// be gone.
fn is_refusal(trouble: &Trouble) -> bool {
    io_error(trouble).is_some()
}

fn io_error(trouble: &Trouble) -> Option<&io::Error> {
    match trouble {
        Trouble::Sled(sled::Error::Io(error)) | Trouble::File(error) => Some(error),
        Trouble::Sled(_) | Trouble::Layout(_) => None,
    }
}

#[cfg(test)]
mod tests;
