mod aheads;
mod crowds;
mod holes;
mod pauses;
mod relays;
mod talks;
mod ways;
mod words;

use super::*;
use crate::Receipt;
use crate::entry::{Body, EntryPlan, Header, Origin, Part, kind};
use heirloom_base::{Decode, Encode, EpochId, Hlc, RecordId};
use heirloom_identity::DeviceKeys;

const ACCOUNT: AccountId = AccountId([3; 32]);
const SPACE: SpaceId = SpaceId([1; 16]);

fn at(mono_ms: u64) -> Now {
    Now { wall_ms: 0, mono_ms }
}

/// A device with its replication and its durable entries.
struct Peer {
    keys: DeviceKeys,
    log: LogId,
    replication: Replication,
    entries: BTreeMap<(LogId, u64), Vec<u8>>,
    seen: Vec<Output>,
    /// What its entries say that it has seen.
    sight: Option<(LogId, u64)>,
    /// Its disk refuses every write.
    is_full: bool,
}

impl Peer {
    fn new(number: u8) -> Self {
        let keys = DeviceKeys::from_seed([number; 32]);
        let origin = Origin { device: keys.id(), incarnation: Incarnation([number; 16]) };
        let mut replication = Replication::new(ACCOUNT, SPACE, keys.id());
        replication.set_own_log(origin.log(SPACE));
        Self {
            log: origin.log(SPACE),
            keys,
            replication,
            entries: BTreeMap::new(),
            seen: Vec::new(),
            sight: None,
            is_full: false,
        }
    }

    fn id(&self) -> DeviceId {
        self.keys.id()
    }

    fn entry(&self, seq: u64, previous: EntryId) -> Entry {
        self.entry_of(seq, previous, seq.to_le_bytes().repeat(40))
    }

    fn entry_of(&self, seq: u64, previous: EntryId, change: Vec<u8>) -> Entry {
        let origin = Origin { device: self.id(), incarnation: self.incarnation() };
        let header = Header {
            kind: kind::CHANGES,
            space: SPACE,
            log: self.log,
            seq,
            previous,
            origin: (seq == 1).then_some(origin),
            roster_heads: vec![OpId([5; 32])],
            hlc: Hlc(seq),
            epoch: EpochId([6; 32]),
            seen: self.sight.into_iter().collect(),
            chunks: Vec::new(),
        };
        let body = Body { parts: vec![Part { record: RecordId([1; 16]), change }] };
        Entry::author(ACCOUNT, &self.keys, &[8; 32], &EntryPlan { header, body })
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation([self.keys.seed()[0]; 16])
    }

    fn write(&mut self, count: u64) {
        for _ in 0..count {
            self.write_one(Self::entry);
        }
    }

    /// Writes an entry of bytes that cannot be compressed.
    fn write_large(&mut self, bytes: usize) {
        self.write_one(|peer, seq, previous| {
            let blocks = (0..bytes as u64 / 32).map(|block| {
                heirloom_base::hash::plain(&[seq.to_le_bytes(), block.to_le_bytes()].concat())
            });
            peer.entry_of(seq, previous, blocks.flatten().collect())
        });
    }

    fn write_one(&mut self, make: impl FnOnce(&Self, u64, EntryId) -> Entry) {
        let state = self.replication.log(self.log).cloned();
        let state = state.unwrap_or_else(|| LogState::empty(self.id()));
        let entry = make(self, state.staged + 1, state.staged_id);
        self.replication.stage_own(self.log, entry.header().seq, entry.id());
        self.store(&entry);
    }

    fn store(&mut self, entry: &Entry) {
        let header = entry.header();
        self.entries.insert((header.log, header.seq), entry.bytes().to_vec());
        self.replication.durable(at(0), entry, BTreeSet::new());
    }

