use crate::testing::{
    TIE, applied, changed_lines, items, made, one, reimported, rendered, set, shown, texts,
};
use crate::{
    FieldError, ItemError, RawItem, content_uid, edit, field_of, file_name, is_bookkeeping, parse,
    parse_assignments, project, render, replace, split,
};
use heirloom_schema::category::contacts::CONTACTS;
use heirloom_schema::{Content, Value, key};
use serde_json::json;

const GOOGLE: &[u8] = include_bytes!("../../tests/data/google.vcf");
const APPLE: &[u8] = include_bytes!("../../tests/data/apple.vcf");
const ANDROID: &[u8] = include_bytes!("../../tests/data/android-4.vcf");
const OLD: &[u8] = include_bytes!("../../tests/data/old-2.1.vcf");
const DAMAGED: &[u8] = include_bytes!("../../tests/data/damaged.vcf");

fn first(bytes: &[u8]) -> Content {
    parse(&items("a.vcf", bytes)[0]).unwrap().content
}

fn shows(content: &Content, field: &str) -> Vec<String> {
    texts(&CONTACTS, content, field)
}

fn file(content: &Content) -> Vec<u8> {
    render(&CONTACTS, content, "7d0c9f5e")
}

fn refused(content: &Content, text: &str) -> FieldError {
    let edits = parse_assignments(&CONTACTS, &[text.to_owned()]);
    edits.and_then(|edits| edit(&CONTACTS, content, &edits, TIE)).unwrap_err()
}

#[test]
fn the_layout_of_a_card_is_frozen() {
    let item = one("a.vcf", b"BEGIN:VCARD\nVERSION:3.0\nFN:A\r\nEND:VCARD");
    let text = |text: &str| Value::Str(text.into());
    let expected = [
        ("eol", text("\n")),
        ("l000010", text("BEGIN:VCARD")),
        ("l000020", text("VERSION:3.0")),
        ("l000030", text("FN:A\r\n")),
        ("l000040", text("END:VCARD")),
        ("open", Value::Int(1)),
    ];
    assert_eq!(item.content, expected.map(|(key, value)| (key.to_owned(), value)).into());
    assert_eq!(item.uid, None);
    assert_eq!(content_uid(&item), "h-a22a4a3eaf70224407ff70188617ee79");
}

#[test]
fn every_card_comes_back_byte_for_byte() {
    for (bytes, count) in [(GOOGLE, 2), (APPLE, 1), (ANDROID, 1), (OLD, 1)] {
        let items = items("a.vcf", bytes);
        assert_eq!(items.len(), count);
        let files: Vec<u8> = items.iter().flat_map(|raw| rendered(&parse(raw).unwrap())).collect();
        assert_eq!(files, bytes);
    }
}

#[test]
fn fields_of_cards_read_as_their_programs_show_them() {
    let ada = first(GOOGLE);
    let phones = [
        (json!("+46 70 555 01 23"), Some("cell".to_owned())),
        (json!("+46 8 555 99 00"), Some("summer house".to_owned())),
    ];
    assert_eq!(shown(&CONTACTS, &ada, "phone"), phones);
    assert_eq!(shows(&ada, "address"), ["Storgatan 1, 3 tr, Uppsala, 753 10, Sweden"]);
    assert_eq!(shows(&ada, "organization"), ["Harbour School, Library"]);
    assert_eq!(
        shown(&CONTACTS, &ada, "url"),
        [(json!("https://ada.example/about"), Some("homepage".to_owned()))]
    );
    let note = "Neighbour, waters the plants \u{1f331}.\nHas our spare key; ask before using \
                the alarm code. Prefers tea.";
    assert_eq!(shows(&ada, "note"), [note]);
    assert_eq!(project(&CONTACTS, &ada).title, "Ada Lindqvist");

    let joerg = first(ANDROID);
    let phones = [
        (json!("+49-30-5550123"), Some("home".to_owned())),
        (json!("+49 171 5550199"), Some("cell".to_owned())),
    ];
    assert_eq!(shown(&CONTACTS, &joerg, "phone"), phones);
    assert_eq!(shows(&joerg, "birthday"), ["--06-05"]);

    let old = first(OLD);
    assert_eq!(shows(&old, "name"), ["J\u{f6}rg M\u{fc}ller"]);
    assert!(
        shows(&old, "note")[0].starts_with("Gr\u{fc}\u{df}e\r\naus dem alten Telefon, das sehr")
    );
    assert_eq!(shown(&CONTACTS, &old, "phone")[1].1.as_deref(), Some("work"));
}

