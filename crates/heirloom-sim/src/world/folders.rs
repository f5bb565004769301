//! What happens to folders: copies, copies put back, and rot.

use super::{Damage, World};
use crate::disk::{Index, Rotten, SimDisk};
use crate::faults::Fault;
use heirloom_base::EntryId;
use std::collections::BTreeSet;

/// A device's folder as it was at some time, lying elsewhere.
#[derive(Debug, Clone)]
pub struct Folder {
    disk: SimDisk,
    place: u8,
}

impl World {
    /// Copies what is durable of a device's folder, with its key.
    pub fn copy_folder(&mut self, device: usize) -> Option<Folder> {
        let machine = self.devices.get_mut(device)?;
        machine.places += 1;
        Some(Folder { disk: machine.disk.durable(), place: machine.places })
    }

    /// Switches a device off, exchanges its folder, and switches it on again.
    pub fn swap_folder(&mut self, device: usize, folder: &mut Folder) {
        self.crash(device);
        if let Some(machine) = self.devices.get_mut(device) {
            std::mem::swap(&mut machine.disk, &mut folder.disk);
            std::mem::swap(&mut machine.place, &mut folder.place);
        }
        self.boot(device);
    }

    /// Has a folder lie where a device's folder lies now.
    pub fn stay_in_place(&mut self, device: usize, folder: &mut Folder) {
        if let Some(machine) = self.devices.get(device) {
            folder.place = machine.place;
        }
    }

    /// Switches a device off, exchanges its folder for an earlier one without a
    /// trace, and switches it on again: only who wants to deceive can do so.
    pub fn roll_back(&mut self, device: usize, folder: &Folder) {
        self.crash(device);
        if let Some(machine) = self.devices.get_mut(device) {
            machine.disk = folder.disk.clone();
        }
        self.boot(device);
    }

    /// Takes every chunk off a device's disk while it runs.
    pub fn drop_chunks(&mut self, device: usize) {
        if let Some(machine) = self.devices.get_mut(device) {
            machine.disk.drop_chunks();
        }
    }

    /// Switches a device off, lets a stored entry rot, and switches it on
    /// again. The store noticed; its index is built anew from what is left, or,
    /// where it and all behind it are `safe` elsewhere, kept and set back. So it is
    /// for what the device wrote itself, where nobody lies about what is held.
    pub fn rot(&mut self, device: usize, safe: &BTreeSet<EntryId>, is_honest: bool) {
        self.crash(device);
        let rng = &mut self.rng;
        let Some(machine) = self.devices.get_mut(device) else { return };
        if let Some(Rotten { gone, author }) = machine.disk.rot(rng) {
            let is_own = author == Some(machine.keys.id()) && is_honest;
            if machine.disk.has_index() && (gone.is_subset(safe) || is_own) {
                machine.damage = Damage::UnderIndex;
                self.tally.note(match gone.is_subset(safe) {
                    true => Fault::EntryRottenUnderIndex,
                    false => Fault::EntryRottenUnsent,
                });
            } else {
                machine.damage = Damage::WithIndex;
                machine.disk.discard_index();
                self.tally.note(Fault::EntryRotten);
            }
        }
        self.boot(device);
    }

    /// Switches a device off, takes the end of its log as far as it is `safe`
    /// elsewhere, and switches it on again.
    pub fn lose_end(&mut self, device: usize, safe: &BTreeSet<EntryId>) {
        self.switch_off(device, |disk, _| disk.cut_power(usize::MAX, Index::Whole));
        let rng = &mut self.rng;
        let Some(machine) = self.devices.get_mut(device) else { return };
        if machine.disk.has_index() && machine.disk.lose_end(rng, safe) {
            machine.damage = Damage::UnderIndex;
            self.tally.note(Fault::EndLost);
        }
        self.boot(device);
    }
}
