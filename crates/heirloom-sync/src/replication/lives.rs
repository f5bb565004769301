//! What outlives one start of what is known of the lives of a device's store, and
//! what the entries of others tell of the order of its receipts.
//!
//! A life that ended never comes back. So the lives that a device itself has
//! shown are kept in their order: a restart here does not let it go back to one of
//! them unnoticed. And an entry says what its author had seen: a receipt that covers
//! one which was written in sight of an entry of this device is later than that one.

use super::words::Mark;
use super::{Output, Replication};
use crate::entry::Entry;
use crate::receipt::Receipt;
use heirloom_base::{DeviceId, Incarnation, LogId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Entries of one log that are remembered for what their authors had seen.
const SIGHTS_PER_LOG: usize = 32;
/// Lives of one device's store that are kept.
pub(super) const KEPT_MAX: usize = 8;

/// How far the authors of entries had seen this device's log: numbers of their
/// entries and of this device's.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    own: Option<LogId>,
    of: BTreeMap<LogId, VecDeque<(u64, u64)>>,
}

impl Sights {
    /// Notes an entry of somebody else; `held` is how far this device's log goes.
    fn note(&mut self, own: LogId, held: u64, entry: &Entry) {
        if self.own != Some(own) {
            *self = Self { own: Some(own), of: BTreeMap::new() };
        }
        let header = entry.header();
        // Nobody has seen what is not written.
        let seen = header.seen.iter().find(|(log, seq)| *log == own && *seq <= held);
        let Some((_, seq)) = seen.filter(|_| header.log != own) else { return };
        let sights = self.of.entry(header.log).or_default();
        if sights.len() >= SIGHTS_PER_LOG {
            sights.pop_front();
        }
        sights.push_back((header.seq, *seq));
    }

    /// Returns whether a receipt covers an entry whose author had seen one of this
    /// device's beyond `seq` of `log`. Of a log with two ends nothing follows.
    pub(crate) fn covers(
        &self,
        receipt: &Receipt,
        (log, seq): (LogId, u64),
        forked: &BTreeSet<LogId>,
    ) -> bool {
        let follows = |(of, sights): (&LogId, &VecDeque<(u64, u64)>)| {
            let covered = if forked.contains(of) { 0 } else { receipt.vector.seq(*of) };
            sights.iter().any(|(entry, seen)| *seen > seq && covered >= *entry)
        };
        self.own == Some(log) && self.of.iter().any(follows)
    }
}

impl Replication {
    /// Notes what the author of an entry had seen of this device.
    pub(super) fn note_sight(&mut self, entry: &Entry) {
        let Some(own) = self.own_log.filter(|own| !self.forked.contains(own)) else { return };
        let held = self.logs.get(&own).map_or(0, |state| state.staged);
        self.sights.note(own, held, entry);
    }

    /// Puts the lives of a device's store back, at start, the earliest first.
    pub fn load_lives(&mut self, device: DeviceId, lives: &[Incarnation]) {
        let words = self.words.entry(device).or_default();
        let begin = Mark { moment: 0, own: None };
        for (place, life) in lives.iter().enumerate() {
            words.lives.entry(*life).or_insert(begin);
            for earlier in lives.iter().take(place).filter(|earlier| *earlier != life) {
                words.later.entry((*earlier, *life)).or_insert(begin);
            }
        }
        words.shown = lives.to_vec();
    }

    /// Notes a life that a device itself shows; what is known of them is kept.
    pub(super) fn show_life(&mut self, device: DeviceId, life: Incarnation) {
        let words = self.words.entry(device).or_default();
        if words.shown.contains(&life) {
            return;
        }
        if words.shown.len() >= KEPT_MAX {
            words.shown.remove(0);
        }
        words.shown.push(life);
        self.outputs.push_back(Output::Lives(device, words.shown.clone()));
    }
}
