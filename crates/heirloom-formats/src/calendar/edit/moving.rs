//! Moving a series: what names its occurrences moves along, so that the same
//! ones stay left out, added and replaced, and the rule ends with the same one.

mod numbers;

use super::{Event, with_time_parameters, written};
use crate::calendar::fields::{CALENDAR_ZONE, Time, time};
use crate::calendar::occurrences::expansion::{Budget, Ending, Expansion};
use crate::calendar::occurrences::rule::{Frequency, Rule};
use crate::calendar::occurrences::zone::Zone;
use crate::calendar::units;
use crate::layout;
use crate::line::Property;
use crate::moment::{Moment, MomentKind, duration};
use crate::text;
use heirloom_base::time::{civil_from_days, days_from_civil};
use numbers::Numbers;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

const DAY_S: i64 = 86_400;
/// Steps to count the occurrences of a rule, or to find what lies between two
/// ends of it: as many as for a record.
const STEPS_MAX: u64 = 600_000;

/// A series whose start is another one now.
struct Move {
    from: Time,
    to: Time,
    /// The clocks of both; none where nobody knows, or where one has no clock.
    clocks: (Option<Zone>, Option<Zone>),
    course: Course,
    /// Which occurrence is which, where the rule holds the days.
    numbers: Option<Numbers>,
    /// How much later on the clock an occurrence is.
    seconds: i64,
    /// Whether the rule itself names the time of day.
    has_clock: bool,
}

/// What becomes of the days of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// They stay: the rule names them.
    Held,
    /// Each is so many days later.
    Days(i64),
    /// Each is so many months later, and so many days.
    Months { months: i64, days: i64 },
}

/// A line that names occurrences.
struct Named {
    key: String,
    property: Property,
    values: Vec<Value>,
}

/// A time of such a line, with its end where it is a period.
struct Value {
    time: Time,
    end: Option<String>,
}

impl Event {
    /// Moves what names occurrences of a series that began at `from` and now
    /// begins at `to`. What exceptions show stays, and so does a line that
    /// cannot be understood. The rule's own end moves only where an occurrence or
    /// its form depends on it, and never where the user named a rule.
    pub(super) fn move_series(&mut self, from: &Time, to: &Time, has_rule: bool) {
        if from == to || self.find(&self.main, "RECURRENCE-ID").1.is_some() {
            return;
        }
        let lines = self.named_occurrences();
        let rules = self.rules();
        let moments = lines.iter().flat_map(|line| line.values.iter().map(|one| one.time.moment));
        let ends = rules.iter().filter_map(|(_, _, rule)| rule.until);
        let latest = moments.chain(ends).chain([from.moment, to.moment]);
        let latest = latest.max_by_key(|moment| moment.local_seconds()).unwrap_or(to.moment);
        let rule = rules.first().map(|(_, _, rule)| rule);
        let clocks = (self.clock(from, latest), self.clock(to, latest));
        let mut step = Move::of(from.clone(), to.clone(), clocks, rule);
        let mut own = rules.iter().filter(|(_, property, _)| property.name == "RRULE");
        let counted = own.next().filter(|_| own.next().is_none()).map(|(key, _, _)| key.clone());
        let rule = rules.iter().find(|(key, _, _)| Some(key) == counted.as_ref());
        step.numbers = rule.and_then(|(_, _, rule)| step.numbers(rule, latest));
        let times = lines.iter().flat_map(|line| line.values.iter().map(|one| &one.time));
        let names: BTreeSet<&str> = times.filter_map(|time| time.zone.as_deref()).collect();
        let zones = names.iter().filter(|name| from.zone.as_deref() != Some(**name));
        let zones: BTreeMap<String, Zone> = zones
            .filter_map(|name| Some(((*name).to_owned(), self.zone_of(name, latest)?)))
            .collect();
        for line in &lines {
            self.move_line(&step, line, &zones);
        }
        if has_rule {
            return;
        }
        for (key, property, rule) in rules {
            let is_counted = Some(&key) == counted.as_ref();
            let ends = rule.until.and_then(|until| Some((until, step.until(until, is_counted)?)));
            let Some((old, until)) = ends else { continue };
            let value = with_until(&property.text(), until);
            if value != property.text() && !step.ends_alike(&rule, (old, until)) {
                let line = self.habits.line(&property, &property.prefix, &value);
                layout::put(&mut self.content, &key, line, &self.habits.eol);
            }
        }
    }

