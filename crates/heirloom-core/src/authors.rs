//! Who gave the fields of a record what they show.

use crate::command::Author;
use crate::show::parts_of;
use heirloom_base::{ActorId, Hlc};
use heirloom_doc::{ChangeSummary, KeyEdit};
use heirloom_schema::category::CategorySpec;
use heirloom_schema::{Content, Value, key};
use serde_json::{Map, Value as Json, json};

/// Names the last author of a key, or of a field and its value that follow from it.
type AuthorOf<'a> = &'a dyn Fn(&str, Option<(&str, &Json)>) -> Option<Author>;

/// A line that says something about a field.
struct Source {
    field: String,
    /// What it says, where it only follows from the line of another field.
    follows: Option<Json>,
    key: String,
}

/// Returns who set the fields of a record last: for every field an author, or
/// for a repeatable one a list of them beside its values.
///
/// `author` names the last author of a key, or, of a field that follows from
/// the line of another one, the last who gave it the value that is shown.
pub(crate) fn authors_json(
    spec: &'static CategorySpec,
    content: &Content,
    fields: &Map<String, Json>,
    author: AuthorOf<'_>,
) -> Map<String, Json> {
    let mut sources: Vec<Source> = Vec::new();
    // The fields are those of the series and not of its exceptions.
    let main = heirloom_formats::main_component(spec, content);
    let is_shown = |key: &str| {
        let own = || heirloom_formats::component_of(spec, key);
        !key::is_reserved(key) && main.as_ref().is_none_or(|main| main == own())
    };
    for (key, value) in content.iter().filter(|(key, _)| is_shown(key)) {
        let alone = Content::from([(key.clone(), value.clone())]);
        let projection = heirloom_formats::project(spec, &alone);
        let field = heirloom_formats::field_of(spec, key, value);
        let source = |field, follows| Source { field, follows, key: key.clone() };
        sources.extend(field.map(|field| source(field, None)));
        for (field, values) in projection.fields {
            for one in values {
                let item = json!({"value": one.value, "type": one.kind});
                sources.push(source(field.clone(), Some(item)));
            }
        }
    }
    let mut authors = Map::new();
    for (name, shown) in fields {
        let is_list = spec.fields.iter().any(|field| field.name == name && field.repeatable);
        let one = if let Some(items) = shown.as_array().filter(|_| is_list) {
            let each = items.iter().map(|item| take_author(&mut sources, (name, item), author));
            Some(Json::Array(each.collect()))
        } else {
            single_author(&sources, (name, shown), author).map(|author| json!(author))
        };
        authors.extend(one.map(|one| (name.clone(), one)));
    }
    authors
}

/// Returns who gave a field its one value. What only follows from another
/// field's line counts less, and what says something else least.
fn single_author(
    sources: &[Source],
    (name, shown): (&str, &Json),
    author: AuthorOf<'_>,
) -> Option<Author> {
    let rank = |source: &Source| match &source.follows {
        None => 2,
        Some(item) => i32::from(item.get("value") == Some(shown)),
    };
    let own = || sources.iter().filter(|source| source.field == name);
    let best = own().map(rank).max()?;
    let counting = own().filter(|source| rank(source) == best);
    let part = |source: &Source| source.follows.is_some().then_some((name, shown));
    counting
        .filter_map(|source| author(&source.key, part(source)))
        .max_by(|one, other| one.at.cmp(&other.at))
}

/// Takes the author of one of several values: of equal ones each has its own.
fn take_author(
    sources: &mut Vec<Source>,
    (name, item): (&str, &Json),
    author: AuthorOf<'_>,
) -> Json {
    let of_item = |one: &Source| one.field == name && one.follows.as_ref() == Some(item);
    // A label in a line of its own gives the value another type.
    let of_value = |one: &Source| {
        let value = one.follows.as_ref().and_then(|known| known.get("value"));
        one.field == name && value.is_some() && value == item.get("value")
    };
    let place = sources.iter().position(of_item).or_else(|| sources.iter().position(of_value));
    let source = place.map(|place| sources.remove(place));
    source.and_then(|source| author(&source.key, None)).map_or(Json::Null, |author| json!(author))
}

