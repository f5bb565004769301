//! Operations that wait: for others that they build on, or for somebody who
//! builds on them.

use super::op::Op;
use crate::signed::Signed;
use heirloom_base::{OpId, limits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Operations that may wait; the oldest give way.
const WAITING_MAX: usize = limits::ROSTER_OPS_MAX;
/// Their bytes.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Operations on which somebody builds and that are not here.
const NEEDED_MAX: usize = 4 * limits::ROSTER_ALL_OPS_MAX;

/// The operations that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting {
    ops: BTreeMap<OpId, (usize, Signed<Op>)>,
    arrived: VecDeque<OpId>,
    bytes: usize,
    /// For each operation that is not here, those that wait for it.
    awaited: BTreeMap<OpId, BTreeSet<OpId>>,
    /// Those that are taken in whatever their signer's share, because somebody
    /// else builds on them.
    needed: BTreeSet<OpId>,
}

impl Waiting {
    /// Keeps an operation, in place of the oldest ones where there is no room.
    pub(crate) fn hold(&mut self, id: OpId, size: usize, signed: Signed<Op>, missing: &[OpId]) {
        if self.ops.contains_key(&id) {
            return;
        }
        while self.ops.len() >= WAITING_MAX || self.bytes + size > WAITING_BYTES_MAX {
            let Some(oldest) = self.arrived.pop_front() else { break };
            drop(self.take(&oldest));
        }
        self.bytes += size;
        self.ops.insert(id, (size, signed));
        self.arrived.push_back(id);
        if self.arrived.len() > 2 * WAITING_MAX {
            let ops = &self.ops;
            self.arrived.retain(|id| ops.contains_key(id));
        }
        for parent in missing {
            self.awaited.entry(*parent).or_default().insert(id);
        }
    }

    /// Lets an operation go.
    pub(crate) fn take(&mut self, id: &OpId) -> Option<Signed<Op>> {
        let (size, signed) = self.ops.remove(id)?;
        self.bytes -= size;
        for parent in &signed.unverified().parents {
            if let Some(waiting) = self.awaited.get_mut(parent) {
                waiting.remove(id);
                if waiting.is_empty() {
                    self.awaited.remove(parent);
                }
            }
        }
        Some(signed)
    }

    /// Returns an operation.
    pub(crate) fn op(&self, id: &OpId) -> Option<&Op> {
        self.ops.get(id).map(|(_, signed)| signed.unverified())
    }

    /// Returns an operation's size.
    pub(crate) fn size(&self, id: &OpId) -> usize {
        self.ops.get(id).map_or(0, |(size, _)| *size)
    }

    /// Returns those that wait for an operation.
    pub(crate) fn for_parent(&self, parent: &OpId) -> Vec<OpId> {
        self.awaited.get(parent).into_iter().flatten().copied().collect()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.awaited.is_empty() && self.bytes == 0
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes that an operation is built on; returns whether that is news.
    pub(crate) fn need(&mut self, id: OpId) -> bool {
        if self.needed.len() >= NEEDED_MAX {
            self.needed.clear();
        }
        self.needed.insert(id)
    }

    /// Returns whether somebody builds on an operation.
    pub(crate) fn is_needed(&self, id: &OpId) -> bool {
        self.needed.contains(id)
    }

    /// Notes that an operation came in.
    pub(crate) fn came(&mut self, id: &OpId) {
        self.needed.remove(id);
    }
}
