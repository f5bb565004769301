//! Expansion of a rule, bounded whatever it says.
//!
//! Everything here counts in local seconds: seconds since 1970 as a clock on
//! the wall would count them. Periods before the window are skipped by
//! arithmetic where the rule does not count its occurrences, and where every
//! period has equally many; else they are counted one by one, as far as the
//! [`Budget`] reaches.

mod passed;

use super::days::DayChoice;
use super::rule::{Frequency, Rule, Skip};
use heirloom_base::time::{civil_from_days, days_from_civil};
use std::ops::ControlFlow;

const DAY: i64 = 86_400;
/// The first second that calendars of four digits cannot name.
const END_OF_TIME: i64 = 253_402_300_800;

/// Steps that an expansion may still take; one is some ten nanoseconds.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

impl Budget {
    pub(crate) fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Takes steps; `false` when there are not so many left.
    pub(crate) fn spend(&mut self, steps: u64) -> bool {
        let enough = self.left >= steps;
        self.left = self.left.saturating_sub(steps);
        enough
    }

    /// Returns how many steps are left.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

/// How an expansion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything in the window was visited.
    Complete,
    /// The visitor had enough.
    Stopped,
    /// The budget was spent.
    GaveUp,
}

/// A rule with the start of its series.
#[derive(Debug)]
pub(crate) struct Expansion<'a> {
    rule: &'a Rule,
    start: i64,
    choice: DayChoice,
    /// Offsets within a day, or within a period shorter than one.
    offsets: Vec<i64>,
    /// The number of the period that holds the start.
    origin: i64,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(rule: &'a Rule, start: i64) -> Self {
        let choice = DayChoice::of(rule, start.div_euclid(DAY));
        let mut expansion = Self { rule, start, choice, offsets: Vec::new(), origin: 0 };
        expansion.offsets = expansion.offsets_of_period();
        expansion.origin = expansion.period_of(start);
        expansion
    }

    fn offsets_of_period(&self) -> Vec<i64> {
        let clock = self.start.rem_euclid(DAY);
        let or = |list: &Vec<i64>, own: i64| if list.is_empty() { vec![own] } else { list.clone() };
        let hours = or(&self.rule.hours, clock / 3600);
        let minutes = or(&self.rule.minutes, clock / 60 % 60);
        let seconds = or(&self.rule.seconds, clock % 60);
        let (hours, minutes, seconds) = match self.rule.frequency {
            Frequency::Secondly => (vec![0], vec![0], vec![0]),
            Frequency::Minutely => (vec![0], vec![0], seconds),
            Frequency::Hourly => (vec![0], minutes, seconds),
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly => {
                (hours, minutes, seconds)
            }
        };
        let of_hour = |hour: i64| {
            let seconds = &seconds;
            minutes.iter().flat_map(move |minute| {
                seconds.iter().map(move |second| hour * 3600 + minute * 60 + second)
            })
        };
        hours.iter().flat_map(|hour| of_hour(*hour)).collect()
    }

    /// Returns the seconds of a period shorter than a day.
    fn unit(&self) -> Option<i64> {
        match self.rule.frequency {
            Frequency::Secondly => Some(1),
            Frequency::Minutely => Some(60),
            Frequency::Hourly => Some(3600),
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly => None,
        }
    }

    /// Returns the number of the period that holds a time.
    fn period_of(&self, local: i64) -> i64 {
        let day = local.div_euclid(DAY);
        match self.rule.frequency {
            Frequency::Secondly => local,
            Frequency::Minutely => local.div_euclid(60),
            Frequency::Hourly => local.div_euclid(3600),
            Frequency::Daily => day,
            Frequency::Weekly => (day + 3 - self.rule.week_start).div_euclid(7),
            Frequency::Monthly => {
                let (year, month, _) = civil_from_days(day);
                year * 12 + month - 1
            }
            Frequency::Yearly => civil_from_days(day).0,
        }
    }

    /// Returns the first day of a period of a day or more.
    fn first_day(&self, period: i64) -> i64 {
        match self.rule.frequency {
            Frequency::Weekly => period * 7 - 3 + self.rule.week_start,
            Frequency::Monthly => {
                days_from_civil(period.div_euclid(12), period.rem_euclid(12) + 1, 1)
            }
            Frequency::Yearly => days_from_civil(period, 1, 1),
            Frequency::Secondly | Frequency::Minutely | Frequency::Hourly | Frequency::Daily => {
                period
            }
        }
    }

    fn begin(&self, period: i64) -> i64 {
        match self.unit() {
            Some(unit) => period.saturating_mul(unit),
            None => self.first_day(period).saturating_mul(DAY),
        }
    }

    /// Puts the times into `bases` that the offsets of a period are added to.
    /// Returns the steps it took, or the next period worth looking at.
    fn bases(&self, period: i64, bases: &mut Vec<i64>) -> (u64, Option<i64>) {
        bases.clear();
        if let Some(unit) = self.unit() {
            let begin = period * unit;
            let miss = self.miss(begin);
            if miss.is_none() {
                bases.push(begin);
            }
            return (1, miss.map(|next| -(-next).div_euclid(unit)));
        }
        let mut steps = 1;
        let mut look = |from: i64, to: i64| {
            let candidates = (from..to).filter(|day| self.choice.may_have(*day));
            let mut looked_at = 0;
            let days = candidates.inspect(|_| looked_at += 1).filter(|day| self.choice.has(*day));
            bases.extend(days.map(|day| day * DAY));
            steps += (to - from).unsigned_abs() / 4 + looked_at * self.choice.steps();
        };
        if self.rule.frequency == Frequency::Yearly && !self.choice.months.is_empty() {
            for month in &self.choice.months {
                let next = period * 12 + month;
                let end = days_from_civil(next.div_euclid(12), next.rem_euclid(12) + 1, 1);
                look(days_from_civil(period, *month, 1), end);
            }
        } else {
            look(self.first_day(period), self.first_day(period + 1));
        }
        if self.rule.skip == Skip::Forward {
            steps += self.skip_forward(period, bases);
        }
        (steps, None)
    }

    /// Adds the days that months do not have, as the first of the next month,
    /// unless that is chosen by itself. Returns the steps it took.
    fn skip_forward(&self, period: i64, bases: &mut Vec<i64>) -> u64 {
        let (months, first) = match self.rule.frequency {
            Frequency::Yearly => (12, period * 12),
            Frequency::Monthly => (1, period),
            Frequency::Secondly
            | Frequency::Minutely
            | Frequency::Hourly
            | Frequency::Daily
            | Frequency::Weekly => return 0,
        };
        let end = self.first_day(period + 1);
        for month in first..first + months {
            let first = days_from_civil(month.div_euclid(12), month.rem_euclid(12) + 1, 1);
            let Some(day) = self.choice.overflow(first) else { continue };
            // What lies in a period that is left out is not chosen by itself.
            let is_chosen = self.choice.has(day) && (day < end || self.rule.interval == 1);
            if !is_chosen {
                bases.push(day * DAY);
            }
        }
        bases.sort_unstable();
        4 * months.unsigned_abs()
    }

    /// Returns when a short period that is not chosen is worth another look.
    fn miss(&self, begin: i64) -> Option<i64> {
        if !self.choice.has(begin.div_euclid(DAY)) {
            return Some((begin.div_euclid(DAY) + 1) * DAY);
        }
        self.clock_miss(begin)
    }

    /// Returns when a short period whose time of day is not chosen is worth
    /// another look.
    fn clock_miss(&self, begin: i64) -> Option<i64> {
        let rule = self.rule;
        let is_out = |list: &Vec<i64>, own: i64| !list.is_empty() && !list.contains(&own);
        let clock = begin.rem_euclid(DAY);
        if is_out(&rule.hours, clock / 3600) {
            return Some((begin.div_euclid(3600) + 1) * 3600);
        }
        if rule.frequency < Frequency::Hourly && is_out(&rule.minutes, clock / 60 % 60) {
            return Some((begin.div_euclid(60) + 1) * 60);
        }
        let is_out = rule.frequency == Frequency::Secondly && is_out(&rule.seconds, clock % 60);
        is_out.then_some(begin + 1)
    }

    /// Returns whether every period has equally many occurrences.
    fn is_even(&self) -> bool {
        let rule = self.rule;
        match rule.frequency {
            Frequency::Secondly => {
                rule.hours.is_empty()
                    && rule.minutes.is_empty()
                    && rule.seconds.is_empty()
                    && self.choice.is_every_day()
            }
            Frequency::Minutely => {
                rule.hours.is_empty() && rule.minutes.is_empty() && self.choice.is_every_day()
            }
            Frequency::Hourly => rule.hours.is_empty() && self.choice.is_every_day(),
            Frequency::Daily => self.choice.is_every_day(),
            Frequency::Weekly => self.choice.is_even(),
            Frequency::Monthly | Frequency::Yearly => false,
        }
    }

    /// Returns the chosen positions of a period's occurrences, in order.
    fn chosen(&self, bases: &[i64]) -> Vec<i64> {
        let per_base = self.offsets.len();
        let all = i64::try_from(bases.len() * per_base).unwrap_or(i64::MAX);
        let mut chosen: Vec<i64> = self
            .rule
            .positions
            .iter()
            .map(|position| if *position > 0 { position - 1 } else { all + position })
            .filter_map(|at| usize::try_from(at).ok())
            .filter_map(|at| Some(bases.get(at / per_base)? + self.offsets.get(at % per_base)?))
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    /// Returns how many occurrences the first period has before the start,
    /// how many in all, and whether the start is one of them.
    fn first_period(&self) -> (u64, u64, bool) {
        let mut bases = Vec::new();
        self.bases(self.origin, &mut bases);
        if !self.rule.positions.is_empty() {
            let chosen = self.chosen(&bases);
            let before = chosen.partition_point(|one| *one < self.start);
            return (before as u64, chosen.len() as u64, chosen.get(before) == Some(&self.start));
        }
        let before: usize = bases
            .iter()
            .map(|base| self.offsets.partition_point(|at| base + at < self.start))
            .sum();
        let has = bases.iter().any(|base| self.offsets.binary_search(&(self.start - base)).is_ok());
        (before as u64, (bases.len() * self.offsets.len()) as u64, has)
    }

    /// Visits the occurrences from `from` up to and without `to`, in order.
    /// The start itself is visited only where the rule names it, but counts
    /// as the first occurrence in any case.
    pub(crate) fn visit(
        &self,
        (from, to): (i64, i64),
        budget: &mut Budget,
        visit: &mut dyn FnMut(i64) -> ControlFlow<()>,
    ) -> Ending {
        let (from, to) = (from.max(self.start), to.min(END_OF_TIME));
        if from >= to {
            return Ending::Complete;
        }
        if !budget.spend(self.offsets.len() as u64 / 4) {
            return Ending::GaveUp;
        }
        let interval = self.rule.interval;
        let ahead = (self.period_of(from) - self.origin).max(0);
        let mut step = -(-ahead).div_euclid(interval);
        let mut left = self.rule.count;
        if self.rule.skip == Skip::Forward {
            // The period before may reach into this one.
            step = (step - 1).max(0);
        }
        if let Some(left) = &mut left {
            let (_, _, has_start) = self.first_period();
            let Some(passed) = self.passed(from, step, budget) else { return Ending::GaveUp };
            *left = left.saturating_sub(u64::from(!has_start)).saturating_sub(passed.occurrences);
            step = passed.step;
        }
        let mut walk = Walk { expansion: self, from, to, left, budget, visit };
        let mut bases = Vec::new();
        loop {
            let period = self.origin.saturating_add(step.saturating_mul(interval));
            if self.begin(period) >= to {
                return Ending::Complete;
            }
            let (steps, next) = self.bases(period, &mut bases);
            if !walk.budget.spend(steps) {
                return Ending::GaveUp;
            }
            if let ControlFlow::Break(ending) = walk.period(&bases) {
                return ending;
            }
            let next = next.map(|next| -(self.origin - next).div_euclid(interval));
            step = next.unwrap_or(0).max(step + 1);
        }
    }
}

