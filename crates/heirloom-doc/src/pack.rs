//! Packs: what many records show, for a device that has none of their entries
//! yet.
//!
//! A pack holds no change and no document. It says what a record reads as once
//! certain changes are in it, and is believed for as long as they have not come.

use crate::change::RawChange;
use crate::chunk::{self, Action, Chunk, Operation, RawValue};
use crate::{birth, value};
use heirloom_base::{
    ActorId, ChangeHash, Decode, DecodeError, Encode, Hlc, LogId, Reader, RecordId, Writer, hash,
    limits,
};
use heirloom_schema::{Content, Value};
use std::collections::BTreeMap;

const ZSTD_LEVEL: i32 = 3;
/// Records of one pack, at most.
const RECORDS_MAX: usize = 1 << 20;
const DELETED: u8 = 1;
const CONFLICTED: u8 = 2;
const CONTENT: u8 = 4;

/// One record of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// The record.
    pub record: RecordId,
    /// Its heads.
    pub heads: Vec<ChangeHash>,
    /// Whether it is in the trash.
    pub deleted: bool,
    /// Whether fields of it are in conflict.
    pub conflicted: bool,
    /// When it was changed last, in milliseconds since 1970, and in which log.
    pub updated: (u64, LogId),
    /// What it reads as; nothing where that is too large.
    pub content: Option<Content>,
}

/// Records as one byte string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Hash over what is packed: the same on every device.
    pub root: [u8; 32],
    /// The packed bytes.
    pub bytes: Vec<u8>,
}

/// Why a pack cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// It does not unpack within its limits.
    #[error("the pack does not unpack")]
    Unpack,
    /// What it holds is not well formed.
    #[error("the pack is not well formed")]
    Content(#[from] DecodeError),
}

/// Packs records.
#[must_use]
pub fn pack(records: &[Packed]) -> Pack {
    let mut writer = Writer::new();
    writer.u32(u32::try_from(records.len()).expect("records of a pack are limited"));
    records.iter().for_each(|one| one.encode(&mut writer));
    let plain = writer.into_bytes();
    let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL).unwrap_or_default();
    let length = u32::try_from(plain.len()).expect("a pack is limited");
    let bytes = [length.to_le_bytes().as_slice(), &packed].concat();
    Pack { root: root(&plain), bytes }
}

fn root(plain: &[u8]) -> [u8; 32] {
    hash::content("pack", &[plain])
}

/// Reads a pack; returns its root too.
///
/// # Errors
/// When it is damaged, or passes its limits.
pub fn unpack(bytes: &[u8]) -> Result<([u8; 32], Vec<Packed>), PackError> {
    let (length, packed) = bytes.split_first_chunk::<4>().ok_or(PackError::Unpack)?;
    let length = u32::from_le_bytes(*length) as usize;
    // Beside the contents stand ids and heads, of which a pack has many.
    if length > 2 * limits::PACK_BYTES_MAX {
        return Err(PackError::Unpack);
    }
    let plain = zstd::bulk::decompress(packed, length).map_err(|_| PackError::Unpack)?;
    let mut reader = Reader::new(&plain);
    let records = reader.list(RECORDS_MAX)?;
    reader.finish()?;
    Ok((root(&plain), records))
}

impl Packed {
    /// Returns the bytes that a content takes in a pack.
    #[must_use]
    pub fn size(content: &Content) -> usize {
        value::canonical(content).len()
    }
}

impl Encode for Packed {
    fn encode(&self, writer: &mut Writer) {
        self.record.encode(writer);
        writer.list(&self.heads);
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        writer.u8(flag(self.deleted, DELETED)
            | flag(self.conflicted, CONFLICTED)
            | flag(self.content.is_some(), CONTENT));
        writer.u64(self.updated.0);
        self.updated.1.encode(writer);
        if let Some(content) = &self.content {
            writer.u32(u32::try_from(content.len()).expect("a content is limited"));
            writer.array(&value::canonical(content));
        }
    }
}

impl Decode for Packed {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let record = RecordId::decode(reader)?;
        let heads = reader.list(limits::PACK_BYTES_MAX / ChangeHash::SIZE)?;
        let flags = reader.u8()?;
        if flags & !(DELETED | CONFLICTED | CONTENT) != 0 {
            return Err(DecodeError::Unknown { what: "flags of a record", value: flags.into() });
        }
        let updated = (reader.u64()?, LogId::decode(reader)?);
        let content = match flags & CONTENT {
            0 => None,
            _ => Some(value::read_canonical(reader)?),
        };
        let (deleted, conflicted) = (flags & DELETED != 0, flags & CONFLICTED != 0);
        Ok(Self { record, heads, deleted, conflicted, updated, content })
    }
}

/// A change that does nothing but set and remove keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain {
    /// Its hash.
    pub hash: ChangeHash,
    /// What it builds on.
    pub dependencies: Vec<ChangeHash>,
    /// Its author.
    pub actor: ActorId,
    /// Its clock reading.
    pub hlc: Hlc,
    /// The keys with their new values; `None` removes.
    pub edits: BTreeMap<String, Option<Value>>,
}

