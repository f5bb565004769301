//! Between records and the texts that people read and write.

use crate::command::{ConcurrentValue, ConflictRow, Failure, HistoryEdit, HistoryRow};
use crate::failure;
use heirloom_base::ChangeHash;
use heirloom_base::time::{self, days_from_civil};
use heirloom_doc::{Attributed, Conflict, Document, Heads};
use heirloom_formats::{FieldEdit, FieldError, Projection};
use heirloom_schema::category::CategorySpec;
use heirloom_schema::{Content, Value, key};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// Returns the fields as lists show them: a value, or for a repeatable field
/// a list of `{value, type}`.
pub(crate) fn fields_json(spec: &'static CategorySpec, projection: &Projection) -> Json {
    let mut fields = Map::new();
    for (name, values) in &projection.fields {
        let repeatable = spec.fields.iter().any(|field| field.name == name && field.repeatable);
        let shown = if repeatable {
            let list = values.iter().map(|one| json!({"value": one.value, "type": one.kind}));
            Json::Array(list.collect())
        } else {
            values.first().map_or(Json::Null, |one| one.value.clone())
        };
        fields.insert(name.clone(), shown);
    }
    Json::Object(fields)
}

/// Reads `FIELD=VALUE` texts.
pub(crate) fn parse(
    spec: &'static CategorySpec,
    assignments: &[String],
) -> Result<Vec<FieldEdit>, Failure> {
    heirloom_formats::parse_assignments(spec, assignments)
        .map_err(|error| field_failure(spec, &error))
}

