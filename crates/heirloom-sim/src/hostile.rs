//! What hostile devices do: they hold real keys and break every other rule.

use crate::disk::SimDisk;
use crate::rng::Rng;
use heirloom_base::{
    AccountId, ChunkId, DeviceId, EntryId, EpochId, Hlc, Incarnation, LogId, OpId, RecordId,
    SpaceId, hash, limits,
};
use heirloom_core::Node;
use heirloom_doc::actor_for;
use heirloom_identity::{Capabilities, DeviceKeys, Keyring, Roster, Signer, roster};
use heirloom_sync::entry::kind;
use heirloom_sync::message::{Hole, Reachable};
use heirloom_sync::{
    Body, Entry, EntryPlan, Header, Hello, Message, Origin, Part, Receipt, Tip, VersionVector,
};
use std::collections::{BTreeMap, BTreeSet};

mod changes;
mod claims;
mod ruse;
mod words;

pub use ruse::Ruse;

/// Kinds of the frames of a log, as the node writes them.
const FRAME_ENTRY: u8 = 1;
const FRAME_ROSTER: u8 = 2;
/// Length of the signature at an entry's end.
const SIGNATURE_BYTES: usize = 64;
/// Entries of one log of orphans, at most: all together are more than may wait
/// in a record and go unmentioned.
const ORPHAN_ENTRIES_MAX: u64 = 5;
const ORPHANS_PER_ENTRY: usize = 400;

/// The attack that no story draws by lot: it takes long.
pub const ROSTER_FLOOD: u64 = 100;

/// What a hostile device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malice {
    /// A member: it holds the content keys.
    Member,
    /// A keeper: it withholds, forgets and lies about what it holds.
    Keeper,
    /// A keeper that does one thing alone.
    Plays(Ruse),
}

/// Something that a hostile device says.
#[derive(Debug)]
pub struct Attack {
    /// What it is.
    pub name: &'static str,
    /// The messages in order; each in one version, or in several of which
    /// everybody hears one.
    pub messages: Vec<Vec<Message>>,
}

/// What a hostile device knows: all that lies on its disk.
#[derive(Debug)]
pub struct Mind {
    account: AccountId,
    space: SpaceId,
    keys: DeviceKeys,
    roster: Roster,
    keyring: Option<Keyring>,
    entries: Vec<Entry>,
}

impl Mind {
    /// Reads a disk with the keys of its device; `None` as long as it knows no entry.
    #[must_use]
    pub fn read(keys: &DeviceKeys, disk: &SimDisk) -> Option<Self> {
        let frames = disk.frames_after(None);
        let account = frames.iter().find_map(|(_, frame)| Node::account_in(frame))?;
        let mut roster = Roster::new(account);
        let mut entries = Vec::new();
        for (_, frame) in frames {
            match frame.kind {
                FRAME_ENTRY => entries.extend(Entry::parse(frame.payload).ok()),
                FRAME_ROSTER => drop(roster.insert(&frame.payload)),
                _ => {}
            }
        }
        let space = entries.first()?.header().space;
        let keyring = Keyring::open(&roster, keys).ok();
        Some(Self { account, space, keys: keys.clone(), roster, keyring, entries })
    }

    /// Thinks of something to say about the records of the honest.
    pub fn attack(&mut self, rng: &mut Rng, targets: &[String]) -> Attack {
        let number = rng.below(18);
        self.attack_with(number, rng, targets)
    }

    /// Says the thing with this number.
    pub fn attack_with(&mut self, number: u64, rng: &mut Rng, targets: &[String]) -> Attack {
        let target = targets.get(rng.index(targets.len().max(1)));
        let record = target.and_then(|id| id.parse().ok()).unwrap_or(RecordId(rng.array()));
        let one = |name, message| Attack { name, messages: vec![vec![message]] };
        match number {
            0 => one("a hello that claims everything", self.boasting_hello(rng)),
            1 => one("a receipt that claims everything", self.boasting_receipt(rng)),
            2 => one("a receipt in another's name", self.foreign_receipt(rng)),
            3 => self.wants(rng),
            4 => one("credit without end", Message::Credit { entries: u32::MAX, bytes: u64::MAX }),
            5 => Attack {
                name: "a hundred requests for receipts",
                messages: vec![vec![Message::AskReceipt]; 100],
            },
            6 => one("addresses that lead nowhere", self.false_addresses(rng)),
            7 => one("roster operations it may not sign", self.roster_ops(rng)),
            8 => one("entries out of order", self.unordered(rng)),
            9 => one("damaged entries of others", self.damaged(rng)),
            10 => one("an entry in another's log", self.forged(rng, record)),
            11 => self.fork(rng, record),
            12 => one("an entry that follows nothing", self.unchained(rng, record)),
            13 => one("an entry full of nonsense", self.nonsense(rng, record)),
            14 => one("changes that build on nothing", self.orphans(rng, record)),
            16 => self.false_checkpoint(rng),
            17 => self.false_words(rng),
            ROSTER_FLOOD => self.roster_flood(),
            _ => one("crafted changes", self.crafted(rng, record)),
        }
    }

