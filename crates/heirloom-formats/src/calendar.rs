//! Events, tasks and journal entries as iCalendar (RFC 5545).
//!
//! One record holds the components of one UID: a series and its moved
//! occurrences. Keys: `c` for the calendar's own lines, `z` for each time
//! zone, `e<occurrence>/l` for the lines of a component, each followed by the
//! line's order; a component inside a component is one value.

mod aligned;
mod compose;
mod cut;
mod definition;
mod edit;
mod exceptions;
mod fields;
pub(crate) mod occurrences;

use crate::births::Slot;
use crate::format::{Format, is_misnamed};
use crate::import::Import;
use crate::item::{Fate, Item, ItemError, Part, RawItem, Skipped, Split};
use crate::layout::{self, Unit};
use crate::line::{self, Marker};
use crate::merge::{Lines, Replacement};
use crate::moment::Moment;
use crate::{Edits, FieldEdit, FieldError, Projection, encoding, file_name, merge, order, text};
use compose::Parts;
use cut::{Cut, ZONE};
use heirloom_base::limits;
use heirloom_schema::category::calendar::CALENDAR;
use heirloom_schema::{CategorySpec, Content, Value};
use std::collections::BTreeMap;

const HEAD: &str = "c";
const ZONES: &str = "z";

/// Endings of calendars.
pub(crate) const ENDINGS: &[&str] = &["ics", "ical", "ifb"];

const USUAL_EOL: &str = "\r\n";

/// iCalendar objects.
#[derive(Debug)]
pub(crate) struct Calendars;

