//! What the log and the index have lost, found out before the node is opened.
//!
//! Where the log may have lost something of this device's own, what it writes
//! goes into a new log, and that is durable before anything else is done: the
//! next start may see no trace of the loss any more.

use super::{Continuation, OpenEngineError, Reach, account_of};
use crate::randomness;
use heirloom_base::DeviceId;
use heirloom_core::storage::StorageError;
use heirloom_core::{Belonging, DamageMark, Fit, Node, Provenance, founding};
use heirloom_store::{AppendRequest, Store};

/// What an index is good for, beside the log that it was found with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was made from this log.
    Usable,
    /// As far as can be seen: frames that it knows are gone.
    Gaps,
    /// It knows nothing yet.
    New,
    /// It knows more than the log, which has lost its end.
    Ahead,
    /// It was made from another log.
    Foreign,
    /// It cannot be read.
    Broken,
}

impl Standing {
    /// Returns whether the index, if it is of this device, tells that something
    /// else lies in the log than it was made from.
    pub(super) fn doubts_the_log(self) -> bool {
        match self {
            Self::Foreign | Self::Ahead | Self::Gaps => true,
            Self::Usable | Self::New | Self::Broken => false,
        }
    }

    /// Returns whether the log alone says whose the folder is.
    pub(super) fn asks_the_log(self) -> bool {
        match self {
            Self::New | Self::Foreign | Self::Broken => true,
            Self::Usable | Self::Gaps | Self::Ahead => false,
        }
    }
}

/// Refuses a log that is not of this device, or that does not say so and lost
/// nothing; where it has, the others tell a node with a network.
///
/// # Errors
/// When it is refused, or cannot be read.
pub(super) fn check(store: &Store, device: DeviceId, reach: Reach) -> Result<(), OpenEngineError> {
    match belonging(store, device)? {
        None => Err(OpenEngineError::NoAccount),
        Some(belonging) if belonging.names_device => Ok(()),
        Some(_) if reach == Reach::Networked && store.has_lost() => Ok(()),
        Some(_) => Err(OpenEngineError::Expelled),
    }
}

fn belonging(store: &Store, device: DeviceId) -> Result<Option<Belonging>, StorageError> {
    let mut provenance = Provenance::default();
    for item in store.frames(None) {
        provenance.note(item?.1);
    }
    Ok(provenance.conclude(device))
}

/// Compares the index with the log.
///
/// # Errors
/// When the log cannot be read.
pub(super) fn judge(store: &Store, device: DeviceId) -> Result<Standing, OpenEngineError> {
    match compare(store, device) {
        Err(OpenEngineError::Storage(StorageError::Index(cause))) => {
            tracing::warn!(cause, "the index cannot be read");
            Ok(Standing::Broken)
        }
        standing => standing,
    }
}

fn compare(store: &Store, device: DeviceId) -> Result<Standing, OpenEngineError> {
    let (indexed, applied) = (Node::indexed_account(store)?, Node::applied(store)?);
    if indexed.is_none() && applied.is_none() {
        return Ok(Standing::New);
    }
    let is_ahead = applied.is_some_and(|applied| applied >= store.end());
    let is_whole = store.recovery().damaged.is_empty() && !is_ahead;
    match account_of(store) {
        Ok(account) if indexed != Some(account) => return Ok(Standing::Foreign),
        // Its first frames may be what was lost.
        Err(OpenEngineError::NoAccount) if indexed.is_none() || is_whole => {
            return Ok(Standing::Foreign);
        }
        Ok(_) | Err(OpenEngineError::NoAccount) => {}
        Err(error) => return Err(error),
    }
    if Node::is_index_of_another(store, device)? && !is_of_one_life(store)? {
        return Ok(Standing::Foreign);
    }
    Ok(match Node::fit(store)? {
        Fit::Other => Standing::Foreign,
        Fit::Same | Fit::Gaps if is_ahead => Standing::Ahead,
        Fit::Same => Standing::Usable,
        Fit::Gaps if is_whole => Standing::Foreign,
        Fit::Gaps => Standing::Gaps,
    })
}

/// Takes note of what the log has lost: has the index hold no more than the
/// log does, and begins another life of the log where that is not the first
/// time that this loss is seen.
///
/// # Errors
/// When the index or the log cannot be read.
pub(super) fn settle(
    store: &mut Store,
    standing: Standing,
) -> Result<Continuation, OpenEngineError> {
    let recovery = store.recovery();
    let mark = recovery.mark().map(DamageMark);
    // An end that was never acknowledged looks like one whose last frame was hit.
    let cut = recovery.truncated_bytes > 0 || standing == Standing::Ahead;
    let is_known = mark.is_none() || known_damage(store)? == mark;
    let has_lost = match standing {
        Standing::Ahead | Standing::Gaps => true,
        Standing::Usable => !is_known,
        Standing::New | Standing::Foreign | Standing::Broken => false,
    };
    let mut frames = Vec::new();
    if has_lost {
        let last = store.frames(None).filter_map(Result::ok).map(|(lsn, _)| lsn).last();
        frames = Node::forget_lost(store, last.unwrap_or_default())?;
        tracing::warn!(logs = frames.len(), "the log has lost entries: the others are asked");
        frames.extend(Node::account_frames(store)?);
        // What follows in the log would not say again what the index has to forget.
        store.sync_index()?;
    }
    // What no index knows was refused, or its writer was gone before it was durable.
    if cut && standing == Standing::Usable {
        store.excuse_cut_end();
    }
    if is_known && !cut {
        return Ok(Continuation::Same);
    }
    let random = randomness::bytes::<32>().map_err(OpenEngineError::Failure)?;
    if !is_stated(store)? {
        frames.extend(account_of(store).ok().map(founding::stated));
    }
    frames.extend(founding::reborn(*random, mark));
    let request = AppendRequest { chunks: Vec::new(), frames };
    match store.append(request) {
        Ok(_) => Ok(Continuation::Same),
        Err(error) => {
            tracing::warn!(%error, "a loss of the log cannot be noted");
            Ok(Continuation::Fresh)
        }
    }
}

/// Returns whether the life of a log in which the index was made began in the log
/// beside it: then both are of one folder, whosever it is.
fn is_of_one_life(store: &Store) -> Result<bool, StorageError> {
    for item in store.frames(None) {
        if Node::begins_life_of_index(store, &item?.1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a frame states the account: one of the first does.
fn is_stated(store: &Store) -> Result<bool, StorageError> {
    for item in store.frames(None) {
        if Node::account_in(&item?.1).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the damage after which this log's life began.
fn known_damage(store: &Store) -> Result<Option<DamageMark>, StorageError> {
    let mut known = None;
    for item in store.frames(None) {
        known = Node::damage_in(&item?.1).or(known);
    }
    Ok(known)
}
