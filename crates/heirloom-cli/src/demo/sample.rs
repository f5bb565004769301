//! The sample records of the demo, as files of the kinds that phones and
//! programs export. The same files come out every time.

mod apps;
mod calendar;
mod contacts;
mod notes;
mod picture;
mod settings;

use std::fs;
use std::io;
use std::path::Path;

pub(super) use contacts::{SHARED_NAME, SHARED_NOTE};

/// A file of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SampleFile {
    /// Its path below the sample's folder.
    pub(super) path: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// The records in it.
    pub(super) records: u64,
}

/// Returns the whole sample.
pub(super) fn files() -> Vec<SampleFile> {
    let mut files = contacts::files();
    files.extend(calendar::files());
    files.extend(notes::files());
    files.extend(settings::files());
    files.extend(apps::files());
    files
}

/// Writes the files below a folder.
pub(super) fn write(files: &[SampleFile], folder: &Path) -> io::Result<()> {
    for file in files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, &file.bytes)?;
    }
    Ok(())
}

/// Numbers that look random and are the same every time.
struct Numbers {
    state: u64,
}

impl Numbers {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns a number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % limit as u64).expect("the remainder is below a usize")
    }

    fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| self.choose(&['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
            .collect()
    }
}

/// Appends a content line, folded at 75 octets between characters.
fn push_line(text: &mut String, line: &str) {
    let mut octets = 0;
    for character in line.chars() {
        if octets + character.len_utf8() > 75 {
            text.push_str("\r\n ");
            octets = 1;
        }
        text.push(character);
        octets += character.len_utf8();
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_sample_is_the_same_every_time_and_large_enough() {
        let sample = files();
        assert_eq!(sample, files());
        assert!(sample.iter().map(|file| file.records).sum::<u64>() >= 400);
        let paths: BTreeSet<&str> = sample.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), sample.len());
    }

    #[test]
    fn every_file_splits_and_parses_without_a_loss() {
        let mut records = BTreeMap::<&str, u64>::new();
        let mut seen = BTreeSet::new();
        for file in files() {
            let split = heirloom_formats::split(&file.path, &file.bytes, None)
                .unwrap_or_else(|error| panic!("{}: {error}", file.path));
            assert!(split.skipped.is_empty(), "{}: {:?}", file.path, split.skipped);
            assert_eq!(split.items.len() as u64, file.records, "{}", file.path);
            for raw in &split.items {
                let item = heirloom_formats::parse(raw)
                    .unwrap_or_else(|error| panic!("{}:{}: {error}", file.path, raw.line));
                let uid = item.uid.clone().unwrap_or_else(|| heirloom_formats::content_uid(&item));
                let rendered = heirloom_formats::render(item.category, &item.content, &uid);
                assert_eq!(rendered, raw.bytes, "{}:{}", file.path, raw.line);
                assert!(seen.insert((item.category.id, uid)), "{}:{}", file.path, raw.line);
                *records.entry(item.category.id).or_default() += 1;
            }
        }
        assert!(heirloom_schema::CATEGORIES.iter().all(|category| records[category.id] > 0));
    }

    #[test]
    fn long_lines_fold_between_characters() {
        let mut text = String::new();
        push_line(&mut text, &"ü".repeat(80));
        assert!(text.split("\r\n").all(|line| line.len() <= 75));
        assert_eq!(text.replace("\r\n ", ""), format!("{}\r\n", "ü".repeat(80)));
    }

    #[test]
    fn the_files_land_below_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let sample = files();
        write(&sample, folder.path()).unwrap();
        for file in &sample {
            assert_eq!(fs::read(folder.path().join(&file.path)).unwrap(), file.bytes);
        }
    }
}
