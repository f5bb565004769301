//! What the store asks of a disk when it writes.
//!
//! Everything that changes the log, the chunks and the `FORMAT` file goes
//! through [`Disk`], so that a test can let any single operation fail. Reading
//! goes to the files directly. The index engine does its own writing: it is
//! not trusted, and rebuilt when it fails.

use crate::regular;
use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(test)]
pub(crate) mod faulty;

static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// The changing operations of a file system.
pub trait Disk: Debug + Send + Sync {
    /// Creates a folder for its owner only, and those above it; an existing one is left as it is.
    ///
    /// # Errors
    /// What the system reports.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Creates a file for its owner only, or empties the one that is there.
    ///
    /// # Errors
    /// What the system reports.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for writing.
    ///
    /// # Errors
    /// What the system reports.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, replacing what bears it.
    ///
    /// # Errors
    /// What the system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system reports.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the system reports.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Returns how many bytes can still be written below `path`.
    ///
    /// # Errors
    /// What the system reports.
    fn available(&self, path: &Path) -> io::Result<u64>;
}

/// A file opened for writing.
pub trait DiskFile: Debug + Send {
    /// Takes room for the first `bytes` bytes, which read as zeroes.
    ///
    /// # Errors
    /// What the system reports; a full disk is found here and not while writing.
    fn allocate(&mut self, bytes: u64) -> io::Result<()>;

    /// Writes all of `bytes` at a position.
    ///
    /// # Errors
    /// What the system reports; part of the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file off behind its first `bytes` bytes.
    ///
    /// # Errors
    /// What the system reports.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;

    /// Asks that bytes go to the disk soon, and waits for nothing: a later sync has less to do.
    fn begin_write_back(&mut self, offset: u64, bytes: u64);

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the system reports; the descriptor must not be used again.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        Ok(Box::new(SystemFile(regular::open_with(&mut options, path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = regular::open_with(OpenOptions::new().write(true), path)?;
        Ok(Box::new(SystemFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let flags = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
        OpenOptions::new().read(true).custom_flags(flags).open(path)?.sync_all()
    }

    fn available(&self, path: &Path) -> io::Result<u64> {
        let figures = rustix::fs::statvfs(path)?;
        Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
    }
}

#[derive(Debug)]
struct SystemFile(File);

impl DiskFile for SystemFile {
    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        use rustix::io::Errno;
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(()),
            Err(error) if [Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL].contains(&error) => {
                zero(self, 0, bytes)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn begin_write_back(&mut self, offset: u64, bytes: u64) {
        use rustix::fs::{Advice, fadvise};
        // Linux writes out what shall not stay in memory, and keeps it there until that is done.
        if let Err(error) = fadvise(&self.0, offset, NonZeroU64::new(bytes), Advice::DontNeed) {
            tracing::debug!(%error, "nothing is written before its time");
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        self.0.sync_data()?;
        // What a file without a name holds is gone when it is closed.
        match self.0.metadata()?.nlink() {
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed")),
            _ => Ok(()),
        }
    }
}

/// Writes zeroes over `bytes` bytes from a position.
///
/// # Errors
/// What the file reports.
pub(crate) fn zero(file: &mut dyn DiskFile, offset: u64, bytes: u64) -> io::Result<()> {
    let mut at = offset;
    let end = offset + bytes;
    while at < end {
        let part = ZEROES.len().min(usize::try_from(end - at).unwrap_or(ZEROES.len()));
        file.write_at(at, &ZEROES[..part])?;
        at += part as u64;
    }
    Ok(())
}

/// Returns a name below `folder` that nobody in this program uses.
pub(crate) fn temporary(folder: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{}-{number}", std::process::id()))
}

/// Writes a new file and syncs it; the folder that names it is not synced yet.
///
/// A failure leaves nothing behind.
///
/// # Errors
/// What the disk reports.
pub(crate) fn place(
    disk: &dyn Disk,
    scratch: &Path,
    target: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    let path = temporary(scratch);
    let written = disk
        .create(&path)
        .and_then(|mut file| {
            file.write_at(0, bytes)?;
            file.sync()
        })
        .and_then(|()| disk.rename(&path, target));
    if written.is_err() {
        discard(disk, &path);
    }
    written
}

/// As [`place`], and durable with its name on return.
///
/// # Errors
/// What the disk reports.
pub(crate) fn replace(
    disk: &dyn Disk,
    scratch: &Path,
    target: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    place(disk, scratch, target, bytes)?;
    disk.sync_folder(target.parent().unwrap_or(Path::new(".")))
}

/// Removes a temporary file that may not exist; the next start removes what stays.
pub(crate) fn discard(disk: &dyn Disk, path: &Path) {
    if let Err(error) = disk.remove(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, "a temporary file stays until the next start");
    }
}
