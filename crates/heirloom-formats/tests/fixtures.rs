//! Files as phones and programs write them: each comes back byte for byte,
//! shows what its program shows, and takes an edit without losing a line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use heirloom_formats::{
    Edits, Item, RawItem, content_uid, edit, file_name, is_attachment, parse, parse_assignments,
    preferred_file_name, project, render, replace, split, stands_beside_notes,
};
use heirloom_schema::{Content, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Files with the titles of their items, and the lines that are left out.
const EXPECTED: &[(&str, &[&str], &[usize])] = &[
    ("android/contacts-2.1.vcf", &["Åsa Nyström", "Voicemail"], &[]),
    ("android/contacts-3.0.vcf", &["Chidi Okafor"], &[]),
    ("android/gb18030-2.1.vcf", &["李小龙", "王芳"], &[]),
    ("docomo/no-charset.vcf", &["佐藤一郎"], &[]),
    ("docomo/shift-jis.vcf", &["太郎 山田"], &[]),
    ("exchange/all-day-in-utc.ics", &["Feiertag"], &[]),
    ("google/calendar.ics", &["Swimming 🏊", "Holidays"], &[]),
    ("google/contacts.vcf", &["Farah Haddad", "nobody@example.org", "Structured Only"], &[]),
    ("htc/big5.vcf", &["陳美玲"], &[]),
    ("htc/no-charset.vcf", &["林志玲"], &[]),
    ("ios/calendar.ics", &["Zahnarzt"], &[]),
    ("ios/contacts.vcf", &["Inês Duarte"], &[]),
    ("joplin/Notes.txt", &["Notes"], &[]),
    ("joplin/Recipes/Apple cake.md", &["Apple cake"], &[]),
    ("joplin/_resources/cake.jpg", &["cake.jpg"], &[]),
    ("nextcloud/contacts.vcf", &["Mateo Ruiz"], &[]),
    ("nextcloud/cut-off.ics", &["Whole"], &[10, 1]),
    ("nextcloud/two-calendars.ics", &["Moved, and nobody has the series", "Standup"], &[]),
    ("nokia/agent.vcf", &["The Director"], &[]),
    ("nokia/cr-only.vcf", &["Liv Berg"], &[]),
    ("nokia/no-end.vcf", &["Has no end First", "Has one Second", "Is the last Third"], &[]),
    ("nokia/photo-without-indents.vcf", &["Plain Photo"], &[]),
    ("nokia/utf-16-big.vcf", &["Eero Mäkinen"], &[]),
    ("nokia/utf-16.vcf", &["Eero Mäkinen", "花子 田中"], &[]),
    ("obsidian/Archive/Boat.md", &["A boat"], &[]),
    ("obsidian/Archive/Wer kommt.md", &["Wer kommt"], &[]),
    ("obsidian/Ideas/Boat.md", &["A boat"], &[]),
    ("obsidian/Index.md", &["Index"], &[]),
    ("obsidian/attachments/plan.pdf", &["plan.pdf"], &[]),
    ("obsidian/attachments/sketch.png", &["sketch.png"], &[]),
    ("obsidian/board.canvas", &["board.canvas"], &[]),
    ("odd/bom-and-case.vcf", &["Lower Case"], &[]),
    ("odd/doubled-returns.vcf", &["Double"], &[]),
    ("odd/duplicate-uid.vcf", &["The First", "The Second"], &[]),
    ("odd/fold-inside-a-character.vcf", &["Jörg"], &[]),
    ("odd/hostile.vcf", &["\u{202e}gnp.exe\u{2066} \u{1b}[31mred\u{9b}1m"], &[]),
    ("odd/mixed-line-ends.vcf", &["Mixed", "Old Mac", "Unix"], &[]),
    ("odd/nul.vcf", &["Nu\0l"], &[]),
    ("odd/quoted-parameters.vcf", &["Quoted"], &[]),
    ("odd/soft-breaks.vcf", &["End Qp"], &[]),
    ("odd/unused-zone.ics", &["one", "two"], &[]),
    ("odd/version-4-in-full.vcf", &["山田太郎"], &[]),
    ("outlook/appointment.ics", &["(no title)"], &[]),
    ("outlook/calendar.ics", &["Netzrunde"], &[]),
    ("outlook/contact.vcf", &["Dr. Jürgen Böhm"], &[]),
    ("outlook/vcalendar-1.0.vcs", &["Frühstück"], &[]),
    ("samsung/contacts-2.1.vcf", &["김철수"], &[]),
    ("sony/latin-1.vcf", &["Jörg Strauß", "Zoé Lefèvre"], &[]),
    ("thunderbird/book.vcf", &["Zofia Kowalska"], &[]),
    ("thunderbird/tasks-and-journal.ics", &["Renew the passport", "First crocus", "Run"], &[]),
    ("thunderbird/zone-with-seconds.ics", &["todo"], &[]),
];

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn files_below(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files_below(&path, found);
        } else if !name.starts_with('.') {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

/// Returns every file of the folder by its path.
fn files() -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    files_below(&root(), &mut found);
    found
}

fn category_of(name: &str) -> Option<&'static str> {
    stands_beside_notes(name).then_some("notes")
}

