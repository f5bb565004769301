//! Where the chunks are.

use crate::pack::{HEADER_BYTES, Row, Spot};
use heirloom_base::ChunkId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Packs that are kept open for reading.
const FILES_MAX: usize = 64;

/// Where a chunk is. There are many of them: 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The pack, or `None` for a file of its own.
    pub(super) pack: Option<NonZeroU32>,
    /// Where its frame begins.
    pub(super) offset: u32,
    /// Its sealed bytes.
    pub(super) length: u32,
}

/// What is known of the chunks; behind a lock that is held for moments only.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Chunks that are durable here; packs count what of them is in each.
    pub(super) held: BTreeMap<ChunkId, Place>,
    /// Further copies of some of them.
    spare: BTreeMap<ChunkId, Vec<Place>>,
    /// Copies in packs that could not be read.
    bad: BTreeMap<ChunkId, Vec<Place>>,
    packs: BTreeMap<u32, Pack>,
    files: BTreeMap<u32, Arc<File>>,
    /// First bytes of ids whose folder is durable.
    pub(super) folders: BTreeSet<u8>,
    /// Chunks that were here and could not be read.
    pub(super) lost: BTreeSet<ChunkId>,
    /// Those of them that nobody was told of.
    pub(super) untold: BTreeSet<ChunkId>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pack {
    is_sealed: bool,
    /// Bytes of all frames.
    bytes: u64,
    /// Bytes of those that are held.
    live: u64,
}

impl Place {
    /// A file of its own; nobody makes a chunk of 4 GiB.
    pub(super) fn file(bytes: u64) -> Self {
        Self { pack: None, offset: 0, length: u32::try_from(bytes).unwrap_or(u32::MAX) }
    }

    pub(super) fn packed(number: u32, row: Row) -> Self {
        Self { pack: NonZeroU32::new(number), offset: row.offset, length: row.length }
    }

    pub(super) fn spot(self) -> Option<Spot> {
        self.pack.map(|number| Spot { pack: number.get(), offset: self.offset })
    }

    fn is_in(self, number: u32) -> bool {
        self.pack.is_some_and(|pack| pack.get() == number)
    }

    fn frame_bytes(self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.length)
    }
}

impl State {
    /// Takes over everything that was found when the store was opened, later places last.
    pub(super) fn fill(&mut self, mut found: Vec<(ChunkId, Place)>) {
        found.sort_by_key(|(id, _)| *id);
        for pair in found.windows(2) {
            if let [(id, place), (next, _)] = pair
                && id == next
            {
                self.spare.entry(*id).or_default().push(*place);
            }
        }
        // Made of a sorted list, the map is full: nothing of its nodes is wasted.
        self.held = found.into_iter().collect();
        for place in self.held.values() {
            count(&mut self.packs, *place, u64::saturating_add);
        }
    }

    /// Takes in a copy that is durable.
    pub(super) fn hold(&mut self, id: ChunkId, place: Place) {
        self.lost.remove(&id);
        self.untold.remove(&id);
        match self.held.insert(id, place) {
            Some(before) if before == place => return,
            Some(before) => {
                count(&mut self.packs, before, u64::saturating_sub);
                self.spare.entry(id).or_default().push(before);
            }
            None => {}
        }
        count(&mut self.packs, place, u64::saturating_add);
    }

    /// Takes a copy that cannot be read out of use; the chunk is lost when it was the last.
    pub(super) fn lose(&mut self, id: ChunkId, place: Place) {
        if self.held.get(&id) != Some(&place) {
            return;
        }
        tracing::warn!(chunk = %id.short(), "a chunk is damaged or missing");
        self.release(id, place);
        if place.pack.is_some() {
            self.bad.entry(id).or_default().push(place);
        }
        if !self.held.contains_key(&id) {
            self.miss(id);
        }
    }

    /// Notes a chunk that was here.
    pub(super) fn miss(&mut self, id: ChunkId) {
        self.lost.insert(id);
        self.untold.insert(id);
    }