#[test]
fn a_field_that_stands_once_is_a_value_and_fields_keep_their_order() {
    let names: Vec<String> =
        project(&CONTACTS, &first(GOOGLE)).fields.into_iter().map(|(name, _)| name).collect();
    let expected = ["name", "phone", "email", "organization", "address", "birthday", "url", "note"];
    assert_eq!(names, expected);
}

#[test]
fn search_finds_names_numbers_and_notes_in_lower_case() {
    let search = project(&CONTACTS, &first(GOOGLE)).search;
    for word in ["ada lindqvist", "uppsala", "librarian", "waters the plants", "eida"] {
        assert!(search.contains(word), "{word}");
    }
    let number = crate::SearchQuery::parse("+46705550123");
    assert!(number.matches(&crate::search_text(&search)));
    assert!(!project(&CONTACTS, &first(APPLE)).search.contains("/9j/"));
}

#[test]
fn a_bad_card_never_blocks_the_others() {
    let split = split("damaged.vcf", DAMAGED, None).unwrap();
    let names: Vec<String> = split
        .items
        .iter()
        .map(|raw| project(&CONTACTS, &parse(raw).unwrap().content).title)
        .collect();
    assert_eq!(names, ["Good One", "No End", "Good Two", "The Boss", "Good Three", "Cut off"]);
    let lines: Vec<usize> = split.items.iter().map(|raw| raw.line).collect();
    assert_eq!(lines, [1, 7, 10, 16, 24, 28]);
    let whole = split.items.iter().map(|raw| parse(raw).unwrap().is_whole);
    assert_eq!(whole.collect::<Vec<_>>(), [true, false, true, true, true, false]);
    let skipped: Vec<(usize, &str)> =
        split.skipped.iter().map(|skipped| (skipped.line, skipped.reason.as_str())).collect();
    assert_eq!(skipped, [(14, "this line belongs to no card")]);
}

#[test]
fn the_card_of_an_agent_is_one_line_of_its_contact() {
    let agent = "AGENT:\r\n\r\nBEGIN:VCARD\r\nN:Agent;The\r\nTEL:1\r\nAGENT:BEGIN:VCARD\r\n\
                 FN:Deeper\r\nEND:VCARD\r\nEND:VCARD\r\n";
    let text = format!("BEGIN:VCARD\r\nVERSION:2.1\r\n{agent}N:Boss;The\r\nEND:VCARD\r\n");
    let item = one("a.vcf", text.as_bytes());
    assert_eq!(rendered(&item), text.as_bytes());
    assert_eq!(item.content.len(), 5);
    assert_eq!(project(&CONTACTS, &item.content).title, "The Boss");
    assert_eq!(shows(&item.content, "phone"), Vec::<String>::new());
    let edited = file(&set(&CONTACTS, &item.content, &["phone=2"]));
    let edited = String::from_utf8(edited).unwrap();
    assert!(edited.contains(agent) && edited.ends_with("TEL:2\r\nEND:VCARD\r\n"), "{edited}");
    let deep = format!("{}N:x\n{}", "BEGIN:VCARD\nAGENT:\n".repeat(70), "END:VCARD\n".repeat(70));
    let split = split("a.vcf", deep.as_bytes(), None).unwrap();
    assert_eq!(split.skipped[0].reason, "it is nested too deep");
}

#[test]
fn a_card_without_its_end_is_taken_as_it_is_unless_nothing_stands_in_it() {
    for (text, count) in [
        ("BEGIN:VCARD\nFN:A", 1),
        ("BEGIN:VCARD\nVERSION:3.0\n\n", 0),
        ("BEGIN:VCARD\nFN:A\nAGENT:\nBEGIN:VCARD\nFN:B\n\nBEGIN:VCARD\nFN:C\nEND:VCARD\n", 2),
    ] {
        let split = split("a.vcf", text.as_bytes(), None).unwrap();
        assert_eq!((split.items.len(), split.skipped.len()), (count, 1 - count.min(1)), "{text}");
        for raw in &split.items {
            assert_eq!(rendered(&parse(raw).unwrap()), raw.bytes);
        }
    }
}

