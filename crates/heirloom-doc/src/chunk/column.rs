//! Columns: runs that are counted before they are unfolded.

use super::cursor::Cursor;
use super::limited;
use crate::error::ChunkError;

/// The columns of a change that this version accepts, by their specification:
/// the column's number times 16 plus its type; bit 3 would mean compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ObjectActor = 1,
    ObjectCounter = 2,
    KeyActor = 17,
    KeyCounter = 19,
    KeyString = 21,
    Insert = 52,
    Action = 66,
    ValueMeta = 86,
    Value = 87,
    PredecessorGroup = 112,
    PredecessorActor = 113,
    PredecessorCounter = 115,
}

const KINDS: [Kind; 12] = [
    Kind::ObjectActor,
    Kind::ObjectCounter,
    Kind::KeyActor,
    Kind::KeyCounter,
    Kind::KeyString,
    Kind::Insert,
    Kind::Action,
    Kind::ValueMeta,
    Kind::Value,
    Kind::PredecessorGroup,
    Kind::PredecessorActor,
    Kind::PredecessorCounter,
];

/// The bytes of the columns that a change has.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    columns: Vec<(Kind, &'a [u8])>,
}

impl<'a> Columns<'a> {
    /// Reads the list of columns and the columns, which end the change.
    pub(super) fn parse(mut cursor: Cursor<'a>) -> Result<Self, ChunkError> {
        let count = limited("columns", cursor.unsigned()?, KINDS.len())?;
        let mut list: Vec<(Kind, u64)> = Vec::with_capacity(count);
        for _ in 0..count {
            let specification = cursor.unsigned()?;
            let kind = KINDS.iter().find(|kind| **kind as u64 == specification);
            let unknown = || ChunkError::Column(u32::try_from(specification).unwrap_or(u32::MAX));
            let kind = *kind.ok_or_else(unknown)?;
            if list.last().is_some_and(|(last, _)| *last >= kind) {
                return Err(ChunkError::Malformed("order of columns"));
            }
            list.push((kind, cursor.unsigned()?));
        }
        let mut columns = Vec::with_capacity(count);
        for (kind, length) in list {
            columns.push((kind, cursor.take_counted(length)?));
        }
        if !cursor.is_done() {
            return Err(ChunkError::Malformed("extra bytes"));
        }
        Ok(Self { columns })
    }

    /// Returns a column's bytes; a column that is not there has none.
    pub(super) fn bytes(&self, kind: Kind) -> &'a [u8] {
        self.columns.iter().find(|(other, _)| *other == kind).map_or(&[], |(_, bytes)| bytes)
    }

    /// Unfolds a column of runs into at most `limit` items.
    pub(super) fn runs<T: Clone>(
        &self,
        kind: Kind,
        limit: usize,
        read: impl FnMut(&mut Cursor<'a>) -> Result<T, ChunkError>,
    ) -> Result<Vec<Option<T>>, ChunkError> {
        runs(self.bytes(kind), limit, read)
    }

    /// Adds up a column of runs, as far as it can be read, and unfolds nothing.
    pub(super) fn sum(&self, kind: Kind, weigh: impl Fn(Option<u64>) -> u64) -> u64 {
        let mut cursor = Cursor::new(self.bytes(kind));
        let mut sum = 0_u64;
        while let Ok(Some(weight)) = weigh_run(&mut cursor, &weigh) {
            sum = sum.saturating_add(weight);
        }
        sum
    }

    /// Unfolds a column of differences into at most `limit` numbers.
    pub(super) fn deltas(&self, kind: Kind, limit: usize) -> Result<Vec<Option<i64>>, ChunkError> {
        let mut sum: i64 = 0;
        let differences = self.runs(kind, limit, Cursor::signed)?;
        let absolute = differences.into_iter().map(|difference| {
            let Some(difference) = difference else { return Ok(None) };
            sum = sum.checked_add(difference).ok_or(ChunkError::Malformed("counter"))?;
            Ok(Some(sum))
        });
        absolute.collect()
    }

    /// Unfolds a column of truth values into at most `limit` of them.
    pub(super) fn flags(&self, kind: Kind, limit: usize) -> Result<Vec<bool>, ChunkError> {
        let mut cursor = Cursor::new(self.bytes(kind));
        let (mut result, mut flag) = (Vec::new(), false);
        while !cursor.is_done() {
            let length = run_length(result.len(), cursor.unsigned()?, limit)?;
            result.resize(length, flag);
            flag = !flag;
        }
        Ok(result)
    }
}

