use super::*;
use crate::tests::samples::{self, camera_tags, jpeg, pixels, png, with_segment, with_tags};
use ::png::{BitDepth, ColorType};

fn make(media_type: MediaType, bytes: &[u8]) -> Result<Vec<Thumbnail>, ThumbnailError> {
    thumbnail(media_type, bytes, Orientation::UPRIGHT, Limits::default())
}

fn sides(made: &[Thumbnail]) -> Vec<(u32, u32)> {
    made.iter().map(|thumbnail| (thumbnail.width, thumbnail.height)).collect()
}

/// The colour at a place of a thumbnail, in thirds of its sides.
fn colour(thumbnail: &Thumbnail, column: u32, row: u32) -> [u8; 3] {
    let budget = Budget(Limits::default());
    let raster = raster(thumbnail.media_type, &thumbnail.bytes, budget).expect("it is a picture");
    assert_eq!((raster.width(), raster.height()), (thumbnail.width, thumbnail.height));
    let (x, y) = (raster.width() * column / 3, raster.height() * row / 3);
    let at = (y * raster.width() + x) as usize * raster.channels().bytes();
    [0, 1, 2].map(|channel| raster.pixels()[at + channel])
}

fn is_near(found: [u8; 3], expected: [u8; 3]) -> bool {
    found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) < 24)
}

#[test]
fn two_sizes_come_of_one_large_picture() {
    let made = make(MediaType::Jpeg, &jpeg(2000, 1500)).unwrap();
    assert_eq!(sides(&made), [(512, 384), (1600, 1200)]);
    for thumbnail in &made {
        assert_eq!(crate::recognise("", &thumbnail.bytes), Some(MediaType::Jpeg));
        assert!(is_near(colour(thumbnail, 1, 1), [85, 85, 255]));
        assert!(is_near(colour(thumbnail, 2, 2), [170, 170, 0]));
    }
}

#[test]
fn none_is_larger_than_the_picture() {
    let of = |width, height| sides(&make(MediaType::Jpeg, &jpeg(width, height)).unwrap());
    assert_eq!(of(1000, 600), [(512, 307), (1000, 600)]);
    assert_eq!(of(512, 100), [(512, 100)]);
    assert_eq!(of(1, 1), [(1, 1)]);
    assert_eq!(of(3000, 1), [(512, 1), (1600, 1)]);
}

#[test]
fn a_picture_is_made_upright() {
    let lying = with_tags(&jpeg(600, 300), &camera_tags());
    let orientation = crate::facts(MediaType::Jpeg, &lying).orientation.unwrap();
    let made = thumbnail(MediaType::Jpeg, &lying, orientation, Limits::default()).unwrap();
    assert_eq!(sides(&made), [(256, 512), (300, 600)]);
    // The blue corner was above and to the left; a quarter turn puts it to the right.
    assert!(is_near(colour(&made[1], 2, 1), [85, 85, 255]));
    assert!(colour(&made[1], 1, 1)[2] < 24);
    assert_eq!(crate::facts(MediaType::Jpeg, &made[0].bytes).orientation, None);
}

#[test]
fn jpegs_of_every_kind_are_decoded() {
    for bytes in [samples::PROGRESSIVE, samples::CMYK] {
        let made = make(MediaType::Jpeg, bytes).unwrap();
        assert_eq!(sides(&made), [(64, 48)]);
        let blue = colour(&made[0], 1, 1);
        assert!(is_near(blue, [84, 80, 255]), "{blue:?}");
    }
    let grey = colour(&make(MediaType::Jpeg, samples::GREY).unwrap()[0], 1, 1);
    assert!(grey[0].abs_diff(grey[2]) < 8, "{grey:?}");
}

#[test]
fn pngs_of_every_kind_are_decoded() {
    let one = |colour: ColorType, depth: BitDepth, pixel: &[u8]| {
        let file = png((2, 1), colour, depth, &pixel.repeat(2));
        make(MediaType::Png, &file).unwrap().remove(0)
    };
    let plain = one(ColorType::Rgb, BitDepth::Eight, &[200, 100, 50]);
    let deep = one(ColorType::Rgb, BitDepth::Sixteen, &[200, 0, 100, 0, 50, 0]);
    assert!(is_near(colour(&plain, 0, 0), [200, 100, 50]));
    assert!(is_near(colour(&deep, 0, 0), [200, 100, 50]));
    let grey = one(ColorType::Grayscale, BitDepth::Eight, &[90]);
    assert!(is_near(colour(&grey, 0, 0), [90, 90, 90]));
    let full = one(ColorType::GrayscaleAlpha, BitDepth::Eight, &[90, 255]);
    assert_eq!(full.media_type, MediaType::Jpeg);
    let clear = one(ColorType::Rgba, BitDepth::Sixteen, &[9, 0, 9, 0, 9, 0, 128, 0]);
    assert_eq!(clear.media_type, MediaType::Webp);
    assert_eq!(sides(&[clear]), [(2, 1)]);
}

