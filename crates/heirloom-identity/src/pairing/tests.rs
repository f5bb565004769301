use super::message::{GrantMessage, JoinChallenge, JoinHello, Message, Refusal};
use super::*;
use crate::invite::CodeKind;
use crate::roster::{self, Signer, add_device, genesis};
use crate::{DeviceKeys, Invite, InvitePlan, Keyring, Phrase, RootKeys, Roster, parse_code};
use heirloom_base::id::to_hex;
use heirloom_base::{Decode, Encode, hash};
use proptest::prelude::*;

mod attacks;

fn keys(device: u8) -> DeviceKeys {
    DeviceKeys::from_seed([device; 32])
}

fn root(entropy: u8) -> RootKeys {
    Phrase::from_entropy([entropy; 16]).root_keys()
}

/// The device that is in already: device 1 of an account.
struct House {
    root: RootKeys,
    keys: DeviceKeys,
    roster: Roster,
    invite: Option<Invite>,
    now_ms: u64,
}

impl House {
    fn new(entropy: u8) -> Self {
        let (root, keys) = (root(entropy), keys(1));
        let member = Role::Member.capabilities();
        let (ops, _) = genesis(&root, &keys, "one", member, &[1; 32]);
        let mut roster = Roster::new(root.account_id());
        for op in ops {
            roster.insert(&op).unwrap();
        }
        Self { root, keys, roster, invite: None, now_ms: 0 }
    }

    fn invite(&mut self, role: Role) -> (String, String) {
        let invite = Invite::new(InvitePlan {
            random: [5; 32],
            account: self.roster.account(),
            device: self.keys.id(),
            addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
            role,
            ttl_ms: 1_000,
            now_mono_ms: self.now_ms,
        });
        let codes = (invite.link(), invite.words());
        self.invite = Some(invite);
        codes
    }

    fn responder(&self, peer: DeviceId) -> Responder {
        Responder::new(self.roster.account(), self.keys.id(), peer, [6; 32])
    }

    fn handle(&mut self, responder: &mut Responder, bytes: &[u8]) -> Response {
        responder.handle(bytes, &mut self.invite, &self.roster, self.now_ms)
    }

    fn let_in(&mut self, granting: &Granting) {
        let ring = Keyring::open(&self.roster, &self.keys).unwrap();
        let signer = Signer::Device(&self.keys);
        let op = add_device(&self.roster, &ring, signer, &granting.new_device(), &[7; 32]);
        self.roster.insert(&op).unwrap();
    }

    fn grant(&self, responder: &Responder) -> Vec<Vec<u8>> {
        let addresses = vec![(self.keys.id(), vec!["/ip4/127.0.0.1/tcp/1".to_owned()])];
        responder.grant(self.roster.ops_beyond(&[]), addresses)
    }

    /// Plays the whole conversation with a new device.
    fn pair(&mut self, code: &str, new: &DeviceKeys) -> Result<Grant, PairingError> {
        let (joiner, hello) = joiner(code, new, self.keys.id());
        self.converse(new.id(), hello, |bytes, joiner| joiner.handle(bytes), joiner)
    }

    fn recover(&mut self, root: RootKeys, new: &DeviceKeys) -> Result<Grant, PairingError> {
        let (recoverer, hello) =
            Recoverer::new(root, new.clone(), "new phone", self.keys.id(), [8; 32]);
        self.converse(new.id(), hello, |bytes, recoverer| recoverer.handle(bytes), recoverer)
    }

    fn converse<T>(
        &mut self,
        peer: DeviceId,
        hello: Vec<u8>,
        handle: impl Fn(&[u8], &mut T) -> Step,
        mut newcomer: T,
    ) -> Result<Grant, PairingError> {
        let mut responder = self.responder(peer);
        let mut to_house = hello;
        loop {
            let replies = match self.handle(&mut responder, &to_house) {
                Response::Send(bytes) | Response::Refuse(bytes) => vec![bytes],
                Response::SendAll(frames) => frames,
                Response::SendThenGrant(bytes, granting) => {
                    self.let_in(&granting);
                    std::iter::once(bytes).chain(self.grant(&responder)).collect()
                }
                Response::Submitted(op) => {
                    self.roster.insert(&op).unwrap();
                    self.grant(&responder)
                }
            };
            for reply in replies {
                match handle(&reply, &mut newcomer) {
                    Step::Send(bytes) => to_house = bytes,
                    Step::Wait => {}
                    Step::Done(grant) => return Ok(*grant),
                    Step::Failed(error) => return Err(error),
                }
            }
        }
    }
}

fn joiner(code: &str, new: &DeviceKeys, peer: DeviceId) -> (Joiner, Vec<u8>) {
    Joiner::new(parse_code(code).unwrap(), new.clone(), "new phone", peer, [9; 32])
}

