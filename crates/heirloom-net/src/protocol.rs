//! The conversations by name.

use libp2p::StreamProtocol;

/// A conversation that runs over a stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// A device presents roster operations and hears the others'.
    Hello,
    /// A new device joins, or an account is recovered.
    Pair,
    /// The long-lived exchange between two members.
    Sync,
    /// Chunks on request.
    Blob,
}

impl Protocol {
    /// All conversations.
    pub const ALL: [Self; 4] = [Self::Hello, Self::Pair, Self::Sync, Self::Blob];
    /// What everybody is offered.
    pub(crate) const FOR_STRANGERS: &[Self] = &[Self::Hello, Self::Pair];
    /// What members are offered.
    pub(crate) const FOR_MEMBERS: &[Self] = &Self::ALL;

    /// Returns the name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "/heirloom/hello/1",
            Self::Pair => "/heirloom/pair/1",
            Self::Sync => "/heirloom/sync/1",
            Self::Blob => "/heirloom/blob/1",
        }
    }

    /// Returns the name as libp2p wants it.
    pub(crate) fn wire(self) -> StreamProtocol {
        StreamProtocol::new(self.name())
    }

    /// Returns the conversation with this name on the wire.
    pub(crate) fn of_wire(wire: &StreamProtocol) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == wire.as_ref())
    }

    /// Returns the place in a table of all conversations.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Hello => 0,
            Self::Pair => 1,
            Self::Sync => 2,
            Self::Blob => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_are_distinct_and_lead_back() {
        for (place, protocol) in Protocol::ALL.into_iter().enumerate() {
            assert_eq!(protocol.index(), place);
            assert_eq!(Protocol::of_wire(&protocol.wire()), Some(protocol));
        }
    }

    #[test]
    fn strangers_are_offered_neither_sync_nor_chunks() {
        assert_eq!(Protocol::FOR_STRANGERS, [Protocol::Hello, Protocol::Pair]);
    }
}
