use super::*;
use crate::roster::{NewDevice, Signer, add_device, epoch, genesis, revoke};
use crate::{Capabilities, Phrase, Role};

struct House {
    root: RootKeys,
    roster: Roster,
}

fn keys(device: u8) -> DeviceKeys {
    DeviceKeys::from_seed([device; 32])
}

impl House {
    fn new() -> Self {
        let root = Phrase::from_entropy([9; 16]).root_keys();
        let member = Role::Member.capabilities();
        let (ops, _) = genesis(&root, &keys(1), "one", member, &[1; 32]);
        let mut roster = Roster::new(root.account_id());
        for op in ops {
            roster.insert(&op).unwrap();
        }
        Self { root, roster }
    }

    fn add(&mut self, device: u8, capabilities: Capabilities) {
        let ring = Keyring::open(&self.roster, &keys(1)).unwrap();
        let new = NewDevice::of(&keys(device), self.roster.account(), capabilities, "two");
        let signer = keys(1);
        let op = add_device(&self.roster, &ring, Signer::Device(&signer), &new, &[device; 32]);
        self.roster.insert(&op).unwrap();
    }

    fn turn(&mut self, random: u8) {
        let ring = Keyring::open(&self.roster, &keys(1)).unwrap();
        let signer = keys(1);
        let op = epoch(&self.roster, &ring, Signer::Device(&signer), &[random; 32]);
        self.roster.insert(&op).unwrap();
    }
}

#[test]
fn a_new_member_opens_every_epoch_there_ever_was() {
    let mut house = House::new();
    house.turn(10);
    house.turn(11);
    house.add(2, Role::Member.capabilities());
    house.turn(12);
    let (one, two) = (keys(1), keys(2));
    let one = Keyring::open(&house.roster, &one).unwrap();
    let two = Keyring::open(&house.roster, &two).unwrap();
    assert_eq!(one.epochs().count(), 4);
    for id in house.roster.state().epochs.keys() {
        assert!(one.epoch_key(id).is_some());
        assert_eq!(one.epoch_key(id), two.epoch_key(id));
    }
    assert_eq!(one.account_key(), two.account_key());
}

#[test]
fn the_recovery_phrase_opens_everything() {
    let mut house = House::new();
    house.turn(10);
    house.add(2, Role::BlindKeeper.capabilities());
    house.turn(11);
    let ring = Keyring::open_with_recovery(&house.roster, &house.root).unwrap();
    assert_eq!(ring.epochs().count(), 3);
    assert_eq!(ring.name_of(keys(2).id(), house.roster.state()).as_deref(), Some("two"));
    let wrong = Phrase::from_entropy([8; 16]).root_keys();
    let refused = Keyring::open_with_recovery(&house.roster, &wrong);
    assert_eq!(refused.unwrap_err(), KeyringError::NoKey);
}

#[test]
fn what_the_first_device_gets_is_what_the_roster_holds() {
    let root = Phrase::from_entropy([9; 16]).root_keys();
    let member = Role::Member.capabilities();
    let (_, given) = genesis(&root, &keys(1), "one", member, &[1; 32]);
    let opened = Keyring::open(&House::new().roster, &keys(1)).unwrap();
    assert_eq!(given.account_key(), opened.account_key());
    assert_eq!(given.epochs, opened.epochs);
}

#[test]
fn who_may_not_read_and_who_is_a_stranger_has_no_key() {
    let mut house = House::new();
    house.add(2, Role::BlindKeeper.capabilities());
    for device in [2, 3] {
        let refused = Keyring::open(&house.roster, &keys(device));
        assert_eq!(refused.unwrap_err(), KeyringError::NoKey);
    }
    let empty = Roster::new(house.roster.account());
    assert_eq!(Keyring::open(&empty, &keys(1)).unwrap_err(), KeyringError::NoGenesis);
}

