//! Content lines of vCard and iCalendar: cutting, unfolding, reading.

use crate::encoding;
use crate::moment::Moment;
use heirloom_base::limits;

/// A content line as it stands in a file: with its folds, its terminator and
/// the blank lines behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Physical<'a> {
    /// The line's number in the file, from 1.
    pub(crate) number: usize,
    /// The bytes.
    pub(crate) bytes: &'a [u8],
}

/// Cuts bytes into lines, each with its terminator. A lone carriage return
/// ends a line where there is no line feed at all, and where a property
/// begins behind it: two files of different systems in one.
pub(crate) fn physical_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let has_feeds = bytes.contains(&b'\n');
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (line, tail) = rest.split_at(end_of_line(rest, has_feeds));
        rest = tail;
        (!line.is_empty()).then_some(line)
    })
}

fn end_of_line(bytes: &[u8], has_feeds: bool) -> usize {
    let mut at = 0;
    while let Some(found) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')))
    {
        at += found + 1;
        if bytes.get(at - 1) == Some(&b'\n') || !has_feeds {
            return at;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        at += rest.iter().take_while(|byte| **byte == b'\r').count();
        let rest = bytes.get(at..).unwrap_or_default();
        if begins_property(rest) {
            return at;
        }
    }
    bytes.len()
}

/// Returns whether bytes begin as a property does: a name and what ends it.
pub(crate) fn begins_property(bytes: &[u8]) -> bool {
    const NAME_BYTES_MAX: usize = 64;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let length = bytes.iter().take(NAME_BYTES_MAX).take_while(|byte| is_name(byte)).count();
    length > 0 && matches!(bytes.get(length), Some(b':' | b';'))
}

/// How a line's value goes on in the next one, besides by a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transfer {
    /// Not at all.
    Plain,
    /// Behind a `=` at the end.
    Quoted,
    /// Until a blank line, also where nobody folded.
    Base64,
}

impl Transfer {
    fn of(line: &[u8]) -> Self {
        if is_quoted_printable(line) {
            Self::Quoted
        } else if has_encoding(line, &[b"BASE64", b"ENCODING=B"]) {
            Self::Base64
        } else {
            Self::Plain
        }
    }

    /// Returns whether a line without a fold goes on behind `before`.
    fn goes_on(self, before: &[u8], body: &[u8]) -> bool {
        match self {
            Self::Plain => false,
            Self::Quoted => before.last() == Some(&b'=') && !is_frame(body),
            Self::Base64 => {
                let digit = |byte: &u8| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ')
                };
                !before.is_empty() && body.iter().all(digit)
            }
        }
    }
}

/// Returns whether a line ends as if it went on, so that whatever comes behind
/// it would be a part of it: only the end of a card may.
pub(crate) fn is_open(bytes: &[u8]) -> bool {
    let last = physical_lines(bytes).last().map(without_terminator);
    is_quoted_printable(bytes) && last.is_some_and(|last| last.ends_with(b"="))
}

/// Returns whether a line opens or closes a component and says nothing else,
/// which no value does.
fn is_frame(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let begins = |frame: &[u8]| {
        let (head, name) = line.split_at_checked(frame.len())?;
        head.eq_ignore_ascii_case(frame).then_some(name)
    };
    let name = begins(b"BEGIN:V").or_else(|| begins(b"END:V"));
    name.is_some_and(|name| name.iter().all(u8::is_ascii_alphabetic))
}

/// Cuts bytes into content lines. No byte is lost.
pub(crate) fn content_lines(bytes: &[u8]) -> impl Iterator<Item = Physical<'_>> {
    let mut parts = physical_lines(bytes).enumerate().peekable();
    let mut start = 0;
    std::iter::from_fn(move || {
        let (index, first) = parts.next()?;
        let mut before = without_terminator(first);
        let transfer = Transfer::of(before);
        let mut end = start + first.len();
        while let Some((_, next)) = parts.next_if(|(_, next)| {
            let body = without_terminator(next);
            let is_fold = body.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
            body.is_empty() || is_fold || transfer.goes_on(before, body)
        }) {
            before = without_terminator(next);
            end += next.len();
        }
        let bytes = bytes.get(start..end)?;
        start = end;
        Some(Physical { number: index + 1, bytes })
    })
}

/// Returns a line without its terminator.
pub(crate) fn without_terminator(line: &[u8]) -> &[u8] {
    let mut line = line.strip_suffix(b"\n").unwrap_or(line);
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    line
}

fn is_quoted_printable(line: &[u8]) -> bool {
    has_encoding(line, &[b"QUOTED-PRINTABLE"])
}

