//! The golden vectors of `docs/vectors/`, as the code makes them. They are
//! what another implementation is held against, so they are only added to.

pub(crate) mod control;
mod formats;

use heirloom_base::id::to_hex;
use heirloom_base::{
    AccountId, BlobRef, ChunkId, ChunkRef, Decode, DeviceId, Encode, EntryId, EpochId, Hlc,
    Incarnation, LogId, OpId, RecordId, SpaceId, Writer, hash,
};
use heirloom_core::storage::Frame;
use heirloom_doc::{Offered, RawChange, actor_for, admit, birth};
use heirloom_identity::roster::op::{self, Author, Op, OpBody};
use heirloom_identity::roster::{self, NewDevice, Signer};
use heirloom_identity::{
    Capabilities, DeviceKeys, Grant, Invite, InvitePlan, Joiner, Keyring, Phrase, Recoverer,
    Responder, Response, Role, RootKeys, Roster, Step, parse_code, signed,
};
use heirloom_schema::{Content, Value};
use heirloom_store::{AppendRequest, IndexKind, Store, StoreOptions, keyfile};
use heirloom_sync::entry::kind;
use heirloom_sync::message::{Hole, Reachable};
use heirloom_sync::{
    Body, Disowned, DisownedEnd, Entry, EntryPlan, Header, Hello, Message, Origin, Part, Receipt,
    Tip, VersionVector,
};
use serde_json::{Value as Json, json};

/// Every file of vectors by its name, with what stands in it.
pub(crate) fn all() -> Vec<(&'static str, Json)> {
    vec![
        ("codec", codec()),
        ("hashes", hashes()),
        ("keys", keys()),
        ("operations", operations()),
        ("roster", roster()),
        ("pairing", pairing()),
        ("entries", entries()),
        ("receipt", receipt()),
        ("messages", messages()),
        ("chunks", chunks()),
        ("records", records()),
        ("store", store()),
        ("control", control::lines()),
        ("formats", formats::items()),
    ]
}

fn root() -> RootKeys {
    Phrase::from_entropy([0x7f; 16]).root_keys()
}

fn device(seed: u8) -> DeviceKeys {
    DeviceKeys::from_seed([seed; 32])
}

fn hex_list(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
    items.into_iter().map(|bytes| to_hex(&bytes)).collect()
}

fn codec() -> Json {
    let written = |write: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new();
        write(&mut writer);
        to_hex(&writer.into_bytes())
    };
    let ids = [SpaceId([0xaa; 16]), SpaceId([0xbb; 16])];
    json!({
        "u8 1": written(&|writer| writer.u8(1)),
        "u16 258": written(&|writer| writer.u16(258)),
        "u32 16909060": written(&|writer| writer.u32(0x0102_0304)),
        "u64 72623859790382856": written(&|writer| writer.u64(0x0102_0304_0506_0708)),
        "array 0908": written(&|writer| writer.array(&[9, 8])),
        "bytes 0908": written(&|writer| writer.bytes(&[9, 8])),
        "text hé": written(&|writer| writer.text("hé")),
        "list of two ids": written(&|writer| writer.list(&ids)),
        "option with an id": written(&|writer| writer.option(ids.first())),
        "option without": written(&|writer| writer.option::<SpaceId>(None)),
    })
}

fn hashes() -> Json {
    json!({
        "content": {
            "context": "golden",
            "parts": [to_hex(b"heirloom")],
            "hash": to_hex(&hash::content("golden", &[b"heirloom"])),
        },
        "content of two parts": {
            "context": "golden",
            "parts": [to_hex(b"xy"), ""],
            "hash": to_hex(&hash::content("golden", &[b"xy", b""])),
        },
        "keyed": {
            "key": "09".repeat(32),
            "context": "golden",
            "parts": [to_hex(b"xy"), ""],
            "hash": to_hex(&hash::keyed(&[9; 32], "golden", &[b"xy", b""])),
        },
        "plain": { "bytes": to_hex(b"abc"), "hash": to_hex(&hash::plain(b"abc")) },
    })
}

