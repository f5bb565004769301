//! Any order, repetition and partition of one set gives one state.

use super::*;
use crate::roster::op::EpochKeys;
use heirloom_base::Decode as _;
use proptest::prelude::*;
use proptest::sample::Index;

const DEVICES: u8 = 6;

/// One step of a random history.
#[derive(Debug, Clone)]
enum Act {
    Add { device: u8, capabilities: u8 },
    Set { device: u8, capabilities: u8 },
    Revoke { device: u8, cut: u64 },
    Epoch { without: u8 },
    Name { device: u8 },
    Accept { device: u8, seq: u64 },
    Reset { keep: u8 },
    RootAdd { device: u8 },
    Later,
}

fn acts() -> impl Strategy<Value = Act> {
    let device = || 1..=DEVICES;
    let rights = || prop_oneof![Just(7u8), Just(7u8), 0u8..16];
    prop_oneof![
        4 => (device(), rights()).prop_map(|(device, capabilities)| Act::Add { device, capabilities }),
        2 => (device(), rights()).prop_map(|(device, capabilities)| Act::Set { device, capabilities }),
        4 => (device(), 0u64..4).prop_map(|(device, cut)| Act::Revoke { device, cut }),
        2 => device().prop_map(|without| Act::Epoch { without }),
        1 => device().prop_map(|device| Act::Name { device }),
        1 => (device(), 0u64..9).prop_map(|(device, seq)| Act::Accept { device, seq }),
        1 => (0u8..64).prop_map(|keep| Act::Reset { keep }),
        1 => device().prop_map(|device| Act::RootAdd { device }),
        1 => Just(Act::Later),
    ]
}

/// A history: each act has an author and may know only a part of what came before.
fn histories() -> impl Strategy<Value = Vec<(u8, Act, Vec<Index>)>> {
    let known = prop::collection::vec(any::<Index>(), 1..3);
    prop::collection::vec((1..=DEVICES, acts(), known), 1..14)
}

/// Keys that open nothing: the state does not depend on what they wrap.
fn dummy_keys(recipients: impl Iterator<Item = u8>, predecessors: &[EpochId]) -> EpochKeys {
    EpochKeys {
        commitment: [1; 32],
        wraps: recipients.map(|device| (id(device), vec![device])).collect(),
        recovery_wrap: Vec::new(),
        predecessors: predecessors.iter().map(|epoch| (*epoch, Vec::new())).collect(),
    }
}

fn body(start: &Household, act: &Act, predecessors: &[EpochId]) -> (bool, OpBody) {
    let cuts = |seq: u64| BTreeMap::from([(LogId([1; 16]), seq), (LogId([2; 16]), 5)]);
    let all_but = |without: u8| (1..=DEVICES).filter(move |device| *device != without);
    let rights = |bits: u8| Capabilities::from_bytes(&[bits]).unwrap();
    match act {
        Act::Add { device, capabilities } => {
            (false, OpBody::AddDevice(plain_add(start, *device, rights(*capabilities))))
        }
        Act::Set { device, capabilities } => {
            let (device, capabilities) = (id(*device), rights(*capabilities));
            (false, OpBody::SetCapabilities { device, capabilities })
        }
        Act::Revoke { device, cut } => {
            let epoch = Some(dummy_keys(all_but(*device), predecessors));
            (false, OpBody::Revoke(Revoke { device: id(*device), cuts: cuts(*cut), epoch }))
        }
        Act::Epoch { without } => {
            (false, OpBody::Epoch(dummy_keys(all_but(*without), predecessors)))
        }
        Act::Name { device } => {
            (false, OpBody::Name { device: id(*device), sealed: vec![*device] })
        }
        Act::Accept { device, seq } => {
            (false, OpBody::Accept { device: id(*device), cuts: cuts(*seq) })
        }
        Act::Reset { keep } => {
            let kept = |device: &u8| keep >> (device - 1) & 1 == 1;
            let members = (1..=DEVICES).filter(kept).map(|device| {
                (
                    id(device),
                    op::ResetMember {
                        encryption_public: keys(device).encryption_public(),
                        capabilities: Role::Member.capabilities(),
                        sealed_name: Vec::new(),
                    },
                )
            });
            let gone = (1..=DEVICES).filter(|device| !kept(device));
            let revoked = gone.map(|device| (id(device), cuts(3))).collect();
            let epoch = dummy_keys((1..=DEVICES).filter(kept), predecessors);
            let members = members.collect();
            (true, OpBody::RootReset(op::RootReset { members, revoked, epoch }))
        }
        Act::RootAdd { device } => {
            let rights = Role::Member.capabilities();
            (true, OpBody::AddDevice(plain_add(start, *device, rights)))
        }
        Act::Later => (false, OpBody::Unknown { kind: 99, body: vec![7] }),
    }
}

