//! Which records the notes of one import are.
//!
//! A note without an identifier is known by its first content, else by the
//! place of its file. No two items of one import are one record by their
//! places, unless their bytes are the same: whose record is certain comes first,
//! then what a record holds byte for byte, and then what is like a record that
//! nothing else of the import is.

use super::Found;
use super::places::{Places, place_of};
use crate::node::{Node, Refusal};
use crate::storage::Storage;
use heirloom_base::{RecordId, hash};
use heirloom_schema::category::notes::NOTES;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Records of one place that an item is compared with: a place has as many as
/// folders were imported by themselves that have the same file.
const COMPARED_MAX: usize = 64;

/// Places that end as an item's does and are asked whether it is closer to what
/// stands there: of more, as of many readme files, none tells much.
const ELSEWHERE_MAX: usize = 16;

/// What stands for the closeness of the same bytes, or of a file that an export
/// named after its record: no words tell more.
const SAME: u32 = u32::MAX;

/// An item whose record is not known yet.
struct Open<'a, 'b> {
    found: &'a mut Found<'b>,
    /// Others of the same lines: what it is, they are.
    twins: Vec<&'a mut Found<'b>>,
    /// Where its file stands.
    place: String,
    /// The hash of its bytes.
    bytes: [u8; 32],
}

impl Open<'_, '_> {
    /// Returns the folders of which it is.
    fn roots(&self) -> impl Iterator<Item = u32> {
        let twins = self.twins.iter().map(|twin| twin.item.root);
        std::iter::once(self.found.item.root).chain(twins)
    }
}

/// How much of a folder that is imported was imported before.
#[derive(Default)]
struct Root {
    known: usize,
    strange: usize,
}

impl Root {
    fn is_familiar(&self) -> bool {
        self.known > 0 && self.known >= self.strange
    }
}

/// A record that an item may be a new version of.
struct Candidate {
    record: RecordId,
    /// How much of their words they share, in thousandths.
    closeness: u32,
    is_likely: bool,
}

/// What is found out about the notes of one import.
struct Claims<'a, 'b> {
    node: &'a Node,
    storage: &'a dyn Storage,
    places: Places,
    /// The records that items are, with the hash of the bytes of the first.
    taken: BTreeMap<RecordId, [u8; 32]>,
    open: Vec<Open<'a, 'b>>,
    roots: BTreeMap<u32, Root>,
}

impl Node {
    /// Finds the records of notes, and of files beside them, that carry no
    /// identifier and were not imported before as they are.
    pub(super) fn find_by_place(
        &self,
        storage: &dyn Storage,
        found: &mut [Found<'_>],
    ) -> Result<(), Refusal> {
        let mut claims = Claims {
            node: self,
            storage,
            places: Places::default(),
            taken: BTreeMap::new(),
            open: Vec::new(),
            roots: BTreeMap::new(),
        };
        claims.gather(found)?;
        if claims.open.is_empty() {
            return Ok(());
        }
        claims.places = self.places(storage)?;
        claims.take(|claims, open| claims.same_here(open))?;
        let above = claims.above();
        claims.take(|claims, open| claims.same_below(open, &above))?;
        claims.take_changed()
    }
}

impl<'a, 'b> Claims<'a, 'b> {
    /// Notes the items whose record is certain, and those whose record is not.
    fn gather(&mut self, found: &'a mut [Found<'b>]) -> Result<(), Refusal> {
        let mut places: BTreeMap<RecordId, usize> = BTreeMap::new();
        for one in found.iter_mut().filter(|one| one.raw.category.number == NOTES.number) {
            let bytes = hash::plain(&one.raw.bytes);
            let is_saved = self.node.collection.saved(self.storage, one.record)?.is_some();
            let is_named = one.parsed.uid.is_some();
            if is_saved || is_named {
                self.taken.entry(one.record).or_insert(bytes);
                self.roots.entry(one.item.root).or_default().known += usize::from(is_saved);
                continue;
            }
            let before = places.get(&one.record).and_then(|place| self.open.get_mut(*place));
            match before {
                Some(before) => before.twins.push(one),
                None => {
                    places.insert(one.record, self.open.len());
                    let place = place_of(&one.parsed.content);
                    self.open.push(Open { found: one, twins: Vec::new(), place, bytes });
                }
            }
        }
        Ok(())
    }

