//! What can go wrong with documents and with offered changes.

use heirloom_base::{ActorId, ChangeHash};

/// Why a document cannot be made, loaded or edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocError {
    /// A record begins with at least one key.
    #[error("a record cannot begin without content")]
    Empty,
    /// A key is empty or too long.
    #[error("a key of {length} bytes is not between 1 and {limit}")]
    Key {
        /// The key's length in bytes.
        length: usize,
        /// The largest length.
        limit: usize,
    },
    /// A value is too long to stand in a document.
    #[error("the value of {key:?} has {length} bytes, more than {limit}")]
    Value {
        /// The key.
        key: String,
        /// The value's length in bytes.
        length: usize,
        /// The largest length of this kind of value.
        limit: usize,
    },
    /// A clock reading is outside its range.
    #[error("the clock reading {0} is outside its range")]
    Clock(u64),
    /// More concurrent changes than one change may depend on.
    #[error("the record has {heads} concurrent changes, more than {limit}")]
    Heads {
        /// Heads of the document.
        heads: usize,
        /// The largest number.
        limit: usize,
    },
    /// Saved bytes do not load.
    #[error("the saved document is damaged: {0}")]
    Damaged(String),
    /// The document cannot be edited; it must be loaded again.
    #[error("the document could not be edited: {0}")]
    Broken(String),
}

/// Why bytes are not a change that this version can count and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The bytes end too early, go on too long or make no sense.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// Another kind of chunk: a document, a compressed change, a bundle.
    #[error("a chunk of kind {0} is no raw change")]
    Kind(u8),
    /// Something passes its limit.
    #[error("{what}: {count} passes the limit of {limit}")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// The number claimed.
        count: u64,
        /// The limit.
        limit: usize,
    },
    /// A column that no change of ours has.
    #[error("unexpected column {0}")]
    Column(u32),
    /// An operation that no change of ours has.
    #[error("unexpected operation: {0}")]
    Operation(&'static str),
}

/// Why the gate refuses a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The bytes are no change of the only form that is accepted.
    #[error("not an acceptable change")]
    Chunk(#[from] ChunkError),
    /// The clock reading is outside its range.
    #[error("the clock reading {0} is outside its range")]
    Time(i64),
    /// The actor is neither the log's nor that of a birth.
    #[error("actor {found} may not write from this log")]
    Actor {
        /// The actor in hexadecimal digits.
        found: String,
    },
    /// The actor claims a birth, but another content begins a record like this.
    #[error("the birth of actor {0:?} is not the one that its content demands")]
    Birth(ActorId),
    /// The actor's numbering has a gap or a repetition.
    #[error("sequence number {found} where {expected} follows")]
    Sequence {
        /// The change's number.
        found: u64,
        /// The number that would follow.
        expected: u64,
    },
    /// The change does not build on its author's previous one.
    #[error("the author's previous change {0:?} is not among its ancestors")]
    Ancestor(ChangeHash),
    /// The operations are not numbered after those that they build on.
    #[error("operations start at {found} where {expected} follows")]
    StartOp {
        /// The number of the change's first operation.
        found: u64,
        /// The number that would follow.
        expected: u64,
    },
    /// The change refers to an operation that it does not build on.
    #[error("operation {counter} of {actor:?} is not among what it builds on")]
    Reference {
        /// Whose operation it is.
        actor: ActorId,
        /// The operation's number.
        counter: u64,
    },
    /// An earlier change of its log for the record broke the merge.
    #[error("an earlier change of its log broke the merge of this record")]
    Closed,
    /// automerge refuses the change.
    #[error("the change does not apply: {0}")]
    Apply(String),
    /// automerge panicked over the change.
    #[error("the change breaks the merge: {0}")]
    Panicked(String),
    /// The merged document cannot be saved and loaded again as it was.
    #[error("the merged document does not load again: {0}")]
    Reload(String),
}
