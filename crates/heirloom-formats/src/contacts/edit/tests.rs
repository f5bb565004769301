use crate::testing::{TIE, one, set, texts};
use crate::{FieldError, edit, parse_assignments, render};
use heirloom_schema::category::contacts::CONTACTS;
use heirloom_schema::{Content, Value};

fn card(version: &str, lines: &str) -> Content {
    let text = format!("BEGIN:VCARD\r\nVERSION:{version}\r\nUID:u\r\n{lines}END:VCARD\r\n");
    one("a.vcf", text.as_bytes()).content
}

fn text(content: &Content) -> String {
    String::from_utf8(render(&CONTACTS, content, "7d0c9f5e")).unwrap()
}

#[test]
fn the_order_of_a_name_is_told_by_words_and_not_by_letters() {
    for (before, name, after) in [
        ("FN:Martina Martin\r\nN:Martin;Martina;;;\r\n", "Martina Schmidt", "Schmidt;Martina;;;"),
        ("FN:Merge Me\r\nN:Me;Merge;;;\r\n", "Anna M", "M;Anna;;;"),
        ("FN:Me Merge\r\nN:Me;Merge;;;\r\n", "M Anna", "M;Anna;;;"),
        ("FN:A\r\nN:;A;;;\r\n", "Prof. Dr. Eva Kern-Maus", "Kern-Maus;Eva;;Prof. Dr.;"),
        ("FN:A\r\nN:;A;;;\r\n", "J. R. Smith", "Smith;J. R.;;;"),
        ("FN:A\r\nN:;A;;;\r\n", "Dr. No", "No;Dr.;;;"),
    ] {
        let named = set(&CONTACTS, &card("3.0", before), &[&format!("name={name}")]);
        let text = text(&named);
        assert!(text.contains(&format!("\r\nFN:{name}\r\nN:{after}\r\n")), "{text}");
    }
}

#[test]
fn a_backslash_in_an_old_card_reads_as_it_was_written() {
    let note = "C:\\new\\temp a;b\\";
    let noted =
        set(&CONTACTS, &card("2.1", "FN:W\r\nN:W\r\nNOTE:a\r\n"), &[&format!("note={note}")]);
    assert_eq!(texts(&CONTACTS, &noted, "note"), [note]);
}

#[test]
fn an_edit_makes_no_card_that_an_import_would_leave_out() {
    let refused = |content: &Content, text: &str| {
        let edits = parse_assignments(&CONTACTS, &[text.to_owned()]).unwrap();
        edit(&CONTACTS, content, &edits, TIE).unwrap_err()
    };
    let numbers =
        |count: usize| -> String { (0..count).map(|number| format!("TEL:{number}\r\n")).collect() };
    let full = card("3.0", &format!("FN:A\r\nN:A\r\n{}", numbers(997)));
    assert!(matches!(refused(&full, "email=a@b"), FieldError::Full { .. }));
    assert!(matches!(refused(&full, "email+=a@b"), FieldError::Full { .. }));
    let unnamed = "BEGIN:VCARD\r\nVERSION:2.1\r\nFN:A\r\nN:A\r\n";
    let unnamed = format!("{unnamed}{}END:VCARD\r\n", numbers(998));
    let unnamed = one("a.vcf", unnamed.as_bytes()).content;
    let refusal = refused(&unnamed, "name=B");
    assert_eq!(refusal.to_string(), "this cannot be added: it has more than 1000 properties");
    set(&CONTACTS, &unnamed, &["phone-=7"]);
    let other = set(&CONTACTS, &full, &["phone-=993", "email=a@b"]);
    assert_eq!(one("a.vcf", text(&other).as_bytes()).content.len(), other.len());
    let long = card("3.0", &format!("FN:A\r\nN:A\r\nNOTE:{}\r\n", "x".repeat(1_000_000)));
    let more = format!("note+={}", "y".repeat(60_000));
    assert!(matches!(refused(&long, &more), FieldError::Full { .. }));
    let edits = ["name=A".to_owned(), format!("note={}", "x".repeat(1_040_000))];
    let edits = parse_assignments(&CONTACTS, &edits).unwrap();
    assert!(matches!(crate::create(&CONTACTS, &edits, "u", 0), Err(FieldError::Full { .. })));
}

#[test]
fn a_card_that_is_beyond_a_limit_may_become_smaller_but_not_larger() {
    let mut beyond = card("3.0", "FN:A\r\nN:A\r\n");
    for number in 0..1_001 {
        beyond.insert(format!("l0001{number:04}"), Value::Str(format!("TEL:{number}")));
    }
    let edits = |text: &str| parse_assignments(&CONTACTS, &[text.to_owned()]).unwrap();
    let larger = edit(&CONTACTS, &beyond, &edits("note=more"), TIE);
    assert!(matches!(larger, Err(FieldError::Full { .. })));
    assert!(edit(&CONTACTS, &beyond, &edits("phone-=12"), TIE).is_ok());
}

#[test]
fn a_birthday_is_a_day_that_there_is() {
    let plain = card("4.0", "FN:A\r\n");
    for day in
        ["2000-02-30", "1900-02-29", "2001-04-31", "--02-30", "--00-10", "2000-2-3", "+200-01-01"]
    {
        let edits = parse_assignments(&CONTACTS, &[format!("birthday={day}")]).unwrap();
        let refused = edit(&CONTACTS, &plain, &edits, TIE).unwrap_err();
        assert!(refused.to_string().starts_with("birthday is a date like"), "{refused}");
    }
    for day in ["2000-02-29", "1900-02-28", "--02-29"] {
        assert_eq!(
            texts(&CONTACTS, &set(&CONTACTS, &plain, &[&format!("birthday={day}")]), "birthday"),
            [day]
        );
    }
}

