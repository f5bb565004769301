//! Which changes know which others.

use crate::change::own_actor;
use automerge::{Automerge, ChangeHash, ChangeMetadata, ReadDoc};
use heirloom_base::{ActorId, Hlc};
use std::collections::BTreeMap;

/// How the changes of a document follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Each knows all those before it: the last one, and how many there are.
    Straight(ChangeHash, u64),
    /// Some were made apart, and will always have been.
    Forked,
}

impl Course {
    /// Reads it, from where it was known before something came.
    pub(super) fn of(document: &Automerge, earlier: Option<Self>) -> Self {
        let heads = document.get_heads();
        let head = match heads[..] {
            [head] => head,
            [] => return Self::Straight(ChangeHash([0; 32]), 0),
            _ => return Self::Forked,
        };
        let (mut last, mut count) = match earlier {
            Some(Self::Forked) => return Self::Forked,
            Some(Self::Straight(last, count)) => (Some(last).filter(|_| count > 0), count),
            None => (None, 0),
        };
        // Each stands after all that it builds on, so a straight course is the
        // only order in which they can stand.
        let known: Vec<ChangeHash> = last.into_iter().collect();
        for meta in document.get_changes_meta(&known) {
            if last.is_some_and(|last| !meta.deps.contains(&last)) {
                return Self::Forked;
            }
            (last, count) = (Some(meta.hash), count + 1);
        }
        match last == Some(head) && count == document.stats().num_changes {
            true => Self::Straight(head, count),
            false => Self::Forked,
        }
    }
}

/// The changes of a document of which some were made apart. A change is named by
/// its place among them.
pub(super) struct Lineage<'a> {
    metas: Vec<ChangeMetadata<'a>>,
    actors: BTreeMap<ActorId, usize>,
    /// By actor, its changes in order.
    changes: Vec<Vec<usize>>,
    /// By change, its actor and its place among that actor's changes, from 1.
    owners: Vec<(usize, usize)>,
    /// By change, how many changes of each actor it knows, itself among them.
    clocks: Vec<Vec<usize>>,
}

impl<'a> Lineage<'a> {
    pub(super) fn of(document: &'a Automerge) -> Option<Self> {
        let metas = document.get_changes_meta(&[]);
        let mut actors = BTreeMap::new();
        for meta in &metas {
            let next = actors.len();
            actors.entry(own_actor(&meta.actor)).or_insert(next);
        }
        let mut changes = vec![Vec::new(); actors.len()];
        let mut places: BTreeMap<ChangeHash, usize> = BTreeMap::new();
        let (mut owners, mut clocks) = (Vec::new(), Vec::<Vec<usize>>::new());
        // Each stands after all that it builds on.
        for (place, meta) in metas.iter().enumerate() {
            let actor = actors.get(&own_actor(&meta.actor)).copied()?;
            let own = changes.get_mut(actor)?;
            own.push(place);
            let mut clock = vec![0; actors.len()];
            for before in meta.deps.iter().filter_map(|hash| clocks.get(*places.get(hash)?)) {
                clock.iter_mut().zip(before).for_each(|(mine, its)| *mine = (*mine).max(*its));
            }
            *clock.get_mut(actor)? = own.len();
            owners.push((actor, own.len()));
            clocks.push(clock);
            places.insert(meta.hash, place);
        }
        Some(Self { metas, actors, changes, owners, clocks })
    }

    pub(super) fn meta(&self, change: usize) -> Option<&ChangeMetadata<'a>> {
        self.metas.get(change)
    }

    pub(super) fn hlc(&self, change: usize) -> Hlc {
        let time = self.meta(change).map_or(0, |meta| meta.timestamp);
        Hlc(u64::try_from(time).unwrap_or_default())
    }

    /// Returns the place of an actor, and which of its changes an operation is in.
    pub(super) fn maker(&self, actor: ActorId, operation: u64) -> Option<(usize, usize)> {
        let actor = self.actors.get(&actor).copied()?;
        let own = self.changes.get(actor)?;
        let begins = |change: &usize| self.meta(*change).is_some_and(|m| m.start_op <= operation);
        let change = own.get(own.partition_point(begins).checked_sub(1)?).copied()?;
        Some((actor, change))
    }

    /// Returns whether a change knows another, or is it.
    pub(super) fn knows(&self, change: usize, other: usize) -> bool {
        let known = self.owners.get(other).zip(self.clocks.get(change));
        known.is_some_and(|((actor, number), clock)| {
            clock.get(*actor).is_some_and(|known| known >= number)
        })
    }

    /// Returns whether neither of two changes knows the other.
    pub(super) fn are_apart(&self, one: usize, other: usize) -> bool {
        !self.knows(one, other) && !self.knows(other, one)
    }

    /// Returns changes that together know all that both of two know.
    pub(super) fn common(&self, one: usize, other: usize) -> Vec<ChangeHash> {
        let (Some(one), Some(other)) = (self.clocks.get(one), self.clocks.get(other)) else {
            return Vec::new();
        };
        let known = one.iter().zip(other).map(|(one, other)| *one.min(other));
        let last = self.changes.iter().zip(known).filter_map(|(own, known)| {
            let last = own.get(known.checked_sub(1)?)?;
            Some(self.meta(*last)?.hash)
        });
        last.collect()
    }

    /// Returns those of some changes that no other of them knows, each once.
    pub(super) fn last_of(&self, changes: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut last: Vec<usize> = Vec::new();
        for change in changes {
            if last.iter().all(|one| !self.knows(*one, change)) {
                last.retain(|one| !self.knows(change, *one));
                last.push(change);
            }
        }
        last
    }
}
