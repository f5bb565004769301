//! The promises, checked after the last accident.

use super::{CANARY, Kind, Story, card};
use crate::hostile::Mind;
use heirloom_base::{RecordId, limits};
use heirloom_core::command::{Answer, Command};
use heirloom_sync::entry::kind;
use std::collections::{BTreeMap, BTreeSet};

/// Pause between two looks at who accuses whom.
const WATCH_MS: u64 = 250;
/// Rows of one list, more than there ever are.
const LIST_MAX: usize = 100_000;

impl Story {
    pub(super) fn check(&mut self) {
        let seed = self.report.seed;
        let digests: Vec<_> =
            self.members.clone().into_iter().map(|device| self.digest(device)).collect();
        let first = digests.first().cloned().flatten();
        assert!(first.is_some(), "seed {seed}: a member gives no digest");
        assert!(digests.iter().all(|digest| *digest == first), "seed {seed}: {digests:?}");
        self.check_writes();
        self.check_deletions();
        self.check_conflicts();
        self.check_cards();
        self.check_canary();
        self.check_roster();
        self.check_chains();
        self.check_waiting();
        self.check_named();
        self.check_previews();
    }

    /// Lets time pass, and looks now and then at who accuses whom.
    pub(super) fn watch(&mut self, milliseconds: u64) {
        let until = self.world.now_ms + milliseconds;
        while self.world.now_ms < until {
            self.check_accused();
            self.world.run((until - self.world.now_ms).min(WATCH_MS));
        }
    }

    /// Where nobody is hostile and no folder changed but by its own device,
    /// nobody is ever said not to keep its word, also not for a moment. A store
    /// whose disk lost something begins anew, and is told so: see decision 31.
    fn check_accused(&mut self) {
        let report = &self.report;
        let changed = report.restores + report.copies + report.rotten + report.decayed;
        if self.hostile.is_some() || changed > 0 || self.kind == Kind::LyingDisks {
            return;
        }
        for device in self.honest() {
            let mut accused = self.world.accusations(device);
            accused
                .retain(|problem| !["clock-ahead", "began-anew"].contains(&problem.code.as_str()));
            let seed = self.report.seed;
            assert!(accused.is_empty(), "seed {seed}: device {device} says {accused:?}");
        }
    }

    /// What a checkpoint showed has made room for the records themselves.
    fn check_previews(&mut self) {
        let seed = self.report.seed;
        for device in self.members.clone() {
            let shows = self.world.shows_preview(device);
            assert!(!shows, "seed {seed}: device {device} shows a checkpoint still");
        }
        let first = self.members.first().and_then(|device| self.world.devices.get(*device));
        let held = first.map_or(0, |machine| machine.disk.count_entries(kind::CHECKPOINT));
        self.report.checkpoints = held as u64;
    }

