//! Commands that write records.

use super::damage::entries_with_chunks;
use super::writing::Writing;
use super::{Node, Refusal};
use crate::births;
use crate::command::{Answer, Command, Wait};
use crate::input::CommandId;
use crate::rows::{self, RecordIndex};
use crate::storage::{Storage, StorageError};
use crate::view::decode_row;
use crate::{collection, failure, past};
use heirloom_base::{BlobRef, ChunkId, Now, RecordId, hash, id, limits};
use heirloom_doc::{DocError, Document};
use heirloom_formats::{FieldEdit, Operation};
use heirloom_identity::Keyring;
use heirloom_schema::category::{self, CategorySpec};
use heirloom_schema::{Content, Value, key};
use std::collections::BTreeSet;

/// Edits of one record: new values by key, `None` removes.
pub(super) type Edits = Vec<(String, Option<Value>)>;

/// How an edit treats values that were set at the same time as others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A text keeps its rivals.
    Merge,
    /// Every key that is named has one value afterwards.
    Settle,
}

/// A record that a command names.
pub(super) struct Named {
    pub(super) record: RecordId,
    pub(super) row: RecordIndex,
}

impl Node {
    pub(super) fn write_command(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        command: Command,
    ) -> Result<Option<Answer>, Refusal> {
        self.may_write()?;
        match command {
            Command::Add { category, assignments, wait } => {
                self.add(now, storage, id, &category, &assignments, wait)
            }
            Command::Set { category, id: record, assignments, wait } => {
                self.set(now, storage, id, (&category, &record), &assignments, wait)
            }
            Command::Delete { category, id: record, wait } => {
                self.delete(now, storage, id, (&category, &record), wait)
            }
            Command::Restore { category, id: record, at, wait } => {
                self.restore(now, storage, id, (&category, &record), at.as_deref(), wait)
            }
            Command::Resolve { category, id: record, field, keep, wait } => {
                let choice = (field.as_deref(), keep.as_str());
                self.resolve(now, storage, id, (&category, &record), choice, wait)
            }
            Command::Import { items, dry_run, wait } => {
                self.import(now, storage, id, &items, dry_run, wait)
            }
            Command::Status
            | Command::Digest
            | Command::Devices
            | Command::Rename { .. }
            | Command::Revoke { .. }
            | Command::Accept { .. }
            | Command::Reset { .. }
            | Command::Invite { .. }
            | Command::List { .. }
            | Command::Occurrences(_)
            | Command::Show { .. }
            | Command::History { .. }
            | Command::Conflicts { .. }
            | Command::Export { .. }
            | Command::Quarantine { .. }
            | Command::Sync { .. } => Ok(None),
        }
    }

    fn may_write(&self) -> Result<(), Refusal> {
        if self.membership.keyring.is_none() {
            return Err(self.keyless().into());
        }
        if !self.membership.may_write(self.device()) {
            return Err(failure::taken_out().into());
        }
        Ok(())
    }

    pub(super) fn keyring(&self) -> Result<&Keyring, Refusal> {
        self.membership.keyring.as_ref().ok_or_else(|| self.keyless().into())
    }

    /// Says why there is no key here: this device is to have none, or a part of the
    /// log is lost.
    pub(super) fn keyless(&self) -> crate::command::Failure {
        match self.knows_itself() && !self.membership.may_read(self.device()) {
            true => failure::blind(),
            false => failure::roster_lost(),
        }
    }

    /// Returns the id of the record with a uid.
    pub(super) fn record_id(
        &self,
        spec: &'static CategorySpec,
        uid: &str,
    ) -> Result<RecordId, Refusal> {
        Ok(collection::identity::record_id(self.keyring()?.account_key(), spec.id, uid))
    }

    fn add(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        category: &str,
        assignments: &[String],
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let spec = category_of(category)?;
        if let Some(failure) = failure::named(spec) {
            return Err(failure.into());
        }
        let edits = crate::show::parse(spec, assignments)?;
        let uid = random_uid(&hash::truncate(self.random.bytes()));
        let content = heirloom_formats::create(spec, &edits, &uid, now.wall_ms)
            .map_err(|error| crate::show::field_failure(spec, &error))?;
        let mut writing = Writing::default();
        let record = self.born(&mut writing, spec, &uid, content)?;
        let answer = Answer::Saved { id: record.to_string(), reached: false };
        self.write_edit(now, storage, writing, id, answer, wait)
    }

