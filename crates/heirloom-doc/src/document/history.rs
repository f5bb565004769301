//! What every change of a document did.

use super::Document;
use super::read::{
    Attributed, candidates, contested_at, has_several, is_deleted_at, is_marked_at, rivals_at,
    value_at,
};
use crate::change::{Heads, own_actor, own_hash};
use crate::chunk::Chunk;
use automerge::{Automerge, Change, ChangeHash as ForeignHash, ChangeMetadata, ObjId};
use heirloom_base::{ActorId, ChangeHash, Hlc};
use heirloom_schema::{Content, Value, key};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What a change was for, as far as it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It set or removed something.
    Edited,
    /// It took over what a file had changed since its last import.
    Imported,
    /// It settled a conflict.
    Resolved,
    /// It brought back an earlier version, or a deleted record.
    Restored,
    /// It deleted the record.
    Deleted,
    /// It belongs to a birth.
    Born,
}

/// What one transaction did. A long text makes several changes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSummary {
    /// Its last change.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: ActorId,
    /// The clock reading under which it was made; zero for a birth.
    pub hlc: Hlc,
    /// Whether it belongs to a birth, which is nobody's.
    pub birth: bool,
    /// What it was for.
    pub kind: ChangeKind,
    /// The keys whose value it changed or whose conflict it settled, in
    /// ascending order.
    pub edits: Vec<KeyEdit>,
}

/// What a change did to one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyEdit {
    /// The key.
    pub key: String,
    /// The value that the author saw before.
    pub before: Option<Value>,
    /// The value that the author saw afterwards.
    pub after: Option<Value>,
    /// Whether there were other values before and none afterwards.
    pub settled: bool,
    /// Those other values, the strongest first, without what was removed and
    /// what is shown now.
    pub lost: Vec<Value>,
}

/// One of several births of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Birth {
    /// Its actor, which follows from the record and the content.
    pub actor: ActorId,
    /// Its last change.
    pub hash: ChangeHash,
    /// The content that it gave the record.
    pub content: Content,
    /// What became of it with those who knew of no other birth.
    pub lone: Content,
    /// Its changes, and theirs.
    pub changes: BTreeSet<ChangeHash>,
}

/// The births of a record that has several.
#[derive(Debug, Clone, PartialEq)]
pub struct Births {
    /// The births, the strongest first.
    pub births: Vec<Birth>,
    /// The changes of those who knew more than one of them.
    pub united: BTreeSet<ChangeHash>,
}

impl Document {
    /// Returns every transaction after all those that it builds on; of those
    /// made at the same time, the one with the lower clock reading comes
    /// first. The order is the same on every device.
    #[must_use]
    pub fn history(&self) -> Vec<ChangeSummary> {
        self.history_by(&|_| Hlc(0))
    }

    /// As [`Self::history`], with the time at which a birth came about: the
    /// birth itself carries none.
    #[must_use]
    pub fn history_by(&self, born: &dyn Fn(ActorId) -> Hlc) -> Vec<ChangeSummary> {
        let runs = causal(self.automerge().get_changes(&[]), born);
        let mut walk = Walk::new(self.automerge());
        runs.iter().filter_map(|run| walk.summary(run)).collect()
    }

    /// Returns the content with which the record was born; of several births,
    /// that of the lowest actor.
    #[must_use]
    pub fn birth_content(&self) -> Content {
        if let Some(plain) = self.plain() {
            return plain.born().content().clone();
        }
        let metas = self.automerge().get_changes_meta(&[]);
        let births = metas.iter().filter(|meta| meta.timestamp == 0);
        let last = births.min_by_key(|meta| (own_actor(&meta.actor), Reverse(meta.seq)));
        last.map(|meta| self.content_at(&Heads(vec![own_hash(meta.hash)]))).unwrap_or_default()
    }

