//! One household's story under one seed, and the promises it must keep.

use crate::faults::{Faults, Tally};
use crate::hostile::Malice;
use crate::rng::Rng;
use crate::world::{Folder, Reply, World};
use heirloom_base::id::to_hex;
use heirloom_core::command::{Answer, Command, ImportItem, Level, Wait};
use heirloom_identity::{Phrase, Role};
use std::collections::{BTreeMap, BTreeSet};

mod accidents;
mod checks;

/// Things that users and accidents do in one story.
const STEPS: u64 = 30;
/// Time after the last accident within which everybody must be level.
const SETTLE_MS: u64 = 600_000;
/// Time of that in which is looked at who accuses whom.
const WATCHED_MS: u64 = 120_000;
/// A text that must never be readable where there is no key.
const CANARY: &str = "canary";

/// What one run showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Hash over everything that happened.
    pub trace: String,
    /// Inputs that were handled.
    pub inputs: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Writes that were answered.
    pub answered: u64,
    /// Crashes.
    pub crashes: u64,
    /// Devices that were wiped and restored.
    pub restores: u64,
    /// Folders that were put back or that took turns.
    pub copies: u64,
    /// Entries that rotted on a disk, and ends of logs that were lost.
    pub rotten: u64,
    /// Chunks that decayed.
    pub decayed: u64,
    /// Checkpoints that are held in the end.
    pub checkpoints: u64,
    /// Starts of devices in which a checkpoint was shown.
    pub previews: u64,
    /// What a hostile device did.
    pub attacks: BTreeSet<&'static str>,
    /// What went wrong.
    pub tally: Tally,
}

/// A write that was answered: its text must never be lost.
#[derive(Debug, Clone)]
struct Write {
    record: String,
    text: String,
    device: usize,
    /// Whether the keeper, which is never lost, had acknowledged it.
    on_keeper: bool,
    /// Whether the device that wrote it is lost.
    orphaned: bool,
}

struct Story {
    world: World,
    rng: Rng,
    phrase: Phrase,
    members: Vec<usize>,
    keeper: usize,
    blind: bool,
    kind: Kind,
    /// A device that is not honest.
    hostile: Option<(usize, Malice)>,
    /// A copy of a member's folder, to be put back.
    copy: Option<(usize, Folder)>,
    /// A member's file system as it was, to be rolled back to.
    snapshot: Option<(usize, Folder)>,
    /// The folder of a member's clone, which takes turns with the member.
    twin: Option<(usize, Folder)>,
    records: Vec<String>,
    /// Records that somebody deleted at some time. An edit brings one back, but
    /// the edit may be lost with its device.
    deleted: BTreeSet<String>,
    writes: Vec<Write>,
    report: Report,
}

/// Plays the story of a seed.
///
/// # Panics
/// When a promise is broken; the message names the seed.
#[must_use]
pub fn play(seed: u64) -> Report {
    play_on(seed, Kind::Usual)
}

/// Plays the story of a seed in a household in which nobody is hostile and every
/// folder stays whole and in its place: nobody is accused of anything in it.
///
/// # Panics
/// As [`play`].
#[must_use]
pub fn play_whole(seed: u64) -> Report {
    play_on(seed, Kind::Whole)
}

/// What can happen in a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Everything.
    Usual,
    /// Everything, and disks acknowledge what they forget.
    LyingDisks,
    /// Nothing that changes a folder, and nobody is hostile.
    Whole,
}

/// Plays the story of a seed.
fn play_on(seed: u64, kind: Kind) -> Report {
    let mut rng = Rng::new(seed);
    let faults = Faults {
        loss_percent: rng.below(8),
        duplicate_percent: rng.below(30),
        reorder_percent: rng.below(30),
        sever_permille: rng.below(20),
        stall_permille: rng.below(6),
        refuse_percent: rng.below(30),
        latency_ms_max: 1 + rng.below(400),
        disk_ms_max: 1 + rng.below(60),
        clock_skew_ms_max: if rng.chance(30) { 600_000_000_000 } else { 5_000 },
        lying_disk: kind == Kind::LyingDisks,
    };
    let mut story = Story::begin(seed, rng, faults, kind);
    for _ in 0..STEPS {
        story.step();
    }
    story.settle();
    story.check();
    story.restore_from_every_peer();
    story.report.trace = to_hex(&story.world.trace());
    story.report.inputs = story.world.inputs();
    story.report.previews = story.world.previews();
    story.report.tally = std::mem::take(&mut story.world.tally);
    story.report.simulated_ms = story.world.now_ms;
    story.report
}

