//! Authors, conflicts and earlier versions, over several devices.

use super::super::*;
use super::household::House;
use crate::command::{ConflictRow, RecordRow};
use heirloom_base::time::rfc3339;
use serde_json::{Value as Json, json};

const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ann\r\nFN:Ann Li\r\nN:Li;Ann;;;\r\n\
                    TEL;TYPE=cell:+49 30 1\r\nEND:VCARD\r\n";

fn contact(house: &mut House, device: usize) -> String {
    let list = Command::List {
        category: "contacts".into(),
        search: None,
        deleted: false,
        after: None,
        limit: 10,
    };
    match house.ask(device, list) {
        Ok(Answer::Records { rows, .. }) if rows.len() == 1 => rows[0].id.clone(),
        other => panic!("{other:?}"),
    }
}

/// Returns a row without what only `show` tells.
fn listed(row: RecordRow) -> (String, String, String) {
    (row.title, row.updated_at, row.updated_by)
}

fn values(row: &ConflictRow) -> Vec<Option<Json>> {
    let losers = row.losers.iter().map(|loser| loser.value.clone());
    std::iter::once(row.winner.clone()).chain(losers).collect()
}

#[test]
fn one_file_imported_on_two_devices_apart_is_by_the_first_on_both() {
    for first in 0..2 {
        let mut house = House::of(&["phone", "desk"]);
        house.cut(0, 1);
        let began = rfc3339(house.now.wall_ms);
        house.import(first, "contacts", "a.vcf", CARD);
        house.pass(60_000);
        house.import(1 - first, "contacts", "b.vcf", CARD);
        house.connect(0, 1);
        let id = contact(&mut house, 0);
        let rows = house.history(0, "contacts", &id);
        assert_eq!(rows, house.history(1, "contacts", &id));
        assert_eq!((rows.len(), rows[0].kind.as_str()), (1, "created"));
        assert_eq!(rows[0].author.by, house.id(first).to_string());
        assert_eq!(
            (&rows[0].author.by_name, &rows[0].author.at),
            (&house.devices[first].name, &began)
        );
        for device in 0..2 {
            let row = house.show(device, "contacts", &id);
            assert_eq!(row.authors["name"]["at"], began.as_str());
            assert_eq!(row.authors["phone"][0]["by"], house.id(first).to_string().as_str());
            let expected = ("Ann Li".to_owned(), began.clone(), house.id(first).to_string());
            assert_eq!(listed(row), expected);
            assert!(house.conflicts(device, "contacts").is_empty(), "equal values are no conflict");
        }
    }
}

#[test]
fn a_third_device_names_the_same_authors_in_whatever_order_the_logs_come() {
    let long = format!("title=a\nbody={}", "a line of a long note\n".repeat(600));
    let note = format!("---\ntitle: a\nuid: 202601020304\n---\n{long}");
    for order in [[0, 1], [1, 0]] {
        let mut house = House::of(&["phone", "desk", "third"]);
        house.cut(0, 1);
        house.cut(0, 2);
        house.cut(1, 2);
        house.import(1, "notes", "a.md", &note);
        house.pass(5_000);
        house.import(0, "notes", "a.md", &note);
        let id = house.titles(0, "notes");
        assert_eq!(id.len(), 1);
        for author in order {
            house.hear_log(2, author);
        }
        house.connect(0, 1);
        let list = Command::List {
            category: "notes".into(),
            search: None,
            deleted: false,
            after: None,
            limit: 2,
        };
        let Ok(Answer::Records { rows, .. }) = house.ask(2, list) else { panic!("a list") };
        let id = rows[0].id.clone();
        let history = house.history(2, "notes", &id);
        assert_eq!(history.len(), 1, "a birth of several changes is one row");
        assert_eq!(history, house.history(0, "notes", &id), "{order:?}");
        assert_eq!(history[0].author.by_name, "desk");
        assert_eq!(house.show(2, "notes", &id), house.show(1, "notes", &id));
    }
}

#[test]
fn an_index_that_is_rebuilt_names_the_same_authors() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    house.import(0, "contacts", "a.vcf", CARD);
    house.pass(9_000);
    house.import(1, "contacts", "a.vcf", CARD);
    house.connect(0, 1);
    let id = contact(&mut house, 1);
    house.set(1, "contacts", &id, &["phone+=2"]);
    let before = (house.history(1, "contacts", &id), house.show(1, "contacts", &id));
    house.devices[1].storage.index.clear();
    house.boot(1);
    assert_eq!((house.history(1, "contacts", &id), house.show(1, "contacts", &id)), before);
}

