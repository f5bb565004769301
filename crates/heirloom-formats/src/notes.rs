//! Notes as Markdown or plain text, with or without front matter.
//!
//! Keys: `f` and the order for each line of the front matter (its fences
//! too), `body` for the text behind it, `folder`, `name` and `ending` for
//! where its file stood. A file that only stands beside notes has `bytes`
//! instead, and is kept as it is.

mod attachment;
mod front_matter;
mod place;
mod title;

use crate::births::Slot;
use crate::encoding;
use crate::format::Format;
use crate::item::{Item, ItemError, RawItem, Split};
use crate::layout::{self, Unit};
use crate::merge::{Lines, Replacement};
use crate::{Edits, FieldEdit, FieldError, Operation, Projection, file_name, line, merge, order};
use front_matter::{ID, Kind, TITLE, entry, is_fence};
use heirloom_base::limits;
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{CategorySpec, Content, Value};
use place::{ENDING, FOLDER, NAME, NOTE_ENDINGS};
use serde_json::Value as Json;
use std::collections::BTreeMap;

const FRONT: &str = "f";
const BODY: &str = "body";
/// Lines of a note above which they tell whether it is another one; below,
/// its words do.
const LINES_TELLING: usize = 4;
const USUAL_EOL: &str = "\n";

/// Notes.
#[derive(Debug)]
pub(crate) struct Notes;

/// As [`crate::is_note`].
pub(crate) fn is_note(name: &str) -> bool {
    file_name::ends_in(name, NOTE_ENDINGS)
}

/// As [`crate::holds_attachment`].
pub(crate) fn holds_attachment(content: &Content) -> bool {
    attachment::is_in(content)
}

/// As [`crate::is_attachment`].
pub(crate) fn is_attachment(name: &str, bytes: &[u8]) -> bool {
    match file_name::ending_of(name) {
        // A dot at the end of a name is no ending of its own.
        Some(_) => !is_note(name),
        None => bytes.len() > limits::CARD_TEXT_BYTES_MAX || !is_text(bytes),
    }
}

/// As [`crate::stands_beside_notes`].
pub(crate) fn stands_beside_notes(name: &str) -> bool {
    file_name::ends_in(name, attachment::ENDINGS)
}

