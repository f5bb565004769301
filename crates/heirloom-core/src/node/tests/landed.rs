//! What is durable goes to the others before it takes effect here.

use super::super::*;
use super::household::{House, texts};
use heirloom_base::Decode as _;
use heirloom_sync::Message;

const COMMAND: CommandId = CommandId(1_000);

/// Returns two connected devices, and an edit of the first that lies on its disk
/// and that it has not heard of.
fn durable() -> (House, Input) {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=before"]);
    house.pass(2_000);
    let (category, assignments) = ("notes".to_owned(), texts(&["title=after"]));
    let set = Command::Set { category, id, assignments, wait: Wait::default() };
    house.take_in(0, Input::Command { id: COMMAND, command: set });
    let effects = house.turn(0);
    let [Effect::Append { id, frames, .. }] = effects.as_slice() else {
        panic!("it wants one thing: {effects:?}")
    };
    let storage = &mut house.devices[0].storage;
    let lsn = Lsn(storage.frames.len() as u64 + 1);
    assert_eq!(frames.len(), 1);
    storage.frames.insert(lsn, frames[0].clone());
    (house, Input::Appended { id: *id, result: Ok(vec![lsn]) })
}

fn is_answer(effect: &Effect) -> bool {
    matches!(effect, Effect::Reply { id: COMMAND, .. })
}

fn entries_sent(effects: &[Effect]) -> usize {
    let entries = |effect: &Effect| match effect {
        Effect::Send { bytes, .. } => match Message::from_bytes(bytes) {
            Ok(Message::Entries { entries, .. }) => entries.len(),
            _ => 0,
        },
        _ => 0,
    };
    effects.iter().map(entries).sum()
}

#[test]
fn an_edit_that_is_durable_travels_before_it_takes_effect_and_once() {
    let (mut house, appended) = durable();
    let first = house.take_in(0, appended);
    assert_eq!(
        (entries_sent(&first), first.iter().filter(|effect| is_answer(effect)).count()),
        (1, 0)
    );
    let then = house.turn(0);
    assert_eq!(
        (entries_sent(&then), then.iter().filter(|effect| is_answer(effect)).count()),
        (0, 1)
    );
}

#[test]
fn whatever_is_heard_next_finds_that_it_has_taken_effect() {
    let (mut house, appended) = durable();
    house.take_in(0, appended);
    let list = Command::Export { category: "notes".to_owned(), after: None, limit: 9 };
    let effects = house.take_in(0, Input::Command { id: CommandId(1_001), command: list });
    assert!(effects.iter().any(is_answer), "the edit was answered first");
    let exported = format!("{effects:?}");
    assert!(exported.contains("after") && !exported.contains("before"), "{exported}");
}