#[test]
fn a_card_that_passes_a_limit_is_left_out() {
    let phones = "TEL:1\r\n".repeat(1_001);
    let large = format!("NOTE:{}\r\n", "x".repeat(2 << 20));
    let photo = format!("PHOTO;ENCODING=b:{}\r\n", "A".repeat(14 << 20));
    for body in [phones, large, photo] {
        let text =
            format!("BEGIN:VCARD\r\n{body}END:VCARD\r\nBEGIN:VCARD\r\nFN:Next\r\nEND:VCARD\r\n");
        let split = split("a.vcf", text.as_bytes(), None).unwrap();
        assert_eq!((split.items.len(), split.skipped.len()), (1, 1));
    }
    let photo =
        format!("BEGIN:VCARD\r\nPHOTO;ENCODING=b:{}\r\nEND:VCARD\r\n", "A".repeat(13 << 20));
    assert_eq!(rendered(&one("a.vcf", photo.as_bytes())), photo.as_bytes());
}

#[test]
fn what_is_no_single_card_is_refused_with_its_line() {
    let raw = |text: &str| RawItem {
        category: &CONTACTS,
        name: "a.vcf".into(),
        line: 10,
        bytes: text.into(),
    };
    let card = "BEGIN:VCARD\nFN:A\nEND:VCARD\n";
    assert!(parse(&raw(&format!("\n{card}\n"))).is_ok());
    let error = |line, reason: &str| Err(ItemError { line, reason: reason.into() });
    assert_eq!(parse(&raw("")), error(10, "this is no card"));
    assert_eq!(parse(&raw("FN:A\n")), error(10, "this line belongs to no card"));
    assert_eq!(parse(&raw(&card.repeat(2))), error(13, "a second card begins here"));
}

#[test]
fn an_edit_touches_only_its_own_line() {
    for (bytes, edit, gone, new) in [
        (GOOGLE, "birthday=1984-02-29", "BDAY:1984-02-28\r\n", "BDAY:1984-02-29\r\n"),
        (
            APPLE,
            "phone:cell=+34 1",
            "TEL;type=CELL;type=VOICE;type=pref:+34 612 34 56 78\r\n",
            "TEL;type=CELL;type=VOICE;type=pref:+34 1\r\n",
        ),
        (
            APPLE,
            "birthday=19900722",
            "BDAY;value=date:1990-07-21\r\n",
            "BDAY;value=date:1990-07-22\r\n",
        ),
        (
            ANDROID,
            "email=j@weiss.example",
            "EMAIL;TYPE=work:joerg@weiss.example\n",
            "EMAIL;TYPE=work:j@weiss.example\n",
        ),
        (
            ANDROID,
            "phone:home=+49 30 7",
            "TEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:+49-30-5550123\n",
            "TEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:+49-30-7\n",
        ),
        (ANDROID, "birthday=1984-06-05", "BDAY:--0605\n", "BDAY:19840605\n"),
        (OLD, "phone:work=030 1", "TEL;WORK;FAX:030 5550101\r\n", "TEL;WORK;FAX:030 1\r\n"),
    ] {
        let before = first(bytes);
        let after = set(&CONTACTS, &before, &[edit]);
        let (old, new_lines) = changed_lines(&file(&before), &file(&after));
        assert_eq!((old.concat().as_str(), new_lines.concat().as_str()), (gone, new), "{edit}");
        assert!(before.keys().eq(after.keys()), "an edited line keeps its key");
    }
}

#[test]
fn an_edited_line_of_an_old_card_stays_quoted_printable() {
    let after = set(&CONTACTS, &first(OLD), &["name=J\u{f6}rg Meier", "note=Gr\u{fc}n;\nZwei"]);
    assert_eq!(shows(&after, "name"), ["J\u{f6}rg Meier"]);
    assert_eq!(shows(&after, "note"), ["Gr\u{fc}n;\nZwei"]);
    let text = String::from_utf8(file(&after)).unwrap();
    assert!(
        text.contains("N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Meier;J=C3=B6rg;;;\r\n"),
        "{text}"
    );
    let added = set(&CONTACTS, &after, &["address=Stra\u{df}e 1"]);
    assert_eq!(shows(&added, "address"), ["Stra\u{df}e 1"]);
    assert!(
        String::from_utf8(file(&added))
            .unwrap()
            .contains("ADR;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:;;Stra=C3=9Fe 1;;;;\r\n")
    );
}

