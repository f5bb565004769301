//! Changes that this device would write itself.
//!
//! A change that builds on all that is here, and does nothing but set and
//! remove keys, is written anew. Where that gives the same hash, the document
//! is what the same edit would have left here, and is believed as much as that:
//! it is neither judged by its numbers nor tried on a copy, both of which cost
//! as much as the history is long.

use super::{Admission, Offered, Saved};
use crate::author::{self, Step, Texts};
use crate::change::{Heads, RawChange, actor_for};
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
    let saved = document.save();
    let applied = hashes(offered)?;
    Some(Admission { document: Some((document, saved)), applied, ..Admission::default() })
}

/// Takes what this device has left, where that is the document with these
/// changes and no other: its own, each behind the one before.
pub(super) fn take_left(
    document: &Document,
    record: RecordId,
    offered: &[Offered],
    left: &Saved,
) -> Option<Admission> {
    let applied = hashes(offered)?;
    let mut heads = document.heads();
    for (offer, hash) in offered.iter().zip(&applied) {
        let head = Chunk::parse(&offer.change.0).ok()?.head;
        let is_known = |one: &ChangeHash| heads.iter().any(|head| head == one) || document.has(one);
        let builds_on_all = heads.iter().all(|one| head.dependencies.contains(one));
        let on_nothing_else = head.dependencies.iter().all(is_known);
        let is_own = head.actor == actor_for(offer.log, record);
        if heads.is_empty() || !builds_on_all || !on_nothing_else || !is_own {
            return None;
        }
        heads = Heads(vec![*hash]);
    }
    let is_it = !applied.is_empty() && left.0.heads() == heads;
    is_it.then(|| Admission { document: Some(left.clone()), applied, ..Admission::default() })
}

fn hashes(offered: &[Offered]) -> Option<Vec<ChangeHash>> {
    offered.iter().map(|offer| chunk::hash_of(&offer.change.0).ok()).collect()
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
    let hash = chunk::hash_of(bytes).ok()?;
    let mut copy = document.clone();
    guarded(|| author::enact(copy.automerge_mut(), actor, head.time, steps, Texts::new()))
        .ok()?
        .ok()?;
    (copy.heads().0 == [hash]).then_some(copy)
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
