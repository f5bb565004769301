use super::{content_lines as lines_of, *};
use proptest::prelude::*;

/// Cuts bytes into content lines.
fn content_lines(bytes: &[u8]) -> Vec<Physical<'_>> {
    lines_of(bytes).collect()
}

fn read(text: &str) -> Property {
    Property::read(text.as_bytes()).unwrap()
}

#[test]
fn folds_blank_lines_and_soft_breaks_belong_to_their_line() {
    let text = b"A:1\r\n 2\r\n\r\nB;ENCODING=QUOTED-PRINTABLE:x=\r\ny=\r\nz\r\nC:3";
    let lines = content_lines(text);
    let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [1, 4, 7]);
    assert_eq!(unfolded(lines[0].bytes), b"A:12");
    assert_eq!(unfolded(lines[1].bytes), b"B;ENCODING=QUOTED-PRINTABLE:xyz");
    assert_eq!(lines[2].bytes, b"C:3");
}

#[test]
fn every_kind_of_line_end_is_known() {
    for text in ["A:1\nB:2\n", "A:1\r\nB:2\r\n", "A:1\rB:2\r", "A:1\nB:2"] {
        let lines = content_lines(text.as_bytes());
        assert_eq!(lines.len(), 2, "{text:?}");
        assert_eq!(unfolded(lines[0].bytes), b"A:1", "{text:?}");
    }
    assert_eq!(content_lines(b"A:1\rsame line\r\nB:2\r\n").len(), 2);
}

#[test]
fn a_date_stands_behind_the_last_colon_where_none_stands_behind_the_first() {
    for (line, zone, value) in [
        (
            "DTSTART;TZID=(UTC+01:00) Rome, Bern:20260701T100000",
            "(UTC+01:00) Rome, Bern",
            "20260701T100000",
        ),
        ("EXDATE;TZID=a://b:20260701T100000,20260702", "a://b", "20260701T100000,20260702"),
        ("RDATE;TZID=a:b:20260701T100000/PT1H", "a:b", "20260701T100000/PT1H"),
        ("DTSTART;TZID=\"a:b\":20260701T100000", "a:b", "20260701T100000"),
        ("DTSTART;TZID=Asia/Tokyo:2026-07-01T10:00:00", "Asia/Tokyo", "2026-07-01T10:00:00"),
        ("DTSTART;TZID=a:soon:later", "a", "soon:later"),
        ("X-START;TZID=a:b:20260701T100000", "a", "b:20260701T100000"),
    ] {
        let property = read(line);
        assert_eq!(property.parameter("TZID").collect::<Vec<_>>(), [zone], "{line}");
        assert_eq!(property.text(), value, "{line}");
        assert_eq!(format!("{}{}", property.prefix, property.text()), line);
    }
}

#[test]
fn a_fold_inside_a_character_heals() {
    let line = "N:\u{fc}".as_bytes();
    let cut = [&line[..3], b"\r\n ", &line[3..]].concat();
    assert_eq!(unfolded(&cut), line);
}

#[test]
fn groups_parameters_and_quotes_are_read() {
    let line = read("item1.Tel;type=CELL;TYPE=\"voice,home\";X-A=\"a:b;c\":+49 30: 1\r\n");
    assert_eq!(line.group.as_deref(), Some("item1"));
    assert_eq!(line.name, "TEL");
    assert_eq!(line.parameter("TYPE").collect::<Vec<_>>(), ["CELL", "voice", "home"]);
    assert_eq!(line.parameter("X-A").collect::<Vec<_>>(), ["a:b;c"]);
    assert_eq!(line.text(), "+49 30: 1");
    assert_eq!(line.prefix, "item1.Tel;type=CELL;TYPE=\"voice,home\";X-A=\"a:b;c\":");
}

#[test]
fn a_text_in_base64_is_read_and_a_photo_is_not() {
    assert_eq!(read("NOTE;BASE64:R3LDvMOfZQ==\r\n\r\n").text(), "Gr\u{fc}\u{df}e");
    assert_eq!(read("N;ENCODING=BASE64;CHARSET=ISO-8859-1:TfxsbGVyO0E\n").text(), "M\u{fc}ller;A");
    assert_eq!(read("item1.NOTE;ENCODING=b:R3LD\r\n vMOfZQ==\r\n").text(), "Gr\u{fc}\u{df}e");
    for line in ["PHOTO;BASE64:R3LD", "X-NOTE;BASE64:R3LD", "NOTE;BASE64:no base64!"] {
        let value = line.split_once(':').unwrap().1;
        assert_eq!(read(line).text(), value);
    }
}

#[test]
fn bare_parameters_of_old_cards_are_types_or_encodings() {
    let line = read("TEL;CELL;VOICE:1");
    assert_eq!(line.parameter("TYPE").collect::<Vec<_>>(), ["CELL", "VOICE"]);
    let line = read("N;CHARSET=UTF-8;QUOTED-PRINTABLE:M=C3=BC;=5\n");
    assert!(line.is_quoted_printable());
    assert_eq!(line.text(), "M\u{fc};=5");
}

#[test]
fn bytes_of_other_character_sets_are_read() {
    let latin = Property::read(b"FN;CHARSET=ISO-8859-1:M\xfcller").unwrap();
    assert_eq!(latin.text(), "M\u{fc}ller");
    let other = Property::read(b"FN;CHARSET=GB18030:\xc4\xe3").unwrap();
    assert_eq!(other.text(), "\u{4f60}");
    let quoted = b"FN;CHARSET=Big5;ENCODING=QUOTED-PRINTABLE:=A7=\r\n=F5=\r\n";
    assert_eq!(Property::read(quoted).unwrap().text(), "\u{674e}");
}

