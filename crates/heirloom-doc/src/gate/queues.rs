//! The changes of each log, judged in the order of that log.

use super::graph::Graph;
use super::trial::Trials;
use super::{Admission, Awaited, Candidate};
use crate::error::GateError;
use heirloom_base::{ChangeHash, LogId};
use std::collections::{BTreeMap, BTreeSet};

/// The changes that were offered, by log.
pub(super) struct Queues {
    by_log: BTreeMap<LogId, Vec<Candidate>>,
}

/// What a pass over the queues found.
#[derive(Default)]
struct Verdicts {
    waiting: Vec<(usize, Awaited)>,
    refused: Vec<(usize, GateError)>,
}

impl Queues {
    /// Sorts candidates by their logs; within one they keep their order.
    pub(super) fn of(candidates: Vec<Candidate>) -> Self {
        let mut by_log: BTreeMap<LogId, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            by_log.entry(candidate.log).or_default().push(candidate);
        }
        Self { by_log }
    }

    /// Admits what is sound. First all of it is tried together, because that
    /// is fast and what is offered is nearly always sound. If anything fails,
    /// every change is judged and tried alone, so that nothing is judged by a
    /// change that does not come in.
    pub(super) fn admit(
        &self,
        trials: &mut Trials,
        operations_max: usize,
        admission: &mut Admission,
    ) {
        if self.by_log.is_empty() {
            return;
        }
        let mut plan = Vec::new();
        let mut verdicts = self.judge(trials, &mut |_, candidate| {
            plan.push(candidate);
            Ok(())
        });
        if !trials.take_together(&plan, operations_max, admission) {
            verdicts =
                self.judge(trials, &mut |trials, candidate| trials.take_one(candidate, admission));
        }
        admission.waiting.extend(verdicts.waiting);
        admission.refused.extend(verdicts.refused);
    }

    /// Judges every change whose dependencies are there; one that is sound is
    /// accepted or refused by `accept`.
    fn judge<'a>(
        &'a self,
        trials: &mut Trials,
        accept: &mut dyn FnMut(&mut Trials, &'a Candidate) -> Result<(), GateError>,
    ) -> Verdicts {
        let mut graph = Graph::of(trials.document());
        let mut verdicts = Verdicts::default();
        let mut places: BTreeMap<LogId, usize> = BTreeMap::new();
        let mut blocked: BTreeMap<ChangeHash, Vec<LogId>> = BTreeMap::new();
        let mut open: BTreeSet<LogId> = self.by_log.keys().copied().collect();
        while let Some(log) = open.pop_first() {
            let place = places.entry(log).or_default();
            let queue = self.by_log.get(&log).map(Vec::as_slice).unwrap_or_default();
            while let Some(candidate) = queue.get(*place) {
                if let Some(missing) = graph.first_missing(&candidate.head.dependencies) {
                    blocked.entry(missing).or_default().push(log);
                    break;
                }
                *place += 1;
                match graph.judge(&candidate.head).and_then(|()| accept(trials, candidate)) {
                    Ok(()) => {
                        graph.insert(candidate.hash, &candidate.head);
                        open.extend(blocked.remove(&candidate.hash).unwrap_or_default());
                    }
                    Err(error) => verdicts.refused.push((candidate.index, error)),
                }
            }
        }
        for (log, queue) in &self.by_log {
            let place = places.get(log).copied().unwrap_or_default();
            let mut rest = queue.iter().skip(place);
            if let Some(head) = rest.next() {
                let missing = graph.first_missing(&head.head.dependencies);
                let awaited = missing.map_or(Awaited::Earlier, Awaited::Change);
                verdicts.waiting.push((head.index, awaited));
            }
            verdicts.waiting.extend(rest.map(|later| (later.index, Awaited::Earlier)));
        }
        verdicts
    }
}
