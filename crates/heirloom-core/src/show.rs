//! Between records and the texts that people read and write.

use crate::command::{Author, Failure, HistoryEdit, HistoryRow};
use crate::{failure, past};
use heirloom_base::wording::capitalized;
use heirloom_base::{ActorId, Hlc, hash, time};
use heirloom_doc::{ChangeSummary, KeyEdit};
use heirloom_formats::{FieldEdit, FieldError, ProjectedValue, Projection};
use heirloom_schema::category::CategorySpec;
use heirloom_schema::{Content, Value, key};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// The field of an event's zone.
const TIMEZONE: &str = "timezone";
/// Bytes of a line without a field that are shown.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// What returns a value that can be read, of one that may live in chunks.
pub(crate) type Open<'a> = &'a dyn Fn(&Value) -> Value;

/// Returns the fields as lists show them: a value, or for a repeatable field
/// a list of `{value, type}`.
pub(crate) fn fields_json(spec: &'static CategorySpec, projection: &Projection) -> Json {
    let mut fields = Map::new();
    for (name, values) in &projection.fields {
        let repeatable = spec.fields.iter().any(|field| field.name == name && field.repeatable);
        let shown = if repeatable {
            let list = values.iter().map(|one| json!({"value": one.value, "type": one.kind}));
            Json::Array(list.collect())
        } else {
            values.first().map_or(Json::Null, |one| one.value.clone())
        };
        fields.insert(name.clone(), shown);
    }
    Json::Object(fields)
}

/// Reads `FIELD=VALUE` texts.
pub(crate) fn parse(
    spec: &'static CategorySpec,
    assignments: &[String],
) -> Result<Vec<FieldEdit>, Failure> {
    heirloom_formats::parse_assignments(spec, assignments)
        .map_err(|error| field_failure(spec, &error))
}

/// Tells the user what is wrong with a field.
pub(crate) fn field_failure(spec: &'static CategorySpec, error: &FieldError) -> Failure {
    let fix = format!("See `heirloom {} --help` for the fields.", spec.id);
    let text = match error {
        FieldError::Single { .. }
        | FieldError::Untyped { .. }
        | FieldError::Value { .. }
        | FieldError::Required { .. }
        | FieldError::NoSuchValue { .. } => format!("The field {error}."),
        FieldError::Form { .. }
        | FieldError::Unknown { .. }
        | FieldError::Full { .. }
        | FieldError::TooLarge { .. } => format!("{}.", capitalized(&error.to_string())),
    };
    failure::usage(text, &fix)
}

/// Returns one value of a record's layout as fields show it.
fn value_json(spec: &'static CategorySpec, key: &str, value: &Value) -> Json {
    reading(spec, key, value).value
}

/// Returns how one value of a record's layout reads.
pub(crate) fn reading(spec: &'static CategorySpec, key: &str, value: &Value) -> ProjectedValue {
    let alone = Content::from([(key.to_owned(), value.clone())]);
    let projection = heirloom_formats::project(spec, &alone);
    let field = heirloom_formats::field_of(spec, key, value);
    if heirloom_formats::holds_attachment(spec, &alone) {
        return ProjectedValue { value: bytes_json(value), kind: None };
    }
    let shown = field.and_then(|field| {
        let values = projection.fields.iter().find(|(name, _)| *name == field);
        values.and_then(|(_, values)| values.first().cloned())
    });
    shown.unwrap_or_else(|| ProjectedValue { value: plain_json(key, value), kind: None })
}

/// Returns what tells one file's bytes from another's.
fn bytes_json(value: &Value) -> Json {
    let told = value.as_raw().map(|bytes| size_json(bytes.len() as u64, &hash::plain(bytes)));
    told.unwrap_or_else(|| plain_json("", value))
}

fn size_json(size: u64, hash: &[u8; 32]) -> Json {
    json!(format!("({size} bytes, {})", heirloom_base::id::to_hex(&hash[..4])))
}