impl Story {
    fn begin(seed: u64, mut rng: Rng, faults: Faults, kind: Kind) -> Self {
        let mut world = World::new(seed, faults.without_losses());
        let phone = world.add_device("canaryPhone");
        let laptop = world.add_device("canaryLaptop");
        let keeper = world.add_device("canaryKeeper");
        let phrase = world.found(phone);
        let blind = rng.chance(50);
        world.join(keeper, phone, if blind { Role::BlindKeeper } else { Role::Keeper });
        world.join(laptop, phone, Role::Member);
        let hostile = match seed % 4 {
            _ if kind == Kind::Whole => None,
            2 => {
                let guest = world.add_device("canaryGuest");
                world.join(guest, phone, Role::Member);
                Some((guest, Malice::Member))
            }
            3 => Some((keeper, Malice::Keeper)),
            _ => None,
        };
        world.run(5_000);
        if let Some((device, malice)) = hostile {
            world.turn(device, malice);
        }
        world.set_faults(faults);
        let report = Report {
            seed,
            trace: String::new(),
            inputs: 0,
            simulated_ms: 0,
            answered: 0,
            crashes: 0,
            restores: 0,
            copies: 0,
            rotten: 0,
            decayed: 0,
            checkpoints: 0,
            previews: 0,
            attacks: BTreeSet::new(),
            tally: Tally::default(),
        };
        Self {
            world,
            rng,
            phrase,
            members: vec![phone, laptop],
            keeper,
            blind,
            kind,
            hostile,
            copy: None,
            snapshot: None,
            twin: None,
            records: Vec::new(),
            deleted: BTreeSet::new(),
            writes: Vec::new(),
            report,
        }
    }

    fn step(&mut self) {
        if self.rng.chance(40) {
            self.attack();
        }
        match self.rng.below(33) {
            0..=6 => self.edit(),
            7..=9 => self.add(),
            10 => self.import(),
            11 => self.delete(),
            12..=13 => self.partition(),
            14 => self.world.heal(),
            15..=16 => self.crash(),
            17 => self.restart(),
            18..=22 | 27..=28 | 32 if self.kind == Kind::Whole => self.freeze_link(),
            18 => self.wipe(),
            19 => self.put_back(),
            20..=21 => self.clone_member(),
            22 => self.rot(),
            23..=24 => self.set_clock(),
            25 => self.fill_disk(),
            26 => self.fail_sync(),
            27 => self.lose_end(),
            28 => self.decay(),
            29 => self.freeze(),
            30 => self.kill(),
            31 => self.freeze_link(),
            _ => self.roll_back(),
        }
        let pause = self.rng.below(4_000);
        self.watch(pause);
    }

    fn member(&mut self) -> usize {
        let index = self.rng.index(self.members.len());
        self.members.get(index).copied().expect("the index is below the length")
    }

    fn wait(&mut self) -> Wait {
        let level = match self.rng.below(4) {
            0 => Level::Peer(1),
            1 => Level::Keeper,
            _ => Level::Local,
        };
        Wait { level, timeout_ms: 3_000 }
    }

    /// Gives a write to a device; remembers it if it is answered.
    fn write(
        &mut self,
        device: usize,
        text: &str,
        command: Command,
        asked: Level,
    ) -> Option<String> {
        let answer = if self.rng.chance(20) {
            self.write_into_a_crash(device, command)?
        } else {
            self.world.ask(device, command)?
        };
        let Ok(Answer::Saved { id, reached }) = answer else { return None };
        self.report.answered += 1;
        let is_honest = !matches!(self.hostile, Some((_, Malice::Keeper)));
        let on_keeper = reached && asked == Level::Keeper && is_honest;
        let (record, text) = (id.clone(), text.to_owned());
        self.writes.push(Write { record, text, device, on_keeper, orphaned: false });
        Some(id)
    }

    /// Crashes the device within a few happenings of a command: crashes at
    /// random times almost never meet the moment between an answer and the disk.
    fn write_into_a_crash(&mut self, device: usize, command: Command) -> Option<Reply> {
        let id = self.world.command(device, command);
        let mut answer = self.world.reply(device, id);
        for _ in 0..self.rng.below(12) {
            if answer.is_some() {
                break;
            }
            self.world.step(self.world.now_ms + 1_000);
            answer = self.world.reply(device, id);
        }
        self.report.crashes += 1;
        self.world.crash(device);
        self.world.boot(device);
        answer
    }

