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
use crate::chunk::{self, Chunk, Head};
use crate::document::Document;
use crate::document::plain;
use heirloom_base::guard::guarded;
use heirloom_base::{ChangeHash, LogId, RecordId};

/// Takes in changes that are all such; `None` where one is not.
pub(super) fn take_all(
    document: &Document,
    record: RecordId,
    offered: &[Offered],
) -> Option<Admission> {
    let (first, rest) = offered.split_first()?;
    let (mut document, hash) = grown(document, record, first)?;
    let mut applied = vec![hash];
    for offer in rest {
        let (next, hash) = grown(&document, record, offer)?;
        applied.push(hash);
        document = next;
    }
    let saved = document.save();
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
    let (mut heads, mut applied) = (document.heads(), Vec::new());
    for offer in offered {
        let head = Chunk::parse(&offer.change.0).ok()?.head;
        let is_known = |one: &ChangeHash| heads.0.contains(one) || document.has(one);
        if !is_next(&heads, &head, record, offer.log) || !head.dependencies.iter().all(is_known) {
            return None;
        }
        let hash = chunk::hash_of(&offer.change.0).ok()?;
        heads = Heads(vec![hash]);
        applied.push(hash);
    }
    let is_it = !applied.is_empty() && left.0.heads() == heads;
    is_it.then(|| Admission { document: Some(left.clone()), applied, ..Admission::default() })
}

/// Returns whether a change of a log builds on all heads that there are. It
/// names the author's own change before it too, also where that is none of them.
fn is_next(heads: &Heads, head: &Head, record: RecordId, log: LogId) -> bool {
    let builds_on_all = heads.iter().all(|one| head.dependencies.contains(one));
    !heads.is_empty() && builds_on_all && head.actor == actor_for(log, record)
}

/// Returns a copy of the document with a change, and its hash, where it is such
/// a one.
fn grown(document: &Document, record: RecordId, offer: &Offered) -> Option<(Document, ChangeHash)> {
    let RawChange(bytes) = &offer.change;
    if document.heads().is_empty() {
        return None;
    }
    let Chunk { head, operations, .. } = Chunk::parse(bytes).ok()?;
    if head.time < 0 || !is_next(&document.heads(), &head, record, offer.log) {
        return None;
    }
    let steps = operations.iter().map(plain::step).collect::<Option<Vec<Step>>>()?;
    if let Some(grown) = document.plain().and_then(|plain| plain.grown_by(&head, &steps, bytes)) {
        let hash = grown.hash();
        return Some((Document::of_plain(grown), hash));
    }
    let hash = chunk::hash_of(bytes).ok()?;
    let mut copy = document.clone();
    let enact = || author::enact(copy.automerge_mut(), head.actor, head.time, steps, Texts::new());
    guarded(enact).ok()?.ok()?;
    (copy.heads().0 == [hash]).then_some((copy, hash))
}
