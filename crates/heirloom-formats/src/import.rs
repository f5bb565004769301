//! Items that are imported together, and again.

use crate::format::format_of;
use crate::item::{Item, ItemError, RawItem};
use heirloom_schema::{CategorySpec, Content};

/// How an item stands to those before it in one import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing that it holds stands before it.
    New,
    /// It stands before it already.
    Same,
    /// Another version of it stands before it.
    Other,
}

impl Standing {
    /// Returns how an item stands to those before it. `before` says of one of
    /// its [`parts_of`] whether an item held it, and if so, whether the two
    /// are the same: their bytes are, or the lines of two without a uid.
    pub fn of(item: &Item, before: impl FnMut(&str) -> Option<bool>) -> Self {
        let mut parts = parts_of(item);
        // A series that comes behind one of its occurrences is no version of it.
        if parts.first().is_some_and(String::is_empty) {
            parts.truncate(1);
        }
        let met: Vec<bool> = parts.iter().map(String::as_str).filter_map(before).collect();
        match met.len() {
            0 => Self::New,
            all if all == parts.len() && met.iter().all(|is_same| *is_same) => Self::Same,
            _ => Self::Other,
        }
    }
}

/// Returns what an item holds of its record, by name: the record itself, whose
/// name is empty, and single occurrences of a series, also without the series.
#[must_use]
pub fn parts_of(item: &Item) -> Vec<String> {
    match item.uid {
        Some(_) => format_of(item.category).parts_held(&item.content),
        None => vec![String::new()],
    }
}

/// An import of an item whose record is here already.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// What was imported last.
    pub base: Content,
    /// What the record is now, as far as its files say.
    pub imported: Content,
    /// What is to be kept of it, for [`Import::of`] the next time.
    pub text: Vec<u8>,
}

impl Import {
    /// Compares an item with the last import: what was kept of it, or `birth`,
    /// the record's content when it was made. An item that holds occurrences
    /// of a series and not the series leaves the rest of it as it was.
    ///
    /// # Errors
    /// When the record with it would be too large to be imported.
    pub fn of(
        last: Option<&RawItem>,
        birth: Content,
        item: (&RawItem, &Content),
    ) -> Result<Self, ItemError> {
        format_of(item.0.category).import(last, birth, item)
    }

    /// Returns whether what was kept of the last import does not do without
    /// the record's birth.
    #[must_use]
    pub fn builds_on_birth(category: &CategorySpec, last: Option<&RawItem>) -> bool {
        last.is_none_or(|last| !format_of(category).is_whole_import(last))
    }

    /// As [`Import::of`] where every item holds its whole record.
    pub(crate) fn of_whole(
        last: Option<&RawItem>,
        birth: Content,
        (raw, content): (&RawItem, &Content),
    ) -> Self {
        let last = last.and_then(|last| crate::parse(last).ok()).map(|last| last.content);
        let base = last.unwrap_or(birth);
        Self { base, imported: content.clone(), text: raw.bytes.clone() }
    }
}

/// Returns an item as an import takes it: occurrences of a series that their
/// calendar cancels say so themselves.
#[must_use]
pub fn taken(item: Item) -> Item {
    Item { content: format_of(item.category).taken(item.content), ..item }
}
