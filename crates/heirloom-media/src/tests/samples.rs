//! Pictures for tests: made here, or by other programs.

use jpeg_encoder::{ColorType, Encoder};

pub(crate) const CMYK: &[u8] = include_bytes!("../../samples/cmyk.jpg");
pub(crate) const PROGRESSIVE: &[u8] = include_bytes!("../../samples/progressive.jpg");
pub(crate) const GREY: &[u8] = include_bytes!("../../samples/grey.jpg");
pub(crate) const ANIMATED_GIF: &[u8] = include_bytes!("../../samples/animated.gif");
pub(crate) const LOSSY_WEBP: &[u8] = include_bytes!("../../samples/lossy.webp");
pub(crate) const ALPHA_WEBP: &[u8] = include_bytes!("../../samples/alpha.webp");
pub(crate) const ANIMATED_WEBP: &[u8] = include_bytes!("../../samples/animated.webp");
pub(crate) const TAGS_WEBP: &[u8] = include_bytes!("../../samples/tags.webp");
pub(crate) const TAGS_PNG: &[u8] = include_bytes!("../../samples/tags.png");
pub(crate) const TAGS_HEIC: &[u8] = include_bytes!("../../samples/tags.heic");
pub(crate) const AVIF: &[u8] = include_bytes!("../../samples/still.avif");
pub(crate) const HEADER_FIRST: &[u8] = include_bytes!("../../samples/header-first.mp4");
pub(crate) const HEADER_LAST: &[u8] = include_bytes!("../../samples/header-last.mp4");
pub(crate) const APPLE: &[u8] = include_bytes!("../../samples/apple.mov");
pub(crate) const WEBM: &[u8] = include_bytes!("../../samples/film.webm");

/// All files of other programs.
pub(crate) const ALL: &[&[u8]] = &[
    CMYK,
    PROGRESSIVE,
    GREY,
    ANIMATED_GIF,
    LOSSY_WEBP,
    ALPHA_WEBP,
    ANIMATED_WEBP,
    TAGS_WEBP,
    TAGS_PNG,
    TAGS_HEIC,
    AVIF,
    HEADER_FIRST,
    HEADER_LAST,
    APPLE,
    WEBM,
];

/// One entry of a directory: its tag, kind, count and value.
#[derive(Debug, Clone)]
pub(crate) struct Tag(pub(crate) u16, pub(crate) u16, pub(crate) u32, pub(crate) Vec<u8>);

pub(crate) fn short(tag: u16, value: u16) -> Tag {
    Tag(tag, 3, 1, value.to_be_bytes().to_vec())
}

pub(crate) fn long(tag: u16, value: u32) -> Tag {
    Tag(tag, 4, 1, value.to_be_bytes().to_vec())
}

pub(crate) fn text(tag: u16, value: &str) -> Tag {
    let bytes = [value.as_bytes(), &[0]].concat();
    Tag(tag, 2, count(&bytes), bytes)
}

pub(crate) fn fractions(tag: u16, values: &[(u32, u32)]) -> Tag {
    let numbers = values.iter().flat_map(|(over, under)| [*over, *under]);
    Tag(tag, 5, count(values), numbers.flat_map(u32::to_be_bytes).collect())
}

fn count<T>(values: &[T]) -> u32 {
    u32::try_from(values.len()).expect("a test has few values")
}

/// A TIFF, greatest byte first, of these directories: the first, that of the
/// camera and that of the place.
pub(crate) fn tiff(first: &[Tag], camera: &[Tag], place: &[Tag]) -> Vec<u8> {
    let camera_at = 8 + directory_bytes(first) + 24;
    let place_at = camera_at + directory_bytes(camera);
    let first = [first, &[long(0x8769, camera_at), long(0x8825, place_at)]].concat();
    let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
    for tags in [first.as_slice(), camera, place] {
        push_directory(&mut bytes, tags, 0);
    }
    bytes
}

/// Bytes of a directory with its values.
pub(crate) fn directory_bytes(tags: &[Tag]) -> u32 {
    let values = tags.iter().map(|tag| if tag.3.len() > 4 { tag.3.len() } else { 0 });
    u32::try_from(6 + tags.len() * 12 + values.sum::<usize>()).expect("a test has few tags")
}

/// Writes a directory and the values that do not fit into its entries.
pub(crate) fn push_directory(bytes: &mut Vec<u8>, tags: &[Tag], next: u32) {
    let mut values: Vec<u8> = Vec::new();
    let values_at = bytes.len() + 6 + tags.len() * 12;
    bytes.extend(u16::try_from(tags.len()).expect("a test has few tags").to_be_bytes());
    for Tag(tag, kind, count, value) in tags {
        bytes.extend(tag.to_be_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        if value.len() <= 4 {
            bytes.extend(value);
            bytes.resize(bytes.len() + 4 - value.len(), 0);
        } else {
            let at = u32::try_from(values_at + values.len()).expect("a test is short");
            bytes.extend(at.to_be_bytes());
            values.extend(value);
        }
    }
    bytes.extend(next.to_be_bytes());
    bytes.extend(values);
}

/// The tags of a phone's photo.
pub(crate) fn camera_tags() -> Vec<u8> {
    let first = [text(0x010f, "Apple"), text(0x0110, "iPhone 15"), short(0x0112, 6)];
    let camera = [
        text(0x9003, "2024:05:01 12:34:56"),
        text(0x9011, "+02:00"),
        text(0x9291, "250"),
        long(0xa002, 4032),
        long(0xa003, 3024),
    ];
    let place = [
        text(1, "N"),
        fractions(2, &[(48, 1), (51, 1), (2772, 100)]),
        text(3, "W"),
        fractions(4, &[(2, 1), (17, 1), (42, 1)]),
    ];
    tiff(&first, &camera, &place)
}

/// Colours that change from place to place, and one corner in blue.
pub(crate) fn pixels(width: u16, height: u16) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            let scaled = |at: u32, side: u16| (at * 255 / u32::from(side)).to_le_bytes()[0];
            let is_corner = x * 2 < u32::from(width) && y * 2 < u32::from(height);
            pixels.extend([scaled(x, width), scaled(y, height), if is_corner { 255 } else { 0 }]);
        }
    }
    pixels
}

/// A JPEG of [`pixels`].
pub(crate) fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoded =
        Encoder::new(&mut bytes, 90).encode(&pixels(width, height), width, height, ColorType::Rgb);
    encoded.expect("a test's picture can be encoded");
    bytes
}

/// A JPEG with a segment behind its first marker.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 2).expect("a test's segment is short");
    let head = [&jpeg[..2], &[0xff, marker], &length.to_be_bytes()].concat();
    [&head, payload, &jpeg[2..]].concat()
}

/// A JPEG with the tags of a camera.
pub(crate) fn with_tags(jpeg: &[u8], block: &[u8]) -> Vec<u8> {
    with_segment(jpeg, 0xe1, &[b"Exif\0\0", block].concat())
}

/// A PNG of raw pixels.
pub(crate) fn png(
    (width, height): (u32, u32),
    colour: png::ColorType,
    depth: png::BitDepth,
    pixels: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    written.expect("a test's picture can be encoded");
    bytes
}

/// A box.
pub(crate) fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = count(payload) + 8;
    [&size.to_be_bytes(), kind.as_slice(), payload].concat()
}
