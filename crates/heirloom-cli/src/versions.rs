//! Printing what happened to a record, and what is in conflict.

use crate::exit::Trouble;
use crate::records::short;
use crate::screen::{Screen, lines_of};
use heirloom_base::count;
use heirloom_core::command::{Author, ConflictRow, HistoryEdit, HistoryRow};
use heirloom_schema::CategorySpec;
use serde_json::Value;
use std::io::Write;

/// Characters of one line of a value that are printed.
const LINE_LETTERS_MAX: usize = 200;
/// Lines of one value that are printed.
const LINES_MAX: usize = 20;

/// How a value reads that this version does not know.
const UNKNOWN: &str = "(written by a newer version)";
/// How the value of a setting reads that is nothing: JSON has no other word.
const NULL: &str = "null";
/// What stands for the value of a field that was removed.
const REMOVED: &str = "(removed)";

/// Prints every change of a record.
pub(crate) fn history<W: Write>(
    category: &CategorySpec,
    rows: &[HistoryRow],
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    for row in rows {
        screen.json(row)?;
        let Author { by, by_name, at } = &row.author;
        let change = short(&row.change);
        screen.line(format_args!("{at}  {} by {by_name} ({})  {change}", row.kind, short(by)))?;
        print_edits(category, &row.edits, screen)?;
    }
    screen.next(&format!("{} restore ID --at TIME", category.id))
}

/// Prints what a change did: what nobody wrote only where there is nothing else.
fn print_edits<W: Write>(
    category: &CategorySpec,
    edits: &[HistoryEdit],
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let written: Vec<&HistoryEdit> = edits.iter().filter(|edit| !edit.structural).collect();
    let shown = if written.is_empty() { edits.iter().collect() } else { written };
    for edit in &shown {
        print_edit(category, edit, screen)?;
    }
    match edits.len() - shown.len() {
        0 => Ok(()),
        more => {
            let more = count::of(more as u64, "more line", "more lines");
            screen.line(format_args!("  and {more} of the file; --json tells all"))
        }
    }
}

/// Prints one changed value: in a line, or as lines that go and come.
fn print_edit<W: Write>(
    category: &CategorySpec,
    edit: &HistoryEdit,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let kind = edit.after.as_ref().map_or(&edit.before_type, |_| &edit.after_type);
    let field = named(&edit.field, kind.as_deref());
    let (before, after) = texts(category, edit);
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains('\n'));
    if !is_long(&before) && !is_long(&after) {
        let is_kept = edit.settled && before == after;
        let before = before.filter(|_| !is_kept).map(|text| format!("{} -> ", cut(&text)));
        let before = before.unwrap_or_default();
        let after = after.map_or_else(|| "nothing".to_owned(), |text| cut(&text));
        let settled = settled(edit);
        if edit.before_type != edit.after_type && !before.is_empty() && edit.after.is_some() {
            let old = named(&edit.field, edit.before_type.as_deref());
            return screen.line(format_args!("  {old} {before}{field} {after}{settled}"));
        }
        return screen.line(format_args!("  {field}: {before}{after}{settled}"));
    }
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let (gone, new) = changed_lines(&before, &after);
    screen.line(format_args!("  {field}:{}", settled(edit)))?;
    print_lines("-", &gone, screen)?;
    print_lines("+", &new, screen)
}

/// Returns what a line of a file holds behind its name.
fn without_name<'a>(name: &str, line: &'a str) -> &'a str {
    let parts = line.split_at_checked(name.len());
    let rest = parts.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.strip_prefix([':', ';'])).map_or(line, str::trim_start)
}

/// Returns a field with its type, as records are shown.
fn named(field: &str, kind: Option<&str>) -> String {
    kind.map_or_else(|| field.to_owned(), |kind| format!("{field}:{kind}"))
}

