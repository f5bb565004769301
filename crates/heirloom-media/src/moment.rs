//! When a picture was taken.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A time on the wall where a picture was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenAt {
    /// What calendar and clock showed, in ms since 1970-01-01T00:00 on them.
    pub local_ms: i64,
    /// What they were ahead of UTC, in minutes, where the file says so: UTC is
    /// `local_ms - offset_minutes * 60_000`.
    pub offset_minutes: Option<i16>,
    /// Where it stands.
    pub source: TimeSource,
}

/// Where a time was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The tags of the camera.
    Exif,
    /// The header of a video. A plain one has UTC by its standard, and some
    /// cameras write the time on the wall there; Apple's says both.
    VideoHeader,
}

/// Years that a picture may be of: earlier and later ones are mistakes.
const YEARS: std::ops::RangeInclusive<i16> = 1826..=2400;

/// Minutes that a clock may be ahead of UTC, or behind.
const OFFSET_MINUTES_MAX: i16 = 18 * 60;

/// Seconds from the beginning of 1904, where video headers begin to count, to 1970.
const SECONDS_FROM_1904: u64 = 2_082_844_800;

/// The date and time of an EXIF tag, `2024:05:01 12:34:56`; nothing where a
/// part is missing or no such time exists.
pub(crate) fn exif_local_ms(text: &[u8], fraction: Option<&[u8]>) -> Option<i64> {
    let text = text.get(..19)?;
    let separators = [4, 7, 10, 13, 16].map(|at| text[at]);
    // Some programs write dashes, slashes or dots into the date.
    let is_date =
        matches!(separators[..2], [b':', b':'] | [b'-', b'-'] | [b'/', b'/'] | [b'.', b'.']);
    let is_time = matches!(separators[2..], [b' ' | b'T', b':', b':']);
    (is_date && is_time).then_some(())?;
    Some(clock_ms(text)? + fraction_ms(fraction.unwrap_or_default()))
}

/// Reads year, month, day, hour, minute and second at their fixed places.
fn clock_ms(text: &[u8]) -> Option<i64> {
    let part = |from: usize, to: usize| number(text.get(from..to)?);
    let year = part(0, 4)?;
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    // A leap second is shown as the last one before it.
    let second = small(17)?.min(if small(17)? == 60 { 59 } else { i8::MAX });
    let known =
        DateTime::new(year, small(5)?, small(8)?, small(11)?, small(14)?, second, 0).ok()?;
    YEARS.contains(&year).then_some(())?;
    Some(TimeZone::UTC.to_timestamp(known).ok()?.as_millisecond())
}

/// Thousandths from the digits behind a point.
fn fraction_ms(digits: &[u8]) -> i64 {
    let digits = digits.iter().take(3).map_while(|digit| char::from(*digit).to_digit(10));
    let places = [100, 10, 1];
    digits.zip(places).map(|(digit, place)| i64::from(digit) * place).sum()
}

