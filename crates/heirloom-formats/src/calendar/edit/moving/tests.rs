use crate::moment::{Moment, MomentKind};
use crate::testing::{one, reimported, set};
use crate::{Allowance, Window, occurrences, render};
use heirloom_schema::category::calendar::CALENDAR;
use heirloom_schema::{Content, Value};
use proptest::prelude::*;

fn series(lines: &str, exceptions: &str) -> Content {
    let file = format!(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\n{exceptions}END:VCALENDAR\n"
    );
    one("a.ics", file.as_bytes()).content
}

/// Returns the lines of a record that begin with one of these names.
fn lines(content: &Content, names: &[&str]) -> Vec<String> {
    let file = String::from_utf8(render(&CALENDAR, content, "1")).unwrap();
    let (_, own) = file.split_once("BEGIN:VEVENT").unwrap();
    let own = own.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    own.map(str::to_owned).collect()
}

/// Returns the lines that name occurrences, after an edit.
fn named(content: &Content, edits: &[&str]) -> Vec<String> {
    lines(&set(&CALENDAR, content, edits), &["EXDATE", "RDATE", "RECURRENCE-ID", "RRULE"])
}

fn starts(content: &Content) -> Vec<String> {
    let window = Window::parse(Some("2026-01-01"), Some("2027-01-01"), "UTC", 0).unwrap();
    let found = occurrences(&CALENDAR, content, &window, Allowance::whole(99));
    found.list.into_iter().map(|one| one.field_start).collect()
}

const DAILY: &str = "DTSTART;TZID=Europe/Berlin:20260601T100000\n\
    DTEND;TZID=Europe/Berlin:20260601T110000\nRRULE:FREQ=DAILY;UNTIL=20260605T080000Z\n\
    EXDATE;TZID=Europe/Berlin;X-KEPT=1:20260602T100000\nEXDATE:20260603T080000Z\n";
const LATER: &str = "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;TZID=Europe/Berlin:20260604T100000\n\
    DTSTART;TZID=Europe/Berlin:20260604T180000\nDTEND;TZID=Europe/Berlin:20260604T190000\n\
    END:VEVENT\n";

#[test]
fn the_end_of_a_rule_has_the_form_of_the_start() {
    for (start, until, expected) in [
        (";TZID=Europe/Berlin:20260601T100000", "20260605", "20260605T215959Z"),
        (";TZID=Europe/Berlin:20260601T100000", "20260605T100000", "20260605T080000Z"),
        (";TZID=Europe/Berlin:20260601T100000", "20260605T080000Z", "20260605T080000Z"),
        (":20260601T100000Z", "20260605", "20260605T235959Z"),
        (":20260601T100000", "20260605T080000Z", "20260605T080000"),
        (":20260601T100000", "20260605", "20260605T235959"),
        (";VALUE=DATE:20260601", "20260605T080000Z", "20260605"),
        (";TZID=Nowhere/Known:20260601T100000", "20260605", "20260605"),
    ] {
        let single = series(&format!("DTSTART{start}\n"), "");
        let rule = format!("rrule=FREQ=DAILY;UNTIL={until}");
        assert_eq!(
            named(&single, &[&rule]),
            [format!("RRULE:FREQ=DAILY;UNTIL={expected}")],
            "{start}"
        );
    }
}

