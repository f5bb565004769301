//! Records that two devices made apart under one uid, read as one.
//!
//! What each device shows follows from the document, and nobody writes
//! anything for it. A line of another birth than the strongest has a key of its
//! own, which an edit or a removal of it is written to.

use crate::past;
use heirloom_base::id;
use heirloom_doc::{Attributed, Birth, Births, Conflict, Document};
use heirloom_formats::{Edits, Rival, United, Version};
use heirloom_schema::category::{self, CategorySpec};
use heirloom_schema::{Content, Value};
use std::collections::BTreeMap;

/// Several births of a record and what they make of it.
struct Read {
    spec: &'static CategorySpec,
    found: Births,
    united: United,
}

impl Read {
    /// Reads a document that has several births.
    fn of(document: &Document) -> Option<Self> {
        let found = document.births()?;
        let spec = category::by_number(document.category()?)?;
        let versions: Vec<Version<'_>> = found
            .births
            .iter()
            .map(|birth| Version { born: &birth.content, lone: &birth.lone })
            .collect();
        let decided = |key: &str| {
            let mut values = document.values(key).into_iter();
            values.find(|one| found.united.contains(&one.change)).map(|one| one.value)
        };
        let united = heirloom_formats::unite(spec, &versions, &document.content(), &decided);
        Some(Self { spec, found, united })
    }

    /// Returns whether births meet in a key by chance.
    fn is_by_chance(&self, key: &str) -> bool {
        let is_born = self.found.births.iter().any(|birth| birth.content.contains_key(key));
        is_born && heirloom_formats::is_line(self.spec, key)
    }

    /// Returns the conflicts as they are to be listed: in the key of a line
    /// only those who meant the line of the first birth are at odds.
    fn conflicts(&self, document: &Document) -> Vec<Conflict> {
        let Births { births, united } = &self.found;
        let Some(first) = births.first() else { return Vec::new() };
        let is_meant =
            |one: &Attributed| united.contains(&one.change) || first.changes.contains(&one.change);
        let mut listed: BTreeMap<String, Conflict> = BTreeMap::new();
        for conflict in document.conflicts() {
            let Conflict { key, winner, losers } = conflict;
            let all = std::iter::once(winner).chain(losers);
            let by_chance = self.is_by_chance(&key);
            // What another birth became stands for it, and has its rivals below.
            if by_chance && self.united.origins.contains_key(&key) {
                continue;
            }
            let mut meant = all.filter(|one| !by_chance || is_meant(one));
            if let Some(winner) = meant.next() {
                let losers = meant.collect();
                listed.insert(key.clone(), Conflict { key, winner, losers });
            }
        }
        for Rival { key, value, birth, from } in &self.united.rivals {
            let Some(other) = births.get(*birth) else { continue };
            let shown = self.united.content.get(key);
            let conflict = listed.entry(key.clone()).or_insert_with(|| Conflict {
                key: key.clone(),
                winner: self.shown_by(document, first, (key, shown)),
                losers: Vec::new(),
            });
            if conflict.losers.iter().all(|loser| loser.value.as_ref() != value.as_ref()) {
                conflict.losers.push(made(document, other, (from, value.as_ref())));
            }
        }
        listed.into_values().filter(|conflict| !conflict.losers.is_empty()).collect()
    }

    /// Returns who gave a key the value that the births show.
    fn shown_by(
        &self,
        document: &Document,
        first: &Birth,
        (key, value): (&str, Option<&Value>),
    ) -> Attributed {
        let origin = self.united.origins.get(key);
        let (birth, from) = match origin {
            Some((place, from)) => (self.found.births.get(*place), from.as_str()),
            None => (None, key),
        };
        made(document, birth.unwrap_or(first), (from, value))
    }
}

/// Returns who gave a key of a birth its value: a birth, or who edited it among
/// those who knew of no other.
fn made(document: &Document, birth: &Birth, (key, value): (&str, Option<&Value>)) -> Attributed {
    let is_it =
        |one: &Attributed| one.value.as_ref() == value && birth.changes.contains(&one.change);
    let edited = document.values(key).into_iter().find(is_it);
    edited.unwrap_or_else(|| set_by(birth, value))
}

fn set_by(birth: &Birth, value: Option<&Value>) -> Attributed {
    let hlc = heirloom_base::Hlc(0);
    Attributed {
        value: value.cloned(),
        removed: value.is_none(),
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

/// Returns a record's content and its conflicts, as they are shown.
pub(crate) fn shown(document: &Document) -> (Content, Vec<Conflict>) {
    match Read::of(document) {
        Some(read) => {
            let conflicts = read.conflicts(document);
            (read.united.content, conflicts)
        }
        None => (document.content(), document.conflicts()),
    }
}

/// Returns who gave every key the value that is shown.
pub(crate) fn authorship(document: &Document) -> BTreeMap<String, Attributed> {
    let mut authors = document.authorship();
    let Some(read) = Read::of(document) else { return authors };
    for (key, value) in &read.united.content {
        if authors.get(key).is_some_and(|author| author.value.as_ref() == Some(value)) {
            continue;
        }
        let Some(first) = read.found.births.first() else { break };
        authors.insert(key.clone(), read.shown_by(document, first, (key, Some(value))));
    }
    authors
}

/// Returns the edits that lead from what a record shows to a content, where the
/// keys of the two are not the same: nothing where they are.
pub(crate) fn way(document: &Document, wanted: &Content) -> Option<Edits> {
    let Read { spec, united, found } = Read::of(document)?;
    let tie = id::to_hex(&found.births.first()?.hash.0[..4]);
    let shown = &united.content;
    let mut edits = heirloom_formats::replace(spec, shown, shown, wanted, &tie).edits;
    // Keys that are no lines have one meaning.
    let is_line = |key: &str| heirloom_formats::is_line(spec, key);
    edits.retain(|(key, _)| is_line(key));
    edits.extend(past::difference(shown, wanted).into_iter().filter(|(key, _)| !is_line(key)));
    Some(edits)
}

/// Returns the birth that a file was taken from or comes from: the one that it
/// has most of.
pub(crate) fn nearest(document: &Document, imported: &Content) -> Content {
    let alike = |birth: &Birth| {
        imported.iter().filter(|(key, value)| birth.content.get(*key) == Some(value)).count()
    };
    let births = document.births().map(|found| found.births).unwrap_or_default();
    // Of several, the strongest.
    let nearest = births.into_iter().rev().max_by_key(alike);
    nearest.map_or_else(|| document.birth_content(), |birth| birth.content)
}
