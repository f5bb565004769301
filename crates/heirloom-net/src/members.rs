//! The members, as everybody in the swarm's task sees them, and what only they
//! are offered: the ways around a wall between two devices.

mod only;

pub(crate) use only::MembersOnly;

use libp2p::PeerId;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

/// The members; clones see the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(Arc<RwLock<BTreeSet<PeerId>>>);

impl Members {
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    /// Replaces the members; returns those before.
    pub(crate) fn replace(&self, members: BTreeSet<PeerId>) -> BTreeSet<PeerId> {
        std::mem::replace(&mut self.0.write().unwrap_or_else(PoisonError::into_inner), members)
    }
}
