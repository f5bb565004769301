//! Writing changes of bounded size.

use crate::change::{RawChange, foreign_actor};
use crate::text::Splice;
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{Automerge, AutomergeError, ObjId, ObjType, ROOT, ScalarValue};
use heirloom_base::ActorId;
use std::collections::BTreeMap;

/// Operations that a change of ours has at most; the gate allows twice as many.
pub(crate) const CHANGE_OPS: usize = 4_096;
/// Cost in bytes above which a change of ours ends, so that with its last
/// value and its header it stays below 64 KiB.
pub(crate) const CHANGE_COST: usize = 40 * 1024;
/// What an operation costs beside its key and its value.
pub(crate) const OPERATION_COST: usize = 4;
/// What a number costs, whatever its size.
pub(crate) const NUMBER_COST: usize = 8;

/// One thing that a change does.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sets a key to a scalar.
    Put(String, ScalarValue),
    /// Removes a key.
    Delete(String),
    /// Sets a key to a new, empty text.
    MakeText(String),
    /// Replaces a part of a key's text.
    Splice(String, Splice),
}

/// How full a change is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fill {
    operations: usize,
    cost: usize,
}

impl Fill {
    /// Counts one operation with the bytes of its key and value.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.add_each(1, bytes);
    }

    fn add_each(&mut self, count: usize, bytes: usize) {
        self.operations += count;
        self.cost += count * (OPERATION_COST + bytes);
    }

    /// Returns whether nothing more goes into this change.
    pub(crate) fn is_full(self) -> bool {
        self.operations >= CHANGE_OPS || self.cost >= CHANGE_COST
    }
}

/// The texts that stand under a key: one, or several that were made at the
/// same time and read the same, which are then changed alike.
pub(crate) type Texts = BTreeMap<String, Vec<ObjId>>;

/// Writes steps as changes of an actor; `texts` names the texts that exist.
///
/// # Errors
/// When automerge refuses a step; the document must be thrown away then.
pub(crate) fn write(
    document: &mut Automerge,
    actor: ActorId,
    time: i64,
    steps: Vec<Step>,
    texts: Texts,
) -> Result<Vec<RawChange>, AutomergeError> {
    let before = document.get_heads();
    enact(document, actor, time, steps, texts)?;
    // At once: each reading of changes goes through the whole document.
    let changes = document.get_changes(&before);
    Ok(changes.iter().map(|change| RawChange(change.raw_bytes().to_vec())).collect())
}

/// As [`write`], where the changes are known: whether they are the same shows
/// in the heads afterwards, which are hashes of their bytes.
///
/// # Errors
/// As [`write`].
pub(crate) fn enact(
    document: &mut Automerge,
    actor: ActorId,
    time: i64,
    steps: Vec<Step>,
    mut texts: Texts,
) -> Result<(), AutomergeError> {
    document.set_actor(foreign_actor(actor));
    for steps in bounded(steps, &texts) {
        let mut transaction = document.transaction();
        for step in steps {
            take(&mut transaction, step, &mut texts)?;
        }
        transaction.commit_with(CommitOptions::default().with_time(time));
    }
    Ok(())
}

fn take(
    transaction: &mut Transaction<'_>,
    step: Step,
    texts: &mut Texts,
) -> Result<(), AutomergeError> {
    match step {
        Step::Put(key, scalar) => transaction.put(ROOT, key, scalar),
        Step::Delete(key) => transaction.delete(ROOT, key),
        Step::MakeText(key) => {
            let text = transaction.put_object(ROOT, key.as_str(), ObjType::Text)?;
            texts.insert(key, vec![text]);
            Ok(())
        }
        Step::Splice(key, splice) => {
            let delete = isize::try_from(splice.delete).expect("a text's length is limited");
            let twins = texts.get(&key).map(Vec::as_slice).unwrap_or_default();
            twins.iter().try_for_each(|text| {
                transaction.splice_text(text, splice.at, delete, &splice.insert)
            })
        }
    }
}

/// Distributes steps over changes of bounded size, splitting long splices.
pub(crate) fn bounded(steps: Vec<Step>, texts: &Texts) -> Vec<Vec<Step>> {
    let mut changes = Changes::default();
    for step in steps {
        let bytes = match &step {
            Step::Put(key, scalar) => key.len() + scalar_cost(scalar),
            Step::Delete(key) | Step::MakeText(key) => key.len(),
            Step::Splice(key, splice) => {
                changes.push_splice(key, splice, texts.get(key).map_or(1, Vec::len));
                continue;
            }
        };
        if changes.sets_again(&step) {
            changes.begin();
        }
        changes.make_room();
        changes.fill.add(bytes);
        changes.current.push(step);
    }
    changes.finish()
}

