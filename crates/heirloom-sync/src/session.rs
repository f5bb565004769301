//! One conversation with one peer: what it holds and how much may travel.

use crate::message::{Hello, Message, PACKS_FROM};
use crate::receipt::Receipt;
use crate::replication::floods::Allowance;
use crate::replication::relay::Kept;
use crate::replication::talk::Talk;
use crate::vector::VersionVector;
use heirloom_base::{DeviceId, Incarnation, LogId, Now, limits};
use std::collections::{BTreeMap, BTreeSet};

/// The state of one sync stream.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The peer said hello: before that nothing but a hello may travel.
    pub(crate) ready: bool,
    /// It reads packed entries.
    pub(crate) unpacks: bool,
    /// What the peer claims to hold or was sent, per log.
    pub(crate) next: BTreeMap<LogId, u64>,
    /// What the peer itself claims to hold.
    pub(crate) theirs: VersionVector,
    /// Entries on their way without credit.
    pub(crate) entries_unacknowledged: u32,
    /// Their bytes.
    pub(crate) bytes_unacknowledged: u64,
    /// Logs whose gap was reported, so that each is reported once.
    pub(crate) wanted: BTreeMap<LogId, u64>,
    /// Logs of which it showed entries that could not be stored.
    pub(crate) dropped: BTreeSet<LogId>,
    /// The peer waits for a receipt.
    pub(crate) receipt_asked: bool,
    /// Since when an answer of the peer is awaited.
    pub(crate) awaited_since_ms: Option<u64>,
    /// When the last entry travelled.
    pub(crate) sent_ms: Option<u64>,
    /// The credit for messages that came while nothing was taken in.
    pub(crate) owed: Vec<Message>,
    /// What the peer had acknowledged before the conversation.
    pub(crate) promised: VersionVector,
    /// The life of the peer's store in which it did.
    pub(crate) generation: Option<Incarnation>,
    /// Its newest receipt when the conversation began, and the newest that it
    /// surely signed before.
    pub(crate) known: Option<Receipt>,
    pub(crate) sure: Option<Receipt>,
    /// When the conversation began, as [`words`](crate::replication::words) counts.
    pub(crate) moment: u64,
    /// Logs of which its last entry was compared with ours.
    pub(crate) compared: BTreeSet<LogId>,
    /// Receipts that are taken in, and those that wait.
    pub(crate) allowance: Allowance,
    pub(crate) receipts_waiting: BTreeMap<DeviceId, Vec<u8>>,
    /// Bytes of entries in one message: fewer where the link is slow, so that what
    /// travels is heard of.
    pub(crate) message_bytes: usize,
    /// When the last credit came, or entries were sent to which none is owed.
    pub(crate) paced_ms: u64,
    /// Where the peer asked for a log again, how often and since when.
    pub(crate) wants_of: BTreeMap<LogId, Again>,
    /// The life of the store that its receipts of this conversation name.
    pub(crate) life: Option<Incarnation>,
    /// Since when others know a receipt of the peer that it has not shown here.
    pub(crate) told_others_since_ms: Option<u64>,
    /// For how long the peer was heard.
    pub(crate) talk: Talk,
    /// When the peer last sent an entry that was news or that it had not sent
    /// yet, or first said that it holds more than is here, and what
    /// its talk's clock showed then.
    pub(crate) delivered_ms: u64,
    pub(crate) delivered_talk_ms: u64,
    /// What that clock showed when others were first seen to know a later receipt,
    /// and when it first said that it holds less than it had acknowledged.
    pub(crate) told_others_talk_ms: u64,
    pub(crate) withdrawn_talk_ms: Option<u64>,
    /// Until when bytes that come are taken for entries on their way.
    pub(crate) coming_until_ms: u64,
    /// Logs that the peer asked for again: what it said of them before is not
    /// what it holds.
    pub(crate) asked_again: BTreeSet<LogId>,
    /// How many entries of the peer were news, and when the last one came.
    pub(crate) news: u64,
    pub(crate) news_ms: u64,
    /// The credit for messages in which nothing was news, until when it is kept
    /// back.
    pub(crate) held: Vec<Message>,
    pub(crate) held_until_ms: Option<u64>,
    /// How far the peer has sent logs that were here already: of two that send
    /// the same ones withholds none.
    pub(crate) sent_again: BTreeMap<LogId, u64>,
    /// Logs that the peer hears from their authors, as it says, and what is kept
    /// back of them.
    pub(crate) fed: BTreeSet<LogId>,
    pub(crate) kept: BTreeMap<LogId, Kept>,
    /// When the peer was told that a log is heard from its author.
    pub(crate) told_fed: BTreeMap<LogId, u64>,
    /// How often the peer asked for a part of a log again.
    pub(crate) wants: usize,
    /// How often this device asked the peer for a part of a log again.
    pub(crate) asked: usize,
    /// How often the peer said hello.
    pub(crate) hellos: usize,
    /// How often the peer asked for entries before their turn.
    pub(crate) tails: usize,
    /// Logs of which the peer was told of a hole.
    pub(crate) told_holes: BTreeSet<LogId>,
    /// Where the peer's holes end: it has what comes next, until it asks.
    pub(crate) stops: BTreeMap<LogId, u64>,
    /// The peer was shown checkpoints, and has given no credit since.
    pub(crate) is_shown_checkpoints: bool,
    /// Logs of which it showed entries and of which nothing is taken in.
    pub(crate) declined: BTreeSet<LogId>,
    /// Logs of which it takes in nothing.
    pub(crate) declines: BTreeSet<LogId>,
    /// Logs of which it showed an end that their authors gave up.
    pub(crate) given_up: BTreeSet<LogId>,
    /// It asked so often that the conversation is to begin anew.
    pub(crate) is_asked_out: bool,
}

