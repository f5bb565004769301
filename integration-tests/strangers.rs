//! A node that thousands of strangers connect to: its memory, its files, its
//! log, and how fast its members' edits arrive meanwhile.
//!
//! `HEIRLOOM_STRANGERS=10000` makes that many connections instead of a few.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[expect(dead_code, reason = "other tests use the rest of it")]
mod common;
mod siege;

use common::{PATIENCE, Up, init, log_of, run_json};
use heirloom_api::Client;
use heirloom_api::command::{Command, Event, Wait};
use siege::{Outcome, Siege};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Edits that are timed before the attack, and during it at least.
const EDITS: usize = 120;
/// Pause between two edits.
const PAUSE: Duration = Duration::from_millis(10);
/// What a node may hold in memory.
const MEMORY_KIB_MAX: u64 = 256 * 1_024;
/// Open files that a node may have.
const FILES_MAX: usize = 400;
/// What the strangers may make a node write into its log.
const LOG_BYTES_MAX: u64 = 64 * 1_024;
/// What an edit may take longer on a loaded machine: the median, and one in a hundred.
const NOISE_MS: [f64; 2] = [10.0, 60.0];

fn target(up: &Up) -> SocketAddr {
    let address = up.address();
    let port = address.split('/').nth(4).unwrap();
    format!("127.0.0.1:{port}").parse().unwrap()
}

/// Returns a number of the status of a process, in KiB.
fn memory_kib(up: &Up, name: &str) -> u64 {
    let path = format!("/proc/{}/status", up.child.id());
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

fn files(up: &Up) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", up.child.id())).unwrap().count()
}

/// Returns the times that a part of the edits takes at most.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1_000.0
}

/// Edits of a member, timed until the attacked node shows them.
struct Edits {
    member: Client,
    shown: heirloom_api::Events,
    id: String,
    number: usize,
}

impl Edits {
    async fn between(member: &Up, house: &Up) -> Self {
        let added = run_json(&member.home, &["notes", "add", "title=0", "--wait", "peer:1"]);
        let id = added.expect(0).json()["id"].as_str().unwrap().to_owned();
        let shown = Client::open(&house.home).await.unwrap().watch().await.unwrap();
        Self { member: Client::open(&member.home).await.unwrap(), shown, id, number: 0 }
    }

    async fn one(&mut self) -> Duration {
        self.number += 1;
        let assignments = vec![format!("title=edit {}", self.number)];
        let (category, id, wait) = ("notes".to_owned(), self.id.clone(), Wait::default());
        let began = Instant::now();
        self.member.request(Command::Set { category, id, assignments, wait }).await.unwrap();
        loop {
            let event = timeout(PATIENCE, self.shown.next()).await.expect("an edit arrives");
            if let Some(Event::RecordsChanged { .. }) = event.unwrap() {
                break;
            }
        }
        let took = began.elapsed();
        sleep(PAUSE).await;
        took
    }
}

/// Makes a household of two, the second of which joined the first.
fn household(folder: &Path) -> (Up, Up) {
    let (house, member) = (folder.join("house"), folder.join("member"));
    init(&house, "house");
    let first = Up::start(&house, &[]);
    run_json(&member, &["join", &first.invite("member"), "--device", "member", "--no-mdns"])
        .expect(0);
    let second = Up::start(&member, &["--peer", &first.address()]);
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_strangers_neither_fill_a_node_nor_slow_its_members() {
    let asked = std::env::var("HEIRLOOM_STRANGERS").ok().map(|text| text.parse().unwrap());
    let connections = asked.unwrap_or(1_000);
    let folder = tempfile::tempdir().unwrap();
    let (house, member) = household(folder.path());
    let mut edits = Edits::between(&member, &house).await;
    let mut before = Vec::new();
    for _ in 0..EDITS {
        before.push(edits.one().await);
    }
    let quiet = (memory_kib(&house, "VmHWM"), files(&house));
    let log_before = std::fs::metadata(log_of(&house.home)).unwrap().len();

    let outcome = Arc::new(Outcome::default());
    let at_once = (connections / 3).min(3_000);
    let hold = Duration::from_secs(3);
    let siege = Siege { target: target(&house), connections, at_once, hold };
    let began = Instant::now();
    let attack = tokio::spawn(siege.run(outcome.clone()));
    let (mut during, mut files_max) = (Vec::new(), 0);
    while during.len() < EDITS || !attack.is_finished() {
        during.push(edits.one().await);
        files_max = files_max.max(files(&house));
    }
    attack.await.unwrap();

    let count = |of: &std::sync::atomic::AtomicUsize| of.load(Ordering::Relaxed);
    let memory = memory_kib(&house, "VmHWM");
    let log = std::fs::metadata(log_of(&house.home)).unwrap().len() - log_before;
    let median = (percentile(&mut before, 50), percentile(&mut during, 50));
    let slow = (percentile(&mut before, 99), percentile(&mut during, 99));
    println!(
        "{connections} connections in {:.1} s: {} made, {} proven, {} held, {} at once; \
         memory {} -> {memory} KiB, files {} -> {files_max}, log {log} bytes; {} edits, \
         p50 {:.2} -> {:.2} ms, p99 {:.2} -> {:.2} ms",
        began.elapsed().as_secs_f64(),
        count(&outcome.made),
        count(&outcome.proven),
        count(&outcome.held),
        count(&outcome.open_max),
        quiet.0,
        quiet.1,
        during.len(),
        median.0,
        median.1,
        slow.0,
        slow.1,
    );
    assert_eq!(count(&outcome.made), connections);
    assert!(memory <= MEMORY_KIB_MAX, "{memory} KiB");
    assert!(files_max <= FILES_MAX, "{files_max} files");
    assert!(log <= LOG_BYTES_MAX, "{log} bytes of log");
    assert!(median.1 <= 2.0 * median.0 + NOISE_MS[0], "p50 {median:?}");
    assert!(slow.1 <= 2.0 * slow.0 + NOISE_MS[1], "p99 {slow:?}");
}
