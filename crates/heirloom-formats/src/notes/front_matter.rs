//! Front matter: YAML or TOML between two fences, of which only simple entries
//! are read.

mod escapes;
mod flow;
mod identifier;
mod nesting;
mod toml;

use crate::{encoding, line};
use std::ops::Range;

/// The entry that carries the note's own identifier.
pub(super) const ID: &str = "id";
/// Entries that may carry it. The others are for notes in which the ones before
/// say something else.
const IDS: &[&str] = &[ID, "uid", "heirloom-id"];
/// The entry that carries the title.
pub(super) const TITLE: &str = "title";

/// How front matter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// YAML, an entry on each line.
    Yaml,
    /// One mapping in braces.
    Flow,
    /// TOML.
    Toml,
}

impl Kind {
    /// Returns how front matter is written that has these lines, fences
    /// included; none where there is none.
    pub(super) fn of(lines: &[&[u8]]) -> Option<Self> {
        let (first, more) = lines.split_first()?;
        if bare(first) == b"+++" {
            return Some(Self::Toml);
        }
        let is_flow =
            is_fence(first) && more.iter().find_map(|line| filled(line)).is_some_and(is_flow);
        Some(if is_flow { Self::Flow } else { Self::Yaml })
    }
}

/// Returns how many bytes of a file are front matter, with both fences: what
/// stands between them is a mapping, or nothing.
pub(super) fn length(bytes: &[u8]) -> usize {
    let mut lines = line::physical_lines(bytes);
    let first = lines.next().unwrap_or_default();
    let is_toml = match bare(first) {
        b"---" => false,
        b"+++" => true,
        _ => return 0,
    };
    let ends: &[&[u8]] = if is_toml { &[b"+++"] } else { &[b"---", b"..."] };
    let begins = if is_toml { toml::begins } else { begins_yaml };
    let mut length = first.len();
    let mut is_mapping = false;
    for line in lines {
        length += line.len();
        if ends.contains(&line.trim_ascii_end()) {
            return length;
        }
        let text = filled(line).filter(|_| !is_mapping);
        if text.is_some_and(|line| !begins(&encoding::guessed(line))) {
            return 0;
        }
        is_mapping |= text.is_some();
    }
    0
}

/// Returns a line's text where it is neither blank nor a comment.
fn filled(line: &[u8]) -> Option<&[u8]> {
    let text = line.trim_ascii();
    (!text.is_empty() && !text.starts_with(b"#")).then_some(text)
}

