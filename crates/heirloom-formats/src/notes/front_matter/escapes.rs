//! Texts of YAML in double quotes.

use std::str::Chars;

/// Returns what a text in double quotes says; none where it holds an escape
/// that YAML 1.2 does not know (5.7).
pub(super) fn read(quoted: &str) -> Option<String> {
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut letters = inside.chars();
    let mut text = String::with_capacity(inside.len());
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\\' => escaped(&mut letters)?,
            letter => letter,
        };
        text.push(letter);
    }
    Some(text)
}

/// Reads an escape behind its backslash.
fn escaped(letters: &mut Chars<'_>) -> Option<char> {
    Some(match letters.next()? {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' => char::from_u32(number(letters, 2)?)?,
        'u' => sixteen_bits(letters)?,
        'U' => char::from_u32(number(letters, 8)?)?,
        letter @ (' ' | '"' | '/' | '\\') => letter,
        _ => return None,
    })
}

/// Reads a letter of four digits, or of two halves as JSON writes it.
fn sixteen_bits(letters: &mut Chars<'_>) -> Option<char> {
    let first = number(letters, 4)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if (letters.next()?, letters.next()?) != ('\\', 'u') {
        return None;
    }
    let second = number(letters, 4)?.checked_sub(0xdc00).filter(|half| *half < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)
}

fn number(letters: &mut Chars<'_>, digits: usize) -> Option<u32> {
    let mut number = 0;
    for _ in 0..digits {
        number = number * 16 + letters.next()?.to_digit(16)?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escapes_of_yaml_and_json_are_read() {
        for (text, expected) in [
            (r#""a\"b\\c\/d""#, Some("a\"b\\c/d")),
            (r#""caf\xE9 \u00e9 \U0001F600 \ud83d\ude00""#, Some("café é 😀 😀")),
            (
                r#""\_\N\L\P\e\0\a\v\t\ ""#,
                Some("\u{a0}\u{85}\u{2028}\u{2029}\u{1b}\0\u{7}\u{b}\t "),
            ),
            (r#""\q""#, None),
            (r#""\xZZ""#, None),
            (r#""\ud83d""#, None),
            (r#""\ud83d\u0041""#, None),
            (r#""\U00110000""#, None),
            (r#""open"#, None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }
}
