//! Records: changes go through the gate into documents and rows.

use crate::rows::{self, RecordIndex, WaitingRow, table};
use crate::storage::{Storage, StorageError};
use crate::view::View;
use heirloom_base::{ActorId, ChangeHash, Encode, LogId, RecordId, limits};
use heirloom_doc::{Admission, Document, Offered, RawChange};
use heirloom_schema::{Content, Value, category, key};
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
    /// Saved documents by record, each with the last own entry that it contains.
    overlay: BTreeMap<RecordId, ((LogId, u64), Vec<u8>)>,
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

    /// Notes an edit that is on its way into an own log under `seq`.
    pub(crate) fn edited(&mut self, record: RecordId, log: LogId, seq: u64, saved: Vec<u8>) {
        self.overlay.insert(record, ((log, seq), saved));
    }

    /// Forgets edits that arrived in the index with an own entry.
    pub(crate) fn arrived(&mut self, log: LogId, seq: u64) {
        self.overlay.retain(|_, ((own, last), _)| *own != log || *last > seq);
    }

    /// Forgets all edits on their way: they could not be written.
    pub(crate) fn abandon(&mut self) {
        self.overlay.clear();
    }
}

/// Applies the changes of an entry, and those that waited for them.
pub(crate) fn apply(
    view: &mut View<'_>,
    account_key: &[u8; 32],
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
        apply_record(view, account_key, record, offered, &mut applied)?;
    }
    Ok(applied)
}

fn apply_record(
    view: &mut View<'_>,
    account_key: &[u8; 32],
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
    let counted = counted(&offered, &admission);
    if let Some((document, fresh)) = &admission.document {
        view.put_bytes(rows::key(table::DOCUMENT, &[&record.0]), fresh.clone());
        let category = update_row(view, account_key, record, document, counted)?;
        applied.changed.entry(category).or_default().push(record);
    } else if let Some(saved) = saved.filter(|_| !counted.is_empty()) {
        // Somebody else brought the same birth, perhaps before.
        update_row(view, account_key, record, &load(&saved)?, counted)?;
    }
    Ok(())
}

/// A change that the document has, and the birth that it belongs to.
type Counted<'a> = (&'a WaitingRow, Option<ActorId>);

fn counted<'a>(offered: &'a [WaitingRow], admission: &Admission) -> Vec<Counted<'a>> {
    let births: BTreeMap<usize, ActorId> = admission.births.iter().copied().collect();
    let aside: BTreeSet<usize> = admission
        .waiting
        .iter()
        .map(|(index, _)| *index)
        .chain(admission.refused.iter().map(|(index, _)| *index))
        .chain(admission.duplicates.iter().copied())
        .collect();
    let places = offered.iter().enumerate();
    let held = places.filter(|(place, _)| births.contains_key(place) || !aside.contains(place));
    held.map(|(place, row)| (row, births.get(&place).copied())).collect()
}

fn keep_waiting(
    view: &mut View<'_>,
    record: RecordId,
    offered: &[WaitingRow],
    admission: &Admission,
) {
    let waiting: BTreeSet<usize> = admission.waiting.iter().map(|(index, _)| *index).collect();
    let changes: BTreeSet<&[u8]> =
        waiting.iter().filter_map(|index| offered.get(*index)).map(|row| &*row.change).collect();
    // A birth may come in several logs: whoever else carries it waits too,
    // because the first of them is its author.
    let copies = admission.duplicates.iter().copied().filter(|index| {
        offered.get(*index).is_some_and(|row| changes.contains(row.change.as_slice()))
    });
    for index in waiting.iter().copied().chain(copies) {
        let Some(row) = offered.get(index) else { continue };
        let hash = heirloom_base::hash::content("waiting", &[&row.log.0, &row.change]);
        view.put(rows::key(table::WAITING, &[&record.0, &hash]), row);
    }
}

/// Rewrites a record's row from its document; returns the category's number.
fn update_row(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    record: RecordId,
    document: &Document,
    counted: Vec<Counted<'_>>,
) -> Result<i64, StorageError> {
    let number = document.category().unwrap_or(0);
    let key = rows::record_key(number, record);
    let mut row: RecordIndex = view.row(&key)?.unwrap_or_default();
    row.category = number;
    row.uid = document.uid().unwrap_or_default();
    row.deleted = document.is_deleted();
    row.heads = document.heads().iter().copied().collect();
    for (source, birth) in counted {
        let last = row.entries.entry(source.log).or_default();
        *last = (*last).max(source.seq);
        let stamp = (source.wall_ms, source.log);
        if let Some(actor) = birth {
            let first = row.births.entry(actor).or_insert(stamp);
            *first = stamp.min(*first);
        } else {
            row.edited = row.edited.max(Some(stamp));
        }
    }
    // Of equal clock readings the greater log counts, so that the order of
    // arrival does not show.
    let newest = row.edited.max(row.births.values().max().copied());
    row.updated_ms = newest.map_or(0, |(wall_ms, _)| wall_ms);
    row.updated_by = newest.map(|(_, log)| log);
    project(view.storage(), account_key, document, &mut row);
    view.put_bytes(key, row.to_bytes());
    Ok(number)
}

