//! What is said of devices that do not keep their word, or break the rules.

use super::super::*;
use super::household::House;
use crate::input::Effect;
use heirloom_base::{Encode as _, EntryId, Hlc, Incarnation, limits};
use heirloom_sync::entry::kind;
use heirloom_sync::{
    Body, EntryPlan, Header, Hello, Message, Origin, Part, Receipt, Tip, VersionVector,
};

fn problem(house: &mut House, device: usize, code: &str) -> Option<String> {
    let problems = house.status(device).problems;
    problems.into_iter().find(|problem| problem.code == code).map(|problem| problem.text)
}

/// Returns the first entry of a log of a device, dated so many days from now.
fn entry(house: &House, author: usize, life: u8, content: u8, days: u64) -> Vec<u8> {
    let (node, keys) = (house.node(0), &house.devices[author].keys);
    let epoch = node.membership.roster.state().writing_epoch().unwrap();
    let origin = Origin { device: keys.id(), incarnation: Incarnation([life; 16]) };
    let header = Header {
        kind: kind::CHANGES,
        space: node.space,
        log: origin.log(node.space),
        seq: 1,
        previous: EntryId([0; 32]),
        origin: Some(origin),
        roster_heads: node.membership.roster.heads(),
        hlc: Hlc::from_wall_ms(house.now.wall_ms + days * 86_400_000),
        epoch,
        seen: Vec::new(),
        chunks: Vec::new(),
    };
    let record = heirloom_base::RecordId([content; 16]);
    let body = Body { parts: vec![Part { record, change: vec![content; 9] }] };
    let keyring = node.membership.keyring.clone().unwrap();
    let key = keyring.epoch_key(&epoch).unwrap();
    heirloom_sync::Entry::author(node.account, keys, key, &EntryPlan { header, body }).into_bytes()
}

fn entries(bytes: Vec<u8>) -> Message {
    Message::Entries { urgent: false, entries: vec![bytes] }
}

fn hello(house: &House, versions: (u16, u16), vector: VersionVector) -> Message {
    Message::Hello(Hello {
        versions,
        space: house.node(0).space,
        roster_heads: Vec::new(),
        vector,
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    })
}

#[test]
fn who_comes_with_less_than_it_had_acknowledged_is_named_with_the_number() {
    let mut house = House::of(&["phone", "desk"]);
    for number in 0..7 {
        house.add(0, "notes", &[&format!("title={number}")]);
    }
    house.pass(2_000);
    let device = house.id(1);
    let known = house.node(0).replication.ledger().receipt(device).cloned().unwrap();
    house.cut(0, 1);
    house.input(0, Input::PeerUp { device });
    let less = VersionVector::default();
    let lost = known.vector.entries_beyond(&less);
    let message = hello(&house, (1, 2), less);
    house.hear(0, 1, &message);
    let text = problem(&mut house, 0, "holds-less").unwrap();
    assert!(text.contains(&format!("lacks {lost} entries that it had acknowledged")), "{text}");
    // It was refilled before it says anything else.
    let receipt = Receipt { counter: known.counter + 1, ..known };
    let signed = receipt.sign(house.node(0).account, &house.devices[1].keys);
    house.hear(0, 1, &Message::Receipts(vec![signed]));
    let text = problem(&mut house, 0, "took-back").unwrap();
    assert!(text.contains(&format!("without {lost} entries")), "{text}");
    let told = |event: &Event| matches!(event, Event::Warning { code, .. } if code == "took-back");
    assert_eq!(house.devices[0].events.iter().filter(|event| told(event)).count(), 1);
}

#[test]
fn who_breaks_the_rules_again_and_again_is_not_listened_to_for_a_while() {
    let mut house = House::of(&["phone", "desk"]);
    let device = house.id(1);
    let bytes = entries(vec![3; 100]).to_bytes();
    let mut effects = Vec::new();
    for _ in 0..limits::BREACHES_MAX {
        let bytes = bytes.clone();
        effects.extend(house.take_in(0, Input::Frame { device, bytes }));
        effects.extend(house.turn(0));
    }
    let disconnect = |effect: &Effect| *effect == Effect::Disconnect { device };
    assert_eq!(effects.iter().filter(|effect| disconnect(effect)).count(), 1);
    let members = |effects: &[Effect]| {
        effects.iter().rev().find_map(|effect| match effect {
            Effect::SetMembers { devices, .. } => Some(devices.contains(&device)),
            _ => None,
        })
    };
    assert_eq!(members(&effects), Some(false));
    house.input(0, Input::PeerDown { device });
    house.input(0, Input::PeerUp { device });
    assert_eq!(house.node(0).replication.peers().count(), 0, "it is not let in meanwhile");
    house.now.mono_ms += limits::BREACH_PAUSE_MS as u64;
    let effects = house.turn(0);
    assert_eq!(members(&effects), Some(true));
    house.input(0, Input::PeerUp { device });
    assert_eq!(house.node(0).replication.peers().count(), 1);
}

