//! The swarm and the one task that turns it.
//!
//! The task never waits for the host: what the host has not taken yet stays in
//! an outbox, in order, together with the tasks that may only begin after it
//! was told what came before (a sync stream follows its `Connected`).

mod circuits;
mod connections;
mod dials;
mod inbound;
mod interfaces;
mod orders;
mod paths;
mod peers;
mod start;
mod syncing;

pub(crate) use start::start;

use crate::address;
use crate::command::Command;
use crate::config::Timing;
use crate::event::{Delivery, NetworkEvent};
use crate::gate::{Entered, Gate};
use crate::limits;
use crate::members::MembersOnly;
use crate::meter::Meters;
use crate::opened::Opener;
use crate::peer;
use crate::session::End;
use crate::shared::Shared;
use crate::streams::is_flood;
use circuits::Reservations;
use dials::Dials;
use futures::StreamExt;
use futures::future::BoxFuture;
use heirloom_base::DeviceId;
use interfaces::Interfaces;
use libp2p::Multiaddr;
use libp2p::PeerId;
use libp2p::mdns;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{ConnectionError, ConnectionId, NetworkBehaviour, Swarm, SwarmEvent};
use paths::Paths;
use peers::Peers;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Everything the swarm does. The gate stands first, so that nobody else
/// counts a connection that it refuses.
#[derive(NetworkBehaviour)]
pub(crate) struct Household {
    gate: Gate,
    mdns_v4: Toggle<mdns::tokio::Behaviour>,
    mdns_v6: Toggle<mdns::tokio::Behaviour>,
    paths: MembersOnly<Paths>,
}

/// What leaves the swarm's task.
enum Outgoing {
    Event(Box<NetworkEvent>),
    Begin(BoxFuture<'static, ()>),
}

/// What the tasks report.
#[derive(Debug)]
enum Report {
    /// No sync stream came about.
    SyncFailed { device: DeviceId, ticket: u64, dead: bool },
    /// A sync session ended.
    SyncEnded { device: DeviceId, ticket: u64, end: End },
}

/// What is due at some time.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// A stranger's time is over.
    Stranger(DeviceId, ConnectionId),
    /// A duplicate connection should have ended by itself.
    Duplicate(DeviceId, ConnectionId),
    /// The sync stream may be opened again.
    SyncRetry(DeviceId),
    /// A keeper may be asked for a reservation again.
    Reserve(DeviceId),
    /// A connection that was closed politely should be gone.
    Cut(DeviceId, ConnectionId),
    /// The interfaces have changed, and rest now.
    Changed,
}

/// The swarm's task.
pub(crate) struct Driver {
    swarm: Swarm<Household>,
    me: PeerId,
    device: DeviceId,
    timing: Timing,
    meters: Meters,
    shared: Arc<Shared>,
    opener: Opener,
    commands: mpsc::Receiver<Command>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    deliveries: mpsc::Sender<Delivery>,
    outbox: VecDeque<Outgoing>,
    peers: Peers,
    dials: Dials,
    reservations: Reservations,
    /// Whether this device relays.
    keeper: bool,
    /// What it calls itself as a relay.
    outward: Option<Multiaddr>,
    interfaces: Interfaces,
    due: BTreeMap<(Instant, u64), Due>,
    next_due: u64,
    next_ticket: u64,
    pairing: bool,
    leaving: Option<Leaving>,
}

/// The end of the network, while queued frames are still sent.
struct Leaving {
    until: Instant,
    done: oneshot::Sender<()>,
}

impl Driver {
    /// Turns the swarm until every handle is gone, the host is, or the network
    /// is shut down.
    pub(crate) async fn run(mut self) {
        let deliveries = self.deliveries.clone();
        loop {
            self.flush();
            if let Some(leaving) = &self.leaving
                && (self.peers.sessions() == 0 || leaving.until <= Instant::now())
            {
                break;
            }
            let wake = self.due.keys().next().map(|(at, _)| *at);
            let wake = wake.into_iter().chain(self.leaving.as_ref().map(|l| l.until)).min();
            let full = self.outbox.len() >= limits::OUTBOX_MAX;
            tokio::select! {
                command = self.commands.recv(), if self.leaving.is_none() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                Some(report) = self.reports.recv() => self.on_report(report),
                event = self.swarm.select_next_some(), if !full => self.on_swarm(event),
                event = self.interfaces.next() => self.on_interface(event),
                permit = deliveries.reserve(), if !self.outbox.is_empty() => match permit {
                    Ok(permit) => drop(permit),
                    Err(_) => break,
                },
                () = at(wake) => self.on_due(),
                () = deliveries.closed() => break,
            }
        }
        self.end().await;
    }

