//! Folders that an earlier version left, opened by this one.
//!
//! `earlier/` holds the two devices of a household of version 0.1 (2026-11), apart since their last sync: what
//! its `digest` said, and of each folder what is not made anew, the log without the empty end of its
//! file.

use crate::common::{Up, digest, eventually, run_json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Length of a log's file, whose end is empty.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Puts a device's folder where a test may use it; returns it and its digest.
fn device(folder: &Path, name: &str) -> (PathBuf, String) {
    use std::os::unix::fs::PermissionsExt;
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integration-tests/earlier");
    let (kept, home) = (kept.join(name), folder.join(name));
    let log = home.join("log");
    std::fs::create_dir_all(&log).unwrap();
    for file in ["FORMAT", "device.key"] {
        std::fs::copy(kept.join(file), home.join(file)).unwrap();
        let rights = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(home.join(file), rights).unwrap();
    }
    let segment = log.join("00000001.seg");
    std::fs::copy(kept.join("00000001.seg"), &segment).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(SEGMENT_BYTES).unwrap();
    let said = std::fs::read_to_string(kept.join("DIGEST")).unwrap();
    (home, said.trim().to_owned())
}

#[test]
fn a_household_of_an_earlier_version_goes_on_with_what_it_had() {
    let folder = TempDir::new().unwrap();
    let [(one, one_said), (two, two_said)] = ["one", "two"].map(|name| device(folder.path(), name));
    assert_eq!((digest(&one), digest(&two)), (one_said, two_said));

    let first = Up::start(&one, &[]);
    let address = first.address();
    let second = Up::start(&two, &["--peer", &address]);
    eventually("both devices hold the same", || digest(&one) == digest(&two));
    for home in [&one, &two] {
        let contacts = run_json(home, &["contacts", "list"]).lines();
        let id = contacts[0]["id"].as_str().unwrap();
        let ann = run_json(home, &["contacts", "show", id]).expect(0).json();
        assert_eq!(ann["fields"]["organization"][0]["value"], "Lab");
        assert_eq!(ann["fields"]["phone"][1]["value"], "+49 40 2");
        let conflicts = run_json(home, &["contacts", "conflicts"]).lines();
        let fields: Vec<&str> =
            conflicts.iter().map(|row| row["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["birthday"]);
        let history = run_json(home, &["contacts", "history", id]).lines();
        let edits = history.iter().filter(|row| row["kind"] != "created");
        assert_eq!(edits.count(), 5, "{history:?}");
        let notes = run_json(home, &["notes", "list", "--search", "jam"]).lines();
        assert_eq!(notes[0]["fields"]["body"], "milk, butter and bread and jam");
        assert!(run_json(home, &["calendar", "list"]).lines().is_empty());
        let problems = run_json(home, &["status"]).expect(0).json()["problems"].clone();
        let codes: Vec<&str> = problems
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem["code"].as_str().unwrap())
            .collect();
        assert!(codes.iter().all(|code| ["no-keeper", "pending"].contains(code)), "{problems}");
    }
    drop((first, second));
}
