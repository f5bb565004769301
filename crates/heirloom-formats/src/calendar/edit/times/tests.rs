use crate::testing::{TIE, made, one, set};
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
    times(&set(&CALENDAR, &event(lines), edits))
}

/// As [`after`], where the calendar says that its zone is Berlin.
fn after_in_berlin(lines: &str, edits: &[&str]) -> String {
    let file = format!(
        "BEGIN:VCALENDAR\nX-WR-TIMEZONE:Europe/Berlin\nBEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\nEND:VCALENDAR\n"
    );
    times(&set(&CALENDAR, &one("a.ics", file.as_bytes()).content, edits))
}

fn times(content: &Content) -> String {
    let file = String::from_utf8(render(&CALENDAR, content, "1")).unwrap();
    let (_, own) = file.split_once("BEGIN:VEVENT").unwrap();
    let names = ["DT", "DUE", "DURATION"];
    let times = own.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    let times = times.filter(|line| !line.starts_with("DTSTAMP"));
    times.collect::<Vec<_>>().join(" ")
}

fn refused(lines: &str, edits: &[&str]) -> String {
    let edits: Vec<String> = edits.iter().map(|text| (*text).to_owned()).collect();
    let edits = parse_assignments(&CALENDAR, &edits).unwrap();
    edit(&CALENDAR, &event(lines), &edits, TIE).unwrap_err().to_string()
}

#[test]
fn times_of_two_zones_are_compared_as_instants() {
    let expected = "end is a time from the start on, not \"2024-06-01T07:59Z\"";
    assert_eq!(refused(BERLIN, &["end=2024-06-01T07:59Z"]), expected);
    assert_eq!(
        after(BERLIN, &["end=2024-06-01T08:00Z"]),
        "DTSTART;TZID=Europe/Berlin:20240601T100000 DTEND;TZID=Europe/Berlin:20240601T100000"
    );
    let flight =
        "DTSTART;TZID=Asia/Tokyo:20240601T120000\nDTEND;TZID=Europe/Berlin:20240601T130000\n";
    let expected = "end is a time from the start on, not \"2024-06-01T04:59\"";
    assert_eq!(refused(flight, &["end=2024-06-01T04:59"]), expected);
    assert!(
        after(flight, &["end=2024-06-01T05:00"])
            .ends_with("DTEND;TZID=Europe/Berlin:20240601T050000")
    );
    let own = "DTSTART;TZID=Office:20240601T120000\nDTEND:20240601T110000Z\n";
    let expected = "end is a time from the start on, not \"2024-06-01T09:59Z\"";
    assert_eq!(refused(own, &["end=2024-06-01T09:59Z"]), expected);
    let unknown = "DTSTART;TZID=Mars/Olympus:20240601T120000\nDTEND:20240601T110000Z\n";
    assert!(after(unknown, &["end=2024-06-01T03:00Z"]).contains("20240601T030000Z"));
}

