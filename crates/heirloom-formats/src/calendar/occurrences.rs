//! When an event takes place: recurrences (RFC 5545, 3.8.5), expanded within
//! a window and never further.
//!
//! A record's lines are read as a [`Series`]; each [`Rule`](rule::Rule) is an
//! [`Expansion`] that skips what lies before the window; exceptions take the
//! place of what they replace. Whatever a rule says, the work for one record
//! is bounded by [`STEPS_MAX`] and an [`Allowance`], and what was left out is said.

mod days;
pub(super) mod expansion;
mod placing;
pub(super) mod rule;
pub(super) mod series;
mod span;
mod times;
mod window;
pub(super) mod zone;

pub(crate) use span::span;
pub use times::Times;
pub use window::{Span, Window, WindowError};

use super::fields::{self, Time};
use crate::Projection;
use crate::line;
use crate::moment::{MomentKind, YEAR_10000_S};
use expansion::{Budget, Ending, Expansion};
use heirloom_schema::{Content, Value};
use placing::{DAY, Future, Gaps, Lasting, Name, Placed, text};
use series::{Component, Length, Series};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use zone::Zone;

/// Steps for one record at most: less than 50 ms, which an example measures.
const STEPS_MAX: u64 = 600_000;
/// What an occurrence costs that is found and described.
const FOUND_STEPS: u64 = 50;

/// How much is done for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Occurrences that are wanted: the earliest.
    pub occurrences: usize,
    /// Steps to find them; never more than are done for one record anyway.
    pub steps: u64,
}

impl Allowance {
    /// Returns what is done where no other record needs it.
    #[must_use]
    pub fn whole(occurrences: usize) -> Self {
        Self { occurrences, steps: STEPS_MAX }
    }
}

/// One time at which a record takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// When it begins, in seconds since 1970: lists are in this order.
    pub starts_s: i64,
    /// When it begins: an RFC 3339 time in UTC, or a date.
    pub start: String,
    /// When it ends, in the same form; of whole days the day after the last.
    pub end: String,
    /// Whether it lasts whole days.
    pub all_day: bool,
    /// When it begins by the user's clock, without the zone; or the date.
    pub local_start: String,
    /// When it ends, likewise.
    pub local_end: String,
    /// Where it stands in its series: the start that the rule gives it.
    pub recurrence_id: Option<String>,
    /// The field `start` of this occurrence.
    pub field_start: String,
    /// The field `end` of this occurrence, where the record has one.
    pub field_end: Option<String>,
    /// What it shows: an index into [`Occurrences::forms`].
    pub form: usize,
}

/// The times at which a record takes place within a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Occurrences {
    /// In order of start.
    pub list: Vec<Occurrence>,
    /// What the occurrences show: the series, and the exceptions from it.
    pub forms: Vec<Projection>,
    /// Whether there were more than the limit.
    pub is_cut: bool,
    /// Whether the rules need more work than was allowed, or cannot be read.
    pub gave_up: bool,
    /// The steps that it took to find them, of those that are allowed.
    pub searched: u64,
    /// The work that was done, in steps of some tens of nanoseconds.
    pub steps: u64,
}

/// Returns the occurrences of a record.
pub(crate) fn within(content: &Content, window: &Window, allowance: Allowance) -> Occurrences {
    let series = Series::read(content);
    found(&series, window, allowance).shown(&series, content)
}

/// Returns the occurrences of a series; the form of each is its component.
fn found(series: &Series, window: &Window, allowance: Allowance) -> Occurrences {
    let steps_max = allowance.steps.min(STEPS_MAX);
    let mut search = Search {
        series,
        window,
        budget: Budget::new(steps_max),
        own: BTreeMap::new(),
        outdated: BTreeSet::new(),
        found: BTreeMap::new(),
        limit: allowance.occurrences,
        is_cut: false,
        gave_up: series.is_cut,
    };
    search.outdated = search.outdated();
    for (index, component) in series.components.iter().enumerate() {
        if !component.is_cancelled && component.replaces.is_none() {
            search.series(index, component);
        }
    }
    for (index, component) in series.components.iter().enumerate() {
        let is_shown = !component.is_cancelled && !search.outdated.contains(&index);
        if is_shown && component.replaces.is_some() {
            search.exception(index, component);
        }
    }
    let list: Vec<Occurrence> = search.found.into_values().collect();
    let searched = steps_max - search.budget.left();
    let steps = searched + list.len() as u64 * FOUND_STEPS;
    let (is_cut, gave_up) = (search.is_cut, search.gave_up);
    Occurrences { list, forms: Vec::new(), is_cut, gave_up, searched, steps }
}

