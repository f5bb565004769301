//! Raw automerge changes, laid out and mended by hand.

use sha2::{Digest as _, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Bytes before the length: magic, checksum, kind.
const FRONT_BYTES: usize = 9;

/// Appends an unsigned LEB128 number.
pub fn unsigned(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes an unsigned LEB128 number off the front.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Returns the chunk of a kind around a body, with a right length and checksum.
#[must_use]
pub fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut rest = vec![kind];
    unsigned(&mut rest, body.len() as u64);
    rest.extend_from_slice(body);
    let hash = Sha256::digest(&rest);
    [&MAGIC[..], hash.get(..4).unwrap_or_default(), &rest].concat()
}

/// Returns what a chunk holds, whatever its length and checksum say.
#[must_use]
pub fn body(chunk: &[u8]) -> &[u8] {
    let mut rest = chunk.get(FRONT_BYTES..).unwrap_or_default();
    if take(&mut rest).is_some() { rest } else { &[] }
}

/// Returns the kind of a chunk.
#[must_use]
pub fn kind(chunk: &[u8]) -> u8 {
    chunk.get(FRONT_BYTES - 1).copied().unwrap_or(1)
}

/// Cuts a change's body before its message: dependencies, actor and numbers
/// stand in front, message, other actors and columns behind.
#[must_use]
pub fn halves(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = body;
    let dependencies = usize::try_from(take(&mut rest)?).ok()?;
    rest = rest.get(dependencies.checked_mul(32)?..)?;
    let actor = usize::try_from(take(&mut rest)?).ok()?;
    rest = rest.get(actor..)?;
    for _ in 0..3 {
        take(&mut rest)?;
    }
    Some((body.get(..body.len() - rest.len())?, rest))
}

/// Returns the back half of a change with these columns, without message and
/// other actors.
#[must_use]
pub fn columns(columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    unsigned(&mut bytes, columns.len() as u64);
    for (specification, column) in columns {
        unsigned(&mut bytes, *specification);
        unsigned(&mut bytes, column.len() as u64);
    }
    columns.iter().for_each(|(_, column)| bytes.extend_from_slice(column));
    bytes
}

/// Returns the front half of a change.
#[must_use]
pub fn front(dependencies: &[[u8; 32]], actor: &[u8], numbers: [u64; 2], time: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    unsigned(&mut bytes, dependencies.len() as u64);
    bytes.extend(dependencies.iter().flatten());
    unsigned(&mut bytes, actor.len() as u64);
    bytes.extend_from_slice(actor);
    numbers.into_iter().for_each(|number| unsigned(&mut bytes, number));
    bytes.extend_from_slice(time);
    bytes
}
