//! Records and what becomes of them; rules by themselves are tested beside
//! their expansion.

use super::*;
use crate::testing::one;
use heirloom_base::{Decode, Encode};
use heirloom_schema::category::calendar::CALENDAR;

/// Returns a record of these components.
fn record(components: &str) -> Content {
    let file = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{components}END:VCALENDAR\n");
    one("a.ics", file.as_bytes()).content
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT\n")
}

fn window(from: &str, to: &str) -> Window {
    Window::parse(Some(from), Some(to), "Europe/Berlin", 0).unwrap()
}

fn within(content: &Content, window: &Window, limit: usize) -> Occurrences {
    super::within(content, window, Allowance::whole(limit))
}

fn found(content: &Content, from: &str, to: &str) -> Occurrences {
    let found = within(content, &window(from, to), 10_000);
    let span = span(content);
    let meets = span.is_some_and(|span| window(from, to).meets(span));
    assert!(meets || found.list.is_empty(), "the span {span:?} hides {found:?}");
    if let Some(times) = Times::of(content) {
        let times = Times::from_bytes(&times.to_bytes()).unwrap();
        let same = times.within(&window(from, to), Allowance::whole(10_000));
        let projection = crate::project(&CALENDAR, content);
        assert!(found.forms.iter().all(|form| *form == projection));
        let (forms, steps, searched) = (found.forms.clone(), found.steps, found.searched);
        assert_eq!(Occurrences { forms, steps, searched, ..same }, found);
    }
    found
}

/// Returns the starts of what lies in a window.
fn starts(lines: &str, from: &str, to: &str) -> Vec<String> {
    let found = found(&record(&event(lines)), from, to);
    assert!(!found.is_cut && !found.gave_up);
    found.list.into_iter().map(|one| one.start).collect()
}

/// As [`starts`], by the clocks of the record's zone.
fn clocks(lines: &str, from: &str, to: &str) -> Vec<String> {
    let found = found(&record(&event(lines)), from, to);
    found.list.into_iter().map(|one| one.field_start).collect()
}

#[test]
fn a_single_event_stands_once_and_in_no_series() {
    let content = record(&event(
        "SUMMARY:Lunch\nDTSTART;TZID=Europe/Berlin:20260105T120000\nDTEND;TZID=Europe/Berlin:20260105T130000",
    ));
    let found = found(&content, "2026-01-05", "2026-01-06");
    let expected = Occurrence {
        starts_s: 1_767_610_800,
        start: "2026-01-05T11:00:00Z".into(),
        end: "2026-01-05T12:00:00Z".into(),
        all_day: false,
        local_start: "2026-01-05T12:00:00".into(),
        local_end: "2026-01-05T13:00:00".into(),
        recurrence_id: None,
        field_start: "2026-01-05T12:00:00".into(),
        field_end: Some("2026-01-05T13:00:00".into()),
        form: 0,
    };
    assert_eq!(found.list, [expected]);
    assert_eq!(found.forms[0].title, "Lunch");
    assert_eq!(within(&content, &window("2026-01-06", "2026-01-07"), 10).list, []);
}

#[test]
fn clock_changes_keep_the_time_of_day() {
    let rule = "DTSTART;TZID=Europe/Berlin:20260327T023000\nRRULE:FREQ=DAILY";
    assert_eq!(
        starts(rule, "2026-03-28", "2026-03-31"),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
    );
    let rule = "DTSTART;TZID=America/New_York:20261031T013000\nRRULE:FREQ=DAILY;COUNT=3";
    assert_eq!(
        starts(rule, "2026-10-01", "2026-12-01"),
        ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
    );
}

#[test]
fn an_end_is_exact_and_a_duration_counts_days_as_a_calendar_does() {
    let ends = |lines: &str| -> Vec<String> {
        let content = record(&event(lines));
        found(&content, "2026-03-27", "2026-04-01").list.into_iter().map(|one| one.end).collect()
    };
    let start = "DTSTART;TZID=Europe/Berlin:20260327T120000\nRRULE:FREQ=DAILY;COUNT=2\n";
    assert_eq!(
        ends(&format!("{start}DTEND;TZID=Europe/Berlin:20260328T120000")),
        ["2026-03-28T11:00:00Z", "2026-03-29T11:00:00Z"]
    );
    assert_eq!(
        ends(&format!("{start}DURATION:P1D")),
        ["2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"]
    );
    assert_eq!(
        ends(&format!("{start}DURATION:PT24H")),
        ["2026-03-28T11:00:00Z", "2026-03-29T11:00:00Z"]
    );
}

