//! The gate: changes of other devices, judged before they touch a document.
//!
//! automerge was seen to panic on, to abort over and to be damaged for ever by
//! changes that a member could craft. So every change is first read by a
//! parser that trusts nothing ([`crate::chunk`]), then judged against the
//! changes that it builds on, then tried on a copy behind a guard, and the
//! result is believed only after it was saved and loaded again. A birth that
//! begins a document is not, nor is a plain edit of all that is here: their
//! bytes are the ones that this device would write itself.
//!
//! Invariant: what is admitted does not depend on the order in which logs
//! arrive. The changes of one log are judged in the order of that log, one
//! that has to wait holds up those behind it, and a birth is put together from
//! one log alone; so no log can change what becomes of another's changes.

mod anew;
mod births;
mod graph;
mod queues;
mod trial;

use crate::birth::recognised;
use crate::change::{RawChange, actor_for, own_hash};
use crate::chunk::{self, Chunk, Head};
use crate::document::Document;
use crate::error::{ChunkError, DocError, GateError};
use automerge::Change;
use graph::Graph;
use heirloom_base::guard::guarded;
use heirloom_base::{ActorId, ChangeHash, LogId, RecordId, limits};
use heirloom_schema::Content;
use queues::Queues;
use std::collections::BTreeSet;
use trial::Trials;

/// Operations that are applied at one time: a few bytes can stand for
/// thousands, and automerge unfolds them all, at 700 bytes each.
const TRIAL_OPS_MAX: usize = limits::ENTRY_OPS_MAX;

/// A change and the log that carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The log whose signed entry carried the change.
    pub log: LogId,
    /// The change.
    pub change: RawChange,
}

/// What a change waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// A change that it builds on and that is not there; there may be more.
    Change(ChangeHash),
    /// The changes that stand before it in its log and wait themselves.
    Earlier,
    /// The rest of the birth by this actor, in the same log or in another.
    Birth(ActorId),
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
    /// Changes that may be offered again, when what they wait for has come.
    pub waiting: Vec<(usize, Awaited)>,
    /// Changes that will never be applied to this document.
    pub refused: Vec<(usize, GateError)>,
    /// Logs of which a change broke the merge. Their later changes for this
    /// record are not to be offered: whoever writes soundly builds each on the
    /// one before, so that these could never come in, and every trial costs as
    /// much as the document.
    pub closed: BTreeSet<LogId>,
    /// Why the saved document itself does not load: then all changes wait
    /// until the caller has made it again from the log.
    pub damaged: Option<DocError>,
}

/// A change that was read.
#[derive(Debug, Clone)]
struct Candidate {
    index: usize,
    log: LogId,
    head: Head,
    raw: RawChange,
    /// The change as automerge reads it; a part of a birth is compared with
    /// what this device writes, and read only where it is applied.
    change: Option<Change>,
    /// What it says, where it is a whole birth by itself: it was written anew
    /// and is the same.
    born: Option<Content>,
    hash: ChangeHash,
    /// The actor under which the log that carried it may write.
    actor: ActorId,
}

impl Candidate {
    fn is_birth(&self) -> bool {
        self.head.actor != self.actor
    }

    /// Returns the change as automerge reads it.
    fn change(&self) -> Result<Change, GateError> {
        self.change.clone().map_or_else(|| opened(&self.raw, &self.hash), Ok)
    }
}

/// What a change claims to be, before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A change of the log itself.
    Own,
    /// A part of a birth.
    Birth {
        /// The change.
        hash: ChangeHash,
        /// The part before it.
        after: Option<ChangeHash>,
    },
    /// Nothing that could ever be admitted.
    Nothing,
}

/// Returns whether a change claims to be the log's own: such changes are
/// judged in the order of the log. Only its author is read.
#[must_use]
pub fn is_own(change: &RawChange, log: LogId, record: RecordId) -> bool {
    crate::chunk::author(&change.0) == Some(actor_for(log, record))
}

/// Returns what a change in a log claims to be.
#[must_use]
pub fn claim(change: &RawChange, log: LogId, record: RecordId) -> Claim {
    if is_own(change, log, record) {
        return Claim::Own;
    }
    match read(record, 0, &Offered { log, change: change.clone() }) {
        Ok(Candidate { head, hash, .. }) if head.time == 0 && head.dependencies.len() < 2 => {
            Claim::Birth { hash, after: head.dependencies.first().copied() }
        }
        Ok(_) | Err(_) => Claim::Nothing,
    }
}

