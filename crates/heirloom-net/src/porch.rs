//! The porch: the places of inbound connections that have not proven a key yet.
//!
//! Who comes in says nothing about itself before the end of the handshake, so
//! a member cannot be told from a stranger here. There are so many places; when
//! all are taken, the connection that waited longest of the address with the
//! most gives way to the new one. So whoever holds places by saying nothing
//! loses them to whoever comes, and a member, which needs its place for a few
//! round trips only, is not kept out. Connections are taken at a pace, so that
//! this is long enough, and that handshakes take a small part of the processor:
//! more of them wait with the system.

use crate::crowd::{self, Origin};
use crate::limits::{ACCEPT_MS, ACCEPTS_MAX, HANDSHAKES_MAX};
use futures::future::{AbortHandle, AbortRegistration, Abortable};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, TransportEvent};
use libp2p::{Multiaddr, Transport, TransportError};
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// A transport with so many places for inbound handshakes.
pub(crate) struct Porch<O> {
    inner: Boxed<O>,
    places: Places,
    pace: Pace,
    refused: Arc<AtomicU64>,
}

impl<O> Porch<O> {
    /// Puts a porch before a transport; counts who proved no key: who had to give
    /// way, spoke something else, or was silent or gone too soon.
    pub(crate) fn new(inner: Boxed<O>, refused: Arc<AtomicU64>) -> Self {
        Self { inner, places: Places::default(), pace: Pace::default(), refused }
    }
}

impl<O: Send + 'static> Transport for Porch<O> {
    type Output = O;
    type Error = io::Error;
    type ListenerUpgrade = Pin<Box<dyn Future<Output = io::Result<O>> + Send>>;
    type Dial = <Boxed<O> as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        ready!(self.pace.poll(context));
        let polled = Pin::new(&mut self.inner).poll(context);
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others pass as they are")]
        polled.map(|event| match event {
            TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                self.pace.taken(Instant::now());
                let origin = Origin::of(&send_back_addr);
                let (place, registration, _) = self.places.take(origin);
                let unproven = Unproven(Some(self.refused.clone()));
                let upgrade = unproven.watch(place.hold(registration, upgrade));
                let upgrade: Self::ListenerUpgrade = Box::pin(upgrade);
                TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr }
            }
            event => event.map_upgrade(|upgrade| Box::pin(upgrade) as Self::ListenerUpgrade),
        })
    }
}

/// When connections may be taken: some at once, then one at a time.
#[derive(Debug, Default)]
struct Pace {
    /// When all that were taken have been paid for.
    level_at: Option<Instant>,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Waits until a connection may be taken.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.rest.is_none() {
            let Some(until) = self.rests_until(Instant::now()) else { return Poll::Ready(()) };
            self.rest = Some(Box::pin(sleep_until(until)));
        }
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(context));
        }
        self.rest = None;
        Poll::Ready(())
    }

    fn rests_until(&self, now: Instant) -> Option<Instant> {
        let credit = Duration::from_millis(ACCEPT_MS) * (ACCEPTS_MAX - 1);
        self.level_at?.checked_sub(credit).filter(|until| *until > now)
    }

    fn taken(&mut self, now: Instant) {
        let from = self.level_at.filter(|at| *at > now).unwrap_or(now);
        self.level_at = Some(from + Duration::from_millis(ACCEPT_MS));
    }
}

/// The places.
#[derive(Debug, Default)]
struct Places(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By the order in which they came.
    taken: BTreeMap<u64, (Origin, AbortHandle)>,
}

/// A place that is taken as long as the handshake runs.
struct Place {
    number: u64,
    table: Arc<Mutex<Table>>,
}

impl Places {
    /// Takes a place for what comes from an origin; says whether somebody had
    /// to give way.
    fn take(&self, origin: Origin) -> (Place, AbortRegistration, bool) {
        let (handle, registration) = AbortHandle::new_pair();
        let mut table = lock(&self.0);
        let full = table.taken.len() >= HANDSHAKES_MAX;
        let displaced = full && table.displace();
        let number = table.next;
        table.next += 1;
        table.taken.insert(number, (origin, handle));
        drop(table);
        (Place { number, table: self.0.clone() }, registration, displaced)
    }
}

