//! How a hostile device's words come out: its node is the real one, so that
//! everybody talks to it, but not everything it says arrives as it was said.

use super::{Happening, World};
use crate::faults::Fault;
use crate::hostile::{Attack, Malice, Mind, twist_receipts};
use heirloom_base::{Decode as _, Encode as _};
use heirloom_sync::Message;

/// Messages that a hostile device remembers, to say them again.
const SAID_MAX: usize = 32;

impl World {
    /// Returns what arrives of a message; `None` if it is withheld.
    pub(super) fn twist(&mut self, from: usize, to: usize, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let malice = self.devices.get(from).and_then(|machine| machine.malice);
        let Some(malice) = malice else { return Some(bytes) };
        if let Malice::Plays(ruse) = malice {
            let keys = self.devices.get(from)?.keys.clone();
            return ruse.twist(to, bytes, self.account_of(from)?, &keys);
        }
        let machine = self.devices.get_mut(from)?;
        machine.said.push_back(bytes.clone());
        if machine.said.len() > SAID_MAX {
            machine.said.pop_front();
        }
        match self.rng.below(100) {
            0..=3 => {
                self.tally.note(Fault::MessageBent);
                Some(self.mutated(bytes))
            }
            4..=6 => {
                self.tally.note(Fault::MessageRepeated);
                let index = self.rng.index(self.devices.get(from)?.said.len());
                self.devices.get(from)?.said.get(index).cloned()
            }
            7..=40 if malice == Malice::Keeper => self.betray(from, bytes),
            _ => Some(bytes),
        }
    }

    /// A keeper that withholds entries and claims to hold what it does not.
    fn betray(&mut self, from: usize, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match Message::from_bytes(&bytes) {
            Ok(Message::Entries { .. }) => {
                self.tally.note(Fault::EntriesWithheld);
                None
            }
            Ok(Message::Receipts(receipts)) => {
                self.tally.note(Fault::ReceiptFalse);
                let keys = self.devices.get(from)?.keys.clone();
                let account = self.account_of(from)?;
                let twisted = twist_receipts(&mut self.rng, account, &keys, receipts);
                Some(Message::Receipts(twisted).to_bytes())
            }
            Ok(_) | Err(_) => Some(bytes),
        }
    }

    fn mutated(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.rng.chance(20) {
            let length = self.rng.index(300);
            return (0..length).map(|_| self.rng.byte()).collect();
        }
        for _ in 0..1 + self.rng.below(3) {
            let (index, value) = (self.rng.index(bytes.len().max(1)), self.rng.byte());
            if let Some(byte) = bytes.get_mut(index) {
                *byte = value;
            }
        }
        bytes
    }

    fn account_of(&self, device: usize) -> Option<heirloom_base::AccountId> {
        self.devices.get(device)?.node.as_ref().map(heirloom_core::Node::account)
    }

    /// Has a hostile device say something of its own to everybody it is
    /// connected with; returns what kind of attack it was.
    pub fn attack(&mut self, from: usize, targets: &[String]) -> Option<&'static str> {
        let mut mind = self.mind(from)?;
        let attack = mind.attack(&mut self.rng, targets);
        Some(self.say(from, &attack))
    }

    /// Has a hostile device say the thing with this number.
    pub fn attack_with(
        &mut self,
        from: usize,
        number: u64,
        targets: &[String],
    ) -> Option<&'static str> {
        let mut mind = self.mind(from)?;
        let attack = mind.attack_with(number, &mut self.rng, targets);
        Some(self.say(from, &attack))
    }

    fn mind(&self, device: usize) -> Option<Mind> {
        let machine = self.devices.get(device).filter(|machine| machine.node.is_some())?;
        Mind::read(&machine.keys, &machine.disk)
    }

    fn say(&mut self, from: usize, attack: &Attack) -> &'static str {
        for other in 0..self.devices.len() {
            let Some(life) = self.links.get(&super::pair(from, other)).copied() else { continue };
            for messages in &attack.messages {
                // Of two versions of one message, everybody hears one.
                let version = self.rng.index(messages.len());
                let Some(message) = messages.get(version) else { continue };
                let delay = 1 + self.rng.below(50);
                let bytes = message.to_bytes();
                self.later(delay, Happening::Deliver { from, to: other, life, bytes });
            }
        }
        attack.name
    }
}
