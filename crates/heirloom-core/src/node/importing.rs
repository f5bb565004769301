//! Importing items of files.

use super::records::{Writing, category_of};
use super::{Node, Refusal};
use crate::collection::identity::Identity;
use crate::command::{Answer, ImportItem, ImportReport, SkippedItem, Wait};
use crate::input::CommandId;
use crate::storage::Storage;
use base64::Engine as _;
use heirloom_base::{Now, RecordId, hash, id};
use heirloom_doc::Document;
use heirloom_formats::{Item, RawItem, Replacement};
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{Content, Value, key};
use std::collections::{BTreeMap, BTreeSet};

/// What importing one item did.
enum Outcome {
    Accepted,
    Updated,
    Unchanged,
}

/// Notes by the places of their files.
type Places = BTreeMap<String, Vec<RecordId>>;

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
        let mut report = ImportReport::default();
        let mut writing = Writing::default();
        let (mut seen, mut places) = (BTreeMap::new(), None);
        for item in items {
            let about = |reason| SkippedItem { file: item.file.clone(), line: item.line, reason };
            match self.import_item(now, storage, item, &mut writing, &mut seen, &mut places) {
                Ok((outcome, kept)) => {
                    match outcome {
                        Outcome::Accepted => report.accepted += 1,
                        Outcome::Updated => report.updated += 1,
                        Outcome::Unchanged => report.unchanged += 1,
                    }
                    report.kept.extend(kept_reason(kept).map(about));
                }
                Err(Refusal::Failure(failure)) => report.skipped.push(about(failure.text)),
                Err(error @ Refusal::Storage(_)) => return Err(error),
            }
        }
        let answer = Answer::Imported { report, reached: false };
        if dry_run {
            return Ok(Some(crate::waits::with_reached(answer, true)));
        }
        self.write(now, storage, writing, id, answer, wait)
    }

    fn import_item(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        item: &ImportItem,
        writing: &mut Writing,
        seen: &mut BTreeMap<RecordId, [u8; 32]>,
        places: &mut Option<Places>,
    ) -> Result<(Outcome, Kept), Refusal> {
        let raw = raw_item(item)?;
        let parsed = heirloom_formats::parse(&raw).map_err(|error| {
            crate::failure::usage(error.reason.clone(), "Mend the item and import it again.")
        })?;
        let uid = parsed.uid.clone().unwrap_or_else(|| heirloom_formats::content_uid(&parsed));
        let mut record = self.record_id(raw.category, &uid)?;
        let mut document = self.collection.document(storage, record)?;
        if let (None, None) = (&document, &parsed.uid)
            && let Some(changed) = self.changed_note(storage, &raw, &parsed, places)?
        {
            (record, document) = (changed, self.collection.document(storage, changed)?);
        }
        let bytes = hash::plain(&raw.bytes);
        if let Some(before) = seen.insert(record, bytes) {
            if before == bytes || parsed.uid.is_none() {
                return Ok((Outcome::Unchanged, Kept::new()));
            }
            let text = "another version of this item stands before it in this import".to_owned();
            return Err(crate::failure::usage(text, "Give the item a uid of its own.").into());
        }
        let account_key = self.keyring()?.account_key();
        // What somebody put under this id without a birth of this item is not it.
        let is_it = |document: &Document| Identity::of(account_key, record, document).is_proven;
        match document.filter(is_it) {
            None => {
                self.born(writing, raw.category, &uid, parsed.content)?;
                Ok((Outcome::Accepted, Kept::new()))
            }
            Some(document) => self.reimport(now, storage, document, record, &raw, &parsed, writing),
        }
    }

    /// Returns the note that an item without an identifier is a changed version
    /// of: the only one without an identifier of its own whose file stands in
    /// the same place, where their texts are alike.
    fn changed_note(
        &self,
        storage: &dyn Storage,
        raw: &RawItem,
        parsed: &Item,
        places: &mut Option<Places>,
    ) -> Result<Option<RecordId>, Refusal> {
        if raw.category.number != NOTES.number {
            return Ok(None);
        }
        let place = heirloom_formats::preferred_file_name(raw.category, &parsed.content);
        let places = match places {
            Some(places) => places,
            None => places.insert(self.places(storage)?),
        };
        let Some([record]) = place.and_then(|place| places.get(&place)).map(Vec::as_slice) else {
            return Ok(None);
        };
        let content = self.existing(storage, *record)?.content();
        let is_one = heirloom_formats::is_likely_one(raw.category, &content, &parsed.content);
        Ok(is_one.then_some(*record))
    }

    /// Returns the notes that are known by their first text alone, by the
    /// places of their files.
    fn places(&self, storage: &dyn Storage) -> Result<Places, Refusal> {
        let mut places = Places::new();
        Self::each_row(storage, &NOTES, None, &mut |record, row| {
            if !row.deleted && heirloom_formats::is_content_uid(&row.uid) {
                let content = self.existing(storage, record)?.content();
                let place = heirloom_formats::preferred_file_name(&NOTES, &content);
                places.entry(place.unwrap_or_default()).or_default().push(record);
            }
            Ok(true)
        })?;
        Ok(places)
    }

    /// Takes over what the file changed since it was last imported, and
    /// nothing else: an edit made here since then stays.
    #[expect(clippy::too_many_arguments, reason = "one step of import, split off for its length")]
    fn reimport(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        mut document: Document,
        record: RecordId,
        raw: &RawItem,
        parsed: &Item,
        writing: &mut Writing,
    ) -> Result<(Outcome, Kept), Refusal> {
        let base = self.last_imported(storage, &document, raw, writing)?;
        if base == parsed.content || document.is_deleted() {
            return Ok((Outcome::Unchanged, Kept::new()));
        }
        let current = self.resolved_with(storage, document.content(), writing)?;
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
            heirloom_formats::replace(raw.category, &base, &current, &parsed.content, &tie);
        if edits.is_empty() && kept.is_empty() {
            return Ok((Outcome::Unchanged, kept));
        }
        let outcome = if edits.is_empty() { Outcome::Unchanged } else { Outcome::Updated };
        let text = match String::from_utf8(raw.bytes.clone()) {
            Ok(text) => Value::Str(text),
            Err(error) => Value::Bytes(error.into_bytes()),
        };
        edits.push((key::IMPORT.to_owned(), Some(text)));
        self.edit(now, writing, record, &mut document, edits)?;
        Ok((outcome, kept))
    }

    /// Returns the content of the last import: the marked text, or the birth.
    fn last_imported(
        &self,
        storage: &dyn Storage,
        document: &Document,
        raw: &RawItem,
        writing: &Writing,
    ) -> Result<Content, Refusal> {
        let content = document.content();
        if let Some(value) = content.get(key::IMPORT) {
            let one = Content::from([(key::IMPORT.to_owned(), value.clone())]);
            let mut one = self.resolved_with(storage, one, writing)?;
            let bytes =
                one.remove(key::IMPORT).and_then(|value| value.as_raw().map(<[u8]>::to_vec));
            // An import in another place than the last one moves the note.
            let place = heirloom_formats::preferred_file_name(raw.category, &content);
            let again = RawItem {
                bytes: bytes.unwrap_or_default(),
                name: place.unwrap_or_else(|| raw.name.clone()),
                ..raw.clone()
            };
            if let Ok(item) = heirloom_formats::parse(&again) {
                return Ok(item.content);
            }
        }
        let mut birth = self.resolved_with(storage, document.birth_content(), writing)?;
        birth.retain(|key, _| !key::is_reserved(key));
        Ok(birth)
    }
}

fn kept_reason(kept: Kept) -> Option<String> {
    let verb = if kept.len() == 1 { "was" } else { "were" };
    let fields = kept.into_iter().reduce(|all, field| format!("{all}, {field}"))?;
    Some(format!("{fields} {verb} changed here too since the last import, and kept"))
}

fn raw_item(item: &ImportItem) -> Result<RawItem, Refusal> {
    let category = category_of(&item.category)?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&item.base64).map_err(|_| {
        crate::failure::usage("The item is not base64.".into(), "Send the item's bytes in base64.")
    })?;
    Ok(RawItem { category, name: item.file.clone(), line: item.line, bytes })
}
