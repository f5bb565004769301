//! Ends of logs that their authors gave up: nobody takes them in any more, and
//! who shows one has not heard of it yet.

use super::Replication;
use crate::disowned::Word;
use crate::entry::Entry;
use crate::vector::{Tip, VersionVector};
use heirloom_base::{DeviceId, EntryId, LogId, Now};
use std::collections::BTreeSet;

/// Ends of one log that are remembered: each takes a device that was rolled back
/// once more.
const WORDS_MAX: usize = 64;

impl Replication {
    /// Takes in that an author gave an end of one of its logs up: what others hold of
    /// that end counts for nothing. Returns whether that is news.
    pub fn disown(&mut self, word: Word) -> bool {
        let author = self.logs.get(&word.end.log).map(|state| state.device);
        let words = self.disowned.entry(word.end.log).or_default();
        let is_own = author == Some(word.by);
        let is_news = is_own && words.len() < WORDS_MAX && !words.contains(&word);
        if is_news {
            words.push(word);
        }
        is_news
    }

    /// Forgets that a log has two ends: its author has said which one counts.
    pub fn no_fork(&mut self, log: LogId) {
        if !self.traced.contains_key(&log) {
            self.forked.remove(&log);
        }
    }

    /// Returns whether an author has given an end up that begins with an entry.
    #[must_use]
    pub fn is_disowned(&self, author: DeviceId, (log, seq): (LogId, u64), id: EntryId) -> bool {
        self.words_about(log, author).any(|word| (word.end.seq, word.end.id) == (seq, id))
    }

    /// Returns what authors have said of ends of their own logs.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.disowned.values().flatten()
    }

    /// Returns whether a log has, or had, two ends.
    #[must_use]
    pub fn is_divided(&self, log: LogId) -> bool {
        self.forked.contains(&log) || self.disowned.contains_key(&log)
    }

    /// Returns the logs that have two ends.
    pub fn logs_forked(&self) -> impl Iterator<Item = LogId> {
        self.forked.iter().copied()
    }

    fn words_about(&self, log: LogId, author: DeviceId) -> impl Iterator<Item = &Word> {
        let words = self.disowned.get(&log).into_iter().flatten();
        words.filter(move |word| word.by == author)
    }

    /// Takes nothing of a log in, and says nothing of it, until
    /// [`Replication::rewind`] or [`Replication::go_on`].
    pub fn halt(&mut self, log: LogId) {
        self.halted.insert(log);
    }

    /// Returns the logs of which nothing is taken in.
    #[must_use]
    pub fn logs_halted(&self) -> Vec<LogId> {
        self.halted.iter().copied().collect()
    }

    /// Goes on with a log as it is.
    pub fn go_on(&mut self, log: LogId) {
        self.halted.remove(&log);
        let is_forked = self.forked.contains(&log);
        self.trace_ends(log);
        if is_forked {
            self.forked.insert(log);
        }
    }

    /// Returns whether a peer holds less of an author's words than are here about a
    /// log: what it shows of it may be an end that is given up.
    pub(super) fn is_unheard(&self, peer: DeviceId, log: LogId) -> bool {
        let Some(author) = self.logs.get(&log).map(|state| state.device) else { return false };
        let Some(session) = self.sessions.get(&peer) else { return false };
        self.words_about(log, author).any(|word| session.theirs.seq(word.at.0) < word.at.1)
    }

    /// Returns whether a peer was seen to hold an end of a log that is given up.
    #[must_use]
    pub fn shows_disowned(&self, peer: DeviceId, log: LogId) -> bool {
        self.sessions.get(&peer).is_some_and(|session| session.given_up.contains(&log))
    }

    /// Passes over an entry of an end that is given up, and whatever does not fit and
    /// comes from somebody who holds one; returns whether it is one.
    pub(super) fn passes_over(
        &mut self,
        now: Now,
        (from, author): (DeviceId, DeviceId),
        entry: &Entry,
    ) -> bool {
        let (log, seq) = (entry.header().log, entry.header().seq);
        if self.halted.contains(&log) {
            return true;
        }
        if !self.disowned.contains_key(&log) {
            return false;
        }
        let fits = self.logs.get(&log).map_or(seq == 1, |state| {
            (state.staged + 1, state.staged_id) == (seq, entry.header().previous)
        });
        let is_disowned = self.is_disowned(author, (log, seq), entry.id());
        if is_disowned && self.traced.get(&log).is_some_and(|(peer, _)| *peer == from) {
            self.trace_ends(log);
        }
        let Some(session) = self.sessions.get_mut(&from) else { return is_disowned };
        if is_disowned {
            session.wanted.remove(&log);
            session.progressed(now);
            session.given_up.insert(log);
        } else if fits {
            session.given_up.remove(&log);
        }
        session.given_up.contains(&log)
    }

    /// Takes in what a peer holds by now: who has heard what was said about a log,
    /// and holds more of it, sends that.
    pub(super) fn ends_told(&mut self, peer: DeviceId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let told = session.given_up.iter().copied();
        let told: Vec<LogId> = told.filter(|log| !self.is_unheard(peer, *log)).collect();
        for log in told {
            let held = self.logs.get(&log).map_or(0, |state| state.staged);
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            session.given_up.remove(&log);
            if session.theirs.seq(log) > held {
                self.ask_again(peer, vec![(log, held)]);
            }
        }
    }

    /// Returns whether somebody may hold another end of a log than the one here, of
    /// which its author gave an end up.
    pub(super) fn is_at_odds(&self, log: LogId, tip: Tip) -> bool {
        let Some(state) = self.logs.get(&log) else { return false };
        let parts = self.words_about(log, state.device).map(|word| word.end.seq).min();
        let ours = Tip::new(state.durable, state.durable_id);
        parts.is_some_and(|parts| tip.seq >= parts) && tip != ours
    }

    /// Returns the logs of which somebody may hold an end that is given up.
    pub(super) fn logs_at_odds(&self, vector: &VersionVector) -> BTreeSet<LogId> {
        let tip = |log: &&LogId| vector.tips.get(log).copied();
        let logs = self.disowned.keys();
        let logs = logs.filter(|log| tip(log).is_some_and(|tip| self.is_at_odds(**log, tip)));
        logs.copied().collect()
    }

    /// Returns the logs of which less may be held than was: an end is given up.
    pub(super) fn logs_disowned(&self) -> BTreeSet<LogId> {
        self.words().map(|word| word.end.log).collect()
    }
}
