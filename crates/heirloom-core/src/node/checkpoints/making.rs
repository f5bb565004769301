//! Packing all records, some at a time.

use crate::collection::{heads_bytes, load};
use crate::rows::{self, RecordIndex, table};
use crate::storage::{Storage, StorageError};
use crate::view::decode_row;
use heirloom_base::{ActorId, ChangeHash, ChunkId, DeviceId, LogId, RecordId, hash, limits};
use heirloom_doc::Packed;
use heirloom_sync::{Checkpoint, PackRef, VersionVector};
use std::collections::BTreeMap;

/// Records that one turn packs.
const RECORDS_PER_TURN: usize = 64;

/// A checkpoint that is being made.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) vector: VersionVector,
    devices: Vec<DeviceId>,
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

/// What comes next of a checkpoint.
pub(super) enum Step {
    /// More records are to be packed.
    On,
    /// All of it is there.
    Made(Checkpoint, Vec<(ChunkId, Vec<u8>)>),
    /// It would be too large.
    TooLarge,
}

/// Returns the hash over the ids and heads of records, in the order of their rows.
pub(in crate::node) fn root_of<'a>(
    records: impl Iterator<Item = (RecordId, &'a [ChangeHash])>,
) -> [u8; 32] {
    let parts: Vec<Vec<u8>> =
        records.map(|(record, heads)| [record.0.to_vec(), heads_bytes(heads)].concat()).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    hash::content("pack", &parts)
}

impl Making {
    /// Begins a checkpoint of so many records.
    pub(super) fn begin(vector: VersionVector, devices: Vec<DeviceId>, records: usize) -> Self {
        let per_pack = records.div_ceil(limits::PACKS_MAX).max(limits::PACK_RECORDS_MIN);
        Self {
            vector,
            devices,
            per_pack,
            after: None,
            pack: Pack::default(),
            packs: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Packs some more records.
    pub(super) fn step(
        &mut self,
        storage: &dyn Storage,
        account_key: &[u8; 32],
    ) -> Result<Step, StorageError> {
        let rows = storage.scan(&[table::RECORD], self.after.as_deref(), RECORDS_PER_TURN)?;
        for (key, bytes) in &rows {
            let Some(record) = rows::record_of_key(key) else { continue };
            self.pack.take(storage, record, &decode_row(bytes)?)?;
            if self.pack.records.len() >= self.per_pack {
                self.seal(account_key);
            }
        }
        let sealed: usize = self.chunks.iter().map(|(_, bytes)| bytes.len()).sum();
        if self.chunks.len() > limits::ENTRY_CHUNKS_MAX || sealed > limits::CHECKPOINT_BYTES_MAX {
            return Ok(Step::TooLarge);
        }
        match rows.last() {
            Some((key, _)) => {
                self.after = Some(key.clone());
                Ok(Step::On)
            }
            None => {
                if !self.pack.records.is_empty() {
                    self.seal(account_key);
                }
                if self.chunks.len() > limits::ENTRY_CHUNKS_MAX {
                    return Ok(Step::TooLarge);
                }
                let packs = std::mem::take(&mut self.packs);
                let checkpoint = Checkpoint {
                    vector: std::mem::take(&mut self.vector),
                    devices: std::mem::take(&mut self.devices),
                    root: Checkpoint::root_of(&packs),
                    packs,
                };
                Ok(Step::Made(checkpoint, std::mem::take(&mut self.chunks)))
            }
        }
    }

    fn seal(&mut self, account_key: &[u8; 32]) {
        let records = std::mem::take(&mut self.pack).records;
        let told = records.iter().map(|one| (one.record, one.heads.as_slice()));
        let root = root_of(told);
        let sealed = heirloom_blob::seal(account_key, &heirloom_doc::pack(&records));
        let records = u32::try_from(records.len()).expect("records of a pack are limited");
        self.packs.push(PackRef { root, records, blob: sealed.blob });
        for (id, bytes) in sealed.chunks {
            if self.chunks.iter().all(|(known, _)| *known != id) {
                self.chunks.push((id, bytes));
            }
        }
    }
}

impl Pack {
    fn take(
        &mut self,
        storage: &dyn Storage,
        record: RecordId,
        row: &RecordIndex,
    ) -> Result<(), StorageError> {
        let saved = storage.get(&rows::key(table::DOCUMENT, &[&record.0]))?;
        let room = limits::PACK_RECORD_BYTES_MAX.min(limits::PACK_BYTES_MAX - self.bytes);
        let mut changes = Vec::new();
        if let Some(saved) = saved.filter(|saved| saved.len() <= room) {
            let logs: BTreeMap<ActorId, LogId> = row
                .entries
                .keys()
                .map(|log| (heirloom_doc::actor_for(*log, record), *log))
                .collect();
            for (actor, is_birth, change) in load(&saved)?.changes() {
                let log = match is_birth {
                    true => row.births.get(&actor).map(|(_, log)| *log),
                    false => logs.get(&actor).copied(),
                };
                let Some(log) = log else {
                    changes.clear();
                    break;
                };
                changes.push((log, change));
            }
        }
        let bytes: usize = changes.iter().map(|(_, change)| change.0.len()).sum();
        if bytes > room {
            changes.clear();
        } else {
            self.bytes += bytes;
        }
        self.records.push(Packed {
            record,
            heads: row.heads.clone(),
            entries: row.entries.clone(),
            births: row.births.clone(),
            changes,
        });
        Ok(())
    }
}
