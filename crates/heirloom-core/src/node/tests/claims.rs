//! Members that claim a record to be another one, through whole nodes.

use super::super::settle::FRAME_ENTRY;
use super::super::*;
use super::attacks::{Mouth, quarantine, saved};
use super::household::{House, texts, wait};
use crate::command::{Level, RecordRow};
use crate::forged::{Forged, repeated};
use heirloom_base::{Hlc, RecordId, limits};
use heirloom_doc::{Document, RawChange, actor_for};
use heirloom_schema::{Content, Value, category, key};
use heirloom_sync::Part;

const CARD: &str =
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:alice\r\nFN:Alice\r\nN:;Alice;;;\r\nEND:VCARD\r\n";

fn house() -> (House, Mouth) {
    let house = House::of(&["phone", "desk", "guest"]);
    let mouth = Mouth::of(&house);
    (house, mouth)
}

fn int(number: i64) -> Option<Value> {
    Some(Value::Int(number))
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Str(text.to_owned()))
}

/// Has the guest set keys of a record.
fn alter(house: &House, mouth: &mut Mouth, record: RecordId, edits: &[(&str, Option<Value>)]) {
    let edits: Vec<(String, Option<Value>)> =
        edits.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let mut document = Document::load(&saved(house, record)).unwrap();
    let actor = actor_for(mouth.log(house), record);
    let changes = document.edit(actor, Hlc::from_wall_ms(1_795_000_000_001), &edits).unwrap();
    mouth.say(house, parts(record, changes));
}

fn parts(record: RecordId, changes: Vec<RawChange>) -> Vec<Part> {
    changes.into_iter().map(|change| Part { record, change: change.0 }).collect()
}

/// Has the guest begin a record under an id of its choice.
fn bear(house: &House, mouth: &mut Mouth, record: RecordId, number: i64, uid: &str, title: &str) {
    let content = Content::from([
        (key::CATEGORY.to_owned(), Value::Int(number)),
        (key::UID.to_owned(), Value::Str(uid.to_owned())),
        ("body".to_owned(), Value::Text(format!("# {title}\n"))),
        ("l000010".to_owned(), Value::Str(format!("FN:{title}"))),
    ]);
    mouth.say(house, parts(record, heirloom_doc::birth(record, &content).unwrap()));
}

fn id_of(house: &House, category: &str, uid: &str) -> RecordId {
    house.node(0).record_id(category::by_id(category).unwrap(), uid).unwrap()
}

fn rows(house: &mut House, device: usize, category: &str) -> Vec<RecordRow> {
    let (category, search, after) = (category.to_owned(), None, None);
    match house
        .ask(device, Command::List { category, search, deleted: false, after, limit: 100 })
        .unwrap()
    {
        Answer::Records { rows, .. } => rows,
        other => panic!("{other:?}"),
    }
}

