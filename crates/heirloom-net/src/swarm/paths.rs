//! The ways between two devices that cannot dial each other: a keeper's relay,
//! and from there, where the networks allow it, a hole for a direct connection.

use crate::config::{NetworkConfig, Timing};
use crate::limits;
use libp2p::identity::PublicKey;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{dcutr, identify, relay};
use std::num::NonZeroU32;
use std::time::Duration;

/// The version by which devices tell each other that they are of one kind.
const IDENTITY_VERSION: &str = "/heirloom/1";
const ASKS: NonZeroU32 = NonZeroU32::new(limits::RELAY_ASKS_MAX).expect("no zero");

/// The behaviours of libp2p that find these ways. Only members reach them.
#[derive(NetworkBehaviour)]
pub(crate) struct Paths {
    /// Relays, where this device is a keeper.
    relay: Toggle<relay::Behaviour>,
    /// Reserves at relays, and dials through them.
    circuits: relay::client::Behaviour,
    /// Learns from members as what address this device appears to them.
    identify: identify::Behaviour,
    /// Turns a circuit into a direct connection.
    punch: Toggle<dcutr::Behaviour>,
}

impl Paths {
    pub(super) fn new(
        config: &NetworkConfig,
        timing: Timing,
        key: PublicKey,
        circuits: relay::client::Behaviour,
    ) -> Self {
        let me = key.to_peer_id();
        let relay = config.keeper.then(|| {
            let mut relay = relay::Behaviour::new(me, relay_config());
            // Whether it can be reached from outside is for those who try to find out.
            relay.set_status(Some(relay::Status::Enable));
            relay
        });
        let identify = identify::Config::new(IDENTITY_VERSION.to_owned(), key)
            .with_agent_version("heirloom".to_owned())
            .with_interval(Duration::from_millis(limits::IDENTIFY_MS))
            .with_cache_size(0)
            .with_hide_listen_addrs(true);
        Self {
            relay: relay.into(),
            circuits,
            identify: identify::Behaviour::new(identify),
            punch: timing.punch.then(|| dcutr::Behaviour::new(me)).into(),
        }
    }
}

/// The relay serves members, who share one address and move much: what it
/// counts is how many they are, not how many bytes.
fn relay_config() -> relay::Config {
    let pause = Duration::from_millis(limits::RELAY_ASK_MS);
    relay::Config {
        max_reservations: limits::RESERVATIONS_MAX,
        max_reservations_per_peer: limits::PEER_RESERVATIONS_MAX,
        reservation_duration: Duration::from_millis(limits::RESERVATION_MS_MAX),
        reservation_rate_limiters: Vec::new(),
        max_circuits: limits::CIRCUITS_MAX,
        max_circuits_per_peer: limits::PEER_CIRCUITS_MAX,
        max_circuit_duration: Duration::from_millis(limits::CIRCUIT_MS_MAX),
        // No limit.
        max_circuit_bytes: 0,
        circuit_src_rate_limiters: Vec::new(),
    }
    .reservation_rate_per_peer(ASKS, pause)
    .circuit_src_per_peer(ASKS, pause)
}
