//! Pixels in rows, and what is done with them.

use super::{SMALL_SIDE_MAX, ThumbnailError};
use crate::orientation::Orientation;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// What the bytes of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    /// Red, green, blue.
    Rgb,
    /// The same and how much it covers.
    Rgba,
}

impl Channels {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// A decoded picture: rows from above, without gaps. No side is zero.
#[derive(Debug, Clone)]
pub(super) struct Raster {
    width: u32,
    height: u32,
    channels: Channels,
    pixels: Vec<u8>,
    /// The colour profile that the pixels are meant in; empty for the usual one.
    profile: Vec<u8>,
}

impl Raster {
    /// A raster of pixels, if there are as many as the sides say.
    pub(super) fn new(
        (width, height): (u32, u32),
        channels: Channels,
        pixels: Vec<u8>,
        profile: Vec<u8>,
    ) -> Option<Self> {
        let expected = width as usize * height as usize * channels.bytes();
        let is_whole = expected > 0 && pixels.len() == expected;
        is_whole.then_some(Self { width, height, channels, pixels, profile })
    }

    pub(super) const fn width(&self) -> u32 {
        self.width
    }

    pub(super) const fn height(&self) -> u32 {
        self.height
    }

    pub(super) const fn channels(&self) -> Channels {
        self.channels
    }

    pub(super) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(super) fn profile(&self) -> &[u8] {
        &self.profile
    }

    /// This, with no side longer than `side_max`, and never larger.
    pub(super) fn fit(self, side_max: u32) -> Result<Self, ThumbnailError> {
        if self.width.max(self.height) <= side_max { Ok(self) } else { self.shrunk(side_max) }
    }

    /// As [`Self::fit`], as another raster.
    pub(super) fn fitted(&self, side_max: u32) -> Result<Self, ThumbnailError> {
        let fits = self.width.max(self.height) <= side_max;
        if fits { Ok(self.clone()) } else { self.shrunk(side_max) }
    }

    fn shrunk(&self, side_max: u32) -> Result<Self, ThumbnailError> {
        let (width, height) = fitting((self.width, self.height), side_max);
        let kind = match self.channels {
            Channels::Rgb => PixelType::U8x3,
            Channels::Rgba => PixelType::U8x4,
        };
        let unwritten =
            |error: &dyn std::error::Error| ThumbnailError::Unwritten(error.to_string());
        let source = ImageRef::new(self.width, self.height, &self.pixels, kind)
            .map_err(|error| unwritten(&error))?;
        let mut target = Image::new(width, height, kind);
        let filter = ResizeAlg::Convolution(filter_for(side_max));
        let options = ResizeOptions::new().resize_alg(filter);
        Resizer::new().resize(&source, &mut target, &options).map_err(|error| unwritten(&error))?;
        let (channels, profile) = (self.channels, self.profile.clone());
        Ok(Self { width, height, channels, pixels: target.into_vec(), profile })
    }

    /// This, without what it covers where it covers all.
    pub(super) fn without_needless_alpha(self) -> Self {
        let is_needless = self.channels == Channels::Rgba
            && self.pixels.chunks_exact(4).all(|pixel| pixel[3] == u8::MAX);
        if !is_needless {
            return self;
        }
        let pixels = self.pixels.chunks_exact(4);
        let pixels = pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Self { channels: Channels::Rgb, pixels, ..self }
    }

    /// This, turned and mirrored as an orientation asks.
    pub(super) fn upright(self, orientation: Orientation) -> Self {
        if orientation == Orientation::UPRIGHT {
            return self;
        }
        match self.channels {
            Channels::Rgb => self.turned::<3>(orientation),
            Channels::Rgba => self.turned::<4>(orientation),
        }
    }

