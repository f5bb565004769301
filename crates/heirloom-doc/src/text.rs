//! Differences between two texts, so that edits of different places merge.
//!
//! The words that both texts begin and end with are set aside; the middle is
//! compared line by line, and each stretch of lines that differ word by word.
//! Where nothing but blanks and signs stands between two replacements they are
//! one, and words are replaced as wholes: what two devices wrote anew at one
//! place does not become a mixture of both. Only where letters were merely
//! added to words, or taken from them, these alone are replaced.

use imara_diff::{Algorithm, Diff, InternedInput};
use std::collections::{BTreeMap, BTreeSet};
use unicode_segmentation::UnicodeSegmentation;

/// Letters of a single word above which only what differs of it is replaced:
/// it is no word that anybody wrote.
const WORD_MAX: usize = 64;

/// Words of one differing stretch of lines up to which they are compared;
/// above it the lines are replaced. What was written anew has little in common
/// with what stood there, and every piece that stays costs an edit.
const WORDS_MAX: usize = 1 << 14;

/// One replacement. Positions count characters and hold after all earlier
/// replacements of the same list were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    /// Where it begins.
    pub(crate) at: usize,
    /// How many characters go.
    pub(crate) delete: usize,
    /// What comes instead.
    pub(crate) insert: String,
}

/// Returns the replacements that turn `old` into `new`, from front to back.
pub(crate) fn splices(old: &str, new: &str) -> Vec<Splice> {
    let old: Vec<char> = old.chars().collect();
    let new: Vec<char> = new.chars().collect();
    let mut result = Vec::new();
    let ends = whole_words(&old, &new, common(&old, &new));
    let (old_middle, new_middle) = (middle(&old, ends), middle(&new, ends));
    let mut at = ends.0;
    for hunk in joined(hunks(old_middle, new_middle), old_middle, new_middle) {
        match hunk {
            Hunk::Same(length) => at += length,
            Hunk::Replaced { old, new } => {
                let ends = narrowed(old, new);
                let prefix = ends.0;
                let (old_rest, new_rest) = (middle(old, ends), middle(new, ends));
                if !old_rest.is_empty() || !new_rest.is_empty() {
                    let insert = new_rest.iter().collect();
                    result.push(Splice { at: at + prefix, delete: old_rest.len(), insert });
                }
                at += new.len();
            }
        }
    }
    result
}

/// Returns a text with what was changed of an earlier one in two ways: what either
/// took away is gone, and what both put in at one place stands there once if it is
/// the same.
#[must_use]
pub fn merged(before: &str, one: &str, other: &str) -> String {
    let letters: Vec<char> = before.chars().collect();
    let sides = [split_up(letters.len(), before, one), split_up(letters.len(), before, other)];
    let [(one_in, one_out), (other_in, other_out)] = &sides;
    let mut text = String::new();
    for at in 0..=letters.len() {
        let (first, second) = (other_in.get(&at), one_in.get(&at));
        text.extend(first.map(String::as_str));
        text.extend(second.filter(|_| first != second).map(String::as_str));
        let is_kept = !one_out.contains(&at) && !other_out.contains(&at);
        text.extend(letters.get(at).filter(|_| is_kept));
    }
    text
}

/// Returns what is put in before which character, and which characters go.
fn split_up(
    length: usize,
    before: &str,
    after: &str,
) -> (BTreeMap<usize, String>, BTreeSet<usize>) {
    let (mut put_in, mut gone) = (BTreeMap::<usize, String>::new(), BTreeSet::new());
    // How many characters were put in so far, and how many are gone.
    let (mut more, mut less) = (0, 0);
    for splice in splices(before, after) {
        let at = (splice.at + less - more).min(length);
        gone.extend(at..at + splice.delete);
        more += splice.insert.chars().count();
        less += splice.delete;
        put_in.entry(at).or_default().push_str(&splice.insert);
    }
    (put_in, gone)
}

/// Returns how many characters both begin and end with.
fn common(old: &[char], new: &[char]) -> (usize, usize) {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[prefix..], &new[prefix..]);
    let suffix = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    (prefix, suffix)
}

fn middle(text: &[char], (prefix, suffix): (usize, usize)) -> &[char] {
    &text[prefix..text.len() - suffix]
}

/// Returns how much of a replacement's ends stays.
fn narrowed(old: &[char], new: &[char]) -> (usize, usize) {
    let ends = common(old, new);
    let is_longer = ends.0 + ends.1 == old.len().min(new.len());
    let is_word = |text: &[char]| text.len() > WORD_MAX && words(text).len() == 1;
    if is_longer || is_word(old) && is_word(new) { ends } else { whole_words(old, new, ends) }
}

