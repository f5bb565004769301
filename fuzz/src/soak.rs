//! Millions of inputs, in processes of their own.

use crate::source::Source;
use crate::target::Target;
use crate::worker::{Report, Share};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Inputs of one worker: what it leaks, if it does, ends with it.
const SHARE_INPUTS: u64 = 50_000;
/// Failures of one target after which it is given up.
const FAILURES_MAX: usize = 10;
/// A worker whose input does not change for so long hangs.
const HANG_MAX: Duration = Duration::from_secs(60);
/// Pause between two looks at a worker.
const LOOK: Duration = Duration::from_millis(10);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The targets.
    pub targets: Vec<&'static Target>,
    /// Inputs of each.
    pub inputs: u64,
    /// The seed.
    pub seed: u64,
    /// Workers at one time.
    pub threads: usize,
    /// Where inputs that failed are written to.
    pub failures: PathBuf,
}

/// One target's sum.
#[derive(Debug, Clone)]
pub struct Sum {
    /// The target's name.
    pub target: &'static str,
    /// What its workers measured together.
    pub report: Report,
    /// How long they worked, all together.
    pub time: Duration,
    /// What failed, each with the file that holds the input.
    pub failures: Vec<String>,
}

impl Sum {
    /// Returns one line of the table.
    #[must_use]
    pub fn line(&self) -> String {
        let Report { inputs, accepted, slowest_us, peak_bytes, .. } = &self.report;
        let rate = *inputs as f64 / self.time.as_secs_f64().max(0.001);
        format!(
            "{:<10} {inputs:>9} {rate:>8.0} {:>6.1} {:>8.1} {:>8.1} {:>8}",
            self.target,
            *accepted as f64 * 100.0 / (*inputs).max(1) as f64,
            slowest_us.0 as f64 / 1000.0,
            peak_bytes.0 as f64 / (1024.0 * 1024.0),
            self.failures.len()
        )
    }
}

/// The table's first line.
pub const HEADING: &str = "target        inputs inputs/s taken% slow[ms] peak[MiB] failed";

/// Runs a plan; `each` hears of every target that is done.
///
/// # Errors
/// When no worker can be started.
pub fn run(plan: &Plan, each: &(dyn Fn(&Sum) + Sync)) -> io::Result<Vec<Sum>> {
    let queue = Mutex::new(plan.targets.clone());
    let sums = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || -> io::Result<()> {
            let take = || {
                queue.lock().ok().filter(|queue| !queue.is_empty()).map(|mut queue| queue.remove(0))
            };
            while let Some(target) = take() {
                let sum = one(plan, target)?;
                each(&sum);
                if let Ok(mut sums) = sums.lock() {
                    sums.push(sum);
                }
            }
            Ok(())
        };
        let workers: Vec<_> = (0..plan.threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).try_for_each(|ended| {
            ended.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        })
    })?;
    Ok(sums.into_inner().unwrap_or_default())
}

/// Runs the inputs of one target.
fn one(plan: &Plan, target: &'static Target) -> io::Result<Sum> {
    let begun = Instant::now();
    let mut sum = Sum {
        target: target.name,
        report: Report::default(),
        time: Duration::ZERO,
        failures: Vec::new(),
    };
    let mut first = 0;
    while first < plan.inputs && sum.failures.len() < FAILURES_MAX {
        let end = plan.inputs.min(first + SHARE_INPUTS);
        let report = share(target, Share { seed: plan.seed, first, end })?;
        sum.report.add(&report);
        first = end;
        if let Some((number, why)) = report.failure {
            sum.failures.push(keep(plan, target, number, &why)?);
            first = number + 1;
        }
    }
    sum.time = begun.elapsed();
    Ok(sum)
}

/// Writes down an input that failed.
fn keep(plan: &Plan, target: &'static Target, number: u64, why: &str) -> io::Result<String> {
    std::fs::create_dir_all(&plan.failures)?;
    let path = plan.failures.join(format!("{}-{}-{number}", target.name, plan.seed));
    std::fs::write(&path, Source::new(target, plan.seed).input(number))?;
    let (name, seed) = (target.name, plan.seed);
    Ok(format!("{name}: input {number} of seed {seed}: {why}\n  kept in {}", path.display()))
}

/// Runs one worker.
fn share(target: &'static Target, share: Share) -> io::Result<Report> {
    let folder = tempfile::Builder::new().prefix("heirloom-fuzz").tempdir_in(scratch())?;
    let place = folder.path().join("number");
    let mut child = Command::new(std::env::current_exe()?)
        .args(["work", target.name, "--seed", &share.seed.to_string()])
        .args(["--first", &share.first.to_string(), "--end", &share.end.to_string()])
        .arg("--place")
        .arg(&place)
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let hung = watch(&mut child, &place)?;
    let mut text = String::new();
    if let Some(output) = &mut child.stdout {
        output.read_to_string(&mut text)?;
    }
    let status = child.wait()?;
    if let Ok(report) = serde_json::from_str::<Report>(&text) {
        return Ok(report);
    }
    let Some(number) = running(&place) else {
        return Err(io::Error::other(format!(
            "the worker of {} ended at once: {status}",
            target.name
        )));
    };
    let why = if hung { "it hangs".to_owned() } else { format!("the process died: {status}") };
    let inputs = number + 1 - share.first;
    Ok(Report { inputs, failure: Some((number, why)), ..Report::default() })
}

/// Waits for a worker's end; one that hangs is killed.
fn watch(child: &mut Child, place: &Path) -> io::Result<bool> {
    let (mut last, mut since) = (None, Instant::now());
    while child.try_wait()?.is_none() {
        std::thread::sleep(LOOK);
        let number = running(place);
        if number != last {
            (last, since) = (number, Instant::now());
        }
        if since.elapsed() > HANG_MAX {
            child.kill()?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn running(place: &Path) -> Option<u64> {
    let bytes = std::fs::read(place).ok()?;
    bytes.first_chunk().copied().map(u64::from_le_bytes)
}

/// Returns a folder that needs no disk, where there is one.
#[must_use]
pub fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
