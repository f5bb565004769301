//! Silence is not withholding.
//!
//! Whoever falls short of its own word is named only for the time in which it
//! talks. Where it is not heard, it is asked for a receipt: what it says comes in
//! the order in which it says it, so an answer without the entries is a choice,
//! and no answer is a link or a device that stands still.

use super::{Output, Replication};
use crate::message::Message;
use crate::session::Session;
use heirloom_base::{DeviceId, Now, limits};

/// Longest pause between two things that are heard that counts as talk.
const PAUSE_MS_MAX: u64 = limits::DOUBT_PAUSE_MS as u64 + limits::RECEIPT_DELAY_MS_MAX as u64;

/// For how long a peer was heard: a clock that stands still while it is silent.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    talked_ms: u64,
    /// When it was last heard.
    heard_ms: u64,
    /// Since when it is asked for a sign of life.
    pub(crate) asked_ms: Option<u64>,
    /// Whether it may fall short of its word.
    pub(crate) is_doubted: bool,
}

impl Talk {
    pub(crate) fn begun(now: Now) -> Self {
        Self { heard_ms: now.mono_ms, ..Self::default() }
    }

    fn heard(&mut self, now: Now) {
        self.talked_ms = self.at(now);
        self.heard_ms = now.mono_ms;
        self.asked_ms = None;
    }

    /// Returns what the clock would show if something was heard now.
    pub(crate) fn at(&self, now: Now) -> u64 {
        self.talked_ms + now.mono_ms.saturating_sub(self.heard_ms).min(PAUSE_MS_MAX)
    }

    /// Returns for how long it has talked since the clock showed `mark`.
    pub(crate) fn since(&self, mark: u64) -> u64 {
        self.talked_ms.saturating_sub(mark)
    }

    /// Returns when it is to be asked, if it may be: one question waits at a time.
    fn ask_ms(&self) -> Option<u64> {
        let may = self.is_doubted && self.asked_ms.is_none();
        may.then_some(self.heard_ms.saturating_add(limits::DOUBT_PAUSE_MS as u64))
    }
}

impl Session {
    /// Returns when the peer is to be asked whether it is still there.
    fn ask_ms(&self) -> Option<u64> {
        self.talk.ask_ms().filter(|_| self.ready)
    }

    /// Notes that the peer did what it said it could: it has time again.
    pub(crate) fn delivered(&mut self, now: Now) {
        self.delivered_ms = now.mono_ms;
        self.delivered_talk_ms = self.talk.at(now);
    }
}

impl Replication {
    /// Notes that something of a peer was heard, whatever it is.
    pub fn heard(&mut self, now: Now, device: DeviceId) {
        if let Some(session) = self.sessions.get_mut(&device) {
            session.talk.heard(now);
        }
    }

    /// Returns whether a peer has said that it holds what it has not sent yet.
    pub(super) fn owes(&self, device: DeviceId) -> bool {
        let session = self.sessions.get(&device).filter(|session| session.ready);
        session.is_some_and(|session| self.unsent(session) > 0)
    }

    /// Notes that a peer said what it holds. What it says for the first time it has
    /// time to send.
    pub(super) fn claimed(&mut self, now: Now, device: DeviceId, owed: bool) {
        let owes = self.owes(device);
        let Some(session) = self.sessions.get_mut(&device) else { return };
        if !owed {
            session.delivered(now);
        }
        let withdrawn = session.promised.entries_beyond(&session.theirs) > 0;
        let since = session.withdrawn_talk_ms.unwrap_or_else(|| session.talk.at(now));
        session.withdrawn_talk_ms = withdrawn.then_some(since);
        session.talk.is_doubted |= owes || withdrawn;
    }

    /// Returns when [`Replication::ask_silent`] is due.
    pub(super) fn ask_silent_ms(&self) -> Option<u64> {
        let asked = self.sessions.values().filter(|_| !self.is_paused());
        asked.filter_map(Session::ask_ms).min()
    }

    /// Asks those who fall short of their word and are not heard for a sign of life,
    /// until they are named.
    pub fn ask_silent(&mut self, now: Now) {
        if self.is_paused() {
            return;
        }
        let is_due = |session: &Session| session.ask_ms().is_some_and(|due| due <= now.mono_ms);
        let due = self.sessions.iter().filter(|(_, session)| is_due(session));
        for device in due.map(|(device, _)| *device).collect::<Vec<DeviceId>>() {
            let shortfall = self.shortfall(device);
            let Some(session) = self.sessions.get_mut(&device) else { continue };
            session.talk.is_doubted =
                shortfall.is_some_and(|short| short.is_open(limits::WORD_MS as u64));
            if session.talk.is_doubted {
                session.talk.asked_ms = Some(now.mono_ms);
                self.outputs.push_back(Output::Send(device, Message::AskReceipt));
            }
        }
    }
}
