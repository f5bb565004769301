//! Time as an argument. Nothing in the pure crates asks a clock.

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// The time at which an input is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns year, month and day of a number of days since 1970, in the
/// proleptic Gregorian calendar (eras of 400 years that begin in March).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
