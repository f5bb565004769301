//! Events as calendar programs export them.

use super::{Numbers, SampleFile, push_line};

/// Single appointments.
const APPOINTMENTS: usize = 60;

const SUMMARIES: &[(&str, &str)] = &[
    ("Dentist", "Main Street 4"),
    ("Elternabend", "Schule am See, Aula"),
    ("Football practice", "North field"),
    ("Οικογενειακό δείπνο", "Σπίτι"),
    ("День народження Ольги", "Дача"),
    ("ピアノのレッスン", "教室"),
    ("موعد الطبيب", "العيادة"),
    ("Car inspection; bring papers", "Garage, yard 2"),
];

const ZONE: &[&str] = &[
    "BEGIN:VTIMEZONE",
    "TZID:Europe/Berlin",
    "BEGIN:DAYLIGHT",
    "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0200",
    "TZNAME:CEST",
    "DTSTART:19700329T020000",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
    "END:DAYLIGHT",
    "BEGIN:STANDARD",
    "TZOFFSETFROM:+0200",
    "TZOFFSETTO:+0100",
    "TZNAME:CET",
    "DTSTART:19701025T030000",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
    "END:STANDARD",
    "END:VTIMEZONE",
];

/// Events in files of their own, as a server stores them.
const SINGLES: usize = 3;

/// Returns the files with events.
pub(super) fn files() -> Vec<SampleFile> {
    let file = |path: &str, zone: &[&str], events: &[Vec<String>]| SampleFile {
        path: format!("calendar/{path}.ics"),
        bytes: calendar(zone, events).into_bytes(),
        records: events.len() as u64,
    };
    let mut events = appointments();
    events.extend(series());
    let (singles, rest) = events.split_at(SINGLES);
    let mut files = vec![file("birthdays", &[], &birthdays()), file("home", ZONE, rest)];
    for (index, event) in singles.iter().enumerate() {
        files.push(file(&format!("single-{index}"), ZONE, std::slice::from_ref(event)));
    }
    files
}

fn calendar(zone: &[&str], events: &[Vec<String>]) -> String {
    let mut text = String::new();
    let head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Sample//Calendar 1//EN"];
    head.iter().chain(zone).for_each(|line| push_line(&mut text, line));
    events.iter().flatten().for_each(|line| push_line(&mut text, line));
    push_line(&mut text, "END:VCALENDAR");
    text
}

fn event(uid: &str, lines: &[String]) -> Vec<String> {
    let mut event = vec!["BEGIN:VEVENT".to_owned(), format!("UID:{uid}")];
    event.push("DTSTAMP:20260301T080000Z".to_owned());
    event.extend_from_slice(lines);
    event.push("END:VEVENT".to_owned());
    event
}

fn appointments() -> Vec<Vec<String>> {
    let mut numbers = Numbers::new(7);
    (0..APPOINTMENTS)
        .map(|index| {
            let (summary, place) = numbers.choose(SUMMARIES);
            let day = format!("2026{:02}{:02}", 1 + numbers.below(12), 1 + numbers.below(28));
            let hour = 8 + numbers.below(10);
            let mut lines = vec![
                format!("SUMMARY:{}", summary.replace(';', "\\;")),
                format!("LOCATION:{}", place.replace(',', "\\,")),
                format!("DTSTART;TZID=Europe/Berlin:{day}T{hour:02}3000"),
                format!("DTEND;TZID=Europe/Berlin:{day}T{:02}1500", hour + 1),
            ];
            if index.is_multiple_of(4) {
                lines.extend(alarm());
            }
            if index.is_multiple_of(5) {
                let place = "X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-TITLE=Here:geo:52.5,13.4";
                lines.push(place.to_owned());
            }
            event(&format!("appointment-{index:03}@sample.example"), &lines)
        })
        .collect()
}

fn alarm() -> Vec<String> {
    ["BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Soon", "TRIGGER:-PT30M", "END:VALARM"]
        .map(str::to_owned)
        .to_vec()
}

/// Returns repeating events; one has a moved and a cancelled occurrence.
fn series() -> Vec<Vec<String>> {
    let weekly = |name: &str, day: &str, start: &str| {
        let lines = [
            format!("SUMMARY:{name}"),
            format!("DTSTART;TZID=Europe/Berlin:{start}T190000"),
            format!("DTEND;TZID=Europe/Berlin:{start}T203000"),
            format!("RRULE:FREQ=WEEKLY;BYDAY={day}"),
        ];
        event(&format!("series-{day}@sample.example"), &lines)
    };
    let uid = "series-TU@sample.example";
    let mut moved = weekly("Choir", "TU", "20260106");
    let cancelled = "EXDATE;TZID=Europe/Berlin:20260113T190000".to_owned();
    moved.insert(moved.len() - 1, cancelled);
    moved.extend(event(
        uid,
        &[
            "RECURRENCE-ID;TZID=Europe/Berlin:20260120T190000".to_owned(),
            "SUMMARY:Choir (in the church)".to_owned(),
            "DTSTART;TZID=Europe/Berlin:20260120T183000".to_owned(),
            "DTEND;TZID=Europe/Berlin:20260120T200000".to_owned(),
        ],
    ));
    vec![weekly("Bins out", "MO", "20260105"), moved, weekly("Swimming", "FR", "20260102")]
}

fn birthdays() -> Vec<Vec<String>> {
    let people = ["Anna", "Déclan", "Ольга", "美咲", "ליאור", "राहुल", "Γιώργος", "Uncle Bob"];
    people
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let lines = [
                format!("SUMMARY:🎂 {name}"),
                format!("DTSTART;VALUE=DATE:19{:02}{:02}17", 60 + index, index + 1),
                "RRULE:FREQ=YEARLY".to_owned(),
                "TRANSP:TRANSPARENT".to_owned(),
            ];
            event(&format!("birthday-{index}@sample.example"), &lines)
        })
        .collect()
}
