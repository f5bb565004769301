//! Which entries count, and records made again when that changes.
//!
//! What a record is follows from the entries that are held and from the
//! roster, in whatever order both arrived. An entry counts up to the cut of its
//! log. Of one beyond, a change counts all the same where an entry that counts
//! builds on it and it counted by the roster that this entry's author had seen:
//! otherwise that honest change would wait for ever.

use super::identity::Identity;
use super::later::{self, Haste};
use super::queue::{Place, Queues};
use super::work::{Offer, Work};
use super::{Applied, Carrier, Library, load, refuse, weighed};
use crate::quarantine::{self, Aside};
use crate::rows::{self, LogRow, RecordIndex, table};
use crate::storage::StorageError;
use crate::view::View;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{ChangeHash, DeviceId, LogId, OpId, RecordId};
use heirloom_doc::{GateError, RawChange};
use heirloom_identity::Roster;
use heirloom_sync::Part;
use std::collections::{BTreeMap, BTreeSet};

/// Entries of a log whose verdict turns in one step.
const FOLLOW_ENTRIES: u64 = 64;

/// What the roster says about entries.
pub(crate) trait Verdicts {
    /// Returns the number up to which the entries of a device's log count.
    fn counts_until(&self, device: DeviceId, log: LogId) -> u64;

    /// Returns the number up to which they counted for who knew these
    /// operations and no more.
    fn counted_until(&self, heads: &[OpId], device: DeviceId, log: LogId) -> u64;
}

impl Verdicts for Roster {
    fn counts_until(&self, device: DeviceId, log: LogId) -> u64 {
        match is_planted(Bug::CutIgnored) {
            true => u64::MAX,
            false => self.state().counts_until(device, log),
        }
    }

    fn counted_until(&self, heads: &[OpId], device: DeviceId, log: LogId) -> u64 {
        Roster::counted_until(self, heads, device, log)
    }
}

/// Everything by which entries are judged.
#[derive(Clone, Copy)]
pub(crate) struct Court<'a> {
    pub(crate) library: &'a dyn Library,
    pub(crate) verdicts: &'a dyn Verdicts,
}

