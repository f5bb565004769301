//! The host: one loop that owns the node and its store.
//!
//! It never waits for the network or the disk while it holds the node: what
//! goes there waits in queues of its own, and results come back as inputs. So
//! no two bounded queues can wait for each other.

use crate::engine::{Engine, ReopenError};
use crate::{clock, failure};
use heirloom_api::CommandReply;
use heirloom_base::DeviceId;
use heirloom_core::command::{Answer, Command, Event, Failure};
use heirloom_core::input::{AppendError, CommandId, HelloId, Input};
use heirloom_core::storage::{Lsn, StorageError};
use heirloom_net::{Network, NetworkEvent, NetworkEvents};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::thread;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

mod conversations;
mod disk;
mod effects;
mod hearing;
mod introductions;
mod orders;
mod outbox;
mod scrub;
mod strays;
mod transfers;

use conversations::Conversations;
use disk::{Disk, Written};
use introductions::Introductions;
use orders::Orders;
use outbox::Outbox;
use scrub::Scrub;
use strays::Strays;
use transfers::Transfers;

pub(crate) use strays::place;

/// Commands that are carried out at one time; more wait on the control socket.
const COMMANDS_MAX: usize = 256;
/// Events that a slow watcher may lag behind.
const EVENTS_MAX: usize = 1_024;
/// Things that are heard at one time before the node does what follows from them.
const HEARD_MAX: usize = 64;
/// Time that whoever reads a list in pages has to ask for the next, before
/// something else is done that takes longer than a page.
const NEXT_PAGE_TIME: Duration = Duration::from_millis(5);
/// Results of tasks that wait for the node.
const ARRIVALS_MAX: usize = 64;
/// Pause before a log is opened again that the disk refused to open.
const REOPEN_PAUSE_MS: u64 = 1_000;
/// Longest time that a stopping node waits for its last writes.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// What a task of the host reports to its loop.
#[derive(Debug)]
enum Arrival {
    /// An input for the node as it was opened then.
    Input(u64, Input),
    /// Somebody answered at an address that a user gave.
    Met {
        /// The address as it was given.
        address: String,
        /// Who it is; `None` when it is this very device.
        device: Option<DeviceId>,
    },
}

/// The devices whose entries were taken in.
pub(crate) type Sources = Vec<DeviceId>;

/// A node that runs.
#[derive(Debug)]
pub(crate) struct Running {
    commands: mpsc::Sender<(Command, CommandReply)>,
    events: broadcast::Sender<Event>,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<Result<Sources, Failure>>,
}

impl Running {
    /// Returns where commands go.
    pub(crate) fn commands(&self) -> mpsc::Sender<(Command, CommandReply)> {
        self.commands.clone()
    }

    /// Returns what makes subscriptions to the node's events.
    pub(crate) fn events(&self) -> broadcast::Sender<Event> {
        self.events.clone()
    }

    /// Has a command carried out.
    ///
    /// # Errors
    /// When the node refuses it or has stopped.
    pub(crate) async fn request(&self, command: Command) -> Result<Answer, Failure> {
        let (reply, answered) = oneshot::channel();
        let gone = || failure::stopped("it answers no more");
        self.commands.send((command, reply)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Waits until the node has stopped; by itself it does only when it must.
    ///
    /// # Errors
    /// When it could not go on.
    pub(crate) async fn ended(&mut self) -> Result<Sources, Failure> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(failure::stopped("its thread ended")))
    }

    /// Stops the node and waits until its store is closed; returns the
    /// devices that had sent something.
    ///
    /// # Errors
    /// When the node could not go on before.
    pub(crate) async fn stop(mut self) -> Result<Sources, Failure> {
        self.stop.send_replace(true);
        self.ended().await
    }
}