#[test]
fn whole_days_are_days_wherever_one_is() {
    let content =
        record(&event("DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260107\nRRULE:FREQ=WEEKLY"));
    let found = found(&content, "2026-01-13", "2026-01-20");
    let one = &found.list[0];
    assert_eq!((one.start.as_str(), one.end.as_str()), ("2026-01-12", "2026-01-14"));
    assert_eq!((one.all_day, found.list.len()), (true, 2));
    assert_eq!(one.recurrence_id.as_deref(), Some("2026-01-12"));
    assert_eq!(one.field_end.as_deref(), Some("2026-01-14"));
    assert_eq!(starts("DTSTART;VALUE=DATE:20260105", "2026-01-06", "2026-01-08"), [""; 0]);
}

#[test]
fn whole_days_end_with_the_date_that_an_end_in_utc_names_wherever_one_is() {
    for until in ["20260326T000000Z", "20260326T235959Z", "20260326T230000", "20260326"] {
        let lines = format!("DTSTART;VALUE=DATE:20260324\nRRULE:FREQ=DAILY;UNTIL={until}");
        for zone in ["UTC", "Asia/Tokyo", "America/New_York"] {
            let window = Window::parse(Some("2026-03-20"), Some("2026-04-01"), zone, 0).unwrap();
            let found = within(&record(&event(&lines)), &window, 100).list;
            assert_eq!(found.len(), 3, "{until} in {zone}: {found:?}");
        }
    }
}

#[test]
fn a_time_of_no_zone_is_where_the_user_is() {
    let lines = "DTSTART:20260705T120000";
    assert_eq!(starts(lines, "2026-07-05", "2026-07-06"), ["2026-07-05T10:00:00Z"]);
    let tokyo = Window::parse(Some("2026-07-05"), Some("2026-07-06"), "Asia/Tokyo", 0).unwrap();
    assert_eq!(within(&record(&event(lines)), &tokyo, 9).list[0].start, "2026-07-05T03:00:00Z");
    let unknown = "DTSTART;TZID=Nowhere Standard Time:20260705T120000";
    assert_eq!(starts(unknown, "2026-07-05", "2026-07-06"), ["2026-07-05T10:00:00Z"]);
}

#[test]
fn a_zone_that_windows_names_needs_no_definition_and_gives_way_to_one() {
    for (name, start) in [
        ("India Standard Time", "2026-07-05T06:30:00Z"),
        ("Eastern Standard Time", "2026-07-05T16:00:00Z"),
        ("GMT Standard Time", "2026-07-05T11:00:00Z"),
        ("w. europe standard time", "2026-07-05T10:00:00Z"),
    ] {
        let lines = format!("DTSTART;TZID=\"{name}\":20260705T120000");
        let tokyo = Window::parse(Some("2026-07-05"), Some("2026-07-07"), "Asia/Tokyo", 0).unwrap();
        assert_eq!(within(&record(&event(&lines)), &tokyo, 9).list[0].start, start, "{name}");
        let calendar = format!("X-WR-TIMEZONE:{name}\n{}", event("DTSTART:20260705T120000"));
        assert_eq!(within(&record(&calendar), &tokyo, 9).list[0].start, start, "{name}");
    }
    let zone = "BEGIN:VTIMEZONE\nTZID:India Standard Time\nBEGIN:STANDARD\n\
        DTSTART:16010101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n";
    let own = event("DTSTART;TZID=India Standard Time:20260705T120000");
    let found = found(&record(&format!("{zone}{own}")), "2026-07-01", "2026-08-01");
    assert_eq!(found.list[0].start, "2026-07-05T11:00:00Z");
}

#[test]
fn of_several_exceptions_of_one_occurrence_the_newest_counts() {
    let series = event("DTSTART;TZID=Europe/Berlin:20260105T100000\nRRULE:FREQ=DAILY;COUNT=3");
    let exception = |replaced: &str, start: &str, more: &str| {
        event(&format!("RECURRENCE-ID{replaced}\nDTSTART:20260106T{start}0000Z{more}"))
    };
    let (own, utc) = (";TZID=Europe/Berlin:20260106T100000", ":20260106T090000Z");
    for (exceptions, expected) in [
        ([exception(own, "11", ""), exception(own, "12", "")], &["2026-01-06T12:00:00Z"][..]),
        (
            [exception(own, "11", "\nSEQUENCE:2"), exception(utc, "12", "\nSEQUENCE:1")],
            &["2026-01-06T11:00:00Z"],
        ),
        ([exception(own, "11", ""), exception(own, "12", "\nSTATUS:CANCELLED")], &[]),
        (
            [exception(own, "11", ""), exception(":20260107T090000Z", "12", "")],
            &["2026-01-06T11:00:00Z", "2026-01-06T12:00:00Z"],
        ),
    ] {
        let content = record(&format!("{series}{}", exceptions.concat()));
        let found = found(&content, "2026-01-06", "2026-01-07").list;
        let starts: Vec<&str> = found.iter().map(|one| one.start.as_str()).collect();
        assert_eq!(starts, expected);
    }
}