impl Court<'_> {
    /// Takes in opened entries of one log, in their order: what they bring, and
    /// what they make count.
    pub(crate) fn take_in(
        &self,
        view: &mut View<'_>,
        entries: Vec<(Carrier, Vec<Part>)>,
        haste: Haste,
    ) -> Result<Applied, StorageError> {
        let mut records = BTreeSet::new();
        let (mut counting, mut aside) = (Vec::new(), Vec::new());
        for (carrier, parts) in entries {
            let Carrier { log, seq, .. } = carrier;
            let touches: BTreeSet<RecordId> = parts.iter().map(|part| part.record).collect();
            for record in &touches {
                view.look_up(*record)?;
                view.put_bytes(touched(*record, log, seq), Vec::new());
            }
            if seq <= self.counting(view, log)? {
                counting.push((carrier, parts));
            } else {
                bar(view, &parts);
                for record in &touches {
                    aside.push(keep_aside(view, carrier, *record)?);
                }
            }
            records.extend(touches);
        }
        let mut applied = super::apply(view, self.library, counting, haste)?;
        applied.aside.extend(aside);
        for record in records {
            if is_wanting(view, record)? {
                self.rebuild(view, record, &mut applied)?;
            }
        }
        Ok(applied)
    }

    /// Returns the number up to which the entries of a log were last found to
    /// count; finds it where none was judged yet.
    pub(crate) fn counting(&self, view: &mut View<'_>, log: LogId) -> Result<u64, StorageError> {
        if let Some(counting) = counting(view, log)? {
            return Ok(counting);
        }
        let until = match device_of(view, log)? {
            Some(device) => self.verdicts.counts_until(device, log),
            None => 0,
        };
        note_counting(view, log, until);
        Ok(until)
    }

    /// Follows the roster in what it says about one log, some entries at a
    /// time; returns whether there are more. Records that are to be made again
    /// are noted as stale.
    pub(crate) fn follow(&self, view: &mut View<'_>, log: LogId) -> Result<bool, StorageError> {
        let (Some(before), Some(row)) = (counting(view, log)?, log_row(view, log)?) else {
            return Ok(false);
        };
        let until = self.verdicts.counts_until(row.device, log);
        let (before, goal) = (before.min(row.seq), until.min(row.seq));
        let next = match goal < before {
            true => goal.max(before.saturating_sub(FOLLOW_ENTRIES)),
            false => goal.min(before.saturating_add(FOLLOW_ENTRIES)),
        };
        for seq in before.min(next) + 1..=before.max(next) {
            self.turn(view, (log, seq), seq <= next)?;
        }
        note_counting(view, log, if next == goal { until } else { next });
        Ok(next != goal)
    }

    /// Notes that an entry counts now, or that it does no more.
    fn turn(
        &self,
        view: &mut View<'_>,
        (log, seq): (LogId, u64),
        counts: bool,
    ) -> Result<(), StorageError> {
        // One that cannot be opened yet touched nothing.
        let opened = self.library.open(view, log, seq).ok();
        let parts = opened.as_ref().map(|opened| opened.parts.as_slice()).unwrap_or_default();
        match (counts, &opened) {
            (true, _) => {
                quarantine::release(view, (log, seq), None)?;
                release(view, parts);
            }
            (false, Some(_)) => bar(view, parts),
            (false, None) => {
                let reason = quarantine::BARRED.to_owned();
                let aside = Aside { log, seq, wall_ms: 0, record: None, reason };
                quarantine::refuse(view, &aside)?;
            }
        }
        for part in parts {
            view.put_bytes(rows::key(table::STALE, &[&part.record.0]), Vec::new());
        }
        Ok(())
    }

    /// Makes a record again from all entries that touched it.
    pub(crate) fn rebuild(
        &self,
        view: &mut View<'_>,
        record: RecordId,
        applied: &mut Applied,
    ) -> Result<(), StorageError> {
        view.remove(rows::key(table::STALE, &[&record.0]));
        let held = self.held(view, record)?;
        let adopted = self.adopted(&held);
        let before = self.clear(view, record, &held)?;
        let mut made = Applied::default();
        for entry in held {
            let mut offers = Vec::new();
            for (place, change, refused) in entry.changes {
                let counts = entry.counts || adopted.contains(&place);
                let carrier = Carrier { log: place.log, seq: place.seq, wall_ms: entry.wall_ms };
                match refused {
                    _ if !counts => drop(keep_aside(view, carrier, record)?),
                    Some(error) => refuse(view, &mut made, carrier, record, &error)?,
                    None => {
                        let wall_ms = entry.wall_ms;
                        offers.push(Offer { place, wall_ms, change, waited: None });
                    }
                }
            }
            if !offers.is_empty() {
                Work::begin(view, self.library, record, &mut made)?.run(offers)?;
            }
        }
        let changed = before.into_iter().chain(made.changed.into_keys());
        for category in changed.collect::<BTreeSet<i64>>() {
            let list = applied.changed.entry(category).or_default();
            list.retain(|known| *known != record);
            list.push(record);
        }
        Ok(())
    }

    /// Returns the entries of which a change of a record builds on certain entries,
    /// and these, each behind what it builds on.
    pub(crate) fn built_on(
        &self,
        view: &View<'_>,
        record: RecordId,
        is_root: &dyn Fn(LogId, u64) -> bool,
    ) -> Result<Vec<(LogId, u64)>, StorageError> {
        let (mut roots, mut open) = (Vec::new(), Vec::new());
        for entry in self.held(view, record)? {
            for (place, change, _) in entry.changes {
                let Some((hash, on)) = heirloom_doc::links(&change) else { continue };
                let place = (place.log, place.seq);
                let list = if is_root(place.0, place.1) { &mut roots } else { &mut open };
                list.push((place, hash, on));
            }
        }
        let mut found: BTreeSet<ChangeHash> = roots.iter().map(|(_, hash, _)| *hash).collect();
        let mut all = roots;
        let mut has_more = true;
        while has_more {
            let (on_it, rest): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, _, on)| on.iter().any(|one| found.contains(one)));
            has_more = !on_it.is_empty();
            found.extend(on_it.iter().map(|(_, hash, _)| *hash));
            all.extend(on_it);
            open = rest;
        }
        Ok(in_order(all, found))
    }

    /// Reads everything that a record's entries hold of it.
    fn held(&self, view: &View<'_>, record: RecordId) -> Result<Vec<Held>, StorageError> {
        let mut held = Vec::new();
        let prefix = rows::key(table::TOUCHED, &[&record.0]);
        for (key, _) in view.scan(&prefix, None, usize::MAX)? {
            let place = key.get(RecordId::SIZE..).and_then(rows::entry_of_key);
            let lost = || StorageError::Index("a place in a log is damaged".to_owned());
            let (log, seq) = place.ok_or_else(lost)?;
            if self.library.is_lost(view, log, seq)? {
                // What builds on it waits until the others have sent it again.
                continue;
            }
            let opened = self.library.open(view, log, seq)?;
            let changes = (0..).zip(weighed(opened.parts));
            let changes = changes.filter(|(_, (part, _))| part.record == record);
            let changes = changes.map(|(number, (part, refused))| {
                (Place { log, seq, part: number }, RawChange(part.change), refused)
            });
            held.push(Held {
                device: device_of(view, log)?,
                counts: seq <= counting(view, log)?.unwrap_or(0),
                wall_ms: opened.wall_ms,
                heads: opened.heads,
                changes: changes.collect(),
            });
        }
        Ok(held)
    }

    /// Returns the places of changes that count although their entry does not.
    fn adopted(&self, held: &[Held]) -> BTreeSet<Place> {
        let mut adopted = BTreeSet::new();
        if held.iter().all(|entry| entry.counts) {
            return adopted;
        }
        let mut known: BTreeMap<ChangeHash, Vec<(&Held, Place)>> = BTreeMap::new();
        let mut links: BTreeMap<Place, Vec<ChangeHash>> = BTreeMap::new();
        for entry in held {
            for (place, change, _) in &entry.changes {
                let Some((hash, dependencies)) = heirloom_doc::links(change) else { continue };
                known.entry(hash).or_default().push((entry, *place));
                links.insert(*place, dependencies);
            }
        }
        let counting = held.iter().filter(|entry| entry.counts);
        let mut by_heads: BTreeMap<&[OpId], Vec<Place>> = BTreeMap::new();
        for entry in counting {
            let places = entry.changes.iter().map(|(place, ..)| *place);
            by_heads.entry(&entry.heads).or_default().extend(places);
        }
        for (heads, mut open) in by_heads {
            let mut seen: BTreeSet<Place> = open.iter().copied().collect();
            let mut counted: BTreeMap<LogId, u64> = BTreeMap::new();
            while let Some(place) = open.pop() {
                let found = links.get(&place).into_iter().flatten();
                for (entry, place) in found.filter_map(|hash| known.get(hash)).flatten() {
                    if !seen.insert(*place) {
                        continue;
                    }
                    open.push(*place);
                    let Some(device) = entry.device.filter(|_| !entry.counts) else { continue };
                    let until = counted
                        .entry(place.log)
                        .or_insert_with(|| self.verdicts.counted_until(heads, device, place.log));
                    if place.seq <= *until {
                        adopted.insert(*place);
                    }
                }
            }
        }
        adopted
    }

    /// Forgets a record; returns the category in which it was shown.
    fn clear(
        &self,
        view: &mut View<'_>,
        record: RecordId,
        held: &[Held],
    ) -> Result<Option<i64>, StorageError> {
        let mut category = None;
        if let Some(saved) = view.document(record)? {
            let identity = Identity::of(self.library.account_key(), record, &load(&saved)?);
            let place = rows::key(table::UNPROVEN, &[&record.0]);
            let now = rows::record_key(identity.category, record);
            let key = view.get(&place)?.unwrap_or(now);
            category = view.row::<RecordIndex>(&key)?.map(|row| row.category);
            view.remove(key);
            view.remove(place);
            view.remove(rows::key(table::DOCUMENT, &[&record.0]));
        }
        Queues(record).clear(view)?;
        later::forget(view, record)?;
        for (key, _) in view.scan(&rows::key(table::CLOSED, &[&record.0]), None, usize::MAX)? {
            view.remove(key);
        }
        for (Place { log, seq, .. }, ..) in held.iter().flat_map(|entry| &entry.changes) {
            quarantine::release(view, (*log, *seq), Some(record))?;
        }
        Ok(category)
    }
}

