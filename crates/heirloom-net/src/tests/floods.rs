//! A member that does too often what it may do now and then.

use super::*;
use crate::limits;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport};
use libp2p::{Multiaddr, noise, tcp, yamux};
use std::future::poll_fn;
use std::io;
use std::task::Poll;

/// The beginning of every negotiation.
const SELECT: &[u8] = b"\x13/multistream/1.0.0\n";

/// A node, and a member that speaks to it without one.
struct Flood {
    node: Node,
    seed: u8,
}

impl Flood {
    async fn begin() -> Self {
        let (seed, node) = seeds();
        let node = Node::start(node).await;
        node.members(&[device(seed)]).await;
        Self { node, seed }
    }

    async fn connect(&self) -> io::Result<StreamMuxerBox> {
        let keys = peer::keypair_of(&[self.seed; 32]);
        let mut transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&keys).map_err(io::Error::other)?)
            .multiplex(yamux::Config::default())
            .boxed();
        let address: Multiaddr = self.node.network.addresses()[0].parse().unwrap();
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dialled = transport.dial(address, options).map_err(io::Error::other)?;
        let (_, muxer) = dialled.await?;
        Ok(StreamMuxerBox::new(muxer))
    }

    /// Returns what the node says that the member did.
    async fn broke(&mut self) -> &'static str {
        let member = device(self.seed);
        let broke = |event| match event {
            NetworkEvent::Broke { device, what } if device == member => Some(what),
            _ => None,
        };
        self.node.until("the flood is told", broke).await
    }
}

/// Does something on a connection that is turned meanwhile.
async fn turning<T>(
    muxer: &mut StreamMuxerBox,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let mut work = Box::pin(work);
    poll_fn(|context| {
        while let Poll::Ready(opened) = muxer.poll_inbound_unpin(context) {
            drop(opened?);
        }
        if let Poll::Ready(Err(error)) = muxer.poll_unpin(context) {
            return Poll::Ready(Err(error));
        }
        work.as_mut().poll(context)
    })
    .await
}

async fn open(muxer: &mut StreamMuxerBox) -> io::Result<SubstreamBox> {
    poll_fn(|context| {
        if let Poll::Ready(Err(error)) = muxer.poll_unpin(context) {
            return Poll::Ready(Err(error));
        }
        muxer.poll_outbound_unpin(context)
    })
    .await
}

/// Opens a stream of a conversation and lets it go as soon as it is taken.
async fn begin_anew(muxer: &mut StreamMuxerBox) -> io::Result<()> {
    let mut stream = open(muxer).await?;
    let name = b"\x11/heirloom/sync/1\n";
    let mut answer = vec![0; SELECT.len() + name.len() + 1];
    turning(muxer, async {
        stream.write_all(&[SELECT, name].concat()).await?;
        stream.flush().await?;
        stream.read_exact(&mut answer).await
    })
    .await
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_without_end_end_the_connection_and_are_told() {
    let mut flood = Flood::begin().await;
    let mut muxer = flood.connect().await.unwrap();
    let attack = async move {
        let mut opened = 0;
        while let Ok(mut stream) = open(&mut muxer).await {
            // A stream on which nothing is written never travels.
            let begins = async {
                stream.write_all(&SELECT[..1]).await?;
                stream.flush().await
            };
            if turning(&mut muxer, begins).await.is_err() {
                break;
            }
            opened += 1;
        }
        opened
    };
    let (opened, what) = tokio::join!(attack, flood.broke());
    assert!(opened >= limits::STREAMS_AT_ONCE_MAX, "after {opened}");
    assert_eq!(what, "more streams than anybody needs");
}

#[tokio::test]
async fn conversations_that_begin_anew_without_end_are_told() {
    let mut flood = Flood::begin().await;
    let mut muxer = flood.connect().await.unwrap();
    let attack = async move {
        let mut begun = 0;
        while begin_anew(&mut muxer).await.is_ok() {
            begun += 1;
        }
        begun
    };
    let (begun, what) = tokio::join!(attack, flood.broke());
    assert!(begun >= limits::TALKS_AT_ONCE_MAX, "after {begun}");
    assert_eq!(what, "conversations begun anew again and again");
}

#[tokio::test]
async fn connections_that_are_opened_without_end_are_told() {
    let mut flood = Flood::begin().await;
    // The node takes a hundred a second, and one more is allowed in each.
    for _ in 0..2 * limits::VISITS_AT_ONCE_MAX {
        drop(flood.connect().await);
    }
    assert_eq!(flood.broke().await, "connections opened again and again");
}
