//! One household's story under one seed, and the promises it must keep.

use crate::rng::Rng;
use crate::world::{Faults, Reply, World};
use heirloom_base::id::to_hex;
use heirloom_core::command::{Answer, Command, ImportItem, Level, Wait};
use heirloom_identity::{Phrase, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Things that users and accidents do in one story.
const STEPS: u64 = 24;
/// Time after the last accident within which everybody must be level.
const SETTLE_MS: u64 = 600_000;
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
    play_on(seed, false)
}

/// Plays the story of a seed on honest or on lying disks.
fn play_on(seed: u64, lying_disk: bool) -> Report {
    let mut rng = Rng::new(seed);
    let faults = Faults {
        loss_percent: rng.below(8),
        duplicate_percent: rng.below(30),
        reorder_percent: rng.below(30),
        latency_ms_max: 1 + rng.below(400),
        disk_ms_max: 1 + rng.below(60),
        clock_skew_ms_max: if rng.chance(30) { 600_000_000_000 } else { 5_000 },
        lying_disk,
    };
    let mut story = Story::begin(seed, rng, faults);
    for _ in 0..STEPS {
        story.step();
    }
    story.settle();
    story.check();
    story.restore_from_every_peer();
    story.report.trace = to_hex(&story.world.trace());
    story.report.inputs = story.world.inputs();
    story.report.simulated_ms = story.world.now_ms;
    story.report
}

