//! Edits of fields, as a user types them.

use heirloom_base::limits;
use heirloom_schema::{CategorySpec, FieldKind, FieldSpec};

/// What is done to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// These are the values from now on; none removes the field.
    Set(Vec<String>),
    /// One more value.
    Add(String),
    /// One value less.
    Remove(String),
}

/// An edit of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldEdit {
    /// The field.
    pub field: String,
    /// The type of the values (`cell` in `phone:cell=...`).
    pub kind: Option<String>,
    /// What is done.
    pub operation: Operation,
}

impl FieldEdit {
    /// Returns the texts that the edit names.
    pub(crate) fn values(&self) -> &[String] {
        match &self.operation {
            Operation::Set(values) => values,
            Operation::Add(value) | Operation::Remove(value) => std::slice::from_ref(value),
        }
    }
}

/// Why an edit of a field cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The text has no `=`, or nothing before it.
    #[error("{text:?} is not of the form FIELD=VALUE")]
    Form {
        /// The text.
        text: String,
    },
    /// The category has no such field.
    #[error("there is no field {field:?} in {category}")]
    Unknown {
        /// The category's id.
        category: &'static str,
        /// The field.
        field: String,
    },
    /// A field that a record has once was given several values.
    #[error("{field} takes one value")]
    Single {
        /// The field.
        field: String,
    },
    /// The values of the field carry no type.
    #[error("{field} takes no type, but {kind:?} was given")]
    Untyped {
        /// The field.
        field: String,
        /// The type.
        kind: String,
    },
    /// The value is not of the field's kind.
    #[error("{field} is {expected}, not {value:?}")]
    Value {
        /// The field.
        field: String,
        /// The value.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// The record would not be valid without the field.
    #[error("{field} cannot be missing")]
    Required {
        /// The field.
        field: String,
    },
    /// The value to remove is not there.
    #[error("{field} has no value {value:?}")]
    NoSuchValue {
        /// The field.
        field: String,
        /// The value.
        value: String,
    },
    /// The record would be larger than one may be.
    #[error("this cannot be added: {reason}")]
    Full {
        /// What it would have too much of.
        reason: String,
    },
    /// The value is larger than a record may be.
    #[error("the value of {field} is larger than {limit} bytes")]
    TooLarge {
        /// The field.
        field: String,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Reads one `FIELD=VALUE`, `FIELD+=VALUE` or `FIELD-=VALUE`, where FIELD may
/// carry a type (`phone:cell`).
///
/// # Errors
/// [`FieldError::Form`].
pub fn parse_assignment(category: &CategorySpec, text: &str) -> Result<FieldEdit, FieldError> {
    let form = || FieldError::Form { text: text.to_owned() };
    let (left, value) = text.split_once('=').ok_or_else(form)?;
    let value = value.to_owned();
    let (name, operation) = if let Some(name) = left.strip_suffix('+') {
        (name, Operation::Add(value))
    } else if let Some(name) = left.strip_suffix('-') {
        (name, Operation::Remove(value))
    } else {
        let values = if value.is_empty() { Vec::new() } else { vec![value] };
        (left, Operation::Set(values))
    };
    let (field, kind) = match name.split_once(':') {
        Some((field, kind)) if !category.open_fields => (field, Some(kind.to_lowercase())),
        Some(_) | None => (name, None),
    };
    if field.is_empty() || kind.as_deref() == Some("") {
        return Err(form());
    }
    Ok(FieldEdit { field: field.to_owned(), kind, operation })
}

/// Reads the assignments of one command. Several `FIELD=` of one repeatable
/// field become one edit with all values.
///
/// # Errors
/// When one is malformed, or does not fit its field.
pub fn parse_assignments(
    category: &CategorySpec,
    texts: &[String],
) -> Result<Vec<FieldEdit>, FieldError> {
    let mut edits: Vec<FieldEdit> = Vec::new();
    for text in texts {
        let edit = parse_assignment(category, text)?;
        let same = |one: &&mut FieldEdit| {
            one.field == edit.field
                && one.kind == edit.kind
                && matches!(one.operation, Operation::Set(_))
        };
        match (&edit.operation, edits.iter_mut().find(same)) {
            (Operation::Set(more), Some(FieldEdit { operation: Operation::Set(values), .. })) => {
                values.extend_from_slice(more);
            }
            (Operation::Set(_) | Operation::Add(_) | Operation::Remove(_), _) => edits.push(edit),
        }
    }
    verify(category, &edits)?;
    Ok(edits)
}

/// Checks that edits fit the fields of a category.
pub(crate) fn verify(category: &CategorySpec, edits: &[FieldEdit]) -> Result<(), FieldError> {
    edits.iter().try_for_each(|edit| match category.field(&edit.field) {
        Some(spec) => verify_one(spec, edit),
        None if category.open_fields => verify_open(edit),
        None => Err(FieldError::Unknown { category: category.id, field: edit.field.clone() }),
    })
}

fn verify_one(spec: &FieldSpec, edit: &FieldEdit) -> Result<(), FieldError> {
    let field = || edit.field.clone();
    if let Some(kind) = edit.kind.clone().filter(|_| !spec.typed) {
        return Err(FieldError::Untyped { field: field(), kind });
    }
    if let Some(kind) = edit.kind.as_ref()
        && !kind.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    {
        let expected = "typed with letters, digits and hyphens";
        return Err(FieldError::Value { field: field(), value: kind.clone(), expected });
    }
    let is_set = matches!(edit.operation, Operation::Set(_));
    if !spec.repeatable && (!is_set || edit.values().len() > 1) {
        return Err(FieldError::Single { field: field() });
    }
    let is_control = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if spec.kind != FieldKind::LongText
        && let Some(value) = edit.values().iter().find(|value| value.contains(is_control))
    {
        let expected = "text without control characters";
        return Err(FieldError::Value { field: field(), value: value.clone(), expected });
    }
    verify_size(edit)
}

fn verify_open(edit: &FieldEdit) -> Result<(), FieldError> {
    if !matches!(&edit.operation, Operation::Set(values) if values.len() <= 1) {
        return Err(FieldError::Single { field: edit.field.clone() });
    }
    verify_size(edit)
}

fn verify_size(edit: &FieldEdit) -> Result<(), FieldError> {
    let limit = limits::CARD_TEXT_BYTES_MAX;
    match edit.values().iter().map(String::len).sum::<usize>() > limit {
        true => Err(FieldError::TooLarge { field: edit.field.clone(), limit }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_schema::category::contacts::CONTACTS;
    use heirloom_schema::category::settings::SETTINGS;
    use proptest::prelude::*;

    fn parsed(texts: &[&str]) -> Vec<FieldEdit> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        parse_assignments(&CONTACTS, &texts).unwrap()
    }

    fn edit(field: &str, kind: Option<&str>, operation: Operation) -> FieldEdit {
        FieldEdit { field: field.into(), kind: kind.map(str::to_owned), operation }
    }

    #[test]
    fn every_form_of_an_assignment_is_read() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        for (text, expected) in [
            ("name=A=B", edit("name", None, Operation::Set(texts(&["A=B"])))),
            ("phone:Cell=1", edit("phone", Some("cell"), Operation::Set(texts(&["1"])))),
            (
                "phone:cell+=+49 30 1",
                edit("phone", Some("cell"), Operation::Add("+49 30 1".into())),
            ),
            ("note-=x", edit("note", None, Operation::Remove("x".into()))),
            ("note=", edit("note", None, Operation::Set(Vec::new()))),
        ] {
            assert_eq!(parsed(&[text]), [expected]);
        }
    }

    #[test]
    fn several_values_of_one_field_become_one_edit() {
        let edits = parsed(&["phone=1", "email=e", "phone=2", "phone:cell=3", "phone+=4"]);
        assert_eq!(edits.len(), 4);
        assert_eq!(edits[0].values(), ["1", "2"]);
    }

    #[test]
    fn a_setting_may_have_any_name() {
        let edit = parse_assignment(&SETTINGS, "a:b.c=1").unwrap();
        assert_eq!((edit.field.as_str(), edit.kind), ("a:b.c", None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn foreign_texts_do_no_harm(texts in prop::collection::vec("[a-z:=+-]{0,12}|\\PC{0,8}", 0..4)) {
            drop(parse_assignments(&CONTACTS, &texts));
            drop(parse_assignments(&SETTINGS, &texts));
        }
    }
}
