//! Real processes of the built program, each with a folder of its own.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for a condition that must come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Returns the one JSON object of the standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|error| {
            panic!("{error}: exit {}, {}{}", self.code, self.stdout, self.stderr)
        })
    }

    /// Returns the JSON lines of the standard output.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }
}

/// Returns a command of the program, without anything of this environment.
pub(crate) fn heirloom(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    command.env_remove("HEIRLOOM_HOME").env_remove("RUST_LOG").env_remove("HEIRLOOM_LOG");
    command.arg("--home").arg(home).stdin(Stdio::null());
    command
}

/// Runs a command of the program in a folder.
#[track_caller]
pub(crate) fn run(home: &Path, arguments: &[&str]) -> Ended {
    Ended::from(heirloom(home).args(arguments).output().unwrap())
}

/// Runs a command with `--json`.
#[track_caller]
pub(crate) fn run_json(home: &Path, arguments: &[&str]) -> Ended {
    Ended::from(heirloom(home).arg("--json").args(arguments).output().unwrap())
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) child: Child,
    pub(crate) home: PathBuf,
    pub(crate) ready: Value,
    events: Receiver<Value>,
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Up {
    /// Starts a node on a free port of the loopback and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(home: &Path, arguments: &[&str]) -> Self {
        let mut command = heirloom(home);
        command.args(["--json", "-v", "up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        Self::from(home, command.args(arguments))
    }

    /// Starts a node by a command that prints events, and waits until it is ready.
    #[track_caller]
    pub(crate) fn from(home: &Path, command: &mut Command) -> Self {
        let log = std::fs::File::create(log_of(home)).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str::<Value>(&line) {
                    drop(sender.send(event));
                }
            }
        });
        match events.recv_timeout(PATIENCE) {
            Ok(ready) => {
                assert_eq!(ready["event"], "ready", "{ready}");
                Self { child, home: home.to_owned(), ready, events }
            }
            Err(error) => {
                drop(child.kill());
                let text = std::fs::read_to_string(log_of(home)).unwrap_or_default();
                panic!("no node came up ({error}): {text}");
            }
        }
    }

    /// Returns the address at which this node can be reached.
    pub(crate) fn address(&self) -> String {
        self.ready["addresses"][0].as_str().unwrap().to_owned()
    }

    /// Asks the node to stop and waits for its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Kills the node without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for an event.
    #[track_caller]
    pub(crate) fn wait_for(&self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(event) =
            self.events.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if event["event"] == kind {
                return event;
            }
        }
        panic!("the event {kind} never came");
    }

    /// Opens an invite and returns its six words.
    #[track_caller]
    pub(crate) fn invite_words(&self, role: &str) -> String {
        let invite = run_json(&self.home, &["invite", "--role", role]).expect(0).json();
        invite["words"].as_str().unwrap().to_owned()
    }

    /// Opens an invite and returns its link.
    #[track_caller]
    pub(crate) fn invite(&self, role: &str) -> String {
        let invite = run_json(&self.home, &["invite", "--role", role]).expect(0).json();
        invite["link"].as_str().unwrap().to_owned()
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes an account in a folder; returns the phrase.
#[track_caller]
pub(crate) fn init(home: &Path, device: &str) -> String {
    let account = run_json(home, &["init", "--device", device, "--no-verify"]).expect(0).json();
    account["phrase"].as_str().unwrap().to_owned()
}

/// Returns the file that takes a node's diagnostics.
pub(crate) fn log_of(home: &Path) -> PathBuf {
    home.with_extension("log")
}

/// Passes bytes on between two ends, and keeps a copy of all of them.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    /// Begins to pass on to a node's address.
    pub(crate) fn to(address: &str) -> Self {
        let target: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&seen);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let (near2, far2) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (one, other) = (Arc::clone(&copy), Arc::clone(&copy));
                std::thread::spawn(move || pass_on(near, far, &one));
                std::thread::spawn(move || pass_on(far2, near2, &other));
            }
        });
        Self { port, seen }
    }

    /// Returns the address at which the node is reached over this wire.
    pub(crate) fn address(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.port)
    }

    /// Returns all bytes that passed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, copy: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            return;
        }
        copy.lock().unwrap().extend_from_slice(&buffer[..length]);
    }
}

/// Returns the digest of a folder.
#[track_caller]
pub(crate) fn digest(home: &Path) -> String {
    run_json(home, &["digest"]).expect(0).json()["digest"].as_str().unwrap().to_owned()
}

/// Returns whether any file below a folder contains a text.
pub(crate) fn contains(folder: &Path, needle: &[u8]) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return contains(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}
