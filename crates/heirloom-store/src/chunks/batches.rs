//! What is done to packs: writing many chunks, removing them, rewriting packs.

use super::places::Place;
use super::{Chunks, is_lasting, refusal};
use crate::log::AppendError;
use crate::pack::{self, Durable, Footer, Frame, PACKED_CHUNK_BYTES_MAX, PackWriter, Tombstone};
use crate::regular;
use crate::reserve::Urgency;
use heirloom_base::ChunkId;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

impl Chunks {
    /// Writes many chunks into packs; all are durable on return, and those
    /// that are here already are passed over.
    ///
    /// # Errors
    /// [`AppendError`]; the log is not concerned. Nothing is written when the
    /// disk has no room for all, or one of them has another name or is longer
    /// than a chunk may be; after any other failure those are here that had
    /// become durable.
    pub fn write_batch(&self, chunks: &[(ChunkId, &[u8])]) -> Result<(), AppendError> {
        let wanted = self.wanted(chunks)?;
        if wanted.is_empty() {
            return Ok(());
        }
        let bytes: usize = wanted.iter().map(|(_, bytes)| bytes.len() + pack::HEADER_BYTES).sum();
        self.reserve.admit(Urgency::Ordinary(bytes as u64))?;
        let mut writer = self.writer();
        let written = self.write_frames(&mut writer, |writer, durable| {
            // Somebody else may have written some of them meanwhile.
            let mut wanted = wanted.iter().filter(|(id, _)| !self.has(*id));
            wanted
                .try_for_each(|(id, bytes)| writer.push(&Frame::Chunk { id: *id, bytes }, durable))
        });
        written.map_err(|error| refusal(&error))
    }

    /// Removes chunks for good and returns how many bytes they had. Packs of
    /// which less than half is left are rewritten.
    ///
    /// # Errors
    /// What the disk reports: some of the chunks may be gone. That a pack
    /// cannot be rewritten now is no error; the next removal tries again.
    pub fn remove(&self, ids: &BTreeSet<ChunkId>) -> io::Result<u64> {
        let mut writer = self.writer();
        let before = self.lengths(ids);
        self.remove_files(ids)?;
        let tombstones = self.tombstones(ids);
        if !tombstones.is_empty() {
            self.reserve.admit(Urgency::Small).map_err(io::Error::other)?;
            self.write_frames(&mut writer, |writer, durable| {
                let mut frames = tombstones.into_iter().map(Frame::Tombstone);
                frames.try_for_each(|frame| writer.push(&frame, durable))
            })?;
        }
        let freed = before.iter().filter(|(id, _)| !self.has(*id)).map(|(_, bytes)| bytes).sum();
        let sparse = self.state().sparse_packs();
        for number in sparse {
            if let Err(error) = self.rewrite(&mut writer, number, None) {
                tracing::warn!(%error, pack = number, "a pack of which little is left stays");
            }
        }
        Ok(freed)
    }

    /// Saves what is sound of a damaged pack elsewhere and puts the pack aside.
    pub(super) fn salvage(&self, number: u32) {
        let kept = self.folders.quarantine.join(format!("{}.damaged", pack::name(number, true)));
        if let Err(error) = self.rewrite(&mut self.writer(), number, Some(kept)) {
            tracing::warn!(%error, pack = number, "a damaged pack stays in place");
        }
    }

