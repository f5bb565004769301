//! The first changes of a record, fully determined by its content.

mod newborn;
mod reading;

pub(crate) use newborn::Newborn;
pub(crate) use reading::Reading;

use crate::author::{self, Step, Texts};
use crate::change::RawChange;
use crate::chunk::writer::{self, Front, NewOperation, Place};
use crate::chunk::{ACTION_MAKE_TEXT, ACTION_SET, RawValue};
use crate::error::DocError;
use crate::text::Splice;
use crate::value;
use automerge::ScalarValue;
use heirloom_base::{ActorId, RecordId, hash};
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
    let actor = birth_actor(record, content);
    let steps = content.iter().flat_map(|(key, value)| steps(key, value)).collect();
    Ok(written(actor, steps))
}

/// Writes the changes without a document: nothing stands before them, so that
/// every operation follows from its place alone.
fn written(actor: ActorId, steps: Vec<Step>) -> Vec<RawChange> {
    let mut writing = Writing::default();
    let (mut after, mut changes) = (None, Vec::new());
    for (seq, steps) in (1..).zip(author::bounded(steps, &Texts::new())) {
        let front = Front { after, actor, seq, start_op: writing.count + 1 };
        let mut operations = Vec::new();
        steps.iter().for_each(|step| writing.take(step, &mut operations));
        let (bytes, hash) = writer::write(front, &operations);
        after = Some(hash);
        changes.push(RawChange(bytes));
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
                let place = Place::Key(key);
                operations.push(NewOperation { place, action: ACTION_SET, kind, value });
            }
            Step::MakeText(key) => {
                self.count += 1;
                self.texts.insert(key.clone(), (self.count, 0));
                let (place, value) = (Place::Key(key), Cow::Borrowed([].as_slice()));
                let kind = RawValue::NULL;
                operations.push(NewOperation { place, action: ACTION_MAKE_TEXT, kind, value });
            }
            Step::Splice(key, splice) => {
                let (text, end) = self.texts.get_mut(key).expect("a text is made first");
                for letter in splice.insert.split_inclusive(|_: char| true) {
                    self.count += 1;
                    let after = std::mem::replace(end, self.count);
                    operations.push(NewOperation {
                        place: Place::Letter { text: *text, after },
                        action: ACTION_SET,
                        kind: RawValue::STR,
                        value: Cow::Borrowed(letter.as_bytes()),
                    });
                }
            }
            Step::Delete(_) => {}
        }
    }
}

/// Returns automerge's number for the type of a value of ours, and its bytes.
fn raw(scalar: &ScalarValue) -> (u8, Cow<'_, [u8]>) {
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
        fn a_birth_is_what_a_new_document_writes(
            content in proptest::collection::btree_map("[a-z/0-9]{1,12}", value(), 1..12),
        ) {
            let record = RecordId([7; 16]);
            prop_assert_eq!(birth(record, &content).unwrap(), edited(record, &content));
        }
    }
}