    /// Carries out everything; returns the messages to send.
    fn turn(&mut self, now: Now) -> Vec<(DeviceId, Message)> {
        let mut messages = Vec::new();
        loop {
            let entries = &self.entries;
            self.replication.release_credit(now);
            self.replication.ask_silent(now);
            self.replication.receive_waiting(now, &|_| true);
            self.replication.pump(now, &mut |log, seq| entries.get(&(log, seq)).cloned());
            self.replication.send_receipt(now, &self.keys);
            let mut stored = Vec::new();
            let mut quiet = true;
            while let Some(output) = self.replication.poll_output() {
                quiet = false;
                if let Output::Send(device, message) = output {
                    messages.push((device, message));
                } else if let Output::Store { entry, .. } = output {
                    stored.push(entry);
                } else {
                    self.seen.push(output);
                }
            }
            if self.is_full && !stored.is_empty() {
                self.replication.refused(now);
                stored.clear();
            }
            for entry in stored {
                self.store(&entry);
            }
            if quiet {
                return messages;
            }
        }
    }

    fn receive(&mut self, now: Now, from: DeviceId, message: &Message) {
        self.replication.heard(now, from);
        match Message::from_bytes(&message.to_bytes()).unwrap() {
            Message::Hello(hello) => self.replication.receive_hello(now, from, &hello),
            Message::Entries { urgent, entries } => {
                self.replication.receive_entries(now, from, urgent, entries, &|_| true);
            }
            Message::Credit { entries, bytes } => {
                self.replication.receive_credit(now, from, entries, bytes);
            }
            Message::Want { log, after } => self.replication.receive_want(now, from, log, after),
            Message::Receipts(receipts) => {
                self.replication.receive_receipts(now, from, receipts, &|_| true);
            }
            Message::AskReceipt => self.replication.receive_ask(now, from),
            Message::Fed(logs) => self.replication.receive_fed(from, &logs),
            Message::Declined(logs) => self.replication.receive_declined(from, &logs),
            Message::Knows(_)
            | Message::Roster(_)
            | Message::Reachable(_)
            | Message::Checkpoints(_)
            | Message::AskTail(_)
            | Message::Tail { .. }
            | Message::Packed { .. }
            | Message::Unknown(_) => {}
        }
    }
}

fn connect(one: &mut Peer, other: &mut Peer) {
    connect_at(at(0), one, other);
}

fn connect_at(now: Now, one: &mut Peer, other: &mut Peer) {
    let (first, second) = (one.id(), other.id());
    one.replication.peer_up(now, second, vec![OpId([5; 32])], Vec::new(), Vec::new());
    other.replication.peer_up(now, first, vec![OpId([5; 32])], Vec::new(), Vec::new());
}

/// Exchanges messages until nobody has anything to say; returns how many there were.
fn run(peers: &mut [Peer], now: Now) -> Vec<Message> {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let mut quiet = true;
        for index in 0..peers.len() {
            let from = peers[index].id();
            for (to, message) in peers[index].turn(now) {
                quiet = false;
                if let Some(peer) = peers.iter_mut().find(|peer| peer.id() == to) {
                    peer.receive(now, from, &message);
                }
                all.push(message);
            }
        }
        if quiet {
            return all;
        }
    }
    panic!("the conversation never comes to rest");
}

#[test]
fn two_devices_exchange_what_each_lacks_and_know_it_of_each_other() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    peers[0].write(700);
    peers[1].write(5);
    let [one, other] = &mut peers;
    connect(one, other);
    run(&mut peers, at(0));
    assert_eq!(peers[0].replication.vector(), peers[1].replication.vector());
    let late = at(limits::RECEIPT_DELAY_MS_MAX as u64 + 1);
    run(&mut peers, late);
    for (own, other) in [(0, 1), (1, 0)] {
        assert_eq!(peers[own].replication.distance(peers[other].id()), (0, 0));
        let quiet = |output: &Output| matches!(output, Output::Receipt(..) | Output::Lives(..));
        assert!(peers[own].seen.iter().all(quiet));
    }
    let log = peers[0].log;
    assert_eq!(peers[0].replication.ledger().holders(log, 700).count(), 1);
    assert_eq!(peers[0].replication.ledger().holders(log, 701).count(), 0);
}

#[test]
fn level_devices_exchange_no_entries() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    peers[0].write(50);
    let [one, other] = &mut peers;
    connect(one, other);
    run(&mut peers, at(0));
    run(&mut peers, at(5_000));
    for peer in &mut peers {
        let others: Vec<DeviceId> = peer.replication.peers().collect();
        others.into_iter().for_each(|other| peer.replication.peer_down(other));
    }
    let [one, other] = &mut peers;
    connect(one, other);
    let messages = run(&mut peers, at(6_000));
    assert!(!messages.iter().any(|message| matches!(message, Message::Entries { .. })));
    let bytes: usize = messages.iter().map(|message| message.to_bytes().len()).sum();
    assert!(bytes <= 2_048, "{bytes} bytes to find that nothing differs");
}

