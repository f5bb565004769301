//! Files as other programs write them go through the built program and come
//! out line by line.

use crate::common::{Up, digest, eventually, init, run_json};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

type Files = BTreeMap<String, Vec<u8>>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../heirloom-formats/tests/fixtures")
}

/// Returns the files below a folder by their paths; hidden ones are no files.
fn files_below(root: &Path) -> Files {
    fn enter(root: &Path, folder: &Path, found: &mut Files) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                enter(root, &path, found);
            } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = Files::new();
    enter(root, root, &mut found);
    found
}

fn import(home: &Path, path: &Path) -> Value {
    run_json(home, &["import", path.to_str().unwrap()]).json()
}

fn export(home: &Path, folder: &Path) -> Files {
    run_json(home, &["export", folder.to_str().unwrap()]).expect(0);
    files_below(folder)
}

/// Returns lines with their ends; a lone carriage return ends one too.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let mut at = end.map_or(rest.len(), |end| end + 1);
        at += usize::from(rest[..at].ends_with(b"\r") && rest.get(at) == Some(&b'\n'));
        let (line, tail) = rest.split_at(at);
        lines.push(line);
        rest = tail;
    }
    lines
}

fn is_marker(line: &[u8], marker: &str) -> bool {
    line.trim_ascii().eq_ignore_ascii_case(marker.as_bytes())
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the files in which lines count, by their kind.
fn of_kind<'a>(files: &'a Files, ending: &str) -> Vec<(&'a str, &'a [u8])> {
    let found = files.iter().filter(|(name, _)| name.ends_with(ending));
    found.map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

/// Returns the components of a calendar, each as it stands in the file, and
/// the lines outside of them.
fn components(bytes: &[u8]) -> (Vec<Vec<u8>>, BTreeSet<Vec<u8>>) {
    let (mut found, mut outside, mut open) = (Vec::new(), BTreeSet::new(), None);
    for line in lines(bytes) {
        let upper = String::from_utf8_lossy(line.trim_ascii()).to_uppercase();
        if open.is_none() && upper.starts_with("BEGIN:") && upper != "BEGIN:VCALENDAR" {
            open = Some((upper.replace("BEGIN:", "END:"), Vec::new()));
        }
        let Some((end, component)) = &mut open else {
            // A blank line between two calendars belongs to nobody.
            outside.extend(Some(line.trim_ascii().to_vec()).filter(|line| !line.is_empty()));
            continue;
        };
        component.extend_from_slice(line);
        if upper == *end {
            found.extend(open.take().map(|(_, component): (String, Vec<u8>)| component));
        }
    }
    (found, outside)
}

/// Checks that every card of the sources is a file of the export, byte for
/// byte, and the other way round.
fn cards_are_all_there(sources: &Files, exported: &Files, left_out: usize) {
    let mut given: Vec<Vec<u8>> = Vec::new();
    for (name, bytes) in of_kind(sources, ".vcf") {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            continue; // UTF-16 is compared as a whole, below.
        }
        let (mark, bytes) = bytes.split_at(if bytes.starts_with(MARK) { MARK.len() } else { 0 });
        let mut cards: Vec<Vec<u8>> = Vec::new();
        let mut is_agent = false;
        for line in lines(bytes) {
            if is_marker(line, "BEGIN:VCARD") && !is_agent {
                // The mark of a file stays with its first card.
                cards.push(if cards.is_empty() { mark.to_vec() } else { Vec::new() });
            }
            is_agent = line.to_ascii_uppercase().starts_with(b"AGENT:");
            cards.last_mut().unwrap_or_else(|| panic!("{name}")).extend_from_slice(line);
        }
        given.extend(cards);
    }
    let made: BTreeSet<&[u8]> = of_kind(exported, ".vcf").into_iter().map(|file| file.1).collect();
    let missing = given.iter().filter(|card| {
        let bare = card.trim_ascii_end();
        !made.iter().any(|file| file.trim_ascii_end() == bare)
    });
    let missing: Vec<String> =
        missing.map(|card| String::from_utf8_lossy(card).into_owned()).collect();
    assert_eq!(missing.len(), left_out, "{missing:?}");
    let wide = of_kind(sources, ".vcf").into_iter().filter(|(_, bytes)| bytes[0] >= 0xfe);
    for (name, bytes) in wide {
        let own = made.iter().filter(|file| file[0] == bytes[0] && file[1] == bytes[1]);
        let mut units: Vec<&[u8]> = own.flat_map(|file| file[2..].chunks(2)).collect();
        let mut wanted: Vec<&[u8]> = bytes[2..].chunks(2).collect();
        units.sort_unstable();
        wanted.sort_unstable();
        assert!(units == wanted, "{name}");
    }
}

