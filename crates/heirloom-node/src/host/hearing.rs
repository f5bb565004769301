//! What the network tells, as inputs of the node.

use super::conversations::Opened;
use super::{Host, Queues};
use crate::clock;
use heirloom_base::DeviceId;
use heirloom_core::command::{Event, Failure};
use heirloom_core::input::{HelloId, Input, PairingId};
use heirloom_net::{NetworkEvent, PairingStream};
use tokio::sync::oneshot;

/// Questions of strangers that wait for the node.
const HELLOS_MAX: usize = 16;

impl Host {
    /// Takes in what the network tells.
    ///
    /// # Errors
    /// When the node cannot go on.
    pub(super) async fn heard(
        &mut self,
        queues: &mut Queues,
        event: NetworkEvent,
    ) -> Result<(), Failure> {
        match self.understand(event) {
            Some(input) => self.input(queues, input).await,
            None => Ok(()),
        }
    }

    /// Returns the input that an event makes, if it makes one.
    fn understand(&mut self, event: NetworkEvent) -> Option<Input> {
        match event {
            NetworkEvent::Listening { .. } => {
                Some(Input::Listening { addresses: self.network.addresses() })
            }
            NetworkEvent::Changed => Some(self.network_changed()),
            NetworkEvent::Connected { device, address, member, outbound, relayed } => {
                if member {
                    self.introductions.connected(clock::now(), device);
                }
                self.strays.met(&address);
                Some(self.way(device, address, outbound, relayed))
            }
            NetworkEvent::Rerouted { device, address, outbound, relayed } => {
                Some(self.way(device, address, outbound, relayed))
            }
            NetworkEvent::Disconnected { device } => {
                self.introductions.over(device);
                let was_relayed = self.relayed.remove(&device);
                was_relayed.then(|| Input::Way { device, relayed: false, addresses: Vec::new() })
            }
            NetworkEvent::SyncUp { device } => {
                tracing::debug!(device = %device.short(), "a conversation begins");
                self.introductions.over(device);
                self.connected.insert(device);
                Some(Input::PeerUp { device })
            }
            NetworkEvent::SyncDown { device } => {
                tracing::debug!(device = %device.short(), "a conversation ended");
                self.outbox.forget(device);
                self.connected.remove(&device);
                Some(Input::PeerDown { device })
            }
            NetworkEvent::Frame { device, bytes } => Some(Input::Frame { device, bytes }),
            NetworkEvent::Coming { device } => Some(Input::Coming { device }),
            NetworkEvent::Broke { device, what } => Some(Input::Broke { device, what }),
            NetworkEvent::Hello { device, bytes, reply } => self.greeted(device, bytes, reply),
            NetworkEvent::Pairing { device, stream } => {
                self.begin_conversation(device, stream);
                None
            }
            NetworkEvent::ChunkRequest { id, reply, .. } => {
                self.transfers.serve(id, reply);
                None
            }
            NetworkEvent::Discovered { device, addresses } => {
                Some(Input::Seen { device, addresses })
            }
            NetworkEvent::Warning { text } => {
                let code = "network".to_owned();
                self.tell(Event::Warning { code, text, aside: None });
                None
            }
        }
    }

    fn way(&mut self, device: DeviceId, address: String, outbound: bool, relayed: bool) -> Input {
        match relayed {
            true => self.relayed.insert(device),
            false => self.relayed.remove(&device),
        };
        let addresses = outbound.then_some(address).into_iter().collect();
        Input::Way { device, relayed, addresses }
    }

    /// Dials everybody anew: those that users named, and those that the node knows.
    pub(super) fn network_changed(&mut self) -> Input {
        self.strays.hurry(clock::now());
        Input::NetworkChanged { addresses: self.network.addresses() }
    }

    fn greeted(
        &mut self,
        device: DeviceId,
        bytes: Vec<u8>,
        reply: oneshot::Sender<Vec<u8>>,
    ) -> Option<Input> {
        self.hellos.retain(|_, reply| !reply.is_closed());
        if self.hellos.len() >= HELLOS_MAX {
            return None;
        }
        let id = HelloId(self.fresh_id());
        self.hellos.insert(id, reply);
        Some(Input::Hello { id, device, bytes })
    }

    fn begin_conversation(&mut self, device: DeviceId, stream: PairingStream) {
        let id = PairingId(self.fresh_id());
        let opened = Opened { id, opening: self.opening, device, stream };
        self.conversations.begin(opened, self.arrivals.clone());
    }
}
