//! What one device may fill of the roster, and that it keeps nobody out.

use super::flood::{Shape, flood, name};
use super::*;

const SHARE: usize = limits::ROSTER_SHARE_OPS_MAX;

/// Takes in what there is room for; returns how much was more than the share.
fn take_in(roster: &mut Roster, ops: &[Vec<u8>]) -> usize {
    let refused = |op: &Vec<u8>| matches!(roster.insert(op), Err(RosterError::Share(device)) if device == id(3));
    ops.iter().map(refused).filter(|refused| *refused).count()
}

#[test]
fn what_a_device_signs_beyond_its_share_is_refused_and_nothing_of_the_others() {
    let (mut house, ops) = flood(SHARE + 50, Shape::Star, &name);
    assert_eq!(take_in(&mut house.roster, &ops), 50);
    house.add(1, 4, Role::Member);
    house.revoke(1, 3, &[]);
    house.add(2, 5, Role::Member);
    assert_eq!(house.members(), [1, 2, 4, 5]);
}

#[test]
fn what_others_build_on_is_taken_in_wherever_something_else_filled_the_share() {
    for shape in [Shape::Star, Shape::Chain, Shape::TwoChains] {
        let (mut house, ops) = flood(2 * SHARE, shape, &name);
        let mut other = house.fork();
        let (first, last) = ops.split_at(SHARE);
        take_in(&mut house.roster, first);
        // Another one heard the other half first.
        take_in(&mut other.roster, last);
        take_in(&mut other.roster, first);
        house.revoke(1, 3, &[]);
        other.add(2, 4, Role::Member);
        for _ in 0..2 {
            for op in house.roster.ops_beyond(&other.roster.heads()) {
                drop(other.roster.insert(&op));
            }
            for op in other.roster.ops_beyond(&house.roster.heads()) {
                drop(house.roster.insert(&op));
            }
        }
        assert_eq!(house.members(), [1, 2, 4], "{shape:?}");
        assert_eq!(other.members(), [1, 2, 4], "{shape:?}");
    }
}

#[test]
fn what_a_folder_holds_from_before_is_taken_in_again() {
    let (mut house, ops) = flood(SHARE + 50, Shape::Chain, &name);
    for op in &ops {
        assert!(matches!(house.roster.restore(op), Ok(Inserted::New(_))));
    }
    house.revoke(1, 3, &[]);
    let mut again = Roster::new(house.roster.account());
    for (_, op) in house.roster.ops() {
        again.restore(op).unwrap();
    }
    assert_eq!(again.state(), house.roster.state());
}

#[test]
fn a_device_that_is_out_takes_no_room_any_more() {
    let (mut house, ops) = flood(limits::ROSTER_OPS_MAX, Shape::Star, &name);
    for op in &ops {
        drop(house.roster.restore(op));
    }
    let body = OpBody::AddDevice(plain_add(&house, 4, READ));
    assert_eq!(house.attempt(1, body), Err(RosterError::Full));
    house.revoke(1, 3, &[]);
    house.add(1, 4, Role::Member);
    assert_eq!(house.members(), [1, 2, 4]);
}

#[test]
fn heads_by_the_dozen_keep_out_nothing_of_what_others_signed() {
    let (mut house, ops) = flood(60, Shape::Chain, &name);
    let mut deep = house.fork();
    take_in(&mut deep.roster, &ops);
    // A chain from before device 4 was let in, and many ends of it.
    let signer = keys(3);
    let parents = deep.roster.heads();
    for number in 0..40 {
        let (author, body) = (Author::Device(id(3)), name(1_000 + number));
        let op = Op { author, generation: 0, parents: parents.clone(), body };
        deep.take(&author::sign(house.roster.account(), Signer::Device(&signer), &op));
    }
    house.add(1, 4, Role::Member);
    for op in deep.roster.ops_beyond(&house.roster.heads()) {
        drop(house.roster.insert(&op));
    }
    assert!(house.roster.heads().len() > limits::ROSTER_PARENTS_MAX);
    house.revoke(4, 3, &[]);
    assert_eq!(house.members(), [1, 2, 4]);
}

#[test]
fn what_is_shown_begins_where_the_other_one_stands() {
    let mut house = Household::of(2);
    let mut other = house.fork();
    for _ in 0..40 {
        house.epoch(1);
    }
    other.epoch(2);
    let shown = house.roster.newest_ops(5_000, 4);
    assert_eq!(shown.first(), house.roster.ops_beyond(&[]).first(), "the beginning is among them");
    assert!(shown.iter().map(|op| op.len() + 4).sum::<usize>() <= 5_000);
    let shown: Vec<OpId> = shown.iter().map(|op| Roster::id_of(op)).collect();
    let known = other.roster.known_for(&shown);
    let lacking = house.roster.ops_beyond(&known);
    assert_eq!(lacking.len(), 40, "{known:?}");
    assert!(other.roster.known_for(&[OpId([7; 32])]).is_empty(), "a stranger hears nothing");
}

#[test]
fn a_reset_of_a_household_that_took_out_hundreds_is_taken() {
    let mut house = Household::of(2);
    let (mut plan, ring, signer) = (ResetPlan::default(), house.keyring(1), keys(1));
    for number in 0_u16..300 {
        let mut seed = [77; 32];
        seed[..2].copy_from_slice(&number.to_le_bytes());
        let (account, signer) = (house.roster.account(), Signer::Device(&signer));
        let new = NewDevice::of(&DeviceKeys::from_seed(seed), account, READ, "x");
        house.take(&add_device(&house.roster, &ring, signer, &new, &seed));
        house.take(&revoke(&house.roster, &ring, signer, new.id, &BTreeMap::new(), &seed));
        let logs = (0..10).map(|log| (LogId([log; 16]), u64::from(number) + 1));
        plan.cuts.insert(new.id, logs.collect());
    }
    plan.keep.insert(id(1), Role::Member.capabilities());
    let op = root_reset(&house.roster, &house.keyring(1), &house.root, &plan, &[5; 32]);
    house.take(&op);
    assert_eq!(house.members(), [1]);
    let listed = |cuts: &BTreeMap<LogId, u64>| cuts.values().any(|seq| *seq > 100);
    for (device, cuts) in plan.cuts.iter().filter(|(_, cuts)| listed(cuts)) {
        assert_eq!(house.roster.state().devices[device].cuts, *cuts);
    }
}
