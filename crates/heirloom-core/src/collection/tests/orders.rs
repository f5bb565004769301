//! Whatever the order in which logs arrive, the records are the same.

use super::*;
use crate::forged::{Forged, Target, hash_of};
use heirloom_doc::Heads;
use proptest::prelude::*;

const HOSTILE: [LogId; 2] = [LogId([8; 16]), LogId([9; 16])];

/// What two honest devices wrote: a birth of several parts in both logs, and
/// edits by turns.
struct Honest {
    logs: [Vec<Vec<Part>>; 2],
    birth: Vec<Part>,
    edits: Vec<Part>,
    start_op: u64,
}

/// A body whose birth has one part, or two.
const LETTERS: [usize; 2] = [20, 4_200];

fn honest(letters: usize) -> Honest {
    let content = Content::from([
        (key::CATEGORY.to_owned(), Value::Int(2)),
        (key::UID.to_owned(), text("u")),
        ("body".to_owned(), Value::Text("x".repeat(letters))),
        ("title".to_owned(), text("long")),
    ]);
    let birth = heirloom_doc::birth(RECORD, &content).unwrap();
    let mut document = Document::from_birth(&birth).unwrap();
    let birth: Vec<Part> = birth.into_iter().map(part).collect();
    let mut logs = [ONE, TWO].map(|_| birth.iter().map(|part| vec![part.clone()]).collect());
    let [one, two]: &mut [Vec<Vec<Part>>; 2] = &mut logs;
    let mut edits = Vec::new();
    for (number, log) in (0..).zip([ONE, TWO, TWO, ONE, TWO]) {
        let title = [("title".to_owned(), Some(text(&number.to_string())))];
        let hlc = Hlc::from_wall_ms(20 + number);
        let changes = document.edit(actor_for(log, RECORD), hlc, &title).unwrap();
        let parts: Vec<Part> = changes.into_iter().map(part).collect();
        edits.extend(parts.clone());
        if log == ONE { one.push(parts) } else { two.push(parts) }
    }
    // Four keys, and an operation for every letter.
    let start_op = letters as u64 + 5;
    Honest { logs, birth, edits, start_op }
}

fn target(log: LogId, birth: &[Part], start_op: u64) -> Target {
    let heads = vec![hash_of(&birth.last().unwrap().change)];
    let [actor, other] = [log, ONE].map(|log| actor_for(log, RECORD).0);
    Target { heads, start_op, actor, other }
}

/// Returns something that a hostile log may say.
fn said(honest: &Honest, log: LogId, what: u8) -> Part {
    let Honest { birth, edits, start_op, .. } = honest;
    let target = target(log, birth, *start_op);
    let put = |title: &str, seq| Forged { seq, ..target.next(Forged::put("title", title)) };
    let first = put("first", 1);
    let second = |title| Forged {
        dependencies: vec![hash_of(&first.bytes())],
        start_op: start_op + 1,
        ..put(title, 2)
    };
    let on = |dependency: &Part, offset| Forged {
        dependencies: vec![hash_of(&dependency.change)],
        start_op: start_op + offset,
        ..put("on", 1)
    };
    let attacks = target.attacks();
    let change = match what {
        0 => first.bytes(),
        1 => put("rival", 1).bytes(),
        2 => second("second").bytes(),
        3 => second("its rival").bytes(),
        4 => on(&edits[0], 1).bytes(),
        5 => on(&edits[4], 5).bytes(),
        6 => target.orphan(1),
        7 => edits[1].change.clone(),
        8 => birth[0].change.clone(),
        9 => birth.last().unwrap().change.clone(),
        other => attacks[usize::from(other) % attacks.len()].1.clone(),
    };
    Part { record: RECORD, change }
}

type Log = (LogId, Vec<Vec<Part>>);

/// Lets logs arrive, each in its own order, mixed by `picks`.
fn arrived(logs: &[Log], picks: &[prop::sample::Index]) -> MemoryStorage {
    let mut storage = MemoryStorage::default();
    let mut places = vec![0; logs.len()];
    let mut picks = picks.iter().cycle();
    loop {
        let open: Vec<usize> =
            (0..logs.len()).filter(|log| places[*log] < logs[*log].1.len()).collect();
        if open.is_empty() {
            return storage;
        }
        let which = open[picks.next().unwrap().index(open.len())];
        let (log, entries) = &logs[which];
        let parts = entries[places[which]].clone();
        places[which] += 1;
        step(&mut storage, carrier(*log, places[which] as u64, 20), parts);
    }
}

fn document(storage: &MemoryStorage) -> Document {
    load(&storage.index[&rows::key(table::DOCUMENT, &[&RECORD.0])]).unwrap()
}

/// Returns what the record's queues wait for. What stands behind may differ:
/// of two equal changes in one queue, one is dropped where they meet.
fn awaited(storage: &MemoryStorage) -> Vec<(Vec<u8>, Vec<u8>)> {
    storage.scan(&[table::AWAITED], None, 1_000).unwrap()
}

/// What the two hostile logs say, entry by entry.
fn speeches() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let entry = prop::collection::vec(0u8..30, 1..4);
    prop::collection::vec(prop::collection::vec(entry, 0..6), 2)
}

/// Orders in which logs arrive.
fn orders() -> impl Strategy<Value = Vec<Vec<prop::sample::Index>>> {
    prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 1..40), 3)
}

fn check(letters: usize, speeches: Vec<Vec<Vec<u8>>>, orders: &[Vec<prop::sample::Index>]) {
    let honest = honest(letters);
    let mut logs: Vec<Log> = [ONE, TWO].into_iter().zip(honest.logs.clone()).collect();
    for (log, entries) in HOSTILE.into_iter().zip(speeches) {
        let parts =
            |entry: Vec<u8>| entry.into_iter().map(|what| said(&honest, log, what)).collect();
        logs.push((log, entries.into_iter().map(parts).collect()));
    }
    let mut found = orders.iter().map(|picks| arrived(&logs, picks));
    let first = found.next().unwrap();
    let heads = row(&first).heads;
    for other in found {
        assert_eq!(&row(&other).heads, &heads);
        assert_eq!(awaited(&other), awaited(&first));
        let (one, other) = (document(&first), document(&other));
        assert_eq!((one.content(), one.conflicts()), (other.content(), other.conflicts()));
    }
    let whole = document(&first);
    for part in honest.birth.iter().chain(&honest.edits) {
        let there = Heads(vec![hash_of(&part.change)]);
        assert!(whole.at(&there).is_ok(), "an honest change is missing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_order_of_arrival_changes_no_record(said in speeches(), orders in orders()) {
        check(LETTERS[0], said, &orders);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn the_order_of_arrival_changes_no_long_record(said in speeches(), orders in orders()) {
        check(LETTERS[1], said, &orders);
    }
}
