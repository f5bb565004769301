//! Records as programs see them, and what is done with many.

use serde::{Deserialize, Serialize};

/// Who gave a value or made a change, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The device; empty where it is not known.
    pub by: String,
    /// The device's name.
    pub by_name: String,
    /// RFC 3339 time by the author's clock.
    pub at: String,
}

/// A record as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordRow {
    /// The record's id.
    pub id: String,
    /// The category's id.
    pub category: String,
    /// What a person would call it.
    pub title: String,
    /// Fields: a value, or for a repeatable field a list of `{value, type}`.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Who set each field last: an [`Author`], or for a repeatable field a
    /// list of them, one for each value. Only where one record is shown.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub authors: serde_json::Map<String, serde_json::Value>,
    /// RFC 3339 time of the newest change.
    pub updated_at: String,
    /// The device that made it.
    pub updated_by: String,
    /// Whether it is in the trash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// The original text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A record within a window, with the times at which it takes place. An
/// exception from a series, which shows something else, has its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// What it shows.
    pub record: RecordRow,
    /// When it takes place, in order.
    pub occurrences: Vec<OccurrenceRow>,
}

/// One time at which a record takes place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceRow {
    /// The begin in seconds since 1970, to sort by.
    pub starts_s: i64,
    /// The begin: an RFC 3339 time in UTC, or a date.
    pub start: String,
    /// The end in the same form; of whole days the day after the last.
    pub end: String,
    /// Whether it lasts whole days.
    pub all_day: bool,
    /// The begin by the user's clock, without the zone; or the date.
    pub local_start: String,
    /// The end, likewise.
    pub local_end: String,
    /// The start that the series gives it; absent where there is no series.
    pub recurrence_id: Option<String>,
    /// The record's field `start` for this time.
    pub field_start: String,
    /// The record's field `end` for this time.
    pub field_end: Option<String>,
}

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// The change's hash.
    pub change: String,
    /// Who made it; of a birth, which every importer makes alike, whoever
    /// brought it first.
    #[serde(flatten)]
    pub author: Author,
    /// `created`, `edited`, `imported`, `resolved`, `restored` or `deleted`.
    pub kind: String,
    /// The changed lines: field, value before, value after. A conflict that was
    /// settled is one too, also where the value that was shown stayed.
    pub edits: Vec<HistoryEdit>,
}

/// One changed value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryEdit {
    /// The field.
    pub field: String,
    /// The value before; absent where there was none.
    pub before: Option<serde_json::Value>,
    /// The value after; absent where it was removed.
    pub after: Option<serde_json::Value>,
    /// Whether there was no value before: a setting may be null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
    /// Whether there is no value after.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Whether nobody wrote it: it holds the file together, keeps books, or
    /// carries the record's identifier.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub structural: bool,
    /// The type of the value before (`cell`), where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_type: Option<String>,
    /// The type of the value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_type: Option<String>,
    /// The line before, where nothing else shows what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_line: Option<String>,
    /// The line after, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_line: Option<String>,
    /// Whether it settled a conflict of the field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
    /// The other values that the conflict had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<serde_json::Value>,
}

/// One of several concurrent values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConcurrentValue {
    /// Its number among the values of its field, from 1: what
    /// [`super::Command::Resolve`] takes.
    pub number: usize,
    /// The value; absent where the field was removed, or where a newer version
    /// wrote it.
    pub value: Option<serde_json::Value>,
    /// The value's type (`cell`), where it has one.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The line, where another value reads like this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Whether the field was removed.
    #[serde(default)]
    pub removed: bool,
    /// Whether a newer version wrote a value that this one does not know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Who set it.
    #[serde(flatten)]
    pub author: Author,
}

/// A field with concurrent values. The field `deleted` stands for a deletion
/// that an edit made at the same time undid.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConflictRow {
    /// The record's id.
    pub id: String,
    /// The category's id.
    pub category: String,
    /// What a person would call the record.
    pub title: String,
    /// The field.
    pub field: String,
    /// Which occurrence of a series it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<String>,
    /// The number of the value that is shown.
    pub number: usize,
    /// The value that is shown everywhere.
    pub winner: Option<serde_json::Value>,
    /// The type of that value, where it has one.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether a newer version wrote it, and this one does not know it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Its line, where another value reads like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Who set it.
    #[serde(flatten)]
    pub author: Author,
    /// The values that stay recoverable.
    pub losers: Vec<ConcurrentValue>,
}

/// One item that an import left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedItem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Records made.
    pub accepted: u64,
    /// Records changed.
    pub updated: u64,
    /// Records that hold the item already.
    pub unchanged: u64,
    /// Items left out.
    pub skipped: Vec<SkippedItem>,
    /// Items of which a field was changed in the file and here, and stays as it
    /// is here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<SkippedItem>,
}

/// A record that an export leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its id.
    pub id: String,
    /// Its category.
    pub category: String,
    /// What a person would call it.
    pub title: String,
    /// Why it cannot be written.
    pub reason: String,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFile {
    /// Path below the export folder.
    pub path: String,
    /// The path to take instead where another file wants the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The bytes in base64.
    pub base64: String,
}
