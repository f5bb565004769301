//! Writing this device's own log: changes become entries.

use heirloom_base::{
    AccountId, ActorId, ChunkId, Encode, EntryId, EpochId, Hlc, Incarnation, LogId, OpId, RecordId,
    SpaceId, limits,
};
use heirloom_identity::{DeviceKeys, Keyring, Roster};
use heirloom_sync::entry::kind;
use heirloom_sync::{Body, Disowned, Entry, EntryPlan, Header, Origin, Part, Replication};
use std::collections::BTreeMap;

/// A change on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The change.
    pub(crate) part: Part,
    /// Chunks that it refers to.
    pub(crate) chunks: Vec<ChunkId>,
}

/// Why nothing can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JournalError {
    /// No epoch is safe to write under.
    #[error("no key is safe to write under")]
    NoEpoch,
}

/// What an entry needs from the rest of the node.
pub(crate) struct Desk<'a> {
    pub(crate) account: AccountId,
    pub(crate) space: SpaceId,
    pub(crate) device: &'a DeviceKeys,
    pub(crate) roster: &'a Roster,
    /// The heads of the roster that the records follow: what an entry builds
    /// on is what counted by these.
    pub(crate) followed: &'a [OpId],
    pub(crate) keyring: &'a Keyring,
}

impl Desk<'_> {
    /// Returns the epoch to write under, with its key.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn epoch(&self) -> Result<(EpochId, [u8; 32]), JournalError> {
        let epoch = self.roster.state().writing_epoch().ok_or(JournalError::NoEpoch)?;
        let key = self.keyring.epoch_key(&epoch).ok_or(JournalError::NoEpoch)?;
        Ok((epoch, *key))
    }
}

/// The writer of this device's own log.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    incarnation: Option<Incarnation>,
    log: Option<LogId>,
    hlc: Hlc,
    seen: BTreeMap<LogId, u64>,
}

impl Journal {
    /// Continues the log of an incarnation.
    pub(crate) fn resume(&mut self, incarnation: Incarnation, log: LogId) {
        self.incarnation = Some(incarnation);
        self.log = Some(log);
    }

    /// Returns the log that is being written.
    pub(crate) fn log(&self) -> Option<LogId> {
        self.log
    }

    /// Returns the actor under which a record is changed.
    pub(crate) fn actor(&self, record: RecordId) -> Option<ActorId> {
        self.log.map(|log| heirloom_doc::actor_for(log, record))
    }

    /// Returns the time up to which what this device writes is dated later than
    /// it is, because its clock was ahead once.
    pub(crate) fn ahead_until(&self, wall_ms: u64) -> Option<u64> {
        const AHEAD_MS: u64 = 3_600_000;
        let until = self.hlc.wall_ms();
        let is_kept = until > wall_ms.saturating_add(AHEAD_MS) && !self.was_wrong(wall_ms);
        is_kept.then_some(until)
    }

    /// Returns whether the clock was wrong and is right again: it is far behind
    /// what was written, and shows a time at which this program existed.
    fn was_wrong(&self, wall_ms: u64) -> bool {
        const WRONG_MS: u64 = 24 * 3_600_000;
        /// The first day of 2026, UTC.
        const EXISTED_MS: u64 = 1_767_225_600_000;
        wall_ms >= EXISTED_MS && self.hlc.wall_ms() > wall_ms.saturating_add(WRONG_MS)
    }

    /// Notes a clock reading of an own entry, at start.
    pub(crate) fn observe(&mut self, hlc: Hlc) {
        self.hlc = self.hlc.max(hlc);
    }

    /// Returns the clock reading for the next change. It never goes back, unless
    /// the clock was ahead by days and is right again.
    pub(crate) fn tick(&mut self, wall_ms: u64) -> Hlc {
        if self.was_wrong(wall_ms) {
            self.hlc = Hlc::from_wall_ms(wall_ms);
        }
        self.hlc = self.hlc.tick(wall_ms);
        self.hlc
    }

