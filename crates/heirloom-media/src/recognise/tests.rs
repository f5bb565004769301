use super::*;
use proptest::prelude::*;

fn ftyp(brands: &[&[u8; 4]]) -> Vec<u8> {
    let size = u32::try_from(12 + brands.len() * 4).unwrap();
    let mut bytes = size.to_be_bytes().to_vec();
    bytes.extend_from_slice(b"ftyp");
    bytes.extend_from_slice(brands[0]);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend(brands[1..].iter().flat_map(|brand| brand.iter().copied()));
    bytes
}

#[test]
fn the_content_decides_and_not_the_name() {
    let cases: &[(&[u8], MediaType)] = &[
        (b"\xff\xd8\xff\xe0", MediaType::Jpeg),
        (b"\x89PNG\r\n\x1a\n", MediaType::Png),
        (b"GIF89a", MediaType::Gif),
        (b"RIFF\0\0\0\0WEBPVP8 ", MediaType::Webp),
        (b"RIFF\0\0\0\0AVI LIST", MediaType::Avi),
        (b"II*\0\x10\0\0\0CR\x02\0", MediaType::Cr2),
        (b"FUJIFILMCCD-RAW 0201", MediaType::Raf),
        (b"IIU\0\x18\0\0\0", MediaType::Rw2),
        (b"IIRO\x08\0\0\0", MediaType::Orf),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", MediaType::Webm),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", MediaType::Matroska),
        (b"\0\0\0\x08wide\0\0\x10\0mdat", MediaType::Mov),
    ];
    for (head, expected) in cases {
        assert_eq!(recognise("lies.txt", head), Some(*expected), "{head:?}");
    }
}

#[test]
fn a_name_alone_makes_nothing_a_picture() {
    for head in [b"".as_slice(), b"Hello", b"BM but only a text", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE"]
    {
        assert_eq!(recognise("photo.jpg", head), None, "{head:?}");
    }
}

#[test]
fn a_name_tells_apart_what_begins_like_a_tiff() {
    let head = b"II*\0\x08\0\0\0\0\0";
    let named = |name: &str| recognise(name, head);
    assert_eq!(named("scan.tif"), Some(MediaType::Tiff));
    assert_eq!(named("/a.b/DSC_0001.NEF"), Some(MediaType::Nef));
    assert_eq!(named("C:\\x\\1.arw"), Some(MediaType::Arw));
    assert_eq!(named("1.dng"), Some(MediaType::Dng));
    assert_eq!(named("folder.dng/scan"), Some(MediaType::Tiff));
}

#[test]
fn brands_say_what_is_in_the_boxes() {
    let of = |brands: &[&[u8; 4]]| recognise("x", &ftyp(brands));
    assert_eq!(of(&[b"heic", b"mif1"]), Some(MediaType::Heic));
    assert_eq!(of(&[b"mif1", b"heic"]), Some(MediaType::Heic));
    assert_eq!(of(&[b"mif1", b"miaf", b"avif"]), Some(MediaType::Avif));
    assert_eq!(of(&[b"avif", b"mif1"]), Some(MediaType::Avif));
    assert_eq!(of(&[b"mif1", b"unif"]), Some(MediaType::Heif));
    assert_eq!(of(&[b"crx ", b"isom"]), Some(MediaType::Cr3));
    assert_eq!(of(&[b"qt  "]), Some(MediaType::Mov));
    assert_eq!(of(&[b"mp42", b"isom"]), Some(MediaType::Mp4));
    assert_eq!(of(&[b"ABCD", b"isom"]), Some(MediaType::Mp4));
    assert_eq!(of(&[b"3gp5", b"isom"]), Some(MediaType::ThreeGp));
    assert_eq!(of(&[b"M4A ", b"mp42"]), None);
    assert_eq!(recognise("a.MOV", &ftyp(&[b"mp42", b"qt  "])), Some(MediaType::Mov));
    assert_eq!(recognise("a.mp4", &ftyp(&[b"mp42", b"qt  "])), Some(MediaType::Mp4));
}

#[test]
fn packets_that_repeat_are_a_transport_stream() {
    let mut head = vec![0; 1000];
    for packet in 0..5 {
        head[4 + packet * 192] = 0x47;
    }
    assert_eq!(recognise("00001.MTS", &head), Some(MediaType::MpegTs));
    head[4] = 0;
    assert_eq!(recognise("00001.MTS", &head), None);
}

proptest! {
    #[test]
    fn any_bytes_and_name_are_answered(
        name in ".{0,20}",
        head in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let found = recognise(&name, &head);
        prop_assert_eq!(found.is_some() && head.len() < 2, false);
    }
}
