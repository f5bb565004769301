//! One device without a network.

use super::super::*;
use crate::command::{ImportItem, ImportReport, Level, RecordRow};
use crate::founding;
use crate::storage::MemoryStorage;
use crate::{Ground, Place};
use base64::Engine as _;
use heirloom_identity::Phrase;

pub(super) const NOW: Now = Now { wall_ms: 1_795_000_000_000, mono_ms: 5 };
const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ann\r\nFN:Ann Li\r\nTEL:+49 30 1\r\n\
                    X-KEPT;A=b:c\r\nEND:VCARD\r\n";

/// One device without a network, whose disk answers at once.
pub(super) struct Alone {
    pub(super) node: Node,
    pub(super) storage: MemoryStorage,
    next: u64,
}

fn keys() -> DeviceKeys {
    DeviceKeys::from_seed([3; 32])
}

fn config(device: &DeviceKeys) -> NodeConfig {
    NodeConfig {
        device: device.clone(),
        seed: [9; 32],
        networked: false,
        fresh_incarnation: false,
        arrears_from: heirloom_base::limits::ARREARS_FROM,
        checkpoint_from: u64::MAX,
        checkpoint_quiet_ms: 1_000,
        place: None,
        grounds: Vec::new(),
    }
}

impl Alone {
    pub(super) fn new() -> Self {
        let root = Phrase::from_entropy([1; 16]).root_keys();
        let frames = founding::found(&root, &keys(), "alone", Role::Member, [2; 32]);
        let mut storage = MemoryStorage::default();
        for (place, frame) in frames.into_iter().enumerate() {
            storage.frames.insert(Lsn(place as u64 + 1), frame);
        }
        Self::open(storage)
    }

    /// Opens a node over a storage whose index may be empty.
    pub(super) fn open(storage: MemoryStorage) -> Self {
        Self::open_as(&keys(), storage)
    }

    /// As [`Alone::open`], as another device.
    pub(super) fn open_as(keys: &DeviceKeys, mut storage: MemoryStorage) -> Self {
        let applied = Node::applied(&storage).unwrap();
        let mut node = match applied {
            Some(_) => Node::open(NOW, config(keys), &mut storage).unwrap(),
            None => {
                let account = storage.frames.values().find_map(Node::account_in).unwrap();
                Node::open_empty(config(keys), account)
            }
        };
        let frames: Vec<_> =
            storage.frames.iter().map(|(lsn, frame)| (*lsn, frame.clone())).collect();
        for (lsn, frame) in frames.into_iter().filter(|(lsn, _)| Some(*lsn) > applied) {
            node.replay(NOW, &mut storage, lsn, frame).unwrap();
        }
        node.start(NOW, &mut storage).unwrap();
        let mut alone = Self { node, storage, next: 0 };
        alone.settle(None);
        alone
    }

    fn settle(&mut self, wanted: Option<CommandId>) -> Option<Result<Answer, Failure>> {
        let mut found = None;
        while let Some(effect) = self.node.poll_effect() {
            match effect {
                Effect::Append { id, chunks, frames } => {
                    self.storage.chunks.extend(chunks);
                    let mut lsns = Vec::new();
                    for frame in frames {
                        let end = self.storage.frames.keys().next_back().map_or(0, |lsn| lsn.0);
                        self.storage.frames.insert(Lsn(end + 1), frame);
                        lsns.push(Lsn(end + 1));
                    }
                    let input = Input::Appended { id, result: Ok(lsns) };
                    self.node.handle_input(NOW, &mut self.storage, input).unwrap();
                }
                Effect::Reply { id, result } if Some(id) == wanted => found = Some(*result),
                _ => {}
            }
        }
        found
    }

    pub(super) fn ask(&mut self, command: Command) -> Result<Answer, Failure> {
        self.next += 1;
        let id = CommandId(self.next);
        self.node.handle_input(NOW, &mut self.storage, Input::Command { id, command }).unwrap();
        self.settle(Some(id)).expect("a command without a network is answered at once")
    }

