//! The tags that a camera writes.

use crate::facts::Facts;
use crate::moment::{self, TakenAt, TimeSource};
use crate::orientation::Orientation;
use crate::place::{self, Place};
use crate::tiff::{Directory, Tiff};

const MAKE: u16 = 0x010f;
const MODEL: u16 = 0x0110;
const ORIENTATION: u16 = 0x0112;
const CAMERA_DIRECTORY: u16 = 0x8769;
const PLACE_DIRECTORY: u16 = 0x8825;
const PIXEL_WIDTH: u16 = 0xa002;
const PIXEL_HEIGHT: u16 = 0xa003;

/// The tags of a time, of its offset and of its fraction, the moment of the
/// exposure first and that of the last edit last.
const TAKEN: (u16, u16, u16) = (0x9003, 0x9011, 0x9291);
const DIGITIZED: (u16, u16, u16) = (0x9004, 0x9012, 0x9292);
const CHANGED: (u16, u16, u16) = (0x0132, 0x9010, 0x9290);

const LATITUDE_SIDE: u16 = 1;
const LATITUDE: u16 = 2;
const LONGITUDE_SIDE: u16 = 3;
const LONGITUDE: u16 = 4;

/// What the tags of an EXIF block say. The size is what the camera meant; a
/// caller that knows the real one puts it in its place.
pub(crate) fn facts(block: &[u8]) -> Facts {
    let Some(first) = Tiff::open(block).and_then(Tiff::first) else { return Facts::default() };
    let camera = first.at_pointer(CAMERA_DIRECTORY);
    let mut facts = general(&first);
    facts.taken = camera
        .and_then(|camera| {
            taken(&camera, &camera, TAKEN).or_else(|| taken(&camera, &camera, DIGITIZED))
        })
        .or_else(|| taken(&first, &camera.unwrap_or(first), CHANGED));
    facts.place = first.at_pointer(PLACE_DIRECTORY).and_then(|tags| place(&tags));
    facts.width = camera.and_then(|camera| camera.number(PIXEL_WIDTH)).filter(|width| *width > 0);
    facts.height =
        camera.and_then(|camera| camera.number(PIXEL_HEIGHT)).filter(|height| *height > 0);
    facts
}

/// Canon's newer raw files keep each directory as a block of its own.
pub(crate) fn facts_of_blocks(
    general_block: &[u8],
    camera: Option<&[u8]>,
    places: Option<&[u8]>,
) -> Facts {
    let open = |block| Tiff::open(block).and_then(Tiff::first);
    let mut facts = open(general_block).map(|tags| general(&tags)).unwrap_or_default();
    facts.taken = camera.and_then(open).and_then(|tags| taken(&tags, &tags, TAKEN));
    facts.place = places.and_then(open).and_then(|tags| place(&tags));
    facts
}

/// What the first directory says of picture and camera.
fn general(first: &Directory<'_>) -> Facts {
    let orientation = first.number(ORIENTATION).and_then(|number| u8::try_from(number).ok());
    Facts {
        orientation: orientation.and_then(Orientation::new),
        make: first.entry(MAKE).and_then(|entry| entry.text()),
        model: first.entry(MODEL).and_then(|entry| entry.text()),
        ..Facts::default()
    }
}

/// A time: itself in one directory, its offset and fraction in another.
fn taken(tags: &Directory<'_>, more: &Directory<'_>, names: (u16, u16, u16)) -> Option<TakenAt> {
    let (time, offset, fraction) = names;
    let fraction = more.entry(fraction).map(|entry| entry.bytes());
    let local_ms = moment::exif_local_ms(tags.entry(time)?.bytes(), fraction)?;
    let offset_minutes = more.entry(offset).and_then(|entry| moment::offset_minutes(entry.bytes()));
    Some(TakenAt { local_ms, offset_minutes, source: TimeSource::Exif })
}

fn place(tags: &Directory<'_>) -> Option<Place> {
    let latitude = coordinate(tags, LATITUDE, LATITUDE_SIDE, [b'N', b'S'])?;
    let longitude = coordinate(tags, LONGITUDE, LONGITUDE_SIDE, [b'E', b'W'])?;
    Place::new(latitude, longitude)
}

/// A coordinate with its sign. Without the letter of its side it would be a
/// guess between two places.
fn coordinate(tags: &Directory<'_>, tag: u16, side: u16, sides: [u8; 2]) -> Option<i64> {
    let value = tags.entry(tag)?;
    let parts = [value.fraction(0)?, value.fraction(1)?, value.fraction(2)?];
    let degrees = place::degrees_e7(parts)?;
    let letter = tags.entry(side)?.bytes().first()?.to_ascii_uppercase();
    match sides.iter().position(|known| *known == letter)? {
        0 => Some(degrees),
        _ => Some(-degrees),
    }
}
