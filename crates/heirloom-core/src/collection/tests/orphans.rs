//! Changes of which many wait, and what that costs.

use super::*;
use crate::forged::{Forged, Target, hash_of};
use crate::rows::LogRow;
use heirloom_base::{DeviceId, EntryId};

const HOSTILE: LogId = LogId([9; 16]);
const MANY: u32 = 100_000;
/// Fewer, where each is of another record and costs more rows.
const MANY_RECORDS: u32 = 20_000;
const PER_ENTRY: u32 = 1_000;

/// Returns a storage that knows whose the logs are.
fn known() -> MemoryStorage {
    let mut storage = MemoryStorage::default();
    for log in [ONE, TWO, HOSTILE] {
        let row = LogRow { device: DeviceId([log.0[0]; 32]), seq: 1, id: EntryId([0; 32]) };
        storage.index.insert(rows::key(table::LOG, &[&log.0]), row.to_bytes());
    }
    storage
}

fn rows_of(storage: &MemoryStorage, table: u8) -> usize {
    storage.scan(&[table], None, usize::MAX).unwrap().len()
}

fn target(record: RecordId) -> Target {
    let [actor, other] = [HOSTILE, ONE].map(|log| actor_for(log, record).0);
    Target { heads: vec![ChangeHash([8; 32])], start_op: 9, actor, other }
}

/// Sends many orphans for the records that `record` names by number.
fn send(storage: &mut MemoryStorage, many: u32, record: impl Fn(u32) -> RecordId) -> usize {
    let mut aside = 0;
    for seq in 0..many / PER_ENTRY {
        let parts = (seq * PER_ENTRY..(seq + 1) * PER_ENTRY).map(|number| {
            let record = record(number);
            Part { record, change: target(record).orphan(number) }
        });
        let carrier = carrier(HOSTILE, u64::from(seq) + 1, 20);
        aside += step(storage, carrier, parts.collect()).aside.len();
    }
    aside
}

fn quarantined(storage: &MemoryStorage) -> u64 {
    let key = rows::key(table::QUARANTINE_COUNT, &[&HOSTILE.0]);
    rows::count_from(storage.index.get(&key).cloned()).unwrap()
}

#[test]
fn many_orphans_of_one_record_cost_a_row_each_and_hold_up_no_other_author() {
    let (birth, edit) = birth_and_edit();
    let mut storage = known();
    OPENED.set(0);
    assert_eq!(send(&mut storage, MANY, |_| RECORD), 2, "a word at each bound");
    step(&mut storage, carrier(TWO, 1, 20), edit);
    assert_eq!(rows_of(&storage, table::WAITING), MANY as usize + 1);
    assert_eq!(rows_of(&storage, table::AWAITED), 2, "the first of each log");
    assert_eq!((OPENED.get(), quarantined(&storage)), (0, u64::from(MANY / PER_ENTRY) - 1));
    let bytes: usize = storage
        .scan(&[table::WAITING], None, usize::MAX)
        .unwrap()
        .iter()
        .map(|(key, row)| key.len() + row.len())
        .sum();
    assert!(bytes < 64 * MANY as usize, "{bytes}");
    step(&mut storage, carrier(ONE, 1, 10), birth);
    assert!(row(&storage).deleted, "the honest edit came in");
    assert_eq!((OPENED.get(), rows_of(&storage, table::WAITING)), (1, MANY as usize));
}

#[test]
fn many_orphans_of_many_records_are_bounded_by_their_author() {
    let record = |number: u32| RecordId(hash::truncate(hash::plain(&number.to_le_bytes())));
    let mut storage = known();
    OPENED.set(0);
    assert_eq!(send(&mut storage, MANY_RECORDS, record), 1, "one word about them");
    let (birth, edit) = birth_and_edit();
    step(&mut storage, carrier(TWO, 1, 20), edit);
    let beyond = MANY_RECORDS as usize - limits::WAITING_PER_AUTHOR_MAX;
    assert_eq!(quarantined(&storage), beyond as u64);
    let key = rows::key(table::QUARANTINE_COUNT, &[&TWO.0]);
    assert!(!storage.index.contains_key(&key), "others have their own bound");
    step(&mut storage, carrier(ONE, 1, 10), birth);
    assert!(row(&storage).deleted);
    assert_eq!(OPENED.get(), 1);
}

/// Returns a chain of changes of the hostile log that continues a birth.
fn chain(birth: &[Part], length: u32) -> Vec<Vec<u8>> {
    let mut changes = Vec::new();
    let mut previous = hash_of(&birth[0].change);
    let probe = |start_op| {
        let heads = vec![previous];
        let forged = Target { heads, start_op, ..target(RECORD) }.next(Forged::put("x", "y"));
        let offers = [offered(ONE, &birth[0].change), offered(HOSTILE, &forged.bytes())];
        heirloom_doc::admit(None, RECORD, &offers).applied.len() == 2
    };
    let start_op = (1..99).find(|start_op| probe(*start_op)).unwrap();
    for number in 0..length {
        let target = Target {
            heads: vec![previous],
            start_op: start_op + u64::from(number),
            ..target(RECORD)
        };
        let key = format!("k{number}");
        let bytes =
            Forged { seq: u64::from(number) + 1, ..target.next(Forged::put(&key, "v")) }.bytes();
        previous = hash_of(&bytes);
        changes.push(bytes);
    }
    changes
}

