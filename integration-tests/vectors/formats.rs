//! Items of files: the uids of those that carry none, and the keys of lines
//! that are added to records.

use heirloom_base::hash;
use heirloom_base::id::to_hex;
use heirloom_schema::{Content, Value};
use serde_json::{Value as Json, json};

const PICTURE: &[u8] = &[0x89, b'P', b'N', b'G', 0, 0xff];

/// Name, file, bytes, and the parts that the document says count, in its order.
type Uncarried = (&'static str, &'static str, &'static [u8], &'static [&'static [u8]]);

/// Items that carry no uid.
fn items_without_uid() -> [Uncarried; 4] {
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:a program\r\nFN:Ada\r\nNOTE:one\r\n  two\r\n\
                AGENT:\r\nBEGIN:VCARD\r\nFN:Bo\r\nREV:1\r\nEND:VCARD\r\nREV:20260101\r\nEND:VCARD\r\n";
    let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:a program\r\nBEGIN:VEVENT\r\n\
                 DTSTAMP:20260101T000000Z\r\nSEQUENCE:3\r\nSUMMARY:Tea\r\nDTSTART:20260102T150000Z\r\n\
                 BEGIN:VALARM\r\nACTION:DISPLAY\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let note = "---\ntags: [a]\n---\n# Soup\n\nWater.\n";
    let card_parts: &[&[u8]] = &[
        b"BEGIN:VCARD",
        b"VERSION:3.0",
        b"FN:Ada",
        b"NOTE:one two",
        b"AGENT:BEGIN:VCARDFN:BoREV:1END:VCARD",
        b"END:VCARD",
    ];
    let event_parts: &[&[u8]] = &[
        b"BEGIN:VEVENT",
        b"SUMMARY:Tea",
        b"DTSTART:20260102T150000Z",
        b"BEGIN:VALARMACTION:DISPLAYEND:VALARM",
        b"END:VEVENT",
    ];
    let note_parts: &[&[u8]] =
        &[b"Kitchen/Soups/txt", b"# Soup\n\nWater.\n", b"---", b"tags: [a]", b"---"];
    let picture_parts: &[&[u8]] = &[b"attachment", b"Kitchen/soup/png", PICTURE];
    [
        ("card", "one.vcf", card.as_bytes(), card_parts),
        ("event", "one.ics", event.as_bytes(), event_parts),
        ("note in a folder", "Kitchen/Soups.txt", note.as_bytes(), note_parts),
        ("file beside notes", "Kitchen/soup.png", PICTURE, picture_parts),
    ]
}

/// Orders of lines between which one is added.
const PLACES: [(Option<&str>, Option<&str>); 9] = [
    (None, None),
    (None, Some("000010")),
    (Some("000010"), Some("000020")),
    (Some("000018.3c4d1980"), Some("000020")),
    (Some("000010"), Some("000011")),
    (Some("000018.3c4d1980"), Some("000018.3c4d1981")),
    (Some("000018"), Some("000018.3c4d1980")),
    (Some("000050"), None),
    (Some("f.ffffffff"), None),
];

/// Where a line is added: digits between those of its neighbours.
fn places() -> Json {
    let line = |order: &str, line: &str| (format!("l{order}"), Value::Str(line.to_owned()));
    let contacts = heirloom_schema::by_id("contacts").unwrap();
    let edits = heirloom_formats::parse_assignments(contacts, &["phone+=2".to_owned()]).unwrap();
    let shown = PLACES.map(|(low, high)| {
        let above = low.map(|order| line(order, "TEL:1"));
        let content: Content =
            above.into_iter().chain(high.map(|order| line(order, "END:VCARD"))).collect();
        let made = heirloom_formats::edit(contacts, &content, &edits, "00000000").unwrap();
        let [(key, Some(value))] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!(value, &Value::Str("TEL:2".into()));
        let (digits, tie) = key.strip_prefix('l').unwrap().rsplit_once('.').unwrap();
        assert_eq!(tie, to_hex(&hash::content("added line", &[b"TEL:2"])[..4]));
        json!({ "low": low, "high": high, "digits": digits })
    });
    json!(shown)
}

/// A category, an item of it, and edits that are made one after the other, each
/// with the property whose tie its line has, or none where it has its own.
type Edited = (&'static str, &'static str, &'static [(&'static str, Option<&'static str>)]);

const EDITED: [Edited; 4] = [
    (
        "contacts",
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nTEL:1\r\nEND:VCARD\r\n",
        &[
            ("phone:cell+=2", None),
            ("phone+=3", None),
            ("email+=ada@example.org", None),
            ("birthday=1984-02-28", Some("BDAY")),
        ],
    ),
    (
        "contacts",
        "BEGIN:VCARD\nVERSION:4.0\nFN:Ada\nEND:VCARD\n",
        &[
            ("phone:Cell+=2", None),
            ("note+=one, two; three\nand ü", None),
            ("birthday=1984-02-28", Some("BDAY")),
        ],
    ),
    (
        "calendar",
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:e\r\nDTSTART:20261224T170000Z\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n",
        &[("title=Tea", Some("SUMMARY")), ("location=Kitchen", Some("LOCATION"))],
    ),
    ("notes", "---\nid: n\n---\nLeek.\n", &[("title=Soup", Some("title"))]),
];

/// The keys that edits give to lines which they add.
fn added_lines() -> Json {
    let shown = EDITED.map(|(category, item, edits)| {
        let spec = heirloom_schema::by_id(category).unwrap();
        let split = heirloom_formats::split("item", item.as_bytes(), Some(category)).unwrap();
        let mut content = heirloom_formats::parse(&split.items[0]).unwrap().content;
        let mut steps = Vec::new();
        for (edit, property) in edits {
            let edits = heirloom_formats::parse_assignments(spec, &[(*edit).to_owned()]).unwrap();
            let made = heirloom_formats::edit(spec, &content, &edits, "00000000").unwrap();
            let [(key, Some(Value::Str(line)))] = made.as_slice() else { panic!("{made:?}") };
            let tie = match property {
                Some(name) => hash::content("line key", &[name.as_bytes()]),
                None => hash::content("added line", &[line.as_bytes()]),
            };
            assert!(key.ends_with(&format!(".{}", to_hex(&tie[..4]))), "{key}");
            steps.push(json!({ "edit": edit, "key": key, "line": line }));
            content.insert(key.clone(), Value::Str(line.clone()));
        }
        json!({ "category": category, "item": item, "edits": steps })
    });
    json!(shown)
}

/// The uids of items that carry none: what counts, and in which order; and the
/// keys of lines that are added later.
pub(super) fn items() -> Json {
    let shown = items_without_uid().map(|(name, file, bytes, parts)| {
        let category = heirloom_formats::stands_beside_notes(file).then_some("notes");
        let split = heirloom_formats::split(file, bytes, category).unwrap();
        let item = heirloom_formats::parse(&split.items[0]).unwrap();
        assert_eq!((split.items.len(), &item.uid), (1, &None), "{name}");
        let uid = heirloom_formats::content_uid(&item);
        let hash = hash::content("content uid", parts);
        assert_eq!(uid, format!("h-{}", to_hex(&hash[..16])), "{name}");
        let content = item.content.iter().map(|(key, value)| {
            let value = match value {
                Value::Str(text) => json!(text),
                Value::Text(text) => json!({ "text": text }),
                Value::Int(number) => json!(number),
                Value::Bytes(bytes) => json!({ "bytes": to_hex(bytes) }),
                Value::Blob(_) => panic!("{name} has no chunks"),
            };
            (key.clone(), value)
        });
        let content: serde_json::Map<String, Json> = content.collect();
        (
            name.to_owned(),
            json!({ "file": file, "bytes": to_hex(bytes), "content": content, "parts": parts, "uid": uid }),
        )
    });
    let mut shown: serde_json::Map<String, Json> = shown.into_iter().collect();
    shown.insert("places of added lines".to_owned(), places());
    shown.insert("added lines".to_owned(), added_lines());
    Json::Object(shown)
}