    /// Returns all copies of a chunk.
    pub(super) fn copies(&self, id: ChunkId) -> Vec<Place> {
        let others = [&self.spare, &self.bad].into_iter().filter_map(|places| places.get(&id));
        self.held.get(&id).into_iter().chain(others.flatten()).copied().collect()
    }

    /// Forgets a copy; another one takes its place.
    pub(super) fn release(&mut self, id: ChunkId, place: Place) {
        for places in [&mut self.spare, &mut self.bad] {
            retain(places, id, |other| *other != place);
        }
        if self.held.get(&id) == Some(&place) {
            self.held.remove(&id);
            count(&mut self.packs, place, u64::saturating_sub);
            let next = self.spare.get(&id).and_then(|places| places.last().copied());
            if let Some(next) = next {
                retain(&mut self.spare, id, |other| *other != next);
                self.hold(id, next);
            }
        }
    }

    /// Forgets the copy that a tombstone names.
    pub(super) fn bury(&mut self, id: ChunkId, spot: Spot) {
        let found = self.copies(id).into_iter().find(|place| place.spot() == Some(spot));
        if let Some(place) = found {
            self.release(id, place);
        }
    }

    pub(super) fn note_pack(&mut self, number: u32, bytes: u32, is_sealed: bool) {
        let pack = self.packs.entry(number).or_default();
        pack.bytes = u64::from(bytes);
        pack.is_sealed |= is_sealed;
    }

    pub(super) fn has_pack(&self, number: u32) -> bool {
        self.packs.contains_key(&number)
    }

    /// Returns the sealed packs of which less than half is held, first those
    /// that take the least room to be rewritten.
    pub(super) fn sparse_packs(&self) -> Vec<u32> {
        let is_sparse = |pack: &Pack| pack.is_sealed && pack.live * 2 < pack.bytes;
        let sparse = self.packs.iter().filter(|(_, pack)| is_sparse(pack));
        let mut sparse: Vec<(u64, u32)> =
            sparse.map(|(number, pack)| (pack.live, *number)).collect();
        sparse.sort_unstable();
        sparse.into_iter().map(|(_, number)| number).collect()
    }

    /// Returns the bytes of a pack's frames that are held.
    pub(super) fn live_bytes(&self, number: u32) -> u64 {
        self.packs.get(&number).map_or(0, |pack| pack.live)
    }

    /// Forgets a pack that is gone, and the copies in it that were not in use.
    pub(super) fn forget_pack(&mut self, number: u32) {
        self.packs.remove(&number);
        self.files.remove(&number);
        for copies in [&mut self.spare, &mut self.bad] {
            copies.retain(|_, places| {
                places.retain(|place| !place.is_in(number));
                !places.is_empty()
            });
        }
    }

    /// Returns a pack's file if it is open, and whether the pack is sealed.
    pub(super) fn pack_file(&self, number: u32) -> (Option<Arc<File>>, bool) {
        let is_sealed = self.packs.get(&number).is_some_and(|pack| pack.is_sealed);
        (self.files.get(&number).cloned(), is_sealed)
    }

    pub(super) fn keep_file(&mut self, number: u32, file: &Arc<File>) {
        if self.files.len() >= FILES_MAX {
            self.files.pop_first();
        }
        // A pack that went meanwhile shall not keep its room.
        if self.has_pack(number) {
            self.files.insert(number, Arc::clone(file));
        }
    }
}

fn count(packs: &mut BTreeMap<u32, Pack>, place: Place, change: fn(u64, u64) -> u64) {
    if let Some(number) = place.pack {
        let pack = packs.entry(number.get()).or_default();
        pack.live = change(pack.live, place.frame_bytes());
    }
}

fn retain(
    copies: &mut BTreeMap<ChunkId, Vec<Place>>,
    id: ChunkId,
    keep: impl FnMut(&Place) -> bool,
) {
    if let Some(places) = copies.get_mut(&id) {
        places.retain(keep);
        if places.is_empty() {
            copies.remove(&id);
        }
    }
}
