//! Hostile members and keepers, one thing at a time: nobody's records are
//! harmed, and who did it is named.

use super::*;
use crate::hostile::{Malice, ROSTER_FLOOD, Ruse};
use crate::scenario::{card, encode_base64};
use heirloom_base::limits;
use heirloom_core::command::{ImportItem, Problem, StatusReport};

const PHONE: usize = 0;
const LAPTOP: usize = 1;
const OTHER: usize = 2;
/// Time after which what travels has arrived, and what does not is named.
const A_WHILE_MS: u64 = 60_000;

/// Two members, and a third device in a role.
fn house(seed: u64, name: &str, role: Role) -> World {
    let mut world = World::new(seed, Faults::CALM);
    for name in ["phone", "laptop", name] {
        world.add_device(name);
    }
    drop(world.found(PHONE));
    world.join(OTHER, PHONE, role);
    world.join(LAPTOP, PHONE, Role::Member);
    world.run(5_000);
    world
}

fn status(world: &mut World, device: usize) -> StatusReport {
    match world.ask(device, Command::Status) {
        Some(Ok(Answer::Status(report))) => report,
        other => panic!("device {device} has no status: {other:?}"),
    }
}

/// Returns what a device says about another one.
fn said(world: &mut World, device: usize, name: &str) -> Vec<Problem> {
    let problems = status(world, device).problems;
    problems.into_iter().filter(|problem| problem.text.contains(&format!(" {name} ("))).collect()
}

fn codes(world: &mut World, device: usize, name: &str) -> Vec<String> {
    said(world, device, name).into_iter().map(|problem| problem.code).collect()
}

/// Checks that no honest device is named by another one.
fn only_the_third_is_named(world: &mut World) {
    for (device, other) in [(PHONE, "laptop"), (LAPTOP, "phone")] {
        assert_eq!(said(world, device, other), []);
    }
}

/// Imports a card whose long value is sealed in chunks.
fn import(world: &mut World, device: usize) {
    let item = ImportItem {
        category: "contacts".into(),
        file: "card.vcf".into(),
        line: 1,
        base64: encode_base64(card(true).as_bytes()),
        root: 0,
    };
    let command = Command::Import { items: vec![item], dry_run: false, wait: Wait::default() };
    assert!(matches!(world.ask(device, command), Some(Ok(_))));
}

#[test]
fn a_hostile_member_harms_nobody_and_is_named_whatever_it_does() {
    for attack in (0..15).chain([16, 17, ROSTER_FLOOD]) {
        let mut world = house(attack, "guest", Role::Member);
        assert!(add(&mut world, PHONE, "before", Level::Peer(2)));
        assert!(add(&mut world, OTHER, "of the guest", Level::Peer(2)));
        let record = match world.ask(PHONE, adding("aim", Level::Peer(2))) {
            Some(Ok(Answer::Saved { id, .. })) => id,
            other => panic!("{other:?}"),
        };
        let before = digest(&mut world, PHONE);
        world.turn(OTHER, Malice::Plays(Ruse::RollsBack));
        let mut name = "";
        for _ in 0..5 {
            name = world.attack_with(OTHER, attack, std::slice::from_ref(&record)).unwrap();
            world.run(500);
            if attack == ROSTER_FLOOD {
                break;
            }
        }
        world.run(A_WHILE_MS);
        assert_eq!(digest(&mut world, PHONE), before, "{name}");
        assert_eq!(digest(&mut world, LAPTOP), before, "{name}");
        let mut named = Vec::new();
        for device in [PHONE, LAPTOP] {
            named.extend(codes(&mut world, device, "guest"));
            let rows = match world.ask(device, Command::Quarantine { after: None, limit: 99 }) {
                Some(Ok(Answer::Quarantine { rows, .. })) => rows,
                other => panic!("{other:?}"),
            };
            assert!(rows.iter().all(|row| row.device == "guest"), "{name}: {rows:?}");
            let row =
                status(&mut world, device).devices.into_iter().find(|row| row.name == "guest");
            let counted = row.unwrap().offences > 0;
            assert_eq!(counted, named.contains(&"offences".to_owned()), "{name}");
        }
        only_the_third_is_named(&mut world);
        // What harms nothing and anybody may say is not held against it.
        let harmless = [
            "a hundred requests for receipts",
            "addresses that lead nowhere",
            "entries out of order",
        ];
        assert_eq!(named.is_empty(), harmless.contains(&name), "{name}: {named:?}");
        assert!(add(&mut world, LAPTOP, "after", Level::Peer(1)), "{name}");
        world.run(A_WHILE_MS);
        assert_eq!(digest(&mut world, PHONE), digest(&mut world, LAPTOP), "{name}");
    }
}

#[test]
fn a_keeper_that_was_rolled_back_is_found_when_its_witnesses_meet() {
    let mut world = house(1, "keeper", Role::BlindKeeper);
    let early = world.copy_folder(OTHER).unwrap();
    world.cut(PHONE, LAPTOP, true);
    world.cut(LAPTOP, OTHER, true);
    assert!(add(&mut world, PHONE, "acknowledged", Level::Keeper));
    world.run(A_WHILE_MS);
    // The phone is away while the keeper goes back and meets the laptop.
    world.cut(PHONE, OTHER, true);
    world.turn(OTHER, Malice::Plays(Ruse::RollsBack));
    world.roll_back(OTHER, &early);
    world.cut(LAPTOP, OTHER, false);
    add(&mut world, LAPTOP, "meanwhile", Level::Keeper);
    world.run(A_WHILE_MS);
    for device in [PHONE, LAPTOP] {
        assert_eq!(said(&mut world, device, "keeper"), [], "each alone cannot know");
    }
    world.cut(PHONE, LAPTOP, false);
    world.run(300_000);
    for device in [PHONE, LAPTOP] {
        let codes = codes(&mut world, device, "keeper");
        assert!(codes.contains(&"took-back".to_owned()), "{device}: {codes:?}");
    }
    only_the_third_is_named(&mut world);
    assert_eq!(titles(&mut world, LAPTOP), ["acknowledged", "meanwhile"]);
}

