//! Running the node of a data folder.

use crate::engine::{Engine, Reach};
use crate::host::{self, Running};
use crate::options::{JoinOptions, Ready, UpEvent, UpOptions};
use crate::serving::{self, Serving};
use crate::{admission, failure, folder, founding, home, signals};
use heirloom_base::count;
use heirloom_core::command::{Event, Failure};
use heirloom_identity::Role;
use heirloom_net::{Network, NetworkConfig, NetworkEvents};
use heirloom_store::Store;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use zeroize::Zeroizing;

/// Wait for a command that works in the folder at the moment; another node
/// that runs there is not waited for any longer.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Runs the node of a data folder until SIGTERM or SIGINT.
///
/// Without an account it makes one, or joins one when the options carry a
/// code. The first event is [`UpEvent::Ready`].
///
/// # Errors
/// When the folder, the network or the pairing does not allow it.
pub async fn up(options: UpOptions, events: mpsc::Sender<UpEvent>) -> Result<(), Failure> {
    run_until(options, events, signals::stop()?).await
}

/// As [`up`], until `stop` is done.
///
/// # Errors
/// As [`up`].
pub(crate) async fn run_until(
    options: UpOptions,
    events: mpsc::Sender<UpEvent>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut stop = pin!(stop);
    let up = match Up::begin(&options, &mut stop).await {
        Err(failure) if failure.code == failure::INTERRUPTED => return Ok(()),
        up => up?,
    };
    let Up { mut running, mut serving, told, first } = up;
    let teller = tokio::spawn(tell(first, told, events));
    let end = tokio::select! {
        () = &mut stop => End::Asked,
        ended = running.ended() => End::Node(ended.map(|_| ())),
        () = serving.broken() => End::Socket,
    };
    let outcome = match end {
        End::Asked => {
            serving.close().await;
            running.stop().await.map(|_| ())
        }
        End::Node(outcome) => {
            serving.close().await;
            outcome
        }
        End::Socket => running.stop().await.and(Err(failure::control_broke())),
    };
    teller.abort();
    outcome
}

/// Why a node comes to its end.
enum End {
    /// It was asked to stop.
    Asked,
    /// It stopped by itself.
    Node(Result<(), Failure>),
    /// The control socket broke.
    Socket,
}

/// A node that is up.
struct Up {
    running: Running,
    serving: Serving,
    told: broadcast::Receiver<Event>,
    /// What is told before anything else.
    first: Vec<UpEvent>,
}

impl Up {
    async fn begin<S: Future<Output = ()> + Unpin>(
        options: &UpOptions,
        stop: &mut S,
    ) -> Result<Self, Failure> {
        let Prepared { store, seed, phrase, warning } = prepare(options, stop).await?;
        let home = &options.home;
        let mut engine = Engine::open(home, store, seed.clone(), Reach::Networked)?;
        settle_role(&mut engine, options)?;
        let server = serving::bind(home)?;
        let keeper = engine.node().role() != Role::Member;
        let (network, network_events) = listen(options, &seed, keeper).await?;
        let device = engine.node().device();
        let ready = Ready {
            account_id: engine.node().account().to_string(),
            device_id: device.to_string(),
            peer_id: heirloom_net::peer_id_text(device),
            addresses: network.addresses(),
            phrase,
            may_invite: engine.node().may_invite(),
            is_out: engine.node().is_out(),
        };
        let (running, told) = host::start(engine, network, network_events, options.peers.clone())?;
        let serving = Serving::begin(server, &running);
        let first = [UpEvent::Ready(ready)].into_iter().chain(warning.map(UpEvent::Node));
        Ok(Self { running, serving, told, first: first.collect() })
    }
}

/// Tells `events` what comes first, and from then on what happens.
async fn tell(
    first: Vec<UpEvent>,
    mut told: broadcast::Receiver<Event>,
    events: mpsc::Sender<UpEvent>,
) {
    for event in first {
        if events.send(event).await.is_err() {
            return;
        }
    }
    while let Some(event) = next(&mut told).await {
        if events.send(UpEvent::Node(event)).await.is_err() {
            return;
        }
    }
}

