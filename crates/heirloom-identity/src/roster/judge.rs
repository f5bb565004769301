//! Judging a set of operations: which count, and who is in.
//!
//! Every function here depends on the set alone, never on the order in which
//! it came together. An operation was admitted only if its signer was entitled
//! in the state of its parents, so that what remains is concurrency:
//!
//! - Only the highest generation counts; its resets state who was in before.
//! - A revocation counts even when its signer is concurrently revoked.
//! - Anything else counts only if every revocation of its signer had seen it,
//!   and if its signer is entitled by what counts among what it had seen.
//! - Concurrent statements about one device leave it the rights of both.

use super::bits::Bits;
use super::graph::Graph;
use super::op::{AddDevice, Author, OpBody, RootReset};
use super::state::Member;
use crate::Capabilities;
use heirloom_base::{DeviceId, LogId, OpId};
use std::collections::BTreeMap;

/// What a set of operations amounts to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) generation: u32,
    pub(crate) devices: BTreeMap<DeviceId, Member>,
    /// The places of the operations that count.
    pub(crate) counting: Bits,
}

/// What an author needs for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Only the root key may.
    Root,
    /// A member with these rights may.
    Member(Capabilities),
}

/// How a statement stands beside others: whether it counts, then its rank.
pub(crate) type Weight = (bool, u32, OpId);

/// Returns what `author` needs to sign `body`.
pub(crate) fn right(author: Author, body: &OpBody) -> Right {
    match body {
        OpBody::Genesis(_) | OpBody::RootReset(_) => Right::Root,
        OpBody::Epoch(_) => Right::Member(Capabilities::READ | Capabilities::WRITE),
        OpBody::EraseReceipt { .. } | OpBody::Unknown { .. } => Right::Member(Capabilities::NONE),
        OpBody::Name { device, .. } if author == Author::Device(*device) => {
            Right::Member(Capabilities::NONE)
        }
        OpBody::AddDevice(_)
        | OpBody::SetCapabilities { .. }
        | OpBody::Revoke(_)
        | OpBody::Accept { .. }
        | OpBody::Erase { .. }
        | OpBody::Policy(_)
        | OpBody::Name { .. } => Right::Member(Capabilities::ADMIN),
    }
}

/// Judges the operations at the places of `mask`, which holds every parent of
/// its members.
pub(crate) fn judge(graph: &Graph, mask: &Bits) -> Standing {
    let mut judge = Judge::new(graph, mask);
    for place in judge.current.clone() {
        if judge.counts(place) {
            judge.counting.insert(place);
            judge.note_grants(place);
        }
    }
    judge.standing(mask)
}

/// One statement that lets a device in or changes what it may do.
#[derive(Debug, Clone, Copy)]
struct Statement {
    place: usize,
    capabilities: Capabilities,
    lets_in: bool,
}

/// One statement that takes a device out.
#[derive(Debug, Clone, Copy)]
struct Removal<'a> {
    place: usize,
    cuts: &'a BTreeMap<LogId, u64>,
}

struct Judge<'a> {
    graph: &'a Graph,
    generation: u32,
    /// Places of the highest generation, parents first.
    current: Vec<usize>,
    removals: BTreeMap<DeviceId, Vec<Removal<'a>>>,
    statements: BTreeMap<DeviceId, Vec<Statement>>,
    counting: Bits,
}

impl<'a> Judge<'a> {
    fn new(graph: &'a Graph, mask: &Bits) -> Self {
        let generation_of = |place: usize| graph.vertex(place).op.value().generation;
        let generation = mask.iter().map(generation_of).max().unwrap_or(0);
        let current: Vec<usize> =
            mask.iter().filter(|place| generation_of(*place) == generation).collect();
        let mut removals: BTreeMap<DeviceId, Vec<Removal<'_>>> = BTreeMap::new();
        for place in &current {
            for (device, cuts) in removed_by(graph.vertex(*place).body()) {
                removals.entry(device).or_default().push(Removal { place: *place, cuts });
            }
        }
        let (statements, counting) = (BTreeMap::new(), Bits::default());
        Self { graph, generation, current, removals, statements, counting }
    }

    fn counts(&self, place: usize) -> bool {
        let vertex = self.graph.vertex(place);
        let Author::Device(author) = vertex.op.value().author else { return true };
        if matches!(vertex.body(), OpBody::Revoke(_)) {
            return true;
        }
        let mut removals = self.removals.get(&author).into_iter().flatten();
        if !removals.all(|removal| self.graph.vertex(removal.place).past.contains(place)) {
            return false;
        }
        match right(Author::Device(author), vertex.body()) {
            Right::Root => false,
            Right::Member(needed) => self
                .entitled(author, |place| vertex.past.contains(place))
                .is_some_and(|held| held.contains(needed)),
        }
    }

    fn note_grants(&mut self, place: usize) {
        let mut note = |device: DeviceId, capabilities, lets_in| {
            let statements = self.statements.entry(device).or_default();
            statements.push(Statement { place, capabilities, lets_in });
        };
        match self.graph.vertex(place).body() {
            OpBody::AddDevice(add) => note(add.device, add.capabilities, true),
            OpBody::SetCapabilities { device, capabilities } => note(*device, *capabilities, false),
            OpBody::RootReset(reset) => {
                for (device, member) in &reset.members {
                    note(*device, member.capabilities, true);
                }
            }
            OpBody::Genesis(_)
            | OpBody::Revoke(_)
            | OpBody::Epoch(_)
            | OpBody::Accept { .. }
            | OpBody::Erase { .. }
            | OpBody::EraseReceipt { .. }
            | OpBody::Policy(_)
            | OpBody::Name { .. }
            | OpBody::Unknown { .. } => {}
        }
    }

