//! Cutting files into cards.

use crate::item::Split;
use crate::line::{self, Marker, Property, Size};
use heirloom_base::limits;
use std::ops::Range;

/// Follows the card of an AGENT, which stands inside of another card.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    depth: usize,
    is_announced: bool,
}

impl Nesting {
    /// Takes the next line; returns whether it stands inside of an AGENT.
    pub(super) fn takes(&mut self, line: &[u8]) -> bool {
        let was_inside = self.depth > 0;
        let was_announced = std::mem::take(&mut self.is_announced);
        match line::marker(line) {
            Some(Marker::Begin(name)) if name == "VCARD" => {
                // Without an AGENT before it, a card that begins ends all others.
                self.depth = if was_announced { self.depth + 1 } else { 0 };
                was_announced
            }
            Some(Marker::End(name)) if name == "VCARD" => {
                self.depth = self.depth.saturating_sub(1);
                was_inside
            }
            Some(Marker::Begin(_) | Marker::End(_)) => was_inside,
            None => {
                if line.trim_ascii().is_empty() {
                    self.is_announced = was_announced;
                } else if line::name_of(line).as_deref() == Some("AGENT") {
                    self.announce(line);
                }
                was_inside
            }
        }
    }

    /// The card of an AGENT begins in the next line, or on the AGENT's own.
    fn announce(&mut self, line: &[u8]) {
        let value = Property::read(line).map(|property| property.value).unwrap_or_default();
        let value = value.trim_ascii();
        self.is_announced = value.is_empty();
        if value.eq_ignore_ascii_case(b"BEGIN:VCARD") {
            self.depth += 1;
        }
    }
}

/// A card of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// Its line in the file, from 1.
    pub(super) line: usize,
    /// Its bytes.
    pub(super) range: Range<usize>,
    /// Whether it has its END.
    pub(super) is_whole: bool,
}

/// The cards of a file, and what was left out.
#[derive(Debug, Default)]
pub(super) struct Cards {
    pub(super) found: Vec<Card>,
    pub(super) split: Split,
    open: Option<Open>,
    is_stray: bool,
}

/// A card that has begun.
#[derive(Debug)]
struct Open {
    line: usize,
    start: usize,
    size: Size,
    nesting: Nesting,
    /// Whether it says anything about anybody.
    is_filled: bool,
    problem: Option<&'static str>,
}

/// Cuts a file into cards.
pub(super) fn cut_cards(bytes: &[u8]) -> Cards {
    let mut cards = Cards::default();
    let mut offset = 0;
    for line in line::content_lines(bytes) {
        let marker = line::marker(line.bytes);
        if cards.open.as_mut().is_some_and(|open| open.takes(line.bytes)) {
            // A line of an AGENT's card.
        } else if marker == Some(Marker::Begin("VCARD".to_owned())) {
            cards.close(offset, End::Missing);
            cards.begin(line.number, offset);
        } else if marker == Some(Marker::End("VCARD".to_owned())) {
            // Blank lines behind a card belong to nobody.
            let last = line::physical_lines(line.bytes).next().unwrap_or_default();
            match cards.open.is_some() {
                true => cards.close(offset + last.len(), End::There),
                false => cards.stray(line.number),
            }
        } else if cards.open.is_none() && !line.bytes.trim_ascii().is_empty() {
            cards.stray(line.number);
        }
        offset += line.bytes.len();
    }
    cards.close(offset, End::Missing);
    cards
}

/// Whether a card has its END.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    There,
    Missing,
}

impl Cards {
    fn begin(&mut self, line: usize, start: usize) {
        self.is_stray = false;
        self.open = Some(Open {
            line,
            start,
            size: Size::default(),
            nesting: Nesting::default(),
            is_filled: false,
            problem: None,
        });
    }

    /// Ends the card that is open. One without its END is taken as it is,
    /// unless nothing stands in it.
    fn close(&mut self, end: usize, how: End) {
        let Some(open) = self.open.take() else { return };
        let is_whole = how == End::There;
        let is_empty = !is_whole && !open.is_filled;
        let problem = open.problem.or(is_empty.then_some("the card has no END:VCARD"));
        match problem {
            Some(problem) => self.split.skip(open.line, problem),
            None => {
                let range = open.start..end;
                self.found.push(Card { line: open.line, range, is_whole });
            }
        }
    }

    /// Notes the first line of a run outside of any card.
    fn stray(&mut self, line: usize) {
        if !self.is_stray {
            self.split.skip(line, "this line belongs to no card");
            self.is_stray = true;
        }
    }
}

impl Open {
    /// Counts a line, unless it begins or ends the card itself; returns
    /// whether it stands inside of an AGENT.
    fn takes(&mut self, line: &[u8]) -> bool {
        let is_inside = self.nesting.takes(line);
        let is_property = line::marker(line).is_none() && !line.trim_ascii().is_empty();
        let is_version = line::name_of(line).as_deref() == Some("VERSION");
        self.is_filled |= is_property && line::name_of(line).is_some() && !is_version;
        let counted = match is_inside || (is_property && !is_version) {
            true => self.size.count(line),
            false if is_property => self.size.count_text(line),
            false => Ok(()),
        };
        if let (None, Err(problem)) = (self.problem, counted) {
            self.problem = Some(problem);
        }
        if self.nesting.depth > limits::CARD_DEPTH_MAX {
            self.problem.get_or_insert("it is nested too deep");
        }
        is_inside
    }
}
