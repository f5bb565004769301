//! Expected output: `[..]` is any text of a line, `[name]` is text to be used
//! again, and a line `...` is any lines. Runs of spaces count as one.

use std::collections::BTreeMap;

/// Texts that stood where a name in brackets stands.
pub(super) type Captured = BTreeMap<String, String>;

/// A piece of an expected line.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Any,
    Named(&'a str),
}

/// Compares output with what is expected; returns the captured texts, these
/// and the earlier ones, or nothing where they differ.
pub(super) fn matched(expected: &[String], output: &str, captured: &Captured) -> Option<Captured> {
    let expected: Vec<String> = expected.iter().map(|line| spaced(line)).collect();
    let output: Vec<String> = output.lines().map(spaced).collect();
    lines(&expected, &output, captured)
}

/// Puts captured texts in the place of their names.
pub(super) fn filled(text: &str, captured: &Captured) -> String {
    captured
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("[{name}]"), value))
}

fn spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines(expected: &[String], output: &[String], captured: &Captured) -> Option<Captured> {
    let Some((first, expected)) = expected.split_first() else {
        return output.is_empty().then(|| captured.clone());
    };
    if first == "..." {
        return (0..=output.len())
            .find_map(|skipped| lines(expected, &output[skipped..], captured));
    }
    let (line, output) = output.split_first()?;
    lines(expected, output, &line_matched(&pieces(first), line, captured)?)
}

fn line_matched(pieces: &[Piece<'_>], line: &str, captured: &Captured) -> Option<Captured> {
    let Some((first, pieces)) = pieces.split_first() else {
        return line.is_empty().then(|| captured.clone());
    };
    let ends = || (0..=line.len()).filter(|end| line.is_char_boundary(*end));
    match first {
        Piece::Text(text) => line_matched(pieces, line.strip_prefix(text)?, captured),
        Piece::Any => ends().find_map(|end| line_matched(pieces, &line[end..], captured)),
        Piece::Named(name) => match captured.get(*name) {
            Some(known) => line_matched(pieces, line.strip_prefix(known.as_str())?, captured),
            None => ends().skip(1).find_map(|end| {
                let mut captured = captured.clone();
                captured.insert((*name).to_owned(), line[..end].to_owned());
                line_matched(pieces, &line[end..], &captured)
            }),
        },
    }
}

fn pieces(line: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest, mut from) = (Vec::new(), line, 0);
    while let Some(open) = rest[from..].find('[').map(|at| at + from) {
        let close = rest[open..].find(']').map(|at| at + open);
        let name = close.map(|close| &rest[open + 1..close]).filter(|name| is_name(name));
        let Some(name) = name else {
            from = open + 1;
            continue;
        };
        if open > 0 {
            pieces.push(Piece::Text(&rest[..open]));
        }
        pieces.push(if name == ".." { Piece::Any } else { Piece::Named(name) });
        (rest, from) = (&rest[open + name.len() + 2..], 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    name == ".."
        || (name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(expected: &str, output: &str) -> Option<Captured> {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        matched(&expected, output, &Captured::new())
    }

    #[test]
    fn other_output_does_not_match() {
        assert!(fits("one\ntwo", "one\ntwo\n").is_some());
        for output in ["one", "one\ntwo\nthree", "one\nTwo", "two\none", ""] {
            assert_eq!(fits("one\ntwo", output), None, "{output}");
        }
        assert_eq!(fits("", "something"), None);
        assert_eq!(fits("a [..] b", "a x c"), None);
    }

    #[test]
    fn dots_stand_for_lines_and_bracketed_dots_for_a_part_of_one() {
        for output in ["a\nb", "a\nx\nb", "a\nx\ny\nb"] {
            assert!(fits("a\n...\nb", output).is_some(), "{output}");
        }
        assert!(fits("at [..]Z by [..]", "at 2026Z by me").is_some());
        assert!(fits("   a    b", "a b").is_some());
    }

    #[test]
    fn a_name_keeps_what_stood_there_and_must_stand_for_the_same_again() {
        let captured = fits("id [id]\nsame [id]!", "id 3f\nsame 3f!").unwrap();
        assert_eq!(captured["id"], "3f");
        assert_eq!(filled("show [id] [else]", &captured), "show 3f [else]");
        assert_eq!(fits("id [id]\nsame [id]!", "id 3f\nsame 4f!"), None);
        assert_eq!(fits("words [words]", "words one two").unwrap()["words"], "one two");
    }

    #[test]
    fn other_brackets_are_what_they_are() {
        assert!(fits("[ ] 2 x [{\"a\":[1]}]", "[ ] 2 x [{\"a\":[1]}]").is_some());
        assert_eq!(fits("[ ]", "[x]"), None);
    }
}
