//! Opening and making data folders.

use crate::{failure, obstacles};
use crate::{home, randomness};
use heirloom_base::limits;
use heirloom_core::command::Failure;
use heirloom_core::failure::{exit, says_full};
use heirloom_core::storage::Frame;
use heirloom_core::{Ground, Place, founding};
use heirloom_store::keyfile::{self, KeyError};
use heirloom_store::unfinished;
use heirloom_store::{
    AppendError, AppendRequest, Disk as _, FileSystem, LockError, OpenError, Store, StoreOptions,
};
use std::io;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// What a data folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Empty,
    /// What was begun and cut off before the log held the account.
    Begun(Beginning),
    /// An account, or a part of one that is worth opening.
    Held,
    /// Of an account the device's key alone.
    Lost,
}

/// How an account comes into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// It is made there.
    Founding,
    /// Another device lets this one in: its key may be in the account already.
    Admission,
}

impl Beginning {
    fn name(self) -> &'static str {
        match self {
            Self::Founding => "founding",
            Self::Admission => "admission",
        }
    }
}

fn standing(home: &Path) -> Standing {
    if is_logged(home) || is_filled(&home.join("packs")) {
        return Standing::Held;
    }
    if home.join(keyfile::NAME).symlink_metadata().is_err() {
        return Standing::Empty;
    }
    match unfinished::found(home) {
        Some(text) if text == Beginning::Founding.name() => Standing::Begun(Beginning::Founding),
        Some(_) => Standing::Begun(Beginning::Admission),
        // An index without its log still shows the records.
        None if home.join("index").exists() => Standing::Held,
        None => Standing::Lost,
    }
}

/// Returns whether the data folder holds an account, or what is left of one:
/// a log that was begun, stored chunks, or a device's key.
#[must_use]
pub fn has_account(home: &Path) -> bool {
    match standing(home) {
        Standing::Held | Standing::Lost => true,
        Standing::Empty | Standing::Begun(_) => false,
    }
}

fn is_logged(home: &Path) -> bool {
    is_filled(&home.join("log"))
}

fn is_filled(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        // A folder that cannot be looked into is there.
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

/// Returns why a folder cannot be used that has no log: what was to come into it
/// was cut off, or of its account the key alone is left.
#[must_use]
pub fn plight(home: &Path) -> Option<Failure> {
    match standing(home) {
        Standing::Begun(_) => Some(failure::cut_off(home)),
        Standing::Lost => Some(failure::all_lost(home)),
        Standing::Empty | Standing::Held => None,
    }
}

/// Opens the store of an existing account, and reads the device's seed.
///
/// # Errors
/// When there is no account, somebody holds the folder, or it cannot be used.
pub(crate) fn open(home: &Path, wait: Duration) -> Result<(Store, Zeroizing<[u8; 32]>), Failure> {
    match standing(home) {
        Standing::Held => {}
        Standing::Empty => return Err(failure::no_account(home)),
        Standing::Begun(_) => return Err(failure::cut_off(home)),
        Standing::Lost => return Err(failure::all_lost(home)),
    }
    // First: what the store puts in order must not hide a key that lies under
    // another name.
    let seed = keyfile::read(home).map(Zeroizing::new).map_err(|error| key(home, &error))?;
    let store = open_store(home, wait)?;
    if is_logged(home) {
        unfinished::clear(home);
    }
    Ok((store, seed))
}

/// Refuses a folder into which no account can be restored.
///
/// # Errors
/// When it holds one, or what is left of one.
pub fn refuse_occupied(home: &Path) -> Result<(), Failure> {
    refuse_existing(home, Beginning::Admission)
}

/// Refuses a folder that holds an account, or a key that may be in one already
/// where another would be made.
///
/// # Errors
/// When it does.
pub(crate) fn refuse_existing(home: &Path, beginning: Beginning) -> Result<(), Failure> {
    if let Some(failure) = obstacles::barred(home) {
        return Err(failure);
    }
    match (standing(home), beginning) {
        (Standing::Held, _) => Err(failure::account_exists(home)),
        (Standing::Lost, _) => Err(failure::all_lost(home)),
        (Standing::Begun(Beginning::Admission), Beginning::Founding) => Err(failure::cut_off(home)),
        (Standing::Empty | Standing::Begun(_), _) => Ok(()),
    }
}

/// Makes a device's key durable before anybody lets it in: another try then
/// comes with the same one. Returns whether it was not there before.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn keep(
    home: &Path,
    seed: &Zeroizing<[u8; 32]>,
    beginning: Beginning,
) -> Result<bool, Failure> {
    let noted = unfinished::note(home, beginning.name());
    noted.map_err(|error| unusable(home, &error, &error.to_string()))?;
    match keyfile::read(home) {
        Ok(found) if *Zeroizing::new(found) == **seed => Ok(false),
        _ => keyfile::write(home, seed).map(|()| true).map_err(|error| key(home, &error)),
    }
}

/// Takes back [`keep`]: nobody has let this device in.
pub(crate) fn unkeep(home: &Path) {
    unfinished::take_back(home);
}

/// Refuses a folder on a disk on which an account cannot begin, before anybody
/// is asked to let this device in.
///
/// # Errors
/// When there is too little room.
pub(crate) fn check_room(home: &Path) -> Result<(), Failure> {
    let Some(existing) = home.ancestors().find(|folder| folder.is_dir()) else { return Ok(()) };
    match FileSystem.available(existing) {
        Ok(free) if free < ROOM_BYTES => Err(failure::no_room(home, free, ROOM_BYTES)),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::debug!(%error, "it cannot be told how much room there is");
            Ok(())
        }
    }
}

