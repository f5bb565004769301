use super::*;
use crate::{Offered, actor_for, admit, birth};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ObjType, ROOT, ScalarValue};
use heirloom_base::{ActorId, ChangeHash, Hlc, LogId, RecordId};
use heirloom_schema::{Content, Value, key};

mod authorship;
mod contests;
mod properties;

const RECORD: RecordId = RecordId([9; 16]);

/// A device of a test: a log and what it knows of the record.
#[derive(Debug, Clone)]
struct Device {
    log: LogId,
    document: Document,
    offered: Vec<Offered>,
}

impl Device {
    fn new(number: u8, born: &[RawChange]) -> Self {
        let log = LogId([number; 16]);
        let mut device = Self { log, document: Document::new(), offered: Vec::new() };
        let offered = born.iter().map(|change| Offered { log, change: change.clone() });
        device.receive(offered.collect());
        device
    }

    fn actor(&self) -> ActorId {
        actor_for(self.log, RECORD)
    }

    fn edit(&mut self, hlc: u64, edits: &[(&str, Option<Value>)]) -> usize {
        let edits: Vec<_> = edits.iter().map(|(key, v)| ((*key).to_owned(), v.clone())).collect();
        let changes = self.document.edit(self.actor(), Hlc(hlc), &edits).unwrap();
        let count = changes.len();
        self.offered.extend(changes.into_iter().map(|change| Offered { log: self.log, change }));
        count
    }

    fn receive(&mut self, offered: Vec<Offered>) {
        let saved = self.document.save();
        let admission = admit(Some(&saved), RECORD, &offered);
        assert_eq!((admission.refused, admission.waiting), (vec![], vec![]));
        if let Some((document, saved)) = admission.document {
            assert_eq!(Document::load(&saved).unwrap().heads(), document.heads());
            self.document = document;
        }
        self.offered.extend(offered);
    }

    fn shown(&self, key: &str) -> Option<Value> {
        self.document.content().remove(key)
    }
}

