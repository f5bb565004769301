//! What does not go on, and why.

use super::Node;
use super::open::all_rows;
use crate::command::{DeviceRow, Stall};
use crate::rows::{self, table};
use crate::storage::{Storage, StorageError};
use heirloom_base::{DeviceId, Now, time};
use std::collections::BTreeMap;

/// Time for an answer or a receipt that is not yet worth a word.
const USUAL_MS: u64 = 10_000;

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
                "Pieces of pictures or long texts that no connected device has given: {chunks}."
            );
            stalls.push(general("chunks", chunks, text));
        }
        Ok(stalls)
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
