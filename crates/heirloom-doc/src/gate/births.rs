//! Births: changes that no log signs for, and that anybody can make again.
//!
//! A birth is admitted whole or not at all. Its content is read from its
//! operations without automerge; the birth of that content is then written
//! anew and must be the same bytes.

use super::graph::Graph;
use super::{Admission, Candidate};
use crate::author::{Fill, NUMBER_COST};
use crate::birth::{birth, birth_actor};
use crate::chunk::{Action, Chunk, Head, Operation, RawValue};
use crate::error::{ChunkError, GateError};
use crate::value;
use heirloom_base::{ActorId, ChangeHash, RecordId, id};
use heirloom_schema::{Content, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Changes of one birth: its content has limits.
const CHANGES_MAX: usize = 1_024;
/// Changes that may claim to be the same part of a birth; further ones wait.
const RIVALS_MAX: usize = 4;

/// Admits whole births into the graph; returns their changes in order.
pub(super) fn admit(
    record: RecordId,
    candidates: Vec<Candidate>,
    graph: &mut Graph,
    admission: &mut Admission,
) -> Vec<Candidate> {
    let mut by_actor: BTreeMap<ActorId, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        match shape(&candidate.head, graph) {
            Ok(()) => by_actor.entry(candidate.head.actor).or_default().push(candidate),
            Err(error) => admission.refused.push((candidate.index, error)),
        }
    }
    let mut plan = Vec::new();
    for (actor, parts) in by_actor {
        let whole = Search::new(record, actor, &parts).run();
        let mut parts: BTreeMap<ChangeHash, Candidate> =
            parts.into_iter().map(|part| (part.hash, part)).collect();
        for part in whole.birth.iter().filter_map(|hash| parts.remove(hash)) {
            graph.insert(part.hash, &part.head);
            plan.push(part);
        }
        settle(actor, parts, whole, admission);
    }
    plan
}

/// Checks that a change can be a part of a birth that is not there yet.
fn shape(head: &Head, graph: &Graph) -> Result<(), GateError> {
    let first = head.seq == 1 && head.dependencies.is_empty() && head.start_op == 1;
    let later = head.seq > 1 && head.dependencies.len() == 1;
    if head.time != 0 || !(first || later) {
        return Err(GateError::Actor { found: id::to_hex(&head.actor.0) });
    }
    if graph.knows(head.actor) { Err(GateError::Birth(head.actor)) } else { Ok(()) }
}

/// Lets the parts wait that another part may still complete, and refuses the rest.
fn settle(
    actor: ActorId,
    parts: BTreeMap<ChangeHash, Candidate>,
    mut found: Found,
    admission: &mut Admission,
) {
    let known: BTreeSet<ChangeHash> = parts.keys().chain(&found.birth).copied().collect();
    let mut parts: Vec<Candidate> = parts.into_values().collect();
    parts.sort_by_key(|part| part.head.seq);
    for part in parts {
        let before = part.head.dependencies.first();
        let missing: Vec<ChangeHash> =
            before.filter(|hash| !known.contains(hash)).copied().into_iter().collect();
        let follows = before.is_some_and(|hash| found.open.contains(hash));
        if found.birth.is_empty()
            && (found.open.contains(&part.hash) || follows || !missing.is_empty())
        {
            found.open.insert(part.hash);
            admission.waiting.push((part.index, missing));
        } else {
            admission.refused.push((part.index, GateError::Birth(actor)));
        }
    }
}

/// What a search found.
#[derive(Debug, Default)]
struct Found {
    /// The changes of the whole birth in order, if it is there.
    birth: Vec<ChangeHash>,
    /// Changes that may belong to a birth whose rest is missing.
    open: BTreeSet<ChangeHash>,
}

/// A search for the one sequence of parts that is a whole birth.
struct Search<'a> {
    record: RecordId,
    actor: ActorId,
    parts: &'a [Candidate],
    after: BTreeMap<Option<ChangeHash>, Vec<&'a Candidate>>,
}

/// A place in the search: a part, and what was read before it.
struct Step<'a> {
    path: Vec<&'a Candidate>,
    reading: Rc<Reading>,
    part: &'a Candidate,
}

impl<'a> Search<'a> {
    fn new(record: RecordId, actor: ActorId, parts: &'a [Candidate]) -> Self {
        let mut after: BTreeMap<Option<ChangeHash>, Vec<&Candidate>> = BTreeMap::new();
        for part in parts {
            after.entry(part.head.dependencies.first().copied()).or_default().push(part);
        }
        Self { record, actor, parts, after }
    }

    fn run(&self) -> Found {
        let mut found = Found::default();
        let mut open = self.next(Vec::new(), Reading::default(), &mut found);
        let mut visits = 0;
        while let Some(Step { mut path, reading, part }) = open.pop() {
            visits += 1;
            debug_assert!(visits <= self.parts.len(), "every part has one part before it");
            let mut reading = Rc::unwrap_or_clone(reading);
            if reading.take(part.change.raw_bytes()).is_err() {
                continue;
            }
            path.push(part);
            if self.is_whole(&path, &reading.content) {
                found.birth = path.iter().map(|part| part.hash).collect();
                return found;
            }
            if reading.latest.is_full() && path.len() < CHANGES_MAX {
                let last = !self.after.contains_key(&Some(part.hash));
                found.open.extend(path.iter().filter(|_| last).map(|part| part.hash));
                open.extend(self.next(path, reading, &mut found));
            }
        }
        found
    }

    /// Returns the parts that may follow a path.
    fn next(&self, path: Vec<&'a Candidate>, reading: Reading, found: &mut Found) -> Vec<Step<'a>> {
        let last = path.last().map(|part| part.hash);
        let following = self.after.get(&last).map(Vec::as_slice).unwrap_or_default();
        found.open.extend(following.iter().skip(RIVALS_MAX).map(|part| part.hash));
        let reading = Rc::new(reading);
        let steps = following.iter().take(RIVALS_MAX).map(|part| Step {
            path: path.clone(),
            reading: Rc::clone(&reading),
            part,
        });
        steps.collect()
    }

    /// Returns whether a path is the birth of the content that it holds.
    fn is_whole(&self, path: &[&Candidate], content: &Content) -> bool {
        birth_actor(self.record, content) == self.actor
            && birth(self.record, content).is_ok_and(|changes| {
                changes
                    .iter()
                    .map(|change| change.0.as_slice())
                    .eq(path.iter().map(|part| part.change.raw_bytes()))
            })
    }
}

/// What the parts of a birth hold so far.
#[derive(Debug, Clone, Default)]
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
