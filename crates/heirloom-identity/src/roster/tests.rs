use super::op::{AddDevice, Revoke};
use super::*;
use crate::{Capabilities, DeviceKeys, Keyring, Phrase, Role, RootKeys};
use heirloom_base::{DeviceId, LogId};

mod conflicts;
mod flood;
mod orders;
mod share;

const READ: Capabilities = Capabilities::READ;
const WRITE: Capabilities = Capabilities::WRITE;
const ADMIN: Capabilities = Capabilities::ADMIN;

/// An account whose devices 1, 2, ... have keys of that seed.
struct Household {
    root: RootKeys,
    roster: Roster,
    random: u8,
}

impl Household {
    /// Begins with device 1 as the only member.
    fn new() -> Self {
        let root = Phrase::from_entropy([9; 16]).root_keys();
        let member = Role::Member.capabilities();
        let (ops, _) = genesis(&root, &keys(1), "one", member, &[200; 32]);
        let mut roster = Roster::new(root.account_id());
        for op in &ops {
            assert!(matches!(roster.insert(op), Ok(Inserted::New(_))));
        }
        Self { root, roster, random: 0 }
    }

    /// Begins with members 1 to `count`.
    fn of(count: u8) -> Self {
        let mut household = Self::new();
        for device in 2..=count {
            household.add(1, device, Role::Member);
        }
        household
    }

    /// Returns another replica that knows the same.
    fn fork(&self) -> Self {
        let (root, roster) = (self.root.clone(), self.roster.clone());
        Self { root, roster, random: self.random.wrapping_add(100) }
    }

    fn random(&mut self) -> [u8; 32] {
        self.random += 1;
        [self.random; 32]
    }

    fn keyring(&self, device: u8) -> Keyring {
        Keyring::open(&self.roster, &keys(device)).unwrap()
    }

    fn take(&mut self, op: &[u8]) -> OpId {
        match self.roster.insert(op).unwrap() {
            Inserted::New(ids) => ids[0],
            held @ (Inserted::Known | Inserted::Waiting { .. }) => panic!("not new: {held:?}"),
        }
    }

    fn new_device(&self, device: u8, role: Role) -> NewDevice {
        let (account, name) = (self.roster.account(), format!("device {device}"));
        NewDevice::of(&keys(device), account, role.capabilities(), &name)
    }

    fn add(&mut self, by: u8, device: u8, role: Role) -> OpId {
        let (random, new) = (self.random(), self.new_device(device, role));
        let signer = keys(by);
        let ring = self.keyring(by);
        let op = add_device(&self.roster, &ring, Signer::Device(&signer), &new, &random);
        self.take(&op)
    }

    fn revoke(&mut self, by: u8, device: u8, cuts: &[(u8, u64)]) -> OpId {
        let (random, signer, ring) = (self.random(), keys(by), self.keyring(by));
        let cuts = cuts.iter().map(|(log, seq)| (LogId([*log; 16]), *seq)).collect();
        let signer = Signer::Device(&signer);
        let op = revoke(&self.roster, &ring, signer, id(device), &cuts, &random);
        self.take(&op)
    }

    fn set(&mut self, by: u8, device: u8, capabilities: Capabilities) -> OpId {
        let signer = keys(by);
        let op = set_capabilities(&self.roster, Signer::Device(&signer), id(device), capabilities);
        self.take(&op)
    }

    fn epoch(&mut self, by: u8) -> OpId {
        let (random, signer, ring) = (self.random(), keys(by), self.keyring(by));
        let op = epoch(&self.roster, &ring, Signer::Device(&signer), &random);
        self.take(&op)
    }

    fn reset(&mut self, keep: &[u8]) -> OpId {
        let random = self.random();
        let ring = Keyring::open_with_recovery(&self.roster, &self.root).unwrap();
        let keep = keep.iter().map(|device| (id(*device), Role::Member.capabilities())).collect();
        let plan = ResetPlan { keep, ..ResetPlan::default() };
        let op = root_reset(&self.roster, &ring, &self.root, &plan, &random);
        self.take(&op)
    }

    /// Exchanges everything with another replica.
    fn sync(&mut self, other: &mut Self) {
        for op in other.roster.ops_beyond(&self.roster.heads()) {
            self.roster.insert(&op).unwrap();
        }
        for op in self.roster.ops_beyond(&other.roster.heads()) {
            other.roster.insert(&op).unwrap();
        }
        assert_eq!(self.roster.state(), other.roster.state());
        assert_eq!(self.roster.heads(), other.roster.heads());
    }

    fn members(&self) -> Vec<u8> {
        (0..20).filter(|device| self.roster.state().is_member(id(*device))).collect()
    }

    fn rights(&self, device: u8) -> Capabilities {
        self.roster.state().capabilities(id(device))
    }

