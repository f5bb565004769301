//! The start: keys, transport, listeners.

use super::circuits::Reservations;
use super::interfaces::Interfaces;
use super::paths::Paths;
use super::peers::Peers;
use super::{Driver, Household};
use crate::address;
use crate::config::{NetworkConfig, Timing};
use crate::error::StartError;
use crate::event::{NetworkEvent, NetworkEvents};
use crate::gate::Gate;
use crate::limits;
use crate::members::{Members, MembersOnly};
use crate::meter::Meters;
use crate::network::Network;
use crate::opened::Opener;
use crate::peer;
use crate::porch::Porch;
use crate::shared::Shared;
use crate::streams::Paced;
use futures::{FutureExt, StreamExt};
use heirloom_base::limits::{DEVICES_MAX, STRANGER_BYTES_MAX};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, ListenerId, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::{Keypair, PublicKey};
use libp2p::swarm::{self, Swarm, SwarmEvent};
use libp2p::{PeerId, Transport, TransportError, mdns, noise, relay, tcp, yamux};
use rustix::net::sockopt::set_tcp_user_timeout;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Binds the listeners and begins the swarm's task.
pub(crate) async fn start(
    config: NetworkConfig,
    timing: Timing,
) -> Result<(Network, NetworkEvents), StartError> {
    let keys = peer::keypair_of(&config.seed);
    let device = peer::device_of_seed(&config.seed);
    let me = keys.public().to_peer_id();
    let stranger_bytes_max = STRANGER_BYTES_MAX + limits::STRANGER_OVERHEAD_BYTES_MAX;
    let meters = Meters::new(stranger_bytes_max as u64);
    let shared = Arc::new(Shared::default());
    let (circuits, dials) = relay::client::new(me);
    let transport = transport(&keys, &meters, circuits)?;
    let transport = Porch::new(transport, shared.strangers_refused.clone()).boxed();
    let (behaviour, warning) = household(&config, timing, keys.public(), dials, &shared);
    let swarm_config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_millis(limits::DUPLICATE_IDLE_MS))
        .with_max_negotiating_inbound_streams(limits::INBOUND_STREAMS_MAX);
    let mut swarm = Swarm::new(transport, behaviour, me, swarm_config);
    let (port, first_events) = listen(&mut swarm, &config).await?;

    let (commands, received) = mpsc::channel(limits::COMMANDS_MAX);
    let (deliver, deliveries) = mpsc::channel(limits::EVENTS_MAX);
    let (reporter, reports) = mpsc::channel(DEVICES_MAX);
    let opener = Opener { commands: commands.downgrade(), wait: timing.stream_open };
    let mut driver = Driver {
        swarm,
        me,
        device,
        timing,
        meters,
        shared: shared.clone(),
        opener: opener.clone(),
        commands: received,
        reports,
        reporter,
        deliveries: deliver,
        outbox: VecDeque::new(),
        peers: Peers::default(),
        dials: super::Dials::default(),
        reservations: Reservations::default(),
        keeper: config.keeper,
        outward: None,
        interfaces: Interfaces::watch(),
        due: BTreeMap::new(),
        next_due: 0,
        next_ticket: 0,
        pairing: false,
        leaving: None,
    };
    for event in first_events {
        driver.on_swarm(event);
    }
    if let Some(text) = warning {
        driver.tell(NetworkEvent::Warning { text });
    }
    driver.share_addresses();
    let links = shared.links.clone();
    drop(tokio::spawn(driver.run()));
    let network = Network { device, port, commands, opener, shared, timing };
    Ok((network, NetworkEvents { deliveries, links }))
}

/// TCP and circuits through relays, metered below Noise and Yamux.
/// For how long the system sends again what nobody acknowledges, also of a connection
/// that was closed here: while it does, the same two ports make no other connection,
/// which is what devices behind routers try when their addresses have changed.
const UNHEARD: Duration = Duration::from_secs(30);

