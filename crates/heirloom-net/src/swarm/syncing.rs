//! The sync stream with each member: opened by the lower identity, taken by
//! the higher, one at a time.

use super::peers::Sync;
use super::{Driver, Report};
use crate::limits;
use crate::opened::Opened;
use crate::protocol::Protocol;
use crate::session::{End, Session, Stop};
use crate::swarm::Due;
use heirloom_base::DeviceId;
use libp2p::swarm::ConnectionId;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Life of a session after which its end no longer counts as a failure.
const STEADY: Duration = Duration::from_millis(limits::SYNC_RETRY_MS_MAX);

impl Driver {
    /// Opens the sync stream where it is this side's turn, or moves it to the
    /// connection that stays.
    pub(super) fn tend(&mut self, device: DeviceId) {
        let lower_is_me = self.device < device;
        let Some(peer) = self.peers.get(device) else {
            return;
        };
        let is_member = self.swarm.behaviour().gate.is_member(&peer.id);
        if !lower_is_me || !is_member || self.leaving.is_some() {
            return;
        }
        let Some(preferred) = peer.preferred(lower_is_me) else {
            return;
        };
        match &peer.sync {
            Sync::None => self.open_sync(device),
            Sync::Resting => {}
            Sync::Active { connection, .. } => {
                if connection.is_some_and(|connection| connection != preferred) {
                    peer.stop_sync(Stop::Replace);
                }
            }
        }
    }

    fn open_sync(&mut self, device: DeviceId) {
        let Some((ticket, stop)) = self.activate(device, None) else {
            return;
        };
        let Some(session) = self.session(device, true, stop) else {
            return;
        };
        let (opener, reporter) = (self.opener.clone(), self.reporter.clone());
        let slots = session.slots.clone();
        let wait = self.timing.stream_open;
        self.begin(async move {
            let slot = timeout(wait, slots.acquire_owned()).await;
            let report = match (slot, opener.open(device, Protocol::Sync).await) {
                (Ok(Ok(_slot)), Ok(opened)) => {
                    let end = session.with(opened).run().await;
                    Report::SyncEnded { device, ticket, end }
                }
                (_, opened) => {
                    use crate::error::OpenError::{Lost, Timeout};
                    let dead = matches!(opened, Err(Timeout | Lost));
                    Report::SyncFailed { device, ticket, dead }
                }
            };
            // Without the swarm's task there is nobody left to tell.
            reporter.send(report).await.ok();
        });
    }

    /// Takes the sync stream that a lower identity opened; it replaces an
    /// older one.
    pub(super) fn take_sync(&mut self, device: DeviceId, id: ConnectionId, mut opened: Opened) {
        if self.device < device || self.leaving.is_some() {
            return;
        }
        if let Some(peer) = self.peers.get(device) {
            let id = peer.id;
            if !peer.desk.may_talk() {
                self.broke(&id, "conversations begun anew again and again");
                return self.cut(device, Stop::Replace);
            }
            peer.stop_sync(Stop::Replace);
        }
        let Some((ticket, stop)) = self.activate(device, Some(id)) else {
            return;
        };
        let Some(session) = self.session(device, false, stop) else {
            return;
        };
        let reporter = self.reporter.clone();
        let slots = session.slots.clone();
        let wait = self.timing.stream_open;
        self.begin(async move {
            let slot = timeout(wait, slots.acquire_owned()).await;
            let taken = slot.is_ok() && opened.take().await.is_ok();
            let end = if taken { session.with(opened).run().await } else { End::Over };
            drop(slot);
            reporter.send(Report::SyncEnded { device, ticket, end }).await.ok();
        });
    }

    /// Makes a new session the current one.
    fn activate(
        &mut self,
        device: DeviceId,
        connection: Option<ConnectionId>,
    ) -> Option<(u64, watch::Receiver<Stop>)> {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let (stop, stopped) = watch::channel(Stop::Run);
        let peer = self.peers.get_mut(device)?;
        peer.sync = Sync::Active { ticket, connection, stop, since: Instant::now() };
        peer.sessions += 1;
        Some((ticket, stopped))
    }

    pub(super) fn on_report(&mut self, report: Report) {
        let (device, ticket, failed) = match report {
            Report::SyncFailed { device, ticket, dead } => {
                if dead {
                    self.cut_session(device, ticket);
                }
                (device, ticket, true)
            }
            Report::SyncEnded { device, ticket, end } => {
                match end {
                    End::Over => {}
                    End::Dead => self.cut_session(device, ticket),
                    End::Broken => {
                        if let Some(id) = self.peers.get(device).map(|peer| peer.id) {
                            self.broke(&id, "a frame that is longer than one may be");
                        }
                        self.cut(device, Stop::Replace);
                    }
                }
                (device, ticket, false)
            }
        };
        if let Some(peer) = self.peers.get_mut(device) {
            peer.sessions -= 1;
        }
        self.after_session(device, ticket, failed);
        self.forget_if_gone(device);
    }

    /// Ends the connection on which the current session died.
    fn cut_session(&mut self, device: DeviceId, ended: u64) {
        if let Some(peer) = self.peers.get(device)
            && let Sync::Active { ticket, connection: Some(id), .. } = &peer.sync
            && *ticket == ended
        {
            let id = *id;
            self.cut_one(device, id);
        }
    }

    /// Opens the next session, at once after a long one, else after a pause.
    fn after_session(&mut self, device: DeviceId, ended: u64, failed: bool) {
        let Some(peer) = self.peers.get_mut(device) else {
            return;
        };
        let Sync::Active { ticket, since, .. } = &peer.sync else {
            return;
        };
        if *ticket != ended {
            return;
        }
        let steady = !failed && since.elapsed() >= STEADY;
        peer.failures = if steady { 0 } else { peer.failures.saturating_add(1) };
        if peer.failures <= 1 && !failed {
            peer.sync = Sync::None;
            self.tend(device);
            return;
        }
        peer.sync = Sync::Resting;
        let pause = limits::SYNC_RETRY_MS << peer.failures.saturating_sub(1).min(16);
        let pause = Duration::from_millis(pause.min(limits::SYNC_RETRY_MS_MAX));
        self.remind(Instant::now() + pause, Due::SyncRetry(device));
    }
}

/// A session that lacks only its stream.
pub(super) struct Prepared {
    slots: std::sync::Arc<tokio::sync::Semaphore>,
    make: Box<dyn FnOnce(Opened) -> Session + Send>,
}

impl Prepared {
    fn with(self, opened: Opened) -> Session {
        (self.make)(opened)
    }
}

impl Driver {
    fn session(
        &self,
        device: DeviceId,
        opener: bool,
        stop: watch::Receiver<Stop>,
    ) -> Option<Prepared> {
        let peer = self.peers.get(device)?;
        let (timing, deliveries) = (self.timing, self.deliveries.clone());
        let life = self.shared.life();
        let make = move |opened| Session { device, opener, opened, timing, deliveries, stop, life };
        Some(Prepared { slots: peer.desk.slots(Protocol::Sync), make: Box::new(make) })
    }
}