/// Shortens what both begin and end with so that it cuts no word.
fn whole_words(old: &[char], new: &[char], (prefix, suffix): (usize, usize)) -> (usize, usize) {
    let begins = |text: &[char]| -> BTreeSet<usize> {
        starts(text, prefix).range(..=prefix).copied().collect()
    };
    let ends = |text: &[char]| -> BTreeSet<usize> {
        let at = text.len() - suffix;
        starts(text, at).range(at..).map(|start| text.len() - start).collect()
    };
    let both = |one: &BTreeSet<usize>, other: &BTreeSet<usize>| {
        one.intersection(other).max().copied().unwrap_or_default()
    };
    (both(&begins(old), &begins(new)), both(&ends(old), &ends(new)))
}

/// Returns where the words of the line around a place begin, and where it ends.
fn starts(text: &[char], at: usize) -> BTreeSet<usize> {
    let is_end = |letter: &char| *letter == '\n';
    let begin = text[..at].iter().rposition(is_end).map_or(0, |end| end + 1);
    let end = text[at..].iter().position(is_end).map_or(text.len(), |end| at + end);
    let mut place = begin;
    let mut starts = BTreeSet::from([begin]);
    for word in words(&text[begin..end]) {
        place += word.len();
        starts.insert(place);
    }
    starts
}

/// Makes one of two replacements between which no word stays. The hunks make up
/// both texts.
fn joined<'a>(hunks: Vec<Hunk<'a>>, old: &'a [char], new: &'a [char]) -> Vec<Hunk<'a>> {
    let mut result: Vec<Hunk<'a>> = Vec::new();
    // Where the last replacement begins, in both texts.
    let mut begin: Option<(usize, usize)> = None;
    let (mut old_at, mut new_at) = (0, 0);
    for hunk in hunks {
        match hunk {
            Hunk::Same(0) => {}
            Hunk::Same(length) => {
                let kept = &old[old_at..old_at + length];
                if kept.iter().any(|letter| letter.is_alphanumeric()) {
                    begin = None;
                }
                result.push(Hunk::Same(length));
                (old_at, new_at) = (old_at + length, new_at + length);
            }
            Hunk::Replaced { old: gone, new: come } => {
                let ends = (old_at + gone.len(), new_at + come.len());
                let from = begin.unwrap_or((old_at, new_at));
                if begin.is_some() {
                    while matches!(result.last(), Some(Hunk::Same(_))) {
                        result.pop();
                    }
                    result.pop();
                }
                let (old, new) = (&old[from.0..ends.0], &new[from.1..ends.1]);
                result.push(Hunk::Replaced { old, new });
                (begin, old_at, new_at) = (Some(from), ends.0, ends.1);
            }
        }
    }
    result
}

/// A stretch of the comparison.
enum Hunk<'a> {
    /// So many characters stay.
    Same(usize),
    /// Characters are replaced by others.
    Replaced { old: &'a [char], new: &'a [char] },
}

/// Compares line by line, and where lines differ word by word.
fn hunks<'a>(old: &'a [char], new: &'a [char]) -> Vec<Hunk<'a>> {
    let mut result = Vec::new();
    for hunk in aligned(&lines(old), &lines(new), old, new) {
        match hunk {
            Hunk::Same(_) => result.push(hunk),
            Hunk::Replaced { old, new } => {
                let (old_words, new_words) = (words(old), words(new));
                if old_words.len().max(new_words.len()) <= WORDS_MAX {
                    result.extend(aligned(&old_words, &new_words, old, new));
                } else {
                    result.push(Hunk::Replaced { old, new });
                }
            }
        }
    }
    result
}

/// Returns the words of a text, and what stands between them.
fn words(mut text: &[char]) -> Vec<&[char]> {
    let letters: String = text.iter().collect();
    let pieces = letters.split_word_bounds().filter_map(|word| {
        let (piece, rest) = text.split_at_checked(word.chars().count())?;
        text = rest;
        Some(piece)
    });
    pieces.collect()
}

fn lines(text: &[char]) -> Vec<&[char]> {
    text.split_inclusive(|letter| *letter == '\n').collect()
}

/// Aligns two lists of pieces that make up two texts.
fn aligned<'a>(
    old_pieces: &[&'a [char]],
    new_pieces: &[&'a [char]],
    old: &'a [char],
    new: &'a [char],
) -> Vec<Hunk<'a>> {
    let mut input = InternedInput::default();
    input.update_before(old_pieces.iter().copied());
    input.update_after(new_pieces.iter().copied());
    let (old_ends, new_ends) = (ends(old_pieces), ends(new_pieces));
    let end = |ends: &[usize], piece: u32| ends[usize::try_from(piece).expect("a length")];
    let mut result = Vec::new();
    let mut same_from = 0;
    for hunk in Diff::compute(Algorithm::Histogram, &input).hunks() {
        let old_at = end(&old_ends, hunk.before.start)..end(&old_ends, hunk.before.end);
        let new_at = end(&new_ends, hunk.after.start)..end(&new_ends, hunk.after.end);
        result.push(Hunk::Same(old_at.start - same_from));
        same_from = old_at.end;
        result.push(Hunk::Replaced { old: &old[old_at], new: &new[new_at] });
    }
    result.push(Hunk::Same(old.len() - same_from));
    result
}

