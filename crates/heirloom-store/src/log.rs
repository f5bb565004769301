//! The log: numbered segment files of frames, only ever added to.
//!
//! An append is written in one piece and answered after one `fdatasync`; one
//! that does not fit goes on in the next segment, whose room is taken before
//! anything is written, so that a full disk refuses an append as a whole.
//! After a failed write or sync the log is closed: what the disk then holds is
//! unknown. [`Log::reopen`] reads everything acknowledged again and goes on in
//! a new segment, whose header cuts off whatever the failed append left.

use crate::disk::{self, Disk, DiskFile};
use crate::frame::{self, FRAME_PAYLOAD_BYTES_MAX, Place};
use crate::segment::{self, HEADER_BYTES, Header};
use heirloom_core::input;
use heirloom_core::storage::{Frame, Lsn};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use reader::{Frames, LogReader};
pub use recovery::{Damage, DamagedFile, Recovery};

mod misplaced;
mod reader;
mod recovery;

/// Bytes of a segment that is made on a full disk, in the room of the reserve.
const SMALL_SEGMENT_BYTES: usize = 1024 * 1024;

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The disk is full; reading and small writes still work.
    #[error("the disk is full")]
    Full,
    /// A frame is too long.
    #[error("a frame of {bytes} bytes is longer than a frame may be")]
    FrameTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A chunk does not have the name it was given.
    #[error("the bytes given as chunk {id} have another name")]
    WrongChunk {
        /// The name.
        id: heirloom_base::ChunkId,
    },
    /// A chunk could not be written; the log is open.
    #[error("a chunk cannot be written: {reason}")]
    Chunk {
        /// What the disk reports.
        reason: String,
    },
    /// A write or sync of the log failed, now or before: it is closed until
    /// it is opened again.
    #[error("the log is closed: {reason}")]
    Closed {
        /// What the disk reported.
        reason: String,
    },
}

impl From<AppendError> for input::AppendError {
    fn from(error: AppendError) -> Self {
        if error == AppendError::Full { Self::Full } else { Self::Failed(error.to_string()) }
    }
}

/// The folders of a log.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    pub(crate) log: PathBuf,
    pub(crate) scratch: PathBuf,
    pub(crate) quarantine: PathBuf,
}

/// The writing end of the log.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    folders: Folders,
    segment_bytes: usize,
    reader: LogReader,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The last segment has room.
    Open(Current),
    /// The next append begins a segment.
    Ended(Tail),
    /// A write failed.
    Closed(String),
}

/// The segment that is written to.
#[derive(Debug)]
struct Current {
    number: u32,
    file: Box<dyn DiskFile>,
    end: usize,
    capacity: usize,
}

/// Where the last segment ends; number 0 before there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tail {
    number: u32,
    end: usize,
}

/// Room for a segment, taken and not yet named.
#[derive(Debug)]
struct Spare {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    capacity: usize,
}

/// The frames of an append that go into one segment.
#[derive(Debug)]
struct Part<'a> {
    /// The new segment, or `None` for the one that is open.
    spare: Option<Spare>,
    frames: &'a [Frame],
}