impl Format for Calendars {
    fn category(&self) -> &'static CategorySpec {
        &CALENDAR
    }

    fn recognises(&self, name: &str, bytes: &[u8]) -> bool {
        let is_named = file_name::ends_in(name, ENDINGS);
        let bytes = bytes.strip_prefix(encoding::MARK).unwrap_or(bytes).trim_ascii_start();
        let head = bytes.get(..15);
        head.is_some_and(|head| head.eq_ignore_ascii_case(b"BEGIN:VCALENDAR"))
            || (is_named && !is_misnamed(bytes, b"BEGIN:VCALENDAR"))
    }

    fn split(&self, name: &str, bytes: &[u8]) -> Split {
        self.parts(name, bytes).collect()
    }

    fn parts<'a>(&self, name: &str, bytes: &'a [u8]) -> Box<dyn Iterator<Item = Part> + 'a> {
        let (mark, bytes) = encoding::cut_mark(bytes);
        let mut parts = Parts::of(name, bytes, mark).peekable();
        let reason = "the calendar holds no event".to_owned();
        let nothing = Skipped { line: 1, reason, fate: Fate::LeftOut };
        let nothing = parts.peek().is_none().then_some(Err(nothing));
        Box::new(parts.chain(nothing))
    }

    fn file_bytes_max(&self, name: &str) -> usize {
        let _ = name; // Every calendar may be as large.
        limits::CALENDAR_FILE_BYTES_MAX
    }

    fn parse(&self, raw: &RawItem) -> Result<Item, ItemError> {
        let error = |line: usize, reason: &str| ItemError::new(raw.line + line - 1, reason);
        let is_long = raw.bytes.len() > order::LINES_MAX;
        if is_long && line::content_lines(&raw.bytes).nth(order::LINES_MAX).is_some() {
            return Err(error(1, "it has more than 1048575 lines"));
        }
        let cut = Cut::of(&raw.bytes);
        if let Some(skipped) = cut.split.skipped.first() {
            return Err(error(skipped.line, &skipped.reason));
        }
        if let Some(second) = cut.calendars.get(1) {
            return Err(error(second.line, "a second calendar begins here"));
        }
        match compose::groups(&cut).as_slice() {
            [group] => {
                if let Some(reason) = group.excess(&cut) {
                    return Err(error(group.line(&cut), &reason));
                }
            }
            [] => return Err(error(1, "the calendar holds no event")),
            [_, second, ..] => {
                return Err(error(second.line(&cut), "a component with another UID begins here"));
            }
        }
        let content = stored(&raw.bytes);
        Ok(Item { category: &CALENDAR, uid: uid_of(&units(&content)), content, is_whole: true })
    }

    fn fingerprint(&self, content: &Content) -> Vec<Vec<u8>> {
        let units = units(content);
        let counted = units.iter().filter(|unit| unit.sequence().starts_with('e'));
        let counted = counted.filter(|unit| !is_bookkeeping(unit.raw()));
        counted.map(|unit| line::unfolded(unit.raw())).collect()
    }

    fn render(&self, content: &Content, uid: Option<&str>) -> Vec<u8> {
        let settled = merge::settled(self, content, exceptions::read);
        let content = settled.as_ref().unwrap_or(content);
        let eol = layout::eol_of(content, USUAL_EOL);
        let mut file = Vec::new();
        for run in runs(units(content)) {
            let is_event = run.first().is_some_and(|unit| unit.sequence().starts_with('e'));
            let uid = uid.filter(|_| is_event && uid_of(&run).is_none());
            for (index, unit) in run.iter().enumerate() {
                layout::write(unit.value, eol, &mut file);
                if let Some(uid) = uid.filter(|_| index == 0) {
                    file.extend(line::folded(&format!("UID:{}", text::escaped(uid)), eol));
                }
            }
        }
        layout::close(content, eol, &mut file);
        file
    }

    fn file_stem(&self, content: &Content, uid: &str) -> String {
        file_name::stem(&self.project(content).title, uid)
    }

    fn create(&self, edits: &[FieldEdit], uid: &str, now_ms: u64) -> Result<Content, FieldError> {
        edit::create(edits, uid, now_ms)
    }

    fn edit(&self, content: &Content, edits: &[FieldEdit], tie: &str) -> Result<Edits, FieldError> {
        let _ = tie; // Every field stands once, and its key says so.
        edit::edit(content, edits)
    }

    fn lines(&self) -> &dyn Lines {
        self
    }

    fn replace(
        &self,
        base: &Content,
        current: &Content,
        imported: &Content,
        tie: &str,
    ) -> Replacement {
        let base = aligned::aligned(base, current);
        let imported = aligned::aligned(imported, current);
        let base = exceptions::adopted(&base, current, &imported);
        aligned::whole(merge::replace(self, &base, current, &imported, tie), current)
    }

    fn parts_held(&self, content: &Content) -> Vec<String> {
        exceptions::parts(content)
    }

    fn taken(&self, content: Content) -> Content {
        exceptions::taken(content)
    }

    fn is_whole_import(&self, last: &RawItem) -> bool {
        exceptions::read(&last.bytes).is_some()
    }

    fn import(
        &self,
        last: Option<&RawItem>,
        birth: Content,
        item: (&RawItem, &Content),
    ) -> Result<Import, ItemError> {
        exceptions::import(last.map(|last| last.bytes.as_slice()), birth, item)
    }

    fn main_component(&self, content: &Content) -> Option<String> {
        fields::main_sequence(&units(content))
    }

    fn occurrence_of(&self, component: &str) -> Option<String> {
        let name = component.strip_prefix('e')?.strip_suffix("/l")?;
        let name = name.split('~').next().filter(|name| !name.is_empty())?;
        let time = Moment::parse(name).map(Moment::to_extended);
        Some(time.unwrap_or_else(|| name.to_owned()))
    }

    fn project(&self, content: &Content) -> Projection {
        fields::project(content)
    }

    fn field_of(&self, key: &str, value: &Value) -> Option<String> {
        self.cut(key)?;
        let raw = value.as_raw()?;
        let name = match line::marker(raw) {
            Some(Marker::Begin(name) | Marker::End(name)) => name,
            None => line::name_of(raw)?,
        };
        Some(fields::field_of(&name).map_or_else(|| name.to_lowercase(), str::to_owned))
    }

    fn is_bookkeeping(&self, key: &str, value: &Value) -> bool {
        match self.cut(key) {
            Some(_) => value.as_raw().is_some_and(is_bookkeeping),
            None => true,
        }
    }

    fn is_structure(&self, key: &str, value: &Value) -> bool {
        let Some(raw) = value.as_raw() else { return false };
        match line::marker(raw) {
            _ if key.starts_with(ZONES) => true,
            // A component inside another, such as an alarm, is one value.
            Some(Marker::Begin(_)) => line::content_lines(raw).count() == 1,
            Some(Marker::End(_)) => true,
            None => {
                let name = line::name_of(raw);
                matches!(name.as_deref(), Some("VERSION" | "CALSCALE" | "METHOD" | "UID"))
            }
        }
    }
}

