//! The copies ledger: which device holds what, by its newest receipt.

use crate::receipt::Receipt;
use heirloom_base::{DeviceId, LogId};
use std::collections::BTreeMap;

/// The newest receipt of every device.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    receipts: BTreeMap<DeviceId, (Receipt, Vec<u8>)>,
}

impl Ledger {
    /// Takes in a verified receipt that came from `from`; returns whether it is news.
    pub fn record(&mut self, receipt: Receipt, bytes: Vec<u8>, from: DeviceId) -> bool {
        let news = self
            .receipts
            .get(&receipt.device)
            .is_none_or(|(known, _)| receipt.replaces(known, from));
        if news {
            self.receipts.insert(receipt.device, (receipt, bytes));
        }
        news
    }

    /// Drops a device's receipt: it was revoked.
    pub fn forget(&mut self, device: DeviceId) {
        self.receipts.remove(&device);
    }

    /// Returns the newest receipt of a device.
    #[must_use]
    pub fn receipt(&self, device: DeviceId) -> Option<&Receipt> {
        self.receipts.get(&device).map(|(receipt, _)| receipt)
    }

    /// Returns the signed forms of all receipts.
    pub fn signed(&self) -> impl Iterator<Item = (DeviceId, &[u8])> {
        self.receipts.iter().map(|(device, (_, bytes))| (*device, bytes.as_slice()))
    }

    /// Returns the devices that hold `log` up to `seq`.
    pub fn holders(&self, log: LogId, seq: u64) -> impl Iterator<Item = DeviceId> {
        self.receipts
            .iter()
            .filter(move |(_, (receipt, _))| receipt.vector.seq(log) >= seq)
            .map(|(device, _)| *device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::{Tip, VersionVector};
    use heirloom_base::{Incarnation, SpaceId};

    fn receipt(device: u8, counter: u64, seq: u64) -> Receipt {
        let tip = Tip { seq, id: [0; 8] };
        Receipt {
            device: DeviceId([device; 32]),
            space: SpaceId([1; 16]),
            generation: Incarnation([1; 16]),
            counter,
            vector: VersionVector { tips: [(LogId([7; 16]), tip)].into() },
            chunks: Vec::new(),
        }
    }

    #[test]
    fn a_copy_counts_by_the_newest_receipt_alone() {
        let mut ledger = Ledger::default();
        let from = DeviceId([2; 32]);
        assert!(ledger.record(receipt(1, 1, 10), Vec::new(), from));
        assert!(ledger.record(receipt(2, 1, 4), Vec::new(), from));
        assert!(!ledger.record(receipt(1, 1, 99), Vec::new(), from));
        let holders = |ledger: &Ledger, seq| ledger.holders(LogId([7; 16]), seq).count();
        assert_eq!((holders(&ledger, 4), holders(&ledger, 5), holders(&ledger, 11)), (2, 1, 0));
        assert!(ledger.record(receipt(1, 2, 3), Vec::new(), from));
        assert_eq!(holders(&ledger, 5), 0);
        ledger.forget(DeviceId([2; 32]));
        assert_eq!(holders(&ledger, 1), 1);
    }
}
