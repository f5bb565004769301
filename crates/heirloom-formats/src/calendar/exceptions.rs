//! Files of single occurrences: what programs send when one occurrence of a
//! series is moved or cancelled, without the series itself.
//!
//! Such a file stands for its occurrences and nothing else. What a record was
//! imported from last is therefore one file that holds it whole, and behind it
//! the later ones of single occurrences, one calendar after the other: a new
//! file is compared with those that told of the same.

use super::cut::Cut;
use super::occurrences::series::zone_name;
use super::{Calendars, HEAD, USUAL_EOL, ZONES, units};
use crate::encoding;
use crate::format::Format;
use crate::import::Import;
use crate::item::{Item, ItemError, RawItem};
use crate::layout::{self, Places, Unit};
use crate::line::{self, Marker};
use heirloom_schema::category::calendar::CALENDAR;
use heirloom_schema::{Content, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the line of a cancelled occurrence says.
const CANCELLED: &str = "STATUS:CANCELLED";
/// The tie of a line whose own is taken.
const TIE: &str = "00000000";

/// A component of a content.
#[derive(Default)]
struct Component<'a> {
    is_exception: bool,
    lines: Vec<Unit<'a>>,
}

impl Component<'_> {
    fn values(&self) -> Vec<&Value> {
        self.lines.iter().map(|unit| unit.value).collect()
    }
}

/// Returns the components of a content by what their keys begin with.
fn components(content: &Content) -> BTreeMap<&str, Component<'_>> {
    let mut components: BTreeMap<&str, Component<'_>> = BTreeMap::new();
    for unit in units(content).into_iter().filter(|unit| unit.sequence().starts_with('e')) {
        let component = components.entry(unit.sequence()).or_default();
        component.is_exception |= unit.name().as_deref() == Some("RECURRENCE-ID");
        component.lines.push(unit);
    }
    components
}

/// Returns what a content holds of its record: nothing for a name is the
/// series, or an event that is none; the others are single occurrences.
pub(super) fn parts(content: &Content) -> Vec<String> {
    let components = components(content);
    let is_whole = components.is_empty() || components.values().any(|one| !one.is_exception);
    let exceptions = components.iter().filter(|(_, one)| one.is_exception);
    let exceptions = exceptions.map(|(name, _)| (*name).to_owned());
    is_whole.then(String::new).into_iter().chain(exceptions).collect()
}

/// Returns whether a content holds occurrences of a series, and not the series.
fn is_partial(content: &Content) -> bool {
    !parts(content).iter().any(String::is_empty)
}

/// Returns a content whose occurrences each say that they are cancelled, where
/// their calendar does.
pub(super) fn taken(mut content: Content) -> Content {
    let is_cancel = |unit: &Unit<'_>| {
        let is_method = unit.sequence() == HEAD && unit.name().as_deref() == Some("METHOD");
        let property = unit.property().filter(|_| is_method);
        property.is_some_and(|line| line.text().trim().eq_ignore_ascii_case("CANCEL"))
    };
    if !is_partial(&content) || !units(&content).iter().any(is_cancel) {
        return content;
    }
    let mut places = Places::of(&units(&content));
    let mut added = Vec::new();
    for (name, component) in components(&content) {
        let lines = &component.lines;
        if lines.iter().all(|unit| unit.name().as_deref() != Some("STATUS")) {
            let is_property = |unit: &&Unit<'_>| line::marker(unit.raw()).is_none();
            let low = lines.iter().rev().find(is_property).map(Unit::order);
            let order = places.after(low, &layout::single_tie("STATUS"));
            added.push((format!("{name}{order}"), Value::Str(CANCELLED.to_owned())));
        }
    }
    content.extend(added);
    content
}

