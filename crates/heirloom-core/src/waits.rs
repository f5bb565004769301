//! Commands that wait: for copies of a write, or for the other devices.

use crate::command::{Answer, Level};
use crate::input::CommandId;
use heirloom_base::{DeviceId, LogId, Now};
use std::collections::BTreeMap;

/// Time that connected devices must have been level before a sync is answered
/// without the devices that are not connected: they may be on their way.
const SETTLED_MS: u64 = 2_000;

/// A write that waits for copies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CopyWait {
    pub(crate) log: LogId,
    pub(crate) seq: u64,
    pub(crate) level: Level,
    pub(crate) deadline_ms: u64,
    pub(crate) answer: Answer,
}

/// A sync that waits for the other devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncWait {
    pub(crate) since_ms: u64,
    pub(crate) deadline_ms: u64,
}

/// How the other devices stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Other members.
    pub(crate) members: usize,
    /// Connected ones.
    pub(crate) connected: usize,
    /// Connected ones that are level with this device.
    pub(crate) level: usize,
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    copies: BTreeMap<CommandId, CopyWait>,
    syncs: BTreeMap<CommandId, SyncWait>,
}

impl Waits {
    pub(crate) fn wait_for_copies(&mut self, id: CommandId, wait: CopyWait) {
        self.copies.insert(id, wait);
    }

    pub(crate) fn wait_for_sync(&mut self, id: CommandId, wait: SyncWait) {
        self.syncs.insert(id, wait);
    }

    /// Returns whether a command waits for other devices.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.copies.is_empty() || !self.syncs.is_empty()
    }

    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let copies = self.copies.values().map(|wait| wait.deadline_ms);
        let syncs = self.syncs.values().map(|wait| {
            let settled = wait.since_ms + SETTLED_MS;
            settled.min(wait.deadline_ms)
        });
        copies.chain(syncs).min()
    }

    /// Has the writes wait for copies of what stands now for what they wrote, and was
    /// given up from an entry of its log on.
    pub(crate) fn stand_again(&mut self, given_up: (LogId, u64), now: (LogId, u64)) {
        let (log, from) = given_up;
        for wait in self.copies.values_mut().filter(|wait| wait.log == log && wait.seq >= from) {
            (wait.log, wait.seq) = now;
        }
    }

    /// Returns the writes that are to be answered: their level is reached or their time is over.
    pub(crate) fn copies_done(
        &mut self,
        now: Now,
        holders: &dyn Fn(LogId, u64) -> Vec<DeviceId>,
        is_keeper: &dyn Fn(DeviceId) -> bool,
    ) -> Vec<(CommandId, Answer)> {
        let mut done = Vec::new();
        self.copies.retain(|id, wait| {
            let holders = holders(wait.log, wait.seq);
            let reached = is_reached(wait.level, &holders, is_keeper);
            let over = reached || now.mono_ms >= wait.deadline_ms;
            if over {
                done.push((*id, with_reached(wait.answer.clone(), reached)));
            }
            !over
        });
        done
    }

    /// Returns the syncs that are to be answered.
    pub(crate) fn syncs_done(&mut self, now: Now, standing: Standing) -> Vec<CommandId> {
        let mut done = Vec::new();
        self.syncs.retain(|id, wait| {
            let all = standing.level == standing.members;
            let settled = now.mono_ms >= wait.since_ms + SETTLED_MS
                && standing.connected > 0
                && standing.level == standing.connected;
            let over = all || settled || now.mono_ms >= wait.deadline_ms;
            if over {
                done.push(*id);
            } else if now.mono_ms >= wait.since_ms + SETTLED_MS {
                // The next look is after another such pause, not at once.
                wait.since_ms = now.mono_ms;
            }
            !over
        });
        done
    }
}

fn is_reached(level: Level, holders: &[DeviceId], is_keeper: &dyn Fn(DeviceId) -> bool) -> bool {
    match level {
        Level::Local => true,
        Level::Peer(count) => holders.len() >= count as usize,
        Level::Keeper => holders.iter().any(|device| is_keeper(*device)),
    }
}

