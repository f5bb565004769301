use crate::testing::{TIE, applied, items, made, one, reimported, rendered, set, texts};
use crate::{
    Item, RawItem, content_uid, create, edit, field_of, file_name, is_bookkeeping, parse,
    parse_assignments, preferred_file_name, project, render, replace, split,
};
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{Content, Value, key};

const PLAIN: &[u8] = include_bytes!("../../tests/data/plain.md");
const FRONT: &[u8] = include_bytes!("../../tests/data/front-matter.md");
const OPEN: &[u8] = include_bytes!("../../tests/data/no-end.txt");

fn title(content: &Content) -> String {
    project(&NOTES, content).title
}

fn exported(item: &Item, content: &Content) -> (String, Vec<u8>) {
    let uid = item.uid.clone().unwrap_or_else(|| content_uid(item));
    (file_name(&NOTES, content, &uid), render(&NOTES, content, &uid))
}

#[test]
fn the_layout_of_a_note_is_frozen() {
    let item = one("notes/apple.md", b"---\r\nid: 202601020304\r\n---\nText");
    let text = |text: &str| Value::Str(text.into());
    let expected = [
        ("body", Value::Text("Text".into())),
        ("eol", text("\r\n")),
        ("f000010", text("---")),
        ("f000020", text("id: 202601020304")),
        ("f000030", text("---\n")),
        ("folder", text("notes")),
        ("name", text("apple")),
    ];
    assert_eq!(item.content, expected.map(|(key, value)| (key.to_owned(), value)).into());
    assert_eq!(item.uid.as_deref(), Some("202601020304"));
    let plain = one("Shopping.md", PLAIN);
    assert_eq!(plain.content.keys().collect::<Vec<_>>(), ["body"], "the heading tells the name");
    assert_eq!(content_uid(&plain), "h-5247e39ce9f0ac9a861e9d0e0d060a3d");
}

#[test]
fn every_note_comes_back_byte_for_byte() {
    let odd: [&[u8]; 8] = [
        b"",
        b"---\n",
        b"---\n---",
        b"---\n---\n",
        b"\xef\xbb\xbf---\nid: 1\n---\nx",
        b"\xff\xfe",
        b"---\rid: 1\r---\rx\r",
        b"---\nid: \xff\n---\n\xff",
    ];
    for bytes in [PLAIN, FRONT, OPEN].into_iter().chain(odd) {
        assert_eq!(rendered(&one("a.md", bytes)), bytes);
    }
}

#[test]
fn the_title_stands_in_front_matter_heading_or_name() {
    let title_of = |name: &str, text: &str| title(&one(name, text.as_bytes()).content);
    assert_eq!(title(&one("x.md", FRONT).content), "Omas Apfelkuchen: das Rezept");
    assert_eq!(title(&one("x.md", PLAIN).content), "Shopping");
    assert_eq!(title_of("a/To do.txt", "buy milk\n"), "To do");
    assert_eq!(title_of("x.md", "\n# Heading #\n"), "Heading");
    assert_eq!(title_of("x.md", "---\ntitle:\n---\n## Not the first level\n"), "x");
    assert_eq!(one("x.md", FRONT).uid, None, "another folder may have such a recipe");
}

#[test]
fn a_lone_carriage_return_ends_a_line_where_there_is_no_line_feed() {
    let title_of = |text: &str| title(&made(&NOTES, "1", &[&format!("body={text}")]));
    assert_eq!(title_of("\rCR only\rline2"), "CR only");
    assert_eq!(title_of("# Heading #\rtext"), "Heading");
    assert_eq!(title_of("a\rb\r\nc"), "a\rb", "within other lines it is a letter");
    let front = one("x.md", b"---\rtitle: In front\r---\rtext");
    assert_eq!(title(&front.content), "In front");
    let note = one("x.md", b"CR only\rline2");
    let named = render(&NOTES, &note.content, "7d0c9f5e7d0c9f5e");
    assert_eq!(named, b"---\rid: 7d0c9f5e7d0c9f5e\r---\rCR only\rline2");
    assert_eq!(one("x.md", &named).uid.as_deref(), Some("7d0c9f5e7d0c9f5e"));
}