fn offered(log: LogId, change: &[u8]) -> heirloom_doc::Offered {
    heirloom_doc::Offered { log, change: RawChange(change.to_vec()) }
}

#[test]
fn what_is_beyond_the_bound_comes_in_by_itself_and_is_read_once() {
    let (birth, _) = birth_and_edit();
    let length = u32::try_from(limits::WAITING_PER_RECORD_MAX).unwrap() + 500;
    let changes = chain(&birth, length);
    let (mut late, mut early) = (known(), known());
    OPENED.set(0);
    for (seq, change) in (1..).zip(&changes) {
        step(&mut late, carrier(HOSTILE, seq, 20), vec![part(RawChange(change.clone()))]);
    }
    assert_eq!(quarantined(&late), 500);
    step(&mut late, carrier(ONE, 1, 10), birth.clone());
    assert_eq!(OPENED.get(), length as usize, "each entry once");
    for count in [table::WAITING, table::AWAITED, table::WAITING_COUNT, table::QUARANTINE] {
        assert_eq!(rows_of(&late, count), 0);
    }
    assert_eq!(quarantined(&late), 0);
    // Those that come after the birth in one entry make the same record.
    step(&mut early, carrier(ONE, 1, 10), birth);
    for (seq, part_of) in (1..).zip(changes.chunks(700)) {
        let parts = part_of.iter().map(|change| part(RawChange(change.clone()))).collect();
        step(&mut early, carrier(HOSTILE, seq, 20), parts);
    }
    assert_eq!(row(&late).heads, row(&early).heads);
    let document = rows::key(table::DOCUMENT, &[&RECORD.0]);
    assert_eq!(late.index[&document], early.index[&document]);
}

#[test]
fn an_entry_of_very_many_parts_lists_only_some_of_them() {
    let record = |number: u32| RecordId(hash::truncate(hash::plain(&number.to_le_bytes())));
    let mut storage = known();
    let parts = (0..13_000).map(|number| Part { record: record(number), change: Vec::new() });
    let applied = step(&mut storage, carrier(HOSTILE, 1, 20), parts.collect());
    assert_eq!(applied.aside.len(), 13_000);
    assert_eq!(rows_of(&storage, table::QUARANTINE), limits::QUARANTINE_PER_ENTRY_MAX);
    let (birth, _) = birth_and_edit();
    let twice: Vec<Part> = birth.iter().cycle().take(2_000).cloned().collect();
    let applied = step(&mut storage, carrier(ONE, 1, 20), twice);
    assert_eq!((applied.aside.len(), row(&storage).heads.len()), (0, 1));
}

#[test]
fn a_birth_that_waits_is_not_read_again_for_what_does_not_continue_it() {
    let body = "ab cd ef gh\n".repeat(1_000);
    let content = Content::from([
        (key::CATEGORY.to_owned(), Value::Int(2)),
        ("body".to_owned(), Value::Text(body)),
        ("title".to_owned(), text("long")),
    ]);
    let parts: Vec<Part> =
        heirloom_doc::birth(RECORD, &content).unwrap().into_iter().map(part).collect();
    assert_eq!(parts.len(), 3);
    let mut storage = known();
    OPENED.set(0);
    let mut seq = 0;
    let mut send = |storage: &mut MemoryStorage, change: &Part| {
        seq += 1;
        step(storage, carrier(HOSTILE, seq, 20), vec![change.clone()])
    };
    send(&mut storage, &parts[0]);
    for _ in 0..50 {
        let nonsense = Part { record: RECORD, change: vec![0x85; 40] };
        assert_eq!(send(&mut storage, &nonsense).aside.len(), 1);
        assert_eq!(send(&mut storage, &parts[2]).aside.len(), 1, "it leaves a gap");
        assert!(send(&mut storage, &parts[0]).aside.is_empty(), "it came before");
    }
    assert_eq!((OPENED.get(), rows_of(&storage, table::WAITING)), (0, 1));
    send(&mut storage, &parts[1]);
    assert_eq!((OPENED.get(), rows_of(&storage, table::WAITING)), (1, 2));
    // The same birth in another log: what waited belongs to it.
    step(&mut storage, carrier(ONE, 1, 10), parts.clone());
    assert_eq!(rows_of(&storage, table::WAITING) + rows_of(&storage, table::AWAITED), 0);
    assert_eq!(row(&storage).entries.keys().copied().collect::<Vec<_>>(), [ONE, HOSTILE]);
}