impl Log {
    /// Opens the log of a folder, repairing the tail of its last segment.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        folders: Folders,
        segment_bytes: usize,
    ) -> io::Result<(Self, Recovery)> {
        let recovered = recovery::recover(disk.as_ref(), &folders)?;
        let state = match recovered.current {
            Some(current) => State::Open(current),
            None => State::Ended(recovered.tail),
        };
        let reader = LogReader::new(folders.log.clone(), recovered.spans);
        Ok((Self { disk, folders, segment_bytes, reader, state }, recovered.report))
    }

    /// Returns a reader of what is acknowledged.
    pub(crate) fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Returns why the log is closed, if it is.
    pub(crate) fn closed(&self) -> Option<&str> {
        match &self.state {
            State::Closed(reason) => Some(reason),
            State::Open(_) | State::Ended(_) => None,
        }
    }

    /// Writes frames durably and returns their positions.
    ///
    /// `release` is asked to free the disk's reserve when a new segment finds no room.
    pub(crate) fn append(
        &mut self,
        frames: &[Frame],
        release: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Lsn>, AppendError> {
        self.check(frames)?;
        if frames.is_empty() {
            return Ok(Vec::new());
        }
        let parts = match self.plan(frames, release) {
            Err(error) if is_full(&error) => return Err(AppendError::Full),
            planned => planned,
        };
        parts.and_then(|parts| self.write(parts)).map_err(|error| self.close(&error))
    }

    /// Opens a closed log again: reads what was acknowledged from the disk,
    /// and sets aside what was not.
    pub(crate) fn reopen(&mut self) -> io::Result<Recovery> {
        let last = self.reader.last();
        let tail = last.map_or(Tail { number: 0, end: 0 }, |(number, end)| Tail { number, end });
        let report = recovery::compare(self.disk.as_ref(), &self.folders, &self.reader, tail)?;
        self.reader.forget_handles();
        self.state = State::Ended(tail);
        Ok(report)
    }

    fn close(&mut self, error: &io::Error) -> AppendError {
        tracing::error!(%error, "the log is closed after a failed write");
        let reason = error.to_string();
        self.state = State::Closed(reason.clone());
        AppendError::Closed { reason }
    }

    /// Refuses frames that can never be written.
    pub(crate) fn check(&self, frames: &[Frame]) -> Result<(), AppendError> {
        if let Some(reason) = self.closed() {
            return Err(AppendError::Closed { reason: reason.to_owned() });
        }
        let long = |bytes: &usize| {
            *bytes > FRAME_PAYLOAD_BYTES_MAX
                || frame::frame_bytes(*bytes) + HEADER_BYTES > self.segment_bytes
        };
        match frames.iter().map(|frame| frame.payload.len()).find(long) {
            Some(bytes) => Err(AppendError::FrameTooLong { bytes }),
            None => Ok(()),
        }
    }

    fn tail(&self) -> Tail {
        match &self.state {
            State::Open(current) => Tail { number: current.number, end: current.end },
            State::Ended(tail) => *tail,
            State::Closed(_) => unreachable!("a closed log was refused before"),
        }
    }

    /// Distributes frames over the open segment and new ones, and takes the room for these.
    fn plan<'a>(
        &self,
        frames: &'a [Frame],
        release: &mut dyn FnMut() -> bool,
    ) -> io::Result<Vec<Part<'a>>> {
        let mut room = match &self.state {
            State::Open(current) => current.capacity.saturating_sub(current.end),
            State::Ended(_) | State::Closed(_) => 0,
        };
        let mut parts: Vec<Part<'a>> = Vec::new();
        let mut spare = None;
        let mut from = 0;
        for (index, frame) in frames.iter().enumerate() {
            let bytes = frame::frame_bytes(frame.payload.len());
            if bytes > room {
                parts.push(Part { spare: spare.take(), frames: &frames[from..index] });
                from = index;
                let taken = self.spare(bytes, release).inspect_err(|_| {
                    self.give_back(parts.drain(..).filter_map(|part| part.spare));
                })?;
                room = taken.capacity - HEADER_BYTES;
                spare = Some(taken);
            }
            room -= bytes;
        }
        parts.push(Part { spare, frames: &frames[from..] });
        Ok(parts)
    }

    /// Takes the room of a new segment for a frame of at least this many bytes.
    fn spare(&self, bytes: usize, release: &mut dyn FnMut() -> bool) -> io::Result<Spare> {
        let small = SMALL_SEGMENT_BYTES.max(bytes + HEADER_BYTES).min(self.segment_bytes);
        match self.allocate(self.segment_bytes) {
            Err(error) if is_full(&error) && release() => self.allocate(small),
            allocated => allocated,
        }
    }

    fn allocate(&self, capacity: usize) -> io::Result<Spare> {
        let path = disk::temporary(&self.folders.scratch);
        let made = self.disk.create(&path).and_then(|mut file| {
            file.allocate(capacity as u64)?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Spare { path, file, capacity }),
            Err(error) => {
                disk::discard(self.disk.as_ref(), &path);
                Err(error)
            }
        }
    }

    fn give_back(&self, spares: impl Iterator<Item = Spare>) {
        for spare in spares {
            disk::discard(self.disk.as_ref(), &spare.path);
        }
    }

    fn write(&mut self, parts: Vec<Part<'_>>) -> io::Result<Vec<Lsn>> {
        let mut positions = Vec::new();
        let mut written = Vec::new();
        let mut place = Place::First;
        for part in parts {
            if let Some(spare) = part.spare {
                self.begin(spare, part.frames, &mut place, &mut positions)?;
            } else if !part.frames.is_empty() {
                self.extend(part.frames, &mut place, &mut positions)?;
            } else {
                continue;
            }
            written.push(self.tail());
        }
        for tail in written {
            self.reader.advance(tail.number, tail.end);
        }
        Ok(positions)
    }

    /// Writes frames behind the last one of the open segment.
    fn extend(
        &mut self,
        frames: &[Frame],
        place: &mut Place,
        positions: &mut Vec<Lsn>,
    ) -> io::Result<()> {
        let State::Open(current) = &mut self.state else {
            unreachable!("a part without a new segment was planned for the open one");
        };
        let mut bytes = Vec::new();
        encode(&mut bytes, current.number, current.end, frames, place, positions);
        current.file.write_at(current.end as u64, &bytes)?;
        current.file.sync()?;
        current.end += bytes.len();
        Ok(())
    }

    /// Writes a new segment with frames, and gives it its name when they are durable.
    fn begin(
        &mut self,
        spare: Spare,
        frames: &[Frame],
        place: &mut Place,
        positions: &mut Vec<Lsn>,
    ) -> io::Result<()> {
        let tail = self.tail();
        let number = tail.number + 1;
        if number > segment::NUMBER_MAX {
            return Err(io::Error::other("the log has no segment number left"));
        }
        let previous_end = u32::try_from(tail.end).map_err(io::Error::other)?;
        let Spare { path, mut file, capacity } = spare;
        let mut bytes = Header { number, previous_end }.encode().to_vec();
        encode(&mut bytes, number, 0, frames, place, positions);
        file.write_at(0, &bytes)?;
        file.sync()?;
        self.disk.rename(&path, &self.folders.log.join(segment::name(number)))?;
        self.disk.sync_folder(&self.folders.log)?;
        self.state = State::Open(Current { number, file, end: bytes.len(), capacity });
        Ok(())
    }
}

/// Appends frames to bytes that will be written at `offset` of a segment.
fn encode(
    bytes: &mut Vec<u8>,
    number: u32,
    offset: usize,
    frames: &[Frame],
    place: &mut Place,
    positions: &mut Vec<Lsn>,
) {
    for frame in frames {
        let lsn = frame::position(number, offset + bytes.len());
        frame::encode(bytes, lsn, *place, frame);
        *place = Place::Later;
        positions.push(lsn);
    }
}

/// Whether an error means that the disk has no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Returns the path of a segment file.
fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(segment::name(number))
}

#[cfg(test)]
mod tests;
