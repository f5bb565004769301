//! What a network is started with.

use heirloom_base::limits;
use std::fmt;
use std::time::Duration;

/// The TCP port of a node that was not told another one.
pub const DEFAULT_PORT: u16 = 47_470;

/// What a network is started with.
#[derive(Clone)]
pub struct NetworkConfig {
    /// Seed of the device's ed25519 key, which is its identity.
    pub seed: [u8; 32],
    /// Multiaddresses to listen on, all of which must bind; when empty, every
    /// interface on [`NetworkConfig::port`], over IPv4 and, where there is
    /// one, IPv6.
    pub listen: Vec<String>,
    /// TCP port used when `listen` is empty; 0 takes any free one.
    pub port: u16,
    /// Whether another port may be taken when the wanted one is in use.
    pub port_fallback: bool,
    /// Whether to look for devices on the local network, and be seen there.
    pub mdns: bool,
    /// Whether this device is a keeper, which has room for more connections.
    pub keeper: bool,
}

impl NetworkConfig {
    /// Returns the usual configuration of the device with this seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            listen: Vec::new(),
            port: DEFAULT_PORT,
            port_fallback: true,
            mdns: true,
            keeper: false,
        }
    }
}

impl fmt::Debug for NetworkConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NetworkConfig")
            .field("listen", &self.listen)
            .field("port", &self.port)
            .field("port_fallback", &self.port_fallback)
            .field("mdns", &self.mdns)
            .field("keeper", &self.keeper)
            .finish_non_exhaustive()
    }
}

/// What tests set otherwise: times, mostly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) stranger: Duration,
    pub(crate) pairing: Duration,
    pub(crate) ping: Duration,
    pub(crate) ping_timeout: Duration,
    /// Wait for a sign of life when a connection is in doubt.
    pub(crate) life: Duration,
    pub(crate) stream_open: Duration,
    /// Time within which two dials can cross.
    pub(crate) crossing: Duration,
    /// Whether circuits are made direct.
    pub(crate) punch: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            stranger: Duration::from_millis(limits::STRANGER_MS_MAX as u64),
            pairing: Duration::from_millis(limits::PAIRING_MS_MAX as u64),
            ping: Duration::from_millis(limits::PING_MS as u64),
            ping_timeout: Duration::from_millis(limits::PING_TIMEOUT_MS as u64),
            life: Duration::from_millis(crate::limits::LIFE_MS_MAX),
            stream_open: Duration::from_millis(limits::STREAM_OPEN_MS_MAX as u64),
            crossing: Duration::from_millis(crate::limits::DIAL_MS_MAX),
            punch: true,
        }
    }
}
