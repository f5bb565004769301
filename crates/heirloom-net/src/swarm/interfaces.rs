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
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;
use tokio::time::Instant;

/// The interfaces of this host. Where the system does not tell of them, what
/// has changed shows only by connections that die.
#[derive(Debug)]
pub(super) struct Interfaces {
    watcher: Option<IfWatcher>,
    /// Whether [`Due::Changed`] is on its way.
    resting: bool,
    /// Whether it was said that the system lets no multicast out.
    muted: bool,
}

impl Interfaces {
    /// Begins to watch.
    pub(super) fn watch() -> Self {
        let watcher = IfWatcher::new()
            .inspect_err(|error| tracing::warn!(%error, "interfaces cannot be watched"))
            .ok();
        Self { watcher, resting: false, muted: false }
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
            IfEvent::Up(net) => {
                tracing::debug!(address = %net.addr(), "an address came");
                self.try_multicast(net.addr());
            }
            IfEvent::Down(net) => {
                tracing::debug!(address = %net.addr(), "an address went");
                self.cut_those_from(net.addr());
            }
        }
        self.tell_changed_soon();
    }

    /// Says once where the system itself lets no multicast out: a packet filter
    /// or a VPN, which is a usual case. The library that speaks mDNS calls it an
    /// error with each packet.
    fn try_multicast(&mut self, from: IpAddr) {
        let speaks = self.swarm.behaviour().mdns_v4.is_enabled();
        if speaks && !self.interfaces.muted && multicast_is_refused(from) {
            self.interfaces.muted = true;
            tracing::info!("this system lets no multicast out, so devices nearby may not be found");
        }
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

/// Returns whether the system refuses to send from an address to where mDNS is spoken.
fn multicast_is_refused(from: IpAddr) -> bool {
    const MDNS: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);
    /// The header of a message that asks and tells nothing.
    const NOTHING: [u8; 12] = [0; 12];
    let sent = UdpSocket::bind((from, 0)).and_then(|socket| socket.send_to(&NOTHING, MDNS));
    from.is_ipv4() && sent.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
