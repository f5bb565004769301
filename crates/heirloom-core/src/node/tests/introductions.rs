//! Devices that know less than one frame apart of who belongs to the account.

use super::household::House;
use crate::input::{HelloId, Input};
use heirloom_base::{Decode, DeviceId, Encode, LogId, limits};
use heirloom_identity::roster::{self, NewDevice};
use heirloom_identity::{Capabilities, DeviceKeys, Keyring, Role, Signer};
use heirloom_sync::Message;
use std::collections::BTreeMap;

/// Lets devices in and takes them out again, on one device only.
fn cycles(house: &mut House, device: usize, numbers: std::ops::Range<u16>) {
    let node = house.node(device);
    let (mut roster, keys) = (node.membership.roster.clone(), node.config.device.clone());
    let ring = Keyring::open(&roster, &keys).unwrap();
    let (signer, mut ops) = (Signer::Device(&keys), Vec::new());
    for number in numbers {
        let mut seed = [99; 32];
        seed[..2].copy_from_slice(&number.to_le_bytes());
        let account = roster.account();
        let new = NewDevice::of(&DeviceKeys::from_seed(seed), account, Capabilities::READ, "x");
        let cuts = BTreeMap::from([(LogId([7; 16]), 3)]);
        let add = roster::add_device(&roster, &ring, signer, &new, &seed);
        roster.insert(&add).unwrap();
        let out = roster::revoke(&roster, &ring, signer, new.id, &cuts, &seed);
        roster.insert(&out).unwrap();
        ops.extend([add, out]);
    }
    let last = ops.pop().unwrap();
    for op in ops {
        // Its own log would be long, and is not the point here.
        house.devices[device].node.as_mut().unwrap().membership.insert(&op).unwrap();
    }
    let bytes = Message::Roster(vec![last]).to_bytes();
    let from = DeviceId([66; 32]);
    house.input(device, Input::Hello { id: HelloId(9_000), device: from, bytes });
}

/// Shows one device to another as often as it asks for it; returns how often,
/// and whether it is a member there by then.
fn introduce(house: &mut House, one: usize, other: usize) -> (usize, bool) {
    let (first, second) = (house.id(one), house.id(other));
    for round in 1..200 {
        let bytes = house.node(one).presentation(second);
        assert!(bytes.len() <= 64 * 1024, "earlier versions read it");
        house.input(other, Input::Hello { id: HelloId(round), device: first, bytes });
        let answer = house.devices[other].hellos.pop().unwrap();
        assert!(answer.len() <= 64 * 1024);
        house.devices[one].introductions.clear();
        house.input(one, Input::HelloAnswer { device: second, bytes: answer.clone() });
        if answer.first() == Some(&1) || house.devices[one].introductions.is_empty() {
            return (round as usize, answer.first() == Some(&1));
        }
    }
    panic!("it never ends");
}

#[test]
fn a_phone_that_came_in_after_hundreds_meets_a_tablet_that_was_off() {
    let mut house = House::founded(&["phone", "tablet", "new"]);
    house.join(1, 0, Role::Member).unwrap();
    house.cut(0, 1);
    cycles(&mut house, 0, 0..150);
    house.join(2, 0, Role::Member).unwrap();
    house.cut(0, 2);
    house.cut(0, 1);
    let size: usize = house.node(2).membership.roster.ops().iter().map(|(_, op)| op.len()).sum();
    assert!(size > 2 * limits::INTRODUCTION_BYTES, "{size}");
    let (rounds, known) = introduce(&mut house, 2, 1);
    assert!(known && rounds <= size / limits::INTRODUCTION_BYTES + 3, "{rounds} for {size}");
}

#[test]
fn each_of_two_may_know_much_that_the_other_does_not() {
    let mut house = House::founded(&["phone", "tablet", "new"]);
    house.join(1, 0, Role::Member).unwrap();
    house.cut(0, 1);
    cycles(&mut house, 0, 0..100);
    cycles(&mut house, 1, 1_000..1_100);
    house.join(2, 0, Role::Member).unwrap();
    house.cut(0, 2);
    house.cut(0, 1);
    let (_, known) = introduce(&mut house, 2, 1);
    assert!(known);
}

#[test]
fn a_tablet_that_was_off_hears_that_it_is_out_behind_hundreds_of_operations() {
    let mut house = House::founded(&["phone", "tablet"]);
    house.join(1, 0, Role::Member).unwrap();
    house.cut(0, 1);
    cycles(&mut house, 0, 0..120);
    let node = house.node(0);
    let (roster, keys) = (node.membership.roster.clone(), node.config.device.clone());
    let ring = Keyring::open(&roster, &keys).unwrap();
    let (signer, tablet) = (Signer::Device(&keys), house.id(1));
    let op = roster::revoke(&roster, &ring, signer, tablet, &BTreeMap::new(), &[5; 32]);
    let bytes = Message::Roster(vec![op]).to_bytes();
    let from = DeviceId([66; 32]);
    house.input(0, Input::Hello { id: HelloId(9_000), device: from, bytes });
    assert!(house.node(0).membership.is_out(tablet));
    // It has signed something itself meanwhile, which the others do not know.
    cycles(&mut house, 1, 2_000..2_001);
    introduce(&mut house, 1, 0);
    assert!(house.node(1).is_out(), "it hears of it");
}

#[test]
fn a_stranger_hears_nothing_and_fills_nothing() {
    let mut house = House::of(&["phone", "desk"]);
    cycles(&mut house, 0, 0..3);
    let ops: Vec<Vec<u8>> =
        house.node(0).membership.roster.ops().iter().map(|(_, op)| op.to_vec()).collect();
    let (stranger, strange) = (DeviceId([88; 32]), Message::Roster(vec![vec![1; 50]]));
    house.input(0, Input::Hello { id: HelloId(1), device: stranger, bytes: strange.to_bytes() });
    assert_eq!(house.devices[0].hellos.pop(), Some(vec![0]));
    // Who holds operations of the account hears what is known here, and no operation.
    let bytes = Message::Roster(ops).to_bytes();
    house.input(0, Input::Hello { id: HelloId(2), device: stranger, bytes });
    let answer = house.devices[0].hellos.pop().unwrap();
    assert!(matches!(Message::from_bytes(&answer[1..]), Ok(Message::Knows(_))));
}
