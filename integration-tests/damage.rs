//! Every file of a data folder, damaged in every way: it heals by itself, or
//! says what is wrong and changes nothing.

use crate::common::{Up, digest, eventually, init, run_json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What happens to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Missing,
    Empty,
    Half,
    /// One bit flips, so many percent into the file's used bytes.
    Flip(usize),
    Zeroed,
    /// The file of the same name in the folder of another account.
    Foreign,
    /// The file of the same name in the folder of another device of the account.
    Twin,
    /// The file as it was some time ago.
    Older,
    /// A folder lies where the file should be.
    Folder,
}

const HARMS: [Harm; 11] = [
    Harm::Missing,
    Harm::Empty,
    Harm::Half,
    Harm::Flip(0),
    Harm::Flip(50),
    Harm::Flip(99),
    Harm::Zeroed,
    Harm::Foreign,
    Harm::Twin,
    Harm::Older,
    Harm::Folder,
];

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Every record is shown as before.
    Whole,
    /// Nothing is shown: the exit code, and a word of the sentence.
    Refused(i32, &'static str),
}

/// The table of decision 17.
fn expected(file: &str, harm: Harm) -> Outcome {
    let part = file.split('/').next().unwrap();
    match (part, harm) {
        ("device.key", Harm::Older) => Outcome::Whole,
        ("device.key", Harm::Folder) => Outcome::Refused(1, "device.key"),
        ("device.key", _) => Outcome::Refused(5, "device.key"),
        ("log" | "LOCK" | "FORMAT" | "reserve", Harm::Folder) => Outcome::Refused(1, part_of(part)),
        ("log" | "LOCK" | "FORMAT" | "index" | "packs" | "reserve", _) => Outcome::Whole,
        _ => panic!("{file}: decision 17 does not say what happens when it is damaged"),
    }
}

fn part_of(part: &str) -> &'static str {
    ["log", "LOCK", "FORMAT", "reserve"].into_iter().find(|known| *known == part).unwrap()
}

/// A phone and a laptop of one account, both off, and a stranger.
struct House {
    folder: TempDir,
    digest: String,
}

impl House {
    fn new() -> Self {
        let house = Self { folder: TempDir::new().unwrap(), digest: String::new() };
        let (phone, laptop) = (house.path("phone"), house.path("laptop"));
        init(&phone, "phone");
        init(&house.path("stranger"), "stranger");
        run_json(&house.path("stranger"), &["notes", "add", "title=of a stranger"]).expect(0);
        let first = Up::start(&phone, &[]);
        let second = Up::start(&laptop, &["--join", &first.invite("member")]);
        house.import(&phone);
        run_json(&laptop, &["notes", "add", "title=of the laptop", "--wait", "peer:1"]).expect(0);
        assert_eq!(first.stop(), 0);
        copy(&phone, &house.path("older"));
        let first = Up::start(&phone, &["--peer", &second.address()]);
        for number in 0..10 {
            let title = format!("title=note {number}");
            run_json(&phone, &["notes", "add", &title, "--wait", "peer:1"]).expect(0);
        }
        assert_eq!((first.stop(), second.stop()), (0, 0));
        let digest = digest(&laptop);
        Self { digest, ..house }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn import(&self, phone: &Path) {
        let photo = "QUJD".repeat(30_000);
        let mut cards = format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:photo\r\nFN:Ann\r\nPHOTO;ENCODING=b;TYPE=JPEG:{photo}\r\n\
             END:VCARD\r\n"
        );
        for number in 0..30 {
            let card = format!("UID:u{number}\r\nFN:Person {number}\r\nTEL:+49 30 {number}");
            cards += &format!("BEGIN:VCARD\r\nVERSION:3.0\r\n{card}\r\nEND:VCARD\r\n");
        }
        let file = self.path("cards.vcf");
        fs::write(&file, cards).unwrap();
        let wait = ["--wait", "peer:1", "--timeout", "30"];
        let arguments = [["import", file.to_str().unwrap()].as_slice(), &wait].concat();
        run_json(phone, &arguments).expect(0);
    }

