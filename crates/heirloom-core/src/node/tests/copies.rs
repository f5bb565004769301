//! Copies, receipts, and commands that wait for them.

use super::super::*;
use super::household::{House, Reply, texts, wait};
use crate::command::{CategoryRow, ImportItem, Level};
use crate::failure::exit;
use base64::Engine as _;
use heirloom_identity::Role;

fn notes(house: &mut House, device: usize) -> CategoryRow {
    let rows = house.status(device).categories;
    rows.into_iter().find(|row| row.name == "notes").unwrap()
}

fn counts(row: &CategoryRow) -> [u64; 6] {
    [row.records, row.local, row.peer, row.keeper, row.safe, row.pending]
}

fn add_waiting(house: &mut House, device: usize, level: Level) -> CommandId {
    let (category, assignments) = ("notes".to_owned(), texts(&["title=x"]));
    house.command(device, Command::Add { category, assignments, wait: wait(level) })
}

fn reached(reply: Option<Reply>) -> bool {
    match reply {
        Some(Ok(Answer::Saved { reached, .. })) => reached,
        other => panic!("{other:?}"),
    }
}

fn import_photo(house: &mut House, device: usize) {
    let photo = "QUJD".repeat(40_000);
    let card = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:p\r\nFN:Pia\r\nPHOTO;ENCODING=b:{photo}\r\nEND:VCARD\r\n"
    );
    let item = ImportItem {
        category: "contacts".into(),
        file: "card.vcf".into(),
        line: 1,
        base64: base64::engine::general_purpose::STANDARD.encode(card),
        root: 0,
    };
    let import = Command::Import { items: vec![item], dry_run: false, wait: Wait::default() };
    house.ask(device, import).unwrap();
}

#[test]
fn copies_count_only_after_the_receipt() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    house.add(0, "notes", &["title=x"]);
    assert_eq!(counts(&notes(&mut house, 0)), [1, 1, 0, 0, 0, 1]);
    assert_eq!(house.status(0).at_risk["notes"], 1);
    let problems = house.status(0).problems;
    let told = problems.iter().find(|problem| problem.code == "pending").unwrap();
    assert_eq!(told.text, "1 record is on this device only.");
    house.connect(0, 1);
    house.pass(2_000);
    assert_eq!(counts(&notes(&mut house, 0)), [1, 1, 1, 0, 1, 0]);
    assert_eq!(house.status(0).at_risk["notes"], 0);
    assert!(!house.status(0).problems.iter().any(|problem| problem.code == "pending"));
}

#[test]
fn one_copy_of_two_devices_is_not_safe_yet() {
    let mut house = House::of(&["phone", "desk", "third"]);
    house.cut(0, 2);
    house.cut(1, 2);
    house.add(0, "notes", &["title=x"]);
    house.pass(2_000);
    assert_eq!(counts(&notes(&mut house, 0)), [1, 1, 1, 0, 0, 0]);
    house.connect(1, 2);
    house.pass(4_000);
    assert_eq!(counts(&notes(&mut house, 0)), [1, 1, 1, 0, 1, 0], "the receipt was relayed");
}

#[test]
fn a_later_edit_needs_its_own_receipt() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=x"]);
    house.pass(2_000);
    assert_eq!(notes(&mut house, 0).pending, 0);
    house.cut(0, 1);
    house.set(0, "notes", &id, &["title=y"]);
    assert_eq!(notes(&mut house, 0).pending, 1);
    let behind = house.status(0).devices.into_iter().find(|row| !row.this).unwrap();
    assert_eq!((behind.behind_entries, behind.online), (1, false));
    assert!(behind.last_seen.is_some());
}