/// Starts the loop on a thread of its own, over a network that was started;
/// returns also what hears every event from the first.
///
/// # Errors
/// When there is no thread for it.
pub(crate) fn start(
    engine: Engine,
    network: Network,
    network_events: NetworkEvents,
    peers: Vec<String>,
) -> Result<(Running, broadcast::Receiver<Event>), Failure> {
    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (events, told) = broadcast::channel(EVENTS_MAX);
    let (stop, stop_in) = watch::channel(false);
    let (ended_out, ended) = oneshot::channel();
    let (host, written, arrivals) = Host::new(engine, network, events.clone(), peers)?;
    let queues =
        Queues { network: network_events, commands: commands_in, written, arrivals, stop: stop_in };
    let runtime = tokio::runtime::Handle::current();
    let run = move || {
        let outcome = runtime.block_on(host.run(queues));
        if ended_out.send(outcome).is_err() {
            tracing::debug!("nobody waited for the end of the node");
        }
    };
    thread::Builder::new()
        .name("heirloom-node".to_owned())
        .spawn(run)
        .map_err(|error| failure::stopped(&format!("there is no thread for it: {error}")))?;
    Ok((Running { commands, events, stop, ended }, told))
}

/// What the loop listens to.
struct Queues {
    network: NetworkEvents,
    commands: mpsc::Receiver<(Command, CommandReply)>,
    written: mpsc::Receiver<Written>,
    arrivals: mpsc::Receiver<Arrival>,
    stop: watch::Receiver<bool>,
}

/// One thing that the loop heard.
enum Heard {
    Network(NetworkEvent),
    Command(Command, CommandReply),
    Written(Written),
    Arrival(Arrival),
    Time,
    Stop,
    NetworkEnded,
}

impl Heard {
    fn is_command(&self) -> bool {
        matches!(self, Self::Command(..))
    }

    /// Returns whether it asks for a page of a list.
    fn is_page(&self) -> bool {
        let Self::Command(command, _) = self else { return false };
        matches!(command, Command::List { .. } | Command::Occurrences(_) | Command::Export { .. })
    }
}

impl Queues {
    /// Returns the command that follows a page, where something else waits already
    /// and the command comes soon.
    async fn next_page(&mut self) -> Option<Heard> {
        if self.written.is_empty() {
            return None;
        }
        let command = tokio::time::timeout(NEXT_PAGE_TIME, self.commands.recv()).await;
        command.ok().flatten().map(|(command, reply)| Heard::Command(command, reply))
    }

    /// Returns something that was heard already, if there is anything: a command,
    /// where the last was none, because a user waits for it.
    fn at_once(&mut self, was_command: bool) -> Option<Heard> {
        let command = |queues: &mut Self| {
            let heard = queues.commands.try_recv().ok();
            heard.map(|(command, reply)| Heard::Command(command, reply))
        };
        if !was_command && let Some(heard) = command(self) {
            return Some(heard);
        }
        let written = self.written.try_recv().ok().map(Heard::Written);
        let event = || self.network.try_recv().map(Heard::Network);
        let arrival = || self.arrivals.try_recv().ok().map(Heard::Arrival);
        let found = written.or_else(event).or_else(arrival);
        found.or_else(|| command(self))
    }

    async fn next(&mut self, pause: Duration) -> Heard {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => Heard::Stop,
            Some(written) = self.written.recv() => Heard::Written(written),
            event = self.network.recv() => event.map_or(Heard::NetworkEnded, Heard::Network),
            Some(arrival) = self.arrivals.recv() => Heard::Arrival(arrival),
            Some((command, reply)) = self.commands.recv() => Heard::Command(command, reply),
            () = tokio::time::sleep(pause) => Heard::Time,
        }
    }
}