fn keys() -> Json {
    let (phrase, root, device) = (Phrase::from_entropy([0x7f; 16]), root(), device(1));
    let account = root.account_id();
    let statement = b"a statement";
    json!({
        "phrase": *phrase.words(),
        "entropy": "7f".repeat(16),
        "root_public": to_hex(&root.root_public()),
        "recovery_public": to_hex(&root.recovery_public()),
        "account": account.to_string(),
        "device_seed": "01".repeat(32),
        "device": device.id().to_string(),
        "peer": heirloom_net::peer_id_text(device.id()),
        "encryption_public": to_hex(&device.encryption_public()),
        "binding": to_hex(&device.bind_encryption_key(account)),
        "statement": to_hex(statement),
        "root_proof": to_hex(&root.sign(signed::ROOT_PROOF, statement)),
    })
}

fn bodies() -> Vec<OpBody> {
    let device = DeviceId([1; 32]);
    let cuts: std::collections::BTreeMap<LogId, u64> =
        [(LogId([2; 16]), 3), (LogId([4; 16]), u64::MAX)].into();
    let epoch = op::EpochKeys {
        commitment: [1; 32],
        wraps: [(DeviceId([2; 32]), vec![3; 4]), (DeviceId([5; 32]), Vec::new())].into(),
        recovery_wrap: vec![6; 3],
        predecessors: [(EpochId([7; 32]), vec![8; 2])].into(),
    };
    let member = op::ResetMember {
        encryption_public: [1; 32],
        capabilities: Capabilities::READ,
        sealed_name: vec![2],
    };
    let (root_public, recovery_public) = ([1; 32], [2; 32]);
    let account_key_commitment = [3; 32];
    vec![
        OpBody::Genesis(op::Genesis { root_public, recovery_public, account_key_commitment }),
        OpBody::AddDevice(op::AddDevice {
            device,
            encryption_public: [2; 32],
            binding: [3; 64],
            capabilities: Capabilities::ALL,
            sealed_name: vec![4; 5],
            wraps: [(EpochId([6; 32]), vec![7; 8])].into(),
        }),
        OpBody::SetCapabilities { device, capabilities: Capabilities::STORE },
        OpBody::Revoke(op::Revoke { device, cuts: cuts.clone(), epoch: Some(epoch.clone()) }),
        OpBody::Epoch(epoch.clone()),
        OpBody::Accept { device, cuts: cuts.clone() },
        OpBody::Erase { device, nonce: [9; 16], mode: op::EraseMode::Lock },
        OpBody::EraseReceipt { order: OpId([1; 32]), report: vec![2; 3] },
        OpBody::Policy(vec![1, 2, 3]),
        OpBody::RootReset(op::RootReset {
            members: [(device, member)].into(),
            revoked: [(DeviceId([2; 32]), cuts)].into(),
            epoch,
        }),
        OpBody::Name { device, sealed: vec![1; 40] },
        OpBody::Unknown { kind: 77, body: vec![1, 2] },
    ]
}

/// One operation of every kind, without a signature.
fn operations() -> Json {
    let form = |body: OpBody| {
        let kind = body.kind();
        let author = if kind == 1 { Author::Root } else { Author::Device(DeviceId([3; 32])) };
        let parents = if kind == 1 { Vec::new() } else { vec![OpId([1; 32]), OpId([2; 32])] };
        let op = Op { author, generation: 4, parents, body };
        let bytes = op.to_bytes();
        assert_eq!(Op::from_bytes(&bytes), Ok(op));
        json!({ "kind": kind, "bytes": to_hex(&bytes) })
    };
    bodies().into_iter().map(form).collect()
}

/// The first three operations, a phone that comes in and goes out again.
fn roster() -> Json {
    let (root, first, phone) = (root(), device(1), device(3));
    let account = root.account_id();
    let member = Role::Member.capabilities();
    let (mut ops, keyring) = roster::genesis(&root, &first, "desk", member, &[2; 32]);
    let mut roster = Roster::new(account);
    for op in &ops {
        roster.insert(op).unwrap();
    }
    let new = NewDevice::of(&phone, account, member, "phone");
    let op = roster::add_device(&roster, &keyring, Signer::Device(&first), &new, &[4; 32]);
    roster.insert(&op).unwrap();
    ops.push(op);
    let cuts = [(LogId([5; 16]), 6)].into();
    let signer = Signer::Device(&first);
    let op = roster::revoke(&roster, &keyring, signer, phone.id(), &cuts, &[7; 32]);
    roster.insert(&op).unwrap();
    ops.push(op);
    let ids: Vec<String> = roster.ops().iter().map(|(id, _)| id.to_string()).collect();
    let opened = Keyring::open(&roster, &first).unwrap();
    let epochs: serde_json::Map<String, Json> = opened
        .epochs()
        .filter_map(|epoch| Some((epoch.to_string(), to_hex(opened.epoch_key(&epoch)?).into())))
        .collect();
    let state = roster.state();
    json!({
        "account": account.to_string(),
        "ops": hex_list(ops),
        "ids": ids,
        "readers": ["01".repeat(32), "03".repeat(32)],
        "account_key": to_hex(opened.account_key()),
        "epoch_keys": epochs,
        "names": {
            first.id().to_string(): opened.name_of(first.id(), state),
            phone.id().to_string(): opened.name_of(phone.id(), state),
        },
        "out": [phone.id().to_string()],
        "writing_epoch": state.writing_epoch().map(|epoch| epoch.to_string()),
    })
}

