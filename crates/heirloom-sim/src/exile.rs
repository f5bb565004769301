//! One household's story of devices that are taken out, under one seed.

use crate::disk::{FRAME_ENTRY, FRAME_ROSTER};
use crate::faults::{Fault, Faults, Tally};
use crate::rng::Rng;
use crate::world::World;
use heirloom_base::id::to_hex;
use heirloom_core::command::{Answer, Command, DeviceRow, Secret, Wait};
use heirloom_core::storage::Frame;
use heirloom_identity::{Keyring, Phrase, Role, Roster};
use heirloom_sync::Entry;
use std::collections::BTreeSet;

/// Things that happen in one story.
const STEPS: u64 = 32;
/// Time after the last of them within which everybody must be level.
const SETTLE_MS: u64 = 600_000;
/// Members, beside a keeper. The first and the last are never taken out.
const MEMBERS: usize = 4;

/// What one run showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Hash over everything that happened.
    pub trace: String,
    /// Inputs that were handled.
    pub inputs: u64,
    /// Writes that were answered.
    pub answered: u64,
    /// Devices that were out in the end.
    pub out: u64,
    /// Pairs that took each other out.
    pub mutual: u64,
    /// Times that entries kept aside were accepted.
    pub accepted: u64,
    /// Times that the phrase stated the roster anew.
    pub resets: u64,
    /// Entries that were kept aside in the end.
    pub aside: u64,
    /// What went wrong.
    pub tally: Tally,
}

impl Report {
    /// Adds what another run showed; seed and trace are those of the last.
    pub fn add(&mut self, other: Self) {
        let Self { seed, trace, inputs, answered, out, mutual, accepted, resets, aside, tally } =
            other;
        (self.seed, self.trace) = (seed, trace);
        self.inputs += inputs;
        self.answered += answered;
        self.out += out;
        self.mutual += mutual;
        self.accepted += accepted;
        self.resets += resets;
        self.aside += aside;
        self.tally.add(&tally);
    }
}

/// A write that was answered.
#[derive(Debug, Clone)]
struct Write {
    record: String,
    text: String,
    device: usize,
    /// Whether its device had been taken out by then, somewhere.
    late: bool,
    /// Whether it began a record.
    birth: bool,
}

/// Log, number and record of what was kept aside.
type Asides = BTreeSet<(String, u64, Option<String>)>;

struct Story {
    world: World,
    rng: Rng,
    phrase: Phrase,
    keeper: usize,
    records: Vec<String>,
    /// Records that others than their author edited: they may be adopted.
    shared: BTreeSet<String>,
    writes: Vec<Write>,
    /// Devices that somebody took out.
    exiled: BTreeSet<usize>,
    report: Report,
}

/// Plays the story of a seed.
///
/// # Panics
/// When a promise is broken; the message names the seed.
#[must_use]
pub fn play(seed: u64) -> Report {
    let mut story = Story::begin(seed);
    for _ in 0..STEPS {
        story.step();
    }
    story.settle();
    story.check();
    story.report.trace = to_hex(&story.world.trace());
    story.report.inputs = story.world.inputs();
    story.report.tally = std::mem::take(&mut story.world.tally);
    story.report
}

