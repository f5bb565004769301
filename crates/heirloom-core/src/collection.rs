//! Records: changes go through the gate into documents and rows.

pub(crate) mod documents;
pub(crate) mod identity;
pub(crate) mod later;
pub(crate) mod queue;
pub(crate) mod verdicts;
mod work;

use crate::births;
use crate::quarantine::{self, Aside};
use crate::rows::{self, RecordIndex, Stamp, table};
use crate::storage::{Storage, StorageError};
use crate::view::View;
use documents::Documents;
use heirloom_base::{ActorId, ChangeHash, Encode, LogId, OpId, RecordId, limits};
use heirloom_doc::{ChunkError, Document, GateError, RawChange, Saved};
use heirloom_schema::{Content, Value, category, key};
use heirloom_sync::Part;
use identity::Identity;
use later::Haste;
use queue::Place;
use std::collections::{BTreeMap, BTreeSet};
use work::{Offer, Work};

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
    /// What was kept aside and is worth a word.
    pub(crate) aside: Vec<Aside>,
    /// Logs of which a change waits.
    pub(crate) stuck: BTreeSet<LogId>,
    /// Records by entry that are listed as kept aside.
    listed: BTreeMap<(LogId, u64), usize>,
}

impl Applied {
    /// Returns whether one more record of an entry may be listed.
    fn may_list(&mut self, log: LogId, seq: u64) -> bool {
        let listed = self.listed.entry((log, seq)).or_default();
        *listed += 1;
        *listed <= limits::QUARANTINE_PER_ENTRY_MAX
    }
}

/// Where the entries that were taken in before can be read again.
pub(crate) trait Library {
    /// The key that derives record ids and chunk keys.
    fn account_key(&self) -> &[u8; 32];

    /// Opens an entry again whose changes wait.
    ///
    /// # Errors
    /// [`StorageError::Index`]: a part of the log was lost that the index counts on.
    fn open(&self, view: &View<'_>, log: LogId, seq: u64) -> Result<Opened, StorageError>;

    /// Returns whether an entry that was taken in once was lost with a part of
    /// the log.
    ///
    /// # Errors
    /// [`StorageError::Index`].
    fn is_lost(&self, view: &View<'_>, log: LogId, seq: u64) -> Result<bool, StorageError> {
        let _ = (view, log, seq); // Where there is no log, none is lost.
        Ok(false)
    }

    /// Loads a record's document.
    ///
    /// # Errors
    /// [`StorageError::Index`]: it does not load.
    fn load(&self, record: RecordId, saved: &[u8]) -> Result<Document, StorageError> {
        let _ = record; // Its bytes are enough.
        load(saved)
    }

    /// Notes a record's document that was saved as these bytes.
    fn keep(&self, record: RecordId, saved: &[u8], document: &Document) {
        let _ = (record, saved, document); // It can be loaded again.
    }

    /// Returns a record's document as this device has left it, if it is loaded
    /// and its changes are on their way into the index.
    fn written(&self, record: RecordId) -> Option<Saved> {
        let _ = record; // It can be made again.
        None
    }
}

/// An entry that was opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Its clock reading, in milliseconds since 1970.
    pub(crate) wall_ms: u64,
    /// The roster that its author had seen.
    pub(crate) heads: Vec<OpId>,
    /// Its changes.
    pub(crate) parts: Vec<Part>,
}

