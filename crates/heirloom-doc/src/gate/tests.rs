use super::*;
use crate::chunk::tests::{Forged, authored, rechecked};
use crate::{Heads, birth};
use heirloom_base::Hlc;
use heirloom_schema::{Content, Value};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;

mod attacks;
mod births;

const RECORD: RecordId = RecordId([4; 16]);
const LOG: LogId = LogId([1; 16]);

/// Admits without the noise of panics that the gate catches.
fn admit_quietly(saved: Option<&[u8]>, offered: &[Offered]) -> Admission {
    crate::silence_caught_panics();
    admit(saved, RECORD, offered)
}

fn content() -> Content {
    Content::from([
        ("body".to_owned(), Value::Text("one two".to_owned())),
        ("title".to_owned(), Value::Str("list".to_owned())),
    ])
}

fn offer(log: LogId, bytes: Vec<u8>) -> Offered {
    Offered { log, change: RawChange(bytes) }
}

fn born() -> (Document, Vec<Offered>) {
    let changes = birth(RECORD, &content()).unwrap();
    let document = Document::from_birth(&changes).unwrap();
    (document, changes.into_iter().map(|change| Offered { log: LOG, change }).collect())
}

fn edited(document: &mut Document, log: LogId, title: &str) -> Offered {
    let hlc = Hlc(1 + document.heads().0[0].0[0] as u64);
    let edits = [("title".to_owned(), Some(Value::Str(title.to_owned())))];
    let mut changes = document.edit(actor_for(log, RECORD), hlc, &edits).unwrap();
    Offered { log, change: changes.remove(0) }
}

/// Puts every log's changes back into the order of the log.
fn in_order_of_logs(turned: &[Offered], ordered: &[Offered]) -> Vec<Offered> {
    let mut logs: BTreeMap<LogId, Vec<Offered>> = BTreeMap::new();
    for offer in ordered.iter().rev() {
        logs.entry(offer.log).or_default().push(offer.clone());
    }
    turned.iter().map(|offer| logs.get_mut(&offer.log).unwrap().pop().unwrap()).collect()
}

/// A change that continues a document, to be spoiled.
fn next(document: &Document, log: LogId, forged: Forged) -> Forged {
    let metas = document.automerge().get_changes_meta(&[]);
    Forged {
        dependencies: document.heads().0,
        actor: actor_for(log, RECORD).0.to_vec(),
        start_op: 1 + metas.iter().map(|meta| meta.max_op).max().unwrap_or(0),
        ..forged
    }
}

/// Returns why the one change that is offered is refused.
fn refusal(document: &Document, forged: &Forged) -> GateError {
    let admission = admit_quietly(Some(&document.save()), &[offer(LOG, forged.bytes())]);
    assert!(admission.document.is_none() && admission.waiting.is_empty());
    assert_eq!(admission.refused.len(), 1, "{admission:?}");
    admission.refused.into_iter().next().unwrap().1
}

#[test]
fn a_copy_in_another_log_does_not_stand_in_the_way_of_the_authors_own() {
    let (mut document, births) = born();
    let saved = document.save();
    let own = edited(&mut document, LOG, "new");
    let copy = Offered { log: LogId([9; 16]), change: own.change.clone() };
    for offered in [[own.clone(), copy.clone()], [copy, own]] {
        let admission = admit_quietly(Some(&saved), &offered);
        assert_eq!((admission.applied.len(), admission.refused.len()), (1, 1));
        assert!(admission.duplicates.is_empty() && admission.waiting.is_empty());
        // Before the birth is there, the author's own waits.
        let early = admit_quietly(None, &offered);
        assert_eq!((early.waiting.len(), early.refused.len()), (1, 1));
        let with_birth = [offered.to_vec(), births.clone()].concat();
        assert_eq!(admit_quietly(None, &with_birth).applied.len(), births.len() + 1);
    }
}

