//! Entries of a log: raw, signed anew, or sealed around a damaged body.
//!
//! Input: a byte, then 0: an entry; 1: what a device of the account seals and
//! signs; 2: the parts of a body; 3: which ends of logs are given up.

use super::{Outcome, Seeds, Target, words};
use crate::house::{House, keys};
use heirloom_base::{
    ChunkId, Decode, Encode, EntryId, EpochId, Hlc, Incarnation, LogId, OpId, RecordId, SpaceId,
    Writer, hash, limits,
};
use heirloom_identity::seal;
use heirloom_sim::rng::Rng;
use heirloom_sync::entry::kind;
use heirloom_sync::{Body, Disowned, DisownedEnd, Entry, EntryPlan, Header, Origin, Part};
use std::sync::LazyLock;

pub(super) const TARGET: Target = Target {
    name: "entry",
    body,
    seeds,
    mend,
    words: &["HE\u{1}\u{1}"],
    is_lines: false,
    mends_alone: false,
    bytes_max: 4 * 1024,
};

const RAW: u8 = 0;
const SEALED: u8 = 1;
const BODY: u8 = 2;
const DISOWNED: u8 = 3;
const KEY: [u8; 32] = [8; 32];
const SIGNATURE_BYTES: usize = 64;
const TAG_BYTES: usize = 16;
/// What a body without parts is sealed to: it is padded to 64 bytes.
const EMPTY_SEALED_BYTES: usize = 64 + TAG_BYTES;

fn body(bytes: &[u8]) -> Outcome {
    let Some((form, rest)) = bytes.split_first() else { return Outcome::refused(&"empty") };
    match *form {
        SEALED => entry(&sealed(rest)),
        BODY => parts(rest),
        DISOWNED => disowned(rest),
        _ => entry(rest),
    }
}

fn entry(bytes: &[u8]) -> Outcome {
    let entry = match Entry::parse(bytes.to_vec()) {
        Ok(entry) => entry,
        Err(error) => return Outcome::refused(&error),
    };
    assert_eq!(entry.bytes(), bytes, "an entry is kept as it came");
    assert!(bytes.len() <= limits::ENTRY_BYTES_MAX);
    let (account, device) = (House::get().account(), keys(1).id());
    if let Err(error) = entry.verify(account, device) {
        return Outcome::refused(&error);
    }
    assert!(entry.verify(account, keys(2).id()).is_err(), "a signature is one device's");
    if entry.header().kind == kind::DISOWNED {
        let said = Disowned::of(&entry).map(|said| said.to_bytes());
        assert!(said.is_none_or(|said| said == entry.plain_body()), "a word has one form");
        return disowned(entry.plain_body());
    }
    match entry.open(&KEY) {
        Ok(body) => {
            let plain = body.to_bytes();
            assert!(plain.len() <= limits::ENTRY_BODY_BYTES_MAX);
            assert_eq!(Body::from_bytes(&plain).as_ref(), Ok(&body));
            let plan = EntryPlan { header: entry.header().clone(), body };
            let again = Entry::author(account, &keys(1), &KEY, &plan);
            assert_eq!(again.header(), entry.header(), "a header is written as it was read");
            assert_eq!(again.open(&KEY).as_ref(), Ok(&plan.body));
            Outcome::accepted(format!("opened{}", plan.body.parts.len().min(3)))
        }
        Err(error) => Outcome::refused(&error),
    }
}

fn parts(bytes: &[u8]) -> Outcome {
    match Body::from_bytes(bytes) {
        Ok(body) => {
            assert_eq!(body.to_bytes(), bytes, "a body has one form");
            Outcome::accepted(words("parts"))
        }
        Err(error) => Outcome::refused(&error),
    }
}

fn disowned(bytes: &[u8]) -> Outcome {
    match Disowned::from_bytes(bytes) {
        Ok(said) => {
            assert_eq!(said.to_bytes(), bytes, "a word has one form");
            assert!((1..=limits::DISOWNED_MAX).contains(&said.ends.len()));
            Outcome::accepted(format!("disowned{}", said.ends.len()))
        }
        Err(error) => Outcome::refused(&error),
    }
}

/// An honest header up to the length of what is sealed, and the log's key.
static FRONT: LazyLock<(Vec<u8>, [u8; 32])> = LazyLock::new(|| {
    let mut bytes = honest(plan(1, Vec::new()));
    bytes.truncate(bytes.len() - SIGNATURE_BYTES - EMPTY_SEALED_BYTES - 4);
    let header = plan(1, Vec::new()).header;
    (bytes, hash::keyed(&KEY, "entry", &[&header.space.0, &header.log.0]))
});

/// Returns the entry of a device that seals what it wants.
fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let (front, key) = &*FRONT;
    let mut bytes = front.clone();
    let nonce: [u8; 24] = bytes.last_chunk().copied().unwrap_or_default();
    let length = u32::try_from(plaintext.len() + TAG_BYTES).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    let ciphertext = seal::seal(key, &nonce, &bytes, plaintext);
    bytes.extend_from_slice(&ciphertext);
    signed(bytes)
}

