use super::*;
use crate::testing::{items, one};
use crate::{Standing, render};
use proptest::prelude::*;

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\n")
}

fn file(head: &str, events: &[String]) -> String {
    format!("BEGIN:VCALENDAR\n{head}{}END:VCALENDAR\n", events.concat())
}

fn exception(name: &str) -> String {
    event(&format!("RECURRENCE-ID:{name}\nSUMMARY:{name}\nBEGIN:VALARM\nEND:VALARM\n"))
}

/// Imports files one after the other; returns what is kept and what it says.
fn kept(birth: &[u8], files: &[Vec<u8>]) -> (Vec<u8>, Content) {
    let birth = one("a.ics", birth).content;
    let (mut text, mut content) = (None, birth.clone());
    for file in files {
        let raw = &items("a.ics", file)[0];
        let item = crate::taken(crate::parse(raw).unwrap());
        let last = text.map(|bytes| RawItem { bytes, ..raw.clone() });
        let import = Import::of(last.as_ref(), birth.clone(), (raw, &item.content)).unwrap();
        (text, content) = (Some(import.text), import.imported);
    }
    (text.unwrap(), content)
}

#[test]
fn what_an_item_holds_is_named() {
    let named = |events: &[String]| parts(&one("a.ics", file("", events).as_bytes()).content);
    let (series, one, two) = (event("SUMMARY:s\n"), exception("1"), exception("2"));
    assert_eq!(named(std::slice::from_ref(&series)), [""]);
    assert_eq!(named(&[one.clone(), two.clone()]), ["e1/l", "e2/l"]);
    assert_eq!(named(&[one, series]), ["", "e1/l"]);
}

#[test]
fn an_item_stands_to_those_before_it_by_what_it_holds() {
    let (series, part) = (event("SUMMARY:s\n"), exception("1"));
    let item = |events: &[String]| one("a.ics", file("", events).as_bytes());
    let both = item(&[series, part.clone()]);
    let part = item(&[part]);
    assert_eq!(Standing::of(&both, |_| None), Standing::New);
    assert_eq!(Standing::of(&both, |name| (!name.is_empty()).then_some(false)), Standing::New);
    assert_eq!(Standing::of(&part, |name| name.is_empty().then_some(false)), Standing::New);
    for is_same in [true, false] {
        let expected = if is_same { Standing::Same } else { Standing::Other };
        assert_eq!(Standing::of(&part, |_| Some(is_same)), expected);
        assert_eq!(Standing::of(&both, |_| Some(is_same)), expected);
    }
    let nameless = Item { uid: None, ..part };
    assert_eq!(Standing::of(&nameless, |_| Some(true)), Standing::Same);
    assert_eq!(Standing::of(&nameless, |_| Some(false)), Standing::Other);
}

#[test]
fn an_occurrence_joins_a_series_in_another_writing() {
    let series = file("X-OWN:1\n", &[event("RRULE:FREQ=DAILY\n"), exception("1")]);
    let changed = exception("1").replace("SUMMARY:1", "SUMMARY:a\n  b");
    let part = file("METHOD:REQUEST\n", &[exception("2"), changed.clone()]);
    let expected = file("X-OWN:1\n", &[event("RRULE:FREQ=DAILY\n"), exception("2"), changed]);
    let windows = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let wide = |text: &str| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    for (birth, part) in [
        (series.clone().into_bytes(), windows(&part)),
        (windows(&series), part.clone().into_bytes()),
        (wide(&series), part.clone().into_bytes()),
        (series.clone().into_bytes(), wide(&part)),
        (series.clone().into_bytes(), format!("\u{feff}{part}").into_bytes()),
    ] {
        let (_, content) = kept(&birth, std::slice::from_ref(&part));
        let shown =
            String::from_utf8(encoding::plain(&render(&CALENDAR, &content, "1")).0.into_owned());
        let shown = shown.unwrap().replace("\r\n", "\n");
        let lines =
            |text: &str| text.split("BEGIN:VEVENT").map(str::to_owned).collect::<BTreeSet<_>>();
        let fit = |text: &str| lines(&text.replace("END:VCALENDAR\n", ""));
        assert_eq!(fit(&shown), fit(&expected));
        // What is kept says the same, with the series in it or without.
        let (text, twice) = kept(&birth, &[birth.clone(), part]);
        assert_eq!(read(&text), Some(twice.clone()));
        assert_eq!(render(&CALENDAR, &twice, "1"), render(&CALENDAR, &content, "1"));
        assert_eq!(Files::read(&text).whole.unwrap().1, one("a.ics", &birth).content);
    }
}

#[test]
fn a_record_of_too_many_occurrences_is_refused() {
    let large =
        |name: &str| event(&format!("RECURRENCE-ID:{name}\nSUMMARY:{}\n", "x".repeat(600_000)));
    let birth = one("a.ics", file("", &[large("1")]).as_bytes()).content;
    let raw = &items("a.ics", file("", &[large("2")]).as_bytes())[0];
    let content = crate::parse(raw).unwrap().content;
    let error = Import::of(None, birth, (raw, &content)).unwrap_err();
    assert!(error.reason.starts_with("what has one UID is too large"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn only_the_last_file_of_an_occurrence_is_kept(
        names in prop::collection::vec((0u8..4, 0u8..3), 1..8),
    ) {
        let birth = file("", &[event("RRULE:FREQ=DAILY\n")]);
        let part = |(name, version): &(u8, u8)| {
            let own = exception(&name.to_string()).replace("SUMMARY:", &format!("SUMMARY:{version} "));
            file("", &[own]).into_bytes()
        };
        let files: Vec<Vec<u8>> = names.iter().map(part).collect();
        let (text, content) = kept(birth.as_bytes(), &files);
        let last: BTreeMap<u8, u8> = names.iter().copied().collect();
        prop_assert_eq!(Files::read(&text).parts.len(), last.len());
        let shown = String::from_utf8(render(&CALENDAR, &content, "1")).unwrap();
        for (name, version) in &last {
            let line = format!("\nSUMMARY:{version} {name}\n");
            prop_assert_eq!(shown.matches(&line).count(), 1, "{}", shown);
        }
        prop_assert_eq!(shown.matches("BEGIN:VEVENT").count(), last.len() + 1);
        prop_assert_eq!(crate::split("a.ics", shown.as_bytes(), None).unwrap().skipped, []);
    }

    #[test]
    fn foreign_bytes_are_no_last_import(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(read(&bytes), None);
    }
}
