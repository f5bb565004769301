//! Calendar.

use super::{CategorySpec, FieldKind, FieldSpec};

/// Events and tasks, kept as iCalendar objects.
pub const CALENDAR: CategorySpec = CategorySpec {
    number: 3,
    id: "calendar",
    title: "Calendar",
    singular: "event",
    plural: "events",
    about: "Events, tasks and journal entries, kept as iCalendar",
    fields: &[
        FieldSpec::single("title", FieldKind::Text, "what it is"),
        FieldSpec::single(
            "start",
            FieldKind::DateTime,
            "2026-12-24T18:00, with Z or offset, or a date",
        ),
        FieldSpec::single(
            "end",
            FieldKind::DateTime,
            "end; of a whole day: the day after the last",
        ),
        FieldSpec::single("all_day", FieldKind::Boolean, "whether it lasts whole days"),
        FieldSpec::single("location", FieldKind::Text, "where"),
        FieldSpec::single("description", FieldKind::Text, "anything else"),
        FieldSpec::single("rrule", FieldKind::Text, "repetition, FREQ=WEEKLY;BYDAY=TU"),
        FieldSpec::single("timezone", FieldKind::Text, "zone of start and end, Europe/Berlin"),
    ],
    extension: "ics",
    open_fields: false,
    naming: None,
};
