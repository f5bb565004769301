//! The part of time that a user asks for.

use super::expansion::Budget;
use super::zone::{self, OwnZone, Zone};
use crate::calendar::fields::Time;
use crate::moment::{Moment, MomentKind};
use heirloom_base::time::{civil_from_days, days_from_civil};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const DAY: i64 = 86_400;
/// What a local time can differ from UTC, and more.
pub(crate) const SLACK: i64 = 2 * DAY;

/// More than a change of the clock moves it, but where a land changes its date.
const CLOCK_CHANGE: i64 = 3 * 3_600;

/// Definitions of zones that are kept: a calendar has a handful.
const DEFINITIONS_MAX: usize = 64;
/// Bytes of a definition that is kept: the long ones of Apple's programs fit.
const DEFINITION_BYTES_MAX: usize = 64 * 1024;

/// Why a window cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A bound is no time.
    #[error("{0:?} is no date and no RFC 3339 time")]
    Time(String),
    /// The user's zone is unknown.
    #[error("{0:?} is no time zone")]
    Zone(String),
    /// The window ends before it begins.
    #[error("{to} is not after {from}")]
    Empty {
        /// The begin.
        from: String,
        /// The end.
        to: String,
    },
}

/// A part of time, seen from the user's zone.
#[derive(Debug)]
pub struct Window {
    from: i64,
    to: i64,
    home: TimeZone,
    database: TimeZoneDatabase,
    named: RefCell<BTreeMap<String, Option<TimeZone>>>,
    /// Zones that calendars define: by the definition, each with the local
    /// time up to which it was read.
    defined: RefCell<BTreeMap<Vec<u8>, (i64, Zone)>>,
}

/// Between which times something takes place, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Not earlier than this.
    pub from_s: i64,
    /// Not later than this.
    pub to_s: i64,
}

impl Window {
    /// Reads a window: dates, which are midnight where the user is, or times.
    /// Without an end it lasts a year, without a begin it begins now.
    ///
    /// # Errors
    /// When a bound or the zone cannot be read, or nothing is between them.
    pub fn parse(
        from: Option<&str>,
        to: Option<&str>,
        zone: &str,
        now_ms: u64,
    ) -> Result<Self, WindowError> {
        let database = TimeZoneDatabase::bundled();
        let home = zone::home(&database, zone).ok_or_else(|| WindowError::Zone(zone.to_owned()))?;
        let own = Zone::Named(home.clone());
        let bound = |text: &str| {
            let moment = Moment::parse(text).ok_or_else(|| WindowError::Time(text.to_owned()))?;
            Ok(match moment.kind {
                MomentKind::Utc => moment.local_seconds(),
                MomentKind::Date | MomentKind::Local => own.instant(moment.local_seconds()),
            })
        };
        let now_s = i64::try_from(now_ms / 1000).unwrap_or(0);
        let begin = from.map_or(Ok(now_s), bound)?;
        let end = to.map_or_else(|| Ok(own.instant(year_later(own.local(begin)))), bound)?;
        if end <= begin {
            let shown = |instant| Moment::from_seconds(instant, MomentKind::Utc).to_extended();
            return Err(WindowError::Empty { from: shown(begin), to: shown(end) });
        }
        Ok(Self {
            from: begin,
            to: end,
            home,
            database,
            named: RefCell::default(),
            defined: RefCell::default(),
        })
    }

    /// Ends the window earlier, where nothing later is wanted any more.
    pub fn ends_by(&mut self, to_s: i64) {
        self.to = self.to.min(to_s);
    }

    /// Returns whether something with this span may take place within.
    #[must_use]
    pub fn meets(&self, span: Span) -> bool {
        span.from_s < self.to && span.to_s >= self.from
    }

    /// Returns whether something takes place within. What takes no time does
    /// at its instant.
    pub(crate) fn has(&self, start: i64, end: i64) -> bool {
        start < self.to && (end > self.from || start >= self.from)
    }

    /// Returns the local times that may be within, by the clocks of a zone.
    pub(crate) fn local(&self, zone: &Zone) -> (i64, i64) {
        (zone.local(self.from) - CLOCK_CHANGE, zone.local(self.to) + CLOCK_CHANGE)
    }

    pub(crate) fn home(&self) -> Zone {
        Zone::Named(self.home.clone())
    }

