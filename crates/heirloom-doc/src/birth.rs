//! The first changes of a record, fully determined by its content.

mod newborn;
mod reading;

pub(crate) use newborn::Newborn;
pub(crate) use reading::Reading;

use crate::author::{self, Step, Texts};
use crate::change::{RawChange, foreign_actor};
use crate::error::DocError;
use crate::guard::guarded;
use crate::text::Splice;
use crate::value;
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{Change, ExpandedChange, ObjType, ScalarValue};
use heirloom_base::{ActorId, RecordId, hash};
use heirloom_schema::{Content, Value};
use std::collections::BTreeMap;
use std::num::NonZeroU64;

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
    guarded(|| written(actor, steps)).map_err(DocError::Broken)
}

/// Writes the changes without a document: nothing stands before them, so that
/// every operation follows from its place alone.
fn written(actor: ActorId, steps: Vec<Step>) -> Vec<RawChange> {
    let mut writing = Writing { actor: foreign_actor(actor), next: 1, texts: BTreeMap::new() };
    let mut changes: Vec<Change> = Vec::new();
    for (seq, steps) in (1..).zip(author::bounded(steps, &Texts::new())) {
        let start_op = NonZeroU64::new(writing.next).expect("operations are counted from 1");
        let operations = steps.into_iter().flat_map(|step| writing.operations(step)).collect();
        changes.push(Change::from(ExpandedChange {
            operations,
            actor_id: writing.actor.clone(),
            author: None,
            hash: None,
            seq,
            start_op,
            time: 0,
            message: None,
            deps: changes.last().map(Change::hash).into_iter().collect(),
            extra_bytes: Vec::new(),
        }));
    }
    changes.iter().map(|change| RawChange(change.raw_bytes().to_vec())).collect()
}

/// A birth in the making.
struct Writing {
    actor: automerge::ActorId,
    /// The number of the next operation.
    next: u64,
    /// The texts by their keys: the operation that made each, and its end.
    texts: BTreeMap<String, (ObjectId, ElementId)>,
}

impl Writing {
    /// Returns the operations of a step. A birth sets every key once and
    /// appends to its texts; nothing else is asked for.
    fn operations(&mut self, step: Step) -> Vec<Op> {
        match step {
            Step::Put(key, scalar) => {
                let (_, operation) = self.root(&key, OpType::Put(scalar));
                vec![operation]
            }
            Step::MakeText(key) => {
                let (id, operation) = self.root(&key, OpType::Make(ObjType::Text));
                self.texts.insert(key, (ObjectId::Id(id), ElementId::Head));
                vec![operation]
            }
            Step::Splice(key, splice) => {
                let (text, mut end) = self.texts.remove(&key).expect("a text is made first");
                let operations = splice.insert.chars().map(|letter| {
                    let id = self.number();
                    let after = std::mem::replace(&mut end, ElementId::Id(id));
                    Op {
                        action: OpType::Put(ScalarValue::Str(letter.to_string().into())),
                        obj: text.clone(),
                        key: Key::Seq(after),
                        pred: SortedVec::new(),
                        insert: true,
                    }
                });
                let operations = operations.collect();
                self.texts.insert(key, (text, end));
                operations
            }
            Step::Delete(_) => Vec::new(),
        }
    }

    fn root(&mut self, key: &str, action: OpType) -> (OpId, Op) {
        let key = Key::Map(key.into());
        let operation =
            Op { action, obj: ObjectId::Root, key, pred: SortedVec::new(), insert: false };
        (self.number(), operation)
    }

    fn number(&mut self) -> OpId {
        let id = OpId::new(self.next, &self.actor);
        self.next += 1;
        id
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

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            ".{0,40}".prop_map(Value::Str),
            any::<i64>().prop_map(Value::Int),
            "(.|\n){0,200}".prop_map(Value::Text),
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
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_birth_is_what_a_new_document_writes(
            content in proptest::collection::btree_map("[a-z/0-9]{1,12}", value(), 1..12),
        ) {
            let record = RecordId([7; 16]);
            prop_assert_eq!(birth(record, &content).unwrap(), edited(record, &content));
        }
    }
}