    /// Gives the end of a rule that a user named the form that goes with the
    /// start (RFC 5545, 3.3.10). A day ends a series of times when it is over.
    pub(super) fn fit_end(&mut self) {
        let main = self.main.clone();
        let Some(start) = self.find(&main, "DTSTART").1.as_ref().and_then(time) else { return };
        for (key, property, rule) in self.rules() {
            let Some(until) = rule.until else { continue };
            let clock = self.clock(&start, until);
            if clock.is_none() && start.zone.is_some() {
                continue;
            }
            let local = until.local_seconds();
            let last = if until.kind == MomentKind::Date { local + DAY_S - 1 } else { local };
            let fitting = match (start.moment.kind, until.kind, clock) {
                (MomentKind::Date, ..) => until.date(),
                (_, MomentKind::Utc, Some(_)) => until,
                (_, _, Some(clock)) => Moment::from_seconds(clock.instant(last), MomentKind::Utc),
                (_, _, None) => Moment::from_seconds(last, MomentKind::Local),
            };
            let value = with_until(&property.text(), fitting);
            if fitting != until {
                let line = self.habits.line(&property, &property.prefix, &value);
                layout::put(&mut self.content, &key, line, &self.habits.eol);
            }
        }
    }

    /// Returns the lines that name occurrences of the series and are understood.
    fn named_occurrences(&self) -> Vec<Named> {
        let units = units(&self.content);
        let own = units.iter().filter(|unit| unit.sequence().starts_with('e'));
        let own = own.filter(|unit| {
            let is_main = unit.sequence() == self.main;
            unit.name().is_some_and(|name| match is_main {
                true => matches!(name.as_str(), "EXDATE" | "RDATE"),
                false => name == "RECURRENCE-ID",
            })
        });
        let read = own.filter_map(|unit| {
            let property = unit.property()?;
            let zone = property.parameter("TZID").next().map(str::to_owned);
            let text = property.text();
            let values = text.split(',').map(|text| Value::read(text.trim(), zone.as_deref()));
            let values = values.collect::<Option<Vec<_>>>()?;
            Some(Named { key: unit.key.to_owned(), property, values })
        });
        read.collect()
    }

    /// Returns the rules of the series that can be read.
    fn rules(&self) -> Vec<(String, Property, Rule)> {
        let units = units(&self.content);
        let own = units.iter().filter(|unit| unit.sequence() == self.main);
        let own = own.filter(|unit| matches!(unit.name().as_deref(), Some("RRULE" | "EXRULE")));
        let read = own.filter_map(|unit| {
            let property = unit.property()?;
            let rule = Rule::parse(&property.text())?;
            Some((unit.key.to_owned(), property, rule))
        });
        read.collect()
    }

    /// Returns the clock of a time, as far as it is needed.
    fn clock(&self, time: &Time, latest: Moment) -> Option<Zone> {
        match time.moment.kind {
            MomentKind::Date => None,
            MomentKind::Utc => Some(Zone::Utc),
            MomentKind::Local => {
                let of_calendar = || {
                    let (_, property) = self.find(super::HEAD, CALENDAR_ZONE);
                    Some(text::unescaped(&property?.text()).trim().to_owned())
                };
                self.zone_of(&time.zone.clone().or_else(of_calendar)?, latest)
            }
        }
    }

