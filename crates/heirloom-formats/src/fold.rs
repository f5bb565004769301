//! Search in any script: one shape for what is written and what is asked.
//!
//! A text is folded to letters without case, accents and width. A number
//! (`+49 (30) 123-4567`) is also noted by its digits alone, so that every
//! spelling of it is found.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

/// What stands before the digits of a number in a search text. Folding never
/// leaves a control character, so no query can hold it.
const NUMBER: char = '\u{1}';
/// Digits that make a number worth noting by itself.
const NUMBER_DIGITS_MIN: usize = 3;
/// Digits that a number shares with another spelling of it at least, where
/// one of them leaves out a prefix.
const SHARED_DIGITS_MIN: usize = 5;

/// The first of ten digits that stand in a row, in the scripts that people
/// write numbers in.
const DIGIT_ZEROS: &[u32] = &[
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6,
    0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0,
    0x10D30, 0x11066, 0x11136, 0x1E950,
];

/// Returns the text that an index keeps of a text to find it by.
#[must_use]
pub fn search_text(text: &str) -> String {
    let mut folded = folded(text);
    let numbers: Vec<String> = folded.lines().flat_map(spellings).collect();
    for number in numbers {
        folded.push('\n');
        folded.push(NUMBER);
        folded.push_str(&number);
    }
    folded
}

/// Returns a text without case, accents and width.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Most letters are ASCII and decompose into themselves, and no mark is
        // moved over one of them.
        let (plain, other) = rest.split_at(rest.bytes().take_while(u8::is_ascii).count());
        plain.chars().for_each(|letter| fold(letter, &mut folded));
        let (foreign, after) =
            other.split_at(other.find(|letter: char| letter.is_ascii()).unwrap_or(other.len()));
        foreign.nfkd().for_each(|letter| fold(letter, &mut folded));
        rest = after;
    }
    folded
}

/// Appends what is left of a decomposed letter.
fn fold(letter: char, folded: &mut String) {
    if is_apostrophe(letter) {
        return;
    }
    if letter == '\n' || letter.is_ascii_graphic() {
        return folded.push(letter.to_ascii_lowercase());
    }
    if letter.is_control() || letter == ' ' {
        return folded.push(' ');
    }
    if is_dropped(letter) {
        return;
    }
    match plain_form(letter) {
        Some(form) => folded.push_str(form),
        None => folded.extend(caseless(letter)),
    }
}

/// Returns a letter without its case. Upper case first, because it brings
/// together what lower case keeps apart: `ß` and `ss`, `ς` and `σ`, `ı` and `i`.
fn caseless(letter: char) -> impl Iterator<Item = char> {
    let digit = digit(letter);
    let lower = letter.to_uppercase().flat_map(char::to_lowercase);
    digit.into_iter().chain(lower.filter(move |_| digit.is_none()))
}

/// Returns the ASCII digit of a decimal digit of any script.
fn digit(letter: char) -> Option<char> {
    let code = u32::from(letter);
    let at = DIGIT_ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - at, 10)
}

/// Returns whether a letter of a decomposed text says nothing to a search:
/// accents, the marks of vowels in Arabic and Hebrew, and what is not seen.
///
/// Marks that make another letter stay: vowels of Indic scripts and of Thai,
/// and the voicing of kana.
fn is_dropped(letter: char) -> bool {
    let is_mark = matches!(canonical_combining_class(letter), 1 | 10..=36 | 200..=240);
    // U+3099 and U+309A have class 8, nukta 7, virama 9.
    is_mark
        || matches!(
            letter,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{640}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
        )
}

/// Returns whether a letter is an apostrophe: `O’Brien` is looked for as it is
/// spoken too, and which of the signs was typed says nothing.
fn is_apostrophe(letter: char) -> bool {
    matches!(letter, '\'' | '’' | '‘' | 'ʼ' | 'ʻ')
}

/// Returns what people type for a letter that has no decomposition.
fn plain_form(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ł' | 'Ł' => "l",
        'ø' | 'Ø' => "o",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'ħ' | 'Ħ' => "h",
        'ŧ' | 'Ŧ' => "t",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'þ' | 'Þ' => "th",
        'ẞ' => "ss",
        '‐'..='―' | '−' => "-",
        _ => return None,
    })
}

/// Returns whether a character may stand inside a written number.
fn joins_digits(letter: char) -> bool {
    matches!(letter, ' ' | '(' | ')' | '-' | '.' | '/' | '+')
}

/// The digit that is dialled within a country only: `+49 (0)30 1234567`.
const TRUNK: &str = "(0)";

