//! Files go in and come out with the same lines, in every category.

use crate::common::{digest, heirloom, init, run, run_json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Files as people have them, by path.
const FILES: &[(&str, &str)] = &[
    (
        "card.vcf",
        "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:1\r\nFN:Zoë 李 🙂\r\nN:李;Zoë;;;\r\n\
         item1.TEL;VALUE=uri;PREF=1:tel:+49-30-1\r\nitem1.X-ABLabel:Büro\r\n\
         NOTE:a long line that is folded\r\n  in the middle of a wo\r\n rd\r\nX-UNKNOWN;A=\"b;c\":d\\,e\r\nEND:VCARD\r\n",
    ),
    (
        "event.ics",
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nX-WR-CALNAME:Home\r\n\
         BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
         TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
         BEGIN:VEVENT\r\nUID:e1\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Weekly\r\n\
         DTSTART;TZID=Europe/Berlin:20261124T180000\r\nRRULE:FREQ=WEEKLY;COUNT=5\r\n\
         EXDATE;TZID=Europe/Berlin:20261201T180000\r\n\
         X-APPLE-STRUCTURED-LOCATION;VALUE=URI:geo:52.5,13.4\r\n\
         BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:e1\r\nRECURRENCE-ID;TZID=Europe/Berlin:20261208T180000\r\n\
         DTSTAMP:20260101T000000Z\r\nSUMMARY:Weekly, moved\r\n\
         DTSTART;TZID=Europe/Berlin:20261208T190000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ),
    (
        "own/idea.md",
        "---\ntitle: An idea\ntags: [a, b]\nid: 202601020304\n---\n# An idea\n\nWith *text*.\n\n- one\n- two\n",
    ),
    (
        "display.json",
        "{\n  \"brightness\": 80,\n  \"theme\": \"dark\",\n  \"nested\": {\n    \"a\": [\n      1,\n      2.50\n    ]\n  }\n}\n",
    ),
];

fn write_all(folder: &Path) {
    std::fs::create_dir_all(folder.join("own")).unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn files_below(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.file_name().is_some_and(|name| name != ".heirloom-export") {
            found.insert(path.clone(), std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// S9, S13, S14, S16.
#[test]
fn every_category_comes_out_as_it_went_in_and_goes_into_an_empty_account() {
    let folder = TempDir::new().unwrap();
    let (input, home) = (folder.path().join("in"), folder.path().join("home"));
    write_all(&input);
    init(&home, "one");
    let report = run_json(&home, &["import", input.to_str().unwrap()]).expect(0).json();
    assert_eq!(report["accepted"], FILES.len());
    let out = folder.path().join("out");
    run_json(&home, &["export", out.to_str().unwrap()]).expect(0);
    let mut exported: Vec<String> = files_below(&out).into_values().collect();
    let mut given: Vec<String> = FILES.iter().map(|(_, text)| (*text).to_owned()).collect();
    exported.sort();
    given.sort();
    assert_eq!(exported, given);

    let before = digest(&home);
    for again in [&input, &out] {
        let report = run_json(&home, &["import", again.to_str().unwrap()]).expect(0).json();
        assert_eq!((&report["accepted"], &report["updated"]), (&0.into(), &0.into()), "{report}");
    }
    assert_eq!(digest(&home), before, "reading again changes nothing");

    let other = folder.path().join("other");
    init(&other, "two");
    run_json(&other, &["import", out.to_str().unwrap()]).expect(0);
    let out_again = folder.path().join("out-again");
    run_json(&other, &["export", out_again.to_str().unwrap()]).expect(0);
    let relative = |folder: &Path| -> BTreeMap<PathBuf, String> {
        let all = files_below(folder).into_iter();
        all.map(|(path, text)| (path.strip_prefix(folder).unwrap().to_owned(), text)).collect()
    };
    assert_eq!(relative(&out_again), relative(&out));
}

#[test]
fn an_edited_export_is_the_same_record_when_it_is_read_again() {
    let folder = TempDir::new().unwrap();
    let (input, home) = (folder.path().join("in"), folder.path().join("home"));
    write_all(&input);
    // Without an id of its own, a record is known by what it held.
    std::fs::write(input.join("own/plain.md"), "just text\n").unwrap();
    std::fs::write(input.join("plain.vcf"), "BEGIN:VCARD\nVERSION:3.0\nFN:No Id\nEND:VCARD\n")
        .unwrap();
    init(&home, "one");
    run_json(&home, &["import", input.to_str().unwrap()]).expect(0);
    for (category, field) in
        [("contacts", "note=edited"), ("notes", "body=edited"), ("calendar", "location=edited")]
    {
        for row in run_json(&home, &[category, "list"]).lines() {
            run_json(&home, &[category, "set", row["id"].as_str().unwrap(), field]).expect(0);
        }
    }
    let before = digest(&home);
    let out = folder.path().join("out");
    run_json(&home, &["export", out.to_str().unwrap()]).expect(0);
    let report = run_json(&home, &["import", out.to_str().unwrap()]).expect(0).json();
    assert_eq!(report["accepted"], 0, "{report}");
    assert_eq!(digest(&home), before);
}

/// S61.
#[test]
fn an_index_that_is_deleted_or_garbage_is_rebuilt_from_the_log() {
    let folder = TempDir::new().unwrap();
    let (input, home) = (folder.path().join("in"), folder.path().join("home"));
    write_all(&input);
    init(&home, "one");
    run_json(&home, &["import", input.to_str().unwrap()]).expect(0);
    let before = digest(&home);
    std::fs::remove_dir_all(home.join("index")).unwrap();
    assert_eq!(digest(&home), before, "deleted");
    for entry in std::fs::read_dir(home.join("index")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(&path, [0xa5; 3_000]).unwrap();
        }
    }
    assert_eq!(digest(&home), before, "garbage");
    run_json(&home, &["notes", "add", "title=after"]).expect(0);
    assert_ne!(digest(&home), before);
}

/// S31, S32, S33.
#[test]
fn an_account_is_made_offline_in_a_moment_and_asks_for_its_words() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    let begun = std::time::Instant::now();
    let phrase = init(&home, "one");
    assert!(begun.elapsed().as_secs() < 10, "nothing waits for a network");
    assert_eq!(phrase.split(' ').count(), 12);
    assert!(!crate::common::contains(&home, phrase.as_bytes()), "the phrase is stored nowhere");
    let help = crate::common::run(&home, &["init", "--help"]).expect(0).stdout;
    assert!(help.contains("--no-verify"), "{help}");
}

#[test]
fn a_long_text_is_listed_and_found_like_a_short_one() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "one");
    let text = format!("{} needle {}", "a".repeat(15_000), "b".repeat(15_000));
    let note = format!("note={text}");
    run_json(&home, &["contacts", "add", "name=Long", &note]).expect(0);
    let rows = run_json(&home, &["contacts", "list", "--search", "needle"]).lines();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["fields"]["note"][0]["value"], text.as_str());
}

