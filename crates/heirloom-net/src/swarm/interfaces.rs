//! The interfaces of this host, as they come and go.

use super::{Driver, Due};
use crate::event::NetworkEvent;
use crate::limits;
use futures::StreamExt;
use heirloom_base::DeviceId;
use if_watch::IfEvent;
use if_watch::tokio::IfWatcher;
use libp2p::swarm::ConnectionId;
use std::future::pending;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// The interfaces of this host. Where the system does not tell of them, what
/// has changed shows only by connections that die.
#[derive(Debug)]
pub(super) struct Interfaces {
    watcher: Option<IfWatcher>,
    /// Whether [`Due::Changed`] is on its way.
    resting: bool,
}

impl Interfaces {
    /// Begins to watch.
    pub(super) fn watch() -> Self {
        let watcher = IfWatcher::new()
            .inspect_err(|error| tracing::warn!(%error, "interfaces cannot be watched"))
            .ok();
        Self { watcher, resting: false }
    }

    /// Waits for the next change. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> IfEvent {
        loop {
            let Some(watcher) = &mut self.watcher else {
                return pending().await;
            };
            match watcher.next().await {
                Some(Ok(event)) => return event,
                Some(Err(error)) => tracing::debug!(%error, "a change of an interface was missed"),
                None => self.watcher = None,
            }
        }
    }
}

impl Driver {
    /// Takes in that an address of this host came or went.
    pub(super) fn on_interface(&mut self, event: IfEvent) {
        match event {
            IfEvent::Up(net) if net.addr().is_loopback() => return,
            IfEvent::Up(net) => tracing::debug!(address = %net.addr(), "an address came"),
            IfEvent::Down(net) => {
                tracing::debug!(address = %net.addr(), "an address went");
                self.cut_those_from(net.addr());
            }
        }
        self.tell_changed_soon();
    }

    /// Cuts the connections from an address that this host has no more: they
    /// would be silent until a ping shows it.
    fn cut_those_from(&mut self, address: IpAddr) {
        let mut lost: Vec<(DeviceId, ConnectionId)> = Vec::new();
        for device in self.peers.devices() {
            let connections = self.peers.get(device).map(|peer| peer.connections.as_slice());
            let from_there = connections
                .unwrap_or_default()
                .iter()
                .filter(|connection| connection.pulse.local() == Some(address));
            lost.extend(from_there.map(|connection| (device, connection.id)));
        }
        for (device, id) in lost {
            tracing::info!(%device, "a connection lost its address here");
            self.cut_one(device, id);
        }
    }

    /// Lets the interfaces come to rest before anybody acts on the change.
    pub(super) fn tell_changed_soon(&mut self) {
        if !self.interfaces.resting {
            self.interfaces.resting = true;
            let rest = Duration::from_millis(limits::INTERFACES_REST_MS);
            self.remind(Instant::now() + rest, Due::Changed);
        }
    }

    /// Doubts every connection, and says that others may work now.
    pub(super) fn interfaces_changed(&mut self) {
        self.interfaces.resting = false;
        self.shared.ask_for_life();
        self.tell(NetworkEvent::Changed);
    }
}
