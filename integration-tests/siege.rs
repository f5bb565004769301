//! What strangers do to a node: connections of every kind that says nothing,
//! says nonsense, or proves a key of its own and then asks for everything.

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, select_biased};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerExt};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, Transport, noise, tcp, yamux};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

/// The beginning of every negotiation.
const SELECT: &[u8] = b"\x13/multistream/1.0.0\n";
/// What asks for encryption.
const NOISE: &[u8] = b"\x07/noise\n";
/// Everything that a node speaks to anybody, and what is often spoken elsewhere.
const PROTOCOLS: &[&str] = &[
    "/heirloom/hello/1",
    "/heirloom/pair/1",
    "/heirloom/sync/1",
    "/heirloom/blob/1",
    "/libp2p/circuit/relay/0.2.0/hop",
    "/libp2p/circuit/relay/0.2.0/stop",
    "/libp2p/dcutr",
    "/ipfs/id/1.0.0",
    "/ipfs/id/push/1.0.0",
    "/ipfs/ping/1.0.0",
    "/heirloom/none/1",
];
/// Streams of a stranger that opens many and negotiates none.
const STREAMS: usize = 64;

/// What one connection does.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Nothing at all.
    Silent,
    /// Bytes that mean nothing.
    Garbage,
    /// Begins to negotiate, and stops.
    Selects,
    /// Asks for encryption and sends a key that it does not have: that costs
    /// the node its part of a handshake, and the stranger nothing.
    HalfHandshake,
    /// Negotiates one byte at a time.
    Drips,
    /// Proves a key, asks for a protocol and says nothing, or nonsense.
    Proves { protocol: &'static str, garbage: bool },
    /// Proves a key and opens streams on which it says nothing.
    ManyStreams,
}

impl Kind {
    /// Returns what the connection with this number does: one in ten of each
    /// kind that proves nothing, and the others prove a key.
    fn of(number: usize) -> Self {
        let turn = number / 10;
        match number % 10 {
            0 => Self::Silent,
            1 => Self::Garbage,
            2 => Self::Selects,
            3 => Self::HalfHandshake,
            4 => Self::Drips,
            5 => Self::ManyStreams,
            _ => {
                let protocol = PROTOCOLS[number.wrapping_mul(7) % PROTOCOLS.len()];
                Self::Proves { protocol, garbage: turn.is_multiple_of(2) }
            }
        }
    }
}

/// How an attack is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Siege {
    /// Where the node listens.
    pub(crate) target: SocketAddr,
    /// Connections in all, at least.
    pub(crate) connections: usize,
    /// Connections at one time.
    pub(crate) at_once: usize,
    /// Connections that are begun together, each half second.
    pub(crate) wave: usize,
    /// How long each is held, if the node does not end it.
    pub(crate) hold: Duration,
}

/// What came of an attack.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Connections that were made.
    made: AtomicUsize,
    /// Of them, those on which the node took part in a whole handshake.
    proven: AtomicUsize,
    /// Connections that the node had not ended when they were given up.
    held: AtomicUsize,
    open: AtomicUsize,
    /// The most connections that were open at one time.
    open_max: AtomicUsize,
}

impl Outcome {
    /// Returns how many connections were made.
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
}