#[test]
fn long_values_are_folded_and_read_back() {
    let note = "Gr\u{fc}\u{df}e, aus K\u{f6}ln; \u{1f382}\n".repeat(20);
    let after = set(&CONTACTS, &first(GOOGLE), &[&format!("note={note}")]);
    assert_eq!(shows(&after, "note"), [note.trim()]);
    let file = String::from_utf8(file(&after)).unwrap();
    assert!(file.split("\r\n").all(|line| line.len() <= 75));
}

#[test]
fn values_are_added_and_removed_one_by_one() {
    let before = first(GOOGLE);
    let after = set(&CONTACTS, &before, &["phone:work+=+46 1", "phone-=+46 8 5559900"]);
    let phones = [
        (json!("+46 70 555 01 23"), Some("cell".to_owned())),
        (json!("+46 1"), Some("work".to_owned())),
    ];
    assert_eq!(shown(&CONTACTS, &after, "phone"), phones);
    let (gone, new) = changed_lines(&file(&before), &file(&after));
    assert_eq!(gone, ["item1.TEL:+46 8 555 99 00\r\n", "item1.X-ABLabel:Summer house\r\n"]);
    assert_eq!(new, ["TEL;TYPE=WORK:+46 1\r\n"]);
    assert_eq!(set(&CONTACTS, &after, &["phone:work+=+46 1"]), after, "it is there already");
    let error = refused(&after, "phone-=12345");
    assert_eq!(error.to_string(), "phone has no value \"12345\"");
}

#[test]
fn setting_replaces_all_values_or_those_of_one_type() {
    let before = first(GOOGLE);
    let all = set(&CONTACTS, &before, &["phone=1", "phone=2", "phone=3"]);
    assert_eq!(shows(&all, "phone"), ["1", "2", "3"]);
    assert_eq!(shown(&CONTACTS, &all, "phone")[0].1.as_deref(), Some("cell"));
    let typed = set(&CONTACTS, &before, &["phone:cell=1", "phone:work=2"]);
    assert_eq!(shows(&typed, "phone"), ["1", "+46 8 555 99 00", "2"]);
    let mixed = set(&CONTACTS, &before, &["phone:work=2", "phone=1"]);
    assert_eq!(shows(&mixed, "phone"), ["1", "2"]);
    let none = set(&CONTACTS, &before, &["phone="]);
    assert!(shows(&none, "phone").is_empty());
    let kept = set(&CONTACTS, &before, &["email=ada@work.example"]);
    let (gone, new) = changed_lines(&file(&before), &file(&kept));
    assert_eq!((gone.len(), new.len()), (1, 0), "the line of a value that stays is not touched");
}

#[test]
fn a_new_name_reaches_the_structured_name_too() {
    let ada = set(&CONTACTS, &first(GOOGLE), &["name=Ada von Lovelace"]);
    let text = String::from_utf8(file(&ada)).unwrap();
    assert!(text.contains("\r\nFN:Ada von Lovelace\r\nN:von Lovelace;Ada;;Dr.;\r\n"), "{text}");
    let misaki = parse(&items("a.vcf", GOOGLE)[1]).unwrap().content;
    let misaki = set(&CONTACTS, &misaki, &["name=\u{9234}\u{6728} \u{7f8e}\u{54b2}"]);
    let text = String::from_utf8(file(&misaki)).unwrap();
    assert!(
        text.contains("N:\u{9234}\u{6728};\u{7f8e}\u{54b2};;;\r\n"),
        "family name first, as before"
    );
}

#[test]
fn what_does_not_fit_a_field_is_refused() {
    let card = first(GOOGLE);
    for (text, expected) in [
        ("name=", "name cannot be missing"),
        ("name+=Other", "name takes one value"),
        ("phone", "\"phone\" is not of the form FIELD=VALUE"),
        ("=x", "\"=x\" is not of the form FIELD=VALUE"),
        ("phone:=1", "\"phone:=1\" is not of the form FIELD=VALUE"),
        ("fax=1", "there is no field \"fax\" in contacts"),
        ("note:x=1", "note takes no type, but \"x\" was given"),
        ("phone:a;b=1", "phone is typed with letters, digits and hyphens, not \"a;b\""),
        ("birthday=soon", "birthday is a date like 1984-02-28 or --02-28, not \"soon\""),
        (
            "birthday=1984-13-01",
            "birthday is a date like 1984-02-28 or --02-28, not \"1984-13-01\"",
        ),
        ("email=a\nb", "email is one line of text, not \"a\\nb\""),
        ("note=\u{0}", "note is text without control characters, not \"\\0\""),
    ] {
        assert_eq!(refused(&card, text).to_string(), expected);
    }
    let large = format!("note={}", "x".repeat(2 << 20));
    assert_eq!(
        refused(&card, &large).to_string(),
        "the value of note is larger than 1048576 bytes"
    );
}

