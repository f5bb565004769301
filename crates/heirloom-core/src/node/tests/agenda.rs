//! Lists of what takes place, and searches.

use super::super::*;
use super::alone::Alone;
use crate::command::{EventRow, ImportItem, OccurrenceQuery};
use crate::rows;
use crate::storage::MemoryStorage;
use base64::Engine as _;

fn wanted(from: &str, to: &str, limit: usize) -> OccurrenceQuery {
    OccurrenceQuery {
        category: "calendar".into(),
        search: None,
        from: Some(from.into()),
        to: Some(to.into()),
        zone: "Europe/Berlin".into(),
        until_s: None,
        after: None,
        limit,
        spent: 0,
    }
}

/// Returns an answer's records, whether it goes on, is cut, and who gave up.
fn asked(
    alone: &mut Alone,
    query: OccurrenceQuery,
) -> (Vec<EventRow>, Option<String>, bool, Vec<String>) {
    match alone.ask(Command::Occurrences(query)) {
        Ok(Answer::Occurrences { events, next, cut, gave_up, .. }) => (events, next, cut, gave_up),
        other => panic!("{other:?}"),
    }
}

fn import(alone: &mut Alone, events: &str) {
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n");
    let item = ImportItem {
        category: "calendar".into(),
        file: "a.ics".into(),
        line: 1,
        base64: base64::engine::general_purpose::STANDARD.encode(text),
        root: 0,
    };
    alone
        .ask(Command::Import { items: vec![item], dry_run: false, wait: Wait::default() })
        .unwrap();
}

#[test]
fn a_series_takes_place_within_its_window_with_its_exceptions() {
    let mut alone = Alone::new();
    import(
        &mut alone,
        "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Choir\r\nDTSTART;TZID=Europe/Berlin:20260106T190000\r\n\
         DURATION:PT2H\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:1\r\n\
         SUMMARY:Concert\r\nRECURRENCE-ID;TZID=Europe/Berlin:20260113T190000\r\n\
         DTSTART;TZID=Europe/Berlin:20260114T200000\r\nEND:VEVENT\r\n",
    );
    alone.add("calendar", &["title=Dentist", "start=2026-01-07T09:00"]);
    alone.add("calendar", &["title=Over", "start=2025-01-07T09:00"]);
    let (mut events, next, cut, gave_up) =
        asked(&mut alone, wanted("2026-01-05", "2026-01-22", 100));
    assert_eq!((next, cut, gave_up), (None, false, vec![]));
    events.sort_by_key(|event| event.occurrences[0].starts_s);
    let shown: Vec<(&str, Vec<&str>)> = events
        .iter()
        .map(|event| {
            let starts = event.occurrences.iter().map(|one| one.field_start.as_str());
            (event.record.title.as_str(), starts.collect())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("Choir", vec!["2026-01-06T19:00:00", "2026-01-20T19:00:00"]),
            ("Dentist", vec!["2026-01-07T09:00:00"]),
            ("Concert", vec!["2026-01-14T20:00:00"]),
        ]
    );
    assert_eq!(events[0].record.id, events[2].record.id);
    let moved = &events[2].occurrences[0];
    assert_eq!(moved.recurrence_id.as_deref(), Some("2026-01-13T18:00:00Z"));
    let mut query = wanted("2026-01-05", "2026-01-22", 100);
    query.search = Some("CONCÉRT".into());
    assert_eq!(asked(&mut alone, query).0.len(), 2, "the record is found by any of its texts");
}

