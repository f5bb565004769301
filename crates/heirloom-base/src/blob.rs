//! References from records to sealed chunks.

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::ChunkId;
use crate::limits;

/// One sealed chunk of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkRef {
    /// BLAKE3 of the sealed bytes.
    pub id: ChunkId,
    /// Keyed hash of the plaintext, from which the chunk's key derives.
    pub plain: [u8; 32],
    /// Length of the plaintext in bytes.
    pub length: u32,
}

/// A byte string that is stored as sealed chunks beside the record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobRef {
    /// Length in bytes.
    pub size: u64,
    /// Plain BLAKE3 of the whole content.
    pub hash: [u8; 32],
    /// The chunks in order.
    pub chunks: Vec<ChunkRef>,
}

impl Encode for ChunkRef {
    fn encode(&self, writer: &mut Writer) {
        self.id.encode(writer);
        writer.array(&self.plain);
        writer.u32(self.length);
    }
}

impl Decode for ChunkRef {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { id: ChunkId::decode(reader)?, plain: reader.array()?, length: reader.u32()? })
    }
}

impl Encode for BlobRef {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.size);
        writer.array(&self.hash);
        writer.list(&self.chunks);
    }
}

impl Decode for BlobRef {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            size: reader.u64()?,
            hash: reader.array()?,
            chunks: reader.list(limits::ENTRY_CHUNKS_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_survives_its_binary_form() {
        let chunk = ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length: 3 };
        let blob = BlobRef { size: 3, hash: [4; 32], chunks: vec![chunk] };
        assert_eq!(BlobRef::from_bytes(&blob.to_bytes()), Ok(blob));
    }
}