struct Host {
    engine: Engine,
    network: Network,
    disk: Disk,
    arrivals: mpsc::Sender<Arrival>,
    outbox: Outbox,
    orders: Orders,
    transfers: Transfers,
    conversations: Conversations,
    introductions: Introductions,
    strays: Strays,
    scrub: Scrub,
    replies: BTreeMap<CommandId, CommandReply>,
    hellos: BTreeMap<HelloId, oneshot::Sender<Vec<u8>>>,
    connected: BTreeSet<DeviceId>,
    /// Those that a keeper relays.
    relayed: BTreeSet<DeviceId>,
    events: broadcast::Sender<Event>,
    next_id: u64,
    /// How often the node was opened: results for an earlier one are dropped.
    opening: u64,
    /// When the log is to be opened again, where a write failed and closed it.
    reopen_ms: Option<u64>,
}

type HostAndQueues = (Host, mpsc::Receiver<Written>, mpsc::Receiver<Arrival>);

impl Host {
    fn new(
        engine: Engine,
        network: Network,
        events: broadcast::Sender<Event>,
        peers: Vec<String>,
    ) -> Result<HostAndQueues, Failure> {
        let queue =
            engine.store().queue().map_err(|error| failure::unusable(engine.home(), &error))?;
        let (disk, written) = Disk::new(queue);
        let (arrivals, arrivals_in) = mpsc::channel(ARRIVALS_MAX);
        let host = Self {
            transfers: Transfers::new(engine.store().chunks()),
            scrub: Scrub::new(clock::now(), engine.store().chunks().list()),
            orders: Orders::new(network.clone()),
            engine,
            network,
            disk,
            arrivals,
            outbox: Outbox::default(),
            conversations: Conversations::default(),
            introductions: Introductions::default(),
            strays: Strays::new(peers),
            replies: BTreeMap::new(),
            hellos: BTreeMap::new(),
            connected: BTreeSet::new(),
            relayed: BTreeSet::new(),
            events,
            next_id: 0,
            opening: 0,
            reopen_ms: None,
        };
        Ok((host, written, arrivals_in))
    }

    /// Runs until it is told to stop, or cannot go on; the store is closed then.
    async fn run(mut self, mut queues: Queues) -> Result<Sources, Failure> {
        let outcome = self.serve(&mut queues).await;
        let sources = self.engine.node().sources();
        self.finish(&mut queues).await;
        outcome.map(|()| sources)
    }

    async fn serve(&mut self, queues: &mut Queues) -> Result<(), Failure> {
        self.input(queues, Input::Listening { addresses: self.network.addresses() }).await?;
        loop {
            let (before, pause) = (clock::now(), self.pause());
            let heard = queues.next(pause).await;
            if clock::has_slept(before, pause, clock::now()) {
                self.awake(queues).await?;
            }
            if matches!(heard, Heard::Stop) {
                return Ok(());
            }
            if matches!(heard, Heard::NetworkEnded) {
                return Err(failure::stopped("the network ended"));
            }
            let (mut was_command, mut was_page) = (heard.is_command(), heard.is_page());
            self.take_in(queues, heard).await?;
            // What came together is answered together.
            for _ in 1..HEARD_MAX {
                let page = if was_page { queues.next_page().await } else { None };
                let Some(heard) = page.or_else(|| queues.at_once(was_command)) else { break };
                (was_command, was_page) = (heard.is_command(), heard.is_page());
                self.take_in(queues, heard).await?;
            }
            self.tick(queues).await?;
        }
    }

    async fn take_in(&mut self, queues: &mut Queues, heard: Heard) -> Result<(), Failure> {
        match heard {
            Heard::Written(written) => self.written(queues, written).await,
            Heard::Network(event) => self.heard(queues, event).await,
            Heard::Arrival(arrival) => self.arrived(queues, arrival).await,
            Heard::Command(command, reply) => self.command(queues, command, reply).await,
            Heard::Time | Heard::Stop | Heard::NetworkEnded => Ok(()),
        }
    }

    /// Finds out what is left of the network after the host has slept.
    async fn awake(&mut self, queues: &mut Queues) -> Result<(), Failure> {
        tracing::info!("this host has slept");
        self.network.ask_for_life();
        let input = self.network_changed();
        self.input(queues, input).await
    }