#[test]
fn an_answer_has_the_earliest_of_all_and_what_begins_with_the_last_of_them() {
    let mut alone = Alone::new();
    for day in 1..=5 {
        let start = format!("start=2026-01-0{day}T09:00Z");
        alone.add("calendar", &[&format!("title={day}"), &start, "rrule=FREQ=DAILY;COUNT=4"]);
    }
    let titles = |events: Vec<EventRow>| -> Vec<String> {
        let times = |event: EventRow| format!("{}x{}", event.record.title, event.occurrences.len());
        let mut titles: Vec<String> = events.into_iter().map(times).collect();
        titles.sort();
        titles
    };
    for (limit, expected, is_cut) in [
        (20, vec!["1x4", "2x4", "3x4", "4x4", "5x4"], false),
        (6, vec!["1x3", "2x2", "3x1"], true),
        // The third day has three, of which the first makes it full.
        (4, vec!["1x3", "2x2", "3x1"], true),
        (1, vec!["1x1"], true),
    ] {
        let (events, next, cut, _) = asked(&mut alone, wanted("2026-01-01", "2026-02-01", limit));
        assert_eq!(
            (titles(events), next, cut),
            (expected.into_iter().map(String::from).collect(), None, is_cut)
        );
    }
}

#[test]
fn an_answer_ends_behind_the_record_that_cost_too_much_and_goes_on_there() {
    let mut alone = Alone::new();
    let rule = "rrule=FREQ=SECONDLY;INTERVAL=7;BYSECOND=7;BYMINUTE=3,4;COUNT=2147483648";
    let mut ids: Vec<String> = (0..3)
        .map(|_| alone.add("calendar", &["title=b", "start=1970-01-01T00:00Z", rule]))
        .collect();
    let mut query = wanted("2026-01-01", "2026-02-01", 10);
    let (mut seen, mut answers) = (Vec::new(), 0);
    loop {
        let (_, next, _, gave_up) = asked(&mut alone, query.clone());
        seen.extend(gave_up);
        answers += 1;
        query.after = next;
        if query.after.is_none() {
            break;
        }
    }
    ids.sort();
    assert_eq!((seen, answers), (ids, 2), "one may be begun when the work runs out");
}

#[test]
fn what_is_cut_and_given_up_is_said() {
    let mut alone = Alone::new();
    alone.add("calendar", &["title=a", "start=1970-01-01T00:00Z", "rrule=FREQ=SECONDLY"]);
    let (events, _, cut, gave_up) = asked(&mut alone, wanted("2026-01-01", "2026-02-01", 99_999));
    assert_eq!((events[0].occurrences.len(), cut, gave_up.len()), (10_000, true, 0));
    let rule = "rrule=FREQ=SECONDLY;INTERVAL=7;BYSECOND=7;BYMINUTE=3,4;COUNT=2147483648";
    let id = alone.add("calendar", &["title=b", "start=1970-01-01T00:00Z", rule]);
    let mut query = wanted("2026-01-01", "2026-02-01", 10);
    query.search = Some("b".into());
    assert_eq!(asked(&mut alone, query).3, [id]);
}

#[test]
fn a_list_is_bounded_whatever_its_rules_say_and_complete_for_ordinary_ones() {
    let mut alone = Alone::new();
    let event = |number: usize, lines: &str| {
        format!("BEGIN:VEVENT\r\nUID:{number}\r\nSUMMARY:{number}\r\n{lines}\r\nEND:VEVENT\r\n")
    };
    let costly = "DTSTART:19700101T000000Z\r\n\
                  RRULE:FREQ=SECONDLY;INTERVAL=7;BYMINUTE=3,4;COUNT=2147483648";
    let plain = "DTSTART:20200101T090000Z\r\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR";
    let lines = |number: usize| if number < 40 { costly } else { plain };
    (0..140).for_each(|number| import(&mut alone, &event(number, lines(number))));
    let mut query = wanted("2026-06-01", "2026-06-08", 10_000);
    let (mut found, mut given_up, mut answers) = (0, 0, 0);
    loop {
        let answer = alone.ask(Command::Occurrences(query.clone())).unwrap();
        let Answer::Occurrences { events, next, gave_up, spent, .. } = answer else {
            panic!("{answer:?}")
        };
        found += events.iter().map(|event| event.occurrences.len()).sum::<usize>();
        (given_up, answers) = (given_up + gave_up.len(), answers + 1);
        assert!(spent >= query.spent && spent <= 11_000_000, "{spent}");
        (query.after, query.spent) = (next, spent);
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!((found, given_up), (300, 40));
    assert!(answers <= 12, "as many as the work for the whole list fills: {answers}");
}

#[test]
fn a_zone_that_is_none_is_told_apart_from_a_time_that_is_none() {
    let mut alone = Alone::new();
    let mut query = wanted("2026-01-01", "2026-01-02", 1);
    query.zone = "Nonsense/X".into();
    let failure = alone.ask(Command::Occurrences(query.clone())).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (2, Failure::NO_ZONE));
    query.zone = "CET-1CEST".into();
    assert_eq!(asked(&mut alone, query).0, []);
}