/// Returns where every piece begins, and where the last one ends.
fn ends(pieces: &[&[char]]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut at = 0;
    ends.extend(pieces.iter().map(|piece| {
        at += piece.len();
        at
    }));
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_changed_in_two_ways_stands_once_in_both() {
        for (before, one, other, wanted) in [
            (
                "one two three",
                "one two and a half three",
                "one two three four",
                "one two and a half three four",
            ),
            ("one two", "one X two", "one X two", "one X two"),
            ("one XX two", "one XX two C", "one X two", "one X two C"),
            ("one two three", "one three", "one two four", "one four"),
            ("", "a", "b", "ba"),
            ("a\nb\nc\n", "a\nb\nc\nd\n", "z\na\nc\n", "z\na\nc\nd\n"),
            ("ä ö ü", "ä ö ü ß", "ö ü", "ö ü ß"),
        ] {
            assert_eq!(merged(before, one, other), wanted, "{before:?}");
        }
    }

    fn applied(old: &str, splices: &[Splice]) -> String {
        let mut text: Vec<char> = old.chars().collect();
        for splice in splices {
            text.splice(splice.at..splice.at + splice.delete, splice.insert.chars());
        }
        text.into_iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn replacements_lead_from_one_text_to_the_other(
            old in "[ab \\n\u{e9}\u{1F600}]{0,40}", new in "[ab \\n\u{e9}\u{1F600}]{0,40}",
        ) {
            let found = splices(&old, &new);
            prop_assert_eq!(applied(&old, &found), new.clone());
            prop_assert_eq!(found.is_empty(), old == new);
            let ends = found.windows(2).all(|pair| {
                pair[0].at + pair[0].insert.chars().count() <= pair[1].at
            });
            prop_assert!(ends, "{:?}", found);
        }
    }

    #[test]
    fn only_what_differs_is_replaced() {
        let splice = |at, delete, insert: &str| Splice { at, delete, insert: insert.into() };
        assert_eq!(splices("buy milk", "buy milk"), []);
        assert_eq!(splices("buy mlk", "buy milk"), [splice(5, 0, "i")]);
        assert_eq!(splices("a big cat", "a cat"), [splice(2, 4, "")]);
        assert_eq!(
            splices("one two three four", "one 2 three 4"),
            [splice(4, 3, "2"), splice(12, 4, "4")]
        );
    }

    #[test]
    fn words_and_numbers_are_replaced_as_wholes() {
        for (old, new, pieces) in [
            ("Tel 030 1234567 x", "Tel 030 1234999 x", vec!["1234999"]),
            ("Montag 10:00", "Dienstag 10:30", vec!["Dienstag", "30"]),
            ("Milk", "Oat milk", vec!["Oat milk"]),
            ("我今天去", "我明天去", vec!["明"]),
            ("große Züge", "große Zügel", vec!["l"]),
        ] {
            let found = splices(old, new);
            let read: Vec<&str> = found.iter().map(|splice| splice.insert.as_str()).collect();
            assert_eq!(read, pieces, "{old}");
            assert_eq!(applied(old, &found), new);
        }
        let long = |letter: &str| "ab0".repeat(40) + letter + &"c1d".repeat(40);
        assert_eq!(splices(&long("x"), &long("y")).first().map(|splice| splice.delete), Some(1));
    }

    #[test]
    fn what_was_written_anew_is_one_replacement() {
        for (old, new) in [
            ("eins zwei drei", "ganz anders A"),
            ("Einkauf:\n\n- Milch", "Liste!\n\n* Brot, Eier"),
            ("gut so", "ganz neu"),
        ] {
            let found = splices(old, new);
            assert_eq!(found.len(), 1, "{old}: {found:?}");
            assert_eq!(applied(old, &found), new);
            assert!(found[0].insert.starts_with(char::is_alphanumeric), "{found:?}");
        }
        let found = splices("a, b and c", "x, y and z");
        assert_eq!(found.iter().map(|splice| splice.delete).collect::<Vec<_>>(), [4, 1]);
    }

    #[test]
    fn what_stands_between_two_edits_of_a_long_text_stays() {
        let numbered: String = (0..30_000).map(|line| format!("line {line} a b c\n")).collect();
        let (old, new) = (format!("x\n{numbered}y\n"), format!("z\n{numbered}w\n"));
        let found = splices(&old, &new);
        assert_eq!(found.iter().map(|splice| splice.delete).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(applied(&old, &found), new);
        let moved: String = numbered.split_inclusive('\n').rev().collect();
        assert_eq!(applied(&numbered, &splices(&numbered, &moved)), moved);
    }

    #[test]
    fn long_texts_that_have_nothing_in_common_are_replaced() {
        let (old, new) = ("a\n".repeat(30_000) + "b", "c\n".repeat(30_000));
        let found = splices(&old, &new);
        assert_eq!(found.len(), 1);
        assert_eq!(applied(&old, &found), new);
        let (old, new) = ("ab ".repeat(30_000), "cd,".repeat(30_000));
        assert_eq!(applied(&old, &splices(&old, &new)), new);
    }
}