/// Returns whether the part of a line before its value has one of these words.
fn has_encoding(line: &[u8], words: &[&[u8]]) -> bool {
    let head = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let head = head.get(..head.len().min(200)).unwrap_or_default().to_ascii_uppercase();
    words.iter().any(|word| head.windows(word.len()).any(|window| window == *word))
}

/// Returns the line without folds, soft breaks and terminators.
pub(crate) fn unfolded(bytes: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(bytes.len());
    let is_quoted = is_quoted_printable(bytes);
    for (index, physical) in physical_lines(bytes).enumerate() {
        let body = without_terminator(physical);
        // White space behind a soft break is part of the text.
        let is_soft = is_quoted && index > 0 && line.last() == Some(&b'=');
        let folded = body.strip_prefix(b" ").or_else(|| body.strip_prefix(b"\t"));
        let body = folded.filter(|_| index > 0 && !is_soft).unwrap_or(body);
        if is_soft {
            line.pop();
        }
        line.extend_from_slice(body);
    }
    line
}

/// Octets of a line above which it is folded (RFC 6350, 3.2; RFC 5545, 3.1).
pub(crate) const FOLD_OCTETS: usize = 75;

/// Returns the line folded, between characters, with a terminator.
pub(crate) fn folded(line: &str, eol: &str) -> Vec<u8> {
    let mut text = String::with_capacity(line.len() + line.len() / FOLD_OCTETS * 3 + 2);
    let mut octets = 0;
    for letter in line.chars() {
        if octets + letter.len_utf8() > FOLD_OCTETS {
            text.push_str(eol);
            text.push(' ');
            octets = 1;
        }
        octets += letter.len_utf8();
        text.push(letter);
    }
    text.push_str(eol);
    text.into_bytes()
}

/// Returns the name of a line's property in upper case, without its group.
pub(crate) fn name_of(bytes: &[u8]) -> Option<String> {
    const NAME_BYTES_MAX: usize = 200;
    let bytes = bytes.strip_prefix(encoding::MARK).unwrap_or(bytes);
    let end = bytes.iter().take(NAME_BYTES_MAX).position(|byte| matches!(byte, b':' | b';'))?;
    let head = String::from_utf8(unfolded(bytes.get(..end)?)).ok()?;
    let name = head.rsplit_once('.').map_or(head.as_str(), |(_, name)| name).trim();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    (!name.is_empty() && name.chars().all(fits)).then(|| name.to_ascii_uppercase())
}

/// A content line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// Everything up to and with the colon, unfolded.
    pub(crate) prefix: String,
    /// The group, as written.
    pub(crate) group: Option<String>,
    /// The name in upper case.
    pub(crate) name: String,
    /// The parameters: names in upper case, values without quotes.
    pub(crate) parameters: Vec<(String, Vec<String>)>,
    /// The value as it stands in the file, unfolded.
    pub(crate) value: Vec<u8>,
}

impl Property {
    /// Reads a line, or returns `None` where it is no content line.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let name = name_of(bytes)?;
        let mut line = unfolded(bytes);
        if line.starts_with(encoding::MARK) {
            line.drain(..3);
        }
        let colon = value_colon(&line, &name)?;
        let value = line.get(colon + 1..)?.to_vec();
        line.truncate(colon + 1);
        let prefix = encoding::guessed(&line);
        let head = prefix.strip_suffix(':').unwrap_or(&prefix);
        let mut parts = parts(head, b';');
        let full_name = parts.remove(0);
        let group = full_name.rsplit_once('.').map(|(group, _)| group.trim().to_owned());
        let parameters = parts.into_iter().map(parameter).collect();
        Some(Self { group, name, parameters, value, prefix })
    }

    /// Returns all values of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.parameters.iter().filter(move |(one, _)| one == name);
        named.flat_map(|(_, values)| values).map(String::as_str)
    }

    /// Returns whether a parameter has a value, in any case.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.parameter(name).any(|one| one.eq_ignore_ascii_case(value))
    }

    /// Returns whether the value is in quoted-printable.
    pub(crate) fn is_quoted_printable(&self) -> bool {
        self.has("ENCODING", "QUOTED-PRINTABLE")
    }

    /// Returns the value as text, decoded but with its escapes.
    pub(crate) fn text(&self) -> String {
        let bytes = match self.is_quoted_printable() {
            true => from_quoted_printable(&self.value),
            false => self.base64_text().unwrap_or_else(|| self.value.clone()),
        };
        encoding::decoded(&bytes, self.parameter("CHARSET").next())
    }

    /// Returns the value of a text that is in base64 (vCard 2.1, 2.1.5); what is
    /// no text, such as a photo, has none.
    fn base64_text(&self) -> Option<Vec<u8>> {
        let is_encoded = self.has("ENCODING", "BASE64") || self.has("ENCODING", "B");
        let is_text = is_encoded && TEXTS.contains(&self.name.as_str());
        if is_text { encoding::from_base64(&self.value) } else { None }
    }
}

