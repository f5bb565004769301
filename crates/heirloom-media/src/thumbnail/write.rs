//! Thumbnails as files.

use super::raster::{Channels, Raster};
use super::{Thumbnail, ThumbnailError};
use crate::media_type::MediaType;
use image_webp::{ColorType as WebpColor, WebPEncoder};
use jpeg_encoder::{ColorType as JpegColor, Encoder};

/// The quality of a JPEG, of 100: a picture of 512 pixels takes some 40 kB.
const QUALITY: u8 = 80;

/// Bytes of a colour profile that a thumbnail keeps: those of phones have 600.
/// Without a larger one the colours are a little off.
const PROFILE_BYTES_MAX: usize = 4096;

/// Writes a raster as the file that takes the least room without loss of what
/// shows through.
pub(super) fn thumbnail(raster: &Raster) -> Result<Thumbnail, ThumbnailError> {
    let (media_type, bytes) = match raster.channels() {
        Channels::Rgb => (MediaType::Jpeg, jpeg(raster)?),
        Channels::Rgba => (MediaType::Webp, webp(raster)?),
    };
    Ok(Thumbnail { width: raster.width(), height: raster.height(), media_type, bytes })
}

fn profile(raster: &Raster) -> Option<&[u8]> {
    let profile = raster.profile();
    // The profile of grey or printed colours means nothing for these pixels.
    let is_for_screens = profile.get(16..20) == Some(b"RGB ");
    (is_for_screens && profile.len() <= PROFILE_BYTES_MAX).then_some(profile)
}

fn jpeg(raster: &Raster) -> Result<Vec<u8>, ThumbnailError> {
    let unwritten =
        |error: jpeg_encoder::EncodingError| ThumbnailError::Unwritten(error.to_string());
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    if let Some(profile) = profile(raster) {
        encoder.add_icc_profile(profile).map_err(unwritten)?;
    }
    let side = |side: u32| {
        u16::try_from(side).map_err(|error| ThumbnailError::Unwritten(error.to_string()))
    };
    let (width, height) = (side(raster.width())?, side(raster.height())?);
    encoder.encode(raster.pixels(), width, height, JpegColor::Rgb).map_err(unwritten)?;
    Ok(bytes)
}

fn webp(raster: &Raster) -> Result<Vec<u8>, ThumbnailError> {
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new(&mut bytes);
    if let Some(profile) = profile(raster) {
        encoder.set_icc_profile(profile.to_vec());
    }
    encoder
        .encode(raster.pixels(), raster.width(), raster.height(), WebpColor::Rgba8)
        .map_err(|error| ThumbnailError::Unwritten(error.to_string()))?;
    Ok(bytes)
}
