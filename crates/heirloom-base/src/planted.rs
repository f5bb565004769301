//! Bugs that tests plant, to see that they are found. Only the simulator turns
//! the feature `planted` on, and a bug holds for one thread until it is taken
//! out again.

/// A bug, each of which breaks one promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A write is answered before it is durable.
    AnsweredEarly,
    /// The signature of an entry is not checked.
    SignatureSkipped,
    /// A folder that was copied or put back goes on under its old actors.
    ActorReused,
    /// What was written after the cut is applied.
    CutIgnored,
    /// The oldest content key is written under.
    OldEpoch,
    /// A receipt names what is not durable yet.
    ReceiptEarly,
    /// What a device says that it holds names what is not durable yet.
    VectorEarly,
    /// Who may sign an operation is decided when it arrives.
    RosterByArrival,
    /// An entry need not continue the one before it.
    ChainUnchecked,
    /// An entry that is here already is taken in again.
    DuplicateTaken,
    /// What was written in the future of this device's clock is not applied.
    ClockTrusted,
    /// Changes that wait are never mentioned, however many there are.
    HoldBackUnbounded,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 12] = [
        Self::AnsweredEarly,
        Self::SignatureSkipped,
        Self::ActorReused,
        Self::CutIgnored,
        Self::OldEpoch,
        Self::ReceiptEarly,
        Self::VectorEarly,
        Self::RosterByArrival,
        Self::ChainUnchecked,
        Self::DuplicateTaken,
        Self::ClockTrusted,
        Self::HoldBackUnbounded,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in this thread, or takes it out.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Returns whether a bug is planted.
#[cfg(feature = "planted")]
#[must_use]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Returns whether a bug is planted: there are none outside the simulator.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is_planted(_bug: Bug) -> bool {
    false
}