/// Returns whether a mapping of YAML may begin with a line.
fn begins_yaml(line: &str) -> bool {
    const NO_KEYS: &[char] = &['{', '-', '?', '>', '|', '*', '&', '!', '[', '%', '@', '`', ':'];
    let ends_key = |(at, _): (usize, &str)| {
        line.get(at + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    is_flow(line.as_bytes())
        || (!line.starts_with(NO_KEYS) && line.match_indices(':').any(ends_key))
}

/// Returns whether a mapping in braces may begin with a line, and no template.
fn is_flow(line: &[u8]) -> bool {
    line.starts_with(b"{") && !line.starts_with(b"{{") && !line.starts_with(b"{%")
}

fn bare(first: &[u8]) -> &[u8] {
    first.strip_prefix(encoding::MARK).unwrap_or(first).trim_ascii_end()
}

/// Returns whether a line is a fence.
pub(super) fn is_fence(line: &[u8]) -> bool {
    matches!(bare(line), b"---" | b"..." | b"+++")
}

/// Returns name (in lower case) and value of an entry.
pub(super) fn entry(line: &[u8]) -> Option<(String, String)> {
    let line = encoding::guessed(line);
    yaml_entry(&line).or_else(|| toml::entry(&line))
}

fn yaml_entry(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let name = unquoted(name.trim_end());
    let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    if name.is_empty()
        || !name.chars().all(is_name)
        || !value.starts_with([' ', '\t', '\r', '\n']) && !value.is_empty()
    {
        return None;
    }
    Some((name.to_lowercase(), scalar(value.trim())))
}

/// Returns a key without its quotes.
fn unquoted(key: &str) -> &str {
    let inside = |quote| key.strip_prefix(quote).and_then(|key| key.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(key)
}

/// Returns how many lines belong to the entry in the first of them: also those
/// on which its value goes on, which are indented, and blank lines between. The
/// items of a list need no indent.
pub(super) fn span(lines: &[&[u8]]) -> usize {
    let Some((first, more)) = lines.split_first() else { return 0 };
    let is_bare = first.trim_ascii_end().ends_with(b":");
    let nested = nested(&encoding::guessed(first), more);
    let mut span = nested;
    for (index, line) in more.iter().enumerate().skip(nested - 1) {
        let is_item = is_bare && (line.starts_with(b"- ") || line.trim_ascii_end() == b"-");
        if line.trim_ascii().is_empty() {
            continue;
        }
        if !(is_item || line.starts_with(b" ") || line.starts_with(b"\t")) {
            break;
        }
        span = index + 2;
    }
    span
}

/// Returns the first value that an entry of this name has, on one line.
///
/// A line by itself is read as one of each kind, because its fence is not there to tell.
pub(super) fn value_of(lines: &[&[u8]], name: &str) -> Option<String> {
    if let [only] = lines
        && !is_fence(only)
    {
        let fences: [&[u8]; 2] = [b"---", b"+++"];
        return fences.iter().find_map(|fence| value_of(&[fence, only], name));
    }
    match Kind::of(lines)? {
        Kind::Yaml => {}
        Kind::Flow => {
            let lines: Vec<String> = lines.iter().map(|line| encoding::guessed(line)).collect();
            return flow_value(&lines, name);
        }
        Kind::Toml => {
            return toml::find(lines, name)
                .map(|(_, value)| value)
                .filter(|value| !value.is_empty());
        }
    }
    let lines = &outdented(lines);
    let mut values = yaml_entries(lines, name).filter_map(|at| whole(lines.get(at..)?));
    values.find(|value| !value.is_empty())
}

/// Returns on which lines the first entry of a name stands.
pub(super) fn span_of(lines: &[&[u8]], name: &str) -> Option<Range<usize>> {
    match Kind::of(lines)? {
        Kind::Yaml => {
            let lines = &outdented(lines);
            let at = yaml_entries(lines, name).next()?;
            Some(at..at + span(lines.get(at..)?))
        }
        Kind::Flow => None,
        Kind::Toml => toml::find(lines, name).map(|(range, _)| range),
    }
}

/// Returns the blanks before every entry of YAML, which may stand indented.
fn margin<'a>(lines: &[&'a [u8]]) -> &'a [u8] {
    let [fence, entries @ ..] = lines else { return &[] };
    let first = entries.iter().find(|line| filled(line).is_some()).filter(|_| is_fence(fence));
    let first = first.filter(|line| !is_fence(line)).copied().unwrap_or_default();
    let length = first.iter().take_while(|byte| **byte == b' ').count();
    first.get(..length).unwrap_or_default()
}

/// Returns lines of YAML without the margin of its entries.
fn outdented<'a>(lines: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let margin = margin(lines);
    lines.iter().map(|line| line.strip_prefix(margin).unwrap_or(line)).collect()
}

/// Returns an entry as it stands among others, in the place of `old` if that
/// is a line. A name that other entries refer to by stays before its value.
pub(super) fn among(lines: &[&[u8]], old: Option<&[u8]>, name: &str, value: &str) -> String {
    let kind = Kind::of(lines).unwrap_or(Kind::Yaml);
    let line = written(kind, name, value);
    if kind != Kind::Yaml {
        return line;
    }
    let old = old.map(encoding::guessed).unwrap_or_default();
    // Who writes `Title` goes on doing so.
    let own = old.split_once(':').map(|(own, _)| own.trim());
    let own = own.filter(|own| own.trim_matches(['"', '\'']).eq_ignore_ascii_case(name));
    let line = match (own, line.strip_prefix(name)) {
        (Some(own), Some(rest)) => format!("{own}{rest}"),
        (_, _) => line,
    };
    let anchor = old.split_once(':').and_then(|(_, value)| anchor(value.trim_start()));
    let line = match (anchor, line.split_once(' ')) {
        (Some(anchor), Some((key, value))) => format!("{key} {anchor} {value}"),
        (_, _) => line,
    };
    format!("{}{line}", encoding::guessed(margin(lines)))
}

/// Returns the name by which other entries refer to a value of YAML.
fn anchor(value: &str) -> Option<&str> {
    let anchor = value.split_ascii_whitespace().next()?;
    (anchor.starts_with('&') && anchor.len() > 1).then_some(anchor)
}

