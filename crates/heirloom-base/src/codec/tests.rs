use super::*;
use crate::id::{RecordId, to_hex};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_was_written_is_read_back(
        small in any::<u8>(), long in any::<u64>(), text in ".{0,40}",
        ids in prop::collection::vec(any::<[u8; 16]>(), 0..5),
    ) {
        let ids: Vec<RecordId> = ids.into_iter().map(RecordId).collect();
        let mut writer = Writer::new();
        writer.u8(small);
        writer.u64(long);
        writer.text(&text);
        writer.list(&ids);
        writer.option(ids.first());
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.u8(), Ok(small));
        prop_assert_eq!(reader.u64(), Ok(long));
        prop_assert_eq!(reader.text(1000), Ok(text.as_str()));
        prop_assert_eq!(reader.list::<RecordId>(10), Ok(ids.clone()));
        prop_assert_eq!(reader.option::<RecordId>(), Ok(ids.first().copied()));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn foreign_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut reader = Reader::new(&bytes);
        drop(reader.list::<RecordId>(1000));
        let _ = reader.text(1000);
        let _ = reader.option::<RecordId>();
    }
}

#[test]
fn leftover_and_overlong_bytes_are_refused() {
    assert_eq!(RecordId::from_bytes(&[0; 17]), Err(DecodeError::Trailing(1)));
    assert_eq!(RecordId::from_bytes(&[0; 15]), Err(DecodeError::Truncated));
    let mut reader = Reader::new(&[255, 255, 255, 255]);
    let refused = reader.bytes(10);
    assert!(matches!(refused, Err(DecodeError::TooLong { limit: 10, .. })));
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_bytes()
}

#[test]
fn every_binary_form_is_frozen() {
    let ids = [RecordId([0xaa; 16]), RecordId([0xbb; 16])];
    let rows = [
        (written(|writer| writer.u8(0x01)), "01".to_owned()),
        (written(|writer| writer.u16(0x0102)), "0201".to_owned()),
        (written(|writer| writer.u32(0x0102_0304)), "04030201".to_owned()),
        (written(|writer| writer.u64(0x0102_0304_0506_0708)), "0807060504030201".to_owned()),
        (written(|writer| writer.array(&[9, 8])), "0908".to_owned()),
        (written(|writer| writer.bytes(&[9, 8])), "020000000908".to_owned()),
        (written(|writer| writer.bytes(&[])), "00000000".to_owned()),
        (written(|writer| writer.text("hé")), "0300000068c3a9".to_owned()),
        (
            written(|writer| writer.list(&ids)),
            format!("02000000{}{}", "aa".repeat(16), "bb".repeat(16)),
        ),
        (written(|writer| writer.list::<RecordId>(&[])), "00000000".to_owned()),
        (written(|writer| writer.option(ids.first())), format!("01{}", "aa".repeat(16))),
        (written(|writer| writer.option::<RecordId>(None)), "00".to_owned()),
    ];
    for (bytes, golden) in rows {
        assert_eq!(to_hex(&bytes), golden);
    }
}

#[test]
fn a_writer_knows_how_much_it_wrote() {
    let mut writer = Writer::new();
    assert!(writer.is_empty());
    writer.text("abc");
    assert_eq!((writer.len(), writer.is_empty()), (7, false));
}

#[test]
fn a_reader_that_refuses_a_number_stays_where_it_was() {
    let mut reader = Reader::new(&[1]);
    assert_eq!(reader.u16(), Err(DecodeError::Truncated));
    assert_eq!(reader.u32(), Err(DecodeError::Truncated));
    assert_eq!(reader.u64(), Err(DecodeError::Truncated));
    assert_eq!(reader.take(usize::MAX), Err(DecodeError::Truncated));
    assert_eq!((reader.remaining(), reader.u8()), (1, Ok(1)));
    assert_eq!(reader.u8(), Err(DecodeError::Truncated));
    assert_eq!(reader.take(0), Ok(&[][..]));
}

#[test]
fn a_length_may_reach_its_limit_and_not_pass_it() {
    let bytes = written(|writer| writer.bytes(&[7; 4]));
    assert_eq!(Reader::new(&bytes).bytes(4), Ok(&[7; 4][..]));
    let refused = Err(DecodeError::TooLong { length: 4, limit: 3 });
    assert_eq!(Reader::new(&bytes).bytes(3), refused);
    assert_eq!(Reader::new(&bytes).text(3), refused.map(|_: &[u8]| ""));
    let list = written(|writer| writer.list(&[RecordId([0; 16]); 2]));
    assert_eq!(Reader::new(&list).list::<RecordId>(2).map(|list| list.len()), Ok(2));
    let refused = Reader::new(&list).list::<RecordId>(1);
    assert_eq!(refused, Err(DecodeError::TooLong { length: 2, limit: 1 }));
}

