//! Records and what waits for them.

use super::*;
use crate::storage::{Frame, Lsn, MemoryStorage};
use heirloom_base::{Decode as _, Hlc, hash};
use heirloom_doc::actor_for;
use heirloom_sync::Body;
use std::cell::Cell;

mod orders;
mod orphans;
mod verdicts;

const RECORD: RecordId = RecordId([3; 16]);
const ONE: LogId = LogId([1; 16]);
const TWO: LogId = LogId([2; 16]);

fn text(value: &str) -> Value {
    Value::Str(value.into())
}

fn part(change: RawChange) -> Part {
    Part { record: RECORD, change: change.0 }
}

fn carrier(log: LogId, seq: u64, wall_ms: u64) -> Carrier {
    Carrier { log, seq, wall_ms }
}

/// Returns the birth of a record, and an edit of it by the second log.
fn birth_and_edit() -> (Vec<Part>, Vec<Part>) {
    let spec = category::by_id("notes").unwrap();
    let fields = heirloom_formats::parse_assignments(spec, &["title=a".to_owned()]).unwrap();
    let mut content: Content = heirloom_formats::create(spec, &fields, "u", 0).unwrap();
    content.insert(key::CATEGORY.to_owned(), Value::Int(spec.number));
    content.insert(key::UID.to_owned(), text("u"));
    let birth = heirloom_doc::birth(RECORD, &content).unwrap();
    let mut document = Document::from_birth(&birth).unwrap();
    let mark = [(key::DELETED.to_owned(), Some(Value::Int(9)))];
    let hlc = Hlc::from_wall_ms(20);
    let edit = document.edit(actor_for(TWO, RECORD), hlc, &mark).unwrap();
    (birth.into_iter().map(part).collect(), edit.into_iter().map(part).collect())
}

/// Entries in the storage's log, whose changes stand open in the frames.
struct Shelf;

impl Library for Shelf {
    fn account_key(&self) -> &[u8; 32] {
        &[0; 32]
    }

    fn open(&self, view: &View<'_>, log: LogId, seq: u64) -> Result<Opened, StorageError> {
        let frame = view.storage().frame(lsn(log, seq))?;
        OPENED.set(OPENED.get() + 1);
        let body = Body::from_bytes(&frame.payload).unwrap();
        Ok(Opened { wall_ms: 20, heads: Vec::new(), parts: body.parts })
    }
}

thread_local! {
    /// Entries that were opened again.
    static OPENED: Cell<usize> = const { Cell::new(0) };
}

fn lsn(log: LogId, seq: u64) -> Lsn {
    Lsn(u64::from(log.0[0]) << 32 | seq)
}

fn step(storage: &mut MemoryStorage, carrier: Carrier, parts: Vec<Part>) -> Applied {
    let payload = Body { parts: parts.clone() }.to_bytes();
    storage.frames.insert(lsn(carrier.log, carrier.seq), Frame { kind: 1, payload });
    let mut view = View::new(storage);
    let applied = apply(&mut view, &Shelf, vec![(carrier, parts)], Haste::Now).unwrap();
    view.commit(None).unwrap();
    applied
}

fn row(storage: &MemoryStorage) -> RecordIndex {
    crate::view::decode_row(&storage.index[&rows::record_key(2, RECORD)]).unwrap()
}

fn waiting(storage: &MemoryStorage) -> usize {
    storage.scan(&[table::WAITING], None, 100).unwrap().len()
}

#[test]
fn a_change_that_comes_too_early_waits_and_leads_to_the_same_row() {
    let (birth, edit) = birth_and_edit();
    let (mut early, mut ordered) = (MemoryStorage::default(), MemoryStorage::default());
    let applied = step(&mut early, carrier(TWO, 1, 20), edit.clone());
    assert!(applied.changed.is_empty() && applied.aside.is_empty());
    assert_eq!(
        (applied.stuck, waiting(&early)),
        ([TWO].into(), 1),
        "it is told whose change waits"
    );
    step(&mut early, carrier(ONE, 1, 10), birth.clone());
    assert_eq!(waiting(&early), 0);
    step(&mut ordered, carrier(ONE, 1, 10), birth);
    step(&mut ordered, carrier(TWO, 1, 20), edit);
    assert_eq!(early.index, ordered.index);
    let row = row(&early);
    assert_eq!((row.updated_ms, row.updated_by, row.deleted), (20, Some(TWO), true));
    assert_eq!(row.entries, [(ONE, 1), (TWO, 1)].into());
}

