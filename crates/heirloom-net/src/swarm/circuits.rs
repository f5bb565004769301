//! Reservations at keepers, and circuits through them.

use super::dials::{self, Way};
use super::paths::PathsEvent;
use super::{Driver, Due};
use crate::address;
use crate::error::DialError;
use crate::limits;
use crate::peer;
use heirloom_base::DeviceId;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol as Part;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, dcutr, relay};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Where others can reach this device through a keeper.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    keepers: BTreeSet<DeviceId>,
    asked: BTreeMap<DeviceId, Asked>,
}

/// A keeper that was asked for a reservation.
#[derive(Debug, Default)]
struct Asked {
    /// Stands for the reservation; without one a pause follows a refusal.
    listener: Option<ListenerId>,
    /// Refusals in a row.
    failures: u32,
}

impl Reservations {
    /// Returns whom to give up among the keepers that were asked, and whom to ask.
    fn plan(&self, is_direct: impl Fn(DeviceId) -> bool) -> (Vec<DeviceId>, Vec<DeviceId>) {
        let wanted = |device: &DeviceId| self.keepers.contains(device) && is_direct(*device);
        let (kept, given_up): (Vec<_>, Vec<_>) =
            self.asked.keys().partition(|keeper| wanted(keeper));
        let room = limits::RELAYS_MAX.saturating_sub(kept.len());
        let others = self.keepers.iter().filter(|keeper| !self.asked.contains_key(keeper));
        (given_up, others.filter(|keeper| wanted(keeper)).take(room).copied().collect())
    }
}

impl Driver {
    pub(super) fn set_keepers(&mut self, keepers: BTreeSet<DeviceId>) {
        self.reservations.keepers = keepers;
        self.tend_reservations();
    }

    /// Asks connected keepers for reservations, and gives up those at others.
    pub(super) fn tend_reservations(&mut self) {
        let (given_up, wanted) = self.reservations.plan(|keeper| self.direct(keeper).is_some());
        for keeper in given_up {
            let asked = self.reservations.asked.remove(&keeper);
            if let Some(listener) = asked.and_then(|asked| asked.listener) {
                self.swarm.remove_listener(listener);
            }
        }
        for keeper in wanted {
            self.reservations.asked.insert(keeper, Asked::default());
            self.reserve(keeper);
        }
    }

    /// Asks a keeper for a reservation, unless it has been asked.
    pub(super) fn reserve(&mut self, keeper: DeviceId) {
        let Some(at_keeper) = self.direct(keeper) else { return };
        let Some(asked) = self.reservations.asked.get_mut(&keeper) else { return };
        if asked.listener.is_none() {
            match self.swarm.listen_on(at_keeper) {
                Ok(listener) => asked.listener = Some(listener),
                Err(error) => tracing::debug!(%keeper, %error, "no reservation can be asked for"),
            }
        }
    }

    /// Notes that a listener ended: if it stood for a reservation, the keeper
    /// is asked again after a pause.
    pub(super) fn reservation_ended(&mut self, ended: ListenerId) {
        let mut asked = self.reservations.asked.iter_mut();
        let Some((keeper, asked)) = asked.find(|(_, asked)| asked.listener == Some(ended)) else {
            return;
        };
        asked.listener = None;
        let pause = limits::RESERVE_RETRY_MS << asked.failures.min(16);
        let pause = Duration::from_millis(pause.min(limits::RESERVE_RETRY_MS_MAX));
        asked.failures += 1;
        let keeper = *keeper;
        self.remind(Instant::now() + pause, Due::Reserve(keeper));
    }

    /// Returns where a device that is connected directly relays, if it does.
    fn direct(&self, device: DeviceId) -> Option<Multiaddr> {
        let peer = self.peers.get(device)?;
        let connection = self.preferred(device)?;
        (!connection.relayed).then(|| address::at_relay(&connection.remote, peer.id))
    }