#[test]
fn entries_and_receipts_travel_through_a_third_device() {
    let mut peers = [Peer::new(1), Peer::new(2), Peer::new(3)];
    let [one, keeper, other] = &mut peers;
    connect(one, keeper);
    connect(keeper, other);
    one.write(3);
    run(&mut peers, at(0));
    run(&mut peers, at(5_000));
    let log = peers[0].log;
    assert_eq!(peers[2].replication.vector().seq(log), 3);
    assert_eq!(peers[0].replication.ledger().holders(log, 3).count(), 2);
}

/// Two devices with the same 3,000 entries, and a third that lacks them.
fn two_sources() -> [Peer; 3] {
    let mut peers = [Peer::new(1), Peer::new(2), Peer::new(3)];
    peers[0].write(3_000);
    let [one, other, _] = &mut peers;
    connect(one, other);
    run(&mut peers, at(0));
    run(&mut peers, at(5_000));
    for (own, other) in [(0, 1), (1, 0)] {
        let gone = peers[other].id();
        peers[own].replication.peer_down(gone);
    }
    let [one, other, third] = &mut peers;
    connect_at(at(10_000), one, third);
    connect_at(at(10_000), other, third);
    peers
}

#[test]
fn two_sources_of_the_same_do_not_send_all_of_it_twice() {
    let mut peers = two_sources();
    let messages = run(&mut peers, at(10_000));
    let mut sent = 0;
    for message in &messages {
        if let Message::Entries { entries, .. } | Message::Packed { entries, .. } = message {
            sent += entries.len();
        }
    }
    let log = peers[0].log;
    assert_eq!(peers[2].replication.vector().seq(log), 3_000);
    assert!(sent < 3_000 + 600, "{sent}");
    run(&mut peers, at(12_001));
    run(&mut peers, at(20_000));
    peers[1].write(40);
    run(&mut peers, at(20_001));
    assert_eq!(peers[2].replication.vector().seq(peers[1].log), 40, "the credit came back");
}

/// Found by the simulator (seed 1931): a receipt said that the other held the
/// second entry of a log, which was another one.
#[test]
fn an_entry_that_a_receipt_acknowledges_is_shown_once_so_that_two_ends_are_found() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    let liar = Peer::new(3);
    let first = liar.entry(1, EntryId([0; 32]));
    let ends = [vec![1; 40], vec![2; 40]].map(|change| liar.entry_of(2, first.id(), change));
    let [one, other] = &mut peers;
    connect(one, other);
    run(&mut peers, at(0));
    let entries =
        |entry: &Entry| Message::Entries { urgent: true, entries: vec![entry.bytes().to_vec()] };
    for peer in &mut peers {
        peer.replication.peer_up(at(0), liar.id(), Vec::new(), Vec::new(), Vec::new());
        peer.receive(at(0), liar.id(), &entries(&first));
    }
    run(&mut peers, at(1));
    peers[1].receive(at(2), liar.id(), &entries(&ends[1]));
    let (one, other) = (peers[0].id(), peers[1].id());
    let said = peers[1].turn(at(2_000));
    let said: Vec<Message> =
        said.into_iter().filter(|(to, _)| *to == one).map(|(_, m)| m).collect();
    let is_receipt = |message: &&Message| matches!(message, Message::Receipts(_));
    assert!(said.iter().any(|message| is_receipt(&message)), "{said:?}");
    said.iter().filter(is_receipt).for_each(|message| peers[0].receive(at(2_000), other, message));
    peers[0].receive(at(2_000), liar.id(), &entries(&ends[0]));
    run(&mut peers, at(2_001));
    let forked = |peer: &Peer| peer.seen.iter().any(|output| matches!(output, Output::Forked(..)));
    assert!(forked(&peers[1]), "{:?}", peers[1].seen);
}