#[test]
fn a_window_that_is_none_is_a_mistake_of_the_user() {
    let mut alone = Alone::new();
    let failure = alone.ask(Command::Occurrences(wanted("soon", "2026-01-01", 1))).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (2, "usage"));
    assert!(failure.text.starts_with("\"soon\" is no date"), "{failure}");
    let mut notes = wanted("2026-01-01", "2026-01-02", 1);
    notes.category = "notes".into();
    assert_eq!(asked(&mut alone, notes).0, []);
}

#[test]
fn records_are_found_in_any_spelling() {
    let mut alone = Alone::new();
    alone.add(
        "contacts",
        &["name=Zoë Großmann", "phone=+49 (30) 123-4567", "email=zoe@sample.example"],
    );
    alone.add("contacts", &["name=山田太郎", "address=東京都"]);
    let mut found = |text: &str| alone.list("contacts", Some(text)).len();
    for text in
        ["zoe GROSSMANN", "030 1234567", "ZOE@sample", "山田", "東京", "０３０１２３４５６７"]
    {
        assert_eq!(found(text), 1, "{text}");
    }
    assert_eq!((found("zoe 山田"), found("")), (0, 2));
}

#[test]
fn an_index_of_another_layout_is_not_used_and_comes_back_from_the_log() {
    let mut alone = Alone::new();
    alone.add("calendar", &["title=Café", "start=2026-01-07T09:00"]);
    let mut storage = alone.storage;
    storage.index.insert(rows::APPLIED.to_vec(), 3u64.to_be_bytes().to_vec());
    assert!(matches!(Node::applied(&storage), Err(StorageError::Index(_))));
    let fresh = MemoryStorage { index: Default::default(), ..storage };
    let mut alone = Alone::open(fresh);
    assert_eq!(alone.list("calendar", Some("CAFE")).len(), 1);
    assert_eq!(asked(&mut alone, wanted("2026-01-07", "2026-01-08", 1)).0.len(), 1);
}

#[test]
fn a_list_goes_on_where_nothing_later_than_its_begin_is_wanted() {
    let mut alone = Alone::new();
    alone.add("calendar", &["title=Long", "start=2026-01-01T09:00", "end=2026-03-01T09:00"]);
    alone.add("calendar", &["title=Later", "start=2026-02-02T09:00"]);
    let mut query = wanted("2026-02-01", "2026-02-10", 100);
    assert_eq!(asked(&mut alone, query.clone()).0.len(), 2);
    // What is known to fill the list began before its time.
    query.until_s = Some(1_767_300_000);
    let (events, ..) = asked(&mut alone, query);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].record.title, "Long");
}

#[test]
fn a_time_that_ends_before_it_begins_is_refused_with_what_is_missing() {
    let mut alone = Alone::new();
    let mut query = wanted("2026-02-01", "2020-02-10", 100);
    let fix = |alone: &mut Alone, query: &OccurrenceQuery| {
        alone.ask(Command::Occurrences(query.clone())).unwrap_err().fix
    };
    assert!(fix(&mut alone, &query).starts_with("Give dates"));
    query.from = None;
    assert!(fix(&mut alone, &query).contains("--from"));
}