/// Returns the numbers of a folded line, with the trunk digit and without it.
fn spellings(line: &str) -> Vec<String> {
    let mut found = numbers(line);
    if line.contains(TRUNK) {
        found.extend(numbers(&line.replace(TRUNK, " ")));
    }
    found
}

/// Returns the numbers of a folded line as digits; a leading `+` stays.
fn numbers(line: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut number = String::new();
    for letter in line.chars().chain(['\n']) {
        match letter {
            '0'..='9' => number.push(letter),
            '+' if number.is_empty() => number.push('+'),
            other if joins_digits(other) => {}
            _ => {
                let digits = number.trim_start_matches('+').len();
                if digits >= NUMBER_DIGITS_MIN {
                    numbers.push(number.clone());
                }
                number.clear();
            }
        }
    }
    numbers
}

/// What a user looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchQuery {
    parts: Vec<Part>,
}

/// A part of a query, which must be found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This text.
    Word(String),
    /// This number in any spelling, or else these words.
    Number { digits: String, words: Vec<String> },
}

impl SearchQuery {
    /// Reads a query: words that must all be found, in any order.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let folded = folded(text);
        let mut query = Self::default();
        let mut run: Vec<String> = Vec::new();
        for word in folded.split_whitespace() {
            let word = word.strip_prefix("tel:").unwrap_or(word);
            let is_number = word.chars().all(|one| one.is_ascii_digit() || joins_digits(one));
            if is_number {
                run.push(word.to_owned());
                continue;
            }
            query.take_number(&mut run);
            query.parts.push(Part::Word(word.to_owned()));
        }
        query.take_number(&mut run);
        query
    }

    fn take_number(&mut self, run: &mut Vec<String>) {
        if run.is_empty() {
            return;
        }
        let words = std::mem::take(run);
        match spellings(&words.join(" ")).pop() {
            Some(digits) => self.parts.push(Part::Number { digits, words }),
            None => self.parts.extend(words.into_iter().map(Part::Word)),
        }
    }

    /// Returns whether every part is found in a [`search_text`].
    #[must_use]
    pub fn matches(&self, search_text: &str) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Word(word) => search_text.contains(word.as_str()),
            Part::Number { digits, words } => {
                words.iter().all(|word| search_text.contains(word.as_str()))
                    || written_numbers(search_text).any(|number| is_same(number, digits))
            }
        })
    }
}

fn written_numbers(search_text: &str) -> impl Iterator<Item = &str> {
    search_text.lines().filter_map(|line| line.strip_prefix(NUMBER))
}

/// Returns whether one number contains the other, or would if the prefixes of
/// country and trunk were written alike.
fn is_same(number: &str, wanted: &str) -> bool {
    let bare = |text: &str| text.strip_prefix('+').unwrap_or(text).to_owned();
    if bare(number).contains(&bare(wanted)) {
        return true;
    }
    // `030 1234567` and `+49 30 1234567`; `0049 30 ...` and `+49 30 ...`.
    let (number, wanted) = (significant(number), significant(wanted));
    (wanted.len() >= SHARED_DIGITS_MIN && number.contains(wanted))
        || (number.len() > SHARED_DIGITS_MIN && wanted.ends_with(number))
}

