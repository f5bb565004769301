//! The mark of a home whose account is still to come.
//!
//! It is durable before the device's key is, and is removed when the log holds
//! the account. A key without a log and without the mark is what is left of an
//! account; one with it belongs to a founding, a join or a restore that was cut
//! off, and is used by the next one.

use crate::disk::{self, Disk, FileSystem};
use crate::{keyfile, regular};
use std::io;
use std::path::Path;

/// The file's name below the home.
pub const NAME: &str = "unfinished";

/// Notes what is to come.
///
/// # Errors
/// What the disk reports.
pub fn note(home: &Path, what: &str) -> io::Result<()> {
    if found(home).as_deref() == Some(what) {
        return Ok(());
    }
    let scratch = home.join("tmp");
    FileSystem.create_folder(&scratch)?;
    disk::replace(&FileSystem, &scratch, &home.join(NAME), format!("{what}\n").as_bytes())
}

/// Returns what was to come, if anything was; nothing certain of a damaged note.
#[must_use]
pub fn found(home: &Path) -> Option<String> {
    match regular::read(&home.join(NAME)) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(String::new()),
    }
}

/// Removes the mark; one that stays is removed by the next start.
pub fn clear(home: &Path) {
    disk::discard(&FileSystem, &home.join(NAME));
}

/// Removes the mark with the key that it was for, and the home where that is all.
pub fn take_back(home: &Path) {
    for file in [keyfile::NAME, NAME] {
        disk::discard(&FileSystem, &home.join(file));
    }
    for folder in [&home.join("tmp"), home] {
        if let Err(error) = std::fs::remove_dir(folder) {
            tracing::debug!(%error, "the folder stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_is_known_until_it_has_come() {
        let above = tempfile::tempdir().unwrap();
        let home = above.path().join("home");
        assert_eq!(found(&home), None);
        note(&home, "admission").unwrap();
        assert_eq!(found(&home).as_deref(), Some("admission"));
        clear(&home);
        assert_eq!(found(&home), None);
    }

    #[test]
    fn what_came_to_nothing_leaves_only_what_was_there_before() {
        let above = tempfile::tempdir().unwrap();
        let home = above.path().join("home");
        note(&home, "admission").unwrap();
        keyfile::write(&home, &[7; 32]).unwrap();
        take_back(&home);
        assert!(!home.exists());
        note(&home, "admission").unwrap();
        std::fs::write(home.join("port"), "1").unwrap();
        take_back(&home);
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 1);
    }
}
