//! The changes of one record that an entry brings or wakes.

use super::queue::{Class, Event, Place, Queues, Waiting};
use super::{Applied, Carrier, Counted, Library, Opened};
use crate::quarantine::{self, Aside};
use crate::rows::{self, table};
use crate::storage::StorageError;
use crate::view::View;
use heirloom_base::{ActorId, ChangeHash, LogId, RecordId, limits};
use heirloom_doc::{Admission, Awaited, Claim, Document, GateError, Offered, RawChange};
use std::collections::{BTreeMap, BTreeSet};

/// How many more changes of a log are tried after all of those before were
/// settled: nearly always all follow, and where not, little was read in vain.
const BATCH_GROWTH: usize = 4;

/// A change that is offered to the gate.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) place: Place,
    pub(super) wall_ms: u64,
    pub(super) change: RawChange,
    /// Its row, where it waited.
    pub(super) waited: Option<Waiting>,
}

/// A queue that is being worked off.
#[derive(Debug, Default)]
struct Draining {
    /// Changes to read next.
    batch: usize,
    /// The last row that was read.
    after: Option<Vec<u8>>,
}

/// What is done with one record.
pub(super) struct Work<'a, 'v> {
    view: &'a mut View<'v>,
    library: &'a dyn Library,
    record: RecordId,
    queues: Queues,
    applied: &'a mut Applied,
    saved: Option<Vec<u8>>,
    document: Option<Document>,
    counted: Vec<Counted>,
    draining: BTreeMap<LogId, Draining>,
    /// The entry that was opened last: what waits together stands together.
    opened: Option<((LogId, u64), Opened)>,
}

impl<'a, 'v> Work<'a, 'v> {
    pub(super) fn begin(
        view: &'a mut View<'v>,
        library: &'a dyn Library,
        record: RecordId,
        applied: &'a mut Applied,
    ) -> Result<Self, StorageError> {
        let saved = view.document(record)?;
        Ok(Self {
            view,
            library,
            record,
            queues: Queues(record),
            applied,
            saved,
            document: None,
            counted: Vec::new(),
            draining: BTreeMap::new(),
            opened: None,
        })
    }

    /// Offers the changes of an entry, and whatever they wake.
    pub(super) fn run(mut self, fresh: Vec<Offer>) -> Result<(), StorageError> {
        let mut batch = self.in_turn(fresh)?;
        while !batch.is_empty() {
            batch = self.round(batch)?;
        }
        self.finish()
    }

    /// Returns those of an entry's changes that are to be judged now, behind
    /// those of a birth that they may continue. Where changes of the log wait
    /// already, its later ones wait behind them.
    fn in_turn(&mut self, fresh: Vec<Offer>) -> Result<Vec<Offer>, StorageError> {
        let Some(log) = fresh.first().map(|offer| offer.place.log) else { return Ok(fresh) };
        let is_own = |offer: &Offer| heirloom_doc::is_own(&offer.change, log, self.record);
        let (own, births): (Vec<Offer>, Vec<Offer>) = fresh.into_iter().partition(is_own);
        let mut batch = self.behind_birth(log, births)?;
        if self.queues.read(self.view, (Class::Own, log), None, 1)?.is_empty() {
            batch.extend(own);
        } else {
            for offer in own {
                self.push(Class::Own, &offer)?;
            }
        }
        Ok(batch)
    }

    /// Puts the parts of a birth that wait before those that continue it.
    fn behind_birth(
        &mut self,
        log: LogId,
        mut fresh: Vec<Offer>,
    ) -> Result<Vec<Offer>, StorageError> {
        if fresh.is_empty() {
            return Ok(fresh);
        }
        let waiting = self.queues.read(self.view, (Class::Birth, log), None, usize::MAX)?;
        let Some(last) = waiting.last().and_then(|last| last.row.part) else { return Ok(fresh) };
        let known: BTreeSet<ChangeHash> = waiting.iter().filter_map(|one| one.row.part).collect();
        let mut together = false;
        fresh.retain(|offer| match heirloom_doc::claim(&offer.change, log, self.record) {
            // A write that was cut off and made again.
            Claim::Birth { hash, .. } if known.contains(&hash) => false,
            Claim::Birth { after, .. } => {
                together |= after.is_none_or(|after| after == last);
                true
            }
            Claim::Own | Claim::Nothing => true,
        });
        if !together {
            return Ok(fresh);
        }
        let mut batch = Vec::new();
        for one in waiting {
            batch.push(self.reopen(one)?);
        }
        batch.extend(fresh);
        Ok(batch)
    }

