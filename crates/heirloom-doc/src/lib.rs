//! Records as automerge documents: one small document per record, edited here,
//! merged everywhere, and guarded against hostile and damaged changes.
//!
//! It is not a store and knows no keys, signatures or peers: saved documents
//! and raw changes come in as bytes and go out as bytes.
//!
//! A walk: [`birth()`] turns a record's first content into changes that are the
//! same on every device. [`Document::edit`] writes later changes under the
//! actor that [`actor_for`] derives from a log and a record. On every other
//! device, and on the author's own after a restart, these changes pass the
//! gate, [`admit`], which gives back a document only when automerge accepts
//! the changes, saves the result and loads it again with the same heads.
//! [`Document::content`] then shows one value per key, and
//! [`Document::conflicts`] those that were set at the same time and lost.
//!
//! Invariant: no change reaches automerge before its columns were counted,
//! because a change of 69 bytes can claim 134 million operations; and no panic
//! of automerge leaves this crate from [`Document::load`], [`Document::edit`]
//! or [`admit`].

mod author;
mod birth;
mod change;
mod chunk;
mod document;
mod error;
mod gate;
mod pack;
mod text;
mod value;

pub use birth::birth;
pub use change::{Heads, RawChange, actor_for};
pub use chunk::operations;
pub use document::{
    Attributed, Birth, Births, ChangeKind, ChangeSummary, Conflict, ContestedDeletion, Document,
    KeyEdit,
};
pub use error::{ChunkError, DocError, GateError};
pub use gate::{
    Admission, Awaited, Claim, Offered, Saved, admit, admit_into, claim, is_own, links,
};
pub use heirloom_base::guard::silence_caught_panics;
pub use pack::{Pack, PackError, Packed, Plain, pack, plain, unpack};
pub use text::merged;

/// Bytes that a key has at most.
pub const KEY_BYTES_MAX: usize = 1024;
