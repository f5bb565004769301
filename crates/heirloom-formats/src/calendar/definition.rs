//! Definitions of time zones (VTIMEZONE) for events that are made here, from
//! the IANA database.
//!
//! Where the clock changes by one pair of rules every year, the definition is
//! these two rules since they hold. What lies between an earlier event and
//! their begin, and a zone without rules, is written as single changes.

use super::occurrences::zone::{Zone, named, of_windows};
use crate::moment::{Moment, MomentKind};
use crate::{line, text};
use heirloom_base::time::{civil_from_days, days_from_civil};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400;
/// Changes of the clock that are looked at before and behind an event. The
/// database says nothing about more than 60 years ahead that its rules do not.
const CHANGES_MAX: usize = 240;
/// Years that a rule must hold: after 28 of them weekdays and dates repeat.
const RULE_YEARS: usize = 28;

/// Returns the definition of a zone for something that begins at a local time.
/// A name that neither the database nor Windows knows has none.
pub(super) fn definition(name: &str, start: Moment, eol: &str) -> Option<Vec<u8>> {
    let database = TimeZoneDatabase::bundled();
    let zone = named(&database, name).or_else(|| of_windows(&database, name))?;
    let instant = Zone::Named(zone.clone()).instant(start.local_seconds());
    let observances = observances(&zone, instant);
    let mut lines = vec!["BEGIN:VTIMEZONE".to_owned(), format!("TZID:{}", text::escaped(name))];
    observances.iter().for_each(|observance| observance.write(&mut lines));
    lines.push("END:VTIMEZONE".to_owned());
    Some(lines.iter().flat_map(|line| line::folded(line, eol)).collect())
}

/// A change of the clock, without its time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    from: i64,
    to: i64,
    is_daylight: bool,
    name: String,
}

/// A change of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    /// The instant.
    at: i64,
    kind: Kind,
}

impl Change {
    /// What the clock shows when it is changed.
    fn local(&self) -> i64 {
        self.at + self.kind.from
    }

    /// Year, month and day.
    fn date(&self) -> (i64, i64, i64) {
        civil_from_days(self.local().div_euclid(DAY))
    }

    /// What is the same in every year where a rule holds.
    fn shape(&self) -> Shape {
        let (_, month, _) = self.date();
        let day = self.local().div_euclid(DAY);
        let clock = self.local().rem_euclid(DAY);
        Shape { month, week_day: (day + 3).rem_euclid(7), clock, kind: self.kind.clone() }
    }
}

/// What two changes have in common that one rule makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    month: i64,
    week_day: i64,
    clock: i64,
    kind: Kind,
}

/// Which of the days of a month with one weekday is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Week {
    Last,
    /// The one in the seven days that begin with this day.
    From(i64),
}

impl Week {
    fn of(dates: &[(i64, i64, i64)]) -> Option<Self> {
        if dates.iter().all(|date| Self::Last.has(*date)) {
            return Some(Self::Last);
        }
        let days = || dates.iter().map(|(_, _, day)| *day);
        let (first, last) = (days().min()?, days().max()?);
        (last - first < 7).then_some(Self::From(first))
    }

    fn has(self, (year, month, day): (i64, i64, i64)) -> bool {
        match self {
            Self::Last => {
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                let length = days_from_civil(next.0, next.1, 1) - days_from_civil(year, month, 1);
                day + 7 > length
            }
            Self::From(first) => (first..first + 7).contains(&day),
        }
    }

    fn part(self, week_day: i64) -> String {
        let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
        let name = usize::try_from(week_day).ok().and_then(|day| names.get(day));
        let name = name.copied().unwrap_or_default();
        match self {
            Self::Last => format!("BYDAY=-1{name}"),
            Self::From(first) if first % 7 == 1 => format!("BYDAY={}{name}", first / 7 + 1),
            Self::From(first) => {
                let days: Vec<String> = (first..first + 7).map(|day| day.to_string()).collect();
                format!("BYDAY={name};BYMONTHDAY={}", days.join(","))
            }
        }
    }
}

/// One STANDARD or DAYLIGHT component.
#[derive(Debug)]
struct Observance {
    kind: Kind,
    /// Local times; a rule has one.
    times: Vec<i64>,
    rule: Option<String>,
}

impl Observance {
    fn write(&self, lines: &mut Vec<String>) {
        let name = if self.kind.is_daylight { "DAYLIGHT" } else { "STANDARD" };
        let time = |local: &i64| Moment::from_seconds(*local, MomentKind::Local).to_basic();
        let mut times = self.times.iter().map(time);
        lines.push(format!("BEGIN:{name}"));
        lines.push(format!("DTSTART:{}", times.next().unwrap_or_default()));
        lines.push(format!("TZOFFSETFROM:{}", offset(self.kind.from)));
        lines.push(format!("TZOFFSETTO:{}", offset(self.kind.to)));
        lines.push(format!("TZNAME:{}", text::escaped(&self.kind.name)));
        lines.extend(self.rule.as_ref().map(|rule| format!("RRULE:{rule}")));
        lines.extend(times.map(|time| format!("RDATE:{time}")));
        lines.push(format!("END:{name}"));
    }
}

