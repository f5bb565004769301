//! Batches in packs, and their removal.

use super::*;
use crate::disk::{DiskFile, FileSystem};
use std::path::Path;
use std::sync::mpsc;

#[test]
fn a_batch_is_here_after_it_was_written_and_after_a_restart() {
    let home = Home::new();
    let chunks = home.open();
    let batch = several(0..20);
    write(&chunks, &batch).unwrap();
    let check = |chunks: &Chunks| {
        assert_eq!(chunks.list(), ids(&batch).into_iter().collect::<Vec<_>>());
        assert_eq!(chunks.bytes_used(), (0..20).map(|mark| 1_000 + mark).sum::<u64>());
        for (id, bytes) in &batch {
            assert_eq!(chunks.read(*id).as_ref(), Ok(bytes));
        }
    };
    check(&chunks);
    let names = home.pack_names();
    assert!(names.len() > 2 && names[0] == "00000001.pack");
    assert!(names.last().unwrap().ends_with(".open"));
    for name in &names {
        let bytes = std::fs::metadata(home.packs().join(name)).unwrap().len();
        assert!(bytes <= PACK_BYTES as u64, "{name}: {bytes}");
    }
    drop(chunks);
    home.disk.crash(Crash::Dropped);
    check(&home.open());
}

#[test]
fn small_chunks_share_a_pack_over_restarts_and_one_sync_makes_a_batch_durable() {
    let home = Home::new();
    write(&home.open(), &several(0..1)).unwrap();
    let chunks = home.open();
    let before = home.disk.operations();
    write(&chunks, &several(1..5)).unwrap();
    assert_eq!(home.disk.operations() - before, 2, "one write and one sync");
    assert_eq!(home.pack_names(), ["00000001.open"]);
    drop(chunks);
    assert_eq!(home.open().list().len(), 5);
    assert_eq!(home.pack_names(), ["00000001.open"]);
}

#[test]
fn a_torn_end_is_cut_off_and_what_is_sound_before_it_stays() {
    let home = Home::new();
    let batch = several(0..3);
    write(&home.open(), &batch).unwrap();
    let path = home.packs().join("00000001.open");
    let sound = std::fs::read(&path).unwrap();
    for torn in [1, 30, pack::HEADER_BYTES, 500, 1_003 + pack::HEADER_BYTES - 1] {
        let mut bytes = sound.clone();
        bytes.extend_from_slice(&sound[..torn]);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(home.open().list().len(), 3);
        assert_eq!(std::fs::read(&path).unwrap(), sound, "{torn} bytes");
    }
    std::fs::write(&path, &sound[..sound.len() - 1]).unwrap();
    let chunks = home.open();
    assert_eq!((chunks.list().len(), chunks.lost()), (2, vec![batch[2].0]));
    assert_eq!(std::fs::metadata(path).unwrap().len(), 2 * pack::HEADER_BYTES as u64 + 2_001);
}

#[test]
fn what_is_here_is_not_written_again() {
    let home = Home::new();
    let chunks = home.open();
    let batch = several(0..3);
    chunks.write(batch[0].0, &batch[0].1).unwrap();
    write(&chunks, &batch[..2]).unwrap();
    let operations = home.disk.operations();
    write(&chunks, &batch[..2]).unwrap();
    chunks.write(batch[1].0, &batch[1].1).unwrap();
    assert_eq!(home.disk.operations(), operations);
    let twice = [batch[2].clone(), batch[2].clone()];
    write(&chunks, &twice).unwrap();
    let pack = home.packs().join("00000001.open");
    let expected = 2 * pack::HEADER_BYTES as u64 + 1_001 + 1_002;
    assert_eq!(std::fs::metadata(pack).unwrap().len(), expected);
}