#[test]
fn who_breaks_the_rules_of_the_network_is_counted_named_and_paused() {
    let mut house = House::of(&["phone", "desk"]);
    let device = house.id(1);
    let what = "more streams than anybody needs";
    house.input(0, Input::Broke { device: DeviceId([9; 32]), what });
    assert_eq!(problem(&mut house, 0, "offences"), None, "strangers are not counted here");
    for _ in 0..limits::BREACHES_MAX {
        house.input(0, Input::Broke { device, what });
    }
    let text = problem(&mut house, 0, "offences").unwrap();
    assert!(text.contains(&format!("{} times", limits::BREACHES_MAX)), "{text}");
    assert!(house.node(0).conduct.is_paused(device));
}

#[test]
fn who_says_hello_again_and_again_is_heard_so_often_and_then_breaks_the_rules() {
    let mut house = House::of(&["phone", "desk"]);
    let device = house.id(1);
    let said = hello(&house, (1, 2), house.node(1).replication.vector());
    let answers = |house: &mut House| {
        let bytes = said.to_bytes();
        let mut effects = house.take_in(0, Input::Frame { device, bytes });
        effects.extend(house.turn(0));
        effects.iter().filter(|effect| matches!(effect, Effect::Send { .. })).count()
    };
    // One was said when the two met.
    for _ in 1..limits::HELLOS_MAX {
        assert!(answers(&mut house) > 0);
    }
    assert_eq!(house.node(0).conduct.offences(device), 0);
    assert_eq!(answers(&mut house), 0);
    assert_eq!(house.node(0).conduct.offences(device), 1);
}

#[test]
fn who_speaks_another_version_is_told_so_and_broke_no_rule() {
    for (versions, whose) in [((9, 9), "on this device"), ((0, 0), "on desk")] {
        for cut in [false, true] {
            let mut house = House::of(&["phone", "desk"]);
            let device = house.id(1);
            let mut bytes = hello(&house, versions, VersionVector::default()).to_bytes();
            if cut {
                bytes.truncate(9);
            }
            house.input(0, Input::Frame { device, bytes });
            let problems = house.status(0).problems;
            let told = problems.iter().find(|problem| problem.code == "other-version").unwrap();
            assert!(told.fix.contains(whose), "{told:?}");
            assert_eq!(house.node(0).conduct.offences(device), 0);
        }
    }
}

#[test]
fn a_device_whose_clock_is_years_ahead_is_named_until_it_is_right_again() {
    let mut house = House::of(&["phone", "desk"]);
    house.now.wall_ms = 1_800_000_000_000;
    let ahead = entry(&house, 1, 7, 1, 9_000);
    house.hear(0, 1, &entries(ahead));
    let text = problem(&mut house, 0, "clock-ahead").unwrap();
    assert!(text.starts_with("The clock of Device desk ("), "{text}");
    let right = entry(&house, 1, 8, 2, 0);
    house.hear(0, 1, &entries(right));
    assert_eq!(problem(&mut house, 0, "clock-ahead"), None);
}

#[test]
fn a_clock_that_two_others_disagree_with_is_this_device_s_own() {
    const DAYS_MS: u64 = 9 * 24 * 3_600_000;
    for (is_ahead, code) in [(true, "clock-ahead"), (false, "clock-behind")] {
        let mut house = House::of(&["phone", "desk", "third"]);
        let right = 1_800_000_000_000;
        house.now.wall_ms = if is_ahead { right + DAYS_MS } else { right - DAYS_MS };
        house.add(0, "notes", &["title=by a wrong clock"]);
        // The others read that, and answer by their own clocks.
        let own = house.now.wall_ms;
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            house.cut(one, other);
        }
        house.now.wall_ms = right;
        for other in [1, 2] {
            house.add(other, "notes", &["title=by a right clock"]);
        }
        house.now.wall_ms = own;
        house.connect(0, 1);
        let one = ["clock-differs", "clock-ahead"].map(|code| problem(&mut house, 0, code));
        assert!(one.iter().flatten().any(|text| text.contains("Device desk (")), "{one:?}");
        house.connect(0, 2);
        let word = if is_ahead { "ahead" } else { "behind" };
        let told = format!("The clock of this device is {word} by 9 days: 2 others agree.");
        assert_eq!(problem(&mut house, 0, code), Some(told));
        let differs = problem(&mut house, 0, "clock-differs");
        assert_eq!(differs, None);
    }
}

