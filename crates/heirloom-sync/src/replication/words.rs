//! What follows from what a device says of itself, where no two signed receipts
//! prove it: that it holds less than it had acknowledged, that its receipts
//! begin again below numbers that were used, or that it uses the receipts of two
//! stores in turns.
//!
//! Everything here rests on what was known before a word was said. A receipt
//! that a device itself shows in a conversation is signed after that
//! conversation began here, because it answers our hello; and one that covers an
//! entry of this device is signed after the entry was written.

use super::{Output, Replication};
use crate::receipt::Receipt;
use crate::vector::VersionVector;
use heirloom_base::{DeviceId, Incarnation, LogId, Now};
use std::collections::{BTreeMap, BTreeSet};

/// Time after which a receipt that others showed is older than any hello that
/// has not arrived yet: several times what opening a stream may take.
const RELAYED_SURE_MS: u64 = 60_000;
/// Beginnings of one device's store within a day from which on it is not told
/// mildly any more: a disk that fails so often is no place for a copy either.
const BEGINNINGS_MAX: usize = 3;
const DAY_MS: u64 = 86_400_000;
/// Lives of one device's store that are told apart.
const LIVES_MAX: usize = 16;

/// A moment of this device: whatever covers a later entry of its log, or is said
/// in a later conversation, was signed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) moment: u64,
    pub(super) own: Option<(LogId, u64)>,
}

/// What is known of how one device speaks of itself.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// Its newest receipt that is older than any conversation that begins now.
    sure: Option<Receipt>,
    /// When others last showed a receipt that is newer than that.
    relayed_ms: Option<u64>,
    /// When each life of its store was first heard of.
    pub(super) lives: BTreeMap<Incarnation, Mark>,
    /// Those that it has shown itself, the earliest first.
    pub(super) shown: Vec<Incarnation>,
    /// For two lives, when a receipt of the second was known to be signed after
    /// one of the first.
    pub(super) later: BTreeMap<(Incarnation, Incarnation), Mark>,
    /// The newest receipt of another life than its own word, from others.
    elsewhere: Option<Receipt>,
    /// Entries that it lacked of what it had acknowledged, and for how long.
    fell: Option<Fall>,
    /// What it had acknowledged before its store began anew.
    before: VersionVector,
    /// The highest number of a life whose receipts began again below it.
    ceiling: Option<(Incarnation, u64)>,
    alternates: bool,
    /// When its store began anew without entries that it had acknowledged.
    begun_ms: Vec<u64>,
}

/// A device that came with less than it had acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fall {
    entries: u64,
    /// Whether its receipts say the same store as before; not known at first.
    same_store: Option<bool>,
}

/// What a device is found to do, from its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// It lacks so many entries that it had acknowledged, and its store goes on as
    /// if it had never held them.
    TookBack(u64),
    /// It lacks so many; whether its store began anew is not known yet.
    Lacks(u64),
    /// It says that its store began anew, and lacks so many still.
    BeganAnew(u64),
    /// Others were shown another store of it, which lacks so many; which of the
    /// two is newer is not known.
    ShowsOthers(u64),
    /// Its store began anew so often within a day, each time without what it had
    /// acknowledged.
    BeginsAgain(u64),
    /// The receipts of two stores of it alternate.
    Alternates,
}

impl Words {
    fn loaded(&mut self, receipt: &Receipt) {
        let mark = Mark { moment: 0, own: None };
        self.lives.entry(receipt.generation).or_insert(mark);
        self.sure = Some(receipt.clone());
    }

    /// Returns whether a receipt of one life is known to be signed after one of
    /// the other.
    fn is_later(&self, first: Incarnation, second: Incarnation) -> bool {
        self.later.contains_key(&(first, second))
    }

    /// Puts a receipt into the order of lives; returns whether two alternate.
    fn order(&mut self, receipt: &Receipt, now: Mark, is_after: &dyn Fn(&Mark) -> bool) -> bool {
        let life = receipt.generation;
        if !self.lives.contains_key(&life) && self.lives.len() >= LIVES_MAX {
            return false;
        }
        let others: Vec<Incarnation> =
            self.lives.keys().filter(|other| **other != life).copied().collect();
        let mut returns = false;
        for other in others {
            // A receipt of the other is later than one of this life, and this one later still.
            returns |= self.later.get(&(life, other)).is_some_and(is_after);
            if self.lives.get(&other).is_some_and(is_after) {
                self.later.entry((other, life)).or_insert(now);
            }
        }
        self.lives.entry(life).or_insert(now);
        returns && !std::mem::replace(&mut self.alternates, returns)
    }

