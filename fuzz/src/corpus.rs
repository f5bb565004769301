//! The committed inputs: `corpus/TARGET/NAME`.

use crate::source::Source;
use crate::target::Target;
use crate::trial;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Files of one target that growing makes at most.
const GROWN_MAX: usize = 48;
/// Bytes of a file that growing makes at most.
const GROWN_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a seed that is written as a file at most.
const SEED_BYTES_MAX: usize = 64 * 1024;

/// Returns the folder of a target's corpus.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Returns the names and bytes of a target's corpus, in order of name.
#[must_use]
pub fn read(target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder(target)) else { return Vec::new() };
    let mut files: Vec<(String, Vec<u8>)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().into_string().ok()?, std::fs::read(entry.path()).ok()?))
        })
        .collect();
    files.sort();
    files
}

/// Writes the seeds that are missing as files, and those of `inputs` mutated
/// inputs that end in a way in which no earlier one did. Returns how many
/// files were written.
///
/// # Errors
/// When a file cannot be written.
pub fn grow(target: &'static Target, seed: u64, inputs: u64) -> io::Result<usize> {
    let folder = folder(target.name);
    std::fs::create_dir_all(&folder)?;
    let mut written = 0;
    for (name, bytes) in (target.seeds)() {
        let path = folder.join(name);
        if bytes.len() <= SEED_BYTES_MAX && !path.exists() {
            std::fs::write(path, bytes)?;
            written += 1;
        }
    }
    let source = Source::new(target, seed);
    let mut seen = BTreeSet::new();
    for base in source.bases() {
        seen.extend(ending(target, base));
    }
    let known = read(target.name).len();
    for number in 0..inputs {
        let bytes = source.input(number);
        if known + written >= GROWN_MAX || bytes.len() > GROWN_BYTES_MAX {
            continue;
        }
        if let Some(label) = ending(target, &bytes)
            && seen.insert(label.clone())
        {
            std::fs::write(folder.join(format!("{seed}-{number}")), bytes)?;
            written += 1;
        }
    }
    Ok(written)
}

/// Returns how an input ends, or nothing where it fails: that is not a corpus's.
fn ending(target: &Target, bytes: &[u8]) -> Option<String> {
    trial::run(target, bytes).result.ok().map(|outcome| outcome.label)
}
