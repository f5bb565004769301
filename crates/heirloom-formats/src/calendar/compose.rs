//! Making one calendar for each record of a file.
//!
//! Each takes the lines of the calendar that its components stand in, and the
//! zones that they refer to. A zone that nobody refers to travels with the
//! first record of its calendar, so that no line of the file is lost.

use super::cut::{Component, Cut, ZONE};
use crate::item::{Part, RawItem, Skipped};
use crate::layout;
use crate::line::{self, Size};
use heirloom_base::limits;
use heirloom_schema::category::calendar::CALENDAR;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Properties of which a calendar has one: where two calendars become one,
/// the first holds.
const SINGLE: &[&str] = &["VERSION", "PRODID", "CALSCALE", "METHOD"];

/// The components that make one record, by their places in the cut.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Events and the like, in the order of the file.
    pub(super) components: Vec<usize>,
    /// The zones that go with them, in the order of the file.
    zones: Vec<usize>,
    /// Further calendars whose own lines go with them.
    heads: Vec<usize>,
}

impl Group {
    /// Returns the line of its first component.
    pub(super) fn line(&self, cut: &Cut) -> usize {
        self.first(cut).map_or(1, |first| first.line)
    }

    fn first<'a>(&self, cut: &'a Cut) -> Option<&'a Component> {
        self.components.first().and_then(|at| cut.components.get(*at))
    }

    /// Returns why it is too large for one record, where it is.
    pub(super) fn excess(&self, cut: &Cut) -> Option<String> {
        let own = self.first(cut).map(|first| first.calendar);
        let calendars = own.iter().chain(&self.heads).filter_map(|at| cut.calendars.get(*at));
        if calendars.map(|calendar| calendar.head_bytes).sum::<usize>()
            > limits::CALENDAR_HEAD_BYTES_MAX
        {
            return Some("the calendar's own lines are larger than 16 KiB".to_owned());
        }
        if self.components.len() < 2 {
            return None; // It was counted when it was cut.
        }
        let mut size = Size::default();
        let mut parts = self.components.iter().filter_map(|at| cut.components.get(*at));
        let problem = parts.find_map(|part| size.count_part(part.range.len(), &part.size).err())?;
        Some(format!("what has one UID is too large: {problem}"))
    }
}

/// Returns the components that make one record each: those of one UID.
pub(super) fn groups(cut: &Cut) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut by_uid: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, component) in cut.components.iter().enumerate() {
        if component.name == ZONE {
            continue;
        }
        let uid = component.uid.as_deref();
        match uid.and_then(|uid| by_uid.get(uid)).and_then(|at| groups.get_mut(*at)) {
            Some(group) => group.components.push(index),
            None => {
                by_uid.extend(uid.map(|uid| (uid, groups.len())));
                groups.push(Group { components: vec![index], ..Group::default() });
            }
        }
    }
    equip(cut, &mut groups);
    groups
}

/// Gives each group its zones, and to one of each calendar what is left.
fn equip(cut: &Cut, groups: &mut [Group]) {
    let zones = || cut.components.iter().enumerate().filter(|(_, one)| one.name == ZONE);
    let mut by_id: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for (index, zone) in zones() {
        if let Some(id) = zone.uid.as_deref() {
            by_id.entry((zone.calendar, id)).or_insert(index);
        }
    }
    let mut carriers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut guests: BTreeMap<usize, usize> = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (at, group) in groups.iter_mut().enumerate() {
        let components = || group.components.iter().filter_map(|index| cut.components.get(*index));
        if let Some(first) = components().next() {
            carriers.entry(first.calendar).or_insert(at);
        }
        for one in components() {
            guests.entry(one.calendar).or_insert(at);
        }
        let named = components().flat_map(|one| one.zones.iter().map(|id| (one.calendar, &**id)));
        let own: BTreeSet<usize> = named.filter_map(|name| by_id.get(&name).copied()).collect();
        group.zones = own.into_iter().collect();
        used.extend(group.zones.iter().copied());
    }
    for (calendar, at) in guests {
        if let Some(group) = groups.get_mut(at).filter(|_| !carriers.contains_key(&calendar)) {
            group.heads.push(calendar);
            carriers.insert(calendar, at);
        }
    }
    for (index, zone) in zones().filter(|(index, _)| !used.contains(index)) {
        if let Some(group) = carriers.get(&zone.calendar).and_then(|at| groups.get_mut(*at)) {
            group.zones.push(index);
        }
    }
    groups.iter_mut().for_each(|group| group.zones.sort_unstable());
}