    fn move_line(&mut self, step: &Move, line: &Named, zones: &BTreeMap<String, Zone>) {
        let instant = |time: &Time| {
            let zone = zones.get(time.zone.as_deref()?)?;
            Some(zone.instant(time.moment.local_seconds()))
        };
        let moved: Option<Vec<(Time, Option<String>)>> =
            line.values.iter().map(|value| step.value(value, &instant)).collect();
        let Some(moved) = moved else { return };
        let Some((first, end)) = moved.first() else { return };
        let is_alike = |(time, other): &(Time, Option<String>)| {
            time.moment.kind == first.moment.kind && other.is_some() == end.is_some()
        };
        if !moved.iter().all(is_alike) {
            return;
        }
        let (mut parameters, _) = written(first.moment, first.zone.as_deref());
        if end.is_some() {
            parameters.insert_str(0, ";VALUE=PERIOD");
        }
        let texts = moved.iter().map(|(time, end)| {
            let (_, start) = written(time.moment, None);
            end.as_ref().map_or_else(|| start.clone(), |end| format!("{start}/{end}"))
        });
        let value = texts.collect::<Vec<_>>().join(",");
        let prefix = with_time_parameters(&line.property, &parameters);
        let written = self.habits.line(&line.property, &prefix, &value);
        layout::put(&mut self.content, &line.key, written, &self.habits.eol);
    }
}

impl Value {
    fn read(text: &str, zone: Option<&str>) -> Option<Self> {
        let (start, end) =
            text.split_once('/').map_or((text, None), |(start, end)| (start, Some(end)));
        let moment = Moment::parse(start)?;
        let zone = zone.filter(|_| moment.kind == MomentKind::Local).map(str::to_owned);
        Some(Self { time: Time { moment, zone }, end: end.map(str::to_owned) })
    }
}

impl Move {
    fn of(from: Time, to: Time, clocks: (Option<Zone>, Option<Zone>), rule: Option<&Rule>) -> Self {
        let (was, is) = (from.moment.local_seconds(), to.moment.local_seconds());
        let course = Course::of(rule, was.div_euclid(DAY_S), is.div_euclid(DAY_S));
        let has_clock = rule.is_some_and(|rule| {
            [&rule.hours, &rule.minutes, &rule.seconds].iter().any(|list| !list.is_empty())
        });
        let seconds = if has_clock { 0 } else { is.rem_euclid(DAY_S) - was.rem_euclid(DAY_S) };
        Self { from, to, clocks, course, numbers: None, seconds, has_clock }
    }

    /// Counts the occurrences of a rule that holds its days.
    fn numbers(&self, rule: &Rule, latest: Moment) -> Option<Numbers> {
        let (from, to) = (self.from.moment, self.to.moment);
        let has_days = [from, to].iter().any(|moment| moment.kind == MomentKind::Date);
        if self.course != Course::Held || (has_days && self.has_clock) {
            return None;
        }
        let clock = match (&self.clocks.0, from.kind) {
            (Some(clock), _) => clock.clone(),
            (None, MomentKind::Date | MomentKind::Utc) => Zone::Utc,
            (None, MomentKind::Local)
                if rule.until.is_some_and(|until| until.kind == MomentKind::Utc) =>
            {
                return None;
            }
            (None, MomentKind::Local) => Zone::Utc,
        };
        let (was, is) = (from.local_seconds(), to.local_seconds());
        // The clock of a name may be another one than that of the series.
        let latest = latest.local_seconds().saturating_add(2 * DAY_S);
        Numbers::of(rule, (was, is), latest, &|local| clock.instant(local))
    }

    /// Returns where a value of a list goes, and its end; `None` where nobody
    /// knows. `instant` reads a time of another zone.
    fn value(
        &self,
        value: &Value,
        instant: &dyn Fn(&Time) -> Option<i64>,
    ) -> Option<(Time, Option<String>)> {
        let moved = self.time(&value.time, instant)?;
        let end = match &value.end {
            // A whole day has no period.
            Some(_) if moved.moment.kind == MomentKind::Date => None,
            Some(end) if duration(end).is_some() => Some(end.clone()),
            Some(end) => {
                let moment = Moment::parse(end)?;
                let end = Time { moment, zone: value.time.zone.clone() };
                Some(self.time(&end, instant)?.moment.to_basic())
            }
            None => None,
        };
        Some((moved, end))
    }

