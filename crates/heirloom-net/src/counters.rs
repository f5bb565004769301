//! What went over the network, counted.

use crate::protocol::Protocol;
use heirloom_base::DeviceId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

/// What was exchanged with one device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerCounters {
    /// Open connections.
    pub connections: usize,
    /// Bytes of each conversation, before encryption and framing by libp2p.
    pub conversations: BTreeMap<Protocol, Traffic>,
}

/// A reading of all counters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Open connections with everybody.
    pub connections: usize,
    /// Strangers whose connection was refused because enough of them were here, or
    /// ended before they had proven a key.
    pub strangers_refused: u64,
    /// Streams that were dropped because nobody could take them.
    pub streams_dropped: u64,
    /// Members, and strangers that are connected now.
    pub peers: BTreeMap<DeviceId, PeerCounters>,
}

/// Counts the bytes of one conversation with one device.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Tally {
    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}