    fn add(&mut self) {
        let device = self.member();
        self.add_on(device);
    }

    fn add_on(&mut self, device: usize) {
        let wait = self.wait();
        if !self.world.is_on(device) {
            return;
        }
        let text = format!("{CANARY}-{}", self.writes.len());
        // A long body is born in several changes.
        let body = "one two three ".repeat(if self.rng.chance(10) { 400 } else { 1 });
        let assignments = vec![format!("title={text}"), format!("body={body}")];
        let command = Command::Add { category: "notes".into(), assignments, wait };
        if let Some(id) = self.write(device, &text, command, wait.level) {
            self.records.push(id);
        }
    }

    fn edit(&mut self) {
        let (device, wait) = (self.member(), self.wait());
        if self.records.is_empty() || !self.world.is_on(device) {
            return self.add();
        }
        let index = self.rng.index(self.records.len());
        let Some(id) = self.records.get(index).cloned() else { return };
        let text = format!("{CANARY}-{}", self.writes.len());
        let assignments = vec![format!("title={text}")];
        let command = Command::Set { category: "notes".into(), id, assignments, wait };
        self.write(device, &text, command, wait.level);
    }

    /// Imports one and the same file, wherever: it is one record.
    fn import(&mut self) {
        let device = self.member();
        if !self.world.is_on(device) {
            return;
        }
        // A long value is sealed in chunks beside the entry.
        let long = self.rng.chance(50);
        let card = card(long);
        let item = ImportItem {
            category: "contacts".into(),
            file: "card.vcf".into(),
            line: 1,
            base64: encode_base64(card.as_bytes()),
            root: 0,
        };
        let command = Command::Import { items: vec![item], dry_run: false, wait: Wait::default() };
        drop(self.world.ask(device, command));
    }

    fn delete(&mut self) {
        let device = self.member();
        if self.records.is_empty() || !self.world.is_on(device) {
            return;
        }
        let index = self.rng.index(self.records.len());
        let Some(id) = self.records.get(index).cloned() else { return };
        let command =
            Command::Delete { category: "notes".into(), id: id.clone(), wait: Wait::default() };
        if matches!(self.world.ask(device, command), Some(Ok(_))) {
            self.deleted.insert(id);
        }
    }

    fn everybody(&self) -> Vec<usize> {
        let guest = self.hostile.map(|(device, _)| device).filter(|device| *device != self.keeper);
        self.members.iter().copied().chain([self.keeper]).chain(guest).collect()
    }

    fn honest(&self) -> Vec<usize> {
        let hostile = self.hostile.map(|(device, _)| device);
        self.everybody().into_iter().filter(|device| Some(*device) != hostile).collect()
    }

    fn history(&mut self, device: usize, record: &str) -> String {
        let command = Command::History { category: "notes".into(), id: record.to_owned() };
        match self.world.ask(device, command) {
            Some(Ok(Answer::History { rows })) => format!("{rows:?}"),
            _ => String::new(),
        }
    }

    /// Ends all accidents and lets everybody meet.
    fn settle(&mut self) {
        self.world.set_faults(Faults::CALM);
        self.world.mend_disks();
        self.restart();
        self.world.heal();
        self.watch(WATCHED_MS);
        self.world.run(SETTLE_MS - WATCHED_MS);
        if self.twin.is_some() {
            // What the other of two clones wrote comes when it is on again.
            self.clone_member();
            self.world.run(SETTLE_MS);
        }
    }

    fn digest(&mut self, device: usize) -> Option<(String, BTreeMap<String, u64>)> {
        match self.world.ask(device, Command::Digest)? {
            Ok(Answer::Digest { digest, records }) => Some((digest, records)),
            _ => None,
        }
    }
}

/// Returns the text of a card.
pub(crate) fn card(long: bool) -> String {
    let (uid, note) = if long { ("long", 20_000) } else { ("short", 1) };
    let note = "x".repeat(note);
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:canaryCard\r\nNOTE:{note}\r\nEND:VCARD\r\n"
    )
}

/// Returns bytes in base64, as the control interface takes them.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS.get((word >> (18 - 6 * place) & 63) as usize).copied();
            text.push(if place <= group.len() { char::from(letter.unwrap_or(b'A')) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;
