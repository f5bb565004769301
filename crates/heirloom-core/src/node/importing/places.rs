//! Notes that are known by the places of their files.

use super::{parsed_item, uid_of};
use crate::births;
use crate::command::ImportItem;
use crate::node::{Node, Refusal};
use crate::storage::Storage;
use heirloom_base::RecordId;
use heirloom_doc::Document;
use heirloom_formats::{Item, RawItem};
use heirloom_schema::category::notes::NOTES;
use std::collections::BTreeMap;

/// Notes and the files beside them that are known by their first content alone.
#[derive(Default)]
pub(super) struct Places {
    /// By the places of their files.
    records: BTreeMap<String, Vec<RecordId>>,
    /// By these and by the places that an export gives them where names collide.
    exported: BTreeMap<String, Vec<RecordId>>,
    /// Places of the second kind too, by the names of their files.
    named: BTreeMap<String, Vec<String>>,
    /// What was found out about each folder that is imported.
    roots: BTreeMap<u32, Root>,
}

/// A folder that is imported, as far as that was asked.
#[derive(Default)]
struct Root {
    /// Whether what is in it is mostly what was imported before.
    is_familiar: Option<bool>,
    /// The folder from whose inside all in it is that was imported with it
    /// before.
    above: Option<Option<String>>,
}

/// The items that are of one folder, among all that are imported together.
#[derive(Clone, Copy)]
pub(super) struct Among<'a> {
    /// All items.
    pub(super) items: &'a [ImportItem],
    /// The folder.
    pub(super) root: u32,
}

impl<'a> Among<'a> {
    /// Returns the notes and the files beside them.
    fn notes(self) -> impl Iterator<Item = (RawItem, Item)> + 'a {
        let is_note = move |item: &&ImportItem| item.root == self.root && item.category == NOTES.id;
        self.items.iter().filter(is_note).filter_map(|item| parsed_item(item).ok())
    }
}

impl Places {
    fn note(&mut self, place: String, fallback: String, record: RecordId) {
        self.records.entry(place.clone()).or_default().push(record);
        for place in [place, fallback] {
            let records = self.exported.entry(place.clone()).or_default();
            if records.is_empty() {
                let name = place.rsplit('/').next().unwrap_or_default().to_owned();
                self.named.entry(name).or_default().push(place);
            }
            records.push(record);
        }
    }

    fn root(&mut self, among: Among<'_>) -> &mut Root {
        self.roots.entry(among.root).or_default()
    }

    /// Returns the folders in which a file stands as an item's does here.
    fn above(&self, raw: &RawItem, parsed: &Item) -> Vec<String> {
        let place = heirloom_formats::preferred_file_name(raw.category, &parsed.content);
        let place = place.unwrap_or_default();
        let named = self.named.get(place.rsplit('/').next().unwrap_or_default());
        let above =
            |other: &String| Some(other.strip_suffix(&place)?.strip_suffix('/')?.to_owned());
        named.into_iter().flatten().filter_map(above).collect()
    }

    /// Returns the record whose file stands in a folder as an item's does here,
    /// if only one does.
    fn below(&self, above: &str, raw: &RawItem, parsed: &Item) -> Option<RecordId> {
        let place = heirloom_formats::preferred_file_name(raw.category, &parsed.content)?;
        let [record] = self.exported.get(&format!("{above}/{place}"))?.as_slice() else {
            return None;
        };
        Some(*record)
    }

    /// Returns the record whose file stands where an item's does, if only one
    /// does.
    fn only(&self, raw: &RawItem, parsed: &Item) -> Option<RecordId> {
        let place = heirloom_formats::preferred_file_name(raw.category, &parsed.content)?;
        let [record] = self.records.get(&place)?.as_slice() else { return None };
        Some(*record)
    }
}

impl Node {
    /// Returns the note, or the file beside notes, that an item without an
    /// identifier is a changed version of: the only one without an identifier
    /// of its own whose file stands in the same place, where their texts are
    /// alike or the rest of the folder is known.
    pub(super) fn changed_note(
        &self,
        storage: &dyn Storage,
        (raw, parsed): (&RawItem, &Item),
        among: Among<'_>,
        places: &mut Option<Places>,
    ) -> Result<Option<RecordId>, Refusal> {
        if raw.category.number != NOTES.number {
            return Ok(None);
        }
        let places = match places {
            Some(places) => places,
            None => places.insert(self.places(storage)?),
        };
        let Some(record) = places.only(raw, parsed) else {
            return self.same_below(storage, (raw, parsed), among, places);
        };
        if self.is_likely(storage, record, (raw, parsed))? {
            return Ok(Some(record));
        }
        let is_familiar = match places.root(among).is_familiar {
            Some(known) => known,
            None => self.is_familiar(storage, among, places)?,
        };
        places.root(among).is_familiar = Some(is_familiar);
        Ok(is_familiar.then_some(record))
    }

