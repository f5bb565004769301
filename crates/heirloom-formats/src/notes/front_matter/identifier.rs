//! Identifiers that tell a note from all others by themselves.
//!
//! Programs put all sorts of things under `id`: names of pages, slugs, numbers.
//! Two notes of two folders that bear the same one are not one note.

/// Digits that make a text unique by themselves: a time to the minute has 12.
const DIGITS_MIN: usize = 12;
/// Hex digits in a row that do.
const HEX_DIGITS_MIN: usize = 16;

/// Returns whether a text is unique by itself: a UUID, a ULID, or one that begins
/// with as many digits as a time stamp or has as many hex digits as half a hash.
pub(super) fn is_unique(text: &str) -> bool {
    let is_of_a_time = |letter: &char| letter.is_ascii_digit() || "-:.T_ ".contains(*letter);
    let digits = text.chars().take_while(is_of_a_time).filter(char::is_ascii_digit).count();
    let mut runs = text.split(|letter: char| !letter.is_ascii_hexdigit());
    digits >= DIGITS_MIN
        || runs.any(|run| run.len() >= HEX_DIGITS_MIN)
        || is_uuid(text.trim_start_matches('{').trim_end_matches('}'))
        || is_ulid(text)
}

/// Returns whether a text is a UUID with hyphens (RFC 9562, section 4).
fn is_uuid(text: &str) -> bool {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

/// Returns whether a text is a ULID: 128 bits in Crockford's base 32.
fn is_ulid(text: &str) -> bool {
    let is_digit = |byte: u8| {
        byte.is_ascii_alphanumeric()
            && !matches!(byte.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U')
    };
    text.len() == 26
        && text.starts_with(|first| ('0'..='7').contains(&first))
        && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_programs_make_to_tell_notes_apart_is_unique() {
        for text in [
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "{F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6}",
            "urn:uuid:abcdefab-abcd-abcd-abcd-abcdefabcdef",
            "f81d4fae7dec11d0a76500a0c91e6bf6",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01arz3ndektsv4rrffq69g5fav",
            "202401021530",
            "2024-01-02T15:30",
            "20240102153000-title",
            "h-5247e39ce9f0ac9a861e9d0e0d060a3d",
            "deadbeefdeadbeef",
        ] {
            assert!(is_unique(text), "{text}");
        }
        for text in [
            "",
            "intro",
            "1",
            "20240102",
            "getting-started",
            "release-2024-01-15-notes-1234",
            "article-978316148410",
            "recipe-apple",
            "an-abbreviated-facade-decade-feedback",
            "7-habits-of-highly-effectiv",
            "abcdefab-abcd-abcd-abcd-abcdefabcde",
            "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "deadbeefdeadbee",
            "internationalisierungsding",
        ] {
            assert!(!is_unique(text), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_notes_are_called_here_is_unique(
            random in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", content in "h-[0-9a-f]{32}",
        ) {
            prop_assert!(is_unique(&random) && is_unique(&content));
        }
    }
}
