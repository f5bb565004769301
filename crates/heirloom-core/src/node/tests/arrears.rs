//! Many changes at once: noted first, and applied record by record.

use super::super::*;
use super::household::House;
use crate::rows::table;
use heirloom_base::limits;

/// Edits of a device that another has not heard of.
const EDITS: usize = 40;

fn notes(house: &House, device: usize) -> usize {
    house.devices[device].storage.index.keys().filter(|key| key[0] == table::LATER).count()
}

fn rows(house: &House, device: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = house.devices[device].storage.index.iter();
    let shown = rows.filter(|(key, _)| [table::DOCUMENT, table::RECORD].contains(&key[0]));
    shown.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns two devices of which the second is about to hear of many edits.
fn apart() -> House {
    let mut house = House::of(&["phone", "desk"]);
    let ids: Vec<String> = ["a", "b", "c"]
        .into_iter()
        .map(|title| house.add(0, "notes", &[&format!("title={title}")]))
        .collect();
    house.pass(2_000);
    house.cut(0, 1);
    for number in 0..EDITS {
        house.set(0, "notes", &ids[number % ids.len()], &[&format!("title={number}")]);
    }
    house.set(1, "notes", &ids[0], &["body=at the desk"]);
    house
}

/// Returns the two when the second has heard of them, and applied none.
fn behind() -> House {
    let mut house = apart();
    house.connect(0, 1);
    assert_eq!(notes(&house, 1), EDITS);
    house
}

#[test]
fn many_edits_are_noted_and_then_applied_together() {
    let mut house = behind();
    let before = house.devices[1].events.len();
    house.pass(limits::ARREARS_MS_MAX as u64);
    assert_eq!((notes(&house, 1), notes(&house, 0)), (0, 0));
    let told = &house.devices[1].events[before..];
    let changed = told.iter().filter(|event| matches!(event, Event::RecordsChanged { .. }));
    assert_eq!(changed.count(), 1, "once, and not for each edit");
    let hours = house.node(1).poll_timeout().is_none_or(|due| due > house.now.mono_ms);
    assert!(hours, "nothing is left to do");
    house.boot(1);
    assert_eq!(rows(&house, 1).len(), 6);
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn who_asks_for_a_record_finds_what_is_noted_of_it() {
    let mut house = behind();
    assert_eq!(house.digest(1), house.digest(0));
    assert_eq!(notes(&house, 1), 0);
}

#[test]
fn an_edit_that_is_waited_for_comes_behind_those_that_are_noted() {
    let mut house = behind();
    house.pass(2 * limits::ARREARS_MOMENT_MS as u64);
    assert_eq!(notes(&house, 1), EDITS);
    house.add(0, "notes", &["title=new"]);
    assert_eq!(notes(&house, 1), 0, "a single entry is applied at once");
    assert_eq!(house.digest(1), house.digest(0));
}

#[test]
fn of_edits_that_never_end_some_are_seen_every_second() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    house.pass(2_000);
    let (mut seen, mut noted) = (Vec::new(), 0);
    let began = house.now.mono_ms;
    for number in 0..150 {
        let before = house.devices[1].events.len();
        for _ in 0..3 {
            house.set(0, "notes", &id, &[&format!("title={number}")]);
        }
        noted = notes(&house, 1).max(noted);
        house.pass(20);
        let changed = |event: &Event| matches!(event, Event::RecordsChanged { .. });
        if house.devices[1].events[before..].iter().any(changed) {
            seen.push(house.now.mono_ms - began);
        }
    }
    let most = limits::ARREARS_AGE_MS_MAX as u64 + 40;
    assert!(noted > 20, "most are noted first: {noted}");
    assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= most), "{seen:?}");
    assert!(seen.last().is_some_and(|last| *last > 2_000), "{seen:?}");
}

#[test]
fn what_is_noted_is_applied_at_the_next_start() {
    let mut house = behind();
    house.boot(1);
    assert_eq!(notes(&house, 1), 0);
    house.connect(0, 1);
    house.pass(2_000);
    assert_eq!(house.digest(1), house.digest(0));
}

#[test]
fn what_is_noted_of_a_record_is_forgotten_when_it_is_made_again() {
    let mut house = behind();
    let phone = house.id(0).to_string();
    house.ask(1, Command::Revoke { device: phone }).unwrap();
    assert_eq!(notes(&house, 1), 0);
}

/// Lets a device lose an entry in the middle of what it has of a log, and start.
fn rot(house: &mut House, device: usize, log: LogId) {
    let storage = &mut house.devices[device].storage;
    let of_log = |frame: &Frame| {
        Entry::parse(frame.payload.clone()).ok().filter(|entry| entry.header().log == log)
    };
    let entries: Vec<Lsn> =
        storage.frames.iter().filter_map(|(lsn, frame)| of_log(frame).map(|_| *lsn)).collect();
    storage.frames.remove(&entries[entries.len() / 2]);
    let last = *storage.frames.keys().next_back().unwrap();
    Node::forget_lost(storage, last).unwrap();
    house.boot(device);
}

#[test]
fn what_is_noted_of_an_entry_that_was_lost_ends_no_start() {
    let mut house = behind();
    let log = house.node(0).journal.log().unwrap();
    rot(&mut house, 1, log);
    assert_eq!(notes(&house, 1), 0);
    house.connect(0, 1);
    house.pass(5_000);
    assert_eq!(house.digest(1), house.digest(0));
}

#[test]
fn what_waits_of_an_entry_that_was_lost_is_not_looked_for() {
    let mut house = House::of(&["phone", "desk", "tablet"]);
    let id = house.add(0, "notes", &["title=a"]);
    house.pass(2_000);
    house.cut(0, 2);
    house.cut(1, 2);
    house.set(0, "notes", &id, &["title=b"]);
    for body in ["body=c", "body=d", "body=e"] {
        house.set(1, "notes", &id, &[body]);
    }
    house.hear_log(2, 1);
    house.pass(2_000);
    let waiting = |house: &House| {
        house.devices[2].storage.index.keys().filter(|key| key[0] == table::WAITING).count()
    };
    assert_eq!(waiting(&house), 3, "for the title");
    let log = house.node(1).journal.log().unwrap();
    rot(&mut house, 2, log);
    assert_eq!(waiting(&house), 1, "what comes behind the loss comes again");
    house.connect(0, 2);
    house.pass(5_000);
    house.connect(1, 2);
    house.pass(5_000);
    assert_eq!(house.digest(2), house.digest(0));
    assert_eq!(waiting(&house), 0);
}
