//! Files and records: vCard, iCalendar, Markdown and JSON, without a loss.
//!
//! A record keeps the lines of the file that it came from, byte for byte, one
//! key for each line. They are parsed to be shown and searched, and to find
//! the line that an edit touches; a line that nobody touched is never written
//! anew. Nothing here opens a file or follows an address.
//!
//! A walk: [`split`] cuts a file into [`RawItem`]s, and a bad one is left out
//! without harm to the others; [`reading`] tells how one of any size is cut
//! while it is read. [`parse`] turns an item into [`Content`] whose
//! keys sort in the order of the lines. [`edit`] and [`replace`] answer with
//! the keys that change; [`project`] shows the fields; [`render`] gives the
//! file back.

mod apps;
mod births;
mod calendar;
mod caps;
mod contacts;
mod diff;
mod encoding;
mod fields;
mod file_name;
mod fold;
mod format;
mod import;
mod item;
mod layout;
mod line;
mod merge;
mod moment;
mod notes;
mod order;
mod projection;
mod rewrite;
mod settings;
#[cfg(test)]
mod testing;
mod text;

pub use births::{Rival, United, Version, component_of, is_line, unite};
pub use calendar::occurrences::{
    Allowance, Occurrence, Occurrences, Span, Times, Window, WindowError,
};
pub use contacts::CardCutter;
pub use fields::{FieldEdit, FieldError, Operation, parse_assignment, parse_assignments};
pub use fold::{SearchQuery, search_text};
pub use import::{Import, Standing, parts_of, taken};
pub use item::{Fate, Item, ItemError, NotRecognised, Part, RawItem, Skipped, Split};
pub use projection::{ProjectedValue, Projection};

use format::format_of;
use heirloom_base::{hash, id};
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{CategorySpec, Content, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Changes of a record: new values by key, `None` removes the key.
pub type Edits = Vec<(String, Option<Value>)>;

/// What the uid of an item without one of its own begins with.
const CONTENT_UID_PREFIX: &str = "h-";

/// Cuts a file into items. The kind is found by content, or is `category`'s.
///
/// `name` is the file's path relative to what is imported, with `/`.
///
/// # Errors
/// When the file is of no known kind, or not of the kind that was asked for.
pub fn split(name: &str, bytes: &[u8], category: Option<&str>) -> Result<Split, NotRecognised> {
    let (bytes, wide) = match is_kept(name, bytes, category) {
        true => (Cow::Borrowed(bytes), None),
        false => encoding::narrow(bytes),
    };
    let format = format::recognise(name, &bytes, category)?;
    let mut split = format.split(name, &bytes);
    if let Some(wide) = wide {
        split.items.iter_mut().for_each(|item| item.bytes = wide.written(&item.bytes));
    }
    Ok(split)
}

/// How much of a file is held at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// All of it: then it may be as large as this many bytes.
    Whole(usize),
    /// One part after the other, by a [`CardCutter`], whatever its size.
    InParts,
}

/// Bytes at the beginning of a file by which [`reading`] tells its kind.
pub const HEAD_BYTES: usize = heirloom_base::limits::CARD_TEXT_BYTES_MAX + 1;

/// Bytes of a file in UTF-16, which is translated as a whole.
const WIDE_FILE_BYTES_MAX: usize = 2 * heirloom_base::limits::CARD_FILE_BUFFER_BYTES_MAX;

/// Returns how a file is to be read that begins with `head`: the whole file,
/// or its first [`HEAD_BYTES`].
///
/// # Errors
/// As [`split`].
pub fn reading(name: &str, head: &[u8], category: Option<&str>) -> Result<Reading, NotRecognised> {
    let is_kept = is_kept(name, head, category);
    let is_wide = !is_kept && encoding::is_wide(head);
    let head = if is_wide { encoding::whole_units(head) } else { head };
    let text = if is_kept { Cow::Borrowed(head) } else { encoding::narrow(head).0 };
    let format = format::recognise(name, &text, category)?;
    let bytes_max = format.file_bytes_max(name);
    Ok(match format.is_cut_while_read() {
        _ if is_wide => Reading::Whole((2 * bytes_max).min(WIDE_FILE_BYTES_MAX)),
        true => Reading::InParts,
        false => Reading::Whole(bytes_max),
    })
}