fn yaml_entries(lines: &[&[u8]], name: &str) -> impl Iterator<Item = usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((first, more)) = lines.get(at..).and_then(<[&[u8]]>::split_first) {
        let first = encoding::guessed(first);
        if yaml_entry(&first).is_some_and(|(one, _)| one == name) {
            found.push(at);
        }
        at += nested(&first, more);
    }
    found.into_iter()
}

/// Returns how many lines the brackets of an entry of YAML take, from its first.
fn nested(first: &str, more: &[&[u8]]) -> usize {
    let value = first.split_once(':').map_or("", |(_, value)| value);
    nesting::span(value, more.iter().map(|line| encoding::guessed(line)))
}

/// As [`value_of`], of a mapping in braces.
pub(super) fn flow_value(lines: &[String], name: &str) -> Option<String> {
    flow::value_of(&lines.get(1..)?.join("\n"), name)
}

/// Returns the line that gives a mapping in braces an entry, and which lines
/// it replaces.
pub(super) fn with_flow_entry(
    lines: &[String],
    name: &str,
    value: &str,
) -> Option<(Range<usize>, String)> {
    let mut text = lines.get(1..)?.join("\n");
    let (range, value) = flow::with(&text, name, value)?;
    let line_at = |at: usize| text.get(..at).map(|before| before.matches('\n').count() + 1);
    let (first, last) = (line_at(range.start)?, line_at(range.end)?);
    text.replace_range(range, &value);
    Some((first..last + 1, text.split('\n').nth(first - 1)?.to_owned()))
}

/// Returns the identifier that front matter carries.
pub(super) fn identity(lines: &[&[u8]]) -> Option<String> {
    // What was written beside a name that is taken counts before that.
    let mut values = IDS.iter().rev().filter_map(|name| value_of(lines, name));
    values.find(|value| identifier::is_unique(value))
}

/// Returns whether front matter holds a text where an identifier may stand.
pub(super) fn names(lines: &[&[u8]], uid: &str) -> bool {
    IDS.iter().any(|name| value_of(lines, name).as_deref() == Some(uid))
}

/// Returns whether a line carries the note's own identifier.
pub(super) fn is_identity(line: &[u8]) -> bool {
    entry(line)
        .is_some_and(|(name, value)| IDS.contains(&name.as_str()) && identifier::is_unique(&value))
}

/// Gives the lines of a file's front matter an identifier, under the first
/// name that says nothing else.
pub(super) fn identify(lines: &mut Vec<Vec<u8>>, uid: &str, eol: &str) {
    let all: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let Some(kind) = Kind::of(&all) else { return };
    let is_taken = |name: &str| match kind {
        Kind::Yaml | Kind::Toml => span_of(&all, name).is_some(),
        Kind::Flow => value_of(&all, name).is_some(),
    };
    let free = IDS.iter().copied().find(|name| !is_taken(name));
    let name = free.or(IDS.last().copied()).unwrap_or(ID);
    let line = format!("{}{eol}", among(&all, None, name, uid)).into_bytes();
    match kind {
        Kind::Yaml => lines.insert(lines.len().saturating_sub(1).max(1), line),
        // What stands behind a table belongs to it.
        Kind::Toml => lines.insert(1, line),
        Kind::Flow => {
            let Some(own) = lines.iter_mut().skip(1).find(|line| filled(line).is_some()) else {
                return;
            };
            let Some(at) = own.iter().position(|byte| *byte == b'{') else { return };
            let is_empty =
                own.get(at + 1..).is_some_and(|rest| rest.trim_ascii().starts_with(b"}"));
            let separator = if is_empty { "" } else { ", " };
            let id =
                format!("\"{name}\": {}{separator}", serde_json::Value::String(uid.to_owned()));
            own.splice(at + 1..at + 1, id.into_bytes());
        }
    }
}

/// Returns the whole value of the entry that begins with the first line. The
/// breaks between its lines are read as blanks.
fn whole(lines: &[&[u8]]) -> Option<String> {
    let (first, more) = lines.get(..span(lines))?.split_first()?;
    let (_, value) = entry(first)?;
    if more.is_empty() {
        return Some(value);
    }
    let head = encoding::guessed(first);
    let head = head.split_once(':').map_or("", |(_, head)| head.trim());
    let more = more.iter().map(|line| encoding::guessed(line).trim().to_owned());
    let more: Vec<String> = more.filter(|line| !line.is_empty()).collect();
    let is_nested = |line: &String| {
        line == "-" || line.starts_with("- ") || line.contains(": ") || line.ends_with(':')
    };
    match head.chars().next() {
        Some('|' | '>') => Some(more.join(" ")),
        None if more.first().is_some_and(is_nested) => Some(String::new()),
        Some(_) | None => Some(scalar(&joined(head, &more))),
    }
}