    /// A copy of the phone's folder, or of another one.
    fn copied(&self, name: &str, number: usize) -> PathBuf {
        let home = self.path(&format!("{name}-{number}"));
        copy(&self.path(name), &home);
        home
    }

    /// Damages a file; returns whether that changed anything.
    fn harm(&self, home: &Path, file: &str, harm: Harm) -> bool {
        let path = home.join(file);
        let before = fs::read(&path).unwrap();
        match harm {
            Harm::Missing => fs::remove_file(&path).unwrap(),
            Harm::Empty => fs::write(&path, "").unwrap(),
            Harm::Half => fs::write(&path, &before[..used(&before) / 2]).unwrap(),
            Harm::Flip(percent) => {
                let mut bytes = before.clone();
                let at = used(&bytes).saturating_sub(1) * percent / 100;
                let Some(byte) = bytes.get_mut(at) else { return false };
                *byte ^= 0x10;
                fs::write(&path, bytes).unwrap();
            }
            Harm::Zeroed => fs::write(&path, vec![0; before.len()]).unwrap(),
            Harm::Foreign | Harm::Twin | Harm::Older => {
                let others = [(Harm::Foreign, "stranger"), (Harm::Twin, "laptop")];
                let other = others.iter().find(|(named, _)| *named == harm);
                let other = other.map_or("older", |(_, folder)| folder);
                let Ok(bytes) = fs::read(self.path(other).join(file)) else { return false };
                fs::write(&path, bytes).unwrap();
            }
            Harm::Folder => {
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
            }
        }
        true
    }
}

/// The bytes before the zeroes at the end.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Returns every file below a folder.
fn files(home: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(home.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = Path::new(below).join(entry.file_name()).to_str().unwrap().to_owned();
        match entry.path().is_dir() {
            true => found.extend(files(home, &name)),
            false => found.push(name),
        }
    }
    found.sort();
    found
}

#[test]
fn every_file_of_a_folder_is_damaged_in_every_way_and_nothing_false_is_shown() {
    let house = House::new();
    let phone = house.path("phone");
    let all = files(&phone, "");
    for part in ["device.key", "FORMAT", "LOCK", "reserve", "log/", "packs/", "index/"] {
        assert!(all.iter().any(|file| file.starts_with(part)), "{part} is not in {all:?}");
    }
    for (number, file) in all.iter().enumerate() {
        for harm in HARMS {
            let home = house.copied("phone", number);
            if house.harm(&home, file, harm) {
                check(&house, &home, file, harm);
            }
            fs::remove_dir_all(&home).unwrap();
        }
    }
}

fn check(house: &House, home: &Path, file: &str, harm: Harm) {
    let case = format!("{file} {harm:?}");
    let ended = run_json(home, &["digest"]);
    assert!(!ended.stderr.contains(" panicked at "), "{case}: {}", ended.stderr);
    match expected(file, harm) {
        Outcome::Whole => {
            assert_eq!(ended.code, 0, "{case}: {}", ended.stderr);
            assert_eq!(ended.json()["digest"], house.digest.as_str(), "{case}");
        }
        Outcome::Refused(code, word) => {
            assert_eq!(ended.code, code, "{case}: {}{}", ended.stdout, ended.stderr);
            assert!(ended.stderr.contains(word), "{case}: {}", ended.stderr);
            let path = home.join(file);
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            }
            fs::copy(house.path("phone").join(file), &path).unwrap();
            assert_eq!(digest(home), house.digest, "{case}: the sound file was put back");
        }
    }
}

