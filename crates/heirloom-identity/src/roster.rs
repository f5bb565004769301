//! The roster: who is in, as a pure function of a set of signed operations.
//!
//! Operations name what their authors knew, so that the set is a graph. An
//! operation is admitted once everything it builds on is here, if its signature
//! holds and its signer was entitled in the state of its parents; both depend
//! on nothing that may come later. What concurrent operations amount to
//! together depends on the whole set: one more is judged beside what was judged
//! before, and the state is put together when somebody asks for it.

mod author;
mod bits;
mod graph;
mod judge;
pub mod op;
mod room;
mod show;
mod state;
mod waiting;

#[cfg(test)]
pub(crate) use author::compose;
pub use author::{
    NewDevice, ResetPlan, Signer, accept, add_device, epoch, genesis, rename, revoke, root_reset,
    set_capabilities,
};
pub use state::{Epoch, Member, RosterState, WriteVerdict};

use crate::signed::{self, SignatureError, Signed, Verified};
use bits::Bits;
use graph::Graph;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{AccountId, DecodeError, DeviceId, EpochId, LogId, OpId, limits};
use judge::{Right, Standing, View, judge, right};
use op::{Author, EpochKeys, Op, OpBody};
use room::Room;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use waiting::Waiting;

/// Why an operation is refused, here and by everybody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// It is longer than any operation may be.
    #[error("an operation of {0} bytes is too long")]
    TooLong(usize),
    /// It is not well formed.
    #[error("the operation is not well formed")]
    Form(#[from] DecodeError),
    /// Its signature is not by its author.
    #[error("the operation is not signed by its author for this account")]
    Signature(#[from] SignatureError),
    /// It begins another account.
    #[error("the operation begins account {0:?}, which is another one")]
    WrongAccount(AccountId),
    /// The account began already.
    #[error("the account has begun already")]
    SecondGenesis,
    /// It does not continue the generation of its parents.
    #[error("an operation of generation {0} does not follow from its parents")]
    Generation(u32),
    /// Its author was not entitled when it signed.
    #[error("its author {0:?} was not entitled to this operation")]
    NotEntitled(Author),
    /// It lets in a device that was let in before; a device returns with a new key.
    #[error("device {0:?} was let in before")]
    KnownDevice(DeviceId),
    /// It is about a device that its author could not know.
    #[error("device {0:?} is not known")]
    UnknownDevice(DeviceId),
    /// The encryption key is not signed by the device.
    #[error("the encryption key of device {0:?} is not its own word")]
    Binding(DeviceId),
    /// It hands on the key of an epoch that its author could not know.
    #[error("epoch {0:?} is not known")]
    UnknownEpoch(EpochId),
    /// The account has as many devices as it may have.
    #[error("the account has {0} devices already")]
    TooManyDevices(usize),
    /// The roster is full; revocations and the root key still have room.
    #[error("the roster is full")]
    Full,
    /// Its author signed more than its share, and nobody else builds on it.
    #[error("device {0:?} has signed more of the roster than its share")]
    Share(DeviceId),
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// These were admitted, parents first: it, and those that had waited for it.
    New(Vec<OpId>),
    /// It was admitted before.
    Known,
    /// It waits for others.
    Waiting {
        /// Its parents that are not here.
        missing: Vec<OpId>,
    },
}

/// The operations of one account and what they amount to.
#[derive(Debug, Clone)]
pub struct Roster {
    account: AccountId,
    graph: Graph,
    waiting: Waiting,
    room: Room,
    standing: Standing,
    /// Made when it is first asked for after a change.
    state: OnceLock<RosterState>,
}

impl Roster {
    /// Returns the empty roster of an account.
    #[must_use]
    pub fn new(account: AccountId) -> Self {
        Self {
            account,
            graph: Graph::default(),
            waiting: Waiting::default(),
            room: Room::default(),
            standing: Standing::default(),
            state: OnceLock::new(),
        }
    }

    /// Returns the account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Returns the account that an operation begins, if it does.
    #[must_use]
    pub fn begun_by(bytes: &[u8]) -> Option<AccountId> {
        let signed = parse(bytes).ok()?;
        let OpBody::Genesis(genesis) = &signed.unverified().body else { return None };
        let account = genesis.account_id();
        Self::new(account).insert(bytes).ok().map(|_| account)
    }

    /// Takes in a signed operation.
    ///
    /// # Errors
    /// [`RosterError`]; nothing changed then. But for [`RosterError::Full`] and
    /// [`RosterError::Share`] the same bytes are refused wherever the same
    /// parents are known.
    pub fn insert(&mut self, bytes: &[u8]) -> Result<Inserted, RosterError> {
        let signed = parse(bytes)?;
        let id = signed.id();
        if self.contains(&id) {
            return Ok(Inserted::Known);
        }
        let missing = self.missing(signed.unverified());
        if !missing.is_empty() {
            let is_built_on = self.waiting.is_needed(&id) || self.vouches(&signed, bytes);
            self.waiting.hold(id, bytes.len(), signed, &missing);
            let admitted = if is_built_on { self.admit_needed(missing.clone()) } else { vec![] };
            return Ok(match admitted.is_empty() {
                true => Inserted::Waiting { missing },
                false => Inserted::New(admitted),
            });
        }
        if let Some(device) = self.beyond_share(&id, signed.unverified(), bytes.len()) {
            self.waiting.hold(id, bytes.len(), signed, &[]);
            return Err(RosterError::Share(device));
        }
        let mut admitted = vec![self.admit(signed)?];
        self.admit_waiting(&mut admitted);
        Ok(Inserted::New(admitted))
    }

    /// Takes in an operation that was taken in before, whatever there is room
    /// for by now.
    ///
    /// # Errors
    /// As [`Roster::insert`].
    pub fn restore(&mut self, bytes: &[u8]) -> Result<Inserted, RosterError> {
        let id = parse(bytes)?.id();
        if !self.contains(&id) {
            self.waiting.need(id);
        }
        self.insert(bytes)
    }

    /// Returns whether everything that an operation builds on is here.
    #[must_use]
    pub fn is_ready(&self, bytes: &[u8]) -> bool {
        parse(bytes).is_ok_and(|signed| self.missing(signed.unverified()).is_empty())
    }

    /// Returns the operations on which no other builds yet.
    #[must_use]
    pub fn heads(&self) -> Vec<OpId> {
        self.graph.heads().iter().copied().collect()
    }

    /// Returns whether an operation was admitted.
    #[must_use]
    pub fn contains(&self, id: &OpId) -> bool {
        self.graph.place(id).is_some()
    }

    /// Returns how many operations were admitted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Returns whether nothing was admitted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.graph.len() == 0
    }

    /// Returns the signed bytes of an operation.
    #[must_use]
    pub fn bytes(&self, id: &OpId) -> Option<&[u8]> {
        self.graph.place(id).map(|place| self.graph.vertex(place).op.bytes())
    }

    /// Returns an operation.
    #[must_use]
    pub fn op(&self, id: &OpId) -> Option<&Op> {
        self.graph.place(id).map(|place| self.graph.vertex(place).op.value())
    }

    /// Returns every operation with its signed bytes, parents first, in the
    /// same order on every device.
    #[must_use]
    pub fn ops(&self) -> Vec<(OpId, &[u8])> {
        let mut vertices: Vec<_> = self.graph.vertices().iter().collect();
        vertices.sort_by_key(|vertex| vertex.rank());
        vertices.into_iter().map(|vertex| (vertex.id, vertex.op.bytes())).collect()
    }

    /// Returns whether the author of one of `heads` knew `earlier`.
    #[must_use]
    pub fn is_within(&self, earlier: &OpId, heads: &[OpId]) -> bool {
        let closure = self.graph.closure(heads);
        self.graph.place(earlier).is_some_and(|place| closure.contains(place))
    }

    /// Returns the sequence number up to which the entries of a device's log
    /// counted for who knew `heads` and no more.
    #[must_use]
    pub fn counted_until(&self, heads: &[OpId], device: DeviceId, log: LogId) -> u64 {
        let standing = judge(&self.graph, &self.graph.closure(heads));
        standing.devices.get(&device).map_or(0, |member| member.counts_until(log))
    }

    /// Returns what all operations amount to.
    #[must_use]
    pub fn state(&self) -> &RosterState {
        self.state.get_or_init(|| RosterState::new(&self.graph, &self.standing))
    }

    pub(crate) fn rank(&self, id: &OpId) -> Option<(u32, u32, OpId)> {
        let vertex = self.graph.vertex(self.graph.place(id)?);
        Some((vertex.op.value().generation, vertex.depth, *id))
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = (OpId, &OpBody)> {
        let mut vertices: Vec<_> = self.graph.vertices().iter().collect();
        vertices.sort_by_key(|vertex| std::cmp::Reverse(vertex.rank()));
        vertices.into_iter().map(|vertex| (vertex.id, vertex.body()))
    }

    pub(crate) fn epoch_keys(&self, epoch: EpochId) -> Option<&EpochKeys> {
        self.graph.vertex(self.graph.epoch_place(&epoch)?).body().epoch()
    }

    /// Returns the epochs that who knows `heads` knows.
    pub(crate) fn epochs_within(&self, heads: &[OpId]) -> BTreeMap<EpochId, &EpochKeys> {
        let vertices = self.graph.closure(heads);
        let vertices: Vec<usize> = vertices.iter().collect();
        let epochs = vertices.into_iter().map(|place| self.graph.vertex(place));
        epochs.filter_map(|vertex| Some((EpochId(vertex.id.0), vertex.body().epoch()?))).collect()
    }

    /// Returns the parents of an operation that are not here.
    fn missing(&self, op: &Op) -> Vec<OpId> {
        op.parents.iter().filter(|id| !self.contains(id)).copied().collect()
    }

    /// Returns the device that signs more than its share with an operation on
    /// which nobody else builds.
    fn beyond_share(&self, id: &OpId, op: &Op, bytes: usize) -> Option<DeviceId> {
        let device = self.room.beyond_share(op, bytes)?;
        (!self.waiting.is_needed(id)).then_some(device)
    }

    /// Returns whether an operation, whose parents are not all here, is by
    /// somebody who is in and keeps to the share: what it builds on is needed.
    fn vouches(&self, signed: &Signed<Op>, bytes: &[u8]) -> bool {
        let op = signed.unverified();
        let key = match op.author {
            Author::Root => self.genesis_root(),
            Author::Device(device) => self.is_in(&device).then_some(device.0),
        };
        let Some(key) = key else { return false };
        self.room.beyond_share(op, bytes.len()).is_none()
            && signed.clone().verify(signed::ROSTER_OP, self.account, &key).is_ok()
    }

    /// Admits of these operations, and of those that they build on, what is
    /// here and was set aside because it was more than its signer's share.
    fn admit_needed(&mut self, mut needed: Vec<OpId>) -> Vec<OpId> {
        let mut ready = Vec::new();
        while let Some(id) = needed.pop() {
            if self.contains(&id) || !self.waiting.need(id) {
                continue;
            }
            let Some(op) = self.waiting.op(&id) else { continue };
            let missing = self.missing(op);
            if missing.is_empty() {
                ready.push(id);
            }
            needed.extend(missing);
        }
        let mut admitted = Vec::new();
        for id in ready {
            let signed = self.waiting.take(&id);
            admitted.extend(signed.and_then(|signed| self.admit(signed).ok()));
        }
        self.admit_waiting(&mut admitted);
        admitted
    }

    /// Admits what waited only for operations that are here now: what was just
    /// admitted, and what it brings.
    fn admit_waiting(&mut self, admitted: &mut Vec<OpId>) {
        let mut arrived = admitted.clone();
        while let Some(parent) = arrived.pop() {
            for id in self.waiting.for_parent(&parent) {
                let is_ready = self.waiting.op(&id).is_some_and(|op| {
                    let size = self.waiting.size(&id);
                    self.missing(op).is_empty() && self.beyond_share(&id, op, size).is_none()
                });
                let Some(signed) = is_ready.then(|| self.waiting.take(&id)).flatten() else {
                    continue;
                };
                // One that is refused now is refused by everybody.
                if let Ok(id) = self.admit(signed) {
                    arrived.push(id);
                    admitted.push(id);
                }
            }
        }
    }

    fn admit(&mut self, signed: Signed<Op>) -> Result<OpId, RosterError> {
        self.check_room(&signed)?;
        let verified = self.verify(signed)?;
        let op = verified.value();
        if !matches!(op.body, OpBody::Genesis(_)) {
            self.check_generation(op)?;
            self.check_author(op)?;
        }
        self.room.note(op, verified.bytes().len());
        let id = self.graph.push(verified);
        self.waiting.came(&id);
        self.standing.extend(&self.graph, self.graph.len() - 1);
        self.state = OnceLock::new();
        Ok(id)
    }

    /// Checks what an operation's author was entitled to and could know.
    fn check_author(&self, op: &Op) -> Result<(), RosterError> {
        let graph = &self.graph;
        let past = graph.closure(&op.parents);
        let all = Bits::below(if is_planted(Bug::RosterByArrival) { graph.len() } else { 0 });
        let seen = if all.is_empty() { &past } else { &all };
        let known = op.parents.iter().filter_map(|id| self.op(id)).map(|op| op.generation).max();
        let is_at_hand =
            seen.len() == graph.len() || self.standing.speaks_for(known.unwrap_or_default());
        let judged = (!is_at_hand).then(|| judge(graph, seen));
        let view = View { graph, standing: judged.as_ref().unwrap_or(&self.standing), past: seen };
        check_entitled(op, view)?;
        self.check_body(op, view, &past)
    }

    fn is_in(&self, device: &DeviceId) -> bool {
        self.standing.devices.get(device).is_some_and(|member| !member.revoked)
    }

    fn check_room(&self, signed: &Signed<Op>) -> Result<(), RosterError> {
        let is_needed = self.waiting.is_needed(&signed.id()) && !self.room.is_overfull();
        if is_needed {
            return Ok(());
        }
        self.room.check(signed.unverified(), &|device| self.is_in(device))
    }

    fn verify(&self, signed: Signed<Op>) -> Result<Verified<Op>, RosterError> {
        let op = signed.unverified();
        let key = match (&op.body, op.author) {
            (OpBody::Genesis(genesis), Author::Root) => {
                if genesis.account_id() != self.account {
                    return Err(RosterError::WrongAccount(genesis.account_id()));
                }
                if op.generation != 0 || !op.parents.is_empty() {
                    return Err(RosterError::Generation(op.generation));
                }
                if !self.is_empty() {
                    return Err(RosterError::SecondGenesis);
                }
                genesis.root_public
            }
            (OpBody::Genesis(_), Author::Device(_)) => {
                return Err(RosterError::NotEntitled(op.author));
            }
            (_, Author::Root) => {
                self.genesis_root().ok_or(RosterError::NotEntitled(Author::Root))?
            }
            (_, Author::Device(device)) => device.0,
        };
        Ok(signed.verify(signed::ROSTER_OP, self.account, &key)?)
    }

    fn genesis_root(&self) -> Option<[u8; 32]> {
        self.graph.vertices().first().and_then(|vertex| match vertex.body() {
            OpBody::Genesis(genesis) => Some(genesis.root_public),
            OpBody::AddDevice(_)
            | OpBody::SetCapabilities { .. }
            | OpBody::Revoke(_)
            | OpBody::Epoch(_)
            | OpBody::Accept { .. }
            | OpBody::Erase { .. }
            | OpBody::EraseReceipt { .. }
            | OpBody::Policy(_)
            | OpBody::RootReset(_)
            | OpBody::Name { .. }
            | OpBody::Unknown { .. } => None,
        })
    }

    /// A reset goes beyond the generations that it knows; nothing else does.
    fn check_generation(&self, op: &Op) -> Result<(), RosterError> {
        let known = op.parents.iter().filter_map(|id| self.op(id)).map(|op| op.generation).max();
        let follows = known.is_some_and(|known| {
            if matches!(op.body, OpBody::RootReset(_)) {
                op.generation > known
            } else {
                op.generation == known
            }
        });
        if follows { Ok(()) } else { Err(RosterError::Generation(op.generation)) }
    }

    fn check_body(&self, op: &Op, view: View<'_>, past: &Bits) -> Result<(), RosterError> {
        let known = |device: &DeviceId| match view.knows(device) {
            true => Ok(()),
            false => Err(RosterError::UnknownDevice(*device)),
        };
        match &op.body {
            OpBody::AddDevice(add) => {
                check_newcomer(add, view, self.account)?;
                self.check_epochs(add.wraps.keys(), past)?;
            }
            OpBody::SetCapabilities { device, .. }
            | OpBody::Accept { device, .. }
            | OpBody::Erase { device, .. }
            | OpBody::Name { device, .. } => known(device)?,
            OpBody::Revoke(revoke) => known(&revoke.device)?,
            OpBody::Genesis(_)
            | OpBody::Epoch(_)
            | OpBody::EraseReceipt { .. }
            | OpBody::Policy(_)
            | OpBody::RootReset(_)
            | OpBody::Unknown { .. } => {}
        }
        match op.body.epoch() {
            Some(keys) => self.check_epochs(keys.predecessors.keys(), past),
            None => Ok(()),
        }
    }

    fn check_epochs<'a>(
        &self,
        mut epochs: impl Iterator<Item = &'a EpochId>,
        past: &Bits,
    ) -> Result<(), RosterError> {
        let known = |epoch: &EpochId| {
            self.graph.epoch_place(epoch).is_some_and(|place| {
                past.contains(place) && self.graph.vertex(place).body().epoch().is_some()
            })
        };
        match epochs.find(|epoch| !known(epoch)) {
            Some(epoch) => Err(RosterError::UnknownEpoch(*epoch)),
            None => Ok(()),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Signed<Op>, RosterError> {
    if bytes.len() > limits::ROSTER_OP_BYTES_MAX {
        return Err(RosterError::TooLong(bytes.len()));
    }
    Ok(Signed::<Op>::parse(bytes)?)
}

fn check_entitled(op: &Op, view: View<'_>) -> Result<(), RosterError> {
    let Author::Device(device) = op.author else { return Ok(()) };
    let entitled = match right(op.author, &op.body) {
        Right::Root => false,
        Right::Member(needed) => view.rights(&device).is_some_and(|held| held.contains(needed)),
    };
    if entitled { Ok(()) } else { Err(RosterError::NotEntitled(op.author)) }
}

fn check_newcomer(
    add: &op::AddDevice,
    view: View<'_>,
    account: AccountId,
) -> Result<(), RosterError> {
    if view.knows(&add.device) {
        return Err(RosterError::KnownDevice(add.device));
    }
    let members = view.members();
    if members >= limits::DEVICES_MAX {
        return Err(RosterError::TooManyDevices(members));
    }
    let key = &add.device.0;
    signed::verify(signed::DEVICE_KEY, account, key, &add.encryption_public, &add.binding)
        .map_err(|_| RosterError::Binding(add.device))
}

#[cfg(test)]
mod tests;
