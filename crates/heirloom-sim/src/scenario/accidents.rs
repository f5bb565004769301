//! What goes wrong in a household.

use super::{Story, Write};
use crate::faults::Fault;
use crate::hostile::Malice;
use crate::world::Folder;
use heirloom_base::{ChunkId, EntryId};
use std::collections::BTreeSet;

/// How far clocks go wrong: ten years.
const TEN_YEARS_MS: u64 = 10 * 365 * 86_400_000;

impl Story {
    pub(super) fn partition(&mut self) {
        let count = self.world.devices.len();
        let (one, other) = (self.rng.index(count), self.rng.index(count));
        if one != other {
            self.world.cut(one, other, true);
            let both = self.rng.chance(50);
            if both {
                self.world.cut(other, one, true);
            }
            self.world.tally.note(if both { Fault::CutBothWays } else { Fault::CutOneWay });
        }
    }

    pub(super) fn crash(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        if self.world.is_on(device) {
            self.report.crashes += 1;
            self.world.crash(device);
            if self.rng.chance(70) {
                self.world.boot(device);
            }
        }
    }

    pub(super) fn restart(&mut self) {
        for device in self.everybody() {
            if !self.world.is_on(device) {
                self.world.boot(device);
            }
        }
    }

    /// Loses a member device for good and restores a new one from whoever is on.
    pub(super) fn wipe(&mut self) {
        let index = self.rng.index(self.members.len());
        let lost = self.members.get(index).copied().expect("the index is below the length");
        let others = self.everybody().into_iter().filter(|device| *device != lost);
        let Some(source) = others.into_iter().find(|device| self.world.is_on(*device)) else {
            return;
        };
        self.world.crash(lost);
        self.keep_what_others_hold(lost);
        self.copy.take_if(|(device, _)| *device == lost);
        self.twin.take_if(|(device, _)| *device == lost);
        self.snapshot.take_if(|(device, _)| *device == lost);
        let new = self.world.add_device("canaryNew");
        if self.world.recover(new, source, &self.phrase.clone()).is_ok() {
            self.report.restores += 1;
            self.world.tally.note(Fault::DeviceLost);
            if let Some(place) = self.members.get_mut(index) {
                *place = new;
            }
        } else {
            // The source went away meanwhile: the old folder is still there.
            self.world.boot(lost);
        }
    }

    /// Of what a device wrote that lost its folder or a part of it, only what
    /// somebody else holds can survive; who acknowledged it may have been lost
    /// since, but never the keeper.
    fn keep_what_others_hold(&mut self, lost: usize) {
        let mut kept = Vec::new();
        for mut write in std::mem::take(&mut self.writes) {
            write.orphaned |= write.device == lost;
            if !write.orphaned || write.on_keeper || self.is_held(&write, lost) {
                kept.push(write);
            }
        }
        self.writes = kept;
    }

    /// Returns whether a member other than `lost` that is on shows the write.
    fn is_held(&mut self, write: &Write, lost: usize) -> bool {
        let members: Vec<usize> =
            self.members.iter().copied().filter(|device| *device != lost).collect();
        members.into_iter().any(|device| {
            self.world.is_on(device) && self.history(device, &write.record).contains(&write.text)
        })
    }

    /// Copies a member's folder, or puts the copy back, whatever came since.
    pub(super) fn put_back(&mut self) {
        match self.copy.take() {
            None => {
                let device = self.member();
                self.copy = self.world.copy_folder(device).map(|folder| (device, folder));
            }
            Some((device, mut folder)) => {
                self.go_back(device, Fault::FolderPutBack);
                self.swap(device, &mut folder);
            }
        }
    }

    /// Ends a member whose folder becomes an earlier one.
    fn go_back(&mut self, device: usize, fault: Fault) {
        self.report.copies += 1;
        self.world.tally.note(fault);
        self.world.crash(device);
        self.keep_what_others_hold(device);
        self.twin.take_if(|(twin, _)| *twin == device);
    }

    /// Takes a snapshot of a member's file system, or rolls it back as a whole: that
    /// leaves no trace, and the log is continued.
    pub(super) fn roll_back(&mut self) {
        match self.snapshot.take() {
            None => {
                let device = self.member();
                self.snapshot = self.world.copy_folder(device).map(|folder| (device, folder));
            }
            Some((device, mut folder)) => {
                self.go_back(device, Fault::FileSystemRolledBack);
                self.world.stay_in_place(device, &mut folder);
                self.swap(device, &mut folder);
            }
        }
    }

    /// Exchanges a folder; sometimes the device writes before it has met any
    /// other, so that nobody can tell it what it had written.
    fn swap(&mut self, device: usize, folder: &mut Folder) {
        let alone = self.rng.chance(50);
        let others: Vec<usize> =
            (0..self.world.devices.len()).filter(|one| *one != device).collect();
        if alone {
            others.iter().for_each(|other| self.world.cut(device, *other, true));
        }
        self.world.swap_folder(device, folder);
        if alone {
            self.add_on(device);
            others.iter().for_each(|other| self.world.cut(device, *other, false));
        }
    }

