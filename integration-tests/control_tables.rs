//! What `docs/protocol.md` says of the lines on the control socket, held
//! against lines with all their fields.

use super::vectors::control;
use super::{document, names_in, product, quoted, root, rows};
use heirloom_api::protocol::{Request, decode};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// The part of the protocol that is about the control socket.
fn section() -> String {
    let text = document("protocol.md");
    let section = text.split("\n## The control socket\n").nth(1).unwrap();
    section.split("\n## ").next().unwrap().to_owned()
}

/// The fields of every object that the tables name, and which of them stood
/// in a line.
struct Objects {
    /// What may stand in a field, by object and field.
    kinds: BTreeMap<(String, String), String>,
    seen: BTreeSet<(String, String)>,
}

impl Objects {
    fn read() -> Self {
        let mut kinds = BTreeMap::new();
        for cells in rows(&section()) {
            let [object, field, kind, _] = cells.as_slice() else { continue };
            let Some((object, field)) = quoted(object).zip(quoted(field)) else { continue };
            let place = (object.to_owned(), field.to_owned());
            assert!(kinds.insert(place, kind.clone()).is_none(), "{object} {field} stands twice");
        }
        Self { kinds, seen: BTreeSet::new() }
    }

    /// Holds an object against its table.
    fn hold(&mut self, name: &str, fields: &Map<String, Json>) {
        for (field, value) in fields {
            let place = (name.to_owned(), field.clone());
            let kind = self.kinds.get(&place).unwrap_or_else(|| panic!("no row for {place:?}"));
            let kind = kind.clone();
            self.seen.insert(place);
            self.hold_value(&format!("{name}.{field}"), value, &kind);
        }
        for (place, kind) in self.kinds.iter().filter(|((object, _), _)| object == name) {
            let may_lack = kind.ends_with(" or absent");
            assert!(may_lack || fields.contains_key(&place.1), "{place:?} is absent");
        }
    }

