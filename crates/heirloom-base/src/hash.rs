//! Content hashes: BLAKE3 with a context string, so that no two uses of a
//! hash can be confused.

/// Hashes `parts` one after the other, each with its length, under a context.
///
/// The context is `heirloom/v1/` followed by `context`.
#[must_use]
pub fn content(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(&format!("heirloom/v1/{context}"));
    feed(&mut hasher, parts);
    *hasher.finalize().as_bytes()
}

/// As [`content`], under a secret key: nobody without the key can confirm a guess.
#[must_use]
pub fn keyed(key: &[u8; 32], context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    feed(&mut hasher, &[b"heirloom/v1/", context.as_bytes()]);
    feed(&mut hasher, parts);
    *hasher.finalize().as_bytes()
}

/// Returns the plain BLAKE3 of `bytes`, as any other program computes it.
#[must_use]
pub fn plain(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Returns the first `N` bytes of a hash.
#[must_use]
pub fn truncate<const N: usize>(hash: [u8; 32]) -> [u8; N] {
    hash.first_chunk::<N>().copied().expect("no identifier is longer than a hash")
}

fn feed(hasher: &mut blake3::Hasher, parts: &[&[u8]]) {
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::to_hex;
    use proptest::prelude::*;

    #[test]
    fn parts_contexts_and_keys_all_count() {
        let base = content("a", &[b"xy", b"z"]);
        assert_ne!(base, content("a", &[b"x", b"yz"]));
        assert_ne!(base, content("b", &[b"xy", b"z"]));
        assert_ne!(keyed(&[1; 32], "a", &[b"x"]), keyed(&[2; 32], "a", &[b"x"]));
        assert_ne!(keyed(&[1; 32], "a", &[b"x"]), keyed(&[1; 32], "b", &[b"x"]));
    }

    #[test]
    fn the_context_hash_is_frozen() {
        assert_eq!(
            crate::id::to_hex(&content("golden", &[b"heirloom"])),
            "d7ce9b560f2d91ed427405ad87049f03c0ffba44a7e297f3e7c935b2212c16a6"
        );
    }

    #[test]
    fn the_plain_hash_is_the_blake3_of_everybody() {
        for (bytes, hash) in [
            (&b""[..], "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
            (&b"abc"[..], "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        ] {
            assert_eq!(to_hex(&plain(bytes)), hash);
        }
    }

    #[test]
    fn the_layout_under_a_hash_is_frozen() {
        let fed = [&2u64.to_le_bytes()[..], b"xy", &0u64.to_le_bytes(), b""].concat();
        let expected = blake3::derive_key("heirloom/v1/layout", &fed);
        assert_eq!(content("layout", &[b"xy", b""]), expected);
        let named =
            [&12u64.to_le_bytes()[..], b"heirloom/v1/", &6u64.to_le_bytes(), b"layout"].concat();
        let expected = blake3::keyed_hash(&[9; 32], &[named, fed].concat());
        assert_eq!(keyed(&[9; 32], "layout", &[b"xy", b""]), *expected.as_bytes());
    }

    #[test]
    fn the_three_kinds_of_hashes_never_meet() {
        let hashes = [content("a", &[b"x"]), keyed(&[0; 32], "a", &[b"x"]), plain(b"x")];
        assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
        assert_ne!(content("a", &[]), content("a", &[b""]), "an empty part is a part");
    }

    #[test]
    fn a_truncated_hash_is_its_beginning() {
        let hash = plain(b"abc");
        assert_eq!(truncate::<16>(hash), hash[..16]);
        assert_eq!(truncate::<32>(hash), hash);
        assert!(truncate::<0>(hash).is_empty());
    }

    proptest! {
        #[test]
        fn moving_the_border_of_two_parts_changes_the_hash(
            bytes in prop::collection::vec(any::<u8>(), 1..40), one in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
        ) {
            let (one, other) = (one.index(bytes.len()), other.index(bytes.len()));
            let split = |at: usize| content("a", &[&bytes[..at], &bytes[at..]]);
            prop_assert_eq!(split(one) == split(other), one == other);
        }
    }
}
