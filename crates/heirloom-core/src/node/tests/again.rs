//! What is lost and nobody else holds is written again, and two ends become one.

use super::super::*;
use super::household::House;
use crate::founding;
use crate::storage::{Frame, MemoryStorage};
use base64::Engine as _;
use heirloom_sync::Entry;

/// Takes the frames of a device's own log that `is_lost` names by their places in
/// it out of its storage, and notes the loss as a start does.
fn lose(house: &mut House, device: usize, is_lost: impl Fn(u64) -> bool) {
    let log = house.node(device).journal.log().unwrap();
    let storage = &mut house.devices[device].storage;
    let seq = |frame: &Frame| {
        let entry = Entry::parse(frame.payload.clone()).ok();
        let entry = entry.filter(|entry| entry.header().log == log);
        entry.filter(|_| frame.kind == settle::FRAME_ENTRY).map(|entry| entry.header().seq)
    };
    storage.frames.retain(|_, frame| !seq(frame).is_some_and(&is_lost));
    let last = *storage.frames.keys().next_back().unwrap();
    let lost = Node::forget_lost(storage, last).unwrap();
    append(storage, lost.into_iter().chain(founding::reborn([77; 32], None)));
}

fn append(storage: &mut MemoryStorage, frames: impl IntoIterator<Item = Frame>) {
    for frame in frames {
        let next = Lsn(storage.frames.keys().next_back().unwrap().0 + 1);
        storage.frames.insert(next, frame);
    }
}

fn end_of_own(house: &House, device: usize) -> u64 {
    let node = house.node(device);
    node.replication.log(node.journal.log().unwrap()).unwrap().durable
}

fn exported(house: &mut House, device: usize) -> String {
    let export = Command::Export { category: "notes".to_owned(), after: None, limit: 50 };
    let Answer::Files { files, .. } = house.ask(device, export).unwrap() else {
        panic!("it exports")
    };
    let mut texts: Vec<String> = files.iter().map(|file| text_of(&file.base64)).collect();
    texts.sort();
    texts.join("\n")
}

fn text_of(base64: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Two devices of which the first has written what the other has not heard of.
fn apart() -> (House, u64) {
    let mut house = House::of(&["phone", "desk"]);
    let known = house.add(0, "notes", &["title=known", "body=one two three"]);
    let gone = house.add(0, "notes", &["title=to go"]);
    house.pass(5_000);
    house.cut(0, 1);
    let common = end_of_own(&house, 0);
    house.set(0, "notes", &known, &["body=one two and a half three"]);
    let fresh = house.add(0, "notes", &["title=fresh", "body=text"]);
    house.set(0, "notes", &fresh, &["title=fresher"]);
    house
        .ask(0, Command::Delete { category: "notes".into(), id: gone, wait: Wait::default() })
        .unwrap();
    house.set(1, "notes", &known, &["title=from the desk"]);
    (house, common)
}

#[test]
fn what_nobody_was_sent_is_written_again_wherever_the_log_was_hit() {
    for lost in 1..=5 {
        let (mut house, common) = apart();
        let before = exported(&mut house, 0);
        lose(&mut house, 0, |seq| seq == common + lost);
        house.boot(0);
        house.pass(100);
        assert_eq!(exported(&mut house, 0), before, "it shows what it showed");
        assert_eq!(house.node(0).entries_lost(&house.devices[0].storage), Ok(0));
        house.connect(0, 1);
        house.pass(10_000);
        assert_eq!(house.digest(0), house.digest(1), "entry {lost}");
        let text = exported(&mut house, 1);
        let all = ["from the desk", "one two and a half three", "fresher"];
        assert!(all.iter().all(|part| text.contains(part)), "{text}");
        assert!(!text.contains("to go"), "{text}");
        // The same from the log alone.
        house.devices[0].storage.index.clear();
        house.boot(0);
        house.pass(10_000);
        assert_eq!(house.digest(0), house.digest(1), "entry {lost}, index made again");
    }
}

#[test]
fn what_others_hold_is_waited_for_and_not_written_again() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a", "body=text"]);
    house.set(0, "notes", &id, &["body=text and more"]);
    house.pass(5_000);
    let (digest, end) = (house.digest(0), end_of_own(&house, 0));
    house.cut(0, 1);
    lose(&mut house, 0, |seq| seq == end);
    house.boot(0);
    house.pass(1_000);
    assert_eq!(house.node(0).entries_lost(&house.devices[0].storage), Ok(1));
    house.connect(0, 1);
    house.pass(10_000);
    assert_eq!(house.node(0).entries_lost(&house.devices[0].storage), Ok(0));
    assert_eq!((house.digest(0), house.digest(1)), (digest.clone(), digest));
}