/// Returns the last change that gave a field this value, which follows from the
/// line of another one.
pub(crate) fn last_to_change(
    spec: &'static CategorySpec,
    history: &[ChangeSummary],
    key: &str,
    (field, shown): (&str, &Json),
) -> Option<(ActorId, Hlc)> {
    let part = |value: Option<&Value>| parts_of(spec, key, value?).remove(field);
    let is_it = |edit: &KeyEdit| {
        let after = part(edit.after.as_ref());
        after.as_ref() == Some(shown) && part(edit.before.as_ref()) != after
    };
    let of_key =
        |change: &&ChangeSummary| change.edits.iter().filter(|edit| edit.key == key).any(is_it);
    let last = history.iter().rev().find(of_key)?;
    Some((last.actor, last.hlc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fields_json;

    fn spec(id: &str) -> &'static CategorySpec {
        heirloom_schema::category::by_id(id).unwrap()
    }

    fn named(key: &str, part: Option<(&str, &Json)>) -> Option<Author> {
        let by = part.map_or_else(|| key.to_owned(), |(part, _)| format!("{key} for its {part}"));
        Some(Author { by: by.clone(), by_name: by, at: "then".to_owned() })
    }

    fn authors(spec: &'static CategorySpec, content: &Content) -> Map<String, Json> {
        let fields = fields_json(spec, &heirloom_formats::project(spec, content));
        authors_json(spec, content, fields.as_object().unwrap(), &named)
    }

    #[test]
    fn a_value_whose_label_stands_in_a_line_of_its_own_has_its_author() {
        let spec = spec("contacts");
        let lines = ["item1.TEL:1", "item1.X-ABLabel:_$!<Mobile>!$_", "TEL;TYPE=work:2"];
        let keyed = (1..)
            .zip(lines)
            .map(|(number, line)| (format!("l{:06x}", number * 16), Value::Str(line.to_owned())));
        let content = Content::from_iter(keyed);
        let fields = fields_json(spec, &heirloom_formats::project(spec, &content));
        assert_eq!(fields["phone"][0]["type"], "mobile");
        let authors = authors(spec, &content);
        let by = |place: usize| authors["phone"][place]["by"].clone();
        assert_eq!((by(0), by(1)), (json!("l000010"), json!("l000030")));
    }

    #[test]
    fn a_title_has_the_author_of_what_gives_it() {
        let notes = spec("notes");
        let read = |name: &str, text: &str| {
            let raw = heirloom_formats::split(name, text.as_bytes(), None).unwrap().items.remove(0);
            heirloom_formats::parse(&raw).unwrap().content
        };
        let by = |content: &Content| authors(notes, content)["title"]["by"].clone();
        assert_eq!(by(&read("plain.md", "# Head\n\ntext\n")), "body for its title");
        assert_eq!(by(&read("plain.md", "text\n")), "name for its title");
        let front = by(&read("plain.md", "---\ntitle: Deep\n---\n# Head\n"));
        assert!(front.as_str().is_some_and(|by| by.starts_with('f')), "{front}");
    }

    #[test]
    fn the_title_of_a_series_is_by_who_gave_it_and_not_an_exception() {
        let calendar = spec("calendar");
        let event = |lines: &str| format!("BEGIN:VEVENT\r\nUID:o\r\n{lines}END:VEVENT\r\n");
        let series = event("DTSTART:20260301T100000Z\r\nRRULE:FREQ=DAILY\r\nSUMMARY:Own\r\n");
        let other = "RECURRENCE-ID:20260302T100000Z\r\nDTSTART:20260302T110000Z\r\nSUMMARY:Own\r\n";
        let file = format!("BEGIN:VCALENDAR\r\n{series}{}END:VCALENDAR\r\n", event(other));
        let raw = heirloom_formats::split("a.ics", file.as_bytes(), None).unwrap().items.remove(0);
        let content = heirloom_formats::parse(&raw).unwrap().content;
        let by = authors(calendar, &content)["title"]["by"].clone();
        let by = by.as_str().unwrap();
        assert!(by.starts_with("e/l"), "{by}");
        let component = heirloom_formats::component_of(calendar, by);
        assert_eq!(heirloom_formats::occurrence_of(calendar, component), None);
        let exception = content.keys().find(|key| key.starts_with("e2026")).unwrap();
        let component = heirloom_formats::component_of(calendar, exception);
        let time = heirloom_formats::occurrence_of(calendar, component);
        assert_eq!(time.as_deref(), Some("2026-03-02T10:00:00Z"));
    }

    #[test]
    fn what_follows_from_a_line_has_the_author_of_what_changed_it() {
        let calendar = spec("calendar");
        let line = |text: &str| Some(Value::Str(text.to_owned()));
        let change = |number: u8, before: Option<Value>, after: Option<Value>| ChangeSummary {
            hash: heirloom_base::ChangeHash([number; 32]),
            actor: ActorId([number; 16]),
            hlc: Hlc(u64::from(number)),
            birth: number == 1,
            kind: heirloom_doc::ChangeKind::Edited,
            edits: vec![KeyEdit { key: "e/l1".to_owned(), before, after, ..KeyEdit::default() }],
        };
        let berlin = line("DTSTART;TZID=Europe/Berlin:20260301T100000");
        let later = line("DTSTART;TZID=Europe/Berlin:20260302T100000");
        let tokyo = line("DTSTART;TZID=Asia/Tokyo:20260302T100000");
        let moved = line("DTSTART;TZID=Asia/Tokyo:20260303T100000");
        let history = [
            change(1, None, berlin.clone()),
            change(2, berlin, later.clone()),
            change(3, later, tokyo.clone()),
            change(4, tokyo, moved),
        ];
        let last = |field: &str, shown: Json| {
            let last = last_to_change(calendar, &history, "e/l1", (field, &shown));
            last.map(|(actor, _)| actor.0[0])
        };
        assert_eq!(last("start", json!("2026-03-03T10:00:00")), Some(4));
        assert_eq!(last("timezone", json!("Asia/Tokyo")), Some(3));
        assert_eq!(last("timezone", json!("Europe/Berlin")), Some(1), "where it lost to another");
        assert_eq!(last("all_day", json!(false)), Some(1));
        assert_eq!(last("all_day", json!(true)), None);
    }
}
