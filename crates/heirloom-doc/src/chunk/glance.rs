//! A glance at a change that may be a birth by itself.
//!
//! Nothing is unfolded and little is checked: whoever looks writes the birth
//! of what was seen anew, and believes it only where the bytes are the same.

use super::column::{Columns, Kind};
use super::cursor::Cursor;
use super::{ACTION_MAKE_TEXT, Head, RawValue, front};

/// What a change seems to set, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glimpse<'a> {
    /// A key and its value.
    Value(&'a str, RawValue<'a>),
    /// A key and the text that begins there.
    Text(&'a str, &'a str),
}

/// Returns what stands before the operations, with their number, and what they
/// seem to say; `None` where it is no birth by itself in any case.
pub(crate) fn glance(bytes: &[u8]) -> Option<(Head, Vec<Glimpse<'_>>)> {
    let (mut head, actors, columns) = front(bytes).ok()?;
    let is_first = head.time == 0 && head.seq == 1 && head.start_op == 1;
    if !is_first || !head.dependencies.is_empty() || actors.len() != 1 {
        return None;
    }
    let mut look = Look::at(&columns);
    while !look.keys.is_done() {
        match look.keys.signed().ok()? {
            0 => look.letters()?,
            1 => look.key()?,
            count @ ..0 => (0..count.unsigned_abs()).try_for_each(|_| look.key())?,
            _ => return None,
        }
    }
    head.count = usize::try_from(look.count).ok().filter(|count| *count > 0)?;
    Some((head, look.seen))
}

struct Look<'a> {
    keys: Cursor<'a>,
    actions: Runs<'a>,
    metas: Runs<'a>,
    values: Cursor<'a>,
    seen: Vec<Glimpse<'a>>,
    count: u64,
}

impl<'a> Look<'a> {
    fn at(columns: &Columns<'a>) -> Self {
        Self {
            keys: Cursor::new(columns.bytes(Kind::KeyString)),
            actions: Runs::of(columns.bytes(Kind::Action)),
            metas: Runs::of(columns.bytes(Kind::ValueMeta)),
            values: Cursor::new(columns.bytes(Kind::Value)),
            seen: Vec::new(),
            count: 0,
        }
    }

    /// Looks at the operation of a key.
    fn key(&mut self) -> Option<()> {
        let length = self.keys.unsigned().ok()?;
        let key = std::str::from_utf8(self.keys.take_counted(length).ok()?).ok()?;
        let (action, _) = self.actions.next(1)?;
        let (meta, _) = self.metas.next(1)?;
        let bytes = self.values.take_counted(meta >> 4).ok()?;
        let kind = (meta & 0x0f).to_le_bytes()[0];
        self.seen.push(match action {
            ACTION_MAKE_TEXT => Glimpse::Text(key, ""),
            _ => Glimpse::Value(key, RawValue { kind, bytes }),
        });
        self.count = self.count.checked_add(1)?;
        Some(())
    }

    /// Looks at the operations of a run of letters: together their values are
    /// the text.
    fn letters(&mut self) -> Option<()> {
        let count = self.keys.unsigned().ok()?;
        let (mut left, mut bytes) = (count, 0_u64);
        while left > 0 {
            let (meta, found) = self.metas.next(left)?;
            bytes = bytes.checked_add((meta >> 4).checked_mul(found)?)?;
            left -= found;
        }
        self.actions.skip(count)?;
        let letters = std::str::from_utf8(self.values.take_counted(bytes).ok()?).ok()?;
        let Some(Glimpse::Text(_, text @ "")) = self.seen.last_mut() else { return None };
        *text = letters;
        self.count = self.count.checked_add(count)?;
        Some(())
    }
}

/// A column of runs of numbers, of which an absent one counts as zero.
struct Runs<'a> {
    cursor: Cursor<'a>,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    /// So many of one number are left.
    Equal(u64, u64),
    /// So many different ones are left.
    Different(u64),
}

impl<'a> Runs<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes), run: Run::Different(0) }
    }

    /// Takes the next number and how often it stands there, at most `most` times.
    fn next(&mut self, most: u64) -> Option<(u64, u64)> {
        while matches!(self.run, Run::Equal(_, 0) | Run::Different(0)) {
            self.run = match self.cursor.signed().ok()? {
                0 => Run::Equal(0, self.cursor.unsigned().ok()?),
                count @ 1.. => Run::Equal(self.cursor.unsigned().ok()?, count.unsigned_abs()),
                count => Run::Different(count.unsigned_abs()),
            };
        }
        match &mut self.run {
            Run::Equal(number, left) => {
                let taken = most.min(*left);
                *left -= taken;
                Some((*number, taken))
            }
            Run::Different(left) => {
                *left -= 1;
                Some((self.cursor.unsigned().ok()?, 1))
            }
        }
    }

    fn skip(&mut self, mut count: u64) -> Option<()> {
        while count > 0 {
            count -= self.next(count)?.1;
        }
        Some(())
    }
}
