//! Directories of tags: TIFF, most raw formats, and every EXIF block.
//!
//! Directories point at each other by offsets that a hostile file chooses, so
//! nothing follows them without end: a directory is read only when somebody
//! asks for it, and each way of asking has a bound.

use crate::bytes::{ByteOrder, be_u32_at, foreign_text, slice_at};

/// Entries that are looked at in one directory: cameras write some hundred.
const ENTRIES_MAX: usize = 1024;

/// Directories that are followed in a chain, and those inside one of them.
/// Cameras write up to four of each.
const DIRECTORIES_MAX: usize = 8;

const SUB_DIRECTORIES: u16 = 0x014a;
const SUBFILE_TYPE: u16 = 0x00fe;
const WIDTH: u16 = 0x0100;
const HEIGHT: u16 = 0x0101;
const COMPRESSION: u16 = 0x0103;
const PHOTOMETRIC: u16 = 0x0106;
const STRIP_OFFSETS: u16 = 0x0111;
const STRIP_LENGTHS: u16 = 0x0117;
const JPEG_OFFSET: u16 = 0x0201;
const JPEG_LENGTH: u16 = 0x0202;
/// Panasonic's: a whole JPEG as a value.
const PANASONIC_JPEG: u16 = 0x002e;
const DNG_VERSION: u16 = 0xc612;

/// Bytes that begin with a TIFF header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiff<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

/// One directory of a TIFF.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directory<'a> {
    tiff: Tiff<'a>,
    /// Where its entries begin.
    at: usize,
    entries: usize,
}

/// The value of one tag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    order: ByteOrder,
    kind: u16,
    bytes: &'a [u8],
}

impl<'a> Tiff<'a> {
    /// Reads the header, also those of Olympus and Panasonic.
    pub(crate) fn open(bytes: &'a [u8]) -> Option<Self> {
        let order = match slice_at(bytes, 0, 4)? {
            b"II*\0" | b"IIRO" | b"IIRS" | b"IIU\0" => ByteOrder::Little,
            b"MM\0*" | b"MMOR" => ByteOrder::Big,
            _ => return None,
        };
        Some(Self { bytes, order })
    }

    /// The directory at an offset.
    pub(crate) fn directory(self, offset: u32) -> Option<Directory<'a>> {
        let at = offset as usize;
        let announced = usize::from(self.order.u16_at(self.bytes, at)?);
        Some(Directory { tiff: self, at: at.checked_add(2)?, entries: announced.min(ENTRIES_MAX) })
    }

    pub(crate) fn first(self) -> Option<Directory<'a>> {
        self.directory(self.order.u32_at(self.bytes, 4)?)
    }

    /// The chain of directories that begins with the first, bounded.
    pub(crate) fn chain(self) -> Vec<Directory<'a>> {
        std::iter::successors(self.first(), |last| last.next()).take(DIRECTORIES_MAX).collect()
    }

    /// The chain and the directories inside each of its members, bounded.
    pub(crate) fn all(self) -> Vec<Directory<'a>> {
        let mut found = Vec::new();
        for directory in self.chain() {
            found.push(directory);
            found.extend(directory.inner());
        }
        found
    }

    /// The size of the largest picture that a directory announces, in pixels.
    pub(crate) fn size(self) -> Option<(u32, u32)> {
        let sizes = self.all().into_iter().filter(|found| !found.is_reduced());
        let sizes = sizes.filter_map(|found| Some((found.number(WIDTH)?, found.number(HEIGHT)?)));
        sizes.max_by_key(|(width, height)| u64::from(*width) * u64::from(*height))
    }

    /// The JPEG files inside, the longest first.
    pub(crate) fn pictures(self) -> Vec<&'a [u8]> {
        let mut found: Vec<&[u8]> = self.all().iter().filter_map(|inner| inner.picture()).collect();
        found.sort_by_key(|picture| std::cmp::Reverse(picture.len()));
        found
    }
}

impl<'a> Directory<'a> {
    /// The directory that the chain goes on with.
    pub(crate) fn next(&self) -> Option<Self> {
        let end = self.at.checked_add(self.entries * 12)?;
        match self.tiff.order.u32_at(self.tiff.bytes, end)? {
            0 => None,
            offset => self.tiff.directory(offset),
        }
    }