#[test]
fn notes_of_one_text_and_two_names_are_two() {
    let uid = |name: &str, text: &str| content_uid(&one(name, text.as_bytes()));
    assert_ne!(uid("a.md", ""), uid("b.md", ""));
    assert_ne!(uid("x/a.md", "text"), uid("y/a.md", "text"));
    assert_ne!(uid("a.md", "text"), uid("a.txt", "text"));
    assert_ne!(uid("a.md", "text"), uid("a.md", "other"));
}

#[test]
fn an_export_is_known_again_and_changes_nothing() {
    let long = format!("{}.md", "\u{fc}ber ".repeat(30));
    for (name, bytes) in [
        ("Shopping list.md", PLAIN),
        ("x.md", FRONT),
        ("a-b.txt", OPEN),
        ("..md", b"x"),
        (long.as_str(), b""),
    ] {
        let item = one(name, bytes);
        let (file, bytes) = exported(&item, &item.content);
        assert!(file.len() <= 255, "{file}");
        assert_eq!(one(&file, &bytes), item, "{name}");
        let file = preferred_file_name(&NOTES, &item.content).unwrap();
        assert_eq!(one(&file, &bytes), item, "{name}");
    }
}

#[test]
fn a_note_goes_back_to_where_it_stood() {
    for name in ["a/b c/Was ist das?.md", "Idea.txt", "x/Read me.MARKDOWN", "deep/.md"] {
        let item = one(name, b"text");
        let path = preferred_file_name(&NOTES, &item.content).unwrap();
        let expected = if name == "deep/.md" { "deep/untitled.md" } else { name };
        assert_eq!(path, expected);
        let fallback = file_name(&NOTES, &item.content, &content_uid(&item));
        assert_ne!(fallback, path);
        assert_eq!(one(&fallback, b"text"), item, "{fallback}");
    }
    let hostile = [("folder", "../../etc"), ("name", "../a\u{202e}b\n"), ("ending", "sh/x")];
    let hostile: Content =
        hostile.map(|(key, text)| (key.to_owned(), Value::Str(text.to_owned()))).into();
    let path = preferred_file_name(&NOTES, &hostile).unwrap();
    assert_eq!(path, "untitled/untitled/etc/-ab .md");
}

#[test]
fn a_note_that_moved_is_the_same_note_by_its_id_and_another_without() {
    let at = |path: &str, text: &str| one(path, text.as_bytes());
    let (before, after) = (at("a/x.md", "---\nid: 1\n---\n"), at("b/x.md", "---\nid: 1\n---\n"));
    let moved = reimported(&after, &before.content, &before.content);
    assert_eq!(preferred_file_name(&NOTES, &moved).unwrap(), "b/x.md");
    assert_ne!(content_uid(&at("a/x.md", "x")), content_uid(&at("b/x.md", "x")));
}

