use crate::item::Fate;
use crate::testing::{
    TIE, applied, changed_lines, items, made, one, reimported, rendered, set, texts,
};
use crate::{
    FieldError, RawItem, content_uid, create, edit, field_of, file_name, is_bookkeeping, parse,
    parse_assignments, project, render, replace, split,
};
use heirloom_schema::category::calendar::CALENDAR;
use heirloom_schema::{Content, Value};
use serde_json::json;

const SERIES: &[u8] = include_bytes!("../../tests/data/series.ics");
const MIXED: &[u8] = include_bytes!("../../tests/data/mixed.ics");
const DAMAGED: &[u8] = include_bytes!("../../tests/data/damaged.ics");

fn shows(content: &Content, field: &str) -> String {
    texts(&CALENDAR, content, field).join("|")
}

fn file(content: &Content) -> Vec<u8> {
    render(&CALENDAR, content, "choir@sample.example")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn refused(content: &Content, texts: &[&str]) -> FieldError {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let edits = parse_assignments(&CALENDAR, &texts);
    edits.and_then(|edits| edit(&CALENDAR, content, &edits, TIE)).unwrap_err()
}

/// Returns a record of one event with these lines.
fn event(lines: &str) -> Content {
    let head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//S//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n";
    one("a.ics", format!("{head}{lines}END:VEVENT\r\nEND:VCALENDAR\r\n").as_bytes()).content
}

#[test]
fn the_layout_of_a_calendar_is_frozen() {
    let item = one("a.ics", SERIES);
    let keys: Vec<&str> = item.content.keys().map(String::as_str).collect();
    assert_eq!(keys[..6], ["c000010", "c000020", "c000030", "c000040", "c000050", "c0003a0"]);
    assert_eq!(keys[6..8], ["e/l000180", "e/l000190"]);
    assert_eq!(keys[keys.len() - 2..], ["e20260120T190000/l000390", "z000060"]);
    let alarms: Vec<&str> = item
        .content
        .values()
        .filter_map(Value::as_str)
        .filter(|line| line.starts_with("BEGIN:VALARM"))
        .collect();
    assert_eq!(alarms[1], "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-P1D\r\nEND:VALARM");
    assert_eq!(item.uid.as_deref(), Some("choir@sample.example"));
}

#[test]
fn a_calendar_of_one_event_comes_back_byte_for_byte() {
    assert_eq!(rendered(&one("a.ics", SERIES)), SERIES);
    for odd in [
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nVERSION:2.0\nBEGIN:VTIMEZONE\nTZID:X\nEND:VTIMEZONE\nX-LAST:1\nEND:VCALENDAR",
        "begin:vcalendar\r\nbegin:vevent\r\nuid:1\r\n\r\nend:vevent\r\nend:vcalendar\r\n",
    ] {
        assert_eq!(text(&rendered(&one("a.ics", odd.as_bytes()))), odd);
    }
}

#[test]
fn a_calendar_of_many_is_cut_by_uid_with_the_zones_that_each_needs() {
    let items = items("mixed.ics", MIXED);
    let parsed: Vec<_> = items.iter().map(|raw| parse(raw).unwrap()).collect();
    let uids: Vec<Option<&str>> = parsed.iter().map(|item| item.uid.as_deref()).collect();
    let expected = [
        Some("choir@sample.example"),
        Some("birthday-1@sample.example"),
        Some("todo-1@sample.example"),
        Some("journal-1@sample.example"),
        None,
    ];
    assert_eq!(uids, expected);
    let choir = text(&items[0].bytes);
    assert_eq!(choir.matches("BEGIN:VEVENT").count(), 2, "the series has its moved occurrence");
    assert!(choir.contains("TZID:Europe/Berlin\r\n"));
    assert!(choir.contains("Unused/Zone"), "what nobody refers to travels with the first");
    assert!(!text(&items[1].bytes).contains("VTIMEZONE"));
    for (raw, item) in items.iter().zip(&parsed) {
        assert_eq!(text(&rendered(item)), text(&raw.bytes));
        assert!(raw.bytes.starts_with(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"));
    }
    assert!(content_uid(&parsed[4]).starts_with("h-"));
    assert_eq!(shows(&parsed[0].content, "title"), "Choir", "the series stands for the record");
}

#[test]
fn a_bad_component_never_blocks_the_others() {
    let split = split("damaged.ics", DAMAGED, None).unwrap();
    let titles: Vec<String> = split
        .items
        .iter()
        .map(|raw| project(&CALENDAR, &parse(raw).unwrap().content).title)
        .collect();
    assert_eq!(titles, ["Renew the passport", "No identifier", "First crocus"]);
    let skipped: Vec<String> =
        split.skipped.iter().map(|one| format!("{}: {}", one.line, one.reason)).collect();
    assert_eq!(
        skipped,
        [
            "6: the VEVENT has no end before the next one begins",
            "21: the VEVENT ends with a wrong END:VEVENT in line 24",
            "32: this line belongs to no calendar",
            "44: the VEVENT has no end",
            "33: the calendar has no END:VCALENDAR: what stood behind may be cut off",
        ]
    );
}

#[test]
fn a_calendar_without_its_end_is_mended_and_nothing_of_it_is_left_out() {
    let fates = |file: &str| -> (usize, Vec<Fate>) {
        let split = split("a.ics", file.as_bytes(), None).unwrap();
        assert!(split.items.iter().all(|raw| parse(raw).is_ok()));
        (split.items.len(), split.skipped.iter().map(|one| one.fate).collect())
    };
    let event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\n";
    assert_eq!(fates(event), (1, vec![Fate::Mended]));
    let open = format!("{event}BEGIN:VEVENT\nUID:2\n");
    assert_eq!(fates(&open), (1, vec![Fate::LeftOut, Fate::Mended]));
    let two = format!("{event}{}END:VCALENDAR\n", event.replace("UID:1", "UID:2"));
    assert_eq!(fates(&two), (2, vec![Fate::Mended]));
    let empty = "BEGIN:VCALENDAR\nVERSION:2.0\n";
    assert_eq!(fates(empty), (0, vec![Fate::Mended, Fate::LeftOut]));
}

#[test]
fn limits_hold_for_each_component() {
    let long = |lines: &str| {
        format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\n\
             BEGIN:VEVENT\nUID:2\nEND:VEVENT\nEND:VCALENDAR\n"
        )
    };
    let deep = format!("{}{}", "BEGIN:X\n".repeat(100), "END:X\n".repeat(100));
    for lines in ["RDATE:1\n".repeat(1_001), format!("COMMENT:{}\n", "x".repeat(2 << 20)), deep] {
        let split = split("a.ics", long(&lines).as_bytes(), None).unwrap();
        assert_eq!((split.items.len(), split.skipped.len()), (1, 1));
    }
    let zone = format!(
        "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\n{}END:VTIMEZONE\nBEGIN:VEVENT\nDTSTART;TZID=X:20260101T000000\nEND:VEVENT\nEND:VCALENDAR\n",
        "BEGIN:STANDARD\nDTSTART:19700101T000000\nEND:STANDARD\n".repeat(1_000)
    );
    assert_eq!(rendered(&one("a.ics", zone.as_bytes())), zone.as_bytes());
}

#[test]
fn what_is_no_single_event_is_refused() {
    let parsed = |text: &str| {
        let bytes = text.into();
        parse(&RawItem { category: &CALENDAR, name: "a.ics".into(), line: 5, bytes })
    };
    let refused = |text: &str| parsed(text).map(|_| ()).map_err(|error| (error.line, error.reason));
    let two = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(refused(two), Err((9, "a component with another UID begins here".into())));
    let long = format!("BEGIN:VCALENDAR\n{}", "X:\n".repeat(crate::order::LINES_MAX));
    assert_eq!(refused(&long), Err((5, "it has more than 1048575 lines".into())));
    assert_eq!(
        refused("BEGIN:VCALENDAR\nEND:VCALENDAR\n"),
        Err((5, "the calendar holds no event".into()))
    );
    assert_eq!(
        refused("BEGIN:VEVENT\nEND:VEVENT\n"),
        Err((5, "this line belongs to no calendar".into()))
    );
    let empty = split("a.ics", b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", None).unwrap();
    assert_eq!(empty.skipped[0].reason, "the calendar holds no event");
}

#[test]
fn fields_of_events_are_shown() {
    let choir = one("a.ics", SERIES).content;
    for (field, expected) in [
        ("title", "Choir"),
        ("start", "2026-01-06T19:00:00"),
        ("end", "2026-01-06T20:30:00"),
        ("all_day", "false"),
        ("location", "Town hall, room 2"),
        ("rrule", "FREQ=WEEKLY;BYDAY=TU"),
        ("timezone", "Europe/Berlin"),
    ] {
        assert_eq!(shows(&choir, field), expected);
    }
    let names: Vec<String> =
        project(&CALENDAR, &choir).fields.into_iter().map(|(name, _)| name).collect();
    let order: Vec<&str> = CALENDAR.fields.iter().map(|field| field.name).collect();
    assert_eq!(names, order);
    let search = project(&CALENDAR, &choir).search;
    assert!(
        ["choir", "blue folder; we", "wei\u{df}; j\u{f6}rg", "in the church"]
            .iter()
            .all(|word| search.contains(word))
    );
    let birthday = event("DTSTART;VALUE=DATE:19660317\r\nDURATION:P1D\r\n");
    assert_eq!(
        (shows(&birthday, "start"), shows(&birthday, "end")),
        ("1966-03-17".into(), "1966-03-18".into())
    );
    assert_eq!(texts(&CALENDAR, &birthday, "all_day"), ["true"]);
    assert_eq!(project(&CALENDAR, &birthday).title, "(no title)");
}

#[test]
fn an_edit_touches_only_its_own_line() {
    let before = one("a.ics", SERIES).content;
    for (edit, gone, new) in [
        ("title=Big choir", "SUMMARY:Choir\r\n", "SUMMARY:Big choir\r\n"),
        (
            "location=Church, hall",
            "LOCATION:Town hall\\, room 2\r\n",
            "LOCATION:Church\\, hall\r\n",
        ),
        (
            "start=2026-01-06T18:30",
            "DTSTART;TZID=Europe/Berlin:20260106T190000\r\nDTEND;TZID=Europe/Berlin:20260106T203000\r\n\
             EXDATE;TZID=Europe/Berlin:20260113T190000\r\n\
             RECURRENCE-ID;TZID=Europe/Berlin:20260120T190000\r\n",
            "DTSTART;TZID=Europe/Berlin:20260106T183000\r\nDTEND;TZID=Europe/Berlin:20260106T200000\r\n\
             EXDATE;TZID=Europe/Berlin:20260113T183000\r\n\
             RECURRENCE-ID;TZID=Europe/Berlin:20260120T183000\r\n",
        ),
        (
            "end=2026-01-06T20:00",
            "DTEND;TZID=Europe/Berlin:20260106T203000\r\n",
            "DTEND;TZID=Europe/Berlin:20260106T200000\r\n",
        ),
        ("rrule=RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY;BYDAY=TU\r\n", "RRULE:FREQ=DAILY\r\n"),
        ("location=", "LOCATION:Town hall\\, room 2\r\n", ""),
    ] {
        let after = set(&CALENDAR, &before, &[edit]);
        let (old, new_lines) = changed_lines(SERIES, &file(&after));
        assert_eq!((old.concat().as_str(), new_lines.concat().as_str()), (gone, new), "{edit}");
    }
    assert_eq!(set(&CALENDAR, &before, &["title=Choir", "start=2026-01-06T19:00"]), before);
}

#[test]
fn a_new_line_stands_before_the_alarms() {
    let alarm = "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n";
    let before = event(&format!("DTSTART:20260101T100000Z\r\n{alarm}"));
    let after = text(&file(&set(&CALENDAR, &before, &["title=New"])));
    assert!(after.contains("DTSTART:20260101T100000Z\r\nSUMMARY:New\r\nBEGIN:VALARM"), "{after}");
}

#[test]
fn times_keep_together_in_kind_and_zone() {
    let times = |content: &Content| {
        let file = text(&file(content));
        let (head, event) = file.split_once("BEGIN:VEVENT").unwrap();
        let head = head.split("BEGIN:VTIMEZONE").next().unwrap();
        let lines = head
            .lines()
            .chain(event.lines())
            .filter(|line| line.starts_with("DT") || line.starts_with("X-WR"));
        lines.filter(|line| !line.starts_with("DTSTAMP")).collect::<Vec<_>>().join(" ")
    };
    let before = event(
        "DTSTART;TZID=Europe/Berlin;X-KEPT=1:20260106T190000\r\nDTEND;TZID=Europe/Berlin:20260106T203000\r\n",
    );
    for (edits, expected) in [
        (&["all_day=true"][..], "DTSTART;VALUE=DATE;X-KEPT=1:20260106 DTEND;VALUE=DATE:20260107"),
        (&["start=2026-01-05"], "DTSTART;VALUE=DATE;X-KEPT=1:20260105 DTEND;VALUE=DATE:20260106"),
        (
            &["timezone=Asia/Tokyo"],
            "DTSTART;TZID=Asia/Tokyo;X-KEPT=1:20260106T190000 DTEND;TZID=Asia/Tokyo:20260106T203000",
        ),
        (&["timezone="], "DTSTART;X-KEPT=1:20260106T190000 DTEND:20260106T203000"),
        (&["end="], "DTSTART;TZID=Europe/Berlin;X-KEPT=1:20260106T190000"),
        (
            &["start=2026-01-06T18:00:00Z", "end=2026-01-06T20:00+01:00"],
            "DTSTART;TZID=Europe/Berlin;X-KEPT=1:20260106T190000 DTEND;TZID=Europe/Berlin:20260106T200000",
        ),
        (
            &["start=2026-01-06T18:00:00Z", "end=2026-01-06T19:00:00Z", "timezone=Asia/Tokyo"],
            "DTSTART;TZID=Asia/Tokyo;X-KEPT=1:20260107T030000 DTEND;TZID=Asia/Tokyo:20260107T040000",
        ),
    ] {
        let after = set(&CALENDAR, &before, edits);
        assert_eq!(times(&after), expected, "{edits:?}");
        assert_eq!(set(&CALENDAR, &after, edits), after, "{edits:?} again changes nothing");
    }
    let day = set(&CALENDAR, &before, &["all_day=true"]);
    assert_eq!(
        times(&set(&CALENDAR, &day, &["all_day=false"])),
        "DTSTART;X-KEPT=1:20260106T000000 DTEND:20260107T000000"
    );
    let lasting = event("DTSTART:20260106T190000Z\r\nDURATION:PT1H\r\n");
    assert_eq!(shows(&lasting, "end"), "2026-01-06T20:00:00Z");
    let ended = set(&CALENDAR, &lasting, &["end=2026-01-06T21:00:00Z"]);
    let ended = text(&file(&ended)).to_owned();
    assert!(ended.contains("\r\nDURATION:PT2H\r\n") && !ended.contains("DTEND"), "{ended}");
}

#[test]
fn a_task_is_due_where_an_event_ends() {
    let todo = parse(&items("mixed.ics", MIXED)[2]).unwrap().content;
    assert_eq!(shows(&todo, "end"), "2026-09-30");
    let later = set(&CALENDAR, &todo, &["end=2026-10-31"]);
    assert!(text(&file(&later)).contains("DUE;VALUE=DATE:20261031\r\n"));
}

#[test]
fn what_does_not_fit_a_field_is_refused() {
    let choir = one("a.ics", SERIES).content;
    for (text, expected) in [
        ("start=", "start cannot be missing"),
        (
            "start=soon",
            "start is a time like 2026-12-24T18:00, 2026-12-24T18:00:00Z or 2026-12-24, not \"soon\"",
        ),
        ("end=2026-01-05T10:00", "end is a time from the start on, not \"2026-01-05T10:00\""),
        ("all_day=maybe", "all_day is true or false, not \"maybe\""),
        ("rrule=weekly", "rrule is a rule like FREQ=WEEKLY;BYDAY=TU, not \"weekly\""),
        (
            "rrule=FREQ=DAILY;COUNT=0",
            "rrule is a rule like FREQ=WEEKLY;BYDAY=TU, not \"FREQ=DAILY;COUNT=0\"",
        ),
        ("rrule=FREQ=NOPE", "rrule is a rule like FREQ=WEEKLY;BYDAY=TU, not \"FREQ=NOPE\""),
        (
            "rrule=FREQ=DAILY;BYHOUR=30",
            "rrule is a rule like FREQ=WEEKLY;BYDAY=TU, not \"FREQ=DAILY;BYHOUR=30\"",
        ),
        ("timezone=Foo/Bar", "timezone is a name like Europe/Berlin, not \"Foo/Bar\""),
        ("timezone=\"", "timezone is a name like Europe/Berlin, not \"\\\"\""),
        ("title+=x", "title takes one value"),
        ("color=red", "there is no field \"color\" in calendar"),
    ] {
        assert_eq!(refused(&choir, &[text]).to_string(), expected);
    }
    assert_eq!(refused(&choir, &["title=a", "title=b"]).to_string(), "title takes one value");
}

#[test]
fn a_zone_that_came_with_an_event_stays_whatever_it_is_called() {
    let olympus = event("DTSTART;TZID=Mars/Olympus:20260106T190000\r\n");
    assert_eq!(set(&CALENDAR, &olympus, &["timezone=Mars/Olympus", "title="]), olympus);
    let later = set(&CALENDAR, &olympus, &["start=2026-01-06T20:00"]);
    assert!(text(&file(&later)).contains("DTSTART;TZID=Mars/Olympus:20260106T200000\r\n"));
    let unused = one("mixed.ics", &items("mixed.ics", MIXED)[0].bytes).content;
    assert_eq!(
        shows(&set(&CALENDAR, &unused, &["timezone=Unused/Zone"]), "timezone"),
        "Unused/Zone"
    );
    let edits = ["start=2026-01-06T19:00".to_owned(), "timezone=Foo/Bar".to_owned()];
    let edits = parse_assignments(&CALENDAR, &edits).unwrap();
    let refused = create(&CALENDAR, &edits, "1", 0).unwrap_err().to_string();
    assert_eq!(refused, "timezone is a name like Europe/Berlin, not \"Foo/Bar\"");
}

#[test]
fn a_new_event_is_a_valid_one_and_survives_its_file() {
    let edits = [
        "title=Christmas, at home",
        "start=2026-12-24T18:00",
        "end=2026-12-24T22:00",
        "timezone=Europe/Berlin",
    ];
    let event = made(&CALENDAR, "7d0c9f5e", &edits);
    let expected = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Heirloom//Heirloom//EN\r\nBEGIN:VTIMEZONE\r\n\
                    TZID:Europe/Berlin\r\nBEGIN:DAYLIGHT\r\nDTSTART:19960331T020000\r\n\
                    TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\n\
                    RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nBEGIN:STANDARD\r\n\
                    DTSTART:19961027T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\n\
                    RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
                    BEGIN:VEVENT\r\nUID:7d0c9f5e\r\nDTSTAMP:20261118T110640Z\r\nSUMMARY:Christmas\\, at home\r\n\
                    DTSTART;TZID=Europe/Berlin:20261224T180000\r\nDTEND;TZID=Europe/Berlin:20261224T220000\r\n\
                    END:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(text(&render(&CALENDAR, &event, "7d0c9f5e")), expected);
    let again = one("a.ics", expected.as_bytes());
    assert_eq!((again.content, again.uid.as_deref()), (event, Some("7d0c9f5e")));
    let day = made(&CALENDAR, "1", &["title=Holiday", "start=2026-12-24", "all_day=true"]);
    assert_eq!(crate::testing::shown(&CALENDAR, &day, "all_day"), [(json!(true), None)]);
    assert!(create(&CALENDAR, &[], "1", 0).is_err());
}

#[test]
fn the_zones_of_an_event_made_here_follow_its_times() {
    let zones = |content: &Content| {
        let file = text(&render(&CALENDAR, content, "1"));
        let lines = file.lines().filter(|line| line.starts_with("TZID:"));
        lines.map(|line| line[5..].to_owned()).collect::<Vec<_>>()
    };
    let made = made(&CALENDAR, "1", &["start=2026-12-24T18:00", "timezone=Europe/Berlin"]);
    let both = ["Europe/Berlin", "Asia/Tokyo"];
    let tokyo = set(&CALENDAR, &made, &["timezone=Asia/Tokyo"]);
    assert_eq!(zones(&tokyo), both, "another device may name the old one meanwhile");
    assert_eq!(zones(&set(&CALENDAR, &tokyo, &["timezone=Europe/Berlin"])), both);
    assert_eq!(zones(&set(&CALENDAR, &made, &["timezone="])), ["Europe/Berlin"]);
    assert_eq!(zones(&set(&CALENDAR, &made, &["start=2026-12-24T18:00:00Z"])), ["Europe/Berlin"]);
    assert_eq!(zones(&set(&CALENDAR, &made, &["title=x"])), ["Europe/Berlin"]);
    let early = set(&CALENDAR, &made, &["start=1980-07-01T10:00"]);
    assert!(text(&render(&CALENDAR, &early, "1")).contains("DTSTART:19800406T020000"));
    let bare = event("DTSTART;TZID=Europe/Berlin:20260106T190000\r\n");
    let moved = set(&CALENDAR, &bare, &["start=2026-01-07T19:00"]);
    assert_eq!(zones(&moved), [""; 0], "what another program left out stays out");
    let choir = one("a.ics", SERIES).content;
    let file = text(&render(&CALENDAR, &choir, "1"));
    let moved = set(&CALENDAR, &choir, &["timezone=Asia/Tokyo"]);
    let moved = text(&render(&CALENDAR, &moved, "1"));
    let zone = &file[file.find("BEGIN:VTIMEZONE").unwrap()..file.find("BEGIN:VEVENT").unwrap()];
    assert!(moved.contains(zone), "what another program defined stays");
}

#[test]
fn an_edited_event_without_a_uid_gets_it_in_its_file() {
    let item = parse(&items("mixed.ics", MIXED)[4]).unwrap();
    let uid = content_uid(&item);
    let edited = set(&CALENDAR, &item.content, &["title=Named"]);
    let again = one("a.ics", &render(&CALENDAR, &edited, &uid));
    assert_eq!(again.uid, Some(uid));
    assert_eq!(replace(&CALENDAR, &item.content, &edited, &again.content, TIE).edits, []);
}

#[test]
fn a_later_import_applies_only_what_it_changed() {
    let base = one("a.ics", SERIES);
    let current = set(&CALENDAR, &base.content, &["location=Elsewhere"]);
    let moved = "BEGIN:VEVENT\r\nUID:choir@sample.example\r\nRECURRENCE-ID;TZID=Europe/Berlin:20260203T190000\r\nSUMMARY:Choir (late)\r\nEND:VEVENT\r\n";
    let new = text(SERIES)
        .replace("SUMMARY:Choir\r\n", "SUMMARY:Large choir\r\n")
        .replace("TRIGGER:-PT30M", "TRIGGER:-PT45M")
        .replace("END:VCALENDAR", &format!("{moved}END:VCALENDAR"));
    let imported = one("a.ics", new.as_bytes());
    let merged = reimported(&imported, &base.content, &current);
    let expected = new.replace("LOCATION:Town hall\\, room 2", "LOCATION:Elsewhere");
    assert_eq!(text(&file(&merged)), expected);
    assert_eq!(replace(&CALENDAR, &base.content, &merged, &imported.content, TIE).edits, []);
    let back = reimported(&base, &imported.content, &merged);
    assert_eq!(
        text(&file(&back)),
        text(SERIES).replace("LOCATION:Town hall\\, room 2", "LOCATION:Elsewhere")
    );
}

#[test]
fn occurrences_that_two_devices_add_stay_whole() {
    let base = one("a.ics", SERIES);
    let with = |day: &str| {
        let moved = format!(
            "BEGIN:VEVENT\r\nUID:choir@sample.example\r\nRECURRENCE-ID:{day}\r\nEND:VEVENT\r\n"
        );
        one(
            "a.ics",
            text(SERIES).replace("END:VCALENDAR", &format!("{moved}END:VCALENDAR")).as_bytes(),
        )
    };
    let edits = |day: &str, tie: &str| {
        replace(&CALENDAR, &base.content, &base.content, &with(day).content, tie).edits
    };
    let both = applied(&base.content, edits("20260203T190000", "aaaaaaaa"));
    let both = applied(&both, edits("20260210T190000", "bbbbbbbb"));
    let whole = items("a.ics", &file(&both));
    assert_eq!(text(&whole[0].bytes).matches("BEGIN:VEVENT").count(), 4);
}

#[test]
fn a_second_component_of_one_occurrence_is_kept() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nSUMMARY:a\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nSUMMARY:b\nEND:VEVENT\nEND:VCALENDAR\n";
    let item = one("a.ics", text.as_bytes());
    assert!(item.content.keys().any(|key| key.starts_with("e~2/l")));
    assert_eq!(rendered(&item), text.as_bytes());
}

#[test]
fn keys_tell_their_field_and_whether_they_matter() {
    let line = |text: &str| Value::Str(text.into());
    let field = |key: &str, text: &str| field_of(&CALENDAR, key, &line(text));
    assert_eq!(field("e/l000010", "DTSTART;TZID=X:20260101").as_deref(), Some("start"));
    assert_eq!(field("e/l000010", "DUE:20260101").as_deref(), Some("end"));
    assert_eq!(field("e/l000010", "BEGIN:VALARM\r\nEND:VALARM").as_deref(), Some("valarm"));
    assert_eq!(field("z000010", "BEGIN:VTIMEZONE\r\nEND:VTIMEZONE").as_deref(), Some("vtimezone"));
    assert_eq!(field("eol", "\n"), None);
    for name in ["DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "PRODID"] {
        assert!(is_bookkeeping(&CALENDAR, "e/l000010", &line(&format!("{name}:1"))));
    }
    assert!(!is_bookkeeping(&CALENDAR, "e/l000010", &line("SUMMARY:1")));
    assert!(file_name(&CALENDAR, &one("a.ics", SERIES).content, "1").starts_with("Choir-"));
}

#[test]
fn hundreds_of_events_with_one_uid_are_told_apart_by_their_number() {
    let one_event = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260101T100000Z\r\nEND:VEVENT\r\n";
    let events = 400;
    let bytes = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", one_event.repeat(events));
    let content = one("a.ics", bytes.as_bytes()).content;
    assert!(file(&content) == bytes.as_bytes(), "it comes out as it went in");
    let count = |sequence: &str| content.keys().filter(|key| key.starts_with(sequence)).count();
    assert_eq!((count("e/l"), count("e~2/l"), count("e~400/l"), count("e~401/l")), (4, 4, 4, 0));
    let window = crate::Window::parse(Some("2026-01-01"), Some("2026-01-03"), "UTC", 0).unwrap();
    let found = crate::occurrences(&CALENDAR, &content, &window, crate::Allowance::whole(events));
    assert!(!found.list.is_empty() && !found.gave_up);
}

#[test]
fn a_byte_order_mark_goes_with_the_first_event() {
    let calendar = |events: &str| format!("BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n");
    let event = |uid: &str| format!("BEGIN:VEVENT\r\nUID:{uid}\r\nEND:VEVENT\r\n");
    let file = ["\u{feff}", &calendar(&[event("1"), event("2")].concat())].concat();
    let items = split("a.ics", file.as_bytes(), None).unwrap().items;
    let marked = ["\u{feff}", &calendar(&event("1"))].concat();
    let bytes: Vec<&[u8]> = items.iter().map(|raw| raw.bytes.as_slice()).collect();
    assert_eq!(bytes, [marked.as_bytes(), calendar(&event("2")).as_bytes()]);
    let item = parse(&items[0]).unwrap();
    assert_eq!(rendered(&item), marked.as_bytes());
}
