//! Replication of opaque entries between the devices of one account.
//!
//! It moves sealed, signed [`Entry`]s and remembers who holds what. It is not
//! able to open one on its own: it knows no record and no automerge, so a
//! blind keeper runs exactly this code. It does no input or output.
//!
//! The walk of one entry: the author's node seals changes with
//! [`Entry::author`] and, once the bytes are durable, tells its
//! [`Replication`] with [`Replication::durable`]. The next
//! [`Replication::pump`] puts the entry into an [`Message::Entries`] for every
//! connected peer whose version vector lacks it. The peer's
//! [`Replication::receive_entries`] checks chain and signature and hands it
//! out as [`Output::Store`]; after that peer's own `durable` a signed
//! [`Receipt`] travels back and the author's [`Ledger`] counts one more copy.

mod bundle;
pub mod checkpoint;
pub mod disowned;
pub mod entry;
pub mod ledger;
pub mod message;
pub mod receipt;
pub mod replication;
mod session;
pub mod vector;

pub use checkpoint::{Checkpoint, Cosignature, PackRef};
pub use disowned::{Disowned, DisownedEnd, Word};
pub use entry::{Body, Entry, EntryError, EntryPlan, Header, Origin, Part};
pub use ledger::{Contradiction, Ledger};
pub use message::{Hello, Message};
pub use receipt::{Receipt, ReceiptError};
pub use replication::words::Finding;
pub use replication::{LogState, Output, Replication, other_version};
pub use session::{Conversation, Shortfall};
pub use vector::{Tip, VersionVector};