impl Siege {
    /// Makes the connections on threads that take only what of the processor
    /// nobody else wants: strangers have machines of their own.
    pub(crate) fn begin(self, outcome: Arc<Outcome>, stop: Arc<AtomicBool>) -> JoinHandle<()> {
        std::thread::spawn(move || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .on_thread_start(|| assert!(rustix::process::nice(19).is_ok()))
                .build()
                .unwrap();
            runtime.block_on(async { tokio::spawn(self.run(outcome, stop)).await.unwrap() });
        })
    }

    /// Makes connections until there were enough and it is told to stop.
    async fn run(self, outcome: Arc<Outcome>, stop: Arc<AtomicBool>) {
        let places = Arc::new(Semaphore::new(self.at_once));
        let mut waves = interval(Duration::from_millis(500));
        let mut number = 0;
        let mut all = JoinSet::new();
        while number < self.connections || !stop.load(Ordering::Relaxed) {
            if number % self.wave == 0 {
                waves.tick().await;
            }
            let place = places.clone().acquire_owned().await.unwrap();
            let outcome = outcome.clone();
            all.spawn(async move {
                self.connect(number, &outcome).await;
                drop(place);
            });
            number += 1;
            while let Some(ended) = all.try_join_next() {
                ended.unwrap();
            }
        }
        all.join_all().await;
    }

    async fn connect(self, number: usize, outcome: &Outcome) {
        let open = outcome.open.fetch_add(1, Ordering::Relaxed) + 1;
        outcome.open_max.fetch_max(open, Ordering::Relaxed);
        let kind = Kind::of(number);
        // What the node ends early is what is hoped for.
        let held = timeout(self.hold, self.attack(number, kind, outcome)).await.is_err();
        outcome.held.fetch_add(usize::from(held), Ordering::Relaxed);
        outcome.open.fetch_sub(1, Ordering::Relaxed);
    }

    async fn attack(self, number: usize, kind: Kind, outcome: &Outcome) -> io::Result<()> {
        match kind {
            Kind::Proves { protocol, garbage } => {
                let asks = [protocol];
                self.prove(number, &asks, if garbage { 4_096 } else { 0 }, outcome).await
            }
            Kind::ManyStreams => self.prove(number, &[""; STREAMS], 0, outcome).await,
            Kind::Silent | Kind::Garbage | Kind::Selects | Kind::HalfHandshake | Kind::Drips => {
                let mut socket = TcpStream::connect(self.target).await?;
                outcome.made.fetch_add(1, Ordering::Relaxed);
                if matches!(kind, Kind::Drips) {
                    for byte in SELECT {
                        socket.write_all(&[*byte]).await?;
                        sleep(Duration::from_millis(100)).await;
                    }
                }
                socket.write_all(&opening(kind, number)).await?;
                let mut buffer = [0; 1_024];
                while socket.read(&mut buffer).await? > 0 {}
                Ok(())
            }
        }
    }

    /// Proves a key of its own, opens a stream for each protocol and waits for the end.
    async fn prove(
        self,
        number: usize,
        protocols: &[&str],
        garbage: usize,
        outcome: &Outcome,
    ) -> io::Result<()> {
        let mut seed = [0x5e; 32];
        seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let keys = Keypair::ed25519_from_bytes(seed).map_err(io::Error::other)?;
        let mut transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&keys).map_err(io::Error::other)?)
            .multiplex(yamux::Config::default())
            .boxed();
        let address = Multiaddr::from(self.target.ip())
            .with(libp2p::multiaddr::Protocol::Tcp(self.target.port()));
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        outcome.made.fetch_add(1, Ordering::Relaxed);
        let dialled = transport.dial(address, options).map_err(io::Error::other)?;
        let (_, mut muxer) = dialled.await?;
        outcome.proven.fetch_add(1, Ordering::Relaxed);
        let mut streams = Vec::new();
        for protocol in protocols {
            let mut stream = poll_fn(|context| muxer.poll_outbound_unpin(context))
                .await
                .map_err(io::Error::other)?;
            let mut bytes = SELECT.to_vec();
            bytes.push(u8::try_from(protocol.len() + 1).unwrap_or_default());
            bytes.extend_from_slice(protocol.as_bytes());
            bytes.push(b'\n');
            if protocol.is_empty() {
                bytes.truncate(SELECT.len() - 1);
            }
            bytes.extend(std::iter::repeat_n(0xa5, garbage));
            let mut written = Box::pin(stream.write_all(&bytes)).fuse();
            select_biased! {
                result = written => result?,
                error = driven(&mut muxer).fuse() => return error,
            }
            drop(written);
            streams.push(stream);
        }
        let mut buffer = vec![0; 1_024];
        if let [stream] = &mut streams[..] {
            let mut told = Box::pin(async {
                while let Ok(1..) = stream.read(&mut buffer).await {}
                std::future::pending::<()>().await;
            })
            .fuse();
            select_biased! {
                () = told => {}
                error = driven(&mut muxer).fuse() => return error,
            }
        }
        driven(&mut muxer).await
    }
}

/// Returns the first bytes of a connection that proves nothing.
fn opening(kind: Kind, number: usize) -> Vec<u8> {
    match kind {
        Kind::Silent | Kind::Drips | Kind::Proves { .. } | Kind::ManyStreams => Vec::new(),
        Kind::Garbage => (0..1_024).map(|at: usize| (at * 31 + number) as u8).collect(),
        Kind::Selects => SELECT.to_vec(),
        Kind::HalfHandshake => {
            let key = (0..32).map(|at: usize| (at * 7 + number) as u8);
            [SELECT, NOISE, &[0, 32]].concat().into_iter().chain(key).collect()
        }
    }
}

/// Turns a connection until it ends.
async fn driven<M>(muxer: &mut M) -> io::Result<()>
where
    M: StreamMuxer + Unpin,
    M::Error: Send + Sync + 'static,
{
    poll_fn(|context| {
        while let Poll::Ready(opened) = muxer.poll_inbound_unpin(context) {
            drop(opened.map_err(io::Error::other)?);
        }
        match muxer.poll_unpin(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}
