//! Writing the raw chunk of a change: the reader's counterpart, for births and
//! for edits of keys.
//!
//! The bytes are those that automerge writes for the same operations. That is
//! what makes a change one on every device, and tests compare both.

use super::column::Kind;
use super::{ACTION_SET, KIND_CHANGE, MAGIC, RawValue, hash};
use heirloom_base::{ActorId, ChangeHash};
use std::borrow::Cow;

/// Operations of a birth, or on keys of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NewOperation<'a> {
    /// One that sets a key of the root.
    Key {
        /// The key.
        key: &'a str,
        /// automerge's number for what it does.
        action: u64,
        /// automerge's number for the type of the value.
        kind: u8,
        /// The value's bytes.
        value: Cow<'a, [u8]>,
        /// The operation that it overwrites: the place of its actor, of which the
        /// author's own is 0, and its number.
        over: Option<(u64, u64)>,
    },
    /// One for each character that is put behind another.
    Letters {
        /// The number of the operation that made the text.
        text: u64,
        /// That of the character before the first; zero where there is none.
        after: u64,
        /// That of the first character: the others follow.
        first: u64,
        /// The characters: at least one.
        letters: &'a str,
    },
}

/// What stands before the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front<'a> {
    /// The changes that it builds on.
    pub(crate) after: &'a [ChangeHash],
    /// The author.
    pub(crate) actor: ActorId,
    /// The author's number for this change.
    pub(crate) seq: u64,
    /// The number of the first operation.
    pub(crate) start_op: u64,
    /// The clock reading: zero for a birth.
    pub(crate) time: i64,
    /// The actors other than the author that the operations name, in order.
    pub(crate) others: &'a [ActorId],
}

/// Returns the bytes of a change, and its hash.
pub(crate) fn write(front: Front<'_>, operations: &[NewOperation<'_>]) -> (Vec<u8>, ChangeHash) {
    let columns = columns(operations);
    let mut rest = Vec::new();
    unsigned(&mut rest, front.after.len() as u64);
    rest.extend(front.after.iter().flat_map(|hash| hash.0));
    prefixed(&mut rest, &front.actor.0);
    unsigned(&mut rest, front.seq);
    unsigned(&mut rest, front.start_op);
    signed(&mut rest, front.time);
    // There is no message.
    unsigned(&mut rest, 0);
    unsigned(&mut rest, front.others.len() as u64);
    front.others.iter().for_each(|other| prefixed(&mut rest, &other.0));
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

/// The columns while they are written.
#[derive(Default)]
struct Writing<'a> {
    object_actor: Runs<u64>,
    object_counter: Runs<u64>,
    key_actor: Runs<u64>,
    key_counter: Runs<i64>,
    /// What the differences of the last column count from.
    last_counter: i64,
    key: Runs<&'a str>,
    insert: Flags,
    action: Runs<u64>,
    meta: Runs<u64>,
    value: Vec<u8>,
    overwritten: Runs<u64>,
    overwritten_actor: Runs<u64>,
    overwritten_counter: Runs<i64>,
    last_overwritten: i64,
    count: u64,
}

