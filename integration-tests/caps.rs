//! What is too much or hostile in a file: it is left out with its reason,
//! shown without harm, and leads nowhere.

use crate::common::{Up, contains, eventually, init, run, run_json};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Account {
    folder: TempDir,
}

impl Account {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        init(&folder.path().join("home"), "phone");
        Self { folder }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self, path: &Path) -> Value {
        run_json(&self.home(), &["import", path.to_str().unwrap()]).json()
    }
}

fn card(name: &str, lines: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\n{lines}END:VCARD\r\n")
}

fn reasons(report: &Value) -> Vec<String> {
    let skipped = report["skipped"].as_array().unwrap().iter();
    skipped.map(|one| format!("{}: {}", one["line"], one["reason"].as_str().unwrap())).collect()
}

#[test]
fn every_cap_of_cards_holds_with_its_reason_and_never_blocks_the_others() {
    let account = Account::new();
    let base64 =
        |bytes: usize| format!("PHOTO;ENCODING=b;TYPE=JPEG:{}\r\n", "QUJD".repeat(bytes / 3));
    let mib = 1 << 20;
    let cards = [
        card("First", ""),
        card("Text", &format!("NOTE:{}\r\n", "x".repeat(mib))),
        card("Photo", &base64(10 * mib + 8_192)),
        card("Many", &"TEL:1\r\n".repeat(1_000)),
        card("Deep", &"AGENT:\r\nBEGIN:VCARD\r\nFN:in\r\n".repeat(65)),
        card("Large", &base64(10 * mib)),
        card("Most", &"TEL:1\r\n".repeat(999)),
        card("Last", ""),
    ];
    let report = account.import(&account.file("all.vcf", cards.concat().as_bytes()));
    let lines_before = |index: usize| cards[..index].concat().matches('\n').count() + 1;
    let expected = [
        format!("{}: its text is larger than 1 MiB", lines_before(1)),
        format!("{}: its photo is larger than 10 MiB", lines_before(2)),
        format!("{}: it has more than 1000 properties", lines_before(3)),
        format!("{}: it is nested too deep", lines_before(4)),
    ];
    assert_eq!(reasons(&report), expected);
    assert_eq!(report["accepted"], 4, "{}", report["accepted"]);
    let rows = run_json(&account.home(), &["contacts", "list"]).lines();
    let titles: Vec<&str> = rows.iter().map(|row| row["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["First", "Large", "Last", "Most"]);
}

#[test]
fn every_cap_of_the_other_kinds_holds_with_its_reason() {
    let account = Account::new();
    let event = |uid: &str, lines: &str| {
        format!("BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20260101T000000Z\r\n{lines}END:VEVENT\r\n")
    };
    let nested =
        |levels: usize| format!("{}{}", "BEGIN:X\r\n".repeat(levels), "END:X\r\n".repeat(levels));
    let calendar = [
        "BEGIN:VCALENDAR\r\n".to_owned(),
        event("deep", &nested(64)),
        event("ok", &nested(63)),
        event("many", &"COMMENT:1\r\n".repeat(1_000)),
        event("text", &format!("DESCRIPTION:{}\r\n", "x".repeat(1 << 20))),
        "END:VCALENDAR\r\n".to_owned(),
    ];
    let report = account.import(&account.file("all.ics", calendar.concat().as_bytes()));
    let expected = [
        "2: the VEVENT is nested too deep",
        "264: the VEVENT is too large: it has more than 1000 properties",
        "1268: the VEVENT is too large: its text is larger than 1 MiB",
    ];
    assert_eq!(reasons(&report), expected);
    assert_eq!(report["accepted"], 1);

    let folder = account.folder.path().join("folder");
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(64), "]".repeat(64));
    let refused = account.import(&account.file("deep.json", deep.as_bytes()));
    assert_eq!(reasons(&refused), ["1: the object is nested deeper than 64 levels"]);
    account.file("folder/large.md", "x".repeat((1 << 20) + 1).as_bytes());
    account.file("folder/large.pdf", &vec![b'x'; (10 << 20) + 1]);
    let table =
        account.file("google.csv", b"Name,Given Name,Phone 1 - Value\nAnn Li,Ann,+49 30 1\n");
    account.file("folder/ok.md", b"# Fine\n");
    let report = account.import(&folder);
    let skipped = report["skipped"].as_array().unwrap().iter();
    let told: Vec<String> = skipped
        .map(|one| {
            format!("{}: {}", one["file"].as_str().unwrap(), one["reason"].as_str().unwrap())
        })
        .collect();
    let expected = [
        "large.md: a file of its kind may have at most 1048576 bytes",
        "large.pdf: a file of its kind may have at most 10485760 bytes",
    ]
    .map(|line| format!("{}/{line}", folder.display()));
    assert_eq!(told, expected);
    assert_eq!(report["accepted"], 1);
    let refused = account.import(&table);
    let reason = "1: a table is not read: export the contacts as vCard (.vcf) instead";
    assert_eq!(reasons(&refused), [reason]);
    let deep = format!("a={}{}", "[".repeat(65), "]".repeat(65));
    let refused = run_json(&account.home(), &["settings", "set", "display", &deep]);
    assert!(refused.expect(2).stderr.contains("nested at most 64 levels deep"));
}

#[test]
fn a_file_of_nothing_but_bad_items_is_listed_up_to_a_bound() {
    let account = Account::new();
    let file = format!("{}{}", card("Good", ""), "BEGIN:VCARD\n".repeat(10_100));
    let report = account.import(&account.file("bad.vcf", file.as_bytes()));
    let reasons = reasons(&report);
    assert_eq!((&report["accepted"], reasons.len()), (&1.into(), 10_000));
    assert_eq!(reasons[0], "5: the card has no END:VCARD");
    let expected = "10004: the card has no END:VCARD; and 100 more were left out";
    assert_eq!(reasons[9_999], expected);
}

/// Returns whether a text could steer a terminal or turn a line around.
fn steers(text: &str) -> bool {
    let is_mark = |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().any(|letter| (letter.is_control() && letter != '\n') || is_mark(letter))
}

#[test]
fn no_name_steers_the_terminal_that_shows_it() {
    const EVIL: &str = "\u{202e}gnp.exe\u{2066} \u{1b}[31mred\u{9b}1m\u{7}";
    let account = Account::new();
    let (home, other) = (account.home(), account.folder.path().join("other"));
    let node = Up::start(&home, &[]);
    let link = node.invite("member");
    run_json(&other, &["join", &link, "--no-mdns", "--device", "\u{202e}enohp"]).expect(0);
    let lines = format!("UID:evil\r\nNOTE:{EVIL}\r\nitem1.X-ABLabel:{EVIL}\r\nitem1.TEL:1\r\n");
    let file = account.file("evil.vcf", card(EVIL, &lines).as_bytes());
    assert_eq!(account.import(&file)["accepted"], 1);
    let second = Up::start(&other, &["--peer", &node.address()]);
    eventually("the card is on both", || run_json(&other, &["contacts", "show", "evil"]).code == 0);
    assert_eq!((node.stop(), second.stop()), (0, 0));
    for (home, name) in [(&home, "\u{202e}one"), (&other, "\u{202e}two")] {
        run_json(home, &["contacts", "set", "evil", &format!("name={name}")]).expect(0);
    }
    let node = Up::start(&home, &[]);
    let second = Up::start(&other, &["--peer", &node.address()]);
    let conflicts = ["contacts", "conflicts"];
    eventually("the conflict is there", || !run_json(&home, &conflicts).lines().is_empty());
    let id = run_json(&home, &["contacts", "list"]).lines()[0]["id"].as_str().unwrap().to_owned();
    for arguments in [
        &["contacts", "list"][..],
        &["contacts", "show", &id],
        &["contacts", "history", &id],
        &conflicts,
        &["status"],
        &["devices", "list"],
    ] {
        let shown = run(&home, arguments).expect(0);
        let text = format!("{}{}", shown.stdout, shown.stderr);
        assert!(!steers(&text), "{arguments:?}: {text:?}");
        let is_there = text.contains("\\u{202e}");
        assert!(is_there || arguments == ["status"], "{arguments:?}: {text:?}");
        let machine = run_json(&home, arguments).stdout;
        assert!(!steers(&machine), "{arguments:?}: {machine:?}");
    }
    let shown = run_json(&home, &["contacts", "show", &id]).expect(0).json();
    let source = shown["source"].as_str().unwrap();
    assert!(source.contains(&format!("NOTE:{EVIL}")), "as data it is what it was: {source:?}");
    drop((node, second));
}

#[test]
fn no_address_is_opened_and_no_file_outside_of_the_given_path_is_read() {
    const SECRET: &str = "s3cret-of-the-house";
    let account = Account::new();
    let secret = account.file("secret.md", SECRET.as_bytes());
    account.file("outside/more.md", SECRET.as_bytes());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let web = format!("http://{}/photo.jpg", listener.local_addr().unwrap());
    let lines = format!(
        "UID:uri\r\nPHOTO;VALUE=uri:file://{}\r\nLOGO;VALUE=URI:{web}\r\nSOUND:file:///etc/passwd\r\n\
         KEY;VALUE=uri:{web}\r\nURL:{web}\r\nSOURCE:{web}\r\n",
        secret.display()
    );
    let card = card("Addresses", &lines);
    account.file("in/a.vcf", card.as_bytes());
    let event = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:e\r\nDTSTART:20260101T000000Z\r\n\
         ATTACH:file://{}\r\nATTACH;VALUE=URI:{web}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        secret.display()
    );
    account.file("in/a.ics", event.as_bytes());
    let note = "# Links\n\n![](../secret.md) [x](../../secret) ![[../secret]] <!-- include ../secret.md -->\n";
    account.file("in/a.md", note.as_bytes());
    let folder = account.folder.path().join("in");
    std::os::unix::fs::symlink(&secret, folder.join("link.md")).unwrap();
    std::os::unix::fs::symlink(account.folder.path().join("outside"), folder.join("deep")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("passwd.txt")).unwrap();
    let report = account.import(&folder);
    assert_eq!(report["accepted"], 3, "{report}");
    let link = "1: a symbolic link is not followed";
    assert_eq!(reasons(&report), [link, link, link]);
    let out = account.folder.path().join("out");
    run_json(&account.home(), &["export", out.to_str().unwrap()]).expect(0);
    assert!(contains(&out, card.as_bytes()), "addresses stay as text");
    assert!(contains(&out, event.as_bytes()) && contains(&out, note.as_bytes()));
    for place in [&out, &account.home()] {
        assert!(!contains(place, SECRET.as_bytes()), "{}", place.display());
        assert!(!contains(place, b"root:x:0"), "{}", place.display());
    }
    let visit = listener.accept();
    assert!(visit.is_err(), "somebody opened an address: {visit:?}");
}

