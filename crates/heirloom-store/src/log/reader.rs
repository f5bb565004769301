//! Reading the log: single frames while others are written, and all in order.

use crate::frame;
use crate::regular;
use crate::segment::HEADER_BYTES;
use heirloom_core::storage::{Frame, Lsn, StorageError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Segment files that are kept open for reading.
const HANDLES_MAX: usize = 64;

/// Bytes read at once for a single frame: most frames are shorter.
const FIRST_READ_BYTES: usize = 1024;

/// A reader of the acknowledged frames; clones share the open files.
#[derive(Debug, Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The sound and acknowledged ranges of each segment, in order, none empty.
    spans: BTreeMap<u32, Vec<Range<usize>>>,
    handles: BTreeMap<u32, Arc<File>>,
}

impl LogReader {
    pub(crate) fn new(folder: PathBuf, spans: BTreeMap<u32, Vec<Range<usize>>>) -> Self {
        let state = Mutex::new(State { spans, handles: BTreeMap::new() });
        Self { shared: Arc::new(Shared { folder, state }) }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`StorageError::Frame`] when no acknowledged frame is there, or it is damaged.
    pub fn frame(&self, lsn: Lsn) -> Result<Frame, StorageError> {
        let (number, offset) = frame::parts(lsn);
        let missing = StorageError::Frame(lsn);
        let end =
            self.span_at(lsn).filter(|(found, span)| *found == number && span.start <= offset);
        let (_, span) = end.ok_or(missing.clone())?;
        self.read(number, offset, span.end).map_err(|error| {
            tracing::warn!(%error, position = lsn.0, "a frame of the log cannot be read");
            missing
        })
    }

    /// Returns all frames behind a position, or all, in order.
    #[must_use]
    pub fn frames(&self, after: Option<Lsn>) -> Frames {
        Frames { reader: self.clone(), after, next: after.unwrap_or(Lsn(0)), loaded: None }
    }

    /// Returns the position behind the last acknowledged frame, or zero in an empty log.
    ///
    /// An index that has applied a frame at or behind it knows frames that the
    /// log has lost, and has to be discarded.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.last().map_or(Lsn(0), |(number, end)| frame::position(number, end))
    }

    /// Returns the last segment with a sound frame and where that frame ends.
    pub(crate) fn last(&self) -> Option<(u32, usize)> {
        let state = self.state();
        let (number, spans) = state.spans.last_key_value()?;
        Some((*number, spans.last()?.end))
    }

    /// Returns the acknowledged ranges of a segment.
    pub(crate) fn spans(&self, number: u32) -> Vec<Range<usize>> {
        self.state().spans.get(&number).cloned().unwrap_or_default()
    }

    /// Acknowledges what was written to a segment up to `end`.
    pub(crate) fn advance(&self, number: u32, end: usize) {
        let mut state = self.state();
        let spans = state.spans.entry(number).or_default();
        match spans.last_mut() {
            Some(last) => last.end = end,
            None => spans.push(HEADER_BYTES..end),
        }
    }

    /// Closes the files, so that the next read goes through new descriptors.
    pub(crate) fn forget_handles(&self) {
        self.state().handles.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first range that ends behind a position.
    fn span_at(&self, lsn: Lsn) -> Option<(u32, Range<usize>)> {
        let (number, offset) = frame::parts(lsn);
        let state = self.state();
        state.spans.range(number..).find_map(|(found, spans)| {
            let span = spans.iter().find(|span| *found > number || span.end > offset)?;
            Some((*found, span.clone()))
        })
    }

    fn handle(&self, number: u32) -> io::Result<Arc<File>> {
        let mut state = self.state();
        if let Some(file) = state.handles.get(&number) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(regular::open(&super::path(&self.shared.folder, number))?);
        if state.handles.len() >= HANDLES_MAX {
            state.handles.pop_first();
        }
        state.handles.insert(number, Arc::clone(&file));
        Ok(file)
    }

    fn read(&self, number: u32, offset: usize, end: usize) -> io::Result<Frame> {
        let file = self.handle(number)?;
        let unsound = || io::Error::new(io::ErrorKind::InvalidData, "no sound frame");
        let lsn = frame::position(number, offset);
        let mut bytes = vec![0; FIRST_READ_BYTES.min(end - offset)];
        fill(&file, &mut bytes, offset)?;
        let header = bytes.first_chunk().ok_or_else(unsound)?;
        let length = frame::measure(header, lsn).ok_or_else(unsound)?;
        let known = bytes.len();
        bytes.resize(length, 0);
        if let Some(rest) = bytes.get_mut(known..) {
            fill(&file, rest, offset + known)?;
        }
        let sound = frame::read_at(&bytes, lsn).map_err(|_| unsound())?;
        Ok(Frame { kind: sound.kind, payload: sound.payload.to_vec() })
    }

    /// Reads a segment's bytes up to `end`, with those before `from` left as zeroes.
    fn load(&self, number: u32, from: usize, end: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; end];
        fill(self.handle(number)?.as_ref(), &mut bytes[from..], from)?;
        Ok(bytes)
    }
}

/// Reads bytes at a position; what lies behind the end of the file stays as it is.
///
/// A file may have been cut within the padding of its last frame.
fn fill(file: &File, bytes: &mut [u8], offset: usize) -> io::Result<()> {
    let mut at = 0;
    while at < bytes.len() {
        match file.read_at(&mut bytes[at..], (offset + at) as u64) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The frames of a log in order; it holds nothing of the store and may be kept
/// while the store is changed.
#[derive(Debug)]
pub struct Frames {
    reader: LogReader,
    after: Option<Lsn>,
    next: Lsn,
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    number: u32,
    bytes: Vec<u8>,
}

impl Frames {
    /// Moves to the next frame, which begins at or behind `self.next`.
    fn step(&mut self) -> Option<Result<(Lsn, Frame), StorageError>> {
        let (number, span) = self.reader.span_at(self.next)?;
        let (wanted, offset) = frame::parts(self.next);
        let at = if wanted == number { offset.max(span.start) } else { span.start };
        let lsn = frame::position(number, at);
        let held = self.loaded.as_ref();
        if held.is_none_or(|held| held.number != number || held.bytes.len() < span.end) {
            match self.reader.load(number, at, span.end) {
                Ok(bytes) => self.loaded = Some(Loaded { number, bytes }),
                Err(_) => return Some(self.skip(lsn, number, span.end)),
            }
        }
        let bytes = self.loaded.as_ref().map(|held| held.bytes.as_slice()).unwrap_or_default();
        match frame::read(bytes, number, at) {
            Ok(sound) => {
                let read = Frame { kind: sound.kind, payload: sound.payload.to_vec() };
                self.next = frame::position(number, sound.next);
                Some(Ok((lsn, read)))
            }
            Err(_) => Some(self.skip(lsn, number, span.end)),
        }
    }

    /// Reports a frame that was sound and is not any more, and leaves its range.
    fn skip(&mut self, lsn: Lsn, number: u32, end: usize) -> Result<(Lsn, Frame), StorageError> {
        self.next = frame::position(number, end);
        Err(StorageError::Frame(lsn))
    }
}

impl Iterator for Frames {
    type Item = Result<(Lsn, Frame), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let item = self.step()?;
            let seen = |lsn: Lsn| self.after.is_some_and(|after| lsn <= after);
            if !matches!(&item, Ok((lsn, _)) if seen(*lsn)) {
                return Some(item);
            }
        }
    }
}