#[test]
fn a_wrong_name_or_a_length_that_no_chunk_has_is_refused_before_anything_is_written() {
    let home = Home::new();
    let chunks = home.open();
    let mut batch = several(0..3);
    batch[2].0 = ChunkId([7; 32]);
    assert_eq!(write(&chunks, &batch), Err(AppendError::WrongChunk { id: ChunkId([7; 32]) }));
    let bytes = vec![0; pack::PACKED_CHUNK_BYTES_MAX + 1];
    batch[2] = (ChunkId(hash::plain(&bytes)), bytes);
    let long = AppendError::FrameTooLong { bytes: pack::PACKED_CHUNK_BYTES_MAX + 1 };
    assert_eq!(write(&chunks, &batch), Err(long));
    assert!(chunks.list().is_empty() && home.pack_names().is_empty());
}

#[test]
fn a_full_disk_refuses_a_batch_and_lets_chunks_be_removed() {
    let home = Home::new();
    let chunks = home.open();
    write(&chunks, &several(0..4)).unwrap();
    home.disk.set_available(4_000);
    assert_eq!(write(&chunks, &several(4..8)), Err(AppendError::Full));
    assert_eq!(chunks.list().len(), 4);
    assert_eq!(chunks.remove(&ids(&several(0..2))).unwrap(), 2_001);
    home.disk.set_available(100_000);
    home.disk.fill();
    assert_eq!(write(&chunks, &several(4..8)), Err(AppendError::Full));
    home.disk.repair();
    write(&chunks, &several(4..8)).unwrap();
    assert_eq!(chunks.list().len(), 6);
}

#[test]
fn what_was_removed_stays_away_and_may_come_again() {
    let home = Home::new();
    let chunks = home.open();
    let batch = several(0..8);
    write(&chunks, &batch).unwrap();
    chunks.write(chunk(9).0, &chunk(9).1).unwrap();
    let gone = ids(&[batch[0].clone(), batch[7].clone(), chunk(9), chunk(10)]);
    assert_eq!(chunks.remove(&gone).unwrap(), 1_000 + 1_007 + 1_009);
    drop(chunks);
    home.disk.crash(Crash::Dropped);
    let chunks = home.open();
    assert_eq!(chunks.list().len(), 6);
    assert!(gone.iter().all(|id| !chunks.has(*id)) && chunks.lost().is_empty());
    write(&chunks, &batch[..1]).unwrap();
    drop(chunks);
    let chunks = home.open();
    assert_eq!(chunks.read(batch[0].0).as_ref(), Ok(&batch[0].1));
    assert_eq!(chunks.remove(&gone).unwrap(), 1_000);
    drop(chunks);
    assert!(!home.open().has(batch[0].0));
}

#[test]
fn a_pack_of_which_less_than_half_is_left_is_rewritten() {
    let home = Home::new();
    let chunks = home.open();
    let batch = several(0..15);
    write(&chunks, &batch).unwrap();
    let names = home.pack_names();
    assert_eq!(names, ["00000001.pack", "00000002.pack", "00000003.open"]);
    chunks.remove(&ids(&batch[..3])).unwrap();
    assert_eq!(home.pack_names(), names, "half is left");
    chunks.remove(&ids(&batch[3..5])).unwrap();
    assert_eq!(home.pack_names(), &names[1..]);
    let left = ids(&batch[5..]);
    let check = |chunks: &Chunks| {
        assert_eq!(chunks.list(), left.iter().copied().collect::<Vec<_>>());
        for (id, bytes) in &batch[5..] {
            assert_eq!(chunks.read(*id).as_ref(), Ok(bytes));
        }
    };
    check(&chunks);
    drop(chunks);
    home.disk.crash(Crash::Dropped);
    let chunks = home.open();
    check(&chunks);
    chunks.remove(&left).unwrap();
    assert!(home.pack_names().iter().all(|name| name.ends_with(".open")));
    drop(chunks);
    assert!(home.open().list().is_empty());
}

