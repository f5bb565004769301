//! How the clocks of the others stand to this device's, by what they write.
//!
//! Clocks decide nothing here but which of two edits made apart is shown; so
//! a clock that is wrong is told, and nothing else follows from it.

use super::Node;
use super::settle::entry_at;
use crate::command::Problem;
use crate::storage::Storage;
use heirloom_base::{DeviceId, time};
use heirloom_sync::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// How far the dates of others may be from this clock, and how far apart others
/// may be that agree.
pub(super) const DAY_MS: u64 = 24 * 3_600_000;
/// The first day of 2026, UTC: a clock that shows an earlier one is wrong itself.
const EXISTED_MS: u64 = 1_767_225_600_000;
/// Others that agree and are more to be believed than this device alone.
const WITNESSES: usize = 2;

/// How the clock of another device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skew {
    Level,
    /// Its last entry is dated so, and so much later than when it came.
    Ahead {
        dated_ms: u64,
        by_ms: u64,
    },
    /// It dated what it wrote so much earlier than what it had read of this device.
    Behind {
        by_ms: u64,
    },
}

/// What was seen of the clocks of others since the node started.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    others: BTreeMap<DeviceId, Skew>,
}

impl Clocks {
    fn of(&self, members: &BTreeSet<DeviceId>, wall_ms: u64) -> Vec<(DeviceId, Skew)> {
        let known = self.others.iter().filter(|(device, _)| members.contains(device));
        let lasts = |skew: &Skew| match skew {
            Skew::Ahead { dated_ms, .. } => *dated_ms > wall_ms,
            Skew::Level | Skew::Behind { .. } => true,
        };
        known.map(|(device, skew)| (*device, *skew)).filter(|(_, skew)| lasts(skew)).collect()
    }
}

impl Node {
    /// Notes how the clock of an entry's author stands. That one is behind is
    /// told only by what was written after something of this device was read:
    /// what comes late is dated early too.
    pub(super) fn look_at_clock(&mut self, storage: &dyn Storage, entry: &Entry) {
        let header = entry.header();
        let author = self.device_of(header.log).or(header.origin.map(|origin| origin.device));
        let Some(author) = author.filter(|author| *author != self.device()) else { return };
        let (wall_ms, dated_ms) = (self.conduct.now.wall_ms, header.hlc.wall_ms());
        let skew = if wall_ms < EXISTED_MS {
            Some(Skew::Level)
        } else if dated_ms > wall_ms.saturating_add(DAY_MS) {
            Some(Skew::Ahead { dated_ms, by_ms: dated_ms - wall_ms })
        } else if dated_ms.saturating_add(DAY_MS) >= wall_ms {
            Some(Skew::Level)
        } else {
            let read_ms = self.read_of_this(storage, entry);
            let by_ms = read_ms.map(|read_ms| read_ms.saturating_sub(dated_ms));
            by_ms.filter(|by_ms| *by_ms > DAY_MS).map(|by_ms| Skew::Behind { by_ms })
        };
        if let Some(skew) = skew {
            self.conduct.clocks.others.insert(author, skew);
        }
    }

    /// Returns the date of the last that an author had read of this device, where
    /// an entry tells that it had read something new.
    fn read_of_this(&self, storage: &dyn Storage, entry: &Entry) -> Option<u64> {
        let own = entry.header().seen.iter().filter(|(log, _)| self.own_logs.contains(log));
        let read = own.filter_map(|(log, seq)| entry_at(storage, *log, *seq));
        read.map(|entry| entry.header().hlc.wall_ms()).max()
    }

    /// Returns what is wrong with clocks, this device's before those of others.
    pub(super) fn clock_problems(&self, wall_ms: u64) -> Vec<Problem> {
        let members = self.membership.peers(self.device());
        if wall_ms < EXISTED_MS && !members.is_empty() {
            let date = time::rfc3339(wall_ms);
            let text = format!("The clock of this device is behind: it shows {date}.");
            return vec![own_problem("clock-behind", text, "the others'")];
        }
        let skews = self.conduct.clocks.of(&members, wall_ms);
        if let Some(problem) = own_clock(&skews) {
            return vec![problem];
        }
        let is_level = skews.iter().any(|(_, skew)| *skew == Skew::Level);
        let told = skews.into_iter();
        told.filter_map(|(device, skew)| self.others_clock(device, skew, is_level)).collect()
    }

    fn others_clock(&self, device: DeviceId, skew: Skew, is_level: bool) -> Option<Problem> {
        let name = self.named(device);
        let problem = |code: &str, text: String, fix: &str| {
            Some(Problem { code: code.into(), text, fix: fix.into() })
        };
        match skew {
            Skew::Level => None,
            Skew::Ahead { dated_ms, .. } => {
                let dated = time::rfc3339(dated_ms);
                let text =
                    format!("The clock of {name} is ahead: what it writes is dated {dated}.");
                let fix = "Check the clock there, and here. Nothing is lost, but of two edits made \
                           apart that device's are shown.";
                problem("clock-ahead", text, fix)
            }
            // A third one says which of the two is wrong.
            Skew::Behind { by_ms } if is_level => {
                let text = format!("The clock of {name} is behind by {}.", hours(by_ms));
                let fix = "Check the clock there. Nothing is lost, but of two edits made apart that \
                           device's are not shown.";
                problem("clock-behind", text, fix)
            }
            Skew::Behind { by_ms } => {
                let by = hours(by_ms);
                let text = format!("The clock of this device is {by} ahead of that of {name}.");
                let fix = "Check both clocks. Nothing is lost, but of two edits made apart this \
                           device's are shown.";
                problem("clock-differs", text, fix)
            }
        }
    }
}

/// Returns what is wrong with this device's clock where all others say the same
/// of it.
fn own_clock(skews: &[(DeviceId, Skew)]) -> Option<Problem> {
    let (mut ahead, mut behind) = (Vec::new(), Vec::new());
    for (_, skew) in skews {
        match skew {
            Skew::Level => return None,
            Skew::Ahead { by_ms, .. } => ahead.push(*by_ms),
            Skew::Behind { by_ms } => behind.push(*by_ms),
        }
    }
    let (code, word, apart, shown) = match (ahead.len(), behind.len()) {
        (WITNESSES.., 0) => ("clock-behind", "behind", ahead, "the others'"),
        (0, WITNESSES..) => ("clock-ahead", "ahead", behind, "this device's"),
        _ => return None,
    };
    let (least, most) = (*apart.iter().min()?, *apart.iter().max()?);
    if most - least > DAY_MS {
        return None;
    }
    let text = format!(
        "The clock of this device is {word} by {}: {} others agree.",
        hours(most),
        apart.len()
    );
    Some(own_problem(code, text, shown))
}

fn own_problem(code: &str, text: String, shown: &str) -> Problem {
    let fix = format!(
        "Set the clock of this device right. Nothing is lost, but of two edits made apart {shown} \
         are shown."
    );
    Problem { code: code.into(), text, fix }
}

/// Returns a time of more than a day in words.
fn hours(ms: u64) -> String {
    let hours = ms / 3_600_000;
    if hours < 96 { format!("{hours} hours") } else { format!("{} days", hours / 24) }
}
