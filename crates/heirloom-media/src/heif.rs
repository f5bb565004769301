//! HEIF and AVIF: pictures as items, with properties apart from them.

use crate::boxes::{Box, boxes, find};
use crate::bytes::{be_u16_at, be_u32_at, be_u64_at, slice_at};
use crate::orientation::Orientation;

/// Items that are looked at: a phone's picture of many tiles has about a hundred.
const ITEMS_MAX: usize = 4096;

/// Places of one item that are looked at: what is read here lies in one piece.
const EXTENTS_MAX: usize = 64;

/// Properties that one item refers to.
const PROPERTIES_MAX: usize = 64;

/// The box that says which items there are.
#[derive(Debug)]
pub(crate) struct Meta<'a> {
    file: &'a [u8],
    bytes: &'a [u8],
}

/// What the properties of the main picture say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) orientation: Orientation,
}

impl<'a> Meta<'a> {
    pub(crate) fn open(file: &'a [u8]) -> Option<Self> {
        let bytes = find(file, b"meta")?.get(4..)?;
        Some(Self { file, bytes })
    }

    /// The number of the main picture.
    fn primary(&self) -> Option<u32> {
        let bytes = find(self.bytes, b"pitm")?;
        match bytes.first()? {
            0 => be_u16_at(bytes, 4).map(u32::from),
            _ => be_u32_at(bytes, 4),
        }
    }

    /// The size of the main picture as it is stored, and how it is turned:
    /// the properties say that, and tags of a camera count for nothing here.
    pub(crate) fn shape(&self) -> Option<Shape> {
        let properties = find(self.bytes, b"iprp")?;
        let known: Vec<Box<'_>> = boxes(find(properties, b"ipco")?).collect();
        let used = associations(find(properties, b"ipma")?, self.primary()?)?;
        let used = used.into_iter().filter_map(|index| known.get(index.checked_sub(1)?));
        let mut size = None;
        let mut orientation = Orientation::UPRIGHT;
        for property in used {
            let payload = property.payload;
            match &property.kind {
                b"ispe" => size = be_u32_at(payload, 4).zip(be_u32_at(payload, 8)),
                // Quarter turns against the clock.
                b"irot" => {
                    let quarters = payload.first().map_or(0, |angle| angle & 3);
                    orientation = orientation.then_turned(4 - quarters);
                }
                b"imir" => {
                    let axis = payload.first().map_or(0, |axis| axis & 1);
                    let mirrored = orientation.then_mirrored();
                    orientation = if axis == 1 { mirrored } else { mirrored.then_turned(2) };
                }
                _ => (),
            }
        }
        let (width, height) = size?;
        Some(Shape { width, height, orientation })
    }

    /// The TIFF with the tags of the camera.
    pub(crate) fn exif(&self) -> Option<&'a [u8]> {
        let item = self.items(b"Exif").into_iter().next()?;
        let bytes = self.content(item)?;
        let skipped = be_u32_at(bytes, 0)? as usize;
        bytes.get(4..)?.get(skipped..)
    }

    /// The items that are JPEG files, the longest first.
    pub(crate) fn pictures(&self) -> Vec<&'a [u8]> {
        let items = self.items(b"jpeg").into_iter();
        let mut found: Vec<&[u8]> = items.filter_map(|item| self.content(item)).collect();
        found.sort_by_key(|picture| std::cmp::Reverse(picture.len()));
        found
    }

    /// The numbers of the items of a kind.
    fn items(&self, kind: &[u8; 4]) -> Vec<u32> {
        let entries = find(self.bytes, b"iinf").and_then(|bytes| {
            let counted = if bytes.first()? == &0 { 6 } else { 8 };
            bytes.get(counted..)
        });
        let entries = boxes(entries.unwrap_or_default()).filter(|entry| entry.kind == *b"infe");
        let numbers = entries.filter_map(|entry| {
            let (number, kind_at) = match entry.payload.first()? {
                2 => (be_u16_at(entry.payload, 4).map(u32::from)?, 8),
                3 => (be_u32_at(entry.payload, 4)?, 10),
                _ => return None,
            };
            (slice_at(entry.payload, kind_at, 4)? == kind).then_some(number)
        });
        numbers.collect()
    }

    /// The bytes of an item that lies in one piece within the bytes.
    fn content(&self, wanted: u32) -> Option<&'a [u8]> {
        let locations = find(self.bytes, b"iloc")?;
        let place = Locations::open(locations)?.find(wanted)?;
        let container = match place.method {
            0 => self.file,
            1 => find(self.bytes, b"idat")?,
            _ => return None,
        };
        let at = usize::try_from(place.offset).ok()?;
        slice_at(container, at, usize::try_from(place.length).ok()?)
    }
}

