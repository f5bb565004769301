//! Carrying out what the node wants.

use super::orders::Order;
use super::outbox::Posted;
use super::transfers::Fetch;
use super::{Arrival, Host};
use heirloom_base::DeviceId;
use heirloom_core::command::{Answer, Event, Failure, NetworkTotals, PeerTraffic, Traffic};
use heirloom_core::input::{CommandId, Effect, EffectId, Input};
use heirloom_net::DialError;
use heirloom_store::AppendRequest;
use std::collections::BTreeMap;

impl Host {
    /// Carries out every effect that waits, and tells every event.
    pub(super) fn carry_out_all(&mut self) {
        while let Some(effect) = self.engine.effect() {
            self.carry_out(effect);
        }
        while let Some(event) = self.engine.event() {
            self.tell(event);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Append { id, chunks, frames } => {
                self.disk.append(id, AppendRequest { chunks, frames });
            }
            Effect::Send { device, bytes } => self.send(device, bytes),
            Effect::Fetch { id, device, chunks } => self.fetch(id, device, chunks),
            Effect::Dial { device, addresses, keepers } => self.dial(device, addresses, keepers),
            Effect::SetMembers { devices, keepers } => {
                self.orders.give(Order::SetMembers(devices));
                self.orders.give(Order::SetKeepers(keepers));
            }
            Effect::SetPairing { open } => self.orders.give(Order::SetPairing(open)),
            Effect::PairingSend { id, bytes, last } => self.conversations.send(id, bytes, last),
            Effect::HelloReply { id, bytes } => {
                let reply = self.hellos.remove(&id);
                if reply.is_some_and(|reply| reply.send(bytes).is_err()) {
                    tracing::debug!("a stranger did not wait for the answer");
                }
            }
            Effect::Introduce { device } => self.introduce(device),
            Effect::Disconnect { device } => {
                self.outbox.forget(device);
                self.orders.give(Order::Disconnect(device));
            }
            Effect::ForgetLost { chunks } => self.engine.store().chunks().forget_lost(&chunks),
            Effect::Reply { id, result } => self.reply(id, *result),
        }
    }

    /// Tells whoever watches.
    pub(super) fn tell(&self, event: Event) {
        if self.events.send(event).is_err() {
            tracing::trace!("nobody watches");
        }
    }

    fn reply(&mut self, id: CommandId, mut result: Result<Answer, Failure>) {
        if let Ok(Answer::Status(report)) = &mut result {
            report.network = Some(self.network_totals());
            self.engine.complete(report);
        }
        let reply = self.replies.remove(&id);
        if reply.is_some_and(|reply| reply.send(result).is_err()) {
            tracing::debug!("a program did not wait for its answer");
        }
    }

    /// The core knows no bytes on the wire: the shell counts them.
    fn network_totals(&self) -> NetworkTotals {
        let counters = self.network.counters();
        let mut totals = NetworkTotals {
            strangers_refused: counters.strangers_refused,
            streams_dropped: counters.streams_dropped,
            ..NetworkTotals::default()
        };
        for (device, peer) in counters.peers {
            let mut protocols = BTreeMap::new();
            for (protocol, counted) in peer.conversations {
                let (sent_bytes, received_bytes) = (counted.sent, counted.received);
                totals.sent_bytes += sent_bytes;
                totals.received_bytes += received_bytes;
                if (sent_bytes, received_bytes) != (0, 0) {
                    let traffic = Traffic { sent_bytes, received_bytes };
                    protocols.insert(protocol.name().to_owned(), traffic);
                }
            }
            let (device_id, connections) = (device.to_string(), peer.connections as u64);
            totals.peers.push(PeerTraffic { device_id, connections, protocols });
        }
        totals
    }

    fn send(&mut self, device: DeviceId, bytes: Vec<u8>) {
        let network = &self.network;
        let posted =
            self.outbox.post(device, bytes, &mut |device, frame| network.send(device, frame));
        if posted == Posted::Overflow {
            tracing::warn!(device = %device.short(), "a peer that reads nothing is let go");
            self.orders.give(Order::Disconnect(device));
        }
    }

    fn fetch(&mut self, id: EffectId, device: DeviceId, chunks: Vec<heirloom_base::ChunkId>) {
        let order = Fetch { id, opening: self.opening, device, chunks };
        self.transfers.fetch(order, self.network.clone(), self.arrivals.clone());
    }

    fn dial(&self, device: DeviceId, addresses: Vec<String>, keepers: Vec<DeviceId>) {
        let network = self.network.clone();
        tokio::spawn(async move {
            match network.reach(device, addresses, keepers).await {
                Ok(_) => tracing::debug!(device = %device.short(), "reached"),
                Err(error) => tracing::debug!(%error, device = %device.short(), "not reached"),
            }
        });
    }

    /// Dials an address to see who is there.
    pub(super) fn call(&self, address: String) {
        let (network, arrivals) = (self.network.clone(), self.arrivals.clone());
        tokio::spawn(async move {
            let device = match network.dial(None, vec![address.clone()]).await {
                Ok(device) => Some(device),
                Err(DialError::Itself) => None,
                Err(error) => {
                    tracing::debug!(%error, address, "nobody was met");
                    return;
                }
            };
            if arrivals.send(Arrival::Met { address, device }).await.is_err() {
                tracing::debug!("the node stopped while an address was dialled");
            }
        });
    }

    /// Shows a member that does not talk to this device that it belongs here.
    pub(super) fn introduce(&self, device: DeviceId) {
        let (network, presentation) =
            (self.network.clone(), self.engine.node().presentation(device));
        let (arrivals, opening) = (self.arrivals.clone(), self.opening);
        tokio::spawn(async move {
            let bytes = match network.open_hello(device, presentation).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::debug!(%error, device = %device.short(), "not introduced");
                    return;
                }
            };
            let answer = Arrival::Input(opening, Input::HelloAnswer { device, bytes });
            if arrivals.send(answer).await.is_err() {
                tracing::debug!("the node stopped while it was introduced");
            }
        });
    }

    /// Lets go of the commands that the node will not answer any more.
    pub(super) fn forget_waiting_commands(&mut self) {
        self.replies.clear();
        self.hellos.clear();
        self.conversations.clear();
    }
}
