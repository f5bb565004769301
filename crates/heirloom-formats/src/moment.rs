//! Dates and times of calendars, as far as they can be told without a zone database.

use heirloom_base::time::{civil_from_days, days_from_civil};

/// The seconds since 1970 at which year 0 begins.
const YEAR_0_S: i64 = -62_167_219_200;
/// The seconds since 1970 at which year 10000 begins: RFC 3339 and RFC 5545
/// write years with four digits.
pub(crate) const YEAR_10000_S: i64 = 253_402_300_800;
/// A duration that leads out of the calendar, wherever it begins.
const DURATION_S_MAX: i64 = 10_000 * 366 * 86_400;

/// A date, or a time of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// Days since 1970 in the proleptic Gregorian calendar.
    days: i64,
    /// Seconds of the day.
    seconds: i64,
    /// What the two mean.
    pub(crate) kind: MomentKind,
}

/// What a moment's day and time mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MomentKind {
    /// A whole day.
    Date,
    /// A time wherever one is, or of a zone that is named beside it.
    Local,
    /// A time in UTC.
    Utc,
}

impl Moment {
    /// Returns the moment of a clock reading in UTC.
    pub(crate) fn from_wall_ms(wall_ms: u64) -> Self {
        let seconds = i64::try_from(wall_ms / 1000).unwrap_or(0);
        Self::from_seconds(seconds, MomentKind::Utc)
    }

    /// Returns the moment of a count of seconds since 1970.
    pub(crate) fn from_seconds(seconds: i64, kind: MomentKind) -> Self {
        Self { days: seconds.div_euclid(86_400), seconds: seconds.rem_euclid(86_400), kind }
    }

    /// Reads `2026-12-24`, `2026-12-24T18:00` or an RFC 3339 time; the forms
    /// of RFC 5545 (`20261224T180000Z`) are read too.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, clock) = match text.split_once(['T', 't', ' ']) {
            Some((date, clock)) => (date, Some(clock)),
            None => (text, None),
        };
        let days = parse_date(date)?;
        let Some(clock) = clock else {
            return Some(Self { days, seconds: 0, kind: MomentKind::Date });
        };
        // An offset or a leap second may lead out of the years.
        Self::parse_time(days, clock)?.in_years()
    }

    fn parse_time(days: i64, clock: &str) -> Option<Self> {
        let zone_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
        let (clock, zone) = clock.split_at(zone_at);
        let seconds = days * 86_400 + parse_clock(clock)?;
        match zone {
            "" => Some(Self::from_seconds(seconds, MomentKind::Local)),
            "Z" | "z" => Some(Self::from_seconds(seconds, MomentKind::Utc)),
            offset => Some(Self::from_seconds(seconds - parse_offset(offset)?, MomentKind::Utc)),
        }
    }

    /// Returns the moment where its year has four digits and can be written.
    pub(crate) fn in_years(self) -> Option<Self> {
        (YEAR_0_S..YEAR_10000_S).contains(&self.local_seconds()).then_some(self)
    }

    /// Returns the seconds since 1970 that its clock shows.
    pub(crate) fn local_seconds(self) -> i64 {
        self.days * 86_400 + self.seconds
    }

    /// Returns the whole day in which the moment is.
    pub(crate) fn date(self) -> Self {
        Self { seconds: 0, kind: MomentKind::Date, ..self }
    }

    /// Returns the moment with a time: midnight of a whole day.
    pub(crate) fn time(self) -> Self {
        match self.kind {
            MomentKind::Date => Self { kind: MomentKind::Local, ..self },
            MomentKind::Local | MomentKind::Utc => self,
        }
    }

    /// Returns the next day.
    pub(crate) fn next_day(self) -> Self {
        Self { days: self.days + 1, ..self }
    }

    /// Returns the moment some seconds later, where it is not behind year 9999.
    pub(crate) fn later(self, seconds: i64) -> Option<Self> {
        let total = self.local_seconds().saturating_add(seconds);
        (total < YEAR_10000_S).then(|| Self::from_seconds(total, self.kind))
    }

    /// Returns the form of RFC 5545.
    pub(crate) fn to_basic(self) -> String {
        self.written("", "")
    }

    /// Returns the form of RFC 3339.
    pub(crate) fn to_extended(self) -> String {
        self.written("-", ":")
    }

    fn written(self, dash: &str, colon: &str) -> String {
        let (year, month, day) = civil_from_days(self.days);
        let mut text = String::with_capacity(20);
        match (0..10_000).contains(&year) {
            true => [year / 100, year % 100].iter().for_each(|two| push(&mut text, *two)),
            false => text.push_str(&format!("{year:04}")),
        }
        for number in [month, day] {
            text.push_str(dash);
            push(&mut text, number);
        }
        let zone = match self.kind {
            MomentKind::Date => return text,
            MomentKind::Local => "",
            MomentKind::Utc => "Z",
        };
        let clock = [("T", self.seconds / 3600), (colon, self.seconds / 60 % 60)];
        for (mark, number) in clock.into_iter().chain([(colon, self.seconds % 60)]) {
            text.push_str(mark);
            push(&mut text, number);
        }
        text.push_str(zone);
        text
    }
}

