//! Time as an argument. Nothing in the pure crates asks a clock.

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// The time at which an input is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds since 1970 by this device's clock, which may be wrong.
    pub wall_ms: u64,
    /// Milliseconds of a clock that only goes forward, also while asleep.
    pub mono_ms: u64,
}

/// A hybrid logical clock: milliseconds since 1970 in the upper 48 bits, a
/// counter in the lower 16. It decides nothing but which of two concurrent
/// values of one field is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The largest accepted value, by constants and not by any clock: year 6429.
    pub const MAX: Self = Self((1 << 63) - 1);

    /// Returns the first reading of a wall-clock time.
    #[must_use]
    pub fn from_wall_ms(wall_ms: u64) -> Self {
        Self(wall_ms.min(Self::MAX.0 >> 16) << 16)
    }

    /// Returns the milliseconds since 1970.
    #[must_use]
    pub fn wall_ms(self) -> u64 {
        self.0 >> 16
    }

    /// Returns a reading later than `self` and not before `wall_ms`.
    #[must_use]
    pub fn tick(self, wall_ms: u64) -> Self {
        Self(self.0.saturating_add(1).max(Self::from_wall_ms(wall_ms).0).min(Self::MAX.0))
    }
}

impl Encode for Hlc {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.0);
    }
}

impl Decode for Hlc {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u64()? {
            value if value <= Self::MAX.0 => Ok(Self(value)),
            value => Err(DecodeError::Unknown { what: "clock reading", value }),
        }
    }
}

/// Returns `wall_ms` as an RFC 3339 text in UTC, to the second.
#[must_use]
pub fn rfc3339(wall_ms: u64) -> String {
    let seconds = wall_ms / 1000;
    let (year, month, day) = civil_from_days((seconds / 86_400).cast_signed());
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns the days since 1970 of a date in the proleptic Gregorian calendar
/// (eras of 400 years that begin in March).
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Returns year, month and day of a number of days since 1970: the reverse of
/// [`days_from_civil`].
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times_print_as_rfc_3339() {
        for (wall_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_000_000_000, "2026-11-18T11:06:40Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(wall_ms), text);
        }
    }

    #[test]
    fn a_tick_always_goes_forward() {
        let late = Hlc::from_wall_ms(5_000);
        assert!(late.tick(1_000) > late);
        assert_eq!(late.tick(9_000), Hlc::from_wall_ms(9_000));
        assert_eq!(Hlc::MAX.tick(0), Hlc::MAX);
        assert!(Hlc::from_bytes(&u64::MAX.to_le_bytes()).is_err());
    }

    #[test]
    fn every_day_of_every_year_has_its_date() {
        let is_leap = |year: i64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let mut days = 0;
        for year in 1970..=6430 {
            let february = if is_leap(year) { 29 } else { 28 };
            let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(months) {
                for day in 1..=length {
                    assert_eq!(civil_from_days(days), (year, month, day));
                    assert_eq!(days_from_civil(year, month, day), days);
                    days += 1;
                }
            }
        }
    }

    #[test]
    fn the_largest_clock_reading_is_in_the_year_6429() {
        assert_eq!(rfc3339(Hlc::MAX.wall_ms()), "6429-10-17T02:45:55Z");
        assert_eq!(Hlc::from_wall_ms(u64::MAX).wall_ms(), Hlc::MAX.wall_ms());
        assert!(Hlc::from_wall_ms(u64::MAX) <= Hlc::MAX);
    }

    #[test]
    fn only_readings_up_to_the_largest_are_read() {
        assert_eq!(Hlc::from_bytes(&Hlc::MAX.to_bytes()), Ok(Hlc::MAX));
        let value = Hlc::MAX.0 + 1;
        let refused = Hlc::from_bytes(&value.to_le_bytes());
        assert_eq!(refused, Err(DecodeError::Unknown { what: "clock reading", value }));
        assert_eq!(Hlc(0x0102).to_bytes(), [2, 1, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_tick_is_later_than_before_and_not_before_the_wall_clock(
            before in 0..Hlc::MAX.0, wall_ms in any::<u64>(),
        ) {
            let after = Hlc(before).tick(wall_ms);
            prop_assert!(after > Hlc(before) && after <= Hlc::MAX);
            prop_assert!(after >= Hlc::from_wall_ms(wall_ms));
            prop_assert_eq!(Hlc::from_bytes(&after.to_bytes()), Ok(after));
        }

        #[test]
        fn any_time_prints_without_a_panic(wall_ms in any::<u64>()) {
            let text = rfc3339(wall_ms);
            prop_assert!(text.len() >= 20 && text.ends_with('Z'));
        }

        #[test]
        fn times_of_four_digit_years_sort_as_their_texts(
            one in 0..253_402_300_800_000_u64, other in 0..253_402_300_800_000_u64,
        ) {
            prop_assert_eq!(rfc3339(one).cmp(&rfc3339(other)), (one / 1000).cmp(&(other / 1000)));
        }
    }
}
