//! What holds for any record, also for one that nobody would write.

use heirloom_formats::{
    Edits, Item, RawItem, content_uid, edit, field_of, file_name, is_bookkeeping, parse,
    parse_assignments, project, render, replace, split,
};
use heirloom_schema::{CATEGORIES, CategorySpec, Content, Value};
use proptest::prelude::*;

const TIE: &str = "0badcafe";

/// Pieces that cards, calendars, notes and settings are made of.
const PIECES: &[&str] = &[
    "BEGIN:VCARD",
    "END:VCARD",
    "BEGIN:VCALENDAR",
    "END:VCALENDAR",
    "BEGIN:VEVENT",
    "END:VEVENT",
    "BEGIN:VALARM",
    "END:VALARM",
    "BEGIN:VTIMEZONE",
    "END:VTIMEZONE",
    "AGENT:",
    "VERSION:2.1",
    "VERSION:4.0",
    "UID:1",
    "UID:",
    "N:a;b",
    "FN:\u{fc}",
    "TEL;CELL:1",
    "PHOTO;ENCODING=b:AAAA",
    "NOTE;ENCODING=QUOTED-PRINTABLE:a=",
    "=C3=BC",
    "TZID:X",
    "DTSTART;TZID=X:20260101T000000",
    "DTEND;VALUE=DATE:20260102",
    "DURATION:P1D",
    "RECURRENCE-ID:1/2",
    "RRULE:FREQ=SECONDLY",
    "SUMMARY:\\n\\,",
    "---",
    "id: 1",
    "title: \"x",
    "# h",
    "{",
    "}",
    "\"a\": 1",
    ",",
    " folded",
    "\tfolded",
    "",
    ":",
    ";",
    "\"",
    "\u{feff}",
    "item1.",
    "\0",
];

/// A file that is nearly right.
fn damaged_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let end = prop::sample::select(vec!["\r\n", "\n", "\r", ""]);
    prop::collection::vec((piece, end), 0..30).prop_map(|lines| {
        lines
            .into_iter()
            .flat_map(|(piece, end)| [piece, end.as_bytes().to_vec()].concat())
            .collect()
    })
}

/// A line of a card, folded or not.
fn card_line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "FN",
        "N",
        "TEL",
        "item1.TEL",
        "EMAIL",
        "NOTE",
        "X-OWN",
        "ADR",
        "item1.X-ABLabel",
        "REV",
    ]);
    let parameters =
        prop::sample::select(vec!["", ";TYPE=CELL", ";TYPE=\"a,b\"", ";X-A=\"b:c;d\""]);
    let value = "[a-z\u{fc}\u{1f382};,:\\\\ ]{0,12}(\r\n [a-z]{1,5})?";
    (name, parameters, value)
        .prop_map(|(name, parameters, value)| format!("{name}{parameters}:{value}\r\n"))
}

fn card(lines: &[String]) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\n{}END:VCARD\r\n", lines.concat())
}

fn item(text: &str) -> Item {
    let items = split("a.vcf", text.as_bytes(), None).expect("a card is recognised").items;
    parse(&items[0]).expect("a whole card is read")
}

fn contacts() -> &'static CategorySpec {
    heirloom_schema::by_id("contacts").expect("contacts are registered")
}

fn applied(content: &Content, edits: Edits) -> Content {
    let mut content = content.clone();
    for (key, value) in edits {
        match value {
            Some(value) => content.insert(key, value),
            None => content.remove(&key),
        };
    }
    content
}

