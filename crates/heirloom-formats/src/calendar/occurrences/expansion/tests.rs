use super::*;
use crate::calendar::occurrences::zone::{self, Zone};
use crate::moment::{Moment, MomentKind};
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

const STEPS: u64 = 1_000_000;

fn local(text: &str) -> i64 {
    Moment::parse(text).unwrap().local_seconds()
}

fn shown(local: i64) -> String {
    Moment::from_seconds(local, MomentKind::Local).to_extended()
}

/// Returns what a rule gives in a window, up to its own end in New York.
fn visited(rule: &str, start: i64, reach: (i64, i64)) -> Vec<i64> {
    visited_within(STEPS, rule, start, reach)
}

/// As [`visited`], in so many steps.
fn visited_within(steps: u64, rule: &str, start: i64, reach: (i64, i64)) -> Vec<i64> {
    let rule = Rule::parse(rule).unwrap();
    let york = Zone::Named(zone::named(&TimeZoneDatabase::bundled(), "America/New_York").unwrap());
    let mut found = Vec::new();
    let mut budget = Budget::new(steps);
    let ending = Expansion::new(&rule, start).visit(reach, &mut budget, &mut |local| {
        if rule.is_past(local, &|local| york.instant(local)) {
            return ControlFlow::Break(());
        }
        found.push(local);
        ControlFlow::Continue(())
    });
    assert_ne!(ending, Ending::GaveUp);
    found
}

/// Returns the days on which a rule has occurrences at nine o'clock.
fn days(rule: &str, start: &str, until: &str) -> String {
    let start = local(start) + 9 * 3600;
    let found = visited(rule, start, (start, local(until)));
    assert!(found.iter().all(|one| one.rem_euclid(DAY) == 9 * 3600), "{rule}");
    let mut text = String::new();
    let mut month = String::new();
    for one in found {
        let (head, day) = (shown(one)[..7].to_owned(), shown(one)[8..10].to_owned());
        if head != month {
            text.push_str(if month.is_empty() { "" } else { " " });
            text.push_str(&head);
            text.push(':');
            month = head;
        } else {
            text.push(',');
        }
        text.push_str(&day);
    }
    text
}

/// Returns the clock times of a rule's occurrences on its first day.
fn clocks(rule: &str) -> String {
    let start = local("1997-09-02T09:00");
    let found = visited(rule, start, (start, local("1997-09-03")));
    found.into_iter().map(|one| shown(one)[11..16].to_owned()).collect::<Vec<_>>().join(" ")
}

/// A rule, its start, the end of the window, and the days.
type Example = (&'static str, &'static str, &'static str, &'static str);

fn check(examples: &[Example]) {
    for (rule, start, until, expected) in examples {
        assert_eq!(days(rule, start, until), *expected, "{rule} from {start}");
    }
}

const BY_DAYS_AND_WEEKS: &[Example] = &[
    ("FREQ=DAILY;COUNT=10", "1997-09-02", "2000-01-01", "1997-09:02,03,04,05,06,07,08,09,10,11"),
    ("FREQ=DAILY;INTERVAL=2", "1997-09-02", "1997-09-11", "1997-09:02,04,06,08,10"),
    (
        "FREQ=DAILY;INTERVAL=10;COUNT=5",
        "1997-09-02",
        "2000-01-01",
        "1997-09:02,12,22 1997-10:02,12",
    ),
    (
        "FREQ=WEEKLY;COUNT=10",
        "1997-09-02",
        "2000-01-01",
        "1997-09:02,09,16,23,30 1997-10:07,14,21,28 1997-11:04",
    ),
    (
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        "1997-09-02",
        "2000-01-01",
        "1997-09:02,09,16,23,30 1997-10:07,14,21,28 1997-11:04,11,18,25 1997-12:02,09,16,23",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997-09-02",
        "1998-02-01",
        "1997-09:02,16,30 1997-10:14,28 1997-11:11,25 1997-12:09,23 1998-01:06,20",
    ),
    (
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        "1997-09-02",
        "2000-01-01",
        "1997-09:02,04,09,11,16,18,23,25,30 1997-10:02",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997-09-01",
        "2000-01-01",
        "1997-09:01,03,05,15,17,19,29 1997-10:01,03,13,15,17,27,29,31 1997-11:10,12,14,24,26,28 1997-12:08,10,12,22",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997-09-02",
        "2000-01-01",
        "1997-09:02,04,16,18,30 1997-10:02,14,16",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        "1997-08-05",
        "2000-01-01",
        "1997-08:05,10,19,24",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        "1997-08-05",
        "2000-01-01",
        "1997-08:05,17,19,31",
    ),
];

