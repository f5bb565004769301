//! The first sync of a device that was just let in.

use crate::admission::Admitted;
use crate::engine::{Engine, Reach};
use crate::host::{self, Running, Sources};
use crate::options::UpOptions;
use crate::serving::{self, Serving};
use crate::{failure, up};
use heirloom_base::DeviceId;
use heirloom_core::command::{Answer, BehindRow, Command, Event, Failure};
use heirloom_core::failure::exit;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Time without any progress after which the first sync ends as it is.
const IDLE_TIME_MAX: Duration = Duration::from_secs(15);
/// Longest time of one look at how far it is: a member that is off is waited
/// for so long, also when everything is here.
const LOOK_MS: u64 = 200;
/// Looks in a row at which the goal must be reached: another member may be
/// about to connect. When all are level, a look takes no time.
const LOOKS: u32 = 2;
/// Longest time of the look of one who was asked to stop.
const LAST_LOOK_MS: u64 = 1;
/// Pause before another look while nobody is reachable.
const ALONE_PAUSE: Duration = Duration::from_secs(1);

/// With whom the device must be level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// With the one that let it in.
    Inviter,
    /// With every member that is connected.
    Everybody,
}

/// What a first sync is to come to.
pub(crate) struct Wanted<'a> {
    pub(crate) goal: Goal,
    /// Hears how many entries arrived, and how many are expected so far.
    pub(crate) progress: &'a mut dyn FnMut(u64, u64),
}

/// How far the first sync came.
#[derive(Debug)]
pub(crate) struct Settled {
    /// Whether the goal was reached.
    pub(crate) complete: bool,
    /// Live records by category; empty on a blind keeper.
    pub(crate) records: BTreeMap<String, u64>,
    /// RFC 3339 time of the newest change.
    pub(crate) newest_at: Option<String>,
    /// The devices that sent something.
    pub(crate) sources: Sources,
    /// Whether the disk is full.
    pub(crate) is_full: bool,
    /// Whether it was asked to stop.
    pub(crate) interrupted: bool,
}

/// Runs the node of a fresh device until it is level or `stop` is done, and
/// stops it. Meanwhile its control socket answers: what has come can be read.
///
/// # Errors
/// When the node cannot be started or fails on the way.
pub(crate) async fn run<S: Future<Output = ()> + Unpin>(
    admitted: Admitted,
    options: &UpOptions,
    wanted: Wanted<'_>,
    stop: &mut S,
) -> Result<Settled, Failure> {
    let Admitted { store, seed, inviter, .. } = admitted;
    let engine = Engine::open(&options.home, store, seed.clone(), Reach::Networked)?;
    let server = serving::bind(&options.home)?;
    let (network, network_events) = up::listen(options, &seed, false).await?;
    let (running, mut events) =
        host::start(engine, network, network_events, options.peers.clone())?;
    let serving = Serving::begin(server, &running);
    let goal = wanted.goal;
    let (outcome, interrupted) = tokio::select! {
        biased;
        outcome = watch(&running, &mut events, inviter, wanted) => (outcome, false),
        // What is reachable may have sent everything by now.
        () = stop => {
            let last = look(&running, LAST_LOOK_MS).await;
            let is_level = |(level, behind): (Vec<_>, Vec<_>)| {
                is_reached(goal, inviter, &level, &behind)
            };
            (last.map(|last| last.is_some_and(is_level)), true)
        }
    };
    let settled = describe(&running, interrupted).await;
    serving.close().await;
    let sources = running.stop().await?;
    let State { records, newest_at, is_full } = settled?;
    Ok(Settled { complete: outcome?, records, newest_at, sources, is_full, interrupted })
}

/// Waits for the goal, as long as something moves; returns whether it was reached.
async fn watch(
    running: &Running,
    events: &mut broadcast::Receiver<Event>,
    inviter: DeviceId,
    wanted: Wanted<'_>,
) -> Result<bool, Failure> {
    let Wanted { goal, progress } = wanted;
    let mut course = Course::default();
    let mut idle_since = Instant::now();
    let mut reached = 0;
    while idle_since.elapsed() < IDLE_TIME_MAX {
        let Some((level, behind)) = look(running, LOOK_MS).await? else {
            reached = 0;
            tokio::time::sleep(ALONE_PAUSE).await;
            continue;
        };
        if course.note(&behind) {
            idle_since = Instant::now();
        }
        progress(course.arrived(), course.expected);
        reached = if is_reached(goal, inviter, &level, &behind) { reached + 1 } else { 0 };
        if reached >= LOOKS {
            return Ok(true);
        }
        if take_news(events) {
            idle_since = Instant::now();
        }
    }
    Ok(false)
}

