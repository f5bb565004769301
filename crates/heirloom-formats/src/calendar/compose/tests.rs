use super::*;
use crate::{parse, split};

/// Returns the calendars that a file is cut into, without its line ends.
fn cut(file: &str) -> (Vec<String>, Vec<String>) {
    let split = split("a.ics", file.as_bytes(), None).unwrap();
    let items = split
        .items
        .iter()
        .map(|raw| String::from_utf8_lossy(&raw.bytes).replace('\n', " "))
        .collect();
    let skipped = split.skipped.iter().map(|one| format!("{}: {}", one.line, one.reason)).collect();
    (items, skipped)
}

#[test]
fn no_line_of_a_calendar_is_lost_when_it_is_cut() {
    let zone = |id: &str| format!("BEGIN:VTIMEZONE\nTZID:{id}\nEND:VTIMEZONE\n");
    let event =
        |name: &str, uid: &str, more: &str| format!("BEGIN:{name}\nUID:{uid}\n{more}END:{name}\n");
    let file = format!(
        "BEGIN:VCALENDAR\nX-A:1\n{}{}{}{}{}{}X-B:2\nEND:VCALENDAR\n",
        zone("Used"),
        event("VTODO", "1", ""),
        zone("Unused"),
        event("VFREEBUSY", "2", "DTSTART;TZID=Used:20260101T000000\n"),
        event("VJOURNAL", "3", ""),
        event("VAVAILABILITY", "4", "BEGIN:AVAILABLE\nUID:5\nEND:AVAILABLE\n"),
    );
    let (items, skipped) = cut(&file);
    let expected = [
        "BEGIN:VCALENDAR X-A:1 X-B:2 BEGIN:VTIMEZONE TZID:Unused END:VTIMEZONE BEGIN:VTODO UID:1 \
         END:VTODO END:VCALENDAR ",
        "BEGIN:VCALENDAR X-A:1 X-B:2 BEGIN:VTIMEZONE TZID:Used END:VTIMEZONE BEGIN:VFREEBUSY \
         UID:2 DTSTART;TZID=Used:20260101T000000 END:VFREEBUSY END:VCALENDAR ",
        "BEGIN:VCALENDAR X-A:1 X-B:2 BEGIN:VJOURNAL UID:3 END:VJOURNAL END:VCALENDAR ",
        "BEGIN:VCALENDAR X-A:1 X-B:2 BEGIN:VAVAILABILITY UID:4 BEGIN:AVAILABLE UID:5 \
         END:AVAILABLE END:VAVAILABILITY END:VCALENDAR ",
    ];
    assert_eq!((items, skipped), (expected.map(str::to_owned).to_vec(), Vec::new()));
}

#[test]
fn a_series_over_two_calendars_takes_the_lines_of_both() {
    let calendar = |name: &str, zone: &str, events: &str| {
        format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:{name}\nX-NAME:{name}\nBEGIN:VTIMEZONE\n\
             TZID:{zone}\nEND:VTIMEZONE\n{events}END:VCALENDAR\n"
        )
    };
    let event = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=A:20260101T000000\nEND:VEVENT\n";
    let moved = "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260102T000000\nEND:VEVENT\n";
    let (items, skipped) = cut(&[
        calendar("One", "A", event),
        calendar("Two", "B", moved),
        calendar("None", "C", ""),
        calendar("Same", "A", moved),
    ]
    .concat());
    let expected = "BEGIN:VCALENDAR VERSION:2.0 PRODID:One X-NAME:One X-NAME:Two X-NAME:Same \
         BEGIN:VTIMEZONE TZID:A END:VTIMEZONE BEGIN:VTIMEZONE TZID:B END:VTIMEZONE BEGIN:VEVENT \
         UID:1 DTSTART;TZID=A:20260101T000000 END:VEVENT BEGIN:VEVENT UID:1 \
         RECURRENCE-ID:20260102T000000 END:VEVENT BEGIN:VEVENT UID:1 \
         RECURRENCE-ID:20260102T000000 END:VEVENT END:VCALENDAR ";
    assert_eq!(items, [expected]);
    assert_eq!(skipped, ["25: the calendar holds no event"]);
}

#[test]
fn a_file_of_very_many_parts_is_read_up_to_a_limit() {
    let event = "BEGIN:VEVENT\nEND:VEVENT\n";
    let file = format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", event.repeat(20));
    let cut_short = Cut::up_to(10, file.as_bytes());
    assert_eq!(cut_short.components.len(), 9, "the calendar is a part too");
    let skipped = (cut_short.split.skipped[0].line, cut_short.split.skipped[0].reason.as_str());
    let expected = "the file has more parts than are read of one: this and what follows";
    assert_eq!(skipped, (20, expected));
    assert_eq!(Cut::of(file.as_bytes()).split.skipped, []);
    let head = "X:1\n".repeat(1_002);
    let (items, skipped) = cut(&format!("BEGIN:VCALENDAR\n{head}{event}END:VCALENDAR\n"));
    assert_eq!(
        (items.len(), skipped),
        (1, vec!["1002: the calendar has too many lines of its own".to_owned()])
    );
}

#[test]
fn a_lone_carriage_return_still_ends_a_line_before_what_is_no_property() {
    let file = b"BEGIN:VCALENDAR\rEND:VCARD\r\n=C3=BC\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\n";
    let split = split("a.ics", file, None).unwrap();
    let [item] = split.items.as_slice() else { panic!("{split:?}") };
    let expected = b"BEGIN:VCALENDAR\r\n=C3=BC\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r";
    assert_eq!(item.bytes, expected, "{:?}", String::from_utf8_lossy(&item.bytes));
    assert!(parse(item).is_ok());
}

#[test]
fn all_components_of_one_uid_share_the_limit_of_one_record() {
    let event = |uid: usize, day: usize| {
        let text = "x".repeat(600_000);
        format!("BEGIN:VEVENT\nUID:{uid}\nRECURRENCE-ID:{day}\nSUMMARY:{text}\nEND:VEVENT\n")
    };
    let events = [event(1, 1), event(2, 1), event(1, 2), event(3, 1)].concat();
    let file = format!("BEGIN:VCALENDAR\n{events}END:VCALENDAR\n");
    let (items, skipped) = cut(&file);
    let reason = "what has one UID is too large: its text is larger than 1 MiB";
    assert_eq!((items.len(), skipped), (2, vec![format!("2: {reason}")]));
    let raw = crate::RawItem {
        category: &CALENDAR,
        name: "a.ics".to_owned(),
        line: 1,
        bytes: format!("BEGIN:VCALENDAR\n{}{}END:VCALENDAR\n", event(1, 1), event(1, 2)).into(),
    };
    assert_eq!(parse(&raw).unwrap_err().to_string(), reason);
}

#[test]
fn what_every_event_of_a_calendar_would_keep_is_bounded() {
    let file = |bytes: usize| {
        let events = "BEGIN:VEVENT\nSUMMARY:a\nEND:VEVENT\n".repeat(3);
        format!("BEGIN:VCALENDAR\nX:{}\n{events}END:VCALENDAR\n", "x".repeat(bytes - 3))
    };
    assert_eq!(cut(&file(limits::CALENDAR_HEAD_BYTES_MAX)).0.len(), 3);
    let reason = |line: usize| format!("{line}: the calendar's own lines are larger than 16 KiB");
    let (items, skipped) = cut(&file(limits::CALENDAR_HEAD_BYTES_MAX + 1));
    assert_eq!((items.len(), skipped), (0, [3, 6, 9].map(reason).to_vec()));
}
