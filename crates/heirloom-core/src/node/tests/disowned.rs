//! Words about ends of logs: whose count, and what follows from them.

use super::super::*;
use super::household::House;
use crate::rows::table;
use heirloom_base::{Encode as _, EntryId, Hlc, Incarnation};
use heirloom_sync::entry::kind;
use heirloom_sync::{Disowned, DisownedEnd, Entry, Header, Message, Origin};

/// Returns the end of a device's log that begins with an entry.
fn end_of(house: &House, device: usize, seq: u64) -> DisownedEnd {
    let log = house.node(device).journal.log().unwrap();
    let entry = settle::entry_at(&house.devices[device].storage, log, seq).unwrap();
    DisownedEnd { log, seq, id: entry.id() }
}

/// Returns an entry in which a device gives an end up, and nothing else.
fn word(house: &House, by: usize, end: DisownedEnd) -> Message {
    let (node, keys) = (house.node(0), &house.devices[by].keys);
    let origin = Origin { device: keys.id(), incarnation: Incarnation([9; 16]) };
    let header = Header {
        kind: kind::DISOWNED,
        space: node.space,
        log: origin.log(node.space),
        seq: 1,
        previous: EntryId([0; 32]),
        origin: Some(origin),
        roster_heads: node.membership.roster.heads(),
        hlc: Hlc::from_wall_ms(house.now.wall_ms),
        epoch: node.membership.roster.state().writing_epoch().unwrap(),
        seen: Vec::new(),
        chunks: Vec::new(),
    };
    let said = Disowned { ends: vec![end], held: vec![(end.log, u64::MAX)] };
    let entry = Entry::author_plain(node.account, keys, &header, &said.to_bytes());
    Message::Entries { urgent: false, entries: vec![entry.into_bytes()] }
}

fn titles(house: &mut House, device: usize) -> Vec<String> {
    let (category, search, after) = ("notes".to_owned(), None, None);
    let list = Command::List { category, search, deleted: false, after, limit: 50 };
    let Answer::Records { rows, .. } = house.ask(device, list).unwrap() else { panic!("a list") };
    let mut titles: Vec<String> = rows.into_iter().map(|row| row.title).collect();
    titles.sort();
    titles
}

fn three() -> House {
    let mut house = House::of(&["phone", "desk", "third"]);
    house.add(0, "notes", &["title=of the phone"]);
    house.add(2, "notes", &["title=of the third"]);
    house.pass(5_000);
    house
}

#[test]
fn nobody_gives_an_end_of_a_log_up_that_is_not_its_own() {
    let mut house = three();
    let before = house.digest(1);
    let said = word(&house, 2, end_of(&house, 0, 1));
    house.hear(1, 2, &said);
    house.pass(10_000);
    assert!(house.devices[1].storage.index.range(vec![table::DISOWNED]..).count() > 0);
    assert_eq!(house.node(1).replication.words().count(), 0);
    assert_eq!(house.node(1).conduct.offences(house.id(2)), 1);
    for device in [0, 1, 2] {
        assert_eq!(house.digest(device), before);
        house.boot(device);
        assert_eq!(house.digest(device), before, "after a restart");
    }
}

#[test]
fn a_device_that_is_out_gives_nothing_up() {
    let mut house = three();
    let said = word(&house, 2, end_of(&house, 2, 1));
    let third = house.id(2).to_string();
    house.ask(0, Command::Revoke { device: third }).unwrap();
    house.pass(5_000);
    let before = house.digest(1);
    house.hear(1, 0, &said);
    house.pass(10_000);
    assert_eq!(house.node(1).replication.words().count(), 0);
    assert_eq!((house.digest(0), house.digest(1)), (before.clone(), before));
    assert_eq!(titles(&mut house, 1), ["of the phone", "of the third"]);
}

#[test]
fn what_an_author_gives_up_and_does_not_write_again_is_written_again_by_who_has_it() {
    let mut house = three();
    let said = word(&house, 2, end_of(&house, 2, 1));
    house.hear(1, 2, &said);
    for _ in 0..4 {
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            house.cut(one, other);
            house.connect(one, other);
        }
        house.pass(10_000);
    }
    for device in [0, 1, 2] {
        assert_eq!(titles(&mut house, device), ["of the phone", "of the third"], "{device}");
        assert_eq!(house.digest(device), house.digest(0));
    }
}
