//! What holds for every kind of file.

use super::{Outcome, words};
use heirloom_formats::{Allowance, RawItem, Window};
use heirloom_formats::{
    Edits, Item, Replacement, content_uid, edit, field_of, file_name, is_bookkeeping, is_read,
    occurrences, parse, parse_assignments, preferred_file_name, project, reading, render, replace,
    search_text, span, split,
};
use heirloom_schema::{CategorySpec, Content};

const TIE: &str = "0badcafe";
/// Items of one file that are looked at closely.
const ITEMS_MAX: usize = 3;
/// Times that are listed of one record.
const OCCURRENCES_MAX: usize = 100;

thread_local! {
    static WINDOW: Window =
        Window::parse(Some("2026-01-01"), Some("2027-01-01"), "Europe/Berlin", 0)
            .expect("a year is a window");
}

/// Imports a file: what it holds comes out as it went in, can be shown,
/// edited and imported again.
pub(super) fn import(name: &str, bytes: &[u8], category: &str, texts: &[&str]) -> Outcome {
    let split = match split(name, bytes, Some(category)) {
        Ok(split) => split,
        Err(error) => return Outcome::refused(&error),
    };
    let mut label: String = split.skipped.iter().take(2).map(|part| words(&part.reason)).collect();
    let mut taken = 0;
    for raw in split.items.iter().take(ITEMS_MAX) {
        match parse(raw) {
            Ok(item) => {
                taken += 1;
                label.push_str(&one(raw, &item, texts));
            }
            Err(error) => label.push_str(&words(&error.reason)),
        }
    }
    Outcome { is_accepted: taken > 0, label: format!("{taken}{label}") }
}

fn one(raw: &RawItem, item: &Item, texts: &[&str]) -> String {
    let Item { category, content, .. } = item;
    let uid = item.uid.clone().unwrap_or_else(|| content_uid(item));
    assert!(content.keys().all(|key| !key.starts_with('!')), "a file writes no key of the house");
    assert_eq!(render(category, content, &uid), raw.bytes, "what went in comes out");
    let shown = project(category, content);
    let name = file_name(category, content, &uid);
    assert!(!name.split('/').any(|part| part == ".." || part.is_empty()), "{name:?} leads away");
    if is_read(&name) {
        assert!(reading(&name, &raw.bytes, None).is_ok(), "its export is read: {name:?}");
    }
    drop((preferred_file_name(category, content), search_text(&format!("{shown:?}"))));
    for (key, value) in content {
        drop((field_of(category, key, value), is_bookkeeping(category, key, value)));
    }
    let same = replace(category, content, content, content, TIE);
    assert_eq!(same, Replacement::default(), "an import changes nothing");
    times(category, content);
    // One edit for each item: which one, its bytes decide.
    if let Some(text) = texts.get(raw.bytes.len() % texts.len().max(1)) {
        edited(category, content, text, &uid);
    }
    let fields: Vec<&str> = shown.fields.iter().map(|(name, _)| name.as_str()).take(8).collect();
    words(&fields.concat())
}

fn times(category: &CategorySpec, content: &Content) {
    let between = span(category, content);
    let listed = WINDOW
        .with(|window| occurrences(category, content, window, Allowance::whole(OCCURRENCES_MAX)));
    assert!(listed.list.len() <= OCCURRENCES_MAX);
    assert!(listed.list.is_sorted_by_key(|one| one.starts_s), "times are in order");
    assert!(listed.list.iter().all(|one| one.form < listed.forms.len()));
    if let (Some(between), Some(first)) = (between, listed.list.first()) {
        let within = between.from_s <= first.starts_s && first.starts_s <= between.to_s;
        assert!(within, "{first:?} is outside of {between:?}");
    }
    assert!(between.is_some() || listed.list.is_empty(), "a time without a span");
}

/// An edit can be written out, and what is read of it is the same.
fn edited(category: &'static CategorySpec, content: &Content, text: &str, uid: &str) {
    let Ok(assignments) = parse_assignments(category, &[text.to_owned()]) else { return };
    let Ok(edits) = edit(category, content, &assignments, TIE) else { return };
    let after = applied(content, edits);
    let bytes = render(category, &after, uid);
    let name = file_name(category, &after, uid);
    let raw = RawItem { category, name, line: 1, bytes };
    if let Ok(again) = parse(&raw) {
        let merged = replace(category, content, &after, content, TIE);
        assert_eq!(merged.edits, [], "an import takes back what it did not change");
        let uid = again.uid.clone().unwrap_or_else(|| content_uid(&again));
        assert_eq!(render(category, &again.content, &uid), raw.bytes, "an edit comes out");
    }
}

fn applied(content: &Content, edits: Edits) -> Content {
    let mut content = content.clone();
    for (key, value) in edits {
        match value {
            Some(value) => content.insert(key, value),
            None => content.remove(&key),
        };
    }
    content
}