fn rebuilt(grant: &Grant) -> Roster {
    let mut roster = Roster::new(grant.account);
    for op in &grant.ops {
        roster.insert(op).unwrap();
    }
    roster
}

#[test]
fn a_device_comes_in_by_link_or_by_words() {
    for (by_link, role) in [(true, Role::Member), (false, Role::Member), (false, Role::Keeper)] {
        let mut house = House::new(9);
        let (link, words) = house.invite(role);
        let new = keys(2);
        let grant = house.pair(if by_link { &link } else { &words }, &new).unwrap();
        assert_eq!((grant.account, grant.role), (house.roster.account(), role));
        assert_eq!(grant.addresses[0].0, house.keys.id());
        let roster = rebuilt(&grant);
        assert_eq!(roster.state(), house.roster.state());
        let ring = Keyring::open(&roster, &new).unwrap();
        assert_eq!(ring.name_of(new.id(), roster.state()).as_deref(), Some("new phone"));
    }
}

#[test]
fn a_blind_keeper_comes_in_without_a_key() {
    let mut house = House::new(9);
    let (_, words) = house.invite(Role::BlindKeeper);
    let grant = house.pair(&words, &keys(2)).unwrap();
    assert_eq!(grant.role, Role::BlindKeeper);
    assert!(Keyring::open(&rebuilt(&grant), &keys(2)).is_err());
}

#[test]
fn an_invite_lets_in_one_device_and_ends_both_secrets() {
    let mut house = House::new(9);
    let (link, words) = house.invite(Role::Member);
    house.pair(&link, &keys(2)).unwrap();
    assert_eq!(house.pair(&link, &keys(3)), Err(PairingError::UsedUp));
    assert_eq!(house.pair(&words, &keys(3)), Err(PairingError::UsedUp));
}

#[test]
fn newcomers_who_knock_with_the_words_of_others_leave_an_invite_open() {
    let mut house = House::new(9);
    let (_, words) = house.invite(Role::Member);
    for stranger in 100..200 {
        let refused = Err(PairingError::WrongCode { tries_left: u8::MAX });
        assert_eq!(house.pair("zoo zoo zoo zoo zoo zoo", &keys(stranger)), refused);
    }
    assert!(house.pair(&words, &keys(2)).is_ok());
}

#[test]
fn the_last_of_many_wrong_tries_burns_both_secrets() {
    let mut house = House::new(9);
    let (link, words) = house.invite(Role::Member);
    let wrong = "zoo zoo zoo zoo zoo zoo";
    for _ in 3..heirloom_base::limits::PAIRING_TRIES_MAX {
        house.invite.as_mut().unwrap().count_wrong_try();
    }
    for tries_left in [2, 1] {
        let refused = Err(PairingError::WrongCode { tries_left });
        assert_eq!(house.pair(wrong, &keys(2)), refused);
    }
    assert_eq!(house.pair(wrong, &keys(2)), Err(PairingError::Burned));
    assert_eq!(house.pair(&link, &keys(2)), Err(PairingError::Burned));
    assert_eq!(house.pair(&words, &keys(2)), Err(PairingError::Burned));
}

#[test]
fn the_right_code_still_works_after_a_wrong_try() {
    let mut house = House::new(9);
    let (_, words) = house.invite(Role::Member);
    assert!(house.pair("zoo zoo zoo zoo zoo zoo", &keys(2)).is_err());
    assert!(house.pair(&words, &keys(2)).is_ok());
}

#[test]
fn an_invite_that_ran_out_and_none_at_all_are_told_apart() {
    let mut house = House::new(9);
    let (link, _) = house.invite(Role::Member);
    house.now_ms = 1_000;
    assert_eq!(house.pair(&link, &keys(2)), Err(PairingError::Expired));
    house.invite = None;
    assert_eq!(house.pair(&link, &keys(2)), Err(PairingError::NoInvite));
}

#[test]
fn the_link_of_another_account_or_device_is_named_as_such() {
    let mut house = House::new(9);
    house.invite(Role::Member);
    let (foreign, _) = House::new(8).invite(Role::Member);
    assert_eq!(house.pair(&foreign, &keys(2)), Err(PairingError::WrongAccount));
    let (link, _) = house.invite(Role::Member);
    house.keys = keys(4);
    let wrong = PairingError::WrongDevice { expected: keys(1).id(), found: keys(4).id() };
    assert_eq!(house.pair(&link, &keys(2)), Err(wrong));
}

