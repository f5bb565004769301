//! Records that were edited key by key, one edit after the other.
//!
//! Most records that anybody edits at all are such: a new number of a contact,
//! a setting. What they show follows from the birth and from each edit in turn,
//! and the change that an edit makes follows from its place alone, so that no
//! document is needed. It is made when somebody edits a text, when changes meet
//! that were made apart, or when the history is asked for.

use crate::author::{self, Step, Texts};
use crate::birth::{Newborn, raw, value_of};
use crate::change::{RawChange, foreign_hash};
use crate::chunk::writer::{self, Front, NewOperation};
use crate::chunk::{self, ACTION_DELETE, ACTION_SET, Action, Chunk, Head, Operation, RawValue};
use crate::error::{ChunkError, DocError};
use crate::value;
use automerge::{Automerge, ScalarValue};
use heirloom_base::{ActorId, ChangeHash, Hlc};
use heirloom_schema::{Content, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of edits above which the document is made: it saves long histories in
/// less.
const EDITS_BYTES_MAX: usize = 32 * 1024;

/// A birth, and the edits that came since.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    born: Arc<Newborn>,
    /// Nothing where nobody has edited the record.
    later: Option<Arc<Later>>,
}

/// The edits, and what they have led to.
#[derive(Debug, Clone)]
struct Later {
    /// In order, each building on the one before.
    edits: Vec<Edit>,
    /// Their changes, one behind the other.
    bytes: Vec<u8>,
    slots: BTreeMap<String, Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Edit {
    hash: ChangeHash,
    actor: ActorId,
    seq: u64,
    time: i64,
    max_op: u64,
}

/// Where a change comes in a history of one after the other.
#[derive(Debug)]
struct Place {
    after: Vec<ChangeHash>,
    seq: u64,
    start_op: u64,
}

impl Later {
    /// Takes in an edit at its place; nothing where it edits a text.
    fn take(
        &mut self,
        (actor, time): (ActorId, i64),
        place: &Place,
        steps: &[Step],
        (change, hash): (&[u8], ChangeHash),
    ) -> Option<()> {
        let hlc = Hlc(u64::try_from(time).ok()?);
        for (number, step) in (place.start_op..).zip(steps) {
            match step {
                Step::Put(key, scalar) => {
                    let (value, removed) = (shown(scalar), *scalar == value::REMOVED);
                    let slot = Slot { value, removed, number, actor, hlc, change: hash };
                    self.slots.insert(key.clone(), slot);
                }
                Step::Delete(key) => drop(self.slots.remove(key)),
                Step::MakeText(_) | Step::Splice(..) => return None,
            }
        }
        let max_op = place.start_op + steps.len() as u64 - 1;
        self.edits.push(Edit { hash, actor, seq: place.seq, time, max_op });
        self.bytes.extend_from_slice(change);
        Some(())
    }
}

/// What stands under a key: what was set last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// The value; nothing where the key was removed, and for a value that this
    /// version does not know.
    pub(super) value: Option<Value>,
    pub(super) removed: bool,
    /// The number of the operation.
    number: u64,
    pub(super) actor: ActorId,
    pub(super) hlc: Hlc,
    /// The change that the operation is in.
    pub(super) change: ChangeHash,
}

impl Plain {
    pub(crate) fn of(born: Newborn) -> Self {
        Self { born: Arc::new(born), later: None }
    }

    /// Reads a record that was saved: its changes one behind the other.
    ///
    /// # Errors
    /// [`DocError::Damaged`].
    pub(crate) fn load(bytes: &[u8]) -> Result<Self, DocError> {
        let damaged = || DocError::Damaged(ChunkError::Malformed("end").to_string());
        let born_by = chunk::author(bytes).ok_or_else(damaged)?;
        let mut rest = bytes;
        let mut edits = Vec::new();
        while let Some((change, later)) = chunk::split(rest) {
            if !edits.is_empty() || chunk::author(change) != Some(born_by) {
                edits.push(change);
            }
            rest = later;
        }
        let edited: usize = edits.iter().map(|edit| edit.len()).sum();
        let born = bytes.get(..bytes.len() - rest.len() - edited).ok_or_else(damaged)?;
        let mut plain = Self::of(Newborn::load(born)?);
        if !rest.is_empty() {
            return Err(damaged());
        }
        for edit in edits {
            let hash = chunk::hash_of(edit);
            let hash = hash.map_err(|error| DocError::Damaged(error.to_string()))?;
            plain = plain.read(edit, hash).ok_or_else(damaged)?;
        }
        Ok(plain)
    }