/// Returns a value that is no field's as JSON; of a long one only what tells it
/// from others: it is a picture.
fn plain_json(key: &str, value: &Value) -> Json {
    match value {
        Value::Text(text) | Value::Str(text) if text.len() <= LINE_BYTES_MAX => json!(text),
        Value::Text(text) | Value::Str(text) => {
            size_json(text.len() as u64, &hash::plain(text.as_bytes()))
        }
        Value::Int(number) if key == key::DELETED => {
            json!(time::rfc3339(u64::try_from(*number).unwrap_or_default()))
        }
        Value::Int(number) => json!(number),
        Value::Bytes(bytes) => json!(String::from_utf8_lossy(bytes)),
        Value::Blob(blob) => size_json(blob.size, &blob.hash),
    }
}

/// Returns the line of a file that a value is, without its end.
pub(crate) fn line(value: &Value) -> Option<String> {
    let line = |raw: &[u8]| String::from_utf8_lossy(raw).trim_end().to_owned();
    value.as_raw().map(line)
}

/// Returns a value as a person writes it in a command.
pub(crate) fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the field of a key, or what else to call it.
pub(crate) fn field_name(spec: &'static CategorySpec, key: &str, value: Option<&Value>) -> String {
    if key == key::DELETED {
        return "deleted".to_owned();
    }
    let empty = Value::Str(String::new());
    heirloom_formats::field_of(spec, key, value.unwrap_or(&empty)).unwrap_or_else(|| key.to_owned())
}

/// Returns the changes as history lists them. What one edit or one birth did
/// in several changes, because it was long, is one row under its last change.
pub(crate) fn history_rows(
    spec: &'static CategorySpec,
    changes: &[ChangeSummary],
    author: &dyn Fn(ActorId, Hlc) -> Author,
    open: Open<'_>,
) -> Vec<HistoryRow> {
    let mut groups: Vec<ChangeSummary> = Vec::new();
    for change in changes {
        let same =
            |group: &&mut ChangeSummary| (group.actor, group.hlc) == (change.actor, change.hlc);
        match groups.iter_mut().find(same) {
            Some(group) => join(group, change),
            None => groups.push(change.clone()),
        }
    }
    groups.iter().map(|change| history_row(spec, change, author, open)).collect()
}

/// Adds what a later part of an edit did.
fn join(group: &mut ChangeSummary, part: &ChangeSummary) {
    group.hash = part.hash;
    group.kind = group.kind.max(part.kind);
    for edit in &part.edits {
        match group.edits.iter_mut().find(|before| before.key == edit.key) {
            Some(before) => {
                before.after.clone_from(&edit.after);
                before.settled |= edit.settled;
                before.lost.extend(edit.lost.iter().cloned());
            }
            None => group.edits.push(edit.clone()),
        }
    }
}

fn history_row(
    spec: &'static CategorySpec,
    change: &ChangeSummary,
    author: &dyn Fn(ActorId, Hlc) -> Author,
    open: Open<'_>,
) -> HistoryRow {
    let is_visible = |key: &str| {
        key == key::DELETED || !(key::is_reserved(key) || heirloom_formats::is_writing(spec, key))
    };
    let visible = change.edits.iter().filter(|edit| is_visible(&edit.key));
    let mut edits: Vec<HistoryEdit> = Vec::new();
    for edit in visible {
        for row in history_edits(spec, &opened(edit, open)) {
            // One field may stand in two lines, as a card's name does; what has no
            // field is a line of its own.
            let is_line = heirloom_formats::part_of(spec, &edit.key) == Some(row.field.as_str());
            if is_line || !edits.contains(&row) {
                edits.push(row);
            }
        }
    }
    // The other times of an event follow its zone.
    if edits.iter().any(|row| row.field == TIMEZONE) {
        edits.retain(|row| row.before_line.is_none());
    }
    HistoryRow {
        change: change.hash.to_string(),
        author: author(change.actor, change.hlc),
        kind: past::kind_name(change.kind).to_owned(),
        edits,
    }
}

