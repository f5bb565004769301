//! The conformance suite of the index engines, and what becomes of damaged ones.

use super::*;
use heirloom_base::limits::{INDEX_BATCH_MAX, INDEX_VALUE_BYTES_MAX};
use std::collections::BTreeMap;

mod kills;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) const SETTINGS: Settings =
    Settings { kind: IndexKind::Sled, cache_bytes: 8 * 1024 * 1024, flush_every_ms: 10_000 };

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    /// A short key over few letters, so that prefixes and repetitions are common.
    fn key(&mut self) -> Vec<u8> {
        let letters = [0, 1, b'a', b'b', 0xff];
        (0..self.below(5)).map(|_| letters[self.below(letters.len())]).collect()
    }

    fn value(&mut self) -> Vec<u8> {
        let length = match self.below(400) {
            0 => INDEX_VALUE_BYTES_MAX * 2 + self.below(3),
            1 => INDEX_VALUE_BYTES_MAX + self.below(2),
            _ => self.below(40),
        };
        vec![u8::try_from(self.below(256)).unwrap(); length]
    }
}

fn batch(numbers: &mut Numbers) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..numbers.below(8) {
        let key = numbers.key();
        if numbers.below(3) == 0 {
            batch.remove(key);
        } else {
            let value = numbers.value();
            batch.put(key, value);
        }
    }
    batch
}

fn apply(model: &mut Model, batch: &Batch) {
    for (key, value) in &batch.writes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn scan(model: &Model, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Rows {
    let row = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
    let wanted = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
    model.iter().filter(|(key, _)| wanted(key)).take(limit).map(row).collect()
}

fn rows(backend: &dyn Backend) -> Model {
    backend.scan(b"", None, usize::MAX).unwrap().into_iter().collect()
}

fn compare(backend: &dyn Backend, model: &Model, numbers: &mut Numbers, sequence: usize) {
    for _ in 0..4 {
        let (key, prefix) = (numbers.key(), numbers.key());
        assert_eq!(backend.get(&key).unwrap(), model.get(&key).cloned(), "sequence {sequence}");
        let after = (numbers.below(2) == 0).then_some(key.as_slice());
        let limit = numbers.below(6);
        let found = backend.scan(&prefix, after, limit).unwrap();
        assert_eq!(found, scan(model, &prefix, after, limit), "sequence {sequence}");
    }
}

/// Ten thousand random sequences of batches, compared with a sorted map.
fn conform(backend: &mut Arc<dyn Backend>, reopen: &dyn Fn(Arc<dyn Backend>) -> Arc<dyn Backend>) {
    let mut numbers = Numbers(0x5eed_cafe);
    let mut model = Model::new();
    for sequence in 0..10_000 {
        for _ in 0..numbers.below(4) {
            let batch = batch(&mut numbers);
            apply(&mut model, &batch);
            backend.commit(batch).unwrap();
        }
        compare(backend.as_ref(), &model, &mut numbers, sequence);
        if sequence % 1_000 == 999 {
            let closed = std::mem::replace(backend, memory::open().0);
            *backend = reopen(closed);
            assert_eq!(rows(backend.as_ref()), model, "sequence {sequence}");
        }
    }
    let large: Model = (0..2 * INDEX_BATCH_MAX + 1)
        .map(|number| (number.to_be_bytes().to_vec(), vec![1; number % 50]))
        .collect();
    for value in [Some(()), None] {
        let writes = large.iter().map(|(key, row)| (key.clone(), value.map(|()| row.clone())));
        let batch = Batch { writes: writes.collect() };
        apply(&mut model, &batch);
        backend.commit(batch).unwrap();
        assert_eq!(rows(backend.as_ref()), model);
    }
    backend.sync().unwrap();
}

#[test]
fn memory_conforms() {
    conform(&mut memory::open().0, &|backend| backend);
}

#[test]
fn sled_conforms() {
    let home = tempfile::tempdir().unwrap();
    let open = || super::sled::open(home.path(), SETTINGS).unwrap().0;
    conform(&mut open(), &|closed| {
        drop(closed);
        open()
    });
}

fn filled(home: &Path) -> Model {
    let index = Index::open(home, SETTINGS);
    let mut model = Model::new();
    for group in 0..20_u32 {
        let mut batch = Batch::default();
        for row in 0..100_u32 {
            let key = [group.to_be_bytes(), row.to_be_bytes()].concat();
            batch.put(key, vec![u8::try_from(row).unwrap(); 200]);
        }
        batch.put(group.to_be_bytes().to_vec(), vec![3; INDEX_VALUE_BYTES_MAX + 1]);
        apply(&mut model, &batch);
        index.backend().commit(batch).unwrap();
    }
    index.backend().sync().unwrap();
    drop(index);
    // sled writes its snapshot when it opens.
    drop(Index::open(home, SETTINGS));
    model
}

fn files(home: &Path, which: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = entries(&home.join(FOLDER)).unwrap();
    found.retain(|path| which(path.file_name().unwrap().to_str().unwrap()));
    found
}

/// Opens an index that was tampered with: it opens, says nothing wrong, and can be replaced.
fn survives(home: &Path, model: &Model) -> (IndexState, usize) {
    let mut index = Index::open(home, SETTINGS);
    let mut found = 0;
    for (key, value) in model {
        match index.backend().get(key) {
            Ok(Some(read)) => {
                assert_eq!(&read, value);
                found += 1;
            }
            Ok(None) => {}
            Err(first) => {
                assert_eq!(index.backend().get(b"anything"), Err(first.clone()));
                assert_eq!(index.backend().commit(Batch::default()), Err(first.clone()));
                assert_eq!(index.backend().scan(b"", None, 1), Err(first.clone()));
                assert_eq!(index.backend().sync(), Err(first));
                break;
            }
        }
    }
    let state = index.state();
    index.discard().unwrap();
    assert_eq!(index.state(), IndexState::Rebuilt);
    assert_eq!(rows(index.backend().as_ref()), Model::new());
    let mut batch = Batch::default();
    batch.put(b"new".to_vec(), b"row".to_vec());
    index.backend().commit(batch).unwrap();
    drop(index);
    let index = Index::open(home, SETTINGS);
    assert_eq!(index.backend().get(b"new").unwrap().unwrap(), b"row");
    let aside = entries(home).unwrap();
    let aside = aside.iter().filter(|path| path.to_string_lossy().ends_with(".damaged")).count();
    assert!(aside <= 1);
    (state, found)
}

#[test]
fn an_unfinished_snapshot_is_removed_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let model = filled(home.path());
    let leftover = home.path().join(FOLDER).join("snap.00000000000FFFFF.generating");
    std::fs::write(leftover, b"half").unwrap();
    assert_eq!(survives(home.path(), &model), (IndexState::Opened, model.len()));
}

#[test]
fn a_damaged_snapshot_is_removed_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let model = filled(home.path());
    let snapshots = files(home.path(), |name| name.starts_with("snap."));
    assert!(!snapshots.is_empty());
    for snapshot in snapshots {
        std::fs::write(snapshot, b"").unwrap();
    }
    assert_eq!(survives(home.path(), &model), (IndexState::Repaired, model.len()));
}