#[test]
fn what_shows_through_stays_so_in_both_sizes() {
    let coloured: Vec<u8> =
        pixels(700, 520).chunks(3).flat_map(|p| [p[0], p[1], p[2], 77]).collect();
    let file = png((700, 520), ColorType::Rgba, BitDepth::Eight, &coloured);
    let made = make(MediaType::Png, &file).unwrap();
    assert_eq!(sides(&made), [(512, 380), (700, 520)]);
    for thumbnail in &made {
        assert_eq!(thumbnail.media_type, MediaType::Webp);
        let again = raster(MediaType::Webp, &thumbnail.bytes, Budget(Limits::default())).unwrap();
        assert!(again.pixels().chunks(4).all(|pixel| pixel[3].abs_diff(77) < 2));
        assert!(is_near(colour(thumbnail, 1, 1), [85, 85, 255]));
    }
}

#[test]
fn of_an_animation_the_first_frame_counts() {
    for (media_type, bytes) in
        [(MediaType::Gif, samples::ANIMATED_GIF), (MediaType::Webp, samples::ANIMATED_WEBP)]
    {
        let made = make(media_type, bytes).unwrap();
        assert_eq!(sides(&made), [(64, 48)]);
        // In the second frame the corner is below and to the right.
        assert!(colour(&made[0], 1, 1)[2] > 180, "{media_type:?}");
        assert!(colour(&made[0], 2, 2)[2] < 80, "{media_type:?}");
    }
}

#[test]
fn webp_files_are_decoded() {
    let made = make(MediaType::Webp, samples::LOSSY_WEBP).unwrap();
    assert!(is_near(colour(&made[0], 1, 1), [84, 80, 255]));
    let made = make(MediaType::Webp, samples::ALPHA_WEBP).unwrap();
    assert_eq!((made[0].media_type, sides(&made)), (MediaType::Webp, vec![(64, 48)]));
}

#[test]
fn a_frame_off_the_screen_is_refused() {
    let mut gif = samples::ANIMATED_GIF.to_vec();
    // The screen gets smaller than the frame on it.
    gif[6] = 32;
    assert!(matches!(make(MediaType::Gif, &gif), Err(ThumbnailError::Damaged(_))));
}

#[test]
fn a_colour_profile_of_a_screen_goes_along() {
    let profile = |space: &[u8; 4]| {
        let mut bytes = vec![0; 200];
        bytes[16..20].copy_from_slice(space);
        bytes
    };
    let with = |space: &[u8; 4]| {
        let part = [b"ICC_PROFILE\0\x01\x01".to_vec(), profile(space)].concat();
        let made = make(MediaType::Jpeg, &with_segment(&jpeg(600, 400), 0xe2, &part)).unwrap();
        made.iter().map(|made| crate::jpeg::header(&made.bytes).profile).collect::<Vec<_>>()
    };
    assert_eq!(with(b"RGB "), [profile(b"RGB "), profile(b"RGB ")]);
    assert!(with(b"CMYK").iter().all(Vec::is_empty));
}

