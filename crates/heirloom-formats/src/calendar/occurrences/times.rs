//! The part of a record that says when it takes place, to be kept where lists
//! are made.

use super::expansion::Budget;
use super::rule::Rule;
use super::series::{self, Series, TIMES};
use super::span::{SPAN_STEPS_MAX, last_counted};
use super::{Allowance, Occurrences, Window, found, zone};
use crate::calendar::fields::CALENDAR_ZONE;
use crate::calendar::units;
use crate::layout::{self, Unit};
use crate::line;
use crate::moment::{Moment, MomentKind, YEAR_10000_S};
use heirloom_base::{Decode, DecodeError, Encode, Reader, Writer};
use heirloom_schema::{Content, Value};
use jiff::tz::TimeZoneDatabase;

/// Bytes of lines that are kept; a record with more is read as a whole.
const BYTES_MAX: usize = 4 * 1024;
/// Lines that are kept, with the component's own first and last.
const LINES_MAX: usize = 64;

/// When a record takes place that has one component: what an occurrence shows
/// is what the record shows, so nothing else of it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    lines: Content,
}

impl Times {
    /// Returns the times of a record; `None` where an occurrence may show
    /// something of its own, or where its lines are too long to be kept twice.
    pub(crate) fn of(content: &Content) -> Option<Self> {
        let units = units(content);
        let mut events = units.iter().map(Unit::sequence).filter(|name| name.starts_with('e'));
        let first = events.next()?;
        if events.any(|other| other != first) {
            return None;
        }
        let database = TimeZoneDatabase::bundled();
        let wanted = units.iter().filter(|unit| says_when(unit, &database));
        let mut lines: Content =
            wanted.map(|unit| (unit.key.to_owned(), unit.value.clone())).collect();
        end_counted(&mut lines);
        let sizes =
            lines.iter().map(|(key, value)| value.as_raw().map(|raw| key.len() + raw.len()));
        let bytes: usize = sizes.sum::<Option<usize>>()?;
        (lines.len() <= LINES_MAX && bytes <= BYTES_MAX).then_some(Self { lines })
    }

    /// Returns when the record takes place within a window, and at most
    /// as often as is allowed: the earliest. There are no forms: every
    /// occurrence shows what the record shows.
    #[must_use]
    pub fn within(&self, window: &Window, allowance: Allowance) -> Occurrences {
        found(&Series::read(&self.lines), window, allowance)
    }
}

/// Lets a rule that counts its occurrences end with the last of them: so they
/// need not be counted again for every list.
fn end_counted(lines: &mut Content) {
    let series = Series::read(lines);
    let start = series.main().and_then(|main| main.start.as_ref());
    let Some(start) = start.map(|start| start.moment.local_seconds()) else { return };
    let mut budget = Budget::new(SPAN_STEPS_MAX);
    for value in lines.values_mut() {
        let Value::Str(line) = value else { continue };
        let Some((name, text)) = line.split_once(':') else { continue };
        let rule = Rule::parse(text).filter(|rule| rule.until.is_none());
        let rule = rule.filter(|_| name.eq_ignore_ascii_case("RRULE") && !text.contains('\n'));
        let last = rule.and_then(|rule| last_counted(&rule, start, &mut budget));
        let Some(last) = last.filter(|last| *last < YEAR_10000_S) else { continue };
        let is_count = |part: &&str| {
            part.trim_start().get(..5).is_some_and(|name| name.eq_ignore_ascii_case("COUNT"))
        };
        let mut parts: Vec<&str> = text.split(';').filter(|part| !is_count(part)).collect();
        let until = Moment::from_seconds(last, MomentKind::Local).to_basic();
        let until = format!("UNTIL={until}");
        parts.push(&until);
        *line = format!("{name}:{}", parts.join(";"));
    }
}

/// Returns whether a line is needed to place an occurrence. The definition of
/// a zone is not where the database knows the zone.
fn says_when(unit: &Unit<'_>, database: &TimeZoneDatabase) -> bool {
    if unit.sequence().starts_with('z') {
        let name = series::zone_name(unit);
        return name.is_some_and(|name| zone::named(database, &name).is_none());
    }
    line::name_of(unit.raw()).is_some_and(|name| match unit.sequence().starts_with('e') {
        true => TIMES.contains(&name.as_str()),
        false => name == CALENDAR_ZONE,
    })
}

impl Encode for Times {
    fn encode(&self, writer: &mut Writer) {
        writer.u16(u16::try_from(self.lines.len()).expect("lines are limited"));
        for (key, value) in &self.lines {
            writer.text(key);
            writer.bytes(value.as_raw().unwrap_or_default());
        }
    }
}

impl Decode for Times {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.u16()?;
        let line = |_| {
            let key = reader.text(BYTES_MAX)?.to_owned();
            // The line end stays: a value that has one is of another kind.
            Ok((key, layout::stored(reader.bytes(BYTES_MAX)?, "")))
        };
        Ok(Self { lines: (0..count).map(line).collect::<Result<_, DecodeError>>()? })
    }
}
