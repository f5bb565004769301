//! The home's lock: one program at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pause between two tries to take a lock that somebody holds.
const RETRY_MS: u64 = 20;

/// Why the home could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program uses the home.
    #[error("the home is in use by {}", holder(*.pid))]
    Held {
        /// Its process id, where the file names one.
        pid: Option<u32>,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {path}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another program".to_owned(), |pid| format!("process {pid}"))
}

/// The right to use a home, held until it is dropped.
#[derive(Debug)]
pub struct HomeLock {
    /// The system releases the lock when this descriptor closes, also after a crash.
    file: File,
}

impl HomeLock {
    /// Takes the lock of a home, waiting at most `wait` for its holder.
    ///
    /// Creates the home's folder where it is missing.
    ///
    /// # Errors
    /// [`LockError::Held`] names who holds it.
    pub fn acquire(home: &Path, wait: Duration) -> Result<Self, LockError> {
        let path = home.join("LOCK");
        let failed = |source| LockError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(home).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        let start = Instant::now();
        while let Err(error) =
            rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        {
            if error != rustix::io::Errno::WOULDBLOCK && error != rustix::io::Errno::INTR {
                return Err(failed(error.into()));
            }
            if start.elapsed() >= wait {
                return Err(LockError::Held { pid: read_pid(&mut file) });
            }
            std::thread::sleep(Duration::from_millis(RETRY_MS));
        }
        write_pid(&mut file).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        if let Err(error) = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock) {
            tracing::debug!(%error, "the lock is released when its file closes");
        }
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_the_lock() {
        let home = tempfile::tempdir().unwrap();
        let held = HomeLock::acquire(home.path(), Duration::ZERO).unwrap();
        let refused = HomeLock::acquire(home.path(), Duration::ZERO).unwrap_err();
        assert!(matches!(refused, LockError::Held { pid } if pid == Some(std::process::id())));
        assert_eq!(
            refused.to_string(),
            format!("the home is in use by process {}", std::process::id())
        );
        drop(held);
        HomeLock::acquire(home.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiting_taker_gets_the_lock_when_it_is_released() {
        let home = tempfile::tempdir().unwrap();
        let held = HomeLock::acquire(home.path(), Duration::ZERO).unwrap();
        let path = home.path().to_owned();
        let waiting =
            std::thread::spawn(move || HomeLock::acquire(&path, Duration::from_secs(60)).is_ok());
        drop(held);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn what_a_dead_holder_left_in_the_file_does_not_matter() {
        for text in ["4294967295\n", "not a number", "", "\u{0}\u{0}"] {
            let home = tempfile::tempdir().unwrap();
            std::fs::write(home.path().join("LOCK"), text).unwrap();
            let held = HomeLock::acquire(home.path(), Duration::ZERO).unwrap();
            let written = std::fs::read_to_string(home.path().join("LOCK")).unwrap();
            assert_eq!(written, format!("{}\n", std::process::id()));
            drop(held);
        }
    }

    #[test]
    fn a_home_that_cannot_be_a_folder_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = HomeLock::acquire(&file.path().join("home"), Duration::ZERO).unwrap_err();
        assert!(matches!(refused, LockError::Io { .. }));
    }
}
