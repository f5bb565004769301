//! Signed operations of the roster, put into an account's roster.
//!
//! Input: operations in blocks; the tag means nothing.

use super::blocks;
use super::{Outcome, Seeds, Target, words};
use crate::house::{House, keys, number_of};
use heirloom_base::{Decode, Encode, LogId, OpId};
use heirloom_identity::roster::op::{Author, EraseMode, Op, OpBody};
use heirloom_identity::roster::{Signer, accept, epoch, rename, revoke, set_capabilities};
use heirloom_identity::{
    Capabilities, DeviceKeys, Inserted, Keyring, NewDevice, ResetPlan, Role, Roster, Signed, roster,
};
use heirloom_sim::rng::Rng;
use std::collections::BTreeMap;

pub(super) const TARGET: Target = Target {
    name: "roster_op",
    body,
    seeds,
    mend,
    words: &["HROP\u{1}\u{1}"],
    is_lines: false,
    mends_alone: false,
    bytes_max: 4 * 1024,
};

const SIGNATURE_BYTES: usize = 64;
const KIND: &str = "roster-op";

fn body(bytes: &[u8]) -> Outcome {
    let house = House::get();
    let ops: Vec<Vec<u8>> = blocks::read(bytes).into_iter().map(|block| block.bytes).collect();
    let mut roster = house.roster.clone();
    let mut label = String::new();
    let mut taken = 0;
    for op in &ops {
        let (before, heads) = (roster.len(), roster.heads());
        match roster.insert(op) {
            Ok(Inserted::New(ids)) => {
                taken += ids.len();
                assert_eq!(roster.len(), before + ids.len());
                for id in &ids {
                    one_form(&roster, id);
                }
            }
            Ok(Inserted::Known | Inserted::Waiting { .. }) => {}
            Err(error) => {
                assert_eq!((roster.len(), roster.heads()), (before, heads), "a refusal changed it");
                label.push_str(&words(&format!("{error:?}")));
            }
        }
    }
    if taken > 0 {
        order_does_not_matter(&roster, &ops);
        for device in 1..=3 {
            drop(Keyring::open(&roster, &keys(device)));
        }
        drop(Keyring::open_with_recovery(&roster, &house.root));
    }
    Outcome { is_accepted: taken > 0, label: format!("{}{}", taken.min(4), words(&label)) }
}

/// An operation that was admitted is written as it was read.
fn one_form(roster: &Roster, id: &OpId) {
    let bytes = roster.bytes(id).expect("an admitted operation is held");
    let op = roster.op(id).expect("an admitted operation is held");
    let unsigned = bytes.len() - SIGNATURE_BYTES;
    assert_eq!(Some(op.to_bytes().as_slice()), bytes.get(..unsigned), "an operation has one form");
}

/// The same set gives the same state in any order. Of two beginnings, which
/// only the root key can sign, the one that is known first counts: so the
/// household's own comes first.
fn order_does_not_matter(roster: &Roster, ops: &[Vec<u8>]) {
    let mut other = Roster::new(roster.account());
    let first = House::get().ops.iter().take(1);
    for op in first.chain(ops.iter().rev()).chain(House::get().ops.iter().rev()) {
        drop(other.insert(op));
    }
    let held: Vec<OpId> = roster.ops().into_iter().map(|(id, _)| id).collect();
    let others: Vec<OpId> = other.ops().into_iter().map(|(id, _)| id).collect();
    assert_eq!(held, others, "another order admits other operations");
    assert_eq!(roster.state(), other.state(), "another order gives another state");
}

fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let mut blocks = blocks::read(&bytes);
    let mut last: Option<OpId> = None;
    for block in &mut blocks {
        let body = block.bytes.len().saturating_sub(SIGNATURE_BYTES);
        let mut unsigned = block.bytes.get(..body).unwrap_or_default().to_vec();
        if let Ok(mut op) = Op::from_bytes(&unsigned) {
            rechain(&mut op, last, rng);
            unsigned = op.to_bytes();
            block.bytes = resigned(&op, unsigned.clone());
        }
        last = Some(OpId(heirloom_base::hash::plain(&unsigned)));
    }
    blocks::write(&blocks)
}

/// Lets an operation build on what is known, or on the one before it.
fn rechain(op: &mut Op, last: Option<OpId>, rng: &mut Rng) {
    if rng.chance(40) {
        op.parents = last.map_or_else(|| House::get().roster.heads(), |last| vec![last]);
    }
    if rng.chance(10) {
        op.author = match rng.below(4) {
            0 => Author::Root,
            device => Author::Device(keys(device as u8).id()),
        };
    }
    if rng.chance(30) {
        op.generation = u32::from(matches!(op.body, OpBody::RootReset(_)));
    }
}

