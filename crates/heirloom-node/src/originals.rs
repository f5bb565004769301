//! Reads originals into the chunks of a store.
//!
//! Each file is read once, in order: the reader hashes the whole, workers seal the
//! pieces, and two writers, of which one fills a batch while the other's becomes
//! durable, put them into packs, those of several files together. The buffers go
//! round, so that what is in memory is bounded however long a file is.

use heirloom_base::{ChunkId, ChunkRef};
use heirloom_blob::{Assembly, Manifest, PIECES_MAX, cuts, seal_piece_of_original};
use heirloom_store::{AppendError, Chunks, open_file};
use round::{Buffers, Queue};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

mod round;

/// Threads that seal, at most: sealing is faster than a disk from two on.
const WORKERS_MAX: usize = 4;
/// Threads that write.
const WRITERS: usize = 2;
/// Bytes that become durable together, at most.
const BATCH_BYTES: usize = 24 * 1024 * 1024;
/// Buffers of a chunk each: two batches, and what is being read and sealed.
const BUFFERS: usize = 2 * BATCH_BYTES / (1024 * 1024) + 2 * WORKERS_MAX;

/// A file to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalFile {
    /// Where it is.
    pub path: PathBuf,
    /// Where its pixels or its film begin, in bytes from its start.
    pub start: Option<u64>,
}

/// Why an original is not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    /// Somebody wrote to it meanwhile.
    #[error("it changed while it was read")]
    Changed,
    /// It has more pieces than a manifest may list.
    #[error("{size} bytes are more than one original may have")]
    TooLong {
        /// Its length in bytes.
        size: u64,
    },
    /// The disk does not take all of its pieces.
    #[error("its pieces cannot be written: {0}")]
    Write(String),
}

/// A piece on its way: the number of its file, its own, and its buffer.
struct Piece {
    file: usize,
    number: usize,
    buffer: Vec<u8>,
}

/// Reads regular files and keeps their pieces, sealed under the account's key; those
/// that are here already are not written again. Returns what became of each file, in
/// their order; the pieces of those that are kept are durable.
///
/// Pieces of others may have been written before, and are found again.
#[must_use]
pub fn keep_originals(
    chunks: &Chunks,
    account_key: &[u8; 32],
    files: &[OriginalFile],
) -> Vec<Result<Manifest, KeepError>> {
    let written = Mutex::new(Written::default());
    let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let (read, sealed) = (Queue::new(1), Queue::new(workers));
    let buffers = Buffers::new(BUFFERS);
    let assemblies = thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| seal_all(account_key, &read, &sealed));
        }
        for _ in 0..WRITERS {
            scope.spawn(|| write_all(chunks, &sealed, &buffers, &written));
        }
        let assembled = |(file, original): (usize, &OriginalFile)| {
            read_original(
                original,
                &mut |number, buffer| {
                    read.put(Piece { file, number, buffer });
                },
                &buffers,
            )
        };
        let assemblies: Vec<_> = files.iter().enumerate().map(assembled).collect();
        read.end();
        assemblies
    });
    let Written { mut references, refused } =
        written.into_inner().unwrap_or_else(PoisonError::into_inner);
    references.sort_by_key(|(file, number, _)| (*file, *number));
    let mut references = references.into_iter().peekable();
    let manifest = |(file, read): (usize, Result<(Assembly, usize), KeepError>)| {
        let own = std::iter::from_fn(|| references.next_if(|(of, ..)| *of == file));
        let own: Vec<ChunkRef> = own.map(|(_, _, reference)| reference).collect();
        let (mut assembly, pieces) = read?;
        if own.len() < pieces {
            let reason = refused.as_ref().map(AppendError::to_string);
            return Err(KeepError::Write(reason.unwrap_or_default()));
        }
        own.into_iter().for_each(|reference| assembly.sealed(reference));
        Ok(assembly.finish())
    };
    assemblies.into_iter().enumerate().map(manifest).collect()
}

