//! What others may send, and what it must not do.

use super::super::*;
use super::household::{House, phrase};
use crate::command::Secret;
use crate::input::HelloId;
use heirloom_base::{Decode as _, Encode as _, EntryId, Hlc, Incarnation, RecordId, SpaceId};
use heirloom_identity::{Keyring, Role, Signer, roster};
use heirloom_sync::entry::kind;
use heirloom_sync::{
    Body, EntryPlan, Header, Hello, Message, Origin, Part, Receipt, VersionVector,
};
use proptest::prelude::*;

fn offences(house: &House, device: usize, by: usize) -> u64 {
    house.node(device).conduct.offences(house.id(by))
}

fn keyring(house: &House, device: usize) -> Keyring {
    house.node(device).membership.keyring.clone().unwrap()
}

/// Returns an entry at the beginning of a log of a device.
fn entry(house: &House, author: &DeviceKeys, space: SpaceId, parts: Vec<Part>) -> Vec<u8> {
    let node = house.node(0);
    let epoch = node.membership.roster.state().writing_epoch().unwrap();
    let origin = Origin { device: author.id(), incarnation: Incarnation([7; 16]) };
    let header = Header {
        kind: kind::CHANGES,
        space,
        log: origin.log(space),
        seq: 1,
        previous: EntryId([0; 32]),
        origin: Some(origin),
        roster_heads: node.membership.roster.heads(),
        hlc: Hlc::default(),
        epoch,
        seen: Vec::new(),
        chunks: Vec::new(),
    };
    let keys = keyring(house, 0);
    let key = keys.epoch_key(&epoch).unwrap();
    Entry::author(node.account, author, key, &EntryPlan { header, body: Body { parts } })
        .into_bytes()
}

fn entries(bytes: Vec<u8>) -> Message {
    Message::Entries { urgent: false, entries: vec![bytes] }
}

/// Makes a revocation by the first device.
fn revocation(house: &House, device: usize) -> Vec<u8> {
    let node = house.node(0);
    let device = house.id(device);
    let logs = node.replication.logs().filter(|(_, state)| state.device == device);
    let cuts = logs.map(|(log, state)| (log, state.durable)).collect();
    let (keys, signer) = (keyring(house, 0), Signer::Device(&node.config.device));
    roster::revoke(&node.membership.roster, &keys, signer, device, &cuts, &[5; 32])
}

fn present(house: &mut House, device: usize, ops: Vec<Vec<u8>>) {
    let (from, bytes) = (DeviceId([66; 32]), Message::Roster(ops).to_bytes());
    house.input(device, Input::Hello { id: HelloId(9_000), device: from, bytes });
}

#[test]
fn garbage_is_an_offence_that_ends_the_connection_and_changes_nothing() {
    let mut house = House::of(&["phone", "desk"]);
    house.add(0, "notes", &["title=x"]);
    let before = (house.digest(0), house.devices[0].storage.frames.len());
    let device = house.id(1);
    house.input(0, Input::Frame { device, bytes: vec![1, 2, 3] });
    assert_eq!(offences(&house, 0, 1), 1);
    assert_eq!(house.devices[0].disconnects, [device]);
    assert_eq!((house.digest(0), house.devices[0].storage.frames.len()), before);
    assert!(house.status(0).problems.iter().any(|problem| problem.code == "offences"));
}