#[test]
fn of_two_sources_the_other_goes_on_where_one_is_gone() {
    let mut peers = two_sources();
    let (one, third) = (peers[0].id(), peers[2].id());
    for _ in 0..6 {
        for index in 0..3 {
            let from = peers[index].id();
            for (to, message) in peers[index].turn(at(10_000)) {
                let peer = peers.iter_mut().find(|peer| peer.id() == to).unwrap();
                peer.receive(at(10_000), from, &message);
            }
        }
    }
    let log = peers[0].log;
    assert!(peers[2].replication.vector().seq(log) < 3_000, "it is on its way");
    peers[2].replication.peer_down(one);
    peers[0].replication.peer_down(third);
    run(&mut peers, at(10_001));
    assert_eq!(peers[2].replication.vector().seq(log), 3_000);
}

#[test]
fn an_entry_that_came_too_early_is_asked_for_again_in_order() {
    let (mut writer, mut reader) = (Peer::new(1), Peer::new(2));
    connect(&mut writer, &mut reader);
    let hello: Vec<_> = writer.turn(at(0));
    writer.write(3);
    for (_, message) in &hello {
        reader.receive(at(0), writer.id(), message);
    }
    let third = writer.entries[&(writer.log, 3)].clone();
    let early = Message::Entries { urgent: false, entries: vec![third.clone(), third] };
    reader.receive(at(0), writer.id(), &early);
    let answers = reader.turn(at(0));
    let wants: Vec<_> =
        answers.iter().filter(|(_, message)| matches!(message, Message::Want { .. })).collect();
    assert_eq!(wants, [&(writer.id(), Message::Want { log: writer.log, after: 0 })]);
    assert_eq!(reader.replication.vector().seq(writer.log), 0);
}

#[test]
fn forged_altered_and_foreign_entries_are_offences() {
    let (mut writer, mut reader, stranger) = (Peer::new(1), Peer::new(2), Peer::new(3));
    connect(&mut writer, &mut reader);
    writer.write(1);
    let id = writer.id();
    let good = writer.entries[&(writer.log, 1)].clone();
    let mut altered = good.clone();
    let end = altered.len() - 1;
    altered[end] ^= 1;
    let offence = |reader: &mut Peer, entry: Vec<u8>, known: bool| {
        reader.replication.receive_entries(at(0), id, false, vec![entry], &|_| known);
        reader.turn(at(0));
        reader.seen.drain(..).any(|output| matches!(output, Output::Offence(..)))
    };
    assert!(offence(&mut reader, altered, true));
    assert!(offence(&mut reader, good.clone(), false));
    assert!(offence(&mut reader, b"garbage".to_vec(), true));
    let forged = stranger.entry(2, EntryId([9; 32])).into_bytes();
    assert!(!offence(&mut reader, forged, true), "an unknown log is asked for");
    assert!(!offence(&mut reader, good.clone(), true));
    assert!(!offence(&mut reader, good, true), "a repetition is harmless");
    assert_eq!(reader.replication.vector().seq(writer.log), 1);
}

#[test]
fn a_device_whose_folder_was_put_back_stops_writing_its_old_log() {
    let (mut keeper, mut phone) = (Peer::new(1), Peer::new(2));
    phone.write(4);
    connect(&mut keeper, &mut phone);
    let mut peers = [keeper, phone];
    run(&mut peers, at(0));
    let [mut keeper, phone] = peers;
    let mut old = Peer::new(2);
    for seq in 1..=2 {
        let entry = Entry::parse(phone.entries[&(phone.log, seq)].clone()).unwrap();
        old.replication.stage_own(old.log, seq, entry.id());
        old.store(&entry);
    }
    keeper.replication.peer_down(phone.id());
    connect(&mut keeper, &mut old);
    let mut peers = [keeper, old];
    run(&mut peers, at(0));
    assert!(peers[1].seen.contains(&Output::RolledBack(phone.log)));
    assert_eq!(peers[1].replication.vector().seq(phone.log), 4);
}

