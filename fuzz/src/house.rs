//! A household in memory: an account, its devices' keys, and whole nodes.

use heirloom_base::{AccountId, DeviceId, Now};
use heirloom_core::command::{Answer, Command, Failure};
use heirloom_core::input::{CommandId, Effect, Input};
use heirloom_core::storage::{Lsn, MemoryStorage};
use heirloom_core::{Node, NodeConfig, founding};
use heirloom_identity::{
    DeviceKeys, Grant, Keyring, NewDevice, Phrase, Role, RootKeys, Roster, roster,
};
use std::sync::LazyLock;

/// The time at which everything happens.
pub const NOW: Now = Now { wall_ms: 1_795_000_000_000, mono_ms: 5 };

/// Effects that one input leads to at most: more is a node that never comes to rest.
const EFFECTS_MAX: usize = 100_000;

/// An account with two members and a blind keeper: devices 1, 2 and 3.
#[derive(Debug)]
pub struct House {
    /// The account's root keys.
    pub root: RootKeys,
    /// The signed operations, parents first.
    pub ops: Vec<Vec<u8>>,
    /// What they amount to.
    pub roster: Roster,
    /// The content keys as device 1 holds them.
    pub keyring: Keyring,
}

static HOUSE: LazyLock<House> = LazyLock::new(House::found);

impl House {
    /// Returns the one household.
    #[must_use]
    pub fn get() -> &'static Self {
        &HOUSE
    }

    fn found() -> Self {
        let root = phrase().root_keys();
        let first = keys(1);
        let member = Role::Member.capabilities();
        let (mut ops, keyring) = roster::genesis(&root, &first, "one", member, &[7; 32]);
        let mut roster = Roster::new(root.account_id());
        for op in &ops {
            roster.insert(op).expect("a genesis holds");
        }
        for (device, role) in [(2, Role::Member), (3, Role::BlindKeeper)] {
            let new = NewDevice::of(&keys(device), root.account_id(), role.capabilities(), "more");
            let signer = roster::Signer::Device(&first);
            let op = roster::add_device(&roster, &keyring, signer, &new, &[device; 32]);
            roster.insert(&op).expect("a member lets others in");
            ops.push(op);
        }
        Self { root, ops, roster, keyring }
    }

    /// Returns the account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.root.account_id()
    }
}

/// Returns the account's phrase.
#[must_use]
pub fn phrase() -> Phrase {
    Phrase::from_entropy([1; 16])
}

/// Returns a device's keys.
#[must_use]
pub fn keys(device: u8) -> DeviceKeys {
    DeviceKeys::from_seed([device; 32])
}

/// Returns the number of a device whose keys are known.
#[must_use]
pub fn number_of(device: DeviceId) -> Option<u8> {
    static IDS: LazyLock<Vec<DeviceId>> =
        LazyLock::new(|| (1..=9).map(|device| keys(device).id()).collect());
    let place = IDS.iter().position(|known| *known == device)?;
    u8::try_from(place + 1).ok()
}

/// One running node whose disk answers at once.
#[derive(Debug)]
pub struct Running {
    /// The node.
    pub node: Node,
    /// What it holds.
    pub storage: MemoryStorage,
    /// Frames that it sent, and to whom.
    pub sent: Vec<(DeviceId, Vec<u8>)>,
    /// Replies that came.
    pub replies: Vec<(CommandId, Result<Answer, Failure>)>,
    now: Now,
    commands: u64,
}

impl Running {
    /// Starts the node of a device for the first time.
    #[must_use]
    pub fn first(device: u8, networked: bool) -> Self {
        let house = House::get();
        let grant = Grant {
            account: house.account(),
            ops: house.ops.clone(),
            role: Role::Member,
            addresses: Vec::new(),
        };
        let mut storage = MemoryStorage::default();
        for (place, frame) in (1..).zip(founding::joined(&grant, [device; 32])) {
            storage.frames.insert(Lsn(place), frame);
        }
        let node = Node::open_empty(config(device, networked), house.account());
        let mut running = Self::around(node, storage);
        for (lsn, frame) in running.storage.frames.clone() {
            let replayed = running.node.replay(NOW, &mut running.storage, lsn, frame);
            replayed.expect("memory never fails");
        }
        running.start();
        running
    }