/// In what a peer falls short of its own word. It is no proof: what travels
/// makes it so for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// Entries that it had acknowledged and says now that it does not hold.
    pub withdrawn: u64,
    /// For how long it has talked since it said so.
    pub withdrawn_for_ms: u64,
    /// Since when others know a later receipt than those that it shows here,
    /// on the monotonic clock.
    pub told_others_since_ms: Option<u64>,
    /// For how long it has talked since then.
    pub told_others_for_ms: u64,
    /// Entries that it says that it holds and has not sent.
    pub undelivered: u64,
    /// When it last sent one or first said so, on the monotonic clock.
    pub delivered_ms: u64,
    /// For how long it has talked since then. A peer that is not heard does not
    /// withhold anything.
    pub undelivered_for_ms: u64,
}

impl Shortfall {
    /// Returns whether some of it has not lasted for so many milliseconds of talk.
    pub(crate) fn is_open(&self, usual_ms: u64) -> bool {
        let withdrawn = self.withdrawn > 0 && self.withdrawn_for_ms < usual_ms;
        let told = self.told_others_since_ms.is_some() && self.told_others_for_ms < usual_ms;
        withdrawn || told || self.undelivered > 0 && self.undelivered_for_ms < usual_ms
    }
}

/// What a conversation with a peer waits for, on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversation {
    /// Since when an answer of the peer is awaited.
    pub awaited_since_ms: Option<u64>,
    /// When the last entry was sent.
    pub sent_ms: Option<u64>,
    /// Since when the peer asks for the same entries again and again: it takes
    /// nothing in.
    pub refuses_since_ms: Option<u64>,
}

/// How often a peer asked for a log behind the same entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    after: u64,
    times: u32,
    since_ms: u64,
}

/// Time within which a message that fills the limit is to be acknowledged for the
/// limit to grow, and after which it shrinks.
const SOON_MS: u64 = 1_000;
const LATE_MS: u64 = 4_000;
/// Time after the last entry that was news in which other bytes count for one.
pub(crate) const COMING_MS: u64 = 10 * 60_000;

impl Session {
    /// Returns a conversation in which nothing was said: the hello is awaited.
    pub(crate) fn begun(now: Now) -> Self {
        Self {
            awaited_since_ms: Some(now.mono_ms),
            message_bytes: limits::MESSAGE_FIRST_BYTES,
            talk: Talk::begun(now),
            ..Self::default()
        }
    }

    /// Remembers what the peer had acknowledged.
    pub(crate) fn promised(mut self, receipt: Option<&Receipt>) -> Self {
        self.promised = receipt.map(|receipt| receipt.vector.clone()).unwrap_or_default();
        self.generation = receipt.map(|receipt| receipt.generation);
        self
    }

