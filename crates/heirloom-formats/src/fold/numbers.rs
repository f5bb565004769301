//! Numbers in folded texts: what of a line is one, and which spellings are of
//! the same one.
//!
//! A number does not go on behind a comma or a word. What may follow it is an
//! extension, in any of its spellings (`x5`, `ext. 5`, `;ext=5`).

/// Digits that make a number worth noting by itself.
const DIGITS_MIN: usize = 3;
/// Digits that a number shares with another spelling of it at least, where
/// one of them leaves out a prefix.
const SHARED_DIGITS_MIN: usize = 5;
/// Digits of a number within a text that may lack a prefix of country and
/// trunk without being marked by one: fewer may count anything.
const BARE_DIGITS_MIN: usize = 9;
/// Digits of an extension at most.
const EXTENSION_DIGITS_MAX: usize = 7;
/// What stands before an extension in the spelling that is noted.
const EXTENSION: char = 'x';
/// What people write there; what begins with another comes before it.
const EXTENSION_MARKS: &[&str] = &["extension", "extn", "ext", "x", "#"];
/// The digit that is dialled within a country only: `+49 (0)30 1234567`.
const TRUNK: &str = "(0)";

/// A number that is written in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// Its digits, with a leading `+` where it has one.
    pub(super) digits: String,
    pub(super) extension: Option<String>,
    /// Whether it is likely to be dialled, so that another one of which it is
    /// the end may be the same.
    pub(super) is_firm: bool,
}

impl Number {
    /// Reads what [`Number::noted`] wrote.
    pub(super) fn read(noted: &str, is_firm: bool) -> Self {
        let (digits, extension) = match noted.split_once(EXTENSION) {
            Some((digits, extension)) => (digits, Some(extension.to_owned())),
            None => (noted, None),
        };
        Self { digits: digits.to_owned(), extension, is_firm }
    }

    /// Returns its digits and those of its extension.
    pub(super) fn noted(&self) -> String {
        let extension = self.extension.as_ref().map(|one| format!("{EXTENSION}{one}"));
        format!("{}{}", self.digits, extension.unwrap_or_default())
    }

    /// Returns whether this number is one that is wanted: one contains the
    /// other, or would if the prefixes of country and trunk were written alike.
    pub(super) fn is(&self, wanted: &Self) -> bool {
        if wanted.extension.is_some() && wanted.extension != self.extension {
            return false;
        }
        if bare(&self.digits).contains(bare(&wanted.digits)) {
            return true;
        }
        // `030 1234567` and `+49 30 1234567`; `0049 30 ...` and `+49 30 ...`.
        let (own, wanted) = (significant(&self.digits), significant(&wanted.digits));
        (wanted.len() >= SHARED_DIGITS_MIN && own.contains(wanted))
            || (self.is_firm && own.len() > SHARED_DIGITS_MIN && wanted.ends_with(own))
    }

    /// Returns the number without the trunk digit that follows the code of its
    /// country (`+49 030 ...`), where it has one.
    fn without_trunk(&self) -> Option<Self> {
        let prefix = ["+", "00"].into_iter().find(|prefix| self.digits.starts_with(prefix))?;
        let rest = self.digits.strip_prefix(prefix)?;
        let (country, own) = rest.split_at_checked(country_digits(rest))?;
        let own = own.strip_prefix('0').filter(|own| own.len() >= SHARED_DIGITS_MIN)?;
        Some(Self { digits: format!("{prefix}{country}{own}"), ..self.clone() })
    }
}

/// Returns the numbers of a folded line in every spelling, the one that is
/// dialled from elsewhere last.
pub(super) fn spellings(line: &str) -> Vec<Number> {
    if line.bytes().filter(u8::is_ascii_digit).count() < DIGITS_MIN {
        return Vec::new();
    }
    let mut found = numbers(line);
    if line.contains(TRUNK) {
        found.extend(numbers(&line.replace(TRUNK, " ")));
    }
    let trunkless: Vec<Number> = found.iter().filter_map(Number::without_trunk).collect();
    found.extend(trunkless);
    found
}

/// Returns the numbers that a query asks for, each in the spelling that is
/// dialled from elsewhere.
pub(super) fn wanted(text: &str) -> Vec<Number> {
    let found = numbers(&text.replace(TRUNK, " "));
    found.into_iter().map(|number| number.without_trunk().unwrap_or(number)).collect()
}

/// Returns how much of the begin of a query is a number with its extension,
/// in whole words; nothing where it begins with another word.
pub(super) fn run(text: &str) -> usize {
    let end = text.find(|one| !is_of_number(one)).unwrap_or(text.len());
    let (run, after) = text.split_at(end);
    let is_end = |rest: &str| rest.chars().next().is_none_or(char::is_whitespace);
    let has_digit = run.contains(|one: char| one.is_ascii_digit());
    if let Some((_, length)) = extension(after).filter(|_| has_digit)
        && after.get(length..).is_some_and(is_end)
    {
        return end + length;
    }
    if is_end(after) { end } else { run.rfind(' ').unwrap_or(0) }
}

fn is_of_number(letter: char) -> bool {
    letter.is_ascii_digit() || joins_digits(letter)
}

/// Returns whether a character may stand inside a written number.
fn joins_digits(letter: char) -> bool {
    matches!(letter, ' ' | '(' | ')' | '-' | '.' | '/' | '+')
}

/// Reads an extension: its digits, and the bytes that it takes.
fn extension(text: &str) -> Option<(&str, usize)> {
    let own = text.trim_start_matches([',', ';', ' ']);
    let own = EXTENSION_MARKS.iter().find_map(|mark| own.strip_prefix(mark))?;
    let own = own.trim_start_matches(['.', ':', '=', ' ']);
    let (digits, rest) =
        own.split_at(own.find(|one: char| !one.is_ascii_digit()).unwrap_or(own.len()));
    let is_own = (1..=EXTENSION_DIGITS_MAX).contains(&digits.len())
        && !rest.starts_with(char::is_alphanumeric);
    is_own.then(|| (digits, text.len() - rest.len()))
}