fn signed(mut unsigned: Vec<u8>) -> Vec<u8> {
    let id = hash::plain(&unsigned);
    let signature = keys(1).sign("entry", House::get().account(), &id);
    unsigned.extend_from_slice(&signature);
    unsigned
}

fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    match bytes.split_first() {
        Some((&RAW, rest)) if rest.len() > SIGNATURE_BYTES => {
            let unsigned = rest.get(..rest.len() - SIGNATURE_BYTES).unwrap_or_default();
            let again = signed(unsigned.to_vec());
            match Entry::parse(again.clone()) {
                // A damaged header that is sealed and signed as it stands.
                Ok(entry) if rng.chance(60) => {
                    let body = Body { parts: vec![part(rng.index(100))] };
                    let header = entry.header().clone();
                    [vec![RAW], honest(EntryPlan { header, body })].concat()
                }
                Ok(_) | Err(_) => [vec![RAW], again].concat(),
            }
        }
        // A stored body of the length that it says.
        Some((&SEALED, rest)) if rng.chance(60) && rest.len() > 9 => {
            let plain = rest.get(9..).unwrap_or_default();
            [vec![SEALED], stored(plain, 0)].concat()
        }
        _ => bytes,
    }
}

/// Packs a body as it stands.
fn stored(plain: &[u8], form: u8) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u8(form);
    writer.u32(u32::try_from(plain.len()).unwrap_or(u32::MAX));
    writer.bytes(plain);
    writer.into_bytes()
}

fn plan(seq: u64, parts: Vec<Part>) -> EntryPlan {
    let space = SpaceId([1; 16]);
    let origin = Origin { device: keys(1).id(), incarnation: Incarnation([2; 16]) };
    let header = Header {
        kind: kind::CHANGES,
        space,
        log: origin.log(space),
        seq,
        previous: EntryId([u8::from(seq > 1); 32]),
        origin: (seq == 1).then_some(origin),
        roster_heads: vec![OpId([5; 32])],
        hlc: Hlc(99),
        epoch: EpochId([6; 32]),
        seen: vec![(LogId([9; 16]), 4)],
        chunks: vec![ChunkId([4; 32])],
    };
    EntryPlan { header, body: Body { parts } }
}

fn honest(plan: EntryPlan) -> Vec<u8> {
    Entry::author(House::get().account(), &keys(1), &KEY, &plan).into_bytes()
}

fn part(size: usize) -> Part {
    Part { record: RecordId([1; 16]), change: vec![b'x'; size] }
}

fn word() -> Disowned {
    let end = DisownedEnd { log: LogId([3; 16]), seq: 2, id: EntryId([4; 32]) };
    Disowned { ends: vec![end], held: vec![(LogId([3; 16]), 5), (LogId([5; 16]), 1)] }
}

fn seeds() -> Seeds {
    let form = |form: u8, bytes: Vec<u8>| [vec![form], bytes].concat();
    let two = Body { parts: vec![part(40), part(5)] };
    let zip = |length: u32, packed: &[u8]| {
        let mut writer = Writer::new();
        writer.u8(1);
        writer.u32(length);
        writer.bytes(packed);
        form(SEALED, writer.into_bytes())
    };
    // A zstd frame of one run block: 128 KiB of one byte, claimed as its size.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 2, 0, 0x03, 0, 0x10, b'x'];
    vec![
        ("first", form(RAW, honest(plan(1, vec![part(300), part(5)])))),
        ("later", form(RAW, honest(plan(2, vec![part(30)])))),
        ("empty-body", form(RAW, honest(plan(3, Vec::new())))),
        ("unknown-kind", {
            let mut plan = plan(2, vec![part(9)]);
            plan.header.kind = 77;
            form(RAW, honest(plan))
        }),
        ("disowned", {
            let header = Header { kind: kind::DISOWNED, ..plan(2, Vec::new()).header };
            let account = House::get().account();
            let word = Entry::author_plain(account, &keys(1), &header, &word().to_bytes());
            form(RAW, word.into_bytes())
        }),
        ("disowned-body", form(DISOWNED, word().to_bytes())),
        ("disowned-beyond-count", form(DISOWNED, vec![0xff; 4])),
        ("sealed-body", form(SEALED, stored(&two.to_bytes(), 0))),
        ("sealed-unknown-form", form(SEALED, stored(&two.to_bytes(), 9))),
        ("sealed-nothing", form(SEALED, Vec::new())),
        ("compressed-run", zip(131_072, &frame)),
        ("compressed-bomb", zip(u32::MAX, &frame)),
        ("compressed-liar", zip(1, &frame)),
        ("parts", form(BODY, two.to_bytes())),
        ("parts-beyond-count", form(BODY, vec![0xff; 4])),
    ]
}
