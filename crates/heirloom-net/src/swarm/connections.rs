//! Connections come and go.

use super::peers::{Connection, Peer};
use super::{Driver, Due};
use crate::address;
use crate::event::NetworkEvent;
use crate::limits;
use crate::opened::closed_signal;
use crate::peer;
use crate::session::Stop;
use heirloom_base::DeviceId;
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::ConnectionId;
use std::time::Duration;
use tokio::time::Instant;

impl Driver {
    pub(super) fn on_established(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let Some(device) = peer::device_of(&peer) else {
            self.swarm.close_connection(id);
            return;
        };
        let member = self.swarm.behaviour().gate.is_member(&peer);
        if endpoint.is_listener() && member && !self.shared.desk(device).may_visit() {
            self.broke(&peer, "connections opened again and again");
            self.swarm.close_connection(id);
            return;
        }
        let (open, closed) = closed_signal();
        let (relayed, since) = (endpoint.is_relayed(), Instant::now());
        let (dialled, outbound) = (has_dialled(endpoint), is_outbound(endpoint));
        let remote = endpoint.get_remote_address().clone();
        let connection = Connection {
            id,
            dialled,
            outbound,
            relayed,
            remote,
            since,
            pairs: false,
            retired: false,
            closing: false,
            closed,
            pulse: self.meters.pulse(peer, endpoint),
            _open: open,
        };
        let known = self.peers.get(device).is_some();
        let desk = self.shared.desk(device);
        self.peers.entry(device, || Peer::new(peer, desk)).add(connection);
        self.dials.established(id, device);
        if !known {
            let address = address::with_peer(endpoint.get_remote_address(), peer);
            match member {
                true => tracing::info!(%device, outbound, relayed, "connected"),
                false => tracing::debug!(%device, outbound, relayed, "a stranger connected"),
            }
            self.tell(NetworkEvent::Connected { device, address, member, outbound, relayed });
            if let Some(peer) = self.peers.get_mut(device) {
                peer.relayed = relayed;
            }
        }
        if !member {
            let life = if dialled { self.timing.pairing } else { self.timing.stranger };
            self.remind(since + life, Due::Stranger(device, id));
        }
        self.retire_duplicates(device);
        self.tell_way(device);
        self.tend(device);
        self.tend_reservations();
    }

    /// Says by which way a device is connected now, if that has changed.
    fn tell_way(&mut self, device: DeviceId) {
        let Some(peer) = self.peers.get(device) else {
            return;
        };
        let preferred = peer.preferred(self.device < device);
        let Some(connection) = preferred.and_then(|id| self.peers.connection(device, id)) else {
            return;
        };
        let (relayed, outbound) = (connection.relayed, connection.outbound);
        if relayed == peer.relayed {
            return;
        }
        let address = address::with_peer(&connection.remote, peer.id);
        tracing::info!(%device, relayed, "connected another way");
        self.tell(NetworkEvent::Rerouted { device, address, outbound, relayed });
        if let Some(peer) = self.peers.get_mut(device) {
            peer.relayed = relayed;
        }
    }

    /// Ends the connections that a new one replaces: those that the other side
    /// has lost at once, those that it crossed when their streams have ended.
    fn retire_duplicates(&mut self, device: DeviceId) {
        let lower_is_me = self.device < device;
        let Some(peer) = self.peers.get_mut(device) else {
            return;
        };
        let lost = peer.lost(self.timing.crossing);
        for connection in &mut peer.connections {
            connection.retired |= lost.contains(&connection.id);
        }
        let (peer_id, duplicates) = (peer.id, peer.duplicates(lower_is_me));
        for connection in &mut peer.connections {
            connection.retired |= duplicates.contains(&connection.id);
        }
        let preferred = peer.preferred(lower_is_me);
        let others: Vec<_> = peer
            .connections
            .iter()
            .map(|connection| connection.id)
            .filter(|id| Some(*id) != preferred && !lost.contains(id))
            .collect();
        for id in lost {
            tracing::debug!(%device, "a connection that the other side lost is cut");
            self.cut_one(device, id);
        }
        for id in duplicates {
            tracing::debug!(%device, "a duplicate connection is to end");
            self.swarm.behaviour_mut().gate.retire(id, peer_id);
        }
        let until = Instant::now() + Duration::from_millis(limits::DUPLICATE_MS_MAX);
        for id in others {
            self.remind(until, Due::Duplicate(device, id));
        }
    }

    /// Closes a connection that should have ended by itself.
    pub(super) fn duplicate_is_due(&mut self, device: DeviceId, id: ConnectionId) {
        if let Some(peer) = self.peers.get(device)
            && peer.preferred(self.device < device) != Some(id)
            && self.peers.connection(device, id).is_some()
        {
            self.close(device, id);
        }
    }

    pub(super) fn on_closed(&mut self, peer: &PeerId, id: ConnectionId) {
        let Some(device) = peer::device_of(peer) else {
            return;
        };
        let Some(known) = self.peers.get_mut(device) else {
            return;
        };
        known.drop_connection(id);
        if known.connections.is_empty() {
            known.stop_sync(Stop::Replace);
        }
        self.forget_if_gone(device);
        self.tell_way(device);
        self.tend(device);
        self.tend_reservations();
    }