#[test]
fn what_names_an_occurrence_moves_with_its_series() {
    let daily = series(DAILY, LATER);
    let old = ["2026-06-01T10:00:00", "2026-06-04T18:00:00", "2026-06-05T10:00:00"];
    assert_eq!(starts(&daily), old);
    let berlin = "TZID=Europe/Berlin";
    let later = set(&CALENDAR, &daily, &["start=2026-06-01T12:30"]);
    assert_eq!(
        lines(&later, &["EXDATE", "RECURRENCE-ID", "RRULE", "DTEND"]),
        [
            format!("DTEND;{berlin}:20260601T133000"),
            "RRULE:FREQ=DAILY;UNTIL=20260605T103000Z".to_owned(),
            format!("EXDATE;{berlin};X-KEPT=1:20260602T123000"),
            format!("EXDATE;{berlin}:20260603T123000"),
            format!("RECURRENCE-ID;{berlin}:20260604T123000"),
            format!("DTEND;{berlin}:20260604T190000"),
        ]
    );
    let new = ["2026-06-01T12:30:00", "2026-06-04T18:00:00", "2026-06-05T12:30:00"];
    assert_eq!(starts(&later), new);
    let next = set(&CALENDAR, &daily, &["start=2026-06-02T10:00"]);
    let new = ["2026-06-02T10:00:00", "2026-06-04T18:00:00", "2026-06-06T10:00:00"];
    assert_eq!(starts(&next), new);
    assert_eq!(starts(&set(&CALENDAR, &next, &["start=2026-06-01T10:00"])), old);
    let tokyo = set(&CALENDAR, &daily, &["timezone=Asia/Tokyo"]);
    assert_eq!(
        named(&tokyo, &["title=x"]),
        [
            "RRULE:FREQ=DAILY;UNTIL=20260605T080000Z",
            "EXDATE;TZID=Asia/Tokyo;X-KEPT=1:20260602T100000",
            "EXDATE;TZID=Asia/Tokyo:20260603T100000",
            "RECURRENCE-ID;TZID=Asia/Tokyo:20260604T100000",
        ]
    );
    assert_eq!(starts(&tokyo).len(), 3);
}

#[test]
fn a_series_of_whole_days_has_days_for_names() {
    let daily = series(DAILY, LATER);
    let days = set(&CALENDAR, &daily, &["all_day=true"]);
    assert_eq!(
        named(&days, &["title=x"]),
        [
            "RRULE:FREQ=DAILY;UNTIL=20260605",
            "EXDATE;VALUE=DATE;X-KEPT=1:20260602",
            "EXDATE;VALUE=DATE:20260603",
            "RECURRENCE-ID;VALUE=DATE:20260604",
        ]
    );
    assert_eq!(starts(&days), ["2026-06-01", "2026-06-04T18:00:00", "2026-06-05"]);
    let again = set(&CALENDAR, &days, &["start=2026-06-01T10:00", "timezone=Europe/Berlin"]);
    assert_eq!(starts(&again), starts(&daily));
    assert_eq!(named(&again, &["title=x"])[0], "RRULE:FREQ=DAILY;UNTIL=20260605T080000Z");
    let free = set(&CALENDAR, &days, &["all_day=false"]);
    assert_eq!(
        named(&free, &["title=x"]),
        [
            "RRULE:FREQ=DAILY;UNTIL=20260605T000000",
            "EXDATE;X-KEPT=1:20260602T000000",
            "EXDATE:20260603T000000",
            "RECURRENCE-ID:20260604T000000",
        ]
    );
    let next = set(&CALENDAR, &days, &["start=2026-06-02"]);
    assert_eq!(starts(&next), ["2026-06-02", "2026-06-04T18:00:00", "2026-06-06"]);
    let periods = series(
        "DTSTART:20260601T100000Z\nRDATE;VALUE=PERIOD:20260610T100000Z/PT2H,20260611T100000Z/20260611T110000Z\n",
        "",
    );
    assert_eq!(
        named(&periods, &["start=2026-06-01T11:00"]),
        ["RDATE;VALUE=PERIOD:20260610T110000Z/PT2H,20260611T110000Z/20260611T120000Z"]
    );
    assert_eq!(named(&periods, &["all_day=true"]), ["RDATE;VALUE=DATE:20260610,20260611"]);
}

