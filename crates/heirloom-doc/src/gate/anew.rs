//! Changes that this device would write itself.
//!
//! A change that builds on all that is here, and does nothing but set and
//! remove keys, is written anew. Where that gives the same bytes, the document
//! is what the same edit would have left here, and is believed as much as that:
//! it is neither judged by its numbers nor tried on a copy, both of which cost
//! as much as the history is long.

use super::{Admission, Offered};
use crate::author::{self, Step, Texts};
use crate::change::{RawChange, actor_for};
use crate::chunk::{self, Action, Chunk, Operation, RawValue};
use crate::document::Document;
use crate::guard::guarded;
use crate::value;
use automerge::ScalarValue;
use heirloom_base::{ChangeHash, RecordId};

/// Takes in changes that are all such; `None` where one is not.
pub(super) fn take_all(
    document: &Document,
    record: RecordId,
    offered: &[Offered],
) -> Option<Admission> {
    let (first, rest) = offered.split_first()?;
    let mut document = grown(document, record, first)?;
    for offer in rest {
        document = grown(&document, record, offer)?;
    }
    let hash = |offer: &Offered| chunk::hash_of(&offer.change.0).ok();
    let applied = offered.iter().map(hash).collect::<Option<Vec<ChangeHash>>>()?;
    let saved = document.save();
    Some(Admission { document: Some((document, saved)), applied, ..Admission::default() })
}

/// Returns a copy of the document with a change, where it is such a one.
fn grown(document: &Document, record: RecordId, offer: &Offered) -> Option<Document> {
    let RawChange(bytes) = &offer.change;
    let actor = actor_for(offer.log, record);
    let chunk = Chunk::parse(bytes).ok()?;
    let head = &chunk.head;
    let heads = document.heads();
    // It names the author's own change before it too, also where that is none of them.
    let builds_on_all = heads.iter().all(|one| head.dependencies.contains(one));
    if heads.is_empty() || !builds_on_all || head.actor != actor || head.time < 0 {
        return None;
    }
    let steps = chunk.operations.iter().map(step).collect::<Option<Vec<Step>>>()?;
    let mut copy = document.clone();
    let write = || author::write(copy.automerge_mut(), actor, head.time, steps, Texts::new());
    let written = guarded(write).ok()?.ok()?;
    (written.as_slice() == [offer.change.clone()]).then_some(copy)
}

/// Returns what an operation does, where it sets a key to a scalar or removes it.
fn step(operation: &Operation<'_>) -> Option<Step> {
    let key = operation.key.filter(|key| value::check(key, None).is_ok())?.to_owned();
    match operation.action {
        Action::Set => Some(Step::Put(key, scalar(&operation.value)?)),
        Action::Delete => Some(Step::Delete(key)),
        Action::MakeText => None,
    }
}

/// Returns a value as automerge holds it, where it is of a kind that is ours.
fn scalar(RawValue { kind, bytes }: &RawValue<'_>) -> Option<ScalarValue> {
    match *kind {
        RawValue::NULL => Some(value::REMOVED),
        RawValue::INT => RawValue { kind: *kind, bytes }.as_int().map(ScalarValue::Int),
        RawValue::STR => std::str::from_utf8(bytes).ok().map(|text| ScalarValue::Str(text.into())),
        RawValue::BYTES => Some(ScalarValue::Bytes(bytes.to_vec())),
        _ => None,
    }
}
