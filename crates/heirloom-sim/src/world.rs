//! A household in one thread, on a clock that the world turns.

use crate::disk::{Loss, SimDisk};
use crate::faults::{Faults, Tally};
use crate::hostile::Malice;
use crate::rng::Rng;
use heirloom_base::{DeviceId, Now, hash};
use heirloom_core::command::{Answer, Command, Failure};
use heirloom_core::input::{CommandId, Effect, EffectId, HelloId, Input, PairingId};

pub use folders::Folder;
use heirloom_core::{Node, NodeConfig, Place};
use heirloom_identity::DeviceKeys;
use network::pair;
pub use power::{PowerCut, Survivors};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod claims;
mod disks;
mod folders;
mod malice;
mod network;
mod pairing;
mod power;

/// Events of one run, at most: a world that does not come to rest is a finding.
pub const INPUTS_MAX: u64 = 400_000;

/// Something that happens at a time.
#[derive(Debug)]
enum Happening {
    Deliver {
        from: usize,
        to: usize,
        life: (u64, u64),
        bytes: Vec<u8>,
    },
    Synced {
        device: usize,
        boot: u64,
        id: EffectId,
    },
    Fetched {
        device: usize,
        boot: u64,
        id: EffectId,
        from: DeviceId,
        chunks: Vec<heirloom_base::ChunkId>,
    },
    Connect {
        from: usize,
        to: usize,
    },
    Break {
        one: usize,
        other: usize,
    },
    Boot {
        device: usize,
    },
    /// A device that was frozen goes on with what came meanwhile.
    Handle {
        device: usize,
        boot: u64,
        input: Input,
    },
    /// Chunks are read, and those that decayed are found.
    Scrub {
        device: usize,
        boot: u64,
    },
}

/// A reply that has come.
pub type Reply = Result<Answer, Failure>;

/// One device of the household.
#[derive(Debug)]
pub struct Device {
    /// What people call it.
    pub name: String,
    /// Its keys.
    pub keys: DeviceKeys,
    /// Its disk.
    pub disk: SimDisk,
    /// Its running node.
    pub node: Option<Node>,
    /// How often it was started.
    boot: u64,
    /// How wrong its clock is.
    skew_ms: i64,
    /// Where its folder lies: a copy lies elsewhere.
    place: u8,
    /// Places that were used for it and its copies.
    places: u8,
    /// What its disk is known to have lost since the last start.
    damage: Damage,
    /// Until when it handles nothing.
    frozen_ms: u64,
    /// Until when its disk is full.
    full_ms: u64,
    /// Of 100 writes, so many do not fit then.
    full_percent: u64,
    /// Whether its next sync fails.
    sync_fails: bool,
    /// What it does to the others, if it is not honest.
    malice: Option<Malice>,
    /// What it sent of late: a hostile device says it again.
    said: VecDeque<Vec<u8>>,
    members: BTreeSet<DeviceId>,
    replies: BTreeMap<CommandId, Reply>,
    pairing_out: BTreeMap<PairingId, Vec<(Vec<u8>, bool)>>,
    hello_replies: BTreeMap<HelloId, Vec<u8>>,
    /// Devices to show itself to again.
    introductions: BTreeSet<DeviceId>,
}

/// The household and the network between its devices.
#[derive(Debug)]
pub struct World {
    /// The source of chance.
    pub rng: Rng,
    /// The devices, by number.
    pub devices: Vec<Device>,
    /// Milliseconds since the beginning.
    pub now_ms: u64,
    faults: Faults,
    queue: BTreeMap<(u64, u64), Happening>,
    ticket: u64,
    /// Open streams, with the boots of both ends.
    links: BTreeMap<(usize, usize), (u64, u64)>,
    /// Pairs that cannot reach each other, in this direction.
    cut: BTreeSet<(usize, usize)>,
    /// Until when everything between a pair is held up.
    thaws: BTreeMap<(usize, usize), u64>,
    next_command: u64,
    inputs: u64,
    trace: [u8; 32],
    operations: power::Operations,
    /// Devices and their starts in which a checkpoint was shown.
    previews: BTreeSet<(usize, u64)>,
    /// What went wrong.
    pub tally: Tally,
}

/// Time after a start, or after chunks decayed, in which that is found.
const SCRUB_MS: u64 = 20_000;

/// What a disk lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    Nothing,
    /// Nothing but a frame that was being written.
    TornEnd,
    /// Frames, and the index that was made from them.
    WithIndex,
    /// Frames that the index still knows.
    UnderIndex,
}

const WALL_MS: u64 = 1_795_000_000_000;

