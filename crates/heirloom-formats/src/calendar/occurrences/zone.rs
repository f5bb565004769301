//! Time zones: from the IANA database, or as a calendar defines them itself.

mod windows;

use super::expansion::{Budget, Expansion};
use super::rule::Rule;
use crate::line::{self, Marker, Property};
use crate::moment::Moment;
use heirloom_base::time::civil_from_days;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use std::ops::ControlFlow;
use std::rc::Rc;

/// Transitions that a zone of a calendar may have.
const TRANSITIONS_MAX: usize = 20_000;
/// Steps for a definition that is read by itself: as many as for a record.
const DEFINITION_STEPS_MAX: u64 = 600_000;

/// How local times become instants.
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    /// Coordinated universal time.
    Utc,
    /// A zone of the database, or of the user's system.
    Named(TimeZone),
    /// A zone that the calendar defines.
    Own(Rc<OwnZone>),
}

impl Zone {
    /// Returns the seconds since 1970 of a local time. A time that a change
    /// of the clock leaves out counts with the offset before the change, one
    /// that comes twice is the first of the two.
    pub(crate) fn instant(&self, local: i64) -> i64 {
        match self {
            Self::Utc => local,
            Self::Own(zone) => local - zone.offset_at(local),
            Self::Named(zone) => {
                let time = civil(local).map(|time| zone.to_ambiguous_timestamp(time));
                let stamp = time.and_then(|time| time.compatible().ok());
                // Behind the last instant that has a name: with the offset there.
                stamp.map_or_else(|| local - offset_near(zone, local), |stamp| stamp.as_second())
            }
        }
    }

    /// Returns what a clock on the wall shows at an instant.
    pub(crate) fn local(&self, instant: i64) -> i64 {
        match self {
            Self::Utc => instant,
            Self::Own(zone) => instant + zone.offset_since(instant),
            Self::Named(zone) => instant + offset_near(zone, instant),
        }
    }
}

/// Returns the offset of a zone at an instant, or at the nearest that has a name.
fn offset_near(zone: &TimeZone, instant: i64) -> i64 {
    let limit = if instant < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let stamp = Timestamp::from_second(instant).unwrap_or(limit);
    i64::from(zone.to_offset(stamp).seconds())
}

impl PartialEq for Zone {
    /// Whether both are one clock; two readings of one definition are two.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Utc, Self::Utc) => true,
            (Self::Named(one), Self::Named(other)) => one == other,
            (Self::Own(one), Self::Own(other)) => Rc::ptr_eq(one, other),
            (Self::Utc | Self::Named(_) | Self::Own(_), _) => false,
        }
    }
}

fn civil(local: i64) -> Option<DateTime> {
    let (year, month, day) = civil_from_days(local.div_euclid(86_400));
    let clock = local.rem_euclid(86_400);
    let small = |number: i64| i8::try_from(number).ok();
    DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(clock / 3600)?,
        small(clock / 60 % 60)?,
        small(clock % 60)?,
        0,
    )
    .ok()
}

/// When the clocks change where POSIX leaves the rule to the system: what the
/// C libraries take.
const POSIX_RULE: &str = ",M3.2.0,M11.1.0";

/// Returns the zone of the user: a name of the database, an offset
/// (`+02:00`), or a rule as POSIX writes it (`CET-1CEST,M3.5.0,M10.5.0/3`),
/// also without its dates.
pub(crate) fn home(zones: &TimeZoneDatabase, text: &str) -> Option<TimeZone> {
    let text = text.trim().trim_start_matches(':');
    if text.eq_ignore_ascii_case("Z") {
        return Some(TimeZone::UTC);
    }
    if text.starts_with(['+', '-']) {
        let offset = i32::try_from(offset(text)?).ok()?;
        return Offset::from_seconds(offset).ok().map(TimeZone::fixed);
    }
    let posix =
        |_| TimeZone::posix(text).or_else(|_| TimeZone::posix(&format!("{text}{POSIX_RULE}")));
    zones.get(text).or_else(posix).ok()
}

/// Returns a zone of the database, also where a program wrote its own path
/// before the name.
pub(crate) fn named(zones: &TimeZoneDatabase, name: &str) -> Option<TimeZone> {
    let name = name.trim();
    if let Ok(zone) = zones.get(name) {
        return Some(zone);
    }
    let parts: Vec<&str> = name.split('/').collect();
    (2..=3).rev().filter(|count| parts.len() > *count).find_map(|count| {
        let tail = parts.get(parts.len() - count..)?.join("/");
        zones.get(&tail).ok()
    })
}

/// Returns the zone that a name of Windows stands for: for a calendar that
/// does not define it.
pub(crate) fn of_windows(zones: &TimeZoneDatabase, name: &str) -> Option<TimeZone> {
    named(zones, windows::iana(name)?)
}

/// Returns the IANA name of a zone that Windows names.
pub(super) fn name_of_windows(name: &str) -> Option<&'static str> {
    windows::iana(name)
}