#[test]
fn a_soft_break_never_swallows_the_end_and_keeps_its_white_space() {
    let lines = b"NOTE;ENCODING=QUOTED-PRINTABLE:a=\r\n b=\r\nEND:VCARD\r\n";
    let lines = content_lines(lines);
    assert_eq!(lines.len(), 2);
    assert_eq!(Property::read(lines[0].bytes).unwrap().text(), "a b");
}

#[test]
fn a_photo_that_nobody_indented_is_one_line_until_the_blank_one() {
    let text = b"PHOTO;JPEG;BASE64:\r\n/9j/4AAQ\r\nSkZJRg==\r\n\r\nEND\r\nX:1\r\n";
    let lines = content_lines(text);
    let starts: Vec<&[u8]> = lines.iter().map(|line| &line.bytes[..3]).collect();
    assert_eq!(starts, [b"PHO", b"END", b"X:1"]);
    assert_eq!(unfolded(lines[0].bytes), b"PHOTO;JPEG;BASE64:/9j/4AAQSkZJRg==");
}

#[test]
fn line_ends_of_several_systems_stand_in_one_file() {
    let text = b"A:1\rB.C-D;x:2\rnot a property\nE:3\r\r\nF:4\r\r\rG:5\n";
    let lines: Vec<&[u8]> = physical_lines(text).collect();
    let expected: [&[u8]; 5] =
        [b"A:1\r", b"B.C-D;x:2\rnot a property\n", b"E:3\r\r\n", b"F:4\r\r\r", b"G:5\n"];
    assert_eq!(lines, expected);
    assert_eq!(without_terminator(lines[2]), b"E:3");
}

#[test]
fn a_label_of_an_old_android_is_read() {
    let line = read("TEL;X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=E5=B7=A5):1");
    assert_eq!(line.parameter("TYPE").collect::<Vec<_>>(), ["\u{5de5}"]);
    assert!(!line.is_quoted_printable());
}

#[test]
fn what_is_no_content_line_has_no_name() {
    for text in ["", "no colon", ":value", "a b:c", "\u{fc}:x", "A;B"] {
        assert_eq!(Property::read(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn long_lines_fold_between_characters_and_unfold_again() {
    let line = format!("NOTE:{}", "\u{1f382}\u{fc}x".repeat(60));
    let bytes = folded(&line, "\r\n");
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.split("\r\n").all(|part| part.len() <= 75));
    assert_eq!(unfolded(&bytes), line.as_bytes());
}

#[test]
fn quoted_printable_survives_its_soft_breaks() {
    let text = "Gr\u{fc}\u{df}e\naus=K\u{f6}ln ".repeat(9);
    let line = quoted_printable("NOTE;ENCODING=QUOTED-PRINTABLE:", &text, "\r\n");
    assert_eq!(content_lines(&line).len(), 1);
    assert_eq!(Property::read(&line).unwrap().text(), text);
}

#[test]
fn an_item_that_passes_a_limit_says_which() {
    let mut size = Size::default();
    let line = [b"NOTE:".to_vec(), vec![b'x'; 600 * 1024]].concat();
    assert_eq!(size.count(&line), Ok(()));
    assert_eq!(size.count(&line), Err("its text is larger than 1 MiB"));
    let photo = [b"PHOTO:".to_vec(), vec![b'x'; 7 << 20]].concat();
    let mut size = Size::default();
    assert_eq!(size.count(&photo), Ok(()));
    assert_eq!(size.count(&photo), Err("its photo is larger than 10 MiB"));
    let limit = heirloom_base::limits::CARD_PHOTO_BYTES_MAX;
    for head in ["PHOTO;ENCODING=b;X=\"a:b\":", "PHOTO;BASE64:", "PHOTO:data:image/png;base64,"] {
        for (bytes, expected) in
            [(limit, Ok(())), (limit + 1, Err("its photo is larger than 10 MiB"))]
        {
            let (threes, rest) = (bytes / 3, bytes % 3);
            let end = ["", "AA==", "AAA="][rest];
            let folded = "\r\n ".to_owned() + &"A".repeat(72);
            let letters = 4 * threes;
            let value =
                [folded.repeat(letters / 72), "A".repeat(letters % 72), end.into()].concat();
            let line = format!("{head}{value}\r\n");
            assert_eq!(Size::default().count(line.as_bytes()), expected, "{head} {bytes}");
        }
    }
    let mut size = Size::default();
    let counted = (0..1001).map(|_| size.count(b"TEL:1")).filter(Result::is_err).count();
    assert_eq!(counted, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn cutting_loses_no_byte(bytes in prop::collection::vec(prop::sample::select(
        b"AB:;=\"\r\n \t.\xc3\xbcQ".to_vec()), 0..80)
    ) {
        let lines = content_lines(&bytes);
        let all: Vec<u8> = lines.iter().flat_map(|line| line.bytes).copied().collect();
        prop_assert_eq!(&all, &bytes);
        for line in lines {
            drop(Property::read(line.bytes).map(|property| property.text()));
        }
    }

    #[test]
    fn any_text_folds_and_unfolds(text in "[^\r\n]{0,200}", lf: bool) {
        let line = format!("X:{text}");
        prop_assert_eq!(unfolded(&folded(&line, if lf { "\n" } else { "\r\n" })), line.as_bytes());
    }
}
