//! Short stories that are played again for every operation of every disk,
//! each time with a power cut there.
//!
//! A story is one and the same each time, up to the cut: so all moments at
//! which a device can lose its power in it are met, and not only those that
//! chance finds.

use crate::disk::Index;
use crate::faults::Faults;
use crate::scenario::{card, encode_base64};
use crate::world::{PowerCut, Reply, Survivors, World};
use heirloom_core::command::{Answer, Command, ImportItem, Level, Wait};
use heirloom_identity::{Phrase, Role};
use std::collections::BTreeSet;

/// Time within which everybody is level after the last thing that happened.
const SETTLE_MS: u64 = 180_000;
/// Tries of a user whose device went off while it was asked.
const TRIES: usize = 4;

const PHONE: usize = 0;
const LAPTOP: usize = 1;
const KEEPER: usize = 2;

/// What a story leaves behind.
const SURVIVORS: [Survivors; 3] = [Survivors::Nothing, Survivors::First, Survivors::All];
const INDEXES: [Index; 3] = [Index::Lost, Index::Stale, Index::Whole];

/// A story, by its name.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    /// What it is called.
    pub name: &'static str,
    play: fn(&mut Household),
}

/// The stories.
pub const STORIES: [Story; 6] = [
    Story { name: "edits of one note", play: edits },
    Story { name: "a card with chunks", play: chunks },
    Story { name: "edits made apart", play: apart },
    Story { name: "a device taken out", play: exile },
    Story { name: "a device restored", play: restore },
    Story { name: "a file system rolled back", play: roll_back },
];

impl Story {
    /// Returns how many operations the disks do in it.
    #[must_use]
    pub fn operations(self) -> u64 {
        self.run(None)
    }

    /// Returns every cut there can be at an operation.
    pub fn cuts(operation: u64) -> impl Iterator<Item = PowerCut> {
        let each = SURVIVORS.iter().flat_map(|one| INDEXES.iter().map(move |two| (*one, *two)));
        each.map(move |(survivors, index)| PowerCut { operation, survivors, index })
    }

    /// Plays it with a power cut.
    ///
    /// # Panics
    /// When a promise is broken; the message names the cut.
    pub fn play(self, cut: PowerCut) {
        self.run(Some(cut));
    }

    fn run(self, cut: Option<PowerCut>) -> u64 {
        let mut household = Household::new(format!("{}, {cut:?}", self.name));
        household.world.cut_power_at(cut);
        (self.play)(&mut household);
        let operations = household.world.operations();
        household.settle();
        household.check();
        operations
    }
}

/// A phone, a laptop and a keeper, and what was written on them.
struct Household {
    /// Names the story and the cut in messages.
    about: String,
    world: World,
    phrase: Phrase,
    /// Devices that must be level in the end.
    members: Vec<usize>,
    /// Records, texts that were answered, and the device.
    writes: Vec<(String, String, usize)>,
    /// Devices whose writes may count for nothing.
    out: BTreeSet<usize>,
    texts: usize,
}

impl Household {
    fn new(about: String) -> Self {
        let mut world = World::new(1, Faults::CALM);
        let phone = world.add_device("phone");
        let phrase = world.found(phone);
        for (name, role) in [("laptop", Role::Member), ("keeper", Role::Keeper)] {
            let device = world.add_device(name);
            world.join(device, phone, role);
        }
        world.run(5_000);
        let members = vec![PHONE, LAPTOP, KEEPER];
        let (writes, out) = (Vec::new(), BTreeSet::new());
        Self { about, world, phrase, members, writes, out, texts: 0 }
    }

    /// Asks a device as a user does: once more where it went off meanwhile.
    fn ask(&mut self, device: usize, command: &Command) -> Option<Reply> {
        for _ in 0..TRIES {
            if self.world.is_on(device)
                && let Some(reply) = self.world.ask(device, command.clone())
            {
                return Some(reply);
            }
            self.world.run(1_000);
        }
        None
    }

    fn fresh_text(&mut self) -> String {
        self.texts += 1;
        format!("text-{}-end", self.texts)
    }

    /// Writes, and remembers what was answered.
    fn write(&mut self, device: usize, text: String, command: &Command) -> Option<String> {
        match self.ask(device, command) {
            Some(Ok(Answer::Saved { id, .. })) => {
                self.writes.push((id.clone(), text, device));
                Some(id)
            }
            Some(Ok(_) | Err(_)) | None => None,
        }
    }

    fn add(&mut self, device: usize, level: Level) -> Option<String> {
        let text = self.fresh_text();
        let assignments = vec![format!("title={text}"), "body=one two three".to_owned()];
        let command = Command::Add { category: "notes".into(), assignments, wait: wait(level) };
        self.write(device, text, &command)
    }

