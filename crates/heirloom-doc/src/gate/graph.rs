//! The changes of a document, as far as later ones are judged by them.

use crate::change::{own_actor, own_hash};
use crate::chunk::Head;
use crate::document::Document;
use crate::error::GateError;
use heirloom_base::{ActorId, ChangeHash};
use std::collections::{BTreeMap, BTreeSet};

/// One change.
#[derive(Debug)]
struct Node {
    dependencies: Vec<ChangeHash>,
    max_op: u64,
}

/// All changes, and the last one of every actor.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: BTreeMap<ChangeHash, Node>,
    latest: BTreeMap<ActorId, (u64, ChangeHash)>,
}

impl Graph {
    /// Returns the graph of a document.
    pub(super) fn of(document: &Document) -> Self {
        let mut graph = Self::default();
        for meta in document.automerge().get_changes_meta(&[]) {
            let hash = own_hash(meta.hash);
            let dependencies: Vec<ChangeHash> = meta.deps.iter().copied().map(own_hash).collect();
            let latest = graph.latest.entry(own_actor(&meta.actor)).or_insert((0, hash));
            *latest = (*latest).max((meta.seq, hash));
            graph.nodes.insert(hash, Node { dependencies, max_op: meta.max_op });
        }
        graph
    }

    /// Returns whether a change is there.
    pub(super) fn contains(&self, hash: &ChangeHash) -> bool {
        self.nodes.contains_key(hash)
    }

    /// Returns whether an actor has changes here.
    pub(super) fn knows(&self, actor: ActorId) -> bool {
        self.latest.contains_key(&actor)
    }

    /// Returns the first of `dependencies` that is not there.
    pub(super) fn first_missing(&self, dependencies: &[ChangeHash]) -> Option<ChangeHash> {
        dependencies.iter().find(|hash| !self.contains(hash)).copied()
    }

    /// Adds a change whose dependencies are there.
    pub(super) fn insert(&mut self, hash: ChangeHash, head: &Head) {
        self.latest.insert(head.actor, (head.seq, hash));
        let node = Node { dependencies: head.dependencies.clone(), max_op: head.max_op() };
        self.nodes.insert(hash, node);
    }

    /// Judges a change whose dependencies are all there by its actor and its
    /// numbers.
    pub(super) fn judge(&self, head: &Head) -> Result<(), GateError> {
        let latest = self.latest.get(&head.actor);
        let expected = latest.map_or(1, |(seq, _)| seq + 1);
        if head.seq != expected {
            return Err(GateError::Sequence { found: head.seq, expected });
        }
        if let Some((_, previous)) = latest
            && !self.is_ancestor(previous, &head.dependencies)
        {
            return Err(GateError::Ancestor(*previous));
        }
        let max_ops = head.dependencies.iter().filter_map(|hash| self.nodes.get(hash));
        let expected = max_ops.map(|node| node.max_op).max().unwrap_or(0) + 1;
        if head.start_op != expected {
            return Err(GateError::StartOp { found: head.start_op, expected });
        }
        Ok(())
    }

    /// Returns whether `ancestor` is among `from` or what they build on. What
    /// is numbered below the ancestor does not build on it.
    fn is_ancestor(&self, ancestor: &ChangeHash, from: &[ChangeHash]) -> bool {
        let Some(floor) = self.nodes.get(ancestor).map(|node| node.max_op) else { return false };
        let mut open = from.to_vec();
        let mut seen = BTreeSet::new();
        while let Some(hash) = open.pop() {
            if hash == *ancestor {
                return true;
            }
            if let Some(node) = self.nodes.get(&hash).filter(|node| node.max_op > floor)
                && seen.insert(hash)
            {
                open.extend(&node.dependencies);
            }
        }
        false
    }
}