    fn set(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        (category, name): (&str, &str),
        assignments: &[String],
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let spec = category_of(category)?;
        let edits = crate::show::parse(spec, assignments)?;
        let mut writing = Writing::default();
        let record = match self.find(storage, spec, name) {
            Err(Refusal::Failure(_)) if spec.naming.is_some() => {
                let content = heirloom_formats::create(spec, &edits, name, now.wall_ms)
                    .map_err(|error| crate::show::field_failure(spec, &error))?;
                self.born(&mut writing, spec, name, content)?
            }
            found => {
                let Named { record, row } = found?;
                let mut document = self.existing(storage, record)?;
                let changed = if !document.is_deleted() {
                    self.field_edits(storage, spec, (record, &document), &edits)?
                } else if spec.naming.is_some() {
                    let content = heirloom_formats::create(spec, &edits, &row.uid, now.wall_ms)
                        .map_err(|error| crate::show::field_failure(spec, &error))?;
                    past::anew(&document, &content)
                } else {
                    return Err(failure::in_trash(spec.id, &record.short()).into());
                };
                self.change(now, &mut writing, record, &mut document, changed, Manner::Settle)?;
                record
            }
        };
        let answer = Answer::Saved { id: record.to_string(), reached: false };
        self.write_edit(now, storage, writing, id, answer, wait)
    }

    fn delete(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        (category, name): (&str, &str),
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let spec = category_of(category)?;
        let Named { record, row } = self.find(storage, spec, name)?;
        let mut writing = Writing::default();
        if !row.deleted {
            let mut document = self.existing(storage, record)?;
            let time = i64::try_from(now.wall_ms).unwrap_or(i64::MAX);
            let mark = vec![(key::DELETED.to_owned(), Some(Value::Int(time)))];
            self.edit(now, &mut writing, record, &mut document, mark)?;
        }
        let answer = Answer::Saved { id: record.to_string(), reached: false };
        self.write_edit(now, storage, writing, id, answer, wait)
    }

    /// Returns what sets fields of a record, and settles what is in conflict
    /// about them, also where the value that is shown is set again.
    fn field_edits(
        &mut self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        (record, document): (RecordId, &Document),
        edits: &[FieldEdit],
    ) -> Result<Edits, Refusal> {
        let content = self.resolved(storage, births::content(document))?;
        self.begin_log();
        let tie = self.tie(record);
        let mut changed = heirloom_formats::edit(spec, &content, edits, &tie)
            .map_err(|error| crate::show::field_failure(spec, &error))?;
        for conflict in births::conflicts(document) {
            let winner = conflict.winner.value.as_ref();
            let winner = winner.map(|value| self.readable(storage, value));
            let field = crate::show::field_name(spec, &conflict.key, winner.as_ref());
            let is_set = |edit: &FieldEdit| {
                edit.field == field && matches!(edit.operation, Operation::Set(_))
            };
            let is_open = changed.iter().all(|(key, _)| *key != conflict.key);
            if is_open && edits.iter().any(is_set) && conflict.winner.value.is_some() {
                changed.push((conflict.key, conflict.winner.value));
            }
        }
        Ok(changed)
    }

    /// Makes a record that does not exist yet; one that does keeps its
    /// content, because a birth is fully determined by it.
    pub(super) fn born(
        &mut self,
        writing: &mut Writing,
        spec: &'static CategorySpec,
        uid: &str,
        mut content: Content,
    ) -> Result<RecordId, Refusal> {
        let record = self.record_id(spec, uid)?;
        let chunks = self.seal_large(writing, content.iter_mut().map(|(_, value)| value))?;
        content.insert(key::CATEGORY.to_owned(), Value::Int(spec.number));
        content.insert(key::UID.to_owned(), Value::Str(uid.to_owned()));
        let changes = heirloom_doc::birth(record, &content).map_err(|error| {
            failure::usage(
                format!("The {} cannot be made: {error}.", spec.singular),
                "Make it smaller.",
            )
        })?;
        self.begin_log();
        let document = Document::from_birth(&changes).map_err(|error| refused(&error))?;
        writing.take(record, &document, changes, chunks);
        Ok(record)
    }

