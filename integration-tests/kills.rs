//! A node that is killed at any moment has every write that it answered.

use crate::common::{Up, digest, eventually, heirloom, init, run_json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const KILLS: u32 = 100;

/// A small generator, so that a failing run can be run again.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// S41.
#[test]
fn a_hundred_kills_lose_no_answered_write() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "victim");
    let mut answered = BTreeSet::new();
    let mut state = 7;
    for round in 0..KILLS {
        let node = Up::start(&home, &[]);
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let title = format!("title=note {round} {writer}");
                heirloom(&home)
                    .args(["--json", "notes", "add", &title, "body=text"])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        // The moment is random: before, in, or after the writes.
        std::thread::sleep(Duration::from_micros(next(&mut state) % 60_000));
        node.kill();
        for writer in writers {
            let output = writer.wait_with_output().unwrap();
            if let Ok(saved) = serde_json::from_slice::<serde_json::Value>(&output.stdout) {
                answered.insert(saved["id"].as_str().unwrap().to_owned());
            }
        }
    }
    let rows = run_json(&home, &["notes", "list"]).lines();
    let held: BTreeSet<String> =
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let lost: Vec<&String> = answered.difference(&held).collect();
    assert!(lost.is_empty(), "{} of {} answered writes are lost", lost.len(), answered.len());
    assert!(answered.len() > 20, "only {} writes were answered", answered.len());
}

/// Kills of a usual run; `HEIRLOOM_KILLS` sets another number.
const HOUSEHOLD_KILLS: u32 = 12;

/// An edit that was answered: whatever its level, it was saved.
fn answered(output: &Output) -> Option<String> {
    let saved: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    saved["id"].as_str().map(str::to_owned)
}

/// Starts a node where the others find it again.
fn start(home: &Path, port: u16, arguments: &[&str]) -> Up {
    let mut command = heirloom(home);
    let listen = format!("/ip4/127.0.0.1/tcp/{port}");
    command.args(["--json", "-v", "up", "--no-mdns", "--listen", &listen]);
    Up::from(home, command.args(arguments))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Kills a node of a household of three, again and again, while two of them write.
#[test]
fn a_household_whose_nodes_are_killed_loses_no_answered_write() {
    let kills = std::env::var("HEIRLOOM_KILLS").ok();
    let kills = kills.map_or(HOUSEHOLD_KILLS, |kills| kills.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let homes = ["phone", "laptop", "keeper"].map(|name| folder.path().join(name));
    init(&homes[0], "phone");
    let ports = [free_port(), free_port(), free_port()];
    let mut nodes = vec![start(&homes[0], ports[0], &[])];
    for (device, role) in [(1, "member"), (2, "keeper")] {
        let link = nodes[0].invite(role);
        let arguments = ["--join", &link, "--device", role];
        nodes.push(start(&homes[device], ports[device], &arguments));
    }
    let mut records: BTreeSet<String> = BTreeSet::new();
    let mut edits: Vec<(String, String)> = Vec::new();
    let mut state = 11;
    for round in 0..kills {
        let writers: Vec<(Option<String>, String, Child)> = (0..2)
            .map(|writer| {
                let title = format!("title=edit-{round}-{writer}-end");
                let level = ["local", "peer:1", "keeper"][next(&mut state) as usize % 3];
                let place = next(&mut state) as usize % 10;
                // The first ten notes are edited over and over.
                let edited =
                    records.iter().nth(place).filter(|_| !place.is_multiple_of(3)).cloned();
                let mut command = heirloom(&homes[writer]);
                command.args(["--json", "notes"]);
                match &edited {
                    Some(id) => command.args(["set", id, &title]),
                    None => command.args(["add", &title, "body=text"]),
                };
                command.args(["--wait", level, "--timeout", "1"]);
                command.stdout(Stdio::piped()).stderr(Stdio::null());
                (edited, title, command.spawn().unwrap())
            })
            .collect();
        let victim = next(&mut state) as usize % 3;
        std::thread::sleep(Duration::from_micros(next(&mut state) % 80_000));
        nodes.remove(victim).kill();
        for (edited, title, writer) in writers {
            let output = writer.wait_with_output().unwrap();
            let Some(id) = answered(&output) else { continue };
            edits.push((id.clone(), title.trim_start_matches("title=").to_owned()));
            if edited.is_none() && records.len() < 10 {
                records.insert(id);
            }
        }
        // A command that finds no node running writes into the folder itself.
        nodes.insert(victim, start(&homes[victim], ports[victim], &[]));
    }
    eventually("all three hold the same", || {
        let digests: BTreeSet<String> = homes.iter().map(|home| digest(home)).collect();
        digests.len() == 1
    });
    homes.iter().for_each(|home| check_histories(home, &edits));
    let enough = usize::try_from(kills).unwrap();
    assert!(edits.len() > enough / 2, "only {} edits were answered", edits.len());
    println!("{kills} kills, {} answered edits", edits.len());
}

/// Looks for every edit in the history of its note.
fn check_histories(home: &Path, edits: &[(String, String)]) {
    let mut histories: BTreeMap<&str, String> = BTreeMap::new();
    for (id, title) in edits {
        let history = histories
            .entry(id)
            .or_insert_with(|| run_json(home, &["notes", "history", id]).expect(0).stdout);
        assert!(history.contains(title), "{} lost {title} of {id}", home.display());
    }
}
