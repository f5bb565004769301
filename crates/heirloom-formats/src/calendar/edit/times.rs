//! Start and end of an event that is edited: they keep together in kind and
//! zone, and the end is not before the start.

use super::{Event, HEAD, written};
use crate::calendar::fields::{CALENDAR_ZONE, Time, time};
use crate::calendar::occurrences::zone::{Zone, named, of_windows, own_zone};
use crate::moment::{Moment, MomentKind, duration};
use crate::{FieldError, text};
use jiff::tz::TimeZoneDatabase;

/// How far behind a time the definition of its zone is read.
const DEFINED_AHEAD_S: i64 = 400 * 86_400;

const DAY_S: i64 = 86_400;

/// A time that a user names.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) moment: Moment,
    /// As the user wrote it.
    pub(super) text: String,
}

/// What a user wants of an event's times; the outer option says whether at all.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) start: Option<Option<Asked>>,
    pub(super) end: Option<Option<Asked>>,
    pub(super) all_day: Option<bool>,
    pub(super) zone: Option<Option<String>>,
    /// Whether the rule is named too: then it ends where it says.
    pub(super) has_rule: bool,
}

impl Wish {
    /// Returns why the end, or the start where no end was named, is none.
    fn refusal(&self, expected: (&'static str, &'static str)) -> FieldError {
        let named = |wish: &Option<Option<Asked>>| wish.clone().flatten();
        let (field, asked, expected) = match named(&self.end) {
            Some(end) => ("end", Some(end), expected.0),
            None => ("start", named(&self.start), expected.1),
        };
        let value = asked.map(|asked| asked.text).unwrap_or_default();
        FieldError::Value { field: field.to_owned(), value, expected }
    }

    /// Checks that an end of whole days is a day, unless the user asks for
    /// whole days by name.
    fn verify_day(&self, is_whole: bool) -> Result<(), FieldError> {
        let end = self.end.as_ref().and_then(Option::as_ref);
        match is_whole && self.all_day.is_none() {
            true if end.is_some_and(|end| end.moment.kind != MomentKind::Date) => {
                let expected = "a date where the event lasts whole days";
                Err(self.refusal((expected, expected)))
            }
            true | false => Ok(()),
        }
    }

    /// Returns the end of a whole day whose end was to be that day: the day
    /// itself is refused where a user names it, since nothing would be left.
    fn day_after(&self, day: Moment) -> Result<Moment, FieldError> {
        let end = self.end.as_ref().and_then(Option::as_ref);
        match end.is_some_and(|end| end.moment.kind == MomentKind::Date) {
            true => {
                let expected = "the day after the last whole day";
                Err(self.refusal((expected, expected)))
            }
            false => Ok(day.next_day()),
        }
    }
}

/// The times of an event: start and end.
type Times = (Option<Time>, Option<Time>);

/// What holds for both times of an event.
struct Frame {
    /// The zone that is named with them, if any is.
    zone: Option<Option<String>>,
    is_whole: bool,
    /// Whether the event was in UTC, and stays so.
    is_utc: bool,
    /// Whether the two differ in kind.
    is_mixed: bool,
    /// Whether it is a task: the day on which it is due is one of its days.
    is_task: bool,
}

impl Frame {
    fn of(
        wish: &Wish,
        (start, end): (Option<Moment>, Option<Moment>),
        old: &Times,
        is_task: bool,
    ) -> Self {
        let kind = |moment: Option<Moment>| moment.map(|moment| moment.kind);
        let clocks = || [&old.0, &old.1].into_iter().flatten();
        let first = clocks().next();
        Self {
            zone: wish.zone.clone(),
            is_whole: wish.all_day.unwrap_or(kind(start.or(end)) == Some(MomentKind::Date)),
            is_utc: wish.zone.is_none()
                && first.is_some_and(|first| first.moment.kind == MomentKind::Utc)
                && clocks().all(|time| time.zone.is_none()),
            is_mixed: start.is_some() && end.is_some() && kind(start) != kind(end),
            is_task,
        }
    }
}

impl Frame {
    /// Returns the end of whole days whose end was to be at a time: a day that
    /// has begun is one of those that it lasts.
    fn last_day(&self, moment: Moment) -> Moment {
        if self.is_task { moment.date() } else { day_up(moment) }
    }
}

/// A time of an event before the edit.
struct Before<'a> {
    was: Option<&'a Time>,
    /// The event's other time: its end beside the start.
    other: Option<&'a Time>,
    is_named: bool,
    is_end: bool,
}

