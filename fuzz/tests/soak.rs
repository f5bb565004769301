//! The soak command itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str], failures: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heirloom-fuzz"))
        .args(arguments)
        .arg("--failures")
        .arg(failures)
        .output()
        .unwrap()
}

#[test]
fn a_soak_names_panics_aborts_overflows_and_greed_and_keeps_their_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["soak", "--target", "broken", "--inputs", "400"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for wanted in ["a broken assertion", "the process died", "it took 2684", "of seed 1"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let mut kept = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(matches!(bytes.first(), Some(b'p' | b'a' | b'm' | b's')));
        kept += 1;
    }
    assert_eq!(kept, 10, "a target is given up after ten failures: {text}");
}

#[test]
fn a_soak_that_finds_nothing_ends_well_and_says_what_it_measured() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["soak", "--target", "settings", "--inputs", "60"], folder.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let line = text.lines().find(|line| line.starts_with("settings")).unwrap();
    assert_eq!(line.split_whitespace().nth(1), Some("60"));
    assert_eq!(line.split_whitespace().last(), Some("0"));
}
