//! Earlier versions of a record: naming one, and the way back to it.

use crate::births;
use crate::command::Failure;
use crate::failure;
use crate::rows::Stamp;
use heirloom_base::time::{self, civil_from_days, days_from_civil};
use heirloom_base::{ActorId, ChangeHash};
use heirloom_doc::{ChangeKind, ChangeSummary, Document, Heads};
use heirloom_schema::{Content, Value, category, key};
use std::collections::{BTreeMap, BTreeSet};

/// Letters of a change's hash that name it at least.
const HASH_LETTERS_MIN: usize = 4;

/// A version of a record that a user names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    /// As it was at a time, in milliseconds since 1970; the second counts whole.
    At(u64),
    /// As it was after a change, named by the beginning of its hash.
    After(String),
}

/// Returns the edits that bring a record back to how it was, as changes that
/// go forward. `births` tells when each birth was first brought.
pub(crate) fn back_to(
    document: &Document,
    births: &BTreeMap<ActorId, Stamp>,
    version: &str,
) -> Result<Vec<(String, Option<Value>)>, Failure> {
    let history = document.history();
    let made_ms = |change: &ChangeSummary| match births.get(&change.actor) {
        Some((wall_ms, _)) if change.birth => *wall_ms,
        Some(_) | None => change.hlc.wall_ms(),
    };
    let (heads, wall_ms) = match read_version(version)? {
        Version::At(wall_ms) => {
            let is_then = |change: &&ChangeSummary| made_ms(change) / 1000 <= wall_ms / 1000;
            let then: BTreeSet<ChangeHash> =
                history.iter().filter(is_then).map(|change| change.hash).collect();
            if then.is_empty() {
                let first = history.iter().map(made_ms).min().unwrap_or_default();
                return Err(failure::not_born(version, &time::rfc3339(first)));
            }
            (Heads(then.into_iter().collect()), wall_ms)
        }
        Version::After(prefix) => {
            let named = |change: &&ChangeSummary| change.hash.to_string().starts_with(&prefix);
            let mut matches = history.iter().filter(named);
            match (matches.next(), matches.next()) {
                (Some(change), None) => (Heads(vec![change.hash]), made_ms(change)),
                (None, _) => return Err(failure::no_change(version)),
                (Some(_), Some(_)) => return Err(failure::ambiguous_change(version)),
            }
        }
    };
    let then = document.at(&heads).map_err(|error| failure::lost_version(version, &error))?;
    if then.is_deleted() {
        return Err(failure::deleted_then(version));
    }
    Ok(way(document, &then, wall_ms))
}

/// Returns the edits from one document to another, with the mark of a restore.
fn way(now: &Document, then: &Document, wall_ms: u64) -> Vec<(String, Option<Value>)> {
    let (current, wanted) = (births::content(now), births::content(then));
    let mut edits = towards(now, &wanted);
    // A conflict that the version did not have is settled by it.
    for conflict in births::conflicts(now) {
        if edits.iter().all(|(key, _)| *key != conflict.key) {
            edits.push((conflict.key.clone(), wanted.get(&conflict.key).cloned()));
        }
    }
    // Another device may name a zone in an edit that is on its way.
    let spec = now.category().and_then(category::by_number);
    let is_definition =
        |key: &str| spec.is_some_and(|spec| heirloom_formats::is_definition(spec, key));
    edits.retain(|(key, value)| value.is_some() || !is_definition(key));
    // What was imported last is still what was imported last.
    edits.retain(|(key, _)| !key::is_reserved(key));
    // A mark that an edit contests is no deletion: it goes too.
    if current.contains_key(key::DELETED) {
        edits.push((key::DELETED.to_owned(), None));
    }
    if !edits.is_empty() {
        edits.push((key::RESTORED.to_owned(), Some(mark(now, wall_ms))));
    }
    edits
}

/// Returns the edits that make a document show a content.
pub(crate) fn towards(now: &Document, wanted: &Content) -> Vec<(String, Option<Value>)> {
    births::way(now, wanted).unwrap_or_else(|| difference(&births::content(now), wanted))
}

/// Returns a mark of a restore that is none of those which are there: the same
/// one again would be no change.
fn mark(now: &Document, wall_ms: u64) -> Value {
    let marks = now.values(key::RESTORED);
    let mut mark = i64::try_from(wall_ms).unwrap_or(i64::MAX);
    while marks.iter().any(|one| one.value == Some(Value::Int(mark))) {
        mark = mark.wrapping_add(1);
    }
    Value::Int(mark)
}

