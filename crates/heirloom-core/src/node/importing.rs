//! Importing items of files.

use super::records::{Writing, category_of};
use super::{Node, Refusal};
use crate::births;
use crate::collection::identity::Identity;
use crate::command::{Answer, ImportItem, ImportReport, SkippedItem, Wait};
use crate::input::CommandId;
use crate::storage::Storage;
use base64::Engine as _;
use heirloom_base::{Now, RecordId, hash, id};
use heirloom_doc::Document;
use heirloom_formats::{Import, Item, RawItem, Replacement, Standing};
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{Content, Value, key};
use std::collections::{BTreeMap, BTreeSet};

/// What importing one item did.
enum Outcome {
    Accepted,
    Updated,
    Unchanged,
    InTrash,
}

/// What is said of an item whose record was deleted.
const IN_TRASH: &str = "its record is in the trash and stays there; `restore` brings it back";

/// Notes and the files beside them that are known by their first content alone.
#[derive(Default)]
struct Places {
    /// By the places of their files.
    records: BTreeMap<String, Vec<RecordId>>,
    /// The same places by the names of their files.
    named: BTreeMap<String, Vec<String>>,
    /// Whether what is imported is mostly what was imported before, once that
    /// was asked.
    is_familiar: Option<bool>,
    /// The folder from whose inside all is imported that was imported with it
    /// before, once that was asked.
    above: Option<Option<String>>,
}

/// Fields that stay as they are here, though the file changed them too.
type Kept = BTreeSet<String>;

impl Node {
    pub(super) fn import(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        items: &[ImportItem],
        dry_run: bool,
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let mut round = Round::default();
        let mut places = None;
        // Single occurrences go to their series, wherever that stands.
        let mut later = Vec::new();
        for item in items {
            let found = self.item(storage, item, items, &mut places);
            match found {
                Ok(found) if found.is_partial() => later.push((item, found)),
                found => self.take(now, storage, (item, found), &mut round)?,
            }
        }
        for (item, found) in later {
            self.take(now, storage, (item, Ok(found)), &mut round)?;
        }
        let answer = Answer::Imported { report: round.report, reached: false };
        if dry_run {
            return Ok(Some(crate::waits::with_reached(answer, true)));
        }
        self.write(now, storage, round.writing, id, answer, wait)
    }

    /// Imports one item, or notes why it is left out.
    fn take(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        (item, found): (&ImportItem, Result<Found, Refusal>),
        round: &mut Round,
    ) -> Result<(), Refusal> {
        let about = |reason| SkippedItem { file: item.file.clone(), line: item.line, reason };
        let done = found.and_then(|found| self.import_item(now, storage, found, round));
        let report = &mut round.report;
        match done {
            Ok((outcome, kept)) => {
                match outcome {
                    Outcome::Accepted => report.accepted += 1,
                    Outcome::Updated => report.updated += 1,
                    Outcome::Unchanged => report.unchanged += 1,
                    Outcome::InTrash => {
                        report.unchanged += 1;
                        report.kept.push(about(IN_TRASH.to_owned()));
                    }
                }
                report.kept.extend(kept_reason(kept).map(about));
            }
            Err(Refusal::Failure(failure)) => report.skipped.push(about(failure.text)),
            Err(error @ Refusal::Storage(_)) => return Err(error),
        }
        Ok(())
    }

    /// Reads one of some items that are imported together, and finds its record.
    fn item(
        &self,
        storage: &dyn Storage,
        item: &ImportItem,
        items: &[ImportItem],
        places: &mut Option<Places>,
    ) -> Result<Found, Refusal> {
        let (raw, parsed) = parsed_item(item)?;
        let uid = uid_of(&parsed);
        let mut record = self.record_id(raw.category, &uid)?;
        if parsed.uid.is_none()
            && self.collection.saved(storage, record)?.is_none()
            && let Some(changed) = self.changed_note(storage, (&raw, &parsed), items, places)?
        {
            record = changed;
        }
        Ok(Found { raw, parsed, uid, record })
    }

