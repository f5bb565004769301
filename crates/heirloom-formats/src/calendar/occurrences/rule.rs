//! Recurrence rules (RFC 5545, 3.3.10), read and not yet expanded.

use crate::moment::{Moment, MomentKind};
use std::collections::BTreeSet;

/// The unit in which a rule counts its periods, shortest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A weekday, Monday is 0, and which one of a month or year: 0 means each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeekDay {
    pub(crate) nth: i64,
    pub(crate) day: i64,
}

/// What becomes of a day that a month does not have (RFC 7529).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// There is no occurrence.
    Omit,
    /// It is the last day of the month.
    Backward,
    /// It is the first day of the next month.
    Forward,
}

/// A recurrence rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) frequency: Frequency,
    pub(crate) interval: i64,
    pub(crate) count: Option<u64>,
    pub(crate) until: Option<Moment>,
    pub(crate) seconds: Vec<i64>,
    pub(crate) minutes: Vec<i64>,
    pub(crate) hours: Vec<i64>,
    pub(crate) week_days: Vec<WeekDay>,
    pub(crate) month_days: Vec<i64>,
    pub(crate) year_days: Vec<i64>,
    pub(crate) weeks: Vec<i64>,
    pub(crate) months: Vec<i64>,
    pub(crate) positions: Vec<i64>,
    pub(crate) week_start: i64,
    pub(crate) skip: Skip,
}

/// The parts that a rule may have.
const PARTS: &[&str] = &[
    "FREQ",
    "UNTIL",
    "COUNT",
    "INTERVAL",
    "BYSECOND",
    "BYMINUTE",
    "BYHOUR",
    "BYDAY",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
    "RSCALE",
    "SKIP",
];
/// Parts whose numbers count from either end, so that none is zero.
const SIGNED: &[&str] = &["BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"];

impl Rule {
    /// Reads a rule; `None` where it is none, or counts in a calendar that is
    /// not ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let parts: Vec<(&str, &str)> = text
            .split(';')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let part = |name: &str| parts.iter().find(|(one, _)| *one == name).map(|(_, value)| *value);
        if part("RSCALE").is_some_and(|scale| scale != "GREGORIAN") {
            return None;
        }
        let skip = skip(part("SKIP"), part("RSCALE").is_some())?;
        let counts_days = part("BYYEARDAY").or(part("BYWEEKNO")).is_some();
        if skip != Skip::Omit && counts_days {
            return None;
        }
        let list = |name: &str, low: i64, high: i64| match part(name) {
            Some(values) => numbers(values, low, high),
            None => Some(Vec::new()),
        };
        let mut seconds = list("BYSECOND", 0, 60)?;
        // A leap second is the last second of its minute.
        seconds.iter_mut().for_each(|second| *second = (*second).min(59));
        seconds.dedup();
        Some(Self {
            frequency: frequency(part("FREQ")?)?,
            interval: part("INTERVAL")
                .map_or(Some(1), |text| text.parse::<u32>().ok())?
                .max(1)
                .into(),
            count: part("COUNT")
                .map(|text| text.parse().ok())
                .map_or(Some(None), |count| count.map(Some))?,
            until: part("UNTIL").map(Moment::parse).map_or(Some(None), |until| until.map(Some))?,
            seconds,
            minutes: list("BYMINUTE", 0, 59)?,
            hours: list("BYHOUR", 0, 23)?,
            week_days: part("BYDAY").map_or(Some(Vec::new()), week_days)?,
            month_days: without_zero(list("BYMONTHDAY", -31, 31)?),
            year_days: without_zero(list("BYYEARDAY", -366, 366)?),
            weeks: without_zero(list("BYWEEKNO", -53, 53)?),
            months: list("BYMONTH", 1, 12)?,
            positions: without_zero(list("BYSETPOS", -366, 366)?),
            week_start: part("WKST").map_or(Some(0), week_day)?,
            skip,
        })
    }

    /// Returns whether a text is a rule by the letter of RFC 5545, 3.3.10, with
    /// the parts that RFC 7529 adds.
    pub(crate) fn is_sound(text: &str) -> bool {
        let upper = text.trim().to_ascii_uppercase();
        let parts: Option<Vec<(&str, &str)>> =
            upper.split(';').map(|part| part.split_once('=')).collect();
        let (Some(parts), Some(rule)) = (parts, Self::parse(text)) else { return false };
        let part = |name: &str| parts.iter().find(|(one, _)| *one == name).map(|(_, value)| *value);
        let has = |name: &str| part(name).is_some();
        let names: BTreeSet<&str> = parts.iter().map(|(name, _)| *name).collect();
        let is_known = |name: &&str| PARTS.contains(name) || name.starts_with("X-");
        let is_zero = |text: &str| text.trim_start_matches(['+', '-']).parse() == Ok(0_u64);
        let has_zero = SIGNED.iter().filter_map(|name| part(name)).flat_map(|list| list.split(','));
        let numbered = rule.week_days.iter().any(|day| day.nth != 0);
        let days = part("BYDAY").unwrap_or_default().split(',');
        let zeroth = days.filter_map(|day| day.get(..day.len().checked_sub(2)?)).any(is_zero);
        let is_yearly = rule.frequency == Frequency::Yearly;
        let is_short = rule.frequency < Frequency::Monthly;
        names.len() == parts.len()
            && names.iter().all(is_known)
            && !(has("COUNT") && has("UNTIL"))
            && rule.count != Some(0)
            && !part("INTERVAL").is_some_and(is_zero)
            && !has_zero.into_iter().any(is_zero)
            && !zeroth
            && !(numbered && (is_short || has("BYWEEKNO")))
            && (is_yearly || !has("BYWEEKNO"))
            && !(rule.frequency == Frequency::Weekly && has("BYMONTHDAY"))
            && !(has("BYYEARDAY") && is_short && rule.frequency > Frequency::Hourly)
            && !(has("BYYEARDAY") && rule.frequency == Frequency::Monthly)
            && (!has("BYSETPOS")
                || names.iter().any(|name| name.starts_with("BY") && *name != "BYSETPOS"))
    }

    /// Returns whether an occurrence lies behind the end that the rule names.
    /// `instant` tells what a local time is in seconds since 1970.
    pub(crate) fn is_past(&self, local: i64, instant: &dyn Fn(i64) -> i64) -> bool {
        let Some(until) = self.until else { return false };
        match until.kind {
            MomentKind::Date => local.div_euclid(86_400) > until.local_seconds().div_euclid(86_400),
            MomentKind::Local => local > until.local_seconds(),
            MomentKind::Utc => instant(local) > until.local_seconds(),
        }
    }
}