    /// Returns the births of the record where it has several; nothing where it
    /// has one.
    #[must_use]
    pub fn births(&self) -> Option<Births> {
        // Every birth says which category it is of, and nothing else does.
        if self.plain().is_some() || !has_several(self.automerge(), key::CATEGORY) {
            return None;
        }
        let metas = self.automerge().get_changes_meta(&[]);
        // By change, the births that it builds on; each stands behind those.
        let mut known: BTreeMap<ForeignHash, BTreeSet<ActorId>> = BTreeMap::new();
        let mut last: BTreeMap<ActorId, (u64, ForeignHash)> = BTreeMap::new();
        let mut ends: BTreeMap<ActorId, BTreeSet<ForeignHash>> = BTreeMap::new();
        let mut alone: BTreeMap<ActorId, BTreeSet<ChangeHash>> = BTreeMap::new();
        let mut united = BTreeSet::new();
        for meta in &metas {
            let actor = own_actor(&meta.actor);
            let before = meta.deps.iter().filter_map(|hash| known.get(hash));
            let mut births: BTreeSet<ActorId> = before.flatten().copied().collect();
            if meta.timestamp == 0 && (births.is_empty() || last.contains_key(&actor)) {
                births.insert(actor);
                last.insert(actor, (meta.seq, meta.hash));
            }
            match births.first().filter(|_| births.len() == 1) {
                Some(only) => {
                    let ends = ends.entry(*only).or_default();
                    ends.retain(|end| !meta.deps.contains(end));
                    ends.insert(meta.hash);
                    alone.entry(*only).or_default().insert(own_hash(meta.hash));
                }
                None => drop(united.insert(own_hash(meta.hash))),
            }
            known.insert(meta.hash, births);
        }
        let made = last.into_iter().rev().map(|(actor, (_, hash))| {
            let ends = ends.get(&actor).into_iter().flatten().copied().map(own_hash);
            let (hash, lone) = (own_hash(hash), Heads(ends.collect()));
            let content = self.content_at(&Heads(vec![hash]));
            let changes = alone.remove(&actor).unwrap_or_default();
            Birth { actor, hash, content, lone: self.content_at(&lone), changes }
        });
        Some(Births { births: made.collect(), united }).filter(|found| found.births.len() > 1)
    }

    /// Returns the category's number and the uid that each birth gave the
    /// record, whatever was made of them since: their keys are the first in
    /// order, so they stand in its first change.
    #[must_use]
    pub fn born_as(&self) -> BTreeSet<(i64, String)> {
        if let Some(plain) = self.plain() {
            return plain.born().identity().into_iter().collect();
        }
        let metas = self.automerge().get_changes_meta(&[]);
        let is_first = |meta: &&ChangeMetadata<'_>| meta.timestamp == 0 && meta.deps.is_empty();
        let firsts = metas.iter().filter(is_first).map(|meta| meta.hash);
        firsts.filter_map(|hash| category_and_uid(self.automerge(), hash)).collect()
    }
}

/// Reads what a change that builds on none sets the category and the uid to.
fn category_and_uid(document: &Automerge, first: ForeignHash) -> Option<(i64, String)> {
    let value = |key: &str| value_at(document, key, Some(&[first]));
    match (value(key::CATEGORY)?, value(key::UID)?) {
        (Value::Int(number), Value::Str(uid)) => Some((number, uid)),
        _ => None,
    }
}

/// Returns the newest change of a text, by its clock reading; without its value.
pub(super) fn last_editor(document: &Automerge, text: &ObjId) -> Option<Attributed> {
    let ObjId::Id(counter, maker, _) = text else { return None };
    let object = (own_actor(maker), *counter);
    let touches = |change: &Change| {
        let Ok(chunk) = Chunk::parse(change.raw_bytes()) else { return false };
        let numbered = (chunk.head.start_op..).zip(&chunk.operations);
        numbered.into_iter().any(|(number, operation)| match operation.object {
            Some((actor, counter)) => {
                chunk.actor_at(actor).is_some_and(|actor| (actor, counter) == object)
            }
            None => (chunk.head.actor, number) == object,
        })
    };
    let changes = document.get_changes(&[]);
    let editors = changes.iter().filter(|change| touches(change)).map(|change| Attributed {
        value: None,
        removed: false,
        actor: own_actor(change.actor_id()),
        hlc: Hlc(u64::try_from(change.timestamp()).unwrap_or_default()),
        change: own_hash(change.hash()),
    });
    editors.max_by_key(|editor| (editor.hlc, editor.actor, editor.change))
}

