//! Who did what for which reason, and how conflicts end.

use super::*;

fn births_apart() -> (Device, Device) {
    let mut other = content();
    other.insert("body".to_owned(), text("call home"));
    other.insert("title".to_owned(), string("other list"));
    let mut phone = Device::new(1, &birth(RECORD, &content()).unwrap());
    let mut laptop = Device::new(2, &birth(RECORD, &other).unwrap());
    meet(&mut phone, &mut laptop);
    (phone, laptop)
}

fn settle(device: &mut Device, hlc: u64, edits: &[(&str, Option<Value>)]) {
    let edits: Vec<_> = edits.iter().map(|(key, v)| ((*key).to_owned(), v.clone())).collect();
    let changes = device.document.settle(device.actor(), Hlc(hlc), &edits).unwrap();
    let log = device.log;
    device.offered.extend(changes.into_iter().map(|change| Offered { log, change }));
}

fn last_kind(device: &Device) -> ChangeKind {
    device.document.history().last().unwrap().kind
}

#[test]
fn a_text_is_by_whoever_edited_it_last_and_other_values_by_whoever_set_them() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", Some(string("shop")))]);
    meet(&mut phone, &mut laptop);
    laptop.edit(11, &[("body", Some(text("buy milk, bread and tea")))]);
    meet(&mut phone, &mut laptop);
    let authors = phone.document.authorship();
    assert_eq!(authors, laptop.document.authorship());
    assert_eq!((authors["title"].actor, authors["title"].hlc), (phone.actor(), Hlc(10)));
    assert_eq!((authors["body"].actor, authors["body"].hlc), (laptop.actor(), Hlc(11)));
    assert_eq!(authors["body"].value, Some(text("buy milk, bread and tea")));
    assert_eq!(authors[key::UID].hlc, Hlc(0), "nobody set what it was born with");
}

#[test]
fn the_loser_of_two_texts_may_be_chosen_and_ends_the_conflict_everywhere() {
    let (mut phone, mut laptop) = births_apart();
    let chosen = phone
        .document
        .conflicts()
        .into_iter()
        .map(|conflict| (conflict.key, conflict.losers[0].value.clone()))
        .collect::<Vec<_>>();
    assert_eq!(chosen.len(), 2);
    let edits: Vec<_> = chosen.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    settle(&mut phone, 10, &edits);
    meet(&mut phone, &mut laptop);
    assert_eq!(laptop.document.conflicts(), []);
    for (key, value) in &chosen {
        assert_eq!(laptop.shown(key), *value);
    }
    assert_eq!(last_kind(&laptop), ChangeKind::Resolved);
}

#[test]
fn the_shown_value_may_be_chosen_too() {
    let (mut phone, _) = births_apart();
    let shown = phone.shown("body");
    settle(&mut phone, 10, &[("body", shown.clone())]);
    assert_eq!(phone.shown("body"), shown);
    let keys: Vec<String> = phone.document.conflicts().into_iter().map(|one| one.key).collect();
    assert_eq!(keys, ["title"]);
    settle(&mut phone, 11, &[("title", None)]);
    assert_eq!((phone.document.conflicts(), phone.shown("title")), (vec![], None));
}

#[test]
fn without_a_conflict_settling_is_editing() {
    let (mut phone, mut laptop) = pair();
    settle(&mut phone, 10, &[("body", Some(text("buy milk and bread now")))]);
    laptop.edit(11, &[("body", Some(text("Do buy milk and bread")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.shown("body"), Some(text("Do buy milk and bread now")));
}

#[test]
fn an_edit_apart_from_a_deletion_contests_it_until_one_of_them_counts() {
    for delete in [false, true] {
        let (mut phone, mut laptop) = pair();
        phone.edit(99, &[(key::DELETED, DELETED)]);
        assert_eq!(
            (phone.document.contested_deletion(), last_kind(&phone)),
            (None, ChangeKind::Deleted)
        );
        laptop.edit(10, &[("title", Some(string("needed")))]);
        meet(&mut phone, &mut laptop);
        let contested = laptop.document.contested_deletion().unwrap();
        assert_eq!(contested.deletion.actor, phone.actor());
        assert_eq!((contested.kept_by.actor, contested.kept_by.hlc), (laptop.actor(), Hlc(10)));
        laptop.edit(100, &[(key::DELETED, delete.then_some(Value::Int(8)))]);
        meet(&mut phone, &mut laptop);
        assert_eq!(phone.document.contested_deletion(), None);
        assert_eq!(phone.document.is_deleted(), delete);
        let kind = if delete { ChangeKind::Deleted } else { ChangeKind::Resolved };
        assert_eq!(last_kind(&phone), kind);
    }
}

#[test]
fn history_tells_what_a_change_was_for() {
    let (mut phone, _) = pair();
    let kinds = [
        (vec![("title", Some(string("x")))], ChangeKind::Edited),
        (vec![(key::DELETED, DELETED)], ChangeKind::Deleted),
        (vec![(key::DELETED, None)], ChangeKind::Restored),
        (
            vec![("title", Some(string("y"))), (key::IMPORT, Some(string("z")))],
            ChangeKind::Imported,
        ),
        (
            vec![("title", Some(string("x"))), (key::RESTORED, Some(Value::Int(4)))],
            ChangeKind::Restored,
        ),
    ];
    for (place, (edits, kind)) in kinds.into_iter().enumerate() {
        assert_eq!(phone.edit(10 + place as u64, &edits), 1);
        assert_eq!(last_kind(&phone), kind, "{edits:?}");
    }
    assert_eq!(phone.document.history()[0].kind, ChangeKind::Born);
}

#[test]
fn births_stand_where_they_came_about() {
    let (mut phone, _) = births_apart();
    let actors: Vec<ActorId> = phone.document.history().iter().map(|one| one.actor).collect();
    let &[one, other] = actors.as_slice() else { panic!("two births") };
    phone.edit(20, &[("title", Some(string("x")))]);
    let order = |late: ActorId| {
        let born = |actor| if actor == late { Hlc(10) } else { Hlc(5) };
        let history = phone.document.history_by(&born);
        history.iter().map(|summary| summary.actor).collect::<Vec<_>>()
    };
    assert_eq!(order(one), [other, one, phone.actor()]);
    assert_eq!(order(other), [one, other, phone.actor()]);
}

#[test]
fn a_document_goes_back_as_a_whole_with_its_deletion() {
    let (mut phone, mut laptop) = pair();
    let born = phone.document.heads();
    phone.edit(10, &[(key::DELETED, DELETED)]);
    let deleted = phone.document.heads();
    phone.edit(11, &[("title", Some(string("back")))]);
    assert_eq!(phone.document.at(&born).unwrap().content(), content());
    assert!(phone.document.at(&deleted).unwrap().is_deleted());
    assert!(!phone.document.is_deleted());
    let unknown = Heads(vec![ChangeHash([7; 32])]);
    assert!(matches!(phone.document.at(&unknown), Err(DocError::Damaged(_))));
    laptop.edit(12, &[("title", Some(string("elsewhere")))]);
    assert!(phone.document.at(&laptop.document.heads()).is_err());
}