impl Event {
    /// Gives the event the times that a user wants.
    pub(super) fn set_times(&mut self, wish: Wish) -> Result<(), FieldError> {
        let is_touched = wish.start.is_some() || wish.end.is_some() || wish.all_day.is_some();
        if !is_touched && wish.zone.is_none() {
            return Ok(());
        }
        let main = self.main.clone();
        let old_start = self.find(&main, "DTSTART").1.as_ref().and_then(time);
        let (end_name, old_end) = self.old_end();
        let is_task = end_name == "DUE";
        if matches!(wish.start, Some(None)) && !is_task {
            return Err(FieldError::Required { field: "start".to_owned() });
        }
        let old = (old_start, old_end);
        let (start, end) = self.wanted(&wish, &old, is_task)?;
        let line = |time: &Option<Time>| {
            time.as_ref().map(|time| written(time.moment, time.zone.as_deref()))
        };
        if wish.start.is_some() || start != old.0 {
            self.set(&main, "DTSTART", line(&start));
        }
        // An event that lasts a time still does, so that a start that another
        // device moves takes its end along.
        let lasts = old.1.is_none() && !is_task && self.find(&main, "DURATION").1.is_some();
        let times = start.as_ref().zip(end.as_ref()).filter(|_| lasts && wish.end.is_some());
        let length = times.and_then(|(start, end)| self.length(start, end));
        if length.is_none() && (wish.end.is_some() || end != old.1) {
            self.set(&main, end_name, line(&end));
        }
        // Beside a duration, which two devices may have left, an end counts.
        if let Some(length) = length {
            self.set(&main, "DURATION", Some((String::new(), length)));
        } else if wish.end.is_some() || (is_touched && end.is_some()) {
            self.set(&main, "DURATION", None);
        } else if is_touched && moment(&start).is_some_and(|start| start.kind == MomentKind::Date) {
            self.round_duration(&main);
        }
        if let (Some(from), Some(to)) = (&old.0, &start) {
            self.move_series(from, to, wish.has_rule);
        }
        let had_own = [&old.0, &old.1].into_iter().flatten().any(|time| time.zone.is_some());
        self.define(&[old.0, old.1]);
        self.set_calendar_zone(wish.zone.filter(|_| !had_own), &[start, end]);
        Ok(())
    }

    /// Names the zone of the calendar, where the event had none of its own.
    fn set_calendar_zone(&mut self, zone: Option<Option<String>>, times: &[Option<Time>]) {
        let Some(zone) = zone else { return };
        let is_named = times.iter().flatten().any(|time| time.zone.is_some());
        let zone = zone.map(|zone| (String::new(), text::escaped(&zone)));
        // What other events of the calendar go by stays where this one has
        // a zone of its own.
        if zone.is_none() || !is_named {
            self.set(HEAD, CALENDAR_ZONE, zone);
        }
    }

