//! Cutting calendars into components.

use crate::item::Split;
use crate::line::{self, Marker, Physical, Property, Size};
use crate::text;
use heirloom_base::limits;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

/// Components that stand directly in a calendar, so that one of them inside
/// another means that the outer one has no end.
const OUTER: &[&str] = &["VCALENDAR", "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"];

/// The component that defines a time zone.
pub(super) const ZONE: &str = "VTIMEZONE";

/// One component of a calendar: an event, a task, a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    /// Its line in the file, from 1.
    pub(super) line: usize,
    /// Its bytes.
    pub(super) range: Range<usize>,
    /// The calendar that it stands in.
    pub(super) calendar: usize,
    /// `VEVENT` and the like.
    pub(super) name: String,
    /// Its UID; of a zone its TZID.
    pub(super) uid: Option<String>,
    /// The zones that it refers to, each once. Their names are shared, since a
    /// file may hold very many components.
    pub(super) zones: Vec<Rc<str>>,
    /// What was counted of it.
    pub(super) size: Size,
}

/// A calendar of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Calendar {
    /// Its line in the file, from 1.
    pub(super) line: usize,
    /// Its first line.
    pub(super) begin: Range<usize>,
    /// Its own lines but the first and the last.
    pub(super) head: Vec<Range<usize>>,
    /// Its last line, where there is one.
    pub(super) end: Option<Range<usize>>,
    /// Whether anything but zones begins in it, for better or worse.
    pub(super) holds_any: bool,
    /// The bytes of its own lines.
    pub(super) head_bytes: usize,
}

impl Calendar {
    fn begins(line: usize, begin: Range<usize>) -> Self {
        Self { line, begin, head: Vec::new(), end: None, holds_any: false, head_bytes: 0 }
    }

    /// Takes a line of its own; returns whether there is room for it.
    fn takes(&mut self, line: Range<usize>) -> bool {
        self.head_bytes += line.len();
        let fits = self.head_bytes <= limits::CARD_TEXT_BYTES_MAX
            && self.head.len() < limits::CARD_PROPERTIES_MAX;
        if fits {
            self.head.push(line);
        }
        fits
    }
}

/// A file, cut.
#[derive(Debug, Default)]
pub(super) struct Cut {
    pub(super) calendars: Vec<Calendar>,
    pub(super) components: Vec<Component>,
    pub(super) split: Split,
    open: Option<Open>,
    is_inside: bool,
    is_stray: bool,
    zone_names: BTreeSet<Rc<str>>,
}

/// A component that has begun.
#[derive(Debug)]
struct Open {
    component: Component,
    stack: Vec<String>,
    problem: Option<String>,
}

