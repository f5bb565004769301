//! Syncthing: the records as files, between two devices on the loopback that
//! talk to nobody else.

use super::spawned::{LOOK, Spawned, free_port, missing_of, run, version_of};
use super::{Ground, Peer, Seen, http};
use crate::figure::{Amount, Work};
use crate::files::{self, Counts};
use crate::household::Failure;
use crate::works::{CHANGED, IDLE, SETTLED, hourly};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Edits whose way is timed; each takes more than its watcher's delay.
const EDITS: usize = 50;
/// Time between two edits: after one it collects others for a while.
const PAUSE: Duration = Duration::from_millis(500);
/// For how long a folder's watcher collects, and the least that older versions take.
const DELAY_S: &str = "0.1";
const WHOLE_DELAY_S: &str = "1";
const KEY: &str = "heirloom-bench";
/// Time between two looks at a folder with many files.
const LOOK_AT_MANY: Duration = Duration::from_millis(20);
/// Time in which two level devices have said all.
const LEVEL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Syncthing;

impl Peer for Syncthing {
    fn name(&self) -> &'static str {
        "syncthing"
    }

    fn version(&self) -> String {
        version_of("syncthing")
    }

    fn remark(&self) -> &'static str {
        "files; its start ends when it answers; bytes as it counts them"
    }

    fn missing(&self) -> Option<String> {
        missing_of(&["syncthing"])
    }

    fn edit(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let counts = Counts { cards: 0, notes: EDITS, events: 0 };
        let pair = Pair::new(ground, counts, seen)?;
        let mut second = pair.two.up(ground)?;
        second.full(counts.all(), ground)?;
        std::thread::sleep(LEVEL);
        let mut times = Vec::new();
        for number in 0..EDITS {
            let name = files::note_name(number);
            let (path, title) = (pair.two.files.join(&name), format!("title: edit {number}\n"));
            let began = Instant::now();
            std::fs::write(pair.one.files.join(&name), format!("---\n{title}---\n"))?;
            if pair.watches == Watches::WholeSeconds {
                pair.first.ask("POST", &format!("db/scan?folder=records&sub={name}"))?;
            }
            ground.deadline.wait(LOOK, || {
                Ok(std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&title)))
            })?;
            times.push(began.elapsed());
            std::thread::sleep(PAUSE);
        }
        seen.add(Work::Edit, Amount::percentiles(times));
        Ok(())
    }

    fn many(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let counts = Counts::household(ground.records);
        let mut pair = Pair::new(ground, counts, seen)?;
        pair.first.scan(ground)?;

        let began = Instant::now();
        let mut second = pair.two.up(ground)?;
        second.full(counts.all(), ground)?;
        let (after, cpu) =
            (Amount::seconds(began.elapsed()), Amount::seconds(second.spawned.cpu()));
        seen.add(Work::Restore, vec![after, cpu, Amount::Bytes(second.bytes()?)]);
        std::thread::sleep(LEVEL);
        second.stop()?;

        let began = Instant::now();
        let mut second = pair.two.up(ground)?;
        let ready = Amount::seconds(began.elapsed());
        seen.add(Work::Start, vec![ready, Amount::Mebibytes(second.spawned.memory_mib())]);
        second.idle(ground)?;
        std::thread::sleep(LEVEL);
        seen.add(Work::Level, vec![Amount::Bytes(second.bytes()?)]);
        second.stop()?;

        files::change(&pair.one.files, CHANGED)?;
        pair.first.scan(ground)?;
        let second = pair.two.up(ground)?;
        let began = Instant::now();
        ground.deadline.wait(LOOK, || Ok(files::are_changed(&pair.two.files, CHANGED)))?;
        let after = Amount::seconds(began.elapsed());
        seen.add(Work::Changed, vec![after, Amount::Bytes(second.bytes()?)]);
        Ok(())
    }

    fn idle(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let counts = Counts { cards: ground.records, notes: 0, events: 0 };
        let pair = Pair::new(ground, counts, seen)?;
        let mut second = pair.two.up(ground)?;
        second.full(counts.all(), ground)?;
        std::thread::sleep(SETTLED);
        let (bytes, cpu) = (second.bytes()?, second.spawned.busy());
        std::thread::sleep(IDLE);
        let cpu = second.spawned.busy().saturating_sub(cpu);
        let bytes = second.bytes()?.saturating_sub(bytes);
        seen.add(Work::Idle, hourly(bytes, cpu, second.spawned.memory_mib()));
        Ok(())
    }
}