    fn verdict(&self, device: u8, log: u8, seq: u64) -> WriteVerdict {
        self.roster.state().may_write(id(device), LogId([log; 16]), seq)
    }

    fn readers_of_writing_epoch(&self) -> Vec<u8> {
        let state = self.roster.state();
        let epoch = &state.epochs[&state.writing_epoch().unwrap()];
        (0..20).filter(|device| epoch.recipients.contains(&id(*device))).collect()
    }

    /// Signs a body on top of all that is known and returns what becomes of it.
    fn attempt(&mut self, by: u8, body: OpBody) -> Result<Inserted, RosterError> {
        let signer = keys(by);
        let op = author::compose(&self.roster, Signer::Device(&signer), body);
        self.roster.insert(&op)
    }
}

fn keys(device: u8) -> DeviceKeys {
    DeviceKeys::from_seed([device; 32])
}

fn id(device: u8) -> DeviceId {
    keys(device).id()
}

fn plain_revoke(device: u8) -> OpBody {
    OpBody::Revoke(Revoke { device: id(device), cuts: BTreeMap::new(), epoch: None })
}

fn plain_add(household: &Household, device: u8, capabilities: Capabilities) -> AddDevice {
    let new = household.new_device(device, Role::Member);
    AddDevice {
        device: new.id,
        encryption_public: new.encryption_public,
        binding: new.binding,
        capabilities,
        sealed_name: Vec::new(),
        wraps: BTreeMap::new(),
    }
}

#[test]
fn an_account_begins_with_one_member_and_a_key() {
    let household = Household::new();
    let state = household.roster.state();
    assert_eq!(household.members(), [1]);
    assert_eq!(household.rights(1), Role::Member.capabilities());
    assert!(!state.needs_epoch());
    assert_eq!(household.readers_of_writing_epoch(), [1]);
    assert_eq!(household.keyring(1).name_of(id(1), state).as_deref(), Some("one"));
    assert_eq!(state.root_public, Some(household.root.root_public()));
}

#[test]
fn the_beginning_of_another_account_is_refused() {
    let other = Phrase::from_entropy([8; 16]).root_keys();
    let (ops, _) = genesis(&other, &keys(1), "one", Role::Member.capabilities(), &[1; 32]);
    let mut household = Household::new();
    assert_eq!(
        household.roster.insert(&ops[0]),
        Err(RosterError::WrongAccount(other.account_id()))
    );
    let root = household.root.clone();
    let (ops, _) = genesis(&root, &keys(2), "two", Role::Member.capabilities(), &[2; 32]);
    assert_eq!(household.roster.insert(&ops[0]), Err(RosterError::SecondGenesis));
    assert_eq!(household.roster.insert(&[0; 70_000]), Err(RosterError::TooLong(70_000)));
}

#[test]
fn only_the_root_key_begins_an_account() {
    let household = Household::new();
    let genesis = household.roster.op(&household.roster.ops()[0].0).unwrap().body.clone();
    let op =
        Op { author: Author::Device(id(2)), generation: 0, parents: Vec::new(), body: genesis };
    let device = keys(2);
    let bytes = author::sign(household.roster.account(), Signer::Device(&device), &op);
    let mut empty = Roster::new(household.roster.account());
    let refused = Err(RosterError::NotEntitled(Author::Device(id(2))));
    assert_eq!(empty.insert(&bytes), refused);
    assert!(empty.is_empty());
}

#[test]
fn a_new_member_reads_and_lets_others_in() {
    let mut household = Household::of(2);
    household.add(2, 3, Role::Keeper);
    assert_eq!(household.members(), [1, 2, 3]);
    assert_eq!(household.readers_of_writing_epoch(), [1, 2, 3]);
    assert!(!household.roster.state().needs_epoch());
    let (one, three) = (household.keyring(1), household.keyring(3));
    let epoch = household.roster.state().writing_epoch().unwrap();
    assert_eq!(one.epoch_key(&epoch), three.epoch_key(&epoch));
    assert_eq!(one.account_key(), three.account_key());
}

#[test]
fn a_blind_keeper_gets_no_key_and_no_name() {
    let mut household = Household::new();
    household.add(1, 2, Role::BlindKeeper);
    assert_eq!(household.members(), [1, 2]);
    assert_eq!(household.readers_of_writing_epoch(), [1]);
    assert!(Keyring::open(&household.roster, &keys(2)).is_err());
    let text = b"device 2".to_vec();
    for (_, bytes) in household.roster.ops() {
        assert!(!bytes.windows(text.len()).any(|window| window == text));
    }
    household.epoch(1);
    assert!(Keyring::open(&household.roster, &keys(2)).is_err());
    assert_eq!(household.verdict(2, 1, 1), WriteVerdict::NotMember);
}

