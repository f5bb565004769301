//! Checkpoints: made and signed at rest, and shown to a device that has nothing.

use super::super::*;
use super::household::{House, texts};
use crate::rows::table;
use heirloom_identity::Role;
use heirloom_sync::entry::kind;
use heirloom_sync::{Checkpoint, VersionVector};

/// Records of the tests.
pub(super) const NOTES: usize = 12;

pub(super) fn rows(house: &House, device: usize, wanted: u8) -> usize {
    house.devices[device].storage.index.keys().filter(|key| key[0] == wanted).count()
}

/// Returns the entries of a kind that a device holds.
pub(super) fn entries(house: &House, device: usize, wanted: u8) -> Vec<Entry> {
    let frames = house.devices[device].storage.frames.values();
    let entries = frames.filter_map(|frame| Entry::parse(frame.payload.clone()).ok());
    entries.filter(|entry| entry.header().kind == wanted).collect()
}

/// Returns a household with notes, of which the last device has not joined.
pub(super) fn household(names: &[&str]) -> (House, Vec<String>) {
    let mut house = House::founded(names);
    house.checkpoint_from = 10;
    house.boot(0);
    for device in 1..names.len() - 1 {
        house.join(device, 0, Role::Member).unwrap();
        for other in 0..device {
            house.connect(device, other);
        }
    }
    let ids = (0..NOTES).map(|number| house.add(0, "notes", &[&format!("title=n{number:02}")]));
    let ids: Vec<String> = ids.collect();
    house.set(0, "notes", &ids[3], &["body=three"]);
    (house, ids)
}

/// Returns the titles that a device shows, in order.
pub(super) fn shown(house: &mut House, device: usize) -> Vec<String> {
    let mut shown = house.titles(device, "notes");
    shown.sort();
    shown
}

pub(super) fn titles() -> Vec<String> {
    (0..NOTES).map(|number| format!("n{number:02}")).collect()
}

/// Lets the last device join and hear everything but entries in their turn.
pub(super) fn join_without_entries(house: &mut House) -> usize {
    let new = house.devices.len() - 1;
    house.streaming = false;
    house.join(new, 0, Role::Member).unwrap();
    for other in 0..new {
        house.connect(new, other);
    }
    house.pass(1_000);
    new
}

/// Lets entries travel again.
pub(super) fn stream(house: &mut House, new: usize) {
    house.streaming = true;
    for other in 0..new {
        house.cut(new, other);
    }
    for other in 0..new {
        house.connect(new, other);
    }
    house.pass(5_000);
}