/// Two devices that know each other: one with all records, which runs, and one
/// with none.
#[derive(Debug)]
struct Pair {
    one: Device,
    two: Device,
    first: Running,
    watches: Watches,
}

/// What a version takes for the delay of its watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watches {
    PartsOfASecond,
    WholeSeconds,
}

impl Pair {
    fn new(ground: &Ground, counts: Counts, seen: &mut Seen) -> Result<Self, Failure> {
        let (one, two) = (Device::new("one", ground)?, Device::new("two", ground)?);
        files::write_each(&one.files, counts)?;
        let up = |delay_s| {
            one.set_up(&two, delay_s)?;
            two.set_up(&one, delay_s)?;
            one.up(ground)
        };
        let (first, watches) = match up(DELAY_S) {
            Err(error) if is_of_delay(&error.to_string()) => {
                let remark = "syncthing: this version watches with a delay of whole seconds only; it \
                    was told of each edit at once";
                seen.remarks.push(remark.to_owned());
                (up(WHOLE_DELAY_S)?, Watches::WholeSeconds)
            }
            first => (first?, Watches::PartsOfASecond),
        };
        Ok(Self { one, two, first, watches })
    }
}

/// Tells whether the reason of an end is that a delay has to be a whole number.
fn is_of_delay(reason: &str) -> bool {
    reason.contains(&format!("parsing \"{DELAY_S}\""))
}

#[derive(Debug)]
struct Device {
    id: String,
    home: PathBuf,
    files: PathBuf,
    /// Where it answers questions.
    port: u16,
    /// Where it listens for the other.
    sync_port: u16,
}

impl Device {
    fn new(name: &str, ground: &Ground) -> Result<Self, Failure> {
        let (home, files) =
            (ground.made(&format!("{name}-home"))?, ground.made(&format!("{name}-files"))?);
        let ended = |arguments: &[&str]| {
            let mut command = command(&home);
            command.args(arguments).arg("--home").arg(&home);
            run(command, &home.join("errors"), ground.deadline)
        };
        ended(&["generate", "--no-default-folder", "--skip-port-probing"])?;
        let id = ended(&["--device-id"])?.output.trim().to_owned();
        Ok(Self { id, home, files, port: free_port()?, sync_port: free_port()? })
    }

    /// Writes the settings of a device that knows one other and talks to nobody else.
    fn set_up(&self, other: &Self, delay_s: &str) -> Result<(), Failure> {
        let device = |device: &Self| {
            format!(
                "<device id=\"{}\" name=\"{}\"><address>tcp://127.0.0.1:{}</address></device>",
                device.id, device.port, device.sync_port
            )
        };
        let member = |device: &Self| format!("<device id=\"{}\"></device>", device.id);
        let settings = format!(
            "<configuration version=\"36\">\
             <folder id=\"records\" path=\"{}\" type=\"sendreceive\" rescanIntervalS=\"3600\" \
             fsWatcherEnabled=\"true\" fsWatcherDelayS=\"{delay_s}\">{}{}</folder>{}{}\
             <gui enabled=\"true\" tls=\"false\"><address>127.0.0.1:{}</address>\
             <apikey>{KEY}</apikey></gui>\
             <options><listenAddress>tcp://127.0.0.1:{}</listenAddress>{QUIET}</options>\
             </configuration>",
            escaped(&self.files),
            member(self),
            member(other),
            device(self),
            device(other),
            self.port,
            self.sync_port,
        );
        Ok(std::fs::write(self.home.join("config.xml"), settings)?)
    }

    /// Starts the device and waits until it answers.
    fn up(&self, ground: &Ground) -> Result<Running, Failure> {
        let mut command = command(&self.home);
        command.args(["serve", "--no-browser", "--no-restart", "--no-upgrade"]);
        // What it says while it runs would be taken for what ended it.
        command.args(["--logfile", "-", "--home"]).arg(&self.home);
        let spawned = Spawned::start(command, &self.home.join("errors"), ground.deadline)?;
        let mut running = Running { spawned, port: self.port };
        ground.deadline.wait(LOOK, || {
            running.spawned.running()?;
            Ok(running.ask("GET", "system/ping").is_ok())
        })?;
        Ok(running)
    }
}

/// Settings with which a device keeps to the machine and reports nothing.
const QUIET: &str = "<globalAnnounceEnabled>false</globalAnnounceEnabled>\
    <localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled>\
    <natEnabled>false</natEnabled><stunKeepaliveStartS>0</stunKeepaliveStartS>\
    <startBrowser>false</startBrowser><urAccepted>-1</urAccepted>\
    <crashReportingEnabled>false</crashReportingEnabled>\
    <autoUpgradeIntervalH>0</autoUpgradeIntervalH><setLowPriority>false</setLowPriority>\
    <reconnectionIntervalS>1</reconnectionIntervalS>";

