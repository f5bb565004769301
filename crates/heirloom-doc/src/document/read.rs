//! What a document shows: one value per key, and those that lost.

use super::Document;
use crate::change::{Heads, own_actor, own_hash};
use crate::value;
use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValueRef, ValueRef};
use heirloom_base::{ActorId, ChangeHash, Hlc};
use heirloom_schema::{Content, Value, key};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value and the change that set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributed {
    /// The value, or `None` where a newer version wrote one that this version
    /// does not know.
    pub value: Option<Value>,
    /// Who set it.
    pub actor: ActorId,
    /// The clock reading under which it was set; zero for a birth. A text keeps
    /// that of its making, however it is edited.
    pub hlc: Hlc,
    /// The change that set it.
    pub change: ChangeHash,
}

/// A key to which different values were given at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: String,
    /// The value that every device shows.
    pub winner: Attributed,
    /// The other values, the strongest first, each once.
    pub losers: Vec<Attributed>,
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
}

impl Document {
    /// Returns the value of every key.
    ///
    /// Of values that were set at the same time, the one with the highest clock
    /// reading is shown, then that of the highest actor: the same on every
    /// device, whatever the order of arrival.
    #[must_use]
    pub fn content(&self) -> Content {
        content(&self.automerge, None)
    }

    /// Returns the content as it was after `heads` and all that they build on.
    /// Changes that the document does not have are left out.
    #[must_use]
    pub fn content_at(&self, heads: &Heads) -> Content {
        content(&self.automerge, Some(&heads.to_foreign()))
    }

    /// Returns the number of the record's category.
    #[must_use]
    pub fn category(&self) -> Option<i64> {
        match value_at(&self.automerge, key::CATEGORY, None)? {
            Value::Int(number) => Some(number),
            Value::Text(_) | Value::Str(_) | Value::Bytes(_) | Value::Blob(_) => None,
        }
    }

    /// Returns the item's own identifier.
    #[must_use]
    pub fn uid(&self) -> Option<String> {
        value_at(&self.automerge, key::UID, None)?.as_str().map(str::to_owned)
    }

    /// Returns whether the record is deleted: whether every change that no
    /// other builds on leaves it deleted. An edit made at the same time as the
    /// deletion keeps the record.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        let marked = |heads: Option<&[automerge::ChangeHash]>| {
            !candidates(&self.automerge, key::DELETED, heads).is_empty()
        };
        marked(None) && self.automerge.get_heads().iter().all(|head| marked(Some(&[*head])))
    }

    /// Returns the keys to which different values were given at the same time.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict> {
        let conflicted = self.automerge.map_range(ROOT, ..).filter(|item| item.conflict);
        conflicted.filter_map(|item| conflict(&self.automerge, &item.key)).collect()
    }
}

fn conflict(document: &Automerge, key: &str) -> Option<Conflict> {
    let mut distinct: Vec<Attributed> = Vec::new();
    for candidate in candidates(document, key, None) {
        if distinct.iter().all(|kept| kept.value != candidate.attributed.value) {
            distinct.push(candidate.attributed);
        }
    }
    let mut values = distinct.into_iter();
    let winner = values.next()?;
    let losers: Vec<Attributed> = values.collect();
    (!losers.is_empty()).then(|| Conflict { key: key.to_owned(), winner, losers })
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
            let value = known(document, &borrowed(&value), &object, heads);
            Some(Candidate { attributed: attributed(document, value, &object)?, object })
        })
        .collect();
    result.sort_by(|a, b| strength(b, a));
    result
}

/// Orders values by what decides between them: a known value before an unknown
/// one, then the clock reading, then the actor.
fn strength(a: &Candidate, b: &Candidate) -> Ordering {
    let rank = |candidate: &Candidate| {
        let Attributed { value, actor, hlc, change } = &candidate.attributed;
        (value.is_some(), *hlc, *actor, *change)
    };
    rank(a).cmp(&rank(b)).then_with(|| a.object.cmp(&b.object))
}

fn attributed(document: &Automerge, value: Option<Value>, object: &ObjId) -> Option<Attributed> {
    let change = document.hash_for_opid(object)?;
    let meta = document.get_change_meta_by_hash(&change)?;
    let hlc = Hlc(u64::try_from(meta.timestamp).unwrap_or_default());
    Some(Attributed { value, actor: own_actor(&meta.actor), hlc, change: own_hash(change) })
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