#[test]
fn a_keeper_that_was_rolled_back_is_found_by_who_has_its_word_at_the_first_hello() {
    let mut world = house(2, "keeper", Role::Keeper);
    let early = world.copy_folder(OTHER).unwrap();
    assert!(add(&mut world, PHONE, "acknowledged", Level::Keeper));
    world.cut(LAPTOP, OTHER, true);
    world.cut(PHONE, OTHER, true);
    world.turn(OTHER, Malice::Plays(Ruse::RollsBack));
    world.roll_back(OTHER, &early);
    world.heal();
    world.run(A_WHILE_MS);
    let codes = codes(&mut world, PHONE, "keeper");
    assert!(codes.contains(&"took-back".to_owned()), "{codes:?}");
}

#[test]
fn a_keeper_that_withholds_what_it_claims_is_named_by_whom_it_withholds_it_from() {
    let mut world = house(3, "keeper", Role::Keeper);
    world.turn(OTHER, Malice::Plays(Ruse::Withholds(LAPTOP)));
    world.cut(PHONE, LAPTOP, true);
    assert!(add(&mut world, PHONE, "withheld", Level::Keeper));
    world.run(A_WHILE_MS);
    assert_eq!(titles(&mut world, LAPTOP), Vec::<String>::new());
    assert_eq!(codes(&mut world, LAPTOP, "keeper"), ["withholds"]);
    assert_eq!(codes(&mut world, PHONE, "keeper"), Vec::<String>::new());
    world.heal();
    world.run(300_000);
    assert_eq!(titles(&mut world, LAPTOP), ["withheld"]);
    assert_eq!(codes(&mut world, LAPTOP, "keeper"), Vec::<String>::new(), "it is here now");
    only_the_third_is_named(&mut world);
}

#[test]
fn a_keeper_that_tells_two_devices_different_things_is_found_when_they_meet() {
    let mut world = house(4, "keeper", Role::Keeper);
    world.turn(OTHER, Malice::Plays(Ruse::HidesFrom(LAPTOP)));
    world.cut(PHONE, LAPTOP, true);
    assert!(add(&mut world, PHONE, "hidden", Level::Keeper));
    add(&mut world, LAPTOP, "from the laptop", Level::Local);
    world.run(A_WHILE_MS);
    assert_eq!(titles(&mut world, LAPTOP), ["from the laptop"]);
    world.heal();
    world.run(300_000);
    assert_eq!(titles(&mut world, LAPTOP), ["from the laptop", "hidden"]);
    for device in [PHONE, LAPTOP] {
        let codes = codes(&mut world, device, "keeper");
        assert!(codes.contains(&"took-back".to_owned()), "{device}: {codes:?}");
    }
    only_the_third_is_named(&mut world);
}

#[test]
fn a_keeper_that_dropped_chunks_or_swaps_them_is_named_by_who_asks_for_them() {
    for (ruse, code) in [(Ruse::RollsBack, "lacks-chunks"), (Ruse::Swaps, "offences")] {
        let mut world = house(5, "keeper", Role::Keeper);
        world.turn(OTHER, Malice::Plays(ruse));
        world.cut(LAPTOP, OTHER, true);
        world.cut(PHONE, LAPTOP, true);
        import(&mut world, PHONE);
        world.run(A_WHILE_MS);
        if ruse == Ruse::RollsBack {
            world.drop_chunks(OTHER);
        }
        world.cut(LAPTOP, OTHER, false);
        world.run(A_WHILE_MS);
        assert_eq!(codes(&mut world, LAPTOP, "keeper"), [code]);
        // Another copy mends it.
        world.heal();
        world.run(300_000);
        assert_eq!(digest(&mut world, LAPTOP), digest(&mut world, PHONE));
        only_the_third_is_named(&mut world);
    }
}

#[test]
fn a_keeper_that_acknowledges_what_does_not_exist_is_named_and_its_word_counts_for_nothing() {
    let mut world = house(6, "keeper", Role::Keeper);
    world.turn(OTHER, Malice::Plays(Ruse::Boasts));
    assert!(!add(&mut world, PHONE, "mine", Level::Keeper));
    world.run(A_WHILE_MS);
    for device in [PHONE, LAPTOP] {
        assert_eq!(codes(&mut world, device, "keeper"), ["withholds"]);
    }
    only_the_third_is_named(&mut world);
}

#[test]
fn a_keeper_whose_disk_is_full_for_hours_is_accused_of_nothing_and_goes_on_afterwards() {
    const HOURS_MS: u64 = 3 * 3_600_000;
    let mut world = house(45, "keeper", Role::Keeper);
    world.fill_disk_wholly(OTHER, HOURS_MS);
    for hour in 0..3 {
        add(&mut world, PHONE, &format!("hour {hour}"), Level::Local);
        world.run(HOURS_MS / 3 - 1_000);
        for device in [PHONE, LAPTOP] {
            assert_eq!(codes(&mut world, device, "keeper"), [""; 0], "hour {hour}");
        }
    }
    assert_eq!(titles(&mut world, OTHER), [""; 0]);
    assert!(world.tally.count(Fault::DiskFull) > limits::WANTS_MAX as u64);
    world.run(A_WHILE_MS);
    assert_eq!(titles(&mut world, OTHER).len(), 3);
    assert!(are_level(&mut world));
    assert_eq!(codes(&mut world, PHONE, "keeper"), [""; 0]);
}
