//! Of two peers that send the same, one is asked to slow down.
//!
//! Credit for much that was here already is given back later, as long as
//! somebody else brings what is new. By then the receipts have said what is
//! here, and the peer goes on behind that.

use super::Replication;
use crate::message::Message;
use crate::session::Session;
use heirloom_base::{DeviceId, Now, limits};

/// Entries of a message that are much: of single ones, as people write them,
/// nobody need slow down.
const MANY: usize = 8;
const HELD_MS: u64 = limits::DOUBLES_PAUSE_MS as u64;

impl Replication {
    /// Gives the credit for a message of so many entries back, at once or later;
    /// with them stands how many were news before it.
    pub(super) fn give_credit(
        &mut self,
        now: Now,
        from: DeviceId,
        (count, news): (usize, u64),
        credit: Message,
    ) {
        let brings = |session: &Session| {
            session.news > 0 && now.mono_ms < session.news_ms.saturating_add(HELD_MS)
        };
        let way_until_ms = self.way_until_ms(now);
        let others = self.sessions.iter().filter(|(device, _)| **device != from);
        let is_brought = others.map(|(_, session)| session).any(brings);
        let Some(session) = self.sessions.get_mut(&from) else { return };
        let is_double = count > MANY && session.news == news && is_brought;
        let until_ms = way_until_ms.or(is_double.then_some(now.mono_ms + HELD_MS));
        // Whoever keeps to its window sends no more messages than that.
        match until_ms.filter(|_| session.held.len() < limits::CREDIT_ENTRIES) {
            Some(until_ms) => {
                session.held.push(credit);
                session.held_until_ms.get_or_insert(until_ms);
            }
            None => self.send(from, credit),
        }
    }

    /// Gives credit back that was held for long enough.
    pub(super) fn release_credit(&mut self, now: Now) {
        self.end_way_in_time(now);
        let is_due = |session: &&mut Session| {
            session.held_until_ms.is_some_and(|until| until <= now.mono_ms)
        };
        let due = self.sessions.iter_mut().filter(|(_, session)| is_due(session));
        let due: Vec<(DeviceId, Vec<Message>)> = due
            .map(|(device, session)| {
                session.held_until_ms = None;
                (*device, std::mem::take(&mut session.held))
            })
            .collect();
        for (device, held) in due {
            held.into_iter().for_each(|credit| self.send(device, credit));
        }
    }
}