#[test]
fn one_uid_twice_in_a_file_is_left_out_the_second_time_and_stays_so() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "one");
    let card =
        |name: &str| format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:dup\r\nFN:{name}\r\nEND:VCARD\r\n");
    let file = folder.path().join("twice.vcf");
    std::fs::write(&file, card("One") + &card("Two")).unwrap();
    let import = || run_json(&home, &["import", file.to_str().unwrap()]).json();
    let first = import();
    assert_eq!((&first["accepted"], &first["skipped"][0]["line"]), (&1.into(), &6.into()));
    let before = digest(&home);
    assert_eq!(import()["updated"], 0);
    assert_eq!(digest(&home), before);
}

#[test]
fn an_account_whose_log_is_lost_is_damage_and_not_an_empty_folder() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "one");
    run_json(&home, &["notes", "add", "title=x"]).expect(0);
    for file in std::fs::read_dir(home.join("log")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    std::fs::remove_dir_all(home.join("index")).unwrap();
    std::fs::create_dir(home.join("index")).unwrap();
    assert_eq!(run_json(&home, &["digest"]).code, 5);
    assert_eq!(run_json(&home, &["init", "--no-verify"]).code, 1);
}

/// S14: what takes place is listed by time, and everything is found in any spelling.
#[test]
fn a_calendar_is_listed_by_time_and_cards_in_the_order_of_the_language() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "laptop");
    let files = folder.path().join("files");
    write_all(&files);
    run_json(&home, &["import", files.to_str().unwrap()]).expect(0);
    let listed = |arguments: &[&str]| {
        let mut command = heirloom(&home);
        command.args(["--json"]).args(arguments);
        command.env("TZ", "Europe/Berlin").env("LC_ALL", "sv_SE.UTF-8");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        (lines.collect::<Vec<Value>>(), String::from_utf8(output.stderr).unwrap())
    };
    let window = ["calendar", "list", "--from", "2026-11-25", "--to", "2026-12-20"];
    let shown: Vec<String> = listed(&window)
        .0
        .iter()
        .map(|line| format!("{} {}", line["start"].as_str().unwrap(), line["title"]))
        .collect();
    let expected = ["2026-12-08T18:00:00Z \"Weekly, moved\"", "2026-12-15T17:00:00Z \"Weekly\""];
    assert_eq!(shown, expected);
    for name in ["name=Östen", "name=Zara", "name=Anna"] {
        run_json(&home, &["contacts", "add", name, "phone=+49 (30) 123-4567"]).expect(0);
    }
    let names: Vec<Value> =
        listed(&["contacts", "list"]).0.into_iter().map(|mut row| row["title"].take()).collect();
    assert_eq!(names, ["Anna", "Zara", "Zoë 李 🙂", "Östen"]);
    assert_eq!(listed(&["contacts", "list", "--search", "ÄNNA 030 1234567"]).0.len(), 1);
    let fields =
        ["calendar", "add", "title=Tick", "start=1970-01-01T00:00Z", "rrule=FREQ=SECONDLY"];
    run_json(&home, &fields).expect(0);
    let (ticks, remark) = listed(&window);
    let remark: Value = serde_json::from_str(remark.trim()).unwrap();
    assert_eq!((ticks.len(), &remark["warning"]["code"]), (10_000, &"list-cut".into()));
}

