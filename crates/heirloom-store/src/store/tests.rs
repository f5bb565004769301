use super::*;
use crate::disk::faulty::{Crash, Fault, FaultyDisk};
use crate::log::Damage;
use heirloom_base::hash;

mod faults;
mod queue;

const SEGMENT_BYTES: usize = 4096;

fn options(disk: &FaultyDisk) -> StoreOptions {
    StoreOptions {
        index: IndexKind::Memory,
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 1_000,
        disk: Arc::new(disk.clone()),
        ..StoreOptions::default()
    }
}

fn sled_options() -> StoreOptions {
    StoreOptions { segment_bytes: SEGMENT_BYTES, reserve_bytes: 1_000, ..StoreOptions::default() }
}

fn frame(mark: u8, length: usize) -> Frame {
    Frame { kind: mark, payload: vec![mark; length] }
}

fn chunk(mark: u8) -> (ChunkId, Vec<u8>) {
    let bytes = vec![mark; 700];
    (ChunkId(hash::plain(&bytes)), bytes)
}

fn request(mark: u8, length: usize) -> AppendRequest {
    AppendRequest { chunks: Vec::new(), frames: vec![frame(mark, length)] }
}

fn marks(store: &Store) -> Vec<u8> {
    store.frames(None).map(|item| item.unwrap().1.kind).collect()
}

fn put(store: &mut Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(key.to_vec(), value.to_vec());
    store.commit(batch).unwrap();
}

fn codes(store: &Store) -> Vec<&'static str> {
    store.problems().into_iter().map(|problem| problem.code).collect()
}

#[test]
fn a_home_is_made_used_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("deep").join("home");
    assert!(!Store::exists(&home));
    let mut store = Store::open(&home, &sled_options()).unwrap();
    let generation = store.generation();
    let (id, bytes) = chunk(1);
    let chunks = vec![(id, bytes.clone())];
    let positions = store.append(AppendRequest { chunks, frames: vec![frame(7, 9)] }).unwrap();
    put(&mut store, b"applied", &positions[0].0.to_be_bytes());
    put(&mut store, b"long", &[5; 200_000]);
    assert_eq!(codes(&store), [""; 0]);
    drop(store);

    assert!(Store::exists(&home));
    let mut names: Vec<_> = std::fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["FORMAT", "LOCK", "index", "log", "packs", "quarantine", "reserve", "tmp"];
    assert_eq!(names, expected);
    let store = Store::open(&home, &sled_options()).unwrap();
    assert_eq!(store.generation(), generation);
    assert_eq!(store.index_state(), IndexState::Opened);
    assert_eq!(store.get(b"applied").unwrap().unwrap(), positions[0].0.to_be_bytes());
    assert_eq!(store.scan(b"l", None, 9).unwrap(), [(b"long".to_vec(), vec![5; 200_000])]);
    assert_eq!(store.frame(positions[0]), Ok(frame(7, 9)));
    assert!(store.has_chunk(id));
    assert_eq!(store.chunk(id), Ok(bytes));
    assert_eq!(store.recovery(), &Recovery { frames: 1, ..Recovery::default() });
}

#[test]
fn only_its_owner_can_look_into_a_home() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let store = Store::open(&home, &sled_options()).unwrap();
    store.write_chunk(chunk(1).0, &chunk(1).1).unwrap();
    store.append(request(1, 1)).unwrap();
    assert_eq!(std::fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
    for path in ["LOCK", "FORMAT", "reserve", "log/00000001.seg", "index/db"] {
        assert!(home.join(path).exists(), "{path}");
    }
    let mut folders = vec![home];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::metadata(&path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
            folders.extend(metadata.is_dir().then_some(path));
        }
    }
}