    /// Counts the orphans of each entry and record that lie on the disk, of
    /// each log up to its first gap, but for ends that their authors gave up.
    #[must_use]
    pub fn held_orphans(&self) -> BTreeMap<(LogId, u64, RecordId), usize> {
        let place = |entry: &Entry| (entry.header().log, entry.header().seq);
        let places: BTreeSet<(LogId, u64)> = self.entries.iter().map(place).collect();
        let is_held = |(log, seq): (LogId, u64)| (1..=seq).all(|seq| places.contains(&(log, seq)));
        let (given_up, mut orphans) = (self.given_up(), BTreeMap::new());
        let counts = |entry: &&Entry| is_held(place(entry)) && !given_up.contains(&entry.id());
        for entry in self.entries.iter().filter(counts) {
            let epoch = entry.header().epoch;
            let key = self.keyring.as_ref().and_then(|ring| ring.epoch_key(&epoch));
            let Some(body) = key.and_then(|key| entry.open(key).ok()) else { continue };
            // A log that lost an entry and got it back may hold a later one twice.
            let mut counts: BTreeMap<RecordId, usize> = BTreeMap::new();
            for part in body.parts.iter().filter(|part| changes::is_orphan(&part.change)) {
                *counts.entry(part.record).or_default() += 1;
            }
            let (log, seq) = place(entry);
            orphans.extend(counts.into_iter().map(|(record, count)| ((log, seq, record), count)));
        }
        orphans
    }

    fn logs(&self) -> Vec<LogId> {
        let mut logs: Vec<LogId> = self.entries.iter().map(|entry| entry.header().log).collect();
        logs.sort_unstable();
        logs.dedup();
        logs
    }

    /// A vector with absurd ends of real and invented logs.
    fn absurd_vector(&self, rng: &mut Rng) -> VersionVector {
        let invented = (0..rng.index(300)).map(|_| LogId(rng.array())).collect::<Vec<LogId>>();
        let ends = [1, 1 << 32, u64::MAX];
        let tips = self.logs().into_iter().chain(invented).map(|log| {
            let seq = ends.get(rng.index(ends.len())).copied().unwrap_or(1);
            (log, Tip { seq, id: rng.array() })
        });
        VersionVector { tips: tips.collect() }
    }

    fn boasting_hello(&self, rng: &mut Rng) -> Message {
        let hole = |log| Hole { log, first: 0, last: u64::MAX };
        Message::Hello(Hello {
            versions: (1, u16::MAX),
            space: self.space,
            roster_heads: vec![OpId(rng.array())],
            vector: self.absurd_vector(rng),
            holes: self.logs().into_iter().take(limits::HOLES_MAX).map(hole).collect(),
            checkpoints: vec![EntryId(rng.array())],
            reachable: Vec::new(),
        })
    }

    fn boasting_receipt(&self, rng: &mut Rng) -> Message {
        let receipt = Receipt {
            device: self.keys.id(),
            space: self.space,
            generation: Incarnation(rng.array()),
            counter: u64::MAX,
            vector: self.absurd_vector(rng),
            chunks: vec![ChunkId(rng.array())],
        };
        Message::Receipts(vec![receipt.sign(self.account, &self.keys)])
    }

    fn foreign_receipt(&self, rng: &mut Rng) -> Message {
        let others: Vec<DeviceId> = self.roster.state().devices.keys().copied().collect();
        let device = others.get(rng.index(others.len().max(1))).copied();
        let receipt = Receipt {
            device: device.unwrap_or(self.keys.id()),
            space: self.space,
            generation: Incarnation(rng.array()),
            counter: u64::MAX,
            vector: VersionVector::default(),
            chunks: Vec::new(),
        };
        Message::Receipts(vec![receipt.sign(self.account, &self.keys)])
    }

    fn wants(&self, rng: &mut Rng) -> Attack {
        let mut logs = self.logs();
        logs.push(LogId(rng.array()));
        let want = |log| vec![Message::Want { log, after: rng.below(3) }];
        let messages = logs.iter().copied().cycle().take(60).map(want).collect();
        Attack { name: "the same logs again and again", messages }
    }

