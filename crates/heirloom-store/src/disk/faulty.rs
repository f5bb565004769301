//! A disk for tests: it fails where it is told to, and it can lose everything
//! that was not synced.

use super::{Disk, DiskFile, FileSystem};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    Dropped,
    Kept,
    /// Each sector and each name by the toss of a seeded coin.
    Torn(u64),
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This operation only.
    Once,
    /// This operation only, because there is no room: also a sync may find that out.
    FullOnce,
    /// This operation and all behind it.
    Lasting,
    /// From this operation on the disk takes no new bytes.
    Full,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultyDisk(Arc<Mutex<Ledger>>);

#[derive(Debug)]
struct Ledger {
    operations: u64,
    fault: Option<(u64, Fault)>,
    available: u64,
    pending: Vec<Pending>,
}

/// Something that a crash may undo.
#[derive(Debug)]
enum Pending {
    Written {
        file: u64,
        handle: Arc<File>,
        offset: u64,
        old: Vec<u8>,
        old_length: u64,
        doomed: bool,
    },
    Created {
        path: PathBuf,
    },
    Folder {
        path: PathBuf,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<Vec<u8>>,
    },
    Removed {
        path: PathBuf,
        bytes: Vec<u8>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Growing,
    Other,
}

impl FaultyDisk {
    pub(crate) fn sound() -> Self {
        Self::new(None)
    }

    /// Fails once, at the operation with this number.
    pub(crate) fn failing_at(operation: u64) -> Self {
        Self::new(Some((operation, Fault::Once)))
    }

    fn new(fault: Option<(u64, Fault)>) -> Self {
        let pending = Vec::new();
        Self(Arc::new(Mutex::new(Ledger { operations: 0, fault, available: u64::MAX, pending })))
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.ledger().operations
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.fail_at(self.operations(), fault);
    }

    pub(crate) fn fail_at(&self, operation: u64, fault: Fault) {
        self.ledger().fault = Some((operation, fault));
    }

    pub(crate) fn fill(&self) {
        self.fail_next(Fault::Full);
    }

    pub(crate) fn repair(&self) {
        self.ledger().fault = None;
    }

    pub(crate) fn set_available(&self, bytes: u64) {
        self.ledger().available = bytes;
    }