    /// Closes what is still open, for a moment, and stops.
    async fn end(mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // Who has gone by now is gone.
            self.swarm.disconnect_peer_id(peer).ok();
        }
        let until = Instant::now() + Duration::from_millis(limits::CLOSE_MS_MAX);
        while self.swarm.connected_peers().next().is_some() && Instant::now() < until {
            tokio::select! {
                _ = self.swarm.select_next_some() => {}
                () = sleep_until(until) => {}
            }
        }
        if let Some(Leaving { done, .. }) = self.leaving {
            // Whoever asked may have gone.
            done.send(()).ok();
        }
    }

    /// Hands out what the host has room for.
    fn flush(&mut self) {
        while let Some(next) = self.outbox.pop_front() {
            match next {
                Outgoing::Begin(task) => drop(tokio::spawn(task)),
                Outgoing::Event(event) => match self.deliveries.try_reserve() {
                    Ok(permit) => permit.send(Delivery::Event(*event)),
                    Err(_) => {
                        self.outbox.push_front(Outgoing::Event(event));
                        return;
                    }
                },
            }
        }
    }

    fn tell(&mut self, event: NetworkEvent) {
        self.outbox.push_back(Outgoing::Event(Box::new(event)));
    }

    /// Tells that a member broke the rules.
    fn broke(&mut self, peer: &PeerId, what: &'static str) {
        let is_member = self.swarm.behaviour().gate.is_member(peer);
        if let Some(device) = peer::device_of(peer).filter(|_| is_member) {
            self.tell(NetworkEvent::Broke { device, what });
        }
    }

    fn begin(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.outbox.push_back(Outgoing::Begin(Box::pin(task)));
    }

    fn remind(&mut self, at: Instant, due: Due) {
        self.next_due += 1;
        self.due.insert((at, self.next_due), due);
    }

    fn on_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Due::Stranger(device, connection) => self.stranger_is_due(device, connection),
                Due::Duplicate(device, connection) => self.duplicate_is_due(device, connection),
                Due::SyncRetry(device) => {
                    self.peers.rested(device);
                    self.tend(device);
                }
                Due::Reserve(keeper) => self.reserve(keeper),
                Due::Cut(device, connection) => self.cut_if_open(device, connection),
                Due::Changed => self.interfaces_changed(),
            }
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<HouseholdEvent>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not exhaustive")]
        match event {
            SwarmEvent::Behaviour(HouseholdEvent::Gate(entered)) => self.on_entered(entered),
            SwarmEvent::Behaviour(
                HouseholdEvent::MdnsV4(event) | HouseholdEvent::MdnsV6(event),
            ) => {
                self.on_mdns(event);
            }
            SwarmEvent::Behaviour(HouseholdEvent::Paths(event)) => self.on_path(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "a connection ended");
                if let Some(ConnectionError::IO(error)) = &cause
                    && is_flood(error)
                {
                    self.broke(&peer_id, "more streams than anybody needs");
                }
                self.on_closed(&peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "a dial failed");
                self.dials.failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "an inbound connection failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.share_addresses();
                if address::is_worth_telling(&address) {
                    let address = address::with_peer(&address, self.me);
                    self.tell(NetworkEvent::Listening { address });
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } if !address::is_relayed(&address) => {
                self.share_addresses();
                self.tell_changed_soon();
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason }
                if addresses.iter().all(address::is_relayed) =>
            {
                tracing::debug!(?reason, "a reservation ended");
                self.reservation_ended(listener_id);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                self.share_addresses();
                let text = format!("no longer listening on {addresses:?}: {reason:?}");
                self.tell(NetworkEvent::Warning { text });
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed for a moment");
            }
            _ => {}
        }
    }

    fn on_entered(&mut self, Entered { peer, connection, arrived }: Entered) {
        if let Some(device) = peer::device_of(&peer) {
            self.on_arrived(device, connection, arrived);
        }
    }

    fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(seen) = event else {
            return;
        };
        let mut devices: BTreeMap<DeviceId, BTreeSet<String>> = BTreeMap::new();
        for (peer, address) in seen {
            if let Some(device) = peer::device_of(&peer)
                && address::is_worth_telling(&address)
            {
                let addresses = devices.entry(device).or_default();
                if addresses.len() < limits::DIAL_ADDRESSES_MAX {
                    addresses.insert(address::with_peer(&address, peer));
                }
            }
        }
        for (device, addresses) in devices {
            // It may have moved here from where its connection still points to.
            if self.peers.get(device).is_some() {
                self.shared.ask_for_life();
            }
            let addresses = addresses.into_iter().collect();
            self.tell(NetworkEvent::Discovered { device, addresses });
        }
    }

    fn share_addresses(&mut self) {
        let mut addresses: Vec<String> = self
            .swarm
            .listeners()
            .filter(|address| address::is_worth_telling(address))
            .map(|address| address::with_peer(address, self.me))
            .collect();
        addresses.sort();
        addresses.dedup();
        self.share_outward();
        self.shared.set_addresses(addresses);
    }
}

impl Driver {
    /// Gives a relay one address: a reservation without any would be refused.
    fn share_outward(&mut self) {
        let mut listeners = self.swarm.listeners().filter(|at| address::is_worth_telling(at));
        let outward = self.keeper.then(|| listeners.next().cloned()).flatten();
        drop(listeners);
        if self.outward == outward {
            return;
        }
        if let Some(before) = self.outward.take() {
            self.swarm.remove_external_address(&before);
        }
        if let Some(outward) = &outward {
            self.swarm.add_external_address(outward.clone());
        }
        self.outward = outward;
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => pending().await,
    }
}
