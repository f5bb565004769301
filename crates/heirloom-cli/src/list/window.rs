//! Lists of what takes place within a window.

use super::{START, Wish};
use crate::access::Access;
use crate::exit::{self, Trouble};
use crate::locale::{self, Order};
use crate::records::short;
use crate::screen::{self, Form, Screen};
use heirloom_base::time;
use heirloom_core::command::{
    Answer, Command, EventRow, Failure, OccurrenceQuery, OccurrenceRow, RecordRow,
};
use heirloom_schema::CategorySpec;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;

/// Occurrences of one list: nobody reads more.
const OCCURRENCES_MAX: usize = 10_000;

/// The zone of a user whose own is not known.
const UTC: &str = "UTC";

/// An occurrence and what takes place.
#[derive(Debug, Clone)]
struct Item {
    occurrence: OccurrenceRow,
    record: Rc<RecordRow>,
}

/// What was gathered, and what was left out.
#[derive(Debug, Default)]
struct Agenda {
    items: Vec<Item>,
    cut: bool,
    gave_up: Vec<String>,
}

impl Agenda {
    fn take(&mut self, events: Vec<EventRow>) {
        for EventRow { record, occurrences } in events {
            let record = Rc::new(record);
            let item = |occurrence| Item { occurrence, record: Rc::clone(&record) };
            self.items.extend(occurrences.into_iter().map(item));
        }
    }

    /// Keeps the earliest, and returns the time after which nothing is wanted.
    fn trim(&mut self) -> Option<i64> {
        self.items.sort_by_key(|item| item.occurrence.starts_s);
        if self.items.len() <= OCCURRENCES_MAX {
            return None;
        }
        self.cut = true;
        self.items.truncate(OCCURRENCES_MAX);
        self.items.last()?.occurrence.starts_s.checked_add(1)
    }

    /// Returns the record that fills the list, if one has most of it.
    fn filler(&self) -> Option<&RecordRow> {
        let mut counts: BTreeMap<&str, (usize, &RecordRow)> = BTreeMap::new();
        for item in &self.items {
            counts.entry(&item.record.id).or_insert((0, &item.record)).0 += 1;
        }
        let most = counts.into_values().max_by_key(|(count, _)| *count);
        most.filter(|(count, _)| count * 2 > self.items.len()).map(|(_, record)| record)
    }

    fn sort(&mut self, order: &Order) {
        self.items.sort_by(|one, other| {
            let key = |item: &Item| (item.occurrence.starts_s, !item.occurrence.all_day);
            key(one)
                .cmp(&key(other))
                .then_with(|| order.compare(&one.record.title, &other.record.title))
                .then_with(|| one.record.id.cmp(&other.record.id))
        });
    }
}

/// Lists what takes place, in the order in which it begins.
pub(super) async fn list<W: Write>(
    access: &mut Access,
    category: &CategorySpec,
    wish: Wish,
    order: &Order,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut agenda = gathered(access, category, wish, screen.form()).await?;
    agenda.sort(order);
    screen.list(|screen| {
        agenda.items.iter().try_for_each(|item| match screen.form() {
            Form::Json => screen.json(&Line::of(item)),
            Form::Human => {
                let (id, when) = (short(&item.record.id), when(&item.occurrence));
                screen.line(format_args!("{id}  {when:<22}  {}", item.record.title))
            }
        })
    })?;
    if agenda.cut {
        let filled = agenda.filler().map_or_else(String::new, |record| {
            format!("; most of them are of {} ({:?})", short(&record.id), record.title)
        });
        let text = format!(
            "more than {OCCURRENCES_MAX} occurrences lie in this time, and only the first are \
             listed{filled}"
        );
        screen::warn(screen.form(), "list-cut", &text);
    }
    if let Some(text) = missing(&agenda.gave_up) {
        screen::warn(screen.form(), "rule-too-costly", &text);
    }
    match agenda.items.is_empty() {
        true => screen.next(&format!("{} list", category.id)),
        false => screen.next(&format!("{} show ID", category.id)),
    }
}

