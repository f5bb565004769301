//! Status, devices and the commands about them.

use super::{Node, Owed, PendingFrame, Refusal, Then};
use crate::command::{
    Answer, BehindRow, CategoryRow, DeviceRow, Failure, Problem, StatusReport, Wait,
};
use crate::failure;
use crate::input::CommandId;
use crate::rows::{self, Front, table};
use crate::storage::Storage;
use crate::waits::SyncWait;
use heirloom_base::{DeviceId, LogId, Now, count, time};
use heirloom_schema::category::{self, CategorySpec};
use std::collections::{BTreeMap, BTreeSet};

/// Copies on other devices that make a record safe, where there are so many devices.
const SAFE_COPIES: usize = 2;

/// Hex digits that an id is shortened to at the most where a device is taken out: a
/// name that was mistyped is not to be another's id.
const PREFIX_MIN: usize = 4;

impl Node {
    pub(super) fn status(&self, now: Now, storage: &dyn Storage) -> Result<Answer, Refusal> {
        let devices = self.device_rows(storage)?;
        let mut categories = Vec::new();
        let mut at_risk = BTreeMap::new();
        if !self.is_blind() {
            for spec in category::CATEGORIES {
                let row = self.category_row(storage, spec)?;
                at_risk.insert(row.name.clone(), row.pending);
                categories.push(row);
            }
        }
        let aside = self.quarantine_counts(storage)?;
        let stalls = self.stalls(now, storage, &devices)?;
        let mut problems = self.problems(now, &devices, &categories);
        problems.extend(self.conduct_problems(now, &devices));
        problems.extend(self.quarantine_problem(&aside));
        problems.extend(lost_problem(self.entries_lost(storage)?));
        problems.extend(self.coming_problem(now));
        problems.extend(self.refused.as_deref().map(refused_problem));
        Ok(Answer::Status(StatusReport {
            account_id: self.account.to_string(),
            device_id: self.device().to_string(),
            running: self.config.networked,
            devices,
            categories,
            at_risk,
            quarantined: aside.values().sum(),
            stalls,
            network: None,
            problems,
        }))
    }

    fn category_row(
        &self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
    ) -> Result<CategoryRow, Refusal> {
        let mut row = CategoryRow {
            name: spec.id.to_owned(),
            records: 0,
            local: 0,
            peer: 0,
            keeper: 0,
            safe: 0,
            pending: 0,
            newest_at: None,
        };
        // Who never said what it holds was let in and never came: it will hold nothing.
        let others = self.membership.peers(self.device()).into_iter();
        let others = others.filter(|other| self.replication.has_spoken(*other)).count();
        let enough = SAFE_COPIES.min(others);
        let mut newest = None;
        Self::each_front(storage, spec, &mut |_, record| {
            if record.deleted {
                return Ok(true);
            }
            let holders = self.holders(&record);
            row.records += 1;
            row.local += 1;
            row.peer += u64::from(!holders.is_empty());
            row.pending += u64::from(holders.is_empty());
            row.keeper +=
                u64::from(holders.iter().any(|device| self.membership.is_keeper(*device)));
            row.safe += u64::from(enough > 0 && holders.len() >= enough);
            newest = newest.max(Some(record.updated_ms));
            Ok(true)
        })?;
        row.newest_at = newest.map(time::rfc3339);
        Ok(row)
    }

    /// Returns the other members that acknowledged everything of a record.
    fn holders(&self, record: &Front) -> BTreeSet<DeviceId> {
        let holds = |(log, seq): (&LogId, &u64)| -> BTreeSet<DeviceId> {
            self.replication.holders(*log, *seq).into_iter().collect()
        };
        let mut entries = record.entries.iter();
        let Some(first) = entries.next() else { return BTreeSet::new() };
        let all = entries.fold(holds(first), |all, next| &all & &holds(next));
        let members = self.membership.peers(self.device());
        &all & &members
    }

