//! Cutting a file of cards while it is read.

use super::Contacts;
use crate::format::Format as _;
use crate::item::Split;
use crate::line;
use heirloom_base::limits;

/// The line that begins a card.
const BEGIN: &[u8] = b"BEGIN:VCARD";

/// Bytes that are looked at again when more have come: a line that begins a
/// card, and the one before it.
const OVERLAP: usize = 4 * 1024;

/// Cuts a file of cards of any size into items while it is read, and holds no
/// more of it than the largest card.
///
/// A line that begins a card, unless it is the card of an AGENT, ends whatever
/// was before it; so a file may be cut there and the parts read apart.
#[derive(Debug)]
pub struct CardCutter {
    name: String,
    /// What was read and is not cut yet.
    rest: Vec<u8>,
    /// Lines before it.
    lines: usize,
    /// Whether it belongs to a card that was left out.
    is_lost: bool,
}

impl CardCutter {
    /// Makes the cutter of one file.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rest: Vec::new(), lines: 0, is_lost: false }
    }

    /// Takes the next bytes of the file; returns the cards that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> Split {
        let seen = self.rest.len().saturating_sub(OVERLAP);
        self.rest.extend_from_slice(bytes);
        if self.is_lost {
            let found = begins(&self.rest, 0).next();
            let at = found.unwrap_or_else(|| self.rest.len().saturating_sub(OVERLAP));
            self.lines += feeds(self.rest.get(..at).unwrap_or_default());
            self.rest.drain(..at);
            if found.is_none() {
                return Split::default();
            }
            self.is_lost = false;
        }
        if let Some(at) = begins(&self.rest, seen.min(self.rest.len())).last() {
            let rest = self.rest.split_off(at);
            return self.cut(rest);
        }
        if self.rest.len() <= limits::CARD_FILE_BUFFER_BYTES_MAX {
            return Split::default();
        }
        self.is_lost = true;
        self.cut(Vec::new())
    }

    /// Ends the file; returns the last cards.
    #[must_use]
    pub fn finish(mut self) -> Split {
        match self.is_lost {
            true => Split::default(),
            false => self.cut(Vec::new()),
        }
    }

    /// Cuts what was read and goes on with `rest`.
    fn cut(&mut self, rest: Vec<u8>) -> Split {
        let piece = std::mem::replace(&mut self.rest, rest);
        let mut split = Contacts.split(&self.name, &piece);
        split.items.iter_mut().for_each(|item| item.line += self.lines);
        split.skipped.iter_mut().for_each(|skipped| skipped.line += self.lines);
        let is_open = piece.last().is_some_and(|last| !matches!(last, b'\r' | b'\n'));
        self.lines += line::physical_lines(&piece).count() - usize::from(is_open);
        split
    }
}

/// Returns the places from `from` on, but not the very first, where a card
/// begins that is not part of another one.
fn begins(bytes: &[u8], from: usize) -> impl Iterator<Item = usize> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let ends = bytes.iter().enumerate().skip(from).filter(move |(_, byte)| is_end(byte));
    ends.map(|(at, _)| at + 1).filter(move |at| {
        let (before, line) = bytes.split_at(*at);
        let Some((head, tail)) = line.split_at_checked(BEGIN.len()) else { return false };
        let mut tail = tail.iter().skip_while(|byte| matches!(byte, b' ' | b'\t'));
        if !head.eq_ignore_ascii_case(BEGIN) || !tail.next().is_some_and(is_end) {
            return false;
        }
        let before = before.trim_ascii_end();
        let start = before.iter().rposition(is_end).map_or(0, |end| end + 1);
        let last = before.get(start..).unwrap_or_default();
        line::name_of(last).as_deref() != Some("AGENT")
    })
}

/// Returns how many lines end in some bytes.
fn feeds(bytes: &[u8]) -> usize {
    let count = |end: u8| bytes.iter().filter(|byte| **byte == end).count();
    match count(b'\n') {
        0 => count(b'\r'),
        feeds => feeds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CARDS: &[&str] = &[
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nEND:VCARD\r\n\r\n",
        "begin:vcard \nVERSION:2.1\nFN:Bo\nAGENT:\nBEGIN:VCARD\nFN:Cy\nEND:VCARD\nEND:VCARD\n",
        "BEGIN:VCARD\r\nFN:No end\r\n",
        "stray\r\n",
        "BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:a=\nBEGIN:VCARD\nb\nEND:VCARD\n",
    ];

    fn streamed(file: &[u8], sizes: &[usize]) -> Split {
        let mut cutter = CardCutter::new("a.vcf");
        let (mut split, mut rest, mut sizes) = (Split::default(), file, sizes.iter().cycle());
        while !rest.is_empty() {
            let size = *sizes.next().unwrap();
            let (now, later) = rest.split_at(size.min(rest.len()));
            let more = cutter.push(now);
            split.items.extend(more.items);
            split.skipped.extend(more.skipped);
            rest = later;
        }
        let more = cutter.finish();
        split.items.extend(more.items);
        split.skipped.extend(more.skipped);
        split
    }

    #[test]
    fn a_card_that_is_too_large_is_left_out_and_the_next_one_is_taken() {
        let photo = format!("PHOTO:{}\n", "x".repeat(60_000)).repeat(250);
        let card = |name: &str, more: &str| format!("BEGIN:VCARD\nFN:{name}\n{more}END:VCARD\n");
        let file = [card("One", ""), card("Two", &photo), card("Three", "")].concat();
        let split = streamed(file.as_bytes(), &[1 << 20]);
        let lines: Vec<usize> = split.items.iter().map(|item| item.line).collect();
        assert_eq!(lines, [1, 257]);
        assert_eq!((split.skipped.len(), split.skipped[0].line), (1, 4));
        let junk = vec![b'x'; 18 << 20];
        assert_eq!(streamed(&junk, &[1 << 20]).skipped.len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_file_is_cut_alike_whole_and_in_pieces(
            cards in prop::collection::vec(prop::sample::select(CARDS), 0..8),
            sizes in prop::collection::vec(1usize..40, 1..5),
        ) {
            let file = cards.concat();
            let whole = Contacts.split("a.vcf", file.as_bytes());
            prop_assert_eq!(streamed(file.as_bytes(), &sizes), whole);
        }
    }
}
