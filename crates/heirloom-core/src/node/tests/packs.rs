//! Packs that are lost, and checkpoints that count no more.

use super::super::*;
use super::checkpoints::{entries, household, join_without_entries, shown, stream, titles};
use super::household::House;
use heirloom_identity::Role;
use heirloom_sync::entry::kind;

/// Returns the chunks of the checkpoints that a device holds.
fn packs(house: &House, device: usize) -> BTreeSet<ChunkId> {
    let checkpoints = entries(house, device, kind::CHECKPOINT);
    checkpoints.iter().flat_map(|entry| entry.header().chunks.clone()).collect()
}

/// Takes chunks off a device's disk, and lets it find that out.
fn lose(house: &mut House, device: usize, chunks: &BTreeSet<ChunkId>) {
    house.devices[device].storage.chunks.retain(|chunk, _| !chunks.contains(chunk));
    house.input(device, Input::ChunksLost { chunks: chunks.clone() });
}

/// Returns who of two made the checkpoint that both hold.
fn maker(house: &House) -> usize {
    let [entry] = entries(house, 0, kind::CHECKPOINT).try_into().unwrap();
    let author = house.node(0).device_of(entry.header().log).unwrap();
    usize::from(author != house.id(0))
}

#[test]
fn a_pack_that_rots_before_it_is_shown_is_fetched_again() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    house.fetching = false;
    let new = join_without_entries(&mut house);
    let chunks: Vec<ChunkId> = packs(&house, 0).into_iter().collect();
    // It has come, and cannot be read.
    let (lacked, wrong) = (Vec::new(), Vec::new());
    house.input(new, Input::Fetched { id: EffectId(u64::MAX), chunks, lacked, wrong });
    house.pass(1_000);
    assert!(house.node(new).preview.is_some());
    house.fetching = true;
    house.pass(5_000);
    assert_eq!(shown(&mut house, new), titles());
}

#[test]
fn a_disk_that_keeps_no_pack_ends_the_preview_after_some_tries() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    house.fetching = false;
    let new = join_without_entries(&mut house);
    let chunks: Vec<ChunkId> = packs(&house, 0).into_iter().collect();
    for _ in 0..=heirloom_base::limits::PACKS_UNREAD_MAX {
        assert!(house.node(new).preview.is_some());
        let (chunks, lacked, wrong) = (chunks.clone(), Vec::new(), Vec::new());
        house.input(new, Input::Fetched { id: EffectId(u64::MAX), chunks, lacked, wrong });
    }
    assert!(house.node(new).preview.is_none());
}

#[test]
fn packs_that_a_disk_loses_come_again_and_raise_no_alarm() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    let long = "x".repeat(20_000);
    let card = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nNOTE:{long}\r\nEND:VCARD\r\n");
    house.import(0, "contacts", "a.vcf", &card);
    house.pass(10_000);
    let lost: BTreeSet<ChunkId> = house.devices[1].storage.chunks.keys().copied().collect();
    let packs = packs(&house, 1);
    assert!(packs.len() < lost.len());
    house.fetching = false;
    lose(&mut house, 1, &lost);
    assert_eq!(house.devices[1].forgotten, packs, "the card's note is missed");
    house.fetching = true;
    house.pass(5_000);
    assert!(lost.iter().all(|chunk| house.devices[1].storage.chunks.contains_key(chunk)));
}

#[test]
fn packs_of_who_is_out_are_missed_by_nobody() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    let old = packs(&house, 0);
    let maker = maker(&house);
    house.fetching = false;
    house.cut(0, 1);
    let device = house.id(maker).to_string();
    house.ask(1 - maker, Command::Revoke { device }).unwrap();
    lose(&mut house, 1 - maker, &old);
    assert_eq!(house.devices[1 - maker].forgotten, old);
    assert_eq!(house.node(1 - maker).checkpoints.lacks(), &BTreeSet::new());
}