fn meet(one: &mut Device, other: &mut Device) {
    let (mine, theirs) = (one.offered.clone(), other.offered.clone());
    one.receive(theirs);
    other.receive(mine);
    assert_eq!(one.document.heads(), other.document.heads());
    assert_eq!(one.document.content(), other.document.content());
    assert_eq!(one.document.conflicts(), other.document.conflicts());
    assert_eq!(one.document.history(), other.document.history());
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn string(text: &str) -> Value {
    Value::Str(text.to_owned())
}

fn content() -> Content {
    Content::from([
        (key::CATEGORY.to_owned(), Value::Int(2)),
        (key::UID.to_owned(), string("uid-1")),
        ("body".to_owned(), text("buy milk and bread")),
        ("title".to_owned(), string("list")),
    ])
}

fn pair() -> (Device, Device) {
    let born = birth(RECORD, &content()).unwrap();
    (Device::new(1, &born), Device::new(2, &born))
}

#[test]
fn a_record_shows_the_content_it_was_born_with() {
    let changes = birth(RECORD, &content()).unwrap();
    let document = Document::from_birth(&changes).unwrap();
    assert_eq!(document.content(), content());
    assert_eq!(document.birth_content(), content());
    assert_eq!(document.category(), Some(2));
    assert_eq!(document.uid(), Some("uid-1".to_owned()));
    assert!(!document.is_deleted());
    assert_eq!(document.conflicts(), []);
    let loaded = Document::load(&document.save()).unwrap();
    assert_eq!((loaded.heads(), loaded.content()), (document.heads(), content()));
}

#[test]
fn a_document_without_changes_saves_and_loads() {
    let empty = Document::new();
    let loaded = Document::load(&empty.save()).unwrap();
    assert!(loaded.heads().is_empty() && loaded.content().is_empty());
    assert_eq!((loaded.category(), loaded.uid(), loaded.is_deleted()), (None, None, false));
    assert_eq!(loaded.birth_content(), Content::new());
}

#[test]
fn only_what_differs_becomes_a_change() {
    let (mut phone, _) = pair();
    assert_eq!(phone.edit(1, &[]), 0);
    assert_eq!(phone.edit(2, &[("title", Some(string("list"))), ("absent", None)]), 0);
    assert_eq!(phone.edit(3, &[("body", Some(text("buy milk and bread")))]), 0);
    assert_eq!(phone.edit(4, &[("title", Some(string("x"))), ("title", Some(string("list")))]), 0);
    assert_eq!(
        phone.edit(5, &[("title", Some(string("shop"))), ("extra", Some(Value::Int(-1)))]),
        1
    );
    assert_eq!(phone.edit(6, &[("extra", None)]), 1);
    assert_eq!(phone.shown("title"), Some(string("shop")));
    assert_eq!(phone.shown("extra"), None);
}

#[test]
fn edits_of_different_keys_both_survive() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", Some(string("shop")))]);
    laptop.edit(11, &[("color", Some(string("red")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.shown("title"), Some(string("shop")));
    assert_eq!(phone.shown("color"), Some(string("red")));
    assert_eq!(phone.document.conflicts(), []);
}

#[test]
fn of_one_key_the_later_clock_wins_and_the_other_value_stays_visible() {
    let (mut phone, mut laptop) = pair();
    for step in 0..5 {
        phone.edit(10 + step, &[("title", Some(string(&format!("old {step}"))))]);
    }
    laptop.edit(100, &[("title", Some(string("new")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.shown("title"), Some(string("new")));
    let conflicts = phone.document.conflicts();
    assert_eq!(conflicts.len(), 1);
    let Conflict { key, winner, losers } = &conflicts[0];
    assert_eq!((key.as_str(), winner.actor, winner.hlc), ("title", laptop.actor(), Hlc(100)));
    assert_eq!(losers.len(), 1);
    assert_eq!((losers[0].value.clone(), losers[0].hlc), (Some(string("old 4")), Hlc(14)));
    assert_eq!(losers[0].actor, phone.actor());
}

#[test]
fn under_one_clock_reading_the_higher_actor_wins() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", Some(string("phone")))]);
    laptop.edit(10, &[("title", Some(string("laptop")))]);
    meet(&mut phone, &mut laptop);
    let wanted = if phone.actor() > laptop.actor() { "phone" } else { "laptop" };
    assert_eq!(phone.shown("title"), Some(string(wanted)));
}

#[test]
fn equal_values_are_no_conflict_and_setting_the_winner_again_settles_one() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", Some(string("same"))), ("color", Some(string("red")))]);
    laptop.edit(11, &[("title", Some(string("same"))), ("color", Some(string("blue")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.document.conflicts().len(), 1);
    assert_eq!(phone.edit(12, &[("title", Some(string("same")))]), 0);
    assert_eq!(phone.edit(13, &[("color", Some(string("blue")))]), 2);
    assert_eq!(phone.document.conflicts(), []);
    meet(&mut phone, &mut laptop);
    assert_eq!(laptop.shown("color"), Some(string("blue")));
}

#[test]
fn a_conflict_that_two_devices_settle_otherwise_is_one_again() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", Some(string("one")))]);
    laptop.edit(11, &[("title", Some(string("two")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.edit(12, &[("title", Some(string("two")))]), 2);
    assert_eq!(laptop.edit(13, &[("title", Some(string("one")))]), 2);
    assert_eq!((phone.document.conflicts(), laptop.document.conflicts()), (vec![], vec![]));
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.shown("title"), Some(string("one")));
    assert_eq!(phone.document.conflicts().len(), 1);
}

#[test]
fn a_value_set_while_it_was_removed_elsewhere_survives() {
    let (mut phone, mut laptop) = pair();
    phone.edit(99, &[("title", None)]);
    laptop.edit(10, &[("title", Some(string("kept")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.shown("title"), Some(string("kept")));
}

#[test]
fn edits_of_different_places_of_a_text_merge() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("body", Some(text("buy oat milk and bread")))]);
    laptop.edit(11, &[("body", Some(text("buy milk and bread, eggs")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.shown("body"), Some(text("buy oat milk and bread, eggs")));
    assert_eq!(phone.document.conflicts(), []);
}

#[test]
fn texts_of_two_births_that_read_the_same_are_edited_as_one() {
    let mut other = content();
    other.insert("title".to_owned(), string("another"));
    let mut phone = Device::new(1, &birth(RECORD, &content()).unwrap());
    let mut laptop = Device::new(2, &birth(RECORD, &other).unwrap());
    meet(&mut phone, &mut laptop);
    let keys = |device: &Device| -> Vec<String> {
        device.document.conflicts().into_iter().map(|conflict| conflict.key).collect()
    };
    assert_eq!(keys(&phone), ["title"]);
    phone.edit(10, &[("body", Some(text("buy bread")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(keys(&laptop), ["title"]);
    assert_eq!(laptop.shown("body"), Some(text("buy bread")));
}

#[test]
fn an_edited_text_leaves_its_rival_until_the_conflict_is_settled() {
    let mut other = content();
    other.insert("body".to_owned(), text("call home"));
    let mut phone = Device::new(1, &birth(RECORD, &content()).unwrap());
    let mut laptop = Device::new(2, &birth(RECORD, &other).unwrap());
    meet(&mut phone, &mut laptop);
    let Some(Value::Text(winner)) = phone.shown("body") else { panic!("a text") };
    let longer = text(&format!("{winner} today"));
    phone.edit(10, &[("body", Some(longer.clone()))]);
    assert_eq!(phone.document.conflicts().len(), 1);
    assert_eq!(phone.edit(11, &[("body", Some(longer.clone()))]), 1);
    assert_eq!(phone.document.conflicts(), []);
    meet(&mut phone, &mut laptop);
    assert_eq!(laptop.shown("body"), Some(longer));
}

#[test]
fn a_key_may_change_its_kind_of_value() {
    let (mut phone, _) = pair();
    phone.edit(10, &[("body", Some(string("plain")))]);
    assert_eq!(phone.shown("body"), Some(string("plain")));
    phone.edit(11, &[("body", Some(text("plain")))]);
    assert_eq!(phone.shown("body"), Some(text("plain")));
    phone.edit(12, &[("body", Some(Value::Bytes(vec![0, 255])))]);
    assert_eq!(phone.shown("body"), Some(Value::Bytes(vec![0, 255])));
}

const DELETED: Option<Value> = Some(Value::Int(7));

#[test]
fn a_deletion_deletes_and_a_later_edit_brings_back() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", Some(string("x"))), (key::DELETED, DELETED)]);
    assert!(phone.document.is_deleted());
    meet(&mut phone, &mut laptop);
    assert!(laptop.document.is_deleted());
    assert_eq!(laptop.edit(11, &[("title", Some(string("x")))]), 0);
    assert!(laptop.document.is_deleted(), "an edit of nothing brings nothing back");
    assert_eq!(laptop.edit(12, &[("title", Some(string("y")))]), 1);
    assert!(!laptop.document.is_deleted());
    assert_eq!(laptop.shown(key::DELETED), None);
    meet(&mut phone, &mut laptop);
    phone.edit(13, &[(key::DELETED, DELETED)]);
    phone.edit(14, &[(key::DELETED, None)]);
    assert!(!phone.document.is_deleted());
}

#[test]
fn an_edit_at_the_same_time_keeps_a_deleted_record() {
    let (mut phone, mut laptop) = pair();
    phone.edit(99, &[(key::DELETED, DELETED)]);
    laptop.edit(10, &[("title", Some(string("needed")))]);
    meet(&mut phone, &mut laptop);
    assert!(!phone.document.is_deleted() && !laptop.document.is_deleted());
    assert_eq!(phone.shown("title"), Some(string("needed")));
    phone.edit(100, &[(key::DELETED, DELETED)]);
    assert!(phone.document.is_deleted(), "deleted again, knowing of the edit");
}

#[test]
fn two_deletions_at_the_same_time_delete() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[(key::DELETED, DELETED)]);
    laptop.edit(11, &[("title", None), (key::DELETED, Some(Value::Int(9)))]);
    meet(&mut phone, &mut laptop);
    assert!(phone.document.is_deleted());
    assert_eq!(phone.edit(12, &[("title", Some(string("z")))]), 1);
    assert!(!phone.document.is_deleted());
}

#[test]
fn values_of_newer_versions_are_kept_and_not_shown() {
    let (mut phone, mut laptop) = pair();
    let automerge = phone.document.automerge_mut();
    automerge.set_actor(crate::change::foreign_actor(actor_for(phone.log, RECORD)));
    let mut transaction = automerge.transaction();
    transaction.put(ROOT, "future", ScalarValue::F64(0.5)).unwrap();
    transaction.put(ROOT, "title", ScalarValue::Boolean(true)).unwrap();
    transaction.commit_with(CommitOptions::default().with_time(50));
    let change = RawChange(automerge.get_last_local_change().unwrap().raw_bytes().to_vec());
    phone.offered.push(Offered { log: phone.log, change });
    assert_eq!((phone.shown("future"), phone.shown("title")), (None, None));
    laptop.edit(10, &[("title", Some(string("known")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(laptop.shown("title"), Some(string("known")), "a known value before an unknown");
    let losers = &laptop.document.conflicts()[0].losers;
    assert_eq!((losers[0].value.clone(), losers[0].hlc), (None, Hlc(50)));
    laptop.edit(60, &[("color", Some(string("red")))]);
    let loaded = Document::load(&laptop.document.save()).unwrap();
    let (kept, _) = automerge::ReadDoc::get(loaded.automerge(), ROOT, "future").unwrap().unwrap();
    assert_eq!(kept.as_f64(), Some(0.5));
    assert_eq!(laptop.edit(61, &[("future", None)]), 1);
    assert_eq!(laptop.edit(62, &[("future", None)]), 0, "it is gone already");
    let (kept, _) = automerge::ReadDoc::get(laptop.document.automerge(), ROOT, "future")
        .unwrap()
        .expect("a removal is a value");
    assert!(kept.is_null());
}

#[test]
fn a_removal_against_an_edit_loses_and_stays_visible() {
    for (removed_at, edited_at) in [(10, 11), (11, 10)] {
        let (mut phone, mut laptop) = pair();
        phone.edit(removed_at, &[("title", None)]);
        laptop.edit(edited_at, &[("title", Some(string("edited")))]);
        meet(&mut phone, &mut laptop);
        let conflicts = phone.document.conflicts();
        assert_eq!(conflicts, laptop.document.conflicts());
        let [conflict] = conflicts.as_slice() else { panic!("{conflicts:?}") };
        assert_eq!(
            (&conflict.winner.value, conflict.winner.removed),
            (&Some(string("edited")), false)
        );
        let [loser] = conflict.losers.as_slice() else { panic!("{conflict:?}") };
        assert_eq!((&loser.value, loser.removed, loser.actor), (&None, true, phone.actor()));
        assert_eq!(phone.shown("title"), Some(string("edited")));
        let mut other = (phone.clone(), laptop.clone());
        phone.edit(20, &[("title", None)]);
        meet(&mut phone, &mut laptop);
        assert_eq!((laptop.shown("title"), laptop.document.conflicts()), (None, vec![]));
        other.1.edit(20, &[("title", Some(string("edited")))]);
        meet(&mut other.0, &mut other.1);
        assert_eq!(other.0.document.conflicts(), vec![], "the same value again settles it");
        assert_eq!(other.0.shown("title"), Some(string("edited")));
    }
}

#[test]
fn two_removals_at_the_same_time_are_no_conflict() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", None)]);
    laptop.edit(11, &[("title", None)]);
    meet(&mut phone, &mut laptop);
    assert_eq!((phone.shown("title"), phone.document.conflicts()), (None, vec![]));
    phone.edit(12, &[("title", Some(string("new")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(laptop.shown("title"), Some(string("new")));
    assert_eq!(laptop.document.conflicts(), vec![]);
}

#[test]
fn nested_objects_of_newer_versions_are_not_shown() {
    let mut document = Document::new();
    let mut transaction = document.automerge_mut().transaction();
    transaction.put_object(ROOT, "map", ObjType::Map).unwrap();
    transaction.put(ROOT, "plain", "x").unwrap();
    transaction.commit();
    assert_eq!(document.content().into_keys().collect::<Vec<_>>(), ["plain"]);
}

#[test]
fn history_tells_who_changed_what_from_what() {
    let (mut phone, mut laptop) = pair();
    phone.edit(10, &[("title", Some(string("shop"))), ("body", Some(text("buy oat milk")))]);
    meet(&mut phone, &mut laptop);
    laptop.edit(11, &[("body", Some(text("buy milk"))), ("title", None)]);
    let history = laptop.document.history();
    assert_eq!(history.len(), 3);
    let hlcs: Vec<_> = history.iter().map(|change| (change.birth, change.hlc)).collect();
    assert_eq!(hlcs, [(true, Hlc(0)), (false, Hlc(10)), (false, Hlc(11))]);
    assert_eq!((history[1].actor, history[2].actor), (phone.actor(), laptop.actor()));
    let born: Vec<_> = history[0].edits.iter().map(|edit| (&edit.before, &edit.after)).collect();
    assert_eq!(born.len(), 4);
    assert!(born.iter().all(|(before, after)| before.is_none() && after.is_some()));
    let edit = |key: &str, before: Option<Value>, after: Option<Value>| KeyEdit {
        key: key.to_owned(),
        before,
        after,
        settled: false,
        lost: Vec::new(),
    };
    let (before, after) = (text("buy oat milk"), text("buy milk"));
    assert_eq!(
        history[2].edits,
        [edit("body", Some(before), Some(after)), edit("title", Some(string("shop")), None)]
    );
    assert_eq!(phone.document.heads(), Heads(vec![history[1].hash]));
}

#[test]
fn a_document_shows_how_it_was() {
    let (mut phone, _) = pair();
    let before = phone.document.heads();
    phone.edit(10, &[("body", Some(text("nothing"))), ("title", None)]);
    assert_eq!(phone.document.content_at(&before), content());
    assert_eq!(phone.document.content_at(&phone.document.heads()), phone.document.content());
    assert_eq!(phone.document.content_at(&Heads::default()), Content::new());
    let all: Vec<ChangeHash> = phone.document.history().iter().map(|change| change.hash).collect();
    assert_eq!(phone.document.content_at(&Heads(all)), phone.document.content());
    let unknown = Heads(vec![ChangeHash([1; 32])]);
    assert_eq!(phone.document.content_at(&unknown), Content::new());
    assert_eq!(phone.document.birth_content(), content());
}

#[test]
fn a_long_text_is_written_as_several_changes_that_all_pass_the_gate() {
    let (mut phone, mut laptop) = pair();
    let long = "zwölf Boxkämpfer jagen ".repeat(540);
    assert!(phone.edit(10, &[("body", Some(text(&long)))]) > 3);
    assert!(phone.offered.iter().all(|offer| offer.change.0.len() <= 64 * 1024));
    meet(&mut phone, &mut laptop);
    assert_eq!(laptop.shown("body"), Some(text(&long)));
    assert!(laptop.edit(11, &[("body", Some(text("")))]) > 3);
    meet(&mut phone, &mut laptop);
    assert_eq!(phone.shown("body"), Some(text("")));
}

#[test]
fn a_long_text_is_one_line_of_the_history_however_many_changes_it_takes() {
    let (mut phone, mut laptop) = pair();
    let long = "zwölf Boxkämpfer jagen ".repeat(540);
    let changes = phone.edit(10, &[("body", Some(text(&long)))]);
    assert!(changes > 3);
    // Somebody built on a part of it: the rest had not come yet.
    let early = phone.offered.len() - 1;
    laptop.receive(phone.offered[..early].to_vec());
    laptop.edit(11, &[("title", Some(string("early")))]);
    meet(&mut phone, &mut laptop);
    for device in [&phone, &laptop] {
        let history = device.document.history();
        let hlcs: Vec<_> = history.iter().map(|change| change.hlc).collect();
        assert_eq!(hlcs, [Hlc(0), Hlc(10), Hlc(11)]);
        assert_eq!(history[1].edits.len(), 1);
        assert_eq!(history[1].edits[0].after, Some(text(&long)));
        assert_eq!(history[2].edits.len(), 1);
        let told: Vec<ChangeHash> = history.iter().map(|change| change.hash).collect();
        assert_eq!(device.document.content_at(&Heads(told)), device.document.content());
    }
    let content = Content::from([("body".to_owned(), text(&"long ".repeat(40_000)))]);
    let birth = crate::birth(heirloom_base::RecordId([9; 16]), &content).unwrap();
    assert!(birth.len() > 3);
    let born = Document::from_birth(&birth).unwrap().history();
    assert_eq!(born.len(), 1);
    assert_eq!(
        (born[0].kind, &born[0].edits[0].after),
        (ChangeKind::Born, &content.get("body").cloned())
    );
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (mut phone, _) = pair();
    let heads = phone.document.heads();
    let actor = phone.actor();
    let mut edit = |hlc: u64, key: &str, value: Value| {
        phone.document.edit(actor, Hlc(hlc), &[(key.to_owned(), Some(value))])
    };
    assert_eq!(edit(u64::MAX, "a", Value::Int(1)), Err(DocError::Clock(u64::MAX)));
    assert!(matches!(edit(1, "", Value::Int(1)), Err(DocError::Key { .. })));
    let long = string(&"x".repeat(20_000));
    assert!(matches!(edit(1, "a", long), Err(DocError::Value { .. })));
    assert_eq!(phone.document.heads(), heads);
    assert_eq!(birth(RECORD, &Content::new()), Err(DocError::Empty));
}

#[test]
fn damaged_bytes_do_not_load_and_do_not_panic() {
    let document = Document::from_birth(&birth(RECORD, &content()).unwrap()).unwrap();
    let saved = document.save();
    for at in 0..saved.len() {
        let mut damaged = saved.clone();
        damaged[at] ^= 0x10;
        assert!(matches!(Document::load(&damaged), Err(DocError::Damaged(_))), "byte {at}");
        assert!(at == 0 || Document::load(&saved[..at]).is_err(), "cut at {at}");
    }
    let strange = [RawChange(vec![1, 2, 3])];
    assert!(matches!(Document::from_birth(&strange), Err(DocError::Damaged(_))));
}

#[test]
fn a_long_text_is_born_in_parts_and_is_whole() {
    let text = "a long line of text\n".repeat(20_000);
    let content = Content::from([("body".to_owned(), Value::Text(text))]);
    let changes = birth(RECORD, &content).unwrap();
    assert!(changes.len() > 32, "{}", changes.len());
    let document = Document::from_birth(&changes).unwrap();
    assert_eq!(document.content(), content);
    assert_eq!(Document::load(&document.save()).unwrap().heads(), document.heads());
}