impl Story {
    fn begin(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xe711_e000_0000_0000);
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
            lying_disk: false,
        };
        let mut world = World::new(seed, faults.without_losses());
        let first = world.add_device("first");
        let phrase = world.found(first);
        for number in 1..MEMBERS {
            let device = world.add_device(&format!("member {number}"));
            world.join(device, first, Role::Member);
        }
        let keeper = world.add_device("keeper");
        let blind = rng.chance(50);
        world.join(keeper, first, if blind { Role::BlindKeeper } else { Role::Keeper });
        world.run(5_000);
        world.set_faults(faults);
        Self {
            world,
            rng,
            phrase,
            keeper,
            records: Vec::new(),
            shared: BTreeSet::new(),
            writes: Vec::new(),
            exiled: BTreeSet::new(),
            report: Report { seed, ..Report::default() },
        }
    }

    fn step(&mut self) {
        match self.rng.below(32) {
            0..=8 => self.add(),
            9..=16 => self.edit(),
            17..=20 => self.partition(),
            21..=22 => self.world.heal(),
            23..=25 => self.crash(),
            26..=27 => self.revoke(),
            28 => self.revoke_each_other(),
            29 => self.accept(),
            30 => self.reset(),
            _ => {}
        }
        let pause = self.rng.below(3_000);
        self.world.run(pause);
    }

    fn member(&mut self) -> usize {
        self.rng.index(MEMBERS)
    }

    fn id(&self, device: usize) -> String {
        self.world.devices.get(device).map(|one| one.keys.id().to_string()).unwrap_or_default()
    }

    fn add(&mut self) {
        let device = self.member();
        self.add_on(device);
    }

    fn add_on(&mut self, device: usize) {
        let text = format!("text-{}-end", self.writes.len());
        let assignments = vec![format!("title={text}"), "body=one two three".to_owned()];
        let wait = Wait::default();
        let command = Command::Add { category: "notes".into(), assignments, wait };
        if let Some(record) = self.write(device, &text, command, true) {
            self.records.push(record);
        }
    }

    fn edit(&mut self) {
        let device = self.member();
        self.edit_on(device);
    }

    fn edit_on(&mut self, device: usize) {
        if self.records.is_empty() {
            return self.add_on(device);
        }
        let index = self.rng.index(self.records.len());
        let Some(id) = self.records.get(index).cloned() else { return };
        let text = format!("text-{}-end", self.writes.len());
        let assignments = vec![format!("title={text}")];
        let command = Command::Set {
            category: "notes".into(),
            id: id.clone(),
            assignments,
            wait: Wait::default(),
        };
        self.shared.insert(id);
        self.write(device, &text, command, false);
    }

    fn write(
        &mut self,
        device: usize,
        text: &str,
        command: Command,
        birth: bool,
    ) -> Option<String> {
        if !self.world.is_on(device) {
            return None;
        }
        let Some(Ok(Answer::Saved { id, .. })) = self.world.ask(device, command) else {
            return None;
        };
        self.report.answered += 1;
        let late = self.exiled.contains(&device);
        let (record, text) = (id.clone(), text.to_owned());
        self.writes.push(Write { record, text, device, late, birth });
        Some(id)
    }

    fn partition(&mut self) {
        let count = self.world.devices.len();
        let (one, other) = (self.rng.index(count), self.rng.index(count));
        if one != other {
            self.world.cut(one, other, true);
            self.world.cut(other, one, true);
            self.world.tally.note(Fault::CutBothWays);
        }
    }

    fn crash(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        if self.world.is_on(device) {
            self.world.crash(device);
        }
        if self.rng.chance(70) {
            self.world.boot(device);
        }
    }

    /// Lets a member take out the second or the third.
    fn revoke(&mut self) {
        let (by, device) = (self.member(), 1 + self.rng.index(2));
        let third = self.member();
        let apart = self.rng.chance(70) && by != device && third != by;
        if apart {
            // Neither the device nor a third one hears of it at once.
            for (one, other) in [(by, device), (by, third), (self.keeper, device)] {
                self.world.cut(one, other, true);
                self.world.cut(other, one, true);
            }
        }
        if self.order_out(by, device) && apart {
            self.world.tally.note(Fault::RevokedApart);
            self.add_on(device);
            self.world.run(500);
            self.edit_on(third);
            self.edit_on(device);
        }
    }

    fn order_out(&mut self, by: usize, device: usize) -> bool {
        if by == device || !self.world.is_on(by) {
            return false;
        }
        let command = Command::Revoke { device: self.id(device) };
        let done = matches!(self.world.ask(by, command), Some(Ok(_)));
        if done {
            self.exiled.insert(device);
        }
        done
    }

    fn revoke_each_other(&mut self) {
        for device in [1, 2] {
            if !self.world.is_on(device) {
                self.world.boot(device);
            }
        }
        self.world.cut(1, 2, true);
        self.world.cut(2, 1, true);
        let both = [self.order_out(1, 2), self.order_out(2, 1)];
        if both == [true, true] {
            self.report.mutual += 1;
            self.world.tally.note(Fault::RevokedEachOther);
        }
    }

    /// Lets the first accept whatever one wrote that is out.
    fn accept(&mut self) {
        let device = 1 + self.rng.index(2);
        if !self.world.is_on(0) {
            return;
        }
        let command = Command::Accept { device: self.id(device) };
        if matches!(self.world.ask(0, command), Some(Ok(_))) {
            self.report.accepted += 1;
        }
    }

    /// States the roster anew on the last member, with or without those out.
    fn reset(&mut self) {
        let last = MEMBERS - 1;
        if !self.world.is_on(last) || self.rng.chance(50) {
            return;
        }
        let keep = if self.rng.chance(50) { vec![self.id(1)] } else { Vec::new() };
        let phrase = Secret::new(self.phrase.words().to_string());
        let answer = self.world.ask(last, Command::Reset { phrase, keep });
        assert!(
            matches!(answer, Some(Ok(_)) | None),
            "seed {}: the phrase is refused: {answer:?}",
            self.report.seed
        );
        self.report.resets += 1;
        self.world.tally.note(Fault::RosterReset);
    }

    /// Ends every accident and waits until everybody who is in is level.
    fn settle(&mut self) {
        let calm = Faults { clock_skew_ms_max: 5_000, ..Faults::CALM };
        self.world.set_faults(calm);
        for device in 0..self.world.devices.len() {
            if !self.world.is_on(device) {
                self.world.boot(device);
            }
        }
        self.world.heal();
        self.world.run(SETTLE_MS);
    }

    fn devices(&mut self, device: usize) -> Vec<DeviceRow> {
        match self.world.ask(device, Command::Devices) {
            Some(Ok(Answer::Devices { rows })) => rows,
            other => panic!("seed {}: {device} lists no devices: {other:?}", self.report.seed),
        }
    }

    fn check(&mut self) {
        let seed = self.report.seed;
        let rows = self.devices(0);
        let out: BTreeSet<usize> = (0..self.world.devices.len())
            .filter(|device| rows.iter().any(|row| row.id == self.id(*device) && row.revoked))
            .collect();
        assert!(!out.contains(&0) && !out.contains(&(MEMBERS - 1)), "seed {seed}: {out:?}");
        self.report.out = out.len() as u64;
        let readers: Vec<usize> = (0..MEMBERS).filter(|device| !out.contains(device)).collect();
        self.check_level(&readers, &out);
        self.check_writes(&readers, &out);
        self.check_nothing_new(&readers, &out);
        for reader in readers.iter().take(2).copied() {
            let before = self.seen(reader);
            self.world.crash(reader);
            if let Some(machine) = self.world.devices.get_mut(reader) {
                machine.disk.discard_index();
            }
            self.world.boot(reader);
            self.world.run(10_000);
            let again = self.seen(reader);
            assert!(before == again, "seed {seed}: {reader} rebuilds {again:?}, not {before:?}");
        }
    }

    /// Everybody who is in says the same of members, records and what was kept aside.
    fn check_level(&mut self, readers: &[usize], out: &BTreeSet<usize>) {
        let seed = self.report.seed;
        let wanted = self.seen(0);
        self.report.aside = wanted.1.len() as u64;
        for reader in readers.iter().copied() {
            let seen = self.seen(reader);
            assert!(seen == wanted, "seed {seed}: {reader} has {seen:?}, not {wanted:?}");
            for row in self.devices(reader) {
                let is_out = out.iter().any(|device| self.id(*device) == row.id);
                assert!(row.revoked == is_out, "seed {seed}: {reader} says {row:?}");
            }
        }
    }

    /// Returns a device's digest, and what it keeps aside of which entries.
    fn seen(&mut self, device: usize) -> (String, Asides) {
        let Some(Ok(Answer::Digest { digest, .. })) = self.world.ask(device, Command::Digest)
        else {
            panic!("seed {}: {device} gives no digest", self.report.seed);
        };
        let list = Command::Quarantine { after: None, limit: 10_000 };
        let Some(Ok(Answer::Quarantine { rows, .. })) = self.world.ask(device, list) else {
            panic!("seed {}: {device} lists nothing kept aside", self.report.seed);
        };
        (digest, rows.into_iter().map(|row| (row.log, row.seq, row.record)).collect())
    }

    fn history(&mut self, device: usize, record: &str) -> String {
        let command = Command::History { category: "notes".into(), id: record.to_owned() };
        format!("{:?}", self.world.ask(device, command))
    }

    /// P1 and P6: what those wrote who are in is in every history; what others
    /// wrote when they were out, and nobody built on, is in none.
    fn check_writes(&mut self, readers: &[usize], out: &BTreeSet<usize>) {
        let seed = self.report.seed;
        let untouched = self.report.accepted == 0 && self.report.resets == 0;
        for reader in readers.iter().copied() {
            for write in self.writes.clone() {
                let held = self.history(reader, &write.record).contains(&write.text);
                let honest = !out.contains(&write.device) && !self.exiled.contains(&write.device);
                assert!(held || !honest, "seed {seed}: {reader} lost {write:?}");
                let alone = write.birth && !self.shared.contains(&write.record);
                let barred = write.late && out.contains(&write.device) && alone && untouched;
                assert!(!held || !barred, "seed {seed}: {reader} shows {write:?}");
            }
        }
    }

    /// P6: who is out hears nothing new.
    fn check_nothing_new(&mut self, readers: &[usize], out: &BTreeSet<usize>) {
        let seed = self.report.seed;
        let assignments = vec!["title=afterwards".to_owned(), "body=secret".to_owned()];
        let command = Command::Add { category: "notes".into(), assignments, wait: Wait::default() };
        let Some(Ok(Answer::Saved { id, .. })) = self.world.ask(0, command) else {
            panic!("seed {seed}: the first may not write");
        };
        self.world.run(60_000);
        for device in readers.iter().chain(out.iter()).copied() {
            let held = self.history(device, &id).contains("afterwards");
            assert!(held != out.contains(&device), "seed {seed}: {device}: {held}");
        }
        for device in out.iter().copied() {
            let rows = self.devices(device);
            let told = rows.iter().any(|row| row.this && row.revoked);
            assert!(told, "seed {seed}: {device} was not told that it is out");
        }
        self.check_keys(out);
        let keeper_in = !out.contains(&self.keeper);
        assert!(keeper_in, "seed {seed}: the keeper is out");
    }
}

