//! The rows apart in which a preview stands.

use crate::collection::{self, Counted};
use crate::rows::{self, table};
use crate::storage::{Batch, Storage, StorageError};
use crate::view::View;
use heirloom_base::{ActorId, LogId, RecordId};
use heirloom_doc::{Document, Offered, Packed, RawChange};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that one batch removes, and records that one batch shows.
pub(super) const ROWS_PER_BATCH: usize = 512;

/// A change of a record on its way into a preview.
pub(super) struct Offer {
    pub(super) log: LogId,
    pub(super) seq: u64,
    pub(super) wall_ms: u64,
    pub(super) change: RawChange,
}

/// Removes all rows apart.
pub(super) fn clear(storage: &mut dyn Storage) -> Result<(), StorageError> {
    loop {
        let rows = storage.scan(&[table::PREVIEW], None, ROWS_PER_BATCH)?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        rows.into_iter().for_each(|(key, _)| batch.remove(key));
        storage.commit(batch)?;
    }
}

/// Shows a record of a pack; returns its category, or nothing where the record
/// is another one than the pack says.
pub(super) fn show_packed(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    one: &Packed,
) -> Result<Option<i64>, StorageError> {
    let offered: Vec<Offered> = one
        .changes
        .iter()
        .map(|(log, change)| Offered { log: *log, change: change.clone() })
        .collect();
    let admission = heirloom_doc::admit(None, one.record, &offered);
    let Some((document, saved)) = admission.document else { return Ok(None) };
    if document.heads().0 != one.heads {
        return Ok(None);
    }
    let seq = |log: &LogId| one.entries.get(log).copied().unwrap_or_default();
    let births = one
        .births
        .iter()
        .map(|(actor, (wall_ms, log))| Counted::new((*log, seq(log)), *wall_ms, Some(*actor)));
    let entries = one.entries.iter().map(|(log, seq)| Counted::new((*log, *seq), 0, None));
    let counted = births.chain(entries).collect();
    write(view, account_key, one.record, (&document, saved), counted).map(Some)
}

/// Shows what entries change of one record; returns its category, if they did.
pub(super) fn show_offers(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    record: RecordId,
    offers: Vec<Offer>,
) -> Result<Option<i64>, StorageError> {
    let before = view.document(record)?;
    let offered: Vec<Offered> = offers
        .iter()
        .map(|offer| Offered { log: offer.log, change: offer.change.clone() })
        .collect();
    let admission = heirloom_doc::admit(before.as_deref(), record, &offered);
    let Some((document, saved)) = admission.document else { return Ok(None) };
    let births: BTreeMap<usize, ActorId> = admission.births.iter().copied().collect();
    let left: BTreeSet<usize> = admission
        .waiting
        .iter()
        .map(|(index, _)| *index)
        .chain(admission.refused.iter().map(|(index, _)| *index))
        .chain(admission.duplicates.iter().copied())
        .collect();
    let counted = offers.iter().enumerate().filter(|(index, _)| !left.contains(index));
    let counted = counted.map(|(index, offer)| {
        Counted::new((offer.log, offer.seq), offer.wall_ms, births.get(&index).copied())
    });
    write(view, account_key, record, (&document, saved), counted.collect()).map(Some)
}

fn write(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    record: RecordId,
    (document, saved): (&Document, Vec<u8>),
    counted: Vec<Counted>,
) -> Result<i64, StorageError> {
    view.put_bytes(rows::key(table::DOCUMENT, &[&record.0]), saved);
    collection::update_row(view, account_key, record, document, counted)
}
