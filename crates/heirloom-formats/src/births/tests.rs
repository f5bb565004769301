use super::*;
use crate::item::RawItem;
use heirloom_schema::category::calendar::CALENDAR;
use heirloom_schema::category::contacts::CONTACTS;
use heirloom_schema::category::notes::NOTES;
use proptest::prelude::*;

fn parsed(category: &'static CategorySpec, name: &str, text: &str) -> Content {
    let bytes = text.as_bytes().to_vec();
    let raw = RawItem { category, name: name.to_owned(), line: 1, bytes };
    crate::parse(&raw).unwrap().content
}

fn card(lines: &[&str]) -> Content {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:b\r\n{lines}END:VCARD\r\n");
    parsed(&CONTACTS, "a.vcf", &text)
}

/// What the merge by key shows of births, the strongest first.
fn merged(births: &[Content]) -> Content {
    births.iter().rev().flat_map(Clone::clone).collect()
}

fn text(category: &CategorySpec, content: &Content) -> String {
    String::from_utf8(crate::render(category, content, "b")).unwrap()
}

fn versions(births: &[Content]) -> Vec<Version<'_>> {
    births.iter().map(|born| Version { born, lone: born }).collect()
}

fn united(category: &CategorySpec, births: &[Content]) -> (String, Vec<String>) {
    let nothing = |_: &str| None;
    let United { content, rivals, .. } =
        unite(category, &versions(births), &merged(births), &nothing);
    let rivals = rivals
        .iter()
        .map(|one| one.value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned());
    (text(category, &content), rivals.collect())
}

#[test]
fn lines_that_only_one_card_has_are_there_and_the_card_ends_once() {
    let one = card(&["FN:Ann", "TEL:1"]);
    let other = card(&["PRODID:x", "FN:Ann", "EMAIL:q@q", "TEL:1", "ADR:;;a"]);
    let whole = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:b\r\nFN:Ann\r\nEMAIL:q@q\r\nTEL:1\r\nADR:;;a\r\nEND:VCARD\r\n";
    let births = [one, other];
    assert_eq!(united(&CONTACTS, &births).0, whole.replace("UID:b\r\n", "UID:b\r\nPRODID:x\r\n"));
    let back: Vec<Content> = births.iter().rev().cloned().collect();
    assert_eq!(united(&CONTACTS, &back).0, whole.replace("UID:b\r\n", "UID:b\r\nPRODID:x\r\n"));
}

#[test]
fn what_a_card_has_once_has_a_rival() {
    let births = [
        card(&["FN:Ann", "N:;Ann;;;", "TEL:1"]),
        card(&["N:;Anna;;;", "FN:Anna", "TEL:1", "TEL:2"]),
    ];
    let (text, rivals) = united(&CONTACTS, &births);
    assert_eq!(text.matches("TEL").count(), 2);
    assert_eq!(text.matches("FN:Ann\r\n").count(), 1);
    assert_eq!(rivals, ["N:;Anna;;;", "FN:Anna"]);
}

#[test]
fn what_was_made_of_a_line_since_stays() {
    let births = [card(&["FN:Ann", "TEL:1"]), card(&["FN:Ann", "TEL:1", "EMAIL:q@q"])];
    let whole = united(&CONTACTS, &births).0;
    let own = births[0].iter().find(|(_, value)| value.as_str() == Some("TEL:1")).unwrap().0;
    for (made, expected) in [
        (Some(Value::Str("TEL:2".to_owned())), whole.replace("TEL:1", "TEL:2")),
        (None, whole.replace("TEL:1\r\n", "")),
    ] {
        let decided = |key: &str| (key == own).then(|| made.clone());
        let shown = unite(&CONTACTS, &versions(&births), &merged(&births), &decided);
        assert_eq!(text(&CONTACTS, &shown.content), expected);
    }
}

#[test]
fn what_was_made_of_a_line_before_the_births_met_stays_with_it() {
    let one = card(&["FN:Ann", "TEL:1", "URL:a"]);
    let other = card(&["FN:Ann", "EMAIL:q@q", "TEL:1", "X-A:1"]);
    let changed = |birth: &Content, line: &str, edit: Option<&str>| {
        let key = birth.iter().find(|(_, value)| value.as_str() == Some(line)).unwrap().0.clone();
        let mut changed = birth.clone();
        match edit {
            Some(edit) => drop(changed.insert(key, Value::Str(edit.to_owned()))),
            None => drop(changed.remove(&key)),
        }
        changed
    };
    let shown = |lone: &Content, other_lone: &Content| {
        let births = [Version { born: &one, lone }, Version { born: &other, lone: other_lone }];
        let merged = merged(&[lone.clone(), other_lone.clone()]);
        text(&CONTACTS, &unite(&CONTACTS, &births, &merged, &|_| None).content)
    };
    let whole = shown(&one, &other);
    for line in ["EMAIL:q@q", "TEL:1", "X-A:1"] {
        let edit = format!("{line}2");
        assert_eq!(shown(&one, &changed(&other, line, Some(&edit))), whole.replace(line, &edit));
        let without = whole.replace(&format!("{line}\r\n"), "");
        assert_eq!(shown(&one, &changed(&other, line, None)), without, "{line}");
    }
    for line in ["URL:a", "TEL:1"] {
        let without = whole.replace(&format!("{line}\r\n"), "");
        assert_eq!(shown(&changed(&one, line, None), &other), without, "{line}");
    }
    let both = shown(&changed(&one, "TEL:1", None), &changed(&other, "EMAIL:q@q", None));
    assert_eq!(both, whole.replace("TEL:1\r\n", "").replace("EMAIL:q@q\r\n", ""));
}

