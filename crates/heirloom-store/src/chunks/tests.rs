mod crashes;
mod damage;
mod measure;
mod model;
mod packs;

use super::*;
use crate::disk::faulty::{Crash, Fault, FaultyDisk};
use std::time::Duration;

/// Room for a few frames and their footer.
const PACK_BYTES: usize = 8 * 1024;

struct Home {
    folder: tempfile::TempDir,
    disk: FaultyDisk,
}

impl Home {
    fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), disk: FaultyDisk::sound() };
        for name in ["packs", "tmp", "quarantine"] {
            std::fs::create_dir(home.folder.path().join(name)).unwrap();
        }
        home
    }

    fn open(&self) -> Chunks {
        self.open_on(Arc::new(self.disk.clone()))
    }

    fn open_on(&self, disk: Arc<dyn Disk>) -> Chunks {
        self.open_with(disk, PACK_BYTES)
    }

    fn open_with(&self, disk: Arc<dyn Disk>, pack_bytes: usize) -> Chunks {
        self.opened(disk, pack_bytes).unwrap()
    }

    fn try_open(&self) -> Option<Chunks> {
        self.opened(Arc::new(self.disk.clone()), PACK_BYTES).ok()
    }

    /// Operations that it takes to open an empty home.
    fn opened_operations(&self) -> u64 {
        drop(self.open());
        self.disk.operations()
    }

    fn opened(&self, disk: Arc<dyn Disk>, pack_bytes: usize) -> io::Result<Chunks> {
        let at = |name| self.folder.path().join(name);
        let lock = Arc::new(HomeLock::acquire(self.folder.path(), Duration::ZERO).unwrap());
        let reserve = Reserve::open(Arc::clone(&disk), self.folder.path(), &at("tmp"), 0)?;
        let folders =
            ChunkFolders { packs: at("packs"), scratch: at("tmp"), quarantine: at("quarantine") };
        Chunks::open(disk, lock, Arc::new(reserve), folders, pack_bytes)
    }

    fn packs(&self) -> PathBuf {
        self.folder.path().join("packs")
    }

    /// The names of the packs, in order.
    fn pack_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.packs()).unwrap().map(|entry| entry.unwrap());
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.len() > 2).collect();
        names.sort();
        names
    }

    fn is_scratch_empty(&self) -> bool {
        std::fs::read_dir(self.folder.path().join("tmp")).unwrap().next().is_none()
    }
}

/// Marks from which on a chunk is long.
const LONG_FROM: u8 = 250;

fn chunk(mark: u8) -> (ChunkId, Vec<u8>) {
    let length = if mark < LONG_FROM { 1_000 } else { 70_000 };
    let bytes = vec![mark; length + usize::from(mark)];
    (ChunkId(hash::plain(&bytes)), bytes)
}

/// Chunks with different bytes, of some 1,000 bytes each.
fn several(marks: std::ops::Range<u8>) -> Vec<(ChunkId, Vec<u8>)> {
    marks.map(chunk).collect()
}

fn write(chunks: &Chunks, batch: &[(ChunkId, Vec<u8>)]) -> Result<(), AppendError> {
    let batch: Vec<(ChunkId, &[u8])> =
        batch.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
    chunks.write_batch(&batch)
}

fn ids(batch: &[(ChunkId, Vec<u8>)]) -> BTreeSet<ChunkId> {
    batch.iter().map(|(id, _)| *id).collect()
}

#[test]
fn a_chunk_is_here_after_it_was_written_and_after_a_restart() {
    let home = Home::new();
    let chunks = home.open();
    let mut ids = Vec::new();
    for mark in 0..20 {
        let (id, bytes) = chunk(mark);
        assert!(!chunks.has(id));
        chunks.write(id, &bytes).unwrap();
        assert_eq!(chunks.read(id), Ok(bytes));
        ids.push(id);
    }
    ids.sort();
    drop(chunks);
    home.disk.crash(Crash::Dropped);
    let chunks = home.open();
    assert_eq!(chunks.list(), ids);
    assert_eq!(chunks.bytes_used(), (0..20).map(|mark| 1_000 + mark).sum::<u64>());
    assert!(home.is_scratch_empty());
}

#[test]
fn a_chunk_that_is_here_is_not_written_again() {
    let home = Home::new();
    let chunks = home.open();
    let (id, bytes) = chunk(1);
    chunks.write(id, &bytes).unwrap();
    let operations = home.disk.operations();
    chunks.write(id, &bytes).unwrap();
    assert_eq!(home.disk.operations(), operations);
}

