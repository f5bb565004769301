//! Chunks that travel: fetched from members, and served to them.

use super::Arrival;
use heirloom_base::{ChunkId, DeviceId};
use heirloom_core::input::{EffectId, Input};
use heirloom_net::Network;
use heirloom_store::{AppendError, Chunks};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// Chunks read for members at one time: each takes 1 MiB of memory.
const READS_MAX: usize = 8;

/// One order to fetch.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) id: EffectId,
    /// The opening of the node that it belongs to.
    pub(super) opening: u64,
    pub(super) device: DeviceId,
    pub(super) chunks: Vec<ChunkId>,
}

/// The transfers under way.
#[derive(Debug)]
pub(super) struct Transfers {
    chunks: Arc<Chunks>,
    reads: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

impl Transfers {
    pub(super) fn new(chunks: Arc<Chunks>) -> Self {
        Self { chunks, reads: Arc::new(Semaphore::new(READS_MAX)), tasks: JoinSet::new() }
    }

    /// Fetches chunks; what arrived whole and is durable is reported.
    pub(super) fn fetch(
        &mut self,
        order: Fetch,
        network: Network,
        arrivals: mpsc::Sender<Arrival>,
    ) {
        let store = Arc::clone(&self.chunks);
        self.tasks.spawn(async move {
            let Outcome { arrived, lacked, wrong } = fetch_all(&order, &network, &store).await;
            let input = Input::Fetched { id: order.id, chunks: arrived, lacked, wrong };
            if arrivals.send(Arrival::Input(order.opening, input)).await.is_err() {
                tracing::debug!("the node stopped during a transfer");
            }
        });
        self.reap();
    }

    /// Answers a member that asks for a chunk.
    pub(super) fn serve(&mut self, id: ChunkId, reply: oneshot::Sender<Option<Vec<u8>>>) {
        let (store, reads) = (Arc::clone(&self.chunks), Arc::clone(&self.reads));
        self.tasks.spawn(async move {
            let Ok(_place) = reads.acquire().await else { return };
            let read = tokio::task::spawn_blocking(move || store.read(id).ok()).await;
            if reply.send(read.ok().flatten()).is_err() {
                tracing::debug!("a member stopped waiting for a chunk");
            }
        });
        self.reap();
    }

    /// Compares a chunk with its name: the store keeps aside what does not bear it.
    pub(super) fn check(&mut self, id: ChunkId) {
        let (store, reads) = (Arc::clone(&self.chunks), Arc::clone(&self.reads));
        self.tasks.spawn(async move {
            let Ok(_place) = reads.acquire().await else { return };
            let read = tokio::task::spawn_blocking(move || store.read(id).is_ok()).await;
            tracing::trace!(sound = read.ok(), chunk = %id.short(), "a chunk was read");
        });
        self.reap();
    }

    /// Ends all transfers: what is durable of them stays.
    pub(super) async fn end(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Forgets the tasks that have ended.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

/// What came of an order to fetch.
#[derive(Debug, Default)]
struct Outcome {
    arrived: Vec<ChunkId>,
    /// What the member said it lacks.
    lacked: Vec<ChunkId>,
    /// For what the member sent other bytes.
    wrong: Vec<ChunkId>,
}

async fn fetch_all(order: &Fetch, network: &Network, store: &Arc<Chunks>) -> Outcome {
    let mut outcome = Outcome::default();
    let device = order.device.short();
    let mut stream = match network.fetch_chunks(order.device).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, device, "no chunks can be fetched");
            return outcome;
        }
    };
    for chunk in &order.chunks {
        if store.has(*chunk) {
            outcome.arrived.push(*chunk);
            continue;
        }
        match stream.fetch(*chunk).await {
            Ok(Some(bytes)) => match keep(*chunk, bytes, store).await {
                Kept::Stored => outcome.arrived.push(*chunk),
                Kept::Wrong => outcome.wrong.push(*chunk),
                Kept::NotStored => {}
            },
            Ok(None) => {
                tracing::debug!(device, chunk = %chunk.short(), "the member lacks a chunk");
                outcome.lacked.push(*chunk);
            }
            Err(error) => {
                tracing::debug!(%error, device, "a transfer broke off");
                return outcome;
            }
        }
    }
    outcome
}

/// What became of a chunk that arrived.
#[derive(Debug)]
enum Kept {
    Stored,
    /// The bytes do not bear its name.
    Wrong,
    /// This side could not store it.
    NotStored,
}

