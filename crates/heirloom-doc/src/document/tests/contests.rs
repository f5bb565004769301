use super::*;
use proptest::prelude::*;

/// Two devices that wrote a body anew apart, from `base`.
fn apart(base: &str, one: &str, other: &str) -> (Device, Device) {
    let mut born = content();
    born.insert("body".to_owned(), text(base));
    let born = birth(RECORD, &born).unwrap();
    let (mut phone, mut laptop) = (Device::new(1, &born), Device::new(2, &born));
    phone.edit(10, &[("body", Some(text(one)))]);
    laptop.edit(11, &[("body", Some(text(other)))]);
    meet(&mut phone, &mut laptop);
    (phone, laptop)
}

fn body(device: &Device) -> String {
    let Some(Value::Text(body)) = device.shown("body") else { panic!("no text") };
    body
}

/// How the body reads by each side.
fn sides(device: &Device) -> Vec<String> {
    let conflicts = device.document.conflicts().into_iter();
    let losers = conflicts.filter(|one| one.key == "body").flat_map(|one| one.losers);
    let read = losers.map(|loser| loser.value.unwrap().as_str().unwrap().to_owned());
    read.collect()
}

#[test]
fn words_that_two_wrote_anew_apart_are_at_odds() {
    let (phone, laptop) = apart("my PIN 1234, home", "my PIN 8271, home", "my PIN 5590, home");
    assert_eq!(sides(&phone), ["my PIN 5590, home", "my PIN 8271, home"]);
    let [conflict] = phone.document.conflicts().try_into().unwrap();
    assert_eq!(conflict.winner.value, Some(text(&body(&phone))));
    let actors: Vec<_> = conflict.losers.iter().map(|loser| (loser.actor, loser.hlc)).collect();
    assert_eq!(actors, [(laptop.actor(), Hlc(11)), (phone.actor(), Hlc(10))]);
}

#[test]
fn edits_of_other_places_and_of_one_place_without_removals_are_not_at_odds() {
    for (base, one, other) in [
        ("a b c", "x b c", "a b y"),
        ("a\n", "a\nmilk\n", "a\nbread\n"),
        ("a b c", "a c", "a c"),
        ("a b c", "a b c one", "a b c two"),
        ("gone a gone", "a one", "a two"),
    ] {
        let (phone, _) = apart(base, one, other);
        assert_eq!(sides(&phone), Vec::<String>::new(), "{base}: {}", body(&phone));
    }
}

#[test]
fn what_is_at_odds_is_one_place_and_the_rest_of_both_stays() {
    let (phone, _) = apart("at 14:30\nbring x", "now at 15:30\nbring x", "at 16:00\nbring x, y");
    assert_eq!(sides(&phone), ["at 16:00\nbring x, y", "now at 15:30\nbring x, y"]);
}

#[test]
fn numbers_and_times_are_at_odds_as_wholes() {
    for (base, one, other) in [
        ("Tel 030 1234567\n", "Tel 030 1234999\n", "Tel 030 7654567\n"),
        ("On Monday 10:00.", "On Tuesday 10:30.", "On Friday 11:00."),
        ("Milk", "Oat milk", "Soy milk"),
        ("a 10 b", "a 110 b", "a 120 b"),
        ("", "milk", "bread"),
        ("x Milk\ny", "x Oat milk\ny", "x Soy milk\ny"),
        ("我今天去", "我明天去", "我昨天去"),
    ] {
        let (phone, _) = apart(base, one, other);
        assert_eq!(sides(&phone), [other, one], "{}", body(&phone));
    }
    let (phone, _) = apart("On Monday. Bring x.", "On Friday. Bring x.", "On Sunday. Bring y.");
    assert_eq!(sides(&phone), ["On Sunday. Bring y.", "On Friday. Bring y."]);
}

