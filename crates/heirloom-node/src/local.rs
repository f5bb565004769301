//! The node of a folder for which no daemon runs.

use heirloom_core::command::{Answer, Command, Failure};
use std::path::Path;

/// A node without a network, which holds the folder's lock.
#[derive(Debug)]
pub struct LocalNode;

impl LocalNode {
    /// Opens the node of a data folder; waits up to 10 s for its lock.
    ///
    /// # Errors
    /// When there is no account, somebody else holds the folder, or the store cannot be opened.
    pub fn open(home: &Path) -> Result<Self, Failure> {
        Err(crate::up::unfinished(home))
    }

    /// Carries out one command; what it wrote is durable when it returns.
    ///
    /// # Errors
    /// When the node refuses it or the disk fails.
    pub fn run(&mut self, command: Command) -> Result<Answer, Failure> {
        drop(command);
        Err(crate::up::unfinished(Path::new("")))
    }
}
