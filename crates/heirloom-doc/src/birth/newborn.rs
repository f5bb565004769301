//! Records that nobody has edited yet.

use super::{Reading, reading};
use crate::author::{self, Texts};
use crate::change::{RawChange, foreign_hash};
use crate::chunk::{self, Chunk};
use crate::document;
use crate::error::{ChunkError, DocError};
use automerge::Automerge;
use heirloom_base::{ActorId, ChangeHash};
use heirloom_schema::{Content, Value, key};

/// A birth and what it says. Nearly all records of a household are such: they
/// need no document before somebody edits them.
#[derive(Debug, Clone)]
pub(crate) struct Newborn {
    /// The changes in order, each building on the one before: at least one.
    parts: Vec<Part>,
    actor: ActorId,
    content: Content,
}

/// One change of a birth.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The change.
    pub(crate) change: RawChange,
    /// Its hash.
    pub(crate) hash: ChangeHash,
    /// The number of its last operation.
    pub(crate) max_op: u64,
}

impl Newborn {
    /// Returns the birth that changes of an actor are, which were read and say
    /// this.
    pub(crate) fn of(parts: Vec<Part>, actor: ActorId, content: Content) -> Self {
        Self { parts, actor, content }
    }

    /// Returns whether saved bytes are changes and no document.
    pub(crate) fn is_saved_in(bytes: &[u8]) -> bool {
        chunk::is_change(bytes)
    }

    /// Reads a birth that was saved: its changes one behind the other.
    ///
    /// # Errors
    /// [`DocError::Damaged`].
    pub(crate) fn load(bytes: &[u8]) -> Result<Self, DocError> {
        let damaged = |error: ChunkError| DocError::Damaged(error.to_string());
        // It was one when it was saved, and damage does not keep a checksum.
        match chunk::split(bytes) {
            Some((only, [])) => Self::load_one(only).map_err(damaged),
            Some(_) => {
                let (mut changes, mut rest) = (Vec::new(), bytes);
                while let Some((change, later)) = chunk::split(rest) {
                    changes.push(RawChange(change.to_vec()));
                    rest = later;
                }
                match rest {
                    [] => Self::load_all(changes).map_err(damaged),
                    _ => Err(damaged(ChunkError::Malformed("end"))),
                }
            }
            None => Err(damaged(ChunkError::Malformed("end"))),
        }
    }

    fn load_one(bytes: &[u8]) -> Result<Self, ChunkError> {
        let hash = chunk::hash_of(bytes)?;
        let read = chunk::glance(bytes).and_then(|(head, all)| Some((head, reading::seen(&all)?)));
        let (head, content) = read.ok_or(ChunkError::Malformed("birth"))?;
        let change = RawChange(bytes.to_vec());
        let part = Part { change, hash, max_op: head.max_op() };
        Ok(Self::of(vec![part], head.actor, content))
    }

    /// Reads a birth of several changes.
    ///
    /// # Errors
    /// When they are none.
    pub(crate) fn load_all(changes: Vec<RawChange>) -> Result<Self, ChunkError> {
        let mut reading = Reading::default();
        let (mut parts, mut actor) = (Vec::<Part>::new(), None);
        for (seq, change) in (1..).zip(changes) {
            let head = Chunk::parse(&change.0)?.head;
            let before: Vec<ChangeHash> = parts.last().map(|part| part.hash).into_iter().collect();
            let is_next = head.time == 0 && head.seq == seq && head.dependencies == before;
            if !is_next || actor.is_some_and(|actor| actor != head.actor) {
                return Err(ChunkError::Malformed("birth"));
            }
            reading.take(&change.0)?;
            let hash = chunk::hash_of(&change.0)?;
            actor = Some(head.actor);
            parts.push(Part { change, hash, max_op: head.max_op() });
        }
        let actor = actor.ok_or(ChunkError::Malformed("birth"))?;
        Ok(Self::of(parts, actor, reading.content))
    }

    /// Returns the bytes to be saved: the changes themselves.
    pub(crate) fn save(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|part| part.change.0.iter().copied()).collect()
    }

    /// Returns the changes in order.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the document that the birth begins. It is written anew, which
    /// costs less than half of what it costs to take its changes in.
    pub(crate) fn unfolded(&self) -> Automerge {
        let mut automerge = document::empty();
        let steps = self.content.iter().flat_map(|(key, value)| super::steps(key, value)).collect();
        let written = author::enact(&mut automerge, self.actor, 0, steps, Texts::new());
        let is_same = automerge.get_heads() == [foreign_hash(self.hash())];
        assert!(written.is_ok() && is_same, "a birth is what this device writes itself");
        automerge
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// Returns the hash of the last change.
    pub(crate) fn hash(&self) -> ChangeHash {
        self.parts.last().map(|part| part.hash).expect("a birth has a change")
    }

    pub(crate) fn actor(&self) -> ActorId {
        self.actor
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
    use automerge::Change;
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

    #[test]
    fn a_birth_of_several_changes_needs_no_document_either() {
        let long = Value::Text("ä line of a löng text\n".repeat(600));
        let content = Content::from([("a".to_owned(), Value::Int(7)), ("body".to_owned(), long)]);
        let changes = birth(RecordId([7; 16]), &content).unwrap();
        assert!(changes.len() > 2);
        let document = Document::from_birth(&changes).unwrap();
        let saved = document.save();
        assert!(document.is_newborn() && Document::load(&saved).unwrap().is_newborn());
        let mut applied = document::empty();
        let opened = changes.iter().map(|change| Change::from_bytes(change.0.clone()).unwrap());
        applied.apply_changes(opened).unwrap();
        let mut unfolded = Document::load(&saved).unwrap();
        assert_eq!(unfolded.automerge_mut().get_heads(), applied.get_heads());
        for one in [&document, &unfolded] {
            assert_eq!(one.content(), content);
            assert_eq!(one.heads(), document.heads());
            assert_eq!(one.history(), document.history());
            assert_eq!(one.birth_content(), content);
        }
        let is_damaged = |bytes: &[u8]| matches!(Document::load(bytes), Err(DocError::Damaged(_)));
        let swapped = [changes[1].0.as_slice(), &changes[0].0].concat();
        let twice = [changes[0].0.as_slice(), &changes[0].0].concat();
        assert!(
            is_damaged(&saved[..saved.len() - 1]) && is_damaged(&[&saved, &saved[..9]].concat())
        );
        assert!(is_damaged(&swapped) && is_damaged(&twice));
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