/// Checks that every component of the sources stands in one file of the
/// export, byte for byte, and that no other line is lost or invented.
fn calendars_are_all_there(sources: &Files, exported: &Files, left_out: &[&str]) {
    let made: Vec<_> =
        of_kind(exported, ".ics").into_iter().map(|file| components(file.1)).collect();
    let all_outside: BTreeSet<Vec<u8>> =
        made.iter().flat_map(|(_, outside)| outside.clone()).collect();
    let mut known = BTreeSet::new();
    let calendars = of_kind(sources, ".ics").into_iter().chain(of_kind(sources, ".vcs"));
    for (name, bytes) in calendars.filter(|(name, _)| !left_out.contains(name)) {
        let (given, outside) = components(bytes);
        assert!(!given.is_empty(), "{name}");
        for component in &given {
            let shown = String::from_utf8_lossy(component);
            let is_zone = shown.contains("BEGIN:VTIMEZONE");
            let found = made.iter().filter(|(own, _)| own.contains(component)).count();
            assert!(found == 1 || (is_zone && found > 1), "{name}: {found} times: {shown}");
        }
        for line in &outside {
            assert!(all_outside.contains(line), "{name}: {}", String::from_utf8_lossy(line));
        }
        known.extend(outside);
    }
    if left_out.is_empty() {
        assert_eq!(all_outside, known, "no line is invented");
    }
}

fn skipped(report: &Value) -> Vec<String> {
    let skipped = report["skipped"].as_array().unwrap().iter();
    let below = |path: &str| {
        let path = Path::new(path);
        path.strip_prefix(fixtures()).unwrap_or(path).to_str().unwrap().to_owned()
    };
    skipped.map(|one| format!("{}:{}", below(one["file"].as_str().unwrap()), one["line"])).collect()
}

/// S9, S13, S14.
#[test]
fn every_file_of_other_programs_comes_out_as_it_went_in() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    init(&path("home"), "one");
    let sources = files_below(&fixtures());
    let report = import(&path("home"), &fixtures());
    let left_out = ["nextcloud/cut-off.ics:10", "odd/duplicate-uid.vcf:6"];
    assert_eq!(skipped(&report), left_out, "{report}");
    let exported = export(&path("home"), &path("out"));
    assert_eq!(report["accepted"], exported.len(), "each record is one file");
    cards_are_all_there(&sources, &exported, 1);
    calendars_are_all_there(&sources, &exported, &["nextcloud/cut-off.ics"]);
    let is_lined = |name: &str| [".vcf", ".ics", ".vcs"].iter().any(|end| name.ends_with(end));
    for (name, bytes) in sources.iter().filter(|(name, _)| !is_lined(name)) {
        assert_eq!(exported.get(&format!("notes/{name}")), Some(bytes), "{name}");
    }

    let before = digest(&path("home"));
    for again in [fixtures(), path("out")] {
        let report = import(&path("home"), &again);
        assert_eq!((&report["accepted"], &report["updated"]), (&0.into(), &0.into()), "{report}");
    }
    assert_eq!(digest(&path("home")), before, "reading again changes nothing");
    init(&path("other"), "two");
    let report = import(&path("other"), &path("out"));
    assert_eq!((&report["accepted"], skipped(&report).len()), (&exported.len().into(), 0));
    assert!(export(&path("other"), &path("out-again")) == exported, "diff -r is empty");
}

/// Returns what one file has and the other lacks, at one place.
fn changed(before: &[u8], after: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (before, after) = (lines(before), lines(after));
    let same = |pairs: &mut dyn Iterator<Item = (&&[u8], &&[u8])>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let first = same(&mut before.iter().zip(&after));
    let (before, after) = (&before[first..], &after[first..]);
    let last = same(&mut before.iter().rev().zip(after.iter().rev()));
    let rest = |lines: &[&[u8]]| lines[..lines.len() - last].concat();
    (rest(before), rest(after))
}

