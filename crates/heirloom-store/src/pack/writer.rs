//! The pack that is written to.
//!
//! Frames are gathered, written in large pieces, and durable after one
//! `fdatasync`. A full pack gets its footer and its last name. After a failed
//! write or sync nobody knows what the disk holds: the pack is read again
//! before anything is added, what was not acknowledged is written anew, so
//! that a sync covers it, and a torn end is cut off.

use super::{Footer, Frame, Header, Row, Scan, Spot, Subject, Tombstone, name, scan};
use crate::disk::{Disk, DiskFile};
use crate::frame::Place;
use crate::log::is_full;
use crate::regular;
use std::fs::File;
use std::io::{self, ErrorKind::NotFound};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1024 * 1024;

/// Bytes after which the disk is asked to write them.
const WRITE_BACK_BYTES: u32 = 2 * 1024 * 1024;

/// A chunk that is at least so long is written from where it is.
const LONG_BYTES: usize = 64 * 1024;

/// What has become durable; it holds whatever else has failed.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Chunks by their packs.
    pub(crate) chunks: Vec<(u32, Row)>,
    pub(crate) tombstones: Vec<Tombstone>,
    /// How many bytes of frames each pack has, and whether it bears the name of a sealed one.
    pub(crate) packs: Vec<(u32, u32, bool)>,
}

/// Writes packs, one at a time.
#[derive(Debug)]
pub(crate) struct PackWriter {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Bytes of a pack, with its footer, unless a single frame is longer.
    pack_bytes: usize,
    /// The number of the next pack.
    next: u32,
    current: Current,
}

#[derive(Debug)]
enum Current {
    /// The next frame begins a pack.
    Ended,
    Open(Box<OpenPack>),
    /// A write failed in this pack, which was durable up to there.
    Broken(Spot),
}

#[derive(Debug)]
struct OpenPack {
    number: u32,
    file: Box<dyn DiskFile>,
    /// Whether its name is durable.
    is_named: bool,
    /// Bytes that were handed to the file.
    written: u32,
    /// Those of them that the disk was asked to write.
    written_back: u32,
    gathered: Vec<u8>,
    contents: Footer,
    /// Where durable frames end, and how many there are.
    synced: u32,
    synced_chunks: usize,
    synced_tombstones: usize,
}

impl PackWriter {
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: PathBuf, pack_bytes: usize, next: u32) -> Self {
        Self { disk, folder, pack_bytes, next, current: Current::Ended }
    }

    /// Goes on in a pack of an earlier run; one that was open before is sealed.
    ///
    /// # Errors
    /// What the disk reports; nothing was learned then.
    pub(crate) fn resume(&mut self, number: u32, durable: &mut Durable) -> io::Result<Scan> {
        if let Err(error) = self.seal(durable) {
            tracing::warn!(%error, "a pack stays open");
        }
        self.current = Current::Broken(Spot { pack: number, offset: 0 });
        match self.recover(number, 0, durable) {
            // What was acknowledged is durable; the rest is made so when there is room.
            Err(error) if is_full(&error) => {
                let path = self.folder.join(name(number, false));
                let scan = scan(&regular::open(&path)?, number)?;
                self.current = Current::Broken(Spot { pack: number, offset: scan.end });
                Ok(scan)
            }
            recovered => recovered,
        }
    }

    /// Makes ready for [`PackWriter::push`] after a failure.
    pub(crate) fn settle(&mut self, durable: &mut Durable) -> io::Result<()> {
        let Current::Broken(Spot { pack, offset }) = self.current else { return Ok(()) };
        match self.recover(pack, offset, durable) {
            Err(error) if self.is_given_up() => {
                tracing::warn!(%error, pack, "the pack that was written to is gone");
                Ok(())
            }
            recovered => recovered.map(drop),
        }
    }

    /// Writes a frame; it is durable after [`PackWriter::sync`].
    ///
    /// # Errors
    /// What the disk reports: then [`PackWriter::break_off`].
    pub(crate) fn push(&mut self, frame: &Frame<'_>, durable: &mut Durable) -> io::Result<()> {
        let is_full = |open: &OpenPack| {
            open.end() > 0
                && open.end() as usize + frame.length() + open.contents.length(1) > self.pack_bytes
        };
        if matches!(&self.current, Current::Open(open) if is_full(open)) {
            self.seal(durable)?;
        }
        if matches!(self.current, Current::Ended) {
            self.begin()?;
        }
        match &mut self.current {
            Current::Open(open) => open.push(frame),
            Current::Ended | Current::Broken(_) => Err(io::Error::other("no pack is open")),
        }
    }

    /// Makes all frames durable.
    ///
    /// # Errors
    /// What the disk reports: then [`PackWriter::break_off`].
    pub(crate) fn sync(&mut self, durable: &mut Durable) -> io::Result<()> {
        if let Current::Open(open) = &mut self.current
            && open.end() > open.synced
        {
            open.write_gathered()?;
            open.sync(self.disk.as_ref(), &self.folder)?;
            open.acknowledge(durable);
        }
        Ok(())
    }

    /// Begins anew after a failure; a disk that fails still is asked again by [`PackWriter::settle`].
    pub(crate) fn break_off(&mut self, durable: &mut Durable) {
        if let Current::Open(open) = &self.current {
            self.current = Current::Broken(Spot { pack: open.number, offset: open.synced });
        }
        if let Err(error) = self.settle(durable) {
            tracing::warn!(%error, "a pack cannot be written for now");
        }
    }

    fn is_given_up(&self) -> bool {
        matches!(self.current, Current::Ended)
    }

    fn begin(&mut self) -> io::Result<()> {
        let number = self.next;
        self.next += 1;
        let file = self.disk.create(&self.folder.join(name(number, false)))?;
        self.current = Current::Open(Box::new(OpenPack {
            number,
            file,
            is_named: false,
            written: 0,
            written_back: 0,
            gathered: Vec::new(),
            contents: Footer::default(),
            synced: 0,
            synced_chunks: 0,
            synced_tombstones: 0,
        }));
        Ok(())
    }

    /// Writes the footer of the open pack and gives it the name of a sealed one.
    fn seal(&mut self, durable: &mut Durable) -> io::Result<()> {
        let Current::Open(open) = &mut self.current else { return Ok(()) };
        open.write_gathered()?;
        open.file.write_at(u64::from(open.written), &open.contents.encode())?;
        open.sync(self.disk.as_ref(), &self.folder)?;
        open.acknowledge(durable);
        let (number, end) = (open.number, open.end());
        self.current = Current::Ended;
        // Everything is durable under either name; the next start finds it under both.
        let [from, to] = [false, true].map(|sealed| self.folder.join(name(number, sealed)));
        let renamed = self.disk.rename(&from, &to);
        durable.packs.push((number, end, renamed.is_ok()));
        if let Err(error) = renamed.and_then(|()| self.disk.sync_folder(&self.folder)) {
            tracing::warn!(%error, "a full pack keeps its first name");
        }
        Ok(())
    }

    /// Reads a pack and makes durable what stands in it; acknowledges what lies behind `known`.
    fn recover(&mut self, number: u32, known: u32, durable: &mut Durable) -> io::Result<Scan> {
        let path = self.folder.join(name(number, false));
        let file = match regular::open(&path) {
            Err(error) if error.kind() == NotFound || regular::is_irregular(&error) => {
                self.current = Current::Ended;
                return Err(error);
            }
            opened => opened?,
        };
        let scan = scan(&file, number)?;
        let mut open = OpenPack {
            number,
            file: self.disk.open(&path)?,
            is_named: false,
            written: scan.end,
            written_back: scan.end,
            gathered: Vec::new(),
            contents: scan.found.clone(),
            synced: 0,
            synced_chunks: 0,
            synced_tombstones: 0,
        };
        write_again(open.file.as_mut(), &file, scan.last_append.min(scan.end), scan.end)?;
        if file.metadata()?.len() > u64::from(scan.end) {
            open.file.truncate(u64::from(scan.end))?;
        }
        open.sync(self.disk.as_ref(), &self.folder)?;
        open.pass(known);
        open.acknowledge(durable);
        self.current = Current::Open(Box::new(open));
        Ok(scan)
    }
}

