//! The chunks of a WebP file.

use crate::bytes::{ByteOrder, slice_at};

/// Chunks that are looked at: an animation has one a frame.
const CHUNKS_MAX: usize = 100_000;

/// Where the chunks of the file begin, and those of a frame of an animation.
const FILE_CHUNKS_AT: usize = 12;
const FRAME_CHUNKS_AT: usize = 16;

/// What the chunks say.
#[derive(Debug, Default)]
pub(crate) struct Webp<'a> {
    /// What is shown, in pixels.
    pub(crate) size: Option<(u32, u32)>,
    /// The most pixels that any part announces: a decoder makes room for them.
    pub(crate) pixels_max: u64,
    /// A TIFF with the tags of the camera.
    pub(crate) exif: Option<&'a [u8]>,
}

pub(crate) fn read(bytes: &[u8]) -> Webp<'_> {
    let mut webp = Webp::default();
    for (kind, payload) in chunks(bytes, FILE_CHUNKS_AT) {
        match &kind {
            b"EXIF" => webp.exif = webp.exif.or(Some(payload)),
            b"ANMF" => {
                for (kind, payload) in chunks(payload, FRAME_CHUNKS_AT) {
                    webp.announce(size(kind, payload));
                }
            }
            _ => {
                let announced = size(kind, payload);
                webp.size = webp.size.or(announced);
                webp.announce(announced);
            }
        }
    }
    webp.exif = webp.exif.map(|block| block.strip_prefix(b"Exif\0\0").unwrap_or(block));
    webp
}

impl Webp<'_> {
    fn announce(&mut self, size: Option<(u32, u32)>) {
        let pixels = size.map_or(0, |(width, height)| u64::from(width) * u64::from(height));
        self.pixels_max = self.pixels_max.max(pixels);
    }
}

/// The chunks from a place on, the last one as far as it is there.
fn chunks(bytes: &[u8], first: usize) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut at = first;
    std::iter::from_fn(move || {
        let kind = slice_at(bytes, at, 4)?.try_into().ok()?;
        let length = ByteOrder::Little.u32_at(bytes, at + 4)? as usize;
        let rest = bytes.get(at + 8..)?;
        // Chunks begin at even places.
        at = (at + 8).saturating_add(length).saturating_add(length % 2);
        Some((kind, &rest[..length.min(rest.len())]))
    })
    .take(CHUNKS_MAX)
}

/// The size that a chunk announces.
fn size(kind: [u8; 4], payload: &[u8]) -> Option<(u32, u32)> {
    match &kind {
        b"VP8X" => canvas(payload),
        b"VP8 " => lossy(payload),
        b"VP8L" => lossless(payload),
        _ => None,
    }
}

/// Both sides less one, in three bytes each.
fn canvas(payload: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| {
        let found = slice_at(payload, at, 3)?;
        Some(u32::from_le_bytes([found[0], found[1], found[2], 0]) + 1)
    };
    side(4).zip(side(7))
}

/// Behind a start code, fourteen bits each.
fn lossy(payload: &[u8]) -> Option<(u32, u32)> {
    let is_frame = slice_at(payload, 3, 3)? == [0x9d, 0x01, 0x2a];
    is_frame.then_some(())?;
    let order = ByteOrder::Little;
    let side = |at: usize| order.u16_at(payload, at).map(|side| u32::from(side & 0x3fff));
    side(6).zip(side(8))
}

/// Both sides less one, in fourteen bits each.
fn lossless(payload: &[u8]) -> Option<(u32, u32)> {
    let is_frame = *payload.first()? == 0x2f;
    is_frame.then_some(())?;
    let bits = ByteOrder::Little.u32_at(payload, 1)?;
    Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
}