/// Returns how a value read before and after: the whole line, where that alone
/// shows a difference.
fn texts(category: &CategorySpec, edit: &HistoryEdit) -> (Option<String>, Option<String>) {
    let lines = (&edit.before_line, &edit.after_line);
    if let (Some(before), Some(after)) = lines {
        return (Some(before.clone()), Some(after.clone()));
    }
    let is_line = !category.open_fields && category.field(&edit.field).is_none();
    let is_alike = edit.before.as_ref().zip(edit.after.as_ref());
    let is_alike = is_alike.is_some_and(|(one, other)| one != other && text(one) == text(other));
    let value = |value: &Value| match is_line {
        true => without_name(&edit.field, &text(value)).to_owned(),
        false if is_alike => value.to_string(),
        false => text(value),
    };
    // What is there and has no value is a setting that is null.
    let read = |one: Option<&Value>, is_none: bool| {
        one.map(value).or_else(|| (!is_none).then(|| NULL.to_owned()))
    };
    (read(edit.before.as_ref(), edit.added), read(edit.after.as_ref(), edit.removed))
}

/// Returns what a settled conflict had besides, in one line.
fn settled(edit: &HistoryEdit) -> String {
    let kept = edit.after.as_ref().map(text).unwrap_or_default();
    let line = |value: &Value| {
        let text = text(value);
        let differs = |line: &&str| kept.lines().all(|own| own != *line);
        let line = text.lines().find(differs).or_else(|| text.lines().next());
        format!("{:?}", cut(line.unwrap_or_default()))
    };
    let lost: Vec<String> = edit.lost.iter().map(line).collect();
    match (edit.settled, lost.is_empty()) {
        (false, _) => String::new(),
        (true, true) => " (the conflict is settled)".to_owned(),
        (true, false) => format!(" (the conflict is settled, without {})", lost.join(", ")),
    }
}

/// Returns the lines of two texts without those that they begin and end with alike.
fn changed_lines<'a>(before: &'a str, after: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (gone, new) = (lines_of(before), lines_of(after));
    let start = gone.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let (gone, new) = (gone.split_at(start).1, new.split_at(start).1);
    let pairs = gone.iter().rev().zip(new.iter().rev());
    let end = pairs.take_while(|(one, other)| one == other).count();
    (gone.split_at(gone.len() - end).0.to_vec(), new.split_at(new.len() - end).0.to_vec())
}

fn print_lines<W: Write>(
    mark: &str,
    lines: &[&str],
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    for line in lines.iter().take(LINES_MAX) {
        screen.text(format_args!("    {mark} {}", cut(line)))?;
    }
    match lines.len().saturating_sub(LINES_MAX) {
        0 => Ok(()),
        more => {
            let more = count::of(more as u64, "more line", "more lines");
            screen.line(format_args!("    {mark} ... ({more})"))
        }
    }
}

/// Returns a line, cut with a mark where it is long.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE_LETTERS_MAX) {
        None => line.to_owned(),
        Some((end, _)) => {
            let (shown, rest) = line.split_at(end);
            let more = count::of(rest.chars().count() as u64, "more character", "more characters");
            format!("{shown}... ({more})")
        }
    }
}

/// Returns how a value reads. A text that reads like nothing stands in quotes.
fn text(value: &Value) -> String {
    let plain = value.as_str().filter(|text| *text != NULL);
    plain.map_or_else(|| value.to_string(), str::to_owned)
}

/// Prints what is in conflict: every value with its number.
pub(crate) fn conflicts<W: Write>(
    category: &CategorySpec,
    rows: &[ConflictRow],
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    for row in rows {
        screen.json(row)?;
        let occurrence = row.occurrence.as_ref();
        let occurrence = occurrence.map(|time| format!("  ({time})")).unwrap_or_default();
        let id = short(&row.id);
        screen.line(format_args!("{id}  {}{occurrence}  {}", row.title, row.field))?;
        let all = || row.losers.iter().map(|loser| &loser.value).chain([&row.winner]).flatten();
        let is_alike =
            |value: &Value| all().any(|other| other != value && text(other) == text(value));
        let read =
            |value: Option<&Value>, kind: Option<&str>, line: Option<&String>, none: &str| {
                let plain = |value: &Value| match is_alike(value) {
                    true => value.to_string(),
                    false => text(value),
                };
                let value = line.cloned().or_else(|| value.map(plain));
                let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
                value.map_or_else(|| none.to_owned(), |value| format!("{kind}{value}"))
            };
        let (value, kind) = (row.winner.as_ref(), row.kind.as_deref());
        let none = if row.unknown { UNKNOWN } else { NULL };
        let winner = read(value, kind, row.line.as_ref(), none);
        print_value((row.number, "shown"), &winner, &row.author, screen)?;
        for loser in &row.losers {
            let none = match (loser.removed, loser.unknown) {
                (true, _) => REMOVED,
                (false, true) => UNKNOWN,
                (false, false) => NULL,
            };
            let (value, kind) = (loser.value.as_ref(), loser.kind.as_deref());
            let value = read(value, kind, loser.line.as_ref(), none);
            print_value((loser.number, "kept"), &value, &loser.author, screen)?;
        }
    }
    match rows.first() {
        None => {
            screen.line("No field was edited on two devices at the same time.")?;
            screen.next(&format!("{} list", category.id))
        }
        Some(row) => {
            let id = short(&row.id);
            screen.next(&format!("{} resolve {id} {} --keep NUMBER", category.id, row.field))
        }
    }
}