    fn import_item(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        Found { raw, parsed, uid, record }: Found,
        round: &mut Round,
    ) -> Result<(Outcome, Kept), Refusal> {
        let bytes = hash::plain(&raw.bytes);
        let before =
            |part: &str| round.seen.get(&(record, part.to_owned())).map(|one| *one == bytes);
        match Standing::of(&parsed, before) {
            Standing::New => {}
            Standing::Same => return Ok((Outcome::Unchanged, Kept::new())),
            Standing::Other => {
                let text = "another version of this item stands before it in this import";
                let fix = "Give the item a uid of its own.";
                return Err(crate::failure::usage(text.to_owned(), fix).into());
            }
        }
        for part in heirloom_formats::parts_of(&parsed) {
            round.seen.entry((record, part)).or_insert(bytes);
        }
        let account_key = self.keyring()?.account_key();
        let document = match round.touched.contains(&record) {
            true => round.writing.document(record).cloned(),
            false => None,
        };
        let document = match document {
            None => self.collection.document(storage, record)?,
            document => document,
        };
        round.touched.insert(record);
        // What somebody put under this id without a birth of this item is not it.
        let is_it = |document: &Document| Identity::of(account_key, record, document).is_proven;
        match document.filter(is_it) {
            None => {
                self.born(&mut round.writing, raw.category, &uid, parsed.content)?;
                Ok((Outcome::Accepted, Kept::new()))
            }
            Some(document) => {
                let item = (record, &raw, &parsed);
                self.reimport(now, storage, document, item, &mut round.writing)
            }
        }
    }

    /// Returns the note, or the file beside notes, that an item without an
    /// identifier is a changed version of: the only one without an identifier
    /// of its own whose file stands in the same place, where their texts are
    /// alike or the rest of the folder is known.
    fn changed_note(
        &self,
        storage: &dyn Storage,
        (raw, parsed): (&RawItem, &Item),
        items: &[ImportItem],
        places: &mut Option<Places>,
    ) -> Result<Option<RecordId>, Refusal> {
        if raw.category.number != NOTES.number {
            return Ok(None);
        }
        let places = match places {
            Some(places) => places,
            None => places.insert(self.places(storage)?),
        };
        let Some(record) = places.only(raw, parsed) else {
            return self.same_below(storage, (raw, parsed), items, places);
        };
        if self.is_likely(storage, record, (raw, parsed))? {
            return Ok(Some(record));
        }
        let is_familiar = match places.is_familiar {
            Some(known) => known,
            None => self.is_familiar(storage, items, places)?,
        };
        places.is_familiar = Some(is_familiar);
        Ok(is_familiar.then_some(record))
    }

    fn is_likely(
        &self,
        storage: &dyn Storage,
        record: RecordId,
        (raw, parsed): (&RawItem, &Item),
    ) -> Result<bool, Refusal> {
        let document = self.existing(storage, record)?;
        let content = births::content(&document);
        let is_likely = heirloom_formats::is_likely_one(raw.category, &content, &parsed.content);
        Ok(is_likely || self.is_same(storage, &document, raw)?)
    }

    /// Returns whether a record's own file has the bytes of an item.
    fn is_same(
        &self,
        storage: &dyn Storage,
        document: &Document,
        raw: &RawItem,
    ) -> Result<bool, Refusal> {
        let content = self.resolved(storage, births::content(document))?;
        let uid = document.uid().unwrap_or_default();
        Ok(heirloom_formats::render(raw.category, &content, &uid) == raw.bytes)
    }

    /// Returns the record of an item that stands deeper there, where the import
    /// is one of a folder that was imported with what is above it.
    fn same_below(
        &self,
        storage: &dyn Storage,
        (raw, parsed): (&RawItem, &Item),
        items: &[ImportItem],
        places: &mut Places,
    ) -> Result<Option<RecordId>, Refusal> {
        let above = match places.above.take() {
            Some(known) => known,
            None => self.above(storage, items, places)?,
        };
        let found = above.as_ref().and_then(|above| places.below(above, raw, parsed));
        places.above = Some(above);
        let Some(record) = found else { return Ok(None) };
        let document = self.existing(storage, record)?;
        Ok(self.is_same(storage, &document, raw)?.then_some(record))
    }