#[test]
fn tombstones_outlive_the_pack_that_they_stood_in() {
    let home = Home::new();
    let chunks = home.open();
    // The first pack keeps most of its chunks; the tombstone is in the second.
    let batch = several(0..16);
    write(&chunks, &batch[..9]).unwrap();
    chunks.remove(&ids(&batch[..1])).unwrap();
    write(&chunks, &batch[9..]).unwrap();
    assert_eq!(home.pack_names()[..2], ["00000001.pack", "00000002.pack"]);
    let second: Vec<(ChunkId, Vec<u8>)> = batch[7..].to_vec();
    chunks.remove(&ids(&second)).unwrap();
    assert!(!home.pack_names().contains(&"00000002.pack".to_owned()));
    drop(chunks);
    let chunks = home.open();
    assert_eq!(chunks.list().len(), 6);
    assert!(!chunks.has(batch[0].0));
}

#[test]
fn chunks_are_read_while_their_packs_are_rewritten() {
    let home = Home::new();
    let chunks = Arc::new(home.open());
    let kept: Vec<(ChunkId, Vec<u8>)> = several(0..6);
    write(&chunks, &kept).unwrap();
    let (done, is_done) = mpsc::channel::<()>();
    let reader = std::thread::spawn({
        let (chunks, kept) = (Arc::clone(&chunks), kept.clone());
        move || {
            while is_done.try_recv() == Err(mpsc::TryRecvError::Empty) {
                for (id, bytes) in &kept {
                    assert_eq!(chunks.read(*id).as_ref(), Ok(bytes));
                }
            }
        }
    });
    for round in 0..60 {
        let passing = several(100 + (round % 2) * 20..110 + (round % 2) * 20);
        write(&chunks, &passing).unwrap();
        chunks.remove(&ids(&passing)).unwrap();
    }
    drop(done);
    reader.join().unwrap();
    assert!(home.pack_names().len() < 10, "{:?}", home.pack_names());
    assert!(chunks.lost().is_empty());
}

type Gate = (mpsc::Sender<()>, mpsc::Receiver<()>);

/// A disk whose next sync waits for a word.
#[derive(Debug, Clone)]
struct Slow {
    /// Tells of a sync, and waits until it may go on.
    gate: Arc<Mutex<Option<Gate>>>,
}

#[derive(Debug)]
struct SlowFile(Slow, Box<dyn DiskFile>);

impl Disk for Slow {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        FileSystem.create_folder(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile(self.clone(), FileSystem.create(path)?)))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile(self.clone(), FileSystem.open(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        FileSystem.sync_folder(path)
    }
    fn available(&self, path: &Path) -> io::Result<u64> {
        FileSystem.available(path)
    }
}

impl DiskFile for SlowFile {
    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        self.1.allocate(bytes)
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.1.write_at(offset, bytes)
    }
    fn begin_write_back(&mut self, offset: u64, bytes: u64) {
        self.1.begin_write_back(offset, bytes);
    }
    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.1.truncate(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        let gate = self.0.gate.lock().unwrap().take();
        if let Some((told, word)) = gate {
            told.send(()).unwrap();
            word.recv().unwrap();
        }
        self.1.sync()
    }
}

#[test]
fn nobody_who_reads_waits_for_a_sync() {
    let home = Home::new();
    let disk = Slow { gate: Arc::default() };
    let chunks = Arc::new(home.open_on(Arc::new(disk.clone())));
    let batch = several(0..2);
    write(&chunks, &batch[..1]).unwrap();
    let (told, syncs) = mpsc::channel();
    let (word, waits) = mpsc::channel();
    *disk.gate.lock().unwrap() = Some((told, waits));
    let writer = std::thread::spawn({
        let (chunks, batch) = (Arc::clone(&chunks), batch.clone());
        move || write(&chunks, &batch)
    });
    syncs.recv().unwrap();
    assert_eq!(chunks.read(batch[0].0).as_ref(), Ok(&batch[0].1));
    assert!(!chunks.has(batch[1].0), "it is not durable");
    assert_eq!(chunks.list().len(), 1);
    word.send(()).unwrap();
    writer.join().unwrap().unwrap();
    assert!(chunks.has(batch[1].0));
}
