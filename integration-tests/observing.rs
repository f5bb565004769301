//! What a running node tells about itself.

use crate::common::{Up, eventually, heirloom, init, run_json};
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

#[test]
fn the_log_is_lines_of_json_where_that_is_asked_for_and_never_holds_contents() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("phone");
    init(&home, "canaryDevice");
    let log = folder.path().join("log");
    let mut command = heirloom(&home);
    command.args(["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0", "--log", "json"]);
    command.args(["-vvv", "--json"]).stdout(Stdio::null());
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut node = command.spawn().unwrap();
    eventually("the node answers", || run_json(&home, &["status"]).json()["running"] == true);
    run_json(&home, &["notes", "add", "title=canaryTitle", "body=canaryBody"]).expect(0);
    node.kill().unwrap();
    node.wait().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.lines().count() > 3, "{text}");
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let named = ["timestamp", "level", "target"];
        assert!(named.iter().all(|name| entry[name].is_string()), "{line}");
    }
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn where_there_is_no_journal_a_node_says_so() {
    if Path::new("/run/systemd/journal/socket").exists() {
        return; // It would write to the journal of the machine.
    }
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("phone");
    init(&home, "phone");
    let mut command = heirloom(&home);
    command.args(["up", "--log", "journald"]).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut node = command.spawn().unwrap();
    assert_eq!(node.wait().unwrap().code(), Some(1));
    let mut text = String::new();
    node.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("no journal") && text.contains("--log text"), "{text}");
}

#[test]
fn status_counts_what_travels_by_device_and_protocol() {
    let folder = TempDir::new().unwrap();
    let (phone, laptop) = (folder.path().join("phone"), folder.path().join("laptop"));
    init(&phone, "phone");
    let first = Up::start(&phone, &[]);
    let link = first.invite("member");
    let second = Up::start(&laptop, &["--join", &link, "--device", "laptop"]);
    let added = ["notes", "add", "title=a", "body=b", "--wait", "peer:1", "--timeout", "20"];
    run_json(&laptop, &added).expect(0);
    let network = run_json(&laptop, &["status"]).expect(0).json()["network"].clone();
    let peers = network["peers"].as_array().unwrap();
    assert_eq!(peers.len(), 1, "{network}");
    assert_eq!(peers[0]["device_id"], first.ready["device_id"]);
    let sync = &peers[0]["protocols"]["/heirloom/sync/1"];
    assert!(sync["sent_bytes"].as_u64() > Some(100), "{network}");
    assert!(sync["received_bytes"].as_u64() > Some(100), "{network}");
    assert!(network["sent_bytes"].as_u64() >= sync["sent_bytes"].as_u64());
    assert_eq!((second.stop(), first.stop()), (0, 0));
}