impl World {
    /// Returns an empty world.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            rng: Rng::new(seed),
            devices: Vec::new(),
            now_ms: 0,
            faults,
            queue: BTreeMap::new(),
            ticket: 0,
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            thaws: BTreeMap::new(),
            next_command: 0,
            inputs: 0,
            trace: [0; 32],
            operations: power::Operations::default(),
            previews: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    /// Returns the hash over everything that happened.
    #[must_use]
    pub fn trace(&self) -> [u8; 32] {
        self.trace
    }

    /// Returns the number of inputs that were handled.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Sets how hard the world is from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Puts a device into the world, switched off.
    pub fn add_device(&mut self, name: &str) -> usize {
        let keys = DeviceKeys::from_seed(self.rng.bytes());
        let skew = self.rng.below(self.faults.clock_skew_ms_max + 1);
        let skew_ms = signed(skew) - signed(self.faults.clock_skew_ms_max / 2);
        self.devices.push(Device {
            name: name.to_owned(),
            keys,
            disk: SimDisk::default(),
            node: None,
            boot: 0,
            skew_ms,
            place: 0,
            places: 0,
            damage: Damage::Nothing,
            frozen_ms: 0,
            full_ms: 0,
            full_percent: 0,
            sync_fails: false,
            malice: None,
            said: VecDeque::new(),
            members: BTreeSet::new(),
            replies: BTreeMap::new(),
            pairing_out: BTreeMap::new(),
            hello_replies: BTreeMap::new(),
            introductions: BTreeSet::new(),
        });
        self.devices.len() - 1
    }

    /// Returns a device's own time.
    #[must_use]
    pub fn now(&self, device: usize) -> Now {
        let skew = self.devices.get(device).map_or(0, |device| device.skew_ms);
        let wall_ms = signed(WALL_MS + self.now_ms) + skew;
        Now { wall_ms: u64::try_from(wall_ms).unwrap_or(0), mono_ms: self.now_ms }
    }

    /// Sets a device's clock, to run on from there.
    pub fn set_clock(&mut self, device: usize, wall_ms: u64) {
        let skew_ms = signed(wall_ms) - signed(WALL_MS + self.now_ms);
        if let Some(machine) = self.devices.get_mut(device) {
            machine.skew_ms = skew_ms;
        }
    }

    /// Returns the time that is right.
    #[must_use]
    pub fn right_wall_ms(&self) -> u64 {
        WALL_MS + self.now_ms
    }

    /// Makes a device hostile: its node goes on, but what it says is twisted.
    pub fn turn(&mut self, device: usize, malice: Malice) {
        if let Some(machine) = self.devices.get_mut(device) {
            machine.malice = Some(malice);
        }
    }

    /// Switches a device on: what its disk holds is replayed.
    pub fn boot(&mut self, device: usize) {
        let (now, seed) = (self.now(device), self.rng.bytes());
        let Some(machine) = self.devices.get_mut(device) else { return };
        machine.boot += 1;
        machine.frozen_ms = 0;
        let damage = std::mem::replace(&mut machine.damage, Damage::Nothing);
        match damage {
            Damage::Nothing | Damage::WithIndex => {}
            Damage::TornEnd => machine.disk.cut_torn_end(seed),
            Damage::UnderIndex => machine.disk.note_loss(seed),
        }
        let config = NodeConfig {
            device: machine.keys.clone(),
            seed,
            networked: true,
            fresh_incarnation: damage == Damage::WithIndex,
            arrears_from: 2,
            checkpoint_from: 8,
            checkpoint_quiet_ms: 1_000,
            place: Some(Place([machine.place; 16])),
            grounds: Vec::new(),
        };
        let mut node = open(now, config, &mut machine.disk);
        node.start(now, &mut machine.disk).expect("the simulated index never fails");
        machine.node = Some(node);
        let boot = machine.boot;
        self.carry_out(device);
        self.later(SCRUB_MS, Happening::Scrub { device, boot });
        for other in 0..self.devices.len() {
            self.connect_later(device, other);
        }
    }

    /// Switches a device off, as a power cut does.
    pub fn crash(&mut self, device: usize) {
        let mut loss = None;
        self.switch_off(device, |disk, rng| loss = Some(disk.crash(rng)));
        let machine = self.devices.get_mut(device);
        if let Some(machine) = machine.filter(|_| loss.is_some_and(|loss| loss.is_torn)) {
            machine.damage = machine.damage.max(Damage::TornEnd);
        }
        loss.into_iter().flat_map(Loss::faults).for_each(|fault| self.tally.note(fault));
    }