/// Returns the numbers of a folded line.
fn numbers(line: &str) -> Vec<Number> {
    let mut numbers = Vec::new();
    let mut digits = String::new();
    let mut is_alone = true;
    let mut rest = line.strip_prefix("tel:").unwrap_or(line);
    while let Some(letter) = rest.chars().next() {
        if digits.is_empty() && !is_digit_or_plus(letter) {
            // Up to where one begins, no letter is of a number.
            let (skipped, later) = rest.split_at(rest.find(is_digit_or_plus).unwrap_or(rest.len()));
            is_alone &= skipped.chars().all(joins_digits);
            rest = later;
            continue;
        }
        let after = rest.get(letter.len_utf8()..).unwrap_or_default();
        let goes_on = match letter {
            '0'..='9' => true,
            // Another number follows, or another sentence.
            '+' => digits.is_empty(),
            '.' => !after.starts_with(' '),
            other => joins_digits(other),
        };
        match (goes_on, letter) {
            (true, '0'..='9' | '+') => {
                digits.extend(Some(letter).filter(|one| *one != '+' || digits.is_empty()));
            }
            (true, _) => {}
            (false, _) => {
                let is_number = digits.len() >= DIGITS_MIN;
                let own = if is_number { extension(rest) } else { None };
                is_alone &= own.is_some() || joins_digits(letter);
                take(&mut numbers, &mut digits, own.map(|(own, _)| own));
                digits.extend(Some(letter).filter(|one| *one == '+'));
                rest = own.and_then(|(_, length)| rest.get(length..)).unwrap_or(after);
                continue;
            }
        }
        rest = after;
    }
    take(&mut numbers, &mut digits, None);
    is_alone &= numbers.len() == 1;
    numbers.iter_mut().for_each(|number| number.is_firm |= is_alone);
    numbers
}

fn is_digit_or_plus(letter: char) -> bool {
    letter.is_ascii_digit() || letter == '+'
}

/// Adds a number that ends, if it is worth noting.
fn take(numbers: &mut Vec<Number>, digits: &mut String, extension: Option<&str>) {
    let digits = std::mem::take(digits);
    let count = bare(&digits).len();
    if count < DIGITS_MIN {
        return;
    }
    let is_firm = significant(&digits).len() < digits.len() || count >= BARE_DIGITS_MIN;
    numbers.push(Number { digits, extension: extension.map(str::to_owned), is_firm });
}

fn bare(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
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

/// Returns how many digits the code of a country has that a number begins
/// with (ITU-T E.164).
fn country_digits(number: &str) -> usize {
    let two = number.get(..2).unwrap_or_default();
    match two {
        _ if number.starts_with(['1', '7']) => 1,
        "20" | "27" | "30" | "31" | "32" | "33" | "34" | "36" | "39" | "40" | "41" | "43"
        | "44" | "45" | "46" | "47" | "48" | "49" | "51" | "52" | "53" | "54" | "55" | "56"
        | "57" | "58" | "60" | "61" | "62" | "63" | "64" | "65" | "66" | "81" | "82" | "84"
        | "86" | "90" | "91" | "92" | "93" | "94" | "95" | "98" => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(line: &str) -> Vec<String> {
        spellings(line).iter().map(Number::noted).collect()
    }

    #[test]
    fn a_number_ends_with_a_comma_a_word_and_another_number() {
        assert_eq!(noted("room 300, 1234567 items"), ["300", "1234567"]);
        assert_eq!(noted("+49 30 123 +49 40 456"), ["+4930123", "+4940456"]);
        assert_eq!(noted("call 555. 4711 is the code"), ["555", "4711"]);
        assert_eq!(noted("12 or 34"), [] as [&str; 0]);
    }

    #[test]
    fn the_trunk_digit_behind_a_country_is_left_out_too() {
        assert_eq!(noted("(+49) 030 332211"), ["+49030332211", "+4930332211"]);
        assert_eq!(noted("0044 020 7946 0958"), ["004402079460958", "00442079460958"]);
        assert_eq!(noted("+49 (0)30 332211"), ["+49030332211", "+4930332211", "+4930332211"]);
        assert_eq!(noted("+353 01 234 5678"), ["+353012345678", "+35312345678"]);
        assert_eq!(noted("+1 212 555 0100"), ["+12125550100"]);
        assert_eq!(noted("+"), [] as [&str; 0]);
    }

    #[test]
    fn every_spelling_of_an_extension_is_one() {
        for text in ["x5", "x 5", "ext. 5", "ext 5", ";ext=5", ", ext. 5", "extension 5", "#5"] {
            assert_eq!(noted(&format!("1 212 555 {text}")), ["1212555x5"], "{text}");
            assert_eq!(run(&format!("1 212 555{text} ann")), 9 + text.len(), "{text}");
        }
        assert_eq!(noted("555 x2y"), ["555"], "a word");
        assert_eq!(noted("555 x12345678"), ["555", "12345678"], "too long");
    }

    #[test]
    fn a_query_is_cut_at_whole_words() {
        for (text, length) in [
            ("030 12 ann", 6),
            ("030 12ann", 3),
            ("030", 3),
            ("ann 030", 0),
            ("12:30 030", 0),
            ("030 x5a", 3),
            ("", 0),
        ] {
            assert_eq!(
                run(text).min(text.get(..run(text)).unwrap().trim_end().len()),
                length,
                "{text}"
            );
        }
    }
}