/// An inviting device with its roster, and what was said so far.
struct Inviter {
    keys: DeviceKeys,
    roster: Roster,
    invite: Option<Invite>,
    said: Vec<Json>,
}

impl Inviter {
    fn new() -> Self {
        let (root, keys) = (root(), device(1));
        let member = Role::Member.capabilities();
        let (ops, _) = roster::genesis(&root, &keys, "desk", member, &[2; 32]);
        let mut roster = Roster::new(root.account_id());
        for op in &ops {
            roster.insert(op).unwrap();
        }
        let invite = Invite::new(InvitePlan {
            random: [1; 32],
            account: root.account_id(),
            device: keys.id(),
            addresses: vec!["/ip4/192.168.1.2/tcp/47470".into()],
            role: Role::Keeper,
            ttl_ms: 300_000,
            now_mono_ms: 0,
        });
        Self { keys, roster, invite: Some(invite), said: Vec::new() }
    }

    fn converse(&mut self, hello: Vec<u8>, hear: &mut dyn FnMut(&[u8]) -> Step) -> Grant {
        let random = [6; 32];
        let (account, own) = (self.roster.account(), self.keys.id());
        let mut responder = Responder::new(account, own, device(2).id(), random);
        let mut frame = hello;
        loop {
            self.say("newcomer", &frame);
            let replies = match responder.handle(&frame, &mut self.invite, &self.roster, 0) {
                Response::Send(bytes) | Response::Refuse(bytes) => vec![bytes],
                Response::SendAll(frames) => frames,
                Response::SendThenGrant(bytes, granting) => {
                    let ring = Keyring::open(&self.roster, &self.keys).unwrap();
                    let signer = Signer::Device(&self.keys);
                    let new = granting.new_device();
                    let op = roster::add_device(&self.roster, &ring, signer, &new, &[7; 32]);
                    self.roster.insert(&op).unwrap();
                    std::iter::once(bytes).chain(self.grant(&responder)).collect()
                }
                Response::Submitted(op) => {
                    self.roster.insert(&op).unwrap();
                    self.grant(&responder)
                }
            };
            for reply in replies {
                self.say("member", &reply);
                match hear(&reply) {
                    Step::Send(bytes) => frame = bytes,
                    Step::Wait => {}
                    Step::Done(grant) => return *grant,
                    Step::Failed(error) => panic!("{error}"),
                }
            }
        }
    }

    fn say(&mut self, who: &str, frame: &[u8]) {
        self.said.push(json!({ "from": who, "frame": to_hex(frame) }));
    }

    fn grant(&self, responder: &Responder) -> Vec<Vec<u8>> {
        let addresses = vec![(self.keys.id(), vec!["/ip4/192.168.1.2/tcp/47470".to_owned()])];
        responder.grant(self.roster.ops_beyond(&[]), addresses)
    }
}

