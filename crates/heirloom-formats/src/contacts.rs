//! Contacts as vCards (RFC 6350, and the older 3.0 and 2.1).
//!
//! Keys: `l` and the line's order; the value is the line.

mod cut;
mod edit;
mod fields;
mod stream;

pub use stream::CardCutter;

use crate::births::Slot;
use crate::format::{Format, is_misnamed};
use crate::item::{Item, ItemError, RawItem, Split};
use crate::layout::{self, Unit};
use crate::line;
use crate::merge::{Lines, Replacement};
use crate::{Edits, FieldEdit, FieldError, Projection, encoding, file_name, merge, order, text};
use cut::{Nesting, cut_cards};
use heirloom_base::limits;
use heirloom_schema::category::contacts::CONTACTS;
use heirloom_schema::{CategorySpec, Content, Value};

/// What the keys of lines begin with.
const SEQUENCE: &str = "l";

/// Endings of files of cards.
pub(crate) const ENDINGS: &[&str] = &["vcf", "vcard"];

/// The line end that RFC 6350 asks for.
const USUAL_EOL: &str = "\r\n";

/// vCards.
#[derive(Debug)]
pub(crate) struct Contacts;

impl Format for Contacts {
    fn category(&self) -> &'static CategorySpec {
        &CONTACTS
    }

    fn recognises(&self, name: &str, bytes: &[u8]) -> bool {
        let is_named = file_name::ends_in(name, ENDINGS);
        begins_with_card(bytes) || (is_named && !is_misnamed(bytes, b"BEGIN:VCARD"))
    }

    fn split(&self, name: &str, bytes: &[u8]) -> Split {
        let (mark, bytes) = encoding::cut_mark(bytes);
        let cards = cut_cards(bytes);
        let items = cards.found.into_iter().enumerate().map(|(index, card)| RawItem {
            category: &CONTACTS,
            name: name.to_owned(),
            line: card.line,
            // The mark of a file goes with its first card.
            bytes: [if index == 0 { mark } else { &[] }, bytes.get(card.range).unwrap_or_default()]
                .concat(),
        });
        Split { items: items.collect(), skipped: cards.split.skipped }
    }

    fn file_bytes_max(&self, name: &str) -> usize {
        let _ = name; // Only a file that cannot be cut while it is read has a limit.
        limits::CARD_FILE_BUFFER_BYTES_MAX
    }

    fn is_cut_while_read(&self) -> bool {
        true
    }

    fn parse(&self, raw: &RawItem) -> Result<Item, ItemError> {
        let cards = cut_cards(&raw.bytes);
        if let Some(skipped) = cards.split.skipped.first() {
            return Err(ItemError::new(raw.line + skipped.line - 1, skipped.reason.clone()));
        }
        let is_whole = match cards.found.as_slice() {
            [card] => card.is_whole,
            [] => return Err(ItemError::new(raw.line, "this is no card")),
            [_, second, ..] => {
                let line = raw.line + second.line - 1;
                return Err(ItemError::new(line, "a second card begins here"));
            }
        };
        let content = stored(&raw.bytes);
        Ok(Item { category: &CONTACTS, uid: uid_of(&content), content, is_whole })
    }

    fn fingerprint(&self, content: &Content) -> Vec<Vec<u8>> {
        let units = units(content);
        let counted = units.iter().filter(|unit| !is_bookkeeping(unit.raw()));
        counted.map(|unit| line::unfolded(unit.raw())).collect()
    }

    fn render(&self, content: &Content, uid: Option<&str>) -> Vec<u8> {
        let settled = merge::settled(self, content, |bytes| Some(stored(bytes)));
        let content = settled.as_ref().unwrap_or(content);
        let eol = layout::eol_of(content, USUAL_EOL);
        let units = units(content);
        let uid = uid.filter(|_| uid_of(content).is_none());
        let place = units.iter().position(|unit| unit.name().as_deref() == Some("VERSION"));
        let mut file = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            layout::write(unit.value, eol, &mut file);
            if let Some(uid) = uid.filter(|_| index == place.unwrap_or(0)) {
                file.extend(line::folded(&format!("UID:{}", text::escaped(uid)), eol));
            }
        }
        layout::close(content, eol, &mut file);
        file
    }

    fn file_stem(&self, content: &Content, uid: &str) -> String {
        file_name::stem(&self.project(content).title, uid)
    }

    fn create(&self, edits: &[FieldEdit], uid: &str, _now_ms: u64) -> Result<Content, FieldError> {
        edit::create(edits, uid)
    }

    fn edit(&self, content: &Content, edits: &[FieldEdit], tie: &str) -> Result<Edits, FieldError> {
        edit::edit(content, edits, tie)
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
        fields::project(content)
    }

    fn field_of(&self, key: &str, value: &Value) -> Option<String> {
        self.cut(key)?;
        let name = line::name_of(value.as_raw()?)?;
        Some(fields::field_of(&name).map_or_else(|| name.to_lowercase(), str::to_owned))
    }

    fn is_bookkeeping(&self, key: &str, value: &Value) -> bool {
        match self.cut(key) {
            Some(_) => value.as_raw().is_some_and(is_bookkeeping),
            None => true,
        }
    }

    fn is_structure(&self, _key: &str, value: &Value) -> bool {
        let name = value.as_raw().and_then(line::name_of);
        matches!(name.as_deref(), Some("BEGIN" | "END" | "VERSION" | "UID"))
    }
}