#[test]
fn a_keeper_counts_as_keeper_also_when_it_is_blind() {
    for role in [Role::Keeper, Role::BlindKeeper] {
        let mut house = House::with(role);
        house.add(0, "notes", &["title=x"]);
        house.pass(2_000);
        assert_eq!(counts(&notes(&mut house, 0)), [1, 1, 1, 1, 1, 0], "{role:?}");
        let codes: Vec<String> =
            house.status(0).problems.into_iter().map(|problem| problem.code).collect();
        assert!(codes.is_empty(), "{codes:?}");
    }
}

#[test]
fn a_write_that_waits_for_a_peer_is_answered_by_its_receipt_at_once() {
    let mut house = House::of(&["phone", "desk"]);
    let id = add_waiting(&mut house, 0, Level::Peer(1));
    assert!(reached(house.reply(0, id)), "no timer is needed");
}

#[test]
fn a_write_waits_until_a_peer_comes() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let id = add_waiting(&mut house, 0, Level::Peer(1));
    house.pass(1_000);
    assert_eq!(house.reply(0, id), None);
    house.connect(0, 1);
    assert!(reached(house.reply(0, id)));
}

#[test]
fn a_write_whose_level_is_not_reached_in_time_is_answered_so() {
    let mut house = House::of(&["phone", "desk"]);
    for level in [Level::Peer(2), Level::Keeper] {
        let id = add_waiting(&mut house, 0, level);
        house.pass(4_000);
        assert_eq!(house.reply(0, id), None, "{level:?}");
        house.pass(1_100);
        assert!(!reached(house.reply(0, id)), "{level:?}");
    }
}

#[test]
fn a_write_that_waits_for_a_keeper_hears_of_it() {
    let mut house = House::with(Role::BlindKeeper);
    let id = add_waiting(&mut house, 0, Level::Keeper);
    assert!(reached(house.reply(0, id)));
}

#[test]
fn a_write_that_changes_nothing_waits_for_the_one_before_it() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let id = house.add(0, "notes", &["title=x"]);
    let (category, assignments) = ("notes".to_owned(), texts(&["title=x"]));
    let set = Command::Set { category, id, assignments, wait: wait(Level::Peer(1)) };
    let command = house.command(0, set);
    assert_eq!(house.reply(0, command), None);
    house.connect(0, 1);
    assert!(reached(house.reply(0, command)));
}

#[test]
fn a_receipt_is_held_back_until_the_chunks_are_there() {
    let mut house = House::of(&["phone", "desk"]);
    house.fetching = false;
    import_photo(&mut house, 0);
    house.pass(3_000);
    let row = house.status(0).categories.into_iter().find(|row| row.name == "contacts").unwrap();
    assert_eq!((row.records, row.peer, row.pending), (1, 0, 1));
    assert!(house.devices[1].storage.chunks.is_empty());
    house.fetching = true;
    house.pass(60_000);
    let row = house.status(0).categories.into_iter().find(|row| row.name == "contacts").unwrap();
    assert_eq!((row.peer, row.pending), (1, 0));
    assert_eq!(house.devices[1].storage.chunks, house.devices[0].storage.chunks);
}

#[test]
fn missing_chunks_are_asked_for_again_after_a_restart() {
    let mut house = House::of(&["phone", "desk"]);
    house.fetching = false;
    import_photo(&mut house, 0);
    house.boot(1);
    assert_eq!(house.node(1).replication.chunks_missing().len(), 1);
    house.fetching = true;
    house.connect(1, 0);
    house.pass(2_000);
    assert!(house.node(1).replication.chunks_missing().is_empty());
    house.boot(1);
    assert!(house.node(1).replication.chunks_missing().is_empty());
}

#[test]
fn a_sync_says_who_is_level() {
    let mut house = House::of(&["phone", "desk"]);
    house.add(0, "notes", &["title=x"]);
    let id = house.command(0, Command::Sync { timeout_ms: 5_000 });
    let level = vec![house.id(1).to_string()];
    assert_eq!(house.reply(0, id), Some(Ok(Answer::Synced { level, behind: vec![] })));
}

