//! A file system that was rolled back as a whole, and the two ends of a log that
//! come of it, whoever got which.

use super::*;

const AUTHOR: usize = 0;
const KEEPER: usize = 3;
const ALL: [usize; 4] = [0, 1, 2, KEEPER];

/// Lets nobody meet but these.
fn alone_with(world: &mut World, together: &[(usize, usize)]) {
    world.heal();
    for one in ALL {
        for other in ALL.into_iter().filter(|other| *other != one) {
            let meets = together.contains(&(one, other)) || together.contains(&(other, one));
            world.cut(one, other, !meets);
        }
    }
    world.run(40_000);
}

fn set(world: &mut World, device: usize, id: &str, assignment: &str) {
    let assignments = vec![assignment.to_owned()];
    let (category, id) = ("notes".to_owned(), id.to_owned());
    let command = Command::Set { category, id, assignments, wait: Wait::default() };
    assert!(matches!(world.ask(device, command), Some(Ok(_))), "{device} sets {assignment}");
}

fn note(world: &mut World) -> String {
    match world.ask(AUTHOR, adding("known", Level::Local)) {
        Some(Ok(Answer::Saved { id, .. })) => id,
        other => panic!("not saved: {other:?}"),
    }
}

/// Three members and a blind keeper, of whom the first is rolled back: some have what
/// it had written meanwhile, and of the rest some get what it writes then, to which
/// one adds something.
fn rolled_back(seed: u64, have: &[usize], get: &[usize]) -> (World, String) {
    let (mut world, _) = household(seed, 3);
    let keeper = world.add_device("keeper");
    world.join(keeper, AUTHOR, Role::BlindKeeper);
    world.run(5_000);
    let id = note(&mut world);
    world.run(20_000);
    let snapshot = world.copy_folder(AUTHOR).unwrap();
    let with = |others: &[usize]| -> Vec<(usize, usize)> {
        others.iter().map(|other| (AUTHOR, *other)).collect()
    };
    alone_with(&mut world, &with(have));
    set(&mut world, AUTHOR, &id, "body=text and more");
    add(&mut world, AUTHOR, "before", Level::Local);
    world.run(20_000);
    alone_with(&mut world, &[]);
    world.roll_back(AUTHOR, &snapshot);
    for number in 0..3 {
        set(&mut world, AUTHOR, &id, &format!("title=renamed {number}"));
        add(&mut world, AUTHOR, &format!("after {number}"), Level::Local);
    }
    alone_with(&mut world, &with(get));
    for device in get.iter().copied().filter(|device| *device != KEEPER) {
        set(&mut world, device, &id, &format!("body=text, says {device}"));
        add(&mut world, device, &format!("by {device}"), Level::Local);
    }
    alone_with(&mut world, &[]);
    (world, id)
}

/// Lets everybody meet, and checks that all have the same and nothing is lost.
fn check(world: &mut World, id: &str, get: &[usize], about: &str) {
    world.heal();
    world.run(200_000);
    let members = [0, 1, 2];
    let digests = members.map(|device| digest(world, device));
    assert!(digests.iter().all(|one| *one == digests[0]), "{about}: {digests:?}");
    let titles = titles(world, 2);
    let wanted = ["before", "after 0", "after 1", "after 2", "renamed 2"];
    for title in wanted.iter().map(|title| (*title).to_owned()) {
        let count = titles.iter().filter(|one| **one == title).count();
        assert_eq!(count, 1, "{about}: {title} in {titles:?}");
    }
    for device in get.iter().filter(|device| **device != KEEPER) {
        assert!(titles.contains(&format!("by {device}")), "{about}: {titles:?}");
    }
    let says =
        get.iter().filter(|device| **device != KEEPER).map(|device| format!("says {device}"));
    let says: Vec<String> = says.collect();
    let command = Command::History { category: "notes".into(), id: id.to_owned() };
    let Some(Ok(Answer::History { rows })) = world.ask(1, command) else { panic!("no history") };
    let history = format!("{rows:?}");
    let texts = ["renamed 0", "renamed 1", "and more"];
    for text in texts.into_iter().map(ToOwned::to_owned).chain(says) {
        assert!(history.contains(&text), "{about}: {text} is not in {history}");
    }
    let ends: BTreeSet<_> = ALL.iter().map(|device| held(world, *device)).collect();
    assert_eq!(ends.len(), 1, "{about}: all hold the same entries");
}

