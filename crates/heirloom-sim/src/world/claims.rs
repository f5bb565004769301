//! P8: what devices say that they hold stands on their disks.

use super::World;
use heirloom_base::{Decode as _, DeviceId};
use heirloom_core::command::Problem;
use heirloom_sync::{Message, Receipt, VersionVector};

/// Of so many messages one is looked at: reading a disk takes long.
const LOOKED_AT: u8 = 8;

impl World {
    /// Checks a message on its way.
    ///
    /// # Panics
    /// When it claims what is not durable.
    pub(super) fn check_claims(&self, from: usize, bytes: &[u8]) {
        let Some(machine) = self.devices.get(from).filter(|machine| machine.malice.is_none())
        else {
            return;
        };
        if bytes.last().is_none_or(|last| last % LOOKED_AT != 0) {
            return;
        }
        let claimed = self.claimed(from, machine.keys.id(), bytes);
        if claimed.is_empty() {
            return;
        }
        let ends = machine.disk.ends();
        for (log, tip) in claimed.iter().flat_map(|vector| &vector.tips) {
            let held = ends.get(log).copied().unwrap_or(0);
            let (name, log) = (&machine.name, log.short());
            assert!(tip.seq <= held, "{name} claims {} of {log} and holds {held}", tip.seq);
        }
    }

    /// Returns what a device that is on and not frozen says against others.
    #[must_use]
    pub fn accusations(&self, device: usize) -> Vec<Problem> {
        let Some(machine) = self.devices.get(device).filter(|_| self.frozen(device).is_none())
        else {
            return Vec::new();
        };
        let said = machine.node.as_ref().map(|node| node.accusations());
        said.into_iter().flatten().map(|(_, problem)| problem).collect()
    }

    fn claimed(&self, from: usize, own: DeviceId, bytes: &[u8]) -> Vec<VersionVector> {
        let node = self.devices.get(from).and_then(|machine| machine.node.as_ref());
        let Some(account) = node.map(heirloom_core::Node::account) else { return Vec::new() };
        match Message::from_bytes(bytes) {
            Ok(Message::Hello(hello)) => vec![hello.vector],
            Ok(Message::Receipts(receipts)) => {
                let receipts = receipts.iter().filter_map(|one| Receipt::verify(account, one).ok());
                let own = receipts.filter(|receipt| receipt.device == own);
                own.map(|receipt| receipt.vector).collect()
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}
