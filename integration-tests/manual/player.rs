//! Carries out the sessions of a chapter: every prompt is a device with a
//! home of its own, every command runs in bash with the built program.
//!
//! `COMMAND &` goes on in the background once what stands below it was
//! printed; `kill %1` ends the device's node and `kill -9 %1` takes its power
//! away; `wait` waits for other background commands. A command that fails is
//! followed by `echo $?`.

use super::chapter::Step;
use super::pattern::{self, Captured};
use crate::common::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How the last line begins that a node prints when it comes up.
const NODE_IS_UP: &str = "Next: heirloom ";

/// A command that runs in the background.
struct Job {
    child: Child,
    output: PathBuf,
    /// Bytes of its output that were compared already.
    compared: usize,
    /// Its addresses, of a node.
    addresses: Vec<String>,
    device: String,
    is_node: bool,
}

impl Drop for Job {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A household that follows a chapter.
pub(super) struct Player {
    folder: TempDir,
    captured: Captured,
    jobs: Vec<Job>,
    /// The exit code of each device's last command.
    codes: BTreeMap<String, i32>,
}

impl Player {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let player =
            Self { folder, captured: Captured::new(), jobs: Vec::new(), codes: BTreeMap::new() };
        fs::create_dir(player.path("bin")).unwrap();
        // Strangers' networks stay out of it, and no default port is taken: what the
        // manual's first page says that is done otherwise, and nothing else.
        let wrapper = format!(
            "#!/bin/sh\nset -f\nverb=$1\nif [ \"$verb\" = up ]; then shift; exec '{program}' up \
             --no-mdns --listen /ip4/127.0.0.1/tcp/0 $(cat '{peers}') \"$@\"; fi\n\
             case $verb in join|recover) shift; exec '{program}' $verb --no-mdns $(cat '{peers}') \
             \"$@\";; esac\nexec '{program}' \"$@\"\n",
            program = env!("CARGO_BIN_EXE_heirloom"),
            peers = player.path("peers").display(),
        );
        let path = player.path("bin/heirloom");
        fs::write(&path, wrapper).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).unwrap();
        player.write_peers();
        player
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the home of a device, which is made when it is first named.
    fn home(&self, device: &str) -> PathBuf {
        let home = self.path("homes").join(if device.is_empty() { "here" } else { device });
        fs::create_dir_all(&home).unwrap();
        home
    }

    /// Tells commands that look for a node where the running ones are.
    fn write_peers(&self) {
        let addresses = self.jobs.iter().flat_map(|job| &job.addresses);
        let peers: Vec<String> = addresses.map(|address| format!("--peer {address}")).collect();
        fs::write(self.path("peers"), peers.join(" ")).unwrap();
    }