#[test]
fn one_device_makes_a_checkpoint_at_rest_and_the_other_signs_it_once() {
    let (mut house, ids) = household(&["phone", "desk", "new"]);
    house.pass(900);
    assert_eq!(entries(&house, 0, kind::CHECKPOINT).len(), 0, "it is not quiet yet");
    house.pass(10_000);
    for device in [0, 1] {
        assert_eq!(entries(&house, device, kind::CHECKPOINT).len(), 1);
        assert_eq!(entries(&house, device, kind::COSIGNATURE).len(), 1);
        house.boot(device);
    }
    house.connect(0, 1);
    house.pass(60_000);
    assert_eq!(entries(&house, 0, kind::CHECKPOINT).len(), 1, "nothing is new");
    assert_eq!(entries(&house, 1, kind::COSIGNATURE).len(), 1);
    for number in 0..10 {
        house.set(1, "notes", &ids[0], &[&format!("body={number}")]);
    }
    house.pass(60_000);
    assert_eq!(entries(&house, 0, kind::CHECKPOINT).len(), 2);
    assert_eq!(entries(&house, 0, kind::COSIGNATURE).len(), 2);
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn a_new_device_shows_everything_before_its_entries_have_come() {
    let (mut house, ids) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    house.set(1, "notes", &ids[5], &["title=later"]);
    house.add(1, "contacts", &["name=Ann"]);
    let new = join_without_entries(&mut house);
    let mut expected = titles();
    expected[5] = "later".to_owned();
    expected.sort();
    assert_eq!(shown(&mut house, new), expected);
    assert_eq!(house.titles(new, "contacts"), ["Ann"]);
    assert_eq!(house.show(new, "notes", &ids[3]).fields["body"], "three");
    let by = [5, 6].map(|number: usize| house.show(new, "notes", &ids[number]).updated_by);
    assert_eq!(by, [1, 0].map(|device| house.id(device).to_string()));
    let history = Command::History { category: "notes".to_owned(), id: ids[5].clone() };
    assert_eq!(house.ask(new, history).unwrap_err().code, "still-coming");
    // No entry is here, so none counts as held.
    assert_eq!(house.node(new).replication.vector(), VersionVector::default());
    assert_eq!(rows(&house, new, table::RECORD), 0);
    let wait = Wait::default();
    let (category, id) = ("notes".to_owned(), ids[0].clone());
    let set = Command::Set { category, id, assignments: texts(&["title=x"]), wait };
    assert_eq!(house.ask(new, set.clone()).unwrap_err().code, "still-coming");
    house.add(new, "notes", &["title=own"]);
    assert!(house.titles(new, "notes").contains(&"own".to_owned()));
    stream(&mut house, new);
    assert_eq!(rows(&house, new, table::PREVIEW), 0, "it has gone");
    house.ask(new, set).unwrap();
    house.pass(5_000);
    for device in 0..=new {
        assert_eq!(house.titles(device, "notes").len(), NOTES + 1);
        assert_eq!(house.digest(device), house.digest(0));
    }
}

#[test]
fn a_preview_goes_on_after_a_restart_without_anybody() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    let new = join_without_entries(&mut house);
    house.boot(new);
    house.pass(1_000);
    assert_eq!(shown(&mut house, new), titles());
    stream(&mut house, new);
    assert_eq!(rows(&house, new, table::PREVIEW), 0);
    assert_eq!(house.digest(new), house.digest(0));
}

#[test]
fn what_one_of_several_readers_says_alone_is_not_shown() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.cut(0, 1);
    house.pass(60_000);
    assert_eq!(entries(&house, 0, kind::CHECKPOINT).len(), 1);
    assert_eq!(entries(&house, 0, kind::COSIGNATURE).len(), 0);
    let new = join_without_entries(&mut house);
    assert_eq!(house.titles(new, "notes"), Vec::<String>::new());
    stream(&mut house, new);
    assert_eq!(shown(&mut house, new), titles());
}

#[test]
fn what_the_only_other_reader_says_is_shown() {
    let (mut house, _) = household(&["phone", "new"]);
    house.streaming = false;
    house.join(1, 0, Role::Member).unwrap();
    house.connect(1, 0);
    house.pass(5_000);
    assert_eq!(house.titles(1, "notes"), Vec::<String>::new(), "none was made for one device");
    // It was made while the new device was away.
    house.cut(0, 1);
    house.pass(60_000);
    assert_eq!(entries(&house, 0, kind::CHECKPOINT).len(), 1);
    house.connect(1, 0);
    house.pass(1_000);
    assert_eq!(shown(&mut house, 1), titles());
}

#[test]
fn what_a_device_said_that_was_taken_out_is_not_shown() {
    let (mut house, ids) = household(&["phone", "desk", "tablet", "new"]);
    house.set(1, "notes", &ids[1], &["title=by the desk"]);
    house.pass(60_000);
    assert_eq!(entries(&house, 2, kind::COSIGNATURE).len(), 2);
    let desk = house.id(1).to_string();
    house.cut(0, 1);
    house.cut(1, 2);
    house.ask(0, Command::Revoke { device: desk }).unwrap();
    house.pass(1_000);
    let new = join_without_entries(&mut house);
    // What the desk wrote before counts, so the checkpoint does.
    let shown = house.titles(new, "notes");
    assert!(shown.is_empty() || shown.contains(&"by the desk".to_owned()), "{shown:?}");
    stream(&mut house, new);
    assert_eq!(house.digest(new), house.digest(0));
}

#[test]
fn who_signs_looks_at_the_records_and_not_at_the_claim() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.checkpoint_from = u64::MAX;
    house.boot(1);
    house.pass(60_000);
    // The desk shows something else than the phone said.
    let index = &mut house.devices[1].storage.index;
    let key = index.keys().find(|key| key[0] == table::RECORD).unwrap().clone();
    index.remove(&key);
    house.connect(0, 1);
    house.pass(60_000);
    assert_eq!(entries(&house, 1, kind::CHECKPOINT).len(), 1);
    assert_eq!(entries(&house, 1, kind::COSIGNATURE).len(), 0);
}