/// Checks that every offered change is accounted for once, and that what was
/// let in is sound: it loads, shows, takes an edit and loads again.
fn check(admission: &Admission, offered: usize) {
    let accounted = admission.applied.len()
        + admission.duplicates.len()
        + admission.waiting.len()
        + admission.refused.len();
    assert_eq!(accounted, offered, "{admission:?}");
    assert_eq!(admission.document.is_some(), !admission.applied.is_empty());
    let Some((document, saved)) = &admission.document else { return };
    let mut again = Document::load(saved).unwrap();
    assert_eq!(again.heads(), document.heads());
    assert_eq!(again.content(), document.content());
    let told: Vec<_> = again.history().iter().map(|one| one.hash).collect();
    assert!(document.heads().iter().all(|head| told.contains(head)));
    let edits = [
        ("body".to_owned(), Some(Value::Text("after all".to_owned()))),
        ("title".to_owned(), Some(Value::Str("after all".to_owned()))),
    ];
    again.edit(ActorId([0xee; 16]), Hlc(5), &edits).unwrap();
    let last = Document::load(&again.save()).unwrap();
    assert_eq!(last.content().get("title"), Some(&Value::Str("after all".to_owned())));
}

#[test]
fn a_sound_change_laid_out_by_hand_is_let_in() {
    let (document, _) = born();
    let forged = next(&document, LOG, Forged::put("new", "value"));
    let admission = admit(Some(&document.save()), RECORD, &[offer(LOG, forged.bytes())]);
    check(&admission, 1);
    let (document, _) = admission.document.unwrap();
    assert_eq!(document.content()["new"], Value::Str("value".to_owned()));
}

#[test]
fn wrong_numbers_actors_and_times_are_refused() {
    let (mut document, _) = born();
    edited(&mut document, LOG, "first");
    let good = Forged { seq: 2, ..next(&document, LOG, Forged::put("new", "value")) };
    let start_op = good.start_op;
    for (forged, error) in [
        (Forged { seq: 1, ..good.clone() }, GateError::Sequence { found: 1, expected: 2 }),
        (Forged { seq: 3, ..good.clone() }, GateError::Sequence { found: 3, expected: 2 }),
        (Forged { seq: 0, ..good.clone() }, GateError::Sequence { found: 0, expected: 2 }),
        (
            Forged { start_op: start_op - 1, ..good.clone() },
            GateError::StartOp { found: start_op - 1, expected: start_op },
        ),
        (
            Forged { start_op: u64::from(u32::MAX), ..good.clone() },
            GateError::StartOp { found: u64::from(u32::MAX), expected: start_op },
        ),
        (Forged { time: i64::MIN, ..good.clone() }, GateError::Time(i64::MIN)),
        (Forged { time: -1, ..good.clone() }, GateError::Time(-1)),
        (
            Forged { actor: actor_for(LogId([2; 16]), RECORD).0.to_vec(), ..good.clone() },
            GateError::Actor { found: actor_for(LogId([2; 16]), RECORD).to_string() },
        ),
    ] {
        assert_eq!(refusal(&document, &forged), error);
    }
    let admission = admit(Some(&document.save()), RECORD, &[offer(LOG, good.bytes())]);
    check(&admission, 1);
    assert_eq!(admission.applied.len(), 1);
}

#[test]
fn a_change_builds_on_its_authors_previous_one() {
    let (mut document, _) = born();
    let root = document.heads();
    let previous = edited(&mut document, LOG, "first");
    let previous = Chunk::parse(&previous.change.0).unwrap().head;
    let forged = Forged { seq: 2, ..next(&document, LOG, Forged::put("new", "value")) };
    let aside = Forged { dependencies: root.0, start_op: previous.start_op, ..forged };
    assert_eq!(refusal(&document, &aside), GateError::Ancestor(document.heads().0[0]));
    let mut later = document.clone();
    for number in 0..3 {
        edited(&mut later, LogId([7; 16]), &number.to_string());
    }
    let mine = edited(&mut later, LOG, "mine");
    let other = Document::load(&later.save()).unwrap();
    assert_eq!(other.heads(), Heads(later.heads().0));
    let head = Chunk::parse(&mine.change.0).unwrap().head;
    assert_eq!((head.seq, head.dependencies.len()), (2, 2), "the previous one is named too");
}

