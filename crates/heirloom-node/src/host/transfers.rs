//! Chunks that travel: fetched from members, and served to them.

use super::Arrival;
use heirloom_base::{ChunkId, DeviceId};
use heirloom_core::input::{EffectId, Input};
use heirloom_net::Network;
use heirloom_store::Chunks;
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
            let chunks = fetch_all(&order, &network, &store).await;
            let input = Input::Fetched { id: order.id, chunks };
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

    /// Ends all transfers: what is durable of them stays.
    pub(super) async fn end(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Forgets the tasks that have ended.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

async fn fetch_all(order: &Fetch, network: &Network, store: &Arc<Chunks>) -> Vec<ChunkId> {
    let device = order.device.short();
    let mut stream = match network.fetch_chunks(order.device).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, device, "no chunks can be fetched");
            return Vec::new();
        }
    };
    let mut arrived = Vec::new();
    for chunk in &order.chunks {
        if store.has(*chunk) {
            arrived.push(*chunk);
            continue;
        }
        match stream.fetch(*chunk).await {
            Ok(Some(bytes)) => arrived.extend(keep(*chunk, bytes, store).await),
            Ok(None) => tracing::debug!(device, chunk = %chunk.short(), "the member lacks a chunk"),
            Err(error) => {
                tracing::debug!(%error, device, "a transfer broke off");
                return arrived;
            }
        }
    }
    arrived
}

/// Stores a chunk durably; the store compares it with its name.
async fn keep(chunk: ChunkId, bytes: Vec<u8>, store: &Arc<Chunks>) -> Option<ChunkId> {
    let store = Arc::clone(store);
    let written = tokio::task::spawn_blocking(move || store.write(chunk, &bytes)).await;
    match written {
        Ok(Ok(())) => Some(chunk),
        Ok(Err(error)) => {
            tracing::warn!(%error, chunk = %chunk.short(), "a chunk was not stored");
            None
        }
        Err(error) => {
            tracing::error!(%error, "a write of a chunk ended early");
            None
        }
    }
}