    /// Returns the zone that a time names, where it is known.
    pub(crate) fn named(&self, name: &str) -> Option<Zone> {
        let mut named = self.named.borrow_mut();
        if let Some(known) = named.get(name) {
            return known.clone().map(Zone::Named);
        }
        let found = zone::named(&self.database, name);
        named.insert(name.to_owned(), found.clone());
        found.map(Zone::Named)
    }

    /// Returns the zone that a calendar defines, up to a local time. The events
    /// of one calendar carry the same definition, which is read once. `None`
    /// where it defines none; the budget may be spent then.
    pub(super) fn defined(&self, component: &[u8], to: i64, budget: &mut Budget) -> Option<Zone> {
        let mut defined = self.defined.borrow_mut();
        if let Some((_, zone)) = defined.get(component).filter(|(read_to, _)| *read_to >= to) {
            return Some(zone.clone());
        }
        let zone = Zone::Own(Rc::new(OwnZone::read(component, to, budget)?));
        let is_small = component.len() <= DEFINITION_BYTES_MAX && defined.len() < DEFINITIONS_MAX;
        if budget.left() > 0 && is_small {
            defined.insert(component.to_vec(), (to, zone.clone()));
        }
        Some(zone)
    }

    /// Returns the zone that Windows names so.
    pub(super) fn of_windows(&self, name: &str) -> Option<Zone> {
        self.named(zone::name_of_windows(name)?)
    }

    /// Returns the zone of a time that needs no definition.
    pub(super) fn plain_zone(&self, time: &Time) -> Option<Zone> {
        match time.moment.kind {
            MomentKind::Utc => Some(Zone::Utc),
            MomentKind::Date => Some(self.home()),
            MomentKind::Local => None,
        }
    }
}

fn year_later(local: i64) -> i64 {
    let (year, month, day) = civil_from_days(local.div_euclid(DAY));
    days_from_civil(year + 1, month, day) * DAY + local.rem_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(from: Option<&str>, to: Option<&str>) -> (String, String) {
        let now_ms = 1_795_000_000_000;
        let window = Window::parse(from, to, "Europe/Berlin", now_ms).unwrap();
        let shown = |instant| Moment::from_seconds(instant, MomentKind::Utc).to_extended();
        (shown(window.from), shown(window.to))
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_date_is_midnight_where_the_user_is() {
        let expected = pair("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        assert_eq!(bounds(Some("2026-03-29"), Some("2026-03-30")), expected);
        let expected = pair("2026-01-01T05:00:00Z", "2026-01-01T11:00:00Z");
        assert_eq!(bounds(Some("2026-01-01T05:00Z"), Some("2026-01-01T12:00")), expected);
    }

    #[test]
    fn a_window_without_an_end_lasts_a_year_and_one_without_a_begin_begins_now() {
        let expected = pair("2024-02-28T23:00:00Z", "2025-02-28T23:00:00Z");
        assert_eq!(bounds(Some("2024-02-29"), None), expected);
        let expected = pair("2026-11-18T11:06:40Z", "2026-11-30T23:00:00Z");
        assert_eq!(bounds(None, Some("2026-12-01")), expected);
    }

    #[test]
    fn what_is_no_window_is_refused_by_name() {
        let refused = |from: &str, to: &str, zone: &str| {
            Window::parse(Some(from), Some(to), zone, 0).unwrap_err().to_string()
        };
        assert_eq!(
            refused("soon", "2026-01-01", "UTC"),
            "\"soon\" is no date and no RFC 3339 time"
        );
        assert_eq!(refused("2026-01-01", "2026-01-02", "Mars"), "\"Mars\" is no time zone");
        let text = refused("2026-01-02", "2026-01-02", "UTC");
        assert_eq!(text, "2026-01-02T00:00:00Z is not after 2026-01-02T00:00:00Z");
    }

    #[test]
    fn spans_and_windows_meet_at_their_ends() {
        let window = Window::parse(Some("1970-01-02"), Some("1970-01-03"), "UTC", 0).unwrap();
        let meets = |from_s, to_s| window.meets(Span { from_s, to_s });
        assert!(meets(0, DAY) && !meets(0, DAY - 1));
        assert!(meets(2 * DAY - 1, 3 * DAY) && !meets(2 * DAY, i64::MAX));
        assert!(window.has(DAY, DAY) && !window.has(DAY - 5, DAY) && window.has(0, DAY + 1));
        let mut shorter = window;
        shorter.ends_by(DAY + 10);
        assert!(shorter.has(DAY + 9, DAY + 9) && !shorter.has(DAY + 10, DAY + 11));
    }
}