/// Reads `+0100`, `-0530`, `+01:00` or `+010000` as seconds.
pub(crate) fn offset(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let part = |at: usize| digits.get(at..at + 2).and_then(|part| part.parse::<i64>().ok());
    if !matches!(digits.len(), 2 | 4 | 6) || !digits.bytes().all(|one| one.is_ascii_digit()) {
        return None;
    }
    let seconds = part(0)? * 3600 + part(2).unwrap_or(0) * 60 + part(4).unwrap_or(0);
    (seconds < 86_400).then_some(sign * seconds)
}

/// A change of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Transition {
    /// Seconds since 1970.
    at: i64,
    from: i64,
    to: i64,
}

/// A zone that a calendar defines, as far as a window needs it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnZone {
    transitions: Vec<Transition>,
}

impl OwnZone {
    /// Returns the offset of a local time in seconds.
    fn offset_at(&self, local: i64) -> i64 {
        let begun = self.transitions.partition_point(|one| one.at + one.from <= local);
        match begun.checked_sub(1).and_then(|last| self.transitions.get(last)) {
            // The clock jumps over this time.
            Some(last) if local < last.at + last.to => last.from,
            Some(last) => last.to,
            None => self.transitions.first().map_or(0, |first| first.from),
        }
    }

    fn offset_since(&self, instant: i64) -> i64 {
        let begun = self.transitions.partition_point(|one| one.at <= instant);
        match begun.checked_sub(1).and_then(|last| self.transitions.get(last)) {
            Some(last) => last.to,
            None => self.transitions.first().map_or(0, |first| first.from),
        }
    }

    /// Expands a VTIMEZONE up to a local time.
    pub(crate) fn read(component: &[u8], to: i64, budget: &mut Budget) -> Option<Self> {
        let mut zone = Self::default();
        let mut observance: Option<Observance> = None;
        for physical in line::content_lines(component) {
            match line::marker(physical.bytes) {
                Some(Marker::Begin(name)) if matches!(name.as_str(), "STANDARD" | "DAYLIGHT") => {
                    observance = Some(Observance::default());
                }
                Some(Marker::End(_)) => {
                    if let Some(observance) = observance.take() {
                        observance.expand(to, budget, &mut zone.transitions);
                    }
                }
                Some(Marker::Begin(_)) => {}
                None => {
                    let property = Property::read(physical.bytes);
                    if let (Some(open), Some(property)) = (&mut observance, property) {
                        open.take(&property);
                    }
                }
            }
        }
        zone.transitions.sort_unstable();
        zone.transitions.dedup();
        (!zone.transitions.is_empty()).then_some(zone)
    }
}

/// One STANDARD or DAYLIGHT component.
#[derive(Debug, Default)]
struct Observance {
    start: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
    rules: Vec<Rule>,
    dates: Vec<i64>,
}

impl Observance {
    fn take(&mut self, property: &Property) {
        let text = property.text();
        let local = |text: &str| Moment::parse(text).map(Moment::local_seconds);
        match property.name.as_str() {
            "DTSTART" => self.start = local(&text),
            "TZOFFSETFROM" => self.from = offset(&text),
            "TZOFFSETTO" => self.to = offset(&text),
            "RRULE" => self.rules.extend(Rule::parse(&text)),
            "RDATE" => self.dates.extend(text.split(',').filter_map(local)),
            _ => {}
        }
    }