#[test]
fn the_same_words_written_twice_are_chosen_once() {
    let (mut phone, mut laptop) = apart("teh cat", "the cat", "the cat");
    assert_eq!(sides(&phone), ["the cat"]);
    phone.edit(20, &[("body", Some(text("the cat")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!((body(&laptop).as_str(), sides(&laptop)), ("the cat", vec![]));
}

#[test]
fn choosing_settles_on_every_device() {
    let texts = ["PIN 8271", "PIN 8590"];
    let merged = body(&apart("PIN 1234", texts[0], texts[1]).0);
    for wanted in [texts[0], texts[1], &merged] {
        let (mut phone, mut laptop) = apart("PIN 1234", texts[0], texts[1]);
        assert_eq!(sides(&phone).len(), 2);
        let made = phone
            .document
            .settle(phone.actor(), Hlc(20), &[("body".to_owned(), Some(text(wanted)))])
            .unwrap();
        let log = phone.log;
        phone.offered.extend(made.into_iter().map(|change| Offered { log, change }));
        laptop.edit(21, &[("title", Some(string("other")))]);
        meet(&mut phone, &mut laptop);
        assert_eq!((body(&laptop).as_str(), sides(&laptop)), (wanted, vec![]));
        let history = laptop.document.history();
        let settled = history.iter().find(|change| change.hlc == Hlc(20)).unwrap();
        assert_eq!(settled.kind, ChangeKind::Resolved, "{wanted}");
        let [edit] = settled.edits.as_slice() else { panic!("{settled:?}") };
        assert!(edit.settled && edit.lost.iter().all(|lost| *lost != text(wanted)), "{edit:?}");
    }
}

#[test]
fn an_edit_elsewhere_leaves_it_at_odds_and_one_there_settles_it() {
    let (mut phone, mut laptop) = apart("PIN 1234", "PIN 8271", "PIN 5590");
    let longer = format!("{}\nof the bank", body(&phone));
    phone.edit(20, &[("body", Some(text(&longer)))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(sides(&laptop), ["PIN 5590\nof the bank", "PIN 8271\nof the bank"]);
    laptop.edit(21, &[("body", Some(text("PIN 5590\nof the bank")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!((body(&phone).as_str(), sides(&phone)), ("PIN 5590\nof the bank", vec![]));
}

#[test]
fn what_was_written_in_several_edits_is_one_side() {
    let (mut phone, mut laptop) = apart("a", "a", "a");
    for (hlc, words) in [(20, "b one"), (21, "b one two"), (22, "c one two")] {
        phone.edit(hlc, &[("body", Some(text(words)))]);
    }
    laptop.edit(23, &[("body", Some(text("d")))]);
    meet(&mut phone, &mut laptop);
    assert_eq!(sides(&phone), ["d", "c one two"]);
}

#[test]
fn every_word_of_a_long_list_is_read_by_each_side() {
    let list = |price: usize| -> String {
        (0..40).map(|item| format!("- item{item} price {}\n", price + item)).collect()
    };
    let (mut phone, mut laptop) = apart(&list(1_000), &list(2_000), &list(5_000));
    assert_eq!(sides(&phone), [list(5_000), list(2_000)]);
    phone.edit(20, &[("body", Some(text(&list(2_000))))]);
    meet(&mut phone, &mut laptop);
    assert_eq!((body(&laptop), sides(&laptop)), (list(2_000), vec![]));
}

#[test]
fn three_sides_are_three_versions() {
    let (mut phone, mut laptop) = apart("1", "1", "1");
    let mut tablet = Device::new(3, &[]);
    tablet.receive(phone.offered.clone());
    phone.edit(20, &[("body", Some(text("2")))]);
    laptop.edit(21, &[("body", Some(text("3")))]);
    tablet.edit(22, &[("body", Some(text("4")))]);
    meet(&mut phone, &mut laptop);
    meet(&mut laptop, &mut tablet);
    meet(&mut phone, &mut tablet);
    assert_eq!(sides(&phone), ["4", "3", "2"]);
}

#[test]
fn lines_that_two_add_to_a_note_all_the_time_are_not_at_odds() {
    let (mut phone, mut laptop) = apart("begin", "begin", "begin");
    for round in 0..12 {
        let lines = body(&phone);
        phone.edit(100 + 10 * round, &[("body", Some(text(&format!("{lines}\nphone {round}"))))]);
        laptop.edit(101 + 10 * round, &[("body", Some(text(&format!("{lines}\nlaptop {round}"))))]);
        meet(&mut phone, &mut laptop);
    }
    assert_eq!(sides(&phone), Vec::<String>::new(), "both only added");
    assert_eq!(body(&phone).lines().count(), 25);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_listed_version_settles_and_is_what_it_says(
        base in "[ab ]{0,12}", one in "[abc ]{0,12}", other in "[abd ]{0,12}", pick in 0usize..3,
    ) {
        let (mut phone, mut laptop) = apart(&base, &one, &other);
        let mut choices = sides(&phone);
        choices.push(body(&phone));
        let wanted = choices[pick % choices.len()].clone();
        phone.edit(20, &[("body", Some(text(&wanted)))]);
        meet(&mut phone, &mut laptop);
        prop_assert_eq!((body(&laptop), sides(&laptop)), (wanted, vec![]));
    }
}