fn opened(edit: &KeyEdit, open: Open<'_>) -> KeyEdit {
    KeyEdit {
        key: edit.key.clone(),
        before: edit.before.as_ref().map(open),
        after: edit.after.as_ref().map(open),
        settled: edit.settled,
        lost: edit.lost.iter().map(open).collect(),
    }
}

/// Returns what a changed value did to each field: the line of one may say
/// something about others too, as that of a start does about the zone.
fn history_edits(spec: &'static CategorySpec, edit: &KeyEdit) -> Vec<HistoryEdit> {
    let main = history_edit(spec, edit);
    let (Some(before), Some(after)) = (&edit.before, &edit.after) else { return vec![main] };
    if matches!(after, Value::Text(_)) {
        return vec![main];
    }
    let (old, new) = (parts_of(spec, &edit.key, before), parts_of(spec, &edit.key, after));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    let others = names.into_iter().filter_map(|name| {
        let (before, after) = (old.get(name).cloned(), new.get(name).cloned());
        let field = name.to_owned();
        let (added, removed) = (before.is_none(), after.is_none());
        let edit = HistoryEdit { field, before, after, added, removed, ..HistoryEdit::default() };
        (name != main.field && edit.before != edit.after).then_some(edit)
    });
    let others: Vec<HistoryEdit> = others.collect();
    let is_told = main.before == main.after && !main.settled && !others.is_empty();
    let main = (!is_told).then_some(main);
    main.into_iter().chain(others).collect()
}

/// Returns what a single line says by itself about fields that have one value.
pub(crate) fn parts_of(
    spec: &'static CategorySpec,
    key: &str,
    value: &Value,
) -> BTreeMap<String, Json> {
    let alone = Content::from([(key.to_owned(), value.clone())]);
    let fields = heirloom_formats::project(spec, &alone).fields.into_iter();
    let single = fields.filter(|(name, _)| spec.field(name).is_some_and(|field| !field.repeatable));
    single.filter_map(|(name, values)| Some((name, values.into_iter().next()?.value))).collect()
}