/// Rolls the first device back to what it was before, and lets it write.
fn rolled_back(synced: usize, alone: usize) -> House {
    let mut house = House::of(&["phone", "desk", "tablet"]);
    let id = house.add(0, "notes", &["title=a", "body=one two three"]);
    house.pass(5_000);
    let snapshot = house.devices[0].storage.clone();
    for number in 0..synced {
        house.add(0, "notes", &[&format!("title=synced {number}")]);
    }
    house.set(0, "notes", &id, &["body=one two three four"]);
    house.pass(5_000);
    for other in [1, 2] {
        house.cut(0, other);
    }
    house.devices[0].storage = snapshot;
    house.boot(0);
    for number in 0..alone {
        house.add(0, "notes", &[&format!("title=alone {number}")]);
    }
    house.set(0, "notes", &id, &["title=b"]);
    house
}

#[test]
fn the_two_ends_of_a_log_that_was_rolled_back_become_one() {
    for (synced, alone) in [(0, 0), (3, 0), (3, 1), (1, 3), (2, 2)] {
        let mut house = rolled_back(synced, alone);
        // Conversations begin anew where an end was given up.
        for _ in 0..2 {
            for other in [1, 2] {
                house.connect(0, other);
            }
            house.pass(15_000);
        }
        let text = exported(&mut house, 0);
        let count = |what: &str| text.matches(what).count();
        assert_eq!((count("title: synced"), count("title: alone")), (synced, alone), "{text}");
        assert!(text.contains("title: b") && text.contains("one two three four"), "{text}");
        let digest = house.digest(0);
        assert_eq!((house.digest(1), house.digest(2)), (digest.clone(), digest.clone()));
        house.add(0, "notes", &["title=later"]);
        house.pass(5_000);
        assert_eq!(house.digest(0), house.digest(1));
        house.devices[0].storage.index.clear();
        house.boot(0);
        house.pass(10_000);
        assert_eq!(house.digest(0), house.digest(2), "from the log alone");
    }
}

/// Cuts every wire.
fn cut_all(house: &mut House) {
    for device in 0..house.devices.len() {
        for other in 0..device {
            house.cut(device, other);
        }
    }
}

/// Lets three devices meet, two at a time, in an order, and then all of them.
fn meet(house: &mut House, order: &[(usize, usize)]) {
    for (one, other) in order {
        cut_all(house);
        house.connect(*one, *other);
        house.pass(10_000);
    }
    // Conversations begin anew where an end was given up.
    for _ in 0..6 {
        cut_all(house);
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            house.connect(one, other);
        }
        house.pass(10_000);
    }
}

const ORDERS: [&[(usize, usize)]; 6] = [
    &[(0, 2), (0, 1)],
    &[(0, 2), (1, 2)],
    &[(0, 2), (1, 2), (0, 1), (0, 2)],
    &[(0, 2), (0, 1), (1, 2)],
    &[(0, 2), (0, 1), (0, 2)],
    &[(0, 2)],
];

