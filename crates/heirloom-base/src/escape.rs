//! Foreign text on its way to a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns whether a character could steer a terminal or turn the order of a
/// line around: control characters, line separators and direction marks.
fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// Returns one line of text with every steering character written out as `\u{..}`.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    replace(text, |escaped, character| {
        write!(escaped, "{}", character.escape_unicode()).expect("a string takes every text");
    })
}

/// Returns JSON text with every steering character in the form that JSON has
/// for it. They can stand only in strings, so the value stays the same.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    replace(text, |escaped, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("a string takes every text");
        }
    })
}

fn replace(text: &str, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_steering(character) {
            write(&mut escaped, character);
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_every_script_stays_as_it_is() {
        for text in ["", "Zoë O’Neill", "עברית", "العربية", "日本語 👩‍👩‍👧", "नमस्ते"]
        {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let hostile = "a\u{1b}[2Jb\u{9b}1mc\u{7}d\re\nf\u{202e}g\u{2066}h\u{200f}i\u{7f}j\u{feff}";
        let shown = line(hostile);
        assert!(!shown.contains(is_steering));
        assert!(shown.starts_with("a\\u{1b}[2Jb\\u{9b}1mc"), "{shown}");
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let hostile = "\u{9b}1m\u{202e}x\u{1b}\u{7f}";
        let text = serde_json::to_string(hostile).unwrap();
        let shown = json(&text);
        assert!(!shown.contains(is_steering));
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hostile);
    }
}