/// Puts the places of changes behind those of the changes that they build on;
/// `waiting` are the hashes of all of them.
fn in_order(
    mut changes: Vec<((LogId, u64), ChangeHash, Vec<ChangeHash>)>,
    mut waiting: BTreeSet<ChangeHash>,
) -> Vec<(LogId, u64)> {
    let (mut places, mut known) = (Vec::new(), BTreeSet::new());
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        changes.retain(|(place, hash, on)| {
            let is_next = !on.iter().any(|one| waiting.contains(one));
            if is_next {
                waiting.remove(hash);
                places.extend(known.insert(*place).then_some(*place));
                goes_on = true;
            }
            !is_next
        });
    }
    places
}

/// What an entry holds of a record.
struct Held {
    device: Option<DeviceId>,
    counts: bool,
    wall_ms: u64,
    heads: Vec<OpId>,
    changes: Vec<(Place, RawChange, Option<GateError>)>,
}

pub(crate) fn touched(record: RecordId, log: LogId, seq: u64) -> Vec<u8> {
    rows::key(table::TOUCHED, &[&record.0, &log.0, &seq.to_be_bytes()])
}

fn counting(view: &View<'_>, log: LogId) -> Result<Option<u64>, StorageError> {
    let row = view.get(&rows::key(table::COUNTING, &[&log.0]))?;
    row.map(|bytes| rows::count_from(Some(bytes))).transpose()
}

