//! Folders that are imported together with one that they stand in.

use super::Found;
use super::places::{moved, place_of};
use super::uid_of;
use crate::node::{Node, Refusal};
use crate::storage::Storage;
use heirloom_base::hash;
use heirloom_schema::category::notes::NOTES;
use std::collections::BTreeMap;

/// The files of some folders, by their folders and places, with the hashes of
/// their bytes.
type Files = BTreeMap<u32, BTreeMap<String, [u8; 32]>>;

impl Node {
    /// Takes the files of a folder that stands in another one of the same
    /// import for the files of that one, so that each is imported once. What was
    /// imported from the inner folder alone stays what it is.
    pub(super) fn join_inner(
        &self,
        storage: &dyn Storage,
        found: &mut [Found<'_>],
    ) -> Result<(), Refusal> {
        let mut files = Files::new();
        for one in found.iter().filter(|one| one.raw.category.number == NOTES.number) {
            let of_root = files.entry(one.item.root).or_default();
            of_root.insert(place_of(&one.parsed.content), hash::plain(&one.raw.bytes));
        }
        if files.len() < 2 {
            return Ok(());
        }
        let outer = outer(&files);
        for one in found.iter_mut().filter(|one| one.raw.category.number == NOTES.number) {
            let is_known =
                one.parsed.uid.is_some() || self.collection.saved(storage, one.record)?.is_some();
            if let (false, Some(above)) = (is_known, outer.get(&one.item.root)) {
                let place = format!("{above}/{}", place_of(&one.parsed.content));
                (one.raw, one.parsed) = moved(&one.raw, &place)?;
                one.uid = uid_of(&one.parsed);
                one.record = self.record_id(&NOTES, &one.uid)?;
            }
        }
        Ok(())
    }
}

/// Returns for each folder that stands in another one where it stands there: of
/// several, in the outermost.
fn outer(files: &Files) -> BTreeMap<u32, String> {
    let mut by_bytes: BTreeMap<[u8; 32], Vec<(u32, &str)>> = BTreeMap::new();
    for (root, files) in files {
        for (place, bytes) in files {
            by_bytes.entry(*bytes).or_default().push((*root, place));
        }
    }
    let outer = |(root, inner): (&u32, &BTreeMap<String, [u8; 32]>)| {
        let (place, bytes) = inner.first_key_value()?;
        let same = by_bytes.get(bytes)?.iter().filter(|(other, _)| other != root);
        let above = same.filter_map(|(other, path)| {
            let above = path.strip_suffix(place.as_str())?.strip_suffix('/')?;
            let of_other = files.get(other)?;
            let is_there = |(place, bytes): (&String, &[u8; 32])| {
                of_other.get(&format!("{above}/{place}")) == Some(bytes)
            };
            inner.iter().all(is_there).then_some(above)
        });
        Some((*root, above.max_by_key(|above| above.len())?.to_owned()))
    };
    files.iter().filter_map(outer).collect()
}
