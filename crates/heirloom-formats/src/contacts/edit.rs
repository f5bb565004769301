//! Edits of a card: only the lines of the fields named are written anew.

mod name;

use super::fields::{self, OMITTED_YEAR, kind_of, labels, shown};
use super::{SEQUENCE, USUAL_EOL, units};
use crate::layout::{self, Places};
use crate::line::{self, Property};
use crate::moment::Moment;
use crate::rewrite::{Habits, without_parameter};
use crate::{Edits, FieldEdit, FieldError, Operation, order, text};
use heirloom_schema::category::contacts::CONTACTS;
use heirloom_schema::{Content, Value};
use name::Order;

/// Which vCard a card says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Old,
    Three,
    Four,
}

fn version_of(content: &Content) -> Version {
    let units = units(content);
    let version = units.iter().find(|unit| unit.name().as_deref() == Some("VERSION"));
    let text = version.and_then(|unit| unit.property()).map(|property| property.text());
    match text.as_deref().map(str::trim) {
        Some("2.1") => Version::Old,
        Some("4.0") => Version::Four,
        Some(_) | None => Version::Three,
    }
}

/// As [`crate::create`].
pub(super) fn create(edits: &[FieldEdit], uid: &str) -> Result<Content, FieldError> {
    let value_of = |field: &str| {
        let named = edits.iter().filter(|edit| edit.field == field);
        named.flat_map(FieldEdit::values).find(|value| !value.trim().is_empty())
    };
    let name = ["name", "organization", "email", "phone"].into_iter().find_map(value_of);
    let required = || FieldError::Required { field: "name".to_owned() };
    let name = one_line("name", name.ok_or_else(required)?)?;
    let mut lines = vec![
        "BEGIN:VCARD".to_owned(),
        "VERSION:4.0".to_owned(),
        format!("UID:{}", text::escaped(uid)),
        format!("FN:{}", text::escaped(name)),
    ];
    if value_of("name").is_some() {
        lines.push(format!("N:{}", name::structured(name, Order::GivenFirst)));
    }
    lines.push("END:VCARD".to_owned());
    let bytes: Vec<u8> = lines.iter().flat_map(|line| line::folded(line, USUAL_EOL)).collect();
    let content = super::stored(&bytes);
    let others: Vec<FieldEdit> =
        edits.iter().filter(|edit| edit.field != "name").cloned().collect();
    let content = layout::changed(&content, &edit(&content, &others, "00000000")?);
    let values: Vec<Value> = units(&content).iter().map(|unit| unit.value.clone()).collect();
    let keys = (0..).map(|index| format!("{SEQUENCE}{}", order::ordinal(index)));
    Ok(keys.zip(values).collect())
}

/// As [`crate::edit`].
pub(super) fn edit(content: &Content, edits: &[FieldEdit], tie: &str) -> Result<Edits, FieldError> {
    let mut card = Card {
        version: version_of(content),
        habits: Habits {
            eol: layout::eol_of(content, USUAL_EOL).to_owned(),
            is_old: version_of(content) == Version::Old,
        },
        content: content.clone(),
        tie: tie.to_owned(),
    };
    // What replaces all values of a field comes before what replaces those of one type.
    let mut sorted: Vec<&FieldEdit> = edits.iter().collect();
    sorted.sort_by_key(|edit| {
        (edits.iter().position(|one| one.field == edit.field), edit.kind.is_some())
    });
    sorted.into_iter().try_for_each(|edit| card.apply(edit))?;
    Ok(layout::difference(content, &card.content))
}

/// A card that is being edited.
struct Card {
    content: Content,
    version: Version,
    habits: Habits,
    tie: String,
}

/// A line that holds a value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    key: String,
    property: Property,
    shown: String,
    kind: Option<String>,
}

impl Card {
    fn apply(&mut self, edit: &FieldEdit) -> Result<(), FieldError> {
        let field = edit.field.as_str();
        let unknown = || FieldError::Unknown { category: CONTACTS.id, field: field.to_owned() };
        let property = fields::property_of(field).ok_or_else(unknown)?;
        for value in edit.values() {
            if matches!(field, "name" | "phone" | "email" | "url" | "organization") {
                one_line(field, value)?;
            }
        }
        let kind = edit.kind.as_deref();
        match &edit.operation {
            Operation::Set(values) if field == "name" => self.set_name(values),
            Operation::Set(values) => {
                let values = values.iter().filter(|value| !value.trim().is_empty());
                let values: Result<Vec<String>, FieldError> =
                    values.map(|value| normal(field, value)).collect();
                self.set(property, values?, kind);
                Ok(())
            }
            Operation::Add(value) => {
                let value = normal(field, value)?;
                let is_there = |one: &Holder| same(property, &one.shown, &value) && fits(one, kind);
                if !value.is_empty() && !self.holders(property).iter().any(is_there) {
                    self.insert(property, &value, kind);
                }
                Ok(())
            }
            Operation::Remove(value) => self.remove_value(property, field, value, kind),
        }
    }

