//! Where inputs come from: one seed and number, one input.

use crate::corpus;
use crate::mutate;
use crate::target::Target;
use heirloom_base::hash;
use heirloom_sim::rng::Rng;

/// Of 100 inputs, so many are a base as it is.
const PLAIN_PERCENT: u64 = 1;
/// Of 100 mutated inputs, so many are mended.
const MENDED_PERCENT: u64 = 75;
/// Of 100 inputs of a target whose mending damages, so many are damaged by that alone.
const ALONE_PERCENT: u64 = 50;

/// The inputs of one target under one seed. They depend on the committed
/// corpus too: one state of the source tree, one sequence.
#[derive(Debug)]
pub struct Source {
    target: &'static Target,
    bases: Vec<Vec<u8>>,
    seed: u64,
}

impl Source {
    /// Gathers the target's seeds and corpus.
    #[must_use]
    pub fn new(target: &'static Target, seed: u64) -> Self {
        let mut bases: Vec<Vec<u8>> = (target.seeds)().into_iter().map(|(_, seed)| seed).collect();
        for (_, bytes) in corpus::read(target.name) {
            if !bases.contains(&bytes) {
                bases.push(bytes);
            }
        }
        Self { target, bases, seed }
    }

    /// Returns what inputs are made from.
    #[must_use]
    pub fn bases(&self) -> &[Vec<u8>] {
        &self.bases
    }

    /// Returns one input.
    #[must_use]
    pub fn input(&self, number: u64) -> Vec<u8> {
        let mut rng = self.rng(number);
        let mut bytes = self.base(&mut rng).to_vec();
        if rng.chance(PLAIN_PERCENT) {
            return bytes;
        }
        if self.target.mends_alone && rng.chance(ALONE_PERCENT) {
            bytes.truncate(self.target.bytes_max);
            return (self.target.mend)(bytes, &mut rng);
        }
        let rounds = 1 + rng.below(2) * rng.below(6);
        for _ in 0..rounds {
            let other = self.base(&mut rng);
            mutate::mutate(&mut bytes, other, self.target, &mut rng);
            bytes.truncate(self.target.bytes_max);
        }
        if rng.chance(MENDED_PERCENT) {
            bytes = (self.target.mend)(bytes, &mut rng);
        }
        bytes
    }

    fn rng(&self, number: u64) -> Rng {
        let name = self.target.name.as_bytes();
        let parts: [&[u8]; 3] = [name, &self.seed.to_le_bytes(), &number.to_le_bytes()];
        Rng::new(u64::from_le_bytes(hash::truncate(hash::content("fuzz", &parts))))
    }

    /// Returns a base; long ones come seldom, because they are slow.
    fn base(&self, rng: &mut Rng) -> &[u8] {
        let Some(bytes) = self.bases.get(rng.index(self.bases.len().max(1))) else { return &[] };
        if bytes.len() > self.target.bytes_max && !rng.chance(2) {
            return self.base(rng);
        }
        bytes
    }
}
