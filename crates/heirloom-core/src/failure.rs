//! What a user is told when a command fails, with the exit code of the command line.

use crate::command::Failure;
use crate::input::AppendError;
use crate::storage::StorageError;
use heirloom_identity::PhraseError;
use heirloom_schema::CategorySpec;

/// Exit codes that this crate uses; the command line's table names all.
pub mod exit {
    /// Failed.
    pub const FAILED: u8 = 1;
    /// Usage.
    pub const USAGE: u8 = 2;
    /// Nothing was imported.
    pub const NOTHING_IMPORTED: u8 = 3;
    /// The store is damaged beyond self-repair.
    pub const DAMAGED: u8 = 5;
    /// No peer reachable.
    pub const UNREACHABLE: u8 = 69;
    /// Not permitted.
    pub const FORBIDDEN: u8 = 77;
}

fn failure(exit: u8, code: &str, text: String, fix: &str) -> Failure {
    Failure { exit, code: code.to_owned(), text, fix: fix.to_owned() }
}

pub(crate) fn usage(text: String, fix: &str) -> Failure {
    failure(exit::USAGE, "usage", text, fix)
}

pub(crate) fn not_found(spec: &CategorySpec, id: &str) -> Failure {
    let CategorySpec { id: category, open_fields, .. } = spec;
    let (text, fix) = match open_fields {
        true => (
            format!("No record of {category} is called {id:?} or has an id that begins so."),
            format!("See `heirloom {category} list` for their names."),
        ),
        false => (
            format!("No record of {category} has the uid {id:?} or an id that begins so."),
            format!("See `heirloom {category} list` for their ids."),
        ),
    };
    failure(exit::FAILED, "not-found", text, &fix)
}

pub(crate) fn ambiguous(id: &str, count: usize) -> Failure {
    let text = format!("{count} records have an id that begins with {id:?}.");
    failure(exit::FAILED, "ambiguous", text, "Give more of the id.")
}

pub(crate) fn ambiguous_device(device: &str, count: usize) -> Failure {
    let text = format!("{count} devices are called {device:?} or have an id that begins so.");
    failure(exit::FAILED, "ambiguous", text, "Give more of the id; see `heirloom devices list`.")
}

pub(crate) fn no_category(category: &str) -> Failure {
    usage(
        format!("There is no category {category:?}."),
        "See `heirloom --help` for the categories.",
    )
}

/// Returns why a category's records are not added, where their names are given.
#[must_use]
pub fn named(spec: &CategorySpec) -> Option<Failure> {
    let naming = spec.naming?;
    let text =
        format!("`add` makes no {}: you choose its name, and `set` makes it.", spec.singular);
    let fix = format!("Run `heirloom {} set {naming} KEY=VALUE`.", spec.id);
    Some(usage(text, &fix))
}

pub(crate) fn no_device(device: &str) -> Failure {
    let text = format!("No device of this account is called {device:?} or has an id like that.");
    failure(exit::FAILED, "not-found", text, "See `heirloom devices list`.")
}

/// A device that is meant by less of its id than taking it out asks for.
pub(crate) fn short_id(device: &str, digits: usize, id: &str) -> Failure {
    let text = format!(
        "No device of this account is called {device:?}, and of an id at least {digits} digits \
         are needed to take a device out."
    );
    failure(exit::FAILED, "not-found", text, &format!("Say {id} if you mean that device."))
}

pub(crate) fn already_out(device: &str) -> Failure {
    let text = format!("Device {device:?} is out of the account already.");
    failure(exit::FAILED, "already-out", text, "See `heirloom devices list`.")
}

pub(crate) fn still_in(device: &str) -> Failure {
    let text = format!("Device {device:?} is in the account: what it writes counts anyway.");
    failure(exit::FAILED, "still-in", text, "See `heirloom quarantine list`.")
}

pub(crate) fn blind() -> Failure {
    let text = "This device is a blind keeper: it holds no key to read or write records.".into();
    failure(exit::FORBIDDEN, "blind", text, "Use a member device of the account.")
}

