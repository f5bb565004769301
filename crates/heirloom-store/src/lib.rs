//! A device's storage: the log and the chunks, which are the truth, and the
//! index, which can be rebuilt from the log at any time.
//!
//! It is not the place where anything is decided: it knows no record, roster
//! or peer, only frames with positions, sealed chunks with names, and keys
//! with values. It uses files and threads and no asynchronous runtime.
//!
//! A walk: [`Store::open`] takes the home's [`HomeLock`], checks the `FORMAT`
//! file, repairs the tail of the log, lists the chunks and opens the index. What
//! comes in bulk goes past the log, into files of many chunks
//! ([`Chunks::write_batch`]).
//! The node reads through the [`heirloom_core::storage::Storage`] trait, and
//! its appends go through an [`AppendQueue`]: a thread that writes the chunks
//! of many requests, then all their frames with one `fdatasync`, and answers
//! each request with the positions of its frames. After a restart
//! [`Store::frames`] shows every frame again from the position that the index
//! has reached.

mod behind;
mod chunks;
mod disk;
pub mod foreign;
pub mod format;
mod frame;
mod index;
pub mod keyfile;
mod lock;
mod log;
mod pack;
mod queue;
mod regular;
mod reserve;
mod segment;
mod store;
pub mod unfinished;

pub use chunks::Chunks;
pub use disk::{Disk, DiskFile, FileSystem};
pub use frame::FRAME_PAYLOAD_BYTES_MAX;
pub use index::{IndexKind, IndexState, quiet_panics};
pub use lock::{HomeLock, LockError};
pub use log::{AppendError, Damage, DamagedFile, Frames, LogReader, Recovery};
pub use queue::{AppendQueue, AppendRequest, Appended, GROUP_BYTES_MAX, GROUP_REQUESTS_MAX};
pub use regular::{open as open_file, read as read_file};
pub use store::{OpenError, Problem, Sizes, Store, StoreOptions};
