//! Requests on the control socket, one line each, carried out by a node.

use super::{Outcome, Seeds, Target, words};
use crate::house::Running;
use crate::json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom_api::Request;
use heirloom_api::command::{Answer, Command, ImportItem, Level, OccurrenceQuery, Wait};
use heirloom_api::protocol::{decode, encode};
use heirloom_core::storage::MemoryStorage;
use heirloom_sim::rng::Rng;
use std::sync::LazyLock;

pub(super) const TARGET: Target = Target {
    name: "request",
    body,
    seeds,
    mend,
    words: &[
        "{\"command\":{\"command\":\"status\"}}",
        "\"watch\"",
        "\"contacts\"",
        "\"notes\"",
        "\"calendar\"",
        "\"settings\"",
        "\"apps\"",
        "name=x",
        "phone:cell=1",
        "start=2026-01-01",
        "\"limit\":18446744073709551615",
        "\"at\":\"2026-01-01\"",
        "\"keep\":\"winner\"",
        "\\u0000",
        "+=",
        "-=",
        "1e400",
    ],
    is_lines: true,
    mends_alone: true,
    bytes_max: 4 * 1024,
};

/// Requests of one input at most.
const REQUESTS_MAX: usize = 8;

/// A node alone with one record of each kind.
static HELD: LazyLock<(MemoryStorage, Vec<(String, String)>)> = LazyLock::new(|| {
    let mut running = Running::first(1, false);
    let ids =
        ADDED.iter().filter_map(|(category, fields)| match running.ask(add(category, fields)) {
            Some(Ok(Answer::Saved { id, .. })) => Some(((*category).to_owned(), id)),
            Some(Ok(_) | Err(_)) | None => None,
        });
    let ids = ids.collect();
    (running.storage, ids)
});

const ADDED: &[(&str, &[&str])] = &[
    ("contacts", &["name=Ann Li", "phone:cell=+49 30 1", "email=a@b"]),
    ("notes", &["title=A list", "body=one\ntwo"]),
    ("calendar", &["title=Lunch", "start=2026-05-01T12:00", "end=2026-05-01T13:00"]),
];

fn add(category: &str, fields: &[&str]) -> Command {
    let assignments = fields.iter().map(|field| (*field).to_owned()).collect();
    Command::Add { category: category.to_owned(), assignments, wait: Wait::default() }
}

fn body(bytes: &[u8]) -> Outcome {
    let mut node = None;
    let mut label = String::new();
    let mut taken = 0;
    for line in bytes.split(|byte| *byte == b'\n').take(REQUESTS_MAX) {
        let request = match decode::<Request>(line) {
            Ok(request) => request,
            Err(error) => {
                label.push_str(&words(&error.to_string()));
                continue;
            }
        };
        let again = encode(&request).expect("a request has a JSON form");
        assert_eq!(decode::<Request>(&again).ok().as_ref(), Some(&request));
        let Request::Command(command) = request else { continue };
        let running = node.get_or_insert_with(|| Running::again(1, false, &HELD.0));
        match running.ask(command) {
            Some(Ok(answer)) => {
                taken += 1;
                let line = encode(&answer).expect("an answer has a JSON form");
                let beginning = String::from_utf8_lossy(line.get(..16).unwrap_or_default());
                label.push_str(&words(&beginning));
            }
            Some(Err(failure)) => {
                assert!(!failure.text.is_empty() && !failure.fix.is_empty(), "{failure:?}");
                label.push_str(&failure.code);
            }
            None => label.push_str("waits"),
        }
    }
    if let Some(running) = &mut node
        && running.storage.frames.len() > HELD.0.frames.len() + 2
    {
        comes_back(running);
    }
    Outcome { is_accepted: taken > 0, label: format!("{taken}{}", words(&label)) }
}

/// A node that is started again over the same disk shows the same records.
fn comes_back(running: &mut Running) {
    running.wait(1_000);
    let digest = |running: &mut Running| match running.ask(Command::Digest) {
        Some(Ok(Answer::Digest { digest, .. })) => digest,
        other => panic!("no digest: {other:?}"),
    };
    let before = digest(running);
    let mut again = Running::again(1, false, &running.storage);
    assert_eq!(digest(&mut again), before, "a restart changed the records");
}

/// Damages single values of requests.
fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let damaged: Vec<Vec<u8>> = lines
        .map(|line| match rng.chance(50) {
            true => json::damage(line.to_vec(), rng),
            false => line.to_vec(),
        })
        .collect();
    damaged.join(&b'\n')
}

fn lines(commands: Vec<Command>) -> Vec<u8> {
    let line = |command| encode(&Request::Command(command)).expect("a request has a JSON form");
    commands.into_iter().flat_map(line).collect()
}

fn import(category: &str, text: &str) -> Command {
    let item = ImportItem {
        category: category.to_owned(),
        file: "a/file".to_owned(),
        line: 1,
        base64: STANDARD.encode(text),
        root: 0,
    };
    Command::Import { items: vec![item], dry_run: false, wait: Wait::default() }
}

fn id(category: &str) -> String {
    let mut ids = HELD.1.iter();
    ids.find(|(found, _)| found == category).map(|(_, id)| id.clone()).unwrap_or_default()
}

