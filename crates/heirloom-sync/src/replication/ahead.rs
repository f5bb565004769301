//! Sending what this device wrote before it has taken effect here.

use super::{Replication, entries_message};
use crate::entry::Entry;
use crate::session::Session;
use heirloom_base::{DeviceId, LogId, Now, limits};

impl Replication {
    /// Sends entries of this device, each behind the one before, that are durable
    /// here, to every peer that has all before them; [`Replication::durable`]
    /// follows for each of them before anything else is heard.
    ///
    /// Whatever does not go this way goes with [`Replication::pump`].
    pub fn send_ahead(&mut self, now: Now, log: LogId, entries: &[&Entry]) {
        let follows = |(first, state): (&&Entry, &super::LogState)| {
            let header = first.header();
            state.durable > 0
                && header.seq == state.durable + 1
                && header.previous == state.durable_id
        };
        if !entries.first().zip(self.logs.get(&log)).is_some_and(follows) {
            return;
        }
        let urgent = self.urgent;
        let peers: Vec<DeviceId> = self.peers_ready().collect();
        for peer in peers {
            let Some(session) = self.sessions.get_mut(&peer) else { continue };
            let sent = session.send_ahead(now, log, entries);
            if !sent.is_empty() {
                let message = entries_message(session.unpacks, urgent, sent);
                self.send(peer, message);
            }
        }
    }
}

impl Session {
    /// Counts what of these entries travels in one message, and returns it.
    fn send_ahead(&mut self, now: Now, log: LogId, entries: &[&Entry]) -> Vec<Vec<u8>> {
        let (mut sent, mut size) = (Vec::new(), 0);
        for entry in entries {
            let (seq, bytes) = (entry.header().seq, entry.bytes());
            let is_next = self.next(log) + 1 == seq && seq <= self.stop(log);
            let fits = size == 0 || size + bytes.len() <= limits::ENTRY_BYTES_MAX;
            if !is_next || !fits || !self.has_credit(bytes.len() as u64) {
                break;
            }
            self.spend(now, log, seq, bytes.len() as u64);
            size += bytes.len();
            sent.push(bytes.to_vec());
        }
        sent
    }
}
