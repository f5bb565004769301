//! Conflicts as a person sees them, and what settles them.

use crate::command::{Author, ConcurrentValue, ConflictRow, Failure};
use crate::show::Open;
use crate::{births, collection, failure, show};
use heirloom_base::{ActorId, Hlc};
use heirloom_doc::{Attributed, Document};
use heirloom_schema::category::CategorySpec;
use heirloom_schema::{Value, key};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The field under which a contested deletion is listed.
const DELETED_FIELD: &str = "deleted";
/// What the zone of a time is called among what its line says besides.
const ZONE: &str = "TZID";
/// The field of a time to whose line other fields belong.
const START: &str = "start";
const OF_A_START: &[&str] = &["all_day", "timezone"];
/// What names the occurrence that an exception of a series replaces.
const OCCURRENCE: &str = "recurrence-id";
/// The fields that one move of an event writes.
const TIMES: &[&str] =
    &[START, "end", "due", "duration", "rrule", "exrule", "exdate", "rdate", OCCURRENCE];
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
    /// Its type, where it has one.
    kind: Option<String>,
    /// Its line in the file.
    line: Option<String>,
    /// What its line says about other fields: a start about the zone.
    beside: BTreeMap<String, Json>,
    /// Whether the field was removed.
    removed: bool,
    /// How the other lines of the field read, where they read otherwise.
    also: Vec<Json>,
    author: Author,
    /// What keeping it means; nothing where this version cannot write it.
    edits: Option<Edits>,
}

/// A field with concurrent values, the one that is shown first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dispute {
    field: String,
    /// The part of the file that it is about: occurrences of a series are each
    /// at odds for themselves.
    component: String,
    /// Which occurrence that is.
    occurrence: Option<String>,
    candidates: Vec<Candidate>,
}

/// Returns what is in conflict in a record. `now_ms` is when a deletion that
/// is chosen happens.
pub(crate) fn disputes(
    spec: &'static CategorySpec,
    document: &Document,
    (author, open): (&dyn Fn(ActorId, Hlc) -> Author, Open<'_>),
    now_ms: u64,
) -> Vec<Dispute> {
    let mut disputes: Vec<Dispute> = Vec::new();
    for conflict in births::conflicts(document) {
        if !collection::is_visible(spec, &conflict) {
            continue;
        }
        let winner = conflict.winner.value.as_ref().map(open);
        let field = show::field_name(spec, &conflict.key, winner.as_ref());
        let values = std::iter::once(&conflict.winner).chain(&conflict.losers);
        let candidates =
            values.map(|one| candidate(spec, &conflict.key, one, (author, open))).collect();
        let component = heirloom_formats::component_of(spec, &conflict.key).to_owned();
        let occurrence = heirloom_formats::occurrence_of(spec, &component);
        take_in(spec, &mut disputes, Dispute { field, component, occurrence, candidates });
    }
    disputes.extend(contested_deletion(document, author, now_ms));
    number(&mut disputes);
    disputes
}

fn candidate(
    spec: &'static CategorySpec,
    key: &str,
    one: &Attributed,
    (author, open): (&dyn Fn(ActorId, Hlc) -> Author, Open<'_>),
) -> Candidate {
    let value = one.value.as_ref().map(open);
    let value = value.as_ref();
    let read = value.map(|value| show::reading(spec, key, value));
    let (shown, kind) = read.map_or((None, None), |read| (Some(read.value), read.kind));
    let line = value.and_then(show::line);
    let mut beside = BTreeMap::new();
    if let Some(value) = value.filter(|value| !matches!(value, Value::Text(_))) {
        beside = show::parts_of(spec, key, value);
        beside.remove(&show::field_name(spec, key, Some(value)));
        let zone = line.as_deref().and_then(zone_in);
        beside.extend(zone.map(|zone| (ZONE.to_owned(), json!(zone))));
    }
    Candidate {
        number: 0,
        shown,
        kind,
        line,
        beside,
        removed: one.removed,
        also: Vec::new(),
        author: author(one.actor, one.hlc),
        edits: (one.removed || value.is_some()).then(|| vec![(key.to_owned(), one.value.clone())]),
    }
}

/// Returns the zone that a line names.
fn zone_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(";TZID=")?;
    rest.split([':', ';']).next()
}

/// Adds a dispute; one field may stand in two lines, as a card's name does,
/// and is then one dispute about both, also where the lines read otherwise.
fn take_in(spec: &CategorySpec, disputes: &mut Vec<Dispute>, new: Dispute) {
    let is_single = spec.field(&new.field).is_some_and(|field| !field.repeatable);
    let reads = |dispute: &Dispute| -> Vec<(Option<Json>, Option<String>)> {
        dispute.candidates.iter().map(|one| (one.shown.clone(), one.kind.clone())).collect()
    };
    let authors = |dispute: &Dispute| -> Vec<Author> {
        dispute.candidates.iter().map(|one| one.author.clone()).collect()
    };
    let same = |old: &&mut Dispute| {
        (&old.field, &old.component) == (&new.field, &new.component)
            && authors(old) == authors(&new)
            && (is_single || reads(old) == reads(&new))
    };
    let Some(old) = disputes.iter_mut().find(same) else { return disputes.push(new) };
    for (old, new) in old.candidates.iter_mut().zip(new.candidates) {
        old.edits = old.edits.take().zip(new.edits).map(|(old, new)| [old, new].concat());
        old.also.extend(new.shown.filter(|shown| old.shown.as_ref() != Some(shown)));
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
            kind: None,
            line: None,
            beside: BTreeMap::new(),
            removed: false,
            also: Vec::new(),
            author: author(by.actor, by.hlc),
            edits: Some(vec![(key::DELETED.to_owned(), deleted.then_some(now))]),
        }
    };
    let candidates = vec![choice(&contested.kept_by, false), choice(&contested.deletion, true)];
    let (component, occurrence) = (String::new(), None);
    Some(Dispute { field: DELETED_FIELD.to_owned(), component, occurrence, candidates })
}

