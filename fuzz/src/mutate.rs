//! Damage that knows nothing of any format.

use crate::target::Target;
use heirloom_sim::rng::Rng;
use std::ops::Range;

/// Numbers at which programs break.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    7,
    8,
    15,
    16,
    63,
    64,
    127,
    128,
    255,
    256,
    4_095,
    4_096,
    8_192,
    65_535,
    65_536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];

/// The longest run of bytes that one mutation copies or removes.
const RUN_MAX: usize = 64;

/// Damages `bytes` in one way; `other` is another input of the target.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], target: &Target, rng: &mut Rng) {
    if target.is_lines && rng.chance(50) {
        return lines(bytes, other, target.words, rng);
    }
    match rng.below(9) {
        0 => flip(bytes, rng),
        1 => put(bytes, &[low(rng)], rng),
        2 => number(bytes, rng),
        3 => drop(bytes.drain(range(bytes.len(), rng))),
        4 => insert(bytes, other.get(range(other.len(), rng)).unwrap_or_default(), rng),
        5 => {
            let copied = bytes.get(range(bytes.len(), rng)).unwrap_or_default().to_vec();
            insert(bytes, &copied.repeat(1 + rng.index(3)), rng);
        }
        6 => splice(bytes, other, rng),
        7 => word(bytes, target.words, rng),
        _ => {
            let fresh: Vec<u8> = (0..1 + rng.index(8)).map(|_| low(rng)).collect();
            insert(bytes, &fresh, rng);
        }
    }
}

/// Returns a place within a length, its end included.
fn place(length: usize, rng: &mut Rng) -> usize {
    rng.index(length + 1)
}

fn range(length: usize, rng: &mut Rng) -> Range<usize> {
    let start = place(length, rng);
    start..(start + rng.index(RUN_MAX)).min(length)
}

fn low(rng: &mut Rng) -> u8 {
    (rng.number() >> 32) as u8
}

fn flip(bytes: &mut [u8], rng: &mut Rng) {
    let at = rng.index(bytes.len().max(1));
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

/// Writes over what stands at a random place.
fn put(bytes: &mut [u8], new: &[u8], rng: &mut Rng) {
    let at = place(bytes.len(), rng);
    for (old, new) in bytes.iter_mut().skip(at).zip(new) {
        *old = *new;
    }
}

fn number(bytes: &mut [u8], rng: &mut Rng) {
    let edge = EDGES[rng.index(EDGES.len())];
    let width = 1 << rng.below(4);
    put(bytes, edge.to_le_bytes().get(..width).unwrap_or_default(), rng);
}

fn insert(bytes: &mut Vec<u8>, new: &[u8], rng: &mut Rng) {
    let at = place(bytes.len(), rng);
    bytes.splice(at..at, new.iter().copied());
}

/// Keeps the beginning and goes on with the end of another input.
fn splice(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    bytes.truncate(place(bytes.len(), rng));
    bytes.extend_from_slice(other.get(place(other.len(), rng)..).unwrap_or_default());
}

fn word(bytes: &mut Vec<u8>, words: &[&str], rng: &mut Rng) {
    let Some(word) = words.get(rng.index(words.len().max(1))) else { return };
    match rng.chance(50) {
        true => insert(bytes, word.as_bytes(), rng),
        false => put(bytes, word.as_bytes(), rng),
    }
}

/// Moves whole lines about.
fn lines(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], rng: &mut Rng) {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let others: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
    let at = place(lines.len(), rng);
    let from = rng.index(lines.len().max(1));
    match rng.below(5) {
        0 if from < lines.len() => drop(lines.remove(from)),
        1 => lines.extend(lines.get(from).cloned()),
        2 => {
            let line = others.get(rng.index(others.len().max(1))).copied().unwrap_or_default();
            lines.insert(at, line.to_vec());
        }
        3 if from < lines.len() => {
            let line = lines.remove(from);
            lines.insert(at.min(lines.len()), line);
        }
        _ => {
            let word = words.get(rng.index(words.len().max(1))).copied().unwrap_or_default();
            lines.insert(at, format!("{word}\r\n").into_bytes());
        }
    }
    *bytes = lines.concat();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::TARGETS;

    #[test]
    fn one_seed_damages_in_one_way_and_empty_bytes_are_borne() {
        for target in TARGETS {
            for seed in 0..200 {
                let damaged = |bytes: &[u8]| {
                    let mut bytes = bytes.to_vec();
                    mutate(&mut bytes, b"BEGIN:VCARD\r\nother", target, &mut Rng::new(seed));
                    bytes
                };
                assert_eq!(damaged(b"some\nbytes"), damaged(b"some\nbytes"));
                damaged(b"");
            }
        }
    }
}