pub(crate) fn forbidden(text: &str, fix: &str) -> Failure {
    failure(exit::FORBIDDEN, "not-permitted", text.to_owned(), fix)
}

/// Refuses a choice between two moves of an event that go badly together.
pub(crate) fn ends_early(record: &str) -> Failure {
    let fix = format!("Set both: `heirloom calendar set {record} start=... end=...`.");
    usage("The event would end before it starts; nothing was changed.".to_owned(), &fix)
}

/// Refuses what needs all of a record that is shown and not here yet.
pub(crate) fn still_coming(held: &str) -> Failure {
    let text = format!(
        "This record is shown and not all of it is here yet: {held} are. Nothing was changed."
    );
    failure(exit::FAILED, "still-coming", text, WHEN_HERE)
}

/// Refuses what would tell of all records while some are only shown.
pub(crate) fn all_still_coming(held: &str) -> Failure {
    let text = format!("What is in conflict is not known yet: {held} are here.");
    failure(exit::FAILED, "still-coming", text, WHEN_HERE)
}

const WHEN_HERE: &str = "Try again when `heirloom status` says no more that it is coming.";

pub(crate) fn taken_out() -> Failure {
    let fix = "Bring it back with the phrase: `heirloom recovery reset`, or join with a new folder and \
               an invite from a member device.";
    forbidden("This device was taken out of the account.", fix)
}

pub(crate) fn roster_lost() -> Failure {
    failure(
        exit::DAMAGED,
        "roster-lost",
        "The log has lost a part of what it says of the account and its keys.".to_owned(),
        "Run `heirloom up` where another device of the account is connected: it sends again what \
         is missing.",
    )
}

/// Returns what is wrong with a recovery phrase that is none.
#[must_use]
pub fn bad_phrase(error: &PhraseError) -> Failure {
    let text = format!("{}.", heirloom_base::wording::capitalized(&error.to_string()));
    failure(
        exit::FORBIDDEN,
        "phrase-wrong",
        text,
        "Check the twelve words; nothing was changed here.",
    )
}

pub(crate) fn needs_node() -> Failure {
    let text = "This needs a running node.".to_owned();
    failure(exit::FAILED, "needs-node", text, "Start one with `heirloom up` in another terminal.")
}

pub(crate) fn unreachable_peers() -> Failure {
    let text = "No other device of this account could be reached in time.".to_owned();
    failure(
        exit::UNREACHABLE,
        "unreachable",
        text,
        "Everything is saved here. Check that another device is on and in the same network.",
    )
}

pub(crate) fn in_trash(category: &str, id: &str) -> Failure {
    let text = "This record is in the trash, so it cannot be edited.".to_owned();
    let fix = format!("Bring it back first: `heirloom {category} restore {id}`.");
    failure(exit::FAILED, "in-trash", text, &fix)
}

pub(crate) fn not_born(version: &str, first: &str) -> Failure {
    let text = format!("This record did not exist yet at {version}: it was made at {first}.");
    failure(exit::FAILED, "not-born", text, "Give a later time; `history` shows all changes.")
}

pub(crate) fn deleted_then(version: &str) -> Failure {
    let text = format!("At {version} this record was in the trash.");
    failure(exit::FAILED, "deleted-then", text, "Give a time or a change before its deletion.")
}

pub(crate) fn no_change(version: &str) -> Failure {
    let text = format!("This record has no change that begins with {version:?}.");
    failure(exit::FAILED, "no-change", text, "See `history` for its changes.")
}

pub(crate) fn ambiguous_change(version: &str) -> Failure {
    let text = format!("Several changes of this record begin with {version:?}.");
    failure(exit::FAILED, "ambiguous", text, "Give more of the change.")
}

pub(crate) fn lost_version(version: &str, error: &heirloom_doc::DocError) -> Failure {
    let text = format!("The version {version:?} cannot be read: {error}.");
    failure(exit::FAILED, "lost-version", text, "Nothing was changed. Give another time.")
}

