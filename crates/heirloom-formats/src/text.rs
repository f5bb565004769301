//! Escapes in the values of content lines.

/// Returns a text as it stands in a value.
pub(crate) fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\n' | '\r' => value.push_str("\\n"),
            '\\' | ',' | ';' => value.extend(['\\', letter]),
            other => value.push(other),
        }
    }
    value
}

/// As [`escaped`], for the versions that know no break within a value: vCard
/// 2.1 and vCalendar 1.0 write it in quoted-printable.
pub(crate) fn escaped_plainly(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;")
}

/// Returns the text of a value.
pub(crate) fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            (other, false) => text.push(other),
        }
    }
    text
}

/// Returns the texts of a structured value, cut at `;`.
pub(crate) fn components(value: &str) -> Vec<String> {
    raw_components(value).into_iter().map(unescaped).collect()
}

/// As [`components`], with their escapes: a list keeps its commas.
pub(crate) fn raw_components(value: &str) -> Vec<&str> {
    let mut cuts = vec![0];
    let mut is_escaped = false;
    for (at, letter) in value.char_indices() {
        if letter == ';' && !is_escaped {
            cuts.push(at + 1);
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    let ends = cuts.iter().skip(1).map(|cut| cut - 1).chain([value.len()]);
    cuts.iter().zip(ends).map(|(start, end)| value.get(*start..end).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn components_are_cut_at_bare_semicolons_only() {
        assert_eq!(components("a\\;b;c\\\\;d;;"), ["a;b", "c\\", "d", "", ""]);
        assert_eq!(components(""), [""]);
    }

    #[test]
    fn sloppy_values_are_read_as_meant() {
        assert_eq!(unescaped("https\\://a, b\\"), "https://a, b\\");
        assert_eq!(unescaped("one\\Ntwo\\nthree"), "one\ntwo\nthree");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_text_survives_its_escapes(text in "[^\r]{0,60}") {
            prop_assert_eq!(unescaped(&escaped(&text)), text.as_str());
            prop_assert_eq!(components(&escaped(&text)), [text]);
        }
    }
}