    fn time(&self, time: &Time, instant: &dyn Fn(&Time) -> Option<i64>) -> Option<Time> {
        let local = match time.moment.kind {
            MomentKind::Local if time.zone.is_some() && time.zone != self.from.zone => {
                self.local(instant(time)?)?
            }
            MomentKind::Utc => self.local(time.moment.local_seconds())?,
            MomentKind::Local | MomentKind::Date => time.moment.local_seconds(),
        };
        let (local, kind) = self.moved(local, time.moment.kind);
        let moment = Moment::from_seconds(local, kind).in_years()?;
        let zone = self.to.zone.clone().filter(|_| kind == MomentKind::Local);
        Some(Time { moment, zone })
    }

    /// Returns what the old clock of the series shows at an instant.
    fn local(&self, instant: i64) -> Option<i64> {
        match self.from.moment.kind {
            // Whole days are told by the day that a time names.
            MomentKind::Date => Some(instant),
            MomentKind::Local | MomentKind::Utc => {
                self.clocks.0.as_ref().map(|clock| clock.local(instant))
            }
        }
    }

    /// Returns where a local time of the old series is in the new one. A day
    /// that names an occurrence with a time stays a day.
    fn moved(&self, local: i64, kind: MomentKind) -> (i64, MomentKind) {
        let (was, is) = (self.from.moment, self.to.moment);
        let is_name = kind == MomentKind::Date && was.kind != MomentKind::Date;
        let numbers = self.numbers.as_ref();
        if let Some(local) = numbers.filter(|_| !is_name).and_then(|all| all.time(local)) {
            return (local, is.kind);
        }
        let numbered = numbers.and_then(|all| all.day(local.div_euclid(DAY_S)));
        let day = match local.div_euclid(DAY_S) {
            _ if is_name && numbered.is_some() => numbered.unwrap_or_default(),
            day if day == was.local_seconds().div_euclid(DAY_S) => {
                is.local_seconds().div_euclid(DAY_S)
            }
            day => self.course.day(day),
        };
        let clock = local.rem_euclid(DAY_S);
        let is_day = is.kind == MomentKind::Date || is_name;
        match (is_day, was.kind) {
            (true, _) => (day * DAY_S, MomentKind::Date),
            (false, MomentKind::Date) => {
                (day * DAY_S + is.local_seconds().rem_euclid(DAY_S), is.kind)
            }
            (false, MomentKind::Local | MomentKind::Utc) => {
                (day * DAY_S + clock + self.seconds, is.kind)
            }
        }
    }

    /// Returns where a rule ends now, in the form that goes with the start
    /// (RFC 5545, 3.3.10): with the last occurrence, where they are counted.
    fn until(&self, until: Moment, is_counted: bool) -> Option<Moment> {
        let last = self.numbers.as_ref().filter(|_| is_counted).and_then(Numbers::last);
        if let Some(last) = last {
            let is_day = until.kind == MomentKind::Date || self.to.moment.kind == MomentKind::Date;
            let kind = if is_day { MomentKind::Date } else { self.to.moment.kind };
            return self.ending(last, kind);
        }
        let local = match until.kind {
            MomentKind::Utc => self.local(until.local_seconds())?,
            MomentKind::Date | MomentKind::Local => until.local_seconds(),
        };
        // A day that ends before its occurrence would begin is none of the series.
        let begins = self.from.moment.local_seconds();
        let is_short = local > begins && local.rem_euclid(DAY_S) < begins.rem_euclid(DAY_S);
        let is_early = is_short && until.kind != MomentKind::Date;
        let becomes_days = self.to.moment.kind == MomentKind::Date && !self.has_clock;
        let local = if is_early && becomes_days { local - DAY_S } else { local };
        let (moved, kind) = self.moved(local, until.kind);
        let (first, ends) =
            (self.to.moment.local_seconds().div_euclid(DAY_S), moved.div_euclid(DAY_S));
        // No rule that holds its days ends before it begins.
        let days = first - begins.div_euclid(DAY_S);
        let is_late = self.course == Course::Held && ends < first && days > 0;
        let moved = if is_late { moved + days * DAY_S } else { moved };
        self.ending(moved, kind)
    }