/// Returns a content with the occurrences of another one, and with those zones
/// of it that it lacks. What is the same in both stays where it stands.
fn completed(whole: &Content, part: &Content) -> Content {
    let part = with_eol(part, layout::eol_of(whole, USUAL_EOL));
    let (own, new) = (components(whole), components(&part));
    let is_new = |(name, one): &(&&str, &Component<'_>)| {
        own.get(**name).is_none_or(|own| own.values() != one.values())
    };
    let new: Vec<_> = new.iter().filter(is_new).collect();
    let old = new.iter().filter_map(|(name, _)| own.get(**name)).flat_map(|one| &one.lines);
    let old: BTreeSet<&str> = old.map(|unit| unit.key).collect();
    let mut content = whole.clone();
    content.retain(|key, _| !old.contains(key.as_str()));
    let left = units(&content);
    let end = left.iter().rposition(|unit| unit.sequence() == HEAD && is_end(unit));
    let first = left.iter().position(|unit| unit.sequence().starts_with('e')).or(end);
    let before = |at: Option<usize>| {
        let at = at.unwrap_or(left.len()).checked_sub(1)?;
        left.get(at).map(|unit| unit.order().to_owned())
    };
    let known: BTreeSet<String> = zones(&left).map(|(name, _)| name).collect();
    let part_units = units(&part);
    let zones = zones(&part_units).filter(|(name, _)| !known.contains(name));
    let mut placing = Placing { places: Places::of(&left), low: before(first), added: Vec::new() };
    zones.for_each(|(_, unit)| placing.add(ZONES, unit.value));
    if first != end {
        placing.low = before(end);
    }
    for (name, component) in new {
        component.lines.iter().for_each(|unit| placing.add(name, unit.value));
    }
    let added = placing.added;
    content.extend(added);
    content
}

/// Lines that are added one behind the other.
struct Placing {
    places: Places,
    low: Option<String>,
    added: Vec<(String, Value)>,
}

impl Placing {
    fn add(&mut self, sequence: &str, value: &Value) {
        let order = self.places.of_line(self.low.as_deref(), value, TIE);
        self.added.push((format!("{sequence}{order}"), value.clone()));
        self.low = Some(order);
    }
}

fn is_end(unit: &Unit<'_>) -> bool {
    line::marker(unit.raw()) == Some(Marker::End("VCALENDAR".to_owned()))
}

/// Returns the zones among lines by their names.
fn zones<'a>(units: &'a [Unit<'a>]) -> impl Iterator<Item = (String, Unit<'a>)> {
    let zones = units.iter().filter(|unit| unit.sequence() == ZONES);
    zones.filter_map(|unit| Some((zone_name(unit)?, *unit)))
}

/// Returns a content whose lines end in another way.
fn with_eol(content: &Content, eol: &str) -> Content {
    let own = layout::eol_of(content, USUAL_EOL);
    if own == eol {
        return content.clone();
    }
    let line = |value: &Value| {
        let mut written = Vec::new();
        layout::write(value, own, &mut written);
        let lines = line::physical_lines(&written);
        let lines: Vec<u8> = lines
            .flat_map(|line| [line::without_terminator(line), eol.as_bytes()].concat())
            .collect();
        layout::stored(&lines, eol)
    };
    let is_line = |key: &str| crate::merge::Lines::cut(&Calendars, key).is_some();
    let lines = content.iter().filter(|(key, _)| is_line(key));
    lines.map(|(key, value)| (key.clone(), line(value))).collect()
}

/// Returns the base of a re-import with what the record has of that which the
/// base lacks and the file holds: there the file says what is to be.
pub(super) fn adopted(base: &Content, current: &Content, imported: &Content) -> Content {
    let (own, here, new) = (components(base), components(current), components(imported));
    let lacking = new.keys().filter(|name| !own.contains_key(**name));
    let lines = lacking.filter_map(|name| here.get(*name)).flat_map(|one| &one.lines);
    let mut adopted = base.clone();
    adopted.extend(lines.map(|unit| (unit.key.to_owned(), unit.value.clone())));
    let (base, current, imported) = (units(base), units(current), units(imported));
    let own: BTreeSet<String> = zones(&base).map(|(name, _)| name).collect();
    let new: BTreeSet<String> = zones(&imported).map(|(name, _)| name).collect();
    for (name, unit) in zones(&current) {
        let is_free = !adopted.contains_key(unit.key);
        if is_free && new.contains(&name) && !own.contains(&name) {
            adopted.insert(unit.key.to_owned(), unit.value.clone());
        }
    }
    adopted
}

/// What a record was imported from last.
#[derive(Default)]
struct Files {
    /// The file that holds it whole, and its content.
    whole: Option<(Vec<u8>, Content)>,
    /// Later files of single occurrences.
    parts: Vec<Content>,
}

impl Files {
    /// Reads what [`Files::text`] wrote.
    fn read(bytes: &[u8]) -> Self {
        let (plain, mark) = encoding::plain(bytes);
        let begins = Cut::of(&plain).calendars.into_iter().map(|calendar| calendar.begin.start);
        let mut begins: Vec<usize> = begins.skip(1).collect();
        begins.push(plain.len());
        let mut files = Self::default();
        let mut start = 0;
        for end in begins {
            let file = plain.get(start..end).unwrap_or_default();
            start = end;
            let (name, bytes) = (String::new(), file.to_vec());
            let raw = RawItem { category: &CALENDAR, name, line: 1, bytes };
            let Ok(Item { mut content, .. }) = Calendars.parse(&raw) else { continue };
            match is_partial(&content) {
                true => files.parts.push(taken(content)),
                false => {
                    let file = mark.map_or_else(|| file.to_vec(), |mark| mark.written(file));
                    content.extend(mark.map(|mark| (encoding::KEY.to_owned(), mark.value())));
                    files.whole = Some((file, content));
                }
            }
        }
        files
    }