fn on_records() -> Seeds {
    let wait = Wait::default();
    let contact = || ("contacts".to_owned(), id("contacts"));
    let set = |fields: &[&str], wait: Wait| {
        let (category, id) = contact();
        let assignments = fields.iter().map(|field| (*field).to_owned()).collect();
        Command::Set { category, id, assignments, wait }
    };
    let show = || {
        let (category, id) = contact();
        Command::Show { category, id }
    };
    let history = || {
        let (category, id) = contact();
        Command::History { category, id }
    };
    let delete = || {
        let (category, id) = contact();
        Command::Delete { category, id, wait }
    };
    let restore = |at: Option<&str>| {
        let (category, id) = contact();
        Command::Restore { category, id, at: at.map(str::to_owned), wait }
    };
    let resolve = |keep: &str| {
        let (category, id) = contact();
        Command::Resolve { category, id, field: None, keep: keep.to_owned(), wait }
    };
    let conflicts = |id| Command::Conflicts { category: "contacts".to_owned(), id };
    let settings = Command::Set {
        category: "settings".to_owned(),
        id: "display".to_owned(),
        assignments: vec!["a={\"b\":[1.50]}".to_owned()],
        wait,
    };
    let far = Wait { level: Level::Peer(u32::MAX), timeout_ms: u64::MAX };
    vec![
        ("set-and-show", lines(vec![set(&["name=New", "phone+=7"], wait), show(), history()])),
        ("delete-and-restore", lines(vec![delete(), restore(None), restore(Some("2026-01-01"))])),
        ("conflicts", lines(vec![conflicts(None), conflicts(Some(id("contacts"))), resolve("1")])),
        (
            "wait-for-ever",
            lines(vec![set(&["name=x"], far), Command::Sync { timeout_ms: u64::MAX }]),
        ),
        ("settings", lines(vec![settings, add("settings", &["a=1"])])),
        ("empty-assignments", lines(vec![set(&[], wait), set(&["="], wait), set(&["name"], wait)])),
    ]
}

fn seeds() -> Seeds {
    let list = |category: &str, search: Option<&str>, limit| Command::List {
        category: category.to_owned(),
        search: search.map(str::to_owned),
        deleted: search.is_none(),
        after: None,
        limit,
    };
    let query = |from: &str, to: &str, zone: &str, limit| {
        Command::Occurrences(OccurrenceQuery {
            category: "calendar".to_owned(),
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            zone: zone.to_owned(),
            limit,
            ..OccurrenceQuery::default()
        })
    };
    let invite = |ttl_ms| Command::Invite { role: "member".to_owned(), ttl_ms };
    let export = Command::Export { category: "contacts".to_owned(), after: None, limit: 10 };
    let rename = Command::Rename { device: "one".to_owned(), name: "n".repeat(500) };
    let endless = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:9\r\nDTSTART:20260101T000000Z\r\n\
                   RRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ann\r\nFN:Ann\r\nEND:VCARD\r\n";
    let mut seeds = vec![
        ("asking", lines(vec![Command::Status, Command::Digest, Command::Devices])),
        ("watch", encode(&Request::Watch).unwrap_or_default()),
        ("add", lines(ADDED.iter().map(|(category, fields)| add(category, fields)).collect())),
        ("lists", lines(vec![list("contacts", Some("an"), 10), list("notes", None, usize::MAX)])),
        ("invite", lines(vec![invite(None), invite(Some(u64::MAX)), invite(Some(0))])),
        ("rename", lines(vec![rename])),
        ("import-and-export", lines(vec![import("contacts", card), export])),
        ("import-again", lines(vec![import("contacts", card), import("contacts", card)])),
        ("import-notes", lines(vec![import("notes", "---\nid: 1\n---\n# A\n")])),
        ("window", lines(vec![query("2026-01-01", "2027-01-01", "Europe/Berlin", 10)])),
        (
            "endless-window",
            lines(vec![
                import("calendar", endless),
                query("0000-01-01", "9999-12-31", "UTC", usize::MAX),
            ]),
        ),
        ("odd-zone", lines(vec![query("soon", "2026-01-01", "EST5EDT,M3.2.0,M11.1.0", 0)])),
        ("no-category", lines(vec![list("photos", None, 1), add("../x", &["a=b"])])),
    ];
    seeds.extend(on_records());
    seeds.extend(foreign());
    seeds
}

/// Lines that no program of ours writes.
fn foreign() -> Seeds {
    let deep = format!("{{\"command\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        ("deep", deep.into_bytes()),
        ("deep-and-open", "[".repeat(100_000).into_bytes()),
        ("not-json", b"{\"command\":\n\nnull\n\"stop\"\n{}\n[]\n1e400".to_vec()),
        (
            "huge-numbers",
            b"{\"command\":{\"command\":\"sync\",\"timeout_ms\":1e400}}\n\
            {\"command\":{\"command\":\"sync\",\"timeout_ms\":-1}}"
                .to_vec(),
        ),
        (
            "private-number",
            b"{\"command\":{\"command\":\"sync\",\"timeout_ms\":\
            {\"$serde_json::private::Number\":\"1\"}}}"
                .to_vec(),
        ),
    ]
}
