//! Content lines with another value: how a line is written anew in a file
//! that has ways of its own.

use crate::layout;
use crate::line::{self, Property};
use heirloom_schema::Value;

/// Encodings that may stand as a parameter without its name.
const BARE_ENCODINGS: &[&str] = &["BASE64", "8BIT", "7BIT"];

/// What a file expects of a new line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Habits {
    /// Its line end.
    pub(crate) eol: String,
    /// Whether it is so old (vCard 2.1, vCalendar 1.0) that it takes nothing
    /// but ASCII, and everything else in quoted-printable.
    pub(crate) is_old: bool,
}

impl Habits {
    /// Returns the line of a property with another value (with its escapes),
    /// as a record keeps it. The line keeps its parameters, but says UTF-8
    /// where the value needs it.
    pub(crate) fn line(&self, property: &Property, prefix: &str, value: &str) -> Value {
        let is_ascii = value.is_ascii() && !value.contains('\n');
        // The old formats fold only at blanks, and some programs not at all.
        let is_plain = is_ascii && !(self.is_old && prefix.len() + value.len() > line::FOLD_OCTETS);
        let mut prefix = prefix.to_owned();
        let charset = property.parameter("CHARSET").next();
        let is_utf8 = charset.is_some_and(|charset| charset.eq_ignore_ascii_case("UTF-8"));
        // Letters of ASCII are the same bytes in every set but these.
        let is_wide = charset.is_some_and(|charset| {
            ["UTF-16", "UTF-32", "UCS-"].iter().any(|wide| charset.to_uppercase().starts_with(wide))
        });
        if property
            .parameter("ENCODING")
            .any(|one| ["B", "BASE64"].contains(&one.to_uppercase().as_str()))
        {
            prefix = without_parameter(&prefix, "ENCODING");
        }
        if is_wide || (!is_ascii && !is_utf8 && (self.is_old || charset.is_some())) {
            prefix = without_parameter(&prefix, "CHARSET");
            prefix.insert_str(prefix.len() - 1, ";CHARSET=UTF-8");
        }
        let is_quoted = property.is_quoted_printable();
        if self.is_old && !is_plain && !is_quoted {
            prefix = without_parameter(&prefix, "ENCODING");
            prefix.insert_str(prefix.len() - 1, ";ENCODING=QUOTED-PRINTABLE");
        }
        let bytes = match is_quoted || (self.is_old && !is_plain) {
            true => line::quoted_printable(&prefix, value, &self.eol),
            false => line::folded(&format!("{prefix}{value}"), &self.eol),
        };
        layout::stored(&bytes, &self.eol)
    }
}

/// Returns a line's beginning without a parameter.
pub(crate) fn without_parameter(prefix: &str, name: &str) -> String {
    let head = prefix.strip_suffix(':').unwrap_or(prefix);
    let parts = line::parts(head, b';').into_iter().enumerate();
    let kept = parts.filter(|(index, part)| {
        let bare = part.split('=').next().unwrap_or_default().trim();
        let is_bare_encoding =
            name == "ENCODING" && BARE_ENCODINGS.iter().any(|one| bare.eq_ignore_ascii_case(one));
        *index == 0 || !(bare.eq_ignore_ascii_case(name) || is_bare_encoding)
    });
    let kept: Vec<&str> = kept.map(|(_, part)| part).collect();
    format!("{}:", kept.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(is_old: bool, line: &str, value: &str) -> String {
        let property = Property::read(line.as_bytes()).unwrap();
        let habits = Habits { eol: "\n".to_owned(), is_old };
        let value = habits.line(&property, &property.prefix, value);
        value.as_str().unwrap().to_owned()
    }

    #[test]
    fn a_line_says_utf_8_where_its_value_needs_it() {
        for (is_old, line, value, expected) in [
            (true, "N;CHARSET=GBK:x", "plain", "N;CHARSET=GBK:plain"),
            (true, "N;CHARSET=GBK:x", "\u{fc}", "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=BC"),
            (
                true,
                "N;X-A=\"b;c\":x",
                "a\nb",
                "N;X-A=\"b;c\";CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:a=0Ab",
            ),
            (true, "N;CHARSET=UTF-16:x", "plain", "N;CHARSET=UTF-8:plain"),
            (
                true,
                "N:x",
                "a long value that would have to be folded where a word is, which nobody can read",
                "N;ENCODING=QUOTED-PRINTABLE:a long value that would have to be folded wh=\n\
                 ere a word is, which nobody can read",
            ),
            (
                true,
                "N;ENCODING=8BIT;CHARSET=ISO-8859-1:x",
                "\u{fc}",
                "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=BC",
            ),
            (true, "N;8BIT:x", "\u{fc}", "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=BC"),
            (true, "N;ENCODING=8BIT:x", "plain", "N;ENCODING=8BIT:plain"),
            (false, "N;CHARSET=UTF-16BE:x", "plain", "N;CHARSET=UTF-8:plain"),
            (false, "N;BASE64;CHARSET=GBK:eA==", "\u{fc}", "N;CHARSET=UTF-8:\u{fc}"),
            (false, "N;ENCODING=B;X=1:eA==", "y", "N;X=1:y"),
            (false, "N;QUOTED-PRINTABLE:x", "\u{fc}", "N;QUOTED-PRINTABLE:=C3=BC"),
            (false, "N:x", "\u{fc}", "N:\u{fc}"),
        ] {
            assert_eq!(written(is_old, line, value), expected, "{line}");
        }
    }

    #[test]
    fn what_was_written_reads_as_the_value() {
        for line in ["N;CHARSET=UTF-16:x", "N;CHARSET=Big5;QUOTED-PRINTABLE:x", "N:x"] {
            for value in ["plain", "Gr\u{fc}\u{df}e  =  \u{4f60}", &"\u{597d} a".repeat(40)] {
                for is_old in [true, false] {
                    let written = written(is_old, line, value);
                    assert_eq!(Property::read(written.as_bytes()).unwrap().text(), value);
                }
            }
        }
    }
}
