//! Where the parts of a file begin that a reader looks for first.

use crate::boxes::{self, At};
use crate::jpeg::{self, End};
use crate::media_type::{Layout, MediaType};

/// The answer to the question where a part of a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It begins at this byte of the file.
    At(u64),
    /// It begins behind the bytes that were shown. The next place to look at
    /// is this byte of the file; it is always behind the last one.
    Elsewhere(u64),
    /// There is none.
    Nowhere,
}

/// Where the first chunk is to be cut, so that a change of what stands before
/// does not move the grid of all others: at the first scan of a JPEG, and at
/// the content of the first box `mdat` that has any in MP4, QuickTime and
/// whatever else consists of such boxes.
///
/// `bytes` is a part of the file that begins at `offset`: 0 at first, and
/// then what [`Start::Elsewhere`] named. A mebibyte at a time is enough. An
/// offset behind the end of the file means that there is no such place.
#[must_use]
pub fn scan_start(media_type: MediaType, offset: u64, bytes: &[u8]) -> Start {
    match media_type.layout() {
        Layout::Jpeg => first_scan(offset, bytes),
        Layout::Items | Layout::Movie => seek(offset, bytes, *b"mdat", Part::Content),
        Layout::Png | Layout::Gif | Layout::Webp | Layout::Tiff | Layout::Raf | Layout::Opaque => {
            Start::Nowhere
        }
    }
}

/// Where the box begins from which [`facts`](crate::facts()) reads what is to
/// be known of a video: `moov`, which may stand at the end. For other media
/// types it is the beginning of the file. The arguments are those of
/// [`scan_start`].
#[must_use]
pub fn facts_start(media_type: MediaType, offset: u64, bytes: &[u8]) -> Start {
    match media_type.layout() {
        Layout::Movie => seek(offset, bytes, *b"moov", Part::Whole),
        Layout::Jpeg
        | Layout::Png
        | Layout::Gif
        | Layout::Webp
        | Layout::Tiff
        | Layout::Raf
        | Layout::Items
        | Layout::Opaque => Start::At(0),
    }
}

fn first_scan(offset: u64, bytes: &[u8]) -> Start {
    if offset == 0 && !bytes.starts_with(b"\xff\xd8") {
        return Start::Nowhere;
    }
    match jpeg::first_scan(bytes, 0) {
        End::Scan(at) => Start::At(offset.saturating_add(at as u64)),
        End::Beyond(at) => elsewhere(offset, at as u64),
        End::Broken => Start::Nowhere,
    }
}

/// Whether a box is named by its first byte or by that of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Content,
}

fn seek(offset: u64, bytes: &[u8], kind: [u8; 4], part: Part) -> Start {
    let mut at = 0_u64;
    loop {
        let Some(here) = usize::try_from(at).ok().filter(|here| *here < bytes.len()) else {
            return elsewhere(offset, at);
        };
        let header = match boxes::header(bytes, here) {
            At::Header(header) => header,
            At::Beyond => return elsewhere(offset, at),
            At::Broken => return Start::Nowhere,
        };
        let content = at + header.bytes as u64;
        let is_empty = header.size == Some(header.bytes as u64);
        if header.kind == kind && !is_empty {
            let found = if part == Part::Whole { at } else { content };
            return offset.checked_add(found).map_or(Start::Nowhere, Start::At);
        }
        match header.size.and_then(|size| at.checked_add(size)) {
            Some(next) => at = next,
            None => return Start::Nowhere,
        }
    }
}

/// A place behind the one that was looked at. Where that is the same, the
/// file has ended: a reader gave less than a header.
fn elsewhere(offset: u64, at: u64) -> Start {
    match offset.checked_add(at) {
        Some(next) if at > 0 => Start::Elsewhere(next),
        Some(_) | None => Start::Nowhere,
    }
}

#[cfg(test)]
mod tests;
