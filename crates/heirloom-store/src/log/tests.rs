mod misplaced;

use super::*;
use crate::disk::faulty::{Crash, Fault, FaultyDisk};
use heirloom_core::storage::StorageError;
use proptest::prelude::*;

const SEGMENT_BYTES: usize = 512;

struct Home {
    folder: tempfile::TempDir,
    disk: FaultyDisk,
}

impl Home {
    fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), disk: FaultyDisk::sound() };
        let folders = home.folders();
        for folder in [&folders.log, &folders.scratch, &folders.quarantine] {
            std::fs::create_dir(folder).unwrap();
        }
        home
    }

    /// A copy of this home as it lies on the disk now.
    fn copied(&self) -> Self {
        let copy = Self::new();
        for entry in std::fs::read_dir(self.folders().log).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.folders().log.join(path.file_name().unwrap())).unwrap();
        }
        copy
    }

    fn folders(&self) -> Folders {
        let at = |name| self.folder.path().join(name);
        Folders { log: at("log"), scratch: at("tmp"), quarantine: at("quarantine") }
    }

    fn segment(&self, number: u32) -> PathBuf {
        path(&self.folders().log, number)
    }

    fn open(&self) -> (Log, Recovery) {
        Log::open(Arc::new(self.disk.clone()), self.folders(), SEGMENT_BYTES).unwrap()
    }

    fn quarantine(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folders().quarantine).unwrap();
        let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn frame(mark: u8, length: usize) -> Frame {
    Frame { kind: mark, payload: vec![mark ^ 0x5a; length] }
}

fn append(log: &mut Log, frames: &[Frame]) -> Result<Vec<Lsn>, AppendError> {
    log.append(frames, &mut || false)
}

fn all(log: &Log) -> Vec<(Lsn, Frame)> {
    log.reader().frames(None).collect::<Result<_, _>>().unwrap()
}

/// Ten frames over several segments, each in an append of its own.
fn filled() -> (Home, Vec<(Lsn, Frame)>) {
    let home = Home::new();
    let (mut log, _) = home.open();
    for mark in 0..10 {
        append(&mut log, &[frame(mark, 100 + usize::from(mark))]).unwrap();
    }
    let frames = all(&log);
    assert_eq!(frames.len(), 10);
    assert!(home.segment(3).exists());
    (home, frames)
}

/// Where the frames of a segment lie.
fn extents(frames: &[(Lsn, Frame)], number: u32) -> Vec<std::ops::Range<usize>> {
    let of_segment = |lsn: Lsn| frame::parts(lsn).0 == number;
    let extent = |(lsn, frame): &(Lsn, Frame)| {
        let at = frame::parts(*lsn).1;
        at..at + frame::frame_bytes(frame.payload.len())
    };
    frames.iter().filter(|(lsn, _)| of_segment(*lsn)).map(extent).collect()
}