fn uid_of(item: &Item) -> String {
    item.uid.clone().unwrap_or_else(|| content_uid(item))
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

/// Calls a check for every item of every file.
fn for_each_item(check: impl Fn(&str, &RawItem, &Item)) {
    for (name, bytes) in files() {
        for raw in split(&name, &bytes, category_of(&name)).unwrap().items {
            let item = parse(&raw).unwrap_or_else(|error| panic!("{name}: {error}"));
            check(&format!("{name}:{}", raw.line), &raw, &item);
        }
    }
}

#[test]
fn every_file_of_the_folder_reads_as_its_program_shows_it() {
    let files = files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected: Vec<&str> = EXPECTED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, expected);
    for (name, titles, skipped) in EXPECTED {
        let split = split(name, &files[*name], category_of(name)).unwrap();
        let found: Vec<String> = split
            .items
            .iter()
            .map(|raw| project(raw.category, &parse(raw).unwrap().content).title)
            .collect();
        assert_eq!(found, *titles, "{name}");
        let lines: Vec<usize> = split.skipped.iter().map(|one| one.line).collect();
        assert_eq!(lines, *skipped, "{name}: {:?}", split.skipped);
    }
}

#[test]
fn every_item_comes_back_byte_for_byte_and_is_known_again() {
    for_each_item(|name, raw, item| {
        let uid = uid_of(item);
        let bytes = render(item.category, &item.content, &uid);
        assert!(bytes == raw.bytes, "{name}");
        let preferred = preferred_file_name(item.category, &item.content);
        for path in preferred.into_iter().chain([file_name(item.category, &item.content, &uid)]) {
            let again = split(&path, &bytes, category_of(&path)).unwrap();
            assert_eq!(again.items.len(), 1, "{path}");
            assert_eq!(&parse(&again.items[0]).unwrap(), item, "{path}");
        }
    });
}

#[test]
fn a_file_of_cards_is_cut_without_losing_a_byte() {
    for (name, bytes) in files().into_iter().filter(|(name, _)| name.ends_with(".vcf")) {
        let items = split(&name, &bytes, None).unwrap().items;
        let mark: &[u8] = match bytes.get(..2) {
            Some([0xff, 0xfe] | [0xfe, 0xff]) => &bytes[..2],
            Some(_) | None => b"",
        };
        let joined: Vec<u8> =
            items.iter().flat_map(|raw| &raw.bytes[mark.len()..]).copied().collect();
        assert!([mark, &joined].concat() == bytes, "{name}");
    }
}

/// Returns how many bytes of one file are not in the other, at one place.
fn changed_span(from: &[u8], to: &[u8]) -> (usize, Vec<u8>) {
    let prefix = from.iter().zip(to).take_while(|(from, to)| from == to).count();
    let (from, to) = (&from[prefix..], &to[prefix..]);
    let suffix = from.iter().rev().zip(to.iter().rev()).take_while(|(from, to)| from == to).count();
    (from.len() - suffix, to[..to.len() - suffix].to_vec())
}

fn edited(item: &Item, text: &str, tie: &str) -> Edits {
    let edits = parse_assignments(item.category, &[text.to_owned()]).unwrap();
    edit(item.category, &item.content, &edits, tie).unwrap()
}