    /// Nobody is said to break the rules, or not to keep its word, who did not,
    /// and whose folder nothing happened to.
    fn check_named(&mut self) {
        let seed = self.report.seed;
        let report = &self.report;
        if report.restores + report.copies + report.rotten + report.decayed > 0 {
            return;
        }
        let name = |device: usize| self.world.devices.get(device).map(|machine| &machine.name);
        let names: Vec<String> = self.honest().into_iter().filter_map(name).cloned().collect();
        for device in self.members.clone() {
            let Some(Ok(Answer::Status(status))) = self.world.ask(device, Command::Status) else {
                panic!("seed {seed}: device {device} has no status");
            };
            let serious = ["took-back", "offences", "forked", "lacks-chunks"];
            let mut problems = status.problems.into_iter();
            let named = problems.find(|problem| {
                let about = |name: &String| problem.text.contains(&format!(" {name} ("));
                serious.contains(&problem.code.as_str()) && names.iter().any(about)
            });
            assert!(named.is_none(), "seed {seed}: device {device} says {named:?}");
        }
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
            let ask = |category: &str| Command::Conflicts { category: category.into(), id: None };
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

    /// P1: a card is whole everywhere, also where its long value came in
    /// chunks of its own; only a device that was lost can have kept these.
    fn check_cards(&mut self) {
        let seed = self.report.seed;
        let cards = [card(false), card(true)];
        for device in self.members.clone() {
            let list = Command::List {
                category: "contacts".into(),
                search: None,
                deleted: false,
                after: None,
                limit: cards.len(),
            };
            let Some(Ok(Answer::Records { rows, .. })) = self.world.ask(device, list) else {
                panic!("seed {seed}: device {device} lists no contacts");
            };
            for row in rows {
                let show = Command::Show { category: row.category, id: row.id };
                let Some(Ok(Answer::Record(shown))) = self.world.ask(device, show) else {
                    panic!("seed {seed}: device {device} does not show a card");
                };
                let whole = shown.source.is_some_and(|source| cards.contains(&source));
                let both_lost = self.report.decayed > 0 && self.report.copies > 0;
                assert!(
                    whole || self.report.restores > 0 || both_lost,
                    "seed {seed}: device {device} has a part of a card"
                );
            }
        }
    }

    /// P5: nothing readable on a blind keeper's disk.
    fn check_canary(&self) {
        let disk = self.world.devices.get(self.keeper).map(|device| &device.disk);
        let found = disk.is_some_and(|disk| disk.contains(CANARY.as_bytes()));
        assert!(!self.blind || !found, "seed {}: a blind keeper can read", self.report.seed);
    }

    /// P7: nobody came in who was not let in.
    fn check_roster(&mut self) {
        let seed = self.report.seed;
        let known: BTreeSet<String> =
            self.world.devices.iter().map(|device| device.keys.id().to_string()).collect();
        for device in self.members.clone() {
            let Some(Ok(Answer::Devices { rows })) = self.world.ask(device, Command::Devices)
            else {
                panic!("seed {seed}: device {device} lists no devices");
            };
            let stranger = rows.iter().find(|row| !known.contains(&row.id));
            assert!(stranger.is_none(), "seed {seed}: {stranger:?} came in");
        }
    }

    /// Every log is one chain, on every honest disk of which nothing rotted.
    fn check_chains(&self) {
        let seed = self.report.seed;
        for device in self.honest() {
            let disk = self.world.devices.get(device).map(|device| &device.disk);
            let wrong = disk.and_then(|disk| disk.unsigned());
            assert!(wrong.is_none(), "seed {seed}: device {device} took {wrong:?} unsigned");
        }
        if self.report.rotten > 0 {
            return;
        }
        for device in self.honest() {
            let disk = self.world.devices.get(device).map(|device| &device.disk);
            let wrong = disk.and_then(|disk| disk.unchained());
            assert!(wrong.is_none(), "seed {seed}: device {device} took {wrong:?} unchained");
        }
    }

    /// P7: of the changes of one author that wait in a record for ever, only
    /// so many go unmentioned.
    fn check_waiting(&mut self) {
        let seed = self.report.seed;
        for device in self.members.clone() {
            let machine = self.world.devices.get(device);
            let mind = machine.and_then(|machine| Mind::read(&machine.keys, &machine.disk));
            let orphans = mind.map(|mind| mind.held_orphans()).unwrap_or_default();
            if orphans.is_empty() {
                continue;
            }
            let list = Command::Quarantine { after: None, limit: LIST_MAX };
            let Some(Ok(Answer::Quarantine { rows, .. })) = self.world.ask(device, list) else {
                panic!("seed {seed}: device {device} lists nothing kept aside");
            };
            let mentioned: BTreeSet<_> =
                rows.iter().map(|row| (row.log.clone(), row.seq, row.record.clone())).collect();
            let mut silent: BTreeMap<RecordId, usize> = BTreeMap::new();
            for ((log, seq, record), count) in orphans {
                let of_record = (log.to_string(), seq, Some(record.to_string()));
                let whole = (log.to_string(), seq, None);
                if !mentioned.contains(&of_record) && !mentioned.contains(&whole) {
                    *silent.entry(record).or_default() += count;
                }
            }
            let most = silent.values().copied().max().unwrap_or_default();
            let limit = limits::WAITING_PER_RECORD_MAX;
            assert!(most <= limit, "seed {seed}: device {device} is silent about {most} orphans");
        }
    }

    /// P4: any one honest device that is left restores everything.
    pub(super) fn restore_from_every_peer(&mut self) {
        let seed = self.report.seed;
        let member = self.members.first().copied().expect("there are always members");
        let wanted = self.digest(member);
        for source in self.honest() {
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