#[test]
fn a_home_in_use_says_by_whom_until_the_last_user_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), &sled_options()).unwrap();
    let refused = Store::open(home.path(), &sled_options()).unwrap_err();
    let expected = format!("the home is in use by process {}", std::process::id());
    assert_eq!(refused.to_string(), expected);
    let (queue, chunks) = (store.queue().unwrap(), store.chunks());
    drop(store);
    assert!(matches!(Store::open(home.path(), &sled_options()), Err(OpenError::Lock(_))));
    drop(queue);
    assert!(matches!(Store::open(home.path(), &sled_options()), Err(OpenError::Lock(_))));
    drop(chunks);
    Store::open(home.path(), &sled_options()).unwrap();
}

#[test]
fn a_home_of_a_newer_version_is_refused_and_not_touched() {
    let home = tempfile::tempdir().unwrap();
    let text = "heirloom-store 9\nmin_reader 9\n";
    std::fs::write(home.path().join("FORMAT"), text).unwrap();
    let disk = FaultyDisk::sound();
    let refused = Store::open(home.path(), &options(&disk));
    assert!(matches!(refused, Err(OpenError::Newer { found: 9 })));
    assert_eq!(disk.operations(), 0);
    assert_eq!(std::fs::read_to_string(home.path().join("FORMAT")).unwrap(), text);
}

#[test]
fn a_disk_that_takes_no_writes_is_an_error_with_its_cause() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::sound();
    disk.fail_next(Fault::Lasting);
    let refused = Store::open(home.path(), &options(&disk)).unwrap_err();
    assert!(matches!(&refused, OpenError::Io { .. }), "{refused}");
    assert_eq!(std::error::Error::source(&refused).unwrap().to_string(), "injected for good");
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(Store::open(file.path(), &sled_options()), Err(OpenError::Lock(_))));
}

#[test]
fn a_lost_or_damaged_format_file_is_written_anew_and_told() {
    for damage in [None, Some("rubbish")] {
        let home = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::sound();
        let store = Store::open(home.path(), &options(&disk)).unwrap();
        let generation = store.generation();
        store.append(request(3, 10)).unwrap();
        drop(store);
        match damage {
            None => std::fs::remove_file(home.path().join("FORMAT")).unwrap(),
            Some(text) => std::fs::write(home.path().join("FORMAT"), text).unwrap(),
        }
        let store = Store::open(home.path(), &options(&disk)).unwrap();
        assert_eq!((marks(&store), codes(&store)), (vec![3], vec!["format-rewritten"]));
        assert_ne!(store.generation(), generation);
        let kept = home.path().join("quarantine").join("FORMAT.damaged");
        assert_eq!(std::fs::read_to_string(kept).ok().as_deref(), damage);
    }
}

#[test]
fn an_index_of_another_engine_is_put_aside() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path(), &sled_options()).unwrap();
    let generation = store.generation();
    put(&mut store, b"key", b"value");
    drop(store);
    let disk = FaultyDisk::sound();
    let store = Store::open(home.path(), &options(&disk)).unwrap();
    assert_eq!((store.get(b"key"), store.generation()), (Ok(None), generation));
    assert!(!home.path().join("index").exists());
    drop(store);
    let store = Store::open(home.path(), &sled_options()).unwrap();
    assert_eq!((store.get(b"key"), store.index_state()), (Ok(None), IndexState::New));
}