/// Returns the lines of a value as one. A backslash ends a quoted line that
/// goes on without a blank.
fn joined(head: &str, more: &[String]) -> String {
    let mut text = head.to_owned();
    for line in more {
        let is_glued = head.starts_with('"') && text.ends_with('\\');
        match is_glued {
            true => drop(text.pop()),
            false if text.is_empty() => {}
            false => text.push(' '),
        }
        text.push_str(line);
    }
    text
}

/// Returns the text of a simple YAML value.
fn scalar(text: &str) -> String {
    let text =
        anchor(text).map_or(text, |anchor| text.strip_prefix(anchor).unwrap_or(text).trim_start());
    let text = quoted(text).unwrap_or(text);
    if text.starts_with('"') {
        return escapes::read(text).unwrap_or_else(|| text.trim_matches('"').to_owned());
    }
    if let Some(text) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return text.replace("''", "'");
    }
    if text.starts_with(['|', '>', '[', '{', '&', '*']) {
        return String::new();
    }
    let plain = text.split(" #").next().unwrap_or_default().trim();
    match plain {
        "null" | "Null" | "NULL" | "~" => String::new(),
        plain => plain.to_owned(),
    }
}

/// Returns a quoted value with its quotes, where nothing but a comment is
/// behind it.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
    let mut letters = text.char_indices().skip(1).peekable();
    let end = loop {
        let (at, letter) = letters.next()?;
        let next = letters.peek().map(|(_, next)| *next);
        let is_escape = match quote {
            '"' => letter == '\\',
            _ => letter == quote && next == Some(quote),
        };
        if is_escape {
            letters.next();
        } else if letter == quote {
            break at + 1;
        }
    };
    let (text, rest) = text.split_at_checked(end)?;
    let is_comment = rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#');
    (rest.trim().is_empty() || is_comment).then_some(text)
}

