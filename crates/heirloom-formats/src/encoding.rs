//! Character sets: which text the bytes of a foreign file mean.
//!
//! What is stored stays as it came; this is for reading only, with one
//! exception: a file with a byte order mark, also one in UTF-16, is kept as
//! the text that it holds, with [`KEY`] to write it out again byte for byte.

use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, REPLACEMENT, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
use heirloom_schema::{Content, Value};
use std::borrow::Cow;

/// Present in a record whose file has a byte order mark.
pub(crate) const KEY: &str = "encoding";

/// The mark of UTF-8.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Hiragana and katakana in a text that is Japanese without doubt: one may be
/// two signs of another set.
const SYLLABLES_MIN: usize = 2;

/// Characters of a text that is too short for statistics.
const SHORT_PAIRS_MAX: usize = 2;

/// What a byte order mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// UTF-8.
    Utf8,
    /// UTF-16, the low byte first.
    Little,
    /// UTF-16, the high byte first.
    Big,
}

impl Mark {
    /// Returns the mark of the file that a record was read from.
    pub(crate) fn of(content: &Content) -> Option<Self> {
        match content.get(KEY).and_then(Value::as_str) {
            Some("utf-8") => Some(Self::Utf8),
            Some("utf-16le") => Some(Self::Little),
            Some("utf-16be") => Some(Self::Big),
            Some(_) | None => None,
        }
    }

    /// Returns what a record says about its file.
    pub(crate) fn value(self) -> Value {
        let name = match self {
            Self::Utf8 => "utf-8",
            Self::Little => "utf-16le",
            Self::Big => "utf-16be",
        };
        Value::Str(name.to_owned())
    }

    /// Returns a text in this encoding with its byte order mark.
    pub(crate) fn written(self, text: &[u8]) -> Vec<u8> {
        let bytes_of = match self {
            Self::Utf8 => return [MARK, text].concat(),
            Self::Little => u16::to_le_bytes,
            Self::Big => u16::to_be_bytes,
        };
        let text = String::from_utf8_lossy(text);
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes_of).collect()
    }
}

/// Cuts a file into its mark of UTF-8, where it has one, and what is behind it.
pub(crate) fn cut_mark(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(if bytes.starts_with(MARK) { MARK.len() } else { 0 })
}

/// Returns whether a file begins with the mark of UTF-16.
pub(crate) fn is_wide(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")
}

/// Returns a file's beginning in UTF-16 without the half of a character.
pub(crate) fn whole_units(bytes: &[u8]) -> &[u8] {
    let even = bytes.get(..bytes.len() & !1).unwrap_or_default();
    let (text, _) = narrow(even);
    match (text, even.split_at_checked(even.len().saturating_sub(2))) {
        (Cow::Borrowed(_), Some((shorter, _))) => shorter,
        (Cow::Borrowed(_) | Cow::Owned(_), _) => even,
    }
}

/// Returns a file without its byte order mark, as UTF-8 where it is UTF-16;
/// any other file, and one that is no whole UTF-16, as it is.
pub(crate) fn plain(bytes: &[u8]) -> (Cow<'_, [u8]>, Option<Mark>) {
    match bytes.strip_prefix(MARK) {
        Some(rest) => (Cow::Borrowed(rest), Some(Mark::Utf8)),
        None => narrow(bytes),
    }
}

