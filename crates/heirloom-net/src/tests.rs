//! Devices that talk over real loopback TCP.

mod connections;
mod floods;
mod frames;
mod life;
mod relays;
mod strangers;
mod streams;

use crate::config::Timing;
use crate::{Network, NetworkConfig, NetworkEvent, NetworkEvents, peer, swarm};
use heirloom_base::DeviceId;
use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

/// A wait that only a failure reaches.
const DEADLINE: Duration = Duration::from_secs(60);

/// A device with its network.
struct Node {
    network: Network,
    events: NetworkEvents,
}

fn config(seed: u8) -> NetworkConfig {
    NetworkConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        mdns: false,
        ..NetworkConfig::new([seed; 32])
    }
}

fn device(seed: u8) -> DeviceId {
    peer::device_of_seed(&[seed; 32])
}

/// Two seeds, the one of the lower identity first.
fn seeds() -> (u8, u8) {
    if device(1) < device(2) { (1, 2) } else { (2, 1) }
}

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

impl Node {
    async fn start(seed: u8) -> Self {
        Self::start_with(seed, Timing::default()).await
    }

    async fn start_with(seed: u8, timing: Timing) -> Self {
        let (network, events) = swarm::start(config(seed), timing).await.unwrap();
        Self { network, events }
    }

    fn id(&self) -> DeviceId {
        self.network.device()
    }

    async fn members(&self, devices: &[DeviceId]) {
        self.network.set_members(devices.iter().copied().collect::<BTreeSet<_>>()).await;
    }

    async fn dial(&self, other: &Self) {
        let dialled = self.network.dial(Some(other.id()), other.network.addresses()).await;
        assert_eq!(dialled, Ok(other.id()));
    }

    /// Returns what `pick` makes of the first event it takes.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(NetworkEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        soon(what, found).await
    }

    async fn sync_up(&mut self) -> DeviceId {
        self.until("sync up", |event| match event {
            NetworkEvent::SyncUp { device } => Some(device),
            _ => None,
        })
        .await
    }

    async fn disconnected(&mut self) -> DeviceId {
        self.until("disconnected", |event| match event {
            NetworkEvent::Disconnected { device } => Some(device),
            _ => None,
        })
        .await
    }

    async fn frame(&mut self) -> Vec<u8> {
        self.until("a frame", |event| match event {
            NetworkEvent::Frame { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await
    }
}

/// Two connected members whose sync stream is up, the lower identity first.
async fn pair() -> (Node, Node) {
    pair_with(Timing::default()).await
}

async fn pair_with(timing: Timing) -> (Node, Node) {
    let (lower, higher) = seeds();
    let mut lower = Node::start_with(lower, timing).await;
    let mut higher = Node::start_with(higher, timing).await;
    lower.members(&[higher.id()]).await;
    higher.members(&[lower.id()]).await;
    higher.dial(&lower).await;
    assert_eq!(lower.sync_up().await, higher.id());
    assert_eq!(higher.sync_up().await, lower.id());
    (lower, higher)
}
