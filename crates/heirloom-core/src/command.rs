//! The commands that a program gives to the node, and its answers.
//!
//! These types cross the control socket as JSON, so their field names are
//! part of the control interface.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a write must have travelled before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Durable on this device.
    Local,
    /// Durable on this many other devices.
    Peer(u32),
    /// Durable on a keeper.
    Keeper,
}

/// A level and how long to wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The level.
    pub level: Level,
    /// Milliseconds to wait.
    pub timeout_ms: u64,
}

impl Default for Wait {
    fn default() -> Self {
        Self { level: Level::Local, timeout_ms: 10_000 }
    }
}

/// One item of a file that is imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportItem {
    /// The category's id.
    pub category: String,
    /// The file's path relative to what was imported.
    pub file: String,
    /// The line in the file where the item begins, from 1.
    pub line: usize,
    /// The item's bytes in base64.
    pub base64: String,
}

/// A text that no log ever shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// What a program asks of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// One screen about the account.
    Status,
    /// A hash over every live record.
    Digest,
    /// The devices of the account.
    Devices,
    /// Gives a device another name.
    Rename {
        /// The device: id prefix, peer id or name.
        device: String,
        /// The new name.
        name: String,
    },
    /// Takes a device out of the account.
    Revoke {
        /// The device: id prefix, peer id or name.
        device: String,
    },
    /// Accepts what a device wrote after it was taken out, as far as it is here.
    Accept {
        /// The device: id prefix, peer id or name.
        device: String,
    },
    /// States anew who is in, by the phrase: whoever is in stays in, and this
    /// device is an admin.
    Reset {
        /// The twelve words.
        phrase: Secret,
        /// Devices that come back: id prefixes, peer ids or names.
        #[serde(default)]
        keep: Vec<String>,
    },
    /// Opens an invite.
    Invite {
        /// `member`, `keeper` or `blind-keeper`.
        role: String,
        /// Life of the invite in milliseconds.
        ttl_ms: Option<u64>,
    },
    /// Makes a record.
    Add {
        /// The category's id.
        category: String,
        /// `FIELD=VALUE` texts.
        assignments: Vec<String>,
        /// When to answer.
        #[serde(default)]
        wait: Wait,
    },
    /// Changes a record.
    Set {
        /// The category's id.
        category: String,
        /// Id prefix, or the namespace of a settings record.
        id: String,
        /// `FIELD=VALUE`, `FIELD+=VALUE`, `FIELD-=VALUE` texts.
        assignments: Vec<String>,
        /// When to answer.
        #[serde(default)]
        wait: Wait,
    },
    /// Puts a record into the trash, everywhere.
    Delete {
        /// The category's id.
        category: String,
        /// Id prefix.
        id: String,
        /// When to answer.
        #[serde(default)]
        wait: Wait,
    },
    /// Brings a record back from the trash or to an earlier state.
    Restore {
        /// The category's id.
        category: String,
        /// Id prefix.
        id: String,
        /// The state wanted: an RFC 3339 time, a date, or the beginning of a
        /// change's hash; without it the record only leaves the trash.
        at: Option<String>,
        /// When to answer.
        #[serde(default)]
        wait: Wait,
    },
    /// Settles a conflict by choosing one of its values.
    Resolve {
        /// The category's id.
        category: String,
        /// Id prefix.
        id: String,
        /// The field; needed only where several are in conflict.
        #[serde(default)]
        field: Option<String>,
        /// `winner`, a value's number as [`Command::Conflicts`] gives it, or
        /// the value itself.
        keep: String,
        /// When to answer.
        #[serde(default)]
        wait: Wait,
    },
    /// Lists records by id.
    List {
        /// The category's id.
        category: String,
        /// Text that the record must contain, in any case.
        search: Option<String>,
        /// Continue after this id.
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Lists when records take place.
    Occurrences(OccurrenceQuery),
    /// Shows one record.
    Show {
        /// The category's id.
        category: String,
        /// Id prefix.
        id: String,
    },
    /// Lists the changes of one record.
    History {
        /// The category's id.
        category: String,
        /// Id prefix.
        id: String,
    },
    /// Lists fields with concurrent values.
    Conflicts {
        /// The category's id.
        category: String,
        /// Id prefix, to list those of one record only.
        #[serde(default)]
        id: Option<String>,
    },
    /// Imports items of files.
    Import {
        /// The items.
        items: Vec<ImportItem>,
        /// Whether only to report what would happen.
        dry_run: bool,
        /// When to answer.
        #[serde(default)]
        wait: Wait,
    },
    /// Returns records as files.
    Export {
        /// The category's id.
        category: String,
        /// Continue after this id.
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Lists what was kept aside.
    Quarantine {
        /// Continue after this place, as [`Answer::Quarantine`] gave it.
        #[serde(default)]
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Waits until every reachable device is level with this one.
    Sync {
        /// Milliseconds to wait.
        timeout_ms: u64,
    },
}

/// Which occurrences are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceQuery {
    /// The category's id.
    pub category: String,
    /// Text that the record must contain, in any spelling.
    pub search: Option<String>,
    /// A date or an RFC 3339 time; without it, now.
    pub from: Option<String>,
    /// A date or an RFC 3339 time; without it, a year after the begin.
    pub to: Option<String>,
    /// The user's time zone: an IANA name, an offset or a POSIX rule.
    pub zone: String,
    /// What begins later than this is not wanted, in seconds since 1970; it
    /// may lie before the window, in which things that began earlier go on.
    #[serde(default)]
    pub until_s: Option<i64>,
    /// Continue after this id.
    pub after: Option<String>,
    /// At most so many of one record, and no further record after so many.
    pub limit: usize,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The exit code of the command line.
    pub exit: u8,
    /// A stable code for programs.
    pub code: String,
    /// A sentence: what failed and with which value.
    pub text: String,
    /// A sentence: what to do next.
    pub fix: String,
}

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
    /// The changed lines: field, value before, value after.
    pub edits: Vec<HistoryEdit>,
}

