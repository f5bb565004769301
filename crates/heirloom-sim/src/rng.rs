//! The one source of chance in a simulated world.

use heirloom_base::hash;

/// A small generator (xorshift64*) that is the same everywhere for one seed.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Returns the generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mixed = hash::content("sim", &[&seed.to_le_bytes()]);
        Self { state: u64::from_le_bytes(hash::truncate(mixed)) | 1 }
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns a number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.number() % bound }
    }

    /// Returns true in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns 32 bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        hash::content("sim-bytes", &[&self.number().to_le_bytes()])
    }

    /// Returns some bytes, at most 32.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        hash::truncate(self.bytes())
    }

    /// Returns one byte.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// Returns an index below `length`, which must not be 0.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index fits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut one, mut same, mut other) = (Rng::new(7), Rng::new(7), Rng::new(8));
        let numbers: Vec<u64> = (0..10).map(|_| one.number()).collect();
        assert_eq!(numbers, (0..10).map(|_| same.number()).collect::<Vec<_>>());
        assert_ne!(numbers, (0..10).map(|_| other.number()).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_it() {
        let mut rng = Rng::new(1);
        let seen: std::collections::BTreeSet<u64> = (0..200).map(|_| rng.below(7)).collect();
        assert_eq!(seen, (0..7).collect());
        assert_eq!((rng.below(0), rng.below(1), rng.index(1)), (0, 0, 0));
    }

    #[test]
    fn a_chance_comes_as_often_as_it_says() {
        let mut rng = Rng::new(2);
        assert!((0..100).all(|_| rng.chance(100)) && !(0..100).any(|_| rng.chance(0)));
        let hits = (0..2_000).filter(|_| rng.chance(30)).count();
        assert!((500..700).contains(&hits), "{hits} of 2000");
    }
}
