//! What one peer may have this device do in a time.

use super::Replication;
use crate::message::Message;
use crate::session::Session;
use heirloom_base::{DeviceId, Now, limits};

/// How many receipts of one peer are taken in at once, and how many a second
/// after that. Of what comes beyond, the last of each device waits.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u64,
    counted_ms: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: limits::RECEIPTS_AT_ONCE_MAX as u64, counted_ms: 0 }
    }
}

impl Allowance {
    const EACH_MS: u64 = limits::RECEIPT_MS as u64;

    fn take(&mut self, now: Now) -> bool {
        let more = now.mono_ms.saturating_sub(self.counted_ms) / Self::EACH_MS;
        self.counted_ms += more * Self::EACH_MS;
        self.left = self.left.saturating_add(more).min(limits::RECEIPTS_AT_ONCE_MAX as u64);
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

impl Session {
    /// Returns when receipts that wait are taken in.
    pub(crate) fn receipts_ms(&self) -> Option<u64> {
        let is_waiting = !self.receipts_waiting.is_empty();
        is_waiting.then_some(self.allowance.counted_ms + Allowance::EACH_MS)
    }

    /// Returns the receipts that are taken in now; the others wait, each instead
    /// of an earlier one of its device.
    fn admit(&mut self, now: Now, receipts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut admitted = Vec::new();
        for bytes in receipts {
            // Behind version and suite stands the device.
            let device = bytes.get(2..).and_then(|rest| rest.first_chunk::<32>());
            let device = device.copied().map_or(DeviceId([0; 32]), DeviceId);
            if self.allowance.take(now) {
                self.receipts_waiting.remove(&device);
                admitted.push(bytes);
            } else if self.receipts_waiting.len() < limits::DEVICES_MAX
                || self.receipts_waiting.contains_key(&device)
            {
                self.receipts_waiting.insert(device, bytes);
            }
        }
        admitted
    }
}

impl Replication {
    /// Takes in receipts as they come, but of one peer only so many in a time;
    /// `member` says whether a device counts.
    pub fn receive_receipts(
        &mut self,
        now: Now,
        from: DeviceId,
        receipts: Vec<Vec<u8>>,
        member: &dyn Fn(DeviceId) -> bool,
    ) {
        let admitted = match self.sessions.get_mut(&from) {
            Some(session) => session.admit(now, receipts),
            None => receipts,
        };
        self.read_receipts(now, from, admitted, member);
    }

    /// Takes in receipts that waited for long enough.
    pub fn receive_waiting(&mut self, now: Now, member: &dyn Fn(DeviceId) -> bool) {
        let is_due =
            |session: &Session| session.receipts_ms().is_some_and(|due| due <= now.mono_ms);
        let due = self.sessions.iter_mut().filter(|(_, session)| is_due(session));
        let due: Vec<(DeviceId, Vec<Vec<u8>>)> = due
            .map(|(from, session)| {
                let waiting = std::mem::take(&mut session.receipts_waiting);
                (*from, session.admit(now, waiting.into_values().collect()))
            })
            .collect();
        for (from, admitted) in due {
            self.read_receipts(now, from, admitted, member);
        }
    }

    /// Notes that a peer says hello; returns whether it is read, which it is only so
    /// often in a conversation.
    pub fn may_greet(&mut self, from: DeviceId) -> bool {
        let Some(session) = self.sessions.get_mut(&from) else { return true };
        session.hellos = session.hellos.saturating_add(1);
        let may = session.hellos <= limits::HELLOS_MAX;
        if !may {
            self.offence(from, "hellos in one conversation again and again");
        }
        may
    }

    /// Returns whether a peer had no credit left for what it sends: whoever keeps
    /// to its window never has as much on its way.
    pub(super) fn is_beyond_credit(&self, from: DeviceId) -> bool {
        let Some(session) = self.sessions.get(&from) else { return false };
        let kept = session.held.iter().chain(&session.owed);
        let (entries, bytes) = kept.fold((0, 0), |(all, size), message| match message {
            Message::Credit { entries, bytes } => (all + u64::from(*entries), size + *bytes),
            Message::Hello(_)
            | Message::Roster(_)
            | Message::Entries { .. }
            | Message::Packed { .. }
            | Message::Want { .. }
            | Message::Receipts(_)
            | Message::AskReceipt
            | Message::Reachable(_)
            | Message::Checkpoints(_)
            | Message::AskTail(_)
            | Message::Tail { .. }
            | Message::Fed(_)
            | Message::Knows(_)
            | Message::Declined(_)
            | Message::Unknown(_) => (all, size),
        });
        let one_entry = limits::ENTRY_BYTES_MAX as u64;
        entries > limits::CREDIT_ENTRIES as u64 || bytes > limits::CREDIT_BYTES as u64 + one_entry
    }
}