#[test]
fn changes_that_automerge_panics_over_or_is_damaged_by_are_refused() {
    let (document, _) = born();
    let put = |column, bytes: &[u8]| {
        next(&document, LOG, Forged::put("title", "x").replace(column, bytes.to_vec()))
    };
    let unknown_text = next(&document, LOG, Forged::insert(999, "x"));
    let missing_predecessor =
        put(112, &[0x7f, 1]).replace(113, vec![0x7f, 0]).replace(115, vec![0x7f, 0x3f]);
    let unsorted_runs = put(66, &[1, 1]);
    let huge_counter = next(&document, LOG, Forged::insert(1, "x"))
        .replace(19, vec![0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    for forged in [unknown_text, missing_predecessor, unsorted_runs, huge_counter] {
        let error = refusal(&document, &forged);
        let expected = matches!(
            error,
            GateError::Panicked(_)
                | GateError::Apply(_)
                | GateError::Reload(_)
                | GateError::Chunk(_)
        );
        assert!(expected, "{error}");
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    let (document, _) = born();
    let mut bytes = next(&document, LOG, Forged::put("new", "value")).bytes();
    bytes[5] ^= 1;
    let admission = admit(Some(&document.save()), RECORD, &[offer(LOG, bytes)]);
    let error = GateError::Chunk(ChunkError::Malformed("checksum"));
    assert_eq!(admission.refused, [(0, error)]);
}

#[test]
fn a_refused_change_harms_no_other_of_its_batch() {
    let (mut document, mut offered) = born();
    let before = document.save();
    offered.push(edited(&mut document, LOG, "good"));
    let bad_log = LogId([6; 16]);
    let mut bad_root = Document::load(&before).unwrap();
    let bad = next(&bad_root, bad_log, Forged::insert(999, "x"));
    offered.push(offer(bad_log, bad.bytes()));
    let hash = hash_of_forged(&bad);
    offered.push(edited(&mut document, LOG, "better"));
    let follower = Forged {
        dependencies: vec![hash],
        start_op: bad.start_op + 1,
        ..next(&bad_root, LogId([5; 16]), Forged::put("later", "x"))
    };
    offered.push(offer(LogId([5; 16]), follower.bytes()));
    offered.push(edited(&mut bad_root, LogId([3; 16]), "elsewhere"));
    for rotation in 0..offered.len() {
        let mut turned = offered.clone();
        turned.rotate_left(rotation);
        let turned = in_order_of_logs(&turned, &offered);
        let admission = admit_quietly(None, &turned);
        check(&admission, turned.len());
        assert_eq!(admission.applied.len(), 4, "{admission:?}");
        assert_eq!(admission.refused.len(), 1);
        assert_eq!(turned[admission.refused[0].0].log, bad_log);
        assert_eq!(admission.waiting.len(), 1);
        assert_eq!(admission.waiting[0].1, Awaited::Change(hash));
    }
}

fn hash_of_forged(forged: &Forged) -> ChangeHash {
    let hash = crate::chunk::tests::forged::hash_of(&forged.bytes());
    assert_eq!(hash, own_hash(Change::from_bytes(forged.bytes()).unwrap().hash()));
    hash
}

#[test]
fn changes_wait_for_what_they_build_on_and_come_in_any_order() {
    let (mut document, birth) = born();
    let first = edited(&mut document, LOG, "first");
    let before = Chunk::parse(&first.change.0).unwrap().head.dependencies;
    let head = document.heads().0;
    let second = edited(&mut document, LogId([2; 16]), "second");
    let offered = vec![second.clone(), first.clone()];
    let admission = admit(None, RECORD, &offered);
    check(&admission, 2);
    let mut waiting = admission.waiting;
    waiting.sort();
    assert_eq!(waiting, [(0, Awaited::Change(head[0])), (1, Awaited::Change(before[0]))]);
    let offered = [vec![second, first], birth].concat();
    let admission = admit(None, RECORD, &offered);
    check(&admission, 3);
    let (found, saved) = admission.document.unwrap();
    assert_eq!(found.heads(), document.heads());
    let again = admit(Some(&saved), RECORD, &offered);
    assert_eq!(again.duplicates, [0, 1, 2]);
    check(&again, 3);
    let twice = [offered.clone(), offered].concat();
    let admission = admit(None, RECORD, &twice);
    assert_eq!(admission.duplicates, [3, 4, 5]);
    check(&admission, 6);
}

#[test]
fn of_two_changes_with_one_number_only_one_comes_in() {
    let (document, _) = born();
    let mut one = document.clone();
    let mut other = document.clone();
    let offered = [edited(&mut one, LOG, "one"), edited(&mut other, LOG, "other")];
    let admission = admit(Some(&document.save()), RECORD, &offered);
    check(&admission, 2);
    assert_eq!(admission.applied.len(), 1);
    let error = GateError::Sequence { found: 1, expected: 2 };
    assert_eq!(admission.refused[0].1, error);
}

#[test]
fn everything_waits_where_the_saved_document_is_damaged() {
    let (mut document, _) = born();
    let mut saved = document.save();
    let offered = [edited(&mut document, LOG, "first")];
    let middle = saved.len() / 2;
    saved[middle] ^= 1;
    let admission = admit(Some(&saved), RECORD, &offered);
    assert!(matches!(admission.damaged, Some(DocError::Damaged(_))));
    assert_eq!(admission.waiting, [(0, Awaited::Earlier)]);
    check(&admission, 1);
}

#[test]
fn nothing_offered_changes_nothing() {
    let admission = admit(None, RECORD, &[]);
    check(&admission, 0);
    assert!(admission.document.is_none() && admission.damaged.is_none());
}

#[test]
fn many_operations_are_tried_in_parts_and_a_bad_part_alone() {
    let (offered, wanted) = household();
    for (limit, bad) in [(1, false), (20, false), (usize::MAX, false), (1, true), (20, true)] {
        let mut offered = offered.clone();
        let (document, _) = born();
        let log = LogId([6; 16]);
        if bad {
            let bad = next(&document, log, Forged::insert(999, "x"));
            offered.insert(3, offer(log, bad.bytes()));
        }
        let saved = document.save();
        crate::silence_caught_panics();
        let admission =
            admit_in_parts((Document::load(&saved).unwrap(), None), RECORD, &offered, limit);
        check(&admission, offered.len());
        assert_eq!(admission.refused.len(), usize::from(bad));
        assert_eq!(admission.duplicates, [0], "the birth");
        assert_eq!(admission.document.unwrap().0.heads(), wanted.heads());
    }
}

#[test]
fn what_this_device_has_written_is_taken_only_where_it_is_what_comes_out() {
    let (mut document, _) = born();
    let saved = document.save();
    let text = [("body".to_owned(), Some(Value::Text("one or two".to_owned())))];
    let changes = document.edit(actor_for(LOG, RECORD), Hlc(300), &text).unwrap();
    let offered: Vec<Offered> =
        changes.into_iter().map(|change| Offered { log: LOG, change }).collect();
    let written = document.clone();
    let mut other = document.clone();
    edited(&mut other, LOG, "second");
    // Bytes that no document is saved as: seen again, they were taken over.
    let marked = b"as it was written".to_vec();
    for (left, is_taken) in [(written, true), (other, false), (born().0, false)] {
        let base = Document::load(&saved).unwrap();
        let admission = admit_into(base, RECORD, &offered, Some((left, marked.clone())));
        let (result, saved) = admission.document.unwrap();
        assert_eq!(result.heads(), document.heads());
        assert_eq!(saved == marked, is_taken);
        assert_eq!(admission.applied.len(), 1);
    }
}

/// Values that a member may give a key, and its removal.
fn plain() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        ".{0,20}".prop_map(|text| Some(Value::Str(text))),
        any::<i64>().prop_map(|number| Some(Value::Int(number))),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Some(Value::Bytes(bytes))),
    ]
}

