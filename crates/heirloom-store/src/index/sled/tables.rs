//! Which tables hold anything at all.
//!
//! Many are for what hardly ever happens, and are asked for every entry that
//! comes in. A table is the first byte of its keys.

use std::cell::Cell;

/// What is known of every table.
#[derive(Debug)]
pub(super) struct Tables([Cell<Known>; 256]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Empty,
    /// Something was written to it, and may be gone again.
    Used,
}

impl Default for Tables {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Cell::new(Known::Nothing)))
    }
}

impl Tables {
    /// Returns whether the table of a key is empty; `look` finds out where
    /// nothing is known of it.
    pub(super) fn is_empty<E>(
        &self,
        key: &[u8],
        look: impl FnOnce(u8) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let Some((table, known)) = self.known(key) else { return Ok(false) };
        if known.get() == Known::Nothing {
            known.set(if look(table)? { Known::Empty } else { Known::Used });
        }
        Ok(known.get() == Known::Empty)
    }

    /// Notes that a key is written.
    pub(super) fn written(&self, key: &[u8]) {
        if let Some((_, known)) = self.known(key) {
            known.set(Known::Used);
        }
    }

    fn known(&self, key: &[u8]) -> Option<(u8, &Cell<Known>)> {
        let table = *key.first()?;
        self.0.get(usize::from(table)).map(|known| (table, known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_looked_at_once() {
        let tables = Tables::default();
        let looks = Cell::new(0);
        let look = |empty: bool| {
            looks.set(looks.get() + 1);
            Ok::<bool, ()>(empty)
        };
        assert_eq!(tables.is_empty(b"ab", |_| look(true)), Ok(true));
        assert_eq!(tables.is_empty(b"ac", |_| look(false)), Ok(true));
        assert_eq!(looks.get(), 1);
        assert_eq!(tables.is_empty(b"b", |_| look(false)), Ok(false));
        tables.written(b"ad");
        assert_eq!(tables.is_empty(b"ab", |_| look(true)), Ok(false));
        assert_eq!(tables.is_empty(b"", |_| look(true)), Ok(false), "all tables");
        assert_eq!(looks.get(), 2);
        assert_eq!(tables.is_empty(b"c", |_| Err(7)), Err(7));
        assert_eq!(tables.is_empty(b"c", |_| look(true).map_err(|()| 7)), Ok(true));
    }
}