#[test]
fn the_examples_of_the_standard_by_days_and_weeks() {
    check(BY_DAYS_AND_WEEKS);
    let start = local("1997-09-02T09:00");
    let all = visited("FREQ=DAILY;UNTIL=19971224T000000Z", start, (start, local("1999-01-01")));
    assert_eq!((all.len(), shown(all[112])), (113, "1997-12-23T09:00:00".to_owned()));
    let start = local("1998-01-01T09:00");
    for rule in ["FREQ=YEARLY;BYDAY=SU,MO,TU,WE,TH,FR,SA", "FREQ=DAILY"] {
        let rule = format!("{rule};UNTIL=20000131T140000Z;BYMONTH=1");
        assert_eq!(visited(&rule, start, (start, local("2005-01-01"))).len(), 93, "{rule}");
    }
}

const BY_MONTHS: &[Example] = &[
    (
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997-09-05",
        "2000-01-01",
        "1997-09:05 1997-10:03 1997-11:07 1997-12:05 1998-01:02 1998-02:06 1998-03:06 1998-04:03 1998-05:01 1998-06:05",
    ),
    (
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        "1997-09-05",
        "2000-01-01",
        "1997-09:05 1997-10:03 1997-11:07 1997-12:05",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997-09-07",
        "2000-01-01",
        "1997-09:07,28 1997-11:02,30 1998-01:04,25 1998-03:01,29 1998-05:03,31",
    ),
    (
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997-09-22",
        "2000-01-01",
        "1997-09:22 1997-10:20 1997-11:17 1997-12:22 1998-01:19 1998-02:16",
    ),
    (
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "1997-09-28",
        "1998-03-01",
        "1997-09:28 1997-10:29 1997-11:28 1997-12:29 1998-01:29 1998-02:26",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-09-02",
        "2000-01-01",
        "1997-09:02,15 1997-10:02,15 1997-11:02,15 1997-12:02,15 1998-01:02,15",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997-09-30",
        "2000-01-01",
        "1997-09:30 1997-10:01,31 1997-11:01,30 1997-12:01,31 1998-01:01,31 1998-02:01",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997-09-10",
        "2005-01-01",
        "1997-09:10,11,12,13,14,15 1999-03:10,11,12,13",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997-09-02",
        "1998-04-01",
        "1997-09:02,09,16,23,30 1997-11:04,11,18,25 1998-01:06,13,20,27 1998-03:03,10,17,24,31",
    ),
    (
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        "2007-01-15",
        "2010-01-01",
        "2007-01:15,30 2007-02:15 2007-03:15,30",
    ),
    (
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "1997-09-02",
        "2000-12-01",
        "1998-02:13 1998-03:13 1998-11:13 1999-08:13 2000-10:13",
    ),
    (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997-09-13",
        "1998-07-01",
        "1997-09:13 1997-10:11 1997-11:08 1997-12:13 1998-01:10 1998-02:07 1998-03:07 1998-04:11 1998-05:09 1998-06:13",
    ),
    (
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        "1997-09-04",
        "2000-01-01",
        "1997-09:04 1997-10:07 1997-11:06",
    ),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09-29",
        "1998-04-01",
        "1997-09:29 1997-10:30 1997-11:27 1997-12:30 1998-01:29 1998-02:26 1998-03:30",
    ),
    (
        "FREQ=MONTHLY;COUNT=4",
        "1997-10-31",
        "2000-01-01",
        "1997-10:31 1997-12:31 1998-01:31 1998-03:31",
    ),
];

#[test]
fn the_examples_of_the_standard_by_months() {
    check(BY_MONTHS);
}

