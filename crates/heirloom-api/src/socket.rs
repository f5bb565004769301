//! Where the control socket of a data folder is.

use std::io;
use std::path::{Path, PathBuf};

/// The socket's name in the data folder.
pub const NAME: &str = "control.sock";

/// Bytes of the longest path that is used as it is: systems take 104 to 108.
pub const PATH_BYTES_MAX: usize = 100;

/// Returns the socket's path for a data folder.
///
/// Server and client compute it alike: `HOME/control.sock`, or where that is
/// too long for a socket a name derived from it in the user's runtime folder.
///
/// # Errors
/// When the folder does not exist or cannot be resolved.
pub fn path(home: &Path) -> io::Result<PathBuf> {
    let home = home.canonicalize()?;
    let direct = home.join(NAME);
    if direct.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok(direct);
    }
    Ok(runtime_folder().join(short_name(&home)))
}

/// Returns a name that is as good as unique for a long path.
fn short_name(home: &Path) -> String {
    let hash = blake3::hash(home.as_os_str().as_encoded_bytes()).to_hex();
    format!("heirloom-{}.sock", hash.split_at(16).0)
}

/// Returns the folder for sockets of this user; it may not exist yet.
fn runtime_folder() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    named
        .into_iter()
        .chain([PathBuf::from(format!("/run/user/{user}"))])
        .find(|folder| folder.is_absolute() && folder.is_dir())
        .unwrap_or_else(|| std::env::temp_dir().join(format!("heirloom-{user}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_path_stays_in_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        assert_eq!(path(folder.path()).unwrap(), home.join(NAME));
    }

    #[test]
    fn a_long_path_moves_to_a_short_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let homes = ["a", "b"].map(|letter| folder.path().join(letter.repeat(120)));
        let places = homes.each_ref().map(|home| {
            std::fs::create_dir(home).unwrap();
            path(home).unwrap()
        });
        assert_ne!(places[0], places[1]);
        for (home, place) in homes.iter().zip(&places) {
            assert!(!place.starts_with(folder.path()));
            assert!(place.as_os_str().len() <= PATH_BYTES_MAX, "{place:?}");
            assert_eq!(&path(&home.join(".")).unwrap(), place);
        }
    }

    #[test]
    fn a_missing_folder_has_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        assert!(path(&folder.path().join("none")).is_err());
    }
}
