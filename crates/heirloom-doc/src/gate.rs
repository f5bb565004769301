//! The gate: changes of other devices, judged before they touch a document.
//!
//! automerge was seen to panic on, to abort over and to be damaged for ever by
//! changes that a member could craft. So every change is first read by a
//! parser that trusts nothing ([`crate::chunk`]), then judged against the
//! changes that it builds on, then tried on a copy behind a guard, and the
//! result is believed only after it was saved and loaded again.

mod births;
mod graph;
mod trial;

use crate::change::{RawChange, actor_for, own_hash};
use crate::chunk::{Chunk, Head};
use crate::document::Document;
use crate::error::{ChunkError, DocError, GateError};
use crate::guard::guarded;
use automerge::Change;
use graph::Graph;
use heirloom_base::{ActorId, ChangeHash, LogId, RecordId};
use std::collections::BTreeSet;

/// Operations that are tried at one time: a few bytes can stand for thousands,
/// and automerge unfolds them all.
const TRIAL_OPS_MAX: usize = 256 * 1024;

/// A change and the log that carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The log whose signed entry carried the change.
    pub log: LogId,
    /// The change.
    pub change: RawChange,
}

/// What became of offered changes; an index is a place among them, and every
/// one of them is applied, a duplicate, waiting or refused.
#[derive(Debug, Default)]
pub struct Admission {
    /// The document with everything that was applied, and its saved bytes;
    /// `None` where nothing was.
    pub document: Option<(Document, Vec<u8>)>,
    /// The changes that were applied, each after those that it builds on.
    pub applied: Vec<ChangeHash>,
    /// Changes that the document or an earlier place already had.
    pub duplicates: Vec<usize>,
    /// Places whose change belongs to a birth that the document now has,
    /// applied or a duplicate, with the actor of that birth.
    pub births: Vec<(usize, ActorId)>,
    /// Changes that may be offered again later, each with the changes that are
    /// missing: none are named for a part of a birth whose rest is missing.
    pub waiting: Vec<(usize, Vec<ChangeHash>)>,
    /// Changes that will never be applied to this document.
    pub refused: Vec<(usize, GateError)>,
    /// Why the saved document itself does not load: then all changes wait
    /// until the caller has made it again from the log.
    pub damaged: Option<DocError>,
}

/// A change that was read.
struct Candidate {
    index: usize,
    head: Head,
    change: Change,
    hash: ChangeHash,
    /// The actor under which the log that carried it may write.
    actor: ActorId,
}

impl Candidate {
    fn is_birth(&self) -> bool {
        self.head.actor != self.actor
    }
}

/// Judges changes of a record and applies those that are sound to a copy of
/// its saved document (`None`: there is none yet).
///
/// A change that is refused never harms the others. Changes may depend on each
/// other in any order.
#[must_use]
pub fn admit(saved: Option<&[u8]>, record: RecordId, offered: &[Offered]) -> Admission {
    let mut admission = Admission::default();
    let document = match saved.map(Document::load).transpose() {
        Ok(document) => document.unwrap_or_default(),
        Err(error) => {
            admission.waiting = (0..offered.len()).map(|index| (index, Vec::new())).collect();
            admission.damaged = Some(error);
            return admission;
        }
    };
    let mut graph = Graph::of(&document);
    let (candidates, births) = read_all(record, offered, &graph, &mut admission);
    let (born, others) = candidates.into_iter().partition(Candidate::is_birth);
    let mut plan = births::admit(record, born, &mut graph, &mut admission);
    plan.extend(judge_all(others, &mut graph, &mut admission));
    if !plan.is_empty() {
        trial::apply(document, plan, TRIAL_OPS_MAX, &mut admission);
    }
    let applied: BTreeSet<ChangeHash> = admission.applied.iter().copied().collect();
    let held = births.into_iter().filter(|birth| birth.known || applied.contains(&birth.hash));
    admission.births = held.map(|birth| (birth.index, birth.actor)).collect();
    admission
}

/// A place whose change is no log's own, and so a part of a birth if of anything.
struct OfBirth {
    index: usize,
    actor: ActorId,
    hash: ChangeHash,
    /// Whether the document had it before.
    known: bool,
}

fn read_all(
    record: RecordId,
    offered: &[Offered],
    graph: &Graph,
    admission: &mut Admission,
) -> (Vec<Candidate>, Vec<OfBirth>) {
    // A copy in a log that may not write the change is another offer: it must
    // not stand in the way of the one in its author's log.
    let mut seen = BTreeSet::new();
    let (mut candidates, mut births) = (Vec::new(), Vec::new());
    for (index, offer) in offered.iter().enumerate() {
        match read(record, index, offer) {
            Ok(candidate) => {
                let (is_birth, hash) = (candidate.is_birth(), candidate.hash);
                let known = graph.contains(&hash);
                if is_birth && candidate.head.time == 0 {
                    births.push(OfBirth { index, actor: candidate.head.actor, hash, known });
                }
                if known || !seen.insert((hash, is_birth)) {
                    admission.duplicates.push(index);
                } else {
                    candidates.push(candidate);
                }
            }
            Err(error) => admission.refused.push((index, error)),
        }
    }
    (candidates, births)
}

fn read(record: RecordId, index: usize, offer: &Offered) -> Result<Candidate, GateError> {
    let head = Chunk::parse(&offer.change.0)?.head;
    let change = guarded(|| Change::from_bytes(offer.change.0.clone()))
        .map_err(GateError::Panicked)?
        .map_err(|error| GateError::Apply(error.to_string()))?;
    let hash = own_hash(change.hash());
    if !hash.0.starts_with(&head.checksum) || change.raw_bytes() != offer.change.0 {
        return Err(ChunkError::Malformed("checksum").into());
    }
    if head.time < 0 {
        return Err(GateError::Time(head.time));
    }
    Ok(Candidate { index, head, change, hash, actor: actor_for(offer.log, record) })
}

/// Judges changes of logs; those that are sound enter the graph and are
/// returned, each after those that it builds on.
fn judge_all(
    mut candidates: Vec<Candidate>,
    graph: &mut Graph,
    admission: &mut Admission,
) -> Vec<Candidate> {
    // A sound change numbers its operations after those that it builds on.
    candidates.sort_by_key(|candidate| (candidate.head.start_op, candidate.hash));
    let mut plan = Vec::new();
    let mut early = Vec::new();
    for candidate in candidates {
        if graph.missing(&candidate.head.dependencies).is_empty() {
            judge(candidate, graph, &mut plan, admission);
        } else {
            early.push(candidate);
        }
    }
    for candidate in early {
        let missing = graph.missing(&candidate.head.dependencies);
        if missing.is_empty() {
            judge(candidate, graph, &mut plan, admission);
        } else {
            admission.waiting.push((candidate.index, missing));
        }
    }
    plan
}

fn judge(
    candidate: Candidate,
    graph: &mut Graph,
    plan: &mut Vec<Candidate>,
    admission: &mut Admission,
) {
    match graph.judge(&candidate.head) {
        Ok(()) => {
            graph.insert(candidate.hash, &candidate.head);
            plan.push(candidate);
        }
        Err(error) => admission.refused.push((candidate.index, error)),
    }
}

#[cfg(test)]
mod tests;