/// The properties of an item, as numbers that begin with one, in their order.
fn associations(bytes: &[u8], wanted: u32) -> Option<Vec<usize>> {
    let (version, is_wide) = (*bytes.first()?, bytes.get(3)? & 1 == 1);
    let count = be_u32_at(bytes, 4)?;
    let mut at = 8;
    for _ in 0..count.min(u32::try_from(ITEMS_MAX).unwrap_or(u32::MAX)) {
        let number = if version == 0 {
            at += 2;
            u32::from(be_u16_at(bytes, at - 2)?)
        } else {
            at += 4;
            be_u32_at(bytes, at - 4)?
        };
        let properties = usize::from(*bytes.get(at)?);
        at += 1;
        let width = if is_wide { 2 } else { 1 };
        if number == wanted {
            let places = (0..properties.min(PROPERTIES_MAX)).map(|index| at + index * width);
            // The highest bit says that a reader must know the property.
            let read = |at: usize| match width {
                2 => be_u16_at(bytes, at).map(|index| usize::from(index & 0x7fff)),
                _ => bytes.get(at).map(|index| usize::from(index & 0x7f)),
            };
            return Some(places.map_while(read).collect());
        }
        at += properties * width;
    }
    None
}

/// Where one item lies.
#[derive(Debug, Clone, Copy)]
struct Location {
    /// In what: 0 the file, 1 the box `idat`.
    method: u16,
    offset: u64,
    length: u64,
}

/// The table of places of items. Its numbers have widths of its own choice.
struct Locations<'a> {
    bytes: &'a [u8],
    at: usize,
    version: u8,
    offset_width: u8,
    length_width: u8,
    base_width: u8,
    index_width: u8,
}

impl<'a> Locations<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let (version, widths) = (*bytes.first()?, slice_at(bytes, 4, 2)?);
        Some(Self {
            bytes,
            at: 6,
            version,
            offset_width: widths[0] >> 4,
            length_width: widths[0] & 15,
            base_width: widths[1] >> 4,
            index_width: if version == 0 { 0 } else { widths[1] & 15 },
        })
    }

    fn find(mut self, wanted: u32) -> Option<Location> {
        let number_width = if self.version < 2 { 2 } else { 4 };
        let count = self.take(number_width)?;
        for _ in 0..count.min(ITEMS_MAX as u64) {
            let number = self.take(number_width)?;
            let method = if self.version == 0 { 0 } else { self.take(2)? & 15 };
            self.take(2)?;
            let base = self.take(self.base_width)?;
            let extents = usize::try_from(self.take(2)?).ok()?;
            if extents > EXTENTS_MAX {
                return None;
            }
            let mut first = None;
            for _ in 0..extents {
                self.take(self.index_width)?;
                let (offset, length) =
                    (self.take(self.offset_width)?, self.take(self.length_width)?);
                first = first.or(Some((offset, length)));
            }
            if u64::from(wanted) == number {
                let (offset, length) = first.filter(|_| extents == 1)?;
                let method = u16::try_from(method).ok()?;
                return Some(Location { method, offset: base.checked_add(offset)?, length });
            }
        }
        None
    }

    /// The next number, of so many bytes.
    fn take(&mut self, width: u8) -> Option<u64> {
        let at = self.at;
        self.at += usize::from(width);
        match width {
            0 => Some(0),
            2 => be_u16_at(self.bytes, at).map(u64::from),
            4 => be_u32_at(self.bytes, at).map(u64::from),
            8 => be_u64_at(self.bytes, at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
