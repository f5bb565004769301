//! Which data folder a command works on.

use crate::exit::{self, Exit};
use heirloom_core::command::Failure;
use std::path::PathBuf;

/// Returns the data folder: the one named, else `HEIRLOOM_HOME`, else the platform's.
pub(crate) fn resolve(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    named.or_else(heirloom_api::home::usual).ok_or_else(|| {
        exit::failure(
            Exit::Usage,
            "no-home",
            "no data folder is known, because HOME is not set",
            "Name one with --home DIR or HEIRLOOM_HOME",
        )
    })
}
