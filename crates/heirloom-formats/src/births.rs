//! Several births of one record: what two devices imported under one uid
//! before they met.
//!
//! The lines of a birth are keyed by their places, so of two births the lines
//! at one place meet in one key, whatever they are. One birth, the strongest,
//! is taken as a whole; the lines of the others that it lacks are put among its
//! own, and of what a record has once the others are rivals.

use crate::format::format_of;
use crate::layout::{self, Places, Unit};
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
    /// It is one of a list that belongs to the line before.
    Item,
}

/// One of several births of a record.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// What it gave the record.
    pub born: &'a Content,
    /// What became of it with those who knew of no other birth.
    pub lone: &'a Content,
}

/// What several births make of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct United {
    /// The content as it is to be shown. A key that the merge lacks stands for a
    /// line of another birth, until somebody writes or removes it.
    pub content: Content,
    /// What births have instead of a line that a record has once.
    pub rivals: Vec<Rival>,
    /// For each shown key that is as another birth than the first has it, the
    /// place of that birth among all, and the key of the line there.
    pub origins: BTreeMap<String, (usize, String)>,
}

/// A value that a birth has where another is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// The key that is shown.
    pub key: String,
    /// The value; nothing where it was removed.
    pub value: Option<Value>,
    /// The place of its birth among all.
    pub birth: usize,
    /// The key under which the birth has it.
    pub from: String,
}

/// Returns what several births, the strongest first, make of the content that
/// the merge shows by key. `decided` is what those who knew several of them
/// made of a key: a value, or nothing where they removed it.
///
/// The lines of the first keep their keys, and those of the others get keys of
/// their own. What became of a line before the births met stays with it.
#[must_use]
pub fn unite(
    category: &CategorySpec,
    births: &[Version<'_>],
    merged: &Content,
    decided: &dyn Fn(&str) -> Option<Option<Value>>,
) -> United {
    let lines = format_of(category).lines();
    let Some((first, others)) = births.split_first() else {
        return United { content: merged.clone(), ..United::default() };
    };
    let united = United { content: merged.clone(), ..United::default() };
    let mut uniting = Uniting { first, decided, united };
    for key in births.iter().flat_map(|birth| birth.born.keys()) {
        if lines.cut(key).is_some() {
            uniting.united.content.remove(key);
        }
    }
    for key in first.born.keys().filter(|key| lines.cut(key).is_some()) {
        let shown = decided(key).unwrap_or_else(|| first.lone.get(key).cloned());
        uniting.united.content.extend(shown.map(|value| (key.clone(), value)));
    }
    let mut whole = first.born.clone();
    for (number, other) in (1..).zip(others) {
        for line in gathered(lines, &whole, first.lone, other.born) {
            if line.place == Place::New {
                whole
                    .extend(other.born.get(&line.from).map(|born| (line.to.clone(), born.clone())));
            }
            uniting.take(number, other, line);
        }
    }
    uniting.united
}

struct Uniting<'a> {
    first: &'a Version<'a>,
    decided: &'a dyn Fn(&str) -> Option<Option<Value>>,
    united: United,
}

impl Uniting<'_> {
    fn take(&mut self, number: usize, other: &Version<'_>, line: Placed) {
        let Placed { from, to, place } = line;
        let now = other.lone.get(&from);
        let is_edited = now != other.born.get(&from);
        let decided = (self.decided)(&to);
        if place == Place::New {
            match (decided, now) {
                (Some(Some(value)), _) => drop(self.united.content.insert(to, value)),
                (None, Some(now)) => self.show(number, (from, to), now.clone()),
                (Some(None), _) | (None, None) => {}
            }
            return;
        }
        // Whoever knew both has settled it.
        if decided.is_some() {
            return;
        }
        let is_untouched = self.first.lone.get(&to) == self.first.born.get(&to)
            && !self.united.origins.contains_key(&to);
        let shown = self.united.content.get(&to).cloned();
        let is_apart = is_edited || place == Place::Rival;
        match (now, shown) {
            (None, Some(_)) if place == Place::Same && is_untouched => {
                self.united.content.remove(&to);
            }
            // A removal takes away less where it loses.
            (None, Some(_)) => self.rival(number, (from, to), None),
            (Some(now), None) if is_apart && self.first.born.contains_key(&to) => {
                self.rival(0, (to.clone(), to.clone()), None);
                self.show(number, (from, to), now.clone());
            }
            // What somebody made of it goes before what a file said.
            (Some(now), Some(shown)) if is_edited && is_untouched => {
                if place == Place::Rival && shown != *now {
                    self.rival(0, (to.clone(), to.clone()), Some(shown));
                }
                self.show(number, (from, to), now.clone());
            }
            (Some(now), Some(shown)) if is_apart && shown != *now => {
                self.rival(number, (from, to), Some(now.clone()));
            }
            (Some(_) | None, Some(_) | None) => {}
        }
    }

    fn rival(&mut self, birth: usize, (from, key): (String, String), value: Option<Value>) {
        self.united.rivals.push(Rival { key, value, birth, from });
    }

    /// Shows what another birth has.
    fn show(&mut self, number: usize, (from, to): (String, String), value: Value) {
        self.united.origins.insert(to.clone(), (number, from));
        self.united.content.insert(to, value);
    }
}

