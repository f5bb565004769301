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

/// All changes, and those of every actor.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: BTreeMap<ChangeHash, Node>,
    /// By actor, in order of their numbers: each change builds on the one
    /// before it, so its operations have higher numbers.
    chains: BTreeMap<ActorId, Vec<Link>>,
}

/// A change in its author's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    seq: u64,
    max_op: u64,
    hash: ChangeHash,
}

impl Graph {
    /// Returns the graph of a document.
    pub(super) fn of(document: &Document) -> Self {
        let mut graph = Self::default();
        if let Some(newborn) = document.newborn() {
            let chain = graph.chains.entry(newborn.actor()).or_default();
            for (seq, part) in (1..).zip(newborn.parts()) {
                let dependencies = chain.last().map(|link| link.hash).into_iter().collect();
                chain.push(Link { seq, max_op: part.max_op, hash: part.hash });
                graph.nodes.insert(part.hash, Node { dependencies, max_op: part.max_op });
            }
            return graph;
        }
        if document.heads().is_empty() {
            return graph;
        }
        for meta in document.automerge().get_changes_meta(&[]) {
            let hash = own_hash(meta.hash);
            let dependencies: Vec<ChangeHash> = meta.deps.iter().copied().map(own_hash).collect();
            let link = Link { seq: meta.seq, max_op: meta.max_op, hash };
            graph.chains.entry(own_actor(&meta.actor)).or_default().push(link);
            graph.nodes.insert(hash, Node { dependencies, max_op: meta.max_op });
        }
        graph.chains.values_mut().for_each(|chain| chain.sort_unstable());
        graph
    }

    /// Returns whether a change is there.
    pub(super) fn contains(&self, hash: &ChangeHash) -> bool {
        self.nodes.contains_key(hash)
    }

    /// Returns whether an actor has changes here.
    pub(super) fn knows(&self, actor: ActorId) -> bool {
        self.chains.contains_key(&actor)
    }

    /// Returns the first of `dependencies` that is not there.
    pub(super) fn first_missing(&self, dependencies: &[ChangeHash]) -> Option<ChangeHash> {
        dependencies.iter().find(|hash| !self.contains(hash)).copied()
    }

    /// Adds a change whose dependencies are there.
    pub(super) fn insert(&mut self, hash: ChangeHash, head: &Head) {
        let max_op = head.max_op();
        let link = Link { seq: head.seq, max_op, hash };
        self.chains.entry(head.actor).or_default().push(link);
        let node = Node { dependencies: head.dependencies.clone(), max_op };
        self.nodes.insert(hash, node);
    }

    /// Judges a change whose dependencies are all there by its actor and its
    /// numbers.
    pub(super) fn judge(&self, head: &Head) -> Result<(), GateError> {
        let latest = self.chains.get(&head.actor).and_then(|chain| chain.last());
        let expected = latest.map_or(1, |latest| latest.seq + 1);
        if head.seq != expected {
            return Err(GateError::Sequence { found: head.seq, expected });
        }
        if let Some(Link { hash: previous, .. }) = latest
            && !self.is_ancestor(previous, &head.dependencies)
        {
            return Err(GateError::Ancestor(*previous));
        }
        let max_ops = head.dependencies.iter().filter_map(|hash| self.nodes.get(hash));
        let expected = max_ops.map(|node| node.max_op).max().unwrap_or(0) + 1;
        if head.start_op != expected {
            return Err(GateError::StartOp { found: head.start_op, expected });
        }
        match head.references.iter().find(|one| !self.builds_on(one, &head.dependencies)) {
            Some((actor, counter)) => {
                Err(GateError::Reference { actor: *actor, counter: *counter })
            }
            None => Ok(()),
        }
    }

    /// Returns whether the change that holds an operation is among what a
    /// change builds on. Where it is not, the merge would depend on which of
    /// the two came first.
    fn builds_on(&self, (actor, counter): &(ActorId, u64), dependencies: &[ChangeHash]) -> bool {
        let chain = self.chains.get(actor).map(Vec::as_slice).unwrap_or_default();
        let place = chain.partition_point(|link| link.max_op < *counter);
        chain.get(place).is_some_and(|link| self.is_ancestor(&link.hash, dependencies))
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
