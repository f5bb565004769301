use super::*;
use crate::tests::samples::{self, boxed, jpeg, with_segment};
use proptest::prelude::*;

/// Finds a start as a reader does that sees so many bytes at a time.
fn read(ask: fn(MediaType, u64, &[u8]) -> Start, of: MediaType, file: &[u8], step: usize) -> Start {
    let mut offset = 0;
    loop {
        let Some(rest) = usize::try_from(offset).ok().and_then(|from| file.get(from..)) else {
            return Start::Nowhere;
        };
        match ask(of, offset, &rest[..step.min(rest.len())]) {
            Start::Elsewhere(next) => {
                assert!(next > offset, "it goes on");
                offset = next;
            }
            found @ (Start::At(_) | Start::Nowhere) => return found,
        }
    }
}

fn large_box(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = payload.len() as u64 + 16;
    [&1_u32.to_be_bytes(), kind.as_slice(), &size.to_be_bytes(), payload].concat()
}

#[test]
fn a_jpeg_is_cut_at_its_first_scan_wherever_that_is() {
    let plain = jpeg(40, 30);
    let scan = plain.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    assert_eq!(scan_start(MediaType::Jpeg, 0, &plain), Start::At(scan as u64));
    // Tags and profiles move it; what stands behind it stays.
    let grown = (0..40).fold(plain.clone(), |jpeg, _| with_segment(&jpeg, 0xe2, &[0xff; 60_000]));
    let moved = scan + 40 * 60_004;
    let first = scan_start(MediaType::Jpeg, 0, &grown[..1 << 20]);
    assert!(matches!(first, Start::Elsewhere(next) if next > 1 << 20), "{first:?}");
    for step in [5, 1000, 1 << 20] {
        let found = read(scan_start, MediaType::Jpeg, &grown, step);
        assert_eq!(found, Start::At(moved as u64), "{step}");
    }
    assert_eq!(grown[moved..], plain[scan..]);
}

#[test]
fn a_jpeg_without_a_scan_is_not_cut() {
    assert_eq!(scan_start(MediaType::Jpeg, 0, b"\xff\xd8\xff\xd9"), Start::Nowhere);
    assert_eq!(scan_start(MediaType::Jpeg, 0, b"\xff\xd8\0\0\0\0"), Start::Nowhere);
    assert_eq!(scan_start(MediaType::Jpeg, 0, b"\0"), Start::Nowhere);
    assert_eq!(scan_start(MediaType::Png, 0, b"\x89PNG\r\n\x1a\n"), Start::Nowhere);
}

#[test]
fn a_film_is_cut_at_the_content_of_its_first_mdat_that_has_any() {
    let head = boxed(b"ftyp", b"isom\0\0\0\0");
    let empty = boxed(b"mdat", b"");
    let header = boxed(b"moov", &[7; 3000]);
    let first = [head.clone(), empty, header, boxed(b"mdat", b"pixels"), boxed(b"mdat", b"more")];
    let at = first[..3].iter().map(Vec::len).sum::<usize>() + 8;
    let file = first.concat();
    for step in [16, 100, 1 << 20] {
        assert_eq!(read(scan_start, MediaType::Mp4, &file, step), Start::At(at as u64), "{step}");
    }
    let large = [head, large_box(b"mdat", b"pixels")].concat();
    assert_eq!(scan_start(MediaType::Mov, 0, &large), Start::At(16 + 16));
    let to_the_end = b"\0\0\0\0mdatpixels";
    assert_eq!(scan_start(MediaType::Mov, 0, to_the_end), Start::At(8));
}

#[test]
fn an_mdat_of_four_gigabytes_is_passed_by_its_size() {
    let mut file = boxed(b"ftyp", b"isom\0\0\0\0");
    file.extend(b"\0\0\0\x01mdat\0\0\0\x02\0\0\0\0");
    assert_eq!(scan_start(MediaType::Mp4, 0, &file), Start::At(32));
    let next = 16 + (2_u64 << 32);
    assert_eq!(facts_start(MediaType::Mp4, 0, &file), Start::Elsewhere(next));
    let header = boxed(b"moov", b"tags");
    assert_eq!(facts_start(MediaType::Mp4, next, &header), Start::At(next));
    let beyond = [&file[..16], b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"].concat();
    assert_eq!(facts_start(MediaType::Mp4, 0, &beyond), Start::Nowhere);
}

#[test]
fn the_header_of_a_real_film_is_found_before_and_behind() {
    for file in [samples::HEADER_FIRST, samples::HEADER_LAST, samples::APPLE] {
        for step in [16, 500] {
            let Start::At(at) = read(facts_start, MediaType::Mp4, file, step) else {
                panic!("there is a header");
            };
            let from_there = &file[usize::try_from(at).unwrap()..];
            let known = crate::facts(MediaType::Mp4, from_there);
            assert_eq!(known, crate::facts(MediaType::Mp4, file));
            assert_eq!(known.duration_ms, Some(500));
            let found = read(scan_start, MediaType::Mp4, file, step);
            assert!(matches!(found, Start::At(_)), "{found:?}");
        }
    }
    assert_eq!(facts_start(MediaType::Jpeg, 0, b"\xff\xd8"), Start::At(0));
}

#[test]
fn a_heic_is_cut_too() {
    let found = scan_start(MediaType::Heic, 0, samples::TAGS_HEIC);
    let at = samples::TAGS_HEIC.windows(4).position(|kind| kind == b"mdat").unwrap();
    assert_eq!(found, Start::At(at as u64 + 4));
}

proptest! {
    #[test]
    fn reading_in_parts_finds_what_reading_at_once_finds(
        sizes in prop::collection::vec(0_usize..300, 0..12),
        media_at in 0_usize..12,
        step in 16_usize..400,
    ) {
        let kind = |index: usize| if index == media_at { b"mdat" } else { b"free" };
        let boxes = sizes.iter().enumerate();
        let file = boxes.flat_map(|(index, size)| boxed(kind(index), &vec![1; *size]));
        let file: Vec<u8> = file.collect();
        let at_once = read(scan_start, MediaType::Mp4, &file, file.len());
        prop_assert_eq!(read(scan_start, MediaType::Mp4, &file, step), at_once);
    }
}
