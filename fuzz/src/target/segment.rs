//! The log's segment files after an accident, and forged ones.
//!
//! Input: a byte, then 0: what happened to the files, in steps; 1: segments in
//! blocks, whose tag is their number.

use super::blocks::{self, Block};
use super::{Outcome, Seeds, Target, words};
use crate::soak::scratch;
use heirloom_core::storage::{Frame, Lsn};
use heirloom_sim::rng::Rng;
use heirloom_store::{AppendRequest, IndexKind, Recovery, Store, StoreOptions};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const TARGET: Target = Target {
    name: "segment",
    body,
    seeds,
    mend,
    words: &["HEIRLOG1"],
    is_lines: false,
    mends_alone: false,
    bytes_max: 8 * 1024,
};

const DAMAGED: u8 = 0;
const FORGED: u8 = 1;
const SEGMENT_BYTES: usize = 1024;
const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 12;
const STEPS_MAX: usize = 12;

type Files = BTreeMap<u32, Vec<u8>>;

/// A home that is used again and again, and what was written to it.
struct Shelf {
    _folder: tempfile::TempDir,
    home: PathBuf,
    files: Files,
    frames: Vec<(Lsn, Frame)>,
}

thread_local! {
    static SHELF: Shelf = Shelf::new();
}

fn options() -> StoreOptions {
    StoreOptions {
        index: IndexKind::Memory,
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 0,
        ..StoreOptions::default()
    }
}

fn frame(kind: u8, length: usize) -> Frame {
    let payload = (0..length).map(|place| (place * 7 + usize::from(kind)) as u8).collect();
    Frame { kind, payload }
}

fn append(store: &Store, frames: Vec<Frame>) -> Vec<Lsn> {
    let request = AppendRequest { chunks: Vec::new(), frames };
    store.append(request).expect("a log takes what fits into a segment")
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(scratch()).expect("there is room for a folder");
        let home = folder.path().join("home");
        let store = Store::open(&home, &options()).expect("an empty folder becomes a store");
        for lengths in [&[40, 100][..], &[300], &[7, 0, 500], &[200, 200], &[90]] {
            append(&store, (1..).zip(lengths).map(|(kind, length)| frame(kind, *length)).collect());
        }
        let frames = frames(&store);
        drop(store);
        let mut files = Files::new();
        for entry in fs::read_dir(home.join("log")).expect("a store has a log").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let number = name.trim_end_matches(".seg").parse().expect("segments have numbers");
            files.insert(number, fs::read(entry.path()).expect("a segment is read"));
        }
        Self { _folder: folder, home, files, frames }
    }

    /// Lays the files out in place of those that are there.
    fn lay(&self, files: &Files) {
        for folder in ["log", "quarantine"] {
            for entry in fs::read_dir(self.home.join(folder)).into_iter().flatten().flatten() {
                fs::remove_file(entry.path()).expect("a file of one's own is removed");
            }
        }
        for (number, bytes) in files {
            fs::write(self.path(*number), bytes).expect("a segment is written");
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.home.join("log").join(format!("{number:08}.seg"))
    }
}

fn frames(store: &Store) -> Vec<(Lsn, Frame)> {
    store.frames(None).map(|read| read.expect("what was found sound is read")).collect()
}

fn open(home: &Path) -> Store {
    Store::open(home, &options()).expect("a damaged log is opened")
}

fn body(bytes: &[u8]) -> Outcome {
    let Some((form, rest)) = bytes.split_first() else { return Outcome::refused(&"empty") };
    SHELF.with(|shelf| {
        let files = match *form {
            DAMAGED => damaged(&shelf.files, rest),
            _ => blocks::read(rest).into_iter().map(numbered).collect(),
        };
        shelf.lay(&files);
        let store = open(&shelf.home);
        let found = frames(&store);
        let recovery = store.recovery().clone();
        assert_eq!(recovery.frames, found.len() as u64, "what is counted is shown");
        assert!(found.is_sorted_by(|one, next| one.0 < next.0), "positions grow");
        for (lsn, frame) in &found {
            assert_eq!(store.log_reader().frame(*lsn).as_ref(), Ok(frame));
            let known =
                *form != DAMAGED || shelf.frames.iter().any(|own| own == &(*lsn, frame.clone()));
            assert!(known, "a frame that nobody wrote: {lsn:?}");
        }
        goes_on(store, &shelf.home, found.clone());
        let whole = *form == DAMAGED && found == shelf.frames;
        assert!(!whole || recovery.damaged.len() <= files.len() + 1);
        label(&recovery, found.len())
    })
}

/// The log takes another append, and shows all of it after the next start.
fn goes_on(store: Store, home: &Path, mut wanted: Vec<(Lsn, Frame)>) {
    let new = frame(99, 24);
    let at = append(&store, vec![new.clone()]);
    wanted.extend(at.into_iter().map(|lsn| (lsn, new.clone())));
    assert_eq!(frames(&store), wanted, "an append changed what was there");
    drop(store);
    assert_eq!(frames(&open(home)), wanted, "a restart lost something");
}

fn label(recovery: &Recovery, found: usize) -> Outcome {
    let damage: String =
        recovery.damaged.iter().take(3).map(|file| words(&format!("{:?}", file.damage))).collect();
    let cut = if recovery.truncated_bytes > 0 { "cut" } else { "" };
    Outcome { is_accepted: found > 0, label: format!("{}{damage}{cut}", found.min(12)) }
}