/// Cuts a whole file into items, as [`split`], but each when it is asked for.
///
/// # Errors
/// As [`split`].
pub fn parts<'a>(
    name: &str,
    bytes: &'a [u8],
    category: Option<&str>,
) -> Result<Box<dyn Iterator<Item = Part> + 'a>, NotRecognised> {
    if !is_kept(name, bytes, category) && encoding::is_wide(bytes) {
        return split(name, bytes, category).map(|split| Box::new(split.into_iter()) as _);
    }
    Ok(format::recognise(name, bytes, category)?.parts(name, bytes))
}

/// Returns whether a file of a category is no text that may be in UTF-16.
fn is_kept(name: &str, bytes: &[u8], category: Option<&str>) -> bool {
    category.is_some_and(|id| id == NOTES.id) && is_attachment(name, bytes)
}

/// Reads one item as the content of a record. No key is reserved to the house.
///
/// # Errors
/// When the item is not whole, or passes a limit.
pub fn parse(raw: &RawItem) -> Result<Item, ItemError> {
    let (bytes, mark) = match is_kept(&raw.name, &raw.bytes, Some(raw.category.id)) {
        true => (Cow::Borrowed(raw.bytes.as_slice()), None),
        false => encoding::plain(&raw.bytes),
    };
    let Some(mark) = mark else {
        return format_of(raw.category).parse(raw);
    };
    let bytes = bytes.into_owned();
    let mut item = format_of(raw.category).parse(&RawItem { bytes, ..raw.clone() })?;
    item.content.insert(encoding::KEY.to_owned(), mark.value());
    Ok(item)
}

/// Returns the uid of an item that carries none: a hash over its lines.
#[must_use]
pub fn content_uid(item: &Item) -> String {
    uid_of_content(item.category, &item.content)
}

/// Returns whether a uid is a hash over an item's lines.
#[must_use]
pub fn is_content_uid(uid: &str) -> bool {
    uid.starts_with(CONTENT_UID_PREFIX)
}

fn uid_of_content(category: &CategorySpec, content: &Content) -> String {
    let lines = format_of(category).fingerprint(content);
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let hash: [u8; 16] = hash::truncate(hash::content("content uid", &lines));
    format!("{CONTENT_UID_PREFIX}{}", id::to_hex(&hash))
}

/// Returns a record's file: what was parsed, byte for byte, and what was edited.
///
/// `uid` is written out with it where the lines neither carry nor determine it.
/// Chunked values must have been replaced by their bytes.
#[must_use]
pub fn render(category: &CategorySpec, content: &Content, uid: &str) -> Vec<u8> {
    let determined =
        uid.starts_with(CONTENT_UID_PREFIX) && uid_of_content(category, content) == uid;
    let file = format_of(category).render(content, (!determined).then_some(uid));
    match encoding::Mark::of(content) {
        Some(mark) => mark.written(&file),
        None => file,
    }
}

/// Returns the name of a record's file: safe on every system, readable, and
/// unlike that of any other uid. A note has its folder before it, with `/`.
#[must_use]
pub fn file_name(category: &CategorySpec, content: &Content, uid: &str) -> String {
    let format = format_of(category);
    format.file_path(content, &format.file_stem(content, uid))
}

/// Returns the name that a record's file should have, where it matters to
/// those who refer to it. Another record may want the same one; then all of
/// them take their [`file_name`].
#[must_use]
pub fn preferred_file_name(category: &CategorySpec, content: &Content) -> Option<String> {
    let format = format_of(category);
    Some(format.file_path(content, &format.preferred_stem(content)?))
}

/// Returns whether two notes are likely one, changed: at least half of the
/// lines of the shorter one stand in the other, blank ones not counted, or of
/// a short note half of its words. One without text may become anything.
/// Records of other categories carry what identifies them.
#[must_use]
pub fn is_likely_one(category: &CategorySpec, one: &Content, other: &Content) -> bool {
    is_note_category(category) && notes::is_likely_one(one, other)
}

/// Returns how much of their words two notes share, titles included, in
/// thousandths: 1000 where one has no word that the other lacks. Other records
/// share nothing.
#[must_use]
pub fn closeness(category: &CategorySpec, one: &Content, other: &Content) -> u32 {
    if is_note_category(category) { notes::closeness(one, other) } else { 0 }
}