    /// Returns the lines of a property in order.
    fn holders(&self, name: &str) -> Vec<Holder> {
        let labels = labels(&self.content);
        let lines =
            units(&self.content).into_iter().filter(|unit| unit.name().as_deref() == Some(name));
        let holders = lines.filter_map(|unit| {
            let property = unit.property()?;
            let (shown, kind) = (shown(&property), kind_of(&property, &labels));
            Some(Holder { key: unit.key.to_owned(), property, shown, kind })
        });
        holders.collect()
    }

    /// Makes these the values of a property (of one type, where one is given).
    fn set(&mut self, name: &str, values: Vec<String>, kind: Option<&str>) {
        let mut old = self.holders(name);
        old.retain(|holder| fits(holder, kind));
        let mut wanted = Vec::new();
        for value in values {
            match old.iter().position(|holder| holder.shown == value) {
                Some(at) => drop(old.remove(at)),
                None => wanted.push(value),
            }
        }
        let mut wanted = wanted.into_iter();
        for holder in old {
            match wanted.next() {
                Some(value) => self.rewrite(&holder, &value),
                None => self.remove(&holder),
            }
        }
        wanted.for_each(|value| self.insert(name, &value, kind));
    }

    fn set_name(&mut self, values: &[String]) -> Result<(), FieldError> {
        let name = values.first().map(|name| name.trim()).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| FieldError::Required { field: "name".to_owned() })?;
        let (full, structured) = (self.holders("FN"), self.holders("N"));
        if full.first().is_some_and(|holder| holder.shown == name) {
            return Ok(());
        }
        match full.first() {
            Some(holder) => self.rewrite(holder, name),
            None => self.insert("FN", name, None),
        }
        match structured.first() {
            Some(holder) if holder.shown == name => {}
            Some(holder) => {
                let before = full.first().map_or("", |holder| holder.shown.as_str());
                if let Some(value) = name::renamed(&holder.property.text(), before, name) {
                    let line = self.line(&holder.property, &value);
                    layout::put(&mut self.content, &holder.key, line, &self.habits.eol);
                }
            }
            None if self.version == Version::Four => {}
            None => self.insert("N", name, None),
        }
        Ok(())
    }

    fn remove_value(
        &mut self,
        property: &str,
        field: &str,
        value: &str,
        kind: Option<&str>,
    ) -> Result<(), FieldError> {
        let mut found = self.holders(property);
        found.retain(|holder| same(property, &holder.shown, value) && fits(holder, kind));
        if found.is_empty() {
            let (field, value) = (field.to_owned(), value.to_owned());
            return Err(FieldError::NoSuchValue { field, value });
        }
        found.iter().for_each(|holder| self.remove(holder));
        Ok(())
    }

    /// Removes a line, and the label that belongs to it alone.
    fn remove(&mut self, holder: &Holder) {
        layout::take(&mut self.content, &holder.key, &self.habits.eol);
        let Some(group) = &holder.property.group else { return };
        let mates: Vec<(String, String)> = units(&self.content)
            .into_iter()
            .filter_map(|unit| Some((unit.key.to_owned(), unit.property()?)))
            .filter(|(_, property)| {
                property.group.as_ref().is_some_and(|one| one.eq_ignore_ascii_case(group))
            })
            .map(|(key, property)| (key, property.name))
            .collect();
        if mates.iter().all(|(_, name)| matches!(name.as_str(), "X-ABLABEL" | "X-ABADR")) {
            for (key, _) in &mates {
                layout::take(&mut self.content, key, &self.habits.eol);
            }
        }
    }

    /// Gives a line another value; its key, group and parameters stay.
    fn rewrite(&mut self, holder: &Holder, value: &str) {
        let value = self.raw_value(&holder.property, value);
        let line = self.line(&holder.property, &value);
        layout::put(&mut self.content, &holder.key, line, &self.habits.eol);
    }

    /// Adds a line behind the last of its property, or at the end.
    fn insert(&mut self, name: &str, value: &str, kind: Option<&str>) {
        let kind = kind.map(|kind| match self.version {
            Version::Old => format!(";{}", kind.to_uppercase()),
            Version::Three => format!(";TYPE={}", kind.to_uppercase()),
            Version::Four => format!(";TYPE={kind}"),
        });
        let prefix = format!("{name}{}:", kind.unwrap_or_default());
        let Some(property) = Property::read(prefix.as_bytes()) else { return };
        let value = match name {
            "N" => name::structured(value, Order::GivenFirst),
            _ => self.raw_value(&property, value),
        };
        let line = self.line(&property, &value);
        let lines = units(&self.content);
        let is_end = |unit: &&layout::Unit<'_>| unit.name().as_deref() == Some("END");
        let end = lines.iter().rev().find(is_end).map(|unit| unit.order());
        let closed = || lines.iter().rev().filter(|unit| !line::is_open(unit.raw()));
        let alike = closed().find(|unit| unit.name().as_deref() == Some(name));
        let before_end = closed().find(|unit| end.is_none_or(|end| unit.order() < end));
        let low = alike.or(before_end).map(|unit| unit.order());
        let is_single = matches!(name, "FN" | "N" | "BDAY");
        let mut places = Places::of(&lines);
        let place = match is_single {
            true => places.after(low, &layout::single_tie(name)),
            false => places.of_line(low, &line, &self.tie),
        };
        self.content.insert(format!("{SEQUENCE}{place}"), line);
    }

    /// Returns a text as the value of a property.
    fn raw_value(&self, property: &Property, text: &str) -> String {
        let escaped = match self.version {
            Version::Old => text::escaped_plainly(text),
            Version::Three | Version::Four => text::escaped(text),
        };
        match property.name.as_str() {
            "URL" => text.to_owned(),
            "ADR" => format!(";;{escaped};;;;"),
            "BDAY" if self.version == Version::Four => match text.strip_prefix("--") {
                Some(day) => format!("--{}", day.replace('-', "")),
                None => text.replace('-', ""),
            },
            "BDAY" => match (text.strip_prefix("--"), property.parameter(OMITTED_YEAR).next()) {
                (Some(day), Some(year)) => format!("{year}-{day}"),
                (_, _) => text.to_owned(),
            },
            "TEL" if property.has("VALUE", "uri") => {
                let number: Vec<&str> = text.split_whitespace().collect();
                format!("tel:{}", number.join("-"))
            }
            _ => escaped,
        }
    }

    /// Returns the line of a property with another value.
    fn line(&self, property: &Property, value: &str) -> Value {
        let is_date =
            |kind: &str| ["date", "date-and-or-time"].contains(&kind.to_lowercase().as_str());
        // A birthday in words, or one with a time, is a date from now on.
        let is_other = property.name == "BDAY" && !property.parameter("VALUE").all(is_date);
        let mut prefix = match is_other {
            true => without_parameter(&property.prefix, "VALUE"),
            false => property.prefix.clone(),
        };
        // What an envelope bears is that of the address before.
        if property.name == "ADR" {
            prefix = without_parameter(&prefix, "LABEL");
        }
        // The year that stands for none is said only where it stands.
        let omitted = property.parameter(OMITTED_YEAR).next();
        if omitted.is_some_and(|year| !value.starts_with(year)) {
            prefix = without_parameter(&prefix, OMITTED_YEAR);
        }
        self.habits.line(property, &prefix, value)
    }
}

