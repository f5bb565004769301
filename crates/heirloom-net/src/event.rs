//! What the network tells its host.

use crate::link::{Link, Links};
use crate::pairing::PairingStream;
use heirloom_base::{ChunkId, DeviceId};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What the network tells its host.
///
/// For one device the order is always `Connected`, then any number of
/// (`SyncUp`, `Frame`..., `SyncDown`), then `Disconnected`; `Rerouted` may come
/// anywhere between the first and the last.
#[derive(Debug)]
pub enum NetworkEvent {
    /// The device can be reached here.
    Listening {
        /// A multiaddress that ends in the peer id.
        address: String,
    },
    /// The first connection with a device is up.
    Connected {
        /// The device, its key proven.
        device: DeviceId,
        /// Its multiaddress, ending in its peer id; only a dialled one can be
        /// dialled again.
        address: String,
        /// Whether it is a member now.
        member: bool,
        /// Whether this side dialled that address.
        outbound: bool,
        /// Whether a keeper relays it.
        relayed: bool,
    },
    /// A connected device is connected another way: directly instead of over a
    /// keeper, or the other way round.
    Rerouted {
        /// The device.
        device: DeviceId,
        /// Its multiaddress, as in [`NetworkEvent::Connected`].
        address: String,
        /// Whether this side dialled that address.
        outbound: bool,
        /// Whether a keeper relays it.
        relayed: bool,
    },
    /// The last connection with a device is gone.
    Disconnected {
        /// The device.
        device: DeviceId,
    },
    /// The sync stream with a member is open; what came before is over.
    SyncUp {
        /// The member.
        device: DeviceId,
    },
    /// A member sent a frame on the sync stream.
    Frame {
        /// The member.
        device: DeviceId,
        /// The frame, never empty.
        bytes: Vec<u8>,
    },
    /// A long frame of a member is on its way: told at most once a second, and only
    /// where bytes of it have come.
    Coming {
        /// The member.
        device: DeviceId,
    },
    /// A member broke the rules of the network; what broke them is over.
    Broke {
        /// The member.
        device: DeviceId,
        /// How, as a phrase for a log.
        what: &'static str,
    },
    /// The sync stream with a member is gone, and with it what was queued.
    SyncDown {
        /// The member.
        device: DeviceId,
    },
    /// A device presents roster operations.
    Hello {
        /// The device, its key proven.
        device: DeviceId,
        /// What it presents.
        bytes: Vec<u8>,
        /// Takes the answer, at most [`crate::limits::HELLO_BYTES_MAX`] bytes; dropped, the
        /// question stays unanswered.
        reply: oneshot::Sender<Vec<u8>>,
    },
    /// A device opened a pairing conversation.
    Pairing {
        /// The device, its key proven.
        device: DeviceId,
        /// The conversation; dropped, it ends.
        stream: PairingStream,
    },
    /// A member asks for a chunk.
    ChunkRequest {
        /// The member.
        device: DeviceId,
        /// The chunk.
        id: ChunkId,
        /// Takes the sealed bytes, or `None` when the chunk is not here.
        reply: oneshot::Sender<Option<Vec<u8>>>,
    },
    /// A device was seen on the local network.
    Discovered {
        /// The device; anybody can claim to be it until it was dialled.
        device: DeviceId,
        /// Its multiaddresses, ending in its peer id.
        addresses: Vec<String>,
    },
    /// The interfaces have changed: who could not be reached may be now.
    Changed,
    /// Something does not work, but the network does.
    Warning {
        /// What, as a sentence without its full stop.
        text: String,
    },
}

/// The events in their order.
#[derive(Debug)]
pub struct NetworkEvents {
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    pub(crate) links: Arc<Links>,
}

impl NetworkEvents {
    /// Returns whether no event waits to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Waits for the next event; `None` when the network has stopped.
    ///
    /// What is sent to a device belongs to the sync stream whose `SyncUp` was
    /// returned last: between a `SyncDown` and the next `SyncUp`
    /// [`crate::Network::send`] refuses. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<NetworkEvent> {
        let delivery = self.deliveries.recv().await?;
        Some(self.taken(delivery))
    }

    /// Returns an event that waits, if there is one; as [`NetworkEvents::recv`].
    pub fn try_recv(&mut self) -> Option<NetworkEvent> {
        let delivery = self.deliveries.try_recv().ok()?;
        Some(self.taken(delivery))
    }

    fn taken(&self, delivery: Delivery) -> NetworkEvent {
        match delivery {
            Delivery::Event(event) => event,
            Delivery::Up(device, link) => {
                self.links.put(device, link);
                NetworkEvent::SyncUp { device }
            }
            Delivery::Down(device) => {
                self.links.remove(device);
                NetworkEvent::SyncDown { device }
            }
        }
    }
}

/// An event on its way to the host.
pub(crate) enum Delivery {
    Event(NetworkEvent),
    Up(DeviceId, Link),
    Down(DeviceId),
}

impl fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Event(_) => "Event",
            Self::Up(..) => "Up",
            Self::Down(_) => "Down",
        })
    }
}