/// Returns which devices are level and which are behind; `None` where nobody
/// is reachable.
async fn look(
    running: &Running,
    timeout_ms: u64,
) -> Result<Option<(Vec<String>, Vec<BehindRow>)>, Failure> {
    match running.request(Command::Sync { timeout_ms }).await {
        Ok(Answer::Synced { level, behind }) => Ok(Some((level, behind))),
        Ok(answer) => Err(failure::unexpected(&answer)),
        Err(failure) if failure.exit == exit::UNREACHABLE => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn is_reached(goal: Goal, inviter: DeviceId, level: &[String], behind: &[BehindRow]) -> bool {
    match goal {
        Goal::Inviter => level.contains(&inviter.to_string()),
        Goal::Everybody => !level.is_empty() && behind.is_empty(),
    }
}

/// Takes all events off; returns whether one of them says that something arrived.
fn take_news(events: &mut broadcast::Receiver<Event>) -> bool {
    let mut news = false;
    loop {
        match events.try_recv() {
            Ok(Event::RecordsChanged { .. } | Event::PeerUp { .. } | Event::Progress { .. })
            | Err(broadcast::error::TryRecvError::Lagged(_)) => news = true,
            Ok(Event::PeerDown { .. } | Event::DeviceJoined { .. } | Event::Warning { .. }) => {}
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                return news;
            }
        }
    }
}

/// How many entries were still missing at each look.
#[derive(Debug, Default)]
struct Course {
    expected: u64,
    missing: u64,
}

impl Course {
    /// Notes a look; returns whether something moved since the last.
    fn note(&mut self, behind: &[BehindRow]) -> bool {
        let missing = behind.iter().map(|row| row.entries).max().unwrap_or(0);
        let moved = missing != self.missing;
        self.missing = missing;
        self.expected = self.expected.max(missing);
        moved
    }

    fn arrived(&self) -> u64 {
        self.expected - self.missing
    }
}

/// What a device holds in the end.
struct State {
    records: BTreeMap<String, u64>,
    newest_at: Option<String>,
    is_full: bool,
}

/// Returns the records by category, the time of the newest change, and whether
/// there is room for more.
async fn describe(running: &Running, interrupted: bool) -> Result<State, Failure> {
    // What has come is applied before it is counted, by a command that asks for
    // next to nothing; who holds no key counts nothing. Nobody who wants it to
    // stop waits for that.
    if !interrupted {
        drop(running.request(Command::Quarantine { after: None, limit: 1 }).await);
    }
    let answer = running.request(Command::Status).await?;
    let Answer::Status(status) = answer else { return Err(failure::unexpected(&answer)) };
    let is_full = status.problems.iter().any(|problem| problem.code == "disk-full");
    let newest_at = status.categories.iter().filter_map(|row| row.newest_at.clone()).max();
    let counts = status.categories.into_iter().map(|row| (row.name, row.records));
    let records = counts.filter(|(_, count)| *count > 0).collect();
    Ok(State { records, newest_at, is_full })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(entries: u64) -> BehindRow {
        BehindRow { device_id: "x".into(), entries, bytes: 0 }
    }

    #[test]
    fn what_arrived_is_counted_from_the_most_that_was_missing() {
        let mut course = Course::default();
        assert!(course.note(&[behind(7), behind(3)]));
        assert_eq!((course.arrived(), course.expected), (0, 7));
        assert!(course.note(&[behind(2)]));
        assert!(!course.note(&[behind(2)]));
        assert_eq!((course.arrived(), course.expected), (5, 7));
        assert!(course.note(&[]));
        assert_eq!((course.arrived(), course.expected), (7, 7));
    }

    #[test]
    fn a_joining_device_waits_for_its_inviter_and_a_restored_one_for_everybody() {
        let inviter = DeviceId([1; 32]);
        let level = [inviter.to_string()];
        assert!(is_reached(Goal::Inviter, inviter, &level, &[behind(1)]));
        assert!(!is_reached(Goal::Inviter, inviter, &[], &[]));
        assert!(!is_reached(Goal::Everybody, inviter, &level, &[behind(1)]));
        assert!(is_reached(Goal::Everybody, inviter, &level, &[]));
        assert!(!is_reached(Goal::Everybody, inviter, &[], &[]));
    }
}
