//! Items of files.

use heirloom_schema::{CategorySpec, Content};

/// One item of a file, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawItem {
    /// The category.
    pub category: &'static CategorySpec,
    /// The file's path relative to what is imported.
    pub name: String,
    /// The line in the file where the item begins, from 1.
    pub line: usize,
    /// The item's bytes.
    pub bytes: Vec<u8>,
}

/// One item, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The category.
    pub category: &'static CategorySpec,
    /// The item's own identifier, where it has one.
    pub uid: Option<String>,
    /// The content.
    pub content: Content,
    /// Whether the item has its end. One that was cut off may begin a record,
    /// but what it lacks was not removed by anybody.
    pub is_whole: bool,
}

/// A part of a file that cannot become a record, or is told of one that can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The line in the file where it begins, from 1.
    pub line: usize,
    /// Why: lower case, no full stop.
    pub reason: String,
    /// What became of the part.
    pub fate: Fate,
}

/// What becomes of a part of a file about which something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is left out.
    LeftOut,
    /// It is mended, and nothing of it is left out.
    Mended,
}

/// One part of a file: an item, or what is left out or mended.
pub type Part = Result<RawItem, Skipped>;

/// A file, cut into items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// The items in the order of the file.
    pub items: Vec<RawItem>,
    /// What was left out, or mended.
    pub skipped: Vec<Skipped>,
}

impl Split {
    /// Leaves out what begins at a line.
    pub(crate) fn skip(&mut self, line: usize, reason: impl Into<String>) {
        self.skipped.push(Skipped { line, reason: reason.into(), fate: Fate::LeftOut });
    }

    /// Says of what begins at a line what it lacked.
    pub(crate) fn mend(&mut self, line: usize, reason: impl Into<String>) {
        self.skipped.push(Skipped { line, reason: reason.into(), fate: Fate::Mended });
    }
}

impl FromIterator<Part> for Split {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        let mut split = Self::default();
        for part in parts {
            match part {
                Ok(item) => split.items.push(item),
                Err(skipped) => split.skipped.push(skipped),
            }
        }
        split
    }
}

impl IntoIterator for Split {
    type Item = Part;
    type IntoIter = std::iter::Chain<
        std::iter::Map<std::vec::IntoIter<RawItem>, fn(RawItem) -> Part>,
        std::iter::Map<std::vec::IntoIter<Skipped>, fn(Skipped) -> Part>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        let items = self.items.into_iter().map(Ok as fn(RawItem) -> Part);
        items.chain(self.skipped.into_iter().map(Err as fn(Skipped) -> Part))
    }
}

/// A file of no known kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRecognised {
    /// Neither the content nor the ending of the name tells the kind.
    #[error("this is no vCard, iCalendar, JSON object, Markdown or text file")]
    Unknown,
    /// Nothing but white space stands in it.
    #[error("the file is empty")]
    Empty,
    /// A table, whose columns every program names in its own way.
    #[error("a table is not read: export the contacts as vCard (.vcf) instead")]
    Table,
    /// The file is not of the kind that was asked for.
    #[error("this file holds no {0}")]
    NotThis(&'static str),
    /// There is no such category.
    #[error("there is no category {0:?}")]
    NoCategory(String),
}

/// An item that cannot become a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ItemError {
    /// The line in the file, from 1.
    pub line: usize,
    /// Why: lower case, no full stop.
    pub reason: String,
}

impl ItemError {
    pub(crate) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }
}
