use super::*;
use crate::tests::samples::{boxed, jpeg, long, short, text};

fn wide_header(created: u64, scale: u32, units: u64) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0];
    bytes.extend(created.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(scale.to_be_bytes());
    bytes.extend(units.to_be_bytes());
    boxed(b"mvhd", &bytes)
}

#[test]
fn a_header_of_64_bits_is_read() {
    let movie = boxed(b"moov", &wide_header(2_082_844_800 + 60, 600, 6_000_000_000_000));
    let known = facts(&movie);
    assert_eq!(known.duration_ms, Some(10_000_000_000_000));
    assert_eq!(known.taken.map(|taken| taken.local_ms), Some(60_000));
}

#[test]
fn a_duration_that_nobody_knows_is_none() {
    for (scale, units) in [(0, 5), (600, u64::MAX), (600, 0)] {
        let movie = boxed(b"moov", &wide_header(0, scale, units));
        assert_eq!(facts(&movie), Facts::default(), "{scale} {units}");
    }
    let of_fragments = boxed(b"mehd", &[0, 0, 0, 0, 0, 0, 4, 176]);
    let inner = [wide_header(0, 600, 0), boxed(b"mvex", &of_fragments)].concat();
    assert_eq!(facts(&boxed(b"moov", &inner)).duration_ms, Some(2000));
}

fn track(kind: &[u8; 4], side: u16, matrix: [i32; 4]) -> Vec<u8> {
    let mut header = vec![0; 40];
    let [a, b, c, d] = matrix.map(|part| (part << 16).to_be_bytes());
    header.extend([a, b, [0; 4], c, d, [0; 4], [0; 4], [0; 4], [0x40, 0, 0, 0]].concat());
    header.extend((u32::from(side) << 16).to_be_bytes().repeat(2));
    let named = [&[0; 8], kind.as_slice()].concat();
    let media = boxed(b"mdia", &boxed(b"hdlr", &named));
    boxed(b"trak", &[boxed(b"tkhd", &header), media].concat())
}

#[test]
fn the_largest_track_of_pictures_counts() {
    let tracks = [
        track(b"soun", 999, [1, 0, 0, 1]),
        track(b"vide", 10, [1, 0, 0, 1]),
        track(b"vide", 20, [0, 1, -1, 0]),
        track(b"vide", 0, [1, 0, 0, 1]),
    ];
    let known = facts(&boxed(b"moov", &tracks.concat()));
    assert_eq!((known.width, known.orientation), (Some(20), Orientation::new(6)));
}

#[test]
fn every_matrix_of_turns_is_an_orientation() {
    let known: Vec<u8> = [
        [1, 0, 0, 1],
        [-1, 0, 0, 1],
        [-1, 0, 0, -1],
        [1, 0, 0, -1],
        [0, 1, 1, 0],
        [0, 1, -1, 0],
        [0, -1, -1, 0],
        [0, -1, 1, 0],
    ]
    .into_iter()
    .map(|signs| turned(signs).unwrap().number())
    .collect();
    assert_eq!(known, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(turned([1, 1, 0, 1]), None);
}

#[test]
fn a_phones_older_box_says_where_and_who() {
    let words = |text: &[u8]| {
        let length = u16::try_from(text.len()).unwrap();
        [&length.to_be_bytes(), [0x15, 0xc7].as_slice(), text].concat()
    };
    let older = [
        boxed(b"\xa9xyz", &words(b"-33.8568+151.2153/")),
        boxed(b"\xa9mak", &words(b"Google")),
        boxed(b"\xa9mod", &words(b"Pixel 8")),
        vec![0; 4],
    ];
    let known = facts(&boxed(b"moov", &boxed(b"udta", &older.concat())));
    let place = Place { latitude_e7: -338_568_000, longitude_e7: 1_512_153_000 };
    assert_eq!(known.place, Some(place));
    assert_eq!((known.make.as_deref(), known.model.as_deref()), (Some("Google"), Some("Pixel 8")));
}

#[test]
fn canons_raw_file_says_who_and_when_and_shows_a_picture() {
    let block = |tags: &[crate::tests::samples::Tag]| {
        let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
        crate::tests::samples::push_directory(&mut bytes, tags, 0);
        bytes
    };
    let tags = [
        CANON.to_vec(),
        boxed(b"CMT1", &block(&[text(0x010f, "Canon"), short(0x0112, 8), long(0x0100, 9)])),
        boxed(b"CMT2", &block(&[text(0x9003, "1970:01:01 00:00:01")])),
    ];
    let track = track(b"vide", 6000, [1, 0, 0, 1]);
    let movie = boxed(b"moov", &[boxed(b"uuid", &tags.concat()), track].concat());
    let picture = jpeg(16, 12);
    let mut preview = vec![0; 12];
    preview.extend(u32::try_from(picture.len()).unwrap().to_be_bytes());
    preview.extend(&picture);
    let preview = [CANON_PREVIEW.to_vec(), vec![0; 8], boxed(b"PRVW", &preview)].concat();
    let file = [boxed(b"ftyp", b"crx \0\0\0\0"), movie, boxed(b"uuid", &preview)].concat();
    let media_type = crate::recognise("x", &file).unwrap();
    let known = crate::facts(media_type, &file);
    assert_eq!((known.make.as_deref(), known.width), (Some("Canon"), Some(6000)));
    assert_eq!(known.orientation, Orientation::new(8));
    assert_eq!(known.taken.map(|taken| taken.local_ms), Some(1000));
    assert_eq!(canon_picture(&file), Some(picture.as_slice()));
}