impl Occurrences {
    /// Adds what each occurrence shows: the forms of those that there are.
    fn shown(mut self, series: &Series, content: &Content) -> Self {
        let own = |(key, value): (&String, &Value)| {
            let zone = line::name_of(value.as_raw()?)? == fields::CALENDAR_ZONE;
            (zone && !key.starts_with('e')).then(|| (key.clone(), value.clone()))
        };
        let calendar: Content = content.iter().filter_map(own).collect();
        let mut used: BTreeMap<usize, usize> = BTreeMap::new();
        for occurrence in &mut self.list {
            let component = occurrence.form;
            occurrence.form = *used.entry(component).or_insert_with(|| {
                let component = series.components.get(component);
                let sequence = component.map_or("", |component| component.sequence.as_str());
                self.forms.push(form(content, &calendar, sequence));
                self.forms.len() - 1
            });
        }
        self
    }
}

/// The occurrences that were found, while more are looked for.
struct Search<'a> {
    series: &'a Series,
    window: &'a Window,
    budget: Budget,
    own: BTreeMap<String, Option<Zone>>,
    /// Exceptions that a newer one of the same occurrence takes the place of.
    outdated: BTreeSet<usize>,
    /// By start, name in the series and form.
    found: BTreeMap<(i64, Option<Name>, usize), Occurrence>,
    limit: usize,
    is_cut: bool,
    gave_up: bool,
}

impl<'a> Search<'a> {
    fn placed(&mut self, time: &Time) -> Placed {
        let zone = self.window.plain_zone(time).unwrap_or_else(|| self.zone_of(time));
        Placed { local: time.moment.local_seconds(), kind: time.moment.kind, zone }
    }

    /// Returns the zone of a local time: that of the database, else the one
    /// that the calendar defines, else the one that Windows names so, else
    /// wherever the user is.
    fn zone_of(&mut self, time: &Time) -> Zone {
        let series = self.series;
        let Some(name) = time.zone.as_ref().or(series.default_zone.as_ref()) else {
            return self.window.home();
        };
        if let Some(zone) = self.window.named(name) {
            return zone;
        }
        if !self.own.contains_key(name) {
            let zone = self.own_zone(name).or_else(|| self.window.of_windows(name));
            self.own.insert(name.clone(), zone);
        }
        self.own.get(name).cloned().flatten().unwrap_or_else(|| self.window.home())
    }

    fn own_zone(&mut self, name: &str) -> Option<Zone> {
        let (_, component) = self.series.zones.iter().find(|(own, _)| own == name)?;
        let (_, to) = self.window.local(&Zone::Utc);
        let starts = self.series.components.iter().filter_map(|one| one.start.as_ref());
        let latest = starts.map(|start| start.moment.local_seconds()).max();
        // A series that begins behind the window has nothing in it.
        let to = latest.map_or(to, |latest| to.max(latest)).saturating_add(400 * DAY);
        let zone = self.window.defined(component, to, &mut self.budget);
        self.gave_up |= self.budget.left() == 0;
        zone
    }

    fn lasting(&mut self, start: &Placed, length: Option<&Length>) -> Lasting {
        let is_date = start.kind == MomentKind::Date;
        let (days, seconds, shown_in) = match length {
            None => (0, 0, None),
            Some(Length::Nominal { days, seconds }) => (*days, *seconds, Some(start.zone.clone())),
            Some(Length::Until(end)) => {
                let end = self.placed(end);
                match is_date || end.kind == MomentKind::Date {
                    // Two devices may leave a date beside a time: then days
                    // count, and one that has begun is among whole ones.
                    true if is_date => (end.day_up() - start.day(), 0, Some(end.zone)),
                    true => (end.day() - start.day(), 0, Some(end.zone)),
                    false => (0, (end.instant() - start.instant()).max(0), Some(end.zone)),
                }
            }
        };
        match is_date {
            true => Lasting { days: (days + seconds / DAY).max(1), seconds: 0, shown_in },
            false => Lasting { days: days.max(0), seconds, shown_in },
        }
    }

    /// Returns the exceptions that do not count: of those of one occurrence
    /// the one with the highest SEQUENCE does, of equal ones the last.
    fn outdated(&mut self) -> BTreeSet<usize> {
        let series = self.series;
        let mut newest: BTreeMap<(Name, bool), (u64, usize)> = BTreeMap::new();
        let mut outdated = BTreeSet::new();
        for (index, component) in series.components.iter().enumerate() {
            let Some(replaced) = &component.replaces else { continue };
            if !self.afford() {
                return outdated;
            }
            let replaced = self.placed(replaced);
            let key = (replaced.name(replaced.instant()), component.and_future);
            let own = (component.revision, index);
            match newest.insert(key, own) {
                Some(other) if other > own => {
                    newest.insert(key, other);
                    outdated.insert(index);
                }
                Some((_, other)) => drop(outdated.insert(other)),
                None => {}
            }
        }
        outdated
    }

