//! Counts what arrives on the raw connections and circuits, below encryption: a stranger's
//! byte limit, the signs of life of a peer, and the cut that ends a connection
//! whose other side no longer answers.

use crate::address;
use futures::task::AtomicWaker;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::ConnectedPoint;
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// A limit that is no limit.
const UNLIMITED: u64 = u64::MAX;

/// The meters of all connections.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    stranger_bytes_max: u64,
    begin: Instant,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// Connections whose other side is not proven yet, by its address.
    unproven: BTreeMap<Multiaddr, Vec<Weak<Meter>>>,
    /// Connections by the key that was proven and the address, the newest last.
    proven: BTreeMap<(PeerId, Multiaddr), Vec<Weak<Meter>>>,
    members: BTreeSet<PeerId>,
}

#[derive(Debug)]
struct Meter {
    begin: Instant,
    /// The address of this side, where it is known.
    local: Option<IpAddr>,
    arrived: AtomicU64,
    arrived_max: AtomicU64,
    heard_ms: AtomicU64,
    cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Meters {
    pub(crate) fn new(stranger_bytes_max: u64) -> Self {
        Self { stranger_bytes_max, begin: Instant::now(), table: Arc::default() }
    }

    /// Puts a meter on a new raw connection. Who was dialled is not limited:
    /// somebody here wanted the connection.
    pub(crate) fn meter<S>(
        &self,
        socket: S,
        local: Option<IpAddr>,
        point: &ConnectedPoint,
    ) -> Metered<S> {
        let limit = if point.is_listener() { self.stranger_bytes_max } else { UNLIMITED };
        let meter = Arc::new(Meter {
            begin: self.begin,
            local,
            arrived: AtomicU64::new(0),
            arrived_max: AtomicU64::new(limit),
            heard_ms: AtomicU64::new(self.begin.elapsed_ms()),
            cut: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        });
        let remote = address::place_of(point.get_remote_address());
        let mut table = self.lock();
        drop_ended(&mut table.unproven);
        table.unproven.entry(remote).or_default().push(Arc::downgrade(&meter));
        drop(table);
        Metered { socket, meter }
    }

    /// Says whose key was proven on the connection with this address.
    pub(crate) fn prove(&self, peer: PeerId, point: &ConnectedPoint) {
        let remote = address::place_of(point.get_remote_address());
        let mut table = self.lock();
        let Some(meter) = table.unproven.get_mut(&remote).and_then(Vec::pop) else {
            return;
        };
        if let Some(meter) = meter.upgrade()
            && table.members.contains(&peer)
        {
            meter.arrived_max.store(UNLIMITED, Ordering::Relaxed);
        }
        drop_ended(&mut table.proven);
        table.proven.entry((peer, remote)).or_default().push(meter);
    }

    /// Returns the pulse of the newest connection of a peer with this address.
    pub(crate) fn pulse(&self, peer: PeerId, point: &ConnectedPoint) -> Pulse {
        let remote = address::place_of(point.get_remote_address());
        let table = self.lock();
        let meters = table.proven.get(&(peer, remote));
        Pulse { meter: meters.and_then(|meters| meters.last()).cloned().unwrap_or_default() }
    }

    /// Lifts the limit of these peers, now and later, and of no others later.
    pub(crate) fn set_members(&self, members: BTreeSet<PeerId>) {
        let mut table = self.lock();
        for ((peer, _), meters) in &table.proven {
            if members.contains(peer) {
                for meter in meters.iter().filter_map(Weak::upgrade) {
                    meter.arrived_max.store(UNLIMITED, Ordering::Relaxed);
                }
            }
        }
        table.members = members;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_ended<K: Ord>(meters: &mut BTreeMap<K, Vec<Weak<Meter>>>) {
    meters.retain(|_, meters| {
        meters.retain(|meter| meter.strong_count() > 0);
        !meters.is_empty()
    });
}

/// The signs of life of one connection, and its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse {
    meter: Weak<Meter>,
}

impl Pulse {
    /// Returns when the connection brought anything last; `None` when it ended.
    pub(crate) fn heard(&self) -> Option<Instant> {
        let meter = self.meter.upgrade()?;
        Some(meter.begin + Duration::from_millis(meter.heard_ms.load(Ordering::Relaxed)))
    }

    /// Returns the address of this side, as long as the connection is there.
    pub(crate) fn local(&self) -> Option<IpAddr> {
        self.meter.upgrade()?.local
    }

    /// Ends the connection at once, even if the other side no longer reads.
    pub(crate) fn cut(&self) {
        if let Some(meter) = self.meter.upgrade() {
            meter.cut.store(true, Ordering::Release);
            meter.reader.wake();
            meter.writer.wake();
        }
    }
}

trait ElapsedMs {
    fn elapsed_ms(&self) -> u64;
}

impl ElapsedMs for Instant {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A raw connection with its meter.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    socket: S,
    meter: Arc<Meter>,
}

impl Meter {
    fn check(&self) -> io::Result<()> {
        if self.cut.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by this side"));
        }
        Ok(())
    }

    fn arrived(&self, bytes: usize) -> io::Result<()> {
        let bytes = bytes as u64;
        let total = self.arrived.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if total > self.arrived_max.load(Ordering::Relaxed) {
            return Err(io::Error::other("a stranger sent more than it may"));
        }
        self.heard_ms.store(self.begin.elapsed_ms(), Ordering::Relaxed);
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.meter.reader.register(context.waker());
        self.meter.check()?;
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if let Poll::Ready(Ok(bytes)) = &read {
            self.meter.arrived(*bytes)?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.meter.writer.register(context.waker());
        self.meter.check()?;
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.meter.writer.register(context.waker());
        self.meter.check()?;
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.meter.writer.register(context.waker());
        self.meter.check()?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.meter.writer.register(context.waker());
        self.meter.check()?;
        Pin::new(&mut self.socket).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer;
    use futures::AsyncReadExt;
    use futures::executor::block_on;
    use futures::io::Cursor;

    fn inbound(port: u16) -> ConnectedPoint {
        ConnectedPoint::Listener {
            local_addr: "/ip4/10.0.0.1/tcp/1".parse().unwrap(),
            send_back_addr: format!("/ip4/10.0.0.2/tcp/{port}").parse().unwrap(),
        }
    }

    fn peer() -> PeerId {
        peer::peer_of(peer::device_of_seed(&[1; 32])).unwrap()
    }

    fn read_to_end(metered: &mut Metered<Cursor<Vec<u8>>>) -> io::Result<usize> {
        block_on(metered.read_to_end(&mut Vec::new()))
    }

    #[test]
    fn a_stranger_may_send_so_many_bytes_and_not_one_more() {
        let meters = Meters::new(100);
        let mut enough = meters.meter(Cursor::new(vec![0; 100]), None, &inbound(1));
        assert_eq!(read_to_end(&mut enough).unwrap(), 100);
        let mut too_much = meters.meter(Cursor::new(vec![0; 101]), None, &inbound(2));
        assert!(read_to_end(&mut too_much).is_err());
    }

    #[test]
    fn a_member_is_not_limited_whether_it_became_one_before_or_after() {
        let meters = Meters::new(100);
        let mut before = meters.meter(Cursor::new(vec![0; 500]), None, &inbound(1));
        meters.prove(peer(), &inbound(1));
        meters.set_members(BTreeSet::from([peer()]));
        assert_eq!(read_to_end(&mut before).unwrap(), 500);
        let mut after = meters.meter(Cursor::new(vec![0; 500]), None, &inbound(2));
        meters.prove(peer(), &inbound(2));
        assert_eq!(read_to_end(&mut after).unwrap(), 500);
    }

    #[test]
    fn connections_of_one_peer_have_each_their_own_pulse() {
        let meters = Meters::new(100);
        let mut one = meters.meter(Cursor::new(vec![0; 10]), None, &inbound(1));
        let mut other = meters.meter(Cursor::new(vec![0; 10]), None, &inbound(2));
        meters.prove(peer(), &inbound(2));
        meters.prove(peer(), &inbound(1));
        meters.pulse(peer(), &inbound(2)).cut();
        assert!(read_to_end(&mut other).is_err());
        assert!(read_to_end(&mut one).is_ok());
    }

    #[test]
    fn a_cut_connection_neither_reads_nor_writes() {
        use futures::AsyncWriteExt;
        let meters = Meters::new(100);
        let mut metered = meters.meter(Cursor::new(vec![0; 10]), None, &inbound(1));
        meters.prove(peer(), &inbound(1));
        let pulse = meters.pulse(peer(), &inbound(1));
        assert!(pulse.heard().is_some());
        pulse.cut();
        assert!(read_to_end(&mut metered).is_err());
        assert!(block_on(metered.write_all(b"x")).is_err());
        drop(metered);
        assert_eq!(pulse.heard(), None);
    }
}
