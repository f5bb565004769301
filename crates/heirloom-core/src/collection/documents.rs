//! Documents that were loaded, for the next time that they are asked for.
//!
//! A document is found by the bytes that it was saved as, so that one which is
//! out of date is never found. Loading costs as much as the history is long.

use super::load;
use crate::storage::StorageError;
use heirloom_base::{RecordId, hash, limits};
use heirloom_doc::Document;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

/// Saved bytes of all documents that are kept: loaded, they take thirty times
/// as much.
const SAVED_BYTES_MAX: usize = 512 * 1024;
/// Of one that is no more than edits one after the other, so many saved bytes
/// take as much loaded as one of another.
const LIGHTER: usize = 16;
/// Versions of one record: the one in the index, and the one that is on its way
/// there.
const VERSIONS_MAX: usize = 2;

/// The documents that were used last.
#[derive(Debug, Default)]
pub(crate) struct Documents(RefCell<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_record: BTreeMap<RecordId, VecDeque<Version>>,
    /// The records, the one whose document was kept first in front; one that was
    /// kept again stands there again, with its number.
    order: VecDeque<(RecordId, u64)>,
    count: u64,
    saved_bytes: usize,
}

/// A document, named by its saved bytes.
#[derive(Debug)]
struct Version {
    name: [u8; 32],
    document: Document,
    bytes: usize,
    kept: u64,
}

impl Documents {
    /// Returns the document of a record that was saved as these bytes.
    pub(crate) fn load(&self, record: RecordId, saved: &[u8]) -> Result<Document, StorageError> {
        if let Some(document) = self.find(record, saved) {
            return Ok(document);
        }
        let document = load(saved)?;
        self.keep(record, saved, &document);
        Ok(document)
    }

    /// Returns the document of a record that was saved as these bytes, if it is
    /// kept.
    pub(crate) fn find(&self, record: RecordId, saved: &[u8]) -> Option<Document> {
        let kept = self.0.borrow();
        let versions = kept.by_record.get(&record)?;
        let name = name(saved);
        let found = versions.iter().find(|version| version.name == name)?;
        Some(found.document.clone())
    }

    /// Keeps a document of a record that was saved as these bytes.
    pub(crate) fn keep(&self, record: RecordId, saved: &[u8], document: &Document) {
        let bytes = if document.is_plain() { saved.len() / LIGHTER } else { saved.len() };
        if bytes > SAVED_BYTES_MAX || document.is_newborn() {
            return;
        }
        self.0.borrow_mut().keep(
            record,
            Version { name: name(saved), document: document.clone(), bytes, kept: 0 },
        );
    }
}

impl Kept {
    fn keep(&mut self, record: RecordId, mut version: Version) {
        self.count += 1;
        version.kept = self.count;
        self.order.push_back((record, self.count));
        self.saved_bytes += version.bytes;
        let versions = self.by_record.entry(record).or_default();
        let same = versions.iter().position(|one| one.name == version.name);
        let old = same.or((versions.len() >= VERSIONS_MAX).then_some(0));
        let old = old.and_then(|place| versions.remove(place));
        self.saved_bytes -= old.map_or(0, |old| old.bytes);
        versions.push_back(version);
        while self.by_record.len() > limits::DOCUMENTS_LOADED_MAX
            || self.saved_bytes > SAVED_BYTES_MAX
            || self.order.len() > 2 * VERSIONS_MAX * limits::DOCUMENTS_LOADED_MAX
        {
            let Some((oldest, number)) = self.order.pop_front() else { break };
            self.forget(oldest, number);
        }
    }

    /// Forgets the version of a record that was kept under a number, if it is
    /// still there.
    fn forget(&mut self, record: RecordId, number: u64) {
        let Some(versions) = self.by_record.get_mut(&record) else { return };
        let place = versions.iter().position(|version| version.kept == number);
        let old = place.and_then(|place| versions.remove(place));
        self.saved_bytes -= old.map_or(0, |old| old.bytes);
        if versions.is_empty() {
            self.by_record.remove(&record);
        }
    }
}

fn name(saved: &[u8]) -> [u8; 32] {
    hash::plain(saved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::{ActorId, Hlc};
    use heirloom_schema::{Content, Value};

    fn edited(number: i64) -> Document {
        let content = Content::from([("l1".to_owned(), Value::Int(number))]);
        let birth = heirloom_doc::birth(RecordId([1; 16]), &content).unwrap();
        let mut document = Document::from_birth(&birth).unwrap();
        let edit = [("l1".to_owned(), Some(Value::Int(-1)))];
        document.edit(ActorId([2; 16]), Hlc(1 << 16), &edit).unwrap();
        document
    }

    fn count(documents: &Documents) -> usize {
        documents.0.borrow().by_record.values().map(VecDeque::len).sum()
    }

    fn record(number: i64) -> RecordId {
        RecordId(i128::from(number).to_be_bytes())
    }

    #[test]
    fn a_document_is_found_by_the_bytes_that_it_was_saved_as() {
        let documents = Documents::default();
        let (one, other) = (edited(1), edited(2));
        documents.keep(record(1), &one.save(), &one);
        assert_eq!(documents.load(record(1), &one.save()).unwrap().heads(), one.heads());
        assert_eq!(documents.load(record(1), &other.save()).unwrap().heads(), other.heads());
        assert!(documents.load(record(1), &[1, 2, 3]).is_err());
        assert!(documents.find(record(2), &one.save()).is_none());
        assert_eq!(count(&documents), 2);
    }

    #[test]
    fn of_one_record_the_last_versions_are_kept() {
        let documents = Documents::default();
        let versions: Vec<Document> = (0..5).map(edited).collect();
        for version in &versions {
            documents.keep(record(1), &version.save(), version);
            documents.keep(record(1), &version.save(), version);
        }
        let found = |version: &Document| documents.find(record(1), &version.save()).is_some();
        let kept: Vec<bool> = versions.iter().map(found).collect();
        assert_eq!(kept, [false, false, false, true, true]);
    }

    #[test]
    fn only_so_many_are_kept_and_none_that_is_large_or_new() {
        let documents = Documents::default();
        let limit = i64::try_from(limits::DOCUMENTS_LOADED_MAX).unwrap();
        for number in 0..=limit {
            let document = edited(number);
            documents.keep(record(number), &document.save(), &document);
        }
        assert_eq!(count(&documents), limits::DOCUMENTS_LOADED_MAX);
        for number in 0..=20 * limit {
            let document = edited(number % 3);
            documents.keep(record(1), &document.save(), &document);
        }
        let kept = documents.0.borrow();
        assert!(kept.order.len() <= 4 * limits::DOCUMENTS_LOADED_MAX);
        let bytes: usize = kept.by_record.values().flatten().map(|version| version.bytes).sum();
        assert_eq!(bytes, kept.saved_bytes);
        drop(kept);
        documents.keep(record(2), &[0; LIGHTER * SAVED_BYTES_MAX], &edited(1));
        assert_eq!(count(&documents), 1, "it leaves no room for others");
        let documents = Documents::default();
        let content = Content::from([("l1".to_owned(), Value::Int(1))]);
        let birth = heirloom_doc::birth(RecordId([1; 16]), &content).unwrap();
        let newborn = Document::from_birth(&birth).unwrap();
        documents.keep(record(1), &newborn.save(), &newborn);
        documents.keep(record(1), &[0; LIGHTER * (SAVED_BYTES_MAX + 1)], &edited(1));
        assert_eq!(count(&documents), 0);
    }
}
