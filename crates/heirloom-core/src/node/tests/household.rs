//! Several devices in memory, whose disks and wires answer at once.

use super::super::*;
use crate::command::Level;
use crate::founding;
use crate::input::HelloId;
use crate::storage::MemoryStorage;
use heirloom_base::{Decode as _, Encode as _};
use heirloom_identity::{Grant, Joiner, PairingError, Phrase, Recoverer, Role, Step, parse_code};
use heirloom_sync::Message;

pub(super) type Reply = Result<Answer, Failure>;

/// One device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) keys: DeviceKeys,
    pub(super) storage: MemoryStorage,
    pub(super) node: Option<Node>,
    boots: u8,
    pub(super) events: Vec<Event>,
    pub(super) dials: Vec<(DeviceId, Vec<String>)>,
    pub(super) disconnects: Vec<DeviceId>,
    pub(super) hellos: Vec<Vec<u8>>,
    pub(super) introductions: Vec<DeviceId>,
    /// Lost chunks of which nobody speaks any more.
    pub(super) forgotten: BTreeSet<ChunkId>,
    pairing: VecDeque<Vec<u8>>,
    pub(super) replies: BTreeMap<CommandId, Reply>,
}

/// The devices and the wires between them.
#[derive(Debug)]
pub(super) struct House {
    pub(super) devices: Vec<Device>,
    pub(super) now: Now,
    /// Whether chunks can be fetched.
    pub(super) fetching: bool,
    /// Whether entries travel in their turn.
    pub(super) streaming: bool,
    /// From how many entries on a checkpoint is made.
    pub(super) checkpoint_from: u64,
    links: BTreeSet<(usize, usize)>,
    inputs: VecDeque<(usize, Input)>,
    pub(super) ticket: u64,
}

pub(super) fn phrase() -> Phrase {
    Phrase::from_entropy([1; 16])
}

