use crate::testing::{TIE, made, one, reimported, rendered, set, shown};
use crate::{
    edit, field_of, file_name, is_bookkeeping, parse_assignments, preferred_file_name, project,
    render, replace, split,
};
use heirloom_schema::category::settings::SETTINGS;
use heirloom_schema::{Content, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const DISPLAY: &[u8] = include_bytes!("../../tests/data/display.json");
const COMPACT: &[u8] = include_bytes!("../../tests/data/compact.json");
const ODD: &[u8] = include_bytes!("../../tests/data/odd.json");

fn file(content: &Content) -> String {
    String::from_utf8(render(&SETTINGS, content, "display")).unwrap()
}

fn value(content: &Content, name: &str) -> Json {
    shown(&SETTINGS, content, name).remove(0).0
}

#[test]
fn the_layout_of_settings_is_frozen() {
    let item = one("settings/display.json", b"{\"b\": 1, \"a\": [true]}");
    let text = |text: &str| Value::Str(text.into());
    let expected = [
        ("name", text("display")),
        ("order", text("[\"b\",\"a\"]")),
        ("s:a", text("[true]")),
        ("s:b", text("1")),
        ("style", text("[\"{\",\": \",\", \",\"}\"]")),
    ];
    assert_eq!(item.content, expected.map(|(key, value)| (key.to_owned(), value)).into());
    assert_eq!(item.uid.as_deref(), Some("display"));
}

#[test]
fn every_file_comes_back_byte_for_byte() {
    let odd: [&[u8]; 5] = [
        b"{}",
        b" { } \n",
        b"\xef\xbb\xbf{\"a\":1}",
        b"{\"a\":1,\"a\":2}",
        b"{\r\n\t\"a\": \"x\\\"}\"\r\n}\r\n",
    ];
    for bytes in [DISPLAY, COMPACT, ODD].into_iter().chain(odd) {
        assert_eq!(rendered(&one("display.json", bytes)), bytes);
    }
    assert!(!one("display.json", DISPLAY).content.contains_key("source"));
}

#[test]
fn values_are_shown_with_their_types() {
    let display = one("display.json", DISPLAY).content;
    assert_eq!(value(&display, "brightness"), json!(80));
    assert_eq!(value(&display, "wallpaper"), json!("K\u{fc}ste.jpg"));
    assert_eq!(value(&display, "alarms"), json!([{"at": "06:45"}]));
    assert_eq!(value(&display, "none"), Json::Null);
    assert_eq!(
        value(&one("a.json", COMPACT).content, "big").to_string(),
        "12345678901234567890123"
    );
    let projection = project(&SETTINGS, &display);
    assert_eq!(projection.title, "display");
    assert_eq!(projection.fields[0].0, "brightness", "in the order of the file");
    assert!(projection.search.contains("wallpaper k\u{fc}ste.jpg"));
}

#[test]
fn an_edit_touches_its_own_setting_only() {
    let before = one("display.json", DISPLAY).content;
    let after =
        set(&SETTINGS, &before, &["brightness=60", "dark=", "font=Noto Sans", "a:b=[1, 2]"]);
    let expected = "{\n  \"brightness\": 60,\n  \"scale\": 1.250,\n  \"wallpaper\": \"K\u{fc}ste.jpg\",\n  \
                    \"alarms\": [{\"at\": \"06:45\"}],\n  \"none\": null,\n  \"a:b\": [1,2],\n  \"font\": \"Noto Sans\"\n}\n";
    assert_eq!(file(&after), expected);
    assert_eq!(set(&SETTINGS, &after, &["a:b=[1,2]", "font=\"Noto Sans\""]), after);
    let odd = set(&SETTINGS, &one("display.json", ODD).content, &["b=3"]);
    assert_eq!(file(&odd), "{ \"b\" :3,\n\t\"a\": \"\\u00e9\" }".replace("\"a\": ", "\"a\" :"));
}

#[test]
fn a_new_namespace_survives_its_file() {
    let content = made(&SETTINGS, "display", &["dark=true", "brightness=80"]);
    assert_eq!(file(&content), "{\n  \"brightness\": 80,\n  \"dark\": true\n}\n");
    let again = one("display.json", file(&content).as_bytes());
    assert_eq!((again.content, again.uid.as_deref()), (content.clone(), Some("display")));
    assert_eq!(file(&set(&SETTINGS, &content, &["dark=", "brightness="])), "{}\n");
    for name in ["", " ", "a\nb", &"x".repeat(200)] {
        let edits = parse_assignments(&SETTINGS, &["a=1".to_owned()]).unwrap();
        assert!(crate::create(&SETTINGS, &edits, name, 0).is_err(), "{name:?}");
    }
}

#[test]
fn what_is_nested_too_deep_is_refused_in_files_and_in_edits() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let file = |levels: usize| format!("{{\n\"a\": {}}}", nested(levels));
    assert_eq!(split("a.json", file(63).as_bytes(), None).unwrap().items.len(), 1);
    for levels in [64, 100_000] {
        let split = split("a.json", file(levels).as_bytes(), None).unwrap();
        let skipped = (split.skipped[0].line, split.skipped[0].reason.as_str());
        assert_eq!(skipped, (2, "the object is nested deeper than 64 levels"));
        let edits = parse_assignments(&SETTINGS, &[format!("a={}", nested(levels + 1))]).unwrap();
        assert!(crate::create(&SETTINGS, &edits, "x", 0).is_err());
    }
}

