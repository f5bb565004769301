//! Segments that lie under another one's name: somebody who copied or put back
//! files by hand took one for another. Each says itself which one it is, and its
//! frames are sound only in that place, so it is given its name back.

use super::path;
use crate::disk::Disk;
use crate::regular;
use crate::segment::{self, HEADER_BYTES, Header};
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Ends the name of a segment that is on its way to its own.
const MOVED: &str = "moved";

/// Gives every segment of a folder its own name, where no other one bears it.
///
/// # Errors
/// When the folder cannot be read. A name that cannot be changed is none: then
/// the file counts as damaged, and nothing of it is lost.
pub(super) fn put_back(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let misplaced = find(folder)?;
    if misplaced.is_empty() {
        return Ok(());
    }
    for step in [leave, arrive] {
        for (number, file) in &misplaced {
            if let Err(error) = step(disk, folder, *number, file) {
                tracing::warn!(%error, number, "a segment cannot be given its name back");
            }
        }
    }
    disk.sync_folder(folder)
}

/// Makes room for the segment that belongs where this one lies.
fn leave(disk: &dyn Disk, folder: &Path, number: u32, file: &Path) -> io::Result<()> {
    tracing::warn!(number, ?file, "a segment of the log lies under another one's name");
    disk.rename(file, &on_its_way(folder, number))
}

fn arrive(disk: &dyn Disk, folder: &Path, number: u32, _: &Path) -> io::Result<()> {
    let target = path(folder, number);
    if target.exists() {
        return Ok(());
    }
    disk.rename(&on_its_way(folder, number), &target)
}

fn on_its_way(folder: &Path, number: u32) -> PathBuf {
    path(folder, number).with_extension(MOVED)
}

/// Finds the segments that lie under a wrong name and whose own is free, or
/// will be: of two that say that they are the same one, neither is moved.
fn find(folder: &Path) -> io::Result<BTreeMap<u32, PathBuf>> {
    let mut by_claim: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        if let Some(number) = claimed(&file) {
            by_claim.entry(number).or_default().push(file);
        }
    }
    let mut misplaced: BTreeMap<u32, PathBuf> = by_claim
        .into_iter()
        .filter_map(|(number, mut files)| {
            let file = files.pop().filter(|_| files.is_empty())?;
            (file != path(folder, number)).then_some((number, file))
        })
        .collect();
    loop {
        let before = misplaced.len();
        let leaving: Vec<PathBuf> = misplaced.values().cloned().collect();
        misplaced.retain(|number, _| {
            let own = path(folder, *number);
            !own.exists() || leaving.contains(&own)
        });
        if misplaced.len() == before {
            return Ok(misplaced);
        }
    }
}

/// Returns which segment a file says that it is, if it lies where one may.
fn claimed(file: &Path) -> Option<u32> {
    let is_moved = file.extension().is_some_and(|extension| extension == MOVED);
    let name = if is_moved { file.with_extension("seg") } else { file.to_owned() };
    segment::number(name.file_name()?.to_str()?)?;
    let mut bytes = [0; HEADER_BYTES];
    regular::open(file).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    Header::parse(&bytes).map(|header| header.number)
}
