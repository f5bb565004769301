use super::*;
use crate::{BlobError, SEALED_BYTES_MAX, open, open_piece, verify_chunk};
use heirloom_base::ChunkId;
use heirloom_base::id::to_hex;
use proptest::prelude::*;

const KEY: [u8; 32] = [7; 32];
const PIECE: usize = limits::CHUNK_BYTES_MAX;

fn seal_piece_of_original(key: &[u8; 32], piece: &[u8]) -> (ChunkRef, Vec<u8>) {
    let mut buffer = [&[0], piece].concat();
    let reference = crate::seal_piece_of_original(key, &mut buffer);
    (reference, buffer)
}

fn sealed(bytes: &[u8], start: Option<u64>) -> (Manifest, Vec<(ChunkId, Vec<u8>)>) {
    let (mut assembly, mut chunks) = (Assembly::default(), Vec::new());
    for cut in cuts(bytes.len() as u64, start) {
        let piece = &bytes[cut.start as usize..cut.end as usize];
        let (reference, chunk) = seal_piece_of_original(&KEY, piece);
        chunks.push((reference.id, chunk));
        assembly.read(piece);
        assembly.sealed(reference);
    }
    (assembly.finish(), chunks)
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn an_original_comes_back_byte_for_byte() {
    let bytes = noise(2 * PIECE + 12_345);
    let (manifest, chunks) = sealed(&bytes, Some(4_321));
    assert_eq!(manifest.pieces.len(), 4);
    let mut again = Assembly::default();
    let mut read = Vec::new();
    for (reference, (id, chunk)) in manifest.pieces.iter().zip(&chunks) {
        assert!(verify_chunk(*id, chunk) && chunk.len() <= SEALED_BYTES_MAX);
        let piece = open_piece(&KEY, reference, chunk).unwrap();
        again.read(&piece);
        again.sealed(*reference);
        read.extend_from_slice(&piece);
    }
    assert!(read == bytes);
    assert_eq!(again.finish(), manifest);
}

#[test]
fn a_manifest_is_kept_as_a_blob() {
    let (manifest, _) = sealed(&noise(PIECE + 1), None);
    let kept = manifest.seal(&KEY);
    let bytes = open(&KEY, &kept.blob, |id| {
        kept.chunks.iter().find(|(own, _)| *own == id).map(|(_, bytes)| bytes.clone())
    });
    assert_eq!(Manifest::from_bytes(&bytes.unwrap()), Ok(manifest));
    let reference = ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length: 1 };
    let long = Manifest { size: 20_000, hash: [3; 32], pieces: vec![reference; 20_000] };
    assert_eq!(long.seal(&KEY).blob.chunks.len(), 2);
    assert_eq!(Manifest::from_bytes(&long.to_bytes()), Ok(long));
}

#[test]
fn edited_tags_leave_the_pieces_of_the_pixels_as_they_are() {
    let pixels = noise(2 * PIECE + 5);
    let with_tags = |length: usize| {
        let bytes = [vec![9; length], pixels.clone()].concat();
        sealed(&bytes, Some(length as u64)).0.pieces
    };
    let (short, long) = (with_tags(1_000), with_tags(PIECE + 70_000));
    assert_eq!((short.len(), long.len()), (4, 5));
    assert_eq!(short[1..], long[2..]);
}

#[test]
fn the_suites_make_different_chunks_of_one_piece_and_either_is_opened() {
    let piece = noise(5_000);
    let (reference, chunk) = seal_piece_of_original(&KEY, &piece);
    let value = seal(&KEY, &piece);
    assert_ne!(reference.id, value.blob.chunks[0].id);
    assert_eq!((chunk[0], value.chunks[0].1[0]), (2, 1));
    assert_eq!(*open_piece(&KEY, &reference, &chunk).unwrap(), piece);
    assert_eq!(*open_piece(&KEY, &value.blob.chunks[0], &value.chunks[0].1).unwrap(), piece);
    let under_another = open_piece(&[8; 32], &reference, &chunk);
    assert_eq!(under_another, Err(BlobError::Sealed(reference.id)));
}

#[test]
fn the_forms_are_frozen() {
    let (reference, chunk) = seal_piece_of_original(&KEY, b"heirloom");
    assert_eq!(to_hex(&chunk), GOLDEN_CHUNK);
    let manifest = Manifest { size: 8, hash: [0x33; 32], pieces: vec![reference] };
    let golden = [
        "01",
        "0800000000000000",
        &"33".repeat(32),
        "01000000",
        &to_hex(&reference.id.0),
        &to_hex(&reference.plain),
        "08000000",
    ];
    assert_eq!(to_hex(&manifest.to_bytes()), golden.concat());
}

/// As another program made it, from the protocol.
const GOLDEN_CHUNK: &str = "02ec8e150edafb60dce2e429ae6a1a10a57fc860ea2fc058e2";

proptest! {
    #[test]
    fn cuts_are_whole_and_follow_one_another(
        size in 0_u64..9_000_000, start in proptest::option::of(0_u64..9_500_000),
    ) {
        let cuts: Vec<Range<u64>> = cuts(size, start).collect();
        prop_assert!(cuts.iter().all(|cut| cut.end > cut.start && cut.end - cut.start <= PIECE as u64));
        prop_assert!(cuts.windows(2).all(|pair| pair[0].end == pair[1].start));
        prop_assert_eq!(cuts.last().map_or(0, |cut| cut.end), size);
        let is_cut = |at| at == 0 || at >= size || cuts.iter().any(|cut| cut.start == at);
        prop_assert!(start.is_none_or(is_cut));
    }

    #[test]
    fn a_flipped_bit_of_a_chunk_and_a_changed_reference_are_found(
        length in 1_usize..3_000, at in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let (reference, mut chunk) = seal_piece_of_original(&KEY, &noise(length));
        let at = at.index(chunk.len());
        chunk[at] ^= 1 << bit;
        prop_assert_eq!(open_piece(&KEY, &reference, &chunk), Err(BlobError::Damaged(reference.id)));
        let renamed = ChunkRef { id: ChunkId(heirloom_base::hash::plain(&chunk)), ..reference };
        prop_assert!(open_piece(&KEY, &renamed, &chunk).is_err());
    }

    #[test]
    fn no_manifest_whose_lengths_do_not_add_up_is_read(size in any::<u64>(), lengths in prop::collection::vec(any::<u32>(), 0..4)) {
        let piece = |length| ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length };
        let pieces: Vec<ChunkRef> = lengths.iter().copied().map(piece).collect();
        let sum: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
        let fits = sum == size && lengths.iter().all(|length| (1..=PIECE as u32).contains(length));
        let read = Manifest::from_bytes(&Manifest { size, hash: [3; 32], pieces }.to_bytes());
        prop_assert_eq!(read.is_ok(), fits);
    }
}
