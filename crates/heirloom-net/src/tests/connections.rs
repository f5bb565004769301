use super::*;
use crate::{DialError, OpenError, StartError};
use std::net::TcpListener;

/// Waits until both sides count one connection with the other.
async fn settled(one: &mut Node, other: &mut Node) {
    let (one_id, other_id) = (one.id(), other.id());
    let count = |node: &Node, of: DeviceId| {
        node.network.counters().peers.get(&of).map_or(0, |peer| peer.connections)
    };
    let settled = async {
        while (count(one, other_id), count(other, one_id)) != (1, 1) {
            // The events must flow while the surplus connection ends.
            tokio::select! {
                event = one.events.recv() => drop(event),
                event = other.events.recv() => drop(event),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    };
    soon("one connection", settled).await;
}

#[tokio::test]
async fn two_devices_that_dial_each_other_at_once_end_with_one_connection() {
    for _ in 0..5 {
        let (lower, higher) = seeds();
        let (mut lower, mut higher) = (Node::start(lower).await, Node::start(higher).await);
        lower.members(&[higher.id()]).await;
        higher.members(&[lower.id()]).await;
        tokio::join!(lower.dial(&higher), higher.dial(&lower));
        settled(&mut lower, &mut higher).await;
        // The stream that stays carries frames, whichever connection it began on.
        let (to, network) = (higher.id(), lower.network.clone());
        let exchange = async {
            loop {
                tokio::select! {
                    event = higher.events.recv() => {
                        if matches!(event, Some(NetworkEvent::Frame { .. })) {
                            break;
                        }
                    }
                    event = lower.events.recv() => {
                        if matches!(event, Some(NetworkEvent::SyncUp { .. })) {
                            network.send(to, vec![1]).unwrap();
                        }
                    }
                    () = tokio::time::sleep(Duration::from_millis(20)) => {
                        drop(network.send(to, vec![1]));
                    }
                }
            }
        };
        soon("a frame", exchange).await;
        settled(&mut lower, &mut higher).await;
    }
}

#[tokio::test]
async fn a_member_that_is_removed_loses_its_connection_and_its_streams() {
    let (mut lower, mut higher) = pair().await;
    let mut chunks = higher.network.fetch_chunks(lower.id()).await.unwrap();
    lower.members(&[]).await;
    assert_eq!(lower.disconnected().await, higher.id());
    assert_eq!(higher.disconnected().await, lower.id());
    let fetched = soon("an error", chunks.fetch(heirloom_base::ChunkId([1; 32]))).await;
    assert!(fetched.is_err());
    assert!(lower.network.send(higher.id(), vec![1]).is_err());
}

#[tokio::test]
async fn a_disconnected_device_can_be_dialled_again() {
    let (mut lower, mut higher) = pair().await;
    lower.network.disconnect(higher.id()).await;
    assert_eq!(lower.disconnected().await, higher.id());
    assert_eq!(higher.disconnected().await, lower.id());
    lower.dial(&higher).await;
    assert_eq!(lower.sync_up().await, higher.id());
    assert_eq!(higher.sync_up().await, lower.id());
}

#[tokio::test]
async fn events_of_a_device_come_in_their_order() {
    let (lower, higher) = seeds();
    let (mut lower, higher) = (Node::start(lower).await, Node::start(higher).await);
    lower.members(&[higher.id()]).await;
    higher.members(&[lower.id()]).await;
    higher.dial(&lower).await;
    let mut seen = Vec::new();
    lower
        .until("the end", |event| {
            match event {
                NetworkEvent::Connected { member, outbound, .. } => {
                    assert!(member && !outbound);
                    seen.push("connected");
                }
                NetworkEvent::SyncUp { .. } => {
                    seen.push("up");
                    let network = higher.network.clone();
                    tokio::spawn(async move { network.shutdown().await });
                }
                NetworkEvent::SyncDown { .. } => seen.push("down"),
                NetworkEvent::Disconnected { .. } => return Some(()),
                _ => {}
            }
            None
        })
        .await;
    assert_eq!(seen, ["connected", "up", "down"]);
}

#[tokio::test]
async fn the_same_seed_is_the_same_device_after_a_restart() {
    let (lower, mut higher) = pair().await;
    let (id, seed) = (lower.id(), seeds().0);
    lower.network.shutdown().await;
    drop(lower);
    assert_eq!(higher.disconnected().await, id);
    let again = Node::start(seed).await;
    assert_eq!(again.id(), id);
    again.members(&[higher.id()]).await;
    higher.dial(&again).await;
    assert_eq!(higher.sync_up().await, id);
}

#[tokio::test]
async fn a_taken_port_is_another_one_or_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let wanted = NetworkConfig { listen: vec![format!("/ip4/127.0.0.1/tcp/{port}")], ..config(1) };
    let strict = NetworkConfig { port_fallback: false, ..wanted.clone() };
    assert!(matches!(Network::start(strict).await, Err(StartError::Listen { .. })));
    let (network, _events) = Network::start(wanted).await.unwrap();
    assert_ne!(network.port(), Some(port));
    assert_ne!(network.port(), Some(0));
}

#[tokio::test]
async fn two_nodes_never_share_a_port() {
    let first = Node::start(1).await;
    let port = first.network.port().unwrap();
    let same = NetworkConfig { listen: vec![format!("/ip4/127.0.0.1/tcp/{port}")], ..config(2) };
    let (second, _events) = Network::start(same).await.unwrap();
    assert_ne!(second.port(), Some(port));
}

#[tokio::test]
async fn every_interface_is_listened_on_when_none_is_named() {
    let config = NetworkConfig { listen: Vec::new(), port: 0, mdns: true, ..config(1) };
    let (network, _events) = Network::start(config).await.unwrap();
    let port = network.port().unwrap();
    let id = peer::peer_id_text(network.device());
    let local = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{id}");
    assert!(network.addresses().contains(&local), "{:?}", network.addresses());
    // Both families use one port, so that one number can be remembered.
    let ports = format!("/tcp/{port}/");
    assert!(network.addresses().iter().all(|address| address.contains(&ports)));
}

#[tokio::test]
async fn a_listen_address_that_is_none_is_named() {
    let bad = NetworkConfig { listen: vec!["127.0.0.1:1".to_owned()], ..config(1) };
    let refused = Network::start(bad).await.unwrap_err();
    assert_eq!(refused.to_string(), "not an address to listen on: \"127.0.0.1:1\"");
}

#[tokio::test]
async fn a_dial_says_why_it_failed() {
    let (node, other) = (Node::start(1).await, Node::start(2).await);
    let addresses = other.network.addresses();
    let port = other.network.port().unwrap();
    let itself = node.network.dial(Some(node.id()), addresses.clone()).await;
    assert_eq!(itself, Err(DialError::Itself));
    let wrong = node.network.dial(Some(device(3)), vec![format!("127.0.0.1:{port}")]).await;
    assert_eq!(wrong, Err(DialError::WrongDevice { obtained: other.id() }));
    assert_eq!(node.network.dial(Some(device(3)), Vec::new()).await, Err(DialError::NoAddress));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = node.network.dial(Some(device(3)), vec![free.to_string()]).await;
    assert!(matches!(nobody, Err(DialError::Unreachable { .. })), "{nobody:?}");
    other.network.shutdown().await;
    let addresses = node.network.addresses();
    assert_eq!(other.network.dial(Some(node.id()), addresses).await, Err(DialError::Stopped));
}

#[tokio::test]
async fn whoever_answers_at_an_address_can_be_dialled_without_knowing_it() {
    let (mut node, other) = (Node::start(1).await, Node::start(2).await);
    let port = other.network.port().unwrap();
    let answered = node.network.dial(None, vec![format!("localhost:{port}")]).await;
    assert_eq!(answered, Ok(other.id()));
    let (address, member) = node
        .until("connected", |event| match event {
            NetworkEvent::Connected { address, member, .. } => Some((address, member)),
            _ => None,
        })
        .await;
    assert!(!member);
    assert_eq!(
        node.network.dial(Some(other.id()), vec![address]).await,
        Ok(other.id()),
        "what is reported can be dialled"
    );
}

#[tokio::test]
async fn a_device_that_is_not_connected_cannot_be_talked_to() {
    let node = Node::start(1).await;
    assert_eq!(node.network.fetch_chunks(device(2)).await.unwrap_err(), OpenError::NotConnected);
    assert_eq!(node.network.open_pairing(device(2)).await.unwrap_err(), OpenError::NotConnected);
    assert_eq!(node.network.open_sync(device(2)).await, Err(OpenError::NotConnected));
}