#[test]
fn rules_without_end_are_listed_up_to_a_bound() {
    let account = Account::new();
    let clock = |last: usize| (0..=last).map(|one| one.to_string()).collect::<Vec<_>>().join(",");
    let lists = |name: &str| -> String {
        let time = |index: usize| {
            format!("202606{:02}T{:02}{:02}00Z", index % 28 + 1, index % 24, index % 60)
        };
        let line = |line: usize| {
            let times: Vec<String> = (line * 60..line * 60 + 60).map(time).collect();
            format!("{name}:{}\r\n", times.join(","))
        };
        (0..900).map(line).collect()
    };
    let rules = [
        "RRULE:FREQ=SECONDLY\r\n".to_owned(),
        "RRULE:FREQ=SECONDLY;COUNT=2147483648\r\n".to_owned(),
        format!(
            "RRULE:FREQ=YEARLY;BYSETPOS=1,2,-1,366,-366;BYHOUR={};BYMINUTE={}\r\n",
            clock(23),
            clock(59)
        ),
        lists("RDATE"),
        format!("RRULE:FREQ=HOURLY\r\n{}", lists("EXDATE")),
    ];
    let events = rules.iter().enumerate().map(|(index, rule)| {
        format!("BEGIN:VEVENT\r\nUID:{index}\r\nSUMMARY:{index}\r\nDTSTART:20200101T000000Z\r\n{rule}END:VEVENT\r\n")
    });
    let file = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", events.collect::<String>());
    let report = account.import(&account.file("rules.ics", file.as_bytes()));
    assert_eq!(report["accepted"], rules.len(), "{report}");
    for (to, title) in [("2026-06-02", "0"), ("2027-06-01", "3")] {
        let shown =
            run_json(&account.home(), &["calendar", "list", "--from", "2026-06-01", "--to", to]);
        assert!(shown.stderr.contains("list-cut"), "{}", shown.stderr);
        let rows = shown.lines();
        assert_eq!(rows.len(), 10_000);
        assert!(rows.iter().any(|row| row["title"] == title), "to {to}: {title}");
        assert!(rows.is_sorted_by_key(|row| row["start"].as_str().unwrap().to_owned()));
    }
}