#[test]
fn a_zone_with_a_colon_and_no_quotes_is_read_to_the_last_colon() {
    let name = "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna";
    for quote in ["", "\""] {
        let tzid = format!("TZID={quote}{name}{quote}");
        let lines = format!(
            "DTSTART;{tzid}:20260701T100000\nDTEND;{tzid}:20260701T110000\nRRULE:FREQ=DAILY;COUNT=4\n\
             EXDATE;{tzid}:20260702T100000,20260703T100000"
        );
        let found = clocks(&lines, "2026-07-01", "2026-08-01");
        assert_eq!(found, ["2026-07-01T10:00:00", "2026-07-04T10:00:00"], "{quote}");
        let zone = format!(
            "BEGIN:VTIMEZONE\nTZID:{}\nBEGIN:STANDARD\nDTSTART:16010101T000000\n\
             TZOFFSETFROM:-0100\nTZOFFSETTO:-0100\nEND:STANDARD\nEND:VTIMEZONE\n",
            name.replace(',', "\\,")
        );
        let own = record(&format!("{zone}{}", event(&lines)));
        let starts = within(&own, &window("2026-07-01", "2026-08-01"), 9).list;
        assert_eq!(starts[0].start, "2026-07-01T11:00:00Z", "{quote}");
    }
    let utc =
        starts("DTSTART;TZID=tzone://Microsoft/Utc:20260701T100000", "2026-07-01", "2026-08-01");
    assert_eq!(utc, ["2026-07-01T10:00:00Z"]);
}

#[test]
fn a_zone_that_nobody_knows_is_taken_from_the_calendar() {
    let zone = "BEGIN:VTIMEZONE\nTZID:Customized\nBEGIN:STANDARD\nDTSTART:16010101T030000\n\
        TZOFFSETFROM:-0300\nTZOFFSETTO:-0400\nRRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11\nEND:STANDARD\n\
        BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0300\n\
        RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n";
    let series = event("DTSTART;TZID=Customized:20260307T120000\nRRULE:FREQ=DAILY;COUNT=2");
    let found = found(&record(&format!("{zone}{series}")), "2026-03-01", "2026-04-01");
    let starts: Vec<&str> = found.list.iter().map(|one| one.start.as_str()).collect();
    assert_eq!(starts, ["2026-03-07T16:00:00Z", "2026-03-08T15:00:00Z"]);
}

#[test]
fn the_zone_of_the_calendar_holds_for_times_that_name_none() {
    let content =
        record(&format!("X-WR-TIMEZONE:Asia/Tokyo\n{}", event("DTSTART:20260105T120000")));
    assert_eq!(found(&content, "2026-01-05", "2026-01-06").list[0].start, "2026-01-05T03:00:00Z");
}

#[test]
fn dates_are_added_and_left_out() {
    let lines = "DTSTART;TZID=Europe/Berlin:20260105T120000\nRRULE:FREQ=DAILY;COUNT=4\n\
        EXDATE;TZID=Europe/Berlin:20260106T120000\nEXDATE:20260107T110000Z\n\
        RDATE;TZID=Europe/Berlin:20260110T090000,20260105T120000\n\
        RDATE;VALUE=PERIOD:20260111T090000Z/PT2H,20260112T090000Z/20260112T093000Z,bad\n\
        DURATION:PT1H";
    let found = found(&record(&event(lines)), "2026-01-01", "2026-02-01");
    let both: Vec<String> =
        found.list.iter().map(|one| format!("{} {}", one.start, one.end)).collect();
    assert_eq!(
        both,
        [
            "2026-01-05T11:00:00Z 2026-01-05T12:00:00Z",
            "2026-01-08T11:00:00Z 2026-01-08T12:00:00Z",
            "2026-01-10T08:00:00Z 2026-01-10T09:00:00Z",
            "2026-01-11T09:00:00Z 2026-01-11T11:00:00Z",
            "2026-01-12T09:00:00Z 2026-01-12T09:30:00Z",
        ]
    );
    let by_day = "DTSTART:20260105T120000Z\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260106";
    assert_eq!(clocks(by_day, "2026-01-01", "2026-02-01").len(), 2);
}

