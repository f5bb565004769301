use super::*;
use heirloom_blob::open_piece;
use heirloom_store::{Store, StoreOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const KEY: [u8; 32] = [7; 32];
const PIECE: usize = 1024 * 1024;

struct Desk {
    home: tempfile::TempDir,
    store: Store,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("home"), &StoreOptions::default()).unwrap();
        Self { home, store }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join("photo.jpg");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn keep(&self, path: &Path) -> Result<Manifest, KeepError> {
        let file = OriginalFile { path: path.to_owned(), start: Some(1_000) };
        keep_originals(&self.store.chunks(), &KEY, &[file]).remove(0)
    }

    /// Puts an original together again.
    fn read(&self, manifest: &Manifest) -> Vec<u8> {
        let (mut bytes, mut again) = (Vec::new(), Assembly::default());
        for reference in &manifest.pieces {
            let chunk = self.store.chunks().read(reference.id).unwrap();
            let piece = open_piece(&KEY, reference, &chunk).unwrap();
            again.read(&piece);
            again.sealed(*reference);
            bytes.extend_from_slice(&piece);
        }
        assert_eq!(again.finish(), *manifest);
        bytes
    }
}

/// Returns bytes of which no two pieces are alike.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn an_original_of_any_length_is_kept_and_comes_back() {
    let desk = Desk::new();
    for length in [0, 1, 999, 1_000, 1_001, PIECE, 3 * PIECE + 77] {
        let bytes = noise(length);
        let manifest = desk.keep(&desk.file(&bytes)).unwrap();
        assert_eq!(manifest.size, length as u64);
        assert!(desk.read(&manifest) == bytes, "{length}");
    }
}

#[test]
fn many_batches_keep_their_order_and_what_is_here_is_not_written_again() {
    let desk = Desk::new();
    let path = desk.file(&noise(3 * BATCH_BYTES + 5));
    let manifest = desk.keep(&path).unwrap();
    assert_eq!(manifest.pieces.len(), 3 * BATCH_BYTES / PIECE + 1);
    let used = desk.store.chunks().bytes_used();
    assert_eq!(desk.keep(&path).unwrap(), manifest);
    assert_eq!(desk.store.chunks().bytes_used(), used);
    assert!(desk.read(&manifest) == std::fs::read(&path).unwrap());
}

#[test]
fn pieces_that_are_alike_are_stored_once() {
    let desk = Desk::new();
    let manifest = desk.keep(&desk.file(&vec![0; 40 * PIECE])).unwrap();
    assert_eq!(manifest.pieces.len(), 41);
    assert!(desk.store.chunks().list().len() <= 3);
    assert!(desk.read(&manifest).iter().all(|byte| *byte == 0));
}

#[test]
fn what_is_no_file_or_cannot_be_read_is_refused() {
    let desk = Desk::new();
    let home = desk.home.path();
    let fifo = home.join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for path in [fifo, home.join("missing"), home.to_owned(), PathBuf::from("/dev/zero")] {
        let kept = desk.keep(&path);
        assert!(matches!(kept, Err(KeepError::Read(_))), "{}: {kept:?}", path.display());
    }
}

#[test]
fn a_file_that_is_written_to_is_not_taken_for_whole() {
    let desk = Desk::new();
    let path = desk.file(&noise(8 * PIECE));
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let ends = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(&[1; 100]).unwrap();
            }
        });
        let kept = desk.keep(&path);
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(matches!(kept, Err(KeepError::Changed | KeepError::Read(_))), "{kept:?}");
    });
}

#[test]
fn of_several_files_each_has_its_own_end() {
    let desk = Desk::new();
    let home = desk.home.path();
    let contents: Vec<Vec<u8>> = (0..40).map(|number| noise(100_000 * (number % 7))).collect();
    let file = |(number, bytes): (usize, &Vec<u8>)| {
        let path = home.join(format!("{number}.jpg"));
        std::fs::write(&path, bytes).unwrap();
        OriginalFile { path, start: None }
    };
    let mut files: Vec<OriginalFile> = contents.iter().enumerate().map(file).collect();
    files.insert(20, OriginalFile { path: home.join("missing"), start: None });
    let mut kept = keep_originals(&desk.store.chunks(), &KEY, &files);
    assert!(matches!(kept.remove(20), Err(KeepError::Read(_))));
    for (manifest, bytes) in kept.into_iter().zip(&contents) {
        assert!(desk.read(&manifest.unwrap()) == *bytes);
    }
}

#[test]
fn more_small_files_than_there_are_buffers_are_kept() {
    let desk = Desk::new();
    let home = desk.home.path();
    let file = |number: usize| {
        let path = home.join(format!("{number}.jpg"));
        std::fs::write(&path, noise(2_000 + number)).unwrap();
        OriginalFile { path, start: None }
    };
    let files: Vec<OriginalFile> = (0..3 * BUFFERS).map(file).collect();
    let kept = keep_originals(&desk.store.chunks(), &KEY, &files);
    for (number, manifest) in kept.into_iter().enumerate() {
        assert!(desk.read(&manifest.unwrap()) == noise(2_000 + number));
    }
}