    /// Cuts the power: what was not synced is lost, or partly lost.
    pub(crate) fn crash(&self, crash: Crash) {
        let mut coin = match crash {
            Crash::Dropped | Crash::Kept => 1,
            Crash::Torn(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        };
        let mut lost = || match crash {
            Crash::Dropped => true,
            Crash::Kept => false,
            Crash::Torn(_) => {
                coin ^= coin << 13;
                coin ^= coin >> 7;
                coin ^= coin << 17;
                coin & 0x10 != 0
            }
        };
        let pending: Vec<Pending> = self.ledger().pending.drain(..).collect();
        for change in pending.into_iter().rev() {
            undo(change, &mut lost);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap()
    }

    /// Counts an operation; returns its error where it has to fail.
    fn count(&self, kind: Kind) -> io::Result<()> {
        let mut ledger = self.ledger();
        let now = ledger.operations;
        ledger.operations += 1;
        match ledger.fault {
            Some((at, Fault::Once)) if at == now => Err(broken()),
            Some((at, Fault::FullOnce)) if at == now => Err(io::ErrorKind::StorageFull.into()),
            Some((at, Fault::Lasting)) if at <= now => Err(io::Error::other("injected for good")),
            Some((at, Fault::Full)) if at <= now && kind == Kind::Growing => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn note(&self, change: Pending) {
        self.ledger().pending.push(change);
    }

    /// Bytes that a sync has failed to write are written by the next one where they were written again.
    fn redeem(&self, id: u64, range: Range<u64>) {
        let mut ledger = self.ledger();
        let pending = std::mem::take(&mut ledger.pending);
        ledger.pending = pending.into_iter().flat_map(|change| split(change, id, &range)).collect();
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        use std::os::unix::fs::MetadataExt;
        let handle = Arc::new(OpenOptions::new().read(true).write(true).open(path)?);
        let id = handle.metadata()?.ino();
        Ok(Box::new(FaultyFile { disk: self.clone(), id, handle }))
    }
}

/// What a system reports of a sector that it cannot read or write.
fn broken() -> io::Error {
    rustix::io::Errno::IO.into()
}

/// Splits a doomed write of a file into what lies outside of a range and what is in it, which is not doomed.
fn split(change: Pending, id: u64, range: &Range<u64>) -> Vec<Pending> {
    match change {
        Pending::Written { file, handle, offset, mut old, old_length, doomed: true }
            if file == id =>
        {
            let cut = |at: u64, length: usize| {
                usize::try_from(at.saturating_sub(offset)).unwrap().min(length)
            };
            let behind = old.split_off(cut(range.end, old.len()));
            let inside = old.split_off(cut(range.start, old.len()));
            let mut at = offset;
            let pieces = [(old, true), (inside, false), (behind, true)];
            let pieces = pieces.into_iter().filter(|(old, _)| !old.is_empty());
            let pieces = pieces.map(|(old, doomed)| {
                let handle = Arc::clone(&handle);
                let offset = at;
                at += old.len() as u64;
                Pending::Written { file, handle, offset, old, old_length, doomed }
            });
            pieces.collect()
        }
        Pending::Written { .. }
        | Pending::Created { .. }
        | Pending::Folder { .. }
        | Pending::Renamed { .. }
        | Pending::Removed { .. } => vec![change],
    }
}

fn undo(change: Pending, lost: &mut dyn FnMut() -> bool) {
    match change {
        Pending::Written { handle, offset, old, old_length, .. } => {
            for (index, sector) in old.chunks(512).enumerate() {
                if lost() {
                    handle.write_all_at(sector, offset + 512 * index as u64).unwrap();
                }
            }
            if lost() && handle.metadata().unwrap().len() > old_length {
                handle.set_len(old_length).unwrap();
            }
        }
        Pending::Created { path } if lost() => drop(std::fs::remove_file(path)),
        Pending::Folder { path } if lost() => drop(std::fs::remove_dir_all(path)),
        Pending::Renamed { from, to, replaced } if lost() => {
            drop(std::fs::rename(&to, from));
            if let Some(bytes) = replaced {
                std::fs::write(to, bytes).unwrap();
            }
        }
        Pending::Removed { path, bytes } if lost() => std::fs::write(path, bytes).unwrap(),
        Pending::Created { .. }
        | Pending::Folder { .. }
        | Pending::Renamed { .. }
        | Pending::Removed { .. } => {}
    }
}

impl Disk for FaultyDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.count(Kind::Growing)?;
        if !path.exists() {
            self.note(Pending::Folder { path: path.to_owned() });
        }
        FileSystem.create_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.count(Kind::Growing)?;
        drop(FileSystem.create(path)?);
        self.note(Pending::Created { path: path.to_owned() });
        self.file(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.count(Kind::Other)?;
        self.file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count(Kind::Other)?;
        let replaced = std::fs::read(to).ok();
        FileSystem.rename(from, to)?;
        self.note(Pending::Renamed { from: from.to_owned(), to: to.to_owned(), replaced });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.count(Kind::Other)?;
        let bytes = std::fs::read(path)?;
        FileSystem.remove(path)?;
        self.note(Pending::Removed { path: path.to_owned(), bytes });
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.count(Kind::Other)?;
        assert!(folder.is_dir(), "{}", folder.display());
        let mut ledger = self.ledger();
        let inside = |path: &Path| path.parent() == Some(folder);
        let mut moved = Vec::new();
        ledger.pending.retain(|change| match change {
            Pending::Renamed { from, to, .. } if inside(to) => {
                moved.push(from.clone());
                false
            }
            Pending::Created { path }
            | Pending::Folder { path }
            | Pending::Removed { path, .. } => !inside(path),
            Pending::Renamed { .. } | Pending::Written { .. } => true,
        });
        ledger
            .pending
            .retain(|change| !matches!(change, Pending::Created { path } if moved.contains(path)));
        Ok(())
    }

    fn available(&self, _: &Path) -> io::Result<u64> {
        Ok(self.ledger().available)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    id: u64,
    handle: Arc<File>,
}

impl FaultyFile {
    fn note(&self, offset: u64, length: usize) -> io::Result<()> {
        let old_length = self.handle.metadata()?.len();
        let mut old = vec![0; length];
        let held = usize::try_from(old_length.saturating_sub(offset)).unwrap().min(length);
        self.handle.read_exact_at(&mut old[..held], offset)?;
        let handle = Arc::clone(&self.handle);
        let doomed = false;
        self.disk.redeem(self.id, offset..offset + length as u64);
        self.disk.note(Pending::Written { file: self.id, handle, offset, old, old_length, doomed });
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        self.disk.count(Kind::Growing)?;
        self.note(0, 0)?;
        let length = self.handle.metadata()?.len();
        self.handle.set_len(length.max(bytes))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let grows = offset + bytes.len() as u64 > self.handle.metadata()?.len();
        let allowed = self.disk.count(if grows { Kind::Growing } else { Kind::Other });
        // A write that fails may have written a part.
        let part = if allowed.is_ok() { bytes.len() } else { bytes.len() / 2 };
        self.note(offset, part)?;
        self.handle.write_all_at(&bytes[..part], offset)?;
        allowed
    }

    fn begin_write_back(&mut self, _: u64, _: u64) {}

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.disk.count(Kind::Other)?;
        let cut = self.handle.metadata()?.len().saturating_sub(bytes);
        self.note(bytes, usize::try_from(cut).unwrap())?;
        self.handle.set_len(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let allowed = self.disk.count(Kind::Other);
        let mut ledger = self.disk.ledger();
        if allowed.is_ok() {
            ledger.pending.retain(|change| {
                !matches!(change, Pending::Written { file, doomed: false, .. } if *file == self.id)
            });
        } else {
            // After a failed sync the system takes the pages for clean: no later sync writes them.
            for change in &mut ledger.pending {
                if let Pending::Written { file, doomed, .. } = change
                    && *file == self.id
                {
                    *doomed = true;
                }
            }
        }
        allowed
    }
}