impl Lines for Calendars {
    fn cut(&self, key: &str) -> Option<usize> {
        if key.starts_with('e') {
            let cut = key.find("/l")? + 2;
            return layout::cut_after(key, key.get(..cut)?);
        }
        layout::cut_after(key, HEAD).or_else(|| layout::cut_after(key, ZONES))
    }

    fn is_identity(&self, unit: &Unit<'_>) -> bool {
        unit.name().as_deref() == Some("UID")
    }

    fn slot(&self, unit: &Unit<'_>) -> Slot {
        const MANY: &[&str] = &[
            "ATTACH",
            "ATTENDEE",
            "CATEGORIES",
            "COMMENT",
            "CONFERENCE",
            "CONTACT",
            "EXDATE",
            "IMAGE",
            "RDATE",
            "RELATED-TO",
            "REQUEST-STATUS",
            "RESOURCES",
        ];
        let lines = || line::content_lines(unit.raw());
        match unit.name() {
            // A zone, by its name; an alarm is one of many.
            Some(name) if name == "BEGIN" && lines().nth(1).is_some() => {
                let zone = |line: &[u8]| line::name_of(line).as_deref() == Some("TZID");
                let zone =
                    lines().find(|line| zone(line.bytes)).filter(|_| unit.sequence() == ZONES);
                zone.and_then(|line| line::Property::read(line.bytes))
                    .map_or(Slot::Many, |zone| Slot::One(zone.text()))
            }
            Some(name) if name == "BEGIN" || name == "END" => Slot::Frame,
            // An event ends at a time or after a time, and not both.
            Some(name) if ["DTEND", "DUE", "DURATION"].contains(&name.as_str()) => {
                Slot::One("DTEND".to_owned())
            }
            Some(name) if !MANY.contains(&name.as_str()) => Slot::One(name),
            Some(_) | None => Slot::Many,
        }
    }

    fn is_apart(&self, unit: &Unit<'_>) -> bool {
        unit.sequence().starts_with('e')
    }
}

fn is_bookkeeping(line: &[u8]) -> bool {
    let name = line::name_of(line);
    matches!(name.as_deref(), Some("PRODID" | "DTSTAMP" | "LAST-MODIFIED" | "SEQUENCE"))
}

/// As [`crate::ends_early`].
pub(crate) fn ends_early(content: &Content) -> bool {
    edit::ends_early(content)
}

/// As [`crate::is_definition`].
pub(crate) fn is_definition(key: &str) -> bool {
    key.starts_with(ZONES)
}

/// Returns the lines of a record in order.
fn units(content: &Content) -> Vec<Unit<'_>> {
    layout::units(content, |key| Calendars.cut(key))
}

