//! The node over its store: what the daemon and a command without one share.

use crate::{clock, failure, folder, randomness};
use heirloom_base::{AccountId, DeviceId, limits};
use heirloom_core::command::{Event, Failure, Problem, StatusReport};
use heirloom_core::failure::says_full;
use heirloom_core::input::{Effect, Input};
use heirloom_core::storage::StorageError;
use heirloom_core::{Node, NodeConfig, OpenNodeError};
use heirloom_identity::{DeviceKeys, Role};
use heirloom_store::{DamagedFile, Store};
use losses::Standing;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

mod foreign;
mod losses;

/// Whether there is a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The node talks to its peers.
    Networked,
    /// The node works for itself.
    Alone,
}

/// Why an engine cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenEngineError {
    /// The log names no account.
    NoAccount,
    /// The log does not name this device as one of the account's.
    Expelled,
    /// The log was written by another device of the account.
    OtherDevice,
    /// The index failed even when it was new, or the log cannot be read.
    Storage(StorageError),
    /// The system gave no random bytes.
    Failure(Failure),
}

impl From<StorageError> for OpenEngineError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl OpenEngineError {
    /// Returns what a user is told.
    pub(crate) fn into_failure(self, home: &Path) -> Failure {
        match self {
            Self::NoAccount => failure::damaged(format!(
                "The log in {} does not say whose it is: its beginning is lost.",
                home.display()
            )),
            Self::Expelled => failure::expelled(home),
            Self::OtherDevice => failure::other_device(home),
            Self::Storage(error) if says_full(&error.to_string()) => {
                failure::interrupted_by_full_disk(home)
            }
            Self::Storage(error) => failure::damaged(format!(
                "The store in {} cannot be used: {error}.",
                home.display()
            )),
            Self::Failure(failure) => failure,
        }
    }
}

/// A node and the store that it works on.
#[derive(Debug)]
pub(crate) struct Engine {
    home: PathBuf,
    node: Node,
    store: Store,
    seed: Zeroizing<[u8; 32]>,
    reach: Reach,
    continuation: Continuation,
    /// Whether the index failed last because the disk was full.
    is_full: bool,
}

impl Engine {
    /// Opens the node of a store, rebuilding the index where it must be.
    ///
    /// # Errors
    /// When the store holds no account or is damaged beyond that.
    pub(crate) fn open(
        home: &Path,
        mut store: Store,
        seed: Zeroizing<[u8; 32]>,
        reach: Reach,
    ) -> Result<Self, Failure> {
        let refused = |error: OpenEngineError| error.into_failure(home);
        let device = DeviceKeys::from_seed(*seed).id();
        let mut standing = losses::judge(&store, device).map_err(refused)?;
        if standing.doubts_the_log() {
            store = without_foreign(home, store, device)?;
            standing = losses::judge(&store, device).map_err(refused)?;
        }
        if standing.asks_the_log() {
            // A refusal changes nothing, so it comes before anything is written.
            losses::check(&store, device, reach).map_err(refused)?;
        }
        let continuation = losses::settle(&mut store, standing).map_err(refused)?;
        let node = open_or_rebuild(&mut store, &seed, reach, (standing, continuation));
        let (home, node) = (home.to_owned(), node.map_err(refused)?);
        Ok(Self { home, node, store, seed, reach, continuation, is_full: false })
    }

    /// Returns the node.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Gives this device another role; durable when the effects are carried out.
    ///
    /// # Errors
    /// When this device may not.
    pub(crate) fn set_own_role(&mut self, role: Role) -> Result<(), Failure> {
        self.node.set_own_role(clock::now(), role)
    }

    /// Adds to a status what the core cannot know: how the store is.
    pub(crate) fn complete(&self, report: &mut StatusReport) {
        let found = self.store.problems();
        if found.iter().any(|problem| problem.code == "disk-full") {
            // What this device cannot take in, nobody withholds or has lost.
            report.problems.retain(|problem| !OF_A_FULL_DISK.contains(&problem.code.as_str()));
        }
        let is_back = !report.problems.iter().any(|problem| problem.code == "entries-lost");
        report.problems.extend(found.into_iter().map(|problem| Problem {
            fix: match problem.code {
                "log-damaged" | "log-end-lost" if is_back => failure::mended(),
                _ => problem.fix,
            },
            code: problem.code.to_owned(),
            text: problem.text,
        }));
    }

    /// Returns what is said of a command that was lost when the index failed.
    pub(crate) fn interruption(&self) -> Failure {
        let is_full = |problem: &heirloom_store::Problem| {
            ["disk-full", "index-in-memory"].contains(&problem.code)
        };
        match self.is_full || self.store.problems().iter().any(is_full) {
            true => failure::interrupted_by_full_disk(&self.home),
            false => failure::repaired(),
        }
    }