#[test]
fn a_rule_leaves_out_what_another_names() {
    let lines = "DTSTART:20260105T120000Z\nRRULE:FREQ=DAILY;UNTIL=20260118T120000Z\n\
        EXRULE:FREQ=WEEKLY;BYDAY=SA,SU;UNTIL=20260111T120000Z\nEXRULE:FREQ=DAILY;COUNT=2";
    let days = |clocks: Vec<String>| -> Vec<String> {
        clocks.iter().filter_map(|clock| Some(clock.get(8..10)?.to_owned())).collect()
    };
    let left = days(starts(lines, "2026-01-01", "2026-02-01"));
    assert_eq!(left, ["07", "08", "09", "12", "13", "14", "15", "16", "17", "18"]);
    let all = "DTSTART:20260105T120000Z\nRRULE:FREQ=DAILY;COUNT=9\nEXRULE:FREQ=SECONDLY";
    let found = found(&record(&event(all)), "2026-01-06", "2027-01-01");
    assert!(found.gave_up, "more is left out than anybody can look at");
    let whole =
        "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=4\nEXRULE:FREQ=DAILY;INTERVAL=2";
    assert_eq!(days(starts(whole, "2026-01-01", "2026-02-01")), ["06", "08"]);
}

#[test]
fn as_many_dates_are_left_out_as_fit_into_an_event() {
    let day = |day: u32| format!("{:02}T{:02}{:02}{:02}Z", 1 + day / 3_000, day / 125 % 24, 0, 0);
    let dates: Vec<String> = (0..60_000).map(|at| format!("202601{}", day(at))).collect();
    let lines = format!("DTSTART:20260101T000000Z\nRRULE:FREQ=HOURLY\nEXDATE:{}", dates.join(","));
    let found = found(&record(&event(&lines)), "2026-01-01", "2026-01-22");
    assert_eq!((found.list.len(), found.gave_up), (23, false), "up to midnight in Berlin");
    assert_eq!(found.list[0].start, "2026-01-21T00:00:00Z");
}

/// A weekly series with one occurrence moved, one cancelled.
fn choir() -> Content {
    let exception =
        |id: &str, rest: &str| event(&format!("RECURRENCE-ID;TZID=Europe/Berlin:{id}\n{rest}"));
    record(
        &[
            event(
                "SUMMARY:Choir\nLOCATION:Hall\nDTSTART;TZID=Europe/Berlin:20260106T190000\n\
             DTEND;TZID=Europe/Berlin:20260106T210000\nRRULE:FREQ=WEEKLY",
            ),
            exception(
                "20260120T190000",
                "SUMMARY:Concert\nDTSTART;TZID=Europe/Berlin:20260221T180000\nDURATION:PT3H",
            ),
            exception("20260127T190000", "STATUS:CANCELLED\nSUMMARY:Choir"),
            exception("20260203T190000", "SUMMARY:Choir without an own time"),
        ]
        .concat(),
    )
}

fn shown(content: &Content, from: &str, to: &str) -> Vec<String> {
    let found = found(content, from, to);
    let line = |one: &Occurrence| {
        let id = one.recurrence_id.as_deref().unwrap_or("-");
        format!("{} {} {id}", one.field_start, found.forms[one.form].title)
    };
    found.list.iter().map(line).collect()
}

#[test]
fn exceptions_move_in_and_out_of_a_window_and_cancel() {
    assert_eq!(
        shown(&choir(), "2026-01-10", "2026-02-05"),
        [
            "2026-01-13T19:00:00 Choir 2026-01-13T18:00:00Z",
            "2026-02-03T19:00:00 Choir without an own time 2026-02-03T18:00:00Z",
        ]
    );
    assert_eq!(
        shown(&choir(), "2026-02-18", "2026-02-25"),
        [
            "2026-02-21T18:00:00 Concert 2026-01-20T18:00:00Z",
            "2026-02-24T19:00:00 Choir 2026-02-24T18:00:00Z",
        ]
    );
    let found = found(&choir(), "2026-02-03", "2026-02-04");
    assert_eq!(found.list[0].end, "2026-02-03T20:00:00Z", "it lasts as long as the series says");
    assert_eq!(found.forms.len(), 1, "only what is seen is described");
}

#[test]
fn an_exception_may_stand_for_all_that_follow() {
    let content = record(&[
        event("SUMMARY:Old\nDTSTART;TZID=Europe/Berlin:20260105T100000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=5"),
        event(
            "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260107T100000\nSUMMARY:New\n\
             DTSTART;TZID=Europe/Berlin:20260108T113000\nDURATION:PT2H",
        ),
    ]
    .concat());
    assert_eq!(
        shown(&content, "2026-01-01", "2026-02-01"),
        [
            "2026-01-05T10:00:00 Old 2026-01-05T09:00:00Z",
            "2026-01-06T10:00:00 Old 2026-01-06T09:00:00Z",
            "2026-01-08T11:30:00 New 2026-01-07T09:00:00Z",
            "2026-01-09T11:30:00 New 2026-01-08T09:00:00Z",
            "2026-01-10T11:30:00 New 2026-01-09T09:00:00Z",
        ]
    );
    assert_eq!(shown(&content, "2026-01-10", "2026-01-11").len(), 1);
}

