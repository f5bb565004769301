//! Addresses as text, and the names in them.

use crate::error::DialError;
use crate::limits;
use crate::peer;
use futures::future::join_all;
use heirloom_base::DeviceId;
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// Where to dial, and who has to answer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) peer: Option<PeerId>,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// A text that was understood.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    peer: Option<PeerId>,
    place: Place,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Socket(SocketAddr),
    Name { host: String, port: u16, family: Family },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Any,
    V4,
    V6,
}

/// Resolves texts to dial targets. What cannot be used is left out as long as
/// something remains.
///
/// # Errors
/// When nothing remains: the reason of the last text.
pub(crate) async fn targets(
    device: Option<DeviceId>,
    texts: &[String],
) -> Result<Vec<Target>, DialError> {
    let wanted = match device {
        Some(device) => Some(peer::peer_of(device).ok_or(DialError::NoAddress)?),
        None => None,
    };
    let texts = texts.iter().take(limits::DIAL_ADDRESSES_MAX);
    let mut failure = DialError::NoAddress;
    let mut found: Vec<Target> = Vec::new();
    for resolved in join_all(texts.map(|text| resolve(text))).await {
        match resolved {
            Ok((named, addresses)) => match (wanted, named) {
                (Some(wanted), Some(named)) if wanted != named => {
                    if let Some(obtained) = peer::device_of(&named) {
                        failure = DialError::WrongDevice { obtained };
                    }
                }
                _ => add(&mut found, wanted.or(named), addresses),
            },
            Err(error) => failure = error,
        }
    }
    match (found.is_empty(), wanted, &failure) {
        // Discovery may still know where the device is.
        (true, Some(_), DialError::NoAddress) => {
            Ok(vec![Target { peer: wanted, addresses: Vec::new() }])
        }
        (true, _, _) => Err(failure),
        (false, _, _) => Ok(found),
    }
}

fn add(found: &mut Vec<Target>, peer: Option<PeerId>, addresses: Vec<Multiaddr>) {
    match found.iter_mut().find(|target| peer.is_some() && target.peer == peer) {
        Some(target) => target.addresses.extend(addresses),
        None if peer.is_some() => found.push(Target { peer, addresses }),
        None => found.extend(
            addresses.into_iter().map(|address| Target { peer: None, addresses: vec![address] }),
        ),
    }
}

async fn resolve(text: &str) -> Result<(Option<PeerId>, Vec<Multiaddr>), DialError> {
    let parsed = parse(text).ok_or_else(|| DialError::BadAddress { address: text.to_owned() })?;
    let addresses = match parsed.place {
        Place::Socket(socket) => vec![multiaddr(socket)],
        Place::Name { host, port, family } => {
            let looked_up =
                timeout(Duration::from_millis(limits::LOOKUP_MS_MAX), lookup_host((host, port)));
            let sockets = looked_up.await.ok().and_then(Result::ok).into_iter().flatten();
            sockets
                .filter(|socket| match family {
                    Family::Any => true,
                    Family::V4 => socket.is_ipv4(),
                    Family::V6 => socket.is_ipv6(),
                })
                .map(multiaddr)
                .collect()
        }
    };
    if addresses.is_empty() {
        return Err(DialError::Unresolved { address: text.to_owned() });
    }
    Ok((parsed.peer, addresses))
}

fn parse(text: &str) -> Option<Parsed> {
    if text.starts_with('/') {
        return parse_multiaddr(&text.parse().ok()?);
    }
    if let Ok(socket) = text.parse() {
        return Some(Parsed { peer: None, place: Place::Socket(socket) });
    }
    let (host, port) = text.rsplit_once(':')?;
    let named = !host.is_empty() && !host.contains([':', '/', ' ']);
    let place =
        Place::Name { host: host.to_owned(), port: port.parse().ok()?, family: Family::Any };
    named.then_some(Parsed { peer: None, place })
}

fn parse_multiaddr(address: &Multiaddr) -> Option<Parsed> {
    let mut parts = address.iter();
    let host = parts.next()?;
    let Some(Part::Tcp(port)) = parts.next() else {
        return None;
    };
    let name = |host: &str, family| Place::Name { host: host.to_owned(), port, family };
    #[expect(clippy::wildcard_enum_match_arm, reason = "multiaddresses know dozens of parts")]
    let place = match host {
        Part::Ip4(ip) => Place::Socket(SocketAddr::new(IpAddr::V4(ip), port)),
        Part::Ip6(ip) => Place::Socket(SocketAddr::new(IpAddr::V6(ip), port)),
        Part::Dns(host) => name(&host, Family::Any),
        Part::Dns4(host) => name(&host, Family::V4),
        Part::Dns6(host) => name(&host, Family::V6),
        _ => return None,
    };
    let peer = match parts.next() {
        None => None,
        Some(Part::P2p(peer)) => Some(peer),
        Some(_) => return None,
    };
    parts.next().is_none().then_some(Parsed { peer, place })
}

/// Returns the socket address to listen on, if the text is a TCP multiaddress
/// with an IP address.
pub(crate) fn listen_socket(text: &str) -> Option<SocketAddr> {
    match parse_multiaddr(&text.parse().ok()?)? {
        Parsed { peer: None, place: Place::Socket(socket) } => Some(socket),
        Parsed { .. } => None,
    }
}