    /// Clones a member, or lets the other of the two go on: both are it.
    pub(super) fn clone_member(&mut self) {
        match &mut self.twin {
            None => {
                let device = self.member();
                self.twin = self.world.copy_folder(device).map(|folder| (device, folder));
            }
            Some((device, folder)) => {
                self.report.copies += 1;
                self.world.tally.note(Fault::FolderCloned);
                let (device, mut other) = (*device, folder.clone());
                self.swap(device, &mut other);
                self.twin = Some((device, other));
            }
        }
    }

    /// Lets an entry on somebody's disk rot.
    pub(super) fn rot(&mut self) {
        let device = self.member();
        self.world.crash(device);
        self.keep_what_others_hold(device);
        self.report.rotten += 1;
        let safe = if self.rng.chance(70) { self.safe() } else { BTreeSet::new() };
        let is_honest = self.hostile.is_none();
        self.world.rot(device, &safe, is_honest);
    }

    /// Takes the end of somebody's log, which the index still knows.
    pub(super) fn lose_end(&mut self) {
        let device = self.member();
        if self.world.is_on(device) {
            self.report.rotten += 1;
            let safe = self.safe();
            self.world.lose_end(device, &safe);
        }
    }

    /// Returns the entries that are never lost, because an honest keeper has
    /// them. Of any other entry that a log has lost the index would show for
    /// ever what nobody else can get: see decision 17.
    fn safe(&self) -> BTreeSet<EntryId> {
        if matches!(self.hostile, Some((_, Malice::Keeper))) {
            return BTreeSet::new();
        }
        self.world.devices.get(self.keeper).map(|keeper| keeper.disk.entries()).unwrap_or_default()
    }

    /// Fills somebody's disk for some seconds.
    pub(super) fn fill_disk(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        let milliseconds = 1_000 + self.rng.below(20_000);
        self.world.fill_disk(device, milliseconds);
    }

    /// Lets somebody's next sync fail.
    pub(super) fn fail_sync(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        self.world.fail_sync(device);
    }

    /// Stops somebody's process for up to a minute and a half.
    pub(super) fn freeze(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        let milliseconds = 500 + self.rng.below(90_000);
        self.world.freeze(device, milliseconds);
    }

    /// Holds up all that travels between two devices for up to a minute and a
    /// half. Stories with a hostile device have enough else that is late.
    pub(super) fn freeze_link(&mut self) {
        if self.hostile.is_some() {
            return;
        }
        let count = self.world.devices.len();
        let (one, other) = (self.rng.index(count), self.rng.index(count));
        let milliseconds = 500 + self.rng.below(90_000);
        self.world.freeze_link(one, other, milliseconds);
    }

    /// Ends somebody's process.
    pub(super) fn kill(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        if self.world.is_on(device) {
            self.world.kill(device);
            if self.rng.chance(70) {
                self.world.boot(device);
            }
        }
    }

    /// Lets a chunk decay that another honest device has, too.
    pub(super) fn decay(&mut self) {
        let mut places = Vec::new();
        for device in self.honest() {
            let Some(machine) = self.world.devices.get(device) else { continue };
            let holds = |other: usize, chunk: ChunkId| {
                let machine = self.world.devices.get(other).filter(|_| other != device);
                machine.is_some_and(|one| one.disk.sound_chunks().any(|sound| sound == chunk))
            };
            for chunk in machine.disk.sound_chunks() {
                if self.honest().into_iter().any(|other| holds(other, chunk)) {
                    places.push((device, chunk));
                }
            }
        }
        if let Some((device, chunk)) = places.get(self.rng.index(places.len().max(1))) {
            self.report.decayed += 1;
            let is_gone = self.rng.chance(50);
            self.world.decay(*device, *chunk, is_gone);
        }
    }

    /// Sets a clock to 1970, ten years ahead, right, or anything between.
    pub(super) fn set_clock(&mut self) {
        let device = self.rng.index(self.world.devices.len());
        let right = self.world.right_wall_ms();
        let wall_ms = match self.rng.below(4) {
            0 => 0,
            1 => right + TEN_YEARS_MS,
            2 => right,
            _ => self.rng.below(right + TEN_YEARS_MS),
        };
        if self.world.is_on(device) && wall_ms < self.world.now(device).wall_ms {
            self.world.tally.note(Fault::ClockBack);
        }
        if wall_ms == 0 {
            self.world.tally.note(Fault::ClockPast);
        } else if wall_ms == right + TEN_YEARS_MS {
            self.world.tally.note(Fault::ClockFuture);
        }
        self.world.set_clock(device, wall_ms);
    }

    /// Has the hostile device attack, if there is one and it is on.
    pub(super) fn attack(&mut self) {
        let Some((device, _)) = self.hostile else { return };
        if !self.world.is_on(device) {
            self.world.boot(device);
        }
        if let Some(name) = self.world.attack(device, &self.records) {
            self.report.attacks.insert(name);
        }
    }
}