/// Returns where the lines of another birth stand.
fn gathered(lines: &dyn Lines, whole: &Content, lone: &Content, other: &Content) -> Vec<Placed> {
    let units = |content| layout::units(content, |key| lines.cut(key));
    let (own, foreign) = (units(whole), units(other));
    let mut gathering = Gathering::begin(lines, &own, &foreign);
    // What was added to the first before they met is there as well.
    for unit in units(lone).iter().filter(|unit| !whole.contains_key(unit.key)) {
        if let Slot::One(name) = lines.slot(unit) {
            gathering.once.entry((unit.sequence(), name)).or_insert(*unit);
        }
    }
    foreign.iter().for_each(|unit| gathering.take(unit));
    gathering.placed
}

/// Returns the component of a file that a key's line belongs to: one occurrence
/// of a series, or nothing where there is one.
#[must_use]
pub fn component_of<'a>(category: &CategorySpec, key: &'a str) -> &'a str {
    let cut = format_of(category).lines().cut(key).unwrap_or_default();
    key.get(..cut).unwrap_or_default()
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
    place: Place,
}

/// What stands where a line of another birth is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The same line.
    Same,
    /// Another one that a record has once.
    Rival,
    /// Nothing.
    New,
}

/// What became of the line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// It is there already.
    Met,
    /// It was left out.
    Out,
    /// It was put in.
    In,
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
    before: Before,
    placed: Vec<Placed>,
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
            before: Before::Met,
            placed: Vec::new(),
        }
    }

    fn take(&mut self, unit: &Unit<'a>) {
        let sequence = unit.sequence();
        let slot = self.lines.slot(unit);
        let is_out = slot == Slot::Item && self.before == Before::Out;
        let known = self.spare.get_mut(&(sequence, unit.value)).filter(|_| !is_out);
        if let Some(own) = known.and_then(Vec::pop) {
            return self.meet(unit, &own, Place::Same);
        }
        let is_known = self.sequences.contains(sequence);
        match slot {
            Slot::Frame if is_known => {
                self.before = Before::Out;
                return;
            }
            Slot::Behind if self.before != Before::In => return,
            Slot::Item if is_out => return,
            Slot::One(name) => {
                if let Some(rival) = self.once.get(&(sequence, name)).copied() {
                    return self.meet(unit, &rival, Place::Rival);
                }
            }
            Slot::Frame | Slot::Many | Slot::Behind | Slot::Item => {}
        }
        if !is_known && self.begun.insert(sequence) {
            self.last = self.end.clone().max(self.last.take());
        }
        self.add(unit);
    }

    /// Notes that a line is there, or stands for one that is.
    fn meet(&mut self, unit: &Unit<'a>, own: &Unit<'a>, place: Place) {
        self.before = if place == Place::Same { Before::Met } else { Before::Out };
        self.last = Some(own.order().to_owned());
        let (from, to) = (unit.key.to_owned(), own.key.to_owned());
        self.placed.push(Placed { from, to, place });
    }

    fn add(&mut self, unit: &Unit<'a>) {
        self.before = Before::In;
        let order = self.places.of_line(self.last.as_deref(), unit.value, &self.tie);
        let (from, to) = (unit.key.to_owned(), format!("{}{order}", unit.sequence()));
        self.placed.push(Placed { from, to, place: Place::New });
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