pub(super) fn texts(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

pub(super) fn wait(level: Level) -> Wait {
    Wait { level, timeout_ms: 5_000 }
}

impl House {
    /// Makes devices, of which the first has founded an account.
    pub(super) fn founded(names: &[&str]) -> Self {
        let device = |(number, name): (usize, &&str)| Device {
            name: (*name).to_owned(),
            keys: DeviceKeys::from_seed([40 + number as u8; 32]),
            storage: MemoryStorage::default(),
            node: None,
            boots: 0,
            events: Vec::new(),
            dials: Vec::new(),
            disconnects: Vec::new(),
            hellos: Vec::new(),
            introductions: Vec::new(),
            forgotten: BTreeSet::new(),
            pairing: VecDeque::new(),
            replies: BTreeMap::new(),
        };
        let mut house = Self {
            devices: names.iter().enumerate().map(device).collect(),
            now: Now { wall_ms: 1_795_000_000_000, mono_ms: 5 },
            fetching: true,
            streaming: true,
            checkpoint_from: u64::MAX,
            links: BTreeSet::new(),
            inputs: VecDeque::new(),
            ticket: 0,
        };
        let first = &mut house.devices[0];
        let root = phrase().root_keys();
        let frames = founding::found(&root, &first.keys, &first.name, Role::Member, [2; 32]);
        house.move_in(0, frames);
        house
    }

    /// Makes members that are all connected with each other.
    pub(super) fn of(names: &[&str]) -> Self {
        let mut house = Self::founded(names);
        for device in 1..names.len() {
            house.join(device, 0, Role::Member).unwrap();
            for other in 0..device {
                house.connect(device, other);
            }
        }
        house.pass(3_000);
        house
    }

    /// Makes a member and a device of another role that are connected.
    pub(super) fn with(role: Role) -> Self {
        let mut house = Self::founded(&["phone", "box"]);
        house.join(1, 0, role).unwrap();
        house.connect(0, 1);
        house.pass(3_000);
        house
    }

    fn move_in(&mut self, device: usize, frames: Vec<Frame>) {
        let storage = &mut self.devices[device].storage;
        for (place, frame) in frames.into_iter().enumerate() {
            storage.frames.insert(Lsn(place as u64 + 1), frame);
        }
        self.boot(device);
    }

    /// Switches a device on, or off and on again.
    pub(super) fn boot(&mut self, device: usize) {
        for other in 0..self.devices.len() {
            self.cut(device, other);
        }
        let now = self.now;
        let machine = &mut self.devices[device];
        machine.boots += 1;
        let config = NodeConfig {
            device: machine.keys.clone(),
            seed: [machine.boots.wrapping_mul(16) + device as u8; 32],
            networked: true,
            fresh_incarnation: false,
            arrears_from: 2,
            checkpoint_from: self.checkpoint_from,
            checkpoint_quiet_ms: 1_000,
            place: None,
            grounds: Vec::new(),
        };
        let storage = &mut machine.storage;
        let applied = Node::applied(storage).unwrap();
        let mut node = match applied {
            Some(_) => Node::open(now, config, storage).unwrap(),
            None => {
                let account = storage.frames.values().find_map(Node::account_in).unwrap();
                Node::open_empty(config, account)
            }
        };
        let lost = storage.frames.clone().into_iter().filter(|(lsn, _)| Some(*lsn) > applied);
        for (lsn, frame) in lost {
            node.replay(now, storage, lsn, frame).unwrap();
        }
        node.start(now, storage).unwrap();
        machine.node = Some(node);
        self.carry_out(device);
        self.run();
    }

    pub(super) fn node(&self, device: usize) -> &Node {
        self.devices[device].node.as_ref().expect("the device is on")
    }

    pub(super) fn id(&self, device: usize) -> DeviceId {
        self.devices[device].keys.id()
    }

    fn number(&self, device: DeviceId) -> Option<usize> {
        self.devices.iter().position(|machine| machine.keys.id() == device)
    }

    /// Gives an input and everything that follows from it.
    pub(super) fn input(&mut self, device: usize, input: Input) {
        self.inputs.push_back((device, input));
        self.run();
    }

    /// Lets a device hear of something and do nothing about it yet; returns what it
    /// wants done meanwhile.
    pub(super) fn take_in(&mut self, device: usize, input: Input) -> Vec<Effect> {
        let machine = &mut self.devices[device];
        let node = machine.node.as_mut().expect("the device is on");
        node.take_in(self.now, &mut machine.storage, input).unwrap();
        std::iter::from_fn(|| node.poll_effect()).collect()
    }

    /// Lets a device do what is due; returns what it wants done.
    pub(super) fn turn(&mut self, device: usize) -> Vec<Effect> {
        let machine = &mut self.devices[device];
        let node = machine.node.as_mut().expect("the device is on");
        node.handle_timeout(self.now, &mut machine.storage).unwrap();
        std::iter::from_fn(|| node.poll_effect()).collect()
    }

    /// Lets a device hear a message of another.
    pub(super) fn hear(&mut self, device: usize, from: usize, message: &Message) {
        let from = self.id(from);
        self.input(device, Input::Frame { device: from, bytes: message.to_bytes() });
    }

    /// Lets a device hear the whole log of another, and nothing else.
    pub(super) fn hear_log(&mut self, device: usize, author: usize) {
        let from = self.id(author);
        let log = self.node(author).journal.log().expect("it wrote something");
        let frames = self.devices[author].storage.frames.values();
        let entries = frames.filter_map(|frame| Entry::parse(frame.payload.clone()).ok());
        let entries: Vec<Vec<u8>> =
            entries.filter(|entry| entry.header().log == log).map(Entry::into_bytes).collect();
        self.input(device, Input::PeerUp { device: from });
        self.hear(device, author, &Message::Entries { urgent: false, entries });
    }

    fn run(&mut self) {
        let mut steps = 0;
        while let Some((device, input)) = self.inputs.pop_front() {
            steps += 1;
            assert!(steps < 20_000, "the household comes to rest");
            let now = self.now;
            let machine = &mut self.devices[device];
            let Some(node) = machine.node.as_mut() else { continue };
            node.handle_input(now, &mut machine.storage, input).unwrap();
            self.carry_out(device);
        }
    }

    fn carry_out(&mut self, device: usize) {
        let node = self.devices[device].node.as_mut().expect("the device is on");
        let events: Vec<Event> = std::iter::from_fn(|| node.poll_event()).collect();
        let effects: Vec<Effect> = std::iter::from_fn(|| node.poll_effect()).collect();
        self.devices[device].events.extend(events);
        for effect in effects {
            self.effect(device, effect);
        }
    }

    fn effect(&mut self, device: usize, effect: Effect) {
        let own = self.id(device);
        let machine = &mut self.devices[device];
        match effect {
            Effect::Append { id, chunks, frames } => {
                machine.storage.chunks.extend(chunks);
                let end = machine.storage.frames.keys().next_back().map_or(0, |lsn| lsn.0);
                let lsns: Vec<Lsn> = (end + 1..).take(frames.len()).map(Lsn).collect();
                machine.storage.frames.extend(lsns.iter().copied().zip(frames));
                self.inputs.push_back((device, Input::Appended { id, result: Ok(lsns) }));
            }
            Effect::Send { device: to, bytes } => {
                let is_withheld = !self.streaming
                    && matches!(Message::from_bytes(&bytes), Ok(Message::Entries { .. }));
                let to = self.number(to).filter(|to| self.is_linked(device, *to) && !is_withheld);
                if let Some(to) = to {
                    self.inputs.push_back((to, Input::Frame { device: own, bytes }));
                }
            }
            Effect::Fetch { id, device: from, chunks } => {
                let arrived = self.transfer(device, from, &chunks);
                let is_linked = self.number(from).is_some_and(|from| self.is_linked(device, from));
                let mut lacked = chunks;
                lacked.retain(|chunk| is_linked && self.fetching && !arrived.contains(chunk));
                let input = Input::Fetched { id, chunks: arrived, lacked, wrong: Vec::new() };
                self.inputs.push_back((device, input));
            }
            Effect::Introduce { device } => machine.introductions.push(device),
            Effect::Dial { device, addresses, .. } => machine.dials.push((device, addresses)),
            Effect::SetMembers { .. } | Effect::SetPairing { .. } => {}
            Effect::ForgetLost { chunks } => machine.forgotten.extend(chunks),
            Effect::PairingSend { bytes, .. } => machine.pairing.push_back(bytes),
            Effect::HelloReply { bytes, .. } => machine.hellos.push(bytes),
            Effect::Disconnect { device: other } => {
                machine.disconnects.push(other);
                if let Some(other) = self.number(other) {
                    self.cut(device, other);
                }
            }
            Effect::Reply { id, result } => {
                machine.replies.insert(id, *result);
            }
        }
    }

    fn transfer(&mut self, to: usize, from: DeviceId, chunks: &[ChunkId]) -> Vec<ChunkId> {
        let from = self.number(from).filter(|from| self.is_linked(to, *from));
        let Some(from) = from.filter(|_| self.fetching) else { return Vec::new() };
        let held = &self.devices[from].storage.chunks;
        let found: Vec<(ChunkId, Vec<u8>)> =
            chunks.iter().filter_map(|id| Some((*id, held.get(id)?.clone()))).collect();
        let ids = found.iter().map(|(id, _)| *id).collect();
        self.devices[to].storage.chunks.extend(found);
        ids
    }

    fn is_linked(&self, one: usize, other: usize) -> bool {
        self.links.contains(&(one.min(other), one.max(other)))
    }

    /// Connects two devices; the first shows the other that it belongs here.
    pub(super) fn connect(&mut self, one: usize, other: usize) {
        let (first, second) = (self.id(one), self.id(other));
        self.ticket += 1;
        let (id, bytes) = (HelloId(self.ticket), self.node(one).presentation(second));
        self.input(other, Input::Hello { id, device: first, bytes });
        self.links.insert((one.min(other), one.max(other)));
        self.inputs.push_back((one, Input::PeerUp { device: second }));
        self.inputs.push_back((other, Input::PeerUp { device: first }));
        self.run();
    }

    pub(super) fn cut(&mut self, one: usize, other: usize) {
        if self.links.remove(&(one.min(other), one.max(other))) {
            let (first, second) = (self.id(one), self.id(other));
            self.inputs.push_back((one, Input::PeerDown { device: second }));
            self.inputs.push_back((other, Input::PeerDown { device: first }));
            self.run();
        }
    }

    /// Lets time pass, second by second and at every moment that is due.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let until = self.now.mono_ms + milliseconds;
        for _ in 0..10_000 {
            let nodes = self.devices.iter().filter_map(|device| device.node.as_ref());
            let due = nodes.filter_map(Node::poll_timeout).min().unwrap_or(u64::MAX);
            let at = due.max(self.now.mono_ms).min(until);
            self.now.wall_ms += at - self.now.mono_ms;
            self.now.mono_ms = at;
            if due > until {
                return;
            }
            let now = self.now;
            for device in 0..self.devices.len() {
                let machine = &mut self.devices[device];
                let Some(node) = machine.node.as_mut() else { continue };
                if node.poll_timeout().is_some_and(|due| due <= now.mono_ms) {
                    node.handle_timeout(now, &mut machine.storage).unwrap();
                    let next = node.poll_timeout();
                    assert!(next.is_none_or(|due| due > now.mono_ms), "due again at once");
                    self.carry_out(device);
                }
            }
            self.run();
        }
        panic!("time does not pass");
    }

    pub(super) fn join(
        &mut self,
        device: usize,
        inviter: usize,
        role: Role,
    ) -> Result<(), PairingError> {
        let (link, _) = self.invite(inviter, role);
        self.join_by(device, inviter, &link)
    }

    /// Pairs by a code, and switches the new device on.
    pub(super) fn join_by(
        &mut self,
        device: usize,
        inviter: usize,
        code: &str,
    ) -> Result<(), PairingError> {
        let (keys, name) = (self.devices[device].keys.clone(), self.devices[device].name.clone());
        self.ticket += 1;
        let (code, random) = (parse_code(code).unwrap(), [self.ticket as u8; 32]);
        let (mut joiner, first) = Joiner::new(code, keys, &name, self.id(inviter), random);
        let grant = self.converse(device, inviter, first, &mut |bytes| joiner.handle(bytes))?;
        self.move_in(device, founding::joined(&grant, [60 + device as u8; 32]));
        Ok(())
    }

    /// Comes in by a phrase, and switches the new device on.
    pub(super) fn recover(
        &mut self,
        device: usize,
        from: usize,
        phrase: &Phrase,
    ) -> Result<(), PairingError> {
        let (keys, name) = (self.devices[device].keys.clone(), self.devices[device].name.clone());
        self.ticket += 1;
        let (root, random) = (phrase.root_keys(), [self.ticket as u8; 32]);
        let (mut recoverer, first) = Recoverer::new(root, keys, &name, self.id(from), random);
        let grant = self.converse(device, from, first, &mut |bytes| recoverer.handle(bytes))?;
        self.move_in(device, founding::joined(&grant, [60 + device as u8; 32]));
        Ok(())
    }

    fn converse(
        &mut self,
        device: usize,
        responder: usize,
        first: Vec<u8>,
        handle: &mut dyn FnMut(&[u8]) -> Step,
    ) -> Result<Grant, PairingError> {
        let (id, own) = (PairingId(self.ticket), self.id(device));
        self.devices[responder].pairing.clear();
        self.input(responder, Input::Pairing { id, device: own, bytes: first });
        while let Some(bytes) = self.devices[responder].pairing.pop_front() {
            match handle(&bytes) {
                Step::Send(bytes) => {
                    self.input(responder, Input::Pairing { id, device: own, bytes });
                }
                Step::Wait => {}
                Step::Done(grant) => return Ok(*grant),
                Step::Failed(error) => return Err(error),
            }
        }
        Err(PairingError::Closed)
    }
}