fn offset(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (minutes, rest) = (seconds.abs() / 60, seconds.abs() % 60);
    let rest = if rest == 0 { String::new() } else { format!("{rest:02}") };
    format!("{sign}{:02}{:02}{rest}", minutes / 60, minutes % 60)
}

fn observances(zone: &TimeZone, instant: i64) -> Vec<Observance> {
    let changes = changes(zone, instant);
    let begun = changes.partition_point(|change| change.at <= instant);
    let (rules, since) = rules(&changes).unwrap_or((Vec::new(), changes.len()));
    let first = begun.saturating_sub(1);
    let single = changes.get(first.min(since)..since).unwrap_or_default();
    let mut observances: BTreeMap<&Kind, Observance> = BTreeMap::new();
    for change in single {
        let Change { kind, .. } = change;
        let empty = || Observance { kind: kind.clone(), times: Vec::new(), rule: None };
        observances.entry(kind).or_insert_with(empty).times.push(change.local());
    }
    let mut all: Vec<Observance> = observances.into_values().collect();
    all.sort_by_key(|observance| observance.times.first().copied());
    all.extend(rules);
    if begun == 0 {
        all.insert(0, before(zone, instant, changes.first()));
    }
    all
}

/// Returns what holds before the first change, or always.
fn before(zone: &TimeZone, instant: i64, first: Option<&Change>) -> Observance {
    let stamp = Timestamp::from_second(instant).unwrap_or_default();
    let (shown, own) = (zone.to_offset_info(stamp), i64::from(zone.to_offset(stamp).seconds()));
    let to = first.map_or(own, |first| first.kind.from);
    let is_daylight = shown.dst().is_dst();
    let kind = Kind { from: to, to, is_daylight, name: shown.abbreviation().to_owned() };
    let time = (instant.div_euclid(DAY) * DAY - DAY).min(0);
    Observance { kind, times: vec![time], rule: None }
}

/// Returns the changes of the clock around an instant, in order.
fn changes(zone: &TimeZone, instant: i64) -> Vec<Change> {
    let Ok(stamp) = Timestamp::from_second(instant.saturating_add(1)) else { return Vec::new() };
    let before = zone.preceding(stamp).take(CHANGES_MAX);
    let mut seconds: Vec<i64> = before.map(|one| one.timestamp().as_second()).collect();
    seconds.reverse();
    let after = zone.following(stamp).take(CHANGES_MAX);
    seconds.extend(after.map(|one| one.timestamp().as_second()));
    seconds.dedup();
    let change = |at: i64| {
        let (now, before) =
            (Timestamp::from_second(at).ok()?, Timestamp::from_second(at - 1).ok()?);
        let shown = zone.to_offset_info(now);
        let kind = Kind {
            from: i64::from(zone.to_offset(before).seconds()),
            to: i64::from(shown.offset().seconds()),
            is_daylight: shown.dst().is_dst(),
            name: shown.abbreviation().to_owned(),
        };
        Some(Change { at, kind })
    };
    seconds.into_iter().filter_map(change).collect()
}

/// Returns the two rules by which the clock changes for good, and from which
/// change on they hold.
fn rules(changes: &[Change]) -> Option<(Vec<Observance>, usize)> {
    let tail = changes.get(changes.len().checked_sub(2 * RULE_YEARS)?..)?;
    let shapes: BTreeSet<Shape> = tail.iter().map(Change::shape).collect();
    let weeks = shapes.into_iter().map(|shape| {
        let own = tail.iter().filter(|change| change.shape() == shape);
        let dates: Vec<(i64, i64, i64)> = own.map(Change::date).collect();
        Some((Week::of(&dates).filter(|_| dates.len() == RULE_YEARS)?, shape))
    });
    let weeks: Vec<(Week, Shape)> = weeks.collect::<Option<_>>()?;
    let [one, other] = weeks.as_slice() else { return None };
    let rule_of = |change: &Change| {
        let shape = change.shape();
        let found = [one, other].into_iter().position(|(_, own)| *own == shape)?;
        let (week, _) = [one, other].get(found)?;
        week.has(change.date()).then_some(found)
    };
    let mut since = changes.len();
    let mut later: Option<(usize, i64)> = None;
    for (index, change) in changes.iter().enumerate().rev() {
        let Some(rule) = rule_of(change) else { break };
        // The two take turns, and neither leaves out a year.
        if later.is_some_and(|(other, at)| other == rule || at - change.at > 366 * DAY) {
            break;
        }
        later = Some((rule, change.at));
        since = index;
    }
    let held = changes.get(since..)?;
    let observance = |(week, shape): &(Week, Shape)| {
        let first = held.iter().find(|change| change.shape() == *shape)?;
        let rule = format!("FREQ=YEARLY;BYMONTH={};{}", shape.month, week.part(shape.week_day));
        Some(Observance { kind: shape.kind.clone(), times: vec![first.local()], rule: Some(rule) })
    };
    let mut rules = weeks.iter().map(observance).collect::<Option<Vec<_>>>()?;
    rules.sort_by_key(|rule| rule.times.first().copied());
    Some((rules, since))
}

#[cfg(test)]
mod tests;