/// Returns whether a file is a note by its name.
#[must_use]
pub fn is_note(name: &str) -> bool {
    notes::is_note(name)
}

/// Returns whether a file, as an item of notes, is kept as it is: one whose
/// ending is none of a note's, or that has no ending and is no text.
#[must_use]
pub fn is_attachment(name: &str, bytes: &[u8]) -> bool {
    notes::is_attachment(name, bytes)
}

/// Returns whether a file, by its name, is of a kind that often stands beside
/// notes: a picture, a sound, a document.
#[must_use]
pub fn stands_beside_notes(name: &str) -> bool {
    notes::stands_beside_notes(name)
}

/// Returns whether a hidden folder, by its name, holds what notes beside it
/// refer to.
#[must_use]
pub fn is_attachment_folder(name: &str) -> bool {
    file_name::is_attachment_folder(name)
}

/// Returns whether a file, by its name, is of a kind that is read for what it
/// holds: among notes too it is none of them, even if it cannot be read.
#[must_use]
pub fn is_read(name: &str) -> bool {
    [contacts::ENDINGS, calendar::ENDINGS].iter().any(|known| file_name::ends_in(name, known))
}

/// Returns whether a file that stands beside notes is kept as it is, whatever it
/// may look like: no card and no calendar, and nothing that its name says to be
/// a note or settings.
#[must_use]
pub fn is_kept_beside_notes(name: &str, head: &[u8]) -> bool {
    let head = head.strip_prefix(encoding::MARK).unwrap_or(head).trim_ascii_start();
    let is_component = head.get(..7).is_some_and(|head| head.eq_ignore_ascii_case(b"BEGIN:V"));
    let settings = ["json", heirloom_schema::category::apps::APPS.extension];
    !is_component && !file_name::ends_in(name, &settings) && !is_read(name) && !is_note(name)
}

/// Returns whether an event ends before it starts, or at a day where it starts
/// at a time: no edit makes it so, but two that were made apart can.
#[must_use]
pub fn ends_early(category: &CategorySpec, content: &Content) -> bool {
    let is_event = category.number == heirloom_schema::category::calendar::CALENDAR.number;
    is_event && calendar::ends_early(content)
}

/// Returns whether a record is a file beside notes: bytes that are no text.
#[must_use]
pub fn holds_attachment(category: &CategorySpec, content: &Content) -> bool {
    is_note_category(category) && notes::holds_attachment(content)
}

fn is_note_category(category: &CategorySpec) -> bool {
    category.number == NOTES.number
}

/// Makes the content of a new record.
///
/// # Errors
/// When a field is unknown, refuses its value, or is missing, or an import
/// would leave the record out.
pub fn create(
    category: &'static CategorySpec,
    edits: &[FieldEdit],
    uid: &str,
    now_ms: u64,
) -> Result<Content, FieldError> {
    fields::verify(category, edits)?;
    let content = format_of(category).create(edits, uid, now_ms)?;
    caps::verify(category, None, &content)?;
    Ok(content)
}

/// Returns the smallest changes that carry out `edits`: only lines of the
/// fields named change. The key of a line that is added follows from the line
/// and its place, so that two devices which add the same line meet in it;
/// `tie` (eight hex digits) is for a place that is taken.
///
/// # Errors
/// When a field is unknown, refuses its value, or cannot be removed, or an
/// import would leave the record out.
pub fn edit(
    category: &'static CategorySpec,
    content: &Content,
    edits: &[FieldEdit],
    tie: &str,
) -> Result<Edits, FieldError> {
    fields::verify(category, edits)?;
    let changed = format_of(category).edit(content, edits, tie)?;
    if !changed.is_empty() {
        caps::verify(category, Some(content), &layout::changed(content, &changed))?;
    }
    Ok(changed)
}

/// What an import changes in a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replacement {
    /// The keys that change.
    pub edits: Edits,
    /// Fields that the file changed, but that were changed here too since the
    /// last import: they stay as they are here. Each once.
    pub kept: BTreeSet<String>,
}

