//! A member that breaks every rule, among real processes.

use crate::common::{Up, digest, eventually, init, log_of, run, run_json};
use crate::forged::{Forged, Target, hash_of};
use heirloom_core::Node;
use heirloom_core::storage::Frame;
use heirloom_doc::{Document, Offered, RawChange, actor_for};
use heirloom_identity::{DeviceKeys, Keyring, Roster};
use heirloom_store::{AppendRequest, Store, StoreOptions, keyfile};
use heirloom_sync::entry::kind;
use heirloom_sync::{Body, Entry, EntryPlan, Header, Origin, Part};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const FRAME_ENTRY: u8 = 1;
const FRAME_ROSTER: u8 = 2;

/// A stopped device whose folder was taken over.
struct Taken {
    store: Store,
    keys: DeviceKeys,
    roster: Roster,
    keyring: Keyring,
    entries: Vec<Entry>,
}

impl Taken {
    fn over(home: &Path) -> Self {
        let store = Store::open(home, &StoreOptions::default()).unwrap();
        let keys = DeviceKeys::from_seed(keyfile::read(home).unwrap());
        let frames: Vec<Frame> = store.frames(None).map(|frame| frame.unwrap().1).collect();
        let mut roster = Roster::new(frames.iter().find_map(Node::account_in).unwrap());
        let mut entries = Vec::new();
        for frame in frames {
            match frame.kind {
                FRAME_ENTRY => entries.push(Entry::parse(frame.payload).unwrap()),
                FRAME_ROSTER => drop(roster.insert(&frame.payload).unwrap()),
                _ => {}
            }
        }
        let keyring = Keyring::open(&roster, &keys).unwrap();
        Self { store, keys, roster, keyring, entries }
    }

    /// Returns the record that the entries here hold, and its changes.
    fn parts(&self) -> Vec<(heirloom_base::LogId, Part)> {
        let open = |entry: &Entry| {
            let key = self.keyring.epoch_key(&entry.header().epoch)?;
            let log = entry.header().log;
            let parts = entry.open(key).ok()?.parts;
            Some(parts.into_iter().map(move |part| (log, part)).collect::<Vec<_>>())
        };
        self.entries.iter().filter_map(open).flatten().collect()
    }

    /// Writes entries of one change each into a new log of this device, as its
    /// node will find them.
    fn write(self, record: heirloom_base::RecordId) -> usize {
        let space = self.entries[0].header().space;
        let incarnation = heirloom_base::Incarnation([0x66; 16]);
        let origin = Origin { device: self.keys.id(), incarnation };
        let changes = self.attacks(record, origin.log(space));
        let mut previous = heirloom_base::EntryId([0; 32]);
        let mut frames = Vec::new();
        let epoch = self.roster.state().writing_epoch().unwrap();
        let key = *self.keyring.epoch_key(&epoch).unwrap();
        for (number, change) in (1..).zip(&changes) {
            let header = Header {
                kind: kind::CHANGES,
                space,
                log: origin.log(space),
                seq: number,
                previous,
                origin: (number == 1).then_some(origin),
                roster_heads: self.roster.heads(),
                hlc: heirloom_base::Hlc::from_wall_ms(1_795_000_000_000),
                epoch,
                seen: Vec::new(),
                chunks: Vec::new(),
            };
            let body = Body { parts: vec![Part { record, change: change.clone() }] };
            let plan = EntryPlan { header, body };
            let entry = Entry::author(self.roster.account(), &self.keys, &key, &plan);
            previous = entry.id();
            frames.push(Frame { kind: FRAME_ENTRY, payload: entry.into_bytes() });
        }
        self.store.append(AppendRequest { chunks: Vec::new(), frames }).unwrap();
        let whole = changes.iter().filter(|change| change.len() > 8);
        assert!(whole.map(|change| hash_of(change)).collect::<BTreeSet<_>>().len() > 15);
        // The last one would wait for what nobody has; one before it broke the
        // merge, and closed the log for this record.
        changes.len()
    }

