//! The decoders, each behind the same limits.

use super::raster::{Channels, Raster};
use super::{LARGE_SIDE_MAX, Limits, ThumbnailError};
use crate::bytes::{ByteOrder, be_u32_at};
use crate::jpeg::{self, Frame};
use crate::webp;
use std::io::Cursor;
use std::num::NonZeroU64;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Scans that a JPEG may refine its picture in: each costs a walk over all of
/// it, and encoders write about ten.
const SCANS_MAX: usize = 32;

/// What blocks of a JPEG are rounded up to, in pixels: 16 at most in most
/// files, 32 where one component has a quarter of another's samples.
const JPEG_BLOCK_SIDE: u64 = 32;

/// The limits, asked before anything is allocated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget(pub(super) Limits);

impl Budget {
    /// Checks the number of pixels, and that there are any.
    fn check_pixels(self, (width, height): (u32, u32)) -> Result<u64, ThumbnailError> {
        let pixels = u64::from(width) * u64::from(height);
        let pixels_max = self.0.pixels_max;
        match pixels {
            0 => Err(ThumbnailError::NoPicture),
            pixels if pixels > pixels_max => {
                Err(ThumbnailError::TooManyPixels { width, height, pixels_max })
            }
            pixels => Ok(pixels),
        }
    }

    /// Checks the bytes that a decoder needs, and those that making the
    /// picture smaller needs beside it.
    fn check_memory(self, decoder: u64, (width, height): (u32, u32)) -> Result<(), ThumbnailError> {
        // Rows are made shorter first, all of them.
        let rows = u64::from(height) * u64::from(width.min(LARGE_SIDE_MAX)) * 4;
        let needed_bytes = decoder.saturating_add(rows);
        let memory_bytes_max = self.0.memory_bytes_max;
        if needed_bytes > memory_bytes_max {
            return Err(ThumbnailError::TooMuchMemory { needed_bytes, memory_bytes_max });
        }
        Ok(())
    }
}

fn damaged(error: impl std::fmt::Display) -> ThumbnailError {
    ThumbnailError::Damaged(error.to_string())
}

fn whole(raster: Option<Raster>) -> Result<Raster, ThumbnailError> {
    raster.ok_or_else(|| ThumbnailError::Damaged("there are too few pixels".to_owned()))
}

pub(super) fn jpeg(bytes: &[u8], budget: Budget) -> Result<Raster, ThumbnailError> {
    let header = jpeg::header(bytes);
    let frame = header.frame.ok_or(ThumbnailError::NoPicture)?;
    let size = (u32::from(frame.width), u32::from(frame.height));
    let pixels = budget.check_pixels(size)?;
    let held = jpeg_coefficients(frame, header.scan_components);
    budget.check_memory(pixels * Channels::Rgb.bytes() as u64 + held, size)?;
    let options = DecoderOptions::default()
        .set_max_width(usize::from(frame.width))
        .set_max_height(usize::from(frame.height))
        .jpeg_set_max_scans(SCANS_MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let decoded = decoder.decode().map_err(damaged)?;
    whole(Raster::new(size, Channels::Rgb, decoded, header.profile))
}

/// Bytes of what a decoder must hold of a JPEG whose pixels are spread over
/// several scans.
fn jpeg_coefficients(frame: Frame, scan_components: Option<u8>) -> u64 {
    let is_spread = frame.is_progressive || scan_components != Some(frame.components);
    if !is_spread {
        return 0;
    }
    let side = |side: u16| u64::from(side).next_multiple_of(JPEG_BLOCK_SIDE);
    side(frame.width) * side(frame.height) * u64::from(frame.components) * 2
}

pub(super) fn png(bytes: &[u8], budget: Budget) -> Result<Raster, ThumbnailError> {
    let size = be_u32_at(bytes, 16).zip(be_u32_at(bytes, 20)).ok_or(ThumbnailError::NoPicture)?;
    let pixels = budget.check_pixels(size)?;
    let memory = usize::try_from(budget.0.memory_bytes_max).unwrap_or(usize::MAX);
    let limits = png::Limits { bytes: memory };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (colour, _) = reader.output_color_type();
    let decoded = reader.output_buffer_size().ok_or(ThumbnailError::NoPicture)?;
    let channels = match colour {
        png::ColorType::Rgb | png::ColorType::Grayscale | png::ColorType::Indexed => Channels::Rgb,
        png::ColorType::Rgba | png::ColorType::GrayscaleAlpha => Channels::Rgba,
    };
    // Grey pixels become coloured ones beside them.
    let is_grey = decoded as u64 != pixels * channels.bytes() as u64;
    let beside = if is_grey { pixels * channels.bytes() as u64 } else { 0 };
    budget.check_memory(decoded as u64 + beside, size)?;
    let mut buffer = vec![0; decoded];
    reader.next_frame(&mut buffer).map_err(damaged)?;
    let profile = reader.info().icc_profile.as_deref().unwrap_or_default().to_vec();
    let coloured = match colour {
        png::ColorType::Grayscale => buffer.iter().flat_map(|grey| [*grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => buffer
            .chunks_exact(2)
            .flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]])
            .collect(),
        png::ColorType::Rgb | png::ColorType::Rgba | png::ColorType::Indexed => buffer,
    };
    whole(Raster::new(size, channels, coloured, profile))
}

