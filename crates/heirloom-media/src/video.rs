//! What the header of a video says: MP4, QuickTime, 3GPP, and the same boxes
//! around Canon's raw files.

use crate::boxes::{Box, boxes, find, find_path};
use crate::bytes::{array_at, be_u16_at, be_u32_at, be_u64_at, foreign_text, slice_at};
use crate::exif;
use crate::facts::Facts;
use crate::moment;
use crate::orientation::Orientation;
use crate::place::{self, Place};

/// Names of values that are looked at: phones write about ten.
const NAMES_MAX: usize = 256;

/// Canon's box with the tags of the camera.
const CANON: [u8; 16] = *b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";

/// Canon's box with a JPEG of medium size.
const CANON_PREVIEW: [u8; 16] =
    *b"\xea\xf4\x2b\x5e\x1c\x98\x4b\x88\xb9\xfb\xb7\xdc\x40\x6e\x4d\x16";

/// What the box `moov` among these says, whole or begun.
pub(crate) fn facts(bytes: &[u8]) -> Facts {
    let Some(movie) = find(bytes, b"moov") else { return Facts::default() };
    let mut facts = spoken(movie);
    if let Some(header) = find(movie, b"mvhd").and_then(MovieHeader::read) {
        facts.taken = facts.taken.or_else(|| moment::video_header(header.created));
        facts.duration_ms = header.duration_ms(fragments(movie));
    }
    if let Some(track) = picture_track(movie) {
        facts.width = Some(track.width);
        facts.height = Some(track.height);
        facts.orientation = track.orientation;
    }
    facts
}

/// What Canon's raw file says of itself.
pub(crate) fn canon_facts(bytes: &[u8]) -> Facts {
    let Some(movie) = find(bytes, b"moov") else { return Facts::default() };
    let tags = with_id(movie, &CANON).unwrap_or_default();
    let block = |kind: &[u8; 4]| find(tags, kind);
    let general = block(b"CMT1").unwrap_or_default();
    let mut facts = exif::facts_of_blocks(general, block(b"CMT2"), block(b"CMT4"));
    if let Some(track) = picture_track(movie) {
        facts.width = Some(track.width);
        facts.height = Some(track.height);
    }
    facts
}

/// The JPEG of medium size in Canon's raw file.
pub(crate) fn canon_picture(bytes: &[u8]) -> Option<&[u8]> {
    let preview = with_id(bytes, &CANON_PREVIEW)?;
    let inner = find(preview.get(8..)?, b"PRVW")?;
    let length = be_u32_at(inner, 12)? as usize;
    slice_at(inner, 16, length).filter(|picture| picture.starts_with(b"\xff\xd8\xff"))
}

/// The content of the box that a maker marked with its own id.
fn with_id<'a>(bytes: &'a [u8], id: &[u8; 16]) -> Option<&'a [u8]> {
    let own = boxes(bytes).filter(|found| found.kind == *b"uuid");
    own.filter_map(|found| found.payload.strip_prefix(id.as_slice())).next()
}

/// The times in the box `mvhd`.
struct MovieHeader {
    /// Seconds since 1904.
    created: u64,
    /// How many units a second has.
    scale: u32,
    /// In units; nothing where it is not known.
    units: Option<u64>,
}

impl MovieHeader {
    fn read(bytes: &[u8]) -> Option<Self> {
        let is_wide = *bytes.first()? == 1;
        let (created, scale, units) = if is_wide {
            (be_u64_at(bytes, 4)?, be_u32_at(bytes, 20)?, be_u64_at(bytes, 24)?)
        } else {
            let units = u64::from(be_u32_at(bytes, 16)?);
            (u64::from(be_u32_at(bytes, 4)?), be_u32_at(bytes, 12)?, units)
        };
        let unknown = if is_wide { u64::MAX } else { u64::from(u32::MAX) };
        Some(Self { created, scale, units: Some(units).filter(|units| *units != unknown) })
    }

    /// The duration, or that of the fragments where the header leaves it open.
    fn duration_ms(&self, fragments: Option<u64>) -> Option<u64> {
        let units = self.units.filter(|units| *units > 0).or(fragments)?;
        let ms = (u128::from(units) * 1000).checked_div(u128::from(self.scale))?;
        u64::try_from(ms).ok()
    }
}

/// The duration of a film in fragments, in units of the header.
fn fragments(movie: &[u8]) -> Option<u64> {
    let bytes = find_path(movie, &[b"mvex", b"mehd"])?;
    match bytes.first()? {
        0 => be_u32_at(bytes, 4).map(u64::from),
        _ => be_u64_at(bytes, 4),
    }
}

/// A track of moving pictures.
struct Track {
    width: u32,
    height: u32,
    orientation: Option<Orientation>,
}

