//! Version vectors: how far each log is held.

use heirloom_base::{Decode, DecodeError, Encode, EntryId, LogId, Reader, Writer, limits};
use std::collections::{BTreeMap, BTreeSet};

/// The end of a log as far as somebody holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tip {
    /// Sequence number of the last entry of the unbroken beginning, from 1.
    pub seq: u64,
    /// First eight bytes of that entry's id.
    pub id: [u8; 8],
}

impl Tip {
    /// Returns the tip that an entry makes.
    #[must_use]
    pub fn new(seq: u64, id: EntryId) -> Self {
        Self { seq, id: heirloom_base::hash::truncate(id.0) }
    }
}

/// How far each log is held: an unbroken beginning per log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionVector {
    /// The tips by log; a log that is not held at all is absent.
    pub tips: BTreeMap<LogId, Tip>,
}

impl VersionVector {
    /// Returns the sequence number up to which `log` is held, 0 if not at all.
    #[must_use]
    pub fn seq(&self, log: LogId) -> u64 {
        self.tips.get(&log).map_or(0, |tip| tip.seq)
    }

    /// Returns whether it names entries that no log can have.
    #[must_use]
    pub fn is_absurd(&self) -> bool {
        self.tips.values().any(|tip| tip.seq > limits::LOG_ENTRIES_MAX as u64)
    }

    /// Returns the number of entries that `self` holds and `other` lacks.
    #[must_use]
    pub fn entries_beyond(&self, other: &Self) -> u64 {
        // Anybody may claim any end.
        let beyond = self.tips.iter().map(|(log, tip)| tip.seq.saturating_sub(other.seq(*log)));
        beyond.fold(0, u64::saturating_add)
    }

    /// Returns the number of entries that `self` holds and `other` lacks, but for
    /// some logs.
    #[must_use]
    pub fn entries_beyond_but(&self, other: &Self, logs: &BTreeSet<LogId>) -> u64 {
        let tips = self.tips.iter().filter(|(log, _)| !logs.contains(log));
        let beyond = tips.map(|(log, tip)| tip.seq.saturating_sub(other.seq(*log)));
        beyond.fold(0, u64::saturating_add)
    }

    /// Returns whether `self` holds everything that `earlier` holds, as far as
    /// the ends that both tell say so.
    #[must_use]
    pub fn covers(&self, earlier: &Self) -> bool {
        let untold = Tip::new(0, EntryId([0; 32])).id;
        earlier.tips.iter().all(|(log, before)| {
            let now = self.tips.get(log).copied().unwrap_or(Tip { seq: 0, id: untold });
            let told = now.id != untold && before.id != untold;
            now.seq > before.seq || now.seq == before.seq && (!told || now.id == before.id)
        })
    }
}

impl Encode for VersionVector {
    fn encode(&self, writer: &mut Writer) {
        // Nobody reads more of them.
        let told = self.tips.len().min(limits::LOGS_MAX);
        writer.u32(u32::try_from(told).expect("logs are limited"));
        for (log, tip) in self.tips.iter().take(told) {
            log.encode(writer);
            writer.u64(tip.seq);
            writer.array(&tip.id);
        }
    }
}

impl Decode for VersionVector {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.u32()? as usize;
        if count > limits::LOGS_MAX {
            return Err(DecodeError::TooLong { length: count, limit: limits::LOGS_MAX });
        }
        let mut tips = BTreeMap::new();
        for _ in 0..count {
            let log = LogId::decode(reader)?;
            let tip = Tip { seq: reader.u64()?, id: reader.array()? };
            if tips.last_key_value().is_some_and(|(last, _)| *last >= log) {
                return Err(DecodeError::NotCanonical("logs out of order"));
            }
            tips.insert(log, tip);
        }
        Ok(Self { tips })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector(tips: &[(u8, u64)]) -> VersionVector {
        let tip = |seq| Tip { seq, id: [7; 8] };
        VersionVector {
            tips: tips.iter().map(|(log, seq)| (LogId([*log; 16]), tip(*seq))).collect(),
        }
    }

    #[test]
    fn what_one_holds_beyond_the_other_is_counted_per_log() {
        let (ours, theirs) = (vector(&[(1, 5), (2, 3)]), vector(&[(1, 2), (2, 9), (3, 1)]));
        assert_eq!(ours.entries_beyond(&theirs), 3);
        assert_eq!(theirs.entries_beyond(&ours), 7);
        assert_eq!(ours.entries_beyond(&ours), 0);
        let absurd = vector(&[(1, u64::MAX), (2, u64::MAX)]);
        assert_eq!(absurd.entries_beyond(&ours), u64::MAX);
    }

    #[test]
    fn a_vector_of_too_many_logs_says_what_others_read() {
        let tip = Tip { seq: 1, id: [7; 8] };
        let log = |number: u32| {
            LogId(heirloom_base::hash::truncate(
                [number.to_le_bytes(); 8].concat().try_into().unwrap(),
            ))
        };
        let all = VersionVector { tips: (0..5_000).map(|number| (log(number), tip)).collect() };
        let read = VersionVector::from_bytes(&all.to_bytes()).unwrap();
        assert_eq!(read.tips.len(), limits::LOGS_MAX);
    }

    #[test]
    fn unordered_logs_are_refused() {
        let mut writer = Writer::new();
        writer.u32(2);
        for log in [2u8, 1] {
            writer.array(&[log; 16]);
            writer.u64(1);
            writer.array(&[0; 8]);
        }
        assert!(VersionVector::from_bytes(&writer.into_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn a_vector_survives_its_binary_form(tips in prop::collection::vec((any::<u8>(), any::<u64>()), 0..20)) {
            let vector = vector(&tips);
            prop_assert_eq!(VersionVector::from_bytes(&vector.to_bytes()), Ok(vector));
        }
    }

    #[test]
    fn a_vector_covers_what_it_holds_and_no_other_end() {
        let vector = |tips: &[(u8, u64, u8)]| VersionVector {
            tips: tips
                .iter()
                .map(|(log, seq, id)| (LogId([*log; 16]), Tip { seq: *seq, id: [*id; 8] }))
                .collect(),
        };
        let held = vector(&[(1, 5, 9), (2, 1, 8)]);
        assert!(held.covers(&held) && held.covers(&VersionVector::default()));
        assert!(vector(&[(1, 6, 7), (2, 1, 8), (3, 1, 1)]).covers(&held));
        assert!(vector(&[(1, 5, 0), (2, 1, 8)]).covers(&held), "an end that is not told agrees");
        for less in [&[(1, 4, 9), (2, 1, 8)][..], &[(1, 5, 9)], &[(1, 5, 7), (2, 1, 8)]] {
            assert!(!vector(less).covers(&held), "{less:?}");
        }
    }
}