pub(super) fn webp(bytes: &[u8], budget: Budget) -> Result<Raster, ThumbnailError> {
    let announced = webp::read(bytes);
    let size = announced.size.ok_or(ThumbnailError::NoPicture)?;
    let pixels = budget.check_pixels(size)?.max(announced.pixels_max);
    // The pixels, those of a frame in four bytes each, and what it is made of.
    budget.check_memory(pixels * 10, size)?;
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let memory = usize::try_from(budget.0.memory_bytes_max).unwrap_or(usize::MAX);
    decoder.set_memory_limit(memory);
    if decoder.dimensions() != size {
        return Err(damaged("its parts are of different sizes"));
    }
    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    let length = decoder.output_buffer_size().ok_or(ThumbnailError::NoPicture)?;
    let mut buffer = vec![0; length];
    decoder.read_image(&mut buffer).map_err(damaged)?;
    let profile = decoder.icc_profile().ok().flatten().unwrap_or_default();
    whole(Raster::new(size, channels, buffer, profile))
}

pub(super) fn gif(bytes: &[u8], budget: Budget) -> Result<Raster, ThumbnailError> {
    let side = |at: usize| ByteOrder::Little.u16_at(bytes, at).map(u32::from);
    let size = side(6).zip(side(8)).ok_or(ThumbnailError::NoPicture)?;
    let pixels = budget.check_pixels(size)?;
    // The screen, and a frame that fills it: as numbers of colours and as colours.
    budget.check_memory(pixels * 9, size)?;
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    options.check_frame_consistency(true);
    let memory = NonZeroU64::new(budget.0.memory_bytes_max).unwrap_or(NonZeroU64::MIN);
    options.set_memory_limit(gif::MemoryLimit::Bytes(memory));
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(damaged)?;
    let frame = decoder.read_next_frame().map_err(damaged)?.ok_or(ThumbnailError::NoPicture)?;
    let screen = on_screen(frame, size).ok_or_else(|| damaged("a frame is off the screen"))?;
    whole(Raster::new(size, Channels::Rgba, screen, Vec::new()))
}

/// The first frame at its place on an empty screen.
fn on_screen(frame: &gif::Frame<'_>, (width, height): (u32, u32)) -> Option<Vec<u8>> {
    const BYTES: usize = Channels::Rgba.bytes();
    let mut screen = vec![0; width as usize * height as usize * BYTES];
    let row_bytes = usize::from(frame.width) * BYTES;
    if row_bytes == 0 {
        return Some(screen);
    }
    let rows = frame.buffer.chunks_exact(row_bytes);
    for (index, row) in rows.enumerate() {
        let start = (usize::from(frame.top) + index) * width as usize + usize::from(frame.left);
        screen.get_mut(start * BYTES..start * BYTES + row_bytes)?.copy_from_slice(row);
    }
    Some(screen)
}
