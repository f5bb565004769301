//! A device that lacks much says so, and lets wait what needs the rest.

use super::super::*;
use super::checkpoints::{NOTES, household, join_without_entries, shown, stream, titles};
use super::household::{House, texts};
use crate::command::{ImportItem, ImportReport, Problem};
use base64::Engine as _;
use heirloom_identity::Role;

/// Returns what a status says of what is still to come.
fn coming(house: &mut House, device: usize) -> Option<String> {
    let problems = house.status(device).problems.into_iter();
    let mut texts = problems.filter(|one| one.code == "still-coming");
    texts.next().map(|Problem { text, .. }| text)
}

fn item(category: &str, file: &str, text: &str) -> ImportItem {
    let base64 = base64::engine::general_purpose::STANDARD.encode(text);
    ImportItem { category: category.to_owned(), file: file.to_owned(), line: 1, base64, root: 0 }
}

fn import(house: &mut House, device: usize, items: Vec<ImportItem>) -> ImportReport {
    let import = Command::Import { items, dry_run: false, wait: Wait::default() };
    match house.ask(device, import) {
        Ok(Answer::Imported { report, .. }) => report,
        other => panic!("{other:?}"),
    }
}

fn card(name: &str, uid: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nEND:VCARD\r\n")
}

#[test]
fn a_device_without_a_checkpoint_says_how_much_it_lacks_until_it_is_level() {
    let mut house = House::founded(&["phone", "desk", "new"]);
    house.join(1, 0, Role::Member).unwrap();
    house.connect(1, 0);
    for number in 0..NOTES {
        house.add(number % 2, "notes", &[&format!("title=n{number:02}")]);
    }
    assert_eq!(coming(&mut house, 0), None);
    let new = join_without_entries(&mut house);
    let text = format!("Not everything is here yet: 0 of {NOTES} entries are.");
    assert_eq!(coming(&mut house, new), Some(text));
    stream(&mut house, new);
    assert_eq!(coming(&mut house, new), None);
    assert_eq!(house.digest(new), house.digest(0));
}

#[test]
fn what_is_said_of_a_checkpoint_is_true_while_its_packs_come_and_when_they_are_here() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    house.pass(10_000);
    house.fetching = false;
    let new = join_without_entries(&mut house);
    let text = coming(&mut house, new).unwrap();
    assert!(text.starts_with("Not everything is here yet, but 0 of 13 entries."), "{text}");
    assert!(text.ends_with("is being fetched: 0 of 1 part is shown."), "{text}");
    assert_eq!(shown(&mut house, new), Vec::<String>::new());
    house.fetching = true;
    house.pass(5_000);
    let text = coming(&mut house, new).unwrap();
    assert!(text.starts_with("What is shown is the restore point of 20"), "{text}");
    assert!(text.ends_with(": 0 of 13 entries are here."), "{text}");
    assert_eq!(shown(&mut house, new), titles());
    stream(&mut house, new);
    assert_eq!(coming(&mut house, new), None);
}

#[test]
fn conflicts_are_not_told_as_if_all_were_here() {
    let (mut house, ids) = household(&["phone", "desk", "new"]);
    house.cut(0, 1);
    house.set(0, "notes", &ids[0], &["title=one"]);
    house.set(1, "notes", &ids[0], &["title=other"]);
    house.connect(0, 1);
    house.pass(10_000);
    let conflicts = Command::Conflicts { category: "notes".to_owned(), id: None };
    let new = join_without_entries(&mut house);
    assert_eq!(house.ask(new, conflicts.clone()).unwrap_err().code, "still-coming");
    stream(&mut house, new);
    let Ok(Answer::Conflicts { rows }) = house.ask(new, conflicts) else { panic!("conflicts") };
    assert_eq!(rows.len(), 1);
}

#[test]
fn an_import_leaves_alone_what_is_only_shown() {
    let (mut house, _) = household(&["phone", "desk", "new"]);
    let words = "words that stay, more of them, and so many that it is the same note";
    let note = |last: &str| item("notes", "a.md", &format!("# Title\n\n{words} {last}\n"));
    let ann = |name: &str| item("contacts", "a.vcf", &card(name, "ann"));
    assert_eq!(import(&mut house, 0, vec![note("one"), ann("Ann")]).accepted, 2);
    house.pass(10_000);
    let new = join_without_entries(&mut house);
    let bob = item("contacts", "b.vcf", &card("Bob", "bob"));
    let report = import(&mut house, new, vec![ann("Anne"), note("two"), bob]);
    assert_eq!((report.accepted, report.updated), (1, 0), "{report:?}");
    let reasons: Vec<&str> = report.skipped.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons.iter().all(|reason| reason.contains("not all of it is here yet")));
    assert_eq!(house.titles(new, "contacts"), ["Ann", "Bob"]);
    stream(&mut house, new);
    let report = import(&mut house, new, vec![ann("Anne"), note("two")]);
    assert_eq!((report.accepted, report.updated), (0, 2), "{report:?}");
    house.pass(5_000);
    assert_eq!(house.titles(0, "contacts"), ["Anne", "Bob"]);
    assert_eq!(house.titles(0, "notes").len(), NOTES + 1);
    assert_eq!(house.digest(new), house.digest(0));
}

#[test]
fn of_two_edits_behind_a_checkpoint_that_know_nothing_of_each_other_the_later_is_shown() {
    for first in [0, 1] {
        let (mut house, ids) = household(&["phone", "desk", "new"]);
        house.pass(10_000);
        house.cut(0, 1);
        house.set(first, "notes", &ids[5], &["title=earlier"]);
        house.pass(500);
        house.set(1 - first, "notes", &ids[5], &["title=later"]);
        house.connect(0, 1);
        let expected = house.show(0, "notes", &ids[5]);
        assert_eq!(expected.title, "later");
        let new = join_without_entries(&mut house);
        let row = house.show(new, "notes", &ids[5]);
        assert_eq!((row.title, row.updated_by), (expected.title, expected.updated_by));
        assert_eq!(row.fields, expected.fields);
        let set = Command::Set {
            category: "notes".to_owned(),
            id: ids[5].clone(),
            assignments: texts(&["title=x"]),
            wait: Wait::default(),
        };
        assert_eq!(house.ask(new, set).unwrap_err().code, "still-coming");
        stream(&mut house, new);
        assert_eq!(house.digest(new), house.digest(0));
    }
}

#[test]
fn what_a_checkpoint_shows_goes_where_nobody_who_is_there_has_its_entries() {
    let mut house = House::founded(&["phone", "desk", "late", "new"]);
    house.checkpoint_from = 10;
    house.boot(0);
    for device in [1, 2] {
        house.join(device, 0, Role::Member).unwrap();
    }
    house.connect(1, 0);
    for title in titles() {
        house.add(0, "notes", &[&format!("title={title}")]);
    }
    house.pass(10_000);
    let new = join_without_entries(&mut house);
    assert_eq!(shown(&mut house, new), titles());
    for other in [0, 1, 2] {
        house.cut(new, other);
    }
    house.pass(2 * heirloom_base::limits::PREVIEW_REST_MS as u64);
    assert!(house.node(new).shows_preview(), "alone it goes on showing it");
    house.connect(new, 2);
    house.pass(heirloom_base::limits::PREVIEW_REST_MS as u64 - 20_000);
    assert!(house.node(new).shows_preview());
    house.pass(60_000);
    assert!(!house.node(new).shows_preview());
    assert_eq!(shown(&mut house, new), Vec::<String>::new());
    stream(&mut house, new);
    assert_eq!(house.digest(new), house.digest(0));
}
