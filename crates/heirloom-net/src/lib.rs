//! The network of a household: encrypted connections between its devices and
//! the few conversations that run over them.
//!
//! It is not the core: it knows who is a member only because it was told
//! ([`Network::set_members`]), never opens what it carries, and keeps nothing
//! on disk. libp2p lives here and nowhere else: devices are
//! [`heirloom_base::DeviceId`]s, addresses are multiaddresses as text.
//!
//! A walk: [`Network::start`] binds the listeners and hands back a handle and
//! the stream of [`NetworkEvent`]s. [`Network::dial`] reaches a device; the
//! gate looks whether it is a member. A stranger is offered `hello/1` and
//! `pair/1` only, for a few seconds and a few bytes. With a member the side
//! with the lower identity opens `sync/1`; both sides then see
//! [`NetworkEvent::SyncUp`], exchange frames ([`Network::send`],
//! [`NetworkEvent::Frame`]) and fetch chunks ([`Network::fetch_chunks`]) until
//! [`NetworkEvent::SyncDown`].
//!
//! Architecture invariant: no call waits for ever and no queue grows without a
//! limit ([`limits`]). A host that reads its events slowly slows its peers
//! down; it never blocks its own calls.

mod address;
mod blob;
mod command;
mod config;
mod counters;
mod crowd;
mod error;
mod event;
mod framed;
mod gate;
pub mod limits;
mod link;
mod members;
mod meter;
mod network;
mod opened;
mod pace;
mod pairing;
mod peer;
mod porch;
mod protocol;
mod session;
mod shared;
mod streams;
mod swarm;

pub use blob::BlobStream;
pub use config::{DEFAULT_PORT, NetworkConfig};
pub use counters::{Counters, PeerCounters, Traffic};
pub use error::{DialError, OpenError, ParsePeerError, SendError, StartError, StreamError};
pub use event::{NetworkEvent, NetworkEvents};
pub use network::Network;
pub use pairing::PairingStream;
pub use peer::{device_of_peer_text, device_of_seed, peer_id_text};
pub use protocol::Protocol;

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test picks the events that it is about")]
mod tests;