    /// Returns the one folder in which more than half of what is imported, and is
    /// not known at its own place, stands byte for byte.
    fn above(
        &self,
        storage: &dyn Storage,
        items: &[ImportItem],
        places: &Places,
    ) -> Result<Option<String>, Refusal> {
        let (mut unknown, mut found) = (0, BTreeMap::<String, usize>::new());
        for item in items.iter().filter(|item| item.category == NOTES.id) {
            let Ok((raw, parsed)) = parsed_item(item) else { continue };
            let record = self.record_id(raw.category, &uid_of(&parsed))?;
            if parsed.uid.is_some() || self.collection.saved(storage, record)?.is_some() {
                continue;
            }
            unknown += 1;
            for above in places.above(&raw, &parsed) {
                let Some(record) = places.below(&above, &raw, &parsed) else { continue };
                let document = self.existing(storage, record)?;
                if self.is_same(storage, &document, &raw)? {
                    *found.entry(above).or_default() += 1;
                }
            }
        }
        let mut most = found.into_iter().filter(|(_, count)| count * 2 > unknown);
        let above = most.next().map(|(above, _)| above);
        // Of two folders with the same in them nobody knows which one it is.
        Ok(above.filter(|_| most.next().is_none()))
    }

    /// Returns what is known by the places of its files.
    fn places(&self, storage: &dyn Storage) -> Result<Places, Refusal> {
        let mut places = Places::default();
        Self::each_row(storage, &NOTES, None, &mut |record, row| {
            if !row.deleted && heirloom_formats::is_content_uid(&row.uid) {
                let content = births::content(&self.existing(storage, record)?);
                let place = heirloom_formats::preferred_file_name(&NOTES, &content);
                places.note(place.unwrap_or_default(), record);
            }
            Ok(true)
        })?;
        Ok(places)
    }

    /// Returns whether most of what is imported was imported before.
    fn is_familiar(
        &self,
        storage: &dyn Storage,
        items: &[ImportItem],
        places: &Places,
    ) -> Result<bool, Refusal> {
        let (mut known, mut strange) = (0, 0);
        for item in items.iter().filter(|item| item.category == NOTES.id) {
            let Ok((raw, parsed)) = parsed_item(item) else { continue };
            let record = self.record_id(raw.category, &uid_of(&parsed))?;
            if self.collection.saved(storage, record)?.is_some() {
                known += 1;
                continue;
            }
            let Some(record) = places.only(&raw, &parsed) else { continue };
            if self.is_likely(storage, record, (&raw, &parsed))? {
                known += 1;
            } else if !heirloom_formats::is_attachment(&raw.name, &raw.bytes) {
                strange += 1;
            }
        }
        Ok(known > 0 && known >= strange)
    }

    /// Takes over what the file changed since it was last imported, and
    /// nothing else: an edit made here since then stays.
    fn reimport(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        mut document: Document,
        (record, raw, parsed): (RecordId, &RawItem, &Item),
        writing: &mut Writing,
    ) -> Result<(Outcome, Kept), Refusal> {
        let import = self.compared(storage, &document, (raw, &parsed.content), writing)?;
        if document.is_deleted() {
            return Ok((Outcome::InTrash, Kept::new()));
        }
        let Import { base, imported, text } = import;
        if base == imported {
            return Ok((Outcome::Unchanged, Kept::new()));
        }
        let current = self.resolved_with(storage, births::content(&document), writing)?;
        let uid = document.uid().unwrap_or_default();
        if heirloom_formats::render(raw.category, &current, &uid) == raw.bytes {
            // The own export, whatever its lines are read as.
            return Ok((Outcome::Unchanged, Kept::new()));
        }
        if !parsed.is_whole {
            let text = "the item has no end: what it lacks may be cut off".to_owned();
            return Err(
                crate::failure::usage(text, "Import the whole file; nothing changed.").into()
            );
        }
        let tie = id::to_hex(&hash::plain(&raw.bytes)[..4]);
        let Replacement { mut edits, kept } =
            heirloom_formats::replace(raw.category, &base, &current, &imported, &tie);
        if edits.is_empty() && kept.is_empty() {
            return Ok((Outcome::Unchanged, kept));
        }
        let outcome = if edits.is_empty() { Outcome::Unchanged } else { Outcome::Updated };
        let text = match String::from_utf8(text) {
            Ok(text) => Value::Str(text),
            Err(error) => Value::Bytes(error.into_bytes()),
        };
        edits.push((key::IMPORT.to_owned(), Some(text)));
        self.edit(now, writing, record, &mut document, edits)?;
        Ok((outcome, kept))
    }