/// A file that is being made into calendars, one at a time.
pub(super) struct Parts<'a> {
    name: String,
    bytes: &'a [u8],
    /// The file's byte order mark, until the first record has taken it.
    mark: &'a [u8],
    /// How its first line ends.
    eol: &'static str,
    /// Whether any line ends in a line feed.
    has_feeds: bool,
    cut: Cut,
    groups: std::vec::IntoIter<Group>,
    skipped: std::vec::IntoIter<Skipped>,
    is_one: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn of(name: &str, bytes: &'a [u8], mark: &'a [u8]) -> Self {
        let mut cut = Cut::of(bytes);
        let mut groups = groups(&cut);
        groups.retain(|group| match group.excess(&cut) {
            Some(reason) => {
                cut.split.skip(group.line(&cut), reason);
                false
            }
            None => true,
        });
        for calendar in cut.calendars.iter().filter(|calendar| !calendar.holds_any) {
            cut.split.skip(calendar.line, "the calendar holds no event");
        }
        let skipped = std::mem::take(&mut cut.split.skipped);
        let is_whole = cut.calendars.len() == 1 && skipped.is_empty();
        Self {
            name: name.to_owned(),
            bytes,
            mark,
            eol: layout::eol_in(bytes),
            has_feeds: bytes.contains(&b'\n'),
            is_one: is_whole && groups.len() == 1,
            cut,
            groups: groups.into_iter(),
            skipped: skipped.into_iter(),
        }
    }

    fn item(&mut self, group: &Group) -> RawItem {
        let calendar = self.cut.calendars.first();
        let whole = calendar.filter(|_| self.is_one).and_then(|calendar| {
            let range = calendar.begin.start..calendar.end.as_ref()?.end;
            Some((calendar.line, self.bytes.get(range)?.to_vec()))
        });
        let (line, bytes) = whole.unwrap_or_else(|| (group.line(&self.cut), self.composed(group)));
        let bytes = [std::mem::take(&mut self.mark), &bytes].concat();
        RawItem { category: &CALENDAR, name: self.name.clone(), line, bytes }
    }

    /// Returns a calendar of its own for some components of the file.
    fn composed(&self, group: &Group) -> Vec<u8> {
        let components = |places: &mut dyn Iterator<Item = &usize>| -> Vec<&Component> {
            places.filter_map(|at| self.cut.components.get(*at)).collect()
        };
        let own = components(&mut group.components.iter());
        let Some(calendar) = own.first().and_then(|first| self.cut.calendars.get(first.calendar))
        else {
            return Vec::new();
        };
        let (bytes, eol, has_feeds) = (self.bytes, self.eol, self.has_feeds);
        let mut file = File { bytes, eol, has_feeds, made: Vec::new() };
        file.push(&calendar.begin);
        calendar.head.iter().for_each(|range| file.push(range));
        for guest in group.heads.iter().filter_map(|at| self.cut.calendars.get(*at)) {
            guest.head.iter().filter(|range| !self.is_said(range, &calendar.head)).for_each(
                |range| {
                    file.push(range);
                },
            );
        }
        let mut written = BTreeSet::new();
        for zone in components(&mut group.zones.iter()) {
            if written.insert(self.bytes.get(zone.range.clone())) {
                file.push(&zone.range);
            }
        }
        own.iter().for_each(|component| file.push(&component.range));
        match &calendar.end {
            Some(end) => file.push(end),
            None => file.made.extend(format!("END:VCALENDAR{}", file.eol).into_bytes()),
        }
        file.made
    }

    /// Returns whether a line of a second calendar stands in the first, or
    /// may stand only once.
    fn is_said(&self, line: &Range<usize>, head: &[Range<usize>]) -> bool {
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        let name = line::name_of(bytes(line));
        let is_single = name.as_deref().is_some_and(|name| SINGLE.contains(&name));
        head.iter().any(|own| {
            bytes(own) == bytes(line) || (is_single && line::name_of(bytes(own)) == name)
        })
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        if let Some(group) = self.groups.next() {
            return Some(Ok(self.item(&group)));
        }
        self.skipped.next().map(Err)
    }
}

/// A calendar that is being written.
struct File<'a> {
    bytes: &'a [u8],
    eol: &'a str,
    has_feeds: bool,
    made: Vec<u8>,
}

impl File<'_> {
    /// Takes over a part of the file, with a line end behind it. A lone
    /// carriage return is one only where a property follows, so that what
    /// comes behind another line than in the file may need a whole one.
    fn push(&mut self, range: &Range<usize>) {
        let line = self.bytes.get(range.clone()).unwrap_or_default();
        if self.made.ends_with(b"\r") && self.has_feeds && !line::begins_property(line) {
            self.made.push(b'\n');
        }
        self.made.extend_from_slice(line);
        if !line.ends_with(b"\n") && !line.ends_with(b"\r") {
            self.made.extend_from_slice(self.eol.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
