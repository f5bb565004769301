//! A running peer with all that it started, until a deadline.

use crate::household::{Failure, busy_of, cpu_of, memory_mib_of, ticks_of};
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Time between two looks at something that has no other sign.
pub(super) const LOOK: Duration = Duration::from_millis(1);
/// Longest piece of a peer's errors that is shown.
const REASON_CHARS_MAX: usize = 300;
/// Words of a line in which a version is looked for.
const VERSION_WORDS_MAX: usize = 4;
/// Lines of output in which a reason is looked for.
const LINES_KEPT: usize = 10;
/// Places of the processor time of ended children in the line of a process.
const ENDED_CHILDREN: [usize; 2] = [13, 14];

/// When a peer has to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    limit: Duration,
    until: Instant,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self { limit, until: Instant::now() + limit }
    }

    /// Returns the time that is left, or that none is.
    pub(super) fn left(self) -> Result<Duration, Failure> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("it took longer than {} s", self.limit.as_secs()).into());
        }
        Ok(left)
    }

    /// Looks again and again until a question is answered with yes.
    pub(super) fn wait(
        self,
        each: Duration,
        mut question: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        while !question()? {
            std::thread::sleep(each.min(self.left()?));
        }
        Ok(())
    }
}

/// Tells whether a program is installed.
pub(super) fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Returns the first of some programs that is not installed.
pub(super) fn missing_of(programs: &[&str]) -> Option<String> {
    programs.iter().find(|program| !is_installed(program)).map(|program| (*program).to_owned())
}

/// Returns the first line of what a program says of its version.
pub(super) fn version_of(program: &str) -> String {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    version_in(&text)
}

/// Returns the name and the version at the beginning of a text.
fn version_in(text: &str) -> String {
    let words = text.lines().next().unwrap_or_default().split_whitespace();
    let mut named = Vec::new();
    for word in words.take(VERSION_WORDS_MAX) {
        named.push(word);
        if word.chars().any(|digit| digit.is_ascii_digit()) {
            break;
        }
    }
    named.join(" ")
}

/// Returns a port of the loopback that nobody listens at.
pub(super) fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until somebody listens at a port of the loopback.
pub(super) fn listened(port: u16, deadline: Deadline) -> Result<(), Failure> {
    deadline.wait(LOOK, || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()))
}

/// What a command took that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) after: Duration,
    pub(super) cpu: Duration,
    pub(super) output: String,
}

/// Runs a command to its end.
pub(super) fn run(command: Command, log: &Path, deadline: Deadline) -> Result<Ended, Failure> {
    let cpu = || ticks_of("self", ENDED_CHILDREN).unwrap_or_default();
    let (before, began) = (cpu(), Instant::now());
    let mut spawned = Spawned::start(command, log, deadline)?;
    // What asks for an answer gets none, and ends.
    drop(spawned.child.stdin.take());
    let mut output = String::new();
    while let Some(line) = spawned.next_line()? {
        output.push_str(&line);
        output.push('\n');
    }
    let mut status = None;
    deadline.wait(LOOK, || {
        status = spawned.child.try_wait()?;
        Ok(status.is_some())
    })?;
    let after = began.elapsed();
    if !status.is_some_and(|status| status.success()) {
        return Err(spawned.reason().into());
    }
    Ok(Ended { after, cpu: cpu().saturating_sub(before), output })
}

/// A running peer. Whatever belongs to it ends with it.
#[derive(Debug)]
pub(super) struct Spawned {
    child: Child,
    lines: Receiver<String>,
    /// The last of the output of a peer that tells its errors there.
    said: Vec<String>,
    log: PathBuf,
    deadline: Deadline,
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let own = self.child.id();
        for id in self.tree().into_iter().filter(|id| *id != own) {
            drop(
                Command::new("kill")
                    .args(["-KILL", &id.to_string()])
                    .stderr(Stdio::null())
                    .status(),
            );
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Spawned {
    /// Starts a command; what it says of errors goes to a file.
    pub(super) fn start(
        mut command: Command,
        log: &Path,
        deadline: Deadline,
    ) -> Result<Self, Failure> {
        command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(File::create(log)?).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut read = BufReader::new(output).lines().map_while(Result::ok);
            while read.next().is_some_and(|line| sender.send(line).is_ok()) {}
        });
        Ok(Self { child, lines, said: Vec::new(), log: log.to_owned(), deadline })
    }

