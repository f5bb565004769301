//! What lists and searches show of a record.

use serde_json::Value as Json;

/// One value of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectedValue {
    /// The value as JSON.
    pub value: Json,
    /// Its type, where it has one (`cell`).
    pub kind: Option<String>,
}

/// What lists and searches show of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    /// What a person would call it.
    pub title: String,
    /// The fields that have values, in the order of the category.
    pub fields: Vec<(String, Vec<ProjectedValue>)>,
    /// Everything that a user would search for, in lower case.
    pub search: String,
}

impl Projection {
    /// Adds a value to a field.
    pub(crate) fn push(&mut self, field: &str, value: Json, kind: Option<String>) {
        let value = ProjectedValue { value, kind };
        match self.fields.iter_mut().find(|(name, _)| name == field) {
            Some((_, values)) => values.push(value),
            None => self.fields.push((field.to_owned(), vec![value])),
        }
    }

    /// Adds words to what is searched.
    pub(crate) fn search_for(&mut self, text: &str) {
        if !self.search.is_empty() {
            self.search.push('\n');
        }
        self.search.push_str(&text.to_lowercase());
    }

    /// Returns the text of a field's first value.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        let (_, values) = self.fields.iter().find(|(name, _)| name == field)?;
        values.first()?.value.as_str().filter(|text| !text.trim().is_empty())
    }

    /// Puts the fields into the order of a category.
    pub(crate) fn sorted_by(mut self, category: &heirloom_schema::CategorySpec) -> Self {
        let place = |name: &str| category.fields.iter().position(|field| field.name == name);
        self.fields.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
        self
    }
}
