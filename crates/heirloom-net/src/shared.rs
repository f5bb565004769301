//! What the swarm's task and the callers' handles look at together.

use crate::counters::{Counters, PeerCounters, Tally};
use crate::limits;
use crate::link::Links;
use crate::pace::Pace;
use crate::protocol::Protocol;
use heirloom_base::DeviceId;
use heirloom_base::limits::BLOB_STREAMS_MAX;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// What the swarm's task and the callers' handles look at together.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) links: Arc<Links>,
    pub(crate) strangers_refused: Arc<AtomicU64>,
    pub(crate) streams_dropped: Arc<AtomicU64>,
    /// Counts how often every session was asked whether its peer still lives.
    life: watch::Sender<u64>,
    desks: Mutex<BTreeMap<DeviceId, Arc<Desk>>>,
    addresses: Mutex<Vec<String>>,
}

/// The slots and counts of one device.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) connections: AtomicU64,
    pub(crate) tallies: [Arc<Tally>; Protocol::ALL.len()],
    /// One sync stream at a time; the next waits for the end of the last.
    pub(crate) sync: Arc<Semaphore>,
    /// Streams of chunks that this side opened.
    pub(crate) fetching: Arc<Semaphore>,
    /// Streams of chunks that the other side opened.
    pub(crate) serving: Arc<Semaphore>,
    /// Pairing conversations that the other side opened.
    pub(crate) pairing: Arc<Semaphore>,
    /// Hellos that the other side opened.
    pub(crate) hello: Arc<Semaphore>,
    /// Connections that the other side opened.
    pub(crate) visits: Mutex<Pace>,
    /// Sync streams that the other side opened.
    pub(crate) talks: Mutex<Pace>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            connections: AtomicU64::new(0),
            tallies: Default::default(),
            sync: Arc::new(Semaphore::new(1)),
            fetching: Arc::new(Semaphore::new(BLOB_STREAMS_MAX)),
            serving: Arc::new(Semaphore::new(BLOB_STREAMS_MAX)),
            pairing: Arc::new(Semaphore::new(limits::PAIRING_STREAMS_MAX)),
            hello: Arc::new(Semaphore::new(1)),
            visits: paced(limits::VISITS_AT_ONCE_MAX, limits::VISIT_MS),
            talks: paced(limits::TALKS_AT_ONCE_MAX, limits::TALK_MS),
        }
    }
}

fn paced(at_once: u32, each_ms: u64) -> Mutex<Pace> {
    Mutex::new(Pace::new(at_once, Duration::from_millis(each_ms)))
}

impl Desk {
    /// Counts a connection that the other side opened; returns whether it may.
    pub(crate) fn may_visit(&self) -> bool {
        lock(&self.visits).take(Instant::now())
    }

    /// Counts a sync stream that the other side opened; returns whether it may.
    pub(crate) fn may_talk(&self) -> bool {
        lock(&self.talks).take(Instant::now())
    }

    /// Returns the count of one conversation.
    pub(crate) fn tally(&self, protocol: Protocol) -> Arc<Tally> {
        self.tallies
            .get(protocol.index())
            .cloned()
            .expect("there is a tally for every conversation")
    }

    /// Returns the slots of a conversation that the other side opened.
    pub(crate) fn slots(&self, protocol: Protocol) -> Arc<Semaphore> {
        match protocol {
            Protocol::Hello => self.hello.clone(),
            Protocol::Pair => self.pairing.clone(),
            Protocol::Sync => self.sync.clone(),
            Protocol::Blob => self.serving.clone(),
        }
    }
}

impl Shared {
    /// Returns the desk of a device, a new one if it has none.
    pub(crate) fn desk(&self, device: DeviceId) -> Arc<Desk> {
        lock(&self.desks).entry(device).or_default().clone()
    }

    /// Returns the desk of a device if it has one.
    pub(crate) fn known_desk(&self, device: DeviceId) -> Option<Arc<Desk>> {
        lock(&self.desks).get(&device).cloned()
    }

    /// Forgets the desks of devices that are not connected and not wanted.
    pub(crate) fn keep_desks(&self, wanted: impl Fn(DeviceId) -> bool) {
        lock(&self.desks)
            .retain(|device, desk| desk.connections.load(Ordering::Relaxed) > 0 || wanted(*device));
    }

    /// Has every session ask for a sign of life now.
    pub(crate) fn ask_for_life(&self) {
        self.life.send_modify(|asked| *asked = asked.wrapping_add(1));
    }

    /// Hears when a sign of life is to be asked for.
    pub(crate) fn life(&self) -> watch::Receiver<u64> {
        self.life.subscribe()
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        lock(&self.addresses).clone()
    }

    pub(crate) fn set_addresses(&self, addresses: Vec<String>) {
        *lock(&self.addresses) = addresses;
    }

    pub(crate) fn counters(&self) -> Counters {
        let peers: BTreeMap<_, _> =
            lock(&self.desks).iter().map(|(device, desk)| (*device, desk.counters())).collect();
        Counters {
            connections: peers.values().map(|peer| peer.connections).sum(),
            strangers_refused: self.strangers_refused.load(Ordering::Relaxed),
            streams_dropped: self.streams_dropped.load(Ordering::Relaxed),
            peers,
        }
    }
}

impl Desk {
    fn counters(&self) -> PeerCounters {
        let conversations = Protocol::ALL
            .into_iter()
            .map(|protocol| (protocol, self.tally(protocol).read()))
            .collect();
        let connections = self.connections.load(Ordering::Relaxed);
        PeerCounters {
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            conversations,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
