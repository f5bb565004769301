//! How devices come in, and how they are refused.

use super::super::*;
use super::household::{House, phrase};
use crate::failure::exit;
use heirloom_identity::{Invite, InvitePlan, PairingError, Phrase, Role};

fn names(house: &mut House, device: usize) -> Vec<String> {
    match house.ask(device, Command::Devices).unwrap() {
        Answer::Devices { rows } => rows.into_iter().map(|row| row.name).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_comes_in_by_a_link_and_gets_everything() {
    let mut house = House::founded(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=Before"]);
    house.join(1, 0, Role::Member).unwrap();
    house.connect(1, 0);
    assert_eq!(house.show(1, "notes", &id).title, "Before");
    let mut known = names(&mut house, 1);
    known.sort();
    assert_eq!(known, ["desk", "phone"]);
    let (device_id, device) = (house.id(1).to_string(), "desk".to_owned());
    assert!(house.devices[0].events.contains(&Event::DeviceJoined { device_id, device }));
}

#[test]
fn a_device_comes_in_by_words() {
    let mut house = House::founded(&["phone", "desk"]);
    let (_, words) = house.invite(0, Role::Member);
    house.join_by(1, 0, &words).unwrap();
    assert_eq!(house.node(1).role(), Role::Member);
    assert!(!house.node(1).is_blind());
}

#[test]
fn an_invite_is_used_once() {
    let mut house = House::founded(&["phone", "desk", "third"]);
    let (link, _) = house.invite(0, Role::Member);
    house.join_by(1, 0, &link).unwrap();
    assert_eq!(house.join_by(2, 0, &link), Err(PairingError::UsedUp));
    assert_eq!(names(&mut house, 0).len(), 2);
}

#[test]
fn the_words_of_the_neighbours_do_not_burn_an_invite() {
    let mut house = House::founded(&["phone", "desk", "third"]);
    let (link, _) = house.invite(0, Role::Member);
    let wrong = Invite::new(InvitePlan {
        random: [77; 32],
        account: house.node(0).account(),
        device: house.id(0),
        addresses: Vec::new(),
        role: Role::Member,
        ttl_ms: 1_000,
        now_mono_ms: 0,
    });
    let refused = PairingError::WrongCode { tries_left: u8::MAX };
    for _ in 0..20 {
        assert_eq!(house.join_by(1, 0, &wrong.words()), Err(refused.clone()));
    }
    assert_eq!(names(&mut house, 0), ["phone"]);
    house.join_by(1, 0, &link).unwrap();
    assert_eq!(house.join_by(2, 0, &wrong.words()), Err(PairingError::UsedUp));
}

#[test]
fn an_invite_that_ran_out_says_so_and_one_that_never_was_too() {
    let mut house = House::founded(&["phone", "desk"]);
    let (link, _) = house.invite(0, Role::Member);
    house.pass(301_000);
    assert_eq!(house.join_by(1, 0, &link), Err(PairingError::Expired));
    house.pass(700_000);
    assert_eq!(house.join_by(1, 0, &link), Err(PairingError::NoInvite));
}

#[test]
fn the_phrase_brings_a_new_phone_back_through_any_member() {
    let mut house = House::founded(&["phone", "desk", "new"]);
    let id = house.add(0, "notes", &["title=Kept"]);
    house.join(1, 0, Role::Member).unwrap();
    house.connect(0, 1);
    house.recover(2, 1, &phrase()).unwrap();
    house.connect(2, 1);
    assert_eq!(house.show(2, "notes", &id).title, "Kept");
    house.set(2, "notes", &id, &["title=Going on"]);
    assert_eq!(house.show(0, "notes", &id).title, "Going on", "the third hears of the new one");
}

#[test]
fn a_blind_keeper_is_enough_to_recover_from() {
    let mut house = House::founded(&["phone", "box", "new"]);
    let id = house.add(0, "notes", &["title=Kept", "body=secret"]);
    house.join(1, 0, Role::BlindKeeper).unwrap();
    house.connect(0, 1);
    house.set(0, "notes", &id, &["body=newer"]);
    let readable = |frame: &Frame| frame.payload.windows(5).any(|bytes| bytes == b"newer");
    assert!(!house.devices[1].storage.frames.values().any(readable));
    house.cut(0, 1);
    house.recover(2, 1, &phrase()).unwrap();
    house.connect(2, 1);
    assert_eq!(house.show(2, "notes", &id).fields["body"], "newer");
    assert_eq!(house.node(2).role(), Role::Member);
    assert_eq!(house.digest(2), house.digest(0));
}

#[test]
fn another_phrase_opens_nothing() {
    let mut house = House::founded(&["phone", "new"]);
    let other = Phrase::from_entropy([9; 16]);
    assert_eq!(house.recover(1, 0, &other), Err(PairingError::NotThisAccount));
    assert_eq!(names(&mut house, 0), ["phone"]);
}

#[test]
fn only_a_member_invites_and_only_into_roles_that_there_are() {
    let mut house = House::with(Role::Keeper);
    let invite = |role: &str| Command::Invite { role: role.to_owned(), ttl_ms: None };
    assert_eq!(house.ask(1, invite("member")).unwrap_err().exit, exit::FORBIDDEN);
    assert_eq!(house.ask(0, invite("king")).unwrap_err().exit, exit::USAGE);
    let answer = house.ask(0, Command::Invite { role: "keeper".into(), ttl_ms: Some(90_000) });
    assert!(matches!(answer, Ok(Answer::Invite { expires_in_s: 90, .. })));
}

#[test]
fn a_conversation_of_garbage_is_refused_and_leaves_the_invite_open() {
    let mut house = House::founded(&["phone", "desk"]);
    let (link, _) = house.invite(0, Role::Member);
    let stranger = house.id(1);
    for (number, bytes) in [vec![], vec![255; 40], vec![5; 9]].into_iter().enumerate() {
        let id = PairingId(1_000 + number as u64);
        house.input(0, Input::Pairing { id, device: stranger, bytes });
    }
    house.join_by(1, 0, &link).unwrap();
}

#[test]
fn conversations_have_a_limit_and_closing_one_makes_room() {
    let mut house = House::founded(&["phone", "desk"]);
    let (_, words) = house.invite(0, Role::Member);
    let keys = DeviceKeys::from_seed([99; 32]);
    let open = |house: &mut House, number: u64| {
        let code = heirloom_identity::parse_code(&words).unwrap();
        let peer = house.id(0);
        let (_, bytes) = heirloom_identity::Joiner::new(code, keys.clone(), "x", peer, [1; 32]);
        house.input(0, Input::Pairing { id: PairingId(number), device: keys.id(), bytes });
    };
    for number in 500..520 {
        open(&mut house, number);
    }
    assert_eq!(house.node(0).membership.conversations.len(), 8);
    assert_eq!(house.join_by(1, 0, &words), Err(PairingError::Closed));
    house.input(0, Input::PairingClosed { id: PairingId(500) });
    house.join_by(1, 0, &words).unwrap();
}

#[test]
fn a_device_that_lost_its_grant_comes_in_again_by_the_same_code() {
    let mut house = House::founded(&["phone", "desk", "third"]);
    let (link, _) = house.invite(0, Role::Member);
    house.join_by(1, 0, &link).unwrap();
    house.join_by(1, 0, &link).unwrap();
    let (again, _) = house.invite(0, Role::Member);
    house.join_by(1, 0, &again).unwrap();
    assert_eq!(names(&mut house, 0).len(), 2, "it is one device");
    assert_eq!(house.join_by(2, 0, &link), Err(PairingError::UsedUp));
    house.recover(2, 0, &phrase()).unwrap();
    house.recover(2, 0, &phrase()).unwrap();
    assert_eq!(names(&mut house, 0).len(), 3);
}

#[test]
fn who_was_taken_out_meanwhile_hears_it_and_leaves_the_invite_to_another_key() {
    let mut house = House::founded(&["phone", "desk", "third"]);
    house.join(1, 0, Role::Member).unwrap();
    house.ask(0, Command::Revoke { device: "desk".to_owned() }).unwrap();
    let (link, _) = house.invite(0, Role::Member);
    assert_eq!(house.join_by(1, 0, &link), Err(PairingError::TakenOut));
    assert_eq!(house.recover(1, 0, &phrase()), Err(PairingError::TakenOut));
    assert!(!house.node(0).membership.is_peer(house.id(1)));
    house.join_by(2, 0, &link).unwrap();
    assert_eq!(house.join_by(1, 0, &link), Err(PairingError::UsedUp));
}

#[test]
fn who_comes_again_by_another_invite_gets_the_role_of_that_one() {
    let mut house = House::founded(&["phone", "desk"]);
    for role in [Role::Member, Role::Keeper, Role::Member] {
        house.join(1, 0, role).unwrap();
        assert_eq!(house.node(0).membership.role(house.id(1)), role);
    }
    assert_eq!(names(&mut house, 0).len(), 2);
}
