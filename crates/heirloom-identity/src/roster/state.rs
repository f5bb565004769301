//! What the roster says: who is in, and under which key to write.

use super::bits::Bits;
use super::graph::Graph;
use super::judge::{Standing, Weight};
use super::op::{Author, OpBody};
use crate::Capabilities;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{DeviceId, EpochId, LogId, OpId};
use std::collections::{BTreeMap, BTreeSet};

/// One device that the account knows or knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it may do now; nothing once it is revoked.
    pub capabilities: Capabilities,
    /// The key to which epochs are wrapped for it.
    pub encryption_public: [u8; 32],
    /// Its name, sealed for those who may read.
    pub sealed_name: Vec<u8>,
    /// Whether it is out: revoked, left out by a reset, or let in by an
    /// operation that does not count.
    pub revoked: bool,
    /// Per log the last sequence number that stays valid after it is out.
    pub cuts: BTreeMap<LogId, u64>,
    /// The operation that let it in.
    pub added_by: OpId,
    /// The operations that took it out.
    pub revoked_by: Vec<OpId>,
    pub(crate) may_ever_write: bool,
    described: Option<Weight>,
    named: Option<Weight>,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            capabilities: Capabilities::NONE,
            encryption_public: [0; 32],
            sealed_name: Vec::new(),
            revoked: true,
            cuts: BTreeMap::new(),
            added_by: OpId([0; 32]),
            revoked_by: Vec::new(),
            may_ever_write: false,
            described: None,
            named: None,
        }
    }
}

impl Member {
    /// Returns the sequence number up to which the entries of its log count.
    pub(crate) fn counts_until(&self, log: LogId) -> u64 {
        match (self.revoked, self.may_ever_write) {
            (true, _) => self.cuts.get(&log).copied().unwrap_or(0),
            (false, true) => u64::MAX,
            (false, false) => 0,
        }
    }

    pub(crate) fn describe(&mut self, weight: Weight, encryption_public: [u8; 32]) {
        if self.described < Some(weight) {
            self.described = Some(weight);
            self.encryption_public = encryption_public;
            self.added_by = weight.2;
        }
    }

    pub(crate) fn rename(&mut self, weight: Weight, sealed: &[u8]) {
        if self.named < Some(weight) {
            self.named = Some(weight);
            self.sealed_name = sealed.to_vec();
        }
    }
}

/// One content key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// How far from the account's beginning it was made.
    pub depth: u32,
    /// Commits to the key.
    pub commitment: [u8; 32],
    /// Every device of the roster that can know the key: its author, those it
    /// was wrapped to, and those who know a later key under which it is sealed.
    pub recipients: BTreeSet<DeviceId>,
    /// Whether it may be written under: the operation counts, and no device
    /// that is out or may not read can know the key.
    pub clean: bool,
    /// Whether every device that may read can know the key.
    pub complete: bool,
}

/// Whether an entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteVerdict {
    /// It counts.
    Valid,
    /// Its device is out and it lies beyond the cut: it is kept, not applied.
    Quarantined,
    /// Its device was never let in to write.
    NotMember,
}

/// What the whole set of operations amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterState {
    /// The highest generation: how often the root key stated the roster anew.
    pub generation: u32,
    /// Every device that was ever let in, in or out.
    pub devices: BTreeMap<DeviceId, Member>,
    /// Every content key.
    pub epochs: BTreeMap<EpochId, Epoch>,
    /// The root's public signing key, once the beginning is known.
    pub root_public: Option<[u8; 32]>,
    /// The public recovery key, once the beginning is known.
    pub recovery_public: Option<[u8; 32]>,
    /// Commits to the account key, once the beginning is known.
    pub account_key_commitment: Option<[u8; 32]>,
}

impl RosterState {
    pub(crate) fn new(graph: &Graph, standing: &Standing) -> Self {
        let mut state = Self {
            generation: standing.generation,
            devices: standing.devices.clone(),
            epochs: epochs(graph, &standing.devices),
            ..Self::default()
        };
        for vertex in graph.vertices() {
            if let OpBody::Genesis(genesis) = vertex.body() {
                state.root_public = Some(genesis.root_public);
                state.recovery_public = Some(genesis.recovery_public);
                state.account_key_commitment = Some(genesis.account_key_commitment);
            }
        }
        let readers = state.read_devices();
        for (id, epoch) in &mut state.epochs {
            let place = graph.epoch_place(id);
            let counts = place.is_some_and(|place| standing.counting.contains(place));
            epoch.clean &= counts && epoch.recipients.is_subset(&readers);
            epoch.complete = epoch.recipients.is_superset(&readers);
        }
        state
    }

    /// Returns whether a device is in.
    #[must_use]
    pub fn is_member(&self, device: DeviceId) -> bool {
        self.devices.get(&device).is_some_and(|member| !member.revoked)
    }

    /// Returns what a device may do: nothing unless it is in.
    #[must_use]
    pub fn capabilities(&self, device: DeviceId) -> Capabilities {
        self.devices.get(&device).map_or(Capabilities::NONE, |member| member.capabilities)
    }