/// Sorts changes after those that they build on, those of one transaction
/// together: one author's, under one clock reading, each on the one before.
fn causal(changes: Vec<Change>, born: &dyn Fn(ActorId) -> Hlc) -> Vec<Vec<Change>> {
    let time = |change: &Change| match u64::try_from(change.timestamp()) {
        Ok(0) | Err(_) => born(own_actor(change.actor_id())),
        Ok(hlc) => Hlc(hlc),
    };
    let mut open: BTreeMap<automerge::ChangeHash, (usize, Change)> = BTreeMap::new();
    let mut dependents: BTreeMap<automerge::ChangeHash, Vec<automerge::ChangeHash>> =
        BTreeMap::new();
    let mut ready = BTreeSet::new();
    for change in changes {
        for dependency in change.deps() {
            dependents.entry(*dependency).or_default().push(change.hash());
        }
        if change.deps().is_empty() {
            ready.insert((time(&change), change.hash()));
        }
        open.insert(change.hash(), (change.deps().len(), change));
    }
    let mut runs: Vec<Vec<Change>> = Vec::new();
    let mut follower = None;
    while let Some((_, hash)) = follower.take().or_else(|| ready.pop_first()) {
        let Some((_, change)) = open.remove(&hash) else { continue };
        for dependent in dependents.remove(&hash).unwrap_or_default() {
            let Some((missing, later)) = open.get_mut(&dependent) else { continue };
            *missing -= 1;
            let place = (time(later), dependent);
            if *missing == 0 && continues(&change, later) {
                follower = Some(place);
            } else if *missing == 0 {
                ready.insert(place);
            }
        }
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| continues(last, &change)) => {
                run.push(change);
            }
            Some(_) | None => runs.push(vec![change]),
        }
    }
    runs
}

/// Returns whether a change goes on with the transaction of another.
fn continues(change: &Change, next: &Change) -> bool {
    next.deps() == [change.hash()]
        && next.actor_id() == change.actor_id()
        && next.timestamp() == change.timestamp()
}

/// A walk through the changes of a document.
struct Walk<'a> {
    document: &'a Automerge,
    /// The key of every text, by the operation that made it.
    texts: BTreeMap<(ActorId, u64), String>,
    births: BTreeSet<automerge::ChangeHash>,
    /// What every change so far builds on.
    before: BTreeMap<automerge::ChangeHash, Vec<automerge::ChangeHash>>,
    /// The change before this one, and what it left behind, so that a text is
    /// not worked out twice.
    latest: Option<automerge::ChangeHash>,
    left: BTreeMap<String, Option<Value>>,
    /// The texts of which the same words were written anew apart, after which
    /// changes.
    contested: BTreeSet<(automerge::ChangeHash, String)>,
}

impl<'a> Walk<'a> {
    fn new(document: &'a Automerge) -> Self {
        Self {
            document,
            texts: BTreeMap::new(),
            births: BTreeSet::new(),
            before: BTreeMap::new(),
            latest: None,
            left: BTreeMap::new(),
            contested: BTreeSet::new(),
        }
    }

    fn summary(&mut self, run: &[Change]) -> Option<ChangeSummary> {
        let (first, last) = (run.first()?, run.last()?);
        let birth = run.iter().all(|change| self.is_birth(change));
        if first.deps() != self.latest.as_slice() {
            self.left.clear();
        }
        let mut edits = Vec::new();
        let touched: BTreeSet<String> =
            run.iter().flat_map(|change| self.touched(change)).collect();
        let mut settled = if birth { BTreeMap::new() } else { self.settled(first, last, &touched) };
        let kind = match birth {
            true => ChangeKind::Born,
            false => self.kind(first, last, &touched, !settled.is_empty()),
        };
        for key in touched {
            let before = match self.left.remove(&key) {
                Some(before) => before,
                None => value_at(self.document, &key, Some(first.deps())),
            };
            let after = value_at(self.document, &key, Some(&[last.hash()]));
            self.left.insert(key.clone(), after.clone());
            let lost = settled.remove(&key);
            if before != after || lost.is_some() {
                let (settled, mut lost) = (lost.is_some(), lost.unwrap_or_default());
                lost.retain(|value| {
                    Some(value) != before.as_ref() && Some(value) != after.as_ref()
                });
                edits.push(KeyEdit { key, before, after, settled, lost });
            }
        }
        self.latest = Some(last.hash());
        for change in run {
            self.before.insert(change.hash(), change.deps().to_vec());
        }
        Some(ChangeSummary {
            hash: own_hash(last.hash()),
            actor: own_actor(last.actor_id()),
            hlc: Hlc(u64::try_from(last.timestamp()).unwrap_or_default()),
            birth,
            kind,
            edits,
        })
    }

    /// Returns what a change builds on without what these build on themselves:
    /// a change names its author's previous one in any case.
    fn heads_before(&self, change: &Change) -> Vec<automerge::ChangeHash> {
        let mut heads = change.deps().to_vec();
        if heads.len() < 2 {
            return heads;
        }
        let mut open: Vec<automerge::ChangeHash> =
            heads.iter().filter_map(|head| self.before.get(head)).flatten().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(hash) = open.pop() {
            if seen.insert(hash) {
                heads.retain(|head| *head != hash);
                open.extend(self.before.get(&hash).into_iter().flatten());
            }
            if heads.len() < 2 {
                break;
            }
        }
        heads
    }

