//! How many occurrences of a rule that counts them lie before a window, by
//! arithmetic: what is chosen by the clock is alike on every day, and what is
//! chosen by the weekday in every week.

use super::{Budget, DAY, Expansion, Frequency};

const WEEK: i64 = 7;

/// What was passed over without being visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// Occurrences, those of the first period before the start not counted.
    pub(super) occurrences: u64,
    /// The step with which it goes on.
    pub(super) step: i64,
}

impl Expansion<'_> {
    /// Passes over what surely lies before a time, which step `ahead` is the
    /// first not to. `None` where the budget was spent.
    pub(super) fn passed(&self, from: i64, ahead: i64, budget: &mut Budget) -> Option<Passed> {
        let (before, each, _) = self.first_period();
        let nothing = Passed { occurrences: 0, step: 0 };
        if ahead <= 0 {
            return Some(nothing);
        }
        if self.is_even() {
            let occurrences = each.saturating_mul(ahead.unsigned_abs()) - before;
            return Some(Passed { occurrences, step: ahead });
        }
        if !self.rule.positions.is_empty() {
            return Some(nothing);
        }
        if self.rule.frequency == Frequency::Daily && self.choice.is_even() {
            return Some(self.passed_weeks(ahead, before));
        }
        match self.unit() {
            Some(unit) if DAY / unit % self.rule.interval == 0 => {
                self.passed_days(from, unit, before, budget)
            }
            Some(_) | None => Some(nothing),
        }
    }

    /// Passes over rounds of seven days that a rule looks at: each weekday is
    /// among them equally often.
    fn passed_weeks(&self, ahead: i64, before: u64) -> Passed {
        let rounds = ahead / WEEK;
        let day = |step: i64| self.origin.saturating_add(step.saturating_mul(self.rule.interval));
        let chosen = (0..WEEK).filter(|step| self.choice.has(day(*step))).count() as u64;
        let each = chosen * self.offsets.len() as u64;
        let occurrences = each.saturating_mul(rounds.unsigned_abs());
        match rounds {
            0 => Passed { occurrences: 0, step: 0 },
            _ => Passed { occurrences: occurrences - before, step: rounds * WEEK },
        }
    }

    /// Passes over whole days of a rule whose periods are shorter than one and
    /// begin at the same times on each.
    fn passed_days(
        &self,
        from: i64,
        unit: i64,
        before: u64,
        budget: &mut Budget,
    ) -> Option<Passed> {
        let per_day = DAY / unit;
        let (first, last) = (self.origin.div_euclid(per_day), from.div_euclid(DAY));
        if last <= first {
            return Some(Passed { occurrences: 0, step: 0 });
        }
        let clock = self.origin.rem_euclid(per_day);
        let today = match self.choice.has(first) {
            true => self.in_day(clock, unit, budget)? - before,
            false => 0,
        };
        let each = self.in_day(clock % self.rule.interval, unit, budget)?;
        let days = self.chosen_days(first + 1, last, budget)?;
        let periods = last.saturating_mul(per_day) - self.origin;
        Some(Passed {
            occurrences: each.saturating_mul(days).saturating_add(today),
            step: -(-periods).div_euclid(self.rule.interval),
        })
    }

    /// Returns how many occurrences a chosen day has from a period on.
    fn in_day(&self, first: i64, unit: i64, budget: &mut Budget) -> Option<u64> {
        let (mut period, mut count) = (first, 0);
        let (end, interval) = (DAY / unit, self.rule.interval);
        if self.is_every_time() {
            let periods = (end - first + interval - 1).div_euclid(interval);
            return Some(periods.unsigned_abs() * self.offsets.len() as u64);
        }
        while period < end {
            if !budget.spend(1) {
                return None;
            }
            let miss = self.clock_miss(period * unit);
            count += if miss.is_none() { self.offsets.len() as u64 } else { 0 };
            let next = miss.map_or(period + 1, |next| -(-next).div_euclid(unit));
            let steps = -(period - next).div_euclid(interval);
            period += steps.max(1) * interval;
        }
        Some(count)
    }

    fn is_every_time(&self) -> bool {
        let rule = self.rule;
        let minutes = rule.frequency >= Frequency::Hourly || rule.minutes.is_empty();
        let seconds = rule.frequency > Frequency::Secondly || rule.seconds.is_empty();
        rule.hours.is_empty() && minutes && seconds
    }

    /// Returns how many days from one up to and without another are chosen.
    fn chosen_days(&self, from: i64, to: i64, budget: &mut Budget) -> Option<u64> {
        let mut from = from;
        let mut count = 0;
        if self.choice.is_even() {
            let rounds = (to - from).max(0) / WEEK;
            let chosen = (from..from + WEEK).filter(|day| self.choice.has(*day)).count() as u64;
            count = chosen.saturating_mul(rounds.unsigned_abs());
            from += rounds * WEEK;
        }
        for day in from..to {
            let is_named = self.choice.may_have(day);
            if !budget.spend(if is_named { self.choice.steps() } else { 1 }) {
                return None;
            }
            count += u64::from(is_named && self.choice.has(day));
        }
        Some(count)
    }
}
