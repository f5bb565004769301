//! What changes behind a checkpoint make of a record that is shown.
//!
//! Of two that know nothing of each other the one is shown that the record's
//! document will show: a value before none, then the later clock reading, then
//! the greater actor.

use super::rows::Shown;
use heirloom_base::{ActorId, ChangeHash, Hlc, LogId};
use heirloom_doc::{Plain, RawChange};
use heirloom_schema::{Value, key};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Changes that each build on all that was shown before, in an order in which
/// each stands behind those that it builds on.
#[derive(Default)]
pub(super) struct Tail {
    changes: Vec<Taken>,
    by_hash: BTreeMap<ChangeHash, usize>,
    /// The writes of each key that no later one has seen.
    visible: BTreeMap<String, Vec<Write>>,
    /// Those that nothing builds on.
    heads: BTreeSet<usize>,
}

/// A change that was taken.
struct Taken {
    hash: ChangeHash,
    log: LogId,
    hlc: Hlc,
    /// How many changes of each log it has seen, its own among them.
    seen: BTreeMap<LogId, usize>,
    is_deleted: bool,
}

/// A value that a change gave a key; none where it removed it.
struct Write {
    log: LogId,
    /// The number of its change in the log.
    number: usize,
    strength: (bool, Hlc, ActorId, ChangeHash),
    value: Option<Value>,
}

