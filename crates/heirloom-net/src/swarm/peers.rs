//! What the swarm's task knows about each connected device.

use crate::meter::Pulse;
use crate::opened::Closed;
use crate::session::Stop;
use crate::shared::Desk;
use heirloom_base::DeviceId;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// The devices that are connected, or whose last session still ends.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<DeviceId, Peer>,
}

/// One device.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    /// In the order in which they were established here.
    pub(super) connections: Vec<Connection>,
    pub(super) sync: Sync,
    /// Sessions that have not ended, the current one included.
    pub(super) sessions: usize,
    /// Whether the host was told that the way is over a keeper.
    pub(super) relayed: bool,
    /// Failures of the sync stream in a row.
    pub(super) failures: u32,
    pub(super) desk: Arc<Desk>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Whether this side dialled it, or has that part in a hole that both punched.
    pub(super) dialled: bool,
    /// Whether the address of the other side can be dialled again.
    pub(super) outbound: bool,
    /// Whether a keeper relays it.
    pub(super) relayed: bool,
    /// The address of the other side.
    pub(super) remote: Multiaddr,
    pub(super) since: Instant,
    /// Whether the other side opened a pairing conversation on it.
    pub(super) pairs: bool,
    /// Whether it is a duplicate that is to end by itself.
    pub(super) retired: bool,
    /// Whether this side is closing it.
    pub(super) closing: bool,
    pub(super) closed: Closed,
    pub(super) pulse: Pulse,
    /// Breaks the streams when it is dropped.
    pub(super) _open: oneshot::Sender<Infallible>,
}

/// The sync stream with one device.
#[derive(Debug)]
pub(super) enum Sync {
    /// There is none and nothing is under way.
    None,
    /// There was a failure; a pause follows.
    Resting,
    /// It is being opened, or it is up.
    Active {
        ticket: u64,
        connection: Option<ConnectionId>,
        stop: watch::Sender<Stop>,
        since: Instant,
    },
}

impl Peer {
    pub(super) fn new(id: PeerId, desk: Arc<Desk>) -> Self {
        let (connections, sync) = (Vec::new(), Sync::None);
        Self { id, connections, sync, sessions: 0, relayed: false, failures: 0, desk }
    }

    /// Returns the connection on which streams are opened. Both sides prefer a
    /// direct one, then one that the lower identity dialled, so that they agree
    /// which of two that crossed is the duplicate, and then the newest, which
    /// is the one most surely alive.
    pub(super) fn preferred(&self, lower_is_me: bool) -> Option<ConnectionId> {
        let open = || self.connections.iter().filter(|connection| !connection.closing);
        let live = |relayed: bool| {
            open().filter(move |connection| !connection.retired && connection.relayed == relayed)
        };
        let best = |relayed: bool| {
            live(relayed)
                .rfind(|connection| connection.dialled == lower_is_me)
                .or_else(|| live(relayed).next_back())
        };
        best(false)
            .or_else(|| best(true))
            .or_else(|| open().next_back())
            .map(|connection| connection.id)
    }

    /// Returns the connections that this side dialled in vain. Only the side
    /// that dialled a duplicate ends it, so that no two sides ever end each
    /// other's: its own over keepers when there is a direct one; the higher
    /// identity its own when the lower's is up, and each side all but the
    /// newest of its own.
    pub(super) fn duplicates(&self, lower_is_me: bool) -> Vec<ConnectionId> {
        let live = || self.connections.iter().filter(|connection| !connection.retired);
        let direct = live().any(|connection| !connection.relayed);
        let alike = || live().filter(|connection| connection.relayed != direct);
        let yields = !lower_is_me && alike().any(|connection| !connection.dialled);
        let same = alike().filter(|connection| connection.dialled).rev().skip(usize::from(!yields));
        let worse = live().filter(|connection| direct && connection.relayed && connection.dialled);
        same.chain(worse).map(|connection| connection.id).collect()
    }

    /// Returns the connections from before the newest could have crossed them.
    /// A device dials only when it has no connection, or none that is direct:
    /// the other side lost these, even if nothing here says so.
    pub(super) fn lost(&self, crossing_max: Duration) -> Vec<ConnectionId> {
        let Some((newest, older)) = self.connections.split_last() else {
            return Vec::new();
        };
        older
            .iter()
            .filter(|connection| newest.relayed || !connection.relayed)
            .filter(|connection| newest.since.duration_since(connection.since) > crossing_max)
            .map(|connection| connection.id)
            .collect()
    }

    /// Asks the current session to end.
    pub(super) fn stop_sync(&self, how: Stop) {
        if let Sync::Active { stop, .. } = &self.sync {
            stop.send_replace(how);
        }
    }
}

impl Peers {
    pub(super) fn get(&self, device: DeviceId) -> Option<&Peer> {
        self.peers.get(&device)
    }

    pub(super) fn get_mut(&mut self, device: DeviceId) -> Option<&mut Peer> {
        self.peers.get_mut(&device)
    }

    pub(super) fn entry(&mut self, device: DeviceId, new: impl FnOnce() -> Peer) -> &mut Peer {
        self.peers.entry(device).or_insert_with(new)
    }