/// Returns what is said of records whose rules were not expanded.
fn missing(ids: &[String]) -> Option<String> {
    let (first, others) = ids.split_first()?;
    let named = short(first);
    let why = "cannot be read or ask for more work than is done for a list";
    Some(match others.len() {
        0 => format!("the rules of {named} {why}: some of its occurrences are missing"),
        others => {
            let count = others + 1;
            format!(
                "the rules of {count} events, among them {named}, {why}: some of their \
                 occurrences are missing"
            )
        }
    })
}

/// Asks for occurrences; where nobody knows the user's zone, in UTC.
async fn asked(
    access: &mut Access,
    query: &mut OccurrenceQuery,
    form: Form,
) -> Result<Answer, Failure> {
    match access.run(Command::Occurrences(query.clone())).await {
        Err(failure) if failure.code == Failure::NO_ZONE => {
            let text = format!("{:?} is no time zone; times are those of UTC", query.zone);
            screen::warn(form, Failure::NO_ZONE, &text);
            query.zone = UTC.to_owned();
            access.run(Command::Occurrences(query.clone())).await
        }
        answer => answer,
    }
}

async fn gathered(
    access: &mut Access,
    category: &CategorySpec,
    wish: Wish,
    form: Form,
) -> Result<Agenda, Trouble> {
    let Wish { search, from, to, deleted: _ } = wish;
    let mut query = OccurrenceQuery {
        category: category.id.to_owned(),
        search,
        from,
        to,
        zone: locale::zone_of_user(),
        until_s: None,
        after: None,
        limit: OCCURRENCES_MAX,
        spent: 0,
    };
    let mut agenda = Agenda::default();
    loop {
        let answer = asked(access, &mut query, form).await?;
        let Answer::Occurrences { events, next, cut, gave_up, spent } = answer else {
            return Err(exit::unexpected(&answer).into());
        };
        agenda.take(events);
        agenda.cut |= cut;
        agenda.gave_up.extend(gave_up);
        query.until_s = agenda.trim().or(query.until_s);
        (query.after, query.spent) = (next, spent);
        if query.after.is_none() {
            return Ok(agenda);
        }
    }
}

/// A line of JSON: the record with the times of this occurrence.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    category: &'a str,
    title: &'a str,
    fields: Map<String, Value>,
    updated_at: &'a str,
    updated_by: &'a str,
    start: &'a str,
    end: &'a str,
    all_day: bool,
    recurrence_id: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(Item { occurrence, record }: &'a Item) -> Self {
        let RecordRow { id, category, title, updated_at, updated_by, .. } = &**record;
        let OccurrenceRow { start, end, .. } = occurrence;
        let mut fields = record.fields.clone();
        fields.insert(START.to_owned(), json!(occurrence.field_start));
        if let Some(end) = &occurrence.field_end {
            fields.insert("end".to_owned(), json!(end));
        }
        let (all_day, recurrence_id) = (occurrence.all_day, occurrence.recurrence_id.as_deref());
        Self {
            id,
            category,
            title,
            fields,
            updated_at,
            updated_by,
            start,
            end,
            all_day,
            recurrence_id,
        }
    }
}

/// Returns when it takes place, for people: by the clock where they are.
fn when(occurrence: &OccurrenceRow) -> String {
    let OccurrenceRow { local_start: start, local_end: end, .. } = occurrence;
    if occurrence.all_day {
        // An end of whole days is the day after the last.
        let last = day_before(end).filter(|last| last > start);
        return last.map_or_else(|| start.clone(), |last| format!("{start} to {last}"));
    }
    let parts = |text: &str| {
        let (day, clock) = text.split_once('T').unwrap_or((text, ""));
        (day.to_owned(), clock.get(..5).unwrap_or(clock).to_owned())
    };
    let ((day, clock), (end_day, end_clock)) = (parts(start), parts(end));
    match (start == end, day == end_day) {
        (true, _) => format!("{day} {clock}"),
        (false, true) => format!("{day} {clock}-{end_clock}"),
        (false, false) => format!("{day} {clock} to {end_day} {end_clock}"),
    }
}