/// Returns the edits that make a deleted record anew, with a content that
/// keeps nothing of the old one.
pub(crate) fn anew(document: &Document, content: &Content) -> Vec<(String, Option<Value>)> {
    let mut edits = difference(&births::content(document), content);
    edits.retain(|(key, _)| !key::is_reserved(key));
    edits.push((key::DELETED.to_owned(), None));
    edits
}

fn read_version(text: &str) -> Result<Version, Failure> {
    if let Some(wall_ms) = parse_rfc3339(text) {
        return Ok(Version::At(wall_ms));
    }
    let is_hash = text.len() >= HASH_LETTERS_MIN && text.bytes().all(|one| one.is_ascii_hexdigit());
    if is_hash {
        return Ok(Version::After(text.to_ascii_lowercase()));
    }
    let fix =
        "Give a time like 2026-12-24T18:00:00+01:00, a date, or a change as `history` shows it.";
    Err(failure::usage(format!("{text:?} is neither a time nor a change."), fix))
}

/// Returns the name of what a change was for, as history lists it.
pub(crate) fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Born => "created",
        ChangeKind::Edited => "edited",
        ChangeKind::Imported => "imported",
        ChangeKind::Resolved => "resolved",
        ChangeKind::Restored => "restored",
        ChangeKind::Deleted => "deleted",
    }
}

/// Returns the edits that make of a content at hand what was made of another one:
/// what it has already is left as it is, and so are texts unless they are wanted too.
pub(crate) fn carried(
    from: &Content,
    to: &Content,
    at: &Content,
    has_texts: bool,
) -> Vec<(String, Option<Value>)> {
    let edits = difference(from, to).into_iter();
    let carry = |(key, value): (String, Option<Value>)| match (from.get(&key), at.get(&key), value)
    {
        (_, now, value) if now == value.as_ref() => None,
        (_, _, Some(Value::Text(_))) if !has_texts => None,
        (Some(Value::Text(from)), Some(Value::Text(now)), Some(Value::Text(to))) => {
            Some((key, Some(Value::Text(heirloom_doc::merged(from, &to, now)))))
        }
        (_, _, value) => Some((key, value)),
    };
    edits.filter_map(carry).collect()
}

/// Returns the edits that lead from one content to another.
pub(crate) fn difference(from: &Content, to: &Content) -> Vec<(String, Option<Value>)> {
    let mut edits: Vec<(String, Option<Value>)> = to
        .iter()
        .filter(|(key, value)| from.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    edits.extend(from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), None)));
    edits
}