#[test]
fn after_its_maker_was_taken_out_another_checkpoint_is_made_at_the_next_rest() {
    let (mut house, _) = household(&["phone", "desk", "tablet", "new"]);
    house.pass(10_000);
    let made = entries(&house, 0, kind::CHECKPOINT);
    assert_eq!(made.len(), 1);
    let author = house.node(0).device_of(made[0].header().log).unwrap();
    let maker = (0..3).find(|device| house.id(*device) == author).unwrap();
    let stays: Vec<usize> = (0..3).filter(|device| *device != maker).collect();
    let command = Command::Revoke { device: author.to_string() };
    house.ask(stays[0], command).unwrap();
    house.pass(10_000);
    let made = entries(&house, stays[0], kind::CHECKPOINT);
    assert_eq!(made.len(), 2);
    assert_eq!(entries(&house, stays[1], kind::CHECKPOINT).len(), 2);
    house.pass(60_000);
    assert_eq!(entries(&house, stays[0], kind::CHECKPOINT).len(), 2, "one is enough");
    let new = 3;
    house.streaming = false;
    house.join(new, stays[0], Role::Member).unwrap();
    house.connect(new, stays[0]);
    house.pass(1_000);
    assert_eq!(shown(&mut house, new), titles());
    stream(&mut house, new);
    assert_eq!(house.digest(new), house.digest(stays[0]));
}

#[test]
fn a_checkpoint_whose_packs_are_nowhere_is_not_shown_and_made_again() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    let nowhere = packs(&house, 0);
    house.fetching = false;
    for device in [0, 1] {
        lose(&mut house, device, &nowhere);
    }
    house.fetching = true;
    house.pass(60_000);
    assert_eq!(packs(&house, 0), nowhere);
    for device in [0, 1] {
        let chunks = &house.devices[device].storage.chunks;
        assert!(nowhere.iter().all(|chunk| chunks.contains_key(chunk)), "made of the records");
    }
    house.pass(60_000);
    assert_eq!(entries(&house, 0, kind::CHECKPOINT).len(), 2, "once, by one, is enough");
    let new = join_without_entries(&mut house);
    assert_eq!(shown(&mut house, new), titles());
}

#[test]
fn who_has_no_packs_shows_no_checkpoint() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    house.fetching = false;
    let nowhere = packs(&house, 0);
    lose(&mut house, 0, &nowhere);
    house.streaming = false;
    house.join(2, 0, Role::Member).unwrap();
    house.connect(2, 0);
    house.pass(500);
    assert!(house.node(2).preview.is_none());
    let problems = house.status(2).problems;
    assert!(problems.iter().any(|one| one.code == "still-coming"), "{problems:?}");
    house.connect(2, 1);
    assert!(house.node(2).preview.is_some());
}

#[test]
fn packs_go_before_many_entries_and_hold_them_up_for_a_while_at_most() {
    for is_coming in [true, false] {
        let mut house = House::founded(&["phone", "desk", "new"]);
        house.checkpoint_from = 10;
        house.boot(0);
        house.join(1, 0, Role::Member).unwrap();
        house.connect(1, 0);
        for number in 0..20_u8 {
            let noise = (0..250_u16).map(|line| {
                heirloom_base::id::to_hex(&heirloom_base::hash::plain(
                    &[&[number][..], &line.to_le_bytes()].concat(),
                ))
            });
            let body = noise.collect::<String>();
            house.add(0, "notes", &[&format!("title=n{number:02}"), &format!("body={body}")]);
        }
        house.pass(10_000);
        house.fetching = false;
        house.join(2, 0, Role::Member).unwrap();
        house.connect(2, 0);
        house.pass(5_000);
        let entries = house.node(2).replication.vector().entries_beyond(&Default::default());
        assert!((1..=12).contains(&entries), "{entries}");
        assert!(house.node(2).preview.is_some());
        if is_coming {
            house.fetching = true;
            house.pass(2_000);
        } else {
            house.pass(4_000);
        }
        assert_eq!(house.digest(2), house.digest(0));
        assert!(house.node(2).preview.is_none());
    }
}
