//! The commands that a program gives to the node, and its answers.
//!
//! These types cross the control socket as JSON, so their field names are
//! part of the control interface.

mod records;
mod status;

pub use records::{
    Author, ConcurrentValue, ConflictRow, EventRow, ExportFile, HistoryEdit, HistoryRow,
    ImportReport, LeftOut, OccurrenceRow, RecordRow, SkippedItem,
};
pub use status::{
    BehindRow, CategoryRow, DeviceRow, NetworkTotals, PeerTraffic, Problem, QuarantineRow, Stall,
    StatusReport, Traffic,
};

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
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
pub struct ImportItem {
    /// The category's id.
    pub category: String,
    /// The file's path relative to what was imported.
    pub file: String,
    /// The line in the file where the item begins, from 1.
    pub line: usize,
    /// The item's bytes in base64.
    pub base64: String,
    /// Which of the folders that are imported together the file is of, by any
    /// number: a folder is known by what is in it, whatever else comes along.
    #[serde(default, skip_serializing_if = "is_first")]
    pub root: u32,
}

fn is_first(root: &u32) -> bool {
    *root == 0
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

/// What a program asks of the node. A field that is not known is refused and
/// not passed over: a request without it would mean another thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// One screen about the account.
    Status,
    /// A hash over every live record.
    Digest,
    /// The devices of the account.
    Devices,
    /// Gives a device another name.
    Rename {
        /// The device: id prefix or name.
        device: String,
        /// The new name.
        name: String,
    },
    /// Takes a device out of the account.
    Revoke {
        /// The device: id prefix or name.
        device: String,
    },
    /// Accepts what a device wrote after it was taken out, as far as it is here.
    Accept {
        /// The device: id prefix or name.
        device: String,
    },
    /// States anew who is in, by the phrase: whoever is in stays in, and this
    /// device is an admin.
    Reset {
        /// The twelve words.
        phrase: Secret,
        /// Devices that come back: id prefixes or names.
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
        /// Id prefix or uid: of settings and apps the record's name, which is made
        /// where it does not exist.
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
        /// Id prefix or uid.
        id: String,
        /// When to answer.
        #[serde(default)]
        wait: Wait,
    },
    /// Brings a record back from the trash or to an earlier state.
    Restore {
        /// The category's id.
        category: String,
        /// Id prefix or uid.
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
        /// Id prefix or uid.
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
        /// Whether those in the trash are wanted instead of the others.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deleted: bool,
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
        /// Id prefix or uid.
        id: String,
    },
    /// Lists the changes of one record.
    History {
        /// The category's id.
        category: String,
        /// Id prefix or uid.
        id: String,
    },
    /// Lists fields with concurrent values.
    Conflicts {
        /// The category's id.
        category: String,
        /// Id prefix or uid, to list those of one record only.
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
#[serde(deny_unknown_fields)]
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
    /// So many, the earliest; more only where they begin at the same time.
    pub limit: usize,
    /// What the answer before said was spent of the work for the whole list.
    #[serde(default)]
    pub spent: u64,
}

impl Failure {
    /// The code of a failure because nobody knows the time zone of the user.
    pub const NO_ZONE: &str = "no-zone";
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

/// What the node answers. The tag stands around the answer and not in it, so
/// that it is read straight from the text: lists are long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        /// Whether there are more than the limit.
        cut: bool,
        /// Records whose rules cannot be read, or need more work than is done
        /// for one, or for the list: some of their occurrences are missing.
        gave_up: Vec<String>,
        /// The work that was spent on rules which need much of it, to be given
        /// with the next request.
        #[serde(default)]
        spent: u64,
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
        /// The records of which a part is not on this device.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<LeftOut>,
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
        /// The device's name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by_name: String,
        /// RFC 3339 time by that device's clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// A device is connected.
    PeerUp {
        /// The device.
        device_id: String,
        /// The device's name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device: String,
    },
    /// A device is gone.
    PeerDown {
        /// The device.
        device_id: String,
        /// The device's name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device: String,
    },
    /// Entries arrive or leave.
    Progress {
        /// The device.
        device_id: String,
        /// The device's name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device: String,
        /// Entries still to receive.
        receiving: u64,
        /// Entries still to send.
        sending: u64,
    },
    /// A device joined the account.
    DeviceJoined {
        /// The device.
        device_id: String,
        /// The device's name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_whatever_holds_it() {
        let phrase = Secret::new("abandon about".to_owned());
        let command = Command::Reset { phrase, keep: vec!["phone".to_owned()] };
        let shown = format!("{command:?}");
        assert!(!shown.contains("abandon") && shown.contains("phone"), "{shown}");
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }
}
