//! What a document shows: one value per key, and those that lost.

use super::Document;
use super::contest::{self, Contested};
use super::history::last_editor;
use crate::change::{Heads, own_actor, own_hash};
use crate::value;
use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValueRef, ValueRef};
use heirloom_base::{ActorId, ChangeHash, Hlc};
use heirloom_schema::{Content, Value, key};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A value and the change that set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributed {
    /// The value, or `None` where the key was removed, or where a newer version
    /// wrote one that this version does not know.
    pub value: Option<Value>,
    /// Whether the key was removed.
    pub removed: bool,
    /// Who set it.
    pub actor: ActorId,
    /// The clock reading under which it was set; zero for a birth.
    pub hlc: Hlc,
    /// The change that set it.
    pub change: ChangeHash,
}

/// A key to which different values were given at the same time, or that was
/// removed while it was given another; a removal never wins then. Of a text of
/// which two wrote the same words anew apart, the winner is what all sides wrote,
/// and the losers are how it reads by each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: String,
    /// The value that every device shows.
    pub winner: Attributed,
    /// The other values, the strongest first, each once.
    pub losers: Vec<Attributed>,
}

/// A deletion of a record that something else, done at the same time, undid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContestedDeletion {
    /// The deletion; its value is the time that it gives.
    pub deletion: Attributed,
    /// The newest change that does not know of it; it has no value.
    pub kept_by: Attributed,
}

/// A visible value of a key, with its place in the document.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) attributed: Attributed,
    pub(super) object: ObjId,
}

impl Candidate {
    pub(super) fn value(&self) -> Option<&Value> {
        self.attributed.value.as_ref()
    }

    /// Returns whether a reader sees no difference between two.
    fn reads_as(&self, other: &Self) -> bool {
        self.attributed.removed == other.attributed.removed && self.value() == other.value()
    }
}

impl Document {
    /// Returns the value of every key.
    ///
    /// Of values that were set at the same time, the one with the highest clock
    /// reading is shown, then that of the highest actor: the same on every
    /// device, whatever the order of arrival.
    #[must_use]
    pub fn content(&self) -> Content {
        if let Some(plain) = self.plain() {
            return plain.content();
        }
        content(self.automerge(), None)
    }

    /// Returns the content as it was after `heads` and all that they build on.
    /// Changes that the document does not have are left out.
    #[must_use]
    pub fn content_at(&self, heads: &Heads) -> Content {
        content(self.automerge(), Some(&heads.to_foreign()))
    }

    /// Returns the number of the record's category.
    #[must_use]
    pub fn category(&self) -> Option<i64> {
        match self.value(key::CATEGORY)? {
            Value::Int(number) => Some(number),
            Value::Text(_) | Value::Str(_) | Value::Bytes(_) | Value::Blob(_) => None,
        }
    }

    /// Returns the item's own identifier.
    #[must_use]
    pub fn uid(&self) -> Option<String> {
        self.value(key::UID)?.as_str().map(str::to_owned)
    }

    fn value(&self, key: &str) -> Option<Value> {
        match self.plain() {
            Some(plain) => plain.value(key).cloned(),
            None => value_at(self.automerge(), key, None),
        }
    }