    fn turned<const BYTES: usize>(self, orientation: Orientation) -> Self {
        let (mirrored, turns) = orientation.steps();
        let (width, height) = (self.width as usize, self.height as usize);
        let (from, _) = self.pixels.as_chunks::<BYTES>();
        let (columns, rows) = if turns % 2 == 1 { (height, width) } else { (width, height) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..rows {
            for x in 0..columns {
                let (column, row) = match turns {
                    0 => (x, y),
                    1 => (y, height - 1 - x),
                    2 => (width - 1 - x, height - 1 - y),
                    _ => (width - 1 - y, x),
                };
                let column = if mirrored { width - 1 - column } else { column };
                pixels.extend_from_slice(&from[row * width + column]);
            }
        }
        let sides =
            if turns % 2 == 1 { (self.height, self.width) } else { (self.width, self.height) };
        Self { width: sides.0, height: sides.1, pixels, ..self }
    }
}

/// The large size is made of all pixels, with a filter that looks at few of
/// them for each of its own: that takes little more than half the time. The
/// small size is made with the sharpest one.
fn filter_for(side_max: u32) -> FilterType {
    if side_max > SMALL_SIDE_MAX { FilterType::Hamming } else { FilterType::Lanczos3 }
}

/// The sides of a picture that is made to fit, of the same shape.
fn fitting((width, height): (u32, u32), side_max: u32) -> (u32, u32) {
    let longer = u64::from(width.max(height));
    let side = |side: u32| {
        let scaled = (u64::from(side) * u64::from(side_max) + longer / 2) / longer;
        u32::try_from(scaled).unwrap_or(side_max).clamp(1, side_max)
    };
    (side(width), side(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two columns and three rows, each pixel of its own number.
    fn numbered() -> Raster {
        let pixels = (0..6).flat_map(|number| [number, 0, 0]).collect();
        Raster::new((2, 3), Channels::Rgb, pixels, Vec::new()).unwrap()
    }

    fn rows(raster: &Raster) -> Vec<Vec<u8>> {
        let numbers: Vec<u8> = raster.pixels.chunks(3).map(|pixel| pixel[0]).collect();
        numbers.chunks(raster.width as usize).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn every_orientation_is_turned_upright() {
        let expected: [&[&[u8]]; 8] = [
            &[&[0, 1], &[2, 3], &[4, 5]],
            &[&[1, 0], &[3, 2], &[5, 4]],
            &[&[5, 4], &[3, 2], &[1, 0]],
            &[&[4, 5], &[2, 3], &[0, 1]],
            &[&[0, 2, 4], &[1, 3, 5]],
            &[&[4, 2, 0], &[5, 3, 1]],
            &[&[5, 3, 1], &[4, 2, 0]],
            &[&[1, 3, 5], &[0, 2, 4]],
        ];
        for (number, expected) in (1..=8).zip(expected) {
            let orientation = Orientation::new(number).unwrap();
            assert_eq!(rows(&numbered().upright(orientation)), expected, "{number}");
            assert_eq!(orientation.swaps_sides(), expected[0].len() == 3, "{number}");
        }
    }

    #[test]
    fn a_raster_has_as_many_pixels_as_it_says() {
        let make = |width, height, bytes: usize| {
            Raster::new((width, height), Channels::Rgb, vec![0; bytes], Vec::new())
        };
        assert!(make(1, 1, 3).is_some());
        assert!(make(1, 1, 4).is_none());
        assert!(make(0, 7, 0).is_none());
    }

    #[test]
    fn a_line_keeps_a_pixel_of_width() {
        assert_eq!(fitting((10_000, 1), 512), (512, 1));
        assert_eq!(fitting((4000, 3000), 512), (512, 384));
        assert_eq!(fitting((u32::MAX, u32::MAX), 512), (512, 512));
    }

    proptest! {
        #[test]
        fn what_fits_is_within_the_side_and_not_larger(
            width in 1_u32..100_000, height in 1_u32..100_000, side_max in 1_u32..2000,
        ) {
            prop_assume!(width.max(height) > side_max);
            let (small_width, small_height) = fitting((width, height), side_max);
            prop_assert!((1..=side_max.min(width)).contains(&small_width));
            prop_assert!((1..=side_max.min(height)).contains(&small_height));
            prop_assert_eq!(small_width.max(small_height), side_max);
        }
    }
}