#[test]
fn every_value_of_a_repeatable_field_has_its_author() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "contacts", &["name=Ann", "phone=1"]);
    house.pass(2_000);
    house.set(1, "contacts", &id, &["phone+=2"]);
    house.set(0, "contacts", &id, &["note=from the phone"]);
    let row = house.show(0, "contacts", &id);
    let (one, other) = (house.id(0).to_string(), house.id(1).to_string());
    let of = |value: &str| {
        let phones = row.fields["phone"].as_array().unwrap();
        let place = phones.iter().position(|phone| phone["value"] == value).unwrap();
        row.authors["phone"][place]["by"].as_str().unwrap().to_owned()
    };
    assert_eq!((of("1"), of("2")), (one.clone(), other));
    assert_eq!(row.authors["note"][0]["by"], one.as_str());
    let fields: Vec<&String> = row.fields.keys().collect();
    assert_eq!(row.authors.keys().collect::<Vec<_>>(), fields, "no field is without an author");
}

#[test]
fn notes_events_and_settings_name_the_authors_of_their_fields() {
    let mut house = House::of(&["phone", "desk"]);
    let note = house.add(0, "notes", &["title=a", "body=one"]);
    let event = house.add(0, "calendar", &["title=walk", "start=2026-12-24T18:00", "location=x"]);
    house.set(0, "settings", "display", &["brightness=80"]);
    house.pass(2_000);
    house.set(1, "notes", &note, &["body=one and two"]);
    house.set(1, "calendar", &event, &["location=park"]);
    house.set(1, "settings", "display", &["theme=dark"]);
    for (category, id, by_first, by_second) in [
        ("notes", note.as_str(), "title", "body"),
        ("calendar", &event, "start", "location"),
        ("settings", "display", "brightness", "theme"),
    ] {
        let row = house.show(0, category, id);
        assert_eq!(row.authors[by_first]["by_name"], "phone", "{category}");
        assert_eq!(row.authors[by_second]["by_name"], "desk", "{category}");
    }
}

#[test]
fn different_births_conflict_with_their_authors_and_times() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let times = [rfc3339(house.now.wall_ms), rfc3339(house.now.wall_ms + 4_000)];
    house.set(0, "settings", "display", &["brightness=80", "theme=dark"]);
    house.pass(4_000);
    house.set(1, "settings", "display", &["brightness=40", "theme=dark"]);
    house.connect(0, 1);
    let rows = house.conflicts(0, "settings");
    assert_eq!(rows, house.conflicts(1, "settings"));
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((row.field.as_str(), row.title.as_str()), ("brightness", "display"));
    let first = usize::from(row.winner == Some(json!(40)));
    assert_eq!(values(row), [Some(json!([80, 40][first])), Some(json!([80, 40][1 - first]))]);
    assert_eq!((&row.author.by, &row.author.at), (&house.id(first).to_string(), &times[first]));
    let loser = &row.losers[0];
    assert_eq!(
        (&loser.author.by_name, &loser.author.at),
        (&house.devices[1 - first].name, &times[1 - first])
    );
    assert_eq!((row.number, loser.number), (1, 2));
    assert_eq!(house.history(0, "settings", "display").len(), 2);
}

#[test]
fn a_conflict_ends_on_every_device_by_choosing_in_each_way() {
    for keep in ["winner", "1", "2", "Ann Phone", "Ann Desk"] {
        let mut house = House::of(&["phone", "desk"]);
        house.import(0, "contacts", "a.vcf", CARD);
        let id = contact(&mut house, 0);
        house.cut(0, 1);
        house.set(0, "contacts", &id, &["name=Ann Phone"]);
        house.set(1, "contacts", &id, &["name=Ann Desk"]);
        house.connect(0, 1);
        let rows = house.conflicts(1, "contacts");
        assert_eq!(rows.len(), 1, "the two lines of a name are one conflict: {rows:?}");
        let expected = match keep {
            "winner" | "1" => rows[0].winner.clone(),
            "2" => rows[0].losers[0].value.clone(),
            name => Some(json!(name)),
        };
        house.resolve(0, "contacts", &id, None, keep).unwrap();
        for device in 0..2 {
            assert!(house.conflicts(device, "contacts").is_empty(), "{keep}");
            let row = house.show(device, "contacts", &id);
            assert_eq!(Some(json!(row.title)), expected, "{keep}");
            let (source, name) = (row.source.unwrap(), row.title);
            let family = name.rsplit(' ').next().unwrap();
            assert!(
                source.contains(&format!("FN:{name}\r\n"))
                    && source.contains(&format!("N:{family};")),
                "{source}"
            );
        }
        let last = house.history(1, "contacts", &id).pop().unwrap();
        assert_eq!((last.kind.as_str(), last.author.by_name.as_str()), ("resolved", "phone"));
        let edit = &last.edits[0];
        assert_eq!((edit.field.as_str(), &edit.after), ("name", &expected), "{keep}: {last:?}");
        assert!(edit.settled && edit.before == rows[0].winner, "{edit:?}");
        let loser = rows[0].losers[0].value.clone();
        let lost: Vec<Json> =
            loser.into_iter().filter(|lost| Some(lost) != expected.as_ref()).collect();
        assert_eq!(edit.lost, lost, "{keep}: what was shown before is told already");
    }
}

