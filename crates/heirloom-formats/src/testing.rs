//! What the tests of all formats share.

use crate::{
    Edits, Item, RawItem, edit, parse, parse_assignments, project, render, replace, split,
};
use heirloom_schema::{CategorySpec, Content};
use serde_json::Value as Json;

/// The tie of edits in tests.
pub(crate) const TIE: &str = "0badcafe";

/// Cuts a file that has nothing to skip into items.
pub(crate) fn items(name: &str, bytes: &[u8]) -> Vec<RawItem> {
    let split = split(name, bytes, None).unwrap();
    assert_eq!(split.skipped, []);
    split.items
}

/// Reads a file of one item.
pub(crate) fn one(name: &str, bytes: &[u8]) -> Item {
    let items = items(name, bytes);
    assert_eq!(items.len(), 1);
    parse(&items[0]).unwrap()
}

/// Returns the file of an item that nobody touched.
pub(crate) fn rendered(item: &Item) -> Vec<u8> {
    let uid = item.uid.clone().unwrap_or_else(|| crate::content_uid(item));
    render(item.category, &item.content, &uid)
}

/// Applies edits to a content.
pub(crate) fn applied(content: &Content, edits: Edits) -> Content {
    crate::layout::changed(content, &edits)
}

/// Carries out `FIELD=VALUE` texts.
pub(crate) fn set(category: &'static CategorySpec, content: &Content, texts: &[&str]) -> Content {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let edits = parse_assignments(category, &texts).unwrap();
    applied(content, edit(category, content, &edits, TIE).unwrap())
}

/// Makes a record of `FIELD=VALUE` texts.
pub(crate) fn made(category: &'static CategorySpec, uid: &str, texts: &[&str]) -> Content {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let edits = parse_assignments(category, &texts).unwrap();
    crate::create(category, &edits, uid, 1_795_000_000_000).unwrap()
}

/// Imports `imported` over a record that was `base` when it was last imported.
pub(crate) fn reimported(item: &Item, base: &Content, current: &Content) -> Content {
    applied(current, replace(item.category, base, current, &item.content, TIE).edits)
}

/// Returns a field's values and their types.
pub(crate) fn shown(
    category: &'static CategorySpec,
    content: &Content,
    field: &str,
) -> Vec<(Json, Option<String>)> {
    let projection = project(category, content);
    let values = projection.fields.into_iter().find(|(name, _)| name == field);
    let values = values.map(|(_, values)| values).unwrap_or_default();
    values.into_iter().map(|value| (value.value, value.kind)).collect()
}

/// Returns a field's values as text.
pub(crate) fn texts(
    category: &'static CategorySpec,
    content: &Content,
    field: &str,
) -> Vec<String> {
    let values = shown(category, content, field).into_iter();
    values
        .map(|(value, _)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect()
}

/// Returns the lines that one file has and the other lacks, both ways.
pub(crate) fn changed_lines(before: &[u8], after: &[u8]) -> (Vec<String>, Vec<String>) {
    let lines = |bytes: &[u8]| -> Vec<String> {
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    };
    let (before, after) = (lines(before), lines(after));
    let only = |one: &[String], other: &[String]| {
        one.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    (only(&before, &after), only(&after, &before))
}