impl Cut {
    /// Cuts a file.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::up_to(limits::CALENDAR_FILE_PARTS_MAX, bytes)
    }

    /// Cuts a file, and what is more than so many parts of it is left out.
    pub(super) fn up_to(parts_max: usize, bytes: &[u8]) -> Self {
        let mut cut = Self::default();
        let mut offset = 0;
        for line in line::content_lines(bytes) {
            if cut.parts() >= parts_max {
                cut.open = None;
                let reason = "the file has more parts than are read of one: this and what follows";
                cut.split.skip(line.number, reason);
                cut.is_inside = false;
                break;
            }
            let range = offset..offset + line.bytes.len();
            match line::marker(line.bytes) {
                Some(Marker::Begin(name)) => cut.begin(line, range, name),
                Some(Marker::End(name)) => cut.end(line, range, &name),
                None => cut.line(line, range),
            }
            offset += line.bytes.len();
        }
        cut.abandon("has no end");
        cut.close_calendar();
        cut
    }

    /// Returns how much was found, good or bad: each part costs memory.
    fn parts(&self) -> usize {
        self.calendars.len() + self.components.len() + self.split.skipped.len()
    }

    fn begin(&mut self, line: Physical<'_>, range: Range<usize>, name: String) {
        if name == "VCALENDAR" {
            self.abandon("has no end before the next calendar begins");
            self.close_calendar();
            let first = line::physical_lines(line.bytes).next().unwrap_or_default().len();
            let begin = range.start..range.start + first;
            self.calendars.push(Calendar::begins(line.number, begin));
            (self.is_inside, self.is_stray) = (true, false);
            return;
        }
        if OUTER.contains(&name.as_str()) {
            self.abandon("has no end before the next one begins");
        }
        if let Some(open) = &mut self.open {
            open.stack.push(name);
            open.component.range.end = range.end;
            if open.stack.len() > limits::CARD_DEPTH_MAX {
                open.stack.pop();
                open.problem.get_or_insert_with(|| "is nested too deep".to_owned());
            }
        } else if let Some(calendar) = self.calendars.last_mut().filter(|_| self.is_inside) {
            calendar.holds_any |= name != ZONE;
            self.open = Some(Open {
                component: Component {
                    line: line.number,
                    range,
                    calendar: self.calendars.len() - 1,
                    name: name.clone(),
                    uid: None,
                    zones: Vec::new(),
                    size: Size::default(),
                },
                stack: vec![name],
                problem: None,
            });
        } else {
            self.stray(line.number);
        }
    }

    fn end(&mut self, line: Physical<'_>, range: Range<usize>, name: &str) {
        if name == "VCALENDAR" {
            self.abandon("has no end before the calendar ends");
            let first = line::physical_lines(line.bytes).next().unwrap_or_default().len();
            match self.calendars.last_mut().filter(|_| self.is_inside) {
                Some(calendar) => calendar.end = Some(range.start..range.start + first),
                None => self.stray(line.number),
            }
            self.is_inside = false;
            return;
        }
        let Some(open) = &mut self.open else {
            return self.stray(line.number);
        };
        open.component.range.end = range.end;
        if open.stack.last().is_some_and(|top| top == name) {
            open.stack.pop();
        } else {
            let problem = format!("ends with a wrong END:{name} in line {}", line.number);
            open.problem.get_or_insert(problem);
            if open.component.name == name {
                open.stack.clear();
            }
        }
        if open.stack.is_empty() {
            self.close();
        }
    }

    fn line(&mut self, line: Physical<'_>, range: Range<usize>) {
        let Some(open) = &mut self.open else {
            match self.calendars.last_mut().filter(|_| self.is_inside) {
                Some(calendar) => {
                    if !calendar.takes(range) && !self.is_stray {
                        let reason = "the calendar has too many lines of its own";
                        self.split.skip(line.number, reason);
                        self.is_stray = true;
                    }
                }
                None if line.bytes.trim_ascii().is_empty() => {}
                None => self.stray(line.number),
            }
            return;
        };
        open.component.range.end = range.end;
        let is_property = open.stack.len() == 1 && open.component.name != ZONE;
        let counted = match is_property {
            true => open.component.size.count(line.bytes),
            false => open.component.size.count_text(line.bytes),
        };
        if let Err(problem) = counted {
            open.problem.get_or_insert_with(|| format!("is too large: {problem}"));
            return;
        }
        open.note(line.bytes, &mut self.zone_names);
    }

    /// Ends the open component, for better or worse.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        match open.problem {
            Some(problem) => {
                let name = &open.component.name;
                self.split.skip(open.component.line, format!("the {name} {problem}"));
            }
            None => self.components.push(open.component),
        }
    }

    fn abandon(&mut self, problem: &str) {
        if let Some(open) = &mut self.open {
            open.problem.get_or_insert_with(|| problem.to_owned());
        }
        self.close();
    }

    fn close_calendar(&mut self) {
        if let Some(calendar) = self.calendars.last().filter(|_| self.is_inside) {
            // What stands in it is taken, or left out with a reason of its own.
            let reason = "the calendar has no END:VCALENDAR: what stood behind may be cut off";
            self.split.mend(calendar.line, reason);
        }
        self.is_inside = false;
    }

    /// Notes the first line of a run that stands outside of any calendar.
    fn stray(&mut self, line: usize) {
        if !self.is_stray {
            self.split.skip(line, "this line belongs to no calendar");
            self.is_stray = true;
        }
    }
}

impl Open {
    /// Notes what a line says about the component.
    fn note(&mut self, bytes: &[u8], names: &mut BTreeSet<Rc<str>>) {
        let Some(name) = line::name_of(bytes) else { return };
        let own = if self.component.name == ZONE { "TZID" } else { "UID" };
        let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
        let has_zone = head.to_ascii_uppercase().windows(5).any(|window| window == b"TZID=");
        let is_own = self.stack.len() == 1 && name == own;
        let Some(property) = (has_zone || is_own).then(|| Property::read(bytes)).flatten() else {
            return;
        };
        for zone in property.parameter("TZID") {
            let shared = names.get(zone).cloned().unwrap_or_else(|| Rc::from(zone));
            names.insert(Rc::clone(&shared));
            let zones = &self.component.zones;
            if zones.len() < limits::CARD_PROPERTIES_MAX && !zones.contains(&shared) {
                self.component.zones.push(shared);
            }
        }
        if is_own && self.component.uid.is_none() {
            let uid = text::unescaped(&property.text()).trim().to_owned();
            self.component.uid = Some(uid).filter(|uid| !uid.is_empty());
        }
    }
}