/// Properties that are texts for people.
const TEXTS: &[&str] = &[
    "ADR",
    "CATEGORIES",
    "DESCRIPTION",
    "EMAIL",
    "FN",
    "LABEL",
    "LOCATION",
    "N",
    "NICKNAME",
    "NOTE",
    "ORG",
    "ROLE",
    "SORT-STRING",
    "SUMMARY",
    "TEL",
    "TITLE",
    "URL",
];

/// Properties whose value is a date, or several.
const DATES: &[&str] = &["DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE"];

/// Returns where the colon before a line's value is: the first outside quotes.
/// Exchange writes names of zones with colons and without quotes, so that of a
/// date it is the last, where a date stands behind that one alone.
fn value_colon(line: &[u8], name: &str) -> Option<usize> {
    let first = outside_quotes(line, b':').next()?;
    if !DATES.contains(&name) {
        return Some(first);
    }
    let is_date = |colon: usize| {
        let value = line.get(colon + 1..).and_then(|value| std::str::from_utf8(value).ok());
        let start = value.and_then(|value| value.split([',', '/']).next());
        start.is_some_and(|start| Moment::parse(start).is_some())
    };
    let last = outside_quotes(line, b':').last()?;
    Some(if !is_date(first) && is_date(last) { last } else { first })
}

/// Returns a parameter's name and values. A bare word, as vCard 2.1 has them,
/// is an encoding or a type.
fn parameter(text: &str) -> (String, Vec<String>) {
    if let Some(label) = custom_label(text) {
        return ("TYPE".to_owned(), vec![label]);
    }
    let Some((name, values)) = text.split_once('=') else {
        let word = text.trim();
        let encodings = ["QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT"];
        let is_encoding = encodings.iter().any(|one| one.eq_ignore_ascii_case(word));
        let name = if is_encoding { "ENCODING" } else { "TYPE" };
        return (name.to_owned(), vec![word.to_owned()]);
    };
    // A zone is one, also where its name has commas and no quotes.
    if name.trim().eq_ignore_ascii_case("TZID") {
        return ("TZID".to_owned(), vec![values.trim().trim_matches('"').to_owned()]);
    }
    // `TYPE="voice,home"` is common and means two types.
    let is_type = name.trim().eq_ignore_ascii_case("TYPE");
    let values = parts(values, b',').into_iter().flat_map(|value| {
        let bare = value.trim().trim_matches('"').to_owned();
        match is_type {
            true => bare.split(',').map(|one| one.trim().to_owned()).collect(),
            false => vec![bare],
        }
    });
    (name.trim().to_ascii_uppercase(), values.collect())
}

/// Returns the label in a type that old Android phones write as
/// `X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=C3=84)`.
fn custom_label(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix("X-CUSTOM(")?.strip_suffix(')')?;
    let mut parts: Vec<&str> = inner.split(',').collect();
    let label = parts.pop()?;
    let value_of = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name));
    let is_quoted = value_of("ENCODING=").is_some_and(|one| one == "QUOTED-PRINTABLE");
    let bytes = match is_quoted {
        true => from_quoted_printable(label.as_bytes()),
        false => label.as_bytes().to_vec(),
    };
    Some(encoding::decoded(&bytes, value_of("CHARSET=")))
}

/// Cuts a text at a separator that stands outside quotes.
pub(crate) fn parts(text: &str, separator: u8) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for at in outside_quotes(text.as_bytes(), separator) {
        parts.push(text.get(start..at).unwrap_or_default());
        start = at + 1;
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn outside_quotes(bytes: &[u8], wanted: u8) -> impl Iterator<Item = usize> {
    let mut is_quoted = false;
    bytes.iter().enumerate().filter_map(move |(at, byte)| {
        is_quoted ^= *byte == b'"';
        (!is_quoted && *byte == wanted).then_some(at)
    })
}

fn from_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'=' && tail.is_empty() {
            break; // A soft break with nothing behind it.
        }
        let hex = tail.get(..2).filter(|_| *first == b'=');
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    bytes
}

