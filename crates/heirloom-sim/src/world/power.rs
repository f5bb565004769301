//! Power cuts at a chosen operation of a disk.

use super::{Happening, World};
use crate::disk::Index;

/// Pause until a device that lost its power is on again, in milliseconds.
const PAUSE_MS: u64 = 500;

/// What is left of frames that were not synced when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survivors {
    /// None of them.
    Nothing,
    /// The first.
    First,
    /// Every one.
    All,
}

/// When the power of a device goes, and what that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCut {
    /// The operation: disks do a first thing when they are given frames, a
    /// second when these are synced, and a third before that is answered; a
    /// chunk that was fetched is written, and then the fetch is answered.
    pub operation: u64,
    /// What is left of what was not synced.
    pub survivors: Survivors,
    /// What becomes of the index.
    pub index: Index,
}

/// The operations of all disks since they are counted.
#[derive(Debug, Default)]
pub(super) struct Operations {
    done: u64,
    cut: Option<PowerCut>,
}

impl World {
    /// Counts the operations of all disks from here on, and cuts the power of
    /// the device that comes to the one of the cut; half a second later it is
    /// on again.
    pub fn cut_power_at(&mut self, cut: Option<PowerCut>) {
        self.operations = Operations { done: 0, cut };
    }

    /// Returns how many operations were counted.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations.done
    }

    /// Counts an operation; returns whether the device still has its power.
    pub(super) fn has_power(&mut self, device: usize) -> bool {
        self.operations.done += 1;
        let done = self.operations.done;
        let Some(cut) = self.operations.cut.filter(|cut| cut.operation == done) else {
            return true;
        };
        let survivors = match cut.survivors {
            Survivors::Nothing => 0,
            Survivors::First => 1,
            Survivors::All => usize::MAX,
        };
        self.switch_off(device, |disk, _| disk.cut_power(survivors, cut.index));
        if let Some(machine) = self.devices.get_mut(device) {
            // What was under way is not an operation any more.
            machine.boot += 1;
        }
        self.later(PAUSE_MS, Happening::Boot { device });
        false
    }
}