#[test]
fn an_attachment_is_kept_as_it_is() {
    let raw = |name: &str, bytes: &[u8]| RawItem {
        category: &NOTES,
        name: name.to_owned(),
        line: 1,
        bytes: bytes.to_vec(),
    };
    for bytes in [&b"\x89PNG\0\r\n"[..], b"", b"\xff\xfea\0", b"---\nid: 1\n---\n"] {
        let item = parse(&raw("attachments/Pasted image.PNG", bytes)).unwrap();
        let uid = content_uid(&item);
        assert_eq!(render(&NOTES, &item.content, &uid), bytes);
        let path = preferred_file_name(&NOTES, &item.content).unwrap();
        assert_eq!(path, "attachments/Pasted image.PNG");
        let fallback = file_name(&NOTES, &item.content, &uid);
        assert_eq!(parse(&raw(&fallback, bytes)).unwrap(), item);
        let shown = project(&NOTES, &item.content);
        assert_eq!(shown.title, "Pasted image.PNG");
        assert!(shown.search.contains("attachments"));
        let edits = parse_assignments(&NOTES, &["body=x".to_owned()]).unwrap();
        assert!(edit(&NOTES, &item.content, &edits, TIE).is_err());
    }
    for name in ["png.png", "route.gpx", "plan.excalidraw", "page.HTML"] {
        let shown = project(&NOTES, &parse(&raw(name, b"{}")).unwrap().content);
        assert_eq!(shown.title, name);
    }
    let kept: [(&str, &[u8]); 7] = [
        ("Recipes/.attachments.42/plan.png", b"\x89PNG"),
        ("nb/plot.ipynb", b"{}"),
        ("Thumbs", b"\x01\0"),
        ("v1.2 draft", b"\xff"),
        ("a.c++", b"int x;"),
        ("data.json", b"\xff\xfea\0"),
        ("end.", b"x"),
    ];
    for (name, bytes) in kept {
        let item = parse(&raw(name, bytes)).unwrap();
        assert_eq!(preferred_file_name(&NOTES, &item.content).unwrap(), name);
        assert_eq!(render(&NOTES, &item.content, &content_uid(&item)), bytes);
        let fallback = file_name(&NOTES, &item.content, &content_uid(&item));
        assert_eq!(parse(&raw(&fallback, bytes)).unwrap(), item, "{fallback}");
        assert!(
            edit(
                &NOTES,
                &item.content,
                &parse_assignments(&NOTES, &["body=x".to_owned()]).unwrap(),
                TIE
            )
            .is_err()
        );
    }
    let text = parse(&raw("b/LICENSE", b"Free.\n")).unwrap();
    assert_eq!(project(&NOTES, &text.content).title, "LICENSE");
    assert_eq!(preferred_file_name(&NOTES, &text.content).unwrap(), "b/LICENSE");
    let large = split("a.png", &vec![0; (10 << 20) + 1], Some("notes")).unwrap();
    assert_eq!(large.skipped[0].reason, "the attachment is larger than 10 MiB");
    assert!(split("a.png", b"\0", None).is_err(), "alone it is no note");
}

#[test]
fn a_note_in_another_character_set_is_read_and_kept() {
    let wide = crate::encoding::Mark::Little.written("# Grüße\r\nText".as_bytes());
    for (bytes, shown) in [(wide.as_slice(), "Grüße"), (b"# Gr\xfc\xdfe\n", "Grüße")] {
        let item = one("x.txt", bytes);
        assert_eq!(title(&item.content), shown);
        assert_eq!(rendered(&item), bytes);
    }
    let edited = set(&NOTES, &one("x.txt", &wide).content, &["title=Neu"]);
    let expected = crate::encoding::Mark::Little
        .written("---\ntitle: Neu\nid: 1\n---\n# Grüße\r\nText".as_bytes());
    assert_eq!(render(&NOTES, &edited, "1"), expected);
}

#[test]
fn an_edited_export_is_known_again_and_changes_nothing() {
    for (name, bytes) in [("Shopping.md", PLAIN), ("x.md", FRONT), ("todo.txt", OPEN)] {
        for edits in [&["body=new\n"][..], &["title=New: title"], &["title=T", "body="]] {
            let item = one(name, bytes);
            let uid = item.uid.clone().unwrap_or_else(|| content_uid(&item));
            let edited = set(&NOTES, &item.content, edits);
            let (file, bytes) = exported(&item, &edited);
            let again = one(&file, &bytes);
            assert_eq!(again.uid, Some(uid), "{name} {edits:?}");
            let changes = replace(&NOTES, &item.content, &edited, &again.content, TIE).edits;
            assert_eq!(changes, [], "{name} {edits:?}");
        }
    }
}

#[test]
fn an_edit_of_the_body_leaves_the_front_matter_alone() {
    let edited = set(&NOTES, &one("x.md", FRONT).content, &["body=short"]);
    let file = String::from_utf8(render(&NOTES, &edited, "recipe-apple")).unwrap();
    let front = String::from_utf8(FRONT.to_vec()).unwrap();
    let (front, _) = front.split_once("\n\n").unwrap();
    assert_eq!(file, format!("{front}\nshort"));
}

#[test]
fn an_edit_of_the_title_touches_its_line_only() {
    let edited = set(&NOTES, &one("x.md", FRONT).content, &["title=Plum cake"]);
    let file = render(&NOTES, &edited, "recipe-apple");
    let (gone, new) = crate::testing::changed_lines(FRONT, &file);
    assert_eq!(gone, ["title: \"Omas Apfelkuchen: das Rezept\"\n"]);
    assert_eq!(new, ["title: Plum cake\n"]);
    let none = set(&NOTES, &edited, &["title="]);
    assert_eq!(title(&none), "x");
    let added = set(&NOTES, &none, &["title=Back"]);
    assert!(render(&NOTES, &added, "recipe-apple").starts_with(b"---\ntitle: Back\ntags:"));
}

