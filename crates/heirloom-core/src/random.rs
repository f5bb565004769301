//! Random bytes from a seed that the shell drew: the node has no randomness of its own.

use heirloom_base::hash;
use zeroize::Zeroizing;

/// A generator that is as unpredictable as its seed.
#[derive(Debug)]
pub(crate) struct Random {
    seed: Zeroizing<[u8; 32]>,
    count: u64,
}

impl Random {
    /// Returns the generator of a seed; one seed gives one sequence.
    #[must_use]
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), count: 0 }
    }

    /// Returns 32 fresh bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        self.count += 1;
        hash::keyed(&self.seed, "random", &[&self.count.to_le_bytes()])
    }

    /// Returns a number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(hash::truncate(self.bytes())) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_no_repetition() {
        let (mut one, mut same, mut other) =
            (Random::new([1; 32]), Random::new([1; 32]), Random::new([2; 32]));
        let first = one.bytes();
        assert_eq!(first, same.bytes());
        assert_ne!(first, one.bytes());
        assert_ne!(first, other.bytes());
        assert!((0..100).all(|_| one.below(7) < 7));
    }
}