/// Returns the starts of a daily event at ten o'clock in Berlin, around the
/// change of the clock on 29 March, whose third occurrence and all later ones
/// are moved.
fn moved(extra: &str, replaced: &str, start: &str) -> Vec<String> {
    let series = "DTSTART;TZID=Europe/Berlin:20260326T100000\nRRULE:FREQ=DAILY;COUNT=5";
    let id = format!("RECURRENCE-ID;RANGE=THISANDFUTURE{replaced}");
    let exception = event(&format!("{id}\nDTSTART{start}\nDURATION:PT2H"));
    let content = record(&[event(&format!("{series}{extra}")), exception].concat());
    let list = found(&content, "2026-01-01", "2026-12-01").list;
    list.into_iter().map(|one| one.start).skip(2).collect()
}

#[test]
fn what_moves_all_that_follow_is_measured_by_the_clock_of_the_series() {
    let expected = ["2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z", "2026-03-30T10:00:00Z"];
    for (replaced, start) in [
        (";TZID=Europe/Berlin:20260328T100000", ";TZID=Europe/Berlin:20260328T120000"),
        (":20260328T090000Z", ":20260328T110000Z"),
        (":20260328T090000Z", ";TZID=Europe/Berlin:20260328T120000"),
        (";TZID=Europe/Berlin:20260328T100000", ":20260328T110000Z"),
        (";TZID=Asia/Tokyo:20260328T180000", ";TZID=Asia/Tokyo:20260328T200000"),
    ] {
        assert_eq!(moved("", replaced, start), expected, "{replaced} {start}");
    }
    let days = ["2026-03-28", "2026-03-29", "2026-03-30"];
    assert_eq!(moved("", ":20260328T090000Z", ";VALUE=DATE:20260328"), days);
}

#[test]
fn a_time_that_the_clock_leaves_out_moves_as_far_as_the_others() {
    let series = event("DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=DAILY;COUNT=2");
    let exception = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260328T023000\n\
         DTSTART;TZID=Europe/Berlin:20260328T043000",
    );
    let content = record(&[series, exception].concat());
    let list = found(&content, "2026-03-29", "2026-03-30").list;
    assert_eq!(list[0].field_start, "2026-03-29T04:30:00");
}

#[test]
fn a_date_in_utc_moves_with_the_series_that_names_it() {
    let moved = moved(
        "\nRDATE:20260410T090000Z",
        ";TZID=Europe/Berlin:20260328T100000",
        ";TZID=Europe/Berlin:20260328T120000",
    );
    assert_eq!(moved.last().unwrap(), "2026-04-10T11:00:00Z");
}

#[test]
fn an_exception_without_its_series_stands_for_itself() {
    let content =
        record(&event("RECURRENCE-ID:20260105T100000Z\nSUMMARY:Alone\nDTSTART:20260106T100000Z"));
    assert_eq!(
        shown(&content, "2026-01-01", "2026-02-01"),
        ["2026-01-06T10:00:00Z Alone 2026-01-05T10:00:00Z"]
    );
}

#[test]
fn what_is_cancelled_does_not_take_place() {
    assert_eq!(
        starts("DTSTART:20260105T100000Z\nSTATUS:CANCELLED", "2026-01-01", "2026-02-01"),
        [""; 0]
    );
}

#[test]
fn a_task_stands_where_it_is_due() {
    let task = |lines: &str| record(&format!("BEGIN:VTODO\nUID:1\n{lines}\nEND:VTODO\n"));
    let list = found(&task("SUMMARY:Tax\nDUE:20260531T220000Z"), "2026-05-31", "2026-06-02").list;
    assert_eq!(
        (list[0].start.as_str(), list[0].end.as_str()),
        ("2026-05-31T22:00:00Z", "2026-05-31T22:00:00Z")
    );
    let list = found(
        &task("DTSTART;VALUE=DATE:20260101\nDUE;VALUE=DATE:20260103"),
        "2026-01-02",
        "2026-01-03",
    )
    .list;
    assert_eq!((list[0].start.as_str(), list[0].end.as_str()), ("2026-01-01", "2026-01-03"));
    assert_eq!(found(&task("SUMMARY:Some day"), "0000-01-01", "9999-12-31").list, []);
}