/// As [`plain`], and a file with the mark of UTF-8 as it is too.
pub(crate) fn narrow(bytes: &[u8]) -> (Cow<'_, [u8]>, Option<Mark>) {
    let (mark, unit, rest): (_, fn([u8; 2]) -> u16, _) = match bytes {
        [0xff, 0xfe, rest @ ..] => (Mark::Little, u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (Mark::Big, u16::from_be_bytes, rest),
        _ => return (Cow::Borrowed(bytes), None),
    };
    let (pairs, odd) = rest.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    match char::decode_utf16(units).collect::<Result<String, _>>() {
        Ok(text) if odd.is_empty() => (Cow::Owned(text.into_bytes()), Some(mark)),
        Ok(_) | Err(_) => (Cow::Borrowed(bytes), None),
    }
}

/// Returns the text of bytes that say which character set they are in.
///
/// What is said does not hold where it cannot be: an unknown name, or bytes
/// that are UTF-8 under the name of a set of single bytes.
pub(crate) fn decoded(bytes: &[u8], label: Option<&str>) -> String {
    let label = label.map(|label| label.trim().trim_matches('"'));
    let named = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    let Some(encoding) = named.filter(|one| *one != UTF_8 && *one != REPLACEMENT) else {
        return guessed(bytes);
    };
    if let (true, Ok(text)) = (encoding.is_single_byte(), std::str::from_utf8(bytes)) {
        return text.to_owned();
    }
    // Without a mark, the place of the zero bytes tells the order.
    let is_big = encoding == UTF_16LE && bytes.first() == Some(&0);
    let (text, _, _) = if is_big { UTF_16BE } else { encoding }.decode(bytes);
    text.into_owned()
}

/// Returns the text of bytes that do not say what they are: UTF-8 where they
/// are that; a set of several bytes for a character (Shift_JIS, Big5, EUC-KR)
/// where statistics speak for it; Windows-1252 otherwise, in which every byte
/// is a character.
///
/// A name of one or two characters is too short for statistics: it is
/// GB18030 where all foreign bytes come in pairs of the two high ranges and
/// at least half of the pairs are common Chinese characters.
pub(crate) fn guessed(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let likely = likely(bytes);
    let encoding = match (chinese_pairs(bytes), likely) {
        (Some(pairs), Some(likely)) if pairs > SHORT_PAIRS_MAX => likely,
        (Some(_), _) => encoding_rs::GB18030,
        (None, Some(likely)) => likely,
        (None, None) => encoding_rs::WINDOWS_1252,
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Returns the set of several bytes for a character that statistics see, or
/// that syllables of Japanese tell.
fn likely(bytes: &[u8]) -> Option<&'static Encoding> {
    let (text, is_broken) = SHIFT_JIS.decode_without_bom_handling(bytes);
    let syllables = text.chars().filter(|letter| ('\u{3041}'..='\u{30fa}').contains(letter));
    if !is_broken && syllables.count() >= SYLLABLES_MIN {
        return Some(SHIFT_JIS);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let likely = detector.guess(None, Utf8Detection::Deny);
    let is_whole = !likely.decode_without_bom_handling(bytes).1;
    (!likely.is_single_byte() && is_whole).then_some(likely)
}

/// Returns the number of pairs in which all foreign bytes stand, if they may
/// be Chinese characters.
fn chinese_pairs(bytes: &[u8]) -> Option<usize> {
    let (mut pairs, mut common) = (0usize, 0usize);
    let mut bytes = bytes.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte < 0x80 {
            continue;
        }
        let is_pair = (0xa1..=0xf7).contains(&byte)
            && bytes.next().is_some_and(|second| (0xa1..=0xfe).contains(&second));
        if !is_pair {
            return None;
        }
        pairs += 1;
        // Rows A1 to A3 are punctuation, B0 to D7 the characters of every day.
        common += usize::from(matches!(byte, 0xa1..=0xa3 | 0xb0..=0xd7));
    }
    (pairs > 0 && common * 2 >= pairs).then_some(pairs)
}

/// Returns what base64 holds, with or without its padding and with white space
/// in it.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let letters = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let letters: Vec<u8> = letters.collect();
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(letters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_line_says_about_its_bytes_holds_where_it_can() {
        for (bytes, label, expected) in [
            (&b"\xc4\xe3\xba\xc3"[..], "GB18030", "你好"),
            (b"\xc4\xe3\xba\xc3", "gb2312", "你好"),
            (b"\xc4\xa3", "GBK", "模"),
            (b"\xa7\xf5", "Big5", "李"),
            (b"\x8e\x52\x93\x63", "Shift_JIS", "山田"),
            (b"M\xfcller", "ISO-8859-1", "Müller"),
            ("Müller".as_bytes(), "ISO-8859-1", "Müller"),
            (b"10 \x80", "windows-1252", "10 €"),
            (b"10 \xa4", "ISO-8859-15", "10 €"),
            (b"\x60\x4f", "UTF-16", "你"),
            (b"\xfe\xff\x4f\x60", "UTF-16", "你"),
            (b"\x00A\x00B", "UTF-16", "AB"),
            (b"M\xfcller", "UTF-8", "Müller"),
            (b"M\xfcller", "X-NOBODY-KNOWS", "Müller"),
        ] {
            assert_eq!(decoded(bytes, Some(label)), expected, "{label}");
        }
    }

    #[test]
    fn bytes_that_say_nothing_are_guessed_by_one_rule() {
        for (bytes, expected) in [
            ("Ü 你".as_bytes(), "Ü 你"),
            (b"M\xfcller", "Müller"),
            (b"Gr\xf6\xdfe", "Größe"),
            (b"\xc0\xee\xc4\xfe", "李宁"),
            (b"Tel: \xd5\xc5 1", "Tel: 张 1"),
            (b"\x93quoted\x94", "\u{201c}quoted\u{201d}"),
            (b"\xff", "ÿ"),
        ] {
            assert_eq!(guessed(bytes), expected);
        }
    }

    #[test]
    fn texts_of_several_bytes_for_a_character_are_told_from_others() {
        let texts: [(&Encoding, &[&str]); 5] = [
            (
                encoding_rs::SHIFT_JIS,
                &[
                    "山田太郎",
                    "田中 花子",
                    "東京都港区芝公園",
                    "やまだたろう",
                    "ヤマダ",
                    "表と能の会",
                ],
            ),
            (encoding_rs::BIG5, &["陳美玲", "王小明", "台北市信義區", "功德路一號"]),
            (encoding_rs::GBK, &["李小龙", "王芳", "张", "母亲", "北京市海淀区", "邻居，浇花。"]),
            (encoding_rs::EUC_KR, &["김철수", "이영희", "서울특별시"]),
            (
                encoding_rs::WINDOWS_1252,
                &[
                    "Müller",
                    "GRÖSSE",
                    "Ü",
                    "ÄÖÜ",
                    "Zoé Lefèvre",
                    "São Paulo",
                    "Peña",
                    "Ærø",
                    "naïve",
                    "10 €",
                    "Crème brûlée",
                    "Åsa Nyström",
                    "Straße 5, Köln",
                ],
            ),
        ];
        for (encoding, texts) in texts {
            for text in texts {
                assert_eq!(guessed(&encoding.encode(text).0), *text, "{}", encoding.name());
            }
        }
    }

    #[test]
    fn only_whole_utf_16_is_read_as_such() {
        let text = "BEGIN:VCARD\r\nFN:Zoë 🙂\r\n".as_bytes();
        for mark in [Mark::Utf8, Mark::Little, Mark::Big] {
            let file = mark.written(text);
            assert_eq!(plain(&file), (Cow::Owned(text.to_vec()), Some(mark)));
            assert_eq!(narrow(&file).1, Some(mark).filter(|mark| *mark != Mark::Utf8));
            let content = Content::from([(KEY.to_owned(), mark.value())]);
            assert_eq!(Mark::of(&content), Some(mark));
        }
        for odd in [&b"\xff\xfea"[..], b"\xff\xfe\x00\xd8", b"\xfe\xff\xdc\x00a\x00", b"text", b""]
        {
            assert_eq!(plain(odd), (Cow::Borrowed(odd), None));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn wide_files_come_back_byte_for_byte(units: Vec<u16>, big: bool) {
            let wide = if big { Mark::Big } else { Mark::Little };
            let mut file = wide.written(b"");
            file.extend(units.iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }));
            if let (text, Some(found)) = plain(&file) {
                prop_assert_eq!(found, wide);
                prop_assert_eq!(wide.written(&text), file);
            }
        }

        #[test]
        fn any_bytes_have_a_text(bytes: Vec<u8>, label in "[A-Za-z0-9-]{0,10}|GBK|Big5|UTF-16|Shift_JIS|ISO-2022-JP") {
            drop((guessed(&bytes), decoded(&bytes, Some(&label))));
        }
    }
}
