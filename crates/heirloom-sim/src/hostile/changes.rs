//! Bending changes so that their checksum still holds.

use crate::rng::Rng;
use sha2::{Digest as _, Sha256};

/// Magic, checksum and kind stand before a chunk's length.
const CHECKSUM: std::ops::Range<usize> = 4..8;
const CONTENT: usize = 8;

/// Changes some bytes of a change and makes its checksum right again.
pub(super) fn bend(rng: &mut Rng, mut change: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.below(4) {
        let (index, value) = (rng.index(change.len().max(1)), rng.byte());
        if let Some(byte) = change.get_mut(index) {
            *byte = value;
        }
    }
    if rng.chance(10) {
        change.truncate(rng.index(change.len().max(1)));
    }
    let digest = Sha256::digest(change.get(CONTENT..).unwrap_or_default());
    if let (Some(place), Some(sum)) = (change.get_mut(CHECKSUM), digest.get(..4)) {
        place.copy_from_slice(sum);
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_was_not_bent_keeps_its_checksum() {
        let content = vec![1, 3, 7, 8, 9];
        let sum = Sha256::digest(&content);
        let change = [vec![0x85, 0x6f, 0x4a, 0x83], sum[..4].to_vec(), content].concat();
        let mut kept = 0;
        for seed in 0..200 {
            let bent = bend(&mut Rng::new(seed), change.clone());
            kept += u64::from(bent == change);
            if bent.len() > CONTENT {
                assert_eq!(bent[CHECKSUM], Sha256::digest(&bent[CONTENT..])[..4]);
            }
        }
        assert!((20..180).contains(&kept), "{kept}");
    }
}
