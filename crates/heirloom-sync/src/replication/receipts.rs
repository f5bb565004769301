//! Receipts: taking in those of others, and giving our own.

use super::{LogState, Output, Replication};
use crate::message::Message;
use crate::receipt::Receipt;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{DeviceId, Now, limits};
use heirloom_identity::DeviceKeys;

impl Replication {
    /// Takes in receipts; `member` says whether a device counts.
    pub fn receive_receipts(
        &mut self,
        from: DeviceId,
        receipts: Vec<Vec<u8>>,
        member: &dyn Fn(DeviceId) -> bool,
    ) {
        for bytes in receipts {
            match Receipt::verify(self.account, &bytes) {
                Ok(receipt) => self.receive_receipt(from, receipt, bytes, member),
                Err(_) => self.offence(from, "a receipt that is not signed as it says"),
            }
        }
    }

    fn receive_receipt(
        &mut self,
        from: DeviceId,
        receipt: Receipt,
        bytes: Vec<u8>,
        member: &dyn Fn(DeviceId) -> bool,
    ) {
        let holder = receipt.device;
        if receipt.space != self.space || holder == self.device || !member(holder) {
            return;
        }
        if holder == from
            && let Some(session) = self.sessions.get_mut(&from)
        {
            session.theirs = receipt.vector.clone();
        }
        if self.ledger.record(receipt, bytes.clone(), from) {
            self.outputs.push_back(Output::Receipt(holder, bytes.clone()));
            let others = self
                .sessions
                .iter()
                .filter(|(peer, session)| session.ready && **peer != from && **peer != holder);
            let others: Vec<DeviceId> = others.map(|(peer, _)| *peer).collect();
            for peer in others {
                self.send(peer, Message::Receipts(vec![bytes.clone()]));
            }
        }
    }

    /// Puts a kept receipt back into the ledger, at start.
    pub fn load_receipt(&mut self, bytes: Vec<u8>) {
        if let Ok(receipt) = Receipt::verify(self.account, &bytes) {
            let device = receipt.device;
            self.ledger.record(receipt, bytes, device);
        }
    }

    /// Drops the receipt of a device that was taken out.
    pub fn forget_receipts(&mut self, device: DeviceId) {
        self.ledger.forget(device);
    }

    /// Takes in a peer's request for a receipt.
    pub fn receive_ask(&mut self, from: DeviceId) {
        if let Some(session) = self.sessions.get_mut(&from) {
            session.receipt_asked = true;
            self.receipt_due_ms = Some(0);
        }
    }

    /// Asks every peer for its receipt, as soon as it can.
    pub fn ask_receipts(&mut self) {
        let peers: Vec<DeviceId> = self.peers_ready().collect();
        for peer in peers {
            self.send(peer, Message::AskReceipt);
        }
    }

    pub(super) fn receipt_later(&mut self, now: Now) {
        self.unreceipted += 1;
        let waited_for = self.sessions.values().any(|session| session.receipt_asked);
        let due = if waited_for || self.unreceipted >= limits::RECEIPT_ENTRIES_MAX {
            now.mono_ms
        } else {
            now.mono_ms + limits::RECEIPT_DELAY_MS_MAX as u64
        };
        self.receipt_due_ms = Some(self.receipt_due_ms.map_or(due, |earlier| earlier.min(due)));
    }

    /// Sends our receipt to every peer, if one is due.
    pub fn send_receipt(&mut self, now: Now, keys: &DeviceKeys) {
        if self.receipt_due_ms.is_none_or(|due| due > now.mono_ms) {
            return;
        }
        let peers: Vec<DeviceId> = self.peers_ready().collect();
        if peers.is_empty() {
            return;
        }
        self.counter += 1;
        let receipt = Receipt {
            device: self.device,
            space: self.space,
            generation: self.generation,
            counter: self.counter,
            vector: self.vector_of(match is_planted(Bug::ReceiptEarly) {
                true => |state: &LogState| state.staged,
                false => LogState::complete,
            }),
            chunks: Vec::new(),
        };
        let bytes = receipt.sign(self.account, keys);
        for peer in peers {
            self.send(peer, Message::Receipts(vec![bytes.clone()]));
        }
        for session in self.sessions.values_mut() {
            session.receipt_asked = false;
        }
        self.unreceipted = 0;
        self.receipt_due_ms = None;
    }
}
