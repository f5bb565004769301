//! The first changes of a record, fully determined by its content.

mod newborn;
mod reading;

pub(crate) use newborn::{Newborn, Part};
pub(crate) use reading::{Reading, value_of};

use crate::author::{self, Step, Texts};
use crate::change::RawChange;
use crate::chunk::writer::{self, Front, NewOperation};
use crate::chunk::{self, ACTION_MAKE_TEXT, ACTION_SET, Head, RawValue};
use crate::error::DocError;
use crate::text::Splice;
use crate::value;
use automerge::ScalarValue;
use heirloom_base::{ActorId, ChangeHash, RecordId, hash};
use heirloom_schema::{Content, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Returns the changes with which a record begins. The same record and content
/// give the same bytes on every device, so that one import on two devices is
/// one birth.
///
/// # Errors
/// When there is no content or something in it does not fit.
pub fn birth(record: RecordId, content: &Content) -> Result<Vec<RawChange>, DocError> {
    if content.is_empty() {
        return Err(DocError::Empty);
    }
    for (key, value) in content {
        value::check(key, Some(value))?;
    }
    let changes = written(birth_actor(record, content), content);
    Ok(changes.into_iter().map(|(change, _)| change).collect())
}

/// Returns the hash of a change, what it says and the front of it, where it is
/// the whole birth of that content: the bytes that this device writes for it.
pub(crate) fn recognised(
    record: RecordId,
    change: &RawChange,
) -> Option<(ChangeHash, Head, Content)> {
    let (head, seen) = chunk::glance(&change.0)?;
    let content = reading::seen(&seen)?;
    let is_sound = content.iter().all(|(key, value)| value::check(key, Some(value)).is_ok());
    if !is_sound || birth_actor(record, &content) != head.actor {
        return None;
    }
    match written(head.actor, &content).as_slice() {
        [(anew, hash)] if anew == change => Some((*hash, head, content)),
        _ => None,
    }
}

/// Writes the changes without a document: nothing stands before them, so that
/// every operation follows from its place alone.
fn written(actor: ActorId, content: &Content) -> Vec<(RawChange, ChangeHash)> {
    let steps = content.iter().flat_map(|(key, value)| steps(key, value)).collect();
    let mut writing = Writing::default();
    let (mut after, mut changes) = (None, Vec::new());
    for (seq, steps) in (1..).zip(author::bounded(steps, &Texts::new())) {
        let (start_op, time, others) = (writing.count + 1, 0, [].as_slice());
        let front = Front { after: after.as_slice(), actor, seq, start_op, time, others };
        let mut operations = Vec::new();
        steps.iter().for_each(|step| writing.take(step, &mut operations));
        let (bytes, hash) = writer::write(front, &operations);
        after = Some(hash);
        changes.push((RawChange(bytes), hash));
    }
    changes
}

/// A birth in the making.
#[derive(Default)]
struct Writing {
    /// The number of operations so far.
    count: u64,
    /// The texts by their keys: the operation that made each, and the last of
    /// its characters.
    texts: BTreeMap<String, (u64, u64)>,
}

impl Writing {
    /// Adds the operations of a step. A birth sets every key once and appends
    /// to its texts; nothing else is asked for.
    fn take<'a>(&mut self, step: &'a Step, operations: &mut Vec<NewOperation<'a>>) {
        match step {
            Step::Put(key, scalar) => {
                let (kind, value) = raw(scalar);
                self.count += 1;
                let (action, over) = (ACTION_SET, None);
                operations.push(NewOperation::Key { key, action, kind, value, over });
            }
            Step::MakeText(key) => {
                self.count += 1;
                self.texts.insert(key.clone(), (self.count, 0));
                let (action, kind) = (ACTION_MAKE_TEXT, RawValue::NULL);
                let (value, over) = (Cow::Borrowed([].as_slice()), None);
                operations.push(NewOperation::Key { key, action, kind, value, over });
            }
            Step::Splice(_, splice) if splice.insert.is_empty() => {}
            Step::Splice(key, splice) => {
                let (text, end) = self.texts.get_mut(key).expect("a text is made first");
                let (text, after, first) = (*text, *end, self.count + 1);
                let letters = splice.insert.as_str();
                self.count += letters.chars().count() as u64;
                *end = self.count;
                operations.push(NewOperation::Letters { text, after, first, letters });
            }
            Step::Delete(_) => {}
        }
    }
}

