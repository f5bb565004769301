//! Where the control socket of a data folder is.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The socket's name in the data folder.
pub const NAME: &str = "control.sock";

/// Bytes of the longest path that is used as it is: systems take 104 to 108.
pub const PATH_BYTES_MAX: usize = 100;

/// Returns the path of the socket of the node that runs for a data folder:
/// `HOME/control.sock`, or where that is too long for a socket whatever the
/// link of that name leads to.
///
/// The link stands in the data folder, which is its owner's alone; so another
/// user can not put a socket in the way, and a client need not have the
/// environment of its node. In a copy of the folder it counts for nothing.
///
/// # Errors
/// When the folder does not exist or cannot be resolved, or has no link.
pub fn path(home: &Path) -> io::Result<PathBuf> {
    let home = home.canonicalize()?;
    let direct = home.join(NAME);
    if is_short(&direct) {
        return Ok(direct);
    }
    let target = std::fs::read_link(direct)?;
    let is_of_this_home = target.file_name().is_some_and(|name| *name == *short_name(&home));
    if is_of_this_home { Ok(target) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Where a node makes its socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The socket.
    pub(crate) socket: PathBuf,
    /// The link in the data folder, where the socket is elsewhere.
    pub(crate) link: Option<PathBuf>,
}

/// Returns where the socket of a data folder is to be made: in it, or under a
/// name derived from it in the user's runtime folder.
///
/// # Errors
/// When the folder does not exist or cannot be resolved.
pub(crate) fn place(home: &Path) -> io::Result<Place> {
    let home = home.canonicalize()?;
    let direct = home.join(NAME);
    Ok(match is_short(&direct) {
        true => Place { socket: direct, link: None },
        false => Place { socket: runtime_folder().join(short_name(&home)), link: Some(direct) },
    })
}

fn is_short(path: &Path) -> bool {
    path.as_os_str().len() <= PATH_BYTES_MAX
}

/// Returns whether the node of a data folder may run as a user: the one who
/// asks, the owner of the folder, or root.
///
/// # Errors
/// When the folder does not exist.
pub(crate) fn may_answer(user: u32, home: &Path) -> io::Result<bool> {
    let own = rustix::process::geteuid().as_raw();
    Ok(user == own || user == 0 || user == std::fs::metadata(home)?.uid())
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
            place(home).unwrap()
        });
        assert_ne!(places[0], places[1]);
        for (home, place) in homes.iter().zip(&places) {
            assert!(!place.socket.starts_with(folder.path()));
            assert!(is_short(&place.socket), "{place:?}");
            assert_eq!(place.link, Some(home.canonicalize().unwrap().join(NAME)));
            assert!(path(home).is_err(), "no node has made it");
            std::os::unix::fs::symlink(&place.socket, home.join(NAME)).unwrap();
            assert_eq!(path(&home.join(".")).unwrap(), place.socket);
        }
        std::fs::remove_file(homes[1].join(NAME)).unwrap();
        std::os::unix::fs::symlink(&places[0].socket, homes[1].join(NAME)).unwrap();
        assert!(path(&homes[1]).is_err(), "a copy of the folder has no node");
    }

    #[test]
    fn nobody_else_answers_for_a_node() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        for (user, may) in [(own, true), (0, true), (own + 1, false), (65_534, false)] {
            assert_eq!(may_answer(user, folder.path()).unwrap(), may, "{user}");
        }
        assert!(may_answer(own + 1, &folder.path().join("none")).is_err());
    }

    #[test]
    fn a_missing_folder_has_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        assert!(path(&folder.path().join("none")).is_err());
    }
}