#[test]
fn bytes_with_another_name_are_refused() {
    let home = Home::new();
    let chunks = home.open();
    let (id, _) = chunk(1);
    assert_eq!(chunks.write(id, b"something else"), Err(AppendError::WrongChunk { id }));
    assert!(!chunks.has(id) && chunks.list().is_empty());
}

#[test]
fn a_damaged_chunk_is_kept_aside_reported_missing_and_can_be_written_again() {
    let home = Home::new();
    let chunks = home.open();
    let (id, bytes) = chunk(1);
    let other = chunk(2);
    chunks.write(id, &bytes).unwrap();
    chunks.write(other.0, &other.1).unwrap();
    for damage in [b"".as_slice(), b"short", &[7; 1_001]] {
        std::fs::write(chunks.path(id), damage).unwrap();
        assert_eq!(chunks.read(id), Err(StorageError::Chunk(id)));
        assert!(!chunks.has(id));
        assert_eq!(chunks.lost(), [id]);
        let kept = home.folder.path().join("quarantine").join(format!("{id}.damaged"));
        assert_eq!(std::fs::read(kept).unwrap(), damage);
        chunks.write(id, &bytes).unwrap();
        assert_eq!((chunks.read(id), chunks.lost()), (Ok(bytes.clone()), Vec::new()));
    }
    assert_eq!(chunks.read(other.0), Ok(other.1));
}

#[test]
fn a_chunk_whose_file_vanished_is_missing() {
    let home = Home::new();
    let chunks = home.open();
    let (id, bytes) = chunk(1);
    chunks.write(id, &bytes).unwrap();
    std::fs::remove_file(chunks.path(id)).unwrap();
    assert_eq!(chunks.read(id), Err(StorageError::Chunk(id)));
    assert_eq!((chunks.has(id), chunks.lost()), (false, vec![id]));
}

#[test]
fn foreign_files_are_no_chunks() {
    let home = Home::new();
    let packs = home.folder.path().join("packs");
    let (id, bytes) = chunk(1);
    let wrong_folder = format!("{:02x}", id.0[0] ^ 1);
    for folder in [wrong_folder.as_str(), "zz"] {
        std::fs::create_dir(packs.join(folder)).unwrap();
        std::fs::write(packs.join(folder).join(id.to_string()), &bytes).unwrap();
        std::fs::write(packs.join(folder).join("readme"), "hello").unwrap();
    }
    std::fs::write(packs.join("ab"), "no folder").unwrap();
    assert!(home.open().list().is_empty());
}

#[test]
fn a_failure_at_any_operation_leaves_no_half_chunk_and_the_next_try_works() {
    for fault in [Fault::Once, Fault::Lasting, Fault::Full] {
        for operation in 0.. {
            let home = Home::new();
            let chunks = home.open();
            let (id, bytes) = chunk(3);
            home.disk.fail_at(home.disk.operations() + operation, fault);
            let written = chunks.write(id, &bytes);
            home.disk.repair();
            if written.is_ok() {
                assert!(operation >= 2, "{fault:?}");
                break;
            }
            assert_eq!(written == Err(AppendError::Full), fault == Fault::Full);
            assert!(!chunks.has(id));
            drop(chunks);
            home.disk.crash(Crash::Torn(operation));
            let chunks = home.open();
            assert!(!chunks.has(id) || chunks.read(id) == Ok(bytes.clone()));
            chunks.write(id, &bytes).unwrap();
            home.disk.crash(Crash::Dropped);
            assert_eq!(chunks.read(id), Ok(bytes));
        }
    }
}

#[test]
fn a_fifo_in_place_of_a_chunk_is_damage_and_waits_for_nobody() {
    let home = Home::new();
    let chunks = home.open();
    let (id, bytes) = chunk(1);
    chunks.write(id, &bytes).unwrap();
    crate::regular::tests::put_fifo(&chunks.path(id));
    assert_eq!(chunks.read(id), Err(StorageError::Chunk(id)));
    assert_eq!(chunks.lost(), [id]);
    chunks.write(id, &bytes).unwrap();
    assert_eq!(chunks.read(id).unwrap(), bytes);
    assert!(chunks.take_lost().is_empty(), "it is here again");
}