/// Returns a change's own hash and those of the changes that it builds on, if
/// it is one that could ever be admitted.
#[must_use]
pub fn links(change: &RawChange) -> Option<(ChangeHash, Vec<ChangeHash>)> {
    let offered = Offered { log: LogId([0; 16]), change: change.clone() };
    let candidate = read(RecordId([0; 16]), 0, &offered).ok()?;
    candidate.change().ok()?;
    Some((candidate.hash, candidate.head.dependencies))
}

/// Judges changes of a record and applies those that are sound to a copy of
/// its saved document (`None`: there is none yet).
///
/// The changes of one log are to be offered in the order of that log, and
/// those that waited before the later ones. A change that is refused never
/// harms the others.
#[must_use]
pub fn admit(saved: Option<&[u8]>, record: RecordId, offered: &[Offered]) -> Admission {
    match saved.map(Document::load).transpose() {
        Ok(document) => admit_into(document.unwrap_or_default(), record, offered, None),
        Err(error) => {
            let all = 0..offered.len();
            let waiting = all.map(|index| (index, Awaited::Earlier)).collect();
            Admission { waiting, damaged: Some(error), ..Admission::default() }
        }
    }
}

/// A document and its saved bytes.
pub type Saved = (Document, Vec<u8>);

/// As [`admit`], of a document that was loaded.
///
/// `written` is the document as this device has left it, where it wrote one:
/// if that is what the judged changes lead to, it is taken instead of trying
/// again what was done here already. It is nobody else's work.
#[must_use]
pub fn admit_into(
    document: Document,
    record: RecordId,
    offered: &[Offered],
    written: Option<Saved>,
) -> Admission {
    admit_in_parts((document, written), record, offered, TRIAL_OPS_MAX)
}

fn admit_in_parts(
    (document, written): (Document, Option<Saved>),
    record: RecordId,
    offered: &[Offered],
    operations_max: usize,
) -> Admission {
    let left = written.as_ref();
    let left = left.and_then(|left| anew::take_left(&document, record, offered, left));
    if let Some(admission) = left.or_else(|| anew::take_all(&document, record, offered)) {
        return admission;
    }
    let mut admission = Admission::default();
    let mut graph = Graph::of(&document);
    let (candidates, births) = read_all(record, offered, &graph, &mut admission);
    let (born, others) = candidates.into_iter().partition(Candidate::is_birth);
    let mut trials = Trials::of(document, written);
    let plan = births::admit(record, born, &mut graph, &mut admission);
    trials.take_births(plan, operations_max, &mut admission);
    Queues::of(others).admit(&mut trials, operations_max, &mut admission);
    trials.finish(&mut admission);
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
                if is_birth {
                    candidates.push(candidate);
                } else if known || !seen.insert((hash, offer.log)) {
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
    let (raw, log) = (offer.change.clone(), offer.log);
    let actor = actor_for(log, record);
    let is_foreign = chunk::author(&raw.0) != Some(actor);
    if let Some((hash, head, content)) = is_foreign.then(|| recognised(record, &raw)).flatten() {
        let (change, born) = (None, Some(content));
        return Ok(Candidate { index, log, head, raw, change, born, hash, actor });
    }
    let head = Chunk::parse(&raw.0)?.head;
    let hash = chunk::hash_of(&raw.0)?;
    if head.time < 0 {
        return Err(GateError::Time(head.time));
    }
    let change = (head.actor == actor).then(|| opened(&raw, &hash)).transpose()?;
    Ok(Candidate { index, log, head, raw, change, born: None, hash, actor })
}

/// Lets automerge read a change that was read without trust before.
fn opened(raw: &RawChange, hash: &ChangeHash) -> Result<Change, GateError> {
    let change = guarded(|| Change::from_bytes(raw.0.clone()))
        .map_err(GateError::Panicked)?
        .map_err(|error| GateError::Apply(error.to_string()))?;
    match own_hash(change.hash()) == *hash && change.raw_bytes() == raw.0 {
        true => Ok(change),
        false => Err(ChunkError::Malformed("form").into()),
    }
}

#[cfg(test)]
mod tests;