fn patch(path: &Path, at: usize, change: impl FnOnce(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes[at..]);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn frames_come_back_in_order_over_segments_and_restarts() {
    let (home, frames) = filled();
    assert!(frames.is_sorted_by_key(|(lsn, _)| *lsn));
    let (mut log, recovery) = home.open();
    assert_eq!(all(&log), frames);
    assert_eq!(recovery, Recovery { frames: 10, ..Recovery::default() });
    let more = append(&mut log, &[frame(99, 3)]).unwrap();
    assert!(more[0] > frames[9].0);
    assert_eq!(home.open().1.frames, 11);
}

#[test]
fn a_frame_is_read_by_its_position_and_nothing_else_is() {
    let (home, frames) = filled();
    let (log, _) = home.open();
    for (lsn, frame) in &frames {
        assert_eq!(log.reader().frame(*lsn).as_ref(), Ok(frame));
        let wrong = Lsn(lsn.0 + 8);
        assert_eq!(log.reader().frame(wrong), Err(StorageError::Frame(wrong)));
    }
    for wrong in [Lsn(0), Lsn(32), log.reader().end(), Lsn(u64::MAX)] {
        assert_eq!(log.reader().frame(wrong), Err(StorageError::Frame(wrong)));
    }
}

#[test]
fn a_replay_begins_behind_the_position_it_is_given() {
    let (home, frames) = filled();
    let reader = home.open().0.reader().clone();
    for (index, (lsn, _)) in frames.iter().enumerate() {
        let rest: Vec<_> = reader.frames(Some(*lsn)).collect::<Result<_, _>>().unwrap();
        assert_eq!(rest, frames[index + 1..]);
    }
    assert_eq!(reader.frames(Some(reader.end())).count(), 0);
    assert!(frames[9].0 < reader.end());
}

#[test]
fn a_reader_sees_what_is_appended_while_it_reads() {
    let home = Home::new();
    let (mut log, _) = home.open();
    append(&mut log, &[frame(1, 10)]).unwrap();
    let mut frames = log.reader().frames(None);
    assert!(frames.next().is_some());
    append(&mut log, &[frame(2, 10), frame(3, 400)]).unwrap();
    let marks: Vec<u8> = frames.map(|item| item.unwrap().1.kind).collect();
    assert_eq!(marks, [2, 3]);
}

#[test]
fn an_append_that_does_not_fit_goes_on_in_the_next_segments() {
    let home = Home::new();
    let (mut log, _) = home.open();
    let frames: Vec<Frame> = (0..20).map(|mark| frame(mark, 90)).collect();
    let positions = append(&mut log, &frames).unwrap();
    let expected: Vec<_> = positions.into_iter().zip(frames).collect();
    assert_eq!(all(&log), expected);
    assert_eq!(all(&home.open().0), expected);
    assert!(std::fs::read_dir(home.folders().scratch).unwrap().next().is_none());
}

#[test]
fn an_empty_append_and_an_empty_log_are_nothing_special() {
    let home = Home::new();
    let (mut log, recovery) = home.open();
    assert_eq!((recovery, log.reader().end()), (Recovery::default(), Lsn(0)));
    assert_eq!(append(&mut log, &[]), Ok(Vec::new()));
    let positions = append(&mut log, &[frame(0, 0)]).unwrap();
    assert_eq!(all(&home.open().0), [(positions[0], frame(0, 0))]);
}

#[test]
fn a_frame_that_fits_no_segment_is_refused_and_the_log_goes_on() {
    let home = Home::new();
    let (mut log, _) = home.open();
    let refused = append(&mut log, &[frame(1, 10), frame(2, SEGMENT_BYTES)]);
    assert_eq!(refused, Err(AppendError::FrameTooLong { bytes: SEGMENT_BYTES }));
    append(&mut log, &[frame(3, SEGMENT_BYTES - HEADER_BYTES - 16)]).unwrap();
    assert_eq!(all(&log).len(), 1);
}

#[test]
fn a_log_cut_at_any_byte_keeps_the_frames_before_the_cut() {
    let home = Home::new();
    let (mut log, _) = home.open();
    for mark in 0..4 {
        append(&mut log, &[frame(mark, 20 + usize::from(mark))]).unwrap();
    }
    let frames = all(&log);
    let extents = extents(&frames, 1);
    let bytes = std::fs::read(home.segment(1)).unwrap();
    for cut in 0..=extents[3].end {
        for zeroed in [false, true] {
            let copy = Home::new();
            let mut left = bytes[..cut].to_vec();
            left.resize(if zeroed { bytes.len() } else { cut }, 0);
            std::fs::write(copy.segment(1), left).unwrap();
            let whole = frames
                .iter()
                .zip(&extents)
                .filter(|((_, frame), extent)| extent.start + 12 + frame.payload.len() <= cut);
            let expected: Vec<_> = whole.map(|(frame, _)| frame.clone()).collect();
            let (mut log, recovery) = copy.open();
            assert_eq!(all(&log), expected, "cut at {cut}");
            // The header is zeroes from its sixteenth byte to its checksum.
            assert_eq!(recovery.damaged.is_empty(), cut >= HEADER_BYTES, "cut at {cut}");
            append(&mut log, &[frame(77, 200)]).unwrap();
            let after = all(&log);
            assert_eq!(after.len(), expected.len() + 1);
            assert_eq!(all(&copy.open().0), after, "cut at {cut}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_the_frame_it_hits() {
    let (home, frames) = filled();
    for number in 1..=3 {
        let extents = extents(&frames, number);
        for at in (0..extents.last().unwrap().end).step_by(3) {
            let copy = home.copied();
            patch(&copy.segment(number), at, |bytes| bytes[0] ^= 0x20);
            let (log, recovery) = copy.open();
            let found = all(&log);
            let hit = extents.iter().position(|extent| extent.contains(&at));
            let lost: Vec<_> = frames.iter().filter(|frame| !found.contains(frame)).collect();
            assert!(lost.len() <= usize::from(hit.is_some()), "segment {number} byte {at}");
            assert!(found.iter().all(|frame| frames.contains(frame)));
            let tail = number == 3 && hit == Some(extents.len() - 1);
            assert_eq!(
                recovery.damaged.len(),
                usize::from(!tail && (hit.is_none() || !lost.is_empty())),
                "segment {number} byte {at}"
            );
            for damaged in &recovery.damaged {
                let sound = std::fs::read(copy.segment(number)).unwrap();
                assert_eq!(std::fs::read(damaged.copy.as_ref().unwrap()).unwrap(), sound);
            }
        }
    }
}

#[test]
fn a_zeroed_block_in_an_earlier_segment_is_reported_with_its_size() {
    let (home, frames) = filled();
    let extents = extents(&frames, 2);
    patch(&home.segment(2), extents[1].start, |bytes| bytes[..extents[1].len()].fill(0));
    let (log, recovery) = home.open();
    assert_eq!(all(&log).len(), 9);
    let damage = Damage::Frames { bytes: extents[1].len() as u64 };
    assert_eq!(recovery.damaged[0].damage, damage);
    assert_eq!(recovery.damaged[0].name, "00000002.seg");
    assert_eq!(home.quarantine(), ["00000002.seg.damaged"]);
}

#[test]
fn a_zeroed_end_of_an_earlier_segment_is_not_taken_for_empty_space() {
    let (home, frames) = filled();
    let extents = extents(&frames, 1);
    let last = extents.last().unwrap().clone();
    patch(&home.segment(1), last.start, |bytes| bytes.fill(0));
    let (log, recovery) = home.open();
    assert_eq!(all(&log).len(), 9);
    assert_eq!(recovery.damaged[0].damage, Damage::Frames { bytes: last.len() as u64 });
}

#[test]
fn a_missing_file_is_reported_and_the_others_are_replayed() {
    for missing in [1, 2] {
        let (home, frames) = filled();
        std::fs::remove_file(home.segment(missing)).unwrap();
        let (mut log, recovery) = home.open();
        let lost = extents(&frames, missing).len();
        assert_eq!(all(&log).len(), 10 - lost);
        let name = segment::name(missing);
        let damage = Damage::Missing { files: 1 };
        assert_eq!(recovery.damaged, [DamagedFile { name, damage, copy: None }]);
        append(&mut log, &[frame(50, 5)]).unwrap();
        assert_eq!(all(&home.open().0).len(), 11 - lost);
    }
}

#[test]
fn a_lost_last_file_shows_in_the_end() {
    let (home, frames) = filled();
    std::fs::remove_file(home.segment(3)).unwrap();
    let (log, recovery) = home.open();
    assert_eq!(recovery.damaged, []);
    assert!(log.reader().end() <= frames[9].0);
}

#[test]
fn a_torn_append_is_cut_off_kept_aside_and_never_comes_back() {
    let home = Home::new();
    let (mut log, _) = home.open();
    append(&mut log, &[frame(1, 10)]).unwrap();
    let group = append(&mut log, &[frame(2, 10), frame(3, 10), frame(4, 10)]).unwrap();
    drop(log);
    patch(&home.segment(1), frame::parts(group[1]).1 + 12, |bytes| bytes[0] ^= 1);
    let (mut log, recovery) = home.open();
    assert_eq!(all(&log).iter().map(|(_, frame)| frame.kind).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((recovery.truncated_bytes, recovery.damaged), (46, Vec::new()));
    let kept = format!("00000001.seg.{}.damaged", frame::parts(group[1]).1);
    assert_eq!(home.quarantine(), [kept]);
    append(&mut log, &[frame(5, 1)]).unwrap();
    let (log, recovery) = home.open();
    assert_eq!(all(&log).iter().map(|(_, frame)| frame.kind).collect::<Vec<_>>(), [1, 2, 5]);
    assert_eq!(recovery, Recovery { frames: 3, ..Recovery::default() });
}

#[test]
fn damage_in_the_last_segment_does_not_cost_the_appends_behind_it() {
    let (home, frames) = filled();
    let extents = extents(&frames, 3);
    patch(&home.segment(3), extents[0].start, |bytes| bytes[..20].fill(0xff));
    let (mut log, recovery) = home.open();
    assert_eq!(all(&log).len(), 9);
    assert_eq!(recovery.damaged[0].damage, Damage::Frames { bytes: extents[0].len() as u64 });
    let before = std::fs::read(home.segment(3)).unwrap();
    append(&mut log, &[frame(60, 5)]).unwrap();
    assert_eq!(std::fs::read(home.segment(3)).unwrap(), before);
    assert_eq!(all(&home.open().0).len(), 10);
}

#[test]
fn a_failed_sync_closes_the_log_until_it_is_opened_again() {
    let home = Home::new();
    let (mut log, _) = home.open();
    let kept = append(&mut log, &[frame(1, 10)]).unwrap();
    home.disk.fail_next(Fault::Lasting);
    let refused = append(&mut log, &[frame(2, 10)]);
    assert!(matches!(refused, Err(AppendError::Closed { .. })));
    home.disk.repair();
    assert!(matches!(append(&mut log, &[frame(3, 10)]), Err(AppendError::Closed { .. })));
    assert_eq!(log.reader().frame(kept[0]), Ok(frame(1, 10)));

    assert_eq!(log.reopen().unwrap().damaged, []);
    append(&mut log, &[frame(4, 10)]).unwrap();
    let marks = |log: &Log| all(log).iter().map(|(_, frame)| frame.kind).collect::<Vec<_>>();
    assert_eq!(marks(&log), [1, 4]);
    assert_eq!(marks(&home.open().0), [1, 4]);
}

#[test]
fn what_a_failed_append_left_never_comes_back_wherever_it_failed() {
    for fault in [Fault::Once, Fault::Lasting] {
        for operation in 0.. {
            let home = Home::new();
            let (mut log, _) = home.open();
            append(&mut log, &[frame(1, 300)]).unwrap();
            home.disk.fail_at(home.disk.operations() + operation, fault);
            let result = append(&mut log, &[frame(2, 100), frame(3, 400), frame(4, 400)]);
            home.disk.repair();
            let Err(AppendError::Closed { .. }) = result else {
                assert_eq!(all(&log).len(), 4);
                assert!(operation > 8);
                break;
            };
            assert_eq!(
                log.reopen().unwrap(),
                Recovery { frames: log_frames(&home), ..Recovery::default() }
            );
            append(&mut log, &[frame(5, 100)]).unwrap();
            let marks =
                |log: &Log| all(log).iter().map(|(_, frame)| frame.kind).collect::<Vec<_>>();
            assert_eq!(marks(&log), [1, 5], "operation {operation}");
            let (reopened, recovery) = home.open();
            assert_eq!(marks(&reopened), [1, 5], "operation {operation}");
            assert_eq!(recovery.damaged, [], "operation {operation}");
        }
    }
}

fn log_frames(home: &Home) -> u64 {
    let bytes = std::fs::read(home.segment(1)).unwrap();
    segment::scan(&bytes, 1).iter().map(|span| span.frames).sum()
}

#[test]
fn reopening_reports_what_the_disk_lost_of_what_was_acknowledged() {
    let (home, frames) = filled();
    let (mut log, _) = home.open();
    home.disk.fail_next(Fault::Once);
    append(&mut log, &[frame(2, 10)]).unwrap_err();
    let hit = extents(&frames, 2)[0].clone();
    patch(&home.segment(2), hit.start, |bytes| bytes[..8].fill(0));
    let report = log.reopen().unwrap();
    assert_eq!(report.damaged[0].damage, Damage::Frames { bytes: hit.len() as u64 });
    let items: Vec<_> = log.reader().frames(None).collect();
    assert!(items.iter().any(Result::is_err));
}

#[test]
fn a_full_disk_refuses_an_append_as_a_whole() {
    let home = Home::new();
    let (mut log, _) = home.open();
    append(&mut log, &[frame(1, 300)]).unwrap();
    home.disk.fill();
    let before = std::fs::read(home.segment(1)).unwrap();
    let refused = append(&mut log, &[frame(2, 50), frame(3, 300)]);
    assert_eq!(refused, Err(AppendError::Full));
    assert_eq!(std::fs::read(home.segment(1)).unwrap(), before);
    assert!(std::fs::read_dir(home.folders().scratch).unwrap().next().is_none());
    append(&mut log, &[frame(4, 50)]).unwrap();
    home.disk.repair();
    append(&mut log, &[frame(5, 300)]).unwrap();
    assert_eq!(all(&home.open().0).len(), 3);
}

#[test]
fn a_small_append_on_a_full_disk_gets_the_room_of_the_reserve() {
    let home = Home::new();
    let (mut log, _) = home.open();
    append(&mut log, &[frame(1, 400)]).unwrap();
    home.disk.fill();
    let disk = home.disk.clone();
    let mut released = 0;
    let mut release = || {
        released += 1;
        disk.repair();
        true
    };
    log.append(&[frame(2, 300)], &mut release).unwrap();
    assert_eq!(released, 1);
    assert_eq!(all(&home.open().0).len(), 2);
}

#[test]
fn an_unsynced_tail_that_is_lost_was_never_acknowledged() {
    for seed in 0..200 {
        let home = Home::new();
        let (mut log, _) = home.open();
        append(&mut log, &[frame(1, 100)]).unwrap();
        append(&mut log, &[frame(2, 100), frame(3, 100)]).unwrap();
        let kept = all(&log);
        let operation = home.disk.operations() + seed % 12;
        home.disk.fail_at(operation, Fault::Lasting);
        append(&mut log, &[frame(4, 60), frame(5, 300), frame(6, 300)]).ok();
        let crash = match seed % 4 {
            0 => Crash::Dropped,
            1 => Crash::Kept,
            _ => Crash::Torn(seed),
        };
        drop(log);
        home.disk.crash(crash);
        home.disk.repair();
        let (mut log, recovery) = home.open();
        let found = all(&log);
        assert_eq!(found[..3], kept, "seed {seed}");
        let marks: Vec<u8> = found[3..].iter().map(|(_, frame)| frame.kind).collect();
        assert!([4, 5, 6].starts_with(&marks), "seed {seed}: {marks:?}");
        assert_eq!(recovery.damaged, [], "seed {seed}");
        append(&mut log, &[frame(7, 10)]).unwrap();
        home.disk.crash(Crash::Dropped);
        assert_eq!(all(&home.open().0).len(), found.len() + 1, "seed {seed}");
    }
}

#[test]
fn foreign_files_in_the_folder_do_no_harm() {
    let (home, frames) = filled();
    std::fs::write(home.folders().log.join("notes.txt"), "hello").unwrap();
    std::fs::write(home.segment(3).with_extension("bak"), "hello").unwrap();
    let (log, recovery) = home.open();
    assert_eq!((all(&log), recovery.damaged), (frames, Vec::new()));
}

#[test]
fn garbage_in_place_of_a_segment_is_kept_and_the_log_goes_on_behind_it() {
    let (home, frames) = filled();
    std::fs::write(home.segment(4), vec![0x99; 700]).unwrap();
    let (mut log, recovery) = home.open();
    assert_eq!(recovery.damaged[0].damage, Damage::Header);
    append(&mut log, &[frame(1, 1)]).unwrap();
    assert!(home.segment(5).exists());
    let (log, _) = home.open();
    assert_eq!(all(&log)[..10], frames);
    assert_eq!(all(&log).len(), 11);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_appends_and_restarts_give_back_what_was_acknowledged(groups in proptest::collection::vec((proptest::collection::vec(0_usize..300, 0..6), any::<bool>()), 0..12)) {
        let home = Home::new();
        let (mut log, _) = home.open();
        let mut expected = Vec::new();
        for (number, (lengths, restart)) in (0_u8..).zip(groups) {
            let frames: Vec<Frame> = lengths.into_iter().map(|length| frame(number, length)).collect();
            let positions = append(&mut log, &frames).unwrap();
            expected.extend(positions.into_iter().zip(frames));
            if restart {
                home.disk.crash(Crash::Dropped);
                let (reopened, recovery) = home.open();
                prop_assert_eq!(recovery.damaged, []);
                log = reopened;
            }
            prop_assert_eq!(&all(&log), &expected);
        }
    }

    #[test]
    fn any_bytes_in_the_files_are_opened_without_a_panic(number in 1_u32..4, at in 0_usize..SEGMENT_BYTES, garbage in proptest::collection::vec(any::<u8>(), 1..200)) {
        let (home, frames) = filled();
        patch(&home.segment(number), at, |bytes| {
            let length = garbage.len().min(bytes.len());
            bytes[..length].copy_from_slice(&garbage[..length]);
        });
        let (mut log, _) = home.open();
        let found = all(&log);
        prop_assert!(found.iter().all(|frame| frames.contains(frame)));
        append(&mut log, &[frame(1, 10)]).unwrap();
        prop_assert_eq!(all(&home.open().0).len(), found.len() + 1);
    }
}

#[test]
fn a_fifo_in_place_of_a_segment_is_damage_and_waits_for_nobody() {
    let (home, frames) = filled();
    let first = home.segment(1);
    crate::regular::tests::put_fifo(&first);
    let (mut log, recovery) = home.open();
    assert_eq!(recovery.damaged[0].damage, Damage::Header);
    let left = all(&log);
    assert!(!left.is_empty() && left.len() < frames.len());
    append(&mut log, &[frame(99, 20)]).unwrap();
    drop(log);
    let last = home.segment(list_of(&home).pop().unwrap());
    crate::regular::tests::put_fifo(&last);
    let (mut log, recovery) = home.open();
    assert!(!recovery.damaged.is_empty());
    append(&mut log, &[frame(98, 20)]).unwrap();
}

fn list_of(home: &Home) -> Vec<u32> {
    let marks = segment::marks(&home.folders().log).unwrap();
    marks.into_iter().map(|(number, _)| number).collect()
}