/// One changed value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEdit {
    /// The field.
    pub field: String,
    /// The value before; absent where there was none.
    pub before: Option<serde_json::Value>,
    /// The value after; absent where it was removed.
    pub after: Option<serde_json::Value>,
}

/// One of several concurrent values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConcurrentValue {
    /// Its number among the values of its field, from 1: what
    /// [`Command::Resolve`] takes.
    pub number: usize,
    /// The value; absent where a newer version wrote it.
    pub value: Option<serde_json::Value>,
    /// Who set it.
    #[serde(flatten)]
    pub author: Author,
}

/// A field with concurrent values. The field `deleted` stands for a deletion
/// that an edit made at the same time undid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictRow {
    /// The record's id.
    pub id: String,
    /// The category's id.
    pub category: String,
    /// What a person would call the record.
    pub title: String,
    /// The field.
    pub field: String,
    /// The number of the value that is shown.
    pub number: usize,
    /// The value that is shown everywhere.
    pub winner: Option<serde_json::Value>,
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

/// A device of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// The device's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `member`, `keeper` or `blind-keeper`.
    pub role: String,
    /// Whether it is this device.
    pub this: bool,
    /// Whether it is connected.
    pub online: bool,
    /// RFC 3339 time of the last contact.
    pub last_seen: Option<String>,
    /// Whether it was taken out.
    pub revoked: bool,
    /// Entries of ours that it has not acknowledged.
    pub behind_entries: u64,
}

/// A category in the status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryRow {
    /// The category's id.
    pub name: String,
    /// Live records.
    pub records: u64,
    /// Records durable here.
    pub local: u64,
    /// Records that at least one other device acknowledged.
    pub peer: u64,
    /// Records that a keeper acknowledged.
    pub keeper: u64,
    /// Records with enough acknowledged copies: two, or all other devices if fewer.
    pub safe: u64,
    /// Records that no other device acknowledged.
    pub pending: u64,
    /// RFC 3339 time of the newest change.
    pub newest_at: Option<String>,
}

/// Something the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable code.
    pub code: String,
    /// What is the matter.
    pub text: String,
    /// What to do.
    pub fix: String,
}

/// Bytes that a running node sent and received in conversations with other
/// devices, before the transport encrypts them once more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkTotals {
    /// Sent.
    pub sent_bytes: u64,
    /// Received.
    pub received_bytes: u64,
    /// The same for each device.
    #[serde(default)]
    pub peers: Vec<PeerTraffic>,
    /// Connections of strangers that were refused or ended at a limit.
    #[serde(default)]
    pub strangers_refused: u64,
    /// Streams that were not taken.
    #[serde(default)]
    pub streams_dropped: u64,
}

/// What travelled between this device and another since the node started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerTraffic {
    /// The other device.
    pub device_id: String,
    /// Open connections.
    pub connections: u64,
    /// By the name of the protocol, as in `/heirloom/sync/1`.
    pub protocols: BTreeMap<String, Traffic>,
}

/// Bytes both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Sent.
    pub sent_bytes: u64,
    /// Received.
    pub received_bytes: u64,
}