/// The log is made whole by the others: then even the index may be lost.
#[test]
fn what_the_log_has_lost_comes_back_from_another_device() {
    let house = House::new();
    let laptop = Up::start(&house.path("laptop"), &[]);
    let log = "log/00000001.seg";
    let kept = [
        (Harm::Missing, None),
        (Harm::Half, Some("log-end-lost")),
        (Harm::Flip(0), Some("log-damaged")),
        (Harm::Flip(50), Some("log-damaged")),
        (Harm::Flip(99), Some("log-end-lost")),
        (Harm::Zeroed, Some("log-damaged")),
        (Harm::Older, None),
        (Harm::Foreign, Some("log-foreign")),
        (Harm::Twin, Some("log-foreign")),
    ];
    for (number, (harm, code)) in kept.into_iter().enumerate() {
        let home = house.copied("phone", number);
        assert!(house.harm(&home, log, harm));
        let phone = Up::start(&home, &["--peer", &laptop.address()]);
        let title = format!("title=after {harm:?}");
        run_json(&home, &["notes", "add", &title, "--wait", "peer:1"]).expect(0);
        eventually("both hold the same", || digest(&home) == digest(&laptop.home));
        let status = run_json(&home, &["status"]).expect(0).json();
        assert_eq!(status["quarantined"], 0, "{harm:?}: what came again was known");
        if let Some(code) = code {
            let problems = status["problems"].as_array().unwrap();
            assert!(
                problems.iter().any(|problem| problem["code"] == code),
                "{harm:?} {problems:?}"
            );
            let aside = files(&home, "quarantine");
            assert!(aside.iter().any(|name| name.ends_with(".damaged")), "{harm:?} {aside:?}");
        }
        assert_eq!(phone.stop(), 0);
        fs::remove_dir_all(home.join("index")).unwrap();
        assert_eq!(digest(&home), digest(&laptop.home), "{harm:?}: also without the old index");
        fs::remove_dir_all(home).unwrap();
    }
}

/// What the log says of who belongs to the account may be what is lost.
#[test]
fn a_roster_that_the_log_has_lost_comes_from_another_device_also_without_the_index() {
    let house = House::new();
    let laptop = Up::start(&house.path("laptop"), &[]);
    let mut refused = 0;
    for percent in 1..=12 {
        let home = house.copied("phone", percent);
        assert!(house.harm(&home, "log/00000001.seg", Harm::Flip(percent)));
        fs::remove_dir_all(home.join("index")).unwrap();
        let alone = run_json(&home, &["digest"]);
        refused += usize::from(alone.code == 5);
        let phone = Up::start(&home, &["--peer", &laptop.address()]);
        eventually("both hold the same", || {
            let here = run_json(&home, &["digest"]);
            here.code == 0 && here.json()["digest"] == digest(&laptop.home).as_str()
        });
        run_json(&home, &["notes", "add", "title=after", "--wait", "peer:1"]).expect(0);
        let status = run_json(&home, &["status"]).expect(0).json();
        assert!(status["problems"].to_string().contains("log-damaged"), "{percent}: {status}");
        assert_eq!(phone.stop(), 0);
        eventually("the laptop has it", || digest(&home) == digest(&laptop.home));
        fs::remove_dir_all(home.join("index")).unwrap();
        assert_eq!(digest(&home), digest(&laptop.home), "{percent}: from the log alone");
        fs::remove_dir_all(home).unwrap();
    }
    assert!(refused > 0, "one of these hits what the device cannot do without");
}

#[test]
fn a_log_that_is_refused_is_left_as_it_was() {
    let house = House::new();
    for (number, harm) in [Harm::Missing, Harm::Empty, Harm::Zeroed].into_iter().enumerate() {
        let home = house.copied("phone", number);
        let log = home.join("log/00000001.seg");
        fs::remove_dir_all(home.join("index")).unwrap();
        assert!(house.harm(&home, "log/00000001.seg", harm));
        for _ in 0..2 {
            run_json(&home, &["digest"]).expect(5);
        }
        fs::copy(house.path("phone").join("log/00000001.seg"), log).unwrap();
        assert_eq!(digest(&home), house.digest, "{harm:?}: the sound file was put back");
    }
}

