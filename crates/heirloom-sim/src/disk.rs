//! A disk that forgets what was not synced, as real ones do.

use crate::faults::Fault;
use crate::rng::Rng;
use heirloom_base::{ChunkId, DeviceId, EntryId, LogId};
use heirloom_core::input::EffectId;
use heirloom_core::storage::{Batch, Frame, Lsn, MemoryStorage, Rows, Storage, StorageError};
use heirloom_core::{Node, founding};
use heirloom_sync::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What has rotted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotten {
    /// The entry, and those that stood behind it in its log.
    pub gone: BTreeSet<EntryId>,
    /// Whose log it is, where that is known.
    pub author: Option<DeviceId>,
}

/// Space between two frames' positions, so that none is ever used twice.
const LSN_STEP: u64 = 16;

/// Kind of the frames that carry entries, as the protocol has it.
pub(crate) const FRAME_ENTRY: u8 = 1;
/// Kind of the frames that carry roster operations.
pub(crate) const FRAME_ROSTER: u8 = 2;

/// What a power cut does to the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// It is gone.
    Lost,
    /// It is as it was some time before.
    Stale,
    /// It is as it was.
    Whole,
}

/// An append that is under way.
#[derive(Debug, Clone)]
struct Unsynced {
    chunks: Vec<(ChunkId, Vec<u8>)>,
    frames: Vec<(Lsn, Frame)>,
}

/// The disk of one device: what is durable, what is not yet, and an index
/// that may be lost or stale after a crash.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    storage: MemoryStorage,
    unsynced: BTreeMap<EffectId, Unsynced>,
    stale_index: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Frames that were acknowledged and never written: a lying disk's.
    forgotten: BTreeSet<Lsn>,
    /// Chunks of which a bit is flipped.
    flipped: BTreeSet<ChunkId>,
    /// Chunks that are gone, which nobody has noticed yet.
    gone: BTreeSet<ChunkId>,
    end: u64,
}

/// What a power cut took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    unsynced: usize,
    survivors: usize,
    /// Whether the first frame that did not survive is there in part.
    pub is_torn: bool,
    index: Index,
}

impl Loss {
    /// Returns what that is called.
    pub fn faults(self) -> impl Iterator<Item = Fault> {
        let frames = match (self.unsynced, self.survivors) {
            (0, _) => None,
            (_, _) if self.is_torn => Some(Fault::UnsyncedTorn),
            (unsynced, survivors) if survivors < unsynced => Some(Fault::UnsyncedDropped),
            (_, _) => Some(Fault::UnsyncedKept),
        };
        let index = match self.index {
            Index::Lost => Some(Fault::IndexLost),
            Index::Stale => Some(Fault::IndexStale),
            Index::Whole => None,
        };
        frames.into_iter().chain(index)
    }
}