    fn edit(&mut self, device: usize, id: Option<&str>, level: Level) {
        let Some(id) = id else { return };
        let text = self.fresh_text();
        let assignments = vec![format!("title={text}")];
        let (category, id) = ("notes".to_owned(), id.to_owned());
        let command = Command::Set { category, id, assignments, wait: wait(level) };
        self.write(device, text, &command);
    }

    /// Cuts or heals every way of a device.
    fn isolate(&mut self, device: usize, is_cut: bool) {
        for other in (0..self.world.devices.len()).filter(|other| *other != device) {
            self.world.cut(device, other, is_cut);
            self.world.cut(other, device, is_cut);
        }
    }

    fn settle(&mut self) {
        self.world.run(1_000);
        for device in 0..self.world.devices.len() {
            // One that no restore reached has nothing to begin with.
            let machine = self.world.devices.get(device);
            let is_founded = machine.is_some_and(|one| !one.disk.frames_after(None).is_empty());
            if is_founded && !self.world.is_on(device) {
                self.world.boot(device);
            }
        }
        self.world.heal();
        self.world.run(SETTLE_MS);
    }

    /// Everybody is level, nothing that was answered is lost, no log is torn.
    fn check(&mut self) {
        let about = self.about.clone();
        let mut digests = BTreeSet::new();
        for device in self.members.clone() {
            let Some(Ok(Answer::Digest { digest, .. })) = self.ask(device, &Command::Digest) else {
                panic!("{about}: {device} gives no digest");
            };
            digests.insert(digest);
            let disk = self.world.devices.get(device).map(|device| &device.disk);
            let wrong = disk.and_then(|disk| disk.unchained());
            assert!(wrong.is_none(), "{about}: {device} has {wrong:?} unchained");
            for (record, text, author) in self.writes.clone() {
                let command = Command::History { category: "notes".into(), id: record };
                let Some(Ok(Answer::History { rows })) = self.ask(device, &command) else {
                    assert!(self.out.contains(&author), "{about}: {device} lost {text}");
                    continue;
                };
                let held = self.out.contains(&author) || format!("{rows:?}").contains(&text);
                assert!(held, "{about}: {device} lost {text}");
            }
            self.check_cards(device);
        }
        assert_eq!(digests.len(), 1, "{about}: they differ");
    }

    fn check_cards(&mut self, device: usize) {
        let (category, search, after) = ("contacts".to_owned(), None, None);
        let list = Command::List { category, search, deleted: false, after, limit: 10 };
        let Some(Ok(Answer::Records { rows, .. })) = self.ask(device, &list) else {
            panic!("{}: {device} lists no contacts", self.about);
        };
        for row in rows {
            let show = Command::Show { category: row.category, id: row.id };
            let Some(Ok(Answer::Record(shown))) = self.ask(device, &show) else {
                panic!("{}: {device} does not show a card", self.about);
            };
            let whole = shown.source.is_some_and(|source| source.len() >= card(true).len());
            assert!(whole, "{}: {device} has a part of a card", self.about);
        }
    }
}

fn wait(level: Level) -> Wait {
    Wait { level, timeout_ms: 3_000 }
}

fn edits(household: &mut Household) {
    let id = household.add(PHONE, Level::Keeper);
    household.edit(LAPTOP, id.as_deref(), Level::Local);
    household.edit(PHONE, id.as_deref(), Level::Peer(1));
    household.edit(LAPTOP, id.as_deref(), Level::Keeper);
    household.add(LAPTOP, Level::Peer(2));
    household.edit(PHONE, id.as_deref(), Level::Local);
    household.world.run(2_000);
}

fn chunks(household: &mut Household) {
    let import = |device: usize, household: &mut Household| {
        let item = ImportItem {
            category: "contacts".into(),
            file: "card.vcf".into(),
            line: 1,
            base64: encode_base64(card(true).as_bytes()),
            root: 0,
        };
        let wait = wait(Level::Peer(1));
        household.ask(device, &Command::Import { items: vec![item], dry_run: false, wait });
    };
    import(PHONE, household);
    import(LAPTOP, household);
    let (category, search, after) = ("contacts".to_owned(), None, None);
    let list = Command::List { category, search, deleted: false, after, limit: 1 };
    if let Some(Ok(Answer::Records { rows, .. })) = household.ask(LAPTOP, &list)
        && let Some(row) = rows.into_iter().next()
    {
        let assignments = vec!["phone=+49 30 1234567".to_owned()];
        let (category, id) = (row.category, row.id);
        let wait = wait(Level::Keeper);
        household.ask(LAPTOP, &Command::Set { category, id, assignments, wait });
    }
    household.world.run(2_000);
}