/// Plays a history; what is refused is left out.
fn play(start: &Household, history: &[(u8, Act, Vec<Index>)]) -> Roster {
    let mut roster = start.roster.clone();
    let mut ids: Vec<OpId> = roster.ops().iter().map(|(id, _)| *id).skip(2).collect();
    for (author, act, known) in history {
        let mut parents: Vec<OpId> = known.iter().map(|at| *at.get(&ids)).collect();
        parents.sort_unstable();
        parents.dedup();
        let epochs: Vec<EpochId> = roster.epochs_within(&parents).into_keys().take(2).collect();
        let (root, body) = body(start, act, &epochs);
        let known = parents.iter().filter_map(|id| roster.op(id)).map(|op| op.generation).max();
        let step = u32::from(matches!(body, OpBody::RootReset(_)));
        let generation = known.unwrap_or(0) + step;
        let device = keys(*author);
        let (author, signer) = if root {
            (Author::Root, Signer::Root(&start.root))
        } else {
            (Author::Device(device.id()), Signer::Device(&device))
        };
        let op = Op { author, generation, parents, body };
        let bytes = author::sign(roster.account(), signer, &op);
        if let Ok(Inserted::New(new)) = roster.insert(&bytes) {
            ids.extend(new);
            let all = Bits::below(roster.len());
            assert!(roster.standing == judge(&roster.graph, &all), "one more differs from all");
        }
    }
    roster
}

fn start() -> Household {
    let mut household = Household::new();
    for device in 2..=4 {
        let add = plain_add(&household, device, Role::Member.capabilities());
        household.attempt(1, OpBody::AddDevice(add)).unwrap();
    }
    household
}

fn check_orders(start: &Household, history: &[(u8, Act, Vec<Index>)], order: &[Index]) {
    let played = play(start, history);
    let mut ops = played.ops_beyond(&[]);
    let mut roster = Roster::new(played.account());
    // The given order, drawn one by one, every third twice.
    for (turn, at) in order.iter().cycle().enumerate() {
        if ops.is_empty() {
            break;
        }
        let op = ops.swap_remove(at.index(ops.len()));
        roster.insert(&op).unwrap();
        if turn % 3 == 0 {
            roster.insert(&op).unwrap();
        }
    }
    assert_eq!(roster.state(), played.state());
    assert_eq!(roster.heads(), played.heads());
    assert_eq!(roster.ops(), played.ops());
    check_promises(&roster);
}

/// What holds in every state, whatever led to it.
fn check_promises(roster: &Roster) {
    let state = roster.state();
    for (device, member) in &state.devices {
        assert_eq!(state.is_member(*device), !member.revoked);
        if member.revoked {
            assert!(member.capabilities.is_empty());
        } else {
            assert!(member.revoked_by.is_empty());
        }
    }
    if let Some(epoch) = state.writing_epoch() {
        let readers = state.read_devices();
        assert!(state.epochs[&epoch].recipients.is_subset(&readers));
        let Some(op) = roster.op(&OpId(epoch.0)) else { panic!("an epoch without an operation") };
        if let Author::Device(author) = op.author {
            assert!(state.is_member(author));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_order_and_repetition_gives_the_same_state(
        history in histories(), order in prop::collection::vec(any::<Index>(), 1..24),
    ) {
        thread_local!(static START: Household = start());
        START.with(|start| check_orders(start, &history, &order));
    }
}