/// The index is then all that is left of a record: it is written again from there.
#[test]
fn a_lone_device_whose_log_was_lost_writes_everything_again_and_says_when_it_cannot() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "lone");
    for number in 0..3 {
        run_json(&home, &["notes", "add", &format!("title=note {number}")]).expect(0);
    }
    let before = digest(&home);
    fs::remove_file(home.join("log/00000001.seg")).unwrap();
    assert_eq!(digest(&home), before);
    assert_eq!(run_json(&home, &["notes", "list"]).lines().len(), 3);
    let lost = |home: &Path| {
        let status = run_json(home, &["status"]).expect(0).json();
        let problems = status["problems"].as_array().unwrap();
        problems.iter().any(|problem| problem["code"] == "entries-lost")
    };
    assert!(!lost(&home));
    fs::remove_dir_all(home.join("index")).unwrap();
    assert_eq!(run_json(&home, &["notes", "list"]).lines().len(), 3);
    assert!(!lost(&home));
}

/// The first command that sees a loss is not the one that writes.
#[test]
fn a_log_whose_end_was_lost_is_not_continued_by_a_later_command() {
    let house = House::new();
    let home = house.path("phone");
    // The folder stays where it is: nothing but the loss asks for a new log.
    assert!(house.harm(&home, "log/00000001.seg", Harm::Flip(99)));
    run_json(&home, &["status"]).expect(0);
    run_json(&home, &["notes", "add", "title=afterwards"]).expect(0);
    let laptop = Up::start(&house.path("laptop"), &[]);
    let phone = Up::start(&home, &["--peer", &laptop.address()]);
    eventually("both hold the same", || digest(&home) == digest(&laptop.home));
    let rows = run_json(&laptop.home, &["notes", "list", "--search", "afterwards"]).lines();
    assert_eq!(rows.len(), 1, "{rows:?}");
    drop((phone, laptop));
}

#[test]
fn a_chunk_that_decayed_or_is_gone_comes_back_from_another_device() {
    let house = House::new();
    let home = house.path("phone");
    let chunk = files(&home, "packs").pop().unwrap();
    let sound = fs::read(home.join(&chunk)).unwrap();
    let laptop = Up::start(&house.path("laptop"), &[]);
    for harm in [Harm::Missing, Harm::Empty, Harm::Flip(50)] {
        assert!(house.harm(&home, &chunk, harm));
        let phone = Up::start(&home, &["--peer", &laptop.address()]);
        eventually("the chunk is back", || {
            fs::read(home.join(&chunk)).is_ok_and(|bytes| bytes == sound)
        });
        assert_eq!(phone.stop(), 0);
    }
    assert!(files(&home, "quarantine").iter().any(|name| name.ends_with(".damaged")));
}

#[test]
fn an_index_that_is_taken_away_from_a_running_node_is_made_again() {
    let house = House::new();
    let home = house.path("phone");
    let node = Up::start(&home, &[]);
    fs::remove_dir_all(home.join("index")).unwrap();
    for number in 0..3 {
        run_json(&home, &["notes", "add", &format!("title=without an index {number}")]).expect(0);
    }
    // Of long texts sled makes files, which it cannot there. A write may be lost with the index, and says so.
    for number in 0..12 {
        let body = format!("body={number} {}", "words of a long note ".repeat(4_000));
        let said = run_json(&home, &["notes", "add", "title=long", &body]);
        assert!([0, 1].contains(&said.code), "{number}: {}", said.stderr);
    }
    run_json(&home, &["notes", "add", "title=the last"]).expect(0);
    let shown = digest(&home);
    assert_ne!(shown, house.digest);
    assert_eq!(node.stop(), 0);
    assert_eq!(digest(&home), shown);
    let node = Up::start(&home, &[]);
    assert_eq!(digest(&home), shown);
    drop(node);
}

