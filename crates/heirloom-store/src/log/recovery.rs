//! What is done to a log before it is used: the tail of the last segment is
//! repaired, and damage anywhere else is found, kept aside and reported.

use super::{Current, Folders, LogReader, Tail, misplaced, path};
use crate::disk::{self, Disk};
use crate::regular;
use crate::segment::{self, HEADER_BYTES, Header, Span};
use heirloom_base::hash;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Copies of one damaged file that are kept.
const COPIES_MAX: usize = 4;

/// What was found when the log was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Sound frames.
    pub frames: u64,
    /// Bytes of an append that was never acknowledged, cut off the tail.
    pub truncated_bytes: u64,
    /// Where a copy of these bytes lies, if one could be made.
    pub cut: Option<PathBuf>,
    /// Files that have lost something that was acknowledged.
    pub damaged: Vec<DamagedFile>,
}

impl Recovery {
    /// Returns what stands for all the damage together; `None` where there is none.
    #[must_use]
    pub fn mark(&self) -> Option<[u8; 16]> {
        let described: Vec<String> = self
            .damaged
            .iter()
            .map(|file| match file.damage {
                Damage::Missing { files } => format!("{} missing {files}", file.name),
                Damage::Header => format!("{} header", file.name),
                Damage::Frames { bytes } => format!("{} frames {bytes}", file.name),
            })
            .collect();
        let parts: Vec<&[u8]> = described.iter().map(String::as_bytes).collect();
        (!parts.is_empty()).then(|| hash::truncate(hash::content("damage", &parts)))
    }
}

/// A file of the log that has lost something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub damage: Damage,
    /// Where a copy of it lies, if one could be made.
    pub copy: Option<PathBuf>,
}

/// What is wrong with a file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The file, and perhaps others up to the next one, is not there.
    Missing {
        /// How many files are missing.
        files: u32,
    },
    /// The file's header cannot be read; its frames were searched for.
    Header,
    /// Frames cannot be read; those before and behind them were kept.
    Frames {
        /// Bytes that the lost frames took.
        bytes: u64,
    },
}

/// A log that is ready for use.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) report: Recovery,
    pub(super) spans: BTreeMap<u32, Vec<Range<usize>>>,
    /// The last segment, when it may be written to.
    pub(super) current: Option<Current>,
    pub(super) tail: Tail,
}

/// Reads all segments and repairs the tail of the last.
pub(super) fn recover(disk: &dyn Disk, folders: &Folders) -> io::Result<Recovered> {
    misplaced::put_back(disk, &folders.log)?;
    let numbers = list(&folders.log)?;
    let mut recovered = Recovered {
        report: Recovery::default(),
        spans: BTreeMap::new(),
        current: None,
        tail: Tail { number: 0, end: 0 },
    };
    let mut expected = 1;
    for (index, number) in numbers.iter().copied().enumerate() {
        if number > expected {
            let damage = Damage::Missing { files: number - expected };
            let name = segment::name(expected);
            recovered.report.damaged.push(DamagedFile { name, damage, copy: None });
        }
        expected = number + 1;
        match numbers.get(index + 1) {
            Some(next) => {
                let end = promised_end(&folders.log, number, *next);
                recover_earlier(disk, folders, number, end, &mut recovered)?;
            }
            None => recover_last(disk, folders, number, &mut recovered)?,
        }
    }
    Ok(recovered)
}

/// Reads what a closed log has acknowledged once more, from new descriptors,
/// and sets aside the segments that a failed append may have begun.
pub(super) fn compare(
    disk: &dyn Disk,
    folders: &Folders,
    reader: &LogReader,
    tail: Tail,
) -> io::Result<Recovery> {
    let numbers = list(&folders.log)?;
    for number in numbers.iter().copied().filter(|number| *number > tail.number) {
        let kept = folders.quarantine.join(format!("{}.unfinished", segment::name(number)));
        disk.rename(&path(&folders.log, number), &kept)?;
    }
    disk.sync_folder(&folders.quarantine)?;
    disk.sync_folder(&folders.log)?;
    let mut report = Recovery::default();
    let gone = (1..=tail.number)
        .filter(|number| !numbers.contains(number) && !reader.spans(*number).is_empty());
    report.damaged.extend(gone.map(|number| DamagedFile {
        name: segment::name(number),
        damage: Damage::Missing { files: 1 },
        copy: None,
    }));
    for number in numbers.into_iter().filter(|number| *number <= tail.number) {
        let bytes = read_afresh(&path(&folders.log, number))?;
        let spans = segment::scan(&bytes, number);
        let missing = reader.spans(number).into_iter().map(|span| uncovered(&spans, &span)).sum();
        report.frames += spans.iter().map(|span| span.frames).sum::<u64>();
        if missing > 0 {
            let damage = Damage::Frames { bytes: missing };
            report.damaged.push(keep(disk, folders, number, &bytes, damage));
        }
    }
    Ok(report)
}

/// Reads a segment; nothing of one in whose place something else stands.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    match regular::read(path) {
        Err(error) if is_lost(&error, path) => Ok(Vec::new()),
        read => read,
    }
}

/// A folder may be there by mistake, and the segment may come back: it is named.
fn is_lost(error: &io::Error, path: &Path) -> bool {
    regular::is_irregular(error) && !path.is_dir()
}

