//! Edits that come at the same time share an entry.

use super::super::*;
use super::household::{House, texts};

fn set(id: u64, record: &str, title: &str) -> Input {
    let (category, assignments) = ("notes".to_owned(), texts(&[&format!("title={title}")]));
    let wait = Wait::default();
    let command = Command::Set { category, id: record.to_owned(), assignments, wait };
    Input::Command { id: CommandId(id), command }
}

/// Returns the frames of each append among effects.
fn appends(effects: &[Effect]) -> Vec<usize> {
    let frames = |effect: &Effect| match effect {
        Effect::Append { frames, .. } => Some(frames.len()),
        _ => None,
    };
    effects.iter().filter_map(frames).collect()
}

/// Returns how the commands among effects were answered, by number.
fn answers(effects: &[Effect]) -> Vec<(u64, bool)> {
    let answer = |effect: &Effect| match effect {
        Effect::Reply { id, result } => Some((id.0, result.is_ok())),
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

/// Puts on the disk what a device wants there; returns what it wants then.
fn durable(house: &mut House, effects: Vec<Effect>) -> Vec<Effect> {
    let mut wanted = Vec::new();
    for effect in effects {
        let Effect::Append { id, frames, .. } = effect else { continue };
        let stored = &mut house.devices[0].storage.frames;
        let end = stored.keys().next_back().map_or(0, |lsn| lsn.0);
        let lsns: Vec<Lsn> = (end + 1..).take(frames.len()).map(Lsn).collect();
        stored.extend(lsns.iter().copied().zip(frames));
        wanted.extend(house.take_in(0, Input::Appended { id, result: Ok(lsns) }));
        wanted.extend(house.turn(0));
    }
    wanted
}

fn exported(house: &mut House) -> String {
    let list = Command::Export { category: "notes".to_owned(), after: None, limit: 99 };
    let effects = house.take_in(0, Input::Command { id: CommandId(9_999), command: list });
    format!("{effects:?}")
}

#[test]
fn edits_of_one_moment_are_one_entry_and_each_is_answered_when_it_is_durable() {
    let mut house = House::of(&["phone"]);
    let notes =
        ["one", "two", "three"].map(|title| house.add(0, "notes", &[&format!("title={title}")]));
    for (number, record) in (0..).zip(&notes) {
        assert!(house.take_in(0, set(number, record, &format!("new {number}"))).is_empty());
    }
    let effects = house.turn(0);
    assert_eq!((appends(&effects), answers(&effects)), (vec![1], vec![]));
    let effects = durable(&mut house, effects);
    assert_eq!(answers(&effects), [(0, true), (1, true), (2, true)]);
    let exported = exported(&mut house);
    for number in 0..3 {
        assert!(exported.contains(&format!("new {number}")), "{exported}");
    }
}

#[test]
fn of_two_edits_of_one_record_the_later_counts_and_neither_is_lost() {
    let mut house = House::of(&["phone", "desk"]);
    let note = house.add(0, "notes", &["title=before"]);
    house.take_in(0, set(1, &note, "first"));
    house.take_in(0, set(2, &note, "second"));
    let effects = house.turn(0);
    assert_eq!(appends(&effects), [1]);
    assert_eq!(answers(&durable(&mut house, effects)), [(1, true), (2, true)]);
    assert!(exported(&mut house).contains("second"));
    let history = Command::History { category: "notes".to_owned(), id: note };
    let effects = house.take_in(0, Input::Command { id: CommandId(3), command: history });
    let history = format!("{effects:?}");
    assert!(["before", "first", "second"].iter().all(|title| history.contains(title)), "{history}");
}

#[test]
fn an_edit_that_is_refused_holds_up_no_other() {
    let mut house = House::of(&["phone"]);
    let note = house.add(0, "notes", &["title=before"]);
    house.take_in(0, set(1, &note, "after"));
    house.take_in(0, set(2, "feed", "nowhere"));
    house.take_in(0, set(3, &note, "last"));
    let effects = house.turn(0);
    assert_eq!((appends(&effects), answers(&effects)), (vec![1], vec![(2, false)]));
    assert_eq!(answers(&durable(&mut house, effects)), [(1, true), (3, true)]);
}

#[test]
fn what_the_disk_refuses_is_answered_to_all() {
    let mut house = House::of(&["phone"]);
    let note = house.add(0, "notes", &["title=before"]);
    house.take_in(0, set(1, &note, "first"));
    house.take_in(0, set(2, &note, "second"));
    let effects = house.turn(0);
    let Some(Effect::Append { id, .. }) = effects.first() else { panic!("{effects:?}") };
    let refused = Input::Appended { id: *id, result: Err(AppendError::Full) };
    let mut effects = house.take_in(0, refused);
    effects.extend(house.turn(0));
    assert_eq!(answers(&effects), [(1, false), (2, false)]);
    assert!(exported(&mut house).contains("before"));
}

#[test]
fn an_edit_that_is_not_small_stands_alone() {
    let mut house = House::of(&["phone"]);
    let note = house.add(0, "notes", &["title=before"]);
    house.take_in(0, set(1, &note, "small"));
    house.take_in(0, set(2, &note, &"large ".repeat(700)));
    house.take_in(0, set(3, &note, "small again"));
    let effects = house.turn(0);
    assert_eq!(appends(&effects), [1, 1, 1]);
    let answers = answers(&durable(&mut house, effects));
    assert_eq!(answers, [(1, true), (2, true), (3, true)]);
    assert!(exported(&mut house).contains("small again"));
}

#[test]
fn what_is_asked_next_finds_the_edit() {
    let mut house = House::of(&["phone"]);
    let note = house.add(0, "notes", &["title=before"]);
    house.take_in(0, set(1, &note, "after"));
    let show = Command::Show { category: "notes".to_owned(), id: note };
    let effects = house.take_in(0, Input::Command { id: CommandId(2), command: show });
    assert_eq!(appends(&effects), [1], "it is on its way first");
}

#[test]
fn edits_wait_for_those_that_are_on_their_way_and_share_the_next_entry() {
    let mut house = House::of(&["phone"]);
    let note = house.add(0, "notes", &["title=before"]);
    house.take_in(0, set(1, &note, "first"));
    let first = house.turn(0);
    for number in 2..5 {
        house.take_in(0, set(number, &note, &format!("title {number}")));
        assert!(appends(&house.turn(0)).is_empty());
    }
    let effects = durable(&mut house, first);
    assert_eq!((answers(&effects), appends(&effects)), (vec![(1, true)], vec![1]));
    assert_eq!(answers(&durable(&mut house, effects)), [(2, true), (3, true), (4, true)]);
}

#[test]
fn what_a_disk_does_not_confirm_is_not_called_unsaved_and_the_status_names_it() {
    let mut house = House::of(&["phone"]);
    let note = house.add(0, "notes", &["title=before"]);
    let codes = |house: &mut House| {
        let effects =
            house.take_in(0, Input::Command { id: CommandId(7), command: Command::Status });
        let Some(Effect::Reply { result, .. }) = effects.first() else { panic!("{effects:?}") };
        let Ok(Answer::Status(status)) = &**result else { panic!("{result:?}") };
        status.problems.iter().map(|problem| problem.code.clone()).collect::<Vec<_>>()
    };
    house.take_in(0, set(1, &note, "after"));
    let effects = house.turn(0);
    let Some(Effect::Append { id, .. }) = effects.first() else { panic!("{effects:?}") };
    let error = AppendError::Failed("it does not answer".to_owned());
    let effects = house.take_in(0, Input::Appended { id: *id, result: Err(error) });
    let Some(Effect::Reply { result, .. }) = effects.first() else { panic!("{effects:?}") };
    let Err(failure) = &**result else { panic!("{result:?}") };
    assert!(failure.text.starts_with("It is not certain"), "{}", failure.text);
    assert!(codes(&mut house).contains(&"disk-failed".to_owned()));
    house.turn(0);
    house.take_in(0, set(2, &note, "after"));
    let effects = house.turn(0);
    durable(&mut house, effects);
    assert!(!codes(&mut house).contains(&"disk-failed".to_owned()));
}