/// Signs as the author that the operation names, where the key is known.
fn resigned(op: &Op, mut unsigned: Vec<u8>) -> Vec<u8> {
    let house = House::get();
    let signature = match op.author {
        Author::Root => house.root.sign(KIND, &unsigned),
        Author::Device(device) => match number_of(device) {
            Some(number) => keys(number).sign(KIND, house.account(), &unsigned),
            None => [0; SIGNATURE_BYTES],
        },
    };
    unsigned.extend_from_slice(&signature);
    unsigned
}

fn by_device(author: &DeviceKeys, parents: Vec<OpId>, body: OpBody) -> Vec<u8> {
    let op = Op { author: Author::Device(author.id()), generation: 0, parents, body };
    let unsigned = op.to_bytes();
    resigned(&op, unsigned)
}

fn seeds() -> Seeds {
    let house = House::get();
    let one = |op: Vec<u8>| blocks::write(&blocks::of(0, [op]));
    let (roster, keyring, first) = (&house.roster, &house.keyring, keys(1));
    let signer = Signer::Device(&first);
    let heads = roster.heads();
    let own = |body: OpBody| one(by_device(&keys(1), heads.clone(), body));
    let device = keys(2).id();
    let cuts: BTreeMap<LogId, u64> = [(LogId([1; 16]), 7), (LogId([2; 16]), 0)].into();
    let new =
        |number| NewDevice::of(&keys(number), house.account(), Role::Keeper.capabilities(), "new");
    let mut seeds = vec![
        ("known", blocks::write(&blocks::of(0, house.ops.clone()))),
        ("add-device", one(roster::add_device(roster, keyring, signer, &new(4), &[1; 32]))),
        ("revoke", one(revoke(roster, keyring, signer, device, &cuts, &[2; 32]))),
        ("revoke-each-other", blocks::write(&blocks::of(0, each_other()))),
        ("capabilities", one(set_capabilities(roster, signer, device, Capabilities::READ))),
        ("by-nobody", {
            let stranger = keys(9);
            one(set_capabilities(roster, Signer::Device(&stranger), device, Capabilities::ALL))
        }),
        ("by-a-keeper", {
            let keeper = keys(3);
            one(set_capabilities(roster, Signer::Device(&keeper), device, Capabilities::ALL))
        }),
        ("a-long-chain", blocks::write(&blocks::of(0, chain(60)))),
        ("a-long-chain-backwards", {
            let ops: Vec<Vec<u8>> = chain(60).into_iter().rev().collect();
            blocks::write(&blocks::of(0, ops))
        }),
        ("policy", own(OpBody::Policy(vec![7; 40]))),
        ("erase", own(OpBody::Erase { device, nonce: [1; 16], mode: EraseMode::Wipe })),
        ("erase-receipt", own(OpBody::EraseReceipt { order: OpId([1; 32]), report: vec![1] })),
        ("unknown-kind", own(OpBody::Unknown { kind: 200, body: vec![1, 2, 3] })),
        ("accept", one(accept(roster, signer, device, &cuts))),
    ];
    seeds.extend(epochs().into_iter().map(|(name, op)| (name, one(op))));
    seeds
}

/// Operations that carry keys.
fn epochs() -> Seeds {
    let house = House::get();
    let (roster, keyring, first) = (&house.roster, &house.keyring, keys(1));
    let signer = Signer::Device(&first);
    let plan = ResetPlan {
        keep: [(keys(1).id(), Role::Member.capabilities())].into(),
        ..ResetPlan::default()
    };
    vec![
        ("epoch", epoch(roster, keyring, signer, &[3; 32])),
        ("rename", rename(roster, keyring, signer, keys(2).id(), "other", &[4; 32])),
        ("reset", roster::root_reset(roster, keyring, &house.root, &plan, &[5; 32])),
    ]
}

/// Two members who revoke each other at one time.
fn each_other() -> Vec<Vec<u8>> {
    let house = House::get();
    let revoked = |by: u8, other: u8| {
        let (keys_by, other) = (keys(by), keys(other).id());
        let keyring = Keyring::open(&house.roster, &keys_by).expect("a member reads");
        let signer = Signer::Device(&keys_by);
        revoke(&house.roster, &keyring, signer, other, &BTreeMap::new(), &[by; 32])
    };
    vec![revoked(1, 2), revoked(2, 1)]
}

/// Operations of which each builds on the one before.
fn chain(length: u8) -> Vec<Vec<u8>> {
    let mut parents = House::get().roster.heads();
    let mut ops = Vec::new();
    for number in 0..length {
        let op = by_device(&keys(1), parents, OpBody::Policy(vec![number]));
        let signed = Signed::<Op>::parse(&op).expect("an operation is read");
        parents = vec![signed.id()];
        ops.push(op);
    }
    ops
}
