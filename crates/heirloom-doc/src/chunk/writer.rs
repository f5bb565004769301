//! Writing the raw chunk of a birth's change: the reader's counterpart.
//!
//! The bytes are those that automerge writes for the same operations. That is
//! what makes a birth one on every device, and tests compare both.

use super::column::Kind;
use super::{KIND_CHANGE, MAGIC, hash};
use heirloom_base::{ActorId, ChangeHash};
use std::borrow::Cow;

/// An operation of a birth, whose author made everything that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewOperation<'a> {
    /// What it changes.
    pub(crate) place: Place<'a>,
    /// automerge's number for what it does.
    pub(crate) action: u64,
    /// automerge's number for the type of the value.
    pub(crate) kind: u8,
    /// The value's bytes.
    pub(crate) value: Cow<'a, [u8]>,
}

/// What an operation of a birth changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A key of the root.
    Key(&'a str),
    /// A new character of a text.
    Letter {
        /// The number of the operation that made the text.
        text: u64,
        /// That of the character before it; zero for the first.
        after: u64,
    },
}

impl<'a> Place<'a> {
    fn key(self) -> Option<&'a str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Letter { .. } => None,
        }
    }

    fn letter(self) -> Option<(u64, u64)> {
        match self {
            Self::Key(_) => None,
            Self::Letter { text, after } => Some((text, after)),
        }
    }
}

/// What stands before the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front {
    /// The change before it.
    pub(crate) after: Option<ChangeHash>,
    /// The author.
    pub(crate) actor: ActorId,
    /// The author's number for this change.
    pub(crate) seq: u64,
    /// The number of the first operation.
    pub(crate) start_op: u64,
}

/// Returns the bytes of a change at time zero, and its hash.
pub(crate) fn write(front: Front, operations: &[NewOperation<'_>]) -> (Vec<u8>, ChangeHash) {
    let columns = columns(operations);
    let mut rest = Vec::new();
    unsigned(&mut rest, u64::from(front.after.is_some()));
    rest.extend(front.after.iter().flat_map(|hash| hash.0));
    prefixed(&mut rest, &front.actor.0);
    unsigned(&mut rest, front.seq);
    unsigned(&mut rest, front.start_op);
    // The time, the length of the message and the number of other actors.
    rest.extend([0, 0, 0]);
    unsigned(&mut rest, columns.len() as u64);
    for (kind, bytes) in &columns {
        unsigned(&mut rest, *kind as u64);
        unsigned(&mut rest, bytes.len() as u64);
    }
    columns.iter().for_each(|(_, bytes)| rest.extend_from_slice(bytes));
    let mut hashed = vec![KIND_CHANGE];
    unsigned(&mut hashed, rest.len() as u64);
    hashed.append(&mut rest);
    let hash = hash(&hashed);
    let mut bytes = Vec::with_capacity(hashed.len() + 8);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&hash.0[..4]);
    bytes.append(&mut hashed);
    (bytes, hash)
}

/// Returns the columns that are not empty, in order.
fn columns(operations: &[NewOperation<'_>]) -> Vec<(Kind, Vec<u8>)> {
    let letters = || operations.iter().map(|one| one.place.letter());
    let text = |letter: Option<(u64, u64)>| letter.map(|(text, _)| text);
    let after = |letter: Option<(u64, u64)>| letter.map(|(_, after)| after);
    let the_author = |_: u64| 0_u64;
    let meta = |one: &NewOperation<'_>| (one.value.len() as u64) << 4 | u64::from(one.kind);
    let all = [
        (Kind::ObjectActor, runs(letters().map(|one| text(one).map(the_author)), number)),
        (Kind::ObjectCounter, runs(letters().map(text), number)),
        (
            Kind::KeyActor,
            runs(letters().map(|one| after(one).filter(|at| *at > 0).map(the_author)), number),
        ),
        (Kind::KeyCounter, runs(differences(letters().map(after)), difference)),
        (Kind::KeyString, runs(operations.iter().map(|one| one.place.key()), key)),
        (Kind::Insert, flags(letters().map(|one| one.is_some()))),
        (Kind::Action, runs(operations.iter().map(|one| Some(one.action)), number)),
        (Kind::ValueMeta, runs(operations.iter().map(|one| Some(meta(one))), number)),
        (Kind::Value, operations.iter().flat_map(|one| one.value.iter().copied()).collect()),
        (Kind::PredecessorGroup, runs(operations.iter().map(|_| Some(0)), number)),
    ];
    all.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect()
}

fn number(out: &mut Vec<u8>, value: u64) {
    unsigned(out, value);
}

fn difference(out: &mut Vec<u8>, value: i64) {
    signed(out, value);
}

fn key(out: &mut Vec<u8>, value: &str) {
    prefixed(out, value.as_bytes());
}

/// Returns each number as the difference to the one before.
fn differences(numbers: impl Iterator<Item = Option<u64>>) -> impl Iterator<Item = Option<i64>> {
    let mut last = 0;
    numbers.map(move |number| {
        let number = i64::try_from(number?).unwrap_or(i64::MAX);
        Some(number - std::mem::replace(&mut last, number))
    })
}

/// Writes a column of runs: equal values with their number, different ones
/// behind their negative number, and absent ones behind a zero. A column in
/// which all are absent is empty.
fn runs<T: Copy + PartialEq>(
    items: impl Iterator<Item = Option<T>>,
    write: fn(&mut Vec<u8>, T),
) -> Vec<u8> {
    let items: Vec<Option<T>> = items.collect();
    let mut out = Vec::new();
    if items.iter().all(Option::is_none) {
        return out;
    }
    let mut rest = items.as_slice();
    while let Some(first) = rest.first() {
        let equal = rest.iter().take_while(|item| *item == first).count();
        let length = match first {
            None => {
                signed(&mut out, 0);
                unsigned(&mut out, equal as u64);
                equal
            }
            Some(value) if equal > 1 => {
                signed(&mut out, signed_length(equal));
                write(&mut out, *value);
                equal
            }
            Some(_) => {
                let pairs = rest.windows(2).take_while(|pair| pair[0] != pair[1]);
                let single = pairs.take_while(|pair| pair[0].is_some()).count();
                // The last one of all has nobody to differ from.
                let is_last = single + 1 == rest.len() && rest[single].is_some();
                let length = single + usize::from(is_last);
                signed(&mut out, -signed_length(length));
                rest[..length].iter().flatten().for_each(|value| write(&mut out, *value));
                length
            }
        };
        rest = &rest[length..];
    }
    out
}

fn signed_length(length: usize) -> i64 {
    i64::try_from(length).expect("a change is limited")
}

/// Writes a column of truth values: lengths of alternating runs, of false first.
fn flags(items: impl Iterator<Item = bool>) -> Vec<u8> {
    let (mut out, mut last, mut length) = (Vec::new(), false, 0);
    for item in items {
        if item != last {
            unsigned(&mut out, length);
            (last, length) = (item, 0);
        }
        length += 1;
    }
    unsigned(&mut out, length);
    out
}

fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Writes a signed number.
pub(crate) fn signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        let is_last = (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0);
        if is_last {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}
