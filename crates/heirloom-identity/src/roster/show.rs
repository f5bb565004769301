//! What of the roster is shown to whom.

use super::Roster;
use super::bits::Bits;
use super::op::Author;
use heirloom_base::OpId;
use std::collections::BTreeMap;

/// Operations that a device names to say what it knows: its newest, and then
/// ever fewer of the older ones.
const KNOWN_MAX: usize = 64;
/// Heads among which the parents of a new operation are chosen.
const HEADS_WEIGHED_MAX: usize = 256;

impl Roster {
    /// Returns the signed bytes of every operation that who knows `heads` does
    /// not know by that, parents first; unknown heads say nothing.
    #[must_use]
    pub fn ops_beyond(&self, heads: &[OpId]) -> Vec<Vec<u8>> {
        let known = self.graph.closure(heads);
        let beyond = |id: &OpId| self.graph.place(id).is_some_and(|place| !known.contains(place));
        let ops = self.ops().into_iter().filter(|(id, _)| beyond(id));
        ops.map(|(_, bytes)| bytes.to_vec()).collect()
    }

    /// Returns the signed bytes of operations and of all that they build on,
    /// parents first; unknown ones say nothing.
    #[must_use]
    pub fn ops_within(&self, heads: &[OpId]) -> Vec<Vec<u8>> {
        let wanted = self.graph.closure(heads);
        let within = |id: &OpId| self.graph.place(id).is_some_and(|place| wanted.contains(place));
        let ops = self.ops().into_iter().filter(|(id, _)| within(id));
        ops.map(|(_, bytes)| bytes.to_vec()).collect()
    }

    /// Returns the newest operations that fit into so many bytes, parents
    /// first, behind the beginning of the account: whoever belongs to it knows
    /// that one, and most of the others.
    #[must_use]
    pub fn newest_ops(&self, bytes_max: usize, each: usize) -> Vec<Vec<u8>> {
        let ops = self.ops();
        let Some(((_, first), rest)) = ops.split_first() else { return Vec::new() };
        let mut room = bytes_max.saturating_sub(first.len() + each);
        let mut newest: Vec<Vec<u8>> = Vec::new();
        for (_, bytes) in rest.iter().rev() {
            if bytes.len() + each > room {
                break;
            }
            room -= bytes.len() + each;
            newest.push(bytes.to_vec());
        }
        newest.push(first.to_vec());
        newest.reverse();
        newest
    }

    /// Returns operations by which somebody else can tell what is known here,
    /// among them the last of those that it has shown. Nothing is told to who
    /// has shown nothing that is known.
    #[must_use]
    pub fn known_for(&self, shown: &[OpId]) -> Vec<OpId> {
        let mut known = self.last_of(shown);
        if known.is_empty() {
            return known;
        }
        known.truncate(KNOWN_MAX / 4);
        let ops = self.ops();
        let heads = ops.iter().rev().map(|(id, _)| *id);
        known.extend(heads.filter(|id| self.graph.heads().contains(id)).take(KNOWN_MAX / 4));
        let spaced = std::iter::successors(Some(1_usize), |back| back.checked_mul(2));
        let spaced = spaced.map_while(|back| Some(ops.get(ops.len().checked_sub(back)?)?.0));
        known.extend(spaced);
        known.truncate(KNOWN_MAX);
        known
    }

    /// Returns of the given operations those that are here and that no other
    /// one of them builds on, the newest first.
    #[must_use]
    pub fn last_of(&self, ids: &[OpId]) -> Vec<OpId> {
        let mut places: Vec<usize> = ids.iter().filter_map(|id| self.graph.place(id)).collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        places.dedup();
        let mut covered = Bits::default();
        let mut last = Vec::new();
        // Parents have lower places than what builds on them.
        for place in places {
            if !covered.contains(place) {
                covered.union_with(&self.graph.vertex(place).past);
                last.push(self.graph.vertex(place).id);
            }
        }
        last
    }

    /// Returns so many heads: each time the one that adds the most operations by
    /// others than its own author, then the authors in turn.
    pub(crate) fn fullest_heads(&self, count: usize) -> Vec<OpId> {
        let mut heads: Vec<usize> =
            self.graph.heads().iter().filter_map(|id| self.graph.place(id)).collect();
        heads.sort_by_key(|place| std::cmp::Reverse(self.graph.vertex(*place).rank()));
        let author = |place: usize| self.graph.vertex(place).op.value().author;
        let mut turns: BTreeMap<Author, usize> = BTreeMap::new();
        let mut in_turn: Vec<(usize, usize)> = Vec::new();
        for place in heads {
            let turn = turns.entry(author(place)).or_default();
            *turn += 1;
            in_turn.push((*turn, place));
        }
        in_turn.sort_by_key(|(turn, _)| *turn);
        in_turn.truncate(HEADS_WEIGHED_MAX);
        let (mut covered, mut fullest) = (Bits::default(), Vec::new());
        while fullest.len() < count && !in_turn.is_empty() {
            let gain = |place: usize| {
                let past = &self.graph.vertex(place).past;
                past.iter()
                    .filter(|one| !covered.contains(*one) && author(*one) != author(place))
                    .count()
            };
            let gains: Vec<usize> = in_turn.iter().map(|(_, place)| gain(*place)).collect();
            let most = gains.iter().copied().max().unwrap_or(0);
            let index = gains.iter().position(|gain| *gain == most).unwrap_or(0);
            let (_, place) = in_turn.remove(index);
            covered.union_with(&self.graph.vertex(place).past);
            covered.insert(place);
            fullest.push(self.graph.vertex(place).id);
        }
        fullest
    }

    /// Returns how many operations who knows `heads` knows by that.
    #[must_use]
    pub fn count_within(&self, heads: &[OpId]) -> usize {
        self.graph.closure(heads).len()
    }

    /// Returns an operation's id, without looking at what it says.
    #[must_use]
    pub fn id_of(bytes: &[u8]) -> OpId {
        crate::signed::id(bytes)
    }
}
