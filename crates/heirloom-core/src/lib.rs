//! The node: one state machine of commands, records, membership and
//! replication, composed of small ones.
//!
//! It does no input or output. Time, random bytes, frames of peers and the
//! results of writes come in; orders go out. Reads go through
//! [`storage::Storage`], which is only memory to it; bulk bytes never enter.
//!
//! The walk of one edit: [`Node::handle_input`] takes a
//! [`command::Command::Set`], makes the smallest change of the record's
//! document, seals it into an entry and asks for [`input::Effect::Append`].
//! When [`input::Input::Appended`] says that it is durable, the change is
//! applied to the index through the same gate that every foreign change
//! passes, the command is answered, and the entry travels to every peer whose
//! version vector lacks it.

mod apart;
mod authors;
mod births;
mod collection;
pub mod command;
mod dialer;
mod dispute;
pub mod failure;
mod fetches;
pub mod founding;
pub mod input;
mod journal;
mod local;
mod membership;
mod node;
mod past;
mod quarantine;
mod random;
mod rows;
mod show;
pub mod storage;
mod view;
mod waits;

pub use heirloom_doc::silence_caught_panics;
pub use local::{DamageMark, Ground, Place};
pub use node::{Belonging, Fit, Node, NodeConfig, OpenNodeError, Provenance, Trace};

/// Changes laid out by hand, for the tests.
#[cfg(test)]
#[path = "../../heirloom-doc/src/chunk/tests/forged.rs"]
pub(crate) mod forged;
