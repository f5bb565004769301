//! Reads an original into the chunks of a store.
//!
//! The file is read once, in order: the reader hashes the whole, workers seal the
//! pieces, and two writers, of which one fills a batch while the other's becomes
//! durable, put them into packs. What is in memory at one time is bounded, however
//! long the file is.

use heirloom_base::{ChunkId, ChunkRef};
use heirloom_blob::{Assembly, Manifest, PIECES_MAX, cuts, seal_piece_of_original};
use heirloom_store::{AppendError, Chunks, open_file};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Threads that seal, at most: sealing is faster than a disk from two on.
const WORKERS_MAX: usize = 4;
/// Threads that write.
const WRITERS: usize = 2;
/// Bytes that become durable together.
const BATCH_BYTES: usize = 24 * 1024 * 1024;
/// Pieces that wait between two threads.
const WAITING: usize = 2;

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
    /// The disk does not take its pieces.
    #[error(transparent)]
    Store(#[from] AppendError),
}

/// A piece on its way: its number and its bytes.
type Piece = (usize, Vec<u8>);
/// A sealed piece: its number, its reference and the chunk.
type SealedPiece = (usize, ChunkRef, Vec<u8>);

/// Reads a regular file and keeps its pieces, sealed under the account's key; those
/// that are here already are not written again. All are durable on return. `start`
/// is where its pixels or its film begin.
///
/// # Errors
/// [`KeepError`]. Pieces that were written before stay, and are found again.
pub fn keep_original(
    chunks: &Chunks,
    account_key: &[u8; 32],
    path: &Path,
    start: Option<u64>,
) -> Result<Manifest, KeepError> {
    let mut file = open_file(path).map_err(KeepError::Read)?;
    let before = file.metadata().map_err(KeepError::Read)?;
    let pieces: Vec<Range<u64>> = cuts(before.len(), start).take(PIECES_MAX + 1).collect();
    if pieces.len() > PIECES_MAX {
        return Err(KeepError::TooLong { size: before.len() });
    }
    let mut assembly = Assembly::default();
    let outcome = Outcome::default();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let (to_seal, read) = sync_channel::<Piece>(WAITING);
    let (to_write, sealed) = sync_channel::<SealedPiece>(WAITING);
    let (read, sealed) = (Mutex::new(read), Mutex::new(sealed));
    let read_all = thread::scope(|scope| {
        for _ in 0..workers {
            let to_write = to_write.clone();
            scope.spawn(|| seal_all(account_key, &read, to_write));
        }
        drop(to_write);
        for _ in 0..WRITERS {
            scope.spawn(|| write_all(chunks, &sealed, &outcome));
        }
        read_pieces(&mut file, &pieces, &mut assembly, to_seal)
    });
    let references = outcome.into_references()?;
    read_all.map_err(KeepError::Read)?;
    let after = file.metadata().map_err(KeepError::Read)?;
    if !is_same(&before, &after) {
        return Err(KeepError::Changed);
    }
    references.into_iter().for_each(|(_, reference)| assembly.sealed(reference));
    Ok(assembly.finish())
}

/// Reads the pieces in order and hands them on; ends early where nobody takes them.
fn read_pieces(
    file: &mut File,
    pieces: &[Range<u64>],
    assembly: &mut Assembly,
    to_seal: SyncSender<Piece>,
) -> io::Result<()> {
    for (number, piece) in pieces.iter().enumerate() {
        let length = usize::try_from(piece.end - piece.start).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        assembly.read(&bytes);
        if to_seal.send((number, bytes)).is_err() {
            return Ok(());
        }
    }
    // What was appended meanwhile would be missing.
    match file.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("it grew while it was read")),
    }
}

fn seal_all(
    account_key: &[u8; 32],
    read: &Mutex<Receiver<Piece>>,
    to_write: SyncSender<SealedPiece>,
) {
    while let Some((number, piece)) = next(read) {
        let (reference, chunk) = seal_piece_of_original(account_key, &piece);
        if to_write.send((number, reference, chunk)).is_err() {
            return;
        }
    }
}

/// Takes what waits first in a queue that several threads share.
fn next<T>(queue: &Mutex<Receiver<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Writes batches until nothing more comes or one is refused.
fn write_all(chunks: &Chunks, sealed: &Mutex<Receiver<SealedPiece>>, outcome: &Outcome) {
    while !outcome.is_refused() {
        let (mut batch, mut references, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bytes < BATCH_BYTES {
            let Some((number, reference, chunk)) = next(sealed) else { break };
            bytes += chunk.len();
            references.push((number, reference));
            batch.push((reference.id, chunk));
        }
        if batch.is_empty() {
            return;
        }
        let batch: Vec<(ChunkId, &[u8])> =
            batch.iter().map(|(id, chunk)| (*id, chunk.as_slice())).collect();
        outcome.note(references, chunks.write_batch(&batch));
    }
    // What was read meanwhile must not wait for somebody to take it.
    while next(sealed).is_some() {}
}

/// What became of the batches.
#[derive(Debug, Default)]
struct Outcome(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    /// The pieces that are durable, by number.
    references: Vec<(usize, ChunkRef)>,
    refused: Option<AppendError>,
}

impl Outcome {
    fn note(&self, references: Vec<(usize, ChunkRef)>, written: Result<(), AppendError>) {
        let mut all = self.lock();
        match written {
            Ok(()) => all.references.extend(references),
            Err(error) => all.refused = Some(error),
        }
    }

    fn is_refused(&self) -> bool {
        self.lock().refused.is_some()
    }

    /// Returns the references of all pieces, in their order.
    fn into_references(self) -> Result<Vec<(usize, ChunkRef)>, AppendError> {
        let Written { mut references, refused } =
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        references.sort_by_key(|(number, _)| *number);
        refused.map_or(Ok(references), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether nobody wrote to a file between two looks at it.
fn is_same(before: &Metadata, after: &Metadata) -> bool {
    let stamp = |file: &Metadata| {
        (file.len(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec())
    };
    stamp(before) == stamp(after)
}

#[cfg(test)]
mod tests;
