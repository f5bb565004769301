//! Records that two devices made apart under one uid, read as one.
//!
//! What each device shows follows from the document, and nobody writes
//! anything for it. A line of another birth than the strongest has a key of its
//! own, which an edit or a removal of it is written to.

use heirloom_doc::{Attributed, Birth, Conflict, Document};
use heirloom_formats::United;
use heirloom_schema::category::{self, CategorySpec};
use heirloom_schema::{Content, Value};
use std::collections::BTreeMap;

/// Several births of a record and what they make of it.
struct Read {
    spec: &'static CategorySpec,
    births: Vec<Birth>,
    united: United,
}

impl Read {
    /// Reads a document that has several births.
    fn of(document: &Document) -> Option<Self> {
        let births = document.births();
        if births.len() < 2 {
            return None;
        }
        let spec = category::by_number(document.category()?)?;
        let contents: Vec<Content> = births.iter().map(|birth| birth.content.clone()).collect();
        let merged = document.content();
        let mut united = heirloom_formats::unite(spec, &contents, &merged);
        // What somebody removed is no more in the merge, but it is written.
        united.content.retain(|key, _| merged.contains_key(key) || document.values(key).is_empty());
        let is_born = |key: &str| {
            let shown = document.values(key).into_iter().next();
            shown.is_none_or(|shown| births.iter().any(|birth| birth.actor == shown.actor))
        };
        united.rivals.retain(|(key, ..)| is_born(key));
        Some(Self { spec, births, united })
    }

    /// Returns the conflicts as they are to be listed: in the key of a line
    /// births meet by chance.
    fn conflicts(&self, document: &Document) -> Vec<Conflict> {
        let born = |one: &Attributed| self.births.iter().any(|birth| birth.actor == one.actor);
        let mut listed: BTreeMap<String, Conflict> = BTreeMap::new();
        for mut conflict in document.conflicts() {
            if heirloom_formats::is_line(self.spec, &conflict.key) {
                conflict.losers.retain(|loser| !born(loser));
            }
            listed.insert(conflict.key.clone(), conflict);
        }
        for (key, value, number) in &self.united.rivals {
            let (Some(first), Some(other)) = (self.births.first(), self.births.get(*number)) else {
                continue;
            };
            let shown = self.united.content.get(key);
            let conflict = listed.entry(key.clone()).or_insert_with(|| Conflict {
                key: key.clone(),
                winner: set_by(first, shown),
                losers: Vec::new(),
            });
            if conflict.losers.iter().all(|loser| loser.value.as_ref() != Some(value)) {
                conflict.losers.push(set_by(other, Some(value)));
            }
        }
        listed.into_values().filter(|conflict| !conflict.losers.is_empty()).collect()
    }
}

fn set_by(birth: &Birth, value: Option<&Value>) -> Attributed {
    let hlc = heirloom_base::Hlc(0);
    Attributed {
        value: value.cloned(),
        removed: false,
        actor: birth.actor,
        hlc,
        change: birth.hash,
    }
}

/// Returns a record's content as it is shown.
pub(crate) fn content(document: &Document) -> Content {
    Read::of(document).map_or_else(|| document.content(), |read| read.united.content)
}

/// Returns a record's conflicts as they are shown.
pub(crate) fn conflicts(document: &Document) -> Vec<Conflict> {
    Read::of(document).map_or_else(|| document.conflicts(), |read| read.conflicts(document))
}

/// Returns who gave every key the value that is shown.
pub(crate) fn authorship(document: &Document) -> BTreeMap<String, Attributed> {
    let mut authors = document.authorship();
    let Some(read) = Read::of(document) else { return authors };
    for (key, value) in &read.united.content {
        let holds = |birth: &&Birth| birth.content.values().any(|one| one == value);
        let birth = read.births.iter().find(holds).filter(|_| !authors.contains_key(key));
        authors.extend(birth.map(|birth| (key.clone(), set_by(birth, Some(value)))));
    }
    authors
}

/// Returns the birth that a file was taken from or comes from: the one that it
/// has most of.
pub(crate) fn nearest(document: &Document, imported: &Content) -> Content {
    let alike = |birth: &Birth| {
        imported.iter().filter(|(key, value)| birth.content.get(*key) == Some(value)).count()
    };
    let births = document.births();
    // Of several, the strongest.
    let nearest = births.into_iter().rev().max_by_key(alike);
    nearest.map_or_else(|| document.birth_content(), |birth| birth.content)
}