    fn expand(self, end: i64, budget: &mut Budget, transitions: &mut Vec<Transition>) {
        let (Some(start), Some(to)) = (self.start, self.to) else { return };
        let from = self.from.unwrap_or(to);
        let mut add = |local: i64| {
            transitions.push(Transition { at: local - from, from, to });
            transitions.len() < TRANSITIONS_MAX
        };
        let _ = add(start) && self.dates.iter().take(TRANSITIONS_MAX).all(|date| add(*date));
        for rule in &self.rules {
            Expansion::new(rule, start).visit((start, end), budget, &mut |local| {
                let is_past = rule.is_past(local, &|local| local - from);
                match !is_past && add(local) {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
        }
    }
}

/// Returns the zone that a calendar defines, up to a local time.
pub(crate) fn own_zone(component: &[u8], to: i64) -> Option<Zone> {
    let zone = OwnZone::read(component, to, &mut Budget::new(DEFINITION_STEPS_MAX))?;
    Some(Zone::Own(Rc::new(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: &str = "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\n\
        DTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n\
        RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\n\
        DTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
        RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";

    fn local(text: &str) -> i64 {
        Moment::parse(text).unwrap().local_seconds()
    }

    fn own(text: &str, to: &str) -> Zone {
        let mut budget = Budget::new(1_000_000);
        Zone::Own(Rc::new(OwnZone::read(text.as_bytes(), local(to), &mut budget).unwrap()))
    }

    fn database(name: &str) -> Zone {
        Zone::Named(named(&TimeZoneDatabase::bundled(), name).unwrap())
    }

    #[test]
    fn clock_changes_are_read_as_the_standard_says() {
        let own = own(BERLIN, "2030-01-01");
        for zone in [database("Europe/Berlin"), own] {
            for (time, instant) in [
                ("2026-03-29T01:59:59", "2026-03-29T00:59:59"),
                // Left out: with the offset before the change.
                ("2026-03-29T02:30", "2026-03-29T01:30"),
                ("2026-03-29T03:00", "2026-03-29T01:00"),
                // Twice: the first.
                ("2026-10-25T02:00", "2026-10-25T00:00"),
                ("2026-10-25T02:59:59", "2026-10-25T00:59:59"),
                ("2026-10-25T03:00", "2026-10-25T02:00"),
                ("2026-01-15T12:00", "2026-01-15T11:00"),
                ("2026-07-15T12:00", "2026-07-15T10:00"),
            ] {
                assert_eq!(zone.instant(local(time)), local(instant), "{time} {zone:?}");
                let is_jumped = time == "2026-03-29T02:30";
                assert_eq!(zone.local(local(instant)) == local(time), !is_jumped, "{time}");
            }
        }
        let york = database("America/New_York");
        assert_eq!(york.instant(local("2007-03-11T02:30")), local("2007-03-11T07:30"));
        assert_eq!(york.instant(local("2007-11-04T01:30")), local("2007-11-04T05:30"));
    }

    #[test]
    fn a_zone_of_a_calendar_may_change_its_rules() {
        let zone = own(
            "BEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0000\n\
             TZOFFSETTO:+0530\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:20000401T000000\n\
             TZOFFSETFROM:+0530\nTZOFFSETTO:+0630\nRDATE:20020401T000000,20030401T000000\n\
             RRULE:FREQ=YEARLY;UNTIL=20010331T183000Z\nEND:DAYLIGHT\nBEGIN:STANDARD\n\
             DTSTART:20000901T000000\nTZOFFSETFROM:+0630\nTZOFFSETTO:+0530\n\
             RRULE:FREQ=YEARLY;COUNT=4\nEND:STANDARD\nEND:VTIMEZONE\n",
            "2030-01-01",
        );
        let offset = |time: &str| (local(time) - zone.instant(local(time))) / 60;
        assert_eq!(offset("1960-01-01"), 0);
        assert_eq!(["1999-06-01", "2000-06-01", "2001-06-01"].map(offset), [330, 390, 390]);
        assert_eq!(["2002-06-01", "2003-06-01", "2004-06-01"].map(offset), [390, 390, 330]);
        assert_eq!(["2000-10-01", "2003-10-01"].map(offset), [330, 330]);
    }

    #[test]
    fn names_are_found_behind_the_paths_that_programs_write() {
        let zones = TimeZoneDatabase::bundled();
        for name in [
            "Europe/Berlin",
            "europe/berlin",
            "/mozilla.org/20050126_1/Europe/Berlin",
            "/freeassociation.sourceforge.net/Europe/Berlin",
            "/softwarestudio.org/Olson_20011030_5/America/Argentina/Buenos_Aires",
        ] {
            assert!(named(&zones, name).is_some(), "{name}");
        }
        for name in ["W. Europe Standard Time", "", "Customized Time Zone", "../../etc/passwd"] {
            assert!(named(&zones, name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_users_zone_is_a_name_an_offset_or_a_rule() {
        let zones = TimeZoneDatabase::bundled();
        let noon = local("2026-07-01T12:00");
        for (text, hours) in [
            ("Europe/Berlin", 2),
            (":Europe/Berlin", 2),
            ("UTC", 0),
            ("Z", 0),
            ("+05:00", 5),
            ("-0300", -3),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 2),
            ("CET-1CEST", 2),
            ("CET-1", 1),
            ("<-03>3<-02>", -2),
        ] {
            let zone = Zone::Named(home(&zones, text).unwrap());
            assert_eq!(noon - zone.instant(noon), hours * 3600, "{text}");
        }
        let march = local("2026-03-09T12:00");
        let zone = Zone::Named(home(&zones, "CET-1CEST").unwrap());
        assert_eq!(march - zone.instant(march), 2 * 3_600, "as the C library has it");
        let wrong = ["Mars/Base", "+99:00", "+x", "Nonsense/X", "CET-1,M3.2.0"];
        assert!(wrong.iter().all(|text| home(&zones, text).is_none()));
    }

    #[test]
    fn offsets_are_read_in_every_length() {
        for (text, seconds) in [
            ("+0100", Some(3_600)),
            ("-0530", Some(-19_800)),
            ("+010030", Some(3_630)),
            ("+01", Some(3_600)),
            ("0100", None),
            ("+1", None),
            ("+ab00", None),
            ("+9900", None),
            ("", None),
        ] {
            assert_eq!(offset(text), seconds, "{text}");
        }
    }

    #[test]
    fn what_defines_no_zone_is_none() {
        let mut budget = Budget::new(1_000);
        for text in
            ["", "BEGIN:VTIMEZONE\nTZID:X\nEND:VTIMEZONE\n", "BEGIN:STANDARD\nEND:STANDARD\n"]
        {
            assert!(OwnZone::read(text.as_bytes(), 0, &mut budget).is_none());
        }
    }
}
