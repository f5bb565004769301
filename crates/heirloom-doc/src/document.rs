//! A record's document.

mod contest;
mod edit;
mod history;
mod lineage;
pub(crate) mod plain;
mod read;

pub use history::{Birth, Births, ChangeKind, ChangeSummary, KeyEdit};
pub use read::{Attributed, Conflict, ContestedDeletion};

use crate::birth::Newborn;
use crate::change::{Heads, RawChange, foreign_hash, own_actor};
use crate::error::DocError;
use automerge::{Automerge, LoadOptions, TextEncoding};
use heirloom_base::guard::guarded;
use heirloom_base::{ActorId, ChangeHash, Hlc};
use lineage::Course;
use plain::Plain;
use std::sync::{Arc, OnceLock};

/// Saved bytes above which a document is compressed: below, it saves nothing.
const COMPRESSED_FROM_BYTES: usize = 16 * 1024;

/// A record's document, loaded.
///
/// Texts are counted in Unicode code points. The actor that automerge draws at
/// random for a new document never writes: every edit names its own.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The birth and what came since, where it was never more than one plain
    /// edit after the other.
    plain: Option<Plain>,
    /// The document, made when it is asked for.
    automerge: OnceLock<Automerge>,
    /// Whether each of its changes knows all those before it; its copies share it.
    course: Arc<OnceLock<Course>>,
    /// What was known of that before it was changed.
    earlier: Option<Course>,
}

impl Document {
    /// Returns a document without changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn of(automerge: Automerge) -> Self {
        Self { automerge: OnceLock::from(automerge), ..Self::default() }
    }

    /// Returns the document that a birth begins.
    pub(crate) fn of_newborn(newborn: Newborn) -> Self {
        Self::of_plain(Plain::of(newborn))
    }

    /// Returns the document that plain edits lead to.
    pub(crate) fn of_plain(plain: Plain) -> Self {
        Self { plain: Some(plain), ..Self::default() }
    }

    /// Returns the document that [`birth`](crate::birth()) begins.
    ///
    /// # Errors
    /// When the changes are not a birth.
    pub fn from_birth(changes: &[RawChange]) -> Result<Self, DocError> {
        let newborn = match changes {
            [change] => Newborn::load(&change.0)?,
            _ => Newborn::load_all(changes.to_vec())
                .map_err(|error| DocError::Damaged(error.to_string()))?,
        };
        Ok(Self::of_newborn(newborn))
    }

    /// Loads a document that [`Document::save`] saved.
    ///
    /// # Errors
    /// [`DocError::Damaged`].
    pub fn load(saved: &[u8]) -> Result<Self, DocError> {
        if Newborn::is_saved_in(saved) {
            let read = guarded(|| Plain::load(saved)).map_err(DocError::Damaged)?;
            return read.map(Self::of_plain);
        }
        let options = LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint);
        guarded(|| Automerge::load_with_options(saved, options))
            .map_err(DocError::Damaged)?
            .map_err(|error| DocError::Damaged(error.to_string()))
            .map(Self::of)
    }

    /// Returns the document as it was after `heads` and all that they build on.
    ///
    /// # Errors
    /// [`DocError::Damaged`] where it never had one of them.
    pub fn at(&self, heads: &Heads) -> Result<Self, DocError> {
        guarded(|| self.automerge().fork_at(&heads.to_foreign()))
            .map_err(DocError::Damaged)?
            .map_err(|error| DocError::Damaged(error.to_string()))
            .map(Self::of)
    }

    /// Returns the document's bytes, for this device only: two devices with the
    /// same changes may save them differently.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        if let Some(plain) = &self.plain {
            return plain.save();
        }
        let plain = self.automerge().save_nocompress();
        if plain.len() < COMPRESSED_FROM_BYTES { plain } else { self.automerge().save() }
    }

    /// Returns the changes that no other change builds on. Equal heads mean
    /// equal documents.
    #[must_use]
    pub fn heads(&self) -> Heads {
        match &self.plain {
            Some(plain) => Heads(vec![plain.hash()]),
            None if self.automerge.get().is_none() => Heads::default(),
            None => Heads::from_foreign(&self.automerge().get_heads()),
        }
    }

    /// Returns the authors of the heads and their clock readings; none where the
    /// head is a birth's.
    #[must_use]
    pub fn head_authors(&self) -> Vec<(ActorId, Option<Hlc>)> {
        if let Some(plain) = &self.plain {
            return vec![plain.last_author()];
        }
        let document = self.automerge();
        let metas = document.get_heads();
        let metas = metas.iter().filter_map(|head| document.get_change_meta_by_hash(head));
        let told = metas.map(|meta| {
            let hlc = u64::try_from(meta.timestamp).ok().filter(|hlc| *hlc > 0);
            (own_actor(&meta.actor), hlc.map(Hlc))
        });
        told.collect()
    }

    /// Returns whether a change is here.
    pub(crate) fn has(&self, hash: &ChangeHash) -> bool {
        match &self.plain {
            Some(plain) => plain.has(hash),
            None => self.automerge().get_change_meta_by_hash(&foreign_hash(*hash)).is_some(),
        }
    }

    /// Returns whether it is a birth and nothing has come since: then it costs
    /// little to load.
    #[must_use]
    pub fn is_newborn(&self) -> bool {
        self.newborn().is_some()
    }

    /// Returns whether it is a birth and plain edits one after the other: then it
    /// costs little to load, and takes little.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// Returns the birth, where nothing has come since.
    pub(crate) fn newborn(&self) -> Option<&Newborn> {
        self.plain.as_ref().and_then(Plain::newborn)
    }

    /// Returns the birth and what came since, where it was never more than one
    /// plain edit after the other.
    pub(crate) fn plain(&self) -> Option<&Plain> {
        self.plain.as_ref()
    }

    /// Returns whether changes of it were made apart.
    pub(crate) fn is_forked(&self) -> bool {
        let course = || Course::of(self.automerge(), self.earlier);
        self.plain.is_none() && *self.course.get_or_init(course) == Course::Forked
    }

    pub(crate) fn automerge(&self) -> &Automerge {
        self.automerge.get_or_init(|| self.plain.as_ref().map_or_else(empty, Plain::unfolded))
    }

    /// Makes the document, where none was needed so far.
    fn unfold(&mut self) {
        self.automerge_mut();
    }

    /// Returns the document to be changed.
    pub(crate) fn automerge_mut(&mut self) -> &mut Automerge {
        self.automerge();
        if let Some(plain) = self.plain.take() {
            let straight = Course::Straight(foreign_hash(plain.hash()), plain.count() as u64);
            self.earlier = Some(straight);
        }
        self.earlier = self.course.get().copied().or(self.earlier);
        self.course = Arc::default();
        self.automerge.get_mut().expect("it was made just now")
    }
}

/// Returns an empty automerge document of the form that all of ours have.
pub(crate) fn empty() -> Automerge {
    Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint)
}

#[cfg(test)]
mod tests;