#[test]
fn what_the_index_does_not_have_yet_is_read_like_the_rest_and_handed_on_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), &sled_options()).unwrap();
    for key in [b"a1", b"a2", b"a3"] {
        put(&mut store, key, b"old");
    }
    store.settle_index().unwrap();
    let mut batch = Batch::default();
    batch.put(b"a0".to_vec(), b"new".to_vec());
    batch.put(b"a2".to_vec(), b"new".to_vec());
    batch.remove(b"a3".to_vec());
    store.commit(batch).unwrap();
    let rows = |store: &Store, after: Option<&[u8]>, limit: usize| -> Vec<(Vec<u8>, Vec<u8>)> {
        store.scan(b"a", after, limit).unwrap()
    };
    let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    let read = |store: &Store| {
        assert_eq!(store.get(b"a2").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(store.get(b"a3").unwrap(), None);
        assert_eq!(store.get(b"a1").unwrap().as_deref(), Some(&b"old"[..]));
        let all = [row(b"a0", b"new"), row(b"a1", b"old"), row(b"a2", b"new")];
        assert_eq!(rows(store, None, 9), all);
        assert_eq!(rows(store, None, 2), all[..2]);
        assert_eq!(rows(store, Some(b"a1"), 2), all[2..]);
    };
    read(&store);
    let below = |store: &Store| store.index.backend().scan(b"a", None, 9).unwrap();
    assert_eq!(below(&store).len(), 3, "the engine knows nothing of it");
    assert!(below(&store).iter().all(|(_, value)| value == b"old"));
    store.settle_index().unwrap();
    assert_eq!(below(&store), rows(&store, None, 9));
    read(&store);
    put(&mut store, b"large", &[1; 200_000]);
    store.settle_index().unwrap();
    assert!(store.index.backend().get(b"large").unwrap().is_some(), "it is there");
    put(&mut store, b"gone", b"x");
    store.discard_index().unwrap();
    assert_eq!(store.get(b"gone").unwrap(), None);
}

#[test]
fn an_index_that_is_lost_is_filled_again_from_the_log() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), &sled_options()).unwrap();
    for mark in 0..50 {
        store.append(request(mark, 200)).unwrap();
    }
    drop(store);
    for damage in ["deleted", "garbage"] {
        let index = home.path().join("index");
        std::fs::remove_dir_all(&index).unwrap();
        if damage == "garbage" {
            std::fs::write(&index, "garbage").unwrap();
        }
        let mut store = Store::open(home.path(), &sled_options()).unwrap();
        assert_eq!(codes(&store).is_empty(), damage == "deleted");
        assert_eq!(store.get(b"applied"), Ok(None));
        for item in store.frames(None) {
            let (lsn, frame) = item.unwrap();
            put(&mut store, &[frame.kind], &frame.payload);
            put(&mut store, b"applied", &lsn.0.to_be_bytes());
        }
        assert_eq!(store.scan(b"", None, 99).unwrap().len(), 51);
        store.sync_index().unwrap();
    }
}

#[test]
fn an_index_that_knows_more_than_the_log_can_be_recognised_and_discarded() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path(), &sled_options()).unwrap();
    let mut applied = Lsn(0);
    for mark in 0..40 {
        applied = store.append(request(mark, 200)).unwrap()[0];
        put(&mut store, b"applied", &applied.0.to_be_bytes());
    }
    assert!(applied < store.end());
    store.settle_index().unwrap();
    drop(store);
    let log = home.path().join("log");
    let last = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    std::fs::remove_file(last).unwrap();
    let mut store = Store::open(home.path(), &sled_options()).unwrap();
    assert!(applied >= store.end());
    store.discard_index().unwrap();
    assert_eq!(store.get(b"applied"), Ok(None));
    assert_eq!(codes(&store), ["index-rebuilt"]);
    assert!(marks(&store).len() >= 20);
}