/// Returns the answer with its level marked as reached or not.
pub(crate) fn with_reached(answer: Answer, now_reached: bool) -> Answer {
    match answer {
        Answer::Saved { id, .. } => Answer::Saved { id, reached: now_reached },
        Answer::Imported { report, .. } => Answer::Imported { report, reached: now_reached },
        other @ (Answer::Status(_)
        | Answer::Digest { .. }
        | Answer::Devices { .. }
        | Answer::Done
        | Answer::Member { .. }
        | Answer::Invite { .. }
        | Answer::Records { .. }
        | Answer::Occurrences { .. }
        | Answer::Record(_)
        | Answer::History { .. }
        | Answer::Conflicts { .. }
        | Answer::Files { .. }
        | Answer::Quarantine { .. }
        | Answer::Synced { .. }) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId([1; 16]);

    #[test]
    fn copies_of_what_was_given_up_count_for_nothing() {
        let mut waits = Waits::default();
        let answer = Answer::Saved { id: "1".to_owned(), reached: false };
        for (id, seq) in [(1, 4), (2, 5)] {
            let level = Level::Peer(1);
            let wait = CopyWait { log: LOG, seq, level, deadline_ms: 9, answer: answer.clone() };
            waits.wait_for_copies(CommandId(id), wait);
        }
        let again = LogId([2; 16]);
        waits.stand_again((LOG, 5), (again, 3));
        let holds = |log: LogId, _| if log == LOG { vec![DeviceId([1; 32])] } else { vec![] };
        let done = waits.copies_done(at(1), &holds, &|_| false);
        assert_eq!(done.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [CommandId(1)]);
        let holds = |log: LogId, seq| match (log, seq) == (again, 3) {
            true => vec![DeviceId([1; 32])],
            false => vec![],
        };
        assert_eq!(waits.copies_done(at(1), &holds, &|_| false).len(), 1);
    }

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 0, mono_ms }
    }

    fn saved(reached: bool) -> Answer {
        Answer::Saved { id: "x".into(), reached }
    }

    fn waits(level: Level) -> Waits {
        let mut waits = Waits::default();
        let answer = saved(false);
        waits.wait_for_copies(
            CommandId(1),
            CopyWait { log: LOG, seq: 5, level, deadline_ms: 100, answer },
        );
        waits
    }

    #[test]
    fn a_write_is_answered_when_its_level_is_reached() {
        let (one, keeper) = (DeviceId([1; 32]), DeviceId([2; 32]));
        let is_keeper = |device| device == keeper;
        let both = move |_, _| vec![one, keeper];
        let only_one = move |_, _| vec![one];
        for (level, reached) in
            [(Level::Peer(1), true), (Level::Peer(2), false), (Level::Keeper, false)]
        {
            let done = waits(level).copies_done(at(1), &only_one, &is_keeper);
            assert_eq!(!done.is_empty(), reached, "{level:?}");
        }
        let done = waits(Level::Keeper).copies_done(at(1), &both, &is_keeper);
        assert_eq!(done, [(CommandId(1), saved(true))]);
    }

    #[test]
    fn a_write_is_answered_honestly_when_its_time_is_over() {
        let mut waits = waits(Level::Peer(1));
        assert!(waits.copies_done(at(99), &|_, _| Vec::new(), &|_| false).is_empty());
        assert_eq!(waits.poll_timeout(), Some(100));
        let done = waits.copies_done(at(100), &|_, _| Vec::new(), &|_| false);
        assert_eq!(done, [(CommandId(1), saved(false))]);
        assert!(!waits.is_waiting());
    }

    #[test]
    fn a_sync_waits_a_moment_for_devices_that_are_not_connected() {
        let mut waits = Waits::default();
        waits.wait_for_sync(CommandId(2), SyncWait { since_ms: 0, deadline_ms: 10_000 });
        let one_of_two = Standing { members: 2, connected: 1, level: 1 };
        assert!(waits.syncs_done(at(10), one_of_two).is_empty());
        assert_eq!(waits.syncs_done(at(SETTLED_MS), one_of_two), [CommandId(2)]);
        waits.wait_for_sync(CommandId(3), SyncWait { since_ms: 0, deadline_ms: 10_000 });
        let behind = Standing { members: 2, connected: 2, level: 1 };
        assert!(waits.syncs_done(at(5_000), behind).is_empty());
        let level = Standing { members: 2, connected: 2, level: 2 };
        assert_eq!(waits.syncs_done(at(5_001), level), [CommandId(3)]);
    }

    #[test]
    fn a_sync_ends_at_its_deadline_whoever_is_missing() {
        let mut waits = Waits::default();
        waits.wait_for_sync(CommandId(2), SyncWait { since_ms: 0, deadline_ms: 3_000 });
        let nobody = Standing { members: 1, connected: 0, level: 0 };
        assert_eq!(waits.poll_timeout(), Some(SETTLED_MS));
        assert!(waits.syncs_done(at(SETTLED_MS), nobody).is_empty());
        assert_eq!(waits.poll_timeout(), Some(3_000), "the next look is not at once");
        assert_eq!(waits.syncs_done(at(3_000), nobody), [CommandId(2)]);
        assert_eq!(waits.poll_timeout(), None);
    }

    #[test]
    fn a_local_write_waits_for_nobody_and_a_keeper_is_one_holder() {
        let (one, two) = (DeviceId([1; 32]), DeviceId([2; 32]));
        assert!(is_reached(Level::Local, &[], &|_| false));
        assert!(!is_reached(Level::Keeper, &[one], &|device| device == two));
        assert!(is_reached(Level::Keeper, &[one, two], &|device| device == two));
        assert!(!is_reached(Level::Peer(3), &[one, two], &|_| true));
    }

    #[test]
    fn only_answers_to_writes_say_how_far_they_went() {
        let report = crate::command::ImportReport::default();
        let imported = Answer::Imported { report: report.clone(), reached: false };
        let marked = Answer::Imported { report, reached: true };
        assert_eq!(with_reached(imported, true), marked);
        assert_eq!(with_reached(Answer::Done, true), Answer::Done);
    }
}
