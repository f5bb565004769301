//! Sound entries behind a hole in their log.

use super::super::*;
use super::alone::{Alone, NOW};
use super::household::House;
use crate::storage::{Frame, MemoryStorage};
use heirloom_sync::Entry;
use heirloom_sync::message::Hole;

const TITLES: [&str; 4] = ["title=a", "title=b", "title=c", "title=d"];

/// Takes entries out of a device with four notes, one entry each; returns the
/// device as it was, what is left, the lost frames, and its log.
fn rotten(alone: Alone, lost: &[usize]) -> (Alone, MemoryStorage, Vec<Frame>, LogId) {
    let mut storage = alone.storage.clone();
    let log = alone.node.journal.log().unwrap();
    let is_own = |frame: &Frame| {
        let entry = Entry::parse(frame.payload.clone());
        frame.kind == settle::FRAME_ENTRY && entry.is_ok_and(|entry| entry.header().log == log)
    };
    let frames = storage.frames.iter().filter(|(_, frame)| is_own(frame));
    let entries: Vec<Lsn> = frames.map(|(lsn, _)| *lsn).collect();
    let frames = lost.iter().map(|place| storage.frames.remove(&entries[*place]).unwrap());
    let frames = frames.collect();
    (alone, storage, frames, log)
}

/// As [`rotten`], of the only device of an account.
fn lone(lost: &[usize]) -> (Alone, MemoryStorage, Vec<Frame>, LogId) {
    let mut alone = Alone::new();
    TITLES.iter().for_each(|title| drop(alone.add("notes", &[title])));
    rotten(alone, lost)
}

/// As [`rotten`], of one of two of which the other holds everything, and is off.
fn of_two(lost: &[usize]) -> (Alone, MemoryStorage, Vec<Frame>, LogId) {
    let mut house = House::of(&["phone", "desk"]);
    TITLES.iter().for_each(|title| drop(house.add(0, "notes", &[title])));
    house.pass(5_000);
    rotten(open(house.devices[0].storage.clone()), lost)
}

/// Opens the first of two.
fn open(storage: MemoryStorage) -> Alone {
    Alone::open_as(&DeviceKeys::from_seed([40; 32]), storage)
}

fn titles(alone: &mut Alone) -> Vec<String> {
    let mut titles: Vec<String> =
        alone.list("notes", None).into_iter().map(|row| row.title).collect();
    titles.sort();
    titles
}

fn end(alone: &Alone, log: LogId) -> u64 {
    alone.node.replication.log(log).map_or(0, |state| state.durable)
}

/// Notes a loss as a start does that finds it.
fn forget(storage: &mut MemoryStorage) {
    let last = *storage.frames.keys().next_back().unwrap();
    let lost = Node::forget_lost(storage, last).unwrap();
    append(storage, lost.into_iter().chain(crate::founding::reborn([7; 32], None)));
}

fn append(storage: &mut MemoryStorage, frames: impl IntoIterator<Item = Frame>) -> Lsn {
    for frame in frames {
        let next = Lsn(storage.frames.keys().next_back().unwrap().0 + 1);
        storage.frames.insert(next, frame);
    }
    *storage.frames.keys().next_back().unwrap()
}

/// Lets an entry become durable that another device sent again.
fn bring_back(alone: &mut Alone, frame: Frame) {
    let lsn = append(&mut alone.storage, [frame.clone()]);
    alone.node.replay(NOW, &mut alone.storage, lsn, frame).unwrap();
}

#[test]
fn what_a_lone_device_has_behind_a_hole_is_shown_also_when_its_index_was_lost() {
    for (lost, shown) in
        [(0, ["b", "c", "d"]), (1, ["a", "c", "d"]), (2, ["a", "b", "d"]), (3, ["a", "b", "c"])]
    {
        let (_, mut storage, _, log) = lone(&[lost]);
        storage.index.clear();
        let mut alone = Alone::open(storage);
        assert_eq!(titles(&mut alone), shown);
        assert_eq!(end(&alone, log), lost as u64, "only what is in order is held");
        // Of an end that is gone nothing tells; what is sound was written again.
        let gone = u64::from(lost < 3);
        assert_eq!(alone.node.entries_lost(&alone.storage), Ok(gone));
        if lost < 3 {
            assert_ne!(alone.node.journal.log(), Some(log), "it is not continued");
        }
        alone.add("notes", &["title=later"]);
        let again = Alone::open(alone.storage.clone());
        assert_eq!(again.node.entries_lost(&again.storage), Ok(gone), "after another start");
    }
}