/// Returns a birth and edits of three logs, and the document that they make.
fn household() -> (Vec<Offered>, Document) {
    let (mut document, mut offered) = born();
    for (number, title) in (1..).zip(["a", "b", "c", "d", "e", "f"]) {
        let log = LogId([number % 3 + 1; 16]);
        offered.push(edited(&mut document, log, title));
        let edits = [("body".to_owned(), Some(Value::Text(format!("one {title} two"))))];
        let changes = document.edit(actor_for(log, RECORD), Hlc(100), &edits).unwrap();
        offered.extend(changes.into_iter().map(|change| Offered { log, change }));
    }
    (offered, document)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_changes_never_harm(
        which in any::<Index>(), damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..3),
        alone in any::<bool>(),
    ) {
        let (mut offered, document) = household();
        let which = which.index(offered.len());
        let count = offered.len();
        let bytes = &mut offered[which].change.0;
        for (at, byte) in damage {
            let at = 9 + at.index(bytes.len() - 9);
            bytes[at] = byte;
        }
        *bytes = rechecked(std::mem::take(bytes));
        if alone {
            let saved = document.save();
            let admission = admit_quietly(Some(&saved), &offered[which..=which]);
            check(&admission, 1);
        } else {
            let admission = admit_quietly(None, &offered);
            check(&admission, count);
            prop_assert!(which == 0 || admission.applied.len() >= which);
        }
    }

    #[test]
    fn a_plain_edit_is_written_anew_and_gives_what_a_trial_gives(
        edits in prop::collection::vec((0..3_u8, prop::collection::vec(("[a-c]|title", plain()), 1..4)), 1..12),
    ) {
        let (mut document, _) = born();
        let (mut known, mut anew) = (Document::load(&document.save()).unwrap(), 0);
        for (number, (log, edits)) in (1..).zip(edits) {
            let log = LogId([log; 16]);
            let changes = document.edit(actor_for(log, RECORD), Hlc(number), &edits).unwrap();
            let offered: Vec<Offered> =
                changes.into_iter().map(|change| Offered { log, change }).collect();
            let Some(fast) = anew::take_all(&known, RECORD, &offered) else {
                // It sets a key again, which takes two changes of this device.
                prop_assert!(offered.is_empty());
                continue;
            };
            anew += 1;
            let graph = Graph::of(&known);
            let mut tried = Admission::default();
            let (candidates, _) = read_all(RECORD, &offered, &graph, &mut tried);
            let mut trials = Trials::of(known.clone(), None);
            Queues::of(candidates).admit(&mut trials, TRIAL_OPS_MAX, &mut tried);
            trials.finish(&mut tried);
            check(&fast, offered.len());
            prop_assert_eq!(&fast.applied, &tried.applied);
            let (slow, saved) = tried.document.unwrap();
            let (quick, quick_saved) = fast.document.unwrap();
            let mut unfolded = Document::load(&quick_saved).unwrap();
            unfolded.automerge_mut();
            prop_assert_eq!(unfolded.save(), saved);
            prop_assert_eq!(quick.conflicts(), slow.conflicts());
            prop_assert_eq!(quick.history(), slow.history());
            known = quick;
        }
        prop_assert!(anew > 0 || known.heads().len() == 1);
    }

    #[test]
    fn foreign_bytes_never_harm(bytes in prop::collection::vec(any::<u8>(), 0..120), which in any::<Index>()) {
        let (document, _) = born();
        let mut change = authored().remove(0);
        let at = which.index(change.len());
        change.splice(at.., bytes.iter().copied());
        for bytes in [bytes, rechecked(change)] {
            let admission = admit_quietly(Some(&document.save()), &[offer(LOG, bytes)]);
            check(&admission, 1);
        }
    }
}