    /// Returns all files, one behind the other, in the encoding of the first.
    fn text(&self) -> Vec<u8> {
        let whole = self.whole.as_ref().map(|(bytes, _)| encoding::plain(bytes));
        let (mut text, mark) =
            whole.map_or((Vec::new(), None), |(text, mark)| (text.into_owned(), mark));
        for part in &self.parts {
            if !text.is_empty() && !text.ends_with(b"\n") {
                text.extend_from_slice(USUAL_EOL.as_bytes());
            }
            text.extend(Calendars.render(part, None));
        }
        mark.map_or_else(|| text.clone(), |mark| mark.written(&text))
    }
}

/// Returns the content of the last imports of a record, as it stands in
/// [`Import::text`].
pub(super) fn read(bytes: &[u8]) -> Option<Content> {
    let files = Files::read(bytes);
    let (_, whole) = files.whole?;
    Some(files.parts.iter().fold(whole, |whole, part| completed(&whole, part)))
}

/// As [`crate::Import::of`].
pub(super) fn import(
    last: Option<&[u8]>,
    birth: Content,
    (raw, content): (&RawItem, &Content),
) -> Result<Import, ItemError> {
    let mut files = last.map(Files::read).unwrap_or_default();
    if is_partial(content) {
        let whole = files.whole.as_ref().map_or(&birth, |(_, content)| content);
        let base = files.parts.iter().fold(whole.clone(), |base, part| completed(&base, part));
        let imported = completed(&base, content);
        let names = components(content);
        files.parts.retain(|part| components(part).keys().any(|name| !names.contains_key(name)));
        files.parts.push(content.clone());
        verify(raw, &imported)?;
        return Ok(Import { base, imported, text: files.text() });
    }
    let mut whole = files.whole.take().map_or(birth, |(_, content)| content);
    if is_partial(&whole) {
        files.parts.insert(0, whole.clone());
        let units = units(content);
        let known: BTreeSet<String> = zones(&units).map(|(name, _)| name).collect();
        whole.retain(|key, value| match key {
            key if key.starts_with('e') && key.contains("/l") => false,
            key if key.starts_with(ZONES) => zone_name(&Unit { key, cut: ZONES.len(), value })
                .is_some_and(|name| known.contains(&name)),
            _ => true,
        });
    }
    let base = told(&whole, content, &files.parts);
    let (was, is) = (components(&whole), components(content));
    let is_alike = |name: &str| {
        let (was, is) = (was.get(name), is.get(name));
        was.map(Component::values) == is.map(Component::values)
    };
    files.parts.retain(|part| components(part).keys().any(|name| is_alike(name)));
    files.whole = Some((raw.bytes.clone(), content.clone()));
    Ok(Import { base, imported: content.clone(), text: files.text() })
}

/// Returns what the last imports told of what a whole file holds: of an
/// occurrence that the file changed since, what a later file of it told.
fn told(whole: &Content, content: &Content, parts: &[Content]) -> Content {
    let (was, is) = (components(whole), components(content));
    let is_changed = |name: &str| {
        is.get(name).is_some_and(|is| was.get(name).is_none_or(|was| was.values() != is.values()))
    };
    let mut base = whole.clone();
    for part in parts {
        let changed = components(part).into_iter().filter(|(name, _)| is_changed(name));
        let lines = changed.flat_map(|(_, component)| component.lines);
        let lines = lines.map(|unit| (unit.key.to_owned(), unit.value.clone()));
        let eol = part.get_key_value(layout::EOL).map(|(key, value)| (key.clone(), value.clone()));
        base = completed(&base, &lines.chain(eol).collect());
    }
    base
}

/// Checks that a record with one more occurrence can be imported again.
fn verify(raw: &RawItem, imported: &Content) -> Result<(), ItemError> {
    let bytes = Calendars.render(imported, None);
    let whole = RawItem { category: &CALENDAR, bytes, ..raw.clone() };
    Calendars.parse(&whole).map(drop).map_err(|error| ItemError::new(raw.line, error.reason))
}

#[cfg(test)]
mod tests;