    /// Holds a value against what a cell says of it.
    fn hold_value(&mut self, place: &str, value: &Json, kind: &str) {
        let found = kind.split(" or ").find(|kind| match *kind {
            "text" => value.is_string(),
            "number" => value.is_u64() || value.is_i64(),
            "bool" => value.is_boolean(),
            "null" => value.is_null(),
            "absent" => false,
            "any" => true,
            kind if kind.starts_with("list of ") => value.is_array(),
            kind if kind.starts_with("map of ") => value.is_object(),
            kind => quoted(kind).is_some() && value.is_object(),
        });
        let kind = found.unwrap_or_else(|| panic!("{place} is {kind}, and not {value}"));
        match value {
            Json::Array(items) => {
                let item = kind.trim_start_matches("list of ");
                items.iter().for_each(|one| self.hold_value(place, one, item));
            }
            Json::Object(fields) => match (quoted(kind), kind.strip_prefix("map of ")) {
                (Some(object), _) => self.hold(object, fields),
                (None, Some(item)) => {
                    fields.values().for_each(|one| self.hold_value(place, one, item));
                }
                (None, None) => assert_eq!(kind, "any", "{place}"),
            },
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    /// Fails where a table has a field that no line has.
    fn all_stood_in_a_line(&self) {
        let unseen: Vec<_> =
            self.kinds.keys().filter(|place| !self.seen.contains(*place)).collect();
        assert!(unseen.is_empty(), "no line has {unseen:?}");
    }
}

fn fields_of(value: &impl Serialize) -> Map<String, Json> {
    serde_json::to_value(value).unwrap().as_object().unwrap().clone()
}

fn is_read(command: &Json) -> bool {
    decode::<Request>(json!({ "command": command }).to_string().as_bytes()).is_ok()
}

/// Returns the command with other fields.
fn with(command: &Map<String, Json>, field: &str, value: Option<Json>) -> Json {
    let mut command = command.clone();
    match value {
        Some(value) => command.insert(field.to_owned(), value),
        None => command.remove(field),
    };
    command.into()
}

#[test]
fn every_line_of_the_control_socket_has_the_fields_that_the_protocol_lists() {
    let mut objects = Objects::read();
    for command in control::requests() {
        for (field, value) in fields_of(&command) {
            match field.as_str() {
                "wait" => objects.hold("wait", value.as_object().unwrap()),
                "items" => objects.hold_value("items", &value, "list of `item`"),
                _ => {}
            }
        }
    }
    for answer in control::answers().into_iter().chain(control::short_answers()) {
        let Json::Object(answer) = serde_json::to_value(&answer).unwrap() else { continue };
        let (name, fields) = answer.into_iter().next().unwrap();
        let fields = fields.as_object().unwrap();
        objects.hold(&name, fields);
        // Of a field that may stand several times a list of authors stands here.
        for author in fields.get("authors").iter().flat_map(|all| all.as_object().unwrap().values())
        {
            let one = author.get(0).unwrap_or(author);
            objects.hold_value("authors", one, "`author`");
        }
    }
    for event in control::events().into_iter().chain(control::short_events()) {
        let mut fields = fields_of(&event);
        let name = fields.remove("event").unwrap();
        objects.hold(name.as_str().unwrap(), &fields);
    }
    objects.all_stood_in_a_line();
}

#[test]
fn a_field_of_a_request_may_be_left_out_where_the_protocol_says_so_and_nowhere_else() {
    let table = rows(&section());
    let table: Vec<_> = table.iter().filter(|cells| cells.len() == 5).collect();
    let mut objects = Objects::read();
    for command in control::requests() {
        let command = serde_json::to_value(&command).unwrap();
        let command = command.as_object().unwrap();
        let name = command["command"].as_str().unwrap();
        for (field, value) in command.iter().filter(|(field, _)| *field != "command") {
            let place = format!("{field} of {name}");
            let is_it = |cells: &&&Vec<String>| {
                quoted(&cells[0]) == Some(field) && names_in(&cells[1]).iter().any(|of| of == name)
            };
            let found: Vec<_> = table.iter().filter(is_it).collect();
            let [row] = found.as_slice() else { panic!("{} rows for {place}", found.len()) };
            objects.hold_value(&place, value, &row[2]);
            assert_eq!(!is_read(&with(command, field, None)), row[3] == "refused", "{place}");
            let is_null = row[2].ends_with(" or null");
            assert_eq!(is_read(&with(command, field, Some(Json::Null))), is_null, "{place}");
            let parts = value.get(0).unwrap_or(value).as_object();
            for part in parts.into_iter().flat_map(Map::keys) {
                let fewer = with(parts.unwrap(), part, None);
                let fewer = if value.is_array() { json!([fewer]) } else { fewer };
                let object = if value.is_array() { "item" } else { "wait" };
                let kind = objects.kinds.get(&(object.to_owned(), part.clone()));
                let may_lack = kind.is_some_and(|kind| kind.ends_with(" or absent"));
                let is_read = is_read(&with(command, field, Some(fewer)));
                assert_eq!(is_read, may_lack, "{place}: {part}");
            }
        }
        let more = is_read(&with(command, "unknown", Some(json!(1))));
        assert_eq!(more, command.len() == 1, "{name}");
    }
}

#[test]
fn the_protocol_lists_the_codes_of_failures() {
    let section = section();
    let table = section.split("| exit | codes |").nth(1).unwrap();
    let table = rows(table.split("\n\n").next().unwrap());
    let told: BTreeSet<String> = table
        .iter()
        .filter(|cells| cells.len() == 2)
        .flat_map(|cells| names_in(&cells[1]))
        .collect();
    let product = product();
    for code in &told {
        let literal = format!("\"{code}\"");
        assert!(product.iter().any(|text| text.contains(&literal)), "nothing fails with {code}");
    }
    let path = root().join("crates/heirloom-core/src/failure.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let is_code = |word: &&str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    // A node that answers on the socket is a running one.
    let known = source.split('"').skip(1).step_by(2).filter(is_code);
    let missing: Vec<&str> =
        known.filter(|code| *code != "needs-node" && !told.contains(*code)).collect();
    assert!(missing.is_empty(), "docs/protocol.md lacks {missing:?}");
}

#[test]
fn every_place_of_an_added_line_stands_in_a_vector() {
    let vectors = super::vectors::all();
    let (_, formats) = vectors.iter().find(|(name, _)| *name == "formats").unwrap();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let made: Vec<[String; 3]> = formats["places of added lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| ["low", "high", "digits"].map(|name| text(&place[name])))
        .collect();
    let protocol = document("protocol.md");
    let table = protocol.split("| low | high | digits of the new order |\n").nth(1).unwrap();
    let told: Vec<[String; 3]> = rows(table.split("\n\n").next().unwrap())
        .into_iter()
        .map(|cells| [0, 1, 2].map(|at| quoted(&cells[at]).unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(told, made);
}
