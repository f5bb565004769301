use super::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

fn hasty() -> Timing {
    Timing {
        ping: Duration::from_millis(200),
        ping_timeout: Duration::from_secs(2),
        ..Timing::default()
    }
}

/// Passes bytes on until it is frozen; then it keeps the sockets open and does
/// nothing, like a device that left the network.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let copy = async {
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = copy => {}
        () = async { drop(frozen.wait_for(|frozen| *frozen).await) } => {
            std::future::pending::<()>().await;
        }
    }
}

/// A wire between a dialler and `port` that can be frozen.
async fn wire(port: u16) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let (freeze, frozen) = watch::channel(false);
    tokio::spawn(async move {
        let (here, _) = listener.accept().await.unwrap();
        let there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (here_read, here_write) = here.into_split();
        let (there_read, there_write) = there.into_split();
        tokio::join!(
            pass(here_read, there_write, frozen.clone()),
            pass(there_read, here_write, frozen),
        )
    });
    (own, freeze)
}

#[tokio::test]
async fn both_sides_notice_a_connection_that_died_without_a_word() {
    let (lower, higher) = seeds();
    let mut lower = Node::start_with(lower, hasty()).await;
    let mut higher = Node::start_with(higher, hasty()).await;
    lower.members(&[higher.id()]).await;
    higher.members(&[lower.id()]).await;
    let (port, freeze) = wire(higher.network.port().unwrap()).await;
    let dialled = lower.network.dial(Some(higher.id()), vec![format!("127.0.0.1:{port}")]).await;
    assert_eq!(dialled, Ok(higher.id()));
    lower.sync_up().await;
    higher.sync_up().await;
    freeze.send_replace(true);
    // What cannot be sent any more does not hold up the end.
    for _ in 0..8 {
        lower.network.send(higher.id(), vec![0; 500_000]).unwrap();
    }
    assert_eq!(lower.disconnected().await, higher.id());
    assert_eq!(higher.disconnected().await, lower.id());
}

#[tokio::test]
async fn a_connection_in_doubt_is_let_go_long_before_a_ping_is_due() {
    let timing = Timing { life: Duration::from_millis(500), ..Timing::default() };
    for (doubts, other) in [seeds(), (seeds().1, seeds().0)] {
        let mut doubts = Node::start_with(doubts, timing).await;
        let mut other = Node::start_with(other, timing).await;
        doubts.members(&[other.id()]).await;
        other.members(&[doubts.id()]).await;
        let (port, freeze) = wire(other.network.port().unwrap()).await;
        let address = format!("127.0.0.1:{port}");
        assert_eq!(doubts.network.dial(Some(other.id()), vec![address]).await, Ok(other.id()));
        doubts.sync_up().await;
        other.sync_up().await;
        // One that lives stays.
        doubts.network.ask_for_life();
        let kept = tokio::time::timeout(Duration::from_secs(2), doubts.disconnected()).await;
        assert!(kept.is_err());
        freeze.send_replace(true);
        doubts.network.ask_for_life();
        let limit = Duration::from_secs(20);
        assert_eq!(tokio::time::timeout(limit, doubts.disconnected()).await, Ok(other.id()));
    }
}

#[tokio::test]
async fn an_idle_connection_lives_on_pings() {
    let (mut lower, mut higher) = pair_with(hasty()).await;
    let lived = Duration::from_secs(3);
    let ends = async { tokio::join!(lower.disconnected(), higher.disconnected()) };
    assert!(tokio::time::timeout(lived, ends).await.is_err());
    let (lower_id, higher_id) = (lower.id(), higher.id());
    let counted = lower.network.counters().peers[&higher_id].conversations[&crate::Protocol::Sync];
    assert!(counted.sent >= 10 && counted.received >= 10, "{counted:?}");
    assert_eq!(higher.network.counters().peers[&lower_id].connections, 1);
}

#[tokio::test]
async fn a_device_that_lost_its_connection_without_a_word_comes_back_at_once() {
    let timing = Timing { crossing: Duration::ZERO, ..Timing::default() };
    for (stays, returns) in [seeds(), (seeds().1, seeds().0)] {
        let mut stays = Node::start_with(stays, timing).await;
        let mut first = Node::start_with(returns, timing).await;
        let returning = first.id();
        stays.members(&[returning]).await;
        first.members(&[stays.id()]).await;
        let (port, freeze) = wire(first.network.port().unwrap()).await;
        let address = format!("127.0.0.1:{port}");
        assert_eq!(stays.network.dial(Some(returning), vec![address]).await, Ok(returning));
        stays.sync_up().await;
        first.sync_up().await;
        freeze.send_replace(true);
        first.network.shutdown().await;
        drop(first);
        // Pings would find out after a minute; the new connection says it now.
        let mut again = Node::start_with(returns, timing).await;
        again.members(&[stays.id()]).await;
        again.dial(&stays).await;
        let back = async {
            again.sync_up().await;
            stays.sync_up().await;
        };
        tokio::time::timeout(Duration::from_secs(20), back).await.unwrap();
        stays.network.send(returning, b"welcome back".to_vec()).unwrap();
        assert_eq!(again.frame().await, b"welcome back");
        let one = async {
            while stays.network.counters().connections > 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon("one connection", one).await;
    }
}
