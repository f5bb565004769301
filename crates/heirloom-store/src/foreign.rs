//! Segments of the log that are of another folder and are kept aside.

use crate::disk::{Disk, FileSystem};
use crate::segment;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Segments of one number that are kept.
const KEPT_MAX: usize = 16;

/// Takes segments out of the log of a home, into its quarantine. Nothing may
/// have the log open.
///
/// # Errors
/// What the disk reports; there may be no room among what is kept.
pub fn set_aside(home: &Path, segments: &BTreeSet<u32>) -> io::Result<()> {
    let (log, kept) = (home.join("log"), home.join("quarantine"));
    FileSystem.create_folder(&kept)?;
    for number in segments {
        let name = segment::name(*number);
        let free = (1..=KEPT_MAX).map(|copy| kept.join(kept_name(&name, copy)));
        let mut free = free.filter(|target| target.symlink_metadata().is_err());
        let target = free.next().ok_or_else(|| io::Error::other("too many files are kept"))?;
        FileSystem.rename(&log.join(&name), &target)?;
    }
    FileSystem.sync_folder(&kept)?;
    FileSystem.sync_folder(&log)
}

fn kept_name(segment: &str, copy: usize) -> String {
    match copy {
        1 => format!("{segment}.foreign.damaged"),
        _ => format!("{segment}.foreign-{copy}.damaged"),
    }
}

/// Returns whether a name in the quarantine is that of such a segment.
pub(crate) fn is_kept(name: &str) -> bool {
    let parts = name.strip_suffix(".damaged").and_then(|name| name.rsplit_once('.'));
    parts.is_some_and(|(name, tag)| {
        segment::number(name).is_some() && (tag == "foreign" || tag.starts_with("foreign-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_kept_under_a_free_name_and_known_by_it() {
        let home = tempfile::tempdir().unwrap();
        let log = home.path().join("log");
        std::fs::create_dir(&log).unwrap();
        for text in ["one", "two"] {
            std::fs::write(log.join("00000007.seg"), text).unwrap();
            set_aside(home.path(), &BTreeSet::from([7])).unwrap();
            assert_eq!(std::fs::read_dir(&log).unwrap().count(), 0);
        }
        for (name, text) in [("foreign", "one"), ("foreign-2", "two")] {
            let name = format!("00000007.seg.{name}.damaged");
            assert!(is_kept(&name));
            let kept = std::fs::read(home.path().join("quarantine").join(name)).unwrap();
            assert_eq!(kept, text.as_bytes());
        }
        for name in ["00000007.seg.damaged", "00000007.seg.32.damaged", "x.foreign.damaged"] {
            assert!(!is_kept(name), "{name}");
        }
        assert!(set_aside(home.path(), &BTreeSet::from([8])).is_err());
    }
}
