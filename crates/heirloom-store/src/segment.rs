//! One segment file of the log: its header, and the search for sound frames.
//!
//! Header: `magic 8 | number u32 | previous end u32 | zeroes 12 | crc32c u32`.
//! A segment's header says where the one before it ends. What stands there
//! behind that end was never acknowledged and counts for nothing, and a
//! segment that yields less than its end promises has lost something.

use crate::frame::{self, ALIGNMENT, Place, Unsound};
use heirloom_base::hash;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the first frame begins.
pub(crate) const HEADER_BYTES: usize = 32;

/// The largest number of a segment: its file name has eight digits.
pub(crate) const NUMBER_MAX: u32 = 99_999_999;

const MAGIC: &[u8; 8] = b"HEIRLOG1";

/// Bytes of wrong payloads that the search for the next sound frame reads in
/// one segment before it gives up: crafted bytes must not cost minutes.
const SEARCH_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u32,
    pub(crate) previous_end: u32,
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.number.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.previous_end.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..28]);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header at the start of a segment's bytes; `None` when it is damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if !body.starts_with(MAGIC) || crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let word = |at: usize| body.get(at..).and_then(<[u8]>::first_chunk).copied();
        Some(Self {
            number: u32::from_le_bytes(word(8)?),
            previous_end: u32::from_le_bytes(word(12)?),
        })
    }
}

/// Returns the file name of a segment.
pub(crate) fn name(number: u32) -> String {
    format!("{number:08}.seg")
}

/// Returns the number of the segment with this file name.
pub(crate) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 8)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten().filter(|number| *number > 0)
}

/// Returns the segments in a folder by their numbers, each with a mark that no
/// copy of it has: its inode and when it was made, as far as that is kept.
pub(crate) fn marks(folder: &Path) -> io::Result<Vec<(u32, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(number) = entry.file_name().to_str().and_then(number) {
            let metadata = entry.metadata()?;
            let since = |made: SystemTime| made.duration_since(UNIX_EPOCH).unwrap_or_default();
            let made_ns = metadata.created().map_or(0, |made| since(made).as_nanos());
            let parts = [metadata.ino().to_le_bytes().as_slice(), &made_ns.to_le_bytes()].concat();
            let mark: [u8; 8] = hash::truncate(hash::plain(&parts));
            found.push((number, u64::from_le_bytes(mark)));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Sound frames without a gap between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The bytes they take.
    pub(crate) range: Range<usize>,
    /// How many they are.
    pub(crate) frames: u64,
    /// Whether one of them is the first of its append.
    pub(crate) begins: bool,
}

/// Finds the sound frames of a segment, also those behind damage.
pub(crate) fn scan(bytes: &[u8], number: u32) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut budget = SEARCH_BYTES_MAX;
    let mut at = HEADER_BYTES;
    loop {
        let span = walk(bytes, number, at);
        let end = span.range.end;
        if span.frames > 0 {
            spans.push(span);
        }
        match search(bytes, number, end, &mut budget) {
            Some(next) => at = next,
            None => return spans,
        }
    }
}

