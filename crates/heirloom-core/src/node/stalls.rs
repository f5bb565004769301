//! What does not go on, and why.

use super::Node;
use super::open::all_rows;
use super::settle::entry_at;
use crate::births;
use crate::command::{DeviceRow, Stall};
use crate::rows::{self, RecordIndex, table};
use crate::storage::{Storage, StorageError};
use crate::view::decode_row;
use heirloom_base::{ChunkId, DeviceId, Now, RecordId, time};
use heirloom_schema::{Value, category, key};
use std::collections::{BTreeMap, BTreeSet};

/// Time for an answer or a receipt that is not yet worth a word.
const USUAL_MS: u64 = 10_000;
/// Records that are named of those that lack something.
const NAMED_MAX: usize = 3;
/// Records that are looked at for that: a status takes no long time.
const LOOKED_AT_MAX: usize = 200;

impl Node {
    /// Returns what waits: for devices, then for what has not arrived.
    pub(super) fn stalls(
        &self,
        now: Now,
        storage: &dyn Storage,
        devices: &[DeviceRow],
    ) -> Result<Vec<Stall>, StorageError> {
        let others = devices.iter().filter(|row| !row.this && !row.revoked);
        let mut stalls: Vec<Stall> = others.filter_map(|row| self.peer_stall(now, row)).collect();
        for (device, count) in waiting(storage)? {
            let name = self.membership.name(device).unwrap_or_else(|| device.short());
            stalls.push(Stall {
                cause: "waiting".to_owned(),
                device_id: Some(device.to_string()),
                count,
                since: None,
                text: format!(
                    "Changes of {name} that wait for earlier ones, which no device has brought: \
                     {count}."
                ),
            });
        }
        let sealed = all_rows(storage, &[table::SEALED])?.len() as u64;
        if sealed > 0 {
            let text = format!(
                "Entries that cannot be read yet, because no device has handed on their key: \
                 {sealed}."
            );
            stalls.push(general("sealed", sealed, text));
        }
        let chunks = self.replication.chunks_missing().len() as u64;
        if chunks > 0 {
            let text = format!(
                "Pieces of pictures or long texts that no connected device has given: {chunks}{}. \
                 Connect a device that holds them, or import their files again.",
                self.records_without(storage)?
            );
            stalls.push(general("chunks", chunks, text));
        }
        Ok(stalls)
    }

    /// Names the first records that lack a chunk.
    fn records_without(&self, storage: &dyn Storage) -> Result<String, StorageError> {
        let Some(keyring) = &self.membership.keyring else { return Ok(String::new()) };
        let missing = self.replication.chunks_missing();
        let mut named: BTreeMap<RecordId, String> = BTreeMap::new();
        let mut looked_at = 0;
        for (log, state) in self.replication.logs() {
            for seq in state.incomplete.keys() {
                let Some(entry) = entry_at(storage, log, *seq) else { continue };
                let key = keyring.epoch_key(&entry.header().epoch);
                let body = key.and_then(|key| entry.open(key).ok()).unwrap_or_default();
                for part in body.parts {
                    if named.len() == NAMED_MAX || looked_at == LOOKED_AT_MAX {
                        return Ok(listed(&named));
                    }
                    looked_at += 1;
                    if !named.contains_key(&part.record)
                        && let Some(name) = self.name_if_without(storage, part.record, &missing)?
                    {
                        named.insert(part.record, name);
                    }
                }
            }
        }
        Ok(listed(&named))
    }

    /// Returns the name of a record that refers to one of these chunks.
    fn name_if_without(
        &self,
        storage: &dyn Storage,
        record: RecordId,
        chunks: &BTreeSet<ChunkId>,
    ) -> Result<Option<String>, StorageError> {
        let Some(document) = self.collection.document(storage, record)? else { return Ok(None) };
        let content = births::content(&document);
        let refers = content.values().any(|value| match value {
            Value::Blob(blob) => blob.chunks.iter().any(|chunk| chunks.contains(&chunk.id)),
            Value::Text(_) | Value::Str(_) | Value::Int(_) | Value::Bytes(_) => false,
        });
        let category = match content.get(key::CATEGORY) {
            Some(Value::Int(number)) if refers => category::by_number(*number),
            Some(_) | None => None,
        };
        let Some(spec) = category else { return Ok(None) };
        let row = storage.get(&rows::record_key(spec.number, record))?;
        let row: Option<RecordIndex> = row.map(|row| decode_row(&row)).transpose()?;
        let title = row.map(|row| row.title).unwrap_or_default();
        Ok(Some(format!("{} {title:?} ({})", spec.singular, record.short())))
    }

    /// Returns why a device is behind, where it does not catch up right now.
    fn peer_stall(&self, now: Now, row: &DeviceRow) -> Option<Stall> {
        let device: DeviceId = row.id.parse().ok()?;
        let (count, name) = (row.behind_entries, &row.name);
        let since = |mono_ms: u64| {
            Some(time::rfc3339(now.wall_ms.saturating_sub(now.mono_ms.saturating_sub(mono_ms))))
        };
        let is_long = |mono_ms: u64| now.mono_ms >= mono_ms + USUAL_MS;
        let stall = |cause: &str, since: Option<String>, text: String| {
            let (cause, device_id) = (cause.to_owned(), Some(row.id.clone()));
            Some(Stall { cause, device_id, count, since, text })
        };
        let Some(conversation) = self.replication.conversation(device) else {
            if count == 0 {
                return None;
            }
            let text = format!("{name} is not connected and lacks {count} of our changes.");
            return stall("offline", row.last_seen.clone(), text);
        };
        if let Some(refuses) = conversation.refuses_since_ms.filter(|since| is_long(*since)) {
            let text = format!("{name} is connected and takes nothing in: its disk may be full.");
            return stall("refuses", since(refuses), text);
        }
        if let Some(awaited) = conversation.awaited_since_ms.filter(|since| is_long(*since)) {
            let text = format!("{name} is connected and has not answered.");
            return stall("silent", since(awaited), text);
        }
        let sent = conversation.sent_ms.filter(|sent| count > 0 && is_long(*sent))?;
        let text = format!(
            "{name} is connected and has not confirmed {count} of our changes to be on its disk."
        );
        stall("unconfirmed", since(sent), text)
    }
}

/// Returns the names for the end of a sentence.
fn listed(named: &BTreeMap<RecordId, String>) -> String {
    let names: Vec<&str> = named.values().map(String::as_str).collect();
    if names.is_empty() { String::new() } else { format!(", of {}", names.join(", ")) }
}

fn general(cause: &str, count: u64, text: String) -> Stall {
    Stall { cause: cause.to_owned(), device_id: None, count, since: None, text }
}

/// Returns how many changes of each device wait for others.
fn waiting(storage: &dyn Storage) -> Result<BTreeMap<DeviceId, u64>, StorageError> {
    let mut counts = BTreeMap::new();
    for (key, value) in all_rows(storage, &[table::WAITING_COUNT])? {
        // The rows of single records are longer.
        let device = key.get(1..).and_then(|device| <[u8; 32]>::try_from(device).ok());
        let count = rows::count_from(Some(value))?;
        if let Some(device) = device.filter(|_| count > 0) {
            counts.insert(DeviceId(device), count);
        }
    }
    Ok(counts)
}