/// Returns a line in quoted-printable, with soft breaks and a terminator.
pub(crate) fn quoted_printable(prefix: &str, text: &str, eol: &str) -> Vec<u8> {
    const OCTETS: usize = 72;
    let mut line = prefix.to_owned();
    let mut octets = line.len();
    for byte in text.bytes() {
        // White space at the edge of a line is what programs take away.
        let is_plain = matches!(byte, b'!'..=b'~') && byte != b'='
            || byte == b' ' && octets > 0 && octets + 1 < OCTETS;
        let next = if is_plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if octets + next.len() > OCTETS {
            line.push('=');
            line.push_str(eol);
            octets = 0;
        }
        octets += next.len();
        line.push_str(&next);
    }
    line.push_str(eol);
    line.into_bytes()
}

/// What begins or ends with a line, in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Marker {
    /// `BEGIN:` and this.
    Begin(String),
    /// `END:` and this.
    End(String),
}

/// Returns what begins or ends with a line.
pub(crate) fn marker(bytes: &[u8]) -> Option<Marker> {
    let name = name_of(bytes)?;
    let is_begin = name == "BEGIN";
    if !is_begin && name != "END" {
        return None;
    }
    let first = physical_lines(bytes).next()?;
    let component = Property::read(first)?.text().trim().to_uppercase();
    Some(if is_begin { Marker::Begin(component) } else { Marker::End(component) })
}

/// Names of properties whose value may be a picture, a sound or a file.
const LARGE: &[&str] = &["PHOTO", "LOGO", "SOUND", "KEY", "ATTACH", "IMAGE"];

/// Letters of base64 that the largest photos take, with names and parameters:
/// what a line may have beside the photo is limited too.
const LARGE_LETTERS_MAX: usize = limits::CARD_PHOTO_BYTES_MAX.div_ceil(3) * 4 + 4_096;
/// Of so many bytes one may be for the folds of a line.
const FOLDS: usize = 16;

/// Counts the lines and bytes of an item against their limits.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Size {
    lines: usize,
    text: usize,
    large: usize,
    /// The bytes that the large values stand for.
    pictures: usize,
}

impl Size {
    /// Counts the bytes of a line that is no property of its own.
    pub(crate) fn count_text(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.text += line.len();
        self.verdict()
    }

    /// Counts a line; returns why the item is too large, once it is.
    pub(crate) fn count(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.lines += 1;
        match name_of(line).is_some_and(|name| LARGE.contains(&name.as_str())) {
            true => {
                let folds = line.iter().filter(|byte| byte.is_ascii_whitespace()).count();
                self.large += line.len() - folds.min(line.len() / FOLDS);
                self.pictures += picture_bytes(line);
            }
            false => self.text += line.len(),
        }
        self.verdict()
    }

    /// Counts the bytes of a part that stands in the item as a whole, in which
    /// so much was counted; properties of each part count for themselves.
    pub(crate) fn count_part(&mut self, bytes: usize, part: &Self) -> Result<(), &'static str> {
        self.text += bytes.saturating_sub(part.large);
        self.large += part.large;
        self.pictures += part.pictures;
        self.verdict()
    }

    fn verdict(&self) -> Result<(), &'static str> {
        if self.lines > limits::CARD_PROPERTIES_MAX {
            return Err("it has more than 1000 properties");
        }
        if self.text > limits::CARD_TEXT_BYTES_MAX {
            return Err("its text is larger than 1 MiB");
        }
        let is_large = self.pictures > limits::CARD_PHOTO_BYTES_MAX;
        match is_large || self.large > LARGE_LETTERS_MAX {
            true => Err("its photo is larger than 10 MiB"),
            false => Ok(()),
        }
    }
}

/// Returns how many bytes the value of a line stands for: those of the picture
/// where it is in base64, without the folds.
fn picture_bytes(line: &[u8]) -> usize {
    const INLINE: &[u8] = b";base64,";
    const INLINE_HEAD_BYTES: usize = 200;
    let mut is_quoted = false;
    let mut ends_head = |byte: &u8| {
        is_quoted ^= *byte == b'"';
        *byte == b':' && !is_quoted
    };
    let head = line.iter().position(&mut ends_head).map_or(0, |colon| colon + 1);
    let value = line.get(head..).unwrap_or_default();
    let is_uri = value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"));
    let start = value.get(..value.len().min(INLINE_HEAD_BYTES)).filter(|_| is_uri);
    let inline = start.and_then(|start| {
        let at = start.windows(INLINE.len()).position(|part| part.eq_ignore_ascii_case(INLINE))?;
        value.get(at + INLINE.len()..)
    });
    let is_base64 = inline.is_some() || Transfer::of(line) == Transfer::Base64;
    let value = inline.unwrap_or(value);
    let padding = if is_base64 { b'=' } else { b' ' };
    let letters =
        value.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != padding).count();
    match is_base64 {
        true => letters / 4 * 3 + letters % 4 * 3 / 4,
        false => letters,
    }
}

#[cfg(test)]
mod tests;