/// A series of days that began long before the time asked for fills the list.
#[test]
fn long_series_hide_no_error_and_no_name() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "phone");
    let file = folder.path().join("a.ics");
    let event = |uid: &str, lines: &str| {
        format!("BEGIN:VEVENT\r\nUID:{uid}\r\nSUMMARY:{uid}\r\n{lines}\r\nEND:VEVENT\r\n")
    };
    let hourly = "DTSTART:20240101T000000Z\r\nRRULE:FREQ=HOURLY\r\nDURATION:";
    let events = [
        event("one", &format!("{hourly}P730D")),
        event("two", &format!("{hourly}P800D")),
        event("good", "DTSTART:20260101T120000Z"),
    ];
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}END:VCALENDAR\r\n", events.concat());
    std::fs::write(&file, text).unwrap();
    run_json(&home, &["import", file.to_str().unwrap()]).expect(0);
    let list = ["calendar", "list", "--from", "2026-01-01", "--to", "2026-01-03"];
    let listed = run_json(&home, &list).expect(0);
    assert_eq!(listed.lines().len(), 10_000);
    let warned = run(&home, &list).expect(0);
    assert!(warned.stderr.contains("ore than 10000 occurrences"), "{}", warned.stderr);
    assert!(warned.stderr.contains("most of them are of"), "{}", warned.stderr);
}

#[test]
fn the_same_card_without_a_uid_twice_is_one_and_no_failure() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "phone");
    let file = folder.path().join("a.vcf");
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nN:;Ann;;;\r\nEND:VCARD";
    std::fs::write(&file, format!("{card}\r\n{card}")).unwrap();
    let report = run_json(&home, &["import", file.to_str().unwrap()]).expect(0).json();
    assert_eq!((&report["accepted"], &report["unchanged"]), (&1.into(), &1.into()));
    assert_eq!(run_json(&home, &["contacts", "show", ""]).code, 2);
}