/// What is swapped, what becomes of it, and a word of the sentence if it is refused.
fn swapped(one: &str, other: &str) -> Outcome {
    let part = |file: &str| file.split('/').next().unwrap().to_owned();
    match (part(one).as_str(), part(other).as_str()) {
        ("device.key", _) => Outcome::Refused(5, "device.key"),
        // The index knows it all, until the others have sent it again.
        ("log", "packs" | "FORMAT") | ("packs" | "FORMAT", _) => Outcome::Whole,
        ("log", "index") => Outcome::Refused(5, "log"),
        pair => panic!("decision 17 does not say what happens to {pair:?}"),
    }
}

fn swap(home: &Path, one: &str, other: &str) {
    let (one, other, aside) = (home.join(one), home.join(other), home.join("aside"));
    fs::rename(&one, &aside).unwrap();
    fs::rename(&other, &one).unwrap();
    fs::rename(&aside, &other).unwrap();
}

#[test]
fn two_files_of_one_folder_that_were_swapped_show_nothing_false_and_are_kept() {
    let house = House::new();
    let phone = house.path("phone");
    let all = files(&phone, "");
    let find = |start: &str| all.iter().find(|file| file.starts_with(start)).unwrap().as_str();
    let (log, chunk, index) = ("log/00000001.seg", find("packs/"), find("index/db"));
    let pairs = [
        ("device.key", "FORMAT"),
        ("device.key", log),
        (log, chunk),
        (log, "FORMAT"),
        (log, index),
        (chunk, index),
        (chunk, "FORMAT"),
    ];
    let laptop = Up::start(&house.path("laptop"), &[]);
    for (number, (one, other)) in pairs.into_iter().enumerate() {
        let case = format!("{one} and {other}");
        let home = house.copied("phone", number);
        swap(&home, one, other);
        let ended = run_json(&home, &["digest"]);
        assert!(!ended.stderr.contains("panicked"), "{case}: {}", ended.stderr);
        match swapped(one, other) {
            Outcome::Whole => {
                assert_eq!(ended.code, 0, "{case}: {}", ended.stderr);
                assert_eq!(ended.json()["digest"], house.digest.as_str(), "{case}");
                let node = Up::start(&home, &["--peer", &laptop.address()]);
                run_json(&home, &["notes", "add", "title=later", "--wait", "peer:1"]).expect(0);
                assert_eq!(node.stop(), 0);
                run_json(&laptop.home, &["sync"]);
            }
            Outcome::Refused(code, word) => {
                assert_eq!(ended.code, code, "{case}: {}{}", ended.stdout, ended.stderr);
                assert!(ended.stderr.contains(word), "{case}: {}", ended.stderr);
            }
        }
        if one == "device.key" {
            swap(&home, one, other);
            assert_eq!(digest(&home), house.digest, "{case}: they were swapped back");
        } else {
            let kept = files(&home, "quarantine").len() + files(&home, "").len();
            assert!(kept > all.len(), "{case}: what does not belong there is kept");
        }
        fs::remove_dir_all(home).unwrap();
    }
}

/// Behind one rotten entry of a device without others, all that is sound is shown,
/// also where the index was lost with it; and it is there for others.
#[test]
fn one_rotten_entry_costs_a_lone_device_at_most_that_entry() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "lone");
    for number in 0..9 {
        run_json(&home, &["notes", "add", &format!("title=note {number}")]).expect(0);
    }
    let log = home.join("log/00000001.seg");
    let mut bytes = fs::read(&log).unwrap();
    let at = used(&bytes) * 6 / 10;
    bytes[at] ^= 0x10;
    fs::write(&log, bytes).unwrap();
    let copy = folder.path().join("copy");
    self::copy(&home, &copy);
    let status = run_json(&copy, &["status"]).expect(0).json();
    assert!(!status["problems"].to_string().contains("entries-lost"), "{status}");
    fs::remove_dir_all(copy.join("index")).unwrap();
    assert_eq!(run_json(&copy, &["notes", "list"]).lines().len(), 9, "the index had it");
    fs::remove_dir_all(home.join("index")).unwrap();
    assert_eq!(run_json(&home, &["notes", "list"]).lines().len(), 8);
    run_json(&home, &["notes", "add", "title=afterwards"]).expect(0);
    fs::remove_dir_all(home.join("index")).unwrap();
    assert_eq!(run_json(&home, &["notes", "list"]).lines().len(), 9);
    let status = run_json(&home, &["status"]).expect(0).json();
    assert!(status["problems"].to_string().contains("has lost 1 entry"), "{status}");
}