const BY_YEARS: &[Example] = &[
    (
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997-06-10",
        "2005-01-01",
        "1997-06:10 1997-07:10 1998-06:10 1998-07:10 1999-06:10 1999-07:10 2000-06:10 2000-07:10 2001-06:10 2001-07:10",
    ),
    (
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997-03-10",
        "2010-01-01",
        "1997-03:10 1999-01:10 1999-02:10 1999-03:10 2001-01:10 2001-02:10 2001-03:10 2003-01:10 2003-02:10 2003-03:10",
    ),
    (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997-01-01",
        "2010-01-01",
        "1997-01:01 1997-04:10 1997-07:19 2000-01:01 2000-04:09 2000-07:18 2003-01:01 2003-04:10 2003-07:19 2006-01:01",
    ),
    ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19", "2000-01-01", "1997-05:19 1998-05:18 1999-05:17"),
    (
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "1997-05-12",
        "2000-01-01",
        "1997-05:12 1998-05:11 1999-05:17",
    ),
    ("FREQ=YEARLY;BYWEEKNO=20", "1997-05-12", "2000-01-01", "1997-05:12 1998-05:11 1999-05:17"),
    (
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997-03-13",
        "2000-01-01",
        "1997-03:13,20,27 1998-03:05,12,19,26 1999-03:04,11,18,25",
    ),
    (
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997-06-05",
        "1998-01-01",
        "1997-06:05,12,19,26 1997-07:03,10,17,24,31 1997-08:07,14,21,28",
    ),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11-05",
        "2005-01-01",
        "1996-11:05 2000-11:07 2004-11:02",
    ),
    ("FREQ=YEARLY;COUNT=3", "1996-02-29", "2010-01-01", "1996-02:29 2000-02:29 2004-02:29"),
    ("FREQ=YEARLY;BYYEARDAY=-1", "1996-12-31", "1999-01-01", "1996-12:31 1997-12:31 1998-12:31"),
    ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", "2018-12-31", "2021-01-01", "2018-12:31 2019-12:30"),
    ("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU", "2020-01-01", "2022-01-04", "2021-01:03 2022-01:02"),
];

#[test]
fn the_examples_of_the_standard_by_years() {
    check(BY_YEARS);
}

#[test]
fn the_examples_of_the_standard_by_hours_and_minutes() {
    // The end is 13:00 in New York.
    assert_eq!(clocks("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z"), "09:00 12:00");
    assert_eq!(clocks("FREQ=MINUTELY;INTERVAL=15;COUNT=6"), "09:00 09:15 09:30 09:45 10:00 10:15");
    assert_eq!(clocks("FREQ=MINUTELY;INTERVAL=90;COUNT=4"), "09:00 10:30 12:00 13:30");
    let daily = clocks("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40");
    assert_eq!(daily, clocks("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16"));
    assert_eq!(daily.split(' ').count(), 24);
    assert_eq!(clocks("FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=-1;COUNT=3"), "09:30 10:30");
    assert_eq!(clocks("FREQ=DAILY;BYHOUR=8,9,10;BYSETPOS=2,-1"), "09:00 10:00");
    assert_eq!(
        clocks("FREQ=SECONDLY;INTERVAL=45;BYSECOND=0;BYMINUTE=0,3"),
        "09:00 09:03 10:00 10:03 11:00 11:03 12:00 12:03 13:00 13:03 14:00 14:03 15:00 15:03 16:00 16:03 17:00 17:03 18:00 18:03 19:00 19:03 20:00 20:03 21:00 21:03 22:00 22:03 23:00 23:03"
    );
}

#[test]
fn a_start_that_the_rule_does_not_name_counts_as_the_first() {
    // Tuesday; the rule names Mondays.
    assert_eq!(days("FREQ=WEEKLY;BYDAY=MO;COUNT=3", "1997-09-02", "2000-01-01"), "1997-09:08,15");
    assert_eq!(
        days("FREQ=WEEKLY;BYDAY=TU;COUNT=3", "1997-09-02", "2000-01-01"),
        "1997-09:02,09,16"
    );
}

#[test]
fn a_budget_that_is_spent_ends_the_walk() {
    let rule = Rule::parse("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30").unwrap();
    let mut budget = Budget::new(1_000);
    let reach = (0, local("9999-12-31"));
    let ending =
        Expansion::new(&rule, 0).visit(reach, &mut budget, &mut |_| ControlFlow::Continue(()));
    assert_eq!((ending, budget.left()), (Ending::GaveUp, 0));
}

/// A rule of days, as a person would check it day by day.
#[derive(Debug, Clone)]
struct Plain {
    frequency: &'static str,
    interval: i64,
    week_days: Vec<i64>,
    month_days: Vec<i64>,
    months: Vec<i64>,
    count: Option<usize>,
}