/// Returns a file without the UID that its record got here, and as UTF-8.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let unit: Option<fn([u8; 2]) -> u16> = match bytes.get(..2) {
        Some([0xff, 0xfe]) => Some(u16::from_le_bytes),
        Some([0xfe, 0xff]) => Some(u16::from_be_bytes),
        Some(_) | None => None,
    };
    let text = unit.map(|unit| {
        let units: Vec<u16> = bytes.chunks(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).unwrap().into_bytes()
    });
    let bytes = text.as_deref().unwrap_or(bytes);
    let own = |line: &&&[u8]| !line.starts_with(b"UID:h-");
    lines(bytes).iter().filter(own).copied().collect::<Vec<_>>().concat()
}

#[test]
fn one_edited_property_leaves_every_other_line_of_every_file() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    init(&path("home"), "one");
    import(&path("home"), &fixtures());
    let before = export(&path("home"), &path("before"));
    let (mut edited, mut expected) = (0, 0);
    let node = Up::start(&path("home"), &[]);
    for (category, assignment) in
        [("contacts", "note+=Ein Zusatz"), ("calendar", "location=Ein Ort")]
    {
        for row in run_json(&path("home"), &[category, "list"]).lines() {
            let id = row["id"].as_str().unwrap();
            run_json(&path("home"), &[category, "set", id, assignment]).expect(0);
            expected += 1;
        }
    }
    assert_eq!(node.stop(), 0);
    let after = export(&path("home"), &path("after"));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, old) in &before {
        let new = &after[name];
        if name.starts_with("notes/") {
            assert!(old == new, "{name}");
            continue;
        }
        let (gone, made) = changed(&plain(old), &plain(new));
        let (gone, made) = (String::from_utf8_lossy(&gone), String::from_utf8_lossy(&made));
        let is_one = |text: &str, start: &str| text.to_uppercase().starts_with(start);
        match name.starts_with("contacts/") {
            true => {
                assert_eq!(gone, "", "{name}: {made}");
                assert!(is_one(&made, "NOTE") && made.contains("Ein Zusatz"), "{name}: {made}");
            }
            false => {
                assert!(gone.is_empty() || is_one(&gone, "LOCATION"), "{name}: {gone}");
                assert!(is_one(&made, "LOCATION") && made.contains("Ein Ort"), "{name}: {made}");
            }
        }
        edited += 1;
    }
    assert_eq!(edited, expected);
}

/// S64: two devices that were apart edit different properties of one card.
#[test]
fn edits_of_different_properties_made_apart_merge_and_leave_every_other_line() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (one, other) = (path("one"), path("other"));
    init(&one, "phone");
    let node = Up::start(&one, &[]);
    let link = node.invite("member");
    run_json(&other, &["join", &link, "--no-mdns"]).expect(0);
    assert_eq!(node.stop(), 0);
    let card = fixtures().join("ios/contacts.vcf");
    let source = std::fs::read(&card).unwrap();
    // Both read the same file while they are apart: one record all the same.
    for home in [&one, &other] {
        assert_eq!(import(home, &card)["accepted"], 1);
    }
    let id = run_json(&one, &["contacts", "list"]).lines()[0]["id"].as_str().unwrap().to_owned();
    let set = |home: &Path, what: &[&str]| {
        run_json(home, &[&["contacts", "set", &id][..], what].concat()).expect(0);
    };
    set(&one, &["phone+=+351 21 555 0199"]);
    set(&other, &["note=Trifft uns in Lissabon", "organization=Padaria do Cais"]);
    let first = Up::start(&one, &[]);
    let second = Up::start(&other, &["--peer", &first.address()]);
    eventually("both hold the same", || digest(&one) == digest(&other));
    for home in [&one, &other] {
        let shown = run_json(home, &["contacts", "show", &id]).expect(0).json();
        let text = shown["source"].as_str().unwrap();
        let made = lines(text.as_bytes());
        let values = ["+351 21 555 0199", "Trifft uns in Lissabon", "Padaria do Cais"];
        let is_new =
            |line: &[u8]| values.iter().any(|one| String::from_utf8_lossy(line).contains(one));
        let kept: Vec<u8> =
            made.iter().filter(|line| !is_new(line)).copied().collect::<Vec<_>>().concat();
        let replaced = |line: &&&[u8]| !line.starts_with(b"NOTE") && !line.starts_with(b"ORG");
        let old: Vec<u8> =
            lines(&source).iter().filter(replaced).copied().collect::<Vec<_>>().concat();
        assert_eq!(String::from_utf8(kept).unwrap(), String::from_utf8(old).unwrap());
        assert_eq!(made.iter().filter(|line| is_new(line)).count(), 3, "{text}");
        assert_eq!(run_json(home, &["contacts", "conflicts"]).lines(), Vec::<Value>::new());
    }
    drop((first, second));
}