    /// Seals changes into entries of bounded size and stages them.
    ///
    /// # Errors
    /// When there is no epoch to write under; nothing was staged then.
    ///
    /// # Panics
    /// When no incarnation was begun.
    pub(crate) fn write(
        &mut self,
        desk: &Desk<'_>,
        replication: &mut Replication,
        drafts: Vec<Draft>,
        hlc: Hlc,
    ) -> Result<Vec<Entry>, JournalError> {
        let bundles = bundles(drafts).into_iter();
        let items = bundles.map(|(parts, chunks)| (kind::CHANGES, Body { parts }, chunks));
        self.write_items(desk, replication, items.collect(), hlc)
    }

    /// Seals bodies, each with its kind and the chunks that it names, and stages
    /// them.
    ///
    /// # Errors
    /// As [`Self::write`].
    ///
    /// # Panics
    /// As [`Self::write`].
    pub(crate) fn write_items(
        &mut self,
        desk: &Desk<'_>,
        replication: &mut Replication,
        items: Vec<(u8, Body, Vec<ChunkId>)>,
        hlc: Hlc,
    ) -> Result<Vec<Entry>, JournalError> {
        let (epoch, key) = desk.epoch()?;
        let mut entries = Vec::new();
        for (kind, body, chunks) in items {
            let header = self.next_header(desk, replication, (kind, epoch, chunks), hlc);
            let (log, seq) = (header.log, header.seq);
            let entry = Entry::author(desk.account, desk.device, &key, &EntryPlan { header, body });
            replication.stage_own(log, seq, entry.id());
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Signs an entry that says which ends of logs are given up, for everybody to
    /// read, and stages it.
    ///
    /// # Errors
    /// As [`Self::write`].
    ///
    /// # Panics
    /// As [`Self::write`].
    pub(crate) fn write_word(
        &mut self,
        desk: &Desk<'_>,
        replication: &mut Replication,
        said: &Disowned,
        hlc: Hlc,
    ) -> Result<Entry, JournalError> {
        let epoch = desk.roster.state().writing_epoch().ok_or(JournalError::NoEpoch)?;
        let item = (kind::DISOWNED, epoch, Vec::new());
        let header = self.next_header(desk, replication, item, hlc);
        let (log, seq) = (header.log, header.seq);
        let entry = Entry::author_plain(desk.account, desk.device, &header, &said.to_bytes());
        replication.stage_own(log, seq, entry.id());
        Ok(entry)
    }

    fn next_header(
        &mut self,
        desk: &Desk<'_>,
        replication: &Replication,
        (kind, epoch, chunks): (u8, EpochId, Vec<ChunkId>),
        hlc: Hlc,
    ) -> Header {
        let incarnation = self.incarnation.expect("a write begins an incarnation first");
        let origin = Origin { device: desk.device.id(), incarnation };
        let log = origin.log(desk.space);
        let (seq, previous) = replication
            .log(log)
            .map_or((1, EntryId([0; 32])), |state| (state.staged + 1, state.staged_id));
        Header {
            kind,
            space: desk.space,
            log,
            seq,
            previous,
            origin: (seq == 1).then_some(origin),
            roster_heads: heads(desk),
            hlc,
            epoch,
            seen: self.seen_since(replication, log),
            chunks,
        }
    }

    fn seen_since(&mut self, replication: &Replication, own: LogId) -> Vec<(LogId, u64)> {
        let held = replication.logs().map(|(log, state)| (log, state.durable));
        let news: Vec<(LogId, u64)> = held
            .filter(|(log, seq)| *log != own && self.seen.get(log) != Some(seq) && *seq > 0)
            .take(limits::ENTRY_VECTOR_DELTA_MAX)
            .collect();
        self.seen.extend(news.iter().copied());
        news
    }
}

fn heads(desk: &Desk<'_>) -> Vec<OpId> {
    desk.followed.iter().copied().take(limits::ENTRY_ROSTER_HEADS_MAX).collect()
}

/// Groups drafts so that every group fits one entry.
fn bundles(drafts: Vec<Draft>) -> Vec<(Vec<Part>, Vec<ChunkId>)> {
    // The count in front of the parts.
    const OVERHEAD: usize = 4;
    let mut bundles: Vec<(Vec<Part>, Vec<ChunkId>)> = Vec::new();
    let (mut size, mut operations) = (usize::MAX, 0);
    for draft in drafts {
        let more = heirloom_doc::operations(&draft.part.change);
        let fits = bundles.last().is_some_and(|(_, chunks)| {
            size + draft.part.size() <= limits::ENTRY_BODY_BYTES_MAX
                && operations + more <= limits::ENTRY_OPS_MAX
                && chunks.len() + draft.chunks.len() <= limits::ENTRY_CHUNKS_MAX
        });
        if !fits {
            bundles.push((Vec::new(), Vec::new()));
            (size, operations) = (OVERHEAD, 0);
        }
        operations += more;
        size += draft.part.size();
        let (parts, chunks) = bundles.last_mut().expect("a bundle was just begun");
        parts.push(draft.part);
        for chunk in draft.chunks {
            if !chunks.contains(&chunk) {
                chunks.push(chunk);
            }
        }
    }
    bundles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(size: usize, chunks: u8) -> Draft {
        let chunks = (0..chunks).map(|number| ChunkId([number; 32])).collect();
        Draft { part: Part { record: RecordId([1; 16]), change: vec![0; size] }, chunks }
    }

    #[test]
    fn every_bundle_fits_an_entry_and_none_is_lost() {
        let drafts: Vec<Draft> = (0..100).map(|number| draft(number * 700, 0)).collect();
        let bundles = bundles(drafts);
        assert_eq!(bundles.iter().map(|(parts, _)| parts.len()).sum::<usize>(), 100);
        for (parts, _) in &bundles {
            let size = 4 + parts.iter().map(Part::size).sum::<usize>();
            assert!(size <= limits::ENTRY_BODY_BYTES_MAX && !parts.is_empty());
        }
        assert!(bundles.len() > 10);
    }

    #[test]
    fn chunks_split_bundles_too_and_are_named_once() {
        let bundles = bundles(vec![draft(1, 40), draft(1, 40), draft(1, 3)]);
        assert_eq!(bundles.len(), 2);
        assert_eq!(bundles[1].1.len(), 40);
    }

    struct Study {
        keys: DeviceKeys,
        roster: Roster,
        keyring: Keyring,
        replication: Replication,
        journal: Journal,
    }

    const SPACE: SpaceId = SpaceId([4; 16]);

    impl Study {
        fn new() -> Self {
            let root = heirloom_identity::Phrase::from_entropy([1; 16]).root_keys();
            let keys = DeviceKeys::from_seed([2; 32]);
            let may = heirloom_identity::Role::Member.capabilities();
            let (ops, keyring) =
                heirloom_identity::roster::genesis(&root, &keys, "d", may, &[3; 32]);
            let mut roster = Roster::new(root.account_id());
            for op in ops {
                roster.insert(&op).unwrap();
            }
            let replication = Replication::new(root.account_id(), SPACE, keys.id());
            let mut journal = Journal::default();
            let incarnation = Incarnation([5; 16]);
            let log = Origin { device: keys.id(), incarnation }.log(SPACE);
            journal.resume(incarnation, log);
            Self { keys, roster, keyring, replication, journal }
        }

        fn write(&mut self, drafts: Vec<Draft>) -> Result<Vec<Entry>, JournalError> {
            let followed = self.roster.heads();
            let desk = Desk {
                account: self.roster.account(),
                space: SPACE,
                device: &self.keys,
                roster: &self.roster,
                followed: &followed,
                keyring: &self.keyring,
            };
            let hlc = self.journal.tick(7);
            self.journal.write(&desk, &mut self.replication, drafts, hlc)
        }
    }

    #[test]
    fn entries_follow_one_another_and_only_the_first_names_its_origin() {
        let mut study = Study::new();
        let mut entries = study.write(vec![draft(200_000, 0), draft(200_000, 0)]).unwrap();
        entries.extend(study.write(vec![draft(1, 0)]).unwrap());
        let seqs: Vec<u64> = entries.iter().map(|entry| entry.header().seq).collect();
        assert_eq!(seqs, [1, 2, 3]);
        for pair in entries.windows(2) {
            assert_eq!(pair[1].header().previous, pair[0].id());
        }
        let named = entries.iter().filter(|entry| entry.header().origin.is_some());
        assert_eq!(named.count(), 1);
        for entry in &entries {
            assert_eq!(Some(entry.header().log), study.journal.log());
            assert!(entry.verify(study.roster.account(), study.keys.id()).is_ok());
            let key = study.keyring.epoch_key(&entry.header().epoch).unwrap();
            assert_eq!(entry.open(key).unwrap().parts.len(), 1);
        }
    }

    #[test]
    fn an_entry_names_what_it_saw_of_other_logs_once() {
        let mut study = Study::new();
        let (other, empty) = (LogId([8; 16]), LogId([9; 16]));
        let state = |seq| {
            heirloom_sync::LogState::at(DeviceKeys::from_seed([6; 32]).id(), seq, EntryId([7; 32]))
        };
        study.replication.load_log(other, state(5));
        study.replication.load_log(empty, state(0));
        let seen =
            |study: &mut Study| study.write(vec![draft(1, 0)]).unwrap()[0].header().seen.clone();
        assert_eq!(seen(&mut study), [(other, 5)]);
        assert_eq!(seen(&mut study), []);
        study.replication.load_log(other, state(6));
        assert_eq!(seen(&mut study), [(other, 6)]);
    }

    #[test]
    fn without_a_key_nothing_is_staged() {
        let mut study = Study::new();
        study.roster = Roster::new(study.roster.account());
        assert_eq!(study.write(vec![draft(1, 0)]), Err(JournalError::NoEpoch));
        assert_eq!(study.replication.logs().count(), 0);
    }

    #[test]
    fn a_clock_that_was_ahead_by_days_is_followed_when_it_is_right_again() {
        const RIGHT_MS: u64 = 1_795_000_000_000;
        const DAY_MS: u64 = 24 * 3_600_000;
        let mut journal = Journal::default();
        journal.tick(RIGHT_MS + 3_650 * DAY_MS);
        assert_eq!(journal.ahead_until(RIGHT_MS), None);
        let next = journal.tick(RIGHT_MS);
        assert_eq!(next.wall_ms(), RIGHT_MS);
        assert!(journal.tick(RIGHT_MS) > next, "no two readings are one");
        let later = journal.tick(RIGHT_MS + DAY_MS);
        assert!(journal.tick(RIGHT_MS) > later, "by a day it may be put back");
        assert_eq!(journal.ahead_until(RIGHT_MS), Some(RIGHT_MS + DAY_MS));
        assert!(journal.tick(1_000) > later, "in 1970 there was no such program");
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut journal = Journal::default();
        let first = journal.tick(1_000);
        assert!(journal.tick(500) > first);
        journal.observe(Hlc::from_wall_ms(5_000));
        assert!(journal.tick(1_000) > Hlc::from_wall_ms(5_000));
        journal.observe(Hlc::from_wall_ms(10));
        assert!(journal.tick(0) > Hlc::from_wall_ms(5_000));
    }

    #[test]
    fn an_actor_belongs_to_one_log_and_one_record() {
        let mut journal = Journal::default();
        assert_eq!(journal.actor(RecordId([1; 16])), None);
        journal.resume(Incarnation([1; 16]), LogId([1; 16]));
        let one = journal.actor(RecordId([1; 16]));
        assert_ne!(one, journal.actor(RecordId([2; 16])));
        journal.resume(Incarnation([2; 16]), LogId([2; 16]));
        assert_ne!(one, journal.actor(RecordId([1; 16])));
        assert_eq!(journal.log(), Some(LogId([2; 16])));
    }
}
