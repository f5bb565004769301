//! The words every other crate of Heirloom shares: identifiers, the canonical
//! binary codec, time, content hashes and the limits of everything.
//!
//! It is not a place for behaviour: nothing here knows what an account, a
//! record or a peer does. It depends on nothing of ours.
//!
//! A walk: [`codec::Writer`] lays out a structure as little-endian bytes,
//! [`hash::content`] names those bytes, and an [`id`] newtype carries that
//! name through the rest of the house so that a chunk is never taken for an
//! entry.

pub mod blob;
pub mod codec;
pub mod count;
pub mod escape;
pub mod guard;
pub mod hash;
pub mod id;
pub mod json;
pub mod limits;
pub mod planted;
pub mod time;
pub mod wording;

pub use blob::{BlobRef, ChunkRef};
pub use codec::{Decode, DecodeError, Encode, Reader, Writer};
pub use id::{
    AccountId, ActorId, ChangeHash, ChunkId, DeviceId, EntryId, EpochId, Incarnation, LogId, OpId,
    ParseIdError, RecordId, SpaceId,
};
pub use limits::Limit;
pub use time::{Hlc, Now};
