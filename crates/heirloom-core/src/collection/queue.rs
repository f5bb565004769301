//! Changes that wait, in the order of the log that carried them.
//!
//! A row names the place of a change in the log and not its bytes, so that
//! whoever sends many costs the index little. Of all the changes of a log that
//! wait in a record, only the first is entered under what it waits for: an
//! arrival wakes those that waited for it and nobody else.

use crate::quarantine;
use crate::rows::{self, LogRow, WaitingRow, table};
use crate::storage::StorageError;
use crate::view::{View, decode_row};
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{ActorId, ChangeHash, DeviceId, LogId, RecordId, limits};
use std::collections::BTreeSet;

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) log: LogId,
    pub(super) seq: u64,
    /// The number of the part in its entry.
    pub(super) part: u32,
}

/// The two orders in which changes of a log wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Parts of births.
    Birth,
    /// Changes of the log itself.
    Own,
}

/// What a log's first waiting change waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A change comes in.
    Change(ChangeHash),
    /// The birth by an actor comes in.
    Birth(ActorId),
}

/// A row of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) key: Vec<u8>,
    pub(super) place: Place,
    pub(super) row: WaitingRow,
}

/// The queues of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queues(pub(super) RecordId);

/// Forgets what waits of a log behind a number: it was lost, or comes again
/// behind what was.
pub(crate) fn forget_behind(
    view: &mut View<'_>,
    log: LogId,
    held: u64,
) -> Result<(), StorageError> {
    let rows = view.scan(&[table::WAITING], None, usize::MAX)?;
    let records: BTreeSet<RecordId> =
        rows.iter().filter_map(|(key, _)| rows::record_in(key)).collect();
    for queues in records.into_iter().map(Queues) {
        for class in [Class::Birth, Class::Own] {
            for waiting in queues.read(view, (class, log), None, usize::MAX)? {
                if waiting.place.seq > held {
                    queues.remove(view, &waiting)?;
                }
            }
        }
    }
    Ok(())
}

impl Queues {
    fn prefix(self, class: Class, log: LogId) -> Vec<u8> {
        rows::key(table::WAITING, &[&self.0.0, &[class as u8], &log.0])
    }