    /// Switches a device off; what its disk loses is given.
    fn switch_off(&mut self, device: usize, cut: impl FnOnce(&mut SimDisk, &mut Rng)) {
        self.hang_up(device);
        let rng = &mut self.rng;
        if let Some(machine) = self.devices.get_mut(device) {
            machine.node = None;
            cut(&mut machine.disk, rng);
            machine.replies.clear();
            machine.pairing_out.clear();
        }
    }

    /// Returns whether a device is on.
    #[must_use]
    pub fn is_on(&self, device: usize) -> bool {
        self.devices.get(device).is_some_and(|device| device.node.is_some())
    }

    /// Gives a command to a device that is on.
    pub fn command(&mut self, device: usize, command: Command) -> CommandId {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.input(device, Input::Command { id, command });
        id
    }

    /// Takes a reply that has come.
    pub fn reply(&mut self, device: usize, id: CommandId) -> Option<Reply> {
        self.devices.get_mut(device)?.replies.remove(&id)
    }

    /// Gives a command and lets time pass until it is answered.
    pub fn ask(&mut self, device: usize, command: Command) -> Option<Reply> {
        let id = self.command(device, command);
        let until = self.now_ms + 120_000;
        while self.is_on(device) && self.now_ms <= until {
            if let Some(reply) = self.reply(device, id) {
                return Some(reply);
            }
            if !self.step(until) {
                return self.reply(device, id);
            }
        }
        None
    }

    /// Lets time pass.
    pub fn run(&mut self, milliseconds: u64) {
        let until = self.now_ms + milliseconds;
        while self.step(until) {}
        self.now_ms = until;
    }

    /// Handles the next thing that happens before `until`; false if there is none.
    pub fn step(&mut self, until: u64) -> bool {
        assert!(self.inputs < INPUTS_MAX, "the household never comes to rest");
        let queued = self.queue.first_key_value().map(|((time, _), _)| *time);
        let timeouts = self.devices.iter().enumerate().filter_map(|(index, device)| {
            let earliest = device.frozen_ms.max(self.now_ms);
            device.node.as_ref()?.poll_timeout().map(|due| (due.max(earliest), index))
        });
        let timeout = timeouts.min();
        match (queued, timeout) {
            (Some(time), due) if time <= until && due.is_none_or(|(due, _)| time <= due) => {
                self.now_ms = self.now_ms.max(time);
                if let Some((_, happening)) = self.queue.pop_first() {
                    self.happen(happening);
                }
                true
            }
            (_, Some((due, device))) if due <= until => {
                self.now_ms = due;
                self.wake(device);
                true
            }
            _ => false,
        }
    }

    fn wake(&mut self, device: usize) {
        let now = self.now(device);
        self.note(device, b"timeout");
        let Some(machine) = self.devices.get_mut(device) else { return };
        if let Some(node) = &mut machine.node {
            let before = node.poll_timeout();
            node.handle_timeout(now, &mut machine.disk).expect("the simulated index never fails");
            let stuck = node.poll_timeout().is_some_and(|due| due <= now.mono_ms);
            assert!(!stuck, "{}: timeout {before:?} is due again at {now:?}", machine.name);
        }
        self.carry_out(device);
    }

    /// Gives an input to a device that is on.
    pub fn input(&mut self, device: usize, input: Input) {
        if let Some((boot, thaw_ms)) = self.frozen(device) {
            return self.later(thaw_ms - self.now_ms, Happening::Handle { device, boot, input });
        }
        let now = self.now(device);
        let text = format!("{input:?}");
        self.note(device, text.as_bytes());
        let Some(machine) = self.devices.get_mut(device) else { return };
        if let Some(node) = &mut machine.node {
            // As in life, what comes at the same time is sometimes answered together.
            let taken = match self.trace.first().is_some_and(|byte| byte % 2 == 0) {
                true => node.take_in(now, &mut machine.disk, input),
                false => node.handle_input(now, &mut machine.disk, input),
            };
            taken.expect("the simulated index never fails");
        }
        self.carry_out(device);
    }

    fn note(&mut self, device: usize, what: &[u8]) {
        self.inputs += 1;
        let parts: [&[u8]; 4] =
            [&self.trace, &self.now_ms.to_le_bytes(), &(device as u64).to_le_bytes(), what];
        self.trace = hash::content("trace", &parts);
    }

    fn carry_out(&mut self, device: usize) {
        while let Some(effect) = self.next_effect(device) {
            self.effect(device, effect);
        }
        if let Some(machine) = self.devices.get(device).filter(|_| self.shows_preview(device)) {
            self.previews.insert((device, machine.boot));
        }
    }

    /// Returns whether a device shows a checkpoint whose entries are not here.
    #[must_use]
    pub fn shows_preview(&self, device: usize) -> bool {
        let node = self.devices.get(device).and_then(|machine| machine.node.as_ref());
        node.is_some_and(Node::shows_preview)
    }