    /// Starts the node of a device over what it held.
    #[must_use]
    pub fn again(device: u8, networked: bool, storage: &MemoryStorage) -> Self {
        let mut storage = storage.clone();
        let opened = Node::open(NOW, config(device, networked), &mut storage);
        let mut running = Self::around(opened.expect("the index knows the account"), storage);
        running.start();
        running
    }

    fn around(node: Node, storage: MemoryStorage) -> Self {
        let (sent, replies) = (Vec::new(), Vec::new());
        Self { node, storage, sent, replies, now: NOW, commands: 0 }
    }

    fn start(&mut self) {
        self.node.start(NOW, &mut self.storage).expect("memory never fails");
        self.settle();
    }

    /// Gives the node an input and carries out what it asks for.
    ///
    /// # Panics
    /// When the node never comes to rest, or memory fails.
    pub fn input(&mut self, input: Input) {
        let handled = self.node.handle_input(self.now, &mut self.storage, input);
        handled.expect("memory never fails");
        self.settle();
    }

    /// Gives the node a command; returns the answer if it came at once.
    ///
    /// # Panics
    /// As [`Running::input`].
    pub fn ask(&mut self, command: Command) -> Option<Result<Answer, Failure>> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.input(Input::Command { id, command });
        let place = self.replies.iter().position(|(found, _)| *found == id)?;
        Some(self.replies.remove(place).1)
    }

    /// Lets time pass, with every timeout on the way.
    ///
    /// # Panics
    /// When a timeout is due again at once, or memory fails.
    pub fn wait(&mut self, milliseconds: u64) {
        let end = self.now.mono_ms.saturating_add(milliseconds);
        for _ in 0..100 {
            let Some(due) = self.node.poll_timeout().filter(|due| *due <= end) else { break };
            let passed = due.saturating_sub(self.now.mono_ms);
            self.now.mono_ms += passed;
            self.now.wall_ms = self.now.wall_ms.saturating_add(passed);
            self.node.handle_timeout(self.now, &mut self.storage).expect("memory never fails");
            let stuck = self.node.poll_timeout().is_some_and(|due| due <= self.now.mono_ms);
            assert!(!stuck, "a timeout is due again at once");
            self.settle();
        }
    }

    fn settle(&mut self) {
        for _ in 0..EFFECTS_MAX {
            let Some(effect) = self.node.poll_effect() else {
                while self.node.poll_event().is_some() {}
                return;
            };
            if let Effect::Append { id, chunks, frames } = effect {
                self.storage.chunks.extend(chunks);
                let mut lsns = Vec::new();
                for frame in frames {
                    let end = self.storage.frames.keys().next_back().map_or(0, |lsn| lsn.0);
                    self.storage.frames.insert(Lsn(end + 1), frame);
                    lsns.push(Lsn(end + 1));
                }
                let input = Input::Appended { id, result: Ok(lsns) };
                let handled = self.node.handle_input(self.now, &mut self.storage, input);
                handled.expect("memory never fails");
            } else if let Effect::Send { device, bytes } = effect {
                self.sent.push((device, bytes));
            } else if let Effect::Reply { id, result } = effect {
                self.replies.push((id, *result));
            }
        }
        panic!("the node never comes to rest");
    }
}

fn config(device: u8, networked: bool) -> NodeConfig {
    NodeConfig {
        device: keys(device),
        seed: [9; 32],
        networked,
        fresh_incarnation: false,
        arrears_from: 2,
        checkpoint_from: u64::MAX,
        checkpoint_quiet_ms: 1_000,
        place: None,
        grounds: Vec::new(),
    }
}