impl Tail {
    /// Takes what does nothing but set and remove keys, and builds on all of
    /// what is shown.
    pub(super) fn of(shown: &Shown, changes: &[(LogId, u64, RawChange)]) -> Self {
        let mut queues: BTreeMap<LogId, VecDeque<Plain>> = BTreeMap::new();
        for (log, _, change) in changes {
            let actor = heirloom_doc::actor_for(*log, shown.record);
            let plain = heirloom_doc::plain(change).filter(|plain| plain.actor == actor);
            queues.entry(*log).or_default().extend(plain);
        }
        let mut tail = Self::default();
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for (log, queue) in &mut queues {
                // What cannot follow keeps back what its author built on it.
                while let Some(next) = queue.pop_front() {
                    if !tail.follows(shown, &next) {
                        queue.push_front(next);
                        break;
                    }
                    tail.take(shown, *log, next);
                    goes_on = true;
                }
            }
        }
        tail
    }

    /// Returns whether a change builds on all of what is shown, and on nothing
    /// that is not here.
    fn follows(&self, shown: &Shown, plain: &Plain) -> bool {
        let is_taken = |hash: &ChangeHash| self.by_hash.contains_key(hash);
        let mut all = plain.dependencies.iter();
        let is_whole = plain.dependencies.iter().any(is_taken)
            || shown.heads.iter().all(|head| plain.dependencies.contains(head));
        is_whole && all.all(|one| is_taken(one) || shown.heads.contains(one))
    }

    fn take(&mut self, shown: &Shown, log: LogId, plain: Plain) {
        let known: Vec<usize> =
            plain.dependencies.iter().filter_map(|hash| self.by_hash.get(hash).copied()).collect();
        let mut seen: BTreeMap<LogId, usize> = BTreeMap::new();
        let mut was_deleted = known.is_empty() && shown.deleted;
        for before in known.iter().filter_map(|number| self.changes.get(*number)) {
            was_deleted |= before.is_deleted;
            for (log, count) in &before.seen {
                let all = seen.entry(*log).or_default();
                *all = (*all).max(*count);
            }
        }
        let number = seen.get(&log).map_or(1, |count| count + 1);
        let mark = plain.edits.get(key::DELETED);
        let is_deleted = mark.map_or(was_deleted, Option::is_some);
        let Plain { hash, actor, hlc, edits, .. } = plain;
        for (key, value) in edits {
            let rivals = self.visible.entry(key).or_default();
            rivals.retain(|write| seen.get(&write.log).is_none_or(|seen| *seen < write.number));
            let strength = (value.is_some(), hlc, actor, hash);
            rivals.push(Write { log, number, strength, value });
        }
        seen.insert(log, number);
        self.heads.retain(|number| !known.contains(number));
        let place = self.changes.len();
        self.heads.insert(place);
        self.by_hash.insert(hash, place);
        self.changes.push(Taken { hash, log, hlc, seen, is_deleted });
    }

    /// Lets a record be shown as the changes make it; returns whether there are some.
    pub(super) fn change(self, shown: &mut Shown) -> bool {
        let heads: Vec<&Taken> =
            self.heads.iter().filter_map(|number| self.changes.get(*number)).collect();
        let updated = heads.iter().map(|head| (head.hlc.wall_ms(), head.log)).max();
        let Some(updated) = updated else { return false };
        shown.updated = updated;
        shown.deleted = heads.iter().all(|head| head.is_deleted);
        shown.heads = heads.iter().map(|head| head.hash).collect();
        shown.heads.sort_unstable();
        for (key, mut writes) in self.visible {
            writes.sort_by_key(|write| write.strength);
            let Some(Write { value, .. }) = writes.pop() else { continue };
            shown.conflicted |=
                !key::is_reserved(&key) && writes.iter().any(|rival| rival.value != value);
            match value {
                Some(value) => drop(shown.content.insert(key, value)),
                None => drop(shown.content.remove(&key)),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::RecordId;
    use heirloom_doc::{Document, Offered, actor_for};
    use heirloom_schema::Content;

    const RECORD: RecordId = RecordId([7; 16]);

    fn log(number: u8) -> LogId {
        LogId([number; 16])
    }

    fn text(value: &str) -> Option<Value> {
        Some(Value::Str(value.to_owned()))
    }

    fn born() -> Document {
        let content = Content::from([
            ("a".to_owned(), Value::Str("born".to_owned())),
            ("b".to_owned(), Value::Str("born".to_owned())),
        ]);
        Document::from_birth(&heirloom_doc::birth(RECORD, &content).unwrap()).unwrap()
    }

    fn shown(document: &Document) -> Shown {
        Shown {
            record: RECORD,
            heads: document.heads().0,
            deleted: false,
            conflicted: false,
            updated: (0, log(0)),
            content: document.content(),
        }
    }

    /// Edits a document in a log, and notes the changes for a tail.
    fn edit(
        document: &mut Document,
        (number, clock): (u8, u64),
        edits: &[(&str, Option<Value>)],
        tail: &mut Vec<(LogId, u64, RawChange)>,
    ) {
        let edits: Vec<(String, Option<Value>)> =
            edits.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let actor = actor_for(log(number), RECORD);
        let changes = document.edit(actor, Hlc(clock << 16), &edits).unwrap();
        tail.extend(changes.into_iter().map(|change| (log(number), clock, change)));
    }

    /// Returns a document with the changes of others, as the gate makes it.
    fn merged(tail: &[(LogId, u64, RawChange)]) -> Document {
        let offer = |(log, _, change): &(LogId, u64, RawChange)| Offered {
            log: *log,
            change: change.clone(),
        };
        let offered: Vec<Offered> = tail.iter().map(offer).collect();
        heirloom_doc::admit_into(born(), RECORD, &offered, None).document.unwrap().0
    }

    #[test]
    fn of_two_changes_that_know_nothing_of_each_other_the_later_one_is_shown() {
        for (first, second) in [(5, 6), (6, 5), (5, 5)] {
            let (mut one, mut other) = (born(), born());
            let mut tail = Vec::new();
            edit(&mut one, (1, first), &[("a", text("one")), ("b", text("one"))], &mut tail);
            edit(&mut other, (2, second), &[("a", text("other"))], &mut tail);
            let mut record = shown(&born());
            assert!(Tail::of(&record, &tail).change(&mut record));
            let document = merged(&tail);
            assert_eq!(record.content, document.content());
            assert_eq!(record.heads, document.heads().0);
            assert!(record.conflicted);
            assert_eq!(record.updated.0, first.max(second));
        }
    }

    #[test]
    fn a_removal_loses_and_a_later_change_that_knows_both_settles() {
        let (mut one, mut other) = (born(), born());
        let mut tail = Vec::new();
        edit(&mut one, (1, 9), &[("a", None)], &mut tail);
        edit(&mut other, (2, 5), &[("a", text("kept"))], &mut tail);
        let mut record = shown(&born());
        assert!(Tail::of(&record, &tail).change(&mut record));
        assert_eq!(record.content.get("a"), text("kept").as_ref());
        let mut third = merged(&tail);
        edit(&mut third, (3, 4), &[("a", text("settled"))], &mut tail);
        // Whatever the order of the logs is.
        tail.reverse();
        tail.sort_by_key(|(log, ..)| std::cmp::Reverse(*log));
        let mut record = shown(&born());
        assert!(Tail::of(&record, &tail).change(&mut record));
        assert_eq!(record.content.get("a"), text("settled").as_ref());
        assert_eq!(record.heads, third.heads().0);
        assert!(!record.conflicted);
    }

    #[test]
    fn a_deletion_is_shown_where_nobody_edited_at_the_same_time() {
        let (mut one, mut other) = (born(), born());
        let mut tail = Vec::new();
        edit(&mut one, (1, 5), &[(key::DELETED, Some(Value::Int(5)))], &mut tail);
        let mut record = shown(&born());
        assert!(Tail::of(&record, &tail).change(&mut record));
        assert!(record.deleted);
        edit(&mut other, (2, 4), &[("a", text("edited"))], &mut tail);
        let mut record = shown(&born());
        assert!(Tail::of(&record, &tail).change(&mut record));
        assert!(!record.deleted && !merged(&tail).is_deleted());
    }

    #[test]
    fn what_builds_on_something_that_is_not_here_is_passed_over() {
        let mut one = born();
        let (mut unseen, mut tail) = (Vec::new(), Vec::new());
        edit(&mut one, (1, 5), &[("a", text("unseen"))], &mut unseen);
        edit(&mut one, (1, 6), &[("b", text("behind"))], &mut tail);
        let mut record = shown(&born());
        assert!(!Tail::of(&record, &tail).change(&mut record));
        assert_eq!(record.content, born().content());
    }
}