fn fits(holder: &Holder, kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| {
        holder.kind.as_deref() == Some(kind) || holder.property.has("TYPE", kind)
    })
}

/// Returns whether a value is the one that a user names.
fn same(property: &str, shown: &str, named: &str) -> bool {
    let digits = |number: &str| Some(fields::digits(number)).filter(|digits| !digits.is_empty());
    let is_number = property == "TEL" && digits(named).is_some();
    shown == named.trim() || (is_number && digits(shown) == digits(named))
}

/// Returns a value in the form in which the field shows it.
fn normal(field: &str, value: &str) -> Result<String, FieldError> {
    let value = value.trim();
    if field != "birthday" {
        return Ok(value.to_owned());
    }
    let date = fields::birthday(value);
    // Every day of a year that has them all, where the year is not named.
    let whole = match date.strip_prefix("--") {
        Some(day) => format!("2000-{day}"),
        None => date.clone(),
    };
    let is_date = whole.len() == 10
        && Moment::parse(&whole).is_some_and(|moment| moment.to_extended() == whole);
    match is_date {
        true => Ok(date),
        false => Err(FieldError::Value {
            field: field.to_owned(),
            value: value.to_owned(),
            expected: "a date like 1984-02-28 or --02-28",
        }),
    }
}

fn one_line<'a>(field: &str, value: &'a str) -> Result<&'a str, FieldError> {
    match value.trim().contains(['\n', '\r']) {
        true => Err(FieldError::Value {
            field: field.to_owned(),
            value: value.to_owned(),
            expected: "one line of text",
        }),
        false => Ok(value.trim()),
    }
}

#[cfg(test)]
mod tests;
