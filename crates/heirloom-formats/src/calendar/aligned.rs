//! Files of a series that was moved here.
//!
//! The keys of an exception begin with the occurrence that it replaced when it
//! came, and a series that is moved leaves them so. A file of the moved series
//! names the new occurrence, and is read under the keys that the record has.

use super::{Calendars, units};
use crate::layout::Unit;
use crate::line::{self, Marker};
use crate::merge::{Lines, Replacement};
use heirloom_schema::{Content, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The sequence of a series itself.
const SERIES: &str = "e/l";

/// What the keys of a file begin with, and what they are to begin with.
type Names = BTreeMap<String, String>;

/// The components of a record, by what their keys begin with.
struct Components<'a> {
    /// In the order of the file, each with the line that names its occurrence.
    all: Vec<(&'a str, Option<&'a [u8]>)>,
    starts: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Components<'a> {
    fn of(units: &[Unit<'a>]) -> Self {
        let mut components = Self { all: Vec::new(), starts: BTreeMap::new() };
        let mut places = BTreeMap::new();
        for unit in units.iter().filter(|unit| unit.sequence().starts_with('e')) {
            let sequence = unit.sequence();
            let place = *places.entry(sequence).or_insert_with(|| {
                components.all.push((sequence, None));
                components.all.len() - 1
            });
            match unit.name().as_deref() {
                Some("RECURRENCE-ID") => {
                    if let Some((_, named)) = components.all.get_mut(place) {
                        named.get_or_insert(unit.raw());
                    }
                }
                Some("DTSTART") => drop(components.starts.entry(sequence).or_insert(unit.value)),
                Some(_) | None => {}
            }
        }
        components
    }

    /// Returns what the keys of a file would begin with, and what those of the
    /// record do; nothing where that is the same.
    fn moved(&self) -> Names {
        let mut taken = BTreeMap::new();
        let named = self.all.iter().map(|(own, line)| {
            let lines: Vec<(usize, Vec<u8>)> = line.iter().map(|raw| (0, raw.to_vec())).collect();
            (super::sequence(&lines, &mut taken), (*own).to_owned())
        });
        let named: Names = named.collect();
        match named.iter().all(|(named, own)| named == own) {
            true => Names::new(),
            false => named,
        }
    }

    /// Returns the names of a file whose series stood elsewhere: its
    /// exceptions are known by the times that they have.
    fn by_start(&self, record: &Self) -> Names {
        let exceptions = record.starts.iter().filter(|(name, _)| **name != SERIES);
        let known: BTreeMap<&Value, &str> =
            exceptions.map(|(name, start)| (*start, *name)).collect();
        let own = self.starts.iter().filter(|(name, _)| **name != SERIES);
        let named = own.filter_map(|(name, start)| Some((*name, *known.get(*start)?)));
        named.map(|(name, own)| (name.to_owned(), own.to_owned())).collect()
    }
}

/// Returns what a file holds, under the keys that the record has for it.
pub(super) fn aligned<'a>(imported: &'a Content, current: &Content) -> Cow<'a, Content> {
    let record = Components::of(&units(current));
    let moved = record.moved();
    if moved.is_empty() {
        return Cow::Borrowed(imported);
    }
    let file = Components::of(&units(imported));
    let sequences: BTreeSet<&str> = file.all.iter().map(|(name, _)| *name).collect();
    let exceptions = || moved.iter().filter(|(_, own)| *own != SERIES);
    let new = exceptions().filter(|(name, _)| sequences.contains(name.as_str())).count();
    let old = exceptions().filter(|(_, own)| sequences.contains(own.as_str())).count();
    let start = file.starts.get(SERIES);
    let is_moved = start.is_some() && start == record.starts.get(SERIES);
    let names = match (is_moved || new > old, old) {
        (true, _) => moved,
        (false, 0) => file.by_start(&record),
        (false, _) => return Cow::Borrowed(imported),
    };
    Cow::Owned(renamed(imported, &names, &sequences))
}

/// Returns a content whose components have other names; one whose name another
/// has now gets a number.
fn renamed(content: &Content, names: &Names, sequences: &BTreeSet<&str>) -> Content {
    let mut taken: BTreeSet<String> = names.values().cloned().collect();
    let mut all = names.clone();
    for name in sequences {
        if names.contains_key(*name) || !taken.contains(*name) {
            continue;
        }
        let stem = name.strip_suffix("/l").unwrap_or(name);
        let stem = stem.split('~').next().unwrap_or(stem);
        let mut numbered = (2..).map(|number: usize| format!("{stem}~{number}/l"));
        let free = numbered.find(|one| !taken.contains(one) && !sequences.contains(one.as_str()));
        if let Some(free) = free {
            taken.insert(free.clone());
            all.insert((*name).to_owned(), free);
        }
    }
    let key = |key: &str| {
        let (name, order) = key.split_at_checked(Calendars.cut(key)?)?;
        Some(format!("{}{order}", all.get(name)?))
    };
    let lines = content.iter();
    lines.map(|(own, value)| (key(own).unwrap_or_else(|| own.clone()), value.clone())).collect()
}

/// Returns what a re-import does, without lines of an exception that has no
/// begin then: nothing could read them.
pub(super) fn whole(mut replacement: Replacement, current: &Content) -> Replacement {
    let sequence = |key: &str| {
        let name = key.get(..Calendars.cut(key)?)?;
        (name.starts_with('e') && name != SERIES).then(|| name.to_owned())
    };
    let touched: BTreeSet<String> =
        replacement.edits.iter().filter_map(|(key, _)| sequence(key)).collect();
    if touched.is_empty() {
        return replacement;
    }
    let after = crate::layout::changed(current, &replacement.edits);
    let begins = after.iter().filter(|(_, value)| {
        let raw = value.as_raw().unwrap_or_default();
        // A component inside another, such as an alarm, is one value.
        matches!(line::marker(raw), Some(Marker::Begin(_)))
            && line::content_lines(raw).nth(1).is_none()
    });
    let begun: BTreeSet<String> = begins.filter_map(|(key, _)| sequence(key)).collect();
    let is_stray = |key: &str| {
        sequence(key).is_some_and(|name| touched.contains(&name) && !begun.contains(&name))
    };
    replacement.edits.retain(|(key, value)| value.is_none() || !is_stray(key));
    let gone: BTreeSet<String> = replacement.edits.iter().map(|(key, _)| key.clone()).collect();
    let left = current.keys().filter(|key| is_stray(key) && !gone.contains(*key));
    let left: Vec<_> = left.map(|key| (key.clone(), None)).collect();
    replacement.edits.extend(left);
    replacement.kept.retain(|key| !is_stray(key));
    replacement
}
