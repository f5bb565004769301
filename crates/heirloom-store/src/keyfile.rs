//! The device key's file: the one secret that lies outside every database.

use crate::disk::{Disk, FileSystem};
use crate::regular;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file's name below the home.
pub const NAME: &str = "device.key";

const VERSION: u8 = 1;
const FILE_BYTES: usize = 1 + 32 + 4;

/// Why the device key could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no key: this home holds no device.
    #[error("no device key at {path}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a key, or its checksum is wrong.
    #[error("the device key at {path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("the device key at {path} has the newer version {found}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u8,
    },
    /// Others than the owner may read the file.
    #[error("the device key at {path} is open to others: its mode is {mode:o}, not 600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is a key already, and a key is never replaced.
    #[error("there is a device key at {path} already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot use the device key at {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
}

/// Reads the seed of the device key.
///
/// # Errors
/// [`KeyError::Missing`] and [`KeyError::Damaged`] are told apart: only the
/// first means that no device was made here.
pub fn read(home: &Path) -> Result<[u8; 32], KeyError> {
    let path = home.join(NAME);
    let failed = |source: io::Error| match source.kind() == io::ErrorKind::NotFound {
        true => KeyError::Missing { path: path.clone() },
        false => KeyError::Io { path: path.clone(), source },
    };
    let mode = std::fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path, mode });
    }
    let mut bytes = match regular::read(&path) {
        Err(error) if regular::is_irregular(&error) && !path.is_dir() => {
            return Err(KeyError::Damaged { path });
        }
        bytes => bytes.map_err(failed)?,
    };
    let seed = parse(&bytes, &path);
    wipe(&mut bytes);
    seed
}

/// Writes the seed of a new device key, durably, readable by its owner only.
///
/// # Errors
/// [`KeyError::Exists`] where there is a key.
pub fn write(home: &Path, seed: &[u8; 32]) -> Result<(), KeyError> {
    write_on(&FileSystem, home, seed)
}

/// Returns 16 bytes that tell where the key's file lies: its inode, and when
/// that was changed last. Of a folder that was copied or put back they differ;
/// of one that was moved as a whole within its file system they do not.
///
/// # Errors
/// What the system reports.
pub fn place(home: &Path) -> io::Result<[u8; 16]> {
    let metadata = std::fs::metadata(home.join(NAME))?;
    let changed_ns =
        i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    let mut place = [0; 16];
    let (inode, changed) = place.split_at_mut(8);
    inode.copy_from_slice(&metadata.ino().to_le_bytes());
    changed.copy_from_slice(&changed_ns.to_le_bytes()[..8]);
    Ok(place)
}

fn write_on(disk: &dyn Disk, home: &Path, seed: &[u8; 32]) -> Result<(), KeyError> {
    let path = home.join(NAME);
    let failed = |source| KeyError::Io { path: path.clone(), source };
    if path.try_exists().map_err(failed)? {
        return Err(KeyError::Exists { path });
    }
    // What a crash leaves there is removed when the store is opened.
    let scratch = home.join("tmp");
    disk.create_folder(&scratch).map_err(failed)?;
    let mut bytes = encode(seed);
    let written = crate::disk::replace(disk, &scratch, &path, &bytes).map_err(failed);
    wipe(&mut bytes);
    written
}

fn encode(seed: &[u8; 32]) -> [u8; FILE_BYTES] {
    let mut bytes = [0; FILE_BYTES];
    bytes[0] = VERSION;
    bytes[1..33].copy_from_slice(seed);
    let sum = crc32c::crc32c(&bytes[..33]);
    bytes[33..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn parse(bytes: &[u8], path: &Path) -> Result<[u8; 32], KeyError> {
    let damaged = || KeyError::Damaged { path: path.to_owned() };
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return Err(damaged());
    }
    let (&version, seed) = body.split_first().ok_or_else(damaged)?;
    if version > VERSION {
        return Err(KeyError::Newer { path: path.to_owned(), found: version });
    }
    if version != VERSION {
        return Err(damaged());
    }
    seed.try_into().map_err(|_| damaged())
}

/// Clears a buffer that held the seed, in a way the compiler does not drop.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::faulty::FaultyDisk;
    use heirloom_base::id::to_hex;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_only_by_its_owner() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), &[7; 32]).unwrap();
        assert_eq!(read(home.path()).unwrap(), [7; 32]);
        let path = home.path().join(NAME);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660, 0o601] {
            set_mode(&path, mode);
            assert!(
                matches!(read(home.path()), Err(KeyError::Exposed { mode: m, .. }) if m == mode)
            );
        }
    }

    #[test]
    fn a_copy_lies_in_another_place_and_a_moved_folder_does_not() {
        let above = tempfile::tempdir().unwrap();
        let (home, moved) = (above.path().join("home"), above.path().join("moved"));
        assert!(place(&home).is_err());
        std::fs::create_dir(&home).unwrap();
        write(&home, &[7; 32]).unwrap();
        let first = place(&home).unwrap();
        assert_eq!(place(&home).unwrap(), first);
        std::fs::rename(&home, &moved).unwrap();
        assert_eq!(place(&moved).unwrap(), first);
        std::fs::create_dir(&home).unwrap();
        std::fs::copy(moved.join(NAME), home.join(NAME)).unwrap();
        assert_ne!(place(&home).unwrap(), first);
    }

    #[test]
    fn a_key_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), &[7; 32]).unwrap();
        assert!(matches!(write(home.path(), &[8; 32]), Err(KeyError::Exists { .. })));
        assert_eq!(read(home.path()).unwrap(), [7; 32]);
    }

    #[test]
    fn a_missing_key_is_not_a_damaged_one() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(read(home.path()), Err(KeyError::Missing { .. })));
        write(home.path(), &[7; 32]).unwrap();
        let path = home.path().join(NAME);
        let sound = std::fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            assert!(matches!(read(home.path()), Err(KeyError::Damaged { .. })), "byte {at}");
        }
        for length in 0..sound.len() {
            std::fs::write(&path, &sound[..length]).unwrap();
            assert!(matches!(read(home.path()), Err(KeyError::Damaged { .. })), "length {length}");
        }
    }

    #[test]
    fn a_newer_key_is_named_as_such() {
        let mut bytes = encode(&[7; 32]);
        bytes[0] = 2;
        let sum = crc32c::crc32c(&bytes[..33]);
        bytes[33..].copy_from_slice(&sum.to_le_bytes());
        assert!(matches!(parse(&bytes, Path::new(NAME)), Err(KeyError::Newer { found: 2, .. })));
    }

    #[test]
    fn the_file_is_frozen() {
        assert_eq!(to_hex(&encode(&[0x5a; 32])), format!("01{}c20cd23f", "5a".repeat(32)));
    }

    #[test]
    fn a_failed_write_leaves_no_key_behind() {
        for failing in 0.. {
            let home = tempfile::tempdir().unwrap();
            let disk = FaultyDisk::failing_at(failing);
            let written = write_on(&disk, home.path(), &[7; 32]);
            if disk.operations() <= failing {
                written.unwrap();
                return;
            }
            assert!(matches!(written, Err(KeyError::Io { .. })), "operation {failing}");
            disk.crash(crate::disk::faulty::Crash::Dropped);
            assert!(matches!(read(home.path()), Err(KeyError::Missing { .. })));
        }
    }
}