/// Reads an RFC 3339 time; a missing offset or time of day means UTC and
/// midnight, because this crate knows no zone of the user.
fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let valid =
        (1..=12).contains(&month) && (1..=31).contains(&day) && (1970..=9999).contains(&year);
    if !valid || parts.next().is_some() {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) {
        return None;
    }
    let seconds = days * 86_400 + clock_seconds(rest)?;
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
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    valid.then_some(hour * 3600 + minute * 60 + second - offset * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::{Hlc, LogId, RecordId};

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
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11-18T25:00",
            "2026-11-1",
            "2026-11-18T1",
            "2026-02-30",
            "2026-11-18T10:00:00+24:00",
            "2026-11-18T10:00:00-00:60",
        ] {
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

    const LOG: LogId = LogId([1; 16]);
    const RECORD: RecordId = RecordId([4; 16]);
    const BORN_S: u64 = 1_794_999_000;

    /// Returns a note that was born, edited and deleted at three times.
    fn note() -> (Document, BTreeMap<ActorId, Stamp>) {
        let content = Content::from([("title".to_owned(), Value::Str("first".into()))]);
        let birth = heirloom_doc::birth(RECORD, &content).unwrap();
        let mut document = Document::from_birth(&birth).unwrap();
        let births = BTreeMap::from([(document.history()[0].actor, (BORN_S * 1_000, LOG))]);
        let actor = heirloom_doc::actor_for(LOG, RECORD);
        let mut edit = |seconds: u64, key: &str, value: Value| {
            let hlc = Hlc::from_wall_ms(seconds * 1_000 + 500);
            document.edit(actor, hlc, &[(key.to_owned(), Some(value))]).unwrap();
        };
        edit(1_795_000_000, "title", Value::Str("second".into()));
        edit(1_795_000_010, key::DELETED, Value::Int(5));
        (document, births)
    }

    fn at(seconds: u64) -> String {
        time::rfc3339(seconds * 1_000)
    }

    #[test]
    fn a_record_goes_back_to_how_it_was_at_a_time() {
        let (document, births) = note();
        let back = |version: &str| back_to(&document, &births, version);
        let second = back(&at(1_795_000_000)).unwrap();
        let mark = |seconds: i64| (key::RESTORED.to_owned(), Some(Value::Int(seconds * 1_000)));
        assert_eq!(second, [(key::DELETED.to_owned(), None), mark(1_795_000_000)]);
        let first = back(&at(1_794_999_999)).unwrap();
        assert_eq!(first[0], ("title".to_owned(), Some(Value::Str("first".into()))));
        assert_eq!(first.len(), 3);
        assert_eq!(back(&at(BORN_S)).unwrap().len(), 3, "the second of the birth counts whole");
    }

    #[test]
    fn before_its_birth_and_in_the_trash_there_is_nothing_to_go_back_to() {
        let (document, births) = note();
        let code = |version: &str| back_to(&document, &births, version).unwrap_err().code;
        assert_eq!(code(&at(BORN_S - 1)), "not-born");
        assert_eq!(code(&at(1_795_000_010)), "deleted-then");
        assert_eq!(code("soon"), "usage");
        assert_eq!(code("abc"), "usage", "too short for a change");
        assert_eq!(code("0000000000000000"), "no-change");
        let failure = back_to(&document, &births, "2026-11-01").unwrap_err();
        assert!(failure.text.contains(&at(BORN_S)), "{}", failure.text);
    }

    #[test]
    fn a_version_is_named_by_its_change_too() {
        let (document, births) = note();
        let hash = document.history()[0].hash.to_string();
        let by_hash = back_to(&document, &births, &hash[..8]).unwrap();
        assert_eq!(by_hash, back_to(&document, &births, &at(BORN_S)).unwrap());
        let deletion = document.history()[2].hash.to_string();
        assert_eq!(back_to(&document, &births, &deletion).unwrap_err().code, "deleted-then");
    }

    #[test]
    fn a_second_way_back_to_one_version_is_marked_too() {
        let (mut document, births) = note();
        let actor = heirloom_doc::actor_for(LogId([2; 16]), RECORD);
        for round in 1..=3_u64 {
            let back = back_to(&document, &births, &at(BORN_S)).unwrap();
            let hlc = |part: u64| Hlc::from_wall_ms((1_795_000_100 + 2 * round + part) * 1_000);
            document.edit(actor, hlc(0), &back).unwrap();
            let kinds = document.history().into_iter().map(|change| change.kind);
            assert_eq!(kinds.filter(|kind| *kind == ChangeKind::Restored).count() as u64, round);
            let title = Some(Value::Str(format!("again {round}")));
            document.edit(actor, hlc(1), &[("title".to_owned(), title)]).unwrap();
        }
    }

    #[test]
    fn a_zone_that_came_later_stays_on_the_way_back() {
        let text = |text: &str| Value::Str(text.to_owned());
        let content = Content::from([
            (key::CATEGORY.to_owned(), Value::Int(category::calendar::CALENDAR.number)),
            ("e0/l000010".to_owned(), text("DTSTART;TZID=Europe/Berlin:20260301T100000")),
        ]);
        let birth = heirloom_doc::birth(RECORD, &content).unwrap();
        let mut document = Document::from_birth(&birth).unwrap();
        let births = BTreeMap::from([(document.history()[0].actor, (BORN_S * 1_000, LOG))]);
        let edits = [
            ("e0/l000010".to_owned(), Some(text("DTSTART;TZID=Asia/Tokyo:20260301T100000"))),
            ("z000005".to_owned(), Some(text("BEGIN:VTIMEZONE"))),
        ];
        let hlc = Hlc::from_wall_ms(1_795_000_000_000);
        document.edit(heirloom_doc::actor_for(LOG, RECORD), hlc, &edits).unwrap();
        let back = back_to(&document, &births, &at(BORN_S)).unwrap();
        assert!(back.iter().any(|(key, _)| key == "e0/l000010"));
        assert!(back.iter().all(|(key, _)| key != "z000005"), "{back:?}");
    }

    #[test]
    fn where_nothing_differs_nothing_is_marked() {
        let (mut document, births) = note();
        let edits = back_to(&document, &births, &at(1_795_000_005)).unwrap();
        let actor = heirloom_doc::actor_for(LOG, RECORD);
        document.settle(actor, Hlc::from_wall_ms(1_795_000_020_000), &edits).unwrap();
        assert_eq!(document.history().last().unwrap().kind, ChangeKind::Restored);
        assert_eq!(back_to(&document, &births, &at(1_795_000_005)), Ok(vec![]));
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