    /// Returns the next line of the output, or nothing at its end.
    fn next_line(&self) -> Result<Option<String>, Failure> {
        match self.lines.recv_timeout(self.deadline.left()?) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => self.deadline.left().map(|_| None),
        }
    }

    /// Returns the next line of the output of a peer that still runs.
    pub(super) fn line(&self) -> Result<String, Failure> {
        Ok(self.next_line()?.ok_or_else(|| self.reason())?)
    }

    /// Gives the peer a line of input.
    pub(super) fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let input = self.child.stdin.as_mut().ok_or("no input")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// Returns what the peer says of its end.
    fn reason(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        reason_in(&(self.said.join("\n") + "\n" + &log))
    }

    fn tree(&self) -> Vec<u32> {
        descendants(self.child.id(), &parents())
    }

    /// Returns the processor time used so far.
    pub(super) fn cpu(&self) -> Duration {
        self.tree().into_iter().filter_map(cpu_of).sum()
    }

    /// Returns the processor time of the threads that run, to the nanosecond.
    pub(super) fn busy(&self) -> Duration {
        self.tree().into_iter().map(busy_of).sum()
    }

    /// Returns the resident memory in MiB.
    pub(super) fn memory_mib(&self) -> f64 {
        self.tree().into_iter().map(memory_mib_of).sum()
    }

    /// Ends the peer in good order.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        self.ended()
    }

    /// Says why the peer has ended, if it has.
    pub(super) fn running(&mut self) -> Result<(), Failure> {
        self.said.extend(self.lines.try_iter());
        self.said.drain(..self.said.len().saturating_sub(LINES_KEPT));
        if self.child.try_wait()?.is_some() {
            return Err(self.reason().into());
        }
        Ok(())
    }

    /// Waits until the peer has ended by itself.
    pub(super) fn ended(&mut self) -> Result<(), Failure> {
        self.deadline.wait(LOOK, || Ok(self.child.try_wait()?.is_some()))
    }
}

/// Returns the last of what a peer said of errors, in one line.
fn reason_in(log: &str) -> String {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Node says what went wrong above the places where it did.
    let error = lines.iter().find(|line| line.contains("Error: ")).or(lines.last());
    let shown = error
        .copied()
        .unwrap_or("it said nothing")
        .chars()
        .filter(|shown| !shown.is_control())
        .take(REASON_CHARS_MAX);
    format!("it ended: {}", shown.collect::<String>())
}

/// Returns every process of this machine with its parent.
fn parents() -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some((id, text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
    })
    .collect()
}

/// Returns a process and all that descend from it.
fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children = parents.iter().filter(|(id, of)| *of == parent && !found.contains(id));
        let children: Vec<u32> = children.map(|(id, _)| *id).collect();
        found.extend(children);
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_gives_its_output_or_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let (log, deadline) = (folder.path().join("log"), Deadline::after(Duration::from_secs(20)));
        assert_eq!(run(shell("echo one; echo two"), &log, deadline).unwrap().output, "one\ntwo\n");
        assert_eq!(run(shell("read answer; echo end"), &log, deadline).unwrap().output, "end\n");
        let error = run(shell("echo no room >&2; exit 1"), &log, deadline).unwrap_err();
        assert_eq!(error.to_string(), "it ended: no room");
    }

    #[test]
    fn a_peer_that_takes_too_long_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let (log, deadline) = (folder.path().join("log"), Deadline::after(Duration::from_secs(20)));
        let script = "sleep 600 & echo $!; wait";
        let mut spawned = Spawned::start(shell(script), &log, deadline).unwrap();
        let child: u32 = spawned.line().unwrap().parse().unwrap();
        assert!(spawned.tree().contains(&child));
        spawned.deadline = Deadline::after(Duration::ZERO);
        assert_eq!(spawned.line().unwrap_err().to_string(), "it took longer than 0 s");
        drop(spawned);
        let gone = Deadline::after(Duration::from_secs(20));
        let is_gone = || {
            let text = std::fs::read_to_string(format!("/proc/{child}/stat"));
            Ok(text.map_or(true, |text| text.contains(") Z ")))
        };
        gone.wait(LOOK, is_gone).unwrap();
    }

    #[test]
    fn a_version_ends_with_the_first_word_that_has_a_digit() {
        assert_eq!(
            version_in("rsync  version 3.2.7  protocol version 31\nmore"),
            "rsync version 3.2.7"
        );
        assert_eq!(version_in("syncthing v1.27.2 \"Gold\" (go1.21)"), "syncthing v1.27.2");
        assert_eq!(version_in(""), "");
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_in_any_order() {
        let parents = [(4, 3), (1, 0), (3, 2), (2, 1), (5, 1), (9, 8)];
        assert_eq!(descendants(2, &parents), [2, 3, 4]);
        assert_eq!(descendants(1, &parents), [1, 2, 5, 3, 4]);
        assert_eq!(descendants(7, &[(7, 7)]), [7]);
    }

    #[test]
    fn the_reason_is_the_error_or_the_last_line() {
        let node = "file:1\n  throw x\nError: no such file\n    at one\n\nNode.js v20\n";
        assert_eq!(reason_in(node), "it ended: Error: no such file");
        assert_eq!(reason_in("one\ntwo\u{1b}\n\n"), "it ended: two");
        assert_eq!(reason_in(""), "it ended: it said nothing");
    }
}