#[test]
fn each_device_that_breaks_the_rules_is_named_and_counted() {
    let mut house = House::of(&["phone", "desk", "guest", "honest"]);
    for (by, times) in [(1, 1), (2, 3)] {
        for _ in 0..times {
            let ops = vec![vec![1; 60]];
            house.hear(0, by, &Message::Roster(ops));
        }
    }
    let status = house.status(0);
    let counts: Vec<(&str, u64)> =
        status.devices.iter().map(|row| (row.name.as_str(), row.offences)).collect();
    for count in [("phone", 0), ("desk", 1), ("guest", 3), ("honest", 0)] {
        assert!(counts.contains(&count), "{counts:?}");
    }
    let mut texts: Vec<&str> = status
        .problems
        .iter()
        .filter(|problem| problem.code == "offences")
        .map(|problem| problem.text.as_str())
        .collect();
    texts.sort_unstable();
    let [desk, guest] = [1, 2].map(|device| house.id(device).short());
    let told = [
        format!("Device desk ({desk}) broke the rules once."),
        format!("Device guest ({guest}) broke the rules 3 times."),
    ];
    assert_eq!(texts, told);
}

#[test]
fn who_has_contradicted_itself_is_named_in_the_status_also_after_a_restart() {
    let mut house = House::with(Role::BlindKeeper);
    let keeper = 1;
    let (account, space) = (house.node(0).account, house.node(0).space);
    let known = house.node(0).replication.ledger().receipt(house.id(keeper)).cloned().unwrap();
    let receipt = |house: &House, more, vector: VersionVector| {
        let (keys, generation) = (house.devices[keeper].keys.clone(), known.generation);
        let (device, counter) = (keys.id(), known.counter + 100 + more);
        let receipt = Receipt { device, space, generation, counter, vector, chunks: Vec::new() };
        Message::Receipts(vec![receipt.sign(account, &keys)])
    };
    let took_back = |house: &mut House| {
        let problems = house.status(0).problems;
        let text = problems.into_iter().find(|problem| problem.code == "took-back");
        text.map(|problem| problem.text)
    };
    house.add(0, "notes", &["title=x"]);
    let held = house.node(0).replication.vector();
    let message = receipt(&house, 1, held);
    house.hear(0, keeper, &message);
    assert_eq!(took_back(&mut house), None);
    let message = receipt(&house, 2, VersionVector::default());
    house.hear(0, keeper, &message);
    for _ in 0..2 {
        let text = took_back(&mut house).unwrap();
        assert!(text.starts_with(&format!("Keeper box ({}) ", house.id(keeper).short())), "{text}");
        house.boot(0);
    }
}

#[test]
fn a_hello_or_an_entry_of_another_space_is_an_offence() {
    let mut house = House::of(&["phone", "desk"]);
    let hello = Hello {
        versions: (1, 1),
        space: SpaceId([9; 16]),
        roster_heads: Vec::new(),
        vector: VersionVector::default(),
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    };
    house.hear(0, 1, &Message::Hello(hello));
    assert_eq!(offences(&house, 0, 1), 1);
    let author = house.devices[1].keys.clone();
    let foreign = entry(&house, &author, SpaceId([9; 16]), Vec::new());
    let before = house.devices[0].storage.frames.len();
    house.hear(0, 1, &entries(foreign));
    assert_eq!(offences(&house, 0, 1), 2);
    assert_eq!(house.devices[0].storage.frames.len(), before);
}

#[test]
fn entries_of_strangers_and_with_wrong_signatures_are_offences() {
    let mut house = House::of(&["phone", "desk"]);
    let space = house.node(0).space;
    let before = house.devices[0].storage.frames.len();
    let stranger = entry(&house, &DeviceKeys::from_seed([200; 32]), space, Vec::new());
    house.hear(0, 1, &entries(stranger));
    assert_eq!(offences(&house, 0, 1), 1);
    let author = house.devices[1].keys.clone();
    let mut forged = entry(&house, &author, space, Vec::new());
    *forged.last_mut().unwrap() ^= 1;
    house.hear(0, 1, &entries(forged));
    house.hear(0, 1, &entries(vec![3; 100]));
    assert_eq!(offences(&house, 0, 1), 3);
    house.hear(0, 1, &Message::Receipts(vec![vec![1; 60]]));
    assert_eq!(offences(&house, 0, 1), 4);
    assert_eq!(house.devices[0].storage.frames.len(), before);
}