/// Returns the day before a date (`2026-03-01`).
fn day_before(date: &str) -> Option<String> {
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let mut part = || parts.next()?.ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let (year, month, day) = time::civil_from_days(time::days_from_civil(year, month, day) - 1);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence(starts_s: i64, start: &str, end: &str) -> OccurrenceRow {
        OccurrenceRow {
            starts_s,
            start: start.to_owned(),
            end: end.to_owned(),
            all_day: !start.contains('T'),
            local_start: start.to_owned(),
            local_end: end.to_owned(),
            recurrence_id: None,
            field_start: start.to_owned(),
            field_end: Some(end.to_owned()),
        }
    }

    fn record() -> RecordRow {
        RecordRow {
            id: "1f".to_owned(),
            category: "c".to_owned(),
            title: "t".to_owned(),
            fields: Map::new(),
            updated_at: String::new(),
            updated_by: String::new(),
            deleted: false,
            source: None,
            authors: Map::new(),
        }
    }

    #[test]
    fn events_that_were_not_expanded_are_counted_in_one_sentence() {
        let ids = |count: usize| (0..count).map(|id| format!("{id:032x}")).collect::<Vec<_>>();
        assert_eq!(missing(&[]), None);
        assert!(missing(&ids(1)).unwrap().starts_with("the rules of 00000000 cannot"));
        let text = missing(&ids(2_000)).unwrap();
        assert!(text.starts_with("the rules of 2000 events, among them 00000000, "), "{text}");
    }

    #[test]
    fn times_are_as_short_as_they_can_be() {
        for (start, end, text) in [
            ("2026-01-05T09:00:00", "2026-01-05T10:30:00", "2026-01-05 09:00-10:30"),
            ("2026-01-05T09:00:00", "2026-01-05T09:00:00", "2026-01-05 09:00"),
            ("2026-01-05T22:00:00", "2026-01-06T02:00:00", "2026-01-05 22:00 to 2026-01-06 02:00"),
            ("2026-01-05", "2026-01-06", "2026-01-05"),
        ] {
            assert_eq!(when(&occurrence(0, start, end)), text);
        }
    }

    #[test]
    fn a_line_has_what_other_lists_have_and_the_times() {
        let mut record = record();
        record.fields.insert("end".to_owned(), json!("2026-01-01"));
        let other = serde_json::to_value(&record).unwrap();
        let occurrence = occurrence(0, "2026-01-05T09:00:00", "2026-01-05T10:00:00");
        let mut item = Item { occurrence, record: Rc::new(record) };
        let line = serde_json::to_value(Line::of(&item)).unwrap();
        for (name, value) in other.as_object().unwrap() {
            assert!(name == "fields" || line[name] == *value, "{name}");
        }
        assert_eq!(line["fields"]["start"], "2026-01-05T09:00:00");
        assert_eq!(line["fields"]["end"], "2026-01-05T10:00:00");
        assert_eq!(
            (&line["start"], &line["all_day"]),
            (&json!("2026-01-05T09:00:00"), &json!(false))
        );
        item.occurrence.field_end = None;
        assert_eq!(serde_json::to_value(Line::of(&item)).unwrap()["fields"]["end"], "2026-01-01");
    }

    #[test]
    fn a_list_that_is_too_long_keeps_the_earliest_and_asks_for_nothing_later() {
        let record = Rc::new(record());
        let item = |starts_s| {
            let occurrence = occurrence(starts_s, "2026-01-05", "2026-01-06");
            Item { occurrence, record: Rc::clone(&record) }
        };
        let count = i64::try_from(OCCURRENCES_MAX).unwrap();
        let mut agenda = Agenda::default();
        agenda.items.extend((0..count).rev().map(item));
        assert_eq!((agenda.trim(), agenda.cut), (None, false));
        agenda.items.push(item(5));
        assert_eq!(agenda.trim(), Some(count - 1));
        assert_eq!(agenda.filler().map(|record| record.id.as_str()), Some("1f"));
        assert!(agenda.cut && agenda.items.len() == OCCURRENCES_MAX);
        assert_eq!(agenda.items.last().unwrap().occurrence.starts_s, count - 2);
    }
}
