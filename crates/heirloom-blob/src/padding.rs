//! Padding that hides lengths at a cost of at most 12 %.

/// Returns the length to which `length` bytes are padded: only the upper bits
/// of a length stay visible, about as many as its exponent has (Padmé).
pub(crate) fn padded(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1_usize << (exponent - kept.min(exponent))) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::limits;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn padding_is_short_settles_at_once_and_keeps_the_order(
            length in 0..=limits::CHUNK_BYTES_MAX, other in 0..=limits::CHUNK_BYTES_MAX,
        ) {
            let result = padded(length);
            prop_assert!(result >= length && result <= limits::CHUNK_BYTES_MAX);
            prop_assert!(result - length <= length / 8, "{length} -> {result}");
            prop_assert_eq!(padded(result), result);
            prop_assert!(length > other || result <= padded(other));
        }
    }

    #[test]
    fn known_lengths_are_padded_as_published() {
        for (length, result) in [(0, 0), (1, 1), (8, 8), (9, 10), (100, 104), (1_000, 1_024)] {
            assert_eq!(padded(length), result, "{length}");
        }
        assert_eq!(padded(limits::CHUNK_BYTES_MAX), limits::CHUNK_BYTES_MAX);
        assert_eq!(padded(1_000_000), 1_015_808);
    }
}
