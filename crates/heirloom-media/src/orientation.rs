//! How a picture must be turned to stand upright.

/// One of the eight ways in which stored rows and columns can lie, in the
/// numbers of EXIF: 1 is upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Orientation(u8);

impl Orientation {
    /// The picture is stored as it is shown.
    pub const UPRIGHT: Self = Self(1);

    /// The orientation of an EXIF number; nothing unless it is 1 to 8.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (1..=8).contains(&number).then_some(Self(number))
    }

    /// The EXIF number, 1 to 8.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether width and height change places when it is shown.
    #[must_use]
    pub const fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// What is to be done: first whether to swap left and right, then how many
    /// quarter turns clockwise to make.
    pub(crate) fn steps(self) -> (bool, u8) {
        let known = TURNS.iter().find(|(number, _)| *number == self.0);
        known.map_or((false, 0), |(_, steps)| *steps)
    }

    fn of_steps(mirrored: bool, turns: u8) -> Self {
        let wanted = (mirrored, turns % 4);
        let known = TURNS.iter().find(|(_, steps)| *steps == wanted);
        known.map_or(Self::UPRIGHT, |(number, _)| Self(*number))
    }

    /// This, and then so many quarter turns clockwise.
    pub(crate) fn then_turned(self, quarters: u8) -> Self {
        let (mirrored, turns) = self.steps();
        Self::of_steps(mirrored, turns + quarters % 4)
    }

    /// This, and then left and right swapped.
    pub(crate) fn then_mirrored(self) -> Self {
        let (mirrored, turns) = self.steps();
        Self::of_steps(!mirrored, 4 - turns)
    }
}

/// The steps of every orientation.
const TURNS: [(u8, (bool, u8)); 8] = [
    (1, (false, 0)),
    (2, (true, 0)),
    (3, (false, 2)),
    (4, (true, 2)),
    (5, (true, 3)),
    (6, (false, 1)),
    (7, (true, 1)),
    (8, (false, 3)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eight_orientations() {
        assert_eq!(Orientation::new(0), None);
        assert_eq!(Orientation::new(9), None);
        assert_eq!((1..=8).filter_map(Orientation::new).count(), 8);
    }

    #[test]
    fn turns_and_mirrors_add_up() {
        for number in 1..=8 {
            let first = Orientation::new(number).unwrap();
            let around = (0..4).fold(first, |turned, _| turned.then_turned(1));
            assert_eq!((around, first.then_mirrored().then_mirrored()), (first, first));
        }
        let turned = Orientation::UPRIGHT.then_turned(1);
        assert_eq!(turned.number(), 6);
        // A quarter turn and then a swap of left and right is a swap along the diagonal.
        assert_eq!(turned.then_mirrored().number(), 5);
        assert_eq!(Orientation::UPRIGHT.then_mirrored().then_turned(2).number(), 4);
    }
}
