//! What was kept aside, with its authors.

use super::open::all_rows;
use super::{Node, Refusal};
use crate::command::{Answer, Event, Problem, QuarantineRow};
use crate::failure;
use crate::quarantine::{self, Aside};
use crate::rows::{self, RecordIndex, table};
use crate::storage::{Storage, StorageError};
use crate::view::decode_row;
use heirloom_base::{DeviceId, LogId, RecordId, count, id, time};
use heirloom_schema::category::{self, CategorySpec};
use std::collections::BTreeMap;

impl Node {
    pub(super) fn quarantined(
        &self,
        storage: &dyn Storage,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Answer, Refusal> {
        self.keyring()?;
        let after = after.map(place_from).transpose()?;
        let limit = limit.max(1);
        let mut found = storage.scan(&[table::QUARANTINE], after.as_deref(), limit + 1)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(key, _)| id::to_hex(key));
        let mut rows = Vec::new();
        for (key, bytes) in found {
            let Some((log, seq)) = rows::entry_of_key(&key) else { continue };
            let row: rows::QuarantineRow = decode_row(&bytes)?;
            let waits = row.reason.is_empty();
            let reason = if waits { quarantine::WAITING.to_owned() } else { row.reason };
            let record = rows::record_after_entry(&key);
            let aside = Aside { log, seq, wall_ms: row.wall_ms, record, reason };
            rows.push(self.aside_row(storage, aside)?);
        }
        Ok(Answer::Quarantine { rows, next })
    }

    fn aside_row(
        &self,
        storage: &dyn Storage,
        aside: Aside,
    ) -> Result<QuarantineRow, StorageError> {
        let device = self.device_of(aside.log);
        let known = aside.record.map(|record| known_record(storage, record)).transpose()?.flatten();
        let (category, title) = known.map(|(spec, row)| (spec.id.to_owned(), row.title)).unzip();
        Ok(QuarantineRow {
            log: aside.log.to_string(),
            seq: aside.seq,
            device_id: device.map(|device| device.to_string()).unwrap_or_default(),
            device: device.map(|device| self.name_of(device)).unwrap_or_default(),
            record: aside.record.map(|record| record.to_string()),
            category,
            title,
            reason: aside.reason,
            at: time::rfc3339(aside.wall_ms),
        })
    }

    pub(super) fn name_of(&self, device: DeviceId) -> String {
        self.membership.name(device).unwrap_or_else(|| device.short())
    }

    /// Returns how much was kept aside of each device.
    pub(super) fn quarantine_counts(
        &self,
        storage: &dyn Storage,
    ) -> Result<BTreeMap<Option<DeviceId>, u64>, StorageError> {
        let mut counts = BTreeMap::new();
        for (key, value) in all_rows(storage, &[table::QUARANTINE_COUNT])? {
            let log = key.get(1..).and_then(<[u8]>::first_chunk::<16>).map(|log| LogId(*log));
            let count = rows::count_from(Some(value))?;
            *counts.entry(log.and_then(|log| self.device_of(log))).or_default() += count;
        }
        Ok(counts)
    }

    /// Says whose changes were kept aside, if any were.
    pub(super) fn quarantine_problem(
        &self,
        counts: &BTreeMap<Option<DeviceId>, u64>,
    ) -> Option<Problem> {
        let (device, most) = counts.iter().max_by_key(|(_, count)| **count)?;
        let all: u64 = counts.values().sum();
        let author = device.map_or("an unknown device".to_owned(), |device| {
            format!("device {} ({})", self.name_of(device), device.short())
        });
        let by = match all {
            1 => format!("by {author}"),
            all if all == *most => format!("all by {author}"),
            _ => format!("{most} by {author}"),
        };
        let changes = count::of(all, "change was", "changes were");
        let them = count::word(all, "it", "them");
        Some(Problem {
            code: "quarantined".to_owned(),
            text: format!("{changes} kept aside, {by}."),
            fix: format!("Run `heirloom quarantine list` to see {them}; no record was harmed."),
        })
    }

    /// Tells what was kept aside: one word for each entry.
    pub(super) fn announce_aside(
        &mut self,
        storage: &dyn Storage,
        mut aside: Vec<Aside>,
    ) -> Result<(), StorageError> {
        if !self.started {
            // What a rebuilt index finds again was told before.
            return Ok(());
        }
        aside.sort_unstable();
        let mut entries = aside.chunk_by(|one, other| (one.log, one.seq) == (other.log, other.seq));
        while let Some([first, rest @ ..]) = entries.next() {
            let row = self.aside_row(storage, first.clone())?;
            let short = first.record.map_or_else(String::new, |record| record.short());
            let author = self.device_of(first.log).unwrap_or_else(|| self.device());
            if let Some(left_out) = self.conduct.breaches.complain(self.conduct.now, author) {
                let device = row.device_id.clone();
                tracing::warn!(device, record = short, left_out, "an entry was kept aside");
            }
            let what = match (&row.title, &row.record) {
                (Some(title), _) if !title.is_empty() => format!("A change of {title:?} ({short})"),
                (_, Some(_)) => format!("A change of record {short}"),
                (_, None) => "An entry".to_owned(),
            };
            let more =
                if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            let text = format!(
                "{what} by device {} ({}) was kept aside{more}: {}.",
                row.device,
                row.device_id.get(..8).unwrap_or_default(),
                row.reason
            );
            let (code, aside) = ("quarantined".to_owned(), Some(Box::new(row)));
            self.event(Event::Warning { code, text, aside });
        }
        Ok(())
    }
}

/// Finds a record whose category is not known.
fn known_record(
    storage: &dyn Storage,
    record: RecordId,
) -> Result<Option<(&'static CategorySpec, RecordIndex)>, StorageError> {
    for spec in category::CATEGORIES {
        if let Some(bytes) = storage.get(&rows::record_key(spec.number, record))? {
            return Ok(Some((spec, decode_row(&bytes)?)));
        }
    }
    Ok(None)
}

/// Reads a place in the list.
fn place_from(text: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = id::from_hex(text).filter(|bytes| bytes.first() == Some(&table::QUARANTINE));
    bytes.ok_or_else(|| {
        let text = format!("{text:?} is no place in the list of what was kept aside.");
        failure::usage(text, "Continue after a place that the list gave.").into()
    })
}