    /// Returns in how many starts of devices a checkpoint was shown.
    #[must_use]
    pub fn previews(&self) -> u64 {
        self.previews.len() as u64
    }

    fn next_effect(&mut self, device: usize) -> Option<Effect> {
        let node = self.devices.get_mut(device)?.node.as_mut()?;
        while node.poll_event().is_some() {}
        node.poll_effect()
    }

    fn effect(&mut self, device: usize, effect: Effect) {
        let Some(machine) = self.devices.get_mut(device) else { return };
        let boot = machine.boot;
        match effect {
            Effect::Append { id, chunks, frames } => {
                machine.disk.begin(id, chunks, frames);
                if self.has_power(device) {
                    self.sync_later(device, boot, id);
                }
            }
            Effect::Send { device: to, bytes } => self.send(device, to, bytes),
            Effect::Fetch { id, device: from, chunks } => {
                let delay = 1 + self.rng.below(self.faults.latency_ms_max + 1);
                self.later(delay, Happening::Fetched { device, boot, id, from, chunks });
            }
            Effect::Dial { device: to, .. } => {
                if let Some(to) = self.number(to) {
                    self.connect_later(device, to);
                }
            }
            Effect::SetMembers { devices, .. } => machine.members = devices,
            Effect::SetPairing { .. } | Effect::ForgetLost { .. } => {}
            Effect::PairingSend { id, bytes, last } => {
                machine.pairing_out.entry(id).or_default().push((bytes, last));
            }
            Effect::HelloReply { id, bytes } => {
                machine.hello_replies.insert(id, bytes);
            }
            Effect::Introduce { device: to } => {
                machine.introductions.insert(to);
            }
            Effect::Disconnect { device: to } => {
                if let Some(to) = self.number(to) {
                    self.break_link(device, to);
                }
            }
            Effect::Reply { id, result } => {
                machine.replies.insert(id, *result);
            }
        }
    }

    /// Syncs end in the order in which they were asked for.
    fn sync_later(&mut self, device: usize, boot: u64, id: EffectId) {
        let of_device = |happening: &Happening| matches!(happening, Happening::Synced { device: other, .. } if *other == device);
        let last = self
            .queue
            .iter()
            .filter(|(_, happening)| of_device(happening))
            .map(|((time, _), _)| *time);
        let earliest = last.max().unwrap_or(0).max(self.now_ms);
        let delay = earliest - self.now_ms + self.rng.below(self.faults.disk_ms_max + 1);
        self.later(delay, Happening::Synced { device, boot, id });
    }

    fn later(&mut self, delay_ms: u64, happening: Happening) {
        self.ticket += 1;
        self.queue.insert((self.now_ms + delay_ms, self.ticket), happening);
    }

    /// Returns the number of the device with an identity.
    #[must_use]
    pub fn number(&self, device: DeviceId) -> Option<usize> {
        self.devices.iter().position(|machine| machine.keys.id() == device)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver { from, to, life, bytes } => {
                if self.links.get(&pair(from, to)) == Some(&life) {
                    let device = self.devices.get(from).map(|device| device.keys.id());
                    if let Some(device) = device {
                        self.input(to, Input::Frame { device, bytes });
                    }
                }
            }
            Happening::Synced { device, boot, id } => self.synced(device, boot, id),
            Happening::Fetched { device, boot, id, from, chunks } => {
                self.fetched(device, boot, id, from, &chunks);
            }
            Happening::Connect { from, to } => self.dialled(from, to),
            Happening::Break { one, other } => self.break_link(one, other),
            Happening::Boot { device } => {
                if !self.is_on(device) {
                    self.boot(device);
                }
            }
            Happening::Handle { device, boot, input } => {
                if self.boot_of(device) == boot {
                    self.input(device, input);
                }
            }
            Happening::Scrub { device, boot } => self.scrub(device, boot),
        }
    }
}

fn signed(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

/// Opens a node over a disk, as the daemon does: by the index, else by replay.
fn open(now: Now, config: NodeConfig, disk: &mut SimDisk) -> Node {
    let applied = Node::applied(disk).expect("the simulated index never fails");
    let mut node = match applied {
        Some(_) => Node::open(now, config, disk).expect("the index knows the account"),
        None => {
            let frames = disk.frames_after(None);
            let account = frames.iter().find_map(|(_, frame)| Node::account_in(frame));
            Node::open_empty(config, account.expect("a founded folder names its account"))
        }
    };
    for (lsn, frame) in disk.frames_after(applied) {
        node.replay(now, disk, lsn, frame).expect("the simulated index never fails");
    }
    node
}

#[cfg(test)]
mod tests;