fn pairing() -> Json {
    let conversation = |code: &str| {
        let mut inviter = Inviter::new();
        let (code, peer) = (parse_code(code).unwrap(), inviter.keys.id());
        let (mut joiner, hello) = Joiner::new(code, device(2), "attic", peer, [9; 32]);
        let grant = inviter.converse(hello, &mut |frame| joiner.handle(frame));
        assert_eq!(grant.role, Role::Keeper);
        inviter.said
    };
    let invite = Inviter::new().invite.unwrap();
    let mut member = Inviter::new();
    let peer = member.keys.id();
    let (mut recoverer, hello) = Recoverer::new(root(), device(2), "attic", peer, [8; 32]);
    let grant = member.converse(hello, &mut |frame| recoverer.handle(frame));
    assert_eq!(grant.role, Role::Member);
    json!({
        "member_seed": "01".repeat(32),
        "newcomer_seed": "02".repeat(32),
        "entropy": "7f".repeat(16),
        "link": invite.link(),
        "words": invite.words(),
        "by link": conversation(&invite.link()),
        "by words": conversation(&invite.words()),
        "by phrase": member.said,
    })
}

fn entry_plan(parts: Vec<Part>, previous: Option<EntryId>) -> EntryPlan {
    let space = SpaceId([1; 16]);
    let origin = Origin { device: device(7).id(), incarnation: Incarnation([2; 16]) };
    let header = Header {
        kind: kind::CHANGES,
        space,
        log: origin.log(space),
        seq: if previous.is_some() { 2 } else { 1 },
        previous: previous.unwrap_or(EntryId([0; 32])),
        origin: previous.is_none().then_some(origin),
        roster_heads: vec![OpId([5; 32])],
        hlc: Hlc(99),
        epoch: EpochId([6; 32]),
        seen: vec![(LogId([9; 16]), 4)],
        chunks: vec![ChunkId([4; 32])],
    };
    EntryPlan { header, body: Body { parts } }
}

fn entries() -> Json {
    let account = AccountId([3; 32]);
    // An id without repetition: the first body is stored, the second packed.
    let record = RecordId(hash::truncate(hash::plain(b"a record")));
    let part = |size| Part { record, change: vec![b'x'; size] };
    let author = |plan: &EntryPlan| Entry::author(account, &device(7), &[8; 32], plan);
    let first = author(&entry_plan(vec![part(1)], None));
    let second = author(&entry_plan(vec![part(300), part(5)], Some(first.id())));
    let shown = |entry: &Entry| {
        let read = Entry::parse(entry.bytes().to_vec()).unwrap();
        read.verify(account, device(7).id()).unwrap();
        let body = read.open(&[8; 32]).unwrap();
        let (id, log) = (read.id().to_string(), read.header().log.to_string());
        json!({
            "id": id,
            "log": log,
            "seq": read.header().seq,
            "bytes": to_hex(read.bytes()),
            "body": to_hex(&body.to_bytes()),
        })
    };
    let end = DisownedEnd { log: second.header().log, seq: 2, id: second.id() };
    let said = Disowned { ends: vec![end], held: vec![(end.log, 2)] };
    let header = Header {
        kind: kind::DISOWNED,
        seq: 3,
        previous: second.id(),
        chunks: Vec::new(),
        ..second.header().clone()
    };
    let word = Entry::author_plain(account, &device(7), &header, &said.to_bytes());
    word.verify(account, device(7).id()).unwrap();
    assert_eq!(Disowned::of(&Entry::parse(word.bytes().to_vec()).unwrap()), Some(said));
    json!({
        "account": account.to_string(),
        "device": device(7).id().to_string(),
        "epoch_key": "08".repeat(32),
        "entries": [shown(&first), shown(&second)],
        "disowned": {
            "id": word.id().to_string(),
            "log": header.log.to_string(),
            "seq": header.seq,
            "bytes": to_hex(word.bytes()),
            "body": to_hex(word.plain_body()),
        },
    })
}

fn vector() -> VersionVector {
    let tips = [(LogId([3; 16]), 5, [7; 32]), (LogId([4; 16]), 1, [8; 32])];
    let tips = tips.map(|(log, seq, id)| (log, Tip::new(seq, EntryId(id))));
    VersionVector { tips: tips.into() }
}

fn receipt() -> Json {
    let (account, keys) = (AccountId([9; 32]), device(3));
    let receipt = Receipt {
        device: keys.id(),
        space: SpaceId([1; 16]),
        generation: Incarnation([2; 16]),
        counter: 5,
        vector: vector(),
        chunks: Vec::new(),
    };
    let bytes = receipt.sign(account, &keys);
    assert_eq!(Receipt::verify(account, &bytes), Ok(receipt));
    let device = keys.id().to_string();
    json!({ "account": account.to_string(), "device": device, "bytes": to_hex(&bytes) })
}