impl SimDisk {
    /// Writes frames durably at once, as the founding of a folder does.
    pub fn write_now(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            let lsn = self.next_lsn();
            self.storage.frames.insert(lsn, frame);
        }
    }

    /// Begins an append; it is durable only after [`SimDisk::sync`].
    pub fn begin(&mut self, id: EffectId, chunks: Vec<(ChunkId, Vec<u8>)>, frames: Vec<Frame>) {
        let frames = frames.into_iter().map(|frame| (self.next_lsn(), frame)).collect();
        self.unsynced.insert(id, Unsynced { chunks, frames });
    }

    /// Ends an append; returns the positions, or nothing if it was lost.
    pub fn sync(&mut self, id: EffectId) -> Option<Vec<Lsn>> {
        let append = self.unsynced.remove(&id)?;
        let lsns = append.frames.iter().map(|(lsn, _)| *lsn).collect();
        self.storage.chunks.extend(append.chunks);
        self.storage.frames.extend(append.frames);
        Some(lsns)
    }

    /// Drops an append that failed.
    pub fn abandon(&mut self, id: EffectId) {
        self.unsynced.remove(&id);
    }

    /// Returns the appends that are under way, in their order.
    #[must_use]
    pub fn under_way(&self) -> Vec<EffectId> {
        self.unsynced.keys().copied().collect()
    }

    /// Lies about frames that were synced: the next crash takes them.
    pub fn forget_at_crash(&mut self, lsns: &[Lsn]) {
        self.forgotten.extend(lsns);
    }

    /// Stores a chunk durably.
    pub fn write_chunk(&mut self, id: ChunkId, bytes: Vec<u8>) {
        self.flipped.remove(&id);
        self.gone.remove(&id);
        self.storage.chunks.insert(id, bytes);
    }

    /// Returns the chunks that are here and whole.
    pub fn sound_chunks(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.storage.chunks.keys().filter(|chunk| !self.flipped.contains(chunk)).copied()
    }

    /// Flips a bit of a chunk: it is here, and whoever reads it notices.
    pub fn flip_chunk(&mut self, id: ChunkId) {
        self.flipped.insert(id);
    }

    /// Loses a chunk, which nobody notices yet.
    pub fn lose_chunk(&mut self, id: ChunkId) {
        self.storage.chunks.remove(&id);
        self.gone.insert(id);
    }

    /// Reads every chunk; returns those that are gone or damaged, and drops these.
    pub fn scrub(&mut self) -> BTreeSet<ChunkId> {
        let flipped = std::mem::take(&mut self.flipped);
        flipped.iter().for_each(|chunk| drop(self.storage.chunks.remove(chunk)));
        flipped.into_iter().chain(std::mem::take(&mut self.gone)).collect()
    }

    /// Remembers the index as it would be found after a crash.
    pub fn snapshot_index(&mut self) {
        self.stale_index = self.storage.index.clone();
    }

    /// Cuts the power: of the unsynced appends, in their order, a beginning
    /// survives (none, some or all of them, the next one perhaps torn).
    /// The index is lost, stale or whole.
    pub fn crash(&mut self, rng: &mut Rng) -> Loss {
        let frames = self.unsynced_frames();
        let survivors = match rng.below(3) {
            0 => 0,
            1 => frames,
            _ => rng.index(1 + frames),
        };
        let index = match rng.below(3) {
            0 => Index::Lost,
            1 => Index::Stale,
            _ => Index::Whole,
        };
        let is_torn = survivors < frames && rng.chance(50);
        let has_changed = match index {
            Index::Lost => !self.storage.index.is_empty(),
            Index::Stale => self.stale_index != self.storage.index,
            Index::Whole => true,
        };
        self.cut_power(survivors, index);
        let index = if has_changed { index } else { Index::Whole };
        Loss { unsynced: frames, survivors, is_torn, index }
    }

    /// Ends the program that uses the disk: what it had handed to the disk is
    /// there, and what it kept of the index in memory may not be.
    pub fn kill(&mut self, rng: &mut Rng) {
        let survivors = rng.index(1 + self.unsynced_frames());
        let index = if rng.chance(50) { Index::Stale } else { Index::Whole };
        self.cut_power(survivors, index);
    }

    fn unsynced_frames(&self) -> usize {
        self.unsynced.values().map(|append| append.frames.len()).sum()
    }

    /// Cuts the power: so many of the unsynced frames survive.
    pub fn cut_power(&mut self, mut survivors: usize, index: Index) {
        for append in std::mem::take(&mut self.unsynced).into_values() {
            if survivors == 0 {
                break;
            }
            // Chunks are synced before the frames that name them are written.
            self.storage.chunks.extend(append.chunks);
            let kept = survivors.min(append.frames.len());
            survivors -= kept;
            self.storage.frames.extend(append.frames.into_iter().take(kept));
        }
        match index {
            Index::Lost => self.storage.index.clear(),
            Index::Stale => self.storage.index = std::mem::take(&mut self.stale_index),
            Index::Whole => {}
        }
        if !self.forgotten.is_empty() {
            // The index would still show what the log has lost.
            self.storage.index.clear();
            for lsn in std::mem::take(&mut self.forgotten) {
                self.storage.frames.remove(&lsn);
            }
        }
        self.stale_index = self.storage.index.clone();
    }

    /// Loses every chunk without a trace.
    pub fn drop_chunks(&mut self) {
        self.storage.chunks.clear();
    }

    /// Returns a copy of what is durable, with the index as it stands.
    #[must_use]
    pub fn durable(&self) -> Self {
        Self { unsynced: BTreeMap::new(), forgotten: BTreeSet::new(), ..self.clone() }
    }

    /// Loses up to three of the last frames, of entries only those that are
    /// `safe`; the index still knows them. Returns whether there were any.
    pub fn lose_end(&mut self, rng: &mut Rng, safe: &BTreeSet<EntryId>) -> bool {
        let may_go = |frame: &Frame| match frame.kind {
            FRAME_ENTRY => entry_of(frame).is_some_and(|entry| safe.contains(&entry.id())),
            // What a folder begins with lies in an older file.
            FRAME_ROSTER => false,
            _ => true,
        };
        let is_entry = |frame: &Frame| frame.kind == FRAME_ENTRY;
        let mut has_lost = false;
        for _ in 0..1 + rng.below(3) {
            let Some(last) = self.storage.frames.last_entry().filter(|last| may_go(last.get()))
            else {
                break;
            };
            has_lost |= is_entry(&last.remove());
        }
        has_lost
    }

    /// Does what a program does that finds a torn end and cuts it off: it
    /// cannot know that nobody was told of it, and begins another life of the log.
    pub fn cut_torn_end(&mut self, random: [u8; 32]) {
        self.write_now(founding::reborn(random, None));
    }

    /// Does what a program does that finds a loss when it starts: has the index
    /// hold no more than the log does, and begins another life of the log.
    ///
    /// # Panics
    /// When the index fails, which a simulated one never does.
    pub fn note_loss(&mut self, random: [u8; 32]) {
        let last = self.storage.frames.last_key_value().map(|(lsn, _)| *lsn).unwrap_or_default();
        let mut frames = Node::forget_lost(self, last).expect("the simulated index never fails");
        frames.extend(Node::account_frames(self).expect("the simulated index never fails"));
        frames.extend(founding::reborn(random, None));
        // No older index may come back, which would not forget again.
        self.snapshot_index();
        self.write_now(frames);
    }

    /// Lets one stored entry rot, whichever, if there is one.
    pub fn rot(&mut self, rng: &mut Rng) -> Option<Rotten> {
        let is_entry = |frame: &Frame| frame.kind == FRAME_ENTRY;
        let entries: Vec<Lsn> = self
            .storage
            .frames
            .iter()
            .filter(|(_, frame)| is_entry(frame))
            .map(|(lsn, _)| *lsn)
            .collect();
        let lsn = entries.get(rng.index(entries.len()))?;
        let begins = |entry: Entry| Some((entry.header().log, entry.header().origin?.device));
        let authors: BTreeMap<LogId, DeviceId> =
            self.storage.frames.values().filter_map(entry_of).filter_map(begins).collect();
        let rotten = self.storage.frames.remove(lsn)?;
        let rotten = entry_of(&rotten);
        let log = rotten.as_ref().map(|entry| entry.header().log);
        let is_behind = |entry: &Entry| {
            let (one, header) = (rotten.as_ref().map(Entry::header), entry.header());
            one.is_some_and(|one| one.log == header.log && one.seq < header.seq)
        };
        let all = self.storage.frames.values().filter_map(entry_of);
        let behind = all.filter(is_behind).map(|entry| entry.id());
        let gone = behind.chain(rotten.iter().map(Entry::id)).collect();
        Some(Rotten { gone, author: log.and_then(|log| authors.get(&log).copied()) })
    }

    /// Returns how many durable entries are of a kind.
    #[must_use]
    pub fn count_entries(&self, kind: u8) -> usize {
        let entries = self.storage.frames.values().filter_map(entry_of);
        entries.filter(|entry| entry.header().kind == kind).count()
    }

    /// Returns the durable entries.
    #[must_use]
    pub fn entries(&self) -> BTreeSet<EntryId> {
        self.storage.frames.values().filter_map(entry_of).map(|entry| entry.id()).collect()
    }

    /// Returns an entry that stands behind another one of its log than the one
    /// that it names, if there is one.
    #[must_use]
    pub fn unchained(&self) -> Option<(LogId, u64)> {
        let frames = self.storage.frames.values().filter(|frame| frame.kind == FRAME_ENTRY);
        let entries = frames.filter_map(|frame| Entry::parse(frame.payload.clone()).ok());
        let mut places: BTreeMap<(LogId, u64), Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            places.entry((entry.header().log, entry.header().seq)).or_default().push(entry);
        }
        let follows = |(log, seq): &(LogId, u64), entry: &Entry| {
            let before = places.get(&(*log, seq - 1));
            before.is_none_or(|before| before.iter().any(|one| one.id() == entry.header().previous))
        };
        let mut wrong = places.iter().filter(|(place, entries)| {
            place.1 > 1 && entries.iter().any(|entry| !follows(place, entry))
        });
        wrong.next().map(|(place, _)| *place)
    }

    /// Returns an entry that the device of its log has not signed, if there is
    /// one, of logs whose first entry is here.
    #[must_use]
    pub fn unsigned(&self) -> Option<(LogId, u64)> {
        let account = self.storage.frames.values().find_map(Node::account_in)?;
        let entries: Vec<Entry> = self.storage.frames.values().filter_map(entry_of).collect();
        let origins = entries
            .iter()
            .filter_map(|entry| Some((entry.header().log, entry.header().origin?.device)));
        let devices: BTreeMap<LogId, DeviceId> = origins.collect();
        let mut wrong = entries.iter().filter(|entry| {
            let device = devices.get(&entry.header().log);
            device.is_some_and(|device| entry.verify(account, *device).is_err())
        });
        wrong.next().map(|entry| (entry.header().log, entry.header().seq))
    }

    /// Returns the durable frames after a position, in order.
    #[must_use]
    pub fn frames_after(&self, after: Option<Lsn>) -> Vec<(Lsn, Frame)> {
        let frames = self.storage.frames.iter();
        frames
            .filter(|(lsn, _)| after.is_none_or(|after| **lsn > after))
            .map(|(lsn, frame)| (*lsn, frame.clone()))
            .collect()
    }

    /// Returns the last durable entry of each log.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<LogId, u64> {
        let mut ends = BTreeMap::new();
        let entries = self.storage.frames.values().filter(|frame| frame.kind == FRAME_ENTRY);
        for entry in entries.filter_map(|frame| Entry::parse(frame.payload.clone()).ok()) {
            let end: &mut u64 = ends.entry(entry.header().log).or_default();
            *end = entry.header().seq.max(*end);
        }
        ends
    }

    /// Returns whether any durable byte string contains `needle`.
    #[must_use]
    pub fn contains(&self, needle: &[u8]) -> bool {
        let frames = self.storage.frames.values().map(|frame| &frame.payload);
        let index = self.storage.index.iter().flat_map(|(key, value)| [key, value]);
        let mut all = frames.chain(self.storage.chunks.values()).chain(index);
        all.any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    }

    /// Returns whether there is an index.
    #[must_use]
    pub fn has_index(&self) -> bool {
        !self.storage.index.is_empty()
    }

    /// Drops the index: it must be rebuilt from the log.
    pub fn discard_index(&mut self) {
        self.stale_index.clear();
        self.storage.index.clear();
    }

    fn next_lsn(&mut self) -> Lsn {
        self.end += LSN_STEP;
        Lsn(self.end)
    }
}