    /// Returns what waits of a log, beginning after a key.
    pub(super) fn read(
        self,
        view: &View<'_>,
        (class, log): (Class, LogId),
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Waiting>, StorageError> {
        let prefix = self.prefix(class, log);
        let rows = view.scan(&prefix, after, limit)?;
        let read = |(key, bytes): (Vec<u8>, Vec<u8>)| {
            let rest = key.get(prefix.len()..).and_then(<[u8]>::split_first_chunk::<8>);
            let part = rest.and_then(|(_, part)| part.first_chunk::<4>());
            let (Some((seq, _)), Some(part)) = (rest, part) else {
                return Err(StorageError::Index("a place in a queue is damaged".to_owned()));
            };
            let (seq, part) = (u64::from_be_bytes(*seq), u32::from_be_bytes(*part));
            let row = decode_row(&bytes)?;
            Ok(Waiting { place: Place { log, seq, part }, row, key })
        };
        rows.into_iter().map(read).collect()
    }

    /// Lets a change wait at the end of its log's queue. Returns whether it is
    /// the first that is beyond what goes unmentioned.
    pub(super) fn push(
        self,
        view: &mut View<'_>,
        class: Class,
        (place, wall_ms): (Place, u64),
        part: Option<ChangeHash>,
    ) -> Result<bool, StorageError> {
        let [author, here] = self.counts(view, place.log)?;
        let author = view.count(author, 1)?;
        let here = view.count(here, 1)?;
        let (in_all, in_record) =
            (limits::WAITING_PER_AUTHOR_MAX as u64, limits::WAITING_PER_RECORD_MAX as u64);
        let unbounded = is_planted(Bug::HoldBackUnbounded);
        let beyond = (author > in_all || here > in_record) && !unbounded;
        if beyond {
            quarantine::begin_wait(view, (place.log, place.seq), self.0, wall_ms)?;
        }
        let (seq, number) = (place.seq.to_be_bytes(), place.part.to_be_bytes());
        let key = [self.prefix(class, place.log), seq.to_vec(), number.to_vec()].concat();
        view.put(key, &WaitingRow { beyond, part });
        Ok(author == in_all + 1 || here == in_record + 1)
    }

    /// Takes a change out of its queue.
    pub(super) fn remove(self, view: &mut View<'_>, waiting: &Waiting) -> Result<(), StorageError> {
        view.remove(waiting.key.clone());
        for count in self.counts(view, waiting.place.log)? {
            view.count(count, -1)?;
        }
        if waiting.row.beyond {
            let Place { log, seq, .. } = waiting.place;
            quarantine::end_wait(view, (log, seq), self.0)?;
        }
        Ok(())
    }

    /// Returns the changes that are awaited.
    pub(super) fn awaited(self, view: &View<'_>) -> Result<BTreeSet<ChangeHash>, StorageError> {
        let prefix = self.event_prefix(Event::Change(ChangeHash([0; ChangeHash::SIZE])));
        let prefix = prefix.get(..prefix.len() - ChangeHash::SIZE).unwrap_or_default().to_vec();
        let rows = view.scan(&prefix, None, usize::MAX)?;
        let hash = |key: &[u8]| {
            let hash = key.get(prefix.len()..)?.first_chunk::<{ ChangeHash::SIZE }>()?;
            Some(ChangeHash(*hash))
        };
        Ok(rows.iter().filter_map(|(key, _)| hash(key)).collect())
    }

    /// Forgets everything that waits.
    pub(super) fn clear(self, view: &mut View<'_>) -> Result<(), StorageError> {
        for class in [Class::Birth, Class::Own] {
            let prefix = rows::key(table::WAITING, &[&self.0.0, &[class as u8]]);
            let rows = view.scan(&prefix, None, usize::MAX)?;
            let log = |key: &[u8]| {
                let log = key.get(prefix.len()..)?.first_chunk::<{ LogId::SIZE }>()?;
                Some(LogId(*log))
            };
            let logs: BTreeSet<LogId> = rows.iter().filter_map(|(key, _)| log(key)).collect();
            for log in logs {
                for waiting in self.read(view, (class, log), None, usize::MAX)? {
                    self.remove(view, &waiting)?;
                }
            }
        }
        for (key, _) in view.scan(&rows::key(table::AWAITED, &[&self.0.0]), None, usize::MAX)? {
            view.remove(key);
        }
        Ok(())
    }

    /// Returns the keys of the counts of a log's author, in all and here.
    fn counts(self, view: &View<'_>, log: LogId) -> Result<[Vec<u8>; 2], StorageError> {
        let row: Option<LogRow> = view.row(&rows::key(table::LOG, &[&log.0]))?;
        let device = row.map_or(DeviceId([0; 32]), |row| row.device);
        let author = rows::key(table::WAITING_COUNT, &[&device.0]);
        let here = rows::key(table::WAITING_COUNT, &[&device.0, &self.0.0]);
        Ok([author, here])
    }

    fn event_prefix(self, event: Event) -> Vec<u8> {
        let mut padded = [0; ChangeHash::SIZE];
        let (kind, awaited): (u8, &[u8]) = match &event {
            Event::Change(hash) => (1, &hash.0),
            Event::Birth(actor) => {
                padded[..ActorId::SIZE].copy_from_slice(&actor.0);
                (0, &padded)
            }
        };
        rows::key(table::AWAITED, &[&self.0.0, &[kind], awaited])
    }

    /// Notes what the first change of a log's queue waits for.
    pub(super) fn await_event(self, view: &mut View<'_>, event: Event, log: LogId) {
        view.put_bytes([self.event_prefix(event), log.0.to_vec()].concat(), Vec::new());
    }

    /// Returns the logs that waited for something, which do so no more.
    pub(super) fn wake(
        self,
        view: &mut View<'_>,
        event: Event,
    ) -> Result<Vec<LogId>, StorageError> {
        let prefix = self.event_prefix(event);
        let mut logs = Vec::new();
        for (key, _) in view.scan(&prefix, None, usize::MAX)? {
            let log = key.get(prefix.len()..).and_then(<[u8]>::first_chunk::<16>);
            logs.extend(log.map(|log| LogId(*log)));
            view.remove(key);
        }
        Ok(logs)
    }
}