#[test]
fn a_start_alone_takes_the_end_along() {
    let flight =
        "DTSTART;TZID=Asia/Tokyo:20240601T120000\nDTEND;TZID=Europe/Berlin:20240601T130000\n";
    let own = "DTSTART;TZID=Office:20240601T120000\nDTEND:20240601T110000Z\n";
    let days = "DTSTART;VALUE=DATE:20240603\nDTEND;VALUE=DATE:20240605\n";
    for (lines, edits, expected) in [
        (
            BERLIN,
            &["start=2024-07-09T18:30"][..],
            "DTSTART;TZID=Europe/Berlin:20240709T183000 DTEND;TZID=Europe/Berlin:20240709T213000",
        ),
        (
            BERLIN,
            &["start=2024-06-01T12:00Z"],
            "DTSTART;TZID=Europe/Berlin:20240601T140000 DTEND;TZID=Europe/Berlin:20240601T170000",
        ),
        (
            BERLIN,
            &["start=2024-06-01T12:00Z", "timezone=Asia/Tokyo"],
            "DTSTART;TZID=Asia/Tokyo:20240601T210000 DTEND;TZID=Asia/Tokyo:20240602T000000",
        ),
        (
            flight,
            &["start=2024-06-02T20:01"],
            "DTSTART;TZID=Asia/Tokyo:20240602T200100 DTEND;TZID=Europe/Berlin:20240602T210100",
        ),
        (
            own,
            &["start=2024-06-01T13:01"],
            "DTSTART;TZID=Office:20240601T130100 DTEND:20240601T120100Z",
        ),
        (
            "DTSTART;TZID=Mars/Olympus:20240601T120000\nDTEND;TZID=Mars/Olympus:20240601T130000\n",
            &["start=2024-06-01T23:00"],
            "DTSTART;TZID=Mars/Olympus:20240601T230000 DTEND;TZID=Mars/Olympus:20240602T000000",
        ),
        (
            "DTSTART:20240601T080000Z\nDURATION:PT90M\n",
            &["start=2024-06-01T09:00"],
            "DTSTART:20240601T090000Z DURATION:PT90M",
        ),
        (days, &["start=2024-06-05"], "DTSTART;VALUE=DATE:20240605 DTEND;VALUE=DATE:20240607"),
        (days, &["start=2024-06-05T10:00"], "DTSTART:20240605T100000 DTEND:20240607T100000"),
        (BERLIN, &["start=2024-06-05"], "DTSTART;VALUE=DATE:20240605 DTEND;VALUE=DATE:20240606"),
        ("DTSTART:20240601T080000\n", &["start=2024-06-02T08:00"], "DTSTART:20240602T080000"),
        (
            "DTSTART:99990101T080000Z\nDTEND:99990301T080000Z\n",
            &["start=9999-12-01T08:00"],
            "DTSTART:99991201T080000Z DTEND:99991201T080000Z",
        ),
    ] {
        assert_eq!(after(lines, edits), expected, "{edits:?}");
        let again = set(&CALENDAR, &event(lines), edits);
        assert_eq!(set(&CALENDAR, &again, edits), again, "{edits:?} again");
    }
}

#[test]
fn a_task_starts_before_it_is_due() {
    let refused = |due: &str, edit: &str| {
        let file =
            format!("BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\nDUE:{due}\nEND:VTODO\nEND:VCALENDAR\n");
        let edits = parse_assignments(&CALENDAR, &[edit.to_owned()]).unwrap();
        let task = one("a.ics", file.as_bytes()).content;
        crate::edit(&CALENDAR, &task, &edits, TIE).unwrap_err().to_string()
    };
    let expected = "start is a time up to the end, not \"2024-06-01T08:01\"";
    assert_eq!(refused("20240601T080000Z", "start=2024-06-01T08:01"), expected);
    let expected = "start is a time with Z or an offset where the end has one, and without \
        where it has none, not \"2024-06-01T08:01Z\"";
    assert_eq!(refused("20240601T080000", "start=2024-06-01T08:01Z"), expected);
}

#[test]
fn a_zone_with_a_colon_gets_quotes_where_it_is_edited() {
    let outlook = "DTSTART;TZID=(UTC+01:00) Rome, Bern:20260701T100000\n\
        DTEND;TZID=(UTC+01:00) Rome, Bern:20260701T110000\n";
    assert_eq!(after(outlook, &["title=x"]), outlook.trim_end().replace('\n', " "));
    assert_eq!(
        after(outlook, &["end=2026-07-01T12:00"]),
        "DTSTART;TZID=(UTC+01:00) Rome, Bern:20260701T100000 \
         DTEND;TZID=\"(UTC+01:00) Rome, Bern\":20260701T120000"
    );
}

#[test]
fn a_zone_in_which_the_end_would_be_early_leaves_the_length() {
    let flight =
        "DTSTART;TZID=Europe/Berlin:20240601T130000\nDTEND;TZID=America/New_York:20240601T120000\n";
    let expected =
        "DTSTART;TZID=Europe/Berlin:20240601T130000 DTEND;TZID=Europe/Berlin:20240601T180000";
    assert_eq!(after(flight, &["timezone=Europe/Berlin"]), expected);
}

#[test]
fn a_day_that_has_begun_is_one_of_whole_days() {
    let trip = "DTSTART:20260331T100000\nDTEND:20260402T120000\n";
    for (edits, start, end) in [
        (&["all_day=true"][..], "20260331", "20260403"),
        (&["start=2026-04-30"], "20260430", "20260503"),
        (&["all_day=true", "end=2026-04-02T00:00"], "20260331", "20260402"),
        (&["start=2026-03-31", "end=2026-04-02"], "20260331", "20260402"),
    ] {
        let expected = format!("DTSTART;VALUE=DATE:{start} DTEND;VALUE=DATE:{end}");
        assert_eq!(after(trip, edits), expected, "{edits:?}");
    }
}

