//! A set of places in the graph.

/// A set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Returns the set of all numbers below `end`.
    pub(crate) fn below(end: usize) -> Self {
        (0..end).collect()
    }

    /// Adds a number.
    pub(crate) fn insert(&mut self, place: usize) {
        let word = place / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (place % 64);
    }

    /// Returns whether a number is in the set.
    pub(crate) fn contains(&self, place: usize) -> bool {
        self.words.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// Adds all numbers of another set.
    pub(crate) fn union_with(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, added) in self.words.iter_mut().zip(&other.words) {
            *word |= added;
        }
    }

    /// Returns whether no number is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Returns how many numbers are in the set.
    pub(crate) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns the numbers in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.words.len() * 64).filter(|place| self.contains(*place))
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let mut bits = Self::default();
        places.into_iter().for_each(|place| bits.insert(place));
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut one: Bits = [3, 64, 200].into_iter().collect();
        one.union_with(&[1, 300].into_iter().collect());
        assert_eq!(one.iter().collect::<Vec<_>>(), [1, 3, 64, 200, 300]);
        assert_eq!(one.len(), 5);
        assert!(one.contains(64) && !one.contains(65) && !one.contains(10_000));
        assert_eq!(Bits::below(65).len(), 65);
    }
}