    fn saved(&mut self, command: Command) -> String {
        match self.ask(command).unwrap() {
            Answer::Saved { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn add(&mut self, category: &str, fields: &[&str]) -> String {
        self.saved(Command::Add {
            category: category.into(),
            assignments: texts(fields),
            wait: Wait::default(),
        })
    }

    fn set(&mut self, category: &str, id: &str, fields: &[&str]) -> String {
        let (category, id) = (category.to_owned(), id.to_owned());
        self.saved(Command::Set { category, id, assignments: texts(fields), wait: Wait::default() })
    }

    pub(super) fn list(&mut self, category: &str, search: Option<&str>) -> Vec<RecordRow> {
        let (category, search) = (category.into(), search.map(str::to_owned));
        match self
            .ask(Command::List { category, search, deleted: false, after: None, limit: 100 })
            .unwrap()
        {
            Answer::Records { rows, .. } => rows,
            other => panic!("{other:?}"),
        }
    }

    fn show(&mut self, category: &str, id: &str) -> RecordRow {
        match self.ask(Command::Show { category: category.into(), id: id.into() }).unwrap() {
            Answer::Record(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn import(&mut self, text: &str) -> ImportReport {
        let item = ImportItem {
            category: "contacts".into(),
            file: "card.vcf".into(),
            line: 1,
            base64: base64::engine::general_purpose::STANDARD.encode(text),
            root: 0,
        };
        match self.ask(Command::Import { items: vec![item], dry_run: false, wait: Wait::default() })
        {
            Ok(Answer::Imported { report, .. }) => report,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn digest(&mut self) -> String {
        match self.ask(Command::Digest).unwrap() {
            Answer::Digest { digest, .. } => digest,
            other => panic!("{other:?}"),
        }
    }
}

fn texts(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

#[test]
fn a_record_is_added_found_changed_deleted_and_brought_back() {
    let mut alone = Alone::new();
    let id = alone.add("notes", &["title=Shopping", "body=milk and bread"]);
    alone.add("notes", &["title=Other", "body=nothing"]);
    assert_eq!(alone.list("notes", Some("MILK")).len(), 1);
    assert_eq!(alone.list("notes", None).len(), 2);
    alone.set("notes", &id[..10], &["title=Groceries"]);
    assert_eq!(alone.show("notes", &id).title, "Groceries");
    let (category, name) = ("notes".to_owned(), id.clone());
    alone.saved(Command::Delete { category, id: name, wait: Wait::default() });
    assert_eq!(alone.list("notes", None).len(), 1);
    assert!(alone.show("notes", &id).deleted);
    let (category, name) = ("notes".to_owned(), id.clone());
    alone.saved(Command::Restore { category, id: name, at: None, wait: Wait::default() });
    assert_eq!(alone.show("notes", &id).title, "Groceries");
    let history = alone.ask(Command::History { category: "notes".into(), id }).unwrap();
    let Answer::History { rows } = history else { panic!("{history:?}") };
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["created", "edited", "deleted", "restored"]);
    let device = alone.node.device().to_string();
    assert!(rows.iter().all(|row| row.author.by == device && row.author.by_name == "alone"));
    assert_eq!(rows[0].author.at, heirloom_base::time::rfc3339(NOW.wall_ms));
}

#[test]
fn settings_are_named_by_their_namespace() {
    let mut alone = Alone::new();
    let id = alone.set("settings", "display", &["brightness=80", "theme=dark"]);
    assert_eq!(alone.set("settings", "display", &["brightness=81"]), id);
    let row = alone.show("settings", "display");
    assert_eq!(row.fields["brightness"], 81);
    assert_eq!(row.fields["theme"], "dark");
}

#[test]
fn what_has_a_name_of_its_users_is_not_added_under_another() {
    let mut alone = Alone::new();
    for (category, way) in [
        ("settings", "heirloom settings set NAME KEY=VALUE"),
        ("apps", "heirloom apps set APP/THING KEY=VALUE"),
    ] {
        let assignments = vec!["name=foo".to_owned(), "x=1".to_owned()];
        let wait = Wait::default();
        let add = Command::Add { category: category.to_owned(), assignments, wait };
        let failure = alone.ask(add).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (2, "usage"));
        assert!(failure.fix.contains(way), "{}", failure.fix);
        assert!(alone.list(category, None).is_empty());
    }
}

#[test]
fn what_is_set_again_after_its_deletion_is_back() {
    let mut alone = Alone::new();
    let name = "org.example.shopping/milk";
    let id = alone.set("apps", name, &["done=false"]);
    for values in [["done=false"], ["done=true"]] {
        let (category, id) = ("apps".to_owned(), id.clone());
        alone.saved(Command::Delete { category, id, wait: Wait::default() });
        assert!(alone.show("apps", name).deleted);
        alone.set("apps", name, &values);
        assert!(!alone.show("apps", name).deleted, "{values:?}");
    }
}

#[test]
fn an_import_is_kept_line_by_line_and_its_repetition_changes_nothing() {
    let mut alone = Alone::new();
    assert_eq!(alone.import(CARD).accepted, 1);
    let id = alone.list("contacts", None)[0].id.clone();
    assert_eq!(alone.show("contacts", &id).source.as_deref(), Some(CARD));
    let before = alone.digest();
    assert_eq!(alone.import(CARD).unchanged, 1);
    assert_eq!(alone.digest(), before);
}

#[test]
fn a_second_import_takes_over_what_the_file_changed_and_no_more() {
    let mut alone = Alone::new();
    alone.import(CARD);
    let id = alone.list("contacts", None)[0].id.clone();
    alone.set("contacts", &id, &["name=Edited Here"]);
    assert_eq!(alone.import(CARD).unchanged, 1, "the old file reverts nothing");
    assert_eq!(alone.show("contacts", &id).title, "Edited Here");
    assert_eq!(alone.import(&CARD.replace("+49 30 1", "+49 30 2")).updated, 1);
    let row = alone.show("contacts", &id);
    assert_eq!(row.title, "Edited Here");
    assert_eq!(row.fields["phone"][0]["value"], "+49 30 2");
    assert_eq!(alone.import(&CARD.replace("+49 30 1", "+49 30 2")).unchanged, 1);
}

#[test]
fn a_photo_lives_in_chunks_and_comes_back_with_its_card() {
    let mut alone = Alone::new();
    let photo = "QUJD".repeat(40_000);
    let card = CARD.replace("X-KEPT", &format!("PHOTO;ENCODING=b:{photo}\r\nX-KEPT"));
    assert_eq!(alone.import(&card).accepted, 1);
    assert_eq!(alone.storage.chunks.len(), 1);
    let id = alone.list("contacts", None)[0].id.clone();
    assert_eq!(alone.show("contacts", &id).source, Some(card.clone()));
    assert_eq!(alone.import(&card).unchanged, 1);
    let files = alone.ask(Command::Export { category: "contacts".into(), after: None, limit: 10 });
    let Ok(Answer::Files { files, next: None, .. }) = files else { panic!("{files:?}") };
    let bytes = base64::engine::general_purpose::STANDARD.decode(&files[0].base64).unwrap();
    assert_eq!(bytes, card.as_bytes());
    alone.storage.chunks.clear();
    assert!(alone.show("contacts", &id).source.is_none(), "nothing is made up");
}

#[test]
fn an_index_that_is_lost_is_rebuilt_to_the_same() {
    let mut alone = Alone::new();
    alone.import(CARD);
    let id = alone.add("notes", &["title=a", "body=b"]);
    alone.set("notes", &id, &["body=c"]);
    let before = alone.digest();
    let mut storage = alone.storage.clone();
    storage.index.clear();
    let mut rebuilt = Alone::open(storage);
    assert_eq!(rebuilt.digest(), before);
    assert_eq!(rebuilt.show("notes", &id).fields["body"], "c");
    rebuilt.set("notes", &id, &["body=d"]);
    let mut again = Alone::open(rebuilt.storage.clone());
    assert_eq!(again.show("notes", &id).fields["body"], "d", "the log is continued, not reused");
}

#[test]
fn a_log_that_may_have_lost_its_end_is_not_continued() {
    let mut alone = Alone::new();
    alone.add("notes", &["title=a"]);
    let first = alone.node.journal.log();
    let last = *alone.storage.frames.keys().next_back().unwrap();
    let mut storage = alone.storage.clone();
    storage.frames.remove(&last);
    storage.index.clear();
    let mut config = config(&keys());
    config.fresh_incarnation = true;
    config.seed = [8; 32];
    let account = storage.frames.values().find_map(Node::account_in).unwrap();
    let mut node = Node::open_empty(config, account);
    for (lsn, frame) in storage.frames.clone() {
        node.replay(NOW, &mut storage, lsn, frame).unwrap();
    }
    node.start(NOW, &mut storage).unwrap();
    let mut alone = Alone { node, storage, next: 0 };
    alone.settle(None);
    alone.add("notes", &["title=b"]);
    assert_ne!(alone.node.journal.log(), first);
}

#[test]
fn a_log_with_a_gap_is_held_up_to_it_and_what_was_shown_stays() {
    let mut alone = Alone::new();
    for title in ["title=a", "title=b", "title=c", "title=d"] {
        alone.add("notes", &[title]);
    }
    let log = alone.node.journal.log().unwrap();
    let mut storage = alone.storage.clone();
    assert_eq!(Node::fit(&storage), Ok(Fit::Same));
    let entries: Vec<Lsn> = storage
        .frames
        .iter()
        .filter(|(_, frame)| frame.kind == settle::FRAME_ENTRY)
        .map(|(lsn, _)| *lsn)
        .collect();
    storage.frames.remove(&entries[1]);
    let last = *storage.frames.keys().next_back().unwrap();
    let lost = Node::forget_lost(&mut storage, last).unwrap();
    let account = Node::account_frames(&storage).unwrap();
    assert_eq!(account.iter().find_map(Node::account_in), Some(alone.node.account()));
    for frame in account.into_iter().chain(founding::reborn([7; 32], None)).chain(lost) {
        let next = Lsn(storage.frames.keys().next_back().unwrap().0 + 1);
        storage.frames.insert(next, frame);
    }
    let mut mended = Alone::open(storage);
    let titles = |alone: &mut Alone| -> Vec<String> {
        let mut titles: Vec<String> =
            alone.list("notes", None).into_iter().map(|row| row.title).collect();
        titles.sort();
        titles
    };
    assert_eq!(titles(&mut mended), titles(&mut alone));
    assert_eq!(mended.node.replication.log(log).unwrap().durable, 1);
    assert_eq!(mended.node.entries_lost(&mended.storage), Ok(0), "all were written again");
    mended.add("notes", &["title=e"]);
    assert_ne!(mended.node.journal.log(), Some(log), "the log is not continued");
    let again = Node::forget_lost(&mut mended.storage.clone(), Lsn(u64::MAX)).unwrap();
    assert_eq!(again, [], "once is enough");
}

#[test]
fn an_index_that_knows_more_than_the_log_keeps_its_records_and_hears_of_what_follows() {
    let mut alone = Alone::new();
    alone.add("notes", &["title=a"]);
    let last = *alone.storage.frames.keys().next_back().unwrap();
    alone.add("notes", &["title=b"]);
    let mut storage = alone.storage.clone();
    storage.frames.retain(|lsn, _| *lsn <= last);
    assert_eq!(Node::fit(&storage), Ok(Fit::Gaps));
    Node::forget_lost(&mut storage, last).unwrap();
    assert_eq!(Node::applied(&storage), Ok(Some(last)));
    for frame in founding::reborn([7; 32], None) {
        let next = Lsn(storage.frames.keys().next_back().unwrap().0 + 1);
        storage.frames.insert(next, frame);
    }
    let mut mended = Alone::open(storage);
    assert_eq!(mended.digest(), alone.digest());
    assert_ne!(mended.node.journal.log(), alone.node.journal.log());
}

#[test]
fn an_index_beside_another_log_is_told() {
    let mut one = Alone::new();
    one.add("notes", &["title=a"]);
    let mut other = Alone::open(Alone::new().storage);
    other.add("notes", &["title=b"]);
    let storage = MemoryStorage { frames: other.storage.frames.clone(), ..one.storage.clone() };
    assert_eq!(Node::fit(&storage), Ok(Fit::Other));
}

#[test]
fn chunks_that_are_lost_are_missing_at_once_and_after_a_restart() {
    let mut alone = Alone::new();
    let photo = "QUJD".repeat(40_000);
    let card = CARD.replace("X-KEPT", &format!("PHOTO;ENCODING=b:{photo}\r\nX-KEPT"));
    alone.import(&card);
    let chunks: BTreeSet<ChunkId> = alone.storage.chunks.keys().copied().collect();
    assert_eq!(alone.node.replication.chunks_missing(), BTreeSet::new());
    let input = Input::ChunksLost { chunks: chunks.clone() };
    alone.node.handle_input(NOW, &mut alone.storage, input).unwrap();
    assert_eq!(alone.node.replication.chunks_missing(), chunks);
    assert_eq!(Alone::open(alone.storage.clone()).node.replication.chunks_missing(), [].into());
    alone.storage.chunks.clear();
    assert_eq!(Alone::open(alone.storage.clone()).node.replication.chunks_missing(), chunks);
}

#[test]
fn frames_of_another_account_in_the_log_are_passed_over() {
    let mut alone = Alone::new();
    alone.add("notes", &["title=a"]);
    let before = alone.digest();
    let root = Phrase::from_entropy([8; 16]).root_keys();
    let stranger = DeviceKeys::from_seed([8; 32]);
    let mut storage = alone.storage.clone();
    for frame in founding::found(&root, &stranger, "stranger", Role::Member, [8; 32]) {
        let next = Lsn(storage.frames.keys().next_back().unwrap().0 + 1);
        storage.frames.insert(next, frame);
    }
    let mut opened = Alone::open(storage);
    assert_eq!(opened.digest(), before);
    let again = Alone::open(opened.storage.clone());
    assert_eq!(again.node.account(), alone.node.account());
}

/// Opens a node over what a folder's disk holds, lying at a place.
fn open_at(storage: &MemoryStorage, place: u8, seed: u8) -> Alone {
    let mut storage = storage.clone();
    let config =
        NodeConfig { place: Some(Place([place; 16])), seed: [seed; 32], ..config(&keys()) };
    let mut node = Node::open(NOW, config, &mut storage).unwrap();
    node.start(NOW, &mut storage).unwrap();
    let mut alone = Alone { node, storage, next: 0 };
    alone.settle(None);
    alone
}

#[test]
fn a_copied_folder_goes_on_under_another_log_and_the_original_under_its_own() {
    let mut original = open_at(&Alone::new().storage, 1, 11);
    original.add("notes", &["title=a"]);
    let log = original.node.journal.log();
    let mut again = open_at(&original.storage, 1, 12);
    again.add("notes", &["title=b"]);
    assert_eq!(again.node.journal.log(), log, "a folder that stays is continued");
    let mut copy = open_at(&original.storage, 2, 13);
    assert!(
        std::iter::from_fn(|| copy.node.poll_event())
            .any(|event| matches!(event, Event::Warning { code, .. } if code == "copied"))
    );
    let untouched = open_at(&copy.storage, 2, 14);
    assert_ne!(untouched.node.journal.log(), log, "it is found again until something is written");
    copy.add("notes", &["title=c"]);
    let new = copy.node.journal.log();
    assert_ne!(new, log);
    let mut later = open_at(&copy.storage, 2, 15);
    later.add("notes", &["title=d"]);
    assert_eq!(later.node.journal.log(), new, "the copy has its own log from then on");
    assert_eq!(later.list("notes", None).len(), 3);
}

/// Opens a node over a log that ends in a file, and writes something.
fn write_on(storage: &MemoryStorage, grounds: &[(u32, u64)], seed: u8) -> Alone {
    let mut storage = storage.clone();
    let ground = |(segment, mark): &(u32, u64)| Ground { segment: *segment, mark: *mark };
    let grounds = grounds.iter().map(ground).collect();
    let place = Some(Place([1; 16]));
    let config = NodeConfig { place, grounds, seed: [seed; 32], ..config(&keys()) };
    let mut node = Node::open(NOW, config, &mut storage).unwrap();
    node.start(NOW, &mut storage).unwrap();
    let mut alone = Alone { node, storage, next: 0 };
    alone.settle(None);
    alone.add("notes", &[&format!("title={seed}")]);
    alone
}

#[test]
fn a_log_that_was_put_back_in_its_folder_goes_on_under_another() {
    let first = write_on(&Alone::new().storage, &[(1, 70)], 11);
    let log = first.node.journal.log();
    let kept = first.storage.clone();
    let second = write_on(&kept, &[(1, 70), (2, 71)], 12);
    assert_eq!(second.node.journal.log(), log, "it has grown by a file");
    let mut back = write_on(&kept, &[(1, 90)], 13);
    assert_ne!(back.node.journal.log(), log);
    let mut told = std::iter::from_fn(|| back.node.poll_event());
    assert!(told.any(|event| matches!(event, Event::Warning { code, .. } if code == "copied")));
    let again = write_on(&back.storage, &[(1, 90)], 14);
    assert_eq!(again.node.journal.log(), back.node.journal.log(), "from then on it is its own");
    let later = write_on(&second.storage, &[(1, 70), (2, 99)], 15);
    assert_ne!(later.node.journal.log(), log, "the last file is another one");
}

#[test]
fn what_the_disk_refused_was_not_saved_and_the_next_write_works() {
    let mut alone = Alone::new();
    let id = CommandId(77);
    let command = Command::Add {
        category: "notes".into(),
        assignments: texts(&["title=x"]),
        wait: Wait::default(),
    };
    alone.node.handle_input(NOW, &mut alone.storage, Input::Command { id, command }).unwrap();
    let mut reply = None;
    while let Some(effect) = alone.node.poll_effect() {
        match effect {
            Effect::Append { id, .. } => {
                let input = Input::Appended { id, result: Err(AppendError::Full) };
                alone.node.handle_input(NOW, &mut alone.storage, input).unwrap();
            }
            Effect::Reply { result, .. } => reply = Some(*result),
            _ => {}
        }
    }
    assert_eq!(reply.unwrap().unwrap_err().code, "disk-full");
    assert!(alone.list("notes", None).is_empty());
    let id = alone.add("notes", &["title=y"]);
    assert_eq!(alone.list("notes", None)[0].id, id);
}

#[test]
fn without_a_network_nothing_waits_and_nothing_is_claimed() {
    let mut alone = Alone::new();
    let wait = Wait { level: Level::Peer(1), timeout_ms: 60_000 };
    let assignments = texts(&["title=x"]);
    let answer = alone.ask(Command::Add { category: "notes".into(), assignments, wait }).unwrap();
    assert!(matches!(answer, Answer::Saved { reached: false, .. }));
    for command in
        [Command::Invite { role: "member".into(), ttl_ms: None }, Command::Sync { timeout_ms: 1 }]
    {
        assert_eq!(alone.ask(command).unwrap_err().code, "needs-node");
    }
    let Answer::Status(status) = alone.ask(Command::Status).unwrap() else { panic!() };
    assert!(!status.running && status.problems.iter().any(|problem| problem.code == "one-copy"));
    let notes = status.categories.iter().find(|row| row.name == "notes").unwrap();
    assert_eq!((notes.records, notes.peer, notes.safe, notes.pending), (1, 0, 0, 1));
}

#[test]
fn what_does_not_exist_is_said_in_words() {
    let mut alone = Alone::new();
    let show =
        |category: &str, id: &str| Command::Show { category: category.into(), id: id.into() };
    assert_eq!(alone.ask(show("nonsense", "a")).unwrap_err().exit, failure::exit::USAGE);
    assert_eq!(alone.ask(show("notes", "ffff")).unwrap_err().code, "not-found");
    assert_eq!(alone.ask(show("notes", "not hex")).unwrap_err().code, "not-found");
    for (category, text) in [
        ("notes", "No record of notes has the uid \"ffff\" or an id that begins so."),
        ("apps", "No record of apps is called \"ffff\" or has an id that begins so."),
    ] {
        assert_eq!(alone.ask(show(category, "ffff")).unwrap_err().text, text);
    }
    let assignments = texts(&["colour=blue"]);
    let add = Command::Add { category: "contacts".into(), assignments, wait: Wait::default() };
    assert_eq!(alone.ask(add).unwrap_err().exit, failure::exit::USAGE);
    for _ in 0..40 {
        alone.add("notes", &["title=x"]);
    }
    let ids: Vec<String> = alone.list("notes", None).into_iter().map(|row| row.id).collect();
    let twice = ids.windows(2).find(|pair| pair[0][..1] == pair[1][..1]).unwrap();
    assert_eq!(alone.ask(show("notes", &twice[0][..1])).unwrap_err().code, "ambiguous");
    let rename = Command::Rename { device: "nobody".into(), name: "x".into() };
    assert_eq!(alone.ask(rename).unwrap_err().code, "not-found");
    alone.ask(Command::Rename { device: "alone".into(), name: "desk".into() }).unwrap();
    let Answer::Devices { rows } = alone.ask(Command::Devices).unwrap() else { panic!() };
    assert_eq!((rows.len(), rows[0].name.as_str(), rows[0].this), (1, "desk", true));
}

#[test]
fn lists_go_page_by_page() {
    let mut alone = Alone::new();
    for number in 0..7 {
        alone.add("notes", &[&format!("title=note {number}")]);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let list = Command::List {
            category: "notes".into(),
            search: None,
            deleted: false,
            after,
            limit: 3,
        };
        let Answer::Records { rows, next } = alone.ask(list).unwrap() else { panic!() };
        assert!(rows.len() <= 3);
        seen.extend(rows.into_iter().map(|row| row.id));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted());
}