    /// Pays for one more date; returns whether there is still work left to be spent.
    fn afford(&mut self) -> bool {
        let affords = self.budget.spend(4);
        self.gave_up |= !affords;
        affords
    }

    /// Looks for the occurrences of a component and of its rules.
    fn series(&mut self, form: usize, component: &'a Component) {
        let Some(start) = &component.start else { return };
        let start = self.placed(start);
        let lasting = self.lasting(&start, component.length.as_ref());
        let mut gaps = Gaps::default();
        for time in &component.excluded {
            if !self.afford() {
                return;
            }
            gaps.note(&self.placed(time), start.kind);
        }
        let exceptions = self.series.components.iter().enumerate();
        let mut futures = Vec::new();
        let mut repeats = component.repeats();
        for (form, exception) in exceptions {
            let Some(replaced) = &exception.replaces else { continue };
            if !self.afford() {
                return;
            }
            repeats = true;
            let replaced = self.placed(replaced);
            gaps.note(&replaced, start.kind);
            if exception.and_future && !self.outdated.contains(&form) {
                futures.extend(self.future(form, exception, &replaced, &start));
            }
        }
        futures.sort_by_key(|future| future.from);
        let shift = futures.iter().map(|future| future.shift.abs()).max().unwrap_or(0);
        let longest = longest(&lasting, &futures);
        let (from, to) = self.window.local(&start.zone);
        let reach = (from.saturating_sub(shift).saturating_sub(longest), to.saturating_add(shift));
        self.exclude(component, &start, reach, &mut gaps);
        let course = Course { form, start, lasting, gaps, futures, repeats };
        self.walk(&course, component, reach);
    }

    /// Notes what the rules of a component leave out, for at most half of the
    /// work that is left.
    fn exclude(
        &mut self,
        component: &Component,
        start: &Placed,
        reach: (i64, i64),
        gaps: &mut Gaps,
    ) {
        let half = self.budget.left() / 2;
        let mut budget = Budget::new(half);
        for rule in &component.excluded_rules {
            let mut note = |local| {
                if rule.is_past(local, &|local| start.zone.instant(local)) {
                    return ControlFlow::Break(());
                }
                gaps.note(&Placed { local, ..start.clone() }, start.kind);
                ControlFlow::Continue(())
            };
            let ending = Expansion::new(rule, start.local).visit(reach, &mut budget, &mut note);
            self.gave_up |= ending == Ending::GaveUp;
        }
        self.budget.spend(half - budget.left());
    }

    fn walk(&mut self, course: &Course<'_>, component: &Component, reach: (i64, i64)) {
        let start = &course.start;
        let _ = self.offer(course, start.clone(), None);
        for extra in &component.extras {
            let placed = self.placed(&extra.time);
            let is_alike = (placed.kind == MomentKind::Date) == (start.kind == MomentKind::Date);
            if !self.afford() {
                return;
            }
            if is_alike {
                let _ = self.offer(course, placed, extra.length.as_ref());
            }
        }
        for rule in &component.rules {
            let mut budget = Budget::new(self.budget.left());
            let ending =
                Expansion::new(rule, start.local).visit(reach, &mut budget, &mut |local| {
                    if rule.is_past(local, &|local| start.zone.instant(local)) {
                        return ControlFlow::Break(());
                    }
                    self.offer(course, Placed { local, ..start.clone() }, None)
                });
            self.gave_up |= ending == Ending::GaveUp;
            self.budget = budget;
        }
    }