/// Reads a change that does nothing but set and remove keys; nothing where it
/// does anything else.
#[must_use]
pub fn plain(change: &RawChange) -> Option<Plain> {
    let Chunk { head, operations, .. } = Chunk::parse(&change.0).ok()?;
    let edits = operations.iter().map(edit).collect::<Option<_>>()?;
    Some(Plain {
        hash: chunk::hash_of(&change.0).ok()?,
        dependencies: head.dependencies,
        actor: head.actor,
        hlc: Hlc(u64::try_from(head.time).ok()?),
        edits,
    })
}

fn edit(operation: &Operation<'_>) -> Option<(String, Option<Value>)> {
    let key = operation.key.filter(|_| operation.object.is_none())?.to_owned();
    let value = match operation.action {
        Action::Set if operation.value.kind == RawValue::NULL => None,
        Action::Set => Some(birth::value_of(operation.value)?),
        Action::Delete => None,
        Action::MakeText => return None,
    };
    value::check(&key, value.as_ref()).ok().map(|()| (key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, actor_for};
    use heirloom_base::id::to_hex;
    use heirloom_base::{BlobRef, ChunkId, ChunkRef};
    use proptest::prelude::*;

    fn example() -> Vec<Packed> {
        let chunk = ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length: 3 };
        let blob = BlobRef { size: 3, hash: [4; 32], chunks: vec![chunk] };
        let content = Content::from([
            ("a".to_owned(), Value::Text("long".to_owned())),
            ("b".to_owned(), Value::Str("short".to_owned())),
            ("c".to_owned(), Value::Int(-9)),
            ("d".to_owned(), Value::Bytes(vec![255, 0])),
            ("e".to_owned(), Value::Blob(blob)),
        ]);
        let one = |number: u8, content| Packed {
            record: RecordId([number; 16]),
            heads: vec![ChangeHash([number; 32])],
            deleted: number == 2,
            conflicted: number == 1,
            updated: (99, LogId([7; 16])),
            content,
        };
        vec![one(1, Some(content)), one(2, None)]
    }

    #[test]
    fn a_pack_survives_its_binary_form_and_has_one_root() {
        let packed = pack(&example());
        assert_eq!(unpack(&packed.bytes), Ok((packed.root, example())));
        assert_eq!(to_hex(&packed.root[..8]), "a639553858601d99");
        let mut other = example();
        other[0].updated.0 += 1;
        assert_ne!(pack(&other).root, packed.root);
        assert_eq!(unpack(&pack(&[]).bytes), Ok((pack(&[]).root, Vec::new())));
    }

    #[test]
    fn a_pack_that_is_cut_or_claims_much_is_refused() {
        let bytes = pack(&example()).bytes;
        for end in 0..bytes.len() {
            assert!(unpack(&bytes[..end]).is_err(), "cut at {end}");
        }
        let zeros = zstd::bulk::compress(&vec![0; 1 << 20], 19).unwrap();
        let bomb = zeros.repeat(4_096);
        for claimed in [u32::MAX, 1 << 24, 1 << 10] {
            let bytes = [claimed.to_le_bytes().as_slice(), &bomb].concat();
            assert_eq!(unpack(&bytes), Err(PackError::Unpack), "{claimed}");
        }
    }

    #[test]
    fn a_plain_change_tells_what_it_does_and_another_does_not() {
        let record = RecordId([1; 16]);
        let content = Content::from([("k".to_owned(), Value::Int(1))]);
        let born = crate::birth(record, &content).unwrap();
        let mut document = Document::from_birth(&born).unwrap();
        let actor = actor_for(LogId([2; 16]), record);
        let edits = [
            ("k".to_owned(), None),
            ("l".to_owned(), Some(Value::Str("x".to_owned()))),
            ("m".to_owned(), Some(Value::Bytes(vec![1]))),
        ];
        let before = document.heads();
        let made = document.edit(actor, Hlc(5), &edits).unwrap();
        let read = plain(&made[0]).unwrap();
        assert_eq!((read.actor, read.hlc, read.dependencies), (actor, Hlc(5), before.0));
        assert_eq!((vec![read.hash], read.edits), (document.heads().0, edits.into()));
        let text = [("t".to_owned(), Some(Value::Text("long".to_owned())))];
        let made = document.edit(actor, Hlc(6), &text).unwrap();
        assert!(made.iter().all(|change| plain(change).is_none()));
        assert_eq!(plain(&RawChange(vec![1, 2])), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(unpack(&bytes));
            let packed = zstd::bulk::compress(&bytes, 1).unwrap();
            let length = u32::try_from(bytes.len()).unwrap();
            drop(unpack(&[length.to_le_bytes().as_slice(), &packed].concat()));
        }
    }
}
