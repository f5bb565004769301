//! A record's events, tasks and journal entries with their times.

use super::rule::Rule;
use crate::calendar::fields::{CALENDAR_ZONE, Time, time};
use crate::calendar::units;
use crate::layout::Unit;
use crate::line::Property;
use crate::moment::{Moment, MomentKind};
use crate::text;
use heirloom_schema::Content;
use std::collections::BTreeMap;

/// Dates of one record that are named one by one: as many as fit into a record
/// as times of day. More, as bare dates, are left out with a remark.
const DATES_MAX: usize = 65_536;

/// How long an occurrence lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Length {
    /// Days as a calendar counts them, then seconds as time passes.
    Nominal { days: i64, seconds: i64 },
    /// Up to this time.
    Until(Time),
}

/// A date that is named beside the rules, with its own length where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) time: Time,
    pub(crate) length: Option<Length>,
}

/// One component.
#[derive(Debug, Clone, Default)]
pub(crate) struct Component {
    /// The keys of its lines begin with this.
    pub(crate) sequence: String,
    pub(crate) start: Option<Time>,
    pub(crate) length: Option<Length>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) extras: Vec<Extra>,
    pub(crate) excluded: Vec<Time>,
    /// Rules of what is left out (EXRULE, RFC 2445).
    pub(crate) excluded_rules: Vec<Rule>,
    /// Which occurrence of the series it replaces.
    pub(crate) replaces: Option<Time>,
    /// Whether it replaces all later ones too.
    pub(crate) and_future: bool,
    /// Its SEQUENCE: of two exceptions of one occurrence the higher counts.
    pub(crate) revision: u64,
    pub(crate) is_cancelled: bool,
    /// Whether a rule cannot be read, or counts in another calendar.
    pub(crate) is_unread: bool,
    end: Option<Time>,
    due: Option<Time>,
}

/// A record, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    pub(crate) components: Vec<Component>,
    /// Each zone that the calendar defines: its name and its component.
    pub(crate) zones: Vec<(String, Vec<u8>)>,
    /// The zone of times that name none.
    pub(crate) default_zone: Option<String>,
    /// Whether dates or rules were left out.
    pub(crate) is_cut: bool,
}

impl Series {
    pub(crate) fn read(content: &Content) -> Self {
        let mut series = Self::default();
        let mut dates = 0;
        let mut places = BTreeMap::new();
        for unit in &units(content) {
            if unit.sequence().starts_with('e') {
                let place = *places.entry(unit.sequence()).or_insert(series.components.len());
                series.take(unit, place, &mut dates);
            } else if unit.sequence().starts_with('z') {
                series.zones.extend(zone_name(unit).map(|name| (name, unit.raw().to_vec())));
            } else if unit.name().as_deref() == Some(CALENDAR_ZONE) {
                let name = unit.property().map(|property| text::unescaped(&property.text()));
                series.default_zone = name.map(|name| name.trim().to_owned());
            }
        }
        let has_unread = series.components.iter().any(|component| component.is_unread);
        series.is_cut = dates > DATES_MAX || has_unread;
        series.components.iter_mut().for_each(Component::settle);
        series
    }

    /// Returns the component that the others are exceptions of.
    pub(crate) fn main(&self) -> Option<&Component> {
        self.components.iter().find(|component| component.replaces.is_none())
    }

    fn take(&mut self, unit: &Unit<'_>, place: usize, dates: &mut usize) {
        if place == self.components.len() {
            let sequence = unit.sequence().to_owned();
            self.components.push(Component { sequence, ..Component::default() });
        }
        let is_time =
            unit.name().is_some_and(|name| name == "SEQUENCE" || TIMES.contains(&name.as_str()));
        let property = if is_time { unit.property() } else { None };
        if let (Some(component), Some(property)) = (self.components.get_mut(place), property) {
            component.take(&property, dates);
        }
    }
}

/// The properties that say when.
pub(super) const TIMES: &[&str] = &[
    "DTSTART",
    "DTEND",
    "DUE",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "EXRULE",
    "RECURRENCE-ID",
    "STATUS",
];

