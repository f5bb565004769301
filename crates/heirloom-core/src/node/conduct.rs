//! How other devices behave: who breaks the rules, and who does not keep its
//! word about what it holds.

use super::Node;
use super::breaches::Breaches;
use super::clocks::Clocks;
use crate::command::{DeviceRow, Problem};
use crate::input::EffectId;
use crate::rows::{self, table};
use crate::storage::{Storage, StorageError};
use crate::view::{View, damaged};
use heirloom_base::{ChunkId, DeviceId, Incarnation, LogId, Now, Reader, Writer, count, limits};
use heirloom_identity::RosterError;
use heirloom_sync::{Contradiction, Finding, Shortfall};
use std::collections::{BTreeMap, BTreeSet};

/// Part of the roster that one device may fill without a word: more than a
/// household needs in its life.
const ROSTER_SHARE: usize = limits::ROSTER_OPS_MAX / 16;

/// What was seen of other devices since the node started.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    offences: BTreeMap<DeviceId, u64>,
    /// Chunks that a device had acknowledged and then said it lacks.
    lacked: BTreeMap<DeviceId, BTreeSet<ChunkId>>,
    /// Logs with two ends.
    forked: BTreeSet<LogId>,
    /// Devices that speak other versions, and whether these are newer ones.
    versions: BTreeMap<DeviceId, bool>,
    pub(super) clocks: Clocks,
    pub(super) breaches: Breaches,
    /// The time of what is taken in.
    pub(super) now: Now,
}

impl Conduct {
    /// Returns how often a device broke the rules.
    pub(crate) fn offences(&self, device: DeviceId) -> u64 {
        self.offences.get(&device).copied().unwrap_or_default()
    }

    /// Marks a log that was found to have two ends, at start.
    pub(super) fn load_forked(&mut self, log: LogId) {
        self.forked.insert(log);
    }

    /// Forgets that a log has two ends: the one that was here is given up.
    pub(super) fn forget_fork(&mut self, log: LogId) {
        self.forked.remove(&log);
    }

    /// Forgets that a log was found to have two ends, and that its author broke the
    /// rules by it; returns whether it was.
    pub(super) fn no_fork(&mut self, author: DeviceId, log: LogId) -> bool {
        let was_forked = self.forked.remove(&log);
        if let Some(count) = self.offences.get_mut(&author).filter(|_| was_forked) {
            *count = count.saturating_sub(1);
        }
        was_forked
    }

    /// Returns whether a device is not listened to for now.
    pub(super) fn is_paused(&self, device: DeviceId) -> bool {
        self.breaches.is_paused(device)
    }

    /// Returns when a pause ends.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.breaches.poll_timeout()
    }
}

impl Node {
    pub(super) fn offence(&mut self, device: DeviceId, what: &str) {
        let count = self.conduct.offences.entry(device).or_default();
        *count = count.saturating_add(1);
        if let Some(left_out) = self.conduct.breaches.complain(self.conduct.now, device) {
            tracing::warn!(device = %device.short(), what, left_out, "a peer broke the rules");
        }
    }

    /// Notes that a device speaks versions of the protocol that this one does not.
    pub(super) fn other_version(&mut self, device: DeviceId, is_newer: bool) {
        if self.conduct.versions.insert(device, is_newer) != Some(is_newer) {
            tracing::warn!(device = %device.short(), is_newer, "a peer speaks another version");
            let text = version_text(&self.named(device));
            self.warn("other-version", &text);
        }
    }

    /// Says what a device's own words show.
    pub(super) fn found(&mut self, device: DeviceId, finding: Finding) {
        let (code, text) = finding_text(&self.named(device), finding);
        if let Some(left_out) = self.conduct.breaches.complain(self.conduct.now, device) {
            tracing::warn!(device = %device.short(), ?finding, left_out, "a peer lacks what it had");
        }
        self.warn(code, &text);
    }

    /// Notes that somebody showed an operation that nobody takes.
    pub(super) fn roster_refused(&mut self, from: Option<DeviceId>, error: &RosterError) {
        match (error, from) {
            (RosterError::Share(device), _) => {
                self.offence(*device, "more of the roster than one device's share");
            }
            (RosterError::Full, _) | (_, None) => {
                tracing::warn!(%error, "a roster operation was refused");
            }
            (_, Some(device)) => self.offence(device, "a roster operation that is refused"),
        }
    }

    /// Keeps that a log has two ends: its author signed both.
    pub(super) fn forked(
        &mut self,
        storage: &mut dyn Storage,
        log: LogId,
        seq: u64,
    ) -> Result<(), StorageError> {
        let author = self.device_of(log).filter(|author| *author != self.device());
        if let Some(author) = author {
            self.offence(author, "two entries in one place of a log");
        } else {
            tracing::warn!(log = %log.short(), seq, "two entries share one place in a log");
        }
        self.conduct.forked.insert(log);
        let mut view = View::new(storage);
        view.put_bytes(rows::key(table::FORKED, &[&log.0]), seq.to_be_bytes().to_vec());
        view.commit(None)?;
        let name = self.device_of(log).map_or_else(|| log.short(), |device| self.named(device));
        let text = format!(
            "A log of {name} has two different ends: its folder was copied or put back, or it \
             tells devices different things."
        );
        self.warn("forked", &text);
        Ok(())
    }

