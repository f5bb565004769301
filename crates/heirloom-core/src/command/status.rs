//! Devices, copies and what is wrong, as programs see them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Whether it is connected through a keeper.
    #[serde(default)]
    pub relayed: bool,
    /// RFC 3339 time of the last contact.
    pub last_seen: Option<String>,
    /// Whether it was taken out.
    pub revoked: bool,
    /// Entries of ours that it has not acknowledged.
    pub behind_entries: u64,
    /// How often it broke the rules since this node started.
    #[serde(default)]
    pub offences: u64,
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

/// Something that does not go on, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// A stable code: `offline`, `silent`, `unconfirmed`, `waiting`, `sealed`, `chunks`.
    pub cause: String,
    /// The device that it is about; absent where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Entries, changes or chunks that wait.
    pub count: u64,
    /// RFC 3339 time since when, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// A sentence: what waits, and for what.
    pub text: String,
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
    /// What does not go on, and why.
    #[serde(default)]
    pub stalls: Vec<Stall>,
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
