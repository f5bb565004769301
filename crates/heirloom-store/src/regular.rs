//! Opening files without waiting for what stands in their place.
//!
//! Opening a FIFO waits for somebody at its other end, and a device may wait
//! for ever: whatever is no regular file is refused before a byte is read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file for reading.
///
/// # Errors
/// What the system reports; of a FIFO, a socket or a device that it is no file.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a file in a way that cannot block.
pub(crate) fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let file = options.custom_flags(flags.cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other(Irregular))
}

/// Reads a whole file.
///
/// # Errors
/// What the system reports; of a FIFO, a socket or a device that it is no file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Copies a file to where none is.
///
/// # Errors
/// As [`read`], and what the system reports of the copy.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut open(from)?, &mut copy).map(|_| ())
}

/// Returns whether something else than a file stands there.
pub(crate) fn is_irregular(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Irregular>())
        // Of a FIFO that is opened for writing, and of a socket.
        || error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

#[derive(Debug, thiserror::Error)]
#[error("it is no regular file")]
struct Irregular;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Puts a FIFO where a file was.
    pub(crate) fn put_fifo(path: &Path) {
        drop(std::fs::remove_file(path));
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

    #[test]
    fn only_files_are_opened_and_nothing_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fifo, socket) =
            (folder.path().join("file"), folder.path().join("fifo"), folder.path().join("socket"));
        std::fs::write(&file, "text").unwrap();
        put_fifo(&fifo);
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(read(&file).unwrap(), b"text");
        for other in [&fifo, &socket, folder.path(), Path::new("/dev/null")] {
            assert!(is_irregular(&read(other).unwrap_err()), "{}", other.display());
        }
        let mut options = OpenOptions::new();
        assert!(is_irregular(&open_with(options.write(true), &fifo).unwrap_err()));
        assert!(!is_irregular(&read(&folder.path().join("none")).unwrap_err()));
    }
}