    fn problems(
        &self,
        now: Now,
        devices: &[DeviceRow],
        categories: &[CategoryRow],
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |code: &str, text: String, fix: &str| {
            problems.push(Problem { code: code.into(), text, fix: fix.into() });
        };
        if !self.membership.is_peer(self.device()) {
            let Failure { code, text, fix, .. } = self.outside();
            report(if self.is_out() { "revoked" } else { &code }, text, &fix);
            return problems;
        }
        if self.is_blind() && self.membership.may_read(self.device()) {
            let Failure { code, text, fix, .. } = failure::roster_lost();
            report(&code, text, &fix);
        }
        let others: Vec<&DeviceRow> =
            devices.iter().filter(|device| !device.this && !device.revoked).collect();
        let pending: u64 = categories.iter().map(|row| row.pending).sum();
        if others.is_empty() {
            let text = "Only this device holds your data.".into();
            report("one-copy", text, "Run `heirloom up` and `heirloom invite` to add a device.");
        } else if pending > 0 {
            let records = count::of(pending, "record is", "records are");
            let text = format!("{records} on this device only.");
            report("pending", text, "Bring another device near, or run `heirloom sync`.");
        }
        let has_keeper = others.iter().any(|device| device.role != "member");
        if !others.is_empty() && !has_keeper && self.role() == heirloom_identity::Role::Member {
            let text = "No keeper is part of this account.".into();
            report(
                "no-keeper",
                text,
                "Run `heirloom invite --role keeper` for an always-on device.",
            );
        }
        if let Some(until) = self.journal.ahead_until(now.wall_ms) {
            let until = time::rfc3339(until);
            let text = format!(
                "The clock of this device was ahead: what it writes is dated {until} until then."
            );
            report(
                "clock-ahead",
                text,
                "Check the clock. Nothing is lost, but of two edits made apart this device's are shown.",
            );
        }
        problems
    }

    /// Says why this device is no member, as far as it knows.
    fn outside(&self) -> Failure {
        if self.knows_itself() { failure::taken_out() } else { failure::roster_lost() }
    }

    pub(super) fn devices(&self, storage: &dyn Storage) -> Result<Answer, Refusal> {
        Ok(Answer::Devices { rows: self.device_rows(storage)? })
    }

    fn device_rows(&self, storage: &dyn Storage) -> Result<Vec<DeviceRow>, Refusal> {
        let online: BTreeSet<DeviceId> = self.replication.peers().collect();
        let mut rows = Vec::new();
        for (device, member) in &self.membership.roster.state().devices {
            let this = *device == self.device();
            let seen = match self.last_seen.get(device) {
                Some(seen) => Some(*seen),
                None => kept_seen(storage, *device)?,
            };
            let (behind, _) = self.replication.distance(*device);
            rows.push(DeviceRow {
                id: device.to_string(),
                name: self.membership.name(*device).unwrap_or_else(|| device.short()),
                role: self.membership.role(*device).to_string(),
                this,
                online: this || online.contains(device),
                relayed: self.dialer.is_relayed(*device),
                last_seen: seen.map(time::rfc3339),
                revoked: member.revoked,
                behind_entries: if this || member.revoked { 0 } else { behind },
                offences: self.conduct.offences(*device),
            });
        }
        Ok(rows)
    }

    /// Finds the device that an id prefix or a name means. A name goes on with
    /// the device that is in: one that was out comes back as another one.
    pub(super) fn find_device(&self, wanted: &str) -> Result<DeviceId, Refusal> {
        self.find_device_where(wanted, 1, &|device| self.membership.is_peer(device))
    }

    /// As [`Node::find_device`], but a short prefix of its id is not enough.
    pub(super) fn find_device_surely(&self, wanted: &str) -> Result<DeviceId, Refusal> {
        let is_peer = |device| self.membership.is_peer(device);
        let found = self.find_device_where(wanted, PREFIX_MIN, &is_peer);
        match self.find_device(wanted) {
            Ok(device) if found.is_err() => {
                Err(failure::short_id(wanted, PREFIX_MIN, &device.short()).into())
            }
            Ok(_) | Err(_) => found,
        }
    }

    /// As [`Node::find_device`], but of several the one that is out.
    pub(super) fn find_device_out(&self, wanted: &str) -> Result<DeviceId, Refusal> {
        self.find_device_where(wanted, 1, &|device| !self.membership.is_peer(device))
    }

    fn find_device_where(
        &self,
        wanted: &str,
        shortest: usize,
        is_meant: &dyn Fn(DeviceId) -> bool,
    ) -> Result<DeviceId, Refusal> {
        let devices = self.membership.roster.state().devices.keys().copied();
        let matches: Vec<DeviceId> = devices
            .filter(|device| {
                let by_id = wanted.len() >= shortest && device.to_string().starts_with(wanted);
                by_id || self.membership.name(*device).as_deref() == Some(wanted)
            })
            .collect();
        let mut meant = matches.iter().filter(|device| is_meant(**device));
        if let (Some(device), None) = (meant.next(), meant.next()) {
            return Ok(*device);
        }
        match matches.as_slice() {
            [device] => Ok(*device),
            [] => Err(failure::no_device(wanted).into()),
            several => Err(failure::ambiguous_device(wanted, several.len()).into()),
        }
    }

