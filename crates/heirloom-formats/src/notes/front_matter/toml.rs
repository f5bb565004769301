//! Front matter in TOML, between two lines of `+++`: only simple entries
//! before the first table are read.

use super::{nesting, quoted};
use crate::encoding;
use std::ops::Range;

/// Returns whether a line, which is neither blank nor a comment, may begin TOML.
pub(super) fn begins(line: &str) -> bool {
    line.starts_with('[') || split(line).is_some()
}

/// Returns name (in lower case) and value of an entry.
pub(super) fn entry(line: &str) -> Option<(String, String)> {
    let (name, value) = split(line)?;
    Some((name.trim_matches(['"', '\'']).to_lowercase(), scalar(value.trim())))
}

/// Returns on which lines the first entry of a name stands, and its value.
pub(super) fn find(lines: &[&[u8]], name: &str) -> Option<(Range<usize>, String)> {
    let mut at = 1;
    while let Some(rest) = lines.get(at..).filter(|rest| !rest.is_empty()) {
        let texts = || rest.iter().map(|line| encoding::guessed(line).trim().to_owned());
        let first = texts().next()?;
        if first.starts_with('[') {
            return None;
        }
        let span = span(&first, texts().skip(1));
        if let Some((_, value)) = entry(&first).filter(|(one, _)| one == name) {
            let more: Vec<String> = texts().take(span).skip(1).collect();
            let value = if more.is_empty() { value } else { long(&first, &more) };
            return Some((at..at + span, value));
        }
        at += span;
    }
    None
}

/// Returns an entry as it stands in a file, without a line end.
pub(super) fn written(name: &str, value: &str) -> String {
    format!("{name} = {}", serde_json::Value::String(value.to_owned()))
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let is_name =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '"' | '\'');
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, value))
}

/// What a text over several lines begins and ends with.
fn fence(first: &str) -> Option<&'static str> {
    let (_, value) = split(first)?;
    ["\"\"\"", "'''"].into_iter().find(|fence| value.trim_start().starts_with(fence))
}

/// Returns how many lines belong to the entry in the first of them.
fn span(first: &str, more: impl Iterator<Item = String>) -> usize {
    let Some(fence) = fence(first) else {
        let value = split(first).map_or("", |(_, value)| value);
        return nesting::span(value, more);
    };
    if first.matches(fence).count() > 1 {
        return 1;
    }
    let rest = more.enumerate().find(|(_, line)| line.contains(fence));
    rest.map_or(1, |(at, _)| at + 2)
}

/// Returns a text over several lines as one.
fn long(first: &str, more: &[String]) -> String {
    let Some(fence) = fence(first) else { return String::new() };
    let head = first.split_once(fence).map_or("", |(_, head)| head);
    let tail = more.iter().map(|line| line.split(fence).next().unwrap_or_default().trim());
    let all: Vec<&str> =
        std::iter::once(head).chain(tail).filter(|line| !line.is_empty()).collect();
    all.join(" ")
}

/// Returns the text of a simple value.
fn scalar(text: &str) -> String {
    for fence in ["\"\"\"", "'''"] {
        if let Some((inner, _)) = text.strip_prefix(fence).and_then(|rest| rest.split_once(fence)) {
            return inner.to_owned();
        }
    }
    let text = quoted(text).unwrap_or(text);
    if text.starts_with('"') {
        return serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('"').to_owned());
    }
    if let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return inner.to_owned();
    }
    match text.starts_with(['[', '{']) {
        true => String::new(),
        false => text.split('#').next().unwrap_or_default().trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_entries_before_the_first_table_are_read() {
        for (text, expected) in [
            ("+++\ntitle = \"a \\\"b\\\"\" # c\n+++", Some((1..2, "a \"b\""))),
            ("+++\n# c\ndate = 2024-05-01\nTitle='C:\\x'\n+++", Some((3..4, "C:\\x"))),
            (
                "+++\ntext = \"\"\"\ntitle = \"no\"\n\"\"\"\ntitle = \"yes\"\n+++",
                Some((4..5, "yes")),
            ),
            ("+++\ntitle = \"\"\"\n  one\n  two\"\"\"\n+++", Some((1..4, "one two"))),
            ("+++\ntitle = '''one'''\n+++", Some((1..2, "one"))),
            ("+++\n[extra]\ntitle = \"no\"\n+++", None),
            ("+++\ntitles = [\"a\"]\n+++", None),
        ] {
            let lines: Vec<&[u8]> = text.split('\n').map(str::as_bytes).collect();
            let found = find(&lines, "title");
            let found = found.as_ref().map(|(range, value)| (range.clone(), value.as_str()));
            assert_eq!(found, expected, "{text}");
        }
        let line = written("title", "Zoë \"x\" \\ # y");
        assert_eq!(entry(&line), Some(("title".into(), "Zoë \"x\" \\ # y".into())));
    }
}