#[test]
fn a_sync_says_who_is_behind_when_its_time_is_over() {
    let mut house = House::of(&["phone", "desk"]);
    house.fetching = false;
    import_photo(&mut house, 0);
    let id = house.command(0, Command::Sync { timeout_ms: 5_000 });
    house.pass(4_900);
    assert_eq!(house.reply(0, id), None);
    house.pass(200);
    let Some(Ok(Answer::Synced { level, behind })) = house.reply(0, id) else { panic!() };
    assert!(level.is_empty());
    assert_eq!((behind[0].device_id.clone(), behind[0].entries), (house.id(1).to_string(), 1));
}

#[test]
fn a_sync_without_anybody_ends_with_69() {
    let mut alone = House::founded(&["phone"]);
    let failure = alone.ask(0, Command::Sync { timeout_ms: 5_000 }).unwrap_err();
    assert_eq!(failure.exit, exit::UNREACHABLE);
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let id = house.command(0, Command::Sync { timeout_ms: 3_000 });
    house.pass(2_900);
    assert_eq!(house.reply(0, id), None);
    house.pass(200);
    assert_eq!(house.reply(0, id).unwrap().unwrap_err().exit, exit::UNREACHABLE);
}

fn photo_card(house: &mut House, device: usize) -> (ChunkId, Vec<u8>) {
    import_photo(house, device);
    let chunks = &house.devices[device].storage.chunks;
    let (id, bytes) = chunks.iter().next().unwrap();
    (*id, bytes.clone())
}

#[test]
fn a_photo_that_the_disk_has_lost_comes_back_from_its_file() {
    let mut house = House::of(&["phone", "desk"]);
    house.fetching = false;
    let (chunk, bytes) = photo_card(&mut house, 0);
    house.devices[0].storage.chunks.clear();
    house.boot(0);
    let stall = house.status(0).stalls.into_iter().find(|stall| stall.cause == "chunks").unwrap();
    assert!(stall.text.contains("contact"), "{}", stall.text);
    import_photo(&mut house, 0);
    assert_eq!(house.devices[0].storage.chunks.get(&chunk), Some(&bytes));
    assert!(house.node(0).replication.chunks_missing().is_empty());
    assert!(house.status(0).stalls.iter().all(|stall| stall.cause != "chunks"));
}

#[test]
fn an_export_leaves_out_only_what_lacks_a_photo() {
    let mut house = House::founded(&["phone"]);
    photo_card(&mut house, 0);
    let plain = house.add(0, "contacts", &["name=Plain"]);
    house.devices[0].storage.chunks.clear();
    let export = Command::Export { category: "contacts".into(), after: None, limit: 10 };
    let answer = house.ask(0, export).unwrap();
    let Answer::Files { files, left_out, next: None } = answer else { panic!("{answer:?}") };
    assert_eq!((files.len(), left_out.len()), (1, 1));
    assert_ne!(left_out[0].id, plain);
    assert!(left_out[0].reason.contains("not on this device"), "{}", left_out[0].reason);
}

#[test]
fn a_device_that_never_showed_up_after_it_was_let_in_keeps_nothing_from_being_safe() {
    let mut house = House::founded(&["phone", "desk", "never"]);
    for other in [1, 2] {
        house.join(other, 0, Role::Member).unwrap();
    }
    house.add(0, "notes", &["title=x"]);
    assert_eq!(counts(&notes(&mut house, 0)), [1, 1, 0, 0, 0, 1]);
    house.connect(0, 1);
    house.pass(2_000);
    assert_eq!(counts(&notes(&mut house, 0)), [1, 1, 1, 0, 1, 0]);
    house.connect(0, 2);
    house.pass(4_000);
    house.cut(0, 2);
    house.cut(1, 2);
    house.add(0, "notes", &["title=y"]);
    house.pass(2_000);
    assert_eq!(counts(&notes(&mut house, 0)), [2, 2, 2, 0, 1, 0], "it is there: two are asked for");
}
