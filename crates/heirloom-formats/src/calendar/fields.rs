//! The fields of an event.

use super::units;
use crate::Projection;
use crate::layout::Unit;
use crate::line::Property;
use crate::moment::{self, Moment, MomentKind};
use crate::text;
use heirloom_schema::Content;
use heirloom_schema::category::calendar::CALENDAR;
use serde_json::Value as Json;

/// The property of a calendar that names the zone of its times.
pub(super) const CALENDAR_ZONE: &str = "X-WR-TIMEZONE";

/// Fields and the properties that hold them.
const PROPERTIES: &[(&str, &str)] = &[
    ("title", "SUMMARY"),
    ("start", "DTSTART"),
    ("end", "DTEND"),
    ("end", "DUE"),
    ("end", "DURATION"),
    ("location", "LOCATION"),
    ("description", "DESCRIPTION"),
    ("rrule", "RRULE"),
    ("timezone", CALENDAR_ZONE),
];

/// Properties that a user would search for.
const SEARCHED: &[&str] = &[
    "SUMMARY",
    "LOCATION",
    "DESCRIPTION",
    "CATEGORIES",
    "COMMENT",
    "CONTACT",
    "ATTENDEE",
    "ORGANIZER",
    "URL",
];

/// Returns the field that a property holds.
pub(super) fn field_of(property: &str) -> Option<&'static str> {
    PROPERTIES.iter().find(|(_, name)| *name == property).map(|(field, _)| *field)
}

/// Returns the lines of the component that stands for the whole record: the
/// series, or the first occurrence where there is no series.
pub(super) fn main_sequence(units: &[Unit<'_>]) -> Option<String> {
    let events = || units.iter().map(Unit::sequence).filter(|name| name.starts_with('e'));
    let series = events().find(|name| *name == "e/l");
    series.or_else(|| events().next()).map(str::to_owned)
}

/// A time of an event, and the zone that is named beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) moment: Moment,
    pub(super) zone: Option<String>,
}

/// Returns the time that a property holds.
pub(super) fn time(property: &Property) -> Option<Time> {
    let moment = Moment::parse(&property.text())?;
    let zone = property.parameter("TZID").next().map(str::to_owned);
    Some(Time { moment, zone: zone.filter(|_| moment.kind == MomentKind::Local) })
}

/// Returns what lists and searches show of an event.
pub(super) fn project(content: &Content) -> Projection {
    let mut projection = Projection::default();
    let units = units(content);
    let main = main_sequence(&units);
    let (mut start, mut zone, mut duration) = (None, None, None);
    for unit in &units {
        let Some(name) = unit.name() else { continue };
        let is_main = main.as_deref() == Some(unit.sequence());
        let is_searched = unit.sequence().starts_with('e') && SEARCHED.contains(&name.as_str());
        if !is_searched && !is_main && name != CALENDAR_ZONE {
            continue;
        }
        let Some(property) = unit.property() else { continue };
        let text = text::unescaped(&property.text()).trim().to_owned();
        if is_searched {
            property.parameter("CN").for_each(|name| projection.search_for(name));
            projection.search_for(&text);
        }
        match name.as_str() {
            CALENDAR_ZONE => zone = Some(text),
            "DTSTART" if is_main => {
                let time = time(&property);
                projection.push("start", shown_time(time.as_ref(), text), None);
                start = time;
            }
            "DTEND" | "DUE" if is_main => {
                projection.push("end", shown_time(time(&property).as_ref(), text), None);
            }
            "DURATION" if is_main => duration = moment::duration(&text),
            "SUMMARY" | "LOCATION" | "DESCRIPTION" | "RRULE" if is_main && !text.is_empty() => {
                let field = field_of(&name).unwrap_or_default();
                if projection.text(field).is_none() {
                    projection.push(field, Json::String(text), None);
                }
            }
            _ => {}
        }
    }
    finish(&mut projection, start, zone, duration);
    projection.sorted_by(&CALENDAR)
}

fn shown_time(time: Option<&Time>, text: String) -> Json {
    Json::String(time.map_or(text, |time| time.moment.to_extended()))
}

fn finish(
    projection: &mut Projection,
    start: Option<Time>,
    zone: Option<String>,
    duration: Option<i64>,
) {
    projection.title = projection.text("title").unwrap_or("(no title)").to_owned();
    let is_whole_day = start.as_ref().map(|start| start.moment.kind == MomentKind::Date);
    if let Some(is_whole_day) = is_whole_day {
        projection.push("all_day", Json::Bool(is_whole_day), None);
    }
    if let (Some(start), Some(seconds), None) = (&start, duration, projection.text("end")) {
        let end = start.moment.later(seconds).map(|end| match end.kind {
            MomentKind::Date => end.date(),
            MomentKind::Local | MomentKind::Utc => end,
        });
        if let Some(end) = end {
            projection.push("end", Json::String(end.to_extended()), None);
        }
    }
    let zone = start.and_then(|start| start.zone).or(zone).filter(|zone| !zone.is_empty());
    if let Some(zone) = zone {
        projection.push("timezone", Json::String(zone), None);
    }
}