    /// Keeps the proof that a device does not keep its word.
    pub(super) fn found_out(
        &mut self,
        storage: &mut dyn Storage,
        device: DeviceId,
        found: &Contradiction,
    ) -> Result<(), StorageError> {
        tracing::warn!(device = %device.short(), "two receipts cannot both be true");
        let mut writer = Writer::new();
        writer.bytes(&found.known);
        writer.bytes(&found.heard);
        let mut view = View::new(storage);
        view.put_bytes(rows::key(table::CONTRADICTION, &[&device.0]), writer.into_bytes());
        view.commit(None)?;
        let text = contradiction_text(&self.named(device));
        self.warn("took-back", &text);
        Ok(())
    }

    /// Keeps the lives of a device's store over a restart.
    pub(super) fn keep_lives(
        storage: &mut dyn Storage,
        device: DeviceId,
        lives: &[Incarnation],
    ) -> Result<(), StorageError> {
        let bytes = lives.iter().flat_map(|life| life.0).collect();
        let mut view = View::new(storage);
        view.put_bytes(rows::key(table::LIVES, &[&device.0]), bytes);
        view.commit(None)
    }

    /// Puts them back.
    pub(super) fn load_lives(&mut self, key: &[u8], bytes: &[u8]) {
        let device = key.get(1..).and_then(<[u8]>::first_chunk::<32>).copied().map(DeviceId);
        let lives = bytes.as_chunks::<16>().0.iter().copied().map(Incarnation);
        if let Some(device) = device {
            self.replication.load_lives(device, &lives.collect::<Vec<_>>());
        }
    }

    /// Compares what came of a fetch with what the asked device had acknowledged.
    pub(super) fn judge_fetch(
        &mut self,
        id: EffectId,
        arrived: &[ChunkId],
        lacked: &[ChunkId],
        wrong: &[ChunkId],
    ) {
        let Some(device) = self.fetches.asked(id) else { return };
        for _ in wrong {
            self.offence(device, "a chunk with other bytes than its name");
        }
        let acknowledged = self.replication.chunks_acknowledged(device);
        let lacking = self.conduct.lacked.entry(device).or_default();
        lacking.extend(lacked.iter().filter(|chunk| acknowledged.contains(chunk)));
        lacking.retain(|chunk| !arrived.contains(chunk));
    }

    /// Returns whom this device names in its status for how it behaves, and why.
    #[must_use]
    pub fn accusations(&self) -> Vec<(DeviceId, Problem)> {
        let others = self.membership.peers(self.device()).into_iter();
        others
            .flat_map(|device| {
                let mut problems = Vec::new();
                self.problems_with(device, &mut problems);
                problems.into_iter().map(move |problem| (device, problem))
            })
            .collect()
    }

    /// Returns what is wrong with other devices, each by its name.
    pub(super) fn conduct_problems(&self, now: Now, devices: &[DeviceRow]) -> Vec<Problem> {
        let mut problems = self.clock_problems(now.wall_ms);
        for row in devices.iter().filter(|row| !row.this && !row.revoked) {
            if let Ok(device) = row.id.parse() {
                self.problems_with(device, &mut problems);
            }
        }
        for log in &self.conduct.forked {
            let Some(device) = self.device_of(*log).filter(|device| *device != self.device())
            else {
                continue;
            };
            let text = format!("A log of {} has two different ends.", self.named(device));
            let fix = "If nobody copied its folder or put it back, take it out: \
                       `heirloom devices revoke`.";
            problems.push(Problem { code: "forked".into(), text, fix: fix.into() });
        }
        problems
    }

    fn problems_with(&self, device: DeviceId, problems: &mut Vec<Problem>) {
        let name = self.named(device);
        let mut report = |code: &str, text: String, fix: &str| {
            problems.push(Problem { code: code.into(), text, fix: fix.into() });
        };
        let distrust = "Do not count on its copies: look at its disk, or take it out with \
                        `heirloom devices revoke`.";
        let findings = self.replication.findings(device);
        let lost = findings.iter().any(|finding| matches!(finding, Finding::TookBack(_)));
        for (code, text) in findings.iter().map(|finding| finding_text(&name, *finding)) {
            report(code, text, distrust);
        }
        if self.replication.ledger().has_contradicted_itself(device) && !lost {
            report("took-back", contradiction_text(&name), distrust);
        }
        self.strangeness(device, &mut report);
        let shortfall = self.replication.shortfall(device);
        for (code, text) in shortfall.iter().flat_map(|short| shortfall_texts(&name, short)) {
            if code == "holds-less" && !findings.is_empty() {
                continue;
            }
            report(code, text, distrust);
        }
        let lacked = self.conduct.lacked.get(&device).map_or(0, BTreeSet::len);
        if lacked > 0 {
            let text = format!(
                "{name} lacks pieces of pictures or long texts that it had acknowledged: {lacked}."
            );
            report("lacks-chunks", text, distrust);
        }
        let offences = self.conduct.offences(device);
        if offences > 0 {
            let times = if offences == 1 { "once".into() } else { format!("{offences} times") };
            let text = format!("{name} broke the rules {times}.");
            report("offences", text, "Look at the log of `heirloom up -v`.");
        }
        let signed = self.membership.operations_by(device);
        if signed > ROSTER_SHARE {
            let changes = count::of(signed as u64, "change", "changes");
            let text = format!("{name} signed {changes} of who belongs to the account.");
            let fix = "If nobody did that on it, take it out: `heirloom devices revoke`.";
            report("roster-filled", text, fix);
        }
    }

