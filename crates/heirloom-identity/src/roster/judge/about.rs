//! What the operations of the highest generation say about one device.

use crate::Capabilities;
use crate::roster::bits::Bits;
use crate::roster::graph::Graph;
use heirloom_base::{LogId, OpId};
use std::collections::BTreeMap;

/// What is said about one device, and what it signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    /// The places of what takes it out.
    pub(super) removals: Vec<usize>,
    /// The same, sorted by id.
    pub(super) revoked_by: Vec<OpId>,
    /// The cuts of all that takes it out, combined by minimum: a log that one
    /// of them does not name has cut 0.
    pub(super) cuts: BTreeMap<LogId, u64>,
    /// What counts and accepts entries of it, combined by maximum.
    pub(super) accepted: BTreeMap<LogId, u64>,
    /// Places of what it signed and what counts, revocations excepted.
    pub(super) signed: Vec<usize>,
    /// The places at which it is mentioned, in all generations.
    pub(super) mentioned: Vec<usize>,
    /// What counts and lets it in or changes what it may do, by place.
    statements: Vec<Statement>,
}

/// One statement that lets a device in or changes what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Statement {
    place: usize,
    capabilities: Capabilities,
    /// Whether it, or any before it in the list, lets the device in.
    is_let_in: bool,
    lets_in: bool,
    /// Whether its author knew all that stand before it in the list, so that
    /// none of these has a say beside it.
    knows_earlier: bool,
}

impl About {
    pub(super) fn remove(&mut self, place: usize, id: OpId, cuts: &BTreeMap<LogId, u64>) {
        if self.removals.is_empty() {
            self.cuts = cuts.clone();
        } else {
            for (log, seq) in &mut self.cuts {
                *seq = (*seq).min(cuts.get(log).copied().unwrap_or_default());
            }
        }
        self.cuts.retain(|_, seq| *seq > 0);
        self.removals.push(place);
        let at = self.revoked_by.partition_point(|earlier| *earlier < id);
        self.revoked_by.insert(at, id);
    }

    pub(super) fn state(
        &mut self,
        graph: &Graph,
        place: usize,
        capabilities: Capabilities,
        lets_in: bool,
    ) {
        let past = &graph.vertex(place).past;
        let earlier = self.statements.last();
        // Who knows one that knows all before it knows all of them.
        let knows_earlier = earlier.is_none_or(|last| {
            let rest = || self.statements.iter().all(|one| past.contains(one.place));
            past.contains(last.place) && (last.knows_earlier || rest())
        });
        let is_let_in = lets_in || earlier.is_some_and(|last| last.is_let_in);
        let statement = Statement { place, capabilities, is_let_in, lets_in, knows_earlier };
        self.statements.push(statement);
    }

    /// Returns what the counting statements within a view leave the device: the
    /// rights that all of the latest ones give; `None` if nothing let it in.
    /// A view holds all that its members build on.
    pub(super) fn entitled(
        &self,
        graph: &Graph,
        in_view: impl Fn(usize) -> bool,
    ) -> Option<Capabilities> {
        let mut outdated = Bits::default();
        let mut is_in = false;
        let mut rights = Capabilities::ALL;
        for statement in self.statements.iter().rev().filter(|one| in_view(one.place)) {
            is_in |= statement.lets_in;
            let is_latest = !outdated.contains(statement.place);
            if is_latest {
                rights = rights.intersection(statement.capabilities);
            }
            if statement.knows_earlier {
                is_in |= statement.is_let_in;
                break;
            }
            if is_latest {
                outdated.union_with(&graph.vertex(statement.place).past);
            }
        }
        is_in.then_some(rights)
    }
}