    /// Takes in a receipt that the peer itself shows, the newest or an older one.
    pub(crate) fn hear(&mut self, receipt: &Receipt, is_newest: bool) {
        self.theirs = receipt.vector.clone();
        if self.generation.replace(receipt.generation) != Some(receipt.generation) {
            // Another store promised that.
            self.promised = VersionVector::default();
        }
        if is_newest {
            self.told_others_since_ms = None;
            // What others brought it meanwhile need not be sent, but for the last:
            // in it shows whether its log has the same end as ours.
            for (log, tip) in &receipt.vector.tips {
                if !self.asked_again.contains(log) {
                    self.shown(*log, tip.seq.saturating_sub(1));
                }
            }
        }
    }

    /// Notes that somebody else showed a newer receipt of the peer.
    pub(crate) fn heard_of_more(&mut self, now: Now, generation: Incarnation) {
        if self.generation == Some(generation) {
            if self.told_others_since_ms.is_none() {
                self.told_others_talk_ms = self.talk.at(now);
            }
            self.told_others_since_ms.get_or_insert(now.mono_ms);
            self.talk.is_doubted = true;
        }
    }

    /// Takes in the peer's hello.
    pub(crate) fn greet(&mut self, now: Now, hello: &Hello) {
        if !self.ready {
            self.progressed(now);
            self.delivered(now);
            self.coming_until_ms = now.mono_ms.saturating_add(COMING_MS);
        }
        self.ready = true;
        self.unpacks = hello.versions.1 >= PACKS_FROM;
        self.theirs = hello.vector.clone();
        self.next = hello.vector.tips.iter().map(|(log, tip)| (*log, tip.seq)).collect();
        self.stops = hello.holes.iter().map(|hole| (hole.log, hole.last)).collect();
    }

    /// Returns whether an entry of `bytes` may travel now. One entry may
    /// always travel, so that a large one never waits for ever.
    pub(crate) fn has_credit(&self, bytes: u64) -> bool {
        let bytes_max = match self.is_shown_checkpoints {
            true => limits::CREDIT_FIRST_BYTES,
            false => limits::CREDIT_BYTES,
        };
        self.entries_unacknowledged == 0
            || (u64::from(self.entries_unacknowledged) < limits::CREDIT_ENTRIES as u64
                && self.bytes_unacknowledged + bytes <= bytes_max as u64)
    }

    /// Counts an entry that travels.
    pub(crate) fn spend(&mut self, now: Now, log: LogId, seq: u64, bytes: u64) {
        self.awaited_since_ms.get_or_insert(now.mono_ms);
        if self.entries_unacknowledged == 0 {
            self.paced_ms = now.mono_ms;
        }
        self.sent_ms = Some(now.mono_ms);
        self.entries_unacknowledged += 1;
        self.bytes_unacknowledged += bytes;
        self.next.insert(log, seq);
    }

    /// Counts credit that came back.
    pub(crate) fn credit(&mut self, now: Now, entries: u32, bytes: u64) {
        self.is_shown_checkpoints = false;
        self.pace(now, bytes);
        self.entries_unacknowledged = self.entries_unacknowledged.saturating_sub(entries);
        self.bytes_unacknowledged = self.bytes_unacknowledged.saturating_sub(bytes);
        if self.entries_unacknowledged == 0 {
            self.bytes_unacknowledged = 0;
        }
        self.progressed(now);
    }

    /// Lets messages grow where they arrive soon, and shrink where they do not.
    fn pace(&mut self, now: Now, bytes: u64) {
        let took_ms = now.mono_ms.saturating_sub(self.paced_ms);
        self.paced_ms = now.mono_ms;
        let is_full = bytes.saturating_mul(2) >= self.message_bytes as u64;
        if is_full && took_ms < SOON_MS {
            self.message_bytes = (self.message_bytes * 2).min(limits::ENTRY_BYTES_MAX);
        } else if took_ms > LATE_MS {
            self.message_bytes = (self.message_bytes / 2).max(limits::MESSAGE_LEAST_BYTES);
        }
    }

    /// Notes that bytes of a frame came: an entry may take long. Who sends bytes and
    /// no entries is not believed for ever.
    pub(crate) fn coming(&mut self, now: Now) {
        if now.mono_ms < self.coming_until_ms {
            self.delivered(now);
        }
    }

