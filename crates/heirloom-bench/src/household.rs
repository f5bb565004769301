//! Processes of the built program, each with a folder of its own, and what
//! they cost.

use heirloom_api::Client;
use serde_json::Value;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What ends a measurement early.
pub(crate) type Failure = Box<dyn Error>;

/// Ticks of the processor clock in a second, as Linux counts them for programs.
const TICKS: f64 = 100.0;

/// The program that is measured.
#[derive(Debug, Clone)]
pub(crate) struct Program(pub(crate) PathBuf);

impl Program {
    pub(crate) fn command(&self, home: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.env_remove("HEIRLOOM_HOME").env_remove("HEIRLOOM_LOG").arg("--home").arg(home);
        command.arg("--json").args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; returns the JSON object that it printed.
    pub(crate) fn run(&self, home: &Path, arguments: &[&str]) -> Result<Value, Failure> {
        let output = self.command(home, arguments).output()?;
        parsed(arguments, &output)
    }

    /// Starts a node and waits until it is ready.
    pub(crate) fn up(&self, home: &Path, arguments: &[&str]) -> Result<Node, Failure> {
        let began = Instant::now();
        let mut command =
            self.command(home, &["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().ok_or("the node did not start")??;
        let (ready, after) = (serde_json::from_str(&first)?, began.elapsed());
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Node { child, home: home.to_owned(), ready, after })
    }
}

fn parsed(arguments: &[&str], output: &Output) -> Result<Value, Failure> {
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(serde_json::from_str(text.trim()).unwrap_or_default());
    }
    Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    /// Its folder.
    pub(crate) home: PathBuf,
    /// What it said when it was ready.
    pub(crate) ready: Value,
    /// How long that took.
    pub(crate) after: Duration,
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Node {
    pub(crate) fn address(&self) -> Result<String, Failure> {
        let first = self.ready["addresses"].get(0).and_then(Value::as_str);
        Ok(first.ok_or("the node has no address")?.to_owned())
    }

    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(Client::open(&self.home).await?)
    }

    /// Returns the processor time of the threads that run, to the nanosecond.
    pub(crate) fn busy(&self) -> Duration {
        busy_of(self.child.id())
    }

    /// Returns the resident memory in MiB.
    pub(crate) fn memory_mib(&self) -> f64 {
        memory_mib_of(self.child.id())
    }

    /// Returns the bytes that travelled in conversations, both ways.
    pub(crate) fn bytes(&self, program: &Program) -> Result<u64, Failure> {
        let status = program.run(&self.home, &["status"])?;
        let count = |name: &str| status["network"][name].as_u64().unwrap_or_default();
        Ok(count("sent_bytes") + count("received_bytes"))
    }

    /// Ends the node in good order.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Runs a command; returns how long it took and what it cost.
pub(crate) fn measured(mut command: Command) -> Result<(Duration, Duration), Failure> {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut cpu = Duration::ZERO;
    loop {
        cpu = cpu_of(child.id()).unwrap_or(cpu).max(cpu);
        if let Some(status) = child.try_wait()? {
            let after = began.elapsed();
            return if status.success() { Ok((after, cpu)) } else { Err("it failed".into()) };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the processor time of a process and its threads.
pub(crate) fn cpu_of(id: u32) -> Option<Duration> {
    ticks_of(&id.to_string(), [11, 12])
}

/// Returns the processor time of the threads of a process that run, as the
/// scheduler counts it. A process that only wakes up for moments is charged a
/// whole tick for some of them, and nothing for others.
pub(crate) fn busy_of(id: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten();
    let nanoseconds = tasks.filter_map(Result::ok).filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Returns the time that stands at two places in the line of a process, after its name.
pub(crate) fn ticks_of(id: &str, places: [usize; 2]) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    let [user, system] = places;
    Some(Duration::from_secs_f64((ticks(user)? + ticks(system)?) / TICKS))
}

/// Returns the resident memory of a process in MiB.
pub(crate) fn memory_mib_of(id: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kib / 1024.0
}