#[test]
fn an_edit_of_a_title_on_several_lines_replaces_all_of_them() {
    for (value, shown) in [
        (" >-\n  folded\n\n  title\n", "folded title"),
        (" plain\n  title\n", "plain title"),
        ("\n- not\n- a text\n", "x"),
        (" \"two\n  lines\"\n", "two lines"),
    ] {
        let file = |title: &str| format!("---\nid: 1\n{title}\ntags:\n- a\n---\nB\n");
        let titled = one("x.md", file(&format!("title:{value}")).as_bytes()).content;
        assert_eq!(title(&titled), shown);
        let edited = set(&NOTES, &titled, &["title=New T"]);
        assert_eq!(title(&edited), "New T");
        let rendered = String::from_utf8(render(&NOTES, &edited, "1")).unwrap();
        assert_eq!(rendered, file("title: New T\n"));
        let none = set(&NOTES, &titled, &["title="]);
        assert_eq!(render(&NOTES, &none, "1"), file("").as_bytes());
    }
    let only = one("x.md", b"---\ntitle: |\n  one\n  two\n---\nB\n").content;
    assert_eq!(render(&NOTES, &set(&NOTES, &only, &["title="]), "1"), b"---\nid: 1\n---\nB\n");
}

#[test]
fn a_title_makes_a_front_matter_that_two_devices_share() {
    let plain = one("Shopping.md", PLAIN).content;
    let edits = |title: &str, tie: &str| {
        let edits = parse_assignments(&NOTES, &[format!("title={title}")]).unwrap();
        edit(&NOTES, &plain, &edits, tie).unwrap()
    };
    let (one_edit, other) = (edits("One", "aaaaaaaa"), edits("Other", "bbbbbbbb"));
    let keys = |edits: &crate::Edits| edits.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&one_edit), keys(&other));
    let titled = applied(&plain, one_edit);
    assert!(
        render(&NOTES, &titled, "1").starts_with(b"---\ntitle: One\nid: 1\n---\n# Shopping\r\n")
    );
    assert_eq!(set(&NOTES, &titled, &["title="]), plain);
}

#[test]
fn a_new_note_survives_its_file() {
    let note = made(&NOTES, "7d0c9f5e7d0c9f5e", &["title=Groceries: all", "body=milk\nbread"]);
    let file = render(&NOTES, &note, "7d0c9f5e7d0c9f5e");
    assert_eq!(
        String::from_utf8(file.clone()).unwrap(),
        "---\ntitle: \"Groceries: all\"\nid: 7d0c9f5e7d0c9f5e\n---\nmilk\nbread"
    );
    let again = one(&file_name(&NOTES, &note, "7d0c9f5e7d0c9f5e"), &file);
    assert_eq!((again.content, again.uid.as_deref()), (note.clone(), Some("7d0c9f5e7d0c9f5e")));
    assert_eq!(texts(&NOTES, &note, "title"), ["Groceries: all"]);
    assert_eq!(texts(&NOTES, &note, "body"), ["milk\nbread"]);
    let untitled = made(&NOTES, "7d0c9f5e7d0c9f5e", &["body=\nmilk\nbread"]);
    assert_eq!(title(&untitled), "milk");
    let name = file_name(&NOTES, &untitled, "7d0c9f5e7d0c9f5e");
    assert_eq!(one(&name, &render(&NOTES, &untitled, "7d0c9f5e7d0c9f5e")).content, untitled);
    assert!(create(&NOTES, &[], "7d0c9f5e7d0c9f5e", 0).is_err());
}

