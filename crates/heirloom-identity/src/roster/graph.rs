//! The operations as a graph: who knew what.

use super::bits::Bits;
use super::op::{Op, OpBody};
use crate::signed::Verified;
use heirloom_base::{EpochId, OpId};
use std::collections::{BTreeMap, BTreeSet};

/// One admitted operation.
#[derive(Debug, Clone)]
pub(crate) struct Vertex {
    pub(crate) id: OpId,
    pub(crate) op: Verified<Op>,
    /// The longest way from the beginning.
    pub(crate) depth: u32,
    /// The places of everything its author knew.
    pub(crate) past: Bits,
    /// The places of the epochs whose keys it hands on.
    pub(crate) predecessors: Vec<usize>,
}

impl Vertex {
    pub(crate) fn body(&self) -> &OpBody {
        &self.op.value().body
    }

    /// Returns a key that orders operations the same way everywhere: for
    /// presentation and equal choices, never for authority.
    pub(crate) fn rank(&self) -> (u32, OpId) {
        (self.depth, self.id)
    }
}

/// Operations whose parents are all here; a place never changes, and parents
/// have lower places than their children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    vertices: Vec<Vertex>,
    places: BTreeMap<OpId, usize>,
    heads: BTreeSet<OpId>,
}

impl Graph {
    pub(crate) fn len(&self) -> usize {
        self.vertices.len()
    }

    pub(crate) fn vertex(&self, place: usize) -> &Vertex {
        &self.vertices[place]
    }

    pub(crate) fn vertices(&self) -> &[Vertex] {
        &self.vertices
    }

    pub(crate) fn place(&self, id: &OpId) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(crate) fn heads(&self) -> &BTreeSet<OpId> {
        &self.heads
    }

    /// Returns the places of the given operations and of all they build on.
    pub(crate) fn closure<'a>(&self, ids: impl IntoIterator<Item = &'a OpId>) -> Bits {
        let mut closure = Bits::default();
        for place in ids.into_iter().filter_map(|id| self.place(id)) {
            closure.union_with(&self.vertices[place].past);
            closure.insert(place);
        }
        closure
    }

    /// Returns the place of the operation that made an epoch.
    pub(crate) fn epoch_place(&self, epoch: &EpochId) -> Option<usize> {
        self.place(&OpId(epoch.0))
    }

    /// Adds an operation whose parents are all here.
    pub(crate) fn push(&mut self, op: Verified<Op>) -> OpId {
        let id = op.id();
        let parents = &op.value().parents;
        let past = self.closure(parents);
        let depths = parents.iter().filter_map(|id| self.place(id));
        let depth = depths.map(|parent| self.vertices[parent].depth + 1).max().unwrap_or(0);
        for parent in parents {
            self.heads.remove(parent);
        }
        self.heads.insert(id);
        self.places.insert(id, self.vertices.len());
        let handed_on =
            op.value().body.epoch().into_iter().flat_map(|keys| keys.predecessors.keys());
        let predecessors = handed_on.filter_map(|epoch| self.epoch_place(epoch)).collect();
        self.vertices.push(Vertex { id, op, depth, past, predecessors });
        id
    }
}
