//! Ends of logs that their author gives up, in its own words.
//!
//! A log has two ends where its device was rolled back and wrote on. Its author
//! keeps the one that others hold, writes what the other one held again, and
//! says behind that in an entry of its own which entries count no more. Everybody
//! can read it: whoever holds no key gives the end up as well.

use crate::entry::{Entry, kind};
use heirloom_base::{
    Decode, DecodeError, DeviceId, Encode, EntryId, LogId, Reader, Writer, limits,
};

/// The first entry of an end that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisownedEnd {
    /// The log.
    pub log: LogId,
    /// Position in the log, from 1.
    pub seq: u64,
    /// The entry: whatever builds on it in the log is given up as well.
    pub id: EntryId,
}

/// What an entry of kind [`kind::DISOWNED`] says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disowned {
    /// The ends, of logs of the entry's author.
    pub ends: Vec<DisownedEnd>,
    /// How far the author held each log, those that it gives an end up of among
    /// them, when it wrote again what the ends held: up to there it is in that.
    pub held: Vec<(LogId, u64)>,
}

impl Disowned {
    /// Returns whether what an entry changed stands again in what the author wrote.
    #[must_use]
    pub fn covers(&self, log: LogId, seq: u64) -> bool {
        self.held.iter().any(|(held, until)| *held == log && seq <= *until)
    }

    /// Reads what an entry says, if it is one that says it.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let is_word = entry.header().kind == kind::DISOWNED;
        is_word.then(|| Self::from_bytes(entry.plain_body()).ok()).flatten()
    }
}

/// An end that is given up, and who says so where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The end.
    pub end: DisownedEnd,
    /// Who says so: it counts where that is the author of the end.
    pub by: DeviceId,
    /// The log and number of the entry that says so.
    pub at: (LogId, u64),
}

impl Encode for DisownedEnd {
    fn encode(&self, writer: &mut Writer) {
        self.log.encode(writer);
        writer.u64(self.seq);
        self.id.encode(writer);
    }
}

impl Decode for DisownedEnd {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let end =
            Self { log: LogId::decode(reader)?, seq: reader.u64()?, id: EntryId::decode(reader)? };
        match end.seq {
            0 => Err(DecodeError::NotCanonical("a log begins with 1")),
            _ => Ok(end),
        }
    }
}

impl Encode for Disowned {
    fn encode(&self, writer: &mut Writer) {
        writer.list(&self.ends);
        writer.u32(u32::try_from(self.held.len()).expect("logs are limited"));
        for (log, seq) in &self.held {
            log.encode(writer);
            writer.u64(*seq);
        }
    }
}

impl Decode for Disowned {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ends: Vec<DisownedEnd> = reader.list(limits::DISOWNED_MAX)?;
        let count = reader.u32()? as usize;
        if count > limits::LOGS_MAX {
            return Err(DecodeError::TooLong { length: count, limit: limits::LOGS_MAX });
        }
        let mut held: Vec<(LogId, u64)> = Vec::new();
        for _ in 0..count {
            let log = LogId::decode(reader)?;
            if held.last().is_some_and(|(last, _)| *last >= log) {
                return Err(DecodeError::NotCanonical("logs out of order"));
            }
            held.push((log, reader.u64()?));
        }
        if ends.is_empty() {
            return Err(DecodeError::NotCanonical("nothing is given up"));
        }
        Ok(Self { ends, held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::to_hex;

    fn example() -> Disowned {
        let end = DisownedEnd { log: LogId([1; 16]), seq: 7, id: EntryId([2; 32]) };
        Disowned { ends: vec![end], held: vec![(LogId([1; 16]), 9), (LogId([3; 16]), 4)] }
    }

    #[test]
    fn a_disowned_end_survives_its_binary_form_which_is_frozen() {
        let bytes = example().to_bytes();
        assert_eq!(Disowned::from_bytes(&bytes), Ok(example()));
        let number = |seq: u8| format!("{seq:02x}00000000000000");
        let (one, two, three) = ("01".repeat(16), "02".repeat(32), "03".repeat(16));
        let end = format!("01000000{one}{}{two}", number(7));
        let held = format!("02000000{one}{}{three}{}", number(9), number(4));
        assert_eq!(to_hex(&bytes), end + &held);
    }

    #[test]
    fn one_that_is_not_in_its_one_form_is_none() {
        let mut other = example();
        other.held.reverse();
        assert!(Disowned::from_bytes(&other.to_bytes()).is_err());
        let mut other = example();
        other.ends.clear();
        assert!(Disowned::from_bytes(&other.to_bytes()).is_err());
        let mut other = example();
        other.ends[0].seq = 0;
        assert!(Disowned::from_bytes(&other.to_bytes()).is_err());
        let mut other = example();
        other.ends = vec![other.ends[0]; limits::DISOWNED_MAX + 1];
        assert!(Disowned::from_bytes(&other.to_bytes()).is_err());
        let more = [example().to_bytes(), vec![0]].concat();
        assert!(Disowned::from_bytes(&more).is_err());
    }

    #[test]
    fn what_the_author_had_stands_again_and_nothing_else() {
        let word = example();
        assert!(word.covers(LogId([1; 16]), 9) && word.covers(LogId([3; 16]), 1));
        assert!(!word.covers(LogId([1; 16]), 10) && !word.covers(LogId([9; 16]), 1));
    }
}