#[test]
fn odd_times_do_no_harm() {
    let list = |lines: &str| found(&record(&event(lines)), "2026-01-01", "2026-02-01").list;
    let backwards = list("DTSTART:20260105T100000Z\nDTEND:20260104T100000Z");
    assert_eq!((backwards.len(), backwards[0].end.as_str()), (1, "2026-01-05T10:00:00Z"));
    assert_eq!(list("DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260105")[0].end, "2026-01-06");
    assert_eq!(list("DTSTART:20260105T100000Z\nDURATION:-PT1H")[0].end, "2026-01-05T10:00:00Z");
    assert_eq!(list("DTSTART:20260105T235960Z")[0].start, "2026-01-06T00:00:00Z");
    assert_eq!(list("DTSTART:00000101T000000\nRRULE:FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=2").len(), 1);
    assert_eq!(list("DTSTART:20260105T100000Z\nDTEND:99991231T235959Z").len(), 1);
    for nothing in ["DTSTART:tomorrow", "DTSTART:99991231T235959Z\nRRULE:FREQ=DAILY", "SUMMARY:x"] {
        assert_eq!(list(nothing), [], "{nothing}");
    }
    let late = found(
        &record(&event("DTSTART:99991230T120000Z\nRRULE:FREQ=DAILY")),
        "9999-12-01",
        "9999-12-31",
    );
    assert_eq!(late.list.len(), 1);
}

#[test]
fn a_limit_keeps_the_earliest_and_says_so() {
    let content =
        record(&event("DTSTART:20260101T000000Z\nRRULE:FREQ=HOURLY\nRDATE:20251231T233000Z"));
    let found = within(&content, &window("2025-12-01", "2026-03-01"), 3);
    let starts: Vec<&str> = found.list.iter().map(|one| one.start.as_str()).collect();
    assert_eq!(starts, ["2025-12-31T23:30:00Z", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"]);
    assert!(found.is_cut && !found.gave_up);
    let exact = record(&event("DTSTART:20260101T000000Z\nRRULE:FREQ=HOURLY;COUNT=3"));
    assert!(!within(&exact, &window("2025-12-01", "2026-03-01"), 3).is_cut);
}

#[test]
fn no_rule_takes_more_than_its_share() {
    let month = ("2026-01-01", "2026-02-01");
    for (rule, count, gave_up) in [
        // Answered at once: nothing before the window is looked at.
        ("FREQ=SECONDLY", 10_000, false),
        ("FREQ=SECONDLY;COUNT=4294967296", 10_000, false),
        ("FREQ=SECONDLY;COUNT=2147483648;INTERVAL=3", 10_000, false),
        ("FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0", 31, false),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 0, false),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5", 0, false),
        ("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", 0, false),
        ("FREQ=DAILY;BYSETPOS=1,-1;BYHOUR=1,2,3;COUNT=100000", 62, false),
        ("FREQ=SECONDLY;BYSECOND=7;BYMINUTE=3,4;COUNT=2147483648", 1_488, false),
        // Said to be too much: the seconds of every day since 1970 are others.
        ("FREQ=SECONDLY;INTERVAL=7;BYMINUTE=3,4;COUNT=2147483648", 0, true),
    ] {
        let content = record(&event(&format!("DTSTART:19700101T000000Z\nRRULE:{rule}")));
        let found = within(&content, &window(month.0, month.1), 10_000);
        assert_eq!((found.list.len(), found.gave_up), (count, gave_up), "{rule}");
        assert_eq!(found.is_cut, count == 10_000, "{rule}");
        let steps_max = STEPS_MAX + 10_000 * FOUND_STEPS;
        assert!(found.steps <= steps_max, "{rule}: {} steps", found.steps);
        assert!(window(month.0, month.1).meets(span(&content).unwrap()) || count == 0, "{rule}");
    }
}

#[test]
fn a_million_dates_are_cut_and_said() {
    let dates = vec!["20260105T100000Z"; 60_000].join(",");
    let mut content = record(&event("DTSTART:20260105T100000Z"));
    for number in 0..20 {
        let key = format!("e/l9{number:05}");
        content.insert(key, heirloom_schema::Value::Str(format!("RDATE:{dates}")));
    }
    let found = within(&content, &window("2026-01-01", "2026-02-01"), 10_000);
    assert_eq!((found.list.len(), found.gave_up), (1, true));
}

#[test]
fn a_record_that_is_over_or_has_not_begun_is_known_by_its_span() {
    let meets = |lines: &str, from: &str, to: &str| {
        window(from, to).meets(span(&record(&event(lines))).unwrap())
    };
    let year = ("2026-01-01", "2027-01-01");
    for over in [
        "DTSTART:20200105T100000Z",
        "DTSTART:20200105T100000Z\nRRULE:FREQ=DAILY;UNTIL=20250601T000000Z",
        "DTSTART:20200105T100000Z\nRRULE:FREQ=DAILY;COUNT=100",
        "DTSTART:20300105T100000Z\nRRULE:FREQ=DAILY",
    ] {
        assert!(!meets(over, year.0, year.1), "{over}");
    }
    for current in [
        "DTSTART:20200105T100000Z\nRRULE:FREQ=DAILY",
        "DTSTART:20200105T100000Z\nRDATE:20260601T100000Z",
        "DTSTART:20200105T100000Z\nDTEND:20260601T100000Z",
        "DTSTART:20200105T100000Z\nRRULE:FREQ=YEARLY;COUNT=7",
    ] {
        assert!(meets(current, year.0, year.1), "{current}");
    }
    assert_eq!(crate::span(&heirloom_schema::category::notes::NOTES, &record(&event(""))), None);
    assert_eq!(crate::span(&CALENDAR, &record(&event("SUMMARY:x"))), None);
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn foreign_rules_and_times_do_no_harm(
            parts in prop::collection::vec(prop::sample::select(vec![
                "FREQ=SECONDLY", "FREQ=YEARLY", "FREQ=WEEKLY", "INTERVAL=4294967295", "COUNT=0",
                "COUNT=18446744073709551615", "UNTIL=00000101", "BYSETPOS=-366,366", "BYDAY=53SU,-53MO",
                "BYWEEKNO=-53,53", "BYYEARDAY=366,-366", "BYHOUR=0,23", "BYMONTH=2", "WKST=SA",
            ]), 0..5),
            start in prop::sample::select(vec!["00000101T000000", "99991231T235959Z", "20260101", "19700101T000000Z"]),
            other in "[A-Z]{3,6}[;:=][0-9A-Z,/;=-]{0,24}",
        ) {
            let lines = format!("DTSTART:{start}\nDURATION:P9999999D\nRRULE:{}\n{other}", parts.join(";"));
            let content = record(&event(&lines));
            let window = Window::parse(Some("2026-01-01"), Some("2026-01-08"), "UTC", 0).unwrap();
            let found = within(&content, &window, 50);
            prop_assert!(found.list.len() <= 50);
            let _ = span(&content);
        }
    }
}

