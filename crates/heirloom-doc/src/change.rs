//! Changes and the sets of them that documents are known by.

use heirloom_base::{ActorId, ChangeHash, LogId, RecordId, hash};

/// One raw, uncompressed automerge change chunk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawChange(pub Vec<u8>);

/// Changes that together stand for a state of a document, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Heads(pub Vec<ChangeHash>);

impl Heads {
    /// Returns the changes in ascending order.
    pub fn iter(&self) -> std::slice::Iter<'_, ChangeHash> {
        self.0.iter()
    }

    /// Returns the number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no change at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn from_foreign(hashes: &[automerge::ChangeHash]) -> Self {
        let mut heads: Vec<ChangeHash> = hashes.iter().copied().map(own_hash).collect();
        heads.sort_unstable();
        Self(heads)
    }

    pub(crate) fn to_foreign(&self) -> Vec<automerge::ChangeHash> {
        self.0.iter().copied().map(foreign_hash).collect()
    }
}

impl<'a> IntoIterator for &'a Heads {
    type Item = &'a ChangeHash;
    type IntoIter = std::slice::Iter<'a, ChangeHash>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Returns the actor under which a log changes a record. A new incarnation
/// has a new log and therefore a new actor: no actor's numbers are used twice.
#[must_use]
pub fn actor_for(log: LogId, record: RecordId) -> ActorId {
    ActorId(hash::truncate(hash::content("actor", &[&log.0, &record.0])))
}

pub(crate) fn own_hash(hash: automerge::ChangeHash) -> ChangeHash {
    ChangeHash(hash.0)
}

pub(crate) fn foreign_hash(hash: ChangeHash) -> automerge::ChangeHash {
    automerge::ChangeHash(hash.0)
}

pub(crate) fn foreign_actor(actor: ActorId) -> automerge::ActorId {
    automerge::ActorId::from(actor.0)
}

/// Returns an actor of a document that passed the gate; all of them have 16 bytes.
pub(crate) fn own_actor(actor: &automerge::ActorId) -> ActorId {
    ActorId(actor.to_bytes().try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_belongs_to_one_log_and_one_record() {
        let actor = actor_for(LogId([1; 16]), RecordId([2; 16]));
        assert_ne!(actor, actor_for(LogId([2; 16]), RecordId([2; 16])));
        assert_ne!(actor, actor_for(LogId([1; 16]), RecordId([3; 16])));
        assert_eq!(own_actor(&foreign_actor(actor)), actor);
    }

    #[test]
    fn the_actor_of_a_log_and_a_record_is_frozen() {
        let actor = actor_for(LogId([1; 16]), RecordId([2; 16]));
        assert_eq!(actor.to_string(), "2064aad9c57da6e9ab5f7ee45dc7c0e8");
    }
}