    /// Carries out the steps; returns where and how one went otherwise.
    pub(super) fn play(&mut self, steps: &[Step]) -> Result<(), String> {
        for (index, step) in steps.iter().enumerate() {
            let asks = |next: &&Step| next.command == "echo $?" && next.device == step.device;
            let may_fail = steps.get(index + 1).is_some_and(|next| asks(&next));
            self.step(step, may_fail)
                .map_err(|text| format!("line {}: $ {}\n{text}", step.line, step.command))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, may_fail: bool) -> Result<(), String> {
        let command = pattern::filled(&step.command, &self.captured);
        match command.as_str() {
            "kill %1" => self.end_node(step, Signal::TERM),
            "kill -9 %1" => self.end_node(step, Signal::KILL),
            "wait" => self.wait(step),
            _ => match command.strip_suffix(" &") {
                Some(command) => self.begin(step, command),
                None => self.run(step, &command, may_fail),
            },
        }
    }

    fn bash(&self, device: &str, script: &str, output: &Path) -> Command {
        let home = self.home(device);
        let file = File::create(output).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", script]).current_dir(&home).env_clear();
        bash.env("HOME", &home).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        bash.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        bash.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        bash
    }

    fn run(&mut self, step: &Step, command: &str, may_fail: bool) -> Result<(), String> {
        let output = self.path("output");
        let last = self.codes.get(&step.device).copied().unwrap_or(0);
        let script = format!("(exit {last})\n{command}\n");
        let status = self.bash(&step.device, &script, &output).status().unwrap();
        let code = status.code().unwrap_or(-1);
        self.codes.insert(step.device.clone(), code);
        let printed = fs::read_to_string(&output).unwrap();
        if code != 0 && !may_fail {
            return Err(format!("exit code {code}: {printed}"));
        }
        self.compare(step, &printed)
    }

    fn compare(&mut self, step: &Step, printed: &str) -> Result<(), String> {
        let matched = pattern::matched(&step.expected, printed, &self.captured);
        self.captured = matched.ok_or_else(|| difference(step, printed))?;
        Ok(())
    }

    /// Starts a command and goes on once it printed what is expected.
    fn begin(&mut self, step: &Step, command: &str) -> Result<(), String> {
        let output = self.path(&format!("background{}", step.line));
        let is_node = command.starts_with("heirloom up");
        let exec = if is_node { "exec " } else { "" };
        let child = self.bash(&step.device, &format!("{exec}{command}"), &output).spawn().unwrap();
        let device = step.device.clone();
        let mut job = Job { child, output, compared: 0, addresses: Vec::new(), device, is_node };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = job.child.try_wait().unwrap().is_some();
            let printed = fs::read_to_string(&job.output).unwrap();
            if let Some((length, captured)) = self.begun(step, &printed, is_node) {
                self.captured = captured;
                job.compared = length;
                job.addresses = addresses(&printed);
                break;
            }
            if ended || Instant::now() > deadline {
                return Err(difference(step, &printed));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.jobs.push(job);
        self.write_peers();
        Ok(())
    }

    /// Returns how much of the output is what a background command prints first.
    fn begun(&self, step: &Step, printed: &str, is_node: bool) -> Option<(usize, Captured)> {
        if is_node && !printed.lines().any(|line| line.starts_with(NODE_IS_UP)) {
            return None;
        }
        let ends = printed.match_indices('\n').map(|(end, _)| end + 1);
        [0].into_iter().chain(ends).find_map(|end| {
            let captured = pattern::matched(&step.expected, &printed[..end], &self.captured)?;
            Some((end, captured))
        })
    }

    fn end_node(&mut self, step: &Step, signal: Signal) -> Result<(), String> {
        let is_it = |job: &Job| job.is_node && job.device == step.device;
        let at = self.jobs.iter().position(is_it).ok_or("no node runs there")?;
        let mut job = self.jobs.remove(at);
        kill_process(Pid::from_child(&job.child), signal).unwrap();
        let status = job.child.wait().unwrap();
        self.write_peers();
        match signal == Signal::KILL || status.success() {
            true => Ok(()),
            false => Err(format!("{status}: {}", fs::read_to_string(&job.output).unwrap())),
        }
    }

    /// Waits for the background commands of a device that are no nodes.
    fn wait(&mut self, step: &Step) -> Result<(), String> {
        let mut printed = String::new();
        let is_it = |job: &mut Job| !job.is_node && job.device == step.device;
        let jobs: Vec<Job> = self.jobs.extract_if(.., is_it).collect();
        for mut job in jobs {
            let deadline = Instant::now() + PATIENCE;
            while job.child.try_wait().unwrap().is_none() {
                if Instant::now() > deadline {
                    return Err("it does not end".to_owned());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            printed.push_str(&fs::read_to_string(&job.output).unwrap()[job.compared..]);
        }
        self.compare(step, &printed)
    }
}

fn difference(step: &Step, printed: &str) -> String {
    format!("expected:\n{}\nprinted:\n{printed}", step.expected.join("\n"))
}

/// Returns the addresses that a node printed when it came up.
fn addresses(printed: &str) -> Vec<String> {
    let words = printed.lines().map(str::trim).filter(|line| line.starts_with("/ip4/127.0.0.1/"));
    words.map(str::to_owned).collect()
}