/// Calls everything that reads a content.
fn read_all(category: &'static CategorySpec, content: &Content) {
    drop((project(category, content), render(category, content, "uid")));
    drop((file_name(category, content, "uid"), render(category, content, "h-0")));
    for (key, value) in content {
        drop((field_of(category, key, value), is_bookkeeping(category, key, value)));
    }
    for text in
        ["name=x", "phone:cell=1", "title=x", "start=2026-01-01", "body=y", "a=1", "all_day=true"]
    {
        if let Ok(edits) = parse_assignments(category, &[text.to_owned()])
            && let Ok(edits) = edit(category, content, &edits, TIE)
        {
            let edited = applied(content, edits);
            drop((project(category, &edited), render(category, &edited, "uid")));
            drop(replace(category, content, &edited, content, TIE).edits);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_card_comes_back_byte_for_byte(lines in prop::collection::vec(card_line(), 0..12)) {
        let text = card(&lines);
        let item = item(&text);
        prop_assert_eq!(render(item.category, &item.content, "1"), text.as_bytes());
    }

    #[test]
    fn an_edit_leaves_every_other_line_byte_for_byte(
        lines in prop::collection::vec(card_line(), 0..12),
        field in prop::sample::select(vec!["note", "phone", "email", "address", "name"]),
    ) {
        let before = item(&card(&lines));
        let edits = parse_assignments(contacts(), &[format!("{field}=New value")]).unwrap();
        let after = applied(&before.content, edit(contacts(), &before.content, &edits, TIE).unwrap());
        for (key, value) in &before.content {
            let belongs = field_of(contacts(), key, value).as_deref() == Some(field);
            let is_label = field_of(contacts(), key, value).as_deref() == Some("x-ablabel");
            prop_assert!(belongs || is_label || after.get(key) == Some(value), "{key}");
        }
        let again = item(&String::from_utf8(render(contacts(), &after, "1")).unwrap());
        let values = |content| project(contacts(), content).fields;
        prop_assert_eq!(values(&again.content), values(&after));
    }

    #[test]
    fn a_reimport_is_idempotent_and_complete(
        lines in prop::collection::vec(card_line(), 0..8),
        added in prop::collection::vec((any::<prop::sample::Index>(), card_line()), 0..4),
        removed in any::<prop::sample::Index>(),
    ) {
        let base = item(&card(&lines));
        let mut new = lines.clone();
        if !new.is_empty() {
            new.remove(removed.index(new.len()));
        }
        for (at, line) in added {
            new.insert(at.index(new.len() + 1), line);
        }
        let imported = item(&card(&new));
        let once = replace(contacts(), &base.content, &base.content, &imported.content, TIE).edits;
        let merged = applied(&base.content, once);
        let sorted = |content: &Content| {
            let mut values: Vec<Value> = content.values().cloned().collect();
            values.sort();
            values
        };
        prop_assert_eq!(sorted(&merged), sorted(&imported.content));
        let twice = replace(contacts(), &base.content, &merged, &imported.content, TIE).edits;
        prop_assert_eq!(twice, vec![]);
    }

    #[test]
    fn an_import_never_reverts_what_it_did_not_change(
        lines in prop::collection::vec(card_line(), 0..8), added in card_line(),
    ) {
        let base = item(&card(&lines));
        let edits = ["note=Mine alone".to_owned()];
        let edits = parse_assignments(contacts(), &edits).unwrap();
        let current = applied(&base.content, edit(contacts(), &base.content, &edits, TIE).unwrap());
        let imported = item(&card(&[lines, vec![added]].concat()));
        let merged = replace(contacts(), &base.content, &current, &imported.content, TIE).edits;
        let merged = applied(&current, merged);
        let text = String::from_utf8(render(contacts(), &merged, "1")).unwrap();
        prop_assert!(text.contains("NOTE") && text.contains(":Mine alone\r\n"));
    }
}

/// Changes of a card as a user makes them one after the other.
const CARD_EDITS: &[&str] = &[
    "phone=7",
    "phone=",
    "phone+=7",
    "phone:work+=8",
    "email=new@example.org",
    "email=",
    "address=;;Road 1;Town;;1;",
    "birthday=2001-02-03",
    "note=x",
    "note=",
    "url+=http://u",
    "name=Other",
    "organization=O",
];

/// Changes of an event.
const EVENT_EDITS: &[&str] = &[
    "timezone=Asia/Tokyo",
    "timezone=America/New_York",
    "timezone=",
    "start=2026-06-02T10:00",
    "end=2026-06-02T12:00",
    "start=2026-06-02T10:00:00Z",
    "all_day=true",
    "all_day=false",
    "title=Other",
    "location=There",
    "location=",
    "rrule=FREQ=DAILY;COUNT=3",
    "rrule=",
    "description=d",
];

/// Returns a content after edits, but for those that do not fit it.
fn edited(category: &'static CategorySpec, content: &Content, edits: &[&str]) -> Content {
    let mut content = content.clone();
    for (number, text) in edits.iter().enumerate() {
        let edits = parse_assignments(category, &[(*text).to_owned()]).expect("a known field");
        let tie = format!("0badca{number:02x}");
        let changes = edit(category, &content, &edits, &tie).unwrap_or_default();
        content = applied(&content, changes);
    }
    content
}

fn some_of(edits: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(edits), 1..7)
}

/// Imports the file of a record into this record; returns what that changes.
fn own_export(category: &'static CategorySpec, base: &Content, current: &Content) -> Edits {
    let bytes = render(category, current, "1");
    let again = parse(&RawItem { category, name: "a".into(), line: 1, bytes });
    let again = again.expect("what was rendered is read");
    replace(category, base, current, &again.content, TIE).edits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_own_export_of_a_card_changes_nothing(
        lines in prop::collection::vec(card_line(), 0..8), edits in some_of(CARD_EDITS),
    ) {
        let base = item(&card(&lines)).content;
        let current = edited(contacts(), &base, &edits);
        prop_assert_eq!(own_export(contacts(), &base, &current), vec![]);
    }

    #[test]
    fn an_own_export_of_an_event_changes_nothing(
        start in prop::sample::select(vec![
            "DTSTART:20260601T080000Z\r\nDTEND:20260601T090000Z\r\n",
            "DTSTART:20260601T080000\r\nDURATION:PT1H\r\n",
            "DTSTART;VALUE=DATE:20260601\r\n",
            "DTSTART;TZID=Europe/Berlin:20260601T080000\r\nDTEND;TZID=Europe/Berlin:20260601T090000\r\n",
        ]),
        edits in some_of(EVENT_EDITS),
    ) {
        let calendar = heirloom_schema::by_id("calendar").unwrap();
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:A\r\n{start}\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        let items = split("a.ics", text.as_bytes(), None).unwrap().items;
        let base = parse(&items[0]).unwrap().content;
        let current = edited(calendar, &base, &edits);
        prop_assert_eq!(own_export(calendar, &base, &current), vec![]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_files_do_no_harm(bytes in damaged_file(), name in prop::sample::select(vec!["a.vcf", "b.ics", "c.md", "d.json", "e"])) {
        for category in [None].into_iter().chain(CATEGORIES.iter().map(|category| Some(category.id))) {
            let Ok(split) = split(name, &bytes, category) else { continue };
            for raw in &split.items {
                let item = parse(raw);
                prop_assert!(item.is_ok() || raw.category.id == "notes", "{item:?}");
                let Ok(item) = item else { continue };
                let uid = item.uid.clone().unwrap_or_else(|| content_uid(&item));
                prop_assert!(item.content.keys().all(|key| !key.starts_with('!')));
                prop_assert_eq!(&render(item.category, &item.content, &uid), &raw.bytes);
                read_all(item.category, &item.content);
            }
        }
    }

    #[test]
    fn damaged_items_do_no_harm(bytes in damaged_file()) {
        for category in CATEGORIES {
            let raw = RawItem { category, name: "a/b".into(), line: 1, bytes: bytes.clone() };
            if let Ok(item) = parse(&raw) {
                let uid = item.uid.clone().unwrap_or_else(|| content_uid(&item));
                prop_assert_eq!(&render(category, &item.content, &uid), &bytes);
            }
        }
    }

    #[test]
    fn foreign_contents_do_no_harm(
        entries in prop::collection::btree_map(
            "l0000[1-9]0|l8\\.00000000|c000010|z000020|e/l0000[1-9]0|ex/l00001|f0000[1-4]0|body|name|eol|open|s:[ab]|order|style|source|!import|[a-z]{1,3}",
            prop_oneof![
                prop::sample::select(PIECES).prop_map(|piece| Value::Str(piece.to_owned())),
                prop::sample::select(PIECES).prop_map(|piece| Value::Text(piece.to_owned())),
                prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
                any::<i64>().prop_map(Value::Int),
            ],
            0..10,
        ),
    ) {
        for category in CATEGORIES {
            read_all(category, &entries);
        }
    }
}
