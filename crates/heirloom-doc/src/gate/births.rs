//! Births: changes that no log signs for, and that anybody can make again.
//!
//! A birth is admitted whole or not at all, and from one log: whatever other
//! logs claim to be parts of it, they neither complete it nor keep it out. Its
//! content is read from its operations without automerge; the birth of that
//! content is then written anew and must be the same bytes.

use super::graph::Graph;
use super::{Admission, Awaited, Candidate};
use crate::author::{Fill, NUMBER_COST};
use crate::birth::{birth, birth_actor};
use crate::chunk::{Action, Chunk, Head, Operation, RawValue};
use crate::error::{ChunkError, GateError};
use crate::value;
use heirloom_base::{ActorId, ChangeHash, LogId, RecordId, id};
use heirloom_schema::{Content, Value};
use std::collections::BTreeMap;

/// Changes of one birth: its content has limits.
const CHANGES_MAX: usize = 512;

/// Admits whole births into the graph; returns their changes in order.
pub(super) fn admit(
    record: RecordId,
    candidates: Vec<Candidate>,
    graph: &mut Graph,
    admission: &mut Admission,
) -> Vec<Candidate> {
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
        for part in run.take(record, candidate, admission) {
            graph.insert(part.hash, &part.head);
            plan.push(part);
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
        part: Candidate,
        admission: &mut Admission,
    ) -> Vec<Candidate> {
        if self.has(&part.hash) {
            admission.duplicates.push(part.index);
            return Vec::new();
        }
        let actor = part.head.actor;
        let continues = self
            .parts
            .last()
            .is_some_and(|last| last.head.actor == actor && part.head.dependencies == [last.hash]);
        if !continues && part.head.seq > 1 {
            admission.refused.push((part.index, GateError::Birth(actor)));
            return Vec::new();
        }
        let read = self.reading.take(part.change.raw_bytes());
        self.parts.push(part);
        if read.is_ok() && self.is_whole(record, actor) {
            return std::mem::take(self).parts;
        }
        let open = self.reading.latest.is_full() && self.parts.len() < CHANGES_MAX;
        if read.is_err() || !open {
            self.refuse(admission);
        }
        Vec::new()
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
            && birth(record, content).is_ok_and(|changes| {
                changes
                    .iter()
                    .map(|change| change.0.as_slice())
                    .eq(self.parts.iter().map(|part| part.change.raw_bytes()))
            })
    }
}

/// What the parts of a birth hold so far.
#[derive(Debug, Default)]
struct Reading {
    content: Content,
    /// The keys of the texts, by the operations that made them.
    texts: BTreeMap<u64, String>,
    /// How full the latest change is.
    latest: Fill,
}

impl Reading {
    /// Reads one more change.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        let chunk = Chunk::parse(bytes)?;
        self.latest = Fill::default();
        for (number, operation) in (chunk.head.start_op..).zip(&chunk.operations) {
            self.operation(number, operation)?;
        }
        Ok(())
    }

    fn operation(&mut self, number: u64, operation: &Operation<'_>) -> Result<(), ChunkError> {
        let strange = ChunkError::Operation("not of a birth");
        let raw = operation.value;
        match (operation.action, operation.key, operation.object) {
            (Action::Set, Some(key), None) => {
                let value = known(raw).ok_or(strange)?;
                let cost = if raw.kind == RawValue::INT { NUMBER_COST } else { raw.bytes.len() };
                self.latest.add(key.len() + cost);
                self.content.insert(key.to_owned(), value);
            }
            (Action::MakeText, Some(key), None) => {
                self.latest.add(key.len());
                self.texts.insert(number, key.to_owned());
                self.content.insert(key.to_owned(), Value::Text(String::new()));
            }
            (Action::Set, None, Some((0, made))) if operation.insert => {
                let key = self.texts.get(&made).ok_or(strange)?;
                let Some(Value::Text(text)) = self.content.get_mut(key) else {
                    return Err(strange);
                };
                text.push_str(std::str::from_utf8(raw.bytes).map_err(|_| strange)?);
                self.latest.add(raw.bytes.len());
            }
            (Action::Set | Action::Delete | Action::MakeText, _, _) => return Err(strange),
        }
        Ok(())
    }
}

fn known(raw: RawValue<'_>) -> Option<Value> {
    match raw.kind {
        RawValue::STR => {
            std::str::from_utf8(raw.bytes).ok().map(|text| Value::Str(text.to_owned()))
        }
        RawValue::INT => raw.as_int().map(Value::Int),
        RawValue::BYTES => value::from_bytes(raw.bytes),
        _ => None,
    }
}
