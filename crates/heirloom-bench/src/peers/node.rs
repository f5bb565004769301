//! Peers that are packages for Node, each through a small program of ours in
//! `peers/` that takes orders and answers in lines of JSON.

use super::spawned::{Spawned, is_installed};
use super::wire::Wire;
use super::{Ground, Peer, Seen};
use crate::figure::{Amount, Work};
use crate::files::{self, Counts};
use crate::household::Failure;
use crate::works::{CHANGED, EDITS, IDLE, SETTLED, hourly};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The programs; they find the packages beside them.
const PROGRAMS: [(&str, &str); 6] = [
    ("device.mjs", include_str!("../../peers/device.mjs")),
    ("yjs.mjs", include_str!("../../peers/yjs.mjs")),
    ("y-websocket.mjs", include_str!("../../peers/y-websocket.mjs")),
    ("hocuspocus.mjs", include_str!("../../peers/hocuspocus.mjs")),
    ("pouchdb.mjs", include_str!("../../peers/pouchdb.mjs")),
    ("automerge-repo.mjs", include_str!("../../peers/automerge-repo.mjs")),
];

/// Time in which a reconnected device has said all.
const LEVEL: Duration = Duration::from_millis(500);
/// Time between two edits.
const PAUSE: Duration = Duration::from_millis(5);

/// A peer for Node.
#[derive(Debug)]
pub(super) struct NodePeer {
    name: &'static str,
    packages: &'static [&'static str],
    remark: &'static str,
    /// The folder `node_modules`.
    modules: Option<PathBuf>,
}

/// Returns every peer for Node.
pub(super) fn all(modules: Option<&Path>) -> impl Iterator<Item = NodePeer> {
    let modules = modules.map(Path::to_owned);
    let yjs = "one document; an edit is not durable anywhere, a restore is on the device";
    let peers: [(_, &[_], _); 4] = [
        ("y-websocket", &["y-websocket", "yjs", "ws"], yjs),
        ("hocuspocus", &["@hocuspocus/server", "@hocuspocus/provider", "yjs", "ws"], yjs),
        (
            "pouchdb",
            &["pouchdb", "express-pouchdb", "express"],
            "a document per record; LevelDB without syncing to the disk",
        ),
        (
            "automerge-repo",
            &[
                "@automerge/automerge-repo",
                "@automerge/automerge-repo-network-websocket",
                "@automerge/automerge-repo-storage-nodefs",
                "ws",
            ],
            "one document with all records, as files without syncing to the disk",
        ),
    ];
    peers.into_iter().map(move |(name, packages, remark)| {
        let modules = modules.clone();
        NodePeer { name, packages, remark, modules }
    })
}