/// Numbers the values of each field from 1, also over several disputes about it.
fn number(disputes: &mut [Dispute]) {
    let mut counts = BTreeMap::<String, usize>::new();
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
        let alike = |one: &Candidate| {
            let same = |other: &&Candidate| (&other.shown, &other.kind) == (&one.shown, &one.kind);
            self.candidates.iter().filter(same).count() > 1
        };
        let differ = losers.iter().any(|one| !one.removed && one.beside != winner.beside);
        let line = |one: &Candidate| one.line.clone().filter(|_| differ || alike(one));
        let losers = losers.iter().map(|loser| ConcurrentValue {
            number: loser.number,
            value: loser.shown.clone(),
            kind: loser.kind.clone(),
            line: line(loser),
            removed: loser.removed,
            unknown: !loser.removed && loser.shown.is_none(),
            author: loser.author.clone(),
        });
        Some(ConflictRow {
            id: id.to_owned(),
            category: category.to_owned(),
            title: title.to_owned(),
            field: self.field.clone(),
            occurrence: self.occurrence.clone(),
            number: winner.number,
            winner: winner.shown.clone(),
            unknown: winner.shown.is_none(),
            kind: winner.kind.clone(),
            line: line(winner),
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
    let named = |wanted: &str| disputes.iter().any(|dispute| dispute.field == wanted);
    // What a line says beside its own field is settled with it.
    let is_beside = field.is_some_and(|field| OF_A_START.contains(&field) && !named(field));
    let field = if is_beside { Some(START) } else { field };
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
        vec![choose(category, &meant, keep, is_beside)?]
    };
    let mut edits = Edits::new();
    for candidate in chosen {
        let some = candidate.edits.clone().ok_or_else(|| failure::no_such_value(keep, category))?;
        edits.extend(some);
        for other in moved_with(disputes, candidate) {
            let is_open =
                |(key, _): &(String, Option<Value>)| edits.iter().all(|(own, _)| own != key);
            let more: Edits =
                other.edits.iter().flatten().filter(|edit| is_open(edit)).cloned().collect();
            edits.extend(more);
        }
    }
    Ok(edits)
}

/// Returns what the same change gave the other times of an event: who chooses
/// its start chooses its end too, so that the event lasts as long as it did.
fn moved_with<'a>(
    disputes: &'a [Dispute],
    chosen: &'a Candidate,
) -> impl Iterator<Item = &'a Candidate> {
    let is_time = |dispute: &&Dispute| TIMES.contains(&dispute.field.as_str());
    let of_it = |dispute: &&Dispute| {
        is_time(dispute) && dispute.candidates.iter().any(|one| std::ptr::eq(one, chosen))
    };
    let own = disputes.iter().find(of_it);
    let others = disputes.iter().filter(is_time).filter(move |dispute| {
        let is_beside =
            |own: &&Dispute| own.component == dispute.component || dispute.field == OCCURRENCE;
        own.filter(is_beside).is_some_and(|own| own.field != dispute.field)
    });
    others.filter_map(|dispute| dispute.candidates.iter().find(|one| one.author == chosen.author))
}

