//! Files to import, as other programs write them.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

/// What a changed card has more.
const CHANGED_LINE: &str = "NOTE:changed";

const TAKEN: &str = "a text takes every write";

/// Returns a file of so many cards.
pub(crate) fn cards(count: usize) -> String {
    (0..count).map(card).collect()
}

fn card(number: usize) -> String {
    let town = number % 97;
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number}\r\nFN:Person {number} Sample\r\n\
             N:Sample;Person {number};;;\r\nTEL;TYPE=CELL:+49 170 {number:07}\r\n\
             EMAIL:p{number}@sample.example\r\nORG:House {town}\r\n\
             ADR;TYPE=HOME:;;Street {number};Town {town};;{number:05};Land\r\nEND:VCARD\r\n"
    )
}

/// Returns a calendar of so many events.
pub(crate) fn events(count: usize) -> String {
    calendar((0..count).map(event).collect())
}

fn calendar(events: String) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sample//EN\r\n{events}END:VCALENDAR\r\n")
}

fn event(number: usize) -> String {
    let (month, day, hour) = (1 + number % 12, 1 + number % 28, number % 24);
    format!(
        "BEGIN:VEVENT\r\nUID:event-{number}\r\nSUMMARY:Event {number}\r\n\
         DTSTART;TZID=Europe/Berlin:2026{month:02}{day:02}T{hour:02}0000\r\n\
         DURATION:PT1H\r\nEND:VEVENT\r\n"
    )
}

/// Returns a note of two kilobytes.
pub(crate) fn note(number: usize) -> String {
    let mut text = format!("---\ntitle: Note {number}\n---\n");
    let mut word = number;
    while text.len() < 2_000 {
        word = word.wrapping_mul(1_103_515_245).wrapping_add(12_345) % 1_000_003;
        write!(text, "word{word} ").expect(TAKEN);
    }
    text
}

/// How many records of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) cards: usize,
    pub(crate) notes: usize,
    pub(crate) events: usize,
}

impl Counts {
    /// Returns the mixture of a household: notes and events are a fifth of the cards.
    pub(crate) fn household(cards: usize) -> Self {
        Self { cards, notes: cards / 5, events: cards / 5 }
    }

    pub(crate) fn all(self) -> usize {
        self.cards + self.notes + self.events
    }
}

/// Writes the same records with a file for each.
pub(crate) fn write_each(folder: &Path, counts: Counts) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for number in 0..counts.cards {
        fs::write(folder.join(card_name(number)), card(number))?;
    }
    for number in 0..counts.notes {
        fs::write(folder.join(note_name(number)), note(number))?;
    }
    for number in 0..counts.events {
        fs::write(folder.join(format!("event-{number}.ics")), calendar(event(number)))?;
    }
    Ok(())
}

pub(crate) fn card_name(number: usize) -> String {
    format!("card-{number}.vcf")
}

pub(crate) fn note_name(number: usize) -> String {
    format!("note-{number}.md")
}

/// Changes the first cards of a folder.
pub(crate) fn change(folder: &Path, count: usize) -> io::Result<()> {
    for number in 0..count {
        let changed = card(number).replace("END:VCARD", &format!("{CHANGED_LINE}\r\nEND:VCARD"));
        fs::write(folder.join(card_name(number)), changed)?;
    }
    Ok(())
}

/// Tells whether the first cards of a folder are there and changed.
pub(crate) fn are_changed(folder: &Path, count: usize) -> bool {
    let is_changed = |number| {
        let text = fs::read_to_string(folder.join(card_name(number)));
        text.is_ok_and(|text| text.contains(CHANGED_LINE))
    };
    (0..count).all(is_changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_has_its_file_and_the_first_cards_change() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts::household(10);
        write_each(folder.path(), counts).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), counts.all());
        assert!(!are_changed(folder.path(), 1));
        change(folder.path(), 3).unwrap();
        assert!(are_changed(folder.path(), 3));
        assert!(!are_changed(folder.path(), 4));
    }

    #[test]
    fn the_files_for_each_make_up_the_file_for_all() {
        assert_eq!(cards(2), card(0) + &card(1));
        assert!(events(2).contains(&event(1)));
    }
}