/// Returns an entry as it stands in a file, without a line end.
pub(super) fn written(kind: Kind, name: &str, value: &str) -> String {
    if kind == Kind::Toml {
        return toml::written(name, value);
    }
    let is_safe = |letter: char| {
        letter.is_alphanumeric()
            || matches!(letter, ' ' | ',' | '.' | '-' | '_' | '(' | ')' | '/' | '!' | '?')
    };
    let words = ["true", "false", "null", "yes", "no", "on", "off"];
    let is_plain = value.starts_with(char::is_alphabetic)
        && !value.ends_with(' ')
        && value.chars().all(is_safe)
        && !words.iter().any(|word| word.eq_ignore_ascii_case(value));
    let is_id = IDS.contains(&name)
        && value.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    match is_plain || is_id {
        true => format!("{name}: {value}"),
        false => format!("{name}: {}", serde_json::Value::String(value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn front_matter_needs_both_fences() {
        for (text, expected) in [
            ("---\na: b\n---\nbody", 13),
            ("---\r\na: b\r\n...\r\nbody", 16),
            ("---\n\n# c\n  date made: 1\n---\n", 28),
            ("---\n{\"a\": 1}\n---\n", 17),
            ("+++\na.b = 1\n+++ \nbody", 17),
            ("+++\n[a]\n+++", 11),
            ("---\n\nJust a rule\n\n---\n\ntext\n", 0),
            ("---\nsee https://a.example\n---\n", 0),
            ("---\n- a: b\n---\n", 0),
            ("---\n**Note:** c\n---\n", 0),
            ("---\n{{ a: b }}\n---\n", 0),
            ("+++\na: b\n+++\n", 0),
            ("+++\na = 1\n---\n", 0),
            ("\u{feff}---\n---", 10),
            ("---\nno end", 0),
            (" ---\n---\n", 0),
            ("text\n---\n---\n", 0),
            ("", 0),
        ] {
            assert_eq!(length(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn simple_entries_are_read() {
        for (line, expected) in [
            ("title: Plain text # comment", Some(("title", "Plain text"))),
            ("Title: \"with \\\"quotes\\\"\"", Some(("title", "with \"quotes\""))),
            ("uid: 'it''s'", Some(("uid", "it's"))),
            ("title: 'a' # c", Some(("title", "a"))),
            ("title: \"Q: x\"  # c", Some(("title", "Q: x"))),
            ("title: 'It''s # \"q\"' # comment", Some(("title", "It's # \"q\""))),
            ("title: \"a \\\" # b\"\t# \"c\"", Some(("title", "a \" # b"))),
            ("title: 'a'#b'", Some(("title", "a'#b"))),
            ("title: ''", Some(("title", ""))),
            ("title: '", Some(("title", "'"))),
            ("title: null", Some(("title", ""))),
            ("title: ~ # none", Some(("title", ""))),
            ("title: \"null\"", Some(("title", "null"))),
            ("title: nullable", Some(("title", "nullable"))),
            ("tags: [a, b]", Some(("tags", ""))),
            ("title:", Some(("title", ""))),
            ("  nested: x", None),
            ("\"Title\": a", Some(("title", "a"))),
            ("'title' : a", Some(("title", "a"))),
            ("\"title: a", None),
            ("title: &t Old # c", Some(("title", "Old"))),
            ("title: *t", Some(("title", ""))),
            ("title: \"caf\\xE9 \\U0001F600\"", Some(("title", "café 😀"))),
            ("- item: x", None),
            ("https://a", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(entry(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn an_entry_is_read_with_the_lines_on_which_its_value_goes_on() {
        for (text, expected) in [
            ("title: >-\n  folded\n  title\ntags:\n- a\n", (3, "folded title")),
            ("title: |\r\n  one\r\n\r\n  two\r\n\r\nid: 1\r\n", (4, "one two")),
            ("title: plain\n  goes on # comment\n# another\n", (2, "plain goes on")),
            ("title:\n  below\nid: 1\n", (2, "below")),
            ("title: \"a\\\n  b\n\tc: \\\"d\\\"\"\n", (3, "ab c: \"d\"")),
            ("title: 'it''s\n  two'\n", (2, "it's two")),
            ("title: 'one\n  two' # 'three'\n", (2, "one two")),
            ("title: ~\ntitle: second\n", (1, "second")),
            ("title: [a,\n  b]\n", (2, "")),
            ("title:\n- a\n  b\n-\nid: 1\n", (4, "")),
            ("title:\n  nested: x\n", (2, "")),
            ("title: one\n\n- a\n", (1, "one")),
        ] {
            let lines: Vec<&[u8]> = line::physical_lines(text.as_bytes()).collect();
            let value = value_of(&lines, TITLE).unwrap_or_default();
            assert_eq!((span(&lines), value.as_str()), expected, "{text:?}");
        }
        assert_eq!((span(&[]), value_of(&[], TITLE)), (0, None));
    }

    #[test]
    fn entries_may_stand_indented_and_keep_their_margin_and_their_name() {
        let text = "---\n  a: 1\n  title: &t Old\n  list:\n    title: inner\n  b: *t\n---\n";
        let lines: Vec<&[u8]> = line::physical_lines(text.as_bytes()).collect();
        assert_eq!(length(text.as_bytes()), text.len());
        assert_eq!(value_of(&lines, TITLE).as_deref(), Some("Old"));
        assert_eq!(span_of(&lines, TITLE), Some(2..3));
        let old = lines.get(2).copied();
        assert_eq!(among(&lines, old, TITLE, "New: x"), "  title: &t \"New: x\"");
        for (old, new) in [("Title: a", "Title: b"), ("\"TITLE\" : a", "\"TITLE\": b")] {
            let lines: [&[u8]; 3] = [b"---", old.as_bytes(), b"---"];
            assert_eq!(among(&lines, Some(old.as_bytes()), TITLE, "b"), new);
        }
        assert_eq!(among(&lines, None, ID, "a-1"), "  id: a-1");
        let mut all: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        identify(&mut all, "a-1", "\n");
        assert_eq!(all.concat(), text.replace("  b: *t\n", "  b: *t\n  id: a-1\n").into_bytes());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_value_survives_its_line(value in "[^\r\n]{1,30}") {
            prop_assert_eq!(entry(written(Kind::Yaml, TITLE, &value).as_bytes()), Some((TITLE.into(), value)));
        }
    }
}
