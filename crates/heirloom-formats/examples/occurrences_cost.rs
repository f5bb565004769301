//! Prints how long the worst records take to be expanded. To be run with
//! `--release`; the limit that this shows is 50 ms for each.

#![expect(clippy::disallowed_methods, reason = "a measurement asks the clock")]

use heirloom_formats::{Allowance, Window, occurrences, parse, span, split};
use heirloom_schema::category::calendar::CALENDAR;
use std::fmt::Write as _;
use std::time::Instant;

fn main() {
    for (from, to) in [("2026-06-01", "2026-06-02"), ("2026-01-01", "2027-01-01")] {
        println!("window {from} to {to}");
        measure_many(from, to);
        measure_lists(from, to);
    }
    let many_days = "BYDAY=MO,TU,WE,TH,FR,SA,SU";
    let every = |last: u32| (0..=last).map(|one| one.to_string()).collect::<Vec<_>>().join(",");
    let clock = format!("BYHOUR={};BYMINUTE={};BYSECOND={}", every(23), every(59), every(59));
    let rules = [
        "FREQ=SECONDLY".to_owned(),
        "FREQ=SECONDLY;COUNT=4294967296".to_owned(),
        "FREQ=SECONDLY;BYSECOND=7;BYMINUTE=3,4;COUNT=2147483648".to_owned(),
        "FREQ=SECONDLY;INTERVAL=7;BYSECOND=3".to_owned(),
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30".to_owned(),
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5".to_owned(),
        format!("FREQ=YEARLY;{clock};{many_days}"),
        format!("FREQ=YEARLY;{clock};{many_days};BYSETPOS=-366,366,1,2,3;COUNT=1000000"),
        format!("FREQ=DAILY;{clock};COUNT=2147483648;BYMONTH=1,3,5,7,8"),
        "FREQ=WEEKLY;BYDAY=MO;BYMONTH=13".to_owned(),
        "FREQ=WEEKLY;BYDAY=MO;BYWEEKNO=53;COUNT=100000".to_owned(),
        "FREQ=DAILY;BYYEARDAY=366;BYDAY=MO;COUNT=100000".to_owned(),
    ];
    for (from, to) in [("2026-01-01", "2026-02-01"), ("0000-01-01", "9999-12-31")] {
        println!("window {from} to {to}");
        for rule in &rules {
            measure(&format!("DTSTART:00010101T000000Z\nRRULE:{rule}"), from, to);
            measure(&format!("DTSTART;TZID=Europe/Berlin:19700101T000000\nRRULE:{rule}"), from, to);
        }
        let mut dates = String::from("DTSTART:20260101T000000Z");
        for _ in 0..900 {
            let list = vec!["20260105T100000Z"; 60].join(",");
            write!(dates, "\nRDATE:{list}").expect("a string takes every text");
        }
        measure(&dates, from, to);
        let rules = vec![format!("RRULE:{}", rules[2]); 900].join("\n");
        measure(&format!("DTSTART:00010101T000000Z\n{rules}"), from, to);
    }
}

/// A calendar of 10,000 events as a household has them: most happened once.
fn measure_many(from: &str, to: &str) {
    let event = |number: usize| {
        let (month, day, hour) = (number % 12 + 1, number % 28 + 1, number % 14 + 7);
        let year = 2017 + number % 20;
        let rule = match number % 10 {
            0 => "RRULE:FREQ=WEEKLY;BYDAY=MO,TH\n",
            1 => "RRULE:FREQ=YEARLY\n",
            2 => "RRULE:FREQ=MONTHLY;BYDAY=2TU;COUNT=200\n",
            _ => "",
        };
        format!(
            "BEGIN:VEVENT\nUID:{number}\nSUMMARY:Event {number}\nDTSTART;TZID=Europe/Berlin:\
             {year}{month:02}{day:02}T{hour:02}0000\nDURATION:PT1H\n{rule}END:VEVENT\n"
        )
    };
    let events: String = (0..10_000).map(event).collect();
    let file = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{events}END:VCALENDAR\n");
    let items = split("a.ics", file.as_bytes(), None).expect("it is a calendar").items;
    let contents: Vec<_> =
        items.iter().map(|raw| parse(raw).expect("it is an event").content).collect();
    let spans: Vec<_> = contents.iter().map(|content| span(&CALENDAR, content)).collect();
    let mut window = Window::parse(Some(from), Some(to), "Europe/Berlin", 0).expect("a window");
    let (mut near, mut found, mut steps) = (0, 0, 0);
    let mut starts: Vec<i64> = Vec::new();
    let begin = Instant::now();
    let mut slowest = std::time::Duration::ZERO;
    for (content, span) in contents.iter().zip(spans) {
        if span.is_some_and(|span| window.meets(span)) {
            let own = Instant::now();
            let occurrences = occurrences(&CALENDAR, content, &window, Allowance::whole(10_000));
            slowest = slowest.max(own.elapsed());
            (near, found, steps) =
                (near + 1, found + occurrences.list.len(), steps + occurrences.steps);
            starts.extend(occurrences.list.iter().map(|one| one.starts_s));
            // As the program does, page by page: nothing behind the last of
            // 10,000 is wanted any more.
            if near % 256 == 0 && starts.len() > 10_000 {
                starts.sort_unstable();
                starts.truncate(10_000);
                window.ends_by(starts.last().map_or(i64::MAX, |last| last + 1));
            }
        }
    }
    let expansion = begin.elapsed();
    println!(
        "{expansion:>12.1?} {slowest:>12.1?} {found:>6} found of {} events, {near} looked at, {steps} steps",
        contents.len()
    );
}

/// As many dates as fit into the text of an event, and as many exceptions.
fn measure_lists(from: &str, to: &str) {
    let dates = |name: &str| {
        let mut day = 0_i64;
        let mut line = || {
            let mut line = format!("\n{name}:");
            for index in 0..60 {
                day += 1;
                let comma = if index == 0 { "" } else { "," };
                let (month, hour) = (day % 12 + 1, day % 24);
                write!(
                    line,
                    "{comma}2026{month:02}{:02}T{hour:02}{:02}00Z",
                    day % 28 + 1,
                    day % 60
                )
                .expect("a string takes every text");
            }
            line
        };
        (0..990).map(|_| line()).collect::<String>()
    };
    measure(&format!("DTSTART:20260101T000000Z{}", dates("RDATE")), from, to);
    let all = "DTSTART:20260101T000000Z\nRRULE:FREQ=HOURLY;COUNT=2147483648";
    measure(&format!("{all}{}", dates("EXDATE")), from, to);
}

fn measure(lines: &str, from: &str, to: &str) {
    let file =
        format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    let items = split("a.ics", file.as_bytes(), None).expect("it is a calendar").items;
    let content = parse(&items[0]).expect("it is an event").content;
    let window = Window::parse(Some(from), Some(to), "Europe/Berlin", 0).expect("a window");
    let begin = Instant::now();
    let found = occurrences(&CALENDAR, &content, &window, Allowance::whole(10_000));
    let expansion = begin.elapsed();
    let begin = Instant::now();
    let span = span(&CALENDAR, &content);
    let index = begin.elapsed();
    let name: String = lines.replace('\n', " ").chars().take(90).collect();
    println!(
        "{expansion:>12.1?} {index:>12.1?} {:>6} found, cut {}, gave up {}, span {}  {name}",
        found.list.len(),
        found.is_cut,
        found.gave_up,
        span.is_some(),
    );
}
