//! The BIP39 word list: reading typed words and naming the mistyped one.

use bip39::Language;

/// Letters that may be wrong before no list word is near enough to suggest.
const SUGGESTION_DISTANCE_MAX: usize = 2;

/// A typed word that is not in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownWord {
    /// Its place, counted from 1.
    pub(crate) position: usize,
    /// The word as typed, in lower case.
    pub(crate) word: String,
    /// The nearest list word, where one is near.
    pub(crate) suggestion: Option<String>,
}

/// Returns the typed words in lower case.
pub(crate) fn split(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

/// Returns the places of words in the list.
pub(crate) fn indices(words: &[String]) -> Result<Vec<u16>, UnknownWord> {
    let place = |(at, word): (usize, &String)| {
        Language::English.find_word(word).ok_or_else(|| UnknownWord {
            position: at + 1,
            word: word.clone(),
            suggestion: nearest(word).map(str::to_owned),
        })
    };
    words.iter().enumerate().map(place).collect()
}

/// Returns the word at a place of the list, which is taken modulo its length.
pub(crate) fn word(index: u16) -> &'static str {
    Language::English.word_list()[usize::from(index % 2048)]
}

/// Returns the nearest list word: the only one that begins with the first four
/// letters, else the one with the fewest wrong letters, the first of equals.
fn nearest(typed: &str) -> Option<&'static str> {
    let beginning: String = typed.chars().take(4).collect();
    let mut candidates = Language::English.words_by_prefix_iter(&beginning);
    if beginning.len() == 4
        && let (Some(only), None) = (candidates.next(), candidates.next())
    {
        return Some(only);
    }
    let typed: Vec<char> = typed.chars().take(16).collect();
    let list = Language::English.word_list().iter();
    list.map(|word| (distance(&typed, word), *word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= SUGGESTION_DISTANCE_MAX)
        .map(|(_, word)| word)
}

/// Returns how many letters must be changed, added, dropped or swapped with a
/// neighbour to make `typed` into `word`.
fn distance(typed: &[char], word: &str) -> usize {
    let word: Vec<char> = word.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    for (row, letter) in typed.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, wanted) in word.iter().enumerate() {
            let changed = last[column] + usize::from(letter != wanted);
            let mut best = changed.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped =
                row > 0 && column > 0 && *letter == word[column - 1] && typed[row - 1] == *wanted;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[word.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested() {
        for (typed, meant) in [
            ("abandn", Some("abandon")),
            ("zooo", Some("zoo")),
            ("aple", Some("able")),
            ("rbidge", Some("bridge")),
            ("elephnt", Some("elephant")),
            ("qqqqqqqq", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }

    #[test]
    fn a_wrong_word_is_named_with_its_place() {
        let unknown = indices(&split("  Zoo ZOO\tzo0 ")).unwrap_err();
        assert_eq!(unknown.position, 3);
        assert_eq!(unknown.word, "zo0");
        assert_eq!(unknown.suggestion.as_deref(), Some("zoo"));
        assert_eq!(indices(&split("abandon zoo")), Ok(vec![0, 2047]));
        assert_eq!(word(2047), "zoo");
    }
}