    /// Returns the bytes to be saved: the changes themselves.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut saved = self.born.save();
        self.later.iter().for_each(|later| saved.extend_from_slice(&later.bytes));
        saved
    }

    /// Returns the birth, where nothing has come since.
    pub(crate) fn newborn(&self) -> Option<&Newborn> {
        self.later.is_none().then_some(&self.born)
    }

    pub(crate) fn born(&self) -> &Newborn {
        &self.born
    }

    fn edits(&self) -> &[Edit] {
        self.later.as_ref().map_or(&[], |later| later.edits.as_slice())
    }

    /// Returns the last change.
    pub(crate) fn hash(&self) -> ChangeHash {
        self.edits().last().map_or_else(|| self.born.hash(), |edit| edit.hash)
    }

    /// Returns the number of changes.
    pub(crate) fn count(&self) -> usize {
        self.born.parts().len() + self.edits().len()
    }

    /// Returns who made the last change, and when; a birth has no time.
    pub(crate) fn last_author(&self) -> (ActorId, Option<Hlc>) {
        let hlc = |time: i64| u64::try_from(time).ok().map(Hlc);
        let last = self.edits().last().map(|edit| (edit.actor, hlc(edit.time)));
        last.unwrap_or_else(|| (self.born.actor(), None))
    }

    pub(crate) fn has(&self, hash: &ChangeHash) -> bool {
        let is_born = self.born.parts().iter().any(|part| part.hash == *hash);
        is_born || self.edits().iter().any(|edit| edit.hash == *hash)
    }

    pub(crate) fn content(&self) -> Content {
        let Some(later) = &self.later else { return self.born.content().clone() };
        let shown = later.slots.iter().filter_map(|(key, slot)| Some((key, slot.value.as_ref()?)));
        shown.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        match &self.later {
            None => self.born.content().get(key),
            Some(later) => later.slots.get(key)?.value.as_ref(),
        }
    }

    /// Returns whether a key has anything, be it that it was removed.
    pub(crate) fn holds(&self, key: &str) -> bool {
        match &self.later {
            None => self.born.content().contains_key(key),
            Some(later) => later.slots.contains_key(key),
        }
    }

    /// Returns what stands under a key.
    pub(super) fn slot(&self, key: &str) -> Option<Slot> {
        match &self.later {
            None => slots(&self.born).remove(key),
            Some(later) => later.slots.get(key).cloned(),
        }
    }

    /// Returns the record with one more change that this device has saved: its bytes
    /// are what they were, so that they need not be written anew to be believed.
    fn read(mut self, change: &[u8], hash: ChangeHash) -> Option<Self> {
        let Chunk { head, operations, .. } = Chunk::parse(change).ok()?;
        let steps = operations.iter().map(step).collect::<Option<Vec<Step>>>()?;
        let place = self.place_of_next(head.actor);
        let is_next = head.dependencies == place.after
            && (head.seq, head.start_op) == (place.seq, place.start_op);
        if !is_next || head.time <= 0 || head.actor == self.born.actor() {
            return None;
        }
        let mut later = self.take_later();
        Arc::make_mut(&mut later).take((head.actor, head.time), &place, &steps, (change, hash))?;
        self.later = Some(later);
        Some(self)
    }

    /// Returns the record with one more change, where that is such an edit as
    /// this device would write.
    pub(crate) fn grown_by(&self, head: &Head, steps: &[Step], change: &[u8]) -> Option<Self> {
        let (grown, anew) = self.edited(head.actor, head.time, steps)?;
        (anew.0 == change).then_some(grown)
    }

    /// Returns the record after an edit, and the change that it is; nothing where
    /// it needs a document or would be more than one change.
    pub(crate) fn edited(
        &self,
        actor: ActorId,
        time: i64,
        steps: &[Step],
    ) -> Option<(Self, RawChange)> {
        let is_one = author::bounded(steps.to_vec(), &Texts::new()).len() == 1;
        if time <= 0 || !is_one || actor == self.born.actor() {
            return None;
        }
        let mut grown = self.clone();
        let mut later = grown.take_later();
        let others = overwritten(&later.slots, steps, actor)?;
        let operations = operations(&later.slots, steps, (actor, &others))?;
        let place = self.place_of_next(actor);
        let Place { after, seq, start_op } = &place;
        let front = Front { after, actor, seq: *seq, start_op: *start_op, time, others: &others };
        let (bytes, hash) = writer::write(front, &operations);
        if later.bytes.len() + bytes.len() > EDITS_BYTES_MAX {
            return None;
        }
        Arc::make_mut(&mut later).take((actor, time), &place, steps, (&bytes, hash))?;
        grown.later = Some(later);
        Some((grown, RawChange(bytes)))
    }

    /// Takes the edits out, also where there are none.
    fn take_later(&mut self) -> Arc<Later> {
        self.later.take().unwrap_or_else(|| {
            Arc::new(Later { edits: Vec::new(), bytes: Vec::new(), slots: slots(&self.born) })
        })
    }

    /// Returns what the next change of an author builds on, and its numbers.
    fn place_of_next(&self, actor: ActorId) -> Place {
        let own = self.edits().iter().rev().find(|edit| edit.actor == actor);
        let mut after = vec![self.hash()];
        after.extend(own.map(|edit| edit.hash).filter(|hash| !after.contains(hash)));
        after.sort_unstable();
        let born_max = self.born.parts().last().map_or(0, |part| part.max_op);
        let start_op = self.edits().last().map_or(born_max, |edit| edit.max_op) + 1;
        Place { after, seq: own.map_or(0, |edit| edit.seq) + 1, start_op }
    }

    /// Returns the document that the changes make.
    pub(crate) fn unfolded(&self) -> Automerge {
        let mut automerge = self.born.unfolded();
        let mut rest = self.later.as_ref().map_or([].as_slice(), |later| &later.bytes);
        for edit in self.edits() {
            let (change, behind) = chunk::split(rest).expect("an edit was written before");
            rest = behind;
            let steps = steps(change).expect("an edit was read before");
            let written = author::enact(&mut automerge, edit.actor, edit.time, steps, Texts::new());
            assert!(written.is_ok(), "an edit is what this device writes itself");
        }
        let is_same = automerge.get_heads() == [foreign_hash(self.hash())];
        assert!(is_same, "an edit is what this device writes itself");
        automerge
    }
}

