//! Who takes up places, by where it comes from: of many connections of one
//! origin and few of another the many give way.

use crate::address;
use libp2p::Multiaddr;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Where a connection comes from, as far as one sender can choose freely: an
/// IPv4 address, or the network of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    V4([u8; 4]),
    V6([u8; 8]),
    Unknown,
}

impl Origin {
    pub(crate) fn of(address: &Multiaddr) -> Self {
        match address::socket_of(address).map(|socket| socket.ip().to_canonical()) {
            Some(IpAddr::V4(ip)) => Self::V4(ip.octets()),
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
            None => Self::Unknown,
        }
    }
}

/// Returns the first of the connections whose origin has the most of them.
pub(crate) fn oldest_of_the_most<I: Copy>(
    connections: impl Iterator<Item = (I, Origin)> + Clone,
) -> Option<I> {
    let mut counts = BTreeMap::<Origin, usize>::new();
    for (_, origin) in connections.clone() {
        *counts.entry(origin).or_default() += 1;
    }
    let most = counts.values().copied().max();
    let mut crowded = connections.filter(|(_, origin)| counts.get(origin).copied() == most);
    crowded.next().map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        Origin::of(&address.parse().unwrap())
    }

    #[test]
    fn an_origin_is_an_ipv4_address_or_the_network_of_an_ipv6_one() {
        let here = origin("/ip4/10.0.0.1/tcp/1");
        assert_eq!(here, origin("/ip4/10.0.0.1/tcp/2"));
        assert_eq!(here, origin("/ip6/::ffff:10.0.0.1/tcp/1"));
        assert_ne!(here, origin("/ip4/10.0.0.2/tcp/1"));
        let network = origin("/ip6/2001:db8:0:1::1/tcp/1");
        assert_eq!(network, origin("/ip6/2001:db8:0:1:ff::2/tcp/1"));
        assert_ne!(network, origin("/ip6/2001:db8:0:2::1/tcp/1"));
    }

    #[test]
    fn the_oldest_of_the_origin_with_the_most_connections_is_found() {
        let (one, other) = (origin("/ip4/10.0.0.1/tcp/1"), origin("/ip4/10.0.0.2/tcp/1"));
        let connections = [(1, one), (2, other), (3, other), (4, one), (5, other)];
        assert_eq!(oldest_of_the_most(connections.into_iter()), Some(2));
        assert_eq!(oldest_of_the_most(connections[..2].iter().copied()), Some(1));
        assert_eq!(oldest_of_the_most(std::iter::empty::<(u8, Origin)>()), None);
    }
}
