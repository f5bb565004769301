//! Which days of a period a rule names.

use super::rule::{Frequency, Rule, Skip, WeekDay};
use heirloom_base::time::{civil_from_days, days_from_civil};

/// Returns the weekday of a day since 1970; Monday is 0.
pub(crate) fn week_day(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The first day of the month that follows.
fn next_month(year: i64, month: i64) -> i64 {
    match month {
        12 => days_from_civil(year + 1, 1, 1),
        month => days_from_civil(year, month + 1, 1),
    }
}

fn month_length(year: i64, month: i64) -> i64 {
    next_month(year, month) - days_from_civil(year, month, 1)
}

/// A rule's choice of days, completed by what its start says.
#[derive(Debug, Clone)]
pub(crate) struct DayChoice {
    week_days: Vec<WeekDay>,
    month_days: Vec<i64>,
    year_days: Vec<i64>,
    weeks: Vec<i64>,
    pub(crate) months: Vec<i64>,
    week_start: i64,
    skip: Skip,
    nth: Nth,
    /// The bits of the weekdays that are chosen at all.
    named_days: u8,
}

/// What the number before a weekday counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nth {
    Month,
    Year,
    /// The rule may not have one; it says nothing.
    Nothing,
}

impl DayChoice {
    pub(crate) fn of(rule: &Rule, start_day: i64) -> Self {
        let (_, month, day) = civil_from_days(start_day);
        let nth = match rule.frequency {
            Frequency::Monthly => Nth::Month,
            Frequency::Yearly if !rule.weeks.is_empty() => Nth::Nothing,
            Frequency::Yearly if !rule.months.is_empty() => Nth::Month,
            Frequency::Yearly => Nth::Year,
            Frequency::Secondly
            | Frequency::Minutely
            | Frequency::Hourly
            | Frequency::Daily
            | Frequency::Weekly => Nth::Nothing,
        };
        let mut choice = Self {
            week_days: rule.week_days.clone(),
            month_days: rule.month_days.clone(),
            year_days: rule.year_days.clone(),
            weeks: rule.weeks.clone(),
            months: rule.months.clone(),
            week_start: rule.week_start,
            skip: Skip::Omit,
            nth,
            named_days: 0,
        };
        let names_day =
            !(rule.week_days.is_empty() && rule.month_days.is_empty() && rule.year_days.is_empty());
        let same_week_day = WeekDay { nth: 0, day: week_day(start_day) };
        match rule.frequency {
            _ if names_day => {}
            Frequency::Weekly => choice.week_days.push(same_week_day),
            Frequency::Yearly if !rule.weeks.is_empty() => choice.week_days.push(same_week_day),
            Frequency::Monthly => choice.month_days.push(day),
            Frequency::Yearly => {
                choice.month_days.push(day);
                if choice.months.is_empty() {
                    choice.months.push(month);
                }
            }
            Frequency::Secondly | Frequency::Minutely | Frequency::Hourly | Frequency::Daily => {}
        }
        // Shorter periods have no days that there are not.
        if matches!(rule.frequency, Frequency::Monthly | Frequency::Yearly) {
            choice.skip = rule.skip;
        }
        choice.named_days = match choice.week_days.is_empty() {
            true => u8::MAX,
            false => choice.week_days.iter().fold(0, |bits, one| bits | 1 << one.day),
        };
        choice
    }

    /// Returns whether a day has a weekday that is chosen: most days are ruled
    /// out by that, at next to no cost.
    pub(crate) fn may_have(&self, day: i64) -> bool {
        self.named_days >> week_day(day) & 1 == 1
    }

    /// Returns whether every period of a week or less has equally many days.
    pub(crate) fn is_even(&self) -> bool {
        let bounded = [&self.month_days, &self.year_days, &self.weeks, &self.months];
        bounded.iter().all(|numbers| numbers.is_empty())
    }

    /// Returns whether every day is chosen.
    pub(crate) fn is_every_day(&self) -> bool {
        self.is_even() && self.week_days.is_empty()
    }

    /// Returns what it costs to look at a day.
    pub(crate) fn steps(&self) -> u64 {
        if self.is_every_day() {
            return 1;
        }
        if self.weeks.is_empty() && self.year_days.is_empty() { 3 } else { 6 }
    }

    pub(crate) fn has(&self, day: i64) -> bool {
        if self.is_every_day() {
            return true;
        }
        let (year, month, month_day) = civil_from_days(day);
        (self.months.is_empty() || self.months.contains(&month))
            && self.has_month_day(year, month, month_day)
            && self.has_year_day(year, day)
            && (self.weeks.is_empty() || self.has_week(day))
            && self.has_week_day(year, month, day)
    }

    fn has_month_day(&self, year: i64, month: i64, month_day: i64) -> bool {
        let days = &self.month_days;
        if days.is_empty() || days.contains(&month_day) {
            return true;
        }
        let length = || month_length(year, month);
        let is_last = |length: i64| month_day == length && days.iter().any(|day| *day > length);
        if self.skip == Skip::Backward && is_last(length()) {
            return true;
        }
        days.first().is_some_and(|first| *first < 0) && days.contains(&(month_day - length() - 1))
    }

    /// Returns the first day of the next month, where a day that the month of
    /// `first` does not have goes there.
    pub(crate) fn overflow(&self, first: i64) -> Option<i64> {
        let (year, month, _) = civil_from_days(first);
        let (length, next) = (month_length(year, month), next_month(year, month));
        let goes = self.skip == Skip::Forward
            && (self.months.is_empty() || self.months.contains(&month))
            && self.month_days.iter().any(|day| *day > length)
            && self.may_have(next);
        let (next_year, following, _) = civil_from_days(next);
        (goes && self.has_week_day(next_year, following, next)).then_some(next)
    }

    fn has_year_day(&self, year: i64, day: i64) -> bool {
        if self.year_days.is_empty() {
            return true;
        }
        let from_start = day - days_from_civil(year, 1, 1) + 1;
        let from_end = day - days_from_civil(year + 1, 1, 1);
        self.year_days.contains(&from_start) || self.year_days.contains(&from_end)
    }

    /// Weeks are numbered in the year that holds most of their days.
    fn has_week(&self, day: i64) -> bool {
        let begin = |day: i64| day - (week_day(day) - self.week_start).rem_euclid(7);
        let week = begin(day);
        let (year, _, _) = civil_from_days(week + 3);
        let first = begin(days_from_civil(year, 1, 4));
        let number = (week - first) / 7 + 1;
        let count = (begin(days_from_civil(year + 1, 1, 4)) - first) / 7;
        self.weeks.contains(&number) || self.weeks.contains(&(number - count - 1))
    }

    fn has_week_day(&self, year: i64, month: i64, day: i64) -> bool {
        if self.week_days.is_empty() {
            return true;
        }
        let own = week_day(day);
        let mut same = self.week_days.iter().filter(|one| one.day == own).peekable();
        if same.peek().is_none() {
            return false;
        }
        let (first, end) = match self.nth {
            Nth::Nothing => return true,
            Nth::Month => (days_from_civil(year, month, 1), next_month(year, month)),
            Nth::Year => (days_from_civil(year, 1, 1), days_from_civil(year + 1, 1, 1)),
        };
        let from_start = (day - first) / 7 + 1;
        let from_end = -((end - 1 - day) / 7 + 1);
        same.any(|one| one.nth == 0 || one.nth == from_start || one.nth == from_end)
    }
}