#[test]
fn one_other_whose_clock_is_behind_is_told_and_one_that_was_only_late_is_not() {
    const DAYS_MS: u64 = 9 * 24 * 3_600_000;
    let mut house = House::of(&["phone", "desk"]);
    house.now.wall_ms = 1_800_000_000_000;
    house.cut(0, 1);
    house.add(1, "notes", &["title=written long ago"]);
    house.now.wall_ms += DAYS_MS;
    house.connect(0, 1);
    for code in ["clock-differs", "clock-behind", "clock-ahead"] {
        assert_eq!(problem(&mut house, 0, code), None, "{code}");
    }
    house.add(0, "notes", &["title=read by the other"]);
    house.cut(0, 1);
    house.now.wall_ms -= DAYS_MS;
    house.add(1, "notes", &["title=answered by a clock that is behind"]);
    house.now.wall_ms += DAYS_MS;
    house.connect(0, 1);
    let told = problem(&mut house, 0, "clock-differs").unwrap();
    assert!(told.starts_with("The clock of this device is 9 days ahead of that of Device desk ("));
}

#[test]
fn two_ends_of_a_log_name_their_author_also_after_a_restart_and_count_as_an_offence() {
    let mut house = House::of(&["phone", "desk", "third"]);
    let [one, other] = [1, 2].map(|content| entry(&house, 2, 7, content, 0));
    house.cut(0, 1);
    house.hear(0, 2, &entries(one));
    house.hear(1, 2, &entries(other));
    assert_eq!(problem(&mut house, 0, "forked"), None);
    house.cut(0, 2);
    house.cut(1, 2);
    house.connect(0, 1);
    house.pass(3_000);
    for device in [0, 1] {
        let text = problem(&mut house, device, "forked").unwrap();
        assert!(text.contains("Device third ("), "{text}");
        assert_eq!(house.node(device).conduct.offences(house.id(2)), 1);
        assert!(house.node(device).is_level(house.id(1 - device)), "device {device}");
        house.boot(device);
        assert!(problem(&mut house, device, "forked").is_some(), "after a restart");
    }
}

#[test]
fn a_disk_that_stays_full_is_told_as_the_cause() {
    let mut house = House::of(&["phone", "desk"]);
    house.add(0, "notes", &["title=x"]);
    let device = house.id(1);
    let (log, end) = {
        let (log, state) =
            house.node(0).replication.logs().find(|(_, state)| state.durable > 0).unwrap();
        (log, state.durable)
    };
    let theirs = Tip { seq: end - 1, id: [0; 8] };
    let message = hello(&house, (1, 2), VersionVector { tips: [(log, theirs)].into() });
    house.cut(0, 1);
    house.input(0, Input::PeerUp { device });
    house.hear(0, 1, &message);
    for _ in 0..2 {
        house.hear(0, 1, &Message::Want { log, after: end - 1 });
        house.now.mono_ms += 10_000;
    }
    let stalls = house.status(0).stalls;
    let told = stalls.iter().find(|stall| stall.cause == "refuses").unwrap();
    assert_eq!(told.text, "desk is connected and takes nothing in: its disk may be full.");
}

#[test]
fn a_device_is_meant_by_its_whole_name_or_its_id_and_taken_out_by_four_digits_of_it() {
    let house = House::of(&["phone", "desk"]);
    let id = house.id(1).to_string();
    let found = |wanted: &str| house.node(0).find_device(wanted).ok();
    let surely = |wanted: &str| house.node(0).find_device_surely(wanted).ok();
    for wanted in [&id, &id[..4], "desk"] {
        assert_eq!((found(wanted), surely(wanted)), (Some(house.id(1)), Some(house.id(1))));
    }
    assert_eq!((found(&id[..3]), surely(&id[..3])), (Some(house.id(1)), None));
    for wanted in ["des", ""] {
        assert_eq!((found(wanted), surely(wanted)), (None, None), "{wanted:?}");
    }
    let refused = house.node(0).find_device_surely(&id[..3]).unwrap_err();
    let Refusal::Failure(failure) = refused else { panic!("{refused:?}") };
    assert!(failure.text.contains("4 digits"), "{}", failure.text);
}