#[test]
fn edits_of_file_and_record_merge_line_by_line() {
    let text = |body: &str| one("a.md", format!("---\nid: 1\n---\n{body}").as_bytes());
    let base = text("one\ntwo\nthree\n");
    let current = set(&NOTES, &base.content, &["body=one\ntwo\nTHREE\n"]);
    let merged = reimported(&text("zero\none\ntwo\nthree\n"), &base.content, &current);
    assert_eq!(texts(&NOTES, &merged, "body"), ["zero\none\ntwo\nTHREE\n"]);
    let titled = one("a.md", b"---\ntitle: T\nid: 1\n---\none\ntwo\nthree\n");
    let merged = reimported(&titled, &base.content, &current);
    assert_eq!(render(&NOTES, &merged, "1"), b"---\ntitle: T\nid: 1\n---\none\ntwo\nTHREE\n");
    assert_eq!(replace(&NOTES, &base.content, &merged, &titled.content, TIE).edits, []);
}

#[test]
fn reordered_front_matter_is_served_as_it_was_put() {
    let base = one("a.md", b"---\nid: 1\na: 1\nb: 2\n---\n");
    let put = b"---\nb: 2\na: 1\nid: 1\n---\n";
    let mut current = reimported(&one("a.md", put), &base.content, &base.content);
    current.insert(key::IMPORT.into(), Value::Str(String::from_utf8(put.to_vec()).unwrap()));
    assert_eq!(render(&NOTES, &current, "1"), put);
}

#[test]
fn large_and_binary_files_are_no_notes() {
    assert!(split("a.txt", b"bin\0ary", None).is_err());
    let large = split("a.md", &vec![b'x'; 2 << 20], None).unwrap();
    assert_eq!(large.skipped[0].reason, "the note is larger than 1 MiB");
    let lines = format!("---\n{}---\n", "a: b\n".repeat(1_001));
    let raw = &items("a.md", lines.as_bytes())[0];
    assert!(crate::parse(raw).is_err());
}

#[test]
fn what_does_not_fit_a_field_is_refused() {
    let note = one("x.md", FRONT).content;
    let refused = |text: &str| {
        let edits = parse_assignments(&NOTES, &[text.to_owned()]);
        edits.and_then(|edits| edit(&NOTES, &note, &edits, TIE)).unwrap_err().to_string()
    };
    assert_eq!(refused("title=a\nb"), "title is one line of text, not \"a\\nb\"");
    assert_eq!(refused("body+=x"), "body takes one value");
    assert_eq!(refused("tags=x"), "there is no field \"tags\" in notes");
}

#[test]
fn an_entry_without_its_fences_stands_between_new_ones() {
    for text in ["---\ntitle: One\n---\nbody\n", "---\r\ntitle: One\r\n---\r\nbody\r\n"] {
        let raw = RawItem { category: &NOTES, name: "n.md".into(), line: 1, bytes: text.into() };
        let whole = parse(&raw).unwrap().content;
        let edits = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            edit(&NOTES, &whole, &parse_assignments(&NOTES, &texts).unwrap(), TIE).unwrap()
        };
        let merged = applied(&applied(&whole, edits(&["title="])), edits(&["title=Two"]));
        assert_eq!(project(&NOTES, &merged).title, "Two");
        let file = String::from_utf8(render(&NOTES, &merged, "7d0c9f5e7d0c9f5e")).unwrap();
        let again = RawItem { bytes: file.clone().into(), ..raw };
        let again = parse(&again).unwrap();
        assert_eq!(
            (again.uid.as_deref(), project(&NOTES, &again.content).title),
            (Some("7d0c9f5e7d0c9f5e"), "Two".into())
        );
        assert!(file.ends_with("body\n") || file.ends_with("body\r\n"), "{file}");
    }
}

#[test]
fn a_line_of_any_front_matter_tells_its_title_by_itself() {
    for line in ["title: T B", "title: \"T B\"", "title = \"T B\"", "{title: T B, id: x}"] {
        let alone = Content::from([("f000020".to_owned(), Value::Str(line.into()))]);
        assert_eq!(project(&NOTES, &alone).title, "T B", "{line}");
        let value = Value::Str(line.into());
        assert_eq!(field_of(&NOTES, "f000020", &value).as_deref(), Some("title"), "{line}");
    }
}

