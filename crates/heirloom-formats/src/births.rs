//! Several births of one record: what two devices imported under one uid
//! before they met.
//!
//! The lines of a birth are keyed by their places, so of two births the lines
//! at one place meet in one key, whatever they are. One birth, the strongest,
//! is taken as a whole; the lines of the others that it lacks are put among its
//! own, and of what a record has once the others are rivals.

use crate::format::format_of;
use crate::layout::{self, Places, Unit};
use crate::line;
use crate::merge::Lines;
use heirloom_base::{hash, id};
use heirloom_schema::{CategorySpec, Content, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a line is among the lines of its sequence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// It holds the file together.
    Frame,
    /// There is one such line, under this name.
    One(String),
    /// There may be many.
    Many,
    /// It goes with the line before it.
    Behind,
}

/// What several births make of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct United {
    /// The content as it is to be shown. A key that the merge lacks stands for a
    /// line of another birth, until somebody writes or removes it.
    pub content: Content,
    /// What other births have instead of a line that a record has once: the key
    /// of that line, the value, and the place of the birth among all.
    pub rivals: Vec<(String, Value, usize)>,
}

/// Returns what several births, the strongest first, make of the content that
/// the merge shows by key.
///
/// An edit stays with the line that it was made of, also where it was made
/// before the births met.
#[must_use]
pub fn unite(category: &CategorySpec, births: &[Content], merged: &Content) -> United {
    let mut united = United { content: merged.clone(), rivals: Vec::new() };
    let Some((first, others)) = births.split_first() else { return united };
    let lines = format_of(category).lines();
    for key in others.iter().flat_map(Content::keys) {
        if lines.cut(key).is_some() && !first.contains_key(key) {
            united.content.remove(key);
        }
    }
    let mut whole = first.clone();
    for (number, other) in (1..).zip(others) {
        let (placed, rivals) = gathered(lines, &whole, other);
        united.rivals.extend(rivals.into_iter().map(|(key, value)| (key, value, number)));
        for line in placed {
            let edit = edit_of(births, other, merged, &line.from);
            if edit.is_some()
                && let Some(value) = first.get(&line.from)
            {
                united.content.insert(line.from.clone(), value.clone());
            }
            let is_gone = !first.contains_key(&line.from) && !merged.contains_key(&line.from);
            match (line.value, edit) {
                (None, Some(edit)) if merged.get(&line.to) == whole.get(&line.to) => {
                    united.content.insert(line.to, edit.clone());
                }
                (Some(value), _) if is_gone => drop(whole.insert(line.to, value)),
                (Some(value), edit) => {
                    let shown = edit.unwrap_or(&value).clone();
                    united.content.entry(line.to.clone()).or_insert(shown);
                    whole.insert(line.to, value);
                }
                (None, _) => {}
            }
        }
    }
    united
}

/// Returns where the lines of another birth stand, and what is in rivalry.
fn gathered(
    lines: &dyn Lines,
    whole: &Content,
    other: &Content,
) -> (Vec<Placed>, Vec<(String, Value)>) {
    let units = |content| layout::units(content, |key| lines.cut(key));
    let (own, foreign) = (units(whole), units(other));
    let mut gathering = Gathering::begin(lines, &own, &foreign);
    foreign.iter().for_each(|unit| gathering.take(unit));
    (gathering.placed, gathering.rivals)
}

/// Returns what was made of another birth's line under its own key, if it is
/// no more what any birth has there.
fn edit_of<'a>(
    births: &[Content],
    other: &Content,
    merged: &'a Content,
    key: &str,
) -> Option<&'a Value> {
    let name = |value: Option<&Value>| value.and_then(Value::as_raw).and_then(line::name_of);
    let edit = merged.get(key)?;
    let is_born = births.iter().any(|birth| birth.get(key) == Some(edit));
    let (own, theirs) = (births.first()?.get(key), other.get(key));
    let is_other = own.is_none() || name(own) != name(theirs) && name(Some(edit)) == name(theirs);
    (!is_born && is_other).then_some(edit)
}

/// Returns whether a key belongs to a line, so that births meet in it by chance.
#[must_use]
pub fn is_line(category: &CategorySpec, key: &str) -> bool {
    format_of(category).lines().cut(key).is_some()
}

