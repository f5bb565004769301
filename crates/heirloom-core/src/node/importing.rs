//! Importing items of files.

mod places;

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
use heirloom_schema::{Content, Value, key};
use places::{Among, Places};
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
            let among = Among { items, root: item.root };
            let found = self.item(storage, item, among, &mut places);
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
        among: Among<'_>,
        places: &mut Option<Places>,
    ) -> Result<Found, Refusal> {
        let (raw, parsed) = parsed_item(item)?;
        let uid = uid_of(&parsed);
        let mut record = self.record_id(raw.category, &uid)?;
        if parsed.uid.is_none()
            && self.collection.saved(storage, record)?.is_none()
            && let Some(changed) = self.changed_note(storage, (&raw, &parsed), among, places)?
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