/// The track with the largest pictures.
fn picture_track(movie: &[u8]) -> Option<Track> {
    let tracks = boxes(movie).filter(|found| found.kind == *b"trak");
    let pictures = tracks.filter_map(|track| {
        let media = find(track.payload, b"mdia")?;
        let is_pictures = slice_at(find(media, b"hdlr")?, 8, 4)? == b"vide";
        is_pictures.then_some(())?;
        read_track(find(track.payload, b"tkhd")?)
    });
    pictures.max_by_key(|track| u64::from(track.width) * u64::from(track.height))
}

fn read_track(bytes: &[u8]) -> Option<Track> {
    let matrix_at = if *bytes.first()? == 1 { 52 } else { 40 };
    let matrix = [0, 4, 12, 16].map(|at| array_at(bytes, matrix_at + at).map(i32::from_be_bytes));
    // Sixteen bits before the point and sixteen behind it.
    let side = |at: usize| be_u32_at(bytes, matrix_at + at).map(|side| side >> 16);
    let (width, height) = (side(36)?, side(40)?);
    let is_seen = width > 0 && height > 0;
    is_seen.then_some(())?;
    let [Some(a), Some(b), Some(c), Some(d)] = matrix else { return None };
    Some(Track { width, height, orientation: turned([a, b, c, d].map(i32::signum)) })
}

/// The orientation of the four signs of a matrix; nothing where it does more
/// than turn and mirror.
fn turned(signs: [i32; 4]) -> Option<Orientation> {
    let number = match signs {
        [1, 0, 0, 1] => 1,
        [-1, 0, 0, 1] => 2,
        [-1, 0, 0, -1] => 3,
        [1, 0, 0, -1] => 4,
        [0, 1, 1, 0] => 5,
        [0, 1, -1, 0] => 6,
        [0, -1, -1, 0] => 7,
        [0, -1, 1, 0] => 8,
        _ => return None,
    };
    Orientation::new(number)
}

/// What phones and cameras add in words: Apple's named values first, then the
/// older box `udta`.
fn spoken(movie: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let older = find(movie, b"udta").unwrap_or_default();
    // Apple puts the names beside the older box, other programs into it.
    for (name, value) in named_values(older).into_iter().chain(named_values(movie)) {
        match name {
            b"com.apple.quicktime.creationdate" => facts.taken = moment::iso_8601(value),
            b"com.apple.quicktime.make" | b"com.android.manufacturer" => {
                facts.make = foreign_text(value);
            }
            b"com.apple.quicktime.model" | b"com.android.model" => {
                facts.model = foreign_text(value);
            }
            b"com.apple.quicktime.location.ISO6709" => facts.place = place::iso_6709(value),
            _ => (),
        }
    }
    let text = |kind: &[u8; 4]| find(older, kind).and_then(language_text);
    facts.place = facts.place.or_else(|| text(b"\xa9xyz").and_then(place::iso_6709));
    facts.place = facts.place.or_else(|| find(older, b"loci").and_then(location));
    facts.make = facts.make.or_else(|| text(b"\xa9mak").and_then(foreign_text));
    facts.model = facts.model.or_else(|| text(b"\xa9mod").and_then(foreign_text));
    facts
}

/// The place in a box of 3GPP, behind a name that ends with a zero: sixteen
/// bits of whole degrees and sixteen of their fraction, longitude first.
fn location(bytes: &[u8]) -> Option<Place> {
    let named = bytes.get(6..)?;
    let name = named.iter().position(|byte| *byte == 0)?;
    let degrees_e7 = |at: usize| {
        let fixed = i64::from(i32::from_be_bytes(array_at(named, at)?));
        Some((fixed * 10_000_000).div_euclid(1 << 16))
    };
    let (longitude, latitude) = (degrees_e7(name + 2)?, degrees_e7(name + 6)?);
    Place::new(latitude, longitude)
}

/// A text behind its length and its language.
fn language_text(bytes: &[u8]) -> Option<&[u8]> {
    slice_at(bytes, 4, usize::from(be_u16_at(bytes, 0)?))
}

/// Values with their names: the box `keys` has the names, `ilst` the values
/// by number.
fn named_values(container: &[u8]) -> Vec<(&[u8], &[u8])> {
    let read = || {
        let meta = find(container, b"meta")?;
        // QuickTime has no version before the first box; the others have.
        let inner = if slice_at(meta, 4, 4)? == b"hdlr" { meta } else { meta.get(4..)? };
        let names: Vec<Box<'_>> = boxes(find(inner, b"keys")?.get(8..)?).take(NAMES_MAX).collect();
        let values = boxes(find(inner, b"ilst")?).take(NAMES_MAX).filter_map(|value| {
            let number = u32::from_be_bytes(value.kind) as usize;
            let name = names.get(number.checked_sub(1)?)?.payload;
            Some((name, find(value.payload, b"data")?.get(8..)?))
        });
        Some(values.collect())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests;
