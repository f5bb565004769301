use super::*;
use heirloom_identity::Phrase;
use heirloom_identity::roster::NewDevice;

fn keys(seed: u8) -> DeviceKeys {
    DeviceKeys::from_seed([seed; 32])
}

/// Returns the membership of a first device, with operations that let in others.
fn founded(others: &[(u8, Role)]) -> Membership {
    let root = Phrase::from_entropy([1; 16]).root_keys();
    let may = Role::Member.capabilities();
    let (ops, keyring) = roster::genesis(&root, &keys(1), "one", may, &[3; 32]);
    let mut membership = Membership::new(root.account_id());
    for op in ops {
        membership.insert(&op).unwrap();
    }
    for (seed, role) in others {
        let new = NewDevice::of(&keys(*seed), root.account_id(), role.capabilities(), "other");
        let signer = keys(1);
        let signer = Signer::Device(&signer);
        let op = roster::add_device(&membership.roster, &keyring, signer, &new, &[*seed; 32]);
        assert_eq!(membership.insert(&op).unwrap().len(), 1);
        assert_eq!(membership.insert(&op), Ok(vec![]), "it is known now");
    }
    membership
}

#[test]
fn new_members_are_told_once() {
    let mut membership = founded(&[(2, Role::Member)]);
    assert_eq!(membership.refresh(&keys(1)).len(), 2);
    assert!(membership.refresh(&keys(1)).is_empty());
    assert_eq!(membership.name(keys(2).id()).as_deref(), Some("other"));
}

#[test]
fn roles_decide_what_a_device_may_do() {
    let membership = founded(&[(2, Role::Keeper), (3, Role::BlindKeeper)]);
    let rights = |seed| {
        let device = keys(seed).id();
        [
            membership.may_write(device),
            membership.is_admin(device),
            membership.is_keeper(device),
            membership.is_peer(device),
        ]
    };
    assert_eq!(rights(1), [true, true, false, true]);
    assert_eq!(rights(2), [true, false, true, true]);
    assert_eq!(rights(3), [false, false, true, true]);
    assert_eq!(rights(4), [false; 4]);
    assert_eq!(membership.peers(keys(1).id()), [keys(2).id(), keys(3).id()].into());
    assert!(membership.peers(keys(4).id()).is_empty(), "a stranger has no peers");
}

#[test]
fn a_blind_device_gets_no_keyring_and_renames_nobody() {
    let mut membership = founded(&[(3, Role::BlindKeeper)]);
    membership.refresh(&keys(3));
    assert!(membership.keyring.is_none() && membership.name(keys(1).id()).is_none());
    let result = membership.author_rename(&keys(3), keys(3).id(), "x", &[1; 32]);
    assert_eq!(result.unwrap_err().code, "blind");
}

#[test]
fn operations_of_another_account_count_for_nothing() {
    let mut membership = founded(&[]);
    let root = Phrase::from_entropy([2; 16]).root_keys();
    let may = Role::Member.capabilities();
    let (ops, _) = roster::genesis(&root, &keys(1), "one", may, &[3; 32]);
    let before = membership.roster.len();
    assert!(membership.insert(&ops[0]).is_err());
    // Those that build on what is not here count for nothing either.
    assert!(ops.iter().all(|op| membership.insert(op).is_ok_and(|news| news.is_empty())
        || membership.insert(op).is_err()));
    assert!(membership.insert(&[1, 2, 3]).is_err());
    assert_eq!(membership.roster.len(), before);
}

#[test]
fn a_conversation_that_is_open_goes_on_when_there_is_no_more_room() {
    let mut membership = founded(&[]);
    let (own, other) = (keys(1).id(), keys(9).id());
    for number in 0..CONVERSATIONS_MAX as u64 {
        assert!(membership.converse(PairingId(number), own, other, [1; 32]).is_some());
    }
    assert!(membership.converse(PairingId(99), own, other, [1; 32]).is_none());
    assert!(membership.converse(PairingId(0), own, other, [1; 32]).is_some());
    membership.close(PairingId(0));
    assert!(membership.converse(PairingId(99), own, other, [1; 32]).is_some());
}

#[test]
fn the_newest_route_of_a_device_is_kept() {
    let mut membership = founded(&[]);
    let device = keys(2).id();
    assert_eq!(membership.route(device), None);
    membership.note_route(device, vec!["a".into()]);
    membership.note_route(device, vec!["b".into()]);
    assert_eq!(membership.route(device), Some(["b".to_owned()].as_slice()));
    assert_eq!(membership.routes().len(), 1);
}