#[test]
fn an_entry_counts_as_held_only_together_with_its_chunks() {
    let (mut writer, mut reader) = (Peer::new(1), Peer::new(2));
    writer.write(3);
    let missing: BTreeSet<ChunkId> = [ChunkId([1; 32])].into();
    for seq in 1..=3 {
        let entry = Entry::parse(writer.entries[&(writer.log, seq)].clone()).unwrap();
        let lacks = if seq == 2 { missing.clone() } else { BTreeSet::new() };
        reader.replication.durable(at(0), &entry, lacks);
    }
    assert_eq!(reader.replication.chunks_missing(), missing);
    connect(&mut writer, &mut reader);
    let mut peers = [writer, reader];
    run(&mut peers, at(0));
    let log = peers[0].log;
    let held = |peers: &[Peer]| {
        let receipt = peers[0].replication.ledger().receipt(peers[1].id());
        receipt.map_or(0, |receipt| receipt.vector.seq(log))
    };
    assert_eq!(held(&peers), 1);
    peers[1].replication.chunk_arrived(at(10), ChunkId([1; 32]));
    run(&mut peers, at(2_000));
    assert_eq!(held(&peers), 3);
    assert!(peers[1].replication.chunks_missing().is_empty());
}

#[test]
fn a_receipt_that_is_asked_for_while_an_entry_is_being_written_tells_of_it() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    let [writer, reader] = &mut peers;
    connect(writer, reader);
    run(&mut peers, at(0));
    let [writer, reader] = &mut peers;
    let (author, log) = (writer.id(), writer.log);
    writer.write(1);
    let sent = writer.turn(at(5_000));
    assert!(matches!(sent[0].1, Message::Entries { urgent: false, .. }), "{sent:?}");
    for (_, message) in &sent {
        reader.receive(at(5_000), author, message);
    }
    reader.receive(at(5_000), author, &Message::AskReceipt);
    let said = reader.turn(at(5_000));
    let receipts = said.iter().filter_map(|(_, message)| {
        let Message::Receipts(receipts) = message else { return None };
        Receipt::verify(ACCOUNT, receipts.first()?).ok()
    });
    let held: Vec<u64> = receipts.map(|receipt| receipt.vector.seq(log)).collect();
    assert_eq!(held, [1], "one receipt, and not the one before");
}

#[test]
fn a_waiting_writer_gets_its_receipt_at_once() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    let [one, other] = &mut peers;
    connect(one, other);
    run(&mut peers, at(0));
    peers[0].write(1);
    peers[0].replication.hurry();
    run(&mut peers, at(1));
    let log = peers[0].log;
    assert_eq!(peers[0].replication.ledger().holders(log, 1).count(), 1);
}

/// Returns a receipt of a keeper for so many entries of a log.
fn receipt(keeper: &Peer, log: LogId, counter: u64, seq: u64) -> Message {
    let receipt = Receipt {
        device: keeper.id(),
        space: SPACE,
        generation: Incarnation([1; 16]),
        counter,
        vector: VersionVector { tips: [(log, Tip { seq, id: [0; 8] })].into() },
        chunks: Vec::new(),
    };
    Message::Receipts(vec![receipt.sign(ACCOUNT, &keeper.keys)])
}

fn found(peer: &Peer, keeper: &Peer) -> usize {
    let found =
        |output: &&Output| matches!(output, Output::Contradiction(of, _) if *of == keeper.id());
    peer.seen.iter().filter(found).count()
}

#[test]
fn two_witnesses_of_a_keeper_that_was_put_back_find_it_when_they_first_meet() {
    let (mut phone, mut laptop, keeper) = (Peer::new(1), Peer::new(2), Peer::new(3));
    phone.write(10);
    phone.receive(at(0), keeper.id(), &receipt(&keeper, phone.log, 5, 10));
    laptop.receive(at(0), keeper.id(), &receipt(&keeper, phone.log, 6, 7));
    let mut peers = [phone, laptop];
    for peer in &mut peers {
        peer.turn(at(0));
        assert_eq!(found(peer, &keeper), 0, "each alone cannot know");
    }
    let [phone, laptop] = &mut peers;
    connect(phone, laptop);
    run(&mut peers, at(0));
    for peer in &peers {
        assert_eq!(found(peer, &keeper), 1);
        assert!(peer.replication.ledger().has_contradicted_itself(keeper.id()));
    }
    // The proof stands on its own, after a restart as well.
    let proof = peers[0].seen.iter().find_map(|output| {
        if let Output::Contradiction(_, proof) = output { Some(proof.clone()) } else { None }
    });
    let mut later = Peer::new(1);
    later.replication.load_contradiction(proof.clone().unwrap());
    assert!(later.replication.ledger().has_contradicted_itself(keeper.id()));
    let Contradiction { known, .. } = proof.unwrap();
    let mut harmless = Peer::new(1);
    harmless.replication.load_contradiction(Contradiction { heard: known.clone(), known });
    assert!(!harmless.replication.ledger().has_contradicted_itself(keeper.id()));
}