#[test]
fn an_event_of_whole_days_ends_with_a_day() {
    let day = "DTSTART;VALUE=DATE:20260331\nDTEND;VALUE=DATE:20260401\n";
    let expected = "end is a date where the event lasts whole days, not \"2026-04-01T12:00\"";
    for edits in [&["end=2026-04-01T12:00"][..], &["start=2026-03-30", "end=2026-04-01T12:00"]] {
        assert_eq!(refused(day, edits), expected);
    }
    assert_eq!(refused(BERLIN, &["start=2026-03-30", "end=2026-04-01T12:00"]), expected);
    assert_eq!(
        after(day, &["start=2026-03-31T10:00", "end=2026-04-01T12:00"]),
        "DTSTART:20260331T100000 DTEND:20260401T120000"
    );
    assert_eq!(
        after(day, &["all_day=false", "end=2026-04-01T12:00"]),
        "DTSTART:20260331T000000 DTEND:20260401T120000"
    );
}

#[test]
fn an_event_that_lasts_a_time_still_does_when_its_end_is_named() {
    let hour = "DTSTART;TZID=Europe/Berlin:20240601T080000\nDURATION:PT1H\n";
    let free = "DTSTART:20240601T080000\nDURATION:PT1H\n";
    let days = "DTSTART;VALUE=DATE:20240601\nDURATION:P2D\n";
    let spring = "DTSTART;TZID=Europe/Berlin:20240330T230000\nDURATION:PT1H\n";
    for (lines, edits, expected) in [
        (hour, &["end=2024-06-01T09:30:05"][..], "20240601T080000 DURATION:PT1H30M5S"),
        (hour, &["end=2024-06-01T08:00"], "20240601T080000 DURATION:PT0S"),
        (
            hour,
            &["end=2024-06-02T08:00", "start=2024-06-01T09:00"],
            "20240601T090000 DURATION:PT23H",
        ),
        (free, &["end=2024-06-01T10:00"], "20240601T080000 DURATION:PT2H"),
        (days, &["end=2024-06-05"], "20240601 DURATION:P4D"),
        (spring, &["end=2024-03-31T03:00"], "20240330T230000 DURATION:PT3H"),
    ] {
        let times = after(lines, edits);
        assert!(times.ends_with(expected), "{times} is not {expected}");
        assert!(!times.contains("DTEND"), "{times}");
    }
}