#[test]
fn a_new_card_is_a_valid_one_and_survives_its_file() {
    let card = made(
        &CONTACTS,
        "7d0c9f5e",
        &["name=Sam Newcomer", "phone:cell=+49 30 1", "birthday=1984-02-28", "note=a, b"],
    );
    let expected = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:7d0c9f5e\r\nFN:Sam Newcomer\r\n\
                    N:Newcomer;Sam;;;\r\nTEL;TYPE=cell:+49 30 1\r\nBDAY:19840228\r\n\
                    NOTE:a\\, b\r\nEND:VCARD\r\n";
    assert_eq!(String::from_utf8(file(&card)).unwrap(), expected);
    let again = one("a.vcf", expected.as_bytes());
    assert_eq!((again.content, again.uid.as_deref()), (card, Some("7d0c9f5e")));
    let nameless = made(&CONTACTS, "1", &["organization=Acme; Sons"]);
    assert_eq!(project(&CONTACTS, &nameless).title, "Acme; Sons");
    let edits = parse_assignments(&CONTACTS, &["note=x".to_owned()]).unwrap();
    assert!(crate::create(&CONTACTS, &edits, "1", 0).is_err());
}

#[test]
fn the_uid_is_written_out_where_the_lines_do_not_tell_it() {
    let item = one("a.vcf", b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\nNOTE:x\r\nEND:VCARD\r\n");
    let uid = content_uid(&item);
    let edited = set(&CONTACTS, &item.content, &["note=y"]);
    let file = render(&CONTACTS, &edited, &uid);
    let again = one("a.vcf", &file);
    assert_eq!(again.uid, Some(uid.clone()));
    assert!(
        String::from_utf8(file).unwrap().contains(&format!("VERSION:3.0\r\nUID:{uid}\r\nFN:A"))
    );
    assert_eq!(
        replace(&CONTACTS, &item.content, &edited, &again.content, TIE).edits,
        [],
        "an export changes nothing"
    );
}

#[test]
fn only_the_text_of_a_card_makes_its_uid() {
    let item = |text: &str| one("a.vcf", text.as_bytes());
    let crlf = item("BEGIN:VCARD\r\nFN:A\r\nREV:1\r\nEND:VCARD\r\n");
    let lf = item("BEGIN:VCARD\nFN:\n A\nREV:2\nEND:VCARD");
    assert_eq!(content_uid(&crlf), content_uid(&lf));
    assert_ne!(content_uid(&crlf), content_uid(&item("BEGIN:VCARD\nFN:B\nEND:VCARD")));
}

#[test]
fn a_later_import_applies_only_what_it_changed() {
    let base = first(APPLE);
    let current = set(&CONTACTS, &base, &["organization=Own Caf\u{e9}", "note+=mine"]);
    let text = String::from_utf8(APPLE.to_vec()).unwrap();
    let text = text
        .replace("TITLE:Barista\r\n", "TITLE:Owner\r\nROLE:Boss\r\n")
        .replace("TEL;type=WORK;type=FAX:+34 91 555 00 00\r\n", "");
    let imported = one("a.vcf", text.as_bytes());
    let merged = reimported(&imported, &base, &current);
    assert_eq!(shows(&merged, "organization"), ["Own Caf\u{e9}"], "a later edit stays");
    assert_eq!(shows(&merged, "note"), ["mine"]);
    assert_eq!(shows(&merged, "phone").len(), 1, "a line that the import removed is gone");
    let file = String::from_utf8(file(&merged)).unwrap();
    assert!(file.contains("TITLE:Owner\r\nROLE:Boss\r\n"));
    assert_eq!(replace(&CONTACTS, &base, &merged, &imported.content, TIE).edits, []);
}

#[test]
fn a_second_import_knows_the_lines_that_the_first_one_added() {
    let version = |lines: &str| {
        one("a.vcf", format!("BEGIN:VCARD\nVERSION:3.0\nUID:1\n{lines}END:VCARD\n").as_bytes())
    };
    let (one_line, two, three) = (
        version("FN:A\nNOTE:1\n"),
        version("FN:A\nTEL:1\nNOTE:1\n"),
        version("FN:A\nTEL:2\nEMAIL:e\nNOTE:1\n"),
    );
    let current = reimported(&two, &one_line.content, &one_line.content);
    let current = set(&CONTACTS, &current, &["note=edited"]);
    let current = reimported(&three, &two.content, &current);
    let expected =
        "BEGIN:VCARD\nVERSION:3.0\nUID:1\nFN:A\nTEL:2\nEMAIL:e\nNOTE:edited\nEND:VCARD\n";
    assert_eq!(String::from_utf8(file(&current)).unwrap(), expected);
}

#[test]
fn an_edit_here_survives_a_removal_there_and_the_other_way_round() {
    let version =
        |lines: &str| one("a.vcf", format!("BEGIN:VCARD\nUID:1\n{lines}END:VCARD\n").as_bytes());
    let base = version("FN:A\nTEL:1\nEMAIL:e\n");
    let edited = set(&CONTACTS, &base.content, &["phone=2", "email="]);
    let imported = version("FN:A\nEMAIL:other\n");
    let merged = reimported(&imported, &base.content, &edited);
    assert_eq!(shows(&merged, "phone"), ["2"]);
    assert_eq!(shows(&merged, "email"), ["other"]);
    assert_eq!(replace(&CONTACTS, &base.content, &merged, &imported.content, TIE).edits, []);
}

#[test]
fn what_both_changed_stays_as_it_is_here_and_is_named() {
    let version =
        |lines: &str| one("a.vcf", format!("BEGIN:VCARD\nUID:1\n{lines}END:VCARD\n").as_bytes());
    let base = version("FN:A\nNOTE:a\nTEL:1\nREV:1\n");
    let edited = set(&CONTACTS, &base.content, &["note=mine", "phone=2"]);
    let imported = version("FN:B\nNOTE:theirs\nTEL:2\nREV:2\n");
    let replacement = replace(&CONTACTS, &base.content, &edited, &imported.content, TIE);
    let kept: Vec<&str> = replacement.kept.iter().map(String::as_str).collect();
    assert_eq!(kept, ["note"], "the phone is the same in both");
    let merged = applied(&edited, replacement.edits);
    assert_eq!([shows(&merged, "name"), shows(&merged, "note")], [["B"], ["mine"]]);
}

#[test]
fn what_was_put_is_served_in_its_own_order() {
    let base = one("a.vcf", b"BEGIN:VCARD\nUID:1\nFN:A\nTEL:1\nNOTE:x\nEND:VCARD\n");
    let put = b"BEGIN:VCARD\nFN:A\nNOTE:x\nTEL:1\nTEL:2\nUID:1\nEND:VCARD\n";
    let mut current = reimported(&one("a.vcf", put), &base.content, &base.content);
    current.insert(key::IMPORT.into(), Value::Str(String::from_utf8(put.to_vec()).unwrap()));
    assert_eq!(render(&CONTACTS, &current, "1"), put);
    let edited = set(&CONTACTS, &current, &["note=y"]);
    assert_eq!(edited.len(), current.len(), "moved lines kept their keys");
    assert_ne!(render(&CONTACTS, &edited, "1"), put);
}

#[test]
fn a_birthday_added_on_two_devices_meets_in_one_key() {
    let card = first(ANDROID);
    let card = set(&CONTACTS, &card, &["birthday="]);
    let edits = |text: &str, tie: &str| {
        let edits = parse_assignments(&CONTACTS, &[text.to_owned()]).unwrap();
        edit(&CONTACTS, &card, &edits, tie).unwrap()
    };
    let (one, other) =
        (edits("birthday=1984-02-28", "aaaaaaaa"), edits("birthday=1984-02-29", "bbbbbbbb"));
    assert_eq!(one[0].0, other[0].0);
    let (one, other) = (edits("phone+=1", "aaaaaaaa"), edits("phone+=2", "bbbbbbbb"));
    assert_ne!(one[0].0, other[0].0);
    let both = applied(&applied(&card, one), other);
    assert_eq!(shows(&both, "phone").len(), 4);
}

#[test]
fn the_same_line_added_on_two_devices_is_one() {
    let card = first(ANDROID);
    let on = |texts: &[&str], tie: &str| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let edits = parse_assignments(&CONTACTS, &texts).unwrap();
        edit(&CONTACTS, &card, &edits, tie).unwrap()
    };
    let before = shows(&card, "phone").len();
    for (texts, field, more) in [
        (&["phone+=2"][..], "phone", before + 1),
        (&["url=http://u"], "url", 1),
        (&["email:work+=a@b", "email:work+=c@d"], "email", 2),
        (&["url=http://u", "url=http://u"], "url", 2),
    ] {
        let (one, other) = (on(texts, "aaaaaaaa"), on(texts, "bbbbbbbb"));
        assert_eq!(one, other, "one key with one value, so no conflict");
        let emails = if field == "email" { shows(&card, field).len() } else { 0 };
        let both = applied(&applied(&card, one), other);
        assert_eq!(shows(&both, field).len(), more + emails, "{texts:?}");
    }
    let (one, other) = (on(&["phone:cell+=2"], "aaaaaaaa"), on(&["phone:home+=2"], "bbbbbbbb"));
    let both = applied(&applied(&card, one), other);
    assert_eq!(shows(&both, "phone").len(), before + 2, "lines that differ stay apart");
}