    /// Returns how long to wait when nothing happens.
    fn pause(&self) -> Duration {
        let deadlines = [
            self.engine.node().poll_timeout(),
            self.strays.poll_timeout(),
            self.introductions.poll_timeout(),
            self.scrub.poll_timeout(),
            // The end of the last write wakes the loop otherwise.
            self.reopen_ms.filter(|_| self.disk.is_idle()),
        ];
        let pause = clock::pause_until(clock::now(), deadlines.into_iter().flatten().min());
        let pause = self.engine.index_pause().map_or(pause, |index| index.min(pause));
        if self.outbox.is_waiting() || self.orders.is_waiting() {
            pause.min(outbox::RETRY_PAUSE)
        } else {
            pause
        }
    }

    /// Does what time asks for.
    async fn tick(&mut self, queues: &mut Queues) -> Result<(), Failure> {
        self.outbox.retry(&mut |device, frame| self.network.send(device, frame));
        self.orders.retry();
        self.reopen_log()?;
        self.tell_lost(queues).await?;
        let now = clock::now();
        for address in self.strays.due(now) {
            self.call(address);
        }
        for device in self.introductions.due(now) {
            self.introduce(device);
        }
        if let Some(chunk) = self.scrub.due(now) {
            self.transfers.check(chunk);
        }
        if self.engine.node().poll_timeout().is_some_and(|due| due <= now.mono_ms) {
            let outcome = self.engine.timeout();
            self.follow(queues, outcome).await?;
        }
        let outcome = self.engine.tend_index();
        self.follow(queues, outcome).await
    }

    /// Tells the node which chunks were found damaged or gone.
    async fn tell_lost(&mut self, queues: &mut Queues) -> Result<(), Failure> {
        let chunks = self.engine.store().chunks().take_lost();
        if chunks.is_empty() {
            return Ok(());
        }
        self.input(queues, Input::ChunksLost { chunks }).await
    }

    /// Opens the log again after a failed write, when nothing is on its way there:
    /// again and again where the disk refuses, because it may recover.
    fn reopen_log(&mut self) -> Result<(), Failure> {
        let now_ms = clock::now().mono_ms;
        if self.reopen_ms.is_none_or(|due| due > now_ms) || !self.disk.is_idle() {
            return Ok(());
        }
        match self.engine.reopen_log() {
            Ok(()) => self.reopen_ms = None,
            Err(ReopenError::Refused(error)) => {
                tracing::debug!(%error, "the log cannot be opened again yet");
                self.reopen_ms = Some(now_ms + REOPEN_PAUSE_MS);
            }
            Err(lost @ ReopenError::Lost) => return Err(lost.into_failure(self.engine.home())),
        }
        Ok(())
    }

    /// Notes whether a write has closed the log.
    fn note(&mut self, result: &Result<Vec<Lsn>, AppendError>) {
        if matches!(result, Err(AppendError::Failed(_))) {
            self.reopen_ms.get_or_insert(0);
        }
    }

    async fn input(&mut self, queues: &mut Queues, input: Input) -> Result<(), Failure> {
        let outcome = self.engine.input(input);
        self.follow(queues, outcome).await
    }

    /// Carries out what the node wants; rebuilds the index where it failed.
    async fn follow(
        &mut self,
        queues: &mut Queues,
        outcome: Result<(), StorageError>,
    ) -> Result<(), Failure> {
        self.carry_out_all();
        let Err(mut cause) = outcome else { return Ok(()) };
        // A second failure right after a rebuild is not the index's own any more.
        for _ in 0..2 {
            self.disk.forget_waiting();
            while !self.disk.is_idle() {
                let Some(Written { result, .. }) = queues.written.recv().await else { break };
                self.disk.taken();
                self.note(&result);
            }
            let replies = self.forget_all();
            let rebuilt = self.engine.rebuild(&cause);
            for reply in replies {
                if reply.send(Err(self.engine.interruption())).is_err() {
                    tracing::debug!("nobody waited for an answer any more");
                }
            }
            rebuilt?;
            self.carry_out_all();
            match self.reconnect_all() {
                Ok(()) => return Ok(()),
                Err(error) => cause = error,
            }
        }
        match heirloom_core::failure::says_full(&cause.to_string()) {
            true => Err(failure::interrupted_by_full_disk(self.engine.home())),
            false => Err(failure::damaged(format!("The index fails again and again: {cause}"))),
        }
    }