/// Rolls the first device back to what it was before; the third was off when it wrote
/// what is lost with that.
fn rolled_back_beside_one_that_was_off(synced: usize, alone: usize) -> (House, String) {
    let mut house = House::of(&["phone", "desk", "tablet"]);
    let id = house.add(0, "notes", &["title=a", "body=one two three"]);
    house.pass(5_000);
    let snapshot = house.devices[0].storage.clone();
    house.cut(0, 2);
    house.cut(1, 2);
    for number in 0..synced {
        house.add(0, "notes", &[&format!("title=synced {number}")]);
    }
    house.set(0, "notes", &id, &["body=one two three four"]);
    house.pass(5_000);
    house.cut(0, 1);
    house.devices[0].storage = snapshot;
    house.boot(0);
    for number in 0..alone {
        house.add(0, "notes", &[&format!("title=alone {number}")]);
    }
    house.set(0, "notes", &id, &["title=b"]);
    (house, id)
}

#[test]
fn who_has_the_end_that_is_given_up_lets_go_of_it_whoever_meets_whom_first() {
    for (synced, alone) in [(3, 0), (0, 3), (1, 1), (2, 4), (4, 2)] {
        for order in ORDERS {
            let (mut house, _) = rolled_back_beside_one_that_was_off(synced, alone);
            meet(&mut house, order);
            let text = exported(&mut house, 2);
            let count = |what: &str| text.matches(what).count();
            let about = format!("{synced} {alone} {order:?}: {text}");
            assert_eq!((count("title: synced"), count("title: alone")), (synced, alone), "{about}");
            assert!(text.contains("title: b") && text.contains("one two three four"), "{about}");
            for device in [0, 1, 2] {
                let problems = house.status(device).problems;
                let named = ["forked", "took-back", "holds-less", "began-anew", "offences"];
                // That the phone was rolled back is true.
                let is_about = |text: &str| !text.contains("Device phone");
                let named = problems
                    .iter()
                    .find(|one| named.contains(&one.code.as_str()) && is_about(&one.text));
                assert!(named.is_none(), "{device} says {named:?}, {about}");
            }
            let digests = [0, 1, 2].map(|device| house.digest(device));
            assert!(digests.iter().all(|digest| *digest == digests[0]), "{about}");
            for device in [0, 1, 2] {
                house.devices[device].storage.index.clear();
                house.boot(device);
                assert_eq!(
                    house.digest(device),
                    digests[0],
                    "{device} from the log alone, {about}"
                );
            }
            meet(&mut house, &[]);
            house.add(0, "notes", &["title=later"]);
            house.pass(5_000);
            assert_eq!((house.digest(1), house.digest(2)), (house.digest(0), house.digest(0)));
        }
    }
}

#[test]
fn what_was_written_on_top_of_an_end_stands_once_whether_its_author_had_it_or_not() {
    for order in ORDERS {
        let (mut house, id) = rolled_back_beside_one_that_was_off(2, 1);
        house.set(0, "notes", &id, &["body=one two and a half three"]);
        house.connect(0, 2);
        house.pass(10_000);
        cut_all(&mut house);
        house.set(2, "notes", &id, &["body=zero one two and a half three"]);
        house.set(2, "notes", &id, &["title=c"]);
        house.set(2, "notes", &id, &["title=d"]);
        meet(&mut house, order);
        let digests = [0, 1, 2].map(|device| house.digest(device));
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{order:?}");
        let text = exported(&mut house, 1);
        assert!(text.contains("title: d"), "{order:?}: {text}");
        assert!(text.contains("\nzero one two and a half three four"), "{order:?}: {text}");
        let history = Command::History { category: "notes".into(), id: id.clone() };
        let versions = format!("{:?}", house.ask(1, history).unwrap());
        for version in ["b", "c"] {
            let version = format!("after: Some(String({version:?}))");
            assert!(versions.contains(&version), "{order:?}: {version} is not in {versions}");
        }
    }
}