pub(crate) fn lost_chunk() -> Failure {
    let text = "A photo or attachment of that version is not on this device.".to_owned();
    let fix = "Nothing was changed. Run `heirloom sync`, or restore it on another device.";
    failure(exit::FAILED, "not-here", text, fix)
}

pub(crate) fn no_conflict(category: &str) -> Failure {
    let text = "This record has no such conflict.".to_owned();
    let fix = format!("See `heirloom {category} conflicts` for what is in conflict.");
    failure(exit::FAILED, "no-conflict", text, &fix)
}

pub(crate) fn several_conflicts(fields: &[&str]) -> Failure {
    let text = format!("Several fields are in conflict: {}.", fields.join(", "));
    let fix = "Name the field, or keep everything that is shown with `--keep winner`.";
    failure(exit::FAILED, "ambiguous", text, fix)
}

pub(crate) fn no_such_value(keep: &str, category: &str) -> Failure {
    let text = format!("None of the values in conflict is {keep:?} or has that number.");
    let fix = format!(
        "See `heirloom {category} conflicts` for the numbers, or give another value with `set`."
    );
    failure(exit::FAILED, "no-conflict", text, &fix)
}

pub(crate) fn several_values(keep: &str) -> Failure {
    let text = format!("Several of the values in conflict read {keep:?}.");
    failure(exit::FAILED, "ambiguous", text, "Give the number that `conflicts` shows.")
}

/// The code of [`missing_chunk`].
pub(crate) const MISSING_CHUNK: &str = "not-here-yet";

pub(crate) fn missing_chunk() -> Failure {
    let text = "A photo or long text of this record is not on this device: it has not arrived yet, \
                or the disk has lost it.";
    let fix = "Connect a device that holds it (`heirloom sync`), or import its file again.";
    failure(exit::FAILED, MISSING_CHUNK, text.to_owned(), fix)
}

/// The code of a failure of the store; where it is the index, it is made again.
pub const STORE_DAMAGED: &str = "store-damaged";

/// The code of a failure of the index, which is being made again.
pub const INDEX_REBUILT: &str = "index-rebuilt";

/// Returns whether the cause of a failure is that the disk is full. The engine of
/// the index and the log pass some errors on as texts.
#[must_use]
pub fn says_full(cause: &str) -> bool {
    ["No space left", "StorageFull", "quota exceeded", "QuotaExceeded"]
        .iter()
        .any(|sign| cause.contains(sign))
}

pub(crate) fn storage(error: &StorageError) -> Failure {
    let text = format!("The store could not answer: {error}.");
    if says_full(&error.to_string()) {
        let text = "The disk is full: the index cannot be written.".to_owned();
        let fix = "Free some space and give the command again; what was saved before is whole, and \
                   a write may have been saved already.";
        return failure(exit::FAILED, "disk-full", text, fix);
    }
    if matches!(error, StorageError::Index(_)) {
        let fix = "Give the command again: the index is being rebuilt from the log.";
        return failure(exit::FAILED, INDEX_REBUILT, text, fix);
    }
    failure(
        exit::DAMAGED,
        STORE_DAMAGED,
        text,
        "Connect to another device, which sends what is missing again.",
    )
}

pub(crate) fn append(error: &AppendError) -> Failure {
    match error {
        AppendError::Full => {
            let fix = "Free some space and try again. Everything saved before is safe.";
            failure(exit::FAILED, "disk-full", format!("Nothing was saved: {error}."), fix)
        }
        // What a disk does not confirm may stand on it all the same.
        AppendError::Failed(_) => {
            let text = format!("It is not certain whether this was saved: {error}.");
            let fix = "Check the disk, and look whether it is there before you try again. Everything \
                       saved before is safe.";
            failure(exit::FAILED, "disk-failed", text, fix)
        }
    }
}

pub(crate) fn interrupted() -> Failure {
    let text = "Nothing was saved: a write before this one failed.".to_owned();
    failure(exit::FAILED, "disk-failed", text, "Check the disk and try again.")
}