#[test]
fn keys_tell_their_field_and_whether_they_matter() {
    let line = |text: &str| Value::Str(text.into());
    let field = |key: &str, text: &str| field_of(&NOTES, key, &line(text));
    assert_eq!(field("body", "x").as_deref(), Some("body"));
    assert_eq!(field("f000010", "Title: x").as_deref(), Some("title"));
    assert_eq!(field("f000010", "tags: x").as_deref(), Some("tags"));
    assert_eq!(field("f000010", "---"), None);
    assert_eq!(field("name", "x").as_deref(), Some("name"));
    assert!(
        is_bookkeeping(&NOTES, "eol", &line("\n")) && !is_bookkeeping(&NOTES, "body", &line(""))
    );
}

#[test]
fn a_mark_of_the_encoding_never_stands_inside_a_note() {
    let marked = "\u{feff}# Plums\nx\n";
    let item = one("b.md", marked.as_bytes());
    let uid = crate::content_uid(&item);
    let content = item.content;
    assert_eq!(render(&NOTES, &content, &uid), marked.as_bytes(), "as it came");
    let edited = set(&NOTES, &content, &["title=Pears"]);
    let file = String::from_utf8(render(&NOTES, &edited, "u")).unwrap();
    assert_eq!(file.rfind('\u{feff}'), Some(0), "{file:?}");
    assert!(file.ends_with("---\n# Plums\nx\n"), "{file:?}");
    assert_eq!(title(&edited), "Pears");
}

#[test]
fn a_text_that_is_given_to_a_note_of_front_matter_alone_begins_a_line() {
    let item = one("a.md", b"---\ntitle: Plums\n---");
    assert_eq!(rendered(&item), b"---\ntitle: Plums\n---");
    let edited = set(&NOTES, &item.content, &["body=Ripe."]);
    let file = String::from_utf8(render(&NOTES, &edited, &crate::content_uid(&item))).unwrap();
    assert!(file.ends_with("\n---\nRipe."), "{file:?}");
}

#[test]
fn what_stands_in_a_list_is_no_entry_of_the_front_matter() {
    for (file, edited) in [
        (
            "+++\nnotes = [\n  \"title = old\",\n  \"b\",\n]\ntitle = \"Real\"\n+++\nB\n",
            "title = \"X\"",
        ),
        (
            "+++\nlist = {\n id = \"5\",\ntitle = \"y\" }\ntitle = \"Real\"\n+++\nB\n",
            "title = \"X\"",
        ),
        ("---\nx: [a,\ntitle: y,\nid: 5]\ntitle: Real\n---\nB\n", "title: X"),
    ] {
        let item = one("a.md", file.as_bytes());
        assert_eq!((title(&item.content).as_str(), item.uid.as_deref()), ("Real", None), "{file}");
        let changed = set(&NOTES, &item.content, &["title=X"]);
        let rendered = String::from_utf8(render(&NOTES, &changed, "u")).unwrap();
        let expected = file.replace("title = \"Real\"", edited).replace("title: Real", edited);
        let without_id: Vec<&str> =
            rendered.lines().filter(|line| !line.ends_with("u\"") && *line != "id: u").collect();
        assert_eq!(without_id.join("\n") + "\n", expected, "{rendered}");
    }
}

#[test]
fn a_changed_note_is_told_from_another_of_the_same_name() {
    let note = |text: &str| one("p.md", text.as_bytes()).content;
    let is_one = |one: &str, other: &str| crate::is_likely_one(&NOTES, &note(one), &note(other));
    assert!(is_one("# P\n\na\n", "# P\n\na\nb\n"));
    assert!(is_one("one\ntwo\nthree\n", "zero\r\n two\r\nthree\r\nfour\r\nfive\r\n"));
    assert!(!is_one("# P\n\nthis\nand that\n", "# P\n\nof something\nelse\n"));
    assert!(!is_one("a\n", "b\n"));
    assert!(is_one("todo\n", "todo done\n") && is_one("# one\n", "# one changed\n"));
    let titled = |body: &str| format!("---\ntitle: About it\n---\n{body}\n");
    assert!(is_one(&titled("old"), &titled("quite another")), "the title is half of it");
    assert!(!is_one(&titled("old body here"), &titled("some new other")));
    assert!(is_one("", "the first text\n") && !is_one("the only text\n", ""));
}