    /// Returns the store.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the data folder.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Hands the node an input; with a network, what follows from it is done by
    /// [`Engine::timeout`], which is due then.
    ///
    /// # Errors
    /// When the index failed: see [`Engine::rebuild`].
    pub(crate) fn input(&mut self, input: Input) -> Result<(), StorageError> {
        survivable(self.node.take_in(clock::now(), &mut self.store, input))?;
        match self.reach {
            Reach::Networked => Ok(()),
            // Nobody waits for anything else.
            Reach::Alone => {
                self.timeout()?;
                self.store.settle_index()
            }
        }
    }

    /// Lets the node do what time asks for.
    ///
    /// # Errors
    /// As [`Engine::input`].
    pub(crate) fn timeout(&mut self) -> Result<(), StorageError> {
        survivable(self.node.handle_timeout(clock::now(), &mut self.store))
    }

    /// Lets the index have what it has not had for a while.
    ///
    /// # Errors
    /// As [`Engine::input`].
    pub(crate) fn tend_index(&mut self) -> Result<(), StorageError> {
        self.store.tend_index()
    }

    /// Returns how long the index can wait for [`Engine::tend_index`].
    pub(crate) fn index_pause(&self) -> Option<Duration> {
        self.store.index_due().map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Makes the index durable, so that the next start reads less of the log.
    pub(crate) fn sync_index(&mut self) {
        if let Err(error) = self.store.sync_index_at_last() {
            tracing::debug!(%error, "the index was not made durable: the next start reads the log");
        }
    }

    /// Returns the next effect to carry out.
    pub(crate) fn effect(&mut self) -> Option<Effect> {
        self.node.poll_effect()
    }

    /// Returns the next event for whoever watches.
    pub(crate) fn event(&mut self) -> Option<Event> {
        self.node.poll_event()
    }

    /// Opens the node anew over an empty index, from the log. It has forgotten
    /// every command, conversation and connection. Nothing may be on its way
    /// to the disk.
    ///
    /// # Errors
    /// When not even an empty index works, or the log cannot be read.
    pub(crate) fn rebuild(&mut self, cause: &StorageError) -> Result<(), Failure> {
        tracing::warn!(%cause, "the index failed and is rebuilt from the log");
        self.is_full = says_full(&cause.to_string());
        let rebuilt = open_anew(&mut self.store, &self.seed, self.reach, self.continuation);
        self.node = rebuilt.map_err(|error| error.into_failure(&self.home))?;
        Ok(())
    }

    /// Opens the log again after a write failed and closed it.
    ///
    /// # Errors
    /// [`ReopenError`].
    pub(crate) fn reopen_log(&mut self) -> Result<(), ReopenError> {
        let recovery = self.store.reopen_log().map_err(ReopenError::Refused)?;
        let known = &self.store.recovery().damaged;
        if recovery.damaged.iter().all(|found| known.iter().any(|known| is_same(found, known))) {
            tracing::warn!("the log was opened again after a write had failed");
            return Ok(());
        }
        Err(ReopenError::Lost)
    }
}

/// Why a log that was closed is not open again.
#[derive(Debug)]
pub(crate) enum ReopenError {
    /// The disk still refuses: it may be asked again.
    Refused(io::Error),
    /// The disk has lost what it had acknowledged.
    Lost,
}

impl ReopenError {
    /// Returns what a user is told.
    pub(crate) fn into_failure(self, home: &Path) -> Failure {
        match self {
            Self::Refused(error) if says_full(&error.to_string()) => failure::full(home),
            Self::Refused(error) => failure::unusable(home, &error),
            Self::Lost => failure::log_lost(),
        }
    }
}

/// Returns whether two findings are the same damage; its copies may lie at different places.
fn is_same(one: &DamagedFile, other: &DamagedFile) -> bool {
    one.name == other.name && one.damage == other.damage
}

/// Problems that a full disk makes by itself.
const OF_A_FULL_DISK: [&str; 2] = ["withholds", "entries-lost"];

/// Whether this device's own log goes on where the store's log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continuation {
    /// It goes on, or the log says itself that a new one begins.
    Same,
    /// Something that was acknowledged may be lost, and not even that could be
    /// written: a new one begins.
    Fresh,
}

/// Passes on only what asks for a rebuilt index; a frame or chunk that cannot
/// be read concerns nothing but what asked for it.
fn survivable(outcome: Result<(), StorageError>) -> Result<(), StorageError> {
    match outcome {
        Err(error @ (StorageError::Frame(_) | StorageError::Chunk(_))) => {
            tracing::error!(%error, "a stored item cannot be read");
            Ok(())
        }
        Ok(()) => Ok(()),
        Err(error @ StorageError::Index(_)) => Err(error),
    }
}

/// Opens the store again without the segments of its log that are of another
/// folder, if there are any: they count as lost.
fn without_foreign(home: &Path, store: Store, device: DeviceId) -> Result<Store, Failure> {
    let segments = match foreign::find(&store, device) {
        Ok(segments) if !segments.is_empty() => segments,
        Ok(_) => return Ok(store),
        Err(OpenEngineError::Storage(StorageError::Index(cause))) => {
            tracing::warn!(cause, "the index cannot be read");
            return Ok(store);
        }
        Err(error) => return Err(error.into_failure(home)),
    };
    tracing::warn!(?segments, "segments of another folder lie in the log and are kept aside");
    drop(store);
    heirloom_store::foreign::set_aside(home, &segments)
        .map_err(|error| failure::unusable(home, &error))?;
    folder::open_store(home, REOPEN_WAIT)
}

