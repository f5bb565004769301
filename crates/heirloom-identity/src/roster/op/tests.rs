use super::*;
use crate::roster::{NewDevice, Roster, Signer, add_device, genesis, revoke};
use crate::signed::Signed;
use crate::{DeviceKeys, Phrase, Role};
use heirloom_base::hash;
use heirloom_base::id::to_hex;
use proptest::prelude::*;

fn epoch_keys() -> EpochKeys {
    EpochKeys {
        commitment: [1; 32],
        wraps: [(DeviceId([2; 32]), vec![3; 4]), (DeviceId([5; 32]), Vec::new())].into(),
        recovery_wrap: vec![6; 3],
        predecessors: [(EpochId([7; 32]), vec![8; 2])].into(),
    }
}

fn bodies() -> Vec<OpBody> {
    let device = DeviceId([1; 32]);
    let cuts = BTreeMap::from([(LogId([2; 16]), 3), (LogId([4; 16]), u64::MAX)]);
    let member = ResetMember {
        encryption_public: [1; 32],
        capabilities: Capabilities::READ,
        sealed_name: vec![2],
    };
    vec![
        OpBody::Genesis(Genesis {
            root_public: [1; 32],
            recovery_public: [2; 32],
            account_key_commitment: [3; 32],
        }),
        OpBody::AddDevice(AddDevice {
            device,
            encryption_public: [2; 32],
            binding: [3; 64],
            capabilities: Capabilities::ALL,
            sealed_name: vec![4; 5],
            wraps: [(EpochId([6; 32]), vec![7; 8])].into(),
        }),
        OpBody::SetCapabilities { device, capabilities: Capabilities::STORE },
        OpBody::Revoke(Revoke { device, cuts: cuts.clone(), epoch: Some(epoch_keys()) }),
        OpBody::Epoch(epoch_keys()),
        OpBody::Accept { device, cuts: cuts.clone() },
        OpBody::Erase { device, nonce: [9; 16], mode: EraseMode::Lock },
        OpBody::EraseReceipt { order: OpId([1; 32]), report: vec![2; 3] },
        OpBody::Policy(vec![1, 2, 3]),
        OpBody::RootReset(RootReset {
            members: [(device, member)].into(),
            revoked: [(DeviceId([2; 32]), cuts)].into(),
            epoch: epoch_keys(),
        }),
        OpBody::Name { device, sealed: vec![1; 40] },
        OpBody::Unknown { kind: 77, body: vec![1, 2] },
    ]
}

fn op(body: OpBody) -> Op {
    let parents = vec![OpId([1; 32]), OpId([2; 32])];
    Op { author: Author::Device(DeviceId([3; 32])), generation: 4, parents, body }
}

#[test]
fn every_kind_is_read_back() {
    for (at, body) in bodies().into_iter().enumerate() {
        let kind = body.kind();
        assert_eq!(usize::from(kind), if kind == 77 { 77 } else { at + 1 });
        let op = op(body);
        assert_eq!(Op::from_bytes(&op.to_bytes()), Ok(op));
    }
}

#[test]
fn the_form_of_every_kind_is_frozen() {
    let mut all = Vec::new();
    for body in bodies() {
        all.extend_from_slice(&op(body).to_bytes());
    }
    assert_eq!(
        to_hex(&hash::plain(&all)),
        "c2de9f697e93c048d539f708c602ce5c8c7b631b76b2f10005b5d2221bf78483"
    );
    let smallest = Op {
        author: Author::Root,
        generation: 1,
        parents: vec![OpId([0xaa; 32])],
        body: OpBody::Policy(vec![0xbb]),
    };
    assert_eq!(
        to_hex(&smallest.to_bytes()),
        "48524f50010109000100000001000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0500000001000000bb"
    );
    let renamed = op(OpBody::Name { device: DeviceId([1; 32]), sealed: vec![0xcc] });
    assert_eq!(
        to_hex(&renamed.to_bytes()),
        "48524f5001010b01030303030303030303030303030303030303030303030303030303030303030304000000020000000101010101010101010101010101010101010101010101010101010101010101020202020202020202020202020202020202020202020202020202020202020225000000010101010101010101010101010101010101010101010101010101010101010101000000cc"
    );
}

