//! The built program from outside: real processes, each with a folder of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod caps;
mod common;
mod completions;
mod damage;
mod earlier;
mod files;
mod full_disk;
mod history;
mod hostile;
mod household;
mod kills;
mod lossless;
mod manual;
mod membership;
mod networks;
mod observing;
mod unshared;

#[path = "../crates/heirloom-doc/src/chunk/tests/forged.rs"]
mod forged;
