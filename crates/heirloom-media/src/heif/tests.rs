use super::*;
use crate::tests::samples::{boxed, jpeg};

/// A file whose main picture has these properties.
fn with_properties(properties: &[Vec<u8>]) -> Vec<u8> {
    let count = u8::try_from(properties.len()).unwrap();
    let mut used = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 7, count];
    used.extend(1..=count);
    let iprp = [boxed(b"ipco", &properties.concat()), boxed(b"ipma", &used)].concat();
    let inner = [boxed(b"pitm", &[0, 0, 0, 0, 0, 7]), boxed(b"iprp", &iprp)].concat();
    boxed(b"meta", &[&[0; 4], inner.as_slice()].concat())
}

fn size(width: u32, height: u32) -> Vec<u8> {
    boxed(b"ispe", &[[0; 4], width.to_be_bytes(), height.to_be_bytes()].concat())
}

fn orientation(properties: &[Vec<u8>]) -> u8 {
    let file = with_properties(&[&[size(40, 30)], properties].concat());
    let shape = Meta::open(&file).unwrap().shape().unwrap();
    assert_eq!((shape.width, shape.height), (40, 30));
    shape.orientation.number()
}

#[test]
fn properties_turn_a_picture_in_their_order() {
    let turned = |quarters: u8| boxed(b"irot", &[quarters]);
    let mirrored = |axis: u8| boxed(b"imir", &[axis]);
    assert_eq!(orientation(&[]), 1);
    // Against the clock: what phones write for a picture that stands upright.
    assert_eq!(orientation(&[turned(3)]), 6);
    assert_eq!(orientation(&[turned(2)]), 3);
    assert_eq!(orientation(&[turned(1)]), 8);
    assert_eq!(orientation(&[mirrored(1)]), 2);
    assert_eq!(orientation(&[mirrored(0)]), 4);
    assert_eq!(orientation(&[turned(3), mirrored(1)]), 5);
    assert_eq!(orientation(&[mirrored(1), turned(3)]), 7);
}

#[test]
fn the_size_is_that_of_the_main_picture_and_not_of_the_largest() {
    let mut file = with_properties(&[size(40, 30)]);
    assert_eq!(Meta::open(&file).unwrap().shape().map(|shape| shape.width), Some(40));
    // Another item is the main one, and it has no properties.
    let at = file.windows(4).position(|kind| kind == b"pitm").unwrap();
    file[at + 9] = 8;
    assert_eq!(Meta::open(&file).unwrap().shape(), None);
}

/// A file with one JPEG item, whose place has this method.
fn with_picture(picture: &[u8], method: u16) -> Vec<u8> {
    let entry = [&[2, 0, 0, 0, 0, 1, 0, 0], b"jpeg".as_slice()].concat();
    let items = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 1], boxed(b"infe", &entry).as_slice()].concat());
    let length = u32::try_from(picture.len()).unwrap();
    let place = |at: u32| {
        let mut bytes = vec![1, 0, 0, 0, 0x44, 0, 0, 1, 0, 1];
        bytes.extend(method.to_be_bytes());
        bytes.extend([0, 0, 0, 1]);
        bytes.extend(at.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        boxed(b"iloc", &bytes)
    };
    let inside = if method == 1 { boxed(b"idat", picture) } else { Vec::new() };
    let meta = |at: u32| boxed(b"meta", &[&[0; 4], items.as_slice(), &place(at), &inside].concat());
    let at = if method == 1 { 0 } else { u32::try_from(meta(0).len() + 8).unwrap() };
    [meta(at), boxed(b"mdat", if method == 1 { b"" } else { picture })].concat()
}

#[test]
fn a_jpeg_item_is_found_in_the_file_and_in_its_box() {
    let picture = jpeg(16, 12);
    for method in [0, 1] {
        let file = with_picture(&picture, method);
        assert_eq!(Meta::open(&file).unwrap().pictures(), [picture.as_slice()], "{method}");
        let made = crate::thumbnail(
            crate::MediaType::Heif,
            &file,
            Orientation::UPRIGHT,
            crate::Limits::default(),
        );
        assert_eq!(made.unwrap()[0].width, 16);
    }
    let unknown = with_picture(&picture, 2);
    assert!(Meta::open(&unknown).unwrap().pictures().is_empty());
}

#[test]
fn places_that_take_no_bytes_do_not_loop() {
    // Numbers of no width, and counts of four billion items of 65,535 places.
    let mut places = vec![2, 0, 0, 0, 0, 0];
    places.extend(u32::MAX.to_be_bytes());
    places.resize(200_000, 0xff);
    let entry = [&[2, 0, 0, 0, 0, 1, 0, 0], b"jpeg".as_slice()].concat();
    let items = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 1], boxed(b"infe", &entry).as_slice()].concat());
    let file = boxed(b"meta", &[&[0; 4], items.as_slice(), &boxed(b"iloc", &places)].concat());
    assert!(Meta::open(&file).unwrap().pictures().is_empty());
}