/// S9, S13: also of what is strange, edited here, and lies in another order than
/// before.
#[test]
fn the_own_export_of_edited_records_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let (input, home) = (folder.path().join("in"), folder.path().join("home"));
    write_all(&input);
    std::fs::write(input.join("cut.vcf"), "BEGIN:VCARD\r\nUID:cut\r\nFN:Cut off\r\nTEL:1\r\n")
        .unwrap();
    std::fs::write(input.join("own/front.md"), "---\nid: 202601020305\ntitle: Front\n---").unwrap();
    init(&home, "one");
    let import =
        |path: &Path| run_json(&home, &["import", path.to_str().unwrap()]).expect(0).json();
    assert_eq!(import(&input)["accepted"], FILES.len() + 2);
    for edit in [
        ["contacts", "set", "urn:uuid:1", "phone+=7", "email=a@example.org", "note="].as_slice(),
        &["contacts", "set", "cut", "phone=2", "note=x"],
        &["calendar", "set", "e1", "timezone=Asia/Tokyo"],
        &["notes", "set", "202601020305", "body=Text"],
        &["notes", "set", "202601020304", "title=Other"],
        &["settings", "set", "display", "theme=\"light\"", "more=1"],
    ] {
        run(&home, edit).expect(0);
    }
    let out = folder.path().join("out");
    run(&home, &["export", out.to_str().unwrap()]).expect(0);
    let before = digest(&home);
    let report = import(&out);
    assert_eq!((&report["unchanged"], &report["updated"]), (&(FILES.len() + 2).into(), &0.into()));
    assert_eq!(digest(&home), before);
}

/// S9, S14: a folder of notes that is imported again after somebody wrote in it.
#[test]
fn a_note_without_an_identifier_that_changed_is_the_same_note() {
    let folder = TempDir::new().unwrap();
    let (vault, home) = (folder.path().join("vault"), folder.path().join("home"));
    std::fs::create_dir_all(vault.join("sub")).unwrap();
    init(&home, "one");
    let write = |name: &str, text: &str| std::fs::write(vault.join(name), text).unwrap();
    let import =
        || run_json(&home, &["import", vault.to_str().unwrap()]).expect(0).json().to_string();
    let counts = |accepted: u32, updated: u32, unchanged: u32| {
        format!(
            "{{\"accepted\":{accepted},\"updated\":{updated},\"unchanged\":{unchanged},\"skipped\":[]}}"
        )
    };
    write("p.md", "# P\n\na\n");
    write("sub/p.md", "# P\n\nb\n");
    assert_eq!(import(), counts(2, 0, 0));
    write("p.md", "# P\n\na\n\nmore\n");
    assert_eq!(import(), counts(0, 1, 1));
    assert_eq!(import(), counts(0, 0, 2), "and is known again");
    write("p.md", "Something else altogether.\n");
    assert_eq!(import(), counts(0, 1, 1), "what stands around it is known");
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("p.md"), "Written by somebody who never saw the first.\n").unwrap();
    let alone = run_json(&home, &["import", other.to_str().unwrap()]).expect(0).json().to_string();
    assert_eq!(alone, counts(1, 0, 0), "another text alone is another note");
}

