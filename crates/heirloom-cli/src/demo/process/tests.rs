//! Processes against an actor that plays this program.

use super::*;
use std::path::PathBuf;

fn actor() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/process/actor.sh")
}

fn pulse() -> Pulse {
    Pulse::new(Arc::new(AtomicBool::new(false)))
}

fn say(verb: &str, input: Option<&str>) -> Result<Output, Failure> {
    call(&actor(), Path::new("/home"), &[verb], input, &pulse())
}

fn node(verb: &str, folder: &Path) -> Result<(RunningNode, Value), Failure> {
    RunningNode::start(&actor(), folder, &[verb.into()], &folder.join("log"), &pulse())
}

#[test]
fn a_command_gets_its_input_and_gives_its_object() {
    let answer = say("repeat", Some("twelve words")).unwrap().object().unwrap();
    assert_eq!(answer["said"], "twelve words");
}

#[test]
fn a_failed_command_is_told_with_its_complaint() {
    let output = say("fail", None).unwrap();
    assert_eq!((output.code, output.lines.len()), (75, 1));
    let failure = output.object().unwrap_err();
    assert!(failure.text.contains("`heirloom fail` ended with 75: not yet there"), "{failure}");
}

#[test]
fn nothing_and_nonsense_are_no_object() {
    assert!(say("silent", None).unwrap().lines().unwrap().is_empty());
    assert!(say("silent", None).unwrap().object().is_err());
    assert!(say("garbled", None).is_err());
}

#[test]
fn a_node_is_up_after_its_first_event_and_ends_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let (node, ready) = node("up", folder.path()).unwrap();
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["home"], folder.path().to_str().unwrap());
    node.stop(&pulse()).unwrap();
}

#[test]
fn a_node_that_does_not_come_up_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let failure = node("unwilling", folder.path()).unwrap_err();
    assert!(failure.text.ends_with("the folder is taken"), "{failure}");
}

#[test]
fn a_dropped_node_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _) = node("up", folder.path()).unwrap();
    let id = rustix::process::Pid::from_child(&node.child);
    drop(node);
    assert!(rustix::process::test_kill_process(id).is_err());
}

#[test]
fn an_interrupted_demo_waits_for_nothing() {
    let pulse = Pulse::new(Arc::new(AtomicBool::new(true)));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(pulse.pause().unwrap_err().code, "interrupted");
    let result = call(&actor(), folder.path(), &["up"], None, &pulse);
    assert_eq!(result.unwrap_err().code, "interrupted");
}
