//! A node that is killed at any moment has every write that it answered.

use crate::common::{Up, heirloom, init, run_json};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

const KILLS: u32 = 100;

/// A small generator, so that a failing run can be run again.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// S41.
#[test]
fn a_hundred_kills_lose_no_answered_write() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "victim");
    let mut answered = BTreeSet::new();
    let mut state = 7;
    for round in 0..KILLS {
        let node = Up::start(&home, &[]);
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let title = format!("title=note {round} {writer}");
                heirloom(&home)
                    .args(["--json", "notes", "add", &title, "body=text"])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        // The moment is random: before, in, or after the writes.
        std::thread::sleep(Duration::from_micros(next(&mut state) % 60_000));
        node.kill();
        for writer in writers {
            let output = writer.wait_with_output().unwrap();
            if let Ok(saved) = serde_json::from_slice::<serde_json::Value>(&output.stdout) {
                answered.insert(saved["id"].as_str().unwrap().to_owned());
            }
        }
    }
    let rows = run_json(&home, &["notes", "list"]).lines();
    let held: BTreeSet<String> =
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let lost: Vec<&String> = answered.difference(&held).collect();
    assert!(lost.is_empty(), "{} of {} answered writes are lost", lost.len(), answered.len());
    assert!(answered.len() > 20, "only {} writes were answered", answered.len());
}
