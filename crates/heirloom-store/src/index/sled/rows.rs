//! The keys and values that sled gets to see.

use std::collections::BTreeMap;

/// The key of the layout's version.
pub(super) const FORMAT: &[u8] = b"f";
/// The key that marks the journal as complete.
pub(super) const MARK: &[u8] = b"m";
/// The first byte of a journal's keys.
pub(super) const JOURNAL: u8 = b'j';
/// The first byte of the keys of parts.
pub(super) const PART: u8 = b'p';

const ROW: u8 = b'r';
const WHOLE: u8 = 0;
const IN_PARTS: u8 = 1;

/// A key and its new value, or `None` to remove it.
pub(super) type Write = (Vec<u8>, Option<Vec<u8>>);

/// What stands behind a row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row<'a> {
    Whole(&'a [u8]),
    InParts { parts: u32, length: u32 },
}

impl<'a> Row<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&WHOLE, value) => Some(Self::Whole(value)),
            (&IN_PARTS, rest) => {
                let (parts, rest) = rest.split_first_chunk::<4>()?;
                let (parts, length) =
                    (u32::from_be_bytes(*parts), u32::from_be_bytes(rest.try_into().ok()?));
                // Each part holds at least a byte, so a damaged row cannot claim more.
                (parts <= length).then_some(Self::InParts { parts, length })
            }
            _ => None,
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Whole(value) => [&[WHOLE], value].concat(),
            Self::InParts { parts, length } => {
                [&[IN_PARTS][..], &parts.to_be_bytes(), &length.to_be_bytes()].concat()
            }
        }
    }
}

pub(super) fn row_key(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

pub(super) fn part_key(key: &[u8], number: u32) -> Vec<u8> {
    let length = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
    [&[PART][..], &length.to_be_bytes(), key, &number.to_be_bytes()].concat()
}

pub(super) fn parse_part_key(bytes: &[u8]) -> Option<(Vec<u8>, u32)> {
    let (length, rest) = bytes.strip_prefix(&[PART])?.split_first_chunk::<4>()?;
    let (key, number) = rest.split_last_chunk::<4>()?;
    (key.len() == u32::from_be_bytes(*length) as usize)
        .then(|| (key.to_vec(), u32::from_be_bytes(*number)))
}

/// Adds the writes that bring a key to its new value.
///
/// `parts` says in how many parts each long value lies, and is kept up to date.
pub(super) fn lay_out(
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    whole_bytes_max: usize,
    parts: &mut BTreeMap<Vec<u8>, u32>,
    writes: &mut Vec<Write>,
) {
    let before = parts.remove(&key).unwrap_or(0);
    let mut now = 0;
    match value {
        None => writes.push((row_key(&key), None)),
        Some(value) if value.len() <= whole_bytes_max => {
            writes.push((row_key(&key), Some(Row::Whole(&value).bytes())));
        }
        Some(value) => {
            let length = u32::try_from(value.len()).expect("a value is shorter than 4 GiB");
            for part in value.chunks(whole_bytes_max) {
                writes.push((part_key(&key, now), Some(part.to_vec())));
                now += 1;
            }
            writes.push((row_key(&key), Some(Row::InParts { parts: now, length }.bytes())));
        }
    }
    writes.extend((now..before).map(|number| (part_key(&key, number), None)));
    if now > 0 {
        parts.insert(key, now);
    }
}

/// Returns the journal's row for a write.
pub(super) fn journal(number: u32, write: &Write) -> Write {
    let (key, value) = write;
    let length = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
    let flag = [u8::from(value.is_some())];
    let value = value.as_deref().unwrap_or_default();
    let row = [&length.to_be_bytes(), key.as_slice(), &flag, value].concat();
    ([&[JOURNAL][..], &number.to_be_bytes()].concat(), Some(row))
}

/// Reads a journal's row.
pub(super) fn parse_journal(row: &[u8]) -> Option<Write> {
    let (length, rest) = row.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    match rest.split_first()? {
        (0, []) => Some((key.to_vec(), None)),
        (1, value) => Some((key.to_vec(), Some(value.to_vec()))),
        _ => None,
    }
}

pub(super) fn write_bytes(write: &Write) -> usize {
    write.0.len() + write.1.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_layout_is_frozen() {
        assert_eq!(row_key(b"ab"), b"rab");
        assert_eq!(part_key(b"ab", 3), b"p\0\0\0\x02ab\0\0\0\x03");
        assert_eq!(Row::Whole(b"x").bytes(), b"\0x");
        assert_eq!(Row::InParts { parts: 2, length: 9 }.bytes(), b"\x01\0\0\0\x02\0\0\0\x09");
        let (key, row) = journal(7, &(b"rab".to_vec(), Some(b"v".to_vec())));
        assert_eq!(key, b"j\0\0\0\x07");
        assert_eq!(row.unwrap(), b"\0\0\0\x03rab\x01v");
    }

    #[test]
    fn the_parts_of_a_longer_value_do_not_outlive_it() {
        let (mut parts, mut writes) = (BTreeMap::new(), Vec::new());
        for length in [25, 12, 3, 40] {
            lay_out(b"k".to_vec(), Some(vec![1; length]), 10, &mut parts, &mut writes);
        }
        lay_out(b"k".to_vec(), None, 10, &mut parts, &mut writes);
        let left: BTreeMap<_, _> = writes.into_iter().collect();
        assert!(left.values().all(Option::is_none), "{left:?}");
        assert!(parts.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn keys_and_journals_survive_their_bytes(key in proptest::collection::vec(any::<u8>(), 0..40), number: u32, value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))) {
            prop_assert_eq!(parse_part_key(&part_key(&key, number)), Some((key.clone(), number)));
            let write = (key, value);
            let (_, row) = journal(number, &write);
            prop_assert_eq!(parse_journal(&row.unwrap()), Some(write));
        }

        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(row) = Row::parse(&bytes) {
                prop_assert_eq!(row.bytes(), bytes.clone());
            }
            if let Some((key, number)) = parse_part_key(&bytes) {
                prop_assert_eq!(part_key(&key, number), bytes.clone());
            }
            if let Some(write) = parse_journal(&bytes) {
                prop_assert_eq!(journal(0, &write).1, Some(bytes));
            }
        }
    }
}