#[test]
fn what_would_end_behind_year_9999_takes_no_time() {
    for lines in [
        "DTSTART:20260105T120000Z\nDURATION:P99999999999W",
        "DTSTART:20260105T120000Z\nDURATION:P500000W",
        "DTSTART:20260105T120000Z\nDURATION:P2912500D",
        "DTSTART;TZID=Europe/Berlin:20260105T130000\nDURATION:P500000W",
    ] {
        let content = record(&event(lines));
        let found = found(&content, "2026-01-01", "2027-01-01").list;
        let ends: Vec<&str> = found.iter().map(|one| one.end.as_str()).collect();
        assert_eq!(ends, ["2026-01-05T12:00:00Z"], "{lines}");
        assert_eq!(found[0].field_end, None, "{lines}");
        assert_eq!(starts(lines, "2027-01-01", "2028-01-01"), [""; 0], "{lines}");
        assert_eq!(crate::testing::texts(&CALENDAR, &content, "end"), [""; 0], "{lines}");
    }
    let days = "DTSTART;VALUE=DATE:20260105\nDURATION:P500000W";
    assert_eq!(starts(days, "2027-01-01", "2028-01-01"), [""; 0]);
    let whole = found(&record(&event(days)), "2026-01-01", "2027-01-01").list;
    assert_eq!((whole[0].end.as_str(), &whole[0].field_end), ("2026-01-06", &None));
    let eve = record(&event("DTSTART;VALUE=DATE:99991231"));
    assert_eq!(found(&eve, "9999-12-01", "9999-12-31T23:00").list[0].end, "9999-12-31");
    let last = record(&event("DTSTART:20260105T120000Z\nDTEND:99991231T235959Z"));
    assert_eq!(found(&last, "2027-01-01", "2028-01-01").list[0].end, "9999-12-31T23:59:59Z");
}

#[test]
fn days_that_a_month_does_not_have_go_where_the_rule_says() {
    let starts = |rule: &str, start: &str, from: &str| -> String {
        let content = record(&event(&format!("DTSTART;VALUE=DATE:{start}\nRRULE:{rule}")));
        let found = found(&content, from, "2029-01-01");
        assert!(!found.gave_up, "{rule}");
        found.list.iter().map(|one| one.field_start.as_str()).collect::<Vec<_>>().join(" ")
    };
    let rule = |skip: &str| format!("RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP={skip};COUNT=3");
    for (skip, expected) in [
        ("BACKWARD", "2026-01-31 2026-02-28 2026-03-31"),
        ("FORWARD", "2026-01-31 2026-03-01 2026-03-31"),
        ("OMIT", "2026-01-31 2026-03-31 2026-05-31"),
    ] {
        assert_eq!(starts(&rule(skip), "20260131", "2026-01-01"), expected, "{skip}");
    }
    let leap = |skip: &str| format!("RSCALE=GREGORIAN;FREQ=YEARLY;SKIP={skip}");
    let starts = |skip: &str| starts(&leap(skip), "20240229", "2026-01-01");
    assert_eq!(starts("BACKWARD"), "2026-02-28 2027-02-28 2028-02-29");
    assert_eq!(starts("FORWARD"), "2026-03-01 2027-03-01 2028-02-29");
    // The window begins where the month before reaches into this one.
    let month = "DTSTART:20260131T090000Z\nRRULE:RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD";
    let content = record(&event(month));
    assert_eq!(found(&content, "2026-03-01", "2026-03-02").list.len(), 1);
    let both = "DTSTART:20260101T090000Z\n\
                RRULE:RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=1,31;COUNT=5";
    let both = found(&record(&event(both)), "2026-01-01", "2027-01-01");
    let last = both.list.last().map(|one| one.field_start.clone());
    assert_eq!(last.as_deref(), Some("2026-03-31T09:00:00Z"), "one day is one occurrence");
}