fn numbered(block: Block) -> (u32, Vec<u8>) {
    (u32::from(block.tag % 8) + 1, block.bytes)
}

/// Carries out what happened: steps of five bytes.
fn damaged(whole: &Files, steps: &[u8]) -> Files {
    let mut files = whole.clone();
    for step in steps.chunks_exact(5).take(STEPS_MAX) {
        let [what, file, low, high, value] = *step else { continue };
        let number = u32::from(file) % (whole.len() as u32 + 1) + 1;
        let other = files.get(&(number % whole.len() as u32 + 1)).cloned().unwrap_or_default();
        let at = usize::from(u16::from_le_bytes([low, high])) % (SEGMENT_BYTES + 64);
        let Some(bytes) = files.get_mut(&number) else { continue };
        match what % 8 {
            0 | 1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= value),
            2 => bytes.iter_mut().skip(at).take(64).for_each(|byte| *byte = 0),
            3 => bytes.truncate(at),
            4 => drop(files.remove(&number)),
            5 => bytes.extend_from_slice(&[value; 16]),
            6 => {
                let block = bytes.iter_mut().zip(&other).skip(at).take(64);
                block.for_each(|(byte, other)| *byte = *other);
            }
            _ => *bytes = other,
        }
    }
    files
}

/// Gives forged segments right checksums.
fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let Some((&FORGED, rest)) = bytes.split_first() else { return bytes };
    let mut blocks = blocks::read(rest);
    for block in &mut blocks {
        let number = u32::from(block.tag % 8) + 1;
        if rng.chance(80) {
            mend_header(&mut block.bytes, number);
        }
        mend_frames(&mut block.bytes, number, rng);
    }
    [vec![FORGED], blocks::write(&blocks)].concat()
}

fn mend_header(bytes: &mut [u8], number: u32) {
    let Some(header) = bytes.first_chunk_mut::<HEADER_BYTES>() else { return };
    header[..8].copy_from_slice(b"HEIRLOG1");
    header[8..12].copy_from_slice(&number.to_le_bytes());
    let sum = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&sum.to_le_bytes());
}

fn mend_frames(bytes: &mut [u8], number: u32, rng: &mut Rng) {
    let mut at = HEADER_BYTES;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| rest.len() >= FRAME_HEADER_BYTES) {
        let position = ((u64::from(number) << 32) | at as u64).to_le_bytes();
        let (header, payload) = rest.split_at_mut(FRAME_HEADER_BYTES);
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let sum = crc32c::crc32c(&length.to_le_bytes());
        let sum = crc32c::crc32c_append(sum, &[header[4], header[5]]);
        let sum = crc32c::crc32c_append(sum, &position);
        let check = ((sum ^ (sum >> 16)) & 0xffff) as u16 | 1;
        header[6..8].copy_from_slice(&check.to_le_bytes());
        let Some(payload) = payload.get(..length as usize) else { return };
        if rng.chance(90) {
            let sum = crc32c::crc32c_append(crc32c::crc32c(&header[4..5]), &position);
            let sum = crc32c::crc32c_append(sum, payload);
            header[8..12].copy_from_slice(&sum.to_le_bytes());
        }
        at += (FRAME_HEADER_BYTES + length as usize).next_multiple_of(8);
    }
}

fn seeds() -> Seeds {
    let files = SHELF.with(|shelf| shelf.files.clone());
    let forged = |files: &Files| {
        let block = |(number, bytes): (&u32, &Vec<u8>)| Block {
            tag: (*number - 1) as u8,
            bytes: bytes.clone(),
        };
        let blocks: Vec<Block> = files.iter().map(block).collect();
        [vec![FORGED], blocks::write(&blocks)].concat()
    };
    let steps = |steps: &[[u8; 5]]| [vec![DAMAGED], steps.concat()].concat();
    let mut gap = files.clone();
    gap.remove(&2);
    let last = files.len() as u8 - 1;
    vec![
        ("whole", steps(&[])),
        ("flipped-payload", steps(&[[0, 0, 60, 0, 1]])),
        ("flipped-header", steps(&[[0, 1, 9, 0, 0x80]])),
        ("zeroed-block", steps(&[[2, 0, 64, 0, 0]])),
        ("cut", steps(&[[3, last, 50, 0, 0]])),
        ("cut-in-the-header", steps(&[[3, 1, 7, 0, 0]])),
        ("emptied", steps(&[[3, 0, 0, 0, 0]])),
        ("missing-first", steps(&[[4, 0, 0, 0, 0]])),
        ("missing-middle", steps(&[[4, 1, 0, 0, 0]])),
        ("missing-all", steps(&[[4, 0, 0, 0, 0], [4, 1, 0, 0, 0], [4, 2, 0, 0, 0]])),
        ("garbage-behind", steps(&[[5, last, 0, 0, 0xaa]])),
        ("a-block-of-another", steps(&[[6, 0, 100, 0, 0]])),
        ("swapped", steps(&[[7, 0, 0, 0, 0]])),
        ("forged", forged(&files)),
        ("forged-with-a-gap", forged(&gap)),
        ("forged-empty", forged(&[(1, Vec::new()), (2, vec![0; 40])].into())),
        ("forged-lengths", {
            let mut files = files.clone();
            for bytes in files.values_mut() {
                bytes.splice(32..36, u32::MAX.to_le_bytes());
            }
            forged(&files)
        }),
    ]
}
