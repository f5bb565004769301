//! Where a picture was taken.

/// A place on earth in WGS 84, in steps of 10^-7 degrees (about a centimetre).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// North of the equator; to the south it is negative. At most 900,000,000.
    pub latitude_e7: i32,
    /// East of Greenwich; to the west it is negative. At most 1,800,000,000.
    pub longitude_e7: i32,
}

const LATITUDE_E7_MAX: i64 = 900_000_000;
const LONGITUDE_E7_MAX: i64 = 1_800_000_000;

impl Place {
    /// A place, unless a coordinate is out of range, or both are zero: that
    /// is what devices write that did not know where they were.
    pub(crate) fn new(latitude_e7: i64, longitude_e7: i64) -> Option<Self> {
        let in_range =
            latitude_e7.abs() <= LATITUDE_E7_MAX && longitude_e7.abs() <= LONGITUDE_E7_MAX;
        let is_known = in_range && (latitude_e7, longitude_e7) != (0, 0);
        is_known.then_some(())?;
        Some(Self {
            latitude_e7: i32::try_from(latitude_e7).ok()?,
            longitude_e7: i32::try_from(longitude_e7).ok()?,
        })
    }
}

/// Degrees, minutes and seconds as fractions, as one number of 10^-7 degrees.
/// Nothing where a fraction has nothing under its line.
pub(crate) fn degrees_e7(parts: [(u32, u32); 3]) -> Option<i64> {
    // A thousandth of a step more, so that three roundings do not show.
    const SCALE: u128 = 10_000_000_000;
    let mut total = 0;
    for ((over, under), share) in parts.into_iter().zip([1, 60, 3600]) {
        let under = u128::from(under) * share;
        total += (u128::from(over) * SCALE).checked_div(under)?;
    }
    i64::try_from((total + 500) / 1000).ok()
}

/// The place in a text of ISO 6709: `+48.8577+002.295+035.0/`.
pub(crate) fn iso_6709(text: &[u8]) -> Option<Place> {
    let (latitude, rest) = coordinate(text, 2)?;
    let (longitude, _) = coordinate(rest, 3)?;
    Place::new(latitude, longitude)
}

/// One signed coordinate and what follows it. With two more digits before
/// the point it has minutes, with four more also seconds.
fn coordinate(text: &[u8], degree_digits: usize) -> Option<(i64, &[u8])> {
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let rest = &text[1..];
    let whole_end = digits(rest);
    let whole = &rest[..whole_end];
    let (decimals, rest) = match rest[whole_end..].strip_prefix(b".") {
        Some(after) => after.split_at(digits(after)),
        None => (&rest[..0], &rest[whole_end..]),
    };
    let units = match whole.len().checked_sub(degree_digits)? {
        0 => 1,
        2 => 2,
        4 => 3,
        _ => return None,
    };
    let mut parts = [(0, 1); 3];
    let ends = [degree_digits, degree_digits + 2, degree_digits + 4];
    let mut start = 0;
    for (part, end) in parts.iter_mut().zip(ends).take(units) {
        *part = (number(whole.get(start..end)?)?, 1);
        start = end;
    }
    // What stands behind the point belongs to the smallest unit.
    let decimals = &decimals[..decimals.len().min(DECIMALS_MAX)];
    if !decimals.is_empty() {
        let (over, under) = parts.get_mut(units - 1)?;
        *under = 10_u32.pow(u32::try_from(decimals.len()).ok()?);
        *over = over.checked_mul(*under)?.checked_add(number(decimals)?)?;
    }
    Some((sign * degrees_e7(parts)?, rest))
}

/// Digits behind the point that are read: a step of a centimetre has seven.
const DECIMALS_MAX: usize = 7;

fn digits(text: &[u8]) -> usize {
    text.iter().position(|digit| !digit.is_ascii_digit()).unwrap_or(text.len())
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fractions_become_steps_of_a_centimetre() {
        assert_eq!(degrees_e7([(48, 1), (51, 1), (2772, 100)]), Some(488_577_000));
        assert_eq!(degrees_e7([(485_877_000, 10_000_000), (0, 1), (0, 1)]), Some(485_877_000));
        assert_eq!(degrees_e7([(0, 1), (1, 1), (0, 1)]), Some(166_667));
    }

    #[test]
    fn nothing_under_the_line_is_no_place() {
        assert_eq!(degrees_e7([(48, 1), (51, 0), (0, 1)]), None);
        assert_eq!(degrees_e7([(0, 0), (0, 0), (0, 0)]), None);
        assert!(degrees_e7([(u32::MAX, 1), (u32::MAX, 1), (u32::MAX, 1)]).is_some());
    }

    #[test]
    fn a_place_off_the_earth_or_at_zero_is_none() {
        assert_eq!(Place::new(900_000_001, 0), None);
        assert_eq!(Place::new(0, -1_800_000_001), None);
        assert_eq!(Place::new(0, 0), None);
        assert!(Place::new(0, 1).is_some());
    }

    #[test]
    fn texts_of_video_headers_are_places() {
        let place = |latitude_e7, longitude_e7| Some(Place { latitude_e7, longitude_e7 });
        assert_eq!(iso_6709(b"+48.8577+002.295+035.0/"), place(488_577_000, 22_950_000));
        assert_eq!(iso_6709(b"-33.8568+151.2153/"), place(-338_568_000, 1_512_153_000));
        assert_eq!(iso_6709(b"+4851.462+00217.7/"), place(488_577_000, 22_950_000));
        assert_eq!(iso_6709(b"+485127.72-0021742/"), place(488_577_000, -22_950_000));
        for wrong in ["", "+", "+48.8", "48.8+2.2", "+488+2", "+48.8577-2.295", "+95.0+002.0"] {
            assert_eq!(iso_6709(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[-+.0-9/]{0,40}") {
            let place = iso_6709(text.as_bytes());
            prop_assert!(place.is_none_or(|place| place.latitude_e7.abs() <= 900_000_000));
        }

        #[test]
        fn any_fractions_are_answered(parts in any::<[(u32, u32); 3]>()) {
            let has_zero = parts.iter().any(|(_, under)| *under == 0);
            prop_assert_eq!(degrees_e7(parts).is_none(), has_zero);
        }
    }
}