impl Plain {
    fn text(&self) -> String {
        let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
        let join = |numbers: &[i64], name: &dyn Fn(i64) -> String| {
            numbers.iter().map(|number| name(*number)).collect::<Vec<_>>().join(",")
        };
        let mut text = format!("FREQ={};INTERVAL={}", self.frequency, self.interval);
        for (part, numbers) in [("BYMONTHDAY", &self.month_days), ("BYMONTH", &self.months)] {
            if !numbers.is_empty() {
                text += &format!(";{part}={}", join(numbers, &|number| number.to_string()));
            }
        }
        if !self.week_days.is_empty() {
            let name = |number: i64| names[usize::try_from(number).unwrap()].to_owned();
            text += &format!(";BYDAY={}", join(&self.week_days, &name));
        }
        self.count.map_or(text.clone(), |count| format!("{text};COUNT={count}"))
    }

    fn has(&self, start: i64, day: i64) -> bool {
        let ((year, month, month_day), (first_year, first_month, first_day)) =
            (civil_from_days(day), civil_from_days(start));
        let week_day = |day: i64| (day - 4).rem_euclid(7); // The fifth was a Monday.
        let monday = |day: i64| day - week_day(day);
        let in_step = match self.frequency {
            "DAILY" => day - start,
            "WEEKLY" => (monday(day) - monday(start)) / 7,
            _ => year * 12 + month - first_year * 12 - first_month,
        };
        let length = days_from_civil(year, month, 28)..days_from_civil(year, month, 28) + 4;
        let last = length.clone().filter(|day| civil_from_days(*day).1 == month).max().unwrap();
        let from_end = day - last - 1;
        let named = |list: &[i64], numbers: &[i64]| list.iter().any(|one| numbers.contains(one));
        let free = self.week_days.is_empty() && self.month_days.is_empty();
        let implied = match self.frequency {
            "WEEKLY" => !free || week_day(day) == week_day(start),
            "MONTHLY" => !free || month_day == first_day,
            _ => true,
        };
        in_step % self.interval == 0
            && implied
            && (self.months.is_empty() || named(&self.months, &[month]))
            && (self.month_days.is_empty() || named(&self.month_days, &[month_day, from_end]))
            && (self.week_days.is_empty() || named(&self.week_days, &[week_day(day)]))
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    let some = |range: std::ops::RangeInclusive<i64>| prop::collection::vec(range, 0..4);
    let month_days =
        some(-31..=31).prop_map(|days| days.into_iter().filter(|day| *day != 0).collect());
    let week_days = some(0..=6);
    (
        prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY"]),
        1i64..5,
        week_days,
        month_days,
        prop::collection::vec(1i64..=12, 0..3),
        prop::option::of(1usize..40),
    )
        .prop_map(|(frequency, interval, week_days, month_days, months, count)| {
            // A rule by weeks has no days of months.
            let month_days = if frequency == "WEEKLY" { Vec::new() } else { month_days };
            Plain { frequency, interval, week_days, month_days, months, count }
        })
}

/// Rules of every kind, also odd ones.
fn any_rule() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "BYDAY=MO,WE",
        "BYDAY=1SU,-1FR",
        "BYMONTHDAY=1,15,-1",
        "BYMONTH=2,3,11",
        "BYYEARDAY=1,60,-1",
        "BYWEEKNO=1,20,53,-1",
        "BYHOUR=0,9,23",
        "BYMINUTE=0,30",
        "BYSECOND=0,59",
        "BYSETPOS=1,-1",
        "BYSETPOS=2",
        "WKST=SU",
        "INTERVAL=2",
        "INTERVAL=7",
        "COUNT=30",
        "COUNT=500",
    ]);
    let frequency = prop::sample::select(vec!["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    (frequency, prop::collection::btree_set(part, 0..4)).prop_map(|(frequency, parts)| {
        let parts: Vec<&str> = parts.into_iter().collect();
        format!("FREQ={frequency};{}", parts.join(";"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn rules_of_days_are_what_a_person_would_count(
        rule in plain(), start in 10_000i64..13_000, skip in 0i64..900, days in 1i64..400,
    ) {
        let mut expected: Vec<i64> = (start..start + skip + days).filter(|day| rule.has(start, *day)).collect();
        if let Some(count) = rule.count {
            let counted = usize::from(!rule.has(start, start));
            expected.truncate(count - counted.min(count));
        }
        expected.retain(|day| *day >= start + skip);
        let (from, to) = ((start + skip) * DAY, (start + skip + days) * DAY);
        let found = visited(&rule.text(), start * DAY, (from, to));
        let found: Vec<i64> = found.into_iter().map(|one| one / DAY).collect();
        prop_assert_eq!(found, expected, "{}", rule.text());
    }

    #[test]
    fn a_window_shows_what_a_walk_from_the_start_would_show(
        rule in any_rule(), start in 600_000_000i64..800_000_000, skip in 0i64..90_000_000, length in 1i64..3_000_000,
    ) {
        let (from, to) = (start + skip, start + skip + length);
        let mut all = visited_all(&rule, start, to);
        all.retain(|one| *one >= from);
        prop_assert!(all.is_sorted());
        prop_assert_eq!(visited(&rule, start, (from, to)), all, "{}", rule);
    }

    #[test]
    fn short_periods_are_passed_over_as_if_each_were_counted(
        rule in short_rule(), start in 600_000_000i64..800_000_000, skip in 0i64..2_500_000, length in 1i64..100_000,
    ) {
        let (from, to) = (start + skip, start + skip + length);
        let mut all = visited_all(&rule, start, to);
        all.retain(|one| *one >= from);
        // What a position is taken of cannot be passed over: a month of seconds is walked.
        prop_assert_eq!(visited_within(20 * STEPS, &rule, start, (from, to)), all, "{}", rule);
    }

    #[test]
    fn days_that_are_skipped_over_are_found_in_every_window(
        rule in skipping_rule(), start in 600_000_000i64..800_000_000, skip in 0i64..90_000_000, length in 1i64..20_000_000,
    ) {
        let (from, to) = (start + skip, start + skip + length);
        let mut all = visited_all(&rule, start, to);
        prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{}", rule);
        all.retain(|one| *one >= from);
        prop_assert_eq!(visited(&rule, start, (from, to)), all, "{}", rule);
    }
}

/// Rules of periods shorter than a day that count their occurrences.
fn short_rule() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "BYDAY=MO,WE",
        "BYMONTHDAY=1,15,-1",
        "BYMONTH=2,3,11",
        "BYHOUR=0,9,23",
        "BYMINUTE=0,30",
        "BYSECOND=0,59",
        "BYSETPOS=1",
    ]);
    let interval = prop::sample::select(vec![1, 2, 5, 7, 30, 48]);
    let count = prop::sample::select(vec![3, 500, 20_000, 4_000_000]);
    let frequency = prop::sample::select(vec!["SECONDLY", "MINUTELY", "HOURLY", "DAILY"]);
    (frequency, interval, count, prop::collection::btree_set(part, 0..4)).prop_map(
        |(frequency, interval, count, parts)| {
            let parts: Vec<&str> = parts.into_iter().collect();
            format!("FREQ={frequency};INTERVAL={interval};COUNT={count};{}", parts.join(";"))
        },
    )
}