    /// Finds the records of open items, one after the other.
    fn take(
        &mut self,
        mut record_of: impl FnMut(&Self, &Open<'_, '_>) -> Result<Option<RecordId>, Refusal>,
    ) -> Result<(), Refusal> {
        for mut open in std::mem::take(&mut self.open) {
            let record = record_of(self, &open);
            match record.and_then(|record| self.settle(&mut open, record)) {
                Ok(true) => {}
                Ok(false) => self.open.push(open),
                Err(Refusal::Failure(failure)) => open.found.hindrance = Some(*failure),
                Err(error @ Refusal::Storage(_)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes an item and those of the same lines for a record, if there is one.
    fn settle(
        &mut self,
        open: &mut Open<'_, '_>,
        record: Option<RecordId>,
    ) -> Result<bool, Refusal> {
        let Some(record) = record else { return Ok(false) };
        let place = self.places.of(record).unwrap_or(&open.place);
        open.found.becomes(record, place)?;
        for twin in &mut open.twins {
            twin.becomes(record, place)?;
        }
        self.taken.entry(record).or_insert(open.bytes);
        for root in open.roots() {
            self.roots.entry(root).or_default().known += 1;
        }
        Ok(true)
    }

    /// Returns whether a record may be an item that it holds byte for byte.
    fn holds(&self, record: RecordId, open: &Open<'_, '_>) -> Result<bool, Refusal> {
        let is_others = self.taken.get(&record).is_some_and(|bytes| *bytes != open.bytes);
        let place = self.places.of(record).unwrap_or_default();
        Ok(!is_others && self.node.holds(self.storage, (record, place), &open.found.raw)?)
    }

    /// Returns the record at an item's own place that holds it.
    fn same_here(&self, open: &Open<'_, '_>) -> Result<Option<RecordId>, Refusal> {
        let here = self.places.at(&open.place).iter();
        for record in here.chain(self.places.told_apart(&open.place)) {
            if self.holds(*record, open)? {
                return Ok(Some(*record));
            }
        }
        Ok(None)
    }

    /// Returns the record of an item that stands deeper there, where the folder
    /// that is imported is one that was imported with what is above it.
    fn same_below(
        &self,
        open: &Open<'_, '_>,
        above: &BTreeMap<u32, String>,
    ) -> Result<Option<RecordId>, Refusal> {
        for above in open.roots().filter_map(|root| above.get(&root)) {
            for record in self.places.below(above, &open.place) {
                if self.holds(record, open)? {
                    return Ok(Some(record));
                }
            }
        }
        Ok(None)
    }

    /// Returns for each folder the one in which more than half of what is open
    /// in it stands byte for byte.
    fn above(&self) -> BTreeMap<u32, String> {
        let mut unknown: BTreeMap<u32, usize> = BTreeMap::new();
        let mut same: BTreeMap<u32, BTreeMap<&str, usize>> = BTreeMap::new();
        for open in &self.open {
            open.roots().for_each(|root| *unknown.entry(root).or_default() += 1);
            for above in self.places.above(&open.place) {
                // What another item is, or cannot be read, tells nothing.
                let is_same = |record: &RecordId| {
                    !self.taken.contains_key(record) && self.holds(*record, open).unwrap_or(false)
                };
                if self.places.below(above, &open.place).iter().any(is_same) {
                    for root in open.roots() {
                        *same.entry(root).or_default().entry(above).or_default() += 1;
                    }
                }
            }
        }
        let above = |(root, same): (u32, BTreeMap<&str, usize>)| {
            let most = same.values().copied().max()?;
            let mut above = same.into_iter().filter(|(_, count)| *count == most);
            let (first, _) = above.next()?;
            // Of two folders with the same in them nobody knows which one it is.
            let is_one = above.next().is_none();
            let unknown = unknown.get(&root).copied().unwrap_or_default();
            (is_one && most * 2 > unknown).then(|| (root, first.to_owned()))
        };
        same.into_iter().filter_map(above).collect()
    }

    /// Finds the records of which open items are new versions: those of folders
    /// that are known come first, and then the ones that are closest.
    fn take_changed(&mut self) -> Result<(), Refusal> {
        let mut compared = Vec::new();
        for open in std::mem::take(&mut self.open) {
            match self.candidates(&open) {
                Ok(candidates) if candidates.is_empty() => {}
                Ok(candidates) => {
                    self.note(&open, &candidates);
                    compared.push((open, candidates));
                }
                Err(Refusal::Failure(failure)) => open.found.hindrance = Some(*failure),
                Err(error @ Refusal::Storage(_)) => return Err(error),
            }
        }
        compared.sort_by_cached_key(|(open, candidates)| {
            let closeness = candidates.iter().map(|one| one.closeness).max();
            (Reverse(self.is_familiar(open)), Reverse(closeness))
        });
        let (open, candidates): (Vec<_>, Vec<_>) = compared.into_iter().unzip();
        self.open = open;
        let mut candidates = candidates.into_iter();
        self.take(|claims, open| {
            let found = claims.changed(open, candidates.next().unwrap_or_default());
            match found {
                Some(found) if !claims.is_closer_elsewhere(open, found.closeness)? => {
                    Ok(Some(found.record))
                }
                Some(_) | None => Ok(None),
            }
        })
    }

    /// Returns whether an item is closer to a note that stands where it would
    /// stand if the folder that is imported were a deeper one: it may be that
    /// one, or a copy, but is not the one at its own place.
    fn is_closer_elsewhere(&self, open: &Open<'_, '_>, closeness: u32) -> Result<bool, Refusal> {
        for above in self.places.above(&open.place).take(ELSEWHERE_MAX) {
            let below = self.places.below(above, &open.place);
            for record in below.into_iter().filter(|one| !self.taken.contains_key(one)) {
                let is_same = self.holds(record, open)?;
                let other = if is_same { SAME } else { self.candidate(record, open)?.closeness };
                if other > closeness {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Returns the records that an item may be a new version of.
    fn candidates(&self, open: &Open<'_, '_>) -> Result<Vec<Candidate>, Refusal> {
        let mut told_apart = self.places.told_apart(&open.place).iter();
        if let Some(record) = told_apart.find(|record| !self.taken.contains_key(record)) {
            // The digits in the name of its file tell which one it is.
            return Ok(vec![Candidate { record: *record, closeness: SAME, is_likely: true }]);
        }
        let mut candidates = Vec::new();
        let here = self.places.at(&open.place).iter().filter(|one| !self.taken.contains_key(one));
        for record in here.take(COMPARED_MAX) {
            candidates.push(self.candidate(*record, open)?);
        }
        Ok(candidates)
    }

    fn candidate(&self, record: RecordId, open: &Open<'_, '_>) -> Result<Candidate, Refusal> {
        let text = self.node.text_of(self.storage, record)?;
        let new = &open.found.parsed.content;
        Ok(Candidate {
            record,
            closeness: heirloom_formats::closeness(&NOTES, &text, new),
            is_likely: heirloom_formats::is_likely_one(&NOTES, &text, new),
        })
    }

    /// Notes what an item tells of the folder that it is of.
    fn note(&mut self, open: &Open<'_, '_>, candidates: &[Candidate]) {
        let is_likely = candidates.iter().any(|one| one.is_likely);
        let raw = &open.found.raw;
        let is_picture = heirloom_formats::is_attachment(&raw.name, &raw.bytes);
        for root in open.roots() {
            let root = self.roots.entry(root).or_default();
            root.known += usize::from(is_likely);
            root.strange += usize::from(!is_likely && !is_picture);
        }
    }

    fn is_familiar(&self, open: &Open<'_, '_>) -> bool {
        open.roots().any(|root| self.roots.get(&root).is_some_and(Root::is_familiar))
    }

    /// Returns the record that an item is a new version of: of those that nothing
    /// else is the one that it is closest to, or the only one in a folder that
    /// is known.
    fn changed(&self, open: &Open<'_, '_>, mut candidates: Vec<Candidate>) -> Option<Candidate> {
        candidates.retain(|one| !self.taken.contains_key(&one.record));
        if candidates.iter().all(|one| !one.is_likely) {
            let only = candidates.pop().filter(|_| candidates.is_empty())?;
            return self.is_familiar(open).then_some(only);
        }
        candidates.retain(|one| one.is_likely);
        candidates.sort_by_key(|one| Reverse(one.closeness));
        let mut closest = candidates.into_iter();
        let first = closest.next()?;
        // Of two that it is as close to nobody knows which one it is.
        let is_one = closest.next().is_none_or(|next| next.closeness < first.closeness);
        is_one.then_some(first)
    }
}
