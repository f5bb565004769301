//! The lines of the control socket: every request, answer and event with all
//! that it may hold, and those again that leave out what may be left out.

use heirloom_api::protocol::{Request, Response, decode, decode_response, encode};
use heirloom_core::command::{
    Answer, Author, BehindRow, CategoryRow, Command, ConcurrentValue, ConflictRow, DeviceRow,
    Event, EventRow, ExportFile, Failure, HistoryEdit, HistoryRow, ImportItem, ImportReport,
    LeftOut, Level, NetworkTotals, OccurrenceQuery, OccurrenceRow, PeerTraffic, Problem,
    QuarantineRow, RecordRow, Secret, SkippedItem, Stall, StatusReport, Traffic, Wait,
};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

/// The lines by the name of what they show.
pub(super) fn lines() -> Json {
    let (code, text, fix) = ("unknown-record".into(), "A text.".into(), "Another one.".into());
    let failure = Failure { exit: 1, code, text, fix };
    json!({
        "ask for the status": line(&Request::Command(Command::Status)),
        "ask for events": line(&Request::Watch),
        "events follow": line(&Response::Watching),
        "an answer": line(&Response::Answer(Answer::Done)),
        "a failure": line(&Response::Failed(failure)),
        "requests": Json::Object(requests().into_iter().map(request_line).collect()),
        "requests without what may be left out": Json::Object(short_requests()),
        "answers": Json::Object(answers().into_iter().map(answer_line).collect()),
        "answers without what may be absent": Json::Object(
            short_answers().into_iter().map(answer_line).collect(),
        ),
        "events": Json::Object(events().into_iter().map(event_line).collect()),
        "events without what may be absent": Json::Object(
            short_events().into_iter().map(event_line).collect(),
        ),
    })
}

fn line(value: &impl Serialize) -> String {
    String::from_utf8(encode(value).unwrap()).unwrap()
}

/// Returns the name that a tagged value has as JSON.
fn name_of(value: &impl Serialize, tag: &str) -> String {
    let value = serde_json::to_value(value).unwrap();
    let first = || value.as_object().and_then(|fields| fields.keys().next()).map(String::as_str);
    let name = value.get(tag).unwrap_or(&value).as_str().or_else(first);
    name.unwrap().to_owned()
}

fn request_line(command: Command) -> (String, Json) {
    let name = name_of(&command, "command");
    let request = Request::Command(command);
    let line = line(&request);
    assert_eq!(decode::<Request>(line.as_bytes()).unwrap(), request);
    (name, line.into())
}

fn answer_line(answer: Answer) -> (String, Json) {
    let name = name_of(&answer, "");
    let response = Response::Answer(answer);
    let line = line(&response);
    assert_eq!(decode_response(line.as_bytes()).unwrap(), response);
    (name, line.into())
}

