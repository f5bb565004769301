//! Times with what places them: on a clock, in a series, in the world.

use super::series::Component;
use super::zone::Zone;
use crate::moment::{Moment, MomentKind, YEAR_10000_S};
use std::collections::BTreeSet;

/// Seconds of a day by the clock.
pub(super) const DAY: i64 = 86_400;

/// A time with what is needed to place it.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) local: i64,
    pub(super) kind: MomentKind,
    pub(super) zone: Zone,
}

impl Placed {
    pub(super) fn instant(&self) -> i64 {
        self.zone.instant(self.local)
    }

    /// Returns what the clock of a zone shows at this time. A whole day has no
    /// clock; a time that its own clock leaves out is not moved by asking it.
    pub(super) fn local_in(&self, zone: &Zone) -> i64 {
        match self.kind == MomentKind::Date || self.zone == *zone {
            true => self.local,
            false => zone.local(self.instant()),
        }
    }

    pub(super) fn day(&self) -> i64 {
        self.local.div_euclid(DAY)
    }

    /// Returns the first day that begins then or later.
    pub(super) fn day_up(&self) -> i64 {
        self.local.saturating_add(DAY - 1).div_euclid(DAY)
    }

    /// Returns what names it in a series.
    pub(super) fn name(&self, instant: i64) -> Name {
        match self.kind {
            MomentKind::Date => Name { seconds: self.local, kind: MomentKind::Date },
            MomentKind::Local | MomentKind::Utc => Name { seconds: instant, kind: MomentKind::Utc },
        }
    }
}

/// What names an occurrence of a series: the start that the rule gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) seconds: i64,
    pub(super) kind: MomentKind,
}

pub(super) fn text(seconds: i64, kind: MomentKind) -> String {
    Moment::from_seconds(seconds, kind).to_extended()
}

/// How long something lasts, wherever it begins.
#[derive(Debug, Clone)]
pub(super) struct Lasting {
    pub(super) days: i64,
    pub(super) seconds: i64,
    /// The zone in which the end is shown; none where no end is written.
    pub(super) shown_in: Option<Zone>,
}

impl Lasting {
    /// Returns when something ends, by its own clock and as an instant, and
    /// the zone in which that is shown. What would end behind year 9999, which
    /// cannot be written, takes no time, or the day on which it begins.
    pub(super) fn end(&self, start: &Placed, starts_s: i64) -> (i64, i64, Option<&Zone>) {
        let local = start.local.saturating_add(self.days.saturating_mul(DAY));
        let instant = start.zone.instant(local).saturating_add(self.seconds);
        let shown = self.shown_in.as_ref().map_or(instant, |zone| zone.local(instant));
        match [local, instant, shown].iter().all(|end| *end < YEAR_10000_S) {
            true => (local, instant, self.shown_in.as_ref()),
            false if start.kind == MomentKind::Date && self.days > 1 => {
                Self { days: 1, seconds: 0, shown_in: None }.end(start, starts_s)
            }
            false => (start.local, starts_s, None),
        }
    }
}

/// What later exceptions make of the occurrences from one on.
pub(super) struct Future<'a> {
    /// The instant from which it counts.
    pub(super) from: i64,
    pub(super) form: usize,
    pub(super) component: &'a Component,
    /// How much later it is, by the clock of the series.
    pub(super) shift: i64,
    pub(super) lasting: Lasting,
    pub(super) zone: Zone,
    pub(super) kind: MomentKind,
}

impl Future<'_> {
    /// Returns where an occurrence of a series that begins at `start` goes: as
    /// much later by the clock of the series, whatever clocks name the two.
    pub(super) fn placed(&self, placed: &Placed, start: &Placed) -> Placed {
        let local = placed.local_in(&start.zone).saturating_add(self.shift);
        let is_timed = start.kind != MomentKind::Date && self.kind != MomentKind::Date;
        let (kind, zone) = (self.kind, self.zone.clone());
        let local = match is_timed {
            true => Placed { local, ..start.clone() }.local_in(&zone),
            false => local,
        };
        Placed { local, kind, zone }
    }
}

/// Occurrences of a series that are left out, by instant and by day.
#[derive(Default)]
pub(super) struct Gaps {
    pub(super) instants: BTreeSet<i64>,
    pub(super) days: BTreeSet<i64>,
}

impl Gaps {
    pub(super) fn note(&mut self, placed: &Placed, series: MomentKind) {
        match (series, placed.kind) {
            (MomentKind::Date, _) | (_, MomentKind::Date) => self.days.insert(placed.day()),
            (MomentKind::Local | MomentKind::Utc, MomentKind::Local | MomentKind::Utc) => {
                self.instants.insert(placed.instant())
            }
        };
    }

    pub(super) fn has(&self, placed: &Placed, instant: i64) -> bool {
        self.days.contains(&placed.day())
            || (placed.kind != MomentKind::Date && self.instants.contains(&instant))
    }
}