    /// The directories that a tag of this one points at, bounded.
    fn inner(self) -> impl Iterator<Item = Self> {
        let pointers = self.entry(SUB_DIRECTORIES);
        (0..DIRECTORIES_MAX)
            .map_while(move |index| pointers?.number(index))
            .filter_map(move |offset| self.tiff.directory(offset))
    }

    /// The directory that a tag points at.
    pub(crate) fn at_pointer(&self, tag: u16) -> Option<Self> {
        self.tiff.directory(self.number(tag)?)
    }

    pub(crate) fn entry(&self, tag: u16) -> Option<Entry<'a>> {
        let Tiff { bytes, order } = self.tiff;
        let places = (0..self.entries).map(|index| self.at + index * 12);
        let at = places.into_iter().find(|at| order.u16_at(bytes, *at) == Some(tag))?;
        let kind = order.u16_at(bytes, at + 2)?;
        let length = unit_bytes(kind)? * u64::from(order.u32_at(bytes, at + 4)?);
        let length = usize::try_from(length).ok()?;
        let value = if length <= 4 {
            slice_at(bytes, at + 8, length)
        } else {
            slice_at(bytes, order.u32_at(bytes, at + 8)? as usize, length)
        };
        value.map(|bytes| Entry { order, kind, bytes })
    }

    pub(crate) fn number(&self, tag: u16) -> Option<u32> {
        self.entry(tag)?.number(0)
    }

    /// Whether it announces a smaller copy of another picture.
    fn is_reduced(&self) -> bool {
        self.number(SUBFILE_TYPE).is_some_and(|kind| kind & 1 == 1)
    }

    /// The JPEG file that it announces, if it lies within the bytes.
    fn picture(&self) -> Option<&'a [u8]> {
        let bytes = self.tiff.bytes;
        let place = |offset: u16, length: u16| {
            let at = self.number(offset)? as usize;
            slice_at(bytes, at, self.number(length)? as usize)
        };
        let whole = place(JPEG_OFFSET, JPEG_LENGTH)
            .or_else(|| self.entry(PANASONIC_JPEG).map(|entry| entry.bytes))
            .or_else(|| {
                // 6 and 7 are JPEG. What the sensor saw may be packed so too, but without loss.
                let is_jpeg = matches!(self.number(COMPRESSION)?, 6 | 7);
                let is_seen = matches!(self.number(PHOTOMETRIC)?, 2 | 6);
                (is_jpeg && is_seen).then_some(())?;
                place(STRIP_OFFSETS, STRIP_LENGTHS)
            })?;
        whole.starts_with(b"\xff\xd8\xff").then_some(whole)
    }
}

impl<'a> Entry<'a> {
    /// The whole number at an index.
    pub(crate) fn number(self, index: usize) -> Option<u32> {
        match self.kind {
            BYTE => self.bytes.get(index).map(|byte| u32::from(*byte)),
            SHORT => self.order.u16_at(self.bytes, index.checked_mul(2)?).map(u32::from),
            LONG | IFD => self.order.u32_at(self.bytes, index.checked_mul(4)?),
            _ => None,
        }
    }

    /// The fraction at an index: over and under the line.
    pub(crate) fn fraction(self, index: usize) -> Option<(u32, u32)> {
        let at = index.checked_mul(8)?;
        let is_fraction = self.kind == RATIONAL;
        is_fraction.then_some(())?;
        Some((self.order.u32_at(self.bytes, at)?, self.order.u32_at(self.bytes, at + 4)?))
    }

    /// The value as text for people.
    pub(crate) fn text(self) -> Option<String> {
        foreign_text(self.bytes)
    }

    /// The value as it stands.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

const BYTE: u16 = 1;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const IFD: u16 = 13;

/// Bytes of one value of a kind.
fn unit_bytes(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}

/// Whether the first directory within these first bytes names a version of DNG.
pub(crate) fn says_dng(head: &[u8]) -> bool {
    let first = Tiff::open(head).and_then(Tiff::first);
    first.is_some_and(|directory| directory.entry(DNG_VERSION).is_some())
}

/// The JPEG in a Fujifilm raw file: its place stands in the header.
pub(crate) fn fujifilm_picture(bytes: &[u8]) -> Option<&[u8]> {
    let (at, length) = (be_u32_at(bytes, 84)?, be_u32_at(bytes, 88)?);
    let rest = bytes.get(at as usize..)?;
    Some(&rest[..rest.len().min(length as usize)])
}

#[cfg(test)]
mod tests;
