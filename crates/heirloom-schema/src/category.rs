//! The categories: what kinds of records there are. A new one is a file
//! beside the others and its line in [`CATEGORIES`].

pub mod apps;
pub mod calendar;
pub mod contacts;
pub mod notes;
pub mod settings;

/// What a field's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// Text of many lines, which may come from a file.
    LongText,
    /// A date, `2026-12-24`; a birthday may leave out the year: `--12-24`.
    Date,
    /// A date, a time of no zone (`2026-12-24T18:00`), or an RFC 3339 time.
    DateTime,
    /// `true` or `false`.
    Boolean,
    /// Any JSON value; what is no JSON counts as a text.
    Json,
}

/// A field that a user can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its name in commands and in JSON.
    pub name: &'static str,
    /// What it holds: no full stop.
    pub about: &'static str,
    /// Whether a record may have several.
    pub repeatable: bool,
    /// What its value looks like.
    pub kind: FieldKind,
    /// Whether a value may carry a type (`phone:cell=...`).
    pub typed: bool,
}

impl FieldSpec {
    /// A field that a record has once at most, without a type.
    const fn single(name: &'static str, kind: FieldKind, about: &'static str) -> Self {
        Self { name, about, repeatable: false, kind, typed: false }
    }

    /// A field that a record may have several times.
    const fn repeatable(name: &'static str, kind: FieldKind, about: &'static str) -> Self {
        Self { name, about, repeatable: true, kind, typed: false }
    }

    /// The same field, whose values may carry a type.
    const fn typed(self) -> Self {
        Self { typed: true, ..self }
    }
}

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CategorySpec {
    /// Its number in stored records: never reused, never changed.
    pub number: i64,
    /// Its name in commands, JSON and folders.
    pub id: &'static str,
    /// Its name in headings.
    pub title: &'static str,
    /// What one record is called.
    pub singular: &'static str,
    /// What several are called.
    pub plural: &'static str,
    /// What it holds: no full stop.
    pub about: &'static str,
    /// The fields that a user can name, in the order in which they are shown.
    pub fields: &'static [FieldSpec],
    /// The ending of its files, without the dot.
    pub extension: &'static str,
    /// Whether any other name is a field too.
    pub open_fields: bool,
    /// What a record's name looks like where its user names it: such a record
    /// is made by setting its fields, and not by adding it.
    pub naming: Option<&'static str>,
}

impl CategorySpec {
    /// Returns the field with a name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// All categories, in the order in which they are shown.
pub const CATEGORIES: &[&CategorySpec] =
    &[&contacts::CONTACTS, &notes::NOTES, &calendar::CALENDAR, &settings::SETTINGS, &apps::APPS];

/// Returns the category with a name.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static CategorySpec> {
    CATEGORIES.iter().copied().find(|category| category.id == id)
}

/// Returns the category with a number.
#[must_use]
pub fn by_number(number: i64) -> Option<&'static CategorySpec> {
    CATEGORIES.iter().copied().find(|category| category.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_frozen() {
        let numbers: Vec<(i64, &str)> =
            CATEGORIES.iter().map(|category| (category.number, category.id)).collect();
        assert_eq!(
            numbers,
            [(1, "contacts"), (2, "notes"), (3, "calendar"), (4, "settings"), (5, "apps")]
        );
    }

    #[test]
    fn every_category_is_found_by_name_and_number() {
        for category in CATEGORIES {
            assert_eq!(by_id(category.id), Some(*category));
            assert_eq!(by_number(category.number), Some(*category));
        }
        assert_eq!(by_id("nothing"), None);
        assert_eq!(by_number(0), None, "zero stands for a record of no known category");
    }

    #[test]
    fn names_are_unique_and_fit_for_a_command_line() {
        for category in CATEGORIES {
            let names: BTreeSet<&str> = category.fields.iter().map(|field| field.name).collect();
            assert_eq!(names.len(), category.fields.len(), "{}", category.id);
            for name in names.iter().chain([&category.id, &category.extension]) {
                let fits = |letter: char| letter.is_ascii_lowercase() || letter == '_';
                assert!(!name.is_empty() && name.chars().all(fits), "{name}");
            }
        }
    }

    #[test]
    fn texts_are_phrases_without_a_full_stop() {
        for category in CATEGORIES {
            let fields = category.fields.iter().map(|field| field.about);
            for text in
                fields.chain([category.about, category.title, category.singular, category.plural])
            {
                assert!(!text.is_empty() && !text.ends_with('.') && text.len() <= 79, "{text}");
            }
        }
    }

    #[test]
    fn every_category_has_fields_or_takes_any() {
        for category in CATEGORIES {
            assert!(category.open_fields || !category.fields.is_empty(), "{}", category.id);
            for field in category.fields {
                assert_eq!(category.field(field.name), Some(field));
                assert!(!field.typed || field.repeatable, "{}", field.name);
            }
            assert_eq!(category.field("no such field"), None);
        }
    }

    #[test]
    fn field_names_are_frozen_for_scripts() {
        let names = |id| {
            let fields = by_id(id).unwrap().fields.iter();
            fields.map(|field| field.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("contacts"), "name phone email organization address birthday url note");
        assert_eq!(names("notes"), "title body");
        assert_eq!(
            names("calendar"),
            "title start end all_day location description rrule timezone"
        );
        assert_eq!(names("settings"), "");
        assert_eq!(names("apps"), "");
    }

    #[test]
    fn files_keep_their_endings() {
        let endings = CATEGORIES.iter().map(|category| category.extension).collect::<Vec<_>>();
        assert_eq!(endings, ["vcf", "md", "ics", "json", "apprecord"]);
    }

    #[test]
    fn no_two_categories_share_a_name_or_an_ending() {
        let all = |pick: fn(&CategorySpec) -> &'static str| {
            CATEGORIES.iter().map(|category| pick(category)).collect::<BTreeSet<_>>().len()
        };
        let picks: [fn(&CategorySpec) -> &'static str; 4] = [
            |category| category.id,
            |category| category.title,
            |category| category.singular,
            |category| category.extension,
        ];
        assert_eq!(picks.map(all), [CATEGORIES.len(); 4]);
    }

    #[test]
    fn a_field_has_what_its_constructor_says() {
        let field = FieldSpec::repeatable("phone", FieldKind::Text, "number");
        assert!(
            field.repeatable && !field.typed && field.typed().typed && field.typed().repeatable
        );
        assert!(!FieldSpec::single("body", FieldKind::LongText, "text").repeatable);
        let kind = |id, name| by_id(id).unwrap().field(name).unwrap().kind;
        assert_eq!(kind("notes", "body"), FieldKind::LongText);
        assert_eq!(kind("contacts", "birthday"), FieldKind::Date);
        assert_eq!(kind("calendar", "start"), FieldKind::DateTime);
        assert_eq!(kind("calendar", "all_day"), FieldKind::Boolean);
    }
}
