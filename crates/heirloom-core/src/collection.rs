//! Records: changes go through the gate into documents and rows.

use crate::rows::{self, RecordIndex, WaitingRow, table};
use crate::storage::{Storage, StorageError};
use crate::view::View;
use heirloom_base::{ChangeHash, Encode, LogId, RecordId, limits};
use heirloom_doc::{Admission, Document, Offered, RawChange};
use heirloom_schema::{Value, category, key};
use heirloom_sync::Part;
use std::collections::{BTreeMap, BTreeSet};

/// The entry that carried changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) log: LogId,
    pub(crate) seq: u64,
    pub(crate) wall_ms: u64,
}

/// What applying an entry changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Changed records by category number.
    pub(crate) changed: BTreeMap<i64, Vec<RecordId>>,
    /// Changes that were kept aside, with the reason.
    pub(crate) refused: Vec<(RecordId, String)>,
}

/// Documents that were edited here and are not in the index yet.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    /// Saved documents by record, each with the last own sequence number that it contains.
    overlay: BTreeMap<RecordId, (u64, Vec<u8>)>,
}

impl Collection {
    /// Returns a record's saved document, with the edits that are on their way.
    pub(crate) fn saved(
        &self,
        storage: &dyn Storage,
        record: RecordId,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        match self.overlay.get(&record) {
            Some((_, saved)) => Ok(Some(saved.clone())),
            None => storage.get(&rows::key(table::DOCUMENT, &[&record.0])),
        }
    }

    /// Loads a record's document, with the edits that are on their way.
    pub(crate) fn document(
        &self,
        storage: &dyn Storage,
        record: RecordId,
    ) -> Result<Option<Document>, StorageError> {
        self.saved(storage, record)?.map(|saved| load(&saved)).transpose()
    }

    /// Notes an edit that is on its way into the log under `seq`.
    pub(crate) fn edited(&mut self, record: RecordId, seq: u64, saved: Vec<u8>) {
        self.overlay.insert(record, (seq, saved));
    }

    /// Forgets edits that arrived in the index with an own entry.
    pub(crate) fn arrived(&mut self, seq: u64) {
        self.overlay.retain(|_, (last, _)| *last > seq);
    }

    /// Forgets all edits on their way: they could not be written.
    pub(crate) fn abandon(&mut self) {
        self.overlay.clear();
    }
}

/// Applies the changes of an entry, and those that waited for them.
pub(crate) fn apply(
    view: &mut View<'_>,
    carrier: Carrier,
    parts: Vec<Part>,
) -> Result<Applied, StorageError> {
    let mut by_record: BTreeMap<RecordId, Vec<WaitingRow>> = BTreeMap::new();
    for part in parts {
        let Carrier { log, seq, wall_ms } = carrier;
        let row = WaitingRow { log, seq, wall_ms, change: part.change };
        by_record.entry(part.record).or_default().push(row);
    }
    let mut applied = Applied::default();
    for (record, offered) in by_record {
        apply_record(view, record, offered, &mut applied)?;
    }
    Ok(applied)
}

