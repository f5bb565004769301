//! Edits of an event: only the lines of the fields named are written anew.

mod moving;
mod times;

use super::cut::ZONE;
use super::fields::{Time, main_sequence, time};
use super::occurrences::rule::Rule;
use super::occurrences::series::zone_name;
use super::occurrences::zone;
use super::{HEAD, USUAL_EOL, ZONES, definition, units};
use crate::layout::{self, Places, Unit};
use crate::line::{self, Property};
use crate::moment::{Moment, MomentKind};
use crate::rewrite::Habits;
use crate::{Edits, FieldEdit, FieldError, text};
use heirloom_schema::category::calendar::CALENDAR;
use heirloom_schema::{Content, Value};
use jiff::tz::TimeZoneDatabase;
use std::collections::BTreeSet;
use times::{Asked, Wish};

/// As [`crate::create`].
pub(super) fn create(edits: &[FieldEdit], uid: &str, now_ms: u64) -> Result<Content, FieldError> {
    let has_start = edits.iter().any(|edit| edit.field == "start" && !edit.values().is_empty());
    if !has_start {
        return Err(FieldError::Required { field: "start".to_owned() });
    }
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Heirloom//Heirloom//EN".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", text::escaped(uid)),
        format!("DTSTAMP:{}", Moment::from_wall_ms(now_ms).to_basic()),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    let bytes: Vec<u8> = lines.iter().flat_map(|line| line::folded(line, USUAL_EOL)).collect();
    let content = super::stored(&bytes);
    let content = layout::changed(&content, &edit(&content, edits)?);
    let mut file = Vec::new();
    units(&content).iter().for_each(|unit| layout::write(unit.value, USUAL_EOL, &mut file));
    Ok(super::stored(&file))
}

/// As [`crate::edit`].
pub(super) fn edit(content: &Content, edits: &[FieldEdit]) -> Result<Edits, FieldError> {
    let main = main_sequence(&units(content));
    let mut event = Event {
        main: main.ok_or_else(|| FieldError::Required { field: "start".to_owned() })?,
        habits: Habits {
            eol: layout::eol_of(content, USUAL_EOL).to_owned(),
            is_old: is_old(&units(content)),
        },
        content: content.clone(),
    };
    let mut wish = Wish::default();
    for edit in edits {
        let value =
            edit.values().first().map(|value| value.trim()).filter(|value| !value.is_empty());
        match edit.field.as_str() {
            "title" => event.set_text("SUMMARY", value),
            "location" => event.set_text("LOCATION", value),
            "description" => event.set_text("DESCRIPTION", value),
            "rrule" => {
                let rule = value.map(rule).transpose()?;
                event.set_value("RRULE", rule);
                wish.has_rule = true;
            }
            "start" => wish.start = Some(value.map(|value| asked("start", value)).transpose()?),
            "end" => wish.end = Some(value.map(|value| asked("end", value)).transpose()?),
            "all_day" => wish.all_day = value.map(truth).transpose()?,
            "timezone" => wish.zone = Some(value.map(|value| event.known_zone(value)).transpose()?),
            field => {
                let field = field.to_owned();
                return Err(FieldError::Unknown { category: CALENDAR.id, field });
            }
        }
    }
    let has_rule = wish.has_rule;
    event.set_times(wish)?;
    if has_rule {
        event.fit_end();
    }
    Ok(layout::difference(content, &event.content))
}

/// As [`crate::ends_early`].
pub(super) fn ends_early(content: &Content) -> bool {
    let Some(main) = main_sequence(&units(content)) else { return false };
    let habits = Habits { eol: USUAL_EOL.to_owned(), is_old: false };
    let event = Event { main, habits, content: content.clone() };
    let start = event.find(&event.main, "DTSTART").1.as_ref().and_then(time);
    let (_, end) = event.old_end();
    let (Some(start), Some(end)) = (start, end) else { return false };
    let is_day = |time: &Time| time.moment.kind == MomentKind::Date;
    is_day(&start) != is_day(&end) || event.is_early(&start, &end)
}

