//! Search in any script: one shape for what is written and what is asked.
//!
//! A text is folded to letters without case, accents and width. A number
//! (`+49 (30) 123-4567`) is also noted by its digits alone, so that every
//! spelling of it is found.

mod numbers;

use numbers::Number;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

/// What stands before the digits of a number in a search text. Folding never
/// leaves a control character, so no query can hold it.
const NUMBER: char = '\u{1}';
/// What stands there where the number may count anything else.
const LOOSE_NUMBER: char = '\u{2}';

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
    let joined: Vec<String> = folded.lines().filter_map(without_gaps).collect();
    for line in joined {
        folded.push('\n');
        folded.push_str(&line);
    }
    let numbers: Vec<Number> = folded.lines().flat_map(numbers::spellings).collect();
    for number in numbers {
        folded.push('\n');
        folded.push(if number.is_firm { NUMBER } else { LOOSE_NUMBER });
        folded.push_str(&number.noted());
    }
    folded
}

/// Returns a line without the blanks between Han or kana, if it has such:
/// family and given name are written apart or together.
fn without_gaps(line: &str) -> Option<String> {
    if line.is_ascii() {
        return None;
    }
    let letters: Vec<char> = line.chars().collect();
    let is_gap = |at: usize| {
        let around = [at.checked_sub(1), Some(at + 1)];
        letters.get(at) == Some(&' ')
            && around.iter().all(|at| at.and_then(|at| letters.get(at)).is_some_and(is_han_or_kana))
    };
    let kept: String = letters
        .iter()
        .enumerate()
        .filter(|(at, _)| !is_gap(*at))
        .map(|(_, letter)| letter)
        .collect();
    (kept.len() < line.len()).then_some(kept)
}

fn is_han_or_kana(letter: &char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}')
}

/// Returns a text without case, accents and width.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Most letters are ASCII and decompose into themselves, and no mark is
        // moved over one of them.
        let (plain, other) = rest.split_at(rest.bytes().take_while(u8::is_ascii).count());
        folded.extend(plain.bytes().filter_map(fold_ascii));
        let (foreign, after) =
            other.split_at(other.find(|letter: char| letter.is_ascii()).unwrap_or(other.len()));
        foreign.nfkd().for_each(|letter| fold(letter, &mut folded));
        rest = after;
    }
    folded
}

/// Returns what is left of a letter of ASCII.
fn fold_ascii(letter: u8) -> Option<char> {
    match letter {
        b'\'' => None,
        b'\n' => Some('\n'),
        _ if letter.is_ascii_graphic() => Some(char::from(letter.to_ascii_lowercase())),
        _ => Some(' '),
    }
}

/// Appends what is left of a decomposed letter.
fn fold(letter: char, folded: &mut String) {
    if is_apostrophe(letter) {
        return;
    }
    if let Some(ascii) = u8::try_from(letter).ok().filter(u8::is_ascii) {
        return folded.extend(fold_ascii(ascii));
    }
    if letter.is_control() {
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
    matches!(letter, '’' | '‘' | 'ʼ' | 'ʻ')
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
        '“'..='‟' | '«' | '»' | '″' => "\"",
        _ => return None,
    })
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
    Number { number: Number, words: Vec<String> },
    /// Something of which folding leaves nothing: no text is known to have it.
    Nothing,
}

impl SearchQuery {
    /// Reads a query: words that must all be found, in any order. One that is
    /// blank finds everything.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let words: Vec<String> = folded(text).split_whitespace().map(str::to_owned).collect();
        let is_blank = text.chars().all(|one| one.is_whitespace() || one.is_control());
        let mut query = Self::default();
        if words.is_empty() && !is_blank {
            query.parts.push(Part::Nothing);
        }
        let joined = words.join(" ");
        let mut rest = joined.as_str();
        while !rest.is_empty() {
            let own = rest.strip_prefix("tel:").unwrap_or(rest);
            let (run, after) = own.split_at(numbers::run(own));
            match run.is_empty() {
                false => {
                    query.take_number(run);
                    rest = after.trim_start();
                }
                true => {
                    let (word, after) = own.split_once(' ').unwrap_or((own, ""));
                    query.parts.push(Part::Word(word.to_owned()));
                    rest = after;
                }
            }
        }
        query
    }

    fn take_number(&mut self, run: &str) {
        let words: Vec<String> = run.split_whitespace().map(str::to_owned).collect();
        let numbers = numbers::wanted(run);
        if numbers.is_empty() {
            return self.parts.extend(words.into_iter().map(Part::Word));
        }
        let part = |number| Part::Number { number, words: words.clone() };
        self.parts.extend(numbers.into_iter().map(part));
    }

    /// Returns whether every part is found in a [`search_text`].
    #[must_use]
    pub fn matches(&self, search_text: &str) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Word(word) => search_text.contains(word.as_str()),
            Part::Number { number, words } => {
                words.iter().all(|word| search_text.contains(word.as_str()))
                    || written_numbers(search_text).any(|written| written.is(number))
            }
            Part::Nothing => false,
        })
    }
}