fn transport(
    keys: &Keypair,
    meters: &Meters,
    circuits: relay::client::Transport,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, StartError> {
    let noise = noise::Config::new(keys)
        .map_err(|error| StartError::Encryption { reason: error.to_string() })?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(limits::CONNECTION_STREAMS_MAX);
    let (raw, relayed, proven) = (meters.clone(), meters.clone(), meters.clone());
    let tcp_config = tcp::Config::default().nodelay(true).listen_backlog(limits::BACKLOG_MAX);
    let tcp = tcp::tokio::Transport::new(tcp_config).map(move |socket, point| {
        let limit = u32::try_from(UNHEARD.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = set_tcp_user_timeout(&socket.0, limit) {
            tracing::debug!(%error, "the system keeps what is not acknowledged as long as it likes");
        }
        let local = socket.0.local_addr().ok().map(|address| address.ip());
        raw.meter(socket, local, &point)
    });
    let circuits = circuits.map(move |circuit, point| relayed.meter(circuit, None, &point));
    // TCP would take the relay's address for the device's own.
    let upgraded = OrTransport::new(circuits, tcp)
        .upgrade(Version::V1)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(Duration::from_millis(limits::DIAL_MS_MAX));
    let transport = upgraded.map(move |(peer, muxer), point| {
        proven.prove(peer, &point);
        (peer, StreamMuxerBox::new(Paced::new(muxer)))
    });
    Ok(transport.boxed())
}

/// Returns the behaviours, and what does not work of them.
fn household(
    config: &NetworkConfig,
    timing: Timing,
    key: PublicKey,
    circuits: relay::client::Behaviour,
    shared: &Shared,
) -> (Household, Option<String>) {
    let me = key.to_peer_id();
    let connections_max =
        if config.keeper { limits::KEEPER_CONNECTIONS_MAX } else { limits::CONNECTIONS_MAX };
    // One of them speaks one family; a network may have either.
    let nearby = |enable_ipv6: bool| {
        let settings = mdns::Config { enable_ipv6, ..mdns::Config::default() };
        config.mdns.then(|| mdns::tokio::Behaviour::new(settings, me)).transpose()
    };
    let (mdns_v4, mdns_v6, warning) = match nearby(false).and_then(|v4| Ok((v4, nearby(true)?))) {
        Ok((v4, v6)) => (v4, v6, None),
        Err(error) => (None, None, Some(format!("devices nearby cannot be discovered: {error}"))),
    };
    let members = Members::default();
    let (refused, dropped) = (shared.strangers_refused.clone(), shared.streams_dropped.clone());
    let paths = MembersOnly::new(Paths::new(config, timing, key, circuits), members.clone());
    let gate = Gate::new(members, connections_max, refused, dropped);
    (Household { gate, mdns_v4: mdns_v4.into(), mdns_v6: mdns_v6.into(), paths }, warning)
}

type FirstEvents = Vec<SwarmEvent<super::HouseholdEvent>>;

/// Binds every listener and waits a moment for their addresses. Returns the
/// first port and what the swarm said meanwhile.
async fn listen(
    swarm: &mut Swarm<Household>,
    config: &NetworkConfig,
) -> Result<(Option<u16>, FirstEvents), StartError> {
    let mut unheard = Vec::new();
    if config.listen.is_empty() {
        bind_everywhere(swarm, config, &mut unheard)?;
    }
    for text in &config.listen {
        let socket = address::listen_socket(text)
            .ok_or_else(|| StartError::BadAddress { address: text.clone() })?;
        let free = match socket.port() {
            0 => Ok(socket),
            _ => free_port(socket, config.port_fallback),
        };
        let free = free.map_err(|source| StartError::Listen { address: text.clone(), source })?;
        unheard.push(bind(swarm, free)?);
    }
    let until = Instant::now() + Duration::from_millis(limits::LISTEN_MS_MAX);
    let mut events = Vec::new();
    while !unheard.is_empty()
        && let Ok(event) = timeout_at(until, swarm.select_next_some()).await
    {
        if let SwarmEvent::NewListenAddr { listener_id, .. } = &event {
            unheard.retain(|id| id != listener_id);
        }
        events.push(event);
    }
    // The other interfaces follow at once, where they are known.
    while let Some(Some(event)) = swarm.next().now_or_never() {
        events.push(event);
    }
    let port = swarm.listeners().find_map(address::socket_of).map(|socket| socket.port());
    Ok((port, events))
}

/// Binds every interface: IPv4 must work, IPv6 may be missing.
fn bind_everywhere(
    swarm: &mut Swarm<Household>,
    config: &NetworkConfig,
    bound: &mut Vec<ListenerId>,
) -> Result<(), StartError> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), config.port);
    let v4 = free_port(v4, config.port_fallback)
        .map_err(|source| StartError::Listen { address: v4.to_string(), source })?;
    // Both families use one port: a socket of this kind needs it in both.
    let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), v4.port());
    let port = free_port(v6, config.port_fallback).unwrap_or(v6).port();
    let first = bind(swarm, SocketAddr::new(v4.ip(), port));
    let second = bind(swarm, SocketAddr::new(v6.ip(), port));
    match (first, second) {
        (Ok(first), Ok(second)) => bound.extend([first, second]),
        (Ok(one), Err(error)) | (Err(error), Ok(one)) => {
            tracing::debug!(%error, "one address family is missing");
            bound.push(one);
        }
        (Err(error), Err(_)) => return Err(error),
    }
    Ok(())
}

/// Binds one address.
fn bind(swarm: &mut Swarm<Household>, socket: SocketAddr) -> Result<ListenerId, StartError> {
    swarm.listen_on(address::multiaddr(socket)).map_err(|error| {
        let source = match error {
            TransportError::Other(error) => error,
            TransportError::MultiaddrNotSupported(_) => io::ErrorKind::Unsupported.into(),
        };
        StartError::Listen { address: socket.to_string(), source }
    })
}

/// Returns the address with its port if that is free, or with any free one if
/// it is taken and another is allowed. The transport itself would share a taken
/// port silently (`SO_REUSEPORT`).
fn free_port(wanted: SocketAddr, port_fallback: bool) -> io::Result<SocketAddr> {
    match TcpListener::bind(wanted) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && port_fallback => {
            TcpListener::bind(SocketAddr::new(wanted.ip(), 0))?.local_addr()
        }
        Err(error) => Err(error),
        Ok(listener) => listener.local_addr(),
    }
}