    fn is_likely(
        &self,
        storage: &dyn Storage,
        record: RecordId,
        (raw, parsed): (&RawItem, &Item),
    ) -> Result<bool, Refusal> {
        let document = self.existing(storage, record)?;
        let content = births::content(&document);
        let is_likely = heirloom_formats::is_likely_one(raw.category, &content, &parsed.content);
        Ok(is_likely || self.is_same(storage, &document, raw)?)
    }

    /// Returns whether a record's own file has the bytes of an item.
    fn is_same(
        &self,
        storage: &dyn Storage,
        document: &Document,
        raw: &RawItem,
    ) -> Result<bool, Refusal> {
        let content = self.resolved(storage, births::content(document))?;
        let uid = document.uid().unwrap_or_default();
        Ok(heirloom_formats::render(raw.category, &content, &uid) == raw.bytes)
    }

    /// Returns the record of an item that stands deeper there, where the folder
    /// that is imported is one that was imported with what is above it.
    fn same_below(
        &self,
        storage: &dyn Storage,
        (raw, parsed): (&RawItem, &Item),
        among: Among<'_>,
        places: &mut Places,
    ) -> Result<Option<RecordId>, Refusal> {
        let above = match places.root(among).above.take() {
            Some(known) => known,
            None => self.above(storage, among, places)?,
        };
        let found = above.as_ref().and_then(|above| places.below(above, raw, parsed));
        places.root(among).above = Some(above);
        let Some(record) = found else { return Ok(None) };
        let document = self.existing(storage, record)?;
        Ok(self.is_same(storage, &document, raw)?.then_some(record))
    }

    /// Returns the one folder in which more than half of what is in the one that
    /// is imported, and is not known at its own place, stands byte for byte.
    fn above(
        &self,
        storage: &dyn Storage,
        among: Among<'_>,
        places: &Places,
    ) -> Result<Option<String>, Refusal> {
        let (mut unknown, mut found) = (0, BTreeMap::<String, usize>::new());
        for (raw, parsed) in among.notes() {
            let record = self.record_id(raw.category, &uid_of(&parsed))?;
            if parsed.uid.is_some() || self.collection.saved(storage, record)?.is_some() {
                continue;
            }
            unknown += 1;
            for above in places.above(&raw, &parsed) {
                let Some(record) = places.below(&above, &raw, &parsed) else { continue };
                let document = self.existing(storage, record)?;
                if self.is_same(storage, &document, &raw)? {
                    *found.entry(above).or_default() += 1;
                }
            }
        }
        let mut most = found.into_iter().filter(|(_, count)| count * 2 > unknown);
        let above = most.next().map(|(above, _)| above);
        // Of two folders with the same in them nobody knows which one it is.
        Ok(above.filter(|_| most.next().is_none()))
    }

    /// Returns what is known by the places of its files.
    fn places(&self, storage: &dyn Storage) -> Result<Places, Refusal> {
        let mut places = Places::default();
        Self::each_row(storage, &NOTES, None, &mut |record, row| {
            if !row.deleted && heirloom_formats::is_content_uid(&row.uid) {
                let content = births::content(&self.existing(storage, record)?);
                let place = heirloom_formats::preferred_file_name(&NOTES, &content);
                let fallback = heirloom_formats::file_name(&NOTES, &content, &row.uid);
                places.note(place.unwrap_or_default(), fallback, record);
            }
            Ok(true)
        })?;
        Ok(places)
    }

    /// Returns whether most of what is in a folder was imported before.
    fn is_familiar(
        &self,
        storage: &dyn Storage,
        among: Among<'_>,
        places: &Places,
    ) -> Result<bool, Refusal> {
        let (mut known, mut strange) = (0, 0);
        for (raw, parsed) in among.notes() {
            let record = self.record_id(raw.category, &uid_of(&parsed))?;
            if self.collection.saved(storage, record)?.is_some() {
                known += 1;
                continue;
            }
            let Some(record) = places.only(&raw, &parsed) else { continue };
            if self.is_likely(storage, record, (&raw, &parsed))? {
                known += 1;
            } else if !heirloom_formats::is_attachment(&raw.name, &raw.bytes) {
                strange += 1;
            }
        }
        Ok(known > 0 && known >= strange)
    }
}
