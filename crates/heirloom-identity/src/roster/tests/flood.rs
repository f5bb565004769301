//! A member that signs as much as it may.

use super::*;
use crate::roster::judge::{judge, judgements};
use op::{EpochKeys, Op, OpBody};

/// How the operations of a flood build on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Each on the one before it.
    Chain,
    /// Each on the one before the one before it.
    TwoChains,
    /// All on what was there before the flood.
    Star,
}

/// Device 3 of three signs so many operations.
pub(super) fn flood(
    count: usize,
    shape: Shape,
    body: &dyn Fn(usize) -> OpBody,
) -> (Household, Vec<Vec<u8>>) {
    let house = Household::of(3);
    let signer = keys(3);
    let mut ends = [house.roster.heads(), house.roster.heads()];
    let mut ops = Vec::new();
    for number in 0..count {
        let chain = if shape == Shape::TwoChains { number % 2 } else { 0 };
        let (author, parents) = (Author::Device(id(3)), ends[chain].clone());
        let op = Op { author, generation: 0, parents, body: body(number) };
        let bytes = author::sign(house.roster.account(), Signer::Device(&signer), &op);
        if shape != Shape::Star {
            ends[chain] = vec![Signed::<Op>::parse(&bytes).unwrap().id()];
        }
        ops.push(bytes);
    }
    (house, ops)
}

pub(super) fn name(number: usize) -> OpBody {
    OpBody::Name { device: id(3), sealed: number.to_le_bytes().to_vec() }
}

fn rights(number: usize) -> OpBody {
    let capabilities = if number.is_multiple_of(2) { READ } else { WRITE };
    OpBody::SetCapabilities { device: id(3), capabilities: ADMIN | capabilities }
}

fn accept(number: usize) -> OpBody {
    let cuts = [(LogId([number.to_le_bytes()[0]; 16]), number as u64)].into();
    OpBody::Accept { device: id(2), cuts }
}

fn revoke_other(_: usize) -> OpBody {
    plain_revoke(2)
}

/// Takes in a flood; returns how often everything was judged anew.
fn take_in(house: &mut Household, ops: &[Vec<u8>]) -> usize {
    let before = judgements();
    for op in ops {
        house.roster.insert(op).unwrap();
    }
    judgements() - before
}

#[test]
fn a_flood_is_judged_one_by_one_and_not_as_a_whole_each_time() {
    let bodies: [&dyn Fn(usize) -> OpBody; 4] = [&name, &rights, &accept, &revoke_other];
    for (kind, body) in bodies.into_iter().enumerate() {
        for shape in [Shape::Chain, Shape::TwoChains, Shape::Star] {
            let (mut house, ops) = flood(60, shape, body);
            assert_eq!(take_in(&mut house, &ops), 0, "flood {kind}, {shape:?}");
            let whole = judge(&house.roster.graph, &Bits::below(house.roster.len()));
            assert!(house.roster.standing == whole, "flood {kind}, {shape:?}");
        }
    }
}

#[test]
fn only_what_makes_another_void_is_judged_with_everything() {
    let (mut house, ops) = flood(20, Shape::Chain, &name);
    let mut other = house.fork();
    assert_eq!(take_in(&mut house, &ops), 0);
    other.revoke(1, 3, &[]);
    let revocations = other.roster.ops_beyond(&house.roster.heads());
    assert_eq!(take_in(&mut house, &revocations), 1);
    assert!(house.roster.standing == judge(&house.roster.graph, &Bits::below(house.roster.len())));
    // It is out, and a second revocation finds nothing more to void.
    house.revoke(1, 3, &[]);
    let before = judgements();
    house.revoke(2, 3, &[]);
    assert_eq!(judgements(), before);
}

#[test]
fn operations_that_come_last_first_are_taken_in_when_the_first_one_comes() {
    let (mut house, mut ops) = flood(200, Shape::Chain, &name);
    let first = ops.remove(0);
    for op in ops.iter().rev() {
        assert!(matches!(house.roster.insert(op), Ok(Inserted::Waiting { .. })));
    }
    let Ok(Inserted::New(admitted)) = house.roster.insert(&first) else { panic!("it waits") };
    let expected: Vec<OpId> =
        [first].iter().chain(&ops).map(|op| Signed::<Op>::parse(op).unwrap().id()).collect();
    assert_eq!(admitted, expected, "parents first");
    assert!(house.roster.waiting.is_empty());
}

#[test]
fn devices_that_somebody_made_up_are_no_recipients_and_their_key_is_not_used() {
    let mut house = Household::of(2);
    let before = house.roster.state().writing_epoch().unwrap();
    let mut predecessor = before;
    for number in 0..3_u8 {
        let made_up = (0..64).map(|device| (DeviceId([64 * number + device; 32]), vec![1]));
        let keys = EpochKeys {
            commitment: [number; 32],
            wraps: made_up.chain([(id(1), vec![1]), (id(2), vec![1])]).skip(2).collect(),
            recovery_wrap: vec![1],
            predecessors: [(predecessor, vec![1])].into(),
        };
        let Ok(Inserted::New(ids)) = house.attempt(2, OpBody::Epoch(keys)) else {
            panic!("it is refused")
        };
        predecessor = EpochId(ids[0].0);
    }
    let state = house.roster.state();
    for (id, epoch) in &state.epochs {
        assert!(epoch.recipients.len() <= 2 && !epoch.clean, "{id:?}");
    }
    assert_eq!(state.writing_epoch(), None, "others could read what is written under the first");
    assert!(state.needs_epoch());
}
