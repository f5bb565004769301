//! Settings as JSON objects, one file for each namespace.
//!
//! Keys: `name` for the namespace, `s:` and the setting's name for its value
//! (JSON text as it stands in the file), `order` and `style` for what stands
//! around the values, and `source` for a file that these do not describe.

mod json;

use crate::births::Slot;
use crate::format::Format;
use crate::item::{Item, ItemError, RawItem, Split};
use crate::layout::{self, Unit};
use crate::merge::{self, Lines, Replacement};
use crate::{Edits, FieldEdit, FieldError, Operation, Projection, encoding, file_name};
use heirloom_base::limits;
use heirloom_schema::category::settings::SETTINGS;
use heirloom_schema::{CategorySpec, Content, Value};
use json::{Object, Style};
use serde_json::Value as Json;
use std::collections::BTreeMap;

const SETTING: &str = "s:";
const NAME: &str = "name";
const ORDER: &str = "order";
const STYLE: &str = "style";
const SOURCE: &str = "source";

/// Bytes of a namespace as it stands in a file's name.
const NAMESPACE_BYTES_MAX: usize = 90;

/// Bytes of a file's name that most systems take, less an ending.
const STEM_BYTES_MAX: usize = 220;

/// Settings.
#[derive(Debug)]
pub(crate) struct Settings;

impl Format for Settings {
    fn category(&self) -> &'static CategorySpec {
        &SETTINGS
    }

    fn recognises(&self, name: &str, bytes: &[u8]) -> bool {
        let text = bytes.strip_prefix(encoding::MARK).unwrap_or(bytes).trim_ascii_start();
        let is_object = text.first() == Some(&b'{');
        let is_json = file_name::ends_in(name, &["json"]);
        let is_note = crate::is_note(name);
        is_object && (is_json || (!is_note && json::object(bytes).is_ok()))
    }

    fn split(&self, name: &str, bytes: &[u8]) -> Split {
        let mut split = Split::default();
        let raw =
            RawItem { category: &SETTINGS, name: name.to_owned(), line: 1, bytes: bytes.to_vec() };
        match self.parse(&raw) {
            Ok(_) => split.items.push(raw),
            Err(error) => split.skip(error.line, error.reason),
        }
        split
    }

    fn parse(&self, raw: &RawItem) -> Result<Item, ItemError> {
        let error = |reason: &str| ItemError::new(raw.line, reason);
        if raw.bytes.len() > limits::CARD_TEXT_BYTES_MAX {
            return Err(error("the settings are larger than 1 MiB"));
        }
        let object = json::object(&raw.bytes)
            .map_err(|(line, reason)| ItemError::new(raw.line + line.max(1) - 1, reason))?;
        if object.members.len() > limits::CARD_PROPERTIES_MAX {
            return Err(error("the object has more than 1000 settings"));
        }
        let namespace = decoded(file_name::stem_of(&raw.name));
        if !is_namespace(&namespace) {
            return Err(error("the file's name is not fit to be a namespace"));
        }
        let content = stored(&object, &namespace);
        Ok(Item { category: &SETTINGS, uid: Some(namespace), content, is_whole: true })
    }

    fn fingerprint(&self, content: &Content) -> Vec<Vec<u8>> {
        let settings = content.iter().filter(|(key, _)| key.starts_with(SETTING));
        settings
            .flat_map(|(key, value)| [key.as_bytes(), value.as_raw().unwrap_or_default()])
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn render(&self, content: &Content, _uid: Option<&str>) -> Vec<u8> {
        let settings = settings(content);
        let source = content.get(SOURCE).and_then(Value::as_str);
        let object = source.and_then(|source| json::object(source.as_bytes()).ok());
        match (source, object) {
            (Some(source), Some(object)) if object.members == settings => source.into(),
            (_, _) => style(content).written(&in_order(content, &settings)).into_bytes(),
        }
    }

    /// Without capitals: to some systems they are the small letters.
    fn file_stem(&self, _content: &Content, uid: &str) -> String {
        let is_capital = |letter: char| !letter.to_lowercase().eq([letter]);
        let stem = encoded(uid, is_capital);
        if stem.len() > STEM_BYTES_MAX { encoded(uid, |_| false) } else { stem }
    }

    fn preferred_stem(&self, content: &Content) -> Option<String> {
        let name = content.get(NAME).and_then(Value::as_str)?;
        is_namespace(name).then(|| encoded(name, |_| false))
    }

    fn create(&self, edits: &[FieldEdit], uid: &str, _now_ms: u64) -> Result<Content, FieldError> {
        if !is_namespace(uid) {
            return Err(FieldError::Value {
                field: "the namespace".to_owned(),
                value: uid.to_owned(),
                expected: "a short name without control characters",
            });
        }
        let mut content = Content::from([(NAME.to_owned(), Value::Str(uid.to_owned()))]);
        for (key, value) in self.edit(&content, edits, "00000000")? {
            content.extend(value.map(|value| (key, value)));
        }
        Ok(content)
    }

    fn edit(
        &self,
        content: &Content,
        edits: &[FieldEdit],
        _tie: &str,
    ) -> Result<Edits, FieldError> {
        let mut edited = content.clone();
        for edit in edits {
            let Operation::Set(values) = &edit.operation else {
                return Err(FieldError::Single { field: edit.field.clone() });
            };
            let key = format!("{SETTING}{}", edit.field);
            let Some(text) = values.first().filter(|text| !text.is_empty()) else {
                edited.remove(&key);
                continue;
            };
            if heirloom_base::json::too_deep(text.as_bytes()).is_some() {
                return Err(FieldError::Value {
                    field: edit.field.clone(),
                    value: text.chars().take(8).chain(['…']).collect(),
                    expected: "nested at most 64 levels deep",
                });
            }
            let value = json::value(text).unwrap_or_else(|| Json::String(text.clone()));
            let old = edited.get(&key).and_then(Value::as_str).and_then(json::value);
            if old.as_ref() != Some(&value) {
                edited.insert(key, Value::Str(value.to_string()));
            }
        }
        Ok(layout::difference(content, &edited))
    }

    fn lines(&self) -> &dyn Lines {
        self
    }

    fn replace(
        &self,
        base: &Content,
        current: &Content,
        imported: &Content,
        tie: &str,
    ) -> Replacement {
        merge::replace(self, base, current, imported, tie)
    }

    fn project(&self, content: &Content) -> Projection {
        let mut projection = Projection::default();
        if let Some(name) = content.get(NAME).and_then(Value::as_str) {
            projection.title = name.to_owned();
            projection.search_for(name);
        }
        for (name, raw) in in_order(content, &settings(content)) {
            let value = json::value(&raw).unwrap_or(Json::String(raw));
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            projection.search_for(&format!("{name} {text}"));
            projection.push(&name, value, None);
        }
        projection
    }

    fn field_of(&self, key: &str, _value: &Value) -> Option<String> {
        key.strip_prefix(SETTING).map(str::to_owned)
    }

    fn is_bookkeeping(&self, key: &str, _value: &Value) -> bool {
        !key.starts_with(SETTING)
    }
}