/// Returns the columns that are not empty, in order.
fn columns(operations: &[NewOperation<'_>]) -> Vec<(Kind, Vec<u8>)> {
    let mut writing = Writing::default();
    operations.iter().for_each(|operation| writing.take(operation));
    let all = [
        (Kind::ObjectActor, writing.object_actor.written(unsigned)),
        (Kind::ObjectCounter, writing.object_counter.written(unsigned)),
        (Kind::KeyActor, writing.key_actor.written(unsigned)),
        (Kind::KeyCounter, writing.key_counter.written(signed)),
        (Kind::KeyString, writing.key.written(|out, key| prefixed(out, key.as_bytes()))),
        (Kind::Insert, writing.insert.written()),
        (Kind::Action, writing.action.written(unsigned)),
        (Kind::ValueMeta, writing.meta.written(unsigned)),
        (Kind::Value, writing.value),
        (Kind::PredecessorGroup, writing.overwritten.written(unsigned)),
        (Kind::PredecessorActor, writing.overwritten_actor.written(unsigned)),
        (Kind::PredecessorCounter, writing.overwritten_counter.written(signed)),
    ];
    all.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect()
}

impl<'a> Writing<'a> {
    fn take(&mut self, operation: &NewOperation<'a>) {
        match operation {
            NewOperation::Key { key, action, kind, value, over } => {
                self.count += 1;
                self.object_actor.push(None, 1);
                self.object_counter.push(None, 1);
                self.key_actor.push(None, 1);
                self.key_counter.push(None, 1);
                self.key.push(Some(key), 1);
                self.insert.push(false, 1);
                self.action.push(Some(*action), 1);
                self.meta.push(Some(meta(value.len(), *kind)), 1);
                self.value.extend_from_slice(value);
                self.overwritten.push(Some(u64::from(over.is_some())), 1);
                if let Some((actor, number)) = over {
                    let number = signed_length(*number);
                    self.overwritten_actor.push(Some(*actor), 1);
                    self.overwritten_counter.push(Some(number - self.last_overwritten), 1);
                    self.last_overwritten = number;
                }
            }
            NewOperation::Letters { text, after, first, letters } => {
                letters.chars().for_each(|letter| {
                    self.meta.push(Some(meta(letter.len_utf8(), RawValue::STR)), 1);
                });
                self.value.extend_from_slice(letters.as_bytes());
                self.letters(*text, *after, *first, letters.chars().count() as u64);
            }
        }
    }

    fn letters(&mut self, text: u64, after: u64, first: u64, count: u64) {
        self.count += count;
        self.object_actor.push(Some(0), count);
        self.object_counter.push(Some(text), count);
        self.key.push(None, count);
        self.insert.push(true, count);
        self.action.push(Some(ACTION_SET), count);
        self.overwritten.push(Some(0), count);
        self.key_actor.push((after > 0).then_some(0), 1);
        self.key_actor.push(Some(0), count - 1);
        // Each stands behind the one before: what differs is one, but for the
        // first two.
        self.counter(after, 1);
        if count > 1 {
            self.counter(first, 1);
            self.key_counter.push(Some(1), count - 2);
            self.last_counter += signed_length(count - 2);
        }
    }

    fn counter(&mut self, counter: u64, count: u64) {
        let counter = signed_length(counter);
        self.key_counter.push(Some(counter - self.last_counter), count);
        self.last_counter = counter;
    }
}

/// Returns the type and length of a value as one number.
fn meta(length: usize, kind: u8) -> u64 {
    (length as u64) << 4 | u64::from(kind)
}

/// A column of runs: equal values with their number, different ones behind
/// their negative number, and absent ones behind a zero.
struct Runs<T> {
    /// Neighbours differ.
    runs: Vec<(Option<T>, u64)>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<T: Copy + PartialEq> Runs<T> {
    fn push(&mut self, value: Option<T>, count: u64) {
        match self.runs.last_mut() {
            Some((last, length)) if *last == value => *length += count,
            Some(_) | None if count > 0 => self.runs.push((value, count)),
            Some(_) | None => {}
        }
    }

    /// Returns the bytes; a column in which all are absent is empty.
    fn written(&self, write: impl Fn(&mut Vec<u8>, T)) -> Vec<u8> {
        let mut out = Vec::new();
        if self.runs.iter().all(|(value, _)| value.is_none()) {
            return out;
        }
        let mut rest = self.runs.as_slice();
        while let Some(((value, count), others)) = rest.split_first() {
            rest = others;
            match value {
                None => {
                    signed(&mut out, 0);
                    unsigned(&mut out, *count);
                }
                Some(value) if *count > 1 => {
                    signed(&mut out, signed_length(*count));
                    write(&mut out, *value);
                }
                Some(value) => {
                    let is_single = |run: &&(Option<T>, u64)| run.0.is_some() && run.1 == 1;
                    let more = others.iter().take_while(is_single).count();
                    let (singles, behind) = others.split_at(more);
                    signed(&mut out, -signed_length(1 + more as u64));
                    write(&mut out, *value);
                    singles.iter().for_each(|(value, _)| {
                        value.iter().for_each(|value| write(&mut out, *value));
                    });
                    rest = behind;
                }
            }
        }
        out
    }
}

fn signed_length(length: u64) -> i64 {
    i64::try_from(length).expect("a change is limited")
}

/// A column of truth values: lengths of alternating runs, of false first.
#[derive(Default)]
struct Flags {
    out: Vec<u8>,
    last: bool,
    length: u64,
}

impl Flags {
    fn push(&mut self, flag: bool, count: u64) {
        if flag != self.last {
            unsigned(&mut self.out, self.length);
            (self.last, self.length) = (flag, 0);
        }
        self.length += count;
    }

    fn written(mut self) -> Vec<u8> {
        unsigned(&mut self.out, self.length);
        self.out
    }
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