#[test]
fn only_objects_are_settings() {
    assert!(split("a.json", b"[1]", None).is_err());
    let cut = split("a.json", b"{\n\"a\": }", None).unwrap();
    assert_eq!(cut.skipped[0].line, 2);
    let not_text = split("a.json", b"{\"a\": \"\xff\"}", None).unwrap();
    assert_eq!(not_text.skipped[0].reason, "the text is not UTF-8");
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(split("a.json", deep.as_bytes(), None).unwrap().items.len(), 0);
    let many: Vec<String> = (0..1_001).map(|index| format!("\"{index}\": 1")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert_eq!(split("a.json", many.as_bytes(), None).unwrap().items.len(), 0);
    assert_eq!(split("device", b" {\"a\": 1}", None).unwrap().items.len(), 1);
}

#[test]
fn a_later_import_applies_only_what_it_changed() {
    let base = one("display.json", DISPLAY);
    let current = set(&SETTINGS, &base.content, &["dark=false"]);
    let new = String::from_utf8(DISPLAY.to_vec())
        .unwrap()
        .replace("80", "90")
        .replace("\"none\": null", "\"more\": 1");
    let imported = one("display.json", new.as_bytes());
    let merged = reimported(&imported, &base.content, &current);
    assert_eq!(file(&merged), new.replace("\"dark\": true", "\"dark\": false"));
    assert_eq!(replace(&SETTINGS, &base.content, &merged, &imported.content, TIE).edits, []);
}

#[test]
fn settings_are_replaced_as_a_whole() {
    let refused = |text: &str| {
        let edits = parse_assignments(&SETTINGS, &[text.to_owned()]);
        edits
            .and_then(|edits| edit(&SETTINGS, &Content::new(), &edits, TIE))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused("volume+=1"), "volume takes one value");
    assert_eq!(field_of(&SETTINGS, "s:a", &Value::Int(1)).as_deref(), Some("a"));
    assert_eq!(field_of(&SETTINGS, "style", &Value::Int(1)), None);
    assert!(
        is_bookkeeping(&SETTINGS, "order", &Value::Int(1))
            && !is_bookkeeping(&SETTINGS, "s:a", &Value::Int(1))
    );
}

#[test]
fn a_hostile_style_makes_no_broken_file() {
    let mut content = made(&SETTINGS, "display", &["a=1"]);
    content.insert("style".into(), Value::Str("[\"{\",\":\",\"\",\"\"]".into()));
    content.insert("order".into(), Value::Str("[1, {}".into()));
    assert_eq!(file(&content), "{\n  \"a\": 1\n}\n");
}

#[test]
fn namespaces_that_differ_by_case_have_files_that_differ_by_more() {
    let (capital, small) = (made(&SETTINGS, "A", &["a=1"]), made(&SETTINGS, "a", &["a=1"]));
    let preferred = |content: &Content| preferred_file_name(&SETTINGS, content).unwrap();
    assert_eq!([preferred(&capital), preferred(&small)], ["A.json", "a.json"]);
    let names = [file_name(&SETTINGS, &capital, "A"), file_name(&SETTINGS, &small, "a")];
    assert_eq!(names, ["%41.json", "a.json"]);
    assert_eq!(file_name(&SETTINGS, &capital, "Über.B"), "%C3%9Cber.%42.json");
    for (path, content) in [("A.json", &capital), ("%41.json", &capital), ("a.json", &small)] {
        assert_eq!(&one(path, &render(&SETTINGS, content, "")).content, content, "{path}");
    }
    let long = "A".repeat(90);
    assert_eq!(
        file_name(&SETTINGS, &made(&SETTINGS, &long, &["a=1"]), &long),
        format!("{long}.json")
    );
    let hostile = Content::from([("name".into(), Value::Str("a\u{1}".into()))]);
    assert_eq!(preferred_file_name(&SETTINGS, &hostile), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_namespace_survives_its_file_name(name in "[\\PC%/.: ]{1,20}") {
        if let Ok(content) = crate::create(&SETTINGS, &[], &name, 0) {
            let file_name = file_name(&SETTINGS, &content, &name);
            prop_assert!(!file_name.contains(['/', '\\']) && !file_name.starts_with('.') && file_name.len() <= 225);
            let preferred = preferred_file_name(&SETTINGS, &content).unwrap();
            prop_assert!(preferred.len() <= 100);
            for path in [file_name, preferred] {
                let again = one(&format!("settings/{path}"), &render(&SETTINGS, &content, &name));
                prop_assert_eq!(again.uid.as_deref(), Some(name.as_str()));
            }
        }
    }

    #[test]
    fn any_object_comes_back_byte_for_byte(
        members in prop::collection::btree_map("\\PC{0,6}", "\\PC{0,6}", 0..5), pretty: bool,
    ) {
        let json = json!(members);
        let text = if pretty { serde_json::to_string_pretty(&json).unwrap() } else { json.to_string() };
        let item = one("a.json", text.as_bytes());
        prop_assert_eq!(rendered(&item), text.as_bytes());
        prop_assert_eq!(item.content.contains_key("source"), members.is_empty());
    }
}