    /// Drops everything that the node forgets when it is opened anew; returns
    /// whom it owes an answer.
    fn forget_all(&mut self) -> Vec<CommandReply> {
        self.opening += 1;
        self.conversations.clear();
        self.hellos.clear();
        std::mem::take(&mut self.replies).into_values().collect()
    }

    /// Tells a node that was opened anew what it cannot know.
    fn reconnect_all(&mut self) -> Result<(), StorageError> {
        self.engine.input(Input::Listening { addresses: self.network.addresses() })?;
        for device in self.connected.clone() {
            let relayed = self.relayed.contains(&device);
            self.engine.input(Input::Way { device, relayed, addresses: Vec::new() })?;
            self.engine.input(Input::PeerUp { device })?;
        }
        self.carry_out_all();
        Ok(())
    }

    async fn written(&mut self, queues: &mut Queues, written: Written) -> Result<(), Failure> {
        self.disk.taken();
        let Written { id, result } = written;
        self.note(&result);
        self.input(queues, Input::Appended { id, result }).await
    }

    async fn arrived(&mut self, queues: &mut Queues, arrival: Arrival) -> Result<(), Failure> {
        match arrival {
            Arrival::Input(opening, _) if opening != self.opening => Ok(()),
            Arrival::Input(_, input) => {
                if let Input::PairingClosed { id } = &input {
                    self.conversations.close(*id);
                }
                self.input(queues, input).await
            }
            Arrival::Met { address, device } => {
                self.strays.met(&address);
                let Some(device) = device else { return Ok(()) };
                let address =
                    format!("{}/p2p/{}", place(&address), heirloom_net::peer_id_text(device));
                self.input(queues, Input::Reached { device, addresses: vec![address] }).await
            }
        }
    }

    async fn command(
        &mut self,
        queues: &mut Queues,
        command: Command,
        reply: CommandReply,
    ) -> Result<(), Failure> {
        self.replies.retain(|_, reply| !reply.is_closed());
        if self.replies.len() >= COMMANDS_MAX {
            if reply.send(Err(failure::busy())).is_err() {
                tracing::debug!("a program did not wait for its answer");
            }
            return Ok(());
        }
        let id = CommandId(self.fresh_id());
        self.replies.insert(id, reply);
        self.input(queues, Input::Command { id, command }).await
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Finishes what was begun, and closes network and store.
    async fn finish(mut self, queues: &mut Queues) {
        queues.commands.close();
        let writes = async {
            while !self.disk.is_idle() {
                let Some(Written { id, result }) = queues.written.recv().await else { return };
                self.disk.taken();
                let outcome = self.engine.input(Input::Appended { id, result });
                if let Err(error) = outcome.and_then(|()| self.engine.timeout()) {
                    tracing::warn!(%error, "the index failed while the node stopped");
                    return;
                }
                self.carry_out_all();
            }
        };
        if tokio::time::timeout(STOP_TIME_MAX, writes).await.is_err() {
            tracing::warn!("the node stopped before its last writes ended");
        }
        self.forget_waiting_commands();
        self.transfers.end().await;
        hang_up(&self.network, &mut queues.network).await;
        self.engine.sync_index();
    }
}

/// Ends the network, which may wait until its events are taken.
async fn hang_up(network: &Network, events: &mut NetworkEvents) {
    let mut shutdown = pin!(network.shutdown());
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = events.recv() => {}
        }
    }
}
