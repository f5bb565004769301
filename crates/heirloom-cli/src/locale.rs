//! What the environment says about the user: the order of letters, and the
//! time zone. Read here and nowhere else.

use icu_collator::options::CollatorOptions;
use icu_collator::{CollatorBorrowed, CollatorPreferences};
use icu_locale_core::Locale;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// The order in which a user expects texts.
#[derive(Debug)]
pub(crate) enum Order {
    /// By code points, as the locale `C` says.
    CodePoints,
    /// As a language has it.
    Language(Box<CollatorBorrowed<'static>>),
}

impl Order {
    /// Returns the order of this program's environment.
    pub(crate) fn of_user() -> Self {
        Self::named(&collation(|name| std::env::var(name).ok()))
    }

    /// Returns the order of a locale as POSIX writes it (`de_DE.UTF-8`). One
    /// that is unknown has the order that most languages share.
    fn named(name: &str) -> Self {
        let language = name.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
        if matches!(language.as_str(), "" | "C" | "POSIX") {
            return Self::CodePoints;
        }
        let locale = Locale::try_from_str(&language).unwrap_or(Locale::UNKNOWN);
        let collator = CollatorBorrowed::try_new(
            CollatorPreferences::from(&locale),
            CollatorOptions::default(),
        );
        collator.map_or(Self::CodePoints, |collator| Self::Language(Box::new(collator)))
    }

    /// Compares two texts.
    pub(crate) fn compare(&self, one: &str, other: &str) -> Ordering {
        match self {
            Self::CodePoints => one.cmp(other),
            Self::Language(collator) => collator.compare(one, other).then_with(|| one.cmp(other)),
        }
    }
}

/// Returns the name of the locale that says how texts are ordered.
fn collation(variable: impl Fn(&str) -> Option<String>) -> String {
    let names = ["LC_ALL", "LC_COLLATE", "LANG"];
    let set = names.into_iter().filter_map(variable).find(|value| !value.is_empty());
    set.unwrap_or_default()
}

/// Returns the time zone of the user: a name, an offset or a POSIX rule.
pub(crate) fn zone_of_user() -> String {
    zone(
        std::env::var("TZ").ok(),
        std::fs::read_link("/etc/localtime").ok(),
        std::fs::read_to_string("/etc/timezone").ok(),
    )
}

fn zone(variable: Option<String>, link: Option<PathBuf>, file: Option<String>) -> String {
    let after_folder = |path: &Path| {
        let text = path.to_string_lossy().into_owned();
        text.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
    };
    let variable = variable.map(|text| text.trim_start_matches(':').to_owned());
    let variable = variable.filter(|text| !text.is_empty());
    let named = variable.map(|text| after_folder(Path::new(&text)).unwrap_or(text));
    let linked = || link.as_deref().and_then(after_folder);
    let written = || file.and_then(|text| text.lines().next().map(|line| line.trim().to_owned()));
    named
        .or_else(linked)
        .or_else(written)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "UTC".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(locale: &str, words: &[&str]) -> String {
        let order = Order::named(locale);
        let mut words = words.to_vec();
        words.sort_by(|one, other| order.compare(one, other));
        words.join(" ")
    }

    #[test]
    fn each_language_has_its_order() {
        let words = ["Zebra", "ärlig", "apa", "Ost"];
        assert_eq!(sorted("sv_SE.UTF-8", &words), "apa Ost Zebra ärlig");
        assert_eq!(sorted("de_DE.UTF-8@euro", &words), "apa ärlig Ost Zebra");
        assert_eq!(sorted("C", &words), "Ost Zebra apa ärlig");
        assert_eq!(sorted("C.UTF-8", &words), "Ost Zebra apa ärlig");
        assert_eq!(sorted("", &words), "Ost Zebra apa ärlig");
        assert_eq!(sorted("xx_not a locale", &words), "apa ärlig Ost Zebra");
        // By pinyin: Beijing, Shanghai, Xi'an; by code points it would be another order.
        let cities = ["西安", "北京", "上海"];
        assert_eq!(sorted("zh_CN.UTF-8", &cities), "北京 上海 西安");
        assert_eq!(sorted("C", &cities), "上海 北京 西安");
    }

    #[test]
    fn texts_that_a_language_holds_for_equal_keep_one_order() {
        let order = Order::named("de_DE");
        assert_eq!(order.compare("a", "a\u{200d}"), "a".cmp("a\u{200d}"));
        assert_eq!(order.compare("é", "e\u{301}"), "é".cmp("e\u{301}"));
    }

    #[test]
    fn the_first_variable_that_says_something_counts() {
        let set = |pairs: &'static [(&str, &str)]| {
            collation(|name| {
                pairs.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(set(&[("LANG", "de_DE"), ("LC_COLLATE", "sv_SE"), ("LC_ALL", "")]), "sv_SE");
        assert_eq!(set(&[("LANG", "de_DE"), ("LC_ALL", "C")]), "C");
        assert_eq!(set(&[]), "");
    }

    #[test]
    fn the_zone_is_the_variables_or_the_systems() {
        let text = |text: &str| Some(text.to_owned());
        let link = || Some(PathBuf::from("/usr/share/zoneinfo/Asia/Tokyo"));
        assert_eq!(zone(text("Europe/Berlin"), link(), None), "Europe/Berlin");
        assert_eq!(zone(text(":Europe/Berlin"), link(), None), "Europe/Berlin");
        assert_eq!(zone(text("/usr/share/zoneinfo/Europe/Rome"), None, None), "Europe/Rome");
        assert_eq!(zone(text(""), link(), text("UTC\n")), "Asia/Tokyo");
        assert_eq!(zone(None, Some("/etc/own".into()), text("Europe/Paris\n")), "Europe/Paris");
        assert_eq!(zone(None, None, text("\n")), "UTC");
        assert_eq!(zone(None, None, None), "UTC");
    }
}
