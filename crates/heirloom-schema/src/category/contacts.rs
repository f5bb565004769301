//! Contacts.

use super::{CategorySpec, FieldKind, FieldSpec};

/// People and organizations, kept as vCards.
pub const CONTACTS: CategorySpec = CategorySpec {
    number: 1,
    id: "contacts",
    title: "Contacts",
    singular: "contact",
    plural: "contacts",
    about: "People and organizations, kept as vCards",
    fields: &[
        FieldSpec::single("name", FieldKind::Text, "full name"),
        FieldSpec::repeatable(
            "phone",
            FieldKind::Text,
            "phone number; phone:cell=... names its type",
        )
        .typed(),
        FieldSpec::repeatable("email", FieldKind::Text, "mail address; may carry a type").typed(),
        FieldSpec::repeatable("organization", FieldKind::Text, "company, school, club"),
        FieldSpec::repeatable("address", FieldKind::Text, "postal address; may carry a type")
            .typed(),
        FieldSpec::single("birthday", FieldKind::Date, "date, 1984-02-28 or --02-28"),
        FieldSpec::repeatable("url", FieldKind::Text, "web page; may carry a type").typed(),
        FieldSpec::repeatable("note", FieldKind::Text, "anything else"),
    ],
    extension: "vcf",
    open_fields: false,
    naming: None,
};