/// Appends a number of two digits. A list of occurrences has tens of thousands
/// of them: the general formatting takes three times as long.
fn push(text: &mut String, number: i64) {
    let digit = |number: i64| char::from(b"0123456789"[usize::try_from(number % 10).unwrap_or(0)]);
    text.push(digit(number / 10));
    text.push(digit(number));
}

/// Returns the seconds of an RFC 5545 duration (`P1DT2H`, `-PT15M`), where it is
/// one that a calendar has room for.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total: i64 = 0;
    let mut number = String::new();
    for letter in text.strip_prefix('P')?.chars() {
        let unit: i64 = match letter {
            '0'..='9' => {
                number.push(letter);
                continue;
            }
            'T' => continue,
            'W' => 604_800,
            'D' => 86_400,
            'H' => 3_600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        let count: i64 = std::mem::take(&mut number).parse().ok()?;
        total = total.checked_add(count.checked_mul(unit)?)?;
    }
    (number.is_empty() && total <= DURATION_S_MAX).then_some(sign * total)
}

/// Returns the digits of a text cut into numbers of these widths.
fn numbers<const N: usize>(text: &str, widths: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut rest = text;
    for (number, width) in numbers.iter_mut().zip(widths) {
        let (digits, tail) = rest.split_at_checked(width)?;
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        *number = digits.parse().ok()?;
        rest = tail;
    }
    rest.is_empty().then_some(numbers)
}

fn parse_date(text: &str) -> Option<i64> {
    let is_extended = text.len() == 10
        && text.is_ascii()
        && text[4..].starts_with('-')
        && text[7..].starts_with('-');
    let basic = if is_extended { text.replace('-', "") } else { text.to_owned() };
    let [year, month, day] = numbers(&basic, [4, 2, 2])?;
    let days = days_from_civil(year, month, day);
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

fn parse_clock(text: &str) -> Option<i64> {
    let text = text.split(['.', ',']).next()?;
    let mut basic = text.replace(':', "");
    if basic.len() == 4 {
        basic.push_str("00");
    }
    let [hour, minute, second] = numbers(&basic, [2, 2, 2])?;
    // A leap second is read as the second after it.
    let is_valid = hour < 24 && minute < 60 && second <= 60;
    is_valid.then_some(hour * 3600 + minute * 60 + second)
}

fn parse_offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let [hours, minutes] = numbers(&digits.replace(':', ""), [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read_and_written() {
        for (text, basic, extended) in [
            ("2026-12-24", "20261224", "2026-12-24"),
            ("20261224", "20261224", "2026-12-24"),
            ("2026-12-24T18:00", "20261224T180000", "2026-12-24T18:00:00"),
            ("2026-12-24 18:00:05.25", "20261224T180005", "2026-12-24T18:00:05"),
            ("2026-12-24T18:00:00Z", "20261224T180000Z", "2026-12-24T18:00:00Z"),
            ("20261224T180000Z", "20261224T180000Z", "2026-12-24T18:00:00Z"),
            ("2026-12-31T23:30:00-01:00", "20270101T003000Z", "2027-01-01T00:30:00Z"),
            ("2026-12-24T18:00+05:30", "20261224T123000Z", "2026-12-24T12:30:00Z"),
            ("0000-03-01", "00000301", "0000-03-01"),
            ("0000-01-01T00:00Z", "00000101T000000Z", "0000-01-01T00:00:00Z"),
            ("9999-12-31", "99991231", "9999-12-31"),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.to_basic(), basic);
            assert_eq!(moment.to_extended(), extended);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-02-30",
            "2026-13-01",
            "2026-12-24T",
            "2026-12-24T25:00",
            "2026-12-24T1:00",
            "2026-12-24T18:00+1",
            "26-12-24",
            "2026-12-24T18:00:00ZZ",
            "２０26-12-24",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:30:00-01:00",
            "0000-01-01T00:30:00+01:00",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("PT1H30M", Some(5_400)),
            ("-P1D", Some(-86_400)),
            ("P2W", Some(1_209_600)),
            ("P", Some(0)),
        ] {
            assert_eq!(duration(text), seconds);
        }
        for text in
            ["", "1H", "PT1", "PX", "P99999999999999999999W", "P9999999999999999W", "P99999999999W"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
        let start = Moment::parse("2026-12-31T23:30").unwrap();
        assert_eq!(start.later(5_400).unwrap().to_extended(), "2027-01-01T01:00:00");
        let last = Moment::parse("9999-12-31T23:59:58Z").unwrap();
        assert_eq!(last.later(1).unwrap().to_extended(), "9999-12-31T23:59:59Z");
        assert_eq!(last.later(2), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_time_survives_both_forms(wall_ms in 0u64..253_402_300_799_000) {
            let moment = Moment::from_wall_ms(wall_ms);
            prop_assert_eq!(moment.to_extended(), heirloom_base::time::rfc3339(wall_ms));
            prop_assert_eq!(Moment::parse(&moment.to_basic()), Some(moment));
            prop_assert_eq!(Moment::parse(&moment.to_extended()), Some(moment));
        }

        #[test]
        fn foreign_texts_do_no_harm(text in any::<String>(), time in "[0-9TZ:+.-]{0,30}") {
            let _ = (Moment::parse(&text), Moment::parse(&time), duration(&text), duration(&time));
        }
    }
}
