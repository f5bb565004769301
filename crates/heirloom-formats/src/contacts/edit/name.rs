//! The parts of a name: property N beside the name as it is spoken.

use crate::{fold, text};

/// Parts of property N, as RFC 6350 has them.
const PARTS: usize = 5;
const FAMILY: usize = 0;
const GIVEN: usize = 1;
const ADDITIONAL: usize = 2;
const PREFIX: usize = 3;
const SUFFIX: usize = 4;

/// Which part of a name comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    GivenFirst,
    FamilyFirst,
}

impl Order {
    /// Returns the order that the name had before.
    fn of(full: &str, family: &str) -> Self {
        let rest = full.strip_prefix(family).filter(|_| !family.is_empty());
        let is_first = rest.is_some_and(|rest| rest.starts_with(char::is_whitespace));
        if is_first { Self::FamilyFirst } else { Self::GivenFirst }
    }
}

/// Returns a name's parts as property N holds them: a good guess.
pub(super) fn structured(name: &str, order: Order) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let Guess { family, given, title } = Guess::of(&words, order);
    format!("{};{};;{};", text::escaped(&family), text::escaped(&given), text::escaped(&title))
}

/// Returns property N of a card that had `old` there beside the name `before`
/// and has another name now; none where the old one fits. What the name does
/// not say (further names, titles) stays where a part of it stays the same, or
/// where it names them: else it was another person's.
pub(super) fn renamed(old: &str, before: &str, name: &str) -> Option<String> {
    let old: Vec<&str> = text::raw_components(old);
    let part = |at: usize| old.get(at).copied().unwrap_or_default();
    if before == name {
        return None;
    }
    if let Some(given) = unspaced(before, name, &part) {
        let mut parts = old.clone();
        let given = text::escaped(given);
        *parts.get_mut(GIVEN)? = &given;
        return Some(parts.join(";"));
    }
    let order = Order::of(before, &text::unescaped(part(FAMILY)));
    let words: Vec<&str> = name.split_whitespace().collect();
    let spoken = without_further(&words, &part);
    let known = Guess::known(spoken.as_slice(), order, &part);
    let Guess { family, given, title } = known.unwrap_or_else(|| Guess::of(&spoken, order));
    let is_part = |at: usize, text: &str| !text.is_empty() && folded(part(at)) == split(text);
    let is_same = is_part(FAMILY, &family) || is_part(GIVEN, &given);
    let all = split(name);
    let is_kept = |at: usize| {
        let own = folded(part(at));
        is_same || (!own.is_empty() && all.windows(own.len()).any(|some| *some == own))
    };
    let mut parts: Vec<String> = (0..old.len().max(PARTS))
        .map(|at| if is_kept(at) { part(at).to_owned() } else { String::new() })
        .collect();
    for (at, text) in [(FAMILY, family), (GIVEN, given), (PREFIX, title)] {
        let is_written = text::unescaped(part(at)) == text || (at == PREFIX && text.is_empty());
        if let Some(own) = parts.get_mut(at).filter(|_| !is_written) {
            *own = text::escaped(&text);
        }
    }
    let made = parts.join(";");
    (made.trim_end_matches(';') != old.join(";").trim_end_matches(';')).then_some(made)
}

/// Returns the given name of a name that is written without a space, family
/// name first, as it was before.
fn unspaced<'a>(before: &str, name: &'a str, part: &impl Fn(usize) -> &'a str) -> Option<&'a str> {
    let (family, given) = (text::unescaped(part(FAMILY)), text::unescaped(part(GIVEN)));
    let is_both = !family.is_empty() && !given.is_empty() && before == format!("{family}{given}");
    name.strip_prefix(&*family).filter(|rest| is_both && !rest.is_empty() && !rest.contains(' '))
}

/// Returns the words of a name without those that stand in its further parts.
fn without_further<'a>(words: &[&'a str], part: &impl Fn(usize) -> &'a str) -> Vec<&'a str> {
    let is_of = |word: &str, at: usize| {
        let word = split(word);
        !word.is_empty() && word.iter().all(|one| folded(part(at)).contains(one))
    };
    let mut words = words.to_vec();
    while words.len() > 1 && words.first().is_some_and(|word| is_of(word, PREFIX)) {
        words.remove(0);
    }
    while words.len() > 1 && words.last().is_some_and(|word| is_of(word, SUFFIX)) {
        words.pop();
    }
    let further = |words: &[&str]| words.iter().skip(1).position(|word| is_of(word, ADDITIONAL));
    while let Some(at) = further(&words).filter(|_| words.len() > 2) {
        words.remove(at + 1);
    }
    if let Some(last) = words.last_mut() {
        *last = last.trim_end_matches(',');
    }
    words
}

/// What the words of a name likely are.
struct Guess {
    family: String,
    given: String,
    title: String,
}

impl Guess {
    fn of(words: &[&str], order: Order) -> Self {
        let has_comma = words.iter().any(|word| word.contains(','));
        let titles = titles(words).min(words.len().saturating_sub(2));
        let (titles, words) = words.split_at(if has_comma { 0 } else { titles });
        let name = words.join(" ");
        let (family, given) = match (name.split_once(','), words, order) {
            (Some((family, given)), ..) => (family.trim().to_owned(), given.trim().to_owned()),
            (None, [family, given @ ..], Order::FamilyFirst) => {
                ((*family).to_owned(), given.join(" "))
            }
            (None, [given @ .., family], Order::GivenFirst) if !given.is_empty() => {
                ((*family).to_owned(), given.join(" "))
            }
            (None, ..) => (String::new(), name),
        };
        Self { family, given, title: titles.join(" ") }
    }

