use crate::testing::{TIE, one, set, texts};
use crate::{FieldError, edit, parse_assignments, render};
use heirloom_schema::Content;
use heirloom_schema::category::contacts::CONTACTS;

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
    let numbers: String = (0..994).map(|number| format!("TEL:{number}\r\n")).collect();
    let full = card("3.0", &format!("FN:A\r\nN:A\r\n{numbers}"));
    assert!(matches!(refused(&full, "email=a@b"), FieldError::Full { .. }));
    let other = set(&CONTACTS, &full, &["phone-=993", "email=a@b"]);
    assert_eq!(one("a.vcf", text(&other).as_bytes()).content.len(), other.len());
    let long = card("3.0", &format!("FN:A\r\nN:A\r\nNOTE:{}\r\n", "x".repeat(1_000_000)));
    let more = format!("note+={}", "y".repeat(60_000));
    assert!(matches!(refused(&long, &more), FieldError::Full { .. }));
}
