//! Lines as keys and values of a record.
//!
//! A value is a line without its terminator where that is the record's usual
//! one, and with it where it is another. So every byte comes back.

use crate::line::{self, Property};
use crate::{Edits, order};
use heirloom_base::{hash, id};
use heirloom_schema::{Content, Value};
use std::collections::BTreeSet;

/// The record's line end, where it is not CR LF.
pub(crate) const EOL: &str = "eol";
/// Present where the last line has no line end.
pub(crate) const OPEN_END: &str = "open";

/// Returns the line end of an item: that of its first line.
pub(crate) fn eol_in(bytes: &[u8]) -> &'static str {
    let first = line::physical_lines(bytes).next().unwrap_or_default();
    match first.strip_prefix(line::without_terminator(first)) {
        Some(b"\n") => "\n",
        Some(b"\r") => "\r",
        Some(_) | None => "\r\n",
    }
}

/// Notes the line end of an item, and whether its last line has one.
pub(crate) fn note_line_ends(content: &mut Content, bytes: &[u8], usual: &str) {
    let eol = eol_in(bytes);
    if eol != usual {
        content.insert(EOL.to_owned(), Value::Str(eol.to_owned()));
    }
    if !bytes.is_empty() && !ends_line(bytes) {
        content.insert(OPEN_END.to_owned(), Value::Int(1));
    }
}

/// Returns the record's line end.
pub(crate) fn eol_of<'a>(content: &'a Content, usual: &'a str) -> &'a str {
    match content.get(EOL).and_then(Value::as_str) {
        Some(eol @ ("\n" | "\r" | "\r\n")) => eol,
        Some(_) | None => usual,
    }
}

fn ends_line(bytes: &[u8]) -> bool {
    matches!(bytes.last(), Some(b'\n' | b'\r'))
}

/// Returns the value that stands for a line with its terminator.
pub(crate) fn stored(line: &[u8], eol: &str) -> Value {
    let bare = line.strip_suffix(eol.as_bytes()).filter(|bare| !ends_line(bare));
    let bytes = bare.unwrap_or(line).to_vec();
    match String::from_utf8(bytes) {
        Ok(text) => Value::Str(text),
        Err(error) => Value::Bytes(error.into_bytes()),
    }
}

/// Appends the line that a value stands for, with its terminator.
pub(crate) fn write(value: &Value, eol: &str, file: &mut Vec<u8>) {
    let Some(raw) = value.as_raw() else { return };
    file.extend_from_slice(raw);
    if !ends_line(raw) {
        file.extend_from_slice(eol.as_bytes());
    }
}

/// Ends a file whose last line has no line end.
pub(crate) fn close(content: &Content, eol: &str, file: &mut Vec<u8>) {
    if content.contains_key(OPEN_END) && file.ends_with(eol.as_bytes()) {
        file.truncate(file.len() - eol.len());
    }
}

/// Returns the blank lines that stand behind a line, and with it in its value.
fn blank_lines(raw: &[u8]) -> &[u8] {
    let lines: Vec<&[u8]> = line::physical_lines(raw).collect();
    let blank = lines.iter().rev().take_while(|line| line::without_terminator(line).is_empty());
    let length: usize = blank.map(|line| line.len()).sum();
    raw.get(raw.len() - length..).unwrap_or_default()
}

/// Gives a key another line; the blank lines behind the old one stay.
pub(crate) fn put(content: &mut Content, key: &str, line: Value, eol: &str) {
    let blank = content.get(key).and_then(Value::as_raw).map(blank_lines).unwrap_or_default();
    let value = match blank.is_empty() {
        true => line,
        false => {
            let mut bytes = Vec::new();
            write(&line, eol, &mut bytes);
            bytes.extend_from_slice(blank);
            stored(&bytes, eol)
        }
    };
    content.insert(key.to_owned(), value);
}

/// Takes a line away; the blank lines behind it stay under its key.
pub(crate) fn take(content: &mut Content, key: &str, eol: &str) {
    let blank = content.get(key).and_then(Value::as_raw).map(blank_lines).unwrap_or_default();
    match blank.is_empty() {
        true => content.remove(key),
        false => content.insert(key.to_owned(), stored(blank, eol)),
    };
}

/// One line of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit<'a> {
    /// The key.
    pub(crate) key: &'a str,
    /// Where the order begins in the key; before it stands the sequence.
    pub(crate) cut: usize,
    /// The value.
    pub(crate) value: &'a Value,
}

impl<'a> Unit<'a> {
    /// The sequence of lines that it belongs to.
    pub(crate) fn sequence(&self) -> &'a str {
        self.key.get(..self.cut).unwrap_or_default()
    }

    /// Its place in the file.
    pub(crate) fn order(&self) -> &'a str {
        self.key.get(self.cut..).unwrap_or_default()
    }

    /// Its bytes; none where they are stored as chunks.
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.value.as_raw().unwrap_or_default()
    }

    /// The name of its property.
    pub(crate) fn name(&self) -> Option<String> {
        line::name_of(self.raw())
    }

    /// Its property, read.
    pub(crate) fn property(&self) -> Option<Property> {
        Property::read(self.raw())
    }
}

