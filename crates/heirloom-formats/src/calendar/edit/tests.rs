//! Two devices that edit one event while they are apart.

use crate::testing::{TIE, items, made, one, set};
use crate::{Edits, edit, parse_assignments, project, render};
use heirloom_schema::category::calendar::CALENDAR;
use heirloom_schema::{Content, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A zone as another program defines it.
const BERLIN: &str = "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\n\
    DTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n";

fn event(zone: &str, lines: &str) -> Content {
    let file =
        format!("BEGIN:VCALENDAR\n{zone}BEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\nEND:VCALENDAR\n");
    one("a.ics", file.as_bytes()).content
}

fn weekly(until: &str) -> Content {
    let berlin = "TZID=Europe/Berlin";
    let times = format!("DTSTART;{berlin}:20260601T100000\nDTEND;{berlin}:20260601T110000\n");
    event(BERLIN, &format!("{times}RRULE:FREQ=WEEKLY;UNTIL={until}\n"))
}

fn edits(content: &Content, texts: &[&str]) -> Edits {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    edit(&CALENDAR, content, &parse_assignments(&CALENDAR, &texts).unwrap(), TIE).unwrap()
}

/// Returns what one device makes of a record in edits one after the other.
fn changes(content: &Content, texts: &[&str]) -> Edits {
    let edited =
        texts.iter().fold(content.clone(), |content, text| set(&CALENDAR, &content, &[text]));
    crate::layout::difference(content, &edited)
}

/// Returns what two devices make of a record, as the merge by key shows it: of
/// two values the first device's, and a removal loses against a value.
fn merged(content: &Content, winner: &Edits, loser: &Edits) -> Content {
    let mut all: BTreeMap<&str, _> = BTreeMap::new();
    for (key, value) in loser.iter().chain(winner) {
        let other = all.insert(key.as_str(), value);
        if value.is_none() && other.is_some_and(Option::is_some) {
            all.extend(other.map(|other| (key.as_str(), other)));
        }
    }
    let all = all.into_iter().map(|(key, value)| (key.to_owned(), value.clone()));
    crate::testing::applied(content, all.collect())
}

fn file(content: &Content) -> String {
    String::from_utf8(render(&CALENDAR, content, "1")).unwrap()
}

/// Returns the zones that a file names, and those that it defines.
fn zones(file: &str) -> (BTreeSet<String>, Vec<String>) {
    let named =
        file.lines().filter_map(|line| line.split_once(";TZID=")?.1.split([':', ';']).next());
    let defined = file.lines().filter_map(|line| line.strip_prefix("TZID:"));
    (named.map(str::to_owned).collect(), defined.map(str::to_owned).collect())
}

fn text(content: &Content, field: &str) -> String {
    project(&CALENDAR, content).text(field).unwrap_or_default().to_owned()
}

#[test]
fn a_start_here_and_a_rule_there_both_stay() {
    let rule = "rrule=FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20260831T215959Z";
    for (until, start) in [
        ("20260629T215959Z", "start=2026-06-01T14:30"),
        ("20260629T215959Z", "start=2026-06-01T08:00"),
        ("20260705T215959Z", "start=2026-06-02T10:00"),
        ("20260629T080000Z", "start=2026-06-01T09:00"),
        ("20260629T215959Z", "timezone=America/New_York"),
        ("20260629", "start=2026-06-01T14:30"),
    ] {
        let series = weekly(until);
        let (mine, theirs) = (edits(&series, &[start]), edits(&series, &[rule]));
        for (winner, loser) in [(&mine, &theirs), (&theirs, &mine)] {
            let both = merged(&series, winner, loser);
            assert_eq!(text(&both, "rrule"), rule[6..], "{until} {start}");
            assert_eq!(text(&both, "start"), text(&set(&CALENDAR, &series, &[start]), "start"));
        }
    }
}

#[test]
fn a_zone_that_is_named_is_defined_whatever_two_devices_make_of_it() {
    let lines = "DTSTART;TZID=Europe/Berlin:20260601T100000\nDTEND;TZID=Europe/Berlin:20260601T110000\n\
        RRULE:FREQ=DAILY;COUNT=9\nEXDATE;TZID=Europe/Berlin:20260603T100000\n";
    let own = ["start=2026-06-01T10:00", "end=2026-06-01T11:00", "timezone=Europe/Berlin"];
    let bases = [made(&CALENDAR, "1", &own), event(BERLIN, lines)];
    let all: &[&[&str]] = &[
        &["start=2026-06-01T12:00"],
        &["start=1975-07-01T12:00"],
        &["end=2026-06-01T15:00"],
        &["timezone=Asia/Tokyo"],
        &["timezone=America/New_York"],
        &["timezone=America/New_York", "timezone=Asia/Tokyo"],
        &["timezone=Asia/Tokyo", "timezone=Europe/Berlin"],
        &["timezone="],
        &["all_day=true"],
        &["all_day=true", "start=2026-06-01T09:00", "timezone=Asia/Tokyo"],
        &["start=2026-06-02"],
    ];
    for (base, (one, other)) in bases.iter().flat_map(|base| {
        all.iter().flat_map(move |one| all.iter().map(move |other| (base, (one, other))))
    }) {
        let (mine, theirs) = (changes(base, one), changes(base, other));
        let both = file(&merged(base, &mine, &theirs));
        let (named, defined) = zones(&both);
        assert!(named.iter().all(|zone| defined.contains(zone)), "{one:?} {other:?}: {both}");
        let each: BTreeSet<&String> = defined.iter().collect();
        assert_eq!(each.len(), defined.len(), "{one:?} {other:?}: {both}");
        assert_eq!(items("a.ics", both.as_bytes()).len(), 1);
    }
}

#[test]
fn a_definition_that_is_named_again_reaches_back_to_the_event() {
    let made = made(&CALENDAR, "1", &["start=2026-06-01T10:00", "timezone=Europe/Berlin"]);
    let all = ["timezone=Asia/Tokyo", "start=1985-06-01T10:00", "timezone=Europe/Berlin"];
    let again = all.iter().fold(made.clone(), |content, text| set(&CALENDAR, &content, &[text]));
    let early = set(&CALENDAR, &made, &["start=1985-06-01T10:00"]);
    assert!(file(&early).contains("\r\nDTSTART:19850331T020000\r\n"), "{}", file(&early));
    assert!(early.iter().all(|(key, value)| again.get(key) == Some(value)), "{}", file(&again));
}

#[test]
fn a_place_that_a_foreign_hand_gave_to_another_zone_is_left_to_it() {
    let berlin = event(BERLIN, "DTSTART;TZID=Europe/Berlin:20260601T100000\n");
    let tokyo = set(&CALENDAR, &berlin, &["timezone=Asia/Tokyo"]);
    let place = tokyo.keys().find(|key| !berlin.contains_key(*key)).unwrap();
    let mut taken = berlin.clone();
    taken.insert(place.clone(), Value::Str(BERLIN.trim_end().replace("Berlin", "Else")));
    let found = zones(&file(&set(&CALENDAR, &taken, &["timezone=Asia/Tokyo"]))).1;
    assert_eq!(found, ["Europe/Berlin", "Europe/Else", "Asia/Tokyo"]);
}