/// What a device says that it holds.
fn held(world: &World, device: usize) -> String {
    let node = world.devices[device].node.as_ref().expect("it is on");
    format!("{:?}", node.held())
}

const MEETINGS: [&[(usize, usize)]; 7] = [
    &[(0, 1), (0, 2), (1, 2)],
    &[(1, 2), (0, 2), (0, 1)],
    &[(2, KEEPER), (1, KEEPER), (0, KEEPER), (2, KEEPER)],
    &[(0, KEEPER), (2, KEEPER), (1, KEEPER)],
    &[(1, 2), (2, KEEPER), (0, 1), (1, 2)],
    &[(0, 1), (1, KEEPER), (2, KEEPER)],
    &[],
];

/// Who has the end that counts, and who gets the other one.
const PARTS: [(&[usize], &[usize]); 5] = [
    (&[1], &[2]),
    (&[1, KEEPER], &[2]),
    (&[1], &[2, KEEPER]),
    (&[KEEPER], &[1, 2]),
    (&[1, 2], &[KEEPER]),
];

#[test]
fn all_have_the_same_in_the_end_whoever_got_which_end_and_meets_whom_first() {
    for (number, (have, get)) in PARTS.into_iter().enumerate() {
        for (order, meetings) in MEETINGS.into_iter().enumerate() {
            let seed = 40 + (number * MEETINGS.len() + order) as u64;
            let (mut world, id) = rolled_back(seed, have, get);
            for meeting in meetings {
                alone_with(&mut world, &[*meeting]);
            }
            let about = format!("seed {seed}, {have:?} have, {get:?} get, {meetings:?}");
            check(&mut world, &id, get, &about);
        }
    }
}

#[test]
fn a_device_that_was_off_hears_of_it_from_a_keeper_that_cannot_read() {
    let (mut world, id) = rolled_back(80, &[1], &[2, KEEPER]);
    world.crash(2);
    alone_with(&mut world, &[(0, 1), (0, KEEPER)]);
    for device in [0, 1] {
        world.crash(device);
    }
    world.boot(2);
    alone_with(&mut world, &[(2, KEEPER)]);
    let before = titles(&mut world, 2);
    assert!(before.contains(&"before".to_owned()), "{before:?}");
    for device in [0, 1] {
        world.boot(device);
    }
    check(&mut world, &id, &[2], "off meanwhile");
}

#[test]
fn whoever_loses_its_index_or_its_power_meanwhile_has_the_same_in_the_end() {
    for seed in 90..102 {
        let (mut world, id) = rolled_back(seed, &[1, KEEPER], &[2]);
        world.heal();
        for step in 0..6 {
            let device = (seed as usize + step) % 4;
            world.run(200 + 137 * step as u64);
            world.crash(device);
            if step % 2 == 0 {
                world.devices[device].disk.discard_index();
            }
            world.boot(device);
        }
        check(&mut world, &id, &[2], &format!("seed {seed}"));
    }
}

#[test]
fn who_is_rolled_back_twice_loses_nothing_that_others_got() {
    for seed in 110..116 {
        let (mut world, id) = rolled_back(seed, &[1], &[2]);
        let snapshot = world.copy_folder(AUTHOR).unwrap();
        add(&mut world, AUTHOR, "then", Level::Local);
        alone_with(&mut world, &[(0, 2)]);
        world.roll_back(AUTHOR, &snapshot);
        alone_with(&mut world, &[]);
        add(&mut world, AUTHOR, "at last", Level::Local);
        let meetings = [(0, 1), (1, 2), (0, 2)];
        alone_with(&mut world, &[meetings[seed as usize % 3]]);
        alone_with(&mut world, &[meetings[(seed as usize + 1) % 3]]);
        check(&mut world, &id, &[2], &format!("seed {seed}"));
        let titles = titles(&mut world, 1);
        for title in ["then", "at last"] {
            let found = titles.iter().filter(|one| **one == title).count();
            assert_eq!(found, 1, "seed {seed}: {titles:?}");
        }
    }
}