#[test]
fn who_is_not_entitled_is_refused_for_good() {
    let mut household = Household::new();
    household.add(1, 2, Role::Keeper);
    household.add(1, 3, Role::BlindKeeper);
    let refused = |by: u8| Err(RosterError::NotEntitled(Author::Device(id(by))));
    let add = plain_add(&household, 9, ADMIN);
    for (by, body) in [
        (2, OpBody::AddDevice(add.clone())),
        (3, OpBody::AddDevice(add.clone())),
        (7, OpBody::AddDevice(add)),
        (2, plain_revoke(1)),
        (2, OpBody::SetCapabilities { device: id(2), capabilities: ADMIN }),
        (2, OpBody::Policy(vec![1])),
        (2, OpBody::Name { device: id(1), sealed: Vec::new() }),
        (7, OpBody::Unknown { kind: 99, body: Vec::new() }),
    ] {
        assert_eq!(household.attempt(by, body), refused(by));
    }
    let keyring = household.keyring(1);
    let blind = keys(3);
    let op = epoch(&household.roster, &keyring, Signer::Device(&blind), &[50; 32]);
    assert_eq!(household.roster.insert(&op), refused(3));
}

#[test]
fn a_device_cannot_be_brought_in_under_a_foreign_encryption_key() {
    let mut household = Household::new();
    let mut add = plain_add(&household, 2, READ);
    add.encryption_public = keys(66).encryption_public();
    let refused = household.attempt(1, OpBody::AddDevice(add));
    assert_eq!(refused, Err(RosterError::Binding(id(2))));
}

#[test]
fn operations_about_unknown_devices_and_epochs_are_refused() {
    let mut household = Household::new();
    let refused = household.attempt(1, plain_revoke(2));
    assert_eq!(refused, Err(RosterError::UnknownDevice(id(2))));
    let mut add = plain_add(&household, 2, READ);
    add.wraps.insert(EpochId([5; 32]), Vec::new());
    let refused = household.attempt(1, OpBody::AddDevice(add));
    assert_eq!(refused, Err(RosterError::UnknownEpoch(EpochId([5; 32]))));
}

#[test]
fn a_changed_signature_or_byte_is_refused() {
    let mut household = Household::of(2);
    let signer = keys(2);
    let op = set_capabilities(&household.roster, Signer::Device(&signer), id(1), READ);
    for at in [op.len() - 1, op.len() - 70] {
        let mut changed = op.clone();
        changed[at] ^= 1;
        assert!(household.roster.insert(&changed).is_err());
    }
    household.take(&op);
    assert_eq!(household.roster.insert(&op), Ok(Inserted::Known));
}

#[test]
fn an_operation_waits_for_its_parents() {
    let household = Household::of(3);
    let ops: Vec<Vec<u8>> =
        household.roster.ops().iter().map(|(_, bytes)| bytes.to_vec()).collect();
    let mut roster = Roster::new(household.roster.account());
    for op in ops[1..].iter().rev() {
        let inserted = roster.insert(op).unwrap();
        assert!(matches!(inserted, Inserted::Waiting { missing } if missing.len() == 1));
        assert!(matches!(roster.insert(op), Ok(Inserted::Waiting { .. })));
    }
    assert!(roster.is_empty() && roster.heads().is_empty());
    let Ok(Inserted::New(ids)) = roster.insert(&ops[0]) else { panic!("nothing came in") };
    assert_eq!(ids, household.roster.ops().iter().map(|(id, _)| *id).collect::<Vec<_>>());
    assert_eq!(roster.state(), household.roster.state());
    assert!(roster.waiting.is_empty());
}

#[test]
fn what_waits_is_limited() {
    let account = Household::new().roster.account();
    let mut roster = Roster::new(account);
    let policy = |number: u8| {
        let op = Op {
            author: Author::Device(id(1)),
            generation: 0,
            parents: vec![OpId([1; 32])],
            body: OpBody::Policy(vec![number; 16 * 1024]),
        };
        author::sign(account, Signer::Device(&keys(1)), &op)
    };
    for number in 0..=255 {
        assert!(matches!(roster.insert(&policy(number)), Ok(Inserted::Waiting { .. })));
        assert!(roster.waiting.bytes() <= 4 * 1024 * 1024, "the oldest give way");
    }
    let newest = Signed::<Op>::parse(&policy(255)).unwrap().id();
    assert!(roster.waiting.op(&newest).is_some());
}

