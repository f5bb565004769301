use super::*;
use crate::OpenError;
use crate::limits::HANDSHAKES_MAX;
use crate::protocol::Protocol;
use heirloom_base::limits::STRANGERS_MAX;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn impatient() -> Timing {
    Timing { stranger: Duration::from_millis(300), ..Timing::default() }
}

async fn pairing(node: &mut Node) -> crate::PairingStream {
    node.until("a pairing", |event| match event {
        NetworkEvent::Pairing { stream, .. } => Some(stream),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_stranger_reaches_neither_sync_nor_chunks() {
    for (stranger, house) in [seeds(), (seeds().1, seeds().0)] {
        let (mut stranger, mut house) = (Node::start(stranger).await, Node::start(house).await);
        // The stranger takes the house for a member and would serve it.
        stranger.members(&[house.id()]).await;
        stranger.dial(&house).await;
        for protocol in [Protocol::Sync, Protocol::Blob] {
            let opened = stranger.network.opener.open(house.id(), protocol).await;
            assert_eq!(opened.unwrap_err(), OpenError::Refused, "{protocol:?}");
        }
        assert!(stranger.network.open_pairing(house.id()).await.is_ok());
        let up = |event| matches!(event, NetworkEvent::SyncUp { .. });
        stranger.network.disconnect(house.id()).await;
        for node in [&mut stranger, &mut house] {
            node.until("the end", |event| match event {
                NetworkEvent::Disconnected { .. } => Some(()),
                event => {
                    assert!(!up(event));
                    None
                }
            })
            .await;
        }
    }
}

#[tokio::test]
async fn one_stranger_too_many_is_sent_away_while_a_member_comes_in() {
    let mut house = Node::start(100).await;
    let mut strangers = Vec::new();
    for seed in 0..STRANGERS_MAX as u8 {
        let stranger = Node::start(seed).await;
        stranger.dial(&house).await;
        assert!(stranger.network.open_pairing(house.id()).await.is_ok());
        strangers.push(stranger);
    }
    let mut late = Node::start(50).await;
    // The dialler may see the connection for a moment before it is closed.
    if late.network.dial(Some(house.id()), house.network.addresses()).await.is_ok() {
        late.disconnected().await;
    }
    assert_eq!(house.network.counters().strangers_refused, 1);
    house.members(&[device(51)]).await;
    let member = Node::start(51).await;
    member.dial(&house).await;
    let connected = house
        .until("the member", |event| match event {
            NetworkEvent::Connected { device, member: true, .. } => Some(device),
            _ => None,
        })
        .await;
    assert_eq!(connected, member.id());
}

#[tokio::test]
async fn a_stranger_that_stays_too_long_is_sent_away() {
    let mut house = Node::start_with(1, impatient()).await;
    let mut stranger = Node::start(2).await;
    stranger.dial(&house).await;
    assert_eq!(house.disconnected().await, stranger.id());
    assert_eq!(stranger.disconnected().await, house.id());
}

#[tokio::test]
async fn who_pairs_may_stay_while_an_invite_is_open_and_not_much_longer() {
    let mut house = Node::start_with(1, impatient()).await;
    let mut pairs = Node::start(2).await;
    let mut idles = Node::start(3).await;
    house.network.set_pairing(true).await;
    pairs.dial(&house).await;
    let mut here = pairs.network.open_pairing(house.id()).await.unwrap();
    let mut there = pairing(&mut house).await;
    idles.dial(&house).await;
    // The other stranger came later and goes first.
    assert_eq!(house.disconnected().await, idles.id());
    assert_eq!(idles.disconnected().await, house.id());
    here.send(b"still here").await.unwrap();
    assert_eq!(there.receive().await.unwrap(), b"still here");
    house.network.set_pairing(false).await;
    assert_eq!(house.disconnected().await, pairs.id());
    assert_eq!(pairs.disconnected().await, house.id());
    assert!(soon("an error", there.receive()).await.is_err());
}

#[tokio::test]
async fn a_stranger_that_sends_too_much_is_sent_away() {
    let mut house = Node::start(1).await;
    let mut stranger = Node::start(2).await;
    stranger.dial(&house).await;
    let mut stream = stranger.network.open_pairing(house.id()).await.unwrap();
    let sent = stream.send(&vec![0; 200 * 1024]).await;
    drop(sent);
    assert_eq!(house.disconnected().await, stranger.id());
    assert_eq!(stranger.disconnected().await, house.id());
    drop(stream);
}

#[tokio::test]
async fn a_stranger_that_becomes_a_member_needs_no_new_connection() {
    for dialler_is_lower in [true, false] {
        let (lower, higher) = seeds();
        let (mut lower, mut higher) = (
            Node::start_with(lower, impatient()).await,
            Node::start_with(higher, impatient()).await,
        );
        let (lower_id, higher_id) = (lower.id(), higher.id());
        let (dialler, other) = if dialler_is_lower { (&lower, &higher) } else { (&higher, &lower) };
        dialler.dial(other).await;
        // One side knows first; the other's refusal is not final.
        lower.members(&[higher_id]).await;
        higher.members(&[lower_id]).await;
        let up = |event| match event {
            NetworkEvent::SyncUp { .. } => Some(()),
            NetworkEvent::Disconnected { .. } => panic!("the connection was lost"),
            _ => None,
        };
        lower.until("up", up).await;
        higher.until("up", up).await;
        // The stranger's time passes without an end.
        let outlived = Duration::from_millis(600);
        let gone = tokio::time::timeout(outlived, lower.disconnected()).await;
        assert!(gone.is_err());
    }
}

#[tokio::test]
async fn a_member_comes_in_while_silent_strangers_hold_every_place() {
    let mut house = Node::start(1).await;
    let port = house.network.port().unwrap();
    let mut silent = Vec::new();
    for _ in 0..2 * HANDSHAKES_MAX {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let displaced = async {
        while house.network.counters().strangers_refused < HANDSHAKES_MAX as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("all places are taken", displaced).await;
    let mut member = Node::start(2).await;
    house.members(&[member.id()]).await;
    member.members(&[house.id()]).await;
    member.dial(&house).await;
    house.sync_up().await;
    member.sync_up().await;
    drop(silent);
}

#[tokio::test]
async fn who_speaks_something_else_or_is_gone_at_once_is_counted() {
    let house = Node::start(1).await;
    let port = house.network.port().unwrap();
    let mut garbage = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    garbage.write_all(&[0xff; 200]).await.unwrap();
    drop(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let counted = async {
        while house.network.counters().strangers_refused < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("both are counted", counted).await;
}