#[test]
fn what_cannot_be_chosen_is_said_and_changes_nothing() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a", "body=b"]);
    let code = |reply: Result<Answer, Failure>| reply.unwrap_err().code;
    assert_eq!(code(house.resolve(0, "notes", &id, None, "winner")), "no-conflict");
    house.set(0, "settings", "s", &["x=0", "y=0"]);
    house.cut(0, 1);
    house.set(0, "settings", "s", &["x=11", "y=11"]);
    house.set(1, "settings", "s", &["x=22", "y=22"]);
    house.connect(0, 1);
    let before = house.digest(0);
    assert_eq!(house.conflicts(0, "settings").len(), 2);
    assert_eq!(code(house.resolve(0, "settings", "s", None, "7")), "ambiguous");
    assert_eq!(code(house.resolve(0, "settings", "s", Some("x"), "7")), "no-conflict");
    assert_eq!(code(house.resolve(0, "settings", "s", Some("z"), "winner")), "no-conflict");
    assert_eq!(house.digest(0), before);
    house.resolve(1, "settings", "s", None, "winner").unwrap();
    assert!(house.conflicts(0, "settings").is_empty(), "all that is shown is kept at once");
}

#[test]
fn bodies_that_were_born_apart_are_chosen_or_written_anew() {
    for choose in [true, false] {
        let mut house = House::of(&["phone", "desk"]);
        house.cut(0, 1);
        let note = |body: &str| format!("---\ntitle: a\nuid: 202601020305\n---\n{body}\n");
        house.import(0, "notes", "a.md", &note("written on the phone"));
        house.import(1, "notes", "a.md", &note("written at the desk"));
        house.connect(0, 1);
        let rows = house.conflicts(0, "notes");
        let row = rows.iter().find(|row| row.field == "body").expect("the bodies differ").clone();
        assert!(rows.iter().all(|row| !row.author.by_name.is_empty()));
        let id = row.id.clone();
        let expected = if choose {
            house.resolve(1, "notes", &id, Some("body"), "2").unwrap();
            row.losers[0].value.clone().unwrap()
        } else {
            house.set(1, "notes", &id, &["body=both"]);
            json!("both")
        };
        for device in 0..2 {
            let open = house.conflicts(device, "notes");
            assert!(open.iter().all(|row| row.field != "body"), "{open:?}");
            assert_eq!(house.show(device, "notes", &id).fields["body"], expected);
        }
    }
}

#[test]
fn setting_the_value_that_is_shown_settles_a_conflict_too() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    house.cut(0, 1);
    house.set(0, "notes", &id, &["title=p"]);
    house.set(1, "notes", &id, &["title=d"]);
    house.connect(0, 1);
    let shown = house.show(0, "notes", &id).title;
    house.set(0, "notes", &id, &["body=unrelated"]);
    assert_eq!(house.conflicts(1, "notes").len(), 1);
    house.set(0, "notes", &id, &[&format!("title={shown}")]);
    for device in 0..2 {
        assert!(house.conflicts(device, "notes").is_empty());
        assert_eq!(house.show(device, "notes", &id).title, shown);
    }
}