/// Returns the value that a user means; `is_beside` says that it may be named by
/// what its line says beside its own field.
fn choose<'a>(
    category: &str,
    meant: &[&'a Dispute],
    keep: &str,
    is_beside: bool,
) -> Result<&'a Candidate, Failure> {
    let all: Vec<&Candidate> = meant.iter().flat_map(|dispute| &dispute.candidates).collect();
    let number = keep.parse::<usize>().ok();
    let by_number = all.iter().copied().find(|one| Some(one.number) == number);
    let written: Option<Json> = serde_json::from_str(keep).ok();
    // Of a list or an object, spaces and the order of keys say nothing.
    let is_same = |shown: &Json| {
        let nests = shown.is_object() || shown.is_array();
        let is_text = shown.is_string();
        show::plain(shown) == keep || (nests || is_text) && written.as_ref() == Some(shown)
    };
    let reads = |one: &&Candidate| {
        let beside = one.beside.values().filter(|_| is_beside);
        let mut shown = one.shown.iter().chain(&one.also).chain(beside);
        one.removed && keep.is_empty() || shown.any(is_same)
    };
    let by_value = all.iter().copied().find(reads);
    let mut twins = all.iter().copied().filter(reads);
    if by_number.is_none()
        && twins.any(|one| Some(one.kind.as_ref()) != by_value.map(|by| by.kind.as_ref()))
    {
        return Err(failure::several_values(keep));
    }
    // A number is always the number of a value, as the list says.
    by_number.or(by_value).ok_or_else(|| failure::no_such_value(keep, category))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_schema::category::contacts::CONTACTS;

    fn candidate(shown: Json, key: &str) -> Candidate {
        let edits = Some(vec![(key.to_owned(), Some(Value::Str(shown.to_string())))]);
        let author = Author::default();
        let (kind, line, also) = (None, None, Vec::new());
        let (shown, beside, removed) = (Some(shown), BTreeMap::new(), false);
        Candidate { number: 0, shown, kind, line, beside, removed, also, author, edits }
    }

    fn dispute(field: &str, key: &str, values: &[Json]) -> Dispute {
        let candidates = values.iter().map(|value| candidate(value.clone(), key)).collect();
        let (component, occurrence) = (String::new(), None);
        Dispute { field: field.to_owned(), component, occurrence, candidates }
    }

    fn numbered(all: Vec<Dispute>) -> Vec<Dispute> {
        let mut disputes = Vec::new();
        all.into_iter().for_each(|one| take_in(&CONTACTS, &mut disputes, one));
        number(&mut disputes);
        disputes
    }

    #[test]
    fn a_field_with_several_disputes_numbers_its_values_on() {
        let disputes = numbered(vec![
            dispute("phone", "l1", &[json!("1"), json!("2")]),
            dispute("note", "l3", &[json!("a"), json!("b")]),
            dispute("phone", "l2", &[json!("3"), json!("4")]),
        ]);
        let numbers = |dispute: &Dispute| -> Vec<usize> {
            dispute.candidates.iter().map(|one| one.number).collect()
        };
        assert_eq!(disputes.iter().map(numbers).collect::<Vec<_>>(), [[1, 2], [1, 2], [3, 4]]);
        let edits = settlement("contacts", &disputes, Some("phone"), "b").unwrap_err();
        assert_eq!(edits.code, "no-conflict", "it is a value of another field");
        let edits = settlement("contacts", &disputes, Some("phone"), "winner").unwrap();
        let keys: Vec<&str> = edits.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["l1", "l2"]);
        assert_eq!(settlement("contacts", &disputes, None, "a").unwrap_err().code, "ambiguous");
    }

    #[test]
    fn two_lines_that_read_alike_are_settled_as_one() {
        let values = [json!("Ann"), json!("Anne")];
        let disputes =
            numbered(vec![dispute("name", "l1", &values), dispute("name", "l2", &values)]);
        assert_eq!(disputes.len(), 1);
        let edits = settlement("contacts", &disputes, None, "Anne").unwrap();
        let keys: Vec<&str> = edits.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["l1", "l2"]);
    }

    #[test]
    fn two_lines_of_one_name_that_read_otherwise_are_settled_as_one() {
        let disputes = numbered(vec![
            dispute("name", "l1", &[json!("Huber, Berta"), json!("Schulz, Anna")]),
            dispute("name", "l2", &[json!("Berta Huber"), json!("Anna Schulz")]),
        ]);
        assert_eq!(disputes.len(), 1);
        for keep in ["2", "Schulz, Anna", "Anna Schulz"] {
            let edits = settlement("contacts", &disputes, None, keep).unwrap();
            let keys: Vec<&str> = edits.iter().map(|(key, _)| key.as_str()).collect();
            assert_eq!(keys, ["l1", "l2"], "{keep}");
        }
    }

    #[test]
    fn a_value_that_two_have_of_other_types_is_chosen_by_its_number() {
        let mut disputes =
            numbered(vec![dispute("phone", "l1", &[json!("+49 1"), json!("+49 1")])]);
        disputes[0].candidates[1].kind = Some("work".to_owned());
        let chosen = |keep| settlement("contacts", &disputes, None, keep);
        assert_eq!(chosen("+49 1").unwrap_err().code, "ambiguous");
        assert_eq!(chosen("2"), Ok(disputes[0].candidates[1].edits.clone().unwrap()));
    }

    #[test]
    fn a_number_is_the_number_of_a_value_before_it_is_a_value() {
        let disputes = numbered(vec![dispute("x", "s:x", &[json!(2), json!("1"), json!(7)])]);
        let chosen = |keep| settlement("settings", &disputes, None, keep).ok();
        let candidate = |at: usize| disputes[0].candidates[at].edits.clone();
        assert_eq!(
            [chosen("1"), chosen("2"), chosen("7")],
            [candidate(0), candidate(1), candidate(2)]
        );
        assert_eq!(chosen("\"1\""), candidate(1), "a text in quotes is a text");
        assert_eq!(chosen("4"), None);
    }

    #[test]
    fn values_that_read_alike_are_told_by_their_lines() {
        let time = json!("2026-07-01T10:00:00");
        let mut dispute = dispute("start", "e/l1", &[time.clone(), time.clone(), json!("x")]);
        let lines = ["DTSTART;TZID=Asia/Tokyo:20260701T100000", "DTSTART:20260701T100000", "x"];
        for (candidate, line) in dispute.candidates.iter_mut().zip(lines) {
            candidate.line = Some(line.to_owned());
        }
        let row = serde_json::to_value(dispute.row("calendar", "1", "a").unwrap()).unwrap();
        assert_eq!((&row["winner"], &row["line"]), (&time, &json!(lines[0])));
        assert_eq!(
            (&row["losers"][0]["value"], &row["losers"][0]["line"]),
            (&time, &json!(lines[1]))
        );
        assert_eq!(row["losers"][1].get("line"), None);
    }

    #[test]
    fn times_that_differ_in_their_zones_are_told_by_their_lines() {
        let (early, late) = (json!("2026-07-01T10:00:00"), json!("2026-07-02T10:00:00"));
        let mut dispute = dispute("start", "e/l1", &[early, late]);
        let zones = ["Europe/Berlin", "Asia/Tokyo"];
        for (candidate, zone) in dispute.candidates.iter_mut().zip(zones) {
            candidate.line = Some(format!("DTSTART;TZID={zone}"));
        }
        let told = |dispute: &Dispute| dispute.row("calendar", "1", "a").unwrap().line;
        assert_eq!(told(&dispute), None);
        for (candidate, zone) in dispute.candidates.iter_mut().zip(zones) {
            candidate.beside.insert("timezone".to_owned(), json!(zone));
        }
        assert_eq!(told(&dispute), Some("DTSTART;TZID=Europe/Berlin".to_owned()));
    }

    #[test]
    fn an_object_is_chosen_however_it_is_written() {
        let values = [json!({"a": 5, "b": [2, 3]}), json!({"a": 5, "b": [3, 2]})];
        let disputes = numbered(vec![dispute("x", "s:x", &values)]);
        for keep in [r#"{"a":5,"b":[2,3]}"#, r#"{ "b": [2,3], "a": 5 }"#] {
            let chosen = settlement("settings", &disputes, None, keep).unwrap();
            assert_eq!(Some(chosen), disputes[0].candidates[0].edits, "{keep}");
        }
        assert!(settlement("settings", &disputes, None, r#"{"a": 5}"#).is_err());
        assert!(settlement("settings", &disputes, None, "{").is_err());
    }

    #[test]
    fn a_value_of_a_newer_version_cannot_be_written() {
        let mut disputes = numbered(vec![dispute("x", "s:x", &[json!(5), json!(6)])]);
        disputes[0].candidates[1].edits = None;
        assert_eq!(settlement("apps", &disputes, None, "2").unwrap_err().code, "no-conflict");
        assert!(settlement("apps", &disputes, None, "1").is_ok());
    }
}
