//! A pack as bytes: frames with sealed chunks one behind the other, and a
//! footer that says where each of them begins.
//!
//! A frame's checksum covers its header and where it stands, so that a header
//! is sound only in its own place: what a foreign chunk holds is not taken for
//! one. The sealed bytes need no checksum: their BLAKE3 is the chunk's name.
//!
//! A tombstone says that one copy of a chunk, named by its pack and offset, is
//! gone. It counts wherever it stands, so packs may be read in any order.

use crate::frame::Place;
use heirloom_base::{ChunkId, hash, limits};

pub(crate) use footer::{Footer, Row};
pub(crate) use scan::{Scan, scan};
pub(crate) use writer::{Durable, PackWriter};

mod footer;
mod scan;
mod writer;

/// Bytes of a frame before its sealed bytes; a tombstone has no more.
pub(crate) const HEADER_BYTES: usize = 52;

/// The longest chunk that a pack takes: the longest that travels.
pub(crate) const PACKED_CHUNK_BYTES_MAX: usize = limits::CHUNK_BYTES_MAX + 4_096;

/// The last byte is the version of the format.
const MAGIC: [u8; 4] = *b"HPF1";

const KIND_CHUNK: u8 = 1;
const KIND_TOMBSTONE: u8 = 2;
const FLAG_BEGINS: u8 = 1;

/// Bytes of a header that the checksum covers.
const COVERED_BYTES: usize = HEADER_BYTES - 4;

/// Where a frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) pack: u32,
    pub(crate) offset: u32,
}

/// That one copy of a chunk is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tombstone {
    pub(crate) id: ChunkId,
    /// Where the copy stands.
    pub(crate) spot: Spot,
}

/// What is written as one frame.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Frame<'a> {
    Chunk { id: ChunkId, bytes: &'a [u8] },
    Tombstone(Tombstone),
}

/// A header that is sound in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) place: Place,
    pub(crate) subject: Subject,
}

/// What a header stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A chunk, whose sealed bytes follow.
    Chunk {
        id: ChunkId,
        length: u32,
    },
    Tombstone(Tombstone),
}

impl Frame<'_> {
    /// Returns the bytes of the frame.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Chunk { bytes, .. } => HEADER_BYTES + bytes.len(),
            Self::Tombstone(_) => HEADER_BYTES,
        }
    }

    /// Returns what its header stands for.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Chunk { id, bytes } => {
                let length = u32::try_from(bytes.len()).expect("a chunk was measured before");
                Subject::Chunk { id: *id, length }
            }
            Self::Tombstone(tombstone) => Subject::Tombstone(*tombstone),
        }
    }
}

impl Header {
    /// Returns the bytes of a header that will stand at `spot`.
    pub(crate) fn encode(self, spot: Spot) -> [u8; HEADER_BYTES] {
        let (kind, first, second, id) = match self.subject {
            Subject::Chunk { id, length } => (KIND_CHUNK, length, 0, id),
            Subject::Tombstone(Tombstone { id, spot }) => {
                (KIND_TOMBSTONE, spot.pack, spot.offset, id)
            }
        };
        let flags = match self.place {
            Place::First => FLAG_BEGINS,
            Place::Later => 0,
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&[kind, flags]);
        bytes[8..12].copy_from_slice(&first.to_le_bytes());
        bytes[12..16].copy_from_slice(&second.to_le_bytes());
        bytes[16..COVERED_BYTES].copy_from_slice(&id.0);
        let sum = checksum(&bytes, spot);
        bytes[COVERED_BYTES..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header that stands at `spot`; `None` where it is none.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES], spot: Spot) -> Option<Self> {
        let word = |at: usize| bytes[at..].first_chunk().copied().map(u32::from_le_bytes);
        if bytes[..4] != MAGIC || word(COVERED_BYTES)? != checksum(bytes, spot) {
            return None;
        }
        let id = ChunkId(bytes[16..].first_chunk().copied()?);
        let (first, second) = (word(8)?, word(12)?);
        let subject = match bytes[4] {
            KIND_CHUNK if first as usize <= PACKED_CHUNK_BYTES_MAX => {
                Subject::Chunk { id, length: first }
            }
            KIND_TOMBSTONE => {
                let spot = Spot { pack: first, offset: second };
                Subject::Tombstone(Tombstone { id, spot })
            }
            _ => return None,
        };
        let place = if bytes[5] & FLAG_BEGINS == 0 { Place::Later } else { Place::First };
        Some(Self { place, subject })
    }
}

