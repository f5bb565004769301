//! What is known of a picture or video, from its bytes.

use crate::bytes::{ByteOrder, be_u32_at, slice_at};
use crate::media_type::{Layout, MediaType};
use crate::moment::TakenAt;
use crate::orientation::Orientation;
use crate::place::Place;
use crate::{exif, heif, jpeg, tiff, video, webp};

/// Chunks of a PNG that are looked at: an animation has one a frame.
const CHUNKS_MAX: usize = 100_000;

/// What is known of a picture or video. Everything may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Pixels of a row as it is stored.
    pub width: Option<u32>,
    /// Rows as they are stored.
    pub height: Option<u32>,
    /// How to turn it so that it stands upright.
    pub orientation: Option<Orientation>,
    /// When it was taken.
    pub taken: Option<TakenAt>,
    /// Who made the camera. Foreign text of at most 128 bytes, without
    /// control characters.
    pub make: Option<String>,
    /// What the camera is called, as foreign as its maker.
    pub model: Option<String>,
    /// Where it was taken.
    pub place: Option<Place>,
    /// How long a video is, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// Reads the facts of a file of this media type.
///
/// `bytes` is the file, or its first part: what lies behind it is not known
/// then. Of a video it may also begin at the place that
/// [`facts_start`](crate::facts_start) names, which matters where the header
/// stands at the end. Wrong, damaged and hostile bytes give fewer facts.
/// Nothing is allocated but texts and lists with a bound.
#[must_use]
pub fn facts(media_type: MediaType, bytes: &[u8]) -> Facts {
    match media_type.layout() {
        Layout::Jpeg => of_jpeg(bytes),
        Layout::Png => of_png(bytes),
        Layout::Gif => of_gif(bytes),
        Layout::Webp => of_webp(bytes),
        Layout::Tiff => of_tiff(bytes),
        Layout::Raf => tiff::fujifilm_picture(bytes).map(of_jpeg).unwrap_or_default(),
        Layout::Items => of_items(bytes),
        Layout::Movie if media_type == MediaType::Cr3 => video::canon_facts(bytes),
        Layout::Movie => video::facts(bytes),
        Layout::Opaque => Facts::default(),
    }
}

impl Facts {
    /// The same with another size, where there is one.
    fn sized(self, size: Option<(u32, u32)>) -> Self {
        let size = size.filter(|(width, height)| *width > 0 && *height > 0);
        match size {
            Some((width, height)) => Self { width: Some(width), height: Some(height), ..self },
            None => self,
        }
    }
}

fn of_jpeg(bytes: &[u8]) -> Facts {
    let header = jpeg::header(bytes);
    let size = header.frame.map(|frame| (u32::from(frame.width), u32::from(frame.height)));
    header.exif.map(exif::facts).unwrap_or_default().sized(size)
}

fn of_tiff(bytes: &[u8]) -> Facts {
    exif::facts(bytes).sized(tiff::Tiff::open(bytes).and_then(tiff::Tiff::size))
}

fn of_items(bytes: &[u8]) -> Facts {
    let Some(meta) = heif::Meta::open(bytes) else { return Facts::default() };
    let facts = meta.exif().map(exif::facts).unwrap_or_default();
    match meta.shape() {
        Some(shape) => {
            let size = Some((shape.width, shape.height));
            Facts { orientation: Some(shape.orientation), ..facts }.sized(size)
        }
        None => Facts { orientation: None, ..facts },
    }
}

fn of_png(bytes: &[u8]) -> Facts {
    if slice_at(bytes, 12, 4) != Some(b"IHDR") {
        return Facts::default();
    }
    let size = be_u32_at(bytes, 16).zip(be_u32_at(bytes, 20));
    png_exif(bytes).map(exif::facts).unwrap_or_default().sized(size)
}

/// The chunk with the tags of the camera; it may stand before the pixels or
/// behind them.
fn png_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 8;
    for _ in 0..CHUNKS_MAX {
        let length = be_u32_at(bytes, at)? as usize;
        if slice_at(bytes, at + 4, 4)? == b"eXIf" {
            return slice_at(bytes, at + 8, length);
        }
        at = at.checked_add(length)?.checked_add(12)?;
    }
    None
}

fn of_gif(bytes: &[u8]) -> Facts {
    let side = |at: usize| ByteOrder::Little.u16_at(bytes, at).map(u32::from);
    Facts::default().sized(side(6).zip(side(8)))
}

fn of_webp(bytes: &[u8]) -> Facts {
    let read = webp::read(bytes);
    read.exif.map(exif::facts).unwrap_or_default().sized(read.size)
}

#[cfg(test)]
mod tests;