#[test]
fn the_ids_of_an_account_are_frozen() {
    let root = Phrase::from_entropy([0x7f; 16]).root_keys();
    let device = DeviceKeys::from_seed([1; 32]);
    let member = Role::Member.capabilities();
    let (ops, keyring) = genesis(&root, &device, "desk", member, &[2; 32]);
    let mut roster = Roster::new(root.account_id());
    for op in &ops {
        roster.insert(op).unwrap();
    }
    let other = DeviceKeys::from_seed([3; 32]);
    let new = NewDevice::of(&other, root.account_id(), member, "phone");
    let op = add_device(&roster, &keyring, Signer::Device(&device), &new, &[4; 32]);
    roster.insert(&op).unwrap();
    let cuts = [(LogId([5; 16]), 6)].into();
    let op = revoke(&roster, &keyring, Signer::Device(&device), other.id(), &cuts, &[7; 32]);
    roster.insert(&op).unwrap();
    let ids: Vec<String> = roster.ops().iter().map(|(id, _)| id.to_string()).collect();
    let frozen = [
        "722744613a1f6db0f63038230efe61237e60cac496cdbb169e3a9d7b419bde3e",
        "a605dd9b2b1665390e2a980513f180f8e120c043e2e6b79c01815dd63812d401",
        "7518e0562ce49a03a8982c24ecefab08239f864f8135472660e2ce1ce2fac149",
        "426b92ed80a745aaa6bb184049b20ae82d60174ef1f85bfb866039d56151eed8",
        "223183823f1abf20564f77d6ea92fd6d501514613bbe49cae752567aac5e1089",
    ];
    assert_eq!(ids, frozen);
    let all: Vec<u8> = roster.ops().iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
    assert_eq!(
        to_hex(&hash::plain(&all)),
        "903f826c189e2c656e4bcc4df207eb01d1d4fb2c3d53b3a9fc285348eb1beb29"
    );
}

#[test]
fn another_magic_version_suite_or_author_is_refused() {
    let bytes = op(OpBody::Policy(Vec::new())).to_bytes();
    assert!(Op::from_bytes(&bytes).is_ok());
    for (at, value) in [(0, b'X'), (4, 2), (5, 2), (7, 2)] {
        let mut changed = bytes.clone();
        changed[at] = value;
        assert!(Op::from_bytes(&changed).is_err(), "{at}");
    }
}

#[test]
fn what_is_not_canonical_is_refused() {
    let mut twice = op(OpBody::Policy(Vec::new()));
    twice.parents = vec![OpId([2; 32]), OpId([2; 32])];
    let refused = Op::from_bytes(&twice.to_bytes());
    assert_eq!(refused, Err(DecodeError::NotCanonical("parents ascend")));
    let mut many = op(OpBody::Policy(Vec::new()));
    many.parents = (0..17).map(|at| OpId([at; 32])).collect();
    assert!(matches!(Op::from_bytes(&many.to_bytes()), Err(DecodeError::TooLong { .. })));
    let OpBody::RootReset(mut reset) = bodies().swap_remove(9) else { panic!("not a reset") };
    reset.revoked.insert(DeviceId([1; 32]), BTreeMap::new());
    assert!(Op::from_bytes(&op(OpBody::RootReset(reset)).to_bytes()).is_err());
    let mut longer = op(OpBody::Policy(Vec::new())).to_bytes();
    longer.push(0);
    assert_eq!(Op::from_bytes(&longer), Err(DecodeError::Trailing(1)));
}

proptest! {
    #[test]
    fn foreign_bytes_are_refused_without_a_panic(
        kind in 0u8..14, body in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let bytes = op(OpBody::Unknown { kind, body }).to_bytes();
        if let Ok(read) = Op::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes.clone());
        }
        let _refused = Signed::<Op>::parse(&bytes);
    }

    #[test]
    fn a_changed_byte_gives_another_operation_or_none(
        which in 0usize..12, at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let op = op(bodies().swap_remove(which));
        let mut bytes = op.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = Op::from_bytes(&bytes) {
            prop_assert_ne!(&read, &op);
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }
}