#[test]
fn missing_snapshots_and_a_missing_configuration_cost_nothing() {
    for prefix in ["snap.", "conf"] {
        let home = tempfile::tempdir().unwrap();
        let model = filled(home.path());
        for file in files(home.path(), |name| name.starts_with(prefix)) {
            std::fs::remove_file(file).unwrap();
        }
        assert_eq!(survives(home.path(), &model), (IndexState::Opened, model.len()), "{prefix}");
    }
}

#[test]
fn garbage_in_place_of_the_index_is_put_aside() {
    for garbage in ["folder", "db", "all"] {
        let home = tempfile::tempdir().unwrap();
        let model = filled(home.path());
        let folder = home.path().join(FOLDER);
        match garbage {
            "folder" => {
                std::fs::remove_dir_all(&folder).unwrap();
                std::fs::write(&folder, "a file").unwrap();
            }
            "db" => std::fs::write(folder.join("db"), vec![0x5a; 100_000]).unwrap(),
            _ => {
                for file in files(home.path(), |_| true).iter().filter(|file| file.is_file()) {
                    std::fs::write(file, vec![0xa5; 10_000]).unwrap();
                }
            }
        }
        let (state, found) = survives(home.path(), &model);
        assert_eq!((state, found), (IndexState::Rebuilt, 0), "{garbage}");
    }
}

#[test]
fn a_deleted_index_is_simply_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    let model = filled(home.path());
    std::fs::remove_dir_all(home.path().join(FOLDER)).unwrap();
    assert_eq!(survives(home.path(), &model), (IndexState::New, 0));
}

#[test]
fn a_cut_index_never_answers_with_a_wrong_value() {
    for (cut, snapshots) in [(4_096, true), (65_536, true), (524_288, false), (100, false)] {
        let home = tempfile::tempdir().unwrap();
        let model = filled(home.path());
        let path = home.path().join(FOLDER).join("db");
        let db = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let length = db.metadata().unwrap().len();
        db.set_len(length.saturating_sub(cut)).unwrap();
        if !snapshots {
            remove_files(&home.path().join(FOLDER), |name| name.starts_with("snap.")).unwrap();
        }
        survives(home.path(), &model);
    }
}

