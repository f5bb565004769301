//! A node that runs for a test.

use crate::options::{Ready, UpEvent, UpOptions};
use crate::up::run_until;
use heirloom_api::Client;
use heirloom_core::command::{Answer, Command, Event, Failure, Level, RecordRow, Wait};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far more than anything takes.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

pub(super) struct Node {
    pub(super) home: PathBuf,
    pub(super) ready: Ready,
    events: mpsc::Receiver<UpEvent>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Failure>>,
}

/// Returns how a node of a test runs: on loopback only.
pub(super) fn options(home: &Path) -> UpOptions {
    UpOptions { home: home.to_owned(), listen: vec![LOOPBACK.to_owned()], ..UpOptions::default() }
}

impl Node {
    pub(super) async fn start(options: UpOptions) -> Result<Self, Failure> {
        let home = options.home.clone();
        let (events_out, mut events) = mpsc::channel(256);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(run_until(options, events_out, stopped));
        match timeout(DEADLINE, events.recv()).await.unwrap() {
            Some(UpEvent::Ready(ready)) => Ok(Self { home, ready, events, stop, task }),
            Some(UpEvent::Node(event)) => panic!("{event:?} came before ready"),
            None => Err(task.await.unwrap().unwrap_err()),
        }
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap();
    }

    /// Has a command carried out over the control socket, as a program does.
    pub(super) async fn request(&self, command: Command) -> Result<Answer, Failure> {
        let mut client = Client::connect(&self.home).await.unwrap().unwrap();
        Ok(timeout(DEADLINE, client.request(command)).await.unwrap()?)
    }

    /// Waits for an event.
    pub(super) async fn until(&mut self, mut wanted: impl FnMut(&Event) -> bool) {
        let found = async {
            loop {
                match self.events.recv().await.unwrap() {
                    UpEvent::Node(event) if wanted(&event) => return,
                    UpEvent::Node(_) | UpEvent::Ready(_) => {}
                }
            }
        };
        timeout(DEADLINE, found).await.unwrap();
    }

    pub(super) async fn invite(&self, role: &str) -> (String, String) {
        let command = Command::Invite { role: role.to_owned(), ttl_ms: None };
        let answer = self.request(command).await.unwrap();
        let Answer::Invite { link, words, .. } = answer else { panic!("{answer:?}") };
        (link, words)
    }

    /// Adds a contact; returns its id and whether the level was reached.
    pub(super) async fn add(&self, name: &str, level: Level) -> (String, bool) {
        let answer = self.request(add(name, level)).await.unwrap();
        let Answer::Saved { id, reached } = answer else { panic!("{answer:?}") };
        (id, reached)
    }

    pub(super) async fn set(&self, id: &str, assignment: &str, level: Level) -> bool {
        let command = Command::Set {
            category: "contacts".to_owned(),
            id: id.to_owned(),
            assignments: vec![assignment.to_owned()],
            wait: wait(level),
        };
        let answer = self.request(command).await.unwrap();
        let Answer::Saved { reached, .. } = answer else { panic!("{answer:?}") };
        reached
    }

    pub(super) async fn show(&self, id: &str) -> RecordRow {
        let command = Command::Show { category: "contacts".to_owned(), id: id.to_owned() };
        let answer = self.request(command).await.unwrap();
        let Answer::Record(row) = answer else { panic!("{answer:?}") };
        row
    }

    /// Waits until every connected device is level.
    pub(super) async fn sync(&self) -> Vec<String> {
        let answer = self.request(Command::Sync { timeout_ms: 30_000 }).await.unwrap();
        let Answer::Synced { level, behind } = answer else { panic!("{answer:?}") };
        assert!(behind.is_empty(), "{behind:?}");
        level
    }

    pub(super) async fn digest(&self) -> (String, BTreeMap<String, u64>) {
        let answer = self.request(Command::Digest).await.unwrap();
        let Answer::Digest { digest, records } = answer else { panic!("{answer:?}") };
        (digest, records)
    }
}

pub(super) fn add(name: &str, level: Level) -> Command {
    Command::Add {
        category: "contacts".to_owned(),
        assignments: vec![format!("name={name}")],
        wait: wait(level),
    }
}

fn wait(level: Level) -> Wait {
    Wait { level, timeout_ms: 30_000 }
}