/// One screen about the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The account.
    pub account_id: String,
    /// This device.
    pub device_id: String,
    /// Whether a node runs for this folder.
    pub running: bool,
    /// The devices.
    pub devices: Vec<DeviceRow>,
    /// The categories.
    pub categories: Vec<CategoryRow>,
    /// Records per category that only this device holds.
    pub at_risk: BTreeMap<String, u64>,
    /// Entries kept aside because they may not count.
    pub quarantined: u64,
    /// Bytes on the wire since the node started; absent where none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkTotals>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Something that was kept aside: it stays in the log and harms no record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// The log whose entry it is.
    pub log: String,
    /// The entry's number in its log.
    pub seq: u64,
    /// The device that wrote it.
    pub device_id: String,
    /// The device's name.
    pub device: String,
    /// The record; absent where the whole entry was kept aside.
    pub record: Option<String>,
    /// The record's category, where the record is known.
    pub category: Option<String>,
    /// What a person would call the record, where it is known.
    pub title: Option<String>,
    /// Why.
    pub reason: String,
    /// RFC 3339 time by the author's clock.
    pub at: String,
}

/// A device that is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BehindRow {
    /// The device.
    pub device_id: String,
    /// Entries missing there or here.
    pub entries: u64,
    /// Their bytes, as far as known here.
    pub bytes: u64,
}

/// What the node answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Command::Status`].
    Status(StatusReport),
    /// To [`Command::Digest`].
    Digest {
        /// Hash over (record id, heads) of every live record.
        digest: String,
        /// Live records by category.
        records: BTreeMap<String, u64>,
    },
    /// To [`Command::Devices`].
    Devices {
        /// The devices.
        rows: Vec<DeviceRow>,
    },
    /// To [`Command::Rename`].
    Done,
    /// To [`Command::Revoke`], [`Command::Accept`] and [`Command::Reset`].
    Member {
        /// The device.
        device_id: String,
        /// Entries of it that count.
        entries: u64,
    },
    /// To [`Command::Invite`].
    Invite {
        /// For scanning and pasting.
        link: String,
        /// For typing.
        words: String,
        /// Seconds until it ends.
        expires_in_s: u64,
    },
    /// To every write of one record: saved here.
    Saved {
        /// The record's id.
        id: String,
        /// Whether the level asked for was reached in time.
        reached: bool,
    },
    /// To [`Command::List`].
    Records {
        /// The records.
        rows: Vec<RecordRow>,
        /// Continue after this id.
        next: Option<String>,
    },
    /// To [`Command::Occurrences`].
    Occurrences {
        /// The records, each with its times.
        events: Vec<EventRow>,
        /// Continue after this id.
        next: Option<String>,
        /// Whether a record has more occurrences than the limit.
        cut: bool,
        /// Records whose rules need more work than is done for one.
        gave_up: Vec<String>,
    },
    /// To [`Command::Show`].
    Record(RecordRow),
    /// To [`Command::History`].
    History {
        /// The changes, oldest first.
        rows: Vec<HistoryRow>,
    },
    /// To [`Command::Conflicts`].
    Conflicts {
        /// The fields.
        rows: Vec<ConflictRow>,
    },
    /// To [`Command::Import`].
    Imported {
        /// What was done.
        report: ImportReport,
        /// Whether the level asked for was reached in time.
        reached: bool,
    },
    /// To [`Command::Export`].
    Files {
        /// The files.
        files: Vec<ExportFile>,
        /// Continue after this id.
        next: Option<String>,
    },
    /// To [`Command::Quarantine`].
    Quarantine {
        /// What was kept aside, by log and number.
        rows: Vec<QuarantineRow>,
        /// Continue after this place.
        next: Option<String>,
    },
    /// To [`Command::Sync`].
    Synced {
        /// Reachable devices that are level.
        level: Vec<String>,
        /// Reachable devices that are not.
        behind: Vec<BehindRow>,
    },
}

/// What happens while a node runs, as `up` and `watch` print it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Records were made or changed, here or elsewhere.
    RecordsChanged {
        /// The category's id.
        category: String,
        /// The records.
        ids: Vec<String>,
        /// The device that wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// RFC 3339 time by that device's clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// A device is connected.
    PeerUp {
        /// The device.
        device_id: String,
    },
    /// A device is gone.
    PeerDown {
        /// The device.
        device_id: String,
    },
    /// Entries arrive or leave.
    Progress {
        /// The device.
        device_id: String,
        /// Entries still to receive.
        receiving: u64,
        /// Entries still to send.
        sending: u64,
    },
    /// A device joined the account.
    DeviceJoined {
        /// The device.
        device_id: String,
    },
    /// Something unusual.
    Warning {
        /// A stable code.
        code: String,
        /// What it is.
        text: String,
        /// What was kept aside, where that is what happened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        aside: Option<Box<QuarantineRow>>,
    },
}
