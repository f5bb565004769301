//! Links that stand still for a while: who is not heard is silent, and accused of nothing.

use super::*;
use crate::hostile::{Malice, Ruse};
use heirloom_base::limits;
use heirloom_core::command::Problem;

const PHONE: usize = 0;
const LAPTOP: usize = 1;
const KEEPER: usize = 2;
const FROZEN_MS: u64 = 60_000;

fn house(seed: u64) -> World {
    let mut world = World::new(seed, Faults::CALM);
    for name in ["phone", "laptop", "keeper"] {
        world.add_device(name);
    }
    drop(world.found(PHONE));
    world.join(KEEPER, PHONE, Role::Keeper);
    world.join(LAPTOP, PHONE, Role::Member);
    world.run(5_000);
    world
}

/// Lets time pass and returns everything that anybody says against another one,
/// and the causes of what the phone says that does not go on.
fn watch(world: &mut World, milliseconds: u64) -> (Vec<Problem>, BTreeSet<String>) {
    let (mut said, mut causes) = (Vec::new(), BTreeSet::new());
    for _ in 0..milliseconds / 500 {
        world.run(500);
        for device in [PHONE, LAPTOP, KEEPER] {
            said.extend(world.accusations(device));
        }
        let Some(Ok(Answer::Status(report))) = world.ask(PHONE, Command::Status) else {
            panic!("the phone has no status");
        };
        causes.extend(report.stalls.into_iter().map(|stall| stall.cause));
    }
    (said, causes)
}

#[test]
fn a_link_that_stands_still_before_the_entries_came_accuses_nobody_and_is_told_as_silent() {
    let mut silent = 0;
    for offset in (0..60).step_by(5) {
        let mut world = house(offset);
        world.cut(PHONE, LAPTOP, true);
        world.cut(PHONE, KEEPER, true);
        assert!(add(&mut world, LAPTOP, "behind", Level::Keeper));
        world.cut(PHONE, KEEPER, false);
        world.run(offset);
        world.freeze_link(PHONE, KEEPER, FROZEN_MS);
        let (said, causes) = watch(&mut world, FROZEN_MS + 60_000);
        assert_eq!(said, [], "frozen after {offset} ms");
        silent += usize::from(causes.contains("silent"));
        assert_eq!(titles(&mut world, PHONE), ["behind"]);
    }
    assert!(silent > 3, "it was told {silent} times");
}

#[test]
fn what_others_hear_of_a_device_whose_link_stands_still_accuses_nobody() {
    let mut world = house(1);
    world.run(3_600_000);
    world.freeze_link(PHONE, KEEPER, FROZEN_MS);
    assert!(add(&mut world, LAPTOP, "while it stands still", Level::Keeper));
    let (said, causes) = watch(&mut world, FROZEN_MS + 60_000);
    assert_eq!(said, []);
    assert!(causes.contains("silent"), "{causes:?}");
}

#[test]
fn a_frozen_device_accuses_nobody_and_nobody_accuses_it() {
    for seed in 0..8 {
        let mut world = house(seed);
        add(&mut world, LAPTOP, "before", Level::Local);
        world.run(seed * 7);
        world.freeze(if seed % 2 == 0 { KEEPER } else { LAPTOP }, 30_000);
        add(&mut world, PHONE, "meanwhile", Level::Local);
        let (said, _) = watch(&mut world, 90_000);
        assert_eq!(said, [], "seed {seed}");
        assert_eq!(titles(&mut world, PHONE).len(), 2);
    }
}

#[test]
fn a_keeper_that_withholds_is_named_as_soon_as_before() {
    let mut world = house(3);
    world.turn(KEEPER, Malice::Plays(Ruse::Withholds(LAPTOP)));
    world.cut(PHONE, LAPTOP, true);
    world.run(3_600_000);
    assert!(add(&mut world, PHONE, "withheld", Level::Keeper));
    world.run(limits::WORD_MS as u64 - 1_000);
    assert_eq!(world.accusations(LAPTOP), []);
    world.run(8_000);
    let said = world.accusations(LAPTOP);
    assert!(matches!(&said[..], [said] if said.code == "withholds"), "{said:?}");
}
