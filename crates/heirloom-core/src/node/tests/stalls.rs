//! What waits is said, with its cause.

use super::household::House;
use crate::command::Stall;
use crate::input::Input;
use heirloom_base::time::rfc3339;

fn stalls(house: &mut House, device: usize) -> Vec<(String, u64)> {
    let stalls = house.status(device).stalls;
    stalls.into_iter().map(|Stall { cause, count, .. }| (cause, count)).collect()
}

fn one(house: &mut House, device: usize) -> Stall {
    let mut stalls = house.status(device).stalls;
    assert_eq!(stalls.len(), 1, "{stalls:?}");
    stalls.remove(0)
}

#[test]
fn a_device_that_is_away_is_waited_for_and_one_that_is_level_is_not() {
    let mut house = House::of(&["phone", "desk"]);
    house.add(0, "notes", &["title=Both"]);
    house.pass(60_000);
    assert_eq!(stalls(&mut house, 0), []);
    house.cut(0, 1);
    assert_eq!(stalls(&mut house, 0), [], "nothing waits");
    house.add(0, "notes", &["title=Alone"]);
    let stall = one(&mut house, 0);
    assert_eq!((stall.cause.as_str(), stall.count), ("offline", 1));
    assert_eq!(stall.device_id, Some(house.id(1).to_string()));
    assert_eq!(stall.text, "desk is not connected and lacks 1 of our changes.");
    house.connect(0, 1);
    house.pass(5_000);
    assert_eq!(stalls(&mut house, 0), []);
}

#[test]
fn a_device_that_does_not_answer_is_named_with_the_time() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    house.pass(1_000);
    let began = rfc3339(house.now.wall_ms);
    let desk = house.id(1);
    // It is connected, but nothing comes back.
    house.input(0, Input::PeerUp { device: desk });
    house.pass(9_000);
    assert_eq!(stalls(&mut house, 0), []);
    house.pass(3_000);
    let stall = one(&mut house, 0);
    assert_eq!((stall.cause.as_str(), stall.since), ("silent", Some(began)));
}

#[test]
fn chunks_that_nobody_gives_are_counted() {
    let mut house = House::of(&["phone", "desk"]);
    house.fetching = false;
    let long = "x".repeat(20_000);
    let card = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nNOTE:{long}\r\nEND:VCARD\r\n");
    house.import(0, "contacts", "a.vcf", &card);
    house.pass(20_000);
    assert_eq!(stalls(&mut house, 1), [("chunks".to_owned(), 1)]);
    assert_eq!(stalls(&mut house, 0), [("unconfirmed".to_owned(), 1)]);
    house.fetching = true;
    // It was asked for less and less.
    house.pass(20_000);
    assert_eq!((stalls(&mut house, 0), stalls(&mut house, 1)), (vec![], vec![]));
}

#[test]
fn changes_whose_forerunners_have_not_come_are_counted_by_their_author() {
    let mut house = House::of(&["phone", "desk", "third"]);
    house.cut(0, 2);
    house.cut(1, 2);
    let id = house.add(0, "notes", &["title=First"]);
    house.set(1, "notes", &id, &["title=Second"]);
    house.hear_log(2, 1);
    let stall = one_of(&mut house, 2, "waiting");
    assert_eq!((stall.count, stall.device_id), (1, Some(house.id(1).to_string())));
    house.hear_log(2, 0);
    house.pass(1_000);
    assert!(house.status(2).stalls.iter().all(|stall| stall.cause != "waiting"));
}

fn one_of(house: &mut House, device: usize, cause: &str) -> Stall {
    let stalls = house.status(device).stalls;
    let found = stalls.iter().find(|stall| stall.cause == cause);
    found.unwrap_or_else(|| panic!("{stalls:?}")).clone()
}