/// Returns a changed value as history lists it. What has no field is called as
/// the part of the file that it stands in.
fn history_edit(spec: &'static CategorySpec, edit: &KeyEdit) -> HistoryEdit {
    let read = |value: &Value| reading(spec, &edit.key, value);
    let (before, after) = (edit.before.as_ref(), edit.after.as_ref());
    let key = edit.key.as_str();
    let part = heirloom_formats::part_of(spec, key);
    // Of a line that was taken away its blank lines may be left.
    let is_named = |value: &&Value| heirloom_formats::field_of(spec, key, value).is_some();
    let named = [after, before].into_iter().flatten().find(is_named).or(after).or(before);
    let field = match (field_name(spec, key, named), part) {
        (field, Some(part)) if field == key => part.to_owned(),
        (field, _) => field,
    };
    let is_structure = |value: &Value| heirloom_formats::is_structure(spec, key, value);
    let structural = key != key::DELETED && after.into_iter().chain(before).all(is_structure);
    let lost = edit.lost.iter().map(|value| value_json(spec, &edit.key, value)).collect();
    let (old, new) = (before.map(read), after.map(read));
    // What changed may be nothing that a field shows: a parameter of the line.
    let is_alike = old == new && before != after;
    let line = |value: Option<&Value>| value.filter(|_| is_alike).and_then(line);
    let (before_line, after_line) = (line(before), line(after));
    let parts =
        |one: Option<ProjectedValue>| one.map_or((None, None), |one| (Some(one.value), one.kind));
    let ((before, before_type), (after, after_type)) = (parts(old), parts(new));
    let settled = edit.settled;
    HistoryEdit {
        field,
        added: before.is_none(),
        removed: after.is_none(),
        before,
        after,
        structural,
        before_type,
        after_type,
        before_line,
        after_line,
        settled,
        lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(id: &str) -> &'static CategorySpec {
        heirloom_schema::category::by_id(id).unwrap()
    }

    fn content(spec: &'static CategorySpec, fields: &[&str]) -> Content {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        heirloom_formats::create(spec, &parse(spec, &fields).unwrap(), "u", 0).unwrap()
    }

    #[test]
    fn fields_that_repeat_are_lists_and_others_are_values() {
        let spec = spec("contacts");
        let content = content(spec, &["name=Ann", "phone+=1", "phone+=2"]);
        let fields = fields_json(spec, &heirloom_formats::project(spec, &content));
        assert_eq!(fields["name"], "Ann");
        let phones: Vec<&Json> =
            fields["phone"].as_array().unwrap().iter().map(|phone| &phone["value"]).collect();
        assert_eq!(phones, ["1", "2"]);
    }

    #[test]
    fn a_birth_tells_what_nobody_wrote_as_such_and_names_no_key() {
        let born = |spec: &'static CategorySpec, content: &Content| -> Vec<HistoryEdit> {
            let edits = content.iter().map(|(key, value)| {
                let (key, after) = (key.clone(), Some(value.clone()));
                history_edit(spec, &KeyEdit { key, after, ..KeyEdit::default() })
            });
            edits.collect()
        };
        let told = |edits: &[HistoryEdit], structural: bool| -> Vec<String> {
            let own = edits.iter().filter(|edit| edit.structural == structural);
            own.map(|edit| edit.field.clone()).collect()
        };
        let notes = spec("notes");
        let card = born(spec("contacts"), &content(spec("contacts"), &["name=Ann", "note=x"]));
        assert_eq!(told(&card, false), ["name", "name", "note"], "{card:?}");
        assert!(told(&card, true).iter().any(|field| field == "begin"), "{card:?}");
        let note = "---\nid: 202601020304\ntags:\n- a\n---\ntext";
        let raw = heirloom_formats::split("a.md", note.as_bytes(), None).unwrap().items.remove(0);
        let note = born(notes, &heirloom_formats::parse(&raw).unwrap().content);
        assert_eq!(told(&note, true), ["front matter", "id", "front matter"]);
        assert_eq!(told(&note, false), ["body", "tags", "front matter", "name"]);
    }

    #[test]
    fn a_wrong_field_is_told_in_a_sentence_with_a_way_on() {
        let failure = parse(spec("contacts"), &["colour=blue".to_owned()]).unwrap_err();
        assert_eq!(failure.exit, crate::failure::exit::USAGE);
        assert!(failure.text.starts_with(char::is_uppercase) && failure.text.ends_with('.'));
        assert!(failure.fix.contains("heirloom contacts --help"));
        let contacts = spec("contacts");
        let edits = parse(contacts, &["name=Ann".to_owned(), "birthday=soon".to_owned()]).unwrap();
        let error = heirloom_formats::create(contacts, &edits, "u", 0).unwrap_err();
        let failure = field_failure(contacts, &error);
        assert!(failure.text.starts_with("The field birthday is a date"), "{}", failure.text);
    }

    #[test]
    fn values_without_a_field_are_shown_as_they_are() {
        let spec = spec("notes");
        let shown = |value| value_json(spec, "no such key", &value);
        assert_eq!(shown(Value::Str("a".into())), "a");
        assert_eq!(shown(Value::Int(-4)), -4);
        let deletion = value_json(spec, key::DELETED, &Value::Int(1_795_000_000_000));
        assert_eq!(deletion, "2026-11-18T11:06:40Z");
        assert_eq!(shown(Value::Bytes(b"raw".to_vec())), "raw");
        assert_eq!(plain(&json!("text")), "text");
        assert_eq!(plain(&json!(81)), "81");
        assert_eq!(field_name(spec, key::DELETED, None), "deleted");
    }
}
