//! How a command reaches the node of its folder: over the running node's
//! socket, or by opening the store itself.

use crate::exit::{self, Exit};
use heirloom_api::Client;
use heirloom_base::limits;
use heirloom_core::command::{Answer, Command, Failure};
use heirloom_node::{IN_USE, LocalNode};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the folder's lock is waited for before the node is asked again.
const LOCK_TURN: Duration = Duration::from_millis(50);

/// A node that carries out commands.
pub(crate) enum Access {
    /// The running one of a folder.
    Running(Box<Client>, PathBuf),
    /// One without a network, inside this program.
    Stopped(Box<LocalNode>),
}

impl Access {
    /// Reaches the node of `home`.
    pub(crate) async fn open(home: &Path) -> Result<Self, Failure> {
        let end = Instant::now() + Duration::from_millis(limits::LOCK_WAIT_MS_MAX as u64);
        loop {
            if let Some(client) = connect(home).await? {
                return Ok(Self::Running(Box::new(client), home.to_owned()));
            }
            if !heirloom_node::has_account(home) {
                return Err(nothing_here(home));
            }
            match LocalNode::open_within(home, LOCK_TURN) {
                Ok(node) => return Ok(Self::Stopped(Box::new(node))),
                // A node that is just starting holds the lock and answers soon.
                Err(failure) if failure.code == IN_USE && Instant::now() < end => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Reaches the running node of `home`.
    pub(crate) async fn running(home: &Path, absent: Exit) -> Result<Client, Failure> {
        if let Some(client) = connect(home).await? {
            return Ok(client);
        }
        if !heirloom_node::has_account(home) {
            return Err(nothing_here(home));
        }
        Err(exit::failure(
            absent,
            "no-node",
            format!("no node runs for {}, so no other device can be reached", home.display()),
            "Start it with `heirloom up`, then give this command in another terminal",
        ))
    }

    /// Has one command carried out. What only reads is asked once more where the
    /// node ended meanwhile, as that of `recover` does: of another, or of the store.
    pub(crate) async fn run(&mut self, command: Command) -> Result<Answer, Failure> {
        let (client, home) = match self {
            Self::Running(client, home) => (client, home.clone()),
            Self::Stopped(node) => return node.run(command),
        };
        let again = only_reads(&command).then(|| command.clone());
        let failure = match client.request(command).await {
            Ok(answer) => return Ok(answer),
            Err(error) => Failure::from(error),
        };
        let Some(command) = again.filter(|_| has_ended(&failure)) else { return Err(failure) };
        *self = Self::open(&home).await?;
        match self {
            Self::Running(client, _) => Ok(client.request(command).await?),
            Self::Stopped(node) => node.run(command),
        }
    }
}

/// Returns whether a command may be given twice.
fn only_reads(command: &Command) -> bool {
    match command {
        Command::Status
        | Command::Digest
        | Command::Devices
        | Command::List { .. }
        | Command::Occurrences(_)
        | Command::Show { .. }
        | Command::History { .. }
        | Command::Conflicts { .. }
        | Command::Export { .. }
        | Command::Quarantine { .. } => true,
        Command::Rename { .. }
        | Command::Revoke { .. }
        | Command::Accept { .. }
        | Command::Reset { .. }
        | Command::Invite { .. }
        | Command::Sync { .. }
        | Command::Add { .. }
        | Command::Set { .. }
        | Command::Delete { .. }
        | Command::Restore { .. }
        | Command::Resolve { .. }
        | Command::Import { .. } => false,
    }
}

/// Returns whether a node did not answer because it ended.
fn has_ended(failure: &Failure) -> bool {
    ["node-connection-lost", "node-stopping"].contains(&failure.code.as_str())
}

async fn connect(home: &Path) -> Result<Option<Client>, Failure> {
    Client::connect(home).await.map_err(|error| refused(home, &error))
}

fn refused(home: &Path, error: &io::Error) -> Failure {
    let is_forbidden = error.kind() == io::ErrorKind::PermissionDenied;
    let barred = is_forbidden.then(|| heirloom_node::barred(home)).flatten();
    barred.unwrap_or_else(|| node_refuses(home, error))
}

fn node_refuses(home: &Path, error: &io::Error) -> Failure {
    exit::failure(
        Exit::Failed,
        "node-refuses",
        format!("the node that runs for {} cannot be asked: {error}", home.display()),
        "Give the command as the user who runs the node",
    )
}

/// Returns why there is no account to work with.
fn nothing_here(home: &Path) -> Failure {
    heirloom_node::plight(home).unwrap_or_else(|| no_account(home))
}

/// Builds the failure of a folder in which nothing is yet.
pub(crate) fn no_account(home: &Path) -> Failure {
    exit::failure(
        Exit::Failed,
        "no-account",
        format!("there is no account in {} yet", home.display()),
        "Make one with `heirloom up`, join one with `heirloom join CODE`, or bring one back with \
         `heirloom recover`",
    )
}
