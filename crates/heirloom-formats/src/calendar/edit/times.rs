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

/// What a user wants of an event's times; the outer option says whether at all.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) start: Option<Option<Moment>>,
    pub(super) end: Option<Option<Moment>>,
    pub(super) all_day: Option<bool>,
    pub(super) zone: Option<Option<String>>,
}

impl Wish {
    /// Returns the end of a whole day whose end was to be that day. A time of
    /// the day means the whole day; the day itself is refused where a user
    /// names start or end, since nothing would be left.
    fn day_after(&self, day: Moment, old_end: Option<Moment>) -> Result<Moment, FieldError> {
        let is_named = self.start.flatten().or(self.end.flatten()).is_some();
        let end = self.end.unwrap_or(old_end);
        match is_named && end.is_some_and(|end| end.kind == MomentKind::Date) {
            true => Err(FieldError::Value {
                field: "end".to_owned(),
                value: day.to_extended(),
                expected: "the day after the last whole day",
            }),
            false => Ok(day.next_day()),
        }
    }

    /// Makes start and end of one kind, where one stands on a clock and the
    /// other wherever one is, or where whole days have become times: an end
    /// that nobody named is as much later as it was, and one that was named
    /// otherwise than the start is refused.
    fn join(&self, start: &Time, end: &mut Time, old: &Times) -> Result<(), FieldError> {
        let is_free = |time: &Time| time.moment.kind == MomentKind::Local && time.zone.is_none();
        let is_date = |time: &Time| time.moment.kind == MomentKind::Date;
        let is_split = is_free(start) != is_free(end) && !is_date(start);
        let had_days = self.start.is_some() && old.1.as_ref().is_some_and(is_date);
        match self.end {
            None if is_split || (had_days && !is_date(start)) => {
                let (was, to) = (moment(&old.0), moment(&old.1));
                let length = was.zip(to).map(|(was, to)| to.local_seconds() - was.local_seconds());
                let later = start.moment.later(length.unwrap_or(0).max(0));
                *end = Time { moment: later.unwrap_or(start.moment), zone: start.zone.clone() };
                Ok(())
            }
            Some(_) if is_split => Err(FieldError::Value {
                field: "end".to_owned(),
                value: end.moment.to_extended(),
                expected: "a time with Z or an offset where the start has one, and without where it has none",
            }),
            None | Some(_) => Ok(()),
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
}

/// A time of an event before the edit.
struct Before<'a> {
    was: Option<&'a Time>,
    /// The event's other time: its end beside the start.
    other: Option<&'a Time>,
    is_named: bool,
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
        if wish.start == Some(None) && !is_task {
            return Err(FieldError::Required { field: "start".to_owned() });
        }
        let old = (old_start, old_end);
        let (start, end) = self.wanted(&wish, &old)?;
        let line = |time: &Option<Time>| {
            time.as_ref().map(|time| written(time.moment, time.zone.as_deref()))
        };
        if wish.start.is_some() || start != old.0 {
            self.set(&main, "DTSTART", line(&start));
        }
        if wish.end.is_some() || end != old.1 {
            self.set(&main, end_name, line(&end));
        }
        if wish.end.is_some() {
            self.set(&main, "DURATION", None);
        } else if is_touched && moment(&start).is_some_and(|start| start.kind == MomentKind::Date) {
            self.round_duration(&main);
        }
        let had_own = [&old.0, &old.1].into_iter().flatten().any(|time| time.zone.is_some());
        self.define(&[old.0, old.1]);
        if let Some(zone) = wish.zone.filter(|_| !had_own) {
            let mut times = [&start, &end].into_iter().flatten();
            let is_named = times.any(|time| time.zone.is_some());
            let zone = zone.map(|zone| (String::new(), text::escaped(&zone)));
            // What other events of the calendar go by stays where this one has
            // a zone of its own.
            if zone.is_none() || !is_named {
                self.set(HEAD, CALENDAR_ZONE, zone);
            }
        }
        Ok(())
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

    /// Returns the times as they are to be.
    fn wanted(&self, wish: &Wish, old: &Times) -> Result<Times, FieldError> {
        let start = wish.start.unwrap_or(moment(&old.0));
        let end = wish.end.unwrap_or(moment(&old.1));
        let kind = |moment: Option<Moment>| moment.map(|moment| moment.kind);
        let mut clocks = [&old.0, &old.1].into_iter().flatten();
        let frame = Frame {
            zone: wish.zone.clone(),
            is_whole: wish.all_day.unwrap_or(kind(start.or(end)) == Some(MomentKind::Date)),
            is_utc: wish.zone.is_none()
                && (old.0.is_some() || old.1.is_some())
                && clocks.all(|time| time.moment.kind == MomentKind::Utc),
            is_mixed: start.is_some() && end.is_some() && kind(start) != kind(end),
        };
        let start = start.map(|start| {
            let (was, other) = (old.0.as_ref(), old.1.as_ref());
            self.placed(&frame, start, Before { was, other, is_named: wish.start.is_some() })
        });
        let end = end.map(|end| {
            let (was, other) = (old.1.as_ref(), old.0.as_ref());
            self.placed(&frame, end, Before { was, other, is_named: wish.end.is_some() })
        });
        let mut times = (start, end);
        if let (Some(start), Some(end)) = (&mut times.0, &mut times.1) {
            wish.join(start, end, old)?;
            self.verify_order(start, end)?;
            if start.moment == end.moment && start.moment.kind == MomentKind::Date {
                end.moment = wish.day_after(end.moment, moment(&old.1))?;
            }
        }
        Ok(times)
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
            return Time { moment: local.unwrap_or(moment).date(), zone: None };
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

    /// Checks that an end is not before its start. Times of two zones are
    /// compared where both zones are known.
    fn verify_order(&self, start: &Time, end: &Time) -> Result<(), FieldError> {
        let is_alike = start.moment.kind == end.moment.kind
            && (start.moment.kind != MomentKind::Local || start.zone == end.zone);
        let is_early = match is_alike {
            true => end.moment < start.moment,
            false => self.instant(start).zip(self.instant(end)).is_some_and(|(one, two)| two < one),
        };
        match is_early {
            true => Err(FieldError::Value {
                field: "end".to_owned(),
                value: end.moment.to_extended(),
                expected: "a time from the start on",
            }),
            false => Ok(()),
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
    fn zone_of(&self, name: &str, moment: Moment) -> Option<Zone> {
        let database = TimeZoneDatabase::bundled();
        let known = named(&database, name).map(Zone::Named);
        let defined = || {
            let (_, definition) = self.zone(name)?;
            own_zone(definition.as_raw()?, moment.local_seconds().saturating_add(DEFINED_AHEAD_S))
        };
        known.or_else(defined).or_else(|| of_windows(&database, name).map(Zone::Named))
    }
}

fn moment(time: &Option<Time>) -> Option<Moment> {
    time.as_ref().map(|time| time.moment)
}

#[cfg(test)]
mod tests;