    /// Returns whether the record is deleted: whether every change that no
    /// other builds on leaves it deleted. An edit made at the same time as the
    /// deletion keeps the record.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        match self.plain() {
            Some(plain) => plain.holds(key::DELETED),
            None => is_deleted_at(self.automerge(), &self.automerge().get_heads()),
        }
    }

    /// Returns the deletion that did not delete the record, because of an edit
    /// made at the same time.
    #[must_use]
    pub fn contested_deletion(&self) -> Option<ContestedDeletion> {
        if self.plain().is_some() {
            return None;
        }
        let heads = self.automerge().get_heads();
        let deletion = candidates(self.automerge(), key::DELETED, None).into_iter().next()?;
        let kept = heads.iter().filter(|head| !is_marked_at(self.automerge(), &[**head]));
        let kept_by = kept
            .filter_map(|head| author_of(self.automerge(), *head))
            .max_by_key(|author| (author.hlc, author.actor, author.change))?;
        Some(ContestedDeletion { deletion: deletion.attributed, kept_by })
    }

    /// Returns who gave every key the value that is shown: for a text, who
    /// edited it last.
    #[must_use]
    pub fn authorship(&self) -> BTreeMap<String, Attributed> {
        let keys = self.automerge().map_range(ROOT, ..).map(|item| item.key.into_owned());
        let authored = keys.filter_map(|key| {
            let winner = candidates(self.automerge(), &key, None).into_iter().next()?;
            Some((key, edited(self.automerge(), winner)))
        });
        authored.collect()
    }

    /// Returns the visible values of a key, the one that is shown first, also
    /// where they are equal or a removal.
    #[must_use]
    pub fn values(&self, key: &str) -> Vec<Attributed> {
        let candidates = candidates(self.automerge(), key, None).into_iter();
        candidates.map(|candidate| candidate.attributed).collect()
    }

    /// Returns the keys to which different values were given at the same time,
    /// and the texts of which the same words were written anew apart.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict> {
        if self.plain().is_some() {
            return Vec::new();
        }
        let is_text = |value: &ValueRef<'_>| matches!(value, ValueRef::Object(ObjType::Text));
        let items = self.automerge().map_range(ROOT, ..);
        let is_forked = self.is_forked();
        let several = items.filter(|item| item.conflict || is_forked && is_text(&item.value));
        several.filter_map(|item| conflict(self.automerge(), &item.key)).collect()
    }
}

/// Returns whether every one of some heads leaves the record deleted.
pub(super) fn is_deleted_at(document: &Automerge, heads: &[automerge::ChangeHash]) -> bool {
    !heads.is_empty() && heads.iter().all(|head| is_marked_at(document, &[*head]))
}

/// Returns whether a deletion is visible at some heads.
pub(super) fn is_marked_at(document: &Automerge, heads: &[automerge::ChangeHash]) -> bool {
    document.get_all_at(ROOT, key::DELETED, heads).is_ok_and(|marks| !marks.is_empty())
}

/// Returns the values of a key that has several at some heads, the strongest
/// first; nothing where it has one. What was removed has no value.
pub(super) fn rivals_at(
    document: &Automerge,
    key: &str,
    heads: &[automerge::ChangeHash],
) -> Vec<Option<Value>> {
    // Most keys have one value: texts are only unfolded where there are several.
    let several = document.get_all_at(ROOT, key, heads).is_ok_and(|values| values.len() > 1);
    let rivals =
        if several { distinct(candidates(document, key, Some(heads))) } else { Vec::new() };
    let values = rivals.into_iter().map(|rival| rival.attributed.value).collect::<Vec<_>>();
    if values.len() > 1 { values } else { Vec::new() }
}

/// Returns each value once, the strongest first.
fn distinct(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut distinct: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if distinct.iter().all(|kept| !kept.reads_as(&candidate)) {
            distinct.push(candidate);
        }
    }
    distinct
}

/// Names the last editor of a text; other values are set as a whole.
fn edited(document: &Automerge, candidate: Candidate) -> Attributed {
    let mut attributed = candidate.attributed;
    if matches!(attributed.value, Some(Value::Text(_)))
        && let Some(editor) = last_editor(document, &candidate.object)
    {
        attributed = Attributed { value: attributed.value, ..editor };
    }
    attributed
}

fn author_of(document: &Automerge, change: automerge::ChangeHash) -> Option<Attributed> {
    let meta = document.get_change_meta_by_hash(&change)?;
    let hlc = Hlc(u64::try_from(meta.timestamp).unwrap_or_default());
    let (actor, change) = (own_actor(&meta.actor), own_hash(change));
    Some(Attributed { value: None, removed: false, actor, hlc, change })
}

fn conflict(document: &Automerge, key: &str) -> Option<Conflict> {
    let all = candidates(document, key, None);
    let contested = contested_at(document, &all, None);
    let distinct = distinct(all);
    if distinct.len() < 2 && contested.is_none() {
        return None;
    }
    let mut values = distinct.into_iter().map(|candidate| edited(document, candidate));
    let winner = values.next()?;
    let losers = values.chain(contested.iter().flat_map(Contested::rivals)).collect();
    Some(Conflict { key: key.to_owned(), winner, losers })
}