/// Reads what becomes of days that there are not; without a calendar that the
/// rule counts in it says nothing.
fn skip(text: Option<&str>, has_scale: bool) -> Option<Skip> {
    match text.filter(|_| has_scale) {
        None | Some("OMIT") => Some(Skip::Omit),
        Some("BACKWARD") => Some(Skip::Backward),
        Some("FORWARD") => Some(Skip::Forward),
        Some(_) => None,
    }
}

fn frequency(text: &str) -> Option<Frequency> {
    Some(match text {
        "SECONDLY" => Frequency::Secondly,
        "MINUTELY" => Frequency::Minutely,
        "HOURLY" => Frequency::Hourly,
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        _ => return None,
    })
}

/// Reads a list of numbers, sorted and each once.
fn numbers(text: &str, low: i64, high: i64) -> Option<Vec<i64>> {
    let one = |text: &str| text.trim().parse().ok().filter(|number| (low..=high).contains(number));
    let mut numbers: Vec<i64> = text.split(',').map(one).collect::<Option<_>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}

fn without_zero(mut numbers: Vec<i64>) -> Vec<i64> {
    numbers.retain(|number| *number != 0);
    numbers
}

fn week_day(text: &str) -> Option<i64> {
    let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    (0..).zip(names).find(|(_, name)| *name == text).map(|(day, _)| day)
}

