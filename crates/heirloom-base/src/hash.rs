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
}