    /// Dials a device through keepers that are connected. A circuit that has stood
    /// longer than dials can cross is made anew: it is another attempt to make the
    /// way direct.
    pub(super) fn dial_through(
        &mut self,
        device: DeviceId,
        keepers: &[DeviceId],
        reply: oneshot::Sender<Result<DeviceId, DialError>>,
    ) {
        if self.is_up(device) && !self.has_old_circuit(device) {
            return dials::answer(reply, Ok(device));
        }
        if !self.dials.has_room() {
            return dials::answer(reply, Err(DialError::Busy));
        }
        let Some(peer) = peer::peer_of(device) else {
            return dials::answer(reply, Err(DialError::NoAddress));
        };
        if let Some(running) = self.dials.running(&peer, Way::Relayed) {
            return self.dials.wait([running].into(), reply);
        }
        let relays = keepers.iter().filter_map(|keeper| self.direct(*keeper));
        let addresses: Vec<_> =
            relays.take(limits::RELAYS_MAX).map(|relay| relay.with(Part::P2p(peer))).collect();
        if addresses.is_empty() {
            return dials::answer(reply, Err(DialError::NoAddress));
        }
        // A direct dial may be under way as well: the better connection stays.
        let options =
            DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(addresses).build();
        let connection = options.connection_id();
        if let Err(error) = self.swarm.dial(options) {
            return dials::answer(reply, Err(dials::reason_of(&error)));
        }
        self.dials.run(peer, Way::Relayed, connection);
        self.dials.wait([connection].into(), reply);
    }

    fn has_old_circuit(&self, device: DeviceId) -> bool {
        self.preferred(device).is_some_and(|connection| {
            connection.relayed && connection.since.elapsed() > self.timing.crossing
        })
    }

    pub(super) fn on_path(&mut self, event: PathsEvent) {
        match event {
            PathsEvent::Circuits(relay::client::Event::ReservationReqAccepted {
                relay_peer_id,
                renewal,
                ..
            }) => {
                let keeper = peer::device_of(&relay_peer_id);
                if let Some(asked) =
                    keeper.and_then(|keeper| self.reservations.asked.get_mut(&keeper))
                {
                    asked.failures = 0;
                }
                tracing::debug!(keeper = %relay_peer_id, renewal, "reserved at a keeper");
            }
            PathsEvent::Circuits(event) => tracing::debug!(?event, "a circuit"),
            PathsEvent::Relay(event) => tracing::debug!(?event, "a relayed peer"),
            PathsEvent::Punch(dcutr::Event { remote_peer_id, result }) => match result {
                Ok(_) => {
                    tracing::info!(peer = %remote_peer_id, "the way to a device is direct now");
                }
                Err(error) => tracing::debug!(peer = %remote_peer_id, %error, "no direct way"),
            },
            PathsEvent::Identify(event) => tracing::trace!(?event, "identified"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keepers(count: u8) -> Vec<DeviceId> {
        (0..count).map(|at| DeviceId([at; 32])).collect()
    }

    #[test]
    fn so_many_connected_keepers_are_asked_and_those_that_went_are_given_up() {
        let all = keepers(4);
        let mut reservations =
            Reservations { keepers: all.iter().copied().collect(), ..Reservations::default() };
        assert_eq!(reservations.plan(|_| false), (vec![], vec![]));
        assert_eq!(reservations.plan(|keeper| keeper != all[0]), (vec![], vec![all[1], all[2]]));
        for keeper in &all[1..3] {
            reservations.asked.insert(*keeper, Asked::default());
        }
        assert_eq!(reservations.plan(|_| true), (vec![], vec![]));
        assert_eq!(reservations.plan(|keeper| keeper != all[1]), (vec![all[1]], vec![all[0]]));
        reservations.keepers.clear();
        assert_eq!(reservations.plan(|_| true), (vec![all[1], all[2]], vec![]));
    }
}