    /// Returns the keys that had several values before and have one now, with
    /// all the values that they had.
    fn settled(
        &mut self,
        first: &Change,
        last: &Change,
        touched: &BTreeSet<String>,
    ) -> BTreeMap<String, Vec<Value>> {
        let (before, after) = (self.heads_before(first), [last.hash()]);
        let settled = touched.iter().filter_map(|key| {
            let rivals = rivals_at(self.document, key, &before);
            let is_one = rivals.is_empty() || !rivals_at(self.document, key, &after).is_empty();
            (!is_one).then(|| (key.clone(), rivals.into_iter().flatten().collect()))
        });
        let mut settled: BTreeMap<String, Vec<Value>> = settled.collect();
        settled.extend(self.words_settled(&before, last, touched));
        let marks = touched.contains(key::DELETED) && is_marked_at(self.document, &before);
        if marks && !is_deleted_at(self.document, &before) {
            settled.entry(key::DELETED.to_owned()).or_default();
        }
        settled
    }

    /// Returns the texts of which words that had been written anew apart are at
    /// odds no more, with all that they read as; and notes which still are.
    fn words_settled(
        &mut self,
        before: &[automerge::ChangeHash],
        last: &Change,
        touched: &BTreeSet<String>,
    ) -> BTreeMap<String, Vec<Value>> {
        let contested = |key: &str, heads: &[automerge::ChangeHash]| {
            contested_at(self.document, &candidates(self.document, key, Some(heads)), Some(heads))
        };
        let mut settled = BTreeMap::new();
        let texts: BTreeSet<&String> = self.texts.values().collect();
        for key in texts {
            // Words are only ever at odds where changes made apart meet.
            let may_be = match before {
                [only] => self.contested.contains(&(*only, key.clone())),
                _ => before.len() > 1,
            };
            if !may_be {
                continue;
            }
            let is_touched = touched.contains(key);
            if before.len() == 1 && !is_touched || contested(key, &[last.hash()]).is_some() {
                self.contested.insert((last.hash(), key.clone()));
            } else if let Some(rivals) = contested(key, before).filter(|_| is_touched) {
                let values = rivals.rivals().into_iter().filter_map(|rival| rival.value);
                settled.insert(key.clone(), values.collect());
            }
        }
        settled
    }

    fn kind(
        &self,
        first: &Change,
        last: &Change,
        touched: &BTreeSet<String>,
        settles: bool,
    ) -> ChangeKind {
        let (before, after) = (&self.heads_before(first), [last.hash()]);
        let marks = touched.contains(key::DELETED);
        let contested = || is_marked_at(self.document, before);
        if marks && is_marked_at(self.document, &after) {
            ChangeKind::Deleted
        } else if touched.contains(key::RESTORED) || marks && is_deleted_at(self.document, before) {
            ChangeKind::Restored
        } else if touched.contains(key::IMPORT) {
            ChangeKind::Imported
        } else if marks && contested() || settles {
            ChangeKind::Resolved
        } else {
            ChangeKind::Edited
        }
    }

    /// Returns whether a change belongs to a birth, and notes it.
    fn is_birth(&mut self, change: &Change) -> bool {
        let continues = change.deps().iter().all(|dependency| self.births.contains(dependency));
        let begins = change.deps().is_empty() == (change.seq() == 1);
        let birth = change.timestamp() == 0 && continues && begins;
        if birth {
            self.births.insert(change.hash());
        }
        birth
    }

    /// Returns the keys that a change's operations belong to.
    fn touched(&mut self, change: &Change) -> BTreeSet<String> {
        let Ok(chunk) = Chunk::parse(change.raw_bytes()) else { return BTreeSet::new() };
        let mut keys = BTreeSet::new();
        for (number, operation) in (chunk.head.start_op..).zip(&chunk.operations) {
            let key = match (operation.key, operation.object) {
                (Some(key), _) => Some(key.to_owned()),
                (None, Some((actor, counter))) => {
                    let actor = chunk.actor_at(actor);
                    actor.and_then(|actor| self.texts.get(&(actor, counter)).cloned())
                }
                (None, None) => None,
            };
            let Some(key) = key else { continue };
            if operation.makes_text() {
                self.texts.insert((chunk.head.actor, number), key.clone());
            }
            keys.insert(key);
        }
        keys
    }
}