impl Table {
    /// Ends the oldest connection of the origin with the most.
    fn displace(&mut self) -> bool {
        let origins = self.taken.iter().map(|(number, (origin, _))| (*number, *origin));
        let Some(number) = crowd::oldest_of_the_most(origins) else { return false };
        if let Some((_, handle)) = self.taken.remove(&number) {
            handle.abort();
        }
        true
    }
}

impl Place {
    /// Holds the place until the handshake has ended, or had to give way.
    async fn hold<O>(
        self,
        registration: AbortRegistration,
        upgrade: impl Future<Output = io::Result<O>>,
    ) -> io::Result<O> {
        let given_way = |_| io::Error::new(io::ErrorKind::ConnectionAborted, "it gave way");
        Abortable::new(upgrade, registration).await.map_err(given_way)?
    }
}

/// Counts a connection that ends before a key was proven.
struct Unproven(Option<Arc<AtomicU64>>);

impl Unproven {
    async fn watch<O>(mut self, handshake: impl Future<Output = io::Result<O>>) -> io::Result<O> {
        let proven = handshake.await?;
        self.0 = None;
        Ok(proven)
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        if let Some(refused) = &self.0 {
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.table).taken.remove(&self.number);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{pending, ready};
    use std::task::Waker;

    type Handshake = Pin<Box<dyn Future<Output = io::Result<()>>>>;

    fn origin(last: u8) -> Origin {
        Origin::of(&format!("/ip4/10.0.0.{last}/tcp/1").parse().unwrap())
    }

    /// Begins a handshake that never ends by itself; says whether somebody gave way.
    fn begin(places: &Places, last: u8) -> (Handshake, bool) {
        let (place, registration, displaced) = places.take(origin(last));
        (Box::pin(place.hold(registration, Box::pin(pending::<io::Result<()>>()))), displaced)
    }

    fn has_ended(handshake: &mut Handshake) -> bool {
        handshake.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_of_the_most_crowded_address_gives_way() {
        let places = Places::default();
        let (mut lone, _) = begin(&places, 1);
        let mut crowd = Vec::new();
        for _ in 1..HANDSHAKES_MAX {
            let (handshake, displaced) = begin(&places, 2);
            assert!(!displaced);
            crowd.push(handshake);
        }
        for at in 0..3 {
            let (handshake, displaced) = begin(&places, 3 + at);
            assert!(displaced);
            crowd.push(handshake);
        }
        let ended: Vec<bool> = crowd.iter_mut().map(has_ended).collect();
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 3);
        assert_eq!(ended[..3], [true; 3]);
        assert!(!has_ended(&mut lone), "it came first, and from elsewhere");
        assert_eq!(lock(&places.0).taken.len(), HANDSHAKES_MAX);
    }

    #[test]
    fn a_place_is_free_again_when_its_handshake_has_ended_or_was_given_up() {
        let places = Places::default();
        let (place, registration, _) = places.take(origin(1));
        let mut done: Handshake = Box::pin(place.hold(registration, Box::pin(ready(Ok(())))));
        let (given_up, _) = begin(&places, 1);
        assert_eq!(lock(&places.0).taken.len(), 2);
        assert!(has_ended(&mut done));
        drop((done, given_up));
        assert_eq!(lock(&places.0).taken.len(), 0);
    }

    #[test]
    fn some_connections_are_taken_at_once_and_the_others_one_at_a_time() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..ACCEPTS_MAX {
            assert_eq!(pace.rests_until(now), None);
            pace.taken(now);
        }
        let pause = Duration::from_millis(ACCEPT_MS);
        assert_eq!(pace.rests_until(now), Some(now + pause));
        assert_eq!(pace.rests_until(now + pause), None);
        pace.taken(now + pause);
        assert_eq!(pace.rests_until(now + pause), Some(now + 2 * pause));
        let later = now + pause * (ACCEPTS_MAX + 1);
        pace.taken(later);
        assert_eq!(pace.rests_until(later), None, "a rest is no credit for more");
        for _ in 1..ACCEPTS_MAX {
            pace.taken(later);
        }
        assert!(pace.rests_until(later).is_some());
    }
}