/// Shows a record anew, after chunks of it arrived.
pub(crate) fn refresh(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    record: RecordId,
) -> Result<(), StorageError> {
    let Some(saved) = view.document(record)? else { return Ok(()) };
    let document = load(&saved)?;
    let key = rows::record_key(document.category().unwrap_or(0), record);
    if let Some(mut row) = view.row::<RecordIndex>(&key)? {
        project(view.storage(), account_key, &document, &mut row);
        view.put_bytes(key, row.to_bytes());
    }
    Ok(())
}

/// Puts texts that live in chunks back, as far as they are here: a long
/// address is shown and found like a short one.
pub(crate) fn resolve_texts(storage: &dyn Storage, account_key: &[u8; 32], content: &mut Content) {
    for value in content.values_mut() {
        let Value::Blob(blob) = value else { continue };
        if blob.size > limits::CARD_TEXT_BYTES_MAX as u64 {
            continue;
        }
        let opened = heirloom_blob::open(account_key, blob, |id| storage.chunk(id).ok());
        if let Some(text) = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            *value = Value::Str(text);
        }
    }
}

fn project(
    storage: &dyn Storage,
    account_key: &[u8; 32],
    document: &Document,
    row: &mut RecordIndex,
) {
    let Some(spec) = category::by_number(row.category) else { return };
    let mut content = document.content();
    resolve_texts(storage, account_key, &mut content);
    let projection = heirloom_formats::project(spec, &content);
    row.conflicted = document.contested_deletion().is_some()
        || document.conflicts().iter().any(|conflict| is_visible(spec, conflict));
    row.fields = crate::show::fields_json(spec, &projection).to_string();
    row.title = projection.title;
    row.search = heirloom_formats::search_text(&projection.search);
    row.span = heirloom_formats::span(spec, &content).map(|span| (span.from_s, span.to_s));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;
    use heirloom_base::{Hlc, hash};
    use heirloom_doc::actor_for;

    const RECORD: RecordId = RecordId([3; 16]);
    const ONE: LogId = LogId([1; 16]);
    const TWO: LogId = LogId([2; 16]);

    fn text(value: &str) -> Value {
        Value::Str(value.into())
    }

    fn part(change: RawChange) -> Part {
        Part { record: RECORD, change: change.0 }
    }

    fn carrier(log: LogId, seq: u64, wall_ms: u64) -> Carrier {
        Carrier { log, seq, wall_ms }
    }

    /// Returns the birth of a record, and an edit of it by the second log.
    fn birth_and_edit() -> (Vec<Part>, Vec<Part>) {
        let spec = category::by_id("notes").unwrap();
        let fields = heirloom_formats::parse_assignments(spec, &["title=a".to_owned()]).unwrap();
        let mut content: Content = heirloom_formats::create(spec, &fields, "u", 0).unwrap();
        content.insert(key::CATEGORY.to_owned(), Value::Int(spec.number));
        content.insert(key::UID.to_owned(), text("u"));
        let birth = heirloom_doc::birth(RECORD, &content).unwrap();
        let mut document = Document::from_birth(&birth).unwrap();
        let mark = [(key::DELETED.to_owned(), Some(Value::Int(9)))];
        let hlc = Hlc::from_wall_ms(20);
        let edit = document.edit(actor_for(TWO, RECORD), hlc, &mark).unwrap();
        (birth.into_iter().map(part).collect(), edit.into_iter().map(part).collect())
    }

    fn step(storage: &mut MemoryStorage, carrier: Carrier, parts: Vec<Part>) -> Applied {
        let mut view = View::new(storage);
        let applied = apply(&mut view, &[0; 32], carrier, parts).unwrap();
        view.commit(None).unwrap();
        applied
    }

    fn row(storage: &MemoryStorage) -> RecordIndex {
        crate::view::decode_row(&storage.index[&rows::record_key(2, RECORD)]).unwrap()
    }

    fn waiting(storage: &MemoryStorage) -> usize {
        storage.scan(&[table::WAITING], None, 100).unwrap().len()
    }

    #[test]
    fn a_change_that_comes_too_early_waits_and_leads_to_the_same_row() {
        let (birth, edit) = birth_and_edit();
        let (mut early, mut ordered) = (MemoryStorage::default(), MemoryStorage::default());
        let applied = step(&mut early, carrier(TWO, 1, 20), edit.clone());
        assert_eq!((applied, waiting(&early)), (Applied::default(), 1));
        step(&mut early, carrier(ONE, 1, 10), birth.clone());
        assert_eq!(waiting(&early), 0);
        step(&mut ordered, carrier(ONE, 1, 10), birth);
        step(&mut ordered, carrier(TWO, 1, 20), edit);
        assert_eq!(early.index, ordered.index);
        let row = row(&early);
        assert_eq!((row.updated_ms, row.updated_by, row.deleted), (20, Some(TWO), true));
        assert_eq!(row.entries, [(ONE, 1), (TWO, 1)].into());
    }

    #[test]
    fn a_waiting_change_is_not_driven_out_by_its_copy_in_another_log() {
        let (birth, edit) = birth_and_edit();
        for copy_first in [false, true] {
            let mut storage = MemoryStorage::default();
            let mut carriers = [carrier(TWO, 1, 20), carrier(LogId([9; 16]), 1, 20)];
            if copy_first {
                carriers.reverse();
            }
            for carrier in carriers {
                step(&mut storage, carrier, edit.clone());
            }
            assert_eq!(waiting(&storage), 1, "the copy is refused at once");
            let applied = step(&mut storage, super::tests::carrier(ONE, 1, 10), birth.clone());
            assert_eq!((waiting(&storage), applied.refused.len()), (0, 0));
            assert!(row(&storage).deleted, "the edit in its author's log counts");
        }
    }

    #[test]
    fn of_equal_clock_readings_the_greater_log_is_the_newest() {
        let (birth, edit) = birth_and_edit();
        for (first, second) in [(ONE, TWO), (TWO, TWO)] {
            let mut storage = MemoryStorage::default();
            step(&mut storage, carrier(first, 1, 5), birth.clone());
            step(&mut storage, carrier(second, 2, 5), edit.clone());
            assert_eq!(row(&storage).updated_by, Some(TWO));
        }
    }

    #[test]
    fn what_is_refused_is_kept_aside_and_harms_nothing() {
        let (birth, edit) = birth_and_edit();
        let mut storage = MemoryStorage::default();
        step(&mut storage, carrier(ONE, 1, 10), birth);
        let before = row(&storage);
        // The edit is the second log's: the first may not carry it.
        let broken = Part { record: RECORD, change: vec![1, 2, 3] };
        let applied = step(&mut storage, carrier(ONE, 2, 30), [edit, vec![broken]].concat());
        assert!(applied.changed.is_empty() && !applied.refused.is_empty());
        assert_eq!(row(&storage), before);
        let aside = storage.scan(&[table::QUARANTINE], None, 100).unwrap();
        assert_eq!(rows::entry_of_key(&aside[0].0), Some((ONE, 2)));
    }

    #[test]
    fn a_document_that_does_not_load_means_a_damaged_index() {
        let (birth, _) = birth_and_edit();
        let mut storage = MemoryStorage::default();
        storage.index.insert(rows::key(table::DOCUMENT, &[&RECORD.0]), vec![1, 2, 3]);
        let mut view = View::new(&mut storage);
        let result = apply(&mut view, &[0; 32], carrier(ONE, 1, 10), birth);
        assert!(matches!(result, Err(StorageError::Index(_))));
        let result = Collection::default().document(&storage, RECORD);
        assert!(matches!(result, Err(StorageError::Index(_))));
    }

    #[test]
    fn edits_on_their_way_are_seen_until_they_arrive() {
        let storage = MemoryStorage::default();
        let mut collection = Collection::default();
        assert_eq!(collection.saved(&storage, RECORD), Ok(None));
        collection.edited(RECORD, ONE, 4, vec![7]);
        collection.arrived(ONE, 3);
        collection.arrived(TWO, 9);
        assert_eq!(collection.saved(&storage, RECORD), Ok(Some(vec![7])));
        collection.arrived(ONE, 4);
        assert_eq!(collection.saved(&storage, RECORD), Ok(None));
        collection.edited(RECORD, ONE, 5, vec![8]);
        collection.abandon();
        assert_eq!(collection.saved(&storage, RECORD), Ok(None));
    }

    #[test]
    fn heads_stand_one_behind_the_other() {
        let heads = [ChangeHash(hash::plain(b"a")), ChangeHash(hash::plain(b"b"))];
        let bytes = heads_bytes(&heads);
        assert_eq!((bytes.len(), &bytes[32..]), (64, &heads[1].0[..]));
    }
}