impl Format for Notes {
    fn category(&self) -> &'static CategorySpec {
        &NOTES
    }

    fn recognises(&self, name: &str, bytes: &[u8]) -> bool {
        is_note(name) && self.accepts(name, bytes)
    }

    fn accepts(&self, name: &str, bytes: &[u8]) -> bool {
        is_attachment(name, bytes) || !bytes.contains(&0)
    }

    fn file_bytes_max(&self, name: &str) -> usize {
        // Without an ending, the bytes tell.
        if is_note(name) { limits::CARD_TEXT_BYTES_MAX } else { limits::CARD_PHOTO_BYTES_MAX }
    }

    fn split(&self, name: &str, bytes: &[u8]) -> Split {
        let mut split = Split::default();
        if let Some(reason) = excess(name, bytes) {
            split.skip(1, reason);
        } else {
            let (name, bytes) = (name.to_owned(), bytes.to_vec());
            split.items.push(RawItem { category: &NOTES, name, line: 1, bytes });
        }
        split
    }

    fn parse(&self, raw: &RawItem) -> Result<Item, ItemError> {
        if let Some(reason) = excess(&raw.name, &raw.bytes) {
            return Err(ItemError::new(raw.line, reason));
        }
        if is_attachment(&raw.name, &raw.bytes) {
            let content = place::placed(attachment::stored(&raw.bytes), &raw.name, None);
            return Ok(Item { category: &NOTES, uid: None, content, is_whole: true });
        }
        let content = stored(&raw.bytes);
        if units(&content).len() > limits::CARD_PROPERTIES_MAX {
            return Err(ItemError::new(raw.line, "the front matter has more than 1000 lines"));
        }
        let uid = identity_of(&content);
        let content = place::placed(content, &raw.name, uid.as_deref());
        Ok(Item { category: &NOTES, uid, content, is_whole: true })
    }

    fn fingerprint(&self, content: &Content) -> Vec<Vec<u8>> {
        let place = place::fingerprint(content);
        if attachment::is_in(content) {
            return vec![b"attachment".to_vec(), place, attachment::bytes(content).to_vec()];
        }
        let front = units(content);
        let front = front.iter().map(|unit| line::without_terminator(unit.raw()).to_vec());
        let body = content.get(BODY).and_then(Value::as_raw).unwrap_or_default();
        [place, body.to_vec()].into_iter().chain(front).collect()
    }

    fn render(&self, content: &Content, uid: Option<&str>) -> Vec<u8> {
        if attachment::is_in(content) {
            return attachment::bytes(content).to_vec();
        }
        let settled = merge::settled(self, content, |bytes| {
            let place = [FOLDER, NAME, ENDING].into_iter();
            let place = place.filter_map(|key| content.get_key_value(key));
            let mut imported = stored(bytes);
            imported.extend(place.map(|(key, value)| (key.clone(), value.clone())));
            Some(imported)
        });
        let content = settled.as_ref().unwrap_or(content);
        let uid = uid.filter(|uid| identity_of(content).is_none() && !names(content, uid));
        let body = content.get(BODY).and_then(Value::as_raw).unwrap_or_default();
        let front = units(content);
        let mut file = Vec::new();
        if let (Some(uid), true) = (uid, front.is_empty()) {
            let has_ends = body.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            let eol = if has_ends { layout::eol_in(body) } else { USUAL_EOL };
            let id = front_matter::written(Kind::Yaml, ID, uid);
            file.extend(format!("---{eol}{id}{eol}---{eol}").into_bytes());
        }
        let eol = layout::eol_of(content, USUAL_EOL);
        let mut lines = written(&front, eol);
        if let Some(uid) = uid {
            front_matter::identify(&mut lines, uid, eol);
        }
        lines.iter().for_each(|line| file.extend_from_slice(line));
        if body.is_empty() {
            layout::close(content, eol, &mut file);
        }
        file.extend_from_slice(body);
        file
    }

    fn file_stem(&self, content: &Content, uid: &str) -> String {
        format!("{}-{}", place::stem(content), file_name::short(uid))
    }

    fn file_path(&self, content: &Content, stem: &str) -> String {
        place::path(content, stem)
    }

    fn preferred_stem(&self, content: &Content) -> Option<String> {
        Some(place::stem(content))
    }

    fn create(&self, edits: &[FieldEdit], uid: &str, _now_ms: u64) -> Result<Content, FieldError> {
        if !edits.iter().any(|edit| edit.values().iter().any(|value| !value.is_empty())) {
            return Err(FieldError::Required { field: TITLE.to_owned() });
        }
        let content = stored(
            format!("---\n{}\n---\n", front_matter::written(Kind::Yaml, ID, uid)).as_bytes(),
        );
        let content = layout::changed(&content, &self.edit(&content, edits, "00000000")?);
        Ok(stored(&self.render(&content, None)))
    }

    fn edit(
        &self,
        content: &Content,
        edits: &[FieldEdit],
        _tie: &str,
    ) -> Result<Edits, FieldError> {
        if let Some(edit) = edits.first().filter(|_| attachment::is_in(content)) {
            return Err(attachment::refused(edit));
        }
        let mut note = content.clone();
        for edit in edits {
            let Operation::Set(values) = &edit.operation else {
                return Err(FieldError::Single { field: edit.field.clone() });
            };
            let value = values.first().map(String::as_str);
            if edit.field == BODY {
                note.insert(BODY.to_owned(), Value::Text(value.unwrap_or_default().to_owned()));
                continue;
            }
            let value = value.map(str::trim).filter(|value| !value.is_empty());
            if value.is_some_and(|value| value.contains(['\n', '\r'])) {
                return Err(FieldError::Value {
                    field: edit.field.clone(),
                    value: value.unwrap_or_default().to_owned(),
                    expected: "one line of text",
                });
            }
            title::set(&mut note, value);
        }
        Ok(layout::difference(content, &note))
    }

    fn lines(&self) -> &dyn Lines {
        self
    }

    fn replace(
        &self,
        base: &Content,
        current: &Content,
        imported: &Content,
        tie: &str,
    ) -> Replacement {
        let only_identity = [base, current].iter().all(|one| units(one).is_empty())
            && units(imported).iter().all(|unit| is_fence(unit.raw()) || self.is_identity(unit));
        let mut imported = imported.clone();
        if only_identity {
            // The front matter that an export added to carry the uid.
            let is_front = |key: &str| {
                self.cut(key).is_some() || [layout::EOL, layout::OPEN_END].contains(&key)
            };
            imported.retain(|key, _| !is_front(key));
        }
        merge::replace(self, base, current, &imported, tie)
    }

    fn project(&self, content: &Content) -> Projection {
        if attachment::is_in(content) {
            return attachment::project(content);
        }
        let mut projection = Projection::default();
        let body = text_of(content.get(BODY));
        let title = value_of(content, TITLE)
            .or_else(|| heading(&body))
            .or_else(|| content.get(NAME).and_then(Value::as_str).map(str::to_owned))
            .or_else(|| first_line(&body));
        if let Some(title) = &title {
            projection.push(TITLE, Json::String(title.clone()), None);
            projection.search_for(title);
        }
        for unit in units(content).iter().filter(|unit| !is_fence(unit.raw())) {
            // The names of entries are nobody's words.
            let line = encoding::guessed(unit.raw());
            let value = entry(unit.raw()).and_then(|_| line.split_once([':', '=']));
            if !front_matter::is_identity(unit.raw()) {
                projection.search_for(value.map_or(line.as_str(), |(_, value)| value));
            }
        }
        if let Some(folder) = content.get(FOLDER).and_then(Value::as_str) {
            projection.search_for(folder);
        }
        if content.contains_key(BODY) {
            projection.search_for(&body);
            projection.push(BODY, Json::String(body), None);
        }
        projection.title = title.unwrap_or_else(|| "(untitled)".to_owned());
        projection
    }

    fn field_of(&self, key: &str, value: &Value) -> Option<String> {
        match (key, self.cut(key)) {
            (BODY, _) => Some(BODY.to_owned()),
            (FOLDER | NAME | ENDING, _) => Some(key.to_owned()),
            (attachment::BYTES, _) => Some("attachment".to_owned()),
            (_, Some(_)) => {
                let line = value.as_raw()?;
                let is_title = || front_matter::value_of(&[line], TITLE).map(|_| TITLE.to_owned());
                entry(line).map(|(name, _)| name).or_else(is_title)
            }
            (_, None) => None,
        }
    }

    fn is_bookkeeping(&self, key: &str, _value: &Value) -> bool {
        [layout::EOL, layout::OPEN_END].contains(&key)
    }

    fn is_structure(&self, key: &str, value: &Value) -> bool {
        let line = value.as_raw().filter(|_| self.cut(key).is_some());
        key == ENDING || line.is_some_and(|line| is_fence(line) || front_matter::is_identity(line))
    }

    fn part_of(&self, key: &str) -> Option<&'static str> {
        self.cut(key).map(|_| "front matter")
    }
}

