//! Changes laid out by hand, with a right checksum, as any member can make
//! them. Other crates' tests include this file.

use heirloom_base::ChangeHash;
use sha2::{Digest as _, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];

/// A change that is laid out by hand.
#[derive(Debug, Clone)]
pub(crate) struct Forged {
    pub(crate) kind: u8,
    pub(crate) dependencies: Vec<ChangeHash>,
    pub(crate) actor: Vec<u8>,
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) time: i64,
    pub(crate) message: Vec<u8>,
    pub(crate) others: Vec<Vec<u8>>,
    pub(crate) columns: Vec<(u64, Vec<u8>)>,
    pub(crate) extra: Vec<u8>,
}

impl Forged {
    pub(crate) fn with(columns: Vec<(u64, Vec<u8>)>) -> Self {
        Self {
            kind: 1,
            dependencies: Vec::new(),
            actor: vec![1; 16],
            seq: 1,
            start_op: 1,
            time: 1,
            message: Vec::new(),
            others: Vec::new(),
            columns,
            extra: Vec::new(),
        }
    }

    /// Sets a key of the root to a short string.
    pub(crate) fn put(key: &str, value: &str) -> Self {
        Self::with(vec![
            (21, counted(&[0x7f], key)),
            (52, vec![1]),
            (66, vec![0x7f, 1]),
            (86, [&[0x7f][..], &meta(value)].concat()),
            (87, value.as_bytes().to_vec()),
            (112, vec![0x7f, 0]),
        ])
    }

    /// Inserts a character at the beginning of the text that an operation made.
    pub(crate) fn insert(text: u64, letter: &str) -> Self {
        let mut counter = vec![0x7f];
        write_unsigned(&mut counter, text);
        Self::with(vec![
            (1, vec![0x7f, 0]),
            (2, counter),
            (19, vec![0x7f, 0]),
            (52, vec![0, 1]),
            (66, vec![0x7f, 1]),
            (86, [&[0x7f][..], &meta(letter)].concat()),
            (87, letter.as_bytes().to_vec()),
            (112, vec![0x7f, 0]),
        ])
    }

    /// Returns the chunk with a right length and checksum.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        write_unsigned(&mut body, self.dependencies.len() as u64);
        body.extend(self.dependencies.iter().flat_map(|hash| hash.0));
        append(&mut body, &self.actor);
        write_unsigned(&mut body, self.seq);
        write_unsigned(&mut body, self.start_op);
        write_signed(&mut body, self.time);
        append(&mut body, &self.message);
        write_unsigned(&mut body, self.others.len() as u64);
        self.others.iter().for_each(|other| append(&mut body, other));
        write_unsigned(&mut body, self.columns.len() as u64);
        for (specification, column) in &self.columns {
            write_unsigned(&mut body, *specification);
            write_unsigned(&mut body, column.len() as u64);
        }
        self.columns.iter().for_each(|(_, column)| body.extend_from_slice(column));
        body.extend_from_slice(&self.extra);
        let mut bytes = [&MAGIC[..], &[0; 4], &[self.kind]].concat();
        append(&mut bytes, &body);
        rechecked(bytes)
    }

    pub(crate) fn replace(mut self, specification: u64, column: Vec<u8>) -> Self {
        self.columns.retain(|(other, _)| *other != specification);
        self.columns.push((specification, column));
        self.columns.sort();
        self
    }
}

pub(crate) fn append(bytes: &mut Vec<u8>, counted: &[u8]) {
    write_unsigned(bytes, counted.len() as u64);
    bytes.extend_from_slice(counted);
}

fn counted(before: &[u8], text: &str) -> Vec<u8> {
    let mut bytes = before.to_vec();
    append(&mut bytes, text.as_bytes());
    bytes
}

fn meta(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_unsigned(&mut bytes, (text.len() as u64) << 4 | 6);
    bytes
}

/// Puts the right checksum in front of a chunk, as any member can.
pub(crate) fn rechecked(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() > 8 {
        let hash = Sha256::digest(&bytes[8..]);
        bytes[4..8].copy_from_slice(&hash[..4]);
    }
    bytes
}