    /// Tells the parts by the one that stays the same, which may be several
    /// words.
    fn known<'a>(words: &[&str], order: Order, part: &impl Fn(usize) -> &'a str) -> Option<Self> {
        if words.iter().any(|word| word.contains(',')) {
            return None;
        }
        let (first, last) = match order {
            Order::GivenFirst => (GIVEN, FAMILY),
            Order::FamilyFirst => (FAMILY, GIVEN),
        };
        let is = |words: &[&str], at: usize| {
            !words.is_empty() && split(&words.join(" ")) == folded(part(at))
        };
        let cuts = || (1..words.len()).filter_map(|at| words.split_at_checked(at));
        let (head, tail) = cuts()
            .find(|(head, tail)| is(head, first) && is(tail, last))
            .or_else(|| cuts().find(|(_, tail)| is(tail, last)))
            .or_else(|| cuts().find(|(head, _)| is(head, first)))?;
        let (given, family) = match order {
            Order::GivenFirst => (head, tail),
            Order::FamilyFirst => (tail, head),
        };
        let titles = titles(given).min(given.len().saturating_sub(1));
        let (titles, given) = given.split_at(titles);
        Some(Self { family: family.join(" "), given: given.join(" "), title: titles.join(" ") })
    }
}

/// Returns how many words a name begins with that are titles: `Dr.` and
/// `Prof.` are some, `J.` is a given name.
fn titles(words: &[&str]) -> usize {
    words.iter().take_while(|word| word.ends_with('.') && word.chars().count() > 2).count()
}

/// Returns the words of a part of property N as they are compared.
fn folded(part: &str) -> Vec<String> {
    split(&text::unescaped(part))
}

/// Returns the words of a text as they are compared.
fn split(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == ',');
    words.map(fold::folded).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LU: &str = "Lu;Zoe;Maria;Dr.;Ph.D.";

    #[test]
    fn what_a_name_does_not_say_stays_where_a_part_of_it_stays() {
        for (old, before, name, expected) in [
            (LU, "Zoe Lu", "Zoe Lu", None),
            (LU, "Zoe Lu", "Dr. Zoe Maria Lu, Ph.D.", None),
            (LU, "Zoe Lu", "Lu, Zoe", None),
            ("Smith;Jane;Ann;Dr.;", "Mum", "Mum", None),
            ("王;小明;;;", "王小明", "王小明", None),
            ("王;小明;;;", "王小明", "王小红", Some("王;小红;;;")),
            ("Smith;John;;;", "J. Smith", "J. Smith", None),
            (LU, "Zoe Lu", "Zoé Lu", Some("Lu;Zoé;Maria;Dr.;Ph.D.")),
            (LU, "Zoe Lu", "Zoe Wang", Some("Wang;Zoe;Maria;Dr.;Ph.D.")),
            (LU, "Zoe Lu", "Prof. Zoe Lu", Some("Lu;Zoe;Maria;Prof.;Ph.D.")),
            (LU, "Zoe Lu", "Prof. Dr. Zoe Lu", Some("Lu;Zoe;Maria;Prof. Dr.;Ph.D.")),
            (LU, "Zoe Lu", "Bo Berg", Some("Berg;Bo;;;")),
            (LU, "Zoe Lu", "Dr. Bo Maria Berg", Some("Berg;Bo;Maria;Dr.;")),
            (LU, "Lu Zoe", "Lu Zoé", Some("Lu;Zoé;Maria;Dr.;Ph.D.")),
            (
                "van der Berg;Jan;;;",
                "Jan van der Berg",
                "Jon van der Berg",
                Some("van der Berg;Jon;;;"),
            ),
            (
                "van der Berg;Jan;;;",
                "Jan van der Berg",
                "Jan van der Burg",
                Some("van der Burg;Jan;;;"),
            ),
            ("Weiß;Hans;;Herr", "Hans Weiß", "Hans Weiß", None),
            ("Weiß;Hans;;Herr", "Herr Hans Weiß", "Hans Weiss", Some("Weiss;Hans;;Herr;")),
            ("Weiß;Hans;;Herr", "Herr Hans Weiß", "Herr Karl Weiß", Some("Weiß;Karl;;Herr;")),
            (";;;;", "Lu & Co", "Lu & Co", None),
            (";;;;", "Lu & Co", "Lu & Sons", Some("Sons;Lu &;;;")),
            ("Lu;Zoe;;;;Chen;Jr", "Zoe Lu", "Zoé Lu", Some("Lu;Zoé;;;;Chen;Jr")),
            ("Berg;Bo;;;", "Zoe Lu", "Zoe Lu", None),
        ] {
            assert_eq!(renamed(old, before, name).as_deref(), expected, "{name} for {old}");
        }
    }

    #[test]
    fn lists_of_further_names_and_titles_stay_lists() {
        let old = "Łukasiewicz;Zoë;Maria,Anna;Dr.,Prof.;M.Sc.,Ph.D.";
        let full = "Dr. Prof. Zoë Maria Anna Łukasiewicz M.Sc. Ph.D.";
        for name in [full, "Zoë Łukasiewicz", "Zoë Maria Łukasiewicz"] {
            assert_eq!(renamed(old, full, name), None, "{name}");
        }
        let expected = "Łukasiewicz;Zoé;Maria,Anna;Dr.,Prof.;M.Sc.,Ph.D.";
        assert_eq!(renamed(old, full, "Zoé Łukasiewicz").as_deref(), Some(expected));
        let other = renamed("van Berg\\;Lu;Zoe;;;", "Zoe", "Zoé van Berg;Lu");
        assert_eq!(other.as_deref(), Some("van Berg\\;Lu;Zoé;;;"));
    }
}
