//! The fields of a card.

use super::units;
use crate::Projection;
use crate::line::Property;
use crate::text;
use heirloom_schema::Content;
use heirloom_schema::category::contacts::CONTACTS;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Fields and the properties that hold them.
const PROPERTIES: &[(&str, &str)] = &[
    ("name", "FN"),
    ("phone", "TEL"),
    ("email", "EMAIL"),
    ("organization", "ORG"),
    ("address", "ADR"),
    ("birthday", "BDAY"),
    ("url", "URL"),
    ("note", "NOTE"),
];

/// Properties that say nothing that a user would search for.
const NOT_SEARCHED: &[&str] = &[
    "BEGIN",
    "END",
    "VERSION",
    "UID",
    "REV",
    "PRODID",
    "PHOTO",
    "LOGO",
    "SOUND",
    "KEY",
    "AGENT",
    "X-ABLABEL",
    "X-ABADR",
];

/// Types that say nothing about a value.
const NOT_TYPES: &[&str] = &["pref", "internet", "voice", "x400", "parcel", "postal", "intl"];

/// Returns the property that holds a field.
pub(super) fn property_of(field: &str) -> Option<&'static str> {
    PROPERTIES.iter().find(|(name, _)| *name == field).map(|(_, property)| *property)
}

/// Returns the field that a property holds.
pub(super) fn field_of(property: &str) -> Option<&'static str> {
    if property == "N" {
        return Some("name");
    }
    PROPERTIES.iter().find(|(_, name)| *name == property).map(|(field, _)| *field)
}

/// Returns a property's value as people read it.
pub(super) fn shown(property: &Property) -> String {
    let raw = property.text();
    let text = match property.name.as_str() {
        "ORG" | "ADR" => joined(text::components(&raw), ", "),
        "N" => full_name(&raw),
        "BDAY" => without_omitted_year(property, birthday(&text::unescaped(&raw))),
        "TEL" => {
            let number = text::unescaped(&raw);
            let is_uri = number.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("tel:"));
            if is_uri { number.get(4..).unwrap_or_default().to_owned() } else { number }
        }
        _ => text::unescaped(&raw),
    };
    text.trim().to_owned()
}

fn joined(parts: Vec<String>, separator: &str) -> String {
    let parts: Vec<String> =
        parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    parts.join(separator)
}

/// Returns a structured name as it is spoken: title, given, further, family, suffix.
fn full_name(value: &str) -> String {
    let parts = text::components(value);
    let order = [3, 1, 2, 0, 4];
    joined(order.iter().filter_map(|at| parts.get(*at).cloned()).collect(), " ")
}

/// Returns a date with hyphens; what is no date stays as it is.
pub(super) fn birthday(text: &str) -> String {
    let date = text.split('T').next().unwrap_or(text);
    let is_basic = |digits: &str, count: usize| {
        digits.len() == count && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    if let Some(day) = date.strip_prefix("--").filter(|day| is_basic(day, 4)) {
        return format!("--{}-{}", &day[..2], &day[2..]);
    }
    if is_basic(date, 8) {
        return format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    }
    let bytes = date.as_bytes();
    let is_date = bytes.len() == 10 && bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    if is_date { date.to_owned() } else { text.to_owned() }
}

/// The parameter in which Apple's programs name the year that stands for none.
pub(super) const OMITTED_YEAR: &str = "X-APPLE-OMIT-YEAR";

/// Returns a date without the year that stands for none in Apple's programs.
fn without_omitted_year(property: &Property, date: String) -> String {
    let mut omitted = property.parameter(OMITTED_YEAR);
    let day = date.split_once('-').filter(|(year, _)| omitted.any(|omitted| omitted == *year));
    day.map(|(_, day)| format!("--{day}")).unwrap_or(date)
}

/// Returns the type of a value: its first type that says something, or the
/// label that Apple's programs put beside it.
pub(super) fn kind_of(property: &Property, labels: &BTreeMap<String, String>) -> Option<String> {
    let types = property.parameter("TYPE").map(str::to_lowercase);
    let mut types = types.filter(|one| !one.is_empty() && !NOT_TYPES.contains(&one.as_str()));
    types.next().or_else(|| labels.get(&property.group.as_ref()?.to_lowercase()).cloned())
}

/// Returns the labels of a card by group, in lower case.
pub(super) fn labels(content: &Content) -> BTreeMap<String, String> {
    let labels = units(content).into_iter().filter_map(|unit| {
        let property = unit.property().filter(|property| property.name == "X-ABLABEL")?;
        let label = text::unescaped(&property.text());
        let label = label
            .strip_prefix("_$!<")
            .and_then(|label| label.strip_suffix(">!$_"))
            .unwrap_or(&label);
        Some((property.group?.to_lowercase(), label.trim().to_lowercase()))
    });
    labels.filter(|(_, label)| !label.is_empty()).collect()
}

/// Returns what lists and searches show of a card.
pub(super) fn project(content: &Content) -> Projection {
    let mut projection = Projection::default();
    let labels = labels(content);
    let mut structured_name = None;
    for unit in units(content) {
        let Some(name) = unit.name().filter(|name| !NOT_SEARCHED.contains(&name.as_str())) else {
            continue;
        };
        let Some(property) = unit.property() else { continue };
        let text = shown(&property);
        if text.is_empty() {
            continue;
        }
        projection.search_for(&text);
        match (name.as_str(), field_of(&name)) {
            ("N", _) => structured_name = Some(text),
            ("TEL", _) => {
                projection.push("phone", Json::String(text), kind_of(&property, &labels));
            }
            ("FN" | "BDAY", Some(field)) if projection.text(field).is_some() => {}
            (_, Some(field)) => {
                projection.push(field, Json::String(text), kind_of(&property, &labels));
            }
            (_, None) => {}
        }
    }
    if let Some(name) = structured_name.filter(|_| projection.text("name").is_none()) {
        projection.push("name", Json::String(name), None);
    }
    let title = ["name", "organization", "email", "phone"];
    let title = title.iter().find_map(|field| projection.text(field));
    projection.title = title.unwrap_or("(no name)").to_owned();
    projection.sorted_by(&CONTACTS)
}

/// Returns a number as it is searched for, without what people put between digits.
pub(super) fn digits(number: &str) -> String {
    number.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect()
}