#[test]
fn a_waiting_change_is_not_driven_out_by_its_copy_in_another_log() {
    let (birth, edit) = birth_and_edit();
    for copy_first in [false, true] {
        let mut storage = MemoryStorage::default();
        let mut carriers = [carrier(TWO, 1, 20), carrier(LogId([9; 16]), 1, 20)];
        if copy_first {
            carriers.reverse();
        }
        for carrier in carriers {
            step(&mut storage, carrier, edit.clone());
        }
        assert_eq!(waiting(&storage), 1, "the copy is refused at once");
        let applied = step(&mut storage, self::carrier(ONE, 1, 10), birth.clone());
        assert_eq!((waiting(&storage), applied.aside.len()), (0, 0));
        assert!(row(&storage).deleted, "the edit in its author's log counts");
    }
}

#[test]
fn of_equal_clock_readings_the_greater_log_is_the_newest() {
    let (birth, edit) = birth_and_edit();
    for (first, second) in [(ONE, TWO), (TWO, TWO)] {
        let mut storage = MemoryStorage::default();
        step(&mut storage, carrier(first, 1, 5), birth.clone());
        step(&mut storage, carrier(second, 2, 5), edit.clone());
        assert_eq!(row(&storage).updated_by, Some(TWO));
    }
}

#[test]
fn what_is_refused_is_kept_aside_and_harms_nothing() {
    let (birth, edit) = birth_and_edit();
    let mut storage = MemoryStorage::default();
    step(&mut storage, carrier(ONE, 1, 10), birth);
    let before = row(&storage);
    // The edit is the second log's: the first may not carry it.
    let broken = Part { record: RECORD, change: vec![1, 2, 3] };
    let applied = step(&mut storage, carrier(ONE, 2, 30), [edit, vec![broken]].concat());
    assert!(applied.changed.is_empty() && !applied.aside.is_empty());
    assert_eq!(row(&storage), before);
    let aside = storage.scan(&[table::QUARANTINE], None, 100).unwrap();
    assert_eq!(rows::entry_of_key(&aside[0].0), Some((ONE, 2)));
}

#[test]
fn a_document_that_does_not_load_means_a_damaged_index() {
    let (birth, _) = birth_and_edit();
    let mut storage = MemoryStorage::default();
    storage.index.insert(rows::key(table::DOCUMENT, &[&RECORD.0]), vec![1, 2, 3]);
    let mut view = View::new(&mut storage);
    let result = apply(&mut view, &Shelf, vec![(carrier(ONE, 1, 10), birth)], Haste::Now);
    assert!(matches!(result, Err(StorageError::Index(_))));
    let result = Collection::default().document(&storage, RECORD);
    assert!(matches!(result, Err(StorageError::Index(_))));
}

#[test]
fn edits_on_their_way_are_seen_until_they_arrive() {
    let storage = MemoryStorage::default();
    let mut collection = Collection::default();
    assert_eq!(collection.saved(&storage, RECORD), Ok(None));
    let content = Content::from([("l1".to_owned(), Value::Int(1))]);
    let birth = heirloom_doc::birth(RECORD, &content).unwrap();
    let document = Document::from_birth(&birth).unwrap();
    collection.edited(RECORD, ONE, 4, &document);
    collection.arrived(ONE, 3);
    collection.arrived(TWO, 9);
    assert_eq!(collection.saved(&storage, RECORD), Ok(Some(document.save())));
    collection.arrived(ONE, 4);
    assert_eq!(collection.saved(&storage, RECORD), Ok(None));
    collection.edited(RECORD, ONE, 5, &document);
    collection.abandon();
    assert_eq!(collection.saved(&storage, RECORD), Ok(None));
}

#[test]
fn heads_stand_one_behind_the_other() {
    let heads = [ChangeHash(hash::plain(b"a")), ChangeHash(hash::plain(b"b"))];
    let bytes = heads_bytes(&heads);
    assert_eq!((bytes.len(), &bytes[32..]), (64, &heads[1].0[..]));
}
