//! Running, making, joining and restoring; being filled in.

use crate::options::{Account, JoinOptions, Joined, RecoverOptions, Recovered, UpEvent, UpOptions};
use heirloom_core::command::Failure;
use std::path::Path;
use tokio::sync::mpsc;

pub(crate) fn unfinished(home: &Path) -> Failure {
    let text = format!("nothing can be done yet with {}", home.display());
    Failure { exit: 1, code: "unfinished".into(), text, fix: String::new() }
}

/// Runs the node of a data folder until SIGTERM or SIGINT.
///
/// Without an account it makes one, or joins one when the options carry a code.
///
/// # Errors
/// When the folder, the network or the pairing does not allow it.
pub async fn up(options: UpOptions, events: mpsc::Sender<UpEvent>) -> Result<(), Failure> {
    events.closed().await;
    Err(unfinished(&options.home))
}

/// Makes an account and its first device in a new data folder.
///
/// # Errors
/// When the folder holds an account already or cannot be written.
pub fn init(home: &Path, device: Option<&str>) -> Result<Account, Failure> {
    let _name = device;
    Err(unfinished(home))
}

/// Joins an account by an invite, does the first sync and stops.
///
/// # Errors
/// When no peer can be reached (exit 69), the invite is refused (77), or the
/// folder cannot be used; nothing is left behind then.
pub async fn join(options: JoinOptions) -> Result<Joined, Failure> {
    tokio::task::yield_now().await;
    Err(unfinished(&options.home))
}

/// Restores an account on this new device from any reachable peer.
///
/// `progress` hears how many entries arrived and how many are expected so far.
///
/// # Errors
/// When no peer can be reached (exit 69), the phrase is wrong or unknown to
/// them (77), or the folder cannot be used; nothing is left behind then.
pub async fn recover(
    options: RecoverOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<Recovered, Failure> {
    progress(0, 0);
    tokio::task::yield_now().await;
    Err(unfinished(&options.home))
}

/// Returns whether the data folder holds an account.
#[must_use]
pub fn has_account(home: &Path) -> bool {
    home.join("device.key").exists()
}
