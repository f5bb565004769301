//! Which record a document is.

use crate::rows::{self, RecordIndex, table};
use crate::storage::StorageError;
use crate::view::View;
use heirloom_base::{RecordId, hash};
use heirloom_doc::Document;
use heirloom_schema::category;

/// The category and the uid under which a record is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The category's number.
    pub(crate) category: i64,
    /// The uid.
    pub(crate) uid: String,
    /// Whether a birth of the record gave it both and its id follows from them:
    /// then nothing that anybody writes changes them any more.
    pub(crate) is_proven: bool,
}

impl Identity {
    /// Returns what a record was proven to be before, which is for good: without
    /// a look into its history.
    pub(super) fn known(
        view: &View<'_>,
        account_key: &[u8; 32],
        record: RecordId,
        document: &Document,
    ) -> Result<Option<Self>, StorageError> {
        let Some(category) = document.category() else { return Ok(None) };
        let row: Option<RecordIndex> = view.row(&rows::record_key(category, record))?;
        let uid = row.map(|row| row.uid);
        let proven = uid.filter(|uid| id_for(account_key, category, uid) == Some(record));
        Ok(proven.map(|uid| Self { category, uid, is_proven: true }))
    }

    /// Finds out which record a document is. Its id follows from category and
    /// uid, so whatever a member wrote over them, or claimed in another birth,
    /// counts for nothing beside the birth that the id follows from.
    ///
    /// A record without such a birth is shown as what it claims to be. In a
    /// known category it has its id for a uid, because the uid that it claims
    /// belongs to another record.
    pub(crate) fn of(account_key: &[u8; 32], record: RecordId, document: &Document) -> Self {
        let born = document.born_as().into_iter();
        let mut proven =
            born.filter(|(number, uid)| id_for(account_key, *number, uid) == Some(record));
        if let Some((category, uid)) = proven.next() {
            return Self { category, uid, is_proven: true };
        }
        let category = document.category().unwrap_or(0);
        let uid = match category::by_number(category) {
            Some(_) => record.to_string(),
            None => document.uid().unwrap_or_default(),
        };
        Self { category, uid, is_proven: false }
    }
}

/// Returns the id of the record with a uid in a category of a number, if that
/// category is known.
fn id_for(account_key: &[u8; 32], number: i64, uid: &str) -> Option<RecordId> {
    Some(record_id(account_key, category::by_number(number)?.id, uid))
}

/// Returns the id of the record with a uid in a category of a name.
pub(crate) fn record_id(account_key: &[u8; 32], category: &str, uid: &str) -> RecordId {
    let parts: [&[u8]; 2] = [category.as_bytes(), uid.as_bytes()];
    RecordId(hash::truncate(hash::keyed(account_key, "record", &parts)))
}

/// Returns the key of the row under which a record stood so far, given the one
/// under which it is to stand; notes the new one unless that is for good.
pub(super) fn moved(
    view: &mut View<'_>,
    record: RecordId,
    identity: &Identity,
) -> Result<Vec<u8>, StorageError> {
    let place = rows::key(table::UNPROVEN, &[&record.0]);
    let now = rows::record_key(identity.category, record);
    let before = view.get(&place)?;
    if identity.is_proven {
        if before.is_some() {
            view.remove(place);
        }
    } else if before.as_ref() != Some(&now) {
        view.put_bytes(place, now.clone());
    }
    Ok(before.unwrap_or(now))
}