#[test]
fn a_name_goes_where_the_rule_puts_its_occurrence() {
    for (rule, excluded, start, moved) in [
        ("FREQ=WEEKLY", "20260120T190000", "2026-01-07T20:00", "20260121T200000"),
        // The rule holds the weekday, and only the clock is another.
        ("FREQ=WEEKLY;BYDAY=TU", "20260120T190000", "2026-01-07T20:00", "20260120T200000"),
        ("FREQ=WEEKLY;BYDAY=TU", "20260106T190000", "2026-01-07T20:00", "20260107T200000"),
        ("FREQ=WEEKLY;BYDAY=TU", "20260120T190000", "2026-01-13T19:00", "20260127T190000"),
        ("FREQ=MONTHLY;BYDAY=1TU", "20260203T190000", "2026-01-13T18:00", "20260203T180000"),
        ("FREQ=MONTHLY", "20260306T190000", "2026-02-10T19:00", "20260410T190000"),
        ("FREQ=YEARLY", "20280106T190000", "2027-02-07T19:00", "20290207T190000"),
        ("FREQ=DAILY;BYHOUR=19", "20260107T190000", "2026-01-06T20:00", "20260107T190000"),
        ("FREQ=DAILY", "20260108", "2026-01-07T08:00", "20260109"),
    ] {
        let lines = format!("DTSTART:20260106T190000\nRRULE:{rule}\nEXDATE:{excluded}\n");
        let found = named(&series(&lines, ""), &[&format!("start={start}")]);
        let expected = match moved.len() {
            8 => format!("EXDATE;VALUE=DATE:{moved}"),
            _ => format!("EXDATE:{moved}"),
        };
        assert_eq!(found[1], expected, "{rule} {excluded}");
    }
}

