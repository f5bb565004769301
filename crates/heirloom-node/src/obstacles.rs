//! What keeps a data folder from being used: whose it is, and what stands in the
//! place of its files and folders.

use crate::failure;
use heirloom_core::command::Failure;
use heirloom_store::keyfile;
use std::fs::{self, Metadata};
use std::io::ErrorKind::PermissionDenied;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folders of a data folder.
const FOLDERS: [&str; 4] = ["log", "packs", "tmp", "quarantine"];
/// Its files that are opened before anything else.
const FILES: [&str; 3] = ["LOCK", "FORMAT", "reserve"];

/// Returns why this user may not use a folder: it is another's, or closed.
/// `None` where the folder can be entered.
#[must_use]
pub fn barred(home: &Path) -> Option<Failure> {
    match fs::metadata(home) {
        Err(error) if error.kind() == PermissionDenied => Some(failure::out_of_reach(home)),
        Err(_) => None,
        Ok(folder) => {
            let inside = home.join(keyfile::NAME).symlink_metadata();
            let is_closed = inside.is_err_and(|error| error.kind() == PermissionDenied);
            is_closed.then(|| closed(home, &folder))
        }
    }
}

fn closed(home: &Path, folder: &Metadata) -> Failure {
    foreign(home, folder)
        .unwrap_or_else(|| failure::closed(home, folder.permissions().mode() & 0o777))
}

/// Returns the failure of a folder of another user.
fn foreign(home: &Path, folder: &Metadata) -> Option<Failure> {
    let is_own = folder.uid() == rustix::process::geteuid().as_raw();
    (!is_own).then(|| failure::of_another(home, folder.uid()))
}

/// Returns the failure of a folder in which this user was refused something
/// because it is another's.
pub(crate) fn of_another(home: &Path) -> Option<Failure> {
    barred(home).or_else(|| foreign(home, &fs::metadata(home).ok()?))
}

/// Returns what stands where a folder or a file of a data folder belongs.
pub(crate) fn in_the_way(home: &Path) -> Option<Failure> {
    let folders = FOLDERS.iter().map(|name| home.join(name)).filter(|path| !path.is_dir());
    let files = FILES.iter().map(|name| home.join(name)).chain(segments(home));
    let files = files.filter(|path| !path.is_file());
    let told = |path: PathBuf, wanted| Some(failure::in_the_way(&path, &kind(&path)?, wanted));
    let mut folders = folders.filter_map(|path| told(path, "a folder"));
    folders.next().or_else(|| files.filter_map(|path| told(path, "a file")).next())
}

/// Returns the segments of the log.
fn segments(home: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(home.join("log")).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
}

/// Returns what stands at the place of the device's key, where that is no file.
pub(crate) fn in_place_of_key(home: &Path) -> Option<String> {
    let path = home.join(keyfile::NAME);
    if path.is_file() { None } else { kind(&path) }
}

/// Returns what stands at a path in words; `None` where nothing does.
fn kind(path: &Path) -> Option<String> {
    let itself = path.symlink_metadata().ok()?;
    let link = if itself.is_symlink() { "a link to " } else { "" };
    let kind = match path.metadata() {
        Err(_) => return Some("a link that leads nowhere".to_owned()),
        Ok(metadata) if metadata.is_dir() => "a folder",
        Ok(metadata) if metadata.is_file() => "a file",
        Ok(_) => "a pipe, a socket or a device",
    };
    Some(format!("{link}{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_stands_in_the_way_is_named_with_what_it_is() {
        for (name, wanted) in [("tmp", "a folder"), ("quarantine", "a folder"), ("LOCK", "a file")]
        {
            let home = tempfile::tempdir().unwrap();
            assert_eq!(in_the_way(home.path()), None);
            let path = home.path().join(name);
            symlink("nowhere", &path).unwrap();
            let failure = in_the_way(home.path()).unwrap();
            assert!(failure.text.contains(&path.display().to_string()), "{}", failure.text);
            assert!(failure.text.contains("leads nowhere"), "{}", failure.text);
            assert!(failure.text.contains(wanted), "{}", failure.text);
            assert!(failure.fix.contains("aside"), "{}", failure.fix);
        }
    }

    #[test]
    fn a_folder_among_the_segments_is_named_by_itself() {
        let home = tempfile::tempdir().unwrap();
        let segment = home.path().join("log/00000001.seg");
        fs::create_dir_all(&segment).unwrap();
        let failure = in_the_way(home.path()).unwrap();
        assert!(failure.text.contains("00000001.seg is a folder"), "{}", failure.text);
    }

    #[test]
    fn what_stands_in_place_of_the_key_is_told() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join(keyfile::NAME);
        assert_eq!(in_place_of_key(home.path()), None);
        symlink(home.path(), &key).unwrap();
        assert_eq!(in_place_of_key(home.path()).as_deref(), Some("a link to a folder"));
        fs::remove_file(&key).unwrap();
        fs::write(&key, "x").unwrap();
        assert_eq!(in_place_of_key(home.path()), None);
    }

    #[test]
    fn a_folder_of_ones_own_is_not_barred() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(barred(home.path()), None);
        assert_eq!(of_another(home.path()), None);
        assert_eq!(barred(&home.path().join("none")), None);
    }
}
