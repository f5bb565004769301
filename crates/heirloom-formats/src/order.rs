//! Keys that sort in the order of lines, with room between any two of them.
//!
//! A key is a prefix, hex digits that are read as a fraction, and for a line
//! that came later `.` and eight digits that tell apart what is inserted at
//! one place. `.` sorts before every digit, so a key sorts right
//! behind the key that it extends.

/// Room between the keys of two lines of one birth.
const STEP: usize = 16;

/// Digits of a birth's keys: a million lines.
const DIGITS: usize = 6;

/// Lines of one item: with more digits the keys would no longer sort as the
/// lines stand.
pub(crate) const LINES_MAX: usize = 1_048_575;

/// Where a character sorts: `.` first, then the hex digits. Anything else
/// comes from a foreign hand and counts as the last digit.
const RANK_END: u8 = 17;

/// Returns the order of the line with this index (from 0) in a birth.
pub(crate) fn ordinal(index: usize) -> String {
    format!("{:0DIGITS$x}", (index + 1).saturating_mul(STEP))
}

/// Returns an order strictly between two others; `None` is the end on that side.
pub(crate) fn between(low: Option<&str>, high: Option<&str>, tie: &str) -> String {
    let low = low.unwrap_or_default().as_bytes();
    let digits = middle(low, high.map(str::as_bytes));
    let digits: String = digits.into_iter().map(char::from).collect();
    format!("{digits}.{tie}")
}

fn rank(letter: u8) -> u8 {
    match letter {
        b'.' => 0,
        b'0'..=b'9' => letter - b'0' + 1,
        b'a'..=b'f' => letter - b'a' + 11,
        0..=b'-' => 0,
        b'/' | b':'..=b'`' | b'g'.. => RANK_END - 1,
    }
}

fn digit(rank: u8) -> u8 {
    b"0123456789abcdef"[usize::from(rank.clamp(1, RANK_END - 1) - 1)]
}

/// Returns digits above `low`, that stay below `high` with any tie behind them.
fn middle(low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
    let Some(high) = high else { return above(low) };
    let shared = low.iter().zip(high).take_while(|(low, high)| low == high).count();
    let (prefix, low) = low.split_at(shared);
    let mut digits = prefix.to_vec();
    let Some((&first_high, rest_high)) = high[shared..].split_first() else {
        // Not in order: only a foreign hand makes such keys.
        digits.extend(above(low));
        return digits;
    };
    let Some((&first_low, rest_low)) = low.split_first() else {
        digits.extend(below(first_high, rest_high));
        return digits;
    };
    let (floor, ceiling) = (rank(first_low), rank(first_high));
    if ceiling > floor + 1 {
        digits.push(digit(floor + (ceiling - floor) / 2));
    } else {
        digits.push(first_low);
        digits.extend(above(rest_low));
    }
    digits
}

/// Returns digits above `low`.
fn above(low: &[u8]) -> Vec<u8> {
    let full = |letter: &&u8| rank(**letter) >= RANK_END - 1;
    let mut digits: Vec<u8> = low.iter().take_while(full).copied().collect();
    let floor = low.get(digits.len()).map_or(0, |letter| rank(*letter));
    digits.push(digit(floor + (RANK_END - floor) / 2));
    digits
}

/// Returns digits (perhaps none) that stay below `first` and `rest` with any
/// tie behind them.
fn below(first: u8, rest: &[u8]) -> Vec<u8> {
    match (rank(first), rest.split_first()) {
        (0 | 1, Some((next, rest))) => {
            let mut digits = vec![first];
            digits.extend(below(*next, rest));
            digits
        }
        (0 | 1, None) => Vec::new(),
        (ceiling, _) => vec![digit(ceiling / 2)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_keys_of_a_birth_are_frozen_and_sorted() {
        assert_eq!([ordinal(0), ordinal(1), ordinal(15)], ["000010", "000020", "000100"]);
        assert!((0..999).all(|index| ordinal(index) < ordinal(index + 1)));
        assert_eq!(ordinal(LINES_MAX - 1), "fffff0");
        assert!(ordinal(LINES_MAX) < ordinal(LINES_MAX - 1), "one line more has no place");
    }

    #[test]
    fn a_line_finds_room_at_every_place() {
        let tie = "00000000";
        for (low, high, expected) in [
            (None, None, "7.00000000"),
            (None, Some("000010"), "00000.00000000"),
            (Some("000010"), Some("000020"), "000018.00000000"),
            (Some("000018.00000000"), Some("000020"), "00001c.00000000"),
            (Some("000018.00000000"), Some("000018.00000001"), "000018.000000007.00000000"),
            (Some("000018"), Some("000018.00000001"), "000018.00000000.00000000"),
            (Some("f.ffffffff"), None, "f7.00000000"),
        ] {
            let found = between(low, high, tie);
            assert_eq!(found, expected, "{low:?} {high:?}");
            assert!(low.is_none_or(|low| low < found.as_str()));
            assert!(high.is_none_or(|high| found.as_str() < high));
        }
    }

    #[test]
    fn keys_stay_short_while_lines_are_appended() {
        let end = ordinal(20);
        let mut last = ordinal(19);
        for _ in 0..100 {
            last = between(Some(&last), Some(&end), "ffffffff");
        }
        assert!(last.len() < 50, "{last}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn between_two_keys_there_is_always_one(
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 4]>()), 1..60)
        ) {
            let mut keys: Vec<String> = (0..3).map(ordinal).collect();
            for (place, tie) in places {
                let tie = heirloom_base::id::to_hex(&tie);
                let at = place.index(keys.len() + 1);
                let low = at.checked_sub(1).and_then(|low| keys.get(low)).map(String::as_str);
                let high = keys.get(at).map(String::as_str);
                let key = between(low, high, &tie);
                prop_assert!(low.is_none_or(|low| low < key.as_str()), "{low:?} < {key}");
                prop_assert!(high.is_none_or(|high| key.as_str() < high), "{key} < {high:?}");
                keys.insert(at, key);
            }
        }

        #[test]
        fn what_two_devices_insert_at_one_place_leaves_room(one: [u8; 4], other: [u8; 4]) {
            let tie = |bytes: &[u8; 4]| heirloom_base::id::to_hex(bytes);
            let (low, high) = (ordinal(0), ordinal(1));
            let mut keys = [&one, &other].map(|id| between(Some(&low), Some(&high), &tie(id)));
            keys.sort();
            let [first, second] = &keys;
            let key = between(Some(first), Some(second), "00000000");
            prop_assert!(one == other || (first < &key && &key < second));
        }

        #[test]
        fn foreign_keys_do_no_harm(low: Option<String>, high: Option<String>) {
            drop(between(low.as_deref(), high.as_deref(), "00000000"));
        }
    }
}
