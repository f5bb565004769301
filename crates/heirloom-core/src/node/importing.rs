//! Importing items of files.

mod claims;
mod places;
mod within;

use super::records::category_of;
use super::writing::Writing;
use super::{Node, Refusal};
use crate::births;
use crate::collection::identity::Identity;
use crate::command::{Answer, Failure, ImportItem, ImportReport, SkippedItem, Wait};
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
        let mut found = Vec::new();
        for item in items {
            match self.item(item) {
                Ok(one) => found.push(one),
                Err(refusal) => round.leave_out(item, refusal)?,
            }
        }
        // What is only shown is found as well, so that nothing is made beside it.
        let shown = self.shown(storage);
        self.join_inner(&shown, &mut found)?;
        self.find_by_place(&shown, &mut found)?;
        // Single occurrences go to their series, wherever that stands.
        let (later, first): (Vec<_>, Vec<_>) = found.into_iter().partition(Found::is_partial);
        for found in first.into_iter().chain(later) {
            self.take(now, storage, found, &mut round)?;
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
        found: Found<'_>,
        round: &mut Round,
    ) -> Result<(), Refusal> {
        let item = found.item;
        match self.import_item(now, storage, found, round) {
            Ok((outcome, kept)) => round.note(item, &outcome, kept),
            Err(refusal) => round.leave_out(item, refusal)?,
        }
        Ok(())
    }

    /// Reads one item. Its record is the one of its identifier or its content.
    fn item<'a>(&self, item: &'a ImportItem) -> Result<Found<'a>, Refusal> {
        let raw = raw_item(item)?;
        let parsed = parsed(&raw)?;
        let uid = uid_of(&parsed);
        let record = self.record_id(raw.category, &uid)?;
        Ok(Found { item, raw, parsed, uid, record, hindrance: None })
    }

    fn import_item(
        &mut self,
        now: Now,
        storage: &dyn Storage,
        Found { raw, parsed, uid, record, hindrance, .. }: Found<'_>,
        round: &mut Round,
    ) -> Result<(Outcome, Kept), Refusal> {
        if let Some(failure) = hindrance {
            return Err(failure.into());
        }
        self.needs_imported(storage, raw.category, record)?;
        let seen = Seen {
            bytes: hash::plain(&raw.bytes),
            lines: parsed.uid.is_none().then(|| uid.clone()),
        };
        let before =
            |part: &str| round.seen.get(&(record, part.to_owned())).map(|one| one.is_as(&seen));
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
            round.seen.entry((record, part)).or_insert_with(|| seen.clone());
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
                if !self.replication.chunks_missing().is_empty() {
                    self.give_back(storage, &parsed.content, &mut round.writing)?;
                }
                match self.reimport(now, storage, document.clone(), item, &mut round.writing) {
                    // The disk has lost what the file may bring.
                    Err(Refusal::Failure(lost)) if lost.code == crate::failure::MISSING_CHUNK => {
                        self.give_back(storage, &parsed.content, &mut round.writing)?;
                        self.reimport(now, storage, document, item, &mut round.writing)
                    }
                    done => done,
                }
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
        // A note that carries no uid is known again by what was imported last.
        let is_named = parsed.uid.is_some() || raw.category.number != NOTES.number;
        if is_named && edits.is_empty() && kept.is_empty() {
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
    /// What was imported of every record.
    seen: BTreeMap<(RecordId, String), Seen>,
    /// The records that may be in `writing`.
    touched: BTreeSet<RecordId>,
}

impl Round {
    /// Notes what became of an item.
    fn note(&mut self, item: &ImportItem, outcome: &Outcome, kept: Kept) {
        let report = &mut self.report;
        match outcome {
            Outcome::Accepted => report.accepted += 1,
            Outcome::Updated => report.updated += 1,
            Outcome::Unchanged => report.unchanged += 1,
            Outcome::InTrash => {
                report.unchanged += 1;
                report.kept.push(about(item, IN_TRASH.to_owned()));
            }
        }
        report.kept.extend(kept_reason(kept).map(|reason| about(item, reason)));
    }

    /// Notes why an item is left out.
    fn leave_out(&mut self, item: &ImportItem, refusal: Refusal) -> Result<(), Refusal> {
        match refusal {
            Refusal::Failure(failure) => self.report.skipped.push(about(item, failure.text)),
            Refusal::Storage(_) => return Err(refusal),
        }
        Ok(())
    }
}

fn about(item: &ImportItem, reason: String) -> SkippedItem {
    SkippedItem { file: item.file.clone(), line: item.line, reason }
}

/// An item that was imported.
#[derive(Clone)]
struct Seen {
    /// The hash of its bytes.
    bytes: [u8; 32],
    /// The uid that follows from its lines, where it carries none.
    lines: Option<String>,
}

impl Seen {
    /// Returns whether another item says the same. Without a uid of their own,
    /// the lines tell that, whatever ends them.
    fn is_as(&self, other: &Self) -> bool {
        self.bytes == other.bytes || (self.lines.is_some() && self.lines == other.lines)
    }
}

/// An item and the record that it stands for.
struct Found<'a> {
    item: &'a ImportItem,
    raw: RawItem,
    parsed: Item,
    /// Its own uid, or the one that follows from its lines.
    uid: String,
    record: RecordId,
    /// Why its record cannot be found.
    hindrance: Option<Failure>,
}

impl Found<'_> {
    /// Returns whether it holds occurrences of a series, and not the series.
    fn is_partial(&self) -> bool {
        !heirloom_formats::parts_of(&self.parsed).iter().any(String::is_empty)
    }
}

fn uid_of(parsed: &Item) -> String {
    parsed.uid.clone().unwrap_or_else(|| heirloom_formats::content_uid(parsed))
}

fn parsed(raw: &RawItem) -> Result<Item, Refusal> {
    let parsed = heirloom_formats::parse(raw).map_err(|error| {
        crate::failure::usage(error.reason.clone(), "Mend the item and import it again.")
    })?;
    Ok(heirloom_formats::taken(parsed))
}

fn raw_item(item: &ImportItem) -> Result<RawItem, Refusal> {
    let category = category_of(&item.category)?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&item.base64).map_err(|_| {
        crate::failure::usage("The item is not base64.".into(), "Send the item's bytes in base64.")
    })?;
    Ok(RawItem { category, name: item.file.clone(), line: item.line, bytes })
}