/// Returns the socket address of a TCP multiaddress.
pub(crate) fn socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    match parse_multiaddr(address)?.place {
        Place::Socket(socket) => Some(socket),
        Place::Name { .. } => None,
    }
}

/// Returns the address without the peer that answers there, so that one place
/// always reads alike.
pub(crate) fn place_of(address: &Multiaddr) -> Multiaddr {
    let mut place = address.clone();
    if address.iter().count() > 1 && matches!(address.iter().last(), Some(Part::P2p(_))) {
        place.pop();
    }
    place
}

/// Returns whether an address is one over a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Part::P2pCircuit)
}

/// Returns the address at which a relay that answers at `address` relays.
pub(crate) fn at_relay(address: &Multiaddr, relay: PeerId) -> Multiaddr {
    place_of(address).with(Part::P2p(relay)).with(Part::P2pCircuit)
}

/// Returns the multiaddress of a socket address.
pub(crate) fn multiaddr(socket: SocketAddr) -> Multiaddr {
    Multiaddr::empty().with(Part::from(socket.ip())).with(Part::Tcp(socket.port()))
}

/// Returns an address with the peer id that answers there.
pub(crate) fn with_peer(address: &Multiaddr, peer: PeerId) -> String {
    match address.iter().last() {
        Some(Part::P2p(_)) => address.to_string(),
        Some(_) | None => address.clone().with(Part::P2p(peer)).to_string(),
    }
}

/// Returns whether others can be told this address: a link-local IPv6 address
/// means nothing without the interface.
pub(crate) fn is_worth_telling(address: &Multiaddr) -> bool {
    socket_of(address).is_some_and(|socket| match socket.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_unicast_link_local(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer_text() -> String {
        peer::peer_id_text(peer::device_of_seed(&[1; 32]))
    }

    fn device() -> DeviceId {
        peer::device_of_seed(&[1; 32])
    }

    #[test]
    fn texts_that_are_no_tcp_address_are_refused() {
        for text in [
            "",
            "/",
            "host",
            ":1",
            "host:",
            "host:70000",
            "a b:1",
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/udp/1/quic-v1",
            "/ip4/1.2.3.4/tcp/1/ws",
            "/memory/1",
            "::1:80:",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn sockets_names_and_multiaddresses_are_understood() {
        let name = |host: &str, port, family| Place::Name { host: host.to_owned(), port, family };
        let socket = |text: &str| Place::Socket(text.parse().unwrap());
        for (text, place) in [
            ("10.0.0.1:5", socket("10.0.0.1:5")),
            ("[::1]:5", socket("[::1]:5")),
            ("/ip4/10.0.0.1/tcp/5", socket("10.0.0.1:5")),
            ("/ip6/::1/tcp/5", socket("[::1]:5")),
            ("keeper.example:5", name("keeper.example", 5, Family::Any)),
            ("/dns/keeper.example/tcp/5", name("keeper.example", 5, Family::Any)),
            ("/dns4/keeper.example/tcp/5", name("keeper.example", 5, Family::V4)),
            ("/dns6/keeper.example/tcp/5", name("keeper.example", 5, Family::V6)),
        ] {
            assert_eq!(parse(text), Some(Parsed { peer: None, place }), "{text}");
        }
        let with_peer = parse(&format!("/ip4/10.0.0.1/tcp/5/p2p/{}", peer_text())).unwrap();
        assert_eq!(with_peer.peer, peer::peer_of(device()));
    }

    #[tokio::test]
    async fn one_bad_address_does_not_spoil_the_good_ones() {
        let texts = ["nonsense".to_owned(), "127.0.0.1:5".to_owned(), "/ip6/::1/tcp/6".to_owned()];
        let found = targets(Some(device()), &texts).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].peer, peer::peer_of(device()));
        assert_eq!(found[0].addresses.len(), 2);
        assert_eq!(
            targets(None, &texts[..1]).await,
            Err(DialError::BadAddress { address: "nonsense".to_owned() })
        );
    }

    #[tokio::test]
    async fn an_address_of_somebody_else_is_not_dialled() {
        let other = peer::device_of_seed(&[2; 32]);
        let text = format!("/ip4/10.0.0.1/tcp/5/p2p/{}", peer_text());
        assert_eq!(
            targets(Some(other), &[text]).await,
            Err(DialError::WrongDevice { obtained: device() })
        );
    }

    #[tokio::test]
    async fn unknown_devices_are_tried_one_by_one_and_known_ones_together() {
        let peer = peer_text();
        let texts = [
            "127.0.0.1:5".to_owned(),
            "127.0.0.1:6".to_owned(),
            format!("/ip4/127.0.0.1/tcp/7/p2p/{peer}"),
            format!("/ip4/127.0.0.1/tcp/8/p2p/{peer}"),
        ];
        let found = targets(None, &texts).await.unwrap();
        let sizes: Vec<_> =
            found.iter().map(|target| (target.peer.is_some(), target.addresses.len())).collect();
        assert_eq!(sizes, [(false, 1), (false, 1), (true, 2)]);
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_named() {
        let text = "heirloom.invalid:5".to_owned();
        assert_eq!(
            targets(None, std::slice::from_ref(&text)).await,
            Err(DialError::Unresolved { address: text })
        );
    }
}