fn week_days(text: &str) -> Option<Vec<WeekDay>> {
    let one = |text: &str| {
        let text = text.trim();
        let (nth, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
        let nth = if nth.is_empty() { 0 } else { nth.parse().ok()? };
        (-53..=53).contains(&nth).then_some(WeekDay { nth, day: week_day(name)? })
    };
    let mut days: Vec<WeekDay> = text.split(',').map(one).collect::<Option<_>>()?;
    days.sort_unstable();
    days.dedup();
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_rule_is_read() {
        let rule = Rule::parse(
            "freq=MONTHLY;INTERVAL=2;COUNT=5;UNTIL=20301231T235959Z;WKST=SU;BYDAY=-1FR,MO,+2TU;\
             BYMONTHDAY=1,-1;BYYEARDAY=100;BYWEEKNO=20;BYMONTH=1,12;BYSETPOS=-1;BYHOUR=9,8;\
             BYMINUTE=30;BYSECOND=60,59;X-OTHER=1",
        )
        .unwrap();
        assert_eq!((rule.frequency, rule.interval), (Frequency::Monthly, 2));
        assert_eq!((rule.count, rule.week_start), (Some(5), 6));
        assert_eq!(rule.until, Moment::parse("2030-12-31T23:59:59Z"));
        let days = [(-1, 4), (0, 0), (2, 1)].map(|(nth, day)| WeekDay { nth, day });
        assert_eq!(rule.week_days, days);
        assert_eq!((rule.hours, rule.minutes, rule.seconds), (vec![8, 9], vec![30], vec![59]));
        assert_eq!((rule.month_days, rule.positions), (vec![-1, 1], vec![-1]));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "FREQ=",
            "FREQ=FORTNIGHTLY",
            "INTERVAL=2",
            "FREQ=DAILY;COUNT=-1",
            "FREQ=DAILY;COUNT=x",
            "FREQ=DAILY;INTERVAL=x",
            "FREQ=DAILY;UNTIL=tomorrow",
            "FREQ=DAILY;BYHOUR=24",
            "FREQ=DAILY;BYDAY=XX",
            "FREQ=DAILY;BYDAY=ö",
            "FREQ=DAILY;BYMONTH=13",
            "FREQ=DAILY;BYMONTH=",
            "RSCALE=CHINESE;FREQ=YEARLY",
            "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=SIDEWAYS",
            "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD;BYYEARDAY=366",
        ] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
        assert_eq!(Rule::parse("FREQ=DAILY;INTERVAL=0").unwrap().interval, 1);
    }

    #[test]
    fn what_the_standard_forbids_is_not_sound() {
        for text in [
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;FREQ=WEEKLY",
            "FREQ=DAILY;COUNT=2;count=3",
            "FREQ=DAILY;COUNT=2;UNTIL=20260101",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=WEEKLY;BYDAY=1MO",
            "FREQ=DAILY;BYDAY=MO,-1TU",
            "FREQ=MONTHLY;BYDAY=0MO",
            "FREQ=WEEKLY;BYDAY=+0MO",
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO",
            "FREQ=MONTHLY;BYWEEKNO=20",
            "FREQ=WEEKLY;BYMONTHDAY=1",
            "FREQ=MONTHLY;BYYEARDAY=1",
            "FREQ=WEEKLY;BYYEARDAY=1",
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "FREQ=MONTHLY;BYSETPOS=1",
            "FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO",
            "FREQ=DAILY;BYDAI=MO",
            "FREQ=DAILY;",
            "FREQ=DAILY;COUNT",
        ] {
            assert!(!Rule::is_sound(text), "{text}");
        }
        for text in [
            "FREQ=WEEKLY;BYDAY=TU",
            "freq=monthly;byday=-1fr,+2mo;count=5;x-own=1",
            "FREQ=YEARLY;BYDAY=20MO;UNTIL=20301231T000000Z",
            "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=MO;WKST=SU",
            "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;INTERVAL=2",
            "FREQ=HOURLY;BYYEARDAY=1;BYMINUTE=0;BYSECOND=0",
            "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD",
        ] {
            assert!(Rule::is_sound(text), "{text}");
        }
    }

    #[test]
    fn a_rule_ends_with_the_day_or_the_time_that_it_names() {
        let noon = Moment::parse("2026-01-05T12:00").unwrap().local_seconds();
        let berlin = |local: i64| local - 3_600;
        let is_past = |until: &str, local| {
            Rule::parse(&format!("FREQ=DAILY;UNTIL={until}")).unwrap().is_past(local, &berlin)
        };
        assert!(!is_past("20260105", noon) && is_past("20260104", noon));
        assert!(!is_past("20260105T120000", noon) && is_past("20260105T115959", noon));
        assert!(!is_past("20260105T110000Z", noon) && is_past("20260105T105959Z", noon));
    }
}