#[test]
fn a_pack_that_holds_something_else_ends_the_preview() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    let new = house.devices.len() - 1;
    house.streaming = false;
    house.fetching = false;
    house.join(new, 0, Role::Member).unwrap();
    house.connect(new, 0);
    house.pass(1_000);
    assert!(house.node(new).preview.is_some());
    let wrong = heirloom_doc::pack(&[]).bytes;
    let keyring = house.node(0).membership.keyring.as_ref().unwrap();
    let sealed = heirloom_blob::seal(keyring.account_key(), &wrong);
    let (_, bytes) = sealed.chunks[0].clone();
    let wanted: Vec<ChunkId> =
        house.node(new).preview.as_ref().unwrap().lacks().iter().copied().collect();
    for id in wanted {
        house.devices[new].storage.chunks.insert(id, bytes.clone());
        house.input(
            new,
            Input::Fetched {
                id: EffectId(u64::MAX),
                chunks: vec![id],
                lacked: Vec::new(),
                wrong: Vec::new(),
            },
        );
    }
    house.pass(1_000);
    assert!(house.node(new).preview.is_none());
    assert_eq!(rows(&house, new, table::PREVIEW), 0);
    house.fetching = true;
    house.devices[new].storage.chunks.clear();
    stream(&mut house, new);
    assert_eq!(house.digest(new), house.digest(0));
}

#[test]
fn a_checkpoint_names_what_it_covers() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    let [entry] = entries(&house, 1, kind::CHECKPOINT).try_into().unwrap();
    let checkpoint: Checkpoint = house.node(1).opened_item(&entry).unwrap();
    assert_eq!(checkpoint.entries(), NOTES as u64 + 1);
    assert_eq!(checkpoint.packs.iter().map(|pack| pack.records).sum::<u32>(), NOTES as u32);
    let [chunk] = entry.header().chunks.as_slice() else { panic!("one chunk") };
    assert!(house.devices[1].storage.chunks.contains_key(chunk), "who signed it holds it");
    assert_eq!(checkpoint.devices, [house.id(0)]);
}

#[test]
fn nobody_waits_for_packs_that_are_nowhere() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.fetching = false;
    house.pass(10_000);
    assert_eq!(entries(&house, 1, kind::CHECKPOINT).len(), 1);
    for device in 0..2 {
        house.devices[device].storage.chunks.clear();
    }
    house.fetching = true;
    let wait = Wait { level: crate::command::Level::Peer(1), timeout_ms: 5_000 };
    let (category, assignments) = ("notes".to_owned(), texts(&["title=behind it"]));
    let id = house.command(0, Command::Add { category, assignments, wait });
    house.pass(5_000);
    assert!(matches!(house.reply(0, id), Some(Ok(Answer::Saved { reached: true, .. }))));
}

#[test]
fn a_preview_goes_on_after_a_restart_when_most_entries_are_here() {
    let (mut house, ids) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    let new = join_without_entries(&mut house);
    let own = house.add(new, "notes", &["title=own"]);
    let frames = house.devices[0].storage.frames.values();
    let entries = frames.filter_map(|frame| Entry::parse(frame.payload.clone()).ok());
    let log = house.node(0).journal.log().unwrap();
    let most: Vec<Vec<u8>> = entries
        .filter(|entry| entry.header().log == log && entry.header().seq < NOTES as u64)
        .map(Entry::into_bytes)
        .collect();
    house.hear(new, 0, &heirloom_sync::Message::Entries { urgent: false, entries: most });
    house.pass(1_000);
    house.boot(new);
    house.pass(1_000);
    assert!(house.node(new).preview.is_some());
    let expected = [titles(), vec!["own".to_owned()]].concat();
    assert_eq!(shown(&mut house, new), expected);
    house.set(new, "notes", &own, &["title=own2"]);
    assert_eq!(house.show(new, "notes", &ids[3]).fields["body"], "three");
    stream(&mut house, new);
    assert_eq!(rows(&house, new, table::PREVIEW), 0);
    assert_eq!(house.digest(new), house.digest(0));
}
