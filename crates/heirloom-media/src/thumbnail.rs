//! Small pictures of large ones.

mod decode;
mod raster;
mod write;

use crate::media_type::{Layout, MediaType};
use crate::orientation::Orientation;
use crate::{heif, tiff, video};
use decode::Budget;
use heirloom_base::guard::guarded;
use raster::Raster;

/// The longer side of the smaller thumbnail, in pixels: a list shows it.
pub const SMALL_SIDE_MAX: u32 = 512;

/// The longer side of the larger thumbnail, in pixels: it fills a screen.
pub const LARGE_SIDE_MAX: u32 = 1600;

/// Pictures inside a file that are tried one after another.
const EMBEDDED_MAX: usize = 3;

/// What the decoding of one picture may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the picture.
    pub pixels_max: u64,
    /// Bytes held at once besides the file's own.
    pub memory_bytes_max: u64,
}

impl Default for Limits {
    /// Phones make pictures of up to 200 million pixels, 600 MB when decoded.
    fn default() -> Self {
        Self { pixels_max: 200_000_000, memory_bytes_max: 768 * 1024 * 1024 }
    }
}

/// A small picture, upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// [`MediaType::Jpeg`], or [`MediaType::Webp`] where something shows through.
    pub media_type: MediaType,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Why there is no thumbnail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThumbnailError {
    /// Nothing here decodes such a file, and it holds no picture that could be.
    #[error("there is no decoder for {}", .0.mime())]
    NoDecoder(MediaType),
    /// The file announces no picture of any size.
    #[error("the file has no picture")]
    NoPicture,
    /// The picture has more pixels than are allowed.
    #[error("{width} x {height} pixels are more than {pixels_max}")]
    TooManyPixels {
        /// Pixels of a row.
        width: u32,
        /// Rows.
        height: u32,
        /// The limit.
        pixels_max: u64,
    },
    /// To decode it would take more memory than is allowed.
    #[error("decoding takes {needed_bytes} bytes, more than {memory_bytes_max}")]
    TooMuchMemory {
        /// What it would take, in bytes.
        needed_bytes: u64,
        /// The limit, in bytes.
        memory_bytes_max: u64,
    },
    /// The decoder says that the file is wrong, or of a kind that it lacks.
    #[error("the picture cannot be decoded: {0}")]
    Damaged(String),
    /// A library panicked over the file.
    #[error("the decoder failed over the file: {0}")]
    Panicked(String),
    /// A small picture could not be written.
    #[error("the thumbnail cannot be written: {0}")]
    Unwritten(String),
}

/// Makes the thumbnails of a picture from one decoding: the smaller one first
/// and then the larger one, or only one where the picture is no larger than
/// the smaller. None is larger than the picture itself.
///
/// `bytes` is the whole file. `orientation` is what [`facts`](crate::facts())
/// say of it; the thumbnails are upright and say nothing of how they lie. Of
/// an animation the first frame counts. Raw files and HEIC give the picture
/// that the camera put inside, if it is a JPEG.
///
/// # Errors
/// What [`ThumbnailError`] says. The limits are held before anything is
/// allocated for pixels.
pub fn thumbnail(
    media_type: MediaType,
    bytes: &[u8],
    orientation: Orientation,
    limits: Limits,
) -> Result<Vec<Thumbnail>, ThumbnailError> {
    guarded(|| {
        let raster = raster(media_type, bytes, Budget(limits))?;
        sizes(raster, orientation)
    })
    .map_err(ThumbnailError::Panicked)?
}

fn raster(media_type: MediaType, bytes: &[u8], budget: Budget) -> Result<Raster, ThumbnailError> {
    match media_type.layout() {
        Layout::Jpeg => decode::jpeg(bytes, budget),
        Layout::Png => decode::png(bytes, budget),
        Layout::Gif => decode::gif(bytes, budget),
        Layout::Webp => decode::webp(bytes, budget),
        Layout::Tiff | Layout::Raf | Layout::Items | Layout::Movie | Layout::Opaque => {
            embedded_raster(media_type, bytes, budget)
        }
    }
}

/// Decodes the first picture inside a file that can be.
fn embedded_raster(
    media_type: MediaType,
    bytes: &[u8],
    budget: Budget,
) -> Result<Raster, ThumbnailError> {
    let mut result = Err(ThumbnailError::NoDecoder(media_type));
    for picture in embedded(media_type, bytes).into_iter().take(EMBEDDED_MAX) {
        result = decode::jpeg(picture, budget);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The JPEG files inside a file, the best one first.
fn embedded(media_type: MediaType, bytes: &[u8]) -> Vec<&[u8]> {
    let in_tiff = |bytes| tiff::Tiff::open(bytes).map(tiff::Tiff::pictures).unwrap_or_default();
    match media_type.layout() {
        Layout::Tiff => in_tiff(bytes),
        Layout::Raf => tiff::fujifilm_picture(bytes).into_iter().collect(),
        Layout::Items => {
            let Some(meta) = heif::Meta::open(bytes) else { return Vec::new() };
            let small = meta.exif().map(in_tiff).unwrap_or_default();
            meta.pictures().into_iter().chain(small).collect()
        }
        Layout::Movie if media_type == MediaType::Cr3 => {
            video::canon_picture(bytes).into_iter().collect()
        }
        Layout::Movie
        | Layout::Jpeg
        | Layout::Png
        | Layout::Gif
        | Layout::Webp
        | Layout::Opaque => Vec::new(),
    }
}

/// The larger size is made of the picture, the smaller one of the larger.
fn sizes(raster: Raster, orientation: Orientation) -> Result<Vec<Thumbnail>, ThumbnailError> {
    let has_two = raster.width().max(raster.height()) > SMALL_SIDE_MAX;
    let large = raster.fit(LARGE_SIDE_MAX)?.without_needless_alpha();
    let small = large.fitted(SMALL_SIDE_MAX)?;
    let mut made = vec![write::thumbnail(&small.upright(orientation))?];
    if has_two {
        made.push(write::thumbnail(&large.upright(orientation))?);
    }
    Ok(made)
}

#[cfg(test)]
mod tests;
