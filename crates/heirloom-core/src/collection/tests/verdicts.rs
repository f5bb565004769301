//! Entries that count, that count no more, and what is built on them.

use super::super::verdicts::{Court, Verdicts};
use super::*;
use crate::rows::LogRow;
use heirloom_base::{DeviceId, EntryId};

/// A ruling: where the second log is cut, and from when on who wrote knew.
#[derive(Clone, Copy)]
struct Ruling {
    cut: u64,
    /// Whether authors whose entries name heads had heard of it.
    heard: bool,
}

impl Verdicts for Ruling {
    fn counts_until(&self, device: DeviceId, _log: LogId) -> u64 {
        if device == DeviceId([2; 32]) { self.cut } else { u64::MAX }
    }

    fn counted_until(&self, _heads: &[OpId], device: DeviceId, log: LogId) -> u64 {
        if self.heard { self.counts_until(device, log) } else { u64::MAX }
    }
}

/// A birth by the first log, an edit by the second, and one on top of it by
/// the third, each with its log.
fn three() -> [(LogId, Vec<Part>); 3] {
    let (birth, _) = birth_and_edit();
    let changes: Vec<RawChange> = birth.iter().map(|part| RawChange(part.change.clone())).collect();
    let mut document = Document::from_birth(&changes).unwrap();
    let mut edit = |log: LogId, title: &str| {
        let hlc = Hlc::from_wall_ms(u64::from(log.0[0]));
        let title = [("title".to_owned(), Some(text(title)))];
        let made = document.edit(actor_for(log, RECORD), hlc, &title).unwrap();
        made.into_iter().map(part).collect::<Vec<Part>>()
    };
    let second = edit(TWO, "second");
    let third = edit(LogId([3; 16]), "third");
    [(ONE, birth), (TWO, second), (LogId([3; 16]), third)]
}

/// Takes in an entry as the node does.
fn take(storage: &mut MemoryStorage, ruling: Ruling, log: LogId, parts: &[Part]) {
    let payload = Body { parts: parts.to_vec() }.to_bytes();
    storage.frames.insert(lsn(log, 1), Frame { kind: 1, payload });
    let mut view = View::new(storage);
    let row = LogRow { device: DeviceId([log.0[0]; 32]), seq: 1, id: EntryId([0; 32]) };
    view.put(rows::key(table::LOG, &[&log.0]), &row);
    let court = Court { library: &Shelf, verdicts: &ruling };
    court.take_in(&mut view, vec![(carrier(log, 1, 20), parts.to_vec())], Haste::Now).unwrap();
    view.commit(None).unwrap();
}

/// Follows a ruling, and makes again what it changes.
fn follow(storage: &mut MemoryStorage, ruling: Ruling) -> Applied {
    let court = Court { library: &Shelf, verdicts: &ruling };
    let mut view = View::new(storage);
    for log in [ONE, TWO, LogId([3; 16])] {
        assert!(!court.follow(&mut view, log).unwrap());
    }
    let mut applied = Applied::default();
    if !view.scan(&[table::STALE], None, 9).unwrap().is_empty() {
        court.rebuild(&mut view, RECORD, &mut applied).unwrap();
    }
    view.commit(None).unwrap();
    applied
}

/// Returns the logs that contributed to the record, if it is shown.
fn logs(storage: &MemoryStorage) -> Option<Vec<u8>> {
    let row = storage.index.get(&rows::record_key(2, RECORD))?;
    let row: RecordIndex = crate::view::decode_row(row).unwrap();
    Some(row.entries.keys().map(|log| log.0[0]).collect())
}

const IN: Ruling = Ruling { cut: u64::MAX, heard: false };

#[test]
fn the_order_of_entries_and_rulings_does_not_show() {
    for (heard, expected) in [(true, vec![1]), (false, vec![1, 2, 3])] {
        let out = Ruling { cut: 0, heard };
        let mut indexes = Vec::new();
        for turn in 0..4 {
            let mut storage = MemoryStorage::default();
            for (number, (log, parts)) in three().iter().enumerate() {
                let ruling = if number >= turn { out } else { IN };
                if number == turn {
                    follow(&mut storage, out);
                }
                take(&mut storage, ruling, *log, parts);
            }
            follow(&mut storage, out);
            assert_eq!(logs(&storage), Some(expected.clone()), "heard {heard}, turn {turn}");
            // The node lists a late entry itself.
            let listed = [table::QUARANTINE, table::QUARANTINE_COUNT];
            storage.index.retain(|key, _| !listed.contains(&key[0]));
            indexes.push(storage.index);
        }
        assert!(indexes.windows(2).all(|two| two[0] == two[1]), "heard: {heard}");
    }
}

#[test]
fn what_counts_again_is_shown_again_and_leaves_no_trace() {
    let mut plain = MemoryStorage::default();
    for (log, parts) in three() {
        take(&mut plain, IN, log, &parts);
    }
    let before = plain.index.clone();
    let applied = follow(&mut plain, Ruling { cut: 0, heard: true });
    assert_eq!(applied.changed, [(2, vec![RECORD])].into());
    assert_eq!(waiting(&plain), 1, "the third log's change waits");
    assert_eq!(logs(&plain), Some(vec![1]));
    assert_eq!(plain.scan(&[table::QUARANTINE], None, 9).unwrap().len(), 1);
    let applied = follow(&mut plain, IN);
    assert_eq!(applied.changed, [(2, vec![RECORD])].into());
    assert_eq!(plain.index, before);
}

#[test]
fn a_record_that_nobody_else_touched_goes_with_its_author() {
    let mut storage = MemoryStorage::default();
    let [(_, birth), ..] = three();
    take(&mut storage, IN, TWO, &birth);
    assert_eq!(logs(&storage), Some(vec![2]));
    follow(&mut storage, Ruling { cut: 0, heard: true });
    assert_eq!(logs(&storage), None);
    assert!(storage.index.keys().all(|key| key[0] != table::DOCUMENT));
}
