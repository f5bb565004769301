//! A file of an import, read as far as its kind allows.

use crate::walk::Found;
use heirloom_formats::{HEAD_BYTES, NotRecognised, Reading};
use heirloom_schema::category::notes::NOTES;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

/// A file that was opened, and what its beginning says about it.
#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    /// What was read and not used yet.
    pub(crate) head: Vec<u8>,
    /// How it is to be read.
    pub(crate) reading: Reading,
    /// The category that was declared.
    pub(crate) category: Option<String>,
}

impl Source {
    /// Opens a file, or returns why it is left out: what became a link since
    /// it was found is not followed.
    pub(crate) fn open(found: &Found, category: Option<&str>) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        options.read(true);
        if !found.is_named {
            options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        }
        let file = options.open(&found.path).map_err(|error| error.to_string())?;
        let head = read(&file, HEAD_BYTES).map_err(|error| error.to_string())?;
        // What looks like settings is a file of the notes among which it stands.
        let is_kept =
            found.is_beside_notes && heirloom_formats::is_kept_beside_notes(&found.name, &head);
        let category = category.or(is_kept.then_some(NOTES.id));
        let reading = |category| heirloom_formats::reading(&found.name, &head, category);
        let (reading, category) = match (reading(category), category) {
            // Among notes there is everything that people put beside them.
            (Err(NotRecognised::Unknown | NotRecognised::Empty), None) if found.is_beside_notes => {
                (reading(Some(NOTES.id)), Some(NOTES.id))
            }
            (reading, category) => (reading, category),
        };
        let reading = reading.map_err(|error| error.to_string())?;
        Ok(Self { file, head, reading, category: category.map(str::to_owned) })
    }

    /// Returns the next bytes, at most so many; none at the end of the file.
    pub(crate) fn more(&self, bytes: usize) -> Result<Vec<u8>, String> {
        read(&self.file, bytes).map_err(|error| error.to_string())
    }

    /// Returns the whole file, or why it is left out.
    pub(crate) fn whole(&mut self, bytes_max: usize) -> Result<Vec<u8>, String> {
        let mut bytes = std::mem::take(&mut self.head);
        let room = (bytes_max + 1).saturating_sub(bytes.len()) as u64;
        let rest = (&self.file).take(room).read_to_end(&mut bytes);
        rest.map_err(|error| error.to_string())?;
        match bytes.len() > bytes_max {
            true => Err(format!("a file of its kind may have at most {bytes_max} bytes")),
            false => Ok(bytes),
        }
    }
}

fn read(file: &File, bytes: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.take(bytes as u64).read_to_end(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::Walk;
    use std::fs;

    fn source(name: &str, bytes: &[u8], category: Option<&str>) -> Result<Source, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        Source::open(&Walk::over(&[folder.path().to_owned()]).found[0], category)
    }

    #[test]
    fn a_file_is_read_as_far_as_its_kind_allows() {
        let large = [&b"# a\n"[..], &vec![b'x'; 2 << 20]].concat();
        let mut note = source("a.md", &large, None).unwrap();
        assert_eq!(note.head.len(), HEAD_BYTES);
        let Reading::Whole(bytes_max) = note.reading else { panic!("a note is read whole") };
        let reason = note.whole(bytes_max).unwrap_err();
        assert_eq!(reason, "a file of its kind may have at most 1048576 bytes");
        let mut small = source("a.md", b"# a\n", None).unwrap();
        assert_eq!(small.whole(bytes_max).unwrap(), b"# a\n");
        let cards = source("a", b"BEGIN:VCARD\nFN:a\nEND:VCARD\n", None).unwrap();
        assert_eq!(cards.reading, Reading::InParts);
        assert_eq!(cards.more(5).unwrap(), b"");
        let reason = source("a.bin", &[0; 100], None).unwrap_err();
        assert!(reason.starts_with("this is no vCard"), "{reason}");
    }

    #[test]
    fn what_became_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        fs::write(&path, "x").unwrap();
        let found = Walk::over(&[folder.path().to_owned()]).found;
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(Source::open(&found[0], None).is_err());
    }
}
