//! What is wrong gets its sentence, and changes nothing.

use crate::common::{Up, init, run, run_json};
use std::path::Path;
use tempfile::TempDir;

const OTHER_PHRASE: &str =
    "legal winner thank year wave sausage worth useful legal winner thank yellow";

fn recover(home: &Path, folder: &Path, phrase: &str, peer: &str) -> crate::common::Ended {
    let file = folder.join("phrase");
    std::fs::write(&file, phrase).unwrap();
    let file = file.to_str().unwrap().to_owned();
    run_json(home, &["recover", "--phrase-file", &file, "--peer", peer, "--no-mdns"])
}

#[test]
fn a_wrong_phrase_names_the_word_and_an_unknown_account_creates_nothing() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "phone");
    let node = Up::start(&home, &[]);
    let new = folder.path().join("new");
    let mistyped = OTHER_PHRASE.replacen("winner", "winnner", 1);
    let ended = recover(&new, folder.path(), &mistyped, &node.address());
    assert!(ended.stderr.contains("winnner"), "{}", ended.stderr);
    assert_ne!(ended.code, 0);
    let ended = recover(&new, folder.path(), "legal winner", &node.address());
    assert!(ended.stderr.contains("12"), "{}", ended.stderr);
    let ended = recover(&new, folder.path(), OTHER_PHRASE, &node.address());
    assert_eq!(ended.code, 77, "{}", ended.stderr);
    assert!(!new.exists(), "nothing was created");
    drop(node);
}

#[test]
fn nobody_in_reach_is_its_own_exit_code() {
    let folder = TempDir::new().unwrap();
    let new = folder.path().join("new");
    let ended = recover(&new, folder.path(), OTHER_PHRASE, "/ip4/127.0.0.1/tcp/1");
    assert_eq!(ended.code, 69, "{}", ended.stderr);
    assert!(!new.exists());
}

#[test]
fn bad_invites_each_get_their_sentence() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "phone");
    let node = Up::start(&home, &[]);
    let mut number = 0;
    let mut join = |code: &str| {
        number += 1;
        let new = folder.path().join(format!("new{number}"));
        let ended = run_json(&new, &["join", code, "--no-mdns", "--peer", &node.address()]);
        assert!(ended.code == 0 || !new.exists(), "{code}: something was created");
        ended
    };
    let link = node.invite("member");
    join(&link).expect(0);
    let used = join(&link);
    assert_ne!(used.code, 0);
    let unknown = join("heirloom:nonsense");
    assert_ne!(unknown.code, 0);
    let words = join("abandon abandon abandon abandon abandon abandom");
    assert!(words.stderr.contains("abandom"), "{}", words.stderr);
    let short = run_json(&home, &["invite", "--ttl", "1"]).expect(0).json()["link"]
        .as_str()
        .unwrap()
        .to_owned();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let expired = join(&short);
    assert_ne!(expired.code, 0);
    let texts = [&used.stderr, &unknown.stderr, &words.stderr, &expired.stderr];
    for (index, text) in texts.iter().enumerate() {
        assert!(!text.is_empty());
        assert!(!texts[..index].contains(text), "two sentences are the same: {text}");
    }
    // Wrong words say so, and leave the invite open.
    let good = node.invite("member");
    for _ in 0..4 {
        let wrong = join("zoo zoo zoo zoo zoo zoo");
        assert_eq!(wrong.code, 77, "{}", wrong.stderr);
        assert!(wrong.stderr.contains("again"), "{}", wrong.stderr);
    }
    join(&good).expect(0);
}

#[test]
fn a_second_process_on_one_folder_says_who_holds_it() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "phone");
    let node = Up::start(&home, &[]);
    let second = run(&home, &["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert!(second.stderr.contains(&node.child.id().to_string()), "{}", second.stderr);
    let again = run(&home, &["init", "--no-verify"]);
    assert_eq!(again.code, 1, "{}", again.stderr);
}

#[test]
fn a_bad_card_never_blocks_the_others() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "phone");
    let file = folder.path().join("cards.vcf");
    let too_many = "TEL:1\r\n".repeat(1_001);
    let cards = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:One\r\nEND:VCARD\r\n\
         BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Broken\r\n{too_many}END:VCARD\r\n\
         BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Two\r\nEND:VCARD\r\n"
    );
    std::fs::write(&file, cards).unwrap();
    let ended = run_json(&home, &["import", file.to_str().unwrap()]);
    assert_eq!(ended.code, 4, "{}{}", ended.stdout, ended.stderr);
    let report = ended.json();
    assert_eq!(report["accepted"], 2);
    assert_eq!(report["skipped"][0]["line"], 5);
    let garbage = folder.path().join("garbage.vcf");
    std::fs::write(&garbage, [0xff, 0xfe, 0x00, 0x01]).unwrap();
    assert_eq!(run_json(&home, &["import", garbage.to_str().unwrap()]).code, 3);
}

#[test]
fn usage_errors_and_missing_accounts_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("none");
    assert_eq!(run(&home, &["frobnicate"]).code, 2);
    assert_eq!(run(&home, &["up", "--no-mdns"]).code, 2, "no terminal and no --yes");
    assert_eq!(run(&home, &["up", "--keeper", "--blind", "--yes", "--no-mdns"]).code, 2);
    assert_ne!(run(&home, &["notes", "list"]).code, 0);
    assert!(!home.exists());
    init(&home, "phone");
    assert_eq!(run(&home, &["notes", "add", "nonsense"]).code, 2);
    assert_eq!(run(&home, &["contacts", "add", "colour=blue"]).code, 2);
    assert_eq!(run(&home, &["invite"]).code, 1);
}
