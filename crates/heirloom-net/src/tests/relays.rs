use super::*;
use crate::{DialError, OpenError, Protocol};
use tokio::sync::mpsc;

/// Devices that punch no holes: circuits stay.
fn walled() -> Timing {
    Timing { punch: false, ..Timing::default() }
}

async fn keeper_of(seed: u8, members: &[DeviceId]) -> Node {
    let config = NetworkConfig { keeper: true, ..config(seed) };
    let (network, events) = swarm::start(config, Timing::default()).await.unwrap();
    let keeper = Node { network, events };
    keeper.members(members).await;
    keeper
}

/// A member that is connected with the keeper and reserves there.
async fn guest(seed: u8, timing: Timing, keeper: &Node, others: &[DeviceId]) -> Node {
    let node = Node::start_with(seed, timing).await;
    let members: Vec<_> = others.iter().copied().chain([keeper.id()]).collect();
    node.members(&members).await;
    node.network.set_keepers([keeper.id()].into()).await;
    node.dial(keeper).await;
    node
}

/// Passes on what a device's network tells while nobody else asks.
fn listen(node: Node) -> (Network, mpsc::Receiver<NetworkEvent>) {
    let (told, heard) = mpsc::channel(1_000);
    let Node { network, mut events } = node;
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if told.send(event).await.is_err() {
                return;
            }
        }
    });
    (network, heard)
}

async fn next<T>(
    what: &str,
    heard: &mut mpsc::Receiver<NetworkEvent>,
    mut pick: impl FnMut(NetworkEvent) -> Option<T>,
) -> T {
    let found = async {
        loop {
            if let Some(found) = pick(heard.recv().await.expect("the network runs")) {
                return found;
            }
        }
    };
    soon(what, found).await
}