impl Component {
    fn take(&mut self, property: &Property, dates: &mut usize) {
        let text = property.text();
        match property.name.as_str() {
            "DTSTART" => self.start = time(property),
            "DTEND" => self.end = time(property),
            "DUE" => self.due = time(property),
            "DURATION" => self.length = duration(&text),
            "RRULE" => {
                let rule = Rule::parse(&text);
                self.is_unread |= rule.is_none();
                self.rules.extend(rule);
            }
            "RDATE" => self.extras.extend(listed(property, &text, dates)),
            "EXDATE" => {
                self.excluded.extend(listed(property, &text, dates).map(|extra| extra.time));
            }
            "EXRULE" => self.excluded_rules.extend(Rule::parse(&text)),
            "RECURRENCE-ID" => {
                self.replaces = time(property);
                self.and_future = property.has("RANGE", "THISANDFUTURE");
            }
            "SEQUENCE" => self.revision = text.trim().parse().unwrap_or(0),
            "STATUS" => self.is_cancelled = text.trim().eq_ignore_ascii_case("CANCELLED"),
            _ => {}
        }
    }

    /// Completes the times: a task may have nothing but the time at which it
    /// is due, and an exception nothing but the time that it replaces. Two
    /// devices may leave an end and a duration: then the end counts.
    fn settle(&mut self) {
        if let Some(end) = self.end.take() {
            self.length = Some(Length::Until(end));
        }
        if let Some(due) = self.due.take() {
            match self.start {
                Some(_) => self.length = Some(Length::Until(due)),
                None => self.start = Some(due),
            }
        }
        if self.start.is_none() {
            self.start.clone_from(&self.replaces);
        }
        // Days are the same everywhere: of an end in UTC the date counts.
        if self.start.as_ref().is_some_and(|start| start.moment.kind == MomentKind::Date) {
            for rule in self.rules.iter_mut().chain(&mut self.excluded_rules) {
                rule.until = rule.until.map(Moment::date);
            }
        }
    }

    /// Returns whether it has more than one occurrence by itself.
    pub(crate) fn repeats(&self) -> bool {
        !(self.rules.is_empty() && self.extras.is_empty())
    }
}

/// Reads the dates and periods of a list, as far as the limit reaches.
fn listed<'a>(
    property: &'a Property,
    text: &'a str,
    dates: &'a mut usize,
) -> impl Iterator<Item = Extra> + 'a {
    let zone = property.parameter("TZID").next().map(str::to_owned);
    text.split(',')
        .map_while(move |text| {
            *dates += 1;
            if *dates > DATES_MAX {
                return None;
            }
            Some((text.trim(), zone.clone()))
        })
        .filter_map(|(text, zone)| {
            let (start, end) =
                text.split_once('/').map_or((text, None), |(start, end)| (start, Some(end)));
            let time = |text: &str| {
                let moment = Moment::parse(text)?;
                let zone = zone.clone().filter(|_| moment.kind == MomentKind::Local);
                Some(Time { moment, zone })
            };
            let length = end.and_then(|end| duration(end).or_else(|| time(end).map(Length::Until)));
            Some(Extra { time: time(start)?, length })
        })
}

/// Returns the name of the zone that a VTIMEZONE defines.
pub(in crate::calendar) fn zone_name(unit: &Unit<'_>) -> Option<String> {
    let mut names = crate::line::content_lines(unit.raw())
        .filter(|line| crate::line::name_of(line.bytes).as_deref() == Some("TZID"));
    let property = Property::read(names.next()?.bytes)?;
    Some(text::unescaped(&property.text()).trim().to_owned())
}

/// Reads a duration (`P1DT2H`): days as a calendar counts them, the rest as
/// time passes. One that goes backwards lasts nothing.
fn duration(text: &str) -> Option<Length> {
    let total = crate::moment::duration(text)?;
    let is_exact = text.contains('T') && !text.contains(['D', 'W']);
    let days = if is_exact { 0 } else { total.div_euclid(86_400) };
    let seconds = total - days * 86_400;
    if total < 0 {
        return Some(Length::Nominal { days: 0, seconds: 0 });
    }
    Some(Length::Nominal { days, seconds })
}