impl Story {
    /// P6: nothing that those write who are in is sealed to a key that one has
    /// who is out, even if it got hold of the entry.
    fn check_keys(&self, out: &BTreeSet<usize>) {
        let Some(first) = self.world.devices.first() else { return };
        let frames: Vec<Frame> =
            first.disk.frames_after(None).into_iter().map(|(_, frame)| frame).collect();
        let mut roster = Roster::new(self.phrase.root_keys().account_id());
        for frame in frames.iter().filter(|frame| frame.kind == FRAME_ROSTER) {
            drop(roster.insert(&frame.payload));
        }
        let own = |entry: &Entry| {
            entry.header().origin.is_none_or(|origin| origin.device == first.keys.id())
        };
        let entries = frames.iter().filter(|frame| frame.kind == FRAME_ENTRY);
        let mut own_entries =
            entries.filter_map(|frame| Entry::parse(frame.payload.clone()).ok()).filter(own);
        let Some(last) = own_entries.next_back() else { return };
        for device in out {
            let keys = self.world.devices.get(*device).map(|device| &device.keys);
            let ring = keys.and_then(|keys| Keyring::open(&roster, keys).ok());
            let opens = ring.is_some_and(|ring| ring.epoch_key(&last.header().epoch).is_some());
            let seed = self.report.seed;
            assert!(!opens, "seed {seed}: {device} is out and can open what the first wrote");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_households_take_devices_out_and_stay_level() {
        let mut sum = Report::default();
        for seed in 0..40 {
            sum.add(play(seed));
        }
        let Report { answered, out, mutual, accepted, resets, aside, .. } = sum.clone();
        let enough = answered > 200 && out > 20 && mutual > 2 && accepted > 2 && resets > 5;
        assert!(enough && aside > 3, "the stories are empty: {sum:?}");
        for fault in [Fault::RevokedApart, Fault::RevokedEachOther, Fault::RosterReset] {
            assert!(sum.tally.count(fault) > 0, "{} never happened", fault.name());
        }
    }

    #[test]
    fn one_seed_has_one_trace() {
        assert_eq!(play(3), play(3));
        assert_ne!(play(3).trace, play(4).trace);
    }
}
