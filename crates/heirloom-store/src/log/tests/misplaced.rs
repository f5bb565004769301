//! Segments that lie under another one's name.

use super::*;
use std::fs;

fn names(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.folders().log).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn swap(home: &Home, one: u32, other: u32) {
    let aside = home.folders().scratch.join("aside");
    fs::rename(home.segment(one), &aside).unwrap();
    fs::rename(home.segment(other), home.segment(one)).unwrap();
    fs::rename(aside, home.segment(other)).unwrap();
}

/// Checks that everything is there, under its name, and that the log goes on.
fn check_whole(home: &Home, expected: &[(Lsn, Frame)], before: &[String]) {
    let (mut log, recovery) = home.open();
    assert_eq!(recovery.damaged, []);
    assert_eq!(all(&log), expected);
    assert_eq!(names(home), before);
    append(&mut log, &[frame(99, 10)]).unwrap();
    drop(log);
    let (log, recovery) = home.open();
    assert_eq!((recovery.damaged, all(&log).len()), (Vec::new(), expected.len() + 1));
}

#[test]
fn two_segments_that_were_swapped_get_their_names_back() {
    let (home, frames) = filled();
    let before = names(&home);
    let last = u32::try_from(before.len()).unwrap();
    for (one, other) in [(1, 2), (2, 3), (1, last)] {
        let copy = home.copied();
        swap(&copy, one, other);
        check_whole(&copy, &frames, &before);
    }
}

#[test]
fn segments_that_were_renamed_in_a_circle_or_to_a_new_number_get_their_names_back() {
    let (home, frames) = filled();
    let before = names(&home);
    let circle = home.copied();
    swap(&circle, 1, 2);
    swap(&circle, 2, 3);
    check_whole(&circle, &frames, &before);
    let renamed = home.copied();
    fs::rename(renamed.segment(2), renamed.segment(70)).unwrap();
    check_whole(&renamed, &frames, &before);
}

#[test]
fn a_program_that_ends_while_names_change_loses_nothing() {
    let (home, frames) = filled();
    let before = names(&home);
    let moved = |home: &Home, number| home.segment(number).with_extension("moved");
    let halfway = home.copied();
    fs::rename(halfway.segment(1), moved(&halfway, 1)).unwrap();
    fs::rename(halfway.segment(2), halfway.segment(1)).unwrap();
    check_whole(&halfway, &frames, &before);
    let both = home.copied();
    for number in [1, 2] {
        fs::rename(both.segment(number), moved(&both, number)).unwrap();
    }
    check_whole(&both, &frames, &before);
}

#[test]
fn of_two_copies_of_one_segment_the_one_under_its_name_counts_and_the_other_is_kept() {
    let (home, frames) = filled();
    fs::copy(home.segment(1), home.segment(2)).unwrap();
    let (log, recovery) = home.open();
    let lost = extents(&frames, 2).len();
    assert_eq!(all(&log).len(), frames.len() - lost);
    assert_eq!(recovery.damaged.len(), 1);
    assert_eq!(recovery.damaged[0].name, segment::name(2));
    assert_eq!(recovery.damaged[0].damage, Damage::Header);
    assert_eq!(home.quarantine(), ["00000002.seg.damaged"]);
}
