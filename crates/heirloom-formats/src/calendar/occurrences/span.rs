//! Between which times a record takes place, without a window.

use super::expansion::{Budget, Ending, Expansion};
use super::rule::Rule;
use super::series::{Component, Length, Series};
use super::window::{SLACK, Span};
use heirloom_schema::Content;
use std::ops::ControlFlow;

const DAY: i64 = 86_400;
/// Steps to find out where the rules of a record that count end.
pub(super) const SPAN_STEPS_MAX: u64 = 20_000;

/// Returns between which times a record takes place.
pub(crate) fn span(content: &Content) -> Option<Span> {
    let series = Series::read(content);
    let mut whole: Option<Span> = None;
    let mut reach = |from_s: i64, to_s: i64| {
        let old = whole.unwrap_or(Span { from_s, to_s });
        let (from_s, to_s) = (old.from_s.min(from_s), old.to_s.max(to_s));
        whole = Some(Span { from_s, to_s });
    };
    let mut shift = 0;
    let mut budget = Budget::new(SPAN_STEPS_MAX);
    for component in &series.components {
        let Some(start) = component.start.as_ref().map(|start| start.moment.local_seconds()) else {
            continue;
        };
        let length = longest_span(start, component);
        reach(start, start.saturating_add(length));
        if let Some(replaced) = component.replaces.as_ref().filter(|_| component.and_future) {
            let moved: i64 = start - replaced.moment.local_seconds();
            shift = moved.abs().max(shift);
        }
        for extra in &component.extras {
            let start = extra.time.moment.local_seconds();
            let own = match &extra.length {
                Some(length) => span_of_length(start, length),
                None => length,
            };
            reach(start, start.saturating_add(own));
        }
        if component.is_unread {
            // Nobody knows when it ends: whoever asks is to be told so.
            reach(start, i64::MAX);
        }
        for rule in &component.rules {
            reach(start, last_of(rule, start, &mut budget).saturating_add(length));
        }
    }
    let slack = shift.saturating_add(SLACK);
    whole.map(|span| Span {
        from_s: span.from_s.saturating_sub(slack),
        to_s: span.to_s.saturating_add(slack),
    })
}

fn longest_span(start: i64, component: &Component) -> i64 {
    component.length.as_ref().map_or(DAY, |length| span_of_length(start, length))
}

fn span_of_length(start: i64, length: &Length) -> i64 {
    let seconds = match length {
        Length::Nominal { days, seconds } => days.saturating_mul(DAY).saturating_add(*seconds),
        Length::Until(end) => end.moment.local_seconds() - start + SLACK,
    };
    seconds.max(DAY)
}

/// Returns the local time of a rule's last occurrence, or one that is later.
fn last_of(rule: &Rule, start: i64, budget: &mut Budget) -> i64 {
    last_counted(rule, start, budget).unwrap_or_else(|| latest(rule))
}

fn latest(rule: &Rule) -> i64 {
    rule.until.map_or(i64::MAX, |until| until.local_seconds().saturating_add(SLACK))
}

/// Returns the local time of the last occurrence of a rule that counts them,
/// if that is found with little work.
pub(super) fn last_counted(rule: &Rule, start: i64, budget: &mut Budget) -> Option<i64> {
    rule.count?;
    let until = latest(rule);
    let mut last = start;
    let all = (start, i64::MAX);
    let ending = Expansion::new(rule, start).visit(all, budget, &mut |local| {
        last = local;
        match local > until {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    match ending {
        Ending::Complete | Ending::Stopped => Some(last.min(until)),
        Ending::GaveUp => None,
    }
}
