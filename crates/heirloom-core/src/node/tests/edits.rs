//! Edits that travel, meet and disagree.

use super::super::*;
use super::household::House;
use proptest::prelude::*;

#[test]
fn edits_travel_both_ways() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "contacts", &["name=Ann Li"]);
    house.set(1, "contacts", &id, &["phone+=+49 30 1"]);
    assert_eq!(house.show(0, "contacts", &id).fields["phone"][0]["value"], "+49 30 1");
    assert_eq!(house.digest(0), house.digest(1));
    let author = house.show(0, "contacts", &id).updated_by;
    assert_eq!(author, house.id(1).to_string());
}

#[test]
fn different_fields_changed_apart_are_both_kept_without_a_conflict() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a", "body=b"]);
    house.cut(0, 1);
    house.set(0, "notes", &id, &["title=new title"]);
    house.set(1, "notes", &id, &["body=new body"]);
    house.connect(0, 1);
    for device in 0..2 {
        let row = house.show(device, "notes", &id);
        assert_eq!((row.title.as_str(), &row.fields["body"]), ("new title", &"new body".into()));
        assert!(house.conflicts(device, "notes").is_empty());
    }
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn one_field_changed_apart_shows_one_value_everywhere_and_keeps_the_other() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "contacts", &["name=Ann"]);
    house.cut(0, 1);
    house.set(0, "contacts", &id, &["name=Ann Phone"]);
    house.set(1, "contacts", &id, &["name=Ann Desk"]);
    house.connect(0, 1);
    let rows = house.conflicts(0, "contacts");
    assert_eq!(rows, house.conflicts(1, "contacts"));
    let row = rows.iter().find(|row| row.field == "name").expect("the name is in conflict");
    let mut values = vec![row.winner.clone(), row.losers[0].value.clone()];
    values.sort_by_key(|value| value.as_ref().map(ToString::to_string));
    assert_eq!(values, [Some("Ann Desk".into()), Some("Ann Phone".into())]);
    let by = if row.losers[0].value == Some("Ann Desk".into()) { 1 } else { 0 };
    assert_eq!(row.losers[0].author.by, house.id(by).to_string());
    assert_eq!(row.author.by, house.id(1 - by).to_string());
    assert_eq!(Some(house.show(0, "contacts", &id).title.into()), row.winner);
    house.set(1, "contacts", &id, &["name=Ann Both"]);
    for device in 0..2 {
        assert!(house.conflicts(device, "contacts").is_empty(), "an edit settles it");
        assert_eq!(house.show(device, "contacts", &id).title, "Ann Both");
    }
}

#[test]
fn an_edit_apart_from_a_deletion_is_not_lost() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    house.cut(0, 1);
    house.delete(0, "notes", &id);
    house.set(1, "notes", &id, &["title=edited"]);
    house.connect(0, 1);
    assert_eq!(house.digest(0), house.digest(1));
    let rows = [house.show(0, "notes", &id), house.show(1, "notes", &id)];
    assert_eq!(rows[0], rows[1]);
    let restore = Command::Restore {
        category: "notes".into(),
        id: id.clone(),
        at: None,
        wait: Wait::default(),
    };
    house.ask(1, restore).unwrap();
    assert_eq!(house.show(0, "notes", &id).title, "edited");
    assert_eq!(house.titles(0, "notes"), ["edited"]);
}

#[test]
fn a_deletion_travels_and_so_does_the_return() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    house.delete(1, "notes", &id);
    assert!(house.titles(0, "notes").is_empty());
    assert!(house.show(0, "notes", &id).deleted);
    let restore =
        Command::Restore { category: "notes".into(), id, at: None, wait: Wait::default() };
    house.ask(0, restore).unwrap();
    assert_eq!(house.titles(1, "notes"), ["a"]);
}

#[test]
fn the_same_settings_record_made_apart_is_one_record() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    house.set(0, "settings", "display", &["brightness=80"]);
    house.set(1, "settings", "display", &["theme=dark"]);
    house.connect(0, 1);
    for device in 0..2 {
        let row = house.show(device, "settings", "display");
        assert_eq!((&row.fields["brightness"], &row.fields["theme"]), (&80.into(), &"dark".into()));
    }
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn news_pass_through_a_device_in_the_middle() {
    let mut house = House::of(&["phone", "desk", "third"]);
    house.cut(0, 2);
    let id = house.add(0, "notes", &["title=relayed"]);
    assert_eq!(house.show(2, "notes", &id).title, "relayed");
    assert_eq!(house.node(2).sources(), [house.id(1)], "it came from the middle");
    house.set(2, "notes", &id, &["title=and back"]);
    assert_eq!(house.show(0, "notes", &id).title, "and back");
}

#[test]
fn whoever_watches_hears_of_changes_made_elsewhere() {
    let mut house = House::of(&["phone", "desk"]);
    house.devices[1].events.clear();
    let id = house.add(0, "notes", &["title=x"]);
    let changed = Event::RecordsChanged {
        category: "notes".into(),
        ids: vec![id],
        by: Some(house.id(0).to_string()),
        by_name: "phone".into(),
        at: Some(heirloom_base::time::rfc3339(house.now.wall_ms)),
    };
    assert!(house.devices[1].events.contains(&changed));
}