/// Returns the contested places of a key that has one text.
pub(super) fn contested_at(
    document: &Automerge,
    candidates: &[Candidate],
    heads: Option<&[automerge::ChangeHash]>,
) -> Option<Contested> {
    match candidates {
        [Candidate { attributed: Attributed { value: Some(Value::Text(_)), .. }, object }] => {
            contest::contested(document, object, heads)
        }
        _ => None,
    }
}

fn content(document: &Automerge, heads: Option<&[automerge::ChangeHash]>) -> Content {
    let items = match heads {
        Some(heads) => document.map_range_at(ROOT, .., heads),
        None => document.map_range(ROOT, ..),
    };
    let shown = items.filter_map(|item| {
        let value = if item.conflict {
            value_at(document, &item.key, heads)
        } else {
            known(document, &item.value, &item.id(), heads)
        };
        value.map(|value| (item.key.into_owned(), value))
    });
    shown.collect()
}

/// Returns the value that is shown for a key.
pub(super) fn value_at(
    document: &Automerge,
    key: &str,
    heads: Option<&[automerge::ChangeHash]>,
) -> Option<Value> {
    candidates(document, key, heads).into_iter().next()?.attributed.value
}

/// Returns whether a key was given values at the same time, also equal ones.
pub(super) fn has_several(document: &Automerge, key: &str) -> bool {
    document.get_all(ROOT, key).is_ok_and(|values| values.len() > 1)
}

/// Returns the visible values of a key, the one that is shown first.
pub(super) fn candidates(
    document: &Automerge,
    key: &str,
    heads: Option<&[automerge::ChangeHash]>,
) -> Vec<Candidate> {
    let all = match heads {
        Some(heads) => document.get_all_at(ROOT, key, heads),
        None => document.get_all(ROOT, key),
    };
    let mut result: Vec<Candidate> = all
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(value, object)| {
            let removed = value.as_scalar() == Some(&value::REMOVED);
            let value = known(document, &borrowed(&value), &object, heads);
            let author = author_of(document, document.hash_for_opid(&object)?)?;
            Some(Candidate { attributed: Attributed { value, removed, ..author }, object })
        })
        .collect();
    result.sort_by(|a, b| strength(b, a));
    result
}

/// Orders values by what decides between them: a known value before an unknown
/// one, then the clock reading, then the actor.
fn strength(a: &Candidate, b: &Candidate) -> Ordering {
    let rank = |candidate: &Candidate| {
        let Attributed { value, actor, hlc, change, removed: _ } = &candidate.attributed;
        (value.is_some(), *hlc, *actor, *change)
    };
    rank(a).cmp(&rank(b)).then_with(|| a.object.cmp(&b.object))
}

fn known(
    document: &Automerge,
    value: &ValueRef<'_>,
    object: &ObjId,
    heads: Option<&[automerge::ChangeHash]>,
) -> Option<Value> {
    match value {
        ValueRef::Scalar(scalar) => value::from_scalar(scalar),
        ValueRef::Object(ObjType::Text) => {
            let text = match heads {
                Some(heads) => document.text_at(object, heads),
                None => document.text(object),
            };
            text.ok().map(Value::Text)
        }
        ValueRef::Object(ObjType::Map | ObjType::List | ObjType::Table) => None,
    }
}

fn borrowed<'a>(value: &'a automerge::Value<'_>) -> ValueRef<'a> {
    let scalar = match value {
        automerge::Value::Object(kind) => return ValueRef::Object(*kind),
        automerge::Value::Scalar(scalar) => scalar.as_ref(),
    };
    ValueRef::Scalar(match scalar {
        automerge::ScalarValue::Str(text) => ScalarValueRef::Str(Cow::Borrowed(text)),
        automerge::ScalarValue::Bytes(bytes) => ScalarValueRef::Bytes(Cow::Borrowed(bytes)),
        automerge::ScalarValue::Int(number) => ScalarValueRef::Int(*number),
        automerge::ScalarValue::Uint(_)
        | automerge::ScalarValue::F64(_)
        | automerge::ScalarValue::Counter(_)
        | automerge::ScalarValue::Timestamp(_)
        | automerge::ScalarValue::Boolean(_)
        | automerge::ScalarValue::Unknown { .. }
        | automerge::ScalarValue::Null => ScalarValueRef::Null,
    })
}