fn checksum(bytes: &[u8; HEADER_BYTES], spot: Spot) -> u32 {
    let sum = crc32c::crc32c(&bytes[..COVERED_BYTES]);
    let sum = crc32c::crc32c_append(sum, &spot.pack.to_le_bytes());
    crc32c::crc32c_append(sum, &spot.offset.to_le_bytes())
}

/// Whether bytes are those of a chunk.
pub(crate) fn is_chunk(id: ChunkId, bytes: &[u8]) -> bool {
    hash::plain(bytes) == id.0
}

/// The name of a pack that is written to, or of a sealed one.
pub(crate) fn name(number: u32, sealed: bool) -> String {
    format!("{number:08}.{}", if sealed { "pack" } else { "open" })
}

/// Returns a pack's number and whether it is sealed, of a name in a folder.
pub(crate) fn parse_name(text: &str) -> Option<(u32, bool)> {
    let number = text.get(..8)?.parse().ok().filter(|number| *number > 0)?;
    [true, false].into_iter().find(|sealed| name(number, *sealed) == text).map(|to| (number, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::to_hex;
    use proptest::prelude::*;

    fn spot(pack: u32, offset: u32) -> Spot {
        Spot { pack, offset }
    }

    #[test]
    fn the_bytes_are_frozen() {
        let chunk = Subject::Chunk { id: ChunkId([7; 32]), length: 258 };
        let header = Header { place: Place::First, subject: chunk };
        assert_eq!(to_hex(&header.encode(spot(1, 2))), FROZEN[0]);
        let tombstone = Tombstone { id: ChunkId([9; 32]), spot: spot(3, 4) };
        let header = Header { place: Place::Later, subject: Subject::Tombstone(tombstone) };
        assert_eq!(to_hex(&header.encode(spot(1, 2))), FROZEN[1]);
    }

    const FROZEN: [&str; 2] = [
        "48504631010100000201000000000000070707070707070707070707070707070707070707070707070707070707070722a507a7",
        "485046310200000003000000040000000909090909090909090909090909090909090909090909090909090909090909fcbe908d",
    ];

    #[test]
    fn a_header_is_sound_only_in_its_own_place() {
        let subject = Subject::Chunk { id: ChunkId([7; 32]), length: 5 };
        let header = Header { place: Place::Later, subject };
        let bytes = header.encode(spot(3, 100));
        assert_eq!(Header::decode(&bytes, spot(3, 100)), Some(header));
        assert_eq!(Header::decode(&bytes, spot(3, 101)), None);
        assert_eq!(Header::decode(&bytes, spot(4, 100)), None);
        let length = u32::try_from(PACKED_CHUNK_BYTES_MAX + 1).unwrap();
        let long = Subject::Chunk { id: ChunkId([7; 32]), length };
        let bytes = Header { place: Place::Later, subject: long }.encode(spot(3, 100));
        assert_eq!(Header::decode(&bytes, spot(3, 100)), None);
    }

    #[test]
    fn only_names_of_packs_are_names_of_packs() {
        assert_eq!(parse_name("00000001.pack"), Some((1, true)));
        assert_eq!(parse_name("12345678.open"), Some((12_345_678, false)));
        for text in ["1.pack", "00000000.pack", "+0000001.pack", "00000001.pack.damaged", "ab", ""]
        {
            assert_eq!(parse_name(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_header_survives_its_bytes_and_no_flipped_bit_does(id: [u8; 32], pack: u32, offset: u32, words: [u32; 2], first: bool, tombstone: bool, bit in 0_usize..8 * HEADER_BYTES) {
            let id = ChunkId(id);
            let subject = if tombstone {
                Subject::Tombstone(Tombstone { id, spot: spot(words[0], words[1]) })
            } else {
                Subject::Chunk { id, length: words[0] % (1024 * 1024) }
            };
            let place = if first { Place::First } else { Place::Later };
            let header = Header { place, subject };
            let mut bytes = header.encode(spot(pack, offset));
            prop_assert_eq!(Header::decode(&bytes, spot(pack, offset)), Some(header));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Header::decode(&bytes, spot(pack, offset)), None);
        }
    }
}
