//! Files of single occurrences of a series.

use super::super::*;
use super::alone::Alone;
use crate::command::{EventRow, ImportItem, ImportReport, OccurrenceQuery};
use base64::Engine as _;

const BERLIN: &str = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
    TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";

fn calendar(head: &str, events: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{head}{events}END:VCALENDAR\r\n")
}

fn master(title: &str) -> String {
    let series = format!(
        "BEGIN:VEVENT\r\nUID:s\r\nDTSTART:20260601T100000Z\r\nDTEND:20260601T110000Z\r\n\
         RRULE:FREQ=DAILY;COUNT=4\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n"
    );
    calendar("PRODID:-//M//EN\r\nX-WR-CALNAME:Own\r\n", &series)
}

fn exception(day: u32, title: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:s\r\nRECURRENCE-ID:202606{day:02}T100000Z\r\n\
         DTSTART;TZID=Europe/Berlin:202606{day:02}T180000\r\nDTEND;TZID=Europe/Berlin:202606{day:02}T190000\r\n\
         SUMMARY:{title}\r\nEND:VEVENT\r\n"
    )
}

fn moved(day: u32, title: &str) -> String {
    calendar("METHOD:REQUEST\r\n", &format!("{BERLIN}{}", exception(day, title)))
}

fn cancelled(day: u32, status: &str) -> String {
    let event = format!(
        "BEGIN:VEVENT\r\nUID:s\r\nRECURRENCE-ID:202606{day:02}T100000Z\r\nSUMMARY:Gone\r\n{status}END:VEVENT\r\n"
    );
    calendar("METHOD:CANCEL\r\n", &event)
}

impl Alone {
    fn calendars(&mut self, files: &[&str]) -> ImportReport {
        let item = |text: &&str| ImportItem {
            category: "calendar".into(),
            file: "a.ics".into(),
            line: 1,
            base64: base64::engine::general_purpose::STANDARD.encode(text),
            root: 0,
        };
        let items = files.iter().map(item).collect();
        match self.ask(Command::Import { items, dry_run: false, wait: Wait::default() }) {
            Ok(Answer::Imported { report, .. }) => report,
            other => panic!("{other:?}"),
        }
    }

    fn counted(&mut self, files: &[&str]) -> (u64, u64, u64) {
        let report = self.calendars(files);
        assert_eq!((report.skipped, report.kept), (vec![], vec![]));
        (report.accepted, report.updated, report.unchanged)
    }

