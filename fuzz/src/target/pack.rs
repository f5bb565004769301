//! Sealed chunks: references to them, what they hold, and their files.
//!
//! Input: a byte, then 0: a reference, and the sealed chunks in blocks behind
//! it; 1: pieces in blocks, which a member seals as they stand; 2: what a
//! chunk's file holds after an accident; 3: what a pack of records unfolds to;
//! 4: a pack of records; 5: a change that may be plain.

use super::blocks::{self, Block};
use super::{Outcome, Seeds, Target};
use crate::house::House;
use crate::soak::scratch;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use heirloom_base::{
    BlobRef, ChunkId, ChunkRef, Decode, Encode, Hlc, LogId, Reader, RecordId, hash,
};
use heirloom_blob::{open, seal, verify_chunk};
use heirloom_doc::{Document, Pack, Packed, RawChange, actor_for};
use heirloom_schema::{Content, Value};
use heirloom_sim::rng::Rng;
use heirloom_store::{IndexKind, Store, StoreOptions};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

pub(super) const TARGET: Target = Target {
    name: "pack",
    body,
    seeds,
    mend,
    words: &[],
    is_lines: false,
    mends_alone: false,
    bytes_max: 4 * 1024,
};

const REFERENCE: u8 = 0;
const PIECES: u8 = 1;
const FILE: u8 = 2;
const UNFOLDED: u8 = 3;
const RECORDS: u8 = 4;
const CHANGE: u8 = 5;
const SUITE: u8 = 1;

fn body(bytes: &[u8]) -> Outcome {
    match bytes.split_first() {
        Some((&REFERENCE, rest)) => reference(rest),
        Some((&PIECES, rest)) => pieces(&blocks::read(rest)),
        Some((&UNFOLDED, rest)) => {
            let packed = zstd::bulk::compress(rest, 1).expect("memory takes any bytes");
            let length = u32::try_from(rest.len()).expect("an input is small").to_le_bytes();
            records(&[length.as_slice(), &packed].concat())
        }
        Some((&RECORDS, rest)) => records(rest),
        Some((&CHANGE, rest)) => match heirloom_doc::plain(&RawChange(rest.to_vec())) {
            Some(plain) => Outcome::accepted(format!("plain{}", plain.edits.len().min(4))),
            None => Outcome::refused(&"not plain"),
        },
        Some((_, rest)) => file(rest),
        None => Outcome::refused(&"empty"),
    }
}

/// What a member packs reads as itself again, and can be born or is refused.
fn records(bytes: &[u8]) -> Outcome {
    let (root, records) = match heirloom_doc::unpack(bytes) {
        Ok(unpacked) => unpacked,
        Err(error) => return Outcome::refused(&error),
    };
    assert_eq!(heirloom_doc::pack(&records).root, root, "a pack has one form");
    for one in &records {
        let Some(content) = &one.content else { continue };
        let Ok(changes) = heirloom_doc::birth(one.record, content) else { continue };
        let document = Document::from_birth(&changes).expect("a birth that was made is one");
        assert_eq!(&document.content(), content);
    }
    Outcome::accepted(format!("records{}", records.len().min(4)))
}

fn account_key() -> &'static [u8; 32] {
    House::get().keyring.account_key()
}

fn opened(blob: &BlobRef, chunks: &BTreeMap<ChunkId, Vec<u8>>) -> Outcome {
    match open(account_key(), blob, |id| chunks.get(&id).cloned()) {
        Ok(bytes) => {
            assert_eq!(bytes.len() as u64, blob.size);
            assert_eq!(hash::plain(&bytes), blob.hash);
            let lengths = blob.chunks.iter().map(|chunk| u64::from(chunk.length));
            assert_eq!(lengths.sum::<u64>(), blob.size);
            Outcome::accepted(format!("opened{}", blob.chunks.len().min(4)))
        }
        Err(error) => Outcome::refused(&error),
    }
}

