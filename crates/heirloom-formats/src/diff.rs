//! The three-way merge of texts, line by line.

use std::ops::Range;

/// Largest table of line pairs that is compared; larger texts count as one change.
const PAIRS_MAX: usize = 1 << 20;

/// A run of lines in the base, and the lines that stand there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hunk<'a> {
    base: Range<usize>,
    lines: Vec<&'a str>,
}

/// Applies what changed from `base` to `imported` to `current`. Where both
/// changed the same lines, both versions stay, `current`'s first.
pub(crate) fn merge(base: &str, current: &str, imported: &str) -> String {
    if base == imported || current == imported {
        return current.to_owned();
    }
    if base == current {
        return imported.to_owned();
    }
    let base_lines: Vec<&str> = base.split_inclusive('\n').collect();
    let mine = hunks(&base_lines, &current.split_inclusive('\n').collect::<Vec<&str>>());
    let theirs = hunks(&base_lines, &imported.split_inclusive('\n').collect::<Vec<&str>>());
    let mut text = String::with_capacity(current.len() + imported.len());
    let (mut mine, mut theirs) = (mine.into_iter().peekable(), theirs.into_iter().peekable());
    let mut at = 0;
    while let Some(start) =
        [mine.peek(), theirs.peek()].into_iter().flatten().map(|hunk| hunk.base.start).min()
    {
        text.extend(base_lines.get(at..start).unwrap_or_default().iter().copied());
        let (mut ours, mut others, mut end) = (Vec::new(), Vec::new(), start);
        loop {
            let touches = |hunk: &Hunk<'_>| hunk.base.start < end || hunk.base.start == start;
            if let Some(hunk) = mine.next_if(touches) {
                end = end.max(hunk.base.end);
                ours.push(hunk);
            } else if let Some(hunk) = theirs.next_if(touches) {
                end = end.max(hunk.base.end);
                others.push(hunk);
            } else {
                break;
            }
        }
        push_region(&mut text, &base_lines, start..end, &ours, &others);
        at = end;
    }
    text.extend(base_lines.get(at..).unwrap_or_default().iter().copied());
    text
}

/// Appends the lines of a region that one side changed, or both.
fn push_region(
    text: &mut String,
    base: &[&str],
    region: Range<usize>,
    ours: &[Hunk<'_>],
    others: &[Hunk<'_>],
) {
    let mine = version(base, region.clone(), ours);
    let theirs = version(base, region, others);
    if ours.is_empty() {
        text.push_str(&theirs);
        return;
    }
    text.push_str(&mine);
    if !others.is_empty() && mine != theirs {
        if !mine.is_empty() && !mine.ends_with('\n') && !theirs.is_empty() {
            text.push('\n');
        }
        text.push_str(&theirs);
    }
}

/// Returns the region's lines after one side's changes.
fn version(base: &[&str], region: Range<usize>, hunks: &[Hunk<'_>]) -> String {
    let mut text = String::new();
    let mut at = region.start;
    for hunk in hunks {
        text.extend(base.get(at..hunk.base.start).unwrap_or_default().iter().copied());
        text.extend(hunk.lines.iter().copied());
        at = hunk.base.end;
    }
    text.extend(base.get(at..region.end).unwrap_or_default().iter().copied());
    text
}

/// Returns the changes that lead from one text to another.
fn hunks<'a>(from: &[&'a str], to: &[&'a str]) -> Vec<Hunk<'a>> {
    let prefix = from.iter().zip(to).take_while(|(from, to)| from == to).count();
    let (from, to) = (from.get(prefix..).unwrap_or_default(), to.get(prefix..).unwrap_or_default());
    let suffix = from.iter().rev().zip(to.iter().rev()).take_while(|(from, to)| from == to).count();
    let from = from.get(..from.len() - suffix).unwrap_or_default();
    let to = to.get(..to.len() - suffix).unwrap_or_default();
    let mut hunks = Vec::new();
    let (mut last_from, mut last_to) = (0, 0);
    for (at_from, at_to) in common(from, to).into_iter().chain([(from.len(), to.len())]) {
        if at_from > last_from || at_to > last_to {
            let lines = to.get(last_to..at_to).unwrap_or_default().to_vec();
            hunks.push(Hunk { base: prefix + last_from..prefix + at_from, lines });
        }
        (last_from, last_to) = (at_from + 1, at_to + 1);
    }
    hunks
}

/// Returns the pairs of a longest common subsequence.
fn common(from: &[&str], to: &[&str]) -> Vec<(usize, usize)> {
    let width = to.len() + 1;
    if (from.len() + 1).saturating_mul(width) > PAIRS_MAX {
        return Vec::new();
    }
    let mut lengths = vec![0u32; (from.len() + 1) * width];
    for i in (0..from.len()).rev() {
        for j in (0..to.len()).rev() {
            lengths[i * width + j] = match from[i] == to[j] {
                true => lengths[(i + 1) * width + j + 1] + 1,
                false => lengths[(i + 1) * width + j].max(lengths[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < from.len() && j < to.len() {
        if from[i] == to[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn changes_of_different_lines_both_arrive() {
        let base = "one\ntwo\nthree\nfour\n";
        let current = "one\ntwo\nthree\nFOUR\nfive\n";
        let imported = "zero\none\nthree\nfour\n";
        assert_eq!(merge(base, current, imported), "zero\none\nthree\nFOUR\nfive\n");
    }

    #[test]
    fn changes_of_the_same_line_both_stay() {
        assert_eq!(merge("a\nb\nc\n", "a\nmine\nc\n", "a\ntheirs\nc\n"), "a\nmine\ntheirs\nc\n");
        assert_eq!(merge("b", "mine", "theirs"), "mine\ntheirs");
        assert_eq!(merge("a\n", "a\nnew\n", "a\nother\n"), "a\nnew\nother\n");
    }

    #[test]
    fn a_line_removed_there_and_edited_here_stays() {
        assert_eq!(merge("a\nb\nc\n", "a\nedited\nc\n", "a\nc\n"), "a\nedited\nc\n");
    }

    #[test]
    fn texts_too_long_to_compare_are_one_change() {
        let long = |word: &str| format!("{word}\n{}", "x\ny\n".repeat(2_000)).replace('x', word);
        let merged = merge(&long("a"), &long("b"), &long("c"));
        assert!(merged.contains('b') && merged.contains('c'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn one_side_alone_wins_and_nothing_panics(
            base in "[ab\n]{0,12}", one in "[abc\n]{0,12}", other in "[abd\n]{0,12}",
        ) {
            prop_assert_eq!(merge(&base, &base, &one), one.as_str());
            prop_assert_eq!(merge(&base, &one, &base), one.as_str());
            prop_assert_eq!(merge(&base, &one, &one), one.as_str());
            drop(merge(&base, &one, &other));
        }

        #[test]
        fn lines_that_neither_side_touched_stay_in_order(
            one in prop::collection::vec("[a-z]{1,3}", 1..6),
            other in prop::collection::vec("[a-z]{1,3}", 1..6),
        ) {
            let text = |head: &[String], tail: &[String]| {
                format!("{}\nKEEP\nTHIS\n{}\n", head.join("\n"), tail.join("\n"))
            };
            let start = ["start".to_owned()];
            let merged = merge(&text(&start, &start), &text(&one, &start), &text(&start, &other));
            prop_assert_eq!(merged, text(&one, &other));
        }
    }
}
