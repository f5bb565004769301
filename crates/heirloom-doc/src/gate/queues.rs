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

/// Places of changes that were tried.
#[derive(Default)]
struct Settled {
    /// Those that came in.
    taken: BTreeSet<usize>,
    /// Those that broke the merge.
    broken: BTreeMap<usize, GateError>,
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

    /// Admits what is sound. All of it is tried together, because that is fast
    /// and what is offered is nearly always sound. A change that breaks the
    /// merge closes its log; the rest is judged anew then, so that nothing is
    /// judged by a change that does not come in.
    pub(super) fn admit(
        &self,
        trials: &mut Trials,
        operations_max: usize,
        admission: &mut Admission,
    ) {
        if self.by_log.is_empty() {
            return;
        }
        let mut settled = Settled::default();
        let verdicts = loop {
            let (plan, verdicts) = self.judge(trials, &settled);
            let tried = trials.take_longest(&plan, operations_max, admission);
            let Err((place, error)) = tried else { break verdicts };
            let (taken, rest) = plan.split_at(place);
            settled.taken.extend(taken.iter().map(|candidate| candidate.index));
            if let Some(breaking) = rest.first() {
                settled.broken.insert(breaking.index, error);
                admission.closed.insert(breaking.log);
            }
        };
        admission.waiting.extend(verdicts.waiting);
        admission.refused.extend(verdicts.refused);
    }

    /// Judges every change whose dependencies are there and that is not settled;
    /// returns those that are to be tried, each after those that it builds on.
    fn judge<'a>(&'a self, trials: &Trials, settled: &Settled) -> (Vec<&'a Candidate>, Verdicts) {
        let mut graph = Graph::of(trials.document());
        let (mut plan, mut verdicts) = (Vec::new(), Verdicts::default());
        let mut places: BTreeMap<LogId, usize> = BTreeMap::new();
        let mut blocked: BTreeMap<ChangeHash, Vec<LogId>> = BTreeMap::new();
        let mut open: BTreeSet<LogId> = self.by_log.keys().copied().collect();
        while let Some(log) = open.pop_first() {
            let place = places.entry(log).or_default();
            let queue = self.by_log.get(&log).map(Vec::as_slice).unwrap_or_default();
            while let Some(candidate) = queue.get(*place) {
                if settled.taken.contains(&candidate.index) {
                    *place += 1;
                    continue;
                }
                if let Some(error) = settled.broken.get(&candidate.index) {
                    verdicts.refused.push((candidate.index, error.clone()));
                    let later = queue.iter().skip(*place + 1);
                    verdicts.refused.extend(later.map(|one| (one.index, GateError::Closed)));
                    *place = queue.len();
                    continue;
                }
                if let Some(missing) = graph.first_missing(&candidate.head.dependencies) {
                    blocked.entry(missing).or_default().push(log);
                    break;
                }
                *place += 1;
                match graph.judge(&candidate.head) {
                    Ok(()) => {
                        graph.insert(candidate.hash, &candidate.head);
                        open.extend(blocked.remove(&candidate.hash).unwrap_or_default());
                        plan.push(candidate);
                    }
                    Err(error) => verdicts.refused.push((candidate.index, error)),
                }
            }
        }
        self.find_waiting(&places, &graph, &mut verdicts);
        (plan, verdicts)
    }

    /// Notes what is left behind those places that were reached.
    fn find_waiting(
        &self,
        places: &BTreeMap<LogId, usize>,
        graph: &Graph,
        verdicts: &mut Verdicts,
    ) {
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
    }
}
