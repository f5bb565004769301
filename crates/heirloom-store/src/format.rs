//! The `FORMAT` file: what a home was written with.
//!
//! Lines of a word and a value: `heirloom-store VERSION`, `min_reader
//! VERSION`, `index BACKEND`, `generation HEX`. Lines with other words are kept.
//! The last is `sum HEX`, the CRC32C of the lines before it: without it a
//! flipped bit would make a home one of a newer version. Homes of old have none.

use crate::disk::Disk;
use crate::regular;
use heirloom_base::id::{from_hex, to_hex};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// The file's name below the home.
pub const NAME: &str = "FORMAT";

/// The version of the layout that this program writes and reads.
pub const VERSION: u32 = 1;

/// How the line with the checksum begins.
const SUM: &str = "sum ";

/// What the `FORMAT` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The version that the home was written with.
    pub version: u32,
    /// The oldest version that may use the home.
    pub min_reader: u32,
    /// The index backend's name.
    pub index: String,
    /// Random, made with the home: a home that was made anew has another.
    pub generation: [u8; 16],
    /// Lines that this version does not know.
    pub rest: Vec<String>,
}

/// Why the `FORMAT` file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// There is none.
    #[error("no format file")]
    Missing,
    /// It is not a format file.
    #[error("the format file cannot be understood")]
    Damaged,
    /// A newer program wrote it.
    #[error("the home was written by the newer version {found}")]
    Newer {
        /// Its version.
        found: u32,
    },
    /// It cannot be read.
    #[error("cannot read the format file")]
    Io(#[source] io::Error),
}

impl Format {
    /// Describes a home that is made now.
    #[must_use]
    pub fn new(index: &str, generation: [u8; 16]) -> Self {
        Self {
            version: VERSION,
            min_reader: VERSION,
            index: index.to_owned(),
            generation,
            rest: Vec::new(),
        }
    }

    /// Reads a home's file.
    ///
    /// # Errors
    /// [`FormatError`], by what has to be done about it.
    pub fn read(home: &Path) -> Result<Self, FormatError> {
        match regular::read(&home.join(NAME)) {
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FormatError::Missing),
            Err(error) if regular::is_irregular(&error) && !home.join(NAME).is_dir() => {
                Err(FormatError::Damaged)
            }
            Err(error) => Err(FormatError::Io(error)),
        }
    }

    pub(crate) fn write(&self, disk: &dyn Disk, home: &Path, scratch: &Path) -> io::Result<()> {
        crate::disk::replace(disk, scratch, &home.join(NAME), self.text().as_bytes())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`FormatError::Newer`] or [`FormatError::Damaged`].
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let text = checked(text)?;
        let mut lines = text.lines();
        let version: u32 = lines
            .next()
            .and_then(|line| line.strip_prefix("heirloom-store "))
            .and_then(|value| value.parse().ok())
            .ok_or(FormatError::Damaged)?;
        let mut format = Self { version, min_reader: version, ..Self::new("", [0; 16]) };
        let mut generation = None;
        for line in lines {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("min_reader", value) => {
                    format.min_reader = value.parse().map_err(|_| FormatError::Damaged)?;
                }
                ("index", value) => value.clone_into(&mut format.index),
                ("generation", value) => generation = from_hex(value),
                _ => format.rest.push(line.to_owned()),
            }
        }
        if format.min_reader > VERSION {
            return Err(FormatError::Newer { found: version });
        }
        format.generation =
            generation.and_then(|bytes| bytes.try_into().ok()).ok_or(FormatError::Damaged)?;
        Ok(format)
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "heirloom-store {}\nmin_reader {}\nindex {}\ngeneration {}\n",
            self.version,
            self.min_reader,
            self.index,
            to_hex(&self.generation)
        );
        for line in &self.rest {
            writeln!(text, "{line}").expect("writing to a string cannot fail");
        }
        let sum = crc32c::crc32c(text.as_bytes());
        writeln!(text, "{SUM}{sum:08x}").expect("writing to a string cannot fail");
        text
    }
}

/// Returns the lines before the checksum, where there is one and it is right.
fn checked(text: &str) -> Result<&str, FormatError> {
    let last = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
    let (lines, end) = text.split_at(last);
    let Some(sum) = end.trim_end().strip_prefix(SUM) else { return Ok(text) };
    match u32::from_str_radix(sum, 16) {
        Ok(sum) if sum == crc32c::crc32c(lines.as_bytes()) => Ok(lines),
        Ok(_) | Err(_) => Err(FormatError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_is_frozen() {
        let format = Format::new("sled", [0xab; 16]);
        let old = "heirloom-store 1\nmin_reader 1\nindex sled\n\
                   generation abababababababababababababababab\n";
        assert_eq!(format.text(), format!("{old}sum 5833b69b\n"));
        assert_eq!(Format::parse(&format.text()).unwrap(), format);
        assert_eq!(Format::parse(old).unwrap(), format);
    }

    #[test]
    fn a_flipped_bit_never_makes_another_format_of_it() {
        let format = Format::new("sled", [0xab; 16]);
        let sound = format.text();
        for bit in 0..8 * sound.len() {
            let mut bytes = sound.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match Format::parse(&String::from_utf8_lossy(&bytes)) {
                // The word or the end of the checksum's own line was hit.
                Ok(found) => assert_eq!(Format { rest: Vec::new(), ..found }, format, "bit {bit}"),
                Err(error) => assert!(matches!(error, FormatError::Damaged), "bit {bit}: {error}"),
            }
        }
    }

    #[test]
    fn a_newer_home_is_refused_unless_it_says_that_we_may_read_it() {
        let newer = Format { version: 7, min_reader: 2, ..Format::new("sled", [1; 16]) };
        assert!(matches!(Format::parse(&newer.text()), Err(FormatError::Newer { found: 7 })));
        assert!(matches!(
            Format::parse("heirloom-store 7\n"),
            Err(FormatError::Newer { found: 7 })
        ));
        let readable = Format { version: 7, min_reader: 1, ..Format::new("sled", [1; 16]) };
        assert_eq!(Format::parse(&readable.text()).unwrap(), readable);
    }

    #[test]
    fn unknown_lines_are_kept() {
        let text = "heirloom-store 1\nindex sled\ngeneration 01010101010101010101010101010101\n\
                    colour blue\nempty\n";
        let format = Format::parse(text).unwrap();
        assert_eq!(format.rest, ["colour blue", "empty"]);
        assert_eq!(Format::parse(&format.text()).unwrap(), format);
    }

    #[test]
    fn a_missing_file_is_not_a_damaged_one() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(Format::read(home.path()), Err(FormatError::Missing)));
        for bytes in [b"".as_slice(), b"\0\0\0", b"heirloom-store x\n", b"heirloom-store 1\n"] {
            std::fs::write(home.path().join(NAME), bytes).unwrap();
            assert!(matches!(Format::read(home.path()), Err(FormatError::Damaged)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_text_is_refused_or_survives_a_rewrite(text in "(heirloom-store [0-3]\n)?(min_reader [0-3]\n|index [a-z]{0,4}\n|generation [0-9a-f]{32}\n|[a-z ]{0,9}\n){0,6}") {
            if let Ok(format) = Format::parse(&text) {
                prop_assert_eq!(Format::parse(&format.text()).unwrap(), format);
            }
        }
    }
}