    pub(super) fn rename(
        &mut self,
        now: Now,
        id: CommandId,
        device: &str,
        name: &str,
    ) -> Result<Option<Answer>, Refusal> {
        let device = self.find_device(device)?;
        let name = name.trim();
        let taken = |other: &DeviceId| {
            *other != device && self.membership.name(*other).as_deref() == Some(name)
        };
        if name.is_empty() || self.membership.peers(device).iter().any(taken) {
            let text = format!(
                "A device cannot be called {name:?}: a name is not empty and not another device's."
            );
            return Err(failure::usage(text, "Choose another name.").into());
        }
        let seed = self.random.bytes();
        let op = self.membership.author_rename(&self.config.device, device, name, &seed)?;
        let answer = Box::new(Answer::Done);
        self.publish(now, op, Then::Answer(vec![Owed { id, answer, wait: Wait::default() }]))?;
        Ok(None)
    }

    /// Puts an own roster operation into effect and into the log.
    pub(super) fn publish(&mut self, now: Now, op: Vec<u8>, then: Then) -> Result<(), Refusal> {
        let news = self.membership.insert(&op).map_err(|error| {
            failure::forbidden(
                &format!("The account's roster refuses this: {error}."),
                "Ask an admin device of the account.",
            )
        })?;
        let message = heirloom_sync::Message::Roster(news.clone());
        let frames = news.into_iter().map(PendingFrame::RosterOp).collect();
        self.append(Vec::new(), frames, then);
        self.replication.broadcast(&message);
        self.membership_changed(now);
        Ok(())
    }

    pub(super) fn sync(
        &mut self,
        now: Now,
        id: CommandId,
        timeout_ms: u64,
    ) -> Result<Option<Answer>, Refusal> {
        if !self.config.networked {
            return Err(failure::needs_node().into());
        }
        if !self.membership.is_peer(self.device()) {
            return Err(self.outside().into());
        }
        if self.membership.peers(self.device()).is_empty() {
            return Err(failure::unreachable_peers().into());
        }
        let wait = SyncWait { since_ms: now.mono_ms, deadline_ms: now.mono_ms + timeout_ms };
        self.waits.wait_for_sync(id, wait);
        self.replication.hurry();
        self.replication.ask_receipts();
        self.dialer.hurry(now);
        Ok(None)
    }

    pub(super) fn answer_syncs(&mut self, now: Now) {
        if !self.waits.is_waiting() {
            return;
        }
        let standing = self.standing();
        for id in self.waits.syncs_done(now, standing) {
            let result = if standing.connected == 0 {
                Err(failure::unreachable_peers())
            } else {
                Ok(self.synced())
            };
            self.reply(id, result);
        }
    }

    fn synced(&self) -> Answer {
        let (mut level, mut behind) = (Vec::new(), Vec::new());
        for device in self.replication.peers_ready() {
            if self.is_level(device) {
                level.push(device.to_string());
            } else {
                let (theirs, ours) = self.replication.distance(device);
                let entries = theirs + ours;
                behind.push(BehindRow { device_id: device.to_string(), entries, bytes: 0 });
            }
        }
        Answer::Synced { level, behind }
    }
}

fn kept_seen(storage: &dyn Storage, device: DeviceId) -> Result<Option<u64>, Refusal> {
    let bytes = storage.get(&rows::key(table::SEEN, &[&device.0]))?;
    Ok(bytes.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))))
}

fn refused_problem(reason: &str) -> Problem {
    Problem {
        code: "disk-failed".to_owned(),
        text: format!("The disk refused the last write: {reason}."),
        fix: "Check the disk: what was saved before is safe.".to_owned(),
    }
}

fn lost_problem(entries: u64) -> Option<Problem> {
    (entries > 0).then(|| Problem {
        code: "entries-lost".into(),
        text: {
            let entries = count::of(entries, "entry, which is", "entries, which are");
            format!("This device's disk has lost {entries} not back yet.")
        },
        fix: "Connect to another device, which sends again what is missing; until then, keep a \
              copy: `heirloom export`."
            .into(),
    })
}
