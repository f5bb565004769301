//! The formats. A new one is a file beside the others and its line in [`FORMATS`].

use crate::import::Import;
use crate::item::{Item, ItemError, NotRecognised, Part, RawItem, Split};
use crate::line::Marker;
use crate::merge::{Lines, Replacement};
use crate::{Edits, FieldEdit, FieldError, Projection};
use crate::{encoding, file_name, line};
use heirloom_base::limits;
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{CategorySpec, Content, Value};

/// How the records of one category stand in files.
pub(crate) trait Format: Sync {
    /// The category.
    fn category(&self) -> &'static CategorySpec;
    /// Whether a file with this name and these bytes is of this format.
    fn recognises(&self, name: &str, bytes: &[u8]) -> bool;
    /// Whether a user may declare a file that was not recognised to be of this format.
    fn accepts(&self, name: &str, bytes: &[u8]) -> bool {
        self.recognises(name, bytes)
    }
    /// As [`crate::split`].
    fn split(&self, name: &str, bytes: &[u8]) -> Split;
    /// As [`crate::Reader::parts`], of a whole file.
    fn parts<'a>(&self, name: &str, bytes: &'a [u8]) -> Box<dyn Iterator<Item = Part> + 'a> {
        Box::new(self.split(name, bytes).into_iter())
    }
    /// The bytes of the largest file that may hold something.
    fn file_bytes_max(&self, name: &str) -> usize {
        let _ = name; // Most formats have one limit for all their files.
        limits::CARD_TEXT_BYTES_MAX
    }
    /// Whether a file may be cut while it is read, before each line that
    /// begins an item.
    fn is_cut_while_read(&self) -> bool {
        false
    }
    /// As [`crate::parse`].
    fn parse(&self, raw: &RawItem) -> Result<Item, ItemError>;
    /// What the uid of an item without one is the hash of.
    fn fingerprint(&self, content: &Content) -> Vec<Vec<u8>>;
    /// As [`crate::render`]; `uid` is given where it must be written out if
    /// the lines do not carry one.
    fn render(&self, content: &Content, uid: Option<&str>) -> Vec<u8>;
    /// As [`crate::file_name`], without the ending.
    fn file_stem(&self, content: &Content, uid: &str) -> String;
    /// As [`crate::file_name`], with this stem.
    fn file_path(&self, content: &Content, stem: &str) -> String {
        let _ = content; // Only some formats keep where a file stood.
        format!("{stem}.{}", self.category().extension)
    }
    /// As [`crate::preferred_file_name`], without folder and ending.
    fn preferred_stem(&self, content: &Content) -> Option<String> {
        let _ = content;
        None
    }
    /// As [`crate::create`].
    fn create(&self, edits: &[FieldEdit], uid: &str, now_ms: u64) -> Result<Content, FieldError>;
    /// As [`crate::edit`].
    fn edit(&self, content: &Content, edits: &[FieldEdit], tie: &str) -> Result<Edits, FieldError>;
    /// How its content divides into lines.
    fn lines(&self) -> &dyn Lines;
    /// As [`crate::replace`].
    fn replace(
        &self,
        base: &Content,
        current: &Content,
        imported: &Content,
        tie: &str,
    ) -> Replacement;
    /// As [`crate::parts_of`], of an item with a uid.
    fn parts_held(&self, content: &Content) -> Vec<String> {
        let _ = content; // Most items are all of their record.
        vec![String::new()]
    }
    /// As [`crate::taken`].
    fn taken(&self, content: Content) -> Content {
        content
    }
    /// Whether what was kept of an import tells all of the record.
    fn is_whole_import(&self, last: &RawItem) -> bool {
        crate::parse(last).is_ok()
    }
    /// As [`Import::of`].
    fn import(
        &self,
        last: Option<&RawItem>,
        birth: Content,
        item: (&RawItem, &Content),
    ) -> Result<Import, ItemError> {
        Ok(Import::of_whole(last, birth, item))
    }
    /// As [`crate::project`].
    fn project(&self, content: &Content) -> Projection;
    /// As [`crate::field_of`].
    fn field_of(&self, key: &str, value: &Value) -> Option<String>;
    /// As [`crate::is_bookkeeping`].
    fn is_bookkeeping(&self, key: &str, value: &Value) -> bool;
    /// As [`crate::is_structure`], but for what only keeps books.
    fn is_structure(&self, key: &str, value: &Value) -> bool {
        let _ = (key, value); // Only what has lines has some that mean nothing else.
        false
    }
    /// As [`crate::main_component`].
    fn main_component(&self, content: &Content) -> Option<String> {
        let _ = content; // Most files have one component.
        None
    }
    /// As [`crate::occurrence_of`].
    fn occurrence_of(&self, component: &str) -> Option<String> {
        let _ = component;
        None
    }
    /// As [`crate::part_of`].
    fn part_of(&self, key: &str) -> Option<&'static str> {
        let _ = key; // Most lines have a name.
        None
    }
}

