//! What calls ask, carried out.

use super::dials::Way;
use super::peers::{Connection, Sync};
use super::{Driver, Leaving, dials};
use crate::address::Target;
use crate::command::Command;
use crate::error::{DialError, OpenError};
use crate::gate::Wanted;
use crate::limits;
use crate::opened::Opened;
use crate::peer;
use crate::protocol::Protocol;
use crate::session::Stop;
use heirloom_base::DeviceId;
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A dead address takes as long as a dial may: no live one waits behind it.
const AT_ONCE: NonZeroU8 = NonZeroU8::new(limits::DIAL_ADDRESSES_MAX as u8).expect("no zero");

impl Driver {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::SetMembers { devices, done } => {
                self.set_members(&devices);
                confirm(done, ());
            }
            Command::SetPairing { open, done } => {
                if self.pairing && !open {
                    self.end_pairing();
                }
                self.pairing = open;
                confirm(done, ());
            }
            Command::SetKeepers { devices, done } => {
                self.set_keepers(devices);
                confirm(done, ());
            }
            Command::Dial { targets, reply } => self.dial(targets, reply),
            Command::DialThrough { device, keepers, reply } => {
                self.dial_through(device, &keepers, reply);
            }
            Command::OpenSync { device, reply } => confirm(reply, self.hurry_sync(device)),
            Command::Open { device, protocol, reply } => self.open(device, protocol, reply),
            Command::Disconnect { device, done } => {
                self.close_all(device);
                confirm(done, ());
            }
            Command::Shutdown { done } => self.leave(done),
        }
    }

    fn set_members(&mut self, devices: &BTreeSet<DeviceId>) {
        let others = devices.iter().filter(|device| **device != self.device);
        let members: BTreeSet<PeerId> =
            others.filter_map(|device| peer::peer_of(*device)).collect();
        self.meters.set_members(members.clone());
        let removed = self.swarm.behaviour_mut().gate.set_members(members);
        for device in removed.iter().filter_map(peer::device_of) {
            self.cut(device, Stop::Cut);
        }
        for device in self.peers.devices() {
            self.peers.rested(device);
            self.tend(device);
        }
        self.keep_desks();
    }

    fn dial(&mut self, targets: Vec<Target>, reply: oneshot::Sender<Result<DeviceId, DialError>>) {
        let connected = targets.iter().filter_map(|target| peer::device_of(&target.peer?));
        if let Some(device) = connected.into_iter().find(|device| self.is_direct(*device)) {
            return dials::answer(reply, Ok(device));
        }
        if !self.dials.has_room() {
            return dials::answer(reply, Err(DialError::Busy));
        }
        let mut connections = BTreeSet::new();
        let mut failure = DialError::NoAddress;
        for target in targets {
            match self.dial_one(target) {
                Ok(connection) => {
                    connections.insert(connection);
                }
                Err(error) => failure = error,
            }
        }
        if connections.is_empty() {
            return dials::answer(reply, Err(failure));
        }
        self.dials.wait(connections, reply);
    }

    /// Dials a target, or joins the dial that runs already. A port of its own
    /// is used: the listener's would make two dials that cross collide.
    fn dial_one(&mut self, target: Target) -> Result<ConnectionId, DialError> {
        let Target { peer, mut addresses } = target;
        addresses.truncate(limits::DIAL_ADDRESSES_MAX);
        let options = match peer {
            Some(peer) => {
                if let Some(running) = self.dials.running(&peer, Way::Direct) {
                    return Ok(running);
                }
                let relayed = self.dials.running(&peer, Way::Relayed).is_some()
                    || peer::device_of(&peer).is_some_and(|device| self.is_up(device));
                // A circuit is no reason not to look for a direct way.
                let condition = match relayed {
                    true => PeerCondition::Always,
                    false => PeerCondition::DisconnectedAndNotDialing,
                };
                let options = DialOpts::peer_id(peer)
                    .condition(condition)
                    .addresses(addresses.clone())
                    .override_dial_concurrency_factor(AT_ONCE)
                    .allocate_new_port();
                // Without addresses those that discovery found are used.
                let ask_behaviours = addresses.is_empty();
                if ask_behaviours { options.extend_addresses_through_behaviour() } else { options }
                    .build()
            }
            None => {
                let address = addresses.pop().ok_or(DialError::NoAddress)?;
                DialOpts::unknown_peer_id().address(address).allocate_new_port().build()
            }
        };
        let connection = options.connection_id();
        self.swarm.dial(options).map_err(|error| dials::reason_of(&error))?;
        if let Some(peer) = peer {
            self.dials.run(peer, Way::Direct, connection);
        }
        Ok(connection)
    }

    pub(super) fn is_up(&self, device: DeviceId) -> bool {
        self.preferred(device).is_some()
    }

    fn is_direct(&self, device: DeviceId) -> bool {
        self.preferred(device).is_some_and(|connection| !connection.relayed)
    }

    /// Returns the connection with a device on which streams are opened.
    pub(super) fn preferred(&self, device: DeviceId) -> Option<&Connection> {
        let id = self.peers.get(device)?.preferred(self.device < device)?;
        self.peers.connection(device, id)
    }

    fn hurry_sync(&mut self, device: DeviceId) -> Result<(), OpenError> {
        let peer = self.peers.get(device).ok_or(OpenError::NotConnected)?;
        if !self.swarm.behaviour().gate.is_member(&peer.id) {
            return Err(OpenError::Refused);
        }
        self.peers.rested(device);
        self.tend(device);
        Ok(())
    }

    fn open(
        &mut self,
        device: DeviceId,
        protocol: Protocol,
        reply: oneshot::Sender<Result<Opened, OpenError>>,
    ) {
        let lower_is_me = self.device < device;
        let Some(peer) = self.peers.get_mut(device) else {
            return confirm(reply, Err(OpenError::NotConnected));
        };
        let preferred = peer.preferred(lower_is_me);
        let Some(id) = preferred else {
            return confirm(reply, Err(OpenError::NotConnected));
        };
        if protocol == Protocol::Sync
            && let Sync::Active { connection, .. } = &mut peer.sync
        {
            *connection = Some(id);
        }
        let (peer_id, tally) = (peer.id, peer.desk.tally(protocol));
        let Some(connection) = self.peers.connection(device, id) else {
            return confirm(reply, Err(OpenError::NotConnected));
        };
        let (closed, pulse) = (connection.closed.clone(), connection.pulse.clone());
        let wanted = Wanted { protocol, tally, closed, pulse, reply };
        self.swarm.behaviour_mut().gate.open(id, peer_id, wanted);
    }

    /// Begins the end: queued frames are sent, new streams are not taken.
    fn leave(&mut self, done: oneshot::Sender<()>) {
        for peer in self.peers.iter() {
            peer.stop_sync(Stop::Leave);
        }
        let until = Instant::now() + Duration::from_millis(limits::SHUTDOWN_MS_MAX);
        self.leaving = Some(Leaving { until, done });
    }
}

/// Answers a call, unless it gave up.
fn confirm<T>(reply: oneshot::Sender<T>, answer: T) {
    if reply.send(answer).is_err() {
        tracing::debug!("nobody waits for an answer any more");
    }
}