/// Returns a number without the marks of an international or trunk prefix.
fn significant(number: &str) -> &str {
    if let Some(number) = number.strip_prefix('+') {
        return number;
    }
    // In Russia and its neighbours the trunk digit is 8, before ten others.
    let eight = number.strip_prefix('8').filter(|rest| rest.len() == 10);
    let zeros = number.strip_prefix("00").or_else(|| number.strip_prefix('0'));
    zeros.or(eight).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds(query: &str, text: &str) -> bool {
        SearchQuery::parse(query).matches(&search_text(text))
    }

    #[test]
    fn case_accents_and_width_do_not_count() {
        for (query, text) in [
            ("strasse", "Hauptstraße 5"),
            ("STRAßE", "hauptstrasse"),
            ("STRAẞE", "Hauptstraße 5"),
            ("jose", "José"),
            ("JOSÉ", "Jose\u{301}"),
            ("istanbul", "İSTANBUL"),
            ("ISTANBUL", "ıstanbul"),
            ("Diyarbakır", "DIYARBAKIR"),
            ("οδυσσευσ", "Ὀδυσσεύς"),
            ("ΟΔΥΣΣΕΎΣ", "οδυσσεύς"),
            ("lodz", "Łódź"),
            ("soren", "Søren"),
            ("aether", "Æther"),
            ("ａｎｎ", "Ann"),
            ("ann", "ＡＮＮ"),
            ("カタカナ", "ｶﾀｶﾅ"),
            ("o'neill", "O’Neill"),
            ("obrien", "O’Brien"),
            ("O'Brien", "OBrien"),
            ("o‘brien", "O'Brien"),
            ("Oʻahu", "oahu"),
            ("fi", "eﬃcient"),
            ("Елка", "ёлка"),
        ] {
            assert!(finds(query, text), "{query} in {text}");
        }
    }

    #[test]
    fn every_script_is_searched() {
        for (query, text) in [
            ("山田", "東京の山田太郎"),
            ("\u{1112}\u{1161}\u{11ab}", "한국"),
            ("한", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
            ("محمد", "مُحَمَّد"),
            ("احمد", "أحمد"),
            ("محمد", "محـــمد"),
            ("שלום", "שָׁלוֹם"),
            ("नमस्ते", "नमस्ते दुनिया"),
            ("กรุงเทพ", "กรุงเทพฯ"),
        ] {
            assert!(finds(query, text), "{query} in {text}");
        }
    }

    #[test]
    fn marks_that_make_another_letter_are_kept() {
        for (query, text) in [("かき", "がき"), ("कि", "का"), ("พี", "พา")] {
            assert!(!finds(query, text), "{query} in {text}");
        }
    }

    #[test]
    fn a_number_is_found_in_any_spelling() {
        let written = "+49 (30) 123-4567";
        for query in [
            "030 1234567",
            "0301234567",
            "+49301234567",
            "0049 30 1234567",
            "(030) 123 45 67",
            "030/1234567",
            "1234567",
            "123-45",
            "０３０ １２３４５６７",
            "٠٣٠ ١٢٣٤٥٦٧",
            "०३० १२३४५६७",
        ] {
            assert!(finds(query, written), "{query}");
        }
        for query in ["+49 30 1234567", "0049301234567", "301234567", "030-123 4567"] {
            assert!(finds(query, "030 1234567"), "{query}");
        }
        let trunk = "+49 (0)30 1234567";
        for query in ["+49301234567", "49301234567", "0049301234567", "0301234567", trunk] {
            assert!(finds(query, trunk), "{query}");
        }
        assert!(finds(trunk, written) && finds(trunk, "030 1234567"));
        assert!(finds("+74951234567", "8 (495) 123-45-67"));
        assert!(finds("tel:+1-415-555-2671", "(415) 555-2671"));
        for query in ["030 7654321", "+43 30 1234567", "49 31", "1234568"] {
            assert!(!finds(query, written), "{query}");
        }
    }

    #[test]
    fn letters_are_no_digits_of_a_number() {
        assert!(!finds("0800 355", "0800 FLOWERS"));
        assert!(finds("0800 flowers", "0800 FLOWERS"));
    }

    #[test]
    fn every_word_must_be_found_in_any_order() {
        assert!(finds("lee ann", "Ann\nLee"));
        assert!(!finds("lee bob", "Ann Lee"));
        assert!(finds("", "anything") && finds("  \n", ""));
        assert!(finds("ann 1234567 Berlin", "Berlin Ann\n+49 30 1234567"));
        assert!(finds("2026 12", "12 eggs, bought 2026"), "numbers that stand apart");
        assert!(finds("ann@sample.example", "Ann <Ann@Sample.Example>"));
    }

    #[test]
    fn the_mark_of_numbers_cannot_be_asked_for() {
        assert_eq!(SearchQuery::parse("\u{1}").parts, []);
        assert!(!search_text("a\u{1}b").contains(NUMBER));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_text_is_found_by_each_of_its_words(text in "\\PC{0,40}") {
            let index = search_text(&text);
            for word in text.split_whitespace() {
                prop_assert!(SearchQuery::parse(word).matches(&index), "{word:?}");
            }
            prop_assert!(SearchQuery::parse(&text).matches(&index));
        }

        #[test]
        fn a_text_is_folded_as_if_it_were_decomposed_as_a_whole(
            text in "([a-zA-Z0-9 '\n]|\\PC|[\u{300}-\u{345}\u{591}-\u{5c0}\u{1e00}-\u{1eff}]){0,30}",
        ) {
            let mut whole = String::new();
            text.nfkd().for_each(|letter| fold(letter, &mut whole));
            prop_assert_eq!(folded(&text), whole);
        }

        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
        }

        #[test]
        fn the_same_letters_of_another_case_are_found(text in "[a-zäöüßéñłøσςа-яё]{1,20}") {
            prop_assert!(finds(&text.to_uppercase(), &text));
            prop_assert!(finds(&text, &text.to_uppercase()));
        }
    }
}