    fn future(
        &mut self,
        form: usize,
        component: &'a Component,
        replaced: &Placed,
        series: &Placed,
    ) -> Option<Future<'a>> {
        let start = self.placed(component.start.as_ref()?);
        let lasting = self.lasting(&start, component.length.as_ref());
        let zone = &series.zone;
        let shift = match series.kind {
            // A day is on the clock of what stands for it.
            MomentKind::Date => start.local - replaced.local,
            MomentKind::Local | MomentKind::Utc => start.local_in(zone) - replaced.local_in(zone),
        };
        let Placed { kind, zone, .. } = start;
        Some(Future { from: replaced.instant(), form, component, shift, lasting, zone, kind })
    }

    /// Takes an occurrence of a series, unless it is left out or replaced.
    fn offer(
        &mut self,
        course: &Course<'_>,
        placed: Placed,
        length: Option<&Length>,
    ) -> ControlFlow<()> {
        let instant = placed.instant();
        if course.gaps.has(&placed, instant) {
            return ControlFlow::Continue(());
        }
        let name = course.repeats.then(|| placed.name(instant));
        let future = course.futures.iter().rev().find(|future| future.from <= instant);
        if let Some(future) = future {
            if future.component.is_cancelled {
                return ControlFlow::Continue(());
            }
            let placed = future.placed(&placed, &course.start);
            return self.take(&placed, &future.lasting, name, future.form);
        }
        let own = length.map(|length| self.lasting(&placed, Some(length)));
        self.take(&placed, own.as_ref().unwrap_or(&course.lasting), name, course.form)
    }

    /// Takes the occurrence that replaces another one.
    fn exception(&mut self, form: usize, component: &Component) {
        let (Some(start), Some(replaced)) = (&component.start, &component.replaces) else { return };
        let (start, replaced) = (self.placed(start), self.placed(replaced));
        let main = self.series.main();
        let inherited = main.filter(|_| component.start == component.replaces);
        let length = component.length.as_ref();
        let lasting = match (
            length,
            inherited.and_then(|main| main.start.as_ref().zip(main.length.as_ref())),
        ) {
            (None, Some((main_start, length))) => {
                let main_start = self.placed(main_start);
                self.lasting(&main_start, Some(length))
            }
            (length, _) => self.lasting(&start, length),
        };
        let _ = self.take(&start, &lasting, Some(replaced.name(replaced.instant())), form);
    }

    /// Keeps an occurrence that lies within the window: the earliest ones, as
    /// many as are wanted. Breaks where only later ones can follow.
    fn take(
        &mut self,
        start: &Placed,
        lasting: &Lasting,
        name: Option<Name>,
        form: usize,
    ) -> ControlFlow<()> {
        let starts_s = start.instant();
        if starts_s >= YEAR_10000_S {
            // No instant of that year can be written, and no window reaches it.
            return ControlFlow::Continue(());
        }
        let (end_local, ends_s, shown_in) = lasting.end(start, starts_s);
        if !self.window.has(starts_s, ends_s) {
            return ControlFlow::Continue(());
        }
        let key = (starts_s, name, form);
        if self.found.len() >= self.limit {
            let is_late = self.found.last_key_value().is_none_or(|(last, _)| *last <= key);
            self.is_cut |= !self.found.contains_key(&key);
            if is_late {
                return ControlFlow::Break(());
            }
            self.found.pop_last();
        }
        let all_day = start.kind == MomentKind::Date;
        let field_end = shown_in.map(|zone| match start.kind {
            MomentKind::Date => text(end_local, MomentKind::Date),
            MomentKind::Utc => text(ends_s, MomentKind::Utc),
            MomentKind::Local => text(zone.local(ends_s), MomentKind::Local),
        });
        let shown = |day: i64, instant: i64| match all_day {
            true => {
                let day = text(day, MomentKind::Date);
                (day.clone(), day)
            }
            false => {
                let local = self.window.home().local(instant);
                (text(instant, MomentKind::Utc), text(local, MomentKind::Local))
            }
        };
        let (first, local_start) = shown(start.local, starts_s);
        let (last, local_end) = shown(end_local, ends_s);
        let occurrence = Occurrence {
            starts_s,
            start: first,
            end: last,
            all_day,
            local_start,
            local_end,
            recurrence_id: name.map(|name| text(name.seconds, name.kind)),
            field_start: text(start.local, start.kind),
            field_end,
            form,
        };
        self.found.insert(key, occurrence);
        ControlFlow::Continue(())
    }
}

/// Returns what one component of a record shows, in the calendar's zone. Only
/// its own lines are read, because a record may have thousands of components.
fn form(content: &Content, calendar: &Content, sequence: &str) -> Projection {
    let own = content.range::<str, _>((Bound::Included(sequence), Bound::Unbounded));
    let own = own.take_while(|(key, _)| key.starts_with(sequence));
    let lines = own.chain(calendar).map(|(key, value)| (key.clone(), value.clone()));
    fields::project(&lines.collect())
}

fn longest(lasting: &Lasting, futures: &[Future<'_>]) -> i64 {
    let seconds = |one: &Lasting| {
        // A day of a calendar may be longer than 24 hours.
        let days = if one.days > 0 { one.days.saturating_add(1) } else { 0 };
        days.saturating_mul(DAY).saturating_add(one.seconds)
    };
    let futures = futures.iter().map(|future| seconds(&future.lasting));
    futures.chain([seconds(lasting)]).max().unwrap_or(0)
}

/// A series, ready to be walked.
struct Course<'a> {
    form: usize,
    start: Placed,
    lasting: Lasting,
    gaps: Gaps,
    futures: Vec<Future<'a>>,
    repeats: bool,
}

#[cfg(test)]
mod tests;
