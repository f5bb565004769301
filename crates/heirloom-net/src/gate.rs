//! The gate: the one place that decides what a connection is offered.
//!
//! It owns the set of members. A member's connection is offered every
//! conversation, a stranger's only `hello/1` and `pair/1`; what is offered
//! changes on a live connection when the set does, so that a device that
//! became a member need not connect anew. Only so many strangers are let in,
//! and one address with several of them gives way to another, so that it keeps
//! nobody out; and only so many connections at all.

mod handler;

pub(crate) use handler::{Arrived, Handler, Order, Wanted};

use crate::crowd::{self, Origin};
use crate::limits::{PEER_CONNECTIONS_MAX, PENDING_CONNECTIONS_MAX};
use crate::members::Members;
use crate::protocol::Protocol;
use heirloom_base::limits::STRANGERS_MAX;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// A stream that came through the gate.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) arrived: Arrived,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum TooMany {
    #[error("too many strangers are connected already")]
    Strangers,
    #[error("too many connections are open with this peer already")]
    Peer,
    #[error("too many connections are open already")]
    Connections,
    #[error("too many connections are being dialled already")]
    Dials,
}

/// The gate's side of one connection.
#[derive(Debug)]
struct Connection {
    peer: PeerId,
    /// Where it comes from, if it came in.
    origin: Option<Origin>,
    /// It is being closed, to make room for another stranger.
    gives_way: bool,
}

/// The gate.
#[derive(Debug)]
pub(crate) struct Gate {
    members: Members,
    connections: BTreeMap<ConnectionId, Connection>,
    connections_max: usize,
    dials: BTreeSet<ConnectionId>,
    orders: VecDeque<ToSwarm<Entered, Order>>,
    refused: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

impl Gate {
    /// Returns a gate that counts refused strangers and dropped streams.
    pub(crate) fn new(
        members: Members,
        connections_max: usize,
        refused: Arc<AtomicU64>,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        let (connections, dials, orders) = (BTreeMap::new(), BTreeSet::new(), VecDeque::new());
        Self { members, connections, connections_max, dials, orders, refused, dropped }
    }

    pub(crate) fn is_member(&self, peer: &PeerId) -> bool {
        self.members.contains(peer)
    }

    /// Replaces the set of members and changes what live connections are
    /// offered; returns who was removed.
    pub(crate) fn set_members(&mut self, members: BTreeSet<PeerId>) -> BTreeSet<PeerId> {
        let before = self.members.replace(members.clone());
        let removed = before.difference(&members).copied().collect();
        let added: BTreeSet<_> = members.difference(&before).copied().collect();
        let changed: Vec<_> = self
            .connections
            .iter()
            .map(|(id, connection)| (*id, connection.peer))
            .filter(|(_, peer)| added.contains(peer) || BTreeSet::contains(&removed, peer))
            .collect();
        for (id, peer) in changed {
            self.order(id, peer, Order::Offer(self.offers(&peer)));
        }
        removed
    }

    /// Opens a stream on a connection.
    pub(crate) fn open(&mut self, connection: ConnectionId, peer: PeerId, wanted: Wanted) {
        self.order(connection, peer, Order::Open(wanted));
    }

    /// Lets a connection close when its last stream has ended.
    pub(crate) fn retire(&mut self, connection: ConnectionId, peer: PeerId) {
        self.order(connection, peer, Order::Retire);
    }

    fn order(&mut self, connection: ConnectionId, peer_id: PeerId, event: Order) {
        let handler = NotifyHandler::One(connection);
        self.orders.push_back(ToSwarm::NotifyHandler { peer_id, handler, event });
    }

    fn offers(&self, peer: &PeerId) -> &'static [Protocol] {
        if self.is_member(peer) { Protocol::FOR_MEMBERS } else { Protocol::FOR_STRANGERS }
    }

    fn handler(&self, peer: &PeerId) -> Handler {
        Handler::new(self.offers(peer), self.dropped.clone())
    }

    /// Returns the connections that strangers opened, the oldest first.
    fn strangers(&self) -> impl Iterator<Item = (ConnectionId, Origin)> + Clone {
        let staying = self.connections.iter().filter(|(_, connection)| !connection.gives_way);
        let strange = staying.filter(|(_, connection)| !self.members.contains(&connection.peer));
        strange.filter_map(|(id, connection)| Some((*id, connection.origin?)))
    }

