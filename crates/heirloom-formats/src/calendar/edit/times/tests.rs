use crate::testing::{TIE, one, set};
use crate::{edit, parse_assignments, render};
use heirloom_schema::Content;
use heirloom_schema::category::calendar::CALENDAR;

/// A zone that no database knows, two hours ahead of UTC.
const OWN_ZONE: &str = "BEGIN:VTIMEZONE\nTZID:Office\nBEGIN:STANDARD\nDTSTART:19700101T000000\n\
    TZOFFSETFROM:+0200\nTZOFFSETTO:+0200\nEND:STANDARD\nEND:VTIMEZONE\n";
const BERLIN: &str = "DTSTART;TZID=Europe/Berlin:20240601T100000\n\
    DTEND;TZID=Europe/Berlin:20240601T130000\n";
const MIXED: &str = "DTSTART:20240601T080000Z\nDTEND;TZID=Europe/Berlin:20240601T130000\n";

fn event(lines: &str) -> Content {
    let file = format!(
        "BEGIN:VCALENDAR\n{OWN_ZONE}BEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\nEND:VCALENDAR\n"
    );
    one("a.ics", file.as_bytes()).content
}

/// Returns the lines of start and end after an edit.
fn after(lines: &str, edits: &[&str]) -> String {
    let file = render(&CALENDAR, &set(&CALENDAR, &event(lines), edits), "1");
    let file = String::from_utf8(file).unwrap();
    let (_, own) = file.split_once("BEGIN:VEVENT").unwrap();
    let times = own.lines().filter(|line| line.starts_with("DT") || line.starts_with("DUE"));
    times.collect::<Vec<_>>().join(" ")
}

fn refused(lines: &str, edits: &[&str]) -> String {
    let edits: Vec<String> = edits.iter().map(|text| (*text).to_owned()).collect();
    let edits = parse_assignments(&CALENDAR, &edits).unwrap();
    edit(&CALENDAR, &event(lines), &edits, TIE).unwrap_err().to_string()
}

#[test]
fn times_of_two_zones_are_compared_as_instants() {
    let expected = "end is a time from the start on, not \"2024-06-01T13:00:00\"";
    assert_eq!(refused(BERLIN, &["start=2024-06-01T12:00Z"]), expected);
    assert_eq!(
        after(BERLIN, &["start=2024-06-01T11:00Z"]),
        "DTSTART:20240601T110000Z DTEND;TZID=Europe/Berlin:20240601T130000"
    );
    let flight =
        "DTSTART;TZID=Asia/Tokyo:20240601T120000\nDTEND;TZID=Europe/Berlin:20240601T130000\n";
    assert_eq!(refused(flight, &["start=2024-06-01T20:01"]), expected);
    assert!(
        after(flight, &["start=2024-06-01T20:00"])
            .starts_with("DTSTART;TZID=Asia/Tokyo:20240601T200000")
    );
    let own = "DTSTART;TZID=Office:20240601T120000\nDTEND:20240601T110000Z\n";
    let refused = refused(own, &["start=2024-06-01T13:01"]);
    assert_eq!(refused, "end is a time from the start on, not \"2024-06-01T11:00:00Z\"");
    assert!(after(own, &["start=2024-06-01T13:00"]).contains("20240601T130000"));
    let unknown = "DTSTART;TZID=Mars/Olympus:20240601T120000\nDTEND:20240601T110000Z\n";
    assert!(after(unknown, &["start=2024-06-01T23:00"]).contains("20240601T230000"));
}

#[test]
fn a_zone_for_times_of_two_kinds_is_that_of_both() {
    for (edits, start, end) in [
        (
            &["timezone=Europe/Berlin"][..],
            "Europe/Berlin:20240601T100000",
            "Europe/Berlin:20240601T130000",
        ),
        (&["timezone=Asia/Tokyo"], "Asia/Tokyo:20240601T170000", "Asia/Tokyo:20240601T200000"),
        (&["timezone=Office"], "Office:20240601T100000", "Office:20240601T130000"),
        (
            &["timezone=Asia/Tokyo", "end=2024-06-01T18:00"],
            "Asia/Tokyo:20240601T170000",
            "Asia/Tokyo:20240601T180000",
        ),
    ] {
        let expected = format!("DTSTART;TZID={start} DTEND;TZID={end}");
        assert_eq!(after(MIXED, edits), expected, "{edits:?}");
    }
}

#[test]
fn an_edit_of_something_else_lets_odd_times_be() {
    for odd in [
        "DTSTART:20240601T080000Z\nDTEND:20240601T070000Z\n",
        "DTSTART;VALUE=DATE:20240601\nDTEND;VALUE=DATE:20240601\n",
    ] {
        assert_eq!(after(odd, &["title=x"]), odd.trim_end().replace('\n', " "));
    }
}

#[test]
fn a_whole_day_that_would_end_on_itself_is_refused() {
    let expected = "end is the day after the last whole day, not \"2024-06-05\"";
    let days = "DTSTART;VALUE=DATE:20240603\nDTEND;VALUE=DATE:20240605\n";
    assert_eq!(refused(BERLIN, &["start=2024-06-05", "end=2024-06-05"]), expected);
    assert_eq!(refused(days, &["start=2024-06-05"]), expected);
    for (lines, edits, start, end) in [
        (BERLIN, &["start=2024-06-05", "end=2024-06-06"][..], "20240605", "20240606"),
        (BERLIN, &["all_day=true"], "20240601", "20240602"),
        (BERLIN, &["start=2024-06-01"], "20240601", "20240602"),
        (days, &["start=2024-06-04"], "20240604", "20240605"),
        (
            days,
            &["all_day=true", "start=2024-06-04T10:00", "end=2024-06-04T12:00"],
            "20240604",
            "20240605",
        ),
    ] {
        let expected = format!("DTSTART;VALUE=DATE:{start} DTEND;VALUE=DATE:{end}");
        assert_eq!(after(lines, edits), expected, "{edits:?}");
    }
}