/// Runs a check on both honest devices: as they are, started again, and with
/// an index that was made anew.
fn everywhere(house: &mut House, check: &dyn Fn(&mut House, usize)) {
    for device in [0, 1] {
        check(house, device);
        house.boot(device);
        check(house, device);
        house.devices[device].storage.index.clear();
        house.boot(device);
        check(house, device);
    }
    house.connect(0, 1);
    house.pass(3_000);
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn a_record_stays_in_the_category_that_it_was_born_in() {
    for claimed in [int(1), int(4), int(77), int(-1), int(i64::MAX), text("notes"), None] {
        let (mut house, mut mouth) = house();
        let id = house.add(0, "notes", &["title=mine"]);
        alter(&house, &mut mouth, id.parse().unwrap(), &[(key::CATEGORY, claimed)]);
        mouth.tell(&mut house, 0);
        house.pass(3_000);
        everywhere(&mut house, &|house, device| {
            assert_eq!(house.show(device, "notes", &id).title, "mine");
            assert_eq!(rows(house, device, "notes").len(), 1);
            for other in ["contacts", "calendar", "settings", "apps"] {
                assert!(rows(house, device, other).is_empty(), "{other}");
            }
        });
    }
}

#[test]
fn a_record_keeps_the_uid_that_its_id_follows_from() {
    let (mut house, mut mouth) = house();
    house.import(0, "contacts", "a.vcf", CARD);
    let record = id_of(&house, "contacts", "alice");
    let shown = house.show(0, "contacts", "alice");
    alter(&house, &mut mouth, record, &[(key::UID, text("mallory"))]);
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    everywhere(&mut house, &|house, device| {
        let found = house.show(device, "contacts", "alice");
        assert_eq!((&found.id, &found.source), (&shown.id, &shown.source));
        let (category, id) = ("contacts".to_owned(), "mallory".to_owned());
        assert!(house.ask(device, Command::Show { category, id }).is_err());
    });
    house.import(1, "contacts", "a.vcf", CARD);
    assert_eq!(rows(&mut house, 1, "contacts").len(), 1, "an import finds it again");
}

#[test]
fn a_category_of_a_newer_version_is_kept_and_passed_on() {
    let (mut house, mut mouth) = house();
    house.add(0, "notes", &["title=mine"]);
    let record = |number: u8| RecordId([number; 16]);
    for (number, claimed) in (100..).zip([6, 77, 255, 256, -5, i64::MIN, i64::MAX]) {
        bear(&house, &mut mouth, record(number), claimed, "u", "new");
    }
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    alter(&house, &mut mouth, record(101), &[("later", text("x")), (key::CATEGORY, int(78))]);
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    everywhere(&mut house, &|house, device| {
        assert_eq!(house.status(device).quarantined, 0);
        for number in 100..107 {
            let key = rows::key(rows::table::DOCUMENT, &[&record(number).0]);
            let document = Document::load(&house.devices[device].storage.index[&key]).unwrap();
            assert_eq!(document.content()["l000010"], Value::Str("FN:new".to_owned()));
        }
        let found: usize =
            category::CATEGORIES.iter().map(|spec| rows(house, device, spec.id).len()).sum();
        assert_eq!(found, 1, "only what is known is listed");
        let (category, id) = ("notes".to_owned(), record(100).to_string());
        assert!(house.ask(device, Command::Show { category, id }).is_err());
    });
}

#[test]
fn an_id_that_is_taken_beforehand_still_becomes_its_record() {
    let (mut house, mut mouth) = house();
    let record = id_of(&house, "contacts", "alice");
    bear(&house, &mut mouth, record, 2, "alice", "trap");
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    alter(&house, &mut mouth, record, &[(key::CATEGORY, int(1)), ("more", text("x"))]);
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    let row = rows(&mut house, 1, "contacts").remove(0);
    assert_eq!(row.id, record.to_string(), "it is shown as what it claims to be");
    assert!(rows(&mut house, 1, "notes").is_empty(), "and only there");
    alter(&house, &mut mouth, record, &[(key::CATEGORY, int(2))]);
    house.import(1, "contacts", "a.vcf", CARD);
    house.pass(3_000);
    everywhere(&mut house, &|house, device| {
        let shown = house.show(device, "contacts", "alice");
        assert_eq!(shown.id, record.to_string());
        assert!(shown.source.unwrap().contains("Alice"));
        assert_eq!(rows(house, device, "contacts").len(), 1);
        assert!(rows(house, device, "notes").is_empty());
    });
}

#[test]
fn of_two_records_that_claim_one_uid_only_the_right_one_has_it() {
    let (mut house, mut mouth) = house();
    house.import(0, "contacts", "a.vcf", CARD);
    let (right, wrong) = (id_of(&house, "contacts", "alice"), RecordId([9; 16]));
    bear(&house, &mut mouth, wrong, 1, "alice", "Mallory");
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    everywhere(&mut house, &|house, device| {
        assert_eq!(house.show(device, "contacts", "alice").id, right.to_string());
        let shown = house.show(device, "contacts", &wrong.to_string());
        assert_eq!((shown.title.as_str(), &shown.id), ("Mallory", &wrong.to_string()));
        assert_eq!(rows(house, device, "contacts").len(), 2, "nothing is hidden");
        let export = Command::Export { category: "contacts".into(), after: None, limit: 10 };
        let Ok(Answer::Files { files, .. }) = house.ask(device, export) else { panic!("no files") };
        assert_ne!(files[0].path, files[1].path);
    });
    house.import(1, "contacts", "a.vcf", CARD);
    assert_eq!(rows(&mut house, 1, "contacts").len(), 2);
}

#[test]
fn parts_beyond_the_operations_of_an_entry_are_kept_aside_with_their_author() {
    let (mut house, mut mouth) = house();
    let id = house.add(0, "notes", &["title=mine"]);
    let record: RecordId = id.parse().unwrap();
    let bomb = repeated(&Forged::put("k", ""), i64::try_from(limits::CHANGE_OPS_MAX).unwrap());
    let part = Part { record: RecordId([8; 16]), change: bomb.bytes() };
    let full = limits::ENTRY_OPS_MAX / limits::CHANGE_OPS_MAX;
    let title = [("title".to_owned(), text("late"))];
    let mut document = Document::load(&saved(&house, record)).unwrap();
    let actor = actor_for(mouth.log(&house), record);
    let changes = document.edit(actor, Hlc::from_wall_ms(1_795_000_000_001), &title).unwrap();
    let sound = parts(record, changes);
    mouth.say(&house, [vec![part; full], sound].concat());
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    everywhere(&mut house, &|house, device| {
        assert_eq!(house.show(device, "notes", &id).title, "mine");
        let rows = quarantine(house, device);
        let row = rows.iter().find(|row| row.record.as_deref() == Some(&*id)).unwrap();
        let reason = "operations of one entry: 65537 passes the limit of 65536";
        assert!(row.reason.contains(reason), "{}", row.reason);
        assert_eq!((&*row.device, row.seq, rows.len()), ("guest", 1, 2));
    });
}

#[test]
fn the_largest_honest_entries_are_within_the_operations_of_an_entry() {
    let mut house = House::of(&["phone", "desk"]);
    let letters = |letter: &str| format!("body={}", letter.repeat(36_000));
    let id = house.add(0, "notes", &["title=long", &letters("a ")]);
    house.set(0, "notes", &id, &[&letters("b\n")]);
    let category = "notes".to_owned();
    let assignments = texts(&["body=short"]);
    let command = Command::Set { category, id: id.clone(), assignments, wait: wait(Level::Local) };
    house.ask(0, command).unwrap();
    house.pass(3_000);
    assert_eq!(house.digest(0), house.digest(1));
    assert_eq!((house.status(0).quarantined, house.status(1).quarantined), (0, 0));
    let mut many = 0;
    for frame in house.devices[0].storage.frames.values().filter(|frame| frame.kind == FRAME_ENTRY)
    {
        let entry = Entry::parse(frame.payload.clone()).unwrap();
        let keyring = house.node(0).membership.keyring.as_ref().unwrap();
        let body = entry.open(keyring.epoch_key(&entry.header().epoch).unwrap()).unwrap();
        let count: usize =
            body.parts.iter().map(|part| heirloom_doc::operations(&part.change)).sum();
        assert!(count <= limits::ENTRY_OPS_MAX, "{count}");
        many += usize::from(count > limits::ENTRY_OPS_MAX / 2);
    }
    assert!(many > 2, "they are cut where they must be, and not before: {many}");
}
