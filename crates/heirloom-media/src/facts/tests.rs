use super::*;
use crate::moment::TimeSource;
use crate::tests::samples::{self, Tag, fractions, jpeg, long, short, text, tiff, with_tags};

fn of_tags(first: &[Tag], camera: &[Tag], place: &[Tag]) -> Facts {
    facts(MediaType::Jpeg, &with_tags(&jpeg(8, 6), &tiff(first, camera, place)))
}

#[test]
fn a_phones_photo_says_all() {
    let photo = with_tags(&jpeg(40, 30), &samples::camera_tags());
    let taken = TakenAt {
        local_ms: 1_714_566_896_250,
        offset_minutes: Some(120),
        source: TimeSource::Exif,
    };
    let expected = Facts {
        // The frame counts, and not what the tags say of it.
        width: Some(40),
        height: Some(30),
        orientation: Orientation::new(6),
        taken: Some(taken),
        make: Some("Apple".to_owned()),
        model: Some("iPhone 15".to_owned()),
        place: Some(Place { latitude_e7: 488_577_000, longitude_e7: -22_950_000 }),
        duration_ms: None,
    };
    assert_eq!(facts(MediaType::Jpeg, &photo), expected);
}

#[test]
fn tags_of_other_programs_are_read_in_every_container() {
    let cases = [
        (MediaType::Png, samples::TAGS_PNG, Orientation::new(6)),
        (MediaType::Webp, samples::TAGS_WEBP, Orientation::new(6)),
        // A HEIC is turned by its properties alone, whatever its tags say.
        (MediaType::Heic, samples::TAGS_HEIC, Some(Orientation::UPRIGHT)),
    ];
    for (media_type, bytes, orientation) in cases {
        let known = facts(media_type, bytes);
        assert_eq!((known.width, known.height), (Some(64), Some(48)), "{media_type:?}");
        assert_eq!(known.orientation, orientation, "{media_type:?}");
        assert_eq!(known.make.as_deref(), Some("Samsung"), "{media_type:?}");
        assert_eq!(known.model.as_deref(), Some("SM-S918B"), "{media_type:?}");
        let taken = known.taken.unwrap();
        assert_eq!((taken.local_ms, taken.offset_minutes), (1_714_566_896_000, Some(120)));
    }
}

#[test]
fn every_kind_of_picture_has_its_size() {
    let cases = [
        (MediaType::Jpeg, samples::CMYK),
        (MediaType::Jpeg, samples::PROGRESSIVE),
        (MediaType::Jpeg, samples::GREY),
        (MediaType::Gif, samples::ANIMATED_GIF),
        (MediaType::Webp, samples::LOSSY_WEBP),
        (MediaType::Webp, samples::ALPHA_WEBP),
        (MediaType::Webp, samples::ANIMATED_WEBP),
        (MediaType::Avif, samples::AVIF),
    ];
    for (media_type, bytes) in cases {
        assert_eq!(crate::recognise("x", bytes), Some(media_type));
        let known = facts(media_type, bytes);
        assert_eq!((known.width, known.height), (Some(64), Some(48)), "{media_type:?}");
    }
}

#[test]
fn orientations_0_and_9_are_none() {
    for number in [0, 9, 256, u16::MAX] {
        assert_eq!(of_tags(&[short(0x0112, number)], &[], &[]).orientation, None, "{number}");
    }
    assert_eq!(of_tags(&[short(0x0112, 8)], &[], &[]).orientation, Orientation::new(8));
}

#[test]
fn a_date_of_zeros_is_none_and_the_next_one_counts() {
    let zeros = text(0x9003, "0000:00:00 00:00:00");
    assert_eq!(of_tags(&[], std::slice::from_ref(&zeros), &[]).taken, None);
    let digitized = text(0x9004, "1970:01:01 00:00:01");
    let taken = of_tags(&[], &[zeros.clone(), digitized], &[]).taken.unwrap();
    assert_eq!((taken.local_ms, taken.offset_minutes), (1000, None));
    let changed = text(0x0132, "1970:01:01 00:00:02");
    let offset = text(0x9010, "-01:00");
    let taken = of_tags(&[changed], &[zeros, offset], &[]).taken.unwrap();
    assert_eq!((taken.local_ms, taken.offset_minutes), (2000, Some(-60)));
}