#[test]
fn a_signed_entry_with_a_broken_change_is_kept_and_passed_on_but_not_applied() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=x"]);
    let before = house.digest(0);
    let (author, space) = (house.devices[1].keys.clone(), house.node(0).space);
    let record: RecordId = id.parse().unwrap();
    let part = Part { record, change: vec![0x85, 0x6f, 0x4a, 0x83, 9, 9, 9] };
    let bytes = entry(&house, &author, space, vec![part]);
    house.hear(0, 1, &entries(bytes));
    assert_eq!(house.digest(0), before);
    let status = house.status(0);
    assert_eq!(status.quarantined, 1);
    let told = status.problems.iter().find(|problem| problem.code == "quarantined").unwrap();
    assert!(told.text.starts_with("1 change was kept aside, by device desk ("), "{}", told.text);
    let warned =
        |event: &Event| matches!(event, Event::Warning { code, .. } if code == "quarantined");
    assert!(house.devices[0].events.iter().any(warned));
    assert_eq!(offences(&house, 0, 1), 0, "whoever passes it on did nothing wrong");
}

#[test]
fn a_stranger_who_proves_nothing_is_told_so() {
    let mut house = House::founded(&["phone", "desk"]);
    let device = house.id(1);
    for bytes in [vec![], vec![255; 30], Message::Roster(vec![vec![1; 50]]).to_bytes()] {
        house.input(0, Input::Hello { id: HelloId(1), device, bytes });
        assert_eq!(house.devices[0].hellos.pop(), Some(vec![0]));
    }
    house.input(0, Input::PeerUp { device });
    assert_eq!(house.devices[0].disconnects, [device]);
    assert_eq!(house.node(0).replication.peers().count(), 0);
}

#[test]
fn a_member_that_is_not_known_yet_proves_itself_by_the_roster() {
    let mut house = House::of(&["phone", "desk"]);
    let mut third = House::founded(&["phone", "desk", "third"]);
    // The same account elsewhere let a third device in.
    third.join(2, 0, Role::Member).unwrap();
    let (device, bytes) = (third.id(2), third.node(2).presentation(house.id(0)));
    house.input(0, Input::Hello { id: HelloId(1), device, bytes });
    assert_eq!(house.devices[0].hellos.pop(), Some(vec![1]));
    assert!(house.node(1).membership.is_peer(device), "the others hear of it");
}

#[test]
fn later_entries_of_a_revoked_device_are_kept_aside() {
    let mut house = House::of(&["phone", "desk", "lost"]);
    house.add(2, "notes", &["title=before"]);
    house.cut(0, 1);
    house.cut(0, 2);
    let op = revocation(&house, 2);
    present(&mut house, 0, vec![op]);
    house.add(2, "notes", &["title=after"]);
    house.connect(1, 0);
    assert_eq!(house.titles(0, "notes"), ["before"]);
    assert_eq!(house.status(0).quarantined, 1);
    let row = house.status(0).devices.into_iter().find(|row| row.name == "lost").unwrap();
    assert!(row.revoked && row.behind_entries == 0);
    assert!(house.devices[1].disconnects.contains(&house.id(2)), "nobody talks to it any more");
}

#[test]
fn a_device_that_was_taken_out_writes_nothing_more() {
    let mut house = House::of(&["phone", "lost"]);
    let op = revocation(&house, 1);
    present(&mut house, 1, vec![op]);
    let add = Command::Add {
        category: "notes".into(),
        assignments: vec!["title=x".into()],
        wait: Wait::default(),
    };
    assert_eq!(house.ask(1, add).unwrap_err().code, "not-permitted");
    assert!(house.node(1).membership.peers(house.id(1)).is_empty());
}

