//! App records.

use super::CategorySpec;

/// What apps of other makers keep: one record for each thing of theirs, named
/// `APP/THING`, such as `org.example.shopping/milk`.
pub const APPS: CategorySpec = CategorySpec {
    number: 5,
    id: "apps",
    title: "App records",
    singular: "app record",
    plural: "app records",
    about: "Records that apps keep, one JSON object each, named APP/THING",
    fields: &[],
    extension: "apprecord",
    open_fields: true,
    naming: Some("APP/THING"),
};
