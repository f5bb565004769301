//! When records take place.

use super::listing::after_record;
use super::records::category_of;
use super::{Node, Refusal};
use crate::births;
use crate::command::{Answer, EventRow, Failure, OccurrenceQuery, OccurrenceRow, RecordRow};
use crate::rows::{Reach, RecordIndex};
use crate::storage::Storage;
use crate::view::{decode_head, decode_row};
use crate::{collection, failure, show};
use heirloom_base::{Now, RecordId};
use heirloom_formats::{Allowance, Occurrence, SearchQuery, Window, WindowError};
use heirloom_schema::CategorySpec;

/// Occurrences in one answer, at most: a list of more is nothing to read.
const OCCURRENCES_MAX: usize = 10_000;
/// Steps that every record may take: enough for an ordinary series, also in a
/// list in which others took more.
const RECORD_STEPS: u64 = 4_000;
/// Steps that the records of one list, over all its answers, may take above
/// that: some 0.3 s. An ordinary calendar needs next to none.
const LIST_STEPS_MAX: u64 = 10_000_000;
/// Work for one answer, in steps of the expansion: some 50 ms.
const STEPS_MAX: u64 = 1_000_000;
/// What it costs to read a row, and to load the document of a record whose
/// times are not in its row.
const ROW_STEPS: u64 = 60;
const DOCUMENT_STEPS: u64 = 600;
/// Bytes of fields in one answer.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// An answer that is being gathered.
#[derive(Default)]
struct Page {
    events: Vec<EventRow>,
    cut: bool,
    gave_up: Vec<String>,
    occurrences: usize,
    steps: u64,
    /// Steps of the list that were taken above what every record may take.
    spent: u64,
    bytes: usize,
}

impl Page {
    fn is_full(&self) -> bool {
        self.steps >= STEPS_MAX || self.bytes >= BYTES_MAX
    }

    /// Keeps the earliest, and those that begin with the last of them; returns
    /// the time from which on nothing more is wanted.
    fn narrow(&mut self, limit: usize) -> Option<i64> {
        let every = self.events.iter().flat_map(|event| &event.occurrences);
        let mut starts: Vec<i64> = every.map(|one| one.starts_s).collect();
        if starts.len() <= limit {
            return None;
        }
        let (_, last, _) = starts.select_nth_unstable(limit.checked_sub(1)?);
        let last = *last;
        let is_wanted = |one: &OccurrenceRow| one.starts_s <= last;
        self.events.iter_mut().for_each(|event| event.occurrences.retain(is_wanted));
        self.events.retain(|event| !event.occurrences.is_empty());
        self.occurrences = self.events.iter().map(|event| event.occurrences.len()).sum();
        self.cut = true;
        last.checked_add(1)
    }
}

impl Node {
    pub(super) fn occurrences(
        &self,
        now: Now,
        storage: &dyn Storage,
        wanted: &OccurrenceQuery,
    ) -> Result<Answer, Refusal> {
        self.keyring()?;
        let spec = category_of(&wanted.category)?;
        let (from, to) = (wanted.from.as_deref(), wanted.to.as_deref());
        let mut window = Window::parse(from, to, &wanted.zone, now.wall_ms)
            .map_err(|error| no_window(&error, from.is_some()))?;
        window.ends_by(wanted.until_s.unwrap_or(i64::MAX));
        let query = SearchQuery::parse(wanted.search.as_deref().unwrap_or_default());
        let limit = wanted.limit.clamp(1, OCCURRENCES_MAX);
        let mut page = Page { spent: wanted.spent, ..Page::default() };
        let mut narrow_at = 2 * limit;
        let (mut last, mut next) = (None, None);
        let after = after_record(wanted.after.as_deref())?;
        Self::each_row_bytes(storage, spec, after, &mut |record, bytes| {
            if page.is_full() {
                next = last.map(|record: RecordId| record.to_string());
                return Ok(false);
            }
            last = Some(record);
            let reach: Reach = decode_head(bytes)?;
            if reach.deleted || !reach.span.is_some_and(|span| window.meets(span)) {
                return Ok(true);
            }
            let row: RecordIndex = decode_row(bytes)?;
            page.steps += ROW_STEPS;
            if query.matches(&row.search) {
                self.expand(storage, spec, (record, &row), &window, limit, &mut page)?;
            }
            if page.occurrences >= narrow_at {
                window.ends_by(page.narrow(limit).unwrap_or(i64::MAX));
                // What begins at one time stays, so that there may be as many again.
                narrow_at = 2 * page.occurrences;
            }
            Ok(true)
        })?;
        page.narrow(limit);
        let Page { events, cut, gave_up, spent, .. } = page;
        Ok(Answer::Occurrences { events, next, cut, gave_up, spent })
    }

    fn expand(
        &self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        (record, row): (RecordId, &RecordIndex),
        window: &Window,
        limit: usize,
        page: &mut Page,
    ) -> Result<(), Refusal> {
        let steps = RECORD_STEPS + LIST_STEPS_MAX.saturating_sub(page.spent);
        let allowance = Allowance { occurrences: limit, steps };
        let found = match &row.times {
            Some(times) => times.within(window, allowance),
            None => {
                let mut content = births::content(&self.existing(storage, record)?);
                collection::resolve_texts(storage, self.keyring()?.account_key(), &mut content);
                page.steps += DOCUMENT_STEPS;
                heirloom_formats::occurrences(spec, &content, window, allowance)
            }
        };
        page.steps += found.steps;
        page.spent += found.searched.saturating_sub(RECORD_STEPS);
        page.occurrences += found.list.len();
        page.cut |= found.is_cut;
        if found.gave_up {
            page.gave_up.push(record.to_string());
        }
        if found.list.is_empty() {
            return Ok(());
        }
        let plain = self.record_row(spec, record, row);
        page.bytes += row.fields.len() * found.forms.len().max(1);
        let first = page.events.len();
        for form in &found.forms {
            let fields = show::fields_json(spec, form).as_object().cloned().unwrap_or_default();
            let record = RecordRow { title: form.title.clone(), fields, ..plain.clone() };
            page.events.push(EventRow { record, occurrences: Vec::new() });
        }
        if found.forms.is_empty() {
            page.events.push(EventRow { record: plain, occurrences: Vec::new() });
        }
        for occurrence in found.list {
            if let Some(event) = page.events.get_mut(first + occurrence.form) {
                event.occurrences.push(occurrence_row(occurrence));
            }
        }
        Ok(())
    }
}

/// Tells the user what is wrong with the window that was asked for.
fn no_window(error: &WindowError, has_begin: bool) -> Failure {
    let text = format!("{error}.");
    match error {
        WindowError::Empty { .. } if !has_begin => failure::usage(
            text,
            "Say with --from where the time begins; without it, it begins now.",
        ),
        WindowError::Empty { .. } | WindowError::Time(_) => {
            failure::usage(text, "Give dates like 2026-12-24 or times like 2026-12-24T18:00:00Z.")
        }
        WindowError::Zone(_) => Failure {
            code: Failure::NO_ZONE.to_owned(),
            ..failure::usage(text, "Set TZ to a name like Europe/Berlin.")
        },
    }
}

fn occurrence_row(occurrence: Occurrence) -> OccurrenceRow {
    OccurrenceRow {
        starts_s: occurrence.starts_s,
        start: occurrence.start,
        end: occurrence.end,
        all_day: occurrence.all_day,
        local_start: occurrence.local_start,
        local_end: occurrence.local_end,
        recurrence_id: occurrence.recurrence_id,
        field_start: occurrence.field_start,
        field_end: occurrence.field_end,
    }
}
