//! Joining and restoring on a disk that is full.
//!
//! A small disk is a mount of its own: the test carries itself out again below
//! `unshare`, as root of namespaces of its own, so that nothing is left mounted.

use crate::common::{Up, digest, eventually, init, run_json};
use crate::unshared::unshared;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const UNSHARE: &[&str] = &["--user", "--map-root-user", "--mount"];
/// Photos of 900 kB, which do not fit where an account alone does.
const PHOTOS: usize = 30;

/// Carries out the body where it may mount; says so and leaves where the system
/// does not allow that.
#[track_caller]
fn where_mounts_are_allowed(test: &str, body: fn()) {
    unshared(&format!("full_disk::{test}"), UNSHARE, &[], "mounts", body);
}

fn mount(options: &str, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder);
    assert!(command.status().unwrap().success(), "{options}");
}

/// A device with many photos, on a disk with room, and the words of its account.
fn photographer(folder: &Path) -> (Up, PathBuf) {
    let (home, words) = (folder.join("first"), folder.join("words"));
    fs::write(&words, init(&home, "first")).unwrap();
    let node = Up::start(&home, &[]);
    let photo = |number: usize| {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".as_bytes();
        let next = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let states = std::iter::successors(Some(number as u64), |state| Some(next(*state)));
        let letter = |state: u64| char::from(letters[usize::try_from(state >> 58).unwrap()]);
        states.skip(1).take(1_200_000).map(letter).collect::<String>()
    };
    let cards = (0..PHOTOS).map(|number| {
        format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u{number}\r\nFN:Ann {number}\r\n\
             PHOTO;ENCODING=b;TYPE=JPEG:{}\r\nEND:VCARD\r\n",
            photo(number)
        )
    });
    let file = folder.join("cards.vcf");
    fs::write(&file, cards.collect::<String>()).unwrap();
    run_json(&home, &["import", file.to_str().unwrap()]).expect(0);
    (node, words)
}

/// Tries on ever larger disks; `again` is what a restored or joined device is.
fn on_larger_and_larger_disks(folder: &Path, first: &Up, arguments: &[&str]) {
    let disk = folder.join("disk");
    let home = disk.join("home");
    mount("size=2m", &disk);
    let refused = run_json(&home, arguments).expect(1);
    assert!(refused.stderr.contains("\"disk-full\""), "{}", refused.stderr);
    assert!(refused.stderr.contains("Free some space"), "{}", refused.stderr);
    assert!(!home.exists(), "nothing is left");
    // The same once more, with room for an account and not for its photos.
    mount("remount,size=28m", &disk);
    let cut_off = run_json(&home, arguments).expect(75);
    assert!(cut_off.stderr.contains("\"disk-full\""), "{}", cut_off.stderr);
    assert!(cut_off.stderr.contains("heirloom up"), "{}", cut_off.stderr);
    mount("remount,size=120m", &disk);
    let node = Up::start(&home, &["--peer", &first.address()]);
    let chunks = |home: &Path| {
        let folders = fs::read_dir(home.join("packs")).unwrap();
        folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    eventually("everything is there", || {
        chunks(&home) == chunks(&first.home) && digest(&home) == digest(&first.home)
    });
    run_json(&home, &["notes", "add", "title=after", "--wait", "peer:1"]).expect(0);
    assert_eq!(node.stop(), 0);
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
}

#[test]
fn join_says_that_the_disk_is_full_and_goes_on_when_there_is_room() {
    where_mounts_are_allowed(
        "join_says_that_the_disk_is_full_and_goes_on_when_there_is_room",
        || {
            let folder = TempDir::new().unwrap();
            let (first, _) = photographer(folder.path());
            let invite = first.invite("member");
            on_larger_and_larger_disks(folder.path(), &first, &["join", &invite, "--no-mdns"]);
            assert_eq!(first.stop(), 0);
        },
    );
}

#[test]
fn recover_says_that_the_disk_is_full_and_goes_on_when_there_is_room() {
    where_mounts_are_allowed(
        "recover_says_that_the_disk_is_full_and_goes_on_when_there_is_room",
        || {
            let folder = TempDir::new().unwrap();
            let (first, words) = photographer(folder.path());
            let (words, address) = (words.to_str().unwrap().to_owned(), first.address());
            let arguments =
                ["recover", "--phrase-file", &words, "--no-mdns", "--peer", address.as_str()];
            on_larger_and_larger_disks(folder.path(), &first, &arguments);
            assert_eq!(first.stop(), 0);
        },
    );
}

#[test]
fn init_says_that_the_disk_is_full_and_can_be_repeated() {
    where_mounts_are_allowed("init_says_that_the_disk_is_full_and_can_be_repeated", || {
        let folder = TempDir::new().unwrap();
        let disk = folder.path().join("disk");
        let home = disk.join("home");
        for size in ["size=64k", "size=1m", "size=3m"] {
            mount(size, &disk);
            let refused = run_json(&home, &["init", "--no-verify"]).expect(1);
            assert!(refused.stderr.contains("\"disk-full\""), "{size}: {}", refused.stderr);
            mount("remount,size=64m", &disk);
            init(&home, "later");
            run_json(&home, &["notes", "add", "title=fits"]).expect(0);
            assert!(Command::new("umount").arg(&disk).status().unwrap().success());
        }
    });
}