#[test]
fn of_an_account_whose_key_alone_is_left_nothing_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "lone");
    for part in ["log", "index"] {
        fs::remove_dir_all(home.join(part)).unwrap();
    }
    let before = files(&home, "");
    for command in [["status", ""], ["up", "--yes"], ["init", "--no-verify"]] {
        let words: Vec<&str> = command.into_iter().filter(|word| !word.is_empty()).collect();
        let said = run_json(&home, &words).expect(5);
        assert!(said.stderr.contains("device.key"), "{}", said.stderr);
        assert!(said.stderr.contains("heirloom recover"), "{}", said.stderr);
    }
    assert_eq!(files(&home, ""), before);
}

#[test]
fn a_lone_device_that_lost_a_photo_exports_all_else_and_takes_it_back_from_its_file() {
    let folder = TempDir::new().unwrap();
    let (home, cards) = (folder.path().join("home"), folder.path().join("cards.vcf"));
    init(&home, "lone");
    let photo = "QUJD".repeat(30_000);
    let card = |name: &str, photo: &str| {
        format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\n{photo}END:VCARD\r\n")
    };
    let photo = format!("PHOTO;ENCODING=b;TYPE=JPEG:{photo}\r\n");
    fs::write(&cards, card("Ann", &photo) + &card("Ben", "")).unwrap();
    run_json(&home, &["import", cards.to_str().unwrap()]).expect(0);
    let chunk = home.join(files(&home, "packs").pop().unwrap());
    let sound = fs::read(&chunk).unwrap();
    let node = Up::start(&home, &[]);
    fs::remove_file(&chunk).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&chunk).status().unwrap();
    assert!(made.success());
    let target = folder.path().join("export");
    let said = run_json(&home, &["export", target.to_str().unwrap()]).expect(4);
    assert_eq!(said.json()["left_out"][0]["title"], "Ann");
    assert_eq!(fs::read_dir(target.join("contacts")).unwrap().count(), 1);
    let report = run_json(&home, &["import", cards.to_str().unwrap()]).expect(0).json();
    assert_eq!(report["unchanged"], 2);
    assert_eq!(fs::read(&chunk).unwrap(), sound);
    run_json(&home, &["export", target.to_str().unwrap()]).expect(0);
    assert_eq!(fs::read_dir(target.join("contacts")).unwrap().count(), 2);
    assert_eq!(node.stop(), 0);
}

/// What stands behind the last frame of a log that its index knows to the end.
#[test]
fn the_rest_of_an_append_that_was_refused_is_no_loss() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "lone");
    run_json(&home, &["notes", "add", "title=kept"]).expect(0);
    let log = home.join("log/00000001.seg");
    let mut bytes = fs::read(&log).unwrap();
    let end = used(&bytes).next_multiple_of(8);
    bytes[end..end + 100].fill(7);
    fs::write(&log, bytes).unwrap();
    for _ in 0..2 {
        let status = run_json(&home, &["status"]).expect(0).json();
        let problems = status["problems"].as_array().unwrap();
        assert!(problems.iter().all(|problem| problem["code"] != "log-end-lost"), "{problems:?}");
    }
    assert!(files(&home, "quarantine").iter().any(|name| name.ends_with(".unfinished")));
    run_json(&home, &["notes", "add", "title=after"]).expect(0);
    assert_eq!(run_json(&home, &["notes", "list"]).lines().len(), 2);
}
