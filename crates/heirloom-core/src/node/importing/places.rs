//! Notes that are known by the places of their files.

use super::{Found, parsed, uid_of};
use crate::births;
use crate::node::{Node, Refusal};
use crate::storage::Storage;
use heirloom_base::RecordId;
use heirloom_formats::{Item, RawItem};
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{Content, Value, key};
use std::collections::BTreeMap;

/// Notes and the files beside them that are known by their first content alone.
#[derive(Default)]
pub(super) struct Places {
    /// The place of each record's file.
    places: BTreeMap<RecordId, String>,
    /// The records by the places of their files.
    records: BTreeMap<String, Vec<RecordId>>,
    /// By the places that an export gives them where names collide.
    told_apart: BTreeMap<String, Vec<RecordId>>,
    /// Places of both kinds, by the names of their files.
    named: BTreeMap<String, Vec<String>>,
}

impl Places {
    fn note(&mut self, place: String, fallback: String, record: RecordId) {
        for place in [&place, &fallback] {
            if !self.records.contains_key(place) && !self.told_apart.contains_key(place) {
                let name = place.rsplit('/').next().unwrap_or_default().to_owned();
                self.named.entry(name).or_default().push(place.clone());
            }
        }
        self.records.entry(place.clone()).or_default().push(record);
        self.told_apart.entry(fallback).or_default().push(record);
        self.places.insert(record, place);
    }

    /// Returns where a record's file stands.
    pub(super) fn of(&self, record: RecordId) -> Option<&str> {
        self.places.get(&record).map(String::as_str)
    }

    /// Returns the records whose file stands at a place.
    pub(super) fn at(&self, place: &str) -> &[RecordId] {
        self.records.get(place).map_or(&[], Vec::as_slice)
    }

    /// Returns the records whose file an export puts at a place where names
    /// collide.
    pub(super) fn told_apart(&self, place: &str) -> &[RecordId] {
        self.told_apart.get(place).map_or(&[], Vec::as_slice)
    }

    /// Returns the folders in which a file stands as one at a place does here.
    pub(super) fn above(&self, place: &str) -> impl Iterator<Item = &str> {
        let named = self.named.get(place.rsplit('/').next().unwrap_or_default());
        let above = move |other: &'_ String| -> Option<usize> {
            Some(other.strip_suffix(place)?.strip_suffix('/')?.len())
        };
        named.into_iter().flatten().filter_map(move |other| other.get(..above(other)?))
    }

    /// Returns the records whose file stands in a folder as one at a place does
    /// here.
    pub(super) fn below(&self, above: &str, place: &str) -> Vec<RecordId> {
        let place = format!("{above}/{place}");
        self.at(&place).iter().chain(self.told_apart(&place)).copied().collect()
    }
}

/// Returns where the file of an item stands.
pub(super) fn place_of(content: &Content) -> String {
    heirloom_formats::preferred_file_name(&NOTES, content).unwrap_or_default()
}

impl Node {
    /// Returns what is known by the places of its files.
    pub(super) fn places(&self, storage: &dyn Storage) -> Result<Places, Refusal> {
        let mut places = Places::default();
        Self::each_row(storage, &NOTES, None, &mut |record, row| {
            if !row.deleted && heirloom_formats::is_content_uid(&row.uid) {
                let content = births::content(&self.existing(storage, record)?);
                let fallback = heirloom_formats::file_name(&NOTES, &content, &row.uid);
                places.note(place_of(&content), fallback, record);
            }
            Ok(true)
        })?;
        Ok(places)
    }

    /// Returns whether a record has the bytes of an item: its own file does, or
    /// what was imported into it last.
    pub(super) fn holds(
        &self,
        storage: &dyn Storage,
        (record, place): (RecordId, &str),
        raw: &RawItem,
    ) -> Result<bool, Refusal> {
        let document = self.existing(storage, record)?;
        let content = self.resolved(storage, births::content(&document))?;
        let uid = document.uid().unwrap_or_default();
        if heirloom_formats::render(&NOTES, &content, &uid) == raw.bytes {
            return Ok(true);
        }
        match document.content().remove(key::IMPORT) {
            Some(last) => {
                let last = Content::from([(key::IMPORT.to_owned(), last)]);
                let last = self.resolved(storage, last)?;
                let last = last.get(key::IMPORT).and_then(Value::as_raw);
                Ok(last == Some(raw.bytes.as_slice()))
            }
            // Nothing was imported into it but its birth, which its id tells.
            None => {
                let (_, born) = moved(raw, place)?;
                Ok(self.record_id(&NOTES, &uid_of(&born))? == record)
            }
        }
    }
}

/// Reads an item as if its file stood elsewhere.
pub(super) fn moved(raw: &RawItem, place: &str) -> Result<(RawItem, Item), Refusal> {
    let raw = RawItem { name: place.to_owned(), ..raw.clone() };
    let item = parsed(&raw)?;
    Ok((raw, item))
}

impl Found<'_> {
    /// Takes an item for a record whose file stands at a place.
    pub(super) fn becomes(&mut self, record: RecordId, place: &str) -> Result<(), Refusal> {
        // What an import finds elsewhere does not move the note.
        if place_of(&self.parsed.content) != place {
            (self.raw, self.parsed) = moved(&self.raw, place)?;
        }
        self.record = record;
        Ok(())
    }
}