    /// Returns what is found; of logs of which an end is given up less may be held.
    fn findings(&self, newest: Option<&Receipt>, but: &BTreeSet<LogId>) -> Vec<Finding> {
        let mut found = Vec::new();
        match self.fell {
            Some(Fall { entries, same_store: Some(true) }) => {
                found.push(Finding::TookBack(entries));
            }
            Some(Fall { entries, same_store: None }) => found.push(Finding::Lacks(entries)),
            Some(Fall { same_store: Some(false), .. }) | None => {}
        }
        if self.alternates {
            found.push(Finding::Alternates);
        }
        if self.begun_ms.len() >= BEGINNINGS_MAX {
            found.push(Finding::BeginsAgain(self.begun_ms.len() as u64));
        }
        let Some(newest) = newest else { return found };
        let lacks = self.before.entries_beyond_but(&newest.vector, but);
        if lacks > 0 {
            found.push(Finding::BeganAnew(lacks));
        }
        if let Some(other) = self.elsewhere.as_ref().filter(|other| self.is_open(newest, other)) {
            let lacks = newest.vector.entries_beyond_but(&other.vector, but);
            if lacks > 0 && !self.alternates {
                found.push(Finding::ShowsOthers(lacks));
            }
        }
        found
    }

    /// Returns whether another store than that of its own word may be the newer one.
    fn is_open(&self, newest: &Receipt, other: &Receipt) -> bool {
        let first = |life: Incarnation| self.lives.get(&life).map_or(0, |mark| mark.moment);
        newest.generation != other.generation
            && first(newest.generation) <= first(other.generation)
            && !self.is_later(other.generation, newest.generation)
    }
}

impl Replication {
    /// Returns what is found of a device by its own words.
    #[must_use]
    pub fn findings(&self, device: DeviceId) -> Vec<Finding> {
        let newest = self.ledger.receipt(device);
        let but = self.logs_disowned();
        self.words.get(&device).map(|words| words.findings(newest, &but)).unwrap_or_default()
    }

    /// Returns whether a device was found to have less than it had acknowledged.
    #[must_use]
    pub fn has_fallen(&self, device: DeviceId) -> bool {
        self.words.get(&device).is_some_and(|words| words.fell.is_some())
    }

    pub(super) fn load_words(&mut self, receipt: &Receipt) {
        self.words.entry(receipt.device).or_default().loaded(receipt);
    }

    fn mark(&mut self) -> Mark {
        self.moment += 1;
        let own = self.own_log.and_then(|log| Some((log, self.logs.get(&log)?.staged)));
        Mark { moment: self.moment, own }
    }

    /// Notes that a conversation begins; returns what the peer surely said before
    /// it, and the moment.
    pub(super) fn begin_words(&mut self, now: Now, device: DeviceId) -> (Option<Receipt>, u64) {
        let mark = self.mark();
        let newest = self.ledger.receipt(device).cloned();
        let Some(words) = self.words.get_mut(&device) else { return (None, mark.moment) };
        for life in words.lives.values_mut().filter(|life| life.own.is_none()) {
            life.own = mark.own;
        }
        let is_old =
            words.relayed_ms.is_some_and(|at| now.mono_ms >= at.saturating_add(RELAYED_SURE_MS));
        if is_old && newest.is_some() {
            (words.sure, words.relayed_ms) = (newest, None);
        }
        (words.sure.clone(), mark.moment)
    }

    /// Compares what a hello names with what its sender surely said before.
    pub(super) fn greet_words(&mut self, device: DeviceId, vector: &VersionVector) {
        let Some(session) = self.sessions.get(&device) else { return };
        let Some(sure) = &session.sure else { return };
        let entries = sure.vector.entries_beyond_but(vector, &self.logs_disowned());
        let words = self.words.entry(device).or_default();
        if entries > 0 && words.fell.is_none_or(|fall| fall.same_store != Some(true)) {
            words.fell = Some(Fall { entries, same_store: None });
            self.outputs.push_back(Output::Found(device, Finding::Lacks(entries)));
        }
    }

    /// Weighs a receipt before it is recorded, which its device itself showed or
    /// somebody else; returns whether it counts although its number was used.
    pub(super) fn weigh_words(&mut self, now: Now, from: DeviceId, receipt: &Receipt) -> bool {
        let device = receipt.device;
        let mark = self.mark();
        let is_direct = device == from;
        let begun = self.sessions.get(&device).filter(|_| is_direct).map(|session| session.moment);
        let (own, forked, sights) = (self.own_log, &self.forked, &self.sights);
        let held = own.and_then(|log| self.logs.get(&log)).map_or(0, |state| state.staged);
        let is_after = |mark: &Mark| {
            let covers = mark.own.is_some_and(|(log, seq)| {
                let covered = receipt.vector.seq(log);
                let is_own = own == Some(log) && !forked.contains(&log);
                is_own
                    && (covered > seq && covered <= held
                        || sights.covers(receipt, (log, seq), forked))
            });
            covers || begun.is_some_and(|begun| begun > mark.moment)
        };
        let words = self.words.entry(device).or_default();
        if words.order(receipt, mark, &is_after) {
            self.outputs.push_back(Output::Found(device, Finding::Alternates));
        }
        match is_direct {
            true => self.weigh_own(now, receipt),
            false => self.weigh_relayed(now, receipt),
        }
    }

