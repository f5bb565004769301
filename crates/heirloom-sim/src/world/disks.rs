//! What happens to disks and processes while a device runs.

use super::{Device, Happening, SCRUB_MS, World};
use crate::faults::Fault;
use heirloom_base::ChunkId;
use heirloom_core::input::{AppendError, EffectId, Input};

impl World {
    /// Fills a device's disk for a while: some writes still fit.
    pub fn fill_disk(&mut self, device: usize, milliseconds: u64) {
        self.fill(device, milliseconds, FULL_PERCENT);
    }

    /// Fills a device's disk for a while, so that nothing fits.
    pub fn fill_disk_wholly(&mut self, device: usize, milliseconds: u64) {
        self.fill(device, milliseconds, 100);
    }

    fn fill(&mut self, device: usize, milliseconds: u64, percent: u64) {
        let until = self.now_ms + milliseconds;
        if let Some(machine) = self.devices.get_mut(device) {
            (machine.full_ms, machine.full_percent) = (until, percent);
        }
    }

    /// Lets a device's next sync fail, and what was to be written after it.
    pub fn fail_sync(&mut self, device: usize) {
        if let Some(machine) = self.devices.get_mut(device) {
            machine.sync_fails = true;
        }
    }

    /// Lets every disk be as it should be from now on.
    pub fn mend_disks(&mut self) {
        for machine in &mut self.devices {
            (machine.full_ms, machine.sync_fails) = (0, false);
        }
    }

    /// Stops a device's process for a while: what happens meanwhile it hears later.
    pub fn freeze(&mut self, device: usize, milliseconds: u64) {
        // Nobody is frozen twice: what waits already would be overtaken.
        let now_ms = self.now_ms;
        let can = |machine: &&mut Device| machine.node.is_some() && machine.frozen_ms <= now_ms;
        if let Some(machine) = self.devices.get_mut(device).filter(can) {
            machine.frozen_ms = now_ms + milliseconds;
            self.tally.note(Fault::Frozen);
        }
    }

    /// Returns the start of a device that handles nothing, and until when.
    pub(super) fn frozen(&self, device: usize) -> Option<(u64, u64)> {
        let machine = self.devices.get(device).filter(|one| one.node.is_some())?;
        (machine.frozen_ms > self.now_ms).then_some((machine.boot, machine.frozen_ms))
    }

    /// Ends a device's process without a warning; its disk goes on.
    pub fn kill(&mut self, device: usize) {
        self.switch_off(device, |disk, rng| disk.kill(rng));
        self.tally.note(Fault::Killed);
    }

    /// Flips a bit of a chunk or takes it away; it is found some time later.
    pub fn decay(&mut self, device: usize, chunk: ChunkId, is_gone: bool) {
        let Some(machine) = self.devices.get_mut(device) else { return };
        let boot = machine.boot;
        if is_gone {
            machine.disk.lose_chunk(chunk);
            self.tally.note(Fault::ChunkLost);
        } else {
            machine.disk.flip_chunk(chunk);
            self.tally.note(Fault::ChunkFlipped);
        }
        self.later(SCRUB_MS, Happening::Scrub { device, boot });
    }

    pub(super) fn scrub(&mut self, device: usize, boot: u64) {
        let Some(machine) = self.devices.get_mut(device) else { return };
        if machine.node.is_none() || machine.boot != boot {
            return;
        }
        let chunks = machine.disk.scrub();
        if !chunks.is_empty() {
            self.input(device, Input::ChunksLost { chunks });
        }
    }

    pub(super) fn synced(&mut self, device: usize, boot: u64, id: EffectId) {
        let runs = self.boot_of(device) == boot;
        if !runs || !self.has_power(device) || self.refuses(device, id) {
            return;
        }
        let lying = self.faults.lying_disk;
        let machine = self.devices.get_mut(device).filter(|machine| machine.boot == boot);
        let synced = machine.and_then(|machine| {
            let lsns = machine.disk.sync(id)?;
            if lying {
                machine.disk.forget_at_crash(&lsns);
            }
            Some(lsns)
        });
        if let Some(lsns) = synced.filter(|_| self.has_power(device)) {
            self.input(device, Input::Appended { id, result: Ok(lsns) });
            self.maybe_snapshot(device);
        }
    }

    /// Returns whether a disk refuses an append; its node has heard of it then.
    fn refuses(&mut self, device: usize, id: EffectId) -> bool {
        let Some(machine) = self.devices.get_mut(device) else { return false };
        let under_way = machine.disk.under_way();
        if !under_way.contains(&id) {
            return false;
        }
        if std::mem::take(&mut machine.sync_fails) {
            under_way.iter().for_each(|id| machine.disk.abandon(*id));
            self.tally.note(Fault::SyncFailed);
            for id in under_way {
                let result = Err(AppendError::Failed("simulated".to_owned()));
                self.input(device, Input::Appended { id, result });
            }
            return true;
        }
        let percent = machine.full_percent;
        if machine.full_ms <= self.now_ms || !self.rng.chance(percent) {
            return false;
        }
        machine.disk.abandon(id);
        self.tally.note(Fault::DiskFull);
        self.input(device, Input::Appended { id, result: Err(AppendError::Full) });
        true
    }

    fn maybe_snapshot(&mut self, device: usize) {
        if self.rng.chance(10)
            && let Some(machine) = self.devices.get_mut(device)
        {
            machine.disk.snapshot_index();
        }
    }
}

/// Of 100 writes, so many do not fit on a full disk.
const FULL_PERCENT: u64 = 80;