    pub(super) fn remove(&mut self, device: DeviceId) {
        self.peers.remove(&device);
    }

    pub(super) fn devices(&self) -> Vec<DeviceId> {
        self.peers.keys().copied().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// Counts the sync sessions that have not ended.
    pub(super) fn sessions(&self) -> usize {
        self.peers.values().map(|peer| peer.sessions).sum()
    }

    pub(super) fn connection(&self, device: DeviceId, id: ConnectionId) -> Option<&Connection> {
        self.get(device)?.connections.iter().find(|connection| connection.id == id)
    }

    pub(super) fn connection_mut(
        &mut self,
        device: DeviceId,
        id: ConnectionId,
    ) -> Option<&mut Connection> {
        self.get_mut(device)?.connections.iter_mut().find(|connection| connection.id == id)
    }

    /// Notes that the pause after a failure is over.
    pub(super) fn rested(&mut self, device: DeviceId) {
        if let Some(peer) = self.get_mut(device)
            && matches!(peer.sync, Sync::Resting)
        {
            peer.sync = Sync::None;
        }
    }
}

impl Peer {
    pub(super) fn add(&mut self, connection: Connection) {
        self.connections.push(connection);
        self.count();
    }

    pub(super) fn drop_connection(&mut self, id: ConnectionId) {
        self.connections.retain(|connection| connection.id != id);
        self.count();
    }

    fn count(&self) {
        self.desk.connections.store(self.connections.len() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opened::closed_signal;
    use crate::peer;

    fn peer_with(dialled: &[bool]) -> Peer {
        let id = peer::peer_of(peer::device_of_seed(&[1; 32])).unwrap();
        let mut peer = Peer::new(id, Arc::default());
        for (at, dialled) in dialled.iter().enumerate() {
            let (open, closed) = closed_signal();
            peer.add(Connection {
                id: ConnectionId::new_unchecked(at),
                dialled: *dialled,
                outbound: *dialled,
                relayed: false,
                remote: Multiaddr::empty(),
                since: Instant::now(),
                pairs: false,
                retired: false,
                closing: false,
                closed,
                pulse: Pulse::default(),
                _open: open,
            });
        }
        peer
    }

    fn ids(ids: &[usize]) -> Vec<ConnectionId> {
        ids.iter().map(|id| ConnectionId::new_unchecked(*id)).collect()
    }

    #[test]
    fn of_two_crossing_connections_the_higher_side_ends_its_own_and_only_that() {
        for order in [[true, false], [false, true]] {
            let mine = ids(&[usize::from(order[1])]);
            assert_eq!(peer_with(&order).duplicates(false), mine);
            assert_eq!(peer_with(&order).duplicates(true), []);
            // Both sides prefer the one that stays.
            assert_eq!(peer_with(&order).preferred(true), Some(mine[0]));
            assert_ne!(peer_with(&order).preferred(false), Some(mine[0]));
        }
    }

    #[test]
    fn of_several_own_connections_the_newest_stays() {
        assert_eq!(peer_with(&[true, true, true]).duplicates(true), ids(&[1, 0]));
        assert_eq!(peer_with(&[true, true]).duplicates(false), ids(&[0]));
        assert_eq!(peer_with(&[false, false]).duplicates(true), []);
        assert_eq!(peer_with(&[true]).duplicates(false), []);
        assert_eq!(peer_with(&[true, true]).preferred(true), Some(ids(&[1])[0]));
    }

    #[test]
    fn a_direct_connection_is_preferred_and_its_dialler_ends_the_circuit() {
        for (lower_is_me, order) in [(true, [true, false]), (false, [false, true])] {
            // The circuit was dialled by the lower, the direct one by the higher.
            let mut peer = peer_with(&order);
            peer.connections[0].relayed = true;
            assert_eq!(peer.preferred(lower_is_me), Some(ids(&[1])[0]));
            let ends = if lower_is_me { ids(&[0]) } else { ids(&[]) };
            assert_eq!(peer.duplicates(lower_is_me), ends);
            // The circuit remains when the direct one has ended.
            peer.connections[1].closing = true;
            assert_eq!(peer.preferred(lower_is_me), Some(ids(&[0])[0]));
        }
    }

    #[test]
    fn a_circuit_is_not_lost_when_a_direct_connection_comes_but_the_other_way_round() {
        for (relayed, lost) in [([true, false], ids(&[])), ([false, true], ids(&[0]))] {
            let mut peer = peer_with(&[true, false]);
            for (connection, relayed) in peer.connections.iter_mut().zip(relayed) {
                connection.relayed = relayed;
            }
            peer.connections[1].since = peer.connections[0].since + Duration::from_secs(20);
            assert_eq!(peer.lost(Duration::from_secs(10)), lost);
        }
    }

    #[test]
    fn a_connection_is_lost_when_the_other_side_dials_long_after_it() {
        let crossing_max = Duration::from_secs(10);
        for (age, lost) in [(9, ids(&[])), (11, ids(&[0]))] {
            let mut peer = peer_with(&[true, false]);
            peer.connections[1].since = peer.connections[0].since + Duration::from_secs(age);
            assert_eq!(peer.lost(crossing_max), lost);
        }
    }
}