#[test]
fn the_phrase_restores_through_any_peer_even_a_blind_one() {
    let mut house = House::new(9);
    let (_, words) = house.invite(Role::BlindKeeper);
    let blind = house.pair(&words, &keys(2)).unwrap();
    // From here on only the blind keeper is left.
    house.roster = rebuilt(&blind);
    house.keys = keys(2);
    let phone = keys(3);
    let grant = house.recover(root(9), &phone).unwrap();
    assert_eq!(grant.role, Role::Member);
    let roster = rebuilt(&grant);
    let ring = Keyring::open(&roster, &phone).unwrap();
    assert!(ring.epoch_key(&roster.state().writing_epoch().unwrap()).is_some());
    assert_eq!(ring.name_of(keys(1).id(), roster.state()).as_deref(), Some("one"));
    assert!(roster.state().is_member(phone.id()));
}

#[test]
fn a_wrong_phrase_finds_no_account() {
    let mut house = House::new(9);
    assert_eq!(house.recover(root(8), &keys(3)), Err(PairingError::NotThisAccount));
}

#[test]
fn a_recovery_needs_no_invite_and_may_take_another_role() {
    let mut house = House::new(9);
    let new = keys(3);
    let (recoverer, hello) =
        Recoverer::new(root(9), new.clone(), "attic", house.keys.id(), [8; 32]);
    let recoverer = recoverer.with_role(Role::Keeper);
    let handle = |bytes: &[u8], recoverer: &mut Recoverer| recoverer.handle(bytes);
    let grant = house.converse(new.id(), hello, handle, recoverer).unwrap();
    assert_eq!(grant.role, Role::Keeper);
    assert!(house.invite.is_none());
}

fn messages() -> Vec<Message> {
    vec![
        Message::JoinHello(JoinHello {
            versions: (1, 2),
            code: CodeKind::Words,
            nonce: [1; 32],
            encryption_public: [2; 32],
            name: "new".into(),
        }),
        Message::JoinChallenge(JoinChallenge {
            versions: (1, 3),
            version: 2,
            account: AccountId([4; 32]),
            nonce: [5; 32],
        }),
        Message::JoinProof { mac: [6; 32], binding: [7; 64] },
        Message::InviterProof { mac: [8; 32] },
        Message::Grant(GrantMessage {
            ops: vec![vec![1], Vec::new()],
            addresses: vec![(DeviceId([9; 32]), vec!["a".into(), "b".into()])],
        }),
        Message::Refused(Refusal::WrongCode { tries_left: 2 }),
        Message::RootHello { versions: (1, 1), account: AccountId([1; 32]), nonce: [2; 32] },
        Message::RootChallenge { version: 1, nonce: [3; 32] },
        Message::RootProof { signature: [4; 64] },
        Message::RootRoster { ops: vec![vec![1, 2]] },
        Message::RootSubmit { op: vec![3] },
    ]
}

#[test]
fn every_frame_is_read_back_and_frozen() {
    let mut all = Vec::new();
    for (at, message) in messages().into_iter().enumerate() {
        let bytes = message.to_bytes();
        assert_eq!(usize::from(bytes[0]), at + 1);
        assert_eq!(Message::read(&bytes), Ok(message));
        all.extend_from_slice(&bytes);
    }
    assert_eq!(
        to_hex(&hash::plain(&all)),
        "dd655dca518cd62f00076e5edfca61daafccf2033b94c226df469f705c8bf506"
    );
    assert_eq!(to_hex(&messages()[5].to_bytes()), "060502");
    for refusal in 1..=8u8 {
        let bytes = if refusal == 5 { vec![6, 5, 1] } else { vec![6, refusal] };
        assert_eq!(Message::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    }
}

#[test]
fn a_whole_conversation_is_frozen() {
    let mut house = House::new(9);
    let (_, words) = house.invite(Role::Member);
    let new = keys(2);
    let (mut joiner, hello) = joiner(&words, &new, house.keys.id());
    let mut responder = house.responder(new.id());
    let Response::Send(challenge) = house.handle(&mut responder, &hello) else {
        panic!("no challenge")
    };
    let Step::Send(proof) = joiner.handle(&challenge) else { panic!("no proof") };
    let Response::SendThenGrant(inviter, granting) = house.handle(&mut responder, &proof) else {
        panic!("no grant")
    };
    house.let_in(&granting);
    let grant = house.grant(&responder);
    let all = [hello, challenge, proof, inviter, grant.concat()].concat();
    assert_eq!(
        to_hex(&hash::plain(&all)),
        "0749ea75f00984269082402b9b71c7ace05da44a9704784ea65a0131928dd473"
    );
}

proptest! {
    #[test]
    fn foreign_frames_are_refused_without_a_panic(
        kind in 0u8..14, rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [vec![kind], rest].concat();
        if let Ok(message) = Message::read(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}