/// Stores a chunk durably; the store compares it with its name.
async fn keep(chunk: ChunkId, bytes: Vec<u8>, store: &Arc<Chunks>) -> Kept {
    let store = Arc::clone(store);
    let written = tokio::task::spawn_blocking(move || store.write(chunk, &bytes)).await;
    match written {
        Ok(Ok(())) => Kept::Stored,
        Ok(Err(AppendError::WrongChunk { .. })) => Kept::Wrong,
        Ok(Err(error)) => {
            tracing::warn!(%error, chunk = %chunk.short(), "a chunk was not stored");
            Kept::NotStored
        }
        Err(error) => {
            tracing::error!(%error, "a write of a chunk ended early");
            Kept::NotStored
        }
    }
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test picks the events that it is about")]
mod tests {
    use super::*;
    use heirloom_base::hash;
    use heirloom_net::{NetworkConfig, NetworkEvent, NetworkEvents};
    use heirloom_store::{Store, StoreOptions};

    async fn member(seed: u8) -> (Network, NetworkEvents, Store, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path(), &StoreOptions::default()).unwrap();
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let config = NetworkConfig { listen, mdns: false, ..NetworkConfig::new([seed; 32]) };
        let (network, events) = Network::start(config).await.unwrap();
        (network, events, store, home)
    }

    fn sealed(byte: u8) -> (ChunkId, Vec<u8>) {
        let bytes = vec![byte; 100_000];
        (ChunkId(hash::plain(&bytes)), bytes)
    }

    #[tokio::test]
    async fn chunks_travel_from_store_to_store_and_what_is_lacked_or_wrong_is_told() {
        let (from, mut asked, source, _source_home) = member(2).await;
        let (to, mut told, target, _target_home) = member(3).await;
        from.set_members([to.device()].into()).await;
        to.set_members([from.device()].into()).await;
        to.dial(Some(from.device()), from.addresses()).await.unwrap();
        let (here, there, nowhere, swapped) = (sealed(1), sealed(2), sealed(3).0, sealed(4).0);
        target.write_chunk(here.0, &here.1).unwrap();
        source.write_chunk(there.0, &there.1).unwrap();

        let mut serving = Transfers::new(source.chunks());
        tokio::spawn(async move {
            while let Some(event) = asked.recv().await {
                match event {
                    NetworkEvent::ChunkRequest { id, reply, .. } if id == swapped => {
                        reply.send(Some(vec![0; 77])).unwrap();
                    }
                    NetworkEvent::ChunkRequest { id, reply, .. } => serving.serve(id, reply),
                    _ => {}
                }
            }
        });
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let (arrivals, mut arrived) = mpsc::channel(1);
        let mut fetching = Transfers::new(target.chunks());
        let order = Fetch {
            id: EffectId(5),
            opening: 9,
            device: from.device(),
            chunks: vec![nowhere, here.0, swapped, there.0],
        };
        fetching.fetch(order, to.clone(), arrivals);
        let arrival = arrived.recv().await;
        let Some(Arrival::Input(9, Input::Fetched { id, chunks, lacked, wrong })) = arrival else {
            panic!("another arrival");
        };
        assert_eq!((id, chunks), (EffectId(5), vec![here.0, there.0]));
        assert_eq!((lacked, wrong), (vec![nowhere], vec![swapped]));
        assert_eq!(target.chunks().read(there.0).unwrap(), there.1);
        fetching.end().await;
    }

    #[tokio::test]
    async fn a_fetch_from_nobody_ends_empty() {
        let (network, _events, store, _home) = member(4).await;
        let (arrivals, mut arrived) = mpsc::channel(1);
        let order = Fetch {
            id: EffectId(1),
            opening: 0,
            device: heirloom_net::device_of_seed(&[9; 32]),
            chunks: vec![sealed(1).0],
        };
        let mut transfers = Transfers::new(store.chunks());
        transfers.fetch(order, network, arrivals);
        let ended = arrived.recv().await;
        assert!(matches!(
            ended,
            Some(Arrival::Input(0, Input::Fetched { chunks, .. })) if chunks.is_empty()
        ));
    }

    #[tokio::test]
    async fn bytes_with_another_name_are_not_kept() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path(), &StoreOptions::default()).unwrap();
        let ((name, _), (_, other)) = (sealed(1), sealed(2));
        assert!(matches!(keep(name, other, &store.chunks()).await, Kept::Wrong));
        assert!(!store.chunks().has(name));
    }
}