    /// Compares an item with the last import: the marked text, or the birth.
    fn compared(
        &self,
        storage: &dyn Storage,
        document: &Document,
        item: (&RawItem, &Content),
        writing: &Writing,
    ) -> Result<Import, Refusal> {
        let (raw, imported) = item;
        let content = document.content();
        let last = match content.get(key::IMPORT) {
            None => None,
            Some(value) => {
                let one = Content::from([(key::IMPORT.to_owned(), value.clone())]);
                let one = self.resolved_with(storage, one, writing)?;
                let bytes = one.get(key::IMPORT).and_then(Value::as_raw).map(<[u8]>::to_vec);
                // An import in another place than the last one moves the note.
                let place = heirloom_formats::preferred_file_name(raw.category, &content);
                let name = place.unwrap_or_else(|| raw.name.clone());
                Some(RawItem { bytes: bytes.unwrap_or_default(), name, ..raw.clone() })
            }
        };
        let mut birth = Content::new();
        if Import::builds_on_birth(raw.category, last.as_ref()) {
            let nearest = births::nearest(document, imported);
            birth = self.resolved_with(storage, nearest, writing)?;
            birth.retain(|key, _| !key::is_reserved(key));
        }
        Import::of(last.as_ref(), birth, item).map_err(|error| {
            crate::failure::usage(error.reason, "Import the occurrence by itself.").into()
        })
    }
}

fn kept_reason(kept: Kept) -> Option<String> {
    let verb = if kept.len() == 1 { "was" } else { "were" };
    let fields = kept.into_iter().reduce(|all, field| format!("{all}, {field}"))?;
    Some(format!("{fields} {verb} changed here too since the last import, and kept"))
}

/// What one import did so far.
#[derive(Default)]
struct Round {
    report: ImportReport,
    writing: Writing,
    /// What was imported of every record, with the hash of its item.
    seen: BTreeMap<(RecordId, String), [u8; 32]>,
    /// The records that may be in `writing`.
    touched: BTreeSet<RecordId>,
}

/// An item and the record that it stands for.
struct Found {
    raw: RawItem,
    parsed: Item,
    uid: String,
    record: RecordId,
}

impl Found {
    /// Returns whether it holds occurrences of a series, and not the series.
    fn is_partial(&self) -> bool {
        !heirloom_formats::parts_of(&self.parsed).iter().any(String::is_empty)
    }
}

impl Places {
    fn note(&mut self, place: String, record: RecordId) {
        let name = place.rsplit('/').next().unwrap_or_default().to_owned();
        let records = self.records.entry(place.clone()).or_default();
        if records.is_empty() {
            self.named.entry(name).or_default().push(place);
        }
        records.push(record);
    }

    /// Returns the folders in which a file stands as an item's does here.
    fn above(&self, raw: &RawItem, parsed: &Item) -> Vec<String> {
        let place = heirloom_formats::preferred_file_name(raw.category, &parsed.content);
        let place = place.unwrap_or_default();
        let named = self.named.get(place.rsplit('/').next().unwrap_or_default());
        let above =
            |other: &String| Some(other.strip_suffix(&place)?.strip_suffix('/')?.to_owned());
        named.into_iter().flatten().filter_map(above).collect()
    }

    /// Returns the record whose file stands in a folder as an item's does here,
    /// if only one does.
    fn below(&self, above: &str, raw: &RawItem, parsed: &Item) -> Option<RecordId> {
        let place = heirloom_formats::preferred_file_name(raw.category, &parsed.content)?;
        let [record] = self.records.get(&format!("{above}/{place}"))?.as_slice() else {
            return None;
        };
        Some(*record)
    }

    /// Returns the record whose file stands where an item's does, if only one
    /// does.
    fn only(&self, raw: &RawItem, parsed: &Item) -> Option<RecordId> {
        let place = heirloom_formats::preferred_file_name(raw.category, &parsed.content)?;
        let [record] = self.records.get(&place)?.as_slice() else { return None };
        Some(*record)
    }
}

fn uid_of(parsed: &Item) -> String {
    parsed.uid.clone().unwrap_or_else(|| heirloom_formats::content_uid(parsed))
}

fn parsed_item(item: &ImportItem) -> Result<(RawItem, Item), Refusal> {
    let raw = raw_item(item)?;
    let parsed = heirloom_formats::parse(&raw).map_err(|error| {
        crate::failure::usage(error.reason.clone(), "Mend the item and import it again.")
    })?;
    Ok((raw, heirloom_formats::taken(parsed)))
}

fn raw_item(item: &ImportItem) -> Result<RawItem, Refusal> {
    let category = category_of(&item.category)?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&item.base64).map_err(|_| {
        crate::failure::usage("The item is not base64.".into(), "Send the item's bytes in base64.")
    })?;
    Ok(RawItem { category, name: item.file.clone(), line: item.line, bytes })
}
