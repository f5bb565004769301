//! Differences between two texts, so that edits of different places merge.
//!
//! What both texts begin and end with is set aside; the middle is compared
//! word by word, or line by line where it is long, and each differing stretch
//! is narrowed down to its differing characters.

/// Comparisons of two pieces that one difference may cost: above it, pieces
/// get larger, and at last the whole middle is replaced.
const COMPARISONS_MAX: usize = 1 << 20;

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
    let (prefix, old_middle, new_middle) = trimmed(&old, &new);
    let mut at = prefix;
    for hunk in hunks(old_middle, new_middle) {
        match hunk {
            Hunk::Same(length) => at += length,
            Hunk::Replaced { old, new } => {
                let (prefix, old_rest, new_rest) = trimmed(old, new);
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

/// Cuts off what both begin and end with; returns the length of the beginning
/// and the two middles.
fn trimmed<'a>(old: &'a [char], new: &'a [char]) -> (usize, &'a [char], &'a [char]) {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[prefix..], &new[prefix..]);
    let suffix = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    (prefix, &old[..old.len() - suffix], &new[..new.len() - suffix])
}

/// A stretch of the comparison.
enum Hunk<'a> {
    /// So many characters stay.
    Same(usize),
    /// Characters are replaced by others.
    Replaced { old: &'a [char], new: &'a [char] },
}

fn hunks<'a>(old: &'a [char], new: &'a [char]) -> Vec<Hunk<'a>> {
    for cut in [words, lines] {
        let (old_pieces, new_pieces) = (cut(old), cut(new));
        if old_pieces.len().saturating_mul(new_pieces.len()) <= COMPARISONS_MAX {
            return aligned(&old_pieces, &new_pieces, old, new);
        }
    }
    vec![Hunk::Replaced { old, new }]
}

fn words(text: &[char]) -> Vec<&[char]> {
    text.chunk_by(|a, b| a.is_alphanumeric() && b.is_alphanumeric()).collect()
}

fn lines(text: &[char]) -> Vec<&[char]> {
    text.split_inclusive(|letter| *letter == '\n').collect()
}

/// Aligns two lists of pieces along a longest common subsequence.
fn aligned<'a>(
    old_pieces: &[&'a [char]],
    new_pieces: &[&'a [char]],
    old: &'a [char],
    new: &'a [char],
) -> Vec<Hunk<'a>> {
    let common = common_lengths(old_pieces, new_pieces);
    let width = new_pieces.len() + 1;
    let mut result = Vec::new();
    let (mut i, mut j) = (0, 0);
    let (mut old_at, mut new_at, mut old_from, mut new_from) = (0, 0, 0, 0);
    while i < old_pieces.len() && j < new_pieces.len() {
        if old_pieces[i] == new_pieces[j] {
            result
                .push(Hunk::Replaced { old: &old[old_from..old_at], new: &new[new_from..new_at] });
            result.push(Hunk::Same(old_pieces[i].len()));
            old_at += old_pieces[i].len();
            new_at += new_pieces[j].len();
            (old_from, new_from, i, j) = (old_at, new_at, i + 1, j + 1);
        } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
            old_at += old_pieces[i].len();
            i += 1;
        } else {
            new_at += new_pieces[j].len();
            j += 1;
        }
    }
    result.push(Hunk::Replaced { old: &old[old_from..], new: &new[new_from..] });
    result
}

/// Returns, row by row, how many pieces the rests of both lists have in common.
fn common_lengths(old: &[&[char]], new: &[&[char]]) -> Vec<u32> {
    let width = new.len() + 1;
    let mut table = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i * width + j] = if old[i] == new[j] {
                table[(i + 1) * width + j + 1] + 1
            } else {
                table[(i + 1) * width + j].max(table[i * width + j + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn long_texts_are_compared_by_lines_and_at_last_replaced() {
        let numbered = |from: usize| -> String {
            (from..from + 900).map(|line| format!("line {line} a b c\n")).collect()
        };
        let (old, new) = (format!("x\n{}y\n", numbered(0)), format!("z\n{}w\n", numbered(0)));
        assert_eq!(splices(&old, &new).len(), 2);
        let (old, new) = ("ab ".repeat(3_000), "cd\n".repeat(3_000));
        assert_eq!(applied(&old, &splices(&old, &new)), new);
        let (old, new) = ("a\n".repeat(3_000) + "b", "c\n".repeat(3_000));
        let found = splices(&old, &new);
        assert_eq!(found.len(), 1);
        assert_eq!(applied(&old, &found), new);
    }
}
