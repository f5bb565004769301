//! What goes wrong in a world: how hard it is set to be, and what really happened.

use std::collections::BTreeMap;

/// How hard the world is on its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Of 100 messages, so many are lost, which breaks their stream. Transfers
    /// of chunks break off more often.
    pub loss_percent: u64,
    /// Of 100 messages, so many come twice.
    pub duplicate_percent: u64,
    /// Of 100 messages, so many overtake or are overtaken.
    pub reorder_percent: u64,
    /// Of 1,000 messages, so many arrive and their stream breaks before an answer.
    pub sever_permille: u64,
    /// Of 1,000 messages, so many hold up their stream for longer than anybody waits.
    pub stall_permille: u64,
    /// Of 100 dials, so many lead nowhere.
    pub refuse_percent: u64,
    /// Longest way of a message in milliseconds.
    pub latency_ms_max: u64,
    /// Longest write of a disk in milliseconds.
    pub disk_ms_max: u64,
    /// How wrong the clocks are, in milliseconds.
    pub clock_skew_ms_max: u64,
    /// Whether disks acknowledge a sync and forget its frames at the next crash.
    pub lying_disk: bool,
}

impl Faults {
    /// A world in which nothing goes wrong and little takes long.
    pub const CALM: Self = Self {
        loss_percent: 0,
        duplicate_percent: 0,
        reorder_percent: 0,
        sever_permille: 0,
        stall_permille: 0,
        refuse_percent: 0,
        latency_ms_max: 20,
        disk_ms_max: 5,
        clock_skew_ms_max: 0,
        lying_disk: false,
    };

    /// Returns a world that is as slow and as wrong about the time, but in
    /// which every message arrives once and in order.
    #[must_use]
    pub fn without_losses(self) -> Self {
        let Self { latency_ms_max, disk_ms_max, clock_skew_ms_max, lying_disk, .. } = self;
        Self { latency_ms_max, disk_ms_max, clock_skew_ms_max, lying_disk, ..Self::CALM }
    }
}

macro_rules! kinds {
    ($($kind:ident = $name:literal;)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $name] $kind,)*
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns what it is called.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Late = "message late";
    Lost = "message lost";
    Severed = "stream broken after a message";
    Doubled = "message doubled";
    Overtaken = "message overtaken";
    Stalled = "stream held up";
    LinkFrozen = "link frozen";
    Unreachable = "dial in vain";
    TransferBroken = "transfer of chunks broken off";
    CutOneWay = "way cut in one direction";
    CutBothWays = "way cut in both directions";
    UnsyncedDropped = "power cut, nothing unsynced kept";
    UnsyncedTorn = "power cut, the unsynced torn";
    UnsyncedKept = "power cut, everything unsynced kept";
    IndexLost = "index lost";
    IndexStale = "index put back old";
    Killed = "process killed";
    Frozen = "process frozen";
    DiskFull = "disk full";
    SyncFailed = "sync failed";
    EntryRotten = "entry rotten, index lost";
    EntryRottenUnderIndex = "entry rotten, index kept";
    EntryRottenUnsent = "entry rotten that nobody else has, index kept";
    EndLost = "end of the log lost";
    ChunkLost = "chunk lost";
    ChunkFlipped = "chunk with a flipped bit";
    ClockPast = "clock in 1970";
    ClockFuture = "clock ten years ahead";
    ClockBack = "clock set back while running";
    FolderPutBack = "folder put back";
    FolderCloned = "folder cloned";
    FileSystemRolledBack = "file system rolled back";
    DeviceLost = "device lost and restored";
    MessageBent = "message bent by a hostile device";
    MessageRepeated = "message said again by a hostile device";
    EntriesWithheld = "entries withheld by a hostile keeper";
    ReceiptFalse = "receipt made false by a hostile keeper";
    RevokedApart = "device taken out behind a partition";
    RevokedEachOther = "two devices that take each other out";
    RosterReset = "roster stated anew by the phrase";
}

/// How often each kind of fault really happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    counts: BTreeMap<Fault, u64>,
}

impl Tally {
    /// Counts a fault.
    pub fn note(&mut self, fault: Fault) {
        *self.counts.entry(fault).or_default() += 1;
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.counts {
            *self.counts.entry(*fault).or_default() += count;
        }
    }

    /// Returns how often a fault happened.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts.get(&fault).copied().unwrap_or_default()
    }

    /// Returns the number of kinds that happened, and each with its count.
    #[must_use]
    pub fn summary(&self) -> String {
        let each: Vec<String> =
            self.counts.iter().map(|(fault, count)| format!("{} {count}", fault.name())).collect();
        format!("{} kinds of fault: {}", each.len(), each.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(names.len() >= 24);
    }

    #[test]
    fn tallies_add_up_and_name_what_happened() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        one.note(Fault::Lost);
        other.note(Fault::Lost);
        other.note(Fault::DiskFull);
        one.add(&other);
        assert_eq!((one.count(Fault::Lost), one.count(Fault::Late)), (2, 0));
        assert_eq!(one.summary(), "2 kinds of fault: message lost 2, disk full 1");
    }
}