fn command(home: &Path) -> Command {
    let mut command = Command::new("syncthing");
    command.env("HOME", home).env("STNOUPGRADE", "1").env("STNODEFAULTFOLDER", "1");
    command
}

fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// A running device.
#[derive(Debug)]
struct Running {
    spawned: Spawned,
    port: u16,
}

impl Running {
    /// Asks the device something; returns the answer.
    fn ask(&self, method: &str, path: &str) -> Result<Value, Failure> {
        let header = format!("X-API-Key: {KEY}");
        answer_in(&http::ask(self.port, method, &format!("/rest/{path}"), &header)?)
    }

    /// Looks for changes at once.
    fn scan(&mut self, ground: &Ground) -> Result<(), Failure> {
        self.ask("POST", "db/scan?folder=records")?;
        self.idle(ground)
    }

    /// Waits until the device has nothing to do.
    fn idle(&mut self, ground: &Ground) -> Result<(), Failure> {
        ground.deadline.wait(LOOK_AT_MANY, || {
            self.spawned.running()?;
            is_idle(&self.ask("GET", "db/status?folder=records")?)
        })
    }

    /// Waits until so many files are there for good.
    fn full(&mut self, count: usize, ground: &Ground) -> Result<(), Failure> {
        ground.deadline.wait(LOOK_AT_MANY, || {
            self.spawned.running()?;
            holds(&self.ask("GET", "db/status?folder=records")?, count)
        })
    }

    /// Returns the bytes that travelled since the start, both ways.
    fn bytes(&self) -> Result<u64, Failure> {
        bytes_in(&self.ask("GET", "system/connections")?)
    }

    fn stop(self) -> Result<(), Failure> {
        self.spawned.stop()
    }
}

/// Returns the JSON of an answer; an order is answered with nothing.
fn answer_in(body: &str) -> Result<Value, Failure> {
    if body.trim().is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_str(body)?)
}

fn number_in(status: &Value, name: &str) -> Result<u64, Failure> {
    Ok(status[name].as_u64().ok_or_else(|| format!("the answer has no {name}"))?)
}

fn is_idle(status: &Value) -> Result<bool, Failure> {
    let state = status["state"].as_str().ok_or("the answer has no state")?;
    Ok(state == "idle" && number_in(status, "needFiles")? == 0)
}

fn holds(status: &Value, count: usize) -> Result<bool, Failure> {
    let here = number_in(status, "localFiles")?;
    Ok(usize::try_from(here)? >= count && number_in(status, "needFiles")? == 0)
}

fn bytes_in(connections: &Value) -> Result<u64, Failure> {
    let total = &connections["total"];
    Ok(number_in(total, "inBytesTotal")? + number_in(total, "outBytesTotal")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_json_or_nothing() {
        assert_eq!(answer_in("{\"ping\": 1}\n").unwrap(), json!({"ping": 1}));
        assert_eq!(answer_in("").unwrap(), Value::Null);
        assert!(answer_in("CSRF Error").is_err());
    }

    #[test]
    fn a_folder_is_full_when_all_files_are_here_and_none_is_needed() {
        let status = |here: u64, need: u64| json!({"state": "syncing", "localFiles": here, "needFiles": need});
        assert!(holds(&status(12, 0), 12).unwrap());
        assert!(!holds(&status(11, 0), 12).unwrap());
        assert!(!holds(&status(12, 1), 12).unwrap());
        assert!(!is_idle(&status(12, 0)).unwrap());
        assert!(is_idle(&json!({"state": "idle", "needFiles": 0})).unwrap());
        assert!(holds(&json!({"error": "no such folder"}), 12).is_err());
        assert!(is_idle(&Value::Null).is_err());
    }

    #[test]
    fn only_a_refused_delay_is_told_from_other_reasons() {
        let refused = "it ended: failed to load config: parsing \"0.1\": invalid syntax";
        assert!(is_of_delay(refused));
        assert!(!is_of_delay("it ended: address already in use"));
    }

    #[test]
    fn the_bytes_of_both_ways_are_added() {
        let all = json!({"connections": {}, "total": {"inBytesTotal": 40, "outBytesTotal": 2}});
        assert_eq!(bytes_in(&all).unwrap(), 42);
        assert!(bytes_in(&json!({"connections": {}})).is_err());
    }
}