impl Peer for NodePeer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        let package = self.packages.first().copied().unwrap_or_default();
        let path = self.modules.as_ref().map(|modules| modules.join(package).join("package.json"));
        let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let version = field(&text, "version").unwrap_or_default();
        format!("{package} {}", version.as_str().unwrap_or("of an unknown version"))
    }

    fn remark(&self) -> &'static str {
        self.remark
    }

    fn missing(&self) -> Option<String> {
        if !is_installed("node") {
            return Some("node".to_owned());
        }
        let Some(modules) = &self.modules else {
            return Some("--node-modules was not given".to_owned());
        };
        let lacks = |package: &&&str| !modules.join(package).join("package.json").is_file();
        let package = self.packages.iter().find(lacks)?;
        Some(format!("{package} in {}", modules.display()))
    }

    fn edit(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let counts = Counts { cards: 0, notes: EDITS, events: 0 };
        let mut house = House::new(self, ground, counts)?;
        let mut second = house.device("two", house.port)?;
        second.level(counts.all(), 0)?;
        second.order(&json!({"order": "watch"}), "watching")?;
        let mut times = Vec::new();
        for number in 0..EDITS {
            let (name, title) = (files::note_name(number), format!("edit {number}"));
            let order = json!({"order": "edit", "name": name, "title": title});
            let began = Instant::now();
            house.first.spawned.tell(&order.to_string())?;
            while field(&second.spawned.line()?, "seen")?.as_str() != Some(&title) {}
            times.push(began.elapsed());
            std::thread::sleep(PAUSE);
        }
        seen.add(Work::Edit, Amount::percentiles(times));
        Ok(())
    }

    fn many(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let counts = Counts::household(ground.records);
        let mut house = House::new(self, ground, counts)?;
        // Another device tells that the server has all that the first one sent.
        let mut witness = house.device("witness", house.port)?;
        witness.level(counts.all(), 0)?;

        let (wire, began) = (Wire::to(house.port)?, Instant::now());
        let mut second = house.device("two", wire.port)?;
        second.level(counts.all(), 0)?;
        let (after, cpu) =
            (Amount::seconds(began.elapsed()), Amount::seconds(second.spawned.cpu()));
        std::thread::sleep(LEVEL);
        seen.add(Work::Restore, vec![after, cpu, Amount::Bytes(wire.bytes())]);
        second.stop()?;

        // The same wire again: some know the server by its port.
        let (before, began) = (wire.bytes(), Instant::now());
        let mut second = house.opened("two")?;
        let ready = Amount::seconds(began.elapsed());
        seen.add(Work::Start, vec![ready, Amount::Mebibytes(second.spawned.memory_mib())]);
        second.connect(wire.port, &house.document)?;
        second.level(counts.all(), 0)?;
        std::thread::sleep(LEVEL);
        seen.add(Work::Level, vec![Amount::Bytes(wire.bytes() - before)]);
        second.stop()?;

        house.first.order(&json!({"order": "change", "changed": CHANGED}), "changed")?;
        witness.level(counts.all(), CHANGED)?;
        let mut second = house.opened("two")?;
        let (before, began) = (wire.bytes(), Instant::now());
        second.connect(wire.port, &house.document)?;
        second.level(counts.all(), CHANGED)?;
        let after = Amount::seconds(began.elapsed());
        seen.add(Work::Changed, vec![after, Amount::Bytes(wire.bytes() - before)]);
        Ok(())
    }

    fn idle(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let counts = Counts { cards: ground.records, notes: 0, events: 0 };
        let house = House::new(self, ground, counts)?;
        let wire = Wire::to(house.port)?;
        let mut second = house.device("two", wire.port)?;
        second.level(counts.all(), 0)?;
        second.order(&json!({"order": "watch"}), "watching")?;
        std::thread::sleep(SETTLED);
        let (bytes, cpu) = (wire.bytes(), second.spawned.busy());
        std::thread::sleep(IDLE);
        let (bytes, cpu) = (wire.bytes() - bytes, second.spawned.busy().saturating_sub(cpu));
        seen.add(Work::Idle, hourly(bytes, cpu, second.spawned.memory_mib()));
        Ok(())
    }
}

/// A server, and a first device that has given it all records.
#[derive(Debug)]
struct House<'a> {
    peer: &'a NodePeer,
    ground: &'a Ground,
    first: Device,
    document: String,
    port: u16,
    _server: Spawned,
}

impl<'a> House<'a> {
    fn new(peer: &'a NodePeer, ground: &'a Ground, counts: Counts) -> Result<Self, Failure> {
        for (name, program) in PROGRAMS {
            std::fs::write(ground.path(name), program)?;
        }
        let modules = peer.modules.as_ref().ok_or("no packages")?.canonicalize()?;
        std::os::unix::fs::symlink(modules, ground.path("node_modules"))?;
        let records = ground.path("records");
        files::write_each(&records, counts)?;
        let server = started(peer, ground, "server", "server")?;
        let port = field(&server.line()?, "port")?.as_u64().ok_or("the port is no number")?;
        let port = u16::try_from(port)?;
        let mut first = Device::open(peer, ground, "one")?;
        first.connect(port, "")?;
        let import = json!({"order": "import", "folder": records});
        let imported = first.order(&import, "document")?;
        let document = imported.as_str().unwrap_or_default().to_owned();
        Ok(Self { peer, ground, first, document, port, _server: server })
    }

    /// Starts a device with its own folder.
    fn opened(&self, name: &str) -> Result<Device, Failure> {
        Device::open(self.peer, self.ground, name)
    }

    /// Starts a device and connects it.
    fn device(&self, name: &str, port: u16) -> Result<Device, Failure> {
        let mut device = self.opened(name)?;
        device.connect(port, &self.document)?;
        Ok(device)
    }
}

