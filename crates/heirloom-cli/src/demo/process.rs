//! Processes of this very program.

use crate::exit::{self, Exit};
use heirloom_core::command::Failure;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Pause between two looks at something that another process does.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Longest life of one command; far more than any needs.
const COMMAND_MAX: Duration = Duration::from_secs(180);

/// Longest wait for a node to come up.
const READY_MAX: Duration = Duration::from_secs(60);

/// Longest wait for a node to end after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Bytes of a command's output that are kept.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Waits in small pauses, and ends when the demo is interrupted.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    interrupted: Arc<AtomicBool>,
}

impl Pulse {
    pub(super) fn new(interrupted: Arc<AtomicBool>) -> Self {
        Self { interrupted }
    }

    /// Pauses once.
    pub(super) fn pause(&self) -> Result<(), Failure> {
        thread::sleep(LOOK_PAUSE);
        if !self.interrupted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let text = "the demo was interrupted";
        Err(exit::failure(Exit::Failed, "interrupted", text, "Its nodes are stopped"))
    }

    /// Waits for a process to end; kills it when it takes too long.
    fn wait(&self, child: &mut Child, max: Duration) -> Result<ExitStatus, Failure> {
        let begun = Instant::now();
        loop {
            let status = child.try_wait().map_err(|error| exit::system("cannot wait", &error))?;
            if let Some(status) = status {
                return Ok(status);
            }
            let outcome = self.pause();
            if outcome.is_err() || begun.elapsed() > max {
                end(child);
                outcome?;
                return Err(problem(format!("a command took longer than {} s", max.as_secs())));
            }
        }
    }
}

/// Builds the failure of a demo that saw something else than it should.
pub(super) fn problem(text: String) -> Failure {
    let fix = "Run it with --keep DIR to keep the folders and logs, and report it";
    exit::failure(Exit::Failed, "demo", text, fix)
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(super) struct Output {
    /// The command, for messages.
    pub(super) command: String,
    /// Its exit code.
    pub(super) code: i32,
    /// Its lines of JSON.
    pub(super) lines: Vec<Value>,
    /// What it complained about.
    pub(super) complaint: String,
}

impl Output {
    /// Returns the lines of a command that must succeed.
    pub(super) fn lines(self) -> Result<Vec<Value>, Failure> {
        if self.code == 0 {
            return Ok(self.lines);
        }
        let Self { command, code, complaint, .. } = self;
        Err(problem(format!("`heirloom {command}` ended with {code}: {}", complaint.trim())))
    }

    /// Returns the object of a command that must succeed with one.
    pub(super) fn object(self) -> Result<Value, Failure> {
        let command = self.command.clone();
        let mut lines = self.lines()?;
        lines.pop().ok_or_else(|| problem(format!("`heirloom {command}` printed nothing")))
    }
}

fn command<S: AsRef<OsStr>>(program: &Path, home: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(program);
    command.arg("--home").arg(home).arg("--json").args(arguments);
    command.env_remove("HEIRLOOM_HOME").stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Runs one command to its end.
pub(super) fn call<S: AsRef<OsStr>>(
    program: &Path,
    home: &Path,
    arguments: &[S],
    input: Option<&str>,
    pulse: &Pulse,
) -> Result<Output, Failure> {
    let shown: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    let mut command = command(program, home, arguments);
    command.stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = start(&mut command)?;
    feed(child.stdin.take(), input)?;
    let output = collect(child.stdout.take());
    let complaint = collect(child.stderr.take());
    let status = pulse.wait(&mut child, COMMAND_MAX)?;
    let text = output.join().unwrap_or_default();
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    Ok(Output {
        command: shown.join(" "),
        code: status.code().unwrap_or(-1),
        lines: lines.map_err(|error| problem(format!("unreadable output: {error}")))?,
        complaint: complaint.join().unwrap_or_default(),
    })
}

fn start(command: &mut Command) -> Result<Child, Failure> {
    command.spawn().map_err(|error| exit::system("cannot start a process of the demo", &error))
}

fn feed(stdin: Option<ChildStdin>, input: Option<&str>) -> Result<(), Failure> {
    match (stdin, input) {
        (Some(mut stdin), Some(input)) => stdin
            .write_all(input.as_bytes())
            .map_err(|error| exit::system("cannot write to a process of the demo", &error)),
        (_, _) => Ok(()),
    }
}

/// Reads a stream to its end on a thread of its own.
fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What came until the stream broke is what there is.
            drop(stream.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A node that runs; it ends with this value.
#[derive(Debug)]
pub(super) struct RunningNode {
    child: Child,
}

impl RunningNode {
    /// Starts a node and waits until it is up; returns its first event too.
    pub(super) fn start(
        program: &Path,
        home: &Path,
        arguments: &[OsString],
        log: &Path,
        pulse: &Pulse,
    ) -> Result<(Self, Value), Failure> {
        let log_file = File::options()
            .append(true)
            .create(true)
            .open(log)
            .map_err(|error| exit::system("cannot write a log of the demo", &error))?;
        let mut node = Self { child: start(command(program, home, arguments).stderr(log_file))? };
        let first = first_line(node.child.stdout.take());
        let begun = Instant::now();
        loop {
            match first.recv_timeout(Duration::ZERO) {
                Ok(line) => {
                    let ready = serde_json::from_str(&line)
                        .map_err(|error| problem(format!("unreadable event: {error}")))?;
                    return Ok((node, ready));
                }
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < READY_MAX => pulse.pause()?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let said = std::fs::read_to_string(log).unwrap_or_default();
                    let last = said.lines().last().unwrap_or("it said nothing");
                    return Err(problem(format!("a node did not come up: {last}")));
                }
            }
        }
    }

    /// Ends the node as a person would, with the signal of Ctrl-C's kind.
    pub(super) fn stop(mut self, pulse: &Pulse) -> Result<(), Failure> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)
            .map_err(|error| exit::system("cannot stop a node of the demo", &error.into()))?;
        let status = pulse.wait(&mut self.child, STOP_MAX)?;
        if status.success() {
            Ok(())
        } else {
            Err(problem(format!("a stopped node ended with {status}")))
        }
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kills a process, if it still is there, and takes its status.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// Sends the first line, and reads the rest away so that the node never waits.
fn first_line(stdout: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let Some(stdout) = stdout else { return };
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if let Some(line) = lines.next() {
            drop(sender.send(line));
        }
        drop(sender);
        lines.for_each(drop);
    });
    receiver
}

#[cfg(test)]
mod tests;