fn reference(bytes: &[u8]) -> Outcome {
    let mut reader = Reader::new(bytes);
    let blob = match BlobRef::decode(&mut reader) {
        Ok(blob) => blob,
        Err(error) => return Outcome::refused(&error),
    };
    let length = bytes.len() - reader.remaining();
    assert_eq!(Some(blob.to_bytes().as_slice()), bytes.get(..length), "a reference has one form");
    let rest = bytes.get(length..).unwrap_or_default();
    let sealed = blocks::read(rest).into_iter().map(|block| block.bytes);
    let chunks: BTreeMap<ChunkId, Vec<u8>> =
        sealed.map(|bytes| (ChunkId(hash::plain(&bytes)), bytes)).collect();
    assert!(chunks.iter().all(|(id, bytes)| verify_chunk(*id, bytes)));
    opened(&blob, &chunks)
}

/// A member who knows the account's key seals whatever it wants: the tag says
/// what is wrong with the reference.
fn pieces(blocks: &[Block]) -> Outcome {
    let mut chunks = BTreeMap::new();
    let mut whole = Vec::new();
    let mut blob = BlobRef { size: 0, hash: [0; 32], chunks: Vec::new() };
    for Block { tag, bytes } in blocks {
        let cut = bytes.len().saturating_sub(usize::from(tag & 0x0f));
        let piece = bytes.get(..cut).unwrap_or_default();
        let plain = match tag & 0x10 {
            0 => hash::keyed(account_key(), "chunk/plain", &[piece]),
            _ => [*tag; 32],
        };
        let key = hash::keyed(account_key(), "chunk/key", &[&plain]);
        let payload = Payload { msg: bytes, aad: &[SUITE] };
        let cipher = ChaCha20Poly1305::new(&Key::from(key));
        let Ok(ciphertext) = cipher.encrypt(&Nonce::from([0; 12]), payload) else { continue };
        let sealed = [&[SUITE][..], &ciphertext].concat();
        let id = ChunkId(hash::plain(&sealed));
        let length = if tag & 0x20 == 0 { cut } else { cut.wrapping_mul(0x10001) };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        blob.chunks.push(ChunkRef { id, plain, length });
        blob.size += u64::from(length);
        whole.extend_from_slice(piece);
        chunks.insert(id, sealed);
    }
    blob.hash = hash::plain(&whole);
    let outcome = opened(&blob, &chunks);
    if outcome.is_accepted {
        assert!(open(account_key(), &blob, |_| None).is_err() || blob.chunks.is_empty());
    }
    outcome
}

/// A store in which one chunk's file is damaged.
struct Shelf {
    _folder: tempfile::TempDir,
    store: Store,
    home: PathBuf,
}

thread_local! {
    static SHELF: Shelf = shelf();
}

fn shelf() -> Shelf {
    let folder = tempfile::tempdir_in(scratch()).expect("there is room for a folder");
    let home = folder.path().join("home");
    let options =
        StoreOptions { index: IndexKind::Memory, reserve_bytes: 0, ..StoreOptions::default() };
    let store = Store::open(&home, &options).expect("an empty folder becomes a store");
    Shelf { _folder: folder, store, home }
}

fn file(damaged: &[u8]) -> Outcome {
    let sealed = seal(account_key(), b"a picture of nothing much").chunks;
    let Some((id, bytes)) = sealed.first() else { return Outcome::refused(&"no chunk") };
    SHELF.with(|shelf| {
        let chunks = shelf.store.chunks();
        chunks.write(*id, bytes).expect("a whole chunk is written");
        let name = id.to_string();
        let path = shelf.home.join("packs").join(&name[..2]).join(&name);
        fs::write(&path, damaged).expect("a chunk's file can be damaged");
        match chunks.read(*id) {
            Ok(read) => {
                assert_eq!(&read, bytes, "a damaged chunk is not shown");
                Outcome::accepted("whole")
            }
            Err(error) => {
                assert_ne!(damaged, bytes.as_slice(), "a whole chunk is shown");
                assert!(!chunks.has(*id), "a damaged chunk is not counted");
                assert!(!path.exists(), "a damaged chunk is set aside");
                Outcome::refused(&error)
            }
        }
    })
}