#[test]
fn a_removal_against_an_edit_is_a_conflict_that_is_chosen() {
    for (keep, expected) in [("1", Some("b@x")), ("b@x", Some("b@x")), ("2", None), ("", None)] {
        let mut house = House::of(&["phone", "desk"]);
        let id = house.add(0, "contacts", &["name=A", "email=a@x"]);
        house.cut(0, 1);
        house.set(0, "contacts", &id, &["email="]);
        house.set(1, "contacts", &id, &["email=b@x"]);
        house.connect(0, 1);
        let rows = house.conflicts(0, "contacts");
        assert_eq!(rows, house.conflicts(1, "contacts"));
        assert_eq!((rows.len(), rows[0].field.as_str()), (1, "email"));
        assert_eq!(values(&rows[0]), [Some(json!("b@x")), None]);
        assert!(rows[0].losers[0].removed);
        assert_eq!(rows[0].losers[0].author.by_name, "phone");
        house.resolve(1, "contacts", &id, None, keep).unwrap();
        for device in 0..2 {
            assert!(house.conflicts(device, "contacts").is_empty());
            let shown = house.show(device, "contacts", &id).fields.get("email").cloned();
            let shown = shown.map(|list| list[0]["value"].as_str().unwrap_or_default().to_owned());
            assert_eq!(shown.as_deref(), expected, "{keep:?}");
        }
    }
}

#[test]
fn a_deletion_against_an_edit_is_a_conflict_that_is_chosen() {
    for keep in ["1", "false", "2", "true"] {
        let mut house = House::of(&["phone", "desk"]);
        let id = house.add(0, "notes", &["title=a"]);
        house.cut(0, 1);
        house.delete(0, "notes", &id);
        house.set(1, "notes", &id, &["title=edited"]);
        house.connect(0, 1);
        let rows = house.conflicts(0, "notes");
        assert_eq!(rows, house.conflicts(1, "notes"));
        assert_eq!((rows.len(), rows[0].field.as_str()), (1, "deleted"));
        assert_eq!(values(&rows[0]), [Some(json!(false)), Some(json!(true))]);
        assert_eq!(rows[0].author.by_name, "desk");
        assert_eq!(rows[0].losers[0].author.by_name, "phone");
        house.resolve(1, "notes", &id, Some("deleted"), keep).unwrap();
        let gone = matches!(keep, "2" | "true");
        for device in 0..2 {
            assert_eq!(house.conflicts(device, "notes"), [], "{keep}");
            assert_eq!(house.show(device, "notes", &id).deleted, gone, "{keep}");
        }
    }
}

#[test]
fn conflicts_of_one_record_are_listed_alone() {
    let mut house = House::of(&["phone", "desk"]);
    let ids = [house.add(0, "notes", &["title=a"]), house.add(0, "notes", &["title=b"])];
    house.cut(0, 1);
    for id in &ids {
        house.set(0, "notes", id, &["title=p"]);
        house.set(1, "notes", id, &["title=d"]);
    }
    house.connect(0, 1);
    assert_eq!(house.conflicts(0, "notes").len(), 2);
    let of = |id: &str| Command::Conflicts { category: "notes".into(), id: Some(id.to_owned()) };
    let Ok(Answer::Conflicts { rows }) = house.ask(0, of(&ids[1][..12])) else { panic!("a list") };
    assert_eq!(rows.iter().map(|row| &row.id).collect::<Vec<_>>(), [&ids[1]]);
    assert_eq!(house.ask(0, of("ffffffffff")).unwrap_err().code, "not-found");
}

#[test]
fn an_old_version_comes_back_forward_and_merges_with_edits_made_elsewhere() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "contacts", &["name=Ann", "phone=1"]);
    let born = rfc3339(house.now.wall_ms);
    house.pass(5_000);
    house.set(1, "contacts", &id, &["name=Mistake", "phone="]);
    house.delete(0, "contacts", &id);
    let length = house.history(0, "contacts", &id).len();
    house.cut(0, 1);
    house.restore(0, "contacts", &id, Some(&born));
    house.restore(1, "contacts", &id, None);
    house.set(1, "contacts", &id, &["note=kept"]);
    house.connect(0, 1);
    for device in 0..2 {
        let row = house.show(device, "contacts", &id);
        assert!(!row.deleted);
        assert_eq!((row.title.as_str(), &row.fields["phone"][0]["value"]), ("Ann", &json!("1")));
        assert_eq!(row.fields["note"][0]["value"], "kept");
        let rows = house.history(device, "contacts", &id);
        assert!(rows.len() >= length + 3, "history only grows");
        assert_eq!(rows.iter().filter(|row| row.kind == "restored").count(), 2, "{rows:#?}");
    }
}