#[test]
fn a_year_that_stands_for_none_is_not_shown() {
    let omitted = "BDAY;VALUE=date;X-APPLE-OMIT-YEAR=1604:1604-05-06\r\n";
    let before = card("3.0", &format!("FN:A\r\n{omitted}"));
    assert_eq!(texts(&CONTACTS, &before, "birthday"), ["--05-06"]);
    assert_eq!(set(&CONTACTS, &before, &["birthday=--05-06"]), before);
    let named = set(&CONTACTS, &before, &["birthday=1984-05-06"]);
    assert_eq!(texts(&CONTACTS, &named, "birthday"), ["1984-05-06"]);
    assert!(text(&named).contains("\r\nBDAY;VALUE=date:1984-05-06\r\n"));
    let moved = text(&set(&CONTACTS, &before, &["birthday=--12-24"]));
    assert!(moved.contains("\r\nBDAY;VALUE=date;X-APPLE-OMIT-YEAR=1604:1604-12-24\r\n"), "{moved}");
}

#[test]
fn a_number_of_one_type_is_taken_out_by_itself() {
    let both = card("3.0", "FN:A\r\nTEL;TYPE=home:1\r\nTEL;TYPE=work:1\r\n");
    let home = text(&set(&CONTACTS, &both, &["phone:home-=1"]));
    assert!(home.contains("TEL;TYPE=work:1") && !home.contains("TYPE=home"), "{home}");
    assert!(!text(&set(&CONTACTS, &both, &["phone-=1"])).contains("TEL"));
}

#[test]
fn a_name_that_is_set_again_changes_nothing() {
    let before = card("3.0", "FN:Zoe Lu\r\nN:Lu;Zoe;Maria;Dr.;Ph.D.\r\n");
    assert_eq!(set(&CONTACTS, &before, &["name=Zoe Lu"]), before);
    let after = text(&set(&CONTACTS, &before, &["name=Zoé Lu"]));
    assert!(after.contains("\r\nFN:Zoé Lu\r\nN:Lu;Zoé;Maria;Dr.;Ph.D.\r\n"), "{after}");
}

#[test]
fn a_birthday_that_was_no_date_is_one_afterwards() {
    for (version, before, after) in [
        ("3.0", "BDAY;VALUE=text:circa 1800", "BDAY:1984-02-28"),
        ("4.0", "BDAY;VALUE=text;X-A=b:circa 1800", "BDAY;X-A=b:19840228"),
        ("3.0", "BDAY;VALUE=date-time:1800-01-01T00:00:00Z", "BDAY:1984-02-28"),
        ("4.0", "BDAY;VALUE=date:18000101", "BDAY;VALUE=date:19840228"),
    ] {
        let before = card(version, &format!("FN:A\r\n{before}\r\n"));
        let text = text(&set(&CONTACTS, &before, &["birthday=1984-02-28"]));
        assert!(text.contains(&format!("\r\n{after}\r\n")), "{text}");
    }
}

#[test]
fn blank_lines_behind_a_line_that_is_edited_stay() {
    let lines = "FN:A\r\n\r\nN:A\r\nEMAIL:a@b\r\n\r\n\r\nTEL:1\r\n";
    let before = card("3.0", lines);
    for (edit, after) in [
        ("email=", lines.replace("EMAIL:a@b\r\n", "")),
        ("email=c@d", lines.replace("a@b", "c@d")),
        ("phone=", lines.replace("TEL:1\r\n", "")),
    ] {
        let edited = text(&set(&CONTACTS, &before, &[edit]));
        assert_eq!(edited.split_once("UID:u\r\n").unwrap().1, format!("{after}END:VCARD\r\n"));
    }
    let named = text(&set(&CONTACTS, &before, &["name=B"]));
    assert!(named.contains("FN:B\r\n\r\nN:;B;;;\r\nEMAIL"), "{named}");
    let gone = set(&CONTACTS, &before, &["email="]);
    assert!(texts(&CONTACTS, &gone, "email").is_empty());
    assert_eq!(texts(&CONTACTS, &set(&CONTACTS, &gone, &["email=e@f"]), "email"), ["e@f"]);
}

#[test]
fn a_line_of_quoted_printable_that_looks_like_the_end_is_none() {
    let note = "NOTE;ENCODING=QUOTED-PRINTABLE:see=0D=0A=\r\nEND:VCARD=0D=0A=\r\nmore\r\n";
    let before = card("2.1", &format!("FN:A\r\nN:A\r\n{note}TEL:1\r\n"));
    assert_eq!(texts(&CONTACTS, &before, "note"), ["see\r\nEND:VCARD\r\nmore"]);
    assert_eq!(texts(&CONTACTS, &before, "phone"), ["1"]);
    assert!(text(&before).ends_with(&format!("{note}TEL:1\r\nEND:VCARD\r\n")));
}

#[test]
fn a_new_address_has_not_the_label_of_the_one_before() {
    let lines = "FN:A\r\nADR;TYPE=home;LABEL=\"Old street 1\\nOslo\":;;Old street 1;Oslo;;;\r\n";
    let moved = set(&CONTACTS, &card("4.0", lines), &["address=New street 2"]);
    assert!(text(&moved).contains("\r\nADR;TYPE=home:;;New street 2;;;;\r\n"), "{}", text(&moved));
    let other = set(&CONTACTS, &card("4.0", lines), &["note=x"]);
    assert!(text(&other).contains("LABEL"));
}