#[test]
fn how_close_two_notes_are_is_told_by_their_words() {
    let note = |text: &str| one("p.md", text.as_bytes()).content;
    let closeness = |one: &str, other: &str| crate::closeness(&NOTES, &note(one), &note(other));
    assert_eq!(closeness("one two\n", "two\none"), 1000);
    assert_eq!(closeness("one two\n", "one two three four\n"), 666);
    assert_eq!(closeness("one\n", "two\n"), 0);
    assert_eq!(closeness("", "\n"), 1000);
    let raw = RawItem { category: &NOTES, name: "p.png".into(), line: 1, bytes: b"one".into() };
    let picture = parse(&raw).unwrap().content;
    assert_eq!(crate::closeness(&NOTES, &picture, &picture), 0);
}

#[test]
fn a_rule_is_no_front_matter() {
    let file = b"---\n\nJust a rule\n\n---\n\ntext\n";
    let note = one("x.md", file).content;
    assert_eq!(note["body"].as_str(), std::str::from_utf8(file).ok());
    let titled = render(&NOTES, &set(&NOTES, &note, &["title=T"]), "1");
    assert_eq!(titled, [b"---\ntitle: T\nid: 1\n---\n", &file[..]].concat());
}

#[test]
fn front_matter_in_toml_is_read_and_written_as_such() {
    let file = "+++\r\n# c\r\ndate = 2024-05-01\r\ntitle = \"Old: \\\"T\\\"\" # c\r\n\r\n[extra]\r\ntitle = 1\r\n+++\r\nText\r\n";
    let note = one("x.md", file.as_bytes());
    assert_eq!((title(&note.content).as_str(), rendered(&note)), ("Old: \"T\"", file.into()));
    let edited = set(&NOTES, &note.content, &["title=New \"T\"", "body=B"]);
    let expected = file
        .replace("Old: \\\"T\\\"\" # c", "New \\\"T\\\"\"")
        .replace("+++\r\n#", "+++\r\nid = \"7d0c9f5e7d0c9f5e\"\r\n#")
        .replace("Text\r\n", "B");
    let exported = render(&NOTES, &edited, "7d0c9f5e7d0c9f5e");
    assert_eq!(String::from_utf8(exported.clone()).unwrap(), expected);
    assert_eq!(one("x.md", &exported).uid.as_deref(), Some("7d0c9f5e7d0c9f5e"));
    let plain = one("x.md", b"+++\ndraft = true\n+++\nText").content;
    let added = render(&NOTES, &set(&NOTES, &plain, &["title=T"]), "7d0c9f5e7d0c9f5e");
    assert_eq!(added, b"+++\nid = \"7d0c9f5e7d0c9f5e\"\ntitle = \"T\"\ndraft = true\n+++\nText");
}

#[test]
fn a_mapping_in_braces_stays_one() {
    let note = one("x.md", b"---\n{\"title\": \"x\",\n \"a\": [1]}\n---\nB\n").content;
    assert_eq!(title(&note), "x");
    let edited = render(&NOTES, &set(&NOTES, &note, &["title=a \"b\""]), "7d0c9f5e7d0c9f5e");
    assert_eq!(
        edited,
        b"---\n{\"id\": \"7d0c9f5e7d0c9f5e\", \"title\": \"a \\\"b\\\"\",\n \"a\": [1]}\n---\nB\n"
    );
    assert_eq!(one("x.md", &edited).uid.as_deref(), Some("7d0c9f5e7d0c9f5e"));
    assert_eq!(title(&set(&NOTES, &note, &["title="])), "B", "its first line");
}

#[test]
fn front_matter_of_another_encoding_has_one_title() {
    let note = one("x.md", b"---\ntitle: caf\xe9\nx: \xfc\n---\nb\xe4\n").content;
    assert_eq!(title(&note), "caf\u{e9}");
    let edited = render(&NOTES, &set(&NOTES, &note, &["title=Th\u{e9}"]), "u");
    assert_eq!(edited, b"---\ntitle: Th\xc3\xa9\nx: \xfc\nid: u\n---\nb\xe4\n");
}

