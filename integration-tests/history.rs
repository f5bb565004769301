//! What happened to a record, what is in conflict, and the way back: real processes.

use crate::common::{Up, digest, eventually, heirloom, init, run, run_json};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// Two devices of one account, both off.
fn pair(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    init(&one, "phone");
    let first = Up::start(&one, &[]);
    let link = first.invite("member");
    run_json(&other, &["join", &link, "--device", "laptop", "--no-mdns"]).expect(0);
    assert_eq!(first.stop(), 0);
    (one, other)
}

/// Switches both on until they hold the same.
fn meet(one: &Path, other: &Path) {
    let first = Up::start(one, &[]);
    let second = Up::start(other, &["--peer", &first.address()]);
    eventually("both hold the same", || digest(one) == digest(other));
    assert_eq!((first.stop(), second.stop()), (0, 0));
}

fn rows(home: &Path, arguments: &[&str]) -> Vec<Value> {
    run_json(home, arguments).lines()
}

#[test]
fn a_conflict_is_chosen_on_one_device_and_an_old_version_restored_on_the_other() {
    let folder = TempDir::new().unwrap();
    let (one, other) = pair(&folder);
    let saved = run_json(&one, &["notes", "add", "title=Plan", "body=one\ntwo"]).expect(0);
    let id = saved.json()["id"].as_str().unwrap().to_owned();
    meet(&one, &other);
    run(&one, &["notes", "set", &id, "title=Phone"]).expect(0);
    run(&other, &["notes", "set", &id, "title=Laptop"]).expect(0);
    meet(&one, &other);

    let conflicts = rows(&one, &["notes", "conflicts", &id[..10]]);
    assert_eq!(conflicts, rows(&other, &["notes", "conflicts"]));
    assert_eq!((conflicts.len(), &conflicts[0]["field"]), (1, &"title".into()));
    let loser = &conflicts[0]["losers"][0];
    let number = loser["number"].to_string();
    let wrong = run_json(&one, &["notes", "resolve", &id, "body", "--keep", "1"]).expect(1);
    assert!(wrong.stderr.contains("no-conflict") && wrong.stderr.contains("conflicts"));
    run(&one, &["notes", "resolve", &id, "--keep", &number]).expect(0);
    meet(&one, &other);
    for home in [&one, &other] {
        assert!(rows(home, &["notes", "conflicts"]).is_empty());
        let shown = run_json(home, &["notes", "show", &id]).expect(0).json();
        assert_eq!(shown["title"], loser["value"]);
        assert_eq!(shown["authors"]["title"]["by_name"], "phone", "it chose");
    }

    let history = rows(&other, &["notes", "history", &id]);
    assert_eq!(history, rows(&one, &["notes", "history", &id]));
    let kinds: Vec<&Value> = history.iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["created", "edited", "edited", "resolved"]);
    assert!(history.iter().all(|row| row["by"].as_str().unwrap().len() == 64), "{history:?}");
    let printed = run(&one, &["notes", "history", &id]).expect(0).stdout;
    assert!(printed.contains("created by phone") && printed.contains("    + one\n    + two\n"));
    assert!(printed.contains("  title: Plan\n  and 3 more lines of the file;"), "{printed}");
    assert!(!printed.contains("---") && !printed.contains("id:"), "{printed}");
    let birth = history[0]["edits"].as_array().unwrap();
    let fence = |edit: &&Value| edit["after"] == "---" && edit["structural"] == true;
    assert_eq!(birth.iter().filter(fence).count(), 2, "{birth:?}");

    run(&one, &["notes", "delete", &id]).expect(0);
    let refused = run_json(&one, &["notes", "set", &id, "title=x"]).expect(1);
    assert!(refused.stderr.contains("in-trash") && refused.stderr.contains("restore"));
    meet(&one, &other);
    run_json(&other, &["notes", "restore", &id, "--at", "2020-01-01"]).expect(1);
    let born = history[0]["change"].as_str().unwrap();
    run(&other, &["notes", "restore", &id, "--at", &born[..12]]).expect(0);
    meet(&one, &other);
    let shown = run_json(&one, &["notes", "show", &id]).expect(0).json();
    assert_eq!((&shown["title"], &shown["fields"]["body"]), (&"Plan".into(), &"one\ntwo".into()));
    assert_eq!(rows(&one, &["notes", "history", &id]).last().unwrap()["kind"], "restored");
}

#[test]
fn a_watcher_hears_who_wrote_and_ends_with_the_node_or_by_a_signal() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "phone");
    let node = Up::start(&home, &[]);
    let watch = || {
        let mut command = heirloom(&home);
        let command = command.args(["--json", "watch"]).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut remarks = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        remarks.read_line(&mut first).unwrap();
        assert!(first.contains("Watching"), "{first}");
        (child, remarks)
    };
    let ((mut interrupted, _), (mut lasting, mut remarks)) = (watch(), watch());
    let mut events = BufReader::new(lasting.stdout.take().unwrap()).lines();
    run(&home, &["notes", "add", "title=x"]).expect(0);
    let event: Value = loop {
        let event: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
        if event["event"] == "records_changed" {
            break event;
        }
    };
    assert_eq!((&event["category"], &event["by"]), (&"notes".into(), &node.ready["device_id"]));
    assert!(event["at"].is_string());
    let id = rustix::process::Pid::from_child(&interrupted);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(interrupted.wait().unwrap().code(), Some(0));
    assert_eq!(node.stop(), 0);
    assert_eq!(lasting.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut remarks, &mut rest).unwrap();
    assert!(rest.contains("The node has stopped"), "{rest}");
}
