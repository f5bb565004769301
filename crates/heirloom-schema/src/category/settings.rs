//! Settings.

use super::CategorySpec;

/// Settings of programs and devices: one record for each namespace.
pub const SETTINGS: CategorySpec = CategorySpec {
    number: 4,
    id: "settings",
    title: "Settings",
    singular: "settings namespace",
    plural: "settings namespaces",
    about: "Settings of programs and devices, one JSON object for each namespace",
    fields: &[],
    extension: "json",
    open_fields: true,
    naming: Some("NAME"),
};