#[test]
fn a_device_tells_that_it_was_taken_out_when_it_hears_of_it_and_at_each_start() {
    let mut house = House::of(&["phone", "lost"]);
    let told = |house: &mut House| -> Vec<String> {
        let events = std::mem::take(&mut house.devices[1].events).into_iter();
        let texts = events.filter_map(|event| match event {
            Event::Warning { code, text, .. } if code == "revoked" => Some(text),
            _ => None,
        });
        texts.collect()
    };
    assert!(told(&mut house).is_empty() && !house.node(1).is_out());
    let op = revocation(&house, 1);
    present(&mut house, 1, vec![op.clone()]);
    present(&mut house, 1, vec![op]);
    let [text] = told(&mut house).try_into().unwrap();
    assert!(text.contains("taken out") && text.contains("heirloom recovery reset"), "{text}");
    for _ in 0..2 {
        house.boot(1);
        assert!(house.node(1).is_out() && !house.node(1).may_invite());
        assert_eq!(told(&mut house).len(), 1);
    }
    // Also where the index is made anew from the log.
    house.devices[1].storage.index.clear();
    house.boot(1);
    assert_eq!(told(&mut house).len(), 1);
    let (phrase, keep) = (Secret::new(phrase().words().to_string()), Vec::new());
    house.ask(1, Command::Reset { phrase, keep }).unwrap();
    house.boot(1);
    assert!(told(&mut house).is_empty() && house.node(1).may_invite());
}

#[test]
fn a_phrase_with_a_wrong_word_or_too_few_is_told_as_such() {
    let mut house = House::of(&["phone"]);
    let mut refused = |words: &str| {
        let phrase = Secret::new(words.to_owned());
        house.ask(0, Command::Reset { phrase, keep: Vec::new() }).unwrap_err()
    };
    let few = refused("zoo zoo zoo");
    assert_eq!((few.exit, few.code.as_str()), (77, "phrase-wrong"));
    assert_eq!(few.text, "A phrase has 12 words, not 3.");
    let wrong = refused(&format!("{}wronk", "zoo ".repeat(11)));
    assert!(wrong.text.contains("wronk") && wrong.text.contains("did you mean"), "{}", wrong.text);
    let other = refused(&format!("{}about", "abandon ".repeat(11)));
    assert_eq!(other.text, "This is not the recovery phrase of the account.");
}

#[test]
fn entries_whose_key_comes_later_are_applied_then() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let node = house.node(0);
    let signer = Signer::Device(&node.config.device);
    let op = roster::epoch(&node.membership.roster, &keyring(&house, 0), signer, &[6; 32]);
    present(&mut house, 0, vec![op.clone()]);
    let id = house.add(0, "notes", &["title=late"]);
    let last = house.devices[0].storage.frames.values().next_back().unwrap().clone();
    let device = house.id(0);
    house.input(1, Input::PeerUp { device });
    house.hear(1, 0, &entries(last.payload));
    assert!(house.titles(1, "notes").is_empty());
    assert_eq!(house.status(1).quarantined, 0);
    assert_eq!(house.node(1).replication.vector(), house.node(0).replication.vector());
    house.boot(1);
    assert!(house.titles(1, "notes").is_empty());
    present(&mut house, 1, vec![op]);
    assert_eq!(house.show(1, "notes", &id).title, "late");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_frame_breaks_a_node(frames in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..80), 1..30,
    )) {
        let mut house = House::of(&["phone", "desk"]);
        house.add(0, "notes", &["title=x"]);
        let (before, device) = (house.digest(0), house.id(1));
        for mut bytes in frames {
            if let Some(first) = bytes.first_mut() {
                *first %= 10;
            }
            let is_message = Message::from_bytes(&bytes).is_ok();
            let count = offences(&house, 0, 1);
            house.input(0, Input::Frame { device, bytes: bytes.clone() });
            let told = offences(&house, 0, 1) == count + 1 || Message::hello_versions(&bytes).is_some();
            prop_assert!(is_message || told);
        }
        prop_assert_eq!(house.digest(0), before);
    }
}