#[test]
fn fences_stay_as_they_are_when_the_last_entry_goes() {
    for (before, after) in [
        ("---  \ntitle: x\n...\nB\n", "---  \nid: u\n...\nB\n"),
        ("---\r\ntitle: x\r\n---\r\nB\r\n", "---\r\nid: u\r\n---\r\nB\r\n"),
        ("+++\ntitle = 'x'\n+++\nB\n", "+++\nid = \"u\"\n+++\nB\n"),
    ] {
        let none = set(&NOTES, &one("x.md", before.as_bytes()).content, &["title="]);
        assert_eq!(render(&NOTES, &none, "u"), after.as_bytes());
    }
}

#[test]
fn an_id_that_others_may_have_too_is_an_ordinary_line() {
    let uid = "7d0c9f5e7d0c9f5e";
    for (text, named) in [
        ("---\nid: intro\n---\nB\n", "---\nid: intro\nuid: 7d0c9f5e7d0c9f5e\n---\nB\n"),
        (
            "---\nid: intro\nUID: 7\n---\nB\n",
            "---\nid: intro\nUID: 7\nheirloom-id: 7d0c9f5e7d0c9f5e\n---\nB\n",
        ),
        ("---\nid:\n---\nB\n", "---\nid:\nuid: 7d0c9f5e7d0c9f5e\n---\nB\n"),
        ("+++\nid = \"a\"\n+++\nB\n", "+++\nuid = \"7d0c9f5e7d0c9f5e\"\nid = \"a\"\n+++\nB\n"),
        ("---\n{\"id\": 1}\n---\nB\n", "---\n{\"uid\": \"7d0c9f5e7d0c9f5e\", \"id\": 1}\n---\nB\n"),
    ] {
        let note = one("docs/x.md", text.as_bytes());
        assert_eq!((note.uid.as_deref(), rendered(&note)), (None, text.into()), "{text}");
        let exported = render(&NOTES, &note.content, uid);
        assert_eq!(String::from_utf8(exported.clone()).unwrap(), named);
        let again = one("docs/x.md", &exported);
        assert_eq!(again.uid.as_deref(), Some(uid));
        // The line that the export added is none of the record's own.
        let merged = reimported(&again, &note.content, &note.content);
        if !text.contains('{') {
            assert_eq!(merged, note.content, "{text}");
        }
    }
    let note = one("x.md", b"---\nid: intro\n---\nB\n");
    assert_eq!(render(&NOTES, &note.content, "intro"), rendered(&note), "it says so already");
    let renamed = one("x.md", b"---\nid: start\n---\nB\n");
    assert_eq!(reimported(&renamed, &note.content, &note.content), renamed.content);
    let named = one("x.md", b"---\ntitle: T\nid: start\n---\nB\n");
    let plain = one("x.md", b"---\ntitle: T\n---\nB\n");
    let merged = reimported(&named, &plain.content, &plain.content);
    assert_eq!(render(&NOTES, &merged, "start"), rendered(&named));
    for (line, is_structure) in [("id: intro", false), ("uid: 202601020304", true)] {
        let value = Value::Str(line.to_owned());
        assert_eq!(crate::is_structure(&NOTES, "f000020", &value), is_structure, "{line}");
    }
}

#[test]
fn a_note_is_found_by_the_words_of_its_front_matter_and_not_by_their_names() {
    let note =
        "---\nid: 0f8fad5b-d9cb-469f-a165-70867728950e\ntags: [red]\nabstract: |\n  blue\n---\nx";
    let raw = split("a.md", note.as_bytes(), None).unwrap().items.remove(0);
    let shown = project(&NOTES, &parse(&raw).unwrap().content);
    for word in ["red", "blue"] {
        assert!(shown.search.contains(word), "{}", shown.search);
    }
    for word in ["tags", "abstract", "0f8fad5b"] {
        assert!(!shown.search.contains(word), "{}", shown.search);
    }
}

#[test]
fn what_looks_like_settings_among_notes_is_kept_as_it_is() {
    for name in ["nb.ipynb", "a.lock", "state", "x.webmanifest"] {
        assert!(crate::is_kept_beside_notes(name, b"{\"a\": 1}"), "{name}");
    }
    let cards = b"\xef\xbb\xbf\nbegin:vcard\n";
    assert!(!crate::is_kept_beside_notes("contacts.backup", cards));
    for name in ["a.json", "a.md", "a.vcf", "a.ics"] {
        assert!(!crate::is_kept_beside_notes(name, b"{}"), "{name}");
    }
}