#[test]
fn what_is_damaged_is_told_with_its_fix() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::sound();
    let store = Store::open(home.path(), &options(&disk)).unwrap();
    for mark in 0..60 {
        store.append(request(mark, 200)).unwrap();
    }
    let (id, bytes) = chunk(1);
    store.write_chunk(id, &bytes).unwrap();
    drop(store);
    let segment = home.path().join("log").join("00000001.seg");
    let mut damaged = std::fs::read(&segment).unwrap();
    damaged[300] ^= 1;
    std::fs::write(&segment, damaged).unwrap();
    std::fs::remove_file(home.path().join("log").join("00000002.seg")).unwrap();
    let hex = id.to_string();
    std::fs::write(home.path().join("packs").join(&hex[..2]).join(&hex), "no chunk").unwrap();

    let store = Store::open(home.path(), &options(&disk)).unwrap();
    assert_eq!(store.recovery().damaged[0].damage, Damage::Frames { bytes: 216 });
    assert_eq!(store.recovery().damaged[1].damage, Damage::Missing { files: 1 });
    assert_eq!(store.chunk(id), Err(StorageError::Chunk(id)));
    disk.fail_next(Fault::Lasting);
    store.append(request(1, 1)).unwrap_err();
    let expected = ["log-closed", "log-damaged", "log-damaged", "chunks-lost"];
    assert_eq!(codes(&store), expected);
    let sentence = |text: &str| text.ends_with('.') && text.starts_with(char::is_uppercase);
    for problem in store.problems() {
        assert!(sentence(&problem.fix), "{}", problem.fix);
        assert!(problem.text.ends_with('.'), "{}", problem.text);
    }
    store.chunks().forget_lost(&[chunk(2).0].into());
    assert!(codes(&store).contains(&"chunks-lost"));
    store.chunks().forget_lost(&[id].into());
    assert!(!codes(&store).contains(&"chunks-lost"), "nobody needs it");
    disk.repair();
    store.reopen_log().unwrap();
    store.append(request(2, 1)).unwrap();
    assert!(!codes(&store).contains(&"log-closed"));
}

#[test]
fn the_sizes_are_those_on_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), &sled_options()).unwrap();
    let before = store.sizes();
    assert!(before.reserve > 0 && before.index > 0);
    store.append(request(1, 100)).unwrap();
    store.write_chunk(chunk(1).0, &chunk(1).1).unwrap();
    let after = store.sizes();
    assert!(after.log >= before.log + SEGMENT_BYTES as u64);
    assert!(after.chunks > before.chunks);
}

#[test]
fn a_full_disk_takes_small_writes_and_refuses_the_rest_untouched() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::sound();
    let store = Store::open(home.path(), &options(&disk)).unwrap();
    store.append(request(1, 1_000)).unwrap();
    disk.set_available(500);
    let (id, bytes) = chunk(1);
    let large = AppendRequest { chunks: vec![(id, bytes.clone())], frames: vec![frame(2, 10)] };
    let operations = disk.operations();
    assert_eq!(store.append(large.clone()), Err(AppendError::Full));
    assert_eq!(store.write_chunk(id, &bytes), Err(AppendError::Full));
    assert_eq!(disk.operations(), operations);
    assert_eq!(codes(&store), ["disk-full"], "it is said before the reserve is used");
    store.append(request(3, 10)).unwrap();
    assert!(!home.path().join("reserve").exists());
    assert_eq!(codes(&store), ["disk-full"]);
    assert_eq!(store.frame(store.frames(None).next().unwrap().unwrap().0), Ok(frame(1, 1_000)));
    disk.set_available(u64::MAX);
    store.append(large).unwrap();
    assert_eq!((marks(&store), codes(&store)), (vec![1, 3, 2], vec![]));
    assert!(home.path().join("reserve").exists());
}

#[test]
fn what_a_killed_program_was_writing_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::sound();
    drop(Store::open(home.path(), &options(&disk)).unwrap());
    let leftover = home.path().join("tmp").join("4711-0");
    std::fs::write(&leftover, "half").unwrap();
    drop(Store::open(home.path(), &options(&disk)).unwrap());
    assert!(!leftover.exists());
}

#[test]
fn a_replay_shows_each_frame_once_in_order() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::sound();
    let store = Store::open(home.path(), &options(&disk)).unwrap();
    let positions: Vec<Lsn> =
        (0..30).flat_map(|mark| store.append(request(mark, 500)).unwrap()).collect();
    let mut seen = Vec::new();
    store.replay(Some(positions[9]), &mut |lsn, frame| seen.push((lsn, frame.kind))).unwrap();
    let expected: Vec<_> = positions.into_iter().zip(0..).skip(10).collect();
    assert_eq!(seen, expected);
}