impl Lines for Contacts {
    fn cut(&self, key: &str) -> Option<usize> {
        layout::cut_after(key, SEQUENCE)
    }

    fn is_identity(&self, unit: &Unit<'_>) -> bool {
        unit.name().as_deref() == Some("UID")
    }

    fn slot(&self, unit: &Unit<'_>) -> Slot {
        const ONCE: &[&str] = &[
            "ANNIVERSARY",
            "BDAY",
            "CLASS",
            "FN",
            "GENDER",
            "GEO",
            "KIND",
            "MAILER",
            "N",
            "NAME",
            "PHOTO",
            "PRODID",
            "REV",
            "SORT-STRING",
            "TZ",
            "UID",
            "VERSION",
        ];
        match unit.name() {
            Some(name) if name == "BEGIN" || name == "END" => Slot::Frame,
            Some(name) if ONCE.contains(&name.as_str()) => Slot::One(name),
            Some(_) | None => Slot::Many,
        }
    }
}

/// Returns the lines of a card in order.
fn units(content: &Content) -> Vec<Unit<'_>> {
    layout::units(content, |key| Contacts.cut(key))
}

/// Returns the content that keeps these bytes. The card of an AGENT belongs
/// to the AGENT's line: its name is not the name of this contact.
fn stored(bytes: &[u8]) -> Content {
    let mut content = Content::new();
    layout::note_line_ends(&mut content, bytes, USUAL_EOL);
    let eol = layout::eol_in(bytes);
    let mut nesting = Nesting::default();
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    for (index, line) in line::content_lines(bytes).enumerate() {
        let is_inside = nesting.takes(line.bytes);
        match lines.last_mut().filter(|_| is_inside) {
            Some((_, agent)) => agent.extend_from_slice(line.bytes),
            None => lines.push((index, line.bytes.to_vec())),
        }
    }
    for (index, line) in lines {
        let key = format!("{SEQUENCE}{}", order::ordinal(index));
        content.insert(key, layout::stored(&line, eol));
    }
    content
}

fn uid_of(content: &Content) -> Option<String> {
    let units = units(content);
    let unit = units.iter().find(|unit| unit.name().as_deref() == Some("UID"))?;
    let uid = text::unescaped(&unit.property()?.text()).trim().to_owned();
    (!uid.is_empty()).then_some(uid)
}

fn is_bookkeeping(line: &[u8]) -> bool {
    matches!(line::name_of(line).as_deref(), Some("REV" | "PRODID"))
}

fn begins_with_card(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(encoding::MARK).unwrap_or(bytes).trim_ascii_start();
    let (head, rest) = bytes.split_at_checked(11).unwrap_or_default();
    let ends = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    head.eq_ignore_ascii_case(b"BEGIN:VCARD")
        && ends.is_none_or(|byte| matches!(byte, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests;
