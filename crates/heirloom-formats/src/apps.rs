//! App records as JSON objects, one file each.
//!
//! They are laid out as settings are; only their names and their files' ending
//! differ, so that neither is taken for the other.

use crate::format::Format;
use crate::item::{Item, ItemError, RawItem, Split};
use crate::merge::{Lines, Replacement};
use crate::settings::Settings;
use crate::{Edits, FieldEdit, FieldError, Projection, encoding, file_name};
use heirloom_schema::category::apps::APPS;
use heirloom_schema::{CategorySpec, Content, Value};

/// App records.
#[derive(Debug)]
pub(crate) struct Apps;

impl Format for Apps {
    fn category(&self) -> &'static CategorySpec {
        &APPS
    }

    fn recognises(&self, name: &str, bytes: &[u8]) -> bool {
        file_name::ends_in(name, &[APPS.extension]) && self.accepts(name, bytes)
    }

    fn accepts(&self, _name: &str, bytes: &[u8]) -> bool {
        let text = bytes.strip_prefix(encoding::MARK).unwrap_or(bytes).trim_ascii_start();
        text.first() == Some(&b'{')
    }

    fn split(&self, name: &str, bytes: &[u8]) -> Split {
        let mut split = Split::default();
        let raw =
            RawItem { category: &APPS, name: name.to_owned(), line: 1, bytes: bytes.to_vec() };
        match self.parse(&raw) {
            Ok(_) => split.items.push(raw),
            Err(error) => split.skip(error.line, error.reason),
        }
        split
    }

    fn parse(&self, raw: &RawItem) -> Result<Item, ItemError> {
        let item = Settings.parse(raw)?;
        match item.uid.as_deref() {
            Some(name) if is_app_record(name) => Ok(Item { category: &APPS, ..item }),
            Some(_) | None => {
                Err(ItemError::new(raw.line, "the file's name is not that of an app record"))
            }
        }
    }

    fn fingerprint(&self, content: &Content) -> Vec<Vec<u8>> {
        Settings.fingerprint(content)
    }

    fn render(&self, content: &Content, uid: Option<&str>) -> Vec<u8> {
        Settings.render(content, uid)
    }

    fn file_stem(&self, content: &Content, uid: &str) -> String {
        Settings.file_stem(content, uid)
    }

    fn preferred_stem(&self, content: &Content) -> Option<String> {
        Settings.preferred_stem(content)
    }

    fn create(&self, edits: &[FieldEdit], uid: &str, now_ms: u64) -> Result<Content, FieldError> {
        if !is_app_record(uid) {
            return Err(FieldError::Value {
                field: "the app record's name".to_owned(),
                value: uid.to_owned(),
                expected: "APP/THING, such as org.example.shopping/milk",
            });
        }
        Settings.create(edits, uid, now_ms)
    }

    fn edit(&self, content: &Content, edits: &[FieldEdit], tie: &str) -> Result<Edits, FieldError> {
        Settings.edit(content, edits, tie)
    }

    fn lines(&self) -> &dyn Lines {
        &Settings
    }

    fn replace(
        &self,
        base: &Content,
        current: &Content,
        imported: &Content,
        tie: &str,
    ) -> Replacement {
        Settings.replace(base, current, imported, tie)
    }

    fn project(&self, content: &Content) -> Projection {
        Settings.project(content)
    }

    fn field_of(&self, key: &str, value: &Value) -> Option<String> {
        Settings.field_of(key, value)
    }

    fn is_bookkeeping(&self, key: &str, value: &Value) -> bool {
        Settings.is_bookkeeping(key, value)
    }
}

/// Returns whether a name says which app and which of its things.
fn is_app_record(name: &str) -> bool {
    name.split_once('/').is_some_and(|(app, thing)| {
        !app.is_empty() && !app.contains(char::is_whitespace) && !thing.trim().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{made, one, reimported, rendered, set};
    use crate::{create, file_name, parse_assignments, render, split};
    use proptest::prelude::*;

    const FILE: &str = "apps/org.example.shopping%2Fmilk.apprecord";

    #[test]
    fn a_record_survives_its_file() {
        let content = made(&APPS, "org.example.shopping/milk", &["title=Milk", "amount=2"]);
        let bytes = render(&APPS, &content, "org.example.shopping/milk");
        assert_eq!(bytes, b"{\n  \"amount\": 2,\n  \"title\": \"Milk\"\n}\n");
        let name = file_name(&APPS, &content, "org.example.shopping/milk");
        assert_eq!(format!("apps/{name}"), FILE);
        let again = one(FILE, &bytes);
        assert_eq!(again.category, &APPS);
        assert_eq!(again.uid.as_deref(), Some("org.example.shopping/milk"));
        assert_eq!(again.content, content);
    }

    #[test]
    fn a_foreign_object_comes_back_byte_for_byte() {
        for text in ["{}", "{\"b\":1, \"a\":[ ]}", "\u{feff}{ \"a\" : 1.50 }\r\n"] {
            assert_eq!(rendered(&one(FILE, text.as_bytes())), text.as_bytes());
        }
    }

    #[test]
    fn an_import_after_an_edit_reverts_nothing() {
        let first = one(FILE, b"{\"amount\": 1, \"done\": false}");
        let edited = set(&APPS, &first.content, &["done=true"]);
        let second = one(FILE, b"{\"amount\": 2, \"done\": false}");
        let merged = reimported(&second, &first.content, &edited);
        let text = render(&APPS, &merged, "org.example.shopping/milk");
        assert_eq!(text, b"{\"amount\": 2, \"done\": true}");
    }

    #[test]
    fn a_name_tells_app_and_thing_apart() {
        let edits = parse_assignments(&APPS, &["done=true".to_owned()]).unwrap();
        for name in ["", "milk", "/milk", "org.example/", "org example/milk", "org.example/ "] {
            assert!(create(&APPS, &edits, name, 0).is_err(), "{name:?}");
        }
        assert!(create(&APPS, &edits, "org.example/lists/7 b", 0).is_ok());
        let nameless = split("milk.apprecord", b"{}", None).unwrap();
        assert_eq!(nameless.skipped[0].reason, "the file's name is not that of an app record");
    }

    #[test]
    fn only_a_declared_file_of_another_ending_is_taken() {
        let found = |name: &str, category| {
            split(name, b"{}", category).map(|split| split.items.first().map(|raw| raw.category.id))
        };
        assert_eq!(found("a%2Fb.json", None), Ok(Some("settings")));
        assert_eq!(found("a%2Fb.json", Some("apps")), Ok(Some("apps")));
        assert!(split("a%2Fb.apprecord", b"[1]", Some("apps")).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn any_name_that_is_taken_survives_its_file(name in "[a-z.]{1,8}/[\\PC%/.: ]{1,12}") {
            if let Ok(content) = create(&APPS, &[], &name, 0) {
                let file = file_name(&APPS, &content, &name);
                prop_assert!(!file.contains(['/', '\\']) && !file.starts_with('.'));
                let again = one(&format!("apps/{file}"), &render(&APPS, &content, &name));
                prop_assert_eq!(again.uid, Some(name));
            }
        }
    }
}