/// Returns the numbers of the segments in a folder, in order.
fn list(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(segment::number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns where a segment ends according to the one behind it, if that says so.
fn promised_end(folder: &Path, number: u32, next: u32) -> Option<usize> {
    use std::io::Read as _;
    let mut bytes = [0; HEADER_BYTES];
    regular::open(&path(folder, next)).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    let header = Header::parse(&bytes).filter(|header| header.number == next)?;
    (next == number + 1).then_some(header.previous_end as usize)
}

fn recover_earlier(
    disk: &dyn Disk,
    folders: &Folders,
    number: u32,
    promised: Option<usize>,
    recovered: &mut Recovered,
) -> io::Result<()> {
    let bytes = read(&path(&folders.log, number))?;
    let visible = &bytes[..promised.unwrap_or(bytes.len()).min(bytes.len())];
    let spans = segment::scan(visible, number);
    let end = promised.unwrap_or_else(|| segment::used(visible).next_multiple_of(8));
    let lost = uncovered(&spans, &(HEADER_BYTES..end));
    report_damage(disk, folders, number, &bytes, lost, &mut recovered.report);
    take(recovered, number, spans);
    Ok(())
}

fn recover_last(
    disk: &dyn Disk,
    folders: &Folders,
    number: u32,
    recovered: &mut Recovered,
) -> io::Result<()> {
    let file_path = path(&folders.log, number);
    let bytes = read(&file_path)?;
    let mut spans = segment::scan(&bytes, number);
    let first_end = spans.first().map_or(HEADER_BYTES, |span| {
        if span.range.start == HEADER_BYTES { span.range.end } else { HEADER_BYTES }
    });
    let behind = spans.iter().filter(|span| span.range.start > first_end);
    // An append begins only after the one before it was durable: if one begins
    // behind the bad frame, that frame was acknowledged and this is damage.
    if !behind.clone().any(|span| span.begins) {
        spans.retain(|span| span.range.end <= first_end);
    }
    let end = spans.last().map_or(HEADER_BYTES, |span| span.range.end);
    let lost = uncovered(&spans, &(HEADER_BYTES..end));
    let header = Header::parse(&bytes).is_some_and(|header| header.number == number);
    report_damage(disk, folders, number, &bytes, lost, &mut recovered.report);
    let used = segment::used(&bytes).max(end);
    recovered.report.truncated_bytes = (used - end) as u64;
    let sound = lost == 0 && header;
    take(recovered, number, spans);
    recovered.tail = Tail { number, end };
    if used > end {
        let name = format!("{}.{end}", segment::name(number));
        recovered.report.cut = place_copy(disk, folders, &name, &bytes[end..used]);
    }
    if !sound {
        return Ok(());
    }
    let mut file = disk.open(&file_path)?;
    if used > end {
        disk::zero(file.as_mut(), end as u64, (used - end) as u64)?;
    }
    // A frame that a killed program wrote and never synced is used from now on.
    file.sync()?;
    disk.sync_folder(&folders.log)?;
    recovered.current = Some(Current { number, file, end, capacity: bytes.len() });
    Ok(())
}

fn take(recovered: &mut Recovered, number: u32, spans: Vec<Span>) {
    recovered.report.frames += spans.iter().map(|span| span.frames).sum::<u64>();
    let ranges: Vec<_> = spans.into_iter().map(|span| span.range).collect();
    if !ranges.is_empty() {
        recovered.spans.insert(number, ranges);
    }
}

fn report_damage(
    disk: &dyn Disk,
    folders: &Folders,
    number: u32,
    bytes: &[u8],
    lost: u64,
    report: &mut Recovery,
) {
    let header = Header::parse(bytes).is_some_and(|header| header.number == number);
    let damage = match (header, lost) {
        (true, 0) => return,
        (true, bytes) => Damage::Frames { bytes },
        (false, _) => Damage::Header,
    };
    report.damaged.push(keep(disk, folders, number, bytes, damage));
}

/// Returns how many bytes of a range lie in no span.
fn uncovered(spans: &[Span], range: &Range<usize>) -> u64 {
    let covered: usize = spans
        .iter()
        .map(|span| span.range.end.min(range.end).saturating_sub(span.range.start.max(range.start)))
        .sum();
    range.len().saturating_sub(covered) as u64
}

fn keep(
    disk: &dyn Disk,
    folders: &Folders,
    number: u32,
    bytes: &[u8],
    damage: Damage,
) -> DamagedFile {
    let name = segment::name(number);
    tracing::warn!(file = %name, ?damage, "a segment of the log is damaged");
    let copy = place_copy(disk, folders, &name, bytes);
    DamagedFile { name, damage, copy }
}

/// Keeps bytes for an inspection, each state of a file once; the segment itself
/// is never changed where it is damaged. Returns where the copy lies.
fn place_copy(disk: &dyn Disk, folders: &Folders, name: &str, bytes: &[u8]) -> Option<PathBuf> {
    let named = |number: usize| match number {
        1 => folders.quarantine.join(format!("{name}.damaged")),
        _ => folders.quarantine.join(format!("{name}-{number}.damaged")),
    };
    for target in (1..=COPIES_MAX).map(named) {
        match regular::read(&target) {
            Ok(kept) if kept == bytes => return Some(target),
            Ok(_) => {}
            Err(_) => {
                let placed = disk::replace(disk, &folders.scratch, &target, bytes);
                if let Err(error) = &placed {
                    tracing::warn!(%error, "no copy of a damaged part could be made");
                }
                return placed.is_ok().then_some(target);
            }
        }
    }
    None
}

/// Reads a file past the system's cache where that can be emptied: after a
/// failed sync the cache may show what the disk does not hold.
fn read_afresh(path: &Path) -> io::Result<Vec<u8>> {
    let file = match regular::open(path) {
        Err(error) if is_lost(&error, path) => return Ok(Vec::new()),
        opened => opened?,
    };
    let advised = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    if let Err(error) = advised {
        tracing::debug!(%error, "the cache of a segment cannot be emptied");
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut { file }, &mut bytes)?;
    Ok(bytes)
}