impl Lines for Notes {
    fn cut(&self, key: &str) -> Option<usize> {
        layout::cut_after(key, FRONT)
    }

    fn is_identity(&self, unit: &Unit<'_>) -> bool {
        front_matter::is_identity(unit.raw())
    }

    fn slot(&self, unit: &Unit<'_>) -> Slot {
        match entry(unit.raw()) {
            _ if is_fence(unit.raw()) => Slot::Frame,
            Some((name, _)) => Slot::One(name),
            None if unit.raw().trim_ascii_start().starts_with(b"- ") => Slot::Item,
            None => Slot::Behind,
        }
    }
}

/// Returns the lines of the front matter as they stand in the file. Where one
/// device took the last entry away, and the fences with it, and another one gave
/// it a value, they stand around that.
fn written(front: &[Unit<'_>], eol: &str) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::with_capacity(front.len() + 2);
    for unit in front {
        let mut line = Vec::new();
        layout::write(unit.value, eol, &mut line);
        lines.push(line);
    }
    let is_missing = |unit: Option<&Unit<'_>>| unit.is_some_and(|unit| !is_fence(unit.raw()));
    let fence = || format!("---{eol}").into_bytes();
    if is_missing(front.first()) {
        lines.insert(0, fence());
    }
    if is_missing(front.last()) || lines.len() == 1 {
        lines.push(fence());
    }
    lines
}

/// Returns the lines of the front matter in order.
fn units(content: &Content) -> Vec<Unit<'_>> {
    layout::units(content, |key| Notes.cut(key))
}

/// Returns the content that keeps these bytes, without a name.
fn stored(bytes: &[u8]) -> Content {
    let mut content = Content::new();
    let (front, body) = bytes.split_at(front_matter::length(bytes));
    if !front.is_empty() {
        layout::note_line_ends(&mut content, front, USUAL_EOL);
    }
    let eol = layout::eol_in(front);
    for (index, line) in line::physical_lines(front).enumerate() {
        let key = format!("{FRONT}{}", order::ordinal(index));
        content.insert(key, layout::stored(line, eol));
    }
    let body = match String::from_utf8(body.to_vec()) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Bytes(error.into_bytes()),
    };
    content.insert(BODY.to_owned(), body);
    content
}