fn messages() -> Json {
    let addresses = vec!["/ip4/1.2.3.4/tcp/47470".to_owned()];
    let reachable = vec![Reachable { device: DeviceId([1; 32]), addresses }];
    let hello = Hello {
        versions: (1, 2),
        space: SpaceId([1; 16]),
        roster_heads: vec![OpId([2; 32])],
        vector: vector(),
        holes: vec![Hole { log: LogId([3; 16]), first: 2, last: 4 }],
        checkpoints: Vec::new(),
        reachable: reachable.clone(),
    };
    let forms = [
        ("hello", Message::Hello(hello)),
        ("roster", Message::Roster(vec![vec![1, 2], Vec::new()])),
        ("entries", Message::Entries { urgent: true, entries: vec![vec![9; 3]] }),
        ("credit", Message::Credit { entries: 3, bytes: 700 }),
        ("want", Message::Want { log: LogId([4; 16]), after: 9 }),
        ("receipts", Message::Receipts(vec![vec![5]])),
        ("ask receipt", Message::AskReceipt),
        ("reachable", Message::Reachable(reachable)),
        ("checkpoints", Message::Checkpoints(vec![vec![7; 2]])),
        ("ask tail", Message::AskTail(vector())),
        ("tail", Message::Tail { last: true, entries: vec![vec![8]] }),
        ("fed", Message::Fed(vec![LogId([4; 16])])),
    ];
    let forms = forms.into_iter().map(|(name, message)| {
        let bytes = message.to_bytes();
        assert_eq!(Message::from_bytes(&bytes), Ok(message));
        (name.to_owned(), to_hex(&bytes).into())
    });
    let mut forms: serde_json::Map<String, Json> = forms.collect();
    // Entries that follow each other, as they may travel; it is read as Entries.
    let entries = chained();
    let packed = Message::Packed { urgent: true, entries: entries.clone() }.to_bytes();
    assert!(packed.len() < entries.iter().map(Vec::len).sum());
    assert_eq!(Message::from_bytes(&packed), Ok(Message::Entries { urgent: true, entries }));
    forms.insert("packed".to_owned(), to_hex(&packed).into());
    Json::Object(forms)
}

/// Returns three small entries of one log.
fn chained() -> Vec<Vec<u8>> {
    let (keys, space) = (DeviceKeys::from_seed([4; 32]), SpaceId([1; 16]));
    let origin = Origin { device: keys.id(), incarnation: Incarnation([5; 16]) };
    let mut previous = EntryId([0; 32]);
    let entry = |seq| {
        let header = Header {
            kind: kind::CHANGES,
            space,
            log: origin.log(space),
            seq,
            previous,
            origin: (seq == 1).then_some(origin),
            roster_heads: vec![OpId([5; 32])],
            hlc: Hlc(seq << 16),
            epoch: EpochId([6; 32]),
            seen: Vec::new(),
            chunks: Vec::new(),
        };
        let body = Body { parts: vec![Part { record: RecordId([1; 16]), change: vec![9; 40] }] };
        let plan = EntryPlan { header, body };
        let entry = Entry::author(AccountId([3; 32]), &keys, &[8; 32], &plan);
        previous = entry.id();
        entry.into_bytes()
    };
    (1..=3).map(entry).collect()
}

fn chunks() -> Json {
    let account_key = [3; 32];
    let plain = "heirloom ".repeat(20);
    let sealed = heirloom_blob::seal(&account_key, plain.as_bytes());
    let held = |id| sealed.chunks.iter().find(|(other, _)| *other == id).map(|(_, b)| b.clone());
    assert_eq!(heirloom_blob::open(&account_key, &sealed.blob, held).unwrap(), plain.as_bytes());
    let chunk = ChunkRef { id: ChunkId([0x11; 32]), plain: [0x22; 32], length: 0x0102_0304 };
    let blob = BlobRef { size: 0x0102_0304, hash: [0x33; 32], chunks: vec![chunk] };
    json!({
        "account_key": to_hex(&account_key),
        "content": to_hex(plain.as_bytes()),
        "reference": to_hex(&sealed.blob.to_bytes()),
        "chunks": hex_list(sealed.chunks.iter().map(|(_, bytes)| bytes.clone())),
        "form of a reference": to_hex(&blob.to_bytes()),
    })
}

