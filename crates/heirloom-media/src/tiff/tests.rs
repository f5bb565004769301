use super::*;
use crate::tests::samples::{Tag, directory_bytes, jpeg, long, push_directory, short};

/// A raw file: a small copy in the first directory, the sensor's in another
/// one inside it, and a JPEG behind all.
fn raw() -> (Vec<u8>, Vec<u8>) {
    let picture = jpeg(16, 12);
    let inner = [long(SUBFILE_TYPE, 0), long(WIDTH, 6000), long(HEIGHT, 4000)];
    let first = |inner_at: u32, picture_at: u32| {
        vec![
            long(SUBFILE_TYPE, 1),
            long(WIDTH, 160),
            long(HEIGHT, 120),
            long(SUB_DIRECTORIES, inner_at),
            long(JPEG_OFFSET, picture_at),
            long(JPEG_LENGTH, u32::try_from(picture.len()).unwrap()),
            Tag(DNG_VERSION, 1, 4, vec![1, 4, 0, 0]),
        ]
    };
    let inner_at = 8 + directory_bytes(&first(0, 0));
    let picture_at = inner_at + directory_bytes(&inner);
    let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
    push_directory(&mut bytes, &first(inner_at, picture_at), 0);
    push_directory(&mut bytes, &inner, 0);
    bytes.extend(&picture);
    (bytes, picture)
}

#[test]
fn a_raw_file_has_the_size_of_the_sensor_and_a_picture_inside() {
    let (bytes, picture) = raw();
    let tiff = Tiff::open(&bytes).unwrap();
    assert_eq!(tiff.size(), Some((6000, 4000)));
    assert_eq!(tiff.pictures(), [picture.as_slice()]);
    assert!(says_dng(&bytes));
    assert_eq!(crate::recognise("no name", &bytes), Some(crate::MediaType::Dng));
}

#[test]
fn a_strip_is_a_picture_where_it_is_a_jpeg_for_people() {
    let picture = jpeg(16, 12);
    let with = |photometric: u16| {
        let tags = |at: u32| {
            vec![
                short(COMPRESSION, 7),
                short(PHOTOMETRIC, photometric),
                long(STRIP_OFFSETS, at),
                long(STRIP_LENGTHS, u32::try_from(picture.len()).unwrap()),
            ]
        };
        let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
        push_directory(&mut bytes, &tags(8 + directory_bytes(&tags(0))), 0);
        [bytes, picture.clone()].concat()
    };
    let found = |bytes: &[u8]| Tiff::open(bytes).unwrap().pictures().len();
    assert_eq!(found(&with(6)), 1);
    // 32803 is what a sensor saw.
    assert_eq!(found(&with(32_803)), 0);
}

#[test]
fn a_chain_without_end_is_bounded() {
    let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
    push_directory(&mut bytes, &[long(SUB_DIRECTORIES, 8)], 8);
    let tiff = Tiff::open(&bytes).unwrap();
    assert_eq!(tiff.chain().len(), DIRECTORIES_MAX);
    assert!(tiff.all().len() <= DIRECTORIES_MAX * (DIRECTORIES_MAX + 1));
}

#[test]
fn fujifilm_puts_its_picture_where_the_header_says() {
    let mut bytes = b"FUJIFILMCCD-RAW ".to_vec();
    bytes.resize(84, 0);
    bytes.extend(100_u32.to_be_bytes());
    bytes.extend(u32::MAX.to_be_bytes());
    bytes.resize(100, 0);
    bytes.extend(jpeg(16, 12));
    assert!(fujifilm_picture(&bytes).unwrap().starts_with(b"\xff\xd8\xff"));
    let known = crate::facts(crate::MediaType::Raf, &bytes);
    assert_eq!((known.width, known.height), (Some(16), Some(12)));
    assert_eq!(fujifilm_picture(&bytes[..99]), None);
}