fn note_counting(view: &mut View<'_>, log: LogId, until: u64) {
    view.put_bytes(rows::key(table::COUNTING, &[&log.0]), until.to_be_bytes().to_vec());
}

pub(super) fn log_row(view: &View<'_>, log: LogId) -> Result<Option<LogRow>, StorageError> {
    view.row(&rows::key(table::LOG, &[&log.0]))
}

fn device_of(view: &View<'_>, log: LogId) -> Result<Option<DeviceId>, StorageError> {
    Ok(log_row(view, log)?.map(|row| row.device))
}

/// Lists what an entry that does not count holds of a record.
fn keep_aside(
    view: &mut View<'_>,
    carrier: Carrier,
    record: RecordId,
) -> Result<Aside, StorageError> {
    let Carrier { log, seq, wall_ms } = carrier;
    let reason = quarantine::BARRED.to_owned();
    let aside = Aside { log, seq, wall_ms, record: Some(record), reason };
    quarantine::refuse(view, &aside)?;
    Ok(aside)
}

fn barred(part: &Part) -> Option<Vec<u8>> {
    let (hash, _) = heirloom_doc::links(&RawChange(part.change.clone()))?;
    Some(rows::key(table::BARRED, &[&part.record.0, &hash.0]))
}

/// Notes the changes of an entry that does not count.
fn bar(view: &mut View<'_>, parts: &[Part]) {
    for key in parts.iter().filter_map(barred) {
        view.put_bytes(key, Vec::new());
    }
}

fn release(view: &mut View<'_>, parts: &[Part]) {
    for key in parts.iter().filter_map(barred) {
        view.remove(key);
    }
}

/// Returns whether a change of a record waits for one that does not count.
pub(super) fn is_wanting(view: &View<'_>, record: RecordId) -> Result<bool, StorageError> {
    let prefix = rows::key(table::BARRED, &[&record.0]);
    if view.scan(&prefix, None, 1)?.is_empty() {
        return Ok(false);
    }
    for hash in Queues(record).awaited(view)? {
        if view.get(&rows::key(table::BARRED, &[&record.0, &hash.0]))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
