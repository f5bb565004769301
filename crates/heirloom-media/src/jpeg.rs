//! The segments of a JPEG file before its first scan.

use crate::bytes::{be_u16_at, slice_at};

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;

/// One segment: a marker and what belongs to it.
#[derive(Debug, Clone, Copy)]
struct Segment<'a> {
    marker: u8,
    /// Without the length field; less than announced where the bytes end.
    payload: &'a [u8],
}

/// Where reading of segments came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A scan begins at this place.
    Scan(usize),
    /// The next marker would stand at this place, behind the bytes.
    Beyond(usize),
    /// There is no marker where one must be, or the picture ends.
    Broken,
}

/// The frame header: what a decoder must know first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) components: u8,
    /// Whether its scans refine each other, so that all of it must be held.
    pub(crate) is_progressive: bool,
}

/// Reads segments from `at`, a place where a marker must stand, to the first scan.
fn segments<'a>(bytes: &'a [u8], at: usize, mut visit: impl FnMut(Segment<'a>)) -> End {
    let mut at = at;
    loop {
        let mut marker_at = at;
        // Any number of 0xff may stand before a marker.
        while bytes.get(marker_at) == Some(&0xff) && bytes.get(marker_at + 1) == Some(&0xff) {
            marker_at += 1;
        }
        let Some(marker) = slice_at(bytes, marker_at, 2) else { return End::Beyond(at) };
        let &[0xff, marker] = marker else { return End::Broken };
        match marker {
            START_OF_SCAN => return End::Scan(marker_at),
            END_OF_IMAGE => return End::Broken,
            START_OF_IMAGE | 0x01 | 0xd0..=0xd7 => at = marker_at + 2,
            0 => return End::Broken,
            _ => {
                let Some(length) = be_u16_at(bytes, marker_at + 2) else {
                    return End::Beyond(at);
                };
                if length < 2 {
                    return End::Broken;
                }
                let end = marker_at + 2 + usize::from(length);
                let payload = &bytes[marker_at + 4..end.min(bytes.len())];
                visit(Segment { marker, payload });
                at = end;
            }
        }
    }
}

/// Where the first scan begins, reading from `at`: the beginning of the file,
/// or a place that [`End::Beyond`] named.
pub(crate) fn first_scan(bytes: &[u8], at: usize) -> End {
    segments(bytes, at, |_| ())
}

/// What stands before the first scan and is of use.
#[derive(Debug, Default)]
pub(crate) struct Header<'a> {
    pub(crate) frame: Option<Frame>,
    /// A TIFF with the tags of the camera.
    pub(crate) exif: Option<&'a [u8]>,
    /// The colour profile, put together.
    pub(crate) profile: Vec<u8>,
    /// How many components the first scan has.
    pub(crate) scan_components: Option<u8>,
}

/// Reads what stands before the first scan.
pub(crate) fn header(bytes: &[u8]) -> Header<'_> {
    let mut header = Header::default();
    let end = segments(bytes, 0, |Segment { marker, payload }| match marker {
        0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
            header.frame = header.frame.or_else(|| frame(marker, payload));
        }
        APP1 => header.exif = header.exif.or_else(|| payload.strip_prefix(b"Exif\0\0")),
        // Parts are numbered from one; writers keep their order.
        APP2 if header.profile.len() < PROFILE_BYTES_MAX => {
            let part = payload.strip_prefix(b"ICC_PROFILE\0").and_then(|part| part.get(2..));
            header.profile.extend_from_slice(part.unwrap_or_default());
        }
        _ => (),
    });
    if let End::Scan(at) = end {
        header.scan_components = bytes.get(at + 4).copied();
    }
    header
}

/// Bytes of a colour profile that are read: those of screens and phones have
/// less than four thousand.
const PROFILE_BYTES_MAX: usize = 64 * 1024;

fn frame(marker: u8, payload: &[u8]) -> Option<Frame> {
    let (height, width) = (be_u16_at(payload, 1)?, be_u16_at(payload, 3)?);
    let components = *payload.get(5)?;
    Some(Frame { width, height, components, is_progressive: marker & 3 == 2 })
}