/// As [`crate::is_likely_one`].
pub(crate) fn is_likely_one(one: &Content, other: &Content) -> bool {
    if [one, other].into_iter().any(attachment::is_in) {
        return false;
    }
    let (old, new) = (text_of(one.get(BODY)), text_of(other.get(BODY)));
    let (old_lines, new_lines) = (counted(old.lines()), counted(new.lines()));
    if old_lines.values().sum::<usize>().min(new_lines.values().sum()) >= LINES_TELLING {
        return mostly_common(&old_lines, &new_lines);
    }
    let [old, new] = [one, other].map(words);
    let [old, new] = [&old, &new].map(|words| counted(words.iter().map(String::as_str)));
    old.is_empty() || mostly_common(&old, &new)
}

/// As [`crate::closeness`].
pub(crate) fn closeness(one: &Content, other: &Content) -> u32 {
    if [one, other].into_iter().any(attachment::is_in) {
        return 0;
    }
    let words = [one, other].map(words);
    let all: usize = words.iter().map(Vec::len).sum();
    let [one, other] = words.each_ref().map(|words| counted(words.iter().map(String::as_str)));
    let thousandths = (common(&one, &other) * 2000).checked_div(all).unwrap_or(1000);
    u32::try_from(thousandths).unwrap_or(1000)
}

/// Returns the words of a note, those of its title first.
fn words(content: &Content) -> Vec<String> {
    let title = value_of(content, TITLE).unwrap_or_default();
    let body = text_of(content.get(BODY));
    title.split_whitespace().chain(body.split_whitespace()).map(str::to_owned).collect()
}

/// Counts pieces of text that are not blank.
fn counted<'a>(pieces: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for piece in pieces.map(str::trim).filter(|piece| !piece.is_empty()) {
        *counts.entry(piece).or_default() += 1;
    }
    counts
}

/// Returns whether at least half of the shorter list stands in the other.
fn mostly_common(one: &BTreeMap<&str, usize>, other: &BTreeMap<&str, usize>) -> bool {
    let common = common(one, other);
    let shorter = one.values().sum::<usize>().min(other.values().sum());
    common > 0 && common * 2 >= shorter
}

/// Counts the pieces that stand in both lists.
fn common(one: &BTreeMap<&str, usize>, other: &BTreeMap<&str, usize>) -> usize {
    let common = |(piece, count): (&&str, &usize)| {
        other.get(piece).map_or(0, |found: &usize| *found.min(count))
    };
    one.iter().map(common).sum()
}

/// Returns whether bytes are a text; of one that was cut off, a part.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && !bytes.contains(&0)
}

/// Returns why a file is too large, if it is.
fn excess(name: &str, bytes: &[u8]) -> Option<&'static str> {
    let (limit, reason) = match is_attachment(name, bytes) {
        true => (limits::CARD_PHOTO_BYTES_MAX, "the attachment is larger than 10 MiB"),
        false => (limits::CARD_TEXT_BYTES_MAX, "the note is larger than 1 MiB"),
    };
    (bytes.len() > limit).then_some(reason)
}

/// Returns the value of an entry of the front matter.
fn value_of(content: &Content, name: &str) -> Option<String> {
    let front = units(content);
    let lines: Vec<&[u8]> = front.iter().map(Unit::raw).collect();
    front_matter::value_of(&lines, name)
}

/// Returns the identifier that the note itself carries.
fn identity_of(content: &Content) -> Option<String> {
    let front = units(content);
    let lines: Vec<&[u8]> = front.iter().map(Unit::raw).collect();
    front_matter::identity(&lines)
}

/// Returns whether a note holds a text where an identifier may stand.
fn names(content: &Content, uid: &str) -> bool {
    let front = units(content);
    let lines: Vec<&[u8]> = front.iter().map(Unit::raw).collect();
    front_matter::names(&lines, uid)
}

fn text_of(value: Option<&Value>) -> String {
    let raw = value.and_then(Value::as_raw).unwrap_or_default();
    encoding::guessed(raw)
}

/// Returns the first line that is not blank. A lone carriage return ends a
/// line where there is no line feed.
fn first_filled(body: &str) -> Option<&str> {
    let end = if body.contains('\n') { '\n' } else { '\r' };
    let mut lines = body.trim_start_matches('\u{feff}').split(end);
    lines.find(|line| !line.trim().is_empty())
}

fn first_line(body: &str) -> Option<String> {
    const TITLE_LETTERS_MAX: usize = 80;
    let line = first_filled(body)?;
    Some(line.trim().chars().take(TITLE_LETTERS_MAX).collect())
}

/// Returns the heading that a text begins with.
fn heading(body: &str) -> Option<String> {
    let title = first_filled(body)?.strip_prefix("# ")?.trim().trim_end_matches('#').trim();
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests;