    fn reopen(&mut self, waiting: Waiting) -> Result<Offer, StorageError> {
        let Place { log, seq, part } = waiting.place;
        let opened = match self.opened.take() {
            Some((place, opened)) if place == (log, seq) => opened,
            Some(_) | None => self.library.open(self.view, log, seq)?,
        };
        let found = usize::try_from(part).ok().and_then(|part| opened.parts.get(part));
        let lost = || StorageError::Index("a change that waits is not in the log".to_owned());
        let change = RawChange(found.ok_or_else(lost)?.change.clone());
        let wall_ms = opened.wall_ms;
        self.opened = Some(((log, seq), opened));
        Ok(Offer { place: waiting.place, wall_ms, change, waited: Some(waiting) })
    }

    /// Offers changes; returns those to be offered next.
    fn round(&mut self, batch: Vec<Offer>) -> Result<Vec<Offer>, StorageError> {
        let batch = self.open_only(batch)?;
        let offered: Vec<Offered> = batch
            .iter()
            .map(|offer| Offered { log: offer.place.log, change: offer.change.clone() })
            .collect();
        let admission = if offered.is_empty() {
            Admission::default()
        } else {
            let load = |saved: &[u8]| self.library.load(self.record, saved);
            let loaded = self.saved.as_deref().map(load).transpose()?;
            let written = self.library.written(self.record);
            heirloom_doc::admit_into(loaded.unwrap_or_default(), self.record, &offered, written)
        };
        let stuck = self.let_wait(&batch, &admission)?;
        self.settle(&batch, &admission)?;
        for log in &admission.closed {
            self.view.put_bytes(self.closed_key(*log), Vec::new());
        }
        let (applied, births) = (admission.applied, admission.births);
        if let Some((document, saved)) = admission.document {
            self.library.keep(self.record, &saved, &document);
            self.document = Some(document);
            self.saved = Some(saved);
        }
        self.draining.retain(|log, _| !stuck.contains(log));
        let mut next = self.woken_births(births.into_iter().map(|(_, actor)| actor).collect())?;
        for hash in applied {
            for log in self.queues.wake(self.view, Event::Change(hash))? {
                self.draining.insert(log, Draining { batch: 1, after: None });
            }
        }
        for log in self.draining.keys().copied().collect::<Vec<LogId>>() {
            next.extend(self.drain(log)?);
        }
        Ok(next)
    }

    /// Refuses the changes of logs of which one broke the merge of this record.
    fn open_only(&mut self, batch: Vec<Offer>) -> Result<Vec<Offer>, StorageError> {
        let mut closed: BTreeMap<LogId, bool> = BTreeMap::new();
        let mut open = Vec::with_capacity(batch.len());
        for offer in batch {
            let log = offer.place.log;
            let is_closed = match closed.get(&log) {
                Some(is_closed) => *is_closed,
                None => self.view.get(&self.closed_key(log))?.is_some(),
            };
            closed.insert(log, is_closed);
            if !is_closed || !heirloom_doc::is_own(&offer.change, log, self.record) {
                open.push(offer);
                continue;
            }
            if let Some(waited) = &offer.waited {
                self.queues.remove(self.view, waited)?;
            }
            self.refuse(&offer, &GateError::Closed)?;
        }
        Ok(open)
    }

    fn closed_key(&self, log: LogId) -> Vec<u8> {
        rows::key(table::CLOSED, &[&self.record.0, &log.0])
    }

    /// Lets changes wait; returns the logs whose changes do.
    fn let_wait(
        &mut self,
        batch: &[Offer],
        admission: &Admission,
    ) -> Result<BTreeSet<LogId>, StorageError> {
        let mut stuck = BTreeSet::new();
        let mut waiting: Vec<(&Offer, Awaited)> = admission
            .waiting
            .iter()
            .filter_map(|(index, awaited)| Some((batch.get(*index)?, *awaited)))
            .collect();
        waiting.sort_by_key(|(offer, _)| offer.place);
        for (offer, awaited) in waiting {
            let log = offer.place.log;
            let (class, event) = match awaited {
                Awaited::Change(hash) => (Class::Own, Some(Event::Change(hash))),
                Awaited::Earlier => (Class::Own, None),
                Awaited::Birth(actor) => (Class::Birth, Some(Event::Birth(actor))),
            };
            if class == Class::Own {
                stuck.insert(log);
            }
            if let Some(event) = event {
                self.queues.await_event(self.view, event, log);
            }
            if offer.waited.is_none() {
                self.push(class, offer)?;
            }
        }
        Ok(stuck)
    }

