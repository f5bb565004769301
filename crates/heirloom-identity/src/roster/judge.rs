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
//!
//! One operation more is judged by itself ([`Standing::extend`]), unless it
//! makes others void: who signs thousands costs thousands of steps, and not
//! their square.

use super::bits::Bits;
use super::graph::Graph;
use super::op::{Author, OpBody};
use super::state::Member;
use crate::Capabilities;
use about::About;
use heirloom_base::{DeviceId, LogId, OpId};
use std::collections::BTreeMap;

mod about;
mod look;
mod view;

pub(crate) use view::View;

/// What a set of operations amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) generation: u32,
    pub(crate) devices: BTreeMap<DeviceId, Member>,
    /// The places of the operations that count.
    pub(crate) counting: Bits,
    /// Whether an operation of the highest generation does not count.
    has_void: bool,
    about: BTreeMap<DeviceId, About>,
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
    #[cfg(test)]
    JUDGEMENTS.set(JUDGEMENTS.get() + 1);
    let generation_of = |place: usize| graph.vertex(place).op.value().generation;
    let generation = mask.iter().map(generation_of).max().unwrap_or(0);
    let current: Vec<usize> =
        mask.iter().filter(|place| generation_of(*place) == generation).collect();
    let mut standing = Standing { generation, ..Standing::default() };
    for place in &current {
        standing.note_removals(graph, *place);
    }
    for place in current {
        standing.weigh(graph, place);
    }
    for place in mask.iter() {
        standing.describe(graph, place);
    }
    let devices: Vec<DeviceId> = standing.devices.keys().copied().collect();
    for device in devices {
        standing.settle_removals(device);
        standing.settle_rights(graph, device);
    }
    standing
}

impl Standing {
    /// Takes in the last operation of the graph, of which all others are in.
    pub(crate) fn extend(&mut self, graph: &Graph, place: usize) {
        let op = graph.vertex(place).op.value();
        if op.generation > self.generation || self.makes_void(graph, place) {
            *self = judge(graph, &Bits::below(graph.len()));
            return;
        }
        let mut touched = Vec::new();
        if op.generation == self.generation {
            touched = self.note_removals(graph, place);
            self.weigh(graph, place);
        }
        let described = self.describe(graph, place);
        for device in &touched {
            self.settle_removals(*device);
        }
        // Whoever is let in or gets other rights is described with it.
        touched.extend(described);
        for device in touched {
            self.settle_rights(graph, device);
        }
    }

    /// Returns whether the operation takes out somebody who signed what it had
    /// not seen: others may be void from now on.
    fn makes_void(&self, graph: &Graph, place: usize) -> bool {
        let past = &graph.vertex(place).past;
        removed_by(graph.vertex(place).body()).into_iter().any(|(device, _)| {
            let signed = self.about.get(&device).map_or(&[][..], |about| &about.signed);
            signed.iter().rev().any(|place| !past.contains(*place))
        })
    }

    fn note_removals(&mut self, graph: &Graph, place: usize) -> Vec<DeviceId> {
        let vertex = graph.vertex(place);
        let removed = removed_by(vertex.body());
        for (device, cuts) in &removed {
            let about = self.about.entry(*device).or_default();
            about.remove(place, vertex.id, cuts);
        }
        removed.into_iter().map(|(device, _)| device).collect()
    }

    /// Decides whether an operation of the highest generation counts, all
    /// earlier ones being decided.
    fn weigh(&mut self, graph: &Graph, place: usize) {
        let vertex = graph.vertex(place);
        if !self.counts(graph, place) {
            self.has_void = true;
            return;
        }
        self.counting.insert(place);
        if let Author::Device(author) = vertex.op.value().author
            && !matches!(vertex.body(), OpBody::Revoke(_))
        {
            self.about.entry(author).or_default().signed.push(place);
        }
        if let OpBody::Accept { device, cuts } = vertex.body() {
            self.accept(*device, cuts);
        }
        for (device, capabilities, lets_in) in grants(vertex.body()) {
            let about = self.about.entry(device).or_default();
            about.state(graph, place, capabilities, lets_in);
        }
    }

    fn counts(&self, graph: &Graph, place: usize) -> bool {
        let vertex = graph.vertex(place);
        let Author::Device(author) = vertex.op.value().author else { return true };
        if matches!(vertex.body(), OpBody::Revoke(_)) {
            return true;
        }
        let Some(about) = self.about.get(&author) else { return false };
        let knew = |removal: &usize| graph.vertex(*removal).past.contains(place);
        if !about.removals.iter().all(knew) {
            return false;
        }
        match right(Author::Device(author), vertex.body()) {
            Right::Root => false,
            Right::Member(needed) => about
                .entitled(graph, |place| vertex.past.contains(place))
                .is_some_and(|held| held.contains(needed)),
        }
    }

    fn accept(&mut self, device: DeviceId, cuts: &BTreeMap<LogId, u64>) {
        raise(&mut self.about.entry(device).or_default().accepted, cuts);
        if let Some(member) = self.devices.get_mut(&device) {
            raise(&mut member.cuts, cuts);
        }
    }

    fn settle_rights(&mut self, graph: &Graph, device: DeviceId) {
        let Some(member) = self.devices.get_mut(&device) else { return };
        let about = self.about.get(&device).filter(|about| about.removals.is_empty());
        let held = about.and_then(|about| about.entitled(graph, |_| true));
        member.revoked = held.is_none();
        member.capabilities = held.unwrap_or_default();
    }

    fn settle_removals(&mut self, device: DeviceId) {
        let (Some(member), Some(about)) = (self.devices.get_mut(&device), self.about.get(&device))
        else {
            return;
        };
        member.cuts = about.cuts.clone();
        raise(&mut member.cuts, &about.accepted);
        member.revoked_by = about.revoked_by.clone();
    }
}

/// Raises cuts to others that are higher.
fn raise(cuts: &mut BTreeMap<LogId, u64>, others: &BTreeMap<LogId, u64>) {
    for (log, seq) in others {
        let cut = cuts.entry(*log).or_default();
        *cut = (*cut).max(*seq);
    }
}

/// Returns the devices that an operation takes out.
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

/// Returns what an operation lets devices do, and whether it lets them in.
fn grants(body: &OpBody) -> Vec<(DeviceId, Capabilities, bool)> {
    match body {
        OpBody::AddDevice(add) => vec![(add.device, add.capabilities, true)],
        OpBody::SetCapabilities { device, capabilities } => vec![(*device, *capabilities, false)],
        OpBody::RootReset(reset) => {
            let members = reset.members.iter();
            members.map(|(device, member)| (*device, member.capabilities, true)).collect()
        }
        OpBody::Genesis(_)
        | OpBody::Revoke(_)
        | OpBody::Epoch(_)
        | OpBody::Accept { .. }
        | OpBody::Erase { .. }
        | OpBody::EraseReceipt { .. }
        | OpBody::Policy(_)
        | OpBody::Name { .. }
        | OpBody::Unknown { .. } => Vec::new(),
    }
}

#[cfg(test)]
thread_local! {
    static JUDGEMENTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Returns how often a test has judged many operations at once.
#[cfg(test)]
pub(crate) fn judgements() -> usize {
    JUDGEMENTS.get()
}
