//! The layout of a raw change chunk, read without trust.
//!
//! Everything is counted before it is unfolded: runs in the columns can claim
//! any number of operations. Only what changes of ours hold is accepted: keys
//! of the root that are set and removed, and texts of single characters.
//!
//! Layout: magic (4), checksum (4), kind (1), length of the rest (LEB128);
//! dependencies, actor, sequence number, number of the first operation, time,
//! message, other actors, list of columns, columns.

mod column;
mod cursor;
mod glance;
mod operation;
pub(crate) mod writer;

pub(crate) use glance::{Glimpse, glance};
pub(crate) use operation::{
    ACTION_DELETE, ACTION_MAKE_TEXT, ACTION_SET, Action, Operation, RawValue,
};

use crate::error::ChunkError;
use column::Columns;
use cursor::Cursor;
use heirloom_base::{ActorId, ChangeHash, limits};
use sha2::{Digest, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const KIND_CHANGE: u8 = 1;
/// Length of every actor of ours.
const ACTOR_BYTES: usize = 16;
/// Actors that one change may name beside its own.
const OTHER_ACTORS_MAX: usize = limits::LOGS_MAX;

/// A raw change, read.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    /// What stands before the operations.
    pub(crate) head: Head,
    /// The author, then the other actors.
    actors: Vec<&'a [u8; ACTOR_BYTES]>,
    /// The operations in order: at least one.
    pub(crate) operations: Vec<Operation<'a>>,
}

/// What a change is judged by. It does not hold the operations, because a few
/// bytes can stand for thousands of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The first four bytes of the change's hash, as they stand in front.
    pub(crate) checksum: [u8; 4],
    /// The changes that it builds on.
    pub(crate) dependencies: Vec<ChangeHash>,
    /// The author.
    pub(crate) actor: ActorId,
    /// The author's number for this change.
    pub(crate) seq: u64,
    /// The number of the first operation.
    pub(crate) start_op: u64,
    /// The clock reading.
    pub(crate) time: i64,
    /// The number of operations: at least one.
    pub(crate) count: usize,
    /// Other actors, each with its last operation that the change refers to.
    pub(crate) references: Vec<(ActorId, u64)>,
}

/// Returns the hash of a change, of the bytes behind its checksum.
fn hash(hashed: &[u8]) -> ChangeHash {
    ChangeHash(Sha256::digest(hashed).into())
}

/// Returns the hash of a change whose front was read.
///
/// # Errors
/// When the checksum in front is another one.
pub(crate) fn hash_of(bytes: &[u8]) -> Result<ChangeHash, ChunkError> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(MAGIC.len())?;
    let checksum = cursor.array::<4>()?;
    let hash = hash(cursor.take(cursor.remaining())?);
    if hash.0.starts_with(&checksum) { Ok(hash) } else { Err(ChunkError::Malformed("checksum")) }
}

/// Returns whether bytes begin as a change does.
pub(crate) fn is_change(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(MAGIC.len() + 4) == Some(&KIND_CHANGE)
}

/// Returns the change that bytes begin with, and what is behind it.
pub(crate) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(MAGIC.len() + 4 + 1).ok().filter(|_| is_change(bytes))?;
    let length = cursor.unsigned().ok()?;
    cursor.take_counted(length).ok()?;
    bytes.split_at_checked(bytes.len() - cursor.remaining())
}

/// Returns the actor that a change names as its author, and reads nothing more.
pub(crate) fn author(bytes: &[u8]) -> Option<ActorId> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(MAGIC.len() + 4 + 1).ok()?;
    cursor.unsigned().ok()?;
    let count = limited("dependencies", cursor.unsigned().ok()?, limits::CHANGE_DEPS_MAX).ok()?;
    cursor.take(count * ChangeHash::SIZE).ok()?;
    actor(&mut cursor).ok().map(|author| ActorId(*author))
}

impl<'a> Chunk<'a> {
    /// Reads a change.
    ///
    /// # Errors
    /// When it is anything that no change of ours is.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, ChunkError> {
        let (mut head, actors, columns) = front(bytes)?;
        let (operations, referred) = operation::read(&columns, actors.len())?;
        head.count = operations.len();
        let others = actors.iter().zip(referred).skip(1);
        let others = others.filter(|(_, counter)| *counter > 0);
        head.references = others.map(|(actor, counter)| (ActorId(**actor), counter)).collect();
        Ok(Self { head, actors, operations })
    }

    /// Returns an actor by its place.
    pub(crate) fn actor_at(&self, place: usize) -> Option<ActorId> {
        self.actors.get(place).map(|actor| ActorId(**actor))
    }
}

/// Reads what stands before the operations, whose number stays open, and finds
/// the columns.
fn front(bytes: &[u8]) -> Result<(Head, Vec<&[u8; ACTOR_BYTES]>, Columns<'_>), ChunkError> {
    limited("bytes", bytes.len() as u64, limits::CHANGE_BYTES_MAX)?;
    let mut cursor = Cursor::new(bytes);
    if cursor.take(4)? != MAGIC {
        return Err(ChunkError::Malformed("magic"));
    }
    let checksum = cursor.array::<4>()?;
    match cursor.byte()? {
        KIND_CHANGE => {}
        kind => return Err(ChunkError::Kind(kind)),
    }
    if cursor.unsigned()? != cursor.remaining() as u64 {
        return Err(ChunkError::Malformed("length"));
    }
    let count = limited("dependencies", cursor.unsigned()?, limits::CHANGE_DEPS_MAX)?;
    let dependencies =
        (0..count).map(|_| cursor.array::<32>().map(ChangeHash)).collect::<Result<Vec<_>, _>>()?;
    let author = actor(&mut cursor)?;
    let mut actors = vec![author];
    let (seq, start_op, time) = (cursor.unsigned()?, cursor.unsigned()?, cursor.signed()?);
    if cursor.unsigned()? != 0 {
        return Err(ChunkError::Malformed("message"));
    }
    for _ in 0..limited("actors", cursor.unsigned()?, OTHER_ACTORS_MAX)? {
        actors.push(actor(&mut cursor)?);
    }
    let columns = Columns::parse(cursor)?;
    let actor = ActorId(*author);
    let (count, references) = (0, Vec::new());
    let head = Head { checksum, dependencies, actor, seq, start_op, time, count, references };
    Ok((head, actors, columns))
}

/// Returns the operations that reading a change would unfold, and those that
/// they overwrite, without unfolding any. A change that is refused for its
/// front or for their number counts nothing, because it costs nothing.
#[must_use]
pub fn operations(change: &[u8]) -> usize {
    front(change).map_or(0, |(_, _, columns)| operation::count(&columns))
}

impl Head {
    /// Returns the number of the last operation.
    pub(crate) fn max_op(&self) -> u64 {
        self.start_op.saturating_add(self.count as u64 - 1)
    }
}

fn actor<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8; ACTOR_BYTES], ChunkError> {
    let bytes = match cursor.unsigned()? {
        length if length == ACTOR_BYTES as u64 => cursor.take(ACTOR_BYTES)?,
        _ => return Err(ChunkError::Malformed("actor")),
    };
    bytes.try_into().map_err(|_| ChunkError::Malformed("actor"))
}

/// Returns a count that is within its limit.
fn limited(what: &'static str, count: u64, limit: usize) -> Result<usize, ChunkError> {
    let within = usize::try_from(count).ok().filter(|count| *count <= limit);
    within.ok_or(ChunkError::TooMany { what, count, limit })
}

#[cfg(test)]
pub(crate) mod tests;