/// A small JPEG that announces these sides.
fn announcing(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg(16, 16);
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("it has a frame");
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn a_picture_of_too_many_pixels_is_refused_before_anything_is_made() {
    let (width, height, pixels_max) = (65_535, 65_535, 200_000_000);
    let refused = Err(ThumbnailError::TooManyPixels { width, height, pixels_max });
    assert_eq!(make(MediaType::Jpeg, &announcing(u16::MAX, u16::MAX)), refused);

    let mut gif = samples::ANIMATED_GIF.to_vec();
    gif[6..10].fill(0xff);
    assert_eq!(make(MediaType::Gif, &gif), refused);

    let mut png = png((1, 1), ColorType::Rgb, BitDepth::Eight, &[0; 3]);
    png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    assert_eq!(make(MediaType::Png, &png), refused);

    let mut webp = samples::ALPHA_WEBP.to_vec();
    webp[24..30].copy_from_slice(&[0xfe, 0xff, 0, 0xfe, 0xff, 0]);
    assert_eq!(make(MediaType::Webp, &webp), refused);
}

#[test]
fn a_picture_of_no_pixels_is_none() {
    assert_eq!(make(MediaType::Jpeg, &announcing(0, 16)), Err(ThumbnailError::NoPicture));
    assert_eq!(make(MediaType::Jpeg, &announcing(16, 0)), Err(ThumbnailError::NoPicture));
}

#[test]
fn memory_is_counted_before_it_is_taken() {
    let of = |bytes: &[u8], memory_bytes_max: u64| {
        let limits = Limits { memory_bytes_max, ..Limits::default() };
        thumbnail(MediaType::Jpeg, bytes, Orientation::UPRIGHT, limits)
    };
    // 64 x 48 pixels of three bytes, and as many of four while it is made smaller.
    assert!(of(samples::GREY, 64 * 48 * 7).is_ok());
    assert!(of(samples::GREY, 64 * 48 * 7 - 1).is_err());
    // Three components of two bytes more, in whole blocks, where the scans refine each other.
    let progressive = 64 * 48 * 7 + 64 * 64 * 6;
    assert!(of(samples::PROGRESSIVE, progressive).is_ok());
    let refused = ThumbnailError::TooMuchMemory {
        needed_bytes: progressive,
        memory_bytes_max: progressive - 1,
    };
    assert_eq!(of(samples::PROGRESSIVE, progressive - 1), Err(refused));
}

#[test]
fn what_has_no_decoder_says_so() {
    for media_type in [MediaType::Avif, MediaType::JpegXl, MediaType::Mp4, MediaType::Tiff] {
        assert_eq!(make(media_type, samples::AVIF), Err(ThumbnailError::NoDecoder(media_type)));
    }
    let heic = make(MediaType::Heic, samples::TAGS_HEIC);
    assert_eq!(heic, Err(ThumbnailError::NoDecoder(MediaType::Heic)));
}

/// A photo as phones make them: 12 million pixels with grain, about 4 MB.
fn photo_of_12_megapixels() -> Vec<u8> {
    let (width, height) = (4000, 3000);
    let mut grain = 1_u32;
    let grained = pixels(width, height).into_iter().map(|colour| {
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        colour.saturating_add(grain.to_be_bytes()[0] / 8)
    });
    let grained: Vec<u8> = grained.collect();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 88);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    let encoded = encoder.encode(&grained, width, height, jpeg_encoder::ColorType::Rgb);
    encoded.expect("a test's picture can be encoded");
    bytes
}

/// Time of the processor that this thread took so far, in ms.
fn processor_ms() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent_ns = spent.split(' ').next().and_then(|spent_ns| spent_ns.parse::<f64>().ok());
    spent_ns.unwrap_or_default() / 1e6
}

#[test]
#[ignore = "a measurement, for release builds"]
fn some_timing() {
    let photo = photo_of_12_megapixels();
    let budget = Budget(Limits::default());
    let rounds = 12_u32;
    let measure = |name: &str, work: &dyn Fn()| {
        let start = processor_ms();
        (0..rounds).for_each(|_| work());
        let each = (processor_ms() - start) / f64::from(rounds);
        println!("{name}: {each:.2} ms of the processor, {:.1} a second", 1000.0 / each);
    };
    println!("{} bytes", photo.len());
    measure("decoding", &|| assert!(decode::jpeg(&photo, budget).is_ok()));
    let whole = decode::jpeg(&photo, budget).unwrap();
    measure("large", &|| assert!(whole.fitted(LARGE_SIDE_MAX).is_ok()));
    let large = whole.fitted(LARGE_SIDE_MAX).unwrap();
    measure("small", &|| assert!(large.fitted(SMALL_SIDE_MAX).is_ok()));
    measure("writing the large one", &|| assert!(write::thumbnail(&large).is_ok()));
    for number in [1, 6] {
        let orientation = Orientation::new(number).unwrap();
        measure(&format!("both thumbnails, orientation {number}"), &|| {
            let made = thumbnail(MediaType::Jpeg, &photo, orientation, Limits::default());
            assert_eq!(made.unwrap().len(), 2);
        });
    }
    measure("the small one alone", &|| {
        let small = decode::jpeg(&photo, budget).unwrap().fit(SMALL_SIDE_MAX).unwrap();
        assert!(write::thumbnail(&small).is_ok());
    });
    measure("facts", &|| assert!(crate::facts(MediaType::Jpeg, &photo).width.is_some()));
    let huge = announcing(u16::MAX, u16::MAX);
    measure("refusing", &|| assert!(make(MediaType::Jpeg, &huge).is_err()));
}