/// Reads a file and hands its pieces on, in order, each behind one byte of a buffer;
/// returns how many there are.
fn read_original(
    original: &OriginalFile,
    hand_on: &mut dyn FnMut(usize, Vec<u8>),
    buffers: &Buffers,
) -> Result<(Assembly, usize), KeepError> {
    let mut file = open_file(&original.path).map_err(KeepError::Read)?;
    let before = file.metadata().map_err(KeepError::Read)?;
    if cuts(before.len(), original.start).nth(PIECES_MAX).is_some() {
        return Err(KeepError::TooLong { size: before.len() });
    }
    let (mut assembly, mut pieces) = (Assembly::default(), 0);
    for piece in cuts(before.len(), original.start) {
        let mut buffer = buffers.take();
        buffer.resize(1 + usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX), 0);
        let bytes = buffer.get_mut(1..).unwrap_or_default();
        if let Err(error) = file.read_exact(bytes) {
            buffers.give(buffer);
            return Err(KeepError::Read(error));
        }
        assembly.read(bytes);
        hand_on(pieces, buffer);
        pieces += 1;
    }
    let after = file.metadata().map_err(KeepError::Read)?;
    match is_at_end(&mut file).map_err(KeepError::Read)? && is_same(&before, &after) {
        true => Ok((assembly, pieces)),
        false => Err(KeepError::Changed),
    }
}

/// Returns whether nothing was appended to a file that was read.
fn is_at_end(file: &mut File) -> io::Result<bool> {
    Ok(file.read(&mut [0])? == 0)
}

/// Returns whether nobody wrote to a file between two looks at it.
fn is_same(before: &Metadata, after: &Metadata) -> bool {
    let stamp = |file: &Metadata| {
        (file.len(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec())
    };
    stamp(before) == stamp(after)
}

fn seal_all(account_key: &[u8; 32], read: &Queue<Piece>, sealed: &Queue<(Piece, ChunkRef)>) {
    while let Some(mut piece) = read.next() {
        let reference = seal_piece_of_original(account_key, &mut piece.buffer);
        sealed.put((piece, reference));
    }
    sealed.end();
}

/// What became of the pieces.
#[derive(Debug, Default)]
struct Written {
    /// Those that are durable: file, number and chunk.
    references: Vec<(usize, usize, ChunkRef)>,
    refused: Option<AppendError>,
}

/// Writes batches until nothing more comes.
fn write_all(
    chunks: &Chunks,
    sealed: &Queue<(Piece, ChunkRef)>,
    buffers: &Buffers,
    written: &Mutex<Written>,
) {
    loop {
        // What waits goes together. Nothing is waited for behind the first, because
        // whoever would bring it may wait for the buffers of these.
        let Some(first) = sealed.next() else { return };
        let mut bytes = first.0.buffer.len();
        let mut batch = vec![first];
        while bytes < BATCH_BYTES
            && let Some((piece, reference)) = sealed.next_here()
        {
            bytes += piece.buffer.len();
            batch.push((piece, reference));
        }
        let pieces: Vec<(ChunkId, &[u8])> = batch
            .iter()
            .map(|(piece, reference)| (reference.id, piece.buffer.as_slice()))
            .collect();
        // What the disk refused once is not tried again for the rest.
        let is_refused = lock(written).refused.is_some();
        let outcome = if is_refused { None } else { Some(chunks.write_batch(&pieces)) };
        let mut all = lock(written);
        match outcome {
            Some(Ok(())) => all.references.extend(
                batch.iter().map(|(piece, reference)| (piece.file, piece.number, *reference)),
            ),
            Some(Err(error)) => all.refused = Some(error),
            None => {}
        }
        drop(all);
        batch.into_iter().for_each(|(piece, _)| buffers.give(piece.buffer));
    }
}

fn lock(written: &Mutex<Written>) -> MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
