//! Finding the chunks of a folder.

use super::places::{Place, State};
use super::{ChunkFolders, Chunks, is_lasting};
use crate::disk::Disk;
use crate::lock::HomeLock;
use crate::pack::{self, Durable, Footer, PackWriter, Scan, Tombstone};
use crate::regular;
use crate::reserve::Reserve;
use heirloom_base::ChunkId;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What stands in the folder.
#[derive(Debug, Default)]
struct Found {
    chunks: Vec<(ChunkId, Place)>,
    tombstones: Vec<Tombstone>,
    lost: Vec<ChunkId>,
    /// Sealed packs whose footer cannot be read.
    damaged: Vec<u32>,
    /// First bytes of ids whose folder is there.
    folders: BTreeSet<u8>,
    state: State,
}

impl Chunks {
    /// Finds the chunks of a folder and makes their names durable.
    ///
    /// `pack_bytes` is the size at which a pack is full.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        lock: Arc<HomeLock>,
        reserve: Arc<Reserve>,
        folders: ChunkFolders,
        pack_bytes: usize,
    ) -> io::Result<Self> {
        let mut found = Found::default();
        let packs = found.files(disk.as_ref(), &folders.packs)?;
        let next = packs.last_key_value().map_or(1, |(number, _)| number + 1);
        let mut writer =
            PackWriter::new(Arc::clone(&disk), folders.packs.clone(), pack_bytes, next);
        for (number, is_sealed) in packs {
            if is_sealed {
                found.sealed(&folders.packs, number)?;
            } else {
                found.open(number, &mut writer)?;
            }
        }
        disk.sync_folder(&folders.packs)?;
        let damaged = std::mem::take(&mut found.damaged);
        let state = Mutex::new(found.state());
        let writer = Mutex::new(writer);
        let chunks = Self { disk, folders, reserve, _lock: lock, state, writer };
        for number in damaged {
            chunks.salvage(number);
        }
        Ok(chunks)
    }
}

impl Found {
    /// Lists chunks that are files, and returns the packs with whether they are sealed.
    fn files(&mut self, disk: &dyn Disk, folder: &Path) -> io::Result<BTreeMap<u32, bool>> {
        let mut packs = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some((number, is_sealed)) = pack::parse_name(name) {
                // The sealed one is whole.
                *packs.entry(number).or_default() |= is_sealed;
            } else if let Some(first) = first_byte(name).filter(|_| entry.path().is_dir()) {
                list(&entry.path(), first, &mut self.chunks)?;
                // A program that was killed may have named a chunk and not synced the name.
                disk.sync_folder(&entry.path())?;
                self.folders.insert(first);
            }
        }
        Ok(packs)
    }

    fn sealed(&mut self, folder: &Path, number: u32) -> io::Result<()> {
        let path = folder.join(pack::name(number, true));
        let file = match regular::open(&path) {
            Err(error) => return pass_over(number, error),
            Ok(file) => file,
        };
        match Footer::read(&file) {
            Ok(Some((footer, end))) => self.take_in(number, footer, end, true),
            unread => {
                tracing::warn!(pack = number, error = ?unread.err(), "a pack's footer is damaged");
                let scan = pack::scan(&file, number)?;
                self.damaged.push(number);
                self.lost.extend(scan.lost);
                self.take_in(number, scan.found, scan.end, true);
            }
        }
        Ok(())
    }

    fn open(&mut self, number: u32, writer: &mut PackWriter) -> io::Result<()> {
        let mut durable = Durable::default();
        let resumed = writer.resume(number, &mut durable);
        for (number, bytes, is_sealed) in durable.packs {
            self.state.note_pack(number, bytes, is_sealed);
        }
        let Scan { found, lost, end, .. } = match resumed {
            Err(error) => return pass_over(number, error),
            Ok(scan) => scan,
        };
        self.lost.extend(lost);
        self.take_in(number, found, end, false);
        Ok(())
    }

    fn take_in(&mut self, number: u32, footer: Footer, bytes: u32, is_sealed: bool) {
        let rows = footer.chunks.into_iter();
        self.chunks.extend(rows.map(|row| (row.id, Place::packed(number, row))));
        self.tombstones.extend(footer.tombstones);
        self.state.note_pack(number, bytes, is_sealed);
    }

    fn state(self) -> State {
        let Self { mut chunks, tombstones, lost, mut state, folders, .. } = self;
        let buried: BTreeSet<_> =
            tombstones.into_iter().map(|stone| (stone.id, stone.spot)).collect();
        chunks
            .retain(|(id, place)| !place.spot().is_some_and(|spot| buried.contains(&(*id, spot))));
        state.fill(chunks);
        state.folders = folders;
        for id in lost {
            if !state.held.contains_key(&id) {
                state.miss(id);
            }
        }
        state
    }
}

/// Goes on without a pack that nobody will ever read: the rest of the store is worth more.
fn pass_over(number: u32, error: io::Error) -> io::Result<()> {
    if regular::is_irregular(&error) || is_lasting(&error) {
        tracing::warn!(%error, pack = number, "a pack cannot be read");
        return Ok(());
    }
    Err(error)
}

fn first_byte(name: &str) -> Option<u8> {
    let [byte] = heirloom_base::id::from_hex(name)?.try_into().ok()?;
    Some(byte)
}

fn list(folder: &Path, first: u8, found: &mut Vec<(ChunkId, Place)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<ChunkId>().ok());
        let Some(id) = id.filter(|id| id.0[0] == first) else { continue };
        let metadata = entry.metadata()?;
        // An empty file is what a file system leaves of one after a crash.
        if metadata.is_file() && metadata.len() > 0 {
            found.push((id, Place::file(metadata.len())));
        }
    }
    Ok(())
}