/// Writes bytes in place: a sync that failed may have taken them for written.
fn write_again(to: &mut dyn DiskFile, from: &File, start: u32, end: u32) -> io::Result<()> {
    let mut at = u64::from(start);
    let mut bytes = vec![0; WRITE_BYTES];
    while at < u64::from(end) {
        let length = usize::try_from(u64::from(end) - at).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
        from.read_exact_at(&mut bytes[..length], at)?;
        to.write_at(at, &bytes[..length])?;
        at += length as u64;
    }
    Ok(())
}

impl OpenPack {
    fn end(&self) -> u32 {
        let gathered = u32::try_from(self.gathered.len()).expect("little is gathered");
        self.written + gathered
    }

    fn push(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let offset = self.end();
        let spot = Spot { pack: self.number, offset };
        let subject = frame.subject();
        let place = if offset == self.synced { Place::First } else { Place::Later };
        self.gathered.extend_from_slice(&Header { place, subject }.encode(spot));
        match subject {
            Subject::Chunk { id, length } => self.contents.chunks.push(Row { id, offset, length }),
            Subject::Tombstone(tombstone) => self.contents.tombstones.push(tombstone),
        }
        match frame {
            Frame::Chunk { bytes, .. } if bytes.len() >= LONG_BYTES => {
                self.write_gathered()?;
                self.write(bytes)?;
            }
            Frame::Chunk { bytes, .. } => self.gathered.extend_from_slice(bytes),
            Frame::Tombstone(_) => {}
        }
        if self.gathered.len() >= WRITE_BYTES { self.write_gathered() } else { Ok(()) }
    }

    fn write_gathered(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut gathered = std::mem::take(&mut self.gathered);
        self.write(&gathered)?;
        gathered.clear();
        self.gathered = gathered;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(u64::from(self.written), bytes)?;
        self.written += u32::try_from(bytes.len()).expect("a pack is shorter than 4 GiB");
        let waiting = self.written - self.written_back;
        if waiting >= WRITE_BACK_BYTES {
            self.file.begin_write_back(u64::from(self.written_back), u64::from(waiting));
            self.written_back = self.written;
        }
        Ok(())
    }

    fn sync(&mut self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        self.file.sync()?;
        if !self.is_named {
            disk.sync_folder(folder)?;
            self.is_named = true;
        }
        Ok(())
    }

    /// Takes what stands before an offset for acknowledged long ago.
    fn pass(&mut self, known: u32) {
        let chunks = &self.contents.chunks;
        self.synced_chunks = chunks.iter().take_while(|row| row.offset < known).count();
    }

    fn acknowledge(&mut self, durable: &mut Durable) {
        let number = self.number;
        let chunks = self.contents.chunks[self.synced_chunks..].iter();
        durable.chunks.extend(chunks.map(|row| (number, *row)));
        durable.tombstones.extend_from_slice(&self.contents.tombstones[self.synced_tombstones..]);
        durable.packs.push((number, self.written, false));
        self.synced = self.written;
        self.synced_chunks = self.contents.chunks.len();
        self.synced_tombstones = self.contents.tombstones.len();
    }
}
