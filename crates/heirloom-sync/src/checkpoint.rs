//! Checkpoints: what a space held at one moment, told by one device and
//! signed by others that held the same.
//!
//! The records themselves stand in packs, which are sealed chunks like any
//! other large value. This crate cannot open them.

use crate::entry::{Body, Part};
use crate::vector::VersionVector;
use heirloom_base::{
    BlobRef, Decode, DecodeError, DeviceId, Encode, EntryId, Reader, RecordId, Writer, hash, limits,
};

/// The record under which a body holds something else than changes.
const NO_RECORD: RecordId = RecordId([0; 16]);

/// A part of the records, in the order of their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRef {
    /// Hash over the ids and heads of its records.
    pub root: [u8; 32],
    /// Its records.
    pub records: u32,
    /// The sealed pack.
    pub blob: BlobRef,
}

/// What the records were once all entries of a version vector were applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How far each log was held.
    pub vector: VersionVector,
    /// Whose each of these logs is, in their order.
    pub devices: Vec<DeviceId>,
    /// Hash over the roots of the packs.
    pub root: [u8; 32],
    /// The packs.
    pub packs: Vec<PackRef>,
}

/// What another reader says of a checkpoint: it held the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosignature {
    /// The checkpoint's entry.
    pub checkpoint: EntryId,
    /// The root that it found itself.
    pub root: [u8; 32],
}

impl Checkpoint {
    /// Returns the state root over the roots of packs.
    #[must_use]
    pub fn root_of(packs: &[PackRef]) -> [u8; 32] {
        let roots: Vec<&[u8]> = packs.iter().map(|pack| pack.root.as_slice()).collect();
        hash::content("state", &roots)
    }

    /// Returns the number of entries that it covers.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.vector.entries_beyond(&VersionVector::default())
    }
}

impl Body {
    /// Returns a body that holds something else than changes.
    #[must_use]
    pub fn of(item: &impl Encode) -> Self {
        Self { parts: vec![Part { record: NO_RECORD, change: item.to_bytes() }] }
    }

    /// Reads what such a body holds.
    ///
    /// # Errors
    /// When it holds nothing of the kind.
    pub fn item<T: Decode>(&self) -> Result<T, DecodeError> {
        match self.parts.as_slice() {
            [part] if part.record == NO_RECORD => T::from_bytes(&part.change),
            _ => Err(DecodeError::NotCanonical("a body without changes has one part")),
        }
    }
}

impl Encode for PackRef {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.root);
        writer.u32(self.records);
        self.blob.encode(writer);
    }
}

impl Decode for PackRef {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { root: reader.array()?, records: reader.u32()?, blob: BlobRef::decode(reader)? })
    }
}

impl Encode for Checkpoint {
    fn encode(&self, writer: &mut Writer) {
        self.vector.encode(writer);
        writer.list(&self.devices);
        writer.array(&self.root);
        writer.list(&self.packs);
    }
}

impl Decode for Checkpoint {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let vector = VersionVector::decode(reader)?;
        let devices: Vec<DeviceId> = reader.list(limits::LOGS_MAX)?;
        let root = reader.array()?;
        let packs: Vec<PackRef> = reader.list(limits::PACKS_MAX)?;
        if devices.len() != vector.tips.len() {
            return Err(DecodeError::NotCanonical("every log of a checkpoint has its device"));
        }
        if root != Self::root_of(&packs) {
            return Err(DecodeError::NotCanonical("the state root is that of the packs"));
        }
        Ok(Self { vector, devices, root, packs })
    }
}

impl Encode for Cosignature {
    fn encode(&self, writer: &mut Writer) {
        self.checkpoint.encode(writer);
        writer.array(&self.root);
    }
}

impl Decode for Cosignature {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { checkpoint: EntryId::decode(reader)?, root: reader.array()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Tip;
    use heirloom_base::id::to_hex;
    use heirloom_base::{ChunkId, ChunkRef, LogId};

    fn example() -> Checkpoint {
        let chunk = ChunkRef { id: ChunkId([3; 32]), plain: [4; 32], length: 9 };
        let blob = BlobRef { size: 9, hash: [5; 32], chunks: vec![chunk] };
        let packs = vec![PackRef { root: [6; 32], records: 2, blob }];
        let tips = [(LogId([1; 16]), Tip { seq: 7, id: [2; 8] })].into();
        Checkpoint {
            vector: VersionVector { tips },
            devices: vec![DeviceId([8; 32])],
            root: Checkpoint::root_of(&packs),
            packs,
        }
    }

    #[test]
    fn a_checkpoint_survives_its_binary_form_which_is_frozen() {
        let checkpoint = example();
        let bytes = checkpoint.to_bytes();
        assert_eq!(Checkpoint::from_bytes(&bytes), Ok(checkpoint.clone()));
        assert_eq!(checkpoint.entries(), 7);
        assert_eq!(to_hex(&hash::plain(&bytes)[..8]), "475e919bacd0103a");
        let signed = Cosignature { checkpoint: EntryId([1; 32]), root: [2; 32] };
        assert_eq!(to_hex(&signed.to_bytes()), format!("{}{}", "01".repeat(32), "02".repeat(32)));
    }

    #[test]
    fn a_checkpoint_that_contradicts_itself_is_none() {
        let mut other = example();
        other.root[0] ^= 1;
        assert!(Checkpoint::from_bytes(&other.to_bytes()).is_err());
        let mut other = example();
        other.devices.clear();
        assert!(Checkpoint::from_bytes(&other.to_bytes()).is_err());
    }

    #[test]
    fn a_body_holds_one_thing_that_is_no_change() {
        let signed = Cosignature { checkpoint: EntryId([1; 32]), root: [2; 32] };
        let body = Body::of(&signed);
        assert_eq!(body.item::<Cosignature>(), Ok(signed));
        assert!(body.item::<Checkpoint>().is_err());
        assert!(Body::default().item::<Cosignature>().is_err());
        let mut foreign = body;
        foreign.parts[0].record = RecordId([1; 16]);
        assert!(foreign.item::<Cosignature>().is_err());
    }
}
