//! Which tables hold anything at all.
//!
//! Many are for what hardly ever happens, and are asked for every entry that
//! comes in. A table is the first byte of its keys.

use std::sync::atomic::{AtomicU8, Ordering};

/// What is known of every table.
#[derive(Debug)]
pub(super) struct Tables([AtomicU8; 256]);

/// Nothing is known of it.
const UNKNOWN: u8 = 0;
const EMPTY: u8 = 1;
/// Something was written to it, and may be gone again.
const USED: u8 = 2;

impl Default for Tables {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU8::new(UNKNOWN)))
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
        let mut state = known.load(Ordering::SeqCst);
        if state == UNKNOWN {
            let found = if look(table)? { EMPTY } else { USED };
            // Somebody may have written to it since it was looked at.
            let noted = known.compare_exchange(UNKNOWN, found, Ordering::SeqCst, Ordering::SeqCst);
            state = noted.map_or_else(|written| written, |_| found);
        }
        Ok(state == EMPTY)
    }

    /// Notes that a key is about to be written.
    pub(super) fn written(&self, key: &[u8]) {
        if let Some((_, known)) = self.known(key) {
            known.store(USED, Ordering::SeqCst);
        }
    }

    fn known(&self, key: &[u8]) -> Option<(u8, &AtomicU8)> {
        let table = *key.first()?;
        self.0.get(usize::from(table)).map(|known| (table, known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

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
        let written_meanwhile = |_| {
            tables.written(b"d");
            look(true)
        };
        assert_eq!(tables.is_empty(b"d", written_meanwhile), Ok(false));
    }
}
