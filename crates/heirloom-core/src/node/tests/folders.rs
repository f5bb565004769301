//! Folders of notes that are imported again.

use super::super::*;
use super::alone::Alone;
use crate::command::{ImportItem, ImportReport};
use base64::Engine as _;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::{BTreeMap, BTreeSet};

type Files<'a> = [(&'a str, &'a str)];

fn import(alone: &mut Alone, files: &Files<'_>) -> (u64, u64, u64) {
    import_folders(alone, &[files])
}

/// Imports some folders together.
fn import_folders(alone: &mut Alone, folders: &[&Files<'_>]) -> (u64, u64, u64) {
    let item = |root: u32, (file, text): &(&str, &str)| ImportItem {
        category: "notes".into(),
        file: (*file).to_owned(),
        line: 1,
        base64: base64::engine::general_purpose::STANDARD.encode(text),
        root,
    };
    let of = |(root, files): (u32, &&Files<'_>)| -> Vec<ImportItem> {
        files.iter().map(|file| item(root, file)).collect()
    };
    let items = (0..).zip(folders).flat_map(of).collect();
    match alone.ask(Command::Import { items, dry_run: false, wait: Wait::default() }) {
        Ok(Answer::Imported { report, .. }) => {
            let ImportReport { accepted, updated, unchanged, .. } = report;
            (accepted, updated, unchanged)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_changed_picture_of_a_folder_that_is_known_stays_one() {
    let mut alone = Alone::new();
    let first = [("img/p.png", "one"), ("doc.pdf", "%PDF a"), ("n.md", "# N\n\n![p](img/p.png)\n")];
    assert_eq!(import(&mut alone, &first), (3, 0, 0));
    let second = [("img/p.png", "two"), ("doc.pdf", "%PDF b"), first[2]];
    assert_eq!(import(&mut alone, &second), (0, 2, 1));
    assert_eq!(import(&mut alone, &second), (0, 0, 3));
    let rows = alone.list("notes", None);
    assert_eq!(rows.len(), 3);
    let (category, id) =
        ("notes".to_owned(), rows.iter().find(|row| row.title == "p.png").unwrap().id.clone());
    let Ok(Answer::Record(row)) =
        alone.ask(Command::Show { category: category.clone(), id: id.clone() })
    else {
        panic!("it is there")
    };
    assert_eq!(row.source, None, "a picture is no text");
    let Ok(Answer::History { rows }) = alone.ask(Command::History { category, id }) else {
        panic!("it has one")
    };
    let after = rows
        .iter()
        .filter_map(|row| row.edits.iter().find(|edit| edit.field == "attachment")?.after.clone());
    let told: Vec<String> = after.map(|value| value.as_str().unwrap().to_owned()).collect();
    assert!(told.iter().all(|text| text.starts_with("(3 bytes, ")) && told.len() == 2, "{told:?}");
    let rewritten = [second[0], second[1], ("n.md", "something else entirely\n")];
    assert_eq!(import(&mut alone, &rewritten), (0, 1, 2), "the rest of the folder is known");
}

#[test]
fn files_of_another_folder_are_others() {
    let mut alone = Alone::new();
    let one = [("img/1.png", "one"), ("readme.md", "# Boats\n\nHow to sail\nand to row\nfar\n")];
    assert_eq!(import(&mut alone, &one), (2, 0, 0));
    let other = [("img/1.png", "1"), ("readme.md", "# Bread\n\nHow to bake\nand to eat\nit\n")];
    assert_eq!(import(&mut alone, &other), (2, 0, 0));
    assert_eq!(alone.list("notes", None).len(), 4);
    assert_eq!(import(&mut alone, &[("img/2.png", "x")]), (1, 0, 0));
    assert_eq!(import(&mut alone, &[("img/2.png", "y")]), (1, 0, 0), "nothing tells that it is");
}

#[test]
fn a_short_note_that_changed_stays_one() {
    let mut alone = Alone::new();
    for (name, texts) in [
        ("a.md", ["todo\n", "todo done\n"]),
        ("b.md", ["", "first\n"]),
        ("c.md", ["# x\n", "# x y\n"]),
    ] {
        assert_eq!(import(&mut alone, &[(name, texts[0])]), (1, 0, 0), "{name}");
        assert_eq!(import(&mut alone, &[(name, texts[1])]), (0, 1, 0), "{name}");
    }
    assert_eq!(
        import(&mut alone, &[("a.md", "eggs\n")]),
        (1, 0, 0),
        "it has nothing of the old one"
    );
}

#[test]
fn a_folder_that_was_imported_with_another_around_it_is_known() {
    let mut alone = Alone::new();
    let vault = [
        ("Recipes/a.md", "# A\n"),
        ("Recipes/sweet/b.md", "# B\n"),
        ("Recipes/img/p.png", "png"),
        ("c.md", "# C\n"),
    ];
    assert_eq!(import(&mut alone, &vault), (4, 0, 0));
    let inner = [("a.md", "# A\n"), ("sweet/b.md", "# B\n"), ("img/p.png", "png")];
    assert_eq!(import(&mut alone, &inner), (0, 0, 3));
    assert_eq!(import(&mut alone, &[("a.md", "# A\n")]), (0, 0, 1));
    let more = [inner[0], inner[1], inner[2], ("new.md", "# New\n"), ("a/a.md", "# A\n")];
    assert_eq!(import(&mut alone, &more), (2, 0, 3), "what is not there is new");
    assert_eq!(import(&mut alone, &more), (0, 0, 5));
    assert_eq!(import(&mut alone, &vault), (0, 0, 4));
    assert_eq!(alone.list("notes", None).len(), 6);
}

#[test]
fn a_file_of_the_same_bytes_in_a_strange_folder_is_another() {
    let mut alone = Alone::new();
    let vault = [("x/readme.md", "# Same\n"), ("y/readme.md", "# Same\n"), ("z/t.md", "# T\n")];
    assert_eq!(import(&mut alone, &vault), (3, 0, 0));
    let other = [("t.md", "# T\n"), ("1.md", "# 1\n"), ("2.md", "# 2\n")];
    assert_eq!(import(&mut alone, &other), (3, 0, 0), "most of it is strange");
    assert_eq!(import(&mut alone, &[("readme.md", "# Same\n")]), (1, 0, 0), "two are alike");
    assert_eq!(import(&mut alone, &[("d.md", "# Same\n")]), (1, 0, 0), "no place ends so");
}

#[test]
fn folders_that_are_known_stay_so_when_they_are_imported_together() {
    let mut alone = Alone::new();
    let vault = [
        ("Work/plan.md", "# Work\n"),
        ("Work/1.md", "work 1\n"),
        ("Home/plan.md", "# Home\n"),
        ("Home/1.md", "home 1\n"),
    ];
    assert_eq!(import(&mut alone, &vault), (4, 0, 0));
    let work = [("plan.md", "# Work\n"), ("1.md", "work 1\n")];
    let home = [("plan.md", "# Home\n"), ("1.md", "home 1\n")];
    assert_eq!(import_folders(&mut alone, &[&work, &home]), (0, 0, 4));
    let strange = [("x.md", "x\n"), ("y.md", "y\n"), ("z.md", "z\n"), ("1.md", "work 1\n")];
    assert_eq!(import_folders(&mut alone, &[&work[..1], &strange]), (4, 0, 1));
    assert_eq!(alone.list("notes", None).len(), 8);
}

#[test]
fn a_picture_changes_with_the_folder_that_it_is_of() {
    let mut alone = Alone::new();
    let [boats, bread] = ["# Boats\n\nTo sail\nto row\nfar\n", "# Bread\n\nTo bake\nto eat\nit\n"];
    let first = [("b.png", "one"), ("a.md", boats), ("c.md", boats)];
    assert_eq!(import(&mut alone, &first), (3, 0, 0));
    let changed = [("b.png", "two"), first[1]];
    let other = [("c.md", bread), ("d.md", "# D\n"), ("b.png", "three")];
    assert_eq!(import_folders(&mut alone, &[&other, &changed]), (3, 1, 1));
}

#[test]
fn a_folder_of_an_export_is_known_also_where_names_were_told_apart() {
    let mut alone = Alone::new();
    let vault = [("V/d/a.md", "# one\n"), ("V/d/A.md", "# two\n"), ("V/b.md", "# three\n")];
    assert_eq!(import(&mut alone, &vault), (3, 0, 0));
    let export = Command::Export { category: "notes".into(), after: None, limit: 10 };
    let Ok(Answer::Files { files, .. }) = alone.ask(export) else { panic!("there are some") };
    let told_apart = |inner: &str| -> Vec<(String, String)> {
        let file = |file: &crate::command::ExportFile| {
            let path = file.fallback.as_ref().unwrap().strip_prefix(inner).unwrap().to_owned();
            let text = base64::engine::general_purpose::STANDARD.decode(&file.base64).unwrap();
            (path, String::from_utf8(text).unwrap())
        };
        files.iter().map(file).collect()
    };
    for inner in ["notes/", "notes/V/"] {
        let files = told_apart(inner);
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert!(files.iter().all(|(path, _)| path.contains('-')), "{files:?}");
        assert_eq!(import(&mut alone, &files), (0, 0, 3), "{files:?}");
    }
}

/// Returns the notes as an export writes them, without the identifiers that it
/// adds, by names that tell them apart.
fn exported(alone: &mut Alone) -> BTreeMap<String, (String, String)> {
    let export = Command::Export { category: "notes".into(), after: None, limit: 1000 };
    let Ok(Answer::Files { files, .. }) = alone.ask(export) else { panic!("it is exported") };
    let read = |file: crate::command::ExportFile| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(&file.base64).unwrap();
        let whole = String::from_utf8(bytes).unwrap();
        let text = whole.strip_prefix("---\nid: h-").and_then(|text| text.split_once("\n---\n"));
        let text = text.map_or(whole.as_str(), |(_, text)| text).to_owned();
        let place = file.path.strip_prefix("notes/").unwrap().to_owned();
        (file.fallback.unwrap(), (place, text))
    };
    files.into_iter().map(read).collect()
}

fn texts_at(alone: &mut Alone, place: &str) -> Vec<String> {
    let notes = exported(alone).into_values();
    let mut texts: Vec<String> =
        notes.filter(|(at, _)| at == place).map(|(_, text)| text).collect();
    texts.sort();
    texts
}

#[test]
fn notes_of_one_name_and_like_texts_that_are_imported_together_stay_two() {
    let (a, b) = ("buy milk\nand eggs\n", "buy milk\nand bread\n");
    let [of_a, of_b] = [[("todo.md", a)], [("todo.md", b)]];
    for together in [[&of_a[..], &of_b], [&of_b, &of_a]] {
        let mut alone = Alone::new();
        assert_eq!(import(&mut alone, &of_a), (1, 0, 0));
        assert_eq!(import_folders(&mut alone, &together), (1, 0, 1));
        assert_eq!(texts_at(&mut alone, "todo.md"), [b, a]);
        assert_eq!(import_folders(&mut alone, &together), (0, 0, 2));
    }
}

#[test]
fn of_two_changed_notes_of_one_name_each_stays_its_own() {
    let mut alone = Alone::new();
    let of = |text| [("todo.md", text)];
    let (a, b) = (of("a one two\n"), of("b five six\n"));
    assert_eq!(import_folders(&mut alone, &[&a, &b]), (2, 0, 0));
    let (a, b) = (of("a one two three\n"), of("b five six seven\n"));
    assert_eq!(import_folders(&mut alone, &[&b, &a]), (0, 2, 0));
    assert_eq!(import_folders(&mut alone, &[&a, &b]), (0, 0, 2));
    assert_eq!(import(&mut alone, &of("one five\n")), (1, 0, 0), "as close to either");
    assert_eq!(import(&mut alone, &of("b five six seven eight\n")), (0, 1, 0));
    let expected = ["a one two three\n", "b five six seven eight\n", "one five\n"];
    assert_eq!(texts_at(&mut alone, "todo.md"), expected);
}

#[test]
fn a_folder_that_stands_in_another_of_the_same_import_is_part_of_it() {
    let mut alone = Alone::new();
    let whole = [("n.md", "one\n"), ("a/n.md", "one\n"), ("a/b/n.md", "two\n")];
    let (inner, innermost) = ([("n.md", "one\n"), ("b/n.md", "two\n")], [("n.md", "two\n")]);
    let together = [&innermost[..], &inner, &whole];
    assert_eq!(import_folders(&mut alone, &together), (3, 0, 3));
    assert_eq!(import_folders(&mut alone, &together), (0, 0, 6));
    assert_eq!(import_folders(&mut alone, &[&innermost, &whole]), (0, 0, 4));
}

#[test]
fn a_note_is_not_told_to_be_unchanged_where_another_text_of_it_stands_before_it() {
    let mut alone = Alone::new();
    assert_eq!(import(&mut alone, &[("a.md", "one\n")]), (1, 0, 0));
    assert_eq!(import(&mut alone, &[("a.md", "one two\n")]), (0, 1, 0));
    let export = Command::Export { category: "notes".into(), after: None, limit: 10 };
    let Ok(Answer::Files { files, .. }) = alone.ask(export) else { panic!("there is one") };
    let own = base64::engine::general_purpose::STANDARD.decode(&files[0].base64).unwrap();
    let own = [("a.md", std::str::from_utf8(&own).unwrap())];
    let old = [("a.md", "one\n")];
    assert_eq!(import_folders(&mut alone, &[&own, &old]), (0, 0, 1), "one is left out");
    assert_eq!(texts_at(&mut alone, "a.md"), ["one two\n"]);
}

#[test]
fn a_folder_is_known_also_where_a_file_of_the_same_name_stands_above_it() {
    let (top, low) = ("It holds\nmy notes\nof all\n", "It holds\nmy notes\nof work\n");
    let vault = [("readme.md", top), ("Work/readme.md", low), ("Work/x.md", "x\n")];
    for work in [&[("readme.md", low), vault[2]][..], &[("readme.md", low)]] {
        let mut alone = Alone::new();
        assert_eq!(import(&mut alone, &vault), (3, 0, 0));
        let before = exported(&mut alone);
        let inner = |(at, text): &(&'static str, _)| (at.trim_start_matches("Work/"), *text);
        let work: Vec<(&str, &str)> = work.iter().map(inner).collect();
        let unchanged = work.len() as u64;
        assert_eq!(import(&mut alone, &work), (0, 0, unchanged));
        assert_eq!(exported(&mut alone), before);
    }
}

#[test]
fn a_note_is_not_changed_by_one_that_is_closer_to_another_below() {
    let mut alone = Alone::new();
    let (top, low) = ("It holds\nmy notes\nof all\n", "It holds\nmy notes\nof work\n");
    let (x, y) = ("x\n", "y\n");
    let work = [("Work/readme.md", low), ("Work/x.md", x), ("Work/y.md", y)];
    let vault = [&[("readme.md", top)], &work[..]].concat();
    assert_eq!(import(&mut alone, &vault), (4, 0, 0));
    let changed = "It holds\nmy notes\nof work now\n";
    let inner = [("readme.md", changed), ("x.md", x), ("y.md", y)];
    assert_eq!(import(&mut alone, &inner), (1, 0, 2));
    assert_eq!(texts_at(&mut alone, "readme.md"), [top, changed]);
    // What is mostly new tells of no folder, but is no other readme either.
    let copy = [("readme.md", low), ("1.md", "1\n"), ("2.md", "2\n")];
    assert_eq!(import(&mut alone, &copy), (3, 0, 0));
    let own = [("readme.md", "It holds\nmy notes\nof all of us\n")];
    assert_eq!(import(&mut alone, &own), (0, 1, 0), "it is closer to the one at its place");
}

#[test]
fn a_file_of_an_export_that_was_told_apart_and_changed_stays_its_note() {
    let mut alone = Alone::new();
    let vault =
        [("d/a.md", "of one\n"), ("d/A.md", "of two\n"), ("d/p.png", "p"), ("d/P.png", "P")];
    assert_eq!(import(&mut alone, &vault), (4, 0, 0));
    let changed =
        |before: &BTreeMap<String, (String, String)>, by: &str| -> Vec<(String, String)> {
            let file = |(name, (_, text)): (&String, &(String, String))| {
                (name.strip_prefix("notes/").unwrap().to_owned(), format!("{by} {text}"))
            };
            before.iter().map(file).collect()
        };
    let before = exported(&mut alone);
    for by in ["more", "something else than what was there before and then"] {
        let files = changed(&before, by);
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert!(files.iter().all(|(path, _)| path.contains('-')), "{files:?}");
        assert_eq!(import(&mut alone, &files), (0, 4, 0));
        assert_eq!(import(&mut alone, &files), (0, 0, 4));
        let after = exported(&mut alone);
        assert!(after.keys().eq(before.keys()), "no note has moved: {after:?}");
        let files: Vec<&str> = files.iter().map(|(_, text)| *text).collect();
        assert!(after.values().map(|(_, text)| text.as_str()).eq(files));
    }
}

/// Files by their paths.
type Disk = BTreeMap<String, String>;

/// Files that change, and folders that are imported together then.
type Step = (Vec<(String, String)>, Vec<&'static str>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = select(vec!["a/", "b/", "a/b/", "a/a/", "b/a/"]).prop_flat_map(|folder| {
        select(vec!["n.md", "m.md"]).prop_map(move |name| format!("{folder}{name}"))
    });
    let line = select(vec!["one", "two", "three", "four", "five"]);
    let text = proptest::collection::vec(line, 1..6).prop_map(|lines| lines.join("\n") + "\n");
    let files = proptest::collection::vec((path, text), 0..5);
    let roots = subsequence(vec!["", "a/", "b/", "a/b/", "b/a/"], 1..4).prop_shuffle();
    proptest::collection::vec((files, roots), 1..7)
}

/// Returns the files of some folders, each by its path below the folder.
fn below<'a>(disk: &'a Disk, roots: &[&str]) -> Vec<Vec<(&'a str, &'a str)>> {
    let of = |root: &&str| {
        let file =
            |(path, text): (&'a String, &'a String)| Some((path.strip_prefix(*root)?, &**text));
        disk.iter().filter_map(file).collect()
    };
    roots.iter().map(of).collect()
}

fn is_lossless(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut alone, mut disk) = (Alone::new(), Disk::new());
    for (changed, roots) in steps {
        disk.extend(changed);
        let files = below(&disk, &roots);
        let folders: Vec<&Files<'_>> = files.iter().map(Vec::as_slice).collect();
        let imported: BTreeSet<(&str, &str)> = folders.iter().copied().flatten().copied().collect();
        let before = exported(&mut alone);
        let (new, updated, unchanged) = import_folders(&mut alone, &folders);
        let after = exported(&mut alone);
        let texts: BTreeSet<&str> = after.values().map(|(_, text)| text.as_str()).collect();
        for (place, text) in &imported {
            prop_assert!(texts.contains(text), "{place} of {roots:?} is lost: {text:?}");
        }
        let count = folders.iter().map(|files| files.len() as u64).sum();
        prop_assert_eq!(new + updated + unchanged, count);
        prop_assert_eq!(after.len() as u64, before.len() as u64 + new);
        let mut written = BTreeSet::new();
        for (name, (place, text)) in before {
            let (_, now) = &after[&name];
            if *now != text {
                prop_assert!(imported.contains(&(&place, now)), "{place} was not imported");
                prop_assert!(written.insert((place, now)), "two notes became one");
            }
        }
        prop_assert_eq!(written.len() as u64, updated);
        prop_assert_eq!(import_folders(&mut alone, &folders), (0, 0, count));
        prop_assert_eq!(exported(&mut alone), after);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_of_a_note_is_lost_by_an_import(steps in steps()) {
        is_lossless(steps)?;
    }
}
