//! The rows apart in which a preview stands.

use super::tail::Tail;
use crate::collection::{self, Counted};
use crate::rows::{self, RecordIndex, table};
use crate::storage::{Batch, Storage, StorageError};
use crate::view::View;
use heirloom_base::{ChangeHash, LogId, RecordId};
use heirloom_doc::{Document, Packed, RawChange};
use heirloom_schema::{Content, Value, key};

/// Rows that one batch removes, and records that one batch shows.
pub(super) const ROWS_PER_BATCH: usize = 512;

/// What a record is shown as.
pub(super) struct Shown {
    pub(super) record: RecordId,
    pub(super) heads: Vec<ChangeHash>,
    pub(super) deleted: bool,
    pub(super) conflicted: bool,
    /// When it was changed last, and in which log.
    pub(super) updated: (u64, LogId),
    pub(super) content: Content,
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

/// Shows a record of a pack; returns its category, if it can be shown.
pub(super) fn show_packed(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    one: &Packed,
) -> Result<Option<i64>, StorageError> {
    let Some(content) = one.content.clone() else { return Ok(None) };
    let shown = Shown {
        record: one.record,
        heads: one.heads.clone(),
        deleted: one.deleted,
        conflicted: one.conflicted,
        updated: one.updated,
        content,
    };
    write(view, account_key, shown)
}

/// Shows what changes make of a record that is shown, or begin, as far as they
/// set and remove keys; returns its category, if they do.
pub(super) fn show_changes(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    record: RecordId,
    changes: &[(LogId, u64, RawChange)],
) -> Result<Option<i64>, StorageError> {
    let before = read(view, record)?;
    let is_new = before.is_none();
    let Some(mut shown) = before.or_else(|| born(record, changes)) else { return Ok(None) };
    let is_changed = Tail::of(&shown, changes).change(&mut shown);
    if !is_new && !is_changed {
        return Ok(None);
    }
    write(view, account_key, shown)
}

/// Reads what a record is shown as.
fn read(view: &View<'_>, record: RecordId) -> Result<Option<Shown>, StorageError> {
    let Some(saved) = view.document(record)? else { return Ok(None) };
    let content = collection::load(&saved)?.content();
    let Some(Value::Int(number)) = content.get(key::CATEGORY) else { return Ok(None) };
    let row: Option<RecordIndex> = view.row(&rows::record_key(*number, record))?;
    Ok(row.map(|row| Shown {
        record,
        updated: (row.updated_ms, row.updated_by.unwrap_or(LogId([0; 16]))),
        deleted: row.deleted,
        conflicted: row.conflicted,
        heads: row.heads,
        content,
    }))
}

/// Returns what a record is born as by the first changes of a log.
fn born(record: RecordId, changes: &[(LogId, u64, RawChange)]) -> Option<Shown> {
    let (log, wall_ms) = changes.first().map(|(log, wall_ms, _)| (*log, *wall_ms))?;
    let parts = changes
        .iter()
        .filter(|(one, _, change)| *one == log && !heirloom_doc::is_own(change, log, record));
    let parts: Vec<RawChange> = parts.map(|(_, _, change)| change.clone()).collect();
    let document = Document::from_birth(&parts).ok()?;
    let content = document.content();
    // It is a birth if this device would write the same.
    let is_birth = heirloom_doc::birth(record, &content).is_ok_and(|written| written == parts);
    is_birth.then(|| Shown {
        record,
        heads: document.heads().0,
        deleted: false,
        conflicted: false,
        updated: (wall_ms, log),
        content,
    })
}

/// Writes the rows of a record as if it had been born as it is shown; returns
/// its category, if it can be.
fn write(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    shown: Shown,
) -> Result<Option<i64>, StorageError> {
    let Shown { record, heads, deleted, conflicted, updated: (wall_ms, log), content } = shown;
    let born = heirloom_doc::birth(record, &content).ok();
    let document = born.and_then(|changes| Document::from_birth(&changes).ok());
    let Some(document) = document else { return Ok(None) };
    let Some((actor, _)) = document.head_authors().first().copied() else { return Ok(None) };
    view.put_bytes(rows::key(table::DOCUMENT, &[&record.0]), document.save());
    let counted = vec![Counted::new((log, 0), wall_ms, Some(actor))];
    let category = collection::update_row(view, account_key, record, &document, counted)?;
    let key = rows::record_key(category, record);
    if let Some(mut row) = view.row::<RecordIndex>(&key)? {
        (row.heads, row.deleted, row.conflicted) = (heads, deleted, conflicted);
        view.put(key, &row);
    }
    Ok(Some(category))
}