/// A walk over the occurrences of a rule.
struct Walk<'a, 'b> {
    expansion: &'a Expansion<'a>,
    from: i64,
    to: i64,
    /// Occurrences that the rule still has, where it counts them.
    left: Option<u64>,
    budget: &'b mut Budget,
    visit: &'b mut dyn FnMut(i64) -> ControlFlow<()>,
}

impl Walk<'_, '_> {
    fn period(&mut self, bases: &[i64]) -> ControlFlow<Ending> {
        let expansion = self.expansion;
        if !expansion.rule.positions.is_empty() {
            return expansion.chosen(bases).into_iter().try_for_each(|local| self.one(local));
        }
        let offsets = &expansion.offsets;
        for base in bases {
            // What lies before the window is counted and not visited.
            let started = offsets.partition_point(|at| base + at < expansion.start);
            let visible = offsets.partition_point(|at| base + at < self.from);
            self.count((visible - started.min(visible)) as u64)?;
            offsets.iter().skip(visible).try_for_each(|at| self.one(base + at))?;
        }
        ControlFlow::Continue(())
    }

    fn count(&mut self, passed: u64) -> ControlFlow<Ending> {
        match &mut self.left {
            Some(left) if *left <= passed => ControlFlow::Break(Ending::Complete),
            Some(left) => {
                *left -= passed;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn one(&mut self, local: i64) -> ControlFlow<Ending> {
        if local < self.expansion.start {
            return ControlFlow::Continue(());
        }
        if local >= self.to || self.left == Some(0) {
            return ControlFlow::Break(Ending::Complete);
        }
        self.left = self.left.map(|left| left - 1);
        if local < self.from {
            return ControlFlow::Continue(());
        }
        if !self.budget.spend(8) {
            return ControlFlow::Break(Ending::GaveUp);
        }
        match (self.visit)(local) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => ControlFlow::Break(Ending::Stopped),
        }
    }
}

#[cfg(test)]
mod tests;