/// Rules that say what becomes of days that a month does not have.
fn skipping_rule() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "BYMONTHDAY=29",
        "BYMONTHDAY=1,30,31",
        "BYMONTH=1,2,4",
        "BYDAY=SU,MO,TH",
        "INTERVAL=2",
        "COUNT=20",
        "BYSETPOS=1",
    ]);
    let skip = prop::sample::select(vec!["FORWARD", "BACKWARD"]);
    let frequency = prop::sample::select(vec!["MONTHLY", "YEARLY"]);
    (frequency, skip, prop::collection::btree_set(part, 0..4)).prop_map(
        |(frequency, skip, parts)| {
            let parts: Vec<&str> = parts.into_iter().collect();
            format!("RSCALE=GREGORIAN;FREQ={frequency};SKIP={skip};{}", parts.join(";"))
        },
    )
}

/// As [`visited`] from the start on, and counting every period.
fn visited_all(rule: &str, start: i64, to: i64) -> Vec<i64> {
    let rule = Rule::parse(rule).unwrap();
    let mut found = Vec::new();
    let mut budget = Budget::new(u64::MAX);
    Expansion::new(&rule, start).visit((start, to), &mut budget, &mut |local| {
        found.push(local);
        ControlFlow::Continue(())
    });
    found
}