fn number(digits: &[u8]) -> Option<i16> {
    let is_digits = digits.iter().all(u8::is_ascii_digit);
    is_digits.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// The offset of an EXIF tag or an ISO 8601 time: `+02:00`, `+0200`, `Z`.
pub(crate) fn offset_minutes(text: &[u8]) -> Option<i16> {
    let sign = match text.first()? {
        b'Z' => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let minutes_at = if text.get(3) == Some(&b':') { 4 } else { 3 };
    let (hours, minutes) =
        (number(text.get(1..3)?)?, number(text.get(minutes_at..minutes_at + 2)?)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= OFFSET_MINUTES_MAX).then_some(sign * total)
}

/// An ISO 8601 time as Apple's video headers have it: `2024-05-01T12:34:56+0200`.
pub(crate) fn iso_8601(text: &[u8]) -> Option<TakenAt> {
    let whole = exif_local_ms(text, None)?;
    let rest = text.get(19..).unwrap_or_default();
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(digits) => {
            let end = digits.iter().position(|digit| !digit.is_ascii_digit());
            digits.split_at(end.unwrap_or(digits.len()))
        }
        None => (&rest[..0], rest),
    };
    Some(TakenAt {
        local_ms: whole + fraction_ms(fraction),
        offset_minutes: offset_minutes(rest),
        source: TimeSource::VideoHeader,
    })
}

/// The time of a plain video header: seconds since 1904, UTC. Nothing where
/// nobody filled it in, or from a clock that was never set.
pub(crate) fn video_header(seconds: u64) -> Option<TakenAt> {
    let since_1970 = seconds.checked_sub(SECONDS_FROM_1904).filter(|seconds| *seconds > 0)?;
    let local_ms = i64::try_from(since_1970).ok()?.checked_mul(1000)?;
    let is_plausible = local_ms < LATEST_MS;
    is_plausible.then_some(TakenAt {
        local_ms,
        offset_minutes: Some(0),
        source: TimeSource::VideoHeader,
    })
}

/// The end of the year 2400.
const LATEST_MS: i64 = 13_601_088_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn exif(text: &str) -> Option<i64> {
        exif_local_ms(text.as_bytes(), None)
    }

    #[test]
    fn a_time_is_read_as_the_wall_showed_it() {
        assert_eq!(exif("2024:05:01 12:34:56"), Some(1_714_566_896_000));
        assert_eq!(exif("2024-05-01 12:34:56\0"), Some(1_714_566_896_000));
        assert_eq!(exif("1969:12:31 23:59:59"), Some(-1000));
        assert_eq!(exif("2016:12:31 23:59:60"), exif("2016:12:31 23:59:59"));
        assert_eq!(exif_local_ms(b"1970:01:01 00:00:00", Some(b"5")), Some(500));
        assert_eq!(exif_local_ms(b"1970:01:01 00:00:00", Some(b"123456")), Some(123));
    }

    #[test]
    fn a_time_that_does_not_exist_is_none() {
        let wrong = [
            "0000:00:00 00:00:00",
            "    :  :     :  :  ",
            "2023:02:29 00:00:00",
            "2024:13:01 00:00:00",
            "2024:05:01 24:00:00",
            "2024:05:01",
            "9999:01:01 00:00:00",
            "+024:05:01 00:00:00",
            "",
        ];
        for text in wrong {
            assert_eq!(exif(text), None, "{text:?}");
        }
    }

    #[test]
    fn offsets_are_minutes_ahead_of_utc() {
        assert_eq!(offset_minutes(b"+02:00"), Some(120));
        assert_eq!(offset_minutes(b"-0330"), Some(-210));
        assert_eq!(offset_minutes(b"Z"), Some(0));
        for wrong in [b"+99:00".as_slice(), b"+02:60", b"   :  ", b"+2", b""] {
            assert_eq!(offset_minutes(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn apple_says_the_time_on_the_wall_and_the_offset() {
        let taken = iso_8601(b"2024-05-01T12:34:56.5+0200").unwrap();
        assert_eq!((taken.local_ms, taken.offset_minutes), (1_714_566_896_500, Some(120)));
        assert_eq!(iso_8601(b"2024-05-01T12:34:56").unwrap().offset_minutes, None);
        assert_eq!(iso_8601(b"2024-05-01"), None);
    }

    #[test]
    fn a_video_header_nobody_filled_in_has_no_time() {
        let day = video_header(SECONDS_FROM_1904 + 86_400).unwrap();
        assert_eq!((day.local_ms, day.offset_minutes), (86_400_000, Some(0)));
        for wrong in [0, SECONDS_FROM_1904, u64::MAX, u64::from(u32::MAX) * 4] {
            assert_eq!(video_header(wrong), None, "{wrong}");
        }
        assert_eq!(exif("2400:12:31 23:59:59"), Some(LATEST_MS - 1000));
    }
}
