//! Opening and making data folders.

use crate::failure;
use crate::{home, randomness};
use heirloom_base::limits;
use heirloom_core::command::Failure;
use heirloom_core::storage::Frame;
use heirloom_core::{Ground, Place, founding};
use heirloom_store::keyfile::{self, KeyError};
use heirloom_store::{
    AppendError, AppendRequest, Disk as _, FileSystem, LockError, OpenError, Store, StoreOptions,
};
use std::io;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Returns whether the data folder holds an account, or what is left of one:
/// a log that was begun, stored chunks, or a device's key and an index.
#[must_use]
pub fn has_account(home: &Path) -> bool {
    // A founding that was cut off leaves at most a key and empty folders.
    let is_left = home.join(keyfile::NAME).exists() && home.join("index").exists();
    is_logged(home) || is_filled(&home.join("packs")) || is_left
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

/// Opens the store of an existing account, and reads the device's seed.
///
/// # Errors
/// When there is no account, somebody holds the folder, or it cannot be used.
pub(crate) fn open(home: &Path, wait: Duration) -> Result<(Store, Zeroizing<[u8; 32]>), Failure> {
    if !has_account(home) {
        return Err(failure::no_account(home));
    }
    // First: what the store puts in order must not hide a key that lies under
    // another name.
    let seed = keyfile::read(home).map(Zeroizing::new).map_err(|error| key(home, &error))?;
    let store = open_store(home, wait)?;
    Ok((store, seed))
}

/// Refuses a folder that holds an account.
///
/// # Errors
/// When it does.
pub(crate) fn refuse_existing(home: &Path) -> Result<(), Failure> {
    if has_account(home) { Err(failure::account_exists(home)) } else { Ok(()) }
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

/// Makes a data folder with a device's key and its first frames.
///
/// # Errors
/// When it holds an account meanwhile, or cannot be written.
pub(crate) fn make(
    home: &Path,
    seed: &Zeroizing<[u8; 32]>,
    frames: Vec<Frame>,
) -> Result<Store, Failure> {
    let store = open_store(home, Duration::ZERO)?;
    // Opening made an index; only a log says that somebody was faster.
    if is_logged(home) {
        return Err(failure::account_exists(home));
    }
    if let Err(failure) = begin(&store, home, seed, frames) {
        drop(store);
        forget(home);
        return Err(failure);
    }
    Ok(store)
}

/// Writes a device's key and its first frames.
fn begin(
    store: &Store,
    home: &Path,
    seed: &Zeroizing<[u8; 32]>,
    mut frames: Vec<Frame>,
) -> Result<(), Failure> {
    match keyfile::read(home) {
        Ok(found) if *Zeroizing::new(found) == **seed => {}
        _ => keyfile::write(home, seed).map_err(|error| key(home, &error))?,
    }
    frames.extend(place(home).map(founding::placed));
    let written = store.append(AppendRequest { chunks: Vec::new(), frames });
    written.map(|_| ()).map_err(|error| match error {
        AppendError::Full => failure::full(home),
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

fn open_store(home: &Path, wait: Duration) -> Result<Store, Failure> {
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
        KeyError::Missing { .. } | KeyError::Damaged { .. } => {
            failure::damaged(failure::causes(error))
        }
        KeyError::Exposed { .. } | KeyError::Exists { .. } => {
            failure::unusable(home, &failure::causes(error))
        }
        KeyError::Io { source, .. } => unusable(home, source, &failure::causes(error)),
    }
}

fn unusable(home: &Path, source: &io::Error, causes: &str) -> Failure {
    let is_full =
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if is_full { failure::full(home) } else { failure::unusable(home, &causes) }
}