fn entry_of(frame: &Frame) -> Option<Entry> {
    let payload = Some(&frame.payload).filter(|_| frame.kind == FRAME_ENTRY)?;
    Entry::parse(payload.clone()).ok()
}

impl Storage for SimDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.storage.get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, StorageError> {
        self.storage.scan(prefix, after, limit)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.storage.commit(batch)
    }

    fn frame(&self, lsn: Lsn) -> Result<Frame, StorageError> {
        self.storage.frame(lsn)
    }

    fn has_chunk(&self, id: ChunkId) -> bool {
        self.storage.has_chunk(id)
    }

    fn chunk(&self, id: ChunkId) -> Result<Vec<u8>, StorageError> {
        if self.flipped.contains(&id) {
            return Err(StorageError::Chunk(id));
        }
        self.storage.chunk(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u8) -> Frame {
        Frame { kind: 1, payload: vec![number] }
    }

    #[test]
    fn what_was_synced_survives_every_crash() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let mut disk = SimDisk::default();
            disk.begin(EffectId(1), Vec::new(), vec![frame(1)]);
            assert!(disk.sync(EffectId(1)).is_some());
            disk.begin(EffectId(2), Vec::new(), vec![frame(2), frame(3)]);
            disk.crash(&mut rng);
            let payloads: Vec<u8> =
                disk.frames_after(None).into_iter().map(|(_, frame)| frame.payload[0]).collect();
            assert!([1, 2, 3].starts_with(&payloads) && !payloads.is_empty(), "{payloads:?}");
            assert_eq!(disk.sync(EffectId(2)), None);
        }
    }

    #[test]
    fn what_is_not_synced_is_not_there_yet() {
        let (mut disk, chunk) = (SimDisk::default(), ChunkId([1; 32]));
        disk.begin(EffectId(1), vec![(chunk, b"sealed".to_vec())], vec![frame(1)]);
        assert!(disk.frames_after(None).is_empty() && !disk.has_chunk(chunk));
        let lsns = disk.sync(EffectId(1)).unwrap();
        assert_eq!(disk.frames_after(None), [(lsns[0], frame(1))]);
        assert_eq!(disk.chunk(chunk).unwrap(), b"sealed");
        assert!(disk.frames_after(lsns.last().copied()).is_empty());
        assert!(disk.contains(b"seal") && !disk.contains(b"open"));
        assert_eq!(disk.sync(EffectId(1)), None, "a sync ends once");
    }

    #[test]
    fn rot_takes_one_entry_and_nothing_else() {
        let mut disk = SimDisk::default();
        let own = Frame { kind: 3, payload: vec![9] };
        assert_eq!(disk.rot(&mut Rng::new(0)), None, "there is nothing yet");
        disk.write_now(vec![own.clone(), frame(1), frame(2)]);
        let copy = disk.durable();
        assert!(disk.rot(&mut Rng::new(1)).is_some());
        let left: Vec<Frame> = disk.frames_after(None).into_iter().map(|(_, one)| one).collect();
        assert!(left.len() == 2 && left[0] == own, "{left:?}");
        assert_eq!(copy.frames_after(None).len(), 3, "a copy is another disk");
    }

    #[test]
    fn no_position_is_used_twice_even_after_a_crash() {
        let mut disk = SimDisk::default();
        disk.begin(EffectId(1), Vec::new(), vec![frame(1), frame(2)]);
        let lost: Vec<Lsn> =
            disk.unsynced.values().flat_map(|append| &append.frames).map(|(lsn, _)| *lsn).collect();
        disk.crash(&mut Rng::new(0));
        disk.begin(EffectId(2), Vec::new(), vec![frame(3)]);
        assert!(disk.sync(EffectId(2)).unwrap().iter().all(|lsn| lost.iter().all(|old| lsn > old)));
    }

    #[test]
    fn a_lie_is_forgotten_at_the_first_crash_and_the_truth_is_kept() {
        for seed in 0..20 {
            let mut disk = SimDisk::default();
            disk.write_now(vec![frame(1)]);
            disk.begin(EffectId(1), Vec::new(), vec![frame(2)]);
            let lsns = disk.sync(EffectId(1)).unwrap();
            disk.forget_at_crash(&lsns);
            assert_eq!(disk.frames_after(None).len(), 2);
            disk.crash(&mut Rng::new(seed));
            let kept: Vec<Frame> =
                disk.frames_after(None).into_iter().map(|(_, frame)| frame).collect();
            assert_eq!(kept, [frame(1)], "seed {seed}");
        }
    }
}
