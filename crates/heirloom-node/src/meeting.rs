//! Finding devices that may let this one in, before it belongs anywhere.

use crate::failure;
use heirloom_base::DeviceId;
use heirloom_core::command::Failure;
use heirloom_net::{DialError, Network, NetworkConfig, NetworkEvent, NetworkEvents};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use zeroize::Zeroizing;

/// Time in which the first device must be met, and in which others may be that
/// only the local network tells of: the answer of one may be lost.
const SEARCH_TIME: Duration = Duration::from_secs(10);
/// Time in which another one must be met.
const MORE_TIME: Duration = Duration::from_secs(3);
/// Pause before everybody is dialled again.
const AGAIN: Duration = Duration::from_secs(2);
/// Longest wait for the ports, which this device listens on again afterwards.
const RELEASE_TIME: Duration = Duration::from_secs(1);
/// Devices that are met at most: more than any household has.
const DEVICES_MAX: usize = 256;

/// Whom to look for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The only device that will do, where it is known.
    pub(crate) device: Option<DeviceId>,
    /// Where that device may be.
    pub(crate) addresses: Vec<String>,
    /// Where somebody may be.
    pub(crate) peers: Vec<String>,
    /// Where to listen meanwhile; without any a free port everywhere.
    pub(crate) listen: Vec<String>,
    /// Whether to look around in the local network.
    pub(crate) mdns: bool,
}

impl Wanted {
    /// Returns whether there is no place to look at.
    fn is_hopeless(&self) -> bool {
        self.addresses.is_empty() && self.peers.is_empty() && !self.mdns
    }
}

/// A search for devices.
#[derive(Debug)]
pub(crate) struct Meeting {
    wanted: Wanted,
    network: Network,
    events: NetworkEvents,
    dials: JoinSet<Result<DeviceId, DialError>>,
    met: BTreeSet<DeviceId>,
    discovered: BTreeMap<DeviceId, Vec<String>>,
    again: Instant,
    /// Until when others may show up.
    until: Instant,
}

impl Meeting {
    /// Begins to search.
    ///
    /// # Errors
    /// When there is no network to be had.
    pub(crate) async fn begin(seed: &Zeroizing<[u8; 32]>, wanted: Wanted) -> Result<Self, Failure> {
        let (listen, mdns) = (wanted.listen.clone(), wanted.mdns);
        let config = NetworkConfig { listen, port: 0, mdns, ..NetworkConfig::new(**seed) };
        let (network, events) = Network::start(config)
            .await
            .map_err(|error| failure::network(&failure::causes(&error)))?;
        Ok(Self {
            wanted,
            network,
            events,
            dials: JoinSet::new(),
            met: BTreeSet::new(),
            discovered: BTreeMap::new(),
            again: Instant::now(),
            until: Instant::now() + SEARCH_TIME,
        })
    }

    /// Returns the network.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the next device that is connected and was not met before;
    /// `None` when no other shows up in time.
    pub(crate) async fn next(&mut self) -> Option<DeviceId> {
        let more = Instant::now() + MORE_TIME;
        let may_be_late = self.met.is_empty() || self.wanted.mdns;
        let deadline = if may_be_late { self.until.max(more) } else { more };
        if self.wanted.is_hopeless() {
            return None;
        }
        loop {
            tokio::select! {
                () = sleep_until(deadline) => return None,
                () = sleep_until(self.again) => self.dial_all(),
                Some(dialled) = self.dials.join_next() => {
                    if let Some(device) = self.judge(dialled.unwrap_or(Err(DialError::Stopped))) {
                        return Some(device);
                    }
                }
                event = self.events.recv() => self.hear(event?),
            }
        }
    }

    /// Looks for others only a moment longer: who was met knows what to say.
    pub(crate) fn hurry(&mut self) {
        self.until = Instant::now();
    }

    /// Lets a device be met once more: the conversation with it broke off.
    pub(crate) fn forget(&mut self, device: DeviceId) {
        self.met.remove(&device);
    }

    /// Runs a conversation while the network's events are taken off.
    pub(crate) async fn during<T>(&mut self, conversation: impl Future<Output = T>) -> T {
        tokio::pin!(conversation);
        loop {
            tokio::select! {
                outcome = &mut conversation => return outcome,
                Some(event) = self.events.recv() => self.hear(event),
            }
        }
    }

    /// Returns whether only one device will do.
    pub(crate) fn is_for_one(&self) -> bool {
        self.wanted.device.is_some()
    }

    /// Ends every connection, and lets go of the ports.
    pub(crate) async fn end(mut self) {
        self.dials.shutdown().await;
        let network = self.network.clone();
        self.during(network.shutdown()).await;
        let rest = async { while self.events.recv().await.is_some() {} };
        if timeout(RELEASE_TIME, rest).await.is_err() {
            tracing::debug!("the network of the pairing goes on for a moment");
        }
    }

