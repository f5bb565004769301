//! Answering commands on the control socket while a node runs.

use crate::failure;
use crate::host::Running;
use heirloom_api::Server;
use heirloom_core::command::Failure;
use std::path::Path;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The control socket of a running node.
pub(crate) struct Serving {
    server: JoinHandle<()>,
    /// Dropped when the server shall stop.
    stop: oneshot::Sender<()>,
}

/// Binds the control socket of a data folder.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) fn bind(home: &Path) -> Result<Server, Failure> {
    Server::bind(home).map_err(|error| failure::control(&error))
}

impl Serving {
    /// Begins to answer.
    pub(crate) fn begin(server: Server, running: &Running) -> Self {
        let (events, commands) = (running.events(), running.commands());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let server = tokio::spawn(server.serve(commands, move || events.subscribe(), stopped));
        Self { server, stop }
    }

    /// Returns when the socket broke.
    pub(crate) async fn broken(&mut self) {
        // Whatever ended it, it answers no more.
        drop((&mut self.server).await);
    }

    /// Removes the control socket, after watchers have heard what happened.
    pub(crate) async fn close(self) {
        drop(self.stop);
        if let Err(error) = self.server.await
            && error.is_panic()
        {
            tracing::error!("the control socket ended by a panic");
        }
    }
}