/// Returns what stands under each key of a birth.
fn slots(born: &Newborn) -> BTreeMap<String, Slot> {
    let (mut count, mut slots) = (0, BTreeMap::new());
    for (key, value) in born.content() {
        let number = count + 1;
        count = match value {
            Value::Text(text) => number + text.chars().count() as u64,
            Value::Str(_) | Value::Int(_) | Value::Bytes(_) | Value::Blob(_) => number,
        };
        let part = born.parts().iter().find(|part| number <= part.max_op);
        let change = part.map_or_else(|| born.hash(), |part| part.hash);
        let (value, removed, actor) = (Some(value.clone()), false, born.actor());
        let slot = Slot { value, removed, number, actor, hlc: Hlc(0), change };
        slots.insert(key.clone(), slot);
    }
    slots
}

/// Returns the other actors whose values are overwritten, in order.
fn overwritten(
    slots: &BTreeMap<String, Slot>,
    steps: &[Step],
    own: ActorId,
) -> Option<Vec<ActorId>> {
    let mut others = BTreeSet::new();
    for step in steps {
        let (Step::Put(key, _) | Step::Delete(key)) = step else { return None };
        others.extend(slots.get(key).map(|slot| slot.actor).filter(|actor| *actor != own));
    }
    Some(others.into_iter().collect())
}

/// Returns the operations of an edit, none of which may be without effect.
fn operations<'a>(
    slots: &BTreeMap<String, Slot>,
    steps: &'a [Step],
    (own, others): (ActorId, &[ActorId]),
) -> Option<Vec<NewOperation<'a>>> {
    let mut touched = BTreeSet::new();
    let place = |actor: ActorId| match actor == own {
        true => Some(0),
        false => others.binary_search(&actor).ok().map(|place| place as u64 + 1),
    };
    let one = |step: &'a Step| {
        let (Step::Put(key, _) | Step::Delete(key)) = step else { return None };
        let slot = slots.get(key);
        let over = match slot {
            Some(slot) => Some((place(slot.actor)?, slot.number)),
            None => None,
        };
        if !touched.insert(key) {
            return None;
        }
        match step {
            Step::Put(key, scalar) => {
                let is_again = slot.is_some_and(|slot| {
                    slot.value == shown(scalar) && slot.removed == (*scalar == value::REMOVED)
                });
                let (kind, value) = raw(scalar);
                let operation = NewOperation::Key { key, action: ACTION_SET, kind, value, over };
                (!is_again).then_some(operation)
            }
            Step::Delete(key) => {
                let (kind, value) = (RawValue::NULL, Cow::Borrowed([].as_slice()));
                let operation = NewOperation::Key { key, action: ACTION_DELETE, kind, value, over };
                over.is_some().then_some(operation)
            }
            Step::MakeText(_) | Step::Splice(..) => None,
        }
    };
    steps.iter().map(one).collect()
}

/// Returns the value that a scalar stands for.
fn shown(scalar: &ScalarValue) -> Option<Value> {
    let (kind, bytes) = raw(scalar);
    value_of(RawValue { kind, bytes: &bytes })
}

/// Returns what a change does, where it does nothing but set keys to scalars and
/// remove them.
fn steps(change: &[u8]) -> Option<Vec<Step>> {
    Chunk::parse(change).ok()?.operations.iter().map(step).collect()
}

/// Returns what an operation does, where it sets a key to a scalar or removes it.
pub(crate) fn step(operation: &Operation<'_>) -> Option<Step> {
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

#[cfg(test)]
mod tests;