#[test]
fn a_series_has_the_exceptions_of_both_and_one_end() {
    let event = |lines: &str, more: &str| {
        let head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n";
        parsed(
            &CALENDAR,
            "a.ics",
            &format!(
                "{head}BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20260101T100000Z\r\n{lines}END:VEVENT\r\n{more}END:VCALENDAR\r\n"
            ),
        )
    };
    let alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n";
    let moved = "BEGIN:VEVENT\r\nUID:b\r\nRECURRENCE-ID:20260102T100000Z\r\nDTSTART:20260102T120000Z\r\nEND:VEVENT\r\n";
    let short = event("RRULE:FREQ=DAILY;COUNT=3\r\nDURATION:PT1H\r\n", "");
    let long = event(
        &format!("DTEND:20260101T110000Z\r\nLOCATION:x\r\nRRULE:FREQ=DAILY;COUNT=3\r\n{alarm}"),
        moved,
    );
    for births in [[short.clone(), long.clone()], [long, short]] {
        let (text, rivals) = united(&CALENDAR, &births);
        assert_eq!(text.matches("END:VCALENDAR").count(), 1, "{text}");
        assert!(text.ends_with("END:VCALENDAR\r\n"), "{text}");
        assert_eq!(text.matches("BEGIN:VEVENT").count(), 2, "{text}");
        assert_eq!(text.matches("END:VEVENT").count(), 2, "{text}");
        assert_eq!(text.matches("LOCATION:x").count(), 1, "{text}");
        assert!(text.contains(alarm) && text.contains(moved), "{text}");
        assert_eq!(text.matches("DTEND").count() + text.matches("DURATION").count(), 1, "{text}");
        assert_eq!(rivals.len(), 1);
        let again = parsed(&CALENDAR, "a.ics", &text);
        assert_eq!(
            crate::project(&CALENDAR, &again).title,
            crate::project(&CALENDAR, &births[0]).title
        );
    }
}

#[test]
fn front_matter_has_the_entries_of_both() {
    let plain = parsed(&NOTES, "a.md", "---\nid: b\n---\ntext\n");
    let tagged = parsed(&NOTES, "a.md", "---\nid: b\ntags:\n- x\n- y\n---\ntext\n");
    let other = parsed(&NOTES, "a.md", "---\nid: b\ntags:\n- z\n---\ntext\n");
    let whole = "---\nid: b\ntags:\n- x\n- y\n---\ntext\n";
    assert_eq!(united(&NOTES, &[plain.clone(), tagged.clone()]).0, whole);
    assert_eq!(united(&NOTES, &[tagged.clone(), plain]).0, whole);
    let (text, _) = united(&NOTES, &[tagged, other]);
    for item in ["- x\n", "- y\n", "- z\n"] {
        assert_eq!(text.matches(item).count(), 1, "{text}");
    }
    assert!(text.ends_with("---\ntext\n") && text.matches("tags:").count() == 1, "{text}");
    let bare = parsed(&NOTES, "a.md", "text\n");
    let front = parsed(&NOTES, "a.md", "---\na: 1\n---\ntext\n");
    assert_eq!(united(&NOTES, &[bare, front]).0, "---\na: 1\nid: b\n---\ntext\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_line_of_every_birth_is_there_or_a_rival(
        births in prop::collection::vec(
            prop::collection::vec(
                prop::sample::select(vec!["FN:A", "FN:B", "TEL:1", "TEL:2", "EMAIL:a", "X-A:1", "BDAY:2000-01-01"]),
                0..6,
            ),
            2..4,
        ),
    ) {
        let cards: Vec<Content> = births.iter().map(|lines| card(lines)).collect();
        let (shown, rivals) = united(&CONTACTS, &cards);
        prop_assert_eq!(shown.matches("BEGIN:VCARD").count(), 1);
        prop_assert!(shown.ends_with("\r\nEND:VCARD\r\n") && shown.matches("END:VCARD").count() == 1);
        for line in births.iter().flatten() {
            let is_shown = shown.contains(&format!("\r\n{line}\r\n"));
            prop_assert!(is_shown || rivals.iter().any(|rival| rival == line), "{} in {}", line, shown);
            let most = births.iter().map(|lines| lines.iter().filter(|one| *one == line).count()).max();
            prop_assert!(Some(shown.matches(line).count()) <= most);
        }
        let first = text(&CONTACTS, &cards[0]);
        let kept: Vec<&str> = shown.lines().filter(|line| first.lines().any(|own| own == *line)).collect();
        let own: Vec<&str> = first.lines().collect();
        prop_assert!(own.iter().all(|line| kept.contains(line)));
    }
}