/// Returns the lines as they stand in the file: components stay together,
/// whatever was inserted at one place by two devices.
fn runs(units: Vec<Unit<'_>>) -> Vec<Vec<Unit<'_>>> {
    let mut runs: Vec<Vec<Unit<'_>>> = Vec::new();
    let mut events: BTreeMap<&str, usize> = BTreeMap::new();
    for unit in units {
        let event = unit.sequence().starts_with('e').then(|| unit.sequence());
        match event.and_then(|event| events.get(event)).and_then(|at| runs.get_mut(*at)) {
            Some(run) => run.push(unit),
            None => {
                events.extend(event.map(|event| (event, runs.len())));
                runs.push(vec![unit]);
            }
        }
    }
    runs
}

fn uid_of(units: &[Unit<'_>]) -> Option<String> {
    let own = units.iter().filter(|unit| unit.sequence().starts_with('e'));
    let mut named = own.filter(|unit| unit.name().as_deref() == Some("UID"));
    named.find_map(|unit| {
        let uid = text::unescaped(&unit.property()?.text()).trim().to_owned();
        (!uid.is_empty()).then_some(uid)
    })
}

/// A component whose lines are being stored.
struct Storing {
    name: String,
    depth: usize,
    /// Lines with their place; what belongs to one key is joined.
    lines: Vec<(usize, Vec<u8>)>,
}

/// Returns the content that keeps these bytes, which [`Cut`] found whole.
fn stored(bytes: &[u8]) -> Content {
    let mut content = Content::new();
    layout::note_line_ends(&mut content, bytes, USUAL_EOL);
    let eol = layout::eol_in(bytes);
    let mut taken = BTreeMap::new();
    let mut open: Option<Storing> = None;
    for (index, line) in line::content_lines(bytes).enumerate() {
        let marker = line::marker(line.bytes);
        let Some(storing) = &mut open else {
            match marker {
                Some(Marker::Begin(name)) if name != "VCALENDAR" => {
                    let lines = vec![(index, line.bytes.to_vec())];
                    open = Some(Storing { name, depth: 1, lines });
                }
                Some(Marker::Begin(_) | Marker::End(_)) | None => {
                    let key = format!("{HEAD}{}", order::ordinal(index));
                    content.insert(key, layout::stored(line.bytes, eol));
                }
            }
            continue;
        };
        storing.push(index, line.bytes, marker);
        if storing.depth == 0 {
            let sequence = match storing.name == ZONE {
                true => ZONES.to_owned(),
                false => sequence(&storing.lines, &mut taken),
            };
            for (index, line) in &storing.lines {
                let key = format!("{sequence}{}", order::ordinal(*index));
                content.insert(key, layout::stored(line, eol));
            }
            open = None;
        }
    }
    content
}

impl Storing {
    fn push(&mut self, index: usize, line: &[u8], marker: Option<Marker>) {
        let is_part = self.depth > 1 || self.name == ZONE;
        match self.lines.last_mut().filter(|_| is_part) {
            Some((_, last)) => last.extend_from_slice(line),
            None => self.lines.push((index, line.to_vec())),
        }
        match marker {
            Some(Marker::Begin(_)) => self.depth += 1,
            Some(Marker::End(_)) => self.depth -= 1,
            None => {}
        }
    }
}

/// Returns what the keys of a component's lines begin with: which occurrence
/// it is. A second component of the same occurrence gets a number; `taken`
/// counts those that there were, because a file may hold very many.
fn sequence(lines: &[(usize, Vec<u8>)], taken: &mut BTreeMap<String, usize>) -> String {
    const OCCURRENCE_LETTERS_MAX: usize = 40;
    let line =
        lines.iter().find(|(_, line)| line::name_of(line).as_deref() == Some("RECURRENCE-ID"));
    let value = line.and_then(|(_, line)| line::Property::read(line)).map(|line| line.text());
    let safe = value.unwrap_or_default();
    let safe = safe.trim().chars().take(OCCURRENCE_LETTERS_MAX);
    let safe: String = safe
        .map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' })
        .collect();
    let number = taken.entry(safe.clone()).or_default();
    *number += 1;
    match *number {
        1 => format!("e{safe}/l"),
        number => format!("e{safe}~{number}/l"),
    }
}

#[cfg(test)]
mod tests;
