//! The copies ledger: which device holds what, by its newest receipt, and who
//! has signed what cannot be true.

use crate::receipt::Receipt;
use crate::vector::VersionVector;
use heirloom_base::{DeviceId, LogId};
use std::collections::BTreeMap;

/// Two signed receipts of one device that cannot both have been true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The one that was known.
    pub known: Vec<u8>,
    /// The one that came after it.
    pub heard: Vec<u8>,
}

/// The newest receipt of every device, and the first contradiction of each.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    receipts: BTreeMap<DeviceId, (Receipt, Vec<u8>)>,
    contradictions: BTreeMap<DeviceId, Contradiction>,
}

impl Ledger {
    /// Compares a verified receipt with the newest of its device; returns the
    /// contradiction if there is one and none was known.
    pub fn compare(&mut self, receipt: &Receipt, bytes: &[u8]) -> Option<Contradiction> {
        let device = receipt.device;
        let (known, signed) = self.receipts.get(&device)?;
        if self.contradictions.contains_key(&device) || !receipt.contradicts(known) {
            return None;
        }
        let found = Contradiction { known: signed.clone(), heard: bytes.to_vec() };
        self.contradictions.insert(device, found.clone());
        Some(found)
    }

    /// Puts a kept contradiction back, at start.
    pub fn load_contradiction(&mut self, device: DeviceId, found: Contradiction) {
        self.contradictions.insert(device, found);
    }

    /// Returns whether a device has signed what cannot be true.
    #[must_use]
    pub fn has_contradicted_itself(&self, device: DeviceId) -> bool {
        self.contradictions.contains_key(&device)
    }

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

    /// Returns what every device said last to hold.
    pub fn vectors(&self) -> impl Iterator<Item = (DeviceId, &VersionVector)> {
        self.receipts.iter().map(|(device, (receipt, _))| (*device, &receipt.vector))
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
    use crate::vector::Tip;
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

    #[test]
    fn who_holds_less_than_before_has_contradicted_itself_in_whatever_order_it_is_heard() {
        let from = DeviceId([2; 32]);
        for [first, second] in [[(1, 10), (2, 3)], [(2, 3), (1, 10)]] {
            let mut ledger = Ledger::default();
            ledger.record(receipt(1, first.0, first.1), vec![1], from);
            let heard = receipt(1, second.0, second.1);
            let found = ledger.compare(&heard, &[2]);
            assert_eq!(found, Some(Contradiction { known: vec![1], heard: vec![2] }));
            assert_eq!(ledger.compare(&heard, &[2]), None, "it is said once");
            assert!(ledger.has_contradicted_itself(heard.device));
        }
        let mut ledger = Ledger::default();
        assert_eq!(ledger.compare(&receipt(1, 1, 10), &[1]), None);
        ledger.record(receipt(1, 1, 10), vec![1], from);
        assert_eq!(ledger.compare(&receipt(1, 2, 10), &[2]), None);
    }
}