/// Returns what an import changes in a record: the differences between `base`
/// (the last import) and `imported`, applied to `current`. What was edited
/// since then stays, and what is the same in both imports; of a text that both
/// changed, both changes count.
#[must_use]
pub fn replace(
    category: &CategorySpec,
    base: &Content,
    current: &Content,
    imported: &Content,
    tie: &str,
) -> Replacement {
    let merge::Replacement { edits, kept } =
        format_of(category).replace(base, current, imported, tie);
    let shown = kept.iter().filter_map(|key| {
        let value = current.get(key).or_else(|| base.get(key))?;
        let field = field_of(category, key, value)?;
        (!is_bookkeeping(category, key, value)).then_some(field)
    });
    Replacement { edits, kept: shown.collect() }
}

/// Returns what lists and searches show of a record. Chunked values are left out.
#[must_use]
pub fn project(category: &CategorySpec, content: &Content) -> Projection {
    format_of(category).project(content)
}

/// Returns when a record takes place within a window, as far as is allowed. A
/// category without times has none.
#[must_use]
pub fn occurrences(
    category: &CategorySpec,
    content: &Content,
    window: &Window,
    allowance: Allowance,
) -> Occurrences {
    match category.number == heirloom_schema::category::calendar::CALENDAR.number {
        true => calendar::occurrences::within(content, window, allowance),
        false => Occurrences::default(),
    }
}

/// Returns between which times a record takes place: a cheap guard that may
/// say too much and never too little.
#[must_use]
pub fn span(category: &CategorySpec, content: &Content) -> Option<Span> {
    match category.number == heirloom_schema::category::calendar::CALENDAR.number {
        true => calendar::occurrences::span(content),
        false => None,
    }
}

/// Returns the part of a record that says when it takes place, where nothing
/// else is needed for its occurrences: see [`Times`].
#[must_use]
pub fn times(category: &CategorySpec, content: &Content) -> Option<Times> {
    match category.number == heirloom_schema::category::calendar::CALENDAR.number {
        true => Times::of(content),
        false => None,
    }
}

/// Returns whether a key says how a file is written and nothing of what it
/// says: its line ends, its byte order mark.
#[must_use]
pub fn is_writing(category: &CategorySpec, key: &str) -> bool {
    let is_name = matches!(key, layout::EOL | layout::OPEN_END | encoding::KEY);
    is_name && field_of(category, key, &Value::Int(1)).is_none()
}

/// Returns whether a key defines what others may name, as a time zone: it does
/// no harm where nobody does, and is missed where somebody will.
#[must_use]
pub fn is_definition(category: &CategorySpec, key: &str) -> bool {
    category.number == heirloom_schema::category::calendar::CALENDAR.number
        && calendar::is_definition(key)
}

/// Returns the field that a key belongs to, or the name of its property.
#[must_use]
pub fn field_of(category: &CategorySpec, key: &str, value: &Value) -> Option<String> {
    format_of(category).field_of(key, value)
}

/// Returns whether a key only keeps books (a revision time, the program that
/// wrote it): concurrent values of it are no conflict to show.
#[must_use]
pub fn is_bookkeeping(category: &CategorySpec, key: &str, value: &Value) -> bool {
    key == encoding::KEY || format_of(category).is_bookkeeping(key, value)
}

/// Returns whether a key says nothing that people wrote: it keeps books, holds
/// the file together (its begin and its end, its version, a fence) or carries
/// the record's identifier.
#[must_use]
pub fn is_structure(category: &CategorySpec, key: &str, value: &Value) -> bool {
    is_bookkeeping(category, key, value) || format_of(category).is_structure(key, value)
}

/// Returns the component that stands for the whole record, as [`component_of`]
/// names it, where its file has several: the series that others are exceptions of.
#[must_use]
pub fn main_component(category: &CategorySpec, content: &Content) -> Option<String> {
    format_of(category).main_component(content)
}

/// Returns which occurrence of a series a component is: its time, as far as it
/// can be read (`2026-03-01T10:00:00`).
#[must_use]
pub fn occurrence_of(category: &CategorySpec, component: &str) -> Option<String> {
    format_of(category).occurrence_of(component)
}

/// Returns what the part of the file is called in which a key stands that has
/// no field.
#[must_use]
pub fn part_of(category: &CategorySpec, key: &str) -> Option<&'static str> {
    format_of(category).part_of(key)
}
