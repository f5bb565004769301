//! The occurrences of a series before and after it is moved, by their numbers.
//!
//! A rule that names days keeps them wherever it begins, so that no distance
//! tells where an occurrence goes: the third one is the third one again.

use super::{DAY_S, STEPS_MAX};
use crate::calendar::occurrences::expansion::{Budget, Ending, Expansion};
use crate::calendar::occurrences::rule::Rule;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Which occurrence of the new series is which of the old one. All times are
/// local ones, each on the clock of its series.
pub(super) struct Numbers {
    times: BTreeMap<i64, i64>,
    days: BTreeMap<i64, i64>,
    /// The last occurrence of the new series, where the rule says when it ends.
    last: Option<i64>,
}

impl Numbers {
    /// Counts the occurrences of a rule that began at one time and begins at
    /// another: all before its end, or those up to `latest`. The old clock tells
    /// by `instant` what ends it. Where that takes too many steps, there are none.
    pub(super) fn of(
        rule: &Rule,
        (was, is): (i64, i64),
        latest: i64,
        instant: &dyn Fn(i64) -> i64,
    ) -> Option<Self> {
        let old = occurrences(rule, was, &mut |local, _| match rule.until {
            Some(_) => !rule.is_past(local, instant),
            None => local <= latest,
        })?;
        let new = occurrences(rule, is, &mut |_, count| count < old.len())?;
        let pairs = || old.iter().copied().zip(new.iter().copied());
        let days = pairs().rev().map(|(was, is)| (was.div_euclid(DAY_S), is.div_euclid(DAY_S)));
        let is_whole = rule.until.is_some() && new.len() == old.len();
        Some(Self {
            times: pairs().collect(),
            days: days.collect(),
            last: new.last().copied().filter(|_| is_whole),
        })
    }

    /// Returns where an occurrence goes.
    pub(super) fn time(&self, local: i64) -> Option<i64> {
        self.times.get(&local).copied()
    }

    /// Returns on which day the first occurrence of a day is then.
    pub(super) fn day(&self, day: i64) -> Option<i64> {
        self.days.get(&day).copied()
    }

    /// Returns the last occurrence of the new series.
    pub(super) fn last(&self) -> Option<i64> {
        self.last
    }
}

/// Returns the occurrences of a rule as long as they are wanted. `is_wanted`
/// hears how many there are before. A series begins with its start, which the
/// rule need not name.
fn occurrences(
    rule: &Rule,
    start: i64,
    is_wanted: &mut dyn FnMut(i64, usize) -> bool,
) -> Option<Vec<i64>> {
    let mut found = vec![start];
    let mut budget = Budget::new(STEPS_MAX);
    let mut visit = |local: i64| {
        if local == start {
            return ControlFlow::Continue(());
        }
        if !is_wanted(local, found.len()) {
            return ControlFlow::Break(());
        }
        found.push(local);
        ControlFlow::Continue(())
    };
    let ending = Expansion::new(rule, start).visit((start, i64::MAX), &mut budget, &mut visit);
    (ending != Ending::GaveUp).then_some(found)
}
