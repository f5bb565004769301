//! A node with a script instead of a store, and whole commands against it
//! over a real control socket.

use crate::arguments::{Arguments, Fixed, Verb};
use crate::exit::Trouble;
use crate::screen::{Form, Screen};
use crate::{export, import, mesh, records, status};
use heirloom_api::Server;
use heirloom_api::protocol::ANSWER_TOO_LARGE;
use heirloom_core::command::{
    Answer, Author, BehindRow, Command, ConcurrentValue, ConflictRow, DeviceRow, EventRow,
    ExportFile, Failure, HistoryEdit, HistoryRow, ImportReport, Level, OccurrenceRow, RecordRow,
    SkippedItem, StatusReport, Wait,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc};

mod tests;

type Script = Box<dyn FnMut(&Command) -> Result<Answer, Failure> + Send>;

/// A folder whose node answers by a script.
struct Scripted {
    home: TempDir,
    asked: Arc<Mutex<Vec<Command>>>,
}

/// What a command printed, and the exit code with which it ended.
struct Ended {
    printed: String,
    exit: u8,
}

impl Scripted {
    fn new(mut script: Script) -> Self {
        let home = tempfile::tempdir().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (commands, mut inbox) = mpsc::channel(1);
        let (events, _) = broadcast::channel(1);
        let server = Server::bind(home.path()).unwrap();
        tokio::spawn(server.serve(commands, move || events.subscribe(), std::future::pending()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some((command, reply)) = inbox.recv().await {
                let answer = script(&command);
                kept.lock().unwrap().push(command);
                drop(reply.send(answer));
            }
        });
        Self { home, asked }
    }

    /// Answers everything with the same.
    fn answering(answer: Answer) -> Self {
        Self::new(Box::new(move |_| Ok(answer.clone())))
    }

    fn asked(&self) -> Vec<Command> {
        self.asked.lock().unwrap().clone()
    }

    /// Gives a command line, its words separated by `|`.
    async fn run(&self, line: &str) -> Ended {
        let words = ["heirloom"].into_iter().chain(line.split('|'));
        let arguments = Arguments::read(words).unwrap();
        let form = if arguments.global.json { Form::Json } else { Form::Human };
        let (mut screen, home) = (Screen::kept(form), self.home.path());
        let result = match arguments.verb {
            Some(Verb::Records(call)) => records::run(call, home, &mut screen).await,
            Some(Verb::Fixed(Fixed::Invite(invite))) => {
                mesh::invite(&invite, home, &mut screen).await
            }
            Some(Verb::Fixed(Fixed::Devices(verb))) => mesh::devices(verb, home, &mut screen).await,
            Some(Verb::Fixed(Fixed::Quarantine(verb))) => {
                crate::quarantine::run(&verb, home, &mut screen).await
            }
            Some(Verb::Fixed(Fixed::Sync(sync))) => mesh::sync(&sync, home, &mut screen).await,
            Some(Verb::Fixed(Fixed::Digest)) => mesh::digest(home, &mut screen).await,
            Some(Verb::Fixed(Fixed::Import(import))) => {
                import::run(import, home, &mut screen).await
            }
            Some(Verb::Fixed(Fixed::Export(export))) => {
                export::run(export, home, &mut screen).await
            }
            None => status::show(home, &mut screen).await,
            Some(verb) => panic!("not for a script: {verb:?}"),
        };
        let exit = match result {
            Ok(()) => 0,
            Err(Trouble::Failed(failure)) => failure.exit,
            Err(Trouble::Output(error)) => panic!("{error}"),
        };
        Ended { printed: screen.printed(), exit }
    }
}

