//! Room kept free for the day the disk is full.
//!
//! A file holds some megabytes. When a write finds no room, small ones (a
//! deletion, a revocation) get the file's room, and everything else is
//! refused before anything is touched, until the file could be made again.

use crate::disk::{self, Disk};
use crate::log::{AppendError, is_full};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Frame bytes of one append up to which it may use the reserve.
pub(crate) const SMALL_APPEND_BYTES_MAX: usize = 64 * 1024;

/// How an append is treated when the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It may use the reserve.
    Small,
    /// It is refused; it brings this many bytes.
    Ordinary(u64),
}

/// The reserve file.
#[derive(Debug)]
pub(crate) struct Reserve {
    disk: Arc<dyn Disk>,
    home: PathBuf,
    scratch: PathBuf,
    bytes: u64,
    held: Mutex<bool>,
    /// What the last ordinary write needed, if it was refused.
    refused_bytes: Mutex<Option<u64>>,
}

impl Reserve {
    /// Finds or makes the reserve; on a full disk there is none for now.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        home: &Path,
        scratch: &Path,
        bytes: u64,
    ) -> io::Result<Self> {
        let (home, scratch) = (home.to_owned(), scratch.to_owned());
        let reserve = Self {
            disk,
            home,
            scratch,
            bytes,
            held: Mutex::new(true),
            refused_bytes: Mutex::default(),
        };
        let present = std::fs::metadata(reserve.path()).is_ok_and(|file| file.len() >= bytes);
        if !present {
            match reserve.make() {
                Err(error) if is_full(&error) => *reserve.held() = false,
                made => made?,
            }
        }
        Ok(reserve)
    }

    /// Whether the disk is full: the reserve is used, or what was refused last
    /// would not fit now either.
    pub(crate) fn is_needed(&self) -> bool {
        let refused = *self.refused();
        let fits = |bytes| self.available() >= self.bytes.saturating_add(bytes);
        !*self.held() || !refused.is_none_or(fits)
    }

    /// Refuses what the disk has no room for.
    pub(crate) fn admit(&self, urgency: Urgency) -> Result<(), AppendError> {
        let available = self.available();
        match urgency {
            Urgency::Small => {
                if available < self.bytes {
                    self.release();
                }
                Ok(())
            }
            Urgency::Ordinary(bytes) => {
                let mut held = self.held();
                if !*held && available >= self.bytes.saturating_mul(2) {
                    *held = self.make().is_ok();
                }
                let room = available >= bytes.saturating_add(self.bytes);
                let fits = *held && room;
                *self.refused() = (!fits).then_some(bytes);
                if fits { Ok(()) } else { Err(AppendError::Full) }
            }
        }
    }

    /// Gives the room back to the disk; returns whether there was any.
    pub(crate) fn release(&self) -> bool {
        let mut held = self.held();
        let released = *held && self.bytes > 0 && self.disk.remove(&self.path()).is_ok();
        if released {
            tracing::warn!("the disk is full: its reserve is used for small writes");
            *held = false;
        }
        released
    }

    fn make(&self) -> io::Result<()> {
        let path = disk::temporary(&self.scratch);
        let made = self
            .disk
            .create(&path)
            .and_then(|mut file| file.allocate(self.bytes))
            .and_then(|()| self.disk.rename(&path, &self.path()));
        if made.is_err() {
            disk::discard(self.disk.as_ref(), &path);
        }
        made
    }

    fn available(&self) -> u64 {
        self.disk.available(&self.home).unwrap_or(u64::MAX)
    }

    fn refused(&self) -> MutexGuard<'_, Option<u64>> {
        self.refused_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> PathBuf {
        self.home.join("reserve")
    }

    fn held(&self) -> MutexGuard<'_, bool> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::faulty::FaultyDisk;

    const BYTES: u64 = 1_000;

    fn reserve(disk: &FaultyDisk, home: &Path) -> Reserve {
        Reserve::open(Arc::new(disk.clone()), home, home, BYTES).unwrap()
    }

    #[test]
    fn only_small_writes_are_admitted_on_a_full_disk_until_there_is_room_again() {
        let home = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::sound();
        let reserve = reserve(&disk, home.path());
        let file = home.path().join("reserve");
        assert_eq!(std::fs::metadata(&file).unwrap().len(), BYTES);
        reserve.admit(Urgency::Ordinary(10)).unwrap();

        disk.set_available(BYTES - 1);
        assert_eq!(reserve.admit(Urgency::Ordinary(10)), Err(AppendError::Full));
        assert!(reserve.is_needed() && file.exists());
        disk.set_available(BYTES + 10);
        assert!(!reserve.is_needed(), "it would fit now");
        disk.set_available(BYTES - 1);
        reserve.admit(Urgency::Small).unwrap();
        assert!(reserve.is_needed() && !file.exists());
        assert!(!reserve.release());

        disk.set_available(2 * BYTES - 1);
        assert_eq!(reserve.admit(Urgency::Ordinary(10)), Err(AppendError::Full));
        disk.set_available(10 * BYTES);
        reserve.admit(Urgency::Ordinary(10)).unwrap();
        assert!(!reserve.is_needed() && file.exists());
    }

    #[test]
    fn a_full_disk_does_not_keep_the_store_from_opening() {
        let home = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::sound();
        disk.fill();
        let reserve = reserve(&disk, home.path());
        assert!(reserve.is_needed());
        assert_eq!(reserve.admit(Urgency::Ordinary(0)), Err(AppendError::Full));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_reserve_from_before_is_found() {
        let home = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::sound();
        drop(reserve(&disk, home.path()));
        let operations = disk.operations();
        assert!(!reserve(&disk, home.path()).is_needed());
        assert_eq!(disk.operations(), operations);
    }
}
