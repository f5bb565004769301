//! Being asked by the system to stop.

use crate::failure;
use heirloom_core::command::Failure;
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// Returns what is done when SIGTERM or SIGINT comes; from now on neither ends
/// the program by itself.
///
/// # Errors
/// When signals cannot be heard.
pub(crate) fn stop() -> Result<impl Future<Output = ()> + Send, Failure> {
    let refused = |error| failure::stopped(&format!("signals cannot be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