    fn attacks(&self, record: heirloom_base::RecordId, log: heirloom_base::LogId) -> Vec<Vec<u8>> {
        let parts = self.parts();
        let offered: Vec<Offered> = parts
            .iter()
            .filter(|(_, part)| part.record == record)
            .map(|(log, part)| Offered { log: *log, change: RawChange(part.change.clone()) })
            .collect();
        let (document, saved): (Document, Vec<u8>) =
            heirloom_doc::admit(None, record, &offered).document.unwrap();
        let [actor, other] = [log, parts[0].0].map(|log| actor_for(log, record).0);
        let target = |start_op| Target { heads: document.heads().0, start_op, actor, other };
        let is_free = |start_op: &u64| {
            let change = RawChange(target(*start_op).next(Forged::put("x", "y")).bytes());
            let offered = [Offered { log, change }];
            heirloom_doc::admit(Some(&saved), record, &offered).applied.len() == 1
        };
        let start_op = (1..500).find(is_free).unwrap();
        let attacks = target(start_op).attacks();
        attacks.into_iter().map(|(_, change)| change).chain([target(start_op).orphan(1)]).collect()
    }
}

fn quarantine(home: &Path) -> Vec<Value> {
    run_json(home, &["quarantine", "list"]).lines()
}

/// Checks what a node says after the attacks.
fn check(home: &Path, id: &str, shown: &Value, count: usize) {
    eventually("everything was kept aside", || quarantine(home).len() == count);
    for row in quarantine(home) {
        assert_eq!((&row["device"], &row["record"]), (&"guest".into(), &id.into()), "{row}");
        assert_eq!((&row["category"], &row["title"]), (&"contacts".into(), &"Ann Li".into()));
        assert!(!row["reason"].as_str().unwrap().is_empty() && row["at"].is_string(), "{row}");
    }
    assert_eq!(run_json(home, &["contacts", "show", id]).expect(0).json(), *shown);
    assert_eq!(run_json(home, &["contacts", "list"]).lines().len(), 1);
    let status = run_json(home, &["status"]).expect(0).json();
    let problems = status["problems"].as_array().unwrap();
    let problem = problems.iter().find(|problem| problem["code"] == "quarantined").unwrap();
    assert!(problem["text"].as_str().unwrap().contains("device guest ("), "{problem}");
    let human = run(home, &["status"]).expect(0).stdout;
    assert!(human.contains("all by device guest ("), "{human}");
}

#[test]
fn a_hostile_member_is_named_and_harms_no_record() {
    let house = tempfile::tempdir().unwrap();
    let [phone, desk, guest] = ["phone", "desk", "guest"].map(|name| house.path().join(name));
    init(&phone, "phone");
    let mut first = Up::start(&phone, &[]);
    let id = run_json(&phone, &["contacts", "add", "name=Ann Li", "phone=1"]).expect(0).json();
    let id = id["id"].as_str().unwrap().to_owned();
    for (home, name) in [(&desk, "desk"), (&guest, "guest")] {
        let link = first.invite("member");
        run_json(home, &["join", &link, "--device", name, "--no-mdns"]).expect(0);
    }
    let shown = run_json(&phone, &["contacts", "show", &id]).expect(0).json();
    let before = digest(&phone);
    let count = Taken::over(&guest).write(id.parse().unwrap());

    let mut second = Up::start(&desk, &["--peer", &first.address()]);
    let third = Up::start(&guest, &["--peer", &first.address(), "--peer", &second.address()]);
    for home in [&phone, &desk] {
        check(home, &id, &shown, count);
        assert_eq!(digest(home), before);
    }
    // Everything else goes on, and a restart changes nothing.
    run_json(&desk, &["notes", "add", "title=after", "--wait", "peer:1"]).expect(0);
    eventually("other records travel", || digest(&phone) == digest(&desk));
    assert_eq!((first.stop(), second.stop(), third.stop()), (0, 0, 0));
    for home in [&phone, &desk] {
        // What the gate catches is told in our own words, with its author, and is no crash.
        let log = std::fs::read_to_string(log_of(home)).unwrap();
        assert!(!log.contains("panicked") && !log.contains("automerge::"), "{log}");
        assert!(log.contains("an entry was kept aside"), "{log}");
        check(home, &id, &shown, count);
    }
    first = Up::start(&phone, &[]);
    second = Up::start(&desk, &["--peer", &first.address()]);
    for home in [&phone, &desk] {
        check(home, &id, &shown, count);
    }
    run_json(&phone, &["contacts", "set", &id, "phone=2", "--wait", "peer:1"]).expect(0);
    eventually("the record goes on", || digest(&phone) == digest(&desk));
    drop((first, second));
}