    /// Returns whether the entry with a sequence number of a device's log counts.
    ///
    /// A member that lost the right to write keeps what it wrote, and is
    /// trusted to stop; one that is not trusted is revoked.
    #[must_use]
    pub fn may_write(&self, device: DeviceId, log: LogId, seq: u64) -> WriteVerdict {
        match self.devices.get(&device) {
            _ if seq <= self.counts_until(device, log) => WriteVerdict::Valid,
            Some(member) if member.revoked => WriteVerdict::Quarantined,
            Some(_) | None => WriteVerdict::NotMember,
        }
    }

    /// Returns the sequence number up to which the entries of a device's log
    /// count: zero where none does, the largest number where all do.
    #[must_use]
    pub fn counts_until(&self, device: DeviceId, log: LogId) -> u64 {
        self.devices.get(&device).map_or(0, |member| member.counts_until(log))
    }

    /// Returns the epoch to write under: a clean one, and of those one that
    /// everybody can read, the deepest first. Equal depths are ordered by id,
    /// which is no decision, since all of them are equally safe.
    #[must_use]
    pub fn writing_epoch(&self) -> Option<EpochId> {
        if is_planted(Bug::OldEpoch) {
            let oldest = self.epochs.iter().min_by_key(|(id, epoch)| (epoch.depth, **id));
            return oldest.map(|(id, _)| *id);
        }
        let clean = self.epochs.iter().filter(|(_, epoch)| epoch.clean);
        let best = clean.max_by_key(|(id, epoch)| (epoch.complete, epoch.depth, **id));
        best.map(|(id, _)| *id)
    }

    /// Returns whether any device that reads and writes should make a new
    /// epoch: there is none that is clean and that everybody can read.
    #[must_use]
    pub fn needs_epoch(&self) -> bool {
        !self.epochs.values().any(|epoch| epoch.clean && epoch.complete)
    }

    /// Returns the epochs whose keys not all know who may read: they came in or
    /// came back beside those who made these epochs. Who knows such a key hands
    /// it on with a new epoch.
    pub fn withheld_epochs(&self) -> impl Iterator<Item = EpochId> + '_ {
        self.epochs.iter().filter(|(_, epoch)| !epoch.complete).map(|(id, _)| *id)
    }

    /// Returns the devices that may read.
    #[must_use]
    pub fn read_devices(&self) -> BTreeSet<DeviceId> {
        let reads = |member: &Member| member.capabilities.contains(Capabilities::READ);
        let readers = self.devices.iter().filter(|(_, member)| reads(member));
        readers.map(|(device, _)| *device).collect()
    }
}

/// Returns every epoch with all who can know its key. Void operations are
/// included: what they gave away, they gave away.
///
/// Devices that nobody let in are left out and only remembered as such, so that
/// whoever makes some up cannot make this grow with the square of the epochs.
fn epochs(graph: &Graph, devices: &BTreeMap<DeviceId, Member>) -> BTreeMap<EpochId, Epoch> {
    let recipients = recipients(graph, devices);
    let mut epochs = BTreeMap::new();
    for (vertex, known) in graph.vertices().iter().zip(&recipients) {
        let Some(keys) = vertex.body().epoch() else { continue };
        let of_known = devices.keys().enumerate();
        let of_known = of_known.filter(|(number, _)| known.contains(number + 1));
        let epoch = Epoch {
            depth: vertex.depth,
            commitment: keys.commitment,
            recipients: of_known.map(|(_, device)| *device).collect(),
            clean: !known.contains(STRANGER),
            complete: false,
        };
        epochs.insert(EpochId(vertex.id.0), epoch);
    }
    epochs
}

/// Stands for every device that nobody let in, in a set of recipients.
const STRANGER: usize = 0;

/// Returns for each place who can know the key of the epoch there: the devices
/// by their number from one, in the order of their ids.
fn recipients(graph: &Graph, devices: &BTreeMap<DeviceId, Member>) -> Vec<Bits> {
    let numbers: BTreeMap<DeviceId, usize> = devices.keys().copied().zip(1..).collect();
    let number = |device: &DeviceId| numbers.get(device).copied().unwrap_or(STRANGER);
    let mut recipients = vec![Bits::default(); graph.len()];
    for (place, vertex) in graph.vertices().iter().enumerate() {
        if let Some(keys) = vertex.body().epoch() {
            let own = keys.wraps.keys().map(&number);
            own.for_each(|device| recipients[place].insert(device));
            if let Author::Device(author) = vertex.op.value().author {
                recipients[place].insert(number(&author));
            }
        }
        if let OpBody::AddDevice(add) = vertex.body() {
            for epoch in add.wraps.keys().filter_map(|epoch| graph.epoch_place(epoch)) {
                recipients[epoch].insert(number(&add.device));
            }
        }
    }
    // Predecessors have lower places, so that one backward pass hands on everything.
    for (place, vertex) in graph.vertices().iter().enumerate().rev() {
        let (earlier, later) = recipients.split_at_mut(place);
        for predecessor in &vertex.predecessors {
            if let (Some(epoch), Some(later)) = (earlier.get_mut(*predecessor), later.first()) {
                epoch.union_with(later);
            }
        }
    }
    recipients
}
