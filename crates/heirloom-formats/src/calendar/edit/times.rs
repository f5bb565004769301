//! Start and end of an event that is edited: they keep together in kind and
//! zone, and the end is not before the start.

use super::{Event, HEAD, written};
use crate::calendar::fields::{CALENDAR_ZONE, Time, time};
use crate::calendar::occurrences::zone::{Zone, named, own_zone};
use crate::moment::{Moment, MomentKind};
use crate::{FieldError, text};
use jiff::tz::TimeZoneDatabase;

/// How far behind a time the definition of its zone is read.
const DEFINED_AHEAD_S: i64 = 400 * 86_400;

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
}

/// The times of an event: start and end.
type Times = (Option<Time>, Option<Time>);

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
        if wish.start.is_some() || wish.all_day.is_some() || wish.zone.is_some() {
            self.set(&main, "DTSTART", line(&start));
        }
        let is_moved = moment(&end) != moment(&old.1);
        if wish.end.is_some() || is_moved || wish.zone.is_some() {
            self.set(&main, end_name, line(&end));
        }
        if wish.end.is_some() {
            self.set(&main, "DURATION", None);
        }
        self.define(&[old.0, old.1]);
        if let Some(zone) = wish.zone {
            let mut times = [&start, &end].into_iter().flatten();
            let is_named = times.any(|time| time.moment.kind == MomentKind::Local);
            let zone = zone.filter(|_| !is_named).map(|zone| (String::new(), text::escaped(&zone)));
            self.set(HEAD, CALENDAR_ZONE, zone);
        }
        Ok(())
    }

    /// Returns the times as they are to be.
    fn wanted(&self, wish: &Wish, old: &Times) -> Result<Times, FieldError> {
        let start = wish.start.unwrap_or(moment(&old.0));
        let end = wish.end.unwrap_or(moment(&old.1));
        let is_whole = wish
            .all_day
            .unwrap_or_else(|| start.or(end).is_some_and(|moment| moment.kind == MomentKind::Date));
        let fit = |moment: Moment| if is_whole { moment.date() } else { moment.time() };
        let old_zone = |time: &Option<Time>| time.as_ref().and_then(|time| time.zone.clone());
        let start_zone = wish.zone.clone().unwrap_or_else(|| old_zone(&old.0));
        let end_zone =
            wish.zone.clone().unwrap_or_else(|| old_zone(&old.1).or_else(|| start_zone.clone()));
        let timed = |moment: Option<Moment>, zone: Option<String>| {
            moment.map(|moment| Time { moment: fit(moment), zone })
        };
        let mut times = (timed(start, start_zone), timed(end, end_zone));
        if let (Some(start), Some(end)) = (&mut times.0, &mut times.1) {
            if wish.zone.is_some() && start.moment.kind != end.moment.kind {
                self.enter_zone(start, old.0.as_ref().filter(|_| wish.start.is_none()));
                self.enter_zone(end, old.1.as_ref().filter(|_| wish.end.is_none()));
            }
            self.verify_order(start, end)?;
            if start.moment == end.moment && start.moment.kind == MomentKind::Date {
                end.moment = wish.day_after(end.moment, moment(&old.1))?;
            }
        }
        Ok(times)
    }

    /// Makes a time one of its zone, where one of start and end is in UTC and
    /// the other is not. What a user did not name stays at its instant.
    fn enter_zone(&self, time: &mut Time, old: Option<&Time>) {
        let instant = match time.moment.kind {
            MomentKind::Date => None,
            MomentKind::Utc => Some(time.moment.local_seconds()),
            MomentKind::Local => old.and_then(|old| self.instant(old)),
        };
        let zone = time.zone.as_deref().and_then(|name| self.zone_of(name, time.moment));
        if let (Some(instant), Some(zone)) = (instant, zone) {
            time.moment = Moment::from_seconds(zone.local(instant), MomentKind::Local);
        }
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
    /// as far as a time needs it.
    fn zone_of(&self, name: &str, moment: Moment) -> Option<Zone> {
        let known = named(&TimeZoneDatabase::bundled(), name).map(Zone::Named);
        known.or_else(|| {
            let (_, definition) = self.zone(name)?;
            own_zone(definition.as_raw()?, moment.local_seconds().saturating_add(DEFINED_AHEAD_S))
        })
    }
}

fn moment(time: &Option<Time>) -> Option<Moment> {
    time.as_ref().map(|time| time.moment)
}

#[cfg(test)]
mod tests;
