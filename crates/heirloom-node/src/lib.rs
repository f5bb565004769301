//! The daemon: it runs the pure node of `heirloom-core` on a real clock, a
//! real disk and a real network, and answers on the control socket.
//!
//! It decides nothing about records, devices or replication (that is the
//! core's), and it prints nothing (that is the command line's).
//!
//! A walk: [`up`] opens the data folder and the network and starts the host,
//! one loop that owns the node and its store. A peer's frame, a program's
//! command or a passed deadline is an input of the node; what the node wants
//! done comes out as effects, which the host hands to the log's writer and to
//! the network, and whose results go in again. [`LocalNode`] is the same node
//! without a network, for a command where no daemon runs. [`join`] and
//! [`recover`] meet a device first, and only what it grants becomes a folder.
//! [`keep_originals`] reads photos and videos into the chunks of a store; no
//! command does so yet.

mod admission;
mod clock;
mod engine;
mod failure;
mod first_sync;
mod folder;
mod founding;
mod home;
mod host;
mod joining;
mod local;
mod meeting;
mod obstacles;
mod options;
mod originals;
mod randomness;
mod serving;
mod signals;
mod up;

pub use failure::{IN_USE, INTERRUPTED};
pub use folder::{has_account, plight, refuse_occupied};
pub use founding::init;
pub use heirloom_store::quiet_panics;
pub use joining::{join, recover};
pub use local::LocalNode;
pub use obstacles::barred;
pub use options::{
    Account, JoinOptions, Joined, Ready, RecoverOptions, Recovered, UpEvent, UpOptions,
};
pub use originals::{KeepError, OriginalFile, keep_originals};
pub use up::up;

#[cfg(test)]
mod tests;
