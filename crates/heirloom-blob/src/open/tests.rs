use super::*;
use crate::{BLOB_BYTES_MAX, SEALED_BYTES_MAX, Sealed, seal, verify_chunk};
use heirloom_base::id::to_hex;
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEY: [u8; 32] = [7; 32];

fn held(sealed: &Sealed) -> BTreeMap<ChunkId, Vec<u8>> {
    sealed.chunks.iter().cloned().collect()
}

fn opened(key: &[u8; 32], sealed: &Sealed) -> Result<Vec<u8>, BlobError> {
    let chunks = held(sealed);
    open(key, &sealed.blob, |id| chunks.get(&id).cloned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_opens_and_reveals_only_a_padded_length(
        bytes in prop::collection::vec(any::<u8>(), 0..3_000), key in any::<[u8; 32]>(),
    ) {
        let sealed = seal(&key, &bytes);
        prop_assert_eq!(&seal(&key, &bytes), &sealed);
        for (id, chunk) in &sealed.chunks {
            prop_assert!(verify_chunk(*id, chunk));
            prop_assert_eq!(chunk.len(), crate::padding::padded(bytes.len()) + 17);
        }
        prop_assert_eq!(opened(&key, &sealed), Ok(bytes));
    }

    #[test]
    fn any_flipped_bit_of_a_chunk_is_found(
        bytes in prop::collection::vec(any::<u8>(), 1..400), at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let sealed = seal(&KEY, &bytes);
        let (id, mut chunk) = sealed.chunks[0].clone();
        let at = at.index(chunk.len());
        chunk[at] ^= 1 << bit;
        prop_assert!(!verify_chunk(id, &chunk));
        prop_assert_eq!(open(&KEY, &sealed.blob, |_| Some(chunk.clone())), Err(BlobError::Damaged(id)));
    }

    #[test]
    fn any_changed_reference_is_refused(
        bytes in prop::collection::vec(any::<u8>(), 2..400), plain in any::<[u8; 32]>(),
        hash in any::<[u8; 32]>(), shorter in 1_u32..400,
    ) {
        let sealed = seal(&KEY, &bytes);
        let chunks = held(&sealed);
        let with = |change: &dyn Fn(&mut BlobRef)| {
            let mut blob = sealed.blob.clone();
            change(&mut blob);
            open(&KEY, &blob, |id| chunks.get(&id).cloned())
        };
        let id = sealed.blob.chunks[0].id;
        prop_assert_eq!(with(&|blob| blob.chunks[0].plain = plain), Err(BlobError::Sealed(id)));
        prop_assert_eq!(with(&|blob| blob.hash = hash), Err(BlobError::Hash));
        let shortened = with(&|blob| {
            let length = &mut blob.chunks[0].length;
            *length = length.saturating_sub(shorter);
            blob.size = u64::from(*length);
        });
        prop_assert_eq!(shortened, Err(BlobError::ChunkLength(id)));
    }
}

#[test]
fn a_long_blob_is_cut_into_chunks_and_equal_pieces_are_stored_once() {
    let piece = limits::CHUNK_BYTES_MAX;
    let mut bytes = vec![1; 2 * piece];
    bytes.extend_from_slice(&[2; 10]);
    let sealed = seal(&KEY, &bytes);
    assert_eq!(sealed.blob.chunks.len(), 3);
    assert_eq!(sealed.chunks.len(), 2);
    assert_eq!(sealed.chunks[0].1.len(), SEALED_BYTES_MAX);
    assert_eq!(sealed.blob.size, bytes.len() as u64);
    assert_eq!(opened(&KEY, &sealed), Ok(bytes));
}

#[test]
fn an_empty_blob_has_no_chunks() {
    let sealed = seal(&KEY, &[]);
    assert!(sealed.chunks.is_empty() && sealed.blob.chunks.is_empty());
    assert_eq!(opened(&KEY, &sealed), Ok(Vec::new()));
}

#[test]
fn another_account_gets_other_chunks_and_cannot_open_these() {
    let sealed = seal(&KEY, b"a photo");
    let foreign = seal(&[8; 32], b"a photo");
    assert_ne!(sealed.blob.chunks[0].id, foreign.blob.chunks[0].id);
    assert_ne!(sealed.blob.chunks[0].plain, foreign.blob.chunks[0].plain);
    let id = sealed.blob.chunks[0].id;
    assert_eq!(opened(&[8; 32], &sealed), Err(BlobError::Sealed(id)));
}

#[test]
fn a_missing_chunk_is_named() {
    let sealed = seal(&KEY, b"a photo");
    let id = sealed.blob.chunks[0].id;
    assert_eq!(open(&KEY, &sealed.blob, |_| None), Err(BlobError::Missing(id)));
}

#[test]
fn a_chunk_of_a_later_suite_is_named_as_such() {
    let mut sealed = seal(&KEY, b"a photo");
    let mut chunk = sealed.chunks[0].1.clone();
    chunk[0] = 3;
    let id = ChunkId(hash::plain(&chunk));
    sealed.blob.chunks[0].id = id;
    let result = open(&KEY, &sealed.blob, |_| Some(chunk.clone()));
    assert_eq!(result, Err(BlobError::Suite { id, suite: 3 }));
    sealed.blob.chunks[0].id = ChunkId(hash::plain(&[]));
    let result = open(&KEY, &sealed.blob, |_| Some(Vec::new()));
    assert_eq!(result, Err(BlobError::Sealed(ChunkId(hash::plain(&[])))));
}

#[test]
fn lengths_are_checked_before_anything_is_allocated_or_fetched() {
    let sealed = seal(&KEY, b"a photo");
    for change in [
        (|blob: &mut BlobRef| blob.size = u64::MAX) as fn(&mut BlobRef),
        |blob| blob.chunks[0].length = u32::MAX,
        |blob| blob.chunks = vec![blob.chunks[0]; limits::ENTRY_CHUNKS_MAX + 1],
        |blob| blob.chunks.clear(),
    ] {
        let mut blob = sealed.blob.clone();
        change(&mut blob);
        let result = open(&KEY, &blob, |_| panic!("nothing is fetched"));
        assert_eq!(result, Err(BlobError::Reference { size: blob.size }));
    }
    assert_eq!(BLOB_BYTES_MAX, 64 * 1024 * 1024);
}

#[test]
fn the_sealed_form_is_frozen() {
    let sealed = seal(&KEY, b"heirloom");
    let (id, bytes) = &sealed.chunks[0];
    assert_eq!(to_hex(bytes), "01c7c0611cace9859215a11eb5333c653012b54781d3ee78ed");
    assert_eq!(id.to_string(), "59594ae8f3d60f88fa9f1bb06f79e605dcf5cbfb6baa437cbfd77dec84d98130");
    assert_eq!(
        to_hex(&sealed.blob.chunks[0].plain),
        "d03e43acfd68b450c5bb0f4a9ddb8905f268cd3b72d8eed2fd71e912d4472e26"
    );
    let published = "ca1d3b3d41f18c5e9fe59ccfc79e8422d31d7df154374212e3a3d35d6f74b4a1";
    assert_eq!(to_hex(&sealed.blob.hash), published);
}