#[test]
fn the_end_of_a_rule_is_written_only_where_an_occurrence_depends_on_it() {
    for (rule, edit, end) in [
        ("FREQ=WEEKLY;UNTIL=20260629T215959Z", "start=2026-06-01T23:59", "20260629T215959Z"),
        ("FREQ=WEEKLY;UNTIL=20260629T215959Z", "start=2026-06-02T00:00", "20260630T115959Z"),
        ("FREQ=WEEKLY;UNTIL=20260629T080000Z", "start=2026-06-01T10:01", "20260629T080100Z"),
        ("FREQ=WEEKLY;UNTIL=20260629T080000Z", "start=2026-05-26T10:00", "20260629T080000Z"),
        ("FREQ=WEEKLY;UNTIL=20260629T080000Z", "start=2026-05-25T10:00", "20260622T080000Z"),
        ("FREQ=WEEKLY;UNTIL=20260629T080000Z", "timezone=Asia/Tokyo", "20260629T080000Z"),
        ("FREQ=WEEKLY;UNTIL=20260629T080000Z", "timezone=America/New_York", "20260629T140000Z"),
        ("FREQ=WEEKLY;UNTIL=20260629T080000Z", "timezone=", "20260629T100000"),
        ("FREQ=WEEKLY;UNTIL=20260629T080000Z", "all_day=true", "20260629"),
        // The end of the day in UTC is the next day here, when nothing begins any more.
        ("FREQ=DAILY;UNTIL=20260629T235959Z", "all_day=true", "20260629"),
        ("FREQ=DAILY;BYHOUR=0,10;UNTIL=20260629T235959Z", "all_day=true", "20260630"),
        ("FREQ=DAILY;UNTIL=20260601T070000Z", "all_day=true", "20260601"),
        ("FREQ=HOURLY;UNTIL=20260602T080000Z", "start=2026-06-01T10:30", "20260602T083000Z"),
        ("FREQ=HOURLY;UNTIL=20260602T080000Z", "start=2026-06-01T09:00", "20260602T070000Z"),
        ("FREQ=DAILY;UNTIL=20260605", "start=2026-06-01T12:00", "20260605"),
        ("FREQ=DAILY;UNTIL=20260605", "start=2026-06-02T10:00", "20260606"),
        ("FREQ=DAILY;UNTIL=20260605T100000", "start=2026-06-01T09:00", "20260605T070000Z"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20260605T080000Z", "start=2026-06-02T10:00", "20260605T080000Z"),
        // No rule ends before it begins, although nothing depends on it here.
        (
            "FREQ=WEEKLY;BYDAY=MO;UNTIL=20260601T080000Z",
            "start=2026-06-03T10:00",
            "20260603T080000Z",
        ),
        ("FREQ=SECONDLY;UNTIL=20360605T080000Z", "start=2026-06-01T10:01", "20360605T080100Z"),
    ] {
        let lines = format!("DTSTART;TZID=Europe/Berlin:20260601T100000\nRRULE:{rule}\n");
        let (head, _) = rule.split_once("UNTIL=").unwrap();
        let found = named(&series(&lines, ""), &[edit]);
        assert_eq!(found, [format!("RRULE:{head}UNTIL={end}")], "{rule} {edit}");
    }
    let whole = series("DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=WEEKLY;UNTIL=20260705\n", "");
    assert_eq!(named(&whole, &["start=2026-06-07"]), ["RRULE:FREQ=WEEKLY;UNTIL=20260705"]);
    assert_eq!(named(&whole, &["start=2026-06-08"]), ["RRULE:FREQ=WEEKLY;UNTIL=20260712"]);
}

#[test]
fn a_line_that_cannot_be_understood_stays() {
    let odd = "EXDATE:soon,20260602T100000\nEXDATE:20260602,20260603T100000\n\
        EXDATE;TZID=Mars/Olympus:20260602T100000\nEXDATE:20260602T080000Z\nRDATE:\n";
    let content = series(&format!("DTSTART:20260601T100000\nRRULE:FREQ=DAILY\n{odd}"), "");
    let kept = named(&content, &["title=x"]);
    assert_eq!(named(&content, &["start=2026-06-01T11:00"]), kept);
    let alone = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260604T100000Z\n\
        DTSTART:20260604T180000Z\nEND:VEVENT\nEND:VCALENDAR\n";
    let alone = one("a.ics", alone.as_bytes()).content;
    assert_eq!(named(&alone, &["start=2026-06-04T19:00"]), ["RECURRENCE-ID:20260604T100000Z"]);
    let edits = ["start=2026-06-01T12:00", "rrule=FREQ=DAILY;UNTIL=20260610T080000Z"];
    assert_eq!(named(&series(DAILY, ""), &edits)[0], "RRULE:FREQ=DAILY;UNTIL=20260610T080000Z");
}

#[test]
fn a_moved_series_is_known_in_its_own_file() {
    let base = series(DAILY, LATER);
    let exceptions = format!("{LATER}{}", LATER.replace("0604", "0605").replace("T1800", "T1700"));
    let two = series(DAILY, &exceptions);
    for (base, edit) in [
        (&base, "start=2026-06-01T12:30"),
        (&two, "start=2026-06-02T10:00"),
        (&two, "timezone=Asia/Tokyo"),
        (&two, "all_day=true"),
    ] {
        let moved = set(&CALENDAR, base, &[edit]);
        let file = String::from_utf8(render(&CALENDAR, &moved, "1")).unwrap();
        let own = one("a.ics", file.as_bytes());
        assert_eq!(reimported(&own, base, &moved), moved, "{edit}");
        assert_eq!(reimported(&own, &own.content, &moved), moved, "{edit}: imported before");
        let old = one("a.ics", &render(&CALENDAR, base, "1"));
        assert_eq!(reimported(&old, base, &moved), moved, "{edit}: the old file");
        let titled = file.replace("DTSTART;TZID=Europe/Berlin:20260604T18", "SUMMARY:New\n$0");
        let titled = titled.replace("$0", "DTSTART;TZID=Europe/Berlin:20260604T18");
        let changed = reimported(&one("a.ics", titled.as_bytes()), base, &moved);
        assert_eq!(String::from_utf8(render(&CALENDAR, &changed, "1")).unwrap(), titled, "{edit}");
        let twice = set(&CALENDAR, &moved, &["start=2026-05-30T09:00"]);
        let older = reimported(&one("a.ics", titled.as_bytes()), &own.content, &twice);
        let file = String::from_utf8(render(&CALENDAR, &older, "1")).unwrap();
        assert_eq!(file.matches("BEGIN:VEVENT").count(), file.matches("RECURRENCE-ID").count() + 1);
        assert_eq!(crate::split("a.ics", file.as_bytes(), None).unwrap().skipped, [], "{file}");
    }
}

#[test]
fn a_rule_that_holds_its_days_keeps_its_occurrences_by_their_numbers() {
    for (lines, edit, expected) in [
        (
            "DTSTART:20240604T190000Z\nRRULE:FREQ=MONTHLY;BYMONTHDAY=4;UNTIL=20241004T190000Z\n\
             EXDATE:20240804T190000Z\n",
            "start=2025-06-04T19:00",
            &["RRULE:FREQ=MONTHLY;BYMONTHDAY=4;UNTIL=20251004T190000Z", "EXDATE:20250804T190000Z"]
                [..],
        ),
        (
            "DTSTART:20250304T180000Z\nRRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20250325T235959Z\n\
             EXDATE:20250311T180000Z\n",
            "start=2025-04-04T18:00",
            &["RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20250422T180000Z", "EXDATE:20250408T180000Z"],
        ),
        (
            "DTSTART:20250304T180000Z\nRRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20250325T235959Z\n",
            "start=2025-01-01T18:00",
            &["RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20250121T180000Z"],
        ),
        (
            "DTSTART:20250304T180000Z\nRRULE:FREQ=MONTHLY;BYDAY=1TU;COUNT=5\n\
             EXDATE;VALUE=DATE:20250506\nRDATE:20250401T120000Z,20250603T180000Z\n",
            "start=2025-04-01T18:00",
            &[
                "RRULE:FREQ=MONTHLY;BYDAY=1TU;COUNT=5",
                "EXDATE;VALUE=DATE:20250603",
                "RDATE:20250401T120000Z,20250701T180000Z",
            ],
        ),
        // Of two rules nobody knows the numbers: their ends move with the start.
        (
            "DTSTART:20240604T190000Z\nRRULE:FREQ=MONTHLY;BYMONTHDAY=4;UNTIL=20241004T190000Z\n\
             RRULE:FREQ=DAILY;COUNT=2\nEXDATE:20240804T190000Z\n",
            "start=2025-06-04T19:00",
            &[
                "RRULE:FREQ=MONTHLY;BYMONTHDAY=4;UNTIL=20251004T190000Z",
                "RRULE:FREQ=DAILY;COUNT=2",
                "EXDATE:20240804T190000Z",
            ],
        ),
        // Here too many would have to be counted.
        (
            "DTSTART:20240604T190000Z\nRRULE:FREQ=SECONDLY;BYMONTHDAY=4;UNTIL=20241004T190000Z\n",
            "start=2025-06-04T19:00",
            &["RRULE:FREQ=SECONDLY;BYMONTHDAY=4;UNTIL=20251004T190000Z"],
        ),
    ] {
        assert_eq!(named(&series(lines, ""), &[edit]), expected, "{lines}");
    }
}

/// Edits that move a series, or change how its times are written.
const MOVES: &[&str] = &[
    "start=2026-03-10",
    "start=2026-03-11T08:30",
    "start=2026-03-12T23:15",
    "start=2026-03-13T16:45Z",
    "start=2026-04-05T12:00",
    "all_day=true",
    "all_day=false",
    "timezone=Asia/Tokyo",
    "timezone=America/New_York",
    "timezone=",
    "end=2026-06-30T12:00",
];

/// Series of five occurrences, of which one is left out and one replaced.
const FIVE: &[(&str, &str, &str, &str)] = &[
    ("FREQ=DAILY;COUNT=5", "20260310", "20260312", "20260313"),
    ("FREQ=DAILY;UNTIL=20260314T090000Z", "20260310", "20260311", "20260313"),
    ("FREQ=DAILY;UNTIL=20260314T235959Z", "20260310", "20260311", "20260313"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=5", "20260310", "20260324", "20260421"),
    ("FREQ=WEEKLY;UNTIL=20260407T090000Z", "20260310", "20260317", "20260407"),
    ("FREQ=WEEKLY;UNTIL=20260412T215959Z", "20260310", "20260317", "20260407"),
    ("FREQ=MONTHLY;COUNT=5", "20260310", "20260410", "20260510"),
    ("FREQ=YEARLY;COUNT=5", "20260310", "20280310", "20290310"),
    ("FREQ=WEEKLY;BYDAY=TU;UNTIL=20260407T090000Z", "20260310", "20260317", "20260407"),
    ("FREQ=WEEKLY;BYDAY=TU,TH;COUNT=5", "20260310", "20260312", "20260317"),
    ("FREQ=MONTHLY;BYDAY=2TU;COUNT=5", "20260310", "20260414", "20260512"),
    ("FREQ=MONTHLY;BYMONTHDAY=10;UNTIL=20260710T080000Z", "20260310", "20260410", "20260510"),
    ("FREQ=MONTHLY;BYMONTHDAY=10,11;UNTIL=20260510T235959Z", "20260310", "20260411", "20260510"),
    ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=10;COUNT=5", "20260310", "20280310", "20290310"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_series_has_as_many_occurrences_wherever_it_is_moved(
        form in prop::sample::select(FIVE), edits in prop::collection::vec(prop::sample::select(MOVES), 1..5),
    ) {
        let (rule, first, excluded, replaced) = form;
        let zone = ";TZID=Europe/Berlin";
        let lines = format!(
            "DTSTART{zone}:{first}T100000\nRRULE:{rule}\nEXDATE{zone}:{excluded}T100000\n"
        );
        let exception = format!(
            "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID{zone}:{replaced}T100000\nDTSTART:20310101T100000Z\n\
             END:VEVENT\n"
        );
        let before = series(&lines, &exception);
        let mut moved = before.clone();
        for edit in &edits {
            let edit = crate::parse_assignments(&CALENDAR, &[(*edit).to_owned()]).unwrap();
            let changes = crate::edit(&CALENDAR, &moved, &edit, crate::testing::TIE);
            moved = crate::testing::applied(&moved, changes.unwrap_or_default());
        }
        let window = Window::parse(Some("2026-01-01"), Some("2032-01-01"), "Europe/Berlin", 0).unwrap();
        let found = occurrences(&CALENDAR, &moved, &window, Allowance::whole(99)).list;
        let file = String::from_utf8(render(&CALENDAR, &moved, "1")).unwrap();
        prop_assert_eq!(found.len(), 4, "{:?} {}", edits, file);
        let own = one("a.ics", file.as_bytes());
        prop_assert_eq!(reimported(&own, &before, &moved), moved);
    }

    #[test]
    fn the_end_of_a_rule_moves_as_little_as_it_must(
        rule in prop::sample::select(vec![
            ("FREQ=DAILY", 1), ("FREQ=DAILY;INTERVAL=2", 2), ("FREQ=WEEKLY", 7),
            ("FREQ=WEEKLY;BYDAY=TU", 7),
        ]),
        slack_s in 0_i64..7 * 86_400,
        edits in prop::collection::vec(prop::sample::select(MOVES), 1..4),
    ) {
        let (rule, days) = rule;
        let last = Moment::parse("2026-03-10T09:00Z").unwrap().local_seconds() + 4 * days * 86_400;
        let until = Moment::from_seconds(last + slack_s % (days * 86_400), MomentKind::Utc);
        let start = "DTSTART;TZID=Europe/Berlin:20260310T100000";
        let lines = format!("{start}\nRRULE:{rule};UNTIL={}\n", until.to_basic());
        let window = Window::parse(Some("2026-01-01"), Some("2032-01-01"), "Europe/Berlin", 0).unwrap();
        let count = |content: &Content| {
            occurrences(&CALENDAR, content, &window, Allowance::whole(99)).list.len()
        };
        let own = |content: &Content| -> (String, Value) {
            let is_rule = |line: &str| line.starts_with("RRULE");
            let mut lines = content.iter();
            let (key, value) = lines.find(|(_, value)| value.as_str().is_some_and(is_rule)).unwrap();
            (key.clone(), value.clone())
        };
        let end = |(_, value): &(String, Value)| {
            Moment::parse(value.as_str().unwrap().rsplit_once('=').unwrap().1).unwrap()
        };
        let mut before = series(&lines, "");
        for text in edits {
            let edit = crate::parse_assignments(&CALENDAR, &[text.to_owned()]).unwrap();
            let changes = crate::edit(&CALENDAR, &before, &edit, crate::testing::TIE);
            let after = crate::testing::applied(&before, changes.unwrap_or_default());
            let (was, now) = (own(&before), own(&after));
            prop_assert_eq!(count(&after), count(&before), "{} of {}: {:?}", text, lines, now);
            if was != now && end(&was).kind == end(&now).kind {
                let start = &occurrences(&CALENDAR, &after, &window, Allowance::whole(1)).list[0];
                let is_before = end(&was).local_seconds() < start.starts_s;
                let mut left = after.clone();
                left.extend([was.clone()]);
                let is_needed = is_before || count(&left) != count(&after);
                prop_assert!(is_needed, "{} of {}: {:?} {:?}", text, lines, was, now);
            }
            before = after;
        }
    }
}