fn apply_record(
    view: &mut View<'_>,
    record: RecordId,
    mut offered: Vec<WaitingRow>,
    applied: &mut Applied,
) -> Result<(), StorageError> {
    let prefix = rows::key(table::WAITING, &[&record.0]);
    for (key, bytes) in view.scan(&prefix, limits::WAITING_CHANGES_MAX)? {
        offered.push(crate::view::decode_row(&bytes)?);
        view.remove(key);
    }
    let saved = view.document(record)?;
    let changes: Vec<Offered> = offered
        .iter()
        .map(|row| Offered { log: row.log, change: RawChange(row.change.clone()) })
        .collect();
    let admission = heirloom_doc::admit(saved.as_deref(), record, &changes);
    if let Some(error) = &admission.damaged {
        return Err(StorageError::Index(format!("a saved record does not load: {error}")));
    }
    keep_waiting(view, record, &offered, &admission);
    for (index, error) in &admission.refused {
        let Some(row) = offered.get(*index) else { continue };
        let quarantine = rows::entry_key(table::QUARANTINE, row.log, row.seq);
        view.put_bytes([quarantine, record.0.to_vec()].concat(), error.to_string().into_bytes());
        applied.refused.push((record, error.to_string()));
    }
    let Some((document, saved)) = &admission.document else { return Ok(()) };
    view.put_bytes(rows::key(table::DOCUMENT, &[&record.0]), saved.clone());
    let kept_aside: BTreeSet<usize> = admission
        .waiting
        .iter()
        .map(|(index, _)| *index)
        .chain(admission.refused.iter().map(|(index, _)| *index))
        .collect();
    let places = offered.iter().enumerate();
    let counted = places.filter(|(place, _)| !kept_aside.contains(place)).map(|(_, row)| row);
    let category = update_row(view, record, document, counted)?;
    applied.changed.entry(category).or_default().push(record);
    Ok(())
}

fn keep_waiting(
    view: &mut View<'_>,
    record: RecordId,
    offered: &[WaitingRow],
    admission: &Admission,
) {
    for (index, _) in &admission.waiting {
        let Some(row) = offered.get(*index) else { continue };
        let hash = heirloom_base::hash::content("waiting", &[&row.change]);
        view.put(rows::key(table::WAITING, &[&record.0, &hash]), row);
    }
}

/// Rewrites a record's row from its document; returns the category's number.
fn update_row<'a>(
    view: &mut View<'_>,
    record: RecordId,
    document: &Document,
    counted: impl Iterator<Item = &'a WaitingRow>,
) -> Result<i64, StorageError> {
    let number = document.category().unwrap_or(0);
    let key = rows::record_key(number, record);
    let mut row: RecordIndex = view.row(&key)?.unwrap_or_default();
    row.category = number;
    row.uid = document.uid().unwrap_or_default();
    row.deleted = document.is_deleted();
    row.heads = document.heads().iter().copied().collect();
    for source in counted {
        let last = row.entries.entry(source.log).or_default();
        *last = (*last).max(source.seq);
        // Of equal clock readings the greater log counts, so that the order
        // of arrival does not show.
        let newest = (row.updated_ms, row.updated_by).max((source.wall_ms, Some(source.log)));
        (row.updated_ms, row.updated_by) = newest;
    }
    project(document, &mut row);
    view.put_bytes(key, row.to_bytes());
    Ok(number)
}

fn project(document: &Document, row: &mut RecordIndex) {
    let Some(spec) = category::by_number(row.category) else { return };
    let content = document.content();
    let projection = heirloom_formats::project(spec, &content);
    row.conflicted = document.conflicts().iter().any(|conflict| is_visible(spec, conflict));
    row.fields = crate::show::fields_json(spec, &projection).to_string();
    row.title = projection.title;
    row.search = projection.search;
}

/// Returns whether a user should hear of a conflict.
pub(crate) fn is_visible(
    spec: &'static category::CategorySpec,
    conflict: &heirloom_doc::Conflict,
) -> bool {
    let marker = Value::Str(String::new());
    let value = conflict.winner.value.as_ref().unwrap_or(&marker);
    !key::is_reserved(&conflict.key)
        && !heirloom_formats::is_bookkeeping(spec, &conflict.key, value)
}

/// Loads a saved document; one that does not load means a damaged index,
/// because only documents that had been loaded once are saved.
pub(crate) fn load(saved: &[u8]) -> Result<Document, StorageError> {
    Document::load(saved)
        .map_err(|error| StorageError::Index(format!("a saved record does not load: {error}")))
}

/// Returns the heads as one byte string, for digests.
pub(crate) fn heads_bytes(heads: &[ChangeHash]) -> Vec<u8> {
    heads.iter().flat_map(|head| head.0).collect()
}