    fn weigh_own(&mut self, now: Now, receipt: &Receipt) -> bool {
        let device = receipt.device;
        self.show_life(device, receipt.generation);
        let Some(session) = self.sessions.get_mut(&device) else { return false };
        let is_first = session.life.is_none();
        let changes = session.life.replace(receipt.generation);
        let (sure, known) = (session.sure.clone(), session.known.clone());
        let words = self.words.entry(device).or_default();
        let mut found = None;
        if changes.is_some_and(|life| life != receipt.generation)
            && !std::mem::replace(&mut words.alternates, true)
        {
            found = Some(Finding::Alternates);
        }
        if let Some(sure) = sure.filter(|_| is_first) {
            found = words.settle(now, &sure, receipt).or(found);
        }
        // Whoever goes on with a life uses higher numbers than those that were known
        // when it was greeted.
        let begins_again = known.is_some_and(|known| {
            known.generation == receipt.generation
                && known.counter >= receipt.counter
                && known != *receipt
        });
        if begins_again {
            let known = self.ledger.receipt(device);
            let known = known.filter(|known| known.generation == receipt.generation);
            let (entries, counter) = known.map_or((0, receipt.counter), |known| {
                (known.vector.entries_beyond(&receipt.vector), known.counter)
            });
            found = words.begins_again(receipt, entries, counter).or(found);
        }
        words.sure = Some(receipt.clone());
        words.relayed_ms = None;
        if let Some(found) = found {
            self.outputs.push_back(Output::Found(device, found));
        }
        begins_again
    }

    fn weigh_relayed(&mut self, now: Now, receipt: &Receipt) -> bool {
        let device = receipt.device;
        let Some(newest) = self.ledger.receipt(device) else { return false };
        let words = self.words.entry(device).or_default();
        if newest.generation == receipt.generation {
            if receipt.counter > newest.counter {
                words.relayed_ms = Some(now.mono_ms);
            }
            return false;
        }
        let replaced = words.elsewhere.as_ref();
        if replaced.is_none_or(|known| !receipt.is_older_than(known)) {
            words.elsewhere = Some(receipt.clone());
        }
        // It is said to have begun anew while it talks here as before: who is right
        // shows when it says hello again.
        let talks = self.sessions.get_mut(&device).filter(|session| session.ready);
        if let Some(session) = talks
            && session.life.is_some_and(|life| words.is_later(life, receipt.generation))
            && !words.alternates
            && !session.is_asked_out
        {
            session.is_asked_out = true;
            self.outputs.push_back(Output::AskedOut(device));
        }
        false
    }

    /// Returns whether a receipt that others show is one of those that its device
    /// used before its numbers began again.
    pub(super) fn is_outlived(&self, receipt: &Receipt, from: DeviceId) -> bool {
        let ceiling = self.words.get(&receipt.device).and_then(|words| words.ceiling);
        receipt.device != from
            && ceiling.is_some_and(|(life, counter)| {
                life == receipt.generation && receipt.counter <= counter
            })
    }
}

impl Words {
    /// Compares the first receipt of a conversation with what was surely said
    /// before; returns what follows.
    fn settle(&mut self, now: Now, sure: &Receipt, receipt: &Receipt) -> Option<Finding> {
        let is_same = sure.generation == receipt.generation;
        let lacked = self.fell.filter(|fall| fall.same_store.is_none());
        if !is_same {
            self.fell = self.fell.filter(|fall| fall.same_store == Some(true));
            for (log, tip) in &sure.vector.tips {
                let known = self.before.tips.entry(*log).or_insert(*tip);
                *known = (*known).max(*tip);
            }
            let lacks = lacked.map_or(0, |fall| fall.entries);
            return (lacks > 0).then(|| self.began_anew(now, lacks));
        }
        let fall = lacked?;
        self.fell = Some(Fall { same_store: Some(true), ..fall });
        Some(Finding::TookBack(fall.entries))
    }

    /// Notes that its store began anew without entries; returns what follows.
    fn began_anew(&mut self, now: Now, lacks: u64) -> Finding {
        self.begun_ms.retain(|at| now.mono_ms < at.saturating_add(DAY_MS));
        self.begun_ms.push(now.mono_ms);
        match self.begun_ms.len() == BEGINNINGS_MAX {
            true => Finding::BeginsAgain(BEGINNINGS_MAX as u64),
            false => Finding::BeganAnew(lacks),
        }
    }

    /// Notes that numbers of receipts were used again; returns what follows.
    fn begins_again(&mut self, receipt: &Receipt, entries: u64, counter: u64) -> Option<Finding> {
        let life = receipt.generation;
        let known = self.ceiling.filter(|(known, _)| *known == life).map_or(0, |(_, known)| known);
        self.ceiling = Some((life, known.max(counter)));
        let is_named = self.fell.is_some_and(|fall| fall.same_store == Some(true));
        let entries = self.fell.map_or(entries, |fall| fall.entries.max(entries));
        self.fell = Some(Fall { entries, same_store: Some(true) });
        (!is_named).then_some(Finding::TookBack(entries))
    }
}