/// Returns the bytes that a value of ours counts for.
fn scalar_cost(scalar: &ScalarValue) -> usize {
    match scalar {
        ScalarValue::Str(text) => text.len(),
        ScalarValue::Bytes(bytes) | ScalarValue::Unknown { bytes, .. } => bytes.len(),
        ScalarValue::Int(_)
        | ScalarValue::Uint(_)
        | ScalarValue::F64(_)
        | ScalarValue::Counter(_)
        | ScalarValue::Timestamp(_)
        | ScalarValue::Boolean(_)
        | ScalarValue::Null => NUMBER_COST,
    }
}

/// Changes in the making.
#[derive(Default)]
struct Changes {
    done: Vec<Vec<Step>>,
    current: Vec<Step>,
    fill: Fill,
}

impl Changes {
    /// Begins another change where the current one is full.
    fn make_room(&mut self) {
        if self.fill.is_full() {
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
        self.fill = Fill::default();
    }

    /// Returns whether a step sets what was removed just before: a change does
    /// one thing to a key.
    fn sets_again(&self, step: &Step) -> bool {
        match (self.current.last(), step) {
            (Some(Step::Delete(removed)), Step::Put(key, _)) => removed == key,
            _ => false,
        }
    }

    /// Adds a splice of several twins as parts that fit: first what goes, then
    /// what comes.
    fn push_splice(&mut self, key: &str, splice: &Splice, twins: usize) {
        let mut delete = splice.delete;
        while delete > 0 {
            self.make_room();
            let mut count = 0;
            while count < delete && !self.fill.is_full() {
                self.fill.add_each(twins, 0);
                count += 1;
            }
            let part = Splice { at: splice.at, delete: count, insert: String::new() };
            self.current.push(Step::Splice(key.to_owned(), part));
            delete -= count;
        }
        let mut at = splice.at;
        let mut letters = splice.insert.chars().peekable();
        while letters.peek().is_some() {
            self.make_room();
            let mut part = Splice { at, delete: 0, insert: String::new() };
            while !self.fill.is_full()
                && let Some(letter) = letters.next()
            {
                self.fill.add_each(twins, letter.len_utf8());
                part.insert.push(letter);
                at += 1;
            }
            self.current.push(Step::Splice(key.to_owned(), part));
        }
    }

    fn finish(mut self) -> Vec<Vec<Step>> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &str) -> Step {
        let splice = Splice { at: 0, delete: 0, insert: text.to_owned() };
        Step::Splice("k".to_owned(), splice)
    }

    #[test]
    fn a_change_ends_when_it_is_full_and_not_before() {
        let steps = |count: usize| vec![Step::Delete("k".to_owned()); count];
        assert_eq!(bounded(steps(CHANGE_OPS), &Texts::new()).len(), 1);
        assert_eq!(bounded(steps(CHANGE_OPS + 1), &Texts::new()).len(), 2);
        assert_eq!(bounded(Vec::new(), &Texts::new()).len(), 0);
        let long = Step::Put("k".to_owned(), ScalarValue::Str("x".repeat(16 * 1024).into()));
        assert_eq!(
            bounded(vec![long; 4], &Texts::new()).iter().map(Vec::len).collect::<Vec<_>>(),
            [3, 1]
        );
    }

    #[test]
    fn a_long_splice_is_split_without_loss() {
        let text: String = ('a'..='z').cycle().take(2 * CHANGE_OPS + 5).collect();
        let changes = bounded(vec![insert(&text)], &Texts::new());
        let parts: Vec<&Splice> = changes
            .iter()
            .flatten()
            .filter_map(|step| if let Step::Splice(_, splice) = step { Some(splice) } else { None })
            .collect();
        assert_eq!(parts.iter().map(|part| part.at).collect::<Vec<_>>(), [0, 4_096, 8_192]);
        assert_eq!(parts.iter().map(|part| part.insert.as_str()).collect::<String>(), text);
        let delete = Splice { at: 7, delete: CHANGE_OPS + 1, insert: "x".to_owned() };
        let changes = bounded(vec![Step::Splice("k".to_owned(), delete)], &Texts::new());
        assert_eq!(changes.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    }
}
