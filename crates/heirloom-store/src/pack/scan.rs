//! Reading a pack frame by frame, where no footer says what stands in it.
//!
//! A bad frame costs itself only: the next header that is sound in its place
//! is searched for. A header with a few wrong bytes costs nothing: the name of
//! the bytes behind it says what it was.

use super::{
    COVERED_BYTES, Footer, HEADER_BYTES, Header, MAGIC, PACKED_CHUNK_BYTES_MAX, Row, Spot, Subject,
    is_chunk,
};
use crate::frame::Place;
use heirloom_base::{ChunkId, hash};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a pack that are held at once, unless a chunk is longer.
const WINDOW_BYTES: usize = 1024 * 1024;

/// Bytes that are given up where the disk cannot read.
const SECTOR_BYTES: usize = 4096;

/// Wrong bytes of a header that is still recognised.
const MENDED_BYTES_MAX: usize = 4;

/// What was found in a pack.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The sound frames.
    pub(crate) found: Footer,
    /// Chunks whose header is sound and whose bytes are not.
    pub(crate) lost: Vec<ChunkId>,
    /// Where the last sound frame ends.
    pub(crate) end: u32,
    /// Where the last append begins whose first frame can be seen: everything
    /// before it was durable when it was written.
    pub(crate) last_append: u32,
}

/// Reads a whole pack.
///
/// # Errors
/// When not even the file's length can be read.
pub(crate) fn scan(file: &File, pack: u32) -> io::Result<Scan> {
    let mut scanner =
        Scanner { window: Window::new(file)?, pack, scan: Scan::default(), searched: false };
    let mut at = 0;
    while at < scanner.window.length {
        at = scanner.step(at);
    }
    Ok(scanner.scan)
}

#[derive(Debug)]
struct Scanner<'a> {
    window: Window<'a>,
    pack: u32,
    scan: Scan,
    /// Whether the frame was searched for: it may stand within a foreign chunk.
    searched: bool,
}

impl Scanner<'_> {
    /// Takes in the frame at an offset; returns where to go on.
    fn step(&mut self, at: usize) -> usize {
        let Some(header) = self.header(at) else { return self.pass_over(at) };
        if header.place == Place::First {
            self.scan.last_append = offset(at);
        }
        match header.subject {
            // A chunk of somebody hostile shall not remove others where it is taken for frames.
            Subject::Tombstone(_) if self.searched => self.accept(at + HEADER_BYTES),
            Subject::Tombstone(tombstone) => {
                self.scan.found.tombstones.push(tombstone);
                self.accept(at + HEADER_BYTES)
            }
            Subject::Chunk { id, length } if self.is_sound(at, id, length) => {
                self.scan.found.chunks.push(Row { id, offset: offset(at), length });
                self.accept(at + HEADER_BYTES + length as usize)
            }
            Subject::Chunk { id, .. } if self.searched => {
                self.scan.lost.push(id);
                self.pass_over(at)
            }
            Subject::Chunk { id, length } => {
                self.scan.lost.push(id);
                at + HEADER_BYTES + length as usize
            }
        }
    }

    fn accept(&mut self, end: usize) -> usize {
        self.scan.end = offset(end);
        end
    }

    /// Finds where to go on behind a bad frame, and mends its header if that is all.
    fn pass_over(&mut self, at: usize) -> usize {
        let next = self.search(at + 1).unwrap_or(self.window.length);
        match self.mended(at, next) {
            Some(row) => {
                self.scan.found.chunks.push(row);
                self.accept(next)
            }
            None => {
                self.searched = true;
                next
            }
        }
    }

    /// Returns the chunk that fills the bytes from `at` to `next` if its header says nearly so.
    fn mended(&mut self, at: usize, next: usize) -> Option<Row> {
        let length = next.checked_sub(at + HEADER_BYTES)?;
        if length > PACKED_CHUNK_BYTES_MAX {
            return None;
        }
        let found: [u8; HEADER_BYTES] =
            self.window.bytes(at, HEADER_BYTES).first_chunk().copied()?;
        let id = ChunkId(hash::plain(self.window.bytes(at + HEADER_BYTES, length)));
        let length = u32::try_from(length).ok()?;
        let subject = Subject::Chunk { id, length };
        let meant = Header { place: Place::Later, subject }.encode(self.spot(at));
        let wrong = found[..COVERED_BYTES].iter().zip(&meant).filter(|(is, meant)| is != meant);
        (wrong.count() <= MENDED_BYTES_MAX).then_some(Row { id, offset: offset(at), length })
    }

    /// Returns where the next sound frame begins.
    fn search(&mut self, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(found) = self.window.find(&MAGIC, at) {
            let is_sound = match self.header(found).map(|header| header.subject) {
                Some(Subject::Chunk { id, length }) => self.is_sound(found, id, length),
                Some(Subject::Tombstone(_)) => true,
                None => false,
            };
            if is_sound {
                return Some(found);
            }
            at = found + 1;
        }
        None
    }

    fn header(&mut self, at: usize) -> Option<Header> {
        let spot = self.spot(at);
        Header::decode(self.window.bytes(at, HEADER_BYTES).first_chunk()?, spot)
    }

    fn is_sound(&mut self, at: usize, id: ChunkId, length: u32) -> bool {
        let bytes = self.window.bytes(at + HEADER_BYTES, length as usize);
        bytes.len() == length as usize && is_chunk(id, bytes)
    }

    fn spot(&self, at: usize) -> Spot {
        Spot { pack: self.pack, offset: offset(at) }
    }
}

/// A pack's length was compared with what an offset can say.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A file of which a part is held.
#[derive(Debug)]
struct Window<'a> {
    file: &'a File,
    length: usize,
    start: usize,
    held: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        // What lies behind the reach of an offset is not ours.
        let length = file.metadata()?.len().min(u64::from(u32::MAX));
        let length = usize::try_from(length).map_err(io::Error::other)?;
        Ok(Self { file, length, start: 0, held: Vec::new() })
    }

    /// Returns the bytes at an offset, fewer at the end of the file; what
    /// cannot be read is zeroes.
    fn bytes(&mut self, at: usize, length: usize) -> &[u8] {
        let at = at.min(self.length);
        let end = at.saturating_add(length).min(self.length);
        if at < self.start || end > self.start + self.held.len() {
            self.start = at;
            self.held.resize(length.max(WINDOW_BYTES).min(self.length - at), 0);
            read(self.file, &mut self.held, at as u64);
        }
        &self.held[at - self.start..end - self.start]
    }

    fn find(&mut self, pattern: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        while at + pattern.len() <= self.length {
            let bytes = self.bytes(at, WINDOW_BYTES);
            if let Some(found) = bytes.windows(pattern.len()).position(|part| part == pattern) {
                return Some(at + found);
            }
            at += bytes.len() + 1 - pattern.len();
        }
        None
    }
}

fn read(file: &File, bytes: &mut [u8], at: u64) {
    if file.read_exact_at(bytes, at).is_ok() {
        return;
    }
    for (index, sector) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
        if file.read_exact_at(sector, at + (index * SECTOR_BYTES) as u64).is_err() {
            sector.fill(0);
        }
    }
}