fn row(number: usize) -> RecordRow {
    let fields = json!({"name": "Ann", "phone": [{"value": "1\u{202e}", "type": "cell"}]});
    RecordRow {
        id: format!("{number:032x}"),
        category: "contacts".to_owned(),
        title: format!("Ann {number}"),
        fields: fields.as_object().unwrap().clone(),
        authors: serde_json::Map::new(),
        updated_at: "2026-01-02T03:04:05Z".to_owned(),
        updated_by: "ab".repeat(32),
        deleted: false,
        source: Some("BEGIN:VCARD\r\nFN:Ann\r\nEND:VCARD\r\n".to_owned()),
    }
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_list_goes_on_page_by_page_until_its_end() {
    let node = Scripted::new(Box::new(|command| {
        let Command::List { after, .. } = command else { panic!("{command:?}") };
        Ok(match after.as_deref() {
            None => Answer::Records { rows: vec![row(1), row(2)], next: Some("2".to_owned()) },
            Some(_) => Answer::Records { rows: vec![row(3)], next: None },
        })
    }));
    let ended = node.run("contacts|list|--search|ann|--json").await;
    let titles: Vec<Value> =
        json_lines(&ended.printed).into_iter().map(|mut line| line["title"].take()).collect();
    assert_eq!(titles, ["Ann 1", "Ann 2", "Ann 3"]);
    assert_eq!(ended.exit, 0);
    let human = node.run("contacts|list").await.printed;
    assert!(human.ends_with("Next: heirloom contacts show ID\n"), "{human}");
    assert_eq!(human.lines().count(), 4);
}

#[tokio::test]
async fn a_list_is_in_the_order_of_titles_over_all_pages() {
    let node = Scripted::new(Box::new(|command| {
        let Command::List { after, .. } = command else { panic!("{command:?}") };
        Ok(match after.as_deref() {
            None => Answer::Records { rows: vec![row(9), row(2)], next: Some("2".to_owned()) },
            Some(_) => Answer::Records { rows: vec![row(5)], next: None },
        })
    }));
    let lines = json_lines(&node.run("contacts|list|--json").await.printed);
    let titles: Vec<&str> = lines.iter().map(|line| line["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Ann 2", "Ann 5", "Ann 9"]);
    assert_eq!(node.run("contacts|list|--json").await.printed.lines().count(), 3);
}

#[tokio::test]
async fn what_takes_place_is_asked_page_by_page_and_printed_in_order() {
    let occurrence = |starts_s: i64, day: &str| OccurrenceRow {
        starts_s,
        start: format!("{day}T08:00:00Z"),
        end: format!("{day}T09:00:00Z"),
        all_day: false,
        local_start: format!("{day}T09:00:00"),
        local_end: format!("{day}T10:00:00"),
        recurrence_id: Some(format!("{day}T08:00:00Z")),
        field_start: format!("{day}T09:00:00"),
        field_end: Some(format!("{day}T10:00:00")),
    };
    let node = Scripted::new(Box::new(move |command| {
        let Command::Occurrences(query) = command else { panic!("{command:?}") };
        let (next, days) = match query.after {
            None => (Some("2".to_owned()), vec![(30, "2026-01-03"), (10, "2026-01-01")]),
            Some(_) => (None, vec![(20, "2026-01-02")]),
        };
        let occurrences = days.into_iter().map(|(at, day)| occurrence(at, day)).collect();
        let events = vec![EventRow { record: row(7), occurrences }];
        Ok(Answer::Occurrences { events, next, cut: false, gave_up: Vec::new(), spent: 7 })
    }));
    let line = "calendar|list|--from|2026-01-01|--to|2026-02-01|--search|ann";
    let human = node.run(line).await.printed;
    let shown: Vec<&str> = human.lines().map(|line| line.get(10..26).unwrap_or(line)).collect();
    assert_eq!(shown[..3], ["2026-01-01 09:00", "2026-01-02 09:00", "2026-01-03 09:00"]);
    let lines = json_lines(&node.run(&format!("{line}|--json")).await.printed);
    assert_eq!((lines[1]["start"].as_str(), lines.len()), (Some("2026-01-02T08:00:00Z"), 3));
    assert_eq!(lines[1]["fields"]["end"], "2026-01-02T10:00:00");
    assert_eq!((&lines[1]["all_day"], &lines[1]["title"]), (&json!(false), &json!("Ann 7")));
    assert_eq!(lines[1]["recurrence_id"], "2026-01-02T08:00:00Z");
    let Command::Occurrences(asked) = node.asked().remove(1) else { panic!("not a window") };
    assert_eq!((asked.after.as_deref(), asked.search.as_deref()), (Some("2"), Some("ann")));
    assert_eq!(asked.spent, 7, "the work for the list goes on being counted");
}

#[tokio::test]
async fn a_zone_that_nobody_knows_does_not_hide_what_takes_place() {
    let mut asked = 0;
    let node = Scripted::new(Box::new(move |_| {
        asked += 1;
        match asked {
            1 => Err(Failure {
                exit: 2,
                code: Failure::NO_ZONE.to_owned(),
                text: "\"Nonsense/X\" is no time zone.".to_owned(),
                fix: String::new(),
            }),
            _ => Ok(Answer::Occurrences {
                events: Vec::new(),
                next: None,
                cut: false,
                gave_up: Vec::new(),
                spent: 0,
            }),
        }
    }));
    assert_eq!(node.run("calendar|list|--from|2026-01-01").await.exit, 0);
    let Command::Occurrences(again) = node.asked().remove(1) else { panic!("not a window") };
    assert_eq!(again.zone, "UTC");
}

#[tokio::test]
async fn an_empty_list_prints_no_line_of_json() {
    let node = Scripted::answering(Answer::Records { rows: Vec::new(), next: None });
    assert_eq!(node.run("--json|notes|list").await.printed, "");
}

#[tokio::test]
async fn a_write_that_did_not_travel_prints_its_id_all_the_same() {
    let node = Scripted::answering(Answer::Saved { id: "1f".to_owned(), reached: false });
    let ended = node.run("contacts|add|name=Ann|--wait|peer:1|--timeout|2|--json").await;
    assert_eq!((ended.printed.as_str(), ended.exit), ("{\"id\":\"1f\"}\n", 75));
    let wait = Wait { level: Level::Peer(1), timeout_ms: 2_000 };
    let assignments = vec!["name=Ann".to_owned()];
    let expected = Command::Add { category: "contacts".to_owned(), assignments, wait };
    assert_eq!(node.asked(), [expected]);
}

#[tokio::test]
async fn a_write_without_a_field_is_not_sent() {
    let node = Scripted::answering(Answer::Done);
    assert_eq!(node.run("contacts|add").await.exit, 2);
    assert_eq!(node.run("notes|set|1f|--body-file|/nowhere/x").await.exit, 1);
    assert_eq!(node.run("notes|set|1f|--body-file|/dev/zero").await.exit, 2);
    assert!(node.asked().is_empty());
}

#[tokio::test]
async fn what_its_user_names_is_not_added() {
    let node = Scripted::answering(Answer::Done);
    for line in ["settings|add|name=foo|x=1", "apps|add|name=a.b/c|x=1", "apps|add"] {
        let ended = node.run(line).await;
        assert_eq!((ended.exit, ended.printed.as_str()), (2, ""), "{line}");
    }
    assert!(node.asked().is_empty());
}

#[tokio::test]
async fn a_body_file_becomes_an_assignment() {
    let node = Scripted::answering(Answer::Saved { id: "1f".to_owned(), reached: true });
    let file = node.home.path().join("body.md");
    std::fs::write(&file, "one\ntwo=2\n").unwrap();
    let line = format!("notes|set|1f|--body-file|{}|title=T", file.display());
    assert_eq!(node.run(&line).await.exit, 0);
    let Command::Set { assignments, .. } = node.asked().remove(0) else { panic!("not a set") };
    assert_eq!(assignments, ["title=T", "body=one\ntwo=2\n"]);
}

#[tokio::test]
async fn a_record_is_shown_with_its_source_and_without_steering_characters() {
    let node = Scripted::answering(Answer::Record(row(7)));
    let human = node.run("contacts|show|7").await.printed;
    assert!(human.contains("  phone:cell: 1\\u{202e}\n"), "{human}");
    assert!(human.contains("\nFN:Ann\n"), "{human}");
    let lines = json_lines(&node.run("contacts|show|7|--json").await.printed);
    assert_eq!(lines[0]["fields"]["phone"][0]["value"], "1\u{202e}");
    assert_eq!(lines[0]["source"], "BEGIN:VCARD\r\nFN:Ann\r\nEND:VCARD\r\n");
}

#[tokio::test]
async fn both_values_of_a_conflict_are_shown() {
    let author = |name: &str| Author {
        by: "cd".repeat(32),
        by_name: name.to_owned(),
        at: "2026".to_owned(),
    };
    let value = Some("one\ntwo".into());
    let loser =
        ConcurrentValue { number: 2, value, author: author("desk"), ..ConcurrentValue::default() };
    let conflict = ConflictRow {
        id: "1f".to_owned(),
        category: "contacts".to_owned(),
        title: "Ann".to_owned(),
        field: "note".to_owned(),
        occurrence: Some("2026-02-03".to_owned()),
        number: 1,
        winner: Some("first".into()),
        author: author("phone"),
        losers: vec![loser],
        ..ConflictRow::default()
    };
    let node = Scripted::answering(Answer::Conflicts { rows: vec![conflict] });
    let human = node.run("contacts|conflicts").await.printed;
    assert!(human.starts_with("1f  Ann  (2026-02-03)  note\n"), "{human}");
    assert!(human.contains("  1  shown  first  (phone, 2026)\n"), "{human}");
    assert!(human.contains("  2  kept     (desk, 2026)\n    | one\n    | two\n"), "{human}");
    assert!(human.contains("contacts resolve 1f note --keep NUMBER\n"), "{human}");
    let line = json_lines(&node.run("contacts|conflicts|--json").await.printed).remove(0);
    assert_eq!((&line["winner"], &line["by_name"]), (&json!("first"), &json!("phone")));
    assert_eq!(
        (&line["losers"][0]["number"], &line["losers"][0]["by"]),
        (&json!(2), &json!("cd".repeat(32)))
    );
}

#[tokio::test]
async fn a_history_tells_before_and_after() {
    let edit = HistoryEdit {
        field: "note".to_owned(),
        before: None,
        after: Some("new".into()),
        added: true,
        ..Default::default()
    };
    let author = Author { by: "cd".repeat(32), by_name: "desk".into(), at: "2026".into() };
    let (change, kind) = ("ab".repeat(32), "created".to_owned());
    let change = HistoryRow { change, author, kind, edits: vec![edit] };
    let node = Scripted::answering(Answer::History { rows: vec![change] });
    let human = node.run("contacts|history|1f").await.printed;
    let expected = "2026  created by desk (cdcdcdcd)  abababab\n  note: new\n";
    assert!(human.starts_with(expected), "{human}");
    let line = json_lines(&node.run("contacts|history|1f|--json").await.printed).remove(0);
    assert_eq!(
        (&line["by_name"], &line["kind"], &line["at"]),
        (&json!("desk"), &json!("created"), &json!("2026"))
    );
}

#[tokio::test]
async fn a_failure_of_the_node_keeps_its_exit_code() {
    let node = Scripted::new(Box::new(|_| {
        let text = "a blind keeper cannot read".to_owned();
        Err(Failure { exit: 77, code: "blind".to_owned(), text, fix: String::new() })
    }));
    for line in ["contacts|list", "digest", "devices|list", "sync", "invite", "quarantine|list"] {
        assert_eq!(node.run(line).await.exit, 77, "{line}");
    }
    assert_eq!(node.run("export|/tmp/none").await.exit, 77);
}

#[tokio::test]
async fn an_answer_of_another_kind_is_a_failure() {
    let node = Scripted::answering(Answer::Done);
    for line in ["contacts|list", "contacts|show|1", "digest", "devices|list", "sync", "invite"] {
        assert_eq!(node.run(line).await.exit, 1, "{line}");
    }
}

#[tokio::test]
async fn an_import_reports_what_the_split_and_the_node_left_out() {
    let node = Scripted::new(Box::new(|command| {
        let Command::Import { items, .. } = command else { panic!("{command:?}") };
        let skipped = vec![SkippedItem { file: "a.md".to_owned(), line: 3, reason: "x".into() }];
        let report = ImportReport { accepted: items.len() as u64, skipped, ..Default::default() };
        Ok(Answer::Imported { report, reached: true })
    }));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.md"), "# A\n").unwrap();
    std::fs::write(folder.path().join("b.vcf"), [0, 159, 146, 150]).unwrap();
    let line = format!("import|{}|--json|--wait|keeper", folder.path().display());
    let ended = node.run(&line).await;
    let report = json_lines(&ended.printed).remove(0);
    assert_eq!((report["accepted"].as_u64(), ended.exit), (Some(1), 4));
    let files: Vec<&Value> =
        report["skipped"].as_array().unwrap().iter().map(|item| &item["file"]).collect();
    let below = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(files, [&below("a.md"), &below("b.vcf")]);
    let Command::Import { wait, .. } = node.asked().remove(0) else { panic!("not an import") };
    assert_eq!(wait.level, Level::Keeper);
}

#[tokio::test]
async fn only_the_last_batch_of_an_import_waits_for_others() {
    let node = Scripted::answering(Answer::Imported {
        report: ImportReport { accepted: 1, ..Default::default() },
        reached: true,
    });
    let folder = tempfile::tempdir().unwrap();
    for number in 0..6 {
        let path = folder.path().join(format!("{number}.md"));
        std::fs::write(path, "x".repeat(900 * 1024)).unwrap();
    }
    let line = format!("import|{}|--json|--wait|peer:1", folder.path().display());
    assert_eq!(node.run(&line).await.exit, 0);
    let level = |command| {
        let Command::Import { wait, .. } = command else { panic!("{command:?}") };
        wait.level
    };
    let levels: Vec<Level> = node.asked().into_iter().map(level).collect();
    assert!(levels.len() > 1, "{levels:?}");
    let (last, earlier) = levels.split_last().unwrap();
    assert_eq!(*last, Level::Peer(1));
    assert!(earlier.iter().all(|level| *level == Level::Local));
}

#[tokio::test]
async fn an_export_asks_for_less_where_an_answer_is_too_large() {
    let node = Scripted::new(Box::new(|command| {
        let Command::Export { category, after, limit } = command else { panic!("{command:?}") };
        if *limit > 2 {
            let text = "too large".to_owned();
            let code = ANSWER_TOO_LARGE.to_owned();
            return Err(Failure { exit: 1, code, text, fix: String::new() });
        }
        let file = |number: u8| ExportFile {
            path: format!("{category}/{number}.md"),
            fallback: None,
            base64: "eA==".to_owned(),
        };
        Ok(match after {
            None => Answer::Files {
                files: vec![file(1), file(2)],
                left_out: Vec::new(),
                next: Some("2".to_owned()),
            },
            Some(_) => Answer::Files { files: vec![file(3)], left_out: Vec::new(), next: None },
        })
    }));
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let ended = node.run(&format!("export|{}|--only|notes|--json", target.display())).await;
    let told = json_lines(&ended.printed).remove(0);
    let expected = json!({
        "files": 3, "bytes": 3, "categories": {"notes": 3}, "removed": 0, "changed": 0, "replaced": 0, "left_out": [],
    });
    assert_eq!(told, expected);
    assert_eq!(std::fs::read(target.join("notes/3.md")).unwrap(), b"x");
}

#[tokio::test]
async fn sync_ends_with_what_it_found() {
    let behind = BehindRow { device_id: "cd".to_owned(), entries: 2, bytes: 10 };
    for (level, behind, exit) in [
        (vec!["ab".to_owned()], vec![], 0),
        (vec!["ab".to_owned()], vec![behind], 75),
        (vec![], vec![], 69),
    ] {
        let node = Scripted::answering(Answer::Synced { level, behind });
        let ended = node.run("sync|--timeout|1|--json").await;
        assert_eq!(ended.exit, exit);
        assert_eq!(json_lines(&ended.printed).len(), 1);
    }
}

#[tokio::test]
async fn sync_calls_devices_by_their_names() {
    let node = Scripted::new(Box::new(|command| {
        let (rows, level) = (vec![phone()], vec!["ab".repeat(32), "ef".repeat(32)]);
        Ok(match *command == Command::Devices {
            true => Answer::Devices { rows },
            false => Answer::Synced { level, behind: Vec::new() },
        })
    }));
    let told = node.run("sync|--timeout|1").await.printed;
    assert!(told.starts_with("phone is level"), "{told}");
    assert!(told.contains("\nefefefef is level"), "{told}");
}

fn phone() -> DeviceRow {
    DeviceRow {
        id: "ab".repeat(32),
        name: "phone".to_owned(),
        role: "member".to_owned(),
        this: true,
        online: false,
        relayed: false,
        last_seen: None,
        revoked: false,
        behind_entries: 0,
        offences: 0,
    }
}

#[tokio::test]
async fn an_invite_shows_both_ways_to_use_it() {
    let node = Scripted::answering(Answer::Invite {
        link: "heirloom:xyz".to_owned(),
        words: "a b c d e f".to_owned(),
        expires_in_s: 300,
    });
    let human = node.run("invite|--role|blind-keeper").await.printed;
    assert!(human.contains("  heirloom:xyz\n") && human.contains("  a b c d e f\n"), "{human}");
    assert!(human.ends_with("heirloom up --keeper --blind --join CODE\n"), "{human}");
    let line = json_lines(&node.run("invite|--json|--ttl|60").await.printed).remove(0);
    assert_eq!(line, json!({"link": "heirloom:xyz", "words": "a b c d e f", "expires_in_s": 300}));
    assert_eq!(node.asked()[1], Command::Invite { role: "member".into(), ttl_ms: Some(60_000) });
}

#[tokio::test]
async fn devices_are_listed_and_renamed() {
    let node = Scripted::new(Box::new(|command| {
        let rows = vec![phone()];
        Ok(if *command == Command::Devices { Answer::Devices { rows } } else { Answer::Done })
    }));
    assert_eq!(json_lines(&node.run("devices|list|--json").await.printed)[0]["this"], true);
    assert!(node.run("devices|rename|phone|handy").await.printed.contains("called handy now"));
}

#[tokio::test]
async fn a_device_that_is_out_lists_itself_as_revoked_with_the_way_back() {
    let other = DeviceRow { name: "tablet".to_owned(), this: false, ..phone() };
    let rows = vec![DeviceRow { revoked: true, ..phone() }, other];
    let node = Scripted::answering(Answer::Devices { rows });
    let human = node.run("devices|list").await.printed;
    assert!(human.starts_with("phone   abababab  member  this device, revoked\n"), "{human}");
    assert!(human.ends_with("Next: heirloom recovery reset\n"), "{human}");
}

#[tokio::test]
async fn the_verbless_command_is_the_status() {
    let report = StatusReport {
        account_id: "ab".repeat(32),
        device_id: "cd".repeat(32),
        running: true,
        devices: Vec::new(),
        categories: Vec::new(),
        at_risk: BTreeMap::new(),
        quarantined: 0,
        network: None,
        stalls: Vec::new(),
        problems: Vec::new(),
    };
    let node = Scripted::answering(Answer::Status(report));
    let line = json_lines(&node.run("--json").await.printed).remove(0);
    assert_eq!(line["running"], true);
    let human = node.run("--verbose").await.printed;
    assert!(human.starts_with("Account abababab on cdcdcdcd; its node runs.\n"), "{human}");
    assert!(human.ends_with("Next: heirloom invite\n"), "{human}");
}

#[tokio::test]
async fn a_digest_is_told_with_its_counts() {
    let records = BTreeMap::from([("notes".to_owned(), 2)]);
    let node = Scripted::answering(Answer::Digest { digest: "dd".to_owned(), records });
    let line = json_lines(&node.run("digest|--json").await.printed).remove(0);
    assert_eq!(line, json!({"digest": "dd", "records": {"notes": 2}}));
    assert!(node.run("digest").await.printed.contains("over 2 notes\n"));
}

#[tokio::test]
async fn without_a_node_and_an_account_nothing_works() {
    let node = Scripted::answering(Answer::Done);
    let empty = Scripted { home: tempfile::tempdir().unwrap(), asked: Arc::clone(&node.asked) };
    for line in ["contacts|list", "digest", "sync", "invite", "--json"] {
        assert_eq!(empty.run(line).await.exit, 1, "{line}");
    }
    assert_eq!(std::fs::read_dir(empty.home.path()).unwrap().count(), 0);
}