#[test]
fn a_place_without_all_of_its_parts_is_none() {
    let north = [text(1, "N"), fractions(2, &[(48, 1), (51, 1), (0, 1)])];
    let east = [text(3, "E"), fractions(4, &[(2, 1), (0, 1), (0, 1)])];
    let place = |tags: &[Tag]| of_tags(&[], &[], tags).place;
    assert!(place(&[north.clone(), east.clone()].concat()).is_some());
    assert_eq!(place(&north), None);
    // Without its letter a coordinate could be on either side.
    assert_eq!(place(&[&north[1..], &east].concat()), None);
    let broken = [text(3, "E"), fractions(4, &[(2, 0), (0, 0), (0, 1)])];
    assert_eq!(place(&[north.clone(), broken].concat()), None);
    let off = [text(3, "E"), fractions(4, &[(181, 1), (0, 1), (0, 1)])];
    assert_eq!(place(&[north, off].concat()), None);
}

#[test]
fn directories_that_point_at_themselves_end() {
    let block = tiff(&[short(0x0112, 3), long(0x014a, 8)], &[], &[]);
    let mut looped = block.clone();
    // The camera's directory is the first one, and the chain goes back to it.
    let pointer = 8 + 2 + 2 * 12 + 8;
    looped[pointer..pointer + 4].copy_from_slice(&8_u32.to_be_bytes());
    looped[pointer + 16..pointer + 20].copy_from_slice(&8_u32.to_be_bytes());
    for media_type in [MediaType::Tiff, MediaType::Dng] {
        let known = facts(media_type, &looped);
        assert_eq!(known.orientation, Orientation::new(3));
    }
}

#[test]
fn counts_of_four_billion_are_no_values() {
    let huge = [Tag(0x010f, 2, u32::MAX, vec![0; 8]), Tag(0x0110, 12, u32::MAX, vec![0; 8])];
    let known = of_tags(&huge, &[Tag(0x9003, 5, u32::MAX, vec![1; 8])], &[]);
    assert_eq!((known.make, known.model, known.taken), (None, None, None));
}

#[test]
fn a_directory_of_pointers_to_directories_is_read_once() {
    // 2,570 pointers to overlapping directories of 2,570 entries each.
    let mut block = b"MM\0*\0\0\0\x08\x0a\x0a".to_vec();
    for offset in 31_000_u32..33_570 {
        block.extend(0x8769_0004_u32.to_be_bytes());
        block.extend(1_u32.to_be_bytes());
        block.extend(offset.to_be_bytes());
    }
    block.resize(65_000, 0x0a);
    assert_eq!(facts(MediaType::Tiff, &block), Facts::default());
}

#[test]
fn a_film_says_when_where_how_long_and_how_it_lies() {
    let last = facts(MediaType::Mp4, samples::HEADER_LAST);
    assert_eq!((last.width, last.height), (Some(64), Some(48)));
    assert_eq!(last.duration_ms, Some(500));
    assert_eq!(last.orientation, Some(Orientation::UPRIGHT));
    let taken = TakenAt {
        local_ms: 1_714_559_696_000,
        offset_minutes: Some(0),
        source: TimeSource::VideoHeader,
    };
    assert_eq!(last.taken, Some(taken));
    let place = Place { latitude_e7: 488_577_000, longitude_e7: 22_950_000 };
    // It is written in steps of 1/65536 degree there, about a metre.
    let found = last.place.unwrap();
    assert!(found.latitude_e7.abs_diff(place.latitude_e7) < 153);
    assert!(found.longitude_e7.abs_diff(place.longitude_e7) < 153);

    let first = facts(MediaType::Mp4, samples::HEADER_FIRST);
    assert_eq!((first.orientation, first.taken), (Orientation::new(8), None));

    let apple = facts(MediaType::Mov, samples::APPLE);
    assert_eq!(apple.make.as_deref(), Some("Apple"));
    assert_eq!(apple.model.as_deref(), Some("iPhone 15"));
    assert_eq!(apple.place, Some(place));
    let taken = apple.taken.unwrap();
    assert_eq!((taken.local_ms, taken.offset_minutes), (1_714_566_896_000, Some(120)));
}

#[test]
fn a_recognised_film_that_is_not_read_has_no_facts() {
    assert_eq!(crate::recognise("x", samples::WEBM), Some(MediaType::Webm));
    assert_eq!(facts(MediaType::Webm, samples::WEBM), Facts::default());
}
