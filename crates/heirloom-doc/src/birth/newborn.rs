//! Records that nobody has edited yet.

use super::reading;
use crate::change::RawChange;
use crate::chunk::{self, Head};
use crate::document;
use crate::error::{ChunkError, DocError};
use automerge::{Automerge, Change};
use heirloom_base::{ActorId, ChangeHash};
use heirloom_schema::{Content, Value, key};

/// A birth of one change and what it says. Nearly all records of a household
/// are such: they need no document before somebody edits them.
#[derive(Debug, Clone)]
pub(crate) struct Newborn {
    change: RawChange,
    hash: ChangeHash,
    actor: ActorId,
    max_op: u64,
    content: Content,
}

impl Newborn {
    /// Returns the birth that a change is, which was read and says this.
    pub(crate) fn of(change: RawChange, front: (ChangeHash, &Head), content: Content) -> Self {
        let (hash, head) = front;
        Self { change, hash, actor: head.actor, max_op: head.max_op(), content }
    }

    /// Returns whether saved bytes are a change and no document.
    pub(crate) fn is_saved_in(bytes: &[u8]) -> bool {
        chunk::is_change(bytes)
    }

    /// Reads a birth that was saved.
    ///
    /// # Errors
    /// [`DocError::Damaged`].
    pub(crate) fn load(bytes: &[u8]) -> Result<Self, DocError> {
        let damaged = |error: ChunkError| DocError::Damaged(error.to_string());
        // It was one when it was saved, and damage does not keep the checksum.
        let hash = chunk::hash_of(bytes).map_err(damaged)?;
        let read = chunk::glance(bytes).and_then(|(head, all)| Some((head, reading::seen(&all)?)));
        let (head, content) = read.ok_or_else(|| damaged(ChunkError::Malformed("birth")))?;
        Ok(Self::of(RawChange(bytes.to_vec()), (hash, &head), content))
    }

    /// Returns the bytes to be saved: the change itself.
    pub(crate) fn save(&self) -> &[u8] {
        &self.change.0
    }

    /// Returns the document that the birth begins.
    pub(crate) fn unfolded(&self) -> Automerge {
        let mut automerge = document::empty();
        let change = Change::from_bytes(self.change.0.clone());
        let applied = change.ok().map(|change| automerge.apply_changes([change]));
        assert!(matches!(applied, Some(Ok(()))), "a birth is what this device writes itself");
        automerge
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn hash(&self) -> ChangeHash {
        self.hash
    }

    pub(crate) fn actor(&self) -> ActorId {
        self.actor
    }

    /// Returns the number of the last operation.
    pub(crate) fn max_op(&self) -> u64 {
        self.max_op
    }

    /// Returns the number of the category and the uid, where it names both.
    pub(crate) fn identity(&self) -> Option<(i64, String)> {
        match (self.content.get(key::CATEGORY)?, self.content.get(key::UID)?) {
            (Value::Int(number), Value::Str(uid)) => Some((*number, uid.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::birth::birth;
    use crate::document::Document;
    use crate::error::DocError;
    use heirloom_base::RecordId;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            ".{0,40}".prop_map(Value::Str),
            any::<i64>().prop_map(Value::Int),
            "(.|\n){0,200}".prop_map(Value::Text),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ]
    }

    fn content() -> impl Strategy<Value = Content> {
        let named = prop_oneof![
            Just(key::CATEGORY.to_owned()),
            Just(key::UID.to_owned()),
            Just(key::DELETED.to_owned()),
            "[a-z/0-9]{1,12}",
        ];
        proptest::collection::btree_map(named, value(), 1..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_newborn_shows_what_its_document_shows(content in content()) {
            let changes = birth(RecordId([7; 16]), &content).unwrap();
            let newborn = Document::from_birth(&changes).unwrap();
            prop_assert!(newborn.newborn().is_some());
            let mut unfolded = newborn.clone();
            unfolded.automerge_mut();
            prop_assert!(unfolded.newborn().is_none());
            for one in [&newborn, &Document::load(&newborn.save()).unwrap()] {
                prop_assert_eq!(one.content(), unfolded.content());
                prop_assert_eq!(one.heads(), unfolded.heads());
                prop_assert_eq!(one.category(), unfolded.category());
                prop_assert_eq!(one.uid(), unfolded.uid());
                prop_assert_eq!(one.born_as(), unfolded.born_as());
                prop_assert_eq!(one.birth_content(), unfolded.birth_content());
                prop_assert_eq!(one.is_deleted(), unfolded.is_deleted());
                prop_assert_eq!(one.conflicts(), unfolded.conflicts());
                prop_assert_eq!(one.contested_deletion(), unfolded.contested_deletion());
                prop_assert_eq!(one.history(), unfolded.history());
                prop_assert_eq!(one.authorship(), unfolded.authorship());
            }
            let saved = Document::load(&unfolded.save()).unwrap();
            prop_assert_eq!(saved.content(), content);
        }

        #[test]
        fn a_newborn_whose_bytes_were_damaged_does_not_load(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let content = Content::from([("l1".to_owned(), Value::Str("FN:Ann".to_owned()))]);
            let mut saved = birth(RecordId([7; 16]), &content).unwrap().remove(0).0;
            let at = at.index(saved.len());
            saved[at] ^= 1 << bit;
            prop_assert!(matches!(Document::load(&saved), Err(DocError::Damaged(_))));
        }
    }
}