fn started(peer: &NodePeer, ground: &Ground, part: &str, name: &str) -> Result<Spawned, Failure> {
    let mut command = Command::new("node");
    command.arg(ground.path(&format!("{}.mjs", peer.name))).arg(part).arg(ground.made(name)?);
    Spawned::start(command, &ground.path(&format!("{name}.err")), ground.deadline)
}

#[derive(Debug)]
struct Device {
    spawned: Spawned,
}

impl Device {
    fn open(peer: &NodePeer, ground: &Ground, name: &str) -> Result<Self, Failure> {
        let spawned = started(peer, ground, "device", name)?;
        field(&spawned.line()?, "ready")?;
        Ok(Self { spawned })
    }

    /// Gives an order; returns the named field of the answer.
    fn order(&mut self, order: &Value, answer: &str) -> Result<Value, Failure> {
        self.spawned.tell(&order.to_string())?;
        field(&self.spawned.line()?, answer)
    }

    fn connect(&mut self, port: u16, document: &str) -> Result<(), Failure> {
        let order = json!({"order": "connect", "port": port, "document": document});
        self.order(&order, "connected").map(drop)
    }

    /// Waits until the device has so many records, and so many of them changed.
    fn level(&mut self, records: usize, changed: usize) -> Result<(), Failure> {
        let order = json!({"order": "level", "records": records, "changed": changed});
        self.order(&order, "level").map(drop)
    }

    fn stop(mut self) -> Result<(), Failure> {
        self.order(&json!({"order": "stop"}), "stopped")?;
        self.spawned.ended()
    }
}

/// Returns a field of a line of JSON.
fn field(line: &str, name: &str) -> Result<Value, Failure> {
    let value: Value = serde_json::from_str(line)
        .map_err(|_| format!("not an answer: {}", line.escape_debug()))?;
    let found = value.get(name).cloned();
    Ok(found.ok_or_else(|| format!("an answer without {name}: {}", line.escape_debug()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_its_field_or_is_said() {
        assert_eq!(field(r#"{"port": 4000}"#, "port").unwrap(), json!(4000));
        let other = field(r#"{"ready": true}"#, "port").unwrap_err();
        assert_eq!(other.to_string(), r#"an answer without port: {\"ready\": true}"#);
        let noise = field("listening\u{1b}[1m", "port").unwrap_err();
        assert_eq!(noise.to_string(), "not an answer: listening\\u{1b}[1m");
        assert!(field("", "port").is_err());
        assert!(field("[]", "port").is_err());
    }

    #[test]
    fn every_peer_has_its_program_and_the_programs_import_only_what_is_there() {
        for peer in all(None) {
            let file = format!("{}.mjs", peer.name);
            assert!(PROGRAMS.iter().any(|(name, _)| *name == file), "{file}");
        }
        for (name, program) in PROGRAMS {
            for line in program.lines().filter(|line| line.contains("from './")) {
                let beside = line.split("'./").nth(1).unwrap().trim_end_matches('\'');
                assert!(PROGRAMS.iter().any(|(name, _)| *name == beside), "{name}: {line}");
            }
        }
    }

    #[test]
    fn the_first_package_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let packages = &["@one/first", "second"];
        let modules = Some(folder.path().to_owned());
        let peer = NodePeer { name: "a peer", packages, remark: "", modules };
        let add = |package: &str| {
            std::fs::create_dir_all(folder.path().join(package)).unwrap();
            std::fs::write(folder.path().join(package).join("package.json"), "{}").unwrap();
        };
        let missing = |peer: &NodePeer| peer.missing().filter(|_| is_installed("node"));
        if !is_installed("node") {
            assert_eq!(peer.missing().as_deref(), Some("node"));
            return;
        }
        assert!(missing(&peer).is_some_and(|said| said.starts_with("@one/first in ")));
        add("@one/first");
        assert!(missing(&peer).is_some_and(|said| said.starts_with("second in ")));
        std::fs::write(folder.path().join("@one/first/package.json"), r#"{"version": "1.2"}"#)
            .unwrap();
        assert_eq!(peer.version(), "@one/first 1.2");
        add("second");
        assert_eq!(missing(&peer), None);
    }
}