    /// Returns how long an event lasts, as a duration: days of whole days, else
    /// time as it passes. Where nobody knows how it does, there is none.
    fn length(&self, start: &Time, end: &Time) -> Option<String> {
        let by_clock = end.moment.local_seconds() - start.moment.local_seconds();
        if start.moment.kind == MomentKind::Date {
            return Some(format!("P{}D", by_clock.div_euclid(DAY_S)));
        }
        let is_free = |time: &Time| time.moment.kind == MomentKind::Local && time.zone.is_none();
        let seconds = match is_free(start) && is_free(end) {
            true => by_clock,
            false => self.instant(end)? - self.instant(start)?,
        };
        let parts = [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M'), (seconds % 60, 'S')];
        let named = parts.iter().filter(|(count, _)| *count > 0);
        let text: String = named.map(|(count, unit)| format!("{count}{unit}")).collect();
        Some(format!("PT{}", if text.is_empty() { "0S" } else { &text }))
    }

    /// Makes a duration one of whole days: beside a date there is no other
    /// (RFC 5545, 3.6.1).
    fn round_duration(&mut self, main: &str) {
        let Some(text) = self.find(main, "DURATION").1.map(|property| property.text()) else {
            return;
        };
        if let Some(seconds) = duration(&text).filter(|_| text.contains('T')) {
            let days = seconds.max(1).div_euclid(DAY_S) + i64::from(seconds.max(1) % DAY_S > 0);
            self.set(main, "DURATION", Some((String::new(), format!("P{days}D"))));
        }
    }

    /// Returns the times as they are to be. An end that nobody names goes
    /// along with a start that somebody does: the event lasts as long as before.
    fn wanted(&self, wish: &Wish, old: &Times, is_task: bool) -> Result<Times, FieldError> {
        let asked = |wish: &Option<Option<Asked>>, old: &Option<Time>| match wish {
            Some(asked) => asked.as_ref().map(|asked| asked.moment),
            None => moment(old),
        };
        let (start, end) = (asked(&wish.start, &old.0), asked(&wish.end, &old.1));
        let frame = Frame::of(wish, (start, end), old, is_task);
        wish.verify_day(frame.is_whole)?;
        let start = start.map(|start| {
            let (was, other) = (old.0.as_ref(), old.1.as_ref());
            let is_named = wish.start.is_some();
            self.placed(&frame, start, Before { was, other, is_named, is_end: false })
        });
        let end = end.map(|end| {
            let (was, other) = (old.1.as_ref(), old.0.as_ref());
            let is_named = wish.end.is_some();
            self.placed(&frame, end, Before { was, other, is_named, is_end: true })
        });
        let mut times = (start, end);
        if let (Some(start), Some(end)) = (&times.0, &mut times.1) {
            let is_free =
                |time: &Time| time.moment.kind == MomentKind::Local && time.zone.is_none();
            let is_split = is_free(start) != is_free(end) && start.moment.kind != MomentKind::Date;
            let is_wrong = is_split || self.is_early(start, end);
            match old.0.as_ref().zip(old.1.as_ref()).filter(|_| wish.end.is_none()) {
                Some((was, to)) if wish.start.is_some() || is_wrong => {
                    *end = self.along((wish, &frame), start, (was, to));
                }
                Some(_) => {}
                None if is_split => {
                    return Err(wish.refusal((
                        "a time with Z or an offset where the start has one, and without where it has none",
                        "a time with Z or an offset where the end has one, and without where it has none",
                    )));
                }
                None if is_wrong => {
                    return Err(wish.refusal(("a time from the start on", "a time up to the end")));
                }
                None => {}
            }
            if !is_task && start.moment == end.moment && start.moment.kind == MomentKind::Date {
                end.moment = wish.day_after(end.moment)?;
            }
        }
        Ok(times)
    }

    /// Returns the end of an event that begins at `start` and lasts as long as
    /// before: by the clock where both times were on one, else as time passes,
    /// and then in the zone of the old end. One that ended too early takes no time.
    fn along(
        &self,
        (wish, frame): (&Wish, &Frame),
        start: &Time,
        (was, to): (&Time, &Time),
    ) -> Time {
        let by_clock = to.moment.local_seconds() - was.moment.local_seconds();
        if start.moment.kind == MomentKind::Date {
            let seconds =
                frame.last_day(to.moment).local_seconds() - was.moment.date().local_seconds();
            return later(start, seconds.max(if frame.is_task { 0 } else { DAY_S }));
        }
        let is_alike = was.moment.kind == to.moment.kind && was.zone == to.zone;
        let instants = self.instant(was).zip(self.instant(to)).filter(|_| !is_alike);
        let seconds = instants.map_or(by_clock, |(was, to)| to - was).max(0);
        let ends = self.instant(start).filter(|_| instants.is_some() && wish.zone.is_none());
        let shown = ends.and_then(|start| {
            let instant = start.saturating_add(seconds);
            let (local, kind) = match &to.zone {
                Some(zone) => (self.zone_of(zone, to.moment)?.local(instant), MomentKind::Local),
                None => (instant, MomentKind::Utc),
            };
            let moment = Moment::from_seconds(local, kind).in_years()?;
            Some(Time { moment, zone: to.zone.clone() })
        });
        shown.unwrap_or_else(|| later(start, seconds))
    }

    /// Returns a time in the form that the event's times have: in the zone
    /// that is named with it or that the event has, or in UTC where the event
    /// is. What a user did not name is not moved.
    fn placed(&self, frame: &Frame, moment: Moment, before: Before<'_>) -> Time {
        let name = frame.zone.clone().unwrap_or_else(|| self.zone_near(&before));
        let zone = name.as_deref().and_then(|name| self.zone_of(name, moment));
        let in_zone = |instant: i64| {
            // In the last days of year 9999 the zones of the database end.
            Moment::from_seconds(instant, MomentKind::Utc).later(2 * 86_400)?;
            let local = zone.as_ref()?.local(instant);
            Moment::from_seconds(local, MomentKind::Local).in_years()
        };
        if frame.is_whole {
            let is_absolute = moment.kind == MomentKind::Utc;
            let local = in_zone(moment.local_seconds()).filter(|_| is_absolute);
            let day = local.unwrap_or(moment);
            let moment = if before.is_end { frame.last_day(day) } else { day.date() };
            return Time { moment, zone: None };
        }
        let moment = moment.time();
        if moment.kind == MomentKind::Utc {
            let is_kept = frame.is_utc || (frame.zone.is_none() && !before.is_named);
            return match in_zone(moment.local_seconds()).filter(|_| !is_kept) {
                Some(moment) => Time { moment, zone: name },
                None => Time { moment, zone: None },
            };
        }
        let instant = match before.is_named {
            // An event in UTC that names no other clock is on that of UTC.
            true if frame.is_utc && zone.is_none() => Some(moment.local_seconds()),
            true => zone.as_ref().map(|zone| zone.instant(moment.local_seconds())),
            false => before.was.and_then(|was| self.instant(was)),
        };
        let is_fixed = frame.is_mixed && frame.zone.is_some() && !before.is_named;
        let utc = |instant| Moment::from_seconds(instant, MomentKind::Utc).in_years();
        let moved = match instant {
            Some(instant) if frame.is_utc || (is_fixed && name.is_none()) => utc(instant),
            Some(instant) if is_fixed => in_zone(instant),
            Some(_) | None => None,
        };
        let moment = moved.unwrap_or(moment);
        Time { moment, zone: name.filter(|_| moment.kind == MomentKind::Local) }
    }

    /// Returns the zone that a time is meant in where it names none: its own
    /// until now, that of the event's other time, or that of the calendar.
    fn zone_near(&self, before: &Before<'_>) -> Option<String> {
        let mut times = [before.was, before.other].into_iter().flatten();
        times.find_map(|time| time.zone.clone()).or_else(|| {
            let (_, property) = self.find(HEAD, CALENDAR_ZONE);
            let name = text::unescaped(&property?.text()).trim().to_owned();
            self.zone_of(&name, Moment::from_wall_ms(0)).map(|_| name)
        })
    }

    /// Returns whether an end is before its start. Times of two zones are
    /// compared where both zones are known.
    pub(super) fn is_early(&self, start: &Time, end: &Time) -> bool {
        let is_alike = start.moment.kind == end.moment.kind
            && (start.moment.kind != MomentKind::Local || start.zone == end.zone);
        match is_alike {
            true => end.moment < start.moment,
            false => self.instant(start).zip(self.instant(end)).is_some_and(|(one, two)| two < one),
        }
    }

    /// Returns the instant of a time whose zone is known.
    fn instant(&self, time: &Time) -> Option<i64> {
        match time.moment.kind {
            MomentKind::Date => None,
            MomentKind::Utc => Some(time.moment.local_seconds()),
            MomentKind::Local => {
                let zone = self.zone_of(time.zone.as_deref()?, time.moment)?;
                Some(zone.instant(time.moment.local_seconds()))
            }
        }
    }

    /// Returns a zone of the database, else the one that the record defines,
    /// as far as a time needs it, else the one that Windows names so.
    pub(super) fn zone_of(&self, name: &str, moment: Moment) -> Option<Zone> {
        let database = TimeZoneDatabase::bundled();
        let known = named(&database, name).map(Zone::Named);
        let defined = || {
            let (_, definition) = self.zone(name)?;
            own_zone(definition.as_raw()?, moment.local_seconds().saturating_add(DEFINED_AHEAD_S))
        };
        known.or_else(defined).or_else(|| of_windows(&database, name).map(Zone::Named))
    }
}

/// Returns the first day that begins at a time or behind it.
fn day_up(moment: Moment) -> Moment {
    match moment.local_seconds().rem_euclid(DAY_S) {
        0 => moment.date(),
        _ => moment.date().next_day().in_years().unwrap_or(moment.date()),
    }
}

/// Returns a time some seconds later; in the last days of year 9999 the same.
fn later(time: &Time, seconds: i64) -> Time {
    let moment = time.moment.later(seconds).unwrap_or(time.moment);
    Time { moment, zone: time.zone.clone() }
}

fn moment(time: &Option<Time>) -> Option<Moment> {
    time.as_ref().map(|time| time.moment)
}

#[cfg(test)]
mod tests;
