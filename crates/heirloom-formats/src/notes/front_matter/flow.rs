//! Front matter that is one mapping in braces, as JSON writes it and YAML may.

use super::scalar;
use std::ops::Range;

/// An entry of a mapping.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// Its name in lower case.
    name: String,
    /// Where its value stands.
    value: Range<usize>,
}

/// Returns the first value of this name that says something.
pub(super) fn value_of(text: &str, name: &str) -> Option<String> {
    let entries = Scan::entries(text)?;
    let mut own = entries.into_iter().filter(|entry| entry.name == name);
    own.find_map(|entry| {
        let value = text.get(entry.value)?.split_whitespace().collect::<Vec<&str>>().join(" ");
        Some(scalar(&value)).filter(|value| !value.is_empty())
    })
}

/// Returns what is to stand where, so that the mapping has this entry; none
/// where its braces do not match.
pub(super) fn with(text: &str, name: &str, value: &str) -> Option<(Range<usize>, String)> {
    let value = serde_json::Value::String(value.to_owned());
    let entries = Scan::entries(text)?;
    if let Some(own) = entries.iter().find(|entry| entry.name == name) {
        return Some((own.value.clone(), value.to_string()));
    }
    let at = text.find('{')? + 1;
    let separator = if entries.is_empty() { "" } else { ", " };
    Some((at..at, format!("\"{name}\": {value}{separator}")))
}

/// Reads the entries of a mapping.
struct Scan<'a> {
    text: &'a str,
    entries: Vec<Entry>,
    start: usize,
    colon: Option<usize>,
}

impl<'a> Scan<'a> {
    /// Returns the outermost entries of a mapping that has its end.
    fn entries(text: &'a str) -> Option<Vec<Entry>> {
        let start = text.find('{')? + 1;
        let mut scan = Self { text, entries: Vec::new(), start, colon: None };
        let (mut depth, mut quote, mut before) = (0usize, None, '{');
        let mut letters = text.char_indices().skip_while(|(at, _)| *at < start).peekable();
        while let Some((at, letter)) = letters.next() {
            if let Some(end) = quote {
                if letter == '\\' && end == '"' {
                    letters.next();
                } else if letter == end {
                    quote = None;
                }
                continue;
            }
            let next = letters.peek().map_or(' ', |(_, next)| *next);
            let ends_name = next.is_whitespace() || matches!(before, '"' | '\'');
            match letter {
                '"' | '\'' if matches!(before, '{' | '[' | ',' | ':') => quote = Some(letter),
                '{' | '[' => depth += 1,
                '}' if depth == 0 => {
                    scan.finish(at);
                    return Some(scan.entries);
                }
                '}' | ']' => depth = depth.checked_sub(1)?,
                ',' if depth == 0 => scan.finish(at),
                ':' if depth == 0 && ends_name => scan.colon = scan.colon.or(Some(at)),
                _ => {}
            }
            if !letter.is_whitespace() {
                before = letter;
            }
        }
        None
    }

    /// Ends an entry in front of `end`.
    fn finish(&mut self, end: usize) {
        let start = std::mem::replace(&mut self.start, end + 1);
        let Some(colon) = self.colon.take() else { return };
        let text = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        let value = text(colon + 1..end);
        let from = end - value.trim_start().len();
        let name = text(start..colon).trim().trim_matches(['"', '\'']).to_lowercase();
        self.entries.push(Entry { name, value: from..from + value.trim().len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_mapping_are_read_and_written_in_place() {
        for (text, value, after) in [
            ("{\"title\": \"x\"}", "x", "{\"title\": \"N\"}"),
            (
                "{\"a\":[1,{\"title\":2}],\"title\":\"x, y: z\" }",
                "x, y: z",
                "{\"a\":[1,{\"title\":2}],\"title\":\"N\" }",
            ),
            ("{title: it's, id: 1}", "it's", "{title: \"N\", id: 1}"),
            (
                "{\n  \"Title\" : \"a \\\" }\",\n  \"b\": 1\n}",
                "a \" }",
                "{\n  \"Title\" : \"N\",\n  \"b\": 1\n}",
            ),
            ("{\"b\": 1}", "", "{\"title\": \"N\", \"b\": 1}"),
            ("{}", "", "{\"title\": \"N\"}"),
        ] {
            assert_eq!(value_of(text, "title").unwrap_or_default(), value, "{text}");
            let (range, new) = with(text, "title", "N").unwrap();
            let mut changed = text.to_owned();
            changed.replace_range(range, &new);
            assert_eq!(changed, after);
        }
        for broken in ["{\"title\": \"x\"", "{]}", "{'", ""] {
            assert_eq!((value_of(broken, "title"), with(broken, "title", "N")), (None, None));
        }
    }
}
