//! Files to import, as other programs write them.

use std::fmt::Write as _;

const TAKEN: &str = "a text takes every write";

/// Returns a file of so many cards.
pub(crate) fn cards(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let town = number % 97;
        write!(
            text,
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number}\r\nFN:Person {number} Sample\r\n\
             N:Sample;Person {number};;;\r\nTEL;TYPE=CELL:+49 170 {number:07}\r\n\
             EMAIL:p{number}@sample.example\r\nORG:House {town}\r\n\
             ADR;TYPE=HOME:;;Street {number};Town {town};;{number:05};Land\r\nEND:VCARD\r\n"
        )
        .expect(TAKEN);
    }
    text
}

/// Returns a calendar of so many events.
pub(crate) fn events(count: usize) -> String {
    let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sample//EN\r\n");
    for number in 0..count {
        let (month, day, hour) = (1 + number % 12, 1 + number % 28, number % 24);
        write!(
            text,
            "BEGIN:VEVENT\r\nUID:event-{number}\r\nSUMMARY:Event {number}\r\n\
             DTSTART;TZID=Europe/Berlin:2026{month:02}{day:02}T{hour:02}0000\r\n\
             DURATION:PT1H\r\nEND:VEVENT\r\n"
        )
        .expect(TAKEN);
    }
    text.push_str("END:VCALENDAR\r\n");
    text
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