fn apart(household: &mut Household) {
    let id = household.add(PHONE, Level::Peer(2));
    household.isolate(LAPTOP, true);
    household.edit(PHONE, id.as_deref(), Level::Local);
    household.edit(LAPTOP, id.as_deref(), Level::Local);
    household.add(LAPTOP, Level::Local);
    household.isolate(LAPTOP, false);
    household.world.run(3_000);
    if let Some(id) = id.clone() {
        let (category, keep) = ("notes".to_owned(), "winner".to_owned());
        let wait = wait(Level::Keeper);
        household.ask(KEEPER, &Command::Resolve { category, id, field: None, keep, wait });
    }
    household.edit(LAPTOP, id.as_deref(), Level::Keeper);
    household.world.run(2_000);
}

fn exile(household: &mut Household) {
    let id = household.add(LAPTOP, Level::Peer(2));
    household.isolate(LAPTOP, true);
    let device = household.world.devices.get(LAPTOP).map(|device| device.keys.id().to_string());
    let device = device.unwrap_or_default();
    // Its power may go after it is out and before that is answered: then it is out.
    household.members.retain(|member| *member != LAPTOP);
    household.ask(PHONE, &Command::Revoke { device: device.clone() });
    household.out.insert(LAPTOP);
    household.add(LAPTOP, Level::Local);
    household.edit(PHONE, id.as_deref(), Level::Local);
    household.isolate(LAPTOP, false);
    household.world.run(3_000);
    household.add(KEEPER, Level::Peer(1));
    household.ask(PHONE, &Command::Accept { device });
    household.edit(KEEPER, id.as_deref(), Level::Peer(1));
    household.world.run(2_000);
}

fn restore(household: &mut Household) {
    let id = household.add(PHONE, Level::Keeper);
    household.edit(LAPTOP, id.as_deref(), Level::Keeper);
    household.isolate(PHONE, true);
    let mut restored = None;
    for number in 0..TRIES {
        let device = household.world.add_device(&format!("restored {number}"));
        household.isolate(PHONE, true);
        let phrase = household.phrase.clone();
        if household.world.is_on(KEEPER) && household.world.recover(device, KEEPER, &phrase).is_ok()
        {
            restored = Some(device);
            break;
        }
        household.world.run(2_000);
    }
    let device = restored.expect("the keeper is on again after a second");
    household.members.push(device);
    household.world.run(3_000);
    household.edit(device, id.as_deref(), Level::Keeper);
    household.add(device, Level::Keeper);
    household.isolate(PHONE, false);
    household.world.run(2_000);
}

/// The keeper has what the phone wrote before it was rolled back, the laptop what it
/// wrote after that, and something on top of it.
fn roll_back(household: &mut Household) {
    let id = household.add(PHONE, Level::Peer(2));
    let Some(snapshot) = household.world.copy_folder(PHONE) else { return };
    household.isolate(LAPTOP, true);
    let text = household.fresh_text();
    if let Some(id) = id.clone() {
        let (category, assignments) = ("notes".to_owned(), vec![format!("title={text}")]);
        let wait = wait(Level::Keeper);
        let command = Command::Set { category, id: id.clone(), assignments, wait };
        // What nobody else has is gone with a file system that is rolled back.
        if let Some(Ok(Answer::Saved { reached: true, .. })) = household.ask(PHONE, &command) {
            household.writes.push((id, text, PHONE));
        }
    }
    household.isolate(PHONE, true);
    household.world.roll_back(PHONE, &snapshot);
    household.edit(PHONE, id.as_deref(), Level::Local);
    household.add(PHONE, Level::Local);
    household.isolate(PHONE, false);
    household.isolate(LAPTOP, false);
    household.isolate(KEEPER, true);
    household.world.run(3_000);
    household.edit(LAPTOP, id.as_deref(), Level::Local);
    household.isolate(KEEPER, false);
    household.isolate(LAPTOP, true);
    household.world.run(3_000);
    household.isolate(LAPTOP, false);
    household.edit(LAPTOP, id.as_deref(), Level::Peer(1));
    household.world.run(3_000);
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::planted::{Bug, plant};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn an_answer_before_the_disk_is_found_by_a_cut() {
        let [story, ..] = STORIES;
        plant(Some(Bug::AnsweredEarly));
        let found = (1..20).flat_map(Story::cuts).any(|cut| {
            cut.survivors == Survivors::Nothing
                && catch_unwind(AssertUnwindSafe(|| story.play(cut))).is_err()
        });
        plant(None);
        assert!(found);
    }

    #[test]
    fn every_story_ends_well_without_a_cut_and_with_some() {
        for story in STORIES {
            let operations = story.operations();
            assert!(operations >= 20, "{}: {operations} operations", story.name);
            assert_eq!(operations, story.operations(), "one story is always the same");
            for operation in (1..operations).step_by(29) {
                Story::cuts(operation).step_by(4).for_each(|cut| story.play(cut));
            }
        }
    }
}