/// All formats, in the order in which they are asked whether they recognise a file.
const FORMATS: &[&dyn Format] = &[
    &crate::contacts::Contacts,
    &crate::calendar::Calendars,
    &crate::apps::Apps,
    &crate::settings::Settings,
    &crate::notes::Notes,
];

/// Returns the format of a category.
pub(crate) fn format_of(category: &CategorySpec) -> &'static dyn Format {
    FORMATS
        .iter()
        .copied()
        .find(|format| format.category().number == category.number)
        .expect("every category has a format: a test compares the lists")
}

/// Returns the format of a file.
pub(crate) fn recognise(
    name: &str,
    bytes: &[u8],
    category: Option<&str>,
) -> Result<&'static dyn Format, NotRecognised> {
    // A note may have nothing but its name.
    let may_be_empty = crate::is_note(name);
    let is_other = category.is_none_or(|id| id != NOTES.id && heirloom_schema::by_id(id).is_some());
    if is_other && !may_be_empty && is_blank(bytes) {
        return Err(NotRecognised::Empty);
    }
    let Some(id) = category else {
        let found = FORMATS.iter().copied().find(|format| format.recognises(name, bytes));
        return found.ok_or_else(|| match file_name::ends_in(name, &["csv", "tsv"]) {
            true => NotRecognised::Table,
            false => NotRecognised::Unknown,
        });
    };
    let category =
        heirloom_schema::by_id(id).ok_or_else(|| NotRecognised::NoCategory(id.to_owned()))?;
    let format = format_of(category);
    match format.accepts(name, bytes) {
        true => Ok(format),
        false => Err(NotRecognised::NotThis(category.id)),
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.strip_prefix(encoding::MARK).unwrap_or(bytes).trim_ascii().is_empty()
}