fn written_numbers(search_text: &str) -> impl Iterator<Item = Number> {
    search_text.lines().filter_map(|line| {
        let noted = line.strip_prefix([NUMBER, LOOSE_NUMBER])?;
        Some(Number::read(noted, line.starts_with(NUMBER)))
    })
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
    fn a_trunk_digit_behind_the_country_does_not_hide_a_number() {
        for (query, text) in [
            ("+49307654321", "+49 030 7654321"),
            ("004930 7654321", "+49 030 7654321"),
            ("+49307654321", "(+49) 030 7654321"),
            ("004930332211", "(+49) 030 332211"),
            ("00442079460958", "+44 020 7946 0958"),
            ("+49 030 7654321", "030 7654321"),
            ("+49 030 7654321", "+49 (30) 765-4321"),
            ("+49 (0)30 7654321", "+49 030 7654321"),
            ("+39 06 1234567", "+39 06 1234567"),
            ("0039 061234567", "+39 06 1234567"),
        ] {
            assert!(finds(query, text), "{query} in {text}");
        }
        assert!(!finds("+49 030 7654321", "+43 30 7654321"));
    }

    #[test]
    fn an_extension_is_found_in_any_spelling() {
        let spellings = ["x5", " x5", " ext. 5", " ext 5", ";ext=5", ", ext. 5", " EXTENSION 5"];
        for stored in spellings {
            for query in spellings {
                let (stored, query) =
                    (format!("+1 212 555 0177{stored}"), format!("2125550177{query}"));
                assert!(finds(&query, &stored), "{query} in {stored}");
                assert!(finds("+1 212 555 0177", &stored) && finds("0177", &stored), "{stored}");
                assert!(!finds(&format!("{query}1"), &stored), "{query}1 in {stored}");
            }
        }
        assert!(finds("+1 212 555 0199 x77", "tel:+1-212-555-0199;ext=77"));
        assert!(finds("ann 2125550199 x77 lee", "Lee\n+1-212-555-0199;ext=77\nAnn"));
    }

    #[test]
    fn what_a_text_counts_is_no_number_that_somebody_dials() {
        for query in ["+49 30 1234567", "0301234567", "+49301234567"] {
            assert!(!finds(query, "room 30, 1234567 items"), "{query}");
            assert!(!finds(query, "1234567 items in room 30"), "{query}");
            assert!(finds(query, "call 030 1234567 today, room 5"), "{query}");
            assert!(finds(query, "Ann\n1234567\nBerlin"), "a line of its own: {query}");
        }
        assert!(finds("30 1234567", "room 30, 1234567 items"), "both words are there");
        assert!(finds("+1-415-555-2671", "ask (415) 555-2671 or me"));
    }

    #[test]
    fn a_query_of_which_nothing_is_left_finds_nothing() {
        assert!(!finds("\u{301}", "anything") && !finds("\u{301}", "e\u{301}"));
        assert!(finds("e\u{301}", "e") && finds("ann \u{301}", "Ann"));
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
        assert_eq!(SearchQuery::parse("\u{2}").parts, []);
        assert!(!search_text("a\u{1}\u{2}b").contains([NUMBER, LOOSE_NUMBER]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_text_is_found_by_each_of_its_words(text in "\\PC{0,40}") {
            let index = search_text(&text);
            let says = |text: &str| text.trim().is_empty() || !folded(text).trim().is_empty();
            for word in text.split_whitespace().filter(|word| says(word)) {
                prop_assert!(SearchQuery::parse(word).matches(&index), "{word:?}");
            }
            prop_assert!(!says(&text) || SearchQuery::parse(&text).matches(&index));
        }

        #[test]
        fn a_text_of_numbers_is_found_by_itself(text in "[0-9x#;,.()+ =/ext-]{0,24}") {
            let index = search_text(&text);
            prop_assert!(SearchQuery::parse(&text).matches(&index));
            let words = text.split_whitespace();
            prop_assert!(words.into_iter().all(|one| SearchQuery::parse(one).matches(&index)));
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