    fn false_addresses(&self, rng: &mut Rng) -> Message {
        let mut reachable = Vec::new();
        for device in self.roster.state().devices.keys() {
            let address = |_| format!("/ip4/10.0.{}.{}/tcp/1", rng.byte(), rng.byte());
            reachable
                .push(Reachable { device: *device, addresses: (0..32).map(address).collect() });
        }
        reachable.push(Reachable { device: DeviceId(rng.array()), addresses: vec![String::new()] });
        Message::Reachable(reachable)
    }

    fn roster_ops(&self, rng: &mut Rng) -> Message {
        let stranger = DeviceId(rng.array());
        let other = DeviceKeys::from_seed(rng.array());
        let mut ops = vec![(0..rng.index(90)).map(|_| rng.byte()).collect()];
        // Signed by somebody who is nobody, and for somebody who is nobody.
        let all = Capabilities::READ | Capabilities::WRITE | Capabilities::ADMIN;
        for signer in [&other, &self.keys] {
            let signer = Signer::Device(signer);
            ops.push(roster::set_capabilities(&self.roster, signer, stranger, all));
        }
        if let Some(known) = self.roster.heads().first().and_then(|id| self.roster.bytes(id)) {
            let mut changed = known.to_vec();
            let index = rng.index(changed.len());
            if let Some(byte) = changed.get_mut(index) {
                *byte ^= 1 << rng.below(8);
            }
            ops.push(changed);
        }
        Message::Roster(ops)
    }

    /// Signs operations that it may sign, and that change nothing.
    fn roster_flood(&mut self) -> Attack {
        let mut ops = Vec::new();
        for _ in 0..260 {
            let all = Capabilities::READ | Capabilities::WRITE | Capabilities::ADMIN;
            let signer = Signer::Device(&self.keys);
            let op = roster::set_capabilities(&self.roster, signer, self.keys.id(), all);
            drop(self.roster.insert(&op));
            ops.push(op);
        }
        Attack { name: "a flood of the roster", messages: vec![vec![Message::Roster(ops)]] }
    }

    fn unordered(&self, rng: &mut Rng) -> Message {
        let count = 1 + rng.index(20);
        let mut entries = Vec::new();
        for _ in 0..count {
            let entry = self.entries.get(rng.index(self.entries.len()));
            entries.extend(entry.map(|entry| entry.bytes().to_vec()));
        }
        Message::Entries { urgent: true, entries }
    }

    fn damaged(&self, rng: &mut Rng) -> Message {
        let Message::Entries { urgent, mut entries } = self.unordered(rng) else {
            return Message::AskReceipt;
        };
        for entry in &mut entries {
            let index = rng.index(entry.len());
            if let Some(byte) = entry.get_mut(index) {
                *byte ^= 1 << rng.below(8);
            }
        }
        Message::Entries { urgent, entries }
    }

    /// Returns an entry at a place of a log, signed by this device.
    fn author(&self, plan: EntryPlan) -> Vec<u8> {
        let key = self.keyring.as_ref().and_then(|ring| ring.epoch_key(&plan.header.epoch));
        let key = key.copied().unwrap_or([0; 32]);
        Entry::author(self.account, &self.keys, &key, &plan).into_bytes()
    }