    /// Edits a record; where nothing changes, nothing is written.
    pub(super) fn edit(
        &mut self,
        now: Now,
        writing: &mut Writing,
        record: RecordId,
        document: &mut Document,
        edits: Edits,
    ) -> Result<(), Refusal> {
        self.change(now, writing, record, document, edits, Manner::Merge)
    }

    /// As [`Node::edit`], with or without settling conflicts.
    pub(super) fn change(
        &mut self,
        now: Now,
        writing: &mut Writing,
        record: RecordId,
        document: &mut Document,
        mut edits: Edits,
        manner: Manner,
    ) -> Result<(), Refusal> {
        let values = edits.iter_mut().filter_map(|(_, value)| value.as_mut());
        let chunks = self.seal_large(writing, values)?;
        self.begin_log();
        let Some(actor) = self.journal.actor(record) else { return Ok(()) };
        let hlc = self.journal.tick(now.wall_ms);
        let changes = match manner {
            Manner::Merge => document.edit(actor, hlc, &edits),
            Manner::Settle => document.settle(actor, hlc, &edits),
        };
        let changes = changes.map_err(|error| refused(&error))?;
        if !changes.is_empty() {
            writing.take(record, document, changes, chunks);
        }
        Ok(())
    }

    /// Replaces values that are too large for a document by sealed chunks;
    /// returns these, and those of values that are chunks already.
    fn seal_large<'a>(
        &self,
        writing: &mut Writing,
        values: impl Iterator<Item = &'a mut Value>,
    ) -> Result<Vec<ChunkId>, Refusal> {
        let account_key = *self.keyring()?.account_key();
        let mut ids = Vec::new();
        for value in values {
            if let Value::Blob(blob) = value {
                ids.extend(blob.chunks.iter().map(|chunk| chunk.id));
            }
            if matches!(value, Value::Text(_)) {
                continue;
            }
            let Some(raw) = value.as_raw().filter(|raw| raw.len() > limits::VALUE_INLINE_BYTES_MAX)
            else {
                continue;
            };
            let sealed = heirloom_blob::seal(&account_key, raw);
            ids.extend(sealed.chunks.iter().map(|(id, _)| *id));
            writing.chunks.extend(sealed.chunks);
            *value = Value::Blob(sealed.blob);
        }
        Ok(ids)
    }

    /// Adds the chunks of a content that held entries name and that are not here.
    pub(super) fn give_back(
        &self,
        storage: &dyn Storage,
        content: &Content,
        writing: &mut Writing,
    ) -> Result<(), Refusal> {
        let mut sealed = Writing::default();
        let mut values: Vec<Value> = content.values().cloned().collect();
        self.seal_large(&mut sealed, values.iter_mut())?;
        sealed.chunks.retain(|(id, _)| !storage.has_chunk(*id));
        if sealed.chunks.is_empty() {
            return Ok(());
        }
        let named: BTreeSet<ChunkId> =
            entries_with_chunks(storage)?.into_iter().flat_map(|(_, _, chunks)| chunks).collect();
        writing.chunks.extend(sealed.chunks.into_iter().filter(|(id, _)| named.contains(id)));
        Ok(())
    }

    /// Begins a log where none is being written: its name is recorded with
    /// the first write.
    pub(super) fn begin_log(&mut self) {
        if self.journal.log().is_none() {
            self.begin_incarnation();
        }
    }

    /// Returns the mark of lines that this device puts into a record.
    fn tie(&self, record: RecordId) -> String {
        let actor = self.journal.actor(record).map_or([0; 16], |actor| actor.0);
        id::to_hex(&actor[..4])
    }

    /// Finds the record that an id prefix or a uid names.
    pub(super) fn find(
        &self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        name: &str,
    ) -> Result<Named, Refusal> {
        if name.is_empty() {
            let fix = format!("See `heirloom {} list` for the ids.", spec.id);
            return Err(failure::usage("No id was given.".to_owned(), &fix).into());
        }
        let by_uid = self.record_id(spec, name)?;
        if let Some(bytes) = storage.get(&rows::record_key(spec.number, by_uid))? {
            return Ok(Named { record: by_uid, row: decode_row(&bytes)? });
        }
        let mut matches = Vec::new();
        if name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let prefix = name.to_ascii_lowercase();
            for (key, bytes) in storage.scan(&id_prefix(spec, &prefix), None, usize::MAX)? {
                let record = rows::record_of_key(&key);
                if let Some(record) =
                    record.filter(|record| record.to_string().starts_with(&prefix))
                {
                    matches.push((record, bytes));
                }
            }
        }
        match matches.as_slice() {
            [] => Err(failure::not_found(spec, name).into()),
            [(record, bytes)] => Ok(Named { record: *record, row: decode_row(bytes)? }),
            several => Err(failure::ambiguous(name, several.len()).into()),
        }
    }

    /// Loads the document of a record that is known to exist.
    pub(super) fn existing(
        &self,
        storage: &dyn Storage,
        record: RecordId,
    ) -> Result<Document, Refusal> {
        let document = self.collection.document(storage, record)?;
        let missing = || StorageError::Index(format!("record {} has no document", record.short()));
        Ok(document.ok_or_else(missing)?)
    }

    /// Puts large values back into a content.
    pub(super) fn resolved(
        &self,
        storage: &dyn Storage,
        content: Content,
    ) -> Result<Content, Refusal> {
        self.resolved_with(storage, content, &Writing::default())
    }

    /// As [`Node::resolved`], also from chunks that are about to be written.
    pub(super) fn resolved_with(
        &self,
        storage: &dyn Storage,
        mut content: Content,
        writing: &Writing,
    ) -> Result<Content, Refusal> {
        let chunk = |id| {
            let gathered = writing.chunks.iter().find(|(gathered, _)| *gathered == id);
            gathered.map(|(_, bytes)| bytes.clone()).or_else(|| storage.chunk(id).ok())
        };
        for value in content.values_mut() {
            if let Value::Blob(blob) = value {
                *value = self.opened(blob, &chunk)?;
            }
        }
        Ok(content)
    }

    /// Returns a value that can be read: one that lives in chunks is put back
    /// from them, where they are here.
    pub(super) fn readable(&self, storage: &dyn Storage, value: &Value) -> Value {
        match value {
            Value::Blob(blob) => {
                self.opened(blob, &|id| storage.chunk(id).ok()).unwrap_or_else(|_| value.clone())
            }
            Value::Text(_) | Value::Str(_) | Value::Int(_) | Value::Bytes(_) => value.clone(),
        }
    }

    fn opened(
        &self,
        blob: &BlobRef,
        chunk: &dyn Fn(ChunkId) -> Option<Vec<u8>>,
    ) -> Result<Value, Refusal> {
        let bytes = heirloom_blob::open(self.keyring()?.account_key(), blob, chunk)
            .map_err(|_| failure::missing_chunk())?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Value::Str(text),
            Err(error) => Value::Bytes(error.into_bytes()),
        })
    }
}

/// Returns the category with an id, if there is one.
pub(super) fn category_of(id: &str) -> Result<&'static CategorySpec, Refusal> {
    category::by_id(id).ok_or_else(|| failure::no_category(id).into())
}

/// Tells what was asked too much from a document that is damaged.
fn refused(error: &DocError) -> Refusal {
    match error {
        DocError::Damaged(_) | DocError::Broken(_) => {
            Refusal::Storage(StorageError::Index(error.to_string()))
        }
        DocError::Empty
        | DocError::Key { .. }
        | DocError::Value { .. }
        | DocError::Clock(_)
        | DocError::Heads { .. } => {
            let fix = "Nothing was changed. Make it smaller, or split it over several records.";
            failure::usage(format!("This cannot be saved: {error}."), fix).into()
        }
    }
}

fn random_uid(bytes: &[u8; 16]) -> String {
    let hex = id::to_hex(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Returns the longest key prefix that all matches of a hex prefix share.
fn id_prefix(spec: &'static CategorySpec, prefix: &str) -> Vec<u8> {
    let even = prefix.get(..prefix.len() / 2 * 2).unwrap_or_default();
    [rows::category_prefix(spec.number), id::from_hex(even).unwrap_or_default()].concat()
}
