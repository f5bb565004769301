//! Calendars, with the times at which their events take place.

use super::{Outcome, Seeds, Target, item, unmended};

pub(super) const TARGET: Target = Target {
    name: "icalendar",
    body,
    seeds,
    mend: unmended,
    words: WORDS,
    is_lines: true,
    mends_alone: false,
    bytes_max: 2 * 1024,
};

const WORDS: &[&str] = &[
    "BEGIN:VCALENDAR",
    "END:VCALENDAR",
    "BEGIN:VEVENT",
    "END:VEVENT",
    "BEGIN:VALARM",
    "END:VALARM",
    "BEGIN:VTIMEZONE",
    "END:VTIMEZONE",
    "BEGIN:STANDARD",
    "END:STANDARD",
    "UID:1",
    "SUMMARY:a\\nb",
    "DTSTART:20260101T100000Z",
    "DTSTART;VALUE=DATE:20260101",
    "DTSTART;TZID=Europe/Berlin:20260329T023000",
    "DTSTART;TZID=X:00000101T000000",
    "DTEND;VALUE=DATE:20260102",
    "DTEND:99991231T235960Z",
    "DURATION:P1D",
    "DURATION:-P9999999W",
    "RECURRENCE-ID:20260102T100000Z",
    "RRULE:FREQ=DAILY",
    "RRULE:FREQ=SECONDLY;INTERVAL=1",
    "RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=-1MO",
    "RRULE:FREQ=MONTHLY;BYMONTHDAY=31;BYSETPOS=-1",
    "RRULE:FREQ=WEEKLY;COUNT=2147483648;WKST=SU",
    ";UNTIL=20271231",
    ";BYHOUR=0,1,2,3",
    ";BYSETPOS=366,-366",
    "RDATE;VALUE=PERIOD:20260101T000000Z/P1D",
    "EXDATE:20260102T100000Z",
    "STATUS:CANCELLED",
    "TZOFFSETTO:+0100",
    "TZOFFSETFROM:+2359",
    "TZID:X",
    " folded",
    "\u{0}",
    "\r",
    ":",
    ";",
    ",",
];

fn body(bytes: &[u8]) -> Outcome {
    let texts = ["title=New", "start=2026-05-01", "end=2026-05-02T10:00", "all_day=true"];
    item::import("dates.ics", bytes, "calendar", &texts)
}

fn calendar(text: &str) -> Vec<u8> {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{text}END:VCALENDAR\r\n").into_bytes()
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260101T100000Z\r\n{lines}END:VEVENT\r\n")
}

fn ruled(rule: &str) -> Vec<u8> {
    calendar(&event(&format!("RRULE:{rule}\r\n")))
}

const ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
    RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n\
    END:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\n\
    RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
    END:DAYLIGHT\r\nEND:VTIMEZONE\r\n";

const OWN: &str = "BEGIN:VEVENT\r\nUID:2\r\nDTSTART;TZID=Own:20260301T100000\r\nDURATION:PT1H\r\n\
    RRULE:FREQ=WEEKLY;BYDAY=MO,TU;COUNT=40\r\nEXDATE;TZID=Own:20260302T100000\r\n\
    END:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nRECURRENCE-ID;TZID=Own:20260303T100000\r\n\
    DTSTART;TZID=Own:20260303T120000\r\nSUMMARY:moved\r\nEND:VEVENT\r\n";
const ALARM: &str = "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nACTION:DISPLAY\r\nEND:VALARM\r\n";
const DAYS: &str = "BEGIN:VEVENT\r\nUID:3\r\nDTSTART;VALUE=DATE:20260228\r\n\
    RRULE:FREQ=MONTHLY;BYMONTHDAY=-1\r\nEND:VEVENT\r\n";
const YEAR_9999: &str = "BEGIN:VEVENT\r\nDTSTART:99991231T235959Z\r\nDURATION:P9999W\r\n\
    RRULE:FREQ=YEARLY\r\nEND:VEVENT\r\n";
const YEAR_ZERO: &str = "BEGIN:VEVENT\r\nDTSTART:00000101T000000\r\nEND:VEVENT\r\n";

fn seeds() -> Seeds {
    let deep = ["BEGIN:VALARM\r\n".repeat(200), "END:VALARM\r\n".repeat(200)].concat();
    let mut seeds = vec![
        ("event", calendar(&event("SUMMARY:a\r\nDTEND:20260101T110000Z\r\n"))),
        ("own-zone", calendar(&format!("{ZONE}{OWN}"))),
        ("whole-days", calendar(DAYS)),
        ("alarms", calendar(&event(&ALARM.repeat(3)))),
        ("nested-begin", calendar(&event(&"BEGIN:VALARM\r\n".repeat(5_000)))),
        ("deep-and-closed", calendar(&event(&deep))),
        ("an-end-before-the-begin", calendar(&event("DTEND:20250101T000000Z\r\n"))),
        ("an-exception-alone", calendar(&event("RECURRENCE-ID:20260102T100000Z\r\n"))),
        ("year-zero", calendar(YEAR_ZERO)),
        ("year-9999", calendar(YEAR_9999)),
    ];
    seeds.extend(long());
    seeds.extend(bombs().into_iter().map(|(name, rule)| (name, ruled(rule))));
    seeds
}

/// Files with very many parts.
fn long() -> Seeds {
    let dates = |count| vec!["20260601T000000Z"; count].join(",");
    let exceptions = format!("RRULE:FREQ=MINUTELY\r\nEXDATE:{}\r\n", dates(5_000));
    let transition = "BEGIN:STANDARD\r\nDTSTART:19801025T030000\r\nTZOFFSETFROM:+0200\r\n\
                      TZOFFSETTO:+0100\r\nEND:STANDARD\r\n";
    let end = format!("{}END:VTIMEZONE\r\n", transition.repeat(1_000));
    let zone = ZONE.replace("END:VTIMEZONE\r\n", &end);
    vec![
        ("only-begins", "BEGIN:VCALENDAR\r\n".repeat(3_000).into_bytes()),
        ("many-events", calendar(&event("").repeat(1_000))),
        ("many-dates", calendar(&event(&format!("RDATE:{}\r\n", dates(20_000))))),
        ("many-exceptions", calendar(&event(&exceptions))),
        ("a-thousand-transitions", calendar(&format!("{zone}{OWN}"))),
    ]
}

/// Rules that stand for more times than anybody can list.
fn bombs() -> [(&'static str, &'static str); 12] {
    [
        ("every-second", "FREQ=SECONDLY"),
        ("every-second-but-never", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"),
        ("never", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31"),
        ("count-greatest", "FREQ=DAILY;COUNT=4294967296"),
        ("interval-greatest", "FREQ=YEARLY;INTERVAL=4294967295"),
        ("interval-zero", "FREQ=DAILY;INTERVAL=0"),
        ("set-positions", "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=1,2,3;BYSETPOS=1,-1,366"),
        (
            "every-part",
            "FREQ=YEARLY;BYMONTH=1,2;BYWEEKNO=1,53;BYYEARDAY=1,366,-1;BYMONTHDAY=31,-31",
        ),
        ("by-everything", "FREQ=DAILY;BYHOUR=0,23;BYMINUTE=0,59;BYSECOND=0,60;BYSETPOS=-1"),
        ("until-before-the-start", "FREQ=DAILY;UNTIL=19700101T000000Z"),
        ("until-garbage", "FREQ=DAILY;UNTIL=99999999T999999Z;COUNT=-1"),
        ("twice-the-same-part", "FREQ=DAILY;FREQ=SECONDLY;COUNT=3;COUNT=5"),
    ]
}