    fn judge(&mut self, dialled: Result<DeviceId, DialError>) -> Option<DeviceId> {
        match dialled {
            Ok(device) => {
                let fits = self.wanted.device.is_none_or(|wanted| wanted == device);
                (fits && self.met.len() < DEVICES_MAX && self.met.insert(device)).then_some(device)
            }
            Err(error) => {
                tracing::debug!(%error, "nobody was met");
                None
            }
        }
    }

    fn hear(&mut self, event: NetworkEvent) {
        if let NetworkEvent::Discovered { device, addresses } = event
            && self.wanted.device.is_none_or(|wanted| wanted == device)
            && self.discovered.len() < DEVICES_MAX
        {
            self.discovered.insert(device, addresses.clone());
            self.dial(Some(device), addresses);
        }
    }

    fn dial_all(&mut self) {
        self.again = Instant::now() + AGAIN;
        let wanted = self.wanted.clone();
        if !wanted.addresses.is_empty() {
            self.dial(wanted.device, wanted.addresses);
        }
        for address in wanted.peers {
            self.dial(None, vec![address]);
        }
        for (device, addresses) in self.discovered.clone() {
            if !self.met.contains(&device) {
                self.dial(Some(device), addresses);
            }
        }
    }

    fn dial(&mut self, device: Option<DeviceId>, addresses: Vec<String>) {
        if self.dials.len() >= DEVICES_MAX {
            return;
        }
        let network = self.network.clone();
        self.dials.spawn(async move { network.dial(device, addresses).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [1; 32];

    async fn neighbour(seed: u8) -> (Network, NetworkEvents) {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let config = NetworkConfig { listen, mdns: false, ..NetworkConfig::new([seed; 32]) };
        Network::start(config).await.unwrap()
    }

    #[tokio::test]
    async fn whoever_answers_is_met_once() {
        let ((one, _one_events), (two, _two_events)) = (neighbour(2).await, neighbour(3).await);
        let peers = [one.addresses(), one.addresses(), two.addresses()].concat();
        let wanted = Wanted { peers, ..Wanted::default() };
        let mut meeting = Meeting::begin(&Zeroizing::new(SEED), wanted).await.unwrap();
        let met: BTreeSet<DeviceId> =
            [meeting.next().await, meeting.next().await].into_iter().flatten().collect();
        assert_eq!(met, BTreeSet::from([one.device(), two.device()]));
        assert_eq!(meeting.next().await, None);
        meeting.end().await;
    }

    #[tokio::test]
    async fn only_the_device_of_the_link_will_do() {
        let ((one, _one_events), (two, _two_events)) = (neighbour(2).await, neighbour(3).await);
        let wanted = Wanted {
            device: Some(two.device()),
            addresses: two.addresses(),
            peers: one.addresses(),
            ..Wanted::default()
        };
        let mut meeting = Meeting::begin(&Zeroizing::new(SEED), wanted).await.unwrap();
        assert_eq!(meeting.next().await, Some(two.device()));
        meeting.end().await;
    }

    #[tokio::test]
    async fn it_listens_where_it_was_asked_to_and_lets_go_of_the_port() {
        let (first, events) = neighbour(2).await;
        let address = crate::host::place(&first.addresses()[0]).to_owned();
        first.shutdown().await;
        drop((first, events));
        let wanted = Wanted { listen: vec![address.clone()], ..Wanted::default() };
        let meeting = Meeting::begin(&Zeroizing::new(SEED), wanted).await.unwrap();
        let bound = meeting.network().addresses();
        let places: Vec<&str> = bound.iter().map(|at| crate::host::place(at)).collect();
        assert_eq!(places, [address.as_str()]);
        meeting.end().await;
        let config = NetworkConfig {
            listen: vec![address.clone()],
            mdns: false,
            ..NetworkConfig::new(SEED)
        };
        let (again, _events) = Network::start(config).await.unwrap();
        assert_eq!(crate::host::place(&again.addresses()[0]), address);
    }

    #[tokio::test]
    async fn a_late_device_is_met_too() {
        let early = neighbour(2).await;
        let address = crate::host::place(&early.0.addresses()[0]).to_owned();
        early.0.shutdown().await;
        drop(early);
        let wanted = Wanted { peers: vec![address.clone()], ..Wanted::default() };
        let mut meeting = Meeting::begin(&Zeroizing::new(SEED), wanted).await.unwrap();
        let config =
            NetworkConfig { listen: vec![address], mdns: false, ..NetworkConfig::new([2; 32]) };
        // The first dial is over before anybody listens.
        assert!(timeout(Duration::from_millis(300), meeting.next()).await.is_err());
        let (late, _events) = Network::start(config).await.unwrap();
        assert_eq!(meeting.next().await, Some(late.device()));
        meeting.end().await;
    }
}
