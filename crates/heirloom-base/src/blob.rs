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
    use crate::id::to_hex;
    use proptest::prelude::*;

    #[test]
    fn a_reference_survives_its_binary_form() {
        let chunk = ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length: 3 };
        let blob = BlobRef { size: 3, hash: [4; 32], chunks: vec![chunk] };
        assert_eq!(BlobRef::from_bytes(&blob.to_bytes()), Ok(blob));
    }

    #[test]
    fn the_binary_form_is_frozen() {
        let chunk = ChunkRef { id: ChunkId([0x11; 32]), plain: [0x22; 32], length: 0x0102_0304 };
        let blob = BlobRef { size: 0x0102_0304, hash: [0x33; 32], chunks: vec![chunk] };
        let golden = [
            "0403020100000000",
            &"33".repeat(32),
            "01000000",
            &"11".repeat(32),
            &"22".repeat(32),
            "04030201",
        ];
        assert_eq!(to_hex(&blob.to_bytes()), golden.concat());
    }

    #[test]
    fn a_blob_names_as_many_chunks_as_an_entry_may_and_no_more() {
        let chunk = ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length: 3 };
        let of = |count| BlobRef { size: 3, hash: [4; 32], chunks: vec![chunk; count] }.to_bytes();
        let limit = limits::ENTRY_CHUNKS_MAX;
        assert_eq!(BlobRef::from_bytes(&of(limit)).map(|blob| blob.chunks.len()), Ok(limit));
        let refused = BlobRef::from_bytes(&of(limit + 1));
        assert_eq!(refused, Err(DecodeError::TooLong { length: limit + 1, limit }));
    }

    proptest! {
        #[test]
        fn any_reference_survives_and_no_shorter_or_longer_form_does(
            size in any::<u64>(), hash in any::<[u8; 32]>(), length in any::<u32>(),
            ids in prop::collection::vec(any::<[u8; 32]>(), 0..4), cut in any::<prop::sample::Index>(),
        ) {
            let chunk = |id| ChunkRef { id: ChunkId(id), plain: hash, length };
            let blob = BlobRef { size, hash, chunks: ids.into_iter().map(chunk).collect() };
            let mut bytes = blob.to_bytes();
            prop_assert_eq!(BlobRef::from_bytes(&bytes), Ok(blob));
            let short = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(BlobRef::from_bytes(short), Err(DecodeError::Truncated));
            bytes.push(0);
            prop_assert_eq!(BlobRef::from_bytes(&bytes), Err(DecodeError::Trailing(1)));
        }
    }
}