fn print_value<W: Write>(
    (number, place): (usize, &str),
    value: &str,
    author: &Author,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut lines = lines_of(value);
    let first = if lines.len() > 1 { String::new() } else { cut(lines.pop().unwrap_or_default()) };
    let Author { by_name, at, .. } = author;
    screen.line(format_args!("  {number}  {place:<5}  {first}  ({by_name}, {at})"))?;
    print_lines("|", &lines, screen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Form;
    use serde_json::json;

    fn told(category: &str, edits: &[HistoryEdit]) -> String {
        let mut screen = Screen::kept(Form::Human);
        print_edits(heirloom_schema::by_id(category).unwrap(), edits, &mut screen).unwrap();
        screen.printed()
    }

    fn printed(before: Option<Value>, after: Option<Value>) -> String {
        let field = "body".to_owned();
        let (added, removed) = (before.is_none(), after.is_none());
        let edit = HistoryEdit { field, before, after, added, removed, ..HistoryEdit::default() };
        told("notes", &[edit])
    }

    fn line(field: &str, line: &str, structural: bool) -> HistoryEdit {
        let after = Some(json!(line));
        HistoryEdit {
            field: field.to_owned(),
            after,
            structural,
            added: true,
            ..HistoryEdit::default()
        }
    }

    #[test]
    fn what_holds_a_file_together_is_left_out_where_something_was_written() {
        let begin = line("begin", "BEGIN:VCARD", true);
        let end = line("end", "END:VCARD", true);
        let name = line("name", "Ann", false);
        let all = told("contacts", &[begin.clone(), name.clone(), end.clone()]);
        assert_eq!(all, "  name: Ann\n  and 2 more lines of the file; --json tells all\n");
        let one = told("contacts", &[begin.clone(), name]);
        assert!(one.ends_with("and 1 more line of the file; --json tells all\n"), "{one}");
        assert_eq!(told("contacts", &[begin, end]), "  begin: VCARD\n  end: VCARD\n");
    }

    #[test]
    fn a_line_of_a_file_is_told_without_its_name() {
        let told =
            |category: &str, field: &str, text: &str| told(category, &[line(field, text, false)]);
        assert_eq!(told("notes", "tags", "tags: [a, b]"), "  tags: [a, b]\n");
        assert_eq!(told("contacts", "x-foo", "X-FOO;TYPE=a:b"), "  x-foo: TYPE=a:b\n");
        assert_eq!(told("notes", "front matter", "- a"), "  front matter: - a\n");
        assert_eq!(told("notes", "title", "title: a"), "  title: title: a\n", "its words");
        assert_eq!(told("settings", "a", "a:b"), "  a: a:b\n", "a value is no line");
    }

    #[test]
    fn of_a_long_text_only_the_lines_that_changed_are_printed() {
        let text = printed(Some(json!("a\nb\nc\nd")), Some(json!("a\nx\ny\nd")));
        assert_eq!(text, "  body:\n    - b\n    - c\n    + x\n    + y\n");
        assert_eq!(printed(None, Some(json!("a\nb"))), "  body:\n    + a\n    + b\n");
    }

    #[test]
    fn short_values_stand_in_one_line() {
        assert_eq!(printed(Some(json!(80)), Some(json!("x"))), "  body: 80 -> x\n");
        assert_eq!(printed(Some(json!("x")), None), "  body: x -> nothing\n");
        assert_eq!(printed(None, Some(json!("new"))), "  body: new\n");
        assert_eq!(printed(Some(json!("10")), Some(json!(10))), "  body: \"10\" -> 10\n");
    }

    #[test]
    fn a_setting_that_is_null_is_told_from_one_that_is_not_there() {
        let printed = |before: Option<Value>, after: Option<Value>, removed: bool| {
            let field = "theme".to_owned();
            let edit = HistoryEdit { field, before, after, removed, ..HistoryEdit::default() };
            told("settings", &[edit])
        };
        assert_eq!(printed(Some(json!("dark")), None, false), "  theme: dark -> null\n");
        assert_eq!(printed(Some(Value::Null), None, true), "  theme: null -> nothing\n");
        let text = "  theme: null -> \"null\"\n";
        assert_eq!(printed(Some(Value::Null), Some(json!("null")), false), text);
    }

    #[test]
    fn a_settled_conflict_names_what_stayed_and_what_did_not() {
        let printed = |value: &str, lost: &[&str]| {
            let (before, after) = (Some(json!(value)), Some(json!(value)));
            let lost = lost.iter().map(|lost| json!(lost)).collect();
            let field = "name".to_owned();
            let edit =
                HistoryEdit { field, before, after, settled: true, lost, ..HistoryEdit::default() };
            told("contacts", &[edit])
        };
        let text = "  name: Ann (the conflict is settled, without \"Anna\", \"A\")\n";
        assert_eq!(printed("Ann", &["Anna", "A\nB"]), text);
        assert_eq!(printed("Ann", &[]), "  name: Ann (the conflict is settled)\n");
        assert_eq!(printed("a\nb", &["c"]), "  name: (the conflict is settled, without \"c\")\n");
        let text = "  name: (the conflict is settled, without \"x\")\n";
        assert_eq!(printed("a\nb", &["a\nx"]), text, "what tells it from what stayed");
    }

    #[test]
    fn a_type_that_changes_is_named_on_both_sides() {
        let printed = |types: [Option<&str>; 2], lines: [Option<&str>; 2]| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let edit = HistoryEdit {
                field: "phone".to_owned(),
                before: Some(json!("+49 1")),
                after: Some(json!("+49 1")),
                before_type: own(types[0]),
                after_type: own(types[1]),
                before_line: own(lines[0]),
                after_line: own(lines[1]),
                ..HistoryEdit::default()
            };
            told("contacts", &[edit])
        };
        let both = [Some("cell"), Some("work")];
        assert_eq!(printed(both, [None; 2]), "  phone:cell +49 1 -> phone:work +49 1\n");
        assert_eq!(printed([None, Some("work")], [None; 2]), "  phone +49 1 -> phone:work +49 1\n");
        let lines = [Some("TEL:+49 1"), Some("TEL;PREF=1:+49 1")];
        assert_eq!(printed([None; 2], lines), "  phone: TEL:+49 1 -> TEL;PREF=1:+49 1\n");
    }

    #[test]
    fn what_is_cut_says_how_much() {
        let long = printed(None, Some(json!("ä".repeat(LINE_LETTERS_MAX + 7))));
        assert!(long.ends_with("ä... (7 more characters)\n"), "{long}");
        let long = printed(None, Some(json!("ä".repeat(LINE_LETTERS_MAX + 1))));
        assert!(long.ends_with("ä... (1 more character)\n"), "{long}");
        let lines = printed(None, Some(json!("line\n".repeat(LINES_MAX + 1))));
        assert!(lines.ends_with("    + ... (1 more line)\n"), "{lines}");
        let lines = printed(None, Some(json!("line\n".repeat(LINES_MAX + 3))));
        assert!(lines.ends_with("    + ... (3 more lines)\n"), "{lines}");
        assert_eq!(lines.lines().count(), LINES_MAX + 2);
    }

    #[test]
    fn what_is_left_out_is_alike_on_both_sides() {
        let texts = ["", "a", "b", "a\na", "a\nb", "b\na\nb", "a\na\na", "\n", "a\n\nb"];
        for before in texts {
            for after in texts {
                let (gone, new) = changed_lines(before, after);
                let kept = before.lines().count() - gone.len();
                assert_eq!(kept, after.lines().count() - new.len(), "{before:?} {after:?}");
                let nothing = gone.is_empty() && new.is_empty();
                assert_eq!(nothing, before.lines().eq(after.lines()), "{before:?} {after:?}");
            }
        }
    }
}