/// What an account begins with: a segment of the log, the reserve, and as much
/// again for the index.
const ROOM_BYTES: u64 = (limits::SEGMENT_BYTES + 2 * limits::DISK_RESERVE_BYTES) as u64;

/// Returns the seed of the device that this folder will belong to: a new
/// one, unless an earlier attempt ended after the key was made.
///
/// # Errors
/// When a key is there that cannot be read, or there are no random bytes.
pub(crate) fn seed(home: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    match keyfile::read(home) {
        Ok(seed) => Ok(Zeroizing::new(seed)),
        Err(KeyError::Missing { .. }) => randomness::bytes(),
        Err(
            error @ (KeyError::Damaged { .. }
            | KeyError::Newer { .. }
            | KeyError::Exposed { .. }
            | KeyError::Exists { .. }
            | KeyError::Io { .. }),
        ) => Err(key(home, &error)),
    }
}

/// Makes a data folder for a device's key, with its first frames.
///
/// # Errors
/// When it holds an account meanwhile, or cannot be written.
pub(crate) fn make(
    home: &Path,
    seed: &Zeroizing<[u8; 32]>,
    beginning: Beginning,
    frames: Vec<Frame>,
) -> Result<Store, Failure> {
    keep(home, seed, beginning)?;
    let store = open_store(home, Duration::ZERO)?;
    // Opening made an index; only a log says that somebody was faster.
    if is_logged(home) {
        return Err(failure::account_exists(home));
    }
    if let Err(failure) = begin(&store, home, frames) {
        drop(store);
        forget(home);
        return Err(failure);
    }
    unfinished::clear(home);
    Ok(store)
}

/// Writes the first frames.
fn begin(store: &Store, home: &Path, mut frames: Vec<Frame>) -> Result<(), Failure> {
    frames.extend(place(home).map(founding::placed));
    let written = store.append(AppendRequest { chunks: Vec::new(), frames });
    written.map(|_| ()).map_err(|error| match error {
        AppendError::Full => failure::full(home),
        AppendError::Closed { reason } | AppendError::Chunk { reason } if says_full(&reason) => {
            failure::full(home)
        }
        AppendError::FrameTooLong { .. }
        | AppendError::WrongChunk { .. }
        | AppendError::Chunk { .. }
        | AppendError::Closed { .. } => failure::unusable(home, &error),
    })
}

/// Removes what the founding of an account left that the disk refused: nobody
/// was shown its phrase. A key stays and is used the next time.
pub(crate) fn forget(home: &Path) {
    for folder in ["index", "log"] {
        if let Err(error) = std::fs::remove_dir_all(home.join(folder)) {
            tracing::warn!(%error, folder, "what was begun cannot be removed");
        }
    }
}

/// Returns where the folder lies; `None` where that cannot be told.
pub(crate) fn place(home: &Path) -> Option<Place> {
    match keyfile::place(home) {
        Ok(place) => Some(Place(place)),
        Err(error) => {
            tracing::warn!(%error, "it cannot be told whether this folder was copied");
            None
        }
    }
}

/// Returns the files of the log; none where they cannot be told.
pub(crate) fn grounds(store: &Store) -> Vec<Ground> {
    match store.segments() {
        Ok(segments) => {
            let ground = |(segment, mark)| Ground { segment, mark };
            segments.into_iter().map(ground).collect()
        }
        Err(error) => {
            tracing::warn!(%error, "it cannot be told whether this log was put back");
            Vec::new()
        }
    }
}

/// Returns the name of this device, the user's or the machine's.
pub(crate) fn device_name(given: Option<&str>) -> String {
    given.map_or_else(home::machine_name, str::to_owned)
}

pub(crate) fn open_store(home: &Path, wait: Duration) -> Result<Store, Failure> {
    let options = StoreOptions { lock_wait: wait, ..StoreOptions::default() };
    Store::open(home, &options).map_err(|error| refusal(home, &error))
}

fn refusal(home: &Path, error: &OpenError) -> Failure {
    match error {
        OpenError::Lock(LockError::Held { pid }) => failure::held(home, *pid),
        OpenError::Newer { .. } => failure::newer(failure::causes(error)),
        OpenError::Lock(LockError::Io { source, .. }) | OpenError::Io { source, .. } => {
            unusable(home, source, &failure::causes(error))
        }
    }
}

fn key(home: &Path, error: &KeyError) -> Failure {
    match error {
        KeyError::Newer { .. } => failure::newer(failure::causes(error)),
        KeyError::Missing { path } | KeyError::Damaged { path } => {
            match obstacles::in_place_of_key(home) {
                Some(kind) => failure::no_key_file(exit::DAMAGED, path, &kind),
                None => failure::key_lost(&failure::causes(error)),
            }
        }
        KeyError::Exposed { path, .. } => match obstacles::in_place_of_key(home) {
            Some(kind) => failure::no_key_file(exit::FAILED, path, &kind),
            None => failure::key_is_open(&failure::causes(error), path),
        },
        KeyError::Exists { .. } => failure::unusable(home, &failure::causes(error)),
        KeyError::Io { source, .. } => unusable(home, source, &failure::causes(error)),
    }
}

fn unusable(home: &Path, source: &io::Error, causes: &str) -> Failure {
    let is_full =
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
        return failure::read_only(home);
    }
    if is_full {
        return failure::full(home);
    }
    let is_forbidden = source.kind() == io::ErrorKind::PermissionDenied;
    let of_another = is_forbidden.then(|| obstacles::of_another(home)).flatten();
    let found = of_another.or_else(|| obstacles::in_the_way(home));
    found.unwrap_or_else(|| failure::unusable(home, &causes))
}