    /// Makes room for one more stranger: where all places are taken, the oldest
    /// of the address with the most gives way, if that has more than the new
    /// one's will have.
    fn make_room(&mut self, origin: Origin) -> Result<(), TooMany> {
        if self.strangers().count() < STRANGERS_MAX {
            return Ok(());
        }
        let count = |origin| self.strangers().filter(|(_, other)| *other == origin).count();
        let crowded = crowd::oldest_of_the_most(self.strangers()).filter(|id| {
            let most = self.connections.get(id).and_then(|connection| connection.origin);
            most.is_some_and(|most| count(most) > count(origin) + 1)
        });
        let id = crowded.ok_or(TooMany::Strangers)?;
        if let Some(Connection { peer, gives_way, .. }) = self.connections.get_mut(&id) {
            *gives_way = true;
            let connection = CloseConnection::One(id);
            self.orders.push_back(ToSwarm::CloseConnection { peer_id: *peer, connection });
        }
        Ok(())
    }

    /// Checks whether there is room for one more connection, with this peer.
    fn check_room(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        let with_peer = self.connections.values().filter(|connection| connection.peer == *peer);
        if with_peer.count() >= PEER_CONNECTIONS_MAX {
            return Err(ConnectionDenied::new(TooMany::Peer));
        }
        if self.connections.len() >= self.connections_max {
            return Err(ConnectionDenied::new(TooMany::Connections));
        }
        Ok(())
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = Handler;
    type ToSwarm = Entered;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        self.check_room(&peer)?;
        if !self.is_member(&peer) {
            self.make_room(Origin::of(remote)).map_err(|reason| {
                self.refused.fetch_add(1, Ordering::Relaxed);
                ConnectionDenied::new(reason)
            })?;
        }
        Ok(self.handler(&peer))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dials.len() >= PENDING_CONNECTIONS_MAX {
            return Err(ConnectionDenied::new(TooMany::Dials));
        }
        self.dials.insert(connection);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        self.dials.remove(&connection);
        self.check_room(&peer)?;
        Ok(self.handler(&peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id,
            connection_id,
            endpoint,
            ..
        }) = event
        {
            let origin = match endpoint {
                ConnectedPoint::Listener { send_back_addr, .. } => Some(Origin::of(send_back_addr)),
                ConnectedPoint::Dialer { .. } => None,
            };
            let connection = Connection { peer: peer_id, origin, gives_way: false };
            self.connections.insert(connection_id, connection);
        } else if let FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) = event {
            self.connections.remove(&connection_id);
        } else if let FromSwarm::DialFailure(DialFailure { connection_id, .. }) = event {
            self.dials.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        arrived: Arrived,
    ) {
        self.orders.push_back(ToSwarm::GenerateEvent(Entered { peer, connection, arrived }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Entered, Order>> {
        self.orders.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CONNECTIONS_MAX;
    use crate::peer;

    fn peer(seed: u8) -> PeerId {
        peer::peer_of(peer::device_of_seed(&[seed; 32])).unwrap()
    }

    fn gate_of(connections_max: usize) -> Gate {
        Gate::new(Members::default(), connections_max, Arc::default(), Arc::default())
    }

    fn address() -> Multiaddr {
        "/ip4/10.0.0.1/tcp/1".parse().unwrap()
    }

    /// Lets a peer connect, each from an address of its own.
    fn arrive(gate: &mut Gate, id: usize, seed: u8) -> bool {
        arrive_from(gate, id, seed, &format!("/ip4/10.0.1.{seed}/tcp/1"))
    }

    fn arrive_from(gate: &mut Gate, id: usize, seed: u8, from: &str) -> bool {
        let id = ConnectionId::new_unchecked(id);
        let (local, remote) = (address(), from.parse().unwrap());
        let accepted =
            gate.handle_established_inbound_connection(id, peer(seed), &local, &remote).is_ok();
        if accepted {
            let endpoint = ConnectedPoint::Listener { local_addr: local, send_back_addr: remote };
            gate.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer(seed),
                connection_id: id,
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
        }
        accepted
    }

    #[test]
    fn one_stranger_too_many_is_refused_and_a_member_is_not() {
        let mut gate = gate_of(CONNECTIONS_MAX);
        gate.set_members(BTreeSet::from([peer(100)]));
        assert!((0..STRANGERS_MAX).all(|at| arrive(&mut gate, at, at as u8)));
        assert!(!arrive(&mut gate, 50, 50));
        assert!(arrive(&mut gate, 100, 100));
        assert_eq!(gate.refused.load(Ordering::Relaxed), 1);
        // A stranger that became a member makes room.
        gate.set_members(BTreeSet::from([peer(100), peer(0)]));
        assert!(arrive(&mut gate, 50, 50));
    }

    /// Returns which connections the gate closes.
    fn closed(gate: &mut Gate) -> Vec<ConnectionId> {
        let mut closed = Vec::new();
        for order in gate.orders.drain(..) {
            if let ToSwarm::CloseConnection { connection: CloseConnection::One(id), .. } = order {
                closed.push(id);
            }
        }
        closed
    }

    #[test]
    fn strangers_of_one_address_give_way_to_one_from_elsewhere() {
        let mut gate = gate_of(CONNECTIONS_MAX);
        let id = ConnectionId::new_unchecked;
        for at in 0..20 {
            let from = format!("/ip6/2001:db8:0:1::{at}/tcp/1");
            assert_eq!(arrive_from(&mut gate, at, at as u8, &from), at < STRANGERS_MAX);
        }
        assert_eq!(closed(&mut gate), [], "one network gives nothing to itself");
        // A new phone comes, and tries again.
        let phone = |gate: &mut Gate, at| arrive_from(gate, at, 30, "/ip4/192.168.1.7/tcp/5");
        assert!(phone(&mut gate, 30));
        assert_eq!(closed(&mut gate), [id(0)], "the oldest");
        assert!(phone(&mut gate, 31));
        assert_eq!(closed(&mut gate), [id(1)]);
        assert!(!phone(&mut gate, 32), "both have as many");
        assert!(!arrive_from(&mut gate, 33, 33, "/ip6/2001:db8:0:1::f/tcp/1"));
        assert_eq!(closed(&mut gate), []);
        assert_eq!(gate.refused.load(Ordering::Relaxed), 18);
        assert_eq!(gate.strangers().count(), STRANGERS_MAX);
    }

    #[test]
    fn strangers_who_have_one_place_each_keep_it() {
        let mut gate = gate_of(CONNECTIONS_MAX);
        let crowd = ["/ip4/10.0.0.2/tcp/1", "/ip4/10.0.0.3/tcp/1"];
        for at in 0..STRANGERS_MAX {
            assert!(arrive_from(&mut gate, at, at as u8, crowd[at % 2]));
        }
        assert!(arrive(&mut gate, 20, 20) && arrive(&mut gate, 21, 21));
        let id = ConnectionId::new_unchecked;
        assert_eq!(closed(&mut gate), [id(0), id(1)], "each crowd in its turn");
        assert!(!arrive(&mut gate, 22, 22));
        assert!(!arrive_from(&mut gate, 23, 23, crowd[0]));
        assert_eq!(closed(&mut gate), []);
    }

    #[test]
    fn a_change_of_members_changes_what_live_connections_are_offered() {
        let mut gate = gate_of(CONNECTIONS_MAX);
        arrive(&mut gate, 1, 1);
        arrive(&mut gate, 2, 2);
        assert_eq!(gate.offers(&peer(1)), Protocol::FOR_STRANGERS);
        assert_eq!(gate.set_members(BTreeSet::from([peer(1)])), BTreeSet::new());
        assert_eq!(gate.offers(&peer(1)), Protocol::FOR_MEMBERS);
        assert_eq!(gate.orders.len(), 1);
        assert_eq!(gate.set_members(BTreeSet::new()), BTreeSet::from([peer(1)]));
        assert_eq!(gate.offers(&peer(1)), Protocol::FOR_STRANGERS);
        assert_eq!(gate.orders.len(), 2);
    }

    #[test]
    fn a_gate_takes_so_many_connections_of_one_peer_and_in_all() {
        let mut gate = gate_of(PEER_CONNECTIONS_MAX + 1);
        gate.set_members(BTreeSet::from([peer(1), peer(2), peer(3)]));
        assert!((0..PEER_CONNECTIONS_MAX).all(|at| arrive(&mut gate, at, 1)));
        assert!(!arrive(&mut gate, 50, 1));
        assert!(arrive(&mut gate, 51, 2));
        assert!(!arrive(&mut gate, 52, 3));
    }

    #[test]
    fn only_so_many_connections_are_dialled_at_one_time() {
        let mut gate = gate_of(CONNECTIONS_MAX);
        let id = ConnectionId::new_unchecked;
        let dial = |gate: &mut Gate, at| {
            gate.handle_pending_outbound_connection(id(at), None, &[], Endpoint::Dialer).is_ok()
        };
        assert!((0..PENDING_CONNECTIONS_MAX).all(|at| dial(&mut gate, at)));
        assert!(!dial(&mut gate, 50));
        gate.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: None,
            error: &libp2p::swarm::DialError::Aborted,
            connection_id: id(3),
        }));
        assert!(dial(&mut gate, 51));
        let (peer, address, port) = (peer(1), address(), PortUse::New);
        let established = gate.handle_established_outbound_connection(
            id(4),
            peer,
            &address,
            Endpoint::Dialer,
            port,
        );
        assert!(established.is_ok() && dial(&mut gate, 52) && !dial(&mut gate, 53));
    }
}
