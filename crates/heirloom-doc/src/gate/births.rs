//! Births: changes that no log signs for, and that anybody can make again.
//!
//! A birth is admitted whole or not at all, and from one log: whatever other
//! logs claim to be parts of it, they neither complete it nor keep it out. Its
//! content is read from its operations without automerge; the birth of that
//! content is then written anew and must be the same bytes.

use super::graph::Graph;
use super::{Admission, Awaited, Candidate};
use crate::birth::{Newborn, Part, Reading, birth, birth_actor};
use crate::chunk::Head;
use crate::error::GateError;
use heirloom_base::{ActorId, ChangeHash, LogId, RecordId, id};
use heirloom_schema::Content;
use std::collections::BTreeMap;

/// Changes of one birth: its content has limits.
const CHANGES_MAX: usize = 512;

/// A birth that is admitted.
pub(super) struct Whole {
    /// Its changes in order.
    pub(super) parts: Vec<Candidate>,
    /// What they say.
    content: Content,
}

impl Whole {
    /// Returns the birth by itself.
    pub(super) fn into_newborn(self) -> Option<Newborn> {
        let actor = self.parts.first()?.head.actor;
        let part =
            |one: Candidate| Part { max_op: one.head.max_op(), hash: one.hash, change: one.raw };
        Some(Newborn::of(self.parts.into_iter().map(part).collect(), actor, self.content))
    }
}

/// Admits whole births into the graph; returns them in order.
pub(super) fn admit(
    record: RecordId,
    candidates: Vec<Candidate>,
    graph: &mut Graph,
    admission: &mut Admission,
) -> Vec<Whole> {
    let mut runs: BTreeMap<LogId, Run> = BTreeMap::new();
    let mut plan = Vec::new();
    for candidate in candidates {
        let run = runs.entry(candidate.log).or_default();
        if begins(&candidate.head) && !run.has(&candidate.hash) {
            // Also where this birth is known already: what becomes of a log's
            // births must not depend on other logs.
            run.refuse(admission);
        }
        if graph.contains(&candidate.hash) {
            admission.duplicates.push(candidate.index);
            continue;
        }
        if let Err(error) = shape(&candidate.head, graph) {
            admission.refused.push((candidate.index, error));
            continue;
        }
        if let Some(whole) = run.take(record, candidate, admission) {
            for part in &whole.parts {
                graph.insert(part.hash, &part.head);
            }
            plan.push(whole);
        }
    }
    for part in runs.into_values().flat_map(|run| run.parts) {
        let (index, actor) = (part.index, part.head.actor);
        if graph.contains(&part.hash) {
            admission.duplicates.push(index);
        } else if graph.knows(actor) {
            admission.refused.push((index, GateError::Birth(actor)));
        } else {
            admission.waiting.push((index, Awaited::Birth(actor)));
        }
    }
    plan
}

/// Returns whether a change claims to be the first part of a birth.
fn begins(head: &Head) -> bool {
    head.time == 0 && head.seq == 1 && head.dependencies.is_empty() && head.start_op == 1
}

/// Checks that a change can be a part of a birth that is not there yet.
fn shape(head: &Head, graph: &Graph) -> Result<(), GateError> {
    let later = head.time == 0 && head.seq > 1 && head.dependencies.len() == 1;
    if !later && !begins(head) {
        return Err(GateError::Actor { found: id::to_hex(&head.actor.0) });
    }
    if graph.knows(head.actor) { Err(GateError::Birth(head.actor)) } else { Ok(()) }
}

/// The parts of a birth that one log has carried so far, one after the other:
/// whoever writes a birth writes it without a gap.
#[derive(Default)]
struct Run {
    parts: Vec<Candidate>,
    reading: Reading,
}

impl Run {
    /// Takes the next part of the log; returns the birth where it is whole now.
    fn take(
        &mut self,
        record: RecordId,
        mut part: Candidate,
        admission: &mut Admission,
    ) -> Option<Whole> {
        if self.has(&part.hash) {
            admission.duplicates.push(part.index);
            return None;
        }
        let actor = part.head.actor;
        if let Some(content) = part.born.take() {
            // Whatever the log began before was given up.
            return Some(Whole { parts: vec![part], content });
        }
        let continues = self
            .parts
            .last()
            .is_some_and(|last| last.head.actor == actor && part.head.dependencies == [last.hash]);
        if !continues && part.head.seq > 1 {
            admission.refused.push((part.index, GateError::Birth(actor)));
            return None;
        }
        let read = self.reading.take(&part.raw.0);
        self.parts.push(part);
        if read.is_ok() && self.is_whole(record, actor) {
            let Self { parts, reading } = std::mem::take(self);
            return Some(Whole { parts, content: reading.content });
        }
        let open = self.reading.latest.is_full() && self.parts.len() < CHANGES_MAX;
        if read.is_err() || !open {
            self.refuse(admission);
        }
        None
    }

    fn has(&self, hash: &ChangeHash) -> bool {
        self.parts.iter().any(|part| part.hash == *hash)
    }

    /// Gives up what was carried so far.
    fn refuse(&mut self, admission: &mut Admission) {
        for part in std::mem::take(self).parts {
            admission.refused.push((part.index, GateError::Birth(part.head.actor)));
        }
    }

    /// Returns whether the parts are the birth of the content that they hold.
    fn is_whole(&self, record: RecordId, actor: ActorId) -> bool {
        let content = &self.reading.content;
        birth_actor(record, content) == actor
            && birth(record, content)
                .is_ok_and(|changes| changes.iter().eq(self.parts.iter().map(|part| &part.raw)))
    }
}
