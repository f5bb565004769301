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
    records: "records.md",
    files: "files.md",
    editing_apart: "apart.md",
    keepers: "keepers.md",
    a_lost_device: "lost.md",
    waits_and_exit_codes: "waits.md",
    scripts: "scripts.md",
    an_app_of_your_own: "apps.md",
    networks: "networks.md",
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

/// The README's sessions have no output, and places to fill in: its command,
/// the device that it is given on, and what a reader makes of it.
const README: &[(&str, &str, &str)] = &[
    // Without a terminal nobody is asked whether to make the account.
    ("heirloom up --keeper", "keeper", "heirloom up --keeper --yes &"),
    ("heirloom invite", "keeper", "heirloom invite"),
    (
        "heirloom up --join \"SIX WORDS OR THE LINK\"",
        "laptop",
        "heirloom up --join \"[words]\" --device laptop &",
    ),
    ("heirloom import ~/contacts.vcf ~/calendar.ics ~/Notes", "laptop", ""),
    ("heirloom contacts list --search ann", "laptop", ""),
    (
        "heirloom contacts set 3f2a phone:cell=\"+49 30 1234567\" --wait keeper",
        "laptop",
        "heirloom contacts set ann-1 phone:cell=\"+49 30 1234567\" --wait keeper",
    ),
    ("heirloom status", "laptop", ""),
    ("heirloom export ~/open-files", "laptop", ""),
    ("heirloom recover", "new", "heirloom recover --phrase-file ~/phrase"),
];

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let readme = std::fs::read_to_string(folder().join("../../README.md")).unwrap();
    let given: Vec<String> = chapter::steps(&readme).into_iter().map(|step| step.command).collect();
    let given: Vec<&str> =
        given.iter().map(String::as_str).filter(|line| line.starts_with("heirloom")).collect();
    assert_eq!(given, README.iter().map(|(line, ..)| *line).collect::<Vec<_>>());
    let before = "laptop$ mkdir ~/Notes && echo Leek > ~/Notes/soup.md\n\
        laptop$ printf '%s\\r\\n' BEGIN:VCARD VERSION:3.0 UID:ann-1 'FN:Ann' END:VCARD > ~/contacts.vcf\n\
        laptop$ printf '%s\\r\\n' BEGIN:VCALENDAR VERSION:2.0 BEGIN:VEVENT UID:e SUMMARY:Tea \
        DTSTART:20261201T100000Z END:VEVENT END:VCALENDAR > ~/calendar.ics\n";
    let mut session = format!("```console\n{before}");
    for (line, device, command) in README {
        if line.starts_with("heirloom recover") {
            let phrase: Vec<String> = (1..=12).map(|number| format!("[w{number}]")).collect();
            session.push_str(&format!("new$ echo '{}' > ~/phrase\n", phrase.join(" ")));
        }
        let command = if command.is_empty() { line } else { command };
        let expected = match *line {
            "heirloom up --keeper" => PHRASE,
            "heirloom invite" => "...\nor, in the same network, with the words\n\n[words]\n\n...\n",
            "heirloom contacts list --search ann" => "[..]Z Ann\n...\n",
            _ => "...\n",
        };
        session.push_str(&format!("{device}$ {command}\n{expected}"));
    }
    session.push_str("laptop$ ls ~/open-files\ncalendar\ncontacts\nnotes\n");
    session.push_str(
        "new$ heirloom contacts show ann-1\nAnn\n...\n  phone:cell: +49 30 1234567[..]\n...\n",
    );
    if let Err(error) = Player::new().play(&chapter::steps(&session)) {
        panic!("{session}\n{error}");
    }
}

/// How a new account's words are shown.
const PHRASE: &str = "...\n1 [w1] 2 [w2] 3 [w3] 4 [w4]\n5 [w5] 6 [w6] 7 [w7] 8 [w8]\n\
                      9 [w9] 10 [w10] 11 [w11] 12 [w12]\n...\n";

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
