use super::*;
use crate::document::Document;
use crate::{Offered, actor_for, admit, birth};
use heirloom_base::{LogId, RecordId};
use heirloom_schema::key;
use proptest::prelude::*;

const RECORD: RecordId = RecordId([7; 16]);

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,12}".prop_map(Value::Str),
        "[ab]{0,2}".prop_map(Value::Str),
        any::<i64>().prop_map(Value::Int),
        (-70..70_i64).prop_map(Value::Int),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(key::CATEGORY.to_owned()),
        Just(key::UID.to_owned()),
        Just(key::DELETED.to_owned()),
        "[a-d]",
        "[a-z/0-9]{1,12}",
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let any = prop_oneof![4 => value(), 1 => "(.|\n){0,60}".prop_map(Value::Text)];
    proptest::collection::btree_map(key(), any, 1..8)
}

type Edits = Vec<(String, Option<Value>)>;

/// Edits, each by one of three devices, and whether it settles.
fn edits() -> impl Strategy<Value = Vec<(u8, bool, Edits)>> {
    let one = (key(), proptest::option::weighted(0.7, value()));
    let some = proptest::collection::vec(one, 1..4);
    proptest::collection::vec((1..4_u8, any::<bool>(), some), 1..12)
}

fn unfolded(document: &Document) -> Document {
    let mut unfolded = document.clone();
    unfolded.automerge_mut();
    assert!(unfolded.plain().is_none());
    unfolded
}

fn compare(plain: &Document, unfolded: &Document) {
    assert_eq!(plain.heads(), unfolded.heads());
    assert_eq!(plain.head_authors(), unfolded.head_authors());
    assert_eq!(plain.content(), unfolded.content());
    assert_eq!(plain.category(), unfolded.category());
    assert_eq!(plain.uid(), unfolded.uid());
    assert_eq!(plain.is_deleted(), unfolded.is_deleted());
    assert_eq!(plain.conflicts(), unfolded.conflicts());
    assert_eq!(plain.contested_deletion(), unfolded.contested_deletion());
    assert_eq!(plain.is_forked(), unfolded.is_forked());
    assert_eq!(plain.born_as(), unfolded.born_as());
    assert_eq!(plain.birth_content(), unfolded.birth_content());
    assert_eq!(plain.births(), unfolded.births());
    assert_eq!(plain.history(), unfolded.history());
    assert_eq!(plain.authorship(), unfolded.authorship());
}

fn edit(
    document: &mut Document,
    (device, settles, edits): &(u8, bool, Edits),
    hlc: u64,
) -> Vec<RawChange> {
    let actor = actor_for(LogId([*device; 16]), RECORD);
    match settles {
        true => document.settle(actor, Hlc(hlc << 16), edits).unwrap(),
        false => document.edit(actor, Hlc(hlc << 16), edits).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn plain_edits_are_what_a_document_writes(content in content(), edits in edits()) {
        let born = birth(RECORD, &content).unwrap();
        let mut plain = Document::from_birth(&born).unwrap();
        let mut heavy = unfolded(&plain);
        let mut other = Some(plain.save());
        for (hlc, one) in (1..).zip(&edits) {
            let changes = edit(&mut plain, one, hlc);
            prop_assert_eq!(&changes, &edit(&mut heavy, one, hlc));
            prop_assert!(plain.plain().is_some(), "it needs no document");
            compare(&plain, &heavy);
            let log = LogId([one.0; 16]);
            let offered: Vec<Offered> =
                changes.into_iter().map(|change| Offered { log, change }).collect();
            if offered.is_empty() {
                continue;
            }
            let admission = admit(other.as_deref(), RECORD, &offered);
            prop_assert_eq!(admission.applied.len(), offered.len());
            let (document, saved) = admission.document.unwrap();
            prop_assert!(document.plain().is_some());
            prop_assert_eq!(document.heads(), plain.heads());
            other = Some(saved);
        }
        let saved = plain.save();
        prop_assert_eq!(Some(&saved), other.as_ref());
        let loaded = Document::load(&saved).unwrap();
        compare(&loaded, &heavy);
        compare(&Document::load(&heavy.save()).unwrap(), &plain);
        compare(&unfolded(&loaded), &heavy);
    }

    #[test]
    fn a_text_that_is_edited_needs_the_document(content in content(), edits in edits(), at in 0..8_usize) {
        let born = birth(RECORD, &content).unwrap();
        let mut plain = Document::from_birth(&born).unwrap();
        let mut heavy = unfolded(&plain);
        for (hlc, mut one) in (1..).zip(edits) {
            if hlc as usize == at {
                one.2.push(("a".to_owned(), Some(Value::Text("words of a text".to_owned()))));
            }
            prop_assert_eq!(edit(&mut plain, &one, hlc), edit(&mut heavy, &one, hlc));
            compare(&plain, &heavy);
        }
    }

    #[test]
    fn what_was_damaged_does_not_load(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut saved = edited(3).save();
        let at = at.index(saved.len());
        saved[at] ^= 1 << bit;
        prop_assert!(matches!(Document::load(&saved), Err(DocError::Damaged(_))));
    }
}

fn edited(count: u64) -> Document {
    let content = Content::from([("l1".to_owned(), Value::Str("FN:Ann".to_owned()))]);
    let mut document = Document::from_birth(&birth(RECORD, &content).unwrap()).unwrap();
    for number in 1..=count {
        let value = Some(Value::Str(format!("FN:Ann {number}")));
        edit(&mut document, &(1, false, vec![("l1".to_owned(), value)]), number);
    }
    document
}

#[test]
fn a_part_that_is_missing_is_damage() {
    let saved = edited(3).save();
    assert!(Document::load(&saved).unwrap().plain().is_some());
    assert!(Document::load(&saved[..saved.len() - 1]).is_err());
    let two = edited(2).save();
    let last = &saved[two.len()..];
    let first = edited(0).save();
    assert!(Document::load(&[first.as_slice(), last].concat()).is_err(), "one between is missing");
    assert!(Document::load(&[saved.as_slice(), last].concat()).is_err(), "one is there twice");
}

#[test]
fn a_long_history_is_kept_as_a_document() {
    let document = edited(400);
    assert!(document.plain().is_none());
    assert!(document.save().len() < EDITS_BYTES_MAX);
    assert_eq!(document.history().len(), 401);
}

#[test]
fn what_no_device_of_ours_writes_is_not_plain() {
    let document = edited(1);
    let actor = actor_for(LogId([2; 16]), RECORD);
    let plain = document.plain().unwrap();
    let put = |key: &str, value: &str| Step::Put(key.to_owned(), ScalarValue::Str(value.into()));
    let delete = |key: &str| Step::Delete(key.to_owned());
    assert!(plain.edited(actor, 9, &[put("l1", "FN:Ann 1")]).is_none(), "the same again");
    assert!(plain.edited(actor, 9, &[delete("l2")]).is_none(), "nothing to remove");
    assert!(plain.edited(actor, 9, &[put("l1", "a"), put("l1", "b")]).is_none(), "twice");
    assert!(plain.edited(actor, 0, &[put("l1", "a")]).is_none(), "as if it were born so");
    assert!(plain.edited(plain.born().actor(), 9, &[put("l1", "a")]).is_none());
    assert!(plain.edited(actor, 9, &[put("l1", "a"), delete("l1")]).is_none());
    assert!(plain.edited(actor, 9, &[put("l1", "a"), put("l2", "b")]).is_some());
}
