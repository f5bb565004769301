//! Documents that were loaded, for the next time that they are asked for.
//!
//! A document is found by the bytes that it was saved as, so that one which is
//! out of date is never found. Loading costs as much as the history is long.

use super::load;
use crate::storage::StorageError;
use heirloom_base::{hash, limits};
use heirloom_doc::Document;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

/// Saved bytes of all documents that are kept: loaded, they take thirty times
/// as much.
const SAVED_BYTES_MAX: usize = 512 * 1024;

/// The documents that were used last.
#[derive(Debug, Default)]
pub(crate) struct Documents(RefCell<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_name: BTreeMap<[u8; 32], Document>,
    /// Their names and saved bytes, the oldest first.
    order: VecDeque<([u8; 32], usize)>,
    saved_bytes: usize,
}

impl Documents {
    /// Returns the document that was saved as these bytes.
    pub(crate) fn load(&self, saved: &[u8]) -> Result<Document, StorageError> {
        if let Some(document) = self.find(saved) {
            return Ok(document);
        }
        let document = load(saved)?;
        self.keep(saved, &document);
        Ok(document)
    }

    /// Returns the document that was saved as these bytes, if it is kept.
    pub(crate) fn find(&self, saved: &[u8]) -> Option<Document> {
        self.0.borrow().by_name.get(&name(saved)).cloned()
    }

    /// Keeps a document that was saved as these bytes.
    pub(crate) fn keep(&self, saved: &[u8], document: &Document) {
        if saved.len() > SAVED_BYTES_MAX || document.is_newborn() {
            return;
        }
        let mut kept = self.0.borrow_mut();
        let name = name(saved);
        if kept.by_name.insert(name, document.clone()).is_none() {
            kept.order.push_back((name, saved.len()));
            kept.saved_bytes += saved.len();
        }
        while kept.order.len() > limits::DOCUMENTS_LOADED_MAX || kept.saved_bytes > SAVED_BYTES_MAX
        {
            let Some((oldest, bytes)) = kept.order.pop_front() else { break };
            kept.by_name.remove(&oldest);
            kept.saved_bytes -= bytes;
        }
    }
}

fn name(saved: &[u8]) -> [u8; 32] {
    hash::plain(saved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::{ActorId, Hlc, RecordId};
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
        documents.0.borrow().by_name.len()
    }

    #[test]
    fn a_document_is_found_by_the_bytes_that_it_was_saved_as() {
        let documents = Documents::default();
        let (one, other) = (edited(1), edited(2));
        documents.keep(&one.save(), &one);
        assert_eq!(documents.load(&one.save()).unwrap().heads(), one.heads());
        assert_eq!(documents.load(&other.save()).unwrap().heads(), other.heads());
        assert!(documents.load(&[1, 2, 3]).is_err());
        assert_eq!(count(&documents), 2);
    }

    #[test]
    fn only_so_many_are_kept_and_none_that_is_large_or_new() {
        let documents = Documents::default();
        let limit = i64::try_from(limits::DOCUMENTS_LOADED_MAX).unwrap();
        for number in 0..=limit {
            let document = edited(number);
            documents.keep(&document.save(), &document);
        }
        assert_eq!(count(&documents), limits::DOCUMENTS_LOADED_MAX);
        documents.keep(&[0; SAVED_BYTES_MAX], &edited(1));
        assert_eq!(count(&documents), 1, "it leaves no room for others");
        let documents = Documents::default();
        let content = Content::from([("l1".to_owned(), Value::Int(1))]);
        let birth = heirloom_doc::birth(RecordId([1; 16]), &content).unwrap();
        let newborn = Document::from_birth(&birth).unwrap();
        documents.keep(&newborn.save(), &newborn);
        documents.keep(&[0; SAVED_BYTES_MAX + 1], &edited(1));
        assert_eq!(count(&documents), 0);
    }
}