    /// Returns an end of a rule in the form that goes with the start.
    fn ending(&self, local: i64, kind: MomentKind) -> Option<Moment> {
        let moment = match kind {
            MomentKind::Local if self.to.zone.is_some() => {
                let instant = self.clocks.1.as_ref()?.instant(local);
                Moment::from_seconds(instant, MomentKind::Utc)
            }
            MomentKind::Date => Moment::from_seconds(local, MomentKind::Date).date(),
            MomentKind::Local | MomentKind::Utc => Moment::from_seconds(local, kind),
        };
        moment.in_years()
    }

    /// Returns whether a rule may end as it did, because it has the same
    /// occurrences in the moved series as with its new end, and the same form.
    /// Then its line is left to other devices, which may edit it meanwhile.
    fn ends_alike(&self, rule: &Rule, (old, new): (Moment, Moment)) -> bool {
        let clock = self.clocks.1.clone().unwrap_or(Zone::Utc);
        let instant = |local: i64| clock.instant(local);
        let start = self.to.moment.local_seconds();
        if old.kind != new.kind || rule.is_past(start, &instant) {
            return false;
        }
        let local = |until: Moment| match until.kind {
            MomentKind::Utc => clock.local(until.local_seconds()),
            MomentKind::Date | MomentKind::Local => until.local_seconds(),
        };
        let (one, other) = (local(old), local(new));
        // A day counts as a whole, and a clock that changes as much as one.
        let reach = (one.min(other) - DAY_S, one.max(other) + 2 * DAY_S);
        let moved = Rule { until: Some(new), ..rule.clone() };
        let mut budget = Budget::new(STEPS_MAX);
        let mut visit = |local: i64| {
            let is_same = rule.is_past(local, &instant) == moved.is_past(local, &instant);
            if is_same { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let ending = Expansion::new(rule, start).visit(reach, &mut budget, &mut visit);
        ending == Ending::Complete
    }
}

impl Course {
    /// Returns what becomes of the days of a rule whose first was one and is
    /// another. A rule that names days keeps them, wherever it begins; by
    /// whole weeks, weekdays move along.
    fn of(rule: Option<&Rule>, was: i64, is: i64) -> Self {
        let later = is - was;
        let Some(rule) = rule else { return Self::Days(later) };
        let lists = [&rule.month_days, &rule.year_days, &rule.weeks, &rule.months];
        let names_dates = lists.iter().any(|list| !list.is_empty());
        match rule.frequency {
            Frequency::Monthly | Frequency::Yearly if names_dates || !rule.week_days.is_empty() => {
                Self::Held
            }
            Frequency::Monthly | Frequency::Yearly => {
                let ((year, month, day), (new_year, new_month, new_day)) =
                    (civil_from_days(was), civil_from_days(is));
                let months = (new_year - year) * 12 + new_month - month;
                Self::Months { months, days: new_day - day }
            }
            Frequency::Secondly
            | Frequency::Minutely
            | Frequency::Hourly
            | Frequency::Daily
            | Frequency::Weekly => {
                let is_held = !rule.week_days.is_empty() && later % 7 != 0;
                if names_dates || is_held { Self::Held } else { Self::Days(later) }
            }
        }
    }

    fn day(self, day: i64) -> i64 {
        match self {
            Self::Held => day,
            Self::Days(days) => day + days,
            Self::Months { months, days } => {
                let (year, month, date) = civil_from_days(day);
                let month = year * 12 + month - 1 + months;
                let first = days_from_civil(month.div_euclid(12), month.rem_euclid(12) + 1, 1);
                first + date - 1 + days
            }
        }
    }
}

/// Returns a rule with another end.
fn with_until(rule: &str, until: Moment) -> String {
    let parts = rule.split(';').map(|part| match part.split_once('=') {
        Some((name, _)) if name.trim().eq_ignore_ascii_case("UNTIL") => {
            format!("{name}={}", until.to_basic())
        }
        Some(_) | None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests;