#[test]
fn a_keeper_that_holds_less_than_it_had_acknowledged_falls_short_until_it_holds_it_again() {
    let (mut phone, keeper) = (Peer::new(1), Peer::new(3));
    phone.write(10);
    phone.receive(at(0), keeper.id(), &receipt(&keeper, phone.log, 5, 10));
    phone.replication.peer_up(at(0), keeper.id(), Vec::new(), Vec::new(), Vec::new());
    let hello = Hello {
        versions: (1, 1),
        space: SPACE,
        roster_heads: Vec::new(),
        vector: VersionVector { tips: [(phone.log, Tip { seq: 8, id: [0; 8] })].into() },
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    };
    assert_eq!(phone.replication.shortfall(keeper.id()), None, "it has not said anything yet");
    phone.receive(at(0), keeper.id(), &Message::Hello(hello));
    let shortfall = phone.replication.shortfall(keeper.id()).unwrap();
    assert_eq!((shortfall.withdrawn, shortfall.told_others_since_ms), (2, None));
    assert_eq!(shortfall.undelivered, 0);
    // An old word said again changes nothing; a true one does.
    phone.receive(at(0), keeper.id(), &receipt(&keeper, phone.log, 4, 8));
    assert!(phone.replication.shortfall(keeper.id()).is_some());
    phone.receive(at(0), keeper.id(), &receipt(&keeper, phone.log, 6, 10));
    assert_eq!(phone.replication.shortfall(keeper.id()), None);
}

#[test]
fn a_keeper_that_tells_others_more_than_this_device_falls_short() {
    let (mut laptop, phone, keeper) = (Peer::new(1), Peer::new(2), Peer::new(3));
    laptop.replication.peer_up(at(0), keeper.id(), Vec::new(), Vec::new(), Vec::new());
    let hello = Hello {
        versions: (1, 1),
        space: SPACE,
        roster_heads: Vec::new(),
        vector: VersionVector::default(),
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    };
    laptop.receive(at(0), keeper.id(), &Message::Hello(hello));
    laptop.receive(at(0), keeper.id(), &receipt(&keeper, phone.log, 4, 8));
    laptop.receive(at(70), phone.id(), &receipt(&keeper, phone.log, 5, 10));
    let since = |laptop: &Peer| {
        laptop.replication.shortfall(keeper.id()).and_then(|short| short.told_others_since_ms)
    };
    assert_eq!(since(&laptop), Some(70));
    laptop.receive(at(80), keeper.id(), &receipt(&keeper, phone.log, 5, 10));
    assert_eq!(since(&laptop), None);
}

#[test]
fn who_claims_entries_and_sends_none_falls_short_by_them() {
    let (mut phone, laptop) = (Peer::new(1), Peer::new(2));
    phone.replication.peer_up(at(40), laptop.id(), Vec::new(), Vec::new(), Vec::new());
    let hello = Hello {
        versions: (1, 1),
        space: SPACE,
        roster_heads: Vec::new(),
        vector: VersionVector { tips: [(laptop.log, Tip { seq: 2, id: [0; 8] })].into() },
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    };
    phone.receive(at(50), laptop.id(), &Message::Hello(hello));
    let shortfall = |phone: &Peer| phone.replication.shortfall(laptop.id());
    let short = shortfall(&phone).unwrap();
    assert_eq!((short.undelivered, short.delivered_ms), (2, 50));
    let lacking = |phone: &Peer, since_ms| phone.replication.lacking(since_ms);
    assert_eq!((lacking(&phone, 50), lacking(&phone, 51)), (2, 0), "believed for a while");
    let first = laptop.entry(1, EntryId([0; 32]));
    let second = laptop.entry(2, first.id());
    let entries =
        |entry: &Entry| Message::Entries { urgent: false, entries: vec![entry.bytes().to_vec()] };
    phone.receive(at(60), laptop.id(), &entries(&first));
    phone.turn(at(60));
    let short = shortfall(&phone).unwrap();
    assert_eq!((short.undelivered, short.delivered_ms), (1, 60));
    for (now, expected) in [(62, 62), (64, 62)] {
        phone.receive(at(now), laptop.id(), &entries(&first));
        let short = shortfall(&phone).unwrap();
        assert_eq!(short.delivered_ms, expected, "what is here already counts once");
    }
    phone.receive(at(70), laptop.id(), &entries(&second));
    assert_eq!(lacking(&phone, 60), 1);
    phone.turn(at(70));
    assert_eq!(shortfall(&phone), None);
    assert_eq!(lacking(&phone, 0), 0);
}