    /// Says that a device is gone once its connections and its sessions are.
    pub(super) fn forget_if_gone(&mut self, device: DeviceId) {
        let gone = |peer: &Peer| peer.connections.is_empty() && peer.sessions == 0;
        if let Some(peer) = self.peers.get(device).filter(|peer| gone(peer)) {
            match self.swarm.behaviour().gate.is_member(&peer.id) {
                true => tracing::info!(%device, "disconnected"),
                false => tracing::debug!(%device, "a stranger disconnected"),
            }
            self.peers.remove(device);
            self.tell(NetworkEvent::Disconnected { device });
            self.keep_desks();
        }
    }

    /// Forgets the counts of strangers who have left.
    pub(super) fn keep_desks(&self) {
        let gate = &self.swarm.behaviour().gate;
        let is_member = |device| peer::peer_of(device).is_some_and(|peer| gate.is_member(&peer));
        self.shared.keep_desks(is_member);
    }

    /// Ends a stranger's connection when its time is over. Whoever pairs while
    /// an invite is open may stay as long as the invite.
    pub(super) fn stranger_is_due(&mut self, device: DeviceId, id: ConnectionId) {
        let Some(peer) = self.peers.get(device).map(|peer| peer.id) else {
            return;
        };
        let Some(connection) = self.peers.connection(device, id) else {
            return;
        };
        if self.swarm.behaviour().gate.is_member(&peer) {
            return;
        }
        let last = connection.since + self.timing.pairing;
        if self.pairing && connection.pairs && Instant::now() < last {
            self.remind(last, Due::Stranger(device, id));
        } else {
            tracing::debug!(%device, "a stranger's time is over");
            self.close(device, id);
        }
    }

    /// Gives strangers who paired no more than a stranger's time from now.
    pub(super) fn end_pairing(&mut self) {
        let until = Instant::now() + self.timing.stranger;
        let pairing: Vec<_> = self
            .peers
            .iter()
            .filter_map(|peer| Some((peer::device_of(&peer.id)?, peer)))
            .flat_map(|(device, peer)| {
                let pairs = peer.connections.iter().filter(|connection| connection.pairs);
                pairs.map(move |connection| (device, connection.id))
            })
            .collect();
        for (device, id) in pairing {
            self.remind(until, Due::Stranger(device, id));
        }
    }

    /// Closes a connection politely, and cuts it if that takes too long.
    pub(super) fn close(&mut self, device: DeviceId, id: ConnectionId) {
        self.swarm.close_connection(id);
        self.is_closing(device, id);
    }

    fn is_closing(&mut self, device: DeviceId, id: ConnectionId) {
        let until = Instant::now() + Duration::from_millis(limits::CLOSE_MS_MAX);
        self.remind(until, Due::Cut(device, id));
        if let Some(connection) = self.peers.connection_mut(device, id) {
            connection.closing = true;
        }
    }

    /// Closes every connection with a device.
    pub(super) fn close_all(&mut self, device: DeviceId) {
        let Some(peer) = self.peers.get(device) else {
            return;
        };
        let ids: Vec<_> = peer.connections.iter().map(|connection| connection.id).collect();
        for id in ids {
            self.close(device, id);
        }
    }

    /// Ends every connection with a device at once.
    pub(super) fn cut(&mut self, device: DeviceId, stop: Stop) {
        let Some(peer) = self.peers.get(device) else {
            return;
        };
        peer.stop_sync(stop);
        let ids: Vec<_> = peer.connections.iter().map(|connection| connection.id).collect();
        for id in ids {
            self.cut_one(device, id);
        }
    }

    /// Ends a connection at once. It is not closed in good order: the streams
    /// of one that was would not wake, and a circuit that this device relays
    /// would go on waiting for its other end.
    pub(super) fn cut_one(&mut self, device: DeviceId, id: ConnectionId) {
        if let Some(connection) = self.peers.connection(device, id) {
            connection.pulse.cut();
        }
        self.is_closing(device, id);
    }

    /// Ends a connection that should be gone.
    pub(super) fn cut_if_open(&mut self, device: DeviceId, id: ConnectionId) {
        if let Some(connection) = self.peers.connection(device, id) {
            connection.pulse.cut();
            self.swarm.close_connection(id);
        }
    }
}

/// Returns whether this side has a dialler's part. In a hole that both punched
/// one of the two that dialled takes the other part.
fn has_dialled(endpoint: &ConnectedPoint) -> bool {
    matches!(endpoint, ConnectedPoint::Dialer { role_override: Endpoint::Dialer, .. })
}

/// Returns whether the address of the other side can be dialled again: only
/// holes are punched from the port that this side listens on.
fn is_outbound(endpoint: &ConnectedPoint) -> bool {
    let dialled = matches!(endpoint, ConnectedPoint::Dialer { port_use: PortUse::New, .. });
    dialled && !endpoint.is_relayed()
}