    /// Reports versions that do not meet ours.
    fn strangeness(&self, device: DeviceId, report: &mut dyn FnMut(&str, String, &str)) {
        let name = self.named(device);
        if let Some(is_newer) = self.conduct.versions.get(&device) {
            let fix = match is_newer {
                true => "Update heirloom on this device.".to_owned(),
                false => format!("Update heirloom on {}.", self.name_of(device)),
            };
            report("other-version", version_text(&name), &fix);
        }
    }

    /// Returns a device as a sentence names it.
    pub(super) fn named(&self, device: DeviceId) -> String {
        let word = if self.membership.is_keeper(device) { "Keeper" } else { "Device" };
        format!("{word} {} ({})", self.name_of(device), device.short())
    }
}

fn version_text(name: &str) -> String {
    format!("{name} speaks another version of the protocol: nothing travels between the two.")
}

/// Returns the code and the sentence of what a device's own words show.
fn finding_text(name: &str, finding: Finding) -> (&'static str, String) {
    let entries = |count| count::of(count, "entry", "entries");
    match finding {
        Finding::TookBack(0) => (
            "took-back",
            format!(
                "{name} went back to an earlier state, and goes on as if nothing had happened."
            ),
        ),
        Finding::TookBack(count) => (
            "took-back",
            format!(
                "{name} came back without {} that it had acknowledged: it went back to an \
                 earlier state, or does not keep its word.",
                entries(count)
            ),
        ),
        Finding::Lacks(count) => {
            ("holds-less", format!("{name} lacks {} that it had acknowledged.", entries(count)))
        }
        Finding::BeganAnew(count) => (
            "began-anew",
            format!(
                "The store of {name} began anew: it lacks {} that it had acknowledged.",
                entries(count)
            ),
        ),
        Finding::ShowsOthers(count) => (
            "began-anew",
            format!(
                "{name} has shown another device a store that lacks {} that it acknowledged \
                 here: one of the two began anew, or it tells devices different things.",
                entries(count)
            ),
        ),
        Finding::BeginsAgain(count) => (
            "took-back",
            format!(
                "The store of {name} began anew {count} times within a day, each time without \
                 what it had acknowledged: its disk fails, or it does not keep its word."
            ),
        ),
        Finding::Alternates => (
            "took-back",
            format!(
                "{name} runs twice, or tells devices different things: its receipts are of \
                     two stores in turns."
            ),
        ),
    }
}

fn contradiction_text(name: &str) -> String {
    format!(
        "{name} has signed receipts that cannot all be true: it no longer held what it had \
         acknowledged, or it tells devices different things."
    )
}

fn shortfall_texts(name: &str, short: &Shortfall) -> Vec<(&'static str, String)> {
    let is_long = |talked_ms: u64| talked_ms >= limits::WORD_MS as u64;
    let mut texts = Vec::new();
    if short.withdrawn > 0 && is_long(short.withdrawn_for_ms) {
        let text =
            format!("{name} holds less than it had acknowledged, by entries: {}.", short.withdrawn);
        texts.push(("holds-less", text));
    }
    if short.told_others_since_ms.is_some() && is_long(short.told_others_for_ms) {
        let text = format!("{name} shows other devices receipts that it does not show this one.");
        texts.push(("tells-others-more", text));
    }
    if short.undelivered > 0 && is_long(short.undelivered_for_ms) {
        let text = format!(
            "{name} says that it holds entries that it does not send: {}.",
            short.undelivered
        );
        texts.push(("withholds", text));
    }
    texts
}

/// Reads the proof back that two receipts make.
pub(super) fn proof_from(bytes: &[u8]) -> Result<Contradiction, StorageError> {
    let mut reader = Reader::new(bytes);
    let mut receipt = || reader.bytes(limits::FRAME_BYTES_MAX).map(<[u8]>::to_vec);
    let (known, heard) = (receipt().map_err(damaged)?, receipt().map_err(damaged)?);
    reader.finish().map_err(damaged)?;
    Ok(Contradiction { known, heard })
}