/// Returns the lines among a record's keys, in the order of the file. `cut`
/// tells where the order begins in a key that belongs to a line.
pub(crate) fn units<'a>(
    content: &'a Content,
    cut: impl Fn(&str) -> Option<usize>,
) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit<'a>> = content
        .iter()
        .filter_map(|(key, value)| Some(Unit { key, cut: cut(key)?, value }))
        .collect();
    units.sort_by_key(|unit| (unit.order(), unit.key));
    units
}

/// Returns where the order begins in a key of a sequence.
pub(crate) fn cut_after(key: &str, sequence: &str) -> Option<usize> {
    let order = key.strip_prefix(sequence)?;
    order.starts_with(|letter: char| letter.is_ascii_hexdigit()).then_some(sequence.len())
}

/// Returns the edits that lead from one content to another.
pub(crate) fn difference(from: &Content, to: &Content) -> Edits {
    let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), None));
    let new = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
    gone.chain(new.map(|(key, value)| (key.clone(), Some(value.clone())))).collect()
}

/// Returns a content after edits: the other way of [`difference`].
pub(crate) fn changed(content: &Content, edits: &Edits) -> Content {
    let mut changed = content.clone();
    for (key, value) in edits {
        match value {
            Some(value) => changed.insert(key.clone(), value.clone()),
            None => changed.remove(key),
        };
    }
    changed
}

/// The places that are taken, to find room between them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    taken: BTreeSet<String>,
}

impl Places {
    pub(crate) fn of(units: &[Unit<'_>]) -> Self {
        Self { taken: units.iter().map(|unit| unit.order().to_owned()).collect() }
    }

    /// Takes the place right behind `low`.
    pub(crate) fn after(&mut self, low: Option<&str>, tie: &str) -> String {
        let order = self.behind(low, tie);
        self.taken.insert(order.clone());
        order
    }

    /// Takes the place of a line right behind `low`: two devices that add the
    /// same line there meet in one key. `tie` is for a place that is taken.
    pub(crate) fn of_line(&mut self, low: Option<&str>, line: &Value, tie: &str) -> String {
        let own = line_tie(line);
        let is_taken = self.taken.contains(&self.behind(low, &own));
        self.after(low, if is_taken { tie } else { &own })
    }

    fn behind(&self, low: Option<&str>, tie: &str) -> String {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = low.map_or(Unbounded, Excluded);
        let high = self.taken.range::<str, _>((start, Unbounded)).next();
        order::between(low, high.map(String::as_str), tie)
    }
}

/// Returns the tie of a property that a record has once: two devices that add
/// it at the same time meet in one key, and their values in one conflict.
pub(crate) fn single_tie(property: &str) -> String {
    id::to_hex(&hash::truncate::<4>(hash::content("line key", &[property.as_bytes()])))
}

/// Returns the tie of a line that a record may have several of: what two
/// devices add is one line where it is the same, and two where it is not.
fn line_tie(line: &Value) -> String {
    let raw = line.as_raw().unwrap_or_default();
    id::to_hex(&hash::truncate::<4>(hash::content("added line", &[raw])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TIE;
    use proptest::prelude::*;

    #[test]
    fn a_usual_line_end_is_left_out_and_another_is_kept() {
        assert_eq!(stored(b"A:1\r\n", "\r\n"), Value::Str("A:1".into()));
        assert_eq!(stored(b"A:1\n", "\r\n"), Value::Str("A:1\n".into()));
        assert_eq!(stored(b"A:1\r\n 2\r\n", "\r\n"), Value::Str("A:1\r\n 2".into()));
        assert_eq!(stored(b"A:\xff\n", "\n"), Value::Bytes(b"A:\xff".to_vec()));
    }

    #[test]
    fn a_place_is_free_behind_every_place() {
        let mut places = Places { taken: BTreeSet::new() };
        let first = places.after(None, "00000000");
        let last = places.after(Some(&first), "00000000");
        let between = places.after(Some(&first), "00000000");
        assert!(first < between && between < last);
    }

    #[test]
    fn the_place_of_a_line_follows_from_the_line_unless_it_is_taken() {
        let line = Value::Str("TEL:2".into());
        let places =
            |taken: &[&str]| Places { taken: taken.iter().map(ToString::to_string).collect() };
        let own = places(&["5"]).of_line(Some("5"), &line, TIE);
        assert_eq!(own, "a.3c4d1980");
        assert_ne!(places(&["5"]).of_line(Some("5"), &Value::Str("TEL:3".into()), TIE), own);
        // Only a foreign hand makes keys between which the same place comes twice.
        let foreign = ["5", "5/", "57.3c4d1980"];
        assert_eq!(places(&foreign[..2]).of_line(Some("5"), &line, TIE), foreign[2]);
        assert_eq!(places(&foreign).of_line(Some("5"), &line, TIE), format!("57.{TIE}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn lines_come_back_byte_for_byte(bytes in prop::collection::vec(
            prop::sample::select(b"AB: \r\n\xff".to_vec()), 0..40)
        ) {
            let mut content = Content::new();
            note_line_ends(&mut content, &bytes, "\r\n");
            let eol = eol_of(&content, "\r\n").to_owned();
            let mut file = Vec::new();
            for line in line::content_lines(&bytes) {
                write(&stored(line.bytes, &eol), &eol, &mut file);
            }
            close(&content, &eol, &mut file);
            prop_assert_eq!(file, bytes);
        }
    }
}
