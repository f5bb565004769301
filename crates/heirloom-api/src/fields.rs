//! What an app writes into a record.

use serde::Serialize;
use std::fmt::Display;

/// Values of one write, field by field.
///
/// A field that is set takes the place of all its earlier values; what is not
/// named stays as it is, so that two devices that set different fields never
/// get in each other's way.
///
/// ```
/// use heirloom_api::Fields;
///
/// let person = Fields::new()
///     .text("name", "Ann Li")
///     .typed("phone", "cell", "+49 30 1234567")
///     .also("email", "ann@example.org")
///     .without("note");
/// assert_eq!(
///     person.assignments(),
///     ["name=Ann Li", "phone:cell=+49 30 1234567", "email+=ann@example.org", "note="],
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<String>);

impl Fields {
    /// Names no field yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field of contacts, notes or events to a text; an empty one
    /// removes it. For app records and settings use [`Fields::json`].
    #[must_use]
    pub fn text(self, field: &str, value: impl Display) -> Self {
        self.with(format!("{field}={value}"))
    }

    /// Sets the value of one type, such as the `cell` of `phone`.
    #[must_use]
    pub fn typed(self, field: &str, kind: &str, value: impl Display) -> Self {
        self.with(format!("{field}:{kind}={value}"))
    }

    /// Sets a field of an app record or of settings to a JSON value.
    ///
    /// # Panics
    /// When the value has no JSON form, as a map whose keys are not texts.
    #[must_use]
    pub fn json(self, field: &str, value: impl Serialize) -> Self {
        let text = serde_json::to_string(&value).expect("the caller's value has a JSON form");
        self.with(format!("{field}={text}"))
    }

    /// Adds one more value to a repeatable field.
    #[must_use]
    pub fn also(self, field: &str, value: impl Display) -> Self {
        self.with(format!("{field}+={value}"))
    }

    /// Takes one value out of a repeatable field.
    #[must_use]
    pub fn except(self, field: &str, value: impl Display) -> Self {
        self.with(format!("{field}-={value}"))
    }

    /// Removes a field.
    #[must_use]
    pub fn without(self, field: &str) -> Self {
        self.with(format!("{field}="))
    }

    /// Returns the texts that the command line would take.
    #[must_use]
    pub fn assignments(&self) -> &[String] {
        &self.0
    }

    /// Gives the texts away.
    pub(crate) fn into_assignments(self) -> Vec<String> {
        self.0
    }

    fn with(mut self, assignment: String) -> Self {
        self.0.push(assignment);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_text_stays_a_text_even_where_it_reads_as_a_number() {
        let fields = Fields::new().json("code", "0800").json("amount", 2).json("tags", ["a", "b"]);
        assert_eq!(fields.assignments(), ["code=\"0800\"", "amount=2", "tags=[\"a\",\"b\"]"]);
    }

    #[test]
    fn one_value_can_go_while_others_stay() {
        let fields = Fields::new().except("email", "old@example.org");
        assert_eq!(fields.into_assignments(), ["email-=old@example.org"]);
    }
}