/// Returns whether a file holds something else than its name says: nothing in
/// it begins a component, nor is its first line a property, which a file that
/// was cut off begins with. What is read as the first line of a component
/// begins one however it is spelled: it is the first line of its export too.
pub(crate) fn is_misnamed(bytes: &[u8], component: &[u8]) -> bool {
    let text = bytes.strip_prefix(encoding::MARK).unwrap_or(bytes).trim_ascii_start();
    if let Some(Marker::Begin(name)) = line::marker(text)
        && component.strip_prefix(b"BEGIN:").is_some_and(|own| own == name.as_bytes())
    {
        return false;
    }
    let is_begin = |at: &[u8]| at.eq_ignore_ascii_case(component);
    let begins_other = text.get(..7).is_some_and(|head| head.eq_ignore_ascii_case(b"BEGIN:V"));
    (begins_other || !line::begins_property(text)) && !text.windows(component.len()).any(is_begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_schema::CATEGORIES;

    #[test]
    fn every_category_has_its_format() {
        let formats: Vec<i64> = FORMATS.iter().map(|format| format.category().number).collect();
        assert_eq!(formats.len(), CATEGORIES.len());
        assert!(CATEGORIES.iter().all(|category| formats.contains(&category.number)));
        assert!(CATEGORIES.iter().all(|category| format_of(category).category() == *category));
    }

    #[test]
    fn the_kind_of_a_file_is_found_by_its_content() {
        let found = |name: &str, bytes: &[u8]| {
            recognise(name, bytes, None).ok().map(|format| format.category().id)
        };
        assert_eq!(found("data", b"\xef\xbb\xbf\r\nbegin:vcard\r\n"), Some("contacts"));
        assert_eq!(found("x.txt", b"BEGIN:VCALENDAR\n"), Some("calendar"));
        assert_eq!(found("x.vcf", b"TEL:1\nEND:VCARD\n"), Some("contacts"));
        assert_eq!(found("x.vcf", b"junk\nBEGIN:VCARD\n"), Some("contacts"));
        assert_eq!(found("x.vcf", b"\nBEGIN:VCALENDAR\n"), Some("calendar"));
        assert_eq!(found("x.ics", b"begin:vcard\n"), Some("contacts"));
        assert_eq!(found("x.vcf", b"{\"a\": 1}"), Some("settings"));
        assert_eq!(found("x.ics", b"# Title\n"), None, "a text is no note under that name");
        assert_eq!(found("x.vcf", b"\xff\x00"), None);
        assert_eq!(found("x", b"{\"a\": 1}"), Some("settings"));
        assert_eq!(found("x%2Fy.apprecord", b"{\"a\": 1}"), Some("apps"));
        assert_eq!(found("x.md", b"{\"a\": 1}"), Some("notes"));
        assert_eq!(found("x.txt", b"text"), Some("notes"));
        assert_eq!(found("x.jpg", b"\xff\xd8"), None);
        assert_eq!(found("x.md", b""), Some("notes"), "its name is its title");
        for blank in [&b""[..], b" \r\n\t", b"\xef\xbb\xbf\n"] {
            for name in ["x", "x.vcf", "x.ics", "x.json"] {
                assert_eq!(recognise(name, blank, None).err(), Some(NotRecognised::Empty));
            }
        }
    }

    #[test]
    fn what_is_cut_from_a_file_is_read_from_a_file_of_its_own() {
        let begins =
            ["BEGIN\u{85}:", "BEGIN :", "BEGIN\u{a0}:", "a.begin;x=1: ", "\u{e9}.BEGIN;X=1:"];
        for begin in begins {
            let card = |begin: &str| format!("{begin}VCARD\nFN:A\nEND:VCARD\n");
            let event = |begin: &str| {
                format!("{begin}VCALENDAR\nBEGIN:VEVENT\nUID:{begin}\nEND:VEVENT\nEND:VCALENDAR\n")
            };
            for (name, both) in [
                ("x.vcf", card("BEGIN:") + &card(begin)),
                ("x.ics", event("BEGIN:") + &event(begin)),
            ] {
                let split = crate::split(name, both.as_bytes(), None).unwrap();
                assert_eq!((split.items.len(), split.skipped.len()), (2, 0), "{both}");
                for item in split.items {
                    let alone = crate::split(name, &item.bytes, None);
                    assert_eq!(alone.map(|split| split.items.len()), Ok(1), "{both}");
                }
            }
        }
    }

    #[test]
    fn a_declared_kind_is_taken_where_the_file_can_be_of_it() {
        let found = |id: &str, bytes: &[u8]| {
            recognise("x", bytes, Some(id)).map(|format| format.category().id)
        };
        assert_eq!(found("notes", b"BEGIN:VCARD\n").ok(), Some("notes"));
        assert_eq!(found("contacts", b"text").err(), Some(NotRecognised::NotThis("contacts")));
        assert_eq!(found("photos", b"").err(), Some(NotRecognised::NoCategory("photos".into())));
    }
}