/// Returns how many bytes at the front are not all zeroes behind them.
pub(crate) fn used(bytes: &[u8]) -> usize {
    const BLOCK: usize = 4096;
    const EMPTY: [u8; BLOCK] = [0; BLOCK];
    let mut end = bytes.len();
    while let Some(block) = bytes[..end].rchunks(BLOCK).next() {
        if block != &EMPTY[..block.len()] {
            break;
        }
        end -= block.len();
    }
    bytes[..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn walk(bytes: &[u8], number: u32, from: usize) -> Span {
    let mut span = Span { range: from..from, frames: 0, begins: false };
    while let Ok(sound) = frame::read(bytes, number, span.range.end) {
        span.frames += 1;
        span.begins |= sound.place == Place::First;
        span.range.end = sound.next;
    }
    span
}

/// Returns where the next sound frame begins, from `from` on.
fn search(bytes: &[u8], number: u32, from: usize, budget: &mut usize) -> Option<usize> {
    let end = from + used(bytes.get(from..)?);
    for at in (from..end).step_by(ALIGNMENT) {
        match frame::read(bytes, number, at) {
            Ok(_) => return Some(at),
            Err(Unsound::Header) => {}
            Err(Unsound::Payload(length)) => *budget = budget.checked_sub(length)?,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{encode, position};
    use heirloom_base::id::to_hex;
    use heirloom_core::storage::Frame;
    use proptest::prelude::*;

    const NUMBER: u32 = 4;

    /// A segment with frames of these lengths, and where each begins.
    fn segment(lengths: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Header { number: NUMBER, previous_end: 32 }.encode().to_vec();
        let mut starts = Vec::new();
        for (index, length) in lengths.iter().enumerate() {
            let place = if index % 2 == 0 { Place::First } else { Place::Later };
            let at = position(NUMBER, bytes.len());
            starts.push(bytes.len());
            encode(&mut bytes, at, place, &Frame { kind: 1, payload: vec![0xa5; *length] });
        }
        (bytes, starts)
    }

    #[test]
    fn the_header_is_frozen() {
        let header = Header { number: 2, previous_end: 0x0012_3458 };
        assert_eq!(
            to_hex(&header.encode()),
            "484549524c4f47310200000058341200000000000000000000000000c48afc15"
        );
        assert_eq!(Header::parse(&header.encode()), Some(header));
    }

    #[test]
    fn a_header_with_any_flipped_bit_is_damaged() {
        let sound = Header { number: 2, previous_end: 77 }.encode();
        for bit in 0..8 * HEADER_BYTES {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&bytes), None, "bit {bit}");
        }
        assert_eq!(Header::parse(&sound[..31]), None);
    }

    #[test]
    fn only_names_of_eight_digits_are_segments() {
        assert_eq!(number(&name(1)), Some(1));
        assert_eq!(number(&name(NUMBER_MAX)), Some(NUMBER_MAX));
        for text in
            ["1.seg", "00000000.seg", "+0000001.seg", "00000001.seg.damaged", "000000001.seg"]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn empty_space_is_measured_across_blocks() {
        assert_eq!(used(&[]), 0);
        for (length, last) in [(1, 0), (4096, 0), (4097, 4096), (10_000, 4095), (10_000, 9_999)] {
            let mut bytes = vec![0; length];
            assert_eq!(used(&bytes), 0);
            bytes[last] = 1;
            assert_eq!(used(&bytes), last + 1);
        }
    }

    #[test]
    fn frames_behind_a_zeroed_block_are_found() {
        let (mut bytes, starts) = segment(&[10, 5_000, 20, 30]);
        bytes[starts[1]..starts[1] + 4096].fill(0);
        let spans = scan(&bytes, NUMBER);
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[0].range, HEADER_BYTES..starts[1]);
        assert_eq!(spans[1].range, starts[2]..bytes.len());
        assert_eq!((spans[1].frames, spans[1].begins), (2, true));
    }

    #[test]
    fn crafted_lengths_do_not_make_the_search_long() {
        let (mut bytes, _) = segment(&[]);
        let payload = vec![0; 64 * 1024];
        while bytes.len() < 256 * 1024 {
            let mut crafted = Vec::new();
            let frame = Frame { kind: 1, payload: payload.clone() };
            encode(&mut crafted, position(NUMBER, bytes.len()), Place::First, &frame);
            crafted.truncate(16);
            crafted[8] ^= 1;
            bytes.extend_from_slice(&crafted);
        }
        bytes.resize(bytes.len() + payload.len(), 0);
        let mut budget = 16 * 1024 * 1024;
        assert_eq!(search(&bytes, NUMBER, HEADER_BYTES, &mut budget), None);
        assert!(budget < payload.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn all_frames_but_the_damaged_one_are_found(lengths in proptest::collection::vec(0_usize..200, 1..12), pick: proptest::sample::Index, byte: proptest::sample::Index, empty in 0_usize..9_000) {
            let (mut bytes, mut starts) = segment(&lengths);
            starts.push(bytes.len());
            let hit = pick.index(lengths.len());
            // Padding is not covered, so only header and payload are hit.
            let at = starts[hit] + byte.index(12 + lengths[hit]);
            bytes[at] ^= 0x40;
            bytes.resize(bytes.len() + empty, 0);
            let spans = scan(&bytes, NUMBER);
            let found: u64 = spans.iter().map(|span| span.frames).sum();
            prop_assert_eq!(found, lengths.len() as u64 - 1);
            prop_assert!(spans.iter().all(|span| !span.range.contains(&at)));
        }

        #[test]
        fn any_bytes_are_scanned_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(scan(&bytes, NUMBER).is_empty());
        }
    }
}
