//! Conflicts as a person sees them, and what settles them.

use crate::command::{Author, ConcurrentValue, ConflictRow, Failure};
use crate::{collection, failure, show};
use heirloom_base::{ActorId, Hlc};
use heirloom_doc::{Attributed, Document};
use heirloom_schema::category::CategorySpec;
use heirloom_schema::{Value, key};
use serde_json::{Value as Json, json};

/// The field under which a contested deletion is listed.
const DELETED_FIELD: &str = "deleted";
/// The word that stands for the values that are shown.
const WINNER: &str = "winner";

/// What settles a conflict: new values by key, `None` removes.
type Edits = Vec<(String, Option<Value>)>;

/// One of the values of a dispute.
#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    /// Its number among those of its field.
    number: usize,
    shown: Option<Json>,
    author: Author,
    /// What keeping it means; nothing where this version cannot write it.
    edits: Option<Edits>,
}

/// A field with concurrent values, the one that is shown first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dispute {
    field: String,
    candidates: Vec<Candidate>,
}

/// Returns what is in conflict in a record. `now_ms` is when a deletion that
/// is chosen happens.
pub(crate) fn disputes(
    spec: &'static CategorySpec,
    document: &Document,
    author: &dyn Fn(ActorId, Hlc) -> Author,
    now_ms: u64,
) -> Vec<Dispute> {
    let mut disputes: Vec<Dispute> = Vec::new();
    for conflict in document.conflicts() {
        if !collection::is_visible(spec, &conflict) {
            continue;
        }
        let field = show::field_name(spec, &conflict.key, conflict.winner.value.as_ref());
        let values = std::iter::once(&conflict.winner).chain(&conflict.losers);
        let candidates = values.map(|one| candidate(spec, &conflict.key, one, author)).collect();
        take_in(&mut disputes, Dispute { field, candidates });
    }
    disputes.extend(contested_deletion(document, author, now_ms));
    number(&mut disputes);
    disputes
}

fn candidate(
    spec: &'static CategorySpec,
    key: &str,
    one: &Attributed,
    author: &dyn Fn(ActorId, Hlc) -> Author,
) -> Candidate {
    let value = one.value.as_ref();
    Candidate {
        number: 0,
        shown: value.map(|value| show::value_json(spec, key, value)),
        author: author(one.actor, one.hlc),
        edits: value.map(|value| vec![(key.to_owned(), Some(value.clone()))]),
    }
}

/// Adds a dispute; one field may stand in two lines, as a card's name does,
/// and is then one dispute about both.
fn take_in(disputes: &mut Vec<Dispute>, new: Dispute) {
    let looks = |dispute: &Dispute| -> Vec<(Option<Json>, Author)> {
        dispute.candidates.iter().map(|one| (one.shown.clone(), one.author.clone())).collect()
    };
    let same = |old: &&mut Dispute| old.field == new.field && looks(old) == looks(&new);
    let Some(old) = disputes.iter_mut().find(same) else { return disputes.push(new) };
    for (old, new) in old.candidates.iter_mut().zip(new.candidates) {
        old.edits = old.edits.take().zip(new.edits).map(|(old, new)| [old, new].concat());
    }
}

fn contested_deletion(
    document: &Document,
    author: &dyn Fn(ActorId, Hlc) -> Author,
    now_ms: u64,
) -> Option<Dispute> {
    let contested = document.contested_deletion()?;
    let choice = |by: &Attributed, deleted: bool| {
        let now = Value::Int(i64::try_from(now_ms).unwrap_or(i64::MAX));
        Candidate {
            number: 0,
            shown: Some(json!(deleted)),
            author: author(by.actor, by.hlc),
            edits: Some(vec![(key::DELETED.to_owned(), deleted.then_some(now))]),
        }
    };
    let candidates = vec![choice(&contested.kept_by, false), choice(&contested.deletion, true)];
    Some(Dispute { field: DELETED_FIELD.to_owned(), candidates })
}

/// Numbers the values of each field from 1, also over several disputes about it.
fn number(disputes: &mut [Dispute]) {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for dispute in disputes {
        let count = counts.entry(dispute.field.clone()).or_default();
        for candidate in &mut dispute.candidates {
            *count += 1;
            candidate.number = *count;
        }
    }
}

impl Dispute {
    /// Returns it as it is listed; `title` is what a person calls the record.
    pub(crate) fn row(&self, category: &str, id: &str, title: &str) -> Option<ConflictRow> {
        let (winner, losers) = self.candidates.split_first()?;
        let losers = losers.iter().map(|loser| ConcurrentValue {
            number: loser.number,
            value: loser.shown.clone(),
            author: loser.author.clone(),
        });
        Some(ConflictRow {
            id: id.to_owned(),
            category: category.to_owned(),
            title: title.to_owned(),
            field: self.field.clone(),
            number: winner.number,
            winner: winner.shown.clone(),
            author: winner.author.clone(),
            losers: losers.collect(),
        })
    }
}

/// Returns what settles the disputes of a record as a user chose: `winner`,
/// the number of a value, or the value itself.
pub(crate) fn settlement(
    category: &str,
    disputes: &[Dispute],
    field: Option<&str>,
    keep: &str,
) -> Result<Edits, Failure> {
    let meant: Vec<&Dispute> = disputes
        .iter()
        .filter(|dispute| field.is_none_or(|field| dispute.field == field))
        .collect();
    if meant.is_empty() {
        return Err(failure::no_conflict(category));
    }
    let chosen: Vec<&Candidate> = if keep == WINNER {
        meant.iter().filter_map(|dispute| dispute.candidates.first()).collect()
    } else {
        let mut fields: Vec<&str> = meant.iter().map(|dispute| dispute.field.as_str()).collect();
        fields.dedup();
        if fields.len() > 1 {
            return Err(failure::several_conflicts(&fields));
        }
        vec![choose(category, &meant, keep)?]
    };
    let mut edits = Edits::new();
    for candidate in chosen {
        let some = candidate.edits.clone().ok_or_else(|| failure::no_such_value(keep, category))?;
        edits.extend(some);
    }
    Ok(edits)
}

fn choose<'a>(category: &str, meant: &[&'a Dispute], keep: &str) -> Result<&'a Candidate, Failure> {
    let all: Vec<&Candidate> = meant.iter().flat_map(|dispute| &dispute.candidates).collect();
    let number = keep.parse::<usize>().ok();
    let by_number = all.iter().copied().find(|one| Some(one.number) == number);
    let reads = |one: &&Candidate| one.shown.as_ref().is_some_and(|one| show::plain(one) == keep);
    let by_value = all.iter().copied().find(reads);
    match (by_number, by_value) {
        (Some(one), Some(other)) if one != other => Err(failure::number_or_value(keep)),
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => Err(failure::no_such_value(keep, category)),
    }
}
