//! Room in the roster: how much is taken in, and from whom.
//!
//! What a device signs beyond its share is refused, unless somebody else
//! builds on it: who took it in within the share may not know that it is more
//! than that elsewhere, and what they sign must reach everybody.

use super::RosterError;
use super::op::{Author, Op, OpBody};
use heirloom_base::{DeviceId, limits};
use std::collections::BTreeMap;

/// What one author has signed.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    ops: usize,
    bytes: usize,
    /// Of these, those that neither let in nor take out.
    aside_ops: usize,
    aside_bytes: usize,
}

/// What was taken in, by author.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    used: BTreeMap<Author, Used>,
    ops: usize,
}

impl Room {
    /// Notes an operation that was taken in.
    pub(crate) fn note(&mut self, op: &Op, bytes: usize) {
        let used = self.used.entry(op.author).or_default();
        used.ops += 1;
        used.bytes += bytes;
        if !is_of_membership(&op.body) {
            used.aside_ops += 1;
            used.aside_bytes += bytes;
        }
        self.ops += 1;
    }

    /// Returns the device that would have signed more than its share with this.
    pub(crate) fn beyond_share(&self, op: &Op, bytes: usize) -> Option<DeviceId> {
        let Author::Device(device) = op.author else { return None };
        let used = self.used.get(&op.author).copied().unwrap_or_default();
        let is_aside = !is_of_membership(&op.body);
        let is_beyond = used.bytes + bytes > limits::ROSTER_SIGNER_BYTES_MAX
            || is_aside && used.aside_ops >= limits::ROSTER_SHARE_OPS_MAX
            || is_aside && used.aside_bytes + bytes > limits::ROSTER_SHARE_BYTES_MAX;
        is_beyond.then_some(device)
    }

    /// Keeps room for what ends an attack when devices fill the roster: what
    /// those signed who are out takes no room from the others.
    pub(crate) fn check(
        &self,
        op: &Op,
        is_in: &dyn Fn(&DeviceId) -> bool,
    ) -> Result<(), RosterError> {
        let counts = |author: &Author| match author {
            Author::Root => true,
            Author::Device(device) => is_in(device),
        };
        let used = self.used.iter().filter(|(author, _)| counts(author));
        let taken: usize = used.map(|(_, used)| used.ops).sum();
        let is_urgent = op.author == Author::Root || matches!(op.body, OpBody::Revoke(_));
        let limit = limits::ROSTER_OPS_MAX * if is_urgent { 2 } else { 1 };
        if taken >= limit || self.is_overfull() { Err(RosterError::Full) } else { Ok(()) }
    }

    /// Returns whether nothing more is taken in at all.
    pub(crate) fn is_overfull(&self) -> bool {
        self.ops >= limits::ROSTER_ALL_OPS_MAX
    }
}

/// Returns whether an operation lets devices in or takes them out.
fn is_of_membership(body: &OpBody) -> bool {
    match body {
        OpBody::Genesis(_) | OpBody::AddDevice(_) | OpBody::Revoke(_) | OpBody::RootReset(_) => {
            true
        }
        OpBody::SetCapabilities { .. }
        | OpBody::Epoch(_)
        | OpBody::Accept { .. }
        | OpBody::Erase { .. }
        | OpBody::EraseReceipt { .. }
        | OpBody::Policy(_)
        | OpBody::Name { .. }
        | OpBody::Unknown { .. } => false,
    }
}