/// Documents that were edited here and are not in the index yet.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    /// Saved documents by record, each with the last own entry that it contains.
    overlay: BTreeMap<RecordId, ((LogId, u64), Vec<u8>)>,
    documents: Documents,
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
        self.saved(storage, record)?.map(|saved| self.documents.load(record, &saved)).transpose()
    }

    /// Returns the documents that were loaded.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Returns a record's document with the edits that are on their way, if
    /// there are some and it is loaded.
    pub(crate) fn written(&self, record: RecordId) -> Option<Saved> {
        let (_, saved) = self.overlay.get(&record)?;
        Some((self.documents.find(record, saved)?, saved.clone()))
    }

    /// Notes an edit that is on its way into an own log under `seq`.
    pub(crate) fn edited(&mut self, record: RecordId, log: LogId, seq: u64, document: &Document) {
        let saved = document.save();
        self.documents.keep(record, &saved, document);
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

/// Applies the changes of entries of one log, and those that waited for them;
/// or notes them, of records that are here.
pub(crate) fn apply(
    view: &mut View<'_>,
    library: &dyn Library,
    entries: Vec<(Carrier, Vec<Part>)>,
    haste: Haste,
) -> Result<Applied, StorageError> {
    let mut by_record: BTreeMap<RecordId, Vec<Offer>> = BTreeMap::new();
    let mut applied = Applied::default();
    for (carrier, parts) in entries {
        for (number, (part, refused)) in (0..).zip(weighed(parts)) {
            let Carrier { log, seq, wall_ms } = carrier;
            if let Some(error) = refused {
                refuse(view, &mut applied, carrier, part.record, &error)?;
                continue;
            }
            let place = Place { log, seq, part: number };
            let offer = Offer { place, wall_ms, change: RawChange(part.change), waited: None };
            by_record.entry(part.record).or_default().push(offer);
        }
    }
    for (record, offered) in by_record {
        if haste == Haste::Later && view.document(record)?.is_some() {
            for Offer { place, .. } in offered {
                later::put_off(view, record, place.log, place.seq);
            }
            continue;
        }
        Work::begin(view, library, record, &mut applied)?.run(offered)?;
    }
    Ok(applied)
}

/// Returns an entry's parts, those with a reason that are beyond what one
/// entry may cost.
fn weighed(parts: Vec<Part>) -> impl Iterator<Item = (Part, Option<GateError>)> {
    let mut operations = 0;
    parts.into_iter().map(move |part| {
        operations += heirloom_doc::operations(&part.change);
        let refused = (operations > limits::ENTRY_OPS_MAX).then(|| beyond(operations));
        (part, refused)
    })
}

/// Why a part is refused with which an entry has so many operations.
fn beyond(operations: usize) -> GateError {
    let (what, limit) = ("operations of one entry", limits::ENTRY_OPS_MAX);
    GateError::Chunk(ChunkError::TooMany { what, count: operations as u64, limit })
}

/// Keeps a change aside for good.
fn refuse(
    view: &mut View<'_>,
    applied: &mut Applied,
    carrier: Carrier,
    record: RecordId,
    error: &GateError,
) -> Result<(), StorageError> {
    let Carrier { log, seq, wall_ms } = carrier;
    let reason = quarantine::reason(error);
    let aside = Aside { log, seq, wall_ms, record: Some(record), reason };
    if applied.may_list(log, seq) {
        quarantine::refuse(view, &aside)?;
    }
    applied.aside.push(aside);
    Ok(())
}

/// A change that the document has, and the birth that it belongs to.
#[derive(Debug)]
pub(crate) struct Counted {
    log: LogId,
    seq: u64,
    wall_ms: u64,
    birth: Option<ActorId>,
}

impl Counted {
    /// Returns a change of an entry with this clock reading.
    pub(crate) fn new((log, seq): (LogId, u64), wall_ms: u64, birth: Option<ActorId>) -> Self {
        Self { log, seq, wall_ms, birth }
    }
}

/// Rewrites a record's row from its document; returns the category's number.
pub(crate) fn update_row(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    record: RecordId,
    document: &Document,
    counted: Vec<Counted>,
) -> Result<i64, StorageError> {
    let known = Identity::known(view, account_key, record, document)?;
    let identity = known.unwrap_or_else(|| Identity::of(account_key, record, document));
    let key = rows::record_key(identity.category, record);
    let before = identity::moved(view, record, &identity)?;
    let mut row: RecordIndex = view.row(&before)?.unwrap_or_default();
    if before != key {
        view.remove(before);
    }
    row.category = identity.category;
    row.uid = identity.uid;
    row.deleted = document.is_deleted();
    row.heads = document.heads().iter().copied().collect();
    for source in counted {
        let last = row.entries.entry(source.log).or_default();
        *last = (*last).max(source.seq);
        let stamp = (source.wall_ms, source.log);
        if let Some(actor) = source.birth {
            let first = row.births.entry(actor).or_insert(stamp);
            *first = stamp.min(*first);
        }
    }
    let newest = newest(record, document, &row);
    row.updated_ms = newest.map_or(0, |(wall_ms, _)| wall_ms);
    row.updated_by = newest.map(|(_, log)| log);
    project(view.storage(), account_key, document, &mut row);
    view.put_bytes(key, row.to_bytes());
    Ok(row.category)
}

/// Returns when and in which log a record was changed last: of the changes that
/// none builds on, the newest. Of equal clock readings the greater log counts,
/// so that the order of arrival does not show.
fn newest(record: RecordId, document: &Document, row: &RecordIndex) -> Option<Stamp> {
    let heads = document.head_authors().into_iter();
    let stamps = heads.filter_map(|(actor, hlc)| match hlc {
        None => row.births.get(&actor).copied(),
        Some(hlc) => {
            let mut logs = row.entries.keys();
            let log = logs.find(|log| heirloom_doc::actor_for(**log, record) == actor)?;
            Some((hlc.wall_ms(), *log))
        }
    });
    stamps.max()
}

/// Shows a record anew, after chunks of it arrived.
pub(crate) fn refresh(
    view: &mut View<'_>,
    account_key: &[u8; 32],
    record: RecordId,
) -> Result<(), StorageError> {
    let Some(saved) = view.document(record)? else { return Ok(()) };
    let document = load(&saved)?;
    let identity = Identity::of(account_key, record, &document);
    let key = rows::record_key(identity.category, record);
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
    let Some(spec) = category::by_number(row.category) else {
        // It may have stood elsewhere before.
        (row.title, row.fields, row.search) = <(String, String, String)>::default();
        (row.conflicted, row.span, row.times) = (false, None, None);
        return;
    };
    let (mut content, conflicts) = births::shown(document);
    resolve_texts(storage, account_key, &mut content);
    let projection = heirloom_formats::project(spec, &content);
    row.conflicted = document.contested_deletion().is_some()
        || conflicts.iter().any(|conflict| is_visible(spec, conflict));
    row.fields = crate::show::fields_json(spec, &projection).to_string();
    row.title = projection.title;
    row.search = heirloom_formats::search_text(&projection.search);
    row.span = heirloom_formats::span(spec, &content);
    row.times = heirloom_formats::times(spec, &content);
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
mod tests;
