//! Cards of people.

use super::{Outcome, Seeds, Target, item, unmended};

pub(super) const TARGET: Target = Target {
    name: "vcard",
    body,
    seeds,
    mend: unmended,
    words: WORDS,
    is_lines: true,
    mends_alone: false,
    bytes_max: 2 * 1024,
};

const WORDS: &[&str] = &[
    "BEGIN:VCARD",
    "END:VCARD",
    "VERSION:2.1",
    "VERSION:3.0",
    "VERSION:4.0",
    "UID:1",
    "N:a;b;c;d;e",
    "FN:\u{fc}\u{1f382}",
    "TEL;CELL:+49 30 1",
    "TEL;TYPE=\"cell,voice\":1",
    "item1.EMAIL:a@b",
    "item1.X-ABLabel:_$!<Home>!$_",
    "ADR;TYPE=HOME:;;a;b;c;d;e",
    "PHOTO;ENCODING=b;TYPE=JPEG:AAAA",
    "PHOTO;VALUE=uri:file:///etc/passwd",
    "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=GB18030:a=D6=D0=",
    "NOTE;CHARSET=UTF-16;ENCODING=QUOTED-PRINTABLE:=00=41",
    "NOTE:a\\nb\\,c\\;d\\\\",
    "AGENT:",
    "AGENT:BEGIN:VCARD",
    "BDAY:19960415",
    "REV:20260101T000000Z",
    " folded",
    "\tfolded",
    "\u{feff}",
    "\u{0}",
    "\u{202e}",
    "\r",
    "\n\n",
    ";",
    ":",
    "=",
    "\"",
    "^n",
];

fn body(bytes: &[u8]) -> Outcome {
    let texts = ["name=New Name", "phone:cell=+49 1", "note=one\ntwo", "email="];
    item::import("cards.vcf", bytes, "contacts", &texts)
}

fn card(lines: &str) -> Vec<u8> {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\n{lines}END:VCARD\r\n").into_bytes()
}

fn seeds() -> Seeds {
    let whole = "UID:ann\r\nN:Li;Ann;;;\r\nFN:Ann Li\r\nTEL;TYPE=CELL:+49 30 1\r\n\
                 item1.EMAIL;TYPE=INTERNET:ann@example.org\r\nitem1.X-ABLabel:Work\r\n\
                 ADR:;;Way 1;Town;;123;Land\r\nNOTE:a very long note that is \r\n folded\r\n";
    let old = "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller\n\
               TEL;CELL;VOICE:1\nNOTE;ENCODING=QUOTED-PRINTABLE:one=0D=0A=\ntwo=\n\n\
               PHOTO;JPEG;ENCODING=BASE64:\n AAAA\n BBBB\n\nEND:VCARD\n";
    let nested = "AGENT:\r\nBEGIN:VCARD\r\n".repeat(1_000);
    let utf16: Vec<u8> = card("FN:Ann\r\n").iter().flat_map(|byte| [*byte, 0]).collect();
    vec![
        ("whole", card(whole)),
        ("old", old.as_bytes().to_vec()),
        ("two", [card("UID:1\r\nFN:a\r\n"), card("UID:1\r\nFN:b\r\n")].concat()),
        ("without-an-end", card(whole).into_iter().take(90).collect()),
        ("nested-begin", card(&nested)),
        ("only-begins", "BEGIN:VCARD\r\n".repeat(5_000).into_bytes()),
        (
            "carriage-returns-only",
            String::from_utf8_lossy(&card(whole)).replace("\r\n", "\r").into_bytes(),
        ),
        (
            "folded-within-a-letter",
            [&b"BEGIN:VCARD\r\nFN:\xc3\r\n \xbc\r\nEND:VCARD\r\n"[..]].concat(),
        ),
        ("utf-16", [&[0xff, 0xfe][..], &utf16].concat()),
        ("many-numbers", card(&"TEL:1\r\n".repeat(2_000))),
        ("one-long-line", card(&format!("NOTE:{}\r\n", "x".repeat(300_000)))),
        ("many-folds", card(&format!("NOTE:{}\r\n", "\r\n x".repeat(50_000)))),
        ("many-parameters", card(&format!("TEL{}:1\r\n", ";X=\"a:b;c\"".repeat(5_000)))),
        ("a-large-photo", card(&format!("PHOTO;ENCODING=b:{}\r\n", "QUJD".repeat(200_000)))),
        ("empty-name", card("N:;;;;\r\nFN:\r\n")),
        ("odd-letters", card("FN:\u{0}\u{202e}\u{feff}\u{10ffff}\r\nUID:\u{0}\r\n")),
        ("a-property-without-a-value", card("FN\r\nTEL;\r\n:\r\n;:\r\n")),
    ]
}