/// Tells the user what is wrong with a field.
pub(crate) fn field_failure(spec: &'static CategorySpec, error: &FieldError) -> Failure {
    let fix = format!("See `heirloom {} --help` for the fields.", spec.id);
    failure::usage(format!("{}.", sentence(&error.to_string())), &fix)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Returns the text of one value of a record's layout, as a person reads it.
pub(crate) fn value_text(spec: &'static CategorySpec, key: &str, value: &Value) -> String {
    let alone = Content::from([(key.to_owned(), value.clone())]);
    let projection = heirloom_formats::project(spec, &alone);
    let field = heirloom_formats::field_of(spec, key, value);
    let shown = field.and_then(|field| {
        let values = projection.fields.iter().find(|(name, _)| *name == field);
        values.and_then(|(_, values)| values.first().map(|one| plain(&one.value)))
    });
    shown.unwrap_or_else(|| match value {
        Value::Text(text) | Value::Str(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Blob(blob) => format!("({} bytes)", blob.size),
    })
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn field_name(spec: &'static CategorySpec, key: &str, value: Option<&Value>) -> String {
    if key == key::DELETED {
        return "deleted".to_owned();
    }
    let empty = Value::Str(String::new());
    heirloom_formats::field_of(spec, key, value.unwrap_or(&empty)).unwrap_or_else(|| key.to_owned())
}

/// Returns a conflict as it is listed.
pub(crate) fn conflict_row(
    spec: &'static CategorySpec,
    id: &str,
    conflict: &Conflict,
    device: &dyn Fn(&Attributed) -> String,
) -> ConflictRow {
    let text = |attributed: &Attributed| {
        attributed.value.as_ref().map(|value| value_text(spec, &conflict.key, value))
    };
    let losers = conflict.losers.iter().map(|loser| ConcurrentValue {
        value: text(loser),
        by: device(loser),
        at: time::rfc3339(loser.hlc.wall_ms()),
    });
    ConflictRow {
        id: id.to_owned(),
        category: spec.id.to_owned(),
        field: field_name(spec, &conflict.key, conflict.winner.value.as_ref()),
        winner: text(&conflict.winner),
        losers: losers.collect(),
    }
}

/// Returns one change as history lists it.
pub(crate) fn history_row(
    spec: &'static CategorySpec,
    change: &heirloom_doc::ChangeSummary,
    device: &dyn Fn(heirloom_base::ActorId) -> String,
) -> HistoryRow {
    let visible =
        change.edits.iter().filter(|edit| edit.key == key::DELETED || !key::is_reserved(&edit.key));
    let edits = visible.map(|edit| {
        let text =
            |value: &Option<Value>| value.as_ref().map(|value| value_text(spec, &edit.key, value));
        HistoryEdit {
            field: field_name(spec, &edit.key, edit.after.as_ref().or(edit.before.as_ref())),
            before: text(&edit.before),
            after: text(&edit.after),
        }
    });
    HistoryRow {
        change: change.hash.to_string(),
        at: (!change.birth).then(|| time::rfc3339(change.hlc.wall_ms())),
        by: (!change.birth).then(|| device(change.actor)),
        edits: edits.collect(),
    }
}

/// Returns the edits that bring a record back to how it was at a time, as
/// changes that go forward.
pub(crate) fn back_to(
    document: &Document,
    at: &str,
) -> Result<Vec<(String, Option<Value>)>, Failure> {
    let wall_ms = parse_rfc3339(at).ok_or_else(|| {
        failure::usage(format!("{at:?} is no time."), "Give it like 2026-12-24T18:00:00Z.")
    })?;
    let then: BTreeSet<ChangeHash> = document
        .history()
        .into_iter()
        .filter(|change| change.birth || change.hlc.wall_ms() / 1000 <= wall_ms / 1000)
        .map(|change| change.hash)
        .collect();
    let before = document.content_at(&Heads(then.into_iter().collect()));
    Ok(difference(&document.content(), &before))
}

/// Returns the edits that lead from one content to another.
fn difference(from: &Content, to: &Content) -> Vec<(String, Option<Value>)> {
    let mut edits: Vec<(String, Option<Value>)> = to
        .iter()
        .filter(|(key, value)| from.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    edits.extend(from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), None)));
    edits
}

/// Reads an RFC 3339 time; a missing offset or time of day means UTC and midnight.
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let valid =
        (1..=12).contains(&month) && (1..=31).contains(&day) && (1970..=9999).contains(&year);
    if !valid || parts.next().is_some() {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + clock_seconds(rest)?;
    u64::try_from(seconds).ok()?.checked_mul(1000)
}

fn clock_seconds(rest: &str) -> Option<i64> {
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then_some(0);
    };
    let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(end)?;
    let clock = clock.split('.').next()?;
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().transpose().ok()?.unwrap_or(0);
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    valid.then_some(hour * 3600 + minute * 60 + second - offset * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_printed() {
        for wall_ms in [0, 951_782_400_000, 1_795_000_000_000, 4_102_444_799_000] {
            assert_eq!(parse_rfc3339(&time::rfc3339(wall_ms)), Some(wall_ms));
        }
        assert_eq!(parse_rfc3339("2026-11-18"), parse_rfc3339("2026-11-18T00:00:00Z"));
        assert_eq!(
            parse_rfc3339("2026-11-18T02:00:00+02:00"),
            parse_rfc3339("2026-11-18T00:00:00Z")
        );
        assert_eq!(parse_rfc3339("2026-11-18T10:30:00.25Z"), parse_rfc3339("2026-11-18T10:30:00Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2026-11-18T25:00", "2026-11-1", "2026-11-18T1"]
        {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn a_difference_leads_from_one_content_to_the_other() {
        let value = |text: &str| Value::Str(text.into());
        let from = Content::from([("a".into(), value("1")), ("b".into(), value("2"))]);
        let to = Content::from([("a".into(), value("9")), ("c".into(), value("3"))]);
        let mut result = from.clone();
        for (key, edit) in difference(&from, &to) {
            match edit {
                Some(value) => result.insert(key, value),
                None => result.remove(&key),
            };
        }
        assert_eq!(result, to);
    }

    fn spec(id: &str) -> &'static CategorySpec {
        heirloom_schema::category::by_id(id).unwrap()
    }

    fn content(spec: &'static CategorySpec, fields: &[&str]) -> Content {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        heirloom_formats::create(spec, &parse(spec, &fields).unwrap(), "u", 0).unwrap()
    }

    #[test]
    fn fields_that_repeat_are_lists_and_others_are_values() {
        let spec = spec("contacts");
        let content = content(spec, &["name=Ann", "phone+=1", "phone+=2"]);
        let fields = fields_json(spec, &heirloom_formats::project(spec, &content));
        assert_eq!(fields["name"], "Ann");
        let phones: Vec<&Json> =
            fields["phone"].as_array().unwrap().iter().map(|phone| &phone["value"]).collect();
        assert_eq!(phones, ["1", "2"]);
    }

    #[test]
    fn a_wrong_field_is_told_in_a_sentence_with_a_way_on() {
        let failure = parse(spec("contacts"), &["colour=blue".to_owned()]).unwrap_err();
        assert_eq!(failure.exit, crate::failure::exit::USAGE);
        assert!(failure.text.starts_with(char::is_uppercase) && failure.text.ends_with('.'));
        assert!(failure.fix.contains("heirloom contacts --help"));
        assert_eq!(sentence(""), "");
        assert_eq!(sentence("äh so"), "Äh so");
    }

    #[test]
    fn values_without_a_field_are_shown_as_they_are() {
        let spec = spec("notes");
        let shown = |value| value_text(spec, "no such key", &value);
        assert_eq!(shown(Value::Str("a".into())), "a");
        assert_eq!(shown(Value::Int(-4)), "-4");
        assert_eq!(shown(Value::Bytes(b"raw".to_vec())), "raw");
        assert_eq!(plain(&json!("text")), "text");
        assert_eq!(plain(&json!(81)), "81");
        assert_eq!(field_name(spec, key::DELETED, None), "deleted");
    }

    #[test]
    fn a_record_goes_back_to_how_it_was_at_a_time() {
        let (record, spec) = (heirloom_base::RecordId([4; 16]), spec("notes"));
        let birth = heirloom_doc::birth(record, &content(spec, &["title=first"])).unwrap();
        let mut document = Document::from_birth(&birth).unwrap();
        let first = document.content();
        let log = heirloom_base::LogId([1; 16]);
        let actor = heirloom_doc::actor_for(log, record);
        let mark = [(key::DELETED.to_owned(), Some(Value::Int(5)))];
        let hlc = heirloom_base::Hlc::from_wall_ms(1_795_000_000_500);
        document.edit(actor, hlc, &mark).unwrap();
        let at = |seconds: u64| time::rfc3339(seconds * 1_000);
        let back = back_to(&document, &at(1_794_999_999)).unwrap();
        assert_eq!(back, [(key::DELETED.to_owned(), None)]);
        assert!(first.keys().all(|key| key != key::DELETED));
        assert_eq!(back_to(&document, &at(1_795_000_000)), Ok(vec![]), "the second counts whole");
        assert_eq!(back_to(&document, "soon").unwrap_err().code, "usage");
        let rows: Vec<HistoryRow> = document
            .history()
            .iter()
            .map(|change| history_row(spec, change, &|_| "me".to_owned()))
            .collect();
        let last = rows.last().unwrap();
        assert_eq!((last.by.as_deref(), last.edits[0].field.as_str()), (Some("me"), "deleted"));
        assert!(rows[0].by.is_none() && rows[0].at.is_none());
        assert!(rows[0].edits.iter().all(|edit| !key::is_reserved(&edit.field)));
    }

    #[test]
    fn leap_days_and_years_before_1970_are_counted_right() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1) - days_from_civil(2000, 2, 29), 1);
        assert_eq!(days_from_civil(2100, 3, 1) - days_from_civil(2100, 2, 28), 1);
        assert_eq!(parse_rfc3339("1970-01-01T00:00:00+01:00"), None, "before 1970");
    }

    proptest::proptest! {
        #[test]
        fn every_printed_time_is_read_back(seconds in 0..253_402_300_799u64) {
            let wall_ms = seconds * 1_000;
            proptest::prop_assert_eq!(parse_rfc3339(&time::rfc3339(wall_ms)), Some(wall_ms));
        }

        #[test]
        fn no_text_breaks_the_reading_of_times(text in "\\PC{0,30}", tail in "[0-9TZ:+.-]{0,16}") {
            let _ = parse_rfc3339(&text);
            let _ = parse_rfc3339(&format!("2026-11-18{tail}"));
        }
    }
}