/// Names the chunks that are there.
fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let Some((&REFERENCE, rest)) = bytes.split_first() else { return bytes };
    let mut reader = Reader::new(rest);
    let Ok(mut blob) = BlobRef::decode(&mut reader) else { return bytes };
    let sealed = blocks::read(rest.get(rest.len() - reader.remaining()..).unwrap_or_default());
    for (chunk, block) in blob.chunks.iter_mut().zip(&sealed) {
        chunk.id = ChunkId(hash::plain(&block.bytes));
    }
    if rng.chance(70) {
        blob.size = blob.chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
    }
    [vec![REFERENCE], blob.to_bytes(), blocks::write(&sealed)].concat()
}

/// Returns a pack of one record, and a plain change of it.
fn packed_record() -> (Pack, Vec<u8>) {
    let record = RecordId([1; 16]);
    let content = Content::from([
        ("!category".to_owned(), Value::Int(1)),
        ("body".to_owned(), Value::Text("a text".to_owned())),
        ("l1".to_owned(), Value::Str("FN:Ann".to_owned())),
        ("l2".to_owned(), Value::Bytes(vec![255])),
    ]);
    let born = heirloom_doc::birth(record, &content).expect("the content is small");
    let mut document = Document::from_birth(&born).expect("it is a birth");
    let heads = document.heads().0;
    let actor = actor_for(LogId([2; 16]), record);
    let edit = [("l1".to_owned(), Some(Value::Str("FN:Anne".to_owned()))), ("l2".to_owned(), None)];
    let edited = document.edit(actor, Hlc(9), &edit).expect("it fits");
    let change = edited.into_iter().next().map(|change| change.0).unwrap_or_default();
    let (deleted, conflicted, updated) = (false, true, (9, LogId([2; 16])));
    let content = Some(content);
    (heirloom_doc::pack(&[Packed { record, heads, deleted, conflicted, updated, content }]), change)
}

fn seeds() -> Seeds {
    let whole = |bytes: &[u8]| {
        let sealed = seal(account_key(), bytes);
        let chunks = sealed.chunks.into_iter().map(|(_, bytes)| bytes);
        [vec![REFERENCE], sealed.blob.to_bytes(), blocks::write(&blocks::of(0, chunks))].concat()
    };
    let chunk = ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length: 1024 * 1024 };
    let largest = BlobRef { size: 64 * 1024 * 1024, hash: [3; 32], chunks: vec![chunk; 64] };
    let pieces = |pieces: &[(u8, usize)]| {
        let block = |(tag, length): &(u8, usize)| Block { tag: *tag, bytes: vec![b'x'; *length] };
        let blocks: Vec<Block> = pieces.iter().map(block).collect();
        [vec![PIECES], blocks::write(&blocks)].concat()
    };
    let first = seal(account_key(), b"a picture of nothing much").chunks.remove(0).1;
    let (packed, change) = packed_record();
    let length = packed.bytes.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    let plain = packed.bytes.get(4..).unwrap_or_default();
    let unfolded = zstd::bulk::decompress(plain, length as usize).expect("it was packed here");
    vec![
        ("small", whole(b"some bytes")),
        ("empty", whole(b"")),
        ("padded", whole(&[7; 1_000])),
        ("largest-and-missing", [vec![REFERENCE], largest.to_bytes()].concat()),
        ("sealed-pieces", pieces(&[(0, 64), (1, 10), (0, 0)])),
        ("sealed-wrongly", pieces(&[(0x10, 64), (0x20, 10), (0x3f, 100)])),
        ("whole-file", [vec![FILE], first.clone()].concat()),
        ("cut-file", [vec![FILE], first.into_iter().take(9).collect()].concat()),
        ("emptied-file", vec![FILE]),
        ("records", [vec![RECORDS], packed.bytes.clone()].concat()),
        ("records-unfolded", [vec![UNFOLDED], unfolded].concat()),
        ("plain-change", [vec![CHANGE], change].concat()),
    ]
}