#[test]
fn a_count_alone_reserves_no_memory() {
    let bytes = u32::MAX.to_le_bytes();
    let refused = Reader::new(&bytes).list::<RecordId>(usize::MAX);
    assert_eq!(refused, Err(DecodeError::Truncated));
}

#[test]
fn a_presence_byte_is_zero_or_one() {
    for value in 2..=255u8 {
        let mut bytes = vec![value];
        bytes.extend([0; 16]);
        let refused = Reader::new(&bytes).option::<RecordId>();
        let what = "presence byte";
        assert_eq!(refused, Err(DecodeError::Unknown { what, value: value.into() }));
    }
    assert_eq!(Reader::new(&[1]).option::<RecordId>(), Err(DecodeError::Truncated));
}

#[test]
fn a_text_is_utf_8_in_its_shortest_form() {
    for bytes in
        [&[0xff][..], &[0xc0, 0x80], &[0xed, 0xa0, 0x80], &[0xc3], &[0xf4, 0x90, 0x80, 0x80]]
    {
        let text = written(|writer| writer.bytes(bytes));
        assert_eq!(Reader::new(&text).text(10), Err(DecodeError::NotText), "{bytes:?}");
    }
}

#[test]
fn refusals_are_sentences_without_a_full_stop() {
    for (error, text) in [
        (DecodeError::Truncated, "the bytes end before the value does"),
        (DecodeError::Trailing(3), "3 bytes are left over after the value"),
        (DecodeError::TooLong { length: 5, limit: 4 }, "a length of 5 passes the limit of 4"),
        (DecodeError::Unknown { what: "tag", value: 9 }, "unknown tag: 9"),
        (DecodeError::NotText, "a text is not UTF-8"),
        (DecodeError::NotCanonical("order"), "not in canonical form: order"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

/// One value of every method.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Everything {
    numbers: (u8, u16, u32, u64),
    array: [u8; 5],
    bytes: Vec<u8>,
    text: String,
    list: Vec<RecordId>,
    option: Option<RecordId>,
}

impl Encode for Everything {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.numbers.0);
        writer.u16(self.numbers.1);
        writer.u32(self.numbers.2);
        writer.u64(self.numbers.3);
        writer.array(&self.array);
        writer.bytes(&self.bytes);
        writer.text(&self.text);
        writer.list(&self.list);
        writer.option(self.option.as_ref());
    }
}

impl Decode for Everything {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            numbers: (reader.u8()?, reader.u16()?, reader.u32()?, reader.u64()?),
            array: reader.array()?,
            bytes: reader.bytes(40)?.to_vec(),
            text: reader.text(200)?.to_owned(),
            list: reader.list(4)?,
            option: reader.option()?,
        })
    }
}

prop_compose! {
    fn everything()(
        numbers in any::<(u8, u16, u32, u64)>(), array in any::<[u8; 5]>(),
        bytes in prop::collection::vec(any::<u8>(), 0..40), text in ".{0,20}",
        list in prop::collection::vec(any::<[u8; 16]>(), 0..4),
        option in any::<Option<[u8; 16]>>(),
    ) -> Everything {
        let list = list.into_iter().map(RecordId).collect();
        Everything { numbers, array, bytes, text, list, option: option.map(RecordId) }
    }
}

proptest! {
    #[test]
    fn every_value_has_one_form_which_no_other_length_reads(
        value in everything(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = value.to_bytes();
        prop_assert_eq!(Everything::from_bytes(&bytes), Ok(value));
        let short = &bytes[..cut.index(bytes.len())];
        prop_assert_eq!(Everything::from_bytes(short), Err(DecodeError::Truncated));
        bytes.push(0);
        prop_assert_eq!(Everything::from_bytes(&bytes), Err(DecodeError::Trailing(1)));
    }

    #[test]
    fn what_is_read_from_damaged_bytes_is_written_so_again(
        value in everything(), place in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        let mut bytes = value.to_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(other) = Everything::from_bytes(&bytes) {
            prop_assert_ne!(&other, &value);
            prop_assert_eq!(other.to_bytes(), bytes);
        }
    }
}
