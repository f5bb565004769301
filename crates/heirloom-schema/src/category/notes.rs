//! Notes.

use super::{CategorySpec, FieldKind, FieldSpec};

/// Texts, kept as Markdown.
pub const NOTES: CategorySpec = CategorySpec {
    number: 2,
    id: "notes",
    title: "Notes",
    singular: "note",
    plural: "notes",
    about: "Texts, kept as Markdown with optional front matter",
    fields: &[
        FieldSpec::single("title", FieldKind::Text, "title"),
        FieldSpec::single("body", FieldKind::LongText, "text"),
    ],
    extension: "md",
    open_fields: false,
    naming: None,
};
