use super::*;

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Runs hello and challenge with a tampering wire; returns the joiner's side.
fn refused_after(
    tamper_hello: impl Fn(&[u8]) -> Vec<u8>,
    tamper_challenge: impl Fn(&[u8]) -> Vec<u8>,
    tamper_proof: impl Fn(&[u8]) -> Vec<u8>,
) -> (House, Response) {
    let mut house = House::new(9);
    let (_, words) = house.invite(Role::Member);
    let new = keys(2);
    let (mut joiner, hello) = joiner(&words, &new, house.keys.id());
    let mut responder = house.responder(new.id());
    let Response::Send(challenge) = house.handle(&mut responder, &tamper_hello(&hello)) else {
        panic!("no challenge")
    };
    let Step::Send(proof) = joiner.handle(&tamper_challenge(&challenge)) else {
        panic!("no proof")
    };
    let response = house.handle(&mut responder, &tamper_proof(&proof));
    (house, response)
}

fn same(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

#[test]
fn a_changed_conversation_proves_nothing() {
    let wrong = Message::Refused(Refusal::WrongCode { tries_left: u8::MAX }).to_bytes();
    let last = |bytes: &[u8]| flip(bytes, bytes.len() - 1);
    // The version range, the nonce, the encryption key and the name of the hello.
    for at in [1, 10, 40, 80] {
        let (_, response) = refused_after(|bytes| flip(bytes, at), same, same);
        assert_eq!(response, Response::Refuse(wrong.clone()), "{at}");
    }
    let (_, response) = refused_after(same, last, same);
    assert_eq!(response, Response::Refuse(wrong.clone()));
    // The account, the mac and the binding.
    let (_, response) = refused_after(same, |bytes| flip(bytes, 5), same);
    assert_eq!(response, Response::Refuse(wrong.clone()));
    let (_, response) = refused_after(same, same, |bytes| flip(bytes, 1));
    assert_eq!(response, Response::Refuse(wrong.clone()));
    let (house, response) = refused_after(same, same, last);
    assert_eq!(response, Response::Refuse(wrong));
    assert_eq!(house.roster.state().devices.len(), 1);
    let (_, response) = refused_after(same, same, same);
    assert!(matches!(response, Response::SendThenGrant(..)));
}

#[test]
fn a_proof_is_good_for_one_newcomer_and_one_inviter_only() {
    let mut house = House::new(9);
    let (_, words) = house.invite(Role::Member);
    let (mut joiner, hello) = joiner(&words, &keys(2), house.keys.id());
    // A third device passes the frames on as its own.
    let mut responder = house.responder(keys(66).id());
    let Response::Send(challenge) = house.handle(&mut responder, &hello) else {
        panic!("no challenge")
    };
    let Step::Send(proof) = joiner.handle(&challenge) else { panic!("no proof") };
    let wrong = Message::Refused(Refusal::WrongCode { tries_left: u8::MAX }).to_bytes();
    assert_eq!(house.handle(&mut responder, &proof), Response::Refuse(wrong));
}

#[test]
fn an_inviter_who_does_not_know_the_code_is_not_believed() {
    let house = House::new(9);
    let new = keys(2);
    let code = "zoo zoo zoo zoo zoo zoo";
    let (mut joiner, _) = joiner(code, &new, house.keys.id());
    let challenge = Message::JoinChallenge(JoinChallenge {
        versions: (1, 1),
        version: 1,
        account: house.roster.account(),
        nonce: [1; 32],
    });
    let Step::Send(proof) = joiner.handle(&challenge.to_bytes()) else { panic!("no proof") };
    let Ok(Message::JoinProof { mac, .. }) = Message::from_bytes(&proof) else {
        panic!("no proof")
    };
    // It sends the newcomer's own proof back.
    let echoed = Message::InviterProof { mac }.to_bytes();
    assert_eq!(joiner.handle(&echoed), Step::Failed(PairingError::Impostor));
    // After a failure nothing is believed any more.
    let (mut joiner, _) = super::joiner(code, &new, house.keys.id());
    let grant = house.grant(&house.responder(new.id()));
    assert_eq!(joiner.handle(&grant[0]), Step::Failed(PairingError::OutOfTurn));
}

#[test]
fn a_grant_without_this_device_or_with_a_broken_roster_is_not_believed() {
    for broken in [false, true] {
        let mut house = House::new(9);
        let (_, words) = house.invite(Role::Member);
        let new = keys(2);
        let (mut joiner, hello) = joiner(&words, &new, house.keys.id());
        let mut responder = house.responder(new.id());
        let Response::Send(challenge) = house.handle(&mut responder, &hello) else {
            panic!("no challenge")
        };
        let Step::Send(proof) = joiner.handle(&challenge) else { panic!("no proof") };
        let Response::SendThenGrant(inviter, _) = house.handle(&mut responder, &proof) else {
            panic!("no grant")
        };
        assert_eq!(joiner.handle(&inviter), Step::Wait);
        let mut ops = house.roster.ops_beyond(&[]);
        if broken {
            let end = ops[1].len() - 1;
            ops[1][end] ^= 1;
        }
        let step = joiner.handle(&responder.grant(ops, Vec::new())[0]);
        if broken {
            assert!(matches!(step, Step::Failed(PairingError::Roster(_))));
        } else {
            assert_eq!(step, Step::Failed(PairingError::NotGranted));
        }
    }
}

#[test]
fn versions_that_do_not_meet_are_told() {
    let mut house = House::new(9);
    house.invite(Role::Member);
    let hello = Message::JoinHello(JoinHello {
        versions: (7, 9),
        code: CodeKind::Link,
        nonce: [0; 32],
        encryption_public: [0; 32],
        name: String::new(),
    });
    let mut responder = house.responder(keys(2).id());
    let refused = Message::Refused(Refusal::Version).to_bytes();
    let response = house.handle(&mut responder, &hello.to_bytes());
    assert_eq!(response, Response::Refuse(refused.clone()));
    let (mut joiner, _) = joiner("zoo zoo zoo zoo zoo zoo", &keys(2), house.keys.id());
    assert_eq!(joiner.handle(&refused), Step::Failed(PairingError::Version));
    let (mut joiner, _) = super::joiner("zoo zoo zoo zoo zoo zoo", &keys(2), house.keys.id());
    let challenge = Message::JoinChallenge(JoinChallenge {
        versions: (1, 9),
        version: 9,
        account: AccountId([1; 32]),
        nonce: [0; 32],
    });
    assert_eq!(joiner.handle(&challenge.to_bytes()), Step::Failed(PairingError::Version));
}

#[test]
fn frames_out_of_turn_or_too_long_end_the_conversation() {
    let mut house = House::new(9);
    house.invite(Role::Member);
    let unable = Response::Refuse(Message::Refused(Refusal::Unable).to_bytes());
    for frame in [
        Message::JoinProof { mac: [0; 32], binding: [0; 64] }.to_bytes(),
        Message::RootSubmit { op: Vec::new() }.to_bytes(),
        vec![1; FRAME_BYTES_MAX + 1],
        Vec::new(),
    ] {
        let mut responder = house.responder(keys(2).id());
        assert_eq!(house.handle(&mut responder, &frame), unable);
    }
    let (mut joiner, _) = joiner("zoo zoo zoo zoo zoo zoo", &keys(2), house.keys.id());
    assert_eq!(joiner.handle(&[]), Step::Failed(PairingError::Closed));
    let (mut joiner, _) = super::joiner("zoo zoo zoo zoo zoo zoo", &keys(2), house.keys.id());
    assert!(matches!(joiner.handle(&[99]), Step::Failed(PairingError::Form(_))));
}

#[test]
fn a_roster_too_large_for_what_the_newcomer_reads_is_refused_before_it_is_let_in() {
    let house = House::new(9);
    let responder = house.responder(keys(2).id());
    let unable = Message::Refused(Refusal::Unable).to_bytes();
    let ops = vec![vec![0; 60_000]; 10];
    assert_eq!(responder.grant(ops.clone(), Vec::new()), std::slice::from_ref(&unable));
    assert_eq!(responder.check_grant(ops, Vec::new()), Err(unable));
    assert_eq!(responder.check_grant(vec![vec![0; 60_000]; 8], Vec::new()), Ok(()));
}

#[test]
fn a_roster_of_many_frames_lets_in_by_invite_and_by_phrase() {
    let mut house = House::new(9);
    let (signer, mut ops) = (Signer::Device(&house.keys.clone()), 0);
    while house.roster.ops_beyond(&[]).concat().len() < 3 * GRANT_BYTES_MAX {
        let body = crate::roster::op::OpBody::Policy(vec![7; 16_000]);
        let op = crate::roster::compose(&house.roster, signer, body);
        house.roster.restore(&op).unwrap();
        ops += 1;
    }
    let (_, words) = house.invite(Role::Member);
    let grant = house.pair(&words, &keys(2)).unwrap();
    assert!(grant.ops.len() > ops);
    let grant = house.recover(root(9), &keys(3)).unwrap();
    assert_eq!(rebuilt(&grant).state(), house.roster.state());
}

#[test]
fn parts_without_end_are_not_believed() {
    let mut parts = crate::pairing::message::Parts::default();
    let refused = (0..10_000).any(|_| parts.add(vec![vec![0; 65_536]; 7]).is_err());
    assert!(refused);
}

/// Plays a recovery up to the roster; returns the responder and its roster frame.
fn proven(house: &mut House, peer: &DeviceKeys, root: RootKeys) -> (Responder, Response) {
    let (mut recoverer, hello) = Recoverer::new(root, keys(3), "phone", house.keys.id(), [8; 32]);
    let mut responder = house.responder(peer.id());
    let Response::Send(challenge) = house.handle(&mut responder, &hello) else {
        panic!("no challenge")
    };
    let Step::Send(proof) = recoverer.handle(&challenge) else { panic!("no proof") };
    let response = house.handle(&mut responder, &proof);
    (responder, response)
}

#[test]
fn the_roster_is_shown_only_to_who_proves_the_root_key_itself() {
    let mut house = House::new(9);
    let (_, response) = proven(&mut house, &keys(3), root(9));
    assert!(matches!(response, Response::SendAll(_)));
    // A device in the middle that passes on another's proof sees nothing.
    let (_, response) = proven(&mut house, &keys(66), root(9));
    let refused = Message::Refused(Refusal::NotThisAccount).to_bytes();
    assert_eq!(response, Response::Refuse(refused.clone()));
    // Who only knows the account's id cannot sign.
    let account = house.roster.account();
    let hello = Message::RootHello { versions: (1, 1), account, nonce: [1; 32] };
    let mut responder = house.responder(keys(3).id());
    assert!(matches!(house.handle(&mut responder, &hello.to_bytes()), Response::Send(_)));
    let proof = Message::RootProof { signature: [1; 64] }.to_bytes();
    assert_eq!(house.handle(&mut responder, &proof), Response::Refuse(refused));
}

#[test]
fn only_an_operation_of_the_root_key_for_this_very_device_is_submitted() {
    let mut house = House::new(9);
    let ring = Keyring::open(&house.roster, &house.keys).unwrap();
    let (account, rights) = (house.roster.account(), Role::Member.capabilities());
    let new = |device: u8| roster::NewDevice::of(&keys(device), account, rights, "x");
    let by_root = |device: u8| {
        let signer = Signer::Root(&house.root);
        add_device(&house.roster, &ring, signer, &new(device), &[4; 32])
    };
    let by_device =
        add_device(&house.roster, &ring, Signer::Device(&house.keys), &new(3), &[4; 32]);
    let reset = roster::root_reset(
        &house.roster,
        &ring,
        &house.root,
        &roster::ResetPlan::default(),
        &[4; 32],
    );
    let (good, foreign) = (by_root(3), by_root(4));
    for (op, accepted) in
        [(good, true), (foreign, false), (by_device, false), (reset, false), (vec![1], false)]
    {
        let (mut responder, _) = proven(&mut house, &keys(3), root(9));
        let submit = Message::RootSubmit { op: op.clone() }.to_bytes();
        let response = house.handle(&mut responder, &submit);
        assert_eq!(response == Response::Submitted(op), accepted);
    }
}