#[test]
fn entries_behind_a_hole_count_again_as_soon_as_it_is_filled() {
    for is_index_lost in [false, true] {
        let (mut whole, mut storage, frames, log) = of_two(&[1]);
        if is_index_lost {
            storage.index.clear();
        } else {
            forget(&mut storage);
        }
        let mut alone = open(storage);
        assert_eq!(end(&alone, log), 1);
        let hole = Hole { log, first: 2, last: 2 };
        assert_eq!(alone.node.holes(&alone.storage), Ok(vec![hole]));
        let before = alone.storage.frames.len();
        bring_back(&mut alone, frames[0].clone());
        assert_eq!(end(&alone, log), 4);
        assert_eq!(alone.storage.frames.len(), before + 1, "nothing else was written again");
        assert_eq!(alone.node.holes(&alone.storage), Ok(vec![]));
        assert_eq!(alone.node.entries_lost(&alone.storage), Ok(0));
        assert_eq!(alone.digest(), whole.digest());
        for seq in 1..=4 {
            let bytes = settle::read_entry(&alone.storage, log, seq).unwrap();
            assert_eq!(Entry::parse(bytes).unwrap().header().seq, seq);
        }
        assert_eq!(Node::fit(&alone.storage), Ok(Fit::Same));
        let mut storage = alone.storage.clone();
        let mut again = open(storage.clone());
        assert_eq!((end(&again, log), again.digest()), (4, whole.digest()));
        storage.index.clear();
        let mut again = open(storage);
        assert_eq!((end(&again, log), again.digest()), (4, whole.digest()));
        assert_eq!(again.node.entries_lost(&again.storage), Ok(0));
    }
}

/// The next hole is filled by entries that were on their way before those behind
/// the first one counted again.
#[test]
fn what_comes_with_entries_that_count_again_meanwhile_is_taken_in() {
    let (mut whole, mut storage, _, log) = of_two(&[0, 2]);
    forget(&mut storage);
    let mut alone = open(storage);
    for seqs in [[1].as_slice(), &[2, 3]] {
        let bytes = |seq: &u64| settle::read_entry(&whole.storage, log, *seq).unwrap();
        let run: Vec<(Option<Lsn>, Box<Entry>)> = seqs
            .iter()
            .map(bytes)
            .map(|payload| {
                let frame = Frame { kind: settle::FRAME_ENTRY, payload: payload.clone() };
                let lsn = append(&mut alone.storage, [frame]);
                (Some(lsn), Box::new(Entry::parse(payload).unwrap()))
            })
            .collect();
        let haste = crate::collection::later::Haste::Now;
        assert_eq!(alone.node.settle_run(NOW, &mut alone.storage, &run, haste), Ok(true));
    }
    assert_eq!(end(&alone, log), 4);
    assert_eq!(alone.node.entries_lost(&alone.storage), Ok(0));
    assert_eq!(alone.digest(), whole.digest());
}

#[test]
fn entries_that_stand_before_the_roster_are_shown_when_the_index_is_made_again() {
    let (mut whole, mut storage, ..) = lone(&[]);
    // Where the first frames were lost, a start writes what they said behind the rest.
    let is_entry = |frame: &Frame| frame.kind == settle::FRAME_ENTRY;
    let front: Vec<Lsn> = storage
        .frames
        .iter()
        .take_while(|(_, frame)| !is_entry(frame))
        .map(|(lsn, _)| *lsn)
        .collect();
    assert!(front.len() > 2);
    let lost: Vec<Frame> = front.iter().map(|lsn| storage.frames.remove(lsn).unwrap()).collect();
    append(&mut storage, lost);
    storage.index.clear();
    let mut alone = Alone::open(storage);
    assert_eq!(titles(&mut alone), ["a", "b", "c", "d"]);
    assert_eq!(alone.digest(), whole.digest());
    let sealed = alone.storage.index.keys().filter(|key| key[0] == crate::rows::table::SEALED);
    assert_eq!(sealed.count(), 0);
}

#[test]
fn of_two_holes_each_is_filled_by_itself() {
    let (mut whole, mut storage, frames, log) = of_two(&[0, 2]);
    forget(&mut storage);
    let mut alone = open(storage);
    assert_eq!(alone.node.entries_lost(&alone.storage), Ok(2));
    bring_back(&mut alone, frames[0].clone());
    assert_eq!(end(&alone, log), 2);
    assert_eq!(alone.node.entries_lost(&alone.storage), Ok(1));
    let mut alone = open(alone.storage.clone());
    bring_back(&mut alone, frames[1].clone());
    assert_eq!((end(&alone, log), alone.digest()), (4, whole.digest()));
}

#[test]
fn an_entry_that_does_not_follow_what_fills_its_hole_does_not_count() {
    let (mut alone, mut storage, _, log) = lone(&[1]);
    forget(&mut storage);
    // The same log went on differently elsewhere: its folder was put back.
    let entries = alone.storage.frames.values().filter(|frame| frame.kind == settle::FRAME_ENTRY);
    let entries: Vec<Frame> = entries.cloned().collect();
    let (mut mended, mut other) = (Alone::open(storage), Alone::new());
    other.add("notes", &["title=a"]);
    other.add("notes", &["title=elsewhere"]);
    let mut frames =
        other.storage.frames.values().filter(|frame| frame.kind == settle::FRAME_ENTRY);
    let elsewhere = frames.nth(1).cloned().unwrap();
    assert_ne!(elsewhere.payload, entries[1].payload);
    assert_eq!(other.node.journal.log(), Some(log));
    let first = |frame: &Frame| Entry::parse(frame.payload.clone()).unwrap();
    if first(&elsewhere).header().previous == first(&entries[0]).id() {
        bring_back(&mut mended, elsewhere);
        assert_eq!(end(&mended, log), 2, "what was behind the old one is not taken for its own");
    } else {
        panic!("both must begin alike");
    }
    assert_eq!(titles(&mut alone).len(), 4);
}