    /// Returns what the counting statements about a device within a view leave
    /// it: the rights that all of the latest ones give; `None` if nothing let
    /// it in.
    fn entitled(&self, device: DeviceId, in_view: impl Fn(usize) -> bool) -> Option<Capabilities> {
        let all = self.statements.get(&device)?.iter();
        let seen: Vec<&Statement> = all.filter(|statement| in_view(statement.place)).collect();
        if !seen.iter().any(|statement| statement.lets_in) {
            return None;
        }
        let outdated = |place: usize| {
            seen.iter().any(|other| self.graph.vertex(other.place).past.contains(place))
        };
        let latest = seen.iter().filter(|statement| !outdated(statement.place));
        let rights = latest.map(|statement| statement.capabilities);
        Some(rights.fold(Capabilities::ALL, Capabilities::intersection))
    }

    fn standing(self, mask: &Bits) -> Standing {
        let mut devices: BTreeMap<DeviceId, Member> = BTreeMap::new();
        for place in mask.iter() {
            self.describe(place, &mut devices);
        }
        for (device, member) in &mut devices {
            let removals = self.removals.get(device).map_or(&[][..], Vec::as_slice);
            let held = self.entitled(*device, |_| true).filter(|_| removals.is_empty());
            member.revoked = held.is_none();
            member.capabilities = held.unwrap_or_default();
            member.cuts = combine(removals);
            let ids = removals.iter().map(|removal| self.graph.vertex(removal.place).id);
            member.revoked_by = ids.collect();
            member.revoked_by.sort_unstable();
        }
        for place in self.counting.iter() {
            if let OpBody::Accept { device, cuts } = self.graph.vertex(place).body()
                && let Some(member) = devices.get_mut(device)
            {
                for (log, seq) in cuts {
                    let cut = member.cuts.entry(*log).or_default();
                    *cut = (*cut).max(*seq);
                }
            }
        }
        Standing { generation: self.generation, devices, counting: self.counting }
    }

    /// Takes in what an operation says about the look of a device. A counting
    /// statement beats a void one; among equals the higher rank is shown.
    fn describe(&self, place: usize, devices: &mut BTreeMap<DeviceId, Member>) {
        let vertex = self.graph.vertex(place);
        let weight: Weight = (self.counting.contains(place), vertex.depth, vertex.id);
        let believed = weight.0 || vertex.op.value().generation < self.generation;
        let writes =
            |capabilities: Capabilities| believed && capabilities.contains(Capabilities::WRITE);
        match vertex.body() {
            OpBody::AddDevice(add) => {
                let AddDevice { encryption_public, sealed_name, capabilities, .. } = add;
                let member = devices.entry(add.device).or_default();
                member.describe(weight, *encryption_public);
                member.rename(weight, sealed_name);
                member.may_ever_write |= writes(*capabilities);
            }
            OpBody::SetCapabilities { device, capabilities } => {
                let member = devices.entry(*device).or_default();
                member.may_ever_write |= writes(*capabilities);
            }
            OpBody::Name { device, sealed } => {
                devices.entry(*device).or_default().rename(weight, sealed);
            }
            OpBody::RootReset(RootReset { members, revoked, .. }) => {
                for (device, stated) in members {
                    let member = devices.entry(*device).or_default();
                    member.describe(weight, stated.encryption_public);
                    member.rename(weight, &stated.sealed_name);
                    member.may_ever_write |= writes(stated.capabilities);
                }
                for device in revoked.keys() {
                    devices.entry(*device).or_default();
                }
            }
            OpBody::Genesis(_)
            | OpBody::Revoke(_)
            | OpBody::Epoch(_)
            | OpBody::Accept { .. }
            | OpBody::Erase { .. }
            | OpBody::EraseReceipt { .. }
            | OpBody::Policy(_)
            | OpBody::Unknown { .. } => {}
        }
    }
}

fn removed_by(body: &OpBody) -> Vec<(DeviceId, &BTreeMap<LogId, u64>)> {
    match body {
        OpBody::Revoke(revoke) => vec![(revoke.device, &revoke.cuts)],
        OpBody::RootReset(reset) => {
            reset.revoked.iter().map(|(device, cuts)| (*device, cuts)).collect()
        }
        OpBody::Genesis(_)
        | OpBody::AddDevice(_)
        | OpBody::SetCapabilities { .. }
        | OpBody::Epoch(_)
        | OpBody::Accept { .. }
        | OpBody::Erase { .. }
        | OpBody::EraseReceipt { .. }
        | OpBody::Policy(_)
        | OpBody::Name { .. }
        | OpBody::Unknown { .. } => Vec::new(),
    }
}

/// Combines cuts by minimum; a log that one of them does not name has cut 0.
fn combine(removals: &[Removal<'_>]) -> BTreeMap<LogId, u64> {
    let Some((first, others)) = removals.split_first() else { return BTreeMap::new() };
    let lowest = |log: &LogId, seq: u64| {
        let others = others.iter().map(|other| other.cuts.get(log).copied().unwrap_or_default());
        others.fold(seq, u64::min)
    };
    let cuts = first.cuts.iter().map(|(log, seq)| (*log, lowest(log, *seq)));
    cuts.filter(|(_, seq)| *seq > 0).collect()
}
