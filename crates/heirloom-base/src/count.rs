//! Numbers of things, as sentences tell them.

/// Returns the one word for one thing, and the other for none or several.
#[must_use]
pub fn word<'a>(count: u64, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

/// Returns a number with the word for what it counts: `1 note`, `2 notes`.
#[must_use]
pub fn of(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", word(count, one, several))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_told_as_one() {
        assert_eq!(of(0, "entry", "entries"), "0 entries");
        assert_eq!(of(1, "entry", "entries"), "1 entry");
        assert_eq!(of(2, "entry", "entries"), "2 entries");
        assert_eq!((word(1, "is", "are"), word(21, "is", "are")), ("is", "are"));
    }
}
