//! Packing all records, some at a time: to make a checkpoint, or to compare one.

use crate::births;
use crate::collection::load;
use crate::rows::{self, RecordIndex, table};
use crate::storage::{Storage, StorageError};
use crate::view::decode_row;
use heirloom_base::{ChunkId, LogId, RecordId, limits};
use heirloom_doc::Packed;
use heirloom_sync::{Checkpoint, PackRef};

/// Records that one turn packs.
const RECORDS_PER_TURN: usize = 64;

/// What the packs are for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A checkpoint of this device's own, of which all but the packs is known.
    Make(Checkpoint),
    /// That of the entry at this place is to be compared.
    Compare(Checkpoint, (LogId, u64)),
}

/// Records on their way into packs.
#[derive(Debug)]
pub(super) struct Making {
    purpose: Purpose,
    per_pack: usize,
    /// The row that was packed last.
    after: Option<Vec<u8>>,
    pack: Pack,
    packs: Vec<PackRef>,
    chunks: Vec<(ChunkId, Vec<u8>)>,
}

/// A pack that is being filled.
#[derive(Debug, Default)]
struct Pack {
    records: Vec<Packed>,
    bytes: usize,
}

/// What comes next.
pub(super) enum Step {
    /// More records are to be packed.
    On(Making),
    /// A checkpoint is made, with its packs.
    Made(Checkpoint, Vec<(ChunkId, Vec<u8>)>),
    /// Whether a checkpoint holds what is here.
    Compared(Checkpoint, (LogId, u64), bool),
    /// It would be too large.
    TooLarge(Checkpoint),
}

impl Making {
    /// Begins a checkpoint of so many records.
    pub(super) fn make(checkpoint: Checkpoint, records: usize) -> Self {
        let per_pack = records.div_ceil(limits::PACKS_MAX).max(limits::PACK_RECORDS_MIN);
        Self::begin(Purpose::Make(checkpoint), per_pack)
    }

    /// Begins to compare the checkpoint of an entry.
    pub(super) fn compare(checkpoint: Checkpoint, place: (LogId, u64)) -> Self {
        let first = checkpoint.packs.first().map_or(0, |pack| pack.records);
        Self::begin(Purpose::Compare(checkpoint, place), (first as usize).max(1))
    }

    fn begin(purpose: Purpose, per_pack: usize) -> Self {
        let (packs, chunks) = (Vec::new(), Vec::new());
        Self { purpose, per_pack, after: None, pack: Pack::default(), packs, chunks }
    }

    /// Packs some more records.
    pub(super) fn step(
        mut self,
        storage: &dyn Storage,
        account_key: &[u8; 32],
    ) -> Result<Step, StorageError> {
        let rows = storage.scan(&[table::RECORD], self.after.as_deref(), RECORDS_PER_TURN)?;
        for (key, bytes) in &rows {
            let Some(record) = rows::record_of_key(key) else { continue };
            self.pack.take(storage, record, &decode_row(bytes)?)?;
            if self.pack.records.len() >= self.per_pack {
                self.close(account_key);
            }
        }
        let is_over = rows.is_empty();
        if is_over && !self.pack.records.is_empty() {
            self.close(account_key);
        }
        if let Some((key, _)) = rows.last() {
            self.after = Some(key.clone());
        }
        Ok(match self.purpose {
            Purpose::Compare(checkpoint, place) if !agrees(&self.packs, &checkpoint, is_over) => {
                Step::Compared(checkpoint, place, false)
            }
            Purpose::Compare(checkpoint, place) if is_over => {
                Step::Compared(checkpoint, place, true)
            }
            Purpose::Make(checkpoint) if is_too_large(&self.chunks) => Step::TooLarge(checkpoint),
            Purpose::Make(checkpoint) if is_over => {
                let (packs, chunks) = (self.packs, self.chunks);
                let root = Checkpoint::root_of(&packs);
                Step::Made(Checkpoint { root, packs, ..checkpoint }, chunks)
            }
            Purpose::Make(_) | Purpose::Compare(..) => Step::On(self),
        })
    }

    fn close(&mut self, account_key: &[u8; 32]) {
        let records = std::mem::take(&mut self.pack).records;
        let packed = heirloom_doc::pack(&records);
        let records = u32::try_from(records.len()).expect("records of a pack are limited");
        let sealed = heirloom_blob::seal(account_key, &packed.bytes);
        self.packs.push(PackRef { root: packed.root, records, blob: sealed.blob });
        if matches!(self.purpose, Purpose::Compare(..)) {
            return;
        }
        for (id, bytes) in sealed.chunks {
            if self.chunks.iter().all(|(known, _)| *known != id) {
                self.chunks.push((id, bytes));
            }
        }
    }
}

fn is_too_large(chunks: &[(ChunkId, Vec<u8>)]) -> bool {
    let sealed: usize = chunks.iter().map(|(_, bytes)| bytes.len()).sum();
    chunks.len() > limits::ENTRY_CHUNKS_MAX || sealed > limits::CHECKPOINT_BYTES_MAX
}

/// Returns whether packs that were made are those of a checkpoint, as far as
/// they go, or all of them.
fn agrees(made: &[PackRef], checkpoint: &Checkpoint, is_over: bool) -> bool {
    let told = |pack: &PackRef| (pack.root, pack.records);
    let so_far = checkpoint.packs.get(..made.len()).unwrap_or_default();
    made.iter().map(told).eq(so_far.iter().map(told))
        && (!is_over || made.len() == checkpoint.packs.len())
}

impl Pack {
    fn take(
        &mut self,
        storage: &dyn Storage,
        record: RecordId,
        row: &RecordIndex,
    ) -> Result<(), StorageError> {
        let saved = storage.get(&rows::key(table::DOCUMENT, &[&record.0]))?;
        let document = saved.map(|saved| load(&saved)).transpose()?;
        let content = document.map(|document| births::content(&document));
        let size = content.as_ref().map_or(0, Packed::size);
        let fits =
            size <= limits::PACK_RECORD_BYTES_MAX && self.bytes + size <= limits::PACK_BYTES_MAX;
        self.bytes += if fits { size } else { 0 };
        self.records.push(Packed {
            record,
            heads: row.heads.clone(),
            deleted: row.deleted,
            conflicted: row.conflicted,
            updated: (row.updated_ms, row.updated_by.unwrap_or(LogId([0; 16]))),
            content: content.filter(|_| fits),
        });
        Ok(())
    }
}
