//! Giving a note a title.

use super::front_matter::{self, Kind, TITLE, is_fence};
use super::{BODY, FRONT, USUAL_EOL, units};
use crate::layout::{self, Places, Unit};
use crate::{encoding, line, order};
use heirloom_schema::{Content, Value};

/// Gives a note a title, in a front matter of its own if need be.
pub(super) fn set(note: &mut Content, title: Option<&str>) {
    let front = units(note);
    let lines: Vec<&[u8]> = front.iter().map(Unit::raw).collect();
    let kind = Kind::of(&lines);
    let own = front_matter::span_of(&lines, TITLE).unwrap_or(0..0);
    let old_keys: Vec<String> =
        front.get(own).unwrap_or_default().iter().map(|unit| unit.key.to_owned()).collect();
    match (kind, title) {
        (Some(Kind::Flow), title) => set_in_flow(note, title.unwrap_or_default()),
        (_, None) => remove(note, &old_keys),
        (_, Some(title)) => insert(note, title, &old_keys),
    }
}

/// Removes the lines of a title. Fences that stand here as they would be made
/// go with the last entry between them.
fn remove(note: &mut Content, old_keys: &[String]) {
    let front = units(note);
    let fences = front.iter().filter(|unit| is_fence(unit.raw()));
    let is_usual =
        fences.clone().all(|unit| unit.raw() == b"---") && !note.contains_key(layout::EOL);
    let is_last = !old_keys.is_empty() && front.len() == old_keys.len() + fences.count();
    let all: Vec<String> = front.iter().map(|unit| unit.key.to_owned()).collect();
    let gone = if is_last && is_usual { &all } else { old_keys };
    gone.iter().for_each(|key| drop(note.remove(key)));
}

/// Puts the line of a title where the old one was, or first.
fn insert(note: &mut Content, title: &str, old_keys: &[String]) {
    let eol = layout::eol_of(note, USUAL_EOL).to_owned();
    let front = units(note);
    let lines: Vec<&[u8]> = front.iter().map(Unit::raw).collect();
    let is_old = |unit: &&Unit<'_>| old_keys.first().is_some_and(|key| unit.key == key);
    let old = front.iter().find(is_old).map(Unit::raw);
    let line = front_matter::among(&lines, old, TITLE, title);
    let value = layout::stored(format!("{line}{eol}").as_bytes(), &eol);
    let first = front.first().map(|unit| unit.order().to_owned());
    let key = match (old_keys.first(), first) {
        (Some(key), _) => key.clone(),
        (None, Some(fence)) => {
            let tie = layout::single_tie(TITLE);
            format!("{FRONT}{}", Places::of(&front).after(Some(&fence), &tie))
        }
        (None, None) => {
            // A mark of the encoding stands at the beginning of a file or nowhere.
            if let Some(Value::Text(body)) = note.get_mut(BODY)
                && let Some(rest) = body.strip_prefix('\u{feff}')
            {
                *body = rest.to_owned();
            }
            // Frozen keys: two devices that do this at once meet in one front matter.
            for index in [0, 2] {
                let key = format!("{FRONT}{}", order::ordinal(index));
                note.insert(key, Value::Str("---".to_owned()));
            }
            format!("{FRONT}{}", order::ordinal(1))
        }
    };
    old_keys.iter().for_each(|key| drop(note.remove(key)));
    note.insert(key, value);
}

/// Puts a title into a mapping in braces: the lines on which the old one
/// stands become one.
fn set_in_flow(note: &mut Content, title: &str) {
    let eol = layout::eol_of(note, USUAL_EOL).to_owned();
    let front = units(note);
    let lines: Vec<String> = front.iter().map(|unit| encoding::guessed(unit.raw())).collect();
    let has_title = front_matter::flow_value(&lines, TITLE).is_some();
    if title.is_empty() && !has_title {
        return;
    }
    let Some((range, line)) = front_matter::with_flow_entry(&lines, TITLE, title) else { return };
    let keys: Vec<String> =
        front.get(range).unwrap_or_default().iter().map(|unit| unit.key.to_owned()).collect();
    keys.iter().skip(1).for_each(|key| drop(note.remove(key)));
    if let Some(first) = keys.first() {
        let bare = line::without_terminator(line.as_bytes());
        note.insert(first.clone(), layout::stored(&[bare, eol.as_bytes()].concat(), &eol));
    }
}