/// Repeats every column of a change of one operation.
pub(crate) fn repeated(forged: &Forged, count: i64) -> Forged {
    let mut run = Vec::new();
    write_signed(&mut run, count);
    let mut result = forged.clone();
    for (specification, column) in &mut result.columns {
        match *specification {
            52 => *column = run_of_flags(column, count.unsigned_abs()),
            87 => column.clear(),
            86 => *column = [&run[..], &[6]].concat(),
            _ => *column = [&run[..], &column[1..]].concat(),
        }
    }
    result
}

fn run_of_flags(column: &[u8], count: u64) -> Vec<u8> {
    let mut bytes = column[..column.len() - 1].to_vec();
    write_unsigned(&mut bytes, count);
    bytes
}

/// Appends a number in its shortest form.
pub(crate) fn write_signed(bytes: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = (value & 0x7f).to_le_bytes()[0];
        value >>= 7;
        let done = (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0);
        bytes.push(if done { byte } else { byte | 0x80 });
        if done {
            return;
        }
    }
}

/// Appends a number in its shortest form.
pub(crate) fn write_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f).to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Returns the hash by which others name a change.
pub(crate) fn hash_of(bytes: &[u8]) -> ChangeHash {
    ChangeHash(Sha256::digest(&bytes[8..]).into())
}

/// The record that is attacked, as its attacker knows it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The record's heads.
    pub(crate) heads: Vec<ChangeHash>,
    /// The number of its next operation.
    pub(crate) start_op: u64,
    /// The actor under which the attacker's log may write.
    pub(crate) actor: [u8; 16],
    /// The actor of another device.
    pub(crate) other: [u8; 16],
}

impl Target {
    /// Returns a change that continues the record as it should be.
    pub(crate) fn next(&self, forged: Forged) -> Forged {
        Forged {
            dependencies: self.heads.clone(),
            actor: self.actor.to_vec(),
            start_op: self.start_op,
            ..forged
        }
    }

    /// Returns a change that builds on one that nobody has.
    pub(crate) fn orphan(&self, number: u32) -> Vec<u8> {
        let mut hash = [0xfe; 32];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        let orphan = self.next(Forged::put("title", "orphan"));
        Forged { dependencies: vec![ChangeHash(hash)], ..orphan }.bytes()
    }

    /// Returns every known attack, each of which a gate must refuse.
    pub(crate) fn attacks(&self) -> Vec<(&'static str, Vec<u8>)> {
        let put = || self.next(Forged::put("title", "hostile"));
        let pred = |forged: Forged, counter: u8| {
            forged
                .replace(112, vec![0x7f, 1])
                .replace(113, vec![0x7f, 0])
                .replace(115, vec![0x7f, counter])
        };
        let mut checksum = put().bytes();
        checksum[5] ^= 1;
        let birth = Forged { actor: self.other.to_vec(), time: 0, ..Forged::put("title", "x") };
        let many = Forged { dependencies: vec![ChangeHash([7; 32]); 257], ..put() };
        vec![
            ("an unknown object", self.next(Forged::insert(999, "x")).bytes()),
            ("a missing predecessor", pred(put(), 0x3f).bytes()),
            ("a predecessor of its own", pred(put(), 1).bytes()),
            (
                "operations that start too low",
                Forged { start_op: self.start_op - 1, ..put() }.bytes(),
            ),
            (
                "operations that start at the end",
                Forged { start_op: u32::MAX.into(), ..put() }.bytes(),
            ),
            ("a gap in the numbers", Forged { seq: 3, ..put() }.bytes()),
            ("a number that came before", Forged { seq: 0, ..put() }.bytes()),
            ("another device's actor", Forged { actor: self.other.to_vec(), ..put() }.bytes()),
            (
                "a bomb of operations",
                repeated(&self.next(Forged::put("k", "")), 134_000_000).bytes(),
            ),
            ("a compressed change", Forged { kind: 2, ..put() }.bytes()),
            ("a whole document", Forged { kind: 0, ..put() }.bytes()),
            ("a bundle", Forged { kind: 3, ..put() }.bytes()),
            ("a time before time", Forged { time: i64::MIN, ..put() }.bytes()),
            ("a forged birth", birth.bytes()),
            ("too many dependencies", many.bytes()),
            ("an unknown column", put().replace(148, vec![0x7f, 0]).bytes()),
            ("a wrong checksum", checksum),
            ("no change at all", b"no change at all".to_vec()),
            ("nothing", Vec::new()),
        ]
    }
}