    /// Returns the chunks that are not here, each once.
    fn wanted<'a>(
        &self,
        chunks: &[(ChunkId, &'a [u8])],
    ) -> Result<Vec<(ChunkId, &'a [u8])>, AppendError> {
        let mut seen = BTreeSet::new();
        let mut wanted = Vec::new();
        for (id, bytes) in chunks {
            if self.has(*id) || !seen.insert(*id) {
                continue;
            }
            if bytes.len() > PACKED_CHUNK_BYTES_MAX {
                return Err(AppendError::FrameTooLong { bytes: bytes.len() });
            }
            if !pack::is_chunk(*id, bytes) {
                return Err(AppendError::WrongChunk { id: *id });
            }
            wanted.push((*id, *bytes));
        }
        Ok(wanted)
    }

    /// Writes frames and syncs them; what became durable is here, whatever failed.
    fn write_frames(
        &self,
        writer: &mut PackWriter,
        push: impl FnOnce(&mut PackWriter, &mut Durable) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut durable = Durable::default();
        let written = writer
            .settle(&mut durable)
            .and_then(|()| push(writer, &mut durable))
            .and_then(|()| writer.sync(&mut durable));
        if written.is_err() {
            writer.break_off(&mut durable);
        }
        self.take_in(durable);
        written
    }

    fn take_in(&self, durable: Durable) {
        let mut state = self.state();
        for (number, bytes, is_sealed) in durable.packs {
            state.note_pack(number, bytes, is_sealed);
        }
        for (number, row) in durable.chunks {
            state.hold(row.id, Place::packed(number, row));
        }
        for Tombstone { id, spot } in durable.tombstones {
            state.bury(id, spot);
        }
    }

    fn lengths(&self, ids: &BTreeSet<ChunkId>) -> Vec<(ChunkId, u64)> {
        let state = self.state();
        let length = |id: &ChunkId| Some((*id, u64::from(state.held.get(id)?.length)));
        ids.iter().filter_map(length).collect()
    }

    /// Removes those that are files of their own.
    fn remove_files(&self, ids: &BTreeSet<ChunkId>) -> io::Result<()> {
        let is_file =
            |id: &&ChunkId| self.state().copies(**id).iter().any(|place| place.pack.is_none());
        let files: Vec<ChunkId> = ids.iter().filter(is_file).copied().collect();
        for id in &files {
            match self.disk.remove(&self.path(*id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            }
            let mut state = self.state();
            for place in state.copies(*id).into_iter().filter(|place| place.pack.is_none()) {
                state.release(*id, place);
            }
        }
        let folders: BTreeSet<PathBuf> = files.iter().map(|id| self.folder_of(*id)).collect();
        folders.iter().try_for_each(|folder| self.disk.sync_folder(folder))
    }

    /// Returns a tombstone for each copy in a pack.
    fn tombstones(&self, ids: &BTreeSet<ChunkId>) -> Vec<Tombstone> {
        let state = self.state();
        let of_id = |id: &ChunkId| {
            let id = *id;
            let spots = state.copies(id).into_iter().filter_map(Place::spot);
            spots.map(move |spot| Tombstone { id, spot })
        };
        ids.iter().flat_map(of_id).collect()
    }

    /// Copies what is left of a pack into the open one, and removes it or puts
    /// it aside when the copies are durable: a crash leaves duplicates.
    fn rewrite(
        &self,
        writer: &mut PackWriter,
        number: u32,
        kept: Option<PathBuf>,
    ) -> io::Result<()> {
        let live = self.state().live_bytes(number);
        if live > 0 {
            self.reserve.admit(Urgency::Ordinary(live)).map_err(io::Error::other)?;
        }
        let path = self.folders.packs.join(pack::name(number, true));
        match contents(&path, number) {
            // It was removed before, and the folder not synced.
            Err(error) if live == 0 && error.kind() == io::ErrorKind::NotFound => {}
            contents => {
                let contents = contents?;
                self.write_frames(writer, |writer, durable| {
                    self.copy(number, &contents, writer, durable)
                })?;
                match &kept {
                    Some(kept) => self.disk.rename(&path, kept)?,
                    None => self.disk.remove(&path)?,
                }
            }
        }
        // Until its name is gone for good, tombstones for what stands in it are kept.
        self.disk.sync_folder(&self.folders.packs)?;
        self.state().forget_pack(number);
        Ok(())
    }

    /// Copies tombstones that still count and chunks that are held in this pack.
    fn copy(
        &self,
        number: u32,
        contents: &Footer,
        writer: &mut PackWriter,
        durable: &mut Durable,
    ) -> io::Result<()> {
        for tombstone in &contents.tombstones {
            let pack = tombstone.spot.pack;
            // One that names a copy in this pack goes with it.
            if pack != number && self.state().has_pack(pack) {
                writer.push(&Frame::Tombstone(*tombstone), durable)?;
            }
        }
        for row in &contents.chunks {
            let place = Place::packed(number, *row);
            if self.state().held.get(&row.id) != Some(&place) {
                continue;
            }
            match self.read_at(row.id, place) {
                Ok(bytes) if pack::is_chunk(row.id, &bytes) => {
                    writer.push(&Frame::Chunk { id: row.id, bytes: &bytes }, durable)?;
                }
                Err(error) if !is_lasting(&error) => return Err(error),
                Err(_) | Ok(_) => self.state().lose(row.id, place),
            }
        }
        Ok(())
    }
}

/// Returns what stands in a sealed pack.
fn contents(path: &Path, number: u32) -> io::Result<Footer> {
    let file = regular::open(path)?;
    match Footer::read(&file) {
        Ok(Some((footer, _))) => Ok(footer),
        Ok(None) | Err(_) => Ok(pack::scan(&file, number)?.found),
    }
}