#[test]
fn what_two_devices_left_is_made_one_event_again() {
    let both = "DTSTART:20240601T080000Z\nDTEND:20240601T093000Z\nDURATION:PT1H\n";
    let mixed = "DTSTART;VALUE=DATE:20240601\nDTEND;TZID=Europe/Berlin:20240602T120000\n";
    let early = "DTSTART:20240601T080000Z\nDTEND:20240601T070000Z\n";
    for (lines, edit, expected) in [
        (both, "start=2024-06-01T09:00", "DTSTART:20240601T090000Z DTEND:20240601T103000Z"),
        (both, "end=2024-06-01T09:00", "DTSTART:20240601T080000Z DTEND:20240601T090000Z"),
        (mixed, "start=2024-06-03", "DTSTART;VALUE=DATE:20240603 DTEND;VALUE=DATE:20240605"),
        (mixed, "end=2024-06-03", "DTSTART;VALUE=DATE:20240601 DTEND;VALUE=DATE:20240603"),
        (early, "start=2024-06-01T09:00", "DTSTART:20240601T090000Z DTEND:20240601T090000Z"),
        (early, "end=2024-06-01T09:00", "DTSTART:20240601T080000Z DTEND:20240601T090000Z"),
    ] {
        assert_eq!(after(lines, &[edit]), expected, "{edit}");
    }
    let end = |lines| crate::testing::texts(&CALENDAR, &event(lines), "end");
    assert_eq!(end(both), ["2024-06-01T09:30:00Z"], "an end counts, wherever it stands");
    let window = crate::Window::parse(Some("2024-06-01"), Some("2024-07-01"), "UTC", 0).unwrap();
    let found = |lines: &str| {
        let found =
            crate::occurrences(&CALENDAR, &event(lines), &window, crate::Allowance::whole(9));
        let shown = found.list.into_iter().map(|one| format!("{} {}", one.start, one.end));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(found(both), ["2024-06-01T08:00:00Z 2024-06-01T09:30:00Z"]);
    assert_eq!(found(mixed), ["2024-06-01 2024-06-03"]);
    assert_eq!(found(early), ["2024-06-01T08:00:00Z 2024-06-01T08:00:00Z"]);
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
    let expected = "end is the day after the last whole day, not \"2024-06-03\"";
    assert_eq!(refused(days, &["end=2024-06-03"]), expected);
    for (lines, edits, start, end) in [
        (BERLIN, &["start=2024-06-05", "end=2024-06-06"][..], "20240605", "20240606"),
        (BERLIN, &["all_day=true"], "20240601", "20240602"),
        (BERLIN, &["start=2024-06-01"], "20240601", "20240602"),
        (days, &["start=2024-06-04"], "20240604", "20240606"),
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

#[test]
fn a_time_with_an_offset_and_a_zone_beside_it_is_a_time_of_the_zone() {
    let edits = [
        "start=2025-03-17T09:00:00+01:00",
        "end=2025-03-17T09:00:00Z",
        "timezone=Europe/Berlin",
        "rrule=FREQ=WEEKLY;COUNT=4",
    ];
    let weekly = made(&CALENDAR, "1", &edits);
    let expected =
        "DTSTART;TZID=Europe/Berlin:20250317T090000 DTEND;TZID=Europe/Berlin:20250317T100000";
    assert_eq!(times(&weekly), expected);
    let file = String::from_utf8(render(&CALENDAR, &weekly, "1")).unwrap();
    assert!(file.contains("BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin"), "{file}");
    assert!(!file.contains("X-WR-TIMEZONE"), "{file}");
    let window = crate::Window::parse(Some("2025-03-01"), Some("2025-05-01"), "UTC", 0).unwrap();
    let found = crate::occurrences(&CALENDAR, &weekly, &window, crate::Allowance::whole(9)).list;
    let starts: Vec<&str> = found.iter().map(|one| one.start.as_str()).collect();
    assert_eq!(starts[1..3], ["2025-03-24T08:00:00Z", "2025-03-31T07:00:00Z"]);
    let utc = "DTSTART:20250317T080000Z\nDTEND:20250317T090000Z\n";
    assert_eq!(after(utc, &["timezone=Europe/Berlin"]), expected);
    let last = made(&CALENDAR, "1", &["start=9999-12-31T23:30Z", "timezone=Asia/Tokyo"]);
    assert_eq!(times(&last), "DTSTART:99991231T233000Z", "year 10000 cannot be written");
    assert_eq!(
        after(utc, &["all_day=true"]),
        "DTSTART;VALUE=DATE:20250317 DTEND;VALUE=DATE:20250318"
    );
    let late = "DTSTART:20250317T230000Z\nDTEND:20250318T000000Z\n";
    let day = "DTSTART;VALUE=DATE:20250318 DTEND;VALUE=DATE:20250319";
    assert_eq!(after_in_berlin(late, &["all_day=true"]), day, "the day is that of the zone");
}

#[test]
fn a_whole_day_that_becomes_a_time_lasts_as_long_in_the_same_kind() {
    let day = "DTSTART;VALUE=DATE:20250501\nDTEND;VALUE=DATE:20250502\n";
    for (edits, expected) in [
        (&["start=2025-05-01T09:30:00Z"][..], "DTSTART:20250501T093000Z DTEND:20250502T093000Z"),
        (&["start=2025-05-01T09:30"], "DTSTART:20250501T093000 DTEND:20250502T093000"),
        (
            &["start=2025-05-01T09:30Z", "end=2025-05-01T10:00Z"],
            "DTSTART:20250501T093000Z DTEND:20250501T100000Z",
        ),
        (
            &["start=2025-05-01T09:30Z", "timezone=Asia/Tokyo"],
            "DTSTART;TZID=Asia/Tokyo:20250501T183000 DTEND;TZID=Asia/Tokyo:20250502T183000",
        ),
        (&["all_day=false"], "DTSTART:20250501T000000 DTEND:20250502T000000"),
    ] {
        assert_eq!(after(day, edits), expected, "{edits:?}");
    }
    let own = after_in_berlin(day, &["start=2025-05-01T09:30"]);
    let expected =
        "DTSTART;TZID=Europe/Berlin:20250501T093000 DTEND;TZID=Europe/Berlin:20250502T093000";
    assert_eq!(own, expected);
}

#[test]
fn a_time_without_a_zone_is_one_of_the_calendar() {
    let utc = "DTSTART:20240601T080000Z\nDTEND:20240601T090000Z\n";
    for (edits, expected) in [
        (&["start=2024-06-01T09:00"][..], "DTSTART:20240601T070000Z DTEND:20240601T080000Z"),
        (&["end=2024-06-01T12:00"], "DTSTART:20240601T080000Z DTEND:20240601T100000Z"),
        (&["start=2024-06-01T08:30Z"], "DTSTART:20240601T083000Z DTEND:20240601T093000Z"),
        (
            &["start=2024-06-01T09:00", "end=2024-06-01T10:00"],
            "DTSTART:20240601T070000Z DTEND:20240601T080000Z",
        ),
    ] {
        assert_eq!(after_in_berlin(utc, edits), expected, "{edits:?}");
    }
    let free = "DTSTART:20240601T100000\nDTEND:20240601T110000\n";
    let expected =
        "DTSTART;TZID=Europe/Berlin:20240601T103000 DTEND;TZID=Europe/Berlin:20240601T113000";
    assert_eq!(after_in_berlin(free, &["start=2024-06-01T08:30Z"]), expected);
    assert_eq!(after_in_berlin(free, &["start=2024-06-01T10:30"]), expected);
}

#[test]
fn start_and_end_are_never_of_two_kinds() {
    let utc = "DTSTART:20240601T080000Z\nDTEND:20240601T093000Z\n";
    let free = "DTSTART:20240601T100000\nDTEND:20240601T110000\n";
    for (lines, edits, expected) in [
        (utc, &["start=2024-06-01T09:00"][..], "DTSTART:20240601T090000Z DTEND:20240601T103000Z"),
        (utc, &["end=2024-06-01T10:00"], "DTSTART:20240601T080000Z DTEND:20240601T100000Z"),
        (
            utc,
            &["start=2024-06-01T10:00", "end=2024-06-01T12:00Z"],
            "DTSTART:20240601T100000Z DTEND:20240601T120000Z",
        ),
        (free, &["start=2024-06-01T09:00Z"], "DTSTART:20240601T090000Z DTEND:20240601T100000Z"),
        (
            free,
            &["start=2024-06-01T09:00Z", "timezone=Europe/Berlin"],
            "DTSTART;TZID=Europe/Berlin:20240601T110000 DTEND;TZID=Europe/Berlin:20240601T120000",
        ),
        (
            MIXED,
            &["start=2024-06-01T11:00"],
            "DTSTART;TZID=Europe/Berlin:20240601T110000 DTEND;TZID=Europe/Berlin:20240601T140000",
        ),
        (MIXED, &["timezone="], "DTSTART:20240601T080000Z DTEND:20240601T110000Z"),
        (
            "DTSTART:20240601T080000Z\nDTEND:20240601T110000\n",
            &["start=2024-06-01T09:00Z"],
            "DTSTART:20240601T090000Z DTEND:20240601T120000Z",
        ),
    ] {
        assert_eq!(after(lines, edits), expected, "{edits:?}");
    }
    let expected =
        "end is a time with Z or an offset where the start has one, and without where it has none";
    assert!(refused(free, &["end=2024-06-01T12:00Z"]).starts_with(expected));
    assert!(
        refused(free, &["start=2024-06-01T10:00", "end=2024-06-01T12:00Z"]).starts_with(expected)
    );
}

#[test]
fn no_edit_of_any_event_leaves_two_kinds() {
    let day = "DTSTART;VALUE=DATE:20240601\nDTEND;VALUE=DATE:20240602\n";
    let utc = "DTSTART:20240601T080000Z\nDTEND:20240601T093000Z\n";
    let free = "DTSTART:20240601T100000\nDTEND:20240601T110000\n";
    let odd = ["DTSTART:20240601T080000Z\nDTEND:20240602T110000\n", "DTSTART:20240601T080000Z\n"];
    let unknown = "DTSTART;TZID=Mars/Olympus:20240601T100000\nDTEND:20240602T110000\n";
    let ways = ["", "=2024-06-01", "=2024-06-01T07:00", "=2024-06-01T07:00Z"];
    let zones = ["", "timezone=", "timezone=Asia/Tokyo"];
    let days = ["", "all_day=true", "all_day=false"];
    let mut checked = 0;
    for lines in [day, utc, free, BERLIN, MIXED, odd[0], odd[1], unknown] {
        for (start, end) in ways.iter().flat_map(|one| ways.iter().map(move |other| (one, other))) {
            for (zone, day) in zones.iter().flat_map(|one| days.iter().map(move |day| (*one, *day)))
            {
                let end = end.replace("06-01", "06-03");
                let (start, end) = (format!("start{start}"), format!("end{end}"));
                let named = [&start, &end, zone, day].into_iter().filter(|text| text.contains('='));
                let edits: Vec<String> = named.map(ToString::to_string).collect();
                let edits = parse_assignments(&CALENDAR, &edits).unwrap();
                let content = event(lines);
                let Ok(found) = edit(&CALENDAR, &content, &edits, TIE) else { continue };
                let lines = times(&crate::testing::applied(&content, found));
                let kinds: std::collections::BTreeSet<_> = lines
                    .split(' ')
                    .filter(|line| line.starts_with("DT"))
                    .map(|line| match line.contains("VALUE=DATE:") {
                        true => "date",
                        false if line.contains("TZID=") || line.ends_with('Z') => "clock",
                        false => "free",
                    })
                    .collect();
                assert!(edits.is_empty() || kinds.len() == 1, "{edits:?}: {lines}");
                checked += 1;
            }
        }
    }
    assert!(checked > 600, "{checked}");
}

#[test]
fn a_zone_that_windows_names_is_a_zone() {
    let india = "DTSTART;TZID=India Standard Time:20240601T120000\n";
    let expected = "DTSTART;TZID=India Standard Time:20240601T153000";
    assert_eq!(after(india, &["start=2024-06-01T10:00Z"]), expected);
    let named = made(&CALENDAR, "1", &["start=2024-06-01T10:00Z", "timezone=India Standard Time"]);
    assert_eq!(times(&named), expected);
    let file = String::from_utf8(render(&CALENDAR, &named, "1")).unwrap();
    assert!(file.contains("TZID:India Standard Time\r\nBEGIN:STANDARD"), "{file}");
    assert!(file.contains("TZOFFSETTO:+0530"), "{file}");
}

#[test]
fn the_zone_of_the_calendar_stays_where_an_event_has_its_own() {
    let file = format!(
        "BEGIN:VCALENDAR\nX-WR-TIMEZONE:Europe/Paris\nBEGIN:VEVENT\nUID:1\n{BERLIN}END:VEVENT\nEND:VCALENDAR\n"
    );
    let own = one("a.ics", file.as_bytes()).content;
    let head = |content: &Content, edit: &str| {
        let file = render(&CALENDAR, &set(&CALENDAR, content, &[edit]), "1");
        let file = String::from_utf8(file).unwrap();
        file.lines().find(|line| line.starts_with("X-WR")).map(str::to_owned)
    };
    for edit in ["timezone=Asia/Tokyo", "timezone=", "timezone=Europe/Berlin"] {
        assert_eq!(head(&own, edit).as_deref(), Some("X-WR-TIMEZONE:Europe/Paris"), "{edit}");
    }
    let utc = file.replace(BERLIN, "DTSTART:20240601T080000Z\n");
    let utc = one("a.ics", utc.as_bytes()).content;
    assert!(head(&utc, "timezone=Asia/Tokyo").is_some());
    assert_eq!(head(&utc, "timezone="), None);
}

#[test]
fn the_definition_of_a_zone_that_stays_is_not_written_anew() {
    let edits = ["start=2024-06-01T10:00", "timezone=Europe/Berlin"];
    let made = made(&CALENDAR, "1", &edits);
    let later = set(&CALENDAR, &made, &["start=2024-07-01T10:00"]);
    let changed: Vec<_> =
        made.iter().filter(|(key, value)| later.get(*key) != Some(value)).collect();
    assert_eq!((changed.len(), later.len()), (1, made.len()), "{changed:?}");
    let zones = |content: &Content| {
        content.keys().filter(|key| key.starts_with('z')).cloned().collect::<Vec<_>>()
    };
    let early = set(&CALENDAR, &later, &["start=1975-07-01T10:00"]);
    assert_eq!(zones(&early), zones(&made), "another definition in the same place");
    assert_eq!(zones(&set(&CALENDAR, &early, &["timezone="])), zones(&made), "it stays unnamed");
}

#[test]
fn a_duration_beside_a_date_is_one_of_whole_days() {
    for (start, duration, edit, expected, end) in [
        ("20240501T090000", "PT1H", "all_day=true", "20240501 DURATION:P1D", "2024-05-02"),
        ("20240501T090000", "P1DT1H", "all_day=true", "20240501 DURATION:P2D", "2024-05-03"),
        ("20240501T090000Z", "PT48H", "start=2024-05-02", "20240502 DURATION:P2D", "2024-05-04"),
        ("20240501T090000", "P1W", "all_day=true", "20240501 DURATION:P1W", "2024-05-08"),
        ("20240501T090000", "PT0S", "all_day=true", "20240501 DURATION:P1D", "2024-05-02"),
    ] {
        let lines = format!("DTSTART:{start}\nDURATION:{duration}\n");
        let day = set(&CALENDAR, &event(&lines), &[edit]);
        assert_eq!(times(&day), format!("DTSTART;VALUE=DATE:{expected}"), "{duration}");
        assert_eq!(crate::testing::texts(&CALENDAR, &day, "end"), [end]);
        let again = set(&CALENDAR, &day, &["all_day=false"]);
        assert!(times(&again).contains("T000000 DURATION:P"), "{}", times(&again));
    }
}

#[test]
fn blank_lines_behind_a_line_of_an_event_stay() {
    let before = event("SUMMARY:a\n\nDTSTART:20240601T080000Z\n");
    let file = |edit: &str| {
        String::from_utf8(render(&CALENDAR, &set(&CALENDAR, &before, &[edit]), "1")).unwrap()
    };
    assert!(file("title=b").contains("UID:1\nSUMMARY:b\n\nDTSTART"));
    assert!(file("title=").contains("UID:1\n\nDTSTART"));
}

#[test]
fn a_calendar_of_version_1_has_breaks_in_quoted_printable() {
    let file = "BEGIN:VCALENDAR\r\nVERSION:1.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20240601T080000Z\r\n\
        DESCRIPTION:a\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let text = "one, two\nthree; C:\\x";
    let edited =
        set(&CALENDAR, &one("a.vcs", file.as_bytes()).content, &[&format!("description={text}")]);
    let file = String::from_utf8(render(&CALENDAR, &edited, "1")).unwrap();
    assert!(file.contains("QUOTED-PRINTABLE:one, two=0Athree"), "{file}");
    assert_eq!(crate::testing::texts(&CALENDAR, &edited, "description"), [text]);
    assert_eq!(one("a.vcs", file.as_bytes()).content, edited);
}

#[test]
fn the_day_on_which_a_task_is_due_is_one_of_its_days() {
    let head = "BEGIN:VCALENDAR\r\n";
    for (zone, lines, edit, expected) in [
        ("", "DUE:20240802T190000Z", "all_day=true", "DUE;VALUE=DATE:20240802"),
        ("Asia/Tokyo", "DUE:20240802T190000Z", "all_day=true", "DUE;VALUE=DATE:20240803"),
        ("", "DUE;TZID=Europe/Berlin:20240802T190000", "all_day=true", "DUE;VALUE=DATE:20240802"),
        (
            "",
            "DTSTART:20240802T080000Z\r\nDUE:20240802T190000Z",
            "all_day=true",
            "DTSTART;VALUE=DATE:20240802\r\nDUE;VALUE=DATE:20240802",
        ),
        (
            "",
            "DTSTART;VALUE=DATE:20240802\r\nDUE;VALUE=DATE:20240802",
            "start=2024-08-04",
            "DTSTART;VALUE=DATE:20240804\r\nDUE;VALUE=DATE:20240804",
        ),
        (
            "",
            "DTSTART:20240802T080000Z\r\nDUE:20240803T190000Z",
            "start=2024-08-04",
            "DTSTART;VALUE=DATE:20240804\r\nDUE;VALUE=DATE:20240805",
        ),
    ] {
        let zone =
            if zone.is_empty() { String::new() } else { format!("X-WR-TIMEZONE:{zone}\r\n") };
        let end = "END:VTODO\r\nEND:VCALENDAR\r\n";
        let task = |lines: &str| format!("{head}{zone}BEGIN:VTODO\r\nUID:1\r\n{lines}\r\n{end}");
        let before = one("a.ics", task(lines).as_bytes()).content;
        assert_eq!(
            String::from_utf8(render(&CALENDAR, &set(&CALENDAR, &before, &[edit]), "1")).unwrap(),
            task(expected),
            "{lines} {edit}"
        );
    }
}
