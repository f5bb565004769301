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
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Edits that are timed before the attack, and during it at least.
const EDITS: usize = 100;
/// Notes that are edited in turn: one with a long history is slower.
const NOTES: usize = 20;
/// Pause between two edits.
const PAUSE: Duration = Duration::from_millis(10);
/// What a node may hold in memory.
const MEMORY_KIB_MAX: u64 = 256 * 1_024;
/// Open files that a node may have.
const FILES_MAX: usize = 400;
/// What the strangers may make a node write into its log.
const LOG_BYTES_MAX: u64 = 64 * 1_024;
/// What an edit may take longer on a loaded machine: the median, and one in a hundred.
const NOISE_MS: [f64; 2] = [10.0, 150.0];
/// The start of a member's node, until the attacked one holds an edit of it.
const COMES_IN_MAX: Duration = Duration::from_secs(10);

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

/// Returns the processor time that a process has used.
fn cpu(up: &Up) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", up.child.id())).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
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
    ids: Vec<String>,
    number: usize,
}

impl Edits {
    async fn between(member: &Up, house: &Up) -> Self {
        let add = ["notes", "add", "title=0", "--wait", "peer:1"];
        let added = (0..NOTES).map(|_| run_json(&member.home, &add).expect(0).json());
        let ids = added.map(|added| added["id"].as_str().unwrap().to_owned()).collect();
        let shown = Client::open(&house.home).await.unwrap().watch().await.unwrap();
        Self { member: Client::open(&member.home).await.unwrap(), shown, ids, number: 0 }
    }

    async fn one(&mut self) -> Duration {
        self.number += 1;
        let assignments = vec![format!("title=edit {}", self.number)];
        let id = self.ids[self.number % NOTES].clone();
        let (category, wait) = ("notes".to_owned(), Wait::default());
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

/// Makes a household of three: the attacked device, and two members that joined it.
fn household(folder: &Path) -> (Up, Up, PathBuf) {
    let [house, member, late] = ["house", "member", "late"].map(|name| folder.join(name));
    init(&house, "house");
    let first = Up::start(&house, &[]);
    for (home, name) in [(&member, "member"), (&late, "late")] {
        let link = first.invite("member");
        run_json(home, &["join", &link, "--device", name, "--no-mdns"]).expect(0);
    }
    let second = Up::start(&member, &["--peer", &first.address()]);
    (first, second, late)
}

/// Returns an attack with so many connections: all within twenty seconds, a
/// quarter of a thousand together at most.
fn siege_of(up: &Up, connections: usize) -> Siege {
    let (at_once, wave) = ((connections / 2).min(3_000), (connections / 5).min(250));
    Siege { target: target(up), connections, at_once, wave, hold: Duration::from_secs(3) }
}

/// Starts a member and waits until the attacked node holds an edit of it;
/// returns how long that took.
fn come_in(late: &Path, address: &str) -> Duration {
    let began = Instant::now();
    let up = Up::start(late, &["--peer", address]);
    run_json(late, &["notes", "add", "title=late", "--wait", "peer:1", "--timeout", "30"])
        .expect(0);
    let took = began.elapsed();
    assert_eq!(up.stop(), 0);
    took
}

/// What was measured of a node.
#[derive(Debug, Default)]
struct Readings {
    memory_kib: u64,
    cpu: Duration,
    files: usize,
    edits: Vec<Duration>,
}

impl Readings {
    fn report(&mut self, when: &str) -> [f64; 2] {
        let times = [50, 99].map(|percent| percentile(&mut self.edits, percent));
        println!(
            "{when}: memory {} KiB, cpu {:.2} s, {} files, {} edits: p50 {:.2} ms, p99 {:.2} ms",
            self.memory_kib,
            self.cpu.as_secs_f64(),
            self.files,
            self.edits.len(),
            times[0],
            times[1]
        );
        times
    }
}

/// Times edits while as many strangers attack a node that has nothing to do
/// with them: what the machine alone makes of it.
async fn attack_another(
    folder: &Path,
    connections: usize,
    edits: &mut Edits,
    beside: &mut Readings,
) {
    let home = folder.join("another");
    init(&home, "another");
    let another = Up::start(&home, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let attack = siege_of(&another, connections).begin(Arc::default(), stop.clone());
    for _ in 0..EDITS {
        beside.edits.push(edits.one().await);
    }
    stop.store(true, Ordering::Relaxed);
    attack.join().unwrap();
    (beside.memory_kib, beside.files) = (memory_kib(&another, "VmHWM"), files(&another));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_strangers_neither_fill_a_node_nor_slow_nor_keep_out_its_members() {
    let asked = std::env::var("HEIRLOOM_STRANGERS").ok().map(|text| text.parse().unwrap());
    let connections = asked.unwrap_or(800);
    let folder = tempfile::tempdir().unwrap();
    let (house, member, late) = household(folder.path());
    let mut edits = Edits::between(&member, &house).await;
    let mut before = Readings { files: files(&house), ..Readings::default() };
    let cpu_before = cpu(&house);
    for _ in 0..EDITS {
        before.edits.push(edits.one().await);
    }
    before.cpu = cpu(&house) - cpu_before;
    before.memory_kib = memory_kib(&house, "VmHWM");
    let log_before = std::fs::metadata(log_of(&house.home)).unwrap().len();

    let mut beside = asked.map(|_: usize| Readings::default());
    if let Some(beside) = &mut beside {
        attack_another(folder.path(), connections, &mut edits, beside).await;
    }

    let (began, outcome) = (Instant::now(), Arc::new(Outcome::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let attack = siege_of(&house, connections).begin(outcome.clone(), stop.clone());
    let mut during = Readings::default();
    let cpu_before = cpu(&house);
    while during.edits.len() < EDITS || outcome.made() < connections {
        during.edits.push(edits.one().await);
        during.files = during.files.max(files(&house));
    }
    during.cpu = cpu(&house) - cpu_before;
    let address = house.address();
    let came_in = tokio::task::spawn_blocking(move || come_in(&late, &address)).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    attack.join().unwrap();
    during.memory_kib = memory_kib(&house, "VmHWM");
    let log = std::fs::metadata(log_of(&house.home)).unwrap().len() - log_before;

    println!("{outcome:?} in {:.1} s", began.elapsed().as_secs_f64());
    println!("a member came in within {:.2} s; {log} bytes of log", came_in.as_secs_f64());
    let (quiet, busy) = (before.report("before"), during.report("during"));
    if let Some(beside) = &mut beside {
        beside.report("while another node of this machine is attacked");
    }
    assert!(outcome.made() >= connections);
    assert!(during.memory_kib <= MEMORY_KIB_MAX, "{} KiB", during.memory_kib);
    assert!(during.files <= FILES_MAX, "{} files", during.files);
    assert!(log <= LOG_BYTES_MAX, "{log} bytes of log");
    assert!(came_in <= COMES_IN_MAX, "{came_in:?}");
    for ((quiet, busy), noise) in quiet.into_iter().zip(busy).zip(NOISE_MS) {
        assert!(busy <= 2.0 * quiet + noise, "{quiet} ms -> {busy} ms");
    }
}