#[test]
fn who_asks_for_the_same_logs_without_end_is_answered_so_often_and_then_breaks_the_rules() {
    let (mut phone, laptop) = (Peer::new(1), Peer::new(2));
    phone.write(1);
    phone.replication.peer_up(at(0), laptop.id(), Vec::new(), Vec::new(), Vec::new());
    let want = Message::Want { log: phone.log, after: 0 };
    let offences = |peer: &Peer| {
        let is_offence = |output: &&Output| matches!(output, Output::Offence(..));
        peer.seen.iter().filter(is_offence).count()
    };
    for _ in 0..limits::WANTS_MAX {
        phone.receive(at(0), laptop.id(), &want);
    }
    phone.turn(at(0));
    assert_eq!(offences(&phone), 0);
    phone.receive(at(0), laptop.id(), &want);
    phone.turn(at(0));
    assert_eq!(offences(&phone), 1);
}

#[test]
fn who_asks_for_receipts_without_end_gets_one_a_second() {
    let (mut phone, laptop) = (Peer::new(1), Peer::new(2));
    phone.write(1);
    let mut peers = [phone, laptop];
    let [one, other] = &mut peers;
    connect(one, other);
    run(&mut peers, at(0));
    let [phone, laptop] = &mut peers;
    let receipts = |phone: &mut Peer, now| {
        phone.receive(now, laptop.id(), &Message::AskReceipt);
        let is_receipt = |(_, message): &&(_, Message)| matches!(message, Message::Receipts(_));
        phone.turn(now).iter().filter(is_receipt).count()
    };
    let pause = limits::RECEIPT_DELAY_MS_MAX as u64;
    assert_eq!((1..500).map(|ms| receipts(phone, at(ms))).sum::<usize>(), 0);
    assert_eq!(receipts(phone, at(pause)), 1);
    phone.write(1);
    assert_eq!(receipts(phone, at(pause + 1)), 1, "what is news is said at once");
}

#[test]
fn who_names_entries_that_no_log_can_have_breaks_the_rules() {
    let (mut phone, laptop) = (Peer::new(1), Peer::new(2));
    phone.replication.peer_up(at(0), laptop.id(), Vec::new(), Vec::new(), Vec::new());
    let beyond = limits::LOG_ENTRIES_MAX as u64 + 1;
    let hello = Hello {
        versions: (1, 1),
        space: SPACE,
        roster_heads: Vec::new(),
        vector: VersionVector { tips: [(phone.log, Tip { seq: beyond, id: [0; 8] })].into() },
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    };
    let most = u32::try_from(limits::CREDIT_ENTRIES).unwrap();
    let entry = laptop.entry(beyond, EntryId([1; 32]));
    for message in [
        Message::Hello(hello),
        receipt(&laptop, phone.log, 1, beyond),
        Message::Entries { urgent: false, entries: vec![entry.into_bytes()] },
        Message::Credit { entries: most + 1, bytes: 0 },
        Message::Credit { entries: 1, bytes: limits::FRAME_BYTES_MAX as u64 + 1 },
    ] {
        phone.receive(at(0), laptop.id(), &message);
        phone.turn(at(0));
        let offences = std::mem::take(&mut phone.seen);
        assert!(
            matches!(offences[..], [Output::Offence(by, _)] if by == laptop.id()),
            "{message:?}"
        );
    }
    assert_eq!(phone.replication.shortfall(laptop.id()), None, "nothing of it is believed");
}