#[test]
fn a_version_is_named_by_its_change_and_none_before_the_birth() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=first"]);
    house.set(0, "notes", &id, &["title=second"]);
    let born = house.history(1, "notes", &id)[0].change.clone();
    let early = rfc3339(house.now.wall_ms - 3_600_000);
    let failure = house.try_restore(1, "notes", &id, Some(&early)).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (1, "not-born"));
    house.restore(1, "notes", &id, Some(&born[..8]));
    assert_eq!(house.titles(0, "notes"), ["first"]);
}

#[test]
fn a_photo_comes_back_whole_or_its_absence_is_said() {
    let mut house = House::of(&["phone", "desk"]);
    let card = |photo: &str| CARD.replace("END:", &format!("PHOTO;ENCODING=b:{photo}\r\nEND:"));
    let (old, new) = (card(&"QUJD".repeat(10_000)), card(&"REVG".repeat(10_000)));
    house.import(0, "contacts", "a.vcf", &old);
    let at = rfc3339(house.now.wall_ms);
    house.pass(5_000);
    house.import(0, "contacts", "a.vcf", &new);
    let id = contact(&mut house, 0);
    assert_eq!(house.show(1, "contacts", &id).source.as_ref(), Some(&new));
    let chunks = house.devices[1].storage.chunks.clone();
    house.devices[1].storage.chunks.clear();
    let failure = house.try_restore(1, "contacts", &id, Some(&at)).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (1, "not-here"));
    house.devices[1].storage.chunks = chunks;
    house.restore(1, "contacts", &id, Some(&at));
    for device in 0..2 {
        assert_eq!(house.show(device, "contacts", &id).source.as_ref(), Some(&old));
    }
}

#[test]
fn what_is_in_the_trash_is_not_edited_by_accident() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    house.delete(0, "notes", &id);
    let (category, wait) = ("notes".to_owned(), Wait::default());
    let assignments = vec!["title=b".to_owned()];
    let failure = house.ask(1, Command::Set { category, id: id.clone(), assignments, wait });
    let failure = failure.unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (1, "in-trash"));
    assert!(failure.fix.contains(&format!("notes restore {}", &id[..8])), "{}", failure.fix);
    assert!(house.show(0, "notes", &id).deleted);
}

#[test]
fn a_namespace_that_was_deleted_is_made_anew_by_setting_it() {
    let mut house = House::of(&["phone", "desk"]);
    house.set(0, "settings", "display", &["brightness=80", "theme=dark"]);
    house.delete(0, "settings", "display");
    house.set(1, "settings", "display", &["brightness=40"]);
    let row = house.show(0, "settings", "display");
    assert!(!row.deleted);
    assert_eq!(Json::Object(row.fields), json!({"brightness": 40}), "nothing old comes back");
}

#[test]
fn the_history_of_a_file_does_not_list_how_its_lines_end() {
    let mut house = House::of(&["phone"]);
    house.import(0, "contacts", "a.vcf", CARD.replace("\r\n", "\n").trim_end());
    let id = contact(&mut house, 0);
    let rows = house.history(0, "contacts", &id);
    let fields: Vec<&str> = rows[0].edits.iter().map(|edit| edit.field.as_str()).collect();
    assert_eq!(fields, ["begin", "version", "uid", "name", "phone", "end"]);
}

#[test]
fn a_type_that_changes_shows_in_the_history_and_in_conflicts() {
    let mut house = House::of(&["phone", "desk"]);
    house.import(0, "contacts", "a.vcf", CARD);
    let id = contact(&mut house, 0);
    let card = |kind: &str| CARD.replace("TYPE=cell", kind);
    house.import(0, "contacts", "a.vcf", &card("TYPE=work"));
    let edit = house.history(1, "contacts", &id).pop().unwrap().edits.pop().unwrap();
    assert_eq!((&edit.before, &edit.after), (&Some(json!("+49 30 1")), &Some(json!("+49 30 1"))));
    let types = (edit.before_type.as_deref(), edit.after_type.as_deref());
    assert_eq!((types, edit.before_line), ((Some("cell"), Some("work")), None));
    house.import(0, "contacts", "a.vcf", &card("TYPE=work;PREF=1"));
    let edit = house.history(1, "contacts", &id).pop().unwrap().edits.pop().unwrap();
    assert_eq!(edit.before_line.as_deref(), Some("TEL;TYPE=work:+49 30 1"));
    assert_eq!(edit.after_line.as_deref(), Some("TEL;TYPE=work;PREF=1:+49 30 1"));
    house.cut(0, 1);
    house.import(0, "contacts", "a.vcf", &card("TYPE=home"));
    house.import(1, "contacts", "a.vcf", &card("TYPE=fax"));
    house.connect(0, 1);
    let rows = house.conflicts(0, "contacts");
    assert_eq!((rows.len(), rows[0].field.as_str()), (1, "phone"));
    let kinds = [rows[0].kind.as_deref(), rows[0].losers[0].kind.as_deref()];
    assert!(kinds.contains(&Some("home")) && kinds.contains(&Some("fax")), "{kinds:?}");
    assert_eq!(values(&rows[0]), [Some(json!("+49 30 1")), Some(json!("+49 30 1"))]);
    assert_eq!(house.resolve(0, "contacts", &id, None, "+49 30 1").unwrap_err().code, "ambiguous");
    house.resolve(0, "contacts", &id, None, "2").unwrap();
    assert_eq!(house.show(1, "contacts", &id).fields["phone"][0]["type"].as_str(), kinds[1]);
}