fn value_of(item: &Item, content: &Content, field: &str) -> String {
    let fields = project(item.category, content).fields;
    let (_, values) = fields.into_iter().find(|(name, _)| name == field).unwrap_or_default();
    values.last().and_then(|value| value.value.as_str()).unwrap_or_default().to_owned()
}

#[test]
fn an_edit_leaves_every_other_byte_and_follows_the_habits_of_the_file() {
    const NEW: &str = "Neu, für 李";
    for_each_item(|name, raw, item| {
        let (field, sign) = match item.category.id {
            "contacts" => ("note", "+="),
            "notes" if is_attachment(&raw.name, &raw.bytes) => return,
            _ => ("title", "="),
        };
        let edits = edited(item, &format!("{field}{sign}{NEW}"), "0badcafe");
        let after = applied(&item.content, edits.clone());
        assert_eq!(value_of(item, &after, field), NEW, "{name}");
        let uid = uid_of(item);
        let bytes = render(item.category, &after, &uid);
        // Without the line that carries the uid of an item that had none.
        let bare = Item { content: after.clone(), ..item.clone() };
        let lines = render(item.category, &after, &content_uid(&bare));
        let old = edits.iter().filter_map(|(key, _)| item.content.get(key)?.as_raw());
        let old: usize = old.map(|raw| raw.len() + 2).sum();
        let (gone, new) = changed_span(&raw.bytes, &lines);
        let is_wide = item.content.contains_key("encoding");
        assert!(gone <= old || is_wide, "{name}: {gone} bytes are gone");
        for (key, value) in &item.content {
            let is_named = edits.iter().any(|(edited, _)| edited == key);
            assert!(is_named || after.get(key) == Some(value), "{name}: {key}");
        }
        let is_old = raw.bytes.windows(11).any(|window| window == b"VERSION:2.1");
        assert!(!is_old || is_wide || new.is_ascii(), "{name}: {new:?}");
        let bare_feeds = |bytes: &[u8]| {
            bytes.windows(2).filter(|pair| pair[1] == b'\n' && pair[0] != b'\r').count()
        };
        let is_crlf = !is_wide && item.category.id != "notes" && !item.content.contains_key("eol");
        let (before, now) = (bare_feeds(&raw.bytes), bare_feeds(&lines));
        assert!(!is_crlf || now <= before, "{name}: {new:?}");
        let again = split(&raw.name, &bytes, Some(item.category.id)).unwrap();
        let again = parse(&again.items[0]).unwrap();
        assert_eq!(value_of(item, &again.content, field), NEW, "{name}");
        assert_eq!(uid_of(&again), uid, "{name}");
        let reverted =
            replace(item.category, &item.content, &after, &item.content, "0badcafe").edits;
        assert_eq!(reverted, [], "{name}: the old file takes nothing back");
    });
}

#[test]
fn edits_of_different_fields_on_two_devices_both_stay() {
    for_each_item(|name, raw, item| {
        let (one, other) = match item.category.id {
            "contacts" => ("organization=One, eins", "note=Other, zwei"),
            "calendar" => ("location=One, eins", "description=Other, zwei"),
            "notes" if is_attachment(&raw.name, &raw.bytes) => return,
            _ => ("title=One, eins", "body=Other, zwei"),
        };
        let (mine, theirs) = (edited(item, one, "0badcafe"), edited(item, other, "feedbeef"));
        let keys = |edits: &Edits| edits.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        assert!(keys(&mine).iter().all(|key| !keys(&theirs).contains(key)), "{name}");
        let both = applied(&applied(&item.content, mine.clone()), theirs.clone());
        assert_eq!(both, applied(&applied(&item.content, theirs), mine), "{name}");
        for text in [one, other] {
            let (field, value) = text.split_once('=').unwrap();
            assert_eq!(value_of(item, &both, field), value, "{name}");
        }
    });
}