/// A record's birth and one later change of it.
fn records() -> Json {
    let (record, log) = (RecordId([1; 16]), LogId([2; 16]));
    let text = |text: &str| Value::Str(text.to_owned());
    let content: Content = [
        ("!category".to_owned(), Value::Int(4)),
        ("!uid".to_owned(), text("display")),
        ("brightness".to_owned(), text("80")),
        ("note".to_owned(), Value::Text("hé".into())),
        ("raw".to_owned(), Value::Bytes(vec![0xff])),
    ]
    .into();
    let birth = birth(record, &content).unwrap();
    let mut document = heirloom_doc::Document::from_birth(&birth).unwrap();
    let actor = actor_for(log, record);
    let edits = [("brightness".to_owned(), Some(text("90")))];
    let later = document.edit(actor, Hlc(1 << 16), &edits).unwrap();
    let all: Vec<RawChange> = birth.iter().chain(&later).cloned().collect();
    let offered: Vec<Offered> =
        all.iter().map(|change| Offered { log, change: change.clone() }).collect();
    let admission = admit(None, record, &offered);
    assert_eq!(admission.applied.len(), all.len());
    let long: Content = [
        ("a".to_owned(), text(&"a".repeat(16_000))),
        ("b".to_owned(), text(&"b".repeat(16_000))),
        ("c".to_owned(), text(&"c".repeat(16_000))),
        ("d".to_owned(), Value::Text("é".repeat(5_000))),
    ]
    .into();
    let long = heirloom_doc::birth(record, &long).unwrap();
    let bytes = |changes: Vec<RawChange>| hex_list(changes.into_iter().map(|change| change.0));
    json!({
        "record": record.to_string(),
        "log": log.to_string(),
        "content": {
            "!category": 4, "!uid": "display", "brightness": "80",
            "note": { "text": "hé" }, "raw": { "bytes": "ff" },
        },
        "birth": bytes(birth),
        "hashes of a long birth": hex_list(long.iter().map(|part| hash::plain(&part.0).to_vec())),
        "actor": actor.to_string(),
        "edit": { "brightness": "90" },
        "clock": 1 << 16,
        "change": bytes(later),
    })
}

/// The files of a folder with three frames, the last two of one append.
fn store() -> Json {
    let home = tempfile::tempdir().unwrap();
    keyfile::write(home.path(), &[1; 32]).unwrap();
    let options = StoreOptions {
        index: IndexKind::Memory,
        segment_bytes: 64 * 1024,
        pack_bytes: 250,
        reserve_bytes: 0,
        ..StoreOptions::default()
    };
    let store = Store::open(home.path(), &options).unwrap();
    let chunks = packed(&store);
    let frame = |kind, length: usize| Frame { kind, payload: vec![kind; length] };
    for frames in [vec![frame(3, 33)], vec![frame(2, 4), frame(1, 9)]] {
        store.append(AppendRequest { chunks: Vec::new(), frames }).unwrap();
    }
    drop(store);
    let read = |name: &str| std::fs::read(home.path().join(name)).unwrap();
    let segment = read("log/00000001.seg");
    // The last frame ends at a multiple of eight: its zeros belong to it.
    let used = segment.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let format = String::from_utf8(read("FORMAT")).unwrap();
    let words: Vec<&str> = format.lines().filter_map(|line| line.split(' ').next()).collect();
    json!({
        "device.key": to_hex(&read("device.key")),
        "log/00000001.seg": to_hex(&segment[..used.next_multiple_of(8)]),
        "frames": [[3, "03".repeat(33)], [2, "02".repeat(4)], [1, "01".repeat(9)]],
        "words of FORMAT": words,
        "chunks": chunks,
        "packs/00000001.pack": to_hex(&read("packs/00000001.pack")),
        "packs/00000002.open": to_hex(&read("packs/00000002.open")),
    })
}

/// Writes three chunks, of which two fill a pack file, and removes the first.
fn packed(store: &Store) -> Vec<[String; 2]> {
    let chunks =
        [b"one".as_slice(), b"four", b"three"].map(|bytes| (ChunkId(hash::plain(bytes)), bytes));
    store.chunks().write_batch(&chunks).unwrap();
    assert_eq!(store.chunks().remove(&[chunks[0].0].into()).unwrap(), 3);
    chunks.map(|(id, bytes)| [id.to_string(), to_hex(bytes)]).to_vec()
}
