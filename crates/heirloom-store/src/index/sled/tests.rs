use super::super::tests::SETTINGS;
use super::*;

fn raw(folder: &Path, rows: &[Write]) {
    let db = open_db(folder, SETTINGS).unwrap();
    for (key, value) in rows {
        match value {
            Some(value) => db.insert(key, value.as_slice()).unwrap(),
            None => db.remove(key).unwrap(),
        };
    }
    db.flush().unwrap();
}

fn keys(folder: &Path) -> Vec<Vec<u8>> {
    let db = open_db(folder, SETTINGS).unwrap();
    db.iter().keys().map(|key| key.unwrap().to_vec()).collect()
}

fn row(key: &[u8], value: &[u8]) -> Write {
    (rows::row_key(key), Some([&[0], value].concat()))
}

/// An index with one row, in which a batch of two was written to the journal.
fn with_journal(folder: &Path) {
    let mut batch = Batch::default();
    batch.put(b"old".to_vec(), b"1".to_vec());
    open(folder, SETTINGS).unwrap().0.commit(batch).unwrap();
    let removal = (rows::row_key(b"old"), None);
    raw(folder, &[rows::journal(0, &row(b"new", b"2")), rows::journal(1, &removal)]);
}

#[test]
fn damage_is_told_without_what_is_for_the_makers_of_the_engine() {
    let damage = sled::Error::Corruption { at: None, bt: () };
    let panic = format!("called `Result::unwrap()` on an `Err` value: {damage:?}");
    assert_eq!(in_short(&panic), "the file of the index is damaged");
    assert_eq!(in_short("index out of bounds"), "index out of bounds");
    assert_eq!(Trouble::from(damage).to_string(), "the file of the index is damaged");
    let other = sled::Error::Unsupported("x".to_owned());
    assert_eq!(Trouble::from(other.clone()).to_string(), other.to_string());
}

#[test]
fn a_journal_that_was_not_completed_never_happened() {
    let folder = tempfile::tempdir().unwrap();
    with_journal(folder.path());
    let (index, state) = open(folder.path(), SETTINGS).unwrap();
    assert_eq!(state, IndexState::Opened);
    assert_eq!(index.scan(b"", None, 9).unwrap(), [(b"old".to_vec(), b"1".to_vec())]);
    drop(index);
    assert_eq!(keys(folder.path()), [b"f".to_vec(), b"rold".to_vec()]);
}

#[test]
fn a_journal_that_was_completed_is_carried_out_as_often_as_needed() {
    let folder = tempfile::tempdir().unwrap();
    with_journal(folder.path());
    // A crash after the first row was carried out and before it left the journal.
    raw(folder.path(), &[(rows::MARK.to_vec(), Some(Vec::new())), row(b"new", b"2")]);
    for _ in 0..2 {
        let (index, _) = open(folder.path(), SETTINGS).unwrap();
        assert_eq!(index.scan(b"", None, 9).unwrap(), [(b"new".to_vec(), b"2".to_vec())]);
    }
    assert_eq!(keys(folder.path()), [b"f".to_vec(), b"rnew".to_vec()]);
}

#[test]
fn a_large_batch_leaves_no_journal_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (index, _) = open(folder.path(), SETTINGS).unwrap();
    let mut batch = Batch::default();
    for number in 0..90_u8 {
        batch.put(vec![number], vec![number; INDEX_VALUE_BYTES_MAX]);
    }
    index.commit(batch).unwrap();
    drop(index);
    assert!(keys(folder.path()).iter().all(|key| key[0] == b'f' || key[0] == b'r'));
}

#[test]
fn no_value_that_sled_gets_is_long_enough_for_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (index, _) = open(folder.path(), SETTINGS).unwrap();
    for length in [500_000, INDEX_VALUE_BYTES_MAX, 10, 200_000] {
        let mut batch = Batch::default();
        batch.put(b"key".to_vec(), vec![7; length]);
        index.commit(batch).unwrap();
        assert_eq!(index.get(b"key").unwrap().unwrap().len(), length);
    }
    drop(index);
    let db = open_db(folder.path(), SETTINGS).unwrap();
    assert!(db.iter().values().all(|value| value.unwrap().len() <= INDEX_VALUE_BYTES_MAX + 9));
    assert_eq!(db.len(), 2 + 200_000_usize.div_ceil(INDEX_VALUE_BYTES_MAX));
}

#[test]
fn damage_to_our_own_layout_is_an_error_and_the_last_answer() {
    let part = || (rows::part_key(b"k", 0), Some(vec![1; 3]));
    let in_parts = |parts: u8| (rows::row_key(b"k"), Some(vec![1, 0, 0, 0, parts, 0, 0, 0, 9]));
    let cases: [&[Write]; 4] = [
        &[(rows::row_key(b"k"), Some(Vec::new()))],
        &[(rows::row_key(b"k"), Some(vec![9, 9]))],
        &[in_parts(1)],
        &[in_parts(1), part()],
    ];
    for damage in cases {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), SETTINGS).unwrap());
        raw(folder.path(), damage);
        let (index, _) = open(folder.path(), SETTINGS).unwrap();
        assert_eq!(index.get(b"other").unwrap(), None);
        let error = index.get(b"k").unwrap_err();
        assert_eq!(index.get(b"other"), Err(error));
    }
}

#[test]
fn an_index_of_another_layout_does_not_open() {
    for version in [None, Some(vec![1]), Some(vec![VERSION[0] + 1])] {
        let folder = tempfile::tempdir().unwrap();
        raw(folder.path(), &[row(b"a", b"b")]);
        raw(folder.path(), &[(rows::FORMAT.to_vec(), version)]);
        assert!(open(folder.path(), SETTINGS).is_err());
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), SETTINGS).unwrap());
    crate::regular::tests::put_fifo(&folder.path().join("conf"));
    assert!(open(folder.path(), SETTINGS).is_err());
}

#[test]
fn an_engine_that_does_not_come_back_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (index, _) = open(folder.path(), SETTINGS).unwrap();
    assert!(index.get(b"a").is_ok());
    super::super::silent(&index);
    assert!(index.get(b"a").is_err());
    assert!(open(folder.path(), SETTINGS).is_err(), "another one would wait too");
}