/// Unfolds runs: a positive count repeats one value, a negative one announces
/// that many different values, zero and a count mean that many nothings.
fn runs<'a, T: Clone>(
    bytes: &'a [u8],
    limit: usize,
    mut read: impl FnMut(&mut Cursor<'a>) -> Result<T, ChunkError>,
) -> Result<Vec<Option<T>>, ChunkError> {
    let mut cursor = Cursor::new(bytes);
    let mut result = Vec::new();
    while !cursor.is_done() {
        match cursor.signed()? {
            0 => {
                let length = run_length(result.len(), cursor.unsigned()?, limit)?;
                result.resize(length, None);
            }
            count @ 1.. => {
                let length = run_length(result.len(), count.unsigned_abs(), limit)?;
                result.resize(length, Some(read(&mut cursor)?));
            }
            count => {
                let length = run_length(result.len(), count.unsigned_abs(), limit)?;
                while result.len() < length {
                    result.push(Some(read(&mut cursor)?));
                }
            }
        }
    }
    Ok(result)
}

/// Adds up one run; none is left at the end.
fn weigh_run(
    cursor: &mut Cursor<'_>,
    weigh: &impl Fn(Option<u64>) -> u64,
) -> Result<Option<u64>, ChunkError> {
    if cursor.is_done() {
        return Ok(None);
    }
    let weight = match cursor.signed()? {
        0 => cursor.unsigned()?.saturating_mul(weigh(None)),
        count @ 1.. => count.unsigned_abs().saturating_mul(weigh(Some(cursor.unsigned()?))),
        count => {
            let mut sum = 0_u64;
            for _ in 0..count.unsigned_abs() {
                sum = sum.saturating_add(weigh(Some(cursor.unsigned()?)));
            }
            sum
        }
    };
    Ok(Some(weight))
}

/// Returns the length of what was unfolded with another run.
fn run_length(length: usize, run: u64, limit: usize) -> Result<usize, ChunkError> {
    limited("operations", run.saturating_add(length as u64), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfolded(bytes: &[u8]) -> Result<Vec<Option<u64>>, ChunkError> {
        runs(bytes, 8, Cursor::unsigned)
    }

    #[test]
    fn runs_of_every_kind_are_unfolded() {
        assert_eq!(unfolded(&[2, 7]), Ok(vec![Some(7), Some(7)]));
        assert_eq!(unfolded(&[0x7e, 7, 8]), Ok(vec![Some(7), Some(8)]));
        assert_eq!(unfolded(&[0, 2, 1, 5]), Ok(vec![None, None, Some(5)]));
        assert_eq!(unfolded(&[]), Ok(vec![]));
    }

    #[test]
    fn runs_are_counted_before_they_are_unfolded() {
        let too_many = |count| Err(ChunkError::TooMany { what: "operations", count, limit: 8 });
        assert_eq!(unfolded(&[9, 7]), too_many(9));
        assert_eq!(unfolded(&[0x77, 7]), too_many(9));
        assert_eq!(unfolded(&[5, 1, 0, 4]), too_many(9));
        let endless = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(unfolded(&endless), too_many(u64::MAX));
        assert_eq!(unfolded(&[2]), Err(ChunkError::Malformed("end")));
    }
}
