//! What the status shows of the store: its sizes and its problems.

use super::Store;
use crate::foreign;
use crate::index::IndexState;
use crate::log::{Damage, DamagedFile};
use heirloom_base::count;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The folder of what was kept of damaged files, below the home.
const QUARANTINE: &str = "quarantine";

/// Bytes on the disk by part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The log, with the room taken for its next frames.
    pub log: u64,
    /// The chunks.
    pub chunks: u64,
    /// The index, with one that was put aside.
    pub index: u64,
    /// What was kept of damaged files.
    pub quarantine: u64,
    /// The reserve for a full disk.
    pub reserve: u64,
}

/// Something the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name for programs.
    pub code: &'static str,
    /// What is the matter, as a sentence.
    pub text: String,
    /// What can be done, as a sentence.
    pub fix: String,
}

impl Store {
    /// Returns the files that are kept of what was taken out of the log and have
    /// such a name; they stay until a user removes them.
    fn kept(&self, is_meant: fn(&str) -> bool) -> impl Iterator<Item = String> {
        let kept = std::fs::read_dir(self.home.join(QUARANTINE)).into_iter().flatten().flatten();
        kept.filter_map(|entry| entry.file_name().into_string().ok())
            .filter(move |name| is_meant(name))
            .map(|name| format!("{QUARANTINE}/{name}"))
    }

    /// Returns whether the log has lost something, now or earlier.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        let recovery = &self.recovery;
        !recovery.damaged.is_empty()
            || recovery.truncated_bytes > 0
            || self.kept(is_cut_end).next().is_some()
            || self.kept(foreign::is_kept).next().is_some()
    }

    /// Measures the parts of the store.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let mut sizes = Sizes::default();
        for entry in std::fs::read_dir(&self.home).into_iter().flatten().flatten() {
            let bytes = disk_bytes(&entry.path());
            match entry.file_name().to_string_lossy().as_ref() {
                "log" => sizes.log = bytes,
                "packs" => sizes.chunks = bytes,
                "quarantine" => sizes.quarantine = bytes,
                "reserve" => sizes.reserve = bytes,
                name if name.starts_with("index") => sizes.index += bytes,
                _ => {}
            }
        }
        sizes
    }

    /// Returns what is wrong with the store.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(reason) = self.appender().closed() {
            problems.push(Problem {
                code: "log-closed",
                text: format!("The disk refused a write and nothing is saved any more: {reason}."),
                fix: "Check the disk: the node goes on when it takes writes again.".to_owned(),
            });
        }
        if self.reserve.is_needed() {
            problems.push(Problem {
                code: "disk-full",
                text: "The disk is full: only deletions and other small changes are saved."
                    .to_owned(),
                fix: "Free some space on the disk of this device.".to_owned(),
            });
        }
        problems.extend(self.recovery.damaged.iter().map(damaged_file));
        problems.extend(self.kept(foreign::is_kept).map(foreign_file));
        problems.extend(self.kept(is_cut_end).map(|name| {
            Problem {
            code: "log-end-lost",
            text: format!("The end of the log could not be read: {name} keeps what was cut off."),
            fix: "Connect to another device, which sends again what is missing; then delete that \
                  file."
                .to_owned(),
        }
        }));
        let lost = self.chunks.lost().len();
        if lost > 0 {
            problems.push(Problem {
                code: "chunks-lost",
                text: format!("{lost} stored chunks were damaged and are not used any more."),
                fix: "Connect to another device, which sends them again, or import their files \
                      again."
                    .to_owned(),
            });
        }
        if self.format_rewritten {
            problems.push(Problem {
                code: "format-rewritten",
                text: "The format file was missing or damaged and was written anew.".to_owned(),
                fix: "Nothing needs to be done.".to_owned(),
            });
        }
        problems.extend(self.index_problem());
        problems
    }

    fn index_problem(&self) -> Option<Problem> {
        match self.index.state() {
            IndexState::InMemory => Some(Problem {
                code: "index-in-memory",
                text: "The index cannot be written and is kept in memory: each start reads the \
                       whole log."
                    .to_owned(),
                fix: "Free some space on the disk of this device, or check its rights, and start \
                      the node again."
                    .to_owned(),
            }),
            IndexState::Rebuilt => Some(Problem {
                code: "index-rebuilt",
                text: "The index was damaged, missing, or another version's, and was rebuilt from \
                       the log."
                    .to_owned(),
                fix: "Nothing needs to be done; if it happens again without an update, check the \
                      disk."
                    .to_owned(),
            }),
            IndexState::New | IndexState::Opened | IndexState::Repaired => None,
        }
    }
}

/// Returns whether a name is that of what was cut off a segment: `NUMBER.seg.OFFSET.damaged`.
fn is_cut_end(name: &str) -> bool {
    let Some((segment, offset)) =
        name.strip_suffix(".damaged").and_then(|name| name.rsplit_once('.'))
    else {
        return false;
    };
    let is_offset = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
    is_offset && crate::segment::number(segment).is_some()
}

fn foreign_file(name: String) -> Problem {
    Problem {
        code: "log-foreign",
        text: format!("A file of another folder lay in the log: {name} keeps it."),
        fix: "Connect to another device, which sends again what is missing; then put that file \
              where it belongs, or delete it."
            .to_owned(),
    }
}

fn damaged_file(file: &DamagedFile) -> Problem {
    let name = &file.name;
    let text = match file.damage {
        Damage::Missing { files: 1 } => format!("The file {name} of the log is missing."),
        Damage::Missing { files } => {
            format!("{files} files of the log are missing, from {name} on.")
        }
        Damage::Header => {
            format!(
                "The header of the file {name} of the log is damaged; its frames were searched for."
            )
        }
        Damage::Frames { bytes } => {
            let bytes = count::of(bytes, "byte", "bytes");
            format!("Damaged in the file {name} of the log: {bytes}; the rest of it is used.")
        }
    };
    let fix = "Connect to another device, which sends again what is missing.".to_owned();
    Problem { code: "log-damaged", text, fix }
}

/// Returns what a file, or a folder with all in it, takes on the disk.
fn disk_bytes(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return own;
    }
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten();
    own + inside.map(|entry| disk_bytes(&entry.path())).sum::<u64>()
}
