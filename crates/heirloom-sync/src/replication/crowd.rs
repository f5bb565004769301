//! Devices that begin more logs than anybody needs.
//!
//! Whoever takes in all of them could not say any more what it holds. So only
//! some are taken in; two devices may then hold different ones, and tell each
//! other of which they take nothing, so that neither waits for the other.

use super::{Output, Replication};
use crate::message::Message;
use crate::session::Session;
use heirloom_base::{DeviceId, LogId, limits};
use std::collections::{BTreeMap, BTreeSet};

impl Replication {
    /// Names the logs that are taken in however many their devices have: those
    /// of which a revocation says what counts.
    pub fn set_named(&mut self, logs: BTreeSet<LogId>) {
        if self.named == logs {
            return;
        }
        self.named = logs;
        let mut wants = Vec::new();
        for (device, session) in &mut self.sessions {
            let again: Vec<LogId> = session.declined.intersection(&self.named).copied().collect();
            session.declined.retain(|log| !self.named.contains(log));
            wants.push((*device, again.into_iter().map(|log| (log, 0)).collect::<Vec<_>>()));
        }
        for (device, logs) in wants.into_iter().filter(|(_, logs)| !logs.is_empty()) {
            self.ask_again(device, logs);
        }
    }

    /// Returns whether a device has so many logs that no other one is taken in.
    pub(super) fn is_crowded(&self, device: DeviceId, log: LogId) -> bool {
        if self.logs.contains_key(&log) {
            return false;
        }
        let count = self.logs.values().filter(|state| state.device == device).count();
        let is_full = self.logs.len() >= limits::LOGS_MAX && count > 0;
        is_full || count >= limits::LOGS_OF_DEVICE_MAX && !self.named.contains(&log)
    }

    /// Takes in nothing of a log, and says so; its device is to blame, and not
    /// who passed it on.
    pub(super) fn decline(&mut self, from: DeviceId, device: DeviceId, log: LogId) {
        let Some(session) = self.sessions.get_mut(&from) else { return };
        session.wanted.remove(&log);
        if session.declined.len() >= limits::LOGS_MAX || !session.declined.insert(log) {
            return;
        }
        self.send(from, Message::Declined(vec![log]));
        self.outputs.push_back(Output::Offence(device, "more logs than a device may begin"));
    }

    /// Returns whether nothing of a log is taken in that a peer shows.
    pub(super) fn is_declined(&self, from: DeviceId, log: LogId) -> bool {
        self.sessions.get(&from).is_some_and(|session| session.declined.contains(&log))
    }

    /// Notes that a peer takes in nothing of some logs.
    pub fn receive_declined(&mut self, from: DeviceId, logs: &[LogId]) {
        let Some(session) = self.sessions.get_mut(&from) else { return };
        let held = logs.iter().filter(|log| self.logs.contains_key(log));
        session.declines.extend(held);
    }

    /// Returns the logs of which it says nothing that a peer holds more: those of
    /// which nothing is taken in, and those that are here and not told of.
    pub(super) fn passed_over(&self, session: &Session) -> BTreeSet<LogId> {
        let mut logs = self.logs_at_odds(&session.theirs);
        logs.extend(session.declined.union(&self.untold));
        logs
    }

    /// Decides which logs are told of, where there are more than others read:
    /// of the devices with many their longest.
    pub(super) fn settle_told(&mut self) {
        self.untold.clear();
        if self.logs.len() <= limits::LOGS_MAX {
            return;
        }
        let mut of_devices: BTreeMap<DeviceId, Vec<(u64, LogId)>> = BTreeMap::new();
        for (log, state) in &self.logs {
            of_devices.entry(state.device).or_default().push((state.durable, *log));
        }
        for logs in of_devices.values_mut() {
            logs.sort_by_key(|(seq, log)| (std::cmp::Reverse(*seq), *log));
        }
        let mut each = limits::LOGS_OF_DEVICE_MAX;
        let told =
            |each: usize| of_devices.values().map(|logs| logs.len().min(each)).sum::<usize>();
        while each > 1 && told(each) > limits::LOGS_MAX {
            each /= 2;
        }
        let beyond = of_devices.values().flat_map(|logs| logs.iter().skip(each));
        self.untold = beyond.map(|(_, log)| *log).collect();
    }
}