/// Where a line of another birth stands among those of the first.
struct Placed {
    from: String,
    to: String,
    /// The line, where it was not there.
    value: Option<Value>,
}

/// Takes over what a birth has that another lacks.
struct Gathering<'a> {
    lines: &'a dyn Lines,
    /// Lines that are not matched yet.
    spare: BTreeMap<(&'a str, &'a Value), Vec<Unit<'a>>>,
    /// The lines of it that there are once.
    once: BTreeMap<(&'a str, String), Unit<'a>>,
    sequences: BTreeSet<&'a str>,
    /// Sequences that only the other has, as far as they were begun.
    begun: BTreeSet<&'a str>,
    places: Places,
    tie: String,
    /// Where a component that is new stands: behind the last one.
    end: Option<String>,
    /// Where the line before stands now.
    last: Option<String>,
    /// Whether the line before was left out or is here already.
    is_left_out: bool,
    placed: Vec<Placed>,
    /// Another value for the line of a key.
    rivals: Vec<(String, Value)>,
}

impl<'a> Gathering<'a> {
    fn begin(lines: &'a dyn Lines, own: &[Unit<'a>], foreign: &[Unit<'a>]) -> Self {
        let mut spare: BTreeMap<(&'a str, &'a Value), Vec<Unit<'a>>> = BTreeMap::new();
        let mut once = BTreeMap::new();
        for unit in own.iter().rev() {
            spare.entry((unit.sequence(), unit.value)).or_default().push(*unit);
            if let Slot::One(name) = lines.slot(unit) {
                once.insert((unit.sequence(), name), *unit);
            }
        }
        let is_inside = |unit: &&Unit<'a>| lines.is_apart(unit) || lines.slot(unit) != Slot::Frame;
        Self {
            lines,
            spare,
            once,
            sequences: own.iter().map(Unit::sequence).collect(),
            begun: BTreeSet::new(),
            places: Places::of(own),
            tie: tie(foreign),
            end: own.iter().rev().find(is_inside).map(|unit| unit.order().to_owned()),
            last: own.first().map(|unit| unit.order().to_owned()),
            is_left_out: true,
            placed: Vec::new(),
            rivals: Vec::new(),
        }
    }

    fn take(&mut self, unit: &Unit<'a>) {
        let sequence = unit.sequence();
        let known = self.spare.get_mut(&(sequence, unit.value)).and_then(Vec::pop);
        if let Some(own) = known {
            return self.meet(unit, &own);
        }
        let is_known = self.sequences.contains(sequence);
        match self.lines.slot(unit) {
            Slot::Frame if is_known => {
                self.is_left_out = true;
                return;
            }
            Slot::Behind if self.is_left_out => return,
            Slot::One(name) => {
                if let Some(rival) = self.once.get(&(sequence, name)).copied() {
                    self.rivals.push((rival.key.to_owned(), unit.value.clone()));
                    return self.meet(unit, &rival);
                }
            }
            Slot::Frame | Slot::Many | Slot::Behind => {}
        }
        if !is_known && self.begun.insert(sequence) {
            self.last = self.end.clone().max(self.last.take());
        }
        self.add(unit);
    }

    /// Notes that a line is there, or stands for one that is.
    fn meet(&mut self, unit: &Unit<'a>, own: &Unit<'a>) {
        self.is_left_out = true;
        self.last = Some(own.order().to_owned());
        let (from, to) = (unit.key.to_owned(), own.key.to_owned());
        self.placed.push(Placed { from, to, value: None });
    }

    fn add(&mut self, unit: &Unit<'a>) {
        self.is_left_out = false;
        let order = self.places.of_line(self.last.as_deref(), unit.value, &self.tie);
        let (from, to) = (unit.key.to_owned(), format!("{}{order}", unit.sequence()));
        self.placed.push(Placed { from, to, value: Some(unit.value.clone()) });
        self.last = Some(order);
    }
}

/// Returns the mark of lines that come from a birth.
fn tie(units: &[Unit<'_>]) -> String {
    let lines: Vec<&[u8]> = units.iter().map(Unit::raw).collect();
    id::to_hex(&hash::truncate::<4>(hash::content("added line", &lines)))
}

#[cfg(test)]
mod tests;