#[test]
fn the_same_words_written_anew_apart_are_chosen() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=keys", "body=alarm 1234. Front door"]);
    house.cut(0, 1);
    house.set(0, "notes", &id, &["body=alarm 8271. Front door"]);
    house.pass(2_000);
    house.set(1, "notes", &id, &["body=alarm 5590. Front door, red key"]);
    house.connect(0, 1);
    let [conflict] = house.conflicts(0, "notes").try_into().unwrap();
    assert_eq!(conflict.field, "body");
    let read: Vec<_> = conflict.losers.iter().flat_map(|loser| loser.value.clone()).collect();
    assert_eq!(read, ["alarm 5590. Front door, red key", "alarm 8271. Front door, red key"]);
    let by: Vec<_> = conflict.losers.iter().map(|loser| loser.author.by.clone()).collect();
    assert_eq!(by, [house.id(1).to_string(), house.id(0).to_string()]);
    house.resolve(1, "notes", &id, None, "3").unwrap();
    for device in 0..2 {
        let row = house.show(device, "notes", &id);
        assert_eq!(row.fields["body"], "alarm 8271. Front door, red key");
        assert!(house.conflicts(device, "notes").is_empty());
    }
    let rows = house.history(0, "notes", &id);
    assert!(rows.iter().any(|row| row.kind == "resolved"), "{rows:?}");
}

#[test]
fn a_new_name_of_a_device_travels() {
    let mut house = House::of(&["phone", "desk"]);
    let rename = Command::Rename { device: "phone".into(), name: "telephone".into() };
    assert_eq!(house.ask(1, rename), Ok(Answer::Done));
    for device in 0..2 {
        let rows = house.status(device).devices;
        let names: BTreeSet<String> = rows.into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["desk".to_owned(), "telephone".to_owned()].into());
    }
}

#[test]
fn a_keeper_names_itself_and_no_other() {
    let mut house = House::with(heirloom_identity::Role::Keeper);
    let rename = |device: &str| Command::Rename { device: device.into(), name: "cellar".into() };
    assert_eq!(house.ask(1, rename("phone")).unwrap_err().code, "not-permitted");
    assert_eq!(house.ask(1, rename("box")), Ok(Answer::Done));
    assert!(house.status(0).devices.iter().any(|row| row.name == "cellar"));
}

#[test]
fn a_blind_keeper_stores_everything_and_runs_no_command_about_records() {
    let mut house = House::with(heirloom_identity::Role::BlindKeeper);
    let id = house.add(0, "notes", &["title=secret"]);
    let (category, wait) = ("notes".to_owned(), Wait::default());
    let commands = [
        Command::Add { category: category.clone(), assignments: vec!["title=x".into()], wait },
        Command::Set { category: category.clone(), id: id.clone(), assignments: vec![], wait },
        Command::Delete { category: category.clone(), id: id.clone(), wait },
        Command::Restore { category: category.clone(), id: id.clone(), at: None, wait },
        Command::Resolve {
            category: category.clone(),
            id: id.clone(),
            field: None,
            keep: "1".into(),
            wait,
        },
        Command::List {
            category: category.clone(),
            search: None,
            deleted: false,
            after: None,
            limit: 1,
        },
        Command::Show { category: category.clone(), id: id.clone() },
        Command::History { category: category.clone(), id },
        Command::Conflicts { category: category.clone(), id: None },
        Command::Import { items: vec![], dry_run: true, wait },
        Command::Export { category, after: None, limit: 1 },
        Command::Digest,
        Command::Rename { device: "phone".into(), name: "x".into() },
    ];
    for command in commands {
        let text = format!("{command:?}");
        let failure = house.ask(1, command).expect_err(&text);
        assert!(failure.exit == 77 || text.starts_with("Rename"), "{text}: {failure:?}");
    }
    assert!(house.node(1).is_blind() && house.status(1).categories.is_empty());
    assert_eq!(house.node(0).replication.vector(), house.node(1).replication.vector());
}

#[test]
fn the_newest_change_is_named_alike_however_it_came() {
    // The third gets each of the two logs alone, in both orders.
    for order in [[0, 1], [1, 0]] {
        let mut house = House::of(&["phone", "desk", "third"]);
        house.cut(0, 2);
        house.cut(1, 2);
        let id = house.add(0, "notes", &["title=a"]);
        house.pass(2_000);
        house.set(1, "notes", &id, &["title=b"]);
        for author in order {
            house.hear_log(2, author);
        }
        assert_eq!(house.show(2, "notes", &id), house.show(0, "notes", &id), "{order:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_two_devices_do_apart_they_agree_when_they_meet(
        steps in prop::collection::vec((0..2usize, 0..4u8, "[a-c]{1,3}"), 1..8),
    ) {
        let mut house = House::of(&["phone", "desk"]);
        let id = house.add(0, "notes", &["title=start", "body=start"]);
        house.cut(0, 1);
        for (device, what, text) in steps {
            match what {
                _ if house.show(device, "notes", &id).deleted => house.restore(device, "notes", &id, None),
                0 => house.set(device, "notes", &id, &[&format!("title={text}")]),
                1 => house.set(device, "notes", &id, &[&format!("body={text}")]),
                2 => house.delete(device, "notes", &id),
                _ => drop(house.add(device, "notes", &[&format!("title={text}")])),
            }
        }
        house.connect(0, 1);
        prop_assert_eq!(house.digest(0), house.digest(1));
        prop_assert_eq!(house.show(0, "notes", &id), house.show(1, "notes", &id));
        prop_assert_eq!(house.conflicts(0, "notes"), house.conflicts(1, "notes"));
        prop_assert_eq!(house.titles(0, "notes"), house.titles(1, "notes"));
    }
}