#[test]
fn an_index_that_does_not_open_is_kept() {
    for damage in ["halved", "zeroed", "garbage"] {
        let home = tempfile::tempdir().unwrap();
        filled(home.path());
        let path = home.path().join(FOLDER).join("db");
        let mut bytes = std::fs::read(&path).unwrap();
        match damage {
            "halved" => bytes.truncate(bytes.len() / 2),
            "zeroed" => bytes.fill(0),
            _ => bytes.fill(0xa5),
        }
        std::fs::write(&path, &bytes).unwrap();
        let index = Index::open(home.path(), SETTINGS);
        assert_eq!(
            (index.state(), rows(index.backend().as_ref())),
            (IndexState::Rebuilt, Model::new())
        );
        // The engine may have written to it before it gave up.
        let kept = home.path().join("index-1.damaged").join("db");
        assert!(kept.is_file(), "{damage}");
    }
}

#[test]
fn flipped_bits_and_zeroed_blocks_never_make_a_wrong_value() {
    let source = tempfile::tempdir().unwrap();
    let model = filled(source.path());
    let bytes = std::fs::read(source.path().join(FOLDER).join("db")).unwrap();
    let mut numbers = Numbers(0xb17_f11b);
    for round in 0..8 {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(FOLDER).join("blobs")).unwrap();
        for file in files(source.path(), |_| true).iter().filter(|file| file.is_file()) {
            let target = home.path().join(FOLDER).join(file.file_name().unwrap());
            std::fs::copy(file, target).unwrap();
        }
        let mut damaged = bytes.clone();
        if round % 2 == 0 {
            let at = numbers.below(damaged.len());
            damaged[at] ^= 1 << numbers.below(8);
        } else {
            let at = numbers.below(damaged.len() / 4096) * 4096;
            damaged[at..at + 4096].fill(0);
        }
        std::fs::write(home.path().join(FOLDER).join("db"), damaged).unwrap();
        survives(home.path(), &model);
    }
}

#[test]
fn only_the_newest_index_that_was_put_aside_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let mut index = Index::open(home.path(), SETTINGS);
    for _ in 0..3 {
        index.discard().unwrap();
    }
    let mut aside = entries(home.path()).unwrap();
    aside.retain(|path| path.to_string_lossy().ends_with(".damaged"));
    assert_eq!(aside, [home.path().join("index-3.damaged")]);
}

#[test]
fn where_no_index_can_be_written_it_is_in_memory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut index = Index::open(file.path(), SETTINGS);
    assert_eq!(index.state(), IndexState::InMemory);
    let mut batch = Batch::default();
    batch.put(b"key".to_vec(), b"value".to_vec());
    index.backend().commit(batch).unwrap();
    assert_eq!(index.backend().get(b"key").unwrap().unwrap(), b"value");
    index.discard().unwrap();
    assert_eq!((index.state(), index.backend().get(b"key")), (IndexState::InMemory, Ok(None)));
}

/// An engine that never closes while its channel is open.
#[derive(Debug)]
struct Stuck(std::sync::Mutex<mpsc::Receiver<()>>);

impl Backend for Stuck {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Err(IndexError("its disk refused a write".to_owned()))
    }

    fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Rows, IndexError> {
        Err(IndexError("its disk refused a write".to_owned()))
    }

    fn commit(&self, _: Batch) -> Result<(), IndexError> {
        Err(IndexError("its disk refused a write".to_owned()))
    }

    fn sync(&self) -> Result<(), IndexError> {
        Err(IndexError("its disk refused a write".to_owned()))
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.0.get_mut().unwrap().recv();
    }
}

#[test]
fn an_engine_that_does_not_close_holds_nobody_up() {
    let home = tempfile::tempdir().unwrap();
    let mut index = Index::open(home.path(), SETTINGS);
    index.backend().sync().unwrap();
    let (held, stuck) = mpsc::channel::<()>();
    index.backend = Arc::new(Stuck(std::sync::Mutex::new(stuck)));
    assert!(index.backend().get(b"a").is_err());
    index.discard().unwrap();
    let mut batch = Batch::default();
    batch.put(b"a".to_vec(), b"1".to_vec());
    index.backend().commit(batch).unwrap();
    assert_eq!(index.backend().get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(index.state(), IndexState::Rebuilt);
    drop(held);
}