    fn source(&mut self) -> String {
        let (category, id) = ("calendar".to_owned(), "s".to_owned());
        match self.ask(Command::Show { category, id }) {
            Ok(Answer::Record(row)) => row.source.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn occurrences(&mut self) -> Vec<String> {
        let query = OccurrenceQuery {
            category: "calendar".into(),
            search: None,
            from: Some("2026-06-01".into()),
            to: Some("2026-07-01".into()),
            zone: "UTC".into(),
            until_s: None,
            after: None,
            limit: 99,
            spent: 0,
        };
        let Ok(Answer::Occurrences { events, .. }) = self.ask(Command::Occurrences(query)) else {
            panic!("a list is asked for")
        };
        let rows = |event: &EventRow| {
            let title = event.record.title.clone();
            let own = event.occurrences.iter();
            own.map(|one| format!("{} {title}", one.start)).collect::<Vec<_>>()
        };
        let mut all: Vec<String> = events.iter().flat_map(rows).collect();
        all.sort();
        all
    }
}

const PLAIN: [&str; 4] = [
    "2026-06-01T10:00:00Z Choir",
    "2026-06-02T10:00:00Z Choir",
    "2026-06-03T10:00:00Z Choir",
    "2026-06-04T10:00:00Z Choir",
];
const MOVED: [&str; 3] = [PLAIN[0], "2026-06-02T16:00:00Z Late", PLAIN[3]];

#[test]
fn a_file_of_one_occurrence_adds_it_and_leaves_the_series() {
    let mut alone = Alone::new();
    assert_eq!(alone.counted(&[&master("Choir")]), (1, 0, 0));
    assert_eq!(alone.occurrences(), PLAIN);
    let (late, gone) = (moved(2, "Late"), cancelled(3, ""));
    assert_eq!(alone.counted(&[&late]), (0, 1, 0));
    assert_eq!(alone.counted(&[&gone]), (0, 1, 0));
    assert_eq!(alone.occurrences(), MOVED);
    for file in [&late, &gone, &master("Choir"), &late, &cancelled(3, "STATUS:CANCELLED\r\n")] {
        assert_eq!(alone.counted(&[file]), (0, 0, 1), "{file}");
    }
    let source = alone.source();
    let head =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//M//EN\r\nX-WR-CALNAME:Own\r\nBEGIN:VTIMEZONE";
    assert!(source.starts_with(head) && !source.contains("METHOD"), "{source}");
    assert!(source.contains("RRULE:FREQ=DAILY;COUNT=4\r\n"), "{source}");
    let end = "SUMMARY:Gone\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert!(source.ends_with(end), "{source}");
    assert_eq!(alone.counted(&[&source]), (0, 0, 1), "its own export");
    assert_eq!(alone.counted(&[&moved(2, "Later")]), (0, 1, 0));
    assert_eq!(alone.occurrences()[1], "2026-06-02T16:00:00Z Later");
    assert_eq!(alone.source(), source.replace("Late", "Later"));
    let mut other = Alone::new();
    assert_eq!(other.counted(&[&source]), (1, 0, 0));
    assert_eq!((other.occurrences(), other.source()), (MOVED.map(str::to_owned).to_vec(), source));
}

#[test]
fn a_series_and_its_occurrences_are_imported_together_in_any_order() {
    let files = [master("Choir"), moved(2, "Late"), cancelled(3, "")];
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
        let mut alone = Alone::new();
        let files = order.map(|at| files[at].as_str());
        assert_eq!(alone.counted(&files), (1, 2, 0));
        assert_eq!(alone.occurrences(), MOVED, "{order:?}");
        assert_eq!(alone.counted(&files), (0, 0, 3), "{order:?}");
        let mut apart = Alone::new();
        for file in files {
            let (accepted, updated, unchanged) = apart.counted(&[file]);
            assert_eq!((accepted + updated, unchanged), (1, 0));
        }
        assert_eq!(apart.occurrences(), MOVED, "{order:?}");
        let source = apart.source();
        assert!(source.contains("PRODID:-//M//EN") && !source.contains("METHOD"), "{source}");
        assert_eq!(source.matches("BEGIN:VTIMEZONE").count(), 1, "{source}");
        assert_eq!(apart.counted(&files), (0, 0, 3), "{order:?}: {source}");
    }
}

#[test]
fn a_changed_series_keeps_the_occurrences_that_came_by_themselves() {
    let mut alone = Alone::new();
    alone.counted(&[&master("Choir"), &moved(2, "Late"), &cancelled(3, "")]);
    assert_eq!(alone.counted(&[&master("Band")]), (0, 1, 0));
    let band = MOVED.map(|row| row.replace("Choir", "Band"));
    assert_eq!(alone.occurrences(), band);
    assert_eq!(alone.counted(&[&master("Band")]), (0, 0, 1));
    assert_eq!(alone.counted(&[&moved(2, "Late")]), (0, 0, 1));
    // A whole file that holds an occurrence decides about it from then on.
    let whole =
        master("Band").replace("END:VCALENDAR", &format!("{}END:VCALENDAR", exception(2, "Early")));
    assert_eq!(alone.counted(&[&whole]), (0, 1, 0));
    assert_eq!(alone.occurrences()[1], "2026-06-02T16:00:00Z Early");
    assert_eq!(alone.source().matches("RECURRENCE-ID").count(), 2);
    assert_eq!(alone.counted(&[&master("Band")]), (0, 1, 0));
    assert_eq!(
        alone.occurrences(),
        [band[0].clone(), PLAIN[1].replace("Choir", "Band"), band[2].clone()]
    );
}

#[test]
fn what_was_edited_here_stays_when_an_occurrence_is_imported() {
    let mut alone = Alone::new();
    alone.counted(&[&master("Choir"), &moved(2, "Late")]);
    let assignments = vec!["title=Own".to_owned(), "start=2026-06-01T11:00:00Z".to_owned()];
    let (category, id) = ("calendar".to_owned(), "s".to_owned());
    alone.ask(Command::Set { category, id, assignments, wait: Wait::default() }).unwrap();
    let own = ["2026-06-01T11:00:00Z Own", MOVED[1], "2026-06-03T11:00:00Z Own"];
    assert_eq!(alone.occurrences()[..3], own);
    assert_eq!(alone.counted(&[&moved(2, "Late")]), (0, 0, 1));
    assert_eq!(alone.counted(&[&moved(2, "Later")]), (0, 1, 0));
    assert_eq!(alone.occurrences()[..3], own.map(|row| row.replace("Late", "Later")));
    assert_eq!(alone.source().matches("BEGIN:VEVENT").count(), 2);
}

#[test]
fn two_versions_of_a_series_or_of_one_occurrence_are_told() {
    let mut alone = Alone::new();
    for files in [
        [master("Choir"), master("Band")],
        [moved(2, "Late"), moved(2, "Later")],
        [moved(3, "Late"), cancelled(3, "")],
    ] {
        let [one, other] = files;
        let report = alone.calendars(&[&one, &other, &one]);
        assert_eq!((report.skipped.len(), report.unchanged), (1, 1), "{report:?}");
        assert!(report.skipped[0].reason.starts_with("another version of this item"));
    }
    let whole = master("Choir").replace("BEGIN:VCALENDAR", "BEGIN:VCALENDAR\r\nMETHOD:CANCEL");
    assert_eq!(alone.counted(&[&whole]), (0, 1, 0), "an ordinary version of the whole");
}