#[test]
fn what_another_lacks_is_told_by_its_heads() {
    let mut household = Household::of(2);
    let mut other = household.fork();
    household.add(1, 3, Role::Member);
    other.add(2, 4, Role::Member);
    assert_eq!(household.roster.ops_beyond(&other.roster.heads()).len(), 4 + 1);
    let known: Vec<OpId> = household.roster.ops().iter().map(|(id, _)| *id).take(4).collect();
    assert_eq!(household.roster.ops_beyond(&known).len(), 1);
    assert_eq!(household.roster.ops_beyond(&[]).len(), household.roster.len());
    assert!(household.roster.is_within(&known[0], &household.roster.heads()));
    assert!(!household.roster.is_within(&household.roster.heads()[0], &known));
    household.sync(&mut other);
    assert_eq!(household.members(), [1, 2, 3, 4]);
}

#[test]
fn an_operation_of_a_later_version_is_kept_and_relayed_but_not_applied() {
    let mut household = Household::of(2);
    let before = household.roster.state().clone();
    let body = OpBody::Unknown { kind: 200, body: vec![1, 2, 3] };
    let inserted = household.attempt(2, body).unwrap();
    let Inserted::New(ids) = inserted else { panic!("not new") };
    assert_eq!(household.roster.state(), &before);
    let bytes = household.roster.bytes(&ids[0]).unwrap().to_vec();
    assert_eq!(household.roster.ops_beyond(&[]).last(), Some(&bytes));
}

#[test]
fn a_device_is_named_by_itself_or_an_admin() {
    let mut household = Household::new();
    household.add(1, 2, Role::Keeper);
    for (by, device, name) in [(2, 2, "the attic"), (1, 2, "the cellar"), (1, 1, "desk")] {
        let (random, signer, ring) = (household.random(), keys(by), household.keyring(by));
        let signer = Signer::Device(&signer);
        let op = rename(&household.roster, &ring, signer, id(device), name, &random);
        household.take(&op);
        let state = household.roster.state();
        assert_eq!(household.keyring(1).name_of(id(device), state).as_deref(), Some(name));
    }
}

#[test]
fn a_device_that_may_not_write_is_not_believed_and_one_that_did_keeps_it() {
    let mut household = Household::of(2);
    assert_eq!(household.verdict(2, 1, 1), WriteVerdict::Valid);
    household.set(1, 2, READ);
    assert_eq!(household.verdict(2, 1, 1), WriteVerdict::Valid);
    household.add(1, 3, Role::BlindKeeper);
    assert_eq!(household.verdict(3, 1, 1), WriteVerdict::NotMember);
    household.set(1, 3, READ | WRITE);
    assert_eq!(household.verdict(3, 1, 1), WriteVerdict::Valid);
    assert_eq!(household.verdict(19, 1, 1), WriteVerdict::NotMember);
}

#[test]
fn a_device_that_may_read_from_now_on_needs_a_new_epoch() {
    let mut household = Household::new();
    household.add(1, 2, Role::BlindKeeper);
    household.set(1, 2, Role::Keeper.capabilities());
    assert!(household.roster.state().needs_epoch());
    assert!(household.roster.state().writing_epoch().is_some());
    household.epoch(1);
    assert!(!household.roster.state().needs_epoch());
    let first = household.roster.state().epochs.keys().count();
    assert_eq!(household.keyring(2).epochs().count(), first);
    household.set(1, 2, Capabilities::STORE);
    assert_eq!(household.roster.state().writing_epoch(), None);
}

#[test]
fn a_household_has_at_most_64_devices() {
    let mut household = Household::new();
    for device in 2..=64 {
        let body = OpBody::AddDevice(plain_add(&household, device, READ));
        household.attempt(1, body).unwrap();
    }
    let body = OpBody::AddDevice(plain_add(&household, 65, READ));
    assert_eq!(household.attempt(1, body), Err(RosterError::TooManyDevices(64)));
}

#[test]
fn a_full_roster_still_takes_revocations_and_the_root_key() {
    let mut household = Household::of(2);
    let (account, device) = (household.roster.account(), keys(1));
    let policy = |parents: Vec<OpId>| {
        let body = OpBody::Policy(Vec::new());
        let op = Op { author: Author::Device(device.id()), generation: 0, parents, body };
        author::sign(account, Signer::Device(&device), &op)
    };
    while household.roster.len() < limits::ROSTER_OPS_MAX {
        // Past the judgement, which is not the point here and takes its time.
        let bytes = policy(household.roster.heads());
        let verified = household.roster.verify(Signed::parse(&bytes).unwrap()).unwrap();
        household.roster.room.note(verified.value(), bytes.len());
        household.roster.graph.push(verified);
    }
    let op = policy(household.roster.heads());
    assert_eq!(household.roster.insert(&op), Err(RosterError::Share(device.id())));
    let body = OpBody::AddDevice(plain_add(&household, 3, READ));
    assert_eq!(household.attempt(1, body), Err(RosterError::Full));
    household.attempt(1, plain_revoke(2)).unwrap();
    assert_eq!(household.members(), [1]);
    household.reset(&[1, 2]);
    assert_eq!(household.members(), [1, 2]);
}