/// Returns whether a calendar is a vCalendar 1.0.
fn is_old(units: &[Unit<'_>]) -> bool {
    let mut head = units.iter().filter(|unit| unit.sequence() == HEAD);
    let version = head.find(|unit| unit.name().as_deref() == Some("VERSION"));
    let version = version.and_then(Unit::property);
    version.is_some_and(|property| property.text().trim() == "1.0")
}

/// An event that is being edited.
struct Event {
    content: Content,
    main: String,
    habits: Habits,
}

impl Event {
    /// Returns the keys of a property's lines, with the first line read.
    fn find(&self, sequence: &str, name: &str) -> (Vec<String>, Option<Property>) {
        let units = units(&self.content);
        let found = units.iter().filter(|unit| unit.sequence() == sequence);
        let found: Vec<&Unit<'_>> =
            found.filter(|unit| unit.name().as_deref() == Some(name)).collect();
        let keys = found.iter().map(|unit| unit.key.to_owned()).collect();
        (keys, found.first().and_then(|unit| unit.property()))
    }

    fn set_text(&mut self, name: &str, text: Option<&str>) {
        let escaped = match self.habits.is_old {
            true => text::escaped_plainly,
            false => text::escaped,
        };
        self.set_value(name, text.map(escaped));
    }

    fn set_value(&mut self, name: &str, value: Option<String>) {
        let main = self.main.clone();
        self.set(&main, name, value.map(|value| (String::new(), value)));
    }

    /// Makes this the only line of a property; the value comes with the
    /// parameters that it needs. Other parameters of the line stay.
    fn set(&mut self, sequence: &str, name: &str, value: Option<(String, String)>) {
        let (keys, old) = self.find(sequence, name);
        let Some((parameters, value)) = value else {
            for key in &keys {
                layout::take(&mut self.content, key, &self.habits.eol);
            }
            return;
        };
        let is_same = |old: &Property| old.text() == value && time_parameters(old) == parameters;
        if old.as_ref().is_some_and(is_same) {
            return;
        }
        let prefix = match &old {
            Some(old) if time_parameters(old) == parameters => old.prefix.clone(),
            Some(old) => with_time_parameters(old, &parameters),
            None => format!("{name}{parameters}:"),
        };
        let property = old.or_else(|| Property::read(prefix.as_bytes()));
        let Some(property) = property else { return };
        let line = self.habits.line(&property, &prefix, &value);
        match keys.first() {
            Some(key) => layout::put(&mut self.content, key, line, &self.habits.eol),
            None => self.insert(sequence, name, line),
        }
    }

    /// Adds a line behind the last property of its sequence.
    fn insert(&mut self, sequence: &str, name: &str, line: Value) {
        let units = units(&self.content);
        let mut own = units.iter().rev().filter(|unit| unit.sequence() == sequence);
        let is_property = |unit: &&Unit<'_>| line::marker(unit.raw()).is_none();
        let begin = units.iter().find(|unit| unit.sequence() == sequence);
        let low = own.find(is_property).or(begin).map(Unit::order);
        let place = Places::of(&units).after(low, &layout::single_tie(name));
        self.content.insert(format!("{sequence}{place}"), line);
    }

    /// Defines the zones that the component's times name now, for those readers
    /// that know no database. What another program defined, or did not, stays as
    /// it is. Nothing is taken away: a definition that nobody names does no harm,
    /// and another device may name its zone in an edit that is on its way.
    fn define(&mut self, old: &[Option<Time>]) {
        if self.habits.is_old {
            return;
        }
        let times = self.times();
        let (named, first) = named_zones(&times);
        let (known, was_first) = named_zones(old);
        let Some(first) = first else { return };
        if let Some(was_first) = was_first.filter(|was| *was != first) {
            self.redefine(was_first, first);
        }
        for zone in named.difference(&known) {
            let missing = self.defined(zone, first).filter(|_| self.zone(zone).is_none());
            if let Some((key, definition)) = self.zone_key(zone).zip(missing) {
                self.content.insert(key, definition);
            }
        }
    }

    /// Writes anew, each in its place, what was defined here for a component that
    /// began at one time and begins at another.
    fn redefine(&mut self, was: Moment, now: Moment) {
        let units = units(&self.content);
        let zones = units.iter().filter(|unit| unit.sequence() == ZONES);
        let anew = zones.filter_map(|unit| {
            let name = zone_name(unit)?;
            // What another program defined is not what would be written here.
            self.defined(&name, was).filter(|ours| ours == unit.value)?;
            let definition = self.defined(&name, now).filter(|anew| anew != unit.value)?;
            Some((unit.key.to_owned(), definition))
        });
        let anew: Vec<(String, Value)> = anew.collect();
        self.content.extend(anew);
    }

    /// Returns the key of a definition that is added: before the first component,
    /// among the lines that came with the record. Devices that each added other
    /// zones before so write one key.
    fn zone_key(&self, zone: &str) -> Option<String> {
        let units = units(&self.content);
        let born = units.iter().filter(|unit| !unit.order().contains('.')).copied();
        let tie = layout::single_tie(&format!("{ZONE}/{zone}"));
        let key = |among: &[Unit<'_>]| {
            let component = among.iter().position(|unit| unit.sequence().starts_with('e'))?;
            let low = component.checked_sub(1).and_then(|at| among.get(at)).map(Unit::order);
            Some(format!("{ZONES}{}", Places::of(among).after(low, &tie)))
        };
        let own = key(&born.collect::<Vec<_>>());
        own.filter(|key| !self.content.contains_key(key)).or_else(|| key(&units))
    }

    fn defined(&self, zone: &str, start: Moment) -> Option<Value> {
        let eol = &self.habits.eol;
        Some(layout::stored(&definition::definition(zone, start, eol)?, eol))
    }

    /// Returns the key and the definition of a zone.
    fn zone(&self, name: &str) -> Option<(String, Value)> {
        let units = units(&self.content);
        let mut zones = units.iter().filter(|unit| unit.sequence() == ZONES);
        let found = zones.find(|unit| zone_name(unit).as_deref() == Some(name))?;
        Some((found.key.to_owned(), found.value.clone()))
    }

    /// Returns a zone that a user names: one of the database or of Windows, or
    /// one that the record itself names or defines already.
    fn known_zone(&self, value: &str) -> Result<String, FieldError> {
        let database = TimeZoneDatabase::bundled();
        let is_known = || {
            zone::named(&database, value).is_some()
                || zone::of_windows(&database, value).is_some()
                || self.zone(value).is_some()
                || self.times().iter().flatten().any(|time| time.zone.as_deref() == Some(value))
        };
        match !value.contains(['"', '\n', '\r']) && is_known() {
            true => Ok(value.to_owned()),
            false => Err(FieldError::Value {
                field: "timezone".to_owned(),
                value: value.to_owned(),
                expected: "a name like Europe/Berlin",
            }),
        }
    }

    /// Returns the times of the component: its start, its end, when it is due.
    fn times(&self) -> [Option<Time>; 3] {
        let names = ["DTSTART", "DTEND", "DUE"];
        names.map(|name| self.find(&self.main, name).1.as_ref().and_then(time))
    }

    /// Returns the property that ends the component, and the time that it holds.
    fn old_end(&self) -> (&'static str, Option<Time>) {
        let units = units(&self.content);
        let own = units.iter().find(|unit| unit.sequence() == self.main);
        let is_task = own.and_then(|unit| line::marker(unit.raw()))
            == Some(line::Marker::Begin("VTODO".to_owned()));
        let name = if is_task { "DUE" } else { "DTEND" };
        (name, self.find(&self.main, name).1.as_ref().and_then(time))
    }
}

/// Returns the zones that times name, and the first of the times.
fn named_zones(times: &[Option<Time>]) -> (BTreeSet<&str>, Option<Moment>) {
    let named = times.iter().flatten().filter_map(|time| time.zone.as_deref());
    (named.collect(), times.iter().flatten().map(|time| time.moment).next())
}

/// Returns the parameters and the value of a time.
fn written(moment: Moment, zone: Option<&str>) -> (String, String) {
    let parameters = match (moment.kind, zone) {
        (MomentKind::Date, _) => ";VALUE=DATE".to_owned(),
        (MomentKind::Local, Some(zone)) if zone.contains([':', ';', ',']) => {
            format!(";TZID=\"{zone}\"")
        }
        (MomentKind::Local, Some(zone)) => format!(";TZID={zone}"),
        (MomentKind::Local, None) | (MomentKind::Utc, _) => String::new(),
    };
    (parameters, moment.to_basic())
}

/// Returns the parameters of a line that say how its time is meant.
fn time_parameters(property: &Property) -> String {
    let parts = parameters(property).into_iter();
    parts.filter(|part| is_time_parameter(part)).map(|part| format!(";{part}")).collect()
}

/// Returns a line's beginning with other parameters about its time.
fn with_time_parameters(property: &Property, wanted: &str) -> String {
    let head = property.prefix.strip_suffix(':').unwrap_or(&property.prefix);
    let name = head.split(';').next().unwrap_or_default();
    let parts = parameters(property).into_iter();
    let kept: String =
        parts.filter(|part| !is_time_parameter(part)).map(|part| format!(";{part}")).collect();
    format!("{name}{wanted}{kept}:")
}

fn is_time_parameter(part: &str) -> bool {
    let upper = part.to_ascii_uppercase();
    upper.starts_with("TZID=")
        || matches!(upper.as_str(), "VALUE=DATE" | "VALUE=DATE-TIME" | "VALUE=PERIOD")
}

/// Returns the parameters of a line as they are written.
fn parameters(property: &Property) -> Vec<&str> {
    let head = property.prefix.strip_suffix(':').unwrap_or(&property.prefix);
    let mut is_quoted = false;
    let parts = head.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ';' && !is_quoted
    });
    parts.skip(1).collect()
}

fn asked(field: &str, value: &str) -> Result<Asked, FieldError> {
    let asked = Moment::parse(value).map(|moment| Asked { moment, text: value.to_owned() });
    asked.ok_or_else(|| FieldError::Value {
        field: field.to_owned(),
        value: value.to_owned(),
        expected: "a time like 2026-12-24T18:00, 2026-12-24T18:00:00Z or 2026-12-24",
    })
}

fn truth(value: &str) -> Result<bool, FieldError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(FieldError::Value {
            field: "all_day".to_owned(),
            value: value.to_owned(),
            expected: "true or false",
        }),
    }
}

fn rule(value: &str) -> Result<String, FieldError> {
    let rule = value.strip_prefix("RRULE:").unwrap_or(value);
    let is_written = rule.bytes().all(|byte| byte.is_ascii_graphic());
    // Files that break the standard are read all the same.
    match is_written && Rule::is_sound(rule) {
        true => Ok(rule.to_owned()),
        false => Err(FieldError::Value {
            field: "rrule".to_owned(),
            value: value.to_owned(),
            expected: "a rule like FREQ=WEEKLY;BYDAY=TU",
        }),
    }
}

#[cfg(test)]
mod tests;
