//! rsync: the records as files, fetched from a daemon on the loopback.

use super::spawned::{Deadline, Spawned, free_port, listened, missing_of, run, version_of};
use super::{Ground, Peer, Seen};
use crate::figure::{Amount, Work};
use crate::files::{self, Counts};
use crate::household::Failure;
use crate::works::CHANGED;
use std::path::Path;
use std::process::Command;

#[derive(Debug)]
pub(super) struct Rsync;

impl Peer for Rsync {
    fn name(&self) -> &'static str {
        "rsync"
    }

    fn version(&self) -> String {
        version_of("rsync")
    }

    fn remark(&self) -> &'static str {
        "files from its daemon over loopback; one run fetches once and does not sync to the disk; \
         bytes by --stats"
    }

    fn missing(&self) -> Option<String> {
        missing_of(&["rsync"])
    }

    fn many(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let (source, target) = (ground.path("records"), ground.path("restored"));
        let counts = Counts::household(ground.records);
        files::write_each(&source, counts)?;
        let daemon = Daemon::start(&source, ground)?;
        let (after, cpu, bytes) = daemon.fetch(&target, ground)?;
        let fetched = std::fs::read_dir(&target)?.count();
        if fetched != counts.all() {
            return Err(format!("{fetched} of {} files came", counts.all()).into());
        }
        seen.add(Work::Restore, vec![after, cpu, bytes]);
        let (_, _, bytes) = daemon.fetch(&target, ground)?;
        seen.add(Work::Level, vec![bytes]);
        files::change(&source, CHANGED)?;
        let (after, _, bytes) = daemon.fetch(&target, ground)?;
        if !files::are_changed(&target, CHANGED) {
            return Err("the changes did not come".into());
        }
        seen.add(Work::Changed, vec![after, bytes]);
        Ok(())
    }
}

#[derive(Debug)]
struct Daemon {
    port: u16,
    _spawned: Spawned,
}

impl Daemon {
    /// Starts a daemon that gives out a folder.
    fn start(source: &Path, ground: &Ground) -> Result<Self, Failure> {
        use std::os::unix::fs::MetadataExt as _;
        let port = free_port()?;
        let owner = std::fs::metadata(source)?;
        let settings = format!(
            "address = 127.0.0.1\nport = {port}\nuse chroot = no\nuid = {}\ngid = {}\n\
             [records]\npath = {}\nread only = yes\n",
            owner.uid(),
            owner.gid(),
            source.display()
        );
        let path = ground.path("rsyncd.conf");
        std::fs::write(&path, settings)?;
        let mut command = Command::new("rsync");
        command.args(["--daemon", "--no-detach", "--config"]).arg(&path);
        command.args(["--log-file"]).arg(ground.path("rsyncd.log"));
        let spawned = Spawned::start(command, &ground.path("daemon.err"), ground.deadline)?;
        listened(port, Deadline::after(super::START_LIMIT))?;
        Ok(Self { port, _spawned: spawned })
    }

    /// Fetches what has changed; returns the time, the processor time and the bytes.
    fn fetch(&self, target: &Path, ground: &Ground) -> Result<(Amount, Amount, Amount), Failure> {
        let mut command = Command::new("rsync");
        command.args(["-a", "--stats", "--no-human-readable"]);
        command.arg(format!("rsync://127.0.0.1:{}/records/", self.port)).arg(target);
        let ended = run(command, &ground.path("fetch.err"), ground.deadline)?;
        let bytes = bytes_in(&ended.output).ok_or("its statistics were not understood")?;
        Ok((Amount::seconds(ended.after), Amount::seconds(ended.cpu), Amount::Bytes(bytes)))
    }
}

/// Returns the bytes that travelled both ways, out of what `--stats` prints.
fn bytes_in(stats: &str) -> Option<u64> {
    let count = |name: &str| {
        let text = stats.lines().find_map(|line| line.trim().strip_prefix(name))?;
        // Some versions group the digits.
        text.trim().replace(',', "").parse::<u64>().ok()
    };
    Some(count("Total bytes sent:")? + count("Total bytes received:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = "\nNumber of files: 12 (reg: 11, dir: 1)\nTotal file size: 4,096 bytes\n\
        File list size: 0\nTotal bytes sent: 1,234\nTotal bytes received: 56789\n\n\
        sent 1,234 bytes  received 56,789 bytes  116,046.00 bytes/sec\n";

    #[test]
    fn the_bytes_of_both_ways_are_added() {
        assert_eq!(bytes_in(STATS), Some(58_023));
    }

    #[test]
    fn statistics_that_lack_a_number_or_shorten_it_are_refused() {
        assert_eq!(bytes_in(""), None);
        assert_eq!(bytes_in("Total bytes sent: 12\n"), None);
        assert_eq!(bytes_in("Total bytes sent: 1.2K\nTotal bytes received: 4\n"), None);
    }
}