fn event_line(event: Event) -> (String, Json) {
    let line = line(&event);
    assert_eq!(decode::<Event>(line.as_bytes()).unwrap(), event);
    (name_of(&event, "event"), line.into())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn id(byte: u8) -> String {
    format!("{byte:02x}").repeat(16)
}

fn device_id(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn waits() -> [Wait; 3] {
    let wait = |level| Wait { level, timeout_ms: 2_500 };
    [wait(Level::Local), wait(Level::Peer(2)), wait(Level::Keeper)]
}

/// Every command with all of its fields.
pub(crate) fn requests() -> Vec<Command> {
    [about_devices(), writes(), reads(), about_many()].concat()
}

fn about_devices() -> Vec<Command> {
    vec![
        Command::Status,
        Command::Digest,
        Command::Devices,
        Command::Rename { device: "phone".into(), name: "old phone".into() },
        Command::Revoke { device: "0303".into() },
        Command::Accept { device: "phone".into() },
        Command::Reset {
            phrase: Secret::new(["abandon"; 12].join(" ")),
            keep: texts(&["tablet", "0404"]),
        },
        Command::Invite { role: "blind-keeper".into(), ttl_ms: Some(60_000) },
    ]
}

fn writes() -> Vec<Command> {
    let [local, peers, keeper] = waits();
    vec![
        Command::Add {
            category: "contacts".into(),
            assignments: texts(&["name=Ann Li", "phone:cell=+49 30 1234567"]),
            wait: peers,
        },
        Command::Set {
            category: "settings".into(),
            id: "display".into(),
            assignments: texts(&["brightness=80", "theme=\"dark\"", "old="]),
            wait: keeper,
        },
        Command::Delete { category: "notes".into(), id: "1f".into(), wait: local },
        Command::Restore {
            category: "notes".into(),
            id: "1f".into(),
            at: Some("2026-12-24T18:00:00+01:00".into()),
            wait: peers,
        },
        Command::Resolve {
            category: "contacts".into(),
            id: "1f".into(),
            field: Some("phone".into()),
            keep: "2".into(),
            wait: local,
        },
    ]
}

fn reads() -> Vec<Command> {
    vec![
        Command::List {
            category: "contacts".into(),
            search: Some("ann berlin".into()),
            deleted: true,
            after: Some(id(0x1f)),
            limit: 200,
        },
        Command::Occurrences(OccurrenceQuery {
            category: "calendar".into(),
            search: Some("tea".into()),
            from: Some("2026-12-24".into()),
            to: Some("2026-12-31T18:00:00Z".into()),
            zone: "Europe/Berlin".into(),
            until_s: Some(1_798_135_200),
            after: Some(id(0x1f)),
            limit: 100,
            spent: 40,
        }),
        Command::Show { category: "apps".into(), id: "org.example.shopping/milk".into() },
        Command::History { category: "contacts".into(), id: "ann-1".into() },
        Command::Conflicts { category: "contacts".into(), id: Some("1f".into()) },
    ]
}

fn about_many() -> Vec<Command> {
    let [_, _, keeper] = waits();
    vec![
        Command::Import {
            items: vec![ImportItem {
                category: "notes".into(),
                file: "Kitchen/soup.md".into(),
                line: 1,
                base64: "IyBTb3VwCg==".into(),
                root: 1,
            }],
            dry_run: false,
            wait: keeper,
        },
        Command::Export { category: "contacts".into(), after: Some(id(0x1f)), limit: 50 },
        Command::Quarantine { after: Some(format!("71{}", id(0x2f))), limit: 50 },
        Command::Sync { timeout_ms: 10_000 },
    ]
}

/// Requests that a program may write, and what they mean.
fn short_requests() -> Map<String, Json> {
    let wait = Wait::default();
    let (category, search, after) = ("notes".to_owned(), None, None);
    let meant = [
        (
            json!({"command": "reset", "phrase": "legal winner"}),
            Command::Reset { phrase: Secret::new("legal winner".into()), keep: Vec::new() },
        ),
        (
            json!({"command": "invite", "role": "member"}),
            Command::Invite { role: "member".into(), ttl_ms: None },
        ),
        (
            json!({"command": "add", "category": "notes", "assignments": ["title=Soup"]}),
            Command::Add { category: category.clone(), assignments: texts(&["title=Soup"]), wait },
        ),
        (
            json!({"command": "restore", "category": "notes", "id": "1f"}),
            Command::Restore { category: category.clone(), id: "1f".into(), at: None, wait },
        ),
        (
            json!({"command": "resolve", "category": "notes", "id": "1f", "keep": "winner"}),
            Command::Resolve {
                category: category.clone(),
                id: "1f".into(),
                field: None,
                keep: "winner".into(),
                wait,
            },
        ),
        (
            json!({"command": "list", "category": "notes", "limit": 200}),
            Command::List { category: category.clone(), search, deleted: false, after, limit: 200 },
        ),
        (
            json!({"command": "occurrences", "category": "calendar", "zone": "+02:00", "limit": 5}),
            Command::Occurrences(OccurrenceQuery {
                category: "calendar".into(),
                zone: "+02:00".into(),
                limit: 5,
                ..OccurrenceQuery::default()
            }),
        ),
        (
            json!({"command": "conflicts", "category": "notes"}),
            Command::Conflicts { category, id: None },
        ),
        short_import(),
    ];
    let lines = meant.into_iter().map(|(command, meant)| {
        let line = line(&json!({ "command": command }));
        let read: Request = decode(line.as_bytes()).unwrap();
        assert_eq!(read, Request::Command(meant.clone()));
        (name_of(&meant, "command"), line.into())
    });
    lines.collect()
}

fn short_import() -> (Json, Command) {
    let item = ImportItem {
        category: "notes".into(),
        file: "a.md".into(),
        line: 1,
        base64: String::new(),
        root: 0,
    };
    let request = json!({
        "command": "import",
        "items": [{"category": "notes", "file": "a.md", "line": 1, "base64": ""}],
        "dry_run": true,
    });
    (request, Command::Import { items: vec![item], dry_run: true, wait: Wait::default() })
}

fn author(byte: u8, name: &str) -> Author {
    let at = "2026-12-24T18:00:00Z".to_owned();
    Author { by: device_id(byte), by_name: name.to_owned(), at }
}

fn record() -> RecordRow {
    let fields = json!({"name": "Ann Li", "phone": [{"value": "+49 30 1234567", "type": "cell"}]});
    let authors = json!({"name": author(1, "desk"), "phone": [author(2, "phone")]});
    RecordRow {
        id: id(0x1f),
        category: "contacts".into(),
        title: "Ann Li".into(),
        fields: fields.as_object().unwrap().clone(),
        authors: authors.as_object().unwrap().clone(),
        updated_at: "2026-12-24T18:00:00Z".into(),
        updated_by: device_id(2),
        deleted: true,
        source: Some("BEGIN:VCARD\r\n".into()),
    }
}

fn short_record() -> RecordRow {
    RecordRow { authors: Map::new(), deleted: false, source: None, ..record() }
}

fn status() -> StatusReport {
    let traffic = Traffic { sent_bytes: 300, received_bytes: 400 };
    let peer = PeerTraffic {
        device_id: device_id(2),
        connections: 1,
        protocols: [("/heirloom/sync/1".to_owned(), traffic)].into(),
    };
    StatusReport {
        account_id: device_id(9),
        device_id: device_id(1),
        running: true,
        devices: vec![device()],
        categories: vec![CategoryRow {
            name: "contacts".into(),
            records: 12,
            local: 12,
            peer: 11,
            keeper: 10,
            safe: 9,
            pending: 1,
            newest_at: Some("2026-12-24T18:00:00Z".into()),
        }],
        at_risk: [("contacts".to_owned(), 1)].into(),
        quarantined: 3,
        stalls: vec![Stall {
            cause: "offline".into(),
            device_id: Some(device_id(2)),
            count: 4,
            since: Some("2026-12-24T17:00:00Z".into()),
            text: "A sentence.".into(),
        }],
        network: Some(NetworkTotals {
            sent_bytes: 300,
            received_bytes: 400,
            peers: vec![peer],
            strangers_refused: 5,
            streams_dropped: 6,
        }),
        problems: vec![Problem {
            code: "no-keeper".into(),
            text: "A sentence.".into(),
            fix: "Another one.".into(),
        }],
    }
}

fn device() -> DeviceRow {
    DeviceRow {
        id: device_id(2),
        name: "phone".into(),
        role: "member".into(),
        this: false,
        online: true,
        relayed: true,
        last_seen: Some("2026-12-24T18:00:00Z".into()),
        revoked: false,
        behind_entries: 4,
        offences: 0,
    }
}

fn dated() -> EventRow {
    EventRow {
        record: RecordRow {
            category: "calendar".into(),
            title: "Tea".into(),
            fields: Map::from_iter([("title".to_owned(), json!("Tea"))]),
            ..short_record()
        },
        occurrences: vec![OccurrenceRow {
            starts_s: 1_798_131_600,
            start: "2026-12-24T17:00:00Z".into(),
            end: "2026-12-24T18:00:00Z".into(),
            all_day: false,
            local_start: "2026-12-24T18:00:00".into(),
            local_end: "2026-12-24T19:00:00".into(),
            recurrence_id: Some("2026-12-24T17:00:00Z".into()),
            field_start: "2026-12-24T18:00:00".into(),
            field_end: Some("2026-12-24T19:00:00".into()),
        }],
    }
}

fn conflict() -> ConflictRow {
    let value = |number, value: Option<Json>, unknown: bool| ConcurrentValue {
        number,
        removed: value.is_none() && !unknown,
        unknown,
        kind: value.as_ref().map(|_| "home".into()),
        line: value.as_ref().map(|value| format!("BDAY:{value}")),
        value,
        author: author(2, "phone"),
    };
    ConflictRow {
        id: id(0x1f),
        category: "contacts".into(),
        title: "Ann Li".into(),
        field: "birthday".into(),
        occurrence: Some("2026-12-24T19:00:00".into()),
        number: 1,
        winner: Some(json!("1984-02-28")),
        unknown: true,
        kind: Some("home".into()),
        line: Some("BDAY:19840228".into()),
        author: author(1, "desk"),
        losers: vec![
            value(2, Some(json!("1984-02-29")), false),
            value(3, None, false),
            value(4, None, true),
        ],
    }
}

fn aside() -> QuarantineRow {
    QuarantineRow {
        log: id(0x2f),
        seq: 7,
        device_id: device_id(2),
        device: "phone".into(),
        record: Some(id(0x1f)),
        category: Some("contacts".into()),
        title: Some("Ann Li".into()),
        reason: "the reason".into(),
        at: "2026-12-24T18:00:00Z".into(),
    }
}

fn left_out() -> SkippedItem {
    SkippedItem { file: "ann.vcf".into(), line: 12, reason: "the reason".into() }
}

fn edit() -> HistoryEdit {
    HistoryEdit {
        field: "brightness".into(),
        before: Some(json!(80)),
        after: None,
        added: true,
        removed: true,
        structural: true,
        before_type: Some("cell".into()),
        after_type: Some("work".into()),
        before_line: Some("TEL:1".into()),
        after_line: Some("TEL;PREF=1:1".into()),
        settled: true,
        lost: vec![json!(70)],
    }
}

/// Every answer with all that it may hold.
pub(crate) fn answers() -> Vec<Answer> {
    let next = || Some(id(0x1f));
    vec![
        Answer::Status(status()),
        Answer::Digest { digest: device_id(8), records: [("contacts".to_owned(), 12)].into() },
        Answer::Devices { rows: vec![device()] },
        Answer::Done,
        Answer::Member { device_id: device_id(2), entries: 40 },
        Answer::Invite {
            link: "heirloom:AQ".into(),
            words: ["abandon"; 6].join(" "),
            expires_in_s: 300,
        },
        Answer::Saved { id: id(0x1f), reached: true },
        Answer::Records { rows: vec![short_record()], next: next() },
        Answer::Occurrences {
            events: vec![dated()],
            next: next(),
            cut: true,
            gave_up: vec![id(0x1e)],
            spent: 40,
        },
        Answer::Record(record()),
        Answer::History {
            rows: vec![HistoryRow {
                change: device_id(7),
                author: author(1, "desk"),
                kind: "edited".into(),
                edits: vec![edit()],
            }],
        },
        Answer::Conflicts { rows: vec![conflict()] },
        Answer::Imported {
            report: ImportReport {
                accepted: 1,
                updated: 2,
                unchanged: 3,
                skipped: vec![left_out()],
                kept: vec![left_out()],
            },
            reached: false,
        },
        Answer::Files {
            files: vec![ExportFile {
                path: "notes/soup.md".into(),
                fallback: Some("notes/soup-0a1b2c3d.md".into()),
                base64: "IyBTb3VwCg==".into(),
            }],
            left_out: vec![omitted()],
            next: next(),
        },
        Answer::Quarantine { rows: vec![aside()], next: Some(format!("71{}", id(0x2f))) },
        Answer::Synced {
            level: vec![device_id(2)],
            behind: vec![BehindRow { device_id: device_id(3), entries: 4, bytes: 0 }],
        },
    ]
}

fn omitted() -> LeftOut {
    LeftOut {
        id: id(0x2f),
        category: "notes".into(),
        title: "Soup".into(),
        reason: "a photo is missing".into(),
    }
}

/// Answers in which everything is absent that may be.
pub(crate) fn short_answers() -> Vec<Answer> {
    let stall = Stall { device_id: None, since: None, ..status().stalls.remove(0) };
    vec![
        Answer::Status(StatusReport { network: None, stalls: vec![stall], ..status() }),
        Answer::Records { rows: Vec::new(), next: None },
        Answer::Record(short_record()),
        Answer::Imported { report: ImportReport::default(), reached: true },
        Answer::Files {
            files: vec![ExportFile {
                path: "contacts/Ann-0a1b2c3d.vcf".into(),
                fallback: None,
                base64: String::new(),
            }],
            left_out: Vec::new(),
            next: None,
        },
    ]
}

/// Every event with all that it may hold.
pub(crate) fn events() -> Vec<Event> {
    let (device_id, device) = (device_id(2), "phone".to_owned());
    vec![
        Event::RecordsChanged {
            category: "contacts".into(),
            ids: vec![id(0x1f)],
            by: Some(device_id.clone()),
            by_name: device.clone(),
            at: Some("2026-12-24T18:00:00Z".into()),
        },
        Event::PeerUp { device_id: device_id.clone(), device: device.clone() },
        Event::PeerDown { device_id: device_id.clone(), device: device.clone() },
        Event::Progress {
            device_id: device_id.clone(),
            device: device.clone(),
            receiving: 30,
            sending: 2,
        },
        Event::DeviceJoined { device_id, device },
        Event::Warning {
            code: "quarantined".into(),
            text: "A sentence.".into(),
            aside: Some(Box::new(aside())),
        },
    ]
}

/// Events in which everything is absent that may be.
pub(crate) fn short_events() -> Vec<Event> {
    vec![
        Event::RecordsChanged {
            category: "contacts".into(),
            ids: vec![id(0x1f)],
            by: None,
            by_name: String::new(),
            at: None,
        },
        Event::PeerUp { device_id: device_id(2), device: String::new() },
        Event::Warning { code: "network".into(), text: "A sentence.".into(), aside: None },
    ]
}