#[test]
fn labels_types_and_texts_of_the_programs_are_read() {
    let show = |name: &str, index: usize, field: &str| -> Vec<(String, Option<String>)> {
        let items = split(name, &files()[name], None).unwrap().items;
        let item = parse(&items[index]).unwrap();
        let fields = project(item.category, &item.content).fields;
        let (_, values) = fields.into_iter().find(|(one, _)| one == field).unwrap_or_default();
        values.into_iter().map(|one| (one.value.as_str().unwrap().to_owned(), one.kind)).collect()
    };
    let typed = |text: &str, kind: &str| (text.to_owned(), Some(kind.to_owned()));
    let plain = |text: &str| (text.to_owned(), None);
    assert_eq!(
        show("android/contacts-2.1.vcf", 0, "phone"),
        [
            typed("+46-70-555-01-44", "cell"),
            typed("+46-8-555-0199", "båten"),
            typed("08 555 01 45", "home")
        ]
    );
    let note = "Vattnar blommorna i juli. Nyckeln ligger under stenen; koden är 1=1.";
    assert_eq!(show("android/contacts-2.1.vcf", 0, "note"), [plain(note)]);
    assert_eq!(show("android/gb18030-2.1.vcf", 0, "note"), [plain("邻居，浇花。")]);
    assert_eq!(show("android/gb18030-2.1.vcf", 0, "organization"), [plain("上海港务局")]);
    assert_eq!(show("docomo/shift-jis.vcf", 0, "note"), [plain("表と能の会")]);
    assert_eq!(show("docomo/no-charset.vcf", 0, "note"), [plain("表示と予定の能力")]);
    assert_eq!(show("htc/no-charset.vcf", 0, "note"), [plain("請按門鈴，功德路一號")]);
    assert_eq!(show("htc/big5.vcf", 0, "address"), [typed("功德路一號", "home")]);
    assert_eq!(show("ios/contacts.vcf", 0, "phone")[1], typed("+351 21 555 0102", "casa da praia"));
    assert_eq!(show("outlook/contact.vcf", 0, "organization"), [plain("Stadtwerke Köln – Netz")]);
    assert_eq!(show("nokia/agent.vcf", 0, "phone"), [typed("1", "work")]);
    assert_eq!(show("nokia/cr-only.vcf", 0, "note"), [plain("first second")]);
    let folded = "Grüße aus dem Süden, mit einem Umlaut genau am Rand der Zeile: üü";
    assert_eq!(show("odd/fold-inside-a-character.vcf", 0, "note"), [plain(folded)]);
    assert_eq!(show("nextcloud/two-calendars.ics", 0, "timezone"), [plain("Mars/Olympus")]);
    let search = |name: &str| {
        let items = split(name, &files()[name], None).unwrap().items;
        project(items[0].category, &parse(&items[0]).unwrap().content).search
    };
    assert!(search("outlook/calendar.ics").contains("haddad, farah"));
    assert!(!search("odd/hostile.vcf").contains("/etc/hostname"), "no address is read");
}

/// A change that a cable, a disk or a person makes to a file.
#[derive(Debug, Clone)]
enum Damage {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Drop(prop::sample::Index),
    Double(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        at().prop_map(Damage::Cut),
        at().prop_map(Damage::Drop),
        at().prop_map(Damage::Double),
        (at(), at()).prop_map(|(one, other)| Damage::Swap(one, other)),
    ]
}

impl Damage {
    fn done(&self, bytes: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> =
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.is_empty() {
            return Vec::new();
        }
        let count = lines.len();
        match self {
            Self::Byte(at, byte) => {
                let mut bytes = bytes.to_vec();
                *at.get_mut(&mut bytes) = *byte;
                return bytes;
            }
            Self::Cut(at) => return bytes[..at.index(bytes.len())].to_vec(),
            Self::Drop(at) => drop(lines.remove(at.index(count))),
            Self::Double(at) => lines.insert(at.index(count), lines[at.index(count)].clone()),
            Self::Swap(one, other) => lines.swap(one.index(count), other.index(count)),
        }
        lines.concat()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_damaged_file_does_no_harm_and_what_is_taken_keeps_its_bytes(
        file in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..5),
    ) {
        let files: Vec<(String, Vec<u8>)> = files().into_iter().collect();
        let (name, bytes) = file.get(&files);
        let bytes = damages.iter().fold(bytes.clone(), |bytes, damage| damage.done(&bytes));
        if let Ok(split) = split(name, &bytes, category_of(name)) {
            for raw in &split.items {
                let item = parse(raw).unwrap();
                let uid = uid_of(&item);
                prop_assert_eq!(&render(item.category, &item.content, &uid), &raw.bytes);
                drop(project(item.category, &item.content));
                prop_assert!(item.content.values().all(|value| !matches!(value, Value::Blob(_))));
            }
        }
    }
}