#[test]
fn a_keyring_follows_the_roster() {
    let mut house = House::new();
    let device = keys(1);
    let mut ring = Keyring::open(&house.roster, &device).unwrap();
    house.turn(10);
    house.turn(11);
    ring.refresh(&house.roster, &device).unwrap();
    assert_eq!(ring.epochs().count(), 3);
    house.add(2, Role::Member.capabilities());
    let fresh = Keyring::open(&house.roster, &device).unwrap();
    assert_eq!(fresh.epochs, ring.epochs);
}

#[test]
fn a_wrap_with_a_foreign_account_key_is_not_believed() {
    let house = House::new();
    let honest = Keyring::open(&house.roster, &keys(1)).unwrap();
    let mut evil = Keyring::begin(house.roster.account(), [66; 32]);
    let epoch_id = honest.epochs().next().unwrap();
    evil.hold(epoch_id, Zeroizing::new(*honest.epoch_key(&epoch_id).unwrap()));
    let mut roster = house.roster.clone();
    let signer = keys(1);
    let op = epoch(&roster, &evil, Signer::Device(&signer), &[9; 32]);
    roster.insert(&op).unwrap();
    let ring = Keyring::open(&roster, &keys(1)).unwrap();
    assert_eq!(ring.account_key(), honest.account_key());
    assert_eq!(ring.epochs().count(), 1);
}

#[test]
fn a_key_that_another_epoch_only_claims_to_hand_on_is_still_handed_on() {
    let mut house = House::new();
    house.turn(10);
    let ring = Keyring::open(&house.roster, &keys(1)).unwrap();
    let ids: Vec<EpochId> = house.roster.state().epochs.keys().copied().collect();
    let mut candidates = house.roster.epochs_within(&house.roster.heads());
    assert_eq!(ring.tips(&candidates).len(), 1);
    let later = ids.iter().find(|id| !candidates[id].predecessors.is_empty()).unwrap();
    let mut lying = candidates[later].clone();
    lying.predecessors.values_mut().for_each(|sealed| sealed[0] ^= 1);
    candidates.insert(*later, &lying);
    assert_eq!(ring.tips(&candidates).len(), 2);
}

#[test]
fn a_revoked_device_keeps_old_keys_and_gets_no_new_ones() {
    let mut house = House::new();
    house.add(2, Role::Member.capabilities());
    let ring = Keyring::open(&house.roster, &keys(1)).unwrap();
    let signer = keys(1);
    let signer = Signer::Device(&signer);
    let op = revoke(&house.roster, &ring, signer, keys(2).id(), &BTreeMap::new(), &[5; 32]);
    house.roster.insert(&op).unwrap();
    house.turn(12);
    assert_eq!(Keyring::open(&house.roster, &keys(2)).unwrap().epochs().count(), 1);
    assert_eq!(Keyring::open(&house.roster, &keys(1)).unwrap().epochs().count(), 3);
}

#[test]
fn names_are_sealed_padded_and_bound_to_their_device() {
    let ring = Keyring::begin(AccountId([1; 32]), [2; 32]);
    let (one, two) = (DeviceId([1; 32]), DeviceId([2; 32]));
    let sealed = ring.seal_name(one, "Ada's phone", &[3; 24]);
    assert_eq!(sealed.len(), ring.seal_name(one, "x", &[3; 24]).len());
    assert_eq!(ring.open_name(one, &sealed).as_deref(), Some("Ada's phone"));
    assert_eq!(ring.open_name(two, &sealed), None);
    assert_eq!(ring.open_name(one, &sealed[..10]), None);
    let long = "é".repeat(100);
    let sealed = ring.seal_name(one, &long, &[3; 24]);
    assert_eq!(ring.open_name(one, &sealed), Some("é".repeat(64)));
    assert!(sealed.len() <= crate::roster::op::SEALED_BYTES_MAX);
}

#[test]
fn nothing_secret_is_printed() {
    let ring = Keyring::begin(AccountId([1; 32]), [0x42; 32]);
    assert_eq!(format!("{ring:?}"), "Keyring { epochs: [], .. }");
}