    /// Returns the header of the first entry of a new log of this device.
    fn header(&self, rng: &mut Rng) -> Header {
        let origin = Origin { device: self.keys.id(), incarnation: Incarnation(rng.array()) };
        let epoch = self.roster.state().writing_epoch().unwrap_or(EpochId([0; 32]));
        Header {
            kind: kind::CHANGES,
            space: self.space,
            log: origin.log(self.space),
            seq: 1,
            previous: EntryId([0; 32]),
            origin: Some(origin),
            roster_heads: self.roster.heads().into_iter().take(1).collect(),
            hlc: Hlc::from_wall_ms(rng.below(1 << 41)),
            epoch,
            seen: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Signs an entry at the end of somebody else's log.
    fn forged(&self, rng: &mut Rng, record: RecordId) -> Message {
        let Some(last) = self.entries.get(rng.index(self.entries.len())) else {
            return Message::AskReceipt;
        };
        let header = Header {
            log: last.header().log,
            seq: last.header().seq + 1,
            previous: last.id(),
            origin: None,
            ..self.header(rng)
        };
        let body = Body { parts: vec![Part { record, change: vec![0; 40] }] };
        Message::Entries { urgent: false, entries: vec![self.author(EntryPlan { header, body })] }
    }

    /// Signs two entries of which the second names another one before it.
    fn unchained(&self, rng: &mut Rng, record: RecordId) -> Message {
        let header = self.header(rng);
        let body = Body { parts: vec![Part { record, change: vec![3; 30] }] };
        let first = self.author(EntryPlan { header: header.clone(), body: body.clone() });
        let next = Header { seq: 2, previous: EntryId(rng.array()), origin: None, ..header };
        let second = self.author(EntryPlan { header: next, body });
        Message::Entries { urgent: false, entries: vec![first, second] }
    }

    /// Signs a log of changes that build on what nobody has.
    fn orphans(&self, rng: &mut Rng, record: RecordId) -> Message {
        let mut header = self.header(rng);
        let actor = actor_for(header.log, record);
        let mut entries = Vec::new();
        for seq in 1..=1 + rng.below(ORPHAN_ENTRIES_MAX) {
            let mut orphan = || Part { record, change: changes::orphan(actor, rng.bytes()) };
            let parts = (0..ORPHANS_PER_ENTRY).map(|_| orphan()).collect();
            header.seq = seq;
            let plan = EntryPlan { header: header.clone(), body: Body { parts } };
            let entry = self.author(plan);
            header.previous = EntryId(hash::plain(&entry[..entry.len() - SIGNATURE_BYTES]));
            header.origin = None;
            entries.push(entry);
        }
        Message::Entries { urgent: false, entries }
    }

    /// Signs two entries for one place, and shows everybody one of them.
    fn fork(&self, rng: &mut Rng, record: RecordId) -> Attack {
        let header = self.header(rng);
        let mut version = |change: Vec<u8>| {
            let body = Body { parts: vec![Part { record, change }] };
            let first = self.author(EntryPlan { header: header.clone(), body: body.clone() });
            let previous = EntryId(hash::plain(&first[..first.len() - SIGNATURE_BYTES]));
            let next = Header { seq: 2, previous, origin: None, ..header.clone() };
            let second = self.author(EntryPlan { header: next, body });
            Message::Entries { urgent: rng.chance(50), entries: vec![first, second] }
        };
        let versions = vec![version(vec![1; 30]), version(vec![2; 30])];
        Attack { name: "a log with two ends", messages: vec![versions] }
    }

    /// Signs an entry whose every part is absurd in some way.
    fn nonsense(&self, rng: &mut Rng, record: RecordId) -> Message {
        let mut header = self.header(rng);
        match rng.below(6) {
            0 => header.kind = rng.byte(),
            1 => header.epoch = EpochId(rng.array()),
            2 => header.hlc = Hlc::from_wall_ms(u64::MAX >> 20),
            3 => header.roster_heads = vec![OpId(rng.array()); 8],
            4 => header.seen = self.logs().into_iter().map(|log| (log, u64::MAX)).collect(),
            _ => {
                header.seq = u64::MAX;
                header.origin = None;
                header.previous = EntryId(rng.array());
            }
        }
        let body = Body { parts: vec![Part { record, change: vec![0x85, 0x6f, 0x4a, 0x83, 1] }] };
        Message::Entries { urgent: false, entries: vec![self.author(EntryPlan { header, body })] }
    }

    /// Signs an entry with changes of others, taken over or bent.
    fn crafted(&self, rng: &mut Rng, record: RecordId) -> Message {
        let header = self.header(rng);
        let mut parts = Vec::new();
        for _ in 0..1 + rng.index(20) {
            let part = self.entries.get(rng.index(self.entries.len())).and_then(|entry| {
                let key = self.keyring.as_ref()?.epoch_key(&entry.header().epoch)?;
                let body = entry.open(key).ok()?;
                body.parts.into_iter().next_back()
            });
            let Some(part) = part else { continue };
            let change = changes::bend(rng, part.change);
            let record = if rng.chance(70) { part.record } else { record };
            parts.push(Part { record, change });
        }
        let entries = vec![self.author(EntryPlan { header, body: Body { parts } })];
        Message::Entries { urgent: false, entries }
    }
}

/// Returns receipts in which the device's own claims more than it holds.
pub(crate) fn twist_receipts(
    rng: &mut Rng,
    account: AccountId,
    keys: &DeviceKeys,
    receipts: Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let twist = |bytes: Vec<u8>| match Receipt::verify(account, &bytes) {
        Ok(mut receipt) if receipt.device == keys.id() => {
            for tip in receipt.vector.tips.values_mut() {
                tip.seq = tip.seq.saturating_add(rng.below(9));
            }
            receipt.sign(account, keys)
        }
        Ok(_) | Err(_) => bytes,
    };
    receipts.into_iter().map(twist).collect()
}