/// S13: each folder is known by itself, and so are files that are named one by one.
#[test]
fn folders_that_are_known_are_known_together() {
    let folder = TempDir::new().unwrap();
    let (vault, home) = (folder.path().join("vault"), folder.path().join("home"));
    for (inner, text) in [("Work", "work"), ("Home", "home")] {
        std::fs::create_dir_all(vault.join(inner)).unwrap();
        for number in 1..=3 {
            let file = vault.join(format!("{inner}/{number}.md"));
            std::fs::write(file, format!("{text} {number}\n")).unwrap();
        }
    }
    init(&home, "one");
    let import = |names: &[&str]| {
        let paths = names.iter().map(|name| vault.join(name).to_str().unwrap().to_owned());
        let paths: Vec<String> = paths.collect();
        let arguments = ["import"].into_iter().chain(paths.iter().map(String::as_str));
        let report = run_json(&home, &arguments.collect::<Vec<_>>()).expect(0).json();
        (report["accepted"].clone(), report["unchanged"].clone())
    };
    assert_eq!(import(&[""]), (6.into(), 0.into()));
    assert_eq!(import(&["Work", "Home"]), (0.into(), 6.into()));
    assert_eq!(import(&["Work/1.md", "Home/1.md", "Work/3.md"]), (0.into(), 3.into()));
}

#[test]
fn notes_of_one_name_stay_apart_however_much_is_imported_between_them() {
    let root = TempDir::new().unwrap();
    let home = root.path().join("home");
    init(&home, "laptop");
    let [a, b, out] = ["a", "b", "out"].map(|name| root.path().join(name));
    let texts = ["buy milk\nand eggs\n", "buy milk\nand bread\n"];
    for (folder, text) in [&a, &b].into_iter().zip(texts) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("todo.md"), text).unwrap();
    }
    // More than one request carries.
    std::fs::write(a.join("walk.pdf"), vec![b'x'; 5 << 20]).unwrap();
    let [a, b, out] = [&a, &b, &out].map(|path| path.to_str().unwrap());
    run(&home, &["import", a]).expect(0);
    let report = run_json(&home, &["import", a, b]).expect(0).json();
    let counts = ["accepted", "updated", "unchanged"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [1, 0, 2]);
    run(&home, &["export", out]).expect(0);
    let found: Vec<String> = files_below(Path::new(out)).into_values().collect();
    assert!(texts.iter().all(|text| found.iter().any(|found| found == text)));
}

#[test]
fn a_calendar_without_its_last_line_is_taken_and_counts_as_nothing_left_out() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    init(&home, "one");
    let file = folder.path().join("cut.ics");
    let event = "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:One\r\nEND:VEVENT\r\n";
    std::fs::write(&file, format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{event}")).unwrap();
    for new in [1, 0] {
        let report = run_json(&home, &["import", file.to_str().unwrap()]).expect(0).json();
        let counts = (&report["accepted"], &report["unchanged"], &report["skipped"]);
        assert_eq!(counts, (&new.into(), &(1 - new).into(), &serde_json::json!([])));
        let reason = report["kept"][0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("the calendar has no END:VCALENDAR"), "{report}");
    }
    let told = run(&home, &["import", file.to_str().unwrap()]).expect(0);
    assert!(told.stdout.contains("1 unchanged, 0 left out."), "{}", told.stdout);
    assert!(told.stderr.contains("cut.ics:1: the calendar has no END"), "{}", told.stderr);
}

/// S9: a file beside notes is one whichever way it is given.
#[test]
fn a_text_without_an_ending_is_the_same_note_named_or_in_its_folder() {
    let folder = TempDir::new().unwrap();
    let (vault, home) = (folder.path().join("vault"), folder.path().join("home"));
    std::fs::create_dir(&vault).unwrap();
    std::fs::write(vault.join("README"), "Read me\n").unwrap();
    init(&home, "one");
    let file = vault.join("README");
    for path in [&file, &vault] {
        let report = run_json(&home, &["import", path.to_str().unwrap()]).expect(3).json();
        assert_eq!(report["skipped"][0]["file"], file.to_str().unwrap(), "no note stands there");
    }
    std::fs::write(vault.join("a.md"), "# A\n").unwrap();
    let report = run_json(&home, &["import", file.to_str().unwrap()]).expect(0).json();
    assert_eq!(report["accepted"], 1);
    let report = run_json(&home, &["import", vault.to_str().unwrap()]).expect(0).json();
    assert_eq!((&report["accepted"], &report["unchanged"]), (&1.into(), &1.into()));
}