/// Dials through the keeper until that leads to the device.
async fn through(from: &Network, keeper: DeviceId, to: DeviceId) {
    let reached = async {
        while from.dial_through(to, vec![keeper]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("a circuit", reached).await;
}

fn connections(network: &Network, with: DeviceId) -> usize {
    network.counters().peers.get(&with).map_or(0, |peer| peer.connections)
}

#[tokio::test]
async fn two_members_meet_through_a_keeper_and_go_on_without_it() {
    let (lower, higher) = seeds();
    let ids = [device(lower), device(higher)];
    let keeper = keeper_of(100, &ids).await;
    let keeper_id = keeper.id();
    let (lower, mut lower_heard) = listen(guest(lower, Timing::default(), &keeper, &ids).await);
    let (higher, mut higher_heard) = listen(guest(higher, Timing::default(), &keeper, &ids).await);
    let (keeper, _heard) = listen(keeper);
    through(&higher, keeper_id, ids[0]).await;
    for (heard, other) in [(&mut lower_heard, ids[1]), (&mut higher_heard, ids[0])] {
        next("a direct way", heard, |event| match event {
            NetworkEvent::Connected { device, relayed, .. } if device == other => {
                assert!(relayed);
                None
            }
            NetworkEvent::Rerouted { device, relayed: false, outbound, .. } => {
                assert!(device == other && !outbound);
                Some(())
            }
            _ => None,
        })
        .await;
    }
    let one = async {
        while (connections(&lower, ids[1]), connections(&higher, ids[0])) != (1, 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("one connection", one).await;
    keeper.shutdown().await;
    let sent = async {
        while lower.send(ids[1], b"without a keeper".to_vec()).is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("a stream", sent).await;
    next("a frame", &mut higher_heard, |event| match event {
        NetworkEvent::Frame { bytes, .. } => (bytes == b"without a keeper").then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_circuit_carries_more_than_a_relay_is_used_to_and_ends_when_a_member_is_removed() {
    let (lower, higher) = seeds();
    let ids = [device(lower), device(higher)];
    let keeper = keeper_of(100, &ids).await;
    let keeper_id = keeper.id();
    let (lower, mut lower_heard) = listen(guest(lower, walled(), &keeper, &ids).await);
    let (_higher, mut higher_heard) = listen(guest(higher, walled(), &keeper, &ids).await);
    let (keeper, _heard) = listen(keeper);
    through(&lower, keeper_id, ids[1]).await;
    next("sync", &mut lower_heard, |event| {
        matches!(event, NetworkEvent::SyncUp { device } if device == ids[1]).then_some(())
    })
    .await;
    // The default of libp2p ends a circuit after 128 KiB.
    for _ in 0..16 {
        soon("room", lower.send_when_free(ids[1], vec![7; 200_000])).await.unwrap();
    }
    let mut frames = 0;
    next("all frames", &mut higher_heard, |event| {
        frames += usize::from(matches!(event, NetworkEvent::Frame { .. }));
        (frames == 16).then_some(())
    })
    .await;
    // Who has a circuit is dialled for a direct way all the same.
    let refused = lower.dial(Some(ids[1]), vec!["127.0.0.1:1".to_owned()]).await;
    assert!(matches!(refused, Err(DialError::Unreachable { .. })), "{refused:?}");
    // The keeper alone knows that one was revoked.
    keeper.set_members([ids[0]].into()).await;
    for (heard, other) in [(&mut lower_heard, ids[1]), (&mut higher_heard, ids[0])] {
        next("the end", heard, |event| {
            matches!(event, NetworkEvent::Disconnected { device } if device == other).then_some(())
        })
        .await;
    }
    assert!(lower.dial_through(ids[1], vec![keeper_id]).await.is_err());
}

#[tokio::test]
async fn a_stranger_neither_reserves_nor_is_relayed_to_nor_dials_through_a_keeper() {
    let (member, stranger) = seeds();
    let ids = [device(member), device(stranger)];
    let keeper = keeper_of(100, &ids[..1]).await;
    let keeper_id = keeper.id();
    // The stranger knows the protocols, and takes everybody for a member.
    let (member, _member_heard) = listen(guest(member, walled(), &keeper, &ids).await);
    let (stranger, _stranger_heard) = listen(guest(stranger, walled(), &keeper, &ids).await);
    let (keeper, _heard) = listen(keeper);
    // The member is known to be reachable, then it is tried.
    let friend = device(50);
    keeper.set_members([ids[0], friend].into()).await;
    let (_friend, _friend_heard) = {
        let node = Node::start_with(50, walled()).await;
        node.members(&[keeper_id, ids[0]]).await;
        node.network.set_keepers([keeper_id].into()).await;
        assert_eq!(node.network.dial(Some(keeper_id), keeper.addresses()).await, Ok(keeper_id));
        through(&node.network, keeper_id, ids[0]).await;
        listen(node)
    };
    let inward = member.dial_through(ids[1], vec![keeper_id]).await;
    assert!(matches!(inward, Err(DialError::Unreachable { .. })), "{inward:?}");
    let outward = stranger.dial_through(ids[0], vec![keeper_id]).await;
    assert!(matches!(outward, Err(DialError::Unreachable { .. })), "{outward:?}");
    assert_eq!(connections(&stranger, keeper_id), 1, "it was a stranger's turn, not its end");
}

#[tokio::test]
async fn who_comes_over_a_circuit_and_is_no_member_is_a_stranger() {
    let (house, other) = seeds();
    let ids = [device(house), device(other)];
    let keeper = keeper_of(100, &ids).await;
    let keeper_id = keeper.id();
    // The keeper is wrong about one of them, or lies.
    let (house, mut heard) = listen(guest(house, walled(), &keeper, &[]).await);
    let (other, _other_heard) = listen(guest(other, walled(), &keeper, &ids).await);
    let (_keeper, _heard) = listen(keeper);
    through(&other, keeper_id, ids[0]).await;
    let opened = other.opener.open(ids[0], Protocol::Sync).await;
    assert_eq!(opened.unwrap_err(), OpenError::Refused);
    let mut pairing = other.open_pairing(ids[0]).await.unwrap();
    drop(pairing.send(&vec![0; 200 * 1024]).await);
    // The meter counts below a circuit, too.
    next("the end", &mut heard, |event| match event {
        NetworkEvent::Connected { device, member, relayed, .. } if device == ids[1] => {
            assert!(relayed && !member);
            None
        }
        NetworkEvent::Disconnected { device } => (device == ids[1]).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(connections(&house, keeper_id), 1);
}

#[tokio::test]
async fn a_stranger_that_becomes_a_member_reserves_on_the_connection_that_it_has() {
    let (one, other) = seeds();
    let ids = [device(one), device(other)];
    let keeper = keeper_of(100, &ids[..1]).await;
    let keeper_id = keeper.id();
    let (one, _one_heard) = listen(guest(one, walled(), &keeper, &ids).await);
    let (_other, _other_heard) = listen(guest(other, walled(), &keeper, &ids).await);
    let (keeper, _heard) = listen(keeper);
    assert!(one.dial_through(ids[1], vec![keeper_id]).await.is_err());
    keeper.set_members(ids.into()).await;
    through(&one, keeper_id, ids[1]).await;
}

#[tokio::test]
async fn a_device_is_reached_directly_before_a_keeper_is_asked() {
    let (one, other) = seeds();
    let ids = [device(one), device(other)];
    let keeper = keeper_of(100, &ids).await;
    let keeper_id = keeper.id();
    let other = guest(other, walled(), &keeper, &ids).await;
    let addresses = other.network.addresses();
    let (_other, _other_heard) = listen(other);
    let (one, mut heard) = listen(guest(one, walled(), &keeper, &ids).await);
    let (_keeper, _heard) = listen(keeper);
    let relayed = |event| match event {
        NetworkEvent::Connected { device, relayed, .. } if device == ids[1] => Some(relayed),
        _ => None,
    };
    assert_eq!(one.reach(ids[1], addresses, vec![keeper_id]).await, Ok(ids[1]));
    assert!(!next("a connection", &mut heard, relayed).await);
    one.disconnect(ids[1]).await;
    let nowhere = vec!["127.0.0.1:1".to_owned()];
    let reached = async {
        while one.reach(ids[1], nowhere.clone(), vec![keeper_id]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("a circuit", reached).await;
    assert!(next("a connection", &mut heard, relayed).await);
}