/// Returns two devices that moved one event apart, and the event.
fn moved_apart(one: &[&str], other: &[&str]) -> (House, String) {
    let mut house = House::of(&["phone", "desk"]);
    let times = ["title=x", "start=2026-03-01T10:00", "end=2026-03-01T11:00", "timezone=UTC"];
    let id = house.add(0, "calendar", &times);
    house.pass(3_000);
    house.cut(0, 1);
    house.set(0, "calendar", &id, one);
    house.pass(60_000);
    house.set(1, "calendar", &id, other);
    house.connect(0, 1);
    house.pass(3_000);
    (house, id)
}

#[test]
fn who_chooses_the_start_of_an_event_chooses_its_end_too() {
    for one in ["start=2026-03-05T10:00", "start=2026-03-05"] {
        let (mut house, id) = moved_apart(&[one], &["start=2026-03-02T10:00"]);
        assert_eq!(house.conflicts(0, "calendar").len(), 2);
        house.resolve(0, "calendar", &id, Some("start"), "2").unwrap();
        house.pass(3_000);
        for device in 0..2 {
            assert!(house.conflicts(device, "calendar").is_empty());
            let fields = house.show(device, "calendar", &id).fields;
            let (start, end) = (fields["start"].as_str().unwrap(), fields["end"].as_str().unwrap());
            assert!(start.starts_with("2026-03-05"), "{start}");
            assert!(end > start && end[..10] <= *"2026-03-06", "{start} {end}");
        }
    }
}

#[test]
fn two_zones_are_chosen_by_their_name() {
    let (mut house, id) = moved_apart(&["timezone=Asia/Tokyo"], &["timezone=Europe/Berlin"]);
    house.resolve(0, "calendar", &id, Some("timezone"), "Asia/Tokyo").unwrap();
    assert!(house.conflicts(0, "calendar").is_empty());
    assert_eq!(house.show(0, "calendar", &id).fields["timezone"], "Asia/Tokyo");
}

#[test]
fn a_record_is_by_whoever_changed_it_last_whatever_the_clocks_say() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=x"]);
    house.pass(3_000);
    let wall_ms = house.now.wall_ms;
    house.now.wall_ms += 3_650 * 86_400_000;
    house.set(0, "notes", &id, &["body=in ten years"]);
    house.now.wall_ms = wall_ms + 5_000;
    house.pass(3_000);
    house.set(1, "notes", &id, &["title=now"]);
    house.pass(3_000);
    for device in 0..2 {
        let row = house.show(device, "notes", &id);
        assert_eq!(row.updated_by, house.id(1).to_string());
        assert_eq!(row.updated_at, rfc3339(wall_ms + 8_000));
    }
    house.set(0, "notes", &id, &["title=later"]);
    let row = house.show(0, "notes", &id);
    assert_eq!(
        (row.updated_by, row.updated_at),
        (house.id(0).to_string(), rfc3339(wall_ms + 11_000))
    );
}

#[test]
fn a_choice_that_lets_an_event_end_before_it_starts_is_refused() {
    let (mut house, id) = moved_apart(&["start=2026-03-12T10:00"], &["end=2026-03-08T10:00"]);
    let fields: Vec<String> =
        house.conflicts(0, "calendar").into_iter().map(|row| row.field).collect();
    assert_eq!(fields, ["end"]);
    let results: Vec<bool> = ["1", "2"]
        .into_iter()
        .map(|keep| house.resolve(0, "calendar", &id, Some("end"), keep).is_ok())
        .collect();
    assert!(results.contains(&false), "{results:?}");
    let fields = house.show(0, "calendar", &id).fields;
    assert!(fields["end"].as_str() > fields["start"].as_str(), "{fields:?}");
}