    /// Notes that the peer asks for a log again.
    pub(crate) fn wants_again(&mut self, now: Now, log: LogId, after: u64) {
        let first = Again { after, times: 0, since_ms: now.mono_ms };
        let again = self.wants_of.entry(log).or_insert(first);
        if again.after != after {
            *again = first;
        }
        again.times = again.times.saturating_add(1);
    }

    /// Returns since when the peer asks for the same again and again.
    pub(crate) fn refuses_since_ms(&self) -> Option<u64> {
        let again = self
            .wants_of
            .iter()
            .filter(|(log, again)| again.times > 1 && self.theirs.seq(**log) <= again.after);
        again.map(|(_, again)| again.since_ms).min()
    }

    /// Notes that the peer answered: the wait for the rest begins anew.
    pub(crate) fn progressed(&mut self, now: Now) {
        let more = self.entries_unacknowledged > 0 || !self.wanted.is_empty();
        self.awaited_since_ms = more.then_some(now.mono_ms);
    }

    /// Returns when the peer counts as stalled.
    pub(crate) fn stalled_ms(&self) -> Option<u64> {
        let since = self.awaited_since_ms.into_iter().chain(self.talk.asked_ms).min();
        since.map(|since| since + limits::STALL_MS_MAX as u64)
    }

    /// Returns when what is kept back is passed on.
    pub(crate) fn relays_ms(&self) -> impl Iterator<Item = u64> {
        self.kept.values().filter_map(|kept| kept.due_ms)
    }

    /// Returns up to where `log` needs not be sent.
    pub(crate) fn next(&self, log: LogId) -> u64 {
        self.next.get(&log).copied().unwrap_or(0)
    }

    /// Returns behind which entry of `log` nothing is sent for now.
    pub(crate) fn stop(&self, log: LogId) -> u64 {
        self.stops.get(&log).copied().unwrap_or(u64::MAX)
    }

    /// Notes that the peer sent an entry that was here already.
    pub(crate) fn sent_again(&mut self, now: Now, log: LogId, seq: u64) {
        let sent = self.sent_again.entry(log).or_default();
        if seq > *sent {
            *sent = seq;
            self.delivered(now);
        }
    }

    /// Notes that the peer itself showed an entry.
    pub(crate) fn shown(&mut self, log: LogId, seq: u64) {
        let next = self.next.entry(log).or_default();
        *next = (*next).max(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 0, mono_ms }
    }

    #[test]
    fn credit_bounds_what_travels_but_one_entry_always_may() {
        let mut session = Session::default();
        let huge = limits::CREDIT_BYTES as u64 * 2;
        assert!(session.has_credit(huge));
        session.spend(at(0), LogId([1; 16]), 1, huge);
        assert!(!session.has_credit(1));
        session.credit(at(0), 1, huge);
        for seq in 0..limits::CREDIT_ENTRIES as u64 {
            assert!(session.has_credit(1));
            session.spend(at(0), LogId([1; 16]), seq, 1);
        }
        assert!(!session.has_credit(1));
    }

    #[test]
    fn false_credit_never_goes_below_nothing() {
        let mut session = Session::default();
        session.spend(at(0), LogId([1; 16]), 1, 10);
        session.credit(at(0), u32::MAX, u64::MAX);
        assert_eq!((session.entries_unacknowledged, session.bytes_unacknowledged), (0, 0));
    }

    #[test]
    fn a_peer_that_never_answers_counts_as_stalled() {
        let mut session = Session::default();
        assert_eq!(session.stalled_ms(), None);
        let silent = Session::begun(at(7));
        assert_eq!(silent.stalled_ms(), Some(7 + limits::STALL_MS_MAX as u64));
        session.spend(at(10), LogId([1; 16]), 1, 10);
        session.spend(at(20), LogId([1; 16]), 2, 10);
        assert_eq!(session.stalled_ms(), Some(10 + limits::STALL_MS_MAX as u64));
        session.credit(at(500), 1, 10);
        assert_eq!(session.stalled_ms(), Some(500 + limits::STALL_MS_MAX as u64));
        session.credit(at(600), 1, 10);
        assert_eq!(session.stalled_ms(), None);
    }
}