#[test]
fn a_rule_that_cannot_be_read_is_said_whenever_it_may_count() {
    for rule in ["RSCALE=CHINESE;FREQ=YEARLY", "FREQ=FORTNIGHTLY"] {
        let content = record(&event(&format!("DTSTART:20200106T090000Z\nRRULE:{rule}")));
        let found = found(&content, "2026-01-01", "2026-02-01");
        assert!(found.gave_up && found.list.is_empty(), "{rule}");
        assert!(window("2026-01-01", "2026-02-01").meets(span(&content).unwrap()), "{rule}");
    }
}

#[test]
fn a_long_series_that_counts_is_passed_over_by_arithmetic() {
    for (rule, start, steps_max) in [
        ("FREQ=SECONDLY;COUNT=4000000000;BYMONTH=1", "19700101T000000Z", 100_000),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;COUNT=200000", "16010101T000000Z", 1_000),
        ("FREQ=DAILY;INTERVAL=3;BYDAY=MO,WE;COUNT=200000", "16010101T000000Z", 1_000),
        ("FREQ=MINUTELY;INTERVAL=5;BYDAY=MO;COUNT=2000000000", "19700101T000000Z", 30_000),
        ("FREQ=SECONDLY;BYSECOND=7;BYMINUTE=3,4;COUNT=2147483648", "19700101T000000Z", 100_000),
    ] {
        let content = record(&event(&format!("DTSTART:{start}\nRRULE:{rule}")));
        let found = found(&content, "2026-06-01", "2026-06-02");
        assert!(!found.gave_up && found.searched < steps_max, "{rule}: {}", found.searched);
    }
}

#[test]
fn what_is_allowed_bounds_what_is_done() {
    let rule = "RRULE:FREQ=SECONDLY;INTERVAL=7;BYMINUTE=3,4;COUNT=2147483648";
    let content = record(&event(&format!("DTSTART:19700101T000000Z\n{rule}")));
    let window = window("2026-06-01", "2026-06-02");
    for steps in [0, 4_000, 90_000] {
        let found = super::within(&content, &window, Allowance { occurrences: 10, steps });
        assert!(found.gave_up && found.searched <= steps, "{steps}: {}", found.searched);
    }
    let plain = record(&event("DTSTART:20260601T090000Z\nRRULE:FREQ=WEEKLY"));
    let found = super::within(&plain, &window, Allowance { occurrences: 10, steps: 4_000 });
    assert!(!found.gave_up && found.list.len() == 1);
}

#[test]
fn the_events_of_one_calendar_read_the_definition_of_their_zone_once() {
    let zone = "BEGIN:VTIMEZONE\nTZID:Home\nBEGIN:STANDARD\nDTSTART:16010101T030000\n\
                TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\n\
                END:STANDARD\nEND:VTIMEZONE\n";
    let content = record(&format!("{zone}{}", event("DTSTART;TZID=Home:20260601T090000")));
    let window = window("2026-06-01", "2026-06-02");
    let found = |window: &Window| within(&content, window, 10);
    let (first, second) = (found(&window), found(&window));
    assert!(second.searched < 100 && first.searched > 1_000, "{first:?} {second:?}");
    assert_eq!(first.list, second.list);
}

#[test]
fn an_instant_behind_the_last_year_is_left_out_and_not_told_wrong() {
    let listed = |start: &str| {
        let content = record(&event(&format!("DTSTART{start}")));
        let found = found(&content, "9999-12-01", "9999-12-31");
        found.list.iter().map(|one| one.start.clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed(";TZID=America/New_York:99991231T230000"), [] as [&str; 0]);
    assert_eq!(listed(";TZID=America/New_York:99991230T173000"), ["9999-12-30T22:30:00Z"]);
    assert_eq!(listed(":99991230T223000Z"), ["9999-12-30T22:30:00Z"]);
}