/// Wait for the lock of a store that was just closed.
const REOPEN_WAIT: Duration = Duration::from_secs(10);

fn open_or_rebuild(
    store: &mut Store,
    seed: &Zeroizing<[u8; 32]>,
    reach: Reach,
    (standing, continuation): (Standing, Continuation),
) -> Result<Node, OpenEngineError> {
    let opened = match standing {
        Standing::New => open_by_replay(store, seed, reach, continuation),
        Standing::Usable | Standing::Gaps | Standing::Ahead => {
            open_by_index(store, seed, reach, continuation)
        }
        Standing::Foreign => Err(index_error("it is of another log")),
        Standing::Broken => Err(index_error("it cannot be read")),
    };
    let Err(OpenEngineError::Storage(StorageError::Index(cause))) = opened else { return opened };
    tracing::warn!(cause, "the index cannot be used and is rebuilt from the log");
    open_anew(store, seed, reach, continuation)
}

/// Opens a node over an empty index; over one in memory where the disk does
/// not take what the log holds, for instance because it is full.
fn open_anew(
    store: &mut Store,
    seed: &Zeroizing<[u8; 32]>,
    reach: Reach,
    continuation: Continuation,
) -> Result<Node, OpenEngineError> {
    let opened = match store.discard_index() {
        Ok(()) => open_by_replay(store, seed, reach, continuation),
        Err(error) => Err(error.into()),
    };
    let Err(OpenEngineError::Storage(StorageError::Index(cause))) = opened else { return opened };
    tracing::warn!(cause, "a new index fails too and is kept in memory");
    store.keep_index_in_memory();
    open_by_replay(store, seed, reach, continuation)
}

fn index_error(cause: &str) -> OpenEngineError {
    StorageError::Index(cause.to_owned()).into()
}

fn open_by_index(
    store: &mut Store,
    seed: &Zeroizing<[u8; 32]>,
    reach: Reach,
    continuation: Continuation,
) -> Result<Node, OpenEngineError> {
    let config = config(store, seed, reach, continuation)?;
    match Node::open(clock::now(), config, store) {
        Ok(node) => follow(store, node, reach),
        Err(OpenNodeError::NoAccount) => Err(OpenEngineError::NoAccount),
        Err(OpenNodeError::Storage(error)) => Err(error.into()),
    }
}

fn open_by_replay(
    store: &mut Store,
    seed: &Zeroizing<[u8; 32]>,
    reach: Reach,
    continuation: Continuation,
) -> Result<Node, OpenEngineError> {
    let account = account_of(store)?;
    let node = Node::open_empty(config(store, seed, reach, continuation)?, account);
    follow(store, node, reach)
}

/// Shows the node every frame that its index lacks, and starts it.
fn follow(store: &mut Store, mut node: Node, reach: Reach) -> Result<Node, OpenEngineError> {
    for item in store.frames(Node::applied(store)?) {
        let (lsn, frame) = item?;
        node.replay(clock::now(), store, lsn, frame)?;
    }
    // What is lost of the roster comes from the others.
    if !node.knows_itself() && (reach == Reach::Alone || !store.has_lost()) {
        return Err(OpenEngineError::Expelled);
    }
    if node.writer_of_folder(store)?.is_some_and(|writer| writer != node.device()) {
        return Err(OpenEngineError::OtherDevice);
    }
    if Node::was_started_before(store)? {
        store.index_was_lost();
    }
    node.start(clock::now(), store)?;
    Ok(node)
}

/// Returns the account that a store belongs to.
///
/// # Errors
/// When it belongs to none, or its log cannot be read.
pub(crate) fn account_of(store: &Store) -> Result<AccountId, OpenEngineError> {
    let mut begun = None;
    for item in store.frames(None) {
        let frame = item?.1;
        if let Some(account) = Node::account_in(&frame) {
            return Ok(account);
        }
        begun = begun.or_else(|| Node::account_begun_in(&frame));
    }
    begun.ok_or(OpenEngineError::NoAccount)
}

fn config(
    store: &Store,
    seed: &Zeroizing<[u8; 32]>,
    reach: Reach,
    continuation: Continuation,
) -> Result<NodeConfig, OpenEngineError> {
    let random = randomness::bytes::<32>().map_err(OpenEngineError::Failure)?;
    Ok(NodeConfig {
        device: DeviceKeys::from_seed(**seed),
        seed: *random,
        networked: reach == Reach::Networked,
        fresh_incarnation: continuation == Continuation::Fresh,
        arrears_from: limits::ARREARS_FROM,
        checkpoint_from: limits::CHECKPOINT_FROM as u64,
        checkpoint_quiet_ms: limits::CHECKPOINT_QUIET_MS as u64,
        place: folder::place(store.home()),
        grounds: folder::grounds(store),
    })
}
