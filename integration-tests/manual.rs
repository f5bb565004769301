//! The manual, carried out: what stands in its sessions is what the program prints.

mod chapter;
mod pattern;
mod player;

use player::Player;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual")
}

#[track_caller]
fn play(name: &str) {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let steps = chapter::steps(&text);
    assert!(!steps.is_empty(), "{name} has no session");
    if let Err(error) = Player::new().play(&steps) {
        panic!("docs/manual/{name}, {error}");
    }
}

/// Makes one test of each chapter, and their list.
macro_rules! chapters {
    ($($test:ident: $file:literal,)*) => {
        const CHAPTERS: &[&str] = &[$($file),*];
        $(#[test]
        fn $test() {
            play($file);
        })*
    };
}

chapters! {
    the_first_steps: "first-steps.md",
}

#[test]
fn every_chapter_is_carried_out_and_named_in_the_contents() {
    let contents = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let files = std::fs::read_dir(folder()).unwrap();
    let mut files: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.remove("README.md"));
    assert_eq!(files, CHAPTERS.iter().map(|name| (*name).to_owned()).collect());
    for name in CHAPTERS {
        assert!(contents.contains(&format!("({name})")), "README.md lacks {name}");
    }
}

#[test]
fn a_session_that_went_otherwise_is_noticed() {
    let play = |text: &str| Player::new().play(&chapter::steps(text));
    assert_eq!(play("```console\n$ echo one\none\n$ false\n$ echo $?\n1\n```"), Ok(()));
    assert!(
        play("```console\n$ echo one\ntwo\n```").unwrap_err().starts_with("line 2: $ echo one")
    );
    assert!(play("```console\n$ false\n```").unwrap_err().contains("exit code 1"));
    assert!(play("```console\n$ false\n$ echo $?\n0\n```").is_err());
    assert!(play("```console\n$ heirloom notes list\n```").is_err());
    assert!(play("```console\n$ kill %1\n```").is_err());
    assert!(play("```console\n$ echo a &\nb\n```").is_err());
    assert_eq!(play("```console\n$ (echo a; echo b) &\na\n$ wait\nb\n```"), Ok(()));
    assert_eq!(play("```console\n$ touch x\nother$ ls\n$ ls\nx\n```"), Ok(()));
}