#[test]
fn keys_tell_their_field_and_whether_they_matter() {
    let line = |text: &str| Value::Str(text.into());
    let field = |text: &str| field_of(&CONTACTS, "l000010", &line(text));
    assert_eq!(field("item1.TEL;TYPE=CELL:1").as_deref(), Some("phone"));
    assert_eq!(field("N:A;B").as_deref(), Some("name"));
    assert_eq!(field("X-Own:1").as_deref(), Some("x-own"));
    assert_eq!(field("no line"), None);
    assert_eq!(field_of(&CONTACTS, "eol", &line("\n")), None);
    assert!(is_bookkeeping(&CONTACTS, "l000010", &line("REV:1")));
    assert!(is_bookkeeping(&CONTACTS, "eol", &line("\n")));
    assert!(!is_bookkeeping(&CONTACTS, "l000010", &line("NOTE:1")));
    let alone = Content::from([("l000010.0badcafe".to_owned(), line("NOTE:a\\, b"))]);
    assert_eq!(shows(&alone, "note"), ["a, b"], "one line is shown without its card");
}

#[test]
fn the_file_is_named_after_the_contact() {
    let name = file_name(&CONTACTS, &first(GOOGLE), "1");
    assert!(name.starts_with("Ada Lindqvist-") && name.ends_with(".vcf"), "{name}");
}