impl Story {
    fn begin(seed: u64, mut rng: Rng, faults: Faults) -> Self {
        let calm = Faults { loss_percent: 0, duplicate_percent: 0, reorder_percent: 0, ..faults };
        let mut world = World::new(seed, calm);
        let phone = world.add_device("canaryPhone");
        let laptop = world.add_device("canaryLaptop");
        let keeper = world.add_device("canaryKeeper");
        let phrase = world.found(phone);
        let blind = rng.chance(50);
        world.join(keeper, phone, if blind { Role::BlindKeeper } else { Role::Keeper });
        world.join(laptop, phone, Role::Member);
        world.run(5_000);
        world.set_faults(faults);
        let report = Report {
            seed,
            trace: String::new(),
            inputs: 0,
            simulated_ms: 0,
            answered: 0,
            crashes: 0,
            restores: 0,
        };
        Self {
            world,
            rng,
            phrase,
            members: vec![phone, laptop],
            keeper,
            blind,
            records: Vec::new(),
            deleted: BTreeSet::new(),
            writes: Vec::new(),
            report,
        }
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0..=6 => self.edit(),
            7..=9 => self.add(),
            10 => self.import(),
            11 => self.delete(),
            12..=13 => self.partition(),
            14 => self.world.heal(),
            15..=16 => self.crash(),
            17 => self.restart(),
            18 => self.wipe(),
            _ => {}
        }
        let pause = self.rng.below(4_000);
        self.world.run(pause);
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
        let on_keeper = reached && asked == Level::Keeper;
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
        let (device, wait) = (self.member(), self.wait());
        if !self.world.is_on(device) {
            return;
        }
        let text = format!("{CANARY}-{}", self.writes.len());
        let assignments = vec![format!("title={text}"), "body=one two three".to_owned()];
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
        let card =
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:canary-card\r\nFN:canaryCard\r\nEND:VCARD\r\n";
        let item = ImportItem {
            category: "contacts".into(),
            file: "card.vcf".into(),
            line: 1,
            base64: encode_base64(card.as_bytes()),
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

    fn partition(&mut self) {
        let count = self.world.devices.len();
        let (one, other) = (self.rng.index(count), self.rng.index(count));
        if one != other {
            self.world.cut(one, other, true);
            if self.rng.chance(50) {
                self.world.cut(other, one, true);
            }
        }
    }

    fn crash(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        if self.world.is_on(device) {
            self.report.crashes += 1;
            self.world.crash(device);
            if self.rng.chance(70) {
                self.world.boot(device);
            }
        }
    }

    fn restart(&mut self) {
        for device in self.everybody() {
            if !self.world.is_on(device) {
                self.world.boot(device);
            }
        }
    }

    fn everybody(&self) -> Vec<usize> {
        self.members.iter().copied().chain([self.keeper]).collect()
    }

    /// Loses a member device for good and restores a new one from whoever is on.
    fn wipe(&mut self) {
        let index = self.rng.index(self.members.len());
        let lost = self.members.get(index).copied().expect("the index is below the length");
        let others = self.everybody().into_iter().filter(|device| *device != lost);
        let Some(source) = others.into_iter().find(|device| self.world.is_on(*device)) else {
            return;
        };
        self.world.crash(lost);
        // Of what a lost device wrote, only what somebody else holds can survive;
        // who acknowledged it may have been lost since, but never the keeper.
        let mut kept = Vec::new();
        for mut write in std::mem::take(&mut self.writes) {
            write.orphaned |= write.device == lost;
            if !write.orphaned || write.on_keeper || self.is_held(&write, lost) {
                kept.push(write);
            }
        }
        self.writes = kept;
        let new = self.world.add_device("canaryNew");
        if self.world.recover(new, source, &self.phrase.clone()).is_ok() {
            self.report.restores += 1;
            if let Some(place) = self.members.get_mut(index) {
                *place = new;
            }
        } else {
            // The source went away meanwhile: the old folder is still there.
            self.world.boot(lost);
        }
    }

    /// Returns whether a member other than `lost` that is on shows the write.
    fn is_held(&mut self, write: &Write, lost: usize) -> bool {
        let members: Vec<usize> =
            self.members.iter().copied().filter(|device| *device != lost).collect();
        members.into_iter().any(|device| {
            self.world.is_on(device) && self.history(device, &write.record).contains(&write.text)
        })
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
        self.world.set_faults(Faults {
            loss_percent: 0,
            duplicate_percent: 0,
            reorder_percent: 0,
            latency_ms_max: 20,
            disk_ms_max: 5,
            clock_skew_ms_max: 0,
            lying_disk: false,
        });
        self.restart();
        self.world.heal();
        self.world.run(SETTLE_MS);
    }

    fn digest(&mut self, device: usize) -> Option<(String, BTreeMap<String, u64>)> {
        match self.world.ask(device, Command::Digest)? {
            Ok(Answer::Digest { digest, records }) => Some((digest, records)),
            _ => None,
        }
    }

    fn check(&mut self) {
        let seed = self.report.seed;
        let digests: Vec<_> =
            self.members.clone().into_iter().map(|device| self.digest(device)).collect();
        let first = digests.first().cloned().flatten();
        assert!(first.is_some(), "seed {seed}: a member gives no digest");
        assert!(digests.iter().all(|digest| *digest == first), "seed {seed}: {digests:?}");
        self.check_writes();
        self.check_deletions();
        self.check_conflicts();
        self.check_canary();
    }

    /// P1 and P3: every answered write is in the record's history, everywhere.
    fn check_writes(&mut self) {
        let seed = self.report.seed;
        for device in self.members.clone() {
            let mut histories: BTreeMap<String, String> = BTreeMap::new();
            for write in self.writes.clone() {
                if !histories.contains_key(&write.record) {
                    let history = self.history(device, &write.record);
                    histories.insert(write.record.clone(), history);
                }
                let held =
                    histories.get(&write.record).is_some_and(|text| text.contains(&write.text));
                assert!(held, "seed {seed}: device {device} lost {write:?}");
            }
        }
    }

    /// P2: a record is gone only if somebody deleted it.
    fn check_deletions(&mut self) {
        let seed = self.report.seed;
        let kept: BTreeSet<String> = self.writes.iter().map(|write| write.record.clone()).collect();
        for device in self.members.clone() {
            for record in &kept {
                let command = Command::Show { category: "notes".into(), id: record.clone() };
                let Some(Ok(Answer::Record(row))) = self.world.ask(device, command) else {
                    panic!("seed {seed}: device {device} does not know {record}");
                };
                let deleted = self.deleted.contains(record);
                assert!(!row.deleted || deleted, "seed {seed}: {record} was deleted by nobody");
            }
        }
    }

    /// P3: what lost is listed, and the same everywhere; equal imports are no conflict.
    fn check_conflicts(&mut self) {
        let seed = self.report.seed;
        let mut seen: Option<String> = None;
        for device in self.members.clone() {
            let ask = |category: &str| Command::Conflicts { category: category.into() };
            let Some(Ok(Answer::Conflicts { rows })) = self.world.ask(device, ask("notes")) else {
                panic!("seed {seed}: device {device} lists no conflicts");
            };
            let rows = format!("{rows:?}");
            assert!(
                seen.as_ref().is_none_or(|seen| *seen == rows),
                "seed {seed}: conflicts differ"
            );
            seen = Some(rows);
            let Some(Ok(Answer::Conflicts { rows })) = self.world.ask(device, ask("contacts"))
            else {
                panic!("seed {seed}: device {device} lists no conflicts");
            };
            assert!(rows.is_empty(), "seed {seed}: equal imports conflict: {rows:?}");
        }
    }

    /// P5: nothing readable on a blind keeper's disk.
    fn check_canary(&self) {
        let disk = self.world.devices.get(self.keeper).map(|device| &device.disk);
        let found = disk.is_some_and(|disk| disk.contains(CANARY.as_bytes()));
        assert!(!self.blind || !found, "seed {}: a blind keeper can read", self.report.seed);
    }

    /// P4: any one device that is left restores everything.
    fn restore_from_every_peer(&mut self) {
        let seed = self.report.seed;
        let member = self.members.first().copied().expect("there are always members");
        let wanted = self.digest(member);
        for source in self.everybody() {
            for other in self.everybody() {
                if other != source && self.world.is_on(other) {
                    self.world.crash(other);
                }
            }
            if !self.world.is_on(source) {
                self.world.boot(source);
            }
            let new = self.world.add_device("canaryRestored");
            let restored = self.world.recover(new, source, &self.phrase.clone());
            assert!(restored.is_ok(), "seed {seed}: no restore from {source}: {restored:?}");
            self.world.run(60_000);
            let found = self.digest(new);
            assert!(found == wanted, "seed {seed}: {source} restores {found:?}, not {wanted:?}");
            self.world.crash(new);
        }
    }
}

/// Returns bytes in base64, as the control interface takes them.
fn encode_base64(bytes: &[u8]) -> String {
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