impl Lines for Settings {
    fn cut(&self, _key: &str) -> Option<usize> {
        None
    }

    fn is_identity(&self, _unit: &Unit<'_>) -> bool {
        false
    }

    fn slot(&self, _unit: &Unit<'_>) -> Slot {
        Slot::Many
    }
}

/// Returns the content that keeps an object.
fn stored(object: &Object, namespace: &str) -> Content {
    let text = |text: &str| Value::Str(text.to_owned());
    let mut content = Content::from([(NAME.to_owned(), text(namespace))]);
    for (name, raw) in &object.members {
        content.insert(format!("{SETTING}{name}"), text(raw));
    }
    let names: Vec<&String> = object.order.iter().collect();
    if !names.is_sorted() {
        content.insert(ORDER.to_owned(), Value::Str(Json::from(object.order.clone()).to_string()));
    }
    if object.style != Style::default() {
        content.insert(STYLE.to_owned(), Value::Str(object.style.to_json().to_string()));
    }
    let written = object.style.written(&in_order(&content, &object.members));
    if written != object.source {
        content.insert(SOURCE.to_owned(), text(&object.source));
    }
    content
}

/// Returns the settings by name, as JSON text.
fn settings(content: &Content) -> BTreeMap<String, String> {
    let texts = content.iter().filter_map(|(key, value)| {
        Some((key.strip_prefix(SETTING)?.to_owned(), value.as_str()?.to_owned()))
    });
    texts.collect()
}

/// Returns the settings in the order of the file; new ones follow by name.
fn in_order(content: &Content, settings: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let order = content.get(ORDER).and_then(Value::as_str).and_then(json::value);
    let order: Vec<&str> = order
        .as_ref()
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let mut settings: Vec<(String, String)> =
        settings.iter().map(|(name, raw)| (name.clone(), raw.clone())).collect();
    let places: BTreeMap<&str, usize> =
        order.iter().rev().enumerate().map(|(at, name)| (*name, order.len() - at)).collect();
    settings.sort_by_key(|(name, _)| places.get(name.as_str()).copied().unwrap_or(usize::MAX));
    settings
}

fn style(content: &Content) -> Style {
    let style = content.get(STYLE).and_then(Value::as_str).and_then(json::value);
    style.and_then(|style| Style::from_json(&style)).unwrap_or_default()
}

fn is_namespace(name: &str) -> bool {
    !name.trim().is_empty()
        && !name.chars().any(char::is_control)
        && encoded(name, |_| false).len() <= NAMESPACE_BYTES_MAX
}

/// Returns a namespace as a file's name: what some system does not take there
/// is written as `%` and two hex digits, and so is what is to be avoided.
fn encoded(name: &str, is_avoided: impl Fn(char) -> bool) -> String {
    let is_device = ["CON", "PRN", "AUX", "NUL"].iter().any(|one| one.eq_ignore_ascii_case(name));
    let last = name.chars().count().saturating_sub(1);
    let mut encoded = String::with_capacity(name.len());
    for (index, letter) in name.chars().enumerate() {
        let is_edge = (index == 0 || index == last) && matches!(letter, '.' | ' ');
        let is_safe = file_name::readable(&format!("a{letter}a")).chars().nth(1) == Some(letter);
        let is_odd = letter == '%' || !is_safe || is_avoided(letter);
        if is_odd || is_edge || (is_device && index == 0) {
            let mut bytes = [0; 4];
            let bytes = letter.encode_utf8(&mut bytes).bytes();
            bytes.for_each(|byte| encoded.push_str(&format!("%{byte:02X}")));
        } else {
            encoded.push(letter);
        }
    }
    encoded
}

/// Returns the namespace that a file's name stands for.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'%');
        let hex = hex.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

#[cfg(test)]
mod tests;