/// Returns automerge's number for the type of a value of ours, and its bytes.
pub(crate) fn raw(scalar: &ScalarValue) -> (u8, Cow<'_, [u8]>) {
    match scalar {
        ScalarValue::Str(text) => (RawValue::STR, Cow::Borrowed(text.as_bytes())),
        ScalarValue::Bytes(bytes) => (RawValue::BYTES, Cow::Borrowed(bytes)),
        ScalarValue::Int(number) => {
            let mut bytes = Vec::new();
            writer::signed(&mut bytes, *number);
            (RawValue::INT, Cow::Owned(bytes))
        }
        ScalarValue::Uint(_)
        | ScalarValue::F64(_)
        | ScalarValue::Counter(_)
        | ScalarValue::Timestamp(_)
        | ScalarValue::Boolean(_)
        | ScalarValue::Unknown { .. }
        | ScalarValue::Null => (RawValue::NULL, Cow::Borrowed(&[])),
    }
}

/// Returns the actor of a birth.
pub(crate) fn birth_actor(record: RecordId, content: &Content) -> ActorId {
    let canonical = value::canonical(content);
    ActorId(hash::truncate(hash::content("birth", &[&record.0, &canonical])))
}

/// Returns the steps that set a key to a value, whatever it was before.
pub(crate) fn steps(key: &str, value: &Value) -> Vec<Step> {
    match value::to_scalar(value) {
        Some(scalar) => vec![Step::Put(key.to_owned(), scalar)],
        None => {
            let insert = value.as_str().unwrap_or_default().to_owned();
            let splice = Splice { at: 0, delete: 0, insert };
            vec![Step::MakeText(key.to_owned()), Step::Splice(key.to_owned(), splice)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;
    use proptest::prelude::*;

    /// Values of which many are equal, because equal ones are written as one.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            ".{0,40}".prop_map(Value::Str),
            "[ab]{0,2}".prop_map(Value::Str),
            any::<i64>().prop_map(Value::Int),
            (-70..70_i64).prop_map(Value::Int),
            "(.|\n){0,200}".prop_map(Value::Text),
            "[aä]{0,9}".prop_map(Value::Text),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ]
    }

    /// Writes a birth as any other edit of a new document.
    fn edited(record: RecordId, content: &Content) -> Vec<RawChange> {
        let steps = content.iter().flat_map(|(key, value)| steps(key, value)).collect();
        let actor = birth_actor(record, content);
        author::write(&mut document::empty(), actor, 0, steps, Texts::new()).unwrap()
    }

    #[test]
    fn a_long_birth_is_what_a_new_document_writes() {
        let long = Value::Text("ä line of a löng text\n".repeat(400));
        let line = Value::Str("x".repeat(16_000));
        let keys = ["a", "b", "c", "d", "e"].map(|key| (key.to_owned(), line.clone()));
        let content = Content::from_iter(keys.into_iter().chain([("body".to_owned(), long)]));
        let born = birth(RecordId([7; 16]), &content).unwrap();
        assert!(born.len() > 2);
        assert_eq!(born, edited(RecordId([7; 16]), &content));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn nothing_but_the_birth_itself_is_recognised(
            content in proptest::collection::btree_map("[a-z]{1,4}", value(), 1..5),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let record = RecordId([7; 16]);
            let born = birth(record, &content).unwrap().remove(0);
            let mut changed = born.clone();
            for (at, byte) in cuts {
                let at = at.index(changed.0.len());
                changed.0[at] = byte;
            }
            prop_assert_eq!(recognised(record, &changed).is_some(), changed == born);
        }

        #[test]
        fn a_birth_is_what_a_new_document_writes(
            content in proptest::collection::btree_map("[a-z/0-9]{1,12}", value(), 1..12),
        ) {
            let record = RecordId([7; 16]);
            let born = birth(record, &content).unwrap();
            prop_assert_eq!(&born, &edited(record, &content));
            if let [born] = born.as_slice() {
                let chunk = chunk::Chunk::parse(&born.0).unwrap();
                let hash = chunk::hash_of(&born.0).unwrap();
                prop_assert_eq!(recognised(record, born), Some((hash, chunk.head, content)));
                prop_assert_eq!(recognised(RecordId([8; 16]), born), None);
            }
        }
    }
}