#[test]
fn a_byte_order_mark_goes_with_the_first_card() {
    let card = |name: &str| {
        format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\nEND:VCARD\r\n")
    };
    let file = ["\u{feff}", &card("a"), &card("b")].concat();
    let items = split("a.vcf", file.as_bytes(), None).unwrap().items;
    let marked = ["\u{feff}", &card("a")].concat();
    let bytes: Vec<&[u8]> = items.iter().map(|raw| raw.bytes.as_slice()).collect();
    assert_eq!(bytes, [marked.as_bytes(), card("b").as_bytes()]);
    let content = parse(&items[0]).unwrap().content;
    assert_eq!(render(&CONTACTS, &content, "a"), marked.as_bytes());
    let edited = String::from_utf8(render(&CONTACTS, &set(&CONTACTS, &content, &["note=x"]), "a"));
    let edited = edited.unwrap();
    assert!(edited.starts_with("\u{feff}BEGIN:VCARD\r\n") && edited.contains("\r\nNOTE:x\r\n"));
    let bare = parse(&split("a.vcf", card("a").as_bytes(), None).unwrap().items[0]).unwrap();
    let edits = replace(&CONTACTS, &content, &content, &bare.content, "0badcafe").edits;
    assert_eq!(edits, [("encoding".to_owned(), None)], "a file without it takes it away");
}

#[test]
fn no_line_is_added_behind_one_that_would_swallow_it() {
    let text = "BEGIN:VCARD\r\nVERSION:2.1\r\nUID:1\r\nFN:A\r\nNOTE;ENCODING=QUOTED-PRINTABLE:text=\r\nEND:VCARD\r\n";
    let item = one("a.vcf", text.as_bytes());
    let edited = set(&CONTACTS, &item.content, &["birthday=1999-09-09", "note+=more"]);
    let again = one("a.vcf", &render(&CONTACTS, &edited, "1"));
    assert_eq!(shows(&again.content, "birthday"), ["1999-09-09"]);
    assert_eq!(shows(&again.content, "note"), ["more", "text"]);
}