    fn push(&mut self, class: Class, offer: &Offer) -> Result<(), StorageError> {
        let claim = || heirloom_doc::claim(&offer.change, offer.place.log, self.record);
        let part = match class {
            Class::Own => {
                self.applied.stuck.insert(offer.place.log);
                None
            }
            Class::Birth => match claim() {
                Claim::Birth { hash, .. } => Some(hash),
                Claim::Own | Claim::Nothing => None,
            },
        };
        let Place { log, seq, .. } = offer.place;
        if self.queues.push(self.view, class, (offer.place, offer.wall_ms), part)? {
            let reason = quarantine::WAITING.to_owned();
            let record = Some(self.record);
            let aside = Aside { log, seq, wall_ms: offer.wall_ms, record, reason };
            self.applied.aside.push(aside);
        }
        Ok(())
    }

    /// Takes what was applied or refused out of the queues, and counts it.
    fn settle(&mut self, batch: &[Offer], admission: &Admission) -> Result<(), StorageError> {
        let births: BTreeMap<usize, ActorId> = admission.births.iter().copied().collect();
        let waiting: BTreeSet<usize> = admission.waiting.iter().map(|(index, _)| *index).collect();
        let refused: BTreeMap<usize, &GateError> =
            admission.refused.iter().map(|(index, error)| (*index, error)).collect();
        let duplicates: BTreeSet<usize> = admission.duplicates.iter().copied().collect();
        for (index, offer) in batch.iter().enumerate() {
            if waiting.contains(&index) {
                continue;
            }
            if let Some(waited) = &offer.waited {
                self.queues.remove(self.view, waited)?;
            }
            let Place { log, seq, .. } = offer.place;
            if let Some(error) = refused.get(&index) {
                self.refuse(offer, error)?;
            } else if births.contains_key(&index) || !duplicates.contains(&index) {
                let birth = births.get(&index).copied();
                self.counted.push(Counted { log, seq, wall_ms: offer.wall_ms, birth });
            }
        }
        Ok(())
    }

    fn refuse(&mut self, offer: &Offer, error: &GateError) -> Result<(), StorageError> {
        let Place { log, seq, .. } = offer.place;
        let carrier = Carrier { log, seq, wall_ms: offer.wall_ms };
        super::refuse(self.view, self.applied, carrier, self.record, error)
    }

    /// Returns the parts of births in other logs that came in just now.
    fn woken_births(&mut self, actors: BTreeSet<ActorId>) -> Result<Vec<Offer>, StorageError> {
        let mut next = Vec::new();
        for actor in actors {
            for log in self.queues.wake(self.view, Event::Birth(actor))? {
                let rows = self.queues.read(self.view, (Class::Birth, log), None, usize::MAX)?;
                for row in rows {
                    next.push(self.reopen(row)?);
                }
            }
        }
        Ok(next)
    }

    /// Reads on in a queue whose first changes are settled.
    fn drain(&mut self, log: LogId) -> Result<Vec<Offer>, StorageError> {
        let Some(Draining { batch, after }) = self.draining.remove(&log) else {
            return Ok(Vec::new());
        };
        let rows = self.queues.read(self.view, (Class::Own, log), after.as_deref(), batch)?;
        let (mut offers, mut bytes) = (Vec::new(), 0);
        for row in rows {
            if bytes > limits::WAKE_BYTES_MAX {
                break;
            }
            let offer = self.reopen(row)?;
            bytes += offer.change.0.len();
            offers.push(offer);
        }
        let last = offers.last().and_then(|offer: &Offer| offer.waited.as_ref());
        if let Some(last) = last {
            let batch = (batch * BATCH_GROWTH).min(limits::WAKE_CHANGES_MAX);
            self.draining.insert(log, Draining { batch, after: Some(last.key.clone()) });
        }
        Ok(offers)
    }

    /// Writes what has become of the record.
    fn finish(self) -> Result<(), StorageError> {
        let Self { view, library, record, applied, saved, document, counted, .. } = self;
        let key = library.account_key();
        match (document, saved) {
            (Some(document), Some(saved)) => {
                view.put_bytes(rows::key(table::DOCUMENT, &[&record.0]), saved);
                let category = super::update_row(view, key, record, &document, counted)?;
                applied.changed.entry(category).or_default().push(record);
            }
            // Somebody else brought the same birth, perhaps before.
            (None, Some(saved)) if !counted.is_empty() => {
                super::update_row(view, key, record, &super::load(&saved)?, counted)?;
            }
            (None | Some(_), None | Some(_)) => {}
        }
        Ok(())
    }
}