/// Returns the next event, or a warning in place of those that were missed.
async fn next(told: &mut broadcast::Receiver<Event>) -> Option<Event> {
    match told.recv().await {
        Ok(event) => Some(event),
        Err(broadcast::error::RecvError::Lagged(skipped)) => Some(Event::Warning {
            code: "events-dropped".to_owned(),
            text: format!(
                "{} skipped because they were read too slowly",
                count::of(skipped, "event was", "events were")
            ),
            aside: None,
        }),
        Err(broadcast::error::RecvError::Closed) => None,
    }
}

/// A folder with an account.
struct Prepared {
    store: Store,
    seed: Zeroizing<[u8; 32]>,
    phrase: Option<String>,
    warning: Option<Event>,
}

async fn prepare<S: Future<Output = ()> + Unpin>(
    options: &UpOptions,
    stop: &mut S,
) -> Result<Prepared, Failure> {
    let home = &options.home;
    match (folder::has_account(home), &options.join) {
        (true, code) => {
            let (store, seed) = folder::open(home, LOCK_WAIT)?;
            let warning = code.as_deref().map(|code| already_joined(home, &store, code));
            Ok(Prepared { store, seed, phrase: None, warning: warning.transpose()? })
        }
        (false, Some(code)) => {
            let join = JoinOptions {
                home: home.clone(),
                code: code.clone(),
                device: options.device.clone(),
                listen: options.listen.clone(),
                peers: options.peers.clone(),
                mdns: options.mdns,
            };
            let admitted = admission::by_invite(&join, asked_role(options), stop).await?;
            let (store, seed) = (admitted.store, admitted.seed);
            Ok(Prepared { store, seed, phrase: None, warning: None })
        }
        (false, None) if options.blind => Err(failure::usage(
            "A blind keeper holds no keys and cannot make an account.".to_owned(),
            "Join one: `heirloom up --keeper --blind --join CODE`.",
        )),
        (false, None) => {
            let founded = founding::found(home, options.device.as_deref())?;
            let phrase = Some(founded.account.phrase.to_string());
            Ok(Prepared { store: founded.store, seed: founded.seed, phrase, warning: None })
        }
    }
}

/// Returns the role that the options ask for, if they do.
fn asked_role(options: &UpOptions) -> Option<Role> {
    match (options.keeper, options.blind) {
        (_, true) => Some(Role::BlindKeeper),
        (true, false) => Some(Role::Keeper),
        (false, false) => None,
    }
}

/// Makes the role what the options ask for, where this device may.
fn settle_role(engine: &mut Engine, options: &UpOptions) -> Result<(), Failure> {
    if !engine.node().knows_itself() {
        return Ok(());
    }
    let role = engine.node().role();
    match asked_role(options) {
        Some(Role::Keeper) if role == Role::Member => engine.set_own_role(Role::Keeper),
        Some(asked) if asked != role => {
            Err(failure::other_role(&asked.to_string(), &role.to_string()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Judges a code for a folder that has an account already.
fn already_joined(home: &Path, store: &Store, code: &str) -> Result<Event, Failure> {
    let invited = admission::account_of(code)?;
    let own = crate::engine::account_of(store).map_err(|error| error.into_failure(home))?;
    if invited.is_some_and(|invited| invited != own) {
        return Err(failure::other_account());
    }
    Ok(Event::Warning {
        code: "already-joined".to_owned(),
        text: "This folder belongs to an account already: the invite was not used.".to_owned(),
        aside: None,
    })
}

/// Starts the network on the addresses asked for, or on the port of the last time.
///
/// # Errors
/// When an address cannot be bound.
pub(crate) async fn listen(
    options: &UpOptions,
    seed: &Zeroizing<[u8; 32]>,
    keeper: bool,
) -> Result<(Network, NetworkEvents), Failure> {
    let config = NetworkConfig {
        listen: options.listen.clone(),
        port: home::port(&options.home).unwrap_or(heirloom_net::DEFAULT_PORT),
        mdns: options.mdns,
        keeper,
        ..NetworkConfig::new(**seed)
    };
    let (network, events) =
        Network::start(config).await.map_err(|error| failure::network(&failure::causes(&error)))?;
    if options.listen.is_empty()
        && let Some(port) = network.port()
    {
        home::remember_port(&options.home, port);
    }
    Ok((network, events))
}
